package alert

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// These are Rollcall's own choice.
const (
	rolloutCalm  = 10 * time.Second // edits are apart by at least
	rolloutQuiet = 5 * time.Minute  // what is heard of it so long after its end is still said in its message
	maxWarnings  = 3                // reasons of warnings that a message tells
	maxWarnNote  = 150              // of a warning's note, in characters

	// RolloutNodes is how long after its last step nodes may come for a rollout.
	RolloutNodes = 20 * time.Minute
)

// Rolling is what FindRollouts looks at.
type Rolling struct {
	Found []fleet.Rollout // of all Deployments that have been heard of
	Told  []wave.Told     // what was told of rollouts that Found may have
	Mutes []wave.Mute     // that are active or have ended since the first of Found
	// Routes say in which channel a rollout is told: a mute of another one does not hide it.
	Routes Routes
	// Since is since when rollouts are told, by the globs of ROLLOUTS: of a rollout that was over before nobody wanted to
	// know.
	Since map[string]time.Time
}

// RolloutsSince is since when a Deployment's rollouts are told; ok is false if they are not.
func RolloutsSince(globs map[string]time.Time, of fleet.ObjectRef) (since time.Time, ok bool) {
	for glob, at := range globs {
		if match, _ := path.Match(glob, of.Namespace+"/"+of.Name); match && (!ok || at.Before(since)) {
			since, ok = at, true
		}
	}
	return since, ok
}

// FindRollouts says which rollouts there are to tell: each has one message, whatever is known of it by now, and what
// was told is not told again. live are all waves that are not done.
func FindRollouts(in Rolling, live []wave.Wave, now time.Time) (found []wave.About) {
	for _, r := range in.Found {
		since, ok := RolloutsSince(in.Since, r.Deployment)
		if !ok {
			continue
		}
		s := wave.Standing{Since: r.Start,
			Key: fmt.Sprintf("%s/%s/%s/%d", r.Deployment.Namespace, r.Deployment.Name, r.Set, r.Start.Unix())}
		if r.State.Over() {
			if s.Until = r.Last; r.State == fleet.RolloutLeft {
				s.Until = r.Last.Add(fleet.RolloutLife)
			}
		}
		about := wave.Rollout{Rollout: r}
		if w, ok := toldRollout(live, r); ok {
			s.Key = w.About.Standing.Key
			about.Warnings, about.Nodes = w.About.Rollout.Warnings, w.About.Rollout.Nodes
		} else if !s.Until.IsZero() && s.Until.Before(since) || in.muted(r, s.Until, now) ||
			slices.ContainsFunc(in.Told, func(t wave.Told) bool {
				return t.About.Rollout != nil && t.About.Rollout.Same(r)
			}) {
			continue
		}
		found = append(found, wave.About{Standing: &s, Rollout: &about})
	}
	return found
}

// toldRollout is the wave that tells of a rollout and is not final.
func toldRollout(live []wave.Wave, r fleet.Rollout) (w wave.Wave, ok bool) {
	for _, w := range live {
		if w.Kind == wave.KindRollout && w.About.Standing != nil && w.About.Rollout != nil && w.ClosedAt.IsZero() &&
			w.About.Rollout.Same(r) {
			return w, true
		}
	}
	return w, false
}

// muted reports whether a mute hides a rollout: it is active, or was when the rollout ended.
func (in Rolling) muted(r fleet.Rollout, until, now time.Time) bool {
	to := in.Routes.OfWave(wave.KindRollout, wave.About{Rollout: &wave.Rollout{Rollout: r}}, nil)
	return slices.ContainsFunc(in.Mutes, func(m wave.Mute) bool {
		return m.HidesRollout(r.Deployment) && in.Routes.Mutes(m, to.Channel) &&
			(m.Active(now) || !until.IsZero() && m.Active(until))
	})
}

func rolloutAttributes(a wave.About) map[string]string {
	if a.Rollout == nil {
		return nil
	}
	return map[string]string{KeyNamespace: a.Rollout.Deployment.Namespace}
}

// RolloutWarnings counts warnings about the new pods of a rollout by their reasons, the most frequent first.
func RolloutWarnings(events []fleet.Event) (warnings []wave.RolloutWarning) {
	index := map[string]int{}
	pods := map[string]bool{}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b fleet.Event) int { return a.First.Compare(b.First) })
	for _, e := range events {
		i, ok := index[e.Reason]
		if !ok {
			i = len(warnings)
			index[e.Reason] = i
			warnings = append(warnings, wave.RolloutWarning{Reason: message.OneWord(e.Reason),
				Note: message.Clip(strings.Join(strings.Fields(message.Clean(e.Note)), " "), maxWarnNote)})
		}
		if pod := e.Reason + " " + e.Regarding.Name; e.Regarding.Kind == "Pod" && !pods[pod] {
			pods[pod] = true
			warnings[i].Pods++
		}
	}
	slices.SortStableFunc(warnings, func(a, b wave.RolloutWarning) int { return b.Pods - a.Pods })
	return warnings[:min(len(warnings), maxWarnings)]
}

func rolloutButtons(w wave.Wave) []message.Button {
	if w.About.Rollout == nil {
		return []message.Button{muteButton(w)}
	}
	d := w.About.Rollout.Deployment
	return []message.Button{{Label: "Events", Verb: message.Open,
		Value: "/events --for deployment/" + d.Name + " -n " + d.Namespace}, muteButton(w)}
}

// sayRollout says how far a rollout is, or how it ended. Whether pods are ready it does not say, because nothing does.
func sayRollout(r *rendering) {
	var x wave.Rollout
	if r.wave.About.Rollout != nil {
		x = *r.wave.About.Rollout
	}
	r.quiet = true
	over := r.wave.About.Standing != nil && !r.wave.About.Standing.Until.IsZero()
	icon, said := message.Rollout(x.Rollout, !over)
	r.m.Icon, r.m.Lead = icon, line(r.wave.Cluster+": ", said)
	dateOld([]message.Line{r.m.Lead}, r.wave.OpenedAt)
	r.m.Headline = r.m.Lead.String()
	switch {
	case over:
	case x.State == fleet.RolloutLost:
		r.add(line("Not all steps are seen: Kubernetes writes no more than 25 events in a row about one Deployment."))
	case x.State == fleet.StandsStill && x.New+x.Old > 0:
		r.add(line("It may be paused, or its new pods do not become ready: its events do not say."))
	}
	r.add(line(message.RolloutSets(x.Rollout)))
	for _, w := range x.Warnings {
		text := "⚠️ "
		switch w.Pods {
		case 0:
			text += "The new ReplicaSet"
		case 1:
			text += "1 pod of the new one"
		default:
			text += fmt.Sprintf("%d pods of the new one", w.Pods)
		}
		r.add(line(text + ": " + strings.TrimSuffix(w.Reason+": "+w.Note, ": ")))
	}
	if x.Nodes > 0 {
		r.add(line(nodes(x.Nodes) + " came for it."))
	}
	switch {
	case !x.Began && x.State != fleet.RolloutLost:
		r.add(line("Its first step was not seen: it may have begun earlier."))
	case x.Missed && !x.State.Over() && x.State != fleet.RolloutLost:
		r.add(line("Not all of its steps were seen."))
	}
}
