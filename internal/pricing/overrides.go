package pricing

import (
	"cmp"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"

	"rollcall/internal/fleet"
	"rollcall/internal/nearest"
)

// Overrides are the prices that a user gives. The zero value has none.
type Overrides struct {
	rows map[row]price
	// By instance type, which of the other columns its rows give: bit i of the value stands for
	// the combination i of the bits below.
	given map[string]uint8
	terms bool // some rows give terms
}

// row names what a price is for; "" is any, but for the terms, of which it is none. The instance type is in lower case.
type row struct {
	instanceType, capacityType, region, provider string
	terms                                        fleet.Terms
}

type price struct {
	usd     float64
	line    int
	written string // the instance type as it was written
}

// The columns besides the instance type that a row gives. The more a row gives the more specific
// it is; among as many, the greater bits are.
const (
	givesProvider = 1 << iota
	givesRegion
	givesCapacity
	combinations
)

// mostSpecific lists the combinations, the most specific first.
var mostSpecific = func() []uint8 {
	var all []uint8
	for c := range uint8(combinations) {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b uint8) int {
		return 16*(bits.OnesCount8(b)-bits.OnesCount8(a)) + int(b) - int(a)
	})
	return all
}()

func (r row) gives() uint8 {
	var c uint8
	if r.provider != "" {
		c |= givesProvider
	}
	if r.region != "" {
		c |= givesRegion
	}
	if r.capacityType != "" {
		c |= givesCapacity
	}
	return c
}

// only is the row with nothing but a combination of its columns.
func (r row) only(c uint8) row {
	if c&givesProvider == 0 {
		r.provider = ""
	}
	if c&givesRegion == 0 {
		r.region = ""
	}
	if c&givesCapacity == 0 {
		r.capacityType = ""
	}
	return r
}

// find returns the price of the most specific row that matches.
func (o Overrides) find(r row) (float64, bool) {
	given := o.given[r.instanceType]
	if given == 0 || r.terms != "" && !o.terms {
		return 0, false
	}
	can := r.gives()
	for _, c := range mostSpecific {
		if given&(1<<c) == 0 || c&^can != 0 {
			continue
		}
		if p, ok := o.rows[r.only(c)]; ok {
			return p.usd, true
		}
	}
	return 0, false
}

var (
	overrideColumns = []string{"instance_type", "usd_per_hour", "provider", "region", "capacity_type",
		"terms", "on_demand_usd_per_hour", "spot_usd_per_hour", "as_of"}
	capacityTypes = []string{"on-demand", "spot", "reserved"}
)

const overrideExample = "instance_type,usd_per_hour"

// ReadOverrides reads a user's table of prices: CSV with a header, with the columns instance_type
// and usd_per_hour and, where wanted, provider, region and capacity_type, in which an empty field
// means any. The most specific row that matches a machine wins: the one that gives most of these
// three; among as many a capacity type counts more than a region, and a region more than a
// provider. No two rows may be for the same.
//
// The column terms names what else the price includes ([fleet.TermNames], with + between several): the row is for the
// machines with just these terms, and for them it comes before every other price.
//
// A table in the form of the built-in one's CSV is read, too (on_demand_usd_per_hour and
// spot_usd_per_hour instead of usd_per_hour and capacity_type).
//
// A table has at most 100,000 rows, and a price is at most 10,000; how many bytes are read is the
// caller's to bound. What is wrong with the table is returned as Mistakes, and then there are no
// overrides at all.
func ReadOverrides(r io.Reader) (Overrides, error) {
	s := newSheet(r)
	if s.header(overrideColumns, overrideExample) && checkColumns(s) {
		o := Overrides{rows: map[row]price{}, given: map[string]uint8{}}
		for s.next(maxRows) {
			if s.fits() {
				o.read(s)
			}
		}
		for r := range o.rows {
			o.terms = o.terms || r.terms != ""
		}
		if s.err() == nil {
			return o, nil
		}
	}
	return Overrides{}, s.err()
}

// checkColumns sees that the columns go together.
func checkColumns(s *sheet) bool {
	split := s.has("on_demand_usd_per_hour") || s.has("spot_usd_per_hour")
	switch {
	case !s.has("instance_type"):
		s.note(Mistake{Line: s.line, Problem: "there is no column instance_type; write for example " + overrideExample})
	case split && (s.has("usd_per_hour") || s.has("capacity_type")):
		s.note(Mistake{Line: s.line,
			Problem: "on_demand_usd_per_hour and spot_usd_per_hour do not go together with usd_per_hour and capacity_type; " +
				"write one or the other"})
	case !split && !s.has("usd_per_hour"):
		s.note(Mistake{Line: s.line, Problem: "there is no column usd_per_hour; write for example " + overrideExample})
	default:
		return true
	}
	return false
}

// read takes the sheet's row.
func (o Overrides) read(s *sheet) {
	r := row{instanceType: strings.ToLower(s.get("instance_type")), region: s.get("region"),
		provider: strings.ToLower(s.get("provider"))}
	if r.instanceType == "" {
		s.wrong("instance_type", "it is missing; write it as in the label node.kubernetes.io/instance-type")
		return
	}
	var ok bool
	if r.terms, ok = terms(s); !ok {
		return
	}
	if s.has("usd_per_hour") {
		if r.capacityType, ok = capacity(s); ok {
			if usd, ok := s.price("usd_per_hour", false); ok {
				o.add(s, r, usd)
			}
		}
		return
	}
	for _, c := range []struct{ column, capacityType string }{{"on_demand_usd_per_hour", "on-demand"},
		{"spot_usd_per_hour", "spot"}} {
		if usd, ok := s.price(c.column, true); ok && s.get(c.column) != "" {
			r.capacityType = c.capacityType
			o.add(s, r, usd)
		}
	}
}

func (o Overrides) add(s *sheet, r row, usd float64) {
	if first, ok := o.rows[r]; ok {
		s.wrong("instance_type", "line %d gives a price for the same; leave one of them", first.line)
		return
	}
	o.rows[r] = price{usd, s.line, s.get("instance_type")}
	o.given[r.instanceType] |= 1 << r.gives()
}

// terms returns what else the row's price includes, and notes what is none.
func terms(s *sheet) (fleet.Terms, bool) {
	given := strings.FieldsFunc(strings.ToLower(s.get("terms")), func(r rune) bool { return r == '+' || r == ' ' })
	var in []string
	for _, t := range fleet.TermNames { // in the order that a machine has them
		if i := slices.Index(given, string(t)); i >= 0 {
			in, given = append(in, string(t)), slices.Delete(given, i, i+1)
		}
	}
	if len(given) == 0 {
		return fleet.Terms(strings.Join(in, ",")), true
	}
	var names []string
	for _, t := range fleet.TermNames {
		names = append(names, string(t))
	}
	s.wrong("terms", "%q is none; write %s, with + between several", given[0], cmp.Or(nearest.Word(given[0], names...),
		"some of "+strings.Join(names, ", ")))
	return "", false
}

// capacity returns the row's capacity type, and notes what is none.
func capacity(s *sheet) (string, bool) {
	text := s.get("capacity_type")
	word := strings.ToLower(text)
	if word == "" || slices.Contains(capacityTypes, word) {
		return word, true
	}
	letters := func(s string) string { return strings.NewReplacer("-", "", "_", "", " ", "").Replace(s) }
	right := fmt.Sprintf("%s, or leave it empty for any", strings.Join(capacityTypes, ", "))
	for _, c := range capacityTypes {
		if letters(c) == letters(word) {
			right = c
		}
	}
	s.wrong("capacity_type", "it is not a capacity type; write %s", right)
	return "", false
}
