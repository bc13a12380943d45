package fleet

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rolloutNoon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// rolloutSteps reads steps: "0 b 0>10" is that ReplicaSet b got 10 pods at noon, "+90" is so many seconds later.
func rolloutSteps(t *testing.T, text string) (steps []RolloutStep) {
	t.Helper()
	for part := range strings.SplitSeq(text, ",") {
		var at int
		var set, size string
		if _, err := fmt.Sscan(part, &at, &set, &size); err != nil {
			t.Fatalf("%q: %v", part, err)
		}
		from, to, _ := strings.Cut(size, ">")
		s := RolloutStep{Deployment: ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web", UID: "1"}, Set: set,
			At: rolloutNoon.Add(time.Duration(at) * time.Second)}
		s.From, _ = strconv.Atoi(from)
		s.To, _ = strconv.Atoi(to)
		s.Up = s.From < s.To
		steps = append(steps, s)
	}
	return steps
}

// told is a rollout in short: "b from a, 0-12, done, 40/0 of 40".
func told(r Rollout) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s from %s, %.0f-%.0f, %s, %d/%d", r.Set, strings.Join(r.Olds, "+"),
		r.Start.Sub(rolloutNoon).Seconds(), r.Last.Sub(rolloutNoon).Seconds(), r.State, r.New, r.Old)
	if r.Want > 0 {
		fmt.Fprintf(&s, " of %d", r.Want)
	}
	for _, word := range []struct {
		is   bool
		word string
	}{{r.Back, "back"}, {!r.Began, "began before"}, {r.Missed, "missed"}, {r.By != "", "by " + r.By}} {
		if word.is {
			s.WriteString(", " + word.word)
		}
	}
	return s.String()
}

// TestRollouts holds what the steps of a Deployment are said to be.
func TestRollouts(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps string
		after int // seconds after the last step
		want  []string
	}{
		{"created", "0 a 0>40", 60, nil},
		{"created and scaled", "0 a 0>40,100 a 40>10,200 a 10>0,300 a 0>5", 60, nil},
		{"of many seconds", "0 a 0>4,100 b 0>1,110 a 4>3,110 b 1>2,120 a 3>2,120 b 2>3", 3,
			[]string{"b from a, 100-120, rolling out, 3/2 of 4"}},
		{"to its end", "0 a 0>4,100 b 0>1,110 a 4>3,110 b 1>4,120 a 3>0", 6, []string{"b from a, 100-120, done, 4/0 of 4"}},
		{"and no end before it is sure", "0 a 0>4,100 b 0>1,110 a 4>3,110 b 1>4,120 a 3>0", 5,
			[]string{"b from a, 100-120, rolling out, 4/0 of 4"}},
		{"all at once", "100 b 0>4,100 a 4>0", 6, []string{"b from a, 100-100, done, 4/0 of 4"}},
		{"old ones first, at once", "0 a 0>40,100 a 40>0,100 b 0>10,101 b 10>40", 6,
			[]string{"b from a, 100-101, done, 40/0 of 40"}},
		{"the old one was not known", "100 b 0>10,130 a 40>30", 5, []string{"b from a, 100-130, rolling out, 10/30 of 40"}},
		{"neither was", "100 b 10>20,130 a 30>20", 5, []string{"b from a, 100-130, rolling out, 20/20, began before"}},
		{"without a surge", "0 a 0>40,100 a 40>30,101 b 0>10,110 a 30>20", 5,
			[]string{"b from a, 100-110, rolling out, 10/20"}},
		{"Recreate", "0 a 0>40,100 a 40>0,131 b 0>40", 6, []string{"b from a, 100-131, done, 40/0 of 40"}},
		{"Recreate, and nothing known of before", "100 a 40>0,131 b 0>40", 6,
			[]string{"b from a, 100-131, done, 40/0 of 40"}},
		{"scaled down before Recreate", "0 a 0>40,100 a 40>30,160 a 30>0,170 b 0>30", 6,
			[]string{"b from a, 160-170, done, 30/0 of 30"}},
		{"stands still", "0 a 0>40,100 b 0>10,101 a 40>30", 601, []string{"b from a, 100-101, standing still, 10/30 of 40"}},
		{"goes on later", "0 a 0>40,100 b 0>10,101 a 40>30,4000 b 10>40,4001 a 30>0", 6,
			[]string{"b from a, 100-4001, done, 40/0 of 40"}},
		{"given up", "0 a 0>40,100 b 0>10,101 a 40>30", 73 * 3600, []string{"b from a, 100-101, left, 10/30 of 40"}},
		{"rolled back", "0 a 0>40,100 b 0>10,101 a 40>30,400 a 30>40,401 b 10>0", 6,
			[]string{"b from a, 100-401, rolled back, 0/40 of 40"}},
		{"being rolled back", "0 a 0>40,100 b 0>10,101 a 40>30,400 a 30>35,401 b 10>5", 6,
			[]string{"b from a, 100-401, rolling back, 5/35 of 40"}},
		{"rolled back, and no old one had gone", "0 a 0>1,100 b 0>1,400 b 1>0", 6,
			[]string{"b from a, 100-400, rolled back, 0/1 of 1"}},
		{"rolled back in the moment of a step", "0 a 0>40,100 b 0>10,101 a 40>30,102 b 10>0,103 a 30>40", 6,
			[]string{"b from a, 100-103, rolled back, 0/40"}},
		{"and scaled after that", "0 a 0>40,100 b 0>10,101 a 40>30,400 a 30>40,401 b 10>0,500 a 40>50", 6,
			[]string{"b from a, 100-401, rolled back, 0/40 of 40"}},
		{"back after it was done", "0 a 0>4,100 b 0>4,101 a 4>0,900 a 0>4,901 b 4>0", 6,
			[]string{"b from a, 100-101, done, 4/0 of 4", "a from b, 900-901, done, 4/0 of 4, back"}},
		{"back just when it was done", "0 a 0>4,100 b 0>4,101 a 4>0,103 a 0>4,104 b 4>0", 6,
			[]string{"b from a, 100-101, done, 4/0 of 4", "a from b, 103-104, done, 4/0 of 4, back"}},
		{"another one before it is done", "0 a 0>40,100 b 0>10,101 a 40>30,120 c 0>10,121 b 10>0,140 a 30>0,140 c 10>40", 6,
			[]string{"b from a, 100-101, replaced, 10/30 of 40, by c", "c from a+b, 120-140, done, 40/0 of 40"}},
		{"scaled out while it goes on", "0 a 0>40,100 b 0>10,101 a 40>30,200 a 30>60,200 b 10>20,300 b 20>80,301 a 60>0", 6,
			[]string{"b from a, 100-301, done, 80/0"}},
		{"scaled in while it goes on", "0 a 0>40,100 b 0>10,101 a 40>30,200 a 30>15,200 b 10>5", 6,
			[]string{"b from a, 100-200, rolling out, 5/15"}},
		{"scaled to next to nothing while it goes on", "0 a 0>40,100 b 0>10,101 a 40>30,200 a 30>2,200 b 10>0", 60,
			[]string{"b from a, 100-200, rolling out, 0/2"}},
		{"scaled to nothing while it goes on", "0 a 0>40,100 b 0>10,101 a 40>30,200 a 30>0,200 b 10>0", 601,
			[]string{"b from a, 100-200, standing still, 0/0"}},
		{"scaled after it was done", "0 a 0>4,100 b 0>4,101 a 4>0,110 b 4>9,200 b 9>2", 6,
			[]string{"b from a, 100-101, done, 4/0 of 4"}},
		{"changed while it had no pods", "0 a 0>4,100 a 4>0,4000 b 0>4", 6, []string{"b from a, 4000-4000, done, 4/0"}},
		{"steps are missing", "0 a 0>40,100 b 0>10,101 a 40>30,150 b 18>20,151 a 24>20", 5,
			[]string{"b from a, 100-151, rolling out, 20/20 of 40, missed"}},
		{"what was known is of long ago", "0 a 0>40,9000 d 0>10,9001 c 40>30,9002 d 10>40,9003 c 30>0", 6,
			[]string{"d from a+c, 9000-9003, done, 40/0"}},
		{"only scaling is seen of another one", "0 a 0>40,9000 b 10>20,9100 b 20>30", 6, nil},
	} {
		steps := rolloutSteps(t, c.steps)
		now := steps[len(steps)-1].At.Add(time.Duration(c.after) * time.Second)
		for range 20 { // in whatever order they are heard of
			rand.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
			var got []string
			for _, r := range Rollouts(steps, now) {
				got = append(got, told(r))
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s:\n%q, want\n%q", c.name, got, c.want)
				break
			}
		}
	}
}

// TestRolloutLost holds that what may have been dropped is not said to stand still: a controller writes 25 events about
// one object in a row.
func TestRolloutLost(t *testing.T) {
	var text []string
	text = append(text, "0 a 0>40")
	for i := range 12 {
		text = append(text, fmt.Sprintf("%d b %d>%d", 4000+i, i, i+1), fmt.Sprintf("%d a %d>%d", 4000+i, 40-i, 39-i))
	}
	steps := rolloutSteps(t, strings.Join(text, ","))
	last := steps[len(steps)-1].At
	for _, c := range []struct {
		steps []RolloutStep
		want  RolloutState
	}{
		{steps[:20], StandsStill},
		{append(steps, rolloutSteps(t, "4012 b 12>13")...), RolloutLost},
	} {
		if got := Rollouts(c.steps, last.Add(11*time.Minute)); len(got) != 1 || got[0].State != c.want {
			t.Errorf("after %d steps: %v, want %s", len(c.steps), got, c.want)
		}
	}
}

// TestRolloutReplacedDeployment holds that a Deployment that was deleted and made anew is another one.
func TestRolloutReplacedDeployment(t *testing.T) {
	steps := rolloutSteps(t, "0 a 0>40,100 b 0>10,300 b 0>40,400 c 0>10")
	steps[2].Deployment.UID, steps[3].Deployment.UID = "2", "2"
	got := Rollouts(steps, rolloutNoon.Add(401*time.Second))
	if len(got) != 2 || got[0].State != RolloutGone || told(got[1]) != "c from b, 400-400, rolling out, 10/40 of 40" {
		t.Errorf("%v", got)
	}
}

// TestOfRollout holds what an event tells of a step.
func TestOfRollout(t *testing.T) {
	event := func(note string, count int) Event {
		return Event{Reason: "ScalingReplicaSet", Note: note, Count: count, First: rolloutNoon,
			Last:      rolloutNoon.Add(time.Duration(count-1) * time.Minute),
			Regarding: ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web"}}
	}
	for _, c := range []struct {
		note  string
		count int
		want  string
	}{
		{"Scaled up replica set web-7d4f19 from 0 to 10", 1, "0 web-7d4f19 0>10"},
		{"Scaled down replica set web-7d4f19 from 10 to 0", 1, "0 web-7d4f19 10>0"},
		{"Scaled up replica set web-7d4f19 to 10", 1, "0 web-7d4f19 -1>10"},
		{"Scaled up replica set web-7d4f19 from 3 to 4", 3, "0 web-7d4f19 3>4,120 web-7d4f19 3>4"},
		{"(combined from similar events): Scaled down replica set web-7d4f19 from 6 to 0", 4, "180 web-7d4f19 6>0"},
		{"Scaled up replica set web-7d4f19 from 10 to 0", 1, ""},
		{"Scaled up replica set <!channel> from 0 to 10", 1, ""},
		{"Scaled up replica set web-7d4f19 from 0 to 99999999999", 1, ""},
		{"Scaled up replica set web-7d4f19 from 0 to -1", 1, ""},
		{"Scaled up replica set web-7d4f19 from 0 to 10 and more", 1, ""},
		{"Rolled back deployment", 1, ""},
	} {
		e := event(c.note, c.count)
		var got []string
		for _, s := range e.OfRollout() {
			got = append(got, fmt.Sprintf("%.0f %s %d>%d", s.At.Sub(rolloutNoon).Seconds(), s.Set, s.From, s.To))
		}
		if strings.Join(got, ",") != c.want {
			t.Errorf("%q: %q, want %q", c.note, got, c.want)
		}
	}
	elsewhere := event("Scaled up replica set web-7d4f19 from 0 to 10", 1)
	elsewhere.Regarding.Namespace = ""
	if elsewhere.OfRollout() != nil {
		t.Error("a Deployment in no namespace has a rollout")
	}
}

// TestRolloutByPods holds that the end of a rollout whose last steps were dropped is known by its pods: once each old
// one was stopped, those that came meanwhile included.
func TestRolloutByPods(t *testing.T) {
	text := []string{"0 a 0>20"}
	for i := range 12 {
		text = append(text, fmt.Sprintf("%d b %d>%d", 4000+i, i, i+1), fmt.Sprintf("%d a %d>%d", 4000+i, 20-i, 19-i))
	}
	text = append(text, "4012 b 12>13")
	steps := rolloutSteps(t, strings.Join(text, ","))
	at := func(seconds int) time.Time { return rolloutNoon.Add(time.Duration(seconds) * time.Second) }
	pods := func(n int, from int) map[string]time.Time {
		m := map[string]time.Time{}
		for i := range n {
			m[fmt.Sprint("p", i)] = at(from + i)
		}
		return m
	}
	for _, c := range []struct {
		name                string
		oldBorn, oldStopped int
		newBorn, now        int
		want                string
	}{
		{"all are stopped", 0, 20, 20, 4200, "b from a, 4000-4039, done, 20/0 of 20"},
		{"just now", 0, 20, 20, 4080, ""},
		{"one is left", 0, 19, 20, 4200, ""},
		{"one came in the place of another", 1, 20, 20, 4200, ""},
		{"no new one is known", 0, 20, 0, 4200, ""},
	} {
		all := slices.Clone(steps)
		r := Rollouts(all, at(c.now))
		more := r[0].ByPods([]PodSigns{{Set: "a", Born: pods(c.oldBorn, 4001), Stopped: pods(c.oldStopped, 4020)},
			{Set: "b", Born: pods(c.newBorn, 4000)}}, at(c.now))
		if c.want == "" {
			if len(more) > 0 {
				t.Errorf("%s: %+v", c.name, more)
			}
			continue
		}
		r = Rollouts(append(all, more...), at(c.now))
		if len(r) != 1 || told(r[0]) != c.want {
			t.Errorf("%s: %+v after %+v, want %s", c.name, r, more, c.want)
		}
	}
	if more := Rollouts(steps[:20], at(4100))[0].ByPods([]PodSigns{{Set: "a", Stopped: pods(20, 4001)},
		{Set: "b", Born: pods(20, 4000)}}, at(4200)); more != nil {
		t.Errorf("where no step is missing, %+v are made up", more)
	}
	// Of a rollout whose end was not seen nothing is left an hour later.
	later := append(slices.Clone(steps), rolloutSteps(t, "9000 c 0>20,9001 b 20>0")...)
	r := Rollouts(later, at(9100))
	if len(r) != 2 || r[0].State != RolloutUnseen || told(r[1]) != "c from b, 9000-9001, done, 20/0, missed" {
		t.Errorf("%+v", r)
	}
}

// A rollout that is taken back within a second or two was rolled back, however its steps fall into seconds: nothing
// says in which order those of one second came.
func TestRolledBackAtOnce(t *testing.T) {
	at := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	of := ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web", UID: "uid-web"}
	for _, seconds := range [][4]int{{0, 0, 0, 0}, {0, 0, 0, 1}, {0, 0, 1, 1}, {0, 1, 1, 1}, {0, 1, 2, 3}} {
		var steps []RolloutStep
		for i, s := range []RolloutStep{{Set: "web-new", To: 1}, {Set: "web-old", From: 3, To: 2}, {Set: "web-new", From: 1},
			{Set: "web-old", From: 2, To: 3}} {
			s.Deployment, s.Up, s.At = of, s.To > s.From, at.Add(time.Duration(seconds[i])*time.Second)
			steps = append(steps, s)
		}
		got := Rollouts(steps, at.Add(time.Minute))
		if len(got) != 1 || got[0].State != RolledBack || got[0].Set != "web-new" || got[0].Old != 3 || got[0].New != 0 {
			t.Errorf("steps in the seconds %v: %+v", seconds, got)
		}
	}
}
