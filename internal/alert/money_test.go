package alert

import (
	"math"
	"testing"

	"rollcall/internal/fleet"
)

func TestMoney(t *testing.T) {
	cost := func(usd float64) fleet.Cost { return fleet.Cost{USD: usd, Priced: 1} }
	for _, c := range []struct {
		cost            fleet.Cost
		hourly, dollars string
	}{
		{cost(0), "$0/h", "$0"},
		{cost(0.0042), "$0.0042/h", "<$0.01"},
		{cost(0.0104), "$0.0104/h", "$0.01"},
		{cost(0.0928), "$0.0928/h", "$0.09"},
		{cost(0.34), "$0.34/h", "$0.34"},
		{cost(0.2), "$0.20/h", "$0.20"},
		{cost(0.192), "$0.192/h", "$0.19"},
		{cost(12.345), "$12.35/h", "$12.35"},
		{cost(999.99), "$999.99/h", "$999.99"},
		{cost(999.996), "$1,000/h", "$1,000"},
		{cost(1234567.8), "$1,234,568/h", "$1,234,568"},
		{cost(math.NaN()), "$0/h", "$0"},
		{cost(math.Inf(1)), "$0/h", "$0"},
		{fleet.Cost{}, "$0/h", "$0"},
		{fleet.Cost{Unpriced: 2}, "price unknown", "price unknown"},
		{fleet.Cost{USD: 1.5, Priced: 2, Unpriced: 3, AtMost: true}, "≤ $1.50/h + 3 not priced", "≤ $1.50 + 3 not priced"},
	} {
		if h, d := Hourly(c.cost), Dollars(c.cost); h != c.hourly || d != c.dollars {
			t.Errorf("%+v: %s and %s, want %s and %s", c.cost, h, d, c.hourly, c.dollars)
		}
	}
}
