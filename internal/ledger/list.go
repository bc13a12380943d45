package ledger

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// nodeOrders are the orders of lists of nodes n.
var nodeOrders = map[query.NodeSort]string{
	query.SortNewest: `n.created_at DESC, n.name`,
	query.SortOldest: `n.created_at, n.name`,
	query.SortName:   `n.name, n.created_at DESC`,
	query.SortType:   `n.instance_type, n.name`,
	query.SortZone:   `n.zone, n.name`,
	query.SortPool:   `n.pool, n.name`,
}

// ListNodes returns the nodes of a cluster that a filter selects: limit of them after offset
// others, in the order given; an order that is not known is SortNewest.
func (l *Ledger) ListNodes(ctx context.Context, cluster string, f query.NodeFilter, order query.NodeSort, offset,
	limit int) (p query.NodePage, err error) {
	defer doing(&err, "listing nodes of %s", cluster)
	s, err := l.scope(ctx, cluster, f)
	if err != nil {
		return p, err
	}
	p.Capped, p.SearchedTo = s.capped, s.since
	if s.none {
		return p, nil
	}
	if s.totals != nil {
		p.Total = s.totals.Nodes
	} else if p.Total, _, err = one(ctx, once{l.r}, value[int], `SELECT count(*) FROM nodes n WHERE `+s.where,
		s.args...); err != nil {
		return p, err
	}
	p.Nodes, err = l.nodeRecords(ctx, s, nodeOrder(f.Removed, order), offset, limit)
	return p, err
}

func nodeOrder(removed bool, order query.NodeSort) string {
	columns, ok := nodeOrders[order]
	if !ok {
		order, columns = query.SortNewest, nodeOrders[query.SortNewest]
	}
	if removed && order == query.SortNewest {
		return `n.removed_at DESC, n.name, n.uid`
	}
	return columns + `, n.uid`
}

// nodeRecords reads whole nodes, after it has found out which from the index alone.
func (l *Ledger) nodeRecords(ctx context.Context, s scope, order string, offset, limit int) (
	nodes []query.NodeRecord, err error) {
	nodes, err = collect(ctx, once{l.r}, scanNode, `SELECT `+nodeColumns+` FROM (
			SELECT n.cluster, n.uid FROM nodes n WHERE `+s.where+` ORDER BY `+order+` LIMIT ? OFFSET ?) p
		JOIN nodes n ON n.cluster = p.cluster AND n.uid = p.uid`+nodeSets+` ORDER BY `+order,
		append(slices.Clip(s.args), max(0, limit), max(0, offset))...)
	if err != nil || len(nodes) == 0 {
		return nodes, err
	}
	return nodes, l.fillCauses(ctx, nodes[0].Cluster, nodes)
}

// CountNodes counts the nodes of a cluster that a filter selects.
func (l *Ledger) CountNodes(ctx context.Context, cluster string, f query.NodeFilter) (t fleet.Totals, err error) {
	defer doing(&err, "counting nodes of %s", cluster)
	s, err := l.scope(ctx, cluster, f)
	if err != nil {
		return t, err
	}
	if s.totals != nil {
		return *s.totals, nil
	}
	t.Capped = s.capped
	_, _, err = one(ctx, once{l.r}, scanTo(countDest(&t)...), `SELECT `+countColumns+` FROM nodes n WHERE `+s.where,
		s.args...)
	return t, err
}

// dimensions are the columns of nodes n that the dimensions name.
var dimensions = map[query.Dimension]string{
	query.ByType:     `n.instance_type`,
	query.ByZone:     `n.zone`,
	query.ByPool:     `n.pool`,
	query.ByCapacity: `n.capacity_type`,
	query.ByArch:     `n.arch`,
}

// GroupNodes groups the nodes of a cluster that a filter selects, the largest groups first,
// those that are alike by value, and returns at most limit of them.
func (l *Ledger) GroupNodes(ctx context.Context, cluster string, f query.NodeFilter, by query.Dimension, limit int) (
	g query.NodeGroups, err error) {
	defer doing(&err, "grouping nodes of %s", cluster)
	s, err := l.scope(ctx, cluster, f)
	g.Capped = s.capped
	if err != nil || s.none {
		return g, err
	}
	column, known := dimensions[by]
	switch {
	case known:
	case slices.Contains(ownLabels, string(by)):
		column = `coalesce(` + l.sql.jsonText(`n.own_labels`, string(by)) + `, '')`
	default:
		column = labelSet
	}
	groups := map[string]*query.NodeGroup{}
	sets := map[int64]*query.NodeGroup{}
	g.Machines = map[fleet.Machine]int{}
	for n, err := range each(ctx, once{l.r}, scanGroup(column), `SELECT `+column+`, `+countColumns+`,
		sum(CASE WHEN n.capacity_type = 'spot' THEN 1 ELSE 0 END), `+machineColumns+`
		FROM nodes n WHERE `+s.where+` GROUP BY 1, `+machineColumns, s.args...) {
		if err != nil {
			return g, err
		}
		for m, count := range n.Machines {
			g.Machines[m] += count
		}
		if column == labelSet {
			fold(sets, n.set, n.NodeGroup)
		} else {
			fold(groups, n.Value, n.NodeGroup)
		}
	}
	if len(sets) > 0 {
		if groups, err = l.foldSets(ctx, sets, string(by)); err != nil {
			return g, err
		}
	}
	for _, n := range groups {
		g.Groups = append(g.Groups, *n)
		g.Total += n.Nodes
	}
	g.Distinct = len(g.Groups)
	slices.SortFunc(g.Groups, func(a, b query.NodeGroup) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Value, b.Value))
	})
	g.Groups = g.Groups[:min(len(g.Groups), max(0, limit))]
	return g, nil
}

// labelSet is the column by which nodes are grouped whose label is in a set.
const labelSet = `n.label_set`

// partGroup is the nodes of a group that are machines of one kind.
type partGroup struct {
	query.NodeGroup
	set int64 // instead of Value, if they are grouped by labelSet
}

// scanGroup scans a column by which nodes are grouped, countColumns, how many are spot nodes, and
// machineColumns.
func scanGroup(column string) func(row) (partGroup, error) {
	return func(r row) (g partGroup, err error) {
		var t fleet.Totals
		var m fleet.Machine
		key := any(&g.Value)
		if column == labelSet {
			key = &g.set
		}
		err = r.Scan(slices.Concat([]any{key}, countDest(&t), []any{&g.Spot}, machineDest(&m))...)
		g.Nodes, g.Ready, g.NotReady, g.Cordoned = t.Nodes, t.Ready, t.Nodes-t.Ready, t.Cordoned
		g.Machines = map[fleet.Machine]int{m: g.Nodes}
		return g, err
	}
}

// foldSets adds up groups of nodes by label set to groups by the value of one label.
func (l *Ledger) foldSets(ctx context.Context, sets map[int64]*query.NodeGroup, key string) (
	map[string]*query.NodeGroup, error) {
	values, err := l.labelsOf(ctx, slices.Collect(maps.Keys(sets)), []string{key})
	if err != nil {
		return nil, err
	}
	groups := map[string]*query.NodeGroup{}
	for id, n := range sets {
		n.Value = values[key][id].value
		fold(groups, n.Value, *n)
	}
	return groups, nil
}

// fold adds a group to the one of its key.
func fold[K comparable](groups map[K]*query.NodeGroup, key K, n query.NodeGroup) {
	g := groups[key]
	if g == nil {
		groups[key] = &n
		return
	}
	g.Nodes, g.Ready, g.NotReady = g.Nodes+n.Nodes, g.Ready+n.Ready, g.NotReady+n.NotReady
	g.Cordoned, g.Spot = g.Cordoned+n.Cordoned, g.Spot+n.Spot
	for m, count := range n.Machines {
		g.Machines[m] += count
	}
}

// maxNamed is how many nodes whose names begin alike FindNodes can put in order; of more it
// knows those that live and the last that left.
const maxNamed = 2000

// FindNodes returns the nodes that a person means by a name, whatever its case: those of that
// very name, or else those whose names begin with it, or else those whose names contain it.
// Live nodes come before those that left, the newest first. At most limit are returned, and
// more says whether there are others. Of nodes that left, the last 20,000 are looked at for a
// part of a name.
func (l *Ledger) FindNodes(ctx context.Context, cluster, name string, limit int) (
	nodes []query.NodeRecord, how query.Match, more bool, err error) {
	defer doing(&err, "looking for node %q of %s", name, cluster)
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" || limit <= 0 {
		return nil, query.MatchNone, false, nil
	}
	within := func(cond string, args ...any) scope {
		return scope{where: `n.cluster = ? AND ` + cond, args: append([]any{cluster}, args...)}
	}
	// What nodes_name gives is looked up node by node: else nodes_list, which has all that the
	// order needs, would be walked from end to end.
	named := func(cond string, args ...any) scope {
		return within(`n.uid IN (SELECT m.uid FROM nodes m WHERE m.cluster = ? AND `+cond+`)`,
			append([]any{cluster}, args...)...)
	}
	const liveFirst = `n.removed_at IS NOT NULL, n.created_at DESC, n.name, n.uid`
	// Names are lower-case in Kubernetes, so the index on them finds all.
	if more, err = l.find(ctx, &nodes, named(`m.name = ?`, name), liveFirst, limit); err != nil || len(nodes) > 0 {
		return nodes, query.MatchExact, more, err
	}
	const prefix = `m.name >= ? AND m.name < ?`
	end := prefixEnd(name)
	begun, _, err := one(ctx, l.r, value[int], `SELECT count(*) FROM (SELECT 1 FROM nodes
		WHERE cluster = ? AND name >= ? AND name < ? LIMIT ?) x`, cluster, name, end, maxNamed+1)
	if err != nil {
		return nil, query.MatchNone, false, err
	}
	if 0 < begun && begun <= maxNamed {
		more, err = l.find(ctx, &nodes, named(prefix, name, end), liveFirst, limit)
		return nodes, query.MatchPrefix, more, err
	}
	// All live nodes, then the last that left, by the index that has these orders.
	how, cond, args := query.MatchSubstring, l.sql.contains(`n.name`), []any{name}
	if begun > 0 {
		column := l.sql.unindexed(`n.name`)
		how, cond, args = query.MatchPrefix, column+` >= ? AND `+column+` < ?`, []any{name, end}
	}
	live := within(`n.removed_at IS NULL AND `+cond, args...)
	if more, err = l.find(ctx, &nodes, live, nodeOrder(false, query.SortNewest), limit); err != nil || more {
		return nodes, how, more, err
	}
	gone, err := l.scope(ctx, cluster, query.NodeFilter{Removed: true})
	if err != nil {
		return nil, query.MatchNone, false, err
	}
	gone.where, gone.args = gone.where+` AND `+cond, append(gone.args, args...)
	if more, err = l.find(ctx, &nodes, gone, nodeOrder(true, query.SortNewest), limit); err != nil || more {
		return nodes, how, more, err
	}
	if len(nodes) == 0 && begun > 0 {
		// Those that left long ago, in no order, are better than none.
		_, err = l.find(ctx, &nodes, named(prefix+` LIMIT ?`, name, end, limit), `n.name, n.uid`, limit)
	}
	if len(nodes) == 0 {
		how = query.MatchNone
	}
	return nodes, how, begun > len(nodes), err
}

// NodeNamed returns the node of a cluster that is called so, or whose name is so up to a dot, as people write it; the
// living before those that left, and the newest first.
func (l *Ledger) NodeNamed(ctx context.Context, cluster, name string) (n query.NodeRecord, ok bool, err error) {
	defer doing(&err, "looking for node %q of %s", name, cluster)
	const order = `n.removed_at IS NOT NULL, n.created_at DESC, n.name, n.uid`
	for _, named := range []struct {
		cond string
		args []any
	}{{`m.name = ?`, []any{name}}, {`m.name >= ? AND m.name < ?`, []any{name + ".", prefixEnd(name + ".")}}} {
		found, err := l.nodeRecords(ctx, scope{
			where: `n.cluster = ? AND n.uid IN (SELECT m.uid FROM nodes m WHERE m.cluster = ? AND ` + named.cond + `)`,
			args:  append([]any{cluster, cluster}, named.args...)}, order, 0, 1)
		if err != nil || len(found) > 0 {
			return append(found, query.NodeRecord{})[0], err == nil, err
		}
	}
	return query.NodeRecord{}, false, nil
}

// find appends nodes until there are limit, and reports whether there are more.
func (l *Ledger) find(ctx context.Context, nodes *[]query.NodeRecord, s scope, order string, limit int) (
	more bool, err error) {
	found, err := l.nodeRecords(ctx, s, order, 0, limit+1-len(*nodes))
	*nodes = append(*nodes, found...)
	if more = len(*nodes) > limit; more {
		*nodes = (*nodes)[:limit]
	}
	return more, err
}

// prefixEnd is the least string that is greater than every one that begins with p.
func prefixEnd(p string) string {
	b := []byte(p)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return "\xff"
}
