package clustersim

import (
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/fleet"
)

// TestRollouts holds that each day has a rollout and one that is rolled back, that a person can ask for others, one at
// a time, and that the events tell of each what is true.
func TestRollouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 3})
		play(t, c)
		time.Sleep(startDelay + c.real(18*time.Hour)) // after midnight
		if n := len(c.Rollouts()); n != 2 {
			t.Errorf("%d rollouts in a day, want 2", n)
		}
		for range 2 {
			if !c.RollOut() || c.RollOut() {
				t.Error("there is not one rollout at a time")
			}
			time.Sleep(time.Minute)
		}
		var steps []fleet.RolloutStep
		warnings := 0
		for _, o := range c.events() {
			e := fleet.Event{Reason: o.Reason, Note: o.Note, Count: int(o.DeprecatedCount),
				First: o.DeprecatedFirstTimestamp.Time, Last: o.DeprecatedLastTimestamp.Time,
				Regarding: fleet.ObjectRef{Kind: o.Regarding.Kind, Namespace: o.Regarding.Namespace, Name: o.Regarding.Name,
					UID: string(o.Regarding.UID)}}
			if o.Reason == "BackOff" && o.Regarding.Namespace == "payments" {
				warnings++
			}
			if o.Regarding.Name == "api" {
				steps = append(steps, e.OfRollout()...)
			}
		}
		truth := c.Rollouts()
		told := fleet.Rollouts(steps, time.Now())
		if len(told) > len(truth) || len(told) < 2 {
			t.Fatalf("events tell of %d rollouts of %d", len(told), len(truth))
		}
		if warnings == 0 {
			t.Error("no pod of a rollout that fails has failed")
		}
		for i, x := range truth[len(truth)-len(told):] {
			want := fleet.RolledOut
			if x.Back {
				want = fleet.RolledBack
			}
			if r := told[i]; r.State.Over() && r.State != want || r.Set != x.To || len(r.Olds) != 1 || r.Olds[0] != x.From {
				t.Errorf("events tell %+v of %+v", told[i], x)
			}
		}
	})
}
