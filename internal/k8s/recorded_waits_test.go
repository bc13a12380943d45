package k8s

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	why "rollcall/internal/cause"
	"rollcall/internal/fleet"
)

// TestRecordedWaits holds what is said, second by second, of pods that wait in the recorded runs, beside that nodes are
// coming for them: which were refused, why, how many at most, and from when to when.
func TestRecordedWaits(t *testing.T) {
	for name, truth := range map[string]string{
		"replacement": "",
		// The pool batch had its limit from 01:29:08 to 01:30:07. Karpenter says of few pods that it makes a node for them.
		"karpenter": "refused limit Karpenter batch Deployment shop/report, 9 pods 01:29:08–01:30:13",
		// Beyond general's maximum, until web was scaled down; beyond the cluster's total, until others' nodes were gone.
		"cluster-autoscaler": `
refused maximum Cluster Autoscaler  Deployment shop/web, 9 pods 01:31:33–01:33:17
refused total Cluster Autoscaler  Deployment shop/crawl, 4 pods 01:32:29–01:33:47`,
	} {
		t.Run(name, func(t *testing.T) {
			r := readRecording(t, name)
			events := slices.Clone(r.evidence.Events)
			slices.SortStableFunc(events, func(a, b fleet.Event) int { return a.Last.Compare(b.Last) })
			type span struct {
				from, until time.Time
				pods        int
			}
			spans := map[string]*span{}
			var order []string
			waits := map[string]fleet.Wait{}
			next := 0
			for now := events[0].Last; next < len(events); now = now.Add(time.Second) {
				for ; next < len(events) && !events[next].Last.After(now); next++ {
					hear(waits, events[next])
				}
				var open []fleet.Wait
				for _, w := range waits {
					open = append(open, w)
				}
				for _, g := range must(why.Waiting(t.Context(), open, now, &r.evidence)) {
					if g.State != fleet.Refused && g.State != fleet.Overdue {
						continue
					}
					key := strings.Join([]string{string(g.State), string(g.Refusal.Kind), g.Refusal.By, g.Pool, of(g)}, " ")
					s := spans[key]
					if s == nil {
						s = &span{from: now}
						spans[key] = s
						order = append(order, key)
					}
					s.until, s.pods = now, max(s.pods, g.Pods)
				}
			}
			var got []string
			for _, key := range order {
				s := spans[key]
				got = append(got, fmt.Sprintf("%s, %d pods %s–%s", key, s.pods, s.from.Format("15:04:05"),
					s.until.Format("15:04:05")))
			}
			want := strings.Split(strings.TrimSpace(truth), "\n")
			if truth == "" {
				want = nil
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// of names the workloads of a group, in order.
func of(g fleet.Waiting) string {
	var names []string
	for _, f := range g.For {
		names = append(names, f.Kind+" "+f.Namespace+"/"+f.Name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// hear follows the waits of pods through an event, as the ledger does.
func hear(waits map[string]fleet.Wait, e fleet.Event) {
	word, ok := e.OfWait()
	if !ok {
		return
	}
	key := word.Pod.Namespace + "/" + word.Pod.Name
	switch w, known := waits[key]; {
	case word.Deleted > 0:
		var keys []string
		for k, w := range waits {
			if w.Set() == word.Pod.Name && w.Pod.Namespace == word.Pod.Namespace {
				keys = append(keys, k)
			}
		}
		if len(keys) <= word.Deleted {
			for _, k := range keys {
				delete(waits, k)
			}
		}
	case word.Step == fleet.WaitPlaced, word.Step == fleet.WaitGone:
		delete(waits, key)
	case !known && word.Step == fleet.WaitComing:
	case !known:
		waits[key] = fleet.Wait{Pod: word.Pod}.Hear(e, word)
	default:
		waits[key] = w.Hear(e, word)
	}
}
