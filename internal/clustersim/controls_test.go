package clustersim

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	eventsv1 "k8s.io/api/events/v1"
)

// order is who joined and left, in which order, without the times.
func order(c *Cluster) (joined, left []string) {
	lives := c.Lives()
	for _, l := range lives {
		joined = append(joined, l.Name)
	}
	lives = slices.DeleteFunc(lives, func(l Life) bool { return l.RemovedAt.IsZero() })
	slices.SortStableFunc(lives, func(a, b Life) int { return a.RemovedAt.Compare(b.RemovedAt) })
	for _, l := range lives {
		left = append(left, l.Name)
	}
	return joined, left
}

// TestSpeed holds that a speed changes the rate of the whole life and nothing else.
func TestSpeed(t *testing.T) {
	var joined, left [2][]string
	var offsets [2][]time.Duration
	for i, speed := range []float64{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c := New(Config{Seed: 9})
			if got := c.SetSpeed(speed); got != speed {
				t.Errorf("speed %v, want %v", got, speed)
			}
			play(t, c)
			time.Sleep(time.Duration(float64(250*time.Second) / speed))
			joined[i], left[i] = order(c)
			for _, l := range c.Lives() {
				offsets[i] = append(offsets[i], time.Duration(float64(l.Created.Sub(start))*speed))
			}
		})
	}
	if !slices.Equal(joined[0], joined[1]) || !slices.Equal(left[0], left[1]) || len(left[0]) < 200 {
		t.Errorf("another speed tells another story: %d and %d nodes joined, %d and %d left", len(joined[0]), len(joined[1]),
			len(left[0]), len(left[1]))
	}
	for i := range offsets[0] {
		if d := (offsets[0][i] - offsets[1][i]).Abs(); offsets[0][i] > 0 && d > time.Millisecond {
			t.Fatalf("node %d joined %v off the other speed's time", i, d)
		}
	}
	c := New(Config{})
	for _, tt := range []struct{ ask, want float64 }{{0.1, 0.25}, {100, 10}, {3, 3}, {math.NaN(), 3}, {-1, 0.25},
		{math.Inf(1), 10}} {
		if got := c.SetSpeed(tt.ask); got != tt.want || c.State().Speed != tt.want {
			t.Errorf("SetSpeed(%v) = %v, want %v", tt.ask, got, tt.want)
		}
	}
}

// TestPause holds that a pause stops the day, that heartbeats go on in it, and that the story is
// the same afterwards, wherever the pause was.
func TestPause(t *testing.T) {
	var joined, left [2][]string
	for i, pause := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := New(Config{Seed: 10})
			play(t, c)
			time.Sleep(77 * time.Second) // in the burst
			if pause {
				c.SetPaused(true)
				before, events := c.State(), len(c.events())
				version := c.store.current()
				time.Sleep(10 * time.Minute)
				after := c.State()
				if after != before || !after.Paused || len(c.events()) != events {
					t.Errorf("%+v became %+v in a pause, %d events became %d", before, after, events, len(c.events()))
				}
				if beats := c.store.current() - version; beats < uint64(2*after.Alive) {
					t.Errorf("%d heartbeats of %d nodes in ten minutes", beats, after.Alive)
				}
				c.SetPaused(false)
			}
			time.Sleep(60 * time.Second)
			joined[i], left[i] = order(c)
		})
	}
	if !slices.Equal(joined[0], joined[1]) || !slices.Equal(left[0], left[1]) || len(left[0]) == 0 {
		t.Errorf("a pause changes the story")
	}
}

// TestByHand holds that what a person asks for happens at once, also in a pause.
func TestByHand(t *testing.T) {
	for _, paused := range []bool{false, true} {
		t.Run(fmt.Sprintf("paused=%t", paused), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{Seed: 11})
				play(t, c)
				synctest.Wait()
				c.SetPaused(paused)
				start := c.State()

				name, ok := c.FailNode()
				life := func() Life {
					ls := c.Lives()
					return ls[slices.IndexFunc(ls, func(l Life) bool { return l.Name == name })]
				}
				if !ok || life().Unready != 1 || c.State().Ready != start.Ready-1 {
					t.Errorf("%s failed: %+v", name, life())
				}
				time.Sleep(23 * time.Second)
				if life().Recovered != 1 {
					t.Errorf("%s did not recover: %+v", name, life())
				}

				// The first burst is at noon, 77 s after the start.
				before := c.State()
				c.Burst(30)
				time.Sleep(25 * time.Second)
				if s := c.State(); s.Joined < before.Joined+30 || paused && (s.Joined != before.Joined+30 || s.Ready != s.Alive) {
					t.Errorf("30 nodes were to join: %+v became %+v", before, s)
				}

				before = c.State()
				names := c.DeleteNodes(7)
				if s := c.State(); len(names) != 7 || s.Alive != before.Alive-7 || s.Removed != before.Removed+7 {
					t.Errorf("deleted %q: %+v became %+v", names, before, s)
				}
				time.Sleep(5 * time.Second)
				for _, e := range c.events() {
					if e.Regarding.Kind == "Node" && slices.Contains(names, e.Regarding.Name) &&
						e.ReportingController == "karpenter" && e.Reason != "Unconsolidatable" {
						t.Errorf("Karpenter says %s of a node that was deleted by hand", e.Reason)
					}
				}
				removing := 0
				for _, e := range c.events() {
					if e.Reason == "RemovingNode" && slices.Contains(names, e.Regarding.Name) {
						removing++
					}
				}
				if removing != 7 {
					t.Errorf("the node controller noticed %d of 7 deletions", removing)
				}
				if !paused {
					return
				}
				// The burst leaves again, but for what was deleted of it.
				time.Sleep(2 * time.Minute)
				if s := c.State(); s.Alive > start.Alive || s.Joined != start.Joined+30 {
					t.Errorf("after a burst by hand: %+v", s)
				}
				for range 3 {
					c.Burst(1 << 20)
				}
				time.Sleep(50 * time.Second)
				if s := c.State(); s.Alive != maxNodes {
					t.Errorf("%d nodes, want no more than %d", s.Alive, maxNodes)
				}
				if names := c.DeleteNodes(1 << 20); len(names) < maxNodes-10 || c.State().Alive != systemNodes+maxStuck {
					t.Errorf("deleted %d nodes, %d are left", len(names), c.State().Alive)
				}
			})
		})
	}
}

// TestHandsOff holds that odd requests do nothing.
func TestHandsOff(t *testing.T) {
	c := New(Config{Night: 1, Day: 1, Burst: 1})
	c.Burst(0)
	c.Burst(-1)
	if names := c.DeleteNodes(-1); len(names) != 0 {
		t.Errorf("deleted %q", names)
	}
	if names := c.DeleteNodes(5); len(names) != 1 {
		t.Errorf("deleted %q of one node", names)
	}
	if name, ok := c.FailNode(); ok || name != "" {
		t.Errorf("failed %q of no nodes", name)
	}
	if s := c.State(); s.Alive != 0 || s.Joined != 0 || s.Removed != 1 || s.Clock != "06:00" {
		t.Errorf("state %+v", s)
	}
}

// TestRecoveryAndRemoval holds that a node deleted while it is not ready stays gone.
func TestRecoveryAndRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Night: 1})
		play(t, c)
		c.SetPaused(true)
		name, _ := c.FailNode()
		// Nodes in trouble are left alone, so this one has to be deleted as the day would.
		c.mu.Lock()
		c.delete(c.nodes[0])
		c.mu.Unlock()
		time.Sleep(time.Minute)
		if l := c.Lives()[0]; l.Name != name || l.Recovered != 0 || l.RemovedAt.IsZero() || c.State().Alive != 0 {
			t.Errorf("life %+v, state %+v", l, c.State())
		}
	})
}

// TestChanged holds that changes are told, and coalesced.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 12})
		changed, stop := c.Changed()
		other, stopOther := c.Changed()
		stopOther()
		play(t, c)
		time.Sleep(20 * time.Second)
		select {
		case <-changed:
		default:
			t.Error("nothing was told in 20 s")
		}
		select {
		case <-changed:
			t.Error("changes are not coalesced")
		default:
		}
		// The clock moves about once a second, if nothing else does.
		begin := time.Now()
		<-changed
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("the next change came after %v", d)
		}
		select {
		case <-changed:
		default:
		}
		c.SetPaused(true)
		select {
		case <-changed:
		default:
			t.Error("a control was not told at once")
		}
		c.StopAPI(10 * time.Second)
		<-changed
		begin = time.Now()
		<-changed
		if d := time.Since(begin); d != 10*time.Second || !c.State().APIDownUntil.IsZero() {
			t.Errorf("the end of the outage was told after %v", d)
		}
		stop()
		c.SetPaused(false)
		time.Sleep(10 * time.Second)
		select {
		case <-changed:
			t.Error("told after stop")
		case <-other:
			t.Error("told the one who had stopped")
		default:
		}
	})
}

// TestRegisteredPace holds that the node controller keeps to its pace in a burst, and still gets
// to every node.
func TestRegisteredPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 13})
		play(t, c)
		c.SetPaused(true)
		c.Burst(50)
		time.Sleep(45 * time.Second)
		var at []time.Time
		for _, e := range c.events() {
			if e.Reason == "RegisteredNode" {
				at = append(at, eventMoment(t, e))
			}
		}
		slices.SortFunc(at, time.Time.Compare)
		if len(at) != 50 {
			t.Errorf("%d of 50 nodes were registered", len(at))
		}
		for i := 2; i < len(at); i++ {
			if at[i].Sub(at[i-2]) < time.Second {
				t.Fatalf("three registrations within %v", at[i].Sub(at[i-2]))
			}
		}
	})
}

// eventMoment is when an event was made, to the nanosecond: its name tells.
func eventMoment(t *testing.T, e *eventsv1.Event) time.Time {
	t.Helper()
	var ns int64
	if _, err := fmt.Sscanf(e.Name[strings.LastIndexByte(e.Name, '.')+1:], "%x", &ns); err != nil {
		t.Fatalf("event name %s: %v", e.Name, err)
	}
	return time.Unix(0, ns)
}

// TestLivesAreBounded holds that old lives are forgotten, and that the totals are not.
func TestLivesAreBounded(t *testing.T) {
	const ends = maxEnded * 3 / 2
	c := New(Config{Night: 2, Day: 2})
	for i := range ends {
		n := &node{line: &c.hand, stage: settled, work: c.web, pool: generalPool, machine: &machines[0], spot: "spot"}
		c.nodes = append(c.nodes, n)
		c.put(n, c.newObject(n, fmt.Sprintf("n%d", i), time.Now()))
		c.joined++
		c.remove(n)
	}
	lives, s := c.Lives(), c.State()
	if n := len(lives) - 2; n < maxEnded || n > maxEnded+maxEnded/10 {
		t.Errorf("%d ended lives are remembered", n)
	}
	if last := lives[len(lives)-1].Name; last != fmt.Sprintf("n%d", ends-1) || !lives[0].RemovedAt.IsZero() {
		t.Errorf("the last life is %s, the first %+v", last, lives[0])
	}
	if s.Joined != ends || s.Removed != ends || s.Alive != 2 {
		t.Errorf("totals %+v", s)
	}
}
