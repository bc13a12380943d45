package chaos

import (
	"slices"
	"testing"
)

// shrink makes a list of steps shorter as long as it still fails. The first step always stays. It
// takes away large parts first, then smaller ones (Zeller's ddmin), until no single step can go or
// more says that there is no time left. fails may be wrong now and then, in the direction that a
// list which can fail does not: then the result is longer than need be.
func shrink(steps []Step, fails func([]Step) bool, more func() bool) []Step {
	setup, rest := steps[:1], steps[1:]
	try := func(candidate []Step) bool {
		return len(candidate) < len(rest) && more() && fails(slices.Concat(setup, candidate))
	}
	// Often one lane or one kind of trouble is not needed at all.
	for _, name := range []string{askLane, troubleLane, nodeLane} {
		if without := slices.DeleteFunc(slices.Clone(rest), func(s Step) bool { return lanes[s.Kind] == name }); try(without) {
			rest = without
		}
	}
	for parts := 2; len(rest) > 0 && more(); {
		parts = min(parts, len(rest))
		size := (len(rest) + parts - 1) / parts
		shorter := false
		for from := 0; from < len(rest) && more(); {
			until := min(from+size, len(rest))
			if without := slices.Concat(rest[:from], rest[until:]); try(without) {
				rest, shorter = without, true
			} else {
				from = until
			}
		}
		if !shorter {
			if size == 1 {
				break
			}
			parts *= 2
		}
	}
	return slices.Concat(setup, rest)
}

func TestShrinkFindsTheStepsThatMatter(t *testing.T) {
	steps := Plan(1, false)
	matter := []Step{steps[7], steps[len(steps)-4], steps[len(steps)-20]}
	tries := 0
	got := shrink(steps, func(candidate []Step) bool {
		tries++
		for _, m := range matter {
			if !slices.Contains(candidate, m) {
				return false
			}
		}
		return true
	}, func() bool { return true })
	if len(got) != 4 || got[0] != steps[0] {
		t.Errorf("%d steps remain:\n%s", len(got), Text(got))
	}
	for _, m := range matter {
		if !slices.Contains(got, m) {
			t.Errorf("%s is gone", m)
		}
	}
	if tries > 120 {
		t.Errorf("%d tries", tries)
	}
}

func TestShrinkEndsWhenTimeIsUp(t *testing.T) {
	steps, tries := Plan(2, true), 0
	got := shrink(steps, func(c []Step) bool { tries++; return true }, func() bool { return tries < 2 })
	if tries > 2 || len(got) >= len(steps) {
		t.Errorf("%d tries, %d of %d steps remain", tries, len(got), len(steps))
	}
}
