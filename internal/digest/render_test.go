package digest

import (
	"testing"
	"time"

	"rollcall/internal/fleet"
)

func TestJudgement(t *testing.T) {
	const day = 24 * time.Hour
	from := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	usd := func(n float64) fleet.Cost { return fleet.Cost{USD: n, Priced: 1} }
	of := func(length time.Duration, cost, before, average float64, periods int) Summary {
		s := Summary{Span: Span{From: from, Until: from.Add(length)}, Use: Use{Cost: usd(cost)},
			Average: &Average{Cost: usd(average * float64(periods)), Length: time.Duration(periods) * length, Periods: periods}}
		if before > 0 {
			s.Previous, s.PreviousSpan = &Use{Cost: usd(before), Nodes: 1}, Span{From: from.Add(-length), Until: from}
		}
		return s
	}
	forWeb := func(s Summary, cost float64) Summary {
		s.Came = []CauseUse{{fleet.Cause{Kind: fleet.Demand, For: fleet.Workload{Kind: "Deployment", Namespace: "shop",
			Name: "web"}}, Use{Cost: usd(cost)}}}
		return s
	}
	bound := of(day, 100, 50, 100, 7)
	bound.Cost.AtMost = true
	for name, tt := range map[string]struct {
		summary Summary
		want    string
	}{
		"normal": {of(day, 191, 110, 180, 7), "a normal day, $191, 74 % more than the day before"},
		"why": {forWeb(of(day, 191, 110, 180, 7), 80),
			"a normal day, $191, 74 % more than the day before; $80 of it for shop/web"},
		"a small part":      {forWeb(of(day, 191, 191, 180, 7), 8), "a normal day, $191, as much as the day before"},
		"expensive":         {of(day, 300, 0, 180, 7), "an expensive day, $300"},
		"dearer":            {of(7*day, 220, 230, 180, 2), "a dearer week than usual, $220, 4 % less than the week before"},
		"cheaper":           {of(5*time.Hour, 100, 0, 180, 7), "a cheaper period than usual, $100"},
		"one day before":    {of(day, 191, 110, 180, 1), ""},
		"an upper bound":    {bound, ""},
		"nothing is before": {Summary{Span: Span{From: from, Until: from.Add(day)}}, ""},
	} {
		if got := (words{tt.summary}).judgement(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
