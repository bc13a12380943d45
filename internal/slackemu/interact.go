package slackemu

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Interaction is something that a person did and that the app is told about. Mistakes of the caller (an unknown
// person, a button that is not there) come out of Wait and Answer.
type Interaction struct {
	*Delivery
	// TriggerID and ResponseURL as the payload has them; empty where it has none.
	TriggerID, ResponseURL string

	url *responseURL
}

// Command is the interaction of a slash command.
type Command = Interaction

// Messages are the new messages that the app has answered with, through the acknowledgement or the response_url, as
// they are now.
func (i *Interaction) Messages() []Message {
	if i.url == nil {
		return nil
	}
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	return cloneAll(i.url.made, func(*Message) bool { return true })
}

// Answer waits for the first new message that the app answers with.
func (i *Interaction) Answer(ctx context.Context) (Message, error) {
	list, err := i.Answers(ctx, 1)
	if err != nil {
		return Message{}, err
	}
	return list[0], nil
}

// Answers waits until there are at least n new messages and returns all. It fails at once if the delivery does.
func (i *Interaction) Answers(ctx context.Context, n int) ([]Message, error) {
	if i.err != nil {
		return nil, i.err
	}
	err := i.s.WaitFor(ctx, func() bool {
		o := i.Outcome()
		return len(i.Messages()) >= n || o != "" && o != OutcomeOK
	})
	if list := i.Messages(); len(list) >= n {
		return list, nil
	}
	if err == nil {
		err = i.Wait(ctx)
	}
	return nil, fmt.Errorf("waiting for an answer: %w", err)
}

func (s *Server) impossible(kind, format string, args ...any) *Interaction {
	return &Interaction{Delivery: s.failed(kind, fmt.Errorf(format, args...))}
}

// person finds a member of a channel. Callers hold mu.
func (s *Server) person(user, channel string) (*User, *channelState, error) {
	u, c := s.users[user], s.channels[channel]
	switch {
	case u == nil:
		return nil, nil, fmt.Errorf("no user %s", user)
	case c == nil:
		return nil, nil, fmt.Errorf("no channel %s", channel)
	case !c.member(user):
		return nil, nil, fmt.Errorf("user %s is not a member of %s", user, channel)
	}
	return u, c, nil
}

// SlashCommand types a command, such as "/nodes" with text "list --spot", into a channel. Unless Config.RawCommandText
// says otherwise, &, < and > in the text arrive escaped, as in every text that people write.
func (s *Server) SlashCommand(user, channel, command, text string) *Command {
	const kind = "slash_commands"
	s.mu.Lock()
	u, c, err := s.person(user, channel)
	switch {
	case err == nil && !slices.Contains(s.cfg.Commands, command):
		err = fmt.Errorf("%s is not a command of the app", command)
	case err == nil && c.Archived:
		err = fmt.Errorf("%s is archived", channel)
	case err == nil && !s.granted("commands"):
		err = fmt.Errorf("%s: the app lacks the scope commands", command)
	}
	if err != nil {
		s.mu.Unlock()
		return s.impossible(kind, "typing %s: %w", command, err)
	}
	if !s.cfg.RawCommandText {
		text = Escape(text)
	}
	i := &Interaction{url: &responseURL{user: user, channel: channel}}
	i.ResponseURL, i.TriggerID = s.newResponseURL(i.url), s.newTrigger(user, "")
	payload := map[string]any{
		"token": verificationToken, "team_id": s.cfg.TeamID, "team_domain": s.cfg.TeamDomain, "channel_id": c.ID,
		"channel_name": c.told(),
		"user_id":      u.ID, "user_name": u.Name, "command": command, "text": text, "api_app_id": s.cfg.AppID,
		"is_enterprise_install": false, "response_url": i.ResponseURL, "trigger_id": i.TriggerID,
	}
	if s.cfg.EnterpriseID != "" {
		payload["enterprise_id"], payload["enterprise_name"] = s.cfg.EnterpriseID, s.cfg.EnterpriseName
	}
	i.Delivery = &Delivery{Type: kind, Payload: mustJSON(payload)}
	s.mu.Unlock()
	s.start(i.Delivery, true, nil, func(raw json.RawMessage) string {
		if raw == nil {
			return OutcomeOK
		}
		args, err := messageArgs(raw)
		if err != nil {
			return "invalid_payload"
		}
		if _, err := s.respond(i.url, args, "ack"); err != nil {
			return err.code
		}
		return OutcomeOK
	})
	return i
}

// granted says whether any bot token has the scope. Callers hold mu.
func (s *Server) granted(scope string) bool {
	return slices.ContainsFunc(s.cfg.Tokens, func(t Token) bool { return !t.app() && slices.Contains(t.Scopes, scope) })
}

// messageArgs turns a message payload into arguments, as a JSON body's. A bare string is a text.
func messageArgs(raw json.RawMessage) (map[string]string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return map[string]string{"text": text}, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	args := map[string]string{}
	for k, raw := range fields {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		if s != "null" {
			args[k] = s
		}
	}
	return args, nil
}

// Action names an element and what the person does with it.
type Action struct {
	ActionID string
	// BlockID is needed only if several blocks hold the ActionID.
	BlockID string
	// Value is what is chosen or entered: an option's value, a user's or channel's id, a date, a time, a Unix time, a
	// text. For buttons it may be empty; if not, it picks the button with this value.
	Value string
	// Values are several choices, for checkboxes and multi-selects. Empty but not nil, they clear what was chosen or
	// entered before.
	Values []string
}

// ClickButton presses a button of a message.
func (s *Server) ClickButton(user, channel, ts, actionID string) *Interaction {
	return s.BlockAction(user, channel, ts, Action{ActionID: actionID})
}

// SelectOption chooses an option of a select menu, overflow menu or radio buttons of a message.
func (s *Server) SelectOption(user, channel, ts, actionID, value string) *Interaction {
	return s.BlockAction(user, channel, ts, Action{ActionID: actionID, Value: value})
}

// BlockAction uses an interactive element of a message, also of an ephemeral one that the person sees.
func (s *Server) BlockAction(user, channel, ts string, a Action) *Interaction {
	const kind = "interactive"
	s.mu.Lock()
	u, c, err := s.person(user, channel)
	var m *Message
	if err == nil {
		m, err = c.visible(user, ts)
	}
	var action map[string]any
	if err == nil {
		action, err = act(m.blockList(), a)
	}
	if err != nil {
		s.mu.Unlock()
		return s.impossible(kind, "using %s of message %s: %w", a.ActionID, ts, err)
	}
	i := &Interaction{url: &responseURL{user: user, channel: channel, origin: m}}
	i.ResponseURL, i.TriggerID = s.newResponseURL(i.url), s.newTrigger(user, "")
	container := map[string]any{"type": "message", "message_ts": m.TS, "channel_id": c.ID, "is_ephemeral": m.Ephemeral}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	payload := s.interaction("block_actions", u)
	payload["container"], payload["trigger_id"], payload["response_url"] = container, i.TriggerID, i.ResponseURL
	payload["channel"] = map[string]any{"id": c.ID, "name": c.told()}
	if !m.Ephemeral { // Slack does not send ephemeral messages back
		payload["message"] = m.object(true)
	}
	payload["actions"] = []any{action}
	values := map[string]map[string]any{}
	setValue(values, action)
	payload["state"] = map[string]any{"values": stateValues(anyList(m.blockList()), values)}
	i.Delivery = &Delivery{Type: kind, Payload: mustJSON(payload)}
	s.mu.Unlock()
	s.start(i.Delivery, false, nil, nil)
	return i
}

// ViewAction uses an interactive element of an open modal or of the person's home tab. Input blocks tell the app only
// with dispatch_action; others are remembered for SubmitView.
func (s *Server) ViewAction(user, viewID string, a Action) *Interaction {
	const kind = "interactive"
	s.mu.Lock()
	u, v, err := s.viewer(user, viewID)
	var action map[string]any
	if err == nil {
		action, err = act(v.blockList(), a)
	}
	if err != nil {
		s.mu.Unlock()
		return s.impossible(kind, "using %s of view %s: %w", a.ActionID, viewID, err)
	}
	if v.values == nil {
		v.values = map[string]map[string]any{}
	}
	setValue(v.values, action)
	if block := v.block(fmt.Sprint(action["block_id"])); block["type"] == "input" && block["dispatch_action"] != true {
		s.mu.Unlock()
		return s.unsent()
	}
	i := &Interaction{TriggerID: s.newTrigger(user, modalID(v))}
	payload := s.interaction("block_actions", u)
	payload["container"] = map[string]any{"type": "view", "view_id": v.ID}
	payload["trigger_id"], payload["view"], payload["actions"] = i.TriggerID, v.object(s), []any{action}
	i.Delivery = &Delivery{Type: kind, Payload: mustJSON(payload)}
	s.mu.Unlock()
	s.start(i.Delivery, false, nil, nil)
	return i
}

// Enter makes a person choose or enter something in an open view of hers without telling the app yet, as what stands in
// an
// input until it is submitted.
func (s *Server) Enter(user, viewID string, a Action) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, v, err := s.viewer(user, viewID)
	var action map[string]any
	if err == nil {
		action, err = act(v.blockList(), a)
	}
	if err != nil {
		return fmt.Errorf("using %s of view %s: %w", a.ActionID, viewID, err)
	}
	if v.values == nil {
		v.values = map[string]map[string]any{}
	}
	setValue(v.values, action)
	return nil
}

func (s *Server) unsent() *Interaction {
	d := &Delivery{Type: "interactive", s: s, done: make(chan struct{}), outcome: OutcomeNotSent}
	close(d.done)
	return &Interaction{Delivery: d}
}

func modalID(v *View) string {
	if v.Type == "modal" {
		return v.ID
	}
	return ""
}

// SubmitView presses a modal's submit button. values are what the person enters, by action_id; what was entered before
// with ViewAction or as initial values stays. Required inputs must have a value, as Slack's clients see to it.
func (s *Server) SubmitView(user, viewID string, values map[string]string) *Interaction {
	const kind = "interactive"
	s.mu.Lock()
	u, v, err := s.viewer(user, viewID)
	if err == nil && v.Type != "modal" {
		err = fmt.Errorf("only modals can be submitted")
	}
	if err == nil {
		err = v.enter(values)
	}
	if err != nil {
		s.mu.Unlock()
		return s.impossible(kind, "submitting view %s: %w", viewID, err)
	}
	i := &Interaction{TriggerID: s.newTrigger(user, v.ID)}
	payload := s.interaction("view_submission", u)
	payload["trigger_id"], payload["view"], payload["response_urls"] = i.TriggerID, v.object(s), []any{}
	i.Delivery = &Delivery{Type: kind, Payload: mustJSON(payload)}
	s.mu.Unlock()
	s.start(i.Delivery, true, nil, func(raw json.RawMessage) string { return s.submitted(v, raw) })
	return i
}

// submitted carries out the answer to a view_submission. Callers hold mu.
func (s *Server) submitted(v *View, raw json.RawMessage) string {
	var ack struct {
		Action string            `json:"response_action"`
		View   json.RawMessage   `json:"view"`
		Errors map[string]string `json:"errors"`
	}
	if raw != nil && json.Unmarshal(raw, &ack) != nil {
		return "invalid_payload"
	}
	switch ack.Action {
	case "":
		s.closeModal(v)
	case "clear":
		s.closeModals(v.User)
	case "errors":
		if len(ack.Errors) == 0 {
			return "invalid_errors"
		}
		for id, text := range ack.Errors {
			if block := v.block(id); block == nil || block["type"] != "input" || text == "" {
				return "invalid_errors"
			}
		}
		v.Errors = maps.Clone(ack.Errors)
		s.changed(Change{Kind: ChangeView, View: v.ID, User: v.User})
	case "update", "push":
		own := v.ExternalID
		if ack.Action == "update" {
			v.ExternalID = ""
		}
		view, err := s.checkView(string(ack.View), "modal")
		v.ExternalID = own
		if err != nil {
			return err.code
		}
		if ack.Action == "update" {
			v.values = nil
			v.fill(view, s)
			break
		}
		if len(s.modals[v.User]) >= maxModals {
			return "push_limit_reached"
		}
		s.openModal(v.User, view, true)
	default:
		return "invalid_response_action"
	}
	return OutcomeOK
}

// CloseView closes a modal by hand. The app is told only if the view has notify_on_close.
func (s *Server) CloseView(user, viewID string) *Interaction {
	const kind = "interactive"
	s.mu.Lock()
	u, v, err := s.viewer(user, viewID)
	if err == nil && v.Type != "modal" {
		err = fmt.Errorf("only modals can be closed")
	}
	if err != nil {
		s.mu.Unlock()
		return s.impossible(kind, "closing view %s: %w", viewID, err)
	}
	payload := s.interaction("view_closed", u)
	payload["view"], payload["is_cleared"] = v.object(s), false
	s.closeModal(v)
	if !v.NotifyOnClose {
		s.mu.Unlock()
		return s.unsent()
	}
	i := &Interaction{Delivery: &Delivery{Type: kind, Payload: mustJSON(payload)}}
	s.mu.Unlock()
	s.start(i.Delivery, false, nil, nil)
	return i
}

// BlockSuggestion types value into an external select of a message (channel and ts) or, with an empty channel, of the
// view whose id is ts. The options come with the acknowledgement: AckPayload.
func (s *Server) BlockSuggestion(user, channel, ts, actionID, value string) *Interaction {
	const kind = "interactive"
	s.mu.Lock()
	var u *User
	payload := map[string]any{}
	var blocks []map[string]any
	var err error
	if channel != "" {
		var c *channelState
		var m *Message
		if u, c, err = s.person(user, channel); err == nil {
			if m, err = c.visible(user, ts); err == nil {
				blocks = m.blockList()
				payload = s.interaction("block_suggestion", u)
				payload["container"] = map[string]any{"type": "message", "message_ts": m.TS, "channel_id": c.ID,
					"is_ephemeral": m.Ephemeral}
				payload["channel"] = map[string]any{"id": c.ID, "name": c.told()}
				if !m.Ephemeral {
					payload["message"] = m.object(true)
				}
			}
		}
	} else {
		var v *View
		if u, v, err = s.viewer(user, ts); err == nil {
			blocks = v.blockList()
			payload = s.interaction("block_suggestion", u)
			payload["container"] = map[string]any{"type": "view", "view_id": v.ID}
			payload["view"] = v.object(s)
		}
	}
	var block, element map[string]any
	if err == nil {
		block, element, err = locate(blocks, Action{ActionID: actionID})
	}
	if err == nil && element["type"] != "external_select" && element["type"] != "multi_external_select" {
		err = fmt.Errorf("%v takes no suggestions", element["type"])
	}
	if err != nil {
		s.mu.Unlock()
		return s.impossible(kind, "typing into %s: %w", actionID, err)
	}
	payload["action_id"], payload["block_id"], payload["value"] = actionID, block["block_id"], value
	i := &Interaction{Delivery: &Delivery{Type: kind, Payload: mustJSON(payload)}}
	s.mu.Unlock()
	s.start(i.Delivery, true, nil, func(raw json.RawMessage) string {
		val, err := decodeJSON(raw)
		if err != nil {
			return "invalid_payload"
		}
		v := &validator{surface: SurfaceModal}
		o, ok := v.object(val, "")
		if !ok {
			return "invalid_payload"
		}
		o.only("options", "option_groups")
		if o.has("options") == o.has("option_groups") {
			return "invalid_payload"
		}
		if o.has("options") {
			o.options("options", true, 0, MaxSelectOptions, plainText, false) // none found is an answer
		} else {
			o.groups()
		}
		if v.err() != nil {
			return "invalid_payload"
		}
		return OutcomeOK
	})
	return i
}

// Shortcut uses a message shortcut on a message, whoever wrote it and whether or not the app is in the channel. Slack
// offers none on messages that only one person sees.
func (s *Server) Shortcut(user, channel, ts, callbackID string) *Interaction {
	const kind = "interactive"
	s.mu.Lock()
	u, c, err := s.person(user, channel)
	var m *Message
	if err == nil {
		if m = c.find(ts); m == nil || m.Deleted || m.Subtype == "tombstone" {
			err = fmt.Errorf("no message that has shortcuts")
		}
	}
	switch {
	case err == nil &&
		!slices.ContainsFunc(s.cfg.Shortcuts, func(sc Shortcut) bool { return sc.CallbackID == callbackID }):
		err = fmt.Errorf("the app has no such shortcut")
	case err == nil && !s.granted("commands"):
		err = fmt.Errorf("the app lacks the scope commands")
	}
	if err != nil {
		s.mu.Unlock()
		return s.impossible(kind, "using the shortcut %s on %s: %w", callbackID, ts, err)
	}
	i := &Interaction{url: &responseURL{user: user, channel: channel}}
	i.ResponseURL, i.TriggerID = s.newResponseURL(i.url), s.newTrigger(user, "")
	now := time.Now()
	payload := s.interaction("message_action", u)
	delete(payload, "api_app_id") // the documented payload has none
	payload["callback_id"], payload["trigger_id"], payload["response_url"] = callbackID, i.TriggerID, i.ResponseURL
	payload["action_ts"] = fmt.Sprintf("%d.%06d", now.Unix(), now.Nanosecond()/1000)
	payload["channel"] = map[string]any{"id": c.ID, "name": c.told()}
	payload["message_ts"], payload["message"] = m.TS, m.told()
	i.Delivery = &Delivery{Type: kind, Payload: mustJSON(payload)}
	s.mu.Unlock()
	s.start(i.Delivery, false, nil, nil)
	return i
}

// OpenHome opens the app's home tab: the app gets app_home_opened, if it has subscribed to it.
func (s *Server) OpenHome(user string) *Delivery { return s.openTab(user, "home") }

// OpenMessages opens the app's messages tab, which is the person's direct message with it: the app gets
// app_home_opened.
func (s *Server) OpenMessages(user string) *Delivery { return s.openTab(user, "messages") }

func (s *Server) openTab(user, tab string) *Delivery {
	s.mu.Lock()
	u := s.users[user]
	var c *channelState
	err := fmt.Errorf("no user %s", user)
	if u != nil {
		c, err = s.directWith(u)
	}
	if u != nil && tab == "home" {
		err = nil // people of other organisations may look at it
	}
	if err != nil {
		s.mu.Unlock()
		return s.failed("events_api", fmt.Errorf("opening the %s tab: %w", tab, err))
	}
	defer s.mu.Unlock()
	ts, _ := s.nextTS()
	event := map[string]any{"type": eventHomeOpened, "user": u.ID, "channel": directID(u), "tab": tab, "event_ts": ts}
	if v := s.views[s.homes[user]]; v != nil && tab == "home" {
		event["view"] = v.object(s)
	}
	if c != nil {
		event["channel"] = c.ID
	}
	if !slices.Contains(s.cfg.Events, eventHomeOpened) {
		return s.untold()
	}
	return s.deliver(mustJSON(event))
}

// interaction is what all interactive payloads have. Callers hold mu.
func (s *Server) interaction(kind string, u *User) map[string]any {
	p := map[string]any{
		"type": kind, "token": verificationToken, "api_app_id": s.cfg.AppID,
		"team":       map[string]any{"id": s.cfg.TeamID, "domain": s.cfg.TeamDomain},
		"user":       map[string]any{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": u.TeamID},
		"enterprise": nil, "is_enterprise_install": false,
	}
	if s.cfg.EnterpriseID != "" {
		p["enterprise"] = map[string]any{"id": s.cfg.EnterpriseID, "name": s.cfg.EnterpriseName}
	}
	return p
}

// visible finds a message that the person sees.
func (c *channelState) visible(user, ts string) (*Message, error) {
	if m := c.find(ts); m != nil && !m.Deleted {
		return m, nil
	}
	for _, m := range c.ephemerals {
		if m.TS == ts && m.To == user && !m.Deleted {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no such message in %s", c.ID)
}

// viewer finds a view that the person has open. Callers hold mu.
func (s *Server) viewer(user, id string) (*User, *View, error) {
	u, v := s.users[user], s.views[id]
	switch {
	case u == nil:
		return nil, nil, fmt.Errorf("no user %s", user)
	case v == nil || !v.Open || v.User != user:
		return nil, nil, fmt.Errorf("%s has no such view open", user)
	}
	return u, v, nil
}

// blockList decodes the blocks of a message, those of its attachments included.
func (m *Message) blockList() []map[string]any {
	out := blockMaps(m.Blocks)
	if m.Attachments != nil {
		var list []struct {
			Blocks json.RawMessage `json:"blocks"`
		}
		_ = json.Unmarshal(m.Attachments, &list) // checked when it was posted
		for _, a := range list {
			out = append(out, blockMaps(a.Blocks)...)
		}
	}
	return out
}

func (v *View) blockList() []map[string]any { return blockMaps(v.Blocks) }

func (v *View) block(id string) map[string]any {
	for _, b := range v.blockList() {
		if b["block_id"] == id {
			return b
		}
	}
	return nil
}

func blockMaps(raw json.RawMessage) []map[string]any {
	if raw == nil {
		return nil
	}
	val, err := decodeJSON(raw)
	if err != nil {
		return nil
	}
	list, _ := val.([]any)
	var out []map[string]any
	for _, b := range list {
		if b, ok := b.(map[string]any); ok {
			out = append(out, b)
		}
	}
	return out
}

func anyList(blocks []map[string]any) []any {
	out := make([]any, len(blocks))
	for i, b := range blocks {
		out[i] = b
	}
	return out
}

// locate finds the one element that an action means.
func locate(blocks []map[string]any, a Action) (block, element map[string]any, err error) {
	for _, b := range blocks {
		if a.BlockID != "" && b["block_id"] != a.BlockID {
			continue
		}
		for _, e := range elementsOf(b) {
			if e["action_id"] != a.ActionID || e["type"] == "button" && a.Value != "" && e["value"] != a.Value {
				continue
			}
			if element != nil {
				return nil, nil, fmt.Errorf("several elements have action_id %s: say which block or button value", a.ActionID)
			}
			block, element = b, e
		}
	}
	if element == nil {
		return nil, nil, fmt.Errorf("no element has action_id %s", a.ActionID)
	}
	return block, element, nil
}

// act is what a payload says of an action.
func act(blocks []map[string]any, a Action) (map[string]any, error) {
	block, element, err := locate(blocks, a)
	if err != nil {
		return nil, err
	}
	kind := fmt.Sprint(element["type"])
	now := time.Now()
	out := map[string]any{
		"type": kind, "action_id": element["action_id"], "block_id": block["block_id"],
		"action_ts": fmt.Sprintf("%d.%06d", now.Unix(), now.Nanosecond()/1000),
	}
	if kind == "button" {
		for _, key := range []string{"text", "value", "style", "url"} {
			if val, ok := element[key]; ok {
				out[key] = val
			}
		}
		return out, nil
	}
	values := a.Values
	if values == nil && a.Value != "" {
		values = []string{a.Value}
	}
	return out, choose(out, element, kind, values)
}

// choose puts what the person chose or entered into an action or state value.
func choose(out, element map[string]any, kind string, values []string) error {
	one := func() (string, error) {
		if len(values) != 1 {
			return "", fmt.Errorf("%s takes one value, not %d", kind, len(values))
		}
		return values[0], nil
	}
	single := map[string]string{
		"users_select": "selected_user", "channels_select": "selected_channel",
		"conversations_select": "selected_conversation",
		"datepicker":           "selected_date", "timepicker": "selected_time",
	}
	if key, ok := emptyKeys[kind]; ok && values != nil && len(values) == 0 {
		out[key] = nil
		return nil
	}
	switch kind {
	case "overflow", "static_select", "radio_buttons":
		value, err := one()
		if err != nil {
			return err
		}
		opt := optionOf(element, value)
		if opt == nil {
			return fmt.Errorf("%s has no option %q", kind, value)
		}
		out["selected_option"] = opt
	case "external_select":
		value, err := one()
		if err != nil {
			return err
		}
		out["selected_option"] = externalOption(value)
	case "checkboxes", "multi_static_select", "multi_external_select":
		opts := []any{}
		for _, value := range values {
			opt := optionOf(element, value)
			if kind == "multi_external_select" {
				opt = externalOption(value)
			}
			if opt == nil {
				return fmt.Errorf("%s has no option %q", kind, value)
			}
			opts = append(opts, opt)
		}
		out["selected_options"] = opts
	case "datetimepicker":
		value, err := one()
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%s takes a Unix time: %w", kind, err)
		}
		out["selected_date_time"] = n
	case "plain_text_input", "email_text_input", "url_text_input", "number_input":
		value, err := one()
		if err != nil {
			return err
		}
		if n, ok := element["max_length"].(json.Number); ok {
			if limit, _ := n.Int64(); int64(length(value)) > limit {
				return fmt.Errorf("%s takes at most %d characters", kind, limit)
			}
		}
		out["value"] = value
	case "rich_text_input":
		value, err := one()
		if err != nil {
			return err
		}
		text := map[string]any{"type": "text", "text": value}
		section := map[string]any{"type": "rich_text_section", "elements": []any{text}}
		out["rich_text_value"] = map[string]any{"type": "rich_text", "elements": []any{section}}
	default:
		if key, ok := single[kind]; ok {
			value, err := one()
			if err != nil {
				return err
			}
			out[key] = value
			return nil
		}
		if key, ok := emptyLists[kind]; ok {
			list := []any{}
			for _, value := range values {
				list = append(list, value)
			}
			out[key] = list
			return nil
		}
		return fmt.Errorf("%s cannot be used here", kind)
	}
	return nil
}

// externalOption stands for an option that the app suggested.
func externalOption(value string) map[string]any {
	return map[string]any{"text": map[string]any{"type": "plain_text", "text": value}, "value": value}
}

func optionOf(element map[string]any, value string) map[string]any {
	groups := []any{element}
	if g, ok := element["option_groups"].([]any); ok {
		groups = g
	}
	for _, g := range groups {
		g, _ := g.(map[string]any)
		opts, _ := g["options"].([]any)
		for _, o := range opts {
			if o, ok := o.(map[string]any); ok && o["value"] == value {
				return o
			}
		}
	}
	return nil
}

// setValue remembers what an action chose.
func setValue(values map[string]map[string]any, action map[string]any) {
	if kind := action["type"]; kind == "button" || kind == "overflow" {
		return // they hold no state
	}
	val := maps.Clone(action)
	block, id := fmt.Sprint(val["block_id"]), fmt.Sprint(val["action_id"])
	delete(val, "block_id")
	delete(val, "action_id")
	delete(val, "action_ts")
	if values[block] == nil {
		values[block] = map[string]any{}
	}
	values[block][id] = val
}

// initialKeys say under which key an element's initial value appears in the state.
var initialKeys = map[string]string{
	"initial_option": "selected_option", "initial_options": "selected_options", "initial_user": "selected_user",
	"initial_users": "selected_users", "initial_channel": "selected_channel", "initial_channels": "selected_channels",
	"initial_conversation": "selected_conversation", "initial_conversations": "selected_conversations",
	"initial_date": "selected_date", "initial_time": "selected_time", "initial_date_time": "selected_date_time",
	"initial_value": "value",
}

var emptyKeys = map[string]string{
	"static_select": "selected_option", "external_select": "selected_option", "radio_buttons": "selected_option",
	"users_select": "selected_user", "channels_select": "selected_channel",
	"conversations_select": "selected_conversation",
	"datepicker":           "selected_date", "timepicker": "selected_time", "datetimepicker": "selected_date_time",
	"plain_text_input": "value", "email_text_input": "value", "url_text_input": "value", "number_input": "value",
	"rich_text_input": "rich_text_value",
}

var emptyLists = map[string]string{
	"checkboxes": "selected_options", "multi_static_select": "selected_options",
	"multi_external_select": "selected_options",
	"multi_users_select":    "selected_users", "multi_channels_select": "selected_channels",
	"multi_conversations_select": "selected_conversations",
}

// stateValues is state.values: what was entered, else the initial value, else null.
func stateValues(blocks any, entered map[string]map[string]any) map[string]map[string]any {
	out := map[string]map[string]any{}
	list, _ := blocks.([]any)
	for _, b := range list {
		b, _ := b.(map[string]any)
		block := fmt.Sprint(b["block_id"])
		for _, e := range elementsOf(b) {
			kind, id := fmt.Sprint(e["type"]), fmt.Sprint(e["action_id"])
			if kind == "button" || kind == "overflow" || kind == "image" {
				continue
			}
			val := map[string]any{"type": kind}
			if key, ok := emptyKeys[kind]; ok {
				val[key] = nil
			} else if key, ok := emptyLists[kind]; ok {
				val[key] = []any{}
			}
			for from, to := range initialKeys {
				if kind == "rich_text_input" {
					to = emptyKeys[kind]
				}
				if x, ok := e[from]; ok {
					val[to] = x
				}
			}
			if x, ok := entered[block][id].(map[string]any); ok {
				val = x
			}
			if out[block] == nil {
				out[block] = map[string]any{}
			}
			out[block][id] = val
		}
	}
	return out
}

// enter takes values by action_id, then sees whether a required input is empty.
func (v *View) enter(values map[string]string) error {
	if v.values == nil {
		v.values = map[string]map[string]any{}
	}
	for _, id := range sortedKeys(values) {
		action, err := act(v.blockList(), Action{ActionID: id, Value: values[id]})
		if err != nil {
			return err
		}
		setValue(v.values, action)
	}
	blocks := v.blockList()
	state := stateValues(anyList(blocks), v.values)
	for _, b := range blocks {
		if b["type"] != "input" || b["optional"] == true {
			continue
		}
		for id, val := range state[fmt.Sprint(b["block_id"])] {
			if val, _ := val.(map[string]any); emptyValue(val) {
				return fmt.Errorf("the input %s is empty", id)
			}
		}
	}
	return nil
}

func emptyValue(val map[string]any) bool {
	for k, x := range val {
		if k == "type" {
			continue
		}
		list, isList := x.([]any)
		if x != nil && x != "" && (!isList || len(list) > 0) {
			return false
		}
	}
	return true
}
