package ledgertest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
)

func nodeLives(t *testing.T, fresh Open) {
	l := fresh(t)
	labelled := fleet.Node{Name: "labelled", Pool: "general", Provider: "aws", Region: "us-east-1",
		InstanceType: "m5.large", CapacityType: "spot", Labels: map[string]string{fleet.PriceLabel: "0.5"}}
	fleetOf(t, l, labelled, fleet.Node{Name: "gone-1"}, fleet.Node{Name: "later", CreatedAt: t0.Add(5 * time.Hour)},
		fleet.Node{Name: "gone-early", CreatedAt: t0.Add(-3 * time.Hour)})
	uncertain := fleet.Node{Cluster: "prod", UID: "uid-lost", Name: "lost", CreatedAt: t0}
	o := fleet.Gone(uncertain, fleet.Known{}, t0.Add(2*time.Hour))
	o.Changes[0].NotBefore, o.Changes[0].Proof = t0.Add(time.Hour), fleet.ProofNone
	record(t, l, "2", o)
	lives := all(t, l.Lives(t.Context(), "prod", t0.Add(30*time.Minute), t0.Add(3*time.Hour)))
	slices.SortFunc(lives, func(a, b fleet.Life) int { return strings.Compare(a.Name, b.Name) })
	want := []fleet.Life{
		{UID: "uid-gone-1", Name: "gone-1", Joined: t0.Add(time.Minute), Ready: t0.Add(2 * time.Minute),
			Removed: t0.Add(61 * time.Minute)},
		{UID: "uid-labelled", Name: "labelled", Pool: "general",
			Machine: fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot",
				LabelPrice: 0.5},
			Joined: t0, Ready: t0.Add(time.Minute)},
		{UID: "uid-lost", Name: "lost", Joined: t0, Removed: t0.Add(2 * time.Hour), RemovedAfter: t0.Add(time.Hour)},
	}
	if diff := cmp.Diff(want, lives); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	machines, err := l.Machines(t.Context(), "prod")
	check(t, err)
	if diff := cmp.Diff(map[fleet.Machine]int{want[1].Machine: 1, {}: 1}, machines); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
	// The nodes of these lives, two of which share labels, and one of them has one of its own.
	fleetOf(t, l, fleet.Node{Name: "twin", CreatedAt: t0.Add(time.Second), Labels: map[string]string{
		fleet.PriceLabel: "0.5", "kubernetes.io/hostname": "twin"}})
	labels := map[string]map[string]string{}
	for _, n := range all(t, l.NodesBetween(t.Context(), "prod", t0.Add(30*time.Minute), t0.Add(3*time.Hour))) {
		if labels[n.UID] = n.Labels; n.UID == "uid-labelled" && (n.Pool != "general" || n.InstanceType != "m5.large") {
			t.Errorf("a node without what it is: %+v", n)
		}
	}
	if diff := cmp.Diff(map[string]map[string]string{"uid-gone-1": nil, "uid-lost": nil,
		"uid-labelled": {fleet.PriceLabel: "0.5"},
		"uid-twin":     {fleet.PriceLabel: "0.5", "kubernetes.io/hostname": "twin"}}, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	// A scan that is broken off leaves no connection behind.
	for range 20 {
		for range l.Lives(t.Context(), "prod", t0, t0.Add(time.Hour)) {
			break
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range l.Lives(cancelled, "prod", t0, t0.Add(time.Hour)) {
		if err == nil {
			t.Error("a cancelled scan yields")
		}
	}
}

func incidents(t *testing.T, fresh Open) {
	l := fresh(t)
	fleetOf(t, l, node(1), node(2), node(3))
	step := func(n int, kind fleet.ChangeKind, occurrence int, after time.Duration) {
		x := node(n)
		c := fleet.Change{Cluster: "prod", NodeUID: x.UID, NodeName: x.Name, Kind: kind, Occurrence: occurrence,
			At: t0.Add(after), Proof: fleet.ProofWatch, Reason: "KubeletNotReady"}
		record(t, l, "", fleet.Observation{Node: x, Known: fleet.Known{EverReady: true}, Changes: []fleet.Change{c}})
	}
	step(1, fleet.WentUnready, 1, time.Hour)
	step(1, fleet.Recovered, 1, 2*time.Hour)
	step(1, fleet.WentUnready, 2, 3*time.Hour)
	step(2, fleet.WentUnready, 1, 3*time.Hour)
	step(2, fleet.Removed, 1, 5*time.Hour)
	got := func(from, until time.Duration) (s []string) {
		is, err := l.Incidents(t.Context(), "prod", t0.Add(from), t0.Add(until))
		check(t, err)
		for _, i := range is {
			end := "lasts"
			if !i.Until.IsZero() {
				end = i.Until.Sub(t0).String()
			}
			if i.Left {
				end += " left"
			}
			s = append(s, i.NodeName+" "+i.From.Sub(t0).String()+" "+end)
		}
		return s
	}
	for _, c := range []struct {
		from, until time.Duration
		want        []string
	}{
		{0, time.Hour, nil},
		{0, 6 * time.Hour, []string{"node-1 1h0m0s 2h0m0s", "node-1 3h0m0s lasts", "node-2 3h0m0s 5h0m0s left"}},
		{90 * time.Minute, 110 * time.Minute, []string{"node-1 1h0m0s lasts"}},
		{150 * time.Minute, 4 * time.Hour, []string{"node-1 3h0m0s lasts", "node-2 3h0m0s lasts"}},
		{5 * time.Hour, 6 * time.Hour, []string{"node-1 3h0m0s lasts", "node-2 3h0m0s 5h0m0s left"}},
		{6 * time.Hour, 7 * time.Hour, []string{"node-1 3h0m0s lasts"}},
	} {
		if diff := cmp.Diff(c.want, got(c.from, c.until)); diff != "" {
			t.Errorf("%v to %v (-want +got):\n%s", c.from, c.until, diff)
		}
	}
}

func rescales(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	e := func(uid, kind, reason string, last time.Duration) fleet.Event {
		return fleet.Event{Cluster: "prod", UID: uid, Regarding: fleet.ObjectRef{Kind: kind, Namespace: "shop", Name: "web"},
			Reason: reason, Type: "Normal", Note: uid, Count: 2,
			First: t0, Last: t0.Add(last)}
	}
	check(t, l.RecordEvents(ctx, "prod",
		[]fleet.Event{e("d2", "Deployment", "ScalingReplicaSet", 2*time.Minute),
			e("h1", "HorizontalPodAutoscaler", "SuccessfulRescale", time.Minute),
			e("d1", "Deployment", "ScalingReplicaSet", time.Minute), e("p", "Pod", "Started", time.Minute),
			e("late", "Deployment", "ScalingReplicaSet", time.Hour)}, ""))
	var uids []string
	for _, e := range all(t, l.Rescales(ctx, "prod", t0, t0.Add(time.Hour))) {
		uids = append(uids, e.Note)
		if e.Count != 2 || !e.First.Equal(t0) || e.Regarding.Namespace != "shop" || e.Regarding.Kind == "" || e.Reason == "" {
			t.Errorf("%+v", e)
		}
	}
	if diff := cmp.Diff([]string{"h1", "d1", "d2"}, uids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
