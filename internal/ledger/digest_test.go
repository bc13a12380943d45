package ledger

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	check(t, l.MarkPosting(ctx, first.Posting, d.Created))
	first.EditedAt = d.Created
	first.ID, first.Picture, first.File, first.Done = "1.2", wave.PictureFile, "F1", d.Created.Add(time.Second)
	check(t, l.MarkUpload(ctx, first.Posting))
	check(t, l.Accepted(ctx, first.Posting, 0, d.Created))
	check(t, l.FinishDigest(ctx, first.Key, first.Done))
	check(t, l.Close())
	l = open(t, path)
	// The same tick again is the same digest.
	again, err := l.AddDigest(ctx, wave.Digest{Posting: wave.Posting{Channel: "C2", Created: d.Created.Add(time.Hour)},
		Cluster: "prod",
		From:    t0.Add(-time.Hour), Until: d.Until})
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
