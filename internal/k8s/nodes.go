package k8s

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/watch"

	"golang.org/x/sync/errgroup"

	"rollcall/internal/fleet"
)

// Causes of a gap, as people read them.
const (
	causeRestart     = "restart"
	causeExpired     = "watch expired"
	causeUnreachable = "unreachable"
	causeSilent      = "watch silent"
	causeRestored    = "cluster restored"
)

// maxBatch is how many observations one transaction of a live watch holds at most.
const maxBatch = 200

// nodeWatch watches the nodes. Its fields belong to the goroutine of run; the recorder of a
// session touches only store and state.
type nodeWatch struct {
	cluster         string
	client          *Client
	store           Store // events too: they prove what happened in a gap
	timing          *timing
	page, eventPage int
	state           *state
	identity        *identity
	logger          *slog.Logger

	known      map[string]fleet.Known // live nodes by UID, as recorded or handed on for it
	baselineAt time.Time
	alive      time.Time // until when nothing was missed
	last       witness   // of what was seen
	scratch    []fleet.Taint
	eventTries int
}

func (n *nodeWatch) run(ctx, writeCtx context.Context) error {
	cp, err := n.store.Checkpoint(writeCtx, n.cluster)
	if err != nil {
		return storing("reading where the watch stopped", err)
	}
	n.identity.expect(cp.Identity)
	n.baselineAt, n.alive = cp.BaselineAt, fleet.Latest(cp.BaselineAt, cp.WatchedUntil)
	if !cp.BaselineAt.IsZero() {
		if n.known, err = n.store.KnownNodes(writeCtx, n.cluster); err != nil {
			return storing("reading the known nodes", err)
		}
	}
	if n.known == nil {
		n.known = map[string]fleet.Known{}
	}
	cause, listed := causeRestart, false
	pace := pacer{timing: *n.timing}
	for {
		alive, began := false, time.Now()
		if listed {
			err = n.verify(ctx)
		} else {
			err = n.list(ctx, writeCtx, cause)
			listed = err == nil
		}
		if err == nil {
			alive, err = n.watch(ctx, writeCtx)
		}
		if isLedger(err) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case errors.Is(err, errVersionAhead):
			cause, listed = causeRestored, false
		case isExpired(err):
			cause, listed = causeExpired, false
		case errors.Is(err, errSilent):
			cause, listed = causeSilent, false
		}
		wait := pace.pause(err, alive && time.Since(began) >= n.timing.backoff)
		n.report(err, wait)
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// report logs and shows why the watch is interrupted. A watch that ended as watches do, and is
// resumed at once, is nobody's concern.
func (n *nodeWatch) report(err error, wait time.Duration) { report(n.logger, n.state, err, wait) }

func report(logger *slog.Logger, s *state, err error, wait time.Duration) {
	if wait == 0 && !errors.Is(err, errUnanswered) {
		logger.Debug("watch ended, resuming", "reason", err)
		return
	}
	s.failed(err)
	logger.Warn("watch interrupted", "error", err, "retry_in", wait.Round(time.Millisecond).String())
}

// list brings the ledger up to the cluster's state: the first one of a cluster records what is
// there, every later one the difference.
func (n *nodeWatch) list(ctx, writeCtx context.Context, cause string) error {
	id, err := n.identity.check(ctx)
	if err != nil {
		return err
	}
	if n.baselineAt.IsZero() {
		err = n.baseline(ctx, writeCtx)
	} else {
		err = n.catchUp(ctx, writeCtx, cause)
	}
	if err != nil {
		return err
	}
	// Only now: a list that was not believed must not make its cluster the right one.
	if err := n.store.RecordIdentity(writeCtx, n.cluster, id); err != nil {
		return storing("recording which cluster this is", err)
	}
	n.identity.expect(id)
	return nil
}

// verify makes sure that the API server has got to the version at which the watch is to resume, by the writes that were
// seen: from one whose data is older, a watch would get nothing until it has caught up, and miss what happened until
// then.
func (n *nodeWatch) verify(ctx context.Context) error {
	if _, err := n.identity.check(ctx); err != nil {
		return err
	}
	version, _ := n.state.seen()
	if err := n.listing().verify(ctx, version); err != nil {
		return err
	}
	return n.listing().confirm(ctx, version, n.last)
}

func (n *nodeWatch) listing() listing[*corev1.NodeList] {
	return listing[*corev1.NodeList]{
		client: n.client.core, resource: nodes, size: n.page, timeout: n.timing.page,
		empty: func() *corev1.NodeList { return &corev1.NodeList{} },
	}
}

func (n *nodeWatch) baseline(ctx, writeCtx context.Context) error {
	known := map[string]fleet.Known{}
	l := n.listing()
	l.begin = func() error { clear(known); n.last = witness{}; return nil }
	l.each = func(p *corev1.NodeList) error {
		now := time.Now()
		obs := make([]fleet.Observation, 0, len(p.Items))
		for i := range p.Items {
			n.last = n.last.of(&p.Items[i], false)
			node := look(n.cluster, &p.Items[i], nil)
			fleet.Describe(&node)
			o := fleet.First(node, now)
			known[node.UID] = o.Known
			obs = append(obs, o)
		}
		return storing("recording the nodes that are there", n.store.RecordBaseline(writeCtx, n.cluster, obs))
	}
	version, err := l.do(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	err = n.store.FinishBaseline(writeCtx, fleet.Batch{Cluster: n.cluster, ResourceVersion: version, At: now},
		func(uid string) bool { _, ok := known[uid]; return ok })
	if err != nil {
		return storing("recording that the first list is complete", err)
	}
	n.known, n.baselineAt = known, now
	n.listed(version, now)
	n.logger.Info("first list of the cluster is recorded", "nodes", len(known))
	return nil
}

// catchUp records what happened while nobody watched, as far as the difference between the
// ledger and the cluster, and the events, prove it.
func (n *nodeWatch) catchUp(ctx, writeCtx context.Context, cause string) error {
	// Events first: a node that an event names and that the later list does not have is
	// gone. The other way round it might only be new.
	proofs, err := n.proofs(ctx, writeCtx)
	if err != nil {
		return err
	}
	found, err := n.compareAll(ctx, writeCtx)
	if err != nil {
		return err
	}
	gap := fleet.Gap{Cluster: n.cluster, From: n.alive, Cause: cause, Missed: true}
	if lost := n.lost(found.there); unbelievable(lost, len(n.known)) {
		n.state.failed(fmt.Errorf("the list lacks %d of the %d known nodes; it is read once more before that is believed",
			lost, len(n.known)))
		n.logger.Warn("a list lacks all or nearly all known nodes; reading it once more before that is believed",
			"known", len(n.known), "missing", lost, "in", n.timing.confirm.String())
		if !sleep(ctx, n.timing.confirm) {
			return ctx.Err()
		}
		if _, err := n.identity.check(ctx); err != nil {
			return err
		}
		// Nodes may have come and gone since: their events too must be read before the list.
		if proofs, err = n.proofs(ctx, writeCtx); err != nil {
			return err
		}
		if found, err = n.compareAll(ctx, writeCtx); err != nil {
			return err
		}
		if unbelievable(n.lost(found.there), len(n.known)) {
			gap.Confirmed = time.Now()
		}
	}
	n.state.done("list", nodes)
	gap.Until = time.Now()
	gap.From = gapFrom(gap.From, gap.Until)
	gap.EventsFrom = proofs.coverage(gap)
	obs := found.obs
	for uid, k := range n.known {
		if found.there[uid] {
			continue
		}
		node, ok, err := n.store.Node(writeCtx, n.cluster, uid)
		if err != nil {
			return storing("reading a removed node", err)
		}
		if !ok {
			node.Node = fleet.Node{Cluster: n.cluster, UID: uid}
		}
		obs = append(obs, fleet.Gone(node.Node, k, gap.Until))
	}
	proofs.prove(obs, gap)
	known := func(uid string) bool { _, ok := n.known[uid]; return ok || found.there[uid] }
	visitors, more := proofs.strangers(gap, n.baselineAt, known)
	if more > 0 {
		n.logger.Warn("events tell of more nodes that came and went in the gap than are believed", "left_out", more)
	}
	for _, p := range visitors {
		if _, ok, err := n.store.Node(writeCtx, n.cluster, p.uid); err != nil {
			return storing("reading a node that an event tells of", err)
		} else if !ok {
			obs = append(obs, proofs.visit(n.cluster, p, gap))
		}
	}
	slices.SortStableFunc(obs, func(a, b fleet.Observation) int { return began(a).Compare(began(b)) })

	err = n.store.RecordNodes(writeCtx, fleet.Batch{
		Cluster: n.cluster, Observations: obs, Gap: &gap, ResourceVersion: found.version, At: gap.Until,
	})
	if err != nil {
		return storing("recording what happened in a gap", err)
	}
	for i := range obs {
		n.remember(&obs[i])
	}
	n.eventTries = 0
	n.listed(found.version, gap.Until)
	n.logger.Info("nodes compared with the ledger", "cause", cause, "since", gap.From, "nodes", len(found.there),
		"different", len(obs))
	return nil
}

// comparison is a list of the nodes, compared with what is known.
type comparison struct {
	there   map[string]bool     // the nodes of the list, by UID
	obs     []fleet.Observation // what is new or different; nothing of the nodes that the list lacks
	version string              // the list's resource version
}

// compareAll lists the nodes and compares each with what is known of it.
func (n *nodeWatch) compareAll(ctx, writeCtx context.Context) (found comparison, err error) {
	found.there = map[string]bool{}
	// After a long gap every node may be another one, and all wait for one transaction.
	shared := sharer{}
	l := n.listing()
	l.begin = func() error { clear(found.there); found.obs, n.last = nil, witness{}; return nil }
	l.each = func(p *corev1.NodeList) error {
		now := time.Now()
		how := fleet.Look{At: now, After: gapFrom(n.alive, now), Missed: true}
		for i := range p.Items {
			n.last = n.last.of(&p.Items[i], false)
			found.there[word(string(p.Items[i].UID))] = true
			o, err := n.compare(writeCtx, &p.Items[i], how)
			if err != nil {
				return err
			}
			if o != nil {
				shared.labels(&o.Node)
				found.obs = append(found.obs, *o)
			}
		}
		return nil
	}
	found.version, err = l.do(ctx)
	return found, err
}

// lost counts the known nodes that a list lacks.
func (n *nodeWatch) lost(there map[string]bool) int {
	lost := 0
	for uid := range n.known {
		if !there[uid] {
			lost++
		}
	}
	return lost
}

// unbelievable reports whether a list lacks so many of the known nodes that an API server on another or an empty data
// store is likelier than their end: all of them, or of ten and more nine in ten.
func unbelievable(lost, known int) bool {
	return known > 0 && (lost == known || known >= 10 && lost*10 >= known*9)
}

func began(o fleet.Observation) time.Time {
	if len(o.Changes) == 0 {
		return time.Time{}
	}
	return o.Changes[0].At
}

func (n *nodeWatch) listed(version string, now time.Time) {
	n.alive = now
	n.state.done("list", nodes)
	n.state.saw(version, now)
	n.state.synced()
}

// proofs reads the events of nodes and hands them on to the ledger. Without permission, or when
// it fails again and again, there are no proofs, and the gap says so.
func (n *nodeWatch) proofs(ctx, writeCtx context.Context) (*proofs, error) {
	var p *proofs
	l := listing[*eventsv1.EventList]{
		client: n.client.events, resource: events, selector: "regarding.kind=Node", size: n.eventPage, timeout: n.timing.page,
		empty: func() *eventsv1.EventList { return &eventsv1.EventList{} },
		begin: func() error { p = newProofs(); return nil },
		each: func(page *eventsv1.EventList) error {
			es := make([]fleet.Event, 0, len(page.Items))
			for i := range page.Items {
				if e := event(n.cluster, &page.Items[i], time.Now()); e.Regarding.Kind == "Node" {
					es = append(es, e)
					p.add(e)
				}
			}
			return storing("recording the events of a gap", n.store.RecordEvents(writeCtx, n.cluster, es, ""))
		},
	}
	_, err := l.do(ctx)
	switch re, refused := errors.AsType[*requestError](err); {
	case err == nil:
		return p, nil
	case refused && re.forbidden():
		n.logger.Warn("events cannot prove what happened in the gap", "error", err)
		return nil, nil
	case !refused || ctx.Err() != nil:
		return nil, err
	}
	if n.eventTries++; n.eventTries < 3 {
		return nil, err
	}
	n.logger.Warn("events cannot prove what happened in the gap", "error", err)
	return nil, nil
}

// compare looks at a live node and returns what there is to record of it, or nil. It changes
// nothing but its scratch space: see remember. For a heartbeat it allocates nothing.
func (n *nodeWatch) compare(ctx context.Context, o *corev1.Node, how fleet.Look) (*fleet.Observation, error) {
	node := look(n.cluster, o, n.scratch)
	n.scratch = node.Taints[:0]
	old, known := n.known[node.UID]
	if known && old.Same(&node) {
		return nil, nil
	}
	keep(&node)
	if known {
		if obs, ok := fleet.Diff(old, node, how); ok {
			return &obs, nil
		}
		return nil, nil
	}
	obs := fleet.First(node, how.At)
	before, left, err := n.store.Left(ctx, n.cluster, node.UID)
	if err != nil {
		return nil, storing("reading whether a node is back", err)
	}
	if left {
		obs = fleet.Back(before, node, how.At)
	}
	return &obs, nil
}

// remember applies an observation to what is known.
func (n *nodeWatch) remember(o *fleet.Observation) {
	if i := len(o.Changes) - 1; i >= 0 && o.Changes[i].Kind == fleet.Removed {
		delete(n.known, o.Node.UID)
		return
	}
	n.known[o.Node.UID] = o.Known
}

// sighting is what the reader of a session hands to its recorder.
type sighting struct {
	obs     *fleet.Observation // nil: only the gap
	gap     *fleet.Gap
	version string
}

// watch watches from where everything was handed on, until the session ends, and returns
// whether the watch was alive and why it ended.
func (n *nodeWatch) watch(ctx, writeCtx context.Context) (alive bool, err error) {
	g, ctx := errgroup.WithContext(ctx)
	version, _ := n.state.seen()
	s, err := open(ctx, n.client.core, nodes, version, *n.timing)
	if err != nil {
		return false, err
	}
	n.state.done("watch", nodes)
	queue := make(chan sighting, maxBatch)
	var ended error
	g.Go(func() error {
		defer close(queue)
		defer s.stop()
		alive, ended = n.read(ctx, writeCtx, s, queue)
		if isLedger(ended) {
			return ended
		}
		return nil
	})
	g.Go(func() error {
		if err := n.record(writeCtx, queue); err != nil || !alive {
			return err
		}
		version, _ := n.state.seen()
		return n.mark(writeCtx, version, n.alive)
	})
	if err := g.Wait(); err != nil {
		return alive, err
	}
	return alive, ended
}

// read hands on what the watch tells until it ends. While it runs, n.known, n.alive and n.last are its
// own.
func (n *nodeWatch) read(ctx, writeCtx context.Context, s *session, queue chan<- sighting) (alive bool, err error) {
	now := time.Now()
	// A watch that resumes after a while first tells what happened meanwhile. Nothing is
	// missed, but "seen now" is then no proof of when it happened.
	since := n.alive
	late := now.Sub(since) > n.timing.gap
	var gap *fleet.Gap // to be handed on with the first sighting
	if late {
		gap = &fleet.Gap{Cluster: n.cluster, From: since, Cause: causeUnreachable, EventsFrom: since}
	}
	settled := time.NewTimer(n.timing.settle)
	defer settled.Stop()
	latestSettle := now.Add(20 * n.timing.settle)
	caughtUp := false
	silence := time.NewTimer(n.timing.silence)
	defer silence.Stop()
	probe := newProbe(ctx, n.timing, func(ctx context.Context) error {
		version, _ := n.state.seen()
		return n.listing().verify(ctx, version)
	})
	defer probe.stop()
	hand := func(o *fleet.Observation, version string) bool {
		sg := sighting{obs: o, gap: gap, version: version}
		if gap != nil {
			gap.From, gap.Until = gapFrom(gap.From, now), now
			gap = nil
		}
		select {
		case queue <- sg:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for {
		select {
		case <-ctx.Done():
			if at := time.Now(); caughtUp && at.Sub(n.alive) < n.timing.fresh {
				n.alive = at
			}
			return alive, nil
		case <-silence.C:
			return alive, errSilent
		case <-probe.due():
			probe.begin()
		case err := <-probe.failed:
			return alive, err
		case now = <-settled.C:
			// No error came right away: the API server accepted the resource version.
			caughtUp, alive = true, true
			n.alive = now
			version, _ := n.state.seen()
			if gap != nil && !hand(nil, version) {
				return alive, nil
			}
			if late {
				n.logger.Info("watch resumed", "away", now.Sub(since).Round(time.Second))
				late = false
			}
			n.state.saw("", now)
		case f, ok := <-s.ResultChan():
			now = time.Now()
			if !ok {
				if alive && s.ended.Err() == nil {
					n.alive = now // an orderly end: the connection was good until now
				}
				return alive, errClosed
			}
			if f.Type == watch.Error {
				return alive, watchError(nodes, f.Object)
			}
			o, ok := f.Object.(*corev1.Node)
			if !ok {
				return alive, errClosed
			}
			var obs *fleet.Observation
			switch f.Type {
			case watch.Added, watch.Modified:
				how := fleet.Look{At: now, After: since}
				if caughtUp {
					how.After = n.alive
				}
				if obs, err = n.compare(writeCtx, o, how); err != nil {
					return alive, err
				}
			case watch.Deleted:
				obs = n.gone(o, now)
			}
			if obs != nil {
				if late {
					doubt(obs, since, nil)
				}
				n.remember(obs)
				if !hand(obs, o.ResourceVersion) {
					return alive, nil
				}
			}
			alive = true
			n.alive = now
			if f.Type != watch.Bookmark {
				n.last = n.last.of(o, f.Type == watch.Deleted)
			}
			n.state.saw(o.ResourceVersion, now)
			silence.Reset(n.timing.silence)
			probe.heard()
			if !caughtUp {
				settled.Reset(min(n.timing.settle, max(0, latestSettle.Sub(now))))
			}
		}
	}
}

// gone is the observation of a node's end.
func (n *nodeWatch) gone(o *corev1.Node, now time.Time) *fleet.Observation {
	old, known := n.known[word(string(o.UID))]
	if !known {
		return nil
	}
	node := look(n.cluster, o, nil)
	fleet.Describe(&node)
	obs := fleet.Gone(node, old, now)
	return &obs
}

// record writes what the reader hands on, at once, and what waits with it in the same
// transaction, until the queue is closed.
func (n *nodeWatch) record(ctx context.Context, queue <-chan sighting) error {
	mark := time.NewTicker(n.timing.mark)
	defer mark.Stop()
	for {
		select {
		case s, ok := <-queue:
			if !ok {
				return nil
			}
			if err := n.write(ctx, s, queue); err != nil {
				return err
			}
		case <-mark.C:
			// The version first, then what waits: everything up to the version was handed on
			// before the version was noted, so afterwards it is recorded.
			version, _ := n.state.seen()
			for range len(queue) {
				select {
				case s, ok := <-queue:
					if ok {
						if err := n.write(ctx, s, queue); err != nil {
							return err
						}
					}
				default:
				}
			}
			if err := n.mark(ctx, version, n.now()); err != nil {
				return err
			}
		}
	}
}

// write records one sighting and those that wait behind it.
func (n *nodeWatch) write(ctx context.Context, s sighting, queue <-chan sighting) error {
	b := fleet.Batch{Cluster: n.cluster, At: time.Now()}
	for {
		if s.obs != nil {
			b.Observations = append(b.Observations, *s.obs)
		}
		if s.gap != nil {
			b.Gap = s.gap
		}
		b.ResourceVersion = s.version
		if len(b.Observations) >= maxBatch {
			break
		}
		more := false
		select {
		case s, more = <-queue:
		default:
		}
		if !more {
			break
		}
	}
	return storing("recording nodes", n.store.RecordNodes(ctx, b))
}

// now is until when the watch is known to be alive. A quiet cluster sends a bookmark a minute;
// within that, the connection's own health check stands for it.
func (n *nodeWatch) now() time.Time {
	now := time.Now()
	if _, last := n.state.seen(); now.Sub(last) >= n.timing.fresh {
		return last
	}
	return now
}

func (n *nodeWatch) mark(ctx context.Context, version string, until time.Time) error {
	return storing("noting that the watch is alive", n.store.Watched(ctx, n.cluster, until, version))
}
