package clustersim

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"rollcall/internal/cause"
	"rollcall/internal/cause/causetest"
	"rollcall/internal/fleet"
)

var (
	causeDays = flag.Int("days", 0, "how many seeded days TestCauses plays; 0: 100, or 40 with -short")
	causeDay  = flag.Uint64("day", 0, "the seed of the only day that TestCauses plays, from 1")
)

// heard is what a watch has told so far, kept as the ledger keeps it: events by their UIDs, and what combined ones
// have named.
type heard struct {
	causetest.Evidence                    // as they are now
	named              causetest.Evidence // a row for each note that an event has had
	at                 map[string]int     // by UID, in Events
	objects            map[string]*corev1.Node
	described          map[*corev1.Node]fleet.Node
	nodeLog, eventLog  uint64 // versions up to which it has read
}

// Naming implements cause.Evidence.
func (h *heard) Naming(ctx context.Context, of fleet.ObjectRef, from, until time.Time, limit int) ([]fleet.Event,
	error) {
	return h.named.Naming(ctx, of, from, until, limit)
}

// listen reads what is new.
func (h *heard) listen(t *testing.T, c *Cluster) {
	t.Helper()
	read := func(tb *table, from *uint64, take func(o object)) {
		if *from < tb.dropped && *from != 0 {
			t.Fatal("the history does not reach back to the last look")
		}
		for _, ch := range tb.log {
			if ch.version > *from {
				take(ch.object)
				*from = ch.version
			}
		}
	}
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	read(c.store.nodes, &h.nodeLog, func(o object) { h.objects[string(o.GetUID())] = o.(*corev1.Node) })
	read(c.store.events, &h.eventLog, func(o object) {
		e := toFleet(o.(*eventsv1.Event))
		if !e.Scaling() {
			return
		}
		i, old := h.at[e.UID]
		if !old {
			i = len(h.Events)
			h.at[e.UID] = i
			h.Events = append(h.Events, e)
		}
		if !old || h.Events[i].Note != e.Note {
			said := e
			if old {
				said.First = e.Last
			}
			if len(said.Names()) > 0 {
				h.named.Events = append(h.named.Events, said)
			}
		}
		h.Events[i] = e
	})
}

// node is a node as it was last seen.
func (h *heard) node(uid string) fleet.Node {
	o := h.objects[uid]
	if n, ok := h.described[o]; ok {
		return n
	}
	n := fleet.Node{Name: o.Name, UID: uid, Labels: o.Labels, CreatedAt: o.CreationTimestamp.Time}
	if o.DeletionTimestamp != nil {
		n.DeletedAt = o.DeletionTimestamp.Time
	}
	n.ProviderID = o.Spec.ProviderID
	for _, ta := range o.Spec.Taints {
		n.Taints = append(n.Taints, fleet.Taint{Key: ta.Key, Value: ta.Value, Effect: string(ta.Effect)})
	}
	for _, ref := range o.OwnerReferences {
		n.Owner = fleet.ObjectRef{Kind: ref.Kind, Name: ref.Name, UID: string(ref.UID)}
	}
	fleet.Describe(&n)
	if h.described == nil {
		h.described = map[*corev1.Node]fleet.Node{}
	}
	h.described[o] = n
	return n
}

// falseCame says what is wrong with what is said of why a node came; "" if nothing is. all says that all evidence is
// there: then less than the truth is wrong too.
func falseCame(e fleet.Explanation, l life, all bool) string {
	if e.IsZero() {
		return ""
	}
	switch l.Came.Kind {
	case Replacement:
		switch {
		case e.Kind != fleet.Replacement || e.Why != "drifted":
			return "it is a replacement"
		case len(e.Nodes) > 0 && !slices.Equal(e.Nodes, []string{l.Came.Replaces}):
			return "it replaces " + l.Came.Replaces
		}
	case Demand, Evicted:
		name := e.For.Namespace + "/" + e.For.Name
		whole := name == l.Came.Workload && slices.Contains([]string{"Deployment", "Job"}, e.For.Kind)
		// No event tells whose a ReplicaSet is that was not scaled since the cluster began.
		below := strings.HasPrefix(name, l.Came.Workload+"-") && (e.For.Kind == "ReplicaSet" || e.For.Kind == "Pod" && !all)
		switch {
		case e.Kind != fleet.Demand:
			return "its pods had no room"
		case !whole && !below:
			return "it came for " + l.Came.Workload
		case e.Why != "" && l.Came.Kind == Evicted:
			return "its pods were evicted elsewhere, and nobody scaled anything"
		case e.Why != "" && e.Why != "scaled "+l.scaled && !strings.HasPrefix(e.Why, "its HPA went "+l.scaled+" ("):
			return "its workload was scaled " + l.scaled
		}
	default:
		return "it was there from the start"
	}
	return ""
}

// wentAs is what is to be said of why a node went, and what may be said while not all evidence is there.
var wentAs = map[WentKind]struct {
	is   fleet.CauseKind
	less []fleet.CauseKind
}{
	Empty:         {fleet.Empty, []fleet.CauseKind{fleet.NotSaid, fleet.MachineGone}},
	Underutilized: {fleet.Underutilized, []fleet.CauseKind{fleet.NotSaid}},
	Drifted:       {fleet.Drifted, []fleet.CauseKind{fleet.NotSaid}},
	Interrupted:   {fleet.SpotInterruption, []fleet.CauseKind{fleet.OtherDisruption, fleet.NotSaid}},
	NeverReady:    {fleet.NotSaid, nil},
	ClaimDeleted:  {fleet.NotSaid, nil},
	Terminated:    {fleet.MachineGone, nil},
	NodeDeleted:   {},
}

// falseWent is falseCame of why a node went. heirs are the nodes that took its place.
func falseWent(e fleet.Explanation, l life, all bool, heirs []string) string {
	want := wentAs[l.Went.Kind]
	by := map[string]string{Karpenter: Karpenter, ClusterAutoscaler: ClusterAutoscaler}[l.Went.By]
	if want.is == fleet.NotSaid {
		by = Karpenter // whoever decided it
	}
	switch {
	case e.IsZero():
	case e.Kind != want.is && (all || !slices.Contains(want.less, e.Kind)), e.Kind == want.is && e.By != by:
		return fmt.Sprintf("it went because of %+v", l.Went)
	case e.Kind == fleet.NotSaid && e.By != by && l.Went.By != EC2:
		return "it was ended by " + l.Went.By
	case !e.Since.IsZero() && (e.Since.Before(l.Created) || e.Since.After(l.RemovedAt)):
		return fmt.Sprintf("it lived from %v to %v", l.Created, l.RemovedAt)
	case slices.ContainsFunc(e.Nodes, func(n string) bool { return !slices.Contains(heirs, n) }):
		return fmt.Sprintf("%q replaced it", heirs)
	}
	return ""
}

// tally is how many causes were told, and of those that everything was there for, how many were not.
type tally struct {
	told, explainable, unexplained int
	scaled, because                int // nodes for which something was scaled up, and of how many that is told
	kinds                          map[string]int
}

// hold looks at what is told of each node: as soon as it came or went, when little may have arrived, and at the end of
// the day.
func hold(t *testing.T, seed uint64, sum *tally) {
	r := rand.New(rand.NewPCG(seed, 14))
	// In so long a day a workload is scaled no more often than a real HorizontalPodAutoscaler does, every 15 s.
	config := Config{Seed: seed, DayLength: 20 * time.Minute, Night: 7 + r.IntN(8), Day: 24 + r.IntN(16),
		Burst: 4 + r.IntN(40)}
	m := mishaps{outside: 0.5, lateBy: 8 * time.Second}
	if seed%4 == 1 {
		config.DayLength, m.reused = 0, 1 // the demo's day, in which all follows so soon that names come back at once
	} else {
		m.late, m.repeated, m.reused = 0.3, 0.1, 0.5
	}
	m.lost = []float64{0.3, 0, 0, 0.05}[seed%4]
	config.mishaps = m
	c := New(config)
	start := time.Now()
	play(t, c)
	h := &heard{at: map[string]int{}, objects: map[string]*corev1.Node{}}
	look := func(l life, all bool) {
		n := h.node(l.UID)
		complain := func(what string, e fleet.Explanation, wrong string) {
			t.Errorf("seed %d: of %s (%s) it is said that it %s for %+v %q, but %s; all evidence is there: %t", seed,
				l.Name, l.UID, what, e.Cause, e.Nodes, wrong, all)
			if *causeDay != 0 {
				t.Logf("%+v %s\n%+v", l.Life, l.scaled, e.Chain)
			}
		}
		if !l.Created.Before(start) {
			e, err := cause.Came(t.Context(), n, l.ReadyAt, l.RemovedAt, h)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := falseCame(e, l, all && m.lost == 0); wrong != "" {
				complain("came", e, wrong)
			}
			if all {
				sum.add(e, m.lost == 0, string(l.Came.Kind))
				if m.lost == 0 && l.Came.Kind == Demand && l.scaled != "" {
					sum.scaled++
					if e.Why != "" {
						sum.because++
					}
				}
			}
		}
		if l.RemovedAt.IsZero() {
			return
		}
		e, err := cause.Went(t.Context(), n, l.RemovedAt, h)
		if err != nil {
			t.Fatal(err)
		}
		var heirs []string
		for _, o := range c.lives {
			if o.Came.Replaces == l.Name {
				heirs = append(heirs, o.Name)
			}
		}
		if wrong := falseWent(e, l, all && m.lost == 0, heirs); wrong != "" {
			complain("went", e, wrong)
		}
		if all {
			sum.add(e, m.lost == 0 && l.Went.Kind != NodeDeleted, string(l.Went.Kind))
		}
	}
	known, gone := 0, map[string]bool{}
	every := func(all bool) {
		c.mu.Lock() // so that nothing comes between the lives and what is heard of them
		defer c.mu.Unlock()
		h.listen(t, c)
		h.Nodes = h.Nodes[:0]
		for _, l := range c.lives {
			h.Nodes = append(h.Nodes, h.node(l.UID))
		}
		for i, l := range c.lives {
			if all || i >= known || !l.RemovedAt.IsZero() && !gone[l.UID] {
				look(*l, all)
				gone[l.UID] = !l.RemovedAt.IsZero()
			}
		}
		known = len(c.lives)
	}
	const pause = 3 * time.Second
	for range int(c.config.DayLength / pause) {
		time.Sleep(pause)
		switch r.IntN(60) {
		case 0, 1:
			c.DeleteNodes(1)
		case 2:
			c.FailNode()
		}
		every(false)
	}
	c.SetPaused(true)
	time.Sleep(m.lateBy + time.Second)
	every(true)
}

func (s *tally) plus(o tally) {
	s.told, s.explainable, s.unexplained = s.told+o.told, s.explainable+o.explainable, s.unexplained+o.unexplained
	s.scaled, s.because = s.scaled+o.scaled, s.because+o.because
	for kind, n := range o.kinds {
		s.kinds[kind] += n
	}
}

func (s *tally) add(e fleet.Explanation, all bool, truth string) {
	if !e.IsZero() {
		s.told++
	}
	if !all {
		return
	}
	s.explainable++
	s.kinds[truth]++
	if e.IsZero() {
		s.unexplained++
		s.kinds[truth+", not explained"]++
	}
}

// TestCauses holds, against the truth of many days, that nothing false is told of why nodes came and went, whatever is
// lost, late, repeated or taken back, and whoever's name comes back; and that of what all evidence is there for, nearly
// all is explained.
func TestCauses(t *testing.T) {
	days := *causeDays
	switch {
	case days > 0:
	case testing.Short():
		days = 40
	default:
		days = 100
	}
	var sums [5]tally // days of four kinds follow each other
	t.Run("days", func(t *testing.T) {
		for i := range sums {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				sums[i].kinds = map[string]int{}
				for seed := uint64(i + 1); seed <= uint64(days) && !t.Failed(); seed += uint64(len(sums)) {
					if *causeDay == 0 || seed == *causeDay {
						synctest.Test(t, func(t *testing.T) { hold(t, seed, &sums[i]) })
					}
				}
			})
		}
	})
	sum := &sums[0]
	for _, s := range sums[1:] {
		sum.plus(s)
	}
	t.Logf("%d days: %d causes told; of %d changes with all evidence %d not explained", days, sum.told, sum.explainable,
		sum.unexplained)
	t.Logf("of %d nodes %d are told to have come because something was scaled; all: %v", sum.scaled, sum.because,
		sum.kinds)
	if sum.unexplained*20 > sum.explainable {
		t.Errorf("%d of %d are not explained although the evidence is there", sum.unexplained, sum.explainable)
	}
	if sum.because*5 < sum.scaled*4 {
		t.Errorf("of %d nodes only %d are told to have come because something was scaled", sum.scaled, sum.because)
	}
	if *causeDay != 0 {
		return
	}
	for _, kind := range []string{string(Demand), string(Evicted), string(Replacement), string(Empty),
		string(Underutilized), string(Drifted), string(Interrupted), string(NeverReady), string(ClaimDeleted),
		string(Terminated)} {
		if sum.kinds[kind] == 0 {
			t.Errorf("no node was %s", kind)
		}
	}
}
