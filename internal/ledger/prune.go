package ledger

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"time"

	"rollcall/internal/fleet"
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
func (l *Ledger) Prune(ctx context.Context, r Retention, now time.Time) (total int64, err error) {
	defer doing(&err, "pruning")
	old := now.Add(-r.Scaling).UnixMilli()
	all, err := l.Clusters(ctx)
	if err != nil {
		return 0, err
	}
	kinds, err := list(fleet.ChangeKinds)
	if err != nil {
		return 0, err
	}
	count := func(n int64, err error) error {
		total += n
		return err
	}
	for _, c := range all {
		if err := count(l.pruneEvents(ctx, c.Cluster, 0, now.Add(-r.Other).UnixMilli())); err != nil {
			return total, err
		}
		if err := count(l.pruneEvents(ctx, c.Cluster, 1, old)); err != nil {
			return total, err
		}
		if err := count(l.deleteStepwise(ctx, pruneChangesSQL, c.Cluster, kinds, old)); err != nil {
			return total, err
		}
		for _, stmt := range pruneClusterSQL {
			if err := count(l.deleteStepwise(ctx, stmt, c.Cluster, old)); err != nil {
				return total, err
			}
		}
	}
	for _, stmt := range pruneSQL {
		if err := count(l.deleteStepwise(ctx, stmt, old)); err != nil {
			return total, err
		}
	}
	if err := l.pruneLabels(ctx); err != nil {
		return total, err
	}
	for scaling, limit := range []int64{cmp.Or(r.MaxOther, DefaultMaxOther), cmp.Or(r.MaxScaling, DefaultMaxScaling)} {
		if err := count(l.bound(ctx, scaling, limit)); err != nil {
			return total, err
		}
	}
	return total, nil
}

// The statements of Prune, each of which deletes one step. Their last argument is how many rows that is, the
// one before it up to when they are old.
var (
	pruneChangesSQL = `DELETE FROM changes WHERE id IN (SELECT c.id FROM changes c
		WHERE c.cluster = ? AND ` + in(`c.kind`) + ` AND c.at < ? AND (c.tell = 0 OR c.told_at IS NOT NULL)
		AND NOT EXISTS (SELECT 1 FROM waves w WHERE w.id = c.wave_id AND w.done_at IS NULL) LIMIT ?)`
	pruneClusterSQL = []string{
		`DELETE FROM nodes WHERE (cluster, uid) IN (SELECT n.cluster, n.uid FROM nodes n
			WHERE n.cluster = ? AND n.removed_at < ?
			AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.cluster = n.cluster AND c.node_uid = n.uid) LIMIT ?)`,
		`DELETE FROM mutes WHERE id IN (SELECT m.id FROM mutes m WHERE m.cluster = ? AND m.until_at < ? AND m.told_end = 1
			AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.cluster = m.cluster AND c.mute_id = m.id) LIMIT ?)`,
	}
	pruneSQL = []string{
		`DELETE FROM digests WHERE id IN (SELECT d.id FROM digests d WHERE d.until_at < ?
			AND d.until_at < (SELECT max(o.until_at) FROM digests o WHERE o.cluster = d.cluster) LIMIT ?)`,
		`DELETE FROM messages WHERE key IN (SELECT m.key FROM messages m WHERE m.part = 'digest' AND m.created_at < ?
			AND NOT EXISTS (SELECT 1 FROM digests d WHERE d.key = m.key) LIMIT ?)`,
		`DELETE FROM gaps WHERE id IN (SELECT g.id FROM gaps g WHERE g.until_at < ? AND NOT EXISTS (SELECT 1 FROM waves w
			WHERE w.about = '{"gap":' || g.id || '}' AND w.done_at IS NULL) LIMIT ?)`,
		`DELETE FROM messages WHERE key IN (SELECT m.key FROM messages m JOIN waves w ON w.id = m.wave_id
			WHERE w.done_at < ? LIMIT ?)`,
		`DELETE FROM waves WHERE id IN (SELECT w.id FROM waves w WHERE w.done_at < ?
			AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.wave_id = w.id) LIMIT ?)`,
	}
)

// pruneLabels deletes the label sets that no node has any more. They are found without keeping
// writers waiting, because there may be as many as nodes.
func (l *Ledger) pruneLabels(ctx context.Context) error {
	for after := int64(0); ctx.Err() == nil; {
		ids, err := collect(ctx, l.r, value[int64], `SELECT s.id FROM label_sets s WHERE s.id > ?
			AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.label_set = s.id) ORDER BY s.id LIMIT ?`, after, pruneStep)
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		of, err := list(ids)
		if err != nil {
			return err
		}
		// A node may have got the set meanwhile.
		if err := l.exec(ctx, `DELETE FROM label_sets WHERE `+in(`id`)+`
			AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.label_set = label_sets.id)`, of); err != nil {
			return err
		}
		if len(ids) < pruneStep {
			return nil
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
	size, _, err := one(ctx, l.r, value[int64], `SELECT coalesce(sum(bytes), 0) FROM event_totals WHERE scaling = ?`,
		scaling)
	for err == nil && size > limit && ctx.Err() == nil {
		cluster, ok, err := one(ctx, l.r, value[string],
			`SELECT cluster FROM (SELECT t.cluster, (SELECT min(e.last_at) FROM events e
				WHERE e.cluster = t.cluster AND e.scaling = t.scaling) AS oldest
			FROM event_totals t WHERE t.scaling = ?) o WHERE oldest IS NOT NULL ORDER BY oldest LIMIT 1`, scaling)
		if err != nil || !ok {
			return total, err
		}
		n, freed, err := l.deleteEvents(ctx, cluster, scaling, math.MaxInt64)
		total += n
		if err != nil {
			return total, err
		}
		size -= freed
	}
	return total, err
}

// deleteEvents deletes the oldest events of a class of a cluster that were last seen before
// old, one step of them, and returns how many and how large they were.
func (l *Ledger) deleteEvents(ctx context.Context, cluster string, scaling int, old int64) (n, freed int64, err error) {
	err = l.tx(ctx, func(tx tx) error {
		sizes, err := collect(ctx, tx, value[int64], `DELETE FROM events WHERE id IN (SELECT id FROM events
			WHERE cluster = ? AND scaling = ? AND last_at < ? ORDER BY last_at LIMIT ?) RETURNING size`,
			cluster, scaling, old, pruneStep)
		if err != nil {
			return err
		}
		n, freed = int64(len(sizes)), 0
		for _, size := range sizes {
			freed += size
		}
		var by eventTotals
		by[scaling].events, by[scaling].bytes = -n, -freed
		return by.add(ctx, tx, cluster)
	})
	return n, freed, err
}

// deleteStepwise repeats a statement until it deletes less than a step, which is its last argument.
func (l *Ledger) deleteStepwise(ctx context.Context, stmt string, args ...any) (total int64, err error) {
	for n := int64(pruneStep); n == pruneStep && ctx.Err() == nil; total += n {
		res, err := l.w.ExecContext(ctx, stmt, append(args[:len(args):len(args)], pruneStep)...)
		if err != nil {
			return total, err
		}
		if n, err = res.RowsAffected(); err != nil {
			return total, err
		}
	}
	return total, nil
}
