package ledgertest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

func mutes(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	a, err := l.AddMute(ctx, mute("click-1"))
	check(t, err)
	want := mute("click-1")
	want.ID = a.ID
	if diff := cmp.Diff(want, a); diff != "" || a.ID == 0 {
		t.Errorf("AddMute (-want +got):\n%s", diff)
	}
	// The same click, delivered again and later, makes no second mute and moves no end.
	again := mute("click-1")
	again.At, again.Until = t0.Add(time.Minute), t0.Add(2*time.Hour)
	if got, err := l.AddMute(ctx, again); err != nil || got != a {
		t.Errorf("again = %+v, %v", got, err)
	}
	if _, err := l.AddMute(ctx, mute("")); err == nil {
		t.Error("a mute without a request key was taken")
	}
	b, err := l.AddMute(ctx, muteElsewhere("click-2"))
	check(t, err)
	other := mute("click-3")
	other.Cluster = "test"
	_, err = l.AddMute(ctx, other)
	check(t, err)

	ids := func(mutes []wave.Mute, err error) (ids []int64) {
		t.Helper()
		check(t, err)
		for _, m := range mutes {
			ids = append(ids, m.ID)
		}
		return ids
	}
	if ended, err := l.EndMute(ctx, b.ID, "U2", "grace", t0.Add(20*time.Minute)); err != nil || !ended {
		t.Errorf("EndMute = %v, %v", ended, err)
	}
	if ended, err := l.EndMute(ctx, b.ID, "U3", "", t0.Add(30*time.Minute)); err != nil || ended {
		t.Errorf("ended twice: %v, %v", ended, err)
	}
	if ended, err := l.EndMute(ctx, a.ID, "U3", "", t0.Add(time.Hour)); err != nil || ended {
		t.Errorf("ended after it had run out: %v, %v", ended, err)
	}
	got, ok, err := l.Mute(ctx, b.ID)
	if err != nil || !ok || got.EndedBy != "U2" || got.EndedByName != "grace" ||
		!got.EndedAt.Equal(t0.Add(20*time.Minute)) {
		t.Errorf("Mute = %+v, %v, %v", got, ok, err)
	}
	if _, ok, err := l.Mute(ctx, 99); ok || err != nil {
		t.Errorf("Mute of nothing: %v, %v", ok, err)
	}
	for _, tc := range []struct {
		after  time.Duration
		active []int64
	}{
		{-time.Second, nil},
		{10 * time.Minute, []int64{a.ID, b.ID}},
		{20 * time.Minute, []int64{a.ID}},
		{time.Hour, nil},
	} {
		now := t0.Add(tc.after)
		if diff := cmp.Diff(tc.active, ids(l.Mutes(ctx, "prod", now))); diff != "" {
			t.Errorf("active after %v (-want +got):\n%s", tc.after, diff)
		}
		for _, m := range []wave.Mute{a, got} {
			if active := m.Active(now); active != (len(tc.active) > 0 && m.ID == tc.active[0] || len(tc.active) > 1) {
				t.Errorf("after %v the ledger and Active disagree on mute %d", tc.after, m.ID)
			}
		}
	}
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindMute, About: wave.About{Mute: a.ID}}}}, false, t0))
	if got := ids(l.UntoldMutes(ctx, "prod")); len(got) != 2 {
		t.Errorf("still to tell: %v", got)
	}
	check(t, l.FinishWave(ctx, must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0].ID, t0.Add(time.Hour)))
	if got := ids(l.UntoldMutes(ctx, "prod")); len(got) != 1 || got[0] != b.ID {
		t.Errorf("still to tell: %v", got)
	}
}

// longerMutes holds that a mute of what is muted already makes that last longer, and never shorter.
func longerMutes(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	again := func(request string, after, length time.Duration) wave.Mute {
		t.Helper()
		m := mute(request)
		m.At, m.Until = t0.Add(after), t0.Add(after+length)
		return must[wave.Mute](t)(l.AddMute(ctx, m))
	}
	first := again("click-1", 0, time.Hour)
	for _, tt := range []struct {
		request       string
		after, length time.Duration
		until         time.Duration
	}{
		{"click-2", 10 * time.Minute, 4 * time.Hour, 250 * time.Minute},
		{"click-2", 20 * time.Minute, 4 * time.Hour, 260 * time.Minute}, // another click is no other than a late one
		{"click-3", 30 * time.Minute, time.Minute, 260 * time.Minute},
	} {
		if m := again(tt.request, tt.after, tt.length); m.ID != first.ID || m.ByName != first.ByName ||
			!m.Until.Equal(t0.Add(tt.until)) {
			t.Errorf("%s after %v: mute %d until %v, want mute %d until %v", tt.request, tt.after, m.ID, m.Until, first.ID,
				t0.Add(tt.until))
		}
	}
	if m := again("click-1", 40*time.Minute, 24*time.Hour); !m.Until.Equal(t0.Add(260 * time.Minute)) {
		t.Errorf("the first click, delivered again, moved the end to %v", m.Until)
	}
	if _, err := l.EndMute(ctx, first.ID, "U2", "grace", t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if m := again("click-4", 61*time.Minute, time.Hour); m.ID == first.ID {
		t.Error("a mute that was ended was begun again")
	}
	if m := must[wave.Mute](t)(l.AddMute(ctx, muteElsewhere("click-5"))); m.ID == first.ID {
		t.Error("another pool is no other mute")
	}
}

// A mute has one wave, whoever plans it how often, and the wave knows the mute as it is now. If
// its message is gone before the end was told, another wave tells it.
func muteWave(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	a := must[wave.Mute](t)(l.AddMute(ctx, mute("click-1")))
	b := must[wave.Mute](t)(l.AddMute(ctx, muteElsewhere("click-2")))
	tell := wave.Plan{New: []wave.Opening{{Kind: wave.KindMute, About: wave.About{Mute: a.ID}}, {Kind: wave.KindJoined},
		{Kind: wave.KindMute, About: wave.About{Mute: b.ID}, Closed: true}}}
	check(t, l.Apply(ctx, "prod", "C1", tell, false, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{tell.New[0], tell.New[2]}}, true, t0))
	if _, err := l.EndMute(ctx, a.ID, "U2", "", t0.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	a, _, _ = l.Mute(ctx, a.ID)
	live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	if len(live) != 3 || !live[0].ClosedAt.IsZero() || live[1].Mute != nil || live[2].ClosedAt.IsZero() ||
		live[0].Main.Tried {
		t.Fatalf("waves = %+v", live)
	}
	if diff := cmp.Diff([]*wave.Mute{&a, &b}, []*wave.Mute{live[0].Mute, live[2].Mute}); diff != "" {
		t.Errorf("mutes of the waves (-want +got):\n%s", diff)
	}
	if w := waveOf(t, l, live[2].ID); w.Mute == nil || *w.Mute != b {
		t.Errorf("Wave = %+v", w)
	}
	check(t, l.ReleaseWave(ctx, live[0].ID, atMost(5), t0.Add(time.Hour)))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: tell.New[:1]}, false, t0))
	live = must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	if len(live) != 3 || live[2].Mute == nil || live[2].Mute.ID != a.ID {
		t.Errorf("after the message was deleted: %+v", live)
	}
}

// The second step of a node knows which mute hid the first, also when the mute has ended.
func stepMute(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{2}}}, Mute: map[int64]int64{1: 5}}, false, t0))
	record(t, l, "2", ready(t, 1), ready(t, 2), fleet.Gone(node(1), ready(t, 1).Known, t0.Add(time.Hour)))
	todo, _, err := l.Todo(ctx, "prod", 10)
	check(t, err)
	want := map[string]int64{"ready uid-1": 5, "ready uid-2": 0, "removed uid-1": 0}
	got := map[string]int64{}
	for _, td := range todo {
		got[string(td.Change.Kind)+" "+td.Node.UID] = td.StepMute
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("StepMute (-want +got):\n%s", diff)
	}
	if m, err := l.Muted(ctx, 5); err != nil || m.Nodes != 1 || len(m.Changes) != 1 || m.Changes[fleet.Joined] != 1 {
		t.Errorf("Muted = %+v, %v", m, err)
	}
}

func mutedChanges(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2), first(3), fleet.Gone(node(3), first(3).Known, t0.Add(time.Hour)))
	// Change 2 is taken by a wave first: a mute does not take it away. Change 1 is muted twice.
	plan := wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{2}}},
		Mute: map[int64]int64{1: 5, 2: 5, 3: 6, 4: 6}}
	check(t, l.Apply(ctx, "prod", "C1", plan, false, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Mute: map[int64]int64{1: 6}}, false, t0))
	if todo := todoIDs(t, l); len(todo) != 0 {
		t.Errorf("still to do: %v", todo)
	}
	if w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod")); len(w) != 1 || w[0].Counts.Untold != 1 {
		t.Errorf("waves = %+v", w)
	}
	if n := backlog(t, l); n != 1 {
		t.Errorf("%d changes to tell, want the wave's", n)
	}
	for _, tc := range []struct {
		from, until time.Duration
		want        []wave.MutedCount
	}{
		{0, 2 * time.Hour,
			[]wave.MutedCount{{Mute: 5, Kind: fleet.Joined, Changes: 1}, {Mute: 6, Kind: fleet.Joined, Changes: 1},
				{Mute: 6, Kind: fleet.Removed, Changes: 1}}},
		{time.Minute, 2 * time.Hour, []wave.MutedCount{{Mute: 6, Kind: fleet.Removed, Changes: 1}}},
		{0, time.Hour, []wave.MutedCount{{Mute: 5, Kind: fleet.Joined, Changes: 1},
			{Mute: 6, Kind: fleet.Joined, Changes: 1}}},
		{2 * time.Hour, 3 * time.Hour, nil},
	} {
		got := must[[]wave.MutedCount](t)(l.MutedChanges(ctx, "prod", t0.Add(tc.from), t0.Add(tc.until)))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("muted from %v until %v (-want +got):\n%s", tc.from, tc.until, diff)
		}
	}
}
