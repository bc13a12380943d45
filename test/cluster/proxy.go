package cluster

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and the API server, at TCP level, and makes the network's troubles on demand. It does
// not look into the encrypted stream: the API server's certificate is valid for its address too. All methods may be
// called while connections are open and act on them.
type Proxy struct {
	backend string
	address string

	diverted string // where new connections lead instead of to backend; "" for nowhere else; guarded by mu

	mu       sync.Mutex
	listener net.Listener       // nil while refusing
	links    map[*link]struct{} // open connections
	gate     chan struct{}      // closed while traffic flows
	stalled  bool
	latency  time.Duration
	rate     int // bytes a second and direction; 0 is unlimited
	accepted int
	closed   bool
}

// link is one client connection and its partner at the API server.
type link struct {
	client, server net.Conn
	done           chan struct{}
	once           sync.Once
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.done)
		l.client.Close()
		if l.server != nil {
			l.server.Close()
		}
	})
}

// Proxy starts a proxy in front of the API server; it ends with the test.
func (c *Cluster) Proxy(tb testing.TB) *Proxy {
	tb.Helper()
	target, err := url.Parse(c.URL())
	if err != nil {
		tb.Fatal(err)
	}
	p, err := newProxy(target.Host)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.close)
	return p
}

func newProxy(backend string) (*Proxy, error) {
	var busy error
	// Between finding a port and listening on it, another process may take it.
	for range 10 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		p := &Proxy{
			backend: backend,
			address: fmt.Sprintf("127.0.0.1:%d", port),
			links:   map[*link]struct{}{},
			gate:    make(chan struct{}),
		}
		close(p.gate)
		if busy = p.Accept(); busy == nil {
			return p, nil
		}
	}
	return nil, busy
}

// URL is the proxy's address to use in place of the API server's.
func (p *Proxy) URL() string { return "https://" + p.address }

// Cut closes every open connection. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

// Divert leads new connections to another address instead, until it is called with "". Open ones stay; see [Proxy.Cut].
func (p *Proxy) Divert(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.diverted = address
}

// Refuse answers new connections with "connection refused" until [Proxy.Accept]. Open ones stay; see [Proxy.Cut].
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

// Accept ends [Proxy.Refuse].
func (p *Proxy) Accept() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil || p.closed {
		return nil
	}
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("listening for the proxy: %w", err)
	}
	p.listener = listener
	go p.serve(listener)
	return nil
}

// Stall stops forwarding in both directions without closing anything, as a network does that drops packets: the
// peers see silence, on new connections too.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stalled {
		p.stalled = true
		p.gate = make(chan struct{})
	}
}

// Flow ends [Proxy.Stall]; what waited is delivered.
func (p *Proxy) Flow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled {
		p.stalled = false
		close(p.gate)
	}
}

// Slow delays each chunk of data (up to 32 kB) by latency and limits each direction of each connection to so many
// bytes a second. Zero values take the limits away.
func (p *Proxy) Slow(latency time.Duration, bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency, p.rate = latency, bytesPerSecond
}

// Open is how many client connections are open now.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Accepted is how many client connections there have been.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Refuse()
	p.Cut()
}

func (p *Proxy) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		l := &link{client: conn, done: make(chan struct{})}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			l.close()
			return
		}
		p.accepted++
		p.links[l] = struct{}{}
		p.mu.Unlock()
		go p.join(l)
	}
}

// join forwards both directions of a link until one ends.
func (p *Proxy) join(l *link) {
	defer func() {
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	p.mu.Lock()
	to := cmp.Or(p.diverted, p.backend)
	p.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		p.pass(l) // a stalled network does not even say that nobody is there
		return
	}
	p.mu.Lock()
	l.server = server
	p.mu.Unlock()
	select {
	case <-l.done: // cut while dialling
		server.Close()
		return
	default:
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.pump(l, server, l.client) })
	wg.Go(func() { p.pump(l, l.client, server) })
	wg.Wait()
}

// pump forwards one direction; it ends both when its source ends, which is what TLS peers do at the end anyway.
func (p *Proxy) pump(l *link, to io.Writer, from io.Reader) {
	defer l.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		latency, _ := p.speed()
		if !l.pause(latency) {
			return
		}
		for rest := buffer[:n]; len(rest) > 0; {
			piece := rest
			// The settings may have changed while the data waited.
			if _, rate := p.speed(); rate > 0 {
				piece = rest[:min(len(rest), max(1, rate/20))]
				if !l.pause(time.Duration(len(piece)) * time.Second / time.Duration(rate)) {
					return
				}
			}
			if !p.pass(l) {
				return
			}
			if _, err := to.Write(piece); err != nil {
				return
			}
			rest = rest[len(piece):]
		}
		// The end of a stream is news too, which a stalled network does not carry.
		if err != nil {
			p.pass(l)
			return
		}
	}
}

func (p *Proxy) speed() (latency time.Duration, bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latency, p.rate
}

// pause waits; it reports false when the link was cut meanwhile.
func (l *link) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-l.done:
		return false
	case <-time.After(d):
		return true
	}
}

// pass waits while the proxy is stalled; it reports false when the link was cut meanwhile.
func (p *Proxy) pass(l *link) bool {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-l.done:
		return false
	case <-gate:
		return true
	}
}
