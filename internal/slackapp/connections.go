package slackapp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Slack gives each payload to one of all connections of an app, whichever program holds them. When it greets a
// connection it says how many there are; that is the only time it does.

// How others' connections are told from our own that Slack has not missed yet: from those of a process that
// was killed, and from one that was just replaced.
const (
	countAgain = 2 * time.Minute // the second look, which decides
	countMore  = 5               // times as long until each later one
)

// ownApp is what to do about others' connections.
const ownApp = "give each Rollcall a Slack app of its own"

// A counter finds out whether others hold connections of our app too.
type counter struct {
	log   *slog.Logger
	again chan struct{} // a look is due, after a while; it holds one
	sure  time.Duration // countAgain

	mu     sync.Mutex
	own    int       // connections that we have open; guarded by mu
	more   time.Time // since when there may be others', zero if there are none; guarded by mu
	others int       // how many others' there are; 0 while that is not certain; guarded by mu
}

func (n *counter) opened() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.own++
}

// ended notes that one of our connections has ended. Slack may count it for a while yet.
func (n *counter) ended() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.own--
	if !n.more.IsZero() {
		n.more = time.Now()
	}
}

// counted takes the number of connections that Slack has just named.
func (n *counter) counted(total int, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	others := total - n.own
	switch {
	case others <= 0:
		if n.others > 0 {
			n.log.Info("the connections of the Slack app are Rollcall's alone again")
		}
		n.others, n.more = 0, time.Time{}
		return
	case n.more.IsZero():
		n.more = now
	case now.Sub(n.more) >= n.sure:
		if n.others == 0 {
			n.log.Warn("another program has connections of this Slack app: it gets a share of what people type and press",
				"others", others, "hint", ownApp)
		}
		n.others = others
	}
	select {
	case n.again <- struct{}{}:
	default:
	}
}

// unsettled reports whether there may be others' connections, so that another look is due.
func (n *counter) unsettled() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.more.IsZero()
}

// pause is how long the next look waits.
func (n *counter) pause() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.others > 0 {
		return countMore * n.sure
	}
	return n.sure
}

// Shared says that another program uses the app's connections, "" if none is known to.
func (s *Session) Shared() string {
	s.count.mu.Lock()
	others := s.count.others
	s.count.mu.Unlock()
	if others == 0 {
		return ""
	}
	return fmt.Sprintf("another program has connections of this Slack app (%d), and gets a share of what people type and "+
		"press; %s", others, ownApp)
}

// recount counts again while there may be others' connections, by opening one more of our own for a moment.
func (s *Session) recount(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.count.again:
		}
		for looked := false; !looked && s.count.unsettled(); {
			select {
			case <-ctx.Done():
				return
			case <-time.After(s.count.pause()):
			}
			looked = !s.count.unsettled() || s.look(ctx) == nil // what it counts asks for the next look
		}
	}
}

// look opens a connection until Slack greets it. What Slack gives to it meanwhile is answered as ever.
func (s *Session) look(ctx context.Context) error {
	if err := s.opens.Wait(ctx); err != nil {
		return err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.listen(ctx) }()
	timeout := time.After(callTimeout)
	select {
	case err := <-ended:
		return err
	case <-timeout:
		err = fmt.Errorf("Slack has not greeted a connection within %v", callTimeout)
	case <-c.hello:
	}
	c.retire()
	<-ended
	return err
}

// retireAfter is how long a connection that was only to be greeted stays: what Slack sends right behind its
// greeting is answered on it.
const retireAfter = 50 * time.Millisecond

// retire closes a connection that is not needed any more. What Slack has sent on it is still read, and answered
// elsewhere.
func (c *conn) retire() {
	time.Sleep(retireAfter)
	c.leave()
	c.write.Lock()
	defer c.write.Unlock()
	gone := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if c.ws.WriteControl(websocket.CloseMessage, gone, time.Now().Add(writeTimeout)) != nil {
		c.ws.Close()
		return
	}
	time.AfterFunc(writeTimeout, func() { c.ws.Close() })
}
