package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
)

// podEvent is an event on a pod of shop, at seconds after t0.
func podEvent(uid, pod, reason, note string, at int) fleet.Event {
	when := t0.Add(time.Duration(at) * time.Second)
	return fleet.Event{Cluster: "prod", UID: uid, Reason: reason, Type: "Normal", Note: note, Count: 1, First: when,
		Last: when, Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: pod, UID: "uid-of-" + pod}}
}

const (
	noRoom  = "0/3 nodes are available: 3 Insufficient cpu."
	atLimit = "Failed to schedule pod, all available instance types exceed limits for nodepool (NodePool=general)"
)

// waitsLife holds what is known of a pod that waits from the first word to the end, whatever order its events come in.
func waitsLife(t *testing.T, fresh Open) {
	story := []fleet.Event{
		podEvent("a", "web-5d8-x", "FailedScheduling", noRoom, 10),
		podEvent("b", "web-5d8-x", "FailedScheduling", atLimit, 12),
		podEvent("c", "web-5d8-x", "Nominated", "Pod should schedule on: nodeclaim/general-abcde", 400),
		podEvent("d", "web-5d8-x", "Scheduled", "Successfully assigned shop/web-5d8-x to node-1", 460),
	}
	l, ctx := fresh(t), t.Context()
	check(t, l.RecordEvents(ctx, "prod", story[:3], ""))
	repeated := story[1]
	repeated.Count, repeated.Last = 2, t0.Add(312*time.Second)
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{repeated}, ""))
	waits, more, err := l.Waits(ctx, "prod", 10)
	check(t, err)
	want := fleet.Wait{Pod: story[0].Regarding, First: t0.Add(10 * time.Second), Last: t0.Add(400 * time.Second),
		Note: noRoom, Refusal: fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter, Pool: "general"},
		RefusedFirst: t0.Add(12 * time.Second), RefusedLast: t0.Add(312 * time.Second),
		Coming: fleet.ObjectRef{Kind: "NodeClaim", Name: "general-abcde"}, ComingAt: t0.Add(400 * time.Second)}
	// What was said before the nomination, and is recorded after it, may be of a run that the nomination has ended.
	if len(waits) == 1 {
		waits[0].RefusedFirst = want.RefusedFirst
	}
	if !slices.Equal(waits, []fleet.Wait{want}) || more {
		t.Errorf("waits are\n%+v, %t; want\n%+v", waits, more, want)
	}
	if waits, _, err := l.Waits(ctx, "other", 10); err != nil || len(waits) > 0 {
		t.Errorf("another cluster waits for %+v, %v", waits, err)
	}
	check(t, l.TellWaits(ctx, "prod", "refused", []fleet.ObjectRef{story[0].Regarding, {Namespace: "shop", Name: "none"}}))
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{podEvent("e", "web-5d8-x", "FailedScheduling", noRoom, 401)}, ""))
	check(t, l.RecordEvents(ctx, "prod", story[3:], ""))
	check(t, l.RecordEvents(ctx, "prod", story, "")) // the same again
	if waits, _, err := l.Waits(ctx, "prod", 10); err != nil || len(waits) > 0 {
		t.Errorf("a pod that has a node waits: %+v, %v", waits, err)
	}
	over := fleet.Waited{Namespace: "shop", Set: "web-5d8", Refusal: want.Refusal, End: fleet.EndPlaced, Pods: 1,
		Told:     "refused",
		Together: 450 * time.Second, Longest: 450 * time.Second, Pod: "web-5d8-x"}
	got := must[[]fleet.Waited](t)(l.Waited(ctx, "prod", t0, t0.Add(time.Hour)))
	if !slices.Equal(got, []fleet.Waited{over}) {
		t.Errorf("waited have %+v, want %+v", got, over)
	}
	if got := must[[]fleet.Waited](t)(l.Waited(ctx, "prod", t0.Add(8*time.Minute), t0.Add(time.Hour))); len(got) > 0 {
		t.Errorf("later have waited %+v", got)
	}

	// In any order: a list has none.
	for seed := range uint64(24) {
		l, shuffled := fresh(t), slices.Clone(story)
		r := rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for _, e := range shuffled {
			check(t, l.RecordEvents(ctx, "prod", []fleet.Event{e}, ""))
		}
		if waits, _, err := l.Waits(ctx, "prod", 10); err != nil || len(waits) > 0 {
			t.Errorf("in the order %v a pod that has a node waits: %+v, %v", uidsOf(shuffled), waits, err)
		}
	}
}

// waitsEnd holds how waits end without a node, and what never is one.
func waitsEnd(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	on := func(e fleet.Event, kind, name string) fleet.Event {
		e.Regarding = fleet.ObjectRef{Kind: kind, Namespace: "shop", Name: name, UID: "uid-of-" + name}
		return e
	}
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{
		on(podEvent("ds", "", "SuccessfulCreate", "Created pod: agent-x", 0), "DaemonSet", "agent"),
		podEvent("0", "agent-x", "FailedScheduling", noRoom, 1),
		podEvent("1", "web-5d8-x", "FailedScheduling", noRoom, 10),
		podEvent("2", "web-5d8-y", "FailedScheduling", noRoom, 20),
		podEvent("3", "web-5d8-y-z", "FailedScheduling", noRoom, 20),
		podEvent("4", "web-6aa-x", "FailedScheduling", atLimit, 20),
		podEvent("5", "db-0", "FailedScheduling", noRoom, 30), podEvent("6", "job-x", "FailedScheduling", noRoom, 30),
		podEvent("7", "lost-x", "FailedScheduling", noRoom, 40),
		on(podEvent("8", "", "SuccessfulDelete", "Deleted pod: job-x", 60), "Job", "job"),
		on(podEvent("9", "", "ScalingReplicaSet", "Scaled down replica set web-5d8 from 2 to 0", 70), "Deployment", "web"),
	}, ""))
	// Of two pods one is deleted, and nobody knows which; then two of two.
	scaled := func(uid, note string) fleet.Event {
		return on(podEvent(uid, "", "ScalingReplicaSet", note, 80), "Deployment", "api")
	}
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{podEvent("20", "api-7c-x", "FailedScheduling", noRoom, 50),
		podEvent("21", "api-7c-y", "FailedScheduling", noRoom, 50),
		scaled("22", "Scaled down replica set api-7c from 9 to 8")}, ""))
	if waits, _, err := l.Waits(ctx, "prod", 2); err != nil || len(waits) != 2 || waits[1].Pod.Name != "api-7c-y" {
		t.Errorf("with one of them deleted, waiting are %+v, %v", waits, err)
	}
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{scaled("23", "Scaled down replica set api-7c from 8 to 3")}, ""))
	// Another pod under the same name.
	again := podEvent("10", "db-0", "FailedScheduling", noRoom, 100)
	again.Regarding.UID = "another"
	old := podEvent("5", "db-0", "FailedScheduling", noRoom, 30)
	old.Count, old.Last = 2, t0.Add(90*time.Second)
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{again, old}, ""))
	waits, more, err := l.Waits(ctx, "prod", 2)
	check(t, err)
	if len(waits) != 2 || !more {
		t.Errorf("two of four waits are %+v, %t", waits, more)
	}
	waits, _, err = l.Waits(ctx, "prod", 10)
	check(t, err)
	var names []string
	for _, w := range waits {
		names = append(names, fmt.Sprintf("%s %s", w.Pod.Name, w.First.Sub(t0)))
	}
	if want := []string{"db-0 1m40s", "lost-x 40s", "web-5d8-y-z 20s", "web-6aa-x 20s"}; !slices.Equal(names, want) {
		t.Errorf("waiting are %v, want %v", names, want)
	}
	// Of one, nothing is heard any more; of another, something is meanwhile.
	meanwhile := podEvent("11", "web-6aa-x", "FailedScheduling", atLimit, 500)
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{meanwhile}, "7"))
	check(t, l.EndWaits(ctx, "prod", waits[1:]))
	waits, _, err = l.Waits(ctx, "prod", 10)
	check(t, err)
	if len(waits) != 2 || waits[0].Pod.Name != "db-0" || waits[1].Pod.Name != "web-6aa-x" {
		t.Errorf("after the end of what is not heard of, waiting are %+v", waits)
	}
	ends := map[string]string{}
	for _, w := range must[[]fleet.Waited](t)(l.Waited(ctx, "prod", t0, t0.Add(time.Hour))) {
		ends[w.Set] = fmt.Sprintf("%d %s %s", w.Pods, w.End, w.Together)
	}
	want := map[string]string{"db": "1 gone 0s", "job": "1 gone 30s", "web-5d8": "2 gone 1m50s", "api-7c": "2 gone 1m0s",
		"lost":      "1 unheard 0s",
		"web-5d8-y": "1 unheard 0s"}
	if fmt.Sprint(ends) != fmt.Sprint(want) {
		t.Errorf("waited have %v, want %v", ends, want)
	}
	n, err := l.Prune(ctx, ledger.Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(3*time.Hour))
	if err != nil || n == 0 {
		t.Errorf("pruned %d rows, %v", n, err)
	}
	if got := must[[]fleet.Waited](t)(l.Waited(ctx, "prod", t0, t0.Add(time.Hour))); len(got) > 0 {
		t.Errorf("after pruning %+v is left", got)
	}
}
