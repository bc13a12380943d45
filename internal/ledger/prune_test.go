package ledger

import (
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// The labels of nodes that are pruned go with them, unless others share them.
func TestPruneLabels(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	alone, shared := node(1), node(2)
	alone.Labels = map[string]string{"only": "here"}
	record(t, l, "1", first(3), fleet.Gone(alone, fleet.Known{}, t0), fleet.Gone(shared, fleet.Known{}, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Silence: []int64{1, 2, 3}}, false, t0))
	_, err := l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(2*time.Hour))
	check(t, err)
	var sets int
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM label_sets`).Scan(&sets))
	if sets != 1 {
		t.Errorf("%d label sets are left, want 1", sets)
	}
	if n, ok, err := l.Node(ctx, "prod", "uid-3"); err != nil || !ok || n.Labels["a"] != "b" {
		t.Errorf("the node that stays: %+v, %v, %v", n.Labels, ok, err)
	}
}
