package alert

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rollcall/internal/wave"
)

func TestBudgetPeriods(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 10, 24, 23, 30, 0, 0, time.UTC) // Sunday 01:30 in Berlin; its clocks are changed that night
	for _, tc := range []struct {
		per         string
		zone        *time.Location
		from, until string
	}{
		{"day", time.UTC, "2026-10-24 00:00", "2026-10-25 00:00"},
		{"day", berlin, "2026-10-25 00:00", "2026-10-26 00:00"},
		{"week", time.UTC, "2026-10-19 00:00", "2026-10-26 00:00"},
		{"month", berlin, "2026-10-01 00:00", "2026-11-01 00:00"},
	} {
		from, until := Budget{Per: tc.per}.Period(at.In(tc.zone))
		const form = "2006-01-02 15:04"
		if from.Format(form) != tc.from || until.Format(form) != tc.until {
			t.Errorf("a %s in %s is from %s until %s", tc.per, tc.zone, from, until)
		}
	}
	from, until := Budget{Per: "day"}.Period(at.In(berlin))
	if until.Sub(from) != 25*time.Hour {
		t.Errorf("the day has %v", until.Sub(from))
	}
	if b, e := (Budget{Per: "month"}).Before(from); b.Month() != time.October && e.Sub(b) > 0 {
		t.Errorf("the month before that of %s is from %s until %s", from, b, e)
	}
}

// budgetTold runs the decisions of a series of looks as the teller would, and lists what was told at each.
type budgetLook struct {
	at    time.Time
	spent float64
	low   float64
	limit float64 // default 1000
}

func budgetTold(looks []budgetLook) (told []string, edits int, waves []wave.Wave) {
	budget := Budget{Per: "month"}
	for i, l := range looks {
		from, until := budget.Period(l.at)
		facts := wave.Budget{Limit: l.limit, Per: "month", From: from, Until: until, At: l.at, Spent: l.spent, Low: l.low,
			Likely: l.low}
		if facts.Limit == 0 {
			facts.Limit = 1000
		}
		all := []wave.Budget{facts}
		for _, w := range waves { // as the teller counts what is over
			if b := *w.About.Budget; b.Step == wave.BudgetHalf && w.ClosedAt.IsZero() && !l.at.Before(b.Until) {
				b.At, b.Spent = b.Until, 901
				all = append(all, b)
			}
		}
		var live []wave.Wave
		for _, w := range waves {
			if w.ClosedAt.IsZero() {
				live = append(live, w)
			}
		}
		begin, changed := Stand(wave.KindBudget, live, StandBudgets(all, waves, l.at), l.at)
		for _, o := range begin {
			told = append(told, fmt.Sprintf("%d: %d", i, o.About.Budget.Step))
			waves = append(waves, wave.Wave{ID: int64(len(waves) + 1), Kind: wave.KindBudget, About: o.About, OpenedAt: l.at})
		}
		edits += len(changed)
		for _, w := range changed {
			waves[w.ID-1].About = w.About
		}
		for j := range waves {
			if end := budgetEnds(waves[j]); !end.IsZero() && waves[j].ClosedAt.IsZero() {
				waves[j].ClosedAt = l.at
			}
		}
	}
	return told, edits, waves
}

func TestStandBudgets(t *testing.T) {
	day := func(n float64) time.Time {
		return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n * 24 * float64(time.Hour)))
	}
	for _, tc := range []struct {
		name  string
		looks []budgetLook
		want  []string
		edits int
	}{
		{"each step once", []budgetLook{{at: day(5), spent: 400}, {at: day(10), spent: 500}, {at: day(10.01), spent: 501},
			{at: day(15), spent: 799}, {at: day(16), spent: 800}, {at: day(17), spent: 900}, {at: day(20), spent: 1000},
			{at: day(25), spent: 1300}}, []string{"1: 50", "4: 80", "6: 100"}, 5},
		{"the highest step alone", []budgetLook{{at: day(20), spent: 850}, {at: day(21), spent: 1200}, {at: day(22), spent: 1300}},
			[]string{"0: 80", "1: 100"}, 0},
		{"passed at once", []budgetLook{{at: day(20), spent: 8500, low: 9000}, {at: day(21), spent: 9000, low: 9000}},
			[]string{"0: 100"}, 0},
		{"a forecast once", []budgetLook{{at: day(15), spent: 480, low: 990}, {at: day(16), spent: 490, low: 1001},
			{at: day(16.1), spent: 491, low: 1002}, {at: day(17), spent: 510, low: 995}, {at: day(18), spent: 520, low: 1100}},
			[]string{"1: -1", "3: 50"}, 1},
		{"a clock that is set back", []budgetLook{{at: day(10), spent: 500}, {at: day(16), spent: 800}, {at: day(9), spent: 480},
			{at: day(10), spent: 500}, {at: day(16), spent: 800}}, []string{"0: 50", "1: 80"}, 4},
		{"a clock that is set back to the month before", []budgetLook{{at: day(1), spent: 500}, {at: day(2), spent: 800},
			{at: day(-3), spent: 100}, {at: day(2), spent: 800}}, []string{"0: 50", "1: 80"}, 1},
		{"the next month", []budgetLook{{at: day(10), spent: 500}, {at: day(30), spent: 1}, {at: day(31), spent: 2},
			{at: day(40), spent: 500}}, []string{"0: 50", "3: 50"}, 1},
		{"a higher budget", []budgetLook{{at: day(10), spent: 1000}, {at: day(11), spent: 1010, limit: 2000},
			{at: day(12), spent: 1020, limit: 2000}}, []string{"0: 100", "1: 50"}, 1},
	} {
		got, edits, waves := budgetTold(tc.looks)
		if !slices.Equal(got, tc.want) || edits != tc.edits {
			t.Errorf("%s: told %v with %d changes, want %v with %d", tc.name, got, edits, tc.want, tc.edits)
		}
		for _, w := range waves {
			b, final := w.About.Budget, w.About.Standing.Until
			if tc.name == "the next month" && w.ID == 1 && (b.Spent != 901 || !final.Equal(b.Until) || w.ClosedAt.IsZero()) {
				t.Errorf("the month ended with %+v at %s", b, final)
			}
		}
	}
}
