package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// NodeLives yields the lives of a cluster that have a part in [from, until), in no order.
func (l *Ledger) NodeLives(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Life, error] {
	return func(yield func(fleet.Life, error) bool) {
		fail := func(err error) {
			yield(fleet.Life{}, fmt.Errorf("reading lives in %s: %w", cluster, explain(err)))
		}
		rows, err := l.r.QueryContext(ctx, nodeLivesSQL, cluster, from.UnixMilli(), until.UnixMilli())
		if err != nil {
			fail(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var n fleet.Life
			var joined, ready, removed, after sql.NullInt64
			if err := rows.Scan(append(machineDest(&n.Machine), &n.UID, &n.Name, &n.Pool, &joined, &ready, &removed, &after)...); err != nil {
				fail(err)
				return
			}
			n.Joined, n.Ready, n.Removed, n.RemovedAfter = fromMS(joined), fromMS(ready), fromMS(removed), fromMS(after)
			if !yield(n, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}

const lifeColumns = machineColumns + `, n.uid, n.name, n.pool, n.created_at, n.ready_at, n.removed_at, n.removed_after`

const nodeLivesSQL = `SELECT ` + lifeColumns + ` FROM nodes n WHERE n.cluster = ?1 AND n.removed_at IS NULL AND n.created_at < ?3
	UNION ALL SELECT ` + lifeColumns + ` FROM nodes n WHERE n.cluster = ?1 AND n.removed_at >= ?2 AND n.created_at < ?3`

// Incidents returns the times in which nodes of a cluster were not ready that have a part in
// [from, until), by their beginning. What happened since until is not looked at: such an
// incident still lasts.
func (l *Ledger) Incidents(ctx context.Context, cluster string, from, until time.Time) ([]fleet.Incident, error) {
	rows, err := l.r.QueryContext(ctx, incidentsSQL, cluster, from.UnixMilli(), until.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("reading incidents of %s: %w", cluster, explain(err))
	}
	defer rows.Close()
	var all []fleet.Incident
	for rows.Next() {
		var i fleet.Incident
		var at, back, removed sql.NullInt64
		if err := rows.Scan(&i.NodeUID, &i.NodeName, &i.Reason, &at, &back, &removed); err != nil {
			return nil, err
		}
		i.From, i.Until = fromMS(at), fromMS(back)
		if !back.Valid && removed.Valid {
			i.Until, i.Left = fromMS(removed), true
		}
		if !i.Until.Before(until) {
			i.Until, i.Left = time.Time{}, false
		}
		all = append(all, i)
	}
	return all, rows.Err()
}

const incidentsSQL = `SELECT * FROM (SELECT c.node_uid, n.name, c.reason, c.at AS began, (SELECT r.at FROM changes r
		WHERE r.cluster = c.cluster AND r.node_uid = c.node_uid AND r.kind = 'recovered' AND r.occurrence = c.occurrence) AS back, n.removed_at
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid WHERE c.cluster = ?1 AND c.kind = 'not_ready' AND c.at < ?3) i
	WHERE coalesce(i.back, i.removed_at, ?3) >= ?2 ORDER BY i.began, i.node_uid`

// Rescales yields the events of HorizontalPodAutoscalers and Deployments that changed their
// size, last seen in [from, until), in the order of that time for each of the two.
func (l *Ledger) Rescales(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Event, error] {
	return func(yield func(fleet.Event, error) bool) {
		for _, reason := range []string{"SuccessfulRescale", "ScalingReplicaSet"} {
			if !l.rescales(ctx, cluster, reason, from, until, yield) {
				return
			}
		}
	}
}

const rescalesSQL = `SELECT e.kind, e.namespace, e.name, e.note, e.count, e.first_at, e.last_at FROM events e
	WHERE e.cluster = ? AND e.reason = ? AND e.last_at >= ? AND e.last_at < ? ORDER BY e.last_at, e.id`

func (l *Ledger) rescales(ctx context.Context, cluster, reason string, from, until time.Time, yield func(fleet.Event, error) bool) bool {
	fail := func(err error) bool {
		yield(fleet.Event{}, fmt.Errorf("reading events of %s: %w", cluster, explain(err)))
		return false
	}
	rows, err := l.r.QueryContext(ctx, rescalesSQL, cluster, reason, from.UnixMilli(), until.UnixMilli())
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		e := fleet.Event{Cluster: cluster, Reason: reason}
		var first, last sql.NullInt64
		if err := rows.Scan(&e.Regarding.Kind, &e.Regarding.Namespace, &e.Regarding.Name, &e.Note, &e.Count, &first, &last); err != nil {
			return fail(err)
		}
		e.First, e.Last = fromMS(first), fromMS(last)
		if !yield(e, nil) {
			return false
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return true
}

// LastDigest returns the digest of a cluster with the last tick; ok is false if there is none.
func (l *Ledger) LastDigest(ctx context.Context, cluster string) (d wave.Digest, ok bool, err error) {
	var from, until, created, tried, done sql.NullInt64
	var ts sql.NullString
	err = l.r.QueryRowContext(ctx, `SELECT key, cluster, channel, from_at, until_at, created_at, tried_at, ts, picture, file, done_at, coalesce(after_ts, '') FROM digests
		WHERE cluster = ? ORDER BY until_at DESC LIMIT 1`, cluster).Scan(&d.Key, &d.Cluster, &d.Channel, &from, &until, &created, &tried, &ts, &d.Picture, &d.File, &done, &d.After)
	if errors.Is(err, sql.ErrNoRows) {
		return wave.Digest{}, false, nil
	}
	if err != nil {
		return wave.Digest{}, false, fmt.Errorf("reading the last digest of %s: %w", cluster, explain(err))
	}
	d.Part = wave.PartDigest
	d.From, d.Until, d.Created, d.Tried, d.ID, d.Done = fromMS(from), fromMS(until), fromMS(created), tried.Valid, ts.String, fromMS(done)
	return d, true, nil
}

// AddDigest records the intent of a digest and gives it its key. For a tick that has one, it
// returns that one.
func (l *Ledger) AddDigest(ctx context.Context, d wave.Digest) (wave.Digest, error) {
	// The tick makes the key unique for this ledger, and the instance among ledgers.
	d.Key = fmt.Sprintf("%s-digest-%s-%d", l.instance, d.Cluster, d.Until.Unix())
	_, err := l.w.ExecContext(ctx, `INSERT INTO digests (key, cluster, channel, from_at, until_at, created_at, picture, done_at, after_ts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT max(ts) FROM messages))
		ON CONFLICT (cluster, until_at) DO NOTHING`, d.Key, d.Cluster, d.Channel, d.From.UnixMilli(), d.Until.UnixMilli(), d.Created.UnixMilli(), string(d.Picture), ms(d.Done))
	if err != nil {
		return d, fmt.Errorf("recording the digest of %s: %w", d.Cluster, explain(err))
	}
	last, _, err := l.LastDigest(ctx, d.Cluster)
	return last, err
}

// markDigest records what is known of a digest's message.
func (l *Ledger) markDigest(ctx context.Context, p wave.Posting, tried any) error {
	_, err := l.w.ExecContext(ctx, `UPDATE digests SET channel = ?, tried_at = coalesce(tried_at, ?), ts = nullif(?, ''), picture = ?, file = ? WHERE key = ?`,
		p.Channel, tried, p.ID, string(p.Picture), p.File, p.Key)
	if err != nil {
		return fmt.Errorf("recording digest %s: %w", p.Key, explain(err))
	}
	return nil
}

// MarkUpload records which file is a message's picture, and what becomes of it.
func (l *Ledger) MarkUpload(ctx context.Context, p wave.Posting) error { return l.markDigest(ctx, p, nil) }

// FinishDigest records that nothing is left to do for a digest.
func (l *Ledger) FinishDigest(ctx context.Context, key string, now time.Time) error {
	if _, err := l.w.ExecContext(ctx, `UPDATE digests SET done_at = ? WHERE key = ?`, now.UnixMilli(), key); err != nil {
		return fmt.Errorf("recording digest %s: %w", key, explain(err))
	}
	return nil
}
