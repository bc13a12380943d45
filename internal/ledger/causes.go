package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// explainAt says when a change that is recorded is to be explained: at once, if the node came or went. One that is
// back has not come.
func explainAt(c fleet.Change) any {
	if c.Kind == fleet.Removed || c.Kind == fleet.Joined && c.Occurrence == 1 {
		return 0
	}
	return nil
}

// explainReadySQL has a node's coming explained again, because it has become ready: from then on pods run on it.
const explainReadySQL = `UPDATE changes SET explain_at = 0 WHERE cluster = ? AND node_uid = ? AND kind = 'joined'
	AND occurrence = 1 AND explain_at > 0`

// explainSoon is how far in the future the next look at a change may be: pauses have four minutes at most. One that is
// later was planned by a clock that has been set back since.
const explainSoon = 5 * time.Minute

// ExplainAt returns when the next change of a cluster is to be explained; ok is false if none is.
func (l *Ledger) ExplainAt(ctx context.Context, cluster string, now time.Time) (next time.Time, ok bool, err error) {
	defer doing(&err, "reading what is to be explained of %s", cluster)
	_, _, err = one(ctx, l.r, scanTo(at{&next}),
		`SELECT min(explain_at) FROM changes WHERE cluster = ? AND explain_at IS NOT NULL`, cluster)
	if next.After(now.Add(explainSoon)) {
		next = now
	}
	return next, !next.IsZero(), err
}

const unexplainedSQL = `SELECT ` + changeColumns + `, c.strength, c.looks, ` + nodeColumns + `
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid` + nodeSets + `
	WHERE c.cluster = ? AND c.explain_at IS NOT NULL AND (c.explain_at <= ? OR c.explain_at > ?)
	ORDER BY c.explain_at, c.id LIMIT ?`

// Unexplained returns the changes that are to be explained now, those that have waited longest first.
func (l *Ledger) Unexplained(ctx context.Context, cluster string, now time.Time, limit int) (
	changes []wave.Unexplained, err error) {
	defer doing(&err, "reading what is to be explained of %s", cluster)
	return collect(ctx, l.r, func(r row) (u wave.Unexplained, err error) {
		var n nodeRow
		if err := r.Scan(append(append(changeDest(&u.Change), &u.Strength, &u.Looks), n.dest()...)...); err != nil {
			return u, err
		}
		rec, err := n.record()
		u.Node, u.ReadyAt, u.RemovedAt = rec.Node, rec.FirstReady, rec.RemovedAt
		ofNode(&u.Change, u.Node)
		return u, err
	}, unexplainedSQL, cluster, now.UnixMilli(), now.Add(explainSoon).UnixMilli(), limit)
}

// causeColumns are what causeDest receives, of causes s.
const causeColumns = `s.kind, s.actor, s.why, s.for_kind, s.for_namespace, s.for_name`

func causeDest(c *fleet.Cause) []any {
	return []any{&c.Kind, &c.By, &c.Why, &c.For.Kind, &c.For.Namespace, &c.For.Name}
}

// causeArgs are the values of causeColumns.
func causeArgs(c fleet.Cause) []any {
	return []any{string(c.Kind), c.By, c.Why, c.For.Kind, c.For.Namespace, c.For.Name}
}

// The bounds of what is kept of a cause and of its proof, in bytes and in pieces. A name of Kubernetes has 253 bytes.
const (
	maxCauseText = 500
	maxCauseName = 253
	maxNodeNames = 50
	maxLinks     = 12
	maxLinkNote  = 400
	maxChain     = 4 << 10
)

// clipCause bounds the texts of a cause.
func clipCause(c fleet.Cause) fleet.Cause {
	c.Kind, c.By = fleet.CauseKind(fleet.Cut(string(c.Kind), maxCauseName)), fleet.Cut(c.By, maxCauseName)
	c.Why = fleet.Cut(c.Why, maxCauseText)
	c.For.Kind, c.For.Namespace = fleet.Cut(c.For.Kind, maxCauseName), fleet.Cut(c.For.Namespace, maxCauseName)
	c.For.Name = fleet.Cut(c.For.Name, maxCauseName)
	return c
}

// whyDetail is the JSON of the column changes.why: what an explanation says of one change alone.
type whyDetail struct {
	Pods      int       `json:"pods,omitempty"`
	Nodes     []string  `json:"nodes,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	SavingUSD float64   `json:"saving_usd,omitempty"`
}

func whyText(e fleet.Explanation) (string, error) {
	d := whyDetail{Pods: e.Pods, Since: e.Since.UTC(), SavingUSD: e.SavingUSD}
	for _, name := range e.Nodes[:min(len(e.Nodes), maxNodeNames)] {
		d.Nodes = append(d.Nodes, fleet.Cut(name, maxCauseName))
	}
	text, err := json.Marshal(d)
	return string(text), err
}

// explanation is what a change's columns say of its cause.
func explanation(c fleet.Cause, strength int, why string) (e fleet.Explanation, err error) {
	var d whyDetail
	if why != "" {
		err = json.Unmarshal([]byte(why), &d)
	}
	return fleet.Explanation{Cause: c, Strength: strength, Pods: d.Pods, Nodes: d.Nodes, Since: d.Since,
		SavingUSD: d.SavingUSD}, err
}

// chainText is the JSON of the column chains.links, "" for none. Of a chain that is too long, the middle is left out,
// and the ends of its notes.
func chainText(chain []fleet.Link) (string, error) {
	const half = maxLinks / 2
	if len(chain) > maxLinks {
		chain = slices.Concat(chain[:half], chain[len(chain)-half:])
	}
	chain = slices.Clone(chain)
	for note := maxLinkNote; len(chain) > 0; note /= 2 {
		for i := range chain {
			c := &chain[i]
			c.At, c.Note, c.Reason = c.At.UTC(), fleet.Cut(c.Note, note), fleet.Cut(c.Reason, maxCauseName)
			c.On = fleet.ObjectRef{Kind: fleet.Cut(c.On.Kind, maxCauseName), Name: fleet.Cut(c.On.Name, maxCauseName),
				Namespace: fleet.Cut(c.On.Namespace, maxCauseName), UID: fleet.Cut(c.On.UID, maxCauseName)}
		}
		text, err := json.Marshal(chain)
		if err != nil || len(text) <= maxChain {
			return string(text), err
		}
		if note < 50 {
			chain = slices.Delete(chain, len(chain)/2, len(chain)/2+1)
		}
	}
	return "", nil
}

func parseChain(text string) (chain []fleet.Link, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &chain)
	}
	return chain, err
}

const (
	findCauseSQL = `SELECT id FROM causes WHERE cluster = ? AND kind = ? AND actor = ? AND why = ? AND for_kind = ?
		AND for_namespace = ? AND for_name = ?`
	insertCauseSQL = `INSERT INTO causes (cluster, kind, actor, why, for_kind, for_namespace, for_name)
		VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`
	setCauseSQL = `UPDATE changes SET cause_id = ?, strength = ?, why = ? WHERE id = ? AND cluster = ? AND strength < ?
		AND kind IN ('joined', 'removed') RETURNING node_uid, kind, occurrence`
	setChainSQL = `INSERT INTO chains (change_id, links) VALUES (?, ?)
		ON CONFLICT (change_id) DO UPDATE SET links = excluded.links`
	dropChainSQL = `DELETE FROM chains WHERE change_id = ?`
	// What is final stays so, and what was done again after a kill changes nothing.
	lookedSQL = `UPDATE changes SET looks = ?, explain_at = ? WHERE id = ? AND cluster = ? AND explain_at IS NOT NULL
		AND looks < ?`
)

// SetCauses records in one transaction what was found out about changes of a cluster, and when to look again. A cause
// takes an earlier one's place only if it is stronger, so the same again changes nothing.
func (l *Ledger) SetCauses(ctx context.Context, cluster string, explained []wave.Explained) (err error) {
	defer doing(&err, "recording %d causes of %s", len(explained), cluster)
	return l.tx(ctx, func(tx tx) error {
		ids := map[fleet.Cause]int64{}
		var spent tally
		ended := map[string]bool{} // why Karpenter ended nodes, now that nothing more will be known
		for i := range explained {
			if err := setCause(ctx, tx, cluster, &explained[i], ids, &spent); err != nil {
				return err
			}
			if e := explained[i]; e.Final() && e.Kind != fleet.Replacement && e.Disruption() != "" {
				ended[e.Disruption()] = true
			}
		}
		for reason := range ended {
			if _, err := tx.exec(ctx, retellSQL, cluster, cluster, reason); err != nil {
				return err
			}
		}
		return spent.flush(ctx, tx)
	})
}

// setCause is SetCauses of one change. ids are the causes that were looked up so far, and spent is what changes in what
// nodes cost.
func setCause(ctx context.Context, tx tx, cluster string, e *wave.Explained, ids map[fleet.Cause]int64,
	spent *tally) error {
	if !e.Cause.IsZero() && e.Strength > 0 {
		cause := clipCause(e.Cause)
		id, ok := ids[cause]
		if !ok {
			var err error
			if id, err = causeID(ctx, tx, cluster, cause); err != nil {
				return err
			}
			ids[cause] = id
		}
		why, err := whyText(e.Explanation)
		if err != nil {
			return err
		}
		var uid string
		var kind fleet.ChangeKind
		var occurrence int
		_, stronger, err := one(ctx, tx, scanTo(&uid, &kind, &occurrence), setCauseSQL, id, e.Strength, why, e.Change,
			cluster, e.Strength)
		if err != nil {
			return err
		}
		if stronger {
			switch {
			case kind == fleet.Removed:
				err = went(ctx, tx, cluster, uid)
			case occurrence == 1:
				err = spent.came(ctx, tx, cluster, uid, cause.Kind)
			}
			if err == nil {
				err = setChain(ctx, tx, e.Change, e.Chain)
			}
			if err == nil {
				_, err = tx.exec(ctx, feedCauseSQL, e.Change, e.Strength, cluster)
			}
			if err != nil {
				return err
			}
		}
	}
	_, err := tx.exec(ctx, lookedSQL, e.Looks, ms(e.Next), e.Change, cluster, e.Looks)
	return err
}

// causeID is the number of a cause, which is recorded if it is new.
func causeID(ctx context.Context, tx tx, cluster string, c fleet.Cause) (int64, error) {
	args := append([]any{cluster}, causeArgs(c)...)
	id, ok, err := one(ctx, tx, value[int64], findCauseSQL, args...)
	if err != nil || ok {
		return id, err
	}
	id, _, err = one(ctx, tx, value[int64], insertCauseSQL, args...)
	return id, err
}

func setChain(ctx context.Context, tx tx, change int64, chain []fleet.Link) error {
	text, err := chainText(chain)
	if err != nil {
		return err
	}
	if text == "" || len(chain) == 0 {
		_, err = tx.exec(ctx, dropChainSQL, change)
		return err
	}
	_, err = tx.exec(ctx, setChainSQL, change, text)
	return err
}

const (
	swapSQL = `SELECT ` + machineColumns + `, n.pool, ` + causeColumns + `, count(*), min(c.at), max(c.at)
		FROM changes c JOIN causes s ON s.id = c.cause_id JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
		WHERE c.cluster = ? AND c.kind = ? AND c.at >= ? AND c.at <= ? AND s.actor = 'Karpenter'
		GROUP BY ` + machineColumns + `, n.pool, ` + causeColumns
	// A message that tells of replacements is to tell of what they replaced, too, once that is known.
	retellSQL = `UPDATE changes SET told_cause = NULL WHERE told_cause IS NOT NULL AND kind = 'joined'
		AND wave_id IN (SELECT id FROM waves WHERE cluster = ? AND done_at IS NULL) AND told_cause IN
		(SELECT id FROM causes WHERE cluster = ? AND kind = 'replacement' AND actor = 'Karpenter' AND why = ?)`
)

// Swaps returns the replacements that nodes of a wave have a part in, those of which both sides are known: see
// [wave.Swap].
func (l *Ledger) Swaps(ctx context.Context, w wave.Wave) (swaps []wave.Swap, err error) {
	defer doing(&err, "reading the replacements of wave %d", w.ID)
	pools, from, until := w.Swapped()
	if len(pools) == 0 {
		return nil, nil
	}
	type side struct {
		machine      fleet.Machine
		pool         string
		cause        fleet.Cause
		nodes        int
		since, until time.Time
	}
	scan := func(r row) (s side, err error) {
		err = r.Scan(slices.Concat(machineDest(&s.machine), []any{&s.pool}, causeDest(&s.cause),
			[]any{&s.nodes, at{&s.since}, at{&s.until}})...)
		return s, err
	}
	found := map[string]*wave.Swap{}
	for reason := range pools {
		found[reason] = &wave.Swap{Reason: reason, Came: map[fleet.Machine]int{}, Went: map[fleet.Machine]int{}}
	}
	for _, kind := range []fleet.ChangeKind{fleet.Joined, fleet.Removed} {
		for s, err := range each(ctx, l.r, scan, swapSQL, w.Cluster, string(kind), ms(from.Add(-wave.SwapSpan)),
			ms(until.Add(wave.SwapSpan))) {
			if err != nil {
				return nil, err
			}
			swap := found[s.cause.Disruption()]
			if swap == nil || !pools[swap.Reason][s.pool] {
				continue
			}
			if kind == fleet.Joined {
				swap.Came[s.machine] += s.nodes
			} else {
				swap.Went[s.machine] += s.nodes
			}
			if swap.Since.IsZero() || s.since.Before(swap.Since) {
				swap.Since = s.since
			}
			swap.Until = fleet.Latest(swap.Until, s.until)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(found)) {
		if s := found[reason]; len(s.Came) > 0 && len(s.Went) > 0 {
			swaps = append(swaps, *s)
		}
	}
	return swaps, nil
}

// causes returns the causes of a cluster by number: there are few, next to the changes that have them.
func (l *Ledger) causes(ctx context.Context, cluster string) (map[int64]fleet.Cause, error) {
	all := map[int64]fleet.Cause{}
	for c, err := range each(ctx, l.r, scanCause, `SELECT s.id, `+causeColumns+` FROM causes s WHERE s.cluster = ?`,
		cluster) {
		if err != nil {
			return nil, err
		}
		all[c.id] = c.Cause
	}
	return all, nil
}

// causeRow is a cause and its number.
type causeRow struct {
	id int64
	fleet.Cause
}

func scanCause(r row) (c causeRow, err error) {
	err = r.Scan(append([]any{&c.id}, causeDest(&c.Cause)...)...)
	return c, err
}

// comeAndGone is why a node came and why it went.
type comeAndGone struct{ came, went fleet.Explanation }

// NodeCauses returns why nodes came and why they went the last time, by UID. Nodes of which nothing is known are not
// among them.
func (l *Ledger) NodeCauses(ctx context.Context, cluster string, uids []string) (all map[string]query.CameWent,
	err error) {
	defer doing(&err, "reading why nodes of %s came and went", cluster)
	known, err := l.explanations(ctx, cluster, uids)
	if err != nil {
		return nil, err
	}
	all = make(map[string]query.CameWent, len(known))
	for uid, e := range known {
		all[uid] = query.CameWent{Came: e.came, Went: e.went}
	}
	return all, nil
}

// explanations returns why nodes came and why they went the last time, without their chains, by UID. Nodes of which
// nothing is known are not among them.
func (l *Ledger) explanations(ctx context.Context, cluster string, uids []string) (map[string]comeAndGone, error) {
	type found struct {
		uid, why string
		kind     fleet.ChangeKind
		cause    int64
		strength int
	}
	rows, err := collect(ctx, l.r, func(r row) (f found, err error) {
		err = r.Scan(&f.uid, &f.kind, &f.strength, &f.why, &f.cause)
		return f, err
	}, `SELECT c.node_uid, c.kind, c.strength, coalesce(c.why, ''), c.cause_id FROM changes c
		WHERE c.cluster = ? AND `+l.sql.in(`c.node_uid`)+` AND c.kind IN ('joined', 'removed') AND c.cause_id IS NOT NULL
		ORDER BY c.occurrence`, cluster, l.sql.list(uids))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	// Many nodes have one cause.
	causes, whys := map[int64]fleet.Cause{}, map[string]fleet.Explanation{}
	for _, f := range rows {
		causes[f.cause] = fleet.Cause{}
	}
	for c, err := range each(ctx, l.r, scanCause, `SELECT s.id, `+causeColumns+` FROM causes s WHERE `+l.sql.in(`s.id`),
		l.sql.list(slices.Collect(maps.Keys(causes)))) {
		if err != nil {
			return nil, err
		}
		causes[c.id] = c.Cause
	}
	all := make(map[string]comeAndGone, len(uids))
	for _, f := range rows {
		e, ok := whys[f.why]
		if !ok {
			if e, err = explanation(fleet.Cause{}, 0, f.why); err != nil {
				return nil, err
			}
			whys[f.why] = e
		}
		e.Cause, e.Strength = causes[f.cause], f.strength
		of := all[f.uid]
		if f.kind == fleet.Joined {
			of.came = e
		} else {
			of.went = e
		}
		all[f.uid] = of
	}
	return all, nil
}

// fillCauses says of nodes why they came and went.
func (l *Ledger) fillCauses(ctx context.Context, cluster string, nodes []query.NodeRecord) error {
	if len(nodes) == 0 {
		return nil
	}
	uids := make([]string, len(nodes))
	for i, n := range nodes {
		uids[i] = n.UID
	}
	all, err := l.explanations(ctx, cluster, uids)
	for i := range nodes {
		n := &nodes[i]
		of := all[n.UID]
		if n.Came = of.came.Cause; !n.RemovedAt.IsZero() {
			n.Went = of.went.Cause
		}
	}
	return err
}

const explanationSQL = `SELECT c.strength, coalesce(c.why, ''), ` + causeColumns + `,
		coalesce((SELECT h.links FROM chains h WHERE h.change_id = c.id), '')
	FROM changes c JOIN causes s ON s.id = c.cause_id
	WHERE c.cluster = ? AND c.node_uid = ? AND c.kind = ? AND c.cause_id IS NOT NULL
	ORDER BY c.occurrence DESC LIMIT 1`

// Explanation returns why a node came (kind joined) or why it went the last time (kind removed), with its chain; ok is
// false if nothing is known.
func (l *Ledger) Explanation(ctx context.Context, cluster, uid string, kind fleet.ChangeKind) (
	e fleet.Explanation, ok bool, err error) {
	defer doing(&err, "reading why node %s %s", uid, kind)
	return one(ctx, l.r, func(r row) (e fleet.Explanation, err error) {
		var cause fleet.Cause
		var strength int
		var why, chain string
		dest := append([]any{&strength, &why}, causeDest(&cause)...)
		if err := r.Scan(append(dest, &chain)...); err != nil {
			return e, err
		}
		if e, err = explanation(cause, strength, why); err == nil {
			e.Chain, err = parseChain(chain)
		}
		return e, err
	}, explanationSQL, cluster, uid, string(kind))
}

// maxCauses is how many causes of a wave WaveCauses tells apart, and maxCauseNodes how many nodes of each it names.
const (
	maxCauses     = 20
	maxCauseNodes = 10
)

const waveCausesSQL = `SELECT c.id, coalesce(c.cause_id, 0), c.strength, coalesce(c.why, ''), n.name
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
	WHERE c.wave_id = ? AND c.kind IN ('joined', 'removed') ORDER BY c.id`

// WaveCauses returns why the nodes of a wave came and went, by the key of any of its messages; ok is false if no wave
// has such a message, or has it no longer.
func (l *Ledger) WaveCauses(ctx context.Context, key string) (all query.Causes, ok bool, err error) {
	defer doing(&err, "reading the causes of message %s", key)
	var wave int64
	_, ok, err = one(ctx, l.r, scanTo(&wave), `SELECT w.id FROM messages m JOIN waves w ON w.id = m.wave_id
		WHERE m.key = ?`, key)
	if err != nil || !ok {
		return all, false, err
	}
	type changeCause struct {
		id, cause int64
		strength  int
		why, name string
	}
	type counted struct {
		query.CauseCount
		cause, proof int64 // the cause's number, and the change whose chain is the strongest
		strength     int
	}
	by := map[int64]*counted{}
	for c, err := range each(ctx, l.r, func(r row) (c changeCause, err error) {
		err = r.Scan(&c.id, &c.cause, &c.strength, &c.why, &c.name)
		return c, err
	}, waveCausesSQL, wave) {
		if err != nil {
			return all, false, err
		}
		if c.cause == 0 {
			all.Unexplained++
			continue
		}
		e, err := explanation(fleet.Cause{}, c.strength, c.why)
		if err != nil {
			return all, false, err
		}
		of := by[c.cause]
		if of == nil {
			of = &counted{cause: c.cause}
			by[c.cause] = of
		}
		of.Nodes, of.Pods = of.Nodes+1, of.Pods+e.Pods
		if len(of.Of) < maxCauseNodes {
			of.Of = append(of.Of, c.name)
		}
		if c.strength > of.strength {
			of.strength, of.proof = c.strength, c.id
		}
	}
	counts := make([]*counted, 0, len(by))
	for _, of := range by {
		counts = append(counts, of)
	}
	slices.SortFunc(counts, func(a, b *counted) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.cause, b.cause))
	})
	for i, of := range counts {
		if i >= maxCauses {
			all.Others += of.Nodes
			continue
		}
		if _, _, err = one(ctx, l.r, scanTo(causeDest(&of.Cause)...), `SELECT `+causeColumns+` FROM causes s
			WHERE s.id = ?`, of.cause); err != nil {
			return all, false, err
		}
		chain, _, err := one(ctx, l.r, value[string], `SELECT h.links FROM chains h WHERE h.change_id = ?`, of.proof)
		if err == nil {
			of.Chain, err = parseChain(chain)
		}
		if err != nil {
			return all, false, err
		}
		all.Counts = append(all.Counts, of.CauseCount)
	}
	return all, true, nil
}

// causesLike returns the numbers of the causes of a cluster that contain a text in any case.
func (l *Ledger) causesLike(ctx context.Context, cluster, text string) (ids []int64, err error) {
	all, err := l.causes(ctx, cluster)
	text = strings.ToLower(strings.TrimSpace(text))
	for id, c := range all {
		in := strings.Join([]string{string(c.Kind), c.By, c.Why, c.For.Namespace + "/" + c.For.Name}, "\n")
		if strings.Contains(strings.ToLower(in), text) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, err
}

// deleteChanges deletes changes and what proves their causes, and returns how many changes they were.
func deleteChanges(ctx context.Context, tx tx, ids []int64) (int64, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	var sql dialect
	for _, stmt := range []string{missedChangesSQL + sql.in(`c.id`) + `)`,
		`DELETE FROM chains WHERE ` + sql.in(`change_id`), `DELETE FROM feed_causes WHERE ` + sql.in(`change_id`)} {
		if _, err := tx.exec(ctx, stmt, sql.list(ids)); err != nil {
			return 0, err
		}
	}
	return tx.exec(ctx, `DELETE FROM changes WHERE `+sql.in(`id`), sql.list(ids))
}

// pruneCauses deletes the causes that no change has any more.
func (l *Ledger) pruneCauses(ctx context.Context) error {
	for after, n := int64(0), pruneStep; n == pruneStep && ctx.Err() == nil; {
		ids, err := collect(ctx, l.r, value[int64], `SELECT s.id FROM causes s WHERE s.id > ?
			AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.cause_id = s.id) ORDER BY s.id LIMIT ?`, after, pruneStep)
		if n = len(ids); err != nil || n == 0 {
			return err
		}
		after = ids[n-1]
		// A change may have got the cause meanwhile.
		if _, err := l.exec(ctx, `DELETE FROM causes WHERE `+l.sql.in(`id`)+`
			AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.cause_id = causes.id)`, l.sql.list(ids)); err != nil {
			return err
		}
	}
	return nil
}
