package digest

import (
	"fmt"
	"strings"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// Rollouts is how Deployments were rolled out, as far as that was told in the period.
type Rollouts struct {
	Times       int
	Deployments int
	Back        int // went back, while they went on or after they were done
	Still       int // stand still, or have until nobody followed them any more
	Unknown     int // of these it is not known how they went on
	Going       int // go on
}

// rollouts sums up what was told of them.
func rollouts(told []wave.Told) (r Rollouts) {
	of := map[fleet.ObjectRef]bool{}
	for _, t := range told {
		x := t.About.Rollout
		if x == nil {
			continue
		}
		r.Times++
		of[fleet.ObjectRef{Namespace: x.Deployment.Namespace, Name: x.Deployment.Name}] = true
		followed := t.About.Standing != nil && t.About.Standing.Until.IsZero()
		switch {
		case x.State == fleet.RolledBack || x.State == fleet.RolledOut && x.Back:
			r.Back++
		case x.State == fleet.StandsStill || x.State == fleet.RolloutLeft:
			r.Still++
		case x.State == fleet.RolloutLost || x.State == fleet.RolloutUnseen || !x.State.Over() && !followed:
			r.Unknown++
		case !x.State.Over():
			r.Going++
		}
	}
	r.Deployments = len(of)
	return r
}

// rollouts says how many there were, and of how many there is more to say.
func (w words) rollouts() []string {
	r := w.s.Rollouts
	if r.Times == 0 {
		return nil
	}
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{r.Back, "was rolled back", "were rolled back"}, {r.Still, "stood still", "stood still"},
		{r.Unknown, "has an end that is not known", "have ends that are not known"}, {r.Going, "goes on", "go on"},
	} {
		switch {
		case p.n == 1:
			parts = append(parts, "1 "+p.one)
		case p.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.many))
		}
	}
	text := message.Count(r.Times, "rollout") + " of " + message.Count(r.Deployments, "Deployment")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return []string{text + "."}
}
