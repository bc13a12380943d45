package ledger

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"rollcall/internal/wave"
)

// postingColumns are what scanPosting receives, of messages m.
const postingColumns = `m.key, m.wave_id, m.part, m.channel, coalesce(m.ts, ''), m.hash, m.created_at,
	m.tried_at IS NOT NULL, m.edited_at, coalesce(m.after_ts, ''), m.picture, m.file,
	m.doubtful_at, m.frozen, m.posted_at, m.looked`

// postingRow receives postingColumns.
type postingRow struct {
	p    wave.Posting
	hash int64
}

func (r *postingRow) dest() []any {
	p := &r.p
	return []any{&p.Key, &p.WaveID, &p.Part, &p.Channel, &p.ID, &r.hash, at{&p.Created}, &p.Tried, at{&p.EditedAt},
		&p.After, &p.Picture, &p.File, at{&p.Doubtful}, &p.Frozen, at{&p.Posted}, &p.Looked}
}

func (r *postingRow) posting() wave.Posting {
	r.p.Hash = uint64(r.hash)
	return r.p
}

func scanPosting(r row) (wave.Posting, error) {
	var p postingRow
	err := r.Scan(p.dest()...)
	return p.posting(), err
}

// What Slack had confirmed when the intent is recorded: the message, if Slack has it, is later.
const insertMessageSQL = `INSERT INTO messages (key, wave_id, part, channel, created_at, tried_at, picture, after_ts)
	VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT max(ts) FROM messages))`

// insertMessage records the intent of a message: that it is to be posted, and with p.Tried, that
// this is about to happen.
func insertMessage(ctx context.Context, tx tx, p wave.Posting) error {
	var tried any
	if p.Tried {
		tried = p.Created.UnixMilli()
	}
	_, err := tx.exec(ctx, insertMessageSQL, p.Key, p.WaveID, p.Part, p.Channel, p.Created.UnixMilli(), tried,
		string(p.Picture))
	return err
}

// nonceLen is how many random characters end a key: 65 bits of crypto/rand.
const nonceLen = 13

// newKey is the key of a message that is about to be recorded. The instance and what it is of, for example
// a wave's number, are for people who read a log. Its end, which is random, makes that no other message has
// it, nor one that a copy of this file will post: a copy goes on with the same instance and numbers.
func (l *Ledger) newKey(of string) string {
	return fmt.Sprintf("%s-%s-%s", l.instance, of, rand.Text()[:nonceLen])
}

// keyOf is what newKey made a key of, and of an older version's key, which has no random end, all that
// follows the instance.
func keyOf(key string) string {
	_, of, _ := strings.Cut(key, "-")
	if i := len(of) - nonceLen - 1; i > 0 && of[i] == '-' && !strings.Contains(of[i+1:], "-") {
		return of[:i]
	}
	return of
}

// renewKeys gives the messages that nobody has begun to post new keys. If this file is a copy, or the one
// that was copied, the other goes on with them as they were then: without it, each would take the other's
// messages for its own. One that was begun keeps its key, because Slack may have it.
func (l *Ledger) renewKeys(ctx context.Context, tx tx) error {
	type intent struct {
		key  string
		wave int64
	}
	intents, err := collect(ctx, tx, func(r row) (m intent, err error) {
		err = r.Scan(&m.key, &m.wave)
		return m, err
	}, `SELECT key, wave_id FROM messages WHERE ts IS NULL AND tried_at IS NULL`)
	if err != nil {
		return err
	}
	for _, m := range intents {
		key := l.newKey(keyOf(m.key))
		if _, err := tx.exec(ctx, `UPDATE changes SET part = ? WHERE wave_id = ? AND part = ?`,
			key, m.wave, m.key); err != nil {
			return err
		}
		for _, table := range []string{"messages", "waves", "digests"} {
			if _, err := tx.exec(ctx, `UPDATE `+table+` SET key = ? WHERE key = ?`, key, m.key); err != nil {
				return err
			}
		}
	}
	return nil
}

// AddPart records the intent of a thread message that lists the given members of a wave, and
// returns it.
func (l *Ledger) AddPart(ctx context.Context, w wave.Wave, part string, uids []string, now time.Time) (
	p wave.Posting, err error) {
	defer doing(&err, "recording a reply to wave %d", w.ID)
	p = wave.Posting{WaveID: w.ID, Part: part, Channel: w.Main.Channel, Created: now}
	err = l.tx(ctx, func(tx tx) error {
		n, _, err := one(ctx, tx, value[int], `SELECT count(*) FROM messages WHERE wave_id = ?`, w.ID)
		if err != nil {
			return err
		}
		p.Key = l.newKey(fmt.Sprintf("%d.%d", w.ID, n)) // replies are in the order of their keys
		if err := insertMessage(ctx, tx, p); err != nil {
			return err
		}
		for _, uid := range uids {
			if _, err := tx.exec(ctx, `UPDATE changes SET part = ? WHERE wave_id = ? AND node_uid = ? AND part IS NULL`,
				p.Key, w.ID, uid); err != nil {
				return err
			}
		}
		return nil
	})
	return p, err
}

// MarkPosting records that a message is about to be posted, in which channel, and what becomes of
// its picture, and whether an earlier try may be there too: from here on Slack may have it.
func (l *Ledger) MarkPosting(ctx context.Context, p wave.Posting, now time.Time) (err error) {
	defer doing(&err, "recording the intent of message %s", p.Key)
	_, err = l.exec(ctx, `UPDATE messages SET tried_at = ?, channel = ?, picture = ?, file = ?, doubtful_at = ?
		WHERE key = ?`, now.UnixMilli(), p.Channel, string(p.Picture), p.File, ms(p.Doubtful), p.Key)
	return err
}

// MarkUpload records which file is a message's picture, and what becomes of it.
func (l *Ledger) MarkUpload(ctx context.Context, p wave.Posting) (err error) {
	defer doing(&err, "recording the picture of message %s", p.Key)
	_, err = l.exec(ctx, `UPDATE messages SET picture = ?, file = ? WHERE key = ?`, string(p.Picture), p.File, p.Key)
	return err
}

const (
	acceptSQL = `UPDATE messages SET ts = ?, hash = ?, edited_at = ?, looked = CASE WHEN ? THEN 1 ELSE looked END,
		posted_at = coalesce(posted_at, ?) WHERE key = ?`
	tellSQL = `UPDATE changes SET told_at = ? WHERE wave_id = ? AND id <= ? AND told_at IS NULL`
	// The causes of what the main message has told, as they are by now.
	tellCausesSQL = `UPDATE changes SET told_cause = cause_id WHERE wave_id = ? AND id <= ? AND told_at IS NOT NULL
		AND cause_id IS NOT NULL AND cause_id IS DISTINCT FROM told_cause`
)

// Accepted records that Slack accepted a message or an edit of it: its ID, the hash of what it says, whether that is
// who looks at it, and that it tells the changes of its wave up to the ID given; 0 for a message that tells none. The
// main message also tells their causes as they are recorded, unless it was found.
// Channel and picture stay as they were marked.
func (l *Ledger) Accepted(ctx context.Context, p wave.Posting, told int64, now time.Time) (err error) {
	defer doing(&err, "recording message %s", p.Key)
	return l.tx(ctx, func(tx tx) error {
		if _, err := tx.exec(ctx, acceptSQL, p.ID, int64(p.Hash), now.UnixMilli(), p.Looked, now.UnixMilli(),
			p.Key); err != nil || told == 0 {
			return err
		}
		if _, err := tx.exec(ctx, tellSQL, now.UnixMilli(), p.WaveID, told); err != nil || p.Found ||
			p.Part != wave.PartMain {
			return err
		}
		_, err := tx.exec(ctx, tellCausesSQL, p.WaveID, told)
		return err
	})
}

const doubtfulSQL = `SELECT ` + postingColumns + `, CASE m.part WHEN 'main' THEN '' WHEN 'digest' THEN ''
		ELSE coalesce((SELECT x.ts FROM messages x WHERE x.wave_id = m.wave_id AND x.part = 'main'), '') END
	FROM messages m WHERE m.doubtful_at IS NOT NULL AND m.ts IS NOT NULL ORDER BY m.doubtful_at`

// Doubtful returns the messages that Slack has confirmed and may have twice.
func (l *Ledger) Doubtful(ctx context.Context) (doubts []wave.Doubt, err error) {
	defer doing(&err, "reading messages that may be there twice")
	return collect(ctx, l.r, func(r row) (d wave.Doubt, err error) {
		var p postingRow
		err = r.Scan(append(p.dest(), &d.Thread)...)
		d.Posting = p.posting()
		return d, err
	}, doubtfulSQL)
}

// Settled records that Slack has a message once.
func (l *Ledger) Settled(ctx context.Context, key string) (err error) {
	defer doing(&err, "recording that message %s is there once", key)
	_, err = l.exec(ctx, `UPDATE messages SET doubtful_at = NULL WHERE key = ?`, key)
	return err
}

// Freeze records that Slack takes no more edits of a wave's main message. If it names its nodes, they count as listed
// there, so that its thread lists only the others.
func (l *Ledger) Freeze(ctx context.Context, w wave.Wave, named Named) (err error) {
	defer doing(&err, "freezing message %s", w.Main.Key)
	return l.tx(ctx, func(tx tx) error {
		if _, err := tx.exec(ctx, `UPDATE messages SET frozen = 1 WHERE key = ?`, w.Main.Key); err != nil {
			return err
		}
		byName, err := toldByName(ctx, tx, w.ID, named)
		if err != nil || !byName {
			return err
		}
		_, err = tx.exec(ctx, `UPDATE changes SET part = ? WHERE wave_id = ? AND part IS NULL AND node_uid IN (
			SELECT t.node_uid FROM changes t WHERE t.wave_id = ? AND t.told_at IS NOT NULL)`, w.Main.Key, w.ID, w.ID)
		return err
	})
}

// DropPart gives up a thread reply, because the thread is gone: its nodes are listed nowhere
// else.
func (l *Ledger) DropPart(ctx context.Context, key string) (err error) {
	defer doing(&err, "dropping message %s", key)
	_, err = l.exec(ctx, `DELETE FROM messages WHERE key = ?`, key)
	return err
}
