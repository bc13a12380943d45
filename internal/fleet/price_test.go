package fleet

import (
	"testing"
	"time"
)

func TestMachine(t *testing.T) {
	for label, want := range map[string]float64{"": 0, "0.0928": 0.0928, "1e3": 1000, "1e300": 0, "NaN": 0, "Inf": 0,
		"-1": 0, "0": 0, "cheap": 0, "10000.1": 0} {
		n := Node{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot",
			Labels: map[string]string{PriceLabel: label}}
		if got := n.Machine(); got != (Machine{"aws", "us-east-1", "m5.large", "spot", "", want}) {
			t.Errorf("label %q: %+v", label, got)
		}
	}
}

func TestCost(t *testing.T) {
	var c Cost
	c.Add(Price{USD: 2, Known: true}, 3, time.Hour)
	c.Add(Price{}, 2, time.Hour)
	c = c.Plus(Cost{USD: 1, Priced: 1, Unpriced: 1, AtMost: true})
	if want := (Cost{USD: 7, Priced: 4, Unpriced: 3, AtMost: true}); c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
}
