package ledgertest

import (
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// places holds that each wave has a place of its own, and can be given another before it is posted.
func places(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	join(t, l, 1, 2, 3)
	shop, oncall := wave.Place{Channel: "C2", Mentions: "U1"}, wave.Place{Channel: "C3", Mentions: "S1 @here"}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{
		{Kind: wave.KindJoined, Changes: []int64{1}}, {Kind: wave.KindJoined, To: shop, Changes: []int64{2}},
		{Kind: wave.KindSurge, To: oncall}}, Baseline: true, To: shop}, false, t0))
	placesAre := func(when string, want ...wave.Place) {
		t.Helper()
		live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
		for i, w := range live {
			if i >= len(want) || w.Place() != want[i] {
				t.Errorf("%s, wave %d is at %v; want %v", when, i, w.Place(), want)
			}
		}
		if len(live) != len(want) {
			t.Errorf("%s there are %d waves, want %d", when, len(live), len(want))
		}
	}
	placesAre("after opening", shop, wave.Place{Channel: "C1"}, shop, oncall)
	live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	check(t, l.MarkPosting(ctx, live[1].Main, t0))
	check(t, l.Move(ctx, live[1].ID, oncall))
	placesAre("after moving", shop, oncall, shop, oncall)
	if w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[1]; w.Main.Tried {
		t.Error("what was moved counts as begun")
	}
	// In the same channel Slack may have what was begun, whomever it rings.
	check(t, l.MarkPosting(ctx, live[2].Main, t0))
	check(t, l.Move(ctx, live[2].ID, shop.And("U2")))
	placesAre("after other mentions", shop, oncall, shop.And("U2"), oncall)
	if w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[2]; !w.Main.Tried {
		t.Error("what was begun counts as not begun because of its mentions")
	}
	check(t, l.Dissolve(ctx, live[2].ID))
	placesAre("after dissolving", shop, oncall, oncall)
	todo, _, err := l.Todo(ctx, "prod", 10)
	if err != nil || len(todo) != 2 || todo[0].Change.ID != 2 {
		t.Errorf("to-dos %+v, %v", todo, err)
	}
	// What is posted stays where it is.
	posted := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[1]
	posted.Main.ID = "1.1"
	check(t, l.Accepted(ctx, posted.Main, 1, t0))
	check(t, l.Move(ctx, posted.ID, wave.Place{Channel: "C9"}))
	if w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[1]; w.Main.Channel != "C3" {
		t.Errorf("a posted message was moved to %s", w.Main.Channel)
	}
	// A merge rings whom its waves do.
	join(t, l, 4)
	check(t, l.Apply(ctx, "prod", "C3", wave.Plan{New: []wave.Opening{{Kind: wave.KindRemoved, To: oncall}},
		Merge: []wave.Merge{{Into: posted.ID, Mentions: "S1 @here U1"}}}, false, t0))
	if w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[1]; w.Mentions != "S1 @here U1" {
		t.Errorf("the catch-up rings %q", w.Mentions)
	}
}

// join records that nodes joined.
func join(t *testing.T, l *ledger.Ledger, nodes ...int) {
	t.Helper()
	for _, n := range nodes {
		check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: t0,
			Observations: []fleet.Observation{fleet.First(node(n), t0)}}))
	}
}

// looks holds that who looks at a message is recorded once, by the key of any of its messages, and that a wave that was
// done says it.
func looks(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindSurge}}}, false, t0))
	w := onlyWave(t, l)
	w.Main.ID = "1.1"
	check(t, l.Accepted(ctx, w.Main, 0, t0.Add(time.Minute)))
	part := must[wave.Posting](t)(l.AddPart(ctx, w, wave.PartRemind, nil, t0))
	check(t, l.FinishWave(ctx, w.ID, t0.Add(2*time.Minute)))
	if live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod")); len(live) > 0 {
		t.Fatalf("a wave that is done lives: %+v", live)
	}
	ada := wave.Look{By: "U1", Name: "Ada", At: t0.Add(time.Hour)}
	for i, look := range []wave.Look{ada, {By: "U2", Name: "Grace", At: t0.Add(2 * time.Hour)}, ada} {
		key := part.Key
		if i == 1 {
			key = w.Key
		}
		if first, ok, err := l.Look(ctx, key, look); err != nil || !ok || first != ada {
			t.Errorf("look %d: %+v, %t, %v", i, first, ok, err)
		}
	}
	if _, ok, err := l.Look(ctx, "none", ada); ok || err != nil {
		t.Errorf("a message that is not there is looked at: %t, %v", ok, err)
	}
	w = onlyWave(t, l)
	if looks := must[map[int64]wave.Look](t)(l.Looks(ctx, "prod")); len(looks) != 1 || looks[w.ID] != ada {
		t.Errorf("looks %+v", looks)
	}
	if w.Look != ada || w.Main.Looked || !w.Main.Posted.Equal(t0.Add(time.Minute)) {
		t.Errorf("the wave: %+v", w)
	}
	w.Main.Looked = true
	check(t, l.Accepted(ctx, w.Main, 0, t0.Add(3*time.Hour)))
	if w = onlyWave(t, l); !w.Main.Looked || !w.Main.Posted.Equal(t0.Add(time.Minute)) {
		t.Errorf("the message: %+v", w.Main)
	}
}

// audiences holds that the digests of channels, and their schedules, know nothing of each other.
func audiences(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	until := t0.Add(24 * time.Hour)
	add := func(audience string) wave.Digest {
		return must[wave.Digest](t)(l.AddDigest(ctx, wave.Digest{Posting: wave.Posting{Channel: "C1", Created: t0},
			Cluster: "prod", Audience: audience, Schedule: "day", From: t0, Until: until}))
	}
	whole, shop := add(""), add("C2")
	if whole.Key == shop.Key || shop.Audience != "C2" || add("C2") != shop {
		t.Errorf("digests %+v and %+v", whole, shop)
	}
	check(t, l.SetSchedules(ctx, "prod", "", map[string]time.Time{"day": {}}))
	check(t, l.SetSchedules(ctx, "prod", "C2", map[string]time.Time{"week": t0}))
	for audience, want := range map[string]wave.Digest{"": whole, "C2": shop} {
		last, ok, err := l.LastDigest(ctx, "prod", audience)
		if err != nil || !ok || last != want {
			t.Errorf("the last digest for %q: %+v, %v", audience, last, err)
		}
		if open := must[[]wave.Digest](t)(l.OpenDigests(ctx, "prod", audience)); len(open) != 1 || open[0] != want {
			t.Errorf("open for %q: %+v", audience, open)
		}
		if of, ok, err := l.LastDigestOf(ctx, "prod", audience, "day", until); err != nil || !ok || of != want {
			t.Errorf("the last of its schedule for %q: %+v, %v", audience, of, err)
		}
	}
	if s := must[map[string]time.Time](t)(l.Schedules(ctx, "prod", "")); len(s) != 1 || !s["day"].IsZero() {
		t.Errorf("schedules %v", s)
	}
	if _, ok, err := l.LastDigest(ctx, "prod", "C3"); ok || err != nil {
		t.Errorf("a channel without digests has one: %v", err)
	}
}
