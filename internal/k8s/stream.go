package k8s

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// timing is every delay of the watcher, so that tests need not wait for them.
type timing struct {
	page      time.Duration // one page of a list, request to last byte
	open      time.Duration // a watch, request to the response's header
	silence   time.Duration // nodes: no frame, not even a bookmark (one a minute is usual)
	probe     time.Duration // silence after which the API server is asked whether it is there
	answer    time.Duration // how long it may take to answer that
	confirm   time.Duration // between a list that is not believed and the one that confirms it
	session   time.Duration // shortest length asked of a watch; the longest is twice that
	grace     time.Duration // how long after the asked length a watch may still last
	backoff   time.Duration // first pause after a failure that followed another
	maxPause  time.Duration // longest such pause
	forbidden time.Duration // longest pause after a refused permission
	mark      time.Duration // between two liveness marks, and between writes of a resource version alone
	batch     time.Duration // how long events are collected
	claims    time.Duration // how long Karpenter's objects are collected: they change often, and nobody waits for them
	absent    time.Duration // until Karpenter's API is asked for again, where there is none or it may not be read
	gap       time.Duration // shortest span without a watch that is recorded
	fresh     time.Duration // how recent the last frame must be for the watch to count as alive now
	settle    time.Duration // a resumed watch has caught up when nothing came for this long
	shutdown  time.Duration // how long writes may go on after the end was asked for
}

var defaultTiming = timing{
	page:      60 * time.Second,
	open:      30 * time.Second,
	silence:   3 * time.Minute,
	probe:     15 * time.Second,
	answer:    10 * time.Second,
	confirm:   30 * time.Second,
	session:   5 * time.Minute,
	grace:     30 * time.Second,
	backoff:   500 * time.Millisecond,
	maxPause:  15 * time.Second,
	forbidden: time.Minute,
	mark:      10 * time.Second,
	batch:     100 * time.Millisecond,
	claims:    time.Second,
	absent:    10 * time.Minute,
	gap:       5 * time.Second,
	fresh:     75 * time.Second,
	settle:    250 * time.Millisecond,
	shutdown:  5 * time.Second,
}

// page is one page of a list: *corev1.NodeList or *eventsv1.EventList.
type page interface {
	runtime.Object
	metav1.ListInterface
}

// listing is a paged, consistent list.
type listing[P page] struct {
	client   rest.Interface
	resource resource
	selector string // field selector, "" for everything
	size     int    // objects a page, at most: see nextSize
	timeout  time.Duration
	empty    func() P
	// begin is called before the first page, and again when the list has to start again.
	begin func() error
	// each is called per page; the page is garbage afterwards.
	each func(P) error
}

// do lists everything and returns the resource version that the list shows. Errors of begin and
// each are returned as they are, those of requests as *requestError.
func (l listing[P]) do(ctx context.Context) (string, error) {
	size := l.size
	for {
		version, err := l.try(ctx, size)
		if err == nil || !isExpired(err) {
			return version, err
		}
		if _, ok := errors.AsType[*requestError](err); !ok {
			return "", err
		}
		// The server compacted the list's version away while we paged. It was too slow for
		// this page size, so the next try needs fewer pages.
		if size > 100*l.size {
			return "", err
		}
		size *= 2
	}
}

func (l listing[P]) try(ctx context.Context, most int) (string, error) {
	if err := l.begin(); err != nil {
		return "", err
	}
	size, token := most, ""
	for {
		p, bytes, err := l.page(ctx, size, token)
		if errors.Is(err, errTooLarge) && size > 1 {
			size /= 2
			continue
		}
		if err != nil {
			return "", &requestError{"list", l.resource, err}
		}
		size = nextSize(size, bytes, most)
		version := p.GetResourceVersion()
		token = p.GetContinue()
		if err := l.each(p); err != nil {
			return "", err
		}
		if token == "" {
			return version, nil
		}
	}
}

// page asks for one page, and returns its size in bytes too.
func (l listing[P]) page(ctx context.Context, size int, token string) (p P, bytes int, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	req := l.client.Get().Resource(l.resource.name).Param("limit", strconv.Itoa(size))
	if token != "" {
		req.Param("continue", token)
	}
	if l.selector != "" {
		req.Param("fieldSelector", l.selector)
	}
	p = l.empty()
	bytes, err = fetch(ctx, req, size, p)
	return p, bytes, err
}

// current returns the resource version at which the API server is.
func (l listing[P]) current(ctx context.Context) (string, error) {
	p, _, err := l.page(ctx, 1, "")
	if err != nil {
		return "", &requestError{"list", l.resource, err}
	}
	return p.GetResourceVersion(), nil
}

// verify makes sure that the API server has got to a resource version: it returns errVersionAhead if its data is older.
func (l listing[P]) verify(ctx context.Context, version string) error {
	now, err := l.current(ctx)
	if err == nil && ahead(version, now) {
		err = errVersionAhead
	}
	return err
}

// witness is the last write of an object that a list or a watch has shown. At every version from then on up to the one
// that is seen, the object is as this write left it: an API server that says otherwise has lost the write.
type witness struct {
	name, uid, version string
	gone               bool // the write deleted it
}

// of is the witness that a write of an object is; the later one of both.
func (w witness) of(o metav1.Object, gone bool) witness {
	if ahead(w.version, o.GetResourceVersion()) {
		return w
	}
	return witness{name: o.GetName(), uid: string(o.GetUID()), version: o.GetResourceVersion(), gone: gone}
}

// confirm makes sure that the API server's data at a version has what the witness is: it returns errVersionAhead if its
// data went back since, although it has got to that version again. Where the API server has compacted that
// version away, nothing can be confirmed, and nothing is said against it.
func (l listing[P]) confirm(ctx context.Context, version string, w witness) error {
	if w.name == "" || version == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	p := l.empty()
	_, err := fetch(ctx, l.client.Get().Resource(l.resource.name).Param("limit", "1").
		Param("fieldSelector", fields.OneTermEqualSelector("metadata.name", w.name).String()).
		Param("resourceVersion", version).Param("resourceVersionMatch", string(metav1.ResourceVersionMatchExact)), 1, p)
	switch {
	case isExpired(err):
		return nil
	case err != nil:
		return &requestError{"list", l.resource, err}
	}
	there := false
	err = meta.EachListItem(p, func(item runtime.Object) error {
		o, err := meta.Accessor(item)
		if err == nil && string(o.GetUID()) == w.uid {
			there = w.gone || o.GetResourceVersion() == w.version
		}
		return err
	})
	if err == nil && there == w.gone {
		err = errVersionAhead
	}
	return err
}

// probe asks the API server whether it is still there, and not back at an older state, when a watch has heard nothing
// for a while: a connection that is dead, or that waits for a version to come, is as silent as a cluster in which
// nothing happens. Its methods belong to one goroutine.
type probe struct {
	timing *timing
	timer  *time.Timer
	ask    func(context.Context) error
	ctx    context.Context
	cancel context.CancelFunc
	failed chan error // why the watch must end
	done   chan struct{}
}

// newProbe returns a probe that asks when nothing was heard for timing.probe. stop must be called.
func newProbe(ctx context.Context, t *timing, ask func(context.Context) error) *probe {
	p := &probe{timing: t, timer: time.NewTimer(t.probe), ask: ask, failed: make(chan error, 1),
		done: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// due is when begin is to be called.
func (p *probe) due() <-chan time.Time { return p.timer.C }

// heard puts the next question off.
func (p *probe) heard() { p.timer.Reset(p.timing.probe) }

// begin asks. If the answer is bad, or does not come, failed has the reason.
func (p *probe) begin() {
	p.heard()
	select {
	case p.done <- struct{}{}:
	default:
		return // the last question is not answered yet
	}
	go func() {
		defer func() { <-p.done }()
		ctx, cancel := context.WithTimeout(p.ctx, p.timing.answer)
		defer cancel()
		err := p.ask(ctx)
		if re, ok := errors.AsType[*requestError](err); ok && !re.forbidden() {
			err = fmt.Errorf("%w: %w", errUnanswered, err)
		} else if !errors.Is(err, errVersionAhead) {
			return
		}
		if p.ctx.Err() == nil {
			p.failed <- err
		}
	}()
}

// stop ends the probe and waits for its question to end.
func (p *probe) stop() {
	p.timer.Stop()
	p.cancel()
	p.done <- struct{}{}
}

// ahead reports whether resource version a is after b. Versions of one resource are numbers
// that may be compared (KEP-5504); anything else counts as not ahead.
func ahead(a, b string) bool {
	x, err1 := strconv.ParseUint(a, 10, 64)
	y, err2 := strconv.ParseUint(b, 10, 64)
	return err1 == nil && err2 == nil && x > y
}

// session is one watch request.
type session struct {
	watch.Interface
	cancel context.CancelFunc
	ended  context.Context // done when the session's time is up or it was cancelled
}

// open begins a watch after the resource version given. stop must be called.
func open(ctx context.Context, c rest.Interface, r resource, version string, t timing) (*session, error) {
	length := t.session + rand.N(t.session+1)
	writeCtx, cancel := context.WithTimeout(ctx, length+t.grace)
	// On a half-open connection the request would wait as long as the session.
	late := time.AfterFunc(t.open, cancel)
	w, err := c.Get().Resource(r.name).
		Param("watch", "true").
		Param("resourceVersion", version).
		Param("allowWatchBookmarks", "true").
		Param("timeoutSeconds", strconv.Itoa(max(1, int(length.Seconds())))).
		MaxRetries(0). // our own backoff knows the gap
		Watch(writeCtx)
	if !late.Stop() && ctx.Err() == nil {
		err = errSlow
	}
	if err != nil {
		cancel()
		return nil, &requestError{"watch", r, err}
	}
	return &session{w, cancel, writeCtx}, nil
}

func (s *session) stop() {
	s.Stop()
	s.cancel()
	// The decoder may be waiting to hand over an event, or holding one: drain, so that it ends
	// before the next session begins.
	for range s.ResultChan() {
	}
}

// watchError turns the object of an ERROR frame into an error.
func watchError(r resource, o runtime.Object) error {
	return &requestError{"watch", r, apierrors.FromObject(o)}
}

var (
	errClosed = errors.New("the connection was closed")
	errSilent = errors.New("the API server sent nothing for too long")
	// errUnanswered is the error of a watch that was open while the API server answered nothing.
	errUnanswered = errors.New("the API server does not answer while its watch is silent")
	errSlow       = fmt.Errorf("the API server did not begin to answer: %w", context.DeadlineExceeded)
)

// pacer decides how long to wait before the next try.
type pacer struct {
	timing   timing
	failures int
}

// pause returns the wait after an attempt that ended with err; worked tells whether the attempt
// got anywhere. The first failure after something that worked is retried at once: most watches
// end because the API server restarts or a load balancer rotates, and the next one is fine.
func (p *pacer) pause(err error, worked bool) time.Duration {
	if worked {
		p.failures = 0
	}
	p.failures++
	d := p.timing.maxPause
	if re, ok := errors.AsType[*requestError](err); ok && re.forbidden() {
		// An API server that has just started refuses everything until it has read its roles:
		// only a refusal that lasts is one that a person must mend.
		d = p.timing.forbidden
		p.failures = max(p.failures, 2)
	}
	if p.failures == 1 {
		return 0
	}
	if shift := p.failures - 2; shift < 16 {
		d = min(d, p.timing.backoff<<shift)
	}
	return d/2 + rand.N(d/2+1)
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outlive returns a context for the ledger's writes: it ends grace after ctx, so that what was
// seen before the end is still recorded, and a hanging ledger does not hold the program.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	c, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		sleep(c, grace)
		cancel()
	})
	return c, func() { stop(); cancel() }
}

// ledgerError is an error of the ledger. It ends the watch; every other one is tried again.
type ledgerError struct{ error }

func (e ledgerError) Unwrap() error { return e.error }

func storing(doing string, err error) error {
	if err == nil {
		return nil
	}
	return ledgerError{fmt.Errorf("%s: %w", doing, err)}
}

func isLedger(err error) bool {
	_, ok := errors.AsType[ledgerError](err)
	return ok
}
