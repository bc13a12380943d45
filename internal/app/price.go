package app

import (
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

// maxOffers is how many regions `bot price` lists when none is named.
const maxOffers = 5

// hoursPerMonth is what the clouds' own calculators take for a month.
const hoursPerMonth = 730

// price is `bot price`: what an instance type costs, and how that is known.
func price(args []string, env map[string]string, stdout io.Writer) (int, error) {
	flags := flag.NewFlagSet("price", flag.ContinueOnError)
	region := flags.String("region", "", "")
	provider := flags.String("provider", "", "")
	itype, err := parse(flags, args)
	if err != nil {
		return mistaken("price", err)
	}
	if itype == "" {
		return mistaken("price", errors.New("it needs an instance type, for example m5.large"))
	}
	book, err := config.LoadPrices(env)
	if err != nil {
		return ExitMistake, err
	}
	if problem := unknownPlace(*provider, *region); problem != "" {
		return ExitMistake, errors.New(problem)
	}
	offers := book.Offers(itype, *provider, *region)
	if len(offers) == 0 {
		return ExitMistake, errors.New(unknownType(itype, *provider, *region))
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROVIDER\tREGION\tCAPACITY\tBY THE HOUR\tBY THE MONTH\tSOURCE")
	row := func(o pricing.Offer, capacity string, p fleet.Price) {
		var hour, month fleet.Cost
		hour.Add(p, 1, time.Hour)
		month.Add(p, 1, hoursPerMonth*time.Hour)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", o.Provider, o.Region, capacity, alert.Hourly(hour), alert.Dollars(month), p.Source)
	}
	for _, o := range offers[:min(len(offers), maxOffers)] {
		row(o, "on-demand", o.OnDemand)
		row(o, "spot", o.Spot)
	}
	if err := w.Flush(); err != nil {
		return ExitFailed, err
	}
	if more := len(offers) - maxOffers; more > 0 {
		fmt.Fprintf(stdout, "%d more regions have it: name one with --region\n", more)
	}
	return ExitOK, nil
}

// unknownPlace says what is wrong with a provider or a region, "" if they are known.
func unknownPlace(provider, region string) string {
	providers := []string{"aws", "azure", "gcp"}
	if provider != "" && !slices.Contains(providers, provider) {
		return fmt.Sprintf("--provider %s: there are %s", provider, strings.Join(providers, ", "))
	}
	regions := pricing.Regions(provider)
	if region == "" || slices.Contains(regions, region) {
		return ""
	}
	problem := fmt.Sprintf("--region %s: no prices of this region are known", region)
	if provider != "" && slices.Contains(pricing.Regions(""), region) {
		return fmt.Sprintf("--region %s: it is no region of %s", region, provider)
	}
	if near := nearest.Word(region, regions...); near != "" {
		return problem + "; did you mean " + near + "?"
	}
	return problem + "; write it as the node's label topology.kubernetes.io/region, for example us-east-1"
}

// unknownType says that a type has no price in a place, and which was perhaps meant.
func unknownType(itype, provider, region string) string {
	where := strings.TrimSpace(provider + " " + region)
	if where != "" {
		where = " in " + where
	}
	problem := fmt.Sprintf("no price of %s is known%s", itype, where)
	if elsewhere := pricing.New(0, pricing.Overrides{}).Offers(itype, "", ""); len(elsewhere) > 0 {
		return fmt.Sprintf("%s; it is to be had in %s", problem, elsewhere[0].Region)
	}
	if near := nearest.Word(itype, pricing.Types(region)...); near != "" {
		return problem + "; did you mean " + near + "?"
	}
	return problem + "; write it as the node's label node.kubernetes.io/instance-type, for example m5.large"
}
