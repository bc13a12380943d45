package alert

import (
	"slices"
	"testing"
	"time"

	"rollcall/internal/wave"
)

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
