package digest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
)

// Waited is how long pods waited for nodes.
type Waited struct {
	Pods     int // whose waits ended in the period
	Together time.Duration
	Longest  time.Duration // that one of them waited,
	Of       string        // and its name
	Reasons  []WaitedFor   // of those that an autoscaler had refused, the longest together first
	Still    int           // pods that wait at the end of the period,
	Since    time.Time     // the first of them since then
}

// WaitedFor is how long pods waited for one reason.
type WaitedFor struct {
	Refusal  fleet.Refusal
	Pods     int
	Together time.Duration
}

// maxReasons is how many reasons for waits a digest names.
const maxReasons = 3

// waited sums up waits that ended in a period, and those that go on.
func waited(ended []fleet.Waited, waits []fleet.Wait, span Span) (w Waited) {
	index := map[fleet.Refusal]int{}
	for _, e := range ended {
		w.Pods, w.Together = w.Pods+e.Pods, w.Together+e.Together
		if e.Longest > w.Longest {
			w.Longest, w.Of = e.Longest, e.Namespace+"/"+e.Pod
		}
		if e.Refusal.Kind == "" {
			continue
		}
		i, ok := index[e.Refusal]
		if !ok {
			i = len(w.Reasons)
			index[e.Refusal] = i
			w.Reasons = append(w.Reasons, WaitedFor{Refusal: e.Refusal})
		}
		w.Reasons[i].Pods += e.Pods
		w.Reasons[i].Together += e.Together
	}
	slices.SortStableFunc(w.Reasons, func(a, b WaitedFor) int { return cmp.Compare(b.Together, a.Together) })
	for _, p := range waits {
		if !p.First.Before(span.Until) {
			continue
		}
		if w.Still++; w.Since.IsZero() || p.First.Before(w.Since) {
			w.Since = p.First
		}
	}
	return w
}

// waited says how long pods waited for nodes.
func (w words) waited() (lines []string) {
	s := w.s.Waited
	if s.Pods > 0 {
		text := fmt.Sprintf("%s waited for nodes, %s", message.Count(s.Pods, "pod"), message.Duration(s.Together))
		if s.Pods > 1 {
			text += fmt.Sprintf(" in all, %s on average; the longest %s (%s)",
				message.Duration(s.Together/time.Duration(s.Pods)), message.Duration(s.Longest), message.OneWord(s.Of))
		} else {
			text += " (" + message.OneWord(s.Of) + ")"
		}
		lines = append(lines, text+".")
	}
	for _, r := range s.Reasons[:min(len(s.Reasons), maxReasons)] {
		lines = append(lines, fmt.Sprintf("%s of them because %s: %s.", message.Thousands(float64(r.Pods)),
			message.RefusalWords(r.Refusal, true), message.Duration(r.Together)))
	}
	if s.Still == 1 {
		lines = append(lines, fmt.Sprintf("1 pod still waits, since %s.", w.stamp(s.Since)))
	} else if s.Still > 1 {
		lines = append(lines, fmt.Sprintf("%d pods still wait, the first since %s.", s.Still, w.stamp(s.Since)))
	}
	return lines
}
