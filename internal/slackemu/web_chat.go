package slackemu

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var tsForm = regexp.MustCompile(`^\d{10}\.\d{6}$`)

// channelArg finds the channel that a call names, as far as the token may know of it. Callers hold mu.
func (req *request) channelArg() (*channelState, *apiError) {
	id := req.arg("channel")
	if id == "" {
		return nil, badArgument("missing required field: channel")
	}
	req.call.Channel = id
	c := req.s.channels[id]
	if c == nil || c.IsPrivate && !c.member(req.token.UserID) {
		return nil, refuse("channel_not_found")
	}
	return c, nil
}

// writable finds the channel and says whether the token may post there. Callers hold mu.
func (req *request) writable() (*channelState, *apiError) {
	c, err := req.channelArg()
	switch {
	case err != nil:
		return nil, err
	case c.Archived:
		return nil, refuse("is_archived")
	case !c.member(req.token.UserID) && (c.IsPrivate || !req.hasScope("chat:write.public")):
		return nil, refuse("not_in_channel")
	}
	return c, nil
}

// botMessage is a message of the token's bot without content. Callers hold mu.
func (req *request) botMessage() *Message {
	return &Message{User: req.token.UserID, BotID: req.token.BotID, AppID: req.s.cfg.AppID, Team: req.s.cfg.TeamID,
		Via: req.call.Method}
}

// thread checks thread_ts of a new message: "" for none, and for a parent that was deleted without a trace, where
// Slack posts into the channel instead (reported in slack-go). Callers hold mu.
func (req *request) thread(c *channelState) (string, *apiError) {
	ts := req.arg("thread_ts")
	if ts == "" {
		return "", nil
	}
	parent := c.find(ts)
	if parent == nil {
		for _, m := range c.gone {
			if m.TS == ts {
				return "", nil
			}
		}
		return "", refuse("thread_not_found")
	}
	if parent.ThreadTS != "" && parent.ThreadTS != ts {
		return "", refuse("cannot_reply_to_message") // a reply is not a parent
	}
	return ts, nil
}

// customName needs its own scope.
func (req *request) customName() *apiError {
	if req.arg("username") != "" || req.arg("icon_url") != "" || req.arg("icon_emoji") != "" {
		return req.need("chat:write.customize")
	}
	return nil
}

func postMessage(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.channelArg()
	if err != nil {
		return nil, err
	}
	if wait, ok := s.limit("chat.postMessage", "chat.postMessage/"+c.ID,
		Limit{postMessageRate, s.cfg.PostMessageBurst}); !ok {
		return nil, &apiError{code: "ratelimited", retryAfter: wait}
	}
	if c, err = req.writable(); err != nil {
		return nil, err
	}
	if err := req.customName(); err != nil {
		return nil, err
	}
	cont, err := s.content(req.args, req.hasScope)
	if err != nil {
		return nil, err
	}
	if cont.empty() {
		return nil, refuse("no_text")
	}
	m := req.botMessage()
	if m.ThreadTS, err = req.thread(c); err != nil {
		return nil, err
	}
	if m.ThreadTS != "" && req.flag("reply_broadcast", false) {
		m.Subtype = "thread_broadcast"
	}
	m.Username = req.arg("username")
	cont.apply(m)
	s.add(c, m)
	req.call.TS = m.TS
	out := answer{"channel": c.ID, "ts": m.TS, "message": s.withProfile(m)}
	if m.Truncated {
		out["warning"] = "message_truncated"
		out["response_metadata"] = map[string]any{"warnings": []string{"message_truncated"}}
	}
	return out, nil
}

// withProfile is the message with its bot_profile, as answers to posts have it. Callers hold mu.
func (s *Server) withProfile(m *Message) map[string]any {
	o := m.object(true)
	if m.BotID != "" {
		o["bot_profile"] = map[string]any{
			"id": m.BotID, "app_id": m.AppID, "name": s.cfg.BotName, "team_id": s.cfg.TeamID, "deleted": false,
			"updated": 1_700_000_000,
		}
	}
	return o
}

// ownMessage finds the message that a call edits or deletes. Callers hold mu.
func (req *request) ownMessage(notOwn string) (*channelState, *Message, *apiError) {
	c, err := req.channelArg()
	if err != nil {
		return nil, nil, err
	}
	ts := req.arg("ts")
	if ts == "" {
		return nil, nil, badArgument("missing required field: ts")
	}
	req.call.TS = ts
	if c.Archived {
		return nil, nil, refuse("is_archived")
	}
	m := c.find(ts)
	switch {
	case m == nil || m.Deleted:
		return nil, nil, refuse("message_not_found")
	case m.BotID != req.token.BotID || m.BotID == "":
		return nil, nil, refuse(notOwn)
	}
	return c, m, nil
}

func updateMessage(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, m, err := req.ownMessage("cant_update_message")
	if err != nil {
		return nil, err
	}
	if s.cfg.EditWindow > 0 && time.Since(m.PostedAt) > s.cfg.EditWindow {
		return nil, refuse("edit_window_closed")
	}
	if length(req.arg("text")) > MaxUpdateText {
		return nil, refuse("msg_too_long")
	}
	cont, err := s.content(req.args, req.hasScope)
	if err != nil {
		return nil, err
	}
	if cont.empty() {
		return nil, refuse("no_text")
	}
	cont.merge(m)
	s.edited(m, m.User)
	return answer{"channel": c.ID, "ts": m.TS, "text": m.Text, "message": s.withProfile(m)}, nil
}

func deleteMessage(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, m, err := req.ownMessage("cant_delete_message")
	if err != nil {
		return nil, err
	}
	s.remove(c, m)
	return answer{"channel": c.ID, "ts": m.TS}, nil
}

func postEphemeral(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.writable()
	if err != nil {
		return nil, err
	}
	user := req.arg("user")
	switch {
	case user == "":
		return nil, badArgument("missing required field: user")
	case !c.member(user):
		return nil, refuse("user_not_in_channel")
	}
	cont, err := s.content(req.args, req.hasScope)
	if err != nil {
		return nil, err
	}
	if cont.empty() {
		return nil, refuse("no_text")
	}
	m := req.botMessage()
	if m.ThreadTS, err = req.thread(c); err != nil {
		return nil, err
	}
	m.Ephemeral, m.To = true, user
	cont.apply(m)
	s.add(c, m)
	req.call.TS = m.TS
	return answer{"message_ts": m.TS}, nil
}

func getPermalink(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.channelArg()
	if err != nil {
		return nil, err
	}
	m := c.find(req.arg("message_ts"))
	if m == nil {
		return nil, refuse("message_not_found")
	}
	return answer{"channel": c.ID, "permalink": s.permalink(m)}, nil
}

// permalink of a message. Callers hold mu.
func (s *Server) permalink(m *Message) string {
	link := fmt.Sprintf("https://%s.slack.com/archives/%s/p%s", s.cfg.TeamDomain, m.Channel,
		strings.Replace(m.TS, ".", "", 1))
	if m.ThreadTS != "" && m.ThreadTS != m.TS {
		link += fmt.Sprintf("?thread_ts=%s&cid=%s", m.ThreadTS, m.Channel)
	}
	return link
}
