package ledger

import (
	"context"
	"fmt"
	"time"

	"rollcall/internal/wave"
)

// digestSQL selects digests d with their messages m, as scanDigest receives them.
const digestSQL = `SELECT d.cluster, d.from_at, d.until_at, d.done_at, ` + postingColumns + `
	FROM digests d JOIN messages m ON m.key = d.key`

func scanDigest(r row) (d wave.Digest, err error) {
	var p postingRow
	err = r.Scan(append([]any{&d.Cluster, at{&d.From}, at{&d.Until}, at{&d.Done}}, p.dest()...)...)
	d.Posting = p.posting()
	return d, err
}

// LastDigest returns the digest of a cluster with the last tick; ok is false if there is none.
func (l *Ledger) LastDigest(ctx context.Context, cluster string) (d wave.Digest, ok bool, err error) {
	defer doing(&err, "reading the last digest of %s", cluster)
	return one(ctx, l.r, scanDigest, digestSQL+` WHERE d.cluster = ? ORDER BY d.until_at DESC LIMIT 1`, cluster)
}

// AddDigest records the intent of a digest and returns it with its key: its Cluster, From, Until,
// Channel, Created, Picture and Done. With Done set it is never to be posted. For a tick that has a
// digest already, it returns that one.
func (l *Ledger) AddDigest(ctx context.Context, d wave.Digest) (added wave.Digest, err error) {
	defer doing(&err, "recording the digest of %s", d.Cluster)
	d.Key = l.newKey(fmt.Sprintf("digest-%s-%d", d.Cluster, d.Until.Unix()))
	d.WaveID, d.Part, d.Tried = 0, wave.PartDigest, false
	err = l.tx(ctx, func(tx tx) error {
		n, err := tx.exec(ctx, `INSERT INTO digests (key, cluster, from_at, until_at, done_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (cluster, until_at) DO NOTHING`, d.Key, d.Cluster, d.From.UnixMilli(), d.Until.UnixMilli(), ms(d.Done))
		if err != nil {
			return err
		}
		if n > 0 {
			if err := insertMessage(ctx, tx, d.Posting); err != nil {
				return err
			}
		}
		added, _, err = one(ctx, tx, scanDigest, digestSQL+` WHERE d.cluster = ? AND d.until_at = ?`,
			d.Cluster, d.Until.UnixMilli())
		return err
	})
	return added, err
}

// FinishDigest records that nothing is left to do for the digest of a key.
func (l *Ledger) FinishDigest(ctx context.Context, key string, now time.Time) (err error) {
	defer doing(&err, "recording digest %s", key)
	_, err = l.exec(ctx, `UPDATE digests SET done_at = ? WHERE key = ?`, now.UnixMilli(), key)
	return err
}
