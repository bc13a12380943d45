package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"rollcall/internal/fleet"
	"rollcall/test/cluster"
)

// fakeAPI answers lists and watches of nodes and events, and misbehaves as told: for what a real
// API server does too seldom to wait for. It speaks JSON.
type fakeAPI struct {
	*httptest.Server
	mu       sync.Mutex
	nodes    []corev1.Node
	events   []eventsv1.Event
	others   map[string][]any // objects of other resources, by resource: one that is not there is no API
	version  int
	exact    bool                          // a list at a version shows what is now; else: it is compacted
	identity string                        // UID of kube-system; "" for none
	asked    []string                      // "list nodes limit=3", "watch events from 5"
	trouble  map[string][]http.HandlerFunc // by "list nodes" etc.: consumed one a request, before the normal answer
	watchers map[chan json.RawMessage]string
}

func newFake(t *testing.T) *fakeAPI {
	f := &fakeAPI{version: 100, trouble: map[string][]http.HandlerFunc{}, watchers: map[chan json.RawMessage]string{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Server.CloseClientConnections)
	return f
}

func (f *fakeAPI) config() *rest.Config { return &rest.Config{Host: f.URL, BearerToken: "t"} }

// next makes the next requests of that kind run into the handlers, in turn.
func (f *fakeAPI) next(kind string, hs ...http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble[kind] = append(f.trouble[kind], hs...)
}

func (f *fakeAPI) requests(prefix string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.asked), func(a string) bool { return !strings.HasPrefix(a, prefix) })
}

func (f *fakeAPI) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	res := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	kind, detail := "list "+res, " limit="+q.Get("limit")
	if q.Get("continue") != "" {
		kind = "continue " + res
	}
	if q.Get("watch") != "" {
		kind, detail = "watch "+res, " from "+q.Get("resourceVersion")
	}
	f.mu.Lock()
	f.asked = append(f.asked, kind+detail)
	if hs := f.trouble[kind]; len(hs) > 0 {
		f.trouble[kind] = hs[1:]
		f.mu.Unlock()
		hs[0](w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if res == kubeSystem {
		defer f.mu.Unlock()
		if f.identity == "" {
			refuse(404, metav1.StatusReasonNotFound, "not found")(w, r)
			return
		}
		json.NewEncoder(w).Encode(corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{Name: kubeSystem, UID: types.UID(f.identity)}})
		return
	}
	if q.Get("watch") != "" {
		ch := make(chan json.RawMessage, 100)
		f.watchers[ch] = res
		f.mu.Unlock()
		defer func() { f.mu.Lock(); delete(f.watchers, ch); f.mu.Unlock() }()
		w.(http.Flusher).Flush()
		for {
			select {
			case frame := <-ch:
				if frame == nil {
					return
				}
				w.Write(frame)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	defer f.mu.Unlock()
	list := f.nodes
	if q.Get("resourceVersionMatch") == string(metav1.ResourceVersionMatchExact) {
		if !f.exact {
			refuse(410, metav1.StatusReasonExpired, "too old")(w, r)
			return
		}
		list = slices.DeleteFunc(slices.Clone(list), func(n corev1.Node) bool {
			return "metadata.name="+n.Name != q.Get("fieldSelector")
		})
	}
	from, _ := strconv.Atoi(q.Get("continue"))
	limit, _ := strconv.Atoi(q.Get("limit"))
	page := func(n int) (until int, meta metav1.ListMeta) {
		meta.ResourceVersion = strconv.Itoa(f.version)
		if until = min(n, from+limit); until < n {
			meta.Continue = strconv.Itoa(until)
		}
		return until, meta
	}
	if res == "nodes" {
		until, meta := page(len(list))
		json.NewEncoder(w).Encode(corev1.NodeList{TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"},
			ListMeta: meta, Items: list[from:until]})
		return
	}
	if res != "events" {
		others, ok := f.others[res]
		if !ok {
			refuse(404, metav1.StatusReasonNotFound, "the server could not find the requested resource")(w, r)
			return
		}
		until, meta := page(len(others))
		kind := map[string]string{"nodeclaims": "NodeClaimList", "nodepools": "NodePoolList"}[res]
		json.NewEncoder(w).Encode(map[string]any{"kind": kind, "apiVersion": "karpenter.sh/v1", "metadata": meta,
			"items": others[from:until]})
		return
	}
	until, meta := page(len(f.events))
	json.NewEncoder(w).Encode(
		eventsv1.EventList{TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "events.k8s.io/v1"}, ListMeta: meta,
			Items: f.events[from:until]})
}

// send sends a frame to every watch of a resource and returns how many there were.
func (f *fakeAPI) send(res, typ string, object any) int {
	frame, version := json.RawMessage(nil), 0
	if object != nil {
		raw, _ := json.Marshal(object)
		var o metav1.PartialObjectMetadata
		json.Unmarshal(raw, &o)
		version, _ = strconv.Atoi(o.ResourceVersion)
		frame = fmt.Appendf(nil, `{"type":%q,"object":%s}`+"\n", typ, raw)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version = max(f.version, version)
	n := 0
	for ch, of := range f.watchers {
		if of == res {
			ch <- frame
			n++
		}
	}
	return n
}

// cut ends the watches of a resource in good order.
func (f *fakeAPI) cut(res string) { f.send(res, "", nil) }

func (f *fakeAPI) waitWatch(t *testing.T, res string) {
	t.Helper()
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, of := range f.watchers {
			if of == res {
				return nil
			}
		}
		return fmt.Errorf("no watch of %s; asked: %q", res, f.asked)
	})
}

func refuse(code int, reason metav1.StatusReason, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(status(code, reason, message))
	}
}

func status(code int, reason metav1.StatusReason, message string) metav1.Status {
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reason, Message: message}
}

// sendError begins a watch and ends it with an ERROR frame, as the watch cache does.
func sendError(s metav1.Status) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		raw, _ := json.Marshal(s)
		fmt.Fprintf(w, `{"type":"ERROR","object":%s}`+"\n", raw)
	}
}

func fakeNode(i int, version string) corev1.Node {
	return corev1.Node{
		TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i), UID: types.UID(fmt.Sprintf("u%d", i)),
			ResourceVersion:   version,
			CreationTimestamp: metav1.NewTime(noon)},
	}
}

func fakeEvent(i int, version string) eventsv1.Event {
	return eventsv1.Event{
		TypeMeta: metav1.TypeMeta{Kind: "Event", APIVersion: "events.k8s.io/v1"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("e%d", i), UID: types.UID(fmt.Sprintf("e%d", i)),
			ResourceVersion: version, CreationTimestamp: metav1.NewTime(noon)},
		Reason: "Test",
	}
}

var expired = status(http.StatusGone, metav1.StatusReasonExpired, "too old resource version")

// TestListExpires holds that a list whose continue token expired starts again with larger pages,
// and that the baseline is that of the list that was completed.
func TestListExpires(t *testing.T) {
	f := newFake(t)
	for i := range 10 {
		f.nodes = append(f.nodes, fakeNode(i, "1"))
	}
	gone := func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.nodes = f.nodes[1:] // it was in the first page of the list that broke off
		f.mu.Unlock()
		refuse(410, metav1.StatusReasonExpired, "The provided continue parameter is too old")(w, r)
	}
	f.next("continue nodes", gone)
	store := newMemory()
	w := start(t, f.config(), store)
	w.waitSynced(t)
	if got := len(store.snapshot().nodes); got != 9 {
		t.Errorf("%d nodes in the baseline, want 9", got)
	}
	want := []string{"list nodes limit=3", "list nodes limit=6"}
	if got := f.requests("list nodes"); !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// TestWatchExpires holds that every way of being told that history is gone leads to a new list
// and a gap, and that the gap is told once.
func TestWatchExpires(t *testing.T) {
	tooLarge := status(504, metav1.StatusReasonTimeout, "Too large resource version: 999, current: 100")
	for name, trouble := range map[string]http.HandlerFunc{
		"410 as the answer":        refuse(410, metav1.StatusReasonExpired, "too old"),
		"410 Gone, old servers":    refuse(410, metav1.StatusReasonGone, "too old"),
		"410 as a frame":           sendError(expired),
		"ahead of a restored etcd": refuse(504, metav1.StatusReasonTimeout, tooLarge.Message),
		"ahead, as a frame":        sendError(tooLarge),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.nodes = []corev1.Node{fakeNode(0, "1"), fakeNode(1, "1")}
			store := newMemory()
			w := start(t, f.config(), store)
			w.waitSynced(t)
			f.waitWatch(t, "nodes")
			f.waitWatch(t, "events")
			f.next("watch nodes", trouble)
			f.next("watch events", trouble)
			f.mu.Lock()
			f.nodes = []corev1.Node{fakeNode(1, "1"), fakeNode(2, "1")}
			f.events = []eventsv1.Event{fakeEvent(1, "99")}
			f.version = 200
			f.mu.Unlock()
			f.cut("nodes")
			f.cut("events")
			store.waitChanges(t, "n0", "removed#1")
			store.waitChanges(t, "n2", "joined#1")
			cluster.Eventually(t, 5*time.Second, func(context.Context) error {
				s := store.snapshot()
				if len(s.gaps) != 1 || s.gaps[0].Cause != causeExpired || len(s.events) != 1 ||
					s.checkpoint.EventsVersion != "200" {
					return fmt.Errorf("recorded: %+v", s)
				}
				return nil
			})
		})
	}
}

// TestRefusedCredentials holds that a 401 is shown, and survived.
func TestRefusedCredentials(t *testing.T) {
	f := newFake(t)
	f.nodes = []corev1.Node{fakeNode(0, "1")}
	no := refuse(401, metav1.StatusReasonUnauthorized, "Unauthorized")
	f.next("list nodes", no, no, no)
	f.next("list events", no)
	f.next("watch nodes", no, no)
	f.next("watch events", no)
	store := newMemory()
	shown := make(chan struct{})
	w := start(t, f.config(), store, func(w *Watcher) { w.timing.backoff = 50 * time.Millisecond })
	go func() {
		for !strings.Contains(w.Status().Nodes.Error, "refused the credentials (401)") {
			select {
			case <-t.Context().Done():
				return
			case <-time.After(time.Millisecond):
			}
		}
		close(shown)
	}()
	w.waitSynced(t)
	select {
	case <-shown:
	case <-time.After(time.Second):
		t.Error("the status never said why")
	}
	f.waitWatch(t, "nodes")
	f.send("nodes", "ADDED", fakeNode(1, "101"))
	store.waitChanges(t, "n1", "joined#1")
	if s := w.Status(); s.Nodes.Error != "" {
		t.Errorf("status after recovery: %+v", s.Nodes)
	}
}

// TestForbidden holds that each permission is named, and that one that is missing stops nothing
// else.
func TestForbidden(t *testing.T) {
	f := newFake(t)
	f.events = []eventsv1.Event{fakeEvent(1, "1")}
	var no []http.HandlerFunc
	for range 1000 {
		no = append(no, refuse(403, metav1.StatusReasonForbidden,
			`nodes is forbidden: User "system:serviceaccount:ops:rollcall" cannot list resource "nodes" in API group "" at `+
				`the cluster scope`))
	}
	f.next("list nodes", no...)
	store := newMemory()
	w := start(t, f.config(), store)
	f.waitWatch(t, "events")
	f.send("events", "ADDED", fakeEvent(2, "101"))
	cluster.Eventually(t, 5*time.Second, func(context.Context) error {
		if s := store.snapshot(); len(s.events) != 2 {
			return fmt.Errorf("events: %+v", s.events)
		}
		s := w.Status()
		const want = "list nodes: not permitted for system:serviceaccount:ops:rollcall: " + clusterRole
		if s.Nodes.Error != want || !slices.Equal(s.Nodes.Forbidden, []string{"list nodes"}) || s.Nodes.Synced ||
			s.Events.Error != "" {
			return fmt.Errorf("status: %+v", s)
		}
		return nil
	})
}

// TestSlowPage holds that a page that does not come is given up and asked for again.
func TestSlowPage(t *testing.T) {
	f := newFake(t)
	f.nodes = []corev1.Node{fakeNode(0, "1")}
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	f.next("list nodes", hang)
	f.next("watch nodes", hang)
	store := newMemory()
	w := start(t, f.config(), store,
		func(w *Watcher) { w.timing.page, w.timing.open = 200*time.Millisecond, 200*time.Millisecond })
	w.waitSynced(t)
	f.waitWatch(t, "nodes")
}

// TestResumeAfterAWhile holds that a watch that resumes where it had stopped misses nothing, and
// does not claim to have seen happen what it is only told now.
func TestResumeAfterAWhile(t *testing.T) {
	f := newFake(t)
	f.nodes = []corev1.Node{fakeNode(0, "1"), fakeNode(1, "1")}
	store := newMemory()
	w := start(t, f.config(), store, func(w *Watcher) { w.timing.gap = 50 * time.Millisecond })
	w.waitSynced(t)
	f.waitWatch(t, "nodes")
	f.send("nodes", "BOOKMARK",
		corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{ResourceVersion: "150"}})
	cluster.Eventually(t, 5*time.Second, func(context.Context) error {
		if got := store.snapshot().checkpoint.NodesVersion; got != "150" {
			return fmt.Errorf("resource version %s, want the bookmark's", got)
		}
		return nil
	})
	away := refuse(503, metav1.StatusReasonServiceUnavailable, "etcd is away")
	f.next("watch nodes", away, away, away, away, away, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		raw, _ := json.Marshal(fakeNode(0, "151"))
		fmt.Fprintf(rw, `{"type":"DELETED","object":%s}`+"\n", raw)
		rw.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	f.cut("nodes")
	store.waitChanges(t, "n0", "removed#1")
	s := store.snapshot()
	if len(s.gaps) != 1 || s.gaps[0].Missed || s.gaps[0].Cause != causeUnreachable {
		t.Fatalf("gaps: %+v", s.gaps)
	}
	if c := s.changes[0]; c.Proof != fleet.ProofNone || !c.NotBefore.Equal(s.gaps[0].From) || c.GapID != 1 {
		t.Errorf("change: %+v, gap %+v", c, s.gaps[0])
	}
	if got := f.requests("watch nodes"); !slices.Contains(got, "watch nodes from 150") {
		t.Errorf("asked %q", got)
	}
	if got := f.requests("list nodes limit=3"); len(got) != 1 {
		t.Errorf("listed again: %q", got)
	}
}

// TestEventsResume holds that a restarted watch of events goes on from the stored version, does
// not write what moves only the version one by one, and lists when the API server's data is
// older than ours.
func TestEventsResume(t *testing.T) {
	f := newFake(t)
	f.events = []eventsv1.Event{fakeEvent(1, "90")}
	store := newMemory()
	w := start(t, f.config(), store)
	w.waitSynced(t)
	f.waitWatch(t, "events")
	f.send("events", "ADDED", fakeEvent(2, "101"))
	for i := range 50 {
		f.send("events", "DELETED", fakeEvent(3, strconv.Itoa(102+i)))
	}
	cluster.Eventually(t, 5*time.Second, func(context.Context) error {
		if got := store.snapshot().checkpoint.EventsVersion; got != "151" {
			return fmt.Errorf("resource version %s, want 151", got)
		}
		return nil
	})
	if s := store.snapshot(); len(s.events) != 2 || s.eventWrites > 10 {
		t.Errorf("%d events, %d writes", len(s.events), s.eventWrites)
	}
	w.stop()
	f.mu.Lock()
	f.version, f.asked = 160, nil
	f.mu.Unlock()
	asks := func(want string) {
		t.Helper()
		cluster.Eventually(t, 5*time.Second, func(context.Context) error {
			if got := f.requests("watch events"); !slices.Equal(got, []string{want}) {
				return fmt.Errorf("asked %q, want %q", got, want)
			}
			return nil
		})
	}
	w = start(t, f.config(), store)
	asks("watch events from 151")
	w.stop()
	f.mu.Lock()
	f.version, f.asked = 120, nil // restored from a backup
	f.mu.Unlock()
	start(t, f.config(), store)
	asks("watch events from 120")
}

// TestLedgerFails holds that Run ends with the ledger's error: what cannot be recorded must not
// be passed over.
func TestLedgerFails(t *testing.T) {
	f := newFake(t)
	client := must(NewClient(f.config(), "test"))
	store := newMemory()
	w := New(Config{Cluster: name, Client: client, Store: store})
	w.timing = fast()
	done := make(chan error, 1)
	go func() { done <- w.Run(t.Context()) }()
	f.waitWatch(t, "nodes")
	full := errors.New("disk full")
	store.mu.Lock()
	store.fail = full
	store.mu.Unlock()
	f.send("nodes", "ADDED", fakeNode(1, "101"))
	select {
	case err := <-done:
		if !errors.Is(err, full) {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run goes on without a ledger")
	}
}

// TestConnectionCut holds that a cut in the middle of a frame resumes without loss.
func TestConnectionCut(t *testing.T) {
	f := newFake(t)
	store := newMemory()
	w := start(t, f.config(), store)
	w.waitSynced(t)
	f.waitWatch(t, "nodes")
	f.set(func() { f.version = 101 })
	f.next("watch nodes", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		raw, _ := json.Marshal(fakeNode(0, "101"))
		fmt.Fprintf(rw, `{"type":"ADDED","object":%s}`+"\n", raw)
		fmt.Fprintf(rw, `{"type":"ADDED","object":{"kind":"No`)
		rw.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	f.cut("nodes")
	store.waitChanges(t, "n0", "joined#1")
	f.waitWatch(t, "nodes")
	f.send("nodes", "ADDED", fakeNode(1, "102"))
	store.waitChanges(t, "n1", "joined#1")
	if got := f.requests("watch nodes"); !slices.Contains(got, "watch nodes from 101") ||
		len(f.requests("list nodes limit=3")) != 1 {
		t.Errorf("asked %q", got)
	}
}

// TestClockSetBack holds that a start finds what happened, and a gap that does not end before it
// begins, when the last sign of life lies in the future because the clock has been set back.
func TestClockSetBack(t *testing.T) {
	f := newFake(t)
	f.nodes = []corev1.Node{fakeNode(0, "1")}
	store := newMemory()
	w := start(t, f.config(), store)
	w.waitSynced(t)
	w.stop()
	store.checkpoint.WatchedUntil = time.Now().Add(time.Hour)
	f.mu.Lock()
	f.nodes = append(f.nodes, fakeNode(1, "2"))
	f.mu.Unlock()
	w = start(t, f.config(), store)
	w.waitSynced(t)
	store.waitChanges(t, "n1", "joined#1")
	if g := store.snapshot().gaps; len(g) != 1 || g[0].Until.Before(g[0].From) || time.Until(g[0].From) > 0 {
		t.Errorf("gaps: %+v", g)
	}
}
