package clustersim

import (
	"time"

	eventsv1 "k8s.io/api/events/v1"
)

// mishaps are what may become of events and names on the way, each a chance from 0 to 1. The zero value, which is the
// demo's, has none: all arrives at once, and names hardly ever come back.
type mishaps struct {
	lost     float64 // an event is not written
	late     float64 // it is written up to lateBy later
	lateBy   time.Duration
	repeated float64 // it is said again up to sameAgain later
	reused   float64 // a new node gets the name of one that is gone
	outside  float64 // the Cluster Autoscaler's node goes because somebody terminates its instance
}

// sameAgain is within which time an event is repeated: so soon that it still says what was the matter first.
const sameAgain = 2 * time.Second

// publish stores an event, if nothing becomes of it on the way.
func (c *Cluster) publish(e *eventsv1.Event, now time.Time) {
	m, r := c.config.mishaps, c.wall.rand
	if time.Since(now) > time.Second { // it was written before the cluster was made
		c.store.put(e, now)
		return
	}
	if m.lost > 0 && r.Float64() < m.lost {
		return
	}
	at := c.held[e.Name]
	if m.late > 0 && r.Float64() < m.late {
		if late := now.Add(c.wall.between(0, m.lateBy)); late.After(at) {
			at = late
		}
	}
	if !at.After(now) {
		c.store.put(e, now)
		return
	}
	c.held[e.Name] = at // no version overtakes an earlier one
	c.wall.after(at.Sub(now), func() { c.store.put(e, time.Now()) })
}

// again lets an event be said once more.
func (c *Cluster) again(say func()) {
	if m := c.config.mishaps; m.repeated > 0 && c.wall.rand.Float64() < m.repeated {
		c.wall.after(c.wall.between(0, sameAgain), say)
	}
}
