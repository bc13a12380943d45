package alert

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// aNode is the nth of a fleet of alike nodes.
func aNode(n int) fleet.Node {
	return fleet.Node{
		Cluster: "prod", UID: fmt.Sprintf("uid-%d", n), Name: fmt.Sprintf("ip-10-0-%d-%d.ec2.internal", n/250, n%250),
		Provider: "aws", InstanceType: "m5.large", CapacityType: "spot", Zone: "us-east-1" + string(rune('a'+n%2)), Pool: "general", Arch: "amd64",
		Labels: map[string]string{"team": "shop"}, CreatedAt: t0,
		Ready: fleet.Condition{Status: fleet.Ready, Reason: "KubeletReady"},
	}
}

func step(n fleet.Node, id int64, kind fleet.ChangeKind, at time.Duration) fleet.Change {
	return fleet.Change{ID: id, Cluster: n.Cluster, NodeUID: n.UID, NodeName: n.Name, Kind: kind, Occurrence: 1, At: t0.Add(at), Proof: fleet.ProofWatch}
}

func joined(n int, readyAfter time.Duration) fleet.Member {
	node := aNode(n)
	m := fleet.Member{Node: node, Steps: []fleet.Change{step(node, 1, fleet.Joined, 0)}}
	if readyAfter > 0 {
		m.Steps = append(m.Steps, step(node, 2, fleet.BecameReady, readyAfter))
	}
	return m
}

func removed(n int, after time.Duration, reason, note string) fleet.Member {
	node := aNode(n)
	m := fleet.Member{Node: node, RemovedAt: t0.Add(after), Steps: []fleet.Change{step(node, 9, fleet.Removed, after)}}
	if reason != "" {
		m.Evidence = []fleet.Event{{Reason: reason, Note: note, Regarding: fleet.ObjectRef{Kind: "Node", Name: node.Name, UID: node.UID}}}
	}
	return m
}

func many(count int, f func(n int) fleet.Member) []fleet.Member {
	var ms []fleet.Member
	for n := range count {
		ms = append(ms, f(n))
	}
	return ms
}

// Scenes are waves as people see them; the Slack adapter's goldens use the same ones.
func scenes() map[string]fleet.Wave {
	down := aNode(1)
	down.Ready = fleet.Condition{Status: fleet.ReadyUnknown, Reason: "NodeStatusUnknown", Message: "Kubelet stopped posting node status."}
	wentDown := step(down, 3, fleet.WentUnready, time.Hour)
	wentDown.Reason = "NodeStatusUnknown"
	unproven := removed(3, 20*time.Minute, "", "")
	unproven.Steps[0].Proof, unproven.Steps[0].NotBefore = fleet.ProofNone, t0.Add(time.Minute)
	bare := fleet.Member{Node: fleet.Node{Cluster: "prod", UID: "x", Name: "minikube", CreatedAt: t0}}
	bare.Steps = []fleet.Change{step(bare.Node, 1, fleet.Joined, 0)}
	gap := &fleet.Gap{ID: 1, From: t0, Until: t0.Add(19 * time.Minute), Cause: "restart", Missed: true, EventsFrom: t0}
	oldGap := &fleet.Gap{ID: 1, From: t0.Add(-5 * time.Hour), Until: t0.Add(19 * time.Minute), Cause: "restart", Missed: true, EventsFrom: t0.Add(-41 * time.Minute)}
	blind := &fleet.Gap{ID: 1, From: t0, Until: t0.Add(19 * time.Minute), Cause: "watch expired", Missed: true}
	return map[string]fleet.Wave{
		"baseline":         {Kind: fleet.WaveBaseline},
		"joined-one":       {Kind: fleet.WaveJoined, Members: []fleet.Member{joined(1, 0)}},
		"joined-one-ready": {Kind: fleet.WaveJoined, Members: []fleet.Member{joined(1, 41*time.Second)}},
		"joined-unknown":   {Kind: fleet.WaveJoined, Members: []fleet.Member{bare}},
		"joined-three":     {Kind: fleet.WaveJoined, Members: []fleet.Member{joined(1, 41*time.Second), joined(2, 65*time.Second), joined(3, 0)}},
		"joined-fifty":     {Kind: fleet.WaveJoined, Members: many(50, func(n int) fleet.Member { return joined(n, time.Duration(n%45)*time.Second) })},
		"removed-one":      {Kind: fleet.WaveRemoved, Members: []fleet.Member{removed(1, 192*time.Minute, "DisruptionTerminating", "Disrupting Node: Underutilized")}},
		"removed-twelve": {Kind: fleet.WaveRemoved, Members: many(12, func(n int) fleet.Member {
			if n < 3 {
				return removed(n, time.Duration(n+1)*time.Hour, "SpotInterrupted", "Spot interruption warning was triggered")
			}
			return removed(n, time.Duration(n+1)*time.Hour, "DisruptionTerminating", "Disrupting Node: Empty")
		})},
		"not-ready":           {Kind: fleet.WaveNotReady, Members: []fleet.Member{{Node: down, Steps: []fleet.Change{wentDown}}}},
		"not-ready-recovered": {Kind: fleet.WaveNotReady, Members: []fleet.Member{{Node: aNode(1), Steps: []fleet.Change{wentDown, step(down, 4, fleet.Recovered, time.Hour+190*time.Second)}}}},
		"not-ready-then-left": {Kind: fleet.WaveNotReady, Members: []fleet.Member{{Node: down, RemovedAt: t0.Add(2 * time.Hour), Steps: []fleet.Change{wentDown}}}},
		"away":                {Kind: fleet.WaveAway, Gap: gap, Members: []fleet.Member{joined(1, 41*time.Second), joined(2, 0), unproven}},
		"away-came-and-went": {Kind: fleet.WaveAway, Gap: oldGap, Members: []fleet.Member{{Node: fleet.Node{Cluster: "prod", UID: "z", Name: "ip-10-0-9-9"},
			RemovedAt: t0.Add(9 * time.Minute), Steps: []fleet.Change{step(aNode(1), 1, fleet.Joined, time.Minute), step(aNode(1), 2, fleet.Removed, 9*time.Minute)}}}},
		"away-blind": {Kind: fleet.WaveAway, Gap: blind, Members: many(8, func(n int) fleet.Member { return unproven })},
		"catch-up": {Kind: fleet.WaveCatchUp, OpenedAt: t0, LastAt: t0.Add(150 * time.Minute), Members: append(many(5, func(n int) fleet.Member { return joined(n, time.Minute) }),
			removed(8, time.Hour, "", ""), fleet.Member{Node: down, Steps: []fleet.Change{wentDown}})},
		"surge": {Kind: fleet.WaveSurge, Growth: &fleet.Growth{From: 40, To: 140, Over: 10 * time.Minute, Usual: 12}},
		"creep": {Kind: fleet.WaveCreep, Growth: &fleet.Growth{From: 40, To: 60, Over: 30 * time.Hour}},
	}
}

func TestRenderGolden(t *testing.T) {
	groups := []fleet.Group{{InstanceType: "m5.large", CapacityType: "spot", Nodes: 30}, {InstanceType: "c5.xlarge", CapacityType: "on-demand", Nodes: 12}}
	cfg := Config{Labels: []string{"team", "zone", "absent"}}.WithDefaults()
	for name, w := range scenes() {
		w.Cluster = "prod"
		got := Render(w, fleet.Totals{Nodes: 45, Ready: 43}, groups, t0, cfg)
		golden(t, name, fmt.Sprintf("notification: %s\nmetadata: %s, %d nodes\n\n%s", got.Text, got.Kind, got.Nodes, got))
	}
	w := scenes()["joined-fifty"]
	w.Cluster = "prod"
	golden(t, "thread-list", List(w, w.Members[:8], 1).String())
	away := scenes()["away"]
	golden(t, "thread-list-away", List(away, away.Members, 1).String())
	stuck, ok := Stuck(scenes()["joined-three"], cfg)
	if !ok {
		t.Error("a node that is not ready is not called out")
	}
	golden(t, "thread-stuck", stuck.Text+"\n\n"+stuck.String())
	if _, ok := Stuck(scenes()["joined-one-ready"], cfg); ok {
		t.Error("a ready node is called out")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run go test -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Each node's name stands once in what a wave shows: in its main message or in its thread.
func TestEachNameOnce(t *testing.T) {
	for name, w := range scenes() {
		m := Render(w, fleet.Totals{}, nil, t0, Config{}.WithDefaults())
		names := map[string]int{}
		for _, c := range m.Cards {
			names[c.Name]++
		}
		if len(w.Members) > maxInline {
			for _, group := range List(w, w.Members, 1).Table.Names {
				for _, n := range group {
					names[n]++
				}
			}
			continue
		}
		for _, member := range w.Members {
			if names[member.Node.Name] != 1 {
				t.Errorf("%s: %s is named %d times", name, member.Node.Name, names[member.Node.Name])
			}
		}
	}
}

func TestHashIgnoresTotalsOnly(t *testing.T) {
	w := scenes()["joined-three"]
	cfg := Config{}.WithDefaults()
	a, b := Render(w, fleet.Totals{Nodes: 1}, nil, t0, cfg), Render(w, fleet.Totals{Nodes: 2}, nil, t0, cfg)
	if a.Hash() != b.Hash() {
		t.Error("the running totals count as news")
	}
	w.Members = w.Members[:2]
	if c := Render(w, fleet.Totals{Nodes: 1}, nil, t0, cfg); c.Hash() == a.Hash() {
		t.Error("a node less is no news")
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", -time.Second: "0 s", 400 * time.Millisecond: "0 s", 41 * time.Second: "41 s", 190 * time.Second: "3 m 10 s",
		3 * time.Hour: "3 h", 192 * time.Minute: "3 h 12 m", 52 * time.Hour: "2 d 4 h", 24*time.Hour + time.Minute: "1 d",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestCause(t *testing.T) {
	event := func(reason, note, uid string) fleet.Event {
		return fleet.Event{Reason: reason, Note: note, Regarding: fleet.ObjectRef{Kind: "Node", Name: "n", UID: uid}}
	}
	for _, tc := range []struct {
		name   string
		events []fleet.Event
		want   string
	}{
		{"none", nil, ""},
		{"karpenter", []fleet.Event{event("DisruptionTerminating", "Disrupting Node: Drifted", "u")}, "disrupted by Karpenter (drifted)"},
		{"interruption outweighs", []fleet.Event{event("SpotInterrupted", "", "u"), event("DisruptionTerminating", "Disrupting Node: Empty", "u")}, "spot interruption"},
		{"cluster autoscaler", []fleet.Event{event("ScaleDown", "node removed by cluster autoscaler", "u")}, "scaled down by Cluster Autoscaler"},
		{"another life of the name", []fleet.Event{event("ScaleDown", "", "other")}, ""},
		{"a kubelet's UID is the name", []fleet.Event{event("ScaleDown", "", "n")}, "scaled down by Cluster Autoscaler"},
		{"cloud", []fleet.Event{event("DeletingNode", "", "u")}, "gone from the cloud provider"},
	} {
		if got := Cause(tc.events, "u"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
