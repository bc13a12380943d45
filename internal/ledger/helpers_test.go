package ledger

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

var t0 = time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)

func open(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), path, Options{LockWait: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func fresh(t testing.TB) *Ledger { return open(t, filepath.Join(t.TempDir(), "rollcall.db")) }

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

// shrink makes a limit smaller for a test, which takes long with the real one.
func shrink(t *testing.T, limit *int, to int) {
	saved := *limit
	*limit = to
	t.Cleanup(func() { *limit = saved })
}

func node(n int) fleet.Node {
	return fleet.Node{
		Cluster: "prod", UID: fmt.Sprintf("uid-%d", n), Name: fmt.Sprintf("node-%d", n), Provider: "aws",
		InstanceType: "m5.large", CapacityType: "spot",
		Zone: "us-east-1a", Region: "us-east-1", Pool: "general", Arch: "amd64", OS: "linux",
		Labels: map[string]string{"a": "b"}, CreatedAt: t0,
		Detail: fleet.Detail{ProviderID: "aws:///us-east-1a/i-1", KubeletVersion: "v1.36.3",
			Taints:   []fleet.Taint{{Key: "k", Effect: "NoSchedule"}},
			Capacity: fleet.Resources{MilliCPU: 2000, Memory: 8 << 30, Pods: 29}},
		Ready: fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Since: t0},
	}
}

func first(n int) fleet.Observation { return fleet.First(node(n), t0) }

func record(t testing.TB, l *Ledger, rv string, os ...fleet.Observation) {
	t.Helper()
	check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", Observations: os, ResourceVersion: rv, At: t0}))
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

// fleetOf records nodes: n1 is the oldest. Those whose name begins with "gone" have left, an
// hour after they came.
func fleetOf(t testing.TB, l *Ledger, nodes ...fleet.Node) {
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

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
