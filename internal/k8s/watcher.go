package k8s

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
)

// Config is what a Watcher needs. Cluster, Client and Store are required.
type Config struct {
	Cluster string // the cluster's name in the ledger
	Client  *Client
	Store   Store
	Claims  ClaimStore   // keeps Karpenter's NodeClaims and NodePools; nil: they are not read
	Logger  *slog.Logger // nil: nothing is logged

	// NodePage and EventPage are how many objects one page of a list has; 0 means 100 and 250.
	// A page is what is in memory at once: a node with 30 images is 14 kB encoded and about
	// 20 kB decoded.
	NodePage, EventPage int
}

// Watcher watches one cluster's nodes and events and records what changes. It also reads Karpenter's NodeClaims and
// NodePools, where it may: they explain, and nothing waits for them.
type Watcher struct {
	nodes  *nodeWatch
	events *eventWatch
	// claims reads Karpenter's objects until ctx ends; nil if they are not read.
	claims func(ctx, writeCtx context.Context) error
	logger *slog.Logger
	timing timing
}

// New returns a Watcher that does nothing until Run.
func New(c Config) *Watcher {
	logger := cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	w := &Watcher{logger: logger, timing: defaultTiming}
	id := &identity{cluster: c.Cluster, client: c.Client, timing: &w.timing, logger: logger}
	w.nodes = &nodeWatch{
		cluster: c.Cluster, client: c.Client, store: c.Store, timing: &w.timing,
		page: cmp.Or(c.NodePage, 100), eventPage: cmp.Or(c.EventPage, 250),
		state: &state{}, identity: id, logger: logger.With("watch", "nodes"),
	}
	w.events = &eventWatch{
		cluster: c.Cluster, client: c.Client, store: c.Store, timing: &w.timing,
		page: cmp.Or(c.EventPage, 250), state: &state{}, identity: id, logger: logger.With("watch", "events"),
	}
	if c.Claims != nil {
		w.claims = claimReader(c, &w.timing, id, logger)
	}
	return w
}

// Run watches until ctx ends, then records what it has seen and returns nil. Trouble with the
// API server is never an error: it is logged, shown by Status, and tried again. An error of the
// ledger is returned at once, because without it nothing that Run sees is kept. Run may be
// called once.
func (w *Watcher) Run(ctx context.Context) error {
	// client-go logs through the context; without this it writes its own format to stderr.
	ctx = logr.NewContextWithSlogLogger(ctx, w.logger)
	g, gctx := errgroup.WithContext(ctx)
	// The ledger's writes outlive the watch a little.
	writeCtx, cancel := outlive(gctx, w.timing.shutdown)
	defer cancel()
	g.Go(func() error { return w.nodes.run(gctx, writeCtx) })
	g.Go(func() error { return w.events.run(gctx, writeCtx) })
	if w.claims != nil {
		g.Go(func() error { return w.claims(gctx, writeCtx) })
	}
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Status is how the watches are.
type Status struct {
	Nodes, Events WatchStatus
}

// WatchStatus is how one watch is.
type WatchStatus struct {
	Synced   bool      // the first list, or for events the first resumed watch, is done
	Alive    time.Time // when the watch was last known to be alive; zero before that
	Failures int       // how often it was interrupted since the start: each time it is begun again
	// Error says in one line why the watch is not alive, ending in a hint where there is one;
	// "" while it is.
	Error string
	// Forbidden are the permissions that the API server refused, e.g. "watch nodes".
	Forbidden []string
}

// Status returns how the watches are now. It is safe to call at any time, from any goroutine.
func (w *Watcher) Status() Status {
	return Status{Nodes: w.nodes.state.get(), Events: w.events.state.get()}
}

// state is a WatchStatus that two goroutines of a watch write and anyone reads.
type state struct {
	mu      sync.Mutex
	status  WatchStatus
	version string // up to which everything has been handed on for recording
}

func (s *state) get() WatchStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Forbidden = slices.Clone(st.Forbidden)
	return st
}

// saw notes a frame of the watch: all up to version has been handed on. A version of "" only
// notes that the watch is alive.
func (s *state) saw(version string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != "" {
		s.version = version
	}
	s.status.Alive = now
	s.status.Error = ""
}

func (s *state) seen() (version string, alive time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, s.status.Alive
}

// done notes that the API server let us do this to r.
func (s *state) done(verb string, r resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := (&requestError{verb: verb, resource: r}).permission()
	s.status.Forbidden = slices.DeleteFunc(s.status.Forbidden, func(f string) bool { return f == p })
}

func (s *state) synced() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Synced = true
}

func (s *state) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Error = err.Error()
	s.status.Failures++
	if re, ok := errors.AsType[*requestError](err); ok && re.forbidden() &&
		!slices.Contains(s.status.Forbidden, re.permission()) {
		s.status.Forbidden = append(s.status.Forbidden, re.permission())
	}
}
