package deliver

import (
	"context"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/cause"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// keptEvery is how often to look at what keeps nodes, unless the rule is of little time, and keptSeen is how long the
// watch of events may have been silent before that counts as a gap: what an API server has to say it says each minute.
const (
	keptEvery = 5 * time.Minute
	keptSeen  = 3 * time.Minute
)

// kept finds which nodes are kept, and ends what is no longer said.
func (t *Teller) kept() standing {
	var seen time.Time // since when events are seen without a gap
	find := func(ctx context.Context, live []wave.Wave, now time.Time) ([]wave.About, error) {
		sight := alert.Sight{Events: alert.Seen{Until: now}}
		if t.sight != nil {
			sight = t.sight()
		}
		switch e := sight.Events; {
		case e.Never, now.Sub(e.Until) > keptSeen:
			seen = time.Time{}
		case seen.IsZero(), now.Before(seen): // the clock may have been set
			seen = now
		}
		if before, ok := cause.Lapsed(seen, now); ok {
			if err := t.store.LapseKeeps(ctx, t.cluster, before, now); err != nil {
				return nil, err
			}
		}
		rule := t.alert.Kept
		var in alert.Keeping
		if rule.For <= 0 {
			return alert.FindKept(rule, in, live, t.alert.Price, now), nil
		}
		for k, err := range t.store.Keeps(ctx, t.cluster, now.Add(-rule.For), now) {
			if err != nil {
				return nil, err
			}
			in.Keeps = append(in.Keeps, k)
		}
		if len(in.Keeps) == 0 {
			return nil, nil
		}
		machines, err := t.store.Machines(ctx, t.cluster)
		if err != nil {
			return nil, err
		}
		in.All = message.CostOf(machines, t.alert.Price)
		for _, n := range machines {
			in.Nodes += n
		}
		return alert.FindKept(rule, in, live, t.alert.Price, now), nil
	}
	return standing{kind: wave.KindKept, every: keptLooks(t.alert.Kept.For), find: find}
}

// keptLooks is how often to look for what is told after so long.
func keptLooks(after time.Duration) time.Duration {
	if after <= 0 {
		return keptEvery
	}
	return max(5*time.Second, min(keptEvery, after/8))
}
