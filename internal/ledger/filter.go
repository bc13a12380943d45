package ledger

import (
	"context"
	"database/sql"
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
	l, err := list(values)
	q.add(` AND `+in(column), l)
	return err
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
		err := l.r.QueryRowContext(ctx,
			`SELECT max(at) FROM (SELECT removed_at AS at FROM nodes WHERE cluster = ? AND removed_at >= ? ORDER BY `+
				`removed_at DESC LIMIT 1 OFFSET ?)`,
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
	var ids []int64
	var totals []fleet.Totals
	for t, err := range each(ctx, uncached{l.r}, func(r row) (t fleet.Totals, err error) {
		var id int64
		err = r.Scan(&id, &t.Nodes, &t.Ready, &t.Cordoned)
		ids = append(ids, id)
		return t, err
	}, `SELECT n.label_set, `+counts+` FROM nodes n WHERE `+q.String()+` GROUP BY n.label_set`, q.args...) {
		if err != nil {
			return err
		}
		totals = append(totals, t)
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
		if slices.ContainsFunc(rs, func(r query.LabelRequirement) bool { return !values[r.Key][id].meets(r) }) {
			continue
		}
		sets = append(sets, id)
		t := totals[i]
		s.totals.Nodes, s.totals.Ready = s.totals.Nodes+t.Nodes, s.totals.Ready+t.Ready
		s.totals.Cordoned += t.Cordoned
	}
	if s.none = len(sets) == 0; s.none {
		return nil
	}
	of, err := list(sets)
	q.add(` AND `+in(`n.label_set`), of)
	return err
}

// ownLabel adds a requirement on a label that is kept with its node.
func (q *statement) ownLabel(r query.LabelRequirement) {
	value := jsonText(`n.own_labels`)
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
		digits := `ltrim(` + value + `, '0')`
		q.add(` AND `+value+` <> '' AND ltrim(`+value+`, '0123456789') = '' AND (length(`+digits+`) < 19 OR length(`+digits+
			`) = 19 AND `+digits+` <= '9223372036854775807')
			AND CAST(`+value+` AS BIGINT) `+op+` ?`, r.Key, r.Key, r.Key, r.Key, r.Key, r.Key, want)
	default:
		q.add(` AND 1 = 0`)
	}
}
