package pricing

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestReadOverrides(t *testing.T) {
	for name, test := range map[string]struct {
		csv  string
		want map[row]float64
	}{
		"least":   {"instance_type,usd_per_hour\nm5.large,0.08", map[row]float64{{instanceType: "m5.large"}: 0.08}},
		"nothing": {"instance_type,usd_per_hour\n", map[row]float64{}},
		"every column, in another order, with a mark, blanks, quotes, comments": {
			"\uFEFF# ours\r\n\r\nRegion , usd_per_hour,provider,Instance_Type,capacity_type\r\n  \r\n# spot\r\neu-west-1, " +
				"0.03 ,AWS,\"m5.large\",Spot\r\n,1e-1,,m5.large,\r\n,,,,\r\n",
			map[row]float64{{"m5.large", "spot", "eu-west-1", "aws", ""}: 0.03, {instanceType: "m5.large"}: 0.1}},
		"the built-in table's form": {
			packHeader + "aws,us-east-1,m5.large,0.096,0.04,2026-07-20\naws,us-east-1,c5.large,0.085,,2026-07-20\n",
			map[row]float64{{"m5.large", "on-demand", "us-east-1", "aws", ""}: 0.096, {"m5.large", "spot", "us-east-1", "aws", ""}: 0.04,
				{"c5.large", "on-demand", "us-east-1", "aws", ""}: 0.085}},
		"free":        {"usd_per_hour,instance_type\n0,rack-1", map[row]float64{{instanceType: "rack-1"}: 0}},
		"short lines": {"instance_type,usd_per_hour,region\nm5.large,1", map[row]float64{{instanceType: "m5.large"}: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			o := overrides(t, test.csv)
			got := map[row]float64{}
			for r, p := range o.rows {
				got[r] = p.usd
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(row{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOverrideMistakes(t *testing.T) {
	for csv, want := range map[string]string{
		"": "the table is empty; its first line names the columns, for example " +
			"instance_type,usd_per_hour",
		"xoxb-1-secret\n": "line 1: the first line must name the columns, for example " +
			"instance_type,usd_per_hour",
		"instance_type;usd_per_hour\na;0,1\n": "line 1: the columns must be separated by commas",
		"instance_type,price\n": `line 1: the column "price" is not known; the columns are instance_type, ` +
			`usd_per_hour, provider`,
		"instance_type,usd_per_hour,capacity\n":          `the column "capacity" is not known`,
		"instance_type,usd_per_hour,usd_per_hour\n":      "the column usd_per_hour is there twice",
		"usd_per_hour\n1\n":                              "line 1: there is no column instance_type",
		"instance_type\nm5.large\n":                      "line 1: there is no column usd_per_hour",
		"instance_type,usd_per_hour,spot_usd_per_hour\n": "do not go together",
		"instance_type,usd_per_hour\n,1\n": `line 2: instance_type "": it is missing; ` +
			`write it as in the label node.kubernetes.io/instance-type`,
		"instance_type,usd_per_hour\nm5.large,\n": `line 2: usd_per_hour "": it is missing; ` +
			`write US dollars an hour, for example 0.096`,
		"instance_type,usd_per_hour\nm5.large,$0.08\n": `line 2: usd_per_hour "$0.08": it is not a ` +
			`price; write 0.08`,
		"instance_type,usd_per_hour\nm5.large,\"0,08\"\n": `usd_per_hour "0,08": it is not a price; ` +
			`write 0.08`,
		"instance_type,usd_per_hour\nm5.large,0,08\n": "line 2: it has 3 fields for 2 columns; is " +
			"a decimal comma meant? Write 0.096",
		"instance_type,usd_per_hour\nm5.large,NaN\n":  `"NaN": it is not a price; write US dollars`,
		"instance_type,usd_per_hour\nm5.large,-0.0\n": `"-0.0": it is not a price; write US dollars`,
		"instance_type,usd_per_hour\nm5.large,-0.1\n": `"-0.1": it is not a price; write US dollars`,
		"instance_type,usd_per_hour\nm5.large,Inf\n":  "it is more than 10000 US dollars an hour",
		"instance_type,usd_per_hour\nm5.large,10000.01\n": "it is more than 10000 US dollars an hour; " +
			"is it the price of a month?",
		"instance_type,usd_per_hour,capacity_type\nm5.large,1,OnDemand\n": `capacity_type "OnDemand": it is not a ` +
			`capacity type; write on-demand`,
		"instance_type,usd_per_hour,capacity_type\nm5.large,1,preemptible\n": `write on-demand, spot, reserved, or leave ` +
			`it empty for any`,
		"instance_type,usd_per_hour\nm5.large,1\n# again\nm5.large,2\n": `line 4: instance_type "m5.large": line 2 ` +
			`gives a price for the same; leave one of them`,
		"instance_type,usd_per_hour\n\"m5.large,1\n":                           "line 2: extraneous or missing",
		"instance_type,usd_per_hour\n" + strings.Repeat("é", 50) + ",x\n":      `usd_per_hour "x"`,
		"instance_type,usd_per_hour\n\nm5.large,1\nm5.large," + "9x9x9" + "\n": `line 4: usd_per_hour "9x9x9"`,
	} {
		o, err := ReadOverrides(strings.NewReader(csv))
		if ms, ok := errors.AsType[Mistakes](err); !ok || len(o.rows) != 0 || !strings.Contains(err.Error(), want) ||
			len(ms) != 1 {
			t.Errorf("%q:\ngot  %v\nwant …%s…", csv, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v shows what the file holds", err)
		}
	}
}

func TestManyOverrideMistakes(t *testing.T) {
	var csv strings.Builder
	csv.WriteString("instance_type,usd_per_hour\n")
	for range 25 {
		csv.WriteString("m5.large,x\n")
	}
	_, err := ReadOverrides(strings.NewReader(csv.String()))
	ms, _ := errors.AsType[Mistakes](err)
	if len(ms) != maxMistakes+1 || ms[0].Line != 2 || ms[9].Line != 11 || ms[10].Error() != "and 15 more mistakes" {
		t.Errorf("%v", err)
	}
	csv.Reset()
	csv.WriteString("instance_type,usd_per_hour\n")
	for i := range maxRows + 1 {
		fmt.Fprintf(&csv, "t%d,1\n", i)
	}
	if o, err := ReadOverrides(strings.NewReader(csv.String())); err == nil ||
		!strings.Contains(err.Error(), "line 100002: the table has more than 100000 rows") || len(o.rows) != 0 {
		t.Errorf("%d rows: %v", len(o.rows), err)
	}
	broken := errors.New("broken disk")
	if _, err := ReadOverrides(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// The row that find returns is the one that trying all rows returns.
func TestFindMostSpecific(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	any := func(words ...string) string { return words[random.IntN(len(words))] }
	for range 2000 {
		var csv strings.Builder
		csv.WriteString("instance_type,capacity_type,region,provider,usd_per_hour\n")
		var rows []row
		for range random.IntN(6) {
			r := row{any("a", "b"), any("", "spot", "on-demand"), any("", "r1", "r2"), any("", "p1", "p2"), ""}
			if !slices.Contains(rows, r) {
				rows = append(rows, r)
				fmt.Fprintf(&csv, "%s,%s,%s,%s,%d\n", r.instanceType, r.capacityType, r.region, r.provider, len(rows))
			}
		}
		o := overrides(t, csv.String())
		asked := row{any("a", "b"), any("", "spot"), any("", "r1"), any("", "p1"), ""}
		want, best := 0, -1
		for i, r := range rows {
			matches := func(have, given string) bool { return given == "" || given == have }
			if r.instanceType != asked.instanceType || !matches(asked.capacityType, r.capacityType) ||
				!matches(asked.region, r.region) || !matches(asked.provider, r.provider) {
				continue
			}
			if rank := 8*bits.OnesCount8(r.gives()) + int(r.gives()); rank > best {
				want, best = i+1, rank
			}
		}
		if got, ok := o.find(asked); int(got) != want || ok != (want > 0) {
			t.Fatalf("%+v: row %v, want %d of\n%s", asked, got, want, csv.String())
		}
	}
}

// FuzzReadOverrides holds that a table is either read whole, into prices that can be reckoned with, or refused with
// mistakes that say in which line they are.
func FuzzReadOverrides(f *testing.F) {
	f.Add("instance_type,usd_per_hour\nm5.large,0.08\n")
	f.Add("\uFEFFusd_per_hour,instance_type,capacity_type,region,provider\r\n# c\r\n1,a,spot,,\r\n,,,,\r\n")
	f.Add(packHeader + "aws,us-east-1,m5.large,0.096,0.04,2026-07-20\n")
	f.Add(packHeader + "aws,us-east-1,a1.2xlarge,0.204000,0.085200,2026-07-20\naws,us-east-1,a1.4xlarge,0.408000,,\n" +
		"gcp,us-central1,n2-standard-4,0.194236,0.046320,2026-07-20\nazure,eastus,Standard_D4s_v5,0.192000,0.038,\n")
	f.Add("instance_type,usd_per_hour\n\"a\nb\",NaN\n\"")
	f.Add("instance_type;usd_per_hour\na;1\n")
	f.Add("instance_type,usd_per_hour\na,0x1p-2\na,1_0\n\xff,1\n")
	f.Add("instance_type,usd_per_hour\na,1e999\nb,inf\nc,1e-320\n")
	f.Add("instance_type,usd_per_hour\na,-0\n")
	f.Add("instance_type,usd_per_hour\na,-1e-999\n")
	f.Add("instance_type,usd_per_hour\n" + strings.Repeat("m5.large,0.08\n", 13))
	f.Add("instance_type,capacity_type,usd_per_hour\r\na,on demand,\"0,08\"\r\n\r\nb,SPOT,1,\r\n")
	f.Fuzz(func(t *testing.T, csv string) {
		o, err := ReadOverrides(strings.NewReader(csv))
		if err != nil {
			ms, ok := errors.AsType[Mistakes](err)
			if !ok || len(ms) == 0 || len(ms) > maxMistakes+1 || len(o.rows) != 0 {
				t.Fatalf("%d rows and %v", len(o.rows), err)
			}
			checkLines(t, ms, csv)
			return
		}
		for r, p := range o.rows {
			if math.Signbit(p.usd) || !(p.usd <= maxPrice) || r.instanceType == "" {
				t.Fatalf("%+v costs %v", r, p)
			}
			if got, ok := o.find(r); !ok || got != p.usd {
				t.Fatalf("%+v costs %v, want %v", r, got, p.usd)
			}
		}
	})
}

// checkLines checks that mistakes name lines that the table has, in order, and can be shown to a person.
func checkLines(t *testing.T, ms Mistakes, csv string) {
	t.Helper()
	lines := strings.Count(csv, "\n") + 1
	for i, m := range ms {
		switch {
		case m.Line > 0:
		case i == 0 && strings.HasPrefix(m.Problem, "the table is empty"):
		case i == maxMistakes && strings.HasPrefix(m.Problem, "and "):
			continue
		default:
			t.Fatalf("a mistake names no line: %v", m)
		}
		if m.Line > lines || i > 0 && m.Line < ms[i-1].Line {
			t.Fatalf("mistake %d is in line %d of %d: %v", i, m.Line, lines, ms)
		}
	}
	if said := ms.Error(); !utf8.ValidString(said) || len(said) > 4096*len(ms) {
		t.Fatalf("%d bytes: %q", len(said), said)
	}
}
