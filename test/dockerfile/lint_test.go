// Package dockerfile holds the Dockerfile to Docker's own linter, the one behind
// docker build --check. The image itself is built and run by test/image.
package dockerfile

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
)

// noRegistry knows each base image without asking anyone: all are Linux, and set nothing.
type noRegistry struct{}

func (noRegistry) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest,
	[]byte, error) {
	return ref, digest.FromString(ref), []byte(`{"architecture":"amd64","os":"linux","config":{}}`), nil
}

// lint returns the linter's findings, each as its rule and what it says.
func lint(t *testing.T, text []byte) (findings []string) {
	t.Helper()
	source := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text)
	source.Definition = &llb.Definition{} // it is asked for, and unused
	found, err := dockerfile2llb.DockerfileLint(t.Context(), text,
		dockerfile2llb.ConvertOpt{MetaResolver: noRegistry{}, SourceMap: source})
	if err != nil {
		t.Fatal(err)
	}
	if found.Error != nil {
		findings = append(findings, found.Error.Message)
	}
	for _, w := range found.Warnings {
		findings = append(findings, w.RuleName+": "+w.Detail)
	}
	return findings
}

func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range lint(t, text) {
		t.Error(finding)
	}
}

// The linter finds what it should: a test that finds nothing in anything would be none.
func TestLinter(t *testing.T) {
	got := lint(t, []byte("FROM golang AS Build\nfrom scratch\nENV API_TOKEN=a\nCOPY --from=Build /x /x\nENTRYPOINT /x\n"))
	for _, rule := range []string{"StageNameCasing", "ConsistentInstructionCasing", "SecretsUsedInArgOrEnv",
		"JSONArgsRecommended"} {
		if !slices.ContainsFunc(got, func(f string) bool { return strings.HasPrefix(f, rule) }) {
			t.Errorf("%s is not found: %q", rule, got)
		}
	}
	if got := lint(t, []byte("FROM scratch\nRUM x\n")); len(got) == 0 {
		t.Error("an unknown instruction is not found")
	}
}
