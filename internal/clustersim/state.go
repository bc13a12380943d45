package clustersim

import (
	"fmt"
	"time"
)

// State is how a cluster is at one moment.
type State struct {
	Alive, Ready    int // nodes now
	Joined, Removed int // nodes since the cluster was made; those that it was made with did not join
	Clock           string
	Phase           string // what part of the day it is, for people
	Speed           float64
	Paused          bool
	APIDownUntil    time.Time // zero: the API answers
}

// State returns how the cluster is. Clock is the simulated day's, HH:MM.
func (c *Cluster) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := State{
		Joined: c.joined, Removed: c.removed, Clock: c.clockAt(c.day.position(time.Now())), Phase: c.phase,
		Speed: c.speed, Paused: c.paused, APIDownUntil: c.outage.end(time.Now()),
	}
	for _, n := range c.nodes {
		if n.alive() {
			s.Alive++
		}
		if n.ready() {
			s.Ready++
		}
	}
	return s
}

// clockAt is the time of the simulated day at a position of the day's line.
func (c *Cluster) clockAt(position time.Duration) string {
	// The first day begins a second after the start.
	into := max(0, position-startDelay) % c.config.DayLength
	t := dawn + time.Duration(float64(into)/float64(c.config.DayLength)*float64(24*time.Hour))
	return fmt.Sprintf("%02d:%02d", int(t.Hours())%24, int(t.Minutes())%60)
}

// Life is one node's life as it truly was. Times are those of the changes, to the nanosecond,
// while the objects' own are cut to whole seconds; a zero time has not come.
type Life struct {
	Name, UID string
	Created   time.Time
	ReadyAt   time.Time // for the first time
	RemovedAt time.Time
	Unready   int // how often it went not ready after it was ready
	Recovered int // how often it became ready again
	Came      Came
	Went      Went // the zero value while it lives
}

type life struct {
	Life
	scaled string // by how much what it came for had been scaled, as "from 4 to 8"; for tests
}

// turned notes that the node became ready or not.
func (l *life) turned(ready bool, now time.Time) {
	switch {
	case !ready:
		l.Unready++
	case l.ReadyAt.IsZero():
		l.ReadyAt = now
	default:
		l.Recovered++
	}
}

// maxEnded is how many lives that are over are remembered.
const maxEnded = 5000

// Lives returns the nodes' lives in the order of their beginning: all that go on, and the last
// few thousand that are over. It is the truth that what is told of the cluster can be held
// against.
func (c *Cluster) Lives() []Life {
	c.mu.Lock()
	defer c.mu.Unlock()
	ls := make([]Life, len(c.lives))
	for i, l := range c.lives {
		ls[i] = l.Life
	}
	return ls
}

// trimLives forgets the oldest lives that are over, some at a time.
func (c *Cluster) trimLives() {
	if c.ended < maxEnded+maxEnded/10 {
		return
	}
	keep := c.lives[:0]
	for _, l := range c.lives {
		if !l.RemovedAt.IsZero() && c.ended > maxEnded {
			c.ended--
			continue
		}
		keep = append(keep, l)
	}
	clear(c.lives[len(keep):])
	c.lives = keep
}

// Changed returns a channel that gets a value when State or Lives may have changed; changes that
// come while nobody receives are one value. stop ends it.
func (c *Cluster) Changed() (changed <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribers[ch] = struct{}{}
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.subscribers, ch)
	}
}

// notify tells those who wait, with the lock held.
func (c *Cluster) notify() {
	if !c.dirty {
		return
	}
	c.dirty = false
	for ch := range c.subscribers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
