package fleet

import (
	"strconv"
	"time"
)

// PriceLabel is a node label that names the node's price in US dollars an hour, as people set
// it for eks-node-viewer. It outranks every table.
const PriceLabel = "eks-node-viewer/instance-price"

// Machine is what a node's price depends on. It is comparable, so that nodes can be counted by
// it. Its strings come from the cluster and are untrusted.
type Machine struct {
	Provider     string
	Region       string
	InstanceType string
	CapacityType string
	LabelPrice   float64 // US dollars an hour that PriceLabel names; 0: it names none
}

// Machine returns what the node's price depends on.
func (n Node) Machine() Machine {
	m := Machine{Provider: n.Provider, Region: n.Region, InstanceType: n.InstanceType, CapacityType: n.CapacityType}
	// A label is free text, and a sum must stay a number: anything but a plausible price counts as unknown.
	if p, err := strconv.ParseFloat(n.Labels[PriceLabel], 64); err == nil && p > 0 && p <= maxLabelPrice {
		m.LabelPrice = p
	}
	return m
}

// maxLabelPrice is the highest price that a label is believed, in US dollars an hour: a few
// times that of the largest machines there are.
const maxLabelPrice = 10_000

// Price is what a machine costs by the hour.
type Price struct {
	USD    float64 // US dollars an hour
	Known  bool
	AtMost bool   // the price itself is unknown, but it is no higher
	Source string // where it comes from, for people; "" if it is not known
}

// Hourly is the cost of one machine by the hour.
func (p Price) Hourly() (c Cost) {
	c.Add(p, 1, time.Hour)
	return c
}

// Pricer knows prices. It is quick: it is asked once a node.
type Pricer func(Machine) Price

// Cost is what nodes cost: by the hour, or over a span.
type Cost struct {
	USD      float64 // of those whose price is known
	Priced   int     // how many these are
	Unpriced int     // how many others there are
	AtMost   bool    // some of the prices are upper bounds, so the sum is one
}

// Add adds what n machines of a price cost over a span; an hour gives the cost by the hour.
func (c *Cost) Add(p Price, n int, d time.Duration) {
	if !p.Known {
		c.Unpriced += n
		return
	}
	c.Priced += n
	c.USD += p.USD * float64(n) * d.Hours()
	c.AtMost = c.AtMost || p.AtMost
}

// Plus returns the sum of two costs.
func (c Cost) Plus(d Cost) Cost {
	return Cost{USD: c.USD + d.USD, Priced: c.Priced + d.Priced, Unpriced: c.Unpriced + d.Unpriced, AtMost: c.AtMost ||
		d.AtMost}
}
