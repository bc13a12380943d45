package ledgertest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// onlyWave returns the one live wave.
func onlyWave(t *testing.T, l *ledger.Ledger) wave.Wave {
	t.Helper()
	live := must[[]wave.Wave](t)(l.LiveWaves(t.Context(), "prod"))
	if len(live) != 1 {
		t.Fatalf("%d live waves, want one: %+v", len(live), live)
	}
	return live[0]
}

// A message is an intent, then it may be in Slack, then it is: after each step of the protocol the ledger has just
// what was recorded, for the message of a wave, a reply, and a digest.
func postings(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	record(t, l, "1", first(1), first(2))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2}}}},
		false, t0))
	w := onlyWave(t, l)
	reply := must[wave.Posting](t)(l.AddPart(ctx, w, wave.PartList, nil, at(1)))
	d := must[wave.Digest](t)(l.AddDigest(ctx, wave.Digest{Posting: wave.Posting{Channel: "C2", Created: at(2)},
		Cluster: "prod", From: t0.Add(-time.Hour), Until: t0}))
	for _, tc := range []struct {
		name string
		want wave.Posting // the intent
		read func() wave.Posting
	}{
		{"main", wave.Posting{Key: w.Key, WaveID: w.ID, Part: wave.PartMain, Channel: "C1", Created: t0},
			func() wave.Posting { return onlyWave(t, l).Main }},
		{"reply", wave.Posting{Key: reply.Key, WaveID: w.ID, Part: wave.PartList, Channel: "C1", Created: at(1)},
			func() wave.Posting { return onlyWave(t, l).Parts[0] }},
		{"digest", wave.Posting{Key: d.Key, Part: wave.PartDigest, Channel: "C2", Created: at(2)},
			func() wave.Posting {
				last, ok, err := l.LastDigest(ctx, "prod", "")
				check(t, err)
				if !ok {
					t.Error("the digest is gone")
				}
				return last.Posting
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.want
			same := func(after string) {
				t.Helper()
				if diff := cmp.Diff(p, tc.read()); diff != "" {
					t.Errorf("after %s (-want +got):\n%s", after, diff)
				}
			}
			same("the intent")
			p.Tried, p.Channel, p.Picture = true, "C3", wave.PictureChart
			check(t, l.MarkPosting(ctx, p, at(10)))
			same("marking")
			p.Picture = wave.PictureFile // refused in the first form
			check(t, l.MarkPosting(ctx, p, at(11)))
			same("marking again")
			given := p
			given.ID, given.Hash = "100."+tc.name, 1<<63+5
			given.Channel, given.Picture = "elsewhere", wave.PictureNone // are not what Accepted records
			check(t, l.Accepted(ctx, given, 0, at(12)))
			p.ID, p.Hash, p.EditedAt, p.Posted = given.ID, given.Hash, at(12), at(12)
			same("accepting")
			p.File = "F1"
			check(t, l.MarkUpload(ctx, p))
			same("the upload")
			p.Picture = wave.PictureNone
			check(t, l.MarkUpload(ctx, p))
			same("giving up the picture")
			p.Hash, p.EditedAt, p.Looked = 7, at(20), true
			check(t, l.Accepted(ctx, p, 0, at(20)))
			same("an edit")
		})
	}
	if n := backlog(t, l); n != 2 {
		t.Errorf("%d changes untold, want both: no message told them", n)
	}
	// Each was told up to where the message says.
	check(t, l.Accepted(ctx, onlyWave(t, l).Main, 1, at(30)))
	if n := backlog(t, l); n != 1 {
		t.Errorf("%d changes untold, want the second", n)
	}
	// The intents of a plan that is carried out at once are marked with it, and know what Slack has confirmed.
	record(t, l, "2", first(3))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{3}}}},
		true, at(40)))
	live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	if m := live[1].Main; !m.Tried || m.ID != "" || m.After != "100.reply" {
		t.Errorf("posted at once: %+v", m)
	}
	check(t, l.DropPart(ctx, reply.Key))
	if live = must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod")); len(live[0].Parts) != 0 {
		t.Errorf("a reply that was given up: %+v", live[0].Parts)
	}
}

func digests(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	if _, ok, err := l.LastDigest(ctx, "prod", ""); ok || err != nil {
		t.Fatalf("a digest that nobody recorded: %v, %v", ok, err)
	}
	d := wave.Digest{Posting: wave.Posting{Channel: "C1", Created: t0.Add(25 * time.Hour)}, Cluster: "prod",
		Schedule: "day", From: t0, Until: t0.Add(24 * time.Hour)}
	one := must[wave.Digest](t)(l.AddDigest(ctx, d))
	if one.Key == "" || one.Tried || one.ID != "" || !one.Done.IsZero() || !one.From.Equal(d.From) ||
		!one.Until.Equal(d.Until) || one.Channel != "C1" {
		t.Errorf("%+v", one)
	}
	one.Done = d.Created.Add(time.Second)
	check(t, l.FinishDigest(ctx, one.Key, one.Done))
	// The same tick again is the same digest.
	again := must[wave.Digest](t)(l.AddDigest(ctx, wave.Digest{
		Posting: wave.Posting{Channel: "C2", Created: d.Created.Add(time.Hour)}, Cluster: "prod", Schedule: "day",
		From: t0.Add(-time.Hour), Until: d.Until}))
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("(-first +again):\n%s", diff)
	}
	other := d
	other.Cluster = "test"
	if o := must[wave.Digest](t)(l.AddDigest(ctx, other)); o.Key == one.Key || o.Cluster != "test" {
		t.Errorf("another cluster's: %+v", o)
	}
	next := d
	next.From, next.Until = d.Until, d.Until.Add(24*time.Hour)
	if n := must[wave.Digest](t)(l.AddDigest(ctx, next)); n.Key == one.Key || !n.From.Equal(d.Until) {
		t.Errorf("the next: %+v", n)
	}
	// One that is not to be posted, because nothing happened, is done from the start.
	quiet := next
	quiet.From, quiet.Until, quiet.Picture, quiet.Done = next.Until, next.Until.Add(time.Hour), wave.PictureNone, t0
	must[wave.Digest](t)(l.AddDigest(ctx, quiet))
	last, ok, err := l.LastDigest(ctx, "prod", "")
	if err != nil || !ok || !last.Until.Equal(quiet.Until) || !last.Done.Equal(t0) || last.Tried || last.ID != "" ||
		last.Picture != wave.PictureNone {
		t.Errorf("the quiet one: %+v, %v, %v", last, ok, err)
	}
	// A late one does not take the place of the last.
	late := d
	late.Until = d.Until.Add(-time.Hour)
	if got := must[wave.Digest](t)(l.AddDigest(ctx, late)); !got.Until.Equal(late.Until) {
		t.Errorf("an earlier tick gives the digest of %v", got.Until)
	}
	// The last one stays, however old it is: the next period begins where it ends.
	r := ledger.Retention{Scaling: time.Hour, Other: time.Hour}
	if n, err := l.Prune(ctx, r, t0.Add(1000*time.Hour)); err != nil || n != 6 {
		t.Errorf("%d rows pruned, %v; want three digests with their messages", n, err)
	}
	if kept, ok, err := l.LastDigest(ctx, "prod", ""); err != nil || !ok || kept != last {
		t.Errorf("after pruning: %+v, %v, %v", kept, ok, err)
	}
	if _, ok, err := l.LastDigest(ctx, "test", ""); err != nil || !ok {
		t.Errorf("the other cluster's last one is pruned, %v", err)
	}
}

// digestSchedules holds that each schedule of a cluster has digests of its own.
func digestSchedules(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	d := wave.Digest{Posting: wave.Posting{Channel: "C1", Created: t0.Add(25 * time.Hour)}, Cluster: "prod",
		Schedule: "day", From: t0, Until: t0.Add(24 * time.Hour), Done: t0}
	one := must[wave.Digest](t)(l.AddDigest(ctx, d))
	d.Done = time.Time{}
	// Another schedule's of the same moment is another, and both are there in the order in which they were recorded.
	weekly := d
	weekly.Schedule, weekly.From = "week", d.From.AddDate(0, 0, -7)
	second := weekly
	second.Until = weekly.Until.AddDate(0, 0, 7)
	w1, w2 := must[wave.Digest](t)(l.AddDigest(ctx, second)), must[wave.Digest](t)(l.AddDigest(ctx, weekly))
	if w2.Key == one.Key || !w2.From.Equal(weekly.From) || w2.Schedule != "week" {
		t.Errorf("the week's: %+v", w2)
	}
	sixday := second
	sixday.Schedule, sixday.From, sixday.Done = "six", second.From.AddDate(0, 0, 1), t0
	six := must[wave.Digest](t)(l.AddDigest(ctx, sixday))
	if last, _, err := l.LastDigest(ctx, "prod", ""); err != nil || last != six {
		t.Errorf("of two at one moment, the last is %+v, %v, and not that with the shortest period", last, err)
	}
	open := must[[]wave.Digest](t)(l.OpenDigests(ctx, "prod", ""))
	if len(open) != 2 || open[0] != w1 || open[1] != w2 {
		t.Errorf("with something to do: %+v", open)
	}
	w1.Figures, w1.FiguresFile = wave.FiguresFile, "F2"
	check(t, l.MarkFigures(ctx, w1))
	check(t, l.FinishDigest(ctx, w1.Key, d.Created))
	check(t, l.FinishDigest(ctx, w2.Key, d.Created))
	for _, c := range []struct {
		schedule string
		now      time.Time
		want     string
	}{{"day", d.Until, one.Key}, {"day", d.Until.Add(-1), ""}, {"week", second.Until.Add(-1), w2.Key},
		{"week", second.Until, w1.Key}, {"month", second.Until, ""}} {
		got, ok, err := l.LastDigestOf(ctx, "prod", "", c.schedule, c.now)
		if err != nil || ok != (c.want != "") || got.Key != c.want {
			t.Errorf("the last of the %s at %v: %+v, %v, %v", c.schedule, c.now, got, ok, err)
		}
		if c.want == w1.Key && (got.Figures != wave.FiguresFile || got.FiguresFile != "F2") {
			t.Errorf("its figures: %+v", got)
		}
	}
	check(t, l.SetSchedules(ctx, "prod", "", map[string]time.Time{"day": {}, "week": t0}))
	check(t, l.SetSchedules(ctx, "test", "", map[string]time.Time{"hour": {}}))
	check(t, l.SetSchedules(ctx, "prod", "", map[string]time.Time{"month": {}, "week": t0}))
	begins := must[map[string]time.Time](t)(l.Schedules(ctx, "prod", ""))
	if month, ok := begins["month"]; len(begins) != 2 || !ok || !month.IsZero() || !begins["week"].Equal(t0) {
		t.Errorf("schedules: %v", begins)
	}
	// The last one of each stays, however old it is.
	r := ledger.Retention{Scaling: time.Hour, Other: time.Hour}
	if n, err := l.Prune(ctx, r, t0.Add(1000*time.Hour)); err != nil || n != 2 {
		t.Errorf("%d rows pruned, %v; want one digest with its message", n, err)
	}
	for schedule, key := range map[string]string{"day": one.Key, "week": w1.Key} {
		if got, _, err := l.LastDigestOf(ctx, "prod", "", schedule, t0.Add(1000*time.Hour)); err != nil || got.Key != key {
			t.Errorf("after pruning, the last of the %s is %+v, %v", schedule, got, err)
		}
	}
}
