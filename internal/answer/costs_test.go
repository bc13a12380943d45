package answer_test

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// priceOf prices all machines but those of one type; spot is only bounded where no label says its price.
func priceOf(m fleet.Machine) fleet.Price {
	usd := map[string]float64{"m5.large": 0.096, "c5.xlarge": 0.17}[m.InstanceType]
	if m.LabelPrice > 0 {
		return fleet.Price{USD: m.LabelPrice, Known: true, Source: "label"}
	}
	return fleet.Price{USD: usd, Known: usd > 0, Source: "list", AtMost: usd > 0 && m.CapacityType == "spot"}
}

// Whatever happened, the costs by anything and the digest say the same, to the cent, and what is not sure is the same.
func TestCostsAreTheDigests(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 2))
		_, l := answerer(t, "")
		s := answer.Summaries{Store: l, Price: priceOf, Keep: 90 * 24 * time.Hour}
		now := time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)
		if err := l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: now.AddDate(0, 0, -20)},
			func(string) bool { return true }); err != nil {
			t.Fatal(err)
		}
		pick := func(of ...string) string { return of[r.IntN(len(of))] }
		for i := range 150 {
			born := now.Add(-time.Duration(r.IntN(int(25 * 24 * time.Hour)))).Truncate(time.Second)
			n := fleet.Node{Cluster: "prod", UID: fmt.Sprint("u", i), Name: fmt.Sprint("n", i), CreatedAt: born,
				InstanceType: pick("m5.large", "c5.xlarge", "odd"), CapacityType: pick("spot", "on-demand"),
				Zone: pick("a", "b"), Pool: pick("x", "y", "")}
			if r.IntN(4) == 0 {
				n.Labels = map[string]string{fleet.PriceLabel: pick("0.01", "0.33")}
			}
			o := fleet.First(n, born)
			b := fleet.Batch{Cluster: "prod", At: now, Observations: []fleet.Observation{o}}
			if r.IntN(3) > 0 {
				left := fleet.Gone(n, o.Known, born.Add(time.Duration(r.IntN(int(now.Sub(born))+1))))
				if r.IntN(3) == 0 {
					left.Changes[0].NotBefore = left.Changes[0].At.Add(-time.Duration(r.IntN(int(50 * time.Hour))))
				}
				b.Observations = append(b.Observations, left)
			}
			if err := l.RecordNodes(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		todo, err := l.Unexplained(t.Context(), "prod", now, 100)
		if err != nil {
			t.Fatal(err)
		}
		var why []wave.Explained
		for _, u := range todo {
			why = append(why, wave.Explained{Change: u.Change.ID, Looks: 1, Explanation: fleet.Explanation{Strength: 5,
				Cause: fleet.Cause{Kind: fleet.CauseKind(pick("demand", "replacement")), Why: pick("a", "b")}}})
		}
		if err := l.SetCauses(t.Context(), "prod", why); err != nil {
			t.Fatal(err)
		}
		// While nobody watched for the last hours, too.
		for _, at := range []time.Time{now, now.Add(90 * time.Second), now.Add(5 * time.Hour)} {
			for _, hours := range []time.Duration{1, 24, 7 * 24, 10 * 24, 40 * 24} {
				length := hours * time.Hour
				sum, err := s.Last(t.Context(), "prod", length, at)
				if err != nil {
					t.Fatal(err)
				}
				for _, by := range []query.Dimension{query.ByPool, query.ByType, query.ByZone, query.ByCapacity, query.ByCause} {
					c, err := s.Costs(t.Context(), "prod", length, by, at)
					if err != nil {
						t.Fatal(err)
					}
					same := func(what string, got, want float64) {
						t.Helper()
						if math.Abs(got-want) > 1e-6 {
							t.Errorf("%v by %s: %s is %v, and the digest's is %v", length, by, what, got, want)
						}
					}
					same("the cost", c.Cost.USD, sum.Cost.USD)
					same("what is not sure", c.UnsureUSD, sum.UnsureUSD)
					if c.Hours != sum.Hours || c.Nodes != sum.Nodes || c.Cost.Unpriced != sum.Cost.Unpriced ||
						c.Cost.AtMost != sum.Cost.AtMost || c.End != sum.End || c.Span != sum.Span {
						t.Errorf("%v by %s: %+v, and the digest says %+v", length, by, c.Use, sum.Use)
					}
					if (c.Before == nil) != (sum.Previous == nil) {
						t.Fatalf("%v by %s: the time before is known: %v, for the digest: %v", length, by, c.Before, sum.Previous)
					}
					if c.Before != nil {
						same("the cost before", c.Before.Cost.USD, sum.Previous.Cost.USD)
					}
					rows := 0.0
					for _, r := range c.Rows {
						rows += r.Cost.USD
					}
					same("the sum of the rows", rows, sum.Cost.USD)
				}
			}
		}
	}
}

// Today is compared with the same time of other days, in the zone of digests, as far as they are known.
func TestTodaySoFar(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, zone)
	for _, tc := range []struct {
		name string
		days int // since when somebody watches
		want string
	}{
		{"since today", 0, "Today so far: $0.60."},
		{"since yesterday", 2, "Today so far: $0.80. By this time yesterday: $0.80."},
		{"for long", 30, "Today so far: $0.80. By this time of the 7 days before: $0.51 on average."},
	} {
		_, l := answerer(t, "")
		a := answer.New(answer.Config{Cluster: "prod", Store: l, Watch: func(string) string { return "" },
			Summaries: answer.Summaries{Store: l, Zone: zone, Price: func(fleet.Machine) fleet.Price {
				return fleet.Price{USD: 0.1, Known: true}
			}}, Log: slog.New(slog.DiscardHandler)})
		at := now.AddDate(0, 0, -tc.days)
		if tc.days == 0 {
			at = now.Add(-6 * time.Hour)
		}
		if err := l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: at},
			func(string) bool { return true }); err != nil {
			t.Fatal(err)
		}
		n := fleet.Node{Cluster: "prod", UID: "u", Name: "n", CreatedAt: now.AddDate(0, 0, -5).Add(-4 * time.Hour)}
		if err := l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: now,
			Observations: []fleet.Observation{fleet.First(n, n.CreatedAt)}}); err != nil {
			t.Fatal(err)
		}
		v, err := a.Home(t.Context(), "U1", now)
		if err != nil {
			t.Fatal(err)
		}
		if text := v.String(); !strings.Contains(text, tc.want) {
			t.Errorf("%s: %q is not in\n%s", tc.name, tc.want, text)
		}
	}
}
