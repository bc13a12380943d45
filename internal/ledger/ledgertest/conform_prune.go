package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

func prune(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	noise := event("noise", 1, 0)
	noise.Reason = "Pulled"
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{noise, event("story", 1, 0)}, "1"))
	record(t, l, "1", first(1), first(2), fleet.Gone(node(2), first(2).Known, t0.Add(time.Minute)))
	r := ledger.Retention{Scaling: 90 * 24 * time.Hour, Other: 24 * time.Hour}
	for _, tc := range []struct {
		after time.Duration
		want  int64
	}{{time.Hour, 0}, {25 * time.Hour, 1}, {91 * 24 * time.Hour, 1}} {
		if n, err := l.Prune(ctx, r, t0.Add(tc.after)); err != nil || n != tc.want {
			t.Errorf("after %v: %d rows, %v; want %d (what is untold stays)", tc.after, n, err, tc.want)
		}
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2, 3}}}},
		false, t0))
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	check(t, l.Accepted(ctx, w.Main, 3, t0))
	if n, err := l.Prune(ctx, r, t0.Add(91*24*time.Hour)); err != nil || n != 0 {
		t.Errorf("%d rows of a live wave pruned, %v", n, err)
	}
	check(t, l.FinishWave(ctx, w.ID, t0))
	// Three changes, the removed node, the message and its wave.
	if n, err := l.Prune(ctx, r, t0.Add(91*24*time.Hour)); err != nil || n != 6 {
		t.Errorf("%d rows pruned, %v; want 6", n, err)
	}
	if totals := must[fleet.Totals](t)(l.Totals(ctx, "prod")); totals.Nodes != 1 {
		t.Errorf("%d live nodes left, want 1", totals.Nodes)
	}
}

func eventsAreBoundedInBytes(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	var events []fleet.Event
	for i := range 1000 {
		e := event(fmt.Sprintf("e%04d", i), 1, time.Duration(i)*time.Second)
		e.Reason = "Pulled"
		events = append(events, e)
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	limit := int64(events[0].Size() * 300)
	_, err := l.Prune(ctx, ledger.Retention{Scaling: time.Hour, Other: time.Hour, MaxOther: limit}, t0)
	check(t, err)
	_, other, err := l.EventCounts(ctx, "prod", t0)
	check(t, err)
	if other > 300 || other < 100 {
		t.Errorf("%d events left of at most 300", other)
	}
	if _, newest, _ := l.EventCounts(ctx, "prod", t0.Add(990*time.Second)); newest != 10 {
		t.Errorf("%d of the ten newest are left", newest)
	}
}

// floodsPushOutNobodyElse holds that a namespace that is flooded with events loses its own.
func floodsPushOutNobodyElse(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	var events []fleet.Event
	for i := range 2000 {
		e := event(fmt.Sprintf("e%04d", i), 1, time.Duration(i)*time.Second)
		e.Reason, e.Regarding.Namespace = "Pulled", "flood"
		if i < 200 { // the oldest
			e.Regarding.Namespace = "shop"
		}
		events = append(events, e)
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	limit := int64(events[0].Size() * 1000)
	_, err := l.Prune(ctx, ledger.Retention{Scaling: time.Hour, Other: time.Hour, MaxOther: limit}, t0)
	check(t, err)
	_, old, err := l.EventCounts(ctx, "prod", t0)
	check(t, err)
	_, young, err := l.EventCounts(ctx, "prod", t0.Add(200*time.Second))
	check(t, err)
	if old-young != 200 || old > 1000 {
		t.Errorf("%d events of the other namespace are left of 200, %d in all", old-young, old)
	}
}

// eventsYetToCome holds that an event which says that it is of the future gets old as any other.
func eventsYetToCome(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	e := event("future", 1, 1000*time.Hour)
	e.Reason = "Pulled"
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{e}, "1"))
	keep := ledger.Retention{Scaling: time.Hour, Other: time.Hour}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {30 * time.Minute, 1}, {2 * time.Hour, 0}} {
		_, err := l.Prune(ctx, keep, t0.Add(tt.after))
		check(t, err)
		if _, left, err := l.EventCounts(ctx, "prod", t0); err != nil || left != tt.want {
			t.Errorf("after %v: %d events, want %d (%v)", tt.after, left, tt.want, err)
		}
	}
}

// Pruning gives way to writers: they go on while it works.
func writersGoOnWhilePruning(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	var events []fleet.Event
	for i := range 4000 {
		events = append(events, event(fmt.Sprint("e", i), 1, 0))
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	done := make(chan error, 1)
	go func() {
		_, err := l.Prune(ctx, ledger.Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(2*time.Hour))
		done <- err
	}()
	writes := 0
	for {
		select {
		case err := <-done:
			check(t, err)
			if writes < 2 {
				t.Errorf("only %d writes went through while pruning", writes)
			}
			return
		default:
			record(t, l, "2", first(writes))
			writes++
		}
	}
}

// Mutes stay as long as the changes that they kept quiet, and until their end is told.
func pruneMutes(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1))
	used := must[wave.Mute](t)(l.AddMute(ctx, mute("used")))
	untold := must[wave.Mute](t)(l.AddMute(ctx, muteElsewhere("untold")))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Mute: map[int64]int64{1: used.ID}}, false, t0))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindMute, About: wave.About{Mute: used.ID}}}}, false, t0))
	check(t, l.FinishWave(ctx, must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0].ID, t0.Add(time.Hour)))
	r := ledger.Retention{Scaling: 24 * time.Hour, Other: time.Hour}
	for _, tc := range []struct {
		after time.Duration
		want  int64
		what  string
	}{{23 * time.Hour, 0, "what is young stays"}, {24*time.Hour + time.Minute, 1, "the change goes"},
		{26 * time.Hour, 3, "its mute goes with its wave and message, the untold one stays"}} {
		if n, err := l.Prune(ctx, r, t0.Add(tc.after)); err != nil || n != tc.want {
			t.Errorf("after %v: %d rows, %v; want %d: %s", tc.after, n, err, tc.want, tc.what)
		}
	}
	if _, ok, _ := l.Mute(ctx, used.ID); ok {
		t.Error("a mute without changes stays")
	}
	if _, ok, _ := l.Mute(ctx, untold.ID); !ok {
		t.Error("a mute whose end nobody was told is gone")
	}
}
