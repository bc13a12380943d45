package ledger

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// maxSearched is how many events one call of Events looks at. It bounds the time that the search
// for a rare word takes. Tests make it smaller.
var maxSearched = 10000

// maxReasons is how many reasons of a cluster a pattern is compared with. Kubernetes and its
// controllers know a few hundred; the reasons of others are whatever they write.
const maxReasons = 2000

// moment is a place in the order of events: by last_at, then by id.
type moment struct{ at, id int64 }

// before reports whether a comes before b on the way towards older events, or newer ones.
func (a moment) before(b moment, newer bool) bool {
	if newer {
		return a.at < b.at || a.at == b.at && a.id < b.id
	}
	return a.at > b.at || a.at == b.at && a.id > b.id
}

// moment is the place of the event.
func (e *eventRow) moment() moment { return moment{e.Last.UnixMilli(), e.id} }

// eventSource is a range of an index on events in the order of time: those of a class, of an
// object's name, or of a reason.
type eventSource struct {
	column string // of events e, which is
	value  any
	at     moment // searched up to here, this one included
	done   bool   // and there is nothing behind
	step   int    // how many events to look at next
}

// eventSearch is one call of Events.
type eventSearch struct {
	l        *Ledger
	cluster  string
	conn     *sql.Conn
	stmts    map[string]*sql.Stmt // of conn: what a filter needs is compiled once for all steps
	f        query.EventFilter
	uids     map[string]bool // of f
	names    map[string]bool // of f
	newer    bool
	limit    int // how many hits end the search
	bound    string
	bounds   []any     // the last moment wanted
	residual statement // what the sources do not say, on events e; it chooses no index
	sources  []*eventSource
	hits     []eventRow
	searched int
}

// Events returns the events of a cluster that a filter selects, from a cursor on: at most
// limit of them, the newest first. One call looks at a bounded number of events; if that is
// not enough to fill the page, the page says how far it came, and its cursor goes on there.
//
// Globs and words match whatever their case. An object's name without * or ? is looked up as
// it is written and in lower case, as Kubernetes has nearly all. UIDs are those of nodes in the
// ledger: their events are found by the nodes' names.
func (l *Ledger) Events(ctx context.Context, cluster string, f query.EventFilter, from query.EventCursor, limit int) (
	p query.EventPage, err error) {
	defer doing(&err, "reading events of %s", cluster)
	limit = max(1, limit)
	s := &eventSearch{l: l, cluster: cluster, stmts: map[string]*sql.Stmt{}, f: f, uids: set(f.UIDs), names: set(f.Names),
		newer: from.Newer, limit: limit + 1, residual: statement{dialect: l.sql}}
	start := moment{math.MaxInt64, math.MaxInt64}
	if !from.IsZero() {
		start = moment{from.Time.UnixMilli(), from.ID}
	}
	since, until := int64(0), int64(math.MaxInt64)
	if !f.Since.IsZero() {
		since = f.Since.UnixMilli()
	}
	if !f.Until.IsZero() {
		until = f.Until.UnixMilli()
	}
	if s.newer {
		s.bound, s.bounds = `e.last_at <= ?`, []any{until}
		if start.at < since {
			start = moment{since, math.MinInt64}
		}
	} else {
		s.bound, s.bounds = `e.last_at >= ?`, []any{since}
		if start.at > until {
			start = moment{until, math.MaxInt64}
		}
	}
	if err := s.choose(ctx, start); err != nil {
		return p, err
	}
	if s.conn, err = l.r.Conn(ctx); err != nil {
		return p, err
	}
	horizon, err := s.run(ctx)
	if err := errors.Join(err, s.close()); err != nil {
		return p, err
	}
	return s.page(from, horizon, limit), nil
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, v := range list {
		m[v] = true
	}
	return m
}

func (s *eventSearch) ask(ctx context.Context, stmt string, args []any) (*sql.Rows, error) {
	s.l.r.observed(stmt, args)
	compiled, ok := s.stmts[stmt]
	if !ok {
		var err error
		if compiled, err = s.conn.PrepareContext(ctx, stmt); err != nil {
			return nil, err
		}
		s.stmts[stmt] = compiled
	}
	return compiled.QueryContext(ctx, args...)
}

func (s *eventSearch) close() error {
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// choose finds the sources that a filter needs, the most selective ones, and what is left to
// check of what they give.
func (s *eventSearch) choose(ctx context.Context, start moment) error {
	f := &s.f
	add := func(column string, value any) {
		s.sources = append(s.sources, &eventSource{column: column, value: value, at: start, step: 256})
	}
	literal := f.Name != "" && !strings.ContainsAny(f.Name, "*?")
	reasons := []string(nil)
	if len(f.UIDs) == 0 && len(f.Names) == 0 && !literal && len(f.Reasons) > 0 {
		var few bool
		var err error
		if reasons, few, err = s.l.reasons(ctx, s.cluster, f.Reasons); err != nil {
			return err
		}
		if few && len(reasons) == 0 {
			return nil // no source: nothing matches
		}
		if !few {
			reasons = nil // compared event by event
		}
	}
	switch {
	case len(f.UIDs) > 0 || len(f.Names) > 0:
		names, err := s.l.namesOf(ctx, s.cluster, f.UIDs)
		if err != nil {
			return err
		}
		names = append(names, f.Names...)
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			add(`e.name`, name)
		}
	case literal:
		add(`e.name`, f.Name)
		if lower := strings.ToLower(f.Name); lower != f.Name {
			add(`e.name`, lower)
		}
	case len(reasons) > 0:
		for _, r := range reasons {
			add(`e.reason`, r)
		}
	default:
		for _, scaling := range []int{1, 0} {
			if scaling == 1 || !f.Scaling {
				add(`e.scaling`, scaling)
			}
		}
	}
	if len(s.sources) == 0 {
		return nil
	}
	if !literal && f.Name != "" {
		s.residual.globs(`e.name`, []string{f.Name})
	} else if literal && (len(f.UIDs) > 0 || len(f.Names) > 0) {
		s.residual.add(` AND `+s.l.sql.unindexed(`e.name`)+` IN (?, ?)`, f.Name, strings.ToLower(f.Name))
	}
	if f.Kind != "" {
		s.residual.add(` AND e.kind = ?`, f.Kind)
	}
	s.residual.globs(`e.namespace`, f.Spaces)
	if reasons == nil {
		s.residual.globs(`e.reason`, f.Reasons)
	}
	if f.Scaling && s.sources[0].column != `e.scaling` {
		s.residual.add(` AND ` + s.l.sql.unindexed(`e.scaling`) + ` = 1`)
	}
	s.residual.in(`e.type`, f.Types)
	for _, word := range f.Text {
		if isASCII(word) { // others are left to matches
			like := `%` + likeEscaper.Replace(word) + `%`
			s.residual.add(` AND (`+s.l.sql.like(`e.note`)+` OR `+s.l.sql.like(`e.reason`)+` OR `+s.l.sql.like(`e.name`)+`)`,
				like, like, like)
		}
	}
	return s.skip(ctx)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// skip moves many sources to where each has its first event, with one statement for all, and
// drops those that have none.
func (s *eventSearch) skip(ctx context.Context) error {
	const few = 8
	if len(s.sources) <= few {
		return nil
	}
	column := s.sources[0].column
	values := make([]string, len(s.sources))
	byValue := make(map[string]*eventSource, len(s.sources))
	for i, src := range s.sources {
		values[i] = src.value.(string)
		byValue[values[i]] = src
		src.step = 16
	}
	// A source's first moment is left to be searched, hence the id beyond any.
	aggregate, cond, id := `max`, `e.last_at <= ? AND e.last_at >= ?`, int64(math.MaxInt64)
	if s.newer {
		aggregate, cond, id = `min`, `e.last_at >= ? AND e.last_at <= ?`, int64(math.MinInt64)
	}
	type first struct {
		value string
		at    sql.NullInt64
	}
	var left []*eventSource
	for f, err := range each(ctx, s.l.r, func(r row) (f first, err error) {
		err = r.Scan(&f.value, &f.at)
		return f, err
	}, `SELECT j.value, (SELECT `+aggregate+`(e.last_at) FROM events e WHERE e.cluster = ? AND `+column+` = j.value
			AND `+cond+`) FROM `+s.l.sql.values(`j`), s.cluster, s.sources[0].at.at, s.bounds[0], s.l.sql.list(values)) {
		if err != nil {
			return err
		}
		if src := byValue[f.value]; src != nil && f.at.Valid {
			if m := (moment{f.at.Int64, id}); src.at.before(m, s.newer) {
				src.at = m
			}
			left = append(left, src)
		}
	}
	s.sources = left
	return nil
}

// run searches source by source, always the one that is furthest behind, until the page is
// full, nothing is left, or enough was looked at. It returns up to where all was searched, nil
// when nothing is left.
func (s *eventSearch) run(ctx context.Context) (horizon *moment, err error) {
	var start *moment
	for {
		var behind *eventSource
		for _, src := range s.sources {
			if !src.done && (behind == nil || src.at.before(behind.at, s.newer)) {
				behind = src
			}
		}
		if behind == nil {
			return nil, nil
		}
		if start == nil {
			start = &moment{behind.at.at, behind.at.id}
		}
		safe := 0
		for _, h := range s.hits {
			if !behind.at.before(h.moment(), s.newer) {
				safe++
			}
		}
		// However many sources are at one moment, a call comes further: else the next one, which
		// goes on at the horizon, would not either.
		if safe >= s.limit || s.searched >= maxSearched && behind.at != *start {
			return &behind.at, nil
		}
		if err := s.advance(ctx, behind); err != nil {
			return nil, err
		}
	}
}

// advance searches the next step of a source.
func (s *eventSearch) advance(ctx context.Context, src *eventSource) error {
	order, after := `e.last_at DESC, e.id DESC`, `e.last_at <= ? AND (e.last_at < ? OR e.id < ?)`
	if s.newer {
		order, after = `e.last_at, e.id`, `e.last_at >= ? AND (e.last_at > ? OR e.id > ?)`
	}
	where := `e.cluster = ? AND ` + src.column + ` = ? AND ` + after
	args := []any{s.cluster, src.value, src.at.at, src.at.at, src.at.id}
	// Where the search ends at the latest. There must be one such bound only: of two, SQLite
	// takes either to end its walk through the index.
	bound, bounds := ` AND `+s.bound, s.bounds

	end := moment{}
	last := true // this step reaches the source's end
	plain := s.residual.Len() == 0
	if !plain {
		// Where the step ends is found in the index alone.
		args := append(append(slices.Clone(args), bounds...), src.step-1)
		_, found, err := one(ctx, s, scanTo(&end.at, &end.id),
			`SELECT e.last_at, e.id FROM events e WHERE `+where+bound+` ORDER BY `+order+` LIMIT 1 OFFSET ?`, args...)
		if err != nil {
			return err
		}
		if found {
			last = false
			bounds = []any{end.at, end.at, end.id}
			if s.newer {
				bound = ` AND e.last_at <= ? AND (e.last_at < ? OR e.id <= ?)`
			} else {
				bound = ` AND e.last_at >= ? AND (e.last_at > ? OR e.id >= ?)`
			}
		}
		s.searched += src.step
		src.step = min(src.step*4, maxSearched/4)
	}
	args = append(append(append(args, bounds...), s.residual.args...), s.limit)
	n := 0
	for e, err := range each(ctx, s, scanEvent, `SELECT `+eventColumns+` FROM events e WHERE `+where+bound+
		s.residual.String()+` ORDER BY `+order+` LIMIT ?`, args...) {
		if err != nil {
			return err
		}
		src.at = e.moment()
		if s.matches(&e.Event) {
			s.hits = append(s.hits, e)
		}
		n++
	}
	if plain {
		s.searched += n
	}
	if n < s.limit { // else more may follow the last one
		src.at, src.done = end, last
	}
	return nil
}

// matches decides what SQL cannot.
func (s *eventSearch) matches(e *fleet.Event) bool {
	f := &s.f
	if len(f.UIDs)+len(f.Names) > 0 && !s.uids[e.Regarding.UID] && !s.names[e.Regarding.Name] {
		return false
	}
	for _, word := range f.Text {
		if isASCII(word) {
			continue
		}
		has := func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(word)) }
		if !has(e.Note) && !has(e.Reason) && !has(e.Regarding.Name) {
			return false
		}
	}
	return true
}

// page puts the hits in order, up to the horizon if there is one.
func (s *eventSearch) page(from query.EventCursor, horizon *moment, limit int) query.EventPage {
	slices.SortFunc(s.hits, func(a, b eventRow) int {
		if a.moment().before(b.moment(), s.newer) {
			return -1
		}
		return 1
	})
	var p query.EventPage
	hits := s.hits
	if horizon != nil {
		i := slices.IndexFunc(hits, func(h eventRow) bool { return horizon.before(h.moment(), s.newer) })
		if i >= 0 {
			hits = hits[:i]
		}
	}
	cursor := func(m moment, newer bool) query.EventCursor {
		return query.EventCursor{Time: time.UnixMilli(m.at).UTC(), ID: m.id, Newer: newer}
	}
	var onward query.EventCursor // goes on in the direction asked for
	switch {
	case len(hits) > limit:
		hits = hits[:limit]
		p.More, onward = true, cursor(hits[limit-1].moment(), s.newer)
	case horizon != nil:
		p.More, onward = true, cursor(*horizon, s.newer)
		p.SearchedTo = onward.Time
	}
	back := query.EventCursor{} // goes the other way
	if !from.IsZero() {
		back = query.EventCursor{Time: from.Time, ID: from.ID, Newer: !s.newer}
	}
	if len(hits) > 0 && !from.IsZero() {
		back = cursor(hits[0].moment(), !s.newer)
	}
	for _, h := range hits {
		p.Events = append(p.Events, h.Event)
	}
	if s.newer {
		slices.Reverse(p.Events)
		p.Newer, p.Older = onward, back
	} else {
		p.Older, p.Newer = onward, back
	}
	return p
}

// reasons returns the reasons in use that match one of the patterns; few is false when a
// cluster has too many to look at all.
func (l *Ledger) reasons(ctx context.Context, cluster string, patterns []string) (
	reasons []string, few bool, err error) {
	q := statement{dialect: l.sql}
	// From each reason to the next one, as the index has them.
	q.add(`WITH RECURSIVE known (reason) AS (SELECT min(reason) FROM events WHERE cluster = ?
		UNION ALL SELECT (SELECT min(e.reason) FROM events e WHERE e.cluster = ? AND e.reason > known.reason)
			FROM known WHERE known.reason IS NOT NULL)
		SELECT known.reason, CASE WHEN 1 = 1`, cluster, cluster)
	q.globs(`known.reason`, patterns)
	q.add(` THEN 1 ELSE 0 END FROM known WHERE known.reason IS NOT NULL LIMIT ?`, maxReasons)
	n := 0
	for k, err := range each(ctx, once{l.r}, counted[string], q.String(), q.args...) {
		if err != nil {
			return nil, false, err
		}
		if k.n > 0 {
			reasons = append(reasons, k.key)
		}
		n++
	}
	return reasons, n < maxReasons, nil
}

// namesOf returns the names of nodes.
func (l *Ledger) namesOf(ctx context.Context, cluster string, uids []string) (names []string, err error) {
	if len(uids) == 0 {
		return nil, nil
	}
	return collect(ctx, l.r, value[string],
		`SELECT n.name FROM nodes n WHERE n.cluster = ? AND `+l.sql.in(`n.uid`), cluster, l.sql.list(uids))
}
