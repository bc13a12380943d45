package clustersim

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// outage is when the API cannot be reached.
type outage struct {
	mu    sync.Mutex
	until time.Time
	ch    chan struct{} // closed when an outage begins
}

// look reports whether the API is down, and returns a channel that the next outage closes.
func (o *outage) look(now time.Time) (down bool, cut <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.until), o.ch
}

// begin makes the API unreachable until the moment given; zero ends an outage.
func (o *outage) begin(until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until = until; !until.IsZero() {
		close(o.ch)
		o.ch = make(chan struct{})
	}
}

// end returns until when the API is down; zero if it is not.
func (o *outage) end(now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Before(o.until) {
		return o.until
	}
	return time.Time{}
}

// reset closes the connection of a request without a further word. Where the connection is TCP,
// the peer is told by a reset, as if the host were gone.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 cannot be hijacked; this resets its stream
	}
	raw := conn
	if t, ok := raw.(interface{ NetConn() net.Conn }); ok {
		raw = t.NetConn() // under TLS
	}
	if t, ok := raw.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	raw.Close()
}
