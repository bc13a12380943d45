package ledger

import (
	"context"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

const (
	insertNameSQL = `INSERT INTO event_names (cluster, kind, namespace, name, at, event_id, since)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cluster, kind, namespace, name, at, event_id) DO NOTHING`
	repeatNamesSQL = `UPDATE event_names SET at = ? WHERE event_id = ? AND note IS NULL`
	keepNamesSQL   = `UPDATE event_names SET note = ? WHERE event_id = ? AND note IS NULL`
	dropNamesSQL   = `DELETE FROM event_names WHERE event_id = ? AND note IS NULL`
)

// maxEvent is how large one event may be with all the names that its notes have had, in bytes. One that stands for
// thousands of others has had thousands of notes.
const maxEvent = 2 << 20

// namesSize is the approximate size of names in the ledger, in bytes. It is part of the size of their event.
func namesSize(cluster string, names []fleet.ObjectRef) (size int64) {
	for _, n := range names { // in the table and in the index on events
		size += int64(60 + 2*(len(cluster)+len(n.Kind)+len(n.Namespace)+len(n.Name)))
	}
	return size
}

// insertNames records what the note of an event names.
func insertNames(ctx context.Context, tx tx, cluster string, id int64, names []fleet.ObjectRef, since, at int64) error {
	for _, n := range names {
		if _, err := tx.exec(ctx, insertNameSQL, cluster, n.Kind, n.Namespace, n.Name, at, id, since); err != nil {
			return err
		}
	}
	return nil
}

// renewNames records that an event has come again, as it was before and with the names that its note has now; size is
// the event's so far. What an earlier note has named stays named, with that note: an event that stands for several has
// the last one's. It returns by how much the event has grown.
func renewNames(ctx context.Context, tx tx, cluster string, id int64, old *fleet.Event, names []fleet.ObjectRef, size,
	last int64) (grown int64, err error) {
	before := old.Names()
	if slices.Equal(before, names) {
		if len(names) > 0 {
			_, err = tx.exec(ctx, repeatNamesSQL, last, id)
		}
		return 0, err
	}
	grown = namesSize(cluster, names) + int64(len(before)*len(old.Note))
	if size+grown > maxEvent {
		gone, err := tx.exec(ctx, dropNamesSQL, id)
		if gone == 0 {
			return 0, err
		}
		return -namesSize(cluster, before), err
	}
	if len(before) > 0 {
		if _, err := tx.exec(ctx, keepNamesSQL, old.Note, id); err != nil {
			return 0, err
		}
	}
	return grown, insertNames(ctx, tx, cluster, id, names, last, last)
}

// Evidence is where the evidence of one cluster is looked up. Only scaling events are evidence.
type Evidence struct {
	l       *Ledger
	cluster string
}

// Evidence returns the evidence of a cluster.
func (l *Ledger) Evidence(cluster string) Evidence { return Evidence{l, cluster} }

// unscoped are the kinds of objects that are in no namespace. An event that says otherwise was written by somebody who
// may write events there, and is no evidence.
var unscoped = []string{"Node", "NodeClaim", "NodePool", "NodeGroup"}

// place is the namespace of an object's evidence.
func place(of fleet.ObjectRef) string {
	if slices.Contains(unscoped, of.Kind) {
		return ""
	}
	return of.Namespace
}

// onSQL finds events by the index on names: that on time holds all objects' events. Kubelets and some controllers put a
// node's name where its UID belongs.
func (e Evidence) onSQL() string {
	return `SELECT ` + eventColumns + ` FROM events e WHERE e.cluster = ? AND e.name = ? AND e.last_at >= ?
		AND e.first_at <= ?
		AND e.kind = ? AND e.namespace = ? AND ` + e.l.sql.unindexed(`e.scaling`) + ` = 1
		AND (? = '' OR e.regarding_uid IN ('', ?, e.name)) ORDER BY e.last_at DESC, e.id DESC LIMIT ?`
}

// On returns the scaling events that regard an object and were seen between two moments: at most limit of them, those
// seen last, in the order in which they were seen first. Of an object whose UID is given, events of another one
// under its name are left out.
func (e Evidence) On(ctx context.Context, of fleet.ObjectRef, from, until time.Time, limit int) (
	events []fleet.Event, err error) {
	defer doing(&err, "reading events on %s %s", of.Kind, of.Name)
	return e.events(ctx, e.onSQL(), e.cluster, of.Name, from.UnixMilli(), until.UnixMilli(), of.Kind, place(of), of.UID,
		of.UID, max(0, limit))
}

// inOrder sorts events, of which the last one seen comes first, by when they were seen first.
func inOrder(events []fleet.Event) {
	slices.Reverse(events)
	slices.SortStableFunc(events, func(a, b fleet.Event) int { return a.First.Compare(b.First) })
}

// events returns what a statement gives, the last one first, in the order in which they were seen first.
func (e Evidence) events(ctx context.Context, stmt string, args ...any) (events []fleet.Event, err error) {
	for row, err := range each(ctx, e.l.r, scanEvent, stmt, args...) {
		if err != nil {
			return nil, err
		}
		events = append(events, row.Event)
	}
	inOrder(events)
	return events, nil
}

// becauseSQL finds events by the index on reasons.
func (e Evidence) becauseSQL() string {
	return `SELECT ` + eventColumns + ` FROM events e WHERE e.cluster = ? AND e.reason = ? AND e.last_at >= ?
		AND e.first_at <= ?
		AND ` + e.l.sql.unindexed(`e.scaling`) + ` = 1 AND (e.namespace = '' OR NOT ` + e.l.sql.in(`e.kind`) + `)
		ORDER BY e.last_at DESC, e.id DESC LIMIT ?`
}

// Because returns the scaling events with a reason that were seen between two moments, whatever they regard: at most
// limit of them, those seen last, in the order in which they were seen first.
func (e Evidence) Because(ctx context.Context, reason string, from, until time.Time, limit int) (
	events []fleet.Event, err error) {
	defer doing(&err, "reading events with reason %s", reason)
	return e.events(ctx, e.becauseSQL(), e.cluster, reason, from.UnixMilli(), until.UnixMilli(), e.l.sql.list(unscoped),
		max(0, limit))
}

const namingSQL = `SELECT ` + eventColumns + `, en.since, en.at, en.note IS NOT NULL, coalesce(en.note, '')
	FROM event_names en JOIN events e ON e.id = en.event_id
	WHERE en.cluster = ? AND en.kind = ? AND en.namespace = ? AND en.name = ? AND en.at >= ? AND en.since <= ?
	ORDER BY en.at DESC, en.event_id DESC LIMIT ?`

// scanNaming scans an event as it was when its note named an object.
func scanNaming(r row) (fleet.Event, error) {
	var e eventRow
	var since, last time.Time
	var earlier bool
	var note string
	err := r.Scan(append(e.dest(), at{&since}, at{&last}, &earlier, &note)...)
	if earlier {
		e.Note = note
	}
	if earlier || !since.Equal(e.First) {
		e.Count = 1 // of the others that it stands for, the notes said something else
	}
	e.First, e.Last = since, last
	return e.Event, err
}

// Naming returns the scaling events whose notes name an object, or have named it, see [fleet.Event.Names], between two
// moments: at most limit of them, those seen last, in the order in which they were seen first. An event that names
// others by now is returned as it was when it named this one.
func (e Evidence) Naming(ctx context.Context, of fleet.ObjectRef, from, until time.Time, limit int) (
	events []fleet.Event, err error) {
	defer doing(&err, "reading events that name %s %s", of.Kind, of.Name)
	events, err = collect(ctx, e.l.r, scanNaming, namingSQL, e.cluster, of.Kind, place(of), of.Name, from.UnixMilli(),
		until.UnixMilli(), max(0, limit))
	inOrder(events)
	return events, err
}

// Claim returns the NodeClaim of a name and UID, or with an empty UID the newest of that name; ok is false if it is not
// known.
func (e Evidence) Claim(ctx context.Context, name, uid string) (c fleet.Claim, ok bool, err error) {
	defer doing(&err, "reading NodeClaim %s", name)
	if uid == "" {
		return one(ctx, e.l.r, scanClaim, namedClaimSQL, e.cluster, name)
	}
	return one(ctx, e.l.r, scanClaim, claimSQL, e.cluster, uid, name)
}

const ownedSQL = `SELECT n.name FROM nodes n WHERE n.cluster = ? AND n.owner = ? AND n.owner <> ''
	ORDER BY n.created_at DESC LIMIT 1`

// Owned returns the name of the newest node that an object owns, by the object's kind and name; "" if none is known.
func (e Evidence) Owned(ctx context.Context, owner fleet.ObjectRef) (node string, err error) {
	defer doing(&err, "reading the node of %s %s", owner.Kind, owner.Name)
	node, _, err = one(ctx, e.l.r, value[string], ownedSQL, e.cluster, ownerText(owner))
	return node, err
}

// ownerText is what the column nodes.owner holds: "" for none.
func ownerText(owner fleet.ObjectRef) string {
	if owner.Name == "" {
		return ""
	}
	return owner.Kind + "/" + owner.Name
}

const assignedSQL = `SELECT e.kind, e.namespace, e.name, e.regarding_uid FROM event_names en
	JOIN events e ON e.id = en.event_id
	WHERE en.cluster = ? AND en.kind = 'Node' AND en.namespace = '' AND en.name = ? AND en.at >= ? AND en.since <= ?
	AND e.kind = 'Pod' AND e.reason = 'Scheduled' ORDER BY en.at, en.event_id LIMIT ?`

// metaNamesSince is the name of the property from when on the names in events are known, in Unix milliseconds. It is
// not there if they always were.
const metaNamesSince = "names_since"

// PodsOn returns pods that were assigned to a node, as far as events that are kept say so. With its UID, only those
// that were assigned in its life.
func (l *Ledger) PodsOn(ctx context.Context, cluster string, node fleet.ObjectRef, limit int) (
	a query.Assigned, err error) {
	defer doing(&err, "reading the pods of node %s", node.Name)
	from, until := time.UnixMilli(0), time.UnixMilli(1<<53)
	if node.UID != "" {
		var created, removed time.Time
		_, ok, err := one(ctx, l.r, scanTo(at{&created}, at{&removed}),
			`SELECT created_at, removed_at FROM nodes WHERE cluster = ? AND uid = ?`, cluster, node.UID)
		if err != nil {
			return a, err
		}
		if ok {
			from = created
		}
		if !removed.IsZero() {
			until = removed
		}
	}
	a.Pods, err = collect(ctx, l.r, func(r row) (p fleet.ObjectRef, err error) {
		err = r.Scan(&p.Kind, &p.Namespace, &p.Name, &p.UID)
		return p, err
	}, assignedSQL, cluster, node.Name, from.UnixMilli(), until.UnixMilli(), max(0, limit)+1)
	if err != nil {
		return a, err
	}
	if a.More = len(a.Pods) > limit; a.More {
		a.Pods = a.Pods[:max(0, limit)]
	}
	span, err := l.EventSpan(ctx, cluster)
	if err != nil {
		return a, err
	}
	since, known, err := metaNumber(ctx, l.r, metaNamesSince)
	if a.Since = span.Scaling; known && !a.Since.IsZero() && a.Since.UnixMilli() < since {
		a.Since = time.UnixMilli(since).UTC()
	}
	return a, err
}
