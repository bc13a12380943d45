package answer_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// TestToldRollouts holds that events of a Deployment lead to its rollouts, and that its message offers to mute these.
func TestToldRollouts(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a, l := answerer(t, "")
	if err := l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: now},
		func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	var plan wave.Plan
	for i, name := range []string{"web", "web", "api", "web", "web"} {
		start := now.Add(time.Duration(i-10) * time.Minute)
		d := fleet.ObjectRef{Kind: "Deployment", Namespace: "shop", Name: name}
		x := wave.Rollout{Rollout: fleet.Rollout{Deployment: d,
			Set: name + "-b", Start: start, Last: start.Add(time.Duration(i+1) * time.Second), State: fleet.RolledOut, New: i + 1,
			Began: true}}
		plan.New = append(plan.New, wave.Opening{Kind: wave.KindRollout,
			About: wave.About{Rollout: &x, Standing: &wave.Standing{Key: name, Since: start, Until: x.Last}}})
	}
	if err := l.Apply(t.Context(), "prod", "C1", plan, false, now); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string][]string{
		"/events --for deployment/web -n shop":   {"in 5 s, 5 pods", "in 4 s, 4 pods", "in 2 s, 2 pods"},
		"/events --for deploy/a* -n sh*":         {"shop/api was rolled out in 3 s, 3 pods"},
		"/events --for deployment/api":           {"shop/api was rolled out in 3 s, 3 pods"},
		"/events --for deployment/web -n other":  nil,
		"/events --for replicaset/web -n shop":   nil,
		"/events --for deployment/other -n shop": nil,
	} {
		text := a.To(t.Context(), line, now).String()
		if n := strings.Count(text, "was rolled out"); n != len(want) {
			t.Errorf("%s tells of %d rollouts, want %d:\n%s", line, n, len(want), text)
		}
		at := 0
		for _, w := range want {
			i := strings.Index(text[at:], w)
			if i < 0 {
				t.Errorf("%s lacks %q, or says it too early:\n%s", line, w, text)
				break
			}
			at += i
		}
	}
	live, err := l.LiveWaves(t.Context(), "prod")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(live, func(w wave.Wave) bool { return w.Kind == wave.KindRollout })
	options, about, err := a.MuteScopes(t.Context(), live[i].Main.Key)
	if err != nil || about != 1 || len(options) != 2 || options[0].Value != "deployment:shop/web" ||
		options[1].Value != "cluster:" {
		t.Errorf("what can be muted is %+v, of which it is about %d; %v", options, about, err)
	}
}
