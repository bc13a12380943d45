package alert

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// A node that takes another's place and is replaced itself within two hours, and so on, is a loop: it costs what
// starting machines and moving pods costs, and nobody is better off. These numbers are Rollcall's own choice.
const (
	loopAgain  = 2 * time.Hour    // a node that was replaced sooner than that is one more turn
	loopBefore = 15 * time.Minute // a replacement comes so long before the other leaves: Karpenter gives it as long
	loopAfter  = 10 * time.Minute // or so long after
	loopCalm   = 3 * time.Minute  // edits are apart by at least
	loopPause  = time.Minute      // what it tells is over by then: its end is hours after the last turn

	// LoopLookback is how far into the past FindLoops must be told of nodes' lives.
	LoopLookback = 8 * time.Hour
)

// loopTold are the turns at which a loop is told, each in a message of its own.
var loopTold = []int{3, 10, 100}

// going is a group of nodes that replace each other.
type going struct{ pool, instanceType, capacityType string }

// FindLoops says which loops go on. lives are those that have a part in the last LoopLookback, and live all waves that
// are not done.
func FindLoops(lives iter.Seq2[fleet.Life, error], live []wave.Wave, price fleet.Pricer, now time.Time) ([]wave.About,
	error) {
	groups := map[going][]fleet.Life{}
	for l, err := range lives {
		if err != nil {
			return nil, err
		}
		g := going{l.Pool, l.Machine.InstanceType, l.Machine.CapacityType}
		groups[g] = append(groups[g], l)
	}
	var found []wave.About
	for _, g := range slices.SortedFunc(maps.Keys(groups), func(a, b going) int {
		return cmp.Or(cmp.Compare(a.pool, b.pool), cmp.Compare(a.instanceType, b.instanceType),
			cmp.Compare(a.capacityType, b.capacityType))
	}) {
		loop, since, ok := loopOf(groups[g], price, now)
		if !ok {
			continue
		}
		loop.Pool, loop.InstanceType, loop.CapacityType = g.pool, g.instanceType, g.capacityType
		if told := toldLoop(live, loop); told != nil {
			before := *told.About.Loop
			loop.Turns, since = before.Turns+loop.since(before.Last), told.About.Standing.Since
			if !loop.Last.After(before.Last) {
				from := loop.From
				loop.Loop = before // nothing new
				loop.From = from
			}
		}
		for _, from := range loopTold {
			if loop.Turns < from {
				break
			}
			l := loop.Loop
			l.From = from
			found = append(found, wave.About{Loop: &l, Standing: &wave.Standing{Since: since,
				Key: fmt.Sprintf("%s/%s/%s/%d/%d", g.pool, g.instanceType, g.capacityType, since.Unix(), from)}})
		}
	}
	return found, nil
}

// turning is a loop with the moments of its turns, the latest first.
type turning struct {
	wave.Loop
	turns []time.Time
}

// since is how many turns came after a moment.
func (t turning) since(at time.Time) (n int) {
	for _, turn := range t.turns {
		if turn.After(at) {
			n++
		}
	}
	return n
}

// loopOf is the longest chain of replacements of a group, if it goes on; since is when it began.
func loopOf(lives []fleet.Life, price fleet.Pricer, now time.Time) (t turning, since time.Time, ok bool) {
	left := slices.DeleteFunc(slices.Clone(lives), func(l fleet.Life) bool {
		return l.Removed.IsZero() || !replaceable(l.Went)
	})
	came := slices.DeleteFunc(slices.Clone(lives), func(l fleet.Life) bool { return !replacing(l.Came) })
	slices.SortFunc(left, func(a, b fleet.Life) int {
		// Of what was found gone in one look, the elder left first.
		return cmp.Or(a.Removed.Compare(b.Removed), a.Joined.Compare(b.Joined), cmp.Compare(a.UID, b.UID))
	})
	slices.SortFunc(came, func(a, b fleet.Life) int {
		return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.UID, b.UID))
	})
	// Each node that left is paired with one that came around then, the earliest first, and what is proven before that.
	type link struct {
		depth  int
		before string
	}
	chain := map[string]link{} // of what a node took the place, by UID
	byUID := map[string]fleet.Life{}
	for _, l := range lives {
		byUID[l.UID] = l
	}
	taken := map[string]bool{}
	heirs := map[string]fleet.Life{} // by the UID of the node that left
	for _, proven := range []bool{true, false} {
		for _, l := range left {
			if _, ok := heirs[l.UID]; ok {
				continue
			}
			if c, ok := heirOf(l, came, taken, proven); ok {
				heirs[l.UID], taken[c.UID] = c, true
			}
		}
	}
	deepest := ""
	for _, l := range left {
		c, ok := heirs[l.UID]
		if !ok {
			continue
		}
		depth := 1
		if l.Removed.Sub(l.Joined) <= loopAgain {
			depth += chain[l.UID].depth
		}
		chain[c.UID] = link{depth, l.UID}
		if deepest == "" || depth >= chain[deepest].depth {
			deepest = c.UID
		}
	}
	depth := chain[deepest].depth
	if depth < 2 { // a loop that is told may have begun longer ago than what is looked at
		return t, since, false
	}
	why := map[fleet.Cause]int{}
	var lived []time.Duration
	for uid := deepest; uid != "" && chain[uid].before != ""; uid = chain[uid].before {
		l := byUID[chain[uid].before]
		t.turns = append(t.turns, l.Removed)
		c := l.Went
		why[fleet.Cause{Kind: c.Kind, By: c.By}]++
		var p fleet.Price
		if price != nil {
			p = price(l.Machine)
		}
		t.Twice.Add(p, 1, max(0, l.Removed.Sub(byUID[uid].Joined)))
		since = l.Removed
		if short := l.Removed.Sub(l.Joined); short <= loopAgain {
			lived = append(lived, short)
		} else {
			break
		}
	}
	t.Turns, t.Last = len(t.turns), t.turns[0]
	if now.Sub(t.Last) > loopAgain || len(lived) == 0 {
		return t, since, false
	}
	slices.Sort(lived)
	t.Lived = lived[(len(lived)-1)/2]
	span := max(t.Last.Sub(t.turns[len(t.turns)-1]), t.Lived)
	t.Twice.USD /= span.Hours()
	if price != nil {
		for uid, l := range chain { // the ends of all chains of as many turns
			if n := byUID[uid]; n.Removed.IsZero() && l.depth >= min(depth, loopTold[0]) {
				t.Cost.Add(price(n.Machine), 1, time.Hour)
			}
		}
		if t.Cost.Priced+t.Cost.Unpriced == 0 { // the last has just left
			t.Cost.Add(price(byUID[deepest].Machine), 1, time.Hour)
		}
	}
	for _, c := range slices.SortedFunc(maps.Keys(why), func(a, b fleet.Cause) int {
		return cmp.Or(cmp.Compare(why[b], why[a]), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.By, b.By))
	}) {
		t.Why = append(t.Why, wave.CameFor{Cause: c, Nodes: why[c]})
	}
	return t, since, true
}

// heirOf is the node that came in a node's place, of those that came and are not taken, in the order of their coming:
// the first that was launched for what the node was ended for if that is to be proven, or else the first of which
// nothing says that it was launched for something else.
func heirOf(l fleet.Life, came []fleet.Life, taken map[string]bool, proven bool) (heir fleet.Life, ok bool) {
	from, _ := slices.BinarySearchFunc(came, l.Removed.Add(-loopBefore), func(c fleet.Life, at time.Time) int {
		return c.Joined.Compare(at)
	})
	ended := l.Went.Disruption()
	for _, c := range came[from:] {
		if c.Joined.After(l.Removed.Add(loopAfter)) {
			break
		}
		if taken[c.UID] || c.UID == l.UID || !c.Joined.After(l.Joined) {
			continue
		}
		switch launched := c.Came.Disruption(); {
		case proven && ended != "" && launched == ended, !proven && (ended == "" || launched == ""):
			return c, true
		}
	}
	return fleet.Life{}, false
}

// replaceable reports whether a node that went for a cause may have been replaced: it did not go because nobody needed
// it.
func replaceable(c fleet.Cause) bool { return c.Kind != "" && c.Kind != fleet.Empty }

// replacing reports whether a node that came for a cause may have taken another's place: nobody asked for more.
func replacing(c fleet.Cause) bool {
	switch c.Kind {
	case "", fleet.Replacement:
		return true
	case fleet.Demand: // pods that lost their node are asked for by nobody; jobs come by themselves
		return c.Why == "" && c.For.Kind != "Job" && c.For.Kind != "CronJob"
	}
	return false
}

// toldLoop is the wave that tells of a loop that goes on; nil if there is none.
func toldLoop(live []wave.Wave, loop turning) *wave.Wave {
	for i := range live {
		w := &live[i]
		if l := w.About.Loop; w.Kind == wave.KindLoop && l != nil && w.About.Standing != nil && w.ClosedAt.IsZero() &&
			w.About.Standing.Until.IsZero() && l.Pool == loop.Pool && l.InstanceType == loop.InstanceType &&
			l.CapacityType == loop.CapacityType {
			return w
		}
	}
	return nil
}

func sayLoop(r *rendering) {
	l, s := wave.Loop{}, wave.Standing{}
	if r.wave.About.Loop != nil {
		l = *r.wave.About.Loop
	}
	if r.wave.About.Standing != nil {
		s = *r.wave.About.Standing
	}
	what := strings.TrimSpace(l.CapacityType + " nodes of unknown type")
	if l.InstanceType != "" {
		what = strings.TrimSpace(l.CapacityType + " " + l.InstanceType + " nodes")
	}
	if l.Pool != "" {
		what += " of pool " + l.Pool
	}
	what = message.OneWord(what)
	if !s.Until.IsZero() {
		r.titled("🟢", "%s are no longer replaced again and again; it was %d times", what, l.Turns)
		r.add(line("The last time was at ", l.Last, "."))
		return
	}
	r.titled("🔁", "%s are replaced by the same type again and again, %d times%s", what, l.Turns,
		message.AndHourly(l.Cost))
	var why []string
	for _, c := range l.Why {
		why = append(why, message.Went(c.Cause))
	}
	text := "Each lived for about " + message.Duration(l.Lived)
	if len(why) > 0 {
		text += ": " + strings.Join(why[:min(len(why), maxCauses)], ", ")
	}
	r.add(line(text + "."))
	if l.Twice.Priced > 0 && l.Twice.USD >= 0.0001 {
		twice := l.Twice
		twice.Unpriced, twice.Priced = 0, 1
		r.add(line("For a while each is there beside the one in its place, which costs " + message.Hourly(twice) +
			" on average."))
	}
	next := "It is told again at 10 and at 100, and edited"
	switch {
	case l.From >= 100:
		next = "This is edited"
	case l.From >= 10:
		next = "It is told again at 100, and edited"
	}
	r.add(line("It has gone on since ", s.Since, ". "+next+" when it has stopped for two hours."))
}

func loopAttributes(a wave.About) map[string]string {
	if a.Loop == nil {
		return nil
	}
	return map[string]string{KeyPool: a.Loop.Pool, KeyType: a.Loop.InstanceType, KeyCapacity: a.Loop.CapacityType}
}
