package alert

import (
	"slices"
	"time"

	"rollcall/internal/wave"
)

// Action is what a wave needs.
type Action int

// The actions, from the most urgent to the least.
const (
	Post        Action = iota // post the main message
	PostPart                  // post a thread reply whose intent is recorded
	Edit                      // edit the main message: there is more to tell
	AddList                   // record the next thread reply that lists nodes
	AddUpdate                 // record the thread reply that says what the main message can no longer say
	AddCallOut                // record the thread reply about nodes that did not become ready
	AddReminder               // record the thread reply that rings once more
	EditPart                  // edit a thread reply: it does not say yet who looks at it
	Close                     // bring the main message to its final form; take no more like changes
	Finish                    // nothing more will change
)

// String names the action for the log.
func (a Action) String() string {
	return [...]string{"post", "post reply", "edit", "list nodes", "update in the thread", "call out", "remind",
		"edit reply", "close", "finish"}[a]
}

// Step is what a wave needs next, when, and why.
type Step struct {
	Action Action
	At     time.Time // not before
	Why    string    // for the log
	Part   int       // for PostPart and EditPart: index in Wave.Parts
}

// listAfter is how many unlisted nodes are worth a thread reply while the wave goes on: about
// as many as fit one.
const listAfter = 150

// waveLife is how long a wave waits for nodes to become ready or to recover before its
// messages are final.
const waveLife = 72 * time.Hour

// explainLife is how long a wave waits at most until it is known why its nodes came or went. A node's coming is looked
// at for twenty minutes.
const explainLife = 25 * time.Minute

// Next says what a wave needs: the steps that may be taken, in any order, each not before its
// time. lastAdd is when the latest untold change was added to it, zero if that was before the
// process began.
func Next(w wave.Wave, lastAdd, now time.Time, cfg Config) []Step {
	if ends := kindOf(w.Kind).ends; ends != nil && w.ClosedAt.IsZero() {
		// Before it is posted this only decides that its message tells the end too.
		end := ends(w)
		if w.Main.ID != "" || !end.IsZero() && !now.Before(end) {
			var steps []Step
			if !end.IsZero() {
				steps = append(steps, Step{Action: Close, At: end, Why: "what it tells ends"})
			}
			if w.Counts.Untold > 0 && w.Main.ID != "" && !w.Main.Frozen {
				at := w.Main.EditedAt.Add(max(leastSpacing, kindOf(w.Kind).calm))
				steps = append(steps, Step{Action: Edit, At: at, Why: "what it tells has changed"})
			}
			if i := slices.IndexFunc(w.Parts, func(p wave.Posting) bool { return p.ID == "" }); i >= 0 {
				steps = append(steps, Step{Action: PostPart, At: now, Part: i, Why: "a reply is recorded but not posted"})
			}
			steps = append(steps, looked(w)...)
			if remind, ok := reminder(w, cfg); ok {
				steps = append(steps, remind)
			}
			return steps
		}
	}
	if w.Main.ID == "" {
		return []Step{{Action: Post, At: now, Why: "nobody was told of this wave yet"}}
	}
	var steps []Step
	closed := !w.ClosedAt.IsZero()
	expired := !now.Before(w.LastAt.Add(waveLife))
	switch {
	case w.Counts.Untold == 0:
	case !w.Main.Frozen:
		steps = append(steps, Step{Action: Edit, At: editAt(w, lastAdd), Why: "changes are untold"})
	case !hasUnposted(w, wave.PartUpdate):
		at := now
		if !closed {
			at = closesAt(w, cfg)
		}
		steps = append(steps, Step{Action: AddUpdate, At: at, Why: "changes are untold, and the message takes no edits"})
	}
	if w.Counts.Untold == 0 && tellsCauses(w) {
		steps = append(steps, Step{Action: Edit, At: w.Main.EditedAt.Add(spacing(w)), Why: "causes are untold"})
	}
	steps = append(steps, looked(w)...)
	if i := slices.IndexFunc(w.Parts, func(p wave.Posting) bool { return p.ID == "" }); i >= 0 {
		steps = append(steps, Step{Action: PostPart, At: now, Part: i, Why: "a reply is recorded but not posted"})
	} else if listed(w) && w.Counts.Unlisted > 0 && (closed || w.Counts.Unlisted >= listAfter) {
		steps = append(steps, Step{Action: AddList, At: now, Why: "nodes are not named yet"})
	}
	if !closed {
		return append(steps,
			Step{Action: Close, At: closesAt(w, cfg), Why: "no like change for ALERT_WAVE_GAP, or ALERT_WAVE_MAX is over"})
	}
	if len(steps) > 0 {
		return steps
	}
	// A message that takes no edits cannot say why.
	explained := w.Counts.Unexplained == 0 || w.Main.Frozen || !now.Before(w.LastAt.Add(explainLife))
	remind, reminds := reminder(w, cfg)
	switch {
	case expired, w.Counts.Pending == 0 && explained && !reminds:
		return []Step{{Action: Finish, At: now, Why: "every step of its nodes is told"}}
	case reminds:
		steps = append(steps, remind)
	}
	if w.Counts.Pending == 0 {
		if !reminds {
			steps = append(steps,
				Step{Action: Finish, At: w.LastAt.Add(explainLife), Why: "causes had time enough to become known"})
		}
		return steps
	}
	if w.Counts.Unready > 0 && !hasPart(w, wave.PartStuck) {
		steps = append(steps,
			Step{Action: AddCallOut, At: w.LastAt.Add(cfg.ReadyDeadline), Why: "nodes did not become ready in time"})
	}
	return append(steps, Step{Action: Finish, At: w.LastAt.Add(waveLife), Why: "its nodes had three days to become ready"})
}

// tellsCauses reports whether a wave's message is to be edited only to say why its nodes came or went. While the wave
// is open it says what is known. After that it is edited once more, when something is known of all of them; and what is
// known better by then, when nothing more will be. Until then causes are told with other edits.
func tellsCauses(w wave.Wave) bool {
	if w.Counts.CauseChanged == 0 || w.Main.Frozen || kindOf(w.Kind).once {
		return false
	}
	return w.ClosedAt.IsZero() || w.Counts.Unexplained == 0 || w.Counts.CauseUntold > 0 && w.Counts.Causeless == 0
}

// Rewound returns the waves without the moments in the future that a clock that has been set back since
// has put there: otherwise a wave would wait until the clock is there again. What was said then is past,
// and a wave that took its last change then takes no more.
func Rewound(live []wave.Wave, now time.Time, cfg Config) []wave.Wave {
	live = slices.Clone(live)
	for i := range live {
		w := &live[i]
		if w.LastAt.After(now.Add(cfg.WaveGap)) {
			w.LastAt = now.Add(-cfg.WaveGap)
		}
		w.OpenedAt = earlier(w.OpenedAt, w.LastAt)
		if w.Main.EditedAt.After(now.Add(time.Second)) {
			w.Main.EditedAt = now.Add(-time.Second)
		}
	}
	return live
}

// listed reports whether the wave's nodes are named in its thread rather than one by one.
func listed(w wave.Wave) bool {
	return !Named(w.Counts.Members, w.Counts.Kinds) || hasPart(w, wave.PartList)
}

func hasPart(w wave.Wave, part string) bool {
	return slices.ContainsFunc(w.Parts, func(p wave.Posting) bool { return p.Part == part })
}

func hasUnposted(w wave.Wave, part string) bool {
	return slices.ContainsFunc(w.Parts, func(p wave.Posting) bool { return p.Part == part && p.ID == "" })
}

// editAt is when the main message may be edited next: never sooner than a second after the
// last time, and the longer the wave lasts the less often (a tenth of its age, at most 10 s),
// unless a pause in the changes says that they may be over. Slack permits about 50 edits a
// minute in all (Tier 3).
func editAt(w wave.Wave, lastAdd time.Time) time.Time {
	spacing := spacing(w)
	pause := min(max(spacing/4, leastSpacing), 2500*time.Millisecond)
	at := earlier(w.Main.EditedAt.Add(spacing), lastAdd.Add(pause))
	if soonest := w.Main.EditedAt.Add(leastSpacing); at.Before(soonest) {
		at = soonest
	}
	return at
}

// leastSpacing is how far edits of a message are apart at least.
const leastSpacing = time.Second

// spacing is how far edits of a message are apart while changes come in.
func spacing(w wave.Wave) time.Duration {
	const most = 10 * time.Second
	return min(max(w.Main.EditedAt.Sub(w.OpenedAt)/10, leastSpacing), most)
}

// reminder is the step that rings once more, because nobody looks at what is loud and still so; ok is false if none is
// to come. A wave waits for it before it is finished.
func reminder(w wave.Wave, cfg Config) (s Step, ok bool) {
	since, ok := loudSince(w)
	if !ok || cfg.RemindAfter <= 0 || w.Look != (wave.Look{}) || hasPart(w, wave.PartRemind) ||
		cfg.Routes.Rung(w.Mentions) == "" {
		return Step{}, false
	}
	return Step{Action: AddReminder, At: since.Add(cfg.RemindAfter), Why: "nobody looks at it"}, true
}

// loudSince is when a message was posted that tells what is loud and still so: of the wave, or of its nodes that did
// not become ready.
func loudSince(w wave.Wave) (since time.Time, ok bool) {
	k := kindOf(w.Kind)
	switch {
	case w.Main.ID == "":
		return since, false
	case k.loud && k.ends != nil: // until it ends
		return w.Main.Posted, w.About.Standing == nil || w.About.Standing.Until.IsZero()
	case k.loud && w.Counts.Members == 0:
		return w.Main.Posted, true
	case (k.loud || k.mixed) && w.Counts.Pending > w.Counts.Unready: // until its nodes are well again
		return w.Main.Posted, true
	}
	i := slices.IndexFunc(w.Parts, func(p wave.Posting) bool { return p.Part == wave.PartStuck && p.ID != "" })
	if i < 0 {
		return since, false
	}
	return w.Parts[i].Posted, w.Counts.Unready > 0
}

// looked are the steps that say in a wave's messages who looks at it.
func looked(w wave.Wave) (steps []Step) {
	if w.Look == (wave.Look{}) {
		return nil
	}
	const why = "somebody looks at it"
	said := func(p wave.Posting) bool { return p.Part == wave.PartUpdate && (p.Looked || p.ID == "") }
	switch {
	case w.Main.ID == "" || w.Main.Looked:
	case !w.Main.Frozen:
		steps = append(steps, Step{Action: Edit, At: w.Main.EditedAt.Add(leastSpacing), Why: why})
	case !slices.ContainsFunc(w.Parts, said):
		steps = append(steps, Step{Action: AddUpdate, At: w.Main.EditedAt, Why: why})
	}
	for i, p := range w.Parts {
		if (p.Part == wave.PartStuck || p.Part == wave.PartRemind) && p.ID != "" && !p.Looked && !p.Frozen {
			steps = append(steps, Step{Action: EditPart, Part: i, At: p.EditedAt.Add(leastSpacing), Why: why})
		}
	}
	return steps
}

// StillLoud reports whether what a wave tells is loud, posted and still so, as far as is known.
func StillLoud(w wave.Wave) bool {
	_, ok := loudSince(w)
	return ok
}
