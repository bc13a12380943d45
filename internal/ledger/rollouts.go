package ledger

import (
	"context"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

const (
	putStepSQL = `INSERT INTO rollout_steps (cluster, namespace, deployment, replica_set, at, from_size, to_size, up,
			uid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (cluster, namespace, deployment, replica_set, at, from_size, to_size) DO NOTHING`
	// The last step of each ReplicaSet says which ones a Deployment has had.
	oldStepsSQL = `DELETE FROM rollout_steps WHERE id IN (SELECT s.id FROM rollout_steps s WHERE s.cluster = ?
		AND s.at < ? AND (s.at < ? OR EXISTS (SELECT 1 FROM rollout_steps n WHERE n.cluster = s.cluster
			AND n.namespace = s.namespace AND n.deployment = s.deployment AND n.replica_set = s.replica_set
			AND n.at > s.at)) LIMIT ?)`
	toldRolloutsSQL = `SELECT w.about, w.key, w.opened_at, m.channel, coalesce(m.ts, '') FROM waves w
		JOIN messages m ON m.wave_id = w.id AND m.part = 'main'
		WHERE w.kind = 'rollout' AND w.cluster = ? AND w.opened_at >= ? ORDER BY w.opened_at, w.id`
	podWarningsSQL = `SELECT ` + eventColumns + ` FROM events e WHERE e.cluster = ? AND e.name > ? AND e.name < ?
		AND e.namespace = ? AND e.kind = 'Pod' AND e.type = 'Warning' AND e.last_at >= ? AND e.first_at <= ?
		ORDER BY e.first_at, e.id LIMIT ?`
	setWarningsSQL = `SELECT ` + eventColumns + ` FROM events e WHERE e.cluster = ? AND e.kind = 'ReplicaSet'
		AND e.name = ? AND e.namespace = ? AND e.type = 'Warning' AND e.last_at >= ? AND e.first_at <= ?
		ORDER BY e.first_at, e.id LIMIT ?`
	podSignsSQL = `SELECT e.name, e.reason, e.note, e.first_at FROM events e WHERE e.cluster = ? AND e.name > ?
		AND e.name < ? AND e.namespace = ? AND e.kind = 'Pod'
		AND e.reason IN ('Scheduled', 'FailedScheduling', 'Killing') AND e.last_at >= ?`
	rolloutNodesSQL = `SELECT count(DISTINCT c.node_uid) FROM changes c JOIN causes k ON k.id = c.cause_id
		WHERE c.cluster = ? AND c.kind = 'joined' AND c.at >= ? AND c.at < ? AND k.kind = 'demand' AND k.why = ?
		AND k.for_kind = 'Deployment' AND k.for_namespace = ? AND k.for_name = ?`
)

// steppedSQL finds few rows by their numbers, and not all of a cluster.
var steppedSQL = `SELECT DISTINCT s.namespace, s.deployment FROM rollout_steps s WHERE s.id > ? AND ` +
	dialect{}.unindexed(`s.cluster`) + ` = ?`

var stepsSQL = `SELECT s.replica_set, s.at, s.from_size, s.to_size, s.up, s.uid FROM rollout_steps s
	WHERE s.cluster = ? AND s.namespace = ? AND s.deployment = ? ORDER BY ` + dialect{}.unindexed(`s.at`) + ` DESC LIMIT ?`

// stepsKept is for how long all steps of Deployments are kept at most; after that the last one of each ReplicaSet is.
const stepsKept = 7 * 24 * time.Hour

// recordSteps records the steps of a Deployment that an event tells of. The event is recorded already, and new.
func recordSteps(ctx context.Context, tx tx, cluster string, e *fleet.Event) error {
	return putSteps(ctx, tx, cluster, e.OfRollout())
}

func putSteps(ctx context.Context, tx tx, cluster string, steps []fleet.RolloutStep) error {
	for _, s := range steps {
		d := s.Deployment
		if _, err := tx.exec(ctx, putStepSQL, cluster, d.Namespace, d.Name, s.Set, s.At.UnixMilli(), s.From, s.To, s.Up,
			d.UID); err != nil {
			return err
		}
	}
	return nil
}

// Stepped returns the Deployments of which steps were recorded after others, and the number of the last step of all; 0
// is before the first one. Namespace and Name are set.
func (l *Ledger) Stepped(ctx context.Context, cluster string, after int64) (of []fleet.ObjectRef, last int64,
	err error) {
	defer doing(&err, "looking for new steps of Deployments of %s", cluster)
	last, _, err = one(ctx, l.r, value[int64], `SELECT coalesce(max(id), 0) FROM rollout_steps`)
	if err != nil || last <= after {
		return nil, max(last, after), err
	}
	of, err = collect(ctx, l.r, func(r row) (o fleet.ObjectRef, err error) {
		o.Kind = "Deployment"
		err = r.Scan(&o.Namespace, &o.Name)
		return o, err
	}, steppedSQL, after, cluster)
	return of, last, err
}

// maxSteps is how many steps of a Deployment are looked at. Whoever may write events may write any number.
const maxSteps = 5000

// RolloutSteps returns the steps that are known of a Deployment, the latest first, and not more than a few thousand.
func (l *Ledger) RolloutSteps(ctx context.Context, cluster string, of fleet.ObjectRef) (steps []fleet.RolloutStep,
	err error) {
	defer doing(&err, "reading steps of Deployment %s/%s", of.Namespace, of.Name)
	return collect(ctx, l.r, func(r row) (s fleet.RolloutStep, err error) {
		s.Deployment = fleet.ObjectRef{Kind: "Deployment", Namespace: of.Namespace, Name: of.Name}
		err = r.Scan(&s.Set, at{&s.At}, &s.From, &s.To, &s.Up, &s.Deployment.UID)
		return s, err
	}, stepsSQL, cluster, of.Namespace, of.Name, maxSteps)
}

// ToldRollouts returns what was told of rollouts since a moment, oldest first, whatever has become of the messages.
func (l *Ledger) ToldRollouts(ctx context.Context, cluster string, since time.Time) (told []wave.Told, err error) {
	defer doing(&err, "reading what was told of rollouts of %s", cluster)
	return collect(ctx, l.r, func(r row) (t wave.Told, err error) {
		var about string
		if err := r.Scan(&about, &t.Key, at{&t.OpenedAt}, &t.Channel, &t.ID); err != nil {
			return t, err
		}
		t.About, err = parseAbout(about)
		return t, err
	}, toldRolloutsSQL, cluster, since.UnixMilli())
}

// PodWarnings returns warnings about the pods of a ReplicaSet and about itself, at most limit of each, the earliest
// first, that were seen in a time.
func (l *Ledger) PodWarnings(ctx context.Context, cluster, namespace, set string, from, until time.Time, limit int) (
	warnings []fleet.Event, err error) {
	defer doing(&err, "reading warnings about pods of %s/%s", namespace, set)
	for _, q := range []struct {
		stmt string
		args []any
	}{
		{podWarningsSQL, []any{cluster, set + "-", set + ".", namespace}},
		{setWarningsSQL, []any{cluster, set, namespace}},
	} {
		found, err := collect(ctx, l.r, scanEvent, q.stmt, append(q.args, from.UnixMilli(), until.UnixMilli(), limit)...)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			warnings = append(warnings, e.Event)
		}
	}
	return warnings, nil
}

// AddRolloutSteps records steps that no event tells of.
func (l *Ledger) AddRolloutSteps(ctx context.Context, cluster string, steps []fleet.RolloutStep) (err error) {
	defer doing(&err, "recording steps of Deployments of %s", cluster)
	return l.tx(ctx, func(tx tx) error { return putSteps(ctx, tx, cluster, steps) })
}

// PodSigns returns what events say of the pods of a ReplicaSet since a moment.
func (l *Ledger) PodSigns(ctx context.Context, cluster, namespace, set string, since time.Time) (signs fleet.PodSigns,
	err error) {
	defer doing(&err, "reading what is said of pods of %s/%s", namespace, set)
	signs = fleet.PodSigns{Set: set, Born: map[string]time.Time{}, Stopped: map[string]time.Time{}}
	_, err = collect(ctx, l.r, func(r row) (struct{}, error) {
		var pod, reason, note string
		var first time.Time
		err := r.Scan(&pod, &reason, &note, at{&first})
		switch {
		case first.Before(since):
		case reason != "Killing":
			signs.Born[pod] = first
		case strings.HasPrefix(note, "Stopping container "): // and not one that is started anew
			signs.Stopped[pod] = fleet.Latest(signs.Stopped[pod], first)
		}
		return struct{}{}, err
	}, podSignsSQL, cluster, set+"-", set+".", namespace, since.UnixMilli())
	return signs, err
}

// RolloutNodes counts the nodes that joined in a time and of which it is known that they came for a Deployment's
// rollout.
func (l *Ledger) RolloutNodes(ctx context.Context, cluster string, of fleet.ObjectRef, from, until time.Time) (n int,
	err error) {
	defer doing(&err, "counting the nodes that came for %s/%s", of.Namespace, of.Name)
	n, _, err = one(ctx, l.r, value[int], rolloutNodesSQL, cluster, from.UnixMilli(), until.UnixMilli(), fleet.ForRollout,
		of.Namespace, of.Name)
	return n, err
}

// SelectRollouts records whose rollouts are told from now on, as globs of namespace/name, and returns since when those
// of each are.
func (l *Ledger) SelectRollouts(ctx context.Context, cluster string, globs []string, now time.Time) (
	since map[string]time.Time, err error) {
	defer doing(&err, "recording whose rollouts of %s are told", cluster)
	since = map[string]time.Time{}
	err = l.tx(ctx, func(tx tx) error {
		was := map[string]int64{}
		if _, err := collect(ctx, tx, func(r row) (struct{}, error) {
			var glob string
			var at int64
			err := r.Scan(&glob, &at)
			was[glob] = at
			return struct{}{}, err
		}, `SELECT pattern, since_at FROM rollout_globs WHERE cluster = ?`, cluster); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `DELETE FROM rollout_globs WHERE cluster = ?`, cluster); err != nil {
			return err
		}
		for _, glob := range globs {
			at, ok := was[glob]
			if !ok {
				at = now.UnixMilli()
			}
			since[glob] = time.UnixMilli(at).UTC()
			if _, err := tx.exec(ctx, `INSERT INTO rollout_globs (cluster, pattern, since_at) VALUES (?, ?, ?)
				ON CONFLICT (cluster, pattern) DO NOTHING`, cluster, glob, at); err != nil {
				return err
			}
		}
		return nil
	})
	return since, err
}
