package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"rollcall/internal/wave"
)

// LastDigest returns the digest of a cluster with the last tick; ok is false if there is none.
func (l *Ledger) LastDigest(ctx context.Context, cluster string) (d wave.Digest, ok bool, err error) {
	defer doing(&err, "reading the last digest of %s", cluster)
	return one(ctx, l.r, scanDigest, `SELECT d.cluster, d.from_at, d.until_at, d.done_at, `+postingColumns+`
		FROM digests d JOIN messages m ON m.key = d.key WHERE d.cluster = ? ORDER BY d.until_at DESC LIMIT 1`, cluster)
}

func scanDigest(from row) (d wave.Digest, err error) {
	var p postingRow
	var begin, until, done sql.NullInt64
	err = from.Scan(append([]any{&d.Cluster, &begin, &until, &done}, p.dest()...)...)
	d.Posting, d.From, d.Until, d.Done = p.posting(), fromMS(begin), fromMS(until), fromMS(done)
	return d, err
}

// AddDigest records the intent of a digest and of its message, and gives it its key. For a tick that
// has one, it returns that one.
func (l *Ledger) AddDigest(ctx context.Context, d wave.Digest) (last wave.Digest, err error) {
	defer doing(&err, "recording the digest of %s", d.Cluster)
	// The tick makes the key unique for this ledger, and the instance among ledgers.
	key := fmt.Sprintf("%s-digest-%s-%d", l.instance, d.Cluster, d.Until.Unix())
	err = l.tx(ctx, func(tx tx) error {
		_, added, err := one(ctx, tx, value[int64], `INSERT INTO digests (key, cluster, from_at, until_at, done_at)
			VALUES (?, ?, ?, ?, ?) ON CONFLICT (cluster, until_at) DO NOTHING RETURNING id`,
			key, d.Cluster, d.From.UnixMilli(), d.Until.UnixMilli(), ms(d.Done))
		if err != nil || !added {
			return err
		}
		if err := tx.exec(ctx, insertMessageSQL, key, 0, wave.PartDigest, d.Channel, d.Created.UnixMilli(), nil); err != nil {
			return err
		}
		return tx.exec(ctx, `UPDATE messages SET picture = ? WHERE key = ?`, string(d.Picture), key)
	})
	if err != nil {
		return d, err
	}
	last, _, err = l.LastDigest(ctx, d.Cluster)
	return last, err
}

// FinishDigest records that nothing is left to do for the digest whose message has a key.
func (l *Ledger) FinishDigest(ctx context.Context, key string, now time.Time) (err error) {
	defer doing(&err, "finishing digest %s", key)
	return l.exec(ctx, `UPDATE digests SET done_at = ? WHERE key = ?`, now.UnixMilli(), key)
}
