package ledger

import (
	"fmt"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// The search for what is hardly there stops early, says how far it came, and finds it when it
// goes on from there.
func TestEventsSearchIsBounded(t *testing.T) {
	shrink(t, &maxSearched, 4000)
	l, ctx := fresh(t), t.Context()
	n := 3*maxSearched + 100
	var events []fleet.Event
	for i := range n {
		at := t0.Add(time.Duration(i) * time.Second)
		e := fleet.Event{UID: fmt.Sprint("e", i), Regarding: fleet.ObjectRef{Kind: "Pod", Name: "p"}, Reason: "Pulled",
			Note: "hay", First: at, Last: at, Count: 1}
		if i == 10 {
			e.Note = "the needle"
		}
		events = append(events, e)
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	f := query.EventFilter{Text: []string{"needle"}}
	var at query.EventCursor
	for calls := 1; ; calls++ {
		p, err := l.Events(ctx, "prod", f, at, 5)
		check(t, err)
		if len(p.Events) == 1 {
			if calls < 3 || calls > 4 || p.More {
				t.Errorf("found by call %d; %+v", calls, p)
			}
			break
		}
		if !p.More || p.SearchedTo.IsZero() || !p.SearchedTo.Equal(p.Older.Time) || calls > 4 {
			t.Fatalf("call %d stopped: %+v", calls, p)
		}
		at = p.Older
	}
	// As far as one call may look, many reasons at one moment do not stop it.
	events = nil
	for i := range 800 {
		events = append(events, fleet.Event{UID: fmt.Sprint("r", i), Reason: fmt.Sprintf("Reason%d", i%400), First: t0,
			Last: t0, Count: 1, Note: "hay"})
	}
	check(t, l.RecordEvents(ctx, "busy", events, "1"))
	got, calls := 0, 0
	for at, more := (query.EventCursor{}), true; more; calls++ {
		p, err := l.Events(ctx, "busy", query.EventFilter{Reasons: []string{"reason*"}, Text: []string{"hay"}}, at, 150)
		check(t, err)
		if got += len(p.Events); p.More && p.Older == at || calls > 100 {
			t.Fatalf("stuck at %+v after %d calls", at, calls)
		}
		at, more = p.Older, p.More
	}
	if got != len(events) {
		t.Errorf("%d events in %d calls, want %d", got, calls, len(events))
	}
	scaling, other, err := l.EventCounts(ctx, "prod", t0)
	if err != nil || scaling != 0 || other != query.CountLimit+1 {
		t.Errorf("EventCounts = %d, %d, %v", scaling, other, err)
	}
}
