package clustersim

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	eventsv1 "k8s.io/api/events/v1"

	"github.com/google/go-cmp/cmp"
)

// TestChain holds the order in which events lead from an autoscaler to a node and its pods.
func TestChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 15})
		play(t, c)
		c.SetPaused(true)
		c.mu.Lock()
		c.grow(&c.hand, c.checkout, 1, steady, 0)
		c.mu.Unlock()
		c.SetSpeed(1) // lets Run look at its queues
		time.Sleep(20 * time.Second)
		lives := c.Lives()
		life := lives[len(lives)-1]
		if life.Came != (Came{Kind: Demand, Workload: "shop/checkout"}) {
			t.Fatalf("the last node came for %+v", life.Came)
		}
		i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.name() == life.Name })
		n := c.nodes[i]
		pod := n.pods[0].ref.name
		ref := n.obj.OwnerReferences[0]
		if len(n.obj.OwnerReferences) != 1 || ref.Kind != "NodeClaim" || ref.APIVersion != "karpenter.sh/v1" ||
			ref.Name != n.claim.name || ref.UID != n.claim.uid || ref.Controller != nil || !*ref.BlockOwnerDeletion {
			t.Errorf("owners %+v", n.obj.OwnerReferences)
		}
		var got []string
		for _, ch := range c.store.events.log {
			e := ch.object.(*eventsv1.Event)
			switch {
			case e.Regarding.Name == pod && e.Regarding.FieldPath == "",
				e.Regarding.Name == n.claim.name && e.Reason != "Unconsolidatable",
				strings.HasSuffix(e.Note, pod), e.Regarding.Name == "checkout":
				got = append(got, e.Regarding.Kind+" "+e.Reason)
			}
		}
		want := []string{"HorizontalPodAutoscaler SuccessfulRescale", "Deployment ScalingReplicaSet",
			"ReplicaSet SuccessfulCreate", "Pod FailedScheduling", "Pod FailedScheduling", "Pod Nominated", "NodeClaim Launched",
			"NodeClaim Registered", "Pod Scheduled", "NodeClaim Initialized", "NodeClaim Ready"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// TestNominatedLimit holds that Karpenter nominates no more pods than it may write of.
func TestNominatedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 16})
		play(t, c)
		c.SetPaused(true)
		time.Sleep(10 * time.Second)
		c.Burst(200)
		time.Sleep(45 * time.Second)
		var at []time.Time
		for _, e := range c.events() {
			if e.Reason == "Nominated" {
				at = append(at, eventMoment(t, e))
			}
		}
		slices.SortFunc(at, time.Time.Compare)
		if len(at) < 50 || len(at) > 100 {
			t.Errorf("%d of 200 pods were nominated within twelve seconds", len(at))
		}
		for i := range at {
			for j := i; j < len(at); j++ {
				if most := nominateBurst + nominateRate*at[j].Sub(at[i]).Seconds(); float64(j-i+1) > most+1e-6 {
					t.Fatalf("%d nominations within %v", j-i+1, at[j].Sub(at[i]))
				}
			}
		}
	})
}

// TestMishaps holds that events are lost, late and repeated as they are told to be, that no version of an event
// overtakes an earlier one, and that names come back with another UID.
func TestMishaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mishaps{lost: 0.2, late: 0.5, lateBy: 5 * time.Second, repeated: 0.2, reused: 0.5}
		c := New(Config{Seed: 17, Night: 6, Day: 24, Burst: 20, mishaps: m})
		watchDay(t, c)
		late, repeated := 0, 0
		counts := map[string]int32{}
		for _, ch := range c.store.events.log {
			e := ch.object.(*eventsv1.Event)
			if e.DeprecatedCount < counts[e.Name] {
				t.Fatalf("%s counts %d after %d", e.Name, e.DeprecatedCount, counts[e.Name])
			}
			counts[e.Name] = e.DeprecatedCount
			if e.DeprecatedCount == 2 && e.Reason == "DisruptionTerminating" {
				repeated++
			}
		}
		var last time.Time
		for _, ch := range c.store.events.log {
			e := ch.object.(*eventsv1.Event)
			if at := e.CreationTimestamp.Time; at.Before(last) {
				late++
			} else {
				last = at
			}
		}
		names := map[string]int{}
		said := map[string]bool{}
		for _, e := range c.events() {
			if e.Reason == "DisruptionTerminating" {
				said[string(e.Regarding.UID)] = true
			}
		}
		silent, ended := 0, 0
		for _, l := range c.Lives() {
			names[l.Name]++
			if !l.RemovedAt.IsZero() && slices.Contains([]WentKind{Empty, Underutilized, Drifted}, l.Went.Kind) &&
				l.Went.By == Karpenter {
				ended++
				if !said[l.UID] {
					silent++
				}
			}
		}
		reused := 0
		for _, lives := range names {
			reused += lives - 1
		}
		if late < 100 || repeated < 3 || reused < 3 || silent < ended/20 || silent > ended/2 {
			t.Errorf("%d events are late, %d repeated, %d names came back, and of %d ends %d were lost", late, repeated, reused,
				ended, silent)
		}
	})
}
