package clustersim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	eventsv1 "k8s.io/api/events/v1"

	"rollcall/internal/alert"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// eventReader reads what a cluster's events say into a ledger.
type eventReader struct {
	c    *Cluster
	l    *ledger.Ledger
	upTo uint64
}

func (r *eventReader) read(t *testing.T) {
	t.Helper()
	var events []fleet.Event
	r.c.store.mu.Lock()
	if r.upTo < r.c.store.events.dropped && r.upTo != 0 {
		t.Fatal("the history does not reach back to the last look")
	}
	for _, ch := range r.c.store.events.log {
		if ch.version > r.upTo {
			events = append(events, toFleet(ch.object.(*eventsv1.Event)))
			r.upTo = ch.version
		}
	}
	r.c.store.mu.Unlock()
	if err := r.l.RecordEvents(t.Context(), "prod", events, "1"); err != nil {
		t.Fatal(err)
	}
}

// TestWaits holds what is said of pods that wait against the truth of simulated days, in which a pool is at its limit
// for a while: each pod is said to wait as long as it does, and in its true state; the sums of what has waited are the
// model's.
func TestWaits(t *testing.T) {
	t.Parallel()
	days := 12
	if testing.Short() {
		days = 3
	}
	for seed := range uint64(days) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { holdWaits(t, seed) })
		})
	}
}

func holdWaits(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 16))
	c := New(Config{Seed: seed, DayLength: 2 * time.Hour, Night: 8, Day: 30 + r.IntN(20), Burst: 4 + r.IntN(20)})
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	play(t, c)
	reader := &eventReader{c: c, l: l}
	begin := time.Now()
	refused, most := 0, 0
	var alerts []wave.About
	full := map[string]time.Time{} // when a pool was last seen to be at its limit, with pods waiting
	for time.Since(begin) < c.config.DayLength {
		time.Sleep(20 * time.Second)
		if r.IntN(120) == 0 {
			c.ReachLimit(time.Duration(2+r.IntN(20)) * time.Minute)
		}
		synctest.Wait()
		c.mu.Lock() // so that nothing comes between what is true and what is heard
		reader.read(t)
		c.mu.Unlock()
		groups, _, err := deliver.Waiting(t.Context(), l, l.Evidence("prod"), "prod", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		type said struct {
			state fleet.WaitState
			pool  string
			since time.Time
		}
		told := map[string]said{}
		for _, g := range groups {
			for _, w := range g.Waits {
				told[w.Pod.Name] = said{g.State, g.Pool, w.First}
			}
		}
		// A minute after it is refused for a minute, each is told.
		alerts = alert.Waiting(groups, nil, standing(alerts), time.Now(), 10*time.Minute)
		heard := map[string]int{}
		for _, a := range alerts {
			// Each pod of these days is refused, or gets a node within minutes.
			if s := a.Waiting.State; s != fleet.Refused && s != fleet.Coming {
				t.Errorf("%v: pods are told to be %s: %+v", time.Since(begin), s, a.Waiting)
			}
			if a.Standing.Until.IsZero() && a.Waiting.State == fleet.Refused {
				heard[a.Waiting.Pool] += a.Waiting.Pods
			}
		}
		unheard := map[string]int{}
		waiting := 0
		for _, w := range c.Waits() {
			if !w.Until.IsZero() {
				if s, ok := told[w.Pod]; ok && !w.Deleted {
					t.Errorf("%v: %s waits, it is said, as %+v, but it got a node at %v", time.Since(begin), w.Pod, s,
						w.Until.Sub(begin))
				}
				continue
			}
			if waiting++; w.Doubtful {
				continue
			}
			s, ok := told[w.Pod]
			switch {
			case !ok:
				t.Errorf("%v: of %+v nothing is said", time.Since(begin), w)
			case !s.since.Equal(w.Since.Truncate(time.Millisecond)) && s.since.Sub(w.Since).Abs() > time.Second:
				t.Errorf("%v: %s waits since %v, not %v", time.Since(begin), w.Pod, w.Since.Sub(begin), s.since.Sub(begin))
			case w.RefusedAt.IsZero() && s.state == fleet.Refused:
				t.Errorf("%v: %s is refused, it is said, and is not", time.Since(begin), w.Pod)
			case !w.RefusedAt.IsZero() && c.isFull(w.Pool) && (s.state != fleet.Refused || s.pool != w.Pool):
				t.Errorf("%v: %+v is said to be %+v", time.Since(begin), w, s)
			}
			if !w.RefusedAt.IsZero() {
				refused++
			}
			if !w.RefusedAt.IsZero() && time.Since(w.RefusedAt) > 2*time.Minute && c.isFull(w.Pool) {
				unheard[w.Pool]++
			}
		}
		most = max(most, waiting)
		for pool, n := range unheard {
			if heard[pool] < n {
				t.Errorf("%v: %d pods wait for pool %s, and %d are told", time.Since(begin), n, pool, heard[pool])
			}
		}
		// Pods that are deleted without an event are told until they are not heard of for long.
		for _, w := range c.Waits() {
			if s, ok := told[w.Pod]; ok && w.Deleted && s.state == fleet.Refused {
				heard[s.pool]--
			}
		}
		for pool, n := range heard {
			if c.isFull(pool) {
				full[pool] = time.Now()
			} else if n > 0 && time.Since(full[pool]) > time.Minute { // until their nodes are there
				t.Errorf("%v: %d pods are told to wait for pool %s, which is not full", time.Since(begin), n, pool)
			}
		}
	}
	if refused == 0 || most < 2 {
		t.Errorf("%d refusals, at most %d pods waited: nothing was held", refused, most)
	}
	// The sums, of pods that got a node; what was deleted is never told by any event of this cluster.
	var pods int
	slack := time.Duration(0) // Karpenter's events have whole seconds, the ledger milliseconds
	var together, longest time.Duration
	for _, w := range c.Waits() {
		if w.Doubtful && !w.Deleted {
			return // then what the cluster says is not the model's truth
		}
		if !w.Until.IsZero() && !w.Deleted {
			pods++
			together += w.Until.Sub(w.Since)
			longest = max(longest, w.Until.Sub(w.Since))
			if slack += 2 * time.Millisecond; !w.RefusedAt.IsZero() {
				slack += time.Second
			}
		}
	}
	all, err := l.Waited(t.Context(), "prod", begin, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var gotPods int
	var gotTogether, gotLongest time.Duration
	for _, w := range all {
		if w.End == fleet.EndPlaced {
			gotPods += w.Pods
			gotTogether += w.Together
			gotLongest = max(gotLongest, w.Longest)
		}
	}
	if gotPods != pods || (gotTogether-together).Abs() > slack || (gotLongest-longest).Abs() > time.Second {
		t.Errorf("%d pods waited %v, the longest %v; they are said to be %d, %v and %v", pods, together, longest, gotPods,
			gotTogether, gotLongest)
	}
}

// isFull reports whether a pool is at its limit.
func (c *Cluster) isFull(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, full := range c.full {
		if p.name == name && full {
			return true
		}
	}
	return false
}

// standing are the waves of what is told.
func standing(told []wave.About) (live []wave.Wave) {
	for _, a := range told {
		live = append(live, wave.Wave{Kind: wave.KindWaiting, About: a})
	}
	return live
}
