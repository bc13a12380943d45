package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/deliver"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
	"golang.org/x/time/rate"
)

// The session speaks Socket Mode itself, on slack-go's types and its WebSocket library, because
// slack-go's own client keeps three things from us that the promise needs: the reason of a
// disconnect (link_disabled is final), whether an acknowledgement was sent on the connection
// that asked for it, and a second connection while the first is being refreshed.

// Limits of Socket Mode. Sources: docs.slack.dev, Using Socket Mode; the size of an ack as
// reported by slack-go's maintainers.
const (
	ackLimit     = 20_000           // bytes: Slack drops answers of 20 KB in silence
	ackWithin    = 3 * time.Second  // after that the person sees operation_timeout
	silence      = 35 * time.Second // Slack pings more often than every 30 s; a connection silent for longer is dead
	writeTimeout = 5 * time.Second
	maxEnvelope  = 4 << 20 // bytes of a frame that we read
	connections  = 2       // kept at once, so that one may be refreshed while the other listens
)

// An Envelope is a request from Slack: a slash command, an interaction or an event.
type Envelope struct {
	Type    string // slash_commands, interactive, events_api
	Payload json.RawMessage
	Retry   int
	App     string // the app that Slack greeted the connection as
}

// A Handler answers an envelope. What it returns is sent with the acknowledgement, nil for an
// empty one. It must return within ackWithin; ctx ends then.
type Handler func(ctx context.Context, e Envelope) any

// Session keeps Rollcall connected to Slack.
type Session struct {
	api    *slack.Client
	handle Handler
	log    *slog.Logger

	opens *rate.Limiter // connection attempts, over all connections
	alive atomic.Int32  // connections that said hello
	count counter       // of the app's connections

	mu    sync.Mutex
	seen  map[string]time.Time // envelope and event IDs handled, for dedupeFor; guarded by mu
	conns map[*conn]bool       // that Slack has greeted and that are being read; guarded by mu
}

// dedupeFor is how long an ID is remembered: longer than Slack's last redelivery, 5 minutes
// after the first.
const dedupeFor = 15 * time.Minute

// NewSession returns a Session whose envelopes go to handle. Run starts it.
func NewSession(api *slack.Client, handle Handler, log *slog.Logger) *Session {
	return &Session{api: api, handle: handle, log: log,
		opens: rate.NewLimiter(rate.Every(time.Second), 1), seen: map[string]time.Time{}, conns: map[*conn]bool{},
		count: counter{log: log, again: make(chan struct{}, 1), sure: countAgain}}
}

// Ready reports whether a connection is up that Slack has greeted.
func (s *Session) Ready() bool { return s.alive.Load() > 0 }

// Run keeps two connections until ctx ends, and returns nil then. It returns a *FatalError when
// Slack refuses the tokens or Socket Mode is switched off.
func (s *Session) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			if err := s.keep(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Go(func() { s.recount(ctx) })
	wg.Wait()
	if fatal, ok := errors.AsType[*deliver.FatalError](context.Cause(ctx)); ok {
		return fatal
	}
	return nil
}

// fatalError is the error of a session that no retry can mend.
func fatalError(code string, err error) error {
	return &deliver.FatalError{Sink: slackName, Code: code, Hint: Hint(code, ""), Err: err}
}

// switchedOff are the answers to opening a connection that no retry changes. What Slack says
// when Socket Mode is off is not documented; these are the codes seen and likely.
var switchedOff = []string{"missing_scope", "not_allowed", "link_disabled", "socket_mode_not_enabled"}

// keep keeps one connection: as soon as Slack announces its end, the next is opened while the
// old one still listens.
func (s *Session) keep(ctx context.Context) error {
	var old sync.WaitGroup
	defer old.Wait()
	var backoff time.Duration
	for ctx.Err() == nil {
		if err := s.opens.Wait(ctx); err != nil {
			return nil
		}
		c, err := s.connect(ctx)
		if err == nil {
			ended := make(chan error, 1)
			old.Go(func() { ended <- c.listen(ctx) })
			select {
			case <-c.replace:
				backoff = 0
				continue
			case err = <-ended:
			}
			if c.greeted.Load() {
				backoff = 0
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if fatal, ok := errors.AsType[*deliver.FatalError](err); ok {
			return fatal
		}
		v := judge(err, "")
		if v.Outcome == deliver.Fatal || slices.Contains(switchedOff, v.Code) {
			return fatalError(v.Code, err)
		}
		backoff = min(max(2*backoff, time.Second), 30*time.Second)
		pause := max(v.Wait, backoff/2+rand.N(backoff/2))
		s.log.Warn("Slack connection lost; connecting again", "err", err, "in", pause.Round(time.Millisecond).String())
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// conn is one Socket Mode connection.
type conn struct {
	s       *Session
	ws      *websocket.Conn
	write   sync.Mutex // guards writes to ws
	greeted atomic.Bool
	hello   chan struct{} // closed when Slack greets
	total   int           // connections of the app, ours too; set before hello is closed
	app     atomic.Value  // string: whom Slack greeted
	replace chan struct{} // closed when Slack announces the end
	once    sync.Once

	mu      sync.Mutex
	leaving bool      // Slack announced the end, or the connection ended; guarded by mu
	acks    []sentAck // those sent in the last ackWithin, oldest first; guarded by mu
}

// A sentAck is an acknowledgement that was written to a connection. Slack may have closed the
// connection before it read it.
type sentAck struct {
	frame []byte
	at    time.Time
}

// connect opens a connection. Its errors do not hold the URL, whose ticket is a secret.
func (s *Session) connect(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	_, wsURL, err := s.api.StartSocketModeContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening a Slack connection: %w", err)
	}
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: callTimeout,
		// An answer must go out in one frame: Slack does not put fragments together.
		WriteBufferSize: 2 * ackLimit}
	ws, res, err := dialer.DialContext(ctx, wsURL, nil)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		status := ""
		if res != nil {
			status = " (" + res.Status + ")"
		}
		return nil, fmt.Errorf("opening a Slack connection: %w%s", err, status)
	}
	ws.SetReadLimit(maxEnvelope)
	s.count.opened()
	return &conn{s: s, ws: ws, hello: make(chan struct{}), replace: make(chan struct{})}, nil
}

// listen reads until the connection ends.
func (c *conn) listen(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.ws.Close() })
	defer stop()
	defer c.ws.Close()
	defer func() {
		if c.greeted.Load() {
			c.s.alive.Add(-1)
		}
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		delete(c.s.conns, c)
	}()
	defer c.s.count.ended()
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer c.leave()
	alive := func() { c.ws.SetReadDeadline(time.Now().Add(silence)) }
	alive()
	c.ws.SetPingHandler(func(data string) error {
		alive()
		c.write.Lock()
		defer c.write.Unlock()
		return c.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeTimeout))
	})
	for {
		_, frame, err := c.ws.ReadMessage()
		if err != nil {
			return fmt.Errorf("reading from Slack: %w", err)
		}
		alive()
		if err := c.take(ctx, frame, &handlers); err != nil {
			return err
		}
	}
}

// take does what a frame asks for; envelopes are answered by handlers. It returns an error if the frame ends the
// connection.
func (c *conn) take(ctx context.Context, frame []byte, handlers *sync.WaitGroup) error {
	var req socketmode.Request
	if err := json.Unmarshal(frame, &req); err != nil {
		c.s.log.Warn("Slack sent a frame that is not JSON; ignoring it", "bytes", len(frame))
		return nil
	}
	switch req.Type {
	case "hello":
		c.app.Store(req.ConnectionInfo.AppID)
		if !c.greeted.Swap(true) {
			c.s.alive.Add(1)
			c.s.mu.Lock()
			c.s.conns[c] = true
			c.s.mu.Unlock()
			c.s.log.Info("connected to Slack", "connections", req.NumConnections, "app", req.ConnectionInfo.AppID)
			c.s.count.counted(req.NumConnections, time.Now())
			c.total = req.NumConnections
			close(c.hello)
		}
	case "disconnect":
		if req.Reason == "link_disabled" {
			return fatalError("link_disabled", errors.New("Socket Mode was switched off"))
		}
		c.s.log.Info("Slack is about to close a connection; opening another", "reason", req.Reason)
		if req.Reason == "too_many_websockets" {
			return errors.New("too many connections of this app; is another Rollcall running with the same token?")
		}
		c.once.Do(func() { close(c.replace) })
		c.leave()
	default:
		if req.EnvelopeID != "" {
			handlers.Go(func() { c.answer(ctx, req) })
		}
	}
	return nil
}

// answer acknowledges an envelope with what the handler says. Slack may deliver one twice: it
// is acknowledged again, and handled once.
func (c *conn) answer(ctx context.Context, req socketmode.Request) {
	var payload any
	if c.s.first(req.EnvelopeID, eventID(req)) {
		hctx, cancel := context.WithTimeout(ctx, ackWithin)
		app, _ := c.app.Load().(string)
		payload = c.s.safely(hctx, Envelope{App: app, Type: req.Type, Payload: req.Payload, Retry: req.RetryAttempt})
		cancel()
	}
	res, err := json.Marshal(socketmode.Response{EnvelopeID: req.EnvelopeID, Payload: payload})
	if err != nil || len(res) >= ackLimit || !req.AcceptsResponsePayload {
		if payload != nil && req.AcceptsResponsePayload {
			c.s.log.Error("an answer is too large for Slack; sending none", "type", req.Type, "bytes", len(res))
		}
		res, _ = json.Marshal(socketmode.Response{EnvelopeID: req.EnvelopeID})
	}
	err = c.send(res)
	if err == nil && c.stays(res) || c.sendElsewhere(res) {
		return
	}
	if err != nil {
		c.s.log.Warn("an acknowledgement did not reach Slack", "type", req.Type, "err", err)
	}
}

// stays reports whether the connection goes on after an acknowledgement was written to it, and keeps the
// acknowledgement for leave.
func (c *conn) stays(ack []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.acks = slices.DeleteFunc(c.acks, func(a sentAck) bool { return now.Sub(a.at) > ackWithin })
	c.acks = append(c.acks, sentAck{ack, now})
	return !c.leaving
}

// leave sends the last acknowledgements once more, on another connection: Slack closes this one, perhaps before it has
// read them. It does nothing when it is called again.
func (c *conn) leave() {
	c.mu.Lock()
	acks := c.acks
	if c.leaving {
		acks = nil
	}
	c.leaving, c.acks = true, nil
	c.mu.Unlock()
	for _, a := range acks {
		if time.Since(a.at) < ackWithin {
			c.sendElsewhere(a.frame)
		}
	}
}

// sendElsewhere writes an acknowledgement to another connection: Slack takes it on any. It reports whether it could.
func (c *conn) sendElsewhere(ack []byte) bool {
	for _, other := range c.s.others(c) {
		if other.send(ack) == nil && other.stays(ack) {
			return true
		}
	}
	return false
}

// send writes one frame.
func (c *conn) send(frame []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	c.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	return c.ws.WriteMessage(websocket.TextMessage, frame)
}

// others are the connections that are up beside c.
func (s *Session) others(c *conn) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*conn
	for o := range s.conns {
		if o != c {
			out = append(out, o)
		}
	}
	return out
}

// safely runs the handler: what it does wrong must not end the watch.
func (s *Session) safely(ctx context.Context, e Envelope) (payload any) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("answering Slack failed", "type", e.Type, "panic", fmt.Sprint(r))
			payload = nil
		}
	}()
	return s.handle(ctx, e)
}

// eventID is the ID of an event, which stays the same when it is delivered again in another
// envelope.
func eventID(req socketmode.Request) string {
	var p struct {
		EventID string `json:"event_id"`
	}
	if req.Type == socketmode.RequestTypeEventsAPI {
		json.Unmarshal(req.Payload, &p) // without an ID the envelope's serves
	}
	return p.EventID
}

// first reports whether none of the IDs was seen before, and remembers them.
func (s *Session) first(envelope, event string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for id, at := range s.seen {
		if now.Sub(at) > dedupeFor {
			delete(s.seen, id)
		}
	}
	id := cmp.Or(event, envelope)
	if _, ok := s.seen[id]; ok {
		return false
	}
	s.seen[id] = now
	return true
}
