package slackemu

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// MaxSockets is how many connections an app may have open (docs.slack.dev/apis/events-api/using-socket-mode).
	MaxSockets = 10
	// MaxAck is the size in bytes from which acknowledgements are dropped without a word. slack-go measured 20 KB; the
	// smaller reading of that is taken.
	MaxAck = 20_000
	// maxEnvelopes is how many are remembered before old ones are cleared away.
	maxEnvelopes = 10_000
	// writeWait is how long a frame may take to be written before the socket counts as dead.
	writeWait = 5 * time.Second
)

// Disconnect reasons.
const (
	ReasonWarning  = "warning"             // the close follows after Config.WarningLead
	ReasonRefresh  = "refresh_requested"   // every few hours
	ReasonDisabled = "link_disabled"       // Socket Mode was switched off
	ReasonTooMany  = "too_many_websockets" // reported
)

// SocketStats counts what happened on all sockets.
type SocketStats struct {
	Opened, Closed int // connections that got their hello, and those of them that ended
	Refused        int // handshakes with no or a wrong ticket, or refused on demand
	TooMany        int // connections beyond MaxSockets

	Sent                  int // envelopes
	Acks                  int // first acknowledgements in time
	LateAcks              int // after the time-out
	DuplicateAcks         int
	UnknownAcks           int // of envelopes that never were
	OversizedAcks         int // dropped
	FragmentedMessages    int // dropped: Slack does not put continuation frames together
	BadMessages           int // dropped: not JSON, binary, or without an envelope_id
	AcksOnOtherConnection int // accepted, though another connection had delivered the envelope
	UnexpectedPayloads    int // ignored: the envelope takes no payload
	InvalidPayloads       int // payloads that Slack would refuse, such as a bad message
	Timeouts              int // envelopes without an acknowledgement in time
	ClientPings           int
}

// SocketStats returns the counts so far.
func (s *Server) SocketStats() SocketStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socketStats
}

// Socket is one open Socket Mode connection, seen from Slack.
type Socket struct {
	ID       int // 1 for the first one
	OpenedAt time.Time

	s      *Server
	ws     *websocket.Conn
	frames *frameWatch
	write  sync.Mutex // gorilla allows one writer at a time
	half   atomic.Bool
	pong   atomic.Int64 // Unix ns of the last sign of life
	closed chan struct{}
	once   sync.Once
	said   bool // hello sent; mu of the server
	left   bool // the end was announced and follows at once; guarded by write
}

// Sockets returns the open connections, oldest first.
func (s *Server) Sockets() []*Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

// Connected says how many connections are open and take envelopes; their hello is on its way or there.
func (s *Server) Connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.conns {
		if c.said {
			n++
		}
	}
	return n
}

// RefuseSockets makes handshakes fail with HTTP 503, or work again. Tickets are still given out.
func (s *Server) RefuseSockets(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuseConns = on
}

// SetSocketMode switches Socket Mode on or off for the app. Off sends link_disabled to all connections, closes them,
// and
// makes apps.connections.open fail.
func (s *Server) SetSocketMode(on bool) {
	s.mu.Lock()
	s.modeOff = !on
	s.mu.Unlock()
	if !on {
		s.Disconnect(ReasonDisabled)
	}
}

// Disconnect sends a disconnect frame to all connections and closes them, for ReasonWarning after Config.WarningLead.
// ReasonDisabled switches Socket Mode off too.
func (s *Server) Disconnect(reason string) {
	for _, c := range s.Sockets() {
		c.Disconnect(reason)
	}
}

// DropSockets resets all connections (TCP RST).
func (s *Server) DropSockets() {
	for _, c := range s.Sockets() {
		c.Drop()
	}
}

// HalfOpenSockets makes all connections half-open; see Socket.HalfOpen.
func (s *Server) HalfOpenSockets() {
	for _, c := range s.Sockets() {
		c.HalfOpen()
	}
}

func connectionsOpen(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.modeOff {
		// What Slack calls this is not documented; clients must take any refusal here.
		return nil, refuse("socket_mode_not_enabled")
	}
	ticket := s.secret()
	s.tickets[ticket] = true
	query := url.Values{"ticket": {ticket}, "app_id": {s.cfg.AppID}}
	return answer{"url": scheme(req.http, "ws") + "://" + req.http.Host + pathLink + "?" + query.Encode()}, nil
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	call := Call{Method: MethodSocket, At: time.Now()}
	fault, struck := s.strike(call)
	if struck {
		call.Fault = fault.Name
		if !s.pause(r, fault.Delay) || fault.fails() {
			call.Status, call.Error, _ = fault.logged()
			s.log(&call)
			fault.answer(s, w, r)
			return
		}
	}
	s.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	known := s.tickets[ticket] && r.URL.Query().Get("app_id") == s.cfg.AppID
	refused := s.refuseConns || s.modeOff
	if !known || refused {
		s.socketStats.Refused++
	}
	if !refused {
		delete(s.tickets, ticket) // a ticket works once
	}
	s.mu.Unlock()
	if !known || refused {
		call.Status, call.Error = http.StatusUnauthorized, "invalid_ticket"
		if refused {
			call.Status, call.Error = http.StatusServiceUnavailable, "refused"
		}
		s.log(&call)
		http.Error(w, call.Error, call.Status)
		return
	}

	watch := &frameWatch{}
	upgrader := websocket.Upgrader{
		ReadBufferSize: 4096, // set, so that reads go through the watched connection
		CheckOrigin:    func(*http.Request) bool { return true },
	}
	ws, err := upgrader.Upgrade(watchedWriter{w, watch}, r, nil)
	if err != nil {
		call.Status, call.Error = http.StatusBadRequest, "handshake_failed"
		s.log(&call)
		return
	}
	call.Status, call.Effect = http.StatusOK, true
	s.log(&call)

	c := &Socket{s: s, ws: ws, frames: watch, closed: make(chan struct{}), OpenedAt: time.Now()}
	c.pong.Store(time.Now().UnixNano())
	ws.SetReadLimit(1 << 20)
	ws.SetPongHandler(func(string) error {
		c.pong.Store(time.Now().UnixNano())
		return nil
	})
	ws.SetPingHandler(func(data string) error {
		if c.half.Load() {
			return nil
		}
		c.pong.Store(time.Now().UnixNano())
		s.count(func(st *SocketStats) { st.ClientPings++ })
		_ = ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWait))
		return nil
	})

	echoClose := ws.CloseHandler()
	ws.SetCloseHandler(func(code int, text string) error {
		if c.half.Load() {
			return nil
		}
		c.write.Lock() // nothing is given to a connection that the app closes
		c.left = true
		c.write.Unlock()
		return echoClose(code, text)
	})

	s.mu.Lock()
	tooMany := len(s.conns) >= MaxSockets
	if s.closed {
		s.mu.Unlock()
		c.shut()
		return
	}
	if tooMany {
		s.socketStats.TooMany++
	} else {
		s.connSeq++
		c.ID = s.connSeq
		s.conns = append(s.conns, c)
	}
	n := len(s.conns)
	s.mu.Unlock()
	if tooMany {
		c.send(disconnectFrame(ReasonTooMany))
		c.bye()
		return
	}
	defer c.gone()
	// The connection takes envelopes from now on; the lock keeps them behind the hello.
	c.write.Lock()
	s.mu.Lock()
	c.said = true
	s.socketStats.Opened++
	s.changed(Change{Kind: ChangeSocket})
	s.mu.Unlock()
	err = c.sendLocked(map[string]any{
		"type": "hello", "num_connections": n, "connection_info": map[string]any{"app_id": s.cfg.AppID},
		"debug_info": map[string]any{"host": "applink-emulator-1", "build_number": 1, "approximate_connection_time": 18060},
	})
	c.write.Unlock()
	if err != nil {
		return
	}
	s.run(c.ping)
	c.read()
}

func (s *Server) count(f func(*SocketStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.socketStats)
}

// send writes one JSON frame. A half-open connection swallows it.
func (c *Socket) send(val any) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.sendLocked(val)
}

func (c *Socket) sendLocked(val any) error {
	if c.half.Load() {
		return nil
	}
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeWait))
	return c.ws.WriteMessage(websocket.TextMessage, mustJSON(val))
}

// ping sends a ping at every interval and closes the connection when no pong comes back for three.
func (c *Socket) ping() {
	every := c.s.cfg.PingInterval
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-c.closed:
			return
		case <-t.C:
		}
		if c.half.Load() {
			continue // held until the client gives up
		}
		if time.Since(time.Unix(0, c.pong.Load())) > 3*every {
			c.shut()
			return
		}
		_ = c.ws.WriteControl(websocket.PingMessage, []byte("Ping from applink-emulator-1"), time.Now().Add(writeWait))
	}
}

func (c *Socket) read() {
	for {
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		if c.half.Load() {
			continue // arrives nowhere
		}
		c.pong.Store(time.Now().UnixNano())
		c.s.received(c, kind, data, c.frames.fragmented())
	}
}

// gone takes the connection off the list.
func (c *Socket) gone() {
	c.shut()
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = slices.DeleteFunc(s.conns, func(x *Socket) bool { return x == c })
	if c.said {
		s.socketStats.Closed++
	}
	s.changed(Change{Kind: ChangeSocket})
}

// shut closes the connection without a close frame.
func (c *Socket) shut() {
	c.once.Do(func() {
		close(c.closed)
		_ = c.ws.Close()
	})
}

// bye closes the connection with a close frame.
func (c *Socket) bye() {
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""),
		time.Now().Add(writeWait))
	c.shut()
}

// Open says whether the connection is open, half-open included.
func (c *Socket) Open() bool {
	select {
	case <-c.closed:
		return false
	default:
		return true
	}
}

// Drop resets the connection (TCP RST).
func (c *Socket) Drop() {
	if w, ok := c.ws.NetConn().(*watchedConn); ok {
		reset(w.Conn)
	}
	c.shut()
}

// HalfOpen stops all reading, writing and pinging without closing: the client sees silence. It cannot be undone; the
// client must hang up, or Close ends it.
func (c *Socket) HalfOpen() {
	c.write.Lock() // lets a frame under way finish
	defer c.write.Unlock()
	c.half.Store(true)
}

// Disconnect sends a disconnect frame and closes the connection; see Server.Disconnect.
func (c *Socket) Disconnect(reason string) {
	if reason == ReasonDisabled {
		c.s.mu.Lock()
		c.s.modeOff = true
		c.s.mu.Unlock()
	}
	c.write.Lock()
	_ = c.sendLocked(disconnectFrame(reason))
	c.left = reason != ReasonWarning
	c.write.Unlock()
	if reason != ReasonWarning {
		c.bye()
		return
	}
	c.s.run(func() {
		t := time.NewTimer(c.s.cfg.WarningLead)
		defer t.Stop()
		select {
		case <-t.C:
			c.bye()
		case <-c.closed:
		}
	})
}

func disconnectFrame(reason string) map[string]any {
	return map[string]any{"type": "disconnect", "reason": reason,
		"debug_info": map[string]any{"host": "applink-emulator-1"}}
}

// envelope is one frame that waits for its acknowledgement. Its fields are set before it is published; the rest is
// mu's.
type envelope struct {
	id       string
	accepts  bool
	socket   *Socket
	ack      chan json.RawMessage // cap 1: the payload
	sentAt   time.Time
	acked    bool
	timedOut bool
}

// received handles a message from the client: only acknowledgements come.
func (s *Server) received(c *Socket, kind int, data []byte, fragmented bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.socketStats
	var ack struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload"`
	}
	switch {
	case fragmented:
		st.FragmentedMessages++
		return
	case len(data) >= MaxAck:
		st.OversizedAcks++
		return
	case kind != websocket.TextMessage || json.Unmarshal(data, &ack) != nil || ack.EnvelopeID == "":
		st.BadMessages++
		return
	}
	env := s.envelopes[ack.EnvelopeID]
	switch {
	case env == nil:
		st.UnknownAcks++
		return
	case env.acked:
		st.DuplicateAcks++
		return
	case env.timedOut:
		st.LateAcks++
		env.acked = true
		return
	}
	env.acked = true
	st.Acks++
	if env.socket != c {
		st.AcksOnOtherConnection++
	}
	payload := bytes.TrimSpace(ack.Payload)
	if bytes.Equal(payload, []byte("null")) || bytes.Equal(payload, []byte("{}")) || bytes.Equal(payload, []byte(`""`)) {
		payload = nil // Bolt sends {} for an empty acknowledgement
	}
	if payload != nil && !env.accepts {
		st.UnexpectedPayloads++
		payload = nil
	}
	env.ack <- payload
}

// sendEnvelope gives an envelope to one connection; nil if there is none.
func (s *Server) sendEnvelope(kind string, accepts bool, payload json.RawMessage, attempt int,
	reason string) *envelope {
	c := s.takeSocket()
	if c == nil {
		return nil
	}
	defer c.write.Unlock()
	s.mu.Lock()
	hex := s.secret()
	env := &envelope{
		id:      fmt.Sprintf("%s-%s-%s-%s-%s", hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:]),
		accepts: accepts, socket: c, ack: make(chan json.RawMessage, 1), sentAt: time.Now(),
	}
	if len(s.envelopes) >= maxEnvelopes { // those long done are forgotten; their late acknowledgements count as unknown
		maps.DeleteFunc(s.envelopes, func(_ string, e *envelope) bool {
			return (e.acked || e.timedOut) && time.Since(e.sentAt) > time.Minute
		})
	}
	s.envelopes[env.id] = env
	s.socketStats.Sent++
	s.changed(Change{Kind: ChangeDelivery})
	s.mu.Unlock()

	frame := map[string]any{"envelope_id": env.id, "type": kind, "payload": payload, "accepts_response_payload": accepts}
	if kind == "events_api" {
		frame["retry_attempt"], frame["retry_reason"] = attempt, reason
	}
	_ = c.sendLocked(frame) // a frame that cannot be written is lost, as it would be
	return env
}

// takeSocket chooses a connection that takes envelopes and locks its write; nil if there is none. Nothing is given to a
// connection behind the frame that announced its end.
func (s *Server) takeSocket() *Socket {
	left := map[*Socket]bool{}
	for {
		s.mu.Lock()
		var ready []*Socket
		for _, c := range s.conns {
			// A connection that has not answered pings for three intervals would have been closed by Slack.
			alive := time.Since(time.Unix(0, c.pong.Load())) <= 3*s.cfg.PingInterval
			if c.said && c.Open() && alive && !left[c] {
				ready = append(ready, c)
			}
		}
		if len(ready) == 0 {
			s.mu.Unlock()
			return nil
		}
		c := ready[s.rand.IntN(len(ready))]
		s.mu.Unlock()
		c.write.Lock()
		if !c.left {
			return c
		}
		c.write.Unlock()
		left[c] = true
	}
}

// frameWatch follows the frames of a byte stream from a client, to know which messages came in several frames.
type frameWatch struct {
	head    []byte // of the frame whose header is being read
	skip    uint64 // payload bytes still to come
	partial bool   // the current message has had a frame without FIN

	mu   sync.Mutex
	done []bool // for each complete data message: was it fragmented
}

// feed takes the next bytes of the stream.
func (f *frameWatch) feed(p []byte) {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, uint64(len(p)))
			f.skip -= n
			p = p[n:]
			continue
		}
		f.head = append(f.head, p[0])
		p = p[1:]
		if len(f.head) < 2 {
			continue
		}
		need, size := 6, uint64(f.head[1]&0x7f) // clients always mask: 4 bytes of key
		switch size {
		case 126:
			need = 8
		case 127:
			need = 14
		}
		if len(f.head) < need {
			continue
		}
		switch size {
		case 126:
			size = uint64(binary.BigEndian.Uint16(f.head[2:]))
		case 127:
			size = binary.BigEndian.Uint64(f.head[2:])
		}
		fin, opcode := f.head[0]&0x80 != 0, f.head[0]&0x0f
		f.head, f.skip = f.head[:0], size
		if opcode >= 8 {
			continue // control frames may stand between the frames of a message
		}
		if !fin {
			f.partial = true
			continue
		}
		f.mu.Lock()
		f.done = append(f.done, f.partial)
		f.mu.Unlock()
		f.partial = false
	}
}

// fragmented tells of the next message that has been read.
func (f *frameWatch) fragmented() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.done) == 0 {
		return false
	}
	was := f.done[0]
	f.done = f.done[1:]
	return was
}

// watchedWriter makes the hijacked connection a watched one.
type watchedWriter struct {
	http.ResponseWriter
	watch *frameWatch
}

// Hijack takes over the connection.
func (w watchedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("hijacking: %w", err)
	}
	return &watchedConn{conn, w.watch}, rw, nil
}

type watchedConn struct {
	net.Conn
	watch *frameWatch
}

// Read reads and watches.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.watch.feed(p[:n])
	return n, err
}
