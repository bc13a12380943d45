package deliver

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
)

// BenchmarkExplain: why each of 5,000 nodes came, for one Deployment with 50,000 pods, and why it went, with the events
// that recorders let through: of a pod that it found no room and where it was assigned, and one of ten that it was
// nominated.
func BenchmarkExplain(b *testing.B) {
	const nodes, podsEach = 5000, 10
	t0 := time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)
	l, err := ledger.Open(b.Context(), filepath.Join(b.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	event := func(of fleet.ObjectRef, controller, reason, note string, at time.Duration) fleet.Event {
		n++
		return fleet.Event{Cluster: "prod", UID: fmt.Sprint("e", n), Regarding: of, Reason: reason, Type: "Normal", Note: note,
			Controller: controller, Count: 1, First: t0.Add(at), Last: t0.Add(at)}
	}
	shop := func(kind, name string) fleet.ObjectRef {
		return fleet.ObjectRef{Kind: kind, Namespace: "shop", Name: name, UID: kind + name}
	}
	check(l.RecordEvents(b.Context(), "prod", []fleet.Event{
		event(shop("HorizontalPodAutoscaler", "web"), "horizontal-pod-autoscaler", "SuccessfulRescale",
			"New size: 50000; reason: cpu resource utilization (percentage of request) above target", -61*time.Second),
		event(shop("Deployment", "web"), "deployment-controller", "ScalingReplicaSet",
			"Scaled up replica set web-5d from 10 to 50000", -60*time.Second),
		event(shop("ReplicaSet", "web-5d"), "replicaset-controller", "SuccessfulCreate",
			"(combined from similar events): Created pod: web-5d-00001", -50*time.Second),
	}, "1"))
	var observed []fleet.Observation
	for i := range nodes {
		claim := fleet.ObjectRef{Kind: "NodeClaim", Name: fmt.Sprintf("general-%05d", i), UID: fmt.Sprint("c", i)}
		node := fleet.Node{Cluster: "prod", UID: fmt.Sprint("uid-", i), Name: fmt.Sprint("node-", i), Pool: "general",
			CreatedAt: t0, Ready: fleet.Condition{Status: fleet.Ready, Since: t0.Add(40 * time.Second)}}
		node.Owner = claim
		o := fleet.First(node, t0.Add(41*time.Second))
		observed = append(observed, o, fleet.Gone(node, o.Known, t0.Add(time.Hour)))
		events := []fleet.Event{event(fleet.ObjectRef{Kind: "Node", Name: node.Name, UID: node.UID}, "karpenter",
			"DisruptionTerminating", "Disrupting Node: Empty", time.Hour-time.Minute),
			event(claim, "karpenter", "DisruptionTerminating", "Disrupting NodeClaim: Empty", time.Hour-time.Minute)}
		for p := range podsEach {
			pod := shop("Pod", fmt.Sprintf("web-5d-%05d", i*podsEach+p))
			events = append(events,
				event(pod, "default-scheduler", "FailedScheduling", "0/10 nodes are available: 10 Insufficient cpu.", -40*time.Second),
				event(pod, "default-scheduler", "Scheduled", "Successfully assigned shop/"+pod.Name+" to "+node.Name,
					45*time.Second))
			if p == 0 {
				events = append(events, event(pod, "karpenter", "Nominated", "Pod should schedule on: nodeclaim/"+claim.Name,
					-30*time.Second))
			}
		}
		check(l.RecordEvents(b.Context(), "prod", events, "1"))
	}
	check(l.RecordNodes(b.Context(), fleet.Batch{Cluster: "prod", Observations: observed, ResourceVersion: "1", At: t0}))
	why := Explainer{}.withDefaults()
	b.ResetTimer()
	explained, goes := 0, 0
	for b.Loop() {
		now := t0.Add(2 * time.Hour)
		due, err := l.Unexplained(b.Context(), "prod", now, explainLimit)
		check(err)
		evidence := remember(l.Evidence("prod"))
		for _, u := range due {
			e, err := why.look(b.Context(), u, evidence, now)
			check(err)
			if e.IsZero() {
				b.Fatalf("nothing explains that %s %s", u.Node.Name, u.Change.Kind)
			}
			explained++
		}
		goes++
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(max(1, explained)), "µs/node")
	b.ReportMetric(float64(explained)/float64(goes), "nodes/go")
}
