package ledger

import (
	"context"
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

// statement is a statement that grows, with its arguments.
type statement struct {
	strings.Builder
	dialect
	args []any
}

func (q *statement) add(text string, args ...any) {
	q.WriteString(text)
	q.args = append(q.args, args...)
}

// likeEscaper makes a text a pattern of dialect.like that matches it alone.
var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// globber turns a glob into a pattern of dialect.like.
var globber = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`, `?`, `_`)

// globs adds the condition that a column matches one of the patterns, if there are any: letters of
// ASCII in either case.
func (q *statement) globs(column string, patterns []string) {
	for i, p := range patterns {
		if i == 0 {
			q.add(` AND (`)
		} else {
			q.add(` OR `)
		}
		if strings.ContainsAny(p, "*?") {
			q.add(q.like(column), globber.Replace(p))
		} else {
			q.add(`lower(`+column+`) = ?`, strings.ToLower(p))
		}
	}
	if len(patterns) > 0 {
		q.add(`)`)
	}
}

// in adds the condition that a column is one of the values, if there are any.
func (q *statement) in(column string, values []string) {
	if len(values) > 0 {
		q.add(` AND `+q.dialect.in(column), q.list(values))
	}
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
	q := statement{dialect: l.sql}
	if !f.Removed {
		q.add(`n.cluster = ? AND n.removed_at IS NULL`, cluster)
	} else {
		since := time.UnixMilli(0)
		if !f.RemovedSince.IsZero() {
			since = f.RemovedSince
		}
		// All that left at the moment of the last one are looked at: after a gap they may be many.
		_, s.capped, err = one(ctx, l.r, scanTo(at{&s.since}), `SELECT removed_at FROM nodes WHERE cluster = ?
			AND removed_at >= ? ORDER BY removed_at DESC LIMIT 1 OFFSET ?`, cluster, since.UnixMilli(), maxGone)
		if err != nil {
			return s, err
		}
		if s.capped {
			since = s.since
		}
		q.add(`n.cluster = ? AND n.removed_at >= ?`, cluster, since.UnixMilli())
	}
	q.globs(`n.name`, f.Names)
	q.globs(`n.instance_type`, f.Types)
	q.globs(`n.zone`, f.Zones)
	q.globs(`n.pool`, f.Pools)
	q.globs(`n.arch`, f.Arches)
	q.in(`n.capacity_type`, f.Capacity)
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
	if f.Why != "" {
		ids, err := l.causesLike(ctx, cluster, f.Why)
		if err != nil {
			return s, err
		}
		if s.none = len(ids) == 0; s.none {
			q.add(` AND 1 = 0`)
		} else {
			kinds := []string{string(fleet.Joined)}
			if f.Removed {
				kinds = append(kinds, string(fleet.Removed))
			}
			// Node by node, of which no more are looked at than without it: one cause may be that of a hundred thousand.
			q.add(` AND EXISTS (SELECT 1 FROM changes c WHERE c.cluster = n.cluster AND c.node_uid = n.uid AND `+
				q.dialect.in(`c.kind`)+` AND c.cause_id IS NOT NULL AND `+q.dialect.in(q.unindexed(`c.cause_id`))+`)`,
				q.list(kinds), q.list(ids))
		}
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
	type setCount struct {
		set int64
		fleet.Totals
	}
	counts, err := collect(ctx, once{l.r}, func(r row) (c setCount, err error) {
		err = r.Scan(append([]any{&c.set}, countDest(&c.Totals)...)...)
		return c, err
	}, `SELECT n.label_set, `+countColumns+` FROM nodes n WHERE `+q.String()+` GROUP BY n.label_set`, q.args...)
	if err != nil {
		return err
	}
	ids := make([]int64, len(counts))
	for i, c := range counts {
		ids[i] = c.set
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
	for _, c := range counts {
		misses := func(r query.LabelRequirement) bool { return !values[r.Key][c.set].meets(r) }
		if !slices.ContainsFunc(rs, misses) {
			sets = append(sets, c.set)
			addTotals(s.totals, c.Totals)
		}
	}
	if s.none = len(sets) == 0; s.none {
		return nil
	}
	q.add(` AND `+q.dialect.in(`n.label_set`), q.list(sets))
	return nil
}

// ownLabel adds a requirement on a label that is kept with its node.
func (q *statement) ownLabel(r query.LabelRequirement) {
	text := q.jsonText(`n.own_labels`, r.Key)
	switch r.Operator {
	case query.LabelIn:
		q.add(` AND `+q.dialect.in(text), q.list(r.Values))
	case query.LabelNotIn:
		q.add(` AND (`+text+` IS NULL OR NOT `+q.dialect.in(text)+`)`, q.list(r.Values))
	case query.LabelExists:
		q.add(` AND ` + text + ` IS NOT NULL`)
	case query.LabelDoesNotExist:
		q.add(` AND ` + text + ` IS NULL`)
	case query.LabelGt, query.LabelLt:
		bound, err := intValue(r.Values)
		if err != nil {
			q.add(` AND 1 = 0`)
			return
		}
		relation := ` > ?`
		if r.Operator == query.LabelLt {
			relation = ` < ?`
		}
		// A label's value begins with a letter or a digit, so it has no sign.
		q.add(` AND `+q.integer(text)+relation, bound)
	default:
		q.add(` AND 1 = 0`)
	}
}
