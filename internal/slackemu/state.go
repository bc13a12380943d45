package slackemu

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// Message is a message as the workspace keeps it. Values handed out are deep copies.
type Message struct {
	Channel  string
	TS       string
	ThreadTS string // of the thread's parent; the parent itself has it once it has replies
	Subtype  string // "", bot_message, thread_broadcast, tombstone, file_share
	User     string
	BotID    string // "" for a person's message
	AppID    string
	Team     string
	Username string

	Text        string
	Blocks      json.RawMessage // a JSON array with block_ids and action_ids filled in, or nil
	Attachments json.RawMessage // a JSON array, or nil
	Metadata    *Metadata
	Files       []string // file ids

	EditedBy, EditedTS string // of the last edit

	ReplyCount  int
	ReplyUsers  []string
	LatestReply string

	// Ephemeral messages are seen by To only.
	Ephemeral bool
	To        string

	UnfurlLinks, UnfurlMedia bool
	// ParseFull and LinkNames make bare @channel and the like live in Text.
	ParseFull, LinkNames bool
	// Truncated says that Text was longer than 40,000 characters and has been cut.
	Truncated bool
	Deleted   bool
	// Via is what made it: a Web API method, "response_url", "ack" or "person".
	Via string

	PostedAt time.Time
	// Versions are all contents that it had, the first one as posted, the last one as it is now.
	Versions []Version
	// Notifications are what the message rang when it was posted. Edits ring nobody.
	Notifications []Notification
}

// Metadata is message metadata: readable by every app and person of the workspace.
type Metadata struct {
	EventType    string          `json:"event_type"`
	EventPayload json.RawMessage `json:"event_payload"`
}

// Version is one content of a message.
type Version struct {
	At          time.Time
	Text        string
	Blocks      json.RawMessage
	Attachments json.RawMessage
	Metadata    *Metadata
}

// Notification is one ring: who, and why.
type Notification struct {
	Users   []string // members of the channel that are rung
	Mention Mention  // what rang them
}

// File is an uploaded file.
type File struct {
	ID, Name, Title, AltText, Mimetype string
	Size                               int
	Content                            []byte
	User                               string
	Uploaded                           bool      // its bytes are here
	CompletedAt                        time.Time // zero until files.completeUploadExternal
	// ReadyAt is when processing ends; until then it cannot be used as a slack_file.
	ReadyAt  time.Time
	Channels []string
	length   int // as announced
}

// View is a modal or a home tab.
type View struct {
	ID, Type, CallbackID, ExternalID string
	User                             string // who sees it
	Title, Submit, Close             string
	Blocks                           json.RawMessage
	PrivateMetadata                  string
	Hash                             string
	RootViewID, PreviousViewID       string
	ClearOnClose, NotifyOnClose      bool
	// Errors by block_id, as the last submission was answered.
	Errors map[string]string
	// Open says whether the person sees it (a home view: whether it is the current one).
	Open     bool
	OpenedAt time.Time
	Versions int // how many contents it has had
	raw      map[string]any
	values   map[string]map[string]any // what the person entered, by block_id and action_id
}

type channelState struct {
	Channel
	messages   []*Message // by ts, thread replies among them
	ephemerals []*Message
	gone       []*Message // deleted
	direct     string     // of a direct message with the app: the person
}

func (c *channelState) member(user string) bool { return slices.Contains(c.Members, user) }

func (c *channelState) find(ts string) *Message {
	i, ok := slices.BinarySearchFunc(c.messages, ts, func(m *Message, ts string) int { return strings.Compare(m.TS, ts) })
	if !ok {
		return nil
	}
	return c.messages[i]
}

func (m *Message) clone() Message {
	c := *m
	c.Blocks, c.Attachments = bytes.Clone(m.Blocks), bytes.Clone(m.Attachments)
	c.Metadata = m.Metadata.clone()
	c.Files, c.ReplyUsers = slices.Clone(m.Files), slices.Clone(m.ReplyUsers)
	c.Versions = make([]Version, len(m.Versions))
	for i, v := range m.Versions {
		v.Blocks, v.Attachments, v.Metadata = bytes.Clone(v.Blocks), bytes.Clone(v.Attachments), v.Metadata.clone()
		c.Versions[i] = v
	}
	c.Notifications = make([]Notification, len(m.Notifications))
	for i, n := range m.Notifications {
		n.Users = slices.Clone(n.Users)
		c.Notifications[i] = n
	}
	return c
}

func (m *Metadata) clone() *Metadata {
	if m == nil {
		return nil
	}
	return &Metadata{m.EventType, bytes.Clone(m.EventPayload)}
}

func cloneAll(list []*Message, keep func(*Message) bool) []Message {
	var out []Message
	for _, m := range list {
		if keep(m) {
			out = append(out, m.clone())
		}
	}
	return out
}

// object is the message as the Web API shows it.
func (m *Message) object(withMetadata bool) map[string]any {
	o := map[string]any{"type": "message", "ts": m.TS, "text": m.Text, "user": m.User, "team": m.Team}
	put := func(key, val string) {
		if val != "" {
			o[key] = val
		}
	}
	put("subtype", m.Subtype)
	put("bot_id", m.BotID)
	put("app_id", m.AppID)
	put("thread_ts", m.ThreadTS)
	put("username", m.Username)
	if m.Blocks != nil {
		o["blocks"] = m.Blocks
	}
	if m.Attachments != nil {
		o["attachments"] = m.Attachments
	}
	if m.Metadata != nil && withMetadata {
		o["metadata"] = m.Metadata
	}
	if m.EditedTS != "" {
		o["edited"] = map[string]any{"user": m.EditedBy, "ts": m.EditedTS}
	}
	if m.ReplyCount > 0 {
		o["reply_count"] = m.ReplyCount
		o["reply_users"] = m.ReplyUsers
		o["reply_users_count"] = len(m.ReplyUsers)
		o["latest_reply"] = m.LatestReply
		o["is_locked"] = false
		o["subscribed"] = false
	}
	if len(m.Files) > 0 {
		files := []any{}
		for _, id := range m.Files {
			files = append(files, map[string]any{"id": id})
		}
		o["files"] = files
	}
	if m.Ephemeral {
		o["is_ephemeral"] = true
	}
	return o
}

// JSON is the message as the Web API shows it, with its metadata.
func (m Message) JSON() json.RawMessage { return mustJSON(m.object(true)) }

// Slack is the message in slack-go's types.
func (m Message) Slack() (slack.Message, error) {
	var out slack.Message
	if err := json.Unmarshal(m.JSON(), &out); err != nil {
		return out, fmt.Errorf("decoding message %s: %w", m.TS, err)
	}
	return out, nil
}

func mustJSON(val any) json.RawMessage {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(val); err != nil {
		panic(fmt.Sprintf("slackemu: encoding own state: %v", err)) // only values made here get here
	}
	return bytes.TrimSpace(buf.Bytes())
}

// Messages returns what a channel shows: messages by ts without thread replies, but with those sent to the channel too.
func (s *Server) Messages(channel string) []Message {
	return s.messages(channel, func(m *Message) bool { return m.inChannel() })
}

// inChannel says whether the message shows in the channel itself, not only in a thread.
func (m *Message) inChannel() bool {
	return m.ThreadTS == "" || m.ThreadTS == m.TS || m.Subtype == "thread_broadcast"
}

// AllMessages returns every message of a channel by ts, thread replies included.
func (s *Server) AllMessages(channel string) []Message {
	return s.messages(channel, func(*Message) bool { return true })
}

// Thread returns the replies to a message, without the message.
func (s *Server) Thread(channel, ts string) []Message {
	return s.messages(channel, func(m *Message) bool { return m.ThreadTS == ts && m.TS != ts })
}

func (s *Server) messages(channel string, keep func(*Message) bool) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[channel]
	if c == nil {
		return nil
	}
	return cloneAll(c.messages, keep)
}

// Message returns one message, also a thread reply.
func (s *Server) Message(channel, ts string) (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[channel]; c != nil {
		if m := c.find(ts); m != nil {
			return m.clone(), true
		}
	}
	return Message{}, false
}

// Deleted returns the messages deleted from a channel, in the order of deletion.
func (s *Server) Deleted(channel string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[channel]; c != nil {
		return cloneAll(c.gone, func(*Message) bool { return true })
	}
	return nil
}

// Ephemerals returns the messages that only this person sees in a channel now.
func (s *Server) Ephemerals(channel, user string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[channel]; c != nil {
		return cloneAll(c.ephemerals, func(m *Message) bool { return m.To == user && !m.Deleted })
	}
	return nil
}

// Notifications returns every ring that a channel's messages raised, in order.
func (s *Server) Notifications(channel string) []Notification {
	var out []Notification
	for _, m := range s.AllMessages(channel) {
		out = append(out, m.Notifications...)
	}
	return out
}

// Channels returns the channels in the order of the configuration.
func (s *Server) Channels() []Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Channel
	for _, id := range s.order {
		c := s.channels[id].Channel
		c.Members = slices.Clone(c.Members)
		out = append(out, c)
	}
	return out
}

// EditChannel changes a channel: archive it, change its members. It says whether the channel exists. edit must not call
// the Server.
func (s *Server) EditChannel(id string, edit func(*Channel)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[id]
	if c != nil {
		edit(&c.Channel)
		s.changed(Change{Kind: ChangeChannel, Channel: id})
	}
	return c != nil
}

// EditUser changes a person: make a guest of them, deactivate them. It says whether there is such a person. edit must
// not call the Server.
func (s *Server) EditUser(id string, edit func(*User)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[id]
	if u != nil {
		edit(u)
	}
	return u != nil
}

// Users returns the people and bots of the workspace by id.
func (s *Server) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []User
	for _, id := range sortedKeys(s.users) {
		out = append(out, *s.users[id])
	}
	return out
}

// Files returns all files by id, oldest first.
func (s *Server) Files() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []File
	for _, id := range sortedKeys(s.files) {
		out = append(out, s.files[id].clone())
	}
	return out
}

// File returns one file.
func (s *Server) File(id string) (File, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[id]; f != nil {
		return f.clone(), true
	}
	return File{}, false
}

func (f *File) clone() File {
	c := *f
	c.Content, c.Channels = bytes.Clone(f.Content), slices.Clone(f.Channels)
	return c
}

// Post makes a person write a message, in a thread if threadTS is not empty. It returns the message's ts.
func (s *Server) Post(user, channel, text, threadTS string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, _, err := s.post(user, channel, text, threadTS)
	if err != nil {
		return "", err
	}
	return m.TS, nil
}

// post makes a person write a message, and returns how the app is told of it. Callers hold mu.
func (s *Server) post(user, channel, text, threadTS string) (*Message, *Delivery, error) {
	c, u := s.channels[channel], s.users[user]
	switch {
	case c == nil:
		return nil, nil, fmt.Errorf("posting as %s: no channel %s", user, channel)
	case u == nil || !c.member(user):
		return nil, nil, fmt.Errorf("posting as %s: not a member of %s", user, channel)
	case threadTS != "" && c.find(threadTS) == nil:
		return nil, nil, fmt.Errorf("posting as %s: no message %s", user, threadTS)
	}
	m := &Message{User: user, Team: u.TeamID, Text: text, ThreadTS: threadTS, Via: "person"}
	return m, s.add(c, m), nil
}

// add gives a new message its ts and puts it into its channel. It returns how the app is told of it. Callers hold mu.
func (s *Server) add(c *channelState, m *Message) *Delivery {
	m.Channel = c.ID
	m.TS, m.PostedAt = s.nextTS()
	m.Versions = []Version{m.version(m.PostedAt)}
	if m.Ephemeral {
		c.ephemerals = append(c.ephemerals, m)
		s.changed(Change{Kind: ChangeEphemeral, Channel: c.ID, TS: m.TS, User: m.To})
		return s.untold()
	}
	c.messages = append(c.messages, m)
	m.Notifications = s.notifications(c, m)
	if m.ThreadTS != "" {
		c.countReplies(m.ThreadTS)
	}
	s.outdate(c, m)
	s.changed(Change{Kind: ChangePosted, Channel: c.ID, TS: m.TS, User: m.User})
	return s.tellPosted(c, m)
}

func (m *Message) version(at time.Time) Version {
	return Version{at, m.Text, bytes.Clone(m.Blocks), bytes.Clone(m.Attachments), m.Metadata.clone()}
}

// edited records a changed content. It returns how the app is told of it. Callers hold mu.
func (s *Server) edited(m *Message, by string) *Delivery {
	now := time.Now()
	us := now.UnixMicro()
	m.EditedBy, m.EditedTS = by, fmt.Sprintf("%d.000000", us/1_000_000) // Slack gives edits whole seconds
	m.Versions = append(m.Versions, m.version(now))
	kind := ChangeUpdated
	if m.Ephemeral {
		kind = ChangeEphemeral
	}
	s.changed(Change{Kind: kind, Channel: m.Channel, TS: m.TS, User: by})
	return s.tellEdited(s.channels[m.Channel], m)
}

// remove deletes a message. A parent with replies stays as a tombstone, as in Slack. It returns how the app is told of
// it. Callers hold mu.
func (s *Server) remove(c *channelState, m *Message) *Delivery {
	m.Deleted = true
	gone := m.clone()
	if m.Ephemeral {
		s.changed(Change{Kind: ChangeEphemeral, Channel: c.ID, TS: m.TS, User: m.To})
		return s.untold()
	}
	c.gone = append(c.gone, &gone)
	if m.ReplyCount > 0 {
		m.Subtype, m.Text, m.Blocks, m.Attachments, m.Metadata, m.Files = "tombstone", "This message was deleted.", nil, nil,
			nil, nil
	} else {
		c.messages = slices.DeleteFunc(c.messages, func(x *Message) bool { return x == m })
		if m.ThreadTS != "" && m.ThreadTS != m.TS {
			c.countReplies(m.ThreadTS)
		}
	}
	s.changed(Change{Kind: ChangeDeleted, Channel: c.ID, TS: m.TS})
	return s.tellDeleted(c, m, &gone)
}

func (c *channelState) countReplies(ts string) {
	parent := c.find(ts)
	if parent == nil {
		return
	}
	parent.ReplyCount, parent.ReplyUsers, parent.LatestReply = 0, nil, ""
	parent.ThreadTS = parent.TS
	for _, m := range c.messages {
		if m.ThreadTS != ts || m == parent {
			continue
		}
		parent.ReplyCount++
		parent.LatestReply = m.TS
		if !slices.Contains(parent.ReplyUsers, m.User) {
			parent.ReplyUsers = append(parent.ReplyUsers, m.User)
		}
	}
	if parent.ReplyCount == 0 {
		parent.ThreadTS = ""
	}
}

// notifications are whom a message rings as it is posted. Callers hold mu.
func (s *Server) notifications(c *channelState, m *Message) []Notification {
	var out []Notification
	for _, mention := range LiveMentions(*m) {
		var users []string
		switch mention.Kind {
		case MentionChannel, MentionHere, MentionEveryone:
			for _, u := range c.Members {
				if u != m.User {
					users = append(users, u)
				}
			}
		case MentionUser:
			if c.member(mention.ID) {
				users = []string{mention.ID}
			}
		case MentionUserGroup:
			for _, g := range s.cfg.UserGroups {
				if g.ID == mention.ID && !g.Disabled {
					users = slices.DeleteFunc(slices.Clone(g.Members), func(u string) bool { return !c.member(u) })
				}
			}
		default:
			continue
		}
		out = append(out, Notification{users, mention})
	}
	return out
}

// ChangeKind says what changed.
type ChangeKind string

// What can change.
const (
	ChangePosted    ChangeKind = "posted"
	ChangeUpdated   ChangeKind = "updated"
	ChangeDeleted   ChangeKind = "deleted"
	ChangeEphemeral ChangeKind = "ephemeral" // posted, replaced or deleted
	ChangeView      ChangeKind = "view"
	ChangeFile      ChangeKind = "file"
	ChangeChannel   ChangeKind = "channel"
	ChangeAgent     ChangeKind = "agent"    // suggested prompts, a status or a title of a thread
	ChangeCall      ChangeKind = "call"     // a Web API call was answered
	ChangeSocket    ChangeKind = "socket"   // opened, closed
	ChangeDelivery  ChangeKind = "delivery" // an envelope was sent, acknowledged or given up
)

// Change is one step of the workspace's state. The fields that do not apply are empty.
type Change struct {
	Seq     int
	At      time.Time
	Kind    ChangeKind
	Channel string
	TS      string
	User    string
	View    string
	File    string
	Method  string
}

// Subscription hands out changes in order, without loss.
type Subscription struct {
	s       *Server
	pending []Change // mu of the server
	signal  chan struct{}
}

// Subscribe starts to collect changes. Close it, or it collects for ever.
func (s *Server) Subscribe() *Subscription {
	sub := &Subscription{s: s, signal: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[sub] = true
	return sub
}

// Next waits for changes and returns all that have come since the last call. It fails when ctx ends or the server is
// closed.
func (sub *Subscription) Next(ctx context.Context) ([]Change, error) {
	for {
		sub.s.mu.Lock()
		out := sub.pending
		sub.pending = nil
		sub.s.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-sub.signal:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a change: %w", context.Cause(ctx))
		case <-sub.s.ctx.Done():
			return nil, fmt.Errorf("waiting for a change: the server is closed: %w", context.Canceled)
		}
	}
}

// Close ends the subscription.
func (sub *Subscription) Close() {
	sub.s.mu.Lock()
	defer sub.s.mu.Unlock()
	delete(sub.s.subs, sub)
}

// changed tells the subscribers. Callers hold mu.
func (s *Server) changed(c Change) {
	s.changeSeq++
	c.Seq, c.At = s.changeSeq, time.Now()
	for sub := range s.subs {
		sub.pending = append(sub.pending, c)
		select {
		case sub.signal <- struct{}{}:
		default:
		}
	}
}

// WaitFor returns when cond holds, trying it now and after every change; it fails when ctx ends first. cond is called
// without locks and may call any method.
func (s *Server) WaitFor(ctx context.Context, cond func() bool) error {
	sub := s.Subscribe()
	defer sub.Close()
	for !cond() {
		if _, err := sub.Next(ctx); err != nil {
			return err
		}
	}
	return nil
}
