package slackapp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"

	"rollcall/internal/answer"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// spyStore is a ledger that notes who changes something, and changes nothing.
type spyStore struct {
	answer.Store
	mu    sync.Mutex
	acted []string // who; guarded by mu
}

func (s *spyStore) act(by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acted = append(s.acted, by)
}

func (s *spyStore) AddMute(ctx context.Context, m wave.Mute) (wave.Mute, error) {
	s.act(m.By)
	return m, nil
}

func (s *spyStore) EndMute(ctx context.Context, id int64, by, name string, now time.Time) (bool, error) {
	s.act(by)
	return true, nil
}

// rig is Commands between a Slack and a ledger that only note what they are asked for. Slack knows one person,
// slackemu.UserAda.
type rig struct {
	commands *Commands
	store    *spyStore
	log      bytes.Buffer // of one writer at a time: slog's handler sees to it

	mu    sync.Mutex
	calls []call // of Slack's API and of response_urls; guarded by mu
}

type call struct {
	path, kind string
	body       []byte
}

func newRig(tb testing.TB, store answer.Store) *rig {
	r := &rig{store: &spyStore{Store: store}}
	api := slack.New("xoxb-1", slack.OptionHTTPClient(&http.Client{Transport: r}))
	r.commands = NewCommands(CommandsConfig{Answers: answersFrom(r.store), API: api,
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Owner: Owner{Instance: "1a2b3c4d", Cluster: "prod"}})
	r.commands.http.Transport = r
	return r
}

func (r *rig) RoundTrip(req *http.Request) (*http.Response, error) {
	body := []byte(nil)
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	say := `{"ok":true,"view":{"id":"V1"}}`
	switch {
	case req.URL.Host != "slack.com":
		say = "ok"
		r.note(call{"response_url", req.Header.Get("Content-Type"), body})
	case strings.HasSuffix(req.URL.Path, "/auth.test"):
		say = `{"ok":true,"team_id":"T0ROLLCALL","user_id":"U0ROLLCALLBOT","bot_id":"B0ROLLCALL"}`
	case strings.HasSuffix(req.URL.Path, "/users.info"):
		say = `{"ok":false,"error":"user_not_found"}`
		if form, _ := url.ParseQuery(string(body)); form.Get("user") == slackemu.UserAda {
			say = `{"ok":true,"user":{"id":"U0ADA","team_id":"T0ROLLCALL","tz":"Europe/London"}}`
		}
	default:
		r.note(call{req.URL.Path, req.Header.Get("Content-Type"), body})
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
		Body: io.NopCloser(strings.NewReader(say))}, nil
}

func (r *rig) note(c call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

// done waits for the answers on their way, checks them, and returns everything that was said. Nothing may have been
// done by anybody but Ada, and by nobody if she had no part in it.
func (r *rig) done(t *testing.T, ada bool, acks ...[]byte) string {
	t.Helper()
	r.commands.busy.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	said := bytes.Join(acks, nil)
	for _, c := range r.calls {
		r.checkCall(t, c)
		said = append(said, c.body...)
	}
	if i := slices.IndexFunc(r.store.acted, func(by string) bool { return !ada || by != slackemu.UserAda }); i >= 0 {
		t.Fatalf("%q has changed something", r.store.acted[i])
	}
	if log := r.log.String(); strings.Contains(log, "panic=") || strings.Contains(log, "level=ERROR") {
		t.Fatalf("it went wrong:\n%s", log)
	}
	return string(said)
}

// checkCall checks that Slack takes the blocks of a call.
func (r *rig) checkCall(t *testing.T, c call) {
	t.Helper()
	if strings.HasPrefix(c.kind, "application/json") {
		checkBlocks(t, c.path, c.body)
		return
	}
	if form, err := url.ParseQuery(string(c.body)); err != nil {
		t.Fatalf("%s: %v", c.path, err)
	} else if blocks := form.Get("blocks"); blocks != "" {
		checkBlocks(t, c.path, []byte(`{"blocks":`+blocks+`}`))
	}
}

// checkBlocks checks what is in a message, or in a view.
func checkBlocks(t *testing.T, where string, raw []byte) {
	t.Helper()
	var said struct {
		Blocks json.RawMessage `json:"blocks"`
		View   *struct {
			Type     slackemu.Surface `json:"type"`
			Blocks   json.RawMessage  `json:"blocks"`
			Metadata string           `json:"private_metadata"`
		} `json:"view"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		t.Fatalf("%s: %v\n%s", where, err, raw)
	}
	surface, blocks := slackemu.SurfaceMessage, said.Blocks
	if said.View != nil {
		surface, blocks = said.View.Type, said.View.Blocks
		if len(said.View.Metadata) > 3000 {
			t.Fatalf("%s: metadata of %d bytes", where, len(said.View.Metadata))
		}
	}
	if len(blocks) == 0 {
		return
	}
	if err := slackemu.ValidateBlocks(surface, blocks); err != nil {
		t.Fatalf("%s: %v\n%s", where, err, raw)
	}
}

// wire is a WebSocket whose other end notes what is written to it.
type wire struct {
	ws      *websocket.Conn
	written chan []byte
}

func newWire(tb testing.TB) *wire {
	w := &wire{written: make(chan []byte, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, req *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(res, req, nil)
		for err == nil {
			var frame []byte
			if _, frame, err = ws.ReadMessage(); err == nil {
				w.written <- frame
			}
		}
	}))
	tb.Cleanup(server.Close)
	ws, _, err := (&websocket.Dialer{WriteBufferSize: 2 * ackLimit}).Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ws.Close() })
	w.ws = ws
	return w
}

// frames are what was written until the mark.
func (w *wire) frames(mark string) (out [][]byte) {
	for frame := range w.written {
		if string(frame) == mark {
			break
		}
		out = append(out, frame)
	}
	return out
}

// Payloads as Slack sends them.
const (
	helloFrame = `{"type":"hello","num_connections":1,"debug_info":{"host":"applink-1","approximate_connection_time":18060},` +
		`"connection_info":{"app_id":"A0ROLLCALL"}}`
	slashFrame = `{"envelope_id":"e-1","type":"slash_commands","accepts_response_payload":true,"payload":{"token":"t",` +
		`"team_id":"T0ROLLCALL","team_domain":"rollcall-test","channel_id":"C0OPS","channel_name":"ops","user_id":"U0ADA",` +
		`"user_name":"ada","command":"%s","text":"%s","api_app_id":"A0ROLLCALL","is_enterprise_install":"false",` +
		`"response_url":"https://hooks.slack.com/commands/1/2","trigger_id":"1.2.3"}}`
	pressFrame = `{"envelope_id":"e-2","type":"interactive","accepts_response_payload":false,"payload":{"type":` +
		`"block_actions","api_app_id":"A0ROLLCALL","team":{"id":"T0ROLLCALL"},"user":{"id":"U0ADA","name":"ada","team_id":` +
		`"T0ROLLCALL"},"trigger_id":"1.2.3","response_url":"https://hooks.slack.com/actions/1/2","container":{"type":` +
		`"message","message_ts":"1.000001","channel_id":"C0OPS","is_ephemeral":true},"channel":{"id":"C0OPS","name":"ops"},` +
		`"actions":[{"type":"button","action_id":"%s","block_id":"b","value":"%s","action_ts":"1.2"}]}}`
	submitFrame = `{"envelope_id":"e-3","type":"interactive","accepts_response_payload":true,"payload":{"type":` +
		`"view_submission","api_app_id":"A0ROLLCALL","team":{"id":"T0ROLLCALL"},"user":{"id":"U0ADA","name":"ada","team_id":` +
		`"T0ROLLCALL"},"trigger_id":"1.2.3","view":{"id":"V1","type":"modal","callback_id":"filter","hash":"h",` +
		`"private_metadata":"%s","blocks":[{"type":"input","block_id":"type","label":{"type":"plain_text","text":"T"},` +
		`"element":{"type":"plain_text_input","action_id":"value"}}],"state":{"values":{"type":{"value":{"type":` +
		`"plain_text_input","value":"%s"}}}}},"response_urls":[]}}`
	homeFrame = `{"envelope_id":"e-4","type":"events_api","accepts_response_payload":false,"retry_attempt":0,` +
		`"retry_reason":"","payload":{"team_id":"T0ROLLCALL","api_app_id":"A0ROLLCALL","type":"event_callback","event_id":` +
		`"Ev1","event_time":1,"event":{"type":"app_home_opened","user":"%s","channel":"D1","tab":"home","event_ts":"1.2"}}}`
)

// FuzzEnvelope feeds a connection frames, one a line, as Slack or anything in its place may send them.
func FuzzEnvelope(f *testing.F) {
	sign := func(id string) string { return id + ":1a2b3c4d:prod" }
	for _, s := range []string{
		fmt.Sprintf(slashFrame, "/nodes", "list --spot"), fmt.Sprintf(slashFrame, "/events", "--for node/x &lt;"),
		fmt.Sprintf(pressFrame, sign("show:1"), "/nodes list"), fmt.Sprintf(pressFrame, sign("unmute:1"), "1"),
		fmt.Sprintf(pressFrame, sign("mute:1"), "-"), fmt.Sprintf(pressFrame, sign("share:1"), "/nodes"),
		fmt.Sprintf(pressFrame, sign("filter:1"), "/events --types Warning"),
		fmt.Sprintf(pressFrame, sign("wave_nodes:1"), "1a2b3c4d-1"), fmt.Sprintf(pressFrame, "open:1:99:west", "/nodes"),
		fmt.Sprintf(submitFrame, sign("T"), "m5.large"), fmt.Sprintf(homeFrame, "U0ADA"),
		fmt.Sprintf(homeFrame, "U0EVE"), strings.Replace(fmt.Sprintf(slashFrame, "/nodes", ""), "U0ADA", "U0EVE", 1),
		strings.Replace(fmt.Sprintf(pressFrame, sign("unmute:1"), "1"), "U0ADA", "U0EVE", 1),
		`{"type":"disconnect","reason":"refresh_requested","debug_info":{"host":"x"}}`,
		`{"type":"disconnect","reason":"link_disabled"}`, `{"envelope_id":"e","type":"interactive","payload":"x"}`,
		`{"envelope_id":"e","type":"interactive","payload":{"type":"view_closed","user":{"id":"U0ADA"}}}`,
		`{"envelope_id":"e","type":"interactive","payload":{"type":"block_suggestion","value":"x"}}`,
		`{"envelope_id":"e","type":"interactive","payload":{"type":"shortcut","callback_id":"x"}}`,
		`{"envelope_id":"e","type":"interactive","payload":{"type":"message_action","message":{"blocks":[{"type":"x"}]}}}`,
		`{"envelope_id":"e","accepts_response_payload":true}`, "[]", "null",
	} {
		f.Add([]byte(helloFrame + "\n" + s))
	}
	f.Add([]byte(fmt.Sprintf(slashFrame, "/nodes", "") + "\n" + fmt.Sprintf(slashFrame, "/nodes", "") + "\n" + helloFrame))
	ledger, w := storyLedger(f), newWire(f)
	f.Fuzz(func(t *testing.T, frames []byte) {
		r := newRig(t, ledger)
		s := NewSession(nil, r.commands.Handle, r.commands.log)
		c := &conn{s: s, ws: w.ws, hello: make(chan struct{}), replace: make(chan struct{})}
		var handlers sync.WaitGroup
		asked := 0
		for frame := range bytes.Lines(frames) {
			if asked++; asked > 8 || c.take(t.Context(), frame, &handlers) != nil {
				break
			}
		}
		handlers.Wait()
		c.leave()
		if err := c.send([]byte("mark")); err != nil {
			t.Fatal(err)
		}
		acks := w.frames("mark")
		if len(acks) > asked {
			t.Fatalf("%d frames have %d acknowledgements", asked, len(acks))
		}
		// An escaped name is one all the same.
		ada := bytes.Contains(frames, []byte(slackemu.UserAda)) || bytes.Contains(frames, []byte(`\u`))
		said := r.done(t, ada, acks...)
		if !ada && !bytes.Contains(frames, []byte("prod")) && strings.Contains(said, "prod") {
			t.Fatalf("somebody who is not known is told of the cluster:\n%s", said)
		}
		for _, ack := range acks {
			checkAck(t, ack)
		}
	})
}

// checkAck checks that Slack takes an acknowledgement.
func checkAck(t *testing.T, ack []byte) {
	t.Helper()
	var a struct {
		ID      string          `json:"envelope_id"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(ack, &a); err != nil || a.ID == "" || len(ack) >= ackLimit {
		t.Fatalf("an acknowledgement of %d bytes: %v\n%s", len(ack), err, ack)
	}
	if len(a.Payload) > 0 && string(a.Payload) != "null" {
		checkBlocks(t, "an acknowledgement", a.Payload)
	}
}

// FuzzCarried presses a button and submits a form with what Slack carries back from there: Rollcall's own texts, after
// they were in somebody else's hands. TOKEN stands for the token of a form that is open.
func FuzzCarried(f *testing.F) {
	own := Owner{Instance: "1a2b3c4d", Cluster: "prod"}
	for _, s := range [][5]string{
		{"unmute:1:1a2b3c4d:prod", "1", "TOKEN:1a2b3c4d:prod", "mute", "scope=pool:batch\nuntil=1h"},
		{"unmute:1", "1", "TOKEN", "mute", "scope=cluster:\nuntil=morning"},
		{"unmute:1:99:west", "1", "TOKEN:99:west", "mute", "scope=type:m5.large\nuntil=4h"},
		{"unmute:1:99:prod", "1", "TOKEN:99:prod", "filter", "type=m5.*"},
		{"mute:2:1a2b3c4d:prod", "1a2b3c4d-1-x", "TOKEN:1a2b3c4d:prod", "filter", "since=1d\nchecks=removed"},
		{"mute:2", "99-1", "", "filter", "type='"},
		{"show:2:1a2b3c4d:prod", "/nodes lst", "TOKEN:1a2b3c4d:prod", "filter", "since=1d\nolder=1d"},
		{"filter:3:1a2b3c4d:prod", "/nodes list --spot", "TOKEN:1a2b3c4d:prod", "filter", "zone=a,b\nsort=name\nby=team"},
		{"filter:3:1a2b3c4d:prod", "/events 'Insufficient cpu' --types Warning", "TOKEN:", "filter", "text=\"a b\"\nfor=node/x"},
		{"share:4:1a2b3c4d:prod", "/nodes ip-10-0-3-37.ec2.internal", "::", "", "=\n"},
		{"show:5:1a2b3c4d:prod", "/events --before 1700000000000.5", "x:1a2b3c4d:prod", "mute", "until=2h"},
		{"wave_events:6", "1a2b3c4d-1", ":", "filter", "older=7d"},
		{"unmute:", "-9223372036854775809", "TOKEN:1a2b3c4d:prod", "mute", "scope=cluster:x\nuntil=1h"},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4], uint8(len(s[4])))
	}
	ledger := storyLedger(f)
	f.Fuzz(func(t *testing.T, id, value, metadata, callback, fields string, on uint8) {
		for _, user := range []string{slackemu.UserAda, "U0EVE"} {
			r := newRig(t, ledger)
			token := r.commands.forms.put(form{user: slackemu.UserAda, channel: "C0OPS", over: on&1 > 0, muting: value,
				line: value, to: delivery{responseURL: "https://hooks.slack.com/1", channel: "C0OPS", user: slackemu.UserAda}})
			metadata := strings.ReplaceAll(metadata, "TOKEN", token)
			container, view := "message", map[string]any{"id": "V1", "hash": "h", "type": []string{"modal", "home"}[on>>1&1],
				"callback_id": callback, "private_metadata": metadata, "blocks": []any{map[string]any{"type": "input",
					"block_id": "type", "element": map[string]any{"type": "plain_text_input"}}}, "state": map[string]any{"values": entered(fields)}}
			if on&4 > 0 {
				container = "view"
			}
			base := map[string]any{"api_app_id": "A0ROLLCALL", "team": map[string]any{"id": "T0ROLLCALL"},
				"user": map[string]any{"id": user, "name": "ada", "team_id": "T0ROLLCALL"}, "trigger_id": "1.2", "view": view,
				"container": map[string]any{"type": container, "is_ephemeral": on&8 > 0},
				"channel":   map[string]any{"id": "C0OPS"}, "response_url": "https://hooks.slack.com/2",
				"actions": []any{map[string]any{"type": "button", "block_id": "b", "action_id": id, "value": value}}}
			handle := func(kind string) []byte {
				base["type"] = kind
				payload, err := json.Marshal(base)
				if err != nil {
					t.Fatal(err)
				}
				ack, err := json.Marshal(r.commands.Handle(t.Context(), Envelope{Type: "interactive", App: "A0ROLLCALL",
					Payload: payload}))
				if err != nil || len(ack) > ackRoom {
					t.Fatalf("%d bytes: %v", len(ack), err)
				}
				if string(ack) != "null" {
					checkBlocks(t, kind, ack)
				}
				return ack
			}
			pressed := handle("block_actions")
			r.done(t, user == slackemu.UserAda, pressed)
			// Whatever JSON has made of the text: without its own signature nothing is carried out.
			if n := len(r.store.acted); n > 1 || n == 1 && !strings.Contains(id, own.String()) {
				t.Fatalf("%q of %q has changed %d things", value, id, n)
			}
			r.store.acted = nil
			submitted := handle("view_submission")
			r.done(t, user == slackemu.UserAda, submitted)
			if n := len(r.store.acted); n > 1 || n == 1 && metadata != token && metadata != token+":"+own.String() &&
				strings.Count(metadata, ":") > 1 {
				t.Fatalf("a form of %q has changed %d things", metadata, n)
			}
		}
		if before, of, ok := signedBy(sign(strings.ReplaceAll(id, ":", ""), own.String())); !ok || of != own ||
			before != strings.ReplaceAll(id, ":", "") {
			t.Fatalf("%q is signed by %v", before, of)
		}
	})
}

// entered is the state of a form: a field a line.
func entered(fields string) map[string]any {
	values := map[string]any{}
	for line := range strings.Lines(fields) {
		name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		values[name] = map[string]any{
			fieldValue:  map[string]any{"value": text, "selected_option": map[string]any{"value": text}},
			fieldChecks: map[string]any{"selected_options": []any{map[string]any{"value": text}}}}
	}
	return values
}
