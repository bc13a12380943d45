package fleet

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RolloutStep is a step of a Deployment: one of its ReplicaSets was given another size. Every string is untrusted.
type RolloutStep struct {
	Deployment ObjectRef
	Set        string // name of the ReplicaSet
	Up         bool
	From       int // pods; -1: the event does not say
	To         int
	At         time.Time // in whole seconds
}

// OfRollout returns the steps that the event tells of. It is one, and two of an event that was repeated: then its last
// time is known too. Of a combined event the last step alone is known, and only its last time.
func (e *Event) OfRollout() []RolloutStep {
	if e.Reason != "ScalingReplicaSet" || e.Regarding.Kind != "Deployment" || e.Regarding.Namespace == "" ||
		!validName("Deployment", e.Regarding.Name) {
		return nil
	}
	note, combined := strings.CutPrefix(e.Note, combinedNote)
	rest, up := strings.CutPrefix(note, "Scaled up replica set ")
	if !up {
		var down bool
		if rest, down = strings.CutPrefix(note, "Scaled down replica set "); !down {
			return nil
		}
	}
	// "web-7d4f19 from 0 to 10"; before Kubernetes 1.26 "web-7d4f19 to 10".
	words := strings.Fields(rest)
	s := RolloutStep{Deployment: e.Regarding, Up: up, From: -1, At: e.First}
	switch {
	case len(words) == 5 && words[1] == "from" && words[3] == "to":
		from, ok := pods(words[2])
		if !ok {
			return nil
		}
		s.From, words = from, words[2:]
	case len(words) != 3 || words[1] != "to":
		return nil
	}
	s.Set, _, _ = strings.Cut(rest, " ")
	to, ok := pods(words[2])
	if !ok || !validName("ReplicaSet", s.Set) || s.From >= 0 && (s.From == to || s.Up != (s.From < to)) {
		return nil
	}
	s.To = to
	last := s
	last.At = e.Last
	switch {
	case combined:
		return []RolloutStep{last}
	case e.Count > 1 && e.Last.After(e.First):
		return []RolloutStep{s, last}
	}
	return []RolloutStep{s}
}

func pods(text string) (n int, ok bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && n <= 1<<31-1
}

// RolloutState is how far a rollout is. Whether pods are ready no event of a Deployment says.
type RolloutState string

// The states of a rollout. The last six are ends.
const (
	RollingOut  RolloutState = "rolling out"
	RollingBack RolloutState = "rolling back"   // the old ReplicaSet grows again, the new one shrinks
	StandsStill RolloutState = "standing still" // no step for RolloutStill
	RolloutLost RolloutState = "lost"           // the same, but not all of its steps are known

	RolledOut       RolloutState = "done"
	RolledBack      RolloutState = "rolled back"
	RolloutReplaced RolloutState = "replaced" // by a rollout to a third ReplicaSet
	RolloutUnseen   RolloutState = "unseen"   // not all of its steps are known, and a rollout to a third ReplicaSet began
	RolloutLeft     RolloutState = "left"     // no step for RolloutLife
	RolloutGone     RolloutState = "gone"     // there is another Deployment of this name
)

// Over reports whether a rollout in this state has ended.
func (s RolloutState) Over() bool {
	switch s {
	case RollingOut, RollingBack, StandsStill, RolloutLost:
		return false
	}
	return true
}

// These are Rollcall's own choice.
const (
	RolloutStill  = 10 * time.Minute // a rollout without a step for so long stands still
	RolloutLife   = 72 * time.Hour   // and after so long is over
	rolloutSettle = 5 * time.Second  // no step for so long, and what looks like an end is one
	rolloutNear   = 10 * time.Minute // what belongs together is no further apart
	rolloutStale  = time.Hour        // sizes that may have changed unseen count no more after so long
	stopping      = time.Minute      // pods of a ReplicaSet that has shrunk are stopped by then
	together      = 2 * time.Second  // steps of one sync of the controller, in whole seconds
	maxTogether   = 100              // steps of one second of which an order is looked for: a controller writes 25
)

// A controller writes no more than so many events about one object in a row, and one more for each eventRefill: what
// exceeds that is dropped. Source: client-go, tools/record/events_cache.go.
const (
	eventBurst  = 25
	eventRefill = 5 * time.Minute
)

// Rollout is one rollout of a Deployment, as far as its steps tell: the pods of other ReplicaSets are replaced by those
// of one.
type Rollout struct {
	Deployment ObjectRef    `json:"deployment"`
	Set        string       `json:"set"`            // the new ReplicaSet
	Olds       []string     `json:"olds,omitempty"` // those that had pods when it began, the largest first
	Start      time.Time    `json:"start"`
	Last       time.Time    `json:"last"` // its last step
	State      RolloutState `json:"state"`
	// New and Old are how many pods the new ReplicaSet and all others were to have after the last step, and Want how many
	// the new one is to have in the end; 0: not known.
	New    int    `json:"new"`
	Old    int    `json:"old"`
	Want   int    `json:"want,omitempty"`
	Back   bool   `json:"back,omitempty"`   // to a ReplicaSet that the Deployment had before
	Began  bool   `json:"began,omitempty"`  // its first step was seen; if not, it may have begun before Start
	Missed bool   `json:"missed,omitempty"` // not all of its steps were seen
	By     string `json:"by,omitempty"`     // the ReplicaSet of the rollout that came next, before its end was seen
	// Had is how many pods the old ReplicaSets had when it began; 0: not known. Dropped reports whether steps since Last
	// may have been dropped.
	Had     int  `json:"-"`
	Dropped bool `json:"-"`

	sizes map[string]int // of each ReplicaSet
}

// Same reports whether two looks are at one rollout: it may have been known by fewer steps before. Between two rollouts
// of a Deployment to one ReplicaSet there is one to another.
func (r Rollout) Same(o Rollout) bool {
	return r.Deployment.Namespace == o.Deployment.Namespace && r.Deployment.Name == o.Deployment.Name && r.Set == o.Set &&
		!r.Start.After(o.Last) && !o.Start.After(r.Last)
}

// Rollouts finds the rollouts of one Deployment in its steps, in any order, as they stand at a moment; the first comes
// first. What is known of the Deployment's past belongs into the steps: a ReplicaSet that no step has ever named was
// created.
//
// The size of one ReplicaSet changes without a rollout, and so does that of two in the same direction, while one goes
// on. A rollout begins where a ReplicaSet grows that is not the one which the Deployment had, and another one shrinks
// or is known to have pods. Its end is where all others have none; if steps are missing, no end is made up.
func Rollouts(steps []RolloutStep, now time.Time) []Rollout {
	f := folding{}
	steps = slices.Clone(steps)
	slices.SortStableFunc(steps, func(a, b RolloutStep) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Deployment.UID, b.Deployment.UID))
	})
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].At.Equal(steps[0].At) && steps[n].Deployment.UID == steps[0].Deployment.UID {
			n++
		}
		f.second(steps[:n])
		steps = steps[n:]
	}
	if f.run != nil {
		f.judge(now)
		f.run.sizes = f.size
		f.all = append(f.all, f.run.Rollout)
	}
	return f.all
}

// folding goes through the steps of a Deployment.
type folding struct {
	all     []Rollout
	uid     string
	size    map[string]int       // of each ReplicaSet that was named
	rise    map[string]movement  // when it last began to grow
	drop    map[string]movement  // and to shrink
	seen    map[string]time.Time // when it was named first
	current string               // the one that the Deployment has, or is to have
	run     *running
	credit  float64 // of events that the controller may still write
	at      time.Time
}

// movement is a run of steps of one ReplicaSet in one direction.
type movement struct {
	since, last time.Time
	from        int // before the first of them; -1: not known
	before      int // and before the last
}

// running is a rollout that goes on.
type running struct {
	Rollout
	grew, shrank time.Time       // when an old ReplicaSet grew, and the new one shrank, since it grew last
	touched      map[string]bool // the others that have had a step since it began
}

// second takes the steps of one second, of which the order is not known: the steps of a ReplicaSet in the order in
// which one follows from the other, and what grows from nothing first.
func (f *folding) second(steps []RolloutStep) {
	if uid := steps[0].Deployment.UID; f.size == nil || uid != f.uid && uid != "" && f.uid != "" {
		if f.run != nil {
			f.end(RolloutGone)
		}
		*f = folding{all: f.all, uid: uid, size: map[string]int{}, rise: map[string]movement{},
			drop: map[string]movement{}, seen: map[string]time.Time{}, credit: eventBurst, at: steps[0].At}
	}
	rest := slices.Clone(steps)
	slices.SortFunc(rest, func(a, b RolloutStep) int {
		return cmp.Or(cmp.Compare(a.Set, b.Set), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	for len(rest) > 0 {
		best, rank := 0, -1
		for i, s := range rest {
			if len(rest) > maxTogether {
				break
			}
			if r := f.rank(s, rest); r > rank {
				best, rank = i, r
			}
		}
		f.step(rest[best])
		rest = slices.Delete(rest, best, best+1)
	}
}

// rank is how well a step is the next of several of one second.
func (f *folding) rank(s RolloutStep, rest []RolloutStep) (rank int) {
	size, known := f.size[s.Set]
	switch {
	case s.From < 0, known && s.From == size, !known && s.Up && s.From == 0:
		rank = 8
	case !known, !slices.ContainsFunc(rest, func(o RolloutStep) bool { return o.Set == s.Set && o.To == s.From }):
		rank = 4
	}
	switch {
	case s.Up && s.From == 0:
		rank += 2
	case s.Up == known: // of there and back within a second, an old ReplicaSet that has not been heard of went down first
		rank++
	}
	return rank
}

// step takes the next step.
func (f *folding) step(s RolloutStep) {
	f.credit = min(eventBurst, f.credit+float64(s.At.Sub(f.at))/float64(eventRefill))
	f.at = s.At
	f.credit = max(0, f.credit-1)
	if f.run != nil {
		f.judge(s.At)
		if f.run.State.Over() {
			f.all = append(f.all, f.run.Rollout)
			f.run = nil
		}
	}
	size, known := f.size[s.Set]
	missed := known && s.From >= 0 && s.From != size
	if s.From < 0 {
		switch {
		case known:
			s.From = size
		case s.Up: // nobody has heard of it before
			s.From = 0
		}
	}
	if f.run == nil {
		f.begin(s)
	} else {
		f.goOn(s, missed, known)
	}
	f.move(s)
	if f.run != nil {
		f.run.sum(f.size)
		f.run.Last, f.run.State, f.run.Dropped = s.At, RollingOut, f.credit < 1
		if f.run.back() {
			f.run.State = RollingBack
		}
	}
}

// move notes a step.
func (f *folding) move(s RolloutStep) {
	of, other := f.rise, f.drop
	if !s.Up {
		of, other = f.drop, f.rise
	}
	m, ok := of[s.Set]
	if !ok || s.At.Sub(m.last) > rolloutNear || other[s.Set].last.After(m.last) {
		m = movement{since: s.At, from: s.From}
	}
	m.last, m.before = s.At, s.From
	of[s.Set] = m
	if _, ok := f.seen[s.Set]; !ok {
		f.seen[s.Set] = s.At
	}
	f.size[s.Set] = s.To
}

// begin looks whether a step is one of a rollout that was not known of.
func (f *folding) begin(s RolloutStep) {
	shrinking := func() bool { // another one, of late
		for set, m := range f.drop {
			if set != s.Set && s.At.Sub(m.last) <= rolloutNear {
				return true
			}
		}
		return false
	}
	switch {
	case s.Up && f.current == "": // it is the first that is known: created, or another one will shrink
		f.current = s.Set
	case s.Up && s.Set != f.current:
		if s.From == 0 || shrinking() {
			f.start(s.Set, s)
		}
		f.current = s.Set
	case !s.Up && f.current == "":
		f.current = s.Set
	case !s.Up && s.Set != f.current:
		if m, ok := f.rise[f.current]; ok && s.At.Sub(m.last) <= rolloutNear {
			f.start(f.current, s)
		}
	}
}

// start begins a rollout to a ReplicaSet with a step, which is not noted yet: of itself or of another.
func (f *folding) start(set string, s RolloutStep) {
	r := running{Rollout: Rollout{Deployment: s.Deployment, Set: set, Start: s.At}, touched: map[string]bool{}}
	first := s.From
	if s.Set != set { // it has grown already
		m := f.rise[set]
		r.Start, first = m.since, m.from
	}
	r.Began = first == 0
	r.Back = !f.seen[set].IsZero() && f.seen[set].Before(r.Start)
	had := map[string]int{}
	sure, scaled := r.Began, false
	for other, size := range f.size {
		if other == set {
			continue
		}
		if m, ok := f.drop[other]; ok && other == f.current {
			switch apart := r.Start.Sub(m.last); {
			case size == 0 && apart <= rolloutNear: // Recreate: the old one has none by now
				size, r.Start, r.touched[other] = m.before, m.last, true
			case apart <= rolloutSettle: // without a surge an old one shrinks first, or it was scaled
				r.Start, r.touched[other], sure = m.last, true, false
			case apart <= stopping:
				scaled = true
			}
		}
		if size > 0 {
			had[other] = size
		}
	}
	if s.Set != set {
		r.touched[s.Set] = true
		if had[s.Set] == 0 || f.size[s.Set] != s.From {
			had[s.Set] = s.From
		}
		sure = sure && s.From > 0
	}
	if len(had) == 0 && f.current != set { // the Deployment has had no pods for a while
		had[f.current], sure = 0, false
	}
	r.Olds = slices.SortedFunc(maps.Keys(had), func(a, b string) int {
		return cmp.Or(cmp.Compare(had[b], had[a]), cmp.Compare(a, b))
	})
	if sure {
		for _, n := range had {
			r.Want += max(0, n)
		}
		if !scaled {
			r.Had = r.Want
		}
	}
	f.run = &r
}

// goOn takes a step while a rollout goes on.
func (f *folding) goOn(s RolloutStep, missed, known bool) {
	r := f.run
	near := func(at time.Time) bool { return !at.IsZero() && s.At.Sub(at) <= together }
	switch {
	case s.Set == r.Set && s.Up:
		if near(r.grew) {
			r.Want = 0 // both grow: the Deployment was given another size
		}
		r.grew, r.shrank = time.Time{}, time.Time{}
	case s.Set == r.Set:
		if near(f.falling(r.Set)) {
			r.Want = 0 // both shrink
		} else {
			r.shrank = s.At
		}
	case s.Up && s.From == 0 && (f.size[s.Set] == 0 || missed) && (!slices.Contains(r.Olds, s.Set) || r.complete(f.size)):
		stale := false
		switch {
		case r.complete(f.size):
			r.State = RolledOut
		case r.Missed || r.Dropped:
			r.State, r.By, stale = RolloutUnseen, s.Set, s.At.Sub(r.Last) > rolloutStale
		default:
			r.State, r.By = RolloutReplaced, s.Set
		}
		f.all = append(f.all, r.Rollout)
		for other := range f.size {
			if stale && other != r.Set {
				f.size[other] = 0
			}
		}
		f.start(s.Set, s)
		f.run.Missed = stale
		f.current = s.Set
		return
	case s.Up:
		if m := f.rise[r.Set]; near(m.last) && r.shrank.IsZero() && m.last.After(r.Start) {
			r.Want = 0
		} else {
			r.grew = s.At
		}
		r.touched[s.Set] = true
	default:
		if near(r.shrank) {
			r.Want, r.shrank = 0, time.Time{}
		}
		r.grew = time.Time{}
		if (missed || !known) && !r.touched[s.Set] {
			// What was known of the others may be of long ago.
			for other := range f.size {
				moved := Latest(f.rise[other].last, f.drop[other].last)
				if other != r.Set && other != s.Set && !r.touched[other] && r.Start.Sub(moved) > rolloutNear {
					f.size[other] = 0
				}
			}
			r.Want = 0
		}
		r.touched[s.Set] = true
		if !slices.Contains(r.Olds, s.Set) {
			r.Olds = append(r.Olds, s.Set)
		}
	}
	if missed {
		r.Missed = true
	}
}

// falling is when another ReplicaSet than the given one shrank last; zero if none has.
func (f *folding) falling(set string) (last time.Time) {
	for other, m := range f.drop {
		if other != set && m.last.After(last) {
			last = m.last
		}
	}
	return last
}

// sum counts the pods.
func (r *running) sum(size map[string]int) {
	r.New, r.Old = size[r.Set], 0
	for set, n := range size {
		if set != r.Set {
			r.Old += n
		}
	}
	if r.New > r.Want {
		r.Want = 0
	}
}

// complete reports whether only the new ReplicaSet has pods.
func (r *running) complete(size map[string]int) bool {
	r.sum(size)
	return r.New > 0 && r.Old == 0
}

// back reports whether it is undone: an old ReplicaSet grew and the new one shrank, and neither has gone on since.
func (r *running) back() bool {
	grew, shrank := !r.grew.IsZero(), !r.shrank.IsZero()
	return grew && shrank || (grew || shrank) && r.New == 0 && r.Old > 0
}

// judge says how a rollout that goes on stands at a moment.
func (f *folding) judge(now time.Time) {
	r := f.run
	quiet := now.Sub(r.Last)
	if quiet < -time.Minute { // a clock was set
		quiet = RolloutStill - 1
	}
	switch {
	case quiet > rolloutSettle && r.New > 0 && r.Old == 0:
		r.State = RolledOut
	case quiet > rolloutSettle && r.New == 0 && r.Old > 0 && r.back():
		r.State = RolledBack
		f.current = f.largest()
	case quiet > RolloutLife:
		r.State = RolloutLeft
	case quiet > RolloutStill && (r.Dropped || r.Missed):
		r.State = RolloutLost
	case quiet > RolloutStill:
		r.State = StandsStill
	}
}

// end ends the rollout that goes on.
func (f *folding) end(state RolloutState) {
	f.run.State = state
	f.all = append(f.all, f.run.Rollout)
	f.run = nil
}

// largest is the ReplicaSet with the most pods.
func (f *folding) largest() (set string) {
	for _, s := range slices.Sorted(maps.Keys(f.size)) {
		if set == "" || f.size[s] > f.size[set] {
			set = s
		}
	}
	return set
}

// PodSigns are what events say of the pods of a ReplicaSet since a moment: when each of those that came since was heard
// of first, and when each was stopped.
type PodSigns struct {
	Set           string
	Born, Stopped map[string]time.Time
}

// ByPods returns the steps of a rollout that follow from its pods, if not all are known and each pod of the old
// ReplicaSets was stopped: of those that they had, and of those that came since. signs are those since it began. What
// is not heard of pods proves nothing.
func (r Rollout) ByPods(signs []PodSigns, now time.Time) (steps []RolloutStep) {
	if r.State.Over() || r.Had == 0 || !r.Missed && !r.Dropped {
		return nil
	}
	olds, news := r.Had, 0
	var last time.Time
	for _, of := range signs {
		for pod, at := range of.Stopped {
			_, born := of.Born[pod]
			switch {
			case of.Set != r.Set:
				olds, last = olds-1, Latest(last, at)
			case born:
				news--
			}
		}
		if of.Set == r.Set {
			news += len(of.Born)
		} else {
			olds += len(of.Born)
		}
	}
	if olds > 0 || news <= 0 || now.Sub(last) <= stopping { // a pod may still come in the place of one that was evicted
		return nil
	}
	last = Latest(last.Truncate(time.Second), r.Last)
	if news != r.New {
		steps = append(steps, RolloutStep{Deployment: r.Deployment, Set: r.Set, From: r.New, To: news, Up: news > r.New,
			At: last})
	}
	for set, n := range r.sizes {
		if set != r.Set && n > 0 {
			steps = append(steps, RolloutStep{Deployment: r.Deployment, Set: set, From: n, At: last})
		}
	}
	return steps
}
