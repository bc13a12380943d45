package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// changeColumns are what changeRow receives, of changes c.
const changeColumns = `c.id, c.kind, c.occurrence, c.at, c.not_before, c.proof, c.reason, coalesce(c.gap_id, 0)`

// changeKinds are all kinds of changes, as JSON: the index on time is by kind.
var changeKinds = kindList([]fleet.ChangeKind{fleet.Joined, fleet.BecameReady, fleet.WentUnready, fleet.Recovered, fleet.Cordoned, fleet.Uncordoned, fleet.Removed})

func kindList(kinds []fleet.ChangeKind) string {
	list, err := json.Marshal(kinds)
	if err != nil {
		panic(err) // strings cannot fail
	}
	return string(list)
}

// RecentChanges returns the last changes of a cluster, the newest first; only of the kinds
// given, if any are. Changes that a mute kept quiet are among them. The nodes of the baseline
// joined before anybody watched: they are no changes.
func (l *Ledger) RecentChanges(ctx context.Context, cluster string, limit int, kinds ...fleet.ChangeKind) ([]query.ChangeRecord, error) {
	list := changeKinds
	if len(kinds) > 0 {
		list = kindList(kinds)
	}
	// The last ones of each kind, and of these the last ones.
	changes, err := l.changes(ctx, recentChangesSQL, list, cluster, max(0, limit), max(0, limit))
	if err != nil {
		return nil, fmt.Errorf("reading changes of %s: %w", cluster, explain(err))
	}
	return changes, nil
}

// NodeChanges returns the changes of one node's life, the oldest first. Of more than limit
// it returns the last ones, and more is true.
func (l *Ledger) NodeChanges(ctx context.Context, cluster, uid string, limit int) (changes []query.ChangeRecord, more bool, err error) {
	changes, err = l.changes(ctx, nodeChangesSQL, cluster, uid, max(0, limit)+1)
	if err != nil {
		return nil, false, fmt.Errorf("reading changes of node %s: %w", uid, explain(err))
	}
	if more = len(changes) > limit; more {
		changes = changes[:limit]
	}
	slices.Reverse(changes)
	return changes, more, nil
}

const (
	recentChangesSQL = `SELECT ` + changeColumns + `, coalesce(c.mute_id, 0), ` + lightColumns + ` FROM json_each(?) k
		JOIN changes c ON c.id IN (SELECT r.id FROM changes r WHERE r.cluster = ? AND r.kind = k.value ORDER BY r.at DESC, r.id DESC LIMIT ?)
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid ORDER BY c.at DESC, c.id DESC LIMIT ?`
	// The + keeps the order from choosing the index on time, which holds all nodes' changes.
	nodeChangesSQL = `SELECT ` + changeColumns + `, coalesce(c.mute_id, 0), ` + lightColumns + ` FROM changes c
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid WHERE c.cluster = ? AND c.node_uid = ? ORDER BY +c.at DESC, c.id DESC LIMIT ?`
)

func (l *Ledger) changes(ctx context.Context, stmt string, args ...any) ([]query.ChangeRecord, error) {
	rows, err := l.r.QueryContext(ctx, stmt, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var changes []query.ChangeRecord
	for rows.Next() {
		var r query.ChangeRecord
		var cr changeRow
		var nr nodeRow
		if err := rows.Scan(append(append(cr.dest(), &r.Mute), nr.light()...)...); err != nil {
			return nil, err
		}
		n, err := nr.record()
		if err != nil {
			return nil, err
		}
		r.Node, r.Change = n.Node, cr.change(n.Node)
		changes = append(changes, r)
	}
	return changes, rows.Err()
}

// WaveNodes returns whom a wave is about, at most limit nodes, by the key of any of its
// messages; ok is false if no wave has such a message, or has it no longer.
func (l *Ledger) WaveNodes(ctx context.Context, key string, limit int) (w wave.Nodes, ok bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading the nodes of message %s: %w", key, explain(err))
		}
	}()
	var from, until sql.NullInt64
	err = l.r.QueryRowContext(ctx, `SELECT w.id, w.cluster, w.kind, (SELECT min(coalesce(c.not_before, c.at)) FROM changes c WHERE c.wave_id = w.id),
		(SELECT max(c.at) FROM changes c WHERE c.wave_id = w.id) FROM messages m JOIN waves w ON w.id = m.wave_id WHERE m.key = ?`, key).
		Scan(&w.ID, &w.Cluster, &w.Kind, &from, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return w, false, nil
	}
	if err != nil {
		return w, false, err
	}
	w.From, w.Until = fromMS(from), fromMS(until)
	rows, err := l.r.QueryContext(ctx, `SELECT c.node_uid, n.name FROM (SELECT cluster, node_uid, min(id) AS first FROM changes WHERE wave_id = ? GROUP BY cluster, node_uid ORDER BY first LIMIT ?) c
		JOIN nodes n ON n.cluster = c.cluster AND n.uid = c.node_uid ORDER BY c.first`, w.ID, max(0, limit)+1)
	if err != nil {
		return w, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var uid, name string
		if err := rows.Scan(&uid, &name); err != nil {
			return w, false, err
		}
		if w.More = len(w.UIDs) >= limit; w.More {
			break
		}
		w.UIDs, w.Names = append(w.UIDs, uid), append(w.Names, name)
	}
	return w, true, rows.Err()
}

// Clusters returns the clusters in the ledger, by name.
func (l *Ledger) Clusters(ctx context.Context) ([]query.ClusterRecord, error) {
	rows, err := l.r.QueryContext(ctx, `SELECT cluster, baseline_at, watched_until, nodes_version, events_version FROM clusters ORDER BY cluster`)
	if err != nil {
		return nil, fmt.Errorf("reading clusters: %w", explain(err))
	}
	defer rows.Close()
	var clusters []query.ClusterRecord
	for rows.Next() {
		var c query.ClusterRecord
		var base, until sql.NullInt64
		if err := rows.Scan(&c.Cluster, &base, &until, &c.NodesVersion, &c.EventsVersion); err != nil {
			return nil, err
		}
		c.BaselineAt, c.WatchedUntil = fromMS(base), fromMS(until)
		clusters = append(clusters, c)
	}
	return clusters, rows.Err()
}

// muteColumns are what scanMute receives, of mutes u.
const muteColumns = `u.id, u.request, u.cluster, u.scope, u.value, u.by_id, u.by_name, u.channel, u.at, u.until_at, u.ended_at, u.ended_by, u.ended_name, u.told_end`

func scanMute(scan func(...any) error) (m wave.Mute, err error) {
	var at, until, ended sql.NullInt64
	err = scan(&m.ID, &m.Request, &m.Cluster, &m.Scope, &m.Value, &m.By, &m.ByName, &m.Channel, &at, &until, &ended, &m.EndedBy, &m.EndedByName, &m.ToldEnd)
	m.At, m.Until, m.EndedAt = fromMS(at), fromMS(until), fromMS(ended)
	return m, err
}

// AddMute records a mute and returns it with its ID. A mute of the same Request that is there
// already is returned as it is: a click that is delivered twice makes one. It is an error to
// ask without a Request.
func (l *Ledger) AddMute(ctx context.Context, m wave.Mute) (wave.Mute, error) {
	if m.Request == "" {
		return wave.Mute{}, errors.New("recording a mute: it has no request key")
	}
	err := l.tx(ctx, func(tx tx) (err error) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO mutes (request, cluster, scope, value, by_id, by_name, channel, at, until_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (request) DO NOTHING`, m.Request, m.Cluster, string(m.Scope), m.Value, m.By, m.ByName, m.Channel, m.At.UnixMilli(), m.Until.UnixMilli()); err != nil {
			return err
		}
		m, err = scanMute(tx.QueryRowContext(ctx, `SELECT `+muteColumns+` FROM mutes u WHERE u.request = ?`, m.Request).Scan)
		return err
	})
	if err != nil {
		return wave.Mute{}, fmt.Errorf("recording a mute: %w", explain(err))
	}
	l.notify()
	return m, nil
}

// EndMute ends a mute early, as a person asks whose Slack user ID and name are given. One that
// has ended already, or is not there, is left alone: ended is false.
func (l *Ledger) EndMute(ctx context.Context, id int64, by, name string, now time.Time) (ended bool, err error) {
	res, err := l.w.ExecContext(ctx, `UPDATE mutes SET ended_at = ?1, ended_by = ?2, ended_name = ?3 WHERE id = ?4 AND ended_at IS NULL AND until_at > ?1`, now.UnixMilli(), by, name, id)
	var n int64
	if err == nil {
		n, err = res.RowsAffected()
	}
	if err != nil {
		return false, fmt.Errorf("ending mute %d: %w", id, explain(err))
	}
	l.notify()
	return n > 0, nil
}

// Mute returns a mute, whether it is active or not.
func (l *Ledger) Mute(ctx context.Context, id int64) (m wave.Mute, ok bool, err error) {
	m, err = scanMute(l.r.QueryRowContext(ctx, `SELECT `+muteColumns+` FROM mutes u WHERE u.id = ?`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return wave.Mute{}, false, nil
	}
	if err != nil {
		return wave.Mute{}, false, fmt.Errorf("reading mute %d: %w", id, explain(err))
	}
	return m, true, nil
}

// Mutes returns the mutes of a cluster that are active now, oldest first.
func (l *Ledger) Mutes(ctx context.Context, cluster string, now time.Time) ([]wave.Mute, error) {
	return l.mutes(ctx, `FROM mutes u WHERE u.cluster = ?1 AND u.until_at > ?2 AND u.at <= ?2 AND (u.ended_at IS NULL OR u.ended_at > ?2)`, cluster, now.UnixMilli())
}

// UntoldMutes returns the mutes of a cluster whose end was not told yet, oldest first: those
// that are active, and those that have ended since.
func (l *Ledger) UntoldMutes(ctx context.Context, cluster string) ([]wave.Mute, error) {
	return l.mutes(ctx, `FROM mutes u WHERE u.cluster = ? AND u.told_end = 0`, cluster)
}

// Muted sums up what a mute has kept quiet so far.
func (l *Ledger) Muted(ctx context.Context, mute int64) (m wave.Muted, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("counting what mute %d kept quiet: %w", mute, explain(err))
		}
	}()
	m.Changes = map[fleet.ChangeKind]int{}
	if err := l.r.QueryRowContext(ctx, `SELECT count(DISTINCT node_uid) FROM changes WHERE mute_id = ?`, mute).Scan(&m.Nodes); err != nil {
		return m, err
	}
	rows, err := l.r.QueryContext(ctx, `SELECT kind, count(*) FROM changes WHERE mute_id = ? GROUP BY kind`, mute)
	if err != nil {
		return m, err
	}
	defer rows.Close()
	for rows.Next() {
		var kind fleet.ChangeKind
		var n int
		if err := rows.Scan(&kind, &n); err != nil {
			return m, err
		}
		m.Changes[kind] = n
	}
	return m, rows.Err()
}

func (l *Ledger) mutes(ctx context.Context, from string, args ...any) ([]wave.Mute, error) {
	rows, err := l.r.QueryContext(ctx, `SELECT `+muteColumns+` `+from+` ORDER BY u.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading mutes: %w", explain(err))
	}
	defer rows.Close()
	var mutes []wave.Mute
	for rows.Next() {
		m, err := scanMute(rows.Scan)
		if err != nil {
			return nil, err
		}
		mutes = append(mutes, m)
	}
	return mutes, rows.Err()
}

// MutedChanges counts the changes of a cluster since one moment and before another that mutes
// kept quiet, by mute and by kind.
func (l *Ledger) MutedChanges(ctx context.Context, cluster string, since, until time.Time) ([]wave.MutedCount, error) {
	rows, err := l.r.QueryContext(ctx, `SELECT mute_id, kind, count(*) FROM changes WHERE cluster = ? AND at >= ? AND at < ? AND mute_id IS NOT NULL
		GROUP BY mute_id, kind ORDER BY mute_id, kind`, cluster, since.UnixMilli(), until.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("counting muted changes of %s: %w", cluster, explain(err))
	}
	defer rows.Close()
	var counts []wave.MutedCount
	for rows.Next() {
		var c wave.MutedCount
		if err := rows.Scan(&c.Mute, &c.Kind, &c.Changes); err != nil {
			return nil, err
		}
		counts = append(counts, c)
	}
	return counts, rows.Err()
}
