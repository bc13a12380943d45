package message

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// Attributes lists what kind of machine a node is; what labels do not tell is said to be
// unknown.
func Attributes(n fleet.Node) string {
	pool := "pool unknown"
	if n.Pool != "" {
		pool = "pool " + n.Pool
	}
	return strings.Join([]string{
		cmp.Or(n.InstanceType, "instance type unknown"), cmp.Or(n.CapacityType, "capacity type unknown"),
		cmp.Or(n.Zone, "zone unknown"), pool, cmp.Or(n.Arch, "architecture unknown"),
	}, " · ")
}

// Priced is Attributes with what the node costs by the hour, if that is known.
func Priced(n fleet.Node, price fleet.Pricer) string {
	s := Attributes(n)
	if price == nil {
		return s
	}
	if p := price(n.Machine()); p.Known {
		s += " · " + Hourly(p.Hourly())
	}
	return s
}

// Totals counts a cluster's nodes: "prod: 45 nodes, 43 ready, 1 cordoned, $12.30/h".
func Totals(cluster string, t fleet.Totals) string {
	s := fmt.Sprintf("%s: %s, %d ready", cluster, Count(t.Nodes, "node"), t.Ready)
	if t.Cordoned > 0 {
		s += fmt.Sprintf(", %d cordoned", t.Cordoned)
	}
	return s + AndHourly(t.Cost)
}

// maxLimits is how many limits of a pool are told.
const maxLimits = 3

// PoolUse says how much of its limits a pool uses: "pool general: 92 of 100 CPUs, 30 of 50 nodes"; "" if it has none.
func PoolUse(p fleet.Pool) string {
	resources := slices.SortedFunc(maps.Keys(p.Limits), func(a, b string) int {
		usual := []string{"nodes", "memory", "cpu"} // the last one first
		return cmp.Or(cmp.Compare(slices.Index(usual, b), slices.Index(usual, a)), cmp.Compare(a, b))
	})
	var parts []string
	for _, r := range resources[:min(len(resources), maxLimits)] {
		unit := r
		if r == "cpu" {
			unit = "CPUs"
		}
		used := OneWord(cmp.Or(p.Used[r], "0"))
		parts = append(parts, fmt.Sprintf("%s of %s %s", used, OneWord(p.Limits[r]), OneWord(unit)))
	}
	if len(parts) == 0 {
		return ""
	}
	return "pool " + OneWord(p.Name) + ": " + strings.Join(parts, ", ")
}

// maxRows is how many groups a table shows; a phone shows about that many at once.
const maxRows = 12

// GroupTable shows groups, in the order given, the largest first, without the columns in which
// nothing is known; nil if there are none.
func GroupTable(groups []fleet.Group) *Table {
	if len(groups) == 0 {
		return nil
	}
	columns := []struct {
		head string
		show bool
		cell func(fleet.Group) string
	}{
		{"Nodes", true, func(g fleet.Group) string { return fmt.Sprint(g.Nodes) }},
		{"Type", true, func(g fleet.Group) string { return cmp.Or(g.InstanceType, fleet.Unknown) }},
		{"Capacity", true, func(g fleet.Group) string { return cmp.Or(g.CapacityType, fleet.Unknown) }},
		{"Zone", slices.ContainsFunc(groups, func(g fleet.Group) bool { return g.Zone != "" }),
			func(g fleet.Group) string { return cmp.Or(g.Zone, fleet.Unknown) }},
		{"Pool", slices.ContainsFunc(groups, func(g fleet.Group) bool { return g.Pool != "" }),
			func(g fleet.Group) string { return cmp.Or(g.Pool, fleet.Unknown) }},
		{"Cost", slices.ContainsFunc(groups, func(g fleet.Group) bool { return g.Cost.Priced > 0 }),
			func(g fleet.Group) string { return Hourly(g.Cost) }},
	}
	t := &Table{}
	for _, c := range columns {
		if c.show {
			t.Head = append(t.Head, c.head)
		}
	}
	var rest fleet.Group
	for i, g := range groups {
		if i >= maxRows {
			rest.Nodes, rest.Cost = rest.Nodes+g.Nodes, rest.Cost.Plus(g.Cost)
			continue
		}
		var row []string
		for _, c := range columns {
			if c.show {
				row = append(row, c.cell(g))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	if more := len(groups) - maxRows; more > 0 {
		row := []string{fmt.Sprint(rest.Nodes), fmt.Sprintf("in %d more groups", more)}
		for len(row) < len(t.Head) {
			row = append(row, "…")
		}
		if columns[len(columns)-1].show {
			row[len(row)-1] = Hourly(rest.Cost)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// TypesInShort names the largest groups for a notification: 2× m5.large spot, 1× c6i.xlarge.
func TypesInShort(groups []fleet.Group) string {
	count := map[string]int{}
	for _, g := range groups {
		count[strings.TrimSpace(cmp.Or(g.InstanceType, "type unknown")+" "+g.CapacityType)] += g.Nodes
	}
	const most = 3
	var parts []string
	for i, k := range MostFirst(count) {
		if i == most {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%d× %s", count[k], k))
	}
	return strings.Join(parts, ", ")
}

// MostFirst are the keys of what is counted, the most first, those that are alike by name.
func MostFirst(count map[string]int) []string {
	return slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
}

// lasted is what one machine of a price costs in a time.
func lasted(p fleet.Price, d time.Duration) (c fleet.Cost) {
	c.Add(p, 1, max(0, d))
	return c
}

// AndLifeCost says what a node of a price cost in a time, after a comma; "" if the price is not
// known.
func AndLifeCost(p fleet.Price, d time.Duration) string {
	if c := lasted(p, d); c.Priced > 0 {
		return ", " + Dollars(c)
	}
	return ""
}
