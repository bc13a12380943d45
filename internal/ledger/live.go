package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	rows, err := l.r.QueryContext(ctx, liveSQL, cluster)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[liveKind]int{}
	for rows.Next() {
		var kind liveKind
		var nodes int
		if err := rows.Scan(append(machineDest(&kind.Machine), &kind.ready, &kind.cordoned, &nodes)...); err != nil {
			return nil, err
		}
		counts[kind] = nodes
	}
	return counts, rows.Err()
}

const oldNodeSQL = `SELECT ` + machineColumns + `, n.status = 'True', n.cordoned <> 0, n.removed_at IS NULL FROM nodes n WHERE n.cluster = ? AND n.uid = ?`

// oldNode returns as what a node is counted before a transaction changes it.
func oldNode(ctx context.Context, tx tx, cluster, uid string) (kind liveKind, known, live bool, err error) {
	err = tx.QueryRowContext(ctx, oldNodeSQL, cluster, uid).Scan(append(machineDest(&kind.Machine), &kind.ready, &kind.cordoned, &live)...)
	if errors.Is(err, sql.ErrNoRows) {
		return kind, false, false, nil
	}
	return kind, true, live, err
}

// Totals counts the live nodes of a cluster.
func (l *Ledger) Totals(ctx context.Context, cluster string) (t fleet.Totals, err error) {
	err = l.liveNodes(ctx, cluster, func(kind liveKind, nodes int) {
		t.Nodes += nodes
		if kind.ready {
			t.Ready += nodes
		}
		if kind.cordoned {
			t.Cordoned += nodes
		}
	})
	if err != nil {
		return t, fmt.Errorf("counting nodes of %s: %w", cluster, explain(err))
	}
	return t, nil
}

// Machines counts the live nodes of a cluster by what their prices depend on.
func (l *Ledger) Machines(ctx context.Context, cluster string) (map[fleet.Machine]int, error) {
	machines := map[fleet.Machine]int{}
	err := l.liveNodes(ctx, cluster, func(kind liveKind, nodes int) { machines[kind.Machine] += nodes })
	if err != nil {
		return nil, fmt.Errorf("counting machines of %s: %w", cluster, explain(err))
	}
	return machines, nil
}
