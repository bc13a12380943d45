package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// feed is what is new for a cluster's feed.
func feed(t *testing.T, l *ledger.Ledger, cluster string, limit int) wave.Feed {
	t.Helper()
	return must[wave.Feed](t)(l.Feed(t.Context(), cluster, limit))
}

// fedNames are the changes of a feed, each as its node's name and its kind.
func fedNames(f wave.Feed) string {
	var names []string
	for _, c := range f.Changes {
		names = append(names, c.Node.Name+" "+string(c.Change.Kind))
	}
	return strings.Join(names, ", ")
}

// taken records an event for each change of a feed.
func taken(t *testing.T, l *ledger.Ledger, cluster string, f wave.Feed) {
	t.Helper()
	c := wave.Collected{Cursor: f.Upto, Missed: f.Missed}
	for _, x := range f.Changes {
		c.Cursor.Seq++
		c.Deliveries = append(c.Deliveries, wave.Delivery{Seq: c.Cursor.Seq, Type: "t", Created: t0,
			Key: fmt.Sprint(cluster, x.Change.ID), Body: []byte(x.Node.Name + " " + string(x.Change.Kind))})
	}
	check(t, l.Collect(t.Context(), cluster, c))
}

// waiting are the events that are not delivered, in their order.
func waiting(t *testing.T, l *ledger.Ledger, cluster string) string {
	t.Helper()
	var bodies []string
	for {
		d, ok, err := l.NextDelivery(t.Context(), cluster)
		check(t, err)
		if !ok {
			return strings.Join(bodies, ", ")
		}
		bodies = append(bodies, string(d.Body))
		check(t, ledger.Deliveries{Ledger: l}.Accepted(t.Context(), wave.Posting{Key: d.Key}, 0, t0))
	}
}

func feedLife(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1))
	if f := feed(t, l, "prod", 5); len(f.Changes) > 0 {
		t.Errorf("before its feed has begun, there is %s", fedNames(f))
	}
	check(t, l.BeginFeed(ctx, "prod", t0))
	record(t, l, "2", first(2), ready(t, 1))
	check(t, l.BeginFeed(ctx, "prod", t0)) // as the next start does
	f := feed(t, l, "prod", 5)
	if got := fedNames(f); got != "node-2 joined, node-1 ready" || f.More {
		t.Errorf("new is %s, more %t", got, f.More)
	}
	if n := f.Changes[0].Node; n.Labels["a"] != "b" || n.KubeletVersion == "" {
		t.Errorf("the node is not whole: %+v", n)
	}
	if again := feed(t, l, "prod", 5); fedNames(again) != fedNames(f) {
		t.Errorf("reading takes something: %s", fedNames(again))
	}
	if first := feed(t, l, "prod", 1); fedNames(first) != "node-2 joined" || !first.More {
		t.Errorf("of one it is %s, more %t", fedNames(first), first.More)
	} else {
		taken(t, l, "prod", first)
	}
	if n, oldest, err := l.Undelivered(ctx, "prod"); err != nil || n != 1 || !oldest.Equal(t0) {
		t.Errorf("%d wait since %v, %v", n, oldest, err)
	}
	rest := feed(t, l, "prod", 5)
	if got := fedNames(rest); got != "node-1 ready" || rest.Cursor.Seq != 1 {
		t.Errorf("then there is %s from %d", got, rest.Cursor.Seq)
	}
	taken(t, l, "prod", rest)
	if f := feed(t, l, "prod", 5); len(f.Changes) > 0 {
		t.Errorf("after that there is %s", fedNames(f))
	}
	if got := waiting(t, l, "prod"); got != "node-2 joined, node-1 ready" {
		t.Errorf("delivered is %s", got)
	}
	if n, oldest, err := l.Undelivered(ctx, "prod"); err != nil || n != 0 || !oldest.IsZero() {
		t.Errorf("%d wait since %v, %v", n, oldest, err)
	}
}

func feedOfSeveralClusters(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	for _, cluster := range []string{"prod", "test"} {
		check(t, l.BeginFeed(ctx, cluster, t0))
	}
	o := first(7)
	o.Node.Cluster = "test"
	for i := range o.Changes {
		o.Changes[i].Cluster = "test"
	}
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "test", Observations: []fleet.Observation{o}, At: t0}))
	record(t, l, "1", first(1))
	for cluster, want := range map[string]string{"prod": "node-1 joined", "test": "node-7 joined"} {
		taken(t, l, cluster, feed(t, l, cluster, 5))
		if got := waiting(t, l, cluster); got != want {
			t.Errorf("the feed of %s has %s, want %s", cluster, got, want)
		}
	}
}

func feedCauses(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	because := func(strength int, kind fleet.CauseKind) {
		t.Helper()
		check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 1, Looks: strength, Explanation: fleet.Explanation{
			Cause: fleet.Cause{Kind: kind}, Strength: strength}}}))
	}
	causes := func() (all []string) {
		t.Helper()
		for _, c := range feed(t, l, "prod", 5).Causes {
			all = append(all, fmt.Sprint(c.Node.Name, " ", c.Why.Kind, " ", c.Why.Strength))
		}
		return all
	}
	check(t, l.BeginFeed(ctx, "prod", t0))
	record(t, l, "1", first(1))
	because(1, fleet.Headroom)
	f := feed(t, l, "prod", 5)
	if why := f.Changes[0].Why; why.Kind != fleet.Headroom {
		t.Errorf("the change's own cause is %q", why.Kind)
	}
	told := func(f wave.Feed, strength int) {
		t.Helper()
		check(t, l.Collect(ctx, "prod", wave.Collected{Cursor: f.Upto, Explained: map[int64]int{1: strength}}))
	}
	because(2, fleet.Demand) // between reading and recording
	told(f, 1)
	if got := causes(); !slices.Equal(got, []string{"node-1 demand 2"}) {
		t.Errorf("a stronger cause is %q", got)
	}
	told(feed(t, l, "prod", 5), 2)
	if got := causes(); got != nil {
		t.Errorf("what was told is told again: %q", got)
	}
}

func feedWaves(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2), first(3))
	open := func(kind wave.Kind, change int64) {
		t.Helper()
		check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: kind, Changes: []int64{change}}}}, false,
			t0))
	}
	open(wave.KindJoined, 1)
	check(t, l.BeginFeed(ctx, "prod", t0))
	open(wave.KindJoined, 2)
	open(wave.KindRemoved, 3)
	f := feed(t, l, "prod", 5)
	if len(f.Waves) != 2 || f.Waves[0].Wave.ID != 2 || f.Waves[0].Fed.Events != 0 {
		t.Fatalf("new waves are %+v", f.Waves)
	}
	states := []wave.FedState{{Wave: 2, Key: "k2", Kind: wave.KindJoined, Events: 1, State: "s", Said: 1 << 63, At: t0},
		{Wave: 3, Key: "k3", Kind: wave.KindRemoved, Events: 1, At: t0}}
	check(t, l.Collect(ctx, "prod", wave.Collected{Cursor: f.Upto, States: states}))
	check(t, l.FinishWave(ctx, 2, t0))
	f = feed(t, l, "prod", 5)
	if len(f.Waves) != 2 || f.Waves[0].Fed != states[0] || !f.Waves[0].Done || f.Waves[1].Done {
		t.Fatalf("then they are %+v", f.Waves)
	}
	check(t, l.Collect(ctx, "prod", wave.Collected{Cursor: f.Upto, Over: []int64{2}}))
	open(wave.KindJoined, 1)
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Merge: []wave.Merge{{Into: 4, From: []int64{3, 4}}}}, false, t0))
	f = feed(t, l, "prod", 5)
	if len(f.Gone) != 1 || f.Gone[0] != states[1] || len(f.Waves) != 1 || f.Waves[0].Wave.Kind != wave.KindCatchUp {
		t.Errorf("after a merge they are %+v, and gone is %+v", f.Waves, f.Gone)
	}
}

func feedGivesUp(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	check(t, l.BeginFeed(ctx, "prod", t0))
	record(t, l, "1", first(1), first(2))
	taken(t, l, "prod", feed(t, l, "prod", 1))
	tell := func(change int64) {
		t.Helper()
		w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
		if len(w) == 0 {
			check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined,
				Changes: []int64{1, 2}}}}, false, t0))
			w = must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
		}
		check(t, l.Accepted(ctx, w[0].Main, change, t0))
		check(t, l.FinishWave(ctx, w[0].ID, t0))
	}
	tell(2)
	// One event waits, and the other change is not taken up: both are too old.
	must[int64](t)(l.Prune(ctx, ledger.Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(2*time.Hour)))
	f := feed(t, l, "prod", 5)
	if f.Missed != 2 || len(f.Changes) != 0 {
		t.Fatalf("%d are missed, and %s is new", f.Missed, fedNames(f))
	}
	if n, _, err := l.Undelivered(ctx, "prod"); n != 0 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
	taken(t, l, "prod", f)
	if f := feed(t, l, "prod", 5); f.Missed != 0 {
		t.Errorf("%d are missed once that is told", f.Missed)
	}
}
