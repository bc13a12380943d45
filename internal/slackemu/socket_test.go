package slackemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// open calls apps.connections.open by hand.
func open(t *testing.T, s *Server) (map[string]any, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.APIURL()+"apps.connections.open", nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+DefaultAppToken)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	out := decode(t, resp)
	link, _ := out["url"].(string)
	return out, link
}

// wire is a Socket Mode client without any comfort.
type wire struct {
	*websocket.Conn
	t *testing.T
}

func dial(t *testing.T, s *Server) wire {
	t.Helper()
	_, link := open(t, s)
	conn, _, err := (&websocket.Dialer{WriteBufferSize: 32 << 10}).DialContext(t.Context(), link, nil)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	w := wire{conn, t}
	if hello := w.next(); hello["type"] != "hello" {
		t.Fatalf("the first frame is %v", hello)
	}
	return w
}

func (w wire) next() map[string]any {
	w.t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(5 * time.Second))
	var out map[string]any
	if err := w.ReadJSON(&out); err != nil {
		w.t.Fatalf("reading a frame: %v", err)
	}
	return out
}

// end reads until the connection ends.
func (w wire) end() error {
	_ = w.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		if _, _, err := w.ReadMessage(); err != nil {
			return err
		}
	}
}

func (w wire) ack(envelope any, payload string) {
	w.t.Helper()
	body := fmt.Sprintf(`{"envelope_id":%q}`, envelope)
	if payload != "" {
		body = fmt.Sprintf(`{"envelope_id":%q,"payload":%s}`, envelope, payload)
	}
	must(w.t, w.WriteMessage(websocket.TextMessage, []byte(body)))
}

const event = `{"type":"app_home_opened","user":"U0ADA"}`

func TestHello(t *testing.T) {
	s := Start(t, Config{})
	out, link := open(t, s)
	if out["ok"] != true || !strings.Contains(link, "/link/?") || !strings.Contains(link, "app_id="+DefaultAppID) ||
		!strings.HasPrefix(link, "ws://") {
		t.Fatalf("apps.connections.open: %v", out)
	}
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), link, nil)
	must(t, err)
	defer conn.Close()
	var hello socketmode.Request
	must(t, conn.ReadJSON(&hello))
	if hello.Type != "hello" || hello.NumConnections != 1 || hello.ConnectionInfo.AppID != DefaultAppID ||
		hello.DebugInfo.Host == "" || hello.DebugInfo.ApproximateConnectionTime == 0 {
		t.Errorf("hello %+v", hello)
	}
	if _, resp, err := websocket.DefaultDialer.DialContext(t.Context(), link, nil); err == nil ||
		resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a ticket worked twice: %v", err)
	}
	s.RefuseSockets(true)
	_, link = open(t, s)
	if _, _, err := websocket.DefaultDialer.DialContext(t.Context(), link, nil); err == nil {
		t.Error("a refused socket opened")
	}
	s.RefuseSockets(false)
	if st := s.SocketStats(); st.Opened != 1 || st.Refused != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestAcks(t *testing.T) {
	s := Start(t, Config{AckTimeout: 300 * time.Millisecond, RetryDelays: []time.Duration{}})
	w := dial(t, s)

	d := s.Deliver(json.RawMessage(event))
	env := w.next()
	if env["type"] != "events_api" || env["accepts_response_payload"] != false || env["retry_attempt"] != float64(0) {
		t.Errorf("envelope %v", env)
	}
	payload := env["payload"].(map[string]any)
	for _, key := range []string{"token", "team_id", "api_app_id", "event", "type", "event_id", "event_time",
		"authorizations"} {
		if payload[key] == nil {
			t.Errorf("the payload lacks %s", key)
		}
	}
	w.ack(env["envelope_id"], `{"text":"events take no payload"}`)
	must(t, d.Wait(t.Context()))
	w.ack(env["envelope_id"], "")
	w.ack("nobody", "")
	must(t, w.WriteMessage(websocket.TextMessage, []byte("hello?")))
	must(t, w.WriteMessage(websocket.BinaryMessage, []byte("{}")))

	// Too large: dropped, so the envelope times out; afterwards it is late.
	d = s.Deliver(json.RawMessage(event))
	env = w.next()
	w.ack(env["envelope_id"], `"`+rep(MaxAck)+`"`)
	if err := d.Wait(t.Context()); err == nil || d.Outcome() != OutcomeTimeout {
		t.Errorf("an oversized acknowledgement counted: %v", err)
	}
	w.ack(env["envelope_id"], "")

	// In two frames: dropped. A ping between them is answered.
	d = s.Deliver(json.RawMessage(event))
	env = w.next()
	body := fmt.Sprintf(`{"envelope_id":%q}`, env["envelope_id"])
	writeFragments(t, w.Conn, body[:5], body[5:])
	if err := d.Wait(t.Context()); err == nil {
		t.Error("a fragmented acknowledgement counted")
	}
	// The next one in a single frame counts again.
	d = s.Deliver(json.RawMessage(event))
	env = w.next()
	w.ack(env["envelope_id"], "")
	must(t, d.Wait(t.Context()))

	want := SocketStats{Opened: 1, Sent: 4, Acks: 2, LateAcks: 1, DuplicateAcks: 1, UnknownAcks: 1, OversizedAcks: 1,
		FragmentedMessages: 1, BadMessages: 2, UnexpectedPayloads: 1, Timeouts: 2, ClientPings: 1}
	if got := s.SocketStats(); got != want {
		t.Errorf("stats\n got %+v\nwant %+v", got, want)
	}
}

// writeFragments writes one text message in two frames, with a zero masking key.
func writeFragments(t *testing.T, c *websocket.Conn, first, second string) {
	t.Helper()
	frame := func(head byte, s string) []byte {
		return append([]byte{head, 0x80 | byte(len(s)), 0, 0, 0, 0}, s...)
	}
	_, err := c.NetConn().Write(frame(0x01, first))
	must(t, err)
	_, err = c.NetConn().Write(frame(0x89, "")) // a ping may stand in between
	must(t, err)
	_, err = c.NetConn().Write(frame(0x80, second))
	must(t, err)
}

func TestRedelivery(t *testing.T) {
	s := Start(t, Config{AckTimeout: 150 * time.Millisecond,
		RetryDelays: []time.Duration{0, time.Millisecond, time.Millisecond}})
	w := dial(t, s)
	d := s.Deliver(json.RawMessage(event))
	ids := map[any]bool{}
	for i := range 4 {
		env := w.next()
		ids[env["envelope_id"]] = true
		if env["retry_attempt"] != float64(i) || (i > 0) != (env["retry_reason"] == "timeout") {
			t.Errorf("attempt %d: %v %v", i, env["retry_attempt"], env["retry_reason"])
		}
		if id := env["payload"].(map[string]any)["event_id"]; id != d.EventID {
			t.Errorf("attempt %d has event %v, want %s", i, id, d.EventID)
		}
	}
	if err := d.Wait(t.Context()); err == nil || d.Outcome() != OutcomeTimeout {
		t.Errorf("given up: %v", err)
	}
	if len(ids) != 4 || len(d.Attempts()) != 4 {
		t.Errorf("%d envelopes, %d attempts", len(ids), len(d.Attempts()))
	}
	// An acknowledged attempt ends it.
	d = s.Deliver(json.RawMessage(event))
	w.next()
	w.ack(w.next()["envelope_id"], "")
	must(t, d.Wait(t.Context()))
	if n := len(d.Attempts()); n != 2 {
		t.Errorf("%d attempts", n)
	}
}

func TestNoConnection(t *testing.T) {
	s := Start(t, Config{RetryDelays: []time.Duration{0}})
	d := s.Deliver(json.RawMessage(event))
	if err := d.Wait(t.Context()); err == nil || d.Outcome() != OutcomeNoApp || len(d.Attempts()) != 2 {
		t.Errorf("got %v after %d attempts", err, len(d.Attempts()))
	}
}

func TestManyConnections(t *testing.T) {
	s := Start(t, Config{})
	var all []wire
	for range MaxSockets {
		all = append(all, dial(t, s))
	}
	_, link := open(t, s)
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), link, nil)
	must(t, err)
	one := wire{conn, t}
	defer conn.Close()
	if f := one.next(); f["type"] != "disconnect" || f["reason"] != ReasonTooMany {
		t.Errorf("the eleventh got %v", f)
	}
	if err := one.end(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("then %v", err)
	}

	// Each event goes to exactly one connection, and not always to the same. Acknowledge on the first one.
	type got struct {
		conn int
		id   any
	}
	frames := make(chan got)
	for i, w := range all {
		go func() {
			for {
				var f map[string]any
				if w.ReadJSON(&f) != nil {
					return
				}
				select {
				case frames <- got{i, f["envelope_id"]}:
				case <-t.Context().Done():
					return
				}
			}
		}()
	}
	hit, other := map[int]bool{}, 0
	for range 40 {
		d := s.Deliver(json.RawMessage(event))
		f := <-frames
		hit[f.conn] = true
		if f.conn != 0 {
			other++
		}
		all[0].ack(f.id, "")
		must(t, d.Wait(t.Context()))
	}
	if st := s.SocketStats(); st.Sent != 40 || st.Acks != 40 || st.AcksOnOtherConnection != other || st.TooMany != 1 {
		t.Errorf("stats %+v, want %d acks on other connections", st, other)
	}
	if len(hit) < 5 {
		t.Errorf("only %d connections were used", len(hit))
	}
}

func TestPings(t *testing.T) {
	s := Start(t, Config{PingInterval: 50 * time.Millisecond})
	w := dial(t, s)
	pings, pongs := make(chan string, 100), make(chan string, 100)
	w.SetPingHandler(func(data string) error {
		pings <- data
		return w.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	w.SetPongHandler(func(data string) error { pongs <- data; return nil })
	ended := make(chan error, 1)
	go func() { ended <- w.end() }()
	must(t, w.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second)))
	if got := <-pongs; got != "are you there" {
		t.Errorf("pong %q", got)
	}
	for range 5 {
		<-pings
	}
	// Who does not answer is dropped.
	mute := dial(t, s)
	mute.SetPingHandler(func(string) error { return nil })
	if err := mute.end(); err == nil || isTimeout(err) {
		t.Errorf("a mute client was kept: %v", err)
	}
	select {
	case err := <-ended:
		t.Errorf("the answering client was dropped: %v", err)
	default:
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

func TestDisconnects(t *testing.T) {
	s := Start(t, Config{WarningLead: 50 * time.Millisecond})
	w := dial(t, s)
	s.Disconnect(ReasonWarning)
	if f := w.next(); f["type"] != "disconnect" || f["reason"] != "warning" {
		t.Errorf("got %v", f)
	}
	// It still works until it is closed.
	d := s.Deliver(json.RawMessage(event))
	w.ack(w.next()["envelope_id"], "")
	must(t, d.Wait(t.Context()))
	if err := w.end(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after the warning: %v", err)
	}

	w = dial(t, s)
	s.Disconnect(ReasonRefresh)
	if f := w.next(); f["reason"] != "refresh_requested" {
		t.Errorf("got %v", f)
	}
	must(t, ignore(w.end()))

	w = dial(t, s)
	s.DropSockets()
	if err := w.end(); err == nil || websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("a dropped socket ended with %v", err)
	}

	w = dial(t, s)
	s.SetSocketMode(false)
	if f := w.next(); f["reason"] != "link_disabled" {
		t.Errorf("got %v", f)
	}
	must(t, ignore(w.end()))
	if out, _ := open(t, s); out["ok"] != false {
		t.Errorf("opened although Socket Mode is off: %v", out)
	}
	s.SetSocketMode(true)
	dial(t, s)
}

func ignore(error) error { return nil }

func TestHalfOpen(t *testing.T) {
	s := Start(t, Config{PingInterval: 10 * time.Millisecond, AckTimeout: 20 * time.Millisecond,
		RetryDelays: []time.Duration{}})
	w := dial(t, s)
	s.HalfOpenSockets()
	d := s.Deliver(json.RawMessage(event))
	if err := d.Wait(t.Context()); err == nil {
		t.Error("delivered over a half-open connection")
	}
	must(t, w.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
	_ = w.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	w.SetPongHandler(func(string) error { t.Error("a half-open connection answered"); return nil })
	if _, _, err := w.ReadMessage(); !isTimeout(err) {
		t.Errorf("want silence, got %v", err)
	}
	if len(s.Sockets()) != 1 || !s.Sockets()[0].Open() {
		t.Error("the half-open connection is gone")
	}
	w.Close()
	must(t, s.WaitFor(t.Context(), func() bool { return len(s.Sockets()) == 0 }))
}

// TestSocketModeClient runs slack-go's own client through a refresh, a reset and an event.
func TestSocketModeClient(t *testing.T) {
	s := Start(t, Config{})
	sm := socketmode.New(client(s), socketmode.OptionLog(log.New(io.Discard, "", 0)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sm.RunContext(ctx) }()
	next := func(want socketmode.EventType) socketmode.Event {
		t.Helper()
		for {
			select {
			case e := <-sm.Events:
				if e.Type == want {
					return e
				}
				if e.Type == socketmode.EventTypeErrorBadMessage {
					t.Fatalf("the client does not understand: %+v", e.Data)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("no %s", want)
			}
		}
	}
	next(socketmode.EventTypeHello)
	s.Disconnect(ReasonRefresh)
	next(socketmode.EventTypeHello)
	s.DropSockets()
	next(socketmode.EventTypeHello)

	must(t, s.WaitFor(t.Context(), func() bool { return s.Connected() == 1 }))
	d := s.OpenHome(UserAda)
	e := next(socketmode.EventTypeEventsAPI)
	must(t, sm.AckCtx(t.Context(), e.Request.EnvelopeID, nil))
	must(t, d.Wait(t.Context()))

	cmd := s.SlashCommand(UserAda, ChannelOps, "/nodes", "list")
	e = next(socketmode.EventTypeSlashCommand)
	if got := e.Data.(slack.SlashCommand); got.Command != "/nodes" || got.UserID != UserAda ||
		got.ChannelName != "ops-nodes" || got.TriggerID == "" || got.APIAppID != DefaultAppID ||
		got.TeamDomain != DefaultTeamDomain {
		t.Errorf("command %+v", got)
	}
	must(t, sm.AckCtx(t.Context(), e.Request.EnvelopeID, map[string]any{"text": "42 nodes"}))
	m, err := cmd.Answer(t.Context())
	must(t, err)
	if m.Text != "42 nodes" || !m.Ephemeral || m.To != UserAda {
		t.Errorf("answer %+v", m)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("RunContext: %v", err)
	}
}

// TestClose checks that Close ends everything that hangs.
func TestClose(t *testing.T) {
	s := Start(t, Config{})
	w := dial(t, s)
	s.Fail("auth.test", 0, HangUp())
	hung := make(chan error, 1)
	go func() {
		_, err := client(s).AuthTest()
		hung <- err
	}()
	d := s.Deliver(json.RawMessage(event))
	w.next()
	sub := s.Subscribe()
	must(t, s.WaitFor(t.Context(), func() bool { return s.SocketStats().Sent == 1 }))
	s.Close()
	if err := <-hung; err == nil {
		t.Error("a hanging call succeeded")
	}
	if err := d.Wait(t.Context()); err == nil || d.Outcome() != OutcomeClosed {
		t.Errorf("delivery: %v", err)
	}
	must(t, ignore(w.end()))
	for {
		if _, err := sub.Next(t.Context()); err != nil {
			break
		}
	}
	if err := s.Deliver(json.RawMessage(event)).Wait(t.Context()); err == nil {
		t.Error("delivered after Close")
	}
	s.Close()
}
