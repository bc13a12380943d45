package ledgertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// scaled is an event of a Deployment of shop, at seconds after t0.
func scaled(uid, name, note string, at int) fleet.Event {
	when := t0.Add(time.Duration(at) * time.Second)
	return fleet.Event{Cluster: "prod", UID: uid, Reason: "ScalingReplicaSet", Type: "Normal", Note: note, Count: 1,
		First: when, Last: when,
		Regarding: fleet.ObjectRef{Kind: "Deployment", Namespace: "shop", Name: name, UID: "uid-of-" + name}}
}

// steps are the steps that are known of a Deployment, in short and sorted.
func steps(t *testing.T, l *ledger.Ledger, name string) (all []string) {
	t.Helper()
	of, err := l.RolloutSteps(t.Context(), "prod", fleet.ObjectRef{Kind: "Deployment", Namespace: "shop", Name: name})
	check(t, err)
	for _, s := range of {
		if s.Deployment != (fleet.ObjectRef{Kind: "Deployment", Namespace: "shop", Name: name, UID: "uid-of-" + name}) {
			t.Errorf("a step of %s is of %+v", name, s.Deployment)
		}
		all = append(all, fmt.Sprintf("%.0f %s %d>%d %t", s.At.Sub(t0).Seconds(), s.Set, s.From, s.To, s.Up))
	}
	slices.Sort(all)
	return all
}

// rolloutSteps holds that each step is recorded once, also those of a combined event, of which only the last note
// stays, and that the last one of each ReplicaSet stays longest.
func rolloutSteps(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", At: t0}))
	combined := scaled("c", "web", "(combined from similar events): Scaled up replica set web-b from 0 to 2", 10)
	again := combined
	again.Note, again.Count, again.Last = "(combined from similar events): Scaled down replica set web-a from 4 to 3", 2,
		t0.Add(12*time.Second)
	old := scaled("o", "web", "Scaled down replica set web-0 to 0", 0)
	for range 2 {
		check(t, l.RecordEvents(ctx, "prod", []fleet.Event{old,
			scaled("a", "web", "Scaled up replica set web-a from 0 to 4", 1), combined, again,
			scaled("x", "api", "Scaled up replica set api-a from 0 to 1", 5)}, ""))
	}
	want := []string{"0 web-0 -1>0 false", "1 web-a 0>4 true", "10 web-b 0>2 true", "12 web-a 4>3 false"}
	if got := steps(t, l, "web"); !slices.Equal(got, want) {
		t.Errorf("steps are %q, want %q", got, want)
	}
	of, last, err := l.Stepped(ctx, "prod", 0)
	check(t, err)
	slices.SortFunc(of, func(a, b fleet.ObjectRef) int { return len(a.Name+a.Namespace) - len(b.Name+b.Namespace) })
	if len(of) != 2 || last == 0 {
		t.Errorf("steps are of %v, the last is %d", of, last)
	}
	more := scaled("y", "api", "Scaled up replica set api-a from 1 to 2", 6)
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{more}, ""))
	of, last2, err := l.Stepped(ctx, "prod", last)
	check(t, err)
	if len(of) != 1 || of[0].Name != "api" || last2 <= last {
		t.Errorf("after %d there are steps of %v, the last is %d", last, of, last2)
	}
	if of, same, err := l.Stepped(ctx, "prod", last2); err != nil || len(of) > 0 || same != last2 {
		t.Errorf("nothing is new: %v, %d, %v", of, same, err)
	}
	if of, _, err := l.Stepped(ctx, "other", 0); err != nil || len(of) > 0 {
		t.Errorf("another cluster has steps of %v, %v", of, err)
	}
	month := ledger.Retention{Scaling: 30 * 24 * time.Hour, Other: time.Hour}
	must[int64](t)(l.Prune(ctx, month, t0.Add(8*24*time.Hour)))
	if got, want := steps(t, l, "web"), []string{want[0], want[2], want[3]}; !slices.Equal(got, want) {
		t.Errorf("after a week steps are %q, want %q", got, want)
	}
	must[int64](t)(l.Prune(ctx, month, t0.Add(31*24*time.Hour)))
	if got := steps(t, l, "web"); len(got) > 0 {
		t.Errorf("after a month steps are %q", got)
	}
}

// toldRollouts holds that what was told is known whatever has become of its message.
func toldRollouts(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", At: t0}))
	about := wave.About{Standing: &wave.Standing{Key: "k", Since: t0}, Rollout: &wave.Rollout{Nodes: 2,
		Rollout: fleet.Rollout{Set: "web-b", Start: t0, Last: t0, State: fleet.RollingOut}}}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindRollout, About: about},
		{Kind: wave.KindKept, About: wave.About{Standing: &wave.Standing{Key: "k"}}}}}, false, t0))
	live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	n, ok, err := l.WaveNodes(ctx, live[0].Main.Key, 5)
	if check(t, err); !ok || n.About.Rollout == nil || n.About.Rollout.Set != "web-b" {
		t.Errorf("the message is about %+v", n)
	}
	told := func(since time.Time) []wave.Told { return must[[]wave.Told](t)(l.ToldRollouts(ctx, "prod", since)) }
	if got := told(t0); len(got) != 1 || got[0].ID != "" || got[0].Channel != "C1" || got[0].About.Rollout.Nodes != 2 ||
		!got[0].OpenedAt.Equal(t0) {
		t.Errorf("%+v", got)
	}
	check(t, l.ReleaseWave(ctx, live[0].ID, func(int, int) bool { return true }, t0))
	if got := told(t0); len(got) != 1 {
		t.Errorf("once its message is gone it was not told: %+v", got)
	}
	if got := told(t0.Add(time.Second)); len(got) > 0 {
		t.Errorf("told later: %+v", got)
	}
}

// podWarnings holds which warnings are about the pods of a ReplicaSet.
func podWarnings(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	warning := func(kind, name string, at int, uid string) fleet.Event {
		e := podEvent(uid, name, "BackOff", "Back-off", at)
		e.Type, e.Regarding.Kind = "Warning", kind
		return e
	}
	elsewhere := warning("Pod", "web-b-x", 10, "f")
	elsewhere.Regarding.Namespace = "other"
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{
		warning("Pod", "web-b-y", 20, "a"), warning("Pod", "web-b-x", 10, "b"), warning("Pod", "web-bc-x", 10, "c"),
		warning("Pod", "web-a-x", 10, "d"), warning("ReplicaSet", "web-b", 15, "e"), elsewhere,
		podEvent("g", "web-b-z", "Started", "Started container", 10), warning("Pod", "web-b-w", 100, "h")}, ""))
	got := must[[]fleet.Event](t)(l.PodWarnings(ctx, "prod", "shop", "web-b", t0, t0.Add(30*time.Second), 10))
	var names []string
	for _, e := range got {
		names = append(names, e.Regarding.Name)
	}
	if want := []string{"web-b-x", "web-b-y", "web-b"}; !slices.Equal(names, want) {
		t.Errorf("warnings are about %q, want %q", names, want)
	}
}

// selectRollouts holds that it is known since when rollouts are told.
func selectRollouts(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	for i, c := range []struct {
		globs []string
		want  map[string]time.Duration
	}{
		{nil, map[string]time.Duration{}},
		{[]string{"shop/*"}, map[string]time.Duration{"shop/*": 1}},
		{[]string{"shop/*", "a/b"}, map[string]time.Duration{"shop/*": 1, "a/b": 2}},
		{[]string{"a/b"}, map[string]time.Duration{"a/b": 2}},
		{[]string{"shop/*"}, map[string]time.Duration{"shop/*": 4}},
	} {
		got, err := l.SelectRollouts(ctx, "prod", c.globs, t0.Add(time.Duration(i)*time.Hour))
		check(t, err)
		ok := len(got) == len(c.want)
		for glob, hours := range c.want {
			ok = ok && got[glob].Equal(t0.Add(hours*time.Hour))
		}
		if !ok {
			t.Errorf("%q are told since %v", c.globs, got)
		}
	}
}
