package ledger

import (
	"context"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
)

// The counts that follow each transaction are those that reading all nodes gives: after any
// observations, also repeated ones, ones of nodes that have left, and transactions that fail.
func TestLiveNodesAreCountedRight(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	random := rand.New(rand.NewPCG(1, 2))
	same := func(step int) {
		t.Helper()
		want, err := l.readLive(ctx, "prod")
		check(t, err)
		got := map[liveKind]int{}
		check(t, l.liveNodes(ctx, "prod", func(kind liveKind, n int) { got[kind] += n }))
		if !maps.Equal(got, want) {
			t.Fatalf("step %d: counted %v, there are %v", step, got, want)
		}
	}
	some := func() fleet.Node {
		n := node(random.IntN(40))
		n.Cordoned = random.IntN(4) == 0
		n.InstanceType = []string{"m5.large", "m5.xlarge"}[random.IntN(2)]
		if random.IntN(3) > 0 {
			n.Ready.Status = fleet.Ready
		}
		return n
	}
	observe := func(n fleet.Node) fleet.Observation {
		o := fleet.First(n, t0)
		if random.IntN(5) == 0 {
			o = fleet.Gone(n, o.Known, t0)
		}
		return o
	}
	for step := range 300 {
		var batch []fleet.Observation
		for range random.IntN(6) {
			batch = append(batch, observe(some()))
		}
		switch random.IntN(12) {
		case 0:
			failed, cancel := context.WithCancel(ctx)
			cancel()
			if l.RecordNodes(failed, fleet.Batch{Cluster: "prod", Observations: batch, At: t0}) == nil {
				t.Fatal("recorded in a context that has ended")
			}
		case 1:
			check(t, l.RecordBaseline(ctx, "prod", []fleet.Observation{fleet.First(some(), t0)}))
		case 2:
			check(t, l.FinishBaseline(ctx, fleet.Batch{Cluster: "prod", At: t0},
				func(string) bool { return random.IntN(10) > 0 }))
		default:
			check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: batch, At: t0}))
		}
		same(step)
	}
}

// A ledger that is open to read counts anew each time: another process changes it.
func TestTotalsOfALedgerThatAnotherProcessWrites(t *testing.T) {
	l := fresh(t)
	record(t, l, "1", first(1))
	reader := must[*Ledger](t)(OpenToRead(t.Context(), l.path))
	defer reader.Close()
	for want := 1; want <= 2; want++ {
		totals := must[fleet.Totals](t)(reader.Totals(t.Context(), "prod"))
		if diff := cmp.Diff(fleet.Totals{Nodes: want}, totals); diff != "" {
			t.Error(diff)
		}
		record(t, l, "2", first(2))
	}
}
