package ledger

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
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
	// MaxFile bounds all that is in the file, in bytes on disk: where it is more, removed nodes go, with their
	// changes and labels, the oldest first. What is live or untold stays. 0 means DefaultMaxFile.
	MaxFile int64
}

// The bounds on disk, of the two classes of events and of all together. They are Rollcall's own choice: they
// fit the 5 GiB volume of the manifests with room for the log and for an upgrade.
const (
	DefaultMaxOther   = 128 << 20
	DefaultMaxScaling = 1 << 30
	DefaultMaxFile    = 3 << 30
)

// pruneStep is how many rows one transaction deletes, so that a writer waits for a few
// milliseconds at most.
const pruneStep = 200

// Run prunes every interval until ctx ends, and keeps a reserve for a full disk. A failed round is logged and
// tried again.
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
		if err := l.keepReserve(); err != nil {
			log.Warn("no room can be kept for a full disk; trying again later", "err", err)
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
func (l *Ledger) Prune(ctx context.Context, r Retention, now time.Time) (rows int64, err error) {
	defer doing(&err, "pruning the ledger")
	old := now.Add(-r.Scaling).UnixMilli()
	clusters, err := l.clusters(ctx)
	if err != nil {
		return 0, err
	}
	// prune adds up what the steps delete, until one fails.
	prune := func(step func() (int64, error)) {
		if err == nil {
			var n int64
			n, err = step()
			rows += n
		}
	}
	drop := func(stmt string, args ...any) {
		prune(func() (int64, error) { return l.deleteStepwise(ctx, stmt, args...) })
	}
	for _, c := range clusters {
		for scaling := range 2 {
			prune(func() (int64, error) { return 0, l.rewind(ctx, c.Cluster, scaling, now) })
		}
		prune(func() (int64, error) { return l.pruneEvents(ctx, c.Cluster, 0, now.Add(-r.Other).UnixMilli()) })
		prune(func() (int64, error) { return l.pruneEvents(ctx, c.Cluster, 1, old) })
		prune(func() (int64, error) { return l.pruneDeliveries(ctx, c.Cluster, old, maxDeliveries) })
		prune(func() (int64, error) { return l.pruneChanges(ctx, c.Cluster, old) })
		drop(`DELETE FROM nodes WHERE (cluster, uid) IN (SELECT n.cluster, n.uid FROM nodes n WHERE n.cluster = ?
			AND n.removed_at < ? AND NOT EXISTS (
				SELECT 1 FROM changes c WHERE c.cluster = n.cluster AND c.node_uid = n.uid) LIMIT ?)`, c.Cluster, old)
		drop(`DELETE FROM waited WHERE (cluster, minute, namespace, pods_of, refusal, refused_by, pool, ended, told) IN (
			SELECT w.cluster, w.minute, w.namespace, w.pods_of, w.refusal, w.refused_by, w.pool, w.ended, w.told FROM waited w
			WHERE w.cluster = ? AND w.minute < ? LIMIT ?)`, c.Cluster, old)
		prune(func() (int64, error) { return l.pruneSpending(ctx, c.Cluster, old) })
		drop(`DELETE FROM mutes WHERE id IN (SELECT m.id FROM mutes m WHERE m.cluster = ? AND m.until_at < ?
			AND m.told_end = 1 AND NOT EXISTS (
				SELECT 1 FROM changes c WHERE c.cluster = m.cluster AND c.mute_id = m.id) LIMIT ?)`, c.Cluster, old)
	}
	for _, c := range clusters {
		drop(oldKeepsSQL, c.Cluster, old)
		drop(oldStepsSQL, c.Cluster, max(old, now.Add(-stepsKept).UnixMilli()), old)
	}
	// The last digest of each schedule stays, however old it is: the next period begins where it ends.
	const oldDigests = `FROM digests d WHERE d.until_at < ? AND d.until_at < (SELECT max(o.until_at) FROM digests o
		WHERE o.cluster = d.cluster AND o.audience = d.audience AND o.schedule = d.schedule)`
	drop(`DELETE FROM messages WHERE key IN (SELECT d.key `+oldDigests+`
		AND EXISTS (SELECT 1 FROM messages m WHERE m.key = d.key) LIMIT ?)`, old)
	drop(`DELETE FROM digests WHERE id IN (SELECT d.id `+oldDigests+` LIMIT ?)`, old)
	// As aboutText writes it.
	drop(`DELETE FROM gaps WHERE id IN (SELECT g.id FROM gaps g WHERE g.until_at < ? AND NOT EXISTS (
		SELECT 1 FROM waves w WHERE w.about = '{"gap":' || g.id || '}' AND w.done_at IS NULL) LIMIT ?)`, old)
	drop(`DELETE FROM messages WHERE key IN (SELECT m.key FROM messages m JOIN waves w ON w.id = m.wave_id
		WHERE w.done_at < ? LIMIT ?)`, old)
	drop(`DELETE FROM waves WHERE id IN (SELECT w.id FROM waves w WHERE w.done_at < ?
		AND (w.kind <> 'budget' OR w.done_at < ?)
		AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.wave_id = w.id) LIMIT ?)`, old,
		min(old, now.Add(-budgetMemory).UnixMilli()))
	drop(oldClaimsSQL, now.Add(-r.Other).UnixMilli(), old)
	drop(oldPoolsSQL, old)
	if err == nil {
		err = l.pruneLabels(ctx)
	}
	if err == nil {
		err = l.pruneCauses(ctx)
	}
	for scaling, limit := range []int64{cmp.Or(r.MaxOther, DefaultMaxOther), cmp.Or(r.MaxScaling, DefaultMaxScaling)} {
		prune(func() (int64, error) { return l.bound(ctx, scaling, limit) })
	}
	prune(func() (int64, error) { return l.boundFile(ctx, cmp.Or(r.MaxFile, DefaultMaxFile)) })
	return rows, err
}

// pruneChanges deletes the changes of a cluster that happened before old and are told, with what proves their causes.
func (l *Ledger) pruneChanges(ctx context.Context, cluster string, old int64) (total int64, err error) {
	for n := int64(pruneStep); n == pruneStep && ctx.Err() == nil; total += n {
		if err := l.tx(ctx, func(tx tx) error {
			ids, err := collect(ctx, tx, value[int64], oldChangesSQL(), cluster, l.sql.list(fleet.ChangeKinds), old, pruneStep)
			if err == nil {
				n, err = deleteChanges(ctx, tx, ids)
			}
			return err
		}); err != nil {
			return total, err
		}
	}
	return total, nil
}

// budgetMemory is for how long it is remembered at least what was told of budgets: longer than their periods.
const budgetMemory = 40 * 24 * time.Hour

func oldChangesSQL() string {
	return `SELECT c.id FROM changes c WHERE c.cluster = ? AND ` + dialect{}.in(`c.kind`) + `
		AND c.at < ? AND (c.tell = 0 OR c.told_at IS NOT NULL)
		AND NOT EXISTS (SELECT 1 FROM waves w WHERE w.id = c.wave_id AND w.done_at IS NULL) LIMIT ?`
}

// pruneLabels deletes the label sets that no node has any more. They are found without keeping
// writers waiting, because there may be as many as nodes.
func (l *Ledger) pruneLabels(ctx context.Context) error {
	for after, n := int64(0), pruneStep; n == pruneStep && ctx.Err() == nil; {
		ids, err := collect(ctx, l.r, value[int64], `SELECT s.id FROM label_sets s WHERE s.id > ?
			AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.label_set = s.id) ORDER BY s.id LIMIT ?`, after, pruneStep)
		if n = len(ids); err != nil || n == 0 {
			return err
		}
		after = ids[n-1]
		// A node may have got the set meanwhile.
		if _, err := l.exec(ctx, `DELETE FROM label_sets WHERE `+l.sql.in(`id`)+`
			AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.label_set = label_sets.id)`, l.sql.list(ids)); err != nil {
			return err
		}
	}
	return nil
}

// rewindAfter is how far in the future an event may be before it counts as of now: clocks differ by less.
const rewindAfter = time.Hour

// rewind sets events that are yet to come to now: an earlier version recorded what they said of themselves, and they
// would never be old.
func (l *Ledger) rewind(ctx context.Context, cluster string, scaling int, now time.Time) error {
	_, err := l.exec(ctx, `UPDATE events SET last_at = ? WHERE cluster = ? AND scaling = ? AND last_at > ?`,
		now.UnixMilli(), cluster, scaling, now.Add(rewindAfter).UnixMilli())
	return err
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

const oldestEventsSQL = `SELECT o.cluster FROM (SELECT t.cluster, (SELECT min(e.last_at) FROM events e
		WHERE e.cluster = t.cluster AND e.scaling = t.scaling) AS oldest FROM event_totals t WHERE t.scaling = ?) o
	WHERE o.oldest IS NOT NULL ORDER BY o.oldest LIMIT 1`

// loudestSQL selects the namespace of a cluster that most bytes of a class of events regard.
const loudestSQL = `SELECT e.cluster, e.namespace, sum(e.size) AS bytes FROM events e WHERE e.scaling = ?
	GROUP BY e.cluster, e.namespace ORDER BY bytes DESC LIMIT 1`

// bound deletes the oldest events of a class until the rest fits the limit in bytes. Of a namespace that has more than
// half of that, its own go first: the API server sees to it that nobody can write events of another namespace, so
// whoever floods one pushes out nobody else's.
func (l *Ledger) bound(ctx context.Context, scaling int, limit int64) (total int64, err error) {
	size, _, err := one(ctx, l.r, value[int64], `SELECT coalesce(sum(bytes), 0) FROM event_totals WHERE scaling = ?`,
		scaling)
	if err != nil {
		return 0, err
	}
	if size > limit {
		type share struct {
			cluster, namespace string
			bytes              int64
		}
		loudest, ok, err := one(ctx, l.r, func(r row) (s share, err error) {
			err = r.Scan(&s.cluster, &s.namespace, &s.bytes)
			return s, err
		}, loudestSQL, scaling)
		for err == nil && ok && size > limit && loudest.bytes > limit/2 && ctx.Err() == nil {
			var n, freed int64
			err = l.tx(ctx, func(tx tx) error {
				n, freed, err = deleteEvents(ctx, tx, loudest.cluster, scaling, math.MaxInt64, loudest.namespace)
				if err == nil && scaling == 1 {
					err = setMeta(ctx, tx, metaEventsLost, time.Now().UnixMilli())
				}
				return err
			})
			total, size, loudest.bytes = total+n, size-freed, loudest.bytes-freed
			ok = n > 0
		}
		if err != nil {
			return total, err
		}
	}
	for size > limit && ctx.Err() == nil {
		cluster, ok, err := one(ctx, l.r, value[string], oldestEventsSQL, scaling)
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
	return total, nil
}

// deleteEvents deletes the oldest events of a class of a cluster that were last seen before
// old, one step of them, and returns how many and how large they were.
func (l *Ledger) deleteEvents(ctx context.Context, cluster string, scaling int, old int64) (n, freed int64, err error) {
	err = l.tx(ctx, func(tx tx) error {
		n, freed, err = deleteEvents(ctx, tx, cluster, scaling, old)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return n, freed, nil
}

// deleteEvents is one step of that; of one namespace only, if one is given.
func deleteEvents(ctx context.Context, tx tx, cluster string, scaling int, old int64, namespace ...string) (
	n, freed int64, err error) {
	where, args := `cluster = ? AND scaling = ? AND last_at < ?`, []any{cluster, scaling, old}
	for _, name := range namespace {
		where, args = where+` AND namespace = ?`, append(args, name)
	}
	type sized struct{ id, size int64 }
	gone, err := collect(ctx, tx, func(r row) (e sized, err error) {
		err = r.Scan(&e.id, &e.size)
		return e, err
	}, `DELETE FROM events WHERE id IN (SELECT id FROM events
		WHERE `+where+` ORDER BY last_at LIMIT ?) RETURNING id, size`, append(args, pruneStep)...)
	if err != nil {
		return 0, 0, err
	}
	ids := make([]int64, len(gone))
	for i, e := range gone {
		ids[i] = e.id
		freed += e.size
	}
	n = int64(len(gone))
	if scaling == 1 && n > 0 {
		var sql dialect
		if _, err := tx.exec(ctx, `DELETE FROM event_names WHERE `+sql.in(`event_id`), sql.list(ids)); err != nil {
			return 0, 0, err
		}
	}
	var by eventTotals
	by[scaling].events, by[scaling].bytes = -n, -freed
	return n, freed, by.add(ctx, tx, cluster)
}

// boundFile deletes removed nodes with their changes, the oldest first, until the file holds no more than limit
// bytes. What is live or untold stays, however much it is.
func (l *Ledger) boundFile(ctx context.Context, limit int64) (total int64, err error) {
	for ctx.Err() == nil {
		size, err := l.fileSize(ctx)
		if err != nil || size.used <= limit {
			return total, err
		}
		var n int64
		if err := l.tx(ctx, func(tx tx) error { n, err = deleteLives(ctx, tx); return err }); err != nil || n == 0 {
			return total, err
		}
		if total == 0 {
			l.log.Warn("the ledger has reached its bound; removed nodes are forgotten before SCALING_RETENTION",
				"bytes", size.used, "bound", limit)
		}
		total += n
		if err := l.pruneLabels(ctx); err != nil {
			return total, err
		}
	}
	return total, nil
}

// oldLivesSQL selects the lives that may go first: of nodes that left longest ago, all that there was to tell of
// them is told, by waves that are done.
const oldLivesSQL = `SELECT n.uid, n.removed_at FROM nodes n WHERE n.cluster = ? AND n.removed_at > 0 AND NOT EXISTS (
		SELECT 1 FROM changes c WHERE c.cluster = n.cluster AND c.node_uid = n.uid AND (c.tell = 1 AND c.told_at IS NULL
			OR EXISTS (SELECT 1 FROM waves w WHERE w.id = c.wave_id AND w.done_at IS NULL)))
	ORDER BY n.removed_at LIMIT ?`

// deleteLives deletes one step of removed nodes with their changes, and returns how many rows it were.
func deleteLives(ctx context.Context, tx tx) (n int64, err error) {
	clusters, err := collect(ctx, tx, value[string], `SELECT cluster FROM clusters`)
	if err != nil {
		return 0, err
	}
	type life struct {
		cluster, uid string
		removed      int64
	}
	var old []life
	for _, cluster := range clusters {
		of, err := collect(ctx, tx, func(r row) (life, error) {
			x := life{cluster: cluster}
			err := r.Scan(&x.uid, &x.removed)
			return x, err
		}, oldLivesSQL, cluster, pruneStep)
		if err != nil {
			return 0, err
		}
		old = append(old, of...)
	}
	slices.SortStableFunc(old, func(a, b life) int { return cmp.Compare(a.removed, b.removed) })
	var spent tally
	for _, x := range old[:min(len(old), pruneStep)] {
		ids, err := collect(ctx, tx, value[int64], `SELECT id FROM changes WHERE cluster = ? AND node_uid = ?`, x.cluster,
			x.uid)
		if err != nil {
			return 0, err
		}
		changes, err := deleteChanges(ctx, tx, ids)
		if err != nil {
			return 0, err
		}
		nodes, err := spent.forgetNode(ctx, tx, x.cluster, x.uid)
		if err != nil {
			return 0, err
		}
		n += changes + nodes
	}
	return n, spent.flush(ctx, tx)
}

// deleteStepwise runs a statement that deletes at most as many rows as its last parameter says, until
// it finds no more.
func (l *Ledger) deleteStepwise(ctx context.Context, stmt string, args ...any) (total int64, err error) {
	for ctx.Err() == nil {
		n, err := l.exec(ctx, stmt, append(slices.Clip(args), pruneStep)...)
		total += n
		if err != nil || n < pruneStep {
			return total, err
		}
	}
	return total, nil
}
