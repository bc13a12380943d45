package slackapp

import (
	"testing"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/alert/alerttest"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/slackemu"
)

// What it costs to make blocks of one new node's message, and to post it to the emulator in the
// same process: both sides of HTTP.
func BenchmarkOneMessage(b *testing.B) {
	w := alerttest.Scenes()["joined-one"]
	w.Cluster = "prod"
	m := alert.Render(w, fleet.Totals{Nodes: 45, Ready: 43}, nil, alert.Config{}.WithDefaults())
	options := func() []slack.MsgOption {
		return render(m, onMessage).options(metadata(deliver.Mark{Key: "key"}, m))
	}
	b.Run("blocks", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(options()) == 0 {
				b.Fatal("nothing to post")
			}
		}
	})
	b.Run("post", func(b *testing.B) {
		s := slackemu.Start(b, slackemu.Config{NoRateLimits: true})
		api := NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil)
		for b.Loop() {
			if _, _, err := api.PostMessageContext(b.Context(), slackemu.ChannelOps, options()...); err != nil {
				b.Fatal(err)
			}
		}
	})
}
