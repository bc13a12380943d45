package alert

import (
	"slices"
	"testing"
	"time"

	"rollcall/internal/wave"
)

// A wave is edited for the causes of its nodes while it is open, and once after that; it waits for them, but not for
// ever, and not where its message takes no edits.
func TestNextWithCauses(t *testing.T) {
	cfg := Config{}.WithDefaults()
	now := time.Now()
	for _, tc := range []struct {
		name   string
		closed bool
		kind   wave.Kind
		counts wave.Counts
		frozen bool
		age    time.Duration // of the last change
		want   []Action
	}{
		{name: "open", kind: wave.KindRemoved, counts: wave.Counts{Members: 1, CauseChanged: 1, Unexplained: 1},
			want: []Action{Edit}},
		{name: "open, nothing new", kind: wave.KindRemoved, counts: wave.Counts{Members: 1, Unexplained: 1, Causeless: 1}},
		{name: "closed, nothing known of some", closed: true, kind: wave.KindRemoved,
			counts: wave.Counts{Members: 3, CauseChanged: 2, CauseUntold: 2, Unexplained: 1, Causeless: 1}},
		{name: "closed, something known of all", closed: true, kind: wave.KindRemoved,
			counts: wave.Counts{Members: 3, CauseChanged: 2, CauseUntold: 1, Unexplained: 1}, want: []Action{Edit}},
		{name: "closed, more known than told", closed: true, kind: wave.KindRemoved,
			counts: wave.Counts{Members: 3, CauseChanged: 2, Unexplained: 1}},
		{name: "closed, final", closed: true, kind: wave.KindRemoved, counts: wave.Counts{Members: 3, CauseChanged: 2},
			want: []Action{Edit}},
		{name: "closed, told and not final", closed: true, kind: wave.KindRemoved,
			counts: wave.Counts{Members: 3, Unexplained: 3}},
		{name: "closed, told and final", closed: true, kind: wave.KindRemoved, counts: wave.Counts{Members: 3},
			want: []Action{Finish}},
		{name: "closed, never final", closed: true, kind: wave.KindRemoved, age: 26 * time.Minute,
			counts: wave.Counts{Members: 3, Unexplained: 3, Causeless: 3}, want: []Action{Finish}},
		{name: "frozen", closed: true, kind: wave.KindRemoved, frozen: true,
			counts: wave.Counts{Members: 3, CauseChanged: 2, Unexplained: 3}, want: []Action{Finish}},
		{name: "waiting for nodes", closed: true, kind: wave.KindJoined, age: 26 * time.Minute,
			counts: wave.Counts{Members: 3, Pending: 1, Unexplained: 3}},
		{name: "told once", closed: true, kind: wave.KindBaseline, counts: wave.Counts{CauseChanged: 2},
			want: []Action{Finish}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := wave.Wave{ID: 1, Kind: tc.kind, Counts: tc.counts, OpenedAt: now.Add(-tc.age - 20*time.Second),
				LastAt: now.Add(-tc.age - 15*time.Second),
				Main:   wave.Posting{ID: "1", EditedAt: now.Add(-10 * time.Second), Frozen: tc.frozen}}
			if tc.closed {
				w.ClosedAt = now.Add(-5 * time.Second)
			}
			steps := Next(w, time.Time{}, now, cfg)
			var due []Action
			for _, s := range steps {
				if !s.At.After(now) {
					due = append(due, s.Action)
				}
			}
			if !slices.Equal(due, tc.want) || len(steps) == 0 {
				t.Errorf("due now: %v, want %v, of %+v", due, tc.want, steps)
			}
			// Not before the pacing of edits.
			w.Main.EditedAt = now.Add(-900 * time.Millisecond)
			for _, s := range Next(w, time.Time{}, now, cfg) {
				if s.Action == Edit && s.At.Before(now.Add(100*time.Millisecond)) {
					t.Errorf("edited %v after the last time", s.At.Sub(w.Main.EditedAt))
				}
			}
		})
	}
}

// A clock that is set back leaves moments in the ledger that are yet to come. Nothing waits for
// them: what is untold is told, and the wave is closed, which is when its names are told.
func TestNextAfterTheClockIsSetBack(t *testing.T) {
	cfg := Config{}.WithDefaults()
	now := time.Now()
	then := now.Add(24 * time.Hour)
	live := []wave.Wave{
		{ID: 1, Kind: wave.KindJoined, OpenedAt: then.Add(-time.Minute), LastAt: then,
			Main:   wave.Posting{ID: "1", EditedAt: then},
			Counts: wave.Counts{Members: 2, Untold: 1}}}
	live = Rewound(live, now, cfg)
	var due []Action
	for _, s := range Next(live[0], time.Time{}, now, cfg) {
		if !s.At.After(now) {
			due = append(due, s.Action)
		}
	}
	if want := []Action{Edit, Close}; !slices.Equal(due, want) {
		t.Errorf("due now: %v, want %v", due, want)
	}
	// Moments that have passed stay as they are.
	before := wave.Wave{OpenedAt: now.Add(-time.Minute), LastAt: now.Add(-time.Second),
		Main: wave.Posting{ID: "1", EditedAt: now.Add(-time.Second)}}
	live = []wave.Wave{before}
	if live = Rewound(live, now, cfg); live[0].OpenedAt != before.OpenedAt || live[0].LastAt != before.LastAt ||
		live[0].Main != before.Main {
		t.Errorf("got %+v, want %+v", live[0], before)
	}
}
