package deliver

import (
	"context"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/cause"
	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// Waits is what says which pods wait for nodes.
type Waits interface {
	Waits(ctx context.Context, cluster string, limit int) (waits []fleet.Wait, more bool, err error)
}

// MaxWaits is how many pods are looked at that wait for nodes. It is Rollcall's own choice.
const MaxWaits = 10_000

// Waiting says what pods of a cluster wait for, group by group. seen is the last moment at which its events were seen.
func Waiting(ctx context.Context, store Waits, in cause.Evidence, cluster string, seen time.Time) (
	groups []fleet.Waiting, more bool, err error) {
	waits, more, err := store.Waits(ctx, cluster, MaxWaits)
	if err != nil || len(waits) == 0 {
		return nil, more, err
	}
	groups, err = cause.Waiting(ctx, waits, seen, remember(in))
	return groups, more, err
}

// quietWatch is for how long a watch is quiet at most that is well: an API server says once a minute that it is there.
const quietWatch = 90 * time.Second

// eventsSeen is the moment from which events are judged: now, or the last one at which they were seen if that is longer
// ago than a watch is quiet. From what is not seen nothing is concluded.
func (t *Teller) eventsSeen(now time.Time) time.Time {
	if t.sight != nil {
		if until := t.sight().Events.Until; now.Sub(until) > quietWatch {
			return until
		}
	}
	return now
}

// waitingEvery is how often to look for pods that wait.
const waitingEvery = 15 * time.Second

// waiting finds what is to be told of pods that wait for nodes. Whose end nobody tells, ends here.
func (t *Teller) waiting(ctx context.Context, live []wave.Wave, now time.Time) ([]wave.About, error) {
	seen := t.eventsSeen(now)
	waits, _, err := t.store.Waits(ctx, t.cluster, MaxWaits)
	if err != nil {
		return nil, err
	}
	if silent := cause.Unheard(waits, seen); len(silent) > 0 {
		if err := t.store.EndWaits(ctx, t.cluster, silent); err != nil {
			return nil, err
		}
	}
	groups, err := cause.Waiting(ctx, waits, seen, remember(t.why.evidence))
	if err != nil {
		return nil, err
	}
	ended := map[string]wave.WaitEnds{}
	for _, w := range live {
		s := w.About.Standing
		if w.Kind != wave.KindWaiting || s == nil {
			continue
		}
		all, err := t.store.Waited(ctx, t.cluster, s.Since, now.Add(time.Minute))
		if err != nil {
			return nil, err
		}
		for _, w := range all {
			if w.Told == s.Key {
				ended[s.Key] = endOf(ended[s.Key], w)
			}
		}
	}
	found := alert.Waiting(groups, ended, live, seen, t.alert.PendingAfter)
	keys := map[string]bool{}
	for _, a := range found {
		keys[a.Standing.Key] = true
	}
	for _, g := range groups {
		key := alert.WaitKey(g)
		if !keys[key] || g.State == fleet.Coming {
			continue
		}
		var untold []fleet.ObjectRef
		for _, w := range g.Waits {
			if w.Told != key {
				untold = append(untold, w.Pod)
			}
		}
		if len(untold) > 0 {
			if err := t.store.TellWaits(ctx, t.cluster, key, untold); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// endOf adds waits that ended to others.
func endOf(e wave.WaitEnds, w fleet.Waited) wave.WaitEnds {
	switch w.End {
	case fleet.EndPlaced:
		e.Placed += w.Pods
	case fleet.EndGone:
		e.Gone += w.Pods
	default:
		e.Unheard += w.Pods
	}
	e.Longest = max(e.Longest, w.Longest)
	return e
}
