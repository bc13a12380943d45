package ledgertest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

func nodeRoundTrip(t *testing.T, fresh Open) {
	l := fresh(t)
	record(t, l, "10", first(1))
	got, ok, err := l.Node(t.Context(), "prod", "uid-1")
	check(t, err)
	if diff := cmp.Diff(node(1), got.Node); !ok || diff != "" {
		t.Errorf("Node (-want +got):\n%s", diff)
	}
	knows := func(want fleet.Known) {
		t.Helper()
		known := must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod"))
		if diff := cmp.Diff(map[string]fleet.Known{"uid-1": want}, known); diff != "" {
			t.Errorf("KnownNodes (-want +got):\n%s", diff)
		}
	}
	knows(first(1).Known)
	cp := must[fleet.Checkpoint](t)(l.Checkpoint(t.Context(), "prod"))
	if cp.NodesVersion != "10" || !cp.WatchedUntil.Equal(t0) || !cp.BaselineAt.IsZero() {
		t.Errorf("Checkpoint = %+v", cp)
	}
	moving := node(1)
	moving.Ready.Since = t0.Add(10 * time.Second)
	o, _ := fleet.Diff(first(1).Known, moving, fleet.Look{At: t0.Add(10 * time.Second)})
	if !o.Known.SinceMoves {
		t.Fatalf("%+v", o.Known)
	}
	record(t, l, "11", o)
	knows(o.Known)
	// A clock that is ahead: the time that counts is another one than the object's.
	ahead := node(1)
	ahead.Ready = fleet.Condition{Status: fleet.Ready, Since: t0.Add(8 * time.Hour)}
	o, _ = fleet.Diff(first(1).Known, ahead, fleet.Look{At: t0.Add(time.Minute)})
	if o.Known.ReadyClaim == o.Known.ReadySince {
		t.Fatalf("%+v", o.Known)
	}
	record(t, l, "12", o)
	knows(o.Known)
	if got, _, err := l.Node(t.Context(), "prod", "uid-1"); err != nil || !got.Ready.Since.Equal(t0.Add(time.Minute)) {
		t.Errorf("ready since %s, %v", got.Ready.Since, err)
	}
	if _, ok, err := l.Node(t.Context(), "other", "uid-1"); ok || err != nil {
		t.Errorf("a node of another cluster: %v, %v", ok, err)
	}
}

func recordingIsIdempotent(t *testing.T, fresh Open) {
	l := fresh(t)
	for range 3 {
		record(t, l, "10", first(1))
		record(t, l, "11", ready(t, 1))
	}
	want := []string{"node-1 joined", "node-1 ready"}
	if diff := cmp.Diff(want, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}
}

func sameNameIsAnotherNode(t *testing.T, fresh Open) {
	l := fresh(t)
	again := node(1)
	again.UID = "uid-1b"
	record(t, l, "10", first(1), fleet.Gone(node(1), first(1).Known, t0.Add(time.Hour)),
		fleet.First(again, t0.Add(2*time.Hour)))
	if diff := cmp.Diff([]string{"node-1 joined", "node-1 removed", "node-1 joined"}, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}
	totals := must[fleet.Totals](t)(l.Totals(t.Context(), "prod"))
	if totals.Nodes != 1 {
		t.Errorf("%d live nodes, want 1", totals.Nodes)
	}
}

// nodeComesBack holds that a node whose end was recorded lives again when it is back, as often as it is.
func nodeComesBack(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	known := first(1).Known
	if _, left, err := l.Left(ctx, "prod", "uid-1"); left || err != nil {
		t.Errorf("a node that never was has left: %v, %v", left, err)
	}
	record(t, l, "10", first(1))
	for life := 1; life <= 3; life++ {
		if _, left, err := l.Left(ctx, "prod", "uid-1"); left || err != nil {
			t.Errorf("life %d: a live node has left: %v, %v", life, left, err)
		}
		gone := fleet.Gone(node(1), known, t0.Add(time.Hour))
		record(t, l, "11", gone)
		record(t, l, "11", fleet.First(node(1), t0)) // what is recorded again brings nobody back
		before, left, err := l.Left(ctx, "prod", "uid-1")
		if diff := cmp.Diff(known, before); !left || err != nil || diff != "" {
			t.Fatalf("life %d: left %v, %v (-want +got):\n%s", life, left, err, diff)
		}
		back := fleet.Back(before, node(1), t0.Add(2*time.Hour))
		for range 2 {
			record(t, l, "12", back)
		}
		known = back.Known
		if diff := cmp.Diff(map[string]fleet.Known{"uid-1": known},
			must[map[string]fleet.Known](t)(l.KnownNodes(ctx, "prod"))); diff != "" {
			t.Errorf("life %d: KnownNodes (-want +got):\n%s", life, diff)
		}
		if totals := must[fleet.Totals](t)(l.Totals(ctx, "prod")); totals.Nodes != 1 {
			t.Errorf("life %d: %d live nodes, want 1", life, totals.Nodes)
		}
	}
	want := []string{"node-1 joined"}
	for range 3 {
		want = append(want, "node-1 removed", "node-1 joined")
	}
	if diff := cmp.Diff(want, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}
}

func identity(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "10", first(1))
	for _, tt := range [][2]string{{"", ""}, {"a", "a"}, {"", "a"}, {"b", "b"}} {
		check(t, l.RecordIdentity(ctx, "prod", tt[0]))
		if cp := must[fleet.Checkpoint](t)(l.Checkpoint(ctx, "prod")); cp.Identity != tt[1] || cp.NodesVersion != "10" {
			t.Errorf("after %q: %+v", tt[0], cp)
		}
	}
}

func baselineForgetsWhatItsFirstTrySaw(t *testing.T, fresh Open) {
	l := fresh(t)
	check(t, l.RecordBaseline(t.Context(), "prod", []fleet.Observation{first(1), first(2)}))
	check(t, l.RecordBaseline(t.Context(), "prod", []fleet.Observation{first(2), first(3)}))
	check(t, l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", ResourceVersion: "5", At: t0},
		func(uid string) bool { return uid != "uid-1" }))
	if totals := must[fleet.Totals](t)(l.Totals(t.Context(), "prod")); totals.Nodes != 2 {
		t.Errorf("%d live nodes, want 2", totals.Nodes)
	}
	todo, baseline, err := l.Todo(t.Context(), "prod", 10)
	check(t, err)
	if len(todo) != 0 || !baseline {
		t.Errorf("%d to-dos, baseline %v: want none but the baseline", len(todo), baseline)
	}
	check(t, l.Apply(t.Context(), "prod", "C1", wave.Plan{Baseline: true}, false, t0))
	if _, baseline, _ = l.Todo(t.Context(), "prod", 10); baseline {
		t.Error("the baseline is to be told twice")
	}
	// A second baseline of the same cluster would be told again; nothing asks for one.
	if waves := must[[]wave.Wave](t)(l.LiveWaves(t.Context(), "prod")); len(waves) != 1 ||
		waves[0].Kind != wave.KindBaseline || waves[0].ClosedAt.IsZero() {
		t.Errorf("waves = %+v", waves)
	}
}

// What joins or leaves between the first list and the message about it is told on its own, so
// the message counts neither.
func baselineIsThatOfTheFirstList(t *testing.T, fresh Open) {
	l := fresh(t)
	check(t, l.RecordBaseline(t.Context(), "prod", []fleet.Observation{first(1), first(2), first(3)}))
	check(t, l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", ResourceVersion: "5", At: t0},
		func(string) bool { return true }))
	record(t, l, "6", first(4), fleet.Gone(node(1), first(1).Known, t0.Add(time.Second)))
	totals, groups, machines, err := l.Baseline(t.Context(), "prod")
	check(t, err)
	n := 0
	for _, g := range groups {
		n += g.Nodes
	}
	if totals.Nodes != 3 || n != 3 || sum(machines) != 3 {
		t.Errorf("the baseline has %d nodes, its groups %d, its machines %v; want 3", totals.Nodes, n, machines)
	}
}

// The mark of the watch never goes back, but for a clock that was set back: otherwise what happens
// until the clock has caught up would lie in no gap.
func markFollowsAClockThatIsSetBack(t *testing.T, fresh Open) {
	l := fresh(t)
	for _, step := range []struct{ at, want time.Duration }{{0, 0}, {time.Minute, time.Minute},
		{30 * time.Second, time.Minute}, {48 * time.Hour, 48 * time.Hour}, {2 * time.Minute, 2 * time.Minute}} {
		check(t, l.Watched(t.Context(), "prod", t0.Add(step.at), "7"))
		cp := must[fleet.Checkpoint](t)(l.Checkpoint(t.Context(), "prod"))
		if got := cp.WatchedUntil.Sub(t0); got != step.want {
			t.Errorf("marked after %v: watched until %v, want %v", step.at, got, step.want)
		}
	}
}

func clusters(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	check(t, l.Watched(ctx, "test", t0, "4"))
	check(t, l.FinishBaseline(ctx, fleet.Batch{Cluster: "prod", At: t0, ResourceVersion: "5"},
		func(string) bool { return true }))
	want := []query.ClusterRecord{
		{Cluster: "prod", Checkpoint: fleet.Checkpoint{BaselineAt: t0, WatchedUntil: t0, NodesVersion: "5"}},
		{Cluster: "test", Checkpoint: fleet.Checkpoint{WatchedUntil: t0, NodesVersion: "4"}}}
	if diff := cmp.Diff(want, must[[]query.ClusterRecord](t)(l.Clusters(ctx))); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
}
