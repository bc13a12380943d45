package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"

	"rollcall/internal/fleet"
)

// liveKind is what the live nodes are counted by: what totals and prices need.
type liveKind struct {
	fleet.Machine
	ready, cordoned bool
}

// liveCounts counts the live nodes of each cluster. Every message says how many nodes there are
// and what they cost; reading them all for it would take most of the time between a change and
// its message where thousands live. So they are read once, and then the transactions that change
// nodes say what they changed. The process that has the ledger open to write is the only one
// that changes it, see acquire.
type liveCounts struct {
	changing sync.Mutex // held while nodes change until the counts have followed, and while they are read

	mu sync.Mutex
	by map[string]map[liveKind]int // by cluster; guarded by mu. What is not there must be read.
}

// steps are by how much a transaction changes the counts of a cluster.
type steps map[liveKind]int

// step adds what becomes of a node.
func (s steps) step(before, after liveKind, was, is bool) {
	if was {
		s[before]--
	}
	if is {
		s[after]++
	}
}

// change runs f, which changes nodes of a cluster, and lets the counts follow. A nil steps means
// that they have to be read anew.
func (c *liveCounts) change(cluster string, f func() (steps, error)) error {
	if c == nil {
		_, err := f()
		return err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	s, err := f()
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.by[cluster]
	switch {
	case counts == nil:
	case s == nil || err != nil: // whether a commit that failed has failed, the file alone knows
		delete(c.by, cluster)
	default:
		for kind, by := range s {
			if counts[kind] += by; counts[kind] == 0 {
				delete(counts, kind)
			}
		}
	}
	return err
}

const liveSQL = `SELECT ` + machineColumns + `, n.status = 'True', n.cordoned <> 0, count(*) FROM nodes n
	WHERE n.cluster = ? AND n.removed_at IS NULL GROUP BY ` + machineColumns + `, n.status = 'True', n.cordoned <> 0`

// liveNodes calls yield with the live nodes of a cluster, counted.
func (l *Ledger) liveNodes(ctx context.Context, cluster string, yield func(kind liveKind, nodes int)) error {
	if l.live == nil { // another process may change them
		counts, err := l.readLive(ctx, cluster)
		for kind, n := range counts {
			yield(kind, n)
		}
		return err
	}
	if l.live.each(cluster, yield) {
		return nil
	}
	l.live.changing.Lock()
	defer l.live.changing.Unlock()
	if l.live.each(cluster, yield) { // somebody else has read them meanwhile
		return nil
	}
	counts, err := l.readLive(ctx, cluster)
	if err != nil {
		return err
	}
	l.live.mu.Lock()
	l.live.by[cluster] = counts
	l.live.mu.Unlock()
	l.live.each(cluster, yield)
	return nil
}

func (c *liveCounts) each(cluster string, yield func(kind liveKind, nodes int)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts, ok := c.by[cluster]
	for kind, n := range counts {
		yield(kind, n)
	}
	return ok
}

func (l *Ledger) readLive(ctx context.Context, cluster string) (map[liveKind]int, error) {
	counts := map[liveKind]int{}
	var kind liveKind
	for n, err := range each(ctx, l.r, func(r row) (n int, err error) {
		err = r.Scan(append(machineDest(&kind.Machine), &kind.ready, &kind.cordoned, &n)...)
		return n, err
	}, liveSQL, cluster) {
		if err != nil {
			return nil, err
		}
		counts[kind] = n
	}
	return counts, nil
}

const oldNodeSQL = `SELECT ` + machineColumns +
	`, n.status = 'True', n.cordoned <> 0, n.removed_at IS NULL FROM nodes n WHERE n.cluster = ? AND n.uid = ?`

// oldNode returns as what a node is counted before a transaction changes it.
func oldNode(ctx context.Context, tx tx, cluster, uid string) (kind liveKind, known, live bool, err error) {
	err = tx.QueryRowContext(ctx, oldNodeSQL, cluster,
		uid).Scan(append(machineDest(&kind.Machine), &kind.ready, &kind.cordoned, &live)...)
	if errors.Is(err, sql.ErrNoRows) {
		return kind, false, false, nil
	}
	return kind, true, live, err
}

// Totals counts the live nodes of a cluster.
func (l *Ledger) Totals(ctx context.Context, cluster string) (t fleet.Totals, err error) {
	defer doing(&err, "counting nodes of %s", cluster)
	err = l.liveNodes(ctx, cluster, func(kind liveKind, nodes int) {
		t.Nodes += nodes
		if kind.ready {
			t.Ready += nodes
		}
		if kind.cordoned {
			t.Cordoned += nodes
		}
	})
	return t, err
}

// Machines counts the live nodes of a cluster by what their prices depend on.
func (l *Ledger) Machines(ctx context.Context, cluster string) (machines map[fleet.Machine]int, err error) {
	defer doing(&err, "counting machines of %s", cluster)
	machines = map[fleet.Machine]int{}
	err = l.liveNodes(ctx, cluster, func(kind liveKind, nodes int) { machines[kind.Machine] += nodes })
	return machines, err
}

// Baseline counts the nodes that were there at the first start: in all, by instance type and
// capacity type, most first, and by what their prices depend on. Their joining is no change. What
// joined or left since is told on its own, also if that was before the first start was told.
func (l *Ledger) Baseline(ctx context.Context, cluster string) (
	t fleet.Totals, groups []fleet.Group, machines map[fleet.Machine]int, err error) {
	defer doing(&err, "counting the first nodes of %s", cluster)
	machines = map[fleet.Machine]int{}
	var m fleet.Machine
	for n, err := range each(ctx, l.r, func(r row) (n fleet.Totals, err error) {
		err = r.Scan(append(machineDest(&m), &n.Nodes, &n.Ready, &n.Cordoned)...)
		return n, err
	}, baselineSQL, cluster) {
		if err != nil {
			return t, nil, nil, err
		}
		machines[m] = n.Nodes
		t.Nodes, t.Ready, t.Cordoned = t.Nodes+n.Nodes, t.Ready+n.Ready, t.Cordoned+n.Cordoned
		i := slices.IndexFunc(groups, func(g fleet.Group) bool {
			return g.InstanceType == m.InstanceType && g.CapacityType == m.CapacityType
		})
		if i < 0 {
			i = len(groups)
			groups = append(groups, fleet.Group{InstanceType: m.InstanceType, CapacityType: m.CapacityType})
		}
		groups[i].Nodes += n.Nodes
	}
	slices.SortFunc(groups, func(a, b fleet.Group) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.InstanceType, b.InstanceType),
			cmp.Compare(a.CapacityType, b.CapacityType))
	})
	return t, groups, machines, nil
}

// counts are how many nodes n there are, how many of them are ready, and how many are cordoned.
const counts = `count(*), coalesce(sum(CASE WHEN n.status = 'True' THEN 1 ELSE 0 END), 0), coalesce(sum(n.cordoned), 0)`

const baselineSQL = `SELECT ` + machineColumns + `, ` + counts + ` FROM nodes n
	WHERE n.cluster = ? AND NOT EXISTS (SELECT 1 FROM changes
		WHERE changes.cluster = n.cluster AND node_uid = n.uid AND changes.kind = 'joined')
	GROUP BY ` + machineColumns
