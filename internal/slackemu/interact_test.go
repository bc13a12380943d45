package slackemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
)

func reply(t *testing.T, url, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	must(t, err)
	defer resp.Body.Close()
	var out struct {
		Error string `json:"error"`
	}
	_ = json.NewDecoder(resp.Body).Decode(&out) // a success is the text "ok"
	return resp.StatusCode, out.Error
}

func TestSlashCommand(t *testing.T) {
	s := Start(t, Config{AckTimeout: 400 * time.Millisecond})
	w := dial(t, s)
	cmd := s.SlashCommand(UserEve, ChannelOps, "/events", `--for node/a <b> & "c"`)
	env := w.next()
	if env["type"] != "slash_commands" || env["accepts_response_payload"] != true {
		t.Errorf("envelope %v", env)
	}
	p := env["payload"].(map[string]any)
	for key, want := range map[string]any{
		"team_id": DefaultTeamID, "team_domain": DefaultTeamDomain, "channel_id": ChannelOps, "channel_name": "ops-nodes",
		"user_id":   UserEve,
		"user_name": "eve", "command": "/events", "text": `--for node/a &lt;b&gt; &amp; "c"`, "api_app_id": DefaultAppID,
		"is_enterprise_install": false, "response_url": cmd.ResponseURL, "trigger_id": cmd.TriggerID,
	} {
		if p[key] != want {
			t.Errorf("%s is %v, want %v", key, p[key], want)
		}
	}
	w.ack(env["envelope_id"], `{"response_type":"in_channel","text":"public"}`)
	m, err := cmd.Answer(t.Context())
	must(t, err)
	if m.Ephemeral || m.Text != "public" || m.Via != "ack" {
		t.Errorf("answer %+v", m)
	}

	// Not acknowledged: the person sees operation_timeout, but the response_url lives on.
	cmd = s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	w.next()
	if err := cmd.Wait(t.Context()); err == nil || cmd.Outcome() != OutcomeTimeout {
		t.Errorf("got %v", err)
	}
	if status, _ := reply(t, cmd.ResponseURL, `{"text":"late"}`); status != http.StatusOK {
		t.Errorf("HTTP %d", status)
	}
	if n := len(s.CallsOf(MethodResponseURL)); n != 1 {
		t.Errorf("%d calls logged", n)
	}

	// Bad acknowledgement payloads show nothing.
	for payload, want := range map[string]string{
		`{"blocks":[{"type":"nope"}]}`: "invalid_blocks", `{"blocks":[]}`: "no_text", `[1]`: "invalid_payload",
		`{"text":"x","response_type":"loud"}`: "invalid_response_type",
	} {
		cmd = s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
		w.ack(w.next()["envelope_id"], payload)
		if err := cmd.Wait(t.Context()); err == nil || cmd.Outcome() != want || len(cmd.Messages()) != 0 {
			t.Errorf("%s: got %v, want %s", payload, err, want)
		}
	}
	// Empty ones are no payload.
	for _, payload := range []string{"", "{}", "null", `""`} {
		cmd = s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
		w.ack(w.next()["envelope_id"], payload)
		must(t, cmd.Wait(t.Context()))
		if len(cmd.Messages()) != 0 || cmd.AckPayload() != nil {
			t.Errorf("%q made a message", payload)
		}
	}
	for _, c := range []*Command{
		s.SlashCommand("U0NOBODY", ChannelOps, "/nodes", ""), s.SlashCommand(UserAda, "C0", "/nodes", ""),
		s.SlashCommand(UserEve, ChannelOther, "/nodes", ""),
		s.SlashCommand(UserAda, ChannelOps, "/shout", ""), s.SlashCommand(UserAda, ChannelArchived, "/nodes", ""),
	} {
		if err := c.Wait(t.Context()); err == nil || c.Err() == nil {
			t.Error("an impossible command was sent")
		}
		if _, err := c.Answer(t.Context()); err == nil {
			t.Error("an impossible command was answered")
		}
	}
}

func TestResponseURL(t *testing.T) {
	s := Start(t, Config{})
	w := dial(t, s)
	cmd := s.SlashCommand(UserAda, ChannelOther, "/nodes", "") // the bot is not even a member
	w.ack(w.next()["envelope_id"], "")
	must(t, cmd.Wait(t.Context()))
	api := client(s)
	_, _, err := api.PostMessage("", slack.MsgOptionResponseURL(cmd.ResponseURL, slack.ResponseTypeEphemeral),
		slack.MsgOptionText("one", false))
	must(t, err)
	must(t, slack.PostWebhook(cmd.ResponseURL, &slack.WebhookMessage{Text: "two", ResponseType: "in_channel"}))
	if status, code := reply(t, cmd.ResponseURL, `{"blocks":[{"type":"x"}]}`); status != http.StatusBadRequest ||
		code != "invalid_blocks" {
		t.Errorf("HTTP %d %s", status, code)
	}
	if status, code := reply(t, cmd.ResponseURL, `{}`); status != http.StatusBadRequest || code != "no_text" {
		t.Errorf("HTTP %d %s", status, code)
	}
	if status, _ := reply(t, cmd.ResponseURL, `{"text":"five"}`); status != http.StatusOK {
		t.Errorf("HTTP %d", status)
	}
	if status, code := reply(t, cmd.ResponseURL, `{"text":"six"}`); status != http.StatusNotFound || code != "used_url" {
		t.Errorf("the sixth use: HTTP %d %s", status, code)
	}
	var got []string
	for _, m := range cmd.Messages() {
		got = append(got, fmt.Sprintf("%s %v", m.Text, m.Ephemeral))
	}
	if diff := cmp.Diff([]string{"one true", "two false", "five true"}, got); diff != "" {
		t.Error(diff)
	}
	if n := len(s.Ephemerals(ChannelOther, UserAda)); n != 2 {
		t.Errorf("Ada sees %d ephemerals", n)
	}
	if n := len(s.Ephemerals(ChannelOther, UserGrace)); n != 0 {
		t.Errorf("Grace sees %d ephemerals", n)
	}
	if status, _ := reply(t, cmd.ResponseURL+"x", `{"text":"x"}`); status != http.StatusNotFound {
		t.Errorf("a wrong URL: HTTP %d", status)
	}

	short := Start(t, Config{ResponseURLLife: time.Nanosecond})
	w = dial(t, short)
	cmd = short.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	w.ack(w.next()["envelope_id"], "")
	if status, code := reply(t, cmd.ResponseURL, `{"text":"x"}`); status != http.StatusNotFound || code != "expired_url" {
		t.Errorf("an expired URL: HTTP %d %s", status, code)
	}
}

func TestBlockActions(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	w := dial(t, s)
	api := client(s)
	text := slack.NewTextBlockObject("plain_text", "x", false, false)
	share := slack.NewButtonBlockElement("share", "wave-1", text)
	menu := slack.NewOptionsSelectBlockElement("static_select", nil, "by", slack.NewOptionBlockObject("zone", text, nil),
		slack.NewOptionBlockObject("type", text, nil))
	over := slack.NewOverflowBlockElement("more", slack.NewOptionBlockObject("mute", text, nil))
	blocks := slack.MsgOptionBlocks(slack.NewActionBlock("acts", share, menu, over))
	_, ts, err := api.PostMessage(ChannelOps, slack.MsgOptionText("wave", false), blocks)
	must(t, err)

	// got acknowledges the next envelope and returns its payload in slack-go's type.
	got := func(i *Interaction) slack.InteractionCallback {
		t.Helper()
		must(t, i.Err())
		env := w.next()
		w.ack(env["envelope_id"], "")
		must(t, i.Wait(t.Context()))
		var cb slack.InteractionCallback
		must(t, json.Unmarshal(i.Payload, &cb))
		return cb
	}
	i := s.ClickButton(UserGrace, ChannelOps, ts, "share")
	cb := got(i)
	a := cb.ActionCallback.BlockActions[0]
	if cb.Type != "block_actions" || cb.User.ID != UserGrace || cb.User.TeamID != DefaultTeamID ||
		cb.Team.ID != DefaultTeamID || cb.APIAppID != DefaultAppID ||
		cb.Channel.ID != ChannelOps || cb.Message.Timestamp != ts || cb.Container.MessageTs != ts ||
		cb.TriggerID != i.TriggerID || cb.ResponseURL != i.ResponseURL ||
		a.ActionID != "share" || a.BlockID != "acts" || a.Value != "wave-1" || a.Type != "button" || a.ActionTs == "" {
		t.Errorf("payload %s", i.Payload)
	}
	if cb := got(s.ClickButton(UserEve, ChannelOps, ts, "share")); cb.User.TeamID != ForeignTeamID {
		t.Errorf("Eve's team is %s", cb.User.TeamID)
	}
	cb = got(s.SelectOption(UserAda, ChannelOps, ts, "by", "type"))
	if a := cb.ActionCallback.BlockActions[0]; a.SelectedOption.Value != "type" ||
		cb.BlockActionState.Values["acts"]["by"].SelectedOption.Value != "type" {
		t.Errorf("select %+v", a)
	}
	if a := got(s.SelectOption(UserAda, ChannelOps, ts, "more", "mute")).ActionCallback.BlockActions[0]; a.SelectedOption.Value != "mute" {
		t.Errorf("overflow %+v", a)
	}

	// The response_url of a button changes the message itself.
	if status, _ := reply(t, i.ResponseURL, `{"replace_original":true,"text":"shared"}`); status != http.StatusOK {
		t.Errorf("HTTP %d", status)
	}
	if m, _ := s.Message(ChannelOps, ts); m.Text != "shared" || m.Blocks != nil {
		t.Errorf("replaced: %+v", m)
	}
	if status, _ := reply(t, i.ResponseURL, `{"delete_original":true}`); status != http.StatusOK {
		t.Errorf("HTTP %d", status)
	}
	if _, ok := s.Message(ChannelOps, ts); ok {
		t.Error("the message is still there")
	}

	// An ephemeral message: the payload says so and lacks the message.
	_, err = api.PostEphemeral(ChannelOps, UserAda, slack.MsgOptionText("page 1", false), blocks)
	must(t, err)
	eph := s.Ephemerals(ChannelOps, UserAda)[0]
	i = s.ClickButton(UserAda, ChannelOps, eph.TS, "share")
	if cb := got(i); !cb.Container.IsEphemeral || cb.Message.Timestamp != "" {
		t.Errorf("ephemeral payload %s", i.Payload)
	}
	if status, _ := reply(t, i.ResponseURL, `{"replace_original":true,"text":"page 2"}`); status != http.StatusOK {
		t.Errorf("HTTP %d", status)
	}
	if eph := s.Ephemerals(ChannelOps, UserAda); len(eph) != 1 || eph[0].Text != "page 2" || len(eph[0].Versions) != 2 {
		t.Errorf("after paging: %+v", eph)
	}
	if status, _ := reply(t, i.ResponseURL, `{"delete_original":true}`); status != http.StatusOK ||
		len(s.Ephemerals(ChannelOps, UserAda)) != 0 {
		t.Errorf("HTTP %d", status)
	}

	for _, i := range []*Interaction{
		s.ClickButton(UserGrace, ChannelOps, eph.TS, "share"), s.ClickButton(UserAda, ChannelOps, ts, "share"),
		s.ClickButton(UserEve, ChannelOther, ts, "share"),
	} {
		if i.Err() == nil {
			t.Error("an impossible click was sent")
		}
	}
}

func TestModals(t *testing.T) {
	s := Start(t, Config{TriggerLife: time.Hour})
	w := dial(t, s)
	api := client(s)
	text := slack.NewTextBlockObject("plain_text", "Mute", false, false)
	input := func(id string) slack.Block {
		return slack.NewInputBlock(id, text, nil, slack.NewPlainTextInputBlockElement(nil, id+"-a"))
	}
	modal := slack.ModalViewRequest{Type: slack.VTModal, Title: text, Submit: text, CallbackID: "mute",
		PrivateMetadata: "m", NotifyOnClose: true,
		Blocks: slack.Blocks{
			BlockSet: []slack.Block{input("why"), slack.NewActionBlock("acts", slack.NewButtonBlockElement("push", "", text))},
		}}
	modal.Blocks.BlockSet[1].(*slack.ActionBlock).Elements.ElementSet[0].(*slack.ButtonBlockElement).Value = ""
	trigger := func() string {
		t.Helper()
		cmd := s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
		w.ack(w.next()["envelope_id"], "")
		must(t, cmd.Wait(t.Context()))
		return cmd.TriggerID
	}
	id := trigger()
	opened, err := api.OpenView(id, modal)
	must(t, err)
	if opened.ID == "" || opened.Hash == "" || opened.CallbackID != "mute" || opened.RootViewID != opened.ID ||
		len(s.Modals(UserAda)) != 1 {
		t.Errorf("opened %+v", opened.View)
	}
	if _, err := api.OpenView(id, modal); code(err) != "exchanged_trigger_id" {
		t.Errorf("a trigger worked twice: %v", err)
	}
	bad := modal
	bad.Title = slack.NewTextBlockObject("plain_text", rep(25), false, false)
	_, err = api.OpenView(trigger(), bad)
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); !ok || e.Err != "invalid_arguments" ||
		!strings.Contains(fmt.Sprint(e.ResponseMetadata.Messages), "/view/title/text") {
		t.Errorf("a long title: %v", err)
	}

	// Update, with the hash of the last state only.
	updated, err := api.UpdateView(modal, "", opened.Hash, opened.ID)
	must(t, err)
	if _, err := api.UpdateView(modal, "", opened.Hash, opened.ID); code(err) != "hash_conflict" {
		t.Errorf("an old hash: %v", err)
	}
	if _, err := api.UpdateView(modal, "", "", "V0"); code(err) != "not_found" {
		t.Errorf("no such view: %v", err)
	}

	// Push up to three.
	view := updated.ID
	for range 2 {
		i := s.ViewAction(UserAda, view, Action{ActionID: "push"})
		env := w.next()
		p := env["payload"].(map[string]any)
		if p["container"].(map[string]any)["view_id"] != view || p["view"] == nil || p["channel"] != nil {
			t.Errorf("view action %v", p)
		}
		w.ack(env["envelope_id"], "")
		must(t, i.Wait(t.Context()))
		pushed, err := api.PushView(i.TriggerID, modal)
		must(t, err)
		if pushed.RootViewID != updated.ID || pushed.PreviousViewID != view {
			t.Errorf("pushed %+v", pushed.View)
		}
		view = pushed.ID
	}
	i := s.ViewAction(UserAda, view, Action{ActionID: "push"})
	w.ack(w.next()["envelope_id"], "")
	must(t, i.Wait(t.Context()))
	if _, err := api.PushView(i.TriggerID, modal); code(err) != "push_limit_reached" {
		t.Errorf("a fourth modal: %v", err)
	}

	// Submit: required inputs, errors, update, then close.
	if err := s.SubmitView(UserAda, view, nil).Wait(t.Context()); err == nil {
		t.Error("submitted without a required input")
	}
	submit := func(ack string) *Interaction {
		t.Helper()
		i := s.SubmitView(UserAda, view, map[string]string{"why-a": "maintenance"})
		must(t, i.Err())
		env := w.next()
		if env["accepts_response_payload"] != true {
			t.Error("a submission takes a payload")
		}
		w.ack(env["envelope_id"], ack)
		<-i.Done()
		return i
	}
	i = submit(`{"response_action":"errors","errors":{"why":"say more"}}`)
	var cb slack.InteractionCallback
	must(t, json.Unmarshal(i.Payload, &cb))
	if cb.View.State.Values["why"]["why-a"].Value != "maintenance" || cb.View.PrivateMetadata != "m" ||
		cb.View.CallbackID != "mute" {
		t.Errorf("submission %s", i.Payload)
	}
	if v, _ := s.View(view); v.Errors["why"] != "say more" || !v.Open {
		t.Errorf("after errors: %+v", v)
	}
	for ack, want := range map[string]string{
		`{"response_action":"errors","errors":{"nope":"x"}}`:                                        "invalid_errors",
		`{"response_action":"errors"}`:                                                              "invalid_errors",
		`{"response_action":"dance"}`:                                                               "invalid_response_action",
		`{"response_action":"update","view":{"type":"home","blocks":[]}}`:                           "invalid_arguments",
		`{"response_action":"push","view":{"type":"modal","title":` + plain("t") + `,"blocks":[]}}`: "push_limit_reached",
	} {
		if i := submit(ack); i.Outcome() != want {
			t.Errorf("%s: got %s, want %s", ack, i.Outcome(), want)
		}
	}
	must(t, submit(`{"response_action":"update","view":{"type":"modal","title":`+plain("new")+`,"submit":`+plain("s")+
		`,"blocks":[{"type":"input","block_id":"why","label":`+plain("l")+
		`,"element":{"type":"plain_text_input","action_id":"why-a"}}]}}`).Wait(t.Context()))
	if v, _ := s.View(view); v.Title != "new" {
		t.Errorf("after update: %+v", v)
	}
	must(t, submit("").Wait(t.Context()))
	if n := len(s.Modals(UserAda)); n != 2 {
		t.Errorf("%d modals open after a submission, want 2", n)
	}

	// Close by hand: told because of notify_on_close.
	closed := s.CloseView(UserAda, opened.ID)
	if p := w.next()["payload"].(map[string]any); p["type"] != "view_closed" {
		t.Errorf("got %v", p)
	}
	must(t, closed.Err())
	if len(s.Modals(UserAda)) != 0 {
		t.Error("modals are still open")
	}
	if _, err := api.UpdateView(modal, "", "", opened.ID); code(err) != "not_found" {
		t.Errorf("updating a closed view: %v", err)
	}
	must(t, s.WaitFor(t.Context(), func() bool { return s.SocketStats().Sent > 0 }))
}

func TestExpiredTrigger(t *testing.T) {
	s := Start(t, Config{TriggerLife: time.Nanosecond})
	w := dial(t, s)
	cmd := s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	w.ack(w.next()["envelope_id"], "")
	got, _ := form(t, s, "views.open", DefaultBotToken, "trigger_id", cmd.TriggerID, "view", "{}")
	if got["error"] != "expired_trigger_id" {
		t.Errorf("got %v", got)
	}
}

func TestHome(t *testing.T) {
	s := Start(t, Config{})
	w := dial(t, s)
	api := client(s)
	d := s.OpenHome(UserAda)
	env := w.next()
	w.ack(env["envelope_id"], "")
	must(t, d.Wait(t.Context()))
	home := slack.PublishViewContextRequest{UserID: UserAda,
		View: slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", "42 nodes", false, false), nil, nil),
			slack.NewActionBlock("acts",
				slack.NewButtonBlockElement("refresh", "v", slack.NewTextBlockObject("plain_text", "Refresh", false, false))),
		}}}}
	first, err := api.PublishViewContext(t.Context(), home)
	must(t, err)
	home.Hash = &first.Hash
	_, err = api.PublishViewContext(t.Context(), home)
	must(t, err)
	if _, err := api.PublishViewContext(t.Context(), home); code(err) != "hash_conflict" {
		t.Errorf("an old hash: %v", err)
	}
	v, ok := s.Home(UserAda)
	if !ok || v.ID != first.ID || v.Versions != 2 {
		t.Errorf("home %+v", v)
	}
	if _, ok := s.Home(UserGrace); ok {
		t.Error("Grace has a home too")
	}
	i := s.ViewAction(UserAda, v.ID, Action{ActionID: "refresh"})
	w.ack(w.next()["envelope_id"], "")
	must(t, i.Wait(t.Context()))
	d = s.OpenHome(UserAda)
	if p := w.next()["payload"].(map[string]any)["event"].(map[string]any); p["view"] == nil || p["tab"] != "home" {
		t.Errorf("event %v", p)
	}
	must(t, d.Err())
}

func TestBlockSuggestion(t *testing.T) {
	s := Start(t, Config{})
	w := dial(t, s)
	_, ts, err := client(s).PostMessage(ChannelOps, slack.MsgOptionText("x", false),
		slack.MsgOptionBlocks(
			slack.NewActionBlock("acts", slack.NewOptionsSelectBlockElement("external_select", nil, "node"))))
	must(t, err)
	i := s.BlockSuggestion(UserAda, ChannelOps, ts, "node", "ip-10")
	env := w.next()
	if p := env["payload"].(map[string]any); p["type"] != "block_suggestion" || p["value"] != "ip-10" ||
		p["action_id"] != "node" || p["block_id"] != "acts" {
		t.Errorf("payload %v", p)
	}
	w.ack(env["envelope_id"], `{"options":[`+option(1)+`]}`)
	must(t, i.Wait(t.Context()))
	if !strings.Contains(string(i.AckPayload()), "v1") {
		t.Errorf("payload %s", i.AckPayload())
	}
	i = s.BlockSuggestion(UserAda, ChannelOps, ts, "node", "x")
	w.ack(w.next()["envelope_id"], `{"options":`+list(101, option)+`}`)
	if err := i.Wait(t.Context()); err == nil {
		t.Error("101 options were accepted")
	}
}

// TestInputs submits one of every input and looks at state.values.
func TestInputs(t *testing.T) {
	s := Start(t, Config{TriggerLife: time.Hour})
	w := dial(t, s)
	cmd := s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	w.ack(w.next()["envelope_id"], "")
	must(t, cmd.Wait(t.Context()))
	opts := `"options":[` + option(1) + `,` + option(2) + `]`
	elements := []string{
		`{"type":"plain_text_input","action_id":"text","max_length":5}`, `{"type":"email_text_input","action_id":"mail"}`,
		`{"type":"url_text_input","action_id":"url"}`,
		`{"type":"number_input","action_id":"num","is_decimal_allowed":false}`, `{"type":"static_select","action_id":"sel",` +
			opts + `}`,
		`{"type":"radio_buttons","action_id":"radio",` + opts + `,"initial_option":` + option(2) + `}`,
		`{"type":"checkboxes","action_id":"boxes",` + opts + `}`,
		`{"type":"multi_static_select","action_id":"multi","option_groups":[{"label":` + plain("g") + `,` + opts + `}]}`,
		`{"type":"users_select","action_id":"user"}`,
		`{"type":"multi_users_select","action_id":"users"}`, `{"type":"channels_select","action_id":"chan"}`,
		`{"type":"conversations_select","action_id":"conv"}`,
		`{"type":"datepicker","action_id":"date","initial_date":"2026-11-22"}`, `{"type":"timepicker","action_id":"time"}`,
		`{"type":"datetimepicker","action_id":"when"}`,
		`{"type":"external_select","action_id":"ext"}`, `{"type":"multi_external_select","action_id":"exts"}`,
	}
	blocks := list(len(elements), func(i int) string {
		return fmt.Sprintf(`{"type":"input","block_id":"b","label":%s,"element":%s}`, plain("l"), elements[i])
	})
	for i := range elements {
		blocks = strings.Replace(blocks, `"block_id":"b"`, fmt.Sprintf(`"block_id":"b%d"`, i), 1)
	}
	got, _ := form(t, s, "views.open", DefaultBotToken, "trigger_id", cmd.TriggerID, "view",
		`{"type":"modal","title":`+plain("t")+`,"submit":`+plain("s")+`,"blocks":`+blocks+`}`)
	if got["ok"] != true {
		t.Fatal(got)
	}
	id := s.Modals(UserAda)[0].ID
	values := map[string]string{
		"text": "why", "mail": "a@example.com", "url": "https://example.com", "num": "7", "sel": "v1", "boxes": "v2",
		"multi": "v1", "user": UserGrace,
		"users": UserEve, "chan": ChannelOps, "conv": ChannelOps, "time": "09:30", "when": "1700000000", "ext": "node-1",
		"exts": "node-2",
	}
	for action, bad := range map[string]string{"text": "too long", "sel": "v9", "boxes": "v9", "when": "soon",
		"nope": "x"} {
		if i := s.SubmitView(UserAda, id, map[string]string{action: bad}); i.Err() == nil {
			t.Errorf("%s took %q", action, bad)
		}
	}
	// Without dispatch_action, the app hears of an input only with the submission.
	typed := s.ViewAction(UserAda, id, Action{ActionID: "users", Values: []string{UserEve, UserGrace}})
	must(t, typed.Wait(t.Context()))
	if typed.Outcome() != OutcomeNotSent {
		t.Errorf("outcome %s", typed.Outcome())
	}
	delete(values, "users")
	i := s.SubmitView(UserAda, id, values)
	must(t, i.Err())
	w.ack(w.next()["envelope_id"], `{"response_action":"clear"}`)
	must(t, i.Wait(t.Context()))
	if len(s.Modals(UserAda)) != 0 {
		t.Error("clear left a modal")
	}
	var cb slack.InteractionCallback
	must(t, json.Unmarshal(i.Payload, &cb))
	state := map[string]slack.BlockAction{}
	for _, block := range cb.View.State.Values {
		maps.Copy(state, block)
	}
	for action, ok := range map[string]bool{
		"text": state["text"].Value == "why", "mail": state["mail"].Value == "a@example.com",
		"url": state["url"].Value == "https://example.com", "num": state["num"].Value == "7",
		"sel": state["sel"].SelectedOption.Value == "v1", "radio": state["radio"].SelectedOption.Value == "v2",
		"boxes": state["boxes"].SelectedOptions[0].Value == "v2",
		"multi": state["multi"].SelectedOptions[0].Value == "v1", "user": state["user"].SelectedUser == UserGrace,
		"users": len(state["users"].SelectedUsers) == 2,
		"chan":  state["chan"].SelectedChannel == ChannelOps, "conv": state["conv"].SelectedConversation == ChannelOps,
		"date": state["date"].SelectedDate == "2026-11-22",
		"time": state["time"].SelectedTime == "09:30", "when": state["when"].SelectedDateTime == 1700000000,
		"ext":  state["ext"].SelectedOption.Value == "node-1",
		"exts": state["exts"].SelectedOptions[0].Value == "node-2",
	} {
		if !ok {
			t.Errorf("%s is %+v", action, state[action])
		}
	}
}

// TestEnter types into a modal what the app hears of with the submission only, and takes it back.
func TestEnter(t *testing.T) {
	s := Start(t, Config{TriggerLife: time.Hour})
	w := dial(t, s)
	cmd := s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	w.ack(w.next()["envelope_id"], "")
	must(t, cmd.Wait(t.Context()))
	block := func(id, element string, rest string) string {
		return `{"type":"input","block_id":"` + id + `","label":` + plain("l") + `,"element":` + element + rest + `}`
	}
	got, _ := form(t, s, "views.open", DefaultBotToken, "trigger_id", cmd.TriggerID, "view",
		`{"type":"modal","title":`+plain("t")+`,"submit":`+plain("s")+`,"blocks":[`+
			block("b1", `{"type":"plain_text_input","action_id":"x"}`, `,"dispatch_action":true`)+`,`+
			block("b2", `{"type":"static_select","action_id":"x","options":[`+option(1)+`],"initial_option":`+option(1)+`}`,
				`,"optional":true`)+`,`+
			block("b3", `{"type":"rich_text_input","action_id":"y"}`, "")+`]}`)
	if got["ok"] != true {
		t.Fatal(got)
	}
	id := s.Modals(UserAda)[0].ID
	sent := s.SocketStats().Sent
	must(t, s.Enter(UserAda, id, Action{ActionID: "x", BlockID: "b1", Values: []string{"why"}}))
	must(t, s.Enter(UserAda, id, Action{ActionID: "x", BlockID: "b2", Values: []string{}}))
	if s.Enter(UserAda, id, Action{ActionID: "x", Value: "1"}) == nil ||
		s.Enter(UserGrace, id, Action{ActionID: "y", Value: "1"}) == nil {
		t.Error("an ambiguous input, or another person's, was taken")
	}
	if i := s.SubmitView(UserAda, id, nil); i.Err() == nil {
		t.Error("submitted without the required rich text")
	}
	must(t, s.Enter(UserAda, id, Action{ActionID: "y", Value: "because"}))
	if n := s.SocketStats().Sent; n != sent {
		t.Errorf("the app heard of it %d times", n-sent)
	}
	i := s.SubmitView(UserAda, id, nil)
	must(t, i.Err())
	w.ack(w.next()["envelope_id"], "")
	must(t, i.Wait(t.Context()))
	var p struct {
		View struct {
			State struct {
				Values map[string]map[string]map[string]any `json:"values"`
			} `json:"state"`
		} `json:"view"`
	}
	must(t, json.Unmarshal(i.Payload, &p))
	values := p.View.State.Values
	if values["b1"]["x"]["value"] != "why" || values["b2"]["x"]["selected_option"] != nil {
		t.Errorf("state %v", values)
	}
	if rich := fmt.Sprint(values["b3"]["y"]["rich_text_value"]); !strings.Contains(rich, "text:because") {
		t.Errorf("rich text %s", rich)
	}
}

func TestCloseUnheard(t *testing.T) {
	s := Start(t, Config{TriggerLife: time.Hour})
	w := dial(t, s)
	cmd := s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	w.ack(w.next()["envelope_id"], "")
	must(t, cmd.Wait(t.Context()))
	form(t, s, "views.open", DefaultBotToken, "trigger_id", cmd.TriggerID, "view",
		`{"type":"modal","external_id":"e","title":`+plain("t")+`,"blocks":[{"type":"divider"}]}`)
	open := s.Modals(UserAda)
	if len(open) != 1 || open[0].ExternalID != "e" {
		t.Fatalf("open: %+v", open)
	}
	cmd = s.SlashCommand(UserGrace, ChannelOps, "/nodes", "")
	w.ack(w.next()["envelope_id"], "")
	got, _ := form(t, s, "views.open", DefaultBotToken, "trigger_id", cmd.TriggerID, "view",
		`{"type":"modal","external_id":"e","title":`+plain("t")+`,"blocks":[{"type":"divider"}]}`)
	if got["error"] != "duplicate_external_id" {
		t.Errorf("got %v", got)
	}
	if got, _ := form(t, s, "views.update", DefaultBotToken, "external_id", "e", "view",
		`{"type":"modal","external_id":"e","title":`+plain("u")+`,"blocks":[{"type":"divider"}]}`); got["ok"] != true {
		t.Errorf("update by external id: %v", got)
	}
	if i := s.CloseView(UserAda, open[0].ID); i.Wait(t.Context()) != nil || i.Outcome() != OutcomeNotSent {
		t.Errorf("closing a view without notify_on_close: %s", i.Outcome())
	}
	if i := s.CloseView(UserAda, open[0].ID); i.Err() == nil {
		t.Error("closed twice")
	}
}
