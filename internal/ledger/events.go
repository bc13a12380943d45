package ledger

import (
	"context"
	"iter"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// eventColumns are what eventRow receives, of events e.
const eventColumns = `e.id, e.cluster, e.uid, e.kind, e.namespace, e.name, e.regarding_uid, e.reason, e.type, e.note,
	e.controller, e.count, e.first_at, e.last_at`

// eventRow receives eventColumns.
type eventRow struct {
	id int64
	fleet.Event
}

func (e *eventRow) dest() []any {
	return []any{&e.id, &e.Cluster, &e.UID, &e.Regarding.Kind, &e.Regarding.Namespace, &e.Regarding.Name,
		&e.Regarding.UID, &e.Reason, &e.Type, &e.Note, &e.Controller, &e.Count, at{&e.First}, at{&e.Last}}
}

func scanEvent(r row) (e eventRow, err error) {
	err = r.Scan(e.dest()...)
	return e, err
}

const (
	insertEventSQL = `INSERT INTO events (cluster, uid, kind, namespace, name, regarding_uid, reason, type, note,
			controller, count, first_at, last_at, scaling, size)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cluster, uid) DO NOTHING`
	// Of an event that names others. It takes half as long again.
	insertNamingSQL = insertEventSQL + ` RETURNING id`
	oldEventSQL     = `SELECT id, count, first_at, last_at, scaling, size, note FROM events
		WHERE cluster = ? AND uid = ?`
	mergeEventSQL = `UPDATE events SET note = ?, size = ?, count = ?, first_at = ?, last_at = ? WHERE id = ?`
	addTotalsSQL  = `INSERT INTO event_totals (cluster, scaling, events, bytes) VALUES (?, ?, ?, ?)
		ON CONFLICT (cluster, scaling) DO UPDATE SET events = event_totals.events + excluded.events,
			bytes = event_totals.bytes + excluded.bytes`
	eventsVersionSQL = `INSERT INTO clusters (cluster, events_version) VALUES (?, ?)
		ON CONFLICT (cluster) DO UPDATE SET events_version = excluded.events_version`
)

// RecordEvents merges events by (cluster, UID) in one transaction: the greater count or the
// later time wins, and the same again changes nothing. The events watch may resume at
// resourceVersion afterwards; "" leaves it where it was.
//
// On a disk that is full and stays so, events are left out, and the log is told: first those that are not of
// scaling, then all of them, because they only explain, and the changes of nodes need what room there is.
func (l *Ledger) RecordEvents(ctx context.Context, cluster string, events []fleet.Event, resourceVersion string) (
	err error) {
	defer doing(&err, "recording events of %s", cluster)
	err = l.recordEvents(ctx, cluster, events, resourceVersion)
	if !isFull(err) {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(events), func(e fleet.Event) bool { return !e.Scaling() })
	why := err
	if err = l.recordEvents(ctx, cluster, kept, resourceVersion); isFull(err) {
		kept, err = nil, nil
		if why := l.tx(ctx, func(tx tx) error {
			return setMeta(ctx, tx, metaEventsLost, time.Now().UnixMilli())
		}); why != nil {
			l.log.Warn("that events are left out could not be noted either", "err", why)
		}
	}
	l.log.Warn("events are left out because the disk is full", "events", len(events)-len(kept), "err", why)
	return err
}

func (l *Ledger) recordEvents(ctx context.Context, cluster string, events []fleet.Event, resourceVersion string) error {
	return l.tx(ctx, func(tx tx) error {
		var totals eventTotals
		for i := range events {
			news, err := recordEvent(ctx, tx, cluster, &events[i], &totals)
			if err != nil {
				return err
			}
			if !news || !events[i].Scaling() {
				continue
			}
			if err := recordWait(ctx, tx, cluster, &events[i]); err != nil {
				return err
			}
			if err := recordKeep(ctx, tx, cluster, &events[i]); err != nil {
				return err
			}
			if err := recordSteps(ctx, tx, cluster, &events[i]); err != nil {
				return err
			}
		}
		if err := totals.add(ctx, tx, cluster); err != nil || resourceVersion == "" {
			return err
		}
		_, err := tx.exec(ctx, eventsVersionSQL, cluster, resourceVersion)
		return err
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
		if _, err := tx.exec(ctx, addTotalsSQL, cluster, scaling, by.events, by.bytes); err != nil {
			return err
		}
	}
	return nil
}

// recordEvent records one event and reports whether it says anything new.
func recordEvent(ctx context.Context, tx tx, cluster string, e *fleet.Event, totals *eventTotals) (
	news bool, err error) {
	class, size := 0, int64(e.Size())
	var names []fleet.ObjectRef
	if e.Scaling() {
		class, names = 1, e.Names()
	}
	first, last, named := e.First.UnixMilli(), e.Last.UnixMilli(), namesSize(cluster, names)
	args := []any{cluster, e.UID, e.Regarding.Kind, e.Regarding.Namespace, e.Regarding.Name, e.Regarding.UID, e.Reason,
		e.Type, e.Note, e.Controller, e.Count, first, last, class, size + named}
	var id int64
	var isNew bool
	if len(names) > 0 {
		id, isNew, err = one(ctx, tx, value[int64], insertNamingSQL, args...)
	} else {
		var n int64
		n, err = tx.exec(ctx, insertEventSQL, args...)
		isNew = n > 0
	}
	if err != nil {
		return false, err
	}
	if isNew {
		totals[class].events++
		totals[class].bytes += size + named
		return true, insertNames(ctx, tx, cluster, id, names, first, last)
	}
	var oldFirst, oldLast, oldSize int64
	var count int
	var oldNote string
	if _, _, err := one(ctx, tx, scanTo(&id, &count, &oldFirst, &oldLast, &class, &oldSize, &oldNote), oldEventSQL,
		cluster, e.UID); err != nil {
		return false, err
	}
	if e.Count <= count && last <= oldLast {
		return false, nil
	}
	last = max(oldLast, last)
	size = oldSize + int64(len(e.Note)-len(oldNote))
	if class == 1 {
		old := *e
		old.Note = oldNote
		more, err := renewNames(ctx, tx, cluster, id, &old, names, size, last)
		if err != nil {
			return false, err
		}
		size += more
	}
	totals[class].bytes += size - oldSize
	_, err = tx.exec(ctx, mergeEventSQL, e.Note, size, max(count, e.Count), min(oldFirst, first), last, id)
	return true, err
}

// EventCounts returns how many scaling events and how many others of a cluster are kept that
// were seen since the moment given. It counts no further than query.CountLimit + 1 of each.
func (l *Ledger) EventCounts(ctx context.Context, cluster string, since time.Time) (scaling, other int, err error) {
	defer doing(&err, "counting events of %s", cluster)
	var counts [2]int
	for class := range counts {
		counts[class], _, err = one(ctx, l.r, value[int], `SELECT count(*) FROM (SELECT 1 FROM events
			WHERE cluster = ? AND scaling = ? AND last_at >= ? LIMIT ?) x`,
			cluster, class, since.UnixMilli(), query.CountLimit+1)
		if err != nil {
			return 0, 0, err
		}
	}
	return counts[1], counts[0], nil
}

// EventSpan returns how far back the events of a cluster go.
func (l *Ledger) EventSpan(ctx context.Context, cluster string) (span query.EventSpan, err error) {
	defer doing(&err, "reading how far back events of %s go", cluster)
	return l.eventSpan(ctx, cluster)
}

func (l *Ledger) eventSpan(ctx context.Context, cluster string) (span query.EventSpan, err error) {
	for class, first := range []*time.Time{&span.Other, &span.Scaling} {
		if _, _, err := one(ctx, l.r, scanTo(at{first}), `SELECT min(last_at) FROM events WHERE cluster = ? AND scaling = ?`,
			cluster, class); err != nil {
			return query.EventSpan{}, err
		}
	}
	return span, nil
}

const rescalesSQL = `SELECT e.kind, e.namespace, e.name, e.note, e.count, e.first_at, e.last_at FROM events e
	WHERE e.cluster = ? AND e.reason = ? AND e.last_at >= ? AND e.last_at < ? ORDER BY e.last_at, e.id`

// Rescales yields the events of HorizontalPodAutoscalers and Deployments that changed their
// size, last seen in [from, until), in the order of that time for each of the two; and at most one
// error, which is the last.
func (l *Ledger) Rescales(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Event, error] {
	return telling("reading rescales of "+cluster, func(yield func(fleet.Event, error) bool) {
		for _, reason := range []string{"SuccessfulRescale", "ScalingReplicaSet"} {
			for e, err := range each(ctx, l.r, func(r row) (fleet.Event, error) {
				e := fleet.Event{Cluster: cluster, Reason: reason}
				err := r.Scan(&e.Regarding.Kind, &e.Regarding.Namespace, &e.Regarding.Name, &e.Note, &e.Count, at{&e.First},
					at{&e.Last})
				return e, err
			}, rescalesSQL, cluster, reason, from.UnixMilli(), until.UnixMilli()) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	})
}
