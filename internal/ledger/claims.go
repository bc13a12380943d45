package ledger

import (
	"context"
	"encoding/json"
	"time"

	"rollcall/internal/fleet"
)

const (
	upsertClaimSQL = `INSERT INTO claims (cluster, uid, name, pool, node, created_at, deleted_at, expire_after, drift,
			disruption, forced_by, seen_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (cluster, uid) DO UPDATE SET name = excluded.name, pool = excluded.pool,
			node = CASE excluded.node WHEN '' THEN claims.node ELSE excluded.node END,
			created_at = excluded.created_at, deleted_at = excluded.deleted_at, expire_after = excluded.expire_after,
			drift = excluded.drift, disruption = excluded.disruption, forced_by = excluded.forced_by,
			seen_at = excluded.seen_at`
	claimColumns = `c.cluster, c.uid, c.name, c.pool, c.node, c.created_at, c.deleted_at, c.expire_after, c.drift,
		c.disruption, c.forced_by`
	claimSQL      = `SELECT ` + claimColumns + ` FROM claims c WHERE c.cluster = ? AND c.uid = ? AND c.name = ?`
	namedClaimSQL = `SELECT ` + claimColumns + ` FROM claims c WHERE c.cluster = ? AND c.name = ?
		ORDER BY c.created_at DESC LIMIT 1`
	upsertPoolSQL = `INSERT INTO pools (cluster, name, limits, used, seen_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (cluster, name) DO UPDATE SET limits = excluded.limits, used = excluded.used,
			seen_at = excluded.seen_at`
)

func scanClaim(r row) (c fleet.Claim, err error) {
	var expire int64
	err = r.Scan(&c.Cluster, &c.UID, &c.Name, &c.Pool, &c.Node, at{&c.CreatedAt}, at{&c.DeletedAt}, &expire, &c.Drift,
		&c.Disruption, at{&c.ForcedBy})
	c.ExpireAfter = time.Duration(expire) * time.Millisecond
	return c, err
}

// RecordClaims records NodeClaims as they are now, by UID. One whose object is gone stays, as it was last seen.
func (l *Ledger) RecordClaims(ctx context.Context, cluster string, claims []fleet.Claim) (err error) {
	defer doing(&err, "recording NodeClaims of %s", cluster)
	now := time.Now().UnixMilli()
	return l.tx(ctx, func(tx tx) error {
		for _, c := range claims {
			if _, err := tx.exec(ctx, upsertClaimSQL, cluster, c.UID, c.Name, c.Pool, c.Node, ms(c.CreatedAt),
				ms(c.DeletedAt), c.ExpireAfter.Milliseconds(), fleet.Cut(c.Drift, maxCauseName),
				fleet.Cut(c.Disruption, maxCauseName), ms(c.ForcedBy), now); err != nil {
				return err
			}
		}
		return nil
	})
}

// RecordPools records NodePools as they are now, by name.
func (l *Ledger) RecordPools(ctx context.Context, cluster string, pools []fleet.Pool) (err error) {
	defer doing(&err, "recording NodePools of %s", cluster)
	now := time.Now().UnixMilli()
	return l.tx(ctx, func(tx tx) error {
		for _, p := range pools {
			limits, err := json.Marshal(p.Limits)
			if err != nil {
				return err
			}
			used, err := json.Marshal(p.Used)
			if err != nil {
				return err
			}
			if _, err := tx.exec(ctx, upsertPoolSQL, cluster, p.Name, string(limits), string(used), now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Pools returns the NodePools of a cluster as they were last seen, by name.
func (l *Ledger) Pools(ctx context.Context, cluster string) (pools []fleet.Pool, err error) {
	defer doing(&err, "reading NodePools of %s", cluster)
	return collect(ctx, l.r, func(r row) (fleet.Pool, error) {
		p := fleet.Pool{Cluster: cluster}
		var limits, used string
		if err := r.Scan(&p.Name, &limits, &used); err != nil {
			return p, err
		}
		if err := json.Unmarshal([]byte(limits), &p.Limits); err != nil {
			return p, err
		}
		err := json.Unmarshal([]byte(used), &p.Used)
		return p, err
	}, `SELECT p.name, p.limits, p.used FROM pools p WHERE p.cluster = ? ORDER BY p.name`, cluster)
}

const (
	// The claim of a node that lives stays. One that never had a node, of which there are many where the cloud has no
	// capacity, explains nothing for long.
	oldClaimsSQL = `DELETE FROM claims WHERE (cluster, uid) IN (SELECT c.cluster, c.uid FROM claims c
		WHERE c.seen_at < ? AND (c.node = '' OR c.seen_at < ?) AND NOT EXISTS (SELECT 1 FROM nodes n
			WHERE n.cluster = c.cluster AND n.name = c.node AND n.removed_at IS NULL) LIMIT ?)`
	oldPoolsSQL = `DELETE FROM pools WHERE (cluster, name) IN (SELECT p.cluster, p.name FROM pools p
		WHERE p.seen_at < ? LIMIT ?)`
)
