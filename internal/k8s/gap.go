package k8s

import (
	"maps"
	"slices"
	"time"

	"rollcall/internal/fleet"
)

// eventTTL is how long an API server keeps events unless told otherwise (--event-ttl).
const eventTTL = time.Hour

// slack is the rounding of event times by the older recorder: whole seconds, cut off.
const slack = time.Second

// gapFrom is where a gap begins that ends at until: at the last sign of life, unless that lies in
// what is the future now, because the clock has been set back since.
func gapFrom(alive, until time.Time) time.Time {
	// Without their monotonic readings, which do not know of it.
	if alive.Round(0).After(until.Round(0)) {
		return until
	}
	return alive
}

// proof is what events tell of one node.
type proof struct {
	uid, name   string
	first, last time.Time
	registered  time.Time   // RegisteredNode
	removing    time.Time   // RemovingNode or DeletingNode: the node controllers saw it gone
	ready       []time.Time // NodeReady
	notReady    []time.Time // NodeNotReady
	cordoned    []time.Time // NodeNotSchedulable
	uncordoned  []time.Time // NodeSchedulable
}

// proofs is what events tell of the nodes. A nil *proofs knows nothing, because events could not
// be read.
type proofs struct {
	oldest time.Time // the oldest event still there, whenever; zero if there is none
	byUID  map[string]*proof
	// byName has what kubelets wrote: they put the node's name where the UID belongs, so their
	// events give times and identify nothing.
	byName map[string]*proof
}

func newProofs() *proofs {
	return &proofs{byUID: map[string]*proof{}, byName: map[string]*proof{}}
}

func (ps *proofs) add(e fleet.Event) {
	if ps.oldest.IsZero() || e.Last.Before(ps.oldest) {
		ps.oldest = e.Last
	}
	m, key := ps.byUID, e.Regarding.UID
	if key == "" || key == e.Regarding.Name {
		m, key = ps.byName, e.Regarding.Name
	}
	p := m[key]
	if p == nil {
		p = &proof{uid: e.Regarding.UID, name: e.Regarding.Name, first: e.First}
		m[key] = p
	}
	if e.First.Before(p.first) {
		p.first = e.First
	}
	p.last = fleet.Latest(p.last, e.Last)
	times := func(ts []time.Time) []time.Time {
		if e.First.Equal(e.Last) {
			return append(ts, e.Last)
		}
		return append(ts, e.First, e.Last)
	}
	switch e.Reason {
	case "RegisteredNode":
		// Written again whenever a new controller manager takes over: the first one counts.
		if p.registered.IsZero() || e.First.Before(p.registered) {
			p.registered = e.First
		}
	case "RemovingNode", "DeletingNode":
		if p.removing.IsZero() || e.First.Before(p.removing) {
			p.removing = e.First
		}
	case "NodeReady":
		p.ready = times(p.ready)
	case "NodeNotReady":
		p.notReady = times(p.notReady)
	case "NodeNotSchedulable":
		p.cordoned = times(p.cordoned)
	case "NodeSchedulable":
		p.uncordoned = times(p.uncordoned)
	}
}

// coverage is the gap's EventsFrom.
func (ps *proofs) coverage(g fleet.Gap) time.Time {
	if ps == nil {
		return time.Time{}
	}
	from := g.Until.Add(-eventTTL)
	// An older event shows that events live longer here.
	if !ps.oldest.IsZero() && ps.oldest.Before(from) {
		from = ps.oldest
	}
	return fleet.Latest(g.From, from)
}

// of returns the times of one kind that events tell of a node, UID or not.
func (ps *proofs) of(uid, name string, which func(*proof) []time.Time) []time.Time {
	if ps == nil {
		return nil
	}
	var ts []time.Time
	if p := ps.byUID[uid]; p != nil {
		ts = append(ts, which(p)...)
	}
	if p := ps.byName[name]; p != nil {
		ts = append(ts, which(p)...)
	}
	return ts
}

// latestIn returns the latest of ts between from and until, both included.
func latestIn(ts []time.Time, from, until time.Time) (time.Time, bool) {
	var found time.Time
	for _, t := range ts {
		if !t.Before(from.Add(-slack)) && !t.After(until) && t.After(found) {
			found = t
		}
	}
	return found, !found.IsZero()
}

// prove gives the changes found by a comparison the times that events prove, and takes away the
// claim of having been seen: a comparison only shows that a change happened in the gap.
func (ps *proofs) prove(obs []fleet.Observation, g fleet.Gap) {
	born := map[string]time.Time{} // by name, of the nodes that are new
	for i := range obs {
		if c := obs[i].Changes; len(c) > 0 && c[0].Kind == fleet.Joined {
			born[obs[i].Node.Name] = obs[i].Node.CreatedAt
		}
	}
	for i := range obs {
		doubt(&obs[i], g.From, func(c *fleet.Change) {
			uid, name := c.NodeUID, c.NodeName
			var ts []time.Time
			switch c.Kind {
			case fleet.WentUnready:
				ts = ps.of(uid, name, func(p *proof) []time.Time { return p.notReady })
			case fleet.BecameReady, fleet.Recovered:
				ts = ps.of(uid, name, func(p *proof) []time.Time { return p.ready })
			case fleet.Cordoned:
				ts = ps.of(uid, name, func(p *proof) []time.Time { return p.cordoned })
			case fleet.Uncordoned:
				ts = ps.of(uid, name, func(p *proof) []time.Time { return p.uncordoned })
			case fleet.Removed:
				if ps != nil {
					// The UID alone proves it: clocks may disagree about the gap's edges.
					if p := ps.byUID[uid]; p != nil && !p.removing.IsZero() {
						c.At, c.NotBefore, c.Proof = p.removing, time.Time{}, fleet.ProofEvent
						return
					}
				}
				// The name was free again when its next bearer was created.
				if b := born[name]; b.After(c.NotBefore) && b.Before(c.At) {
					c.At = b
				}
			}
			if t, ok := latestIn(ts, c.NotBefore, c.At); ok {
				c.At, c.NotBefore, c.Proof = t, time.Time{}, fleet.ProofEvent
			}
		})
	}
}

// doubt turns "seen happen" into "happened since", for changes that were only found afterwards,
// and lets resolve, if it is given, find a better time for each change without proof.
func doubt(o *fleet.Observation, since time.Time, resolve func(*fleet.Change)) {
	since = fleet.Latest(since, o.Node.CreatedAt)
	for i := range o.Changes {
		c := &o.Changes[i]
		switch c.Proof {
		case fleet.ProofWatch, fleet.ProofNone:
		default:
			continue
		}
		c.Proof = fleet.ProofNone
		if c.NotBefore = fleet.Latest(c.NotBefore, since); c.NotBefore.After(c.At) {
			c.NotBefore = c.At
		}
		if resolve != nil {
			resolve(c)
		}
	}
}

// strangers returns the nodes that came in the gap by what events tell, in the order of their
// coming: candidates for having come and gone unseen.
func (ps *proofs) strangers(g fleet.Gap, baselineAt time.Time) []*proof {
	if ps == nil {
		return nil
	}
	var out []*proof
	for p := range maps.Values(ps.byUID) {
		if p.first.Before(g.From.Add(-slack)) {
			continue
		}
		// A node that went just before the first list was never recorded, but its removal may
		// be reported after it.
		if p.registered.IsZero() && p.first.Before(baselineAt.Add(time.Minute)) {
			continue
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *proof) int { return a.first.Compare(b.first) })
	return out
}

// visit is the life of a node that came and went within the gap. Events tell no more of it.
func (ps *proofs) visit(cluster string, p *proof, g fleet.Gap) fleet.Observation {
	came := p.first
	n := fleet.Node{
		Cluster: cluster, UID: p.uid, Name: p.name, CreatedAt: came.Truncate(time.Second),
		Ready: fleet.Condition{Status: fleet.ReadyUnknown},
	}
	o := fleet.Observation{Node: n, Known: fleet.Remember(&n, fleet.Known{})}
	add := func(kind fleet.ChangeKind, at, notBefore time.Time, by fleet.Proof) {
		o.Changes = append(o.Changes, fleet.Change{
			Cluster: cluster, NodeUID: p.uid, NodeName: p.name, Kind: kind, Occurrence: 1,
			At: at, NotBefore: notBefore, Proof: by,
		})
	}
	add(fleet.Joined, came, time.Time{}, fleet.ProofEvent)
	left := p.removing
	if left.IsZero() {
		left = fleet.Latest(g.Until, p.last)
	}
	ready := ps.of(p.uid, p.name, func(p *proof) []time.Time { return p.ready })
	slices.SortFunc(ready, time.Time.Compare)
	if i := slices.IndexFunc(ready, func(t time.Time) bool { return !t.Before(came) && !t.After(left) }); i >= 0 {
		o.Known.EverReady = true
		add(fleet.BecameReady, ready[i], time.Time{}, fleet.ProofEvent)
	}
	if p.removing.IsZero() {
		add(fleet.Removed, left, p.last, fleet.ProofNone)
	} else {
		add(fleet.Removed, left, time.Time{}, fleet.ProofEvent)
	}
	return o
}
