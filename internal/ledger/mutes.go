package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"rollcall/internal/wave"
)

const (
	// muteColumns are what scanMute receives, of mutes u.
	muteColumns = `u.id, u.request, u.cluster, u.scope, u.value, u.by_id, u.by_name, u.channel, u.at, u.until_at,
		u.ended_at, 		u.ended_by, u.ended_name, u.told_end`
	// muteSQL reads mutes u; a condition follows.
	muteSQL = `SELECT ` + muteColumns + ` FROM mutes u WHERE `
)

func scanMute(r row) (m wave.Mute, err error) {
	var at, until, ended sql.NullInt64
	err = r.Scan(&m.ID, &m.Request, &m.Cluster, &m.Scope, &m.Value, &m.By, &m.ByName, &m.Channel, &at, &until, &ended,
		&m.EndedBy, &m.EndedByName, &m.ToldEnd)
	m.At, m.Until, m.EndedAt = fromMS(at), fromMS(until), fromMS(ended)
	return m, err
}

// AddMute records a mute and returns it with its ID. A mute of the same Request that is there
// already is returned as it is: a click that is delivered twice makes one. It is an error to
// ask without a Request.
func (l *Ledger) AddMute(ctx context.Context, m wave.Mute) (added wave.Mute, err error) {
	defer doing(&err, "recording a mute")
	if m.Request == "" {
		return wave.Mute{}, errors.New("it has no request key")
	}
	err = l.tx(ctx, func(tx tx) (err error) {
		if err := tx.exec(ctx, `INSERT INTO mutes (request, cluster, scope, value, by_id, by_name, channel, at, until_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (request) DO NOTHING`, m.Request, m.Cluster, string(m.Scope), m.Value,
			m.By, m.ByName, m.Channel, m.At.UnixMilli(), m.Until.UnixMilli()); err != nil {
			return err
		}
		added, _, err = one(ctx, tx, scanMute, muteSQL+`u.request = ?`, m.Request)
		return err
	})
	if err == nil {
		l.notify()
	}
	return added, err
}

// EndMute ends a mute early, as a person asks whose Slack user ID and name are given. One that
// has ended already, or is not there, is left alone: ended is false.
func (l *Ledger) EndMute(ctx context.Context, id int64, by, name string, now time.Time) (ended bool, err error) {
	defer doing(&err, "ending mute %d", id)
	res, err := l.w.ExecContext(ctx, `UPDATE mutes SET ended_at = ?1, ended_by = ?2, ended_name = ?3
		WHERE id = ?4 AND ended_at IS NULL AND until_at > ?1`, now.UnixMilli(), by, name, id)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	l.notify()
	return n > 0, err
}

// Mute returns a mute, whether it is active or not.
func (l *Ledger) Mute(ctx context.Context, id int64) (m wave.Mute, ok bool, err error) {
	defer doing(&err, "reading mute %d", id)
	return one(ctx, l.r, scanMute, muteSQL+`u.id = ?`, id)
}

// Mutes returns the mutes of a cluster that are active now, oldest first.
func (l *Ledger) Mutes(ctx context.Context, cluster string, now time.Time) (mutes []wave.Mute, err error) {
	defer doing(&err, "reading mutes of %s", cluster)
	return collect(ctx, l.r, scanMute, muteSQL+`u.cluster = ?1 AND u.until_at > ?2 AND u.at <= ?2
		AND (u.ended_at IS NULL OR u.ended_at > ?2) ORDER BY u.id`, cluster, now.UnixMilli())
}

// UntoldMutes returns the mutes of a cluster whose end was not told yet, oldest first: those
// that are active, and those that have ended since.
func (l *Ledger) UntoldMutes(ctx context.Context, cluster string) (mutes []wave.Mute, err error) {
	defer doing(&err, "reading mutes of %s", cluster)
	return collect(ctx, l.r, scanMute, muteSQL+`u.cluster = ? AND u.told_end = 0 ORDER BY u.id`, cluster)
}

// Muted sums up what a mute has kept quiet so far.
func (l *Ledger) Muted(ctx context.Context, mute int64) (m wave.Muted, err error) {
	defer doing(&err, "counting what mute %d kept quiet", mute)
	if m.Nodes, _, err = one(ctx, l.r, value[int], `SELECT count(DISTINCT node_uid) FROM changes WHERE mute_id = ?`,
		mute); err != nil {
		return m, err
	}
	m.Changes, err = l.countByKind(ctx, `SELECT kind, count(*) FROM changes WHERE mute_id = ? GROUP BY kind`, mute)
	return m, err
}

// MutedChanges counts the changes of a cluster since one moment and before another that mutes
// kept quiet, by mute and by kind.
func (l *Ledger) MutedChanges(ctx context.Context, cluster string, since, until time.Time) (counts []wave.MutedCount,
	err error) {
	defer doing(&err, "counting muted changes of %s", cluster)
	return collect(ctx, l.r, func(r row) (c wave.MutedCount, err error) {
		err = r.Scan(&c.Mute, &c.Kind, &c.Changes)
		return c, err
	}, `SELECT mute_id, kind, count(*) FROM changes WHERE cluster = ? AND at >= ? AND at < ? AND mute_id IS NOT NULL
		GROUP BY mute_id, kind ORDER BY mute_id, kind`, cluster, since.UnixMilli(), until.UnixMilli())
}
