package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

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
		o := fleet.First(*n, n.CreatedAt)
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

// Of nodes that left only the last ones are looked at, and the answer says since when.
func TestRemovedNodesAreCapped(t *testing.T) {
	shrink(t, &maxGone, 4000)
	l := fresh(t)
	var os []fleet.Observation
	for i := range maxGone + 50 {
		n := fleet.Node{Cluster: "prod", UID: fmt.Sprint("u", i), Name: fmt.Sprintf("gone-%05d", i), CreatedAt: t0,
			Ready: fleet.Condition{Status: fleet.NotReady}}
		os = append(os, fleet.Gone(n, fleet.Known{}, t0.Add(time.Duration(i)*time.Second)))
	}
	record(t, l, "1", os...)
	p, err := l.ListNodes(t.Context(), "prod", query.NodeFilter{Removed: true}, query.SortOldest, 0, 1)
	check(t, err)
	if !p.Capped || p.Total < maxGone || p.Total > maxGone+1 || !p.SearchedTo.Equal(t0.Add(49*time.Second)) ||
		p.Nodes[0].Name < "gone-00049" {
		t.Errorf("%d nodes, capped %v at %v, the oldest %s", p.Total, p.Capped, p.SearchedTo, p.Nodes[0].Name)
	}
	g, err := l.GroupNodes(t.Context(), "prod", query.NodeFilter{Removed: true}, query.ByType, 1)
	check(t, err)
	totals, err := l.CountNodes(t.Context(), "prod", query.NodeFilter{Removed: true})
	check(t, err)
	if !g.Capped || g.Total != p.Total || !totals.Capped || totals.Nodes != p.Total {
		t.Errorf("groups %+v, totals %+v", g, totals)
	}
	p, err = l.ListNodes(t.Context(), "prod", query.NodeFilter{Removed: true, RemovedSince: t0.Add(time.Hour)},
		query.SortOldest, 0, 1)
	check(t, err)
	if p.Capped || p.Total != maxGone+50-3600 {
		t.Errorf("since an hour: %d nodes, capped %v", p.Total, p.Capped)
	}
}

func sum(machines map[fleet.Machine]int) (n int) {
	for _, count := range machines {
		n += count
	}
	return n
}

// Labels come back as they were, also those that no API server would let through.
func TestLabelsRoundTrip(t *testing.T) {
	l := fresh(t)
	odd := map[string]string{`x","a":"`: `1`, `a`: `quo"te\`, "<&>": "<&>", "é": "ü", "": "empty",
		"kubernetes.io/hostname": `h"`}
	fleetOf(t, l, fleet.Node{Name: "n1", Labels: odd}, fleet.Node{Name: "n2"})
	n, _, err := l.Node(t.Context(), "prod", "uid-n1")
	check(t, err)
	if diff := cmp.Diff(odd, n.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for k, v := range odd {
		p, err := l.ListNodes(t.Context(), "prod",
			query.NodeFilter{Labels: []query.LabelRequirement{{Key: k, Operator: query.LabelIn, Values: []string{v}}}},
			query.SortName, 0, 5)
		check(t, err)
		if got := nodeNames(p.Nodes); len(got) != 1 || got[0] != "n1" {
			t.Errorf("%q = %q selects %v", k, v, got)
		}
	}
	// Nodes that share their labels share one row, and a change of labels finds its own.
	for i := range 5 {
		fleetOf(t, l, fleet.Node{Name: fmt.Sprint("s", i),
			Labels: map[string]string{"team": "ml", "kubernetes.io/hostname": fmt.Sprint("s", i)}})
	}
	var rows int
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM label_sets`).Scan(&rows))
	if rows != 3 {
		t.Errorf("%d label sets, want 3", rows)
	}
}
