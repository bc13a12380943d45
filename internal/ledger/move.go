package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// moves are run before the migration with their number, in steps of their own that can be
// interrupted and done again: they move what a single transaction would be too large for.
var moves = map[int]func(context.Context, *Ledger) error{2: moveRows}

// moveRows fills the tables of migration 2 from those of migration 1.
func moveRows(ctx context.Context, l *Ledger) error {
	// The inner pages of the old table, in which events are looked up one by one, have to stay in
	// memory.
	if err := l.pragma(ctx, `PRAGMA cache_size = -32768`); err != nil {
		return err
	}
	defer l.pragma(ctx, `PRAGMA cache_size = -4000`)
	// Indices of millions of events are sorted on disk. The ledger's own folder is the one
	// that is certain to be writable and large enough.
	folder := strings.ReplaceAll(filepath.Dir(l.path), "'", "''")
	if err := l.pragma(ctx, `PRAGMA temp_store_directory = '`+folder+`'`); err != nil {
		return err
	}
	var last nodeKey
	for more := true; more; {
		if err := l.tx(ctx, func(tx tx) (err error) { last, more, err = moveLabels(ctx, tx, last); return err }); err != nil {
			return fmt.Errorf("moving labels: %w", err)
		}
	}
	said := time.Now()
	for more := true; more; {
		if err := l.tx(ctx, func(tx tx) (err error) {
			if time.Since(said) > 10*time.Second {
				moved, _, err := one(ctx, tx, value[int64], `SELECT coalesce(sum(events), 0) FROM event_totals`)
				if err != nil {
					return err
				}
				l.log.Info("bringing the ledger to a new schema; it can be interrupted", "events", moved)
				said = time.Now()
			}
			more, err = moveEvents(ctx, tx)
			return err
		}); err != nil {
			return fmt.Errorf("moving events: %w", err)
		}
	}
	return nil
}

// moveStep is how many rows one transaction of a move holds. Tests make it smaller.
var moveStep = 10000

// nodeKey is the key of a row of nodes.
type nodeKey struct{ cluster, uid string }

// moveLabels gives the next nodes after the last one their label sets, unless they have them,
// and returns the last one it looked at and whether there may be more.
func moveLabels(ctx context.Context, tx tx, last nodeKey) (next nodeKey, more bool, err error) {
	type node struct {
		nodeKey
		detail string
	}
	nodes, err := collect(ctx, tx, func(r row) (n node, err error) {
		err = r.Scan(&n.cluster, &n.uid, &n.detail)
		return n, err
	}, `SELECT cluster, uid, detail FROM nodes WHERE (cluster, uid) > (?, ?) AND label_set IS NULL
		ORDER BY cluster, uid LIMIT ?`, last.cluster, last.uid, moveStep/10)
	if err != nil {
		return last, false, err
	}
	for _, n := range nodes {
		var d struct {
			nodeDetail
			Labels map[string]string `json:"labels"`
		}
		if err := json.Unmarshal([]byte(n.detail), &d); err != nil {
			return last, false, fmt.Errorf("reading node %s: %w", n.uid, err)
		}
		detail, err := json.Marshal(d.nodeDetail)
		if err != nil {
			return last, false, err
		}
		set, own, err := storeLabels(ctx, tx, d.Labels)
		if err != nil {
			return last, false, err
		}
		if _, err := tx.exec(ctx, `UPDATE nodes SET detail = ?, label_set = ?, own_labels = ? WHERE cluster = ? AND uid = ?`,
			string(detail), set, own, n.cluster, n.uid); err != nil {
			return last, false, err
		}
		next = n.nodeKey
	}
	return next, len(nodes) > 0, nil
}

// moveEvents copies the next events in the order of events_1's index, in which the last one
// copied says how far it is.
func moveEvents(ctx context.Context, tx tx) (more bool, err error) {
	var last struct {
		id, scaling, at, size int64
		cluster, uid          string
	}
	last.scaling = -1
	_, _, err = one(ctx, tx, scanTo(&last.id, &last.scaling, &last.at, &last.size, &last.cluster, &last.uid),
		`SELECT id, scaling, last_at, size, cluster, uid FROM events ORDER BY id DESC LIMIT 1`)
	if err != nil {
		return false, err
	}
	n, err := tx.exec(ctx, `INSERT INTO events (cluster, uid, kind, namespace, name, regarding_uid, reason, type, note,
			controller, count, first_at, last_at, scaling, size)
		SELECT cluster, uid, kind, namespace, name, regarding_uid, reason, type, note, controller, count, first_at, last_at,
			scaling, size
		FROM events_1 WHERE (scaling, last_at, size, cluster, uid) > (?, ?, ?, ?, ?)
		ORDER BY scaling, last_at, size, cluster, uid LIMIT ?`,
		last.scaling, last.at, last.size, last.cluster, last.uid, moveStep)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.exec(ctx, `INSERT INTO event_totals (cluster, scaling, events, bytes)
		SELECT cluster, scaling, count(*), sum(size) FROM events WHERE id > ? GROUP BY cluster, scaling
		ON CONFLICT (cluster, scaling) DO UPDATE SET events = event_totals.events + excluded.events,
			bytes = event_totals.bytes + excluded.bytes`, last.id)
	return true, err
}
