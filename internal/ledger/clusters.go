package ledger

import (
	"context"
	"database/sql"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// clusterSQL reads clusters; a condition or an order may follow.
const clusterSQL = `SELECT cluster, baseline_at, watched_until, nodes_version, events_version FROM clusters`

func scanCluster(r row) (c query.ClusterRecord, err error) {
	var base, until sql.NullInt64
	err = r.Scan(&c.Cluster, &base, &until, &c.NodesVersion, &c.EventsVersion)
	c.BaselineAt, c.WatchedUntil = fromMS(base), fromMS(until)
	return c, err
}

// Clusters returns the clusters in the ledger, by name.
func (l *Ledger) Clusters(ctx context.Context) (clusters []query.ClusterRecord, err error) {
	defer doing(&err, "reading clusters")
	return collect(ctx, l.r, scanCluster, clusterSQL+` ORDER BY cluster`)
}

// Checkpoint returns where the watches of a cluster stand; the zero value for a new cluster.
func (l *Ledger) Checkpoint(ctx context.Context, cluster string) (c fleet.Checkpoint, err error) {
	defer doing(&err, "reading the checkpoint of %s", cluster)
	rec, _, err := one(ctx, l.r, scanCluster, clusterSQL+` WHERE cluster = ?`, cluster)
	return rec.Checkpoint, err
}

// Watched records that the node watch was alive until the moment given, and where it may
// resume.
func (l *Ledger) Watched(ctx context.Context, cluster string, until time.Time, nodesVersion string) (err error) {
	defer doing(&err, "recording the watch of %s", cluster)
	return l.tx(ctx, func(tx tx) error { return mark(ctx, tx, cluster, until, nodesVersion) })
}

func mark(ctx context.Context, tx tx, cluster string, until time.Time, nodesVersion string) error {
	return tx.exec(ctx, markSQL, cluster, until.UnixMilli(), nodesVersion)
}

// A mark that is far ahead of a new one was made before the clock was set back (300000 ms: more
// than two marks of one watch can be apart).
const markSQL = `INSERT INTO clusters (cluster, watched_until, nodes_version) VALUES (?, ?, ?)
	ON CONFLICT (cluster) DO UPDATE SET watched_until = CASE
			WHEN clusters.watched_until BETWEEN excluded.watched_until
				AND excluded.watched_until + 300000 THEN clusters.watched_until
			ELSE excluded.watched_until END,
		nodes_version = CASE excluded.nodes_version WHEN '' THEN clusters.nodes_version ELSE excluded.nodes_version END`
