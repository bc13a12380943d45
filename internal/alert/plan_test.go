package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
)

var t0 = time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)

func todo(id int64, kind fleet.ChangeKind, uid string) fleet.Todo {
	return fleet.Todo{
		Change: fleet.Change{ID: id, Cluster: "prod", NodeUID: uid, NodeName: "node-" + uid, Kind: kind, Occurrence: 1, At: t0},
		Node:   fleet.Node{Cluster: "prod", UID: uid, Name: "node-" + uid, Labels: map[string]string{"team": uid}},
	}
}

func wave(id int64, kind fleet.WaveKind, age time.Duration, posted bool) fleet.Wave {
	w := fleet.Wave{ID: id, Cluster: "prod", Kind: kind, OpenedAt: t0.Add(-age), LastAt: t0.Add(-age)}
	if posted {
		w.Main.TS, w.Main.EditedAt = "1.1", w.OpenedAt
	}
	return w
}

func TestPlan(t *testing.T) {
	cfg := Config{}.WithDefaults()
	selective := cfg
	selective.Alerts = func(l map[string]string) bool { return l["team"] == "a" }
	inGap := func(td fleet.Todo, gap int64) fleet.Todo { td.Change.GapID = gap; return td }
	follows := func(td fleet.Todo, wave int64) fleet.Todo { td.StepWave = wave; return td }
	closed := wave(7, fleet.WaveJoined, 5*time.Second, true)
	closed.ClosedAt = t0.Add(-time.Second)
	tried := wave(8, fleet.WaveRemoved, time.Minute, false)
	tried.Main.Tried = true
	waiting := wave(3, fleet.WaveAway, time.Second, false)
	waiting.Gap = &fleet.Gap{ID: 4}

	for _, tc := range []struct {
		name     string
		todo     []fleet.Todo
		baseline bool
		live     []fleet.Wave
		cfg      Config
		want     fleet.Plan
	}{
		{name: "nothing to do", want: fleet.Plan{}},
		{name: "baseline", baseline: true, want: fleet.Plan{Baseline: true}},
		{
			name: "joined and ready at once are one wave, a removal another",
			todo: []fleet.Todo{todo(1, fleet.Joined, "a"), todo(2, fleet.BecameReady, "a"), todo(3, fleet.Removed, "b")},
			want: fleet.Plan{New: []fleet.NewWave{{Kind: fleet.WaveJoined, Changes: []int64{1, 2}}, {Kind: fleet.WaveRemoved, Changes: []int64{3}}}},
		},
		{
			name: "a like change joins the open wave",
			todo: []fleet.Todo{todo(1, fleet.Joined, "a")}, live: []fleet.Wave{wave(7, fleet.WaveJoined, 29*time.Second, true)},
			want: fleet.Plan{Add: map[int64][]int64{7: {1}}, Extend: map[int64]bool{7: true}},
		},
		{
			name: "not after ALERT_WAVE_GAP",
			todo: []fleet.Todo{todo(1, fleet.Joined, "a")}, live: []fleet.Wave{wave(7, fleet.WaveJoined, 30*time.Second, true)},
			want: fleet.Plan{New: []fleet.NewWave{{Kind: fleet.WaveJoined, Changes: []int64{1}}}},
		},
		{
			name: "not into a closed one",
			todo: []fleet.Todo{todo(1, fleet.Joined, "a")}, live: []fleet.Wave{closed},
			want: fleet.Plan{New: []fleet.NewWave{{Kind: fleet.WaveJoined, Changes: []int64{1}}}},
		},
		{
			name: "ready goes to the wave that told the joining, closed or not, and does not extend it",
			todo: []fleet.Todo{follows(todo(1, fleet.BecameReady, "a"), 7)}, live: []fleet.Wave{closed},
			want: fleet.Plan{Add: map[int64][]int64{7: {1}}},
		},
		{
			name: "ready of a node whose joining was told long ago",
			todo: []fleet.Todo{todo(1, fleet.BecameReady, "a")},
			want: fleet.Plan{New: []fleet.NewWave{{Kind: fleet.WaveReady, Changes: []int64{1}}}},
		},
		{
			name: "a gap is told in one message, but steps that follow go where they belong",
			todo: []fleet.Todo{inGap(todo(1, fleet.Joined, "a"), 4), inGap(todo(2, fleet.BecameReady, "a"), 4), inGap(todo(3, fleet.Removed, "b"), 4),
				inGap(follows(todo(4, fleet.Recovered, "c"), 7), 4)},
			live: []fleet.Wave{closed},
			want: fleet.Plan{New: []fleet.NewWave{{Kind: fleet.WaveAway, GapID: 4, Closed: true, Changes: []int64{1, 2, 3}}}, Add: map[int64][]int64{7: {4}}},
		},
		{
			name: "the rest of a gap joins its message as long as nobody saw it",
			todo: []fleet.Todo{inGap(todo(5, fleet.Joined, "a"), 4)}, live: []fleet.Wave{waiting},
			want: fleet.Plan{Add: map[int64][]int64{3: {5}}},
		},
		{
			name: "the selector silences",
			todo: []fleet.Todo{todo(1, fleet.Joined, "a"), todo(2, fleet.Joined, "b")}, cfg: selective,
			want: fleet.Plan{New: []fleet.NewWave{{Kind: fleet.WaveJoined, Changes: []int64{1}}}, Silence: []int64{2}},
		},
		{
			name: "Slack took nothing for two minutes: everything becomes one catch-up, except what Slack may have",
			todo: []fleet.Todo{todo(1, fleet.WentUnready, "a"), follows(todo(2, fleet.BecameReady, "b"), 7)},
			live: []fleet.Wave{closed, wave(5, fleet.WaveJoined, 2*time.Minute, false), wave(6, fleet.WaveRemoved, time.Minute, false), tried},
			want: fleet.Plan{Merge: &fleet.Merge{Into: 5, From: []int64{6}}, Add: map[int64][]int64{5: {1}, 7: {2}}, Extend: map[int64]bool{5: true}},
		},
		{
			name: "the catch-up takes more while it waits",
			todo: []fleet.Todo{todo(1, fleet.Removed, "a")}, live: []fleet.Wave{wave(5, fleet.WaveCatchUp, time.Hour, false)},
			want: fleet.Plan{Add: map[int64][]int64{5: {1}}, Extend: map[int64]bool{5: true}},
		},
		{
			name: "a single message that waits stays what it is",
			live: []fleet.Wave{wave(5, fleet.WaveJoined, time.Hour, false)},
			want: fleet.Plan{},
		},
		{
			name: "a short outage merges nothing",
			todo: []fleet.Todo{todo(1, fleet.Removed, "a")}, live: []fleet.Wave{wave(5, fleet.WaveJoined, time.Minute, false)},
			want: fleet.Plan{New: []fleet.NewWave{{Kind: fleet.WaveRemoved, Changes: []int64{1}}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.cfg.WaveGap == 0 {
				tc.cfg = cfg
			}
			got := Plan(tc.todo, tc.baseline, tc.live, t0, tc.cfg)
			if len(got.Add) == 0 {
				got.Add = nil
			}
			if len(got.Extend) == 0 {
				got.Extend = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Plan (-want +got):\n%s", diff)
			}
		})
	}
}

// Every to-do ends up in exactly one place, whatever comes in whatever state.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, uint8(3), uint8(0))
	f.Add([]byte{0, 0, 0, 5, 5, 5, 2, 2, 3, 3}, uint8(0), uint8(200))
	f.Fuzz(func(t *testing.T, steps []byte, waves, age uint8) {
		kinds := []fleet.ChangeKind{fleet.Joined, fleet.BecameReady, fleet.WentUnready, fleet.Recovered, fleet.Removed}
		var live []fleet.Wave
		for i := range int64(waves % 6) {
			live = append(live, wave(i+1, fleet.WaveKind(kinds[i%5]), time.Duration(age)*time.Second, i%2 == 0))
		}
		var todos []fleet.Todo
		for i, b := range steps {
			td := todo(int64(i+1), kinds[b%5], string('a'+rune(b/5%7)))
			td.Change.GapID = int64(b / 35 % 3)
			if len(live) > 0 && b%11 == 0 {
				td.StepWave = live[0].ID
			}
			todos = append(todos, td)
		}
		p := Plan(todos, false, live, t0, Config{}.WithDefaults())
		seen := map[int64]int{}
		for _, n := range p.New {
			for _, id := range n.Changes {
				seen[id]++
			}
		}
		for _, ids := range p.Add {
			for _, id := range ids {
				seen[id]++
			}
		}
		for _, id := range p.Silence {
			seen[id]++
		}
		for _, td := range todos {
			if seen[td.Change.ID] != 1 {
				t.Fatalf("change %d is in %d places", td.Change.ID, seen[td.Change.ID])
			}
		}
		if len(seen) != len(todos) {
			t.Fatalf("%d changes planned of %d", len(seen), len(todos))
		}
	})
}

func TestNext(t *testing.T) {
	cfg := Config{}.WithDefaults()
	at := func(s time.Duration) time.Time { return t0.Add(s) }
	mod := func(w fleet.Wave, f func(*fleet.Wave)) fleet.Wave { f(&w); return w }
	open := wave(1, fleet.WaveJoined, 0, true)
	closed := mod(open, func(w *fleet.Wave) { w.ClosedAt = t0 })
	for _, tc := range []struct {
		name    string
		wave    fleet.Wave
		lastAdd time.Time
		want    []Step
	}{
		{"first change is posted at once", wave(1, fleet.WaveJoined, 0, false), t0, []Step{{Action: Post, At: t0}}},
		{"an open wave with nothing new closes after the gap", open, t0, []Step{{Action: Close, At: at(30 * time.Second)}}},
		{"and at the latest after the maximum", mod(open, func(w *fleet.Wave) { w.LastAt = at(590 * time.Second) }), t0, []Step{{Action: Close, At: at(10 * time.Minute)}}},
		{"new changes edit after a second", mod(open, func(w *fleet.Wave) { w.Counts.Untold = 3 }), t0, []Step{{Action: Edit, At: at(time.Second)}, {Action: Close, At: at(30 * time.Second)}}},
		{"later less often", mod(open, func(w *fleet.Wave) {
			w.Counts.Untold = 3
			w.Main.EditedAt = at(50 * time.Second)
			w.LastAt = at(54 * time.Second)
		}), at(54 * time.Second),
			[]Step{{Action: Edit, At: at(55 * time.Second)}, {Action: Close, At: at(84 * time.Second)}}},
		{"but soon when the changes pause", mod(open, func(w *fleet.Wave) {
			w.Counts.Untold = 3
			w.Main.EditedAt = at(50 * time.Second)
			w.LastAt = at(51 * time.Second)
		}), at(51 * time.Second),
			[]Step{{Action: Edit, At: at(52250 * time.Millisecond)}, {Action: Close, At: at(81 * time.Second)}}},
		{"a closed wave of many lists its nodes", mod(closed, func(w *fleet.Wave) { w.Counts = fleet.WaveCounts{Members: 6, Unlisted: 6} }), t0, []Step{{Action: AddList, At: t0}}},
		{"a growing one when a reply is full", mod(open, func(w *fleet.Wave) { w.Counts = fleet.WaveCounts{Members: 150, Unlisted: 150, Untold: 1} }), t0,
			[]Step{{Action: Edit, At: at(time.Second)}, {Action: AddList, At: t0}, {Action: Close, At: at(30 * time.Second)}}},
		{"a recorded reply is posted", mod(closed, func(w *fleet.Wave) { w.Parts = []fleet.Message{{TS: "1.2"}, {}} }), t0, []Step{{Action: PostPart, At: t0, Part: 1}}},
		{"all ready: done", closed, t0, []Step{{Action: Finish, At: t0}}},
		{"not all ready: wait, then call out", mod(closed, func(w *fleet.Wave) { w.Counts = fleet.WaveCounts{Members: 2, Pending: 1, Unready: 1} }), t0,
			[]Step{{Action: AddCallOut, At: at(10 * time.Minute)}, {Action: Finish, At: at(waveLife)}}},
		{"called out once", mod(closed, func(w *fleet.Wave) {
			w.Counts = fleet.WaveCounts{Members: 2, Pending: 1, Unready: 1}
			w.Parts = []fleet.Message{{Part: PartStuck, TS: "1.2"}}
		}), t0, []Step{{Action: Finish, At: at(waveLife)}}},
		{"not ready waits for the recovery", mod(wave(1, fleet.WaveNotReady, 0, true), func(w *fleet.Wave) {
			w.ClosedAt, w.Counts = t0, fleet.WaveCounts{Members: 1, Pending: 1}
		}), t0, []Step{{Action: Finish, At: at(waveLife)}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Next(tc.wave, tc.lastAdd, t0, cfg)
			for i := range got {
				if got[i].Why == "" {
					t.Errorf("step %d gives no reason", i)
				}
				got[i].Why = ""
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Next (-want +got):\n%s", diff)
			}
		})
	}
}

// A wave that lasts is edited less and less often, and never more than once a second.
func TestEditAtThinsOut(t *testing.T) {
	w := wave(1, fleet.WaveJoined, 0, true)
	edits, last := 0, w.Main.EditedAt
	for now := t0; now.Before(t0.Add(10 * time.Minute)); now = now.Add(100 * time.Millisecond) {
		if at := editAt(w, now); !now.Before(at) { // a change at every moment
			if gap := now.Sub(last); gap < time.Second {
				t.Fatalf("edited again after %v", gap)
			}
			edits, last, w.Main.EditedAt = edits+1, now, now
		}
	}
	if edits > 100 {
		t.Errorf("%d edits in ten minutes", edits)
	}
}
