package clustersim

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"rollcall/internal/alert"
	"rollcall/internal/cause"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// staying is a ledger that a cluster is watched into, and what is asked of it again and again.
type staying struct {
	c      *Cluster
	l      *ledger.Ledger
	events *eventReader
	upTo   uint64 // of nodes
	known  map[string]fleet.Known
	nodes  map[string]fleet.Node
	began  time.Time
}

func stay(t *testing.T, c *Cluster) *staying {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"),
		ledger.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &staying{c: c, l: l, events: &eventReader{c: c, l: l}, known: map[string]fleet.Known{},
		nodes: map[string]fleet.Node{}, began: time.Now()}
	if err := l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: s.began, ResourceVersion: "1"},
		func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	play(t, c)
	return s
}

// look reads what is new of nodes and events, in any order, explains it, and ends what is no longer said.
func (s *staying) look(t *testing.T, r *rand.Rand) time.Time {
	t.Helper()
	synctest.Wait()
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	now := time.Now()
	reads := []func(){func() { s.events.read(t) }, func() { s.readNodes(t, now) }}
	first := r.IntN(2)
	reads[first]()
	reads[1-first]()
	due, err := s.l.Unexplained(t.Context(), "prod", now, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var found []wave.Explained
	for _, u := range due {
		e := wave.Explained{Change: u.Change.ID, Looks: u.Looks + 1}
		if u.Change.Kind == fleet.Removed {
			e.Explanation, err = cause.Went(t.Context(), u.Node, u.Change.At, s.l.Evidence("prod"))
		} else {
			e.Explanation, err = cause.Came(t.Context(), u.Node, u.ReadyAt, u.RemovedAt, s.l.Evidence("prod"))
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Strength < cause.Strongest && e.Looks < 3 {
			e.Next = now.Add(time.Minute)
		}
		found = append(found, e)
	}
	if err := s.l.SetCauses(t.Context(), "prod", found); err != nil {
		t.Fatal(err)
	}
	if before, ok := cause.Lapsed(s.began, now); ok {
		if err := s.l.LapseKeeps(t.Context(), "prod", before, now); err != nil {
			t.Fatal(err)
		}
	}
	return now
}

func (s *staying) readNodes(t *testing.T, now time.Time) {
	t.Helper()
	var all []fleet.Observation
	s.c.store.mu.Lock()
	if s.upTo < s.c.store.nodes.dropped && s.upTo != 0 {
		t.Fatal("the history does not reach back to the last look")
	}
	for _, ch := range s.c.store.nodes.log {
		if ch.version <= s.upTo {
			continue
		}
		s.upTo = ch.version
		n := seenNode(ch.object.(*corev1.Node))
		known, old := s.known[n.UID]
		s.nodes[n.UID] = n
		var o fleet.Observation
		ok := true
		switch {
		case ch.kind == watch.Deleted:
			o = fleet.Gone(n, known, now)
		case !old:
			o = fleet.First(n, now)
		default:
			o, ok = fleet.Diff(known, n, fleet.Look{At: now})
		}
		if ok {
			s.known[n.UID] = o.Known
			all = append(all, o)
		}
	}
	s.c.store.mu.Unlock()
	for _, o := range all { // one by one: a batch has each node once
		if err := s.l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{o},
			At: now}); err != nil {
			t.Fatal(err)
		}
	}
}

// seenNode is a node as a watch shows it.
func seenNode(o *corev1.Node) fleet.Node {
	n := (&heard{objects: map[string]*corev1.Node{"": o}}).node("")
	n.UID, n.Cluster, n.Cordoned = string(o.UID), "prod", o.Spec.Unschedulable
	for _, c := range o.Status.Conditions {
		if c.Type == corev1.NodeReady {
			n.Ready = fleet.Condition{Status: fleet.ReadyStatus(c.Status), Reason: c.Reason, Since: c.LastTransitionTime.Time}
		}
	}
	return n
}

// hourly is a price that each type has.
func hourly(m fleet.Machine) fleet.Price {
	p := fleet.Price{USD: 0.01 * float64(len(m.InstanceType)) * float64(m.InstanceType[0]), Known: true}
	if m.CapacityType == "spot" {
		p.USD /= 3
	}
	return p
}

// keeps reads what keeps nodes, or kept them.
func (s *staying) keeps(t *testing.T, from, until time.Time) (all []fleet.Keep) {
	t.Helper()
	for k, err := range s.l.Keeps(t.Context(), "prod", from, until) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

// model is until when a keep is known to have been so at a moment, by docs/kept.md: until its last statement that was
// worth a write, and as long as it goes on five minutes more.
func (k Keep) model(now time.Time, over bool) time.Time {
	var noted time.Time
	for _, at := range k.Said {
		if at = at.Truncate(time.Second); noted.IsZero() || at.Sub(noted) >= fleet.SaidEvery {
			noted = at
		}
	}
	if over {
		return noted
	}
	if until := noted.Add(fleet.SaidEvery); until.Before(now) {
		return until
	}
	return now
}

// between is how far looks are apart.
const between = 2 * time.Minute

// TestStays holds what is said of what keeps nodes, and of nodes that are replaced again and again, against the truth
// of simulated days, in which budgets and pods keep nodes, one is replaced by its like, and many drift at once.
func TestStays(t *testing.T) {
	t.Parallel()
	days := 5
	if testing.Short() {
		days = 2
	}
	for seed := range uint64(days) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { holdStays(t, seed) })
		})
	}
}

func holdStays(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 17))
	c := New(Config{Seed: seed, DayLength: 24 * time.Hour, Night: 8, Day: 24 + r.IntN(16), Burst: 2 + r.IntN(4)})
	s := stay(t, c)
	longLoop, drift := time.Duration(60+r.IntN(60))*time.Minute, time.Duration(480+r.IntN(60))*time.Minute
	const longTurns = 11
	kept, told := 0, map[int]int{} // how often something was kept; by turns
	gone := map[string]time.Time{} // when a node was first seen to have left
	for i := range int(c.config.DayLength / between) {
		time.Sleep(between)
		into := time.Duration(i+1) * between
		switch {
		case r.IntN(60) == 0:
			c.KeepNodes(time.Duration(3+r.IntN(200)) * time.Minute)
		case r.IntN(400) == 0:
			c.LetGo()
		}
		c.control(func() {
			if into >= longLoop && into-longLoop < between {
				for _, n := range c.pick(&c.hand, 1, func(n *node) bool { return karpenters(n) && n.pool == generalPool }) {
					n.line = &c.hand
					c.loop(n, 1, longTurns)
				}
			}
			if into >= drift && into-drift < between {
				for _, n := range c.pick(&c.hand, 10, karpenters) {
					c.replace(n, Drifted)
				}
			}
		})
		now := s.look(t, r)
		for _, l := range c.Lives() {
			if gone[l.UID].IsZero() && !l.RemovedAt.IsZero() {
				gone[l.UID] = now
			}
		}
		kept += s.holdKept(t, now)
		told[s.holdLoops(t, now, longTurns)]++
	}
	if kept < 20 || told[loopTurns] == 0 || told[longTurns] == 0 {
		t.Errorf("%d nodes were kept at looks, and loops had so many turns: %v: nothing was held", kept, told)
	}
	// The sums of the day, of what is over and of what goes on.
	now := s.look(t, r)
	s.holdCosts(t, s.began, now, gone)
	s.holdCosts(t, s.began.Add(time.Duration(r.IntN(12*3600))*time.Second),
		now.Add(-time.Duration(r.IntN(6*3600))*time.Second), gone)
	sum := fleet.SumKept(s.keeps(t, s.began, now), hourly, s.began, now, false)
	want, worth := map[fleet.KeeperKind]float64{}, 0.0
	for _, k := range c.Keeps() {
		over := !k.Until.IsZero()
		if gone := now.Sub(k.Until); over && gone < 2*between {
			return // whether that is known yet depends on seconds
		}
		usd := hourly(s.nodes[k.UID].Machine()).USD * k.model(now, over).Sub(k.Said[0].Truncate(time.Second)).Hours()
		want[fleet.KeeperKind(k.Kind)] += usd
		worth += usd
	}
	for _, b := range sum.By {
		want[b.Keeper.Kind] -= b.Spent.USD
	}
	for kind, usd := range want {
		if math.Abs(usd) > 0.005 {
			t.Errorf("what was kept by a %s has cost $%.4f more than it is said to", kind, usd)
		}
	}
	if math.Abs(sum.Spent.USD-worth) > 0.005 {
		t.Errorf("what was kept has cost $%.4f, it is said, but it was $%.4f", sum.Spent.USD, worth)
	}
}

// holdCosts holds what nodes are said to have cost in a period against the truth, to the cent.
func (s *staying) holdCosts(t *testing.T, from, until time.Time, gone map[string]time.Time) {
	t.Helper()
	spent, err := s.l.Spending(t.Context(), "prod", query.Period{From: from, Until: until})
	if err != nil {
		t.Fatal(err)
	}
	var got, want float64
	for _, x := range spent.Periods[0] {
		got += hourly(spent.Groups[x.Group].Machine).USD * (x.Sure + x.Unsure).Hours()
	}
	for _, l := range s.c.Lives() {
		n, ok := s.nodes[l.UID]
		if !ok {
			continue // it came since the last look
		}
		end := until
		if at := gone[l.UID]; !at.IsZero() && at.Before(end) {
			end = at
		}
		want += hourly(n.Machine()).USD * max(0, end.Sub(fleet.Latest(n.CreatedAt, from))).Hours()
	}
	if math.Abs(got-want) > 0.005 || got == 0 {
		t.Errorf("from %v to %v nodes have cost $%.4f, it is said, but it was $%.4f", from, until, got, want)
	}
}

// holdKept holds what /nodes kept says of nodes against the truth, and returns how many are kept.
func (s *staying) holdKept(t *testing.T, now time.Time) int {
	t.Helper()
	sum := fleet.SumKept(s.keeps(t, now, now.Add(time.Millisecond)), hourly, time.Time{}, now, true)
	told := map[string]fleet.KeptNode{}
	for _, n := range sum.Nodes {
		told[n.UID] = n
	}
	truth, spent := 0, 0.0
	for _, k := range s.c.Keeps() {
		n, ok := told[k.UID]
		if !k.Until.IsZero() {
			// A node that was let go is told until it is being ended, and what is said no more until the next look.
			if late := now.Sub(k.Until); ok && n.Since.Equal(k.Said[0].Truncate(time.Second)) {
				if late > between {
					t.Errorf("%v: %+v is over, and still told", now.Sub(s.began), k)
				}
				spent += n.Spent.USD
				delete(told, k.UID)
			}
			continue
		}
		truth++
		usd := hourly(s.nodes[k.UID].Machine()).USD * k.model(now, false).Sub(k.Said[0].Truncate(time.Second)).Hours()
		spent += usd
		delete(told, k.UID)
		switch {
		case !ok:
			t.Errorf("%v: of %+v nothing is said", now.Sub(s.began), k)
		case n.Name != k.Node || n.Keeper.Kind != fleet.KeeperKind(k.Kind) || n.Keeper.Namespace != k.Namespace ||
			n.Keeper.Name != k.Name || n.Others != 0 || n.Could != (k.Kind == KeptByFailure):
			t.Errorf("%v: %+v is told as %+v", now.Sub(s.began), k, n)
		case !n.Since.Equal(k.Said[0].Truncate(time.Second)) || n.AtLeast:
			t.Errorf("%v: %+v is told since %v", now.Sub(s.began), k, n.Since)
		case math.Abs(n.Spent.USD-usd) > 0.005:
			t.Errorf("%v: %+v has cost $%.4f, it is said, but it was $%.4f", now.Sub(s.began), k, n.Spent.USD, usd)
		}
	}
	for _, n := range told {
		t.Errorf("%v: nothing keeps %+v", now.Sub(s.began), n)
	}
	if math.Abs(sum.Spent.USD-spent) > 0.005 {
		t.Errorf("%v: all have cost $%.4f, it is said, but it was $%.4f", now.Sub(s.began), sum.Spent.USD, spent)
	}
	return truth
}

// holdLoops holds what is told of loops against the truth, and returns how many turns the one that goes on has had.
func (s *staying) holdLoops(t *testing.T, now time.Time, most int) int {
	t.Helper()
	gone := map[string]time.Time{}
	for _, l := range s.c.Lives() {
		gone[l.Name] = l.RemovedAt
	}
	turns := 0
	var last time.Time
	for _, l := range s.c.Lives() {
		if at := gone[l.Came.Replaces]; l.Came.Turn > 0 && !at.IsZero() && l.Created.After(now.Add(-5*time.Hour)) {
			turns, last = turns+1, fleet.Latest(last, at)
		}
	}
	found, err := alert.FindLoops(s.l.Lives(t.Context(), "prod", now.Add(-alert.LoopLookback), now), nil, hourly, now)
	if err != nil {
		t.Fatal(err)
	}
	at := now.Sub(s.began)
	var from []int
	for _, a := range found {
		from = append(from, a.Loop.From)
		if a.Loop.Turns > turns || a.Loop.Pool != generalPool.name {
			t.Errorf("%v: %+v is told, but there were %d turns", at, a.Loop, turns)
		}
		if now.Sub(last) > 2*between && a.Loop.Turns != turns {
			t.Errorf("%v: %+v is told, but there were %d turns", at, a.Loop, turns)
		}
	}
	quiet := now.Sub(last)
	var want []int
	for _, n := range []int{3, 10} {
		if turns >= n && quiet < 2*time.Hour-between {
			want = append(want, n)
		}
	}
	// A turn is known at the next look, and what is over so long that it is nearly forgotten may be.
	if quiet > between && (quiet < 2*time.Hour-between || quiet > 2*time.Hour+between) && !slices.Equal(from, want) {
		t.Errorf("%v: loops are told from %v on, want %v: %d turns, the last %v ago", at, from, want, turns, quiet)
	}
	return turns
}

// TestCalmDays holds that in 30 days of ordinary scaling nothing is told of pods that wait, of nodes that are kept, and
// of nodes that are replaced again and again.
func TestCalmDays(t *testing.T) {
	t.Parallel()
	days := 30
	if testing.Short() {
		days = 4
	}
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 18))
		c := New(Config{Seed: 18, DayLength: 24 * time.Hour, Night: 4, Day: 12, Burst: 2, calm: true})
		s := stay(t, c)
		rule := alert.KeptRule{USD: 5, Share: 0.2, For: 6 * time.Hour}
		const pause = 10 * time.Minute
		lives, waited := 0, 0
		for range days * int(24*time.Hour/pause) {
			time.Sleep(pause)
			now := s.look(t, r)
			groups, _, err := deliver.Waiting(t.Context(), s.l, s.l.Evidence("prod"), "prod", now)
			if err != nil {
				t.Fatal(err)
			}
			waited += len(groups)
			for _, a := range alert.Waiting(groups, nil, nil, now, 10*time.Minute) {
				t.Errorf("%v: it is told that pods wait: %+v", now.Sub(s.began), a.Waiting)
			}
			in := alert.Keeping{Keeps: s.keeps(t, now.Add(-rule.For), now)}
			c.mu.Lock()
			for _, n := range c.nodes {
				if in.Nodes++; n.alive() {
					in.All.Add(hourly(s.nodes[string(n.obj.UID)].Machine()), 1, time.Hour)
				}
			}
			c.mu.Unlock()
			for _, a := range alert.FindKept(rule, in, nil, hourly, now) {
				t.Errorf("%v: it is told that nodes are kept: %+v", now.Sub(s.began), a.Kept)
			}
			found, err := alert.FindLoops(s.l.Lives(t.Context(), "prod", now.Add(-alert.LoopLookback), now), nil, hourly, now)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range found {
				t.Errorf("%v: a loop is told: %+v", now.Sub(s.began), a.Loop)
			}
			lives = max(lives, len(s.nodes))
		}
		if lives < 15*days {
			t.Errorf("%d lives: there is no scaling", lives)
		}
		t.Logf("%d lives; pods waited at looks %d times", lives, waited)
	})
}
