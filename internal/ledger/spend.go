package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// What nodes cost over a period follows from how long they lived in it, by what their prices depend on. With m nodes
// that have joined before a moment t at moments J, and n of them that have left at moments E, all nodes together have
// lived
//
//	(m − n)·t − (ΣJ − ΣE)
//
// up to t, and what they lived in a period is the difference of that at its two ends. So spend_steps keeps m, n and
// ΣJ − ΣE of each group as they were at the end of each step of six hours in which something changed, and a question
// reads two of them, however long the period is; of the steps in which it begins and ends it reads the nodes that
// joined or left in a part of them. All are whole milliseconds: sums are exact, and prices are asked for only when
// somebody asks.
//
// Of nodes that left between two moments, doubts and doubt_moments are the same for the time in between.
//
// The first step kept of a cluster holds all that was before it, too; a moment before its end is found by taking away
// the nodes since. What retention deletes stays in the sums: it is the same at both ends of any period after it.

// stepMillis is the length of a step of spend_steps, which are counted from 1970. In a cluster where 66,000 nodes come
// and go in a day, reading the nodes of half a day takes longer than people wait; what is kept grows with the number of
// steps.
const stepMillis = int64(6 * time.Hour / time.Millisecond)

// The moments of a life, of nodes n. No node leaves before it has joined, whatever the clocks said.
const (
	wentSQL  = `CASE WHEN removed_at < created_at THEN created_at ELSE removed_at END`
	doubtSQL = `CASE WHEN removed_after < created_at THEN created_at WHEN removed_after > removed_at THEN
	CASE WHEN removed_at < created_at THEN created_at ELSE removed_at END ELSE removed_after END`
)

// spentLife is what of a node's life is in spend_steps.
type spentLife struct {
	cluster     string
	group, came int64
	went, doubt sql.NullInt64 // doubt: it left between this and went
}

const spentLifeSQL = `SELECT coalesce(group_id, 0), created_at, ` + wentSQL + `, ` + doubtSQL + ` FROM nodes
	WHERE cluster = ? AND uid = ?`

func (l *spentLife) dest() []any { return []any{&l.group, &l.came, &l.went, &l.doubt} }

// spentLifeOf is a node's life as its row says it now.
func spentLifeOf(ctx context.Context, tx tx, cluster, uid string) (l spentLife, ok bool, err error) {
	l.cluster = cluster
	_, ok, err = one(ctx, tx, scanTo(l.dest()...), spentLifeSQL, cluster, uid)
	return l, ok, err
}

// spendSums is what spend_steps has of a group: see above.
type spendSums struct{ came, went, moments, doubts, doubtMoments int64 }

func (s *spendSums) add(o spendSums, sign int64) {
	s.came, s.went, s.moments = s.came+sign*o.came, s.went+sign*o.went, s.moments+sign*o.moments
	s.doubts, s.doubtMoments = s.doubts+sign*o.doubts, s.doubtMoments+sign*o.doubtMoments
}

func (s *spendSums) args() []any { return []any{s.came, s.went, s.moments, s.doubts, s.doubtMoments} }

// spendKey is a group of a cluster.
type spendKey struct {
	cluster string
	query.SpendGroup
}

func (k spendKey) args() []any {
	return []any{k.cluster, k.Provider, k.Region, k.InstanceType, k.CapacityType, string(k.Terms), k.LabelPrice,
		k.Zone, k.Pool, string(k.Came)}
}

// spendStep is a group in a step.
type spendStep struct {
	cluster     string
	step, group int64
}

// tally collects what a transaction changes in spend_steps. The zero value is ready.
type tally struct {
	ids map[spendKey]int64 // the groups looked up so far
	by  map[spendStep]*spendSums
}

// count adds a life to the sums, or takes it away: sign is 1 or -1.
func (t *tally) count(l spentLife, sign int64) {
	t.add(l, l.came, spendSums{came: 1, moments: l.came}, sign)
	if !l.went.Valid {
		return
	}
	went := l.went.Int64
	t.add(l, went, spendSums{went: 1, moments: -went}, sign)
	if l.doubt.Valid {
		t.add(l, l.doubt.Int64, spendSums{doubts: 1, doubtMoments: l.doubt.Int64}, sign)
		t.add(l, went, spendSums{doubts: -1, doubtMoments: -went}, sign)
	}
}

func (t *tally) add(l spentLife, at int64, s spendSums, sign int64) {
	if t.by == nil {
		t.by = map[spendStep]*spendSums{}
	}
	step := spendStep{l.cluster, at / stepMillis, l.group}
	if t.by[step] == nil {
		t.by[step] = &spendSums{}
	}
	t.by[step].add(s, sign)
}

const (
	findSpendGroupSQL = `SELECT id FROM spend_groups WHERE cluster = ? AND provider = ? AND region = ?
		AND instance_type = ? AND capacity_type = ? AND terms = ? AND label_price = ? AND zone = ? AND pool = ? AND came = ?`
	insertSpendGroupSQL = `INSERT INTO spend_groups (cluster, provider, region, instance_type, capacity_type,
		terms, label_price, zone, pool, came) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
	spendBoundsSQL = `SELECT (SELECT min(step) FROM spend_steps WHERE cluster = ?),
		(SELECT max(step) FROM spend_steps WHERE cluster = ?)`
	spendNextSQL = `SELECT min(step) FROM spend_steps WHERE cluster = ? AND step >= ?`
	spendLastSQL = `SELECT max(step) FROM spend_steps WHERE cluster = ? AND step < ?`
	copySpendSQL = `INSERT INTO spend_steps (cluster, step, group_id, came, went, moments, doubts, doubt_moments)
		SELECT cluster, ?, group_id, came, went, moments, doubts, doubt_moments FROM spend_steps
		WHERE cluster = ? AND step = ?
		ON CONFLICT (cluster, step, group_id) DO UPDATE SET ` + spendAddsSQL
	addSpendSQL = `INSERT INTO spend_steps (cluster, step, group_id, came, went, moments, doubts, doubt_moments)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cluster, step, group_id) DO UPDATE SET ` + spendAddsSQL
	spendAddsSQL = `came = spend_steps.came + excluded.came, went = spend_steps.went + excluded.went,
		moments = spend_steps.moments + excluded.moments, doubts = spend_steps.doubts + excluded.doubts,
		doubt_moments = spend_steps.doubt_moments + excluded.doubt_moments`
)

// group is the number of a group, which is recorded if it is new.
func (t *tally) group(ctx context.Context, tx tx, k spendKey) (int64, error) {
	if id, ok := t.ids[k]; ok {
		return id, nil
	}
	id, ok, err := one(ctx, tx, value[int64], findSpendGroupSQL, k.args()...)
	if err == nil && !ok {
		id, _, err = one(ctx, tx, value[int64], insertSpendGroupSQL, k.args()...)
	}
	if err != nil {
		return 0, err
	}
	if t.ids == nil {
		t.ids = map[spendKey]int64{}
	}
	t.ids[k] = id
	return id, nil
}

// groupOf is the group of a node as it is now. Why it came does not change with it.
func (t *tally) groupOf(ctx context.Context, tx tx, n *fleet.Node, old oldRow) (int64, error) {
	k := spendKey{n.Cluster, query.SpendGroup{Machine: n.Machine(), Zone: n.Zone, Pool: n.Pool}}
	if old.known && old.group != 0 {
		if old.kind.Machine == k.Machine && old.zone == k.Zone && old.pool == k.Pool {
			return old.group, nil
		}
		var err error
		k.Came, _, err = one(ctx, tx, value[fleet.CauseKind], `SELECT came FROM spend_groups WHERE id = ?`, old.group)
		if err != nil {
			return 0, err
		}
	}
	return t.group(ctx, tx, k)
}

// countNode adds a node's life, as its row says it, to the sums or takes it away.
func (t *tally) countNode(ctx context.Context, tx tx, n *fleet.Node, sign int64) error {
	life, ok, err := spentLifeOf(ctx, tx, n.Cluster, n.UID)
	if err == nil && ok {
		t.count(life, sign)
	}
	return err
}

// flush writes what was collected. It belongs to the end of the transaction that changes the nodes.
func (t *tally) flush(ctx context.Context, tx tx) error {
	steps := slices.SortedFunc(maps.Keys(t.by), func(a, b spendStep) int {
		return cmp.Or(cmp.Compare(a.cluster, b.cluster), cmp.Compare(a.step, b.step), cmp.Compare(a.group, b.group))
	})
	for len(steps) > 0 {
		n := slices.IndexFunc(steps, func(d spendStep) bool { return d.cluster != steps[0].cluster })
		if n < 0 {
			n = len(steps)
		}
		if err := t.flushCluster(ctx, tx, steps[:n]); err != nil {
			return err
		}
		steps = steps[n:]
	}
	clear(t.by)
	return nil
}

// flushCluster is flush of one cluster's steps, in their order.
func (t *tally) flushCluster(ctx context.Context, tx tx, steps []spendStep) error {
	cluster := steps[0].cluster
	var first, last sql.NullInt64
	if _, _, err := one(ctx, tx, scanTo(&first, &last), spendBoundsSQL, cluster, cluster); err != nil {
		return err
	}
	if !first.Valid { // the first step holds all that was before it
		first.Int64, last.Int64 = steps[len(steps)-1].step, steps[len(steps)-1].step
	}
	var kept []int64 // from the step on that was written last
	for i, d := range steps {
		sums := *t.by[d]
		if sums == (spendSums{}) {
			continue
		}
		step := max(d.step, first.Int64)
		switch {
		case len(kept) > 0 && kept[0] == step:
		case i == 0 && step == last.Int64: // mostly it is
			kept = []int64{step}
		default:
			var err error
			if kept, err = stepsFrom(ctx, tx, cluster, step, first.Int64, last.Int64); err != nil {
				return err
			}
			last.Int64 = max(last.Int64, step)
		}
		for _, step := range kept {
			if _, err := tx.exec(ctx, addSpendSQL, append([]any{cluster, step, d.group}, sums.args()...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// stepsFrom lists the steps that are kept from a step on, which is one of them from now on.
func stepsFrom(ctx context.Context, tx tx, cluster string, step, first, last int64) (steps []int64, err error) {
	steps = append(steps, step)
	for from := step; from <= last; {
		next, _, err := one(ctx, tx, value[sql.NullInt64], spendNextSQL, cluster, from)
		if err != nil {
			return nil, err
		}
		if !next.Valid {
			break
		}
		if next.Int64 > step {
			steps = append(steps, next.Int64)
		}
		if from == step && next.Int64 == step {
			first = step // it is there
		}
		from = next.Int64 + 1
	}
	if first == step {
		return steps, nil
	}
	before, _, err := one(ctx, tx, value[sql.NullInt64], spendLastSQL, cluster, step)
	if err == nil && before.Valid {
		_, err = tx.exec(ctx, copySpendSQL, step, cluster, before.Int64)
	}
	return steps, err
}

// setGroupSQL moves a node to another group.
const setGroupSQL = `UPDATE nodes SET group_id = ? WHERE cluster = ? AND uid = ?`

const spendKeyColumns = machineColumns + `, n.zone, n.pool`

func (k *spendKey) dest() []any { return append(machineDest(&k.Machine), &k.Zone, &k.Pool) }

const spendKeySQL = `SELECT ` + spendKeyColumns + ` FROM nodes n WHERE n.cluster = ? AND n.uid = ?`

// came notes why a node came.
func (t *tally) came(ctx context.Context, tx tx, cluster, uid string, why fleet.CauseKind) error {
	k := spendKey{cluster: cluster}
	_, ok, err := one(ctx, tx, scanTo(k.dest()...), spendKeySQL, cluster, uid)
	if err != nil || !ok {
		return err
	}
	k.Came = why
	life, _, err := spentLifeOf(ctx, tx, cluster, uid)
	if err != nil {
		return err
	}
	group, err := t.group(ctx, tx, k)
	if err != nil || group == life.group {
		return err
	}
	if _, err := tx.exec(ctx, setGroupSQL, group, cluster, uid); err != nil {
		return err
	}
	t.count(life, -1)
	life.group = group
	t.count(life, 1)
	return nil
}

// How a node's end counts among interruptions: nodes.interrupted.
const (
	notInterrupted = iota
	interrupted    // the cloud took it back
	goneUnsaid     // its machine was gone, and nothing says why
)

func interruption(why fleet.CauseKind) int {
	switch why {
	case fleet.SpotInterruption:
		return interrupted
	case fleet.MachineGone, fleet.ShutDown:
		return goneUnsaid
	}
	return notInterrupted
}

const (
	// As lifeColumns has it.
	lastWentSQL = `SELECT s.kind FROM changes c JOIN causes s ON s.id = c.cause_id WHERE c.cluster = ? AND c.node_uid = ?
		AND c.kind = 'removed' AND c.cause_id IS NOT NULL ORDER BY c.occurrence DESC LIMIT 1`
	setInterruptedSQL = `UPDATE nodes SET interrupted = ? WHERE cluster = ? AND uid = ? AND interrupted <> ?`
)

// went notes why a node left, as its changes say.
func went(ctx context.Context, tx tx, cluster, uid string) error {
	why, _, err := one(ctx, tx, value[fleet.CauseKind], lastWentSQL, cluster, uid)
	if err == nil {
		n := interruption(why)
		_, err = tx.exec(ctx, setInterruptedSQL, n, cluster, uid, n)
	}
	return err
}

// forgetNode deletes a node that is not to be counted any more.
func (t *tally) forgetNode(ctx context.Context, tx tx, cluster, uid string) (int64, error) {
	life, ok, err := spentLifeOf(ctx, tx, cluster, uid)
	if err != nil || !ok {
		return 0, err
	}
	t.count(life, -1)
	return tx.exec(ctx, `DELETE FROM nodes WHERE cluster = ? AND uid = ?`, cluster, uid)
}

// snapshot runs the statements of one answer on one state of the ledger.
type snapshot struct {
	*reader
	tx *sql.Tx
}

func (s snapshot) ask(ctx context.Context, stmt string, args []any) (*sql.Rows, error) {
	s.observed(stmt, args)
	c, err := s.compiled(ctx, stmt)
	if err != nil {
		return nil, err
	}
	return s.tx.StmtContext(ctx, c).QueryContext(ctx, args...)
}

// asItIs runs f on one state of the ledger, which no writer changes meanwhile.
func (l *Ledger) asItIs(ctx context.Context, f func(asker) error) error {
	t, err := l.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer t.Rollback()
	return f(snapshot{l.r, t})
}

// Spending returns what the nodes of a cluster used of periods, whose moments count in whole milliseconds.
func (l *Ledger) Spending(ctx context.Context, cluster string, periods ...query.Period) (s query.Spending, err error) {
	defer doing(&err, "counting what nodes of %s used", cluster)
	err = l.asItIs(ctx, func(q asker) error {
		s, _, err = spending(ctx, q, cluster, periods, "")
		return err
	})
	return s, err
}

// spendAt is the sums of the groups up to a moment.
type spendAt map[int64]spendSums

// spending is Spending of the nodes of a capacity type, "" for all. index is where each group is, by its number.
func spending(ctx context.Context, q asker, cluster string, periods []query.Period, capacity string) (s query.Spending,
	index map[int64]int, err error) {
	if index, err = spendGroups(ctx, q, cluster, capacity, &s); err != nil {
		return s, nil, err
	}
	var watched time.Time
	if _, _, err := one(ctx, q, scanTo(at{&watched}), `SELECT watched_until FROM clusters WHERE cluster = ?`,
		cluster); err != nil {
		return s, nil, err
	}
	known := map[int64]spendAt{}
	upTo := func(t int64) (spendAt, error) {
		if known[t] == nil {
			if known[t], err = spendUpTo(ctx, q, cluster, t, len(s.Groups)); err != nil {
				return nil, err
			}
		}
		return known[t], nil
	}
	s.Periods = make([][]query.Spent, len(periods))
	for i, p := range periods {
		from, until := p.From.UnixMilli(), p.Until.UnixMilli()
		if from >= until {
			continue
		}
		a, err := upTo(from)
		if err != nil {
			return s, nil, err
		}
		b, err := upTo(until)
		if err != nil {
			return s, nil, err
		}
		var unseen map[int64]int64
		// Of what lives still, nobody knows whether it does if nobody watches.
		if !watched.IsZero() && p.Until.Sub(watched) > fleet.Unwatched {
			if unseen, err = unseenLives(ctx, q, cluster, max(from, watched.UnixMilli()), until); err != nil {
				return s, nil, err
			}
		}
		for id, end := range b {
			at, ok := index[id]
			if !ok {
				continue
			}
			begin := a[id]
			x := query.Spent{Group: at, Start: int(begin.came - begin.went), End: int(end.came - end.went),
				Joined: int(end.came - begin.came), Left: int(end.went - begin.went)}
			if x.Nodes() == 0 {
				continue
			}
			all := (end.came-end.went)*until - end.moments - ((begin.came-begin.went)*from - begin.moments)
			unsure := end.doubts*until - end.doubtMoments - (begin.doubts*from - begin.doubtMoments) + unseen[id]
			x.Sure, x.Unsure = fleet.NodeTime(all-unsure), fleet.NodeTime(unsure)
			s.Periods[i] = append(s.Periods[i], x)
		}
		slices.SortFunc(s.Periods[i], func(a, b query.Spent) int { return cmp.Compare(a.Group, b.Group) })
	}
	return s, index, nil
}

const spendGroupColumns = `g.id, g.provider, g.region, g.instance_type, g.capacity_type, g.terms, g.label_price, g.zone,
	g.pool, g.came`

func spendGroupDest(id *int64, g *query.SpendGroup) []any {
	return slices.Concat([]any{id}, machineDest(&g.Machine), []any{&g.Zone, &g.Pool, &g.Came})
}

// spendGroups reads the groups of a cluster of a capacity type, "" for all, and returns where each is, by its number.
func spendGroups(ctx context.Context, q asker, cluster, capacity string, s *query.Spending) (index map[int64]int,
	err error) {
	index = map[int64]int{}
	texts := map[string]string{} // each once
	for _, err := range each(ctx, q, func(r row) (_ struct{}, err error) {
		var id int64
		var g query.SpendGroup
		err = r.Scan(spendGroupDest(&id, &g)...)
		for _, t := range []*string{&g.Provider, &g.Region, &g.InstanceType, &g.CapacityType, &g.Zone, &g.Pool} {
			if known, ok := texts[*t]; ok {
				*t = known
			} else {
				texts[*t] = *t
			}
		}
		index[id] = len(s.Groups)
		s.Groups = append(s.Groups, g)
		return struct{}{}, err
	}, `SELECT `+spendGroupColumns+` FROM spend_groups g WHERE g.cluster = ?
		AND (g.capacity_type = ? OR ? = '')`, cluster, capacity, capacity) {
		if err != nil {
			return nil, err
		}
	}
	return index, nil
}

// spendRow is the sums of a group.
type spendRow struct {
	group int64
	spendSums
}

func scanSpend(r row) (s spendRow, err error) {
	err = r.Scan(&s.group, &s.came, &s.went, &s.moments, &s.doubts, &s.doubtMoments)
	return s, err
}

const (
	spendStepSQL = `SELECT d.group_id, d.came, d.went, d.moments, d.doubts, d.doubt_moments FROM spend_steps d
		WHERE d.cluster = ? AND d.step = ?`
	// What changes in a part of a step, as the nodes say. The columns of an index are written as it has them.
	spendPartSQL = `SELECT group_id, count(*), 0, sum(created_at), 0, 0 FROM nodes
			WHERE cluster = ? AND created_at >= ? AND created_at < ? GROUP BY group_id
		UNION ALL SELECT group_id, 0, count(*), -sum(` + wentSQL + `), -count(removed_after),
			-coalesce(sum(CASE WHEN removed_after > 0 THEN ` + wentSQL + ` END), 0) FROM nodes
			WHERE cluster = ? AND removed_at IS NOT NULL AND ` + wentSQL + ` >= ? AND ` + wentSQL + ` < ? GROUP BY group_id
		UNION ALL SELECT group_id, 0, 0, 0, count(*), sum(` + doubtSQL + `) FROM nodes
			WHERE cluster = ? AND removed_after IS NOT NULL AND ` + doubtSQL + ` >= ? AND ` + doubtSQL + ` < ?
			GROUP BY group_id`
)

// spendUpTo returns the sums of the groups up to a moment, from the nearest step that is kept.
func spendUpTo(ctx context.Context, q asker, cluster string, t int64, groups int) (spendAt, error) {
	step := t / stepMillis
	before, _, err := one(ctx, q, value[sql.NullInt64], spendLastSQL, cluster, step)
	if err != nil {
		return nil, err
	}
	after, _, err := one(ctx, q, value[sql.NullInt64], spendNextSQL, cluster, step)
	if err != nil {
		return nil, err
	}
	all := make(spendAt, groups)
	add := func(sign int64, stmt string, args ...any) error {
		for s, err := range each(ctx, q, scanSpend, stmt, args...) {
			if err != nil {
				return err
			}
			sums := all[s.group]
			sums.add(s.spendSums, sign)
			all[s.group] = sums
		}
		return nil
	}
	part := func(sign, from, until int64) error {
		if from >= until {
			return nil
		}
		return add(sign, spendPartSQL, cluster, from, until, cluster, from, until, cluster, from, until)
	}
	changed := after.Valid && after.Int64 == step // something changes on this step
	over, _, err := one(ctx, q, value[sql.NullInt64], spendNextSQL, cluster, step+1)
	if err != nil {
		return nil, err
	}
	now := changed && !over.Valid // the rest of the last step is mostly yet to come
	switch {
	case before.Valid && !changed:
		err = add(1, spendStepSQL, cluster, before.Int64)
	case before.Valid && !now && t-step*stepMillis < stepMillis/2:
		if err = add(1, spendStepSQL, cluster, before.Int64); err == nil {
			err = part(1, step*stepMillis, t)
		}
	case after.Valid:
		if err = add(1, spendStepSQL, cluster, after.Int64); err == nil {
			err = part(-1, t, (after.Int64+1)*stepMillis)
		}
	}
	return all, err
}

// unseenLives returns by group for how many milliseconds of a span it is not known whether the nodes that live, as far
// as the ledger knows, did.
func unseenLives(ctx context.Context, q asker, cluster string, from, until int64) (map[int64]int64, error) {
	unseen := map[int64]int64{}
	if from >= until {
		return unseen, nil
	}
	type living struct{ group, nodes, moments int64 }
	scan := func(r row) (n living, err error) {
		err = r.Scan(&n.group, &n.nodes, &n.moments)
		return n, err
	}
	last, _, err := one(ctx, q, value[sql.NullInt64], spendLastSQL, cluster, int64(1)<<40)
	if err != nil {
		return nil, err
	}
	for n, err := range each(ctx, q, scan, `SELECT d.group_id, d.came - d.went, 0 FROM spend_steps d
		WHERE d.cluster = ? AND d.step = ? AND d.came > d.went`, cluster, last.Int64) {
		if err != nil {
			return nil, err
		}
		unseen[n.group] += n.nodes * (until - from)
	}
	// Those that joined later were not there from the beginning.
	for n, err := range each(ctx, q, scan, `SELECT n.group_id, 1, CASE WHEN n.created_at > ? THEN ? ELSE n.created_at END
		FROM nodes n WHERE n.cluster = ? AND n.removed_at IS NULL AND n.created_at > ?`, until, until, cluster, from) {
		if err != nil {
			return nil, err
		}
		unseen[n.group] -= n.moments - from
	}
	return unseen, nil
}

func interruptedSQL() string {
	return `SELECT group_id, interrupted, ` + dialect{}.listOf(`removed_at - created_at`) + ` FROM nodes
	WHERE cluster = ? AND interrupted > 0 AND removed_at >= ? AND removed_at < ? GROUP BY group_id, interrupted`
}

// SpotSpending is Spending of the spot nodes of one period, with how many of them the cloud took back.
func (l *Ledger) SpotSpending(ctx context.Context, cluster string, p query.Period) (s query.Spending, err error) {
	defer doing(&err, "counting what spot nodes of %s used", cluster)
	err = l.asItIs(ctx, func(q asker) error {
		var index map[int64]int
		if s, index, err = spending(ctx, q, cluster, []query.Period{p}, "spot"); err != nil {
			return err
		}
		of := make(map[int]*query.Spent, len(s.Periods[0]))
		for i := range s.Periods[0] {
			of[s.Periods[0][i].Group] = &s.Periods[0][i]
		}
		type ended struct {
			group int64
			how   int
			lives string
		}
		for e, err := range each(ctx, q, func(r row) (e ended, err error) {
			err = r.Scan(&e.group, &e.how, &e.lives)
			return e, err
		}, interruptedSQL(), cluster, p.From.UnixMilli(), p.Until.UnixMilli()) {
			if err != nil {
				return err
			}
			at, ok := index[e.group]
			x := of[at]
			if !ok || x == nil {
				continue
			}
			for text := range strings.SplitSeq(strings.Trim(e.lives, "[]"), ",") {
				ms, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return fmt.Errorf("reading lives: %w", err)
				}
				if e.how == interrupted {
					x.Interrupted = append(x.Interrupted, time.Duration(max(0, ms))*time.Millisecond)
				} else {
					x.Gone++
				}
			}
		}
		return nil
	})
	return s, err
}

// pruneSpending deletes the steps that no period after old needs, and the groups that have no part in any.
func (l *Ledger) pruneSpending(ctx context.Context, cluster string, old int64) (total int64, err error) {
	step := old / stepMillis
	total, err = l.deleteStepwise(ctx, `DELETE FROM spend_steps WHERE (cluster, step, group_id) IN (SELECT d.cluster,
		d.step, d.group_id FROM spend_steps d WHERE d.cluster = ? AND d.step < (SELECT max(o.step) FROM spend_steps o
			WHERE o.cluster = ? AND o.step < ?) LIMIT ?)`, cluster, cluster, step)
	if err != nil {
		return total, err
	}
	var first, last sql.NullInt64
	if _, _, err := one(ctx, l.r, scanTo(&first, &last), spendBoundsSQL, cluster, cluster); err != nil ||
		!first.Valid || first.Int64 >= step {
		return total, err
	}
	for ctx.Err() == nil {
		n := 0
		if err := l.tx(ctx, func(tx tx) error {
			dead, err := collect(ctx, tx, value[int64], `SELECT n.group_id FROM spend_steps n JOIN spend_steps o
				ON o.cluster = n.cluster AND o.step = ? AND o.group_id = n.group_id
				WHERE n.cluster = ? AND n.step = (SELECT max(step) FROM spend_steps WHERE cluster = ?) AND n.came = n.went
				AND n.doubts = 0 AND o.came = n.came AND o.went = n.went LIMIT ?`, first.Int64, cluster, cluster, pruneStep)
			if n = len(dead); err != nil || n == 0 {
				return err
			}
			var sql dialect
			steps, err := stepsFrom(ctx, tx, cluster, first.Int64, first.Int64, last.Int64+2)
			if err != nil {
				return err
			}
			for _, step := range steps {
				if _, err := tx.exec(ctx, `DELETE FROM spend_steps WHERE cluster = ? AND step = ? AND `+sql.in(`group_id`),
					cluster, step, sql.list(dead)); err != nil {
					return err
				}
			}
			_, err = tx.exec(ctx, `DELETE FROM spend_groups WHERE `+sql.in(`id`), sql.list(dead))
			return err
		}); err != nil {
			return total, err
		}
		if total += int64(n); n < pruneStep {
			break
		}
	}
	return total, nil
}
