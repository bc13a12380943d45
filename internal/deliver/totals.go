package deliver

import (
	"context"
	"slices"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// Totals is what a message says beside its own nodes.
type Totals interface {
	Totals(ctx context.Context, cluster string) (fleet.Totals, error)
	Machines(ctx context.Context, cluster string) (map[fleet.Machine]int, error)
	Baseline(ctx context.Context, cluster string) (fleet.Totals, []fleet.Group, map[fleet.Machine]int, error)
	Muted(ctx context.Context, mute int64) (wave.Muted, error)
	Swaps(ctx context.Context, w wave.Wave) ([]wave.Swap, error)
	Pools(ctx context.Context, cluster string) ([]fleet.Pool, error)
}

// totals reads what a wave's message says beside its nodes: the cluster's totals, the groups of the first start, and
// what it fills in: the replacements that its nodes have a part in, their pools, and what its mute hid.
func totals(ctx context.Context, store Totals, cfg alert.Config, w *wave.Wave) (all fleet.Totals, first []fleet.Group,
	err error) {
	if all, err = store.Totals(ctx, w.Cluster); err != nil {
		return all, nil, err
	}
	var machines map[fleet.Machine]int
	if alert.ToldOnce(w.Kind) {
		all, first, machines, err = store.Baseline(ctx, w.Cluster)
	} else if cfg.Price != nil {
		machines, err = store.Machines(ctx, w.Cluster)
	}
	if err != nil {
		return all, nil, err
	}
	all.Cost = message.CostOf(machines, cfg.Price)
	if w.Swaps, err = store.Swaps(ctx, *w); err != nil {
		return all, nil, err
	}
	if w.Kind == wave.KindJoined && slices.ContainsFunc(w.Members, func(m wave.Member) bool {
		return m.Node.Owner.Kind == "NodeClaim"
	}) {
		if w.Pools, err = store.Pools(ctx, w.Cluster); err != nil {
			return all, nil, err
		}
	}
	if w.Mute != nil && !w.ClosedAt.IsZero() {
		w.Muted, err = store.Muted(ctx, w.Mute.ID)
	}
	return all, first, err
}
