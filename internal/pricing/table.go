package pricing

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// prices is the built-in table: a zip archive with a member for each region, named provider/region.
// A member is text. Its first line dates the on-demand and the spot prices: 2026-07-20,2025-05-28.
// Each other line is an instance type, its on-demand price and, if it is known, its spot price,
// in US dollars an hour: m5.large,0.096,0.0384. See Pack.
//
//go:embed prices.zip
var prices string

// place is a region of a provider.
type place struct{ provider, region string }

// directory is what the built-in table has, without the prices.
type directory struct {
	members   map[place]*zip.File
	providers map[string]string // by region: no two providers have a region of the same name
	places    []place           // sorted
}

// builtIn opens the built-in table. It panics if the table is damaged, as does load: it is part
// of the program, and the tests read all of it.
var builtIn = sync.OnceValue(func() directory {
	z, err := zip.NewReader(strings.NewReader(prices), int64(len(prices)))
	if err != nil {
		panic(fmt.Sprintf("pricing: opening the built-in table: %v", err))
	}
	d := directory{members: map[place]*zip.File{}, providers: map[string]string{}}
	for _, f := range z.File {
		provider, name, _ := strings.Cut(f.Name, "/")
		d.members[place{provider, name}] = f
		d.providers[name] = provider
		d.places = append(d.places, place{provider, name})
	}
	return d
})

// rates are the prices of an instance type in US dollars an hour; 0 is unknown.
type rates struct{ onDemand, spot float64 }

// region is the prices of a region.
type region struct {
	rates          map[string]rates  // by instance type
	asOf, spotAsOf string            // dates
	names          map[string]string // the types that have capital letters, by their names without
	list, spot     source
	used           uint64 // the Book's clock when it was last asked
}

// find returns the prices of an instance type, whatever the case of its name: Azure's API takes any, and gives back
// what it was given.
func (r *region) find(instanceType string) rates {
	if found, ok := r.rates[instanceType]; ok {
		return found
	}
	lower := strings.ToLower(instanceType)
	if found, ok := r.rates[lower]; ok {
		return found
	}
	return r.rates[r.names[lower]]
}

// load reads a region from the built-in table. It returns nil if there is none.
func load(p place) *region {
	f := builtIn().members[p]
	if f == nil {
		return nil
	}
	r, err := read(f)
	if err != nil {
		panic(fmt.Sprintf("pricing: reading %s from the built-in table: %v", f.Name, err))
	}
	return r
}

func read(f *zip.File) (*region, error) {
	member, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer member.Close()
	var text strings.Builder
	text.Grow(int(f.UncompressedSize64))
	if _, err := io.Copy(&text, member); err != nil {
		return nil, err
	}
	dates, lines, _ := strings.Cut(text.String(), "\n")
	r := &region{rates: make(map[string]rates, strings.Count(lines, "\n"))}
	r.asOf, r.spotAsOf, _ = strings.Cut(dates, ",")
	for line := range strings.Lines(lines) {
		instanceType, usd, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ",")
		onDemand, spot, hasSpot := strings.Cut(usd, ",")
		var row rates
		if row.onDemand, err = strconv.ParseFloat(onDemand, 64); err != nil {
			return nil, err
		}
		if hasSpot {
			if row.spot, err = strconv.ParseFloat(spot, 64); err != nil {
				return nil, err
			}
		}
		r.rates[instanceType] = row
		if lower := strings.ToLower(instanceType); lower != instanceType {
			if r.names == nil {
				r.names = map[string]string{}
			}
			r.names[lower] = instanceType
		}
	}
	return r, nil
}

// providerNames are the providers of the built-in table as people call them, and what its spot
// prices are: AWS's move, and the table has their average; Google's are a list.
var providerNames = map[string]struct{ name, spot string }{
	"aws":   {"AWS", "spot average"},
	"azure": {"Azure", "spot price"},
	"gcp":   {"Google Cloud", "spot price"},
}

// tableProviders are the providers that the table may have.
func tableProviders() []string {
	var all []string
	for p := range providerNames {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}
