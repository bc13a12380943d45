package clustersim

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What client-go's older event recorder does to a component's events
// (k8s.io/client-go/tools/record/events_cache.go), which almost every controller still uses.
const (
	similarEvents = 10               // from this many different notes on, they become one event
	similarFor    = 10 * time.Minute // unless none came for so long, in simulated time
	spamBurst     = 25               // events of one component on one object
	spamRefill    = 5 * time.Minute  // and one more per, in simulated time
	seriesFor     = 6 * time.Minute  // the newer recorder's: later, a repeat is a new event
	idleFor       = 10 * time.Minute // what was of no use for so long is forgotten
)

// author is a component that writes events.
type author struct {
	component string
	host      string // of a component that runs on nodes
}

var (
	autoscaler   = author{component: "horizontal-pod-autoscaler"}
	deployer     = author{component: "deployment-controller"}
	replicator   = author{component: "replicaset-controller"}
	jobs         = author{component: "job-controller"}
	karpenter    = author{component: "karpenter"}
	controller   = author{component: "node-controller"}
	cloud        = author{component: "cloud-node-controller"}
	cloudLife    = author{component: "cloud-node-lifecycle-controller"}
	daemons      = author{component: "daemonset-controller"}
	groupScaler  = author{component: "cluster-autoscaler"}
	normal       = corev1.EventTypeNormal
	warning      = corev1.EventTypeWarning
	schedulerRun = "default-scheduler-ip-172-16-43-9.ec2.internal"
)

// kubelet is the author on a node.
func kubelet(n *node) author { return author{"kubelet", n.obj.Name} }

// recorder writes events as the recorders of a real cluster's components do: it counts repeats,
// combines similar events, and drops what one component says too often of one object.
type recorder struct {
	put func(*eventsv1.Event, time.Time)
	uid func() types.UID
	// similarFor and spamRefill in real time: in a day of five minutes, almost everything would
	// be similar or spam by the measure of a real one.
	similarFor, spamRefill time.Duration

	repeats map[repeat]*eventsv1.Event // the last event of each kind, as stored
	similar map[similarity]*similarNotes
	spam    map[topic]*bucket
	last    int64 // Unix nanoseconds in the last event's name
}

// topic is one component on one object.
type topic struct {
	by author
	on reference
}

type similarity struct {
	topic
	reason, kind string
}

type repeat struct {
	similarity
	note string // "": any, the event is a combined one or of the newer recorder
}

type similarNotes struct {
	notes map[string]bool
	last  time.Time
}

type bucket struct {
	tokens float64
	last   time.Time
}

// newRecorder returns a recorder that stores with put. real turns simulated time into real time.
func newRecorder(put func(*eventsv1.Event, time.Time), uid func() types.UID,
	real func(time.Duration) time.Duration) *recorder {
	return &recorder{
		put: put, uid: uid, similarFor: real(similarFor), spamRefill: real(spamRefill),
		repeats: map[repeat]*eventsv1.Event{}, similar: map[similarity]*similarNotes{}, spam: map[topic]*bucket{},
	}
}

// event writes what a component says of an object, with the older recorder. It reports whether it was written.
func (r *recorder) event(by author, on reference, kind, reason, note string, now time.Time) bool {
	tp := topic{by, on}
	if !r.allow(tp, now) {
		return false
	}
	sim := similarity{tp, reason, kind}
	combined := r.combines(sim, note, now)
	k := repeat{sim, note}
	if combined {
		k.note, note = "", "(combined from similar events): "+note
	}
	if old := r.repeats[k]; old != nil {
		e := *old
		e.Note = note
		e.DeprecatedCount++
		e.DeprecatedLastTimestamp = second(now)
		r.repeats[k] = &e
		r.put(&e, now)
		return true
	}
	e := r.blank(on, kind, reason, note, now)
	e.DeprecatedSource = corev1.EventSource{Component: by.component, Host: by.host}
	e.DeprecatedFirstTimestamp, e.DeprecatedLastTimestamp, e.DeprecatedCount = second(now), second(now), 1
	if !combined { // a real one lacks it
		e.ReportingController, e.ReportingInstance = by.component, by.host
	}
	r.repeats[k] = e
	r.put(e, now)
	return true
}

// scheduler writes what the scheduler says of a pod, with the newer recorder.
func (r *recorder) scheduler(on reference, kind, action, reason, note string, now time.Time) {
	k := repeat{similarity: similarity{topic{author{component: "default-scheduler"}, on}, reason, kind}}
	if old := r.repeats[k]; old != nil && now.Sub(old.EventTime.Time) < seriesFor {
		e := *old
		e.Series = &eventsv1.EventSeries{Count: 2, LastObservedTime: metav1.NewMicroTime(now.UTC())}
		if old.Series != nil {
			e.Series.Count = old.Series.Count + 1
		}
		r.repeats[k] = &e
		r.put(&e, now)
		return
	}
	e := r.blank(on, kind, reason, note, now)
	e.EventTime = metav1.NewMicroTime(now.UTC().Truncate(time.Microsecond))
	e.ReportingController, e.ReportingInstance, e.Action = "default-scheduler", schedulerRun, action
	r.repeats[k] = e
	r.put(e, now)
}

// blank is an event without the fields that the recorders fill differently.
func (r *recorder) blank(on reference, kind, reason, note string, now time.Time) *eventsv1.Event {
	e := &eventsv1.Event{
		TypeMeta:   metav1.TypeMeta{Kind: "Event", APIVersion: "events.k8s.io/v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: on.namespace, UID: r.uid(), CreationTimestamp: second(now)},
		Reason:     reason, Note: note, Type: kind,
		Regarding: corev1.ObjectReference{APIVersion: on.apiVersion, Kind: on.kind, Namespace: on.namespace, Name: on.name,
			UID: on.uid, FieldPath: on.fieldPath},
	}
	if e.Namespace == "" {
		e.Namespace = metav1.NamespaceDefault
	}
	if on.name == "" {
		e.Name = string(r.uid()) // Karpenter's events on an object that is gone
		return e
	}
	// Names end in the moment; two at the same one would be the same event.
	r.last = max(r.last+1, now.UnixNano())
	e.Name = on.name + "." + strconv.FormatInt(r.last, 16)
	return e
}

// combines notes a note and reports whether its event becomes part of a combined one.
func (r *recorder) combines(sim similarity, note string, now time.Time) bool {
	s := r.similar[sim]
	if s == nil || now.Sub(s.last) > r.similarFor {
		s = &similarNotes{notes: map[string]bool{}}
		r.similar[sim] = s
	}
	s.last = now
	if s.notes[note] = true; len(s.notes) < similarEvents {
		return false
	}
	delete(s.notes, note)
	return true
}

// allow takes a token from the bucket of a component and an object.
func (r *recorder) allow(tp topic, now time.Time) bool {
	b := r.spam[tp]
	if b == nil {
		b = &bucket{spamBurst, now}
		r.spam[tp] = b
	}
	b.tokens = min(spamBurst, b.tokens+float64(now.Sub(b.last))/float64(r.spamRefill))
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// sweep forgets what no event was like for long. A component's own cache forgets too.
func (r *recorder) sweep(now time.Time) {
	idle := now.Add(-idleFor)
	for k, e := range r.repeats {
		if lastOf(e).Before(idle) {
			delete(r.repeats, k)
		}
	}
	for k, s := range r.similar {
		if s.last.Before(idle) {
			delete(r.similar, k)
		}
	}
	for k, b := range r.spam {
		if b.last.Before(idle) {
			delete(r.spam, k)
		}
	}
}

func lastOf(e *eventsv1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.DeprecatedLastTimestamp.Time
}
