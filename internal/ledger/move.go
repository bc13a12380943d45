package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// moves are run before the migration with their number, in steps of their own that can be
// interrupted and done again: they move what a single transaction would be too large for.
var moves = map[int]func(context.Context, *Ledger) error{2: moveRows, 14: moveNames,
	migrationWith("nodes_came"): moveSpending}

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

// namesFrom is how far back the names in events' notes are read when a ledger gets a table for them: as long as what
// is still to be explained may depend on them. Of a million events that takes a second; all of them would take a
// quarter of a minute on a fast disk, in which nothing is told, for no more than which pods older nodes had.
const namesFrom = 24 * time.Hour

// moveNames fills event_names from the notes of the newest scaling events, in the order of their numbers. How far it is
// stands in meta, and for good, from when on names are known.
func moveNames(ctx context.Context, l *Ledger) error {
	for more := true; more; {
		if err := l.tx(ctx, func(tx tx) (err error) { more, err = moveSomeNames(ctx, tx); return err }); err != nil {
			return fmt.Errorf("reading the names in events: %w", err)
		}
	}
	return nil
}

// metaNumber is a number in meta; ok is false if it is not there.
func metaNumber(ctx context.Context, q asker, name string) (n int64, ok bool, err error) {
	text, ok, err := one(ctx, q, value[string], `SELECT value FROM meta WHERE name = ?`, name)
	if err != nil || !ok {
		return 0, false, err
	}
	n, err = strconv.ParseInt(text, 10, 64)
	return n, err == nil, err
}

func setMeta(ctx context.Context, tx tx, name string, n int64) error {
	_, err := tx.exec(ctx, `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET
		value = excluded.value`, name, strconv.FormatInt(n, 10))
	return err
}

// moveSomeNames is one step of moveNames.
func moveSomeNames(ctx context.Context, tx tx) (more bool, err error) {
	upTo, begun, err := metaNumber(ctx, tx, "names_upto")
	if err != nil {
		return false, err
	}
	since, _, err := metaNumber(ctx, tx, metaNamesSince)
	if err != nil {
		return false, err
	}
	if !begun {
		newest, _, err := one(ctx, tx, value[int64], `SELECT coalesce(max(x.at), 0) FROM (SELECT t.cluster, (
			SELECT max(e.last_at) FROM events e WHERE e.cluster = t.cluster AND e.scaling = 1) AS at
			FROM event_totals t WHERE t.scaling = 1) x`)
		if err != nil {
			return false, err
		}
		since = newest - namesFrom.Milliseconds()
		if err := setMeta(ctx, tx, metaNamesSince, since); err != nil {
			return false, err
		}
		// The first of these by number: an old event that goes on is among them.
		if upTo, _, err = one(ctx, tx, value[int64], `SELECT coalesce(min(x.id), 1) - 1 FROM (SELECT t.cluster, (
			SELECT min(e.id) FROM events e WHERE e.cluster = t.cluster AND e.scaling = 1 AND e.last_at >= ?) AS id
			FROM event_totals t WHERE t.scaling = 1) x`, since); err != nil {
			return false, err
		}
	}
	rows, err := collect(ctx, tx, scanEvent, `SELECT `+eventColumns+` FROM events e WHERE e.id > ? ORDER BY e.id LIMIT ?`,
		upTo, moveStep)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	totals := map[string]*eventTotals{}
	for i := range rows {
		e := &rows[i]
		if upTo = e.id; e.Last.UnixMilli() < since || !e.Scaling() {
			continue
		}
		names := e.Names()
		if len(names) == 0 {
			continue
		}
		size := namesSize(e.Cluster, names)
		n, err := tx.exec(ctx, `UPDATE events SET size = size + ? WHERE id = ? AND scaling = 1`, size, e.id)
		if err != nil {
			return false, err
		}
		if n == 0 { // an older Rollcall did not count it among those
			continue
		}
		if err := insertNames(ctx, tx, e.Cluster, e.id, names, e.First.UnixMilli(), e.Last.UnixMilli()); err != nil {
			return false, err
		}
		if totals[e.Cluster] == nil {
			totals[e.Cluster] = &eventTotals{}
		}
		totals[e.Cluster][1].bytes += size
	}
	for cluster, by := range totals {
		if err := by.add(ctx, tx, cluster); err != nil {
			return false, err
		}
	}
	return len(rows) == moveStep, setMeta(ctx, tx, "names_upto", upTo)
}

// moveSpending counts the nodes that there are in spend_steps: first by the step in which something changed, then up to
// the end of each step.
func moveSpending(ctx context.Context, l *Ledger) error {
	clusters, err := collect(ctx, once{&reader{DB: l.w}}, value[string], `SELECT cluster FROM clusters`)
	if err != nil {
		return err
	}
	for _, cluster := range clusters {
		for more, last := true, ""; more; {
			if err := l.tx(ctx, func(tx tx) (err error) {
				last, more, err = moveSomeSpending(ctx, tx, cluster, last)
				return err
			}); err != nil {
				return fmt.Errorf("counting nodes: %w", err)
			}
		}
		for more := true; more; {
			if err := l.tx(ctx, func(tx tx) (err error) { more, err = sumUpStep(ctx, tx, cluster); return err }); err != nil {
				return fmt.Errorf("summing up steps: %w", err)
			}
		}
	}
	return nil
}

// moveSomeSpending counts the next nodes after the last one.
func moveSomeSpending(ctx context.Context, tx tx, cluster, last string) (next string, more bool, err error) {
	// What was before anybody watched, and before anything left that is kept, counts as of then.
	first, _, err := one(ctx, tx, value[int64], `SELECT max(
		coalesce((SELECT baseline_at FROM clusters WHERE cluster = ?), 0),
		coalesce((SELECT min(removed_at) FROM nodes WHERE cluster = ? AND removed_at > 0),
			(SELECT max(created_at) FROM nodes WHERE cluster = ?), 0)) / ?`, cluster, cluster, cluster, stepMillis)
	if err != nil {
		return last, false, err
	}
	type node struct {
		uid, went string
		key       spendKey
		life      spentLife
	}
	nodes, err := collect(ctx, tx, func(r row) (n node, err error) {
		n.key.cluster, n.life.cluster = cluster, cluster
		err = r.Scan(slices.Concat([]any{&n.uid, &n.went, &n.key.Came}, n.key.dest(), n.life.dest())...)
		return n, err
	}, `SELECT n.uid, coalesce((SELECT s.kind FROM changes c JOIN causes s ON s.id = c.cause_id
			WHERE c.cluster = n.cluster AND c.node_uid = n.uid AND c.kind = 'removed' AND c.cause_id IS NOT NULL
			ORDER BY c.occurrence DESC LIMIT 1), ''),
		coalesce((SELECT s.kind FROM changes c JOIN causes s ON s.id = c.cause_id WHERE c.cluster = n.cluster
			AND c.node_uid = n.uid AND c.kind = 'joined' AND c.occurrence = 1 AND c.cause_id IS NOT NULL), ''),
		n.provider, n.region, n.instance_type, n.capacity_type, '', n.label_price, n.zone, n.pool, 0, created_at,
		`+wentSQL+`, `+doubtSQL+`
		FROM nodes n WHERE n.cluster = ? AND n.uid > ? AND n.group_id IS NULL ORDER BY n.uid LIMIT ?`, cluster, last,
		moveStep)
	if err != nil {
		return last, false, err
	}
	var t tally
	for _, n := range nodes {
		if n.life.group, err = groupBefore(ctx, tx, n.key); err != nil {
			return last, false, err
		}
		t.count(n.life, 1)
		if _, err := tx.exec(ctx, `UPDATE nodes SET group_id = ?, interrupted = ? WHERE cluster = ? AND uid = ?`,
			n.life.group, interruption(fleet.CauseKind(n.went)), cluster, n.uid); err != nil {
			return last, false, err
		}
		last = n.uid
	}
	for d, sums := range t.by {
		args := append([]any{cluster, max(d.step, first), d.group}, sums.args()...)
		if _, err := tx.exec(ctx, addSpendSQL, args...); err != nil {
			return last, false, err
		}
	}
	return last, len(nodes) > 0, nil
}

// groupBefore is the number of a group, which is recorded if it is new, in the schema of the time, which had no terms.
func groupBefore(ctx context.Context, tx tx, k spendKey) (int64, error) {
	args := []any{k.cluster, k.Provider, k.Region, k.InstanceType, k.CapacityType, k.LabelPrice, k.Zone, k.Pool,
		string(k.Came)}
	id, ok, err := one(ctx, tx, value[int64], `SELECT id FROM spend_groups
		WHERE cluster = ? AND provider = ? AND region = ? AND instance_type = ? AND capacity_type = ? AND label_price = ?
		AND zone = ? AND pool = ? AND came = ?`, args...)
	if err == nil && !ok {
		id, _, err = one(ctx, tx, value[int64], `INSERT INTO spend_groups (cluster, provider, region, instance_type,
			capacity_type, label_price, zone, pool, came) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, args...)
	}
	return id, err
}

// sumUpStep adds to the next step of a cluster what was before it. How far that is stands in meta.
func sumUpStep(ctx context.Context, tx tx, cluster string) (more bool, err error) {
	name := "spend_upto/" + cluster
	done, begun, err := metaNumber(ctx, tx, name)
	if err != nil {
		return false, err
	}
	if !begun {
		done = -1
	}
	step, _, err := one(ctx, tx, value[sql.NullInt64], spendNextSQL, cluster, done+1)
	if err != nil || !step.Valid {
		return false, err
	}
	if begun {
		if _, err := tx.exec(ctx, copySpendSQL, step.Int64, cluster, done); err != nil {
			return false, err
		}
	}
	return true, setMeta(ctx, tx, name, step.Int64)
}
