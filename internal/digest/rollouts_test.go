package digest

import (
	"strings"
	"testing"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// TestRollouts holds how rollouts are counted, also on a day on which nothing happened to the nodes.
func TestRollouts(t *testing.T) {
	told := func(name string, state fleet.RolloutState, back, over bool) wave.Told {
		s := wave.Standing{Since: t0}
		if over || state.Over() {
			s.Until = t0
		}
		return wave.Told{About: wave.About{Standing: &s, Rollout: &wave.Rollout{Rollout: fleet.Rollout{State: state,
			Back: back, Deployment: fleet.ObjectRef{Namespace: "shop", Name: name}}}}}
	}
	for _, c := range []struct {
		told []wave.Told
		want string
	}{
		{nil, ""},
		{[]wave.Told{{}}, ""}, // of another version
		{[]wave.Told{told("web", fleet.RolledOut, false, false)}, "1 rollout of 1 Deployment."},
		{[]wave.Told{told("web", fleet.RolledOut, false, false), told("web", fleet.RolledBack, false, false),
			told("web", fleet.RolledOut, true, false), told("api", fleet.StandsStill, false, false),
			told("api", fleet.RolloutLost, false, false), told("api", fleet.RollingOut, false, true),
			told("db", fleet.RollingOut, false, false), told("db", fleet.RolloutReplaced, false, false)},
			"8 rollouts of 3 Deployments: 2 were rolled back, 1 stood still, 2 have ends that are not known, 1 goes on."},
	} {
		f := day()
		f.Rollouts = c.told
		s := summarize(t, f)
		text := Render(s, nil).String()
		if strings.Contains(text, "rollout") != (c.want != "") || !strings.Contains(text, c.want) {
			t.Errorf("%q is not in\n%s", c.want, text)
		}
	}
}
