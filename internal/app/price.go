package app

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/config"
	"rollcall/internal/fleet"
	"rollcall/internal/nearest"
	"rollcall/internal/pricing"
)

const priceUsage = `usage: bot price TYPE [--region REGION] [--provider PROVIDER] [--capacity spot|on-demand]

Says what an instance type costs by the hour and in a month of 730 hours. Without --region the
cheapest regions are shown. PRICES_FILE and PRICE_DISCOUNT count; no other variable is needed.`

const (
	month    = 730 * time.Hour
	cheapest = 5 // how many regions are shown where none is asked for
)

// priceAsked is what `bot price` is asked for; "" is any, but for the type.
type priceAsked struct{ instanceType, region, provider, capacity string }

func runPrice(_ context.Context, in call) (int, error) {
	asked, err := parsePrice(in.args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(in.stdout, priceUsage)
		return ExitOK, nil
	}
	if err != nil {
		return ExitMistake, fmt.Errorf("%w\n%s", err, priceUsage)
	}
	book, err := config.LoadPrices(in.env)
	if err != nil {
		return ExitMistake, err
	}
	quotes, err := quotesFor(book, asked)
	if err != nil {
		return ExitMistake, err
	}
	printQuotes(in.stdout, quotes, asked)
	return ExitOK, nil
}

func parsePrice(args []string) (priceAsked, error) {
	var a priceAsked
	fs := newFlags()
	fs.StringVar(&a.region, "region", "", "")
	fs.StringVar(&a.provider, "provider", "", "")
	fs.StringVar(&a.capacity, "capacity", "", "")
	types, err := parseFlags(fs, args)
	if err != nil {
		return a, err
	}
	if len(types) != 1 {
		return a, errors.New("name one instance type, for example: bot price m5.large --region us-east-1")
	}
	a.instanceType = types[0]
	if !slices.Contains([]string{"", "spot", "on-demand"}, a.capacity) {
		return a, fmt.Errorf("--capacity %q is not known; write %s", a.capacity, cmp.Or(nearest.Word(a.capacity, "spot", "on-demand"), "spot or on-demand"))
	}
	return a, nil
}

// quotesFor returns what is asked for, the cheapest first. Its error says what would be right.
func quotesFor(book *pricing.Book, a priceAsked) ([]pricing.Quote, error) {
	if a.region != "" {
		if q := book.Quote(a.provider, a.region, a.instanceType); a.has(q) {
			return []pricing.Quote{q}, nil
		}
	}
	quotes := slices.DeleteFunc(book.Quotes(a.instanceType), func(q pricing.Quote) bool {
		return !a.has(q) || a.provider != "" && q.Provider != "" && q.Provider != a.provider
	})
	slices.SortStableFunc(quotes, func(p, q pricing.Quote) int { return cmp.Compare(a.usd(p), a.usd(q)) })
	if a.region == "" && len(quotes) > 0 {
		return quotes, nil
	}
	if err := checkPlace(book, a); err != nil {
		return nil, err
	}
	what := strings.TrimSpace(a.capacity + " price")
	if len(quotes) > 0 {
		return nil, fmt.Errorf("no %s of %q is known in %s, but in %s; %s is the cheapest of them", what, a.instanceType, a.region, inRegions(len(quotes)), quotes[0].Region)
	}
	word := nearest.Word(a.instanceType, book.Types(a.provider, a.region)...)
	if word == a.instanceType {
		word = ""
	}
	return nil, fmt.Errorf("no %s of %q is known%s", what, a.instanceType, meant(word, ""))
}

// checkPlace sees that the provider and the region are known, and go together.
func checkPlace(book *pricing.Book, a priceAsked) error {
	var providers, regions []string
	for _, r := range book.Regions() {
		if r.Provider != "" {
			providers = append(providers, r.Provider)
		}
		switch {
		case a.provider == "" || r.Provider == a.provider:
			regions = append(regions, r.Name)
		case r.Name == a.region:
			return fmt.Errorf("the region %s is of %s, not of %s", a.region, r.Provider, a.provider)
		}
	}
	if a.provider != "" && len(regions) == 0 {
		slices.Sort(providers)
		providers = slices.Compact(providers)
		return fmt.Errorf("the provider %q is not known; write %s", a.provider, cmp.Or(nearest.Word(a.provider, providers...), strings.Join(providers, ", ")))
	}
	if a.region != "" && !slices.Contains(regions, a.region) {
		return fmt.Errorf("no prices are known in the region %q%s", a.region, meant(nearest.Word(a.region, regions...), ""))
	}
	return nil
}

// has reports whether a quote has what is asked for.
func (a priceAsked) has(q pricing.Quote) bool {
	return q.OnDemand.Known && a.capacity != "spot" || q.Spot.Known && a.capacity != "on-demand"
}

// usd is what quotes are sorted by: the price asked for, else the on-demand one.
func (a priceAsked) usd(q pricing.Quote) float64 {
	if a.capacity == "spot" || !q.OnDemand.Known {
		return q.Spot.USD
	}
	return q.OnDemand.USD
}

func printQuotes(out io.Writer, quotes []pricing.Quote, a priceAsked) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "TYPE\tPROVIDER\tREGION\tCAPACITY\tPRICE\tPER MONTH\tSOURCE")
	for _, q := range quotes[:min(cheapest, len(quotes))] {
		for _, p := range []struct {
			capacity string
			price    fleet.Price
		}{{"on-demand", q.OnDemand}, {"spot", q.Spot}} {
			if !p.price.Known || a.capacity != "" && a.capacity != p.capacity {
				continue
			}
			var hourly, monthly fleet.Cost
			hourly.Add(p.price, 1, time.Hour)
			monthly.Add(p.price, 1, month)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", q.InstanceType, cmp.Or(q.Provider, "any"), cmp.Or(q.Region, "any"), p.capacity,
				alert.Hourly(hourly), alert.Dollars(monthly), p.price.Source)
		}
	}
	w.Flush()
	if len(quotes) > cheapest {
		fmt.Fprintf(out, "\nPrices of %s are known in %s; these are the %d cheapest. Name one with --region.\n", a.instanceType, inRegions(len(quotes)), cheapest)
	}
}

func inRegions(n int) string {
	if n == 1 {
		return "1 region"
	}
	return fmt.Sprintf("%d regions", n)
}
