package deliver

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/forecast"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// budgetEvery is how often budgets are looked at.
const budgetEvery = time.Minute

// budgets are what is so for a time of the cluster's budgets; none if it has none.
func (t *Teller) budgets() []standing {
	var all []alert.Budget
	for _, b := range t.alert.Budgets {
		if b.Applies(t.cluster) {
			all = append(all, b)
		}
	}
	if len(all) == 0 || t.alert.Price == nil {
		return nil
	}
	zone := t.alert.Zone
	if zone == nil {
		zone = time.UTC
	}
	of := budgeting{teller: t, all: all, zone: zone}
	return []standing{{kind: wave.KindBudget, every: budgetEvery, find: of.find}}
}

// budgeting is what is known of a cluster's budgets between two looks.
type budgeting struct {
	teller *Teller
	all    []alert.Budget
	zone   *time.Location

	today time.Time   // of which daily holds the days before
	daily [][]float64 // what each whole day has cost, by budget, the oldest first
}

// find returns what there is to tell of budgets now.
func (g *budgeting) find(ctx context.Context, _ []wave.Wave, now time.Time) ([]wave.About, error) {
	t := g.teller
	now = now.In(g.zone).Truncate(time.Second)
	cp, err := t.store.Checkpoint(ctx, t.cluster)
	if err != nil || cp.BaselineAt.IsZero() {
		return nil, err
	}
	told, err := t.store.BudgetWaves(ctx, t.cluster)
	if err != nil {
		return nil, err
	}
	known := cp.BaselineAt
	if keep := t.alert.Keep; keep > 0 {
		known = fleet.Latest(known, now.Add(-keep))
	}
	if err := g.history(ctx, known, now); err != nil {
		return nil, err
	}
	var spent []wave.Budget
	for i, b := range g.all {
		from, until := b.Period(now)
		s, err := g.spent(ctx, b, from, until, known, now)
		if err != nil {
			return nil, err
		}
		g.expect(&s, g.daily[i])
		spent = append(spent, s)
		// Of a period that is over, the message that goes on says how it ended.
		for _, w := range told {
			was := w.About.Budget
			if was == nil || !w.ClosedAt.IsZero() || was.Step != wave.BudgetHalf || now.Before(was.Until) ||
				was.Pool != b.Pool || was.Limit != b.USD || was.Per != b.Per {
				continue
			}
			s, err := g.spent(ctx, b, was.From.In(g.zone), was.Until.In(g.zone), known, was.Until.In(g.zone))
			if err != nil {
				return nil, err
			}
			spent = append(spent, s)
		}
	}
	return alert.StandBudgets(spent, told, now), nil
}

// spent counts what has been spent of a budget in a period up to a moment, beside the period before.
func (g *budgeting) spent(ctx context.Context, b alert.Budget, from, until, known, at time.Time) (wave.Budget, error) {
	s := wave.Budget{Pool: b.Pool, Limit: b.USD, Per: b.Per, From: from, Until: until, At: at}
	periods := []query.Period{{From: from, Until: at}}
	if from.Before(known) {
		s.Since, periods[0].From = known.In(g.zone), known
	}
	before, end := b.Before(from)
	if !before.Before(known) {
		// The months differ in length: the time of one is not in every other.
		same := before.Add(at.Sub(from))
		if same.After(end) {
			same = end
		}
		periods = append(periods, query.Period{From: before, Until: same})
	}
	spending, err := g.teller.store.Spending(ctx, g.teller.cluster, periods...)
	if err != nil {
		return s, err
	}
	now := g.count(b, spending, 0)
	c := now.cost
	s.Spent, s.AtMost, s.AtLeast, s.Unsure = c.USD, c.AtMost, c.AtLeast, now.unsure
	s.Unpriced, s.Billed, s.Priced, s.Old = c.Unpriced, c.Billed, c.Priced, c.Old
	if len(periods) < 2 {
		return s, nil
	}
	// A time in which no price is known is no time that cost nothing.
	if then := g.count(b, spending, 1); then.cost.USD > 0 && then.cost.LeftOut() == 0 &&
		then.cost.Comparable(c) {
		s.Before = then.cost.USD
		s.Grew = grew(now.by, then.by, b.USD)
	}
	return s, nil
}

// counted is what the nodes of a budget cost in a period.
type counted struct {
	cost   fleet.Cost
	unsure float64
	by     map[wave.BudgetRow]float64 // by what may have grown; without its USD
}

func (g *budgeting) count(b alert.Budget, s query.Spending, period int) counted {
	c := counted{by: map[wave.BudgetRow]float64{}}
	for _, x := range s.Periods[period] {
		of := s.Groups[x.Group]
		if b.Pool != "" && of.Pool != b.Pool {
			continue
		}
		p := g.teller.alert.Price(of.Machine)
		c.cost.Add(p, x.Nodes(), 0)
		if !p.Known {
			continue
		}
		usd := p.USD * x.Sure.Hours()
		c.cost.USD, c.unsure = c.cost.USD+usd, c.unsure+p.USD*x.Unsure.Hours()
		if b.Pool == "" {
			c.by[wave.BudgetRow{What: "pool", Name: of.Pool}] += usd
		} else {
			c.by[wave.BudgetRow{What: "type", Name: of.InstanceType}] += usd
		}
		c.by[wave.BudgetRow{What: "cause", Name: string(of.Came)}] += usd
	}
	return c
}

// grew names what grew most between two times: two pools, or types, and one cause. What is less than a hundredth of the
// budget is not worth a name.
func grew(now, then map[wave.BudgetRow]float64, limit float64) (rows []wave.BudgetRow) {
	for r, usd := range now {
		if r.USD = math.Round(100*(usd-then[r])) / 100; r.USD >= limit/100 {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b wave.BudgetRow) int {
		cause := func(r wave.BudgetRow) int {
			if r.What == "cause" {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(cause(a), cause(b)), cmp.Compare(b.USD, a.USD), cmp.Compare(a.Name, b.Name))
	})
	named := map[bool]int{}
	return slices.DeleteFunc(rows, func(r wave.BudgetRow) bool {
		cause := r.What == "cause"
		named[cause]++
		return cause && named[cause] > 1 || named[cause] > 2
	})
}

// history reads what the days before today have cost, once a day.
func (g *budgeting) history(ctx context.Context, known, now time.Time) error {
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, g.zone)
	if today.Equal(g.today) {
		return nil
	}
	var days []query.Period
	for i := forecast.Back; i > 0; i-- {
		from := time.Date(now.Year(), now.Month(), now.Day()-i, 0, 0, 0, 0, g.zone)
		if !from.Before(known) {
			days = append(days, query.Period{From: from,
				Until: time.Date(now.Year(), now.Month(), now.Day()-i+1, 0, 0, 0, 0, g.zone)})
		}
	}
	s, err := g.teller.store.Spending(ctx, g.teller.cluster, days...)
	if err != nil {
		return err
	}
	g.today, g.daily = today, make([][]float64, len(g.all))
	for i, b := range g.all {
		for day := range days {
			g.daily[i] = append(g.daily[i], g.count(b, s, day).cost.USD)
		}
	}
	return nil
}

// expect says what will have been spent by the end of a budget's period. Of one of a day it does not: the ledger knows
// the pattern of weeks, and not that of days.
func (g *budgeting) expect(b *wave.Budget, daily []float64) {
	if b.Per == "day" || b.Spent <= 0 {
		return
	}
	var days []time.Time // of the period, from today on
	for d := g.today; d.Before(b.Until); d = d.AddDate(0, 0, 1) {
		days = append(days, d)
	}
	f, ok := forecast.Of(daily, len(days))
	if !ok {
		if b.Days = len(daily); b.Days == 0 {
			b.Days = -1
		}
		return
	}
	length := days[0].AddDate(0, 0, 1).Sub(days[0])
	gone := f.Day(0) * min(1, b.At.Sub(g.today).Hours()/length.Hours()) // of today
	all := f.Sum(len(days))
	if all.Likely <= 0 {
		b.Likely, b.Low, b.High = b.Spent, b.Spent, b.Spent
		return
	}
	rest := all.Likely - gone
	b.Likely, b.Low, b.High = b.Spent+rest, b.Spent+rest*all.Low/all.Likely, b.Spent+rest*all.High/all.Likely
	// The day on which it is passed, if the days cost as much as is likely, and as little and as much as they may.
	passed := func(times float64) time.Time {
		sum := b.Spent - gone*times
		for i, d := range days {
			if sum += f.Day(i) * times; sum > b.Limit {
				return d
			}
		}
		return time.Time{}
	}
	b.Passed, b.First, b.Last = passed(1), passed(all.High/all.Likely), passed(all.Low/all.Likely)
}
