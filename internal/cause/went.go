package cause

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

const (
	karpenter  = fleet.Karpenter
	autoscaler = fleet.ClusterAutoscaler
)

// statement is what one piece of evidence says about a node's end.
type statement struct {
	fleet.Cause
	strength int
	// first and last are when it was made; both zero for what the object itself says without a moment.
	first, last time.Time
	intent      bool // of the Cluster Autoscaler: proof only if the removal taint was there to the last
	event       *fleet.Event
}

// Went says why a node left, as it was last seen, at a moment. It is the zero value where nothing proves why.
func Went(ctx context.Context, n fleet.Node, removedAt time.Time, in Evidence) (fleet.Explanation, error) {
	events, err := lastWords(ctx, n, removedAt, in)
	if err != nil {
		return fleet.Explanation{}, err
	}
	claim, known := fleet.Claim{}, false
	if n.Owner.Kind == "NodeClaim" {
		if claim, known, err = in.Claim(ctx, n.Owner.Name, n.Owner.UID); err != nil {
			return fleet.Explanation{}, err
		}
	}
	statements := said(n, events)
	statements = append(statements, shown(n, events)...)
	if known {
		statements = append(statements, claimed(claim)...)
	}
	statements = inForce(n, statements, events)
	best, ok := weigh(statements)
	if !ok {
		return fleet.Explanation{}, nil
	}
	if best.Kind == fleet.Drifted && claim.Drift != "" {
		best.Why = clip(claim.Drift, 60)
	}
	e := fleet.Explanation{Cause: best.Cause, Strength: best.strength, Since: since(n, best, statements)}
	if best.By == karpenter && (best.Kind == fleet.Empty || best.Kind == fleet.Underutilized) {
		e.SavingUSD = saving(events)
	}
	e.Chain = testimony(n, best, events)
	if best.By == karpenter && !best.first.IsZero() {
		if e.Nodes, err = replacements(ctx, n, best, in); err != nil {
			return fleet.Explanation{}, err
		}
	}
	return e, nil
}

// lastWords returns the events of a node's life that may say why it ended, in the order in which they were seen last.
func lastWords(ctx context.Context, n fleet.Node, removedAt time.Time, in Evidence) ([]fleet.Event, error) {
	until := removedAt.Add(settle)
	var all []fleet.Event
	node := fleet.ObjectRef{Kind: "Node", Name: n.Name}
	on, err := in.On(ctx, node, n.CreatedAt, until, most)
	if err != nil {
		return nil, err
	}
	for _, e := range on {
		if mine(e, n.UID, n.CreatedAt) {
			all = append(all, e)
		}
	}
	if n.Owner.Name != "" {
		// The owner is older than the node.
		if on, err = in.On(ctx, n.Owner, n.CreatedAt, until, most); err != nil {
			return nil, err
		}
		for _, e := range on {
			if mine(e, n.Owner.UID, n.CreatedAt) {
				all = append(all, e)
			}
		}
	}
	naming, err := in.Naming(ctx, node, n.CreatedAt, until, most)
	if err != nil {
		return nil, err
	}
	for _, e := range naming {
		if e.Regarding.Kind == "ConfigMap" {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b fleet.Event) int {
		return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.UID, b.UID))
	})
	return slices.CompactFunc(all, func(a, b fleet.Event) bool { return a.UID != "" && a.UID == b.UID }), nil
}

// clouds are the reasons of events by which a cloud says that it takes a machine. Whoever writes them has read them
// from the cloud: Karpenter's providers, the Node Termination Handler.
var clouds = map[string]fleet.Cause{
	"SpotInterrupted":                        {Kind: fleet.SpotInterruption},
	"SpotInterruption":                       {Kind: fleet.SpotInterruption},
	"PreemptionNoticeReceived":               {Kind: fleet.SpotInterruption},
	"CapacityReservationInstanceInterrupted": {Kind: fleet.ReservationEnded},
	"InstanceUnhealthy":                      {Kind: fleet.UnhealthyMachine},
	"ScheduledEvent":                         {Kind: fleet.ScheduledEvent},
	"ASGLifecycle":                           {Kind: fleet.EndedOutside, By: "its Auto Scaling group"},
}

// said are the statements that events make.
func said(n fleet.Node, events []fleet.Event) (out []statement) {
	for i := range events {
		e := &events[i]
		s := statement{first: e.First, last: e.Last, event: e}
		onNode := e.Regarding.Kind == "Node"
		ofClaim := e.Regarding.Kind == "NodeClaim"
		if c, ok := clouds[e.Reason]; ok && (onNode || ofClaim) {
			s.Cause, s.strength = c, strengthInterruption
			out = append(out, s)
			continue
		}
		switch e.Reason {
		case "SQSTermination", "StateChange": // the Node Termination Handler's: the note says what came
			if onNode {
				s.Cause, s.strength = queued(e.Note), strengthInterruption
			}
		case "InstanceTerminating", "InstanceStopping":
			// Weighed with what came before: see consequence.
			s.Cause, s.strength = fleet.Cause{Kind: fleet.EndedOutside}, strengthInterruption-2
		case "TerminatingOnInterruption": // of whatever the cloud said, which is lost
			s.Cause, s.strength = fleet.Cause{Kind: fleet.OtherDisruption, By: "the cloud", Why: "interruption"},
				strengthInterruption-3
		case "DisruptionTerminating":
			s.Cause, s.strength = disrupted(e.Note), strengthAutoscaler
		case "ScaleDownEmpty":
			s.Cause, s.strength = fleet.Cause{Kind: fleet.Empty, By: autoscaler}, strengthAutoscaler
			s.intent = !strings.HasSuffix(e.Note, " removed")
		case "ScaleDown":
			switch {
			case onNode && strings.HasPrefix(e.Note, "nodes removed"):
				s.Cause, s.strength = fleet.Cause{Kind: fleet.NotSaid, By: autoscaler}, strengthAutoscaler-1
			case onNode:
				s.Cause, s.strength, s.intent = fleet.Cause{Kind: fleet.NotSaid, By: autoscaler}, strengthAutoscaler-1, true
			default:
				s.Cause, s.strength = fleet.Cause{Kind: fleet.Underutilized, By: autoscaler}, strengthAutoscaler
				s.intent = !strings.HasSuffix(e.Note, " removed with drain")
			}
		case "MachineDeleted", "MachineMarkedUnhealthy":
			s.Cause, s.strength = fleet.Cause{Kind: fleet.Repair, By: "MachineHealthCheck"}, strengthRepair
		case "FailedDraining", "AwaitingVolumeDetachment", "TerminationGracePeriodExpiring":
			if byKarpenter(*e) { // it follows from Karpenter's ending the node, for whatever reason
				s.Cause, s.strength = fleet.Cause{Kind: fleet.NotSaid, By: karpenter}, strengthTaint
			}
		case "DeletingNode":
			s.Cause, s.strength = fleet.Cause{Kind: fleet.MachineGone, Why: spot(n)}, strengthGone
		case "Shutdown":
			if !cancelled(e.Note) {
				s.Cause, s.strength = fleet.Cause{Kind: fleet.ShutDown, Why: spot(n)}, strengthShutDown
			}
		}
		if s.strength > 0 {
			out = append(out, s)
		}
	}
	return out
}

// spot is what makes the end of a machine likely to be the cloud's, which nothing proves: it is told as a property.
func spot(n fleet.Node) string {
	if n.CapacityType == "spot" {
		return "spot"
	}
	return ""
}

func cancelled(note string) bool { return strings.Contains(strings.ToLower(note), "cancel") }

// queued reads what the Node Termination Handler got from its queue.
func queued(note string) fleet.Cause {
	switch low := strings.ToLower(note); {
	case strings.Contains(low, "spot interruption"):
		return fleet.Cause{Kind: fleet.SpotInterruption}
	case strings.Contains(low, "rebalance"):
		return fleet.Cause{Kind: fleet.OtherDisruption, By: "the cloud", Why: "rebalance recommendation"}
	case strings.Contains(low, "scheduled"), strings.Contains(low, "maintenance"):
		return fleet.Cause{Kind: fleet.ScheduledEvent}
	case strings.Contains(low, "asg"), strings.Contains(low, "auto scaling"), strings.Contains(low, "autoscaling"):
		return fleet.Cause{Kind: fleet.EndedOutside, By: "its Auto Scaling group"}
	}
	return fleet.Cause{Kind: fleet.EndedOutside}
}

// disruptions are the reasons of Karpenter, of its versions, in lower case and without what it does then.
var disruptions = map[string]fleet.CauseKind{
	"empty": fleet.Empty, "emptiness": fleet.Empty,
	"underutilized": fleet.Underutilized,
	"drifted":       fleet.Drifted, "drift": fleet.Drifted,
	"expired": fleet.Expired, "expiration": fleet.Expired,
	"unhealthy": fleet.Repair,
}

// disrupted reads Karpenter's own reason: "Disrupting Node: Underutilized", as Karpenter 1.0 wrote it "Disrupting Node:
// Underutilized/Replace".
func disrupted(note string) fleet.Cause {
	_, reason, _ := strings.Cut(note, ": ")
	reason = strings.TrimSpace(reason)
	word, _, _ := strings.Cut(reason, "/")
	if kind, ok := disruptions[strings.ToLower(word)]; ok {
		return fleet.Cause{Kind: kind, By: karpenter}
	}
	if reason == "" {
		return fleet.Cause{Kind: fleet.NotSaid, By: karpenter}
	}
	return fleet.Cause{Kind: fleet.OtherDisruption, By: karpenter, Why: clip(strings.ToLower(reason), 60)}
}

// taints are the taints of a node that prove why it ends, beside those of autoscalers, which prove only that.
var taints = map[string]statement{
	"aws-node-termination-handler/spot-itn": {
		Cause: fleet.Cause{Kind: fleet.SpotInterruption}, strength: strengthInterruption - 1},
	"aws-node-termination-handler/scheduled-maintenance": {
		Cause: fleet.Cause{Kind: fleet.ScheduledEvent}, strength: strengthInterruption - 1},
	"aws-node-termination-handler/asg-lifecycle-termination": {
		Cause: fleet.Cause{Kind: fleet.EndedOutside, By: "its Auto Scaling group"}, strength: strengthInterruption - 1},
	"node.cloudprovider.kubernetes.io/shutdown": {
		Cause: fleet.Cause{Kind: fleet.EndedOutside, Why: "stopped in the cloud"}, strength: strengthTaint - 5},
}

// shown are the statements that the node itself makes, as it was last seen.
func shown(n fleet.Node, events []fleet.Event) (out []statement) {
	for _, t := range n.Taints {
		if s, ok := taints[t.Key]; ok {
			out = append(out, s)
		}
		if t.Key == "remediator.kubernetes.azure.com/unschedulable" {
			out = append(out, statement{Cause: fleet.Cause{Kind: fleet.ScheduledEvent, By: "AKS", Why: spot(n)},
				strength: strengthInterruption - 1})
		}
	}
	by, began, leaving := n.Leaving()
	if !leaving {
		return out
	}
	if by == "" && n.Owner.Kind == "NodeClaim" {
		by = karpenter // whoever had the object deleted: what ends it is Karpenter's finalizer
	}
	if why := unhealthy(n); by == karpenter && why != "" {
		out = append(out, statement{Cause: fleet.Cause{Kind: fleet.Repair, By: by, Why: why}, strength: strengthRepair,
			first: began, last: began})
	}
	if by == karpenter || by == autoscaler {
		out = append(out, statement{Cause: fleet.Cause{Kind: fleet.NotSaid, By: by}, strength: strengthTaint, first: began,
			last: began})
	}
	return out
}

// repairs are the conditions for which Karpenter repairs nodes, and for how long it lets them last, by cloud: the
// RepairPolicies of karpenter-provider-aws and karpenter-provider-azure, pkg/cloudprovider/cloudprovider.go. Ready is
// that it is not.
var repairs = map[string]map[string]time.Duration{
	"aws": {"Ready": 30 * time.Minute, "AcceleratedHardwareReady": 10 * time.Minute, "StorageReady": 30 * time.Minute,
		"NetworkingReady": 30 * time.Minute, "KernelReady": 30 * time.Minute, "ContainerRuntimeReady": 30 * time.Minute},
	"azure": {"Ready": 10 * time.Minute},
}

// repairing is how long after a condition has lasted long enough Karpenter may take to end the node for it. Who ends it
// later than that, or sooner, may be anybody. It is Rollcall's own choice.
const repairing = time.Minute

// unhealthy is the condition for which Karpenter repaired a node, and how long that had lasted; "" if it did not. Until
// 1.14 it wrote no event: the proof is that it began to end the node when the condition had lasted as long as it lets
// it.
func unhealthy(n fleet.Node) string {
	lasted := func(kind string, since time.Time) bool {
		most, ok := repairs[n.Provider][kind]
		over := n.DeletedAt.Sub(since) - most
		return ok && !n.DeletedAt.IsZero() && !since.IsZero() && over >= 0 && over <= repairing
	}
	if n.Ready.Status != fleet.Ready && lasted("Ready", n.Ready.Since) {
		return fmt.Sprintf("not ready for %d minutes", int(repairs[n.Provider]["Ready"].Minutes()))
	}
	for _, p := range n.Problems {
		if lasted(p.Type, p.Since) {
			return fmt.Sprintf("not %s for %d minutes", p.Type, int(repairs[n.Provider][p.Type].Minutes()))
		}
	}
	return ""
}

// claimed are the statements that a NodeClaim makes.
func claimed(c fleet.Claim) (out []statement) {
	s := statement{strength: strengthClaim, first: c.DeletedAt, last: c.DeletedAt}
	switch {
	case c.DeletedAt.IsZero():
		return nil
	case c.Disruption != "":
		s.Cause = disrupted("NodeClaim: " + c.Disruption)
	case !c.ForcedBy.IsZero() && c.ForcedBy.Sub(c.DeletedAt).Abs() < time.Minute:
		s.Cause = fleet.Cause{Kind: fleet.Repair, By: karpenter} // a repair leaves no time to drain
	case c.ExpireAfter > 0 && !c.DeletedAt.Before(c.CreatedAt.Add(c.ExpireAfter)):
		s.Cause = fleet.Cause{Kind: fleet.Expired, By: karpenter}
	default:
		return nil
	}
	return []statement{s}
}

// trusted reports whether a namespace may be the Cluster Autoscaler's own: those in which it keeps its ConfigMap by
// default, and those that are called after it. Whoever may write events elsewhere could name any node.
func trusted(namespace string) bool {
	return namespace == "kube-system" || namespace == "openshift-machine-api" || strings.Contains(namespace, "autoscaler")
}

// inForce returns the statements that nothing took back and that follow from no other.
func inForce(n fleet.Node, all []statement, events []fleet.Event) (out []statement) {
	// Until when the Cluster Autoscaler took everything back, and when a shutdown was cancelled.
	var revoked, cancelledAt time.Time
	interrupted := false
	for _, e := range events {
		switch e.Reason {
		case "ScaleDownFailed", "ClusterAutoscalerCleanup":
			revoked = fleet.Latest(revoked, e.Last)
		case "Shutdown":
			if cancelled(e.Note) {
				cancelledAt = fleet.Latest(cancelledAt, e.Last)
			}
		case "TerminatingOnInterruption":
			interrupted = true
		}
	}
	// Since when it has had the taint for the last time: an intent from before was taken back, whoever's word of that is
	// lost.
	tainted, since := false, time.Time{}
	for _, t := range n.Taints {
		if t.Key == "ToBeDeletedByClusterAutoscaler" {
			tainted, since = true, t.Since()
		}
	}
	for _, s := range all {
		switch {
		case s.event != nil && s.event.Regarding.Kind == "ConfigMap" && !trusted(s.event.Regarding.Namespace):
		case s.intent && (!tainted || s.last.Before(since.Add(-tardy)) || !revoked.IsZero() && !s.last.After(revoked)):
		case s.Kind == fleet.ShutDown && !cancelledAt.IsZero() && !s.last.After(cancelledAt):
		case s.event != nil && consequence(s, all, interrupted):
		default:
			out = append(out, s)
		}
	}
	return out
}

// weigh returns the statement that counts: the strongest, and of equals the last.
func weigh(inForce []statement) (best statement, ok bool) {
	for _, s := range inForce {
		if !ok || cmp.Or(cmp.Compare(s.strength, best.strength), s.last.Compare(best.last)) >= 0 {
			best, ok = s, true
		}
	}
	return best, ok
}

// consequence reports whether an event that the cloud ends a machine follows from what was said before: whoever ends a
// node has its machine ended. Karpenter says by TerminatingOnInterruption that it only followed the cloud.
func consequence(s statement, all []statement, interrupted bool) bool {
	if s.event.Reason != "InstanceTerminating" && s.event.Reason != "InstanceStopping" {
		return false
	}
	for _, before := range all {
		// What Karpenter followed before was another word of the cloud's, if that is known or not.
		if before.event != nil && before.event.Reason == "TerminatingOnInterruption" &&
			before.first.Before(s.first.Add(-time.Second)) {
			return true
		}
	}
	for _, before := range all {
		if before.By != karpenter && before.By != autoscaler || before.first.After(s.first) {
			continue
		}
		if before.strength >= strengthAutoscaler-1 || !interrupted {
			return true
		}
	}
	return false
}

// since is when a node's end was said first, as far as it is known: what came between that and the end is its drain.
func since(n fleet.Node, best statement, inForce []statement) time.Time {
	first := best.first
	if by, began, _ := n.Leaving(); !began.IsZero() && (by == best.By || first.IsZero()) {
		first = began
	}
	for _, s := range inForce {
		if s.By == best.By && s.By != "" && !s.first.IsZero() && (first.IsZero() || s.first.Before(first)) {
			first = s.first
		}
	}
	return first
}

// saving is what Karpenter said that the node's going saves by the hour. A command for several nodes says it of all of
// them together, on each: then nothing is known of the one.
func saving(events []fleet.Event) float64 {
	for _, e := range slices.Backward(events) {
		if e.Reason != "ConsolidationCandidate" {
			continue
		}
		if len(e.Names()) > 0 || strings.Contains(e.Note, " (part of ") {
			return 0
		}
		_, text, ok := strings.Cut(e.Note, "(savings: $")
		var usd float64
		if _, err := fmt.Sscanf(text, "%f", &usd); !ok || err != nil || usd < 0 {
			return 0
		}
		return usd
	}
	return 0
}

// told are the reasons of events that belong to the story of a node's end although they prove nothing about why.
var told = map[string]bool{
	"ConsolidationCandidate": true, "FailedDraining": true, "TerminationGracePeriodExpiring": true,
	"InstanceTerminating": true, "InstanceStopping": true, "TerminatingOnInterruption": true,
	"DeletingNode": true, "Shutdown": true, "ScaleDownFailed": true, "ClusterAutoscalerCleanup": true,
	"DisruptionTerminating": true, "ScaleDown": true, "ScaleDownEmpty": true, "DisruptionBlocked": true,
	"Finalized": true, "RemovingNode": true,
}

// maxChain is how many links a chain has at most. It is Rollcall's own choice.
const maxChain = 12

// testimony is the chain of a node's end: the statement that counts, and what happened around it.
func testimony(n fleet.Node, best statement, events []fleet.Event) (chain []fleet.Link) {
	for i := range events {
		e := events[i]
		if best.event != nil && e.UID == best.event.UID || told[e.Reason] && e.Regarding.Kind != "NodeClaim" {
			chain = append(chain, link(e))
		}
	}
	if by, began, ok := n.Leaving(); ok && best.event == nil {
		l := fleet.Link{At: began, On: fleet.ObjectRef{Kind: "Node", Name: n.Name, UID: n.UID}, Reason: "taint"}
		for _, t := range n.Taints {
			if l.Note == "" || strings.Contains(t.Key, "karpenter.sh/disrupt") || strings.HasPrefix(t.Key, "ToBeDeleted") {
				l.Note = clip(t.Key, 200)
			}
		}
		if by == "" {
			l.Reason, l.Note = "deletionTimestamp", ""
		}
		chain = append([]fleet.Link{l}, chain...)
	}
	slices.SortStableFunc(chain, func(a, b fleet.Link) int { return a.At.Compare(b.At) })
	if len(chain) > maxChain { // the first and the last say most
		chain = append(chain[:maxChain/2:maxChain/2], chain[len(chain)-maxChain/2:]...)
	}
	return chain
}
