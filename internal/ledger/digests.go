package ledger

import (
	"context"
	"fmt"
	"time"

	"rollcall/internal/wave"
)

// digestSQL selects digests d with their messages m, as scanDigest receives them.
const digestSQL = `SELECT d.cluster, d.audience, d.schedule, d.from_at, d.until_at, d.done_at, d.figures,
	d.figures_file,
	` + postingColumns + `
	FROM digests d JOIN messages m ON m.key = d.key`

func scanDigest(r row) (d wave.Digest, err error) {
	var p postingRow
	err = r.Scan(append([]any{&d.Cluster, &d.Audience, &d.Schedule, at{&d.From}, at{&d.Until}, at{&d.Done}, &d.Figures,
		&d.FiguresFile}, p.dest()...)...)
	d.Posting = p.posting()
	return d, err
}

// LastDigest returns the digest of a cluster for an audience with the last tick, of whichever schedule, and of several
// the one with the shortest period; ok is false if there is none.
func (l *Ledger) LastDigest(ctx context.Context, cluster, audience string) (d wave.Digest, ok bool, err error) {
	defer doing(&err, "reading the last digest of %s", cluster)
	return one(ctx, l.r, scanDigest, digestSQL+` WHERE d.cluster = ? AND d.audience = ?
		ORDER BY d.until_at DESC, d.from_at DESC LIMIT 1`, cluster, audience)
}

// LastDigestOf returns the digest of one of a cluster's schedules for an audience with the last tick that is not after
// now; ok is false if there is none. A later one was recorded while the clock was ahead.
func (l *Ledger) LastDigestOf(ctx context.Context, cluster, audience, schedule string, now time.Time) (d wave.Digest,
	ok bool, err error) {
	defer doing(&err, "reading the last digest of %s by the %s", cluster, schedule)
	return one(ctx, l.r, scanDigest, digestSQL+` WHERE d.cluster = ? AND d.audience = ? AND d.schedule = ?
		AND d.until_at <= ? ORDER BY d.until_at DESC LIMIT 1`, cluster, audience, schedule, now.UnixMilli())
}

// OpenDigests returns a cluster's digests for an audience with something left to do, in the order in which they
// were recorded.
func (l *Ledger) OpenDigests(ctx context.Context, cluster, audience string) (all []wave.Digest, err error) {
	defer doing(&err, "reading the digests of %s that are not done", cluster)
	return collect(ctx, l.r, scanDigest, digestSQL+` WHERE d.cluster = ? AND d.audience = ? AND d.done_at IS NULL
		ORDER BY d.id`, cluster, audience)
}

// AddDigest records the intent of a digest and returns it with its key: its Cluster, Audience, Schedule, From, Until,
// Channel, Created, Picture and Done. With Done set it is never to be posted. For a tick of a schedule that has a
// digest already, it returns that one.
func (l *Ledger) AddDigest(ctx context.Context, d wave.Digest) (added wave.Digest, err error) {
	defer doing(&err, "recording the digest of %s", d.Cluster)
	d.Key = l.newKey(fmt.Sprintf("digest-%s-%d", d.Cluster, d.Until.Unix()))
	d.WaveID, d.Part, d.Tried = 0, wave.PartDigest, false
	err = l.tx(ctx, func(tx tx) error {
		n, err := tx.exec(ctx, `INSERT INTO digests (key, cluster, audience, schedule, from_at, until_at, done_at)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cluster, audience, schedule, until_at) DO NOTHING`,
			d.Key, d.Cluster, d.Audience, d.Schedule, d.From.UnixMilli(), d.Until.UnixMilli(), ms(d.Done))
		if err != nil {
			return err
		}
		if n > 0 {
			if err := insertMessage(ctx, tx, d.Posting); err != nil {
				return err
			}
		}
		added, _, err = one(ctx, tx, scanDigest, digestSQL+` WHERE d.cluster = ? AND d.audience = ? AND d.schedule = ?
			AND d.until_at = ?`, d.Cluster, d.Audience, d.Schedule, d.Until.UnixMilli())
		return err
	})
	return added, err
}

// MarkFigures records what becomes of a digest's figures, and which file they are: its Figures and FiguresFile.
func (l *Ledger) MarkFigures(ctx context.Context, d wave.Digest) (err error) {
	defer doing(&err, "recording the figures of digest %s", d.Key)
	_, err = l.exec(ctx, `UPDATE digests SET figures = ?, figures_file = ? WHERE key = ?`, string(d.Figures),
		d.FiguresFile, d.Key)
	return err
}

// FinishDigest records that nothing is left to do for the digest of a key.
func (l *Ledger) FinishDigest(ctx context.Context, key string, now time.Time) (err error) {
	defer doing(&err, "recording digest %s", key)
	_, err = l.exec(ctx, `UPDATE digests SET done_at = ? WHERE key = ?`, now.UnixMilli(), key)
	return err
}

// Schedules returns the schedules that a cluster has digests of for an audience, with the moment before which no
// period begins; zero for one without such a moment.
func (l *Ledger) Schedules(ctx context.Context, cluster, audience string) (begins map[string]time.Time, err error) {
	defer doing(&err, "reading the schedules of %s", cluster)
	begins = map[string]time.Time{}
	_, err = collect(ctx, l.r, func(r row) (struct{}, error) {
		var name string
		var begin time.Time
		err := r.Scan(&name, at{&begin})
		begins[name] = begin
		return struct{}{}, err
	}, `SELECT schedule, begin_at FROM schedules WHERE cluster = ? AND audience = ?`, cluster, audience)
	return begins, err
}

// SetSchedules records which schedules a cluster has digests of for an audience from now on, as Schedules returns them.
func (l *Ledger) SetSchedules(ctx context.Context, cluster, audience string, begins map[string]time.Time) (
	err error) {
	defer doing(&err, "recording the schedules of %s", cluster)
	return l.tx(ctx, func(tx tx) error {
		if _, err := tx.exec(ctx, `DELETE FROM schedules WHERE cluster = ? AND audience = ?`, cluster,
			audience); err != nil {
			return err
		}
		for name, begin := range begins {
			if _, err := tx.exec(ctx, `INSERT INTO schedules (cluster, audience, schedule, begin_at) VALUES (?, ?, ?, ?)`,
				cluster, audience, name, ms(begin)); err != nil {
				return err
			}
		}
		return nil
	})
}
