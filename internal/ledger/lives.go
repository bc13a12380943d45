package ledger

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"time"

	"rollcall/internal/fleet"
)

// lifeColumns are what scanLife receives, of nodes n.
const lifeColumns = machineColumns + `, n.uid, n.name, n.pool, n.zone, n.created_at, n.ready_at, n.removed_at,
	n.removed_after,
	coalesce((SELECT c.cause_id FROM changes c WHERE c.cluster = n.cluster AND c.node_uid = n.uid AND c.kind = 'joined'
		AND c.occurrence = 1 AND c.cause_id IS NOT NULL), 0),
	CASE WHEN n.removed_at IS NULL THEN 0 ELSE coalesce((SELECT c.cause_id FROM changes c WHERE c.cluster = n.cluster
		AND c.node_uid = n.uid AND c.kind = 'removed' AND c.cause_id IS NOT NULL ORDER BY c.occurrence DESC LIMIT 1), 0) END`

// scanLife scans a life, whose causes are among those given.
func scanLife(causes map[int64]fleet.Cause) func(row) (fleet.Life, error) {
	return func(r row) (n fleet.Life, err error) {
		var came, went int64
		err = r.Scan(append(machineDest(&n.Machine), &n.UID, &n.Name, &n.Pool, &n.Zone, at{&n.Joined}, at{&n.Ready},
			at{&n.Removed}, at{&n.RemovedAfter}, &came, &went)...)
		n.Came, n.Went = causes[came], causes[went]
		return n, err
	}
}

const livesSQL = `SELECT ` + lifeColumns + ` FROM nodes n WHERE n.cluster = ? AND n.removed_at IS NULL
		AND n.created_at < ?
	UNION ALL SELECT ` + lifeColumns + ` FROM nodes n WHERE n.cluster = ? AND n.removed_at >= ? AND n.created_at < ?`

// Lives yields the lives of a cluster that have a part in [from, until), in no order, and at most
// one error, which is the last. Each says why the node came and went, as far as that was known when the call began.
func (l *Ledger) Lives(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Life, error] {
	end := until.UnixMilli()
	return telling("reading lives in "+cluster, func(yield func(fleet.Life, error) bool) {
		// Each cause once, and not with each life that has it.
		causes, err := l.causes(ctx, cluster)
		if err != nil {
			yield(fleet.Life{}, err)
			return
		}
		each(ctx, l.r, scanLife(causes), livesSQL, cluster, end, cluster, from.UnixMilli(), end)(yield)
	})
}

const labelledColumns = lightColumns + `, n.label_set, n.own_labels, s.labels`

var nodesBetweenSQL = `SELECT ` + labelledColumns + ` FROM nodes n` + nodeSets + ` WHERE n.cluster = ?
		AND n.removed_at IS NULL AND ` + dialect{}.unindexed(`n.created_at`) + ` < ?
	UNION ALL SELECT ` + labelledColumns + ` FROM nodes n` + nodeSets + ` WHERE n.cluster = ? AND n.removed_at >= ?
		AND ` + dialect{}.unindexed(`n.created_at`) + ` < ?`

// maxParsedSets is how many sets of labels NodesBetween holds at once: about a kilobyte each.
const maxParsedSets = 2000

// NodesBetween yields the nodes of the lives that Lives yields, as they were last seen, with their labels and without
// their Detail, in no order, and at most one error, which is the last. Nodes share their maps of labels.
func (l *Ledger) NodesBetween(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Node, error] {
	end := until.UnixMilli()
	parsed := map[int64]map[string]string{}
	return telling("reading nodes of "+cluster, each(ctx, l.r, func(r row) (fleet.Node, error) {
		var n nodeRow
		var set int64
		if err := r.Scan(append(n.light(), &set, &n.own, &n.labels)...); err != nil {
			return fleet.Node{}, err
		}
		shared, ok := parsed[set]
		if !ok {
			var err error
			if shared, err = joinLabels(n.labels, "{}"); err != nil {
				return fleet.Node{}, fmt.Errorf("reading the labels of node %s: %w", n.rec.UID, err)
			}
			if len(parsed) == maxParsedSets {
				clear(parsed)
			}
			parsed[set] = shared
		}
		n.rec.Labels = shared
		if n.own != "{}" {
			own, err := joinLabels(n.own, "{}")
			if err != nil {
				return fleet.Node{}, fmt.Errorf("reading the labels of node %s: %w", n.rec.UID, err)
			}
			if n.rec.Labels = own; len(shared) > 0 {
				n.rec.Labels = maps.Clone(shared)
				maps.Copy(n.rec.Labels, own)
			}
		}
		return n.rec.Node, nil
	}, nodesBetweenSQL, cluster, end, cluster, from.UnixMilli(), end))
}

const spansSQL = `SELECT created_at, removed_at FROM nodes WHERE cluster = ? AND removed_at IS NULL AND created_at < ?
	UNION ALL SELECT created_at, removed_at FROM nodes WHERE cluster = ? AND removed_at >= ? AND created_at < ?`

// LifeSpans is Lives with nothing but when each node joined and left, which is a third of the work: growth
// is looked for once a minute.
func (l *Ledger) LifeSpans(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Life, error] {
	end := until.UnixMilli()
	return telling("reading lives in "+cluster, each(ctx, l.r, func(r row) (n fleet.Life, err error) {
		err = r.Scan(at{&n.Joined}, at{&n.Removed})
		return n, err
	}, spansSQL, cluster, end, cluster, from.UnixMilli(), end))
}

const incidentsSQL = `SELECT i.node_uid, i.name, i.reason, i.began, i.back, i.removed_at FROM (
		SELECT c.node_uid, n.name, c.reason, c.at AS began, (SELECT r.at FROM changes r WHERE r.cluster = c.cluster
			AND r.node_uid = c.node_uid AND r.kind = 'recovered' AND r.occurrence = c.occurrence) AS back, n.removed_at
		FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
		WHERE c.cluster = ? AND c.kind = 'not_ready' AND c.at < ?) i
	WHERE coalesce(i.back, i.removed_at, ?) >= ? ORDER BY i.began, i.node_uid`

// Incidents returns the times in which nodes of a cluster were not ready that have a part in
// [from, until), by their beginning. What happened since until is not looked at: such an
// incident still lasts.
func (l *Ledger) Incidents(ctx context.Context, cluster string, from, until time.Time) (
	all []fleet.Incident, err error) {
	defer doing(&err, "reading incidents of %s", cluster)
	end := until.UnixMilli()
	return collect(ctx, l.r, func(r row) (i fleet.Incident, err error) {
		var removed time.Time
		err = r.Scan(&i.NodeUID, &i.NodeName, &i.Reason, at{&i.From}, at{&i.Until}, at{&removed})
		if i.Until.IsZero() && !removed.IsZero() {
			i.Until, i.Left = removed, true
		}
		if !i.Until.Before(until) {
			i.Until, i.Left = time.Time{}, false
		}
		return i, err
	}, incidentsSQL, cluster, end, end, from.UnixMilli())
}
