package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoutes(t *testing.T) {
	const routes = "ROUTES=kind in (surge,waiting) -> C0ONCALL S0PLATFORM @here; pool=gpu,kind!=ready -> C0ML0000"
	tests := []struct {
		name string
		args string
		env  []string
		out  string
		err  string // what the error contains; the exit code is then 2
	}{
		{name: "all", env: []string{routes}, out: `
LINE   MATCHERS                  CHANNEL    RINGS
1      kind in (surge,waiting)   C0ONCALL   S0PLATFORM @here
2      pool=gpu,kind!=ready      C0ML0000   nobody
-      everything else           C0OPS000   nobody
`},
		{name: "none", out: `
LINE   MATCHERS     CHANNEL    RINGS
-      everything   C0OPS000   nobody
`},
		{name: "the second line", env: []string{routes}, args: "pool=gpu kind=joined", out: `
It goes to C0ML0000 and rings nobody: line 2 matches: pool=gpu,kind!=ready
  line 1 does not: it wants kind in (surge,waiting)
Asked about: kind=joined pool=gpu severity=info; whatever is not named counts as not there.
`},
		{name: "the first line", env: []string{routes}, args: "kind=surge", out: `
It goes to C0ONCALL and rings S0PLATFORM @here: line 1 matches: kind in (surge,waiting)
Asked about: kind=surge severity=warning; whatever is not named counts as not there.
`},
		{name: "no line", env: []string{routes, "CLUSTER_NAME=prod"}, args: "pool=gpu kind=ready", out: `
It goes to C0OPS000 and rings nobody: no line matches, so SLACK_CHANNEL takes it
  line 1 does not: it wants kind in (surge,waiting)
  line 2 does not: it wants kind!=ready
Asked about: cluster=prod kind=ready pool=gpu severity=info; whatever is not named counts as not there.
`},
		{name: "help", args: "--help", out: `
usage: rollcall routes [KEY=VALUE…]

Prints which channel gets what, and whom it rings, as ROUTES and SLACK_CHANNEL say. With pairs such as
pool=gpu kind=joined it says where that goes, and why no line before does.
`},
		{name: "no pair", args: "gpu", err: `"gpu" says nothing of what is asked about; write for example pool=gpu kind=joined`},
		{name: "no value but a matcher", args: "pool!=gpu", err: `"pool!=gpu" says nothing`},
		{name: "misspelt kind", args: "kind=redy", err: `"redy" is no kind; write ready`},
		{name: "misspelt flag", args: "--kind=ready", err: "there is no flag --kind"},
		{name: "a mistake in the routes", env: []string{"ROUTES=pool=gpu -> #gpu"}, err: `line 1, "pool=gpu -> #gpu"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			code, err := Main(t.Context(), append([]string{"routes"}, strings.Fields(test.args)...),
				append([]string{"SLACK_CHANNEL=C0OPS000"}, test.env...), &stdout, &stderr)
			if (code == ExitMistake) != (test.err != "") || (err != nil) != (test.err != "") || code == ExitFailed {
				t.Errorf("code %d, error %v", code, err)
			}
			if !strings.Contains(fmt.Sprint(err), test.err) {
				t.Errorf("got  %v\nwant …%s…", err, test.err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(test.out, "\n"), stdout.String()); diff != "" || stderr.Len() > 0 {
				t.Errorf("-want +got:\n%s%s", diff, stderr.String())
			}
		})
	}
}
