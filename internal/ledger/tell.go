package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// PartMain is the part name of the message that opens a wave.
const PartMain = "main"

// Todo returns the changes that nobody was told yet and that belong to no wave, oldest first,
// at most limit; and whether the baseline is still to be told.
func (l *Ledger) Todo(ctx context.Context, cluster string, limit int) (todo []wave.Todo, baseline bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading to-dos of %s: %w", cluster, explain(err))
		}
	}()
	err = l.r.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM clusters WHERE cluster = ? AND baseline_at IS NOT NULL AND baseline_wave IS NULL)`, cluster).Scan(&baseline)
	if err != nil {
		return nil, false, err
	}
	rows, err := l.r.QueryContext(ctx, `SELECT `+changeColumns+`, `+nodeColumns+`,
			coalesce((SELECT p.wave_id FROM changes p JOIN waves w ON w.id = p.wave_id
				WHERE p.cluster = c.cluster AND p.node_uid = c.node_uid AND w.done_at IS NULL
				AND p.kind = CASE c.kind WHEN 'ready' THEN 'joined' WHEN 'recovered' THEN 'not_ready' END
				AND p.occurrence = c.occurrence), 0),
			coalesce((SELECT p.mute_id FROM changes p WHERE p.cluster = c.cluster AND p.node_uid = c.node_uid
				AND p.kind = CASE c.kind WHEN 'ready' THEN 'joined' WHEN 'recovered' THEN 'not_ready' END
				AND p.occurrence = c.occurrence), 0)
		FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid`+nodeSets+`
		WHERE c.cluster = ? AND c.wave_id IS NULL AND c.tell = 1 ORDER BY c.id LIMIT ?`, cluster, limit)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var t wave.Todo
		var cr changeRow
		var nr nodeRow
		if err := rows.Scan(append(append(cr.dest(), nr.dest()...), &t.StepWave, &t.StepMute)...); err != nil {
			return nil, false, err
		}
		if t.Node, _, err = nr.node(); err != nil {
			return nil, false, err
		}
		t.Change = cr.change(t.Node)
		todo = append(todo, t)
	}
	return todo, baseline, rows.Err()
}

// changeRow receives changeColumns.
type changeRow struct {
	c             fleet.Change
	at, notBefore sql.NullInt64
}

func (r *changeRow) dest() []any {
	c := &r.c
	return []any{&c.ID, &c.Kind, &c.Occurrence, &r.at, &r.notBefore, &c.Proof, &c.Reason, &c.GapID}
}

func (r *changeRow) change(n fleet.Node) fleet.Change {
	c := r.c
	c.Cluster, c.NodeUID, c.NodeName = n.Cluster, n.UID, n.Name
	c.At, c.NotBefore = fromMS(r.at), fromMS(r.notBefore)
	return c
}

// LiveWaves returns the waves of a cluster whose messages may still change, oldest first,
// without their members: Wave loads those.
func (l *Ledger) LiveWaves(ctx context.Context, cluster string) ([]wave.Wave, error) {
	return l.waves(ctx, `w.cluster = ? AND w.done_at IS NULL`, cluster)
}

// Wave returns a wave with its members and messages.
func (l *Ledger) Wave(ctx context.Context, id int64) (wave.Wave, error) {
	waves, err := l.waves(ctx, `w.id = ?`, id)
	if err != nil {
		return wave.Wave{}, err
	}
	if len(waves) == 0 {
		return wave.Wave{}, fmt.Errorf("wave %d is not in the ledger", id)
	}
	w := waves[0]
	w.Members, err = l.Members(ctx, id)
	return w, err
}

// unfinished counts the nodes of a wave w that are still to take the step after the one that
// brought them into it.
const unfinished = `SELECT count(*) FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
	WHERE c.wave_id = w.id AND n.removed_at IS NULL AND NOT EXISTS (SELECT 1 FROM changes r
		WHERE r.cluster = c.cluster AND r.node_uid = c.node_uid AND r.wave_id = w.id AND r.occurrence = c.occurrence
		AND r.kind = CASE c.kind WHEN 'joined' THEN 'ready' ELSE 'recovered' END)`

// waves returns the waves that a condition on waves w selects, oldest first.
func (l *Ledger) waves(ctx context.Context, where string, args ...any) (waves []wave.Wave, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading waves: %w", explain(err))
		}
	}()
	rows, err := l.r.QueryContext(ctx, `SELECT w.id, w.key, w.cluster, w.kind, w.growth, w.opened_at, w.last_at, w.closed_at,
			g.id, g.from_at, g.until_at, g.cause, g.missed, g.events_from,
			(SELECT count(DISTINCT node_uid) FROM changes c WHERE c.wave_id = w.id),
			(SELECT count(*) FROM changes c WHERE c.wave_id = w.id AND c.told_at IS NULL),
			(SELECT count(*) FROM (SELECT 1 FROM changes c WHERE c.wave_id = w.id GROUP BY c.node_uid HAVING max(c.part) IS NULL)),
			(`+unfinished+` AND c.kind = 'not_ready'), (`+unfinished+` AND c.kind = 'joined'),
			(SELECT coalesce(max(id), 0) FROM changes c WHERE c.wave_id = w.id), coalesce(w.mute_id, 0)
		FROM waves w LEFT JOIN gaps g ON g.id = w.gap_id WHERE `+where+` ORDER BY w.id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	index := map[int64]int{}
	mutes := map[int64]int{} // index by mute
	for rows.Next() {
		var w wave.Wave
		var mute int64
		var growth, cause sql.NullString
		var gapID, gapFrom, gapUntil, gapEvents, opened, last, closed sql.NullInt64
		var missed sql.NullBool
		if err := rows.Scan(&w.ID, &w.Key, &w.Cluster, &w.Kind, &growth, &opened, &last, &closed, &gapID, &gapFrom, &gapUntil, &cause, &missed, &gapEvents,
			&w.Counts.Members, &w.Counts.Untold, &w.Counts.Unlisted, &w.Counts.Pending, &w.Counts.Unready, &w.Counts.LastChange, &mute); err != nil {
			return nil, err
		}
		w.Counts.Pending += w.Counts.Unready
		w.OpenedAt, w.LastAt, w.ClosedAt = fromMS(opened), fromMS(last), fromMS(closed)
		if gapID.Valid {
			w.Gap = &fleet.Gap{ID: gapID.Int64, Cluster: w.Cluster, From: fromMS(gapFrom), Until: fromMS(gapUntil), Cause: cause.String, Missed: missed.Bool, EventsFrom: fromMS(gapEvents)}
		}
		if growth.Valid {
			w.About.Growth = &wave.Growth{}
			if err := json.Unmarshal([]byte(growth.String), w.About.Growth); err != nil {
				return nil, err
			}
		}
		index[w.ID] = len(waves)
		if mute != 0 {
			mutes[mute] = len(waves)
		}
		waves = append(waves, w)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(mutes) > 0 {
		found, err := l.mutes(ctx, `FROM waves w JOIN mutes u ON u.id = w.mute_id WHERE `+where, args...)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if i, ok := mutes[m.ID]; ok {
				waves[i].Mute = &m
			}
		}
	}
	return waves, l.messages(ctx, where, args, func(m wave.Posting) {
		i, ok := index[m.WaveID]
		switch {
		case !ok: // opened between the two queries
		case m.Part == PartMain:
			waves[i].Main = m
		default:
			waves[i].Parts = append(waves[i].Parts, m)
		}
	})
}

// messages calls yield for each message of the waves selected, oldest first.
func (l *Ledger) messages(ctx context.Context, where string, args []any, yield func(wave.Posting)) error {
	rows, err := l.r.QueryContext(ctx, `SELECT m.key, m.wave_id, m.part, m.channel, m.ts, m.hash, m.created_at, m.tried_at, m.edited_at, coalesce(m.after_ts, '')
		FROM waves w JOIN messages m ON m.wave_id = w.id WHERE `+where+` ORDER BY m.created_at, m.key`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var m wave.Posting
		var ts sql.NullString
		var hash int64
		var created, tried, edited sql.NullInt64
		if err := rows.Scan(&m.Key, &m.WaveID, &m.Part, &m.Channel, &ts, &hash, &created, &tried, &edited, &m.After); err != nil {
			return err
		}
		m.ID, m.Hash, m.Created, m.Tried, m.EditedAt = ts.String, uint64(hash), fromMS(created), tried.Valid, fromMS(edited)
		yield(m)
	}
	return rows.Err()
}

// Members returns the nodes of a wave, in the order in which they were added.
func (l *Ledger) Members(ctx context.Context, id int64) ([]wave.Member, error) {
	members, err := l.members(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading members of wave %d: %w", id, explain(err))
	}
	return members, nil
}

func (l *Ledger) members(ctx context.Context, id int64) ([]wave.Member, error) {
	rows, err := l.r.QueryContext(ctx, `SELECT `+changeColumns+`, coalesce(c.part, ''), c.told_at IS NOT NULL, `+nodeColumns+`
		FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid`+nodeSets+` WHERE c.wave_id = ? ORDER BY c.id`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var members []wave.Member
	index := map[string]int{}
	for rows.Next() {
		var cr changeRow
		var nr nodeRow
		var part string
		var told bool
		if err := rows.Scan(append(append(cr.dest(), &part, &told), nr.dest()...)...); err != nil {
			return nil, err
		}
		uid := nr.n.UID
		i, ok := index[uid]
		if !ok {
			n, removed, err := nr.node()
			if err != nil {
				return nil, err
			}
			i = len(members)
			index[uid] = i
			members = append(members, wave.Member{Node: n, RemovedAt: removed, Told: true})
		}
		m := &members[i]
		m.Steps = append(m.Steps, cr.change(m.Node))
		m.Told = m.Told && told
		if part != "" {
			m.Part = part
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
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

// evidence returns the scaling events on a node that left, from the quarter of an hour
// before until shortly after.
func (l *Ledger) evidence(ctx context.Context, m wave.Member) ([]fleet.Event, error) {
	// The + keeps the class from choosing the index on time, which holds all objects' events.
	rows, err := l.r.QueryContext(ctx, `SELECT uid, regarding_uid, reason, type, note, controller, count, first_at, last_at FROM events
		WHERE cluster = ? AND kind = 'Node' AND name = ? AND last_at BETWEEN ? AND ? AND +scaling = 1 ORDER BY last_at, uid LIMIT 20`,
		m.Node.Cluster, m.Node.Name, m.RemovedAt.Add(-15*time.Minute).UnixMilli(), m.RemovedAt.Add(time.Minute).UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var events []fleet.Event
	for rows.Next() {
		e := fleet.Event{Cluster: m.Node.Cluster, Regarding: fleet.ObjectRef{Kind: "Node", Name: m.Node.Name}}
		var first, last sql.NullInt64
		if err := rows.Scan(&e.UID, &e.Regarding.UID, &e.Reason, &e.Type, &e.Note, &e.Controller, &e.Count, &first, &last); err != nil {
			return nil, err
		}
		e.First, e.Last = fromMS(first), fromMS(last)
		events = append(events, e)
	}
	return events, rows.Err()
}

const (
	extendWaveSQL = `UPDATE waves SET last_at = ? WHERE id = ?`
	insertWaveSQL = `INSERT INTO waves (key, cluster, kind, gap_id, growth, mute_id, opened_at, last_at, closed_at)
		VALUES ('', ?, ?, nullif(?, 0), ?, nullif(?, 0), ?, ?, ?) RETURNING id`
	keyWaveSQL       = `UPDATE waves SET key = ? WHERE id = ?`
	insertMessageSQL = `INSERT INTO messages (key, wave_id, part, channel, created_at, tried_at, after_ts) VALUES (?, ?, ?, ?, ?, ?, (SELECT max(ts) FROM messages))`
	assignSQL        = `UPDATE changes SET wave_id = ? WHERE id = ? AND wave_id IS NULL`
	acceptMessageSQL = `UPDATE messages SET ts = ?, hash = ?, edited_at = ? WHERE key = ?`
	tellChangesSQL   = `UPDATE changes SET told_at = ? WHERE wave_id = ? AND id <= ? AND told_at IS NULL`
)

// Apply carries out a plan in one transaction: waves and the intents of their messages,
// changes assigned to waves, waves merged. With trying, the caller posts the new waves'
// messages at once, and what Trying would record is recorded here.
func (l *Ledger) Apply(ctx context.Context, cluster, channel string, p wave.Plan, trying bool, now time.Time) error {
	var tried any
	if trying {
		tried = now.UnixMilli()
	}
	err := l.tx(ctx, func(tx tx) error {
		if p.Baseline {
			id, err := l.openWave(ctx, tx, cluster, channel, wave.Opening{Kind: wave.KindBaseline, Closed: true}, tried, now)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE clusters SET baseline_wave = ? WHERE cluster = ?`, id, cluster); err != nil {
				return err
			}
		}
		for _, n := range p.New {
			if n.About.Mute != 0 { // told by one wave, however often it is planned
				var told bool
				if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM waves WHERE mute_id = ?)`, n.About.Mute).Scan(&told); err != nil {
					return err
				}
				if told {
					continue
				}
			}
			id, err := l.openWave(ctx, tx, cluster, channel, n, tried, now)
			if err != nil {
				return err
			}
			if err := assign(ctx, tx, id, n.Changes); err != nil {
				return err
			}
		}
		for id, changes := range p.Add {
			if err := assign(ctx, tx, id, changes); err != nil {
				return err
			}
			if p.Extend[id] {
				if _, err := tx.ExecContext(ctx, extendWaveSQL, now.UnixMilli(), id); err != nil {
					return err
				}
			}
		}
		for _, id := range p.Silence {
			if _, err := tx.ExecContext(ctx, `UPDATE changes SET tell = 0 WHERE id = ?`, id); err != nil {
				return err
			}
		}
		for id, mute := range p.Mute {
			// What a wave has taken is told, and the first mute stays the one that hid it.
			if _, err := tx.ExecContext(ctx, `UPDATE changes SET tell = 0, mute_id = ? WHERE id = ? AND wave_id IS NULL AND mute_id IS NULL`, mute, id); err != nil {
				return err
			}
		}
		if m := p.Merge; m != nil {
			for _, from := range m.From {
				for _, stmt := range []string{
					`UPDATE changes SET wave_id = ?1 WHERE wave_id = ?2`,
					`UPDATE waves SET gap_id = coalesce(gap_id, (SELECT gap_id FROM waves WHERE id = ?2)) WHERE id = ?1`,
					`UPDATE clusters SET baseline_wave = ?1 WHERE baseline_wave = ?2`,
					`DELETE FROM messages WHERE wave_id = ?2 AND ?1 <> ?2`,
					`DELETE FROM waves WHERE id = ?2 AND ?1 <> ?2`,
				} {
					if _, err := tx.ExecContext(ctx, stmt, m.Into, from); err != nil {
						return err
					}
				}
			}
			if _, err := tx.ExecContext(ctx, `UPDATE waves SET kind = ?, last_at = ?, closed_at = NULL WHERE id = ?`, string(wave.KindCatchUp), now.UnixMilli(), m.Into); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recording what to tell of %s: %w", cluster, explain(err))
	}
	return nil
}

func (l *Ledger) openWave(ctx context.Context, tx tx, cluster, channel string, n wave.Opening, tried any, now time.Time) (id int64, err error) {
	var growth, closed any
	if n.About.Growth != nil {
		b, err := json.Marshal(n.About.Growth)
		if err != nil {
			return 0, err
		}
		growth = string(b)
	}
	if n.Closed {
		closed = now.UnixMilli()
	}
	// AUTOINCREMENT never gives a number twice, so the key is unique for this ledger, and the
	// instance makes it unique among ledgers.
	err = tx.QueryRowContext(ctx, insertWaveSQL, cluster, string(n.Kind), n.About.Gap, growth, n.About.Mute, now.UnixMilli(), now.UnixMilli(), closed).Scan(&id)
	if err != nil {
		return 0, err
	}
	key := fmt.Sprintf("%s-%d", l.instance, id)
	if _, err := tx.ExecContext(ctx, keyWaveSQL, key, id); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, insertMessageSQL, key, id, PartMain, channel, now.UnixMilli(), tried)
	return id, err
}

// assign gives to-dos to a wave. A change that has a wave keeps it: nothing is told twice.
func assign(ctx context.Context, tx tx, wave int64, changes []int64) error {
	for _, id := range changes {
		if _, err := tx.ExecContext(ctx, assignSQL, wave, id); err != nil {
			return err
		}
	}
	return nil
}

// AddPart records the intent of a thread message that lists the given members of a wave. Its
// key is the wave's with a running number.
func (l *Ledger) AddPart(ctx context.Context, w wave.Wave, part string, uids []string, now time.Time) (wave.Posting, error) {
	m := wave.Posting{WaveID: w.ID, Part: part, Channel: w.Main.Channel, Created: now}
	err := l.tx(ctx, func(tx tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM messages WHERE wave_id = ?`, w.ID).Scan(&n); err != nil {
			return err
		}
		m.Key = fmt.Sprintf("%s.%d", w.Key, n)
		if _, err := tx.ExecContext(ctx, insertMessageSQL, m.Key, w.ID, part, m.Channel, now.UnixMilli(), nil); err != nil {
			return err
		}
		for _, uid := range uids {
			if _, err := tx.ExecContext(ctx, `UPDATE changes SET part = ? WHERE wave_id = ? AND node_uid = ? AND part IS NULL`, m.Key, w.ID, uid); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return m, fmt.Errorf("recording a reply to wave %d: %w", w.ID, explain(err))
	}
	return m, nil
}

// MarkPosting records that a message is about to be posted in its channel: from here on Slack may
// have it.
func (l *Ledger) MarkPosting(ctx context.Context, p wave.Posting, now time.Time) error {
	if p.Part == wave.PartDigest {
		return l.markDigest(ctx, p, now.UnixMilli())
	}
	if _, err := l.w.ExecContext(ctx, `UPDATE messages SET tried_at = ?, channel = ? WHERE key = ?`, now.UnixMilli(), p.Channel, p.Key); err != nil {
		return fmt.Errorf("recording the intent of message %s: %w", p.Key, explain(err))
	}
	return nil
}

// Accepted records that Slack accepted a message or an edit of it: where it is, what it says,
// and that it tells the changes of its wave up to the ID given (0 for a thread reply).
func (l *Ledger) Accepted(ctx context.Context, m wave.Posting, told int64, now time.Time) error {
	if m.Part == wave.PartDigest {
		return l.markDigest(ctx, m, now.UnixMilli())
	}
	err := l.tx(ctx, func(tx tx) error {
		if _, err := tx.ExecContext(ctx, acceptMessageSQL, m.ID, int64(m.Hash), now.UnixMilli(), m.Key); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, tellChangesSQL, now.UnixMilli(), m.WaveID, told)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording message %s: %w", m.Key, explain(err))
	}
	return nil
}

// CloseWave ends the taking of like changes, or the mute that the wave tells.
func (l *Ledger) CloseWave(ctx context.Context, id int64, now time.Time) error {
	if _, err := l.w.ExecContext(ctx, `UPDATE waves SET closed_at = ? WHERE id = ? AND closed_at IS NULL`, now.UnixMilli(), id); err != nil {
		return fmt.Errorf("closing wave %d: %w", id, explain(err))
	}
	return nil
}

const finishWaveSQL = `UPDATE waves SET done_at = ?1, closed_at = coalesce(closed_at, ?1) WHERE id = ?2 AND NOT EXISTS (
		SELECT 1 FROM changes t JOIN changes c ON c.cluster = t.cluster AND c.node_uid = t.node_uid
		WHERE t.cluster = waves.cluster AND t.wave_id IS NULL AND t.tell = 1 AND c.wave_id = waves.id)`

// FinishWave declares that a wave's messages will not change any more, unless a to-do of one
// of its nodes has come in meanwhile. What it told of a mute is told then, its end included.
func (l *Ledger) FinishWave(ctx context.Context, id int64, now time.Time) error {
	err := l.tx(ctx, func(tx tx) error {
		if _, err := tx.ExecContext(ctx, finishWaveSQL, now.UnixMilli(), id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE mutes SET told_end = 1 WHERE id = (SELECT mute_id FROM waves WHERE id = ? AND done_at IS NOT NULL)`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording wave %d: %w", id, explain(err))
	}
	return nil
}

// ReleaseWave gives up a wave whose message is gone from Slack: what it had not told becomes
// a to-do again, the end of a mute too.
func (l *Ledger) ReleaseWave(ctx context.Context, id int64, now time.Time) error {
	err := l.tx(ctx, func(tx tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE changes SET wave_id = NULL, part = NULL WHERE wave_id = ? AND told_at IS NULL`, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE waves SET done_at = ?1, closed_at = coalesce(closed_at, ?1), mute_id = NULL WHERE id = ?2`, now.UnixMilli(), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("releasing wave %d: %w", id, explain(err))
	}
	return nil
}

// DropPart gives up a thread reply, because the thread is gone: its nodes are listed nowhere
// else.
func (l *Ledger) DropPart(ctx context.Context, key string) error {
	if _, err := l.w.ExecContext(ctx, `DELETE FROM messages WHERE key = ?`, key); err != nil {
		return fmt.Errorf("dropping message %s: %w", key, explain(err))
	}
	return nil
}

// Baseline counts the nodes that were there at the first start: in all, by instance type and
// capacity type, most first, and by what their prices depend on. Their joining is no change. What
// joined or left since is told on its own, also if that was before the first start was told.
func (l *Ledger) Baseline(ctx context.Context, cluster string) (t fleet.Totals, groups []fleet.Group, machines map[fleet.Machine]int, err error) {
	rows, err := l.r.QueryContext(ctx, `SELECT `+machineColumns+`, count(*), sum(n.status = 'True'), sum(n.cordoned <> 0) FROM nodes n
		WHERE n.cluster = ? AND NOT EXISTS (SELECT 1 FROM changes WHERE changes.cluster = n.cluster AND node_uid = n.uid AND changes.kind = 'joined')
		GROUP BY `+machineColumns, cluster)
	if err != nil {
		return t, nil, nil, fmt.Errorf("counting the first nodes of %s: %w", cluster, explain(err))
	}
	defer rows.Close()
	machines = map[fleet.Machine]int{}
	for rows.Next() {
		var m fleet.Machine
		var nodes, ready, cordoned int
		if err := rows.Scan(append(machineDest(&m), &nodes, &ready, &cordoned)...); err != nil {
			return t, nil, nil, err
		}
		machines[m] = nodes
		t.Nodes, t.Ready, t.Cordoned = t.Nodes+nodes, t.Ready+ready, t.Cordoned+cordoned
		i := slices.IndexFunc(groups, func(g fleet.Group) bool { return g.InstanceType == m.InstanceType && g.CapacityType == m.CapacityType })
		if i < 0 {
			i = len(groups)
			groups = append(groups, fleet.Group{InstanceType: m.InstanceType, CapacityType: m.CapacityType})
		}
		groups[i].Nodes += nodes
	}
	slices.SortFunc(groups, func(a, b fleet.Group) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.InstanceType, b.InstanceType), cmp.Compare(a.CapacityType, b.CapacityType))
	})
	return t, groups, machines, rows.Err()
}

// Lives calls yield with the span of each node of a cluster that lived at some moment since
// the one given; the end is zero for those that still do.
func (l *Ledger) Lives(ctx context.Context, cluster string, since time.Time, yield func(joined, removed time.Time)) error {
	rows, err := l.r.QueryContext(ctx, `SELECT created_at, removed_at FROM nodes WHERE cluster = ?1 AND removed_at IS NULL
		UNION ALL SELECT created_at, removed_at FROM nodes WHERE cluster = ?1 AND removed_at >= ?2`, cluster, since.UnixMilli())
	if err != nil {
		return fmt.Errorf("reading lives in %s: %w", cluster, explain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var joined, removed sql.NullInt64
		if err := rows.Scan(&joined, &removed); err != nil {
			return err
		}
		yield(fromMS(joined), fromMS(removed))
	}
	return rows.Err()
}

// GrowthWaves returns the surges and creeps opened since a moment, oldest first.
func (l *Ledger) GrowthWaves(ctx context.Context, cluster string, since time.Time) ([]wave.Wave, error) {
	return l.waves(ctx, `w.kind IN ('surge', 'creep') AND w.cluster = ? AND w.opened_at >= ?`, cluster, since.UnixMilli())
}

// ChangeCounts counts the changes of a cluster since a moment, by kind.
func (l *Ledger) ChangeCounts(ctx context.Context, cluster string, since time.Time) (map[fleet.ChangeKind]int, error) {
	rows, err := l.r.QueryContext(ctx, `SELECT k.value, (SELECT count(*) FROM changes c WHERE c.cluster = ? AND c.kind = k.value AND c.at >= ?) FROM json_each(?) k`,
		cluster, since.UnixMilli(), changeKinds)
	if err != nil {
		return nil, fmt.Errorf("counting changes of %s: %w", cluster, explain(err))
	}
	defer rows.Close()
	counts := map[fleet.ChangeKind]int{}
	for rows.Next() {
		var kind fleet.ChangeKind
		var n int
		if err := rows.Scan(&kind, &n); err != nil {
			return nil, err
		}
		if n > 0 {
			counts[kind] = n
		}
	}
	return counts, rows.Err()
}

// RecentEvents returns the latest scaling events of a cluster, newest first.
func (l *Ledger) RecentEvents(ctx context.Context, cluster string, since time.Time, limit int) ([]fleet.Event, error) {
	rows, err := l.r.QueryContext(ctx, `SELECT uid, kind, namespace, name, regarding_uid, reason, type, note, controller, count, first_at, last_at FROM events
		WHERE cluster = ? AND scaling = 1 AND last_at >= ? ORDER BY last_at DESC, id DESC LIMIT ?`, cluster, since.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("reading events of %s: %w", cluster, explain(err))
	}
	defer rows.Close()
	var events []fleet.Event
	for rows.Next() {
		e := fleet.Event{Cluster: cluster}
		var first, last sql.NullInt64
		if err := rows.Scan(&e.UID, &e.Regarding.Kind, &e.Regarding.Namespace, &e.Regarding.Name, &e.Regarding.UID, &e.Reason, &e.Type, &e.Note,
			&e.Controller, &e.Count, &first, &last); err != nil {
			return nil, err
		}
		e.First, e.Last = fromMS(first), fromMS(last)
		events = append(events, e)
	}
	return events, rows.Err()
}

// EventCounts returns how many scaling events and how many others of a cluster are kept that
// were seen since the moment given. It counts no further than CountLimit + 1 of each.
func (l *Ledger) EventCounts(ctx context.Context, cluster string, since time.Time) (scaling, other int, err error) {
	err = l.r.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM (SELECT 1 FROM events WHERE cluster = ?1 AND scaling = 1 AND last_at >= ?2 LIMIT ?3)),
		(SELECT count(*) FROM (SELECT 1 FROM events WHERE cluster = ?1 AND scaling = 0 AND last_at >= ?2 LIMIT ?3))`,
		cluster, since.UnixMilli(), CountLimit+1).Scan(&scaling, &other)
	if err != nil {
		return 0, 0, fmt.Errorf("counting events of %s: %w", cluster, explain(err))
	}
	return scaling, other, nil
}

// Gaps returns the spans without a watch that end after since, oldest first.
func (l *Ledger) Gaps(ctx context.Context, cluster string, since time.Time) ([]fleet.Gap, error) {
	rows, err := l.r.QueryContext(ctx, `SELECT id, from_at, until_at, cause, missed, events_from FROM gaps WHERE cluster = ? AND until_at >= ? ORDER BY id`, cluster, since.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("reading gaps of %s: %w", cluster, explain(err))
	}
	defer rows.Close()
	var gaps []fleet.Gap
	for rows.Next() {
		g := fleet.Gap{Cluster: cluster}
		var from, until, events sql.NullInt64
		if err := rows.Scan(&g.ID, &from, &until, &g.Cause, &g.Missed, &events); err != nil {
			return nil, err
		}
		g.From, g.Until, g.EventsFrom = fromMS(from), fromMS(until), fromMS(events)
		gaps = append(gaps, g)
	}
	return gaps, rows.Err()
}

// Backlog counts the changes that a person is to be told and that no accepted message tells, and
// says when the oldest of them happened; zero if there is none.
func (l *Ledger) Backlog(ctx context.Context, cluster string) (n int, oldest time.Time, err error) {
	var at sql.NullInt64
	// What is untold has no wave yet, or one that is not done.
	err = l.r.QueryRowContext(ctx, `SELECT count(*), min(at) FROM (SELECT at FROM changes WHERE cluster = ?1 AND wave_id IS NULL AND tell = 1
		UNION ALL SELECT c.at FROM waves w JOIN changes c ON c.wave_id = w.id WHERE w.cluster = ?1 AND w.done_at IS NULL AND c.told_at IS NULL)`, cluster).Scan(&n, &at)
	if err != nil {
		err = fmt.Errorf("counting what is untold of %s: %w", cluster, explain(err))
	}
	return n, fromMS(at), err
}

// Size is how large the ledger's files are, in bytes.
func (l *Ledger) Size() (bytes int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(l.path + suffix); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// Untold is how many changes Backlog counts.
func (l *Ledger) Untold(ctx context.Context, cluster string) (int, error) {
	n, _, err := l.Backlog(ctx, cluster)
	return n, err
}
