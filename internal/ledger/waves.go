package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// firstStep is the kind of change that a change c follows, NULL if it follows none.
const firstStep = `CASE c.kind WHEN 'ready' THEN 'joined' WHEN 'recovered' THEN 'not_ready' END`

const todoSQL = `SELECT ` + changeColumns + `, ` + nodeColumns + `,
		coalesce((SELECT p.wave_id FROM changes p JOIN waves w ON w.id = p.wave_id
			WHERE p.cluster = c.cluster AND p.node_uid = c.node_uid AND w.done_at IS NULL
			AND p.kind = ` + firstStep + ` AND p.occurrence = c.occurrence), 0),
		coalesce((SELECT p.mute_id FROM changes p WHERE p.cluster = c.cluster AND p.node_uid = c.node_uid
			AND p.kind = ` + firstStep + ` AND p.occurrence = c.occurrence), 0)
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid` + nodeSets + `
	WHERE c.cluster = ? AND c.wave_id IS NULL AND c.tell = 1 AND NOT ` + heldBack + ` ORDER BY c.id LIMIT ?`

const anythingSQL = `SELECT EXISTS (SELECT 1 FROM clusters WHERE cluster = ? AND baseline_at IS NOT NULL
		AND baseline_wave IS NULL),
	EXISTS (SELECT 1 FROM changes WHERE cluster = ? AND wave_id IS NULL AND tell = 1)`

// heldBack is true of a change c of a node n that is told only if the node is not ended after all: see alert.Plan.
const heldBack = `(c.kind = 'not_ready' AND n.leaving = 1 AND n.removed_at IS NULL)`

func scanTodo(r row) (t wave.Todo, err error) {
	var n nodeRow
	if err := r.Scan(append(append(changeDest(&t.Change), n.dest()...), &t.StepWave, &t.StepMute)...); err != nil {
		return t, err
	}
	rec, err := n.record()
	t.Node, t.Gone = rec.Node, !rec.RemovedAt.IsZero()
	ofNode(&t.Change, t.Node)
	return t, err
}

// Todo returns the changes that nobody was told yet and that belong to no wave, oldest first,
// at most limit; and whether the baseline is still to be told.
func (l *Ledger) Todo(ctx context.Context, cluster string, limit int) (todo []wave.Todo, baseline bool, err error) {
	defer doing(&err, "reading to-dos of %s", cluster)
	// Mostly there is nothing, and to find that out costs less than to look for all that belongs to a to-do.
	var any bool
	_, _, err = one(ctx, l.r, scanTo(&baseline, &any), anythingSQL, cluster, cluster)
	if err != nil || !any {
		return nil, baseline, err
	}
	todo, err = collect(ctx, l.r, scanTodo, todoSQL, cluster, limit)
	return todo, baseline, err
}

// Backlog counts the changes that a person is to be told and that no accepted message tells, and
// says when the oldest of them happened; zero if there is none.
func (l *Ledger) Backlog(ctx context.Context, cluster string) (n int, oldest time.Time, err error) {
	defer doing(&err, "counting what is untold of %s", cluster)
	// What is untold has no wave yet, or one that is not done.
	_, _, err = one(ctx, l.r, scanTo(&n, at{&oldest}), `SELECT count(*), min(x.at) FROM (
		SELECT c.at FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
			WHERE c.cluster = ? AND c.wave_id IS NULL AND c.tell = 1 AND NOT `+heldBack+`
		UNION ALL SELECT c.at FROM waves w JOIN changes c ON c.wave_id = w.id
			WHERE w.cluster = ? AND w.done_at IS NULL AND c.told_at IS NULL) x`, cluster, cluster)
	return n, oldest, err
}

// aboutText is what the column waves.about holds: "" for the zero value, else JSON, and the same for
// the same value, so that SQL can look for it.
func aboutText(a wave.About) (string, error) {
	if a == (wave.About{}) {
		return "", nil
	}
	text, err := json.Marshal(a)
	return string(text), err
}

func parseAbout(text string) (a wave.About, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &a)
	}
	return a, err
}

// unfinished counts the nodes of a wave w that are still to take the step after the one that
// brought them into it. One that another wave tells, or that nobody is to be told, was taken.
const unfinished = `SELECT count(*) FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
	WHERE c.wave_id = w.id AND n.removed_at IS NULL AND NOT EXISTS (SELECT 1 FROM changes r
		WHERE r.cluster = c.cluster AND r.node_uid = c.node_uid AND r.occurrence = c.occurrence
		AND (r.wave_id IS NOT NULL OR r.tell = 0)
		AND r.kind = CASE c.kind WHEN 'joined' THEN 'ready' ELSE 'recovered' END)`

// waveColumns are what scanWave receives, of waves w.
const waveColumns = `w.id, w.key, w.cluster, w.kind, w.about, w.opened_at, w.last_at, w.closed_at,
	w.mentions, w.looker_id, w.looker_name, w.looked_at,
	(SELECT count(DISTINCT node_uid) FROM changes c WHERE c.wave_id = w.id),
	(SELECT count(*) FROM (SELECT DISTINCT n.instance_type, n.capacity_type FROM (
		SELECT DISTINCT c.cluster, c.node_uid FROM changes c WHERE c.wave_id = w.id LIMIT 10) x
		JOIN nodes n ON n.cluster = x.cluster AND n.uid = x.node_uid) x),
	(SELECT count(*) FROM changes c WHERE c.wave_id = w.id AND c.told_at IS NULL),
	(SELECT count(*) FROM (SELECT 1 FROM changes c WHERE c.wave_id = w.id GROUP BY c.node_uid
		HAVING max(c.part) IS NULL) x),
	(` + unfinished + ` AND c.kind = 'not_ready'), (` + unfinished + ` AND c.kind = 'joined'),
	(SELECT coalesce(max(id), 0) FROM changes c WHERE c.wave_id = w.id),
	(SELECT count(*) FROM changes c WHERE c.wave_id = w.id AND c.explain_at IS NOT NULL),
	(SELECT count(*) FROM changes c WHERE c.wave_id = w.id AND c.explain_at IS NOT NULL AND c.cause_id IS NULL),
	(SELECT count(*) FROM changes c WHERE c.wave_id = w.id AND c.told_at IS NOT NULL AND c.cause_id IS NOT NULL
		AND c.cause_id IS DISTINCT FROM c.told_cause),
	(SELECT count(*) FROM changes c WHERE c.wave_id = w.id AND c.told_at IS NOT NULL AND c.cause_id IS NOT NULL
		AND c.told_cause IS NULL)`

func scanWave(r row) (w wave.Wave, err error) {
	var about string
	var unrecovered int
	if err := r.Scan(&w.ID, &w.Key, &w.Cluster, &w.Kind, &about, at{&w.OpenedAt}, at{&w.LastAt}, at{&w.ClosedAt},
		&w.Mentions, &w.Look.By, &w.Look.Name, at{&w.Look.At},
		&w.Counts.Members, &w.Counts.Kinds, &w.Counts.Untold, &w.Counts.Unlisted, &unrecovered, &w.Counts.Unready,
		&w.Counts.LastChange, &w.Counts.Unexplained, &w.Counts.Causeless, &w.Counts.CauseChanged,
		&w.Counts.CauseUntold); err != nil {
		return w, err
	}
	w.Counts.Pending = unrecovered + w.Counts.Unready
	w.About, err = parseAbout(about)
	return w, err
}

// LiveWaves returns the waves of a cluster whose messages may still change, oldest first, with
// what they are about and their messages, but without their members: Members reads those.
func (l *Ledger) LiveWaves(ctx context.Context, cluster string) (waves []wave.Wave, err error) {
	defer doing(&err, "reading waves of %s", cluster)
	return l.waves(ctx, `w.cluster = ? AND w.done_at IS NULL`, cluster)
}

// GrowthWaves returns the surges and creeps opened since a moment, oldest first, without members.
func (l *Ledger) GrowthWaves(ctx context.Context, cluster string, since time.Time) (waves []wave.Wave, err error) {
	defer doing(&err, "reading waves of %s", cluster)
	return l.waves(ctx, `w.kind IN ('surge', 'creep') AND w.cluster = ? AND w.opened_at >= ?`, cluster, since.UnixMilli())
}

// BudgetWaves returns what was told of budgets, oldest first, without members: what was told once is not told again.
func (l *Ledger) BudgetWaves(ctx context.Context, cluster string) (waves []wave.Wave, err error) {
	defer doing(&err, "reading waves of %s", cluster)
	return l.waves(ctx, `w.kind = 'budget' AND w.cluster = ?`, cluster)
}

// waves returns the waves that a condition on waves w selects, oldest first.
func (l *Ledger) waves(ctx context.Context, where string, args ...any) ([]wave.Wave, error) {
	waves, err := collect(ctx, l.r, scanWave, `SELECT `+waveColumns+` FROM waves w WHERE `+where+` ORDER BY w.id`, args...)
	if err != nil {
		return nil, err
	}
	if err := l.loadAbout(ctx, waves); err != nil {
		return nil, err
	}
	index := map[int64]*wave.Wave{}
	for i := range waves {
		index[waves[i].ID] = &waves[i]
	}
	for p, err := range each(ctx, l.r, scanPosting, `SELECT `+postingColumns+` FROM waves w
		JOIN messages m ON m.wave_id = w.id WHERE `+where+` ORDER BY m.created_at, m.key`, args...) {
		if err != nil {
			return nil, err
		}
		switch w := index[p.WaveID]; {
		case w == nil: // opened between the two queries
		case p.Part == wave.PartMain:
			w.Main = p
		default:
			w.Parts = append(w.Parts, p)
		}
	}
	return waves, nil
}

// loadAbout loads the gaps and mutes that waves are about.
func (l *Ledger) loadAbout(ctx context.Context, waves []wave.Wave) error {
	var gapIDs, muteIDs []int64
	for _, w := range waves {
		if w.About.Gap != 0 {
			gapIDs = append(gapIDs, w.About.Gap)
		}
		if w.About.Mute != 0 {
			muteIDs = append(muteIDs, w.About.Mute)
		}
	}
	gaps, mutes := map[int64]fleet.Gap{}, map[int64]wave.Mute{}
	if gapIDs != nil {
		found, err := l.gapsByID(ctx, gapIDs)
		if err != nil {
			return err
		}
		for _, g := range found {
			gaps[g.ID] = g
		}
	}
	if muteIDs != nil {
		found, err := l.mutesByID(ctx, muteIDs)
		if err != nil {
			return err
		}
		for _, m := range found {
			mutes[m.ID] = m
		}
	}
	for i := range waves {
		w := &waves[i]
		if g, ok := gaps[w.About.Gap]; ok {
			w.Gap = &g
		}
		if m, ok := mutes[w.About.Mute]; ok {
			w.Mute = &m
		}
	}
	return nil
}

// memberStep is one change of a member of a wave.
type memberStep struct {
	change fleet.Change
	node   nodeRow
	part   string
	told   bool
}

const membersSQL = `SELECT ` + changeColumns + `, coalesce(c.part, ''), c.told_at IS NOT NULL, ` + nodeColumns + `
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid` + nodeSets + `
	WHERE c.wave_id = ? ORDER BY c.id`

// Members returns the nodes of a wave, in the order in which they were added.
func (l *Ledger) Members(ctx context.Context, id int64) (members []wave.Member, err error) {
	defer doing(&err, "reading members of wave %d", id)
	index := map[string]int{}
	scan := func(r row) (s memberStep, err error) {
		err = r.Scan(append(append(changeDest(&s.change), &s.part, &s.told), s.node.dest()...)...)
		return s, err
	}
	for s, err := range each(ctx, l.r, scan, membersSQL, id) {
		if err != nil {
			return nil, err
		}
		i, ok := index[s.node.rec.UID]
		if !ok {
			rec, err := s.node.record()
			if err != nil {
				return nil, err
			}
			i = len(members)
			index[rec.UID] = i
			members = append(members, wave.Member{Node: rec.Node, RemovedAt: rec.RemovedAt, Told: true})
		}
		m := &members[i]
		ofNode(&s.change, m.Node)
		m.Steps = append(m.Steps, s.change)
		if m.Told = m.Told && s.told; s.told {
			m.ToldUpTo = s.change.ID
		}
		if s.part != "" {
			m.Part = s.part
		}
	}
	if len(members) == 0 {
		return nil, nil
	}
	uids := make([]string, len(members))
	for i := range members {
		uids[i] = members[i].Node.UID
	}
	causes, err := l.explanations(ctx, members[0].Node.Cluster, uids)
	if err != nil {
		return nil, err
	}
	for i := range members {
		m := &members[i]
		of := causes[m.Node.UID]
		_, left := m.Step(fleet.Removed)
		if m.Came = of.came; left || !m.RemovedAt.IsZero() {
			m.Went = of.went
		}
		if len(members) > maxWithOthers {
			continue
		}
		for _, name := range slices.Concat(m.Came.Nodes, m.Went.Nodes) {
			other, ok, err := one(ctx, l.r, scanNode, lastNamedSQL, m.Node.Cluster, name)
			if err != nil {
				return nil, err
			}
			if ok && other.UID != m.Node.UID {
				m.Others = append(m.Others, other.Node)
			}
		}
	}
	return members, nil
}

// maxWithOthers is how many members a wave has at most of which each is told with the nodes that it replaces, or that
// replace it.
const maxWithOthers = 5

const lastNamedSQL = `SELECT ` + nodeColumns + ` FROM nodes n` + nodeSets + `
	WHERE n.cluster = ? AND n.name = ? ORDER BY n.created_at DESC LIMIT 1`

const (
	waveOfKeySQL = `SELECT w.id, w.cluster, w.kind, w.about,
			(SELECT min(coalesce(c.not_before, c.at)) FROM changes c WHERE c.wave_id = w.id),
			(SELECT max(c.at) FROM changes c WHERE c.wave_id = w.id)
		FROM messages m JOIN waves w ON w.id = m.wave_id WHERE m.key = ?`
	waveNodesSQL = `SELECT c.node_uid, n.name FROM (SELECT cluster, node_uid, min(id) AS first FROM changes
			WHERE wave_id = ? GROUP BY cluster, node_uid ORDER BY first LIMIT ?) c
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid ORDER BY c.first`
)

// SetAbout records what a wave that is not done is about now.
func (l *Ledger) SetAbout(ctx context.Context, id int64, about wave.About) (err error) {
	defer doing(&err, "recording what wave %d is about", id)
	text, err := aboutText(about)
	if err != nil {
		return err
	}
	_, err = l.exec(ctx, `UPDATE waves SET about = ? WHERE id = ? AND done_at IS NULL`, text, id)
	return err
}

// WaveNodes returns which nodes a wave is about, at most limit, by the key of any of its
// messages; ok is false if no wave has such a message, or has it no longer.
func (l *Ledger) WaveNodes(ctx context.Context, key string, limit int) (w wave.Nodes, ok bool, err error) {
	defer doing(&err, "reading the nodes of message %s", key)
	var about string
	_, ok, err = one(ctx, l.r, scanTo(&w.ID, &w.Cluster, &w.Kind, &about, at{&w.From}, at{&w.Until}), waveOfKeySQL, key)
	if err != nil || !ok {
		return w, false, err
	}
	if w.About, err = parseAbout(about); err != nil {
		return w, false, err
	}
	type named struct{ uid, name string }
	scan := func(r row) (n named, err error) {
		err = r.Scan(&n.uid, &n.name)
		return n, err
	}
	for n, err := range each(ctx, l.r, scan, waveNodesSQL, w.ID, max(0, limit)+1) {
		if err != nil {
			return w, false, err
		}
		if w.More = len(w.UIDs) >= limit; w.More {
			break
		}
		w.UIDs, w.Names = append(w.UIDs, n.uid), append(w.Names, n.name)
	}
	return w, true, nil
}

const (
	extendWaveSQL = `UPDATE waves SET last_at = ? WHERE id = ?`
	insertWaveSQL = `INSERT INTO waves (key, cluster, kind, about, opened_at, last_at, closed_at, mentions)
		VALUES ('', ?, ?, ?, ?, ?, ?, ?) RETURNING id`
	keyWaveSQL = `UPDATE waves SET key = ? WHERE id = ?`
	assignSQL  = `UPDATE changes SET wave_id = ? WHERE id = ? AND wave_id IS NULL`
	// What a wave has taken is told, and the first mute stays the one that hid it.
	hideSQL = `UPDATE changes SET tell = 0, mute_id = ? WHERE id = ? AND wave_id IS NULL AND mute_id IS NULL`
)

// Apply carries out a plan in one transaction: waves and the intents of their messages,
// changes assigned to waves, waves merged. With posting, the caller posts the new waves'
// messages at once, and what MarkPosting would record is recorded here.
func (l *Ledger) Apply(ctx context.Context, cluster, channel string, p wave.Plan, posting bool, now time.Time) (
	err error) {
	defer doing(&err, "recording what to tell of %s", cluster)
	main := wave.Posting{Part: wave.PartMain, Channel: channel, Created: now, Tried: posting}
	return l.tx(ctx, func(tx tx) error {
		if p.Baseline {
			id, err := l.openWave(ctx, tx, cluster, wave.Opening{Kind: wave.KindBaseline, Closed: true,
				To: p.To}, main)
			if err != nil {
				return err
			}
			if _, err := tx.exec(ctx, `UPDATE clusters SET baseline_wave = ? WHERE cluster = ?`, id, cluster); err != nil {
				return err
			}
		}
		for _, n := range p.New {
			if told, err := mutesWave(ctx, tx, n.About); err != nil || told {
				if err != nil {
					return err
				}
				continue
			}
			id, err := l.openWave(ctx, tx, cluster, n, main)
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
				if _, err := tx.exec(ctx, extendWaveSQL, now.UnixMilli(), id); err != nil {
					return err
				}
			}
		}
		for _, id := range p.Silence {
			if _, err := tx.exec(ctx, `UPDATE changes SET tell = 0 WHERE id = ?`, id); err != nil {
				return err
			}
		}
		for id, mute := range p.Mute {
			if _, err := tx.exec(ctx, hideSQL, mute, id); err != nil {
				return err
			}
		}
		for _, m := range p.Merge {
			if err := merge(ctx, tx, m, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// mutesWave reports whether what a wave is about is a mute that a wave tells already: however
// often it is planned, one does.
func mutesWave(ctx context.Context, tx tx, about wave.About) (told bool, err error) {
	if about.Mute == 0 {
		return false, nil
	}
	text, err := aboutText(about)
	if err != nil {
		return false, err
	}
	told, _, err = one(ctx, tx, value[bool],
		`SELECT EXISTS (SELECT 1 FROM waves WHERE kind = 'mute' AND about <> '' AND about = ?)`, text)
	return told, err
}

// openWave records a wave and the intent of its message, which is like main.
func (l *Ledger) openWave(ctx context.Context, tx tx, cluster string, n wave.Opening, main wave.Posting) (
	int64, error) {
	about, err := aboutText(n.About)
	if err != nil {
		return 0, err
	}
	now := main.Created.UnixMilli()
	var closed any
	if n.Closed {
		closed = now
	}
	main.WaveID, _, err = one(ctx, tx, value[int64], insertWaveSQL, cluster, string(n.Kind), about, now, now, closed,
		n.To.Mentions)
	if err != nil {
		return 0, err
	}
	main.Channel = cmp.Or(n.To.Channel, main.Channel)
	main.Key = l.newKey(strconv.FormatInt(main.WaveID, 10))
	if _, err := tx.exec(ctx, keyWaveSQL, main.Key, main.WaveID); err != nil {
		return 0, err
	}
	return main.WaveID, insertMessage(ctx, tx, main)
}

// assign gives to-dos to a wave. A change that has a wave keeps it: nothing is told twice.
func assign(ctx context.Context, tx tx, to int64, changes []int64) error {
	for _, id := range changes {
		if _, err := tx.exec(ctx, assignSQL, to, id); err != nil {
			return err
		}
	}
	return nil
}

// merge turns waves into one catch-up.
func merge(ctx context.Context, tx tx, m wave.Merge, now time.Time) error {
	about, err := aboutText(m.About)
	if err != nil {
		return err
	}
	for _, from := range m.From {
		if from == m.Into {
			continue
		}
		for _, stmt := range []string{
			`UPDATE changes SET wave_id = ? WHERE wave_id = ?`,
			`UPDATE clusters SET baseline_wave = ? WHERE baseline_wave = ?`,
		} {
			if _, err := tx.exec(ctx, stmt, m.Into, from); err != nil {
				return err
			}
		}
		for _, stmt := range []string{
			`DELETE FROM messages WHERE wave_id = ?`,
			`DELETE FROM waves WHERE id = ?`,
		} {
			if _, err := tx.exec(ctx, stmt, from); err != nil {
				return err
			}
		}
	}
	_, err = tx.exec(ctx, `UPDATE waves SET kind = ?, about = ?, last_at = ?, closed_at = NULL, mentions = ?
		WHERE id = ?`, string(wave.KindCatchUp), about, now.UnixMilli(), m.Mentions, m.Into)
	return err
}

// Move records that a wave that is not posted belongs to another place. If that is in another channel, Slack surely
// does not have it; in the same one it may have it, as before.
func (l *Ledger) Move(ctx context.Context, id int64, to wave.Place) (err error) {
	defer doing(&err, "moving wave %d", id)
	return l.tx(ctx, func(tx tx) error {
		if _, err := tx.exec(ctx, `UPDATE waves SET mentions = ? WHERE id = ?`, to.Mentions, id); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `UPDATE messages SET channel = ?, tried_at = NULL, doubtful_at = NULL
			WHERE wave_id = ? AND ts IS NULL AND channel <> ?`, to.Channel, id, to.Channel)
		return err
	})
}

// Dissolve takes back a wave of nodes that Slack surely does not have: all that it was to tell becomes a to-do again.
func (l *Ledger) Dissolve(ctx context.Context, id int64) (err error) {
	defer doing(&err, "dissolving wave %d", id)
	return l.tx(ctx, func(tx tx) error {
		for _, stmt := range []string{
			`UPDATE changes SET wave_id = NULL, part = NULL, told_at = NULL, told_cause = NULL WHERE wave_id = ?`,
			`DELETE FROM messages WHERE wave_id = ?`,
			`DELETE FROM waves WHERE id = ?`,
		} {
			if _, err := tx.exec(ctx, stmt, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Look records who looks at what a wave tells, by the key of any of its messages, and returns who does: whoever was
// first. ok is false if no wave has such a message, or has it no longer. A wave that was done is so no more until its
// messages say it.
func (l *Ledger) Look(ctx context.Context, key string, look wave.Look) (first wave.Look, ok bool, err error) {
	defer doing(&err, "recording who looks at message %s", key)
	err = l.tx(ctx, func(tx tx) error {
		if _, err := tx.exec(ctx, lookSQL, look.By, look.Name, look.At.UnixMilli(), key); err != nil {
			return err
		}
		_, ok, err = one(ctx, tx, scanTo(&first.By, &first.Name, at{&first.At}), `SELECT w.looker_id, w.looker_name,
			w.looked_at FROM messages m JOIN waves w ON w.id = m.wave_id WHERE m.key = ?`, key)
		return err
	})
	if err == nil && ok {
		l.notify()
	}
	return first, ok, err
}

// Looks returns who looks at the waves of a cluster that are not done, by wave; those at which nobody does are left
// out.
func (l *Ledger) Looks(ctx context.Context, cluster string) (looks map[int64]wave.Look, err error) {
	defer doing(&err, "reading who looks at waves of %s", cluster)
	looks = map[int64]wave.Look{}
	_, err = collect(ctx, l.r, func(r row) (struct{}, error) {
		var id int64
		var look wave.Look
		err := r.Scan(&id, &look.By, &look.Name, at{&look.At})
		looks[id] = look
		return struct{}{}, err
	}, `SELECT id, looker_id, looker_name, looked_at FROM waves WHERE cluster = ? AND done_at IS NULL
		AND looked_at IS NOT NULL`, cluster)
	return looks, err
}

const lookSQL = `UPDATE waves SET looker_id = ?, looker_name = ?, looked_at = ?, done_at = NULL
	WHERE id = (SELECT wave_id FROM messages WHERE key = ?) AND looked_at IS NULL`

// CloseWave ends the taking of like changes, or the mute that the wave tells.
func (l *Ledger) CloseWave(ctx context.Context, id int64, now time.Time) (err error) {
	defer doing(&err, "closing wave %d", id)
	_, err = l.exec(ctx, `UPDATE waves SET closed_at = ? WHERE id = ? AND closed_at IS NULL`, now.UnixMilli(), id)
	return err
}

// toldNodesSQL counts the nodes of a wave that an accepted message tells, and the different machines among them.
const toldNodesSQL = `SELECT count(DISTINCT c.node_uid), count(DISTINCT n.instance_type || ' ' || n.capacity_type)
	FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid
	WHERE c.wave_id = ? AND c.told_at IS NOT NULL`

// Named reports whether a message names so many nodes, of so many different machines, itself, and not in its thread.
type Named = func(nodes, kinds int) bool

// toldByName reports whether what an accepted message tells of a wave names its nodes.
func toldByName(ctx context.Context, tx tx, id int64, named Named) (bool, error) {
	var nodes, kinds int
	_, _, err := one(ctx, tx, scanTo(&nodes, &kinds), toldNodesSQL, id)
	return named(nodes, kinds), err
}

const finishWaveSQL = `UPDATE waves SET done_at = ?, closed_at = coalesce(closed_at, ?) WHERE id = ? AND NOT EXISTS (
		SELECT 1 FROM changes t JOIN changes c ON c.cluster = t.cluster AND c.node_uid = t.node_uid
		WHERE t.cluster = waves.cluster AND t.wave_id IS NULL AND t.tell = 1 AND c.wave_id = waves.id)`

// FinishWave declares that a wave's messages will not change any more, unless a to-do of one
// of its nodes has come in meanwhile. If it is about a mute, that was told, its end included.
func (l *Ledger) FinishWave(ctx context.Context, id int64, now time.Time) (err error) {
	defer doing(&err, "finishing wave %d", id)
	return l.tx(ctx, func(tx tx) error {
		finished, err := tx.exec(ctx, finishWaveSQL, now.UnixMilli(), now.UnixMilli(), id)
		if err != nil || finished == 0 {
			return err
		}
		text, _, err := one(ctx, tx, value[string], `SELECT about FROM waves WHERE id = ?`, id)
		if err != nil {
			return err
		}
		about, err := parseAbout(text)
		if err != nil || about.Mute == 0 {
			return err
		}
		_, err = tx.exec(ctx, `UPDATE mutes SET told_end = 1 WHERE id = ?`, about.Mute)
		return err
	})
}

// releaseSQL gives up what a wave has not told, and with a true second parameter also what it has told of nodes that
// no accepted message names.
const releaseSQL = `UPDATE changes SET wave_id = NULL, part = NULL, told_at = NULL, told_cause = NULL
	WHERE wave_id = ? AND (told_at IS NULL
	OR ? AND node_uid IN (SELECT c.node_uid FROM changes c LEFT JOIN messages m ON m.key = c.part AND m.ts IS NOT NULL
		WHERE c.wave_id = ? GROUP BY c.node_uid HAVING max(m.key) IS NULL))`

// ReleaseWave gives up a wave whose message is gone from Slack, or whose channel is: what it had not told becomes
// a to-do again, and another wave may tell its mute. So does what it had told without names, of those nodes that its
// thread was still to name.
func (l *Ledger) ReleaseWave(ctx context.Context, id int64, named Named, now time.Time) (err error) {
	defer doing(&err, "releasing wave %d", id)
	return l.tx(ctx, func(tx tx) error {
		byName, err := toldByName(ctx, tx, id, named)
		if err != nil {
			return err
		}
		if _, err := tx.exec(ctx, releaseSQL, id, !byName, id); err != nil {
			return err
		}
		_, err = tx.exec(ctx, `UPDATE waves SET done_at = ?, closed_at = coalesce(closed_at, ?),
			about = CASE kind WHEN 'mute' THEN '' ELSE about END WHERE id = ?`, now.UnixMilli(), now.UnixMilli(), id)
		return err
	})
}
