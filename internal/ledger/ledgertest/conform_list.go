package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

func listNodes(t *testing.T, fresh Open) {
	l := fresh(t)
	fleetOf(t, l, some()...)
	record(t, l, "2", fleet.First(fleet.Node{Cluster: "other", UID: "x", Name: "n9", CreatedAt: t0}, t0))
	label := func(key string, op query.LabelOperator, values ...string) query.NodeFilter {
		return query.NodeFilter{Labels: []query.LabelRequirement{{Key: key, Operator: op, Values: values}}}
	}
	for _, tc := range []struct {
		name   string
		filter query.NodeFilter
		sort   query.NodeSort
		want   string
	}{
		{"everything, newest first", query.NodeFilter{}, query.SortNewest, "n4 n3 n2 n1"},
		{"an unknown order is the newest first", query.NodeFilter{}, "loudest", "n4 n3 n2 n1"},
		{"oldest", query.NodeFilter{}, query.SortOldest, "n1 n2 n3 n4"},
		{"name", query.NodeFilter{}, query.SortName, "n1 n2 n3 n4"},
		{"type", query.NodeFilter{}, query.SortType, "n4 n3 n1 n2"},
		{"zone", query.NodeFilter{}, query.SortZone, "n4 n1 n3 n2"},
		{"pool", query.NodeFilter{}, query.SortPool, "n4 n3 n1 n2"},
		{"name glob", query.NodeFilter{Names: []string{"N?"}}, query.SortName, "n1 n2 n3 n4"},
		{"two names", query.NodeFilter{Names: []string{"n1", "N3"}}, query.SortName, "n1 n3"},
		{"type glob", query.NodeFilter{Types: []string{"M5.*"}}, query.SortName, "n1 n2"},
		{"percent is no glob", query.NodeFilter{Types: []string{"m5%"}}, query.SortName, ""},
		{"percent beside a glob", query.NodeFilter{Types: []string{"%*"}}, query.SortName, ""},
		{"underscore beside a glob", query.NodeFilter{Types: []string{"m5_*"}}, query.SortName, ""},
		{"bracket is no glob", query.NodeFilter{Types: []string{"[m]5*"}}, query.SortName, ""},
		{"backslash beside a glob", query.NodeFilter{Types: []string{`\*`}}, query.SortName, ""},
		{"quote", query.NodeFilter{Types: []string{`'; DROP TABLE nodes; --*`}}, query.SortName, ""},
		{"zone", query.NodeFilter{Zones: []string{"a"}}, query.SortName, "n1 n3"},
		{"zones and pools", query.NodeFilter{Zones: []string{"a", "b"}, Pools: []string{"general"}}, query.SortName, "n1 n2"},
		{"no pool", query.NodeFilter{Pools: []string{""}}, query.SortName, "n4"},
		{"arch", query.NodeFilter{Arches: []string{"arm*"}}, query.SortName, "n3"},
		{"capacity", query.NodeFilter{Capacity: []string{"spot", "reserved"}}, query.SortName, "n1 n3"},
		{"not ready", query.NodeFilter{NotReady: true}, query.SortName, "n3"},
		{"cordoned", query.NodeFilter{Cordoned: true}, query.SortName, "n2"},
		{"older", query.NodeFilter{CreatedBefore: t0.Add(time.Minute)}, query.SortName, "n1"},
		{"newer", query.NodeFilter{CreatedAfter: t0.Add(time.Minute)}, query.SortName, "n3 n4"},
		{"label in", label("team", query.LabelIn, "ml"), query.SortName, "n1 n3"},
		{"label not in", label("team", query.LabelNotIn, "ml"), query.SortName, "n2 n4"},
		{"label in nothing", label("team", query.LabelIn, "m"), query.SortName, ""},
		{"label exists, with no value", label("canary", query.LabelExists), query.SortName, "n3"},
		{"label does not exist", label("canary", query.LabelDoesNotExist), query.SortName, "n1 n2 n4"},
		{"label greater", label("gen", query.LabelGt, "5"), query.SortName, "n2"},
		{"label less", label("gen", query.LabelLt, "7"), query.SortName, "n1"},
		{"own label", label("kubernetes.io/hostname", query.LabelIn, "host_3"), query.SortName, "n3"},
		{"own label not in", label("kubernetes.io/hostname", query.LabelNotIn, "n1"), query.SortName, "n2 n3 n4"},
		{"own label missing", label("kubernetes.io/hostname", query.LabelDoesNotExist), query.SortName, "n4"},
		{"removed", query.NodeFilter{Removed: true}, query.SortNewest, "gone2 gone1"},
		{"removed since", query.NodeFilter{Removed: true, RemovedSince: t0.Add(time.Hour + 5*time.Minute)}, query.SortNewest,
			"gone2"},
		{"removed, by label", query.NodeFilter{Removed: true, Labels: label("team", query.LabelIn, "ml").Labels},
			query.SortNewest, "gone1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := l.ListNodes(t.Context(), "prod", tc.filter, tc.sort, 0, 10)
			check(t, err)
			if got := strings.Join(nodeNames(p.Nodes), " "); got != tc.want || p.Total != len(p.Nodes) || p.Capped {
				t.Errorf("ListNodes = %q, %d in all, want %q", got, p.Total, tc.want)
			}
			totals, err := l.CountNodes(t.Context(), "prod", tc.filter)
			check(t, err)
			if totals.Nodes != p.Total {
				t.Errorf("CountNodes = %+v, want %d", totals, p.Total)
			}
		})
	}
	// Page by page it is the same list.
	var paged []string
	for offset := 0; ; offset += 3 {
		p, err := l.ListNodes(t.Context(), "prod", query.NodeFilter{}, query.SortType, offset, 3)
		check(t, err)
		if p.Total != 4 {
			t.Errorf("total %d at offset %d", p.Total, offset)
		}
		if len(p.Nodes) == 0 {
			break
		}
		paged = append(paged, nodeNames(p.Nodes)...)
	}
	if diff := cmp.Diff([]string{"n4", "n3", "n1", "n2"}, paged); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	// A listed node is whole.
	p, err := l.ListNodes(t.Context(), "prod", query.NodeFilter{Removed: true, Names: []string{"gone1"}}, query.SortName,
		0, 1)
	check(t, err)
	want := some()[4]
	want.Cluster, want.UID, want.CreatedAt = "prod", "uid-gone1", t0.Add(4*time.Minute)
	want.Ready = fleet.Condition{Status: fleet.Ready, Since: t0.Add(5 * time.Minute)}
	if diff := cmp.Diff(
		[]query.NodeRecord{{Node: want, FirstReady: t0.Add(5 * time.Minute), RemovedAt: t0.Add(64 * time.Minute)}},
		p.Nodes); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func groupNodes(t *testing.T, fresh Open) {
	l := fresh(t)
	fleetOf(t, l, some()...)
	for _, tc := range []struct {
		by     query.Dimension
		filter query.NodeFilter
		limit  int
		want   query.NodeGroups
	}{
		{query.ByPool, query.NodeFilter{}, 10, query.NodeGroups{Distinct: 3, Total: 4, Groups: []query.NodeGroup{
			{Value: "general", Nodes: 2, Ready: 2, Cordoned: 1, Spot: 1}, {Value: "", Nodes: 1, Ready: 1},
			{Value: "batch", Nodes: 1, NotReady: 1, Spot: 1}}}},
		{query.ByZone, query.NodeFilter{}, 1,
			query.NodeGroups{Distinct: 3, Total: 4,
				Groups: []query.NodeGroup{{Value: "a", Nodes: 2, Ready: 1, NotReady: 1, Spot: 2}}}},
		{query.ByCapacity, query.NodeFilter{Pools: []string{"general"}}, 10,
			query.NodeGroups{Distinct: 2, Total: 2, Groups: []query.NodeGroup{
				{Value: "on-demand", Nodes: 1, Ready: 1, Cordoned: 1}, {Value: "spot", Nodes: 1, Ready: 1, Spot: 1}}}},
		{query.ByArch, query.NodeFilter{NotReady: true}, 10,
			query.NodeGroups{Distinct: 1, Total: 1,
				Groups: []query.NodeGroup{{Value: "arm64", Nodes: 1, NotReady: 1, Spot: 1}}}},
		{query.ByType, query.NodeFilter{Pools: []string{"none"}}, 10, query.NodeGroups{}},
		{"team", query.NodeFilter{}, 2, query.NodeGroups{Distinct: 3, Total: 4, Groups: []query.NodeGroup{
			{Value: "ml", Nodes: 2, Ready: 1, NotReady: 1, Spot: 2}, {Value: "", Nodes: 1, Ready: 1}}}},
		{"kubernetes.io/hostname", query.NodeFilter{Zones: []string{"a"}}, 10,
			query.NodeGroups{Distinct: 2, Total: 2, Groups: []query.NodeGroup{
				{Value: "host_3", Nodes: 1, NotReady: 1, Spot: 1}, {Value: "n1", Nodes: 1, Ready: 1, Spot: 1}}}},
		{"team", query.NodeFilter{Removed: true}, 10, query.NodeGroups{Distinct: 2, Total: 2, Groups: []query.NodeGroup{
			{Value: "ads", Nodes: 1, Ready: 1}, {Value: "ml", Nodes: 1, Ready: 1, Spot: 1}}}},
	} {
		got, err := l.GroupNodes(t.Context(), "prod", tc.filter, tc.by, tc.limit)
		check(t, err)
		for i, g := range got.Groups {
			if sum(g.Machines) != g.Nodes {
				t.Errorf("by %s: %q has machines %v", tc.by, g.Value, g.Machines)
			}
			got.Groups[i].Machines = nil
		}
		if sum(got.Machines) != got.Total || tc.by == "team" &&
			got.Machines[fleet.Machine{InstanceType: "m5.large", CapacityType: "spot"}] != 1 {
			t.Errorf("by %s: machines %v", tc.by, got.Machines)
		}
		got.Machines = nil
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", tc.by, diff)
		}
	}
}

// The ledger selects by labels what kubectl would, for whatever labels.
func labelsAsKubernetesHasThem(t *testing.T, fresh Open) {
	r := rand.New(rand.NewPCG(1, 2))
	keys := []string{"a", "b", "ab", "example.com/a", "kubernetes.io/hostname", "hostname"}
	values := []string{"", "a", "b", "5", "05", "10", "9223372036854775807", "9223372036854775808", "a.b", "a_b"}
	l := fresh(t)
	sets := map[string]labels.Set{}
	var nodes []fleet.Node
	for i := range 300 {
		set := labels.Set{}
		for _, k := range keys {
			if r.IntN(2) == 0 {
				set[k] = values[r.IntN(len(values))]
			}
		}
		name := fmt.Sprintf("n%d", i)
		sets[name] = set
		nodes = append(nodes, fleet.Node{Name: name, Labels: set})
	}
	fleetOf(t, l, nodes...)
	ops := map[query.LabelOperator]selection.Operator{query.LabelIn: selection.In, query.LabelNotIn: selection.NotIn,
		query.LabelExists:       selection.Exists,
		query.LabelDoesNotExist: selection.DoesNotExist, query.LabelGt: selection.GreaterThan,
		query.LabelLt: selection.LessThan}
	kinds := []query.LabelOperator{query.LabelIn, query.LabelNotIn, query.LabelExists, query.LabelDoesNotExist,
		query.LabelGt, query.LabelLt}
	some := 0
	for range 400 {
		var f query.NodeFilter
		selector := labels.NewSelector()
		for range 1 + r.IntN(3) {
			req := query.LabelRequirement{Key: keys[r.IntN(len(keys))], Operator: kinds[r.IntN(len(kinds))]}
			switch req.Operator {
			case query.LabelIn, query.LabelNotIn:
				for range 1 + r.IntN(3) {
					req.Values = append(req.Values, values[r.IntN(len(values))])
				}
			case query.LabelGt, query.LabelLt:
				req.Values = []string{[]string{"4", "5", "9223372036854775806", "0"}[r.IntN(4)]}
			}
			want := must[*labels.Requirement](t)(labels.NewRequirement(req.Key, ops[req.Operator], req.Values))
			selector = selector.Add(*want)
			f.Labels = append(f.Labels, req)
		}
		var want []string
		for name, set := range sets {
			if selector.Matches(set) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		p, err := l.ListNodes(t.Context(), "prod", f, query.SortName, 0, 1000)
		check(t, err)
		if got := nodeNames(p.Nodes); !slices.Equal(got, want) {
			t.Fatalf("%s selects %d nodes, want %d:\n%s", selector, len(got), len(want), cmp.Diff(want, got))
		}
		if len(want) > 0 && len(want) < len(sets) {
			some++
		}
	}
	if some < 100 {
		t.Errorf("only %d selectors select some nodes", some)
	}
}

func findNodes(t *testing.T, fresh Open) {
	l := fresh(t)
	fleetOf(t, l, fleet.Node{Name: "gone-a"}, fleet.Node{Name: "web-1", UID: "old"}, fleet.Node{Name: "web-10"},
		fleet.Node{Name: "web-2"},
		fleet.Node{Name: "a_b"}, fleet.Node{Name: "axb"})
	old := fleet.Node{Cluster: "prod", UID: "old", Name: "web-1", CreatedAt: t0}
	record(t, l, "2", fleet.Gone(old, fleet.Known{}, t0.Add(time.Hour)))
	again := fleet.Node{Cluster: "prod", UID: "new", Name: "web-1", CreatedAt: t0.Add(-time.Hour)}
	record(t, l, "3", fleet.First(again, t0))
	for _, tc := range []struct {
		ask   string
		limit int
		how   query.Match
		want  string
		more  bool
	}{
		{"web-1", 10, query.MatchExact, "new old", false},
		{" WEB-1 ", 1, query.MatchExact, "new", true},
		{"web", 10, query.MatchPrefix, "uid-web-2 uid-web-10 new old", false},
		{"web", 2, query.MatchPrefix, "uid-web-2 uid-web-10", true},
		{"EB-", 10, query.MatchSubstring, "uid-web-2 uid-web-10 new old", false},
		{"eb-", 3, query.MatchSubstring, "uid-web-2 uid-web-10 new", true},
		{"one-", 10, query.MatchSubstring, "uid-gone-a", false},
		{"_", 10, query.MatchSubstring, "uid-a_b", false},
		{"%", 10, query.MatchNone, "", false},
		{"*", 10, query.MatchNone, "", false},
		{"we?", 10, query.MatchNone, "", false},
		{"", 10, query.MatchNone, "", false},
		{"web-3", 10, query.MatchNone, "", false},
		{"\xff", 10, query.MatchNone, "", false},
	} {
		nodes, how, more, err := l.FindNodes(t.Context(), "prod", tc.ask, tc.limit)
		check(t, err)
		var got []string
		for _, n := range nodes {
			got = append(got, n.UID)
		}
		if strings.Join(got, " ") != tc.want || how != tc.how || more != tc.more {
			t.Errorf("FindNodes(%q, %d) = %v, %q, more %v; want %s, %q, %v", tc.ask, tc.limit, got, how, more, tc.want, tc.how,
				tc.more)
		}
	}
	fleetOf(t, l, fleet.Node{Name: "ip-1.example"}, fleet.Node{Name: "ip-1-2.example"})
	for ask, want := range map[string]string{"web-1": "new", "web-10": "uid-web-10", "gone-a": "uid-gone-a",
		"ip-1": "uid-ip-1.example", "ip-1.example": "uid-ip-1.example", "ip": "", "web": "", "": "", "ip-1.": "", "%": ""} {
		n, ok, err := l.NodeNamed(t.Context(), "prod", ask)
		check(t, err)
		if n.UID != want || ok != (want != "") {
			t.Errorf("NodeNamed(%q) = %q, %v; want %q", ask, n.UID, ok, want)
		}
	}
}

func people(t *testing.T, fresh Open) {
	l := fresh(t)
	for i, want := range []bool{true, true, false, false, true} {
		check(t, l.SetLists(t.Context(), "U1", want))
		got, err := l.Lists(t.Context(), "U1")
		check(t, err)
		other, err := l.Lists(t.Context(), "U2")
		check(t, err)
		if got != want || other {
			t.Errorf("step %d: U1 has lists: %v, want %v; U2: %v, want false", i, got, want, other)
		}
	}
}
