package k8s

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// eventTTL is how long an API server keeps events unless told otherwise (--event-ttl).
const eventTTL = time.Hour

// slack is the rounding of event times by the older recorder: whole seconds, cut off.
const slack = time.Second

// What events are believed of nodes, and from whom. An event on a node is believed only if it regards an object in
// no namespace: the API server takes such events in the namespaces default and kube-system alone, so that whoever
// may write events only elsewhere is not heard. Who reports it, it says itself, which keeps out mistakes and not
// malice:
//
//   - that a node came, went, or was there at all in a gap, only from those of the control plane who say so;
//   - when a node became ready, not ready, cordoned or uncordoned, also from kubelets, and only for a change that the
//     node itself shows.
const (
	nodeController  = "node-controller" // of kube-controller-manager
	cloudController = "cloud-node-lifecycle-controller"
	cloudNodes      = "cloud-node-controller"
	kubelet         = "kubelet"
)

const (
	// maxVisitors is how many nodes that came and went in one gap are told; of more only the number is logged. It is
	// Rollcall's own choice.
	maxVisitors = 1000
	// maxProofs and maxTimes bound what is kept of events in memory while a gap is looked at: nodes, and moments of
	// each kind for a node. They are Rollcall's own choice: Kubernetes is tested with 5,000 nodes.
	maxProofs = 50_000
	maxTimes  = 100
)

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
	if e.Regarding.Namespace != "" {
		return
	}
	if ps.oldest.IsZero() || e.Last.Before(ps.oldest) {
		ps.oldest = e.Last
	}
	m, key := ps.byUID, e.Regarding.UID
	if key == "" || key == e.Regarding.Name {
		m, key = ps.byName, e.Regarding.Name
	}
	p := m[key]
	if p == nil && len(m) >= maxProofs {
		return
	}
	if p == nil {
		p = &proof{uid: e.Regarding.UID, name: e.Regarding.Name, first: e.First}
		m[key] = p
	}
	if e.First.Before(p.first) {
		p.first = e.First
	}
	p.last = fleet.Latest(p.last, e.Last)
	p.note(e)
}

// note keeps what a reporter says that may say it.
func (p *proof) note(e fleet.Event) {
	controlPlane := e.Controller == nodeController || e.Controller == cloudController || e.Controller == cloudNodes
	switch {
	case !controlPlane && e.Controller != kubelet:
	case e.Reason == "NodeReady":
		p.ready = times(p.ready, e)
	case e.Reason == "NodeNotReady":
		p.notReady = times(p.notReady, e)
	case e.Reason == "NodeNotSchedulable":
		p.cordoned = times(p.cordoned, e)
	case e.Reason == "NodeSchedulable":
		p.uncordoned = times(p.uncordoned, e)
	case !controlPlane:
	case e.Reason == "RegisteredNode":
		// Written again whenever a new controller manager takes over: the first one counts.
		if p.registered.IsZero() || e.First.Before(p.registered) {
			p.registered = e.First
		}
	case e.Reason == "RemovingNode", e.Reason == "DeletingNode":
		if p.removing.IsZero() || e.First.Before(p.removing) {
			p.removing = e.First
		}
	}
}

// times adds the moments of an event to those of its kind.
func times(ts []time.Time, e fleet.Event) []time.Time {
	if ts = append(ts, e.First); !e.First.Equal(e.Last) {
		ts = append(ts, e.Last)
	}
	return ts[max(0, len(ts)-maxTimes):]
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

// strangers returns the nodes that came in the gap by what the control plane says, in the order of their coming,
// without those that are known: candidates for having come and gone unseen. Of more than maxVisitors it returns the
// first, and how many others there are.
func (ps *proofs) strangers(g fleet.Gap, baselineAt time.Time, known func(uid string) bool) (out []*proof, more int) {
	if ps == nil {
		return nil, 0
	}
	for p := range maps.Values(ps.byUID) {
		if p.registered.IsZero() && p.removing.IsZero() || !plausible(p.uid) || known(p.uid) {
			continue
		}
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
	slices.SortFunc(out, func(a, b *proof) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.uid, b.uid))
	})
	if more = len(out) - maxVisitors; more > 0 {
		return out[:maxVisitors], more
	}
	return out, 0
}

// plausible reports whether a UID is one that an API server gives out: a UUID.
func plausible(uid string) bool {
	if len(uid) != len("00000000-0000-4000-8000-000000000000") {
		return false
	}
	for i := range len(uid) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (uid[i] == '-') || !dash && !strings.Contains("0123456789abcdef", uid[i:i+1]) {
			return false
		}
	}
	return true
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
