package ledgertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

var t0 = time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)

// waveOf returns a wave that is not done, with its members.
func waveOf(t *testing.T, l *ledger.Ledger, id int64) wave.Wave {
	t.Helper()
	for _, w := range must[[]wave.Wave](t)(l.LiveWaves(t.Context(), "prod")) {
		if w.ID == id {
			w.Members = must[[]wave.Member](t)(l.Members(t.Context(), id))
			return w
		}
	}
	t.Fatalf("wave %d is not live", id)
	return wave.Wave{}
}

// scalingEvents returns the scaling events of a cluster, the newest first.
func scalingEvents(t *testing.T, l *ledger.Ledger) []fleet.Event {
	t.Helper()
	return must[query.EventPage](t)(l.Events(t.Context(), "prod", query.EventFilter{Scaling: true}, query.EventCursor{},
		10)).Events
}

// backlog is how many changes are untold.
func backlog(t *testing.T, l *ledger.Ledger) int {
	t.Helper()
	n, _, err := l.Backlog(t.Context(), "prod")
	check(t, err)
	return n
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func node(n int) fleet.Node {
	return fleet.Node{
		Cluster: "prod", UID: fmt.Sprintf("uid-%d", n), Name: fmt.Sprintf("node-%d", n), Provider: "aws",
		InstanceType: "m5.large", CapacityType: "spot",
		Zone: "us-east-1a", Region: "us-east-1", Pool: "general", Arch: "amd64", OS: "linux",
		Labels: map[string]string{"a": "b"}, CreatedAt: t0,
		Detail: fleet.Detail{ProviderID: "aws:///us-east-1a/i-1", KubeletVersion: "v1.36.3",
			Taints:   []fleet.Taint{{Key: "k", Effect: "NoSchedule"}},
			Capacity: fleet.Resources{MilliCPU: 2000, Memory: 8 << 30, Pods: 29}},
		Ready: fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Since: t0},
	}
}

func first(n int) fleet.Observation { return fleet.First(node(n), t0) }

// ready is the observation that follows first.
func ready(t testing.TB, n int) fleet.Observation {
	node := node(n)
	node.Ready = fleet.Condition{Status: fleet.Ready, Reason: "KubeletReady", Since: t0.Add(41 * time.Second)}
	o, ok := fleet.Diff(first(n).Known, node, t0.Add(42*time.Second))
	if !ok {
		t.Fatal("a node that became ready is no change")
	}
	return o
}

func record(t testing.TB, l *ledger.Ledger, rv string, os ...fleet.Observation) {
	t.Helper()
	check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", Observations: os, ResourceVersion: rv, At: t0}))
}

func todoIDs(t testing.TB, l *ledger.Ledger) (kinds []string) {
	t.Helper()
	todo, _, err := l.Todo(t.Context(), "prod", 1000)
	check(t, err)
	for _, td := range todo {
		kinds = append(kinds, td.Change.NodeName+" "+string(td.Change.Kind))
	}
	return kinds
}

func nodeRoundTrip(t *testing.T, fresh Open) {
	l := fresh(t)
	record(t, l, "10", first(1))
	got, ok, err := l.Node(t.Context(), "prod", "uid-1")
	check(t, err)
	if diff := cmp.Diff(node(1), got.Node); !ok || diff != "" {
		t.Errorf("Node (-want +got):\n%s", diff)
	}
	known := must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod"))
	if diff := cmp.Diff(map[string]fleet.Known{"uid-1": first(1).Known}, known); diff != "" {
		t.Errorf("KnownNodes (-want +got):\n%s", diff)
	}
	cp := must[fleet.Checkpoint](t)(l.Checkpoint(t.Context(), "prod"))
	if cp.NodesVersion != "10" || !cp.WatchedUntil.Equal(t0) || !cp.BaselineAt.IsZero() {
		t.Errorf("Checkpoint = %+v", cp)
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

func waveLife(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2))
	todo, _, err := l.Todo(ctx, "prod", 10)
	check(t, err)
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{todo[0].Change.ID, todo[1].Change.ID}}}},
		false, t0))
	if ids := todoIDs(t, l); len(ids) != 0 {
		t.Errorf("still to do: %v", ids)
	}
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	if w.Main.Channel != "C1" || w.Main.Tried || w.Main.ID != "" || !strings.HasPrefix(w.Key, l.Instance()+"-") ||
		w.Main.Key != w.Key {
		t.Errorf("intent = %+v", w.Main)
	}
	want := wave.Counts{Members: 2, Untold: 2, Unlisted: 2, Pending: 2, Unready: 2, LastChange: todo[1].Change.ID}
	if w.Counts != want {
		t.Errorf("counts = %+v, want %+v", w.Counts, want)
	}
	check(t, l.MarkPosting(ctx, w.Main, t0))
	w = waveOf(t, l, w.ID)
	if !w.Main.Tried || len(w.Members) != 2 || w.Members[0].Told {
		t.Errorf("wave tried = %+v", w)
	}
	// A node becomes ready while the message is on its way: it is not told by it.
	record(t, l, "2", ready(t, 1))
	todo, _, err = l.Todo(ctx, "prod", 10)
	check(t, err)
	if len(todo) != 1 || todo[0].StepWave != w.ID {
		t.Fatalf("the step does not follow its wave: %+v", todo)
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Add: map[int64][]int64{w.ID: {todo[0].Change.ID}}}, false, t0))
	rec := w.Main
	rec.ID, rec.Hash = "100.1", 1<<63+5
	check(t, l.Accepted(ctx, rec, w.Counts.LastChange, t0))
	w = waveOf(t, l, w.ID)
	if w.Main.ID != "100.1" || w.Main.Hash != 1<<63+5 || w.Counts.Untold != 1 || w.Counts.Pending != 1 {
		t.Errorf("accepted = %+v, counts %+v", w.Main, w.Counts)
	}
	// Replies list their nodes once.
	part := must[wave.Posting](t)(l.AddPart(ctx, w, "list", []string{"uid-1", "uid-2"}, t0))
	if part.Key != w.Key+".1" {
		t.Errorf("reply key %q", part.Key)
	}
	w = waveOf(t, l, w.ID)
	if w.Counts.Unlisted != 0 || len(w.Parts) != 1 || w.Members[1].Part != part.Key {
		t.Errorf("listed = %+v", w)
	}
	// A wave does not finish under a to-do of one of its nodes.
	record(t, l, "3", fleet.Gone(node(2), first(2).Known, t0.Add(time.Hour)))
	check(t, l.FinishWave(ctx, w.ID, t0))
	if waves := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod")); len(waves) != 1 {
		t.Error("the wave finished although a step of its node is to be planned")
	}
	todo, _, err = l.Todo(ctx, "prod", 10)
	check(t, err)
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindRemoved, Changes: []int64{todo[0].Change.ID}}}}, false, t0))
	w = waveOf(t, l, w.ID)
	if w.Counts.Pending != 0 || w.Members[1].RemovedAt.IsZero() {
		t.Errorf("a removed node is waited for: %+v", w.Counts)
	}
	check(t, l.FinishWave(ctx, w.ID, t0))
	waves := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	if len(waves) != 1 || waves[0].Kind != wave.KindRemoved {
		t.Fatalf("live waves = %+v", waves)
	}
	// A message that Slack has is later than any that it had confirmed before the intent.
	if got := [2]string{w.Main.After, waves[0].Main.After}; got != [2]string{"", "100.1"} {
		t.Errorf("the messages are later than %q", got)
	}
}

func releaseGivesBackWhatWasNotTold(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2))
	todo, _, _ := l.Todo(ctx, "prod", 10)
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2}}}},
		false, t0))
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	w.Main.ID = "1.1"
	check(t, l.Accepted(ctx, w.Main, todo[0].Change.ID, t0))
	check(t, l.ReleaseWave(ctx, w.ID, t0))
	if diff := cmp.Diff([]string{"node-2 joined"}, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}
}

func merge(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), fleet.Gone(node(2), first(2).Known, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{
		{Kind: wave.KindJoined, Changes: []int64{1}}, {Kind: wave.KindRemoved, Changes: []int64{2}, Closed: true}}}, false,
		t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Merge: &wave.Merge{Into: 1, From: []int64{2}}}, false,
		t0.Add(time.Hour)))
	waves := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	if len(waves) != 1 || waves[0].Kind != wave.KindCatchUp || waves[0].Counts.Members != 2 ||
		!waves[0].OpenedAt.Equal(t0) {
		t.Errorf("waves = %+v", waves)
	}
}

func gapMarksItsChanges(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	gap := &fleet.Gap{Cluster: "prod", From: t0, Until: t0.Add(time.Hour), Cause: "restart", Missed: true,
		EventsFrom: t0.Add(time.Minute)}
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{first(1)}, Gap: gap,
		At: t0}))
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Gap: gap, At: t0})) // a gap without a difference
	gaps := must[[]fleet.Gap](t)(l.Gaps(ctx, "prod", t0))
	if len(gaps) != 2 {
		t.Fatalf("gaps = %+v", gaps)
	}
	gap.ID = gaps[0].ID
	if diff := cmp.Diff(*gap, gaps[0]); diff != "" {
		t.Errorf("gap (-want +got):\n%s", diff)
	}
	todo, _, _ := l.Todo(ctx, "prod", 10)
	if todo[0].Change.GapID != gap.ID {
		t.Errorf("change in gap %d, want %d", todo[0].Change.GapID, gap.ID)
	}
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{
			{Kind: wave.KindAway, About: wave.About{Gap: gap.ID}, Changes: []int64{todo[0].Change.ID}},
		}}, false, t0))
	if w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]; w.Gap == nil || !w.Gap.From.Equal(t0) {
		t.Errorf("wave's gap = %+v", w.Gap)
	}
}

func event(uid string, count int, last time.Duration) fleet.Event {
	return fleet.Event{Cluster: "prod", UID: uid, Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web"},
		Reason: "Started", Type: "Normal",
		Note: "Started container", Count: count, First: t0, Last: t0.Add(last)}
}

func eventsMerge(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	for _, e := range []fleet.Event{event("e", 1, 0), event("e", 3, time.Minute), event("e", 2, 30*time.Second),
		event("e", 3, time.Minute)} {
		check(t, l.RecordEvents(ctx, "prod", []fleet.Event{e}, "7"))
	}
	check(t, l.RecordEvents(ctx, "prod", nil, ""))
	got := scalingEvents(t, l)
	if diff := cmp.Diff([]fleet.Event{event("e", 3, time.Minute)}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if cp := must[fleet.Checkpoint](t)(l.Checkpoint(ctx, "prod")); cp.EventsVersion != "7" {
		t.Errorf("events version %q, want 7", cp.EventsVersion)
	}
}

func prune(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	noise := event("noise", 1, 0)
	noise.Reason = "Pulled"
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{noise, event("story", 1, 0)}, "1"))
	record(t, l, "1", first(1), first(2), fleet.Gone(node(2), first(2).Known, t0.Add(time.Minute)))
	r := ledger.Retention{Scaling: 90 * 24 * time.Hour, Other: 24 * time.Hour}
	for _, tc := range []struct {
		after time.Duration
		want  int64
	}{{time.Hour, 0}, {25 * time.Hour, 1}, {91 * 24 * time.Hour, 1}} {
		if n, err := l.Prune(ctx, r, t0.Add(tc.after)); err != nil || n != tc.want {
			t.Errorf("after %v: %d rows, %v; want %d (what is untold stays)", tc.after, n, err, tc.want)
		}
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2, 3}}}},
		false, t0))
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	check(t, l.Accepted(ctx, w.Main, 3, t0))
	if n, err := l.Prune(ctx, r, t0.Add(91*24*time.Hour)); err != nil || n != 0 {
		t.Errorf("%d rows of a live wave pruned, %v", n, err)
	}
	check(t, l.FinishWave(ctx, w.ID, t0))
	// Three changes, the removed node, the message and its wave.
	if n, err := l.Prune(ctx, r, t0.Add(91*24*time.Hour)); err != nil || n != 6 {
		t.Errorf("%d rows pruned, %v; want 6", n, err)
	}
	if totals := must[fleet.Totals](t)(l.Totals(ctx, "prod")); totals.Nodes != 1 {
		t.Errorf("%d live nodes left, want 1", totals.Nodes)
	}
}

func eventsAreBoundedInBytes(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	var events []fleet.Event
	for i := range 1000 {
		e := event(fmt.Sprintf("e%04d", i), 1, time.Duration(i)*time.Second)
		e.Reason = "Pulled"
		events = append(events, e)
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	limit := int64(events[0].Size() * 300)
	_, err := l.Prune(ctx, ledger.Retention{Scaling: time.Hour, Other: time.Hour, MaxOther: limit}, t0)
	check(t, err)
	_, other, err := l.EventCounts(ctx, "prod", t0)
	check(t, err)
	if other > 300 || other < 100 {
		t.Errorf("%d events left of at most 300", other)
	}
	if _, newest, _ := l.EventCounts(ctx, "prod", t0.Add(990*time.Second)); newest != 10 {
		t.Errorf("%d of the ten newest are left", newest)
	}
}

// Pruning gives way to writers: they go on while it works.
func writersGoOnWhilePruning(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	var events []fleet.Event
	for i := range 4000 {
		events = append(events, event(fmt.Sprint("e", i), 1, 0))
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	done := make(chan error, 1)
	go func() {
		_, err := l.Prune(ctx, ledger.Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(2*time.Hour))
		done <- err
	}()
	writes := 0
	for {
		select {
		case err := <-done:
			check(t, err)
			if writes < 2 {
				t.Errorf("only %d writes went through while pruning", writes)
			}
			return
		default:
			record(t, l, "2", first(writes))
			writes++
		}
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
