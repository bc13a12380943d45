package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// The totals that bound the events are those of the rows, whatever was merged and pruned.
func TestEventTotals(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	verify := func(after string) {
		t.Helper()
		t.Log("after", after)
		totalsAreRight(t, l)
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

// totalsAreRight holds that the totals are those of the rows, that names are counted with the events that have them,
// and that none is left of an event that is gone.
func totalsAreRight(t *testing.T, l *Ledger) {
	t.Helper()
	var wrong, rows, lost, light int
	check(t, l.r.DB.QueryRow(
		`SELECT count(*) FROM event_totals t LEFT JOIN (
			SELECT cluster, scaling, count(*) AS events, sum(size) AS bytes FROM events GROUP BY cluster, scaling) e
		ON e.cluster = t.cluster AND e.scaling = t.scaling
		WHERE t.events <> coalesce(e.events, 0) OR t.bytes <> coalesce(e.bytes, 0)`).Scan(&wrong))
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM event_totals`).Scan(&rows))
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM event_names WHERE event_id NOT IN (SELECT id FROM events)`).Scan(&lost))
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM events e JOIN (SELECT event_id, sum(60 + 2 * length(cluster || kind ||
		namespace || name) + coalesce(length(note), 0)) AS bytes FROM event_names GROUP BY event_id) n ON n.event_id = e.id
		WHERE e.size < 160 + length(e.note) + n.bytes`).Scan(&light))
	if wrong > 0 || rows == 0 || lost > 0 || light > 0 {
		t.Errorf("%d of %d totals are wrong, %d names are of no event, %d events are too light", wrong, rows, lost, light)
	}
}

// The names that an event has had count in its size, which is bounded, however often its note changes.
func TestNamesAreCounted(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	named := func(note string, count int) {
		e := event("combined", count, time.Duration(count)*time.Second)
		e.Regarding = fleet.ObjectRef{Kind: "ReplicaSet", Namespace: "shop", Name: "web"}
		e.Reason, e.Note = "SuccessfulCreate", note
		check(t, l.RecordEvents(ctx, "prod", []fleet.Event{e}, "1"))
	}
	names := func() (n int) {
		check(t, l.r.DB.QueryRow(`SELECT count(*) FROM event_names`).Scan(&n))
		return n
	}
	long := strings.Repeat("x", 200)
	for i, tc := range []struct {
		note string
		want int
	}{{"Created pod: web-1", 1}, {"Created pod: web-1", 1}, {"Created pod: web-2", 2}, {"nobody", 2}, {"Created pod: web-2", 3},
		{"Created pod: " + long, 4}} {
		if named(tc.note, i+1); names() != tc.want {
			t.Errorf("%d names after %q, want %d", names(), tc.note, tc.want)
		}
		totalsAreRight(t, l)
	}
	_, err := l.exec(ctx, `UPDATE events SET size = size + ?`, maxEvent)
	check(t, err)
	_, err = l.exec(ctx, `UPDATE event_totals SET bytes = bytes + ?`, maxEvent)
	check(t, err)
	for i := range 2 { // the last note names nobody any more, and so do those that follow
		if named(fmt.Sprint("Created pod: web-", 10+i), 100+i); names() != 3 {
			t.Errorf("%d names of an event that is too large, want 3", names())
		}
		totalsAreRight(t, l)
	}
	_, err = l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(2*time.Hour))
	check(t, err)
	if names() != 0 {
		t.Errorf("%d names are left", names())
	}
	totalsAreRight(t, l)
}

// What an event in somebody's namespace says of a node is no evidence, also if an older Rollcall has recorded it as a
// scaling event.
func TestEvidenceIsInNoNamespace(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	var events []fleet.Event
	for _, namespace := range []string{"", "shop"} {
		e := event("on a node in "+namespace, 1, 0)
		e.Regarding, e.Reason = fleet.ObjectRef{Kind: "Node", Name: "node-1", Namespace: namespace}, "SpotInterrupted"
		events = append(events, e)
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	_, err := l.exec(ctx, `UPDATE events SET scaling = 1`)
	check(t, err)
	for _, namespace := range []string{"", "shop"} {
		got := must[[]fleet.Event](t)(l.Evidence("prod").On(ctx,
			fleet.ObjectRef{Kind: "Node", Name: "node-1", Namespace: namespace}, t0, t0, 10))
		if len(got) != 1 || got[0].UID != events[0].UID {
			t.Errorf("evidence: %+v", got)
		}
	}
}
