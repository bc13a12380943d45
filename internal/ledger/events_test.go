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
		var wrong int
		check(t, l.r.DB.QueryRow(
			`SELECT count(*) FROM event_totals t LEFT JOIN (
				SELECT cluster, scaling, count(*) AS events, sum(size) AS bytes FROM events GROUP BY cluster, scaling) e
			ON e.cluster = t.cluster AND e.scaling = t.scaling
			WHERE t.events <> coalesce(e.events, 0) OR t.bytes <> coalesce(e.bytes, 0)`).Scan(&wrong))
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
	got := must[[]fleet.Event](t)(l.evidence(ctx, node(1), t0))
	if len(got) != 1 || got[0].UID != events[0].UID {
		t.Errorf("evidence: %+v", got)
	}
}
