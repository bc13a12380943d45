package slackemu

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Events of docs.slack.dev/reference/events that an app subscribes to.
const (
	eventHomeOpened = "app_home_opened"
	eventMessageIM  = "message.im"
)

// DirectMessage is a text that a person has sent to the app alone.
type DirectMessage struct {
	// Delivery is of the event that tells the app. Its outcome is OutcomeNotSent where the app has not subscribed to
	// message.im or lacks the scope im:history.
	*Delivery
	Channel, TS, ThreadTS string
}

// DirectChannel is the id of a person's direct message with the app, which is made if need be. It is "" for bots,
// people who have left, and people of other organisations.
func (s *Server) DirectChannel(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.directWith(s.users[user])
	if err != nil {
		return ""
	}
	return c.ID
}

// directWith finds or makes a direct message. Callers hold mu.
func (s *Server) directWith(u *User) (*channelState, error) {
	switch {
	case u == nil:
		return nil, fmt.Errorf("there is no such person")
	case u.IsBot || u.Deleted:
		return nil, fmt.Errorf("%s writes no messages", u.ID)
	case u.TeamID != s.cfg.TeamID:
		return nil, fmt.Errorf("the app is not installed where %s is", u.ID)
	}
	id := directID(u)
	c := s.channels[id]
	if c == nil {
		c = &channelState{direct: u.ID, Channel: Channel{ID: id, Name: "directmessage", IsPrivate: true,
			Members: []string{u.ID, s.cfg.BotUserID}, Created: time.Unix(1_700_000_000, 0)}}
		s.channels[id] = c
		s.directs = append(s.directs, id)
	}
	return c, nil
}

func directID(u *User) string { return "D" + strings.TrimPrefix(u.ID, "U") }

// DirectMessage makes a person type a text to the app, in a thread if threadTS is not empty. It arrives as Slack's
// clients send it: see Typed.
func (s *Server) DirectMessage(user, text, threadTS string) *DirectMessage {
	s.mu.Lock()
	c, err := s.directWith(s.users[user])
	var m *Message
	var d *Delivery
	if err == nil {
		m, d, err = s.post(user, c.ID, Typed(text), threadTS)
	}
	s.mu.Unlock()
	if err != nil {
		return &DirectMessage{Delivery: s.failed("events_api", fmt.Errorf("writing to the app: %w", err))}
	}
	return &DirectMessage{Delivery: d, Channel: c.ID, TS: m.TS, ThreadTS: threadTS}
}

// DirectMessages are all messages between a person and the app by ts, thread replies included.
func (s *Server) DirectMessages(user string) []Message { return s.AllMessages(s.DirectChannel(user)) }

// Answers waits until the app has posted at least n messages after this one, in its thread or beside it, and returns
// all of them as they are now.
func (d *DirectMessage) Answers(ctx context.Context, n int) ([]Message, error) {
	if d.err != nil {
		return nil, d.err
	}
	answers := func() []Message {
		return d.s.messages(d.Channel, func(m *Message) bool { return m.BotID != "" && m.TS > d.TS })
	}
	err := d.s.WaitFor(ctx, func() bool {
		o := d.Outcome()
		return len(answers()) >= n || o != "" && o != OutcomeOK
	})
	if list := answers(); len(list) >= n {
		return list, nil
	}
	if err == nil {
		err = fmt.Errorf("the message: %s", d.Outcome())
	}
	return nil, fmt.Errorf("waiting for an answer: %w", err)
}

// Answer waits for the first of Answers.
func (d *DirectMessage) Answer(ctx context.Context) (Message, error) {
	list, err := d.Answers(ctx, 1)
	if err != nil {
		return Message{}, err
	}
	return list[0], nil
}

// EditPost changes what a person has written. The app is told of it in a direct message only.
func (s *Server) EditPost(user, channel, ts, text string) *Delivery {
	s.mu.Lock()
	m, err := s.ownPost(user, channel, ts)
	if err != nil {
		s.mu.Unlock()
		return s.failed("events_api", fmt.Errorf("editing %s: %w", ts, err))
	}
	defer s.mu.Unlock()
	m.Text = Typed(text)
	return s.edited(m, user)
}

// DeletePost deletes what a person has written. The app is told of it in a direct message only.
func (s *Server) DeletePost(user, channel, ts string) *Delivery {
	s.mu.Lock()
	m, err := s.ownPost(user, channel, ts)
	if err != nil {
		s.mu.Unlock()
		return s.failed("events_api", fmt.Errorf("deleting %s: %w", ts, err))
	}
	defer s.mu.Unlock()
	return s.remove(s.channels[channel], m)
}

// ownPost finds a message that a person has written. Callers hold mu.
func (s *Server) ownPost(user, channel, ts string) (*Message, error) {
	_, c, err := s.person(user, channel)
	if err != nil {
		return nil, err
	}
	m := c.find(ts)
	if m == nil || m.Deleted || m.BotID != "" || m.User != user {
		return nil, fmt.Errorf("no such message of %s in %s", user, channel)
	}
	return m, nil
}

// domain matches names that Slack's clients take for links: whose last part is a top-level domain. These few stand for
// all of them.
var domain = regexp.MustCompile(
	`(?i)https?://[^\s<>|]+|\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+` +
		`(?:com|net|org|io|dev|cloud|co|app|ai|eu|de|uk|jp|us)\b(?:/[^\s<>|]*)?`)

// Typed is what becomes of a text that a person types into a message: &, < and > are escaped, and what looks like a
// link is one, also the name of a machine. Slash commands do not go through this.
func Typed(text string) string {
	return domain.ReplaceAllStringFunc(Escape(text), func(hit string) string {
		if strings.Contains(hit, "://") {
			return "<" + hit + ">"
		}
		return "<http://" + hit + "|" + hit + ">"
	})
}

// told is what payloads call the channel: Slack names public ones only.
func (c *channelState) told() string {
	switch {
	case c.direct != "":
		return "directmessage"
	case c.IsPrivate:
		return "privategroup"
	}
	return c.Name
}

// told is the message as payloads and events show it: a person's has what clients add, an id of their own and the text
// as rich text.
func (m *Message) told() map[string]any {
	o := m.object(false)
	if m.BotID != "" || m.Subtype != "" || m.Blocks != nil {
		return o
	}
	digits := strings.Replace(m.TS, ".", "", 1)
	o["client_msg_id"] = "00000000-0000-4000-8000-" + digits[max(0, len(digits)-12):]
	text := unescaper.Replace(linked.ReplaceAllString(m.Text, "$1"))
	o["blocks"] = []any{map[string]any{"type": "rich_text", "block_id": "b" + digits[len(digits)-4:], "elements": []any{
		map[string]any{"type": "rich_text_section", "elements": []any{map[string]any{"type": "text", "text": text}}},
	}}}
	return o
}

var (
	unescaper = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
	linked    = regexp.MustCompile(`<(?:[^<>|]*\|)?([^<>|]*)>`)
)

// tell sends an event about a message of a direct message to the app, if it has subscribed. Callers hold mu.
func (s *Server) tell(c *channelState, event map[string]any) *Delivery {
	if !slices.Contains(s.cfg.Events, eventMessageIM) || !s.granted("im:history") {
		return s.untold()
	}
	event["type"], event["channel"], event["channel_type"] = "message", c.ID, "im"
	return s.deliver(mustJSON(event))
}

// tellPosted sends a new message: the app's own come back to it, too. Callers hold mu.
func (s *Server) tellPosted(c *channelState, m *Message) *Delivery {
	if c.direct == "" {
		return s.untold()
	}
	event := m.told()
	event["event_ts"] = m.TS
	if parent := c.find(m.ThreadTS); parent != nil && parent != m {
		event["parent_user_id"] = parent.User
	}
	if m.BotID != "" {
		event["bot_profile"] = s.withProfile(m)["bot_profile"]
	}
	return s.tell(c, event)
}

// tellEdited sends a changed message, with what it was. Callers hold mu.
func (s *Server) tellEdited(c *channelState, m *Message) *Delivery {
	if c.direct == "" || m.Ephemeral {
		return s.untold()
	}
	before := m.clone()
	before.EditedBy, before.EditedTS = "", ""
	if n := len(m.Versions); n > 1 {
		v := m.Versions[n-2]
		before.Text, before.Blocks, before.Attachments = v.Text, v.Blocks, v.Attachments
	}
	return s.changedMessage(c, m, &before)
}

// tellDeleted sends that a message is gone, or that it is a tombstone now. Callers hold mu.
func (s *Server) tellDeleted(c *channelState, m, before *Message) *Delivery {
	if c.direct == "" {
		return s.untold()
	}
	if m.Subtype == "tombstone" {
		return s.changedMessage(c, m, before)
	}
	ts, _ := s.nextTS()
	return s.tell(c, map[string]any{"subtype": "message_deleted", "hidden": true, "deleted_ts": m.TS, "ts": ts,
		"event_ts": ts, "previous_message": before.told()})
}

func (s *Server) changedMessage(c *channelState, m, before *Message) *Delivery {
	ts, _ := s.nextTS()
	message := maps.Clone(m.told())
	message["source_team"], message["user_team"] = m.Team, m.Team
	return s.tell(c, map[string]any{"subtype": "message_changed", "hidden": true, "ts": ts, "event_ts": ts,
		"message": message, "previous_message": before.told()})
}
