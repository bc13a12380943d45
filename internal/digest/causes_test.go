package digest

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

func demandOf(kind, name, why string) fleet.Cause {
	return fleet.Cause{Kind: fleet.Demand, By: "Karpenter", Why: why,
		For: fleet.Workload{Kind: kind, Namespace: "shop", Name: name}}
}

func because(n fleet.Life, came, went fleet.Cause) fleet.Life {
	n.Came, n.Went = came, went
	return n
}

func TestCausesInWords(t *testing.T) {
	checkout := demandOf("Deployment", "checkout", "its HPA went from 14 to 52 (cpu above target)")
	more := demandOf("Deployment", "checkout", "its HPA went from 52 to 60 (cpu above target)")
	spotted := fleet.Cause{Kind: fleet.SpotInterruption}
	f := day(
		because(lived("a", od, 14*h, 0), checkout, fleet.Cause{}),
		because(lived("b", od, 14*h, 0), more, fleet.Cause{}),
		because(lived("c", spot, 4*h, 6*h), demandOf("Job", "train", ""), spotted),
		because(lived("d", spot, 4*h, 6*h), fleet.Cause{Kind: fleet.Replacement, By: "Karpenter", Why: "drifted"},
			fleet.Cause{Kind: fleet.Empty, By: "Karpenter"}),
		lived("e", odd, 4*h, 5*h),
		lived("before", od, -4*h, 5*h),
	)
	got := words{summarize(t, f)}.causes()
	want := []string{
		"Came: for shop/checkout 2 nodes, $60.00; for shop/train (Job) 1 node, ≤ $2.00; replacements 1 node, ≤ $2.00; " +
			"not explained 1.",
		"Went: consolidated by Karpenter (empty) 1, ≤ $1.00/h; spot interruption 1, ≤ $1.00/h; " +
			"not explained 2, $3.00/h + 1 not priced.",
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%q, want %q", got, want)
	}
	f = day(lived("e", od, 4*h, 5*h))
	if got := (words{summarize(t, f)}).causes(); got != nil {
		t.Errorf("of causes of which none is known it says %q", got)
	}
}

// The parts sum to the whole: whatever the causes, they are of all that came and went, and of what that cost.
func TestCausesSumUp(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	kinds := []fleet.Cause{{}, demandOf("Deployment", "a", "x"), demandOf("Deployment", "a", "y"), demandOf("Job", "b", ""),
		{Kind: fleet.Replacement, Why: "drifted"}, {Kind: fleet.Headroom}, {Kind: fleet.Empty, By: "Karpenter"},
		{Kind: fleet.OtherDisruption, By: "Karpenter", Why: "zzz"}, {Kind: "of another version"}}
	for range 200 {
		var lives []fleet.Life
		for range r.IntN(40) {
			from := time.Duration(r.IntN(60)-30) * h
			n := lived("n", []fleet.Machine{od, spot, odd}[r.IntN(3)], from, 0)
			if r.IntN(2) == 0 {
				n.Removed = n.Joined.Add(time.Duration(1+r.IntN(40)) * h)
			}
			lives = append(lives, because(n, kinds[r.IntN(len(kinds))], kinds[r.IntN(len(kinds))]))
		}
		s := summarize(t, day(lives...))
		came, went, usd, want := 0, 0, 0.0, 0.0
		for _, c := range s.Came {
			came += c.Nodes
			usd += c.Cost.USD
		}
		for _, c := range s.Went {
			went += c.Nodes
		}
		for _, n := range lives {
			if s.Has(n.Joined) {
				only := summarize(t, day(n))
				want += only.Cost.USD
			}
		}
		if came != s.Joined || went != s.Left || math.Abs(usd-want) > 1e-6 {
			t.Fatalf("%d of %d came, %d of %d went, $%v of $%v: %+v", came, s.Joined, went, s.Left, usd, want, lives)
		}
	}
}
