package fleet

import (
	"cmp"
	"slices"
	"time"
)

// KeeperKind says what keeps a node from going.
type KeeperKind string

// What keeps nodes. Those before ByPoolBudget forbid that the node is ended, or say that it could go; the others are
// how its pool is set up, and what an autoscaler says in passing.
const (
	ByBudget     KeeperKind = "PodDisruptionBudget" // Namespace and Name are its
	ByPod        KeeperKind = "pod"                 // a pod that is not to be disrupted: Namespace and Name are its
	ByAnnotation KeeperKind = "annotation"          // of the node itself: do-not-disrupt
	ByCordon     KeeperKind = "cordon"              // it takes no more pods, and nobody ends it
	ByFailure    KeeperKind = "scale-down failed"   // the Cluster Autoscaler tried to end it: Why
	ByUnneeded   KeeperKind = "unneeded"            // the Cluster Autoscaler does not need it, and it stays
	ByRepair     KeeperKind = "repair held back"    // it is unhealthy, and so are too many others: Why
	ByBlock      KeeperKind = "blocked"             // the autoscaler may not end it: Why, in its own words

	ByPoolBudget KeeperKind = "disruption budget"    // of its NodePool, which is Name: Why is of which reason only
	ByPolicy     KeeperKind = "consolidation policy" // of its NodePool, which is Name: Why
	BySpot       KeeperKind = "spot to spot"         // a spot node is not replaced by a cheaper one
	ByRejection  KeeperKind = "not consolidated"     // Why, in the autoscaler's own words
)

// KeeperKinds are all kinds of keepers.
var KeeperKinds = []KeeperKind{ByBudget, ByPod, ByAnnotation, ByCordon, ByFailure, ByUnneeded, ByRepair, ByBlock,
	ByPoolBudget, ByPolicy, BySpot, ByRejection}

// Keeper is what keeps a node from going. Equal keepers are told together.
type Keeper struct {
	Kind      KeeperKind `json:"kind"`
	Namespace string     `json:"namespace,omitempty"`
	Name      string     `json:"name,omitempty"`
	Why       string     `json:"why,omitempty"` // more, in somebody's own words: untrusted and clipped, as are the names
}

// Setting reports whether it is how a pool is set up, or said in passing: nobody's object stands in the way of the
// node's end, and nothing says that the node could go.
func (k Keeper) Setting() bool {
	switch k.Kind {
	case ByPoolBudget, ByPolicy, BySpot, ByRejection:
		return true
	}
	return false
}

// Proves reports whether it proves that the node could go: that somebody wanted to end it, or does not need it.
func (k Keeper) Proves() bool {
	return k.Kind == ByFailure || k.Kind == ByUnneeded || k.Kind == ByRepair
}

// State reports whether the node itself says it, and not an event: it is so until the node says otherwise.
func (k Keeper) State() bool { return k.Kind == ByCordon || k.Kind == ByUnneeded }

// Keep is that something keeps a node, for a time.
type Keep struct {
	Cluster string
	NodeUID string // "" of what keeps a whole pool
	Node    string // its name; untrusted
	Pool    string
	Machine Machine
	Keeper
	Note    string // the statement, in its own words; untrusted, clipped
	Since   time.Time
	AtLeast bool      // it may have been so before Since, too
	Last    time.Time // when it was said last
	Until   time.Time // when it was over; zero while it is so
}

// SaidEvery is how long a statement stands beyond the last one that is noted: repeats that come earlier are not. It is
// Rollcall's own choice, beside Karpenter's two minutes.
const SaidEvery = 5 * time.Minute

// LongCordon is how long a node may be cordoned before that is worth a word. It is Rollcall's own choice: a drain by
// hand takes minutes, and an upgrade of a pool hours at most.
const LongCordon = 3 * time.Hour

// longUnneeded is how long the Cluster Autoscaler may not need a node before that says that something keeps it: it
// waits for ten minutes (--scale-down-unneeded-time), and for as long after each scale-up
// (--scale-down-delay-after-add).
const longUnneeded = 30 * time.Minute

// To is until when it is known to have been so, at a moment.
func (k Keep) To(now time.Time) time.Time {
	to := now
	switch {
	case !k.Until.IsZero() && k.Last.Before(k.Until) && !k.State():
		to = k.Last
	case !k.Until.IsZero():
		to = k.Until
	case !k.State():
		to = k.Last.Add(SaidEvery)
	}
	if to.After(now) {
		return now
	}
	return to
}

// At reports whether it is so at a moment.
func (k Keep) At(t time.Time) bool {
	if t.Before(k.Since) {
		return false
	}
	return k.Until.IsZero() || t.Before(k.To(k.Until))
}

// Counts reports whether it is worth telling, by a moment, as what keeps its node: something forbids its end, or it is
// cordoned, or not needed, for longer than is usual.
func (k Keep) Counts(by time.Time) bool {
	long := k.To(by).Sub(k.Since)
	switch {
	case k.NodeUID == "" || k.Setting():
		return false
	case k.Kind == ByCordon:
		return long >= LongCordon
	case k.Kind == ByUnneeded:
		return long >= longUnneeded
	}
	return true
}

// KeptNode is one node that is kept.
type KeptNode struct {
	UID, Name, Pool string
	Machine         Machine
	Keeper          Keeper // that has kept it for longest
	Others          int    // how many more keep it
	Could           bool   // something proves that it could go
	Since           time.Time
	AtLeast         bool
	Spent           Cost // since then, or in the period
}

// KeptBy is what one keeper keeps.
type KeptBy struct {
	Keeper  Keeper
	Nodes   int
	Since   time.Time // the earliest
	AtLeast bool
	Hourly  Cost
	Spent   Cost
}

// Kept sums up what is kept.
type Kept struct {
	Nodes  []KeptNode // the dearest first
	By     []KeptBy   // the dearest first
	Could  int        // of how many nodes something proves that they could go
	Hourly Cost
	Spent  Cost
}

// SumKept sums up what keeps nodes between two moments, of what counts at the second. Each moment of a node belongs to
// the one keeper that has kept it for longest then, so that no dollar counts twice. With current, only what keeps a
// node at the second moment is looked at, and all of it belongs to the keeper that has kept the node for longest.
func SumKept(keeps []Keep, price Pricer, from, until time.Time, current bool) Kept {
	index := map[string]int{} // of nodes, by UID
	var nodes [][]*Keep
	for i := range keeps {
		k := &keeps[i]
		if !k.Counts(until) || current && !k.At(until) {
			continue
		}
		n, ok := index[k.NodeUID]
		if !ok {
			n = len(nodes)
			index[k.NodeUID] = n
			nodes = append(nodes, nil)
		}
		nodes[n] = append(nodes[n], k)
	}
	sum := Kept{Nodes: make([]KeptNode, 0, len(nodes))}
	by := map[Keeper]*KeptBy{}
	type share struct {
		keeper Keeper
		part   time.Duration
	}
	var shares []share // of one node
	for _, mine := range nodes {
		slices.SortFunc(mine, func(a, b *Keep) int {
			return cmp.Or(a.Since.Compare(b.Since), compareKeepers(a.Keeper, b.Keeper))
		})
		first := mine[0]
		n := KeptNode{UID: first.NodeUID, Name: first.Node, Pool: first.Pool, Machine: first.Machine, Keeper: first.Keeper,
			Since: first.Since, AtLeast: first.AtLeast}
		shares = shares[:0]
		total, reached := time.Duration(0), from
		for _, k := range mine {
			end := k.To(until)
			part := max(0, end.Sub(Latest(k.Since, reached)))
			reached = Latest(reached, end)
			if part == 0 && !current {
				continue
			}
			n.Could = n.Could || k.Proves()
			total += part
			i := slices.IndexFunc(shares, func(s share) bool { return s.keeper == k.Keeper })
			if i < 0 {
				i = len(shares)
				shares = append(shares, share{keeper: k.Keeper})
			}
			if current {
				i = 0 // the one that has kept it for longest
			}
			shares[i].part += part
		}
		if len(shares) == 0 {
			continue
		}
		n.Others = len(shares) - 1
		if current {
			shares = shares[:1]
		}
		var p Price
		if price != nil {
			p = price(first.Machine)
		}
		for _, s := range shares {
			x := by[s.keeper]
			if x == nil {
				x = &KeptBy{Keeper: s.keeper}
				by[s.keeper] = x
			}
			x.Nodes++
			x.Hourly.Add(p, 1, time.Hour)
			x.Spent.Add(p, 1, s.part)
			for _, m := range mine {
				if m.Keeper == s.keeper && (x.Since.IsZero() || m.Since.Before(x.Since)) {
					x.Since, x.AtLeast = m.Since, m.AtLeast
				}
			}
		}
		n.Spent.Add(p, 1, total)
		sum.Hourly.Add(p, 1, time.Hour)
		sum.Spent.Add(p, 1, total)
		if n.Could {
			sum.Could++
		}
		sum.Nodes = append(sum.Nodes, n)
	}
	for _, x := range by {
		sum.By = append(sum.By, *x)
	}
	slices.SortFunc(sum.Nodes, func(a, b KeptNode) int {
		return cmp.Or(cmp.Compare(b.Spent.USD, a.Spent.USD), a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.UID, b.UID))
	})
	slices.SortFunc(sum.By, func(a, b KeptBy) int {
		return cmp.Or(cmp.Compare(b.Spent.USD, a.Spent.USD), cmp.Compare(b.Nodes, a.Nodes), a.Since.Compare(b.Since),
			compareKeepers(a.Keeper, b.Keeper))
	})
	return sum
}

func compareKeepers(a, b Keeper) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Why, b.Why))
}
