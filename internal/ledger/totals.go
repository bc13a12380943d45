package ledger

import (
	"cmp"
	"context"
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

func newLiveCounts() *liveCounts { return &liveCounts{by: map[string]map[liveKind]int{}} }

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

// machineColumns are what machineDest receives, of nodes n.
const machineColumns = `n.provider, n.region, n.instance_type, n.capacity_type, n.terms, n.label_price`

func machineDest(m *fleet.Machine) []any {
	return []any{&m.Provider, &m.Region, &m.InstanceType, &m.CapacityType, &m.Terms, &m.LabelPrice}
}

// liveKindColumns are what liveKind.dest receives, of nodes n.
const liveKindColumns = machineColumns + `, n.status = 'True', n.cordoned <> 0`

func (k *liveKind) dest() []any { return append(machineDest(&k.Machine), &k.ready, &k.cordoned) }

const liveSQL = `SELECT ` + liveKindColumns + `, count(*) FROM nodes n
	WHERE n.cluster = ? AND n.removed_at IS NULL GROUP BY ` + liveKindColumns

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
	type kindCount struct {
		kind  liveKind
		nodes int
	}
	counts := map[liveKind]int{}
	for c, err := range each(ctx, l.r, func(r row) (c kindCount, err error) {
		err = r.Scan(append(c.kind.dest(), &c.nodes)...)
		return c, err
	}, liveSQL, cluster) {
		if err != nil {
			return nil, err
		}
		counts[c.kind] = c.nodes
	}
	return counts, nil
}

const oldNodeSQL = `SELECT ` + liveKindColumns + `, n.removed_at IS NULL, n.zone, n.pool, coalesce(n.group_id, 0)
	FROM nodes n WHERE n.cluster = ? AND n.uid = ?`

// oldRow is as what a node is counted before a transaction changes it.
type oldRow struct {
	known, live bool
	kind        liveKind
	zone, pool  string
	group       int64 // of spend_groups
}

func oldNode(ctx context.Context, tx tx, cluster, uid string) (old oldRow, err error) {
	_, old.known, err = one(ctx, tx, scanTo(append(old.kind.dest(), &old.live, &old.zone, &old.pool, &old.group)...),
		oldNodeSQL, cluster, uid)
	return old, err
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

const firstNodesSQL = `SELECT ` + machineColumns + `, ` + countColumns + ` FROM nodes n WHERE n.cluster = ?
	AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.cluster = n.cluster AND c.node_uid = n.uid AND c.kind = 'joined')
	GROUP BY ` + machineColumns

// Baseline counts the nodes that were there at the first start: in all, by instance type and
// capacity type, most first, and by what their prices depend on. Their joining is no change. What
// joined or left since is told on its own, also if that was before the first start was told.
func (l *Ledger) Baseline(ctx context.Context, cluster string) (
	t fleet.Totals, groups []fleet.Group, machines map[fleet.Machine]int, err error) {
	defer doing(&err, "counting the first nodes of %s", cluster)
	type machineCount struct {
		fleet.Machine
		fleet.Totals
	}
	machines = map[fleet.Machine]int{}
	for m, err := range each(ctx, l.r, func(r row) (m machineCount, err error) {
		err = r.Scan(append(machineDest(&m.Machine), countDest(&m.Totals)...)...)
		return m, err
	}, firstNodesSQL, cluster) {
		if err != nil {
			return t, nil, nil, err
		}
		machines[m.Machine] = m.Nodes
		addTotals(&t, m.Totals)
		i := slices.IndexFunc(groups, func(g fleet.Group) bool {
			return g.InstanceType == m.InstanceType && g.CapacityType == m.CapacityType
		})
		if i < 0 {
			i = len(groups)
			groups = append(groups, fleet.Group{InstanceType: m.InstanceType, CapacityType: m.CapacityType})
		}
		groups[i].Nodes += m.Nodes
	}
	slices.SortFunc(groups, func(a, b fleet.Group) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.InstanceType, b.InstanceType),
			cmp.Compare(a.CapacityType, b.CapacityType))
	})
	return t, groups, machines, nil
}

// countColumns are what countDest receives: a count of nodes n.
const countColumns = `count(*), coalesce(sum(CASE WHEN n.status = 'True' THEN 1 ELSE 0 END), 0),
	coalesce(sum(n.cordoned), 0)`

func countDest(t *fleet.Totals) []any { return []any{&t.Nodes, &t.Ready, &t.Cordoned} }

func addTotals(t *fleet.Totals, by fleet.Totals) {
	t.Nodes, t.Ready, t.Cordoned = t.Nodes+by.Nodes, t.Ready+by.Ready, t.Cordoned+by.Cordoned
}
