package k8s

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	why "rollcall/internal/cause"
	"rollcall/internal/cause/causetest"
	"rollcall/internal/fleet"
)

// recording is what a real control plane and a real autoscaler wrote, read by the code that reads a cluster's.
type recording struct {
	evidence causetest.Evidence
	nodes    []fleet.Node // as last seen, in the order in which they came
	readyAt  map[string]time.Time
	goneAt   map[string]time.Time
}

func readRecording(t *testing.T, name string) (r recording) {
	t.Helper()
	file := must(os.Open("testdata/recorded/" + name + ".jsonl.gz"))
	defer file.Close()
	s := bufio.NewScanner(must(gzip.NewReader(file)))
	s.Buffer(nil, 1<<20)
	r.readyAt, r.goneAt = map[string]time.Time{}, map[string]time.Time{}
	last := map[string]fleet.Node{}
	events := map[string]fleet.Event{} // a combined event names another object with each of its notes
	for s.Scan() {
		var l struct {
			Type   string
			Object json.RawMessage
		}
		ok(t, json.Unmarshal(s.Bytes(), &l))
		if strings.Contains(string(l.Object), `"kind":"Event"`) {
			var o eventsv1.Event
			ok(t, json.Unmarshal(l.Object, &o))
			e := event("prod", &o, o.CreationTimestamp.Add(time.Hour))
			events[e.UID+e.Note] = e
			continue
		}
		var o corev1.Node
		ok(t, json.Unmarshal(l.Object, &o))
		n := look("prod", &o, nil)
		keep(&n)
		if _, known := last[n.UID]; !known {
			r.nodes = append(r.nodes, n)
		}
		last[n.UID] = n
		if n.Ready.Status == fleet.Ready && r.readyAt[n.UID].IsZero() {
			r.readyAt[n.UID] = n.Ready.Since
		}
		if l.Type == "DELETED" {
			r.goneAt[n.UID] = time.Time{}
		}
	}
	ok(t, s.Err())
	for i := range r.nodes {
		r.nodes[i] = last[r.nodes[i].UID]
	}
	r.evidence.Nodes = r.nodes
	r.evidence.Events = slices.SortedFunc(maps.Values(events), func(a, b fleet.Event) int {
		return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.UID+a.Note, b.UID+b.Note))
	})
	for _, e := range r.evidence.Events {
		for _, n := range r.nodes {
			if _, gone := r.goneAt[n.UID]; gone && e.Reason == "RemovingNode" && e.Regarding.Name == n.Name {
				r.goneAt[n.UID] = e.First
			}
		}
	}
	return r
}

// short is a node's name without what KWOK adds to it.
func short(name string) string {
	parts := strings.Split(strings.TrimPrefix(name, "kwok-"), "-")
	return strings.Join(parts[:2], "-")
}

// TestRecordedCauses holds that of each node of the recorded runs the cause is told that is true of it: what was done
// is in the script of each, and what the streams prove of it was found by hand.
func TestRecordedCauses(t *testing.T) {
	for name, truth := range map[string]string{
		// The node that was there before has no evidence of its coming.
		"replacement": `
default-rhr4q came demand Karpenter Deployment default/web: its HPA went from 12 to 60 (below its minimum), 12 pods
default-rhr4q went empty Karpenter
default-2mhpj came demand Karpenter Deployment default/batch: scaled from 0 to 5, 5 pods
default-2mhpj went underutilized Karpenter; default-k2fnq
default-rhzr5 came nothing
default-rhzr5 went underutilized Karpenter
default-k2fnq came replacement Karpenter underutilized; default-2mhpj`,
		// batch-sx5vm and batch-mpr9s drifted together, and which of them batch-2kpnm replaces is not known. brief-25wrj
		// expired, of which no event tells; brief-bnhq5 took its pods, which nobody had scaled. general-tpj22 took the
		// pods of a node that was deleted by hand.
		"karpenter": `
general-vgg6g came demand Karpenter Deployment shop/web: scaled from 0 to 6, 6 pods
general-vgg6g went drift Karpenter; general-d2vl2
general-np9tw came demand Karpenter Deployment shop/web: its HPA went from 6 to 30 (below its minimum), 12 pods
general-np9tw went empty Karpenter
general-vd6nf came demand Deployment shop/web: its HPA went from 6 to 30 (below its minimum), 3 pods
general-vd6nf went underutilized Karpenter
general-l748f came demand Karpenter Deployment shop/web: its HPA went from 6 to 30 (below its minimum), 9 pods
general-l748f went empty Karpenter
general-zx8dt came demand Deployment shop/web: its HPA went from 6 to 30 (below its minimum), 6 pods
general-zx8dt went empty Karpenter
batch-sx5vm came demand Karpenter Job shop/train, 4 pods
batch-sx5vm went drift Karpenter
batch-mpr9s came demand Karpenter Job shop/train, 4 pods
batch-mpr9s went drift Karpenter
batch-7chvd came demand Karpenter Deployment shop/report: scaled from 0 to 20, 5 pods
batch-7chvd went empty Karpenter
batch-4qpng came demand Karpenter Deployment shop/report: scaled from 0 to 20, 2 pods
batch-4qpng went empty Karpenter
batch-4n6zp came demand Deployment shop/report: scaled from 0 to 20, 1 pods
batch-4n6zp went underutilized Karpenter
batch-ns8bm came demand Karpenter Deployment shop/report: scaled from 0 to 20, 7 pods
batch-ns8bm went empty Karpenter
general-d2vl2 came replacement Karpenter drifted; general-vgg6g
batch-2kpnm came replacement Karpenter drifted
batch-2kpnm went underutilized Karpenter
batch-fvpcb came demand Karpenter StatefulSet shop/db, 3 pods
brief-25wrj came demand Karpenter Deployment shop/brief: scaled from 0 to 2, 2 pods
brief-25wrj went reason not said Karpenter
general-tpj22 came demand Karpenter Deployment shop/web, 4 pods
brief-bnhq5 came demand Karpenter Deployment shop/brief, 2 pods`,
		// spot-q9lvj was made for crawl, and got none of its pods while it was new.
		"cluster-autoscaler": `
general-274gw came demand Cluster Autoscaler Deployment shop/web: scaled from 0 to 10, 3 pods
general-tvrpq came demand Cluster Autoscaler Deployment shop/web: scaled from 0 to 10, 3 pods
general-tvrpq went underutilized Cluster Autoscaler
general-mkrds came demand Cluster Autoscaler Deployment shop/web: scaled from 0 to 10, 2 pods
general-mkrds went underutilized Cluster Autoscaler
general-jlgnq came demand Cluster Autoscaler Deployment shop/web: scaled from 0 to 10, 2 pods
general-jlgnq went empty Cluster Autoscaler
general-7hddm came demand Cluster Autoscaler Deployment shop/web: scaled from 10 to 40, 4 pods
general-7hddm went empty Cluster Autoscaler
general-2m4zr came demand Cluster Autoscaler Deployment shop/web: scaled from 10 to 40, 4 pods
general-2m4zr went empty Cluster Autoscaler
general-x4vf9 came demand Cluster Autoscaler Deployment shop/web: scaled from 10 to 40, 4 pods
general-x4vf9 went empty Cluster Autoscaler
spot-fp6cx came demand Cluster Autoscaler Deployment shop/crawl: scaled from 0 to 16, 1 pods
spot-q9lvj came demand Cluster Autoscaler Deployment shop/crawl: scaled from 0 to 16
spot-q9lvj went empty Cluster Autoscaler
spot-f9jmp came demand Cluster Autoscaler Deployment shop/crawl: scaled from 0 to 16, 1 pods
spot-f9jmp went empty Cluster Autoscaler
spot-5qvwh came demand Cluster Autoscaler Deployment shop/crawl: scaled from 0 to 16, 4 pods
spot-5qvwh went empty Cluster Autoscaler`,
	} {
		t.Run(name, func(t *testing.T) {
			r := readRecording(t, name)
			var got []string
			say := func(n fleet.Node, what string, e fleet.Explanation) {
				var line strings.Builder
				line.WriteString(strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", short(n.Name), what, cmp.Or(e.Kind, "nothing"), e.By)), " "))
				if e.For.Name != "" {
					line.WriteString(fmt.Sprintf(" %s %s/%s", e.For.Kind, e.For.Namespace, e.For.Name))
					if e.Why != "" {
						line.WriteString(":")
					}
				}
				if e.Why != "" {
					line.WriteString(" " + e.Why)
				}
				if e.Pods > 0 {
					line.WriteString(fmt.Sprintf(", %d pods", e.Pods))
				}
				for _, other := range e.Nodes {
					line.WriteString("; " + short(other))
				}
				if len(e.Chain) == 0 != e.IsZero() {
					line.WriteString(" without a chain")
				}
				got = append(got, line.String())
			}
			for _, n := range r.nodes {
				say(n, "came", must(why.Came(t.Context(), n, r.readyAt[n.UID], time.Time{}, &r.evidence)))
				if at, gone := r.goneAt[n.UID]; gone {
					say(n, "went", must(why.Went(t.Context(), n, at, &r.evidence)))
				}
			}
			if diff := gocmp.Diff(strings.Split(strings.TrimSpace(truth), "\n"), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
