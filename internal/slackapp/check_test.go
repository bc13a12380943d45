package slackapp

import (
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"
	"k8s.io/apimachinery/pkg/util/yaml"

	"rollcall/manifests"
)

// What the check calls missing is what the app manifest asks for.
func TestScopesAreTheManifests(t *testing.T) {
	t.Parallel()
	var manifest slack.Manifest
	if err := yaml.UnmarshalStrict([]byte(manifests.SlackApp), &manifest); err != nil {
		t.Fatal(err)
	}
	asked, mayDecline := manifest.OAuthConfig.Scopes.Bot, manifest.OAuthConfig.Scopes.BotOptional
	known := slices.Clone(requiredScopes)
	var optional []string
	for _, o := range optionalScopes {
		known = append(known, o[0])
		if o[0] != peopleScope { // without it nobody may, unless SLACK_ALLOWED_USERS is set
			optional = append(optional, o[0])
		}
	}
	for _, list := range [][]string{asked, mayDecline, known, optional} {
		slices.Sort(list)
	}
	if !slices.Equal(asked, known) || !slices.Equal(mayDecline, optional) {
		t.Errorf("the manifest asks for %q, of which people may decline %q; the check looks for %q, of which %q are optional",
			asked, mayDecline, known, optional)
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
