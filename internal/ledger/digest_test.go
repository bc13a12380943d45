package ledger

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// all collects a scan.
func all[T any](t *testing.T, scan func(func(T, error) bool)) (vs []T) {
	t.Helper()
	for v, err := range scan {
		check(t, err)
		vs = append(vs, v)
	}
	return vs
}

func TestNodeLives(t *testing.T) {
	l := fresh(t)
	labelled := fleet.Node{Name: "labelled", Pool: "general", Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot", Labels: map[string]string{fleet.PriceLabel: "0.5"}}
	fleetOf(t, l, labelled, fleet.Node{Name: "gone-1"}, fleet.Node{Name: "later", CreatedAt: t0.Add(5 * time.Hour)}, fleet.Node{Name: "gone-early", CreatedAt: t0.Add(-3 * time.Hour)})
	uncertain := fleet.Node{Cluster: "prod", UID: "uid-lost", Name: "lost", CreatedAt: t0}
	o := fleet.Gone(uncertain, fleet.Known{}, t0.Add(2*time.Hour))
	o.Changes[0].NotBefore, o.Changes[0].Proof = t0.Add(time.Hour), fleet.ProofNone
	record(t, l, "2", o)
	lives := all(t, l.NodeLives(t.Context(), "prod", t0.Add(30*time.Minute), t0.Add(3*time.Hour)))
	slices.SortFunc(lives, func(a, b fleet.Life) int { return strings.Compare(a.Name, b.Name) })
	want := []fleet.Life{
		{UID: "uid-gone-1", Name: "gone-1", Joined: t0.Add(time.Minute), Ready: t0.Add(2 * time.Minute), Removed: t0.Add(61 * time.Minute)},
		{UID: "uid-labelled", Name: "labelled", Pool: "general", Machine: fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot", LabelPrice: 0.5},
			Joined: t0, Ready: t0.Add(time.Minute)},
		{UID: "uid-lost", Name: "lost", Joined: t0, Removed: t0.Add(2 * time.Hour), RemovedAfter: t0.Add(time.Hour)},
	}
	if diff := cmp.Diff(want, lives); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	machines, err := l.Machines(t.Context(), "prod")
	check(t, err)
	if diff := cmp.Diff(map[fleet.Machine]int{want[1].Machine: 1, {}: 1}, machines); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
	// A scan that is broken off leaves no connection behind.
	for range 20 {
		for range l.NodeLives(t.Context(), "prod", t0, t0.Add(time.Hour)) {
			break
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range l.NodeLives(cancelled, "prod", t0, t0.Add(time.Hour)) {
		if err == nil {
			t.Error("a cancelled scan yields")
		}
	}
}

func TestIncidents(t *testing.T) {
	l := fresh(t)
	fleetOf(t, l, node(1), node(2), node(3))
	step := func(n int, kind fleet.ChangeKind, occurrence int, after time.Duration) {
		x := node(n)
		c := fleet.Change{Cluster: "prod", NodeUID: x.UID, NodeName: x.Name, Kind: kind, Occurrence: occurrence, At: t0.Add(after), Proof: fleet.ProofWatch, Reason: "KubeletNotReady"}
		record(t, l, "", fleet.Observation{Node: x, Known: fleet.Known{EverReady: true}, Changes: []fleet.Change{c}})
	}
	step(1, fleet.WentUnready, 1, time.Hour)
	step(1, fleet.Recovered, 1, 2*time.Hour)
	step(1, fleet.WentUnready, 2, 3*time.Hour)
	step(2, fleet.WentUnready, 1, 3*time.Hour)
	step(2, fleet.Removed, 1, 5*time.Hour)
	got := func(from, until time.Duration) (s []string) {
		is, err := l.Incidents(t.Context(), "prod", t0.Add(from), t0.Add(until))
		check(t, err)
		for _, i := range is {
			end := "lasts"
			if !i.Until.IsZero() {
				end = i.Until.Sub(t0).String()
			}
			if i.Left {
				end += " left"
			}
			s = append(s, i.NodeName+" "+i.From.Sub(t0).String()+" "+end)
		}
		return s
	}
	for _, c := range []struct {
		from, until time.Duration
		want        []string
	}{
		{0, time.Hour, nil},
		{0, 6 * time.Hour, []string{"node-1 1h0m0s 2h0m0s", "node-1 3h0m0s lasts", "node-2 3h0m0s 5h0m0s left"}},
		{90 * time.Minute, 110 * time.Minute, []string{"node-1 1h0m0s lasts"}},
		{150 * time.Minute, 4 * time.Hour, []string{"node-1 3h0m0s lasts", "node-2 3h0m0s lasts"}},
		{5 * time.Hour, 6 * time.Hour, []string{"node-1 3h0m0s lasts", "node-2 3h0m0s 5h0m0s left"}},
		{6 * time.Hour, 7 * time.Hour, []string{"node-1 3h0m0s lasts"}},
	} {
		if diff := cmp.Diff(c.want, got(c.from, c.until)); diff != "" {
			t.Errorf("%v to %v (-want +got):\n%s", c.from, c.until, diff)
		}
	}
}

func TestRescales(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	e := func(uid, kind, reason string, last time.Duration) fleet.Event {
		return fleet.Event{Cluster: "prod", UID: uid, Regarding: fleet.ObjectRef{Kind: kind, Namespace: "shop", Name: "web"}, Reason: reason, Type: "Normal", Note: uid, Count: 2,
			First: t0, Last: t0.Add(last)}
	}
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{e("d2", "Deployment", "ScalingReplicaSet", 2*time.Minute), e("h1", "HorizontalPodAutoscaler", "SuccessfulRescale", time.Minute),
		e("d1", "Deployment", "ScalingReplicaSet", time.Minute), e("p", "Pod", "Started", time.Minute), e("late", "Deployment", "ScalingReplicaSet", time.Hour)}, ""))
	var uids []string
	for _, e := range all(t, l.Rescales(ctx, "prod", t0, t0.Add(time.Hour))) {
		uids = append(uids, e.Note)
		if e.Count != 2 || !e.First.Equal(t0) || e.Regarding.Namespace != "shop" || e.Regarding.Kind == "" || e.Reason == "" {
			t.Errorf("%+v", e)
		}
	}
	if diff := cmp.Diff([]string{"h1", "d1", "d2"}, uids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDigestRecords(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "rollcall.db"), t.Context()
	l := open(t, path)
	if _, ok, err := l.LastDigest(ctx, "prod"); ok || err != nil {
		t.Fatalf("a digest that nobody recorded: %v, %v", ok, err)
	}
	d := wave.Digest{Posting: wave.Posting{Channel: "C1", Created: t0.Add(25 * time.Hour)}, Cluster: "prod",
		From: t0, Until: t0.Add(24 * time.Hour)}
	first, err := l.AddDigest(ctx, d)
	check(t, err)
	if first.Key == "" || first.Tried || first.ID != "" || !first.Done.IsZero() {
		t.Errorf("%+v", first)
	}
	first.Tried = true
	check(t, l.SaveDigest(ctx, first, d.Created))
	first.ID, first.Picture, first.File, first.Done = "1.2", wave.PictureFile, "F1", d.Created.Add(time.Second)
	check(t, l.SaveDigest(ctx, first, d.Created))
	check(t, l.Close())
	l = open(t, path)
	// The same tick again is the same digest.
	again, err := l.AddDigest(ctx, wave.Digest{Posting: wave.Posting{Channel: "C2", Created: d.Created.Add(time.Hour)}, Cluster: "prod",
		From: t0.Add(-time.Hour), Until: d.Until})
	check(t, err)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("(-first +again):\n%s", diff)
	}
	other := d
	other.Cluster = "test"
	if o, err := l.AddDigest(ctx, other); err != nil || o.Key == first.Key {
		t.Errorf("%+v, %v", o, err)
	}
	next := d
	next.From, next.Until = d.Until, d.Until.Add(24*time.Hour)
	if n, err := l.AddDigest(ctx, next); err != nil || n.Key == first.Key || !n.From.Equal(d.Until) {
		t.Errorf("%+v, %v", n, err)
	}
	// The last one stays, however old it is: the next period begins where it ends.
	_, err = l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(1000*time.Hour))
	check(t, err)
	var left int
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM digests WHERE cluster = 'prod'`).Scan(&left))
	if last, ok, err := l.LastDigest(ctx, "prod"); err != nil || !ok || !last.Until.Equal(next.Until) || left != 1 {
		t.Errorf("after pruning: %+v, %v, %v, %d rows", last, ok, err, left)
	}
}

func TestOpenToRead(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "rollcall.db"), t.Context()
	if _, err := OpenToRead(ctx, path); err == nil || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("a ledger that is not there: %v", err)
	}
	l := open(t, path)
	record(t, l, "1", first(1))
	r, err := OpenToRead(ctx, path) // while another has it open
	check(t, err)
	defer r.Close()
	record(t, l, "2", first(2))
	if totals, err := r.Totals(ctx, "prod"); err != nil || totals.Nodes != 2 {
		t.Errorf("%+v, %v", totals, err)
	}
	if err := r.Watched(ctx, "prod", t0, "3"); err == nil {
		t.Error("a ledger that is open to read was written")
	}
	if _, err := l.w.ExecContext(ctx, `PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenToRead(ctx, path); err == nil || !strings.Contains(err.Error(), "schema 1") {
		t.Errorf("an older schema: %v", err)
	}
}
