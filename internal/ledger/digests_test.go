package ledger

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/wave"
)

// A digest is the same after the ledger was closed and opened again, whatever was recorded of it.
func TestDigestIsKept(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "rollcall.db"), t.Context()
	l := open(t, path)
	d := must[wave.Digest](t)(l.AddDigest(ctx, wave.Digest{
		Posting: wave.Posting{Channel: "C1", Created: t0}, Cluster: "prod", From: t0.Add(-time.Hour), Until: t0}))
	d.Tried, d.Picture = true, wave.PictureFile
	check(t, l.MarkPosting(ctx, d.Posting, t0))
	d.ID, d.Hash, d.EditedAt, d.Posted = "1.2", 1<<63+5, t0, t0
	check(t, l.Accepted(ctx, d.Posting, 0, t0))
	d.File, d.Done = "F1", t0.Add(time.Second)
	check(t, l.MarkUpload(ctx, d.Posting))
	check(t, l.FinishDigest(ctx, d.Key, d.Done))
	check(t, l.Close())
	l = open(t, path)
	last, ok, err := l.LastDigest(ctx, "prod", "")
	check(t, err)
	if diff := cmp.Diff(d, last); !ok || diff != "" {
		t.Errorf("(-recorded +got):\n%s", diff)
	}
}
