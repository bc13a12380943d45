package ledger

import (
	"context"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// changeColumns are what changeDest receives, of changes c.
const changeColumns = `c.id, c.kind, c.occurrence, c.at, c.not_before, c.proof, c.reason, coalesce(c.gap_id, 0)`

func changeDest(c *fleet.Change) []any {
	return []any{&c.ID, &c.Kind, &c.Occurrence, at{&c.At}, at{&c.NotBefore}, &c.Proof, &c.Reason, &c.GapID}
}

// ofNode fills in what a change says of its node.
func ofNode(c *fleet.Change, n fleet.Node) {
	c.Cluster, c.NodeUID, c.NodeName = n.Cluster, n.UID, n.Name
}

const insertChangeSQL = `INSERT INTO changes (cluster, node_uid, kind, occurrence, at, not_before, proof, reason,
		gap_id, tell, explain_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?) ON CONFLICT (cluster, node_uid, kind, occurrence) DO NOTHING`

func insertChange(ctx context.Context, tx tx, c fleet.Change, gap int64) error {
	_, err := tx.exec(ctx, insertChangeSQL, c.Cluster, c.NodeUID, string(c.Kind), c.Occurrence, c.At.UnixMilli(),
		ms(c.NotBefore), string(c.Proof), c.Reason, gap, c.Kind.Told(), explainAt(c))
	if err == nil && c.Kind == fleet.BecameReady {
		_, err = tx.exec(ctx, explainReadySQL, c.Cluster, c.NodeUID)
	}
	return err
}

func scanChange(r row) (c query.ChangeRecord, err error) {
	var n nodeRow
	if err := r.Scan(append(append(changeDest(&c.Change), &c.Mute), n.light()...)...); err != nil {
		return c, err
	}
	c.Node = n.rec.Node
	ofNode(&c.Change, c.Node)
	return c, nil
}

// changeSQL selects changes c with the mute that hid each and its node n, as scanChange receives them.
const changeSQL = `SELECT ` + changeColumns + `, coalesce(c.mute_id, 0), ` + lightColumns

// RecentChanges returns the last changes of a cluster, the newest first; only of the kinds
// given, if any are. Changes that a mute kept quiet are among them. The nodes of the baseline
// joined before anybody watched: they are no changes.
func (l *Ledger) RecentChanges(ctx context.Context, cluster string, limit int, kinds ...fleet.ChangeKind) (
	changes []query.ChangeRecord, err error) {
	defer doing(&err, "reading changes of %s", cluster)
	if len(kinds) == 0 {
		kinds = fleet.ChangeKinds
	}
	limit = max(0, limit)
	// The last ones of each kind, and of these the last ones.
	return collect(ctx, l.r, scanChange, changeSQL+` FROM `+l.sql.values(`k`)+` JOIN changes c ON c.id IN (
			SELECT r.id FROM changes r WHERE r.cluster = ? AND r.kind = k.value ORDER BY r.at DESC, r.id DESC LIMIT ?)
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
		ORDER BY c.at DESC, c.id DESC LIMIT ?`, l.sql.list(kinds), cluster, limit, limit)
}

// NodeChanges returns the changes of one node's life, the oldest first. Of more than limit
// it returns the last ones, and more is true.
func (l *Ledger) NodeChanges(ctx context.Context, cluster, uid string, limit int) (
	changes []query.ChangeRecord, more bool, err error) {
	defer doing(&err, "reading changes of node %s", uid)
	limit = max(0, limit)
	// The index on time holds all nodes' changes.
	changes, err = collect(ctx, l.r, scanChange, changeSQL+` FROM changes c
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid WHERE c.cluster = ? AND c.node_uid = ?
		ORDER BY `+l.sql.unindexed(`c.at`)+` DESC, c.id DESC LIMIT ?`, cluster, uid, limit+1)
	if more = len(changes) > limit; more {
		changes = changes[:limit]
	}
	slices.Reverse(changes)
	return changes, more, err
}

// ChangeCounts counts the changes of a cluster since a moment, by kind. Kinds without a change are
// not in the map.
func (l *Ledger) ChangeCounts(ctx context.Context, cluster string, since time.Time) (
	counts map[fleet.ChangeKind]int, err error) {
	defer doing(&err, "counting changes of %s", cluster)
	counts = map[fleet.ChangeKind]int{}
	for c, err := range each(ctx, l.r, counted[fleet.ChangeKind], `SELECT k.value, (SELECT count(*) FROM changes c
			WHERE c.cluster = ? AND c.kind = k.value AND c.at >= ?) FROM `+l.sql.values(`k`),
		cluster, since.UnixMilli(), l.sql.list(fleet.ChangeKinds)) {
		if err != nil {
			return nil, err
		}
		if c.n > 0 {
			counts[c.key] = c.n
		}
	}
	return counts, nil
}
