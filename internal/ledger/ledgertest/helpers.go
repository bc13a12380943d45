package ledgertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

var t0 = time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func node(n int) fleet.Node {
	return fleet.Node{
		Cluster: "prod", UID: fmt.Sprintf("uid-%d", n), Name: fmt.Sprintf("node-%d", n), Provider: "aws",
		InstanceType: "m5.large", CapacityType: "spot",
		Zone: "us-east-1a", Region: "us-east-1", Pool: "general", Arch: "amd64", OS: "linux",
		Terms:  fleet.EKSAutoFee,
		Labels: map[string]string{"a": "b"}, CreatedAt: t0,
		Detail: fleet.Detail{ProviderID: "aws:///us-east-1a/i-1", KubeletVersion: "v1.36.3",
			Taints:   []fleet.Taint{{Key: "k", Effect: "NoSchedule"}},
			Capacity: fleet.Resources{MilliCPU: 2000, Memory: 8 << 30, Pods: 29, GPUs: 1}},
		Ready: fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Since: t0},
	}
}

func first(n int) fleet.Observation { return fleet.First(node(n), t0) }

// ready is the observation that follows first.
func ready(t testing.TB, n int) fleet.Observation {
	node := node(n)
	node.Ready = fleet.Condition{Status: fleet.Ready, Reason: "KubeletReady", Since: t0.Add(41 * time.Second)}
	o, ok := fleet.Diff(first(n).Known, node, fleet.Look{At: t0.Add(42 * time.Second)})
	if !ok {
		t.Fatal("a node that became ready is no change")
	}
	return o
}

func record(t testing.TB, l *ledger.Ledger, rv string, os ...fleet.Observation) {
	t.Helper()
	check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", Observations: os, ResourceVersion: rv, At: t0}))
}

func todoIDs(t testing.TB, l *ledger.Ledger) (kinds []string) {
	t.Helper()
	todo, _, err := l.Todo(t.Context(), "prod", 1000)
	check(t, err)
	for _, td := range todo {
		kinds = append(kinds, td.Change.NodeName+" "+string(td.Change.Kind))
	}
	return kinds
}

// waveOf returns a wave that is not done, with its members.
func waveOf(t *testing.T, l *ledger.Ledger, id int64) wave.Wave {
	t.Helper()
	for _, w := range must[[]wave.Wave](t)(l.LiveWaves(t.Context(), "prod")) {
		if w.ID == id {
			w.Members = must[[]wave.Member](t)(l.Members(t.Context(), id))
			return w
		}
	}
	t.Fatalf("wave %d is not live", id)
	return wave.Wave{}
}

// backlog is how many changes are untold.
func backlog(t *testing.T, l *ledger.Ledger) int {
	t.Helper()
	n, _, err := l.Backlog(t.Context(), "prod")
	check(t, err)
	return n
}

// scalingEvents returns the scaling events of a cluster, the newest first.
func scalingEvents(t *testing.T, l *ledger.Ledger) []fleet.Event {
	t.Helper()
	return must[query.EventPage](t)(l.Events(t.Context(), "prod", query.EventFilter{Scaling: true}, query.EventCursor{},
		10)).Events
}

func event(uid string, count int, last time.Duration) fleet.Event {
	return fleet.Event{Cluster: "prod", UID: uid, Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web"},
		Reason: "Started", Type: "Normal",
		Note: "Started container", Count: count, First: t0, Last: t0.Add(last)}
}

func mute(request string) wave.Mute {
	return wave.Mute{Request: request, Cluster: "prod", Scope: wave.MutePool, Value: "batch", By: "U1", ByName: "ada",
		Channel: "C1", At: t0, Until: t0.Add(time.Hour)}
}

// muteElsewhere is a mute of another pool.
func muteElsewhere(request string) wave.Mute {
	m := mute(request)
	m.Value = "web"
	return m
}

// fleetOf records nodes: n1 is the oldest. Those whose name begins with "gone" have left, an
// hour after they came.
func fleetOf(t testing.TB, l *ledger.Ledger, nodes ...fleet.Node) {
	t.Helper()
	var os []fleet.Observation
	for i := range nodes {
		n := &nodes[i]
		n.Cluster = "prod"
		if n.UID == "" {
			n.UID = "uid-" + n.Name
		}
		if n.CreatedAt.IsZero() {
			n.CreatedAt = t0.Add(time.Duration(i) * time.Minute)
		}
		if n.Ready.Status == "" {
			n.Ready = fleet.Condition{Status: fleet.Ready, Since: n.CreatedAt.Add(time.Minute)}
		}
		o := fleet.First(*n, fleet.Latest(n.CreatedAt, n.Ready.Since))
		os = append(os, o)
		if strings.HasPrefix(n.Name, "gone") {
			os = append(os, fleet.Gone(*n, o.Known, n.CreatedAt.Add(time.Hour)))
		}
	}
	record(t, l, "1", os...)
}

func nodeNames(nodes []query.NodeRecord) (names []string) {
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

// some is a fleet with something of everything.
func some() []fleet.Node {
	mk := func(name, itype, zone, pool, capacity, arch string, labels map[string]string) fleet.Node {
		return fleet.Node{Name: name, InstanceType: itype, Zone: zone, Pool: pool, CapacityType: capacity, Arch: arch,
			Labels: labels}
	}
	ns := []fleet.Node{
		mk("n1", "m5.large", "a", "general", "spot", "amd64",
			map[string]string{"team": "ml", "kubernetes.io/hostname": "n1", "gen": "5"}),
		mk("n2", "m5.xlarge", "b", "general", "on-demand", "amd64",
			map[string]string{"team": "shop", "kubernetes.io/hostname": "n2", "gen": "7"}),
		mk("n3", "c6g.large", "a", "batch", "spot", "arm64",
			map[string]string{"team": "ml", "canary": "", "kubernetes.io/hostname": "host_3"}),
		mk("n4", "", "", "", "", "", nil),
		mk("gone1", "m5.large", "a", "general", "spot", "amd64", map[string]string{"team": "ml"}),
		mk("gone2", "m5.large", "b", "batch", "on-demand", "amd64", map[string]string{"team": "ads"}),
	}
	ns[1].Cordoned = true
	ns[2].Ready = fleet.Condition{Status: fleet.ReadyUnknown, Reason: "NodeStatusUnknown", Since: t0.Add(3 * time.Minute)}
	return ns
}

// all collects a scan.
func all[T any](t *testing.T, scan func(func(T, error) bool)) (vs []T) {
	t.Helper()
	for v, err := range scan {
		check(t, err)
		vs = append(vs, v)
	}
	return vs
}

func uidsOf(events []fleet.Event) (uids []string) {
	for _, e := range events {
		uids = append(uids, e.UID)
	}
	return uids
}

func sum(machines map[fleet.Machine]int) (n int) {
	for _, count := range machines {
		n += count
	}
	return n
}
