package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// What waits for nodes is told once it is sure that none comes. The moments are Rollcall's own choice, but for
// PENDING_AFTER.
const (
	refusedFor = time.Minute // an autoscaler has made no node for so long: what it refuses at first it may make after all
	unfitFor   = time.Hour   // pods whose own constraints no pool meets: somebody is trying something out
	// waitQuiet is for how long what waits for the same reason goes on in the message that told of it before.
	waitQuiet = 10 * time.Minute
)

// Waiting decides what to tell of pods that wait for nodes: those that wait in groups now, and those that waited and
// were told of. ended is how waits ended, by key, since each was told first; live are all waves that are not done.
// after is how long pods wait until it is told that nobody answers them; 0: for ever.
func Waiting(groups []fleet.Waiting, ended map[string]wave.WaitEnds, live []wave.Wave, now time.Time,
	after time.Duration) (found []wave.About) {
	told := map[string]*wave.About{}
	before := map[string]wave.About{}
	for _, w := range live {
		if w.Kind == wave.KindWaiting && w.ClosedAt.IsZero() && w.About.Standing != nil && w.About.Waiting != nil {
			before[w.About.Standing.Key] = w.About
		}
	}
	for _, g := range groups {
		if at, ok := tellAt(g, after); !ok || now.Before(at) {
			continue
		}
		key := WaitKey(g)
		g.Waits = nil
		a := wave.About{Standing: &wave.Standing{Key: key, Since: g.Since}, Waiting: &wave.Waiting{Waiting: g}}
		if b, ok := before[key]; ok && b.Standing.Since.Before(g.Since) {
			a.Standing.Since = b.Standing.Since
		}
		told[key] = &a
	}
	// What was told goes on until each of the pods has a node, or is gone; nodes may be coming for them by now.
	waiting := map[string]int{}
	pool := map[string]string{}
	for _, g := range groups {
		for _, w := range g.Waits {
			if _, ok := before[w.Told]; ok && told[w.Told] == nil {
				waiting[w.Told]++
				pool[w.Told] = g.Pool
			}
		}
	}
	for key, b := range before {
		if told[key] != nil {
			continue
		}
		a := wave.About{Standing: &wave.Standing{Key: key, Since: b.Standing.Since, Until: b.Standing.Until},
			Waiting: &wave.Waiting{Waiting: b.Waiting.Waiting}}
		switch n := waiting[key]; {
		case n > 0:
			a.Standing.Until = time.Time{}
			a.Waiting.State, a.Waiting.Pods, a.Waiting.Pool = fleet.Coming, n, pool[key]
		case !b.Standing.Until.IsZero():
			continue // it is over already
		default:
			a.Standing.Until = now
			a.Waiting.Pods = 0
		}
		told[key] = &a
	}
	for key, a := range told {
		a.Waiting.Ended = ended[key]
		found = append(found, *a)
	}
	slices.SortFunc(found, func(a, b wave.About) int {
		if c := a.Standing.Since.Compare(b.Standing.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Standing.Key, b.Standing.Key)
	})
	return found
}

// tellAt is when to tell of a group; ok is false if never.
func tellAt(g fleet.Waiting, after time.Duration) (at time.Time, ok bool) {
	switch g.State {
	case fleet.Refused:
		if g.Refusal.Kind == fleet.Unfit {
			return g.Since.Add(max(unfitFor, after)), true
		}
		return g.Told.Add(refusedFor), true
	case fleet.Overdue:
		return g.Told, true
	case fleet.Unanswered:
		return g.Since.Add(after), after > 0
	}
	return at, false
}

// WaitKey says what pods of a group wait for, among all groups.
func WaitKey(g fleet.Waiting) string {
	return strings.Join([]string{string(g.State), string(g.Refusal.Kind), g.Refusal.By, g.Pool}, "/")
}

// sayWaiting says that pods wait for nodes, or that they did.
func sayWaiting(r *rendering) {
	var w wave.Waiting
	if r.wave.About.Waiting != nil {
		w = *r.wave.About.Waiting
	}
	var s wave.Standing
	if r.wave.About.Standing != nil {
		s = *r.wave.About.Standing
	}
	r.quiet = true
	name := r.wave.Cluster
	pods := message.Count(w.Pods, "pod")
	wait := "wait"
	if w.Pods == 1 {
		wait = "waits"
	}
	r.m.Icon = "🟠"
	since := line(fmt.Sprintf("%s: %s %s for nodes since ", name, pods, wait), s.Since)
	why := message.RefusalWords(w.Refusal, !s.Until.IsZero() || w.State == fleet.Coming)
	switch {
	case !s.Until.IsZero():
		r.m.Icon = "🟢"
		if w.Ended.Placed == 0 {
			r.m.Icon = "⬜"
		}
		r.m.Lead = line(fmt.Sprintf("%s: %s waited for nodes from ", name, message.Count(w.Ended.Pods(), "pod")), s.Since,
			" to ", s.Until, ", "+endWords(w.Ended))
	case w.State == fleet.Coming:
		r.m.Icon = "⏳"
		r.m.Lead = line(since, ", and some are coming now")
	case w.State == fleet.Overdue:
		r.m.Lead = line(since, ", and those that were announced do not come")
		if w.Pool != "" {
			r.add(line("They were to come from pool " + message.OneWord(w.Pool) + "."))
		}
	case w.State == fleet.Unanswered:
		r.m.Lead = line(since, ", and no autoscaler answers")
	default:
		r.m.Lead, why = line(since, ", none is coming: "+why), ""
	}
	if why != "" {
		r.add(line("The reason: " + why + "."))
	}
	if of := message.PodsOf(w.For, w.Others); of != "" {
		r.add(line(of))
	}
	if detail := message.RefusalDetail(w.Refusal); detail != "" {
		r.add(line(detail))
	}
	if n := w.Ended.Pods(); s.Until.IsZero() && n > 0 {
		r.add(line("Of others that waited, " + strings.Join(endParts(w.Ended), ", ") + "."))
	}
	if w.Ended.Longest > 0 && !s.Until.IsZero() {
		r.add(line("The longest wait was " + message.Duration(w.Ended.Longest) + "."))
	}
	if w.Note != "" && s.Until.IsZero() {
		r.add(line(message.Scheduler(w.Note)))
	}
	dateOld([]message.Line{r.m.Lead}, r.wave.OpenedAt)
	r.m.Headline = r.m.Lead.String()
}

// endWords say what became of pods that waited: "all found room", "60 found room, 38 deleted".
func endWords(e wave.WaitEnds) string {
	parts := endParts(e)
	if len(parts) != 1 {
		return cmp.Or(strings.Join(parts, ", "), "and wait no more")
	}
	n, words, _ := strings.Cut(parts[0], " ")
	if n != "1" {
		return "all " + words
	}
	return words
}

// endParts are how many of them found room, were deleted, were not heard of again.
func endParts(e wave.WaitEnds) (parts []string) {
	for _, end := range []struct {
		n     int
		words string
	}{{e.Placed, "found room"}, {e.Gone, "deleted"}, {e.Unheard, "not heard of again"}} {
		if end.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", end.n, end.words))
		}
	}
	return parts
}

// waitingAttributes are those of pods that wait for nodes of one pool, or that are of one namespace.
func waitingAttributes(a wave.About) map[string]string {
	if a.Waiting == nil {
		return nil
	}
	w := a.Waiting.Waiting
	of := map[string]string{KeyPool: cmp.Or(w.Pool, w.Refusal.Pool)}
	if strings.Contains(of[KeyPool], ",") { // several
		of[KeyPool] = ""
	}
	for i, pods := range w.For {
		if i > 0 && pods.Namespace != of[KeyNamespace] || w.Others > 0 {
			of[KeyNamespace] = ""
			break
		}
		of[KeyNamespace] = pods.Namespace
	}
	return of
}
