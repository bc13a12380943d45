package ledger

import (
	"context"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

const clusterColumns = `cluster, baseline_at, watched_until, nodes_version, events_version, identity`

func scanCluster(r row) (c query.ClusterRecord, err error) {
	err = r.Scan(&c.Cluster, at{&c.BaselineAt}, at{&c.WatchedUntil}, &c.NodesVersion, &c.EventsVersion, &c.Identity)
	return c, err
}

// Clusters returns the clusters in the ledger, by name.
func (l *Ledger) Clusters(ctx context.Context) (clusters []query.ClusterRecord, err error) {
	defer doing(&err, "reading clusters")
	return l.clusters(ctx)
}

func (l *Ledger) clusters(ctx context.Context) ([]query.ClusterRecord, error) {
	return collect(ctx, l.r, scanCluster, `SELECT `+clusterColumns+` FROM clusters ORDER BY cluster`)
}

// Checkpoint returns where the watches of a cluster stand; the zero value for a new cluster.
func (l *Ledger) Checkpoint(ctx context.Context, cluster string) (c fleet.Checkpoint, err error) {
	defer doing(&err, "reading the checkpoint of %s", cluster)
	r, _, err := one(ctx, l.r, scanCluster, `SELECT `+clusterColumns+` FROM clusters WHERE cluster = ?`, cluster)
	return r.Checkpoint, err
}

// RecordIdentity records which cluster this is; "" changes nothing.
func (l *Ledger) RecordIdentity(ctx context.Context, cluster, identity string) (err error) {
	defer doing(&err, "recording the identity of %s", cluster)
	if identity == "" {
		return nil
	}
	return l.tx(ctx, func(tx tx) error {
		_, err := tx.exec(ctx, `UPDATE clusters SET identity = ? WHERE cluster = ? AND identity <> ?`, identity, cluster,
			identity)
		return err
	})
}

// Watched records that the node watch was alive until the moment given, and where it may
// resume; "" leaves that as it was.
func (l *Ledger) Watched(ctx context.Context, cluster string, until time.Time, nodesVersion string) (err error) {
	defer doing(&err, "recording the watch of %s", cluster)
	return l.tx(ctx, func(tx tx) error { return mark(ctx, tx, cluster, until, nodesVersion) })
}

func mark(ctx context.Context, tx tx, cluster string, until time.Time, nodesVersion string) error {
	_, err := tx.exec(ctx, markSQL, cluster, until.UnixMilli(), nodesVersion)
	return err
}

// A mark that is far ahead of a new one was made before the clock was set back (300000 ms: more
// than two marks of one watch can be apart).
const markSQL = `INSERT INTO clusters (cluster, watched_until, nodes_version) VALUES (?, ?, ?)
	ON CONFLICT (cluster) DO UPDATE SET watched_until = CASE
			WHEN clusters.watched_until BETWEEN excluded.watched_until AND excluded.watched_until + 300000
			THEN clusters.watched_until ELSE excluded.watched_until END,
		nodes_version = CASE excluded.nodes_version WHEN '' THEN clusters.nodes_version ELSE excluded.nodes_version END`
