package install

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"rollcall/internal/slackemu"
	"rollcall/manifests"
)

// Slack is a workspace with the app of manifests/slack-app.yaml, which somebody installed who declined these of its
// optional scopes. Its tokens are the emulator's usual ones.
func Slack(tb testing.TB, declined ...string) *slackemu.Server {
	tb.Helper()
	manifest, err := yaml.ToJSON([]byte(manifests.SlackApp))
	if err != nil {
		tb.Fatal(err)
	}
	granted, err := slackemu.Install(manifest, declined...)
	if err != nil {
		tb.Fatal(err)
	}
	return slackemu.Start(tb, slackemu.Config{Tokens: []slackemu.Token{
		{Value: slackemu.DefaultBotToken, Scopes: granted},
		{Value: slackemu.DefaultAppToken, Scopes: []string{"connections:write"}},
	}})
}
