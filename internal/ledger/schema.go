package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// migrations are applied in order, each in a transaction of its own; the number applied is
// the database's user_version. Never edit one that was released: add another. What SQL alone
// cannot do is in between, see moves.
//
// All times are Unix milliseconds. Every table of facts has a cluster column, so that one
// ledger can serve several watchers. This is SQLite's own SQL: another engine needs migrations of
// its own.
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
CREATE INDEX nodes_list ON nodes (cluster, removed_at, created_at DESC, name, status, cordoned, instance_type,
	capacity_type, zone, pool, arch, label_set, own_labels);
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
UPDATE nodes SET label_price = coalesce((SELECT CAST(s.labels ->> 'eks-node-viewer/instance-price' AS REAL)
	FROM label_sets s WHERE s.id = nodes.label_set
	AND CAST(s.labels ->> 'eks-node-viewer/instance-price' AS REAL) BETWEEN 0 AND 10000), 0);
DROP INDEX nodes_list;
-- All that lists, counts and sums of nodes read; removed_at is NULL of those that live.
CREATE INDEX nodes_list ON nodes (cluster, removed_at, created_at DESC, name, status, cordoned, instance_type,
	capacity_type, zone, pool, arch, label_set, own_labels, provider, region, label_price, ready_at, removed_after);
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
`, `
-- What a wave is about is one value: see aboutText.
ALTER TABLE waves ADD COLUMN about TEXT NOT NULL DEFAULT '';
UPDATE waves SET about = CASE
	WHEN gap_id IS NOT NULL THEN '{"gap":' || gap_id || '}'
	WHEN mute_id IS NOT NULL THEN '{"mute":' || mute_id || '}'
	WHEN growth IS NOT NULL THEN '{"growth":' || growth || '}'
	ELSE '' END;
DROP INDEX waves_mute;
ALTER TABLE waves DROP COLUMN gap_id;
ALTER TABLE waves DROP COLUMN mute_id;
ALTER TABLE waves DROP COLUMN growth;
-- A mute is told by one wave.
CREATE UNIQUE INDEX waves_mute ON waves (about) WHERE kind = 'mute' AND about <> '';
-- All messages are in one table, those of digests too.
ALTER TABLE messages ADD COLUMN picture TEXT NOT NULL DEFAULT ''; -- what becomes of it: see wave.Picture
ALTER TABLE messages ADD COLUMN file TEXT NOT NULL DEFAULT '';    -- Slack's ID of the picture
INSERT INTO messages (key, wave_id, part, channel, ts, created_at, tried_at, after_ts, picture, file)
	SELECT key, 0, 'digest', channel, ts, created_at, tried_at, after_ts, picture, file FROM digests;
ALTER TABLE digests RENAME TO digests_1;
CREATE TABLE digests (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	key      TEXT NOT NULL UNIQUE,              -- of its message
	cluster  TEXT NOT NULL,
	from_at  INTEGER NOT NULL,
	until_at INTEGER NOT NULL,                  -- the tick
	done_at  INTEGER,                           -- nothing is left to do
	UNIQUE (cluster, until_at)
);
INSERT INTO digests (id, key, cluster, from_at, until_at, done_at)
	SELECT id, key, cluster, from_at, until_at, done_at FROM digests_1;
DROP TABLE digests_1;
`, `
ALTER TABLE clusters ADD COLUMN identity TEXT NOT NULL DEFAULT ''; -- UID of its namespace kube-system; '' if unknown
ALTER TABLE nodes ADD COLUMN returns INTEGER NOT NULL DEFAULT 0;   -- how often it came back after its end
-- The time of the node's last transition moves although its status does not: see fleet.Known.
ALTER TABLE nodes ADD COLUMN since_moves INTEGER NOT NULL DEFAULT 0;
-- The time of the node's last transition as the object has it, 0 if it has none; ready_since is what was accepted of
-- it. NULL: ready_since is the object's.
ALTER TABLE nodes ADD COLUMN ready_claim INTEGER;
ALTER TABLE gaps ADD COLUMN confirmed INTEGER;                     -- a second list confirmed the end of all nodes
ALTER TABLE messages ADD COLUMN doubtful_at INTEGER;               -- posted again: an earlier try may be there too
ALTER TABLE messages ADD COLUMN frozen INTEGER NOT NULL DEFAULT 0; -- Slack takes no more edits of it
CREATE INDEX messages_doubtful ON messages (doubtful_at) WHERE doubtful_at IS NOT NULL;
`, `
-- Which objects the notes of scaling events name: see fleet.Event.Names. They count in events.size.
CREATE TABLE event_names (
	cluster   TEXT NOT NULL,
	kind      TEXT NOT NULL,
	namespace TEXT NOT NULL,
	name      TEXT NOT NULL,
	at        INTEGER NOT NULL,                 -- when the note said so last
	event_id  INTEGER NOT NULL,
	since     INTEGER NOT NULL,                 -- when the note said so first
	note      TEXT,                             -- NULL: the event's; else what it was before it named others
	PRIMARY KEY (cluster, kind, namespace, name, at, event_id)
) WITHOUT ROWID;
CREATE TABLE causes (                           -- each once: see fleet.Cause
	id            INTEGER PRIMARY KEY AUTOINCREMENT, -- one number is one cause for ever
	cluster       TEXT NOT NULL,
	kind          TEXT NOT NULL,
	actor         TEXT NOT NULL,                -- who acted
	why           TEXT NOT NULL,
	for_kind      TEXT NOT NULL,
	for_namespace TEXT NOT NULL,
	for_name      TEXT NOT NULL,
	UNIQUE (cluster, kind, actor, why, for_kind, for_namespace, for_name)
);
ALTER TABLE nodes ADD COLUMN owner TEXT NOT NULL DEFAULT ''; -- kind/name of the object that owns it: see ownerText
CREATE INDEX nodes_owner ON nodes (cluster, owner, created_at) WHERE owner <> '';
-- Why a node came or went: of changes of the kinds joined and removed.
ALTER TABLE changes ADD COLUMN cause_id INTEGER;
ALTER TABLE changes ADD COLUMN strength INTEGER NOT NULL DEFAULT 0; -- of the cause: a stronger one takes its place
ALTER TABLE changes ADD COLUMN why TEXT;                     -- JSON: see whyDetail
ALTER TABLE changes ADD COLUMN told_cause INTEGER;           -- the cause that Slack's message tells, NULL for none
ALTER TABLE changes ADD COLUMN looks INTEGER NOT NULL DEFAULT 0; -- how often the cause was looked for
ALTER TABLE changes ADD COLUMN explain_at INTEGER;           -- when to look again; NULL: never
CREATE INDEX changes_explain ON changes (cluster, explain_at) WHERE explain_at IS NOT NULL;
CREATE INDEX changes_cause ON changes (cause_id) WHERE cause_id IS NOT NULL;
CREATE INDEX changes_caused ON changes (cluster, node_uid, kind, occurrence, cause_id) WHERE cause_id IS NOT NULL;
CREATE TABLE chains (                           -- what proves a cause; it outlives the events
	change_id INTEGER PRIMARY KEY,
	links     TEXT NOT NULL                     -- JSON: fleet.Link, bounded: see chainText
);
CREATE TABLE claims (                           -- NodeClaims of Karpenter: see fleet.Claim
	cluster      TEXT NOT NULL,
	uid          TEXT NOT NULL,
	name         TEXT NOT NULL,
	pool         TEXT NOT NULL,
	node         TEXT NOT NULL,
	created_at   INTEGER,
	deleted_at   INTEGER,
	expire_after INTEGER NOT NULL,              -- milliseconds, 0: never
	drift        TEXT NOT NULL,
	disruption   TEXT NOT NULL,
	forced_by    INTEGER,
	seen_at      INTEGER NOT NULL,              -- when it was recorded last
	PRIMARY KEY (cluster, uid)
) WITHOUT ROWID;
CREATE INDEX claims_name ON claims (cluster, name, created_at);
CREATE INDEX claims_seen ON claims (seen_at);
CREATE TABLE pools (                            -- NodePools of Karpenter: see fleet.Pool
	cluster TEXT NOT NULL,
	name    TEXT NOT NULL,
	limits  TEXT NOT NULL,                      -- JSON, as is used
	used    TEXT NOT NULL,
	seen_at INTEGER NOT NULL,
	PRIMARY KEY (cluster, name)
) WITHOUT ROWID;
ALTER TABLE nodes ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0; -- it is being ended: see fleet.Node.Leaving
-- What nobody was told yet is explained, too. What was told before is not: its message would be edited.
UPDATE changes SET explain_at = 0 WHERE kind IN ('joined', 'removed') AND (kind = 'removed' OR occurrence = 1)
	AND told_at IS NULL AND id IN (SELECT id FROM changes WHERE wave_id IS NULL AND tell = 1
		UNION SELECT c.id FROM waves w JOIN changes c ON c.wave_id = w.id WHERE w.done_at IS NULL);
`, `
CREATE INDEX event_names_of ON event_names (event_id);
DELETE FROM meta WHERE name = 'names_upto';
`, `
ALTER TABLE digests RENAME TO digests_2;
CREATE TABLE digests (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	key          TEXT NOT NULL UNIQUE,          -- of its message
	cluster      TEXT NOT NULL,
	schedule     TEXT NOT NULL,                 -- see wave.Digest
	from_at      INTEGER NOT NULL,
	until_at     INTEGER NOT NULL,              -- the tick
	done_at      INTEGER,                       -- nothing is left to do
	figures      TEXT NOT NULL DEFAULT '',      -- what becomes of them: see wave.Figures
	figures_file TEXT NOT NULL DEFAULT '',      -- Slack's ID of the file
	UNIQUE (cluster, schedule, until_at)
);
-- Until now there was one schedule, and mostly it was a daily one.
INSERT INTO digests (id, key, cluster, schedule, from_at, until_at, done_at)
	SELECT id, key, cluster, 'day', from_at, until_at, done_at FROM digests_2;
DROP TABLE digests_2;
CREATE INDEX digests_at ON digests (cluster, until_at);
CREATE INDEX digests_open ON digests (cluster, id) WHERE done_at IS NULL;
CREATE TABLE schedules (                        -- that a cluster has digests of
	cluster  TEXT NOT NULL,
	schedule TEXT NOT NULL,
	begin_at INTEGER,                           -- no period begins before; NULL: wherever the first one does
	PRIMARY KEY (cluster, schedule)
) WITHOUT ROWID;
INSERT INTO schedules (cluster, schedule) SELECT DISTINCT cluster, schedule FROM digests;
CREATE TABLE people (                           -- who want to be answered otherwise than everybody else
	id    TEXT PRIMARY KEY,                       -- the person's, in the sink
	lists INTEGER NOT NULL                        -- reads lists instead of tables
) WITHOUT ROWID;
`, `
CREATE TABLE waits (                            -- pods that wait for nodes: see fleet.Wait
	cluster       TEXT NOT NULL,
	namespace     TEXT NOT NULL,
	pod           TEXT NOT NULL,
	uid           TEXT NOT NULL,
	first_at      INTEGER NOT NULL,
	last_at       INTEGER NOT NULL,
	note          TEXT NOT NULL,
	refusal       TEXT NOT NULL,                -- its kind; '' if no autoscaler has refused
	refused_by    TEXT NOT NULL,
	pool          TEXT NOT NULL,
	detail        TEXT NOT NULL,
	refused_first INTEGER,
	refused_last  INTEGER,
	coming        TEXT NOT NULL,                -- kind/name; '' if nothing was said to come
	coming_at     INTEGER,
	told          TEXT NOT NULL,                -- the key of what people were told of it last; '' if of nothing
	PRIMARY KEY (cluster, namespace, pod)
) WITHOUT ROWID;
CREATE TABLE waited (                           -- waits that are over; what is alike and ended in one minute is a row
	cluster    TEXT NOT NULL,
	minute     INTEGER NOT NULL,                -- its beginning
	namespace  TEXT NOT NULL,
	pods_of    TEXT NOT NULL,                   -- what begins the pods' names: see fleet.Wait.Set
	refusal    TEXT NOT NULL,
	refused_by TEXT NOT NULL,
	pool       TEXT NOT NULL,
	ended      TEXT NOT NULL,                   -- how: see fleet.WaitEnd
	told       TEXT NOT NULL,                   -- as in waits
	pods       INTEGER NOT NULL,
	ms         INTEGER NOT NULL,                -- that they waited together
	longest    INTEGER NOT NULL,                -- that one of them waited, in milliseconds
	pod        TEXT NOT NULL,                   -- which
	PRIMARY KEY (cluster, minute, namespace, pods_of, refusal, refused_by, pool, ended, told)
) WITHOUT ROWID;
`,
	keepsMigration,
	`
CREATE TABLE spend_groups (                     -- nodes that cost the same for the same reason: see query.SpendGroup
	id            INTEGER PRIMARY KEY AUTOINCREMENT, -- one number is one group for ever
	cluster       TEXT NOT NULL,
	provider      TEXT NOT NULL,
	region        TEXT NOT NULL,
	instance_type TEXT NOT NULL,
	capacity_type TEXT NOT NULL,
	label_price   REAL NOT NULL,
	zone          TEXT NOT NULL,
	pool          TEXT NOT NULL,
	came          TEXT NOT NULL,                -- kind of the cause
	UNIQUE (cluster, provider, region, instance_type, capacity_type, label_price, zone, pool, came)
);
CREATE TABLE spend_steps (                      -- sums of a group's lives at the end of six hours: see spend.go
	cluster       TEXT NOT NULL,
	step          INTEGER NOT NULL,             -- since 1970
	group_id      INTEGER NOT NULL,
	came          INTEGER NOT NULL,
	went          INTEGER NOT NULL,
	moments       INTEGER NOT NULL,
	doubts        INTEGER NOT NULL,
	doubt_moments INTEGER NOT NULL,
	PRIMARY KEY (cluster, step, group_id)
) WITHOUT ROWID;
ALTER TABLE nodes ADD COLUMN group_id INTEGER;  -- as what it is counted; not NULL once the next migration is applied
ALTER TABLE nodes ADD COLUMN interrupted INTEGER NOT NULL DEFAULT 0; -- whether the cloud took it back: see interruption
`, `
CREATE INDEX nodes_came ON nodes (cluster, created_at, group_id);
-- As wentSQL and doubtSQL have it.
CREATE INDEX nodes_went ON nodes (cluster,
	(CASE WHEN removed_at < created_at THEN created_at ELSE removed_at END), group_id, removed_after, removed_at,
	created_at) WHERE removed_at IS NOT NULL;
CREATE INDEX nodes_doubtful ON nodes (cluster,
	(CASE WHEN removed_after < created_at THEN created_at WHEN removed_after > removed_at THEN
	CASE WHEN removed_at < created_at THEN created_at ELSE removed_at END ELSE removed_after END), group_id)
	WHERE removed_after IS NOT NULL;
CREATE INDEX nodes_interrupted ON nodes (cluster, removed_at, group_id, interrupted, created_at) WHERE interrupted > 0;
CREATE INDEX waves_budget ON waves (cluster, id) WHERE kind = 'budget';
DELETE FROM meta WHERE name LIKE 'spend_upto/%';
`, `
ALTER TABLE waves ADD COLUMN mentions TEXT NOT NULL DEFAULT '';     -- whom its message rings: see wave.Place
ALTER TABLE waves ADD COLUMN looker_id TEXT NOT NULL DEFAULT '';    -- who looks at it: see wave.Look
ALTER TABLE waves ADD COLUMN looker_name TEXT NOT NULL DEFAULT '';
ALTER TABLE waves ADD COLUMN looked_at INTEGER;
CREATE INDEX waves_looked ON waves (cluster, id) WHERE done_at IS NULL AND looked_at IS NOT NULL;
ALTER TABLE messages ADD COLUMN posted_at INTEGER;                  -- when Slack accepted it first, if that was noted
ALTER TABLE messages ADD COLUMN looked INTEGER NOT NULL DEFAULT 0;  -- what Slack has says who looks at it
ALTER TABLE digests RENAME TO digests_3;
CREATE TABLE digests (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	key          TEXT NOT NULL UNIQUE,          -- of its message
	cluster      TEXT NOT NULL,
	audience     TEXT NOT NULL,                 -- see wave.Digest
	schedule     TEXT NOT NULL,
	from_at      INTEGER NOT NULL,
	until_at     INTEGER NOT NULL,              -- the tick
	done_at      INTEGER,                       -- nothing is left to do
	figures      TEXT NOT NULL DEFAULT '',      -- what becomes of them: see wave.Figures
	figures_file TEXT NOT NULL DEFAULT '',      -- Slack's ID of the file
	UNIQUE (cluster, audience, schedule, until_at)
);
INSERT INTO digests (id, key, cluster, audience, schedule, from_at, until_at, done_at, figures, figures_file)
	SELECT id, key, cluster, '', schedule, from_at, until_at, done_at, figures, figures_file FROM digests_3;
DROP TABLE digests_3;
CREATE INDEX digests_at ON digests (cluster, audience, until_at);
CREATE INDEX digests_open ON digests (cluster, audience, id) WHERE done_at IS NULL;
ALTER TABLE schedules RENAME TO schedules_1;
CREATE TABLE schedules (                        -- that a cluster has digests of
	cluster  TEXT NOT NULL,
	audience TEXT NOT NULL,
	schedule TEXT NOT NULL,
	begin_at INTEGER,                           -- no period begins before; NULL: wherever the first one does
	PRIMARY KEY (cluster, audience, schedule)
) WITHOUT ROWID;
INSERT INTO schedules (cluster, audience, schedule, begin_at) SELECT cluster, '', schedule, begin_at FROM schedules_1;
DROP TABLE schedules_1;
CREATE TABLE rollout_steps (                    -- that a ReplicaSet was given another size: see fleet.RolloutStep
	id          INTEGER PRIMARY KEY AUTOINCREMENT, -- of what is recorded later it is greater
	cluster     TEXT NOT NULL,
	namespace   TEXT NOT NULL,
	deployment  TEXT NOT NULL,
	replica_set TEXT NOT NULL,
	at          INTEGER NOT NULL,
	from_size   INTEGER NOT NULL,               -- -1: not known
	to_size     INTEGER NOT NULL,
	up          INTEGER NOT NULL,               -- it grew
	uid         TEXT NOT NULL,                  -- the Deployment's
	UNIQUE (cluster, namespace, deployment, replica_set, at, from_size, to_size)
);
CREATE INDEX rollout_steps_at ON rollout_steps (cluster, at);
CREATE TABLE rollout_globs (                    -- whose rollouts are told, and since when
	cluster  TEXT NOT NULL,
	pattern  TEXT NOT NULL,                     -- a glob of namespace/name
	since_at INTEGER NOT NULL,
	PRIMARY KEY (cluster, pattern)
) WITHOUT ROWID;
CREATE INDEX waves_rollout ON waves (cluster, opened_at) WHERE kind = 'rollout';
`,
	feedMigration,
	`
-- What prices depend on besides: see fleet.Terms. Nodes that live get theirs when they are seen next.
ALTER TABLE nodes ADD COLUMN terms TEXT NOT NULL DEFAULT '';
DROP INDEX nodes_list;
CREATE INDEX nodes_list ON nodes (cluster, removed_at, created_at DESC, name, status, cordoned, instance_type,
	capacity_type, zone, pool, arch, label_set, own_labels, provider, region, terms, label_price, ready_at,
	removed_after);
ALTER TABLE spend_groups RENAME TO spend_groups_before;
CREATE TABLE spend_groups (                     -- nodes that cost the same for the same reason: see query.SpendGroup
	id            INTEGER PRIMARY KEY AUTOINCREMENT, -- one number is one group for ever
	cluster       TEXT NOT NULL,
	provider      TEXT NOT NULL,
	region        TEXT NOT NULL,
	instance_type TEXT NOT NULL,
	capacity_type TEXT NOT NULL,
	terms         TEXT NOT NULL,
	label_price   REAL NOT NULL,
	zone          TEXT NOT NULL,
	pool          TEXT NOT NULL,
	came          TEXT NOT NULL,                -- kind of the cause
	UNIQUE (cluster, provider, region, instance_type, capacity_type, terms, label_price, zone, pool, came)
);
INSERT INTO spend_groups SELECT id, cluster, provider, region, instance_type, capacity_type, '', label_price, zone,
	pool, came FROM spend_groups_before;
DELETE FROM sqlite_sequence WHERE name = 'spend_groups';
UPDATE sqlite_sequence SET name = 'spend_groups' WHERE name = 'spend_groups_before';
DROP TABLE spend_groups_before;
`,
}

// keepsMigration makes the table of what keeps nodes.
const keepsMigration = `
CREATE TABLE keeps (                            -- that something keeps a node from going: see fleet.Keep
	id        INTEGER PRIMARY KEY,
	cluster   TEXT NOT NULL,
	node_uid  TEXT NOT NULL,                    -- '' of what keeps all nodes of a pool
	kind      TEXT NOT NULL,                    -- who keeps it: see fleet.Keeper, as are the next three
	namespace TEXT NOT NULL,
	name      TEXT NOT NULL,
	why       TEXT NOT NULL,
	note      TEXT NOT NULL,                    -- the statement, clipped
	since_at  INTEGER NOT NULL,
	at_least  INTEGER NOT NULL,                 -- it may have been so before
	last_at   INTEGER NOT NULL,                 -- when it was said last, as far as that is noted
	until_at  INTEGER                           -- it was over; NULL while it is so
);
CREATE UNIQUE INDEX keeps_open ON keeps (cluster, node_uid, kind, namespace, name, why) WHERE until_at IS NULL;
CREATE INDEX keeps_over ON keeps (cluster, until_at) WHERE until_at IS NOT NULL;
-- Of clusters that are watched already, since when this is recorded.
INSERT INTO meta (name, value) SELECT 'keeps_since', CAST(strftime('%s', 'now') AS INTEGER) * 1000
	WHERE EXISTS (SELECT 1 FROM clusters);
-- What is cordoned already.
INSERT INTO keeps (cluster, node_uid, kind, namespace, name, why, note, since_at, at_least, last_at)
	SELECT x.cluster, x.uid, 'cordon', '', '', '', '', x.since, x.known = 0, x.since FROM (
		SELECT n.cluster, n.uid, c.at IS NOT NULL AND c.proof <> 'none' AS known,
			coalesce(c.at, (SELECT k.baseline_at FROM clusters k WHERE k.cluster = n.cluster), n.created_at) AS since
		FROM nodes n LEFT JOIN changes c ON c.cluster = n.cluster AND c.node_uid = n.uid AND c.kind = 'cordoned'
			AND c.occurrence = (SELECT max(o.occurrence) FROM changes o WHERE o.cluster = n.cluster AND o.node_uid = n.uid
				AND o.kind = 'cordoned')
		WHERE n.removed_at IS NULL AND n.cordoned = 1 AND n.leaving = 0) x;
`

// feedMigration makes the tables of the feeds of a second sink.
const feedMigration = `
CREATE TABLE feeds (                            -- how far a cluster's feed is: see wave.Cursor
	cluster   TEXT PRIMARY KEY,
	change_id INTEGER NOT NULL,
	wave_id   INTEGER NOT NULL,
	digest_id INTEGER NOT NULL,
	seq       INTEGER NOT NULL DEFAULT 0,         -- of its last event
	missed    INTEGER NOT NULL DEFAULT 0,         -- events that were given up, and of which it has not told yet
	begun_at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE deliveries (                       -- events that the receiver has not taken yet
	key        TEXT PRIMARY KEY,                  -- the event's ID
	cluster    TEXT NOT NULL,
	seq        INTEGER NOT NULL,                  -- its place in the feed
	type       TEXT NOT NULL,
	body       TEXT NOT NULL,                     -- as it is sent
	created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX deliveries_seq ON deliveries (cluster, seq);
CREATE TABLE feed_causes (                      -- why nodes came or left, as far as a feed is still to tell it
	cluster   TEXT NOT NULL,
	change_id INTEGER NOT NULL,
	strength  INTEGER NOT NULL,
	PRIMARY KEY (cluster, change_id)
) WITHOUT ROWID;
CREATE TABLE feed_waves (                       -- what a feed has told of waves: see wave.FedState
	cluster TEXT NOT NULL,
	wave_id INTEGER NOT NULL,
	key     TEXT NOT NULL,
	kind    TEXT NOT NULL,
	events  INTEGER NOT NULL,
	state   TEXT NOT NULL,
	said    INTEGER NOT NULL,
	at      INTEGER,
	PRIMARY KEY (cluster, wave_id)
) WITHOUT ROWID;
`

// migrationWith is the number of the migration that contains a text.
func migrationWith(text string) int {
	return slices.IndexFunc(migrations, func(m string) bool { return strings.Contains(m, text) })
}

// migrate brings the schema up to date.
func (l *Ledger) migrate(ctx context.Context) error {
	version, _, err := one(ctx, once{&reader{DB: l.w}}, value[int], `PRAGMA user_version`)
	if err != nil {
		return err
	}
	before := version
	for version < len(migrations) {
		if move := moves[version]; move != nil && before > 0 {
			if err := move(ctx, l); err != nil {
				return fmt.Errorf("migrating to schema %d: %w; it goes on where it stopped at the next start", version+1, err)
			}
		}
		if err := l.tx(ctx, func(tx tx) error { return step(ctx, tx, version) }); err != nil {
			return fmt.Errorf("migrating to schema %d: %w", version+1, err)
		}
		version++
	}
	if before > 0 && before < version {
		// A migration may have left a log as large as the database.
		return l.pragma(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	}
	return nil
}

// step applies the migration that follows a schema's version.
func step(ctx context.Context, tx tx, version int) error {
	if _, err := tx.exec(ctx, migrations[version]); err != nil {
		return err
	}
	if version == 0 {
		if _, err := tx.exec(ctx, `INSERT INTO meta (name, value) VALUES ('instance', ?)`, newInstance()); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID)); err != nil {
			return err
		}
	}
	_, err := tx.exec(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, version+1))
	return err
}
