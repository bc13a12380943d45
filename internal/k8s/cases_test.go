package k8s

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	why "rollcall/internal/cause"
	"rollcall/internal/cause/causetest"
	"rollcall/internal/fleet"
)

// place is where a file of a case names a moment, in seconds from the node's end, whole or not: @S-60@, @U+5@.
var place = regexp.MustCompile(`@([SU])([+-]\d+)@`)

// caseFile yields the objects of a file of a case.
func caseFile[T any](t *testing.T, name string, end time.Time) (all []T) {
	t.Helper()
	text := place.ReplaceAllFunc(must(os.ReadFile("testdata/cases/"+name)), func(b []byte) []byte {
		m := place.FindSubmatch(b)
		at := end.Add(time.Duration(must(strconv.Atoi(string(m[2])))) * time.Second)
		if string(m[1]) == "U" {
			return []byte(at.Format(metav1.RFC3339Micro))
		}
		return []byte(at.Format(time.RFC3339))
	})
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(bytes.ReplaceAll(text, []byte("@UID@"), []byte("u1"))), 4096)
	for {
		var o T
		if err := d.Decode(&o); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
}

// asServed is what events.k8s.io/v1 makes of an event that was written through core/v1: kubernetes,
// pkg/apis/events/v1/conversion.go.
func asServed(o corev1.Event) eventsv1.Event {
	return eventsv1.Event{ObjectMeta: o.ObjectMeta, EventTime: o.EventTime, ReportingController: o.ReportingController,
		ReportingInstance: o.ReportingInstance, Action: o.Action, Reason: o.Reason, Regarding: o.InvolvedObject,
		Note: o.Message, Type: o.Type, DeprecatedSource: o.Source, DeprecatedCount: o.Count,
		DeprecatedFirstTimestamp: o.FirstTimestamp, DeprecatedLastTimestamp: o.LastTimestamp}
}

// TestCases holds what is said of nodes whose ends were reported in public, and once told wrong: by events as both
// recorders write them.
func TestCases(t *testing.T) {
	end := time.Date(2026, 11, 26, 10, 2, 0, 0, time.UTC)
	for name, want := range map[string]fleet.Cause{
		// Its own termination of the machine follows: nobody interrupted anything.
		"empty-called-interruption": {Kind: fleet.Empty, By: "Karpenter"},
		"spot-interruption-of-nth":  {Kind: fleet.SpotInterruption},
		"scale-down-given-up":       {}, // for days, until somebody deleted it
		"slow-drain":                {Kind: fleet.Drifted, By: "Karpenter"},
	} {
		for _, recorder := range []string{"events.yaml", "events-core-v1.yaml"} {
			t.Run(name+"/"+recorder, func(t *testing.T) {
				o := caseFile[corev1.Node](t, name+"/node.yaml", end)[0]
				o.UID, o.CreationTimestamp = "u1", metav1.NewTime(end.Add(-100*time.Hour))
				n := look("prod", &o, nil)
				keep(&n)
				var objects []eventsv1.Event
				if recorder == "events.yaml" {
					objects = caseFile[eventsv1.Event](t, name+"/"+recorder, end)
				} else {
					for _, o := range caseFile[corev1.Event](t, name+"/"+recorder, end) {
						objects = append(objects, asServed(o))
					}
				}
				if len(objects) < 2 {
					t.Fatalf("only %d events", len(objects))
				}
				evidence := causetest.Evidence{Nodes: []fleet.Node{n}}
				for i := range objects {
					o := &objects[i]
					o.CreationTimestamp = metav1.NewTime(end)
					e := event("prod", o, end)
					if e.UID = o.Name; !e.Scaling() && o.Reason != "NodeNotReady" {
						t.Errorf("%s is not kept with the story of autoscaling", o.Reason)
					}
					evidence.Events = append(evidence.Events, e)
				}
				e := must(why.Went(t.Context(), n, end, &evidence))
				if diff := gocmp.Diff(want, e.Cause); diff != "" {
					t.Errorf("why it left (-want +got):\n%s", diff)
				}
			})
		}
	}
}
