package ledger

import (
	"context"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/cause"
	"rollcall/internal/fleet"
)

// maxKeeps is how many things may keep one node at once, as far as they are recorded: of what differs with each
// statement, there is no end.
const maxKeeps = 8

// maxKeepNote is how much of a statement is kept with it, in bytes.
const maxKeepNote = 200

// unit stands between the parts of a text that is several columns: a control character, which no name has.
const unit = "\x1f"

const (
	// A node that has left, or is being ended, is kept by nothing: what is said of it comes late. Only that its end has
	// failed may be heard before the node itself says that it is not being ended any more. A repeat is a write only if
	// the last one that was noted is longer ago than fleet.SaidEvery.
	keepSQL = `INSERT INTO keeps (cluster, node_uid, kind, namespace, name, why, note, since_at, at_least, last_at)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
		WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE cluster = ? AND uid = ? AND (removed_at IS NOT NULL
				OR leaving = 1 AND ? <> 'scale-down failed'))
			AND (EXISTS (SELECT 1 FROM keeps WHERE cluster = ? AND node_uid = ? AND kind = ? AND namespace = ? AND name = ?
					AND why = ? AND until_at IS NULL)
				OR (SELECT count(*) FROM keeps WHERE cluster = ? AND node_uid = ? AND until_at IS NULL) < ?)
		ON CONFLICT (cluster, node_uid, kind, namespace, name, why) WHERE until_at IS NULL
			DO UPDATE SET last_at = excluded.last_at, note = excluded.note WHERE excluded.last_at >= keeps.last_at + ?`
	openStatesSQL = `SELECT kind, since_at FROM keeps WHERE cluster = ? AND node_uid = ? AND until_at IS NULL`
	// What was said of it ends with its last statement.
	// What says that the node's end has failed stands if it was said after that began: the watch of events was faster.
	endKeepsSQL = `UPDATE keeps SET until_at = ? WHERE cluster = ? AND node_uid = ? AND until_at IS NULL
		AND NOT (kind = 'scale-down failed' AND last_at >= ?)`
	endStateSQL = `UPDATE keeps SET until_at = ? WHERE cluster = ? AND node_uid = ? AND until_at IS NULL AND kind = ?`
	lapseSQL    = `UPDATE keeps SET until_at = ? WHERE cluster = ? AND until_at IS NULL AND last_at < ?
		AND kind NOT IN ('cordon', 'unneeded')`
	// A node that is listed again and again before the first list is complete is cordoned since the last one.
	baselineStatesSQL = `INSERT INTO keeps (cluster, node_uid, kind, namespace, name, why, note, since_at, at_least,
			last_at)
		SELECT n.cluster, n.uid, 'cordon', '', '', '', '', ?, 1, ? FROM nodes n
		WHERE n.cluster = ? AND n.removed_at IS NULL AND n.cordoned = 1 AND n.leaving = 0
		ON CONFLICT (cluster, node_uid, kind, namespace, name, why) WHERE until_at IS NULL DO NOTHING`
	strayKeepsSQL = `DELETE FROM keeps WHERE cluster = ? AND node_uid <> '' AND until_at IS NULL AND kind = 'unneeded'
		AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.cluster = keeps.cluster AND n.uid = keeps.node_uid)`
	oldKeepsSQL = `DELETE FROM keeps WHERE id IN (SELECT kp.id FROM keeps kp WHERE kp.cluster = ? AND kp.until_at < ?
		LIMIT ?)`

	// What reading takes, each column takes: of thousands of keeps, texts that are the same again and again are one.
	keepColumns = `kp.node_uid, kp.kind || '` + unit + `' || kp.namespace || '` + unit + `' || kp.name || '` + unit +
		`' || kp.why, kp.since_at, kp.at_least, kp.last_at, kp.until_at`
	keptColumns = `n.name || '` + unit + `' || n.pool || '` + unit + `' || n.provider || '` + unit + `' || n.region || '` +
		unit + `' || n.instance_type || '` + unit + `' || n.capacity_type || '` + unit + `' || n.terms, n.label_price`
	ofNodeSQL = `SELECT ` + keepColumns + `, ` + keptColumns + ` FROM keeps kp
		JOIN nodes n ON n.cluster = kp.cluster AND n.uid = kp.node_uid WHERE kp.cluster = ? AND kp.since_at < ?
		AND kp.until_at `
	ofPoolSQL = `SELECT ` + keepColumns + `, '` + unit + `' || kp.name, 0.0 FROM keeps kp
		WHERE kp.cluster = ? AND kp.since_at < ? AND kp.node_uid = '' AND kp.until_at `
	keepsSQL = ofNodeSQL + `IS NULL UNION ALL ` + ofNodeSQL + `>= ? UNION ALL ` + ofPoolSQL + `IS NULL UNION ALL ` +
		ofPoolSQL + `>= ?`
	nodeKeepsSQL = `SELECT ` + keepColumns + `, ` + keptColumns + `, kp.note FROM keeps kp
		JOIN nodes n ON n.cluster = kp.cluster AND n.uid = kp.node_uid
		WHERE kp.cluster = ? AND kp.node_uid = ? AND kp.until_at IS NULL ORDER BY kp.since_at, kp.id`
)

// recordKeep records what a scaling event says keeps a node, or a pool.
func recordKeep(ctx context.Context, tx tx, cluster string, e *fleet.Event) error {
	keeper, ok := cause.Keeper(*e)
	if !ok {
		return nil
	}
	uid := ""
	if e.Regarding.Kind == "Node" {
		if uid = e.Regarding.UID; uid == "" || uid == e.Regarding.Name {
			var err error
			if uid, ok, err = one(ctx, tx, value[string], `SELECT uid FROM nodes WHERE cluster = ? AND name = ?
				AND removed_at IS NULL AND created_at <= ? ORDER BY created_at DESC LIMIT 1`, cluster, e.Regarding.Name,
				e.Last.UnixMilli()); err != nil || !ok {
				return err
			}
		}
	}
	// An event may be repeated after a pause in which it was not so.
	since, atLeast := e.First, false
	if e.Last.Sub(e.First) > cause.Lapse {
		since, atLeast = e.Last, true
	}
	return insertKeep(ctx, tx, cluster, uid, keeper, fleet.Cut(e.Note, maxKeepNote), since, e.Last, atLeast)
}

func insertKeep(ctx context.Context, tx tx, cluster, uid string, k fleet.Keeper, note string, since, last time.Time,
	atLeast bool) error {
	_, err := tx.exec(ctx, keepSQL, cluster, uid, string(k.Kind), k.Namespace, k.Name, k.Why, note, since.UnixMilli(),
		atLeast, last.UnixMilli(), cluster, uid, string(k.Kind), cluster, uid, string(k.Kind), k.Namespace, k.Name, k.Why,
		cluster, uid, maxKeeps, fleet.SaidEvery.Milliseconds())
	return err
}

// recordStates records what a node says itself of what keeps it, as it is seen at a moment.
func recordStates(ctx context.Context, tx tx, o *fleet.Observation, seen time.Time) error {
	n := &o.Node
	var gone time.Time
	since, atLeast := seen, true // when it was cordoned: by now
	for _, c := range o.Changes {
		switch c.Kind {
		case fleet.Removed:
			gone = c.At
		case fleet.Cordoned:
			since, atLeast = c.At, c.Proof == fleet.ProofNone
		case fleet.Uncordoned:
			seen = c.At
		}
	}
	failed := int64(math.MaxInt64) // a failure that is said from then on is one of the end that goes on
	if _, from, leaving := n.Leaving(); leaving && gone.IsZero() {
		if gone = seen; !from.IsZero() {
			failed = from.UnixMilli()
		}
	}
	if !gone.IsZero() {
		_, err := tx.exec(ctx, endKeepsSQL, gone.UnixMilli(), n.Cluster, n.UID, failed)
		return err
	}
	type state struct {
		kind  fleet.KeeperKind
		since time.Time
	}
	open, err := collect(ctx, tx, func(r row) (s state, err error) {
		err = r.Scan(&s.kind, at{&s.since})
		return s, err
	}, openStatesSQL, n.Cluster, n.UID)
	if err != nil {
		return err
	}
	states := cause.States(*n)
	for _, s := range open {
		k := fleet.Keeper{Kind: s.kind}
		if !k.State() {
			continue
		}
		now, still := states[k]
		if still && (now.IsZero() || now.Equal(s.since)) {
			delete(states, k)
			continue
		}
		end := seen
		if still { // it was not so in between
			end = now
		}
		if _, err := tx.exec(ctx, endStateSQL, end.UnixMilli(), n.Cluster, n.UID, string(s.kind)); err != nil {
			return err
		}
	}
	for k, from := range states {
		early := false
		if from.IsZero() {
			from, early = since, atLeast
		}
		if err := insertKeep(ctx, tx, n.Cluster, n.UID, k, "", from, from, early); err != nil {
			return err
		}
	}
	return nil
}

// baselineState records that the Cluster Autoscaler did not need a node of the first list, which says itself since
// when.
func baselineState(ctx context.Context, tx tx, n fleet.Node) error {
	unneeded := fleet.Keeper{Kind: fleet.ByUnneeded}
	since, ok := cause.States(n)[unneeded]
	if !ok || since.IsZero() {
		return nil
	}
	return insertKeep(ctx, tx, n.Cluster, n.UID, unneeded, "", since, since, false)
}

// baselineStates records, when the first list of a cluster is complete, what its nodes say of what keeps them.
func baselineStates(ctx context.Context, tx tx, cluster string, at time.Time) error {
	if _, err := tx.exec(ctx, strayKeepsSQL, cluster); err != nil {
		return err
	}
	_, err := tx.exec(ctx, baselineStatesSQL, at.UnixMilli(), at.UnixMilli(), cluster)
	return err
}

// LapseKeeps ends the statements about nodes of a cluster that were made last before a moment, and says that they were
// over by now.
func (l *Ledger) LapseKeeps(ctx context.Context, cluster string, before, now time.Time) (err error) {
	defer doing(&err, "ending what keeps nodes of %s", cluster)
	// Looked for first: mostly there is nothing to write.
	some, _, err := one(ctx, l.r, value[bool], `SELECT EXISTS (SELECT 1 FROM keeps WHERE cluster = ? AND until_at IS NULL
		AND last_at < ? AND kind NOT IN ('cordon', 'unneeded'))`, cluster, before.UnixMilli())
	if err != nil || !some {
		return err
	}
	_, err = l.exec(ctx, lapseSQL, now.UnixMilli(), cluster, before.UnixMilli())
	return err
}

// Keeps yields what keeps or kept nodes of a cluster, and whole pools, and has a part in [from, until), in no order,
// and at most one error, which is the last. The statements in their own words are left out.
func (l *Ledger) Keeps(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Keep, error] {
	end, begin := until.UnixMilli(), from.UnixMilli()
	return telling("reading what keeps nodes of "+cluster, func(yield func(fleet.Keep, error) bool) {
		each(ctx, l.r, scanKeep(cluster, false), keepsSQL, cluster, end, cluster, end, begin, cluster, end, cluster, end,
			begin)(yield)
	})
}

// NodeKeeps returns what keeps one node now, the oldest first.
func (l *Ledger) NodeKeeps(ctx context.Context, cluster, uid string) (ks []fleet.Keep, err error) {
	defer doing(&err, "reading what keeps a node of %s", cluster)
	return collect(ctx, l.r, scanKeep(cluster, true), nodeKeepsSQL, cluster, uid)
}

// scanKeep scans keeps of a cluster, one after the other, with their notes or without.
func scanKeep(cluster string, notes bool) func(row) (fleet.Keep, error) {
	k := fleet.Keep{Cluster: cluster}
	var keeper, node, lastNode string
	keepers := map[string]fleet.Keeper{}
	dest := []any{&k.NodeUID, &keeper, at{&k.Since}, &k.AtLeast, at{&k.Last}, at{&k.Until}, &node, &k.Machine.LabelPrice}
	if notes {
		dest = append(dest, &k.Note)
	}
	return func(r row) (fleet.Keep, error) {
		if err := r.Scan(dest...); err != nil {
			return k, err
		}
		known, ok := keepers[keeper]
		if !ok {
			p := units(keeper, 4)
			known = fleet.Keeper{Kind: fleet.KeeperKind(p[0]), Namespace: p[1], Name: p[2], Why: p[3]}
			keepers[keeper] = known
		}
		k.Keeper = known
		if node != lastNode {
			p := units(node, 7)
			k.Node, k.Pool, lastNode = p[0], p[1], node
			k.Machine = fleet.Machine{Provider: p[2], Region: p[3], InstanceType: p[4], CapacityType: p[5],
				Terms: fleet.Terms(p[6]), LabelPrice: k.Machine.LabelPrice}
		}
		return k, nil
	}
}

// units are the first n parts of a text that is several columns.
func units(text string, n int) []string {
	return append(strings.SplitN(text, unit, n), make([]string, n)...)[:n]
}

// KeepsSince returns since when it is recorded what keeps nodes of a cluster; zero if it is not watched yet.
func (l *Ledger) KeepsSince(ctx context.Context, cluster string) (since time.Time, err error) {
	defer doing(&err, "reading since when it is known what keeps nodes of %s", cluster)
	var began string // Unix milliseconds, of a ledger that is older than what is recorded of keeps
	var baseline time.Time
	_, ok, err := one(ctx, l.r, scanTo(&began, at{&baseline}), `SELECT coalesce((SELECT m.value FROM meta m
		WHERE m.name = 'keeps_since'), ''), c.baseline_at FROM clusters c WHERE c.cluster = ?`, cluster)
	if err != nil || !ok || baseline.IsZero() || began == "" {
		return baseline, err
	}
	at, err := strconv.ParseInt(began, 10, 64)
	return fleet.Latest(time.UnixMilli(at).UTC(), baseline), err
}
