package fleet

import (
	"math"
	"time"
)

// Fingerprint hashes everything the ledger keeps of a node, and nothing that a heartbeat
// touches: two looks at a node with equal fingerprints need no write. It is stable across
// processes, because the ledger stores it.
//
// Every heartbeat of every node comes through here, so it allocates nothing.
func Fingerprint(n *Node) uint64 {
	h := newHash.number(descriptions)
	h = h.text(n.Name).text(n.ProviderID).text(n.KubeletVersion).text(n.Arch).text(n.OS)
	h = h.text(string(n.Ready.Status)).text(n.Ready.Reason).number(n.Ready.Since.Unix())
	cordoned := int64(0)
	if n.Cordoned {
		cordoned = 1
	}
	h = h.number(cordoned)
	for _, r := range [...]*Resources{&n.Capacity, &n.Allocatable} {
		h = h.number(r.MilliCPU).number(r.Memory).number(r.Pods).number(r.GPUs)
	}
	for i := range n.Taints {
		t := &n.Taints[i]
		h = h.text(t.Key).text(t.Value).text(t.Effect)
	}
	// What most nodes lack is hashed only where it is, under a mark that begins no taint, so that a node without it keeps
	// the fingerprint that it had before Rollcall knew of it.
	if o := &n.Owner; *o != (ObjectRef{}) {
		h = h.text("\x00owner").text(o.Kind).text(o.Namespace).text(o.Name).text(o.UID)
	}
	if !n.DeletedAt.IsZero() {
		h = h.text("\x00deleted").number(n.DeletedAt.Unix())
	}
	for _, p := range n.Problems { // an agent may move their times with each heartbeat
		h = h.text("\x00unwell").text(p.Type)
	}
	sum := uint64(h)
	// Labels come in no order: each is hashed by itself and the hashes are added.
	for k, v := range n.Labels {
		sum += uint64(newHash.text(k).text(v))
	}
	return sum
}

// descriptions counts how often what [Describe] tells of a node's labels has changed, so that the nodes that the ledger
// has are described anew, each when it is seen next.
const descriptions = 1

// hash is FNV-1a, 64 bit: hash/fnv would copy each string to the heap.
type hash uint64

const newHash hash = 14695981039346656037

// text adds s and an end mark, so that "ab","c" and "a","bc" differ.
func (h hash) text(s string) hash {
	for i := range len(s) {
		h = (h ^ hash(s[i])) * 1099511628211
	}
	return h * 1099511628211
}

func (h hash) number(v int64) hash {
	for range 8 {
		h = (h ^ hash(v&0xff)) * 1099511628211
		v >>= 8
	}
	return h
}

// Look says how a known node was looked at.
type Look struct {
	At time.Time // the moment of the look
	// After is the last moment at which the node is known to have been as it was; zero if none is known.
	After time.Time
	// Missed is true for a look at a list after a span without a watch: the node may have been otherwise in between. A
	// watch delivers every write of an object, so nothing comes between two of its looks.
	Missed bool
}

// stampDelay is how long before the last look at what was a transition may be stamped and yet be in time: the stamp is
// written a little later, and cut to whole seconds. It is Rollcall's own choice.
const stampDelay = 2 * time.Second

// transition returns when the Ready condition that a look shows came about, and how that is known. The clock that
// stamped it is another machine's, and may be hours off: the stamp is a proof only between the last look at what was
// and this one. Any other is none, and then the moment of the look is the proof.
func (l Look) transition(n *Node, moves bool) (time.Time, Proof) {
	at, earliest := n.Ready.Since, Latest(l.After, n.CreatedAt).Add(-stampDelay)
	if at.IsZero() || moves || at.After(l.At) || at.Before(earliest) {
		return Latest(l.At, n.CreatedAt), ProofWatch
	}
	return at, ProofObject
}

// First returns what a node seen for the first time has behind it: it joined, and is ready
// already or not. seen is the moment of the look.
func First(n Node, seen time.Time) Observation {
	at, proof := n.CreatedAt, ProofObject
	if at.IsZero() {
		at, proof = seen, ProofWatch
	}
	o := Observation{Known: Remember(&n, Known{})}
	since, stamped := Look{At: seen}.transition(&n, false)
	if !n.Ready.Since.IsZero() {
		n.Ready.Since = since
	}
	o.Node, o.Known.ReadySince = n, seconds(n.Ready.Since)
	if n.Cordoned {
		o.Known.Cordons = 1 // not told, but the one that its first uncordon ends
	}
	o.Changes = append(o.Changes, change(&n, Joined, 1, at, proof))
	if n.Ready.Status == Ready {
		o.Changes = append(o.Changes, change(&n, BecameReady, 1, since, stamped))
	}
	return o
}

// Back returns what a node has behind it whose end was recorded and that is there again, with the same UID: after its
// cluster was restored from a backup, or because a list that lacked it was not true. Its end was told, so its return is
// too: it joined once more, when it was seen.
func Back(old Known, n Node, seen time.Time) Observation {
	now := Remember(&n, old)
	now.Returns++
	now.EverReady = n.Ready.Status == Ready // in this life
	if !n.Ready.Since.IsZero() {
		n.Ready.Since, _ = Look{At: seen}.transition(&n, old.SinceMoves)
	}
	now.ReadySince = seconds(n.Ready.Since)
	life := int(now.Returns) + 1
	o := Observation{Node: n, Known: now}
	o.Changes = append(o.Changes, change(&n, Joined, life, seen, ProofWatch))
	if n.Ready.Status == Ready {
		o.Changes = append(o.Changes, change(&n, BecameReady, life, seen, ProofWatch))
	}
	if n.Cordoned && !old.Cordoned {
		o.Known.Cordons++
	}
	return o
}

// Diff compares a look at a node with what was known of it. It returns false when there is
// nothing to record. The node of the observation has the time of its last transition as it was
// accepted, which may be another one than the object's.
//
// A Ready condition whose last transition moved although its status is the same went away and came back if a list shows
// it: both steps are reported, the first with ProofNone. If a watch shows it, there was no such step: whoever writes
// this condition moves the time with its heartbeats. The time of such a node proves nothing from then on, and is
// ignored.
func Diff(old Known, n Node, look Look) (Observation, bool) {
	if old.Same(&n) {
		return Observation{}, false
	}
	now := Remember(&n, old)
	// Whether it went on or back does not matter: the clock may have been set.
	moved := n.Ready.Status == old.Status && now.ReadyClaim != old.ReadyClaim &&
		now.ReadyClaim != 0 && old.ReadyClaim != 0 && !old.SinceMoves
	if moved && !look.Missed {
		old.SinceMoves = true
		now = Remember(&n, old)
	}
	look.After = Latest(look.After, moment(old.ReadySince)) // what was began then
	at, proof := look.transition(&n, now.SinceMoves)
	switch {
	case n.Ready.Status != old.Status, moved && look.Missed, old.ReadySince == 0 && now.ReadyClaim != 0:
		n.Ready.Since = at
	default:
		n.Ready.Since = moment(old.ReadySince)
	}
	now.ReadySince = seconds(n.Ready.Since)
	o := Observation{Node: n}
	is, was := n.Ready.Status == Ready, old.Status == Ready
	flapped := is && was && moved && look.Missed
	if was && (!is || flapped) {
		now.Unready++
		c := change(&n, WentUnready, int(now.Unready), at, proof)
		c.Reason = n.Ready.Reason
		if flapped {
			c.Reason, c.Proof, c.NotBefore = "", ProofNone, Latest(look.After, n.CreatedAt)
		}
		o.Changes = append(o.Changes, c)
	}
	if is && (!was || flapped) {
		c := change(&n, BecameReady, int(old.Returns)+1, at, proof)
		if old.EverReady {
			c.Kind, c.Occurrence = Recovered, int(now.Unready)
		}
		o.Changes = append(o.Changes, c)
	}
	if n.Cordoned != old.Cordoned {
		kind := Uncordoned
		if n.Cordoned {
			kind = Cordoned
			now.Cordons++
		}
		o.Changes = append(o.Changes, change(&n, kind, max(1, int(now.Cordons)), look.At, ProofWatch))
	}
	o.Known = now
	return o, true
}

// Same reports whether a look at a node shows nothing that the ledger does not know: a heartbeat.
func (k Known) Same(n *Node) bool { return k.fingerprint(n) == k.Fingerprint }

// fingerprint is the node's Fingerprint without what is not to be believed of it.
func (k Known) fingerprint(n *Node) uint64 {
	if !k.SinceMoves {
		return Fingerprint(n)
	}
	since := n.Ready.Since
	n.Ready.Since = time.Time{}
	sum := Fingerprint(n)
	n.Ready.Since = since
	return sum
}

// Gone returns the end of a node's life, seen at the moment given.
func Gone(n Node, old Known, seen time.Time) Observation {
	if old.ReadySince != 0 {
		n.Ready.Since = moment(old.ReadySince)
	}
	return Observation{Node: n, Known: old, Changes: []Change{change(&n, Removed, int(old.Returns)+1, seen, ProofWatch)}}
}

// Remember returns what to keep in memory of a node, given what was known before, except for when its status came
// about: what the node says of that is only a claim.
func Remember(n *Node, old Known) Known {
	k := old
	k.Fingerprint = old.fingerprint(n)
	k.Status = n.Ready.Status
	k.ReadyClaim = seconds(n.Ready.Since)
	k.EverReady = old.EverReady || n.Ready.Status == Ready
	k.Cordoned = n.Cordoned
	k.Unready = min(k.Unready, math.MaxUint16-1)
	k.Cordons = min(k.Cordons, math.MaxUint16-1)
	k.Returns = min(k.Returns, math.MaxUint16-1)
	return k
}

// seconds is a moment as Known keeps it; moment is the way back.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

func change(n *Node, kind ChangeKind, occurrence int, at time.Time, proof Proof) Change {
	return Change{Cluster: n.Cluster, NodeUID: n.UID, NodeName: n.Name, Kind: kind, Occurrence: occurrence, At: at,
		Proof: proof}
}
