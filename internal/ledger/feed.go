package ledger

import (
	"context"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

const (
	beginFeedSQL = `INSERT INTO feeds (cluster, change_id, wave_id, digest_id, begun_at) VALUES (?,
		(SELECT coalesce(max(id), 0) FROM changes), (SELECT coalesce(max(id), 0) FROM waves),
		(SELECT coalesce(max(id), 0) FROM digests), ?) ON CONFLICT (cluster) DO NOTHING`
	feedSQL     = `SELECT change_id, wave_id, digest_id, seq, missed FROM feeds WHERE cluster = ?`
	feedUptoSQL = `SELECT (SELECT coalesce(max(id), 0) FROM changes), (SELECT coalesce(max(id), 0) FROM waves),
		(SELECT coalesce(max(id), 0) FROM digests)`
	fedCausesSQL = `SELECT ` + changeColumns + `, 0, 0, ` + nodeColumns + `
		FROM feed_causes f JOIN changes c ON c.id = f.change_id
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid` + nodeSets + `
		WHERE f.cluster = ? AND f.change_id <= ? ORDER BY f.change_id LIMIT ?`
	fedStatesSQL = `SELECT wave_id, key, kind, events, state, said, at FROM feed_waves WHERE cluster = ? ORDER BY wave_id`
)

// A feed looks at the rows that are new, and leaves out those of other clusters: an index on clusters would lead to all
// that are old.
var (
	fedChangesSQL = `SELECT ` + changeColumns + `, coalesce(c.mute_id, 0), c.wave_id IS NOT NULL, ` + nodeColumns + `
		FROM changes c JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid` + nodeSets + `
		WHERE c.id > ? AND c.id <= ? AND ` + dialect{}.unindexed(`c.cluster`) + ` = ? ORDER BY c.id LIMIT ?`
	fedWaves = `w.id IN (SELECT x.id FROM waves x WHERE x.id > ? AND ` + dialect{}.unindexed(`x.cluster`) + ` = ?
		UNION SELECT f.wave_id FROM feed_waves f WHERE f.cluster = ?)`
	fedDigestsSQL = digestSQL + ` WHERE d.id > ? AND d.id <= ? AND ` + dialect{}.unindexed(`d.cluster`) + ` = ?
		ORDER BY d.id`
)

// BeginFeed begins the feed of a cluster with what happens from now on; one that has begun goes on.
func (l *Ledger) BeginFeed(ctx context.Context, cluster string, now time.Time) (err error) {
	defer doing(&err, "beginning the feed of %s", cluster)
	_, err = l.exec(ctx, beginFeedSQL, cluster, now.UnixMilli())
	return err
}

// Feed returns what has happened in a cluster that its feed has not taken up, with at most limit changes and causes.
func (l *Ledger) Feed(ctx context.Context, cluster string, limit int) (f wave.Feed, err error) {
	defer doing(&err, "reading what is new for the feed of %s", cluster)
	c := &f.Cursor
	_, ok, err := one(ctx, l.r, scanTo(&c.Change, &c.Wave, &c.Digest, &c.Seq, &f.Missed), feedSQL, cluster)
	if err != nil || !ok {
		return f, err
	}
	f.Upto.Seq = c.Seq
	if _, _, err = one(ctx, l.r, scanTo(&f.Upto.Change, &f.Upto.Wave, &f.Upto.Digest), feedUptoSQL); err != nil {
		return f, err
	}
	f.Changes, err = collect(ctx, l.r, scanFedChange, fedChangesSQL, c.Change, f.Upto.Change, cluster, limit)
	if err != nil {
		return f, err
	}
	if err := l.fillFedChanges(ctx, cluster, f.Changes); err != nil {
		return f, err
	}
	if f.More = len(f.Changes) == limit; f.More {
		f.Upto = wave.Cursor{Change: f.Changes[limit-1].Change.ID, Wave: c.Wave, Digest: c.Digest, Seq: c.Seq}
		return f, nil
	}
	explained, err := collect(ctx, l.r, scanFedChange, fedCausesSQL, cluster, f.Upto.Change, limit)
	if err != nil {
		return f, err
	}
	if err := l.fillFedChanges(ctx, cluster, explained); err != nil {
		return f, err
	}
	for _, e := range explained {
		f.Causes = append(f.Causes, wave.FedCause{Change: e.Change, Node: e.Node, Why: e.Why})
	}
	if err := l.fedWaves(ctx, cluster, &f); err != nil {
		return f, err
	}
	f.Digests, err = collect(ctx, l.r, scanDigest, fedDigestsSQL, c.Digest, f.Upto.Digest, cluster)
	return f, err
}

func scanFedChange(r row) (f wave.FedChange, err error) {
	var n nodeRow
	if err := r.Scan(append(append(changeDest(&f.Change), &f.Mute, &f.Taken), n.dest()...)...); err != nil {
		return f, err
	}
	rec, err := n.record()
	f.Node = rec.Node
	ofNode(&f.Change, f.Node)
	return f, err
}

// fillFedChanges adds the gaps in which changes happened, and why nodes came and left.
func (l *Ledger) fillFedChanges(ctx context.Context, cluster string, changes []wave.FedChange) error {
	var uids []string
	var gapIDs []int64
	for _, c := range changes {
		if explainAt(c.Change) != nil {
			uids = append(uids, c.Node.UID)
		}
		if c.Change.GapID != 0 {
			gapIDs = append(gapIDs, c.Change.GapID)
		}
	}
	gaps := map[int64]*fleet.Gap{}
	if gapIDs != nil {
		found, err := l.gapsByID(ctx, gapIDs)
		if err != nil {
			return err
		}
		for i := range found {
			gaps[found[i].ID] = &found[i]
		}
	}
	var why map[string]comeAndGone
	if uids != nil {
		var err error
		if why, err = l.explanations(ctx, cluster, uids); err != nil {
			return err
		}
	}
	for i := range changes {
		c := &changes[i]
		c.Gap = gaps[c.Change.GapID]
		switch {
		case explainAt(c.Change) == nil:
		case c.Change.Kind == fleet.Removed:
			c.Why = why[c.Node.UID].went
		default:
			c.Why = why[c.Node.UID].came
		}
	}
	return nil
}

// fedWaves adds to a feed the waves that are new, and those of which it has told something.
func (l *Ledger) fedWaves(ctx context.Context, cluster string, f *wave.Feed) error {
	states, err := collect(ctx, l.r, func(r row) (s wave.FedState, err error) {
		var said int64
		err = r.Scan(&s.Wave, &s.Key, &s.Kind, &s.Events, &s.State, &said, at{&s.At})
		s.Said = uint64(said)
		return s, err
	}, fedStatesSQL, cluster)
	if err != nil || len(states) == 0 && f.Upto.Wave == f.Cursor.Wave {
		return err
	}
	waves, err := l.waves(ctx, fedWaves, f.Cursor.Wave, cluster, cluster)
	if err != nil {
		return err
	}
	ids := make([]int64, len(waves))
	for i, w := range waves {
		ids[i] = w.ID
	}
	done := map[int64]bool{}
	for id, err := range each(ctx, l.r, value[int64], `SELECT w.id FROM waves w WHERE w.done_at IS NOT NULL AND `+
		l.sql.in(`w.id`), l.sql.list(ids)) {
		if err != nil {
			return err
		}
		done[id] = true
	}
	fed := map[int64]wave.FedState{}
	for _, s := range states {
		fed[s.Wave] = s
	}
	for _, w := range waves {
		f.Upto.Wave = max(f.Upto.Wave, w.ID) // one may have been opened since
		f.Waves = append(f.Waves, wave.FedWave{Wave: w, Done: done[w.ID], Fed: fed[w.ID]})
		delete(fed, w.ID)
	}
	for _, s := range states {
		if _, ok := fed[s.Wave]; ok {
			f.Gone = append(f.Gone, s)
		}
	}
	return nil
}

const (
	moveFeedSQL = `UPDATE feeds SET change_id = ?, wave_id = ?, digest_id = ?, seq = ?, missed = missed - ?
		WHERE cluster = ?`
	// The same event is sent once, whatever has been restored.
	insertDeliverySQL = `INSERT INTO deliveries (cluster, seq, key, type, body, created_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (key) DO NOTHING`
	toldCauseSQL = `DELETE FROM feed_causes WHERE cluster = ? AND change_id = ? AND strength <= ?`
	fedWaveSQL   = `INSERT INTO feed_waves (cluster, wave_id, key, kind, events, state, said, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cluster, wave_id) DO UPDATE SET key = excluded.key,
		kind = excluded.kind, events = excluded.events, state = excluded.state, said = excluded.said, at = excluded.at`
	// A stronger cause of a change that a feed may have told.
	feedCauseSQL = `INSERT INTO feed_causes (cluster, change_id, strength) SELECT f.cluster, ?, ? FROM feeds f
		WHERE f.cluster = ? ON CONFLICT (cluster, change_id) DO UPDATE SET strength = excluded.strength`
)

// Collect records in one transaction what the feed of a cluster has made of what is new, and how far it is: killed
// before, it does the same again, and killed after, it goes on from there.
func (l *Ledger) Collect(ctx context.Context, cluster string, c wave.Collected) (err error) {
	defer doing(&err, "recording %d events of %s", len(c.Deliveries), cluster)
	return l.tx(ctx, func(tx tx) error {
		for _, d := range c.Deliveries {
			if _, err := tx.exec(ctx, insertDeliverySQL, cluster, d.Seq, d.Key, d.Type, string(d.Body),
				d.Created.UnixMilli()); err != nil {
				return err
			}
		}
		for change, strength := range c.Explained {
			if _, err := tx.exec(ctx, toldCauseSQL, cluster, change, strength); err != nil {
				return err
			}
		}
		for _, s := range c.States {
			if _, err := tx.exec(ctx, fedWaveSQL, cluster, s.Wave, s.Key, string(s.Kind), s.Events, s.State, int64(s.Said),
				ms(s.At)); err != nil {
				return err
			}
		}
		for _, id := range c.Over {
			if _, err := tx.exec(ctx, `DELETE FROM feed_waves WHERE cluster = ? AND wave_id = ?`, cluster, id); err != nil {
				return err
			}
		}
		_, err := tx.exec(ctx, moveFeedSQL, c.Cursor.Change, c.Cursor.Wave, c.Cursor.Digest, c.Cursor.Seq, c.Missed, cluster)
		return err
	})
}

const nextDeliverySQL = `SELECT seq, key, type, body, created_at FROM deliveries WHERE cluster = ? ORDER BY seq LIMIT 1`

// NextDelivery returns the oldest event of a cluster's feed that the receiver has not taken; ok is false if it has
// taken all.
func (l *Ledger) NextDelivery(ctx context.Context, cluster string) (d wave.Delivery, ok bool, err error) {
	defer doing(&err, "reading the next event of %s", cluster)
	return one(ctx, l.r, func(r row) (d wave.Delivery, err error) {
		err = r.Scan(&d.Seq, &d.Key, &d.Type, &d.Body, at{&d.Created})
		return d, err
	}, nextDeliverySQL, cluster)
}

const undeliveredSQL = `SELECT count(*),
		(SELECT d.created_at FROM deliveries d WHERE d.cluster = ? ORDER BY d.seq LIMIT 1)
	FROM deliveries WHERE cluster = ?`

// Undelivered counts the events of a cluster's feed that the receiver has not taken, and says since when the oldest
// waits; zero if none does.
func (l *Ledger) Undelivered(ctx context.Context, cluster string) (n int, oldest time.Time, err error) {
	defer doing(&err, "counting the events of %s that wait", cluster)
	_, _, err = one(ctx, l.r, scanTo(&n, at{&oldest}), undeliveredSQL, cluster, cluster)
	return n, oldest, err
}

// Deliveries is the ledger as an outbox needs it whose sink discards repeats: nobody has to know whether an event was
// tried, only whether it was taken.
type Deliveries struct{ *Ledger }

// MarkPosting records nothing: what is sent twice is discarded.
func (Deliveries) MarkPosting(context.Context, wave.Posting, time.Time) error { return nil }

// MarkUpload records nothing: events have no pictures.
func (Deliveries) MarkUpload(context.Context, wave.Posting) error { return nil }

// Doubtful returns nothing: what is there twice is discarded.
func (Deliveries) Doubtful(context.Context) ([]wave.Doubt, error) { return nil, nil }

// Settled records nothing.
func (Deliveries) Settled(context.Context, string) error { return nil }

const deliveredSQL = `DELETE FROM deliveries WHERE key = ?`

// Accepted records that the receiver has taken an event.
func (d Deliveries) Accepted(ctx context.Context, p wave.Posting, _ int64, _ time.Time) (err error) {
	defer doing(&err, "recording that event %s was taken", p.Key)
	_, err = d.exec(ctx, deliveredSQL, p.Key)
	return err
}

// maxDeliveries is how many events wait at most in all feeds together: the oldest go first. It is Rollcall's own
// choice: at 2 kB each, a tenth of what the ledger may hold.
const maxDeliveries = 150_000

const (
	oldDeliveriesSQL = `SELECT key FROM deliveries WHERE cluster = ? AND created_at < ? ORDER BY seq LIMIT ?`
	mostWaitingSQL   = `SELECT cluster FROM deliveries GROUP BY cluster ORDER BY count(*) DESC LIMIT 1`
	missedSQL        = `UPDATE feeds SET missed = missed + ? WHERE cluster = ?`
	// Changes that are deleted before a feed has taken them up.
	missedChangesSQL = `UPDATE feeds SET missed = missed + (SELECT count(*) FROM changes c
		WHERE c.cluster = feeds.cluster AND c.id > feeds.change_id AND `
)

// pruneDeliveries gives up the events that have waited since before old, and the oldest of those that are more than
// the ledger is to hold. The feed says how many they were.
func (l *Ledger) pruneDeliveries(ctx context.Context, cluster string, old int64, most int) (total int64, err error) {
	for n := int64(pruneStep); n == pruneStep && ctx.Err() == nil; total += n {
		if n, err = l.dropDeliveries(ctx, cluster, old, pruneStep); err != nil {
			return total, err
		}
	}
	all, _, err := one(ctx, l.r, value[int], `SELECT count(*) FROM deliveries`)
	for all -= most; err == nil && all > 0 && ctx.Err() == nil; {
		var fullest string
		if fullest, _, err = one(ctx, l.r, value[string], mostWaitingSQL); err != nil {
			break
		}
		var n int64
		n, err = l.dropDeliveries(ctx, fullest, 1<<62, min(pruneStep, all))
		if n == 0 {
			break
		}
		total, all = total+n, all-int(n)
	}
	return total, err
}

// dropDeliveries deletes the oldest events of a feed that were recorded before old, at most so many.
func (l *Ledger) dropDeliveries(ctx context.Context, cluster string, old int64, most int) (n int64, err error) {
	err = l.tx(ctx, func(tx tx) error {
		keys, err := collect(ctx, tx, value[string], oldDeliveriesSQL, cluster, old, most)
		if n = int64(len(keys)); err != nil || n == 0 {
			return err
		}
		var sql dialect
		if _, err := tx.exec(ctx, `DELETE FROM deliveries WHERE `+sql.in(`key`), sql.list(keys)); err != nil {
			return err
		}
		_, err = tx.exec(ctx, missedSQL, n, cluster)
		return err
	})
	if err == nil && n > 0 {
		l.log.Warn("events were given up that the receiver of WEBHOOK_URL has not taken; it is told how many",
			"cluster", cluster, "events", n)
	}
	return n, err
}
