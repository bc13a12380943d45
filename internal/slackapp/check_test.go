package slackapp

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"
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

// A hint names the channel that the call was about, never the variable that perhaps named another one.
func TestHintsNameTheChannel(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"channel_not_found", "not_in_channel", "is_archived", "restricted_action",
		"restricted_action_read_only_channel"} {
		v := judge(slack.SlackErrorResponse{Err: code}, "C0DIGEST")
		if !strings.Contains(v.Hint, "C0DIGEST") || strings.Contains(v.Hint, "SLACK_CHANNEL") {
			t.Errorf("%s: %s", code, v.Hint)
		}
	}
}
