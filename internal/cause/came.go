package cause

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// The moments around a node's coming in which evidence of it is looked for. They are Rollcall's own choice.
const (
	before  = 30 * time.Minute // before the node was created: a machine may take long to come up
	filling = 5 * time.Minute  // after it became ready: pods that waited for it are assigned to it
	coming  = 20 * time.Minute // how long it may take to become ready, where it is not known
	// workloads are looked up by spans that many nodes of one wave share, so that a lookup serves all of them.
	workloads = 10 * time.Minute
	// rescaled is how long before a Deployment its HorizontalPodAutoscaler may have written that it changed its size.
	rescaled = 30 * time.Second
	// grown is how long before a node was created its node group may have been scaled up for it. A longer time would take
	// in other scale-ups of the group, and what pods on the node prove is not bound by it.
	grown = 5 * time.Minute
	// creating is how long after a Deployment was scaled up its pods are seen at most, and a second more for each twenty:
	// so many a controller manager writes with its defaults. It is less than the 15 s after which a
	// HorizontalPodAutoscaler may scale again, of which the event may be lost: a controller writes no more than 25 of one
	// object in a row. crowding is how near each other two such times are that pods may be of either.
	creating = 10 * time.Second
	crowding = 12 * time.Second
	// tardy is by how much an event may be dated later than it should be: its writer was busy, or its time is in whole
	// seconds.
	tardy = 2 * time.Second
)

// maxPods is how many pods of a node are followed to whoever asked for them.
const maxPods = 20

// Came says why a node came. readyAt is when it became ready, zero if it has not yet: pods may be assigned to it only
// from then on, and only until removedAt, when it left; zero while it lives: another node may have its name then. It is
// the zero value where nothing proves why.
func Came(ctx context.Context, n fleet.Node, readyAt, removedAt time.Time, in Evidence) (fleet.Explanation, error) {
	c := search{ctx: ctx, node: n, in: in, until: n.CreatedAt.Add(coming)}
	if !readyAt.IsZero() {
		c.until = fleet.Latest(n.CreatedAt, readyAt).Add(filling)
	}
	if !removedAt.IsZero() && removedAt.Before(c.until) {
		c.until = removedAt
	}
	if e, ok, err := c.replacement(); err != nil || ok {
		return e, err
	}
	pods, err := c.pods()
	if err != nil {
		return fleet.Explanation{}, err
	}
	e, err := c.demand(pods)
	if err != nil || !e.IsZero() {
		return e, err
	}
	return c.group()
}

// search is the search for why one node came.
type search struct {
	ctx   context.Context
	node  fleet.Node
	in    Evidence
	until time.Time // pods that are assigned to it later prove nothing
}

// claim is the NodeClaim that owns the node; ok is false if none does.
func (c search) claim() (ref fleet.ObjectRef, ok bool) {
	return c.node.Owner, c.node.Owner.Kind == "NodeClaim" && c.node.Owner.Name != ""
}

// replacement explains a node that Karpenter launched in the place of others.
func (c search) replacement() (e fleet.Explanation, ok bool, err error) {
	claim, owned := c.claim()
	if !owned {
		return e, false, nil
	}
	events, err := c.in.On(c.ctx, claim, c.node.CreatedAt.Add(-before), c.until.Add(coming), most)
	if err != nil {
		return e, false, err
	}
	for _, launch := range events {
		if launch.Reason != "DisruptionLaunching" || !mine(launch, claim.UID, c.node.CreatedAt.Add(-before)) {
			continue
		}
		reason := word(launch.Note)
		e = fleet.Explanation{Strength: strengthReplacement, Chain: []fleet.Link{link(launch)},
			Cause: fleet.Cause{Kind: fleet.Replacement, By: karpenter, Why: clip(strings.ToLower(reason), 60)}}
		launched, ended, known, err := swap(c.ctx, fleet.ClaimPool(claim.Name), reason, launch.First, c.in)
		if err != nil {
			return e, false, err
		}
		if known && launched.Name == claim.Name && ended.Name != c.node.Name {
			e.Nodes, e.Strength = []string{ended.Name}, Strongest
		}
		return e, true, nil
	}
	return e, false, nil
}

// waiting is a pod that waited for the node.
type waiting struct {
	pod   fleet.ObjectRef
	by    string       // the autoscaler that made the node for it, if one says so
	event fleet.Event  // what ties it to the node
	why   *fleet.Event // that it found no room; nil if no event tells
}

// first is the first moment at which the pod is known to have been there.
func (w waiting) first() time.Time {
	if w.why != nil && w.why.First.Before(w.event.First) {
		return w.why.First
	}
	return w.event.First
}

// pods returns the pods that waited for the node: those that Karpenter nominated for its NodeClaim before there was a
// node, and those that had found no room and were then assigned to it when it was new.
func (c search) pods() (found []waiting, err error) {
	seen := map[string]bool{}
	if claim, ok := c.claim(); ok {
		events, err := c.in.Naming(c.ctx, claim, c.node.CreatedAt.Add(-before), c.until, most)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			// With a node in the note it was there already.
			if e.Reason != "Nominated" || e.Regarding.Kind != "Pod" || strings.Contains(e.Note, ", node/") {
				continue
			}
			if key := e.Regarding.Namespace + "/" + e.Regarding.Name; !seen[key] {
				seen[key] = true
				found = append(found, waiting{pod: e.Regarding, by: karpenter, event: e})
			}
		}
	}
	events, err := c.in.Naming(c.ctx, fleet.ObjectRef{Kind: "Node", Name: c.node.Name}, c.node.CreatedAt, c.until, most)
	if err != nil {
		return nil, err
	}
	looked := 0
	for _, e := range events {
		key := e.Regarding.Namespace + "/" + e.Regarding.Name
		if e.Reason != "Scheduled" || e.Regarding.Kind != "Pod" || seen[key] || looked == maxPods {
			continue
		}
		looked++
		w, ok, err := c.waited(e)
		if err != nil {
			return nil, err
		}
		if ok {
			seen[key] = true
			found = append(found, w)
		}
	}
	return found, nil
}

// waited reports whether a pod that was assigned to the node had found no room before.
func (c search) waited(scheduled fleet.Event) (w waiting, ok bool, err error) {
	events, err := c.in.On(c.ctx, scheduled.Regarding, c.node.CreatedAt.Add(-2*time.Hour), c.until, most)
	if err != nil {
		return w, false, err
	}
	w = waiting{pod: scheduled.Regarding, event: scheduled}
	for i := range events {
		e := &events[i]
		if !mine(*e, scheduled.Regarding.UID, scheduled.First.Add(-2*time.Hour)) || e.First.After(scheduled.First) {
			continue
		}
		switch e.Reason {
		case "FailedScheduling":
			// It waited for a node if it did so before this one could take it.
			ok = ok || e.First.Before(c.node.CreatedAt)
			if w.why == nil || e.First.Before(w.why.First) {
				w.why = e
			}
		case "TriggeredScaleUp":
			for _, g := range e.Names() {
				// The same second: the autoscaler may write it after the machine is there.
				if g.Name == c.node.Pool && !e.First.After(c.node.CreatedAt.Add(5*time.Second)) {
					w.by, ok = autoscaler, true
				}
			}
		}
	}
	return w, ok, nil
}

// demand explains a node by the pods that waited for it.
func (c search) demand(pods []waiting) (best fleet.Explanation, err error) {
	groups := map[fleet.Workload]*group{}
	for i, w := range pods {
		if i == maxPods {
			break
		}
		o, err := c.owner(w.pod)
		if err != nil {
			return best, err
		}
		if o.Kind == "DaemonSet" { // its pods follow nodes, they ask for none
			continue
		}
		if groups[o.Workload] == nil {
			groups[o.Workload] = &group{owner: o}
		}
		groups[o.Workload].pods = append(groups[o.Workload].pods, w)
	}
	var first *group
	others := 0
	for _, g := range groups {
		others++
		if first == nil || cmp.Or(cmp.Compare(len(g.pods), len(first.pods)), compareWorkloads(first.owner.Workload,
			g.owner.Workload)) > 0 {
			first = g
		}
	}
	if first == nil {
		return best, nil
	}
	o := first.owner
	best = fleet.Explanation{Cause: fleet.Cause{Kind: fleet.Demand, By: first.by(), For: o.Workload},
		Strength: strengthWorkload, Pods: len(first.pods)}
	if o.Kind == "Pod" {
		best.Strength = strengthPods
	}
	if o.Kind == "Deployment" {
		if best.Why, o.chain, err = c.scaled(o, first.pods); err != nil {
			return best, err
		}
		if best.Why != "" {
			best.Strength = Strongest
		}
	}
	best.Chain = o.chain
	w := first.pods[0]
	if w.why != nil {
		best.Chain = append(best.Chain, link(*w.why))
	}
	best.Chain = append(best.Chain, link(w.event))
	if others--; others > 0 {
		best.Chain = append(best.Chain, fleet.Link{At: w.event.First, On: fleet.ObjectRef{Kind: "Node", Name: c.node.Name},
			Reason: "others", Note: fmt.Sprintf("pods of %d other workloads waited for it too", others)})
	}
	if len(best.Chain) > maxChain {
		best.Chain = best.Chain[:maxChain]
	}
	return best, nil
}

// group is the pods of one owner.
type group struct {
	owner owner
	pods  []waiting
}

// by is the autoscaler that made the node for them, if one says so.
func (g *group) by() string {
	for _, w := range g.pods {
		if w.by != "" {
			return w.by
		}
	}
	return ""
}

func compareWorkloads(a, b fleet.Workload) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// owner is who asked for a pod, and the events that say so.
type owner struct {
	fleet.Workload
	replicaSet string // of a Deployment's pod
	chain      []fleet.Link
}

// span is the time in which what happened to workloads is looked up, for the node.
func (c search) span() (from, until time.Time) {
	t := c.node.CreatedAt.Truncate(workloads)
	return t.Add(-2 * time.Hour), t.Add(workloads + coming + filling)
}

// creators are the kinds that create pods themselves.
var creators = []string{"DaemonSet", "StatefulSet", "Job", "ReplicaSet", "ReplicationController"}

// owner finds who asked for a pod. An event that names the pod says it; the pod's name does only where an event has
// named an object that begins it: a ReplicaSet's pods are called after it.
func (c search) owner(pod fleet.ObjectRef) (o owner, err error) {
	from, until := c.span()
	ref := fleet.ObjectRef{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
	events, err := c.in.Naming(c.ctx, ref, from, until, most)
	if err != nil {
		return o, err
	}
	for _, e := range events {
		if e.Reason == "SuccessfulCreate" && e.Regarding.Namespace == pod.Namespace &&
			slices.Contains(creators, e.Regarding.Kind) {
			return c.above(e.Regarding, link(e))
		}
	}
	if i := strings.LastIndexByte(pod.Name, '-'); i > 0 {
		for _, kind := range creators {
			ref := fleet.ObjectRef{Kind: kind, Namespace: pod.Namespace, Name: pod.Name[:i]}
			created, err := c.named(ref)
			if err != nil {
				return o, err
			}
			if created != nil {
				return c.above(ref, link(*created))
			}
		}
	}
	o.Workload = fleet.Workload{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
	return o, nil
}

// named returns an event that proves that an object which creates pods is there: its own, or its Deployment's.
func (c search) named(ref fleet.ObjectRef) (*fleet.Event, error) {
	from, until := c.span()
	events, err := c.in.On(c.ctx, ref, from, until, most)
	if err != nil {
		return nil, err
	}
	for i := range events {
		if events[i].Reason == "SuccessfulCreate" {
			return &events[i], nil
		}
	}
	if ref.Kind != "ReplicaSet" {
		return nil, nil
	}
	events, err = c.in.Naming(c.ctx, ref, from, until, most)
	for i := range events {
		if events[i].Reason == "ScalingReplicaSet" {
			return &events[i], err
		}
	}
	return nil, err
}

// above goes from what created a pod to whoever asked for that: from a ReplicaSet to its Deployment, from a Job to its
// CronJob.
func (c search) above(creator fleet.ObjectRef, created fleet.Link) (o owner, err error) {
	o = owner{Workload: fleet.Workload{Kind: creator.Kind, Namespace: creator.Namespace, Name: creator.Name},
		chain: []fleet.Link{created}}
	reason := map[string]string{"ReplicaSet": "ScalingReplicaSet", "Job": "SuccessfulCreate"}[creator.Kind]
	if reason == "" {
		return o, nil
	}
	from, until := c.span()
	ref := fleet.ObjectRef{Kind: creator.Kind, Namespace: creator.Namespace, Name: creator.Name}
	events, err := c.in.Naming(c.ctx, ref, from, until, most)
	if err != nil {
		return o, err
	}
	for _, e := range events {
		if e.Reason != reason || e.Regarding.Namespace != creator.Namespace {
			continue
		}
		switch e.Regarding.Kind {
		case "Deployment":
			o.replicaSet = creator.Name
			o.Workload = fleet.Workload{Kind: "Deployment", Namespace: creator.Namespace, Name: e.Regarding.Name}
			return o, nil
		case "CronJob":
			o.Workload = fleet.Workload{Kind: "CronJob", Namespace: creator.Namespace, Name: e.Regarding.Name}
			o.chain = []fleet.Link{link(e), created}
			return o, nil
		}
	}
	return o, nil
}

var (
	// The notes of the Deployment controller and of the HorizontalPodAutoscaler: kubernetes,
	// pkg/controller/deployment/sync.go and pkg/controller/podautoscaler/horizontal.go.
	scaledForm   = regexp.MustCompile(`Scaled (up|down) replica set (\S+) (?:from (\d+) )?to (\d+)$`)
	rescaledForm = regexp.MustCompile(`^New size: (\d+); reason: (.*)$`)
	metricForm   = regexp.MustCompile(`^(\S+) resource utilization \(percentage of request\) (above|below) target$`)
)

// scaled says what made a Deployment ask for more pods before the node was created: its HorizontalPodAutoscaler, a
// rollout, or somebody who set its size; in one line, with the events. It is "" if no event tells, and if the pods may
// not be those that it asked for then: whoever is evicted is replaced by a new pod, which nobody scaled.
func (c search) scaled(o owner, pods []waiting) (why string, chain []fleet.Link, err error) {
	from, until := c.span()
	ref := fleet.ObjectRef{Kind: "Deployment", Namespace: o.Namespace, Name: o.Name}
	events, err := c.in.On(c.ctx, ref, from, until, most)
	if err != nil {
		return "", o.chain, err
	}
	var ups []*fleet.Event
	var steps []fleet.RolloutStep
	rollout := false
	for i := range events {
		e := &events[i]
		m := scaledForm.FindStringSubmatch(e.Note)
		if e.Reason != "ScalingReplicaSet" || m == nil || e.First.After(c.node.CreatedAt) {
			continue
		}
		steps = append(steps, e.OfRollout()...)
		switch {
		case m[2] != o.replicaSet:
			rollout = true // it has more than one ReplicaSet
		case m[1] == "up":
			ups = append(ups, e)
		}
	}
	var up *fleet.Event
	var at, last time.Time
	for i, w := range pods {
		e, when := growth(ups, w.first())
		if w.why == nil && (crowded(ups, w.first()) || e != nil && w.first().After(when.Add(within(e)))) {
			// What ties a pod to the node may come much later than the pod, even after the next scaling.
			if w, _, err = c.waited(w.event); err != nil || w.why == nil {
				return "", o.chain, err
			}
			e, when = growth(ups, w.first())
		}
		if e == nil || w.first().After(when.Add(within(e))) || i > 0 && (e != up || !when.Equal(at)) {
			return "", o.chain, nil
		}
		up, at, last = e, when, fleet.Latest(last, w.first())
	}
	if up == nil {
		return "", o.chain, nil
	}
	if evicted, err := c.evicted(o, at, at.Add(within(up)), last); err != nil || evicted {
		return "", o.chain, err
	}
	m := scaledForm.FindStringSubmatch(up.Note)
	size := "to " + m[4]
	if m[3] != "" {
		size = "from " + m[3] + " to " + m[4]
	}
	chain = append([]fleet.Link{link(*up)}, o.chain...)
	then := *up
	then.First = at
	rescale, reason, err := c.rescale(then, m[4])
	if err != nil {
		return "", chain, err
	}
	switch {
	case rescale != nil:
		return fmt.Sprintf("its HPA went %s (%s)", size, reason), append([]fleet.Link{link(*rescale)}, chain...), nil
	case rollout && (m[3] == "0" || m[3] == ""):
		return fleet.ForRollout, chain, nil
	case rollout && stepOf(steps, o.replicaSet, at):
		return fleet.ForRollout, chain, nil
	case rollout:
		return "", chain, nil // a rollout goes on by steps, and so does a size that somebody sets: nothing says which
	}
	return "scaled " + size, chain, nil
}

// stepOf reports whether a ReplicaSet grew at a moment because its Deployment was rolled out: all steps of that rollout
// are known, from its first one, and none says that the Deployment was given another size.
func stepOf(steps []fleet.RolloutStep, set string, at time.Time) bool {
	return slices.ContainsFunc(fleet.Rollouts(steps, at.Add(tardy)), func(r fleet.Rollout) bool {
		return r.Set == set && r.Began && !r.Missed && r.Want > 0 && !at.Before(r.Start) && !at.After(r.Last)
	})
}

// within is how long after a Deployment was scaled up its pods are seen.
func within(up *fleet.Event) time.Duration {
	m := scaledForm.FindStringSubmatch(up.Note)
	before, _ := strconv.Atoi(m[3])
	after, _ := strconv.Atoi(m[4])
	return creating + time.Duration(max(0, after-before))*time.Second/20
}

// growth is the time that a Deployment was scaled up for a pod which was there at a moment: the last one before. It is
// nil where that is not known: of events that were combined or repeated, not each time is, and of what was written just
// after the pod was seen, the pod may be all the same.
func growth(ups []*fleet.Event, seen time.Time) (up *fleet.Event, at time.Time) {
	for _, e := range ups {
		combined := strings.HasPrefix(e.Note, "(combined from similar events): ") // its note is the last one's
		if (combined || e.Count > 2) && !seen.Before(e.First) && seen.Before(e.Last) {
			return nil, at
		}
		for _, when := range []time.Time{e.First, e.Last} {
			switch late := when.Sub(seen); {
			case combined && when.Before(e.Last), late > tardy:
			case late > 0:
				return nil, at
			case up == nil || !when.Before(at):
				up, at = e, when
			}
		}
	}
	return up, at
}

// crowded reports whether a Deployment was scaled up more than once shortly before a moment.
func crowded(ups []*fleet.Event, seen time.Time) bool {
	times := map[time.Time]bool{}
	for _, e := range ups {
		for _, when := range []time.Time{e.First, e.Last} {
			if !when.After(seen) && when.Add(crowding).After(seen) {
				times[when] = true
			}
		}
	}
	return len(times) > 1
}

// evictions are the reasons of events which say that a pod was evicted: whoever made it makes another one.
var evictions = []string{"Evicted", "Disrupted", "Preempted", "ScaleDown"}

// evicted reports whether pods of a Deployment were evicted after it was scaled up and before its last pod that waited
// was seen, or whether that cannot be told: a pod that takes the place of an evicted one looks like those that the
// Deployment asked for.
func (c search) evicted(o owner, from, until, last time.Time) (bool, error) {
	for _, reason := range evictions {
		events, err := c.in.Because(c.ctx, reason, from.Add(-tardy), until, most)
		if err != nil || len(events) == most {
			return true, err
		}
		for _, e := range events {
			if e.Regarding.Kind == "Pod" && e.Regarding.Namespace == o.Namespace && !e.First.After(last.Add(tardy)) &&
				strings.HasPrefix(e.Regarding.Name, o.replicaSet+"-") {
				return true, nil
			}
		}
	}
	return false, nil
}

// rescale finds the HorizontalPodAutoscaler that gave a Deployment its size: one of its namespace that wrote the same
// size just before. If more than one did, the one that has the Deployment's name counts, else none.
func (c search) rescale(up fleet.Event, size string) (found *fleet.Event, reason string, err error) {
	events, err := c.in.Because(c.ctx, "SuccessfulRescale", up.First.Add(-rescaled).Truncate(workloads),
		up.First.Add(workloads), most)
	if err != nil {
		return nil, "", err
	}
	for i := range events {
		e := &events[i]
		m := rescaledForm.FindStringSubmatch(e.Note)
		if m == nil || m[1] != size || e.Regarding.Kind != "HorizontalPodAutoscaler" ||
			e.Regarding.Namespace != up.Regarding.Namespace {
			continue
		}
		// Whole seconds; a rescale that is repeated is one event, of which the last counts.
		near := func(t time.Time) bool {
			return !t.After(up.First.Add(2*time.Second)) && !t.Before(up.First.Add(-rescaled))
		}
		if !near(e.First) && !near(e.Last) {
			continue
		}
		if found != nil && found.Regarding.Name != e.Regarding.Name {
			switch up.Regarding.Name {
			case found.Regarding.Name:
				continue
			case e.Regarding.Name:
			default:
				return nil, "", nil
			}
		}
		found, reason = e, m[2]
	}
	switch m := metricForm.FindStringSubmatch(reason); {
	case m != nil:
		reason = m[1] + " " + m[2] + " target"
	case reason == "Current number of replicas below Spec.MinReplicas":
		reason = "below its minimum"
	case reason == "Current number of replicas above Spec.MaxReplicas":
		reason = "above its maximum"
	}
	return found, clip(reason, 80), nil
}

// group explains a node by the scale-up of its node group, where no pod on it is known to have waited.
func (c search) group() (best fleet.Explanation, err error) {
	if c.node.Pool == "" {
		return best, nil
	}
	events, err := c.in.Naming(c.ctx, fleet.ObjectRef{Kind: "NodeGroup", Name: c.node.Pool}, c.node.CreatedAt.Add(-grown),
		c.node.CreatedAt, most)
	if err != nil {
		return best, err
	}
	var pods []waiting
	for i := range events {
		e := &events[i]
		switch {
		case e.Reason != "TriggeredScaleUp" || e.First.Before(c.node.CreatedAt.Add(-grown)):
		case e.Regarding.Kind == "Pod":
			pods = append(pods, waiting{pod: e.Regarding, by: autoscaler, event: *e})
		case e.Regarding.Kind == "CapacityBuffer" && best.IsZero():
			best = fleet.Explanation{Cause: fleet.Cause{Kind: fleet.Headroom, By: autoscaler,
				For: fleet.Workload{Kind: e.Regarding.Kind, Namespace: e.Regarding.Namespace, Name: e.Regarding.Name}},
				Strength: strengthHeadroom, Chain: []fleet.Link{link(*e)}}
		}
	}
	if len(pods) == 0 {
		return best, nil
	}
	if !best.IsZero() { // pods and a buffer asked for the same: which of them this node is for is not known
		return fleet.Explanation{}, nil
	}
	if best, err = c.demand(pods); err == nil && !best.IsZero() {
		best.Strength, best.Pods = strengthGroup, 0
	}
	return best, err
}
