package pricing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"rollcall/internal/fleet"
)

// Book knows prices. Its methods may be called from several goroutines.
type Book struct {
	discount  float64 // percent off the built-in table
	overrides Overrides

	mu    sync.Mutex
	known map[fleet.Machine]fleet.Price // what was asked before; guarded by mu
}

// maxKnown bounds what a Book remembers: labels are the cluster's, and so is how many there are.
const maxKnown = 10_000

// New returns a Book of the built-in table, with a discount in percent off its prices, and of
// overrides, which are taken as they are.
func New(discount float64, overrides Overrides) *Book {
	return &Book{discount: discount, overrides: overrides, known: map[fleet.Machine]fleet.Price{}}
}

// Price is what a machine costs by the hour: what its label says, else what the overrides say,
// else what the table says. It is a fleet.Pricer.
//
// A spot machine whose spot price is not known, and one of which it is not known whether it is
// spot, costs at most the on-demand price. Reserved capacity is counted at the on-demand price:
// that is what it costs when it is used, and it costs no less when it is not.
func (b *Book) Price(m fleet.Machine) fleet.Price {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.known[m]
	if !ok {
		if len(b.known) >= maxKnown {
			clear(b.known)
		}
		p = b.price(m)
		b.known[m] = p
	}
	return p
}

func (b *Book) price(m fleet.Machine) fleet.Price {
	if m.LabelPrice > 0 {
		return fleet.Price{USD: m.LabelPrice, Known: true, Source: "label " + fleet.PriceLabel}
	}
	if usd, ok := b.overrides.price(m); ok {
		return fleet.Price{USD: usd, Known: true, Source: "PRICES_FILE"}
	}
	r := builtIn.region(m.Provider, m.Region)
	if r == nil {
		return fleet.Price{}
	}
	l, ok := r.machines[m.InstanceType]
	if !ok {
		return fleet.Price{}
	}
	usd, what, atMost := l.onDemand, "list price", false
	switch m.CapacityType {
	case "spot":
		if atMost = l.spot == 0; !atMost {
			usd, what = l.spot, "spot average"
		}
	case "on-demand", "reserved":
	default:
		atMost = true
	}
	return fleet.Price{USD: usd * (1 - b.discount/100), Known: true, AtMost: atMost, Source: b.source(r, what)}
}

// titles are the providers' names for people.
var titles = map[string]string{"aws": "AWS", "azure": "Azure", "gcp": "Google Cloud"}

func (b *Book) source(r *region, what string) string {
	s := fmt.Sprintf("%s %s of %s", cmp.Or(titles[r.provider], r.provider), what, r.date)
	if b.discount > 0 {
		s += fmt.Sprintf(", %g %% off", b.discount)
	}
	return s
}

// Offer is an instance type in a region.
type Offer struct {
	Provider, Region string
	OnDemand, Spot   fleet.Price // Spot may be an upper bound
}

// Offers lists where an instance type is to be had, the cheapest first; of one provider or region
// only, if they are given.
func (b *Book) Offers(instanceType, provider, regionName string) (offers []Offer) {
	for _, name := range builtIn.names() {
		p, r, _ := strings.Cut(name, "/")
		if provider != "" && p != provider || regionName != "" && r != regionName {
			continue
		}
		m := fleet.Machine{Provider: p, Region: r, InstanceType: instanceType, CapacityType: "on-demand"}
		o := Offer{Provider: p, Region: r, OnDemand: b.price(m)}
		m.CapacityType = "spot"
		if o.Spot = b.price(m); o.OnDemand.Known || o.Spot.Known {
			offers = append(offers, o)
		}
	}
	slices.SortStableFunc(offers, func(x, y Offer) int { return cmp.Compare(x.OnDemand.USD, y.OnDemand.USD) })
	return offers
}

// Regions lists the regions of the table; of one provider, if it is given.
func Regions(provider string) (regions []string) {
	for _, name := range builtIn.names() {
		if p, r, _ := strings.Cut(name, "/"); provider == "" || p == provider {
			regions = append(regions, r)
		}
	}
	return regions
}

// Types lists the instance types of a region, or of all if it is "".
func Types(regionName string) []string {
	seen := map[string]bool{}
	for _, name := range builtIn.names() {
		p, r, _ := strings.Cut(name, "/")
		if regionName != "" && r != regionName {
			continue
		}
		for t := range builtIn.region(p, r).machines {
			seen[t] = true
		}
	}
	types := make([]string, 0, len(seen))
	for t := range seen {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}
