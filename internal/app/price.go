package app

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/nearest"
	"rollcall/internal/pricing"
)

const priceUsage = `usage: rollcall price TYPE [--region REGION] [--provider PROVIDER] [--capacity spot|on-demand]
       rollcall price --sources

Says what an instance type costs by the hour and in a month of 730 hours. Without --region the
cheapest regions are shown. PRICES_FILE and PRICE_DISCOUNT count; no other variable is needed.
--sources lists where the built-in prices are from: of which day, by whom, under which licence.`

const (
	month    = 730 * time.Hour
	cheapest = 5 // how many regions are shown where none is asked for
)

func runPrice(_ context.Context, in call) (int, error) {
	asked, sources, err := parsePrice(in.args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(in.stdout, priceUsage)
		return ExitOK, nil
	}
	if err != nil {
		return ExitMistake, fmt.Errorf("%w\n%s", err, priceUsage)
	}
	c, err := config.Load(in.env)
	if wrong := config.MistakesIn(err, "PRICES_FILE", "PRICE_DISCOUNT"); len(wrong) > 0 {
		return ExitMistake, wrong
	}
	if sources {
		printSources(in.stdout, c.Prices.Sources())
		return ExitOK, nil
	}
	quotes, err := c.Prices.Ask(asked)
	if err != nil {
		return ExitMistake, err
	}
	printQuotes(in.stdout, quotes, asked)
	return ExitOK, nil
}

// parsePrice returns what is asked: about a type, or for the sources of all prices.
func parsePrice(args []string) (a pricing.Question, sources bool, err error) {
	fs := newFlags()
	fs.StringVar(&a.Region, "region", "", "")
	fs.StringVar(&a.Provider, "provider", "", "")
	fs.StringVar(&a.Capacity, "capacity", "", "")
	fs.BoolVar(&sources, "sources", false, "")
	types, err := parseFlags(fs, args)
	if err != nil {
		return a, false, err
	}
	if sources {
		if len(types) > 0 || a != (pricing.Question{}) {
			return a, false, errors.New("--sources goes alone: it is about all built-in prices")
		}
		return a, true, nil
	}
	if len(types) != 1 {
		return a, false, errors.New("name one instance type, for example: rollcall price m5.large --region us-east-1")
	}
	a.InstanceType = types[0]
	if !slices.Contains([]string{"", "spot", "on-demand"}, a.Capacity) {
		return a, false, fmt.Errorf("--capacity %q is not known; write %s", a.Capacity,
			cmp.Or(nearest.Word(a.Capacity, "spot", "on-demand"), "spot or on-demand"))
	}
	return a, false, nil
}

func printSources(out io.Writer, sources []pricing.Source) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "PRICES\tAS OF\tNUMBER\tREGIONS\tSOURCE\tLICENCE")
	old := false
	for _, s := range sources {
		asOf := s.AsOf
		if s.Old {
			old, asOf = true, asOf+" (old)"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", s.Prices, asOf, s.Count, s.Regions, s.Project, s.Licence)
	}
	w.Flush()
	if old {
		fmt.Fprintln(out, "\nPrices that are a year old are marked as old wherever Rollcall shows them. PRICES_FILE takes "+
			"newer ones.")
	}
}

func printQuotes(out io.Writer, quotes []pricing.Quote, a pricing.Question) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "TYPE\tPROVIDER\tREGION\tCAPACITY\tPRICE\tPER MONTH\tSOURCE")
	for _, q := range quotes[:min(cheapest, len(quotes))] {
		for _, p := range []struct {
			capacity string
			price    fleet.Price
		}{{"on-demand", q.OnDemand}, {"spot", q.Spot}} {
			if !p.price.Known || a.Capacity != "" && a.Capacity != p.capacity {
				continue
			}
			var hourly, monthly fleet.Cost
			hourly.Add(p.price, 1, time.Hour)
			monthly.Add(p.price, 1, month)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", q.InstanceType, cmp.Or(q.Provider, "any"), cmp.Or(q.Region, "any"),
				p.capacity,
				message.Hourly(hourly), message.Dollars(monthly), p.price.Source)
		}
	}
	w.Flush()
	if len(quotes) > cheapest {
		fmt.Fprintf(out, "\nPrices of %s are known in %s; these are the %d cheapest. Name one with --region.\n",
			a.InstanceType, message.Count(len(quotes), "region"), cheapest)
	}
}
