package slackemu

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
)

func TestLiveMentions(t *testing.T) {
	inert := `{"type":"plain_text","text":"<!channel> <@U0ADA>"}`
	for _, c := range []struct {
		name string
		m    Message
		want []Mention
	}{
		{"top-level text", Message{Text: "<!channel> <!here|here> <!everyone> <@U0ADA|ada> <#C1> <!subteam^S1|@ops>"},
			[]Mention{
				{MentionChannel, "", "/text"}, {MentionHere, "", "/text"}, {MentionEveryone, "", "/text"},
				{MentionUser, "U0ADA", "/text"},
				{MentionLink, "C1", "/text"}, {MentionUserGroup, "S1", "/text"},
			}},
		{"escaped text", Message{Text: Escape("<!channel> & <@U0ADA>")}, nil},
		{"dates and links", Message{Text: "<!date^1700000000^{date}|then> <https://example.com|x>"}, nil},
		{"bare @channel", Message{Text: "@channel @here"}, nil},
		{"bare @channel with parse=full", Message{Text: "@channel, me@here", ParseFull: true},
			[]Mention{{MentionChannel, "", "/text"}}},
		{"mrkdwn section",
			Message{Blocks: json.RawMessage(
				`[{"type":"section","text":{"type":"mrkdwn","text":"<!here>"},"fields":[{"type":"mrkdwn","text":"<@U1>"}]}]`)},
			[]Mention{
				{MentionUser, "U1", "/blocks/0/fields/0/text"}, {MentionHere, "", "/blocks/0/text/text"},
			}},
		{"plain_text", Message{
			Blocks: json.RawMessage(`[{"type":"header","text":` + inert + `},{"type":"section","text":` + inert + `}]`),
		}, nil},
		{"rich text", Message{
			Blocks: json.RawMessage(
				`[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"<!channel>"},{"type":"broadcast","range":"channel"},{"type":"user","user_id":"U2"},{"type":"usergroup","usergroup_id":"S2"}]}]}]`),
		}, []Mention{
			{MentionChannel, "", "/blocks/0/elements/0/elements/1"}, {MentionUser, "U2", "/blocks/0/elements/0/elements/2"},
			{MentionUserGroup, "S2", "/blocks/0/elements/0/elements/3"},
		}},
		{"table", Message{
			Blocks: json.RawMessage(
				`[{"type":"table","rows":[[{"type":"raw_text","text":"<!channel>"},{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"broadcast","range":"here"}]}]}]]}]`),
		}, []Mention{
			{MentionHere, "", "/blocks/0/rows/0/1/elements/0/elements/0"},
		}},
		{"markdown", Message{Blocks: json.RawMessage(`[{"type":"markdown","text":"<!channel>"}]`)},
			[]Mention{{MentionChannel, "", "/blocks/0/text"}}},
		{"attachments", Message{
			Attachments: json.RawMessage(
				`[{"text":"<!channel>","fallback":"<!here>","fields":[{"title":"t","value":"<@U3>"}],"blocks":[{"type":"context","elements":[{"type":"mrkdwn","text":"<@U4>"}]}]}]`),
		}, []Mention{
			{MentionChannel, "", "/attachments/0/text"}, {MentionUser, "U3", "/attachments/0/fields/0/value"},
			{MentionUser, "U4", "/attachments/0/blocks/0/elements/0/text"},
		}},
	} {
		if diff := cmp.Diff(c.want, LiveMentions(c.m)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if got := MrkdwnMentions("<!here>"); len(got) != 1 {
		t.Errorf("MrkdwnMentions: %v", got)
	}
}

func TestLiveLinks(t *testing.T) {
	m := Message{
		Text: "<https://a.example|A> https://b.example/x?y=1 &lt;https://c.example&gt; <mailto:x@example.com>",
		Blocks: json.RawMessage(
			`[{"type":"section","text":{"type":"mrkdwn","text":"https://d.example","verbatim":true},"accessory":{"type":"button","text":{"type":"plain_text","text":"https://e.example"},"url":"https://f.example"}},
			{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"link","url":"https://g.example","text":"G"}]}]}]`),
	}
	var got []string
	for _, l := range LiveLinks(m) {
		got = append(got, strings.TrimSuffix(l.URL, "&gt;"))
	}
	want := []string{"https://a.example", "mailto:x@example.com", "https://b.example/x?y=1", "https://c.example",
		"https://f.example", "https://g.example"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNotifications(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	api := client(s)
	_, quiet, err := api.PostMessage(ChannelOps, slack.MsgOptionText("<!channel>", true))
	must(t, err)
	_, loud, err := api.PostMessage(ChannelOps, slack.MsgOptionText("<!here> <@U0GRACE> <@U0NOBODY>", false))
	must(t, err)
	if m, _ := s.Message(ChannelOps, quiet); len(m.Notifications) != 0 {
		t.Errorf("escaped text rang %v", m.Notifications)
	}
	m, _ := s.Message(ChannelOps, loud)
	want := []Notification{
		{[]string{UserAda, UserGrace, UserEve}, Mention{MentionHere, "", "/text"}},
		{[]string{UserGrace}, Mention{MentionUser, UserGrace, "/text"}},
		{nil, Mention{MentionUser, "U0NOBODY", "/text"}},
	}
	if diff := cmp.Diff(want, m.Notifications); diff != "" {
		t.Error(diff)
	}
	if n := len(s.Notifications(ChannelOps)); n != 3 {
		t.Errorf("%d notifications in the channel", n)
	}
}

func TestPlainText(t *testing.T) {
	m := Message{Text: "fallback", Blocks: json.RawMessage(`[{"type":"header","text":{"type":"plain_text","text":"Title"}},
		{"type":"table","rows":[[{"type":"raw_text","text":"a"},{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"b"},{"type":"text","text":"c"}]}]}]]},
		{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Go"},"value":"secret"}]}]`)}
	if got := PlainText(m); got != "Title\na\nbc\nGo" {
		t.Errorf("got %q", got)
	}
	m.Blocks = json.RawMessage(`[{"type":"data_table","caption":"Nodes","rows":[[{"type":"raw_text","text":"Name"}],
		[{"type":"raw_number","value":2.50}],[{"type":"raw_number","value":3,"text":"three"}],
		[{"type":"action_cell","element":{"type":"button","text":{"type":"plain_text","text":"Go"},"value":"secret"}}]]}]`)
	if got := PlainText(m); got != "Nodes\nName\n2.50\nthree\nGo" {
		t.Errorf("got %q", got)
	}
	if got := PlainText(Message{Text: "only"}); got != "only" {
		t.Errorf("got %q", got)
	}
}

func FuzzMrkdwn(f *testing.F) {
	f.Add("<!channel> <@U1> <https://x|y>")
	f.Fuzz(func(t *testing.T, text string) {
		if got := MrkdwnMentions(Escape(text)); len(got) != 0 {
			t.Errorf("escaped %q mentions %v", text, got)
		}
	})
}
