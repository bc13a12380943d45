package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// WaveNodes returns whom a wave is about, at most limit nodes, by the key of any of its
// messages; ok is false if no wave has such a message, or has it no longer.
func (l *Ledger) WaveNodes(ctx context.Context, key string, limit int) (w wave.Nodes, ok bool, err error) {
	defer doing(&err, "reading the nodes of message %s", key)
	w, ok, err = one(ctx, l.r, func(r row) (w wave.Nodes, err error) {
		var from, until sql.NullInt64
		err = r.Scan(&w.ID, &w.Cluster, &w.Kind, &from, &until)
		w.From, w.Until = fromMS(from), fromMS(until)
		return w, err
	}, `SELECT w.id, w.cluster, w.kind, (SELECT min(coalesce(c.not_before, c.at)) FROM changes c WHERE c.wave_id = w.id),
			(SELECT max(c.at) FROM changes c WHERE c.wave_id = w.id)
		FROM messages m JOIN waves w ON w.id = m.wave_id WHERE m.key = ?`, key)
	if err != nil || !ok {
		return w, false, err
	}
	for n, err := range each(ctx, l.r, func(r row) (n [2]string, err error) { err = r.Scan(&n[0], &n[1]); return n, err },
		`SELECT c.node_uid, n.name FROM (SELECT cluster, node_uid, min(id) AS first FROM changes WHERE wave_id = ?
				GROUP BY cluster, node_uid ORDER BY first LIMIT ?) c
			JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid ORDER BY c.first`, w.ID, max(0, limit)+1) {
		if err != nil {
			return w, false, err
		}
		if w.More = len(w.UIDs) >= limit; w.More {
			break
		}
		w.UIDs, w.Names = append(w.UIDs, n[0]), append(w.Names, n[1])
	}
	return w, true, nil
}

// Todo returns the changes that nobody was told yet and that belong to no wave, oldest first,
// at most limit; and whether the baseline is still to be told.
func (l *Ledger) Todo(ctx context.Context, cluster string, limit int) (todo []wave.Todo, baseline bool, err error) {
	defer doing(&err, "reading to-dos of %s", cluster)
	err = l.r.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM clusters
		WHERE cluster = ? AND baseline_at IS NOT NULL AND baseline_wave IS NULL)`, cluster).Scan(&baseline)
	if err != nil {
		return nil, false, err
	}
	todo, err = collect(ctx, l.r, scanTodo, todoSQL, cluster, limit)
	return todo, baseline, err
}

// before is the step that a change c follows, p.
const before = `p.cluster = c.cluster AND p.node_uid = c.node_uid AND p.occurrence = c.occurrence
	AND p.kind = CASE c.kind WHEN 'ready' THEN 'joined' WHEN 'recovered' THEN 'not_ready' END`

const todoSQL = `SELECT ` + changeColumns + `, ` + nodeColumns + `,
		coalesce((SELECT p.wave_id FROM changes p JOIN waves w ON w.id = p.wave_id WHERE ` + before + `
			AND w.done_at IS NULL), 0),
		coalesce((SELECT p.mute_id FROM changes p WHERE ` + before + `), 0)
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid` + nodeSets + `
	WHERE c.cluster = ? AND c.wave_id IS NULL AND c.tell = 1 ORDER BY c.id LIMIT ?`

func scanTodo(from row) (t wave.Todo, err error) {
	var cr changeRow
	var nr nodeRow
	if err := from.Scan(append(append(cr.dest(), nr.dest()...), &t.StepWave, &t.StepMute)...); err != nil {
		return t, err
	}
	n, err := nr.record()
	t.Node, t.Change = n.Node, cr.change(n.Node)
	return t, err
}

// LiveWaves returns the waves of a cluster whose messages may still change, oldest first,
// without their members: Members reads those.
func (l *Ledger) LiveWaves(ctx context.Context, cluster string) ([]wave.Wave, error) {
	return l.waves(ctx, `w.cluster = ? AND w.done_at IS NULL`, cluster)
}

// unfinished counts the nodes of a wave w that are still to take the step after the one that
// brought them into it.
const unfinished = `SELECT count(*) FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
	WHERE c.wave_id = w.id AND n.removed_at IS NULL AND NOT EXISTS (SELECT 1 FROM changes r
		WHERE r.cluster = c.cluster AND r.node_uid = c.node_uid AND r.wave_id = w.id AND r.occurrence = c.occurrence
		AND r.kind = CASE c.kind WHEN 'joined' THEN 'ready' ELSE 'recovered' END)`

// waveSQL reads waves w; a condition follows.
const waveSQL = `SELECT w.id, w.key, w.cluster, w.kind, w.about, w.opened_at, w.last_at, w.closed_at,
		(SELECT count(DISTINCT node_uid) FROM changes c WHERE c.wave_id = w.id),
		(SELECT count(*) FROM changes c WHERE c.wave_id = w.id AND c.told_at IS NULL),
		(SELECT count(*) FROM (SELECT 1 FROM changes c
			WHERE c.wave_id = w.id GROUP BY c.node_uid HAVING max(c.part) IS NULL)),
		(` + unfinished + ` AND c.kind = 'not_ready'), (` + unfinished + ` AND c.kind = 'joined'),
		(SELECT coalesce(max(id), 0) FROM changes c WHERE c.wave_id = w.id)
	FROM waves w WHERE `

func scanWave(from row) (w wave.Wave, err error) {
	var about string
	var opened, last, closed sql.NullInt64
	c := &w.Counts
	if err := from.Scan(&w.ID, &w.Key, &w.Cluster, &w.Kind, &about, &opened, &last, &closed,
		&c.Members, &c.Untold, &c.Unlisted, &c.Pending, &c.Unready, &c.LastChange); err != nil {
		return w, err
	}
	c.Pending += c.Unready
	w.OpenedAt, w.LastAt, w.ClosedAt = fromMS(opened), fromMS(last), fromMS(closed)
	w.About, err = readAbout(about)
	return w, err
}

// writeAbout is what a wave is about as its column has it: "" for the zero value, and else JSON that is the
// same for equal values, so that it can be compared as text.
func writeAbout(a wave.About) (string, error) {
	if a == (wave.About{}) {
		return "", nil
	}
	b, err := json.Marshal(a)
	return string(b), err
}

func readAbout(text string) (a wave.About, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &a)
	}
	return a, err
}

// waves returns the waves that a condition on waves w selects, oldest first, with what they are about and
// their messages.
func (l *Ledger) waves(ctx context.Context, where string, args ...any) (waves []wave.Wave, err error) {
	defer doing(&err, "reading waves")
	if waves, err = collect(ctx, l.r, scanWave, waveSQL+where+` ORDER BY w.id`, args...); err != nil || len(waves) == 0 {
		return nil, err
	}
	index := map[int64]*wave.Wave{}
	gaps, mutes := map[int64][]*wave.Wave{}, map[int64][]*wave.Wave{}
	for i := range waves {
		w := &waves[i]
		index[w.ID] = w
		if id := w.About.Gap; id != 0 {
			gaps[id] = append(gaps[id], w)
		}
		if id := w.About.Mute; id != 0 {
			mutes[id] = append(mutes[id], w)
		}
	}
	err = byID(ctx, l.r, scanGap, gapSQL+in(`g.id`), gaps, func(g fleet.Gap, ws []*wave.Wave) {
		for _, w := range ws {
			w.Gap = &g
		}
	}, func(g fleet.Gap) int64 { return g.ID })
	if err != nil {
		return nil, err
	}
	err = byID(ctx, l.r, scanMute, muteSQL+in(`u.id`), mutes, func(m wave.Mute, ws []*wave.Wave) {
		for _, w := range ws {
			w.Mute = &m
		}
	}, func(m wave.Mute) int64 { return m.ID })
	if err != nil {
		return nil, err
	}
	for p, err := range each(ctx, l.r, scanPosting, postingsSQL+where+` ORDER BY m.created_at, m.key`, args...) {
		if err != nil {
			return nil, err
		}
		w := index[p.WaveID]
		switch {
		case w == nil: // opened between the two queries
		case p.Part == wave.PartMain:
			w.Main = p
		default:
			w.Parts = append(w.Parts, p)
		}
	}
	return waves, nil
}

// byID reads the rows whose IDs are the keys of a map, and hands each over with its value.
func byID[T, V any](ctx context.Context, q querier, scan func(row) (T, error), stmt string, of map[int64]V,
	give func(T, V), id func(T) int64) error {
	if len(of) == 0 {
		return nil
	}
	ids, err := list(slices.Sorted(maps.Keys(of)))
	if err != nil {
		return err
	}
	for v, err := range each(ctx, q, scan, stmt, ids) {
		if err != nil {
			return err
		}
		give(v, of[id(v)])
	}
	return nil
}

// Members returns the nodes of a wave, in the order in which they were added.
func (l *Ledger) Members(ctx context.Context, id int64) (members []wave.Member, err error) {
	defer doing(&err, "reading members of wave %d", id)
	index := map[string]int{}
	for step, err := range each(ctx, l.r, scanMemberStep, membersSQL, id) {
		if err != nil {
			return nil, err
		}
		i, ok := index[step.node.n.UID]
		if !ok {
			rec, err := step.node.record()
			if err != nil {
				return nil, err
			}
			i = len(members)
			index[rec.UID] = i
			members = append(members, wave.Member{Node: rec.Node, RemovedAt: rec.RemovedAt, Told: true})
		}
		m := &members[i]
		m.Steps = append(m.Steps, step.change.change(m.Node))
		m.Told = m.Told && step.told
		m.Part = cmp.Or(step.part, m.Part)
	}
	for i := range members {
		if _, left := members[i].Step(fleet.Removed); !left {
			continue
		}
		if members[i].Evidence, err = l.evidence(ctx, members[i]); err != nil {
			return nil, err
		}
	}
	return members, nil
}

const membersSQL = `SELECT ` + changeColumns + `, coalesce(c.part, ''), c.told_at IS NOT NULL, ` + nodeColumns + `
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid` + nodeSets + `
	WHERE c.wave_id = ? ORDER BY c.id`

// memberStep is a step that a wave tells, as a row of membersSQL; its node is not decoded yet.
type memberStep struct {
	change changeRow
	part   string
	told   bool
	node   nodeRow
}

func scanMemberStep(from row) (s memberStep, err error) {
	err = from.Scan(append(append(s.change.dest(), &s.part, &s.told), s.node.dest()...)...)
	return s, err
}

// evidence returns the scaling events on a node that left, from the quarter of an hour
// before until shortly after.
func (l *Ledger) evidence(ctx context.Context, m wave.Member) ([]fleet.Event, error) {
	const before, after = 15 * time.Minute, time.Minute
	return collect(ctx, l.r, scanEvent, evidenceSQL, m.Node.Cluster, m.Node.Name,
		m.RemovedAt.Add(-before).UnixMilli(), m.RemovedAt.Add(after).UnixMilli())
}

// The index on time holds all objects' events of a class.
var evidenceSQL = `SELECT ` + eventColumns + ` FROM events e WHERE e.cluster = ? AND e.kind = 'Node' AND e.name = ?
	AND e.last_at BETWEEN ? AND ? AND ` + unindexed("e.scaling") + ` = 1 ORDER BY e.last_at, e.uid LIMIT 20`

const (
	extendWaveSQL = `UPDATE waves SET last_at = ? WHERE id = ?`
	insertWaveSQL = `INSERT INTO waves (key, cluster, kind, about, opened_at, last_at, closed_at)
		VALUES ('', ?, ?, ?, ?, ?, ?) RETURNING id`
	keyWaveSQL     = `UPDATE waves SET key = ? WHERE id = ?`
	assignSQL      = `UPDATE changes SET wave_id = ? WHERE id = ? AND wave_id IS NULL`
	tellChangesSQL = `UPDATE changes SET told_at = ? WHERE wave_id = ? AND id <= ? AND told_at IS NULL`
)

// Apply carries out a plan in one transaction: waves and the intents of their messages,
// changes assigned to waves, waves merged. With posting, the caller posts the new waves'
// messages at once, and what MarkPosting would record is recorded here.
func (l *Ledger) Apply(ctx context.Context, cluster, channel string, p wave.Plan, posting bool,
	now time.Time) (err error) {
	defer doing(&err, "recording what to tell of %s", cluster)
	var tried any
	if posting {
		tried = now.UnixMilli()
	}
	return l.tx(ctx, func(tx tx) error {
		if p.Baseline {
			id, err := l.openWave(ctx, tx, cluster, channel, wave.Opening{Kind: wave.KindBaseline, Closed: true}, tried, now)
			if err != nil {
				return err
			}
			if err := tx.exec(ctx, `UPDATE clusters SET baseline_wave = ? WHERE cluster = ?`, id, cluster); err != nil {
				return err
			}
		}
		for _, n := range p.New {
			if told, err := muteIsTold(ctx, tx, n); err != nil {
				return err
			} else if told {
				continue
			}
			id, err := l.openWave(ctx, tx, cluster, channel, n, tried, now)
			if err != nil {
				return err
			}
			if err := assign(ctx, tx, id, n.Changes); err != nil {
				return err
			}
		}
		return applyToChanges(ctx, tx, p, now)
	})
}

// muteIsTold reports whether a wave to open would tell a mute that another one tells: however often it is
// planned, a mute is told by one.
func muteIsTold(ctx context.Context, tx tx, n wave.Opening) (told bool, err error) {
	if n.About.Mute == 0 {
		return false, nil
	}
	about, err := writeAbout(n.About)
	if err != nil {
		return false, err
	}
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM waves WHERE kind = 'mute' AND about = ?)`,
		about).Scan(&told)
	return told, err
}

// applyToChanges carries out what a plan wants of changes and of waves that exist.
func applyToChanges(ctx context.Context, tx tx, p wave.Plan, now time.Time) error {
	for id, changes := range p.Add {
		if err := assign(ctx, tx, id, changes); err != nil {
			return err
		}
		if p.Extend[id] {
			if err := tx.exec(ctx, extendWaveSQL, now.UnixMilli(), id); err != nil {
				return err
			}
		}
	}
	for _, id := range p.Silence {
		if err := tx.exec(ctx, `UPDATE changes SET tell = 0 WHERE id = ?`, id); err != nil {
			return err
		}
	}
	for id, mute := range p.Mute {
		// What a wave has taken is told, and the first mute stays the one that hid it.
		if err := tx.exec(ctx,
			`UPDATE changes SET tell = 0, mute_id = ? WHERE id = ? AND wave_id IS NULL AND mute_id IS NULL`,
			mute, id); err != nil {
			return err
		}
	}
	if p.Merge == nil {
		return nil
	}
	return merge(ctx, tx, *p.Merge, now)
}

// merge makes one catch-up of several waves.
func merge(ctx context.Context, tx tx, m wave.Merge, now time.Time) error {
	for _, from := range m.From {
		if from == m.Into {
			continue
		}
		for _, stmt := range []string{
			`UPDATE changes SET wave_id = ?1 WHERE wave_id = ?2`,
			`UPDATE clusters SET baseline_wave = ?1 WHERE baseline_wave = ?2`,
			`DELETE FROM messages WHERE wave_id = ?2 AND ?1 = ?1`,
			`DELETE FROM waves WHERE id = ?2 AND ?1 = ?1`,
		} {
			if err := tx.exec(ctx, stmt, m.Into, from); err != nil {
				return err
			}
		}
	}
	about, err := writeAbout(m.About)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE waves SET kind = ?, about = ?, last_at = ?, closed_at = NULL WHERE id = ?`,
		string(wave.KindCatchUp), about, now.UnixMilli(), m.Into)
}

func (l *Ledger) openWave(ctx context.Context, tx tx, cluster, channel string, n wave.Opening, tried any,
	now time.Time) (
	id int64, err error) {
	about, err := writeAbout(n.About)
	if err != nil {
		return 0, err
	}
	var closed any
	if n.Closed {
		closed = now.UnixMilli()
	}
	// A number is never given twice, so the key is unique for this ledger, and the instance makes it unique
	// among ledgers.
	err = tx.QueryRowContext(ctx, insertWaveSQL, cluster, string(n.Kind), about, now.UnixMilli(), now.UnixMilli(),
		closed).Scan(&id)
	if err != nil {
		return 0, err
	}
	key := fmt.Sprintf("%s-%d", l.instance, id)
	if err := tx.exec(ctx, keyWaveSQL, key, id); err != nil {
		return 0, err
	}
	return id, tx.exec(ctx, insertMessageSQL, key, id, wave.PartMain, channel, now.UnixMilli(), tried)
}

// assign gives to-dos to a wave. A change that has a wave keeps it: nothing is told twice.
func assign(ctx context.Context, tx tx, wave int64, changes []int64) error {
	for _, id := range changes {
		if err := tx.exec(ctx, assignSQL, wave, id); err != nil {
			return err
		}
	}
	return nil
}

// CloseWave ends the taking of like changes, or the mute that the wave tells.
func (l *Ledger) CloseWave(ctx context.Context, id int64, now time.Time) (err error) {
	defer doing(&err, "closing wave %d", id)
	return l.exec(ctx, `UPDATE waves SET closed_at = ? WHERE id = ? AND closed_at IS NULL`, now.UnixMilli(), id)
}

const finishWaveSQL = `UPDATE waves SET done_at = ?1, closed_at = coalesce(closed_at, ?1) WHERE id = ?2 AND NOT EXISTS (
		SELECT 1 FROM changes t JOIN changes c ON c.cluster = t.cluster AND c.node_uid = t.node_uid
		WHERE t.cluster = waves.cluster AND t.wave_id IS NULL AND t.tell = 1 AND c.wave_id = waves.id)`

// FinishWave declares that a wave's messages will not change any more, unless a to-do of one
// of its nodes has come in meanwhile. What it told of a mute is told then, its end included.
func (l *Ledger) FinishWave(ctx context.Context, id int64, now time.Time) (err error) {
	defer doing(&err, "finishing wave %d", id)
	return l.tx(ctx, func(tx tx) error {
		if err := tx.exec(ctx, finishWaveSQL, now.UnixMilli(), id); err != nil {
			return err
		}
		text, done, err := one(ctx, tx, value[string], `SELECT about FROM waves WHERE id = ? AND done_at IS NOT NULL`, id)
		if err != nil || !done {
			return err
		}
		about, err := readAbout(text)
		if err != nil || about.Mute == 0 {
			return err
		}
		return tx.exec(ctx, `UPDATE mutes SET told_end = 1 WHERE id = ?`, about.Mute)
	})
}

// ReleaseWave gives up a wave whose message is gone from Slack: what it had not told becomes
// a to-do again, the end of a mute too.
func (l *Ledger) ReleaseWave(ctx context.Context, id int64, now time.Time) (err error) {
	defer doing(&err, "releasing wave %d", id)
	return l.tx(ctx, func(tx tx) error {
		err := tx.exec(ctx, `UPDATE changes SET wave_id = NULL, part = NULL WHERE wave_id = ? AND told_at IS NULL`, id)
		if err != nil {
			return err
		}
		return tx.exec(ctx, `UPDATE waves SET done_at = ?1, closed_at = coalesce(closed_at, ?1),
			about = CASE kind WHEN 'mute' THEN '' ELSE about END WHERE id = ?2`, now.UnixMilli(), id)
	})
}

// GrowthWaves returns the surges and creeps opened since a moment, oldest first.
func (l *Ledger) GrowthWaves(ctx context.Context, cluster string, since time.Time) ([]wave.Wave, error) {
	return l.waves(ctx, `w.kind IN ('surge', 'creep') AND w.cluster = ? AND w.opened_at >= ?`, cluster, since.UnixMilli())
}
