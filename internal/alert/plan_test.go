package alert

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

var t0 = time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)

func todo(id int64, kind fleet.ChangeKind, uid string) wave.Todo {
	return wave.Todo{
		Change: fleet.Change{ID: id, Cluster: "prod", NodeUID: uid, NodeName: "node-" + uid, Kind: kind, Occurrence: 1,
			At: t0},
		Node: fleet.Node{Cluster: "prod", UID: uid, Name: "node-" + uid, Labels: map[string]string{"team": uid}},
	}
}

func liveWave(id int64, kind wave.Kind, age time.Duration, posted bool) wave.Wave {
	w := wave.Wave{ID: id, Cluster: "prod", Kind: kind, OpenedAt: t0.Add(-age), LastAt: t0.Add(-age)}
	if posted {
		w.Main.ID, w.Main.EditedAt = "1.1", w.OpenedAt
	}
	return w
}

func TestPlan(t *testing.T) {
	cfg := Config{}.WithDefaults()
	selective := cfg
	selective.Alerts = func(l map[string]string) bool { return l["team"] == "a" }
	inGap := func(td wave.Todo, gap int64) wave.Todo { td.Change.GapID = gap; return td }
	follows := func(td wave.Todo, wave int64) wave.Todo { td.StepWave = wave; return td }
	closed := liveWave(7, wave.KindJoined, 5*time.Second, true)
	frozen := liveWave(7, wave.KindJoined, 5*time.Second, true)
	frozen.Main.Frozen = true
	closed.ClosedAt = t0.Add(-time.Second)
	tried := liveWave(8, wave.KindRemoved, time.Minute, false)
	tried.Main.Tried = true
	waiting := liveWave(3, wave.KindAway, time.Second, false)
	waiting.Gap = &fleet.Gap{ID: 4}
	of := func(td wave.Todo, pool, instanceType string) wave.Todo {
		td.Node.Pool, td.Node.InstanceType = pool, instanceType
		return td
	}
	leaving := func(td wave.Todo, gone bool) wave.Todo {
		td.Node.Taints = []fleet.Taint{{Key: "karpenter.sh/disrupted", Effect: "NoSchedule"}}
		td.Gone = gone
		return td
	}
	autoscaled := todo(1, fleet.WentUnready, "a")
	autoscaled.Node.Taints = []fleet.Taint{{Key: "ToBeDeletedByClusterAutoscaler",
		Value: strconv.FormatInt(t0.Add(10*time.Minute).Unix(), 10), Effect: "NoSchedule"}}
	hushed := func(td wave.Todo, mute int64) wave.Todo { td.StepMute = mute; return td }
	told := func(m wave.Mute, posted bool) wave.Wave {
		w := liveWave(20+m.ID, wave.KindMute, 10*time.Minute, posted)
		w.Mute = &m
		return w
	}
	batch := wave.Mute{ID: 1, Cluster: "prod", Scope: wave.MutePool, Value: "batch", At: t0.Add(-time.Hour),
		Until: t0.Add(time.Hour)}
	large := wave.Mute{ID: 2, Cluster: "prod", Scope: wave.MuteType, Value: "m5.large", At: t0.Add(-time.Minute),
		Until: t0.Add(time.Hour)}
	all := wave.Mute{ID: 3, Cluster: "prod", Scope: wave.MuteCluster, At: t0.Add(-time.Minute), Until: t0.Add(time.Hour)}
	over := batch
	over.Until = t0
	undone := batch
	undone.EndedAt, undone.EndedBy = t0.Add(-time.Second), "U1"

	for _, tc := range []struct {
		name     string
		todo     []wave.Todo
		baseline bool
		mutes    []wave.Mute
		live     []wave.Wave
		cfg      Config
		want     wave.Plan
	}{
		{name: "nothing to do", want: wave.Plan{}},
		{name: "baseline", baseline: true, want: wave.Plan{Baseline: true}},
		{
			name: "a node that is being ended rings nobody",
			todo: []wave.Todo{leaving(todo(1, fleet.WentUnready, "a"), false), leaving(todo(2, fleet.Recovered, "a"), false)},
		},
		{
			name: "and its removal tells it",
			todo: []wave.Todo{leaving(todo(1, fleet.WentUnready, "a"), true), leaving(todo(2, fleet.Removed, "a"), true)},
			want: wave.Plan{Silence: []int64{1}, New: []wave.Opening{{Kind: wave.KindRemoved, Changes: []int64{2}}}},
		},
		{
			name: "a node that is not ended after all is told",
			todo: []wave.Todo{todo(1, fleet.WentUnready, "a")},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindNotReady, Changes: []int64{1}}}},
		},
		{
			name: "a node that went not ready long before it was ended is told",
			todo: []wave.Todo{autoscaled},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindNotReady, Changes: []int64{1}}}},
		},
		{
			name: "what was told not ready is told to have recovered although it is being ended",
			todo: []wave.Todo{leaving(follows(todo(1, fleet.Recovered, "a"), 7), false)},
			want: wave.Plan{Add: map[int64][]int64{7: {1}}},
		},
		{
			name: "joined and ready at once are one wave, a removal another",
			todo: []wave.Todo{todo(1, fleet.Joined, "a"), todo(2, fleet.BecameReady, "a"), todo(3, fleet.Removed, "b")},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2}},
				{Kind: wave.KindRemoved, Changes: []int64{3}}}},
		},
		{
			name: "a like change joins the open wave",
			todo: []wave.Todo{todo(1, fleet.Joined, "a")}, live: []wave.Wave{liveWave(7, wave.KindJoined, 29*time.Second, true)},
			want: wave.Plan{Add: map[int64][]int64{7: {1}}, Extend: map[int64]bool{7: true}},
		},
		{
			name: "not after ALERT_WAVE_GAP",
			todo: []wave.Todo{todo(1, fleet.Joined, "a")}, live: []wave.Wave{liveWave(7, wave.KindJoined, 30*time.Second, true)},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1}}}},
		},
		{
			name: "not into one that takes no edits",
			todo: []wave.Todo{todo(1, fleet.Joined, "a")}, live: []wave.Wave{frozen},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1}}}},
		},
		{
			name: "ready after joined is told, whatever labels came meanwhile",
			todo: []wave.Todo{follows(todo(1, fleet.BecameReady, "a"), 7), todo(2, fleet.Joined, "b")},
			live: []wave.Wave{closed}, cfg: selective,
			want: wave.Plan{Add: map[int64][]int64{7: {1}}, Silence: []int64{2}},
		},
		{
			name: "not into a closed one",
			todo: []wave.Todo{todo(1, fleet.Joined, "a")}, live: []wave.Wave{closed},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1}}}},
		},
		{
			name: "ready goes to the wave that told the joining, closed or not, and does not extend it",
			todo: []wave.Todo{follows(todo(1, fleet.BecameReady, "a"), 7)}, live: []wave.Wave{closed},
			want: wave.Plan{Add: map[int64][]int64{7: {1}}},
		},
		{
			name: "ready of a node whose joining was told long ago",
			todo: []wave.Todo{todo(1, fleet.BecameReady, "a")},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindReady, Changes: []int64{1}}}},
		},
		{
			name: "a gap is told in one message, but steps that follow go where they belong",
			todo: []wave.Todo{inGap(todo(1, fleet.Joined, "a"), 4), inGap(todo(2, fleet.BecameReady, "a"), 4),
				inGap(todo(3, fleet.Removed, "b"), 4),
				inGap(follows(todo(4, fleet.Recovered, "c"), 7), 4)},
			live: []wave.Wave{closed},
			want: wave.Plan{New: []wave.Opening{
				{Kind: wave.KindAway, About: wave.About{Gap: 4}, Closed: true, Changes: []int64{1, 2, 3}},
			}, Add: map[int64][]int64{7: {4}}},
		},
		{
			name: "the rest of a gap joins its message as long as nobody saw it",
			todo: []wave.Todo{inGap(todo(5, fleet.Joined, "a"), 4)}, live: []wave.Wave{waiting},
			want: wave.Plan{Add: map[int64][]int64{3: {5}}},
		},
		{
			name: "the selector silences",
			todo: []wave.Todo{todo(1, fleet.Joined, "a"), todo(2, fleet.Joined, "b")}, cfg: selective,
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1}}}, Silence: []int64{2}},
		},
		{
			name: "Slack took nothing for two minutes: everything becomes one catch-up, except what Slack may have",
			todo: []wave.Todo{todo(1, fleet.WentUnready, "a"), follows(todo(2, fleet.BecameReady, "b"), 7)},
			live: []wave.Wave{closed, liveWave(5, wave.KindJoined, 2*time.Minute, false),
				liveWave(6, wave.KindRemoved, time.Minute, false), tried},
			want: wave.Plan{Merge: []wave.Merge{{Into: 5, From: []int64{6}}}, Add: map[int64][]int64{5: {1}, 7: {2}},
				Extend: map[int64]bool{5: true}},
		},
		{
			name: "the catch-up takes more while it waits",
			todo: []wave.Todo{todo(1, fleet.Removed, "a")}, live: []wave.Wave{liveWave(5, wave.KindCatchUp, time.Hour, false)},
			want: wave.Plan{Add: map[int64][]int64{5: {1}}, Extend: map[int64]bool{5: true}},
		},
		{
			name: "a single message that waits stays what it is",
			live: []wave.Wave{liveWave(5, wave.KindJoined, time.Hour, false)},
			want: wave.Plan{},
		},
		{
			name: "a short outage merges nothing",
			todo: []wave.Todo{todo(1, fleet.Removed, "a")}, live: []wave.Wave{liveWave(5, wave.KindJoined, time.Minute, false)},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindRemoved, Changes: []int64{1}}}},
		},
		{
			name: "a new mute is told by a wave of its own, and hides what it matches",
			todo: []wave.Todo{of(todo(1, fleet.Joined, "a"), "batch", "c5"), of(todo(2, fleet.BecameReady, "a"), "batch", "c5"),
				of(todo(3, fleet.Joined, "b"), "batch-2", "c5"),
				of(todo(4, fleet.Removed, "c"), "batch", "m5.large"), of(todo(5, fleet.WentUnready, "d"), "", "")},
			mutes: []wave.Mute{batch},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindMute, About: wave.About{Mute: 1}},
				{Kind: wave.KindJoined, Changes: []int64{3}}, {Kind: wave.KindNotReady, Changes: []int64{5}}},
				Mute: map[int64]int64{1: 1, 2: 1, 4: 1}},
		},
		{
			name: "of several mutes the oldest hides it; one that is told opens no wave",
			todo: []wave.Todo{of(todo(1, fleet.Joined, "a"), "batch", "m5.large"),
				of(todo(2, fleet.Joined, "b"), "web", "m5.large"), of(todo(3, fleet.Joined, "c"), "web", "c5")},
			mutes: []wave.Mute{batch, large, all}, live: []wave.Wave{told(batch, true), told(large, false), told(all, true)},
			want: wave.Plan{Mute: map[int64]int64{1: 1, 2: 2, 3: 3}},
		},
		{
			name:  "a step that follows one told in a wave edits that wave, and no like one joins an open wave",
			todo:  []wave.Todo{follows(todo(1, fleet.BecameReady, "a"), 7), todo(2, fleet.Joined, "b")},
			mutes: []wave.Mute{all}, live: []wave.Wave{liveWave(7, wave.KindJoined, time.Second, true), told(all, true)},
			want: wave.Plan{Add: map[int64][]int64{7: {1}}, Mute: map[int64]int64{2: 3}},
		},
		{
			name: "after the end, the step that follows a hidden one stays hidden, and all else is told",
			todo: []wave.Todo{hushed(of(todo(1, fleet.BecameReady, "a"), "batch", "c5"), 1),
				of(todo(2, fleet.Removed, "a"), "batch", "c5"), of(todo(3, fleet.Joined, "b"), "batch", "c5")},
			live: []wave.Wave{told(over, true)}, mutes: []wave.Mute{over},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindRemoved, Changes: []int64{2}},
				{Kind: wave.KindJoined, Changes: []int64{3}}}, Mute: map[int64]int64{1: 1}},
		},
		{
			name: "also when nothing is left of the mute but its number",
			todo: []wave.Todo{hushed(todo(1, fleet.Recovered, "a"), 9)},
			want: wave.Plan{Mute: map[int64]int64{1: 9}},
		},
		{
			name: "a mute that ended before anybody was told of it is told with its end, and hides nothing",
			todo: []wave.Todo{of(todo(1, fleet.Joined, "a"), "batch", "c5")}, mutes: []wave.Mute{undone},
			want: wave.Plan{New: []wave.Opening{{Kind: wave.KindMute, About: wave.About{Mute: 1}, Closed: true},
				{Kind: wave.KindJoined, Changes: []int64{1}}}},
		},
		{
			name: "what happened in a gap is hidden too",
			todo: []wave.Todo{inGap(of(todo(1, fleet.Joined, "a"), "batch", "c5"), 4),
				inGap(of(todo(2, fleet.Removed, "b"), "web", "c5"), 4)},
			live: []wave.Wave{told(batch, true)}, mutes: []wave.Mute{batch},
			want: wave.Plan{New: []wave.Opening{
				{Kind: wave.KindAway, About: wave.About{Gap: 4}, Closed: true, Changes: []int64{2}},
			}, Mute: map[int64]int64{1: 1}},
		},
		{
			name:  "a catch-up takes no mute's message and nothing that a mute hides",
			todo:  []wave.Todo{of(todo(1, fleet.Joined, "a"), "batch", "c5"), of(todo(2, fleet.Removed, "b"), "web", "c5")},
			mutes: []wave.Mute{batch},
			live: []wave.Wave{told(batch, false), liveWave(5, wave.KindJoined, 2*time.Minute, false),
				liveWave(6, wave.KindRemoved, time.Minute, false)},
			want: wave.Plan{Merge: []wave.Merge{{Into: 5, From: []int64{6}}}, Add: map[int64][]int64{5: {2}},
				Extend: map[int64]bool{5: true}, Mute: map[int64]int64{1: 1}},
		},
		{
			name: "a message that waits does not become a catch-up for what is hidden",
			todo: []wave.Todo{todo(1, fleet.Joined, "a")}, mutes: []wave.Mute{all},
			live: []wave.Wave{told(all, true), liveWave(5, wave.KindJoined, time.Hour, false)},
			want: wave.Plan{Mute: map[int64]int64{1: 3}},
		},
		{
			name: "the baseline is never hidden", baseline: true, mutes: []wave.Mute{all}, live: []wave.Wave{told(all, true)},
			want: wave.Plan{Baseline: true},
		},
		{
			name: "what the selector silences is not counted as muted", cfg: selective,
			todo: []wave.Todo{todo(1, fleet.Joined, "b")}, mutes: []wave.Mute{all}, live: []wave.Wave{told(all, true)},
			want: wave.Plan{Silence: []int64{1}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.cfg.WaveGap == 0 {
				tc.cfg = cfg
			}
			got := Plan(tc.todo, tc.baseline, tc.mutes, tc.live, t0, tc.cfg)
			if len(got.Mute) == 0 {
				got.Mute = nil
			}
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

// Growth is kept quiet by a mute of the whole cluster only, and only while it is active.
// A catch-up is about the first gap that it takes in, its own before those of others, and about nothing else.
func TestMergedAbout(t *testing.T) {
	about := func(id int64, a wave.About) wave.Wave {
		w := liveWave(id, wave.KindAway, 3*time.Minute, false)
		w.About = a
		return w
	}
	gap := func(id int64) wave.About { return wave.About{Gap: id} }
	grown := wave.About{Growth: &wave.Growth{From: 1, To: 50}}
	for _, tc := range []struct {
		name string
		live []wave.Wave
		want wave.About
	}{
		{"no gap", []wave.Wave{about(5, wave.About{}), about(6, wave.About{})}, wave.About{}},
		{"its own", []wave.Wave{about(5, gap(1)), about(6, gap(2))}, gap(1)},
		{"another's", []wave.Wave{about(5, wave.About{}), about(6, gap(2)), about(7, gap(3))}, gap(2)},
		{"not what is no gap", []wave.Wave{about(5, grown), about(6, grown), about(7, gap(3))}, gap(3)},
		{"growth is not told by a catch-up", []wave.Wave{about(5, grown), about(6, wave.About{})}, wave.About{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := Plan([]wave.Todo{todo(1, fleet.Joined, "a")}, false, nil, tc.live, t0, Config{}.WithDefaults())
			if p.Merge == nil {
				t.Fatal("nothing is merged")
			}
			if diff := cmp.Diff(tc.want, p.Merge[0].About); diff != "" {
				t.Errorf("About (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClusterMuted(t *testing.T) {
	all := wave.Mute{Cluster: "prod", Scope: wave.MuteCluster, At: t0, Until: t0.Add(time.Hour)}
	pool := all
	pool.Scope = wave.MutePool
	for _, tc := range []struct {
		mutes []wave.Mute
		after time.Duration
		want  bool
	}{{nil, 0, false}, {[]wave.Mute{pool}, 0, false}, {[]wave.Mute{pool, all}, 0, true},
		{[]wave.Mute{all}, time.Hour, false}, {[]wave.Mute{all}, -time.Second, false}} {
		if got := (Routes{}).ClusterMuted(tc.mutes, "", t0.Add(tc.after)); got != tc.want {
			t.Errorf("ClusterMuted(%v) after %v = %v", tc.mutes, tc.after, got)
		}
	}
}

// Every to-do ends up in exactly one place, told, silenced or muted, whatever comes in whatever
// state; no mute is told twice; what a live wave told goes on there, and what a mute hid stays
// hidden.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, uint8(3), uint8(0), uint8(0))
	f.Add([]byte{0, 0, 0, 5, 5, 5, 2, 2, 3, 3}, uint8(0), uint8(200), uint8(1))
	f.Add([]byte{0, 11, 26, 33, 44, 45, 107, 108, 213, 250}, uint8(4), uint8(130), uint8(0b1011))
	f.Add([]byte{0, 11, 26, 33, 44, 45, 107, 108, 213, 250}, uint8(5), uint8(20), uint8(0b1110111))
	f.Fuzz(func(t *testing.T, steps []byte, waves, age, muted uint8) {
		kinds := []fleet.ChangeKind{fleet.Joined, fleet.BecameReady, fleet.WentUnready, fleet.Recovered, fleet.Removed}
		var live []wave.Wave
		for i := range int64(waves % 6) {
			live = append(live, liveWave(i+1, wave.Kind(kinds[i%5]), time.Duration(age)*time.Second, i%2 == 0))
		}
		// A mute for each of the low bits: of a pool, a type, everything; the high ones end one
		// and tell one.
		var mutes []wave.Mute
		for i, m := range []wave.Mute{{Scope: wave.MutePool, Value: "a"}, {Scope: wave.MuteType, Value: "b"},
			{Scope: wave.MuteCluster}} {
			if muted>>i&1 == 0 {
				continue
			}
			m.ID, m.Cluster, m.At, m.Until = int64(i+1), "prod", t0.Add(-time.Hour), t0.Add(time.Hour)
			if muted>>(i+3)&1 == 1 {
				m.EndedAt = t0.Add(-time.Minute)
			}
			mutes = append(mutes, m)
		}
		untold := len(mutes)
		if len(mutes) > 0 && muted>>6&1 == 1 {
			w := liveWave(99, wave.KindMute, time.Duration(age)*time.Second, muted>>7&1 == 1)
			w.Mute = &mutes[0]
			live = append(live, w)
			untold--
		}
		var todos []wave.Todo
		for i, b := range steps {
			td := todo(int64(i+1), kinds[b%5], string('a'+rune(b/5%7)))
			td.Change.GapID = int64(b / 35 % 3)
			td.Node.Pool, td.Node.InstanceType = string('a'+rune(b%3)), string('a'+rune(b%4))
			if len(live) > 0 && b%11 == 0 {
				td.StepWave = live[0].ID
			} else if b%13 == 0 {
				td.StepMute = 9
			}
			todos = append(todos, td)
		}
		p := Plan(todos, false, mutes, live, t0,
			Config{Alerts: func(l map[string]string) bool { return l["team"] != "g" }}.WithDefaults())
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
		for id := range p.Mute {
			seen[id]++
		}
		opened := map[int64]int{}
		for _, n := range p.New {
			if n.About.Mute != 0 {
				opened[n.About.Mute]++
			}
			if (n.Kind == wave.KindMute) != (n.About.Mute != 0) || n.About.Mute != 0 &&
				(opened[n.About.Mute] > 1 || len(n.Changes) > 0) {
				t.Fatalf("wave %+v", n)
			}
		}
		if len(opened) != untold {
			t.Fatalf("%d of %d mutes are told", len(opened), untold)
		}
		for _, w := range live {
			if w.Kind == wave.KindMute &&
				(len(p.Add[w.ID]) > 0 && len(live) > 1 || slices.ContainsFunc(p.Merge, func(m wave.Merge) bool {
					return m.Into == w.ID || slices.Contains(m.From, w.ID)
				})) {
				t.Fatalf("a mute's wave takes part: %+v", p)
			}
		}
		for _, td := range todos {
			active := slices.ContainsFunc(mutes, func(m wave.Mute) bool { return m.EndedAt.IsZero() && m.Matches(td.Node) })
			hidden := td.StepWave == 0 && (td.StepMute != 0 || active) && td.Node.Labels["team"] != "g"
			if (p.Mute[td.Change.ID] != 0) != hidden {
				t.Fatalf("change %+v is muted by %d", td, p.Mute[td.Change.ID])
			}
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
	mod := func(w wave.Wave, f func(*wave.Wave)) wave.Wave { f(&w); return w }
	open := liveWave(1, wave.KindJoined, 0, true)
	closed := mod(open, func(w *wave.Wave) { w.ClosedAt = t0 })
	// muted is the wave of a mute for another hour, or undone at a moment.
	muted := func(posted bool, undone time.Duration) wave.Wave {
		w := liveWave(1, wave.KindMute, time.Hour, posted)
		w.Mute = &wave.Mute{Cluster: "prod", Scope: wave.MuteCluster, At: at(-time.Hour), Until: at(time.Hour)}
		if undone != 0 {
			w.Mute.EndedAt = at(undone)
		}
		return w
	}
	// blinded is the wave of a cluster that cannot be seen, or can again since a moment.
	blinded := func(posted bool, over time.Duration) wave.Wave {
		w := liveWave(1, wave.KindBlind, 0, posted)
		w.About.Blind = &wave.Blind{Since: at(-3 * time.Minute)}
		if over != 0 {
			w.About.Blind.Until = at(over)
		}
		return w
	}
	for _, tc := range []struct {
		name    string
		wave    wave.Wave
		lastAdd time.Time
		want    []Step
	}{
		{"that nothing is seen is posted at once", blinded(false, 0), t0, []Step{{Action: Post, At: t0}}},
		{"and stays while nothing is", blinded(true, 0), t0, nil},
		{"until it is over", blinded(true, time.Minute), t0, []Step{{Action: Close, At: at(time.Minute)}}},
		{"if it is over before it is posted, that is told alone", blinded(false, -time.Minute), t0,
			[]Step{{Action: Close, At: at(-time.Minute)}}},
		{"first change is posted at once", liveWave(1, wave.KindJoined, 0, false), t0, []Step{{Action: Post, At: t0}}},
		{"an open wave with nothing new closes after the gap", open, t0, []Step{{Action: Close, At: at(30 * time.Second)}}},
		{"and at the latest after the maximum", mod(open, func(w *wave.Wave) { w.LastAt = at(590 * time.Second) }), t0,
			[]Step{{Action: Close, At: at(10 * time.Minute)}}},
		{"new changes edit after a second", mod(open, func(w *wave.Wave) { w.Counts.Untold = 3 }), t0,
			[]Step{{Action: Edit, At: at(time.Second)}, {Action: Close, At: at(30 * time.Second)}}},
		{"later less often", mod(open, func(w *wave.Wave) {
			w.Counts.Untold = 3
			w.Main.EditedAt = at(50 * time.Second)
			w.LastAt = at(54 * time.Second)
		}), at(54 * time.Second),
			[]Step{{Action: Edit, At: at(55 * time.Second)}, {Action: Close, At: at(84 * time.Second)}}},
		{"but soon when the changes pause", mod(open, func(w *wave.Wave) {
			w.Counts.Untold = 3
			w.Main.EditedAt = at(50 * time.Second)
			w.LastAt = at(51 * time.Second)
		}), at(51 * time.Second),
			[]Step{{Action: Edit, At: at(52250 * time.Millisecond)}, {Action: Close, At: at(81 * time.Second)}}},
		{"a closed wave of many lists its nodes",
			mod(closed, func(w *wave.Wave) { w.Counts = wave.Counts{Members: 6, Unlisted: 6} }), t0,
			[]Step{{Action: AddList, At: t0}}},
		{"a growing one when a reply is full",
			mod(open, func(w *wave.Wave) { w.Counts = wave.Counts{Members: 150, Unlisted: 150, Untold: 1} }), t0,
			[]Step{{Action: Edit, At: at(time.Second)}, {Action: AddList, At: t0}, {Action: Close, At: at(30 * time.Second)}}},
		{"a recorded reply is posted", mod(closed, func(w *wave.Wave) { w.Parts = []wave.Posting{{ID: "1.2"}, {}} }), t0,
			[]Step{{Action: PostPart, At: t0, Part: 1}}},
		{"what a frozen message cannot say waits for the wave's end", mod(open, func(w *wave.Wave) {
			w.Counts.Untold, w.Main.Frozen = 1, true
		}), t0, []Step{{Action: AddUpdate, At: at(30 * time.Second)}, {Action: Close, At: at(30 * time.Second)}}},
		{"and is said in its thread then", mod(closed, func(w *wave.Wave) { w.Counts.Untold, w.Main.Frozen = 1, true }), t0,
			[]Step{{Action: AddUpdate, At: t0}}},
		{"once", mod(closed, func(w *wave.Wave) {
			w.Counts.Untold, w.Main.Frozen, w.Parts = 1, true, []wave.Posting{{Part: wave.PartUpdate}}
		}), t0, []Step{{Action: PostPart, At: t0}}},
		{"all ready: done", closed, t0, []Step{{Action: Finish, At: t0}}},
		{"not all ready: wait, then call out",
			mod(closed, func(w *wave.Wave) { w.Counts = wave.Counts{Members: 2, Pending: 1, Unready: 1} }), t0,
			[]Step{{Action: AddCallOut, At: at(10 * time.Minute)}, {Action: Finish, At: at(waveLife)}}},
		{"called out once", mod(closed, func(w *wave.Wave) {
			w.Counts = wave.Counts{Members: 2, Pending: 1, Unready: 1}
			w.Parts = []wave.Posting{{Part: wave.PartStuck, ID: "1.2"}}
		}), t0, []Step{{Action: Finish, At: at(waveLife)}}},
		{"a mute is posted at once", muted(false, 0), t0, []Step{{Action: Post, At: t0}}},
		{"its end is told when it comes", muted(true, 0), t0, []Step{{Action: Close, At: at(time.Hour)}}},
		{"or when somebody undoes it", muted(true, -time.Minute), t0, []Step{{Action: Close, At: at(-time.Minute)}}},
		{"one that ends before it is posted is posted in its final form", muted(false, -time.Minute), t0,
			[]Step{{Action: Close, At: at(-time.Minute)}}},
		{"which comes next", mod(muted(false, -time.Minute), func(w *wave.Wave) { w.ClosedAt = t0 }), t0,
			[]Step{{Action: Post, At: t0}}},
		{"and is done", mod(muted(true, -time.Minute), func(w *wave.Wave) { w.ClosedAt = t0 }), t0,
			[]Step{{Action: Finish, At: t0}}},
		{"not ready waits for the recovery", mod(liveWave(1, wave.KindNotReady, 0, true), func(w *wave.Wave) {
			w.ClosedAt, w.Counts = t0, wave.Counts{Members: 1, Pending: 1}
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
	w := liveWave(1, wave.KindJoined, 0, true)
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
