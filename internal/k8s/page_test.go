package k8s

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/rest"

	"rollcall/internal/fleet"
)

// heap follows how much memory is in use at most, above what was in use at the beginning: what is garbage does not
// count, because a program under GOMEMLIMIT collects it when it must.
type heap struct {
	mu         sync.Mutex
	base, peak uint64
}

func newHeap() *heap {
	h := &heap{}
	h.base = h.look()
	h.peak = h.base
	return h
}

func (h *heap) look() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.peak = max(h.peak, m.HeapAlloc)
	return m.HeapAlloc
}

func (h *heap) mustStayBelow(t *testing.T, mib uint64) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	t.Logf("%d KiB in use at most", (h.peak-h.base)>>10)
	if h.peak-h.base > mib<<20 {
		t.Errorf("%d MiB were in use, want at most %d", (h.peak-h.base)>>20, mib)
	}
}

var megabyte = strings.Repeat("x", 1<<20)

// writeEvent writes an event with a note of so many MiB as JSON, without making it in memory.
func writeEvent(w io.Writer, i, mib int) {
	fmt.Fprintf(w, `{"kind":"Event","apiVersion":"events.k8s.io/v1","metadata":{"name":"e%d","uid":"e%d","resourceVersion":`+
		`"%d","creationTimestamp":"2026-11-22T12:00:00Z"},"reason":"Test","regarding":{"kind":"Pod"},"note":"`, i, i, 101+i)
	for range mib {
		io.WriteString(w, megabyte)
	}
	io.WriteString(w, `"}`)
}

// blob answers lists of events that have large notes.
type blob struct {
	mib   func(i int) int // the size of an event's note
	count int
	heap  *heap

	mu    sync.Mutex
	asked []string // "limit from" of each page
}

func (b *blob) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	from, _ := strconv.Atoi(q.Get("continue"))
	b.mu.Lock()
	b.asked = append(b.asked, fmt.Sprintf("%d from %d", limit, from))
	b.mu.Unlock()
	until, token := min(b.count, from+limit), ""
	if until < b.count {
		token = strconv.Itoa(until)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"kind":"EventList","apiVersion":"events.k8s.io/v1","metadata":{"resourceVersion":"100","continue":%q},`+
		`"items":[`, token)
	for i := from; i < until && r.Context().Err() == nil; i++ {
		if i > from {
			io.WriteString(w, ",")
		}
		if writeEvent(w, i, b.mib(i)); b.mib(i) > 0 {
			b.heap.look() // while the reader holds what it has read so far
		}
	}
	io.WriteString(w, `]}`)
}

// weighing is a Store that looks at the memory in use when events are recorded.
type weighing struct {
	*memory
	heap  *heap
	block func()
}

func (s *weighing) RecordEvents(ctx context.Context, cluster string, es []fleet.Event, version string) error {
	if s.block != nil {
		s.block()
	}
	s.heap.look()
	return s.memory.RecordEvents(ctx, cluster, es, version)
}

func serveEvents(t *testing.T, h http.Handler, store Store, page int) *eventWatch {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	timing := fast()
	return &eventWatch{cluster: name, client: must(NewClient(&rest.Config{Host: s.URL}, "test")), store: store,
		timing: &timing, page: page, state: &state{}}
}

// TestLargePages holds that a list of events with huge notes is read within bounded memory, completely, with pages
// that become smaller and larger again; and that of the notes only what is shown is kept.
func TestLargePages(t *testing.T) {
	h := newHeap()
	b := &blob{count: 120, heap: h, mib: func(i int) int {
		if i >= 10 && i < 74 {
			return 1
		}
		return 0
	}}
	store := &weighing{memory: newMemory(), heap: h}
	w := serveEvents(t, b, store, 100)
	version, err := w.list(t.Context(), t.Context())
	ok(t, err)
	h.mustStayBelow(t, 24) // the 64 MiB of notes would not
	if version != "100" || len(store.events) != 120 {
		t.Errorf("%d events up to %s", len(store.events), version)
	}
	if n := store.events["e20"].Note; len(n) != maxNote || !strings.HasSuffix(n, "x…") {
		t.Errorf("the note has %d bytes: …%s", len(n), n[max(0, len(n)-20):])
	}
	if want := []string{"100 from 0", "50 from 0", "25 from 0", "12 from 0"}; !slices.Equal(b.asked[:min(4, len(b.asked))], want) {
		t.Errorf("asked %q, want %q at first", b.asked, want)
	}
	if last := b.asked[len(b.asked)-1]; strings.HasPrefix(last, "3 ") || strings.HasPrefix(last, "1 ") {
		t.Errorf("asked %q: the pages stay small", b.asked)
	}
}

// TestLargeObject holds that one object may be larger than a page, and that one which is too large is told.
func TestLargeObject(t *testing.T) {
	store := &weighing{memory: newMemory(), heap: newHeap()}
	b := &blob{count: 3, heap: store.heap, mib: func(i int) int { return 6 * i }}
	_, err := serveEvents(t, b, store, 100).list(t.Context(), t.Context())
	ok(t, err)
	if len(store.events) != 3 {
		t.Errorf("%d events", len(store.events))
	}
	b.mib = func(i int) int { return 9 * i }
	const want = "list events.events.k8s.io: the answer is too large: one object has more than 16 MiB"
	if _, err = serveEvents(t, b, store, 100).list(t.Context(), t.Context()); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestLargeQueue holds that events with huge notes which wait for a slow ledger do not keep the notes in memory.
func TestLargeQueue(t *testing.T) {
	const frames = 100
	h := newHeap()
	sent := make(chan struct{})
	store := &weighing{memory: newMemory(), heap: h, block: func() { <-sent }}
	w := serveEvents(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		for i := range frames {
			io.WriteString(rw, `{"type":"ADDED","object":`)
			writeEvent(rw, i, 1)
			io.WriteString(rw, "}\n")
		}
		rw.(http.Flusher).Flush()
		h.look()
		close(sent)
	}), store, 100)
	recorded, _, err := w.watch(t.Context(), t.Context(), "100")
	if err != errClosed || recorded != strconv.Itoa(100+frames) || len(store.events) != frames {
		t.Errorf("recorded %d events up to %s, then %v", len(store.events), recorded, err)
	}
	h.mustStayBelow(t, 24)
}

// TestLongTexts holds that every text of an object is cut when it comes in, and nothing of the rest kept.
func TestLongTexts(t *testing.T) {
	h := newHeap()
	var es []fleet.Event
	var ns []fleet.Node
	for range 20 {
		long := strings.Clone(megabyte)
		e := event(name, &eventsv1.Event{Note: long, Reason: long, Type: long, ReportingController: long,
			Regarding: corev1.ObjectReference{Kind: long, Namespace: long, Name: long}}, noon)
		if e.Size() > 4<<10 {
			t.Fatalf("an event of %d bytes came in", e.Size())
		}
		n := look(name, &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Message: long, Reason: long}}}}, nil)
		if len(n.Ready.Message) != maxNote || len(n.Ready.Reason) != maxName {
			t.Fatalf("a condition of %d and %d bytes came in", len(n.Ready.Message), len(n.Ready.Reason))
		}
		es, ns = append(es, e), append(ns, n)
	}
	h.look()
	h.mustStayBelow(t, 4)
	runtime.KeepAlive(es)
	runtime.KeepAlive(ns)
}
