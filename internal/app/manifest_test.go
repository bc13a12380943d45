package app

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"
	"k8s.io/apimachinery/pkg/util/yaml"

	"rollcall/internal/answer"
	"rollcall/internal/slackemu"
	"rollcall/manifests"
)

// manifestOf runs `rollcall manifest` and reads what it printed.
func manifestOf(t *testing.T, environ []string, args ...string) (string, slack.Manifest) {
	t.Helper()
	var out bytes.Buffer
	code, err := Main(t.Context(), append([]string{"manifest"}, args...), environ, &out, &out)
	if code != ExitOK || err != nil {
		t.Fatalf("it ended with %d: %v", code, err)
	}
	var m slack.Manifest
	data, err := yaml.ToJSON(out.Bytes())
	if err == nil {
		err = slackemu.CheckManifest(data)
	}
	if err == nil {
		err = yaml.UnmarshalStrict(out.Bytes(), &m)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String(), m
}

func TestManifest(t *testing.T) {
	t.Parallel()
	if text, _ := manifestOf(t, nil); text != manifests.SlackApp {
		t.Error("without settings it is not the file that is released")
	}
	environ := []string{"SLACK_COMMANDS=nodes=/staging-nodes,events=/staging-events"}
	name := `Staging "$1" \ Rollcall: it's #2`
	text, m := manifestOf(t, environ, "--name", name)
	if m.Display.Name != name || m.Features.BotUser.DisplayName != name {
		t.Errorf("it is called %q and %q", m.Display.Name, m.Features.BotUser.DisplayName)
	}
	if len(m.Features.SlashCommands) != 2 || m.Features.SlashCommands[0].Command != "/staging-nodes" ||
		m.Features.SlashCommands[1].Command != "/staging-events" {
		t.Errorf("its commands are %+v", m.Features.SlashCommands)
	}
	if strings.Contains(text, " /nodes") || strings.Contains(text, " /events") {
		t.Errorf("it still names the usual commands:\n%s", text)
	}
	if lines := strings.Count(text, "\n"); lines != strings.Count(manifests.SlackApp, "\n") {
		t.Errorf("it has %d lines", lines)
	}
}

func TestManifestOfAgent(t *testing.T) {
	t.Parallel()
	_, m := manifestOf(t, nil)
	if m.Features.AgentView != nil || slices.Contains(m.OAuthConfig.Scopes.Bot, "assistant:write") {
		t.Error("it is an agent without being asked to, which some workspaces refuse")
	}
	_, m = manifestOf(t, nil, "--agent", "--name", "Roll")
	if m.Features.AgentView == nil || len(m.Features.AgentView.SuggestedPrompts) != len(answer.Prompts) ||
		m.Features.AgentView.AgentDescription == "" || !slices.Contains(m.OAuthConfig.Scopes.Bot, "assistant:write") {
		t.Errorf("it is no agent: %+v", m.Features.AgentView)
	}
}

func TestManifestMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		environ []string
		args    []string
		want    string
	}{
		{nil, []string{"now"}, `"now" is one argument too many`},
		{nil, []string{"--name", " "}, "--name is empty"},
		{nil, []string{"--name", "a\nb"}, "holds more than one line"},
		{nil, []string{"--name", strings.Repeat("é", 36)}, "has 36 characters; Slack takes 35 at most"},
		{[]string{"SLACK_COMMANDS=nodes"}, nil, "SLACK_COMMANDS: "},
	} {
		var out bytes.Buffer
		code, err := Main(t.Context(), append([]string{"manifest"}, test.args...), test.environ, &out, &out)
		if code != ExitMistake || err == nil || !strings.Contains(err.Error(), test.want) || out.Len() > 0 {
			t.Errorf("%v %v: %d, %v\n%s", test.environ, test.args, code, err, out.String())
		}
	}
}
