// Package alerttest holds waves as people see them, for the golden files of package alert and
// of the Slack adapter. Only tests import it.
package alerttest

import (
	"fmt"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// T0 is when the scenes begin.
var T0 = time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)

// aNode is the nth of a fleet of alike nodes.
func aNode(n int) fleet.Node {
	return fleet.Node{
		Cluster: "prod", UID: fmt.Sprintf("uid-%d", n), Name: fmt.Sprintf("ip-10-0-%d-%d.ec2.internal", n/250, n%250),
		Provider: "aws", InstanceType: "m5.large", CapacityType: "spot", Zone: "us-east-1" + string(rune('a'+n%2)),
		Pool: "general", Arch: "amd64",
		Labels: map[string]string{"team": "shop"}, CreatedAt: T0,
		Ready: fleet.Condition{Status: fleet.Ready, Reason: "KubeletReady"},
	}
}

func step(n fleet.Node, id int64, kind fleet.ChangeKind, at time.Duration) fleet.Change {
	return fleet.Change{ID: id, Cluster: n.Cluster, NodeUID: n.UID, NodeName: n.Name, Kind: kind, Occurrence: 1,
		At: T0.Add(at), Proof: fleet.ProofWatch}
}

func joined(n int, readyAfter time.Duration) wave.Member {
	node := aNode(n)
	m := wave.Member{Node: node, Steps: []fleet.Change{step(node, 1, fleet.Joined, 0)}}
	if readyAfter > 0 {
		m.Steps = append(m.Steps, step(node, 2, fleet.BecameReady, readyAfter))
	} else {
		m.Node.Ready = fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady"}
	}
	return m
}

func removed(n int, after time.Duration, why fleet.Explanation) wave.Member {
	node := aNode(n)
	return wave.Member{Node: node, RemovedAt: T0.Add(after), Went: why,
		Steps: []fleet.Change{step(node, 9, fleet.Removed, after)}}
}

// because is an explanation with a cause of one kind.
func because(kind fleet.CauseKind, by, why string) fleet.Explanation {
	return fleet.Explanation{Cause: fleet.Cause{Kind: kind, By: by, Why: why}}
}

// demanded is an explanation by what a workload asked for.
func demanded(kind, name, why string, pods int) fleet.Explanation {
	return fleet.Explanation{Pods: pods, Cause: fleet.Cause{Kind: fleet.Demand, By: "Karpenter", Why: why,
		For: fleet.Workload{Kind: kind, Namespace: "shop", Name: name}}}
}

func cameBecause(m wave.Member, why fleet.Explanation) wave.Member {
	m.Came = why
	return m
}

// with is a member with the node that it replaces, or that replaces it.
func with(m wave.Member, other fleet.Node) wave.Member {
	m.Others = []fleet.Node{other}
	return m
}

// budget is about a budget of 9,000 dollars for November, on the 22nd, unless b says otherwise.
func budget(b wave.Budget) wave.About {
	if b.Limit == 0 {
		b.Limit, b.Per = 9000, "month"
		b.From, b.Until = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	}
	if b.At.IsZero() {
		b.At = T0
	}
	return wave.About{Budget: &b, Standing: &wave.Standing{Key: "k", Since: T0}}
}

func many(count int, f func(n int) wave.Member) []wave.Member {
	var ms []wave.Member
	for n := range count {
		ms = append(ms, f(n))
	}
	return ms
}

// mute is a mute by Ada until 13:00.
func mute(scope wave.MuteScope, value string) *wave.Mute {
	return &wave.Mute{ID: 12, Cluster: "prod", Scope: scope, Value: value, By: "U0ADA", ByName: "Ada", At: T0,
		Until: T0.Add(228 * time.Minute)}
}

// rollout is a rollout that began at T0, as it is after two minutes, unless change changes it.
func rollout(state fleet.RolloutState, change func(*wave.Rollout)) wave.Wave {
	x := wave.Rollout{Rollout: fleet.Rollout{Set: "web-7d4f19", Olds: []string{"web-6b9cf8"}, Start: T0, State: state,
		Deployment: fleet.ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web"},
		Last:       T0.Add(2*time.Minute + 10*time.Second), New: 24, Old: 16, Want: 40, Began: true}}
	if change != nil {
		change(&x)
	}
	s := wave.Standing{Key: "k", Since: x.Start}
	if state.Over() {
		s.Until = x.Last
	}
	return wave.Wave{Kind: wave.KindRollout, About: wave.About{Standing: &s, Rollout: &x}}
}

// unwantedRollout is one that ROLLOUTS does not select any more.
func unwantedRollout() wave.Wave {
	w := rollout(fleet.RollingOut, nil)
	w.About = w.About.Over(T0.Add(time.Hour))
	return w
}

// waiting is about pods that wait since T0.
func waiting(w fleet.Waiting, ended wave.WaitEnds, until time.Duration) wave.About {
	w.Since = T0
	a := wave.About{Standing: &wave.Standing{Key: "k", Since: T0}, Waiting: &wave.Waiting{Waiting: w, Ended: ended}}
	if until > 0 {
		a.Standing.Until = T0.Add(until)
	}
	return a
}

// podsOf are pods of a workload.
func podsOf(kind, name string, pods int) fleet.PodsOf {
	return fleet.PodsOf{Workload: fleet.Workload{Kind: kind, Namespace: "shop", Name: name}, Pods: pods}
}

// Scenes returns one wave of each kind that people see, by name. Their cluster is to be set.
func Scenes() map[string]wave.Wave {
	undone := mute(wave.MuteType, "m5.large")
	undone.EndedAt, undone.EndedBy, undone.EndedByName = T0.Add(20*time.Minute), "U0GRACE", "Grace"
	down := aNode(1)
	down.Ready = fleet.Condition{Status: fleet.ReadyUnknown, Reason: "NodeStatusUnknown",
		Message: "Kubelet stopped posting node status."}
	wentDown := step(down, 3, fleet.WentUnready, time.Hour)
	wentDown.Reason = "NodeStatusUnknown"
	unproven := removed(3, 20*time.Minute, fleet.Explanation{})
	unproven.Steps[0].Proof, unproven.Steps[0].NotBefore = fleet.ProofNone, T0.Add(time.Minute)
	bare := wave.Member{Node: fleet.Node{Cluster: "prod", UID: "x", Name: "minikube", CreatedAt: T0}}
	bare.Steps = []fleet.Change{step(bare.Node, 1, fleet.Joined, 0)}
	gap := &fleet.Gap{ID: 1, From: T0, Until: T0.Add(19 * time.Minute), Cause: "restart", Missed: true, EventsFrom: T0}
	oldGap := &fleet.Gap{ID: 1, From: T0.Add(-5 * time.Hour), Until: T0.Add(19 * time.Minute), Cause: "restart",
		Missed: true, EventsFrom: T0.Add(-41 * time.Minute)}
	blind := &fleet.Gap{ID: 1, From: T0, Until: T0.Add(19 * time.Minute), Cause: "watch expired", Missed: true}
	emptied := &fleet.Gap{ID: 1, From: T0, Until: T0.Add(19 * time.Minute), Cause: "watch expired", Missed: true,
		EventsFrom: T0, Confirmed: T0.Add(19 * time.Minute)}
	restored := &fleet.Gap{ID: 1, From: T0, Until: T0.Add(19 * time.Minute), Cause: "cluster restored", Missed: true,
		EventsFrom: T0}
	back := wave.Member{Node: aNode(1), Steps: []fleet.Change{step(aNode(1), 7, fleet.Joined, 19*time.Minute),
		step(aNode(1), 8, fleet.BecameReady, 19*time.Minute)}}
	back.Steps[0].Occurrence, back.Steps[1].Occurrence = 2, 2
	drifted := because(fleet.Drifted, "Karpenter", "AMIDrift")
	drifted.Since, drifted.Nodes = T0.Add(50*time.Minute), []string{aNode(21).Name}
	slow := because(fleet.Drifted, "Karpenter", "")
	slow.Since = T0.Add(4 * time.Hour)
	saving := because(fleet.Underutilized, "Karpenter", "")
	saving.SavingUSD = 0.31
	large := aNode(1)
	large.InstanceType = "m5.4xlarge"
	replacing := because(fleet.Replacement, "Karpenter", "drifted")
	swaps := []wave.Swap{{Reason: "drifted", Since: T0, Until: T0.Add(time.Hour),
		Came: map[fleet.Machine]int{aNode(1).Machine(): 2}, Went: map[fleet.Machine]int{large.Machine(): 2}}}
	claimed := joined(1, 41*time.Second)
	claimed.Node.Owner = fleet.ObjectRef{Kind: "NodeClaim", Name: "general-x7k2p"}
	named := replacing
	named.Nodes = []string{aNode(1).Name}
	dying := removed(1, 70*time.Minute, because(fleet.Empty, "Karpenter", ""))
	dying.Node.Taints = []fleet.Taint{{Key: "karpenter.sh/disrupted", Effect: "NoSchedule"}}
	dying.Node.Ready = fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Since: T0.Add(66 * time.Minute)}
	hpa := "its HPA went from 14 to 52 (cpu above target)"
	web := demanded("Deployment", "web", "its HPA went from 4 to 40", 0).Cause
	headroom := fleet.Explanation{Cause: fleet.Cause{Kind: fleet.Headroom, By: "Cluster Autoscaler",
		For: fleet.Workload{Kind: "CapacityBuffer", Namespace: "shop", Name: "spare"}}}
	return map[string]wave.Wave{
		"why-demand": {Kind: wave.KindJoined, Members: many(12, func(n int) wave.Member {
			if n > 9 {
				return cameBecause(joined(n, 41*time.Second), replacing)
			}
			return cameBecause(joined(n, 41*time.Second), demanded("Deployment", "checkout", hpa, 3))
		})},
		"why-two-workloads": {Kind: wave.KindJoined, Members: many(9, func(n int) wave.Member {
			switch {
			case n > 6:
				return joined(n, 41*time.Second)
			case n > 3:
				return cameBecause(joined(n, 41*time.Second), demanded("Job", "train", "", 4))
			}
			return cameBecause(joined(n, 41*time.Second), demanded("Deployment", "checkout", hpa, n))
		})},
		"why-one-demand": {Kind: wave.KindJoined,
			Members: []wave.Member{cameBecause(joined(1, 41*time.Second), demanded("Deployment", "checkout", hpa, 1))}},
		"why-replacing": {Kind: wave.KindJoined, Members: []wave.Member{with(cameBecause(joined(21, 41*time.Second), named),
			large)}},
		"why-replacing-two": {Kind: wave.KindJoined, Swaps: swaps, Members: []wave.Member{
			cameBecause(joined(21, 41*time.Second), replacing), cameBecause(joined(22, 44*time.Second), replacing)}},
		"why-replaced-two": {Kind: wave.KindRemoved, Swaps: swaps, ClosedAt: T0.Add(time.Hour), Members: many(2,
			func(n int) wave.Member { return removed(n, time.Hour, because(fleet.Drifted, "Karpenter", "")) })},
		"why-limited": {Kind: wave.KindJoined, Pools: []fleet.Pool{{Name: "general",
			Limits: map[string]string{"cpu": "100", "memory": "400Gi", "nodes": "50", "example.com/x": "3"},
			Used:   map[string]string{"cpu": "92.5", "memory": "368Gi", "nodes": "30"}}, {Name: "other"}},
			Members: []wave.Member{claimed}},
		"kept":       keptScene(0, false),
		"kept-could": keptScene(11, false),
		"kept-some":  keptScene(4, false),
		"kept-over":  keptScene(4, true),
		"loop":       loopScene(3, 3, false),
		"loop-tenth": loopScene(10, 14, false),
		"loop-over":  loopScene(3, 14, true),
		"rollout": rollout(fleet.RollingOut, func(x *wave.Rollout) {
			x.Nodes = 3
			x.Warnings = []wave.RolloutWarning{
				{Reason: "BackOff", Note: "Back-off restarting failed container <!channel> in pod web-7d4f19-x2x", Pods: 3},
				{Reason: "Unhealthy", Note: "Readiness probe failed: HTTP probe failed with statuscode: 503", Pods: 1},
				{Reason: "FailedCreate", Note: "pods \"web-7d4f19-\" is forbidden: exceeded quota: team"}}
		}),
		"rollout-seen-late": rollout(fleet.RollingOut, func(x *wave.Rollout) { x.Began, x.Want = false, 0 }),
		"rollout-missed":    rollout(fleet.RollingOut, func(x *wave.Rollout) { x.Missed = true }),
		"rollout-back":      rollout(fleet.RollingBack, nil),
		"rollout-still":     rollout(fleet.StandsStill, nil),
		"rollout-to-zero":   rollout(fleet.StandsStill, func(x *wave.Rollout) { x.New, x.Old, x.Want = 0, 0, 0 }),
		"rollout-lost":      rollout(fleet.RolloutLost, func(x *wave.Rollout) { x.Missed = true }),
		"rollout-done":      rollout(fleet.RolledOut, func(x *wave.Rollout) { x.New, x.Old, x.Nodes = 40, 0, 1 }),
		"rollout-done-back": rollout(fleet.RolledOut, func(x *wave.Rollout) {
			x.New, x.Old, x.Back, x.Began = 40, 0, true, false
		}),
		"rollout-rolled-back": rollout(fleet.RolledBack, func(x *wave.Rollout) { x.New, x.Old = 0, 40 }),
		"rollout-replaced": rollout(fleet.RolloutReplaced, func(x *wave.Rollout) {
			x.By, x.Olds = "web-5f6d7c", []string{"web-6b9cf8", "web-1", "web-2", "web-3", "web-4"}
		}),
		"rollout-unseen":    rollout(fleet.RolloutUnseen, func(x *wave.Rollout) { x.By = "web-5f6d7c" }),
		"rollout-left":      rollout(fleet.RolloutLeft, nil),
		"rollout-gone":      rollout(fleet.RolloutGone, nil),
		"rollout-unwanted":  unwantedRollout(),
		"kept-off":          keptOff(),
		"kept-not-priced":   keptUnpriced(),
		"kept-cordon":       cordonScene(1, 0, false),
		"kept-cordons":      cordonScene(11, 2, false),
		"kept-cordon-over":  cordonScene(1, 1, true),
		"kept-cordons-over": cordonScene(3, 3, true),
		"blind": {Kind: wave.KindBlind, About: wave.About{Blind: &wave.Blind{Since: T0,
			Why: "list nodes: dial tcp 10.0.0.1:443: connect: connection refused"}}},
		"blind-over": {Kind: wave.KindBlind, ClosedAt: T0.Add(15 * time.Minute), About: wave.About{Blind: &wave.Blind{
			Since: T0, Until: T0.Add(15 * time.Minute), Missed: map[fleet.ChangeKind]int{fleet.Joined: 3, fleet.BecameReady: 2,
				fleet.Removed: 1, fleet.Cordoned: 1}}}},
		"blind-events": {Kind: wave.KindBlind, About: wave.About{Blind: &wave.Blind{Events: true, Since: T0,
			Why: "list events.events.k8s.io: not permitted for rollcall"}}},
		"blind-events-over": {Kind: wave.KindBlind, ClosedAt: T0.Add(15 * time.Minute), About: wave.About{Blind: &wave.Blind{
			Events: true, Since: T0, Until: T0.Add(15 * time.Minute)}}},
		"budget-half": {Kind: wave.KindBudget, About: budget(wave.Budget{Step: wave.BudgetHalf, Spent: 4521.37,
			Before: 3980.12,
			Grew:   []wave.BudgetRow{{What: "pool", Name: "gpu", USD: 410}, {What: "cause", Name: "demand", USD: 380.5}},
			Likely: 8320, Low: 7890.4, High: 8749.6})},
		"budget-half-early": {Kind: wave.KindBudget, About: budget(wave.Budget{Step: wave.BudgetHalf, Spent: 4521.37, Days: 9,
			Since: T0.Add(-9*24*time.Hour - 3*time.Hour), Unpriced: 3, Unsure: 12.4})},
		"budget-most": {Kind: wave.KindBudget, ClosedAt: T0, About: budget(wave.Budget{Step: wave.BudgetMost, Spent: 7384.2,
			Before: 5102.7, Grew: []wave.BudgetRow{{What: "pool", Name: "gpu", USD: 1610.4}, {What: "pool", USD: 320},
				{What: "cause", Name: "replacement", USD: 702.15}}, Likely: 10212, Low: 9630, High: 10794,
			Passed: T0.AddDate(0, 0, 5).Truncate(24 * time.Hour), First: T0.AddDate(0, 0, 4).Truncate(24 * time.Hour),
			Last: T0.AddDate(0, 0, 6).Truncate(24 * time.Hour)})},
		"budget-passed": {Kind: wave.KindBudget, ClosedAt: T0, About: budget(wave.Budget{Step: wave.BudgetPassed,
			Spent: 9003.1, Before: 8870, Unpriced: 1})},
		"budget-passed-at-most": {Kind: wave.KindBudget, ClosedAt: T0, About: budget(wave.Budget{Step: wave.BudgetPassed,
			Spent: 81.4, Pool: "gpu", Limit: 80, Per: "day", From: T0.Truncate(24 * time.Hour), AtMost: true,
			Until: T0.Truncate(24*time.Hour).AddDate(0, 0, 1)})},
		"budget-forecast": {Kind: wave.KindBudget, ClosedAt: T0, About: budget(wave.Budget{Step: wave.BudgetForecast,
			Spent: 6420, Before: 5102.7, Grew: []wave.BudgetRow{{What: "pool", Name: "gpu", USD: 1100}}, Likely: 9850,
			Low: 9310, High: 10390,
			Passed: T0.AddDate(0, 0, 5).Truncate(24 * time.Hour), First: T0.AddDate(0, 0, 4).Truncate(24 * time.Hour),
			Last: T0.AddDate(0, 0, 7).Truncate(24 * time.Hour)})},
		"budget-over": {Kind: wave.KindBudget, ClosedAt: T0, About: budget(wave.Budget{Step: wave.BudgetHalf, Spent: 8703.44,
			Before: 8120, At: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}).Over(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))},
		"why-headroom": {Kind: wave.KindJoined, Members: many(2, func(n int) wave.Member {
			return cameBecause(joined(n, 0), headroom)
		})},
		"why-drifted":    {Kind: wave.KindRemoved, Members: []wave.Member{with(removed(1, time.Hour, drifted), large)}},
		"why-slow-drain": {Kind: wave.KindRemoved, Members: []wave.Member{removed(1, 370*time.Minute, slow)}},
		"why-saving":     {Kind: wave.KindRemoved, Members: []wave.Member{removed(1, 370*time.Minute, saving)}},
		"why-not-said": {Kind: wave.KindRemoved,
			Members: []wave.Member{removed(1, 336*time.Hour, because(fleet.NotSaid, "Karpenter", ""))}},
		"why-ended-not-ready": {Kind: wave.KindRemoved, Members: []wave.Member{dying}},
		"why-spot-gone": {Kind: wave.KindRemoved,
			Members: []wave.Member{removed(1, time.Hour, because(fleet.MachineGone, "", "spot"))}},
		"away-emptied":     {Kind: wave.KindAway, Gap: emptied, Members: []wave.Member{unproven}},
		"away-restored":    {Kind: wave.KindAway, Gap: restored, Members: []wave.Member{back}},
		"baseline":         {Kind: wave.KindBaseline},
		"joined-one":       {Kind: wave.KindJoined, Members: []wave.Member{joined(1, 0)}},
		"joined-one-ready": {Kind: wave.KindJoined, Members: []wave.Member{joined(1, 41*time.Second)}},
		"joined-unknown":   {Kind: wave.KindJoined, Members: []wave.Member{bare}},
		"joined-three": {Kind: wave.KindJoined,
			Members: []wave.Member{joined(1, 41*time.Second), joined(2, 65*time.Second), joined(3, 0)}},
		"joined-six-machines": {Kind: wave.KindJoined, Members: many(6, func(n int) wave.Member {
			m := joined(n, time.Duration(30+n)*time.Second)
			m.Node.InstanceType = fmt.Sprintf("m%d.large", n+1)
			return m
		})},
		"joined-fifty": {Kind: wave.KindJoined,
			Members: many(50, func(n int) wave.Member { return joined(n, time.Duration(n%45)*time.Second) })},
		"removed-one": {Kind: wave.KindRemoved,
			Members: []wave.Member{removed(1, 192*time.Minute, because(fleet.Underutilized, "Karpenter", ""))}},
		"removed-twelve": {Kind: wave.KindRemoved, ClosedAt: T0.Add(13 * time.Hour),
			Members: many(12, func(n int) wave.Member {
				if n < 3 {
					return removed(n, time.Duration(n+1)*time.Hour, because(fleet.SpotInterruption, "", ""))
				}
				return removed(n, time.Duration(n+1)*time.Hour, because(fleet.Empty, "Karpenter", ""))
			})},
		"not-ready": {Kind: wave.KindNotReady,
			Members: []wave.Member{{Node: down, Steps: []fleet.Change{wentDown}}}},
		"not-ready-three": {Kind: wave.KindNotReady, Members: many(3, func(n int) wave.Member {
			node := down
			node.UID, node.Name = aNode(n).UID, aNode(n).Name
			if n == 2 {
				node.Ready.Reason, node.Ready.Message = "KubeletNotReady", "container runtime network not ready: "+
					"NetworkReady=false reason:NetworkPluginNotReady message:cni plugin not initialized"
			}
			went := step(node, int64(3+n), fleet.WentUnready, time.Hour)
			went.Reason = node.Ready.Reason
			return wave.Member{Node: node, Steps: []fleet.Change{went}}
		})},
		"not-ready-recovered": {Kind: wave.KindNotReady,
			Members: []wave.Member{
				{Node: aNode(1), Steps: []fleet.Change{wentDown, step(down, 4, fleet.Recovered, time.Hour+190*time.Second)}},
			}},
		"not-ready-then-left": {Kind: wave.KindNotReady,
			Members: []wave.Member{{Node: down, RemovedAt: T0.Add(2 * time.Hour), Steps: []fleet.Change{wentDown}}}},
		"away": {Kind: wave.KindAway, Gap: gap,
			Members: []wave.Member{joined(1, 41*time.Second), joined(2, 0), unproven}},
		"away-came-and-went": {Kind: wave.KindAway, Gap: oldGap,
			Members: []wave.Member{{Node: fleet.Node{Cluster: "prod", UID: "z", Name: "ip-10-0-9-9"},
				RemovedAt: T0.Add(9 * time.Minute),
				Steps: []fleet.Change{step(aNode(1), 1, fleet.Joined, time.Minute),
					step(aNode(1), 2, fleet.Removed, 9*time.Minute)}}}},
		"away-blind": {Kind: wave.KindAway, ClosedAt: T0.Add(20 * time.Minute), Gap: blind,
			Members: many(8, func(n int) wave.Member { return unproven })},
		"catch-up": {Kind: wave.KindCatchUp, OpenedAt: T0, LastAt: T0.Add(150 * time.Minute),
			Members: append(many(5, func(n int) wave.Member { return joined(n, time.Minute) }),
				removed(8, time.Hour, fleet.Explanation{}), wave.Member{Node: down, Steps: []fleet.Change{wentDown}})},
		"surge": {Kind: wave.KindSurge,
			About: wave.About{Growth: &wave.Growth{From: 40, To: 140, Over: 10 * time.Minute, Usual: 12, USD: 15.4,
				Most: []wave.Grown{{Pool: "burst", InstanceType: "c6i.2xlarge", Nodes: 87},
					{InstanceType: "m5.large", Nodes: 10}}, Unexplained: 101}}},
		"surge-small": {Kind: wave.KindSurge,
			About: wave.About{Growth: &wave.Growth{From: 4, To: 18, Over: 10 * time.Minute, USD: 1.344, WasUSD: 0.384,
				Most: []wave.Grown{{Pool: "general", InstanceType: "m5.large", Nodes: 14}}, Unexplained: 2,
				Why: []wave.CameFor{{Cause: web, Nodes: 12}}}}},
		"surge-dear": {Kind: wave.KindSurge,
			About: wave.About{Growth: &wave.Growth{From: 4, To: 7, Over: 10 * time.Minute, Usual: 2, Dear: true, UsualUSD: 0.192,
				USD: 17.016, WasUSD: 0.384, Most: []wave.Grown{{Pool: "gpu", InstanceType: "g5.12xlarge", Nodes: 3}},
				Why: []wave.CameFor{{Cause: demanded("Job", "train", "", 0).Cause, Nodes: 3}}}}},
		"creep": {Kind: wave.KindCreep,
			About: wave.About{Growth: &wave.Growth{From: 40, To: 60, Over: 48 * time.Hour}}},
		"creep-small": {Kind: wave.KindCreep,
			About: wave.About{Growth: &wave.Growth{From: 4, To: 9, Over: 3 * 24 * time.Hour, USD: 0.48, WasUSD: 0.384,
				Most: []wave.Grown{{Pool: "general", InstanceType: "m5.large", Nodes: 5}},
				Why:  []wave.CameFor{{Cause: web, Nodes: 4}, {Cause: replacing.Cause, Nodes: 2}}, Unexplained: 1}}},
		"waiting": {Kind: wave.KindWaiting, About: waiting(fleet.Waiting{State: fleet.Refused, Pool: "general", Pods: 98,
			Refusal: fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter, Pool: "general"},
			For:     []fleet.PodsOf{podsOf("Deployment", "web", 92), podsOf("StatefulSet", "db", 4), podsOf("Pod", "x-*", 2)},
			Note:    "0/60 nodes are available: 60 Insufficient cpu. no new claims to deallocate, preemption: 0/60 nodes are"},
			wave.WaitEnds{Placed: 12, Gone: 1, Longest: 4 * time.Minute}, 0)},
		"waiting-coming": {Kind: wave.KindWaiting, About: waiting(fleet.Waiting{State: fleet.Coming,
			Pool: "general", Pods: 98, Refusal: fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter, Pool: "general"},
			For: []fleet.PodsOf{podsOf("Deployment", "web", 98)}}, wave.WaitEnds{}, 0)},
		"waiting-over": {Kind: wave.KindWaiting, ClosedAt: T0.Add(18 * time.Minute), About: waiting(fleet.Waiting{
			State: fleet.Refused, Pool: "general", Refusal: fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter,
				Pool: "general"}, For: []fleet.PodsOf{podsOf("Deployment", "web", 98)}},
			wave.WaitEnds{Placed: 98, Longest: 8*time.Minute + 3*time.Second}, 8*time.Minute)},
		"waiting-lost": {Kind: wave.KindWaiting, About: waiting(fleet.Waiting{State: fleet.Unanswered,
			For: []fleet.PodsOf{podsOf("Deployment", "web", 3)}},
			wave.WaitEnds{Placed: 1, Gone: 1, Unheard: 1, Longest: time.Hour}, time.Hour)},
		"waiting-unanswered": {Kind: wave.KindWaiting, About: waiting(fleet.Waiting{State: fleet.Unanswered, Pods: 1,
			For:  []fleet.PodsOf{podsOf("Pod", "alone", 1)},
			Note: "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."}, wave.WaitEnds{}, 0)},
		"waiting-capacity": {Kind: wave.KindWaiting, About: waiting(fleet.Waiting{State: fleet.Refused, Pool: "gpu", Pods: 2,
			Refusal: fleet.Refusal{Kind: fleet.NoCapacity, By: fleet.Karpenter, Pool: "gpu",
				Detail: "p4d.24xlarge in us-east-1a"},
			For: []fleet.PodsOf{podsOf("Job", "train", 2)}, Others: 3}, wave.WaitEnds{}, 0)},
		"waiting-maximum": {Kind: wave.KindWaiting, About: waiting(fleet.Waiting{State: fleet.Refused, Pods: 40,
			Refusal: fleet.Refusal{Kind: fleet.AtMaximum, By: fleet.ClusterAutoscaler},
			For:     []fleet.PodsOf{podsOf("Deployment", "web", 40)}}, wave.WaitEnds{}, 0)},
		"waiting-unfit": {Kind: wave.KindWaiting, About: waiting(fleet.Waiting{State: fleet.Refused, Pods: 3,
			Refusal: fleet.Refusal{Kind: fleet.Unfit, By: fleet.ClusterAutoscaler, Detail: "3 Insufficient nvidia.com/gpu"},
			For:     []fleet.PodsOf{podsOf("Deployment", "web", 3)}}, wave.WaitEnds{}, 0)},
		"waiting-overdue": {Kind: wave.KindWaiting, About: waiting(fleet.Waiting{State: fleet.Overdue, Pods: 3,
			Pool: "eks-gpu", For: []fleet.PodsOf{podsOf("Deployment", "web", 3)}}, wave.WaitEnds{}, 0)},
		"mute":          {Kind: wave.KindMute, Mute: mute(wave.MutePool, "general")},
		"mute-rollouts": {Kind: wave.KindMute, Mute: mute(wave.MuteDeployment, "shop/web")},
		"mute-everything": {Kind: wave.KindMute,
			Mute: &wave.Mute{ID: 13, Cluster: "prod", Scope: wave.MuteCluster, By: "U0ADA", At: T0,
				Until: T0.Add(24 * time.Hour)}},
		"mute-ended": {Kind: wave.KindMute, ClosedAt: T0.Add(228 * time.Minute), Mute: mute(wave.MutePool, "general"),
			Muted: wave.Muted{Nodes: 7,
				Changes: map[fleet.ChangeKind]int{fleet.Joined: 5, fleet.BecameReady: 5, fleet.WentUnready: 1, fleet.Recovered: 1,
					fleet.Removed: 4}}},
		"mute-rollouts-ended": {Kind: wave.KindMute, ClosedAt: T0.Add(228 * time.Minute),
			Mute: mute(wave.MuteDeployment, "shop/web")},
		"mute-undone": {Kind: wave.KindMute, ClosedAt: undone.EndedAt, Mute: undone},
	}
}
