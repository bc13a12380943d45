package alert

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// Budget is what nodes may cost in a day, a week or a month: those of a cluster, or of a pool of it.
type Budget struct {
	Cluster string  // "" for each that has the pool
	Pool    string  // "" for the whole cluster
	USD     float64 // US dollars
	Per     string  // "day", "week" or "month"
}

// Applies reports whether a budget is one of a cluster.
func (b Budget) Applies(cluster string) bool { return b.Cluster == "" || b.Cluster == cluster }

// Period is the one of the budget that a moment is in, in days of the moment's zone. Weeks begin on Monday.
func (b Budget) Period(at time.Time) (from, until time.Time) {
	midnight := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, at.Location())
	}
	year, month, day := at.Date()
	switch b.Per {
	case "month":
		return midnight(year, month, 1), midnight(year, month+1, 1)
	case "week":
		day -= (int(at.Weekday()) + 6) % 7
		return midnight(year, month, day), midnight(year, month, day+7)
	}
	return midnight(year, month, day), midnight(year, month, day+1)
}

// Before is the period before the one that begins at a moment.
func (b Budget) Before(from time.Time) (time.Time, time.Time) { return b.Period(from.Add(-time.Hour)) }

// budgetKey says which budget a message is about, and which period of it.
func budgetKey(b wave.Budget) string {
	return fmt.Sprintf("%s=%s/%s@%s", b.Pool, strconv.FormatFloat(b.Limit, 'f', -1, 64), b.Per,
		b.From.Format(time.DateOnly))
}

// BudgetKey is the key of what is told of a budget: it is the same whatever else has changed meanwhile, so that each
// step is told once in a period.
func BudgetKey(b wave.Budget) string { return budgetKey(b) + "/" + strconv.Itoa(b.Step) }

// budgetPace is how often the message that goes on tells a new sum.
const budgetPace = time.Hour

// StandBudgets decides what there is to tell of budgets now, as Stand wants it. spent is what has been spent of each
// budget in its period, and, of a period that is over, of each whose message goes on; their steps do not matter. told
// are all waves of the kind that the ledger has, done or not.
//
// Only the highest step that is reached is told, and none below one that was told. The message of half a budget goes on
// until the end of its period; all others say what was so when they were written.
func StandBudgets(spent []wave.Budget, told []wave.Wave, now time.Time) (found []wave.About) {
	steps := map[string]map[int]wave.Wave{} // by budget and period
	for _, w := range told {
		if b := w.About.Budget; b != nil {
			key := budgetKey(*b)
			if steps[key] == nil {
				steps[key] = map[int]wave.Wave{}
			}
			steps[key][b.Step] = w
		}
	}
	tell := func(b wave.Budget, step int) {
		b.Step = step
		found = append(found, wave.About{Budget: &b, Standing: &wave.Standing{Key: BudgetKey(b), Since: now}})
	}
	seen := map[string]bool{}
	for _, b := range spent {
		key := budgetKey(b)
		seen[key] = true
		over := !now.Before(b.Until)
		if step := reached(b); step > 0 && !over && !toldAtLeast(steps[key], step) {
			tell(b, step)
		}
		_, forecast := steps[key][wave.BudgetForecast]
		if _, passed := steps[key][wave.BudgetPassed]; b.Low > b.Limit && b.Spent < b.Limit && !over && !forecast && !passed {
			tell(b, wave.BudgetForecast)
		}
		if w, ok := steps[key][wave.BudgetHalf]; ok && w.ClosedAt.IsZero() && w.About.Standing != nil {
			about := w.About
			if was := about.Budget; over || now.Sub(was.At).Abs() >= budgetPace {
				b.Step = wave.BudgetHalf
				about.Budget = &b
			}
			if over && about.Standing.Until.IsZero() {
				about = about.Over(b.Until)
			}
			found = append(found, about)
		}
	}
	// What was told of another period, or is fixed, stays as it is until its wave ends.
	for _, w := range told {
		b := w.About.Budget
		if b != nil && w.ClosedAt.IsZero() && w.About.Standing != nil && (b.Step != wave.BudgetHalf || now.Before(b.From)) &&
			!(seen[budgetKey(*b)] && b.Step == wave.BudgetHalf) {
			found = append(found, w.About)
		}
	}
	return found
}

// reached is the highest step that is reached of a budget, 0 if none is.
func reached(b wave.Budget) int {
	for _, step := range []int{wave.BudgetPassed, wave.BudgetMost, wave.BudgetHalf} {
		if b.Spent >= b.Limit*float64(step)/100 {
			return step
		}
	}
	return 0
}

func toldAtLeast(steps map[int]wave.Wave, step int) bool {
	for told := range steps {
		if told >= step {
			return true
		}
	}
	return false
}

// budgetEnds is when a message about a budget is final: at once, but for the one that goes on.
func budgetEnds(w wave.Wave) time.Time {
	if b := w.About.Budget; b != nil && b.Step == wave.BudgetHalf {
		return endsAfter(0)(w)
	}
	return w.OpenedAt
}

// budgetButtons lead to what the money went to.
func budgetButtons(w wave.Wave) []message.Button {
	line := "/nodes costs"
	if b := w.About.Budget; b != nil {
		days := max(1, int(math.Ceil(b.At.Sub(b.From).Hours()/24)))
		line += fmt.Sprintf(" --since %dd", days)
		if b.Pool != "" {
			line += " --by type"
		}
	}
	return []message.Button{{Label: "Costs", Verb: message.Open, Value: line}}
}

// usd is an amount.
func usd(v float64) string { return message.Dollars(fleet.Cost{USD: v, Priced: 1}) }

// usdOf is an amount that is a bound if what was spent of a budget is one.
func usdOf(b wave.Budget, v float64) string {
	return message.Dollars(fleet.Cost{USD: v, Priced: 1, AtMost: b.AtMost, AtLeast: b.AtLeast})
}

// roundUSD is an amount without cents if it has none.
func roundUSD(v float64) string { return strings.TrimSuffix(usd(v), ".00") }

// budgetPeriod is what people call a period of a budget.
func budgetPeriod(b wave.Budget) string {
	switch b.Per {
	case "month":
		return b.From.Format("January")
	case "week":
		return "the week of " + b.From.Format("2 Jan")
	}
	return b.From.Format("2 Jan")
}

// dayWords is a day of a budget's period.
func dayWords(t time.Time) string { return t.Format("Mon 2 Jan") }

// between is a span of days in few words.
func between(first, last time.Time) string {
	switch {
	case last.IsZero():
		return "from " + first.Format("2 Jan") + " on"
	case first.Equal(last):
		return first.Format("2 Jan")
	case first.Month() == last.Month():
		return fmt.Sprintf("%d–%s", first.Day(), last.Format("2 Jan"))
	}
	return first.Format("2 Jan") + "–" + last.Format("2 Jan")
}

func sayBudget(r *rendering) {
	r.quiet = true
	b := wave.Budget{}
	if r.wave.About.Budget != nil {
		b = *r.wave.About.Budget
	}
	what := "the budget for " + budgetPeriod(b)
	if b.Pool != "" {
		what = "pool " + message.OneWord(b.Pool) + "'s budget for " + budgetPeriod(b)
	}
	percent := 0.0
	if b.Limit > 0 {
		percent = math.Floor(100*b.Spent/b.Limit + 1e-9)
	}
	of := usdOf(b, b.Spent) + " of " + roundUSD(b.Limit)
	over := r.wave.About.Standing != nil && !r.wave.About.Standing.Until.IsZero() && b.Step == wave.BudgetHalf
	left := ", " + message.Duration(b.Until.Sub(b.At).Round(time.Minute)) + " before its end"
	upTo := ""
	switch {
	case b.AtMost && b.AtLeast:
		upTo = "about "
	case b.AtMost:
		upTo = "up to "
	case b.AtLeast:
		upTo = "at least "
	}
	switch {
	case over:
		r.titled("🏁", "%s%.0f %% of %s was spent: %s", upTo, percent, what, of)
	case b.Step == wave.BudgetForecast:
		r.titled("📈", "%s will be passed %s: %s expected, %s of it spent by now", what, passed(b),
			roundUSD(math.Round(b.Likely)), usdOf(b, b.Spent))
	case b.Step == wave.BudgetPassed && b.AtMost:
		r.titled("🔴", "%s may be passed: %s%s", what, of, left)
	case b.Step == wave.BudgetPassed:
		r.titled("🔴", "%s is passed: %s%s", what, of, left)
	case b.Step == wave.BudgetMost:
		r.titled("🟠", "%s%.0f %% of %s is spent: %s%s", upTo, percent, what, of, left)
	default:
		r.titled("💰", "%s%.0f %% of %s is spent: %s%s", upTo, percent, what, of, left)
	}
	if !over {
		r.add(budgetExpected(b)...)
	}
	r.add(budgetGrown(b)...)
	if !b.Since.IsZero() {
		since := b.Since.In(b.From.Location()).Format("2 Jan 15:04")
		r.add(line("Counted since " + since + ": what was before is not known."))
	}
	for _, text := range message.CostDoubts(fleet.Cost{Priced: max(1, b.Priced), Unpriced: b.Unpriced, Billed: b.Billed,
		AtMost: b.AtMost, AtLeast: b.AtLeast, Old: b.Old}) {
		r.add(line(text))
	}
	if b.Unsure >= 0.005 {
		r.add(line("Up to " + usd(b.Unsure) + " more: when some nodes left was not seen."))
	}
	if b.Step == wave.BudgetHalf && !over {
		r.add(line("This message goes on until ", b.Until, "; 80 and 100 % are told on their own."))
	}
}

// passed says on which day a budget is passed.
func passed(b wave.Budget) string {
	text := "on " + dayWords(b.Passed)
	if !b.First.IsZero() && !(b.First.Equal(b.Passed) && b.Last.Equal(b.Passed)) {
		text += " (" + between(b.First, b.Last) + ")"
	}
	return text
}

// budgetExpected says what is expected by the end of the period.
func budgetExpected(b wave.Budget) []message.Line {
	left := b.Until.Sub(b.At)
	switch {
	case b.Days != 0 && left > 0 && b.At.Sub(b.From) > left/10:
		pace := b.Spent / b.At.Sub(fleet.Latest(b.From, b.Since)).Hours() * left.Hours()
		return []message.Line{line(fmt.Sprintf("If it goes on at this pace: %s by the end. I know %s, too few for a "+
			"forecast.", usdOf(b, math.Round(b.Spent+pace)), message.Count(max(0, b.Days), "whole day")))}
	case b.Likely <= 0:
		return nil
	}
	text := fmt.Sprintf("Expected by the end: %s, nine times in ten between %s and %s",
		usdOf(b, math.Round(b.Likely)), roundUSD(math.Floor(b.Low)), roundUSD(math.Ceil(b.High)))
	if !b.Passed.IsZero() && b.Step != wave.BudgetForecast && b.Spent < b.Limit {
		text += "; passed " + passed(b)
	}
	return []message.Line{line(text + ".")}
}

// budgetGrown says what has grown since the period before.
func budgetGrown(b wave.Budget) []message.Line {
	if b.Before <= 0 {
		return nil
	}
	text := fmt.Sprintf("By the same time of the %s before: %s", b.Per, usdOf(b, b.Before))
	var parts []string
	for _, g := range b.Grew {
		name := g.What + " " + message.OneWord(cmp.Or(g.Name, fleet.Unknown))
		if g.What == "cause" {
			name = "nodes that came for " + message.OneWord(g.Name)
			switch g.Name {
			case "":
				name = "nodes of which nothing says why they came"
			case string(fleet.Demand):
				name = "nodes for pods that waited"
			case string(fleet.Replacement):
				name = "replacements"
			}
		}
		parts = append(parts, fmt.Sprintf("%s +%s", name, usd(g.USD)))
	}
	if len(parts) > 0 {
		text += ". What grew: " + strings.Join(parts, ", ")
	}
	return []message.Line{line(text + ".")}
}
