package deliver

import (
	"context"
	"slices"
	"strconv"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// Rollouts is what says how Deployments are rolled out.
type Rollouts interface {
	SelectRollouts(ctx context.Context, cluster string, globs []string, now time.Time) (map[string]time.Time, error)
	Stepped(ctx context.Context, cluster string, after int64) (of []fleet.ObjectRef, last int64, err error)
	RolloutSteps(ctx context.Context, cluster string, of fleet.ObjectRef) ([]fleet.RolloutStep, error)
	ToldRollouts(ctx context.Context, cluster string, since time.Time) ([]wave.Told, error)
	MutesSince(ctx context.Context, cluster string, since time.Time) ([]wave.Mute, error)
	PodWarnings(ctx context.Context, cluster, namespace, set string, from, until time.Time, limit int) (
		[]fleet.Event, error)
	RolloutNodes(ctx context.Context, cluster string, of fleet.ObjectRef, from, until time.Time) (int, error)
	PodSigns(ctx context.Context, cluster, namespace, set string, since time.Time) (fleet.PodSigns, error)
	AddRolloutSteps(ctx context.Context, cluster string, steps []fleet.RolloutStep) error
}

const (
	// rolloutsEvery is how often to look for steps of rollouts.
	rolloutsEvery = 5 * time.Second
	// maxPodWarnings is how many warnings about the new pods of a rollout are looked at.
	maxPodWarnings = 2000
	// toldFor is how far back is looked for what was told of a rollout that has had a step in its RolloutLife: one that
	// lasted for longer has a message that is not final.
	toldFor = 30 * 24 * time.Hour
)

// rollouts finds the rollouts of the Deployments that ROLLOUTS selects.
func (t *Teller) rollouts() standing {
	r := rolling{teller: t, of: map[fleet.ObjectRef]*deployment{}}
	every := rolloutsEvery
	if len(t.alert.Rollouts) == 0 { // what was told before is ended by the first look
		every = time.Hour
	}
	return standing{kind: wave.KindRollout, every: every, find: r.find}
}

// rolling is what is known of Deployments between two looks.
type rolling struct {
	teller *Teller
	since  map[string]time.Time // since when rollouts are told, by glob; nil before the first look
	last   int64                // the last step that was heard of
	of     map[fleet.ObjectRef]*deployment
}

// deployment is a Deployment that has been rolled out of late.
type deployment struct {
	steps    []fleet.RolloutStep // nil once no rollout of it goes on
	rollouts []fleet.Rollout
	settled  map[string]bool // those of them of which nothing is to be said any more
}

func (r *rolling) find(ctx context.Context, live []wave.Wave, now time.Time) ([]wave.About, error) {
	t := r.teller
	if r.since == nil {
		since, err := t.store.SelectRollouts(ctx, t.cluster, t.alert.Rollouts, now)
		if err != nil {
			return nil, err
		}
		r.since = since
	}
	if len(r.since) == 0 {
		return nil, nil
	}
	seen := t.eventsSeen(now)
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	in := alert.Rolling{Since: r.since, Routes: t.alert.Routes}
	for of, d := range r.of {
		d.look(seen)
		if err := r.byPods(ctx, d, seen); err != nil {
			return nil, err
		}
		for _, x := range d.rollouts {
			if !d.settled[rolloutKey(x)] {
				in.Found = append(in.Found, x)
			}
		}
		if len(d.rollouts) == 0 && d.steps == nil {
			delete(r.of, of)
		}
	}
	if len(in.Found) == 0 {
		return nil, nil
	}
	var err error
	if in.Told, err = t.store.ToldRollouts(ctx, t.cluster, now.Add(-toldFor)); err != nil {
		return nil, err
	}
	if in.Mutes, err = t.store.MutesSince(ctx, t.cluster, now.Add(-fleet.RolloutLife-time.Hour)); err != nil {
		return nil, err
	}
	slices.SortFunc(in.Found, func(a, b fleet.Rollout) int { return a.Start.Compare(b.Start) })
	found := alert.FindRollouts(in, live, now)
	for i := range found {
		if err := r.fill(ctx, found[i].Rollout, now); err != nil {
			return nil, err
		}
	}
	for _, x := range in.Found {
		told := slices.ContainsFunc(found, func(a wave.About) bool { return a.Rollout.Same(x) })
		if x.State.Over() && !told && seen.Sub(x.Last) > alert.RolloutNodes {
			r.of[deploymentOf(x)].settled[rolloutKey(x)] = true
		}
	}
	return found, nil
}

func rolloutKey(x fleet.Rollout) string { return x.Set + "/" + strconv.FormatInt(x.Start.Unix(), 10) }

func deploymentOf(x fleet.Rollout) fleet.ObjectRef {
	return fleet.ObjectRef{Kind: "Deployment", Namespace: x.Deployment.Namespace, Name: x.Deployment.Name}
}

// read reads the steps of the Deployments that have had some since the last look.
func (r *rolling) read(ctx context.Context) error {
	stepped, last, err := r.teller.store.Stepped(ctx, r.teller.cluster, r.last)
	if err != nil {
		return err
	}
	for _, of := range stepped {
		if _, ok := alert.RolloutsSince(r.since, of); !ok {
			continue
		}
		steps, err := r.teller.store.RolloutSteps(ctx, r.teller.cluster, of)
		if err != nil {
			return err
		}
		if r.of[of] == nil {
			r.of[of] = &deployment{settled: map[string]bool{}}
		}
		r.of[of].steps = steps
	}
	r.last = last
	return nil
}

// byPods records the steps of a rollout that no event of its Deployment tells of, but those of its pods prove.
func (r *rolling) byPods(ctx context.Context, d *deployment, now time.Time) error {
	t := r.teller
	n := len(d.rollouts)
	if n == 0 {
		return nil
	}
	x := d.rollouts[n-1]
	if x.State.Over() || x.Had == 0 || !x.Missed && !x.Dropped {
		return nil
	}
	var signs []fleet.PodSigns
	for _, set := range append(slices.Clone(x.Olds), x.Set) {
		s, err := t.store.PodSigns(ctx, t.cluster, x.Deployment.Namespace, set, x.Start)
		if err != nil {
			return err
		}
		signs = append(signs, s)
	}
	steps := x.ByPods(signs, now)
	if len(steps) == 0 {
		return nil
	}
	if err := t.store.AddRolloutSteps(ctx, t.cluster, steps); err != nil {
		return err
	}
	d.steps = append(d.steps, steps...)
	d.look(now)
	return nil
}

// look finds its rollouts as of a moment. Those that ended long ago are forgotten.
func (d *deployment) look(now time.Time) {
	if d.steps == nil {
		d.rollouts = slices.DeleteFunc(d.rollouts, func(x fleet.Rollout) bool {
			return now.Sub(x.Last) > fleet.RolloutLife+time.Hour
		})
		return
	}
	goesOn := false
	d.rollouts = fleet.Rollouts(d.steps, now)
	d.rollouts = slices.DeleteFunc(d.rollouts, func(x fleet.Rollout) bool {
		goesOn = goesOn || !x.State.Over()
		return now.Sub(x.Last) > fleet.RolloutLife+time.Hour
	})
	if !goesOn {
		d.steps = nil
	}
}

// fill adds what is said of a rollout's new pods, and how many nodes came for it.
func (r *rolling) fill(ctx context.Context, x *wave.Rollout, now time.Time) error {
	t := r.teller
	until := now
	if x.State.Over() {
		until = x.Last.Add(time.Minute)
	}
	events, err := t.store.PodWarnings(ctx, t.cluster, x.Deployment.Namespace, x.Set, x.Start, until, maxPodWarnings)
	if err != nil {
		return err
	}
	x.Warnings = alert.RolloutWarnings(events)
	x.Nodes, err = t.store.RolloutNodes(ctx, t.cluster, x.Deployment, x.Start, x.Last.Add(alert.RolloutNodes))
	return err
}
