package deliver

import (
	"context"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/wave"
)

// standing finds what is so for a time, of one kind of wave.
type standing struct {
	kind  wave.Kind
	every time.Duration // how often to look
	at    time.Time     // when to look next
	// find returns all that is so now, each with a key of its own; live are all waves that are not done.
	find func(ctx context.Context, live []wave.Wave, now time.Time) ([]wave.About, error)
}

// detectStanding adds to a plan what has begun to be so, and records what has changed or is over. Nothing is begun
// in a channel in which the whole cluster is muted.
func (t *Teller) detectStanding(ctx context.Context, plan *wave.Plan, mutes []wave.Mute, now time.Time) error {
	changes := false
	var begun []wave.Opening
	routes := t.alert.Routes
	for i := range t.standing {
		s := &t.standing[i]
		if now.Before(s.at) {
			continue
		}
		s.at = now.Add(s.every)
		found, err := s.find(ctx, t.live, now)
		if err != nil {
			return err
		}
		begin, changed := alert.Stand(s.kind, t.live, found, now)
		for _, w := range changed {
			if w.Busy { // at the next look
				s.at = now.Add(planEvery)
				continue
			}
			changes = true
			if err := t.store.SetAbout(ctx, w.ID, w.About); err != nil {
				return err
			}
		}
		for _, o := range begin {
			o.To = routes.OfWave(o.Kind, o.About, nil)
			if !routes.ClusterMuted(mutes, o.To.Channel, now) {
				begun = append(begun, o)
			}
		}
	}
	if len(begun) > 0 {
		cp, err := t.store.Checkpoint(ctx, t.cluster)
		if err != nil {
			return err
		}
		if !cp.BaselineAt.IsZero() { // before that nothing is told
			plan.New = append(plan.New, begun...)
		}
	}
	if changes {
		return t.readLive(ctx, now)
	}
	return nil
}

// standingAt is when to look next for what is so for a time; ok is false if there is nothing to look for.
func (t *Teller) standingAt() (at time.Time, ok bool) {
	for _, s := range t.standing {
		if !ok || s.at.Before(at) {
			at, ok = s.at, true
		}
	}
	return at, ok
}
