package slackapp_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"rollcall/internal/command"
	"rollcall/internal/deliver"
	"rollcall/internal/message"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
)

// readable is every text of a message that people see.
func readable(t *testing.T, m slackemu.Message) string {
	t.Helper()
	var all []string
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, v := range v {
				walk(k, v)
			}
		case []any:
			for _, v := range v {
				walk(key, v)
			}
		case string:
			if !slices.Contains([]string{"type", "value", "action_id", "block_id"}, key) {
				all = append(all, v)
			}
		}
	}
	b, err := json.Marshal(m.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	var blocks any
	if err := json.Unmarshal(b, &blocks); err != nil {
		t.Fatal(err)
	}
	walk("", blocks)
	return m.Text + "\n" + strings.Join(all, "\n")
}

// An installation whose commands have other names reads them, and names no other.
func TestCommandsOfOtherNames(t *testing.T) {
	t.Parallel()
	names := command.Names{Nodes: "/staging-nodes", Events: "/staging-events"}
	d := newDesk(t, slackemu.Config{Commands: []string{names.Nodes, names.Events}},
		func(c *deskConfig) { c.Names = names })
	for _, test := range []struct{ typed, want string }{
		{"/staging-nodes", "prod: 0 nodes"},
		{"/staging-nodes list", "prod"},
		{"/staging-nodes /staging-events --scaling", "/staging-events is another command"},
		{"/staging-nodes by zone", "/staging-nodes ▸by◂ zone"},
		{"/staging-nodes help", "/staging-nodes list [NAME…]"},
		{"/staging-nodes help removed", "Try /staging-nodes"},
		{"/staging-events help", "/staging-events --for"},
		{"/staging-events --colour red", "/staging-events"},
		{"/staging-nodes pod/web-1", "is a Pod, and /staging-nodes tells about nodes"},
		{"/staging-nodes not-there", "not-there"},
	} {
		typed, args, _ := strings.Cut(test.typed, " ")
		text := readable(t, d.types(t, slackemu.UserAda, slackemu.ChannelOps, typed, args))
		if !strings.Contains(text, test.want) {
			t.Errorf("%s does not say %q:\n%s", test.typed, test.want, text)
		}
		for _, usual := range []string{" /nodes", " /events", "\n/nodes", "\n/events"} {
			if strings.Contains(text, usual) {
				t.Errorf("%s names %s, which is another's:\n%s", test.typed, usual, text)
			}
		}
	}
}

// What remains of a message that Slack refuses names the installation's own commands, too.
func TestBareMessageNamesItsOwnCommand(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	sink := slackapp.NewSink(slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil),
		deliver.Limits{}, nil).Signed(slackapp.Owner{}, command.Names{Nodes: "/staging-nodes"})
	for want, m := range map[string]message.Message{
		"type /staging-nodes for them":   {Kind: "joined", Nodes: 2},
		"Type /staging-nodes digest now": {Kind: "digest", Bare: "Type /nodes digest now"},
	} {
		ts, err := sink.Post(t.Context(), deliver.Place{Channel: slackemu.ChannelOps}, deliver.Mark{Key: m.Kind}, m,
			deliver.Bare)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := s.Message(slackemu.ChannelOps, ts); !strings.Contains(got.Text, want) {
			t.Errorf("%q lacks %q", got.Text, want)
		}
	}
}
