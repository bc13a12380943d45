package ledger

import (
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// What a single node's change costs in the ledger, call by call, until its message is accepted.
func BenchmarkOneChange(b *testing.B) {
	l, ctx := fresh(b), b.Context()
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
		last = time.Now()
		record(b, l, "1", first(i))
		lap("record")
		todo, _, err := l.Todo(ctx, "prod", 5000)
		check(b, err)
		lap("todo")
		_, err = l.LiveWaves(ctx, "prod")
		check(b, err)
		lap("livewaves")
		check(b, l.Apply(ctx, "prod", "C1", fleet.Plan{New: []fleet.NewWave{{Kind: fleet.WaveJoined, Changes: []int64{todo[0].Change.ID}}}}, true, t0))
		lap("apply")
		live, err := l.LiveWaves(ctx, "prod")
		check(b, err)
		lap("livewaves")
		w, err := l.Wave(ctx, live[0].ID)
		check(b, err)
		lap("wave")
		_, err = l.Totals(ctx, "prod")
		check(b, err)
		lap("totals")
		check(b, l.Accepted(ctx, w.Main, w.Counts.LastChange, t0))
		lap("accepted")
		check(b, l.FinishWave(ctx, w.ID, t0))
	}
	for name, d := range took {
		b.ReportMetric(float64(d.Microseconds())/float64(i), "µs-"+name)
	}
}
