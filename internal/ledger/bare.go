package ledger

import (
	"context"
	"time"

	"rollcall/internal/fleet"
)

// metaEventsLost is the name of the property from when on all scaling events that came are there, but for those that
// are older than the oldest, in Unix milliseconds: before that some were left out or pushed out. It is not there if
// none ever were.
const metaEventsLost = "events_lost"

// maxBare is how many nodes are looked at, those that joined last, and bareAge is how old a node is at least of which
// it says something that nothing runs on it. Both are Rollcall's own choice.
const (
	maxBare = 2000
	bareAge = time.Hour
)

const (
	// Of each node that joined after a moment: something was assigned to it, and nothing but what a DaemonSet has created.
	bareSQL = `SELECT ` + lifeColumns + ` FROM nodes n WHERE n.cluster = ? AND n.removed_at IS NULL
			AND n.created_at >= ? AND n.created_at < ? AND n.leaving = 0
			AND EXISTS (SELECT 1 FROM event_names en WHERE en.cluster = n.cluster AND en.kind = 'Node'
				AND en.namespace = '' AND en.name = n.name AND en.at >= n.created_at)
			AND NOT EXISTS (SELECT 1 FROM event_names en JOIN events e ON e.id = en.event_id
				WHERE en.cluster = n.cluster AND en.kind = 'Node' AND en.namespace = '' AND en.name = n.name
				AND en.at >= n.created_at AND e.kind = 'Pod' AND e.reason = 'Scheduled'
				AND NOT EXISTS (SELECT 1 FROM event_names w JOIN events t ON t.id = w.event_id
					WHERE w.cluster = n.cluster AND w.kind = 'Pod' AND w.namespace = e.namespace AND w.name = e.name
					AND t.kind = 'DaemonSet' AND t.reason = 'SuccessfulCreate'))`
	// When the last of so many nodes joined, of those that joined last.
	youngestSQL = `SELECT created_at FROM nodes WHERE cluster = ? AND removed_at IS NULL ORDER BY created_at DESC
		LIMIT 1 OFFSET ?`
	lostGapSQL = `SELECT max(g.until_at) FROM gaps g WHERE g.cluster = ? AND g.until_at > 0 AND g.missed = 1
		AND (g.events_from IS NULL OR g.events_from > g.from_at)`
)

// Bare returns nodes of a cluster that hold nothing but pods of DaemonSets, as far as events tell: of those whose whole
// life is told by the events that are kept. Pods that an event does not tell of are not known: static ones, and those
// that nobody had to schedule.
func (l *Ledger) Bare(ctx context.Context, cluster string, now time.Time) (lives []fleet.Life, err error) {
	defer doing(&err, "reading nodes of %s with nothing but DaemonSets' pods", cluster)
	var gap time.Time
	if _, _, err := one(ctx, l.r, scanTo(at{&gap}), lostGapSQL, cluster); err != nil {
		return nil, err
	}
	span, err := l.eventSpan(ctx, cluster)
	if err != nil || span.Scaling.IsZero() {
		return nil, err
	}
	since := span.Scaling
	for _, name := range []string{metaNamesSince, metaEventsLost} {
		at, ok, err := metaNumber(ctx, l.r, name)
		if err != nil {
			return nil, err
		}
		if ok {
			since = fleet.Latest(since, time.UnixMilli(at))
		}
	}
	cp, err := l.Checkpoint(ctx, cluster)
	if err != nil {
		return nil, err
	}
	var youngest time.Time
	if _, _, err := one(ctx, l.r, scanTo(at{&youngest}), youngestSQL, cluster, maxBare); err != nil {
		return nil, err
	}
	since = fleet.Latest(since, gap, cp.BaselineAt, youngest)
	return collect(ctx, l.r, scanLife(nil), bareSQL, cluster, since.UnixMilli(), now.Add(-bareAge).UnixMilli())
}
