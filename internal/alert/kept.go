package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// KeptRule says when nodes that are kept from going are told: once they have cost so much by the hour, or such a part
// of what all nodes cost, for so long. The zero value never tells.
type KeptRule struct {
	USD   float64       // dollars an hour; 0: however much
	Share float64       // 0 to 1; 0: whatever part
	For   time.Duration // 0: never
}

// These are Rollcall's own choice.
const (
	keptLeast  = 2                // nodes: a part of what all nodes cost is told of no fewer
	keptEnds   = 0.8              // of the rule: less than that is over
	keptSteps  = 36               // how often it is looked at over the time of the rule: every 10 minutes of 6 h
	keptGrows  = 1.1              // so much more of what is spent so far is worth an edit of its own
	keptCalm   = 3 * time.Minute  // edits are apart by at least
	keptPause  = 30 * time.Minute // what comes back within is the same message
	maxKeptBy  = 5                // keepers that a message names
	maxCordons = 200              // nodes of one message; more have another one
	keptKey    = "kept"
	cordonKey  = "cordon/"
)

// Keeping is what FindKept looks at.
type Keeping struct {
	Keeps []fleet.Keep // all that have a part in the time of the rule before now
	All   fleet.Cost   // what all nodes cost by the hour
	Nodes int          // all there are
}

// passes reports whether what is kept is as much as the rule says, or such a part of it. Where prices are missing,
// nodes are counted instead of dollars.
func (r KeptRule) passes(cost fleet.Cost, nodes int, in Keeping, part float64) bool {
	if r.USD > 0 && cost.USD >= r.USD*part {
		return true
	}
	share := shareOf(cost, in.All)
	if share == 0 && in.Nodes > 0 {
		share = float64(nodes) / float64(in.Nodes)
	}
	return r.Share > 0 && nodes >= keptLeast && share >= r.Share*part
}

// shareOf is which part of what all nodes cost some do; 0 if that is not known.
func shareOf(cost, all fleet.Cost) float64 {
	if all.LeftOut() > 0 || all.USD <= 0 || !cost.Comparable(all) {
		return 0
	}
	return min(1, cost.USD/all.USD)
}

// FindKept says what there is to tell of nodes that are kept: one thing of all of them if the rule says so, and one of
// each few that were cordoned and forgotten. Whoever cordons a node means to come back to it, so that is for a person
// and not for a rule about money; nodes that were cordoned together are told together, because one reason mostly is
// behind them. live are all waves that are not done.
func FindKept(rule KeptRule, in Keeping, live []wave.Wave, price fleet.Pricer, now time.Time) []wave.About {
	if rule.For <= 0 {
		return untold(live)
	}
	found := forgotten(in.Keeps, live, price, now)
	told := standingOf(live, keptKey)
	part := 1.0
	if told != nil && told.About.Standing.Until.IsZero() {
		part = keptEnds
	}
	sum := fleet.SumKept(in.Keeps, price, time.Time{}, now, true)
	if len(sum.Nodes) == 0 || !rule.passes(sum.Hourly, len(sum.Nodes), in, part) ||
		told == nil && !sustained(rule, in, price, now) {
		return found
	}
	k := &wave.Kept{Nodes: len(sum.Nodes), Could: sum.Could, Cost: sum.Hourly, Spent: sum.Spent,
		Share: shareOf(sum.Hourly, in.All)}
	since := now
	for i, b := range sum.By {
		if b.Since.Before(since) {
			since = b.Since
		}
		if i < maxKeptBy {
			k.By = append(k.By, wave.KeptBy{Keeper: b.Keeper, Nodes: b.Nodes, Since: b.Since, AtLeast: b.AtLeast})
		} else {
			k.More += b.Nodes
		}
	}
	// Who keeps most comes first; that its money grows does not turn two around each time.
	slices.SortStableFunc(k.By, func(a, b wave.KeptBy) int { return b.Nodes - a.Nodes })
	if told != nil && told.About.Kept != nil {
		if told.About.Standing.Until.IsZero() {
			since = told.About.Standing.Since
		}
		before := *told.About.Kept
		if k.Spent.USD >= before.Spent.USD && k.Spent.USD < before.Spent.USD*keptGrows {
			k.Spent.USD = before.Spent.USD
		}
		if diff := k.Share - before.Share; diff < 0.01 && diff > -0.01 { // somewhere else a node came or went
			k.Share = before.Share
		}
	}
	return append(found, wave.About{Standing: &wave.Standing{Key: keptKey, Since: since}, Kept: k})
}

// untold is what is still told though it is not to be any more: first that this is so, then nothing, which ends it.
func untold(live []wave.Wave) (found []wave.About) {
	for _, w := range live {
		if a := w.About; w.Kind == wave.KindKept && a.Standing != nil && a.Standing.Until.IsZero() && a.Kept != nil &&
			!a.Kept.Off {
			k := *a.Kept
			k.Off = true
			found = append(found, wave.About{Standing: a.Standing, Kept: &k})
		}
	}
	return found
}

// standingOf is the wave that tells what has a key and is not final; nil if there is none.
func standingOf(live []wave.Wave, key string) *wave.Wave {
	for i := range live {
		w := &live[i]
		if w.Kind == wave.KindKept && w.About.Standing != nil && w.About.Standing.Key == key && w.ClosedAt.IsZero() {
			return w
		}
	}
	return nil
}

// sustained reports whether as much as the rule says has been kept for as long as it says.
func sustained(rule KeptRule, in Keeping, price fleet.Pricer, now time.Time) bool {
	for i := range keptSteps + 1 {
		at := now.Add(-rule.For + time.Duration(i)*(rule.For/keptSteps))
		var cost fleet.Cost
		nodes := map[string]bool{}
		for _, k := range in.Keeps {
			if nodes[k.NodeUID] || !k.At(at) || !k.Counts(now) {
				continue
			}
			nodes[k.NodeUID] = true
			if price != nil {
				cost.Add(price(k.Machine), 1, time.Hour)
			}
		}
		if len(nodes) == 0 || !rule.passes(cost, len(nodes), in, 1) {
			return false
		}
	}
	return true
}

// forgotten says which nodes are cordoned for long and not being removed: those of each message that tells of some
// still, and those that no message tells.
func forgotten(keeps []fleet.Keep, live []wave.Wave, price fleet.Pricer, now time.Time) (found []wave.About) {
	cordoned := map[string]wave.Cordon{}
	for _, k := range keeps {
		if k.Kind == fleet.ByCordon && k.At(now) && k.Counts(now) {
			c := wave.Cordon{UID: k.NodeUID, Name: k.Node, Pool: k.Pool, Since: k.Since, AtLeast: k.AtLeast}
			if price != nil {
				c.Cost = price(k.Machine).Hourly()
			}
			cordoned[k.NodeUID] = c
		}
	}
	for _, w := range live {
		s := w.About.Standing
		if w.Kind != wave.KindKept || s == nil || !strings.HasPrefix(s.Key, cordonKey) || w.About.Kept == nil ||
			!w.ClosedAt.IsZero() {
			continue
		}
		var still []wave.Cordon
		any := false
		for _, c := range w.About.Kept.Cordons {
			now, ok := cordoned[c.UID]
			c.Over = !ok || !now.Since.Equal(c.Since)
			if !c.Over {
				delete(cordoned, c.UID)
				any = true
			}
			still = append(still, c)
		}
		if any {
			found = append(found, wave.About{Standing: &wave.Standing{Key: s.Key, Since: s.Since}, Kept: cordons(still)})
		}
	}
	var fresh []wave.Cordon
	for _, c := range cordoned {
		fresh = append(fresh, c)
	}
	slices.SortFunc(fresh, func(a, b wave.Cordon) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.UID, b.UID)
	})
	for chunk := range slices.Chunk(fresh, maxCordons) {
		first := chunk[0]
		found = append(found, wave.About{Kept: cordons(chunk), Standing: &wave.Standing{Since: first.Since,
			Key: fmt.Sprintf("%s%s/%d", cordonKey, first.UID, first.Since.Unix())}})
	}
	return found
}

// cordons is what a message says of forgotten nodes.
func cordons(all []wave.Cordon) *wave.Kept {
	k := &wave.Kept{Cordons: all}
	for _, c := range all {
		if !c.Over {
			k.Nodes++
			k.Cost = k.Cost.Plus(c.Cost)
		}
	}
	return k
}

func keptButtons(w wave.Wave) []message.Button {
	return []message.Button{{Label: "Who keeps what", Verb: message.Open, Value: "/nodes kept"}, muteButton(w)}
}

func sayKept(r *rendering) {
	k, s := wave.Kept{}, wave.Standing{}
	if r.wave.About.Kept != nil {
		k = *r.wave.About.Kept
	}
	if r.wave.About.Standing != nil {
		s = *r.wave.About.Standing
	}
	r.m.Nodes = k.Nodes
	over := !s.Until.IsZero()
	if k.Off {
		what := nodes(k.Nodes) + " kept from being ended"
		if len(k.Cordons) > 0 {
			what = nodes(k.Nodes) + " cordoned and forgotten"
		}
		r.titled("📋", "KEPT_ALERT was turned off while there were %s", what)
		return
	}
	if len(k.Cordons) > 0 {
		r.sayCordons(k.Cordons, k.Cost, over)
		return
	}
	if over {
		was := nodes(k.Nodes) + message.AndHourly(k.Cost)
		if k.Spent.Priced > 0 {
			was += ", and has cost " + message.Spent(k.Spent)
		}
		r.titled("🟢", "what is kept is below KEPT_ALERT again; it was %s", was)
	} else {
		r.titled("🧷", "%s", message.Kept(k.Nodes, k.Could, k.Cost, k.Spent))
	}
	for _, b := range k.By {
		r.add(keptLine(b))
	}
	if k.More > 0 {
		r.add(line(fmt.Sprintf("%d for other reasons", k.More)))
	}
	if over {
		return
	}
	if k.Cost.Priced == 0 {
		r.add(line("What they cost is not known."))
	} else if k.Share > 0 {
		r.add(line(fmt.Sprintf("That is %.0f %% of what all nodes cost.", 100*k.Share)))
	}
	if words := message.Needed(k.Nodes, k.Could); words != "" {
		r.add(line(words))
	}
}

// keptLine says what one keeper keeps, and since when.
func keptLine(b wave.KeptBy) message.Line {
	since := ", since "
	if b.AtLeast {
		since = ", at least since "
	}
	return line(fmt.Sprintf("%d %s", b.Nodes, message.KeptBy(b.Keeper)), since, b.Since)
}

// maxCordonLines is how many forgotten nodes a message names: as many as a phone shows at once.
const maxCordonLines = 8

// sayCordons tells of nodes that were cordoned and forgotten.
func (r *rendering) sayCordons(all []wave.Cordon, cost fleet.Cost, over bool) {
	left := slices.DeleteFunc(slices.Clone(all), func(c wave.Cordon) bool { return c.Over })
	hourly := ""
	if cost.Priced > 0 {
		hourly = ": " + message.Hourly(cost)
	}
	switch {
	case over && len(all) == 1:
		r.titled("🟢", "%s is no longer cordoned and forgotten", message.OneWord(all[0].Name))
		return
	case over:
		r.titled("🟢", "%s are no longer cordoned and forgotten", nodes(len(all)))
		return
	case len(left) == 1:
		r.titled("🚧", "%s is cordoned and nobody ends it%s", message.OneWord(left[0].Name), hourly)
	default:
		r.titled("🚧", "%s are cordoned and nobody ends them%s", nodes(len(left)), hourly)
	}
	for i, c := range left {
		if i == maxCordonLines {
			r.add(line(fmt.Sprintf("and %d more", len(left)-i)))
			break
		}
		since := "cordoned since "
		if c.AtLeast {
			since = "cordoned at least since "
		}
		pool := ""
		if c.Pool != "" {
			pool = "pool " + message.OneWord(c.Pool) + ", "
		}
		r.add(line(message.OneWord(c.Name)+": "+pool+since, c.Since))
	}
	if n := len(all) - len(left); n > 0 {
		r.add(line(fmt.Sprintf("%d others no longer are.", n)))
	}
	if len(left) == 1 {
		r.add(line("It takes no new pods and costs as much as before: uncordon it, or drain and delete it."))
	} else {
		r.add(line("They take no new pods and cost as much as before: uncordon them, or drain and delete them."))
	}
}
