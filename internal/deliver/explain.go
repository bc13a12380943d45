package deliver

import (
	"context"
	"time"

	"rollcall/internal/cause"
	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// Explainer says why nodes came and went. Its zero value is package cause.
type Explainer struct {
	// Came and Went are as those of package cause.
	Came func(ctx context.Context, n fleet.Node, readyAt, removedAt time.Time, in cause.Evidence) (
		fleet.Explanation, error)
	Went func(ctx context.Context, n fleet.Node, removedAt time.Time, in cause.Evidence) (fleet.Explanation, error)
}

func (e Explainer) withDefaults() Explainer {
	if e.Came == nil {
		e.Came = cause.Came
	}
	if e.Went == nil {
		e.Went = cause.Went
	}
	return e
}

// explaining is an Explainer and what it explains from.
type explaining struct {
	Explainer
	evidence cause.Evidence
}

const (
	// explainLimit is how many changes are explained in one go.
	explainLimit = 200
	// explainBudget is how long that may take, because a message may become due meanwhile. What is left is explained in
	// the next go.
	explainBudget = 50 * time.Millisecond
)

// explain looks why some nodes came and went, if that is to be done now, and returns when to go on; ok is false if
// there is nothing to explain. What it found out is recorded in one transaction, with when to look again: killed
// before, it is looked for once more.
func (t *Teller) explain(ctx context.Context, now time.Time) (next time.Time, ok bool, err error) {
	next, ok, err = t.store.ExplainAt(ctx, t.cluster, now)
	if err == nil && t.causes && (!ok || next.After(now)) {
		// The waves are read anew once all is explained, not after each go: a wave may have hundreds of nodes.
		t.live, t.causes = nil, false
		return now, true, nil
	}
	if err != nil || !ok || next.After(now) {
		return next, ok, err
	}
	due, err := t.store.Unexplained(ctx, t.cluster, now, explainLimit)
	if err != nil || len(due) == 0 {
		return now.Add(time.Minute), true, err
	}
	began, evidence := time.Now(), remember(t.why.evidence)
	var found []wave.Explained
	for _, u := range due {
		e, err := t.why.look(ctx, u, evidence, now)
		if err != nil {
			return next, false, err
		}
		found = append(found, e)
		// Only what is stronger, or final, changes what a wave needs.
		t.causes = t.causes || e.Strength > u.Strength || e.Final()
		if time.Since(began) > explainBudget {
			break
		}
	}
	if err := t.store.SetCauses(ctx, t.cluster, found); err != nil {
		return next, false, err
	}
	return now, true, nil
}

// look explains a change, and says when to look again.
func (x Explainer) look(ctx context.Context, u wave.Unexplained, in cause.Evidence, now time.Time) (
	e wave.Explained, err error) {
	e = wave.Explained{Change: u.Change.ID, Looks: u.Looks + 1}
	if u.Change.Kind == fleet.Removed {
		e.Explanation, err = x.Went(ctx, u.Node, u.Change.At, in)
	} else {
		e.Explanation, err = x.Came(ctx, u.Node, u.ReadyAt, u.RemovedAt, in)
	}
	if err == nil && max(e.Strength, u.Strength) < cause.Strongest {
		e.Next = lookAgain(u, now)
	}
	return e, err
}

// looks are the pauses after the first looks: events may follow a change by seconds, and after a restart the two
// watches do not stand at the same moment. They are counted by looks and not by the clock, so that what changed long
// ago, or in a gap, is looked at as often.
var looks = []time.Duration{5 * time.Second, 15 * time.Second, 40 * time.Second}

const (
	// readyLife is for how long after a node became ready pods that waited for it are looked for, and joinLife for how
	// long after it joined if it does not become ready.
	readyLife = 5 * time.Minute
	joinLife  = 20 * time.Minute
	longest   = 4 * time.Minute // pause
	maxLooks  = 40              // whatever the clock says
)

// lookAgain is when a change is looked at again that was looked at now; zero if it is not.
func lookAgain(u wave.Unexplained, now time.Time) time.Time {
	if u.Looks < len(looks) {
		return now.Add(looks[u.Looks])
	}
	if u.Change.Kind == fleet.Removed || !u.RemovedAt.IsZero() || u.Looks >= maxLooks {
		return time.Time{}
	}
	since, end := u.Change.At, u.Change.At.Add(joinLife)
	if !u.ReadyAt.IsZero() {
		since = u.ReadyAt
		if last := u.ReadyAt.Add(readyLife); last.Before(end) {
			end = last
		}
	}
	if !now.Before(end) {
		return time.Time{}
	}
	// Ever longer pauses, and a last look at the end.
	next := now.Add(min(max(now.Sub(since), looks[len(looks)-1]), longest))
	if next.After(end) {
		next = end
	}
	return next
}
