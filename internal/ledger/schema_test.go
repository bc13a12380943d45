package ledger

import (
	"compress/gzip"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// A ledger from before mutes were told keeps its waves and its mutes, and these are to be told.
func TestMigrateMutes(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "rollcall.db"), t.Context()
	saved := migrations
	migrations = migrations[:slices.IndexFunc(saved, func(m string) bool { return strings.Contains(m, "waves_mute") })]
	old := &Ledger{base: &base{path: path}}
	err := old.create(ctx)
	migrations = saved
	check(t, err)
	check(t, old.openWriter(path))
	for _, stmt := range []string{
		`INSERT INTO waves (key, cluster, kind, opened_at, last_at) VALUES ('k', 'prod', 'joined', 1, 1)`,
		`INSERT INTO mutes (request, cluster, scope, value, by_id, by_name, channel, at, until_at, ended_at, ended_by) ` +
			`VALUES ('r', 'prod', 'cluster', '', 'U1', 'ada', 'C1', 1000, 3000, 2000, 'U2')`,
		`INSERT INTO mutes (request, cluster, scope, value, by_id, by_name, channel, at, until_at, told_end) VALUES ('s', ` +
			`'prod', 'cluster', '', 'U1', 'ada', 'C1', 1000, 3000, 1)`,
	} {
		if _, err := old.w.ExecContext(ctx, stmt); err != nil {
			t.Fatal(err)
		}
	}
	check(t, old.w.Close())
	l := open(t, path)
	mutes, err := l.UntoldMutes(ctx, "prod")
	check(t, err)
	if len(mutes) != 1 || mutes[0].Request != "r" || mutes[0].EndedBy != "U2" || mutes[0].EndedByName != "" ||
		mutes[0].End().UnixMilli() != 2000 {
		t.Errorf("mutes = %+v", mutes)
	}
	if live, err := l.LiveWaves(ctx, "prod"); err != nil || len(live) != 1 || live[0].Mute != nil || live[0].Key != "k" {
		t.Errorf("waves = %+v, %v", live, err)
	}
}

// unpack writes a file of testdata that an older Rollcall has made, and returns its path.
func unpack(t testing.TB, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	data, err := io.ReadAll(z)
	check(t, err)
	path := filepath.Join(t.TempDir(), "rollcall.db")
	check(t, os.WriteFile(path, data, 0o600))
	return path
}

// The files were written by the last programs with their schemas, with something of everything: see what is asked of
// them below. They open, and all of it means what it meant.
//
// Such a file is made by a test at the last commit of a schema, which calls the ledger's own methods with
// the nodes and moments that are asked for here, or opens the file of the schema before, closes it, and leaves the
// file to gzip.
func TestOpensEarlierSchemas(t *testing.T) {
	for _, file := range []string{"schema-11.db.gz", "schema-12.db.gz", "schema-13.db.gz", "schema-15.db.gz",
		"schema-16.db.gz", "schema-20.db.gz"} {
		t.Run(file, func(t *testing.T) { meansWhatItMeant(t, open(t, unpack(t, file))) })
	}
}

// The cluster test of the file of schema 13 has what causes are made of: what was told before the upgrade is not
// explained, what nobody was told yet is, and the names in the newest events are known.
func TestCausesOfEarlierSchema(t *testing.T) {
	for _, step := range []int{10000, 1} {
		t.Run(fmt.Sprint("in steps of ", step), func(t *testing.T) {
			shrink(t, &moveStep, step)
			path := unpack(t, "schema-13.db.gz")
			if step == 1 { // killed on the way
				l := &Ledger{base: &base{path: path, log: slog.New(slog.DiscardHandler)}}
				check(t, l.openWriter(path))
				saved := migrations
				migrations = migrations[:14]
				err := l.migrate(t.Context())
				migrations = saved
				check(t, err)
				for range 3 {
					check(t, l.tx(t.Context(), func(tx tx) error { _, err := moveSomeNames(t.Context(), tx); return err }))
				}
				check(t, l.w.Close())
			}
			l, ctx := open(t, path), t.Context()
			var due []string
			for _, u := range must[[]wave.Unexplained](t)(l.Unexplained(ctx, "test", t0, 10)) {
				due = append(due, fmt.Sprint(u.Node.Name, " ", u.Change.Kind))
			}
			if want := []string{"node-2 joined", "node-3 joined", "node-3 removed"}; !slices.Equal(due, want) {
				t.Errorf("to be explained are %v, want %v", due, want)
			}
			in := l.Evidence("test")
			for _, tc := range []struct {
				kind, namespace, name string
				want                  []string
			}{
				{"Node", "", "node-1", []string{"sch", "two"}}, // not that of two days before
				{"NodeClaim", "", "general-abc", []string{"nom", "two"}},
				{"ReplicaSet", "shop", "web-5d", []string{"scl"}},
				{"Node", "", "node-3", []string{"drn"}},
			} {
				events := must[[]fleet.Event](t)(in.Naming(ctx,
					fleet.ObjectRef{Kind: tc.kind, Namespace: tc.namespace, Name: tc.name}, t0.Add(-72*time.Hour),
					t0.Add(2*time.Hour), 10))
				var uids []string
				for _, e := range events {
					uids = append(uids, e.UID)
				}
				if !slices.Equal(uids, tc.want) {
					t.Errorf("%s %s is named by %v, want %v", tc.kind, tc.name, uids, tc.want)
				}
			}
			// As far back as they are known, though an event of two days before is kept.
			pods := must[query.Assigned](t)(l.PodsOn(ctx, "test", fleet.ObjectRef{Kind: "Node", Name: "node-1"}, 10))
			if len(pods.Pods) != 1 || pods.Pods[0].Name != "web-1" || !pods.Since.Equal(t0.Add(-23*time.Hour)) {
				t.Errorf("pods on node-1: %+v", pods)
			}
			totalsAreRight(t, l)
			var left int
			check(t, l.r.DB.QueryRow(`SELECT count(*) FROM meta WHERE name = 'names_upto'`).Scan(&left))
			if left != 0 {
				t.Error("how far the move was is still in the ledger")
			}
		})
	}
}

// Of an earlier ledger it is known which nodes are cordoned, and since when if that was seen.
func TestKeepsOfEarlierSchema(t *testing.T) {
	path, ctx := unpack(t, "schema-16.db.gz"), t.Context()
	l := &Ledger{base: &base{path: path, log: slog.New(slog.DiscardHandler)}}
	check(t, l.openWriter(path))
	uids := must[[]string](t)(collect(ctx, once{&reader{DB: l.w}}, value[string], `SELECT uid FROM nodes
		WHERE cluster = 'prod' AND removed_at IS NULL ORDER BY uid LIMIT 3`))
	if len(uids) < 3 {
		t.Fatalf("the file has %d live nodes", len(uids))
	}
	for _, stmt := range []string{
		`UPDATE nodes SET cordoned = 0 WHERE cluster = 'prod'`,
		`UPDATE nodes SET cordoned = 1 WHERE uid IN ('` + strings.Join(uids, `', '`) + `')`,
		`UPDATE nodes SET leaving = 1 WHERE uid = '` + uids[2] + `'`,
		`DELETE FROM changes WHERE kind = 'cordoned'`,
		fmt.Sprintf(`INSERT INTO changes (cluster, node_uid, kind, occurrence, at, proof, reason, tell) VALUES ('prod', '%s',
			'cordoned', 2, %d, 'watch', '', 0)`, uids[0], t0.UnixMilli()),
	} {
		if _, err := l.w.ExecContext(ctx, stmt); err != nil {
			t.Fatal(err)
		}
	}
	check(t, l.w.Close())
	began := time.Now().Add(-time.Minute)
	l = open(t, path)
	got := map[string]fleet.Keep{}
	for k, err := range l.Keeps(ctx, "prod", began, time.Now().Add(time.Hour)) {
		check(t, err)
		got[k.NodeUID] = k
	}
	if len(got) != 2 || !got[uids[0]].Since.Equal(t0) || got[uids[0]].AtLeast || !got[uids[1]].AtLeast ||
		got[uids[1]].Kind != fleet.ByCordon || got[uids[1]].Since.IsZero() {
		t.Errorf("they are kept by %+v", got)
	}
	if since := must[time.Time](t)(l.KeepsSince(ctx, "prod")); since.Before(began) {
		t.Errorf("what keeps nodes is known since %v", since)
	}
}

// What nodes of an earlier schema cost is counted when the ledger is opened, however often that is interrupted, as if
// it had been counted from the beginning.
func TestSpendingOfEarlierSchema(t *testing.T) {
	for _, step := range []int{10000, 3} {
		t.Run(fmt.Sprint("in steps of ", step), func(t *testing.T) {
			shrink(t, &moveStep, step)
			path := unpack(t, "schema-16.db.gz")
			if step == 3 { // killed on the way, twice
				l := &Ledger{base: &base{path: path, log: slog.New(slog.DiscardHandler)}}
				check(t, l.openWriter(path))
				saved := migrations
				migrations = migrations[:migrationWith("nodes_came")]
				err := l.migrate(t.Context())
				migrations = saved
				check(t, err)
				last := ""
				for range 3 {
					check(t, l.tx(t.Context(), func(tx tx) (err error) {
						last, _, err = moveSomeSpending(t.Context(), tx, "spend", last)
						return err
					}))
				}
				for more, last := true, ""; more; {
					check(t, l.tx(t.Context(), func(tx tx) (err error) {
						last, more, err = moveSomeSpending(t.Context(), tx, "spend", last)
						return err
					}))
				}
				for range 2 {
					check(t, l.tx(t.Context(), func(tx tx) error { _, err := sumUpStep(t.Context(), tx, "spend"); return err }))
				}
				check(t, l.w.Close())
			}
			l := open(t, path)
			until := t0.Add(24 * time.Hour)
			for _, from := range []time.Time{t0.Add(-20 * 24 * time.Hour), t0.Add(-100 * time.Hour), t0.Add(-time.Hour)} {
				all := must[query.Spending](t)(l.Spending(t.Context(), "spend", query.Period{From: from, Until: until}))
				var got, want fleet.NodeTime
				by := map[fleet.CauseKind]int{}
				for _, x := range all.Periods[0] {
					got += x.Sure + x.Unsure
					by[all.Groups[x.Group].Came] += x.Nodes()
				}
				wantBy := map[fleet.CauseKind]int{}
				for n, err := range l.Lives(t.Context(), "spend", from, until) {
					check(t, err)
					end := until
					if !n.Removed.IsZero() && n.Removed.Before(end) {
						end = n.Removed
					}
					want += fleet.Together(end.Sub(fleet.Latest(from, n.Joined)))
					wantBy[n.Came.Kind]++
				}
				if got != want || got == 0 || !maps.Equal(by, wantBy) {
					t.Errorf("since %s nodes used %d ms, by cause %v; want %d and %v", from, got, by, want, wantBy)
				}
			}
			var interrupted int
			check(t, l.r.DB.QueryRow(`SELECT count(*) FROM nodes WHERE cluster = 'spend' AND interrupted = 1`).Scan(&interrupted))
			if interrupted != 10 {
				t.Errorf("%d nodes were interrupted, want 10", interrupted)
			}
			var left int
			check(t, l.r.DB.QueryRow(`SELECT count(*) FROM meta WHERE name LIKE 'spend%'`).Scan(&left))
			if left != 0 {
				t.Error("how far the move was is still in the ledger")
			}
			record(t, l, "9", first(77)) // it goes on
		})
	}
}

// What waits, what is kept and what stands goes on as it was.
func TestStandingOfEarlierSchema(t *testing.T) {
	l, ctx := open(t, unpack(t, "schema-20.db.gz")), t.Context()
	at := func(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }
	waits, more, err := l.Waits(ctx, "spend", 10)
	check(t, err)
	if len(waits) != 1 || more || waits[0].Pod.Name != "web-5d8-x" || waits[0].Refusal.Pool != "general" ||
		!waits[0].RefusedLast.Equal(at(5)) {
		t.Errorf("waits: %+v", waits)
	}
	keeps := must[[]fleet.Keep](t)(l.NodeKeeps(ctx, "spend", "spend-0"))
	if len(keeps) != 1 || keeps[0].Name != "db" || !keeps[0].Since.Equal(at(2)) {
		t.Errorf("kept by: %+v", keeps)
	}
	live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "spend"))
	i := slices.IndexFunc(live, func(w wave.Wave) bool { return w.Kind == wave.KindWaiting })
	if i < 0 || live[i].About.Standing == nil || live[i].About.Standing.Key != "refused" ||
		live[i].Main.Channel != "C1" || live[i].Main.Tried {
		t.Errorf("waves: %+v", live)
	}
	if told := must[[]wave.Wave](t)(l.BudgetWaves(ctx, "spend")); len(told) != 1 {
		t.Errorf("budgets told: %+v", told)
	}
}

// A node of an earlier schema is recorded anew when it is seen next, as it is described by now, without a step; what it
// has cost so far goes with it, and no number of a group is given twice.
func TestDescribedAnewAfterUpdate(t *testing.T) {
	path := unpack(t, "schema-20.db.gz")
	before, err := sql.Open("sqlite", path)
	check(t, err)
	var last, now int64
	const sequence = `SELECT seq FROM sqlite_sequence WHERE name = 'spend_groups'`
	check(t, before.QueryRow(sequence).Scan(&last))
	check(t, before.Close())
	l, ctx := open(t, path), t.Context()
	check(t, l.r.DB.QueryRow(sequence).Scan(&now))
	if now != last || last == 0 {
		t.Errorf("the last group was number %d, and is %d", last, now)
	}
	known := must[map[string]fleet.Known](t)(l.KnownNodes(ctx, "spend"))
	uid := slices.Min(slices.Collect(maps.Keys(known)))
	n, _, err := l.Node(ctx, "spend", uid)
	check(t, err)
	periods := query.Period{From: t0.Add(-20 * 24 * time.Hour), Until: t0.Add(24 * time.Hour)}
	used := func() (by map[fleet.Terms]fleet.NodeTime, all fleet.NodeTime) {
		s := must[query.Spending](t)(l.Spending(ctx, "spend", periods))
		by = map[fleet.Terms]fleet.NodeTime{}
		for _, x := range s.Periods[0] {
			by[s.Groups[x.Group].Terms] += x.Sure + x.Unsure
			all += x.Sure + x.Unsure
		}
		return by, all
	}
	_, was := used()
	n.Terms = fleet.EKSAutoFee // as a newer description has it
	o, ok := fleet.Diff(known[uid], n.Node, fleet.Look{At: t0.Add(time.Hour)})
	if !ok || len(o.Changes) > 0 {
		t.Fatalf("after the update: %v, steps %+v", ok, o.Changes)
	}
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "spend", At: t0.Add(time.Hour), Observations: []fleet.Observation{o},
		ResourceVersion: "10"}))
	by, is := used()
	if is != was || by[fleet.EKSAutoFee] == 0 {
		t.Errorf("nodes used %d ms, of which %v; before %d", is, by, was)
	}
	if got, _, err := l.Node(ctx, "spend", uid); err != nil || got.Terms != fleet.EKSAutoFee {
		t.Errorf("it is recorded with the terms %q, %v", got.Terms, err)
	}
}

func meansWhatItMeant(t *testing.T, l *Ledger) {
	ctx := t.Context()
	at := func(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }

	live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	byKind := map[wave.Kind]wave.Wave{}
	var kinds []wave.Kind
	for _, w := range live {
		byKind[w.Kind], kinds = w, append(kinds, w.Kind)
	}
	want := []wave.Kind{wave.KindJoined, wave.KindNotReady, wave.KindAway, wave.KindCreep, wave.KindMute}
	if !slices.Equal(kinds, want) {
		t.Fatalf("live waves are %v, want %v", kinds, want)
	}
	joined := byKind[wave.KindJoined]
	if c := joined.Counts; c.Members != 6 || c.Untold != 1 || c.Unlisted != 0 || joined.Main.ID != "100.000002" ||
		joined.Main.Hash != 77 || !joined.Main.Tried || len(joined.Parts) != 1 || joined.Parts[0].ID != "100.000003" ||
		joined.Parts[0].Part != wave.PartList {
		t.Errorf("the wave of six: %+v", joined)
	}
	if w := byKind[wave.KindNotReady]; w.Main.ID != "" || !w.Main.Tried || w.Main.After != "100.000003" ||
		w.Counts.Untold != 1 {
		t.Errorf("the wave whose posting was begun: %+v", w)
	}
	away := byKind[wave.KindAway]
	if away.Gap == nil || away.About.Gap != away.Gap.ID || !away.Gap.From.Equal(at(8)) || !away.Gap.Missed ||
		away.Main.Tried || away.Counts.Members != 2 {
		t.Errorf("the wave of the gap: %+v", away)
	}
	members := must[[]wave.Member](t)(l.Members(ctx, away.ID))
	i := slices.IndexFunc(members, func(m wave.Member) bool { return !m.RemovedAt.IsZero() })
	if i < 0 || members[i].Node.Labels["team"] != "shop" || members[i].Node.Labels["kubernetes.io/hostname"] != "node-11" {
		t.Errorf("the nodes of the gap: %+v", members)
	}
	if g := byKind[wave.KindCreep].About.Growth; g == nil || g.From != 40 || g.To != 60 || g.Over != 48*time.Hour {
		t.Errorf("the creep is about %+v", g)
	}
	if grown := must[[]wave.Wave](t)(l.GrowthWaves(ctx, "prod", t0)); len(grown) != 2 || grown[0].About.Growth.Usual != 3 {
		t.Errorf("growth: %+v", grown)
	}

	known := must[map[string]fleet.Known](t)(l.KnownNodes(ctx, "prod"))
	for uid, k := range known {
		if k.ReadyClaim != k.ReadySince || k.ReadyClaim == 0 || k.SinceMoves {
			t.Errorf("what was known of node %s: %+v", uid, k)
		}
	}
	if len(known) == 0 {
		t.Error("no node is known")
	}

	mutes := must[[]wave.Mute](t)(l.UntoldMutes(ctx, "prod"))
	if len(mutes) != 1 || mutes[0].Value != "batch" || byKind[wave.KindMute].Mute == nil ||
		*byKind[wave.KindMute].Mute != mutes[0] {
		t.Fatalf("untold mutes: %+v", mutes)
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{
		{Kind: wave.KindMute, About: wave.About{Mute: mutes[0].ID}}}}, false, at(100)))
	if now := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod")); len(now) != len(live) {
		t.Errorf("the mute is told twice: %d waves", len(now))
	}
	if m := must[wave.Muted](t)(l.Muted(ctx, mutes[0].ID)); m.Nodes != 2 || m.Changes[fleet.Joined] != 2 {
		t.Errorf("kept quiet: %+v", m)
	}
	if todo, baseline, err := l.Todo(ctx, "prod", 10); err != nil || baseline || len(todo) != 1 ||
		todo[0].Node.Name != "node-40" {
		t.Errorf("to-dos: %+v, %t, %v", todo, baseline, err)
	}

	ended, ok, err := l.Mute(ctx, 1)
	if err != nil || !ok || !ended.ToldEnd || ended.EndedBy != "U2" || ended.Value != "m5.large" {
		t.Errorf("the mute that has ended: %+v, %v", ended, err)
	}
	// What was posted, or begun, is still known by the keys of its messages; what was not has new ones.
	for i, kind := range []wave.Kind{wave.KindBaseline, wave.KindJoined, wave.KindNotReady, wave.KindAway, wave.KindSurge,
		wave.KindCreep, wave.KindMute} {
		key := fmt.Sprintf("%s-%d", l.Instance(), i+1)
		if w := byKind[kind]; w.ID == int64(i+1) && !w.Main.Tried {
			if _, old, _ := l.WaveNodes(ctx, key, 10); old || !strings.HasPrefix(w.Key, key+"-") || w.Main.Key != w.Key {
				t.Errorf("wave %d, which nobody has begun to post, has key %s", i+1, w.Key)
			}
			key = w.Key
		}
		w, ok, err := l.WaveNodes(ctx, key, 10)
		if err != nil || !ok || w.Kind != kind {
			t.Errorf("wave %d is %+v, %v; want %s", i+1, w, err, kind)
		}
	}

	posted := must[wave.Digest](t)(l.AddDigest(ctx, wave.Digest{Cluster: "prod", Schedule: "day", From: t0, Until: at(30)}))
	if posted.ID != "100.000006" || posted.Picture != wave.PictureFile || posted.File != "F1" ||
		!posted.Done.Equal(at(31)) || posted.Channel != "C2" || !posted.Tried {
		t.Errorf("the digest that was posted: %+v", posted)
	}
	last, ok, err := l.LastDigest(ctx, "prod", "")
	if err != nil || !ok || !last.Tried || last.ID != "" || last.Picture != wave.PictureChart || !last.Done.IsZero() ||
		last.Channel != "C2" || !last.Until.Equal(at(90)) || last.After != "100.000005" || last.Part != wave.PartDigest {
		t.Errorf("the digest that may be in Slack: %+v, %v", last, err)
	}
	if begins := must[map[string]time.Time](t)(l.Schedules(ctx, "prod", "")); len(begins) != 1 || !begins["day"].IsZero() ||
		last.Schedule != "day" || last.Figures != "" {
		t.Errorf("the schedules are %v, and the last digest is of %q with figures %q", begins, last.Schedule, last.Figures)
	}
	if open := must[[]wave.Digest](t)(l.OpenDigests(ctx, "prod", "")); len(open) != 1 || open[0] != last {
		t.Errorf("digests with something to do: %+v", open)
	}
	check(t, l.FinishDigest(ctx, last.Key, at(91)))
	again := must[wave.Digest](t)(l.AddDigest(ctx, wave.Digest{Cluster: "prod", Schedule: "day", From: at(2), Until: at(90)}))
	if again.Key != last.Key {
		t.Errorf("the tick has two digests, %s and %s", last.Key, again.Key)
	}

	events := must[query.EventPage](t)(l.Events(ctx, "prod", query.EventFilter{}, query.EventCursor{}, 10)).Events
	if len(events) != 2 || events[0].Count != 3 || events[1].Reason != "DisruptionTerminating" {
		t.Errorf("events: %+v", events)
	}
	cp := must[fleet.Checkpoint](t)(l.Checkpoint(ctx, "prod"))
	if !cp.BaselineAt.Equal(at(2)) || cp.NodesVersion != "12" || cp.EventsVersion != "99" {
		t.Errorf("checkpoint: %+v", cp)
	}
	// What it had told is pruned in its time, the digest's message too, and what it had not told is not.
	_, err = l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour}, at(60*24))
	check(t, err)
	if now := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod")); len(now) != len(live) || now[2].Gap == nil {
		t.Errorf("after pruning there are the waves %+v", now)
	}
	var digests int
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM messages WHERE part = 'digest'`).Scan(&digests))
	if digests != 1 {
		t.Errorf("%d messages of digests are left, want that of the last one", digests)
	}
}
