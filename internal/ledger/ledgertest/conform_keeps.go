package ledgertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rollcall/internal/cause"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
)

const pdbNote = "Pdb prevents pod evictions (PodDisruptionBudget=[shop/db])"

// blocked is what Karpenter says of a node.
func blocked(uid string, n int, note string, count int, first, last time.Duration) fleet.Event {
	return fleet.Event{Cluster: "prod", UID: uid, Reason: "DisruptionBlocked", Type: "Normal", Note: note,
		Controller: "karpenter", Count: count, First: t0.Add(first), Last: t0.Add(last),
		Regarding: fleet.ObjectRef{Kind: "Node", Name: node(n).Name, UID: node(n).UID}}
}

func say(t testing.TB, l *ledger.Ledger, events ...fleet.Event) {
	t.Helper()
	check(t, l.RecordEvents(t.Context(), "prod", events, ""))
}

// keptLines are what kept nodes in a span, as text.
func keptLines(t *testing.T, l *ledger.Ledger, from, until time.Duration) (lines []string) {
	t.Helper()
	for _, k := range all(t, l.Keeps(t.Context(), "prod", t0.Add(from), t0.Add(until))) {
		line := fmt.Sprintf("%s %s %s/%s %v-%v", k.Node, k.Kind, k.Namespace, k.Name, k.Since.Sub(t0), k.Last.Sub(t0))
		if !k.Until.IsZero() {
			line += fmt.Sprintf(" until %v", k.Until.Sub(t0))
		}
		if k.AtLeast {
			line += " at least"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%q, want\n%q", what, got, want)
	}
}

func keepsOfEvents(t *testing.T, fresh Open) {
	l, day := fresh(t), 24*time.Hour
	// An event may come before its node.
	say(t, l, blocked("e1", 1, pdbNote, 1, time.Hour, time.Hour))
	same(t, "before the node", keptLines(t, l, 0, day))
	record(t, l, "1", first(1), first(2), first(3))
	same(t, "first", keptLines(t, l, 0, day), "node-1 PodDisruptionBudget shop/db 1h0m0s-1h0m0s")
	k := all(t, l.Keeps(t.Context(), "prod", t0, t0.Add(day)))[0]
	mine := must[[]fleet.Keep](t)(l.NodeKeeps(t.Context(), "prod", "uid-1"))
	k.Note = pdbNote
	if len(mine) != 1 || mine[0] != k {
		t.Errorf("of the node %+v, of all %+v", mine, k)
	}
	if k.Pool != "general" || k.Machine != node(1).Machine() || k.NodeUID != "uid-1" {
		t.Errorf("it is kept as %+v", k)
	}

	// Repeats are noted every five minutes; a controller that was restarted writes another event.
	say(t, l, blocked("e1", 1, pdbNote, 2, time.Hour, 62*time.Minute))
	same(t, "soon repeated", keptLines(t, l, 0, day), "node-1 PodDisruptionBudget shop/db 1h0m0s-1h0m0s")
	say(t, l, blocked("e1", 1, pdbNote, 4, time.Hour, 66*time.Minute), blocked("e2", 1, pdbNote, 1, 70*time.Minute,
		70*time.Minute))
	same(t, "repeated", keptLines(t, l, 0, day), "node-1 PodDisruptionBudget shop/db 1h0m0s-1h6m0s")

	// What is needed or passes keeps nothing, nor what a NodeClaim's twin says, nor what anybody may write.
	twin := blocked("e3", 1, pdbNote, 1, time.Hour, time.Hour)
	twin.Regarding = fleet.ObjectRef{Kind: "NodeClaim", Name: "general-x", UID: "claim"}
	forged := blocked("e4", 2, pdbNote, 1, time.Hour, time.Hour)
	forged.Regarding.Namespace = "mallory"
	say(t, l, twin, forged, blocked("e5", 2, "Node is nominated for a pending pod", 1, time.Hour, time.Hour))
	if got := keptLines(t, l, 0, day); len(got) != 1 {
		t.Errorf("these keep too: %q", got)
	}
	// A node is found by its name where the event has no UID; what was repeated after a pause began no earlier.
	named := blocked("e6", 2, `Pod has "karpenter.sh/do-not-disrupt" annotation (Pod=ml/notebook-7)`, 2, time.Hour,
		9*time.Hour)
	named.Regarding.UID = ""
	pool := blocked("e7", 2, "No allowed disruptions due to blocking budget", 1, time.Hour, time.Hour)
	pool.Regarding = fleet.ObjectRef{Kind: "NodePool", Name: "general", UID: "pool"}
	say(t, l, named, pool)
	same(t, "three", keptLines(t, l, 0, day), "node-1 PodDisruptionBudget shop/db 1h0m0s-1h6m0s",
		"node-2 pod ml/notebook-7 9h0m0s-9h0m0s at least", " disruption budget /general 1h0m0s-1h0m0s")

	// Only whoever has watched says that something was not repeated.
	check(t, l.LapseKeeps(t.Context(), "prod", t0.Add(2*time.Hour), t0.Add(3*time.Hour)))
	check(t, l.LapseKeeps(t.Context(), "prod", t0.Add(2*time.Hour), t0.Add(4*time.Hour)))
	same(t, "lapsed", keptLines(t, l, 0, day), "node-1 PodDisruptionBudget shop/db 1h0m0s-1h6m0s until 3h0m0s",
		"node-2 pod ml/notebook-7 9h0m0s-9h0m0s at least", " disruption budget /general 1h0m0s-1h0m0s until 3h0m0s")
	same(t, "later", keptLines(t, l, 4*time.Hour, day), "node-2 pod ml/notebook-7 9h0m0s-9h0m0s at least")
	same(t, "earlier", keptLines(t, l, 0, time.Hour))
	// The same again, after a while, is another time.
	say(t, l, blocked("e1", 1, pdbNote, 5, time.Hour, 10*time.Hour))
	same(t, "again", keptLines(t, l, 4*time.Hour, day), "node-1 PodDisruptionBudget shop/db 10h0m0s-10h0m0s at least",
		"node-2 pod ml/notebook-7 9h0m0s-9h0m0s at least")
	// What was recorded is recorded once, whatever comes twice.
	say(t, l, blocked("e1", 1, pdbNote, 5, time.Hour, 10*time.Hour), named)
	if got := keptLines(t, l, 4*time.Hour, day); len(got) != 2 {
		t.Errorf("the same again: %q", got)
	}

	// A node that is being ended, or has left, is kept by nothing, and what is said of it late keeps it no more.
	one, two := node(1), node(2)
	one.Taints = append(one.Taints, fleet.Taint{Key: "karpenter.sh/disrupted", Effect: "NoSchedule"})
	leaving, ok := fleet.Diff(first(1).Known, one, fleet.Look{At: t0.Add(11 * time.Hour)})
	if !ok {
		t.Fatal("a taint is no change")
	}
	check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: t0.Add(11 * time.Hour),
		Observations: []fleet.Observation{leaving, fleet.Gone(two, first(2).Known, t0.Add(12*time.Hour))}}))
	say(t, l, blocked("e8", 1, pdbNote, 1, 13*time.Hour, 13*time.Hour),
		blocked("e9", 2, pdbNote, 1, 13*time.Hour, 13*time.Hour))
	same(t, "over", keptLines(t, l, 10*time.Hour, day),
		"node-1 PodDisruptionBudget shop/db 10h0m0s-10h0m0s until 11h0m0s at least",
		"node-2 pod ml/notebook-7 9h0m0s-9h0m0s until 12h0m0s at least")
}

func keepsOfNodes(t *testing.T, fresh Open) {
	l, day := fresh(t), 24*time.Hour
	since := t0.Add(30 * time.Minute)
	unneeded := fleet.Taint{Key: cause.CandidateTaint, Value: fmt.Sprint(since.Unix()), Effect: "PreferNoSchedule"}
	// What was so before anybody watched has been so for at least as long.
	old, idle := node(8), node(9)
	old.Cordoned = true
	idle.Taints = append(idle.Taints, unneeded)
	check(t, l.RecordBaseline(t.Context(), "prod", []fleet.Observation{fleet.First(old, t0), fleet.First(idle, t0)}))
	check(t, l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: t0.Add(time.Hour)},
		func(string) bool { return true }))
	want := []string{"node-8 cordon / 1h0m0s-1h0m0s at least", "node-9 unneeded / 30m0s-30m0s"}
	same(t, "the baseline", keptLines(t, l, 0, day), want...)

	look := func(from fleet.Observation, at time.Duration, change func(*fleet.Node)) fleet.Observation {
		t.Helper()
		n := from.Node
		n.Taints = slices.Clone(n.Taints)
		change(&n)
		o, ok := fleet.Diff(from.Known, n, fleet.Look{At: t0.Add(at)})
		if !ok {
			t.Fatal("that is no change")
		}
		check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{o},
			At: t0.Add(at)}))
		return o
	}
	o := fleet.First(node(1), t0)
	record(t, l, "1", o)
	o = look(o, 2*time.Hour, func(n *fleet.Node) { n.Cordoned = true })
	o = look(o, 3*time.Hour, func(n *fleet.Node) { n.Taints = append(n.Taints, unneeded) })
	same(t, "cordoned", keptLines(t, l, 0, day), append(want,
		"node-1 cordon / 2h0m0s-2h0m0s", "node-1 unneeded / 30m0s-30m0s")...)
	// Neither is over for lack of a word.
	check(t, l.LapseKeeps(t.Context(), "prod", t0.Add(9*day), t0.Add(9*day)))
	o = look(o, 4*time.Hour, func(n *fleet.Node) {
		n.Cordoned = false
		n.Taints[len(n.Taints)-1].Value = fmt.Sprint(t0.Add(3*time.Hour + 30*time.Minute).Unix()) // needed in between
	})
	want = append(want, "node-1 cordon / 2h0m0s-2h0m0s until 4h0m0s", "node-1 unneeded / 30m0s-30m0s until 3h30m0s")
	same(t, "uncordoned", keptLines(t, l, 0, day), append(want, "node-1 unneeded / 3h30m0s-3h30m0s")...)
	o = look(o, 5*time.Hour, func(n *fleet.Node) { n.Taints = n.Taints[:len(n.Taints)-1] })
	want = append(want, "node-1 unneeded / 3h30m0s-3h30m0s until 5h0m0s")
	// That the Cluster Autoscaler has failed to end it counts, whether the node or the event is heard of first: node 2 is
	// seen to be ended before, node 3 after. Another try ends that.
	try := func(o fleet.Observation, seen, begun time.Duration) fleet.Observation {
		return look(o, seen, func(n *fleet.Node) {
			n.Taints = append(n.Taints, fleet.Taint{Key: "ToBeDeletedByClusterAutoscaler", Effect: "NoSchedule",
				Value: fmt.Sprint(t0.Add(begun).Unix())})
		})
	}
	leave := func(n *fleet.Node) { n.Taints = n.Taints[:len(n.Taints)-1] }
	fail := func(n int) {
		say(t, l, fleet.Event{UID: fmt.Sprint("failed-", n), Reason: "ScaleDownFailed",
			Controller: "cluster-autoscaler", Count: 1, Note: "failed to drain and delete node: pods remain",
			First: t0.Add(5*time.Hour + time.Minute), Last: t0.Add(5*time.Hour + time.Minute),
			Regarding: fleet.ObjectRef{Kind: "Node", Name: node(n).Name, UID: node(n).UID}})
	}
	two, three := fleet.First(node(2), t0), fleet.First(node(3), t0)
	record(t, l, "2", two, three)
	two = try(two, 5*time.Hour, 5*time.Hour)
	fail(2)
	fail(3)
	three = try(three, 5*time.Hour+2*time.Minute, 5*time.Hour)
	two, three = look(two, 5*time.Hour+3*time.Minute, leave), look(three, 5*time.Hour+3*time.Minute, leave)
	failed := " scale-down failed / 5h1m0s-5h1m0s"
	same(t, "failed", keptLines(t, l, 0, day), append(slices.Clone(want), "node-2"+failed, "node-3"+failed)...)
	try(two, 6*time.Hour, 6*time.Hour)
	try(three, 6*time.Hour, 6*time.Hour)
	want = append(want, "node-2"+failed+" until 6h0m0s", "node-3"+failed+" until 6h0m0s")
	same(t, "tried again", keptLines(t, l, 0, day), want...)
	o = look(o, 6*time.Hour, func(n *fleet.Node) { n.Cordoned = true })
	look(o, 7*time.Hour, func(n *fleet.Node) { n.DeletedAt = t0.Add(7 * time.Hour) })
	same(t, "ended", keptLines(t, l, 0, day), append(want, "node-1 cordon / 6h0m0s-6h0m0s until 7h0m0s")...)
}

func keepsAreBounded(t *testing.T, fresh Open) {
	l := fresh(t)
	record(t, l, "1", first(1))
	for i := range 100 {
		say(t, l, blocked(fmt.Sprint("e", i), 1, fmt.Sprintf("Something else, for the %dth time", i), 1, time.Hour,
			time.Hour))
	}
	if got := keptLines(t, l, 0, 24*time.Hour); len(got) != 8 {
		t.Errorf("%d things keep one node", len(got))
	}
	// What is known already is noted all the same.
	say(t, l, blocked("again", 1, "Something else, for the 3th time", 1, 2*time.Hour, 2*time.Hour))
	if got := keptLines(t, l, 0, 24*time.Hour); len(got) != 8 || !slices.Contains(got, "node-1 blocked / 1h0m0s-2h0m0s") {
		t.Errorf("one of them is said again: %q", got)
	}
}

func pruneKeeps(t *testing.T, fresh Open) {
	l := fresh(t)
	record(t, l, "1", first(1), first(2))
	say(t, l, blocked("e1", 1, pdbNote, 1, time.Hour, time.Hour))
	check(t, l.LapseKeeps(t.Context(), "prod", t0.Add(2*time.Hour), t0.Add(2*time.Hour)))
	say(t, l, blocked("e2", 2, pdbNote, 1, time.Hour, time.Hour))
	keep := ledger.Retention{Scaling: 10 * time.Hour, Other: time.Hour}
	must[int64](t)(l.Prune(t.Context(), keep, t0.Add(11*time.Hour)))
	if got := keptLines(t, l, 0, 24*time.Hour); len(got) != 2 {
		t.Errorf("what is not old is gone: %q", got)
	}
	// What is so stays, however old.
	must[int64](t)(l.Prune(t.Context(), keep, t0.Add(13*time.Hour)))
	same(t, "pruned", keptLines(t, l, 0, 24*time.Hour), "node-2 PodDisruptionBudget shop/db 1h0m0s-1h0m0s")
}

func bareNodes(t *testing.T, fresh Open) {
	l := fresh(t)
	check(t, l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: t0.Add(-2 * time.Hour)},
		func(string) bool { return true }))
	n := 0
	create := func(kind, namespace, pod string) fleet.Event {
		n++
		return fleet.Event{Cluster: "prod", UID: fmt.Sprint("c", n), Reason: "SuccessfulCreate", Note: "Created pod: " + pod,
			Count: 1, First: t0, Last: t0, Regarding: fleet.ObjectRef{Kind: kind, Namespace: namespace, Name: "agent"}}
	}
	assign := func(namespace, pod string, node int, at time.Duration) fleet.Event {
		n++
		return fleet.Event{Cluster: "prod", UID: fmt.Sprint("s", n), Reason: "Scheduled", Count: 1, First: t0.Add(at),
			Note: fmt.Sprintf("Successfully assigned %s/%s to node-%d", namespace, pod, node), Last: t0.Add(at),
			Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: namespace, Name: pod}}
	}
	old := create("DaemonSet", "infra", "before")
	old.First, old.Last = t0.Add(-time.Hour), t0.Add(-time.Hour)
	say(t, l, old)
	record(t, l, "1", first(1), first(2), first(3), first(4), first(5), first(6), first(7))
	say(t, l,
		create("DaemonSet", "infra", "agent-1"), assign("infra", "agent-1", 1, time.Second), // nothing else
		create("DaemonSet", "infra", "agent-2"), assign("infra", "agent-2", 2, time.Second),
		create("ReplicaSet", "shop", "web-2"), assign("shop", "web-2", 2, time.Minute), // a pod of somebody
		create("DaemonSet", "infra", "agent-3"), assign("infra", "agent-3", 3, time.Second),
		assign("shop", "lone-3", 3, time.Minute),
		create("DaemonSet", "mallory", "agent-5"), assign("infra", "agent-5", 5, time.Second), // of another namespace
		create("DaemonSet", "infra", "agent-6"), assign("infra", "agent-6", 6, time.Second), // it leaves
		create("DaemonSet", "infra", "agent-7"), assign("infra", "agent-7", 7, time.Second)) // it is being ended
	going := node(7)
	going.DeletedAt = t0.Add(time.Hour)
	leaving, _ := fleet.Diff(first(7).Known, going, fleet.Look{At: t0.Add(time.Hour)})
	record(t, l, "2", fleet.Gone(node(6), first(6).Known, t0.Add(time.Hour)), leaving)
	bare := func(at time.Duration) (names []string) {
		for _, life := range must[[]fleet.Life](t)(l.Bare(t.Context(), "prod", t0.Add(at))) {
			names = append(names, life.Name)
		}
		return names
	}
	same(t, "a young node", bare(30*time.Minute))
	same(t, "the nodes", bare(2*time.Hour), "node-1")
	// Where nobody saw all of its life, nothing is said.
	check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: t0.Add(90 * time.Minute), Gap: &fleet.Gap{
		Cluster: "prod", From: t0.Add(70 * time.Minute), Until: t0.Add(80 * time.Minute), Cause: "restart", Missed: true,
		EventsFrom: t0.Add(70 * time.Minute)}}))
	same(t, "after a gap whose events are there", bare(2*time.Hour), "node-1")
	check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: t0.Add(90 * time.Minute), Gap: &fleet.Gap{
		Cluster: "prod", From: t0.Add(81 * time.Minute), Until: t0.Add(85 * time.Minute), Cause: "restart", Missed: true}}))
	same(t, "after a gap", bare(2*time.Hour))
}
