package ledger

// migrations are applied in order, each in a transaction of its own; the number applied is
// the database's user_version. Never edit one that was released: add another.
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
`}
