package slackapp

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// What the check calls missing is what the app manifest asks for.
func TestScopesAreTheManifests(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile("../../manifests/slack-app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, line := range regexp.MustCompile(`(?m)^ +- ([a-z.]+:[a-z]+|commands)$`).FindAllSubmatch(manifest, -1) {
		asked = append(asked, string(line[1]))
	}
	known := slices.Clone(requiredScopes)
	for _, o := range optionalScopes {
		known = append(known, o[0])
	}
	slices.Sort(asked)
	slices.Sort(known)
	if !slices.Equal(asked, known) {
		t.Errorf("the manifest asks for %q, the check looks for %q", asked, known)
	}
}
