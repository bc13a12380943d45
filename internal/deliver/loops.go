package deliver

import (
	"context"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/wave"
)

// loopsEvery is how often to look for nodes that are replaced again and again: the third turn is told at once.
const loopsEvery = time.Minute

// loops finds which nodes are replaced again and again.
func (t *Teller) loops() standing {
	return standing{kind: wave.KindLoop, every: loopsEvery, find: func(ctx context.Context, live []wave.Wave,
		now time.Time) ([]wave.About, error) {
		return alert.FindLoops(t.store.Lives(ctx, t.cluster, now.Add(-alert.LoopLookback), now), live, t.alert.Price, now)
	}}
}
