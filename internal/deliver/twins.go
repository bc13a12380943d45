package deliver

import (
	"context"
	"slices"
	"time"

	"rollcall/internal/wave"
)

// Run looks once more for what may have been posted twice, and deletes the twin, until ctx ends. It returns nil then,
// and an error when the ledger fails. What the ledger says at its start is taken up, and waited for as long again.
func (o *Outbox) Run(ctx context.Context) error {
	doubts, err := o.store.Doubtful(ctx)
	if err != nil {
		return graceless(ctx, err)
	}
	for _, d := range doubts {
		// How long it has been doubtful only the clock says, which may have been set since, forwards too.
		d.Doubtful = time.Now()
		o.doubt(d)
	}
	for ctx.Err() == nil {
		d, at, ok := o.nextDoubt()
		if !ok {
			at = time.Now().Add(time.Hour)
		}
		if wait := time.Until(at); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-o.doubted:
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		if err := o.settle(ctx, d); err != nil {
			return graceless(ctx, err)
		}
	}
	return nil
}

// graceless is an error, unless it is only that ctx has ended.
func graceless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// doubt notes what Run is to look at.
func (o *Outbox) doubt(d wave.Doubt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doubts = slices.DeleteFunc(o.doubts, func(x wave.Doubt) bool { return x.Key == d.Key })
	o.doubts = append(o.doubts, d)
	slices.SortStableFunc(o.doubts, func(a, b wave.Doubt) int { return a.Doubtful.Compare(b.Doubtful) })
	select {
	case o.doubted <- struct{}{}:
	default:
	}
}

// nextDoubt returns what is to be looked at next, and when: as long after it was posted again as an earlier try may
// still be carried out.
func (o *Outbox) nextDoubt() (d wave.Doubt, at time.Time, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.doubts) == 0 {
		return d, at, false
	}
	now := time.Now()
	for i := range o.doubts {
		if o.doubts[i].Doubtful.After(now) { // the clock has been set back
			o.doubts[i].Doubtful = now
		}
	}
	d = o.doubts[0]
	return d, d.Doubtful.Add(o.limits.Settle), true
}

// settle deletes the twins of a message, and forgets the doubt. What does not work is tried again.
func (o *Outbox) settle(ctx context.Context, d wave.Doubt) error {
	err := o.deleteTwins(ctx, d)
	switch o.sink.Judge(err, d.Channel).Outcome {
	case Down, Limited, Fatal:
		d.Doubtful = time.Now()
		o.doubt(d)
		return nil
	case Accepted:
	default:
		o.log.Warn("cannot see whether a message was posted twice", "sink", o.sink.Name(), "channel", d.Channel, "key", d.Key,
			"err", err)
	}
	o.mu.Lock()
	o.doubts = slices.DeleteFunc(o.doubts, func(x wave.Doubt) bool { return x.Key == d.Key })
	o.mu.Unlock()
	return o.store.Settled(ctx, d.Key)
}

func (o *Outbox) deleteTwins(ctx context.Context, d wave.Doubt) error {
	found, _, err := o.search(ctx, d.Posting, d.Thread)
	if err != nil {
		return err
	}
	for _, twin := range found {
		if twin.ID == d.ID {
			continue
		}
		err := o.sink.Delete(ctx, d.Channel, twin.ID)
		if v := o.sink.Judge(err, d.Channel); v.Outcome != Accepted && v.Outcome != Gone {
			return err
		}
		o.log.Info("a message that was carried out twice is deleted once", "sink", o.sink.Name(), "channel", d.Channel,
			"key", d.Key, "id", twin.ID)
	}
	return nil
}
