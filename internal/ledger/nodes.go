package ledger

import (
	"context"
	"encoding/json"
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

// lightColumns are what nodeRow.light receives, of nodes n: all that is read quickly.
const lightColumns = `n.cluster, n.uid, n.name, n.provider, n.instance_type, n.capacity_type, n.zone, n.region, n.pool,
	n.arch, n.os, n.terms, n.status, n.ready_reason, n.ready_since, n.cordoned, n.created_at, n.ready_at, n.removed_at,
	n.removed_after`

// nodeColumns are what nodeRow.dest receives, of nodes n with nodeSets.
const nodeColumns = lightColumns + `, n.detail, n.own_labels, s.labels`

// nodeSets joins what nodeColumns needs to nodes n.
const nodeSets = ` JOIN label_sets s ON s.id = n.label_set`

// nodeRow receives nodeColumns, or lightColumns.
type nodeRow struct {
	rec                 query.NodeRecord // without details
	detail, own, labels string
}

func (r *nodeRow) light() []any {
	n := &r.rec
	return []any{&n.Cluster, &n.UID, &n.Name, &n.Provider, &n.InstanceType, &n.CapacityType, &n.Zone, &n.Region, &n.Pool,
		&n.Arch, &n.OS, &n.Terms, &n.Ready.Status, &n.Ready.Reason, at{&n.Ready.Since}, &n.Cordoned, at{&n.CreatedAt},
		at{&n.FirstReady}, at{&n.RemovedAt}, at{&n.RemovedAfter}}
}

func (r *nodeRow) dest() []any { return append(r.light(), &r.detail, &r.own, &r.labels) }

// record returns the whole node that dest received.
func (r *nodeRow) record() (query.NodeRecord, error) {
	var d nodeDetail
	err := json.Unmarshal([]byte(r.detail), &d)
	if err == nil {
		r.rec.Labels, err = joinLabels(r.labels, r.own)
	}
	if err != nil {
		return query.NodeRecord{}, fmt.Errorf("reading node %s: %w", r.rec.UID, err)
	}
	r.rec.Detail, r.rec.Ready.Message = d.Detail, d.Message
	return r.rec, nil
}

func scanNode(r row) (query.NodeRecord, error) {
	var n nodeRow
	if err := r.Scan(n.dest()...); err != nil {
		return query.NodeRecord{}, err
	}
	return n.record()
}

// Node returns a node, living or gone, as it was last recorded; ok is false if it never was.
func (l *Ledger) Node(ctx context.Context, cluster, uid string) (n query.NodeRecord, ok bool, err error) {
	defer doing(&err, "reading node %s of %s", uid, cluster)
	n, ok, err = one(ctx, l.r, scanNode,
		`SELECT `+nodeColumns+` FROM nodes n`+nodeSets+` WHERE n.cluster = ? AND n.uid = ?`, cluster, uid)
	if err != nil || !ok {
		return n, ok, err
	}
	nodes := []query.NodeRecord{n}
	err = l.fillCauses(ctx, cluster, nodes)
	return nodes[0], true, err
}

// KnownNodes returns what to remember of each live node, by UID.
func (l *Ledger) KnownNodes(ctx context.Context, cluster string) (known map[string]fleet.Known, err error) {
	defer doing(&err, "reading live nodes of %s", cluster)
	return l.knownNodes(ctx, cluster)
}

// knownColumns are what scanKnown receives, of nodes.
const knownColumns = `uid, fingerprint, ready_since, coalesce(ready_claim, ready_since), since_moves <> 0, status,
	ever_ready, cordoned, unready, cordons, returns`

// knownNode is what to remember of the node with a UID.
type knownNode struct {
	uid string
	fleet.Known
}

func scanKnown(r row) (n knownNode, err error) {
	var fingerprint int64
	var since, claim time.Time
	err = r.Scan(&n.uid, &fingerprint, at{&since}, at{&claim}, &n.SinceMoves, &n.Status, &n.EverReady, &n.Cordoned,
		&n.Unready, &n.Cordons, &n.Returns)
	n.Fingerprint = uint64(fingerprint)
	if !since.IsZero() {
		n.ReadySince = since.Unix()
	}
	if !claim.IsZero() {
		n.ReadyClaim = claim.Unix()
	}
	return n, err
}

func (l *Ledger) knownNodes(ctx context.Context, cluster string) (map[string]fleet.Known, error) {
	known := map[string]fleet.Known{}
	for n, err := range each(ctx, l.r, scanKnown,
		`SELECT `+knownColumns+` FROM nodes WHERE cluster = ? AND removed_at IS NULL`, cluster) {
		if err != nil {
			return nil, err
		}
		known[n.uid] = n.Known
	}
	return known, nil
}

// Left returns what was known of a node when its end was recorded; ok is false if it never was.
func (l *Ledger) Left(ctx context.Context, cluster, uid string) (known fleet.Known, ok bool, err error) {
	defer doing(&err, "reading whether node %s of %s has left", uid, cluster)
	n, ok, err := one(ctx, l.r, scanKnown,
		`SELECT `+knownColumns+` FROM nodes WHERE cluster = ? AND uid = ? AND removed_at IS NOT NULL`, cluster, uid)
	return n.Known, ok, err
}

// RecordBaseline records one page of the very first list of a cluster: the nodes, and nothing
// to tell. It may be called again with the same nodes.
func (l *Ledger) RecordBaseline(ctx context.Context, cluster string, nodes []fleet.Observation) (err error) {
	defer doing(&err, "recording the baseline of %s", cluster)
	return l.live.change(cluster, func() (steps, error) {
		return nil, l.tx(ctx, func(tx tx) error {
			var spent tally
			for i := range nodes {
				old, err := oldNode(ctx, tx, nodes[i].Node.Cluster, nodes[i].Node.UID)
				if err == nil {
					err = upsertNode(ctx, tx, &nodes[i], old, &spent)
				}
				if err != nil {
					return err
				}
				if err := baselineState(ctx, tx, nodes[i].Node); err != nil {
					return err
				}
			}
			return spent.flush(ctx, tx)
		})
	})
}

const baselineSQL = `INSERT INTO clusters (cluster, baseline_at, watched_until, nodes_version) VALUES (?, ?, ?, ?)
	ON CONFLICT (cluster) DO UPDATE SET baseline_at = excluded.baseline_at, watched_until = excluded.watched_until,
		nodes_version = excluded.nodes_version`

// FinishBaseline declares the first list complete at b.At. Nodes that an earlier, unfinished
// baseline recorded and for which keep is false were never watched; they are forgotten.
func (l *Ledger) FinishBaseline(ctx context.Context, b fleet.Batch, keep func(uid string) bool) (err error) {
	defer doing(&err, "finishing the baseline of %s", b.Cluster)
	known, err := l.knownNodes(ctx, b.Cluster)
	if err != nil {
		return err
	}
	err = l.live.change(b.Cluster, func() (steps, error) {
		return nil, l.tx(ctx, func(tx tx) error {
			var spent tally
			for uid := range known {
				if keep(uid) {
					continue
				}
				if _, err := spent.forgetNode(ctx, tx, b.Cluster, uid); err != nil {
					return err
				}
			}
			if err := spent.flush(ctx, tx); err != nil {
				return err
			}
			if err := baselineStates(ctx, tx, b.Cluster, b.At); err != nil {
				return err
			}
			_, err := tx.exec(ctx, baselineSQL, b.Cluster, ms(b.At), ms(b.At), b.ResourceVersion)
			return err
		})
	})
	if err == nil {
		l.notify()
	}
	return err
}

// RecordNodes records a batch in one transaction: the nodes as they are, their changes as
// to-dos, the gap and the resource version. A change that is there already is left as it is.
func (l *Ledger) RecordNodes(ctx context.Context, b fleet.Batch) (err error) {
	defer doing(&err, "recording nodes of %s", b.Cluster)
	live := steps{}
	err = l.live.change(b.Cluster, func() (steps, error) {
		return live, l.tx(ctx, func(tx tx) error {
			clear(live)
			return recordNodes(ctx, tx, b, live)
		})
	})
	if err == nil && len(b.Observations) > 0 {
		l.notify()
	}
	return err
}

// recordNodes records a batch, and adds to live what it changes in the counts of live nodes.
func recordNodes(ctx context.Context, tx tx, b fleet.Batch, live steps) error {
	var gap int64
	if b.Gap != nil {
		id, err := insertGap(ctx, tx, b.Cluster, *b.Gap)
		if err != nil {
			return err
		}
		if b.Gap.Missed { // else the watch resumed and has seen each change: they are told as any other
			gap = id
		}
	}
	var spent tally
	for i := range b.Observations {
		o := &b.Observations[i]
		old, err := oldNode(ctx, tx, o.Node.Cluster, o.Node.UID)
		if err != nil {
			return err
		}
		after := liveKind{o.Node.Machine(), o.Node.Ready.Status == fleet.Ready, o.Node.Cordoned}
		// A node that has left stays so unless it is back, see upsertNodeSQL.
		live.step(old.kind, after, old.live, (old.live || !old.known || back(o)) && !left(o))
		if err := upsertNode(ctx, tx, o, old, &spent); err != nil {
			return err
		}
		if err := recordStates(ctx, tx, o, b.At); err != nil {
			return err
		}
		for _, c := range o.Changes {
			if err := insertChange(ctx, tx, c, gap); err != nil {
				return err
			}
		}
	}
	if err := spent.flush(ctx, tx); err != nil {
		return err
	}
	return mark(ctx, tx, b.Cluster, b.At, b.ResourceVersion)
}

// left reports whether an observation is a node's last.
func left(o *fleet.Observation) bool {
	return slices.ContainsFunc(o.Changes, func(c fleet.Change) bool { return c.Kind == fleet.Removed })
}

// back reports whether an observation is a node's first after its end was recorded.
func back(o *fleet.Observation) bool {
	return slices.ContainsFunc(o.Changes, func(c fleet.Change) bool { return c.Kind == fleet.Joined && c.Occurrence > 1 })
}

const upsertNodeSQL = `INSERT INTO nodes (cluster, uid, name, provider, instance_type, capacity_type, zone, region,
		pool, arch, os, detail, status, ready_reason, ready_since, cordoned, ever_ready, unready, cordons, fingerprint,
		created_at, ready_at, removed_at, removed_after, label_set, own_labels, terms, label_price, since_moves,
		ready_claim, returns, owner, leaving, group_id)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (cluster, uid) DO UPDATE SET name = excluded.name, provider = excluded.provider,
		instance_type = excluded.instance_type, capacity_type = excluded.capacity_type, zone = excluded.zone,
		region = excluded.region, pool = excluded.pool, arch = excluded.arch, os = excluded.os, detail = excluded.detail,
		status = excluded.status, ready_reason = excluded.ready_reason, ready_since = excluded.ready_since,
		cordoned = excluded.cordoned, ever_ready = excluded.ever_ready, unready = excluded.unready,
		cordons = excluded.cordons, fingerprint = excluded.fingerprint,
		ready_at = coalesce(nodes.ready_at, excluded.ready_at),
		removed_at = CASE WHEN excluded.returns > nodes.returns THEN NULL
			ELSE coalesce(nodes.removed_at, excluded.removed_at) END,
		removed_after = CASE WHEN excluded.returns > nodes.returns THEN NULL
			ELSE coalesce(nodes.removed_after, excluded.removed_after) END,
		returns = CASE WHEN excluded.returns > nodes.returns THEN excluded.returns ELSE nodes.returns END,
		label_set = excluded.label_set, own_labels = excluded.own_labels, terms = excluded.terms,
		label_price = excluded.label_price,
		since_moves = excluded.since_moves, ready_claim = excluded.ready_claim,
		owner = CASE excluded.owner WHEN '' THEN nodes.owner ELSE excluded.owner END, leaving = excluded.leaving,
		group_id = excluded.group_id`

// upsertNode records a node as it is. old is what is recorded of it, and spent what changes in what nodes cost.
func upsertNode(ctx context.Context, tx tx, o *fleet.Observation, old oldRow, spent *tally) error {
	n, k := &o.Node, &o.Known
	group, err := spent.groupOf(ctx, tx, n, old)
	if err != nil {
		return err
	}
	lives := !old.known || group != old.group || left(o) || back(o) // its life may be another one after that
	if lives && old.known {
		if err := spent.countNode(ctx, tx, n, -1); err != nil {
			return err
		}
	}
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
	_, _, leaving := n.Leaving()
	if _, err = tx.exec(ctx, upsertNodeSQL, n.Cluster, n.UID, n.Name, n.Provider, n.InstanceType, n.CapacityType, n.Zone,
		n.Region, n.Pool, n.Arch, n.OS, string(detail), string(n.Ready.Status), n.Ready.Reason, ms(n.Ready.Since), n.Cordoned,
		k.EverReady, k.Unready, k.Cordons, int64(k.Fingerprint), n.CreatedAt.UnixMilli(), readyAt, removedAt, removedAfter,
		set, own, string(n.Terms), n.Machine().LabelPrice, k.SinceMoves, k.ReadyClaim*1000, k.Returns,
		ownerText(n.Owner), leaving, group); err != nil || !lives {
		return err
	}
	if !old.known && removedAt == nil {
		spent.count(spentLife{cluster: n.Cluster, group: group, came: n.CreatedAt.UnixMilli()}, 1)
		return nil
	}
	return spent.countNode(ctx, tx, n, 1)
}
