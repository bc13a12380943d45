package digest

import (
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

func spotPrice(m fleet.Machine) fleet.Price {
	switch {
	case m.InstanceType == "odd":
		return fleet.Price{}
	case m.CapacityType != "spot":
		return fleet.Price{USD: 1, Known: true}
	case m.InstanceType == "bounded":
		return fleet.Price{USD: 1, Known: true, AtMost: true}
	}
	return fleet.Price{USD: 0.4, Known: true}
}

func spotSpending() query.Spending {
	group := func(instanceType, zone, capacity string) query.SpendGroup {
		return query.SpendGroup{Machine: fleet.Machine{InstanceType: instanceType, CapacityType: capacity}, Zone: zone}
	}
	h := time.Hour
	return query.Spending{Groups: []query.SpendGroup{group("m5.large", "a", "spot"), group("m5.large", "b", "spot"),
		group("bounded", "a", "spot"), group("odd", "a", "spot"), group("m5.large", "a", "on-demand")},
		Periods: [][]query.Spent{{
			{Group: 0, Start: 4, Joined: 6, Left: 5, End: 5, Sure: fleet.Together(100 * h),
				Interrupted: []time.Duration{h, 3 * h, 2 * h, 9 * h}},
			{Group: 1, Joined: 3, Left: 1, End: 2, Sure: fleet.Together(40 * h), Interrupted: []time.Duration{5 * h}},
			{Group: 2, Start: 1, End: 1, Sure: fleet.Together(24 * h)},
			{Group: 3, Joined: 2, Left: 2, Sure: fleet.Together(19 * h), Interrupted: []time.Duration{h}, Gone: 1},
			{Group: 4, Start: 9, End: 9, Sure: fleet.Together(900 * h)},
		}}}
}

// How often spot nodes are taken back is said of groups with enough hours only, and what they saved only of hours of
// which both prices are known.
func TestSpot(t *testing.T) {
	u := NewSpotUse(spotSpending(), spotPrice)
	if len(u.Rows) != 3 || u.Others != 1 || u.Rest.Interrupted != 1 || u.All.Nodes != 16 || u.Median != 2*time.Hour {
		t.Errorf("%+v", u)
	}
	if u.All.Compared != fleet.Together(140*time.Hour) || u.All.Saved() < 83.99 || u.All.Saved() > 84.01 {
		t.Errorf("saved %v of %v", u.All.Saved(), u.All.Compared)
	}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := Facts{Cluster: "prod", Span: Span{From: noon.AddDate(0, 0, -7), Until: noon}, WatchedUntil: noon, Price: spotPrice}
	for _, tc := range []struct {
		name string
		text string
		want []string
	}{
		{"the digest", strings.Join(u.Lines(), "\n"), []string{
			"6 of 16 spot nodes taken back by the cloud: 6 in 183 node-hours, one each 30.5 h. Half of them lived no longer than 2 h.",
			"The most often: m5.large in a (4 in 100 node-hours, one each 25 h); m5.large in b (1 in 40 node-hours).",
			"1 spot node more left of which nothing says why the machine was gone.",
			"Saved against on-demand: $84.00 (60 %), of 140 node-hours; of 43 node-hours the spot price or the on-demand price is " +
				"not known."}},
		{"the answer", RenderSpot(f, u).String(), []string{"prod: 6 of 16 spot nodes taken back in 7 days, $84.00 saved",
			"m5.large a", "4 in 100 node-hours, one each 25 h", "$60.00", "bounded a", "none in 24 node-hours",
			"1 with less than 20 node-hours"}},
		{"no spot", RenderSpot(f, SpotUse{}).String(), []string{"prod: no spot nodes in 7 days"}},
		{"nothing known", RenderSpot(Facts{Cluster: "prod", Span: f.Span, KnownFrom: noon}, SpotUse{}).String(),
			[]string{"nothing is known of that time yet"}},
		{"no prices", RenderSpot(f, NewSpotUse(spotSpending(), func(fleet.Machine) fleet.Price { return fleet.Price{} })).String(),
			[]string{"What spot saves is not known"}},
	} {
		for _, want := range tc.want {
			if !strings.Contains(tc.text, want) {
				t.Errorf("%s: %q is not in\n%s", tc.name, want, tc.text)
			}
		}
	}
	if strings.Contains(strings.Join(u.Lines(), "\n"), "odd") {
		t.Error("a group with less than 20 node-hours is named")
	}
	if NewSpotUse(query.Spending{}, spotPrice).Lines() != nil {
		t.Error("something is said of no spot nodes")
	}
}

// Costs compare with the time before, name what changed most, and say what is not known.
func TestCosts(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	week := 7 * 24 * time.Hour
	f := Facts{Cluster: "prod", Span: Span{From: noon.Add(-week), Until: noon}, WatchedUntil: noon, Price: spotPrice,
		Before: []Span{{From: noon.Add(-2 * week), Until: noon.Add(-week)}}}
	g := func(instanceType, pool string, came fleet.CauseKind) query.SpendGroup {
		return query.SpendGroup{Machine: fleet.Machine{InstanceType: instanceType}, Pool: pool, Came: came}
	}
	s := query.Spending{Groups: []query.SpendGroup{g("m5.large", "gpu", fleet.Demand), g("m5.large", "batch", ""),
		g("odd", "odd", "")}, Periods: [][]query.Spent{
		{{Group: 0, Start: 2, Joined: 1, End: 3, Sure: fleet.Together(300 * time.Hour)},
			{Group: 1, Start: 1, Left: 1, Sure: fleet.Together(100 * time.Hour),
				Unsure: fleet.Together(time.Hour)}, {Group: 2, Start: 1, End: 1, Sure: fleet.Together(168 * time.Hour)}},
		{{Group: 0, Start: 2, End: 2, Sure: fleet.Together(200 * time.Hour)},
			{Group: 1, Start: 1, End: 1, Sure: fleet.Together(120 * time.Hour)}}}}
	for _, tc := range []struct {
		name string
		text string
		want []string
	}{
		{"by pool", RenderCosts(NewCosts(f, s, query.ByPool)).String(), []string{
			"prod: $400.00 in 7 days, 25 % more than the 7 days before", "What changed most: gpu +$100.00, batch −$20.00.",
			"Now 4 nodes, $3.00/h + 1 not priced. 568 node-hours in all.", "$300.00 · 75 %", "300 h · $3.00/h",
			"Up to 1 node-hour more ($1.00): when some nodes left was not seen.",
			"The price of 1 node is not known; it is in no sum."}},
		{"by cause", RenderCosts(NewCosts(f, s, query.ByCause)).String(), []string{"They came for", "pods that waited",
			"not said by anything"}},
		{"nothing before", func() string {
			f := f
			f.KnownFrom = noon.Add(-week - time.Hour)
			return RenderCosts(NewCosts(f, s, query.ByPool)).String()
		}(), []string{"prod: $400.00 in 7 days\n", "The time before is not known whole"}},
		{"no nodes", RenderCosts(NewCosts(f, query.Spending{Periods: [][]query.Spent{nil, nil}}, query.ByPool)).String(),
			[]string{"prod: no nodes in 7 days"}},
	} {
		for _, want := range tc.want {
			if !strings.Contains(tc.text, want) {
				t.Errorf("%s: %q is not in\n%s", tc.name, want, tc.text)
			}
		}
	}
}

// What thousands of nodes live in months is more than a time.Duration holds.
func TestManyNodeHours(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := Facts{Cluster: "prod", Span: Span{From: noon.AddDate(0, 0, -90), Until: noon}, WatchedUntil: noon, Price: spotPrice}
	s := query.Spending{Groups: []query.SpendGroup{{Pool: "a"}, {Pool: "b"}}, Periods: [][]query.Spent{{
		{Group: 0, Start: 5000, End: 5000, Sure: 5000 * fleet.Together(90*24*time.Hour)},
		{Group: 1, Start: 5000, End: 5000, Sure: 5000 * fleet.Together(90*24*time.Hour)}}}}
	text := RenderCosts(NewCosts(f, s, query.ByPool)).String()
	for _, want := range []string{"prod: $21,600,000 in 90 days", "21,600,000 node-hours in all", "10,800,000 h"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
