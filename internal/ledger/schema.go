package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// migrations are applied in order, each in a transaction of its own; the number applied is
// the database's user_version. Never edit one that was released: add another. What SQL alone
// cannot do is in between, see moves.
//
// All times are Unix milliseconds. Every table of facts has a cluster column, so that one
// ledger can serve several watchers. Statements keep to the common subset of SQLite and
// PostgreSQL, apart from WITHOUT ROWID and AUTOINCREMENT.
var migrations = []string{`
CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
CREATE TABLE clusters (
	cluster        TEXT PRIMARY KEY,
	baseline_at    INTEGER,                     -- the first list was complete
	baseline_wave  INTEGER,                     -- the wave that told it
	watched_until  INTEGER,
	nodes_version  TEXT NOT NULL DEFAULT '',
	events_version TEXT NOT NULL DEFAULT ''
);
CREATE TABLE nodes (
	cluster       TEXT NOT NULL,
	uid           TEXT NOT NULL,
	name          TEXT NOT NULL,
	provider      TEXT NOT NULL,
	instance_type TEXT NOT NULL,
	capacity_type TEXT NOT NULL,
	zone          TEXT NOT NULL,
	region        TEXT NOT NULL,
	pool          TEXT NOT NULL,
	arch          TEXT NOT NULL,
	os            TEXT NOT NULL,
	detail        TEXT NOT NULL,                -- JSON: see nodeDetail
	status        TEXT NOT NULL,                -- of the Ready condition
	ready_reason  TEXT NOT NULL,
	ready_since   INTEGER,
	cordoned      INTEGER NOT NULL,
	ever_ready    INTEGER NOT NULL,
	unready       INTEGER NOT NULL,             -- how often it went not ready
	cordons       INTEGER NOT NULL,
	fingerprint   INTEGER NOT NULL,
	created_at    INTEGER NOT NULL,
	ready_at      INTEGER,                      -- first time
	removed_at    INTEGER,
	removed_after INTEGER,                      -- it left between this and removed_at; NULL if the time is proven
	PRIMARY KEY (cluster, uid)
) WITHOUT ROWID;
CREATE INDEX nodes_live ON nodes (cluster, status, cordoned) WHERE removed_at IS NULL;
CREATE INDEX nodes_removed ON nodes (cluster, removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX nodes_name ON nodes (cluster, name);
CREATE TABLE changes (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	cluster    TEXT NOT NULL,
	node_uid   TEXT NOT NULL,
	kind       TEXT NOT NULL,
	occurrence INTEGER NOT NULL,
	at         INTEGER NOT NULL,
	not_before INTEGER,
	proof      TEXT NOT NULL,
	reason     TEXT NOT NULL,
	gap_id     INTEGER,
	tell       INTEGER NOT NULL,                -- 1: a person is to be told
	wave_id    INTEGER,                         -- the wave that tells it
	part       TEXT,                            -- the thread message that lists its node
	told_at    INTEGER,                         -- Slack accepted a message that tells it
	UNIQUE (cluster, node_uid, kind, occurrence)
);
CREATE INDEX changes_todo ON changes (cluster, id) WHERE wave_id IS NULL AND tell = 1;
CREATE INDEX changes_wave ON changes (wave_id, id) WHERE wave_id IS NOT NULL;
CREATE INDEX changes_at ON changes (cluster, at);
CREATE TABLE gaps (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	cluster     TEXT NOT NULL,
	from_at     INTEGER NOT NULL,
	until_at    INTEGER NOT NULL,
	cause       TEXT NOT NULL,
	missed      INTEGER NOT NULL,
	events_from INTEGER
);
CREATE INDEX gaps_at ON gaps (cluster, until_at);
CREATE TABLE events (
	cluster       TEXT NOT NULL,
	uid           TEXT NOT NULL,
	kind          TEXT NOT NULL,
	namespace     TEXT NOT NULL,
	name          TEXT NOT NULL,
	regarding_uid TEXT NOT NULL,
	reason        TEXT NOT NULL,
	type          TEXT NOT NULL,
	note          TEXT NOT NULL,
	controller    TEXT NOT NULL,
	count         INTEGER NOT NULL,
	first_at      INTEGER NOT NULL,
	last_at       INTEGER NOT NULL,
	scaling       INTEGER NOT NULL,
	size          INTEGER NOT NULL,
	PRIMARY KEY (cluster, uid)
) WITHOUT ROWID;
CREATE INDEX events_at ON events (scaling, last_at, size);
CREATE INDEX events_for ON events (cluster, kind, name, last_at);
CREATE TABLE waves (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	key       TEXT NOT NULL UNIQUE,
	cluster   TEXT NOT NULL,
	kind      TEXT NOT NULL,
	gap_id    INTEGER,
	growth    TEXT,                             -- JSON, for surge and creep
	opened_at INTEGER NOT NULL,
	last_at   INTEGER NOT NULL,
	closed_at INTEGER,
	done_at   INTEGER                           -- its messages will not change any more
);
CREATE INDEX waves_live ON waves (cluster, id) WHERE done_at IS NULL;
CREATE TABLE messages (
	key        TEXT PRIMARY KEY,
	wave_id    INTEGER NOT NULL,
	part       TEXT NOT NULL,
	channel    TEXT NOT NULL,
	ts         TEXT,                            -- NULL: not confirmed by Slack
	hash       INTEGER NOT NULL DEFAULT 0,
	created_at INTEGER NOT NULL,
	tried_at   INTEGER,                         -- posting was begun: from here on Slack may have it
	edited_at  INTEGER
);
CREATE INDEX messages_wave ON messages (wave_id);
`, `
-- Nodes of one pool and type share all labels but a few: the shared ones are kept once.
CREATE TABLE label_sets (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,   -- one number is one set for ever
	hash   INTEGER NOT NULL,                    -- of labels
	labels TEXT NOT NULL                        -- JSON, sorted by key
);
CREATE INDEX label_sets_hash ON label_sets (hash);
ALTER TABLE nodes ADD COLUMN label_set INTEGER;           -- not NULL once the next migration is applied
ALTER TABLE nodes ADD COLUMN own_labels TEXT NOT NULL DEFAULT '{}'; -- JSON: see ownLabels
CREATE TABLE mutes (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	request    TEXT NOT NULL UNIQUE,            -- idempotency key
	cluster    TEXT NOT NULL,
	scope      TEXT NOT NULL,
	value      TEXT NOT NULL,
	by_id      TEXT NOT NULL,                   -- Slack user ID
	by_name    TEXT NOT NULL,
	channel    TEXT NOT NULL,
	at         INTEGER NOT NULL,
	until_at   INTEGER NOT NULL,
	ended_at   INTEGER,                         -- early, by a person
	ended_by   TEXT NOT NULL DEFAULT '',
	told_end   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX mutes_at ON mutes (cluster, until_at);
ALTER TABLE changes ADD COLUMN mute_id INTEGER;           -- the mute that kept it quiet
DROP INDEX changes_at;
CREATE INDEX changes_when ON changes (cluster, kind, at);
CREATE INDEX changes_muted ON changes (cluster, at, kind, mute_id) WHERE mute_id IS NOT NULL;
-- Events in the order in which they came, so that those of one hour lie together, and with
-- short keys in their indices.
DROP INDEX events_for;
ALTER TABLE events RENAME TO events_1;
CREATE TABLE events (
	id            INTEGER PRIMARY KEY,
	cluster       TEXT NOT NULL,
	uid           TEXT NOT NULL,
	kind          TEXT NOT NULL,
	namespace     TEXT NOT NULL,
	name          TEXT NOT NULL,
	regarding_uid TEXT NOT NULL,
	reason        TEXT NOT NULL,
	type          TEXT NOT NULL,
	note          TEXT NOT NULL,
	controller    TEXT NOT NULL,
	count         INTEGER NOT NULL,
	first_at      INTEGER NOT NULL,
	last_at       INTEGER NOT NULL,
	scaling       INTEGER NOT NULL,
	size          INTEGER NOT NULL
);
CREATE TABLE event_totals (                     -- of what is in events, kept with every write
	cluster TEXT NOT NULL,
	scaling INTEGER NOT NULL,
	events  INTEGER NOT NULL,
	bytes   INTEGER NOT NULL,                   -- sum of size
	PRIMARY KEY (cluster, scaling)
);
`,
	// First the room of the old events, which their indices then take. Each of these is a
	// migration of its own: of millions of events it is a large transaction.
	`DROP TABLE events_1`,
	`CREATE UNIQUE INDEX events_uid ON events (cluster, uid)`,
	`CREATE INDEX events_time ON events (cluster, scaling, last_at)`,
	`CREATE INDEX events_name ON events (cluster, name, last_at)`,
	`CREATE INDEX events_reason ON events (cluster, reason, last_at)`,
	`
DROP INDEX nodes_live;
DROP INDEX nodes_removed;
-- All that lists and counts of nodes read; removed_at is NULL of those that live.
CREATE INDEX nodes_list ON nodes (cluster, removed_at, created_at DESC, name, status, cordoned, instance_type, capacity_type, zone, pool, arch, label_set, own_labels);
CREATE INDEX nodes_labels ON nodes (label_set);
`, `
-- A mute is told by a wave of its own, and by no other.
ALTER TABLE waves ADD COLUMN mute_id INTEGER;
CREATE UNIQUE INDEX waves_mute ON waves (mute_id) WHERE mute_id IS NOT NULL;
ALTER TABLE mutes ADD COLUMN ended_name TEXT NOT NULL DEFAULT '';
CREATE INDEX mutes_untold ON mutes (cluster, id) WHERE told_end = 0;
CREATE INDEX changes_mute ON changes (mute_id, kind, node_uid) WHERE mute_id IS NOT NULL;
`, `
-- Prices depend on a label too: see fleet.PriceLabel.
ALTER TABLE nodes ADD COLUMN label_price REAL NOT NULL DEFAULT 0;
UPDATE nodes SET label_price = coalesce((SELECT CAST(s.labels ->> 'eks-node-viewer/instance-price' AS REAL) FROM label_sets s
	WHERE s.id = nodes.label_set AND CAST(s.labels ->> 'eks-node-viewer/instance-price' AS REAL) BETWEEN 0 AND 10000), 0);
DROP INDEX nodes_list;
-- All that lists, counts and sums of nodes read; removed_at is NULL of those that live.
CREATE INDEX nodes_list ON nodes (cluster, removed_at, created_at DESC, name, status, cordoned, instance_type, capacity_type, zone, pool, arch, label_set, own_labels,
	provider, region, label_price, ready_at, removed_after);
CREATE TABLE digests (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	key        TEXT NOT NULL UNIQUE,
	cluster    TEXT NOT NULL,
	channel    TEXT NOT NULL,
	from_at    INTEGER NOT NULL,
	until_at   INTEGER NOT NULL,                -- the tick
	created_at INTEGER NOT NULL,
	tried_at   INTEGER,                         -- posting was begun: from here on Slack may have it
	ts         TEXT,                            -- NULL: not confirmed by Slack
	picture    TEXT NOT NULL DEFAULT '',
	file       TEXT NOT NULL DEFAULT '',        -- Slack's ID of the picture
	done_at    INTEGER,                         -- nothing is left to do
	UNIQUE (cluster, until_at)
);
`, `
-- What Slack had confirmed when the intent was recorded: the message, if Slack has it, is later.
-- Slack's clock says so, not ours.
ALTER TABLE messages ADD COLUMN after_ts TEXT;
ALTER TABLE digests ADD COLUMN after_ts TEXT;
CREATE INDEX messages_ts ON messages (ts);
`}

// moves are run before the migration with their number, in steps of their own that can be
// interrupted and done again: they move what a single transaction would be too large for.
var moves = map[int]func(context.Context, *Ledger) error{2: moveRows}

// moveRows fills the tables of migration 2 from those of migration 1.
func moveRows(ctx context.Context, l *Ledger) error {
	// The inner pages of the old table, in which events are looked up one by one, want to stay in
	// memory.
	if _, err := l.w.ExecContext(ctx, `PRAGMA cache_size = -32768`); err != nil {
		return err
	}
	defer l.w.ExecContext(ctx, `PRAGMA cache_size = -4000`)
	// Indices of millions of events are sorted on disk. The ledger's own folder is the one
	// that is certain to be writable and large enough.
	if _, err := l.w.ExecContext(ctx, `PRAGMA temp_store_directory = '`+strings.ReplaceAll(filepath.Dir(l.path), "'", "''")+`'`); err != nil {
		return err
	}
	var last nodeKey
	for more := true; more; {
		if err := l.tx(ctx, func(tx tx) (err error) { last, more, err = moveLabels(ctx, tx, last); return err }); err != nil {
			return fmt.Errorf("moving labels: %w", err)
		}
	}
	said := time.Now()
	for more := true; more; {
		if time.Since(said) > 10*time.Second {
			var moved int64
			if err := l.w.QueryRowContext(ctx, `SELECT coalesce(sum(events), 0) FROM event_totals`).Scan(&moved); err != nil {
				return err
			}
			l.log.Info("bringing the ledger to a new schema; it can be interrupted", "events", moved)
			said = time.Now()
		}
		if err := l.tx(ctx, func(tx tx) (err error) { more, err = moveEvents(ctx, tx); return err }); err != nil {
			return fmt.Errorf("moving events: %w", err)
		}
	}
	return nil
}

// moveStep is how many rows one transaction of a move holds. Tests make it smaller.
var moveStep = 10000

// nodeKey is the key of a row of nodes.
type nodeKey struct{ cluster, uid string }

// moveLabels gives the next nodes after the last one their label sets, unless they have them,
// and returns the last one it looked at and whether there may be more.
func moveLabels(ctx context.Context, tx tx, last nodeKey) (next nodeKey, more bool, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT cluster, uid, detail FROM nodes WHERE (cluster, uid) > (?, ?) AND label_set IS NULL ORDER BY cluster, uid LIMIT ?`,
		last.cluster, last.uid, moveStep/10)
	if err != nil {
		return last, false, err
	}
	defer rows.Close()
	type node struct {
		nodeKey
		detail string
	}
	var nodes []node
	for rows.Next() {
		var n node
		if err := rows.Scan(&n.cluster, &n.uid, &n.detail); err != nil {
			return last, false, err
		}
		nodes = append(nodes, n)
		next = n.nodeKey
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return last, false, err
	}
	for _, n := range nodes {
		var d struct {
			nodeDetail
			Labels map[string]string `json:"labels"`
		}
		if err := json.Unmarshal([]byte(n.detail), &d); err != nil {
			return last, false, fmt.Errorf("reading node %s: %w", n.uid, err)
		}
		detail, err := json.Marshal(d.nodeDetail)
		if err != nil {
			return last, false, err
		}
		set, own, err := storeLabels(ctx, tx, d.Labels)
		if err != nil {
			return last, false, err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE nodes SET detail = ?, label_set = ?, own_labels = ? WHERE cluster = ? AND uid = ?`, string(detail), set, own, n.cluster, n.uid); err != nil {
			return last, false, err
		}
	}
	return next, len(nodes) > 0, nil
}

// moveEvents copies the next events in the order of events_1's index, in which the last one
// copied says how far it is.
func moveEvents(ctx context.Context, tx tx) (more bool, err error) {
	var last struct {
		id, scaling, at, size int64
		cluster, uid          string
	}
	last.scaling = -1
	err = tx.QueryRowContext(ctx, `SELECT id, scaling, last_at, size, cluster, uid FROM events ORDER BY id DESC LIMIT 1`).
		Scan(&last.id, &last.scaling, &last.at, &last.size, &last.cluster, &last.uid)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO events (cluster, uid, kind, namespace, name, regarding_uid, reason, type, note, controller, count, first_at, last_at, scaling, size)
		SELECT cluster, uid, kind, namespace, name, regarding_uid, reason, type, note, controller, count, first_at, last_at, scaling, size
		FROM events_1 WHERE (scaling, last_at, size, cluster, uid) > (?, ?, ?, ?, ?) ORDER BY scaling, last_at, size, cluster, uid LIMIT ?`,
		last.scaling, last.at, last.size, last.cluster, last.uid, moveStep)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO event_totals (cluster, scaling, events, bytes)
		SELECT cluster, scaling, count(*), sum(size) FROM events WHERE id > ? GROUP BY cluster, scaling
		ON CONFLICT (cluster, scaling) DO UPDATE SET events = event_totals.events + excluded.events, bytes = event_totals.bytes + excluded.bytes`, last.id)
	return true, err
}
