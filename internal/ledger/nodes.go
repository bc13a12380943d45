package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// maxGone is how many of the nodes that left, the last first, a query looks at: a cluster of
// spot nodes leaves a hundred thousand behind in the time for which they are kept.
//
// Tests make it smaller.
var maxGone = 20000

// query is a statement that grows, with its arguments.
type statement struct {
	strings.Builder
	args []any
}

func (q *statement) add(text string, args ...any) {
	q.WriteString(text)
	q.args = append(q.args, args...)
}

// likeEscaper makes LIKE's own characters inert.
var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// globber turns a glob into a pattern of LIKE ... ESCAPE '\'.
var globber = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`, `?`, `_`)

// globs adds the condition that a column matches one of the patterns, if there are any. They
// are lower-cased; column must be, too.
func (q *statement) globs(column string, patterns []string) {
	for i, p := range patterns {
		if i == 0 {
			q.add(` AND (`)
		} else {
			q.add(` OR `)
		}
		p = strings.ToLower(p)
		if strings.ContainsAny(p, "*?") {
			q.add(column+` LIKE ? ESCAPE '\'`, globber.Replace(p))
		} else {
			q.add(column+` = ?`, p)
		}
	}
	if len(patterns) > 0 {
		q.add(`)`)
	}
}

// in adds the condition that a column is one of the values, if there are any.
func (q *statement) in(column string, values []string) error {
	if len(values) == 0 {
		return nil
	}
	list, err := json.Marshal(values)
	if err != nil {
		return err
	}
	q.add(` AND `+column+` IN (SELECT value FROM json_each(?))`, string(list))
	return nil
}

// scope is what a filter asks for: a condition on nodes n.
type scope struct {
	where  string
	args   []any
	none   bool      // no node can match
	capped bool      // nodes that left before since are not looked at
	since  time.Time // set if capped
	// totals counts what the condition selects, where finding it out has told; else nil.
	totals *fleet.Totals
}

// scope turns a filter into a condition. It looks up what the condition depends on: which label
// sets match, and how far back nodes that left are looked at.
func (l *Ledger) scope(ctx context.Context, cluster string, f query.NodeFilter) (s scope, err error) {
	var q statement
	if !f.Removed {
		q.add(`n.cluster = ? AND n.removed_at IS NULL`, cluster)
	} else {
		since := int64(0)
		if !f.RemovedSince.IsZero() {
			since = f.RemovedSince.UnixMilli()
		}
		var bound sql.NullInt64
		err := l.r.QueryRowContext(ctx, `SELECT max(at) FROM (SELECT removed_at AS at FROM nodes WHERE cluster = ? AND removed_at >= ? ORDER BY removed_at DESC LIMIT 1 OFFSET ?)`,
			cluster, since, maxGone).Scan(&bound)
		if err != nil {
			return s, err
		}
		if bound.Valid {
			// All that left at that moment are looked at: after a gap they may be many.
			s.capped, since, s.since = true, bound.Int64, fromMS(bound)
		}
		q.add(`n.cluster = ? AND n.removed_at >= ?`, cluster, since)
	}
	q.globs(`lower(n.name)`, f.Names)
	q.globs(`lower(n.instance_type)`, f.Types)
	q.globs(`lower(n.zone)`, f.Zones)
	q.globs(`lower(n.pool)`, f.Pools)
	q.globs(`lower(n.arch)`, f.Arches)
	if err := q.in(`n.capacity_type`, f.Capacity); err != nil {
		return s, err
	}
	if f.NotReady {
		q.add(` AND n.status <> ?`, string(fleet.Ready))
	}
	if f.Cordoned {
		q.add(` AND n.cordoned <> 0`)
	}
	if !f.CreatedBefore.IsZero() {
		q.add(` AND n.created_at < ?`, f.CreatedBefore.UnixMilli())
	}
	if !f.CreatedAfter.IsZero() {
		q.add(` AND n.created_at > ?`, f.CreatedAfter.UnixMilli())
	}
	var shared []query.LabelRequirement
	for _, r := range f.Labels {
		if slices.Contains(ownLabels, r.Key) {
			q.ownLabel(r)
		} else {
			shared = append(shared, r)
		}
	}
	if len(shared) > 0 {
		if err := l.sharedLabels(ctx, &s, &q, shared); err != nil {
			return s, err
		}
	}
	s.where, s.args = q.String(), q.args
	return s, nil
}

// sharedLabels adds requirements on labels that are kept in sets: it looks which sets the nodes
// selected so far have, decides which of these meet the requirements, and counts their nodes.
func (l *Ledger) sharedLabels(ctx context.Context, s *scope, q *statement, rs []query.LabelRequirement) error {
	rows, err := l.r.once(ctx, `SELECT n.label_set, count(*), sum(CASE WHEN n.status = 'True' THEN 1 ELSE 0 END), sum(n.cordoned)
		FROM nodes n WHERE `+q.String()+` GROUP BY n.label_set`, q.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []int64
	var counts []fleet.Totals
	for rows.Next() {
		var id int64
		var t fleet.Totals
		if err := rows.Scan(&id, &t.Nodes, &t.Ready, &t.Cordoned); err != nil {
			return err
		}
		ids, counts = append(ids, id), append(counts, t)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	keys := make([]string, len(rs))
	for i, r := range rs {
		keys[i] = r.Key
	}
	values, err := l.labelsOf(ctx, ids, keys)
	if err != nil {
		return err
	}
	s.totals = &fleet.Totals{Capped: s.capped}
	var sets []int64
	for i, id := range ids {
		if !slices.ContainsFunc(rs, func(r query.LabelRequirement) bool { return !values[r.Key][id].meets(r) }) {
			sets = append(sets, id)
			t := counts[i]
			s.totals.Nodes, s.totals.Ready, s.totals.Cordoned = s.totals.Nodes+t.Nodes, s.totals.Ready+t.Ready, s.totals.Cordoned+t.Cordoned
		}
	}
	if s.none = len(sets) == 0; s.none {
		return nil
	}
	list, err := json.Marshal(sets)
	if err != nil {
		return err
	}
	q.add(` AND n.label_set IN (SELECT value FROM json_each(?))`, string(list))
	return nil
}

// ownLabel adds a requirement on a label that is kept with its node.
func (q *statement) ownLabel(r query.LabelRequirement) {
	const value = `(n.own_labels ->> ?)`
	switch r.Operator {
	case query.LabelIn, query.LabelNotIn:
		if r.Operator == query.LabelIn {
			q.add(` AND `+value+` IN (`, r.Key)
		} else {
			q.add(` AND (`+value+` IS NULL OR `+value+` NOT IN (`, r.Key, r.Key)
		}
		for i, v := range r.Values {
			if i > 0 {
				q.add(`, `)
			}
			q.add(`?`, v)
		}
		q.add(`)`)
		if r.Operator == query.LabelNotIn {
			q.add(`)`)
		}
	case query.LabelExists:
		q.add(` AND `+value+` IS NOT NULL`, r.Key)
	case query.LabelDoesNotExist:
		q.add(` AND `+value+` IS NULL`, r.Key)
	case query.LabelGt, query.LabelLt:
		// Digits only: a label's value begins with a letter or a digit, so it has no sign.
		want, err := intValue(r.Values)
		if err != nil {
			q.add(` AND 1 = 0`)
			return
		}
		op := `>`
		if r.Operator == query.LabelLt {
			op = `<`
		}
		const digits = `ltrim(` + value + `, '0')`
		q.add(` AND `+value+` <> '' AND ltrim(`+value+`, '0123456789') = '' AND (length(`+digits+`) < 19 OR length(`+digits+`) = 19 AND `+digits+` <= '9223372036854775807')
			AND CAST(`+value+` AS INTEGER) `+op+` ?`, r.Key, r.Key, r.Key, r.Key, r.Key, r.Key, want)
	default:
		q.add(` AND 1 = 0`)
	}
}

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
func (l *Ledger) ListNodes(ctx context.Context, cluster string, f query.NodeFilter, sort query.NodeSort, offset, limit int) (p query.NodePage, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("listing nodes of %s: %w", cluster, explain(err))
		}
	}()
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
	} else if err := l.r.onceRow(ctx, `SELECT count(*) FROM nodes n WHERE `+s.where, s.args...).Scan(&p.Total); err != nil {
		return p, err
	}
	p.Nodes, err = l.nodeRecords(ctx, s, nodeOrder(f.Removed, sort), offset, limit)
	return p, err
}

func nodeOrder(removed bool, sort query.NodeSort) string {
	order, ok := nodeOrders[sort]
	if !ok {
		sort, order = query.SortNewest, nodeOrders[query.SortNewest]
	}
	if removed && sort == query.SortNewest {
		return `n.removed_at DESC, n.name, n.uid`
	}
	return order + `, n.uid`
}

// nodeRecords reads whole nodes, after it has found out which from the index alone.
func (l *Ledger) nodeRecords(ctx context.Context, s scope, order string, offset, limit int) ([]query.NodeRecord, error) {
	rows, err := l.r.once(ctx, `SELECT `+nodeColumns+` FROM (SELECT n.cluster, n.uid FROM nodes n WHERE `+s.where+` ORDER BY `+order+` LIMIT ? OFFSET ?) p
		JOIN nodes n ON n.cluster = p.cluster AND n.uid = p.uid`+nodeSets+` ORDER BY `+order, append(s.args[:len(s.args):len(s.args)], max(0, limit), max(0, offset))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var nodes []query.NodeRecord
	for rows.Next() {
		var r nodeRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, err
		}
		n, err := r.record()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, rows.Err()
}

// CountNodes counts the nodes of a cluster that a filter selects.
func (l *Ledger) CountNodes(ctx context.Context, cluster string, f query.NodeFilter) (t fleet.Totals, err error) {
	s, err := l.scope(ctx, cluster, f)
	if s.totals != nil && err == nil {
		return *s.totals, nil
	}
	t.Capped = s.capped
	if err == nil {
		err = l.r.onceRow(ctx, `SELECT count(*), coalesce(sum(CASE WHEN n.status = 'True' THEN 1 ELSE 0 END), 0), coalesce(sum(n.cordoned), 0)
			FROM nodes n WHERE `+s.where, s.args...).Scan(&t.Nodes, &t.Ready, &t.Cordoned)
	}
	if err != nil {
		return t, fmt.Errorf("counting nodes of %s: %w", cluster, explain(err))
	}
	return t, nil
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
func (l *Ledger) GroupNodes(ctx context.Context, cluster string, f query.NodeFilter, by query.Dimension, limit int) (g query.NodeGroups, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("grouping nodes of %s: %w", cluster, explain(err))
		}
	}()
	s, err := l.scope(ctx, cluster, f)
	g.Capped = s.capped
	if err != nil || s.none {
		return g, err
	}
	column, known := dimensions[by]
	var args []any
	switch {
	case known:
	case slices.Contains(ownLabels, string(by)):
		column, args = `coalesce(n.own_labels ->> ?, '')`, []any{string(by)}
	default:
		column = `n.label_set`
	}
	rows, err := l.r.once(ctx, `SELECT `+column+`, count(*), sum(CASE WHEN n.status = 'True' THEN 1 ELSE 0 END), sum(n.cordoned),
		sum(CASE WHEN n.capacity_type = 'spot' THEN 1 ELSE 0 END), `+machineColumns+` FROM nodes n WHERE `+s.where+` GROUP BY 1, `+machineColumns, append(args, s.args...)...)
	if err != nil {
		return g, err
	}
	defer rows.Close()
	groups := map[string]*query.NodeGroup{}
	sets := map[int64]*query.NodeGroup{}
	g.Machines = map[fleet.Machine]int{}
	for rows.Next() {
		var n query.NodeGroup
		var m fleet.Machine
		var set int64
		value := any(&n.Value)
		if column == `n.label_set` {
			value = &set
		}
		if err := rows.Scan(append([]any{value, &n.Nodes, &n.Ready, &n.Cordoned, &n.Spot}, machineDest(&m)...)...); err != nil {
			return g, err
		}
		n.NotReady = n.Nodes - n.Ready
		n.Machines = map[fleet.Machine]int{m: n.Nodes}
		g.Machines[m] += n.Nodes
		if column == `n.label_set` {
			fold(sets, set, n)
		} else {
			fold(groups, n.Value, n)
		}
	}
	if err := rows.Err(); err != nil {
		return g, err
	}
	rows.Close() // the next query needs no second connection
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

// foldSets adds up groups of nodes by label set to groups by the value of one label.
func (l *Ledger) foldSets(ctx context.Context, sets map[int64]*query.NodeGroup, key string) (map[string]*query.NodeGroup, error) {
	ids := make([]int64, 0, len(sets))
	for id := range sets {
		ids = append(ids, id)
	}
	values, err := l.labelsOf(ctx, ids, []string{key})
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
	g.Nodes, g.Ready, g.NotReady, g.Cordoned, g.Spot = g.Nodes+n.Nodes, g.Ready+n.Ready, g.NotReady+n.NotReady, g.Cordoned+n.Cordoned, g.Spot+n.Spot
	for m, count := range n.Machines {
		g.Machines[m] += count
	}
}

// machineColumns are what machineDest receives, of nodes n.
const machineColumns = `n.provider, n.region, n.instance_type, n.capacity_type, n.label_price`

func machineDest(m *fleet.Machine) []any {
	return []any{&m.Provider, &m.Region, &m.InstanceType, &m.CapacityType, &m.LabelPrice}
}

// maxNamed is how many nodes whose names begin alike FindNodes can put in order; of more it
// knows those that live and the last that left.
const maxNamed = 2000

// FindNodes returns the nodes that a person means by a name, whatever its case: those of that
// very name, or else those whose names begin with it, or else those whose names contain it.
// Live nodes come before those that left, the newest first. At most limit are returned, and
// more says whether there are others. Of nodes that left, the last 20,000 are looked at for a
// part of a name.
func (l *Ledger) FindNodes(ctx context.Context, cluster, name string, limit int) (nodes []query.NodeRecord, how query.Match, more bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("looking for node %q of %s: %w", name, cluster, explain(err))
		}
	}()
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
		return within(`n.uid IN (SELECT m.uid FROM nodes m WHERE m.cluster = ? AND `+cond+`)`, append([]any{cluster}, args...)...)
	}
	const liveFirst = `n.removed_at IS NOT NULL, n.created_at DESC, n.name, n.uid`
	// Names are lower-case in Kubernetes, so the index on them finds all.
	if more, err = l.find(ctx, &nodes, named(`m.name = ?`, name), liveFirst, limit); err != nil || len(nodes) > 0 {
		return nodes, query.MatchExact, more, err
	}
	const prefix = `m.name >= ? AND m.name < ?`
	end := prefixEnd(name)
	var begun int
	err = l.r.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM nodes WHERE cluster = ? AND name >= ? AND name < ? LIMIT ?)`, cluster, name, end, maxNamed+1).Scan(&begun)
	if err != nil {
		return nil, query.MatchNone, false, err
	}
	if 0 < begun && begun <= maxNamed {
		more, err = l.find(ctx, &nodes, named(prefix, name, end), liveFirst, limit)
		return nodes, query.MatchPrefix, more, err
	}
	// All live nodes, then the last that left: the + keeps the index on names out of it.
	how, cond, args := query.MatchSubstring, `instr(n.name, ?) > 0`, []any{name}
	if begun > 0 {
		how, cond, args = query.MatchPrefix, `+n.name >= ? AND +n.name < ?`, []any{name, end}
	}
	if more, err = l.find(ctx, &nodes, within(`n.removed_at IS NULL AND `+cond, args...), nodeOrder(false, query.SortNewest), limit); err != nil || more {
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

// find appends nodes until there are limit, and reports whether there are more.
func (l *Ledger) find(ctx context.Context, nodes *[]query.NodeRecord, s scope, order string, limit int) (more bool, err error) {
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
