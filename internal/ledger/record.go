package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"rollcall/internal/fleet"
)

// nodeDetail is the part of a node that no query filters by in SQL.
type nodeDetail struct {
	ProviderID  string            `json:"provider_id,omitempty"`
	Kubelet     string            `json:"kubelet,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Taints      []fleet.Taint     `json:"taints,omitempty"`
	Capacity    fleet.Resources   `json:"capacity"`
	Allocatable fleet.Resources   `json:"allocatable"`
	Message     string            `json:"ready_message,omitempty"`
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
	n.detail, n.status, n.ready_reason, n.ready_since, n.cordoned, n.created_at, n.removed_at`

// nodeRow receives nodeColumns.
type nodeRow struct {
	n                       fleet.Node
	detail                  string
	since, created, removed sql.NullInt64
}

func (r *nodeRow) dest() []any {
	n := &r.n
	return []any{&n.Cluster, &n.UID, &n.Name, &n.Provider, &n.InstanceType, &n.CapacityType, &n.Zone, &n.Region, &n.Pool, &n.Arch, &n.OS,
		&r.detail, &n.Ready.Status, &n.Ready.Reason, &r.since, &n.Cordoned, &r.created, &r.removed}
}

// node returns the scanned node and when it left, if it did.
func (r *nodeRow) node() (fleet.Node, time.Time, error) {
	var d nodeDetail
	if err := json.Unmarshal([]byte(r.detail), &d); err != nil {
		return fleet.Node{}, time.Time{}, fmt.Errorf("reading node %s: %w", r.n.UID, err)
	}
	n := r.n
	n.ProviderID, n.KubeletVersion, n.Labels, n.Taints = d.ProviderID, d.Kubelet, d.Labels, d.Taints
	n.Capacity, n.Allocatable, n.Ready.Message = d.Capacity, d.Allocatable, d.Message
	n.Ready.Since = fromMS(r.since)
	n.CreatedAt = fromMS(r.created)
	return n, fromMS(r.removed), nil
}

// Node returns a node, living or gone, as it was last recorded.
func (l *Ledger) Node(ctx context.Context, cluster, uid string) (fleet.Node, bool, error) {
	var r nodeRow
	err := l.r.QueryRowContext(ctx, `SELECT `+nodeColumns+` FROM nodes n WHERE n.cluster = ? AND n.uid = ?`, cluster, uid).Scan(r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return fleet.Node{}, false, nil
	}
	if err != nil {
		return fleet.Node{}, false, fmt.Errorf("reading node %s: %w", uid, explain(err))
	}
	n, _, err := r.node()
	return n, err == nil, err
}

// RecordBaseline records one page of the very first list of a cluster: the nodes, and nothing
// to tell. It may be called again with the same nodes.
func (l *Ledger) RecordBaseline(ctx context.Context, cluster string, nodes []fleet.Observation) error {
	err := l.tx(ctx, func(tx tx) error {
		for i := range nodes {
			if err := upsertNode(ctx, tx, &nodes[i]); err != nil {
				return err
			}
		}
		return nil
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
	err = l.tx(ctx, func(tx tx) error {
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
	if err != nil {
		return fmt.Errorf("finishing baseline of %s: %w", b.Cluster, explain(err))
	}
	l.notify()
	return nil
}

// RecordNodes records a batch in one transaction: the nodes as they are, their changes as
// to-dos, the gap and the resource version.
func (l *Ledger) RecordNodes(ctx context.Context, b fleet.Batch) error {
	err := l.tx(ctx, func(tx tx) error {
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
	})
	if err != nil {
		return fmt.Errorf("recording nodes of %s: %w", b.Cluster, explain(err))
	}
	if len(b.Observations) > 0 {
		l.notify()
	}
	return nil
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

const markSQL = `INSERT INTO clusters (cluster, watched_until, nodes_version) VALUES (?, ?, ?)
	ON CONFLICT (cluster) DO UPDATE SET watched_until = max(excluded.watched_until, coalesce(clusters.watched_until, 0)),
		nodes_version = CASE excluded.nodes_version WHEN '' THEN clusters.nodes_version ELSE excluded.nodes_version END`

const upsertNodeSQL = `INSERT INTO nodes (cluster, uid, name, provider, instance_type, capacity_type, zone, region, pool, arch, os,
		detail, status, ready_reason, ready_since, cordoned, ever_ready, unready, cordons, fingerprint, created_at, ready_at, removed_at, removed_after)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (cluster, uid) DO UPDATE SET name = excluded.name, provider = excluded.provider, instance_type = excluded.instance_type,
		capacity_type = excluded.capacity_type, zone = excluded.zone, region = excluded.region, pool = excluded.pool, arch = excluded.arch, os = excluded.os,
		detail = excluded.detail, status = excluded.status, ready_reason = excluded.ready_reason, ready_since = excluded.ready_since,
		cordoned = excluded.cordoned, ever_ready = excluded.ever_ready, unready = excluded.unready, cordons = excluded.cordons,
		fingerprint = excluded.fingerprint, ready_at = coalesce(nodes.ready_at, excluded.ready_at),
		removed_at = coalesce(nodes.removed_at, excluded.removed_at), removed_after = coalesce(nodes.removed_after, excluded.removed_after)`

func upsertNode(ctx context.Context, tx tx, o *fleet.Observation) error {
	n, k := &o.Node, &o.Known
	detail, err := json.Marshal(nodeDetail{ProviderID: n.ProviderID, Kubelet: n.KubeletVersion, Labels: n.Labels, Taints: n.Taints,
		Capacity: n.Capacity, Allocatable: n.Allocatable, Message: n.Ready.Message})
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
		n.CreatedAt.UnixMilli(), readyAt, removedAt, removedAfter)
	return err
}

const insertChangeSQL = `INSERT INTO changes (cluster, node_uid, kind, occurrence, at, not_before, proof, reason, gap_id, tell)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?) ON CONFLICT (cluster, node_uid, kind, occurrence) DO NOTHING`

func insertChange(ctx context.Context, tx tx, c fleet.Change, gap int64) error {
	_, err := tx.ExecContext(ctx, insertChangeSQL,
		c.Cluster, c.NodeUID, string(c.Kind), c.Occurrence, c.At.UnixMilli(), ms(c.NotBefore), string(c.Proof), c.Reason, gap, c.Kind.Told())
	return err
}

// RecordEvents merges events by (cluster, UID) in one transaction: the greater count or the
// later time wins, and the same again changes nothing. The events watch may resume at
// resourceVersion afterwards; "" leaves it where it was.
func (l *Ledger) RecordEvents(ctx context.Context, cluster string, events []fleet.Event, resourceVersion string) error {
	err := l.tx(ctx, func(tx tx) error {
		if len(events) > 0 {
			stmt, err := tx.PrepareContext(ctx, `INSERT INTO events (cluster, uid, kind, namespace, name, regarding_uid, reason, type, note, controller,
					count, first_at, last_at, scaling, size)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (cluster, uid) DO UPDATE SET note = excluded.note, size = excluded.size, count = max(events.count, excluded.count),
					first_at = min(events.first_at, excluded.first_at), last_at = max(events.last_at, excluded.last_at)
				WHERE excluded.count > events.count OR excluded.last_at > events.last_at`)
			if err != nil {
				return err
			}
			defer stmt.Close()
			for i := range events {
				e := &events[i]
				if _, err := stmt.ExecContext(ctx, cluster, e.UID, e.Regarding.Kind, e.Regarding.Namespace, e.Regarding.Name, e.Regarding.UID, e.Reason,
					e.Type, e.Note, e.Controller, e.Count, e.First.UnixMilli(), e.Last.UnixMilli(), e.Scaling(), e.Size()); err != nil {
					return err
				}
			}
		}
		if resourceVersion == "" {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO clusters (cluster, events_version) VALUES (?, ?)
			ON CONFLICT (cluster) DO UPDATE SET events_version = excluded.events_version`, cluster, resourceVersion)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording events of %s: %w", cluster, explain(err))
	}
	return nil
}
