package k8s

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// memory is a Store with the ledger's semantics and none of its durability. It outlives the
// watchers of a test as the ledger outlives the process.
type memory struct {
	mu sync.Mutex
	recorded
	fail error // returned by every method, if set
}

type recorded struct {
	checkpoint fleet.Checkpoint
	nodes      map[string]*memoryNode
	changes    []fleet.Change
	gaps       []fleet.Gap
	events     map[string]fleet.Event
	merged     int // RecordEvents that met an event already there

	nodeWrites, eventWrites, marks int
}

type memoryNode struct {
	node     fleet.Node
	known    fleet.Known
	baseline bool // from a list that was not finished yet
	gone     bool
}

var _ Store = (*memory)(nil)

func newMemory() *memory {
	return &memory{recorded: recorded{nodes: map[string]*memoryNode{}, events: map[string]fleet.Event{}}}
}

func (m *memory) lock(ctx context.Context) (func(), error) {
	m.mu.Lock()
	return m.mu.Unlock, errors.Join(ctx.Err(), m.fail)
}

func (m *memory) Checkpoint(ctx context.Context, cluster string) (fleet.Checkpoint, error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	return m.checkpoint, err
}

func (m *memory) KnownNodes(ctx context.Context, cluster string) (map[string]fleet.Known, error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	known := map[string]fleet.Known{}
	for uid, n := range m.nodes {
		if !n.gone {
			known[uid] = n.known
		}
	}
	return known, err
}

func (m *memory) Node(ctx context.Context, cluster, uid string) (query.NodeRecord, bool, error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	if n := m.nodes[uid]; n != nil {
		return query.NodeRecord{Node: n.node}, true, err
	}
	return query.NodeRecord{}, false, err
}

func (m *memory) Left(ctx context.Context, cluster, uid string) (fleet.Known, bool, error) {
	unlock, err := m.lock(ctx)
	defer unlock()
	if n := m.nodes[uid]; n != nil && n.gone {
		return n.known, true, err
	}
	return fleet.Known{}, false, err
}

func (m *memory) RecordIdentity(ctx context.Context, cluster, identity string) error {
	unlock, err := m.lock(ctx)
	defer unlock()
	if identity != "" {
		m.checkpoint.Identity = identity
	}
	return err
}

func (m *memory) RecordBaseline(ctx context.Context, cluster string, obs []fleet.Observation) error {
	unlock, err := m.lock(ctx)
	defer unlock()
	for _, o := range obs {
		m.nodes[o.Node.UID] = &memoryNode{node: o.Node, known: o.Known, baseline: true}
	}
	return err
}

func (m *memory) FinishBaseline(ctx context.Context, b fleet.Batch, keep func(string) bool) error {
	unlock, err := m.lock(ctx)
	defer unlock()
	maps.DeleteFunc(m.nodes, func(uid string, n *memoryNode) bool { return n.baseline && !keep(uid) })
	for _, n := range m.nodes {
		n.baseline = false
	}
	m.checkpoint.BaselineAt, m.checkpoint.WatchedUntil, m.checkpoint.NodesVersion = b.At, b.At, b.ResourceVersion
	return err
}

func (m *memory) RecordNodes(ctx context.Context, b fleet.Batch) error {
	unlock, err := m.lock(ctx)
	defer unlock()
	if err != nil {
		return err
	}
	m.nodeWrites++
	gap := int64(0)
	if b.Gap != nil {
		g := *b.Gap
		g.ID = int64(len(m.gaps) + 1)
		m.gaps = append(m.gaps, g)
		gap = g.ID
	}
	for _, o := range b.Observations {
		n := m.nodes[o.Node.UID]
		if n == nil {
			n = &memoryNode{}
			m.nodes[o.Node.UID] = n
		}
		n.gone = n.gone && o.Known.Returns == n.known.Returns
		n.node, n.known = o.Node, o.Known
		for _, c := range o.Changes {
			c.GapID = gap
			n.gone = n.gone || c.Kind == fleet.Removed
			same := func(x fleet.Change) bool {
				return x.NodeUID == c.NodeUID && x.Kind == c.Kind && x.Occurrence == c.Occurrence
			}
			if !slices.ContainsFunc(m.changes, same) {
				c.ID = int64(len(m.changes) + 1)
				m.changes = append(m.changes, c)
			}
		}
	}
	if b.ResourceVersion != "" {
		m.checkpoint.NodesVersion = b.ResourceVersion
	}
	m.checkpoint.WatchedUntil = fleet.Latest(m.checkpoint.WatchedUntil, b.At)
	return nil
}

func (m *memory) Watched(ctx context.Context, cluster string, until time.Time, version string) error {
	unlock, err := m.lock(ctx)
	defer unlock()
	m.marks++
	m.checkpoint.WatchedUntil = fleet.Latest(m.checkpoint.WatchedUntil, until)
	if version != "" {
		m.checkpoint.NodesVersion = version
	}
	return err
}

func (m *memory) RecordEvents(ctx context.Context, cluster string, events []fleet.Event, version string) error {
	unlock, err := m.lock(ctx)
	defer unlock()
	m.eventWrites++
	for _, e := range events {
		old, ok := m.events[e.UID]
		if ok {
			m.merged++
			e.Count, e.Last = max(e.Count, old.Count), fleet.Latest(e.Last, old.Last)
		}
		m.events[e.UID] = e
	}
	if version != "" {
		m.checkpoint.EventsVersion = version
	}
	return err
}

// what returns the changes as "name kind#occurrence", in the order of recording.
func (m *memory) what(name string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, c := range m.changes {
		if name == "" || c.NodeName == name {
			out = append(out, fmt.Sprintf("%s %s#%d", c.NodeName, c.Kind, c.Occurrence))
		}
	}
	return out
}

func (m *memory) change(t *testing.T, name string, kind fleet.ChangeKind) fleet.Change {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.changes {
		if c.NodeName == name && c.Kind == kind {
			return c
		}
	}
	t.Fatalf("no change %s of %s in %+v", kind, name, m.changes)
	return fleet.Change{}
}

// snapshot returns what is recorded now.
func (m *memory) snapshot() recorded {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.recorded
	s.changes, s.gaps, s.nodes, s.events = slices.Clone(s.changes), slices.Clone(s.gaps), maps.Clone(s.nodes),
		maps.Clone(s.events)
	return s
}
