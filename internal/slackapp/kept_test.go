package slackapp

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/slackemu"
)

// keptLedger is a ledger with nodes that are kept, by whatever can keep them.
func keptLedger(t testing.TB) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	t.Cleanup(func() { l.Close() })
	check(l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: noon.AddDate(0, 0, -30), ResourceVersion: "1"},
		func(string) bool { return true }))
	record := func(at time.Time, o fleet.Observation) {
		t.Helper()
		check(l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{o}, At: at}))
	}
	var known []fleet.Observation
	for n := range 21 {
		node := storyNode(n)
		node.CreatedAt = noon.AddDate(0, 0, -20)
		node.InstanceType = node.Labels["node.kubernetes.io/instance-type"]
		node.CapacityType, node.Pool = node.Labels["karpenter.sh/capacity-type"], node.Labels["karpenter.sh/nodepool"]
		node.UID = fmt.Sprint("uid-", n)
		o := fleet.First(node, node.CreatedAt)
		record(node.CreatedAt, o)
		known = append(known, o)
	}
	change := func(n int, ago time.Duration, f func(*fleet.Node)) {
		node := known[n].Node
		f(&node)
		o, ok := fleet.Diff(known[n].Known, node, fleet.Look{At: noon.Add(-ago)})
		if !ok {
			t.Fatal("that is no change")
		}
		record(noon.Add(-ago), o)
	}
	change(0, 31*time.Hour, func(n *fleet.Node) { n.Cordoned = true })
	change(1, time.Hour, func(n *fleet.Node) { n.Cordoned = true })
	idle := noon.Add(-5 * time.Hour)
	change(2, 5*time.Hour, func(n *fleet.Node) {
		n.Taints = []fleet.Taint{{Key: "DeletionCandidateOfClusterAutoscaler", Value: fmt.Sprint(idle.Unix()),
			Effect: "PreferNoSchedule"}}
	})
	var events []fleet.Event
	say := func(n int, reason, note string, ago time.Duration, at ...time.Duration) {
		node := known[n].Node
		for i, at := range append(at, ago, 2*time.Minute) {
			events = append(events, fleet.Event{Cluster: "prod", UID: fmt.Sprint("e", n, reason, note, i), Reason: reason,
				Note: note, Type: "Normal", Controller: "karpenter", Count: 1, First: noon.Add(-at), Last: noon.Add(-at),
				Regarding: fleet.ObjectRef{Kind: "Node", Name: node.Name, UID: node.UID}})
		}
	}
	for n := 3; n < 10; n++ {
		say(n, "DisruptionBlocked", "Pdb prevents pod evictions (PodDisruptionBudget=[shop/checkout])",
			time.Duration(n)*7*time.Hour)
	}
	for n := 10; n < 13; n++ {
		say(n, "DisruptionBlocked", `Pod has "karpenter.sh/do-not-disrupt" annotation (Pod=ml/notebook-7)`, 9*24*time.Hour)
	}
	say(2, "DisruptionBlocked", "Pdb prevents pod evictions (PodDisruptionBudget=[shop/checkout])", 6*time.Hour)
	say(13, "DisruptionBlocked", "The <!channel> is full of *stars*", 4*time.Hour)
	say(14, "Unconsolidatable", "SpotToSpotConsolidation is disabled, can't replace a spot node with a spot node",
		4*time.Hour)
	say(15, "Unconsolidatable", `NodePool "batch" has consolidation disabled`, 4*time.Hour)
	say(16, "Unconsolidatable", "Can't replace with a cheaper node", 4*time.Hour)
	events = append(events, fleet.Event{Cluster: "prod", UID: "pool", Reason: "DisruptionBlocked", Controller: "karpenter",
		Note: "No allowed disruptions due to blocking budget", Count: 1, First: noon.Add(-time.Hour), Last: noon,
		Regarding: fleet.ObjectRef{Kind: "NodePool", Name: "general", UID: "pool"}})
	check(l.RecordEvents(t.Context(), "prod", events, "1"))
	return l
}

func TestKeptView(t *testing.T) {
	t.Parallel()
	c := answersFrom(keptLedger(t))
	v := c.To(t.Context(), "/nodes kept", noon)
	golden(t, "kept", "> /nodes kept\n"+v.String())
	for name, n := range map[string]int{"kept-node": 2, "kept-node-pod": 10, "kept-node-left-alone": 14} {
		line := "/nodes " + storyNode(n).Name
		golden(t, name, "> "+line+"\n"+c.To(t.Context(), line, noon).String())
	}
	for on, surface := range surfaces {
		for _, what := range drawn(v, on) {
			raw, err := json.Marshal(what.blocks)
			if err != nil {
				t.Fatal(err)
			}
			if err := slackemu.ValidateBlocks(surface, raw); err != nil {
				t.Error(err)
			}
		}
	}
}
