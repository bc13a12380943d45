package message

import (
	"math"
	"testing"

	"rollcall/internal/fleet"
)

func TestMoney(t *testing.T) {
	usd := func(usd float64) fleet.Cost { return fleet.Cost{USD: usd, Priced: 1} }
	for _, tt := range []struct {
		cost            fleet.Cost
		hourly, dollars string
	}{
		{fleet.Cost{}, "$0/h", "$0"},
		{usd(0), "$0/h", "$0"},
		{usd(0.00000001), "<$0.0001/h", "<$0.01"},
		{usd(0.0002), "$0.0002/h", "<$0.01"},
		{usd(0.0099), "$0.0099/h", "<$0.01"},
		{usd(0.01), "$0.01/h", "$0.01"},
		{usd(0.0104), "$0.0104/h", "$0.01"},
		{usd(0.01044), "$0.0104/h", "$0.01"},
		{usd(0.0928), "$0.0928/h", "$0.09"},
		{usd(0.1), "$0.10/h", "$0.10"},
		{usd(0.192), "$0.192/h", "$0.19"},
		{usd(0.29), "$0.29/h", "$0.29"},
		{usd(0.34), "$0.34/h", "$0.34"},
		{usd(0.9996), "$1.00/h", "$1.00"},
		{usd(1), "$1.00/h", "$1.00"},
		{usd(12.344), "$12.34/h", "$12.34"},
		{usd(999.99), "$999.99/h", "$999.99"},
		{usd(999.996), "$1,000/h", "$1,000"},
		{usd(1234.4), "$1,234/h", "$1,234"},
		{usd(1234567.8), "$1,234,568/h", "$1,234,568"},
		{fleet.Cost{USD: 0.34, Priced: 2, AtMost: true}, "≤ $0.34/h", "≤ $0.34"},
		{fleet.Cost{USD: 0.00001, Priced: 2, AtMost: true}, "≤ $0.0001/h", "≤ $0.01"},
		{fleet.Cost{USD: 1500, Priced: 2, Unpriced: 3, AtMost: true}, "≤ $1,500/h + 3 not priced", "≤ $1,500 + 3 not priced"},
		{fleet.Cost{Unpriced: 3}, "price unknown", "price unknown"},
		{fleet.Cost{Priced: 1, Unpriced: 1}, "$0/h + 1 not priced", "$0 + 1 not priced"},
		{usd(math.NaN()), "price unknown", "price unknown"},
		{usd(math.Inf(1)), "price unknown", "price unknown"},
		{usd(-1), "price unknown", "price unknown"},
	} {
		if got := Hourly(tt.cost); got != tt.hourly {
			t.Errorf("Hourly(%+v) = %q, want %q", tt.cost, got, tt.hourly)
		}
		if got := Dollars(tt.cost); got != tt.dollars {
			t.Errorf("Dollars(%+v) = %q, want %q", tt.cost, got, tt.dollars)
		}
	}
}
