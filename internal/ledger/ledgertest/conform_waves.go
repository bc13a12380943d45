package ledgertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

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
	want := wave.Counts{Members: 2, Kinds: 1, Untold: 2, Unlisted: 2, Pending: 2, Unready: 2,
		LastChange: todo[1].Change.ID, Unexplained: 2, Causeless: 2}
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
	if part.Key == w.Key || !strings.Contains(part.Key, ".1-") {
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
	check(t, l.ReleaseWave(ctx, w.ID, atMost(5), t0))
	if diff := cmp.Diff([]string{"node-2 joined"}, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}
}

// releaseGivesBackNamesThatAreOwed holds that a wave that is given up gives back the nodes that it told without naming
// them, and that one that takes no more edits lists those that it does not name.
func releaseGivesBackNamesThatAreOwed(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2), first(3))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2, 3}}}}, false, t0))
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	w.Main.ID = "1.1"
	check(t, l.Accepted(ctx, w.Main, 3, t0))
	part := must[wave.Posting](t)(l.AddPart(ctx, w, wave.PartList, []string{"uid-1"}, t0))
	part.ID = "1.2"
	check(t, l.Accepted(ctx, part, 0, t0))
	must[wave.Posting](t)(l.AddPart(ctx, w, wave.PartList, []string{"uid-2"}, t0)) // which is never posted
	check(t, l.ReleaseWave(ctx, w.ID, atMost(2), t0))
	if diff := cmp.Diff([]string{"node-2 joined", "node-3 joined"}, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}

	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{2, 3}}}}, false, t0))
	w = must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	w.Main.ID = "2.1"
	check(t, l.Accepted(ctx, w.Main, 2, t0))
	check(t, l.Freeze(ctx, w, atMost(2)))
	w = must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	members := must[[]wave.Member](t)(l.Members(ctx, w.ID))
	if !w.Main.Frozen || w.Counts.Unlisted != 1 || members[0].Part == "" || members[1].Part != "" ||
		members[0].ToldUpTo != 2 || members[1].ToldUpTo != 0 {
		t.Errorf("wave %+v, members %+v", w, members)
	}
}

// doubts holds that a message that may be there twice is known as that, with its thread, until it is settled.
func doubts(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1}}}}, false, t0))
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	part := must[wave.Posting](t)(l.AddPart(ctx, w, wave.PartList, []string{"uid-1"}, t0))
	for i, p := range []wave.Posting{w.Main, part} {
		p.Doubtful = t0.Add(time.Duration(i) * time.Minute)
		check(t, l.MarkPosting(ctx, p, t0))
		if got := must[[]wave.Doubt](t)(l.Doubtful(ctx)); len(got) != i {
			t.Errorf("before it is confirmed: %+v", got)
		}
		p.ID = fmt.Sprint("1.", i)
		check(t, l.Accepted(ctx, p, 0, t0))
		got := must[[]wave.Doubt](t)(l.Doubtful(ctx))
		thread := []string{"", "1.0"}[i]
		if len(got) != i+1 || got[i].Key != p.Key || got[i].Thread != thread || !got[i].Doubtful.Equal(p.Doubtful) {
			t.Errorf("doubts: %+v", got)
		}
	}
	check(t, l.Settled(ctx, w.Main.Key))
	if got := must[[]wave.Doubt](t)(l.Doubtful(ctx)); len(got) != 1 || got[0].Key != part.Key {
		t.Errorf("doubts: %+v", got)
	}
}

func merge(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), fleet.Gone(node(2), first(2).Known, t0))
	gap := &fleet.Gap{Cluster: "prod", From: t0, Until: t0.Add(time.Hour), Cause: "restart", Missed: true}
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Gap: gap, At: t0}))
	gap.ID = must[[]fleet.Gap](t)(l.Gaps(ctx, "prod", t0))[0].ID
	about := wave.About{Gap: gap.ID}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{
		{Kind: wave.KindJoined, Changes: []int64{1}},
		{Kind: wave.KindAway, About: about, Changes: []int64{2}, Closed: true}}}, false, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Merge: []wave.Merge{{Into: 1, From: []int64{2}, About: about}}}, false,
		t0.Add(time.Hour)))
	w := onlyWave(t, l)
	if w.Kind != wave.KindCatchUp || w.Counts.Members != 2 || !w.OpenedAt.Equal(t0) || !w.ClosedAt.IsZero() ||
		len(w.Parts) != 0 || w.Main.Key != w.Key {
		t.Errorf("the catch-up: %+v", w)
	}
	if diff := cmp.Diff(gap, w.Gap); diff != "" || w.About != about {
		t.Errorf("it is about %+v (-want +got):\n%s", w.About, diff)
	}
	// The gap stays as long as the wave that is about it.
	r := ledger.Retention{Scaling: time.Hour, Other: time.Hour}
	if n, err := l.Prune(ctx, r, t0.Add(100*time.Hour)); err != nil || n > 0 {
		t.Errorf("%d rows of a live wave pruned, %v", n, err)
	}
}

func gapMarksItsChanges(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	gap := &fleet.Gap{Cluster: "prod", From: t0, Until: t0.Add(time.Hour), Cause: "restart", Missed: true,
		EventsFrom: t0.Add(time.Minute), Confirmed: t0.Add(time.Hour)}
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

func waveNodes(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2), first(3), ready(t, 1))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{2, 1, 3, 4}}}}, false, t0))
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	part := must[wave.Posting](t)(l.AddPart(ctx, w, "list", nil, t0))
	want := wave.Nodes{ID: w.ID, Cluster: "prod", Kind: wave.KindJoined, UIDs: []string{"uid-1", "uid-2", "uid-3"},
		Names: []string{"node-1", "node-2", "node-3"},
		From:  t0, Until: t0.Add(41 * time.Second)}
	for _, key := range []string{w.Key, part.Key} {
		got, ok, err := l.WaveNodes(ctx, key, 3)
		check(t, err)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("WaveNodes(%s) = %v (-want +got):\n%s", key, ok, diff)
		}
	}
	if got, _, err := l.WaveNodes(ctx, w.Key, 2); err != nil || !got.More || len(got.UIDs) != 2 {
		t.Errorf("two of three: %+v, %v", got, err)
	}
	if _, ok, err := l.WaveNodes(ctx, "nobody", 2); ok || err != nil {
		t.Errorf("an unknown key: %v, %v", ok, err)
	}
}

// atMost names so many nodes, whatever they are.
func atMost(most int) func(nodes, kinds int) bool {
	return func(nodes, _ int) bool { return nodes <= most }
}
