package cause

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// Lapse is for how long a statement that keeps a node may go unrepeated before it counts as over. Karpenter repeats
// DisruptionBlocked every two minutes and Unconsolidatable every 15 at most, but client-go's recorder drops what one
// source says of one object more often than that in the long run: 25 at once, then one in five minutes
// (tools/record/events_cache.go). So it is three times the longest pause.
const Lapse = 45 * time.Minute

// Lapsed says before when a statement must have been made last to be over now. ok is false while events have not been
// seen for long enough to tell: then nothing is over for lack of a word. seen is since when they have been, without a
// gap; zero if they are not seen.
func Lapsed(seen, now time.Time) (before time.Time, ok bool) {
	return now.Add(-Lapse), !seen.IsZero() && now.Sub(seen) >= Lapse
}

const (
	maxKeeperName = 120 // bytes: more than a name of Kubernetes is rarely long
	maxKeeperWhy  = 100
	doNotDisrupt  = "do-not-disrupt"
)

// CandidateTaint is the Cluster Autoscaler's on a node that it does not need; its value is since when, in Unix seconds.
// Source: cluster-autoscaler, pkg/utils/taints/taints.go.
const CandidateTaint = "DeletionCandidateOfClusterAutoscaler"

// passing are what autoscalers say of nodes that are needed, or whose state passes by itself: it keeps nothing. Source:
// karpenter, pkg/controllers/disruption/consolidation.go, types.go, pkg/controllers/state/statenode.go, of versions
// from 0.30 to 1.15; in lower case.
var passing = []string{
	"can't replace with a cheaper node", "can't replace with a lower-priced node", "can't remove without creating",
	"not all pods would schedule", "would schedule against",
	"nominated for", "isn't initialized", "not initialized", "isn't registered", "not registered",
	"deleting or marked for deletion", "is deleting", "is already being", "marked for deletion",
	"both a node and a nodeclaim", "buffer pods", "is not consolidatable",
	"node is not empty",
}

var (
	budgets     = regexp.MustCompile(`(?i)PodDisruptionBudget=\[?([^\])]+)|\bpdb "?([^\s"]+/[^\s"]+)"? prevents`)
	undisrupted = regexp.MustCompile(`(?i)\bpod=\[?([^\s\])]+)|\bpod "?([^\s"]+/[^\s"]+)"? has`)
	ofPool      = regexp.MustCompile(`(?i)^(?:nodepool|provisioner) "?([^\s"]+)"? has (.+)$`)
	forReason   = regexp.MustCompile(`(?i)for disruption reason (\S+) due to`)
)

// Keeper says what an event says keeps a node, or all nodes of a pool. ok is false if it keeps nothing: it says
// something else, that the node is needed, or what passes by itself. What is unknown is told in its own words.
func Keeper(e fleet.Event) (k fleet.Keeper, ok bool) {
	if !e.Scaling() {
		return fleet.Keeper{}, false
	}
	note := strings.Join(strings.Fields(fleet.CleanText(e.Note)), " ")
	switch {
	case e.Regarding.Kind == "NodePool" && e.Reason == "DisruptionBlocked" &&
		strings.Contains(strings.ToLower(note), "budget"):
		k = fleet.Keeper{Kind: fleet.ByPoolBudget, Name: fleet.Cut(e.Regarding.Name, maxKeeperName)}
		if m := forReason.FindStringSubmatch(note); m != nil {
			k.Why = fleet.Cut(strings.ToLower(m[1]), maxKeeperWhy)
		}
		return k, true
	case e.Regarding.Kind != "Node":
		return fleet.Keeper{}, false
	}
	switch e.Reason {
	case "DisruptionBlocked", "Unconsolidatable":
		return blocked(note, e.Reason == "DisruptionBlocked")
	case "ConsolidationRejected":
		return fleet.Keeper{Kind: fleet.ByRejection, Why: rejection(note)}, true
	case "NodeRepairBlocked":
		return fleet.Keeper{Kind: fleet.ByRepair, Why: fleet.Cut(note, maxKeeperWhy)}, true
	case "ScaleDownFailed":
		return fleet.Keeper{Kind: fleet.ByFailure, Why: failure(note)}, true
	}
	return fleet.Keeper{}, false
}

// blocked is what Karpenter says of a node that it looks at. forbidden is set if it says that it may not end the node,
// and not only that it does not consolidate it.
func blocked(note string, forbidden bool) (k fleet.Keeper, ok bool) {
	note = strings.TrimPrefix(note, "Cannot disrupt Node: ") // before 1.1
	lower := strings.ToLower(note)
	if m := budgets.FindStringSubmatch(note); m != nil {
		all := strings.FieldsFunc(m[1]+m[2], func(r rune) bool { return r == ' ' || r == ',' })
		slices.Sort(all)
		if len(all) == 0 {
			return fleet.Keeper{}, false
		}
		k = fleet.Keeper{Kind: fleet.ByBudget, Why: fleet.Cut(strings.Join(all[1:], ", "), maxKeeperWhy)}
		k.Namespace, k.Name = object(all[0])
		return k, true
	}
	if strings.Contains(lower, doNotDisrupt) || strings.Contains(lower, "do-not-evict") ||
		strings.Contains(lower, "do-not-consolidate") {
		if m := undisrupted.FindStringSubmatch(note); m != nil {
			k = fleet.Keeper{Kind: fleet.ByPod}
			k.Namespace, k.Name = object(m[1] + m[2])
			return k, true
		}
		if strings.HasPrefix(lower, "pod ") {
			return fleet.Keeper{Kind: fleet.ByPod}, true
		}
		return fleet.Keeper{Kind: fleet.ByAnnotation}, true
	}
	// First of all that keep: a policy of WhenEmpty says, too, that its node is not empty.
	if m := ofPool.FindStringSubmatch(note); m != nil {
		return fleet.Keeper{Kind: fleet.ByPolicy, Name: fleet.Cut(m[1], maxKeeperName), Why: fleet.Cut(m[2], maxKeeperWhy)},
			true
	}
	if strings.HasPrefix(lower, "spottospotconsolidation") {
		return fleet.Keeper{Kind: fleet.BySpot}, true
	}
	if note == "" || slices.ContainsFunc(passing, func(s string) bool { return strings.Contains(lower, s) }) {
		return fleet.Keeper{}, false
	}
	k = fleet.Keeper{Kind: fleet.ByRejection, Why: fleet.Cut(note, maxKeeperWhy)}
	if forbidden {
		k.Kind = fleet.ByBlock
	}
	return k, true
}

// object splits namespace/name.
func object(s string) (namespace, name string) {
	namespace, name, ok := strings.Cut(s, "/")
	if !ok {
		namespace, name = "", s
	}
	return fleet.Cut(namespace, maxKeeperName), fleet.Cut(name, maxKeeperName)
}

// rejection is why a consolidation was rejected, without what differs from time to time.
func rejection(note string) string {
	if _, why, ok := strings.Cut(note, ", reason: "); ok {
		note = why
	}
	if i := strings.LastIndex(note, " (savings: "); i > 0 {
		note = note[:i]
	}
	return fleet.Cut(strings.TrimPrefix(note, "Consolidation rejected: "), maxKeeperWhy)
}

// failure is why the Cluster Autoscaler could not end a node.
func failure(note string) string {
	for _, prefix := range []string{"failed to drain and delete node: ", "failed to delete empty node: ",
		"failed to delete node: "} {
		note = strings.TrimPrefix(note, prefix)
	}
	return fleet.Cut(note, maxKeeperWhy)
}

// States are what keeps a node as the node itself says: that it is cordoned, and that the Cluster Autoscaler does not
// need it, each with since when, zero if the node does not say. A node that is being ended is kept by nothing.
func States(n fleet.Node) map[fleet.Keeper]time.Time {
	states := map[fleet.Keeper]time.Time{}
	if _, _, leaving := n.Leaving(); leaving {
		return states
	}
	if n.Cordoned {
		states[fleet.Keeper{Kind: fleet.ByCordon}] = time.Time{}
	}
	for _, t := range n.Taints {
		if t.Key == CandidateTaint {
			states[fleet.Keeper{Kind: fleet.ByUnneeded}] = t.Since()
		}
	}
	return states
}
