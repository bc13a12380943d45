package ledger

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// TestRecordedKeeps replays what a real Karpenter wrote into a ledger, in the order of time, with the ends of the
// nodes: what was said of a node that was being ended keeps it no more, and at the end nothing that went is kept.
func TestRecordedKeeps(t *testing.T) {
	f, err := os.Open("../k8s/testdata/recorded/karpenter.jsonl.gz")
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	s := bufio.NewScanner(z)
	s.Buffer(nil, 1<<20)
	var events []fleet.Event
	born := map[string]fleet.Node{}
	for s.Scan() {
		var l struct {
			Object struct {
				Kind     string
				Metadata struct {
					Name, UID         string
					CreationTimestamp time.Time
				}
				Reason, Note, ReportingController string
				Regarding                         struct{ Kind, Namespace, Name, UID string }
				First                             time.Time `json:"deprecatedFirstTimestamp"`
				Last                              time.Time `json:"deprecatedLastTimestamp"`
				Count                             int       `json:"deprecatedCount"`
			}
		}
		check(t, json.Unmarshal(s.Bytes(), &l))
		o := l.Object
		if o.Kind != "Event" {
			born[o.Metadata.Name] = fleet.Node{Cluster: "prod", UID: o.Metadata.UID, Name: o.Metadata.Name,
				CreatedAt: o.Metadata.CreationTimestamp, Ready: fleet.Condition{Status: fleet.Ready}}
			continue
		}
		if o.First.IsZero() {
			o.First, o.Last = o.Metadata.CreationTimestamp, o.Metadata.CreationTimestamp
		}
		events = append(events, fleet.Event{Cluster: "prod", UID: o.Metadata.UID, Reason: o.Reason, Note: o.Note,
			Controller: o.ReportingController, Count: max(1, o.Count), First: o.First, Last: o.Last,
			Regarding: fleet.ObjectRef(o.Regarding)})
	}
	check(t, s.Err())
	slices.SortStableFunc(events, func(a, b fleet.Event) int { return a.Last.Compare(b.Last) })
	l := fresh(t)
	known := map[string]fleet.Observation{}
	record := func(o fleet.Observation, at time.Time) {
		t.Helper()
		check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{o}, At: at}))
	}
	for name, n := range born {
		known[name] = fleet.First(n, n.CreatedAt)
		record(known[name], n.CreatedAt)
	}
	for _, e := range events {
		switch o, ok := known[e.Regarding.Name]; {
		case ok && e.Reason == "DisruptionTerminating":
			n := o.Node
			n.Taints = []fleet.Taint{{Key: "karpenter.sh/disrupted", Effect: "NoSchedule"}}
			if next, ok := fleet.Diff(o.Known, n, fleet.Look{At: e.Last}); ok {
				known[n.Name] = next
				record(next, e.Last)
			}
		case ok && e.Reason == "RemovingNode":
			record(fleet.Gone(o.Node, o.Known, e.Last), e.Last)
			delete(known, e.Regarding.Name)
		}
		check(t, l.RecordEvents(t.Context(), "prod", []fleet.Event{e}, ""))
	}
	start := events[0].First
	var got []string
	for k, err := range l.Keeps(t.Context(), "prod", start, start.Add(time.Hour)) {
		check(t, err)
		parts := strings.Split(strings.TrimPrefix(k.Node, "kwok-"), "-")
		line := strings.Join(parts[:2], "-") + " " + string(k.Kind) + " " + k.Since.UTC().Format("15:04:05")
		if !k.Until.IsZero() {
			line += " until " + k.Until.UTC().Format("15:04:05")
		}
		got = append(got, line)
	}
	slices.Sort(got)
	want := []string{
		"batch-mpr9s PodDisruptionBudget 01:33:12 until 01:34:24",
		"batch-sx5vm PodDisruptionBudget 01:33:12 until 01:34:22",
		"general-d2vl2 pod 01:34:12",
		"general-l748f spot to spot 01:27:39 until 01:31:25",
		"general-np9tw spot to spot 01:27:40 until 01:31:25",
		"general-tpj22 spot to spot 01:39:59",
		"general-vd6nf spot to spot 01:27:39 until 01:31:50",
		"general-vgg6g spot to spot 01:27:09 until 01:32:13",
		"general-zx8dt spot to spot 01:27:39 until 01:31:25",
	}
	if !slices.Equal(got, want) {
		t.Errorf("what keeps nodes:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
