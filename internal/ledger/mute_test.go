package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

func mute(request string) wave.Mute {
	return wave.Mute{Request: request, Cluster: "prod", Scope: wave.MutePool, Value: "batch", By: "U1", ByName: "ada",
		Channel: "C1", At: t0, Until: t0.Add(time.Hour)}
}

// A mute has one wave, whoever plans it how often, and the wave knows the mute as it is now. If
// its message is gone before the end was told, another wave tells it.
func TestMuteWave(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	a := must[wave.Mute](t)(l.AddMute(ctx, mute("click-1")))
	b := must[wave.Mute](t)(l.AddMute(ctx, mute("click-2")))
	tell := wave.Plan{New: []wave.Opening{{Kind: wave.KindMute, About: wave.About{Mute: a.ID}}, {Kind: wave.KindJoined},
		{Kind: wave.KindMute, About: wave.About{Mute: b.ID}, Closed: true}}}
	check(t, l.Apply(ctx, "prod", "C1", tell, false, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{tell.New[0], tell.New[2]}}, true, t0))
	if _, err := l.w.ExecContext(ctx,
		`UPDATE waves SET about = (SELECT about FROM waves WHERE kind = 'mute' ORDER BY id LIMIT 1) WHERE kind = 'mute'`); err == nil {
		t.Error("two waves have one mute")
	}
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
	check(t, l.ReleaseWave(ctx, live[0].ID, t0.Add(time.Hour)))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: tell.New[:1]}, false, t0))
	live = must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	if len(live) != 3 || live[2].Mute == nil || live[2].Mute.ID != a.ID {
		t.Errorf("after the message was deleted: %+v", live)
	}
}

// The labels of nodes that are pruned go with them, unless others share them.
func TestPruneLabels(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	alone, shared := node(1), node(2)
	alone.Labels = map[string]string{"only": "here"}
	record(t, l, "1", first(3), fleet.Gone(alone, fleet.Known{}, t0), fleet.Gone(shared, fleet.Known{}, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Silence: []int64{1, 2, 3}}, false, t0))
	_, err := l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(2*time.Hour))
	check(t, err)
	var sets int
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM label_sets`).Scan(&sets))
	if sets != 1 {
		t.Errorf("%d label sets are left, want 1", sets)
	}
	if n, ok, err := l.Node(ctx, "prod", "uid-3"); err != nil || !ok || n.Labels["a"] != "b" {
		t.Errorf("the node that stays: %+v, %v, %v", n.Labels, ok, err)
	}
}
