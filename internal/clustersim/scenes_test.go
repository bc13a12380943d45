package clustersim

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestScenes holds that the demo's days have each of their scenes, so far from others of its kind that it makes a
// message of its own.
func TestScenes(t *testing.T) {
	const apart = 8 * time.Second // the demo's ALERT_WAVE_GAP
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{Seed: seed})
				start := time.Now()
				play(t, c)
				const days = 3
				ended := map[string]time.Time{} // by UID, when Karpenter said so
				takenBack := map[string]bool{}  // by the event's UID
				for hour := range days * 24 {   // events are not kept for days
					time.Sleep(time.Until(start.Add(startDelay + c.real(time.Duration(hour+1)*time.Hour))))
					for _, e := range c.events() {
						switch e.Reason {
						case "DisruptionTerminating":
							ended[string(e.Regarding.UID)] = e.DeprecatedFirstTimestamp.Time
						case "ScaleDownFailed", "ClusterAutoscalerCleanup":
							takenBack[string(e.UID)] = true
						}
					}
				}
				if len(takenBack) != days {
					t.Errorf("the Cluster Autoscaler took back %d statements in %d days", len(takenBack), days)
				}
				drained := func(l Life) time.Duration {
					if at := ended[l.UID]; l.Went.Kind == Underutilized && !at.IsZero() {
						return l.RemovedAt.Sub(at)
					}
					return 0
				}
				looped := map[string]bool{} // by name, what was replaced in a loop
				for _, l := range c.Lives() {
					if l.Came.Turn > 0 {
						looped[l.Came.Replaces] = true
					}
				}
				for name, scene := range map[string]struct {
					is     func(Life) bool
					leaves bool // it is about nodes that leave, not that join
					nodes  int  // a day, at least
				}{
					"a drift":            {func(l Life) bool { return l.Came.Kind == Replacement && l.Came.Turn == 0 }, false, 3},
					"what it replaced":   {func(l Life) bool { return l.Went.Kind == Drifted && !looped[l.Name] }, true, 3},
					"a loop":             {func(l Life) bool { return l.Came.Turn > 0 }, false, loopTurns},
					"a slow drain":       {func(l Life) bool { return drained(l) >= 10*time.Minute }, true, 1},
					"a deletion by hand": {func(l Life) bool { return l.Went == Went{ClaimDeleted, Person} }, true, 1},
					"a node group grows": {func(l Life) bool { return l.Came.Workload == "ci/runner" }, false, 2},
					"it shrinks":         {func(l Life) bool { return l.Went == Went{Empty, ClusterAutoscaler} }, true, 2},
					"an interruption":    {func(l Life) bool { return l.Went == Went{Interrupted, EC2} }, true, 1},
				} {
					for day := range days {
						from := start.Add(startDelay + time.Duration(day)*c.config.DayLength)
						when := func(l Life) time.Time {
							at := l.Created
							if scene.leaves {
								at = l.RemovedAt
							}
							if at.Before(from) || at.After(from.Add(c.config.DayLength)) {
								return time.Time{}
							}
							return at
						}
						var first, last time.Time
						nodes := 0
						for _, l := range c.Lives() {
							at := when(l)
							if at.IsZero() || !scene.is(l) {
								continue
							}
							nodes++
							if first.IsZero() || at.Before(first) {
								first = at
							}
							if at.After(last) {
								last = at
							}
						}
						if nodes < scene.nodes {
							t.Errorf("day %d: %s has %d nodes, want at least %d", day, name, nodes, scene.nodes)
							continue
						}
						for _, l := range c.Lives() {
							at := when(l)
							if !at.IsZero() && !scene.is(l) && at.After(first.Add(-apart)) && at.Before(last.Add(apart)) {
								t.Errorf("day %d: %s is from %v to %v, and another change at %v: %+v", day, name, first.Sub(from),
									last.Sub(from), at.Sub(from), l)
							}
						}
					}
				}
			})
		})
	}
}
