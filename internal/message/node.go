package message

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// Attributes lists what kind of machine a node is. What a cloud's node should have and does not tell is said to be
// unknown, once; what a platform does not have is left out. A machine without a type is known by its size.
func Attributes(n fleet.Node) string {
	pool := n.Pool
	if pool != "" {
		pool = "pool " + pool
	}
	known := slices.DeleteFunc([]string{Machine(n), n.CapacityType, n.Zone, pool, n.Arch}, func(s string) bool {
		return s == ""
	})
	if unknown := n.Unknown(); len(unknown) > 0 {
		known = append(known, strings.Join(unknown, ", ")+" unknown")
	}
	return cmp.Or(strings.Join(known, " · "), "unknown machine")
}

// Machine is a node's type, or its size if it has none: m5.large, "4 CPU, 15.3Gi".
func Machine(n fleet.Node) string {
	if n.InstanceType == "" && n.Capacity.Memory > 0 {
		text := fmt.Sprintf("%.3g CPU, %s", float64(n.Capacity.MilliCPU)/1000, ShortMemory(n.Capacity.Memory))
		if n.Capacity.GPUs > 0 {
			text += ", " + Count(int(n.Capacity.GPUs), "GPU")
		}
		return text
	}
	return n.InstanceType
}

// ShortMemory is a size in bytes with about three digits: 15.3Gi.
func ShortMemory(bytes int64) string {
	v, suffix := float64(bytes), ""
	for _, s := range []string{"Ki", "Mi", "Gi", "Ti", "Pi"} {
		if v < 1023.5 {
			break
		}
		v, suffix = v/1024, s
	}
	if suffix == "" {
		return strconv.FormatInt(bytes, 10)
	}
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64) + suffix
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + suffix
}

// Resources are what a node offers, as kubectl prints quantities: cpu 3920m, memory 15071Mi, pods 58, GPUs 1.
func Resources(r fleet.Resources) string {
	cpu := strconv.FormatInt(r.MilliCPU/1000, 10)
	if r.MilliCPU%1000 != 0 {
		cpu = strconv.FormatInt(r.MilliCPU, 10) + "m"
	}
	memory, suffix := r.Memory, ""
	for _, s := range []string{"Ki", "Mi", "Gi", "Ti", "Pi"} {
		if memory == 0 || memory%1024 != 0 {
			break
		}
		memory, suffix = memory/1024, s
	}
	text := fmt.Sprintf("cpu %s, memory %d%s, pods %d", cpu, memory, suffix, r.Pods)
	if r.GPUs > 0 {
		text += fmt.Sprintf(", GPUs %d", r.GPUs)
	}
	return text
}

// InShort says what kind of machine a node is, for a notification: "m5.large, spot, us-east-1a".
func InShort(n fleet.Node) string {
	known := slices.DeleteFunc([]string{Machine(n), n.CapacityType, n.Zone}, func(s string) bool { return s == "" })
	return cmp.Or(strings.Join(known, ", "), "unknown machine")
}

// Priced is Attributes with what the node costs by the hour, if that is known.
func Priced(n fleet.Node, price fleet.Pricer) string {
	s := Attributes(n)
	if price == nil {
		return s
	}
	if text := HourlyPrice(price(n.Machine())); text != "" {
		s += " · " + text
	}
	return s
}

// HourlyPrice says what one machine costs by the hour, or what is billed instead, and whether that is an old price; ""
// if nothing is known.
func HourlyPrice(p fleet.Price) string {
	switch {
	case p.Billed != "":
		return p.Billed
	case !p.Known:
		return ""
	case p.Old:
		return Hourly(p.Hourly()) + " (old price)"
	}
	return Hourly(p.Hourly())
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

// MaxRows is how many groups a table shows: a phone shows about that many beside the rest of a message.
const MaxRows = 6

// GroupTable shows groups so that a phone shows them whole: a row for each type and capacity type, the most nodes
// first, and what they cost. What their pools, zones and architectures are is said once, in the line, and so are the
// type and the cost if there is one row only: t is nil then. Both are nil if there are no groups.
func GroupTable(groups []fleet.Group) (common Line, t *Table) {
	if len(groups) == 0 {
		return nil, nil
	}
	type kind struct{ instance, capacity string }
	nodes, cost := map[kind]int{}, map[kind]fleet.Cost{}
	pools, zones, arches := map[string]int{}, map[string]int{}, map[string]int{}
	priced := false
	for _, g := range groups {
		k := kind{g.InstanceType, g.CapacityType}
		nodes[k] += g.Nodes
		cost[k] = cost[k].Plus(g.Cost)
		pools[g.Pool] += g.Nodes
		zones[g.Zone] += g.Nodes
		arches[g.Arch] += g.Nodes
		priced = priced || g.Cost.Priced > 0
	}
	words := func(k kind) string {
		switch {
		case k.instance == "" && k.capacity == "":
			return Count(nodes[k], "node")
		case k.instance == "":
			return fmt.Sprintf("%d %s", nodes[k], k.capacity)
		}
		return strings.TrimSpace(fmt.Sprintf("%d %s %s", nodes[k], k.instance, k.capacity))
	}
	parts := slices.DeleteFunc([]string{spread("pool", pools), inZones(zones), spread("", arches)},
		func(p string) bool { return p == "" })
	if len(nodes) == 1 {
		for k, c := range cost {
			only := []string{words(k)}
			if priced {
				only = append(only, HourlyCell(c))
			}
			return NewLine(strings.Join(append(only, parts...), " · ")), nil
		}
	}
	if len(parts) > 0 {
		common = NewLine(strings.Join(parts, " · "))
	}
	t = &Table{Head: []string{"Nodes"}}
	if priced {
		t.Head = append(t.Head, "Cost")
	}
	kinds := slices.SortedFunc(maps.Keys(nodes), func(a, b kind) int {
		return cmp.Or(cmp.Compare(nodes[b], nodes[a]), cmp.Compare(a.instance, b.instance),
			cmp.Compare(a.capacity, b.capacity))
	})
	shown := min(len(kinds), MaxRows)
	if len(kinds) > MaxRows {
		shown-- // the last row is the rest
	}
	row := func(what string, c fleet.Cost) {
		r := []string{what}
		if priced {
			r = append(r, HourlyCell(c))
		}
		t.Rows = append(t.Rows, r)
	}
	rest, more := 0, fleet.Cost{}
	for i, k := range kinds {
		if i >= shown {
			rest, more = rest+nodes[k], more.Plus(cost[k])
			continue
		}
		row(words(k), cost[k])
	}
	if rest > 0 {
		row(fmt.Sprintf("%d of %d other types", rest, len(kinds)-shown), more)
	}
	return common, t
}

// HourlyCell is what nodes cost by the hour, and whether prices in it are old, as a table has it.
func HourlyCell(c fleet.Cost) string {
	if c.Old > 0 {
		return Hourly(c) + " (old price)"
	}
	return Hourly(c)
}

// inZones is the zone of all nodes, or how many are in each, without what the names of all zones begin with: "us-east-1
// a 29, b 31, c 27"; "" where nothing is known.
func inZones(count map[string]int) string {
	if len(count) == 1 {
		return MostFirst(count)[0]
	}
	region := commonPrefix(count)
	var parts []string
	for _, z := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%s %d", cmp.Or(strings.TrimPrefix(z, region), "zone unknown"), count[z]))
	}
	return strings.TrimSpace(strings.TrimRight(region, "-") + " " + strings.Join(parts, ", "))
}

// commonPrefix is what the names of all zones begin with, if there are several: the region.
func commonPrefix(zones map[string]int) (prefix string) {
	first := true
	for z := range zones {
		if first {
			prefix, first = z, false
		}
		for !strings.HasPrefix(z, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	if _, ok := zones[prefix]; ok { // nothing would be left of it
		return ""
	}
	return prefix
}

// spread says what all nodes have in common, or how many have each value: "pool batch", "pools batch 40, web 8"; ""
// where nothing is known.
func spread(name string, count map[string]int) string {
	values := MostFirst(count)
	if len(values) == 1 {
		if values[0] == "" {
			return ""
		}
		return strings.TrimSpace(name + " " + values[0])
	}
	const most = 3
	var parts []string
	for i, v := range values {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(values)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", cmp.Or(v, "unknown"), count[v]))
	}
	text := strings.Join(parts, ", ")
	if name != "" {
		text = name + "s " + text
	}
	return text
}

// TypesInShort names the largest groups for a notification: 2× m5.large spot, 1× c6i.xlarge; "" if none has a type.
func TypesInShort(groups []fleet.Group) string {
	count := map[string]int{}
	for _, g := range groups {
		count[strings.TrimSpace(cmp.Or(g.InstanceType, "type unknown")+" "+g.CapacityType)] += g.Nodes
	}
	if len(count) == 1 && count["type unknown"] > 0 {
		return ""
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
