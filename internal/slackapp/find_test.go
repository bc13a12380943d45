package slackapp

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"rollcall/internal/slackemu"
)

// A message is looked for by Slack's clock: what ours says, and said when the message was posted,
// plays no part.
func TestFind(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	f := newFinder(NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil),
		slog.New(slog.NewTextHandler(io.Discard, nil)))
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
		found, err := f.find(t.Context(), slackemu.ChannelOps, "", test.key, ts[test.after])
		var got strings.Builder
		for _, m := range found {
			got.WriteString(m.ID)
		}
		if err != nil || got.String() != ts[test.want] {
			t.Errorf("looking for %q after %q: %q, %v; want %q", test.key, test.after, got.String(), err, ts[test.want])
		}
	}
}

// A search that Slack interrupts goes on where it stopped: where one call a minute is permitted, it would never end
// otherwise. And where we may not look now, we may after an invitation.
func TestFindGoesOn(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	f := newFinder(NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil),
		slog.New(slog.NewTextHandler(io.Discard, nil)))
	meta := slack.SlackMetadata{EventType: MetadataWave, EventPayload: map[string]any{"key": "a"}}
	_, ts, err := f.api.PostMessageContext(t.Context(), slackemu.ChannelOps, slack.MsgOptionText("a", false),
		slack.MsgOptionMetadata(meta))
	if err != nil {
		t.Fatal(err)
	}
	for range 900 {
		if _, err := s.Post(slackemu.UserAda, slackemu.ChannelOps, "hello", ""); err != nil {
			t.Fatal(err)
		}
	}
	// Of every two calls the second is refused.
	calls := 0
	s.Inject(slackemu.Rule{Method: "conversations.history", Fault: slackemu.RateLimited(1),
		Where: func(slackemu.Call) bool { calls++; return calls%2 == 0 }})
	tries := 0
	for {
		tries++
		found, err := f.find(t.Context(), slackemu.ChannelOps, "", "a", "")
		if err == nil {
			if len(found) != 1 || found[0].ID != ts {
				t.Errorf("found %v, want %s", found, ts)
			}
			break
		}
		if tries > 20 {
			t.Fatal("it never ends")
		}
	}
	if tries < 3 {
		t.Errorf("%d tries: nothing was interrupted", tries)
	}
	s.ClearFaults()
	s.Fail("conversations.history", 1, slackemu.Refuse("not_in_channel"))
	for _, want := range []int{0, 1} {
		if found, err := f.find(t.Context(), slackemu.ChannelOps, "", "a", ""); err != nil || len(found) != want {
			t.Errorf("found %v, %v; want %d", found, err, want)
		}
	}
}
