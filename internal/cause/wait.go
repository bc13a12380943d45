package cause

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// How long something is heard of a pod that waits, at least. An autoscaler says again within five minutes that it makes
// no node: karpenter, pkg/controllers/provisioning/scheduling/events.go; Cluster Autoscaler,
// --record-duplicated-events. The scheduler tries a pod again after five minutes at the latest, and what it says
// repeatedly is written every thirty: kubernetes, pkg/scheduler/backend/queue; client-go,
// tools/events/event_broadcaster.go. What is added to each is Rollcall's own choice.
const (
	refusedSilence   = 12 * time.Minute
	schedulerSilence = 36 * time.Minute
)

// overdue is how long nodes may take that an autoscaler has announced: Karpenter gives up a machine that is no node
// after 15 minutes, the Cluster Autoscaler too: karpenter, pkg/controllers/nodeclaim/lifecycle/liveness.go;
// --max-node-provision-time.
const overdue = 15 * time.Minute

// The bounds of a look at what waits. They are Rollcall's own choice.
const (
	maxSets    = 60 // whose workloads are looked for
	maxWaitFor = 4  // workloads that a group names
)

// Unheard returns the waits of which nothing was heard for so long that the pods are gone, or have got a node without
// anybody saying so. now is the last moment at which events were seen.
func Unheard(waits []fleet.Wait, now time.Time) (silent []fleet.Wait) {
	for _, w := range waits {
		if unheard(w, now) {
			silent = append(silent, w)
		}
	}
	return silent
}

func unheard(w fleet.Wait, now time.Time) bool {
	limit := schedulerSilence
	if w.Refused() {
		limit = refusedSilence
	}
	return now.Sub(w.Last) > limit
}

// Waiting says what pods wait for, group by group: those that wait longest first. now is the last moment at which
// events were seen. Pods of DaemonSets are left out: they wait for their own node.
func Waiting(ctx context.Context, waits []fleet.Wait, now time.Time, in Evidence) ([]fleet.Waiting, error) {
	c := waitSearch{ctx: ctx, in: in, now: now, owners: map[string]fleet.Workload{}}
	if err := c.failures(waits); err != nil {
		return nil, err
	}
	groups := map[waitKey]*waitGroup{}
	for _, w := range waits {
		if unheard(w, now) {
			continue
		}
		of, err := c.owner(w)
		if err != nil {
			return nil, err
		}
		if of.Kind == "DaemonSet" {
			continue
		}
		key, told := c.judge(w)
		g := groups[key]
		if g == nil {
			g = &waitGroup{Waiting: fleet.Waiting{State: key.state, Refusal: key.refusal, Pool: key.pool, Since: w.First,
				Told: told}, of: map[fleet.Workload]int{}}
			groups[key] = g
		}
		g.Pods++
		g.Waits = append(g.Waits, w)
		g.of[of]++
		if w.First.Before(g.Since) {
			g.Since = w.First
		}
		if !told.IsZero() && (g.Told.IsZero() || told.Before(g.Told)) {
			g.Told = told
		}
		if !w.Last.Before(g.last) {
			g.last, g.Note = w.Last, w.Note
			g.Refusal.Detail = c.detail(w)
		}
	}
	var all []fleet.Waiting
	for _, g := range groups {
		for of, n := range g.of {
			g.For = append(g.For, fleet.PodsOf{Workload: of, Pods: n})
		}
		slices.SortFunc(g.For, func(a, b fleet.PodsOf) int {
			return cmp.Or(cmp.Compare(b.Pods, a.Pods), compareWorkloads(a.Workload, b.Workload))
		})
		for _, of := range g.For[min(len(g.For), maxWaitFor):] {
			g.Others += of.Pods
		}
		g.For = g.For[:min(len(g.For), maxWaitFor)]
		all = append(all, g.Waiting)
	}
	slices.SortFunc(all, func(a, b fleet.Waiting) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(b.Pods, a.Pods), cmp.Compare(a.State, b.State),
			cmp.Compare(a.Refusal.Kind, b.Refusal.Kind), cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.Refusal.By, b.Refusal.By))
	})
	return all, nil
}

// waitKey is what pods have in common that wait for one reason. The refusal is without its detail.
type waitKey struct {
	state   fleet.WaitState
	refusal fleet.Refusal
	pool    string
}

type waitGroup struct {
	fleet.Waiting
	of   map[fleet.Workload]int
	last time.Time
}

// waitSearch is a look at what waits.
type waitSearch struct {
	ctx    context.Context
	in     Evidence
	now    time.Time
	owners map[string]fleet.Workload // by namespace/set
	failed []failing                 // machines that do not come, the latest first
}

// failing is that machines do not come.
type failing struct {
	fleet.Refusal
	on          fleet.ObjectRef
	first, last time.Time
}

// failures reads why machines do not come that were announced for some of the waits.
func (c *waitSearch) failures(waits []fleet.Wait) error {
	var since time.Time
	for _, w := range waits {
		if !w.Refused() && !w.ComingAt.IsZero() && (since.IsZero() || w.First.Before(since)) {
			since = w.First
		}
	}
	if since.IsZero() {
		return nil
	}
	for _, reason := range fleet.RefusalReasons {
		events, err := c.in.Because(c.ctx, reason, since, c.now, most)
		if err != nil {
			return err
		}
		for _, e := range events {
			if r, ok := e.Refuses(); ok {
				c.failed = append(c.failed, failing{r, e.Regarding, e.First, e.Last})
			}
		}
	}
	slices.SortStableFunc(c.failed, func(a, b failing) int { return b.last.Compare(a.last) })
	return nil
}

// failure is the last one of what was announced for a pod, since it was, and since when machines have failed. One
// machine that fails is followed by the next; several in a row are no start of anything.
func (c *waitSearch) failure(w fleet.Wait) (f failing, since time.Time, ok bool) {
	failed := 0
	for _, one := range c.failed {
		switch claim := one.on.Kind == "NodeClaim" && w.Coming.Kind == "NodeClaim"; {
		case !one.last.Before(w.ComingAt) && concerns(one, w.Coming):
			return one, fleet.Latest(one.first, w.First), true
		case claim && one.Pool == fleet.ClaimPool(w.Coming.Name) && !one.last.Before(w.First):
			if failed++; failed == 1 {
				f = one
			}
			since = fleet.Latest(one.first, w.First)
		}
	}
	return f, since, failed >= inARow && c.now.Sub(f.last) < lately
}

// From here on machines that fail one after another say that none comes, as long as the last one has failed lately.
// It is Rollcall's own choice.
const (
	inARow = 3
	lately = 5 * time.Minute
)

// concerns reports whether a failure is that of what was announced.
func concerns(f failing, coming fleet.ObjectRef) bool {
	switch {
	case coming.Kind != "NodeClaim": // the last part of a path: MachineSet/openshift-machine-api/worker-a
		return f.Pool != "" && (f.Pool == coming.Name || strings.HasSuffix(coming.Name, "/"+f.Pool))
	case f.on.Kind == "NodeClaim":
		return f.on.Name == coming.Name
	}
	return f.By == fleet.Karpenter && f.Pool != "" && f.Pool == fleet.ClaimPool(coming.Name)
}

// judge says in which state a wait is, why, and since when.
func (c *waitSearch) judge(w fleet.Wait) (key waitKey, told time.Time) {
	switch {
	case w.Refused():
		key.state, key.refusal, told = fleet.Refused, w.Refusal, w.RefusedFirst
		key.pool = w.Refusal.Pool
	case w.ComingAt.IsZero():
		key.state = fleet.Unanswered
	default:
		key.state, told = fleet.Coming, w.ComingAt
		if key.pool = w.Coming.Name; w.Coming.Kind == "NodeClaim" {
			key.pool = fleet.ClaimPool(w.Coming.Name)
		}
		if f, since, ok := c.failure(w); ok {
			key.state, key.refusal, told = fleet.Refused, f.Refusal, since
		} else if c.now.Sub(fleet.Latest(w.First, w.RefusedLast)) > overdue {
			key.state, told = fleet.Overdue, fleet.Latest(w.First, w.RefusedLast)
		}
	}
	key.refusal.Detail = ""
	return key, told
}

// detail is what was last said of why a pod gets no node.
func (c *waitSearch) detail(w fleet.Wait) string {
	if w.Refused() {
		return w.Refusal.Detail
	}
	if f, _, ok := c.failure(w); ok && !w.ComingAt.IsZero() {
		return f.Detail
	}
	return ""
}

// owner is whose a pod is. Those of one object are looked for once: what proves it of one proves it of all, where an
// event has named that object.
func (c *waitSearch) owner(w fleet.Wait) (fleet.Workload, error) {
	set := w.Pod.Namespace + "/" + w.Set()
	if of, ok := c.owners[set]; ok {
		return of, nil
	}
	of := fleet.Workload{Kind: "Pod", Namespace: w.Pod.Namespace, Name: w.Set() + "-*"}
	if w.Set() == w.Pod.Name {
		of.Name = w.Pod.Name
	}
	if len(c.owners) < maxSets {
		// As for a node that was created when the pod found no room.
		o, err := search{ctx: c.ctx, node: fleet.Node{CreatedAt: w.First}, in: c.in}.owner(w.Pod)
		if err != nil {
			return of, err
		}
		if o.Kind != "Pod" {
			of = o.Workload
		}
	}
	c.owners[set] = of
	return of, nil
}
