package alerttest

import (
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// keptScene is of eleven nodes that are kept.
func keptScene(could int, over bool) wave.Wave {
	ago := func(h int) time.Time { return T0.Add(-time.Duration(h) * time.Hour) }
	w := wave.Wave{Kind: wave.KindKept, About: wave.About{Standing: &wave.Standing{Key: "kept", Since: ago(9 * 24)},
		Kept: &wave.Kept{Nodes: 11, Could: could, Cost: fleet.Cost{USD: 4.12, Priced: 11},
			Spent: fleet.Cost{USD: 692.4, Priced: 11}, Share: 0.23, By: []wave.KeptBy{
				{Keeper: fleet.Keeper{Kind: fleet.ByBudget, Namespace: "shop", Name: "checkout"}, Nodes: 7, Since: ago(50)},
				{Keeper: fleet.Keeper{Kind: fleet.ByPod, Namespace: "ml", Name: "notebook-7"}, Nodes: 3, Since: ago(9 * 24),
					AtLeast: true},
				{Keeper: fleet.Keeper{Kind: fleet.ByCordon}, Nodes: 1, Since: ago(31)}}}}}
	if over {
		w.About = w.About.Over(T0.Add(time.Hour))
		w.ClosedAt = T0.Add(90 * time.Minute)
	}
	return w
}

// keptOff is what was told when KEPT_ALERT was turned off.
func keptOff() wave.Wave {
	w := keptScene(0, true)
	w.About.Kept.Off = true
	return w
}

// keptUnpriced is of nodes whose prices are not known, and of many keepers.
func keptUnpriced() wave.Wave {
	w := keptScene(0, false)
	w.About.Kept = &wave.Kept{Nodes: 9, Cost: fleet.Cost{Unpriced: 9}, Spent: fleet.Cost{Unpriced: 9}, More: 3,
		By: []wave.KeptBy{
			{Keeper: fleet.Keeper{Kind: fleet.ByBudget, Namespace: "shop", Name: "a", Why: "shop/b"}, Nodes: 2, Since: T0},
			{Keeper: fleet.Keeper{Kind: fleet.ByAnnotation}, Nodes: 1, Since: T0},
			{Keeper: fleet.Keeper{Kind: fleet.ByBlock, Why: "The moon is full"}, Nodes: 1, Since: T0},
			{Keeper: fleet.Keeper{Kind: fleet.ByFailure, Why: "pods remaining after timeout"}, Nodes: 1, Since: T0},
			{Keeper: fleet.Keeper{Kind: fleet.ByUnneeded}, Nodes: 1, Since: T0}}}
	return w
}

// cordonScene is of nodes that were cordoned and forgotten, of which some no longer are.
func cordonScene(n, gone int, over bool) wave.Wave {
	k := &wave.Kept{}
	for i := range n {
		node := aNode(i)
		c := wave.Cordon{UID: node.UID, Name: node.Name, Pool: node.Pool, Since: T0.Add(-time.Duration(31-i) * time.Hour),
			AtLeast: i == 1, Cost: fleet.Cost{USD: 0.34, Priced: 1}, Over: i < gone && !over}
		if !c.Over {
			k.Nodes++
			k.Cost = k.Cost.Plus(c.Cost)
		}
		k.Cordons = append(k.Cordons, c)
	}
	w := wave.Wave{Kind: wave.KindKept, About: wave.About{Kept: k, Standing: &wave.Standing{Key: "cordon/uid-0/1",
		Since: k.Cordons[0].Since}}}
	if over {
		w.About = w.About.Over(T0.Add(time.Hour))
		w.ClosedAt = T0.Add(90 * time.Minute)
	}
	return w
}

// loopScene is of nodes that are replaced again and again.
func loopScene(from, turns int, over bool) wave.Wave {
	w := wave.Wave{Kind: wave.KindLoop, About: wave.About{
		Standing: &wave.Standing{Key: "general/m5.large/spot/1/3", Since: T0.Add(-time.Duration(turns) * 25 * time.Minute)},
		Loop: &wave.Loop{Pool: "general", InstanceType: "m5.large", CapacityType: "spot", From: from, Turns: turns,
			Last: T0.Add(-time.Minute), Lived: 22 * time.Minute, Cost: fleet.Cost{USD: 0.192, Priced: 2},
			Twice: fleet.Cost{USD: 0.031, Priced: 3}, Why: []wave.CameFor{
				{Cause: fleet.Cause{Kind: fleet.Underutilized, By: "Karpenter"}, Nodes: turns - 1},
				{Cause: fleet.Cause{Kind: fleet.Drifted, By: "Karpenter"}, Nodes: 1}}}}}
	if over {
		w.About = w.About.Over(T0.Add(2 * time.Hour))
		w.ClosedAt = T0.Add(121 * time.Minute)
	}
	return w
}
