package ledger

import (
	"context"
	"database/sql"
	"iter"
	"time"

	"rollcall/internal/fleet"
)

// Lives yields the lives of a cluster that have a part in [from, until), in no order.
func (l *Ledger) Lives(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Life, error] {
	return withDoing(each(ctx, l.r, scanLife, livesSQL, cluster, from.UnixMilli(), until.UnixMilli()),
		"reading lives in %s", cluster)
}

const lifeColumns = machineColumns + `, n.uid, n.name, n.pool, n.created_at, n.ready_at, n.removed_at, n.removed_after`

const livesSQL = `SELECT ` + lifeColumns +
	` FROM nodes n WHERE n.cluster = ?1 AND n.removed_at IS NULL AND n.created_at < ?3
	UNION ALL SELECT ` + lifeColumns + ` FROM nodes n WHERE n.cluster = ?1 AND n.removed_at >= ?2 AND n.created_at < ?3`

func scanLife(from row) (n fleet.Life, err error) {
	var joined, ready, removed, after sql.NullInt64
	err = from.Scan(append(machineDest(&n.Machine), &n.UID, &n.Name, &n.Pool, &joined, &ready, &removed, &after)...)
	n.Joined, n.Ready, n.Removed, n.RemovedAfter = fromMS(joined), fromMS(ready), fromMS(removed), fromMS(after)
	return n, err
}

// Incidents returns the times in which nodes of a cluster were not ready that have a part in
// [from, until), by their beginning. What happened since until is not looked at: such an
// incident still lasts.
func (l *Ledger) Incidents(ctx context.Context, cluster string, from, until time.Time) (all []fleet.Incident,
	err error) {
	defer doing(&err, "reading incidents of %s", cluster)
	return collect(ctx, l.r, func(r row) (i fleet.Incident, err error) {
		var at, back, removed sql.NullInt64
		if err := r.Scan(&i.NodeUID, &i.NodeName, &i.Reason, &at, &back, &removed); err != nil {
			return i, err
		}
		i.From, i.Until = fromMS(at), fromMS(back)
		if !back.Valid && removed.Valid {
			i.Until, i.Left = fromMS(removed), true
		}
		if !i.Until.Before(until) {
			i.Until, i.Left = time.Time{}, false
		}
		return i, nil
	}, incidentsSQL, cluster, from.UnixMilli(), until.UnixMilli())
}

const incidentsSQL = `SELECT * FROM (SELECT c.node_uid, n.name, c.reason, c.at AS began, (SELECT r.at FROM changes r
		WHERE r.cluster = c.cluster AND r.node_uid = c.node_uid AND r.kind = 'recovered'
			AND r.occurrence = c.occurrence) AS back, n.removed_at
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid WHERE c.cluster = ?1
		AND c.kind = 'not_ready' AND c.at < ?3) i
	WHERE coalesce(i.back, i.removed_at, ?3) >= ?2 ORDER BY i.began, i.node_uid`

// LifeSpans is Lives with nothing but when nodes joined and left, which is a third of the work: it is asked
// once a minute.
func (l *Ledger) LifeSpans(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Life, error] {
	return withDoing(each(ctx, l.r, func(r row) (n fleet.Life, err error) {
		var joined, removed sql.NullInt64
		err = r.Scan(&joined, &removed)
		n.Joined, n.Removed = fromMS(joined), fromMS(removed)
		return n, err
	}, `SELECT created_at, removed_at FROM nodes WHERE cluster = ?1 AND removed_at IS NULL AND created_at < ?3
		UNION ALL SELECT created_at, removed_at FROM nodes WHERE cluster = ?1 AND removed_at >= ?2 AND created_at < ?3`,
		cluster, from.UnixMilli(), until.UnixMilli()), "reading lives in %s", cluster)
}
