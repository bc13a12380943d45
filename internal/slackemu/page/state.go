package page

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"rollcall/internal/slackemu"
)

// maxMessages is how many of the newest messages of a channel the browser gets.
const maxMessages = 600

// snapshot is everything that a person sees.
type snapshot struct {
	Type     string               `json:"type"` // "state"
	Me       string               `json:"me"`
	Team     team                 `json:"team"`
	App      app                  `json:"app"`
	Users    []user               `json:"users"`
	Groups   map[string]string    `json:"groups"` // the handles of user groups
	Channels []channel            `json:"channels"`
	Messages map[string][]message `json:"messages"` // by channel, thread replies and ephemeral ones among them
	Older    map[string]bool      `json:"older"`    // channels with more messages than are sent
	views
	Sockets int         `json:"sockets"`
	Panel   *PanelState `json:"panel"`
	Agent   *agent      `json:"agent"`
}

// agent is a person's direct message with the app, beside its messages.
type agent struct {
	Channel  string            `json:"channel"`
	Prompts  *slackemu.Prompts `json:"prompts"`
	Statuses map[string]string `json:"statuses"` // by the ts of the thread
	Titles   map[string]string `json:"titles"`   // the same
}

type team struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type app struct {
	ID       string        `json:"id"`
	User     string        `json:"user"`
	Name     string        `json:"name"`
	Commands []CommandHint `json:"commands"`
	// Shortcuts are offered for every message.
	Shortcuts []shortcut `json:"shortcuts"`
}

type shortcut struct {
	Name     string `json:"name"`
	Callback string `json:"callback"`
}

type user struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	RealName string `json:"real_name"`
	TZ       string `json:"tz"`
	Bot      bool   `json:"bot"`
	Foreign  bool   `json:"foreign"` // of another organisation
}

type channel struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Topic    string `json:"topic"`
	Private  bool   `json:"private"`
	Archived bool   `json:"archived"`
	Shared   bool   `json:"shared"`
	Members  int    `json:"members"`
	App      bool   `json:"app"` // the app is a member
	Mine     bool   `json:"mine"`
}

// message is a message as the browser needs it.
type message struct {
	TS      string `json:"ts"`
	Thread  string `json:"thread"` // ts of the parent, also in the parent once it has replies
	Subtype string `json:"subtype"`
	User    string `json:"user"`
	Name    string `json:"name"` // where it was posted under another name
	App     bool   `json:"app"`
	Text    string `json:"text"`
	// Rang is the text as it was posted: what a phone has shown. Edits ring nobody.
	Rang        string             `json:"rang"`
	Blocks      json.RawMessage    `json:"blocks"`
	Attachments json.RawMessage    `json:"attachments"`
	Metadata    *slackemu.Metadata `json:"metadata"`
	Files       []file             `json:"files"`
	Edited      string             `json:"edited"`
	Versions    int                `json:"versions"`
	Replies     int                `json:"replies"`
	Repliers    []string           `json:"repliers"`
	LastReply   string             `json:"last_reply"`
	Ephemeral   bool               `json:"ephemeral"`
	Mention     bool               `json:"mention"` // it rang this person
}

type file struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title"`
	Alt   string `json:"alt"`
	Image bool   `json:"image"`
	Size  int    `json:"size"`
}

type views struct {
	Modals []view `json:"modals"` // the top one last
	Home   *view  `json:"home"`
}

type view struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Submit   string            `json:"submit"`
	Close    string            `json:"close"`
	Callback string            `json:"callback"`
	Hash     string            `json:"hash"`
	Blocks   json.RawMessage   `json:"blocks"`
	Errors   map[string]string `json:"errors"`
}

// reader finds the person that a request speaks for; without a name it is the first one.
func (p *Page) reader(id string) (slackemu.User, error) {
	for _, u := range p.slack.Users() {
		if !u.IsBot && !u.Deleted && (u.ID == id || id == "") {
			return u, nil
		}
	}
	return slackemu.User{}, fmt.Errorf("nobody in the workspace is called %q", id)
}

// state answers /page/state?user=U.
func (p *Page) state(w http.ResponseWriter, r *http.Request) {
	u, err := p.reader(r.FormValue("user"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	p.json(w, http.StatusOK, p.snapshot(u.ID))
}

func (p *Page) json(w http.ResponseWriter, status int, val any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(val); err != nil {
		p.log.Debug("sending an answer", "err", err) // the browser has gone
	}
}

// snapshot is the workspace as one person sees it.
func (p *Page) snapshot(me string) snapshot {
	cfg := p.slack.Config()
	s := snapshot{
		Type: "state", Me: me,
		Team:     team{cfg.TeamID, cfg.TeamName},
		App:      app{cfg.AppID, cfg.BotUserID, title(cfg.BotName), p.commands(cfg), []shortcut{}},
		Users:    []user{},
		Groups:   map[string]string{},
		Channels: p.channels(me),
		Messages: map[string][]message{}, Older: map[string]bool{},
		views:   p.views(me),
		Sockets: p.slack.Connected(),
		Panel:   p.panel(),
		Agent:   p.agent(me),
	}
	for _, sc := range cfg.Shortcuts {
		s.App.Shortcuts = append(s.App.Shortcuts, shortcut{sc.Name, sc.CallbackID})
	}
	for _, u := range p.slack.Users() {
		if !u.Deleted {
			s.Users = append(s.Users, user{u.ID, u.Name, cmp.Or(u.RealName, u.Name), u.TZ, u.IsBot, u.TeamID != cfg.TeamID})
		}
	}
	for _, g := range cfg.UserGroups {
		s.Groups[g.ID] = g.Handle
	}
	if s.Agent != nil {
		s.read(p, s.Agent.Channel)
	}
	for _, c := range s.Channels {
		if c.Mine {
			s.read(p, c.ID)
		}
	}
	return s
}

// read takes in the messages of a channel.
func (s *snapshot) read(p *Page, channel string) {
	all := p.slack.AllMessages(channel)
	if cut := len(all) - maxMessages; cut > 0 {
		all, s.Older[channel] = all[cut:], true
	}
	all = append(all, p.slack.Ephemerals(channel, s.Me)...)
	list := make([]message, 0, len(all))
	for _, m := range all {
		list = append(list, p.message(m, s.Me))
	}
	s.Messages[channel] = list
}

// agent is nil for people who cannot write to the app.
func (p *Page) agent(me string) *agent {
	id := p.slack.DirectChannel(me)
	if id == "" {
		return nil
	}
	a := &agent{Channel: id, Statuses: p.slack.Statuses(id), Titles: p.slack.ThreadTitles(id)}
	if prompts, ok := p.slack.Prompts(me); ok {
		a.Prompts = &prompts
	}
	return a
}

// title is a bot's name as it is shown: rollcall is Rollcall.
func title(name string) string {
	if name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// commands are those of the workspace, with what is known about them.
func (p *Page) commands(cfg slackemu.Config) []CommandHint {
	out := []CommandHint{}
	for _, name := range cfg.Commands {
		hint := CommandHint{Command: name}
		if i := slices.IndexFunc(p.cfg.Commands, func(h CommandHint) bool { return h.Command == name }); i >= 0 {
			hint = p.cfg.Commands[i]
		}
		if hint.Words == nil {
			hint.Words = []string{}
		}
		out = append(out, hint)
	}
	return out
}

// channels are those that a person knows of: her own, and the public ones.
func (p *Page) channels(me string) []channel {
	bot := p.slack.Config().BotUserID
	out := []channel{}
	for _, c := range p.slack.Channels() {
		mine := slices.Contains(c.Members, me)
		if mine || !c.IsPrivate {
			out = append(out, channel{
				ID: c.ID, Name: c.Name, Topic: c.Topic, Private: c.IsPrivate, Archived: c.Archived, Shared: c.IsShared,
				Members: len(c.Members), App: slices.Contains(c.Members, bot), Mine: mine,
			})
		}
	}
	return out
}

func (p *Page) views(me string) views {
	v := views{Modals: []view{}}
	for _, m := range p.slack.Modals(me) {
		v.Modals = append(v.Modals, newView(m))
	}
	if home, ok := p.slack.Home(me); ok {
		h := newView(home)
		v.Home = &h
	}
	return v
}

func newView(v slackemu.View) view {
	return view{v.ID, v.Title, v.Submit, v.Close, v.CallbackID, v.Hash, v.Blocks, v.Errors}
}

func (p *Page) panel() *PanelState {
	if p.cfg.Panel == nil {
		return nil
	}
	s := p.cfg.Panel.State()
	// The browser goes through them without asking.
	s.Controls, s.Counters = slices.Clone(s.Controls), append([]Counter{}, s.Counters...)
	for i := range s.Controls {
		s.Controls[i].Options = append([]Option{}, s.Controls[i].Options...)
	}
	s.Controls = append([]Control{}, s.Controls...)
	s.Lists = append([]List{}, s.Lists...)
	for i := range s.Lists {
		s.Lists[i].Rows = append([]Row{}, s.Lists[i].Rows...)
	}
	return &s
}

func (p *Page) message(m slackemu.Message, me string) message {
	out := message{
		TS: m.TS, Thread: m.ThreadTS, Subtype: m.Subtype, User: m.User, Name: m.Username, App: m.BotID != "",
		Text: m.Text, Rang: m.Text, Blocks: m.Blocks, Attachments: m.Attachments, Metadata: m.Metadata, Files: []file{},
		Edited: m.EditedTS, Versions: len(m.Versions), Replies: m.ReplyCount, Repliers: append([]string{}, m.ReplyUsers...),
		LastReply: m.LatestReply, Ephemeral: m.Ephemeral,
	}
	if len(m.Versions) > 0 {
		out.Rang = m.Versions[0].Text
	}
	for _, id := range m.Files {
		if f, ok := p.slack.File(id); ok {
			out.Files = append(out.Files, file{f.ID, f.Name, f.Title, f.AltText, slices.Contains(pictures, f.Mimetype), f.Size})
		}
	}
	for _, n := range m.Notifications {
		out.Mention = out.Mention || slices.Contains(n.Users, me)
	}
	return out
}
