package ledgertest

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// Totals and Machines are what counting all nodes gives: after any observations, also repeated ones, ones of nodes
// that have left, and transactions that fail.
func totals(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	random := rand.New(rand.NewPCG(5, 6))
	some := func() fleet.Node {
		n := node(random.IntN(40))
		n.Cordoned = random.IntN(4) == 0
		n.InstanceType = []string{"m5.large", "m5.xlarge"}[random.IntN(2)]
		if random.IntN(3) > 0 {
			n.Ready.Status = fleet.Ready
		}
		return n
	}
	for step := range 200 {
		b := fleet.Batch{Cluster: "prod", At: t0}
		for range random.IntN(6) {
			o := fleet.First(some(), t0)
			if random.IntN(5) == 0 {
				o = fleet.Gone(o.Node, o.Known, t0)
			}
			b.Observations = append(b.Observations, o)
		}
		switch random.IntN(12) {
		case 0:
			ended, cancel := context.WithCancel(ctx)
			cancel()
			if l.RecordNodes(ended, b) == nil {
				t.Fatal("recorded in a context that has ended")
			}
		case 1:
			check(t, l.RecordBaseline(ctx, "prod", []fleet.Observation{fleet.First(some(), t0)}))
		case 2:
			check(t, l.FinishBaseline(ctx, fleet.Batch{Cluster: "prod", At: t0},
				func(string) bool { return random.IntN(10) > 0 }))
		default:
			check(t, l.RecordNodes(ctx, b))
		}
		want := must[fleet.Totals](t)(l.CountNodes(ctx, "prod", query.NodeFilter{}))
		if got := must[fleet.Totals](t)(l.Totals(ctx, "prod")); got != want {
			t.Fatalf("step %d: totals are %+v, there are %+v", step, got, want)
		}
		groups := must[query.NodeGroups](t)(l.GroupNodes(ctx, "prod", query.NodeFilter{}, query.ByType, 10))
		machines := must[map[fleet.Machine]int](t)(l.Machines(ctx, "prod"))
		if diff := cmp.Diff(groups.Machines, machines); diff != "" {
			t.Fatalf("step %d: machines (-want +got):\n%s", step, diff)
		}
	}
}
