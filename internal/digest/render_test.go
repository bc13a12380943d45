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
	bounds := of(day, 742.2, 0, 740, 7)
	bounds.Cost.AtMost, bounds.Average.Cost.AtMost = true, true
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
		"upper bounds":      {bounds, "a normal day, ≤ $743"},
		"nothing is before": {Summary{Span: Span{From: from, Until: from.Add(day)}}, ""},
	} {
		if got := (words{tt.summary}).judgement(); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestNamesOfPeriods(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, until, name, days string }{
		{"2026-11-24 09:00", "2026-11-25 09:00", "day", "24–24 Nov"},
		{"2026-10-24 09:00", "2026-10-25 09:00", "day", "24–24 Oct"}, // 25 hours
		{"2026-11-23 09:00", "2026-11-30 09:00", "week", "23–29 Nov"},
		{"2026-11-23 00:00", "2026-11-30 00:00", "week", "23–29 Nov"},
		{"2026-11-23 12:00", "2026-11-30 12:00", "week", "23–29 Nov"},
		{"2026-11-22 18:00", "2026-11-29 18:00", "week", "23–29 Nov"},
		{"2026-03-23 09:00", "2026-03-30 09:00", "week", "23–29 Mar"}, // 167 hours
		{"2026-10-19 09:00", "2026-10-26 09:00", "week", "19–25 Oct"}, // 169 hours
		{"2026-11-30 09:00", "2026-12-07 09:00", "week", "30 Nov–6 Dec"},
		{"2026-12-28 09:00", "2027-01-04 09:00", "week", "28 Dec–3 Jan"},
		{"2026-02-01 09:00", "2026-03-01 09:00", "month", "1–28 Feb"},
		{"2026-10-01 09:00", "2026-11-01 09:00", "month", "1–31 Oct"},
		{"2026-11-24 09:00", "2026-11-24 10:00", "hour", "24–23 Nov"},
		{"2026-11-23 09:00", "2026-11-27 09:00", "period", "23–26 Nov"},
	} {
		from, err1 := time.ParseInLocation("2006-01-02 15:04", tt.from, berlin)
		until, err2 := time.ParseInLocation("2006-01-02 15:04", tt.until, berlin)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		w := words{Summary{Span: Span{From: from, Until: until}}}
		if w.name() != tt.name || tt.name == "week" && w.days() != tt.days {
			t.Errorf("%s to %s is a %s of %s, want a %s of %s", tt.from, tt.until, w.name(), w.days(), tt.name, tt.days)
		}
	}
}

// A week has its name in the headline, with a judgement and without.
func TestHeadlineOfWeek(t *testing.T) {
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	week := func(from time.Time) Span { return Span{From: from, Until: from.AddDate(0, 0, 7)} }
	s := Summary{Cluster: "prod", Span: week(from), Start: 12, End: 15, Use: Use{Nodes: 20, Cost: fleet.Cost{USD: 1340.2,
		Priced: 20}}, Joined: 8, Left: 5, Peak: 17, Low: 12}
	const unjudged = "prod · Week 23–29 Nov: 12 → 15 nodes, $1,340 in 7 days"
	if got := (words{s}).headline(); got != unjudged {
		t.Errorf("%q, want %q", got, unjudged)
	}
	s.Previous, s.PreviousSpan = &Use{Nodes: 9, Cost: fleet.Cost{USD: 1523, Priced: 9}}, week(from.AddDate(0, 0, -7))
	s.Average = &Average{Cost: fleet.Cost{USD: 3000, Priced: 20}, Length: 14 * 24 * time.Hour, Periods: 2}
	const judged = "prod · Week 23–29 Nov: a normal week, $1,340, 12 % less than the week before"
	m := Render(s, nil)
	if m.Headline != judged || m.Text != judged+". 12 → 15 nodes: 8 joined, 5 left, most at once 17" {
		t.Errorf("%q, and %q, want %q", m.Headline, m.Text, judged)
	}
}
