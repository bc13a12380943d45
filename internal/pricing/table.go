package pricing

import (
	"archive/zip"
	"bufio"
	"bytes"
	_ "embed" // the table
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// prices.zip has a member for each region, named provider/region. Its first line is the date of
// the prices, and each other one a machine: instance type, on-demand price and, if it is known,
// spot price, in US dollars an hour, between commas. See mkprices.
//
//go:embed prices.zip
var archive []byte

// maxRegions is how many regions are kept in memory. A cluster is in one; but a region's name is
// a label, and whoever may set labels must not be able to fill the memory.
const maxRegions = 8

// table is the embedded list of prices. A region is read when it is asked for first.
type table struct {
	mu      sync.Mutex
	members map[string]*zip.File // by provider/region; nil before the first use
	byName  map[string]string    // provider of each region
	regions map[string]*region   // that were read
}

// region is the prices of one region.
type region struct {
	provider string
	date     string // of the prices, as 2026-07-20
	machines map[string]listed
}

// listed are the list prices of an instance type, in US dollars an hour; spot is 0 if it is
// unknown.
type listed struct{ onDemand, spot float64 }

var builtIn table

// open reads the names of the regions.
func (t *table) open() {
	if t.members != nil {
		return
	}
	t.members, t.byName, t.regions = map[string]*zip.File{}, map[string]string{}, map[string]*region{}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		panic(fmt.Sprintf("pricing: the embedded table is broken: %v", err)) // a mistake of the build, found by the tests
	}
	for _, f := range r.File {
		t.members[f.Name] = f
		provider, name, _ := strings.Cut(f.Name, "/")
		t.byName[name] = provider
	}
}

// simulated are providers whose machines are none: the region says whose prices are meant.
var simulated = []string{"", "kwok", "kind"}

// region returns the prices of a region, nil if the table has none. A provider that is not known
// is that of the region: their names are all different.
func (t *table) region(provider, name string) *region {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open()
	if slices.Contains(simulated, provider) {
		provider = t.byName[name]
	}
	key := provider + "/" + name
	if r := t.regions[key]; r != nil {
		return r
	}
	f := t.members[key]
	if f == nil {
		return nil
	}
	if len(t.regions) >= maxRegions {
		clear(t.regions)
	}
	r, err := readRegion(f, provider)
	if err != nil {
		panic(fmt.Sprintf("pricing: region %s of the embedded table is broken: %v", key, err))
	}
	t.regions[key] = r
	return r
}

func readRegion(f *zip.File, provider string) (*region, error) {
	in, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Scan()
	r := &region{provider: provider, date: lines.Text(), machines: map[string]listed{}}
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ",")
		onDemand, spot, known := strings.Cut(rest, ",")
		var p listed
		if p.onDemand, err = strconv.ParseFloat(onDemand, 64); err != nil {
			return nil, err
		}
		if known {
			if p.spot, err = strconv.ParseFloat(spot, 64); err != nil {
				return nil, err
			}
		}
		r.machines[name] = p
	}
	return r, lines.Err()
}

// names are the regions of the table as provider/region, sorted.
func (t *table) names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open()
	var names []string
	for name := range t.members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
