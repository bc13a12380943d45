package digest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// candidate is what Karpenter 1.14 says of a node before it ends it.
func candidate(node, what string, at time.Duration) fleet.Event {
	return fleet.Event{UID: node + what, Reason: "ConsolidationCandidate", Note: "Consolidation candidate: " + what,
		First: t0.Add(at), Last: t0.Add(at), Regarding: fleet.ObjectRef{Kind: "Node", Name: node, UID: node}}
}

func TestConsolidation(t *testing.T) {
	empty := fleet.Cause{Kind: fleet.Empty, By: "Karpenter"}
	little := fleet.Cause{Kind: fleet.Underutilized, By: "Karpenter"}
	place := fleet.Cause{Kind: fleet.Replacement, By: "Karpenter", Why: "underutilized"}
	drifted := fleet.Cause{Kind: fleet.Replacement, By: "Karpenter", Why: "drifted"}
	none := fleet.Cause{}
	f := day(
		because(lived("a", od, -9*h, 10*h), none, empty),   // would have cost 14 h
		because(lived("b", od, -9*h, 14*h), none, little),  // 10 h
		because(lived("c", od, -9*h, 14*h), none, little),  // 10 h
		because(lived("d", od, 13*h, 18*h), place, little), // in the place of both, for 5 h, and again:
		because(lived("e", od, 17*h, 0), place, none),      // for 7 h
		because(lived("f", od, 17*h, 0), drifted, none),    // for another reason
		because(lived("g", od, -9*h, 20*h), none, fleet.Cause{Kind: fleet.Drifted, By: "Karpenter"}),
		because(lived("h", od, -9*h, -h), none, empty)) // before the period
	f.Candidates = seq(
		candidate("a", "delete: [a] (savings: $0.31)", 9*h),
		candidate("b", "replace: [b] (part of 2-node consolidation) (savings: $0.12)", 13*h),
		candidate("c", "replace: [c] (part of 2-node consolidation) (savings: $0.12)", 13*h),
		// Of these only one went.
		candidate("d", "replace: [d] (part of 3-node consolidation) (savings: $9.12)", 16*h),
		candidate("e", "replace: [e] (part of 3-node consolidation) (savings: $9.12)", 16*h),
		candidate("f", "delete: [f] (savings: $5.00)", 16*h)) // a candidate is no removal
	s := summarize(t, f)
	c := s.Consolidation
	if c.Removed.Nodes != 3 || c.Replaced.Nodes != 2 || c.Again != 1 || math.Abs(c.Expected-0.43) > 1e-9 || c.Said != 3 ||
		c.Removed.Cost.USD != 34*3 || c.Replaced.Cost.USD != 12*3 {
		t.Errorf("%+v", c)
	}
	got := words{s}.consolidation()
	want := []string{
		"4 nodes removed, and 2 launched in their place, of which 1 were removed again.",
		"The autoscaler expected to save $0.43/h by 3 of them, and says nothing of the others.",
		"Until the end of the day those that went would have cost $102.00, and those in their place cost $36.00: " +
			"it saved $66.00.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want\n%q", got, want)
	}
	// Nodes of one command whose text names all of them.
	var lives []fleet.Life
	var said []fleet.Event
	for i := range 5 {
		name := fmt.Sprint("n", i)
		lives = append(lives, because(lived(name, odd, -9*h, 10*h), none, little))
		said = append(said, candidate(name, "underutilized/5f: delete: nodepools=[general]: [n0, n1, n2, n3, n4] -> [0 "+
			"replacements] (savings: $1.50)", 9*h+time.Duration(i)*time.Second))
	}
	f = day(lives...)
	f.Candidates = seq(said...)
	s = summarize(t, f)
	if c := s.Consolidation; c.Expected != 1.5 || c.Said != 5 {
		t.Errorf("%+v", c)
	}
	if got := (words{s}).consolidation(); len(got) != 2 {
		t.Errorf("without prices: %q", got)
	}
	if got := (words{summarize(t, day(lived("a", od, 0, 0)))}).consolidation(); got != nil {
		t.Errorf("without consolidation: %q", got)
	}
}
