package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// round is a chain of nodes, each of which takes the place of the one before after it has lived for a while.
func round(name string, turns int, lived time.Duration, went, came fleet.CauseKind) (lives []fleet.Life) {
	at := t0.Add(-time.Duration(turns)*lived - 24*time.Hour)
	for i := range turns + 1 {
		l := fleet.Life{UID: fmt.Sprint(name, i), Pool: "general", Joined: at,
			Machine: fleet.Machine{InstanceType: "m5.large"},
			Came:    fleet.Cause{Kind: came, By: "Karpenter"}}
		end := at.Add(lived)
		if i == 0 {
			end = t0.Add(-time.Duration(turns-1) * lived)
		}
		if i < turns {
			l.Removed, l.Went = end, fleet.Cause{Kind: went, By: "Karpenter"}
		}
		lives = append(lives, l)
		at = end.Add(-time.Minute)
	}
	return lives
}

func TestFindLoops(t *testing.T) {
	const minutes = time.Minute
	scaled := round("s", 5, 30*minutes, fleet.Underutilized, fleet.Demand)
	for i := range scaled {
		scaled[i].Came.Why = "scaled from 4 to 9"
	}
	jobs := round("j", 5, 30*minutes, fleet.Underutilized, fleet.Demand)
	for i := range jobs {
		jobs[i].Came.For.Kind = "CronJob"
	}
	evicted := round("e", 4, 30*minutes, fleet.Underutilized, fleet.Demand)
	elsewhere := round("x", 4, 30*minutes, fleet.Drifted, fleet.Replacement)
	for i := range elsewhere {
		elsewhere[i].Pool = fmt.Sprint("pool-", i)
	}
	// Nodes that came a little earlier than each heir, of which nothing is known yet, and old ones that leave.
	beside := round("b", 3, 30*minutes, fleet.Drifted, fleet.Replacement)
	for i, l := range beside[1:] {
		beside[i+1].Came.Why = "drifted"
		beside = append(beside, fleet.Life{UID: fmt.Sprint("newcomer", i), Pool: "general", Machine: l.Machine,
			Joined: l.Joined.Add(-minutes)},
			fleet.Life{UID: fmt.Sprint("old", i), Pool: "general", Machine: l.Machine, Joined: t0.Add(-200 * time.Hour),
				Removed: l.Joined.Add(30 * time.Second), Went: fleet.Cause{Kind: fleet.Underutilized, By: "Karpenter"}})
	}
	var rollout []fleet.Life // fifty old nodes are replaced, one by one
	for i := range 50 {
		at := t0.Add(-time.Duration(i*5) * minutes)
		rollout = append(rollout, fleet.Life{UID: fmt.Sprint("old", i), Pool: "general", Joined: t0.Add(-200 * time.Hour),
			Removed: at, Went: fleet.Cause{Kind: fleet.Drifted, By: "Karpenter"}},
			fleet.Life{UID: fmt.Sprint("new", i), Pool: "general", Joined: at.Add(-2 * minutes),
				Came: fleet.Cause{Kind: fleet.Replacement, By: "Karpenter"}})
	}
	for name, tt := range map[string]struct {
		lives []fleet.Life
		want  string
	}{
		"two turns": {round("a", 2, 30*minutes, fleet.Underutilized, fleet.Replacement), ""},
		"three":     {round("a", 3, 30*minutes, fleet.Underutilized, fleet.Replacement), "3 from 3 of 30m0s"},
		"twelve": {round("a", 12, 30*minutes, fleet.Underutilized, fleet.Replacement),
			"12 from 3 of 30m0s, 12 from 10 of 30m0s"},
		"pods that were evicted": {evicted, "4 from 3 of 30m0s"},
		"spot":                   {round("a", 3, 50*minutes, fleet.SpotInterruption, ""), "3 from 3 of 50m0s"},
		"each lives for long":    {round("a", 5, 130*minutes, fleet.Drifted, fleet.Replacement), ""},
		"empty nodes":            {round("a", 5, 30*minutes, fleet.Empty, fleet.Replacement), ""},
		"nobody says why":        {round("a", 5, 30*minutes, "", ""), ""},
		"somebody asks for more": {scaled, ""},
		"jobs":                   {jobs, ""},
		"other pools":            {elsewhere, ""},
		"others beside":          {beside, "3 from 3 of 30m0s"},
		"a rollout":              {rollout, ""},
		"a loop in a rollout": {append(rollout, round("a", 4, 20*minutes, fleet.Underutilized, fleet.Replacement)...),
			"4 from 3 of 20m0s"},
	} {
		found, err := FindLoops(seqOf(tt.lives), nil, nil, t0)
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, a := range found {
			parts = append(parts, fmt.Sprintf("%d from %d of %v", a.Loop.Turns, a.Loop.From, a.Loop.Lived))
		}
		if got := strings.Join(parts, ", "); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// A loop is told at its third, tenth and hundredth turn, however short what is looked at is, and once it has stopped.
func TestLoopGoesOn(t *testing.T) {
	price := func(fleet.Machine) fleet.Price { return fleet.Price{USD: 0.1, Known: true} }
	all := round("a", 110, 30*time.Minute, fleet.Underutilized, fleet.Replacement)
	var live []wave.Wave
	begun := map[int]time.Time{}
	over := 0
	start := t0.Add(-56 * time.Hour)
	for now := start; now.Before(t0.Add(4 * time.Hour)); now = now.Add(5 * time.Minute) {
		var lives []fleet.Life
		for _, l := range all {
			if l.Joined.After(now) || !l.Removed.IsZero() && l.Removed.Before(now.Add(-LoopLookback)) {
				continue
			}
			if l.Removed.After(now) {
				l.Removed, l.Went = time.Time{}, fleet.Cause{}
			}
			lives = append(lives, l)
		}
		found, err := FindLoops(seqOf(lives), live, price, now)
		if err != nil {
			t.Fatal(err)
		}
		begin, changed := Stand(wave.KindLoop, live, found, now)
		for _, w := range changed {
			for i := range live {
				if live[i].ID == w.ID {
					live[i] = w
				}
			}
			if !w.About.Standing.Until.IsZero() {
				over++
			}
		}
		for _, b := range begin {
			begun[b.About.Loop.From] = now
			if b.About.Loop.Turns != b.About.Loop.From || b.About.Loop.Cost.USD != 0.1 {
				t.Errorf("at %v %+v is told", now.Sub(start), b.About.Loop)
			}
			live = append(live, wave.Wave{ID: int64(len(live) + 1), Kind: wave.KindLoop, About: b.About})
		}
	}
	if len(begun) != 3 || len(live) != 3 || over != 3 {
		t.Errorf("told %v in %d messages, %d over", begun, len(live), over)
	}
	for _, w := range live {
		if w.About.Loop.Turns != 110 {
			t.Errorf("at its end it had %d turns", w.About.Loop.Turns)
		}
	}
}

// seqOf yields lives.
func seqOf(lives []fleet.Life) func(func(fleet.Life, error) bool) {
	return func(yield func(fleet.Life, error) bool) {
		for _, l := range lives {
			if !yield(l, nil) {
				return
			}
		}
	}
}
