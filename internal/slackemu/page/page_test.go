package page_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
)

// fakePanel is a panel with one control of each kind.
type fakePanel struct {
	mu      sync.Mutex
	paused  bool
	speed   string
	joined  int
	readers map[chan struct{}]bool
	left    chan struct{} // gets a value when a reader leaves
}

func newPanel() *fakePanel {
	return &fakePanel{speed: "1", readers: map[chan struct{}]bool{}, left: make(chan struct{}, 10)}
}

func (f *fakePanel) page() *page.Panel {
	return &page.Panel{State: f.state, Changed: f.changed, Do: f.do}
}

func (f *fakePanel) state() page.PanelState {
	f.mu.Lock()
	defer f.mu.Unlock()
	yes, no := true, false
	paused := "off"
	if f.paused {
		paused = "on"
	}
	return page.PanelState{
		Title: "Simulated cluster", Clock: "Day 2, 09:14", Phase: "morning growth",
		Controls: []page.Control{
			{ID: "join", Label: "Add 20 nodes", Kind: page.KindButton, Value: "20", Help: "As an autoscaler would",
				Group: "Cluster"},
			{ID: "storm", Label: "Spot storm", Kind: page.KindButton, Group: "Cluster", Note: "37 s left"},
			{ID: "kill", Label: "Kill the app", Kind: page.KindButton, Group: "Faults", Disabled: "it is starting"},
			{ID: "pause", Label: "Slack is down", Kind: page.KindToggle, Value: paused, Group: "Faults"},
			{ID: "speed", Label: "Speed", Kind: page.KindSelect, Value: f.speed, Group: "Time",
				Options: []page.Option{{Value: "1", Label: "real time"}, {Value: "60", Label: "a minute a second"}}},
		},
		Counters: []page.Counter{
			{ID: "joined", Label: "Joined", Value: fmt.Sprint(f.joined)},
			{ID: "once", Label: "Told exactly once", Value: "120 of 120", Good: &yes, Note: "every node, every change"},
			{ID: "twice", Label: "Told twice", Value: "1", Good: &no},
		},
		Lists: []page.List{{ID: "webhook", Title: "To the webhook", Note: "In order.", Empty: "None yet."}},
	}
}

func (f *fakePanel) changed() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers[c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.readers, c)
		f.left <- struct{}{}
	}
}

func (f *fakePanel) do(_ context.Context, control, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch control {
	case "join":
		f.joined += 20
	case "pause":
		f.paused = value == "on"
	case "speed":
		f.speed = value
	default:
		return fmt.Errorf("%s cannot be done now", control)
	}
	for c := range f.readers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return nil
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req, header...)
}

func post(t *testing.T, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return do(t, req, header...)
}

// do sends a request with more headers; Host is one of them.
func do(t *testing.T, req *http.Request, header ...string) (*http.Response, string) {
	t.Helper()
	for i := 0; i < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

// state is what the tests read of a snapshot.
type state struct {
	Type     string
	Me       string
	Sockets  int
	Channels []struct {
		ID        string
		Mine, App bool
		Private   bool
		Archived  bool
		Members   int
		Name      string
		Shared    bool
		Topic     string
	}
	Users []struct {
		ID      string
		Bot     bool
		Foreign bool
		TZ      string
	}
	Messages map[string][]message
	Older    map[string]bool
	App      struct {
		Name     string
		Commands []page.CommandHint
		// Shortcuts are offered for every message.
		Shortcuts []struct{ Name, Callback string }
	}
	Agent  *struct{ Channel string }
	Modals []view
	Home   *view
	Panel  *page.PanelState
}

type view struct {
	ID, Title string
	Errors    map[string]string
}

type message struct {
	TS, Thread, Text, Rang, Edited, Subtype string
	Replies, Versions                       int
	Ephemeral, Mention, App                 bool
	Files                                   []struct{ ID, Alt string }
	Repliers                                []string
}

func texts(list []message) []string {
	out := []string{}
	for _, m := range list {
		out = append(out, m.Text)
	}
	return out
}

func snapshot(t *testing.T, srv *httptest.Server, user string) state {
	t.Helper()
	resp, body := get(t, srv.URL+"/page/state?user="+user)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("HTTP %d %s", resp.StatusCode, body)
	}
	var s state
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(body, "[null") ||
		regexp.MustCompile(
			`"(users|channels|commands|words|files|repliers|modals|controls|counters|options|lists|rows)":null`).MatchString(body) {
		t.Errorf("a list is null, which the browser does not expect: %s", body)
	}
	return s
}

func TestState(t *testing.T) {
	s := workspace(t)
	g := &gallery{t: t, slack: s}
	parent := g.say(slackemu.ChannelOps, "parent <@"+slackemu.UserAda+">", "")
	g.say(slackemu.ChannelOps, "reply", parent)
	g.must("chat.update", map[string]any{"channel": slackemu.ChannelOps, "ts": parent, "text": "edited"})
	g.must("chat.postEphemeral",
		map[string]any{"channel": slackemu.ChannelOps, "user": slackemu.UserAda, "text": "for Ada"})
	g.say(slackemu.ChannelPrivate, "private", "")
	srv := serve(t, page.Config{Slack: s, Panel: newPanel().page(), Commands: hints[:1]})

	ada := snapshot(t, srv, slackemu.UserAda)
	if ada.Me != slackemu.UserAda || ada.App.Name != "Rollcall" || ada.Panel.Title != "Simulated cluster" ||
		len(ada.Users) != 4 {
		t.Errorf("Ada's state: %+v", ada)
	}
	if diff := cmp.Diff([]page.CommandHint{hints[0], {Command: "/events", Words: []string{}}},
		ada.App.Commands); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"edited", "reply", "for Ada"}, texts(ada.Messages[slackemu.ChannelOps])); diff != "" {
		t.Error(diff)
	}
	m := ada.Messages[slackemu.ChannelOps][0]
	if m.Edited == "" || m.Versions != 2 || m.Rang != "parent <@"+slackemu.UserAda+">" || !m.Mention || m.Replies != 1 ||
		m.Thread != parent || !m.App {
		t.Errorf("the parent: %+v", m)
	}
	if diff := cmp.Diff([]string{"private"}, texts(ada.Messages[slackemu.ChannelPrivate])); diff != "" {
		t.Error(diff)
	}

	// Eve is a guest from elsewhere: she sees neither the private channel nor what is for Ada.
	eve := snapshot(t, srv, slackemu.UserEve)
	if diff := cmp.Diff([]string{"edited", "reply"}, texts(eve.Messages[slackemu.ChannelOps])); diff != "" {
		t.Error(diff)
	}
	if eve.Messages[slackemu.ChannelOps][0].Mention {
		t.Error("Eve is rung by what rings Ada")
	}
	for _, c := range eve.Channels {
		if c.Private || c.Mine != (c.ID == slackemu.ChannelOps) {
			t.Errorf("Eve knows of %+v", c)
		}
	}
	if eve.Agent != nil || ada.Agent == nil || ada.Agent.Channel != s.DirectChannel(slackemu.UserAda) ||
		ada.Messages[ada.Agent.Channel] == nil {
		t.Errorf("Ada writes to the app in %+v, Eve in %+v", ada.Agent, eve.Agent)
	}
	if diff := cmp.Diff([]struct{ Name, Callback string }{{"Why?", "why"}}, ada.App.Shortcuts); diff != "" {
		t.Error(diff)
	}
	if len(eve.Messages) != 1 {
		t.Errorf("Eve reads %d channels", len(eve.Messages))
	}
	for _, u := range eve.Users {
		if u.Foreign != (u.ID == slackemu.UserEve) || u.Bot != (u.ID == slackemu.DefaultBotUserID) {
			t.Errorf("user %+v", u)
		}
	}
	if first := snapshot(t, srv, ""); first.Me != slackemu.UserAda {
		t.Errorf("without a name it is %s", first.Me)
	}
	for _, who := range []string{"U0NOBODY", slackemu.DefaultBotUserID} {
		for _, route := range []string{"state", "live"} {
			if resp, _ := get(t, srv.URL+"/page/"+route+"?user="+who); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s as %s: HTTP %d", route, who, resp.StatusCode)
			}
		}
	}
}

// TestStateIsBounded posts more than the browser gets.
func TestStateIsBounded(t *testing.T) {
	s := workspace(t)
	for i := range 605 {
		if _, err := s.Post(slackemu.UserAda, slackemu.ChannelOps, fmt.Sprint(i), ""); err != nil {
			t.Fatal(err)
		}
	}
	got := snapshot(t, serve(t, page.Config{Slack: s}), slackemu.UserAda)
	list := got.Messages[slackemu.ChannelOps]
	if len(list) != 600 || list[0].Text != "5" || !got.Older[slackemu.ChannelOps] || got.Older[slackemu.ChannelPrivate] {
		t.Errorf("%d messages from %q on, older %v", len(list), list[0].Text, got.Older)
	}
}

// reader reads a stream of events.
type reader struct {
	t    *testing.T
	scan *bufio.Scanner
}

// event is one of them; only what its type has is set.
type event struct {
	Type     string
	Channel  string
	TS       string
	Message  *message
	Messages map[string][]message
	Channels []struct {
		ID    string
		Topic string
	}
	Views *struct {
		Modals []view
		Home   *view
	}
	Panel   *page.PanelState
	Sockets *int
}

func listen(t *testing.T, srv *httptest.Server, user string) reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/page/live?user="+user, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("HTTP %d, %s", resp.StatusCode, kind)
	}
	scan := bufio.NewScanner(resp.Body)
	scan.Buffer(nil, 1<<20)
	return reader{t, scan}
}

func (r reader) next() event {
	r.t.Helper()
	for r.scan.Scan() {
		if data, ok := strings.CutPrefix(r.scan.Text(), "data: "); ok {
			var e event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				r.t.Fatal(err)
			}
			return e
		}
	}
	r.t.Fatalf("the stream ended: %v", r.scan.Err())
	return event{}
}

// until skips events until one of a type comes.
func (r reader) until(kind string) event {
	r.t.Helper()
	for {
		if e := r.next(); e.Type == kind {
			return e
		}
	}
}

func TestStream(t *testing.T) {
	s := workspace(t)
	g := &gallery{t: t, slack: s}
	before := g.say(slackemu.ChannelOps, "before", "")
	panel := newPanel()
	srv := serve(t, page.Config{Slack: s, Panel: panel.page()})
	r, eve := listen(t, srv, slackemu.UserAda), listen(t, srv, slackemu.UserEve)
	for _, r := range []reader{r, eve} {
		if e := r.next(); e.Type != "state" || len(e.Messages[slackemu.ChannelOps]) != 1 {
			t.Fatalf("the stream begins with %+v", e)
		}
	}

	posted := g.say(slackemu.ChannelOps, "posted", "")
	if e := r.next(); e.Type != "message" || e.Channel != slackemu.ChannelOps || e.Message.TS != posted ||
		e.Message.Text != "posted" {
		t.Errorf("posted: %+v", e)
	}
	g.must("chat.update", map[string]any{"channel": slackemu.ChannelOps, "ts": posted, "text": "updated"})
	if e := r.next(); e.Message == nil || e.Message.Text != "updated" || e.Message.Edited == "" ||
		e.Message.Rang != "posted" {
		t.Errorf("updated: %+v", e)
	}
	// A reply brings its parent, whose count has changed; so does its deletion.
	reply := g.say(slackemu.ChannelOps, "reply", before)
	if e := r.next(); e.Message == nil || e.Message.TS != reply {
		t.Errorf("reply: %+v", e)
	}
	if e := r.next(); e.Message == nil || e.Message.TS != before || e.Message.Replies != 1 {
		t.Errorf("its parent: %+v", e)
	}
	g.must("chat.delete", map[string]any{"channel": slackemu.ChannelOps, "ts": reply})
	if e := r.next(); e.Type != "gone" || e.TS != reply || e.Channel != slackemu.ChannelOps {
		t.Errorf("deleted: %+v", e)
	}
	if e := r.next(); e.Message == nil || e.Message.TS != before || e.Message.Replies != 0 {
		t.Errorf("its parent: %+v", e)
	}
	// What only Ada sees comes to her alone, and not as something that is gone before.
	g.must("chat.postEphemeral",
		map[string]any{"channel": slackemu.ChannelOps, "user": slackemu.UserAda, "text": "for Ada"})
	if e := r.next(); e.Message == nil || !e.Message.Ephemeral || e.Message.Text != "for Ada" {
		t.Errorf("ephemeral: %+v", e)
	}
	g.say(slackemu.ChannelPrivate, "private", "")
	if e := r.next(); e.Channel != slackemu.ChannelPrivate {
		t.Errorf("private: %+v", e)
	}
	g.must("views.publish", map[string]any{"user_id": slackemu.UserAda, "view": raw(home)})
	if e := r.next(); e.Type != "views" || e.Views.Home == nil {
		t.Errorf("home: %+v", e)
	}
	s.EditChannel(slackemu.ChannelOps, func(c *slackemu.Channel) { c.Topic = "Nodes" })
	if e := r.next(); e.Type != "channels" || e.Channels[0].Topic != "Nodes" {
		t.Errorf("channel: %+v", e)
	}
	if err := panel.do(t.Context(), "join", ""); err != nil {
		t.Fatal(err)
	}
	if e := r.next(); e.Type != "panel" || e.Panel.Counters[0].Value != "20" {
		t.Errorf("panel: %+v", e)
	}
	startGallery(t, s)
	if e := r.until("socket"); *e.Sockets != 1 {
		t.Errorf("sockets: %+v", e)
	}
	last := g.say(slackemu.ChannelOps, "last", "")
	for { // Eve has seen nothing that is not hers
		e := eve.next()
		if strings.Contains(fmt.Sprintf("%+v %+v", e, e.Message), "for Ada") || e.Channel == slackemu.ChannelPrivate ||
			e.Type == "views" {
			t.Errorf("Eve sees %+v", e)
		}
		if e.Message != nil && e.Message.TS == last {
			break
		}
	}
}

// TestStreamEnds says that a stream ends with the workspace, and that its reader's subscription ends with it.
func TestStreamEnds(t *testing.T) {
	s := slackemu.New(slackemu.Config{})
	panel := newPanel()
	srv := serve(t, page.Config{Slack: s, Panel: panel.page()})
	r := listen(t, srv, slackemu.UserAda)
	r.next()
	s.Close()
	for r.scan.Scan() {
	}
	select {
	case <-panel.left:
	case <-time.After(10 * time.Second):
		t.Fatal("the panel still has a reader")
	}
}

func TestRefused(t *testing.T) {
	s := workspace(t)
	srv := serve(t, page.Config{Slack: s, Hosts: []string{"demo.example.com"}})
	for _, tt := range []struct {
		header []string
		get    int
		post   int
	}{
		{nil, 200, 200},
		{[]string{"Host", "localhost:8090"}, 200, 200},
		{[]string{"Host", "127.0.0.2"}, 200, 200},
		{[]string{"Host", "[::1]:80"}, 200, 200},
		{[]string{"Host", "Demo.Example.com:8090"}, 200, 200},
		{[]string{"Host", "evil.example.com"}, 421, 421},
		{[]string{"Host", "127.0.0.1.example.com"}, 421, 421},
		{[]string{"Host", "10.0.0.7"}, 421, 421},
		{[]string{"Host", "localhost.example.com:80"}, 421, 421},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200, 200},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 200, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 200, 403},
		{[]string{"Origin", "http://evil.example.com"}, 200, 403},
		{[]string{"Origin", srv.URL}, 200, 200},
	} {
		if resp, _ := get(t, srv.URL+"/page/state", tt.header...); resp.StatusCode != tt.get {
			t.Errorf("GET with %q: HTTP %d", tt.header, resp.StatusCode)
		}
		if resp, body := post(t, srv.URL+"/page/home", `{}`, tt.header...); resp.StatusCode != tt.post {
			t.Errorf("POST with %q: HTTP %d %s", tt.header, resp.StatusCode, body)
		}
	}
	for _, tt := range []struct {
		body, kind string
		want       int
	}{
		{`{}`, "text/plain", 415},
		{`{}`, "application/x-www-form-urlencoded", 415},
		{`{}`, "application/json; charset=utf-8", 200},
		{``, "application/json", 400},
		{`[]`, "application/json", 400},
		{`{} {}`, "application/json", 400},
		{`{"nonsense":1}`, "application/json", 400},
		{`{"user":"U0NOBODY"}`, "application/json", 404},
		{`{"text":"` + strings.Repeat("x", 2<<20) + `"}`, "application/json", 400},
	} {
		if resp, _ := post(t, srv.URL+"/page/home", tt.body, "Content-Type", tt.kind); resp.StatusCode != tt.want {
			t.Errorf("%.40s as %s: HTTP %d, want %d", tt.body, tt.kind, resp.StatusCode, tt.want)
		}
	}
	for _, route := range []string{"/page/home", "/page/nonsense", "/nonsense", "/assets/nonsense.js", "/assets/"} {
		if resp, _ := get(t, srv.URL+route); resp.StatusCode != http.StatusNotFound &&
			resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: HTTP %d", route, resp.StatusCode)
		}
	}
	if n := len(s.Messages(slackemu.ChannelOps)); n != 0 {
		t.Errorf("%d messages were posted", n)
	}
}

// tell posts and returns the error for the person.
func tell(t *testing.T, srv *httptest.Server, route, body string) string {
	t.Helper()
	resp, text := post(t, srv.URL+"/page/"+route, body)
	var a struct{ Error string }
	if err := json.Unmarshal([]byte(text), &a); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %d %s", route, resp.StatusCode, text)
	}
	return a.Error
}

func TestWhatThePersonIsTold(t *testing.T) {
	s := workspace(t, func(c *slackemu.Config) { c.AckTimeout = 100 * time.Millisecond })
	srv := serve(t, page.Config{Slack: s})
	ops := `"user":"` + slackemu.UserAda + `","channel":"` + slackemu.ChannelOps + `",`
	for _, tt := range []struct{ route, body, want string }{
		{"command", ops + `"command":"/nodes"`, `/nodes failed with the error "dispatch_failed"`},
		{"command", ops + `"command":"/nope"`, "/nope is not a valid command. In Slack, all messages"},
		{"command", ops + `"command":"/nodes","thread":"1.2"`, "/nodes is not supported in threads"},
		{"command", `"user":"` + slackemu.UserEve + `","channel":"` + slackemu.ChannelOther + `","command":"/nodes"`,
			"not a member"},
		{"message", ops + `"text":""`, "nothing to send"},
		{"message", `"user":"` + slackemu.UserAda + `","channel":"` + slackemu.ChannelArchived + `","text":"x"`, "archived"},
		{"message", `"user":"` + slackemu.UserEve + `","channel":"` + slackemu.ChannelOther + `","text":"x"`, "not a member"},
		{"message", ops + `"text":"fine"`, ""},
		{"action", ops + `"ts":"1.2","action":"x"`, "no such message"},
		{"action", `"view":"V1","action":"x"`, "no such view"},
		{"submit", `"view":"V1"`, "no such view"},
		{"submit", `"view":"V1","inputs":[{"block":"b","action":"a","values":[]}]`, "no such view"},
		{"close", `"view":"V1"`, ""},
		{"suggest", ops + `"ts":"1.2","action":"x"`, "no such message"},
		{"panel", `"control":"x"`, "There is no panel."},
		{"home", `"user":""`, ""},
		{"home", `"user":"` + slackemu.UserEve + `","value":"messages"`, "the app is not installed where U0EVE is"},
		{"message", `"user":"` + slackemu.UserAda + `","channel":"` + s.DirectChannel(slackemu.UserAda) + `","text":"x"`, ""},
		{"message", `"user":"` + slackemu.UserGrace + `","channel":"` + s.DirectChannel(slackemu.UserAda) + `","text":"x"`,
			"not a member"},
		{"shortcut", ops + `"ts":"1.2","value":"why"`, "no message that has shortcuts"},
	} {
		if got := tell(t, srv, tt.route, "{"+tt.body+"}"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: told %q, want %q", tt.route, tt.body, got, tt.want)
		}
	}

	// An app that does not answer in time, and one that answers nonsense.
	g := startGallery(t, s)
	ts := g.say(slackemu.ChannelOps, "x", "",
		map[string]any{"blocks": raw(
			`[{"type":"actions","elements":[{"type":"button","action_id":"mute-app","text":{"type":"plain_text","text":"x"}},{"type":"button","action_id":"open","text":{"type":"plain_text","text":"x"}}]}]`)})
	if got := tell(t, srv, "action", "{"+ops+`"ts":"`+ts+`","action":"mute-app"}`); !strings.Contains(got,
		"Operation timed out") || !strings.Contains(got, "operation_timeout") {
		t.Errorf("told %q", got)
	}
	if got := tell(t, srv, "action", "{"+ops+`"ts":"`+ts+`","action":"open"}`); got != "" {
		t.Errorf("told %q", got)
	}
	g.wait("the modal", func() bool { return len(s.Modals(slackemu.UserAda)) == 1 })
	id := s.Modals(slackemu.UserAda)[0].ID
	if got := tell(t, srv, "submit", `{"view":"`+id+`"}`); !strings.Contains(got, "is empty") {
		t.Errorf("told %q", got)
	}
	inputs := `"inputs":[{"block":"name","action":"v","values":["n"]},{"block":"pool","action":"v","values":["web"]},{"block":"why","action":"v","values":[]}]`
	s.DropSockets()
	s.RefuseSockets(true)
	g.wait("the break", func() bool { return s.Connected() == 0 })
	if got := tell(t, srv, "submit", `{"view":"`+id+`",`+inputs+`}`); !strings.Contains(got,
		"We had some trouble connecting") {
		t.Errorf("told %q", got)
	}
	s.RefuseSockets(false)
	g.wait("the connection", func() bool { return s.Connected() == 1 })
	if got := tell(t, srv, "submit", `{"view":"`+id+`",`+inputs+`}`); got != "" {
		t.Errorf("told %q", got)
	}
	if v := s.Modals(slackemu.UserAda)[0]; v.Errors["name"] == "" {
		t.Errorf("the first submission is refused with an error, not %+v", v)
	}
	if got := tell(t, srv, "submit", `{"view":"`+id+`",`+inputs+`}`); got != "" {
		t.Errorf("told %q", got)
	}
	if n := len(s.Modals(slackemu.UserAda)); n != 0 {
		t.Errorf("%d modals are open", n)
	}
}

func TestFiles(t *testing.T) {
	s := workspace(t)
	g := startGallery(t, s)
	upload := func(name string, data []byte) string {
		f, err := g.api.UploadFile(slackUpload(name, data))
		if err != nil {
			t.Fatal(err)
		}
		return f.ID
	}
	pic := upload("nodes.png", picture())
	other := upload("evil.html", []byte("<script>alert(1)</script>"))
	srv := serve(t, page.Config{Slack: s})
	resp, body := get(t, srv.URL+"/page/file/"+pic)
	if resp.Header.Get("Content-Type") != "image/png" || body != string(picture()) {
		t.Errorf("the picture is %s of %d bytes", resp.Header.Get("Content-Type"), len(body))
	}
	resp, _ = get(t, srv.URL+"/page/file/"+other)
	h := resp.Header
	if h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Disposition") != "attachment" ||
		h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("a page is sent with %v", h)
	}
	if resp, _ := get(t, srv.URL+"/page/file/F0NONE"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("no file: HTTP %d", resp.StatusCode)
	}
	m := snapshot(t, srv, slackemu.UserAda).Messages[slackemu.ChannelOps][0]
	if len(m.Files) != 1 || m.Files[0].ID != pic || m.Files[0].Alt != "drawn" {
		t.Errorf("the message has %+v", m.Files)
	}
}

func TestAssets(t *testing.T) {
	srv := serve(t, page.Config{Slack: workspace(t)})
	resp, index := get(t, srv.URL)
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") ||
		resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", resp.Header)
	}
	if regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|<script[^>]*>[^<]`).MatchString(index) {
		t.Error("the index has something inline, which the policy forbids")
	}
	var names []string
	err := fs.WalkDir(os.DirFS("assets"), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	imports := regexp.MustCompile(`(?:from\s*|import\s*)["'](\.[^"']+)["']`)
	kinds := map[string]string{".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml",
		".md": "text/plain", "": "text/plain"}
	weight, packed := 0, 0
	for _, name := range names {
		resp, body := get(t, srv.URL+"/assets/"+name)
		if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); resp.StatusCode != http.StatusOK ||
			kind != kinds[path.Ext(name)] {
			t.Errorf("%s: HTTP %d, %s", name, resp.StatusCode, kind)
		}
		// Every module that is imported is there, by a relative path: nothing is built and nothing is mapped.
		for _, m := range imports.FindAllStringSubmatch(body, -1) {
			if target := path.Join(path.Dir(name), m[1]); path.Ext(name) == ".js" && !slices.Contains(names, target) {
				t.Errorf("%s imports %s, which is not there", name, target)
			}
		}
		zipped, small := get(t, srv.URL+"/assets/"+name, "Accept-Encoding", "gzip")
		tag := zipped.Header.Get("ETag")
		if zipped.Header.Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(strings.NewReader(small))
			if err != nil {
				t.Fatal(err)
			}
			if unpacked, err := io.ReadAll(r); err != nil || !bytes.Equal(unpacked, []byte(body)) ||
				tag == resp.Header.Get("ETag") {
				t.Errorf("%s is another file when packed: %v", name, err)
			}
		}
		if again, rest := get(t, srv.URL+"/assets/"+name, "Accept-Encoding", "gzip", "If-None-Match",
			tag); again.StatusCode != http.StatusNotModified || rest != "" {
			t.Errorf("%s again: HTTP %d", name, again.StatusCode)
		}
		if ext := path.Ext(name); ext != ".md" && ext != "" {
			weight, packed = weight+len(body), packed+len(small)
		}
	}
	t.Logf("the page weighs %d bytes in %d files, %d packed", weight, len(names), packed)
	if packed > 80_000 {
		t.Errorf("the page weighs %d bytes packed", packed)
	}
}

func slackUpload(name string, data []byte) slack.UploadFileParameters {
	return slack.UploadFileParameters{Filename: name, FileSize: len(data), Reader: bytes.NewReader(data),
		Channel: slackemu.ChannelOps, AltTxt: "drawn"}
}
