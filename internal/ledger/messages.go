package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"rollcall/internal/wave"
)

// MarkUpload records which file is a message's picture, and what becomes of it.
func (l *Ledger) MarkUpload(ctx context.Context, p wave.Posting) (err error) {
	defer doing(&err, "recording the picture of message %s", p.Key)
	return l.exec(ctx, `UPDATE messages SET picture = ?, file = ? WHERE key = ?`, string(p.Picture), p.File, p.Key)
}

const (
	insertMessageSQL = `INSERT INTO messages (key, wave_id, part, channel, created_at, tried_at, after_ts)
		VALUES (?, ?, ?, ?, ?, ?, (SELECT max(ts) FROM messages))`
	acceptMessageSQL = `UPDATE messages SET ts = ?, hash = ?, edited_at = ? WHERE key = ?`

	// postingColumns are what scanPosting receives, of messages m.
	postingColumns = `m.key, m.wave_id, m.part, m.channel, coalesce(m.ts, ''), m.hash, m.created_at, m.tried_at,
		m.edited_at, 		coalesce(m.after_ts, ''), m.picture, m.file`
	// postingsSQL reads the messages of waves w; a condition follows.
	postingsSQL = `SELECT ` + postingColumns + ` FROM waves w JOIN messages m ON m.wave_id = w.id WHERE `
)

// postingRow receives postingColumns.
type postingRow struct {
	p                      wave.Posting
	hash                   int64
	created, tried, edited sql.NullInt64
}

func (r *postingRow) dest() []any {
	p := &r.p
	return []any{&p.Key, &p.WaveID, &p.Part, &p.Channel, &p.ID, &r.hash, &r.created, &r.tried, &r.edited, &p.After,
		&p.Picture, &p.File}
}

func (r *postingRow) posting() wave.Posting {
	p := r.p
	p.Hash, p.Created, p.Tried, p.EditedAt = uint64(r.hash), fromMS(r.created), r.tried.Valid, fromMS(r.edited)
	return p
}

func scanPosting(from row) (wave.Posting, error) {
	var r postingRow
	err := from.Scan(r.dest()...)
	return r.posting(), err
}

// AddPart records the intent of a thread message that lists the given members of a wave. Its
// key is the wave's with a running number.
func (l *Ledger) AddPart(ctx context.Context, w wave.Wave, part string, uids []string, now time.Time) (m wave.Posting,
	err error) {
	defer doing(&err, "recording a reply to wave %d", w.ID)
	m = wave.Posting{WaveID: w.ID, Part: part, Channel: w.Main.Channel, Created: now}
	err = l.tx(ctx, func(tx tx) error {
		n, _, err := one(ctx, tx, value[int], `SELECT count(*) FROM messages WHERE wave_id = ?`, w.ID)
		if err != nil {
			return err
		}
		m.Key = fmt.Sprintf("%s.%d", w.Key, n)
		if err := tx.exec(ctx, insertMessageSQL, m.Key, w.ID, part, m.Channel, now.UnixMilli(), nil); err != nil {
			return err
		}
		for _, uid := range uids {
			if err := tx.exec(ctx, `UPDATE changes SET part = ? WHERE wave_id = ? AND node_uid = ? AND part IS NULL`,
				m.Key, w.ID, uid); err != nil {
				return err
			}
		}
		return nil
	})
	return m, err
}

// MarkPosting records that a message is about to be posted in its channel, and what becomes of its
// picture: from here on Slack may have it.
func (l *Ledger) MarkPosting(ctx context.Context, p wave.Posting, now time.Time) (err error) {
	defer doing(&err, "recording the intent of message %s", p.Key)
	return l.exec(ctx, `UPDATE messages SET tried_at = ?, channel = ?, picture = ? WHERE key = ?`,
		now.UnixMilli(), p.Channel, string(p.Picture), p.Key)
}

// Accepted records that Slack accepted a message or an edit of it: where it is, what it says,
// and that it tells the changes of its wave up to the ID given (0: none).
func (l *Ledger) Accepted(ctx context.Context, p wave.Posting, told int64, now time.Time) (err error) {
	defer doing(&err, "recording message %s", p.Key)
	return l.tx(ctx, func(tx tx) error {
		if err := tx.exec(ctx, acceptMessageSQL, p.ID, int64(p.Hash), now.UnixMilli(), p.Key); err != nil || told == 0 {
			return err
		}
		return tx.exec(ctx, tellChangesSQL, now.UnixMilli(), p.WaveID, told)
	})
}

// DropPart gives up a thread reply, because the thread is gone: its nodes are listed nowhere
// else.
func (l *Ledger) DropPart(ctx context.Context, key string) (err error) {
	defer doing(&err, "dropping message %s", key)
	return l.exec(ctx, `DELETE FROM messages WHERE key = ?`, key)
}
