package slackemu

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
)

// fields picks the fields of an object that want has, as decoded JSON.
func fields(got map[string]any, want map[string]any) map[string]any {
	out := map[string]any{}
	for k := range want {
		if val, ok := got[k]; ok {
			out[k] = val
		}
	}
	return out
}

func TestShortcut(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true, AckTimeout: 400 * time.Millisecond,
		Shortcuts: []Shortcut{{"Why?", "why"}, {"Mute", "mute"}}})
	w := dial(t, s)
	api := client(s)
	_, bots, err := api.PostMessage(ChannelOps, slack.MsgOptionText("node-a left", false),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "wave", EventPayload: map[string]any{"key": "k"}}),
		slack.MsgOptionBlocks(slack.NewDividerBlock()))
	must(t, err)
	said, err := s.Post(UserGrace, ChannelOps, Escape("why did <node-b> go?"), "")
	must(t, err)
	reply1, err := s.Post(UserGrace, ChannelOps, "and node-c?", said)
	must(t, err)
	away, err := s.Post(UserGrace, ChannelOther, "node-d", "") // the app is not there
	must(t, err)
	hidden, err := s.Post(UserAda, ChannelPrivate, "node-e", "")
	must(t, err)

	for _, c := range []struct {
		what, user, channel, ts, callback string
		payload, message                  map[string]any
	}{
		{"the app's message", UserAda, ChannelOps, bots, "why",
			map[string]any{"channel": map[string]any{"id": ChannelOps, "name": "ops-nodes"}, "message_ts": bots,
				"user": map[string]any{"id": UserAda, "username": "ada", "name": "ada", "team_id": DefaultTeamID}},
			map[string]any{"bot_id": DefaultBotID, "app_id": DefaultAppID, "user": DefaultBotUserID, "text": "node-a left"}},
		{"a person's message, used by another organisation's", UserEve, ChannelOps, said, "mute",
			map[string]any{"callback_id": "mute", "message_ts": said,
				"user": map[string]any{"id": UserEve, "username": "eve", "name": "eve", "team_id": ForeignTeamID}},
			map[string]any{"user": UserGrace, "text": "why did &lt;node-b&gt; go?", "reply_count": 1.0}},
		{"a reply", UserAda, ChannelOps, reply1, "why", map[string]any{"message_ts": reply1},
			map[string]any{"thread_ts": said, "text": "and node-c?"}},
		{"a channel without the app", UserAda, ChannelOther, away, "why",
			map[string]any{"channel": map[string]any{"id": ChannelOther, "name": "random"}}, map[string]any{"text": "node-d"}},
		{"a private channel", UserAda, ChannelPrivate, hidden, "why",
			map[string]any{"channel": map[string]any{"id": ChannelPrivate, "name": "privategroup"}}, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			i := s.Shortcut(c.user, c.channel, c.ts, c.callback)
			must(t, i.Err())
			env := w.next()
			if env["type"] != "interactive" || env["accepts_response_payload"] != false {
				t.Errorf("envelope %v", env)
			}
			w.ack(env["envelope_id"], "")
			must(t, i.Wait(t.Context()))
			p := env["payload"].(map[string]any)
			maps.Copy(c.payload, map[string]any{"type": "message_action", "callback_id": c.callback,
				"trigger_id": i.TriggerID, "response_url": i.ResponseURL, "is_enterprise_install": false,
				"team":  map[string]any{"id": DefaultTeamID, "domain": DefaultTeamDomain},
				"token": verificationToken})
			if d := cmp.Diff(c.payload, fields(p, c.payload)); d != "" {
				t.Errorf("the payload (-want +got):\n%s", d)
			}
			m := p["message"].(map[string]any)
			if d := cmp.Diff(c.message, fields(m, c.message)); c.message != nil && d != "" {
				t.Errorf("the message (-want +got):\n%s", d)
			}
			if m["type"] != "message" || m["ts"] != c.ts || p["action_ts"] == "" || m["blocks"] == nil {
				t.Errorf("payload %v", p)
			}
			if p["api_app_id"] != nil || m["metadata"] != nil {
				t.Errorf("the payload has what Slack documents nowhere: %v", p)
			}
			// The app may answer where it is no member, and open a modal.
			if status, code := reply(t, i.ResponseURL, `{"text":"It was idle."}`); status != http.StatusOK {
				t.Errorf("HTTP %d %s", status, code)
			}
			if list := i.Messages(); len(list) != 1 || !list[0].Ephemeral || list[0].To != c.user ||
				list[0].Channel != c.channel {
				t.Errorf("answers %+v", list)
			}
		})
	}

	m, _ := s.Message(ChannelOps, said)
	if got := m.told()["blocks"].([]any)[0].(map[string]any); got["type"] != "rich_text" ||
		!strings.Contains(string(mustJSON(got)), `"why did <node-b> go?"`) {
		t.Errorf("a person's text as blocks: %s", mustJSON(got))
	}

	i := s.Shortcut(UserAda, ChannelOps, said, "why")
	w.next()
	if err := i.Wait(t.Context()); err == nil || i.Outcome() != OutcomeTimeout {
		t.Errorf("not acknowledged: %v", err)
	}
	seen, err := api.PostEphemeral(ChannelOps, UserAda, slack.MsgOptionText("x", false))
	must(t, err)
	must(t, s.DeletePost(UserGrace, ChannelOps, said).Err())
	for what, i := range map[string]*Interaction{
		"another callback":           s.Shortcut(UserAda, ChannelOps, bots, "drain"),
		"no such message":            s.Shortcut(UserAda, ChannelOps, "1700000000.000000", "why"),
		"a tombstone":                s.Shortcut(UserAda, ChannelOps, said, "why"),
		"a message for one alone":    s.Shortcut(UserAda, ChannelOps, seen, "why"),
		"a channel of others":        s.Shortcut(UserEve, ChannelOther, away, "why"),
		"a person whom nobody knows": s.Shortcut("U0NOBODY", ChannelOps, bots, "why"),
	} {
		if i.Err() == nil {
			t.Errorf("%s has a shortcut", what)
		}
	}
	s.RemoveScope(DefaultBotToken, "commands")
	if i := s.Shortcut(UserAda, ChannelOps, bots, "why"); i.Err() == nil {
		t.Error("an app without the scope commands has a shortcut")
	}
}

func TestDirectMessage(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true, AckTimeout: 300 * time.Millisecond, RetryDelays: []time.Duration{0}})
	w := dial(t, s)
	api := client(s)
	// event acknowledges the next envelope and returns the event in it.
	event := func(retry float64) map[string]any {
		t.Helper()
		env := w.next()
		w.ack(env["envelope_id"], "")
		p := env["payload"].(map[string]any)
		if env["type"] != "events_api" || env["accepts_response_payload"] != false || env["retry_attempt"] != retry ||
			p["type"] != "event_callback" || p["api_app_id"] != DefaultAppID || p["team_id"] != DefaultTeamID {
			t.Errorf("envelope %v", env)
		}
		return p["event"].(map[string]any)
	}
	check := func(what string, got, want map[string]any) {
		t.Helper()
		if d := cmp.Diff(want, fields(got, want)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	dm := s.DirectChannel(UserAda)
	must(t, s.OpenMessages(UserAda).Err())
	e := event(0)
	check("the tab", e, map[string]any{"type": "app_home_opened", "tab": "messages", "user": UserAda, "channel": dm})
	if _, ok := e["view"]; ok {
		t.Errorf("the messages tab has a view: %v", e)
	}
	must(t, s.OpenHome(UserAda).Err())
	check("the other tab", event(0), map[string]any{"tab": "home", "channel": dm})

	d := s.DirectMessage(UserAda, "why <node-b>.example.com?", "")
	must(t, d.Err())
	asked := event(0)
	must(t, d.Wait(t.Context()))
	const text = "why &lt;node-b&gt;.<http://example.com|example.com>?"
	check("a question", asked, map[string]any{"type": "message", "channel_type": "im", "channel": dm, "user": UserAda,
		"text": text, "ts": d.TS, "event_ts": d.TS, "team": DefaultTeamID})
	for _, absent := range []string{"subtype", "bot_id", "thread_ts"} {
		if val, ok := asked[absent]; ok {
			t.Errorf("a person's message has %s: %v", absent, val)
		}
	}
	if id, _ := asked["client_msg_id"].(string); len(id) != 36 || asked["blocks"] == nil {
		t.Errorf("the question lacks what clients add: %v", asked)
	}

	// What the app posts there comes back to it.
	_, ts, err := api.PostMessage(dm, slack.MsgOptionText("It was idle.", false), slack.MsgOptionTS(d.TS))
	must(t, err)
	own := event(0)
	check("its own", own, map[string]any{"type": "message", "bot_id": DefaultBotID, "app_id": DefaultAppID,
		"user": DefaultBotUserID, "ts": ts, "thread_ts": d.TS, "parent_user_id": UserAda, "channel_type": "im"})
	if own["bot_profile"] == nil || own["client_msg_id"] != nil {
		t.Errorf("its own message: %v", own)
	}
	answer, err := d.Answer(t.Context())
	must(t, err)
	if answer.Text != "It was idle." || answer.ThreadTS != d.TS {
		t.Errorf("the answer is %+v", answer)
	}
	_, _, _, err = api.UpdateMessage(dm, ts, slack.MsgOptionText("It was empty.", false))
	must(t, err)
	edit := event(0)
	check("its own edit", edit, map[string]any{"subtype": "message_changed", "hidden": true, "channel": dm})
	check("what it says now", edit["message"].(map[string]any),
		map[string]any{"text": "It was empty.", "bot_id": DefaultBotID, "ts": ts})

	// In the thread, and not acknowledged at first.
	next := s.DirectMessage(UserAda, "and node-c", d.TS)
	w.next()
	check("a question in the thread, again", event(1), map[string]any{"thread_ts": d.TS, "ts": next.TS, "user": UserAda,
		"parent_user_id": UserAda})
	must(t, next.Wait(t.Context()))

	must(t, s.EditPost(UserAda, dm, next.TS, "and node-d").Err())
	edit = event(0)
	check("a person's edit", edit, map[string]any{"subtype": "message_changed", "hidden": true, "channel_type": "im"})
	check("before", edit["previous_message"].(map[string]any), map[string]any{"text": "and node-c", "user": UserAda})
	check("after", edit["message"].(map[string]any), map[string]any{"text": "and node-d", "user": UserAda, "ts": next.TS})
	if edit["ts"] == next.TS || edit["text"] != nil || edit["user"] != nil {
		t.Errorf("an edit looks like a message: %v", edit)
	}
	must(t, s.DeletePost(UserAda, dm, next.TS).Err())
	gone := event(0)
	check("a person's deletion", gone,
		map[string]any{"subtype": "message_deleted", "deleted_ts": next.TS, "hidden": true, "channel": dm})
	must(t, s.DeletePost(UserAda, dm, d.TS).Err())
	stone := event(0)
	check("a parent's deletion", stone, map[string]any{"subtype": "message_changed"})
	check("the tombstone", stone["message"].(map[string]any), map[string]any{"subtype": "tombstone", "ts": d.TS})
	check("what stood there", stone["previous_message"].(map[string]any), map[string]any{"text": text})

	// Slash commands and buttons name the conversation as Slack does.
	c := s.SlashCommand(UserAda, dm, "/nodes", "")
	must(t, c.Err())
	env := w.next()
	w.ack(env["envelope_id"], `{"text":"60 nodes"}`)
	check("a command", env["payload"].(map[string]any),
		map[string]any{"channel_id": dm, "channel_name": "directmessage", "user_id": UserAda})
	must(t, c.Wait(t.Context()))

	if got := len(s.DirectMessages(UserAda)); got != 2 { // the tombstone and the answer
		t.Errorf("%d messages", got)
	}
	for what, err := range map[string]error{
		"a guest's":          s.DirectMessage(UserEve, "x", "").Err(),
		"the bot's":          s.DirectMessage(DefaultBotUserID, "x", "").Err(),
		"nobody's":           s.DirectMessage("U0NOBODY", "x", "").Err(),
		"a thread of none":   s.DirectMessage(UserAda, "x", "1700000000.000000").Err(),
		"another's edit":     s.EditPost(UserGrace, dm, next.TS, "x").Err(),
		"an edit of the app": s.EditPost(UserAda, dm, ts, "x").Err(),
		"a guest's tab":      s.OpenMessages(UserEve).Err(),
	} {
		if err == nil {
			t.Errorf("%s is possible", what)
		}
	}
	if id := s.DirectChannel(UserEve); id != "" {
		t.Errorf("Eve has %s", id)
	}
	must(t, s.OpenHome(UserEve).Err())
	check("a guest's home tab", event(0), map[string]any{"tab": "home", "user": UserEve})
}

// TestDirectScopes tries what the app may not.
func TestDirectScopes(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	w := dial(t, s)
	dm := s.DirectChannel(UserAda)
	for _, c := range []struct {
		method, scope string
		args          []string
	}{
		{"conversations.history", "im:history", []string{"channel", dm}},
		{"conversations.info", "im:read", []string{"channel", dm}},
		{"conversations.list", "im:read", []string{"types", "im"}},
		{"assistant.threads.setSuggestedPrompts", "assistant:write", nil},
		{"assistant.threads.setTitle", "assistant:write", nil},
		{"assistant.threads.setStatus", "chat:write", nil},
	} {
		s.RemoveScope(DefaultBotToken, c.scope)
		out, _ := form(t, s, c.method, DefaultBotToken, c.args...)
		if out["error"] != "missing_scope" || out["needed"] != c.scope {
			t.Errorf("%s without %s: %v", c.method, c.scope, out)
		}
		s.AddScope(DefaultBotToken, c.scope)
		out, _ = form(t, s, c.method, DefaultBotToken, c.args...)
		if out["error"] == "missing_scope" || c.args != nil && out["ok"] != true {
			t.Errorf("%s with %s: %v", c.method, c.scope, out)
		}
	}
	list, _ := form(t, s, "conversations.list", DefaultBotToken, "types", "im")
	if got := list["channels"].([]any); len(got) != 1 || got[0].(map[string]any)["user"] != UserAda {
		t.Errorf("direct messages: %v", got)
	}
	if list, _ := form(t, s, "conversations.list", DefaultBotToken, "types", "private_channel"); len(
		list["channels"].([]any)) != 1 {
		t.Errorf("a direct message is no private channel: %v", list["channels"])
	}
	if slices.ContainsFunc(s.Channels(), func(c Channel) bool { return c.ID == dm }) {
		t.Error("a direct message is among the channels")
	}

	s.RemoveScope(DefaultBotToken, "im:history")
	d := s.DirectMessage(UserAda, "hello", "")
	must(t, d.Wait(t.Context()))
	if d.Outcome() != OutcomeNotSent {
		t.Errorf("without im:history: %s", d.Outcome())
	}
	if _, err := d.Answer(t.Context()); err == nil {
		t.Error("an app that hears nothing has answered")
	}
	other := Start(t, Config{Events: []string{}})
	if d := other.DirectMessage(UserAda, "hello", ""); d.Outcome() != OutcomeNotSent {
		t.Errorf("without a subscription: %s", d.Outcome())
	}
	if d := other.OpenHome(UserAda); d.Outcome() != OutcomeNotSent {
		t.Errorf("a tab without a subscription: %s", d.Outcome())
	}
	// In channels nobody is told of what people write, edit and delete.
	ts, err := s.Post(UserAda, ChannelOps, "hello", "")
	must(t, err)
	if d := s.EditPost(UserAda, ChannelOps, ts, "goodbye"); d.Outcome() != OutcomeNotSent {
		t.Errorf("an edit in a channel: %s", d.Outcome())
	}
	if m, _ := s.Message(ChannelOps, ts); m.Text != "goodbye" || m.EditedBy != UserAda {
		t.Errorf("the message is %+v", m)
	}
	if d := s.DeletePost(UserAda, ChannelOps, ts); d.Outcome() != OutcomeNotSent {
		t.Errorf("a deletion in a channel: %s", d.Outcome())
	}
	if _, ok := s.Message(ChannelOps, ts); ok {
		t.Error("the message is still there")
	}
	s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	if env := w.next(); env["type"] != "slash_commands" {
		t.Errorf("the app was told %v", env)
	}
}

func TestAssistantThreads(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	api := client(s)
	dm := s.DirectChannel(UserAda)
	d := s.DirectMessage(UserAda, "why node-a", "")
	must(t, d.Err())
	const prompts = "assistant.threads.setSuggestedPrompts"
	prompt := func(n int) string { return list(n, same(`{"title":"t","message":"m"}`)) }

	for _, c := range []struct {
		what, method string
		args         []string
		want         string // the error, or a part of its first message
	}{
		{"no channel", prompts, []string{"prompts", prompt(1)}, "missing required field: channel_id"},
		{"another's channel", prompts, []string{"channel_id", "D0NOBODY", "prompts", prompt(1)}, "channel_not_found"},
		{"a channel", prompts, []string{"channel_id", ChannelOps, "prompts", prompt(1)}, "channel_not_found"},
		{"no prompts", prompts, []string{"channel_id", dm}, "missing required field: prompts"},
		{"an empty list", prompts, []string{"channel_id", dm, "prompts", "[]"}, "no fewer than 1 items"},
		{"five", prompts, []string{"channel_id", dm, "prompts", prompt(5)}, "no more than 4 items"},
		{"text for a list", prompts, []string{"channel_id", dm, "prompts", "why"}, "must provide an array"},
		{"no message", prompts, []string{"channel_id", dm, "prompts", `[{"title":"t"}]`}, "missing required field: message"},
		{"an empty title", prompts, []string{"channel_id", dm, "prompts", `[{"title":"","message":"m"}]`},
			"must be more than 0 characters [json-pointer:/prompts/0/title]"},
		{"another field", prompts, []string{"channel_id", dm, "prompts", `[{"title":"t","message":"m","icon":"x"}]`},
			"invalid additional property: icon"},
		{"no thread", "assistant.threads.setStatus", []string{"channel_id", dm, "status", "is looking"},
			"missing required field: thread_ts"},
		{"no status", "assistant.threads.setStatus", []string{"channel_id", dm, "thread_ts", d.TS},
			"missing required field: status"},
		{"another thread", "assistant.threads.setStatus",
			[]string{"channel_id", dm, "thread_ts", "1700000000.000000", "status", "x"}, "invalid_thread_ts"},
		{"many loading messages", "assistant.threads.setStatus", []string{"channel_id", dm, "thread_ts", d.TS, "status", "x",
			"loading_messages", strings.Repeat("x,", 10) + "x"}, "no more than 10 items"},
		{"a name of its own", "assistant.threads.setStatus", []string{"channel_id", dm, "thread_ts", d.TS, "status", "x",
			"username", "y"}, "missing_scope"},
		{"no title", "assistant.threads.setTitle", []string{"channel_id", dm, "thread_ts", d.TS},
			"missing required field: title"},
		{"another thread's title", "assistant.threads.setTitle",
			[]string{"channel_id", dm, "thread_ts", "1700000000.000000", "title", "x"}, "invalid_thread_ts"},
		{"a channel's title", "assistant.threads.setTitle", []string{"channel_id", ChannelOps, "thread_ts", d.TS,
			"title", "x"}, "channel_not_found"},
	} {
		out, _ := form(t, s, c.method, DefaultBotToken, c.args...)
		if said := string(mustJSON(out)); out["ok"] != false || !strings.Contains(said, c.want) {
			t.Errorf("%s: %s, want %s", c.what, said, c.want)
		}
	}
	if p, ok := s.Prompts(UserAda); ok {
		t.Errorf("what was refused suggests %v", p)
	}

	want := Prompts{"Try", []Prompt{{"What left today?", "removed today"}, {"How many nodes?", "count"}}}
	params := slack.AssistantThreadsSetSuggestedPromptsParameters{ChannelID: dm, Title: want.Title}
	for _, p := range want.Prompts {
		params.Prompts = append(params.Prompts, slack.AssistantThreadsPrompt{Title: p.Title, Message: p.Message})
	}
	// With a thread it says that all is well, and nothing shows.
	params.ThreadTS = d.TS
	must(t, api.SetAssistantThreadsSuggestedPrompts(params))
	if p, ok := s.Prompts(UserAda); ok {
		t.Errorf("prompts for a thread: %v", p)
	}
	params.ThreadTS = ""
	must(t, api.SetAssistantThreadsSuggestedPrompts(params))
	if got, _ := s.Prompts(UserAda); !cmp.Equal(got, want) {
		t.Errorf("prompts %v", got)
	}
	if _, ok := s.Prompts(UserGrace); ok {
		t.Error("Grace has Ada's prompts")
	}

	must(t, api.SetAssistantThreadsStatus(slack.AssistantThreadsSetStatusParameters{ChannelID: dm, ThreadTS: d.TS,
		Status: "is looking"}))
	must(t, api.SetAssistantThreadsTitle(slack.AssistantThreadsSetTitleParameters{ChannelID: dm, ThreadTS: d.TS,
		Title: "node-a"}))
	if got := s.Statuses(dm); !cmp.Equal(got, map[string]string{d.TS: "is looking"}) {
		t.Errorf("statuses %v", got)
	}
	if got := s.ThreadTitles(dm); !cmp.Equal(got, map[string]string{d.TS: "node-a"}) {
		t.Errorf("titles %v", got)
	}
	_, _, err := api.PostMessage(dm, slack.MsgOptionText("It was idle.", false), slack.MsgOptionTS(d.TS))
	must(t, err)
	if got := s.Statuses(dm); len(got) != 0 {
		t.Errorf("after the answer it %v", got)
	}
	if p, ok := s.Prompts(UserAda); ok {
		t.Errorf("after the answer it suggests %v", p)
	}
	must(t, api.SetAssistantThreadsStatus(slack.AssistantThreadsSetStatusParameters{ChannelID: dm, ThreadTS: d.TS,
		Status: "is looking"}))
	must(t, api.SetAssistantThreadsStatus(slack.AssistantThreadsSetStatusParameters{ChannelID: dm, ThreadTS: d.TS}))
	if got := s.Statuses(dm); len(got) != 0 {
		t.Errorf("an empty status: %v", got)
	}
}

func TestTyped(t *testing.T) {
	for text, want := range map[string]string{
		"why node-a":                     "why node-a",
		"a & <b>":                        "a &amp; &lt;b&gt;",
		"ip-10-0-1-2.ec2.internal":       "ip-10-0-1-2.ec2.internal",
		"node-1.example.com gone?":       "<http://node-1.example.com|node-1.example.com> gone?",
		"see https://example.com/a?b=c ": "see <https://example.com/a?b=c> ",
		"v1.33.2 and 10.0.0.1":           "v1.33.2 and 10.0.0.1",
	} {
		if got := Typed(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
