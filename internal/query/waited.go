package query

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"rollcall/internal/fleet"
)

// WaitEnd is how the wait of a pod for a node ended.
type WaitEnd string

// The ends of waits.
const (
	Placed  WaitEnd = "placed"  // it was assigned to a node
	Gone    WaitEnd = "gone"    // it was deleted
	Unheard WaitEnd = "unheard" // nothing was heard of it any more: it was deleted, or nobody says
)

// Waited is waits of pods that are over and alike.
type Waited struct {
	Namespace, Set string        // of the pods: see fleet.Wait.Set
	Refusal        fleet.Refusal // why no node came, without Detail; zero if no autoscaler had refused
	End            WaitEnd
	Pods           int
	Together       time.Duration // that they waited in all
	Longest        time.Duration // that one of them waited,
	Pod            string        // and its name
}

// JoinWaited adds up what is alike, and returns it in the order of the time that pods waited together, the longest
// first. It ends at the first error and returns it.
func JoinWaited(rows iter.Seq2[Waited, error]) ([]Waited, error) {
	type key struct {
		namespace, set string
		refusal        fleet.Refusal
		end            WaitEnd
	}
	index := map[key]int{}
	var all []Waited
	for w, err := range rows {
		if err != nil {
			return nil, err
		}
		k := key{w.Namespace, w.Set, w.Refusal, w.End}
		i, ok := index[k]
		if !ok {
			index[k] = len(all)
			all = append(all, w)
			continue
		}
		a := &all[i]
		a.Pods, a.Together = a.Pods+w.Pods, a.Together+w.Together
		if w.Longest > a.Longest {
			a.Longest, a.Pod = w.Longest, w.Pod
		}
	}
	slices.SortFunc(all, func(a, b Waited) int {
		return cmp.Or(cmp.Compare(b.Together, a.Together), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Set, b.Set), cmp.Compare(a.Refusal.Kind, b.Refusal.Kind), cmp.Compare(a.Refusal.Pool, b.Refusal.Pool),
			cmp.Compare(a.Refusal.By, b.Refusal.By), cmp.Compare(a.End, b.End))
	})
	return all, nil
}
