package ledger

import (
	"context"
	"errors"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// muteColumns are what scanMute receives, of mutes u.
const muteColumns = `u.id, u.request, u.cluster, u.scope, u.value, u.by_id, u.by_name, u.channel, u.at, u.until_at,
	u.ended_at, u.ended_by, u.ended_name, u.told_end`

func scanMute(r row) (m wave.Mute, err error) {
	err = r.Scan(&m.ID, &m.Request, &m.Cluster, &m.Scope, &m.Value, &m.By, &m.ByName, &m.Channel, at{&m.At}, at{&m.Until},
		at{&m.EndedAt}, &m.EndedBy, &m.EndedByName, &m.ToldEnd)
	return m, err
}

const insertMuteSQL = `INSERT INTO mutes (request, cluster, scope, value, by_id, by_name, channel, at, until_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (request) DO NOTHING`

// One that is active, of the same nodes in the same channel, lasts until the later of the two ends.
const extendMuteSQL = `UPDATE mutes SET until_at = CASE WHEN until_at < ? THEN ? ELSE until_at END
	WHERE cluster = ? AND scope = ? AND value = ? AND channel = ? AND at <= ? AND until_at > ? AND ended_at IS NULL`

// AddMute records a mute and returns it with its ID. A mute of the same Request that is there already is returned as it
// is: a click that is delivered twice makes one. One of the same nodes and channel that is active is not joined by
// another, but lasts longer if the new one would: it is returned. It is an error to ask without a Request.
func (l *Ledger) AddMute(ctx context.Context, m wave.Mute) (added wave.Mute, err error) {
	defer doing(&err, "recording a mute")
	if m.Request == "" {
		return wave.Mute{}, errors.New("it has no request key")
	}
	err = l.tx(ctx, func(tx tx) error {
		now := m.At.UnixMilli()
		again, _, err := one(ctx, tx, value[int], `SELECT count(*) FROM mutes WHERE request = ?`, m.Request)
		if err != nil {
			return err
		}
		if again == 0 {
			until := m.Until.UnixMilli()
			extended, err := tx.exec(ctx, extendMuteSQL, until, until, m.Cluster, string(m.Scope), m.Value, m.Channel, now, now)
			if err != nil {
				return err
			}
			if extended > 0 {
				added, _, err = one(ctx, tx, scanMute, `SELECT `+muteColumns+` FROM mutes u WHERE u.cluster = ? AND u.scope = ?
					AND u.value = ? AND u.channel = ? AND u.at <= ? AND u.until_at > ? AND u.ended_at IS NULL
					ORDER BY u.id LIMIT 1`, m.Cluster, string(m.Scope), m.Value, m.Channel, now, now)
				return err
			}
		}
		if _, err := tx.exec(ctx, insertMuteSQL, m.Request, m.Cluster, string(m.Scope), m.Value, m.By, m.ByName, m.Channel,
			m.At.UnixMilli(), m.Until.UnixMilli()); err != nil {
			return err
		}
		added, _, err = one(ctx, tx, scanMute, `SELECT `+muteColumns+` FROM mutes u WHERE u.request = ?`, m.Request)
		return err
	})
	if err != nil {
		return wave.Mute{}, err
	}
	l.notify()
	return added, nil
}

// EndMute ends a mute early, as a person asks whose Slack user ID and name are given. One that
// has ended already, or is not there, is left alone: ended is false.
func (l *Ledger) EndMute(ctx context.Context, id int64, by, name string, now time.Time) (ended bool, err error) {
	defer doing(&err, "ending mute %d", id)
	n, err := l.exec(ctx, `UPDATE mutes SET ended_at = ?, ended_by = ?, ended_name = ?
		WHERE id = ? AND ended_at IS NULL AND until_at > ?`, now.UnixMilli(), by, name, id, now.UnixMilli())
	if err != nil {
		return false, err
	}
	l.notify()
	return n > 0, nil
}

// Mute returns a mute, whether it is active or not; ok is false if it is not there.
func (l *Ledger) Mute(ctx context.Context, id int64) (m wave.Mute, ok bool, err error) {
	defer doing(&err, "reading mute %d", id)
	return one(ctx, l.r, scanMute, `SELECT `+muteColumns+` FROM mutes u WHERE u.id = ?`, id)
}

// Mutes returns the mutes of a cluster that are active now, oldest first.
func (l *Ledger) Mutes(ctx context.Context, cluster string, now time.Time) (mutes []wave.Mute, err error) {
	defer doing(&err, "reading mutes of %s", cluster)
	moment := now.UnixMilli()
	return collect(ctx, l.r, scanMute, `SELECT `+muteColumns+` FROM mutes u WHERE u.cluster = ? AND u.until_at > ?
		AND u.at <= ? AND (u.ended_at IS NULL OR u.ended_at > ?) ORDER BY u.id`, cluster, moment, moment, moment)
}

// MutesSince returns the mutes of a cluster that are active, or were after a moment, oldest first.
func (l *Ledger) MutesSince(ctx context.Context, cluster string, since time.Time) (mutes []wave.Mute, err error) {
	defer doing(&err, "reading mutes of %s", cluster)
	return collect(ctx, l.r, scanMute, `SELECT `+muteColumns+` FROM mutes u WHERE u.cluster = ? AND u.until_at > ?
		ORDER BY u.id`, cluster, since.UnixMilli())
}

// UntoldMutes returns the mutes of a cluster whose end was not told yet, oldest first: those
// that are active, and those that have ended since.
func (l *Ledger) UntoldMutes(ctx context.Context, cluster string) (mutes []wave.Mute, err error) {
	defer doing(&err, "reading mutes of %s", cluster)
	return collect(ctx, l.r, scanMute,
		`SELECT `+muteColumns+` FROM mutes u WHERE u.cluster = ? AND u.told_end = 0 ORDER BY u.id`, cluster)
}

// mutesByID returns those of the mutes that are in the ledger.
func (l *Ledger) mutesByID(ctx context.Context, ids []int64) ([]wave.Mute, error) {
	return collect(ctx, l.r, scanMute, `SELECT `+muteColumns+` FROM mutes u WHERE `+l.sql.in(`u.id`), l.sql.list(ids))
}

// Muted sums up what a mute has kept quiet so far.
func (l *Ledger) Muted(ctx context.Context, mute int64) (m wave.Muted, err error) {
	defer doing(&err, "counting what mute %d kept quiet", mute)
	m.Nodes, _, err = one(ctx, l.r, value[int], `SELECT count(DISTINCT node_uid) FROM changes WHERE mute_id = ?`, mute)
	if err != nil {
		return m, err
	}
	m.Changes = map[fleet.ChangeKind]int{}
	for c, err := range each(ctx, l.r, counted[fleet.ChangeKind],
		`SELECT kind, count(*) FROM changes WHERE mute_id = ? GROUP BY kind`, mute) {
		if err != nil {
			return m, err
		}
		m.Changes[c.key] = c.n
	}
	return m, nil
}

// MutedChanges counts the changes of a cluster in [since, until) that mutes kept quiet, by mute and
// by kind.
func (l *Ledger) MutedChanges(ctx context.Context, cluster string, since, until time.Time) (
	counts []wave.MutedCount, err error) {
	defer doing(&err, "counting muted changes of %s", cluster)
	return collect(ctx, l.r, func(r row) (c wave.MutedCount, err error) {
		err = r.Scan(&c.Mute, &c.Kind, &c.Changes)
		return c, err
	}, `SELECT mute_id, kind, count(*) FROM changes WHERE cluster = ? AND at >= ? AND at < ? AND mute_id IS NOT NULL
		GROUP BY mute_id, kind ORDER BY mute_id, kind`, cluster, since.UnixMilli(), until.UnixMilli())
}
