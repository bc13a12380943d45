package pricing

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Everything that the program carries can be read, so that nothing panics later.
func TestTable(t *testing.T) {
	rows, regions := 0, map[string]string{}
	for _, p := range builtIn().places {
		if other := regions[p.region]; other != "" {
			t.Errorf("%s is a region of %s and %s: one without a provider could be either", p.region, other, p.provider)
		}
		regions[p.region] = p.provider
		if _, ok := providerNames[p.provider]; !ok {
			t.Errorf("the provider %q has no name", p.provider)
		}
		r := load(p)
		for _, date := range []string{r.asOf, r.spotAsOf} {
			if _, err := time.Parse(time.DateOnly, date); err != nil {
				t.Errorf("%v: %v", p, err)
			}
		}
		rows += len(r.rates)
		for name, rate := range r.rates {
			if !(rate.onDemand > 0 && rate.onDemand <= maxPrice && rate.spot >= 0 && rate.spot <= maxPrice) {
				t.Errorf("%v %s: %+v", p, name, rate)
			}
		}
	}
	if rows < 90_000 || len(regions) < 150 || len(prices) > 1_000_000 {
		t.Errorf("%d prices in %d regions in %d bytes", rows, len(regions), len(prices))
	}
	if load(place{"aws", "nowhere-1"}) != nil {
		t.Error("a region that there is not")
	}
}

const packHeader = "provider,region,instance_type,on_demand_usd_per_hour,spot_usd_per_hour,as_of\n"

func TestPack(t *testing.T) {
	lines := []string{"aws,us-east-1,m5.large,0.096,0.04,2026-07-20\n", "aws,us-east-1,c5.large,0.085,,2026-07-20\n",
		"gcp,us-east1,e2-medium,0.03,0.01,2026-08-03\n"}
	spotAsOf := map[string]string{"aws": "2025-05-28"}
	table, rows, err := Pack(strings.NewReader(packHeader+strings.Join(lines, "")), spotAsOf)
	if err != nil || rows != 3 {
		t.Fatal(rows, err)
	}
	again, _, err := Pack(strings.NewReader(packHeader+lines[2]+lines[1]+"\n"+lines[0]), spotAsOf)
	if err != nil || !bytes.Equal(table, again) {
		t.Errorf("the order of the rows matters: %v", err)
	}
	z, err := zip.NewReader(bytes.NewReader(table), int64(len(table)))
	if err != nil || len(z.File) != 2 || z.File[0].Name != "aws/us-east-1" || z.File[1].Name != "gcp/us-east1" {
		t.Fatal(z, err)
	}
	got, err := read(z.File[0])
	if err != nil {
		t.Fatal(err)
	}
	want := &region{rates: map[string]rates{"m5.large": {0.096, 0.04}, "c5.large": {0.085, 0}}, asOf: "2026-07-20",
		spotAsOf: "2025-05-28"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(region{}, rates{}, source{})); diff != "" {
		t.Error(diff)
	}
	if _, _, err := Pack(strings.NewReader(packHeader+lines[0]), map[string]string{"awz": "2025-05-28"}); err == nil ||
		!strings.Contains(err.Error(), `"awz"`) {
		t.Errorf("a provider that there is not: %v", err)
	}
}

func TestPackMistakes(t *testing.T) {
	for csv, want := range map[string]string{
		"": "the table is empty; its first line names the columns, for example provider,region,",
		"provider,region,instance_type,on_demand_usd_per_hour,as_of\n":                                            "line 1: there is no column spot_usd_per_hour; write provider,",
		packHeader + "aws,us-east-1,m5.large,0.096,0.04,2026-07-20\n\naws,us-east-1,m5.large,0.096,,2026-07-20\n": `line 4: instance_type "m5.large": us-east-1 has it twice`,
		packHeader + "aws,us-east-1,m5.large,$0.096,,2026-07-20\n":                                                `line 2: on_demand_usd_per_hour "$0.096": it is not a price; write 0.096`,
		packHeader + "aws,us-east-1,m5.large,NaN,,2026-07-20\n":                                                   `"NaN": it is not a price`,
		packHeader + "aws,us-east-1,m5.large,,,2026-07-20\n":                                                      `it is missing; write US dollars an hour`,
		packHeader + "aws,us-east-1,m5.large,0,,2026-07-20\n":                                                     `nothing is free`,
		packHeader + "aws,us-east-1,m5.large,0.096,?,2026-07-20\n":                                                `spot_usd_per_hour "?": it is not a price; write US dollars an hour`,
		packHeader + "aws,us-east-1,m5.large,0.096,,20.7.2026\n":                                                  `as_of "20.7.2026": it is not a date; write for example 2026-07-20`,
		packHeader + "amazon,us-east-1,m5.large,0.096,,2026-07-20\n":                                              `provider "amazon": it is not known; write aws, azure, gcp`,
		packHeader + "aws,,m5.large,0.096,,2026-07-20\n":                                                          `region "": it is not a region`,
		packHeader + "aws,us-east-1,,0.096,,2026-07-20\n":                                                         `instance_type "": it is not an instance type`,
		packHeader + "aws,one,m5.large,1,,2026-07-20\ngcp,one,e2-medium,1,,2026-07-20":                            `line 3: region "one": aws has a region of that name too`,
		packHeader + "aws,one,m5.large,1,,2026-07-20\naws,one,m5.xlarge,1,,2026-07-21":                            `line 3: as_of "2026-07-21": other rows of one are of 2026-07-20`,
	} {
		table, _, err := Pack(strings.NewReader(csv), nil)
		if _, ok := errors.AsType[Mistakes](err); !ok || table != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant …%s…", csv, err, want)
		}
	}
}

func TestNearestPrice(t *testing.T) {
	for text, want := range map[string]string{"$0.096": "0.096", "0,096": "0.096", ".5 USD": "0.5", "0.10/h": "0.1"} {
		if got := nearestPrice(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	for _, text := range []string{"", "free", "-1", "1,234.50", "1e300", "12 to 14"} {
		if got := nearestPrice(text); !strings.Contains(got, "for example") {
			t.Errorf("%q: %s", text, got)
		}
	}
}
