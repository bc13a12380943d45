package ledger

import (
	"fmt"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// BenchmarkOneChange: what a single node's change costs in the ledger, call by call, until its
// message is accepted, in a cluster of so many nodes; and the same for a process that has rested
// before each, as one that watches nodes does: the caches of the machine are cold then.
func BenchmarkOneChange(b *testing.B) {
	for _, nodes := range []int{0, 5000, 20_000} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) { oneChange(b, nodes, 0) })
	}
	b.Run("rested", func(b *testing.B) { oneChange(b, 0, 500*time.Millisecond) })
}

func oneChange(b *testing.B, nodes int, rest time.Duration) {
	l, ctx := fresh(b), b.Context()
	var there []fleet.Observation
	for i := range nodes {
		there = append(there, first(1_000_000+i))
	}
	check(b, l.RecordBaseline(ctx, "prod", there))
	check(b, l.FinishBaseline(ctx, fleet.Batch{Cluster: "prod", At: t0}, func(string) bool { return true }))
	took := map[string]time.Duration{}
	last := time.Now()
	lap := func(name string) {
		now := time.Now()
		took[name] += now.Sub(last)
		last = now
	}
	i := 0
	for b.Loop() {
		i++
		time.Sleep(rest)
		last = time.Now()
		record(b, l, "1", first(i))
		lap("record")
		todo, _, err := l.Todo(ctx, "prod", 5000)
		check(b, err)
		lap("todo")
		_, err = l.UntoldMutes(ctx, "prod")
		check(b, err)
		lap("mutes")
		_, err = l.LiveWaves(ctx, "prod")
		check(b, err)
		lap("livewaves")
		check(b, l.Apply(ctx, "prod", "C1",
			wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{todo[0].Change.ID}}}}, true, t0))
		lap("apply")
		live, err := l.LiveWaves(ctx, "prod")
		check(b, err)
		lap("livewaves")
		w := live[0]
		w.Members, err = l.Members(ctx, w.ID)
		check(b, err)
		lap("members")
		_, err = l.Totals(ctx, "prod")
		check(b, err)
		lap("totals")
		_, err = l.Machines(ctx, "prod")
		check(b, err)
		lap("machines")
		check(b, l.Accepted(ctx, w.Main, w.Counts.LastChange, t0))
		lap("accepted")
		check(b, l.FinishWave(ctx, w.ID, t0))
	}
	for name, d := range took {
		b.ReportMetric(float64(d.Microseconds())/float64(i), "µs-"+name)
	}
}

// BenchmarkWaveStep: what the ledger does for one step of a wave of 5,000 nodes, call by call: it is read, with its
// members and the replacement that all of them have a part in, and what its message tells is recorded.
func BenchmarkWaveStep(b *testing.B) {
	for _, kind := range []wave.Kind{wave.KindJoined, wave.KindRemoved} {
		b.Run(string(kind), func(b *testing.B) { waveStep(b, kind) })
	}
}

func waveStep(b *testing.B, kind wave.Kind) {
	l, ctx := fresh(b), b.Context()
	const nodes = 5000
	var os []fleet.Observation
	for i := range nodes {
		o := first(i)
		if os = append(os, o); kind == wave.KindRemoved {
			os = append(os, fleet.Gone(o.Node, o.Known, t0.Add(time.Hour)))
		}
	}
	record(b, l, "1", os...)
	todo, _, err := l.Todo(ctx, "prod", 2*nodes)
	check(b, err)
	plan := wave.Plan{New: []wave.Opening{{Kind: kind}}}
	for _, t := range todo {
		if t.Change.Kind == fleet.ChangeKind(kind) {
			plan.New[0].Changes = append(plan.New[0].Changes, t.Change.ID)
		}
	}
	check(b, l.Apply(ctx, "prod", "C1", plan, false, t0))
	explainAll(b, l)
	took := map[string]time.Duration{}
	i := 0
	for b.Loop() {
		i++
		last := time.Now()
		lap := func(name string) {
			now := time.Now()
			took[name] += now.Sub(last)
			last = now
		}
		live, err := l.LiveWaves(ctx, "prod")
		check(b, err)
		lap("livewaves")
		w := live[0]
		w.Members, err = l.Members(ctx, w.ID)
		check(b, err)
		lap("members")
		_, err = l.Swaps(ctx, w)
		check(b, err)
		lap("swaps")
		check(b, l.Accepted(ctx, w.Main, w.Counts.LastChange, t0))
		lap("accepted")
	}
	for name, d := range took {
		b.ReportMetric(float64(d.Microseconds())/float64(i), "µs-"+name)
	}
}

// explainAll records a cause of each change that is to be explained.
func explainAll(b *testing.B, l *Ledger) {
	for {
		due, err := l.Unexplained(b.Context(), "prod", t0, 200)
		check(b, err)
		if len(due) == 0 {
			return
		}
		var found []wave.Explained
		for _, u := range due {
			why := fleet.Cause{Kind: fleet.Replacement, By: "Karpenter", Why: "drifted"}
			if u.Change.Kind == fleet.Removed {
				why = fleet.Cause{Kind: fleet.Drifted, By: "Karpenter"}
			}
			found = append(found, wave.Explained{Change: u.Change.ID, Looks: 1, Explanation: fleet.Explanation{
				Cause: why, Strength: 90, Pods: 10, Chain: []fleet.Link{{At: t0, Reason: "Nominated"}}}})
		}
		check(b, l.SetCauses(b.Context(), "prod", found))
	}
}

// BenchmarkRecordEvents: an event into the ledger, so many in a transaction.
func BenchmarkRecordEvents(b *testing.B) {
	for _, size := range []int{1, 50, 500} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := fresh(b)
			i := 0
			for b.Loop() {
				batch := make([]fleet.Event, size)
				for k := range batch {
					i++
					batch[k] = fleet.Event{Cluster: "prod", UID: fmt.Sprintf("%032x", i*7919), Reason: "Started", Type: "Normal",
						Count: 1, First: t0, Last: t0, Controller: "kubelet",
						Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("web-%d", i),
							UID: fmt.Sprintf("%032x", i)}, Note: "Started container app"}
				}
				check(b, l.RecordEvents(b.Context(), "prod", batch, "1"))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(i), "µs/event")
		})
	}
}
