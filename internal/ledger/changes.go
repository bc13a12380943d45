package ledger

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// changeColumns are what changeRow receives, of changes c.
const changeColumns = `c.id, c.kind, c.occurrence, c.at, c.not_before, c.proof, c.reason, coalesce(c.gap_id, 0)`

// RecentChanges returns the last changes of a cluster, the newest first; only of the kinds
// given, if any are. Changes that a mute kept quiet are among them. The nodes of the baseline
// joined before anybody watched: they are no changes.
func (l *Ledger) RecentChanges(ctx context.Context, cluster string, limit int, kinds ...fleet.ChangeKind) (
	changes []query.ChangeRecord, err error) {
	defer doing(&err, "reading changes of %s", cluster)
	if len(kinds) == 0 {
		kinds = fleet.ChangeKinds
	}
	of, err := list(kinds)
	if err != nil {
		return nil, err
	}
	// The last ones of each kind, and of these the last ones.
	return collect(ctx, l.r, scanChangeRecord, recentChangesSQL, of, cluster, max(0, limit), max(0, limit))
}

// NodeChanges returns the changes of one node's life, the oldest first. Of more than limit
// it returns the last ones, and more is true.
func (l *Ledger) NodeChanges(ctx context.Context, cluster, uid string, limit int) (
	changes []query.ChangeRecord, more bool, err error) {
	defer doing(&err, "reading changes of node %s", uid)
	changes, err = collect(ctx, l.r, scanChangeRecord, nodeChangesSQL, cluster, uid, max(0, limit)+1)
	if err != nil {
		return nil, false, err
	}
	if more = len(changes) > limit; more {
		changes = changes[:limit]
	}
	slices.Reverse(changes)
	return changes, more, nil
}

var (
	recentChangesSQL = `SELECT ` + changeColumns + `, coalesce(c.mute_id, 0), ` + lightColumns + ` FROM ` + eachOf("k") + `
		JOIN changes c ON c.id IN (SELECT r.id FROM changes r WHERE r.cluster = ? AND r.kind = k.value
			ORDER BY r.at DESC, r.id DESC LIMIT ?)
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid ORDER BY c.at DESC, c.id DESC LIMIT ?`
	// The index on time holds all nodes' changes.
	nodeChangesSQL = `SELECT ` + changeColumns + `, coalesce(c.mute_id, 0), ` + lightColumns + ` FROM changes c
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid WHERE c.cluster = ? AND c.node_uid = ?
		ORDER BY ` + unindexed("c.at") + ` DESC, c.id DESC LIMIT ?`
	changeCountsSQL = `SELECT k.value, (SELECT count(*) FROM changes c
			WHERE c.cluster = ? AND c.kind = k.value AND c.at >= ?)
		FROM ` + eachOf("k")
)

// scanChangeRecord reads changeColumns, the mute and lightColumns.
func scanChangeRecord(from row) (r query.ChangeRecord, err error) {
	var cr changeRow
	var nr nodeRow
	if err := from.Scan(append(append(cr.dest(), &r.Mute), nr.light()...)...); err != nil {
		return r, err
	}
	n, err := nr.record()
	r.Node, r.Change = n.Node, cr.change(n.Node)
	return r, err
}

const insertChangeSQL = `INSERT INTO changes (cluster, node_uid, kind, occurrence, at, not_before, proof, reason,
		gap_id, tell)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?) ON CONFLICT (cluster, node_uid, kind, occurrence) DO NOTHING`

func insertChange(ctx context.Context, tx tx, c fleet.Change, gap int64) error {
	_, err := tx.ExecContext(ctx, insertChangeSQL,
		c.Cluster, c.NodeUID, string(c.Kind), c.Occurrence, c.At.UnixMilli(), ms(c.NotBefore), string(c.Proof), c.Reason, gap,
		c.Kind.Told())
	return err
}

// changeRow receives changeColumns.
type changeRow struct {
	c             fleet.Change
	at, notBefore sql.NullInt64
}

func (r *changeRow) dest() []any {
	c := &r.c
	return []any{&c.ID, &c.Kind, &c.Occurrence, &r.at, &r.notBefore, &c.Proof, &c.Reason, &c.GapID}
}

func (r *changeRow) change(n fleet.Node) fleet.Change {
	c := r.c
	c.Cluster, c.NodeUID, c.NodeName = n.Cluster, n.UID, n.Name
	c.At, c.NotBefore = fromMS(r.at), fromMS(r.notBefore)
	return c
}

// ChangeCounts counts the changes of a cluster since a moment, by kind.
func (l *Ledger) ChangeCounts(ctx context.Context, cluster string, since time.Time) (counts map[fleet.ChangeKind]int,
	err error) {
	defer doing(&err, "counting changes of %s", cluster)
	kinds, err := list(fleet.ChangeKinds)
	if err != nil {
		return nil, err
	}
	return l.countByKind(ctx, changeCountsSQL, cluster, since.UnixMilli(), kinds)
}

// countByKind returns what a statement counts by kind of change, without the kinds that have none.
func (l *Ledger) countByKind(ctx context.Context, stmt string, args ...any) (map[fleet.ChangeKind]int, error) {
	counts := map[fleet.ChangeKind]int{}
	_, err := collect(ctx, l.r, func(r row) (n int, err error) {
		var kind fleet.ChangeKind
		if err = r.Scan(&kind, &n); n > 0 {
			counts[kind] = n
		}
		return n, err
	}, stmt, args...)
	return counts, err
}

// Backlog counts the changes that a person is to be told and that no accepted message tells, and
// says when the oldest of them happened; zero if there is none.
func (l *Ledger) Backlog(ctx context.Context, cluster string) (n int, oldest time.Time, err error) {
	defer doing(&err, "counting what is untold of %s", cluster)
	var at sql.NullInt64
	// What is untold has no wave yet, or one that is not done.
	err = l.r.QueryRowContext(ctx, `SELECT count(*), min(at) FROM (
			SELECT at FROM changes WHERE cluster = ?1 AND wave_id IS NULL AND tell = 1
			UNION ALL SELECT c.at FROM waves w JOIN changes c ON c.wave_id = w.id
				WHERE w.cluster = ?1 AND w.done_at IS NULL AND c.told_at IS NULL)`, cluster).Scan(&n, &at)
	return n, fromMS(at), err
}
