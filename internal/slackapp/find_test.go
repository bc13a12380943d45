package slackapp

import (
	"io"
	"log/slog"
	"testing"

	"github.com/slack-go/slack"

	"rollcall/internal/slackemu"
)

// A message is looked for by Slack's clock: what ours says, and said when the message was posted,
// plays no part.
func TestFind(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	f := finder{api: NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil),
		log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	ts := map[string]string{"": "", "c": ""}
	for _, key := range []string{"a", "b"} {
		meta := slack.SlackMetadata{EventType: MetadataWave, EventPayload: map[string]any{"key": key}}
		_, at, err := f.api.PostMessageContext(t.Context(), slackemu.ChannelOps, slack.MsgOptionText(key, false),
			slack.MsgOptionMetadata(meta))
		if err != nil {
			t.Fatal(err)
		}
		ts[key] = at
	}
	for range 450 { // several pages of other people's messages
		if _, err := s.Post(slackemu.UserAda, slackemu.ChannelOps, "hello", ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ key, after, want string }{{"b", "a", "b"}, {"b", "", "b"}, {"a", "", "a"},
		{"a", "b", ""}, {"c", "a", ""}, {"c", "", ""}} {
		got, err := f.find(t.Context(), slackemu.ChannelOps, "", test.key, ts[test.after])
		if err != nil || got != ts[test.want] {
			t.Errorf("looking for %q after %q: %q, %v; want %q", test.key, test.after, got, err, ts[test.want])
		}
	}
}
