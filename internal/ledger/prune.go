package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Retention says how long the ledger keeps what.
type Retention struct {
	Scaling time.Duration // scaling events, changes, gaps, waves and removed nodes
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
	var total int64
	for _, p := range []struct {
		stmt string
		args []any
	}{
		{`DELETE FROM events WHERE (cluster, uid) IN (SELECT cluster, uid FROM events WHERE scaling = 0 AND last_at < ? LIMIT ?)`, []any{now.Add(-r.Other).UnixMilli()}},
		{`DELETE FROM events WHERE (cluster, uid) IN (SELECT cluster, uid FROM events WHERE scaling = 1 AND last_at < ? LIMIT ?)`, []any{old}},
		{`DELETE FROM changes WHERE id IN (SELECT c.id FROM changes c WHERE c.at < ? AND (c.tell = 0 OR c.told_at IS NOT NULL)
			AND NOT EXISTS (SELECT 1 FROM waves w WHERE w.id = c.wave_id AND w.done_at IS NULL) LIMIT ?)`, []any{old}},
		{`DELETE FROM nodes WHERE (cluster, uid) IN (SELECT n.cluster, n.uid FROM nodes n WHERE n.removed_at < ?
			AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.cluster = n.cluster AND c.node_uid = n.uid) LIMIT ?)`, []any{old}},
		{`DELETE FROM gaps WHERE id IN (SELECT g.id FROM gaps g WHERE g.until_at < ? AND NOT EXISTS (SELECT 1 FROM waves w WHERE w.gap_id = g.id AND w.done_at IS NULL) LIMIT ?)`, []any{old}},
		{`DELETE FROM messages WHERE key IN (SELECT m.key FROM messages m JOIN waves w ON w.id = m.wave_id WHERE w.done_at < ? LIMIT ?)`, []any{old}},
		{`DELETE FROM waves WHERE id IN (SELECT w.id FROM waves w WHERE w.done_at < ? AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.wave_id = w.id) LIMIT ?)`, []any{old}},
	} {
		n, err := l.deleteStepwise(ctx, p.stmt, p.args...)
		total += n
		if err != nil {
			return total, err
		}
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

// bound deletes the oldest events of a class until the rest fits the limit in bytes.
func (l *Ledger) bound(ctx context.Context, scaling int, limit int64) (int64, error) {
	var size int64
	if err := l.r.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0) FROM events WHERE scaling = ?`, scaling).Scan(&size); err != nil {
		return 0, fmt.Errorf("measuring events: %w", explain(err))
	}
	var total int64
	for size > limit && ctx.Err() == nil {
		var freed, n int64
		rows, err := l.w.QueryContext(ctx, `DELETE FROM events WHERE (cluster, uid) IN
			(SELECT cluster, uid FROM events WHERE scaling = ? ORDER BY last_at LIMIT ?) RETURNING size`, scaling, pruneStep)
		if err != nil {
			return total, fmt.Errorf("pruning events: %w", explain(err))
		}
		for rows.Next() {
			var s int64
			if err := rows.Scan(&s); err != nil {
				rows.Close()
				return total, err
			}
			freed += s
			n++
		}
		if err := rows.Err(); err != nil {
			return total, fmt.Errorf("pruning events: %w", explain(err))
		}
		if n == 0 {
			break
		}
		size -= freed
		total += n
	}
	return total, nil
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
