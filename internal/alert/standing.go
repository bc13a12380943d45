package alert

import (
	"bytes"
	"encoding/json"
	"time"

	"rollcall/internal/wave"
)

// Stand decides what to tell of what is so for a time, of one kind: the waves to open, and those that are about
// something else by now, with what they are about. found is all of the kind that is so now, each with a key of its own;
// live are all waves that are not done. What has a wave and is not found is over; if it is found again before its
// message is final, it goes on there.
func Stand(kind wave.Kind, live []wave.Wave, found []wave.About, now time.Time) (begin []wave.Opening,
	changed []wave.Wave) {
	open := map[string]wave.Wave{}
	for _, w := range live {
		if w.Kind == kind && w.About.Standing != nil && w.ClosedAt.IsZero() {
			open[w.About.Standing.Key] = w
		}
	}
	for _, about := range found {
		w, ok := open[about.Standing.Key]
		if !ok {
			begin = append(begin, wave.Opening{Kind: kind, About: about})
			continue
		}
		delete(open, about.Standing.Key)
		if !same(w.About, about) {
			w.About = about
			changed = append(changed, w)
		}
	}
	for _, w := range live {
		if s := w.About.Standing; s == nil || !s.Until.IsZero() {
			continue
		} else if o, ok := open[s.Key]; ok && o.ID == w.ID {
			w.About = w.About.Over(now)
			changed = append(changed, w)
		}
	}
	return begin, changed
}

// same reports whether the ledger would keep the same of both.
func same(a, b wave.About) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// calmEdits is how far edits of a message are apart at least that tells what is so for a time. It is Rollcall's own
// choice: nobody watches a number in a message by the second.
const calmEdits = 15 * time.Second

// endsAfter is the end of what is so for a time: a while after it is over, because what comes back meanwhile goes on in
// the same message.
func endsAfter(quiet time.Duration) func(wave.Wave) time.Time {
	return func(w wave.Wave) time.Time {
		switch s := w.About.Standing; {
		case s == nil: // only another version can have written it
			return w.OpenedAt
		case s.Until.IsZero():
			return time.Time{}
		default:
			return s.Until.Add(quiet)
		}
	}
}

// Ending reports whether a kind of wave has an end of its own: what it tells may change until then without a change of
// a node.
func Ending(k wave.Kind) bool { return kindOf(k).ends != nil }

// Ended reports whether nothing more is expected of a wave, however much of it a sink has taken: what was so for a time
// is over; or no like change has come for a while, and none of its nodes is still to become ready or to recover.
func Ended(w wave.Wave, now time.Time, cfg Config) bool {
	if ends := kindOf(w.Kind).ends; ends != nil {
		end := ends(w)
		return !end.IsZero() && !end.After(now)
	}
	return w.Counts.Pending == 0 && (!w.ClosedAt.IsZero() || !closesAt(w, cfg).After(now))
}
