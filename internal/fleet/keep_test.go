package fleet_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

var (
	kept0 = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	db    = fleet.Keeper{Kind: fleet.ByBudget, Namespace: "shop", Name: "db"}
	pet   = fleet.Keeper{Kind: fleet.ByPod, Namespace: "shop", Name: "pet"}
)

func after(h float64) time.Time { return kept0.Add(time.Duration(h * float64(time.Hour))) }

// keep is a keep from one hour to another; until 0: it is so.
func keep(node string, k fleet.Keeper, since, last, until float64) fleet.Keep {
	x := fleet.Keep{NodeUID: node, Node: node, Keeper: k, Since: after(since), Last: after(last),
		Machine: fleet.Machine{InstanceType: "m5.large"}}
	if until > 0 {
		x.Until = after(until)
	}
	return x
}

// dollar is the price of an hour of any machine that has a type.
func dollar(m fleet.Machine) fleet.Price {
	return fleet.Price{USD: 1, Known: m.InstanceType != ""}
}

func TestSumKept(t *testing.T) {
	cordon := fleet.Keeper{Kind: fleet.ByCordon}
	for _, tc := range []struct {
		name    string
		keeps   []fleet.Keep
		from    float64
		until   float64
		current bool
		want    string
	}{
		{"nothing", nil, 0, 10, true, "0 nodes, could 0, $0/h, $0.00:"},
		{"one", []fleet.Keep{keep("a", db, 1, 10, 0)}, 0, 10, true, "1 nodes, could 0, $1/h, $9.00: db 1 $9.00"},
		{"two keepers of one node", []fleet.Keep{keep("a", db, 1, 10, 0), keep("a", pet, 3, 10, 0)}, 0, 10, true,
			"1 nodes, could 0, $1/h, $9.00: db 1 $9.00"},
		{"one after the other, now", []fleet.Keep{keep("a", db, 1, 4, 5), keep("a", pet, 3, 10, 0)}, 0, 10, true,
			"1 nodes, could 0, $1/h, $7.00: pet 1 $7.00"},
		{"one after the other, in a period", []fleet.Keep{keep("a", db, 1, 4, 5), keep("a", pet, 3, 10, 0)}, 0, 10, false,
			"1 nodes, could 0, $1/h, $9.00: pet 1 $6.00 db 1 $3.00"},
		{"in part of a period", []fleet.Keep{keep("a", db, 1, 8, 9), keep("b", db, 1, 3, 4)}, 5, 7, false,
			"1 nodes, could 0, $1/h, $2.00: db 1 $2.00"},
		{"what was said counts until it was said last", []fleet.Keep{keep("a", db, 1, 9.5, 0)}, 0, 10, true,
			"1 nodes, could 0, $1/h, $8.58: db 1 $8.58"},
		{"a short cordon", []fleet.Keep{keep("a", cordon, 8, 8, 0)}, 0, 10, true, "0 nodes, could 0, $0/h, $0.00:"},
		{"a long one", []fleet.Keep{keep("a", cordon, 6, 6, 0)}, 0, 10, true, "1 nodes, could 0, $1/h, $4.00:  1 $4.00"},
		{"settings", []fleet.Keep{keep("a", fleet.Keeper{Kind: fleet.BySpot}, 1, 10, 0),
			keep("", fleet.Keeper{Kind: fleet.ByPoolBudget, Name: "general"}, 1, 10, 0)}, 0, 10, true,
			"0 nodes, could 0, $0/h, $0.00:"},
		{"not needed", []fleet.Keep{keep("a", fleet.Keeper{Kind: fleet.ByUnneeded}, 9, 9, 0),
			keep("a", db, 9.9, 9.95, 0)}, 0, 10, true, "1 nodes, could 1, $1/h, $1.00:  1 $1.00"},
		{"not needed for a moment", []fleet.Keep{keep("a", fleet.Keeper{Kind: fleet.ByUnneeded}, 9.8, 9.8, 0)}, 0, 10, true,
			"0 nodes, could 0, $0/h, $0.00:"},
	} {
		s := fleet.SumKept(tc.keeps, dollar, after(tc.from), after(tc.until), tc.current)
		parts := []string{fmt.Sprintf("%d nodes, could %d, $%.0f/h, $%.2f:", len(s.Nodes), s.Could, s.Hourly.USD,
			s.Spent.USD)}
		for _, b := range s.By {
			parts = append(parts, fmt.Sprintf("%s %d $%.2f", b.Keeper.Name, b.Nodes, b.Spent.USD))
		}
		if got := strings.Join(parts, " "); got != tc.want {
			t.Errorf("%s: %s; want %s", tc.name, got, tc.want)
		}
	}
	none := keep("a", db, 1, 10, 0)
	none.Machine.InstanceType = ""
	if s := fleet.SumKept([]fleet.Keep{none}, dollar, after(0), after(10), true); s.Hourly.Unpriced != 1 ||
		s.Spent.Unpriced != 1 || s.By[0].Spent.Unpriced != 1 {
		t.Errorf("a node whose price is not known: %+v", s)
	}
}

// TestSumKeptAddsUp holds that the parts are the whole, and that the whole is what a look at each minute finds.
func TestSumKeptAddsUp(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 16))
		var keeps []fleet.Keep
		for range 1 + r.IntN(20) {
			since := float64(r.IntN(20*60)) / 60
			last := since + float64(r.IntN(10*60))/60
			until := 0.0
			if r.IntN(2) == 0 {
				until = last + 0.75
			}
			keeps = append(keeps, keep(fmt.Sprint("n", r.IntN(5)), []fleet.Keeper{db, pet}[r.IntN(2)], since, last, until))
		}
		from, until := after(float64(r.IntN(10))), after(float64(11+r.IntN(19)))
		want := 0.0
		for at := from; at.Before(until); at = at.Add(time.Minute) {
			on := map[string]bool{}
			for _, k := range keeps {
				on[k.NodeUID] = on[k.NodeUID] || !at.Before(k.Since) && at.Before(k.To(until))
			}
			for _, is := range on {
				if is {
					want += 1.0 / 60
				}
			}
		}
		s := fleet.SumKept(keeps, dollar, from, until, false)
		by, nodes := 0.0, 0.0
		for _, b := range s.By {
			by += b.Spent.USD
		}
		for _, n := range s.Nodes {
			nodes += n.Spent.USD
		}
		for _, got := range []float64{s.Spent.USD, by, nodes} {
			if math.Abs(got-want) > 1e-6 {
				t.Fatalf("seed %d: %v, want %v: %+v", seed, got, want, keeps)
			}
		}
	}
}
