package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Retention says how long the ledger keeps what.
type Retention struct {
	Scaling time.Duration // scaling events, changes, mutes, gaps, waves and removed nodes
	Other   time.Duration // all other events
	// MaxOther and MaxScaling bound the events kept, in bytes as fleet.Event.Size counts them;
	// the oldest go first. 0 means DefaultMaxOther and DefaultMaxScaling.
	MaxOther, MaxScaling int64
}

// The bounds on disk of the two classes of events. They are Rollcall's own choice: together
// they fit the 2 GiB volume of the manifests with room for the log.
const (
	DefaultMaxOther   = 128 << 20
	DefaultMaxScaling = 1 << 30
)

// pruneStep is how many rows one transaction deletes, so that a writer waits for a few
// milliseconds at most.
const pruneStep = 200

// Run prunes every interval until ctx ends. A failed round is logged and tried again.
func (l *Ledger) Run(ctx context.Context, r Retention, interval time.Duration, log *slog.Logger) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		n, err := l.Prune(ctx, r, time.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			log.Warn("pruning the ledger failed; trying again later", "err", err)
		case n > 0:
			log.Debug("pruned the ledger", "rows", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Prune deletes what is older than r allows, in small transactions between which writers go
// ahead, and returns how many rows it deleted. What was not told yet is never deleted.
func (l *Ledger) Prune(ctx context.Context, r Retention, now time.Time) (int64, error) {
	old := now.Add(-r.Scaling).UnixMilli()
	clusters, err := l.Clusters(ctx)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, c := range clusters {
		n, err := l.pruneEvents(ctx, c.Cluster, 0, now.Add(-r.Other).UnixMilli())
		total += n
		if err != nil {
			return total, err
		}
		n, err = l.pruneEvents(ctx, c.Cluster, 1, old)
		total += n
		if err != nil {
			return total, err
		}
		for _, p := range []struct {
			stmt string
			args []any
		}{
			{`DELETE FROM changes WHERE id IN (SELECT c.id FROM changes c WHERE c.cluster = ? AND c.kind IN (SELECT value FROM json_each(?)) AND c.at < ?
				AND (c.tell = 0 OR c.told_at IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM waves w WHERE w.id = c.wave_id AND w.done_at IS NULL) LIMIT ?)`, []any{c.Cluster, changeKinds, old}},
			{`DELETE FROM nodes WHERE (cluster, uid) IN (SELECT n.cluster, n.uid FROM nodes n WHERE n.cluster = ? AND n.removed_at < ?
				AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.cluster = n.cluster AND c.node_uid = n.uid) LIMIT ?)`, []any{c.Cluster, old}},
			{`DELETE FROM mutes WHERE id IN (SELECT m.id FROM mutes m WHERE m.cluster = ? AND m.until_at < ? AND m.told_end = 1
				AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.cluster = m.cluster AND c.mute_id = m.id) LIMIT ?)`, []any{c.Cluster, old}},
		} {
			n, err := l.deleteStepwise(ctx, p.stmt, p.args...)
			total += n
			if err != nil {
				return total, err
			}
		}
	}
	for _, stmt := range []string{
		`DELETE FROM digests WHERE id IN (SELECT d.id FROM digests d WHERE d.until_at < ? AND d.until_at < (SELECT max(o.until_at) FROM digests o WHERE o.cluster = d.cluster) LIMIT ?)`,
		`DELETE FROM gaps WHERE id IN (SELECT g.id FROM gaps g WHERE g.until_at < ? AND NOT EXISTS (SELECT 1 FROM waves w WHERE w.gap_id = g.id AND w.done_at IS NULL) LIMIT ?)`,
		`DELETE FROM messages WHERE key IN (SELECT m.key FROM messages m JOIN waves w ON w.id = m.wave_id WHERE w.done_at < ? LIMIT ?)`,
		`DELETE FROM waves WHERE id IN (SELECT w.id FROM waves w WHERE w.done_at < ? AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.wave_id = w.id) LIMIT ?)`,
	} {
		n, err := l.deleteStepwise(ctx, stmt, old)
		total += n
		if err != nil {
			return total, err
		}
	}
	if err := l.pruneLabels(ctx); err != nil {
		return total, err
	}
	for scaling, limit := range []int64{orDefault(r.MaxOther, DefaultMaxOther), orDefault(r.MaxScaling, DefaultMaxScaling)} {
		n, err := l.bound(ctx, scaling, limit)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func orDefault(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}

// pruneLabels deletes the label sets that no node has any more. They are found without keeping
// writers waiting, because there may be as many as nodes.
func (l *Ledger) pruneLabels(ctx context.Context) error {
	for after, n := int64(0), pruneStep; n == pruneStep && ctx.Err() == nil; {
		var ids []int64
		rows, err := l.r.QueryContext(ctx, `SELECT s.id FROM label_sets s WHERE s.id > ? AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.label_set = s.id) ORDER BY s.id LIMIT ?`, after, pruneStep)
		if err != nil {
			return fmt.Errorf("pruning labels: %w", explain(err))
		}
		for rows.Next() {
			if err := rows.Scan(&after); err != nil {
				return errors.Join(err, rows.Close())
			}
			ids = append(ids, after)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return fmt.Errorf("pruning labels: %w", explain(err))
		}
		if n = len(ids); n == 0 {
			return nil
		}
		list, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		// A node may have got the set meanwhile.
		if _, err := l.w.ExecContext(ctx, `DELETE FROM label_sets WHERE id IN (SELECT value FROM json_each(?))
			AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.label_set = label_sets.id)`, string(list)); err != nil {
			return fmt.Errorf("pruning labels: %w", explain(err))
		}
	}
	return nil
}

// pruneEvents deletes the events of a class of a cluster that were last seen before old.
func (l *Ledger) pruneEvents(ctx context.Context, cluster string, scaling int, old int64) (total int64, err error) {
	for ctx.Err() == nil {
		n, _, err := l.deleteEvents(ctx, cluster, scaling, old)
		total += n
		if err != nil || n < pruneStep {
			return total, err
		}
	}
	return total, nil
}

// bound deletes the oldest events of a class until the rest fits the limit in bytes.
func (l *Ledger) bound(ctx context.Context, scaling int, limit int64) (total int64, err error) {
	var size int64
	if err := l.r.QueryRowContext(ctx, `SELECT coalesce(sum(bytes), 0) FROM event_totals WHERE scaling = ?`, scaling).Scan(&size); err != nil {
		return 0, fmt.Errorf("measuring events: %w", explain(err))
	}
	for size > limit && ctx.Err() == nil {
		var cluster string
		err := l.r.QueryRowContext(ctx, `SELECT cluster FROM (SELECT t.cluster, (SELECT min(e.last_at) FROM events e WHERE e.cluster = t.cluster AND e.scaling = t.scaling) AS oldest
			FROM event_totals t WHERE t.scaling = ?) o WHERE oldest IS NOT NULL ORDER BY oldest LIMIT 1`, scaling).Scan(&cluster)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return total, fmt.Errorf("measuring events: %w", explain(err))
		}
		n, freed, err := l.deleteEvents(ctx, cluster, scaling, math.MaxInt64)
		total += n
		if err != nil {
			return total, err
		}
		size -= freed
	}
	return total, nil
}

// deleteEvents deletes the oldest events of a class of a cluster that were last seen before
// old, one step of them, and returns how many and how large they were.
func (l *Ledger) deleteEvents(ctx context.Context, cluster string, scaling int, old int64) (n, freed int64, err error) {
	err = l.tx(ctx, func(tx tx) error {
		n, freed = 0, 0
		rows, err := tx.QueryContext(ctx, `DELETE FROM events WHERE id IN
			(SELECT id FROM events WHERE cluster = ? AND scaling = ? AND last_at < ? ORDER BY last_at LIMIT ?) RETURNING size`, cluster, scaling, old, pruneStep)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var size int64
			if err := rows.Scan(&size); err != nil {
				return err
			}
			n, freed = n+1, freed+size
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		var by eventTotals
		by[scaling].events, by[scaling].bytes = -n, -freed
		return by.add(ctx, tx, cluster)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("pruning events: %w", explain(err))
	}
	return n, freed, nil
}

func (l *Ledger) deleteStepwise(ctx context.Context, stmt string, args ...any) (int64, error) {
	var total int64
	for ctx.Err() == nil {
		res, err := l.w.ExecContext(ctx, stmt, append(args[:len(args):len(args)], pruneStep)...)
		if err != nil {
			return total, fmt.Errorf("pruning: %w", explain(err))
		}
		n, err := res.RowsAffected()
		if err != nil {
			return total, err
		}
		total += n
		if n < pruneStep {
			break
		}
	}
	return total, nil
}
