package slackapp_test

import (
	"strings"
	"testing"

	"rollcall/internal/command"
	"rollcall/internal/deliver"
	"rollcall/internal/message"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
)

// writes writes a direct message and returns the answer.
func (d *desk) writes(t *testing.T, text, thread string) slackemu.Message {
	t.Helper()
	m, err := d.slack.DirectMessage(slackemu.UserAda, text, thread).Answer(t.Context())
	if err != nil {
		t.Fatalf("%q is not answered: %v\n%s", text, err, d.log)
	}
	return m
}

// TestDirectMessages holds that what is written to Rollcall itself is answered as the command would be.
func TestDirectMessages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.fill(t, 12)
	for _, test := range []struct{ text, want string }{
		{"nodes", "prod: 12 nodes"},
		{"/nodes list --spot", "prod: 6 nodes"},
		{"ip-10-0-0-3", "ip-10-0-0-3: ready"},
		{"why did ip-10-0-0-3 come, and what does it cost?", "ip-10-0-0-3: ready"},
		{"did ip-10-0-0-3 or ip-10-0-0-4 ever fail?", "2 nodes of this message"},
		{"events number 7", "event number 7."},
		{"digest", "prod: "},
		{"hi", "Ask me about the nodes of prod"},
		{"what is the weather like", "one node is shown at a time"},
	} {
		m := d.writes(t, test.text, "")
		contains(t, m, test.want)
		if m.Ephemeral || m.ThreadTS != "" || len(slackemu.LiveMentions(m)) > 0 || len(slackemu.LiveLinks(m)) > 0 {
			t.Errorf("the answer to %q is %+v", test.text, m)
		}
	}
	before := len(d.slack.DirectMessages(slackemu.UserAda))
	if before != 18 {
		t.Errorf("%d messages, want 9 and their answers", before)
	}

	// A button changes the answer in place: nobody else sees it.
	m := d.writes(t, "hello", "")
	c := find(t, m.Blocks, "Which nodes are not ready?")
	if err := d.slack.ClickButton(slackemu.UserAda, m.Channel, m.TS, c.action).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the answer in place", func() bool {
		now, _ := d.slack.Message(m.Channel, m.TS)
		return strings.Contains(slackemu.PlainText(now), "no node matches")
	})

	// A question in a thread is answered there; what is edited or deleted asks nothing.
	reply := d.writes(t, "nodes --spot", m.TS)
	if reply.ThreadTS != m.TS {
		t.Errorf("the answer is in thread %q", reply.ThreadTS)
	}
	asked := d.slack.DirectMessage(slackemu.UserAda, "nodes", "")
	if _, err := asked.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := len(d.slack.DirectMessages(slackemu.UserAda))
	for _, delivery := range []*slackemu.Delivery{
		d.slack.EditPost(slackemu.UserAda, asked.Channel, asked.TS, "nodes list"),
		d.slack.DeletePost(slackemu.UserAda, asked.Channel, asked.TS),
	} {
		if err := delivery.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	last := d.writes(t, "nodes", "")
	if now := len(d.slack.DirectMessages(slackemu.UserAda)); now > count+2 {
		t.Errorf("%d messages, want at most %d", now, count+2)
	}
	if p, ok := d.slack.Prompts(slackemu.UserAda); ok && (len(p.Prompts) != 4 || p.Title == "") {
		t.Errorf("the prompts are %+v", p)
	}
	d.until(t, "prompts under "+last.TS, func() bool { _, ok := d.slack.Prompts(slackemu.UserAda); return ok })
}

// Whoever may not use Rollcall is told so, also there; and the messages tab suggests what to ask.
func TestMessagesTab(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, func(c *deskConfig) {
		c.AllowedUsers = []string{slackemu.UserAda}
		c.AllowedChannels = []string{slackemu.ChannelOps}
	})
	if err := d.slack.OpenMessages(slackemu.UserAda).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "prompts", func() bool { _, ok := d.slack.Prompts(slackemu.UserAda); return ok })
	p, _ := d.slack.Prompts(slackemu.UserAda)
	for _, prompt := range p.Prompts {
		m := d.writes(t, prompt.Message, "")
		if strings.Contains(slackemu.PlainText(m), "❓") {
			t.Errorf("the prompt %q is not understood: %s", prompt.Message, slackemu.PlainText(m))
		}
	}
	m, err := d.slack.DirectMessage(slackemu.UserGrace, "nodes", "").Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	contains(t, m, "You may not use Rollcall here", "Only some people may use Rollcall here.")
}

// Without agents in the app's manifest nothing is missed, and Slack is not asked again.
func TestNoPrompts(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true, NotRolledOut: []string{"data_table"}}, nil)
	d.slack.RemoveScope(slackemu.DefaultBotToken, "assistant:write")
	d.fill(t, 3)
	for range 2 {
		contains(t, d.writes(t, "nodes list", ""), "m5.large · spot")
	}
	d.until(t, "the call", func() bool { return len(d.slack.CallsOf("assistant.threads.setSuggestedPrompts")) > 0 })
	for range 3 {
		d.writes(t, "nodes list", "")
	}
	if n := len(d.slack.CallsOf("assistant.threads.setSuggestedPrompts")); n > 2 { // the second was on its way
		t.Errorf("it was asked %d times", n)
	}
	if strings.Contains(d.log.String(), "WARN") {
		t.Errorf("the log warns:\n%s", d.log)
	}
}

// A Slack that is unwell for a moment takes the prompts of the next message.
func TestPromptsComeBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	const method = "assistant.threads.setSuggestedPrompts"
	d.slack.Inject(slackemu.Rule{Method: method, Fault: slackemu.Refuse("internal_error"), Times: 1})
	d.writes(t, "nodes", "")
	d.until(t, "the call", func() bool { return len(d.slack.CallsOf(method)) == 1 })
	d.writes(t, "nodes", "")
	d.until(t, "prompts", func() bool { _, ok := d.slack.Prompts(slackemu.UserAda); return ok })
}

// An answer that Slack puts off comes; one of which nothing is known is not posted again.
func TestDirectMessageInTrouble(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.fill(t, 3)
	d.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Fault: slackemu.RateLimited(1), Times: 1})
	contains(t, d.writes(t, "nodes", ""), "prod: 3 nodes")
	d.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Fault: slackemu.ServerError(), Times: 1})
	if err := d.slack.DirectMessage(slackemu.UserAda, "nodes", "").Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the warning", func() bool { return strings.Contains(d.log.String(), "an answer did not reach Slack") })
	if n := len(d.slack.DirectMessages(slackemu.UserAda)); n != 3 {
		t.Errorf("%d messages, want two and one answer", n)
	}
}

// TestShortcutWhy holds that Why? tells of the nodes that any message names, whoever wrote it.
func TestShortcutWhy(t *testing.T) {
	t.Parallel()
	var owner slackapp.Owner
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, func(c *deskConfig) {
		owner = slackapp.Owner{Instance: "1a2b3c4d", Cluster: "prod"}
		c.Owner = owner
	})
	d.fill(t, 12)
	why := func(ts string) slackemu.Message {
		t.Helper()
		m, err := d.slack.Shortcut(slackemu.UserAda, slackemu.ChannelOps, ts, slackapp.ShortcutWhy).Answer(t.Context())
		if err != nil {
			t.Fatalf("%v\n%s", err, d.log)
		}
		if !m.Ephemeral || m.To != slackemu.UserAda {
			t.Errorf("the answer is for %q", m.To)
		}
		return m
	}
	for _, test := range []struct{ text, want string }{
		{"who knows what happened to ip-10-0-0-3?", "ip-10-0-0-3: ready"},
		{"Node `ip-10-0-0-3` and node/ip-10-0-0-4: NotReady", "2 nodes of this message"},
		{"the nodes of ip-10-0 are slow", "I found no node's name in this message"},
		{"lunch?", "I found no node's name in this message"},
		{strings.Repeat("ip-10-9-9-9 word ", 200) + strings.Join(strings.Fields("ip-10-0-0-1"), " "), "ip-10-0-0-1: ready"},
	} {
		ts, err := d.slack.Post(slackemu.UserGrace, slackemu.ChannelOps, test.text, "")
		if err != nil {
			t.Fatal(err)
		}
		contains(t, why(ts), test.want)
	}

	// The nodes come in the order of the text, each time.
	ts, err := d.slack.Post(slackemu.UserGrace, slackemu.ChannelOps, "ip-10-0-0-9, ip-10-0-0-2 and ip-10-0-0-5", "")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, why(ts), "3 nodes of this message")
	text := slackemu.PlainText(why(ts))
	if a, b, c := strings.Index(text, "ip-10-0-0-9"), strings.Index(text, "ip-10-0-0-2"), strings.Index(text,
		"ip-10-0-0-5"); a > b || b > c {
		t.Errorf("the order is another:\n%s", text)
	}

	// One of our own alerts is known by its button: it may be about more nodes than it names.
	alert := message.Message{Kind: "joined", Icon: "🟢", Headline: "prod: 9 nodes joined", Text: "prod: 9 nodes joined",
		Parts: []message.Part{{Buttons: []message.Button{{Label: "Why", Verb: message.WaveCauses, Value: "1a2b3c4d-7"}}}}}
	post := func(owner slackapp.Owner) string {
		sink := slackapp.NewSink(slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, d.slack.APIURL(), nil),
			deliver.Limits{}, nil).Signed(owner, command.Names{})
		ts, err := sink.Post(t.Context(), deliver.Place{Channel: slackemu.ChannelOps}, deliver.Mark{Key: "1a2b3c4d-7"}, alert,
			deliver.Rich)
		if err != nil {
			t.Fatal(err)
		}
		return ts
	}
	contains(t, why(post(owner)), "The nodes of this message are not recorded any more")
	contains(t, why(post(slackapp.Owner{Instance: "99999999", Cluster: "west"})), "I found no node's name in this message")

	m, err := d.slack.Shortcut(slackemu.UserEve, slackemu.ChannelOps, d.slack.Messages(slackemu.ChannelOps)[0].TS,
		slackapp.ShortcutWhy).Answer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	contains(t, m, "You may not use this shortcut here")
}
