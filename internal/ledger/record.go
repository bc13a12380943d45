package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// nodeDetail is the JSON of the column nodes.detail.
type nodeDetail struct {
	fleet.Detail
	Message string `json:"ready_message,omitempty"` // the Ready condition's
}

// ms is a time for the database: nil for the zero time, so that it becomes NULL.
func ms(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromMS(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMilli(v.Int64).UTC()
}

// Checkpoint returns where the watches of a cluster stand; the zero value for a new cluster.
func (l *Ledger) Checkpoint(ctx context.Context, cluster string) (fleet.Checkpoint, error) {
	var c fleet.Checkpoint
	var base, until sql.NullInt64
	err := l.r.QueryRowContext(ctx, `SELECT baseline_at, watched_until, nodes_version, events_version FROM clusters WHERE cluster = ?`, cluster).
		Scan(&base, &until, &c.NodesVersion, &c.EventsVersion)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("reading checkpoint of %s: %w", cluster, explain(err))
	}
	c.BaselineAt, c.WatchedUntil = fromMS(base), fromMS(until)
	return c, nil
}

// KnownNodes returns what to remember of each live node, by UID.
func (l *Ledger) KnownNodes(ctx context.Context, cluster string) (map[string]fleet.Known, error) {
	rows, err := l.r.QueryContext(ctx, `SELECT uid, fingerprint, ready_since, status, ever_ready, cordoned, unready, cordons
		FROM nodes WHERE cluster = ? AND removed_at IS NULL`, cluster)
	if err != nil {
		return nil, fmt.Errorf("reading live nodes of %s: %w", cluster, explain(err))
	}
	defer rows.Close()
	known := map[string]fleet.Known{}
	for rows.Next() {
		var uid string
		var k fleet.Known
		var fp int64
		var since sql.NullInt64
		if err := rows.Scan(&uid, &fp, &since, &k.Status, &k.EverReady, &k.Cordoned, &k.Unready, &k.Cordons); err != nil {
			return nil, err
		}
		k.Fingerprint = uint64(fp)
		if since.Valid {
			k.ReadySince = since.Int64 / 1000
		}
		known[uid] = k
	}
	return known, rows.Err()
}

const nodeColumns = `n.cluster, n.uid, n.name, n.provider, n.instance_type, n.capacity_type, n.zone, n.region, n.pool, n.arch, n.os,
	n.status, n.ready_reason, n.ready_since, n.cordoned, n.created_at, n.ready_at, n.removed_at, n.removed_after, n.detail, n.own_labels, s.labels`

// nodeSets joins what nodeColumns needs to nodes n.
const nodeSets = ` JOIN label_sets s ON s.id = n.label_set`

// nodeRow receives nodeColumns, or lightColumns.
type nodeRow struct {
	n                                     fleet.Node
	detail, own, labels                   string
	since, created, ready, removed, after sql.NullInt64
}

// lightColumns are nodeColumns without what takes long to read.
const lightColumns = `n.cluster, n.uid, n.name, n.provider, n.instance_type, n.capacity_type, n.zone, n.region, n.pool, n.arch, n.os,
	n.status, n.ready_reason, n.ready_since, n.cordoned, n.created_at, n.ready_at, n.removed_at, n.removed_after`

func (r *nodeRow) light() []any {
	n := &r.n
	return []any{&n.Cluster, &n.UID, &n.Name, &n.Provider, &n.InstanceType, &n.CapacityType, &n.Zone, &n.Region, &n.Pool, &n.Arch, &n.OS,
		&n.Ready.Status, &n.Ready.Reason, &r.since, &n.Cordoned, &r.created, &r.ready, &r.removed, &r.after}
}

func (r *nodeRow) dest() []any { return append(r.light(), &r.detail, &r.own, &r.labels) }

// record returns the scanned node.
func (r *nodeRow) record() (query.NodeRecord, error) {
	n := r.n
	n.Ready.Since, n.CreatedAt = fromMS(r.since), fromMS(r.created)
	rec := query.NodeRecord{Node: n, FirstReady: fromMS(r.ready), RemovedAt: fromMS(r.removed), RemovedAfter: fromMS(r.after)}
	if r.detail == "" {
		return rec, nil
	}
	var d nodeDetail
	err := json.Unmarshal([]byte(r.detail), &d)
	if err == nil {
		rec.Labels, err = joinLabels(r.labels, r.own)
	}
	if err != nil {
		return query.NodeRecord{}, fmt.Errorf("reading node %s: %w", r.n.UID, err)
	}
	rec.Detail, rec.Ready.Message = d.Detail, d.Message
	return rec, nil
}

// node returns the scanned node and when it left, if it did.
func (r *nodeRow) node() (fleet.Node, time.Time, error) {
	rec, err := r.record()
	return rec.Node, rec.RemovedAt, err
}

// Node returns a node, living or gone, as it was last recorded.
func (l *Ledger) Node(ctx context.Context, cluster, uid string) (fleet.Node, bool, error) {
	r, ok, err := l.NodeByUID(ctx, cluster, uid)
	return r.Node, ok, err
}

// NodeByUID returns a node's life, whether it goes on or not, as it was last recorded.
func (l *Ledger) NodeByUID(ctx context.Context, cluster, uid string) (query.NodeRecord, bool, error) {
	var r nodeRow
	err := l.r.QueryRowContext(ctx, `SELECT `+nodeColumns+` FROM nodes n`+nodeSets+` WHERE n.cluster = ? AND n.uid = ?`, cluster, uid).Scan(r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return query.NodeRecord{}, false, nil
	}
	if err != nil {
		return query.NodeRecord{}, false, fmt.Errorf("reading node %s: %w", uid, explain(err))
	}
	n, err := r.record()
	return n, err == nil, err
}

// RecordBaseline records one page of the very first list of a cluster: the nodes, and nothing
// to tell. It may be called again with the same nodes.
func (l *Ledger) RecordBaseline(ctx context.Context, cluster string, nodes []fleet.Observation) error {
	err := l.live.change(cluster, func() (steps, error) {
		return nil, l.tx(ctx, func(tx tx) error {
			for i := range nodes {
				if err := upsertNode(ctx, tx, &nodes[i]); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("recording baseline of %s: %w", cluster, explain(err))
	}
	return nil
}

// FinishBaseline declares the first list complete at b.At. Nodes that an earlier, unfinished
// baseline recorded and for which keep is false were never watched; they are forgotten.
func (l *Ledger) FinishBaseline(ctx context.Context, b fleet.Batch, keep func(uid string) bool) error {
	known, err := l.KnownNodes(ctx, b.Cluster)
	if err != nil {
		return err
	}
	err = l.live.change(b.Cluster, func() (steps, error) {
		return nil, l.tx(ctx, func(tx tx) error {
			for uid := range known {
				if keep(uid) {
					continue
				}
				if _, err := tx.ExecContext(ctx, `DELETE FROM nodes WHERE cluster = ? AND uid = ?`, b.Cluster, uid); err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO clusters (cluster, baseline_at, watched_until, nodes_version) VALUES (?, ?, ?, ?)
				ON CONFLICT (cluster) DO UPDATE SET baseline_at = excluded.baseline_at, watched_until = excluded.watched_until, nodes_version = excluded.nodes_version`,
				b.Cluster, ms(b.At), ms(b.At), b.ResourceVersion)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("finishing baseline of %s: %w", b.Cluster, explain(err))
	}
	l.notify()
	return nil
}

// RecordNodes records a batch in one transaction: the nodes as they are, their changes as
// to-dos, the gap and the resource version.
func (l *Ledger) RecordNodes(ctx context.Context, b fleet.Batch) error {
	live := steps{}
	err := l.live.change(b.Cluster, func() (steps, error) {
		return live, l.tx(ctx, func(tx tx) error { return recordNodes(ctx, tx, b, live) })
	})
	if err != nil {
		return fmt.Errorf("recording nodes of %s: %w", b.Cluster, explain(err))
	}
	if len(b.Observations) > 0 {
		l.notify()
	}
	return nil
}

// recordNodes records a batch, and adds to live what it changes in the counts of live nodes.
func recordNodes(ctx context.Context, tx tx, b fleet.Batch, live steps) error {
	var gap int64
	if g := b.Gap; g != nil {
		err := tx.QueryRowContext(ctx, `INSERT INTO gaps (cluster, from_at, until_at, cause, missed, events_from) VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
			b.Cluster, g.From.UnixMilli(), g.Until.UnixMilli(), g.Cause, g.Missed, ms(g.EventsFrom)).Scan(&gap)
		if err != nil {
			return err
		}
		if !g.Missed {
			gap = 0 // the watch resumed and has seen each change: they are told as any other
		}
	}
	for i := range b.Observations {
		o := &b.Observations[i]
		before, known, was, err := oldNode(ctx, tx, o.Node.Cluster, o.Node.UID)
		if err != nil {
			return err
		}
		after := liveKind{o.Node.Machine(), o.Node.Ready.Status == fleet.Ready, o.Node.Cordoned}
		// A node that has left stays so, see upsertNodeSQL.
		live.step(before, after, was, (was || !known) && !left(o))
		if err := upsertNode(ctx, tx, o); err != nil {
			return err
		}
		for _, c := range o.Changes {
			if err := insertChange(ctx, tx, c, gap); err != nil {
				return err
			}
		}
	}
	return mark(ctx, tx, b.Cluster, b.At, b.ResourceVersion)
}

// left reports whether an observation is a node's last.
func left(o *fleet.Observation) bool {
	return slices.ContainsFunc(o.Changes, func(c fleet.Change) bool { return c.Kind == fleet.Removed })
}

// Watched records that the node watch was alive until the moment given, and where it may
// resume.
func (l *Ledger) Watched(ctx context.Context, cluster string, until time.Time, nodesVersion string) error {
	err := l.tx(ctx, func(tx tx) error { return mark(ctx, tx, cluster, until, nodesVersion) })
	if err != nil {
		return fmt.Errorf("recording the watch of %s: %w", cluster, explain(err))
	}
	return nil
}

func mark(ctx context.Context, tx tx, cluster string, until time.Time, nodesVersion string) error {
	_, err := tx.ExecContext(ctx, markSQL, cluster, until.UnixMilli(), nodesVersion)
	return err
}

// A mark that is far ahead of a new one was made before the clock was set back (300000 ms: more
// than two marks of one watch can be apart).
const markSQL = `INSERT INTO clusters (cluster, watched_until, nodes_version) VALUES (?, ?, ?)
	ON CONFLICT (cluster) DO UPDATE SET watched_until = CASE
			WHEN clusters.watched_until BETWEEN excluded.watched_until AND excluded.watched_until + 300000 THEN clusters.watched_until
			ELSE excluded.watched_until END,
		nodes_version = CASE excluded.nodes_version WHEN '' THEN clusters.nodes_version ELSE excluded.nodes_version END`

const upsertNodeSQL = `INSERT INTO nodes (cluster, uid, name, provider, instance_type, capacity_type, zone, region, pool, arch, os,
		detail, status, ready_reason, ready_since, cordoned, ever_ready, unready, cordons, fingerprint, created_at, ready_at, removed_at, removed_after,
		label_set, own_labels, label_price)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (cluster, uid) DO UPDATE SET name = excluded.name, provider = excluded.provider, instance_type = excluded.instance_type,
		capacity_type = excluded.capacity_type, zone = excluded.zone, region = excluded.region, pool = excluded.pool, arch = excluded.arch, os = excluded.os,
		detail = excluded.detail, status = excluded.status, ready_reason = excluded.ready_reason, ready_since = excluded.ready_since,
		cordoned = excluded.cordoned, ever_ready = excluded.ever_ready, unready = excluded.unready, cordons = excluded.cordons,
		fingerprint = excluded.fingerprint, ready_at = coalesce(nodes.ready_at, excluded.ready_at),
		removed_at = coalesce(nodes.removed_at, excluded.removed_at), removed_after = coalesce(nodes.removed_after, excluded.removed_after),
		label_set = excluded.label_set, own_labels = excluded.own_labels, label_price = excluded.label_price`

func upsertNode(ctx context.Context, tx tx, o *fleet.Observation) error {
	n, k := &o.Node, &o.Known
	detail, err := json.Marshal(nodeDetail{n.Detail, n.Ready.Message})
	if err != nil {
		return err
	}
	set, own, err := storeLabels(ctx, tx, n.Labels)
	if err != nil {
		return err
	}
	var readyAt, removedAt, removedAfter any
	for _, c := range o.Changes {
		switch c.Kind {
		case fleet.BecameReady:
			readyAt = ms(c.At)
		case fleet.Removed:
			removedAt, removedAfter = ms(c.At), ms(c.NotBefore)
		}
	}
	_, err = tx.ExecContext(ctx, upsertNodeSQL,
		n.Cluster, n.UID, n.Name, n.Provider, n.InstanceType, n.CapacityType, n.Zone, n.Region, n.Pool, n.Arch, n.OS,
		string(detail), string(n.Ready.Status), n.Ready.Reason, ms(n.Ready.Since), n.Cordoned, k.EverReady, k.Unready, k.Cordons, int64(k.Fingerprint),
		n.CreatedAt.UnixMilli(), readyAt, removedAt, removedAfter, set, own, n.Machine().LabelPrice)
	return err
}

const insertChangeSQL = `INSERT INTO changes (cluster, node_uid, kind, occurrence, at, not_before, proof, reason, gap_id, tell)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?) ON CONFLICT (cluster, node_uid, kind, occurrence) DO NOTHING`

func insertChange(ctx context.Context, tx tx, c fleet.Change, gap int64) error {
	_, err := tx.ExecContext(ctx, insertChangeSQL,
		c.Cluster, c.NodeUID, string(c.Kind), c.Occurrence, c.At.UnixMilli(), ms(c.NotBefore), string(c.Proof), c.Reason, gap, c.Kind.Told())
	return err
}

const (
	insertEventSQL = `INSERT INTO events (cluster, uid, kind, namespace, name, regarding_uid, reason, type, note, controller,
			count, first_at, last_at, scaling, size)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cluster, uid) DO NOTHING`
	oldEventSQL   = `SELECT id, count, last_at, scaling, size FROM events WHERE cluster = ? AND uid = ?`
	mergeEventSQL = `UPDATE events SET note = ?, size = ?, count = max(count, ?), first_at = min(first_at, ?), last_at = max(last_at, ?) WHERE id = ?`
	addTotalsSQL  = `INSERT INTO event_totals (cluster, scaling, events, bytes) VALUES (?, ?, ?, ?)
		ON CONFLICT (cluster, scaling) DO UPDATE SET events = event_totals.events + excluded.events, bytes = event_totals.bytes + excluded.bytes`
	eventsVersionSQL = `INSERT INTO clusters (cluster, events_version) VALUES (?, ?)
		ON CONFLICT (cluster) DO UPDATE SET events_version = excluded.events_version`
)

// RecordEvents merges events by (cluster, UID) in one transaction: the greater count or the
// later time wins, and the same again changes nothing. The events watch may resume at
// resourceVersion afterwards; "" leaves it where it was.
func (l *Ledger) RecordEvents(ctx context.Context, cluster string, events []fleet.Event, resourceVersion string) error {
	err := l.tx(ctx, func(tx tx) error {
		var totals eventTotals
		for i := range events {
			if err := recordEvent(ctx, tx, cluster, &events[i], &totals); err != nil {
				return err
			}
		}
		if err := totals.add(ctx, tx, cluster); err != nil || resourceVersion == "" {
			return err
		}
		_, err := tx.ExecContext(ctx, eventsVersionSQL, cluster, resourceVersion)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording events of %s: %w", cluster, explain(err))
	}
	return nil
}

// eventTotals is by how much a transaction changes the totals of a cluster's events: [0] of
// others, [1] of scaling events.
type eventTotals [2]struct{ events, bytes int64 }

func (t *eventTotals) add(ctx context.Context, tx tx, cluster string) error {
	for scaling, by := range t {
		if by.events == 0 && by.bytes == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, addTotalsSQL, cluster, scaling, by.events, by.bytes); err != nil {
			return err
		}
	}
	return nil
}

func recordEvent(ctx context.Context, tx tx, cluster string, e *fleet.Event, totals *eventTotals) error {
	class, size := 0, int64(e.Size())
	if e.Scaling() {
		class = 1
	}
	res, err := tx.ExecContext(ctx, insertEventSQL, cluster, e.UID, e.Regarding.Kind, e.Regarding.Namespace, e.Regarding.Name, e.Regarding.UID, e.Reason,
		e.Type, e.Note, e.Controller, e.Count, e.First.UnixMilli(), e.Last.UnixMilli(), class, size)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		totals[class].events++
		totals[class].bytes += size
		return err
	}
	var id, lastAt, oldSize int64
	var count int
	if err := tx.QueryRowContext(ctx, oldEventSQL, cluster, e.UID).Scan(&id, &count, &lastAt, &class, &oldSize); err != nil {
		return err
	}
	if e.Count <= count && e.Last.UnixMilli() <= lastAt {
		return nil
	}
	totals[class].bytes += size - oldSize
	_, err = tx.ExecContext(ctx, mergeEventSQL, e.Note, size, e.Count, e.First.UnixMilli(), e.Last.UnixMilli(), id)
	return err
}
