package clustersim

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func everything(object) bool { return true }

func testEvent(i int) *eventsv1.Event {
	return &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "e" + strconv.Itoa(i)}}
}

// TestEventsExpire holds that events go an hour after their last write, and that watches see it.
func TestEventsExpire(t *testing.T) {
	s := newStore(100, defaultLimits)
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	s.put(testEvent(1), now)
	s.put(testEvent(2), now)
	s.put(testEvent(1), now.Add(30*time.Minute))
	s.sweep(now.Add(time.Hour - 1))
	if n := len(s.events.items); n != 2 {
		t.Errorf("%d events just before the hour", n)
	}
	s.sweep(now.Add(time.Hour))
	if n := len(s.events.items); n != 1 || s.events.items["default/e1"] == nil {
		t.Errorf("events after an hour: %v", s.events.items)
	}
	s.sweep(now.Add(2 * time.Hour))
	if n := len(s.events.items); n != 0 || len(s.written) != 0 {
		t.Errorf("%d events after two hours, %d writes", n, len(s.written))
	}
	changes, _, _, ok := s.since(s.events, 100, 100)
	var got strings.Builder
	for i, c := range changes {
		got.WriteString(fmt.Sprintf("%s %s, ", c.kind, c.object.GetName()))
		if c.object.GetResourceVersion() != strconv.Itoa(101+i) || c.version != uint64(101+i) {
			t.Errorf("change %d has version %d, its object %s", i, c.version, c.object.GetResourceVersion())
		}
	}
	if want := "ADDED e1, ADDED e2, MODIFIED e1, DELETED e2, DELETED e1, "; !ok || got.String() != want {
		t.Errorf("a watch sees %s want %s", got.String(), want)
	}
}

// TestStoreIsBounded holds that the oldest events go when there are too many, and that history
// is kept as long as promised and not much longer.
func TestStoreIsBounded(t *testing.T) {
	limits := defaultLimits
	limits.events, limits.eventLog, limits.snapshots = 50, 100, 3
	s := newStore(0, limits)
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for i := range 1000 {
		s.put(testEvent(i), now)
		s.put(testEvent(0), now) // never the oldest
		sn := s.list(s.events, "events", everything, now)
		s.hold(sn)
		if _, events, log, written := s.size(); events > 50 || log > 200 || written > 1000 || len(s.snapshots) > 3 {
			t.Fatalf("after %d: %d events, %d changes, %d writes, %d snapshots", i, events, log, written, len(s.snapshots))
		}
	}
	for _, name := range []string{"e0", "e999", "e951"} {
		if s.events.items["default/"+name] == nil {
			t.Errorf("%s is gone", name)
		}
	}
	changes, _, _, ok := s.since(s.events, s.version-100, 1000)
	if !ok || len(changes) != 100 {
		t.Errorf("%d changes of the last hundred, %t", len(changes), ok)
	}
	if _, _, _, ok := s.since(s.events, s.version-201, 1000); ok {
		t.Error("history has no end")
	}
	if changes, upTo, more, ok := s.since(s.events, s.version, 10); len(changes) != 0 || upTo != s.version || !ok ||
		more == nil {
		t.Errorf("at the end: %d changes, up to %d", len(changes), upTo)
	} else {
		s.put(testEvent(2000), now)
		select {
		case <-more:
		default:
			t.Error("the next change wakes nobody")
		}
		if changes, _, _, _ := s.since(s.events, upTo, 10); len(changes) == 0 || changes[0].kind != watch.Added {
			t.Errorf("the next change is %v", changes)
		}
	}
	s.sweep(now.Add(limits.snapshotTTL + 1))
	if len(s.snapshots) != 0 {
		t.Errorf("%d snapshots are kept for nobody", len(s.snapshots))
	}
}
