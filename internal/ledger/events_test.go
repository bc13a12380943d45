package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

func uidsOf(events []fleet.Event) (uids []string) {
	for _, e := range events {
		uids = append(uids, e.UID)
	}
	return uids
}

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

// The totals that bound the events are those of the rows, whatever was merged and pruned.
func TestEventTotals(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	verify := func(after string) {
		t.Helper()
		var wrong int
		check(t, l.r.DB.QueryRow(
			`SELECT count(*) FROM event_totals t LEFT JOIN (SELECT cluster, scaling, count(*) AS events, sum(size) AS bytes FROM events GROUP BY cluster, scaling) e
			ON e.cluster = t.cluster AND e.scaling = t.scaling WHERE t.events <> coalesce(e.events,
				0) OR t.bytes <> coalesce(e.bytes, 0)`).Scan(&wrong))
		var rows int
		check(t, l.r.DB.QueryRow(`SELECT count(*) FROM event_totals`).Scan(&rows))
		if wrong > 0 || rows == 0 {
			t.Errorf("after %s: %d of %d totals are wrong", after, wrong, rows)
		}
	}
	var events []fleet.Event
	for i := range 700 {
		e := event(fmt.Sprint("e", i), 1, time.Duration(i)*time.Second)
		e.Reason = []string{"Pulled", "Started"}[i%2]
		events = append(events, e)
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	check(t, l.RecordEvents(ctx, "test", events[:300], "1"))
	verify("recording")
	for i := range events {
		events[i].Note, events[i].Count = strings.Repeat("x", i), 2
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	verify("merging")
	_, err := l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(time.Hour+100*time.Second))
	check(t, err)
	verify("pruning")
	_, err = l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour, MaxOther: 150000, MaxScaling: 1},
		t0.Add(time.Hour))
	check(t, err)
	verify("bounding")
	if scaling, other, _ := l.EventCounts(ctx, "prod", t0); scaling != 0 || other == 0 {
		t.Errorf("%d scaling and %d other events are left", scaling, other)
	}
}
