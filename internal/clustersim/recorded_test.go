package clustersim

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	eventsv1 "k8s.io/api/events/v1"

	"github.com/google/go-cmp/cmp"
)

// recorded reads one event of every kind and reason from a real cluster: Kubernetes 1.36.3 and
// Karpenter 1.14.0 on KWOK nodes.
func recorded(t *testing.T) []*eventsv1.Event {
	t.Helper()
	f, err := os.Open("testdata/recorded.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var es []*eventsv1.Event
	for s := bufio.NewScanner(f); s.Scan(); {
		e := &eventsv1.Event{}
		if err := json.Unmarshal(s.Bytes(), e); err != nil {
			t.Fatal(err)
		}
		es = append(es, e)
	}
	return es
}

// shape is what an event is like, without what it is about.
type shape struct {
	Kind, APIVersion, Reason, Type, Note     string
	Controller, Instance, Component, Action  string
	EventNamespace, HasName, HasUID, HasNS   bool
	EventTime, First, Last, Counted, HasHost bool
	NameEndsInMoment, FieldPath              bool
}

// variables are the parts of notes and names that differ from event to event.
var variables = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`kwok-default-[a-z0-9-]+|ip-10-0-\d+-\d+\.ec2\.internal`), "NODE"},
	{regexp.MustCompile(`(nodeclaim/)[a-z]+-[a-z0-9]{5}`), "${1}CLAIM"},
	{regexp.MustCompile(`\b[a-z]+-[a-z0-9]{9,10}-[a-z0-9]{5}\b`), "POD"},
	{regexp.MustCompile(`\b[a-z]+-[a-z0-9]{9,10}\b`), "SET"},
	{regexp.MustCompile(`assigned [a-z]+/`), "assigned NAMESPACE/"},
	{regexp.MustCompile(`; reason: .*`), "; reason: REASON"},
	{regexp.MustCompile(`(Launching NodeClaim: )\w+`), "${1}REASON"},
	{regexp.MustCompile(`nodes are available: .*`), "nodes are available: REASONS"}, // see TestUnschedulable
	{regexp.MustCompile(`(nodepool In \[|NodePool=)[a-z-]+`), "${1}POOL"},
	{regexp.MustCompile(`\d+`), "N"},
}

func shapeOf(e *eventsv1.Event) shape {
	note := e.Note
	for _, v := range variables {
		note = v.pattern.ReplaceAllString(note, v.by)
	}
	instance, _, _ := strings.Cut(e.ReportingInstance, "scheduler-")
	wantNS := e.Regarding.Namespace
	if wantNS == "" {
		wantNS = "default"
	}
	return shape{
		Kind: e.Regarding.Kind, APIVersion: e.Regarding.APIVersion, Reason: e.Reason, Type: e.Type, Note: note,
		Controller: e.ReportingController, Instance: instance, Component: e.DeprecatedSource.Component, Action: e.Action,
		EventNamespace: e.Namespace == wantNS, HasName: e.Regarding.Name != "", HasUID: e.Regarding.UID != "",
		HasNS:     e.Regarding.Namespace != "",
		EventTime: !e.EventTime.IsZero(), First: !e.DeprecatedFirstTimestamp.IsZero(),
		Last:    !e.DeprecatedLastTimestamp.IsZero(),
		Counted: e.DeprecatedCount > 0, HasHost: e.DeprecatedSource.Host != "",
		// A bubble's time begins in 2000, when moments had a digit less.
		NameEndsInMoment: regexp.MustCompile(`\.[0-9a-f]{15,16}$`).MatchString(e.Name),
		FieldPath:        e.Regarding.FieldPath != "",
	}
}

// TestLikeRecorded holds that the events of a day are like those of a real cluster, wherever
// both have the reason.
func TestLikeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 6})
		watchDay(t, c)
		type key struct {
			kind, reason string
			combined     bool
			refused      bool // by Karpenter; the scheduler gives the same reason
		}
		keyOf := func(e *eventsv1.Event) key {
			return key{e.Regarding.Kind, e.Reason, strings.HasPrefix(e.Note, "(combined from similar events): "),
				strings.HasPrefix(e.Note, "Failed to schedule pod, ")}
		}
		ours := map[key][]shape{}
		for _, e := range c.events() {
			k, s := keyOf(e), shapeOf(e)
			if !slices.Contains(ours[k], s) {
				ours[k] = append(ours[k], s)
			}
		}
		compared := 0
		for _, e := range recorded(t) {
			k, want := keyOf(e), shapeOf(e)
			if len(ours[k]) == 0 {
				continue
			}
			compared++
			if !slices.Contains(ours[k], want) {
				t.Errorf("%s %s: a real one is not like any of ours:\n%s", k.kind, k.reason, cmp.Diff(want, ours[k][0]))
			}
			for _, s := range ours[k] {
				if s.Controller != want.Controller || s.Type != want.Type || s.EventTime != want.EventTime {
					t.Errorf("%s %s: one of ours is not like a real one:\n%s", k.kind, k.reason, cmp.Diff(want, s))
				}
			}
		}
		// What only the record has: metrics that failed, consolidation by replacement, and a rolling update of so many
		// steps that they were combined.
		if compared < 25 {
			t.Errorf("only %d kinds of events were compared", compared)
		}
	})
}

// TestUnschedulable holds the scheduler's notes against recorded ones.
func TestUnschedulable(t *testing.T) {
	for _, tt := range []struct {
		full, tainted, others int
		want                  string
	}{
		{1, 0, 0, "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are " +
			"available: 1 No preemption victims found for incoming pod."},
		{3, 0, 0, "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are " +
			"available: 3 No preemption victims found for incoming pod."},
		{1, 1, 0, "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to " +
			"deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is " +
			"not helpful for scheduling."},
		{0, 0, 2, "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to " +
			"deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."},
		{0, 1, 2, "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node " +
			"affinity/selector. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful " +
			"for scheduling."},
	} {
		if got := unschedulable(tt.full, tt.tainted, tt.others); got != tt.want {
			t.Errorf("unschedulable(%d, %d, %d):\n%s\nwant:\n%s", tt.full, tt.tainted, tt.others, got, tt.want)
		}
	}
}

// TestKubeletEvents holds what the record cannot: it has no kubelet.
func TestKubeletEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Seed: 6})
		watchDay(t, c)
		nodes, ready := map[string]bool{}, map[string]int32{}
		for _, l := range c.Lives() {
			nodes[l.Name] = true
		}
		for _, e := range c.events() {
			if e.ReportingController != "kubelet" {
				continue
			}
			if !nodes[e.DeprecatedSource.Host] || e.ReportingInstance != e.DeprecatedSource.Host {
				t.Fatalf("kubelet of %q, instance %q", e.DeprecatedSource.Host, e.ReportingInstance)
			}
			switch {
			case e.Regarding.Kind == "Node" && string(e.Regarding.UID) != e.Regarding.Name:
				t.Fatalf("a kubelet writes the UID of %s as %s", e.Regarding.Name, e.Regarding.UID)
			case e.Regarding.Kind == "Pod" && !strings.HasPrefix(e.Regarding.FieldPath, "spec.containers{"):
				t.Fatalf("a kubelet writes %s of no container", e.Reason)
			}
			if e.Reason == "NodeReady" {
				if want := "Node " + e.Regarding.Name + " status is now: NodeReady"; e.Note != want {
					t.Errorf("note %q, want %q", e.Note, want)
				}
				ready[e.Regarding.Name] = e.DeprecatedCount
			}
		}
		for _, l := range c.Lives() {
			if l.ReadyAt.IsZero() && ready[l.Name] != 0 {
				t.Errorf("%s never became ready, and its kubelet says it did", l.Name)
			}
		}
		for _, reason := range []string{"Starting", "NodeReady", "Created", "Started", "Killing", "NodeNotSchedulable",
			"NodeSchedulable"} {
			if !slices.ContainsFunc(c.events(),
				func(e *eventsv1.Event) bool { return e.Reason == reason && e.ReportingController == "kubelet" }) {
				t.Errorf("no kubelet says %s", reason)
			}
		}
	})
}

// TestRecorder holds what the recorders do with repeats.
func TestRecorder(t *testing.T) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	store := newStore(1, defaultLimits)
	c := New(Config{})
	r := newRecorder(func(e *eventsv1.Event, now time.Time) { store.put(e, now) }, c.uid,
		func(d time.Duration) time.Duration { return d })
	all := func() (es []*eventsv1.Event) {
		for _, o := range store.list(store.events, "", func(object) bool { return true }, now).objects {
			es = append(es, o.(*eventsv1.Event))
		}
		return es
	}
	on := reference{apiVersion: "v1", kind: "Node", name: "a", uid: "1"}
	r.event(karpenter, on, normal, "Test", "same", now)
	r.event(karpenter, on, normal, "Test", "same", now.Add(90*time.Second))
	if es := all(); len(es) != 1 || es[0].DeprecatedCount != 2 ||
		es[0].DeprecatedLastTimestamp.Sub(es[0].DeprecatedFirstTimestamp.Time) != 90*time.Second {
		t.Errorf("a repeat: %+v", es)
	}
	// The first nine notes stand alone, the others are one event; the 25th was the last that is
	// not spam: an object may have one event more every five minutes.
	set := reference{apiVersion: "apps/v1", kind: "ReplicaSet", name: "b", uid: "2"}
	for i := range 60 {
		r.event(replicator, set, normal, "SuccessfulCreate", "Created pod: b-"+string(rune('A'+i)), now)
	}
	single, combined := 0, &eventsv1.Event{}
	for _, e := range all() {
		switch {
		case e.Regarding.Name != "b":
		case e.ReportingController == "":
			combined = e
		default:
			single++
		}
	}
	if single != 9 || combined.DeprecatedCount != 16 ||
		combined.Note != "(combined from similar events): Created pod: b-Y" {
		t.Errorf("%d single events, and combined: %+v", single, combined)
	}
	p := reference{apiVersion: "v1", kind: "Pod", namespace: "n", name: "p", uid: "3"}
	for i := range 3 {
		r.scheduler(p, warning, "Scheduling", "FailedScheduling", "note", now.Add(time.Duration(i)*time.Minute))
	}
	r.scheduler(p, warning, "Scheduling", "FailedScheduling", "note", now.Add(time.Hour))
	var counts []int32
	for _, e := range all() {
		if e.Regarding.Name == "p" {
			n := int32(1)
			if e.Series != nil {
				n = e.Series.Count
			}
			counts = append(counts, n)
		}
	}
	if !slices.Equal(counts, []int32{3, 1}) {
		t.Errorf("series of %d, want one of 3 and a new event", counts)
	}
	r.sweep(now.Add(24 * time.Hour))
	if len(r.repeats)+len(r.similar)+len(r.spam) != 0 {
		t.Error("the recorder does not forget")
	}
}
