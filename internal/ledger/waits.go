package ledger

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

const (
	waitColumns = `w.namespace, w.pod, w.uid, w.first_at, w.last_at, w.note, w.refusal, w.refused_by, w.pool, w.detail,
		w.refused_first, w.refused_last, w.coming, w.coming_at, w.told`
	waitSQL    = `SELECT ` + waitColumns + ` FROM waits w WHERE w.cluster = ? AND w.namespace = ? AND w.pod = ?`
	putWaitSQL = `INSERT INTO waits (cluster, namespace, pod, uid, first_at, last_at, note, refusal, refused_by, pool,
			detail, refused_first, refused_last, coming, coming_at, told)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cluster, namespace, pod) DO UPDATE SET
			uid = excluded.uid, first_at = excluded.first_at, last_at = excluded.last_at, note = excluded.note,
			refusal = excluded.refusal, refused_by = excluded.refused_by, pool = excluded.pool, detail = excluded.detail,
			refused_first = excluded.refused_first, refused_last = excluded.refused_last, coming = excluded.coming,
			coming_at = excluded.coming_at, told = excluded.told`
	endWaitSQL = `DELETE FROM waits WHERE cluster = ? AND namespace = ? AND pod = ?`
	waitedSQL  = `INSERT INTO waited (cluster, minute, namespace, pods_of, refusal, refused_by, pool, ended, told, pods,
			ms, longest, pod) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)
		ON CONFLICT (cluster, minute, namespace, pods_of, refusal, refused_by, pool, ended, told) DO UPDATE SET
			pods = waited.pods + 1, ms = waited.ms + excluded.ms,
			pod = CASE WHEN excluded.longest > waited.longest THEN excluded.pod ELSE waited.pod END,
			longest = CASE WHEN excluded.longest > waited.longest THEN excluded.longest ELSE waited.longest END`
	// Pods of one object: their names have one part more, which scanning them shows.
	waitsOfSQL = `SELECT ` + waitColumns + ` FROM waits w
		WHERE w.cluster = ? AND w.namespace = ? AND w.pod > ? AND w.pod < ?`
	waitsSQL = `SELECT ` + waitColumns + ` FROM waits w WHERE w.cluster = ? ORDER BY w.namespace, w.pod LIMIT ?`

	// What was said of a pod before it was said to wait: a list of events has no order.
	saidOfPodSQL = `SELECT ` + eventColumns + ` FROM events e WHERE e.cluster = ? AND e.name = ? AND e.last_at >= ?
		AND e.kind = 'Pod' AND e.namespace = ? AND e.reason IN ('Scheduled', 'Started', 'TriggeredScaleUp', 'Nominated')
		ORDER BY e.last_at, e.id`
	daemonsSQL = `SELECT 1 FROM event_names en JOIN events e ON e.id = en.event_id
		WHERE en.cluster = ? AND en.kind = 'Pod' AND en.namespace = ? AND en.name = ? AND e.kind = 'DaemonSet' LIMIT 1`
)

func scanWait(r row) (w fleet.Wait, err error) {
	var coming string
	w.Pod.Kind = "Pod"
	err = r.Scan(&w.Pod.Namespace, &w.Pod.Name, &w.Pod.UID, at{&w.First}, at{&w.Last}, &w.Note, &w.Refusal.Kind,
		&w.Refusal.By, &w.Refusal.Pool, &w.Refusal.Detail, at{&w.RefusedFirst}, at{&w.RefusedLast}, &coming,
		at{&w.ComingAt}, &w.Told)
	w.Coming.Kind, w.Coming.Name, _ = strings.Cut(coming, "/")
	return w, err
}

// recordWait records what an event says of a pod that waits for a node. The event is recorded already, and new.
func recordWait(ctx context.Context, tx tx, cluster string, e *fleet.Event) error {
	word, ok := e.OfWait()
	if !ok {
		return nil
	}
	switch word.Step {
	case fleet.WaitPlaced:
		return endWait(ctx, tx, cluster, word.Pod, fleet.EndPlaced, e.First)
	case fleet.WaitGone:
		if word.Deleted == 0 {
			return endWait(ctx, tx, cluster, word.Pod, fleet.EndGone, e.Last)
		}
		return endWaitsOf(ctx, tx, cluster, word, e.Last)
	}
	w, known, err := one(ctx, tx, scanWait, waitSQL, cluster, word.Pod.Namespace, word.Pod.Name)
	if err != nil {
		return err
	}
	if known && other(w.Pod.UID, word.Pod.UID) {
		if e.Last.Before(w.Last) { // of a pod that had this name before
			return nil
		}
		if err := endWait(ctx, tx, cluster, w.Pod, fleet.EndGone, w.Last); err != nil {
			return err
		}
		known = false
	}
	if !known {
		if word.Step == fleet.WaitComing {
			return nil
		}
		if w, ok, err = newWait(ctx, tx, cluster, e); err != nil || !ok {
			return err
		}
	}
	if w.Pod.UID == "" {
		w.Pod.UID = word.Pod.UID
	}
	w = w.Hear(*e, word)
	coming := ""
	if w.Coming.Kind != "" {
		coming = w.Coming.Kind + "/" + w.Coming.Name
	}
	_, err = tx.exec(ctx, putWaitSQL, cluster, w.Pod.Namespace, w.Pod.Name, w.Pod.UID, w.First.UnixMilli(),
		w.Last.UnixMilli(), w.Note, w.Refusal.Kind, w.Refusal.By, w.Refusal.Pool, w.Refusal.Detail, ms(w.RefusedFirst),
		ms(w.RefusedLast), coming, ms(w.ComingAt), w.Told)
	return err
}

// endWaitsOf ends the waits of a ReplicaSet's pods, some of which were deleted. If they are fewer than those that wait,
// it is not known which.
func endWaitsOf(ctx context.Context, tx tx, cluster string, word fleet.WaitWord, at time.Time) error {
	of := word.Pod
	all, err := collect(ctx, tx, scanWait, waitsOfSQL, cluster, of.Namespace, of.Name+"-", of.Name+".")
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(w fleet.Wait) bool { return w.Set() != of.Name || w.First.After(at) })
	if len(all) > word.Deleted {
		return nil
	}
	for _, w := range all {
		if err := endWait(ctx, tx, cluster, w.Pod, fleet.EndGone, at); err != nil {
			return err
		}
	}
	return nil
}

// other reports whether two UIDs are those of different objects, as far as they are known.
func other(a, b string) bool { return a != "" && b != "" && a != b }

// newWait is the wait of a pod that is said to wait for the first time, with what was said of it before; ok is false if
// it has a node already, or is one of a DaemonSet's, which wait for a place on a node that is there.
func newWait(ctx context.Context, tx tx, cluster string, e *fleet.Event) (w fleet.Wait, ok bool, err error) {
	pod := e.Regarding
	w.Pod = pod
	if _, of, err := one(ctx, tx, value[int], daemonsSQL, cluster, pod.Namespace, pod.Name); err != nil || of {
		return w, false, err
	}
	// A pod that has a node never waits again.
	said, err := collect(ctx, tx, scanEvent, saidOfPodSQL, cluster, pod.Name, e.First.UnixMilli(), pod.Namespace)
	for _, s := range said {
		if other(s.Regarding.UID, pod.UID) {
			continue
		}
		switch word, is := s.OfWait(); {
		case is && word.Step == fleet.WaitPlaced:
			return w, false, err
		case is && word.Step == fleet.WaitComing:
			w = w.Hear(s.Event, word)
		}
	}
	return w, true, err
}

// endWait ends the wait of a pod, if it waits. A pod without a UID is whoever bears the name.
func endWait(ctx context.Context, tx tx, cluster string, pod fleet.ObjectRef, how fleet.WaitEnd, end time.Time) error {
	w, ok, err := one(ctx, tx, scanWait, waitSQL, cluster, pod.Namespace, pod.Name)
	if err != nil || !ok || other(w.Pod.UID, pod.UID) {
		return err
	}
	if _, err := tx.exec(ctx, endWaitSQL, cluster, pod.Namespace, pod.Name); err != nil {
		return err
	}
	end = fleet.Latest(end, w.First)
	waited := end.Sub(w.First).Milliseconds()
	_, err = tx.exec(ctx, waitedSQL, cluster, end.Truncate(time.Minute).UnixMilli(), pod.Namespace, w.Set(),
		w.Refusal.Kind, w.Refusal.By, w.Refusal.Pool, how, w.Told, waited, waited, pod.Name)
	return err
}

// EndWaits ends the waits of pods that nothing is heard of any more, each at the last word of it. One of which
// something was heard meanwhile goes on.
func (l *Ledger) EndWaits(ctx context.Context, cluster string, waits []fleet.Wait) (err error) {
	defer doing(&err, "ending waits of %s", cluster)
	return l.tx(ctx, func(tx tx) error {
		for _, w := range waits {
			now, ok, err := one(ctx, tx, scanWait, waitSQL, cluster, w.Pod.Namespace, w.Pod.Name)
			if err != nil {
				return err
			}
			if !ok || !now.Last.Equal(w.Last) {
				continue
			}
			if err := endWait(ctx, tx, cluster, w.Pod, fleet.EndUnheard, w.Last); err != nil {
				return err
			}
		}
		return nil
	})
}

// TellWaits notes of which key people are told of the waits of some pods.
func (l *Ledger) TellWaits(ctx context.Context, cluster, key string, pods []fleet.ObjectRef) (err error) {
	defer doing(&err, "noting which waits of %s are told", cluster)
	return l.tx(ctx, func(tx tx) error {
		for _, p := range pods {
			if _, err := tx.exec(ctx, `UPDATE waits SET told = ? WHERE cluster = ? AND namespace = ? AND pod = ?`,
				key, cluster, p.Namespace, p.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Waits returns the pods that wait for nodes, as far as events say so, by namespace and name; more is true if there are
// others.
func (l *Ledger) Waits(ctx context.Context, cluster string, limit int) (waits []fleet.Wait, more bool, err error) {
	defer doing(&err, "reading what waits for nodes of %s", cluster)
	waits, err = collect(ctx, l.r, scanWait, waitsSQL, cluster, max(0, limit)+1)
	if more = len(waits) > limit; more {
		waits = waits[:max(0, limit)]
	}
	return waits, more, err
}

const waitedInSQL = `SELECT w.namespace, w.pods_of, w.refusal, w.refused_by, w.pool, w.ended, w.told, w.pods, w.ms,
		w.longest, w.pod FROM waited w WHERE w.cluster = ? AND w.minute >= ? AND w.minute < ? ORDER BY w.minute`

// Waited returns the waits that ended between two moments, in whole minutes, what is alike as one, those whose pods
// waited longest together first.
func (l *Ledger) Waited(ctx context.Context, cluster string, from, until time.Time) (all []fleet.Waited, err error) {
	defer doing(&err, "reading what waited for nodes of %s", cluster)
	return joinWaited(each(ctx, l.r, func(r row) (w fleet.Waited, err error) {
		var ms, longest int64
		err = r.Scan(&w.Namespace, &w.Set, &w.Refusal.Kind, &w.Refusal.By, &w.Refusal.Pool, &w.End, &w.Told, &w.Pods,
			&ms, &longest, &w.Pod)
		w.Together, w.Longest = time.Duration(ms)*time.Millisecond, time.Duration(longest)*time.Millisecond
		return w, err
	}, waitedInSQL, cluster, from.Truncate(time.Minute).UnixMilli(), until.UnixMilli()))
}

// joinWaited adds up what is alike, and returns it in the order of the time that pods waited together, the longest
// first. It ends at the first error and returns it.
func joinWaited(rows iter.Seq2[fleet.Waited, error]) ([]fleet.Waited, error) {
	type key struct {
		namespace, set string
		refusal        fleet.Refusal
		end            fleet.WaitEnd
		told           string
	}
	index := map[key]int{}
	var all []fleet.Waited
	for w, err := range rows {
		if err != nil {
			return nil, err
		}
		k := key{w.Namespace, w.Set, w.Refusal, w.End, w.Told}
		i, ok := index[k]
		if !ok {
			index[k] = len(all)
			all = append(all, w)
			continue
		}
		a := &all[i]
		a.Pods, a.Together = a.Pods+w.Pods, a.Together+w.Together
		if w.Longest > a.Longest {
			a.Longest, a.Pod = w.Longest, w.Pod
		}
	}
	slices.SortFunc(all, func(a, b fleet.Waited) int {
		return cmp.Or(cmp.Compare(b.Together, a.Together), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Set, b.Set), cmp.Compare(a.Refusal.Kind, b.Refusal.Kind), cmp.Compare(a.Refusal.Pool, b.Refusal.Pool),
			cmp.Compare(a.Refusal.By, b.Refusal.By), cmp.Compare(a.End, b.End),
			cmp.Compare(a.Told, b.Told))
	})
	return all, nil
}
