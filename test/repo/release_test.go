package repo_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// workflow is what a workflow of GitHub may say here: a key that is missing is refused.
type workflow struct {
	Name string
	// On is the key "on", which YAML takes for true.
	On          map[string]map[string][]string `json:"true"`
	Permissions map[string]string
	Concurrency map[string]string
	Jobs        map[string]struct {
		RunsOn  string `json:"runs-on"`
		Timeout int    `json:"timeout-minutes"`
		Steps   []struct {
			Name, Uses, If, Run string
			With                map[string]any
			Env                 map[string]string
		}
	}
}

// The workflow of releases does what `make release` does and no more: its targets and variables are there, it may only
// read, what it uses is pinned, and the password reaches the login alone.
func TestReleaseWorkflow(t *testing.T) {
	var w workflow
	documents(t, ".github/workflows/release.yaml", &w)
	if diff := cmp.Diff(map[string]map[string][]string{"push": {"tags": {"v*"}}}, w.On); diff != "" {
		t.Errorf("when it runs, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"contents": "read"}, w.Permissions); diff != "" {
		t.Errorf("permissions, -want +got:\n%s", diff)
	}
	targets, makefile := makeTargets(t), read(t, "Makefile")
	_, release, _ := strings.Cut(makefile, "\nrelease:")
	release, _, _ = strings.Cut(release, "\n\n")
	made := 0
	for name, job := range w.Jobs {
		if job.Timeout == 0 {
			t.Errorf("the job %s may run for ever", name)
		}
		for _, s := range job.Steps {
			if s.Uses != "" && !regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`).MatchString(s.Uses) {
				t.Errorf("%s is not pinned to a commit", s.Uses)
			}
			if strings.Contains(s.Run, "${{") {
				t.Errorf("what others have written becomes a command in %q: hand it on as a variable", s.Run)
			}
			for _, m := range regexp.MustCompile(`make ([a-z-]+)`).FindAllStringSubmatch(s.Run, -1) {
				made++
				if !slices.Contains(targets, m[1]) {
					t.Errorf("it calls make %s, which the Makefile does not have", m[1])
				}
				for variable := range s.Env {
					if !strings.Contains(release, "$("+variable+")") {
						t.Errorf("it sets %s, which make release does not read", variable)
					}
				}
			}
			for variable, value := range s.Env {
				if strings.Contains(value, "secrets.") && !strings.Contains(s.Run, "docker login") {
					t.Errorf("the step %q gets the secret %s", s.Name, variable)
				}
			}
		}
	}
	if made != 1 {
		t.Errorf("it calls make %d times, want once", made)
	}
}
