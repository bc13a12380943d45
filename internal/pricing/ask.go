package pricing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rollcall/internal/nearest"
)

// Question is what a person asks about prices; "" is any, but for the type.
type Question struct {
	InstanceType string
	Region       string
	Provider     string
	Capacity     string // spot or on-demand
}

// Ask returns what is asked for, the cheapest first. Its error says what would be right.
func (book *Book) Ask(a Question) ([]Quote, error) {
	if a.Region != "" {
		if q := book.Quote(a.Provider, a.Region, a.InstanceType); a.has(q) {
			return []Quote{q}, nil
		}
	}
	quotes := slices.DeleteFunc(book.Quotes(a.InstanceType), func(q Quote) bool {
		return !a.has(q) || a.Provider != "" && q.Provider != "" && q.Provider != a.Provider
	})
	slices.SortStableFunc(quotes, func(p, q Quote) int { return cmp.Compare(a.usd(p), a.usd(q)) })
	if a.Region == "" && len(quotes) > 0 {
		return quotes, nil
	}
	if err := checkPlace(book, a); err != nil {
		return nil, err
	}
	what := strings.TrimSpace(a.Capacity + " price")
	if len(quotes) > 0 {
		return nil, fmt.Errorf("no %s of %q is known in %s, but in %s; %s is the cheapest of them", what, a.InstanceType,
			a.Region, regions(len(quotes)), quotes[0].Region)
	}
	word := nearest.Word(a.InstanceType, book.Types(a.Provider, a.Region)...)
	if word == a.InstanceType {
		word = ""
	}
	return nil, fmt.Errorf("no %s of %q is known%s", what, a.InstanceType, meant(word))
}

// checkPlace sees that the provider and the region are known, and go together.
func checkPlace(book *Book, a Question) error {
	var providers, regions []string
	for _, r := range book.Regions() {
		if r.Provider != "" {
			providers = append(providers, r.Provider)
		}
		switch {
		case a.Provider == "" || r.Provider == a.Provider:
			regions = append(regions, r.Name)
		case r.Name == a.Region:
			return fmt.Errorf("the region %s is of %s, not of %s", a.Region, r.Provider, a.Provider)
		}
	}
	if a.Provider != "" && len(regions) == 0 {
		slices.Sort(providers)
		providers = slices.Compact(providers)
		return fmt.Errorf("the provider %q is not known; write %s", a.Provider,
			cmp.Or(nearest.Word(a.Provider, providers...), strings.Join(providers, ", ")))
	}
	if a.Region != "" && !slices.Contains(regions, a.Region) {
		return fmt.Errorf("no prices are known in the region %q%s", a.Region, meant(nearest.Word(a.Region, regions...)))
	}
	return nil
}

// has reports whether a quote has what is asked for.
func (a Question) has(q Quote) bool {
	return q.OnDemand.Known && a.Capacity != "spot" || q.Spot.Known && a.Capacity != "on-demand"
}

// usd is what quotes are sorted by: the price asked for, else the on-demand one.
func (a Question) usd(q Quote) float64 {
	if a.Capacity == "spot" || !q.OnDemand.Known {
		return q.Spot.USD
	}
	return q.OnDemand.USD
}

func regions(n int) string {
	if n == 1 {
		return "1 region"
	}
	return fmt.Sprintf("%d regions", n)
}

// meant asks whether a word is meant, which was perhaps found.
func meant(word string) string {
	if word == "" {
		return ""
	}
	return "; is " + word + " meant?"
}
