package digest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

func TestKept(t *testing.T) {
	keep := func(node string, m fleet.Machine, k fleet.Keeper, since, last, until time.Duration) fleet.Keep {
		x := fleet.Keep{NodeUID: node, Node: node, Machine: m, Keeper: k, Since: t0.Add(since), Last: t0.Add(last)}
		if until != 0 {
			x.Until = t0.Add(until)
		}
		return x
	}
	pdb := fleet.Keeper{Kind: fleet.ByBudget, Namespace: "shop", Name: "db"}
	cordon := fleet.Keeper{Kind: fleet.ByCordon}
	f := day(lived("a", od, -9*h, 0))
	f.Keeps = seq(
		keep("a", od, pdb, -9*h, 24*h, 0),                  // 24 h of the day
		keep("b", spot, pdb, 2*h, 5*h, 5*h+45*time.Minute), // 3 h
		keep("c", odd, cordon, -90*h, -90*h, 4*h),
		keep("d", od, cordon, 20*h, 20*h, 0),
		keep("e", od, cordon, 23*h, 23*h, 0), // short
		keep("f", od, fleet.Keeper{Kind: fleet.ByPolicy, Name: "general"}, 0, 24*h, 0))
	f.Bare = []fleet.Life{lived("x", od, 14*h, 0), lived("y", od, 25*h, 0)}
	k := summarize(t, f).Kept
	var by []string
	for _, b := range k.By {
		by = append(by, fmt.Sprintf("%s %d %.2f", b.Keeper.Name, b.Nodes, b.Spent.USD))
	}
	if got := strings.Join(by, ", "); got != "db 2 75.00,  2 12.00" || len(k.Nodes) != 4 || k.Spent.USD != 87 ||
		k.Spent.Unpriced != 1 {
		t.Errorf("%s; %d nodes, %+v", got, len(k.Nodes), k.Spent)
	}
	if len(k.Cordons) != 1 || k.Cordons[0].Name != "d" {
		t.Errorf("cordoned: %+v", k.Cordons)
	}
	if k.Bare.Nodes != 1 || k.Bare.Cost.USD != 30 {
		t.Errorf("bare: %+v", k.Bare)
	}
	// What nobody watched is not said to have been so.
	f.Keeps, f.WatchedUntil = seq(keep("d", od, cordon, -20*h, -20*h, 0)), t0.Add(6*h)
	if k := summarize(t, f).Kept; k.Spent.USD != 18 {
		t.Errorf("in a day that was watched for six hours: %+v", k.Spent)
	}
}

func TestSlow(t *testing.T) {
	ready := func(n fleet.Life, after time.Duration) fleet.Life { n.Ready = n.Joined.Add(after); return n }
	unsure := ready(lived("unsure", od, h, 2*h), 40*time.Minute)
	unsure.RemovedAfter = t0.Add(h + 30*time.Minute)
	before := lived("before", od, -200*24*h, h)
	s := summarize(t, day(ready(lived("quick", od, h, 2*h), 29*time.Minute),
		ready(lived("slow", od, h, 2*h), 31*time.Minute),
		lived("never", spot, -5*h, h), before, unsure, ready(lived("lives", od, h, 0), 20*h)))
	if c := s.Churn; c.Slow.Nodes != 3 || c.SlowNever != 1 ||
		c.Slow.Cost.USD != 3+6+1.5 || c.Slow.Hours.Sure != fleet.Together(7*h+30*time.Minute) {
		t.Errorf("%+v", c)
	}
}
