package k8s

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/watch"

	"golang.org/x/sync/errgroup"

	"rollcall/internal/fleet"
)

// maxEvents is how many events one transaction holds at most, and how many wait for it. Their texts are cut when they
// come in (see maxNote and maxName), so both together take at most 4 MB.
const maxEvents = 500

// eventWatch watches the events. Its fields belong to the goroutine of run; the recorder of a
// session touches only store and state.
type eventWatch struct {
	cluster  string
	client   *Client
	store    Store
	timing   *timing
	page     int
	state    *state
	identity *identity
	logger   *slog.Logger
}

func (w *eventWatch) run(ctx, writeCtx context.Context) error {
	cp, err := w.store.Checkpoint(writeCtx, w.cluster)
	if err != nil {
		return storing("reading where the watch stopped", err)
	}
	w.identity.expect(cp.Identity)
	version := cp.EventsVersion
	pace := pacer{timing: *w.timing}
	for {
		alive, began := false, time.Now()
		if _, err = w.identity.check(ctx); err == nil {
			if version == "" {
				version, err = w.list(ctx, writeCtx)
			} else {
				err = w.verify(ctx, version)
			}
		}
		if err == nil {
			version, alive, err = w.watch(ctx, writeCtx, version)
		}
		if isLedger(err) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if isExpired(err) {
			version = ""
		}
		wait := pace.pause(err, alive && time.Since(began) >= w.timing.backoff)
		report(w.logger, w.state, err, wait)
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

func (w *eventWatch) listing(writeCtx context.Context) listing[*eventsv1.EventList] {
	return listing[*eventsv1.EventList]{
		client: w.client.events, resource: events, size: w.page, timeout: w.timing.page,
		empty: func() *eventsv1.EventList { return &eventsv1.EventList{} },
		begin: func() error { return nil },
		each: func(p *eventsv1.EventList) error {
			es, now := make([]fleet.Event, len(p.Items)), time.Now()
			for i := range p.Items {
				es[i] = event(w.cluster, &p.Items[i], now)
			}
			return storing("recording events", w.store.RecordEvents(writeCtx, w.cluster, es, ""))
		},
	}
}

// list merges every event that the API server still has into the ledger.
func (w *eventWatch) list(ctx, writeCtx context.Context) (string, error) {
	version, err := w.listing(writeCtx).do(ctx)
	if err != nil {
		return "", err
	}
	w.state.done("list", events)
	if err := w.store.RecordEvents(writeCtx, w.cluster, nil, version); err != nil {
		return "", storing("recording where the watch of events stands", err)
	}
	return version, nil
}

// verify makes sure that the API server has got to the version at which a watch is to resume. Events are not cached by
// the API server, and etcd lets a watch wait for a version that has not come yet: after a restore from a backup it
// would wait for long, and miss what happens until then.
func (w *eventWatch) verify(ctx context.Context, version string) error {
	err := w.listing(ctx).verify(ctx, version)
	if err == nil {
		w.state.done("list", events)
	}
	return err
}

// sentEvent is one frame of the watch.
type sentEvent struct {
	event   fleet.Event
	is      bool // false: nothing but the version is of interest
	version string
}

// watch records events from version on until the session ends. It returns the version up to
// which everything is recorded.
func (w *eventWatch) watch(ctx, writeCtx context.Context, version string) (recorded string, alive bool, err error) {
	g, ctx := errgroup.WithContext(ctx)
	s, err := open(ctx, w.client.events, events, version, *w.timing)
	if err != nil {
		return version, false, err
	}
	w.state.done("watch", events)
	queue := make(chan sentEvent, maxEvents)
	var ended error
	g.Go(func() error {
		defer close(queue)
		defer s.stop()
		alive, ended = w.read(ctx, s, version, queue)
		return nil
	})
	recorded = version
	g.Go(func() error {
		v, err := w.record(writeCtx, version, queue)
		recorded = v
		return err
	})
	if err := g.Wait(); err != nil {
		return recorded, alive, err
	}
	return recorded, alive, ended
}

func (w *eventWatch) read(ctx context.Context, s *session, version string, queue chan<- sentEvent) (
	alive bool, err error) {
	var seen atomic.Value // string: the version of the last frame
	seen.Store(version)
	probe := newProbe(ctx, w.timing, func(ctx context.Context) error {
		return w.listing(ctx).verify(ctx, seen.Load().(string))
	})
	defer probe.stop()
	settled := time.NewTimer(w.timing.settle)
	defer settled.Stop()
	// There are no bookmarks for events: whether silence is a sign, the probe finds out.
	for {
		select {
		case <-ctx.Done():
			return alive, nil
		case now := <-settled.C:
			alive = true
			w.state.saw("", now)
			w.state.synced()
		case <-probe.due():
			probe.begin()
		case err := <-probe.failed:
			return alive, err
		case f, ok := <-s.ResultChan():
			if !ok {
				return alive, errClosed
			}
			if f.Type == watch.Error {
				return alive, watchError(events, f.Object)
			}
			o, ok := f.Object.(*eventsv1.Event)
			if !ok {
				return alive, errClosed
			}
			sent := sentEvent{version: o.ResourceVersion}
			if f.Type == watch.Added || f.Type == watch.Modified {
				sent.event, sent.is = event(w.cluster, o, time.Now()), true
			}
			select {
			case queue <- sent:
			case <-ctx.Done():
				return alive, nil
			}
			if !alive {
				alive = true
				w.state.synced()
			}
			seen.Store(o.ResourceVersion)
			probe.heard()
			w.state.saw("", time.Now())
		}
	}
}

// record writes events in batches, each with the version of its last one, so that the version
// is never ahead of what is recorded.
func (w *eventWatch) record(ctx context.Context, version string, queue <-chan sentEvent) (recorded string, err error) {
	recorded = version
	full := time.NewTimer(time.Hour)
	full.Stop()
	defer full.Stop()
	mark := time.NewTicker(w.timing.mark)
	defer mark.Stop()
	var batch []fleet.Event
	flush := func() error {
		if version == recorded && len(batch) == 0 {
			return nil
		}
		if err := w.store.RecordEvents(ctx, w.cluster, batch, version); err != nil {
			return storing("recording events", err)
		}
		recorded = version
		// The ledger may keep the slice.
		batch = nil
		return nil
	}
	for {
		due := false
		select {
		case s, ok := <-queue:
			if !ok {
				err = flush()
				return recorded, err
			}
			version = s.version
			if s.is {
				if batch = append(batch, s.event); len(batch) == 1 {
					full.Reset(w.timing.batch)
				}
			}
			due = len(batch) >= maxEvents
		case <-full.C:
			due = true
		case <-mark.C:
			// Expired events and the like move the version, and must not be written one by one.
			due = true
		}
		if due {
			if err := flush(); err != nil {
				return recorded, err
			}
		}
	}
}
