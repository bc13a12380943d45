package clustersim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
)

// The tests of the story run in bubbles: its time is theirs, and a day lasts no time at all.

// play runs a cluster in the bubble that the test is in.
func play(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

// moment is the state at a time of the first day.
type moment struct {
	at time.Duration // since midnight, in simulated time; the next morning is after 24 h
	State
}

// watchDay plays the first day and looks at it once a simulated minute.
func watchDay(t *testing.T, c *Cluster) []moment {
	t.Helper()
	play(t, c)
	begins := time.Now().Add(startDelay + time.Millisecond)
	var ms []moment
	for i := range time.Duration(24 * 60) {
		time.Sleep(time.Until(begins.Add(i * c.config.DayLength / (24 * 60))))
		ms = append(ms, moment{dawn + i*time.Minute, c.State()})
	}
	return ms
}

// events returns every event that the store holds.
func (c *Cluster) events() []*eventsv1.Event {
	var es []*eventsv1.Event
	for _, o := range c.store.list(c.store.events, "", func(object) bool { return true }, time.Now()).objects {
		es = append(es, o.(*eventsv1.Event))
	}
	return es
}

// history returns every change of a node that the store remembers.
func (c *Cluster) history(t *testing.T) []*corev1.Node {
	t.Helper()
	var ns []*corev1.Node
	if c.store.nodes.dropped > c.store.nodes.log[0].version || len(c.store.nodes.log) == 2*c.store.limits.nodeLog {
		t.Fatal("the history does not reach back to the start")
	}
	for _, ch := range c.store.nodes.log {
		ns = append(ns, ch.object.(*corev1.Node))
	}
	return ns
}

// within returns the least and the most nodes between two times of the day.
func within(ms []moment, from, until time.Duration) (least, most int) {
	least = 1 << 30
	for _, m := range ms {
		if m.at >= from && m.at < until {
			least, most = min(least, m.Alive), max(most, m.Alive)
		}
	}
	return least, most
}

func oclock(h, m int) time.Duration { return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute }

// TestDay holds that a day has all its scenes, whatever the seed.
func TestDay(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := New(Config{Seed: seed})
				ms := watchDay(t, c)
				for _, tt := range []struct {
					what        string
					from, until time.Duration
					least, most int
				}{
					{"the beginning", oclock(6, 0), oclock(6, 5), 12, 12},
					{"the day before the burst", oclock(10, 20), oclock(11, 40), 57, 62},
					{"the burst", oclock(13, 40), oclock(14, 0), 257, 262},
					{"the day after the burst", oclock(17, 0), oclock(18, 10), 55, 63},
					{"the night", oclock(23, 30), oclock(28, 40), 12, 18},
					{"the end of the leak", oclock(29, 50), oclock(30, 0), 12, 12},
				} {
					if least, most := within(ms, tt.from, tt.until); least < tt.least || most > tt.most {
						t.Errorf("%s has %d to %d nodes, want %d to %d", tt.what, least, most, tt.least, tt.most)
					}
				}
				if _, most := within(ms, oclock(27, 30), oclock(28, 50)); most < 15 {
					t.Errorf("at most %d nodes late at night: there is no leak", most)
				}
				checkLives(t, c, start)
				checkPhases(t, ms)
			})
		})
	}
}

func checkLives(t *testing.T, c *Cluster, start time.Time) {
	t.Helper()
	var first time.Time
	neverReady, failed, bursts := 0, 0, []time.Time{}
	uids := map[string]bool{}
	for _, l := range c.Lives() {
		if uids[l.UID] {
			t.Errorf("%s: UID %s is another node's too", l.Name, l.UID)
		}
		uids[l.UID] = true
		if l.Created.Before(start) {
			continue
		}
		if first.IsZero() {
			first = l.Created
		}
		// 11:40 to 13:30
		if at := l.Created.Sub(start); at > 70*time.Second && at < 95*time.Second {
			bursts = append(bursts, l.Created)
		}
		switch toReady := l.ReadyAt.Sub(l.Created); {
		case l.ReadyAt.IsZero() && !l.RemovedAt.IsZero():
			neverReady++
			if d := l.RemovedAt.Sub(l.Created); d < 40*time.Second || d > 60*time.Second {
				t.Errorf("the node that never became ready lived for %v", d)
			}
		case l.ReadyAt.IsZero():
			t.Errorf("%s joined at %v and is not ready", l.Name, l.Created)
		case toReady < 3*time.Second || toReady > 8*time.Second:
			t.Errorf("%s became ready after %v", l.Name, toReady)
		}
		if l.Unready != l.Recovered {
			t.Errorf("%s went not ready %d times and recovered %d times", l.Name, l.Unready, l.Recovered)
		}
	}
	for _, l := range c.Lives() {
		failed += l.Unready
	}
	if first.Sub(start) > 5*time.Second {
		t.Errorf("the first node joined after %v", first.Sub(start))
	}
	if n := len(bursts); n < 200 {
		t.Errorf("%d nodes joined around noon", n)
	} else if d := bursts[n-1].Sub(bursts[n-200]); d < 8*time.Second || d > 20*time.Second {
		t.Errorf("the burst took %v", d)
	}
	if neverReady != 1 || failed != 1 {
		t.Errorf("%d nodes never became ready and %d went not ready, want one of each", neverReady, failed)
	}
}

func checkPhases(t *testing.T, ms []moment) {
	t.Helper()
	var phases []string
	for _, m := range ms {
		if len(phases) == 0 || phases[len(phases)-1] != m.Phase {
			phases = append(phases, m.Phase)
		}
		if want := fmt.Sprintf("%02d:%02d", int(m.at.Hours())%24, int(m.at.Minutes())%60); m.Clock != want {
			t.Fatalf("the clock says %s at %s", m.Clock, want)
		}
	}
	want := []string{phaseMorning, phaseDay, phaseBurst, phaseConsolidation, phaseAfternoon, phaseEvening, phaseDrift,
		phaseNight, phaseClear}
	if diff := cmp.Diff(want, phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
}

// toFleet converts an event as internal/k8s does.
func toFleet(e *eventsv1.Event) fleet.Event {
	first, last := e.EventTime.Time, e.EventTime.Time
	if first.IsZero() {
		first, last = e.DeprecatedFirstTimestamp.Time, e.DeprecatedLastTimestamp.Time
	}
	if e.Series != nil {
		last = e.Series.LastObservedTime.Time
	}
	return fleet.Event{
		UID: string(e.UID), Reason: e.Reason, Note: e.Note, Type: e.Type, First: first, Last: last,
		Controller: e.ReportingController + e.DeprecatedSource.Component,
		Regarding: fleet.ObjectRef{Kind: e.Regarding.Kind, Namespace: e.Regarding.Namespace, Name: e.Regarding.Name,
			UID: string(e.Regarding.UID)},
	}
}

// TestDescribe holds that every node tells what it is, from its first version on.
func TestDescribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 4})
		watchDay(t, c)
		pools, types, capacities, zs := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
		for _, o := range c.history(t) {
			n := fleet.Node{Labels: o.Labels, Detail: fleet.Detail{ProviderID: o.Spec.ProviderID}}
			fleet.Describe(&n)
			if n.Provider != "aws" || n.InstanceType == "" || n.CapacityType == "" || n.Zone == "" || n.Region != "us-east-1" ||
				n.Pool == "" || n.Arch == "" || n.OS != "linux" {
				t.Fatalf("%s is described as %+v", o.Name, n)
			}
			if cpu := o.Status.Capacity.Cpu().Value(); o.Labels["karpenter.sh/nodepool"] != "" &&
				fmt.Sprint(cpu) != o.Labels["karpenter.k8s.aws/instance-cpu"] {
				t.Errorf("%s has %d cores, and its label says another number", o.Name, cpu)
			}
			if a, c := o.Status.Allocatable.Memory().Value(), o.Status.Capacity.Memory().Value(); a <= 0 || a >= c {
				t.Errorf("%s: %d bytes of %d are allocatable", o.Name, a, c)
			}
			if arm := strings.Contains(n.InstanceType, "7g."); arm != (n.Arch == "arm64") {
				t.Errorf("%s: %s is %s", o.Name, n.InstanceType, n.Arch)
			}
			pools[n.Pool]++
			types[n.InstanceType]++
			capacities[n.CapacityType]++
			zs[n.Zone]++
		}
		if len(pools) != 5 || len(types) < 12 || len(capacities) != 2 || len(zs) != 3 {
			t.Errorf("little variety: %v %v %v %v", pools, types, capacities, zs)
		}
	})
}

// TestSteps holds what a node's versions go through, from joining to leaving.
func TestSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 5})
		watchDay(t, c)
		steps := map[string][]string{}
		for _, o := range c.history(t) {
			var step strings.Builder
			step.WriteString(string(readyStatus(o)))
			for _, tt := range o.Spec.Taints {
				if _, key, _ := strings.Cut(tt.Key, "/"); key != "gpu" {
					step.WriteString(" " + key)
				}
			}
			if o.DeletionTimestamp != nil {
				step.WriteString(" deleting")
			}
			if s := steps[string(o.UID)]; len(s) == 0 || s[len(s)-1] != step.String() {
				steps[string(o.UID)] = append(s, step.String())
			}
		}
		seen := map[string]bool{}
		for _, l := range c.Lives() {
			seen[strings.Join(steps[l.UID], ", ")] = true
		}
		const joining = "False unregistered not-ready, False not-ready, True not-ready, True"
		const leaving = ", True disrupted, True disrupted deleting"
		for _, want := range []string{
			joining, joining + leaving,
			"True",           // there from the start, and still
			"True" + leaving, // there from the start
			"False unregistered not-ready, False not-ready, False not-ready disrupted, False not-ready disrupted deleting",
			"True, True unschedulable, True",
		} {
			if !seen[want] {
				t.Errorf("no node went through %s", want)
			}
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(seen)), func(s string) bool {
			return strings.Contains(s, "True, Unknown unreachable unreachable, True unreachable unreachable, True")
		}) {
			t.Errorf("no node recovered; they went through %q", slices.Sorted(maps.Keys(seen)))
		}
	})
}

// told is a story in a form that can be compared: the lives' names and steps, and what events
// say. UIDs differ from one start to the next.
func told(c *Cluster) (story []string) {
	for _, l := range c.Lives() {
		story = append(story, fmt.Sprint(l.Name, l.Created, l.ReadyAt, l.RemovedAt))
	}
	for _, e := range c.events() {
		if e.Regarding.Name != "" {
			story = append(story, fmt.Sprint(e.Name, e.CreationTimestamp, e.Reason, e.Note, e.DeprecatedCount))
		}
	}
	return story
}

// TestSeed holds that a seed tells one story, and another seed another.
func TestSeed(t *testing.T) {
	stories := make([][]string, 3)
	for i, seed := range []uint64{7, 7, 8} {
		synctest.Test(t, func(t *testing.T) {
			c := New(Config{Seed: seed})
			watchDay(t, c)
			stories[i] = told(c)
		})
	}
	if diff := cmp.Diff(stories[0], stories[1]); diff != "" {
		t.Errorf("the same seed tells two stories:\n%s", diff)
	}
	if slices.Equal(stories[0], stories[2]) {
		t.Error("two seeds tell one story")
	}
}
