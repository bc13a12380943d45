package alert

import (
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// about is something that is so since a moment after noon, with so many pods.
func about(key string, since time.Duration, pods int) wave.About {
	return wave.About{Standing: &wave.Standing{Key: key, Since: noon.Add(since)},
		Waiting: &wave.Waiting{Waiting: fleet.Waiting{State: fleet.Refused, Pods: pods}}}
}

// TestStand holds what becomes of what is so for a time: it is opened once, changed where it differs, over when it is
// not found, and goes on in its message if it comes back before that is final.
func TestStand(t *testing.T) {
	now := noon.Add(time.Hour)
	open := func(id int64, a wave.About) wave.Wave { return wave.Wave{ID: id, Kind: wave.KindWaiting, About: a} }
	over := about("a", 0, 3).Over(noon.Add(50 * time.Minute))
	closed := open(9, about("a", 0, 3))
	closed.ClosedAt = noon
	other := open(8, about("a", 0, 3))
	other.Kind = wave.KindBlind
	for _, c := range []struct {
		name    string
		live    []wave.Wave
		found   []wave.About
		begin   int
		changed []wave.About
	}{
		{"begins", nil, []wave.About{about("a", 0, 3)}, 1, nil},
		{"of another kind, and a final one", []wave.Wave{closed, other}, []wave.About{about("a", 0, 3)}, 1, nil},
		{"goes on", []wave.Wave{open(1, about("a", 0, 3))}, []wave.About{about("a", 0, 3)}, 0, nil},
		{"changes", []wave.Wave{open(1, about("a", 0, 3))}, []wave.About{about("a", 0, 4)}, 0,
			[]wave.About{about("a", 0, 4)}},
		{"is over", []wave.Wave{open(1, about("a", 0, 3))}, nil, 0, []wave.About{about("a", 0, 3).Over(now)}},
		{"was over", []wave.Wave{open(1, over)}, nil, 0, nil},
		{"comes back", []wave.Wave{open(1, over)}, []wave.About{about("a", 0, 5)}, 0, []wave.About{about("a", 0, 5)}},
		{"one of two", []wave.Wave{open(1, about("a", 0, 3)), open(2, about("b", 0, 3))}, []wave.About{about("b", 0, 3),
			about("c", 0, 1)}, 1, []wave.About{about("a", 0, 3).Over(now)}},
	} {
		begin, changed := Stand(wave.KindWaiting, c.live, c.found, now)
		if len(begin) != c.begin || len(changed) != len(c.changed) {
			t.Errorf("%s: %d begin, %d change; want %d, %d", c.name, len(begin), len(changed), c.begin, len(c.changed))
			continue
		}
		for i, w := range changed {
			if !same(w.About, c.changed[i]) {
				t.Errorf("%s: it is about %+v now, want %+v", c.name, w.About, c.changed[i])
			}
		}
	}
}

// TestStandingSteps holds when a message is posted, edited and closed that tells what is so for a time.
func TestStandingSteps(t *testing.T) {
	w := wave.Wave{Kind: wave.KindWaiting, OpenedAt: noon, LastAt: noon, About: about("a", 0, 3)}
	steps := func() (all []Step) {
		all = Next(w, time.Time{}, noon.Add(time.Hour), Config{}.WithDefaults())
		for i := range all {
			all[i].Why = ""
		}
		return all
	}
	hold := func(name string, want ...Step) {
		t.Helper()
		got := steps()
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
			return
		}
		for i := range got {
			if got[i].Action != want[i].Action || !want[i].At.IsZero() && !got[i].At.Equal(want[i].At) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	}
	hold("not posted", Step{Action: Post})
	w.Main = wave.Posting{ID: "1", EditedAt: noon.Add(59 * time.Minute)}
	hold("nothing new")
	w.Counts.Untold = 1
	hold("changed", Step{Action: Edit, At: noon.Add(59*time.Minute + calmEdits)})
	w.About = w.About.Over(noon.Add(58 * time.Minute))
	hold("over", Step{Action: Close, At: noon.Add(58*time.Minute + waitQuiet)},
		Step{Action: Edit, At: noon.Add(59*time.Minute + calmEdits)})
	w.Main.Frozen = true
	hold("over, and it takes no edits", Step{Action: Close, At: noon.Add(58*time.Minute + waitQuiet)})
	w.About = wave.About{}
	hold("of another version", Step{Action: Close, At: noon})
}

// TestWaitingRules holds when waits are told: a pool at its limit with nothing waiting never is, nor are pods that
// nodes are coming for.
func TestWaitingRules(t *testing.T) {
	group := func(state fleet.WaitState, kind fleet.RefusalKind) fleet.Waiting {
		return fleet.Waiting{State: state, Refusal: fleet.Refusal{Kind: kind}, Pods: 3, Since: noon,
			Told: noon.Add(time.Minute)}
	}
	for _, c := range []struct {
		name  string
		group fleet.Waiting
		after time.Duration
		at    time.Duration // after noon; 0: never
	}{
		{"refused", group(fleet.Refused, fleet.AtLimit), 10 * time.Minute, 2 * time.Minute},
		{"no pool fits", group(fleet.Refused, fleet.Unfit), 10 * time.Minute, time.Hour},
		{"no pool fits, and people are patient", group(fleet.Refused, fleet.Unfit), 2 * time.Hour, 2 * time.Hour},
		{"overdue", group(fleet.Overdue, ""), 10 * time.Minute, time.Minute},
		{"unanswered", group(fleet.Unanswered, ""), 10 * time.Minute, 10 * time.Minute},
		{"unanswered, and nobody wants to know", group(fleet.Unanswered, ""), 0, 0},
		{"coming", group(fleet.Coming, ""), time.Minute, 0},
	} {
		for _, at := range []time.Duration{time.Minute, 2 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour,
			9 * time.Hour} {
			found := Waiting([]fleet.Waiting{c.group}, nil, nil, noon.Add(at), c.after)
			if want := c.at > 0 && at >= c.at; want != (len(found) == 1) {
				t.Errorf("%s: after %v %d are told", c.name, at, len(found))
			}
		}
	}
	if found := Waiting(nil, nil, nil, noon, time.Minute); len(found) > 0 {
		t.Errorf("nothing waits, and %+v is told", found)
	}
}
