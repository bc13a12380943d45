package ledger

import (
	"context"
	"database/sql"
	"iter"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// eventColumns are what scanEvent receives, of events e.
const eventColumns = `e.cluster, e.uid, e.kind, e.namespace, e.name, e.regarding_uid, e.reason, e.type, e.note,
	e.controller, 	e.count, e.first_at, e.last_at`

// eventRow receives eventColumns.
type eventRow struct {
	e           fleet.Event
	first, last sql.NullInt64
}

func (r *eventRow) dest() []any {
	e := &r.e
	return []any{&e.Cluster, &e.UID, &e.Regarding.Kind, &e.Regarding.Namespace, &e.Regarding.Name, &e.Regarding.UID,
		&e.Reason,
		&e.Type, &e.Note, &e.Controller, &e.Count, &r.first, &r.last}
}

func (r *eventRow) event() fleet.Event {
	e := r.e
	e.First, e.Last = fromMS(r.first), fromMS(r.last)
	return e
}

func scanEvent(from row) (fleet.Event, error) {
	var r eventRow
	err := from.Scan(r.dest()...)
	return r.event(), err
}

// Rescales yields the events of HorizontalPodAutoscalers and Deployments that changed their
// size, last seen in [from, until), in the order of that time for each of the two.
func (l *Ledger) Rescales(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Event, error] {
	return withDoing(func(yield func(fleet.Event, error) bool) {
		for _, reason := range []string{"SuccessfulRescale", "ScalingReplicaSet"} {
			for e, err := range each(ctx, l.r, scanEvent, rescalesSQL, cluster, reason, from.UnixMilli(), until.UnixMilli()) {
				if !yield(e, err) {
					return
				}
			}
		}
	}, "reading rescales of %s", cluster)
}

const rescalesSQL = `SELECT ` + eventColumns + ` FROM events e
	WHERE e.cluster = ? AND e.reason = ? AND e.last_at >= ? AND e.last_at < ? ORDER BY e.last_at, e.id`

// EventSpan returns how far back the events of a cluster go.
func (l *Ledger) EventSpan(ctx context.Context, cluster string) (span query.EventSpan, err error) {
	defer doing(&err, "reading how far back events of %s go", cluster)
	var scaling, other sql.NullInt64
	err = l.r.QueryRowContext(ctx, `SELECT (SELECT min(last_at) FROM events WHERE cluster = ?1 AND scaling = 1),
		(SELECT min(last_at) FROM events WHERE cluster = ?1 AND scaling = 0)`, cluster).Scan(&scaling, &other)
	return query.EventSpan{Scaling: fromMS(scaling), Other: fromMS(other)}, err
}

const (
	insertEventSQL = `INSERT INTO events (cluster, uid, kind, namespace, name, regarding_uid, reason, type, note,
			controller,
			count, first_at, last_at, scaling, size)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cluster, uid) DO NOTHING`
	oldEventSQL  = `SELECT id, count, last_at, scaling, size FROM events WHERE cluster = ? AND uid = ?`
	addTotalsSQL = `INSERT INTO event_totals (cluster, scaling, events, bytes) VALUES (?, ?, ?, ?)
		ON CONFLICT (cluster, scaling) DO UPDATE SET events = event_totals.events + excluded.events,
			bytes = event_totals.bytes + excluded.bytes`
	eventsVersionSQL = `INSERT INTO clusters (cluster, events_version) VALUES (?, ?)
		ON CONFLICT (cluster) DO UPDATE SET events_version = excluded.events_version`
)

var mergeEventSQL = `UPDATE events SET note = ?, size = ?, count = ` + greatest("count", "?") + `,
	first_at = ` + least("first_at", "?") + `, last_at = ` + greatest("last_at", "?") + ` WHERE id = ?`

// RecordEvents merges events by (cluster, UID) in one transaction: the greater count or the
// later time wins, and the same again changes nothing. The events watch may resume at
// resourceVersion afterwards; "" leaves it where it was.
func (l *Ledger) RecordEvents(ctx context.Context, cluster string, events []fleet.Event,
	resourceVersion string) (err error) {
	defer doing(&err, "recording events of %s", cluster)
	return l.tx(ctx, func(tx tx) error {
		var totals eventTotals
		for i := range events {
			if err := recordEvent(ctx, tx, cluster, &events[i], &totals); err != nil {
				return err
			}
		}
		if err := totals.add(ctx, tx, cluster); err != nil || resourceVersion == "" {
			return err
		}
		return tx.exec(ctx, eventsVersionSQL, cluster, resourceVersion)
	})
}

// eventTotals is by how much a transaction changes the totals of a cluster's events: [0] of
// others, [1] of scaling events.
type eventTotals [2]struct{ events, bytes int64 }

func (t *eventTotals) add(ctx context.Context, tx tx, cluster string) error {
	for scaling, by := range t {
		if by.events == 0 && by.bytes == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, addTotalsSQL, cluster, scaling, by.events, by.bytes); err != nil {
			return err
		}
	}
	return nil
}

func recordEvent(ctx context.Context, tx tx, cluster string, e *fleet.Event, totals *eventTotals) error {
	class, size := 0, int64(e.Size())
	if e.Scaling() {
		class = 1
	}
	res, err := tx.ExecContext(ctx, insertEventSQL, cluster, e.UID, e.Regarding.Kind, e.Regarding.Namespace,
		e.Regarding.Name, e.Regarding.UID, e.Reason,
		e.Type, e.Note, e.Controller, e.Count, e.First.UnixMilli(), e.Last.UnixMilli(), class, size)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		totals[class].events++
		totals[class].bytes += size
		return err
	}
	var id, lastAt, oldSize int64
	var count int
	if err := tx.QueryRowContext(ctx, oldEventSQL, cluster, e.UID).Scan(&id, &count, &lastAt, &class,
		&oldSize); err != nil {
		return err
	}
	if e.Count <= count && e.Last.UnixMilli() <= lastAt {
		return nil
	}
	totals[class].bytes += size - oldSize
	_, err = tx.ExecContext(ctx, mergeEventSQL, e.Note, size, e.Count, e.First.UnixMilli(), e.Last.UnixMilli(), id)
	return err
}

// EventCounts returns how many scaling events and how many others of a cluster are kept that
// were seen since the moment given. It counts no further than query.CountLimit + 1 of each.
func (l *Ledger) EventCounts(ctx context.Context, cluster string, since time.Time) (scaling, other int, err error) {
	defer doing(&err, "counting events of %s", cluster)
	const of = `(SELECT count(*) FROM (SELECT 1 FROM events WHERE cluster = ?1 AND last_at >= ?2 AND scaling = `
	err = l.r.QueryRowContext(ctx, `SELECT `+of+`1 LIMIT ?3)), `+of+`0 LIMIT ?3))`, cluster, since.UnixMilli(),
		query.CountLimit+1).
		Scan(&scaling, &other)
	return scaling, other, err
}
