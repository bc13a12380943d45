package slackemu

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is one Slack workspace with one app installed. It is an http.Handler and safe for concurrent use. Its state
// lives as long as the Server does, whatever clients come and go.
type Server struct {
	cfg Config
	ctx context.Context // ends at Close
	end context.CancelFunc
	wg  sync.WaitGroup // every goroutine that the server starts

	mu     sync.Mutex
	closed bool
	base   string // where the server is reached; Config.BaseURL or as the last request found it
	rand   *rand.Rand
	seq    int // for ids

	lastTS   int64 // µs, of the newest message
	channels map[string]*channelState
	order    []string // channel ids as configured
	users    map[string]*User
	files    map[string]*File
	views    map[string]*View
	modals   map[string][]string // user id → open modals, bottom first
	homes    map[string]string   // user id → home view id
	triggers map[string]*trigger
	urls     map[string]*responseURL
	directs  []string            // ids of direct messages, in the order of their opening
	prompts  map[string]*Prompts // by channel id
	statuses map[string]status   // by channel id and thread
	titles   map[string]string   // the same

	calls   []Call
	callSeq int
	counts  map[string]*Count
	limits  map[string]*bucket
	limited bool
	rules   []*Rule
	outage  Outage

	tickets     map[string]bool
	conns       []*Socket
	connSeq     int
	refuseConns bool
	modeOff     bool // after link_disabled
	envelopes   map[string]*envelope
	socketStats SocketStats

	subs      map[*Subscription]bool
	changeSeq int
}

// New returns a workspace. It starts no goroutine; Close ends those that later calls start.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	ctx, end := context.WithCancel(context.Background())
	s := &Server{
		cfg: cfg, ctx: ctx, end: end,
		base:     strings.TrimRight(cfg.BaseURL, "/"),
		rand:     rand.New(rand.NewPCG(cfg.Seed, cfg.Seed)),
		channels: map[string]*channelState{}, users: map[string]*User{}, files: map[string]*File{}, views: map[string]*View{},
		modals: map[string][]string{}, homes: map[string]string{}, triggers: map[string]*trigger{},
		urls: map[string]*responseURL{}, prompts: map[string]*Prompts{}, statuses: map[string]status{},
		titles: map[string]string{},
		counts: map[string]*Count{}, limits: map[string]*bucket{}, limited: !cfg.NoRateLimits,
		tickets: map[string]bool{}, envelopes: map[string]*envelope{}, subs: map[*Subscription]bool{},
	}
	for _, c := range cfg.Channels {
		s.channels[c.ID] = &channelState{Channel: c}
		s.order = append(s.order, c.ID)
	}
	for _, u := range cfg.Users {
		s.users[u.ID] = &u
	}
	return s
}

// TB is the part of testing.TB that Start needs; programs that embed the server stay free of package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start serves a new workspace on loopback until the test ends. The API URL for clients is APIURL.
func Start(tb TB, cfg Config) *Server {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("starting the Slack emulator: %v", err)
	}
	s := New(cfg)
	s.SetBaseURL("http://" + ln.Addr().String())
	srv := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln) // ends with ErrServerClosed
	}()
	tb.Cleanup(func() {
		s.stop() // hanging answers end
		_ = srv.Close()
		<-served
		s.Close()
	})
	return s
}

// Close closes every socket, ends hanging answers and pending redeliveries, and waits until all goroutines of the
// server have ended. The state can still be read.
func (s *Server) Close() {
	s.stop()
	s.wg.Wait()
}

func (s *Server) stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	for _, c := range s.Sockets() {
		c.shut()
	}
}

// run starts a goroutine that Close waits for; after Close it does nothing. Callers must not hold mu.
func (s *Server) run(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runLocked(f)
}

func (s *Server) runLocked(f func()) {
	if !s.closed {
		s.wg.Go(f)
	}
}

// SetBaseURL tells the server where it is reached, such as http://127.0.0.1:1234.
func (s *Server) SetBaseURL(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = strings.TrimRight(base, "/")
}

// APIURL is the Web API's base with a trailing slash, as clients want it.
func (s *Server) APIURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base + "/api/"
}

// Paths that the server answers; everything else is 404.
const (
	pathAPI      = "/api/"
	pathLink     = "/link/"
	pathUpload   = "/upload/v1/"
	pathResponse = "/commands/"
	pathFiles    = "/files-pri/"
)

// Pseudo-methods under which calls that are not Web API methods are logged, counted and made to fail.
const (
	MethodResponseURL = "response_url" // a POST to a response_url
	MethodUpload      = "upload"       // a POST of bytes to an upload URL
	MethodSocket      = "socket"       // the WebSocket handshake
)

// ServeHTTP answers the Web API under /api/, the sockets under /link/, uploads, response_urls and private files.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	// Handlers count as goroutines of the server, so that none changes the state after Close.
	s.wg.Add(1)
	if s.base == "" {
		s.base = scheme(r, "http") + "://" + r.Host
	}
	s.mu.Unlock()
	defer s.wg.Done()

	switch path := r.URL.Path; {
	case strings.HasPrefix(path, pathAPI):
		s.serveAPI(w, r, strings.TrimPrefix(path, pathAPI))
	case strings.HasPrefix(path, pathLink):
		s.serveSocket(w, r)
	case strings.HasPrefix(path, pathUpload):
		s.serveUpload(w, r, strings.TrimPrefix(path, pathUpload))
	case strings.HasPrefix(path, pathResponse):
		s.serveResponseURL(w, r, strings.TrimPrefix(path, pathResponse))
	case strings.HasPrefix(path, pathFiles):
		s.serveFile(w, r, strings.TrimPrefix(path, pathFiles))
	default:
		http.NotFound(w, r)
	}
}

func scheme(r *http.Request, plain string) string {
	if r.TLS != nil {
		return plain + "s"
	}
	return plain
}

// id makes an id such as V000000001A. Callers hold mu.
func (s *Server) id(prefix string) string {
	s.seq++
	return fmt.Sprintf("%s%09X", prefix, s.seq+0x1000)
}

// secret makes an unguessable-looking part of a URL; it is pseudo-random, as everything here is for tests.
func (s *Server) secret() string {
	return fmt.Sprintf("%016x%016x", s.rand.Uint64(), s.rand.Uint64())
}

// nextTS gives the ts of a new message: the current time in microseconds, unique and rising. Callers hold mu.
func (s *Server) nextTS() (string, time.Time) {
	now := time.Now()
	us := max(now.UnixMicro(), s.lastTS+1)
	s.lastTS = us
	return fmt.Sprintf("%d.%06d", us/1_000_000, us%1_000_000), now
}

// SetScopes replaces the scopes of a token.
func (s *Server) SetScopes(token string, scopes ...string) {
	s.editToken(token, func(t *Token) { t.Scopes = slices.Clone(scopes) })
}

// AddScope grants one more scope to a token.
func (s *Server) AddScope(token, scope string) {
	s.editToken(token, func(t *Token) { t.Scopes = append(t.Scopes, scope) })
}

// RemoveScope takes a scope from a token: calls that need it get missing_scope.
func (s *Server) RemoveScope(token, scope string) {
	s.editToken(token, func(t *Token) {
		t.Scopes = slices.DeleteFunc(t.Scopes, func(have string) bool { return have == scope })
	})
}

// RevokeToken makes a token answer token_revoked.
func (s *Server) RevokeToken(token string) { s.editToken(token, func(t *Token) { t.Revoked = true }) }

// DeactivateToken makes a token answer account_inactive.
func (s *Server) DeactivateToken(token string) {
	s.editToken(token, func(t *Token) { t.Inactive = true })
}

// RestoreToken undoes RevokeToken and DeactivateToken.
func (s *Server) RestoreToken(token string) {
	s.editToken(token, func(t *Token) { t.Revoked, t.Inactive = false, false })
}

func (s *Server) editToken(value string, edit func(*Token)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.cfg.Tokens {
		if s.cfg.Tokens[i].Value == value {
			edit(&s.cfg.Tokens[i])
		}
	}
}

// SetNotRolledOut replaces Config.NotRolledOut.
func (s *Server) SetNotRolledOut(types ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.NotRolledOut = slices.Clone(types)
}

// Config returns the workspace's configuration with its defaults filled in, as of New.
func (s *Server) Config() Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.withDefaults() // clones
}
