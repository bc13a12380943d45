package clustersim

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// limits bound what the store keeps.
type limits struct {
	nodeLog, eventLog int           // changes that a watch may resume from, at least; at most twice that
	events            int           // live events; the oldest go first
	eventTTL          time.Duration // as an API server's --event-ttl
	snapshots         int           // lists that are still being paged through
	snapshotTTL       time.Duration
}

var defaultLimits = limits{
	nodeLog: 4096, eventLog: 10000, events: 10000, eventTTL: time.Hour, snapshots: 64, snapshotTTL: 5 * time.Minute,
}

// object is a Node or an Event. Once it is in the store nothing changes it any more: a change
// is another object.
type object interface {
	runtime.Object
	metav1.Object
}

// change is one change of an object, as a watch tells it.
type change struct {
	version uint64
	kind    watch.EventType
	object  object
}

// table holds the objects of one resource and their recent changes.
type table struct {
	items   map[string]object // by key
	log     []change          // ascending
	keep    int
	dropped uint64 // changes up to this version are no longer in the log
}

// store is what the API server keeps. Both resources share one sequence of versions, as they
// would in etcd.
type store struct {
	limits limits

	mu        sync.Mutex
	version   uint64
	nodes     *table
	events    *table
	changed   chan struct{} // closed by the next change
	written   []written     // of events, oldest first; some are superseded
	snapshots []*snapshot   // oldest first
}

// written is a write of an event. It is superseded if the event has another version now.
type written struct {
	key     string
	version string
	at      time.Time
}

// newStore returns an empty store whose versions begin after the one given: no client has seen
// a later one from an earlier store if it is taken from the clock.
func newStore(version uint64, l limits) *store {
	return &store{
		limits: l, version: version, changed: make(chan struct{}),
		nodes:  &table{items: map[string]object{}, keep: l.nodeLog, dropped: version},
		events: &table{items: map[string]object{}, keep: l.eventLog, dropped: version},
	}
}

// key orders objects as etcd does: namespace, then name.
func key(o metav1.Object) string { return o.GetNamespace() + "/" + o.GetName() }

func (s *store) tableOf(o object) *table {
	if _, ok := o.(*corev1.Node); ok {
		return s.nodes
	}
	return s.events
}

// put stores an object that nobody else has seen yet, and gives it its resource version.
func (s *store) put(o object, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, k := s.tableOf(o), key(o)
	kind := watch.Added
	if _, ok := t.items[k]; ok {
		kind = watch.Modified
	}
	t.items[k] = o
	s.record(t, kind, o)
	if t == s.events {
		s.written = append(s.written, written{k, o.GetResourceVersion(), now})
		s.expire(now)
	}
}

// remove deletes an object. What watches see is o as it was, with the version of its end.
func (s *store) remove(o object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(s.tableOf(o), key(o))
}

// drop is remove with the lock held.
func (s *store) drop(t *table, k string) {
	o, ok := t.items[k]
	if !ok {
		return
	}
	delete(t.items, k)
	switch o := o.(type) {
	case *corev1.Node:
		last := *o
		s.record(t, watch.Deleted, &last)
	case *eventsv1.Event:
		last := *o
		s.record(t, watch.Deleted, &last)
	}
}

func (s *store) record(t *table, kind watch.EventType, o object) {
	s.version++
	o.SetResourceVersion(strconv.FormatUint(s.version, 10))
	if len(t.log) >= 2*t.keep {
		cut := len(t.log) - t.keep
		t.dropped = t.log[cut-1].version
		// A new slice, so that the objects of the dropped changes are let go.
		t.log = append(make([]change, 0, 2*t.keep), t.log[cut:]...)
	}
	t.log = append(t.log, change{s.version, kind, o})
	close(s.changed)
	s.changed = make(chan struct{})
}

// sweep removes what has had its time.
func (s *store) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	s.snapshots = slices.DeleteFunc(s.snapshots,
		func(sn *snapshot) bool { return now.Sub(sn.taken) > s.limits.snapshotTTL })
}

// expire removes the events that were not written for their time, and the oldest of too many.
func (s *store) expire(now time.Time) {
	gone := 0
	for _, w := range s.written {
		if o, ok := s.events.items[w.key]; ok && o.GetResourceVersion() == w.version {
			if now.Sub(w.at) < s.limits.eventTTL && len(s.events.items) <= s.limits.events {
				break
			}
			s.drop(s.events, w.key)
		}
		gone++
	}
	s.written = s.written[gone:]
}

// since returns up to max changes of a table after a version. If there are none, upTo is the
// version up to which that is so, and more is closed by the next change. ok is false if the
// version is no longer in the log.
func (s *store) since(t *table, version uint64, max int) (changes []change, upTo uint64, more <-chan struct{},
	ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version < t.dropped {
		return nil, 0, nil, false
	}
	i, _ := slices.BinarySearchFunc(t.log, version+1, func(c change, v uint64) int { return cmp.Compare(c.version, v) })
	n := min(max, len(t.log)-i)
	return slices.Clone(t.log[i : i+n]), s.version, s.changed, true
}

// snapshot is a table as it was at one version: a list that is paged through stays consistent.
type snapshot struct {
	version uint64
	taken   time.Time
	filter  string // what was asked for: a token is good for that only
	objects []object
}

// list returns everything in a table that the filter takes, in the order of keys.
func (s *store) list(t *table, asked string, takes func(object) bool, now time.Time) *snapshot {
	s.mu.Lock()
	sn := &snapshot{version: s.version, taken: now, filter: asked}
	sn.objects = make([]object, 0, len(t.items))
	for _, o := range t.items {
		sn.objects = append(sn.objects, o)
	}
	s.mu.Unlock()
	// Objects do not change, so the rest needs no lock.
	sn.objects = slices.DeleteFunc(sn.objects, func(o object) bool { return !takes(o) })
	slices.SortFunc(sn.objects, func(a, b object) int {
		if a.GetNamespace() == b.GetNamespace() {
			return strings.Compare(a.GetName(), b.GetName())
		}
		return strings.Compare(a.GetNamespace(), b.GetNamespace())
	})
	return sn
}

// hold keeps a snapshot for the pages to come.
func (s *store) hold(sn *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.snapshots, sn) {
		return
	}
	if s.snapshots = append(s.snapshots, sn); len(s.snapshots) > s.limits.snapshots {
		s.snapshots = slices.Delete(s.snapshots, 0, 1)
	}
}

// held returns the snapshot that a continue token is of, or nil if it is no longer kept.
func (s *store) held(version uint64, asked string) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sn := range s.snapshots {
		if sn.version == version && sn.filter == asked {
			return sn
		}
	}
	return nil
}

func (s *store) current() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// size returns how much is kept: for the tests of the limits.
func (s *store) size() (nodes, events, log, pending int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.nodes.items), len(s.events.items), len(s.nodes.log) + len(s.events.log), len(s.written)
}
