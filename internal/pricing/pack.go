package pricing

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

var packColumns = []string{"provider", "region", "instance_type", "on_demand_usd_per_hour", "spot_usd_per_hour",
	"as_of"}

// packed is a region on its way into the table.
type packed struct {
	asOf  string
	types map[string]string // the rest of each instance type's line
}

// Pack makes the built-in table from a CSV and returns it, with how many prices it has. The
// package's documentation tells the columns; the order of the rows does not matter. spotAsOf
// dates a provider's spot prices where that is not the rows' as_of. What is wrong with the CSV is
// returned as Mistakes.
func Pack(r io.Reader, spotAsOf map[string]string) (table []byte, rows int, err error) {
	s := newSheet(r)
	example := strings.Join(packColumns, ",")
	regions, providers := map[place]*packed{}, map[string]string{}
	if s.header(packColumns, example) {
		for _, c := range packColumns {
			if !s.has(c) {
				s.note(Mistake{Line: s.line, Problem: fmt.Sprintf("there is no column %s; write %s", c, example)})
			}
		}
		for len(s.mistakes) < maxMistakes && s.next(10*maxRows) {
			if s.fits() {
				pack(s, regions, providers)
			}
		}
	}
	if err := s.err(); err != nil {
		return nil, 0, err
	}
	for provider := range spotAsOf {
		if !slices.Contains(slices.Collect(maps.Values(providers)), provider) {
			return nil, 0, fmt.Errorf("spot prices of %q are dated, and the table has none", provider)
		}
	}
	table, err = archive(regions, spotAsOf)
	return table, s.rows, err
}

// pack takes the sheet's row.
func pack(s *sheet, regions map[place]*packed, providers map[string]string) {
	p := place{s.get("provider"), s.get("region")}
	instanceType, asOf := s.get("instance_type"), s.get("as_of")
	onDemand, ok := s.price("on_demand_usd_per_hour", false)
	_, spotOK := s.price("spot_usd_per_hour", true)
	switch _, err := time.Parse(time.DateOnly, asOf); {
	case !ok || !spotOK:
		return
	case !slices.Contains(tableProviders(), p.provider):
		s.wrong("provider", "it is not known; write %s", strings.Join(tableProviders(), ", "))
		return
	case p.region == "" || strings.ContainsAny(p.region, "/,"):
		s.wrong("region", "it is not a region; write it as in the label topology.kubernetes.io/region")
		return
	case instanceType == "" || strings.ContainsAny(instanceType, ",\n"):
		s.wrong("instance_type", "it is not an instance type; write it as in the label node.kubernetes.io/instance-type")
		return
	case onDemand == 0:
		s.wrong("on_demand_usd_per_hour", "nothing is free; leave the row out if the price is unknown")
		return
	case err != nil:
		s.wrong("as_of", "it is not a date; write for example 2026-07-20")
		return
	}
	if other, ok := providers[p.region]; ok && other != p.provider {
		s.wrong("region", "%s has a region of that name too, and a node may be known by its region alone", other)
		return
	}
	providers[p.region] = p.provider
	region := regions[p]
	if region == nil {
		region = &packed{asOf: asOf, types: map[string]string{}}
		regions[p] = region
	}
	if region.asOf != asOf {
		s.wrong("as_of", "other rows of %s are of %s; a region has one date", p.region, region.asOf)
		return
	}
	if _, ok := region.types[instanceType]; ok {
		s.wrong("instance_type", "%s has it twice; leave one of them", p.region)
		return
	}
	line := s.get("on_demand_usd_per_hour")
	if spot := s.get("spot_usd_per_hour"); spot != "" {
		line += "," + spot
	}
	region.types[instanceType] = line
}

// archive writes the regions in the form that read reads, and always in the same order.
func archive(regions map[place]*packed, spotAsOf map[string]string) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, p := range slices.SortedFunc(maps.Keys(regions), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.provider, b.provider), cmp.Compare(a.region, b.region))
	}) {
		r := regions[p]
		member, err := z.Create(p.provider + "/" + p.region)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(member, "%s,%s\n", r.asOf, cmp.Or(spotAsOf[p.provider], r.asOf))
		for _, t := range slices.Sorted(maps.Keys(r.types)) {
			if _, err := fmt.Fprintf(member, "%s,%s\n", t, r.types[t]); err != nil {
				return nil, err
			}
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
