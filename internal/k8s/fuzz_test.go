package k8s

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"rollcall/internal/fleet"
)

// canned is an API server that answers everything with the same bytes.
type canned struct {
	body []byte
	json bool
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	kind := runtime.ContentTypeJSON
	if !c.json {
		kind = runtime.ContentTypeProtobuf
		if r.URL.Query().Has("watch") {
			kind += ";stream=watch"
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {kind}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(c.body))}, nil
}

func (c canned) client(t *testing.T) *Client {
	return must(NewClient(&rest.Config{Host: "http://api.example", Transport: c}, "test"))
}

// allocated is how many bytes were allocated on the heap until now.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// checkMemory checks that reading a body took memory in proportion to it. Two bytes of protobuf may be an empty Node
// of a list, which has about 1 kB; the list grows by doubling.
func checkMemory(t *testing.T, body []byte, before uint64) {
	t.Helper()
	if used := allocated() - before; used > 4<<20+4096*uint64(len(body)) {
		t.Errorf("%d bytes took %d bytes of memory", len(body), used)
	}
}

// FuzzWatch feeds the frames of a watch, as any API server may send them, to what the two watches do with theirs.
func FuzzWatch(f *testing.F) {
	for _, file := range []string{"testdata/nodes.jsonl", "testdata/events.jsonl"} {
		lines := bytes.SplitAfter(must(os.ReadFile(file)), []byte("\n"))
		f.Add(bytes.Join(lines[:3], nil), true)
		f.Add(lines[len(lines)-2], true)
	}
	f.Add([]byte(`{"type":"BOOKMARK","object":{"kind":"Node","apiVersion":"v1","metadata":{"resourceVersion":"3100",`+
		`"annotations":{"k8s.io/initial-events-end":"true"}}}}`), true)
	f.Add([]byte(`{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",`+
		`"message":"too old resource version: 5 (9)","reason":"Expired","code":410}}`), true)
	f.Add([]byte(`{"type":"ADDED","object":{"kind":"Node","apiVersion":"v1","metadata":{"uid":"u","name":"n",`+
		`"creationTimestamp":"9999-12-31T23:59:59-12:00"},"status":{"capacity":{"cpu":"1e30","memory":"-5Ei"}}}}`), true)
	core, recorded := corev1.SchemeGroupVersion, eventsv1.SchemeGroupVersion
	node, raw := heartbeat(f)
	f.Add(raw, false)
	moved := node.DeepCopy()
	moved.Spec.Unschedulable = true
	moved.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse,
		Reason: "Kubelet\xff", Message: "\xc3", LastTransitionTime: metav1.Unix(1<<60, 0)}}
	f.Add(append(raw, frame(f, core, watch.Modified, moved)...), false)
	f.Add(append(raw, frame(f, core, watch.Deleted, moved)...), false)
	f.Add(frame(f, core, watch.Error, &metav1.Status{Code: 410, Reason: metav1.StatusReasonExpired}), false)
	f.Add(frame(f, recorded, watch.Added, &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{UID: "e"}, Note: "\xff\x00",
		EventTime: metav1.NewMicroTime(time.Unix(-1<<60, 0)), DeprecatedCount: -1,
		Series: &eventsv1.EventSeries{Count: 7, LastObservedTime: micro(0)}}), false)
	f.Fuzz(func(t *testing.T, body []byte, asJSON bool) {
		var first []fleet.Observation
		for range 2 {
			found := readFrames(t, body, asJSON)
			if first != nil && !cmp.Equal(first, found) {
				t.Fatalf("read twice, the frames tell different things:\n%s", cmp.Diff(first, found))
			}
			first = found
		}
	})
}

// readFrames reads a watch to its end, and returns what there is to record of nodes.
func readFrames(t *testing.T, body []byte, asJSON bool) (found []fleet.Observation) {
	c := canned{body, asJSON}.client(t)
	n := nodeWatch{cluster: "prod", store: newMemory(), known: map[string]fleet.Known{}}
	before := allocated()
	s, err := open(t.Context(), c.core, nodes, "1", defaultTiming)
	if err != nil {
		checkText(t, "an error", err.Error())
		return nil
	}
	defer s.stop()
	for frame := range s.ResultChan() {
		switch o := frame.Object.(type) {
		case *corev1.Node:
			var obs *fleet.Observation
			if frame.Type == watch.Deleted {
				obs = n.gone(o, noon)
			} else {
				obs = must(n.compare(t.Context(), o, fleet.Look{At: noon}))
			}
			if obs == nil {
				continue
			}
			checkObservation(t, obs)
			n.remember(obs)
			found = append(found, *obs)
			if frame.Type != watch.Deleted && must(n.compare(t.Context(), o, fleet.Look{At: noon})) != nil {
				t.Fatalf("the same node once more is a change: %+v", obs)
			}
		case *eventsv1.Event:
			e := event("prod", o, noon)
			checkEvent(t, e)
			if again := event("prod", o, noon); again != e {
				t.Fatalf("an event is converted to %+v and to %+v", e, again)
			}
		default:
			if frame.Type == watch.Error {
				checkText(t, "an error", watchError(nodes, o).Error())
			}
		}
	}
	checkMemory(t, body, before)
	return found
}

// FuzzPage feeds a page of a list, as any API server may send it, to what the two watches do with theirs.
func FuzzPage(f *testing.F) {
	_, ns := frames[corev1.Node](f, "testdata/nodes.jsonl")
	_, es := frames[eventsv1.Event](f, "testdata/events.jsonl")
	nodes := corev1.NodeList{TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"},
		ListMeta: metav1.ListMeta{ResourceVersion: "3100", Continue: "more"}, Items: []corev1.Node{*ns[0], *ns[2]}}
	events := eventsv1.EventList{TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "events.k8s.io/v1"},
		ListMeta: metav1.ListMeta{ResourceVersion: "3100"}, Items: []eventsv1.Event{*es[0], *es[len(es)-1]}}
	for _, seed := range []struct {
		list    runtime.Object
		version schema.GroupVersion
	}{{&nodes, corev1.SchemeGroupVersion}, {&events, eventsv1.SchemeGroupVersion},
		{&metav1.Status{Status: metav1.StatusFailure, Code: 410, Message: "\xff"}, metav1.SchemeGroupVersion}} {
		for _, kind := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf} {
			info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), kind)
			page := must(runtime.Encode(codecs.EncoderForVersion(info.Serializer, seed.version), seed.list))
			f.Add(page, kind == runtime.ContentTypeJSON)
		}
	}
	f.Add([]byte(`{"kind":"NodeList","apiVersion":"v1","items":[{},{"status":{"capacity":{"cpu":"","memory":"x"}}}]}`),
		true)
	f.Add([]byte(`{"kind":"NodeList","apiVersion":"v1","items":[null,{"metadata":{"uid":"u"}},{"metadata":{"uid":"u"}}]}`),
		true)
	f.Fuzz(func(t *testing.T, body []byte, asJSON bool) {
		c := canned{body, asJSON}.client(t)
		timing := defaultTiming
		w := nodeWatch{cluster: "prod", client: c, timing: &timing, store: newMemory(), known: map[string]fleet.Known{}}
		before := allocated()
		if p, _, err := w.listing().page(t.Context(), 10, ""); err != nil {
			checkText(t, "an error", (&requestError{"list", resource{"nodes", ""}, err}).Error())
		} else {
			for i := range p.Items {
				obs := must(w.compare(t.Context(), &p.Items[i], fleet.Look{At: noon}))
				if obs == nil {
					continue
				}
				checkObservation(t, obs)
				w.remember(obs)
				sum := fleet.Fingerprint(&obs.Node)
				sharer{}.labels(&obs.Node)
				if fleet.Fingerprint(&obs.Node) != sum {
					t.Fatalf("a node that is kept is another one: %+v", obs)
				}
			}
		}
		checkMemory(t, body, before)
		before = allocated()
		ew := eventWatch{cluster: "prod", client: c, timing: &timing}
		p, _, err := ew.listing(context.Background()).page(t.Context(), 10, "")
		for i := range p.Items {
			if err == nil {
				checkEvent(t, event("prod", &p.Items[i], noon))
			}
		}
		checkMemory(t, body, before)
	})
}

// checkObservation checks what is to be recorded of a node.
func checkObservation(t *testing.T, o *fleet.Observation) {
	t.Helper()
	n := &o.Node
	for what, text := range map[string]string{"UID": n.UID, "name": n.Name, "architecture": n.Arch, "system": n.OS,
		"provider ID": n.ProviderID, "kubelet": n.KubeletVersion, "reason": n.Ready.Reason, "message": n.Ready.Message,
		"type": n.InstanceType, "capacity": n.CapacityType, "zone": n.Zone, "region": n.Region, "pool": n.Pool,
		"provider": n.Provider} {
		checkText(t, what, text)
	}
	for k, v := range n.Labels {
		checkText(t, "label", k+v)
	}
	for _, taint := range n.Taints {
		checkText(t, "taint", taint.Key+taint.Value+taint.Effect)
	}
	checkTime(t, "its beginning", n.CreatedAt)
	checkTime(t, "its state", n.Ready.Since)
	for _, c := range o.Changes {
		if c.Kind == "" || c.Proof == "" || c.Occurrence < 1 || c.At.IsZero() || c.NodeUID != n.UID || c.NodeName != n.Name {
			t.Fatalf("a change of %+v: %+v", n, c)
		}
		checkText(t, "reason", c.Reason)
		checkTime(t, string(c.Kind), c.At)
	}
	if o.Changes != nil && o.Changes[0].Kind == fleet.Removed {
		return // what is known is from before
	}
	same := *n
	same.Ready.Since = time.Time{} // as the object has it, which is not what is accepted of it
	if claim := o.Known.ReadyClaim; claim != 0 {
		same.Ready.Since = time.Unix(claim, 0).UTC()
	}
	if again, ok := fleet.Diff(o.Known, same, fleet.Look{At: noon}); ok {
		t.Fatalf("a node differs from itself: %+v", again)
	}
}

// checkEvent checks what is to be recorded of an event.
func checkEvent(t *testing.T, e fleet.Event) {
	t.Helper()
	for what, text := range map[string]string{"UID": e.UID, "kind": e.Regarding.Kind, "namespace": e.Regarding.Namespace,
		"name": e.Regarding.Name, "object": e.Regarding.UID, "reason": e.Reason, "type": e.Type, "note": e.Note,
		"controller": e.Controller} {
		checkText(t, what, text)
	}
	checkTime(t, "first", e.First)
	checkTime(t, "last", e.Last)
	if e.Count < 1 || e.Last.Before(e.First) || len(e.Note) > maxNote {
		t.Fatalf("an event: %+v", e)
	}
}

func checkText(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		t.Fatalf("%s is no text: %q", what, text)
	}
}

// checkTime checks that a moment is unknown, or one that the ledger and Slack can write.
func checkTime(t *testing.T, what string, at time.Time) {
	t.Helper()
	if !at.IsZero() && (at.Year() < 1 || at.Year() > 9999 || at.Location() != time.UTC) {
		t.Fatalf("the time of %s is %s", what, at)
	}
}
