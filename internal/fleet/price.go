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
	Terms        Terms
	LabelPrice   float64 // US dollars an hour that PriceLabel names; 0: it names none
}

// Machine returns what the node's price depends on.
func (n Node) Machine() Machine {
	m := Machine{Provider: n.Provider, Region: n.Region, InstanceType: n.InstanceType, CapacityType: n.CapacityType,
		Terms: n.Terms}
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
	USD     float64 // US dollars an hour
	Known   bool
	AtMost  bool // the price itself is unknown, but it is no higher
	AtLeast bool // something comes on top of it
	Old     bool // it is the list price of a year ago or more
	// Billed says what is billed instead of the machine by the hour, if nothing is known of what that costs: pods. Then no
	// price is known.
	Billed string
	Source string // where it comes from and what is left out, for people; or why there is none; may be ""
}

// Exact reports whether the price is known and no bound.
func (p Price) Exact() bool { return p.Known && !p.AtMost && !p.AtLeast }

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
	Unpriced int     // how many others there are, but for the next
	Billed   int     // how many are not billed by the hour: see Price.Billed
	AtMost   bool    // some of the prices are upper bounds
	AtLeast  bool    // some of the prices are lower bounds
	Old      int     // how many of the prices are old
}

// Exact reports whether no price in the sum is a bound.
func (c Cost) Exact() bool { return !c.AtMost && !c.AtLeast }

// Comparable reports whether two sums are of exact prices, or bounds of the same kind.
func (c Cost) Comparable(d Cost) bool { return c.AtMost == d.AtMost && c.AtLeast == d.AtLeast }

// LeftOut is how many nodes are not in the sum.
func (c Cost) LeftOut() int { return c.Unpriced + c.Billed }

// Add adds what n machines of a price cost over a span; an hour gives the cost by the hour.
func (c *Cost) Add(p Price, n int, d time.Duration) {
	switch {
	case p.Billed != "":
		c.Billed += n
		return
	case !p.Known:
		c.Unpriced += n
		return
	}
	c.Priced += n
	c.USD += p.USD * float64(n) * d.Hours()
	c.AtMost, c.AtLeast = c.AtMost || p.AtMost, c.AtLeast || p.AtLeast
	if p.Old {
		c.Old += n
	}
}

// Plus returns the sum of two costs.
func (c Cost) Plus(d Cost) Cost {
	return Cost{USD: c.USD + d.USD, Priced: c.Priced + d.Priced, Unpriced: c.Unpriced + d.Unpriced,
		Billed: c.Billed + d.Billed, AtMost: c.AtMost || d.AtMost, AtLeast: c.AtLeast || d.AtLeast, Old: c.Old + d.Old}
}
