package chaos

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

// shrink makes a list of steps shorter as long as it still fails. The first step always stays. It
// takes away large parts first, then smaller ones (Zeller's ddmin), until no single step can go or
// more says that there is no time left. fails may be wrong now and then, in the direction that a
// list which can fail does not: then the result is longer than need be.
func shrink(steps []Step, fails func([]Step) bool, more func() bool) []Step {
	setup, rest := steps[:1], byTime(steps[1:])
	try := func(candidate []Step) bool {
		return len(candidate) < len(rest) && more() && fails(slices.Concat(setup, candidate))
	}
	// Often nobody need ask, or the kills alone are enough, or they are not needed.
	for _, needless := range []func(Step) bool{
		func(s Step) bool { return lanes[s.Kind] == askLane },
		func(s Step) bool { return lanes[s.Kind] == troubleLane && s.Kind != Kill },
		func(s Step) bool { return s.Kind == Kill },
	} {
		if without := slices.DeleteFunc(slices.Clone(rest), needless); try(without) {
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

// byTime puts steps of different lanes in the order in which they are taken, about, so that a part
// of the list is a part of the episode. Within a lane it changes nothing.
func byTime(steps []Step) []Step {
	type timed struct {
		Step
		at time.Duration
	}
	var all []timed
	at := map[string]time.Duration{}
	for _, s := range steps {
		at[lanes[s.Kind]] += s.Wait
		all = append(all, timed{s, at[lanes[s.Kind]]})
	}
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Compare(a.at, b.at) })
	out := make([]Step, len(all))
	for i, t := range all {
		out[i] = t.Step
	}
	return out
}

func TestByTimeKeepsEachLane(t *testing.T) {
	steps := Plan(3, false)[1:]
	for _, name := range []string{nodeLane, askLane, troubleLane} {
		if got := lane(byTime(steps), name); !slices.Equal(got, lane(steps, name)) {
			t.Errorf("the lane of %s is in another order", name)
		}
	}
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
