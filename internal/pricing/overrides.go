package pricing

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"rollcall/internal/fleet"
)

// Overrides are prices of the user's own, in US dollars an hour. The zero value has none.
type Overrides struct {
	rows map[match]float64
}

// match is what a row is about; an empty field stands for any value.
type match struct{ provider, region, instanceType, capacityType string }

// columns are those of a file; the last two are not always needed.
var columns = []string{"provider", "region", "instance_type", "capacity_type", "usd_per_hour"}

const (
	maxRows     = 100_000
	maxPrice    = 10_000 // US dollars an hour: a few times that of the largest machines there are
	maxMistakes = 10
)

// ReadOverrides reads a CSV file with a header: instance_type and usd_per_hour must be there;
// provider, region and capacity_type may be, and where they are empty a row is about all of them.
// Of several rows about a machine the one that names more of it wins, and a region names more
// than a provider or a capacity type. Blank lines and those that begin with # are passed over.
//
// The error lists what is wrong, each with its line and what would be right; nothing is read
// then.
func ReadOverrides(r io.Reader) (Overrides, error) {
	in := csv.NewReader(skipBOM(r))
	in.Comment, in.FieldsPerRecord, in.TrimLeadingSpace = '#', -1, true
	head, err := in.Read()
	if errors.Is(err, io.EOF) {
		return Overrides{}, fmt.Errorf("it is empty; its first line names its columns: %s", strings.Join(columns, ","))
	}
	if err != nil {
		return Overrides{}, err
	}
	index := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := index[name]; twice {
			return Overrides{}, fmt.Errorf("line 1: the column %q is there twice", name)
		}
		if !slices.Contains(columns, name) {
			return Overrides{}, fmt.Errorf("line 1: %q is no column; there are %s", name, strings.Join(columns, ", "))
		}
		index[name] = i
	}
	for _, need := range []string{"instance_type", "usd_per_hour"} {
		if _, ok := index[need]; !ok {
			return Overrides{}, fmt.Errorf("line 1: the column %s is missing; write for example instance_type,capacity_type,usd_per_hour", need)
		}
	}
	o := Overrides{rows: map[match]float64{}}
	var mistakes []error
	for len(mistakes) < maxMistakes {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			mistakes = append(mistakes, err) // it names its line
			break
		}
		line, _ := in.FieldPos(0)
		if len(row) != len(head) {
			mistakes = append(mistakes, fmt.Errorf("line %d: it has %d columns, and the first line has %d", line, len(row), len(head)))
			continue
		}
		cell := func(name string) string {
			if i, ok := index[name]; ok {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		m := match{strings.ToLower(cell("provider")), cell("region"), cell("instance_type"), strings.ToLower(cell("capacity_type"))}
		usd, err := strconv.ParseFloat(strings.TrimPrefix(cell("usd_per_hour"), "$"), 64)
		_, twice := o.rows[m]
		switch {
		case m.instanceType == "":
			mistakes = append(mistakes, fmt.Errorf("line %d: instance_type is empty; write one, for example m5.large", line))
		case err != nil || !(usd >= 0 && usd <= maxPrice):
			mistakes = append(mistakes, fmt.Errorf("line %d: usd_per_hour is %q; write a number from 0 to %d, for example 0.096", line, cell("usd_per_hour"), maxPrice))
		case !slices.Contains([]string{"", "spot", "on-demand", "reserved"}, m.capacityType):
			mistakes = append(mistakes, fmt.Errorf("line %d: capacity_type is %q; write spot, on-demand or reserved, or leave it empty for all", line, m.capacityType))
		case twice:
			mistakes = append(mistakes, fmt.Errorf("line %d: an earlier line is about the same machine", line))
		case len(o.rows) == maxRows:
			mistakes = append(mistakes, fmt.Errorf("line %d: there are more than %d lines", line, maxRows))
			return Overrides{}, errors.Join(mistakes...)
		default:
			o.rows[m] = usd
		}
	}
	if len(mistakes) > 0 {
		return Overrides{}, errors.Join(mistakes...)
	}
	return o, nil
}

// skipBOM leaves out the mark that spreadsheets put at the beginning of a file.
func skipBOM(r io.Reader) io.Reader {
	var head [3]byte
	n, err := io.ReadFull(r, head[:])
	rest := strings.TrimPrefix(string(head[:n]), "\ufeff")
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return io.MultiReader(strings.NewReader(rest), failing{err})
	}
	return io.MultiReader(strings.NewReader(rest), r)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// price is what the most telling row about a machine says.
func (o Overrides) price(m fleet.Machine) (float64, bool) {
	if len(o.rows) == 0 || m.InstanceType == "" {
		return 0, false
	}
	for _, region := range []string{m.Region, ""} {
		for _, capacity := range []string{m.CapacityType, ""} {
			for _, provider := range []string{m.Provider, ""} {
				if usd, ok := o.rows[match{provider, region, m.InstanceType, capacity}]; ok {
					return usd, true
				}
			}
		}
	}
	return 0, false
}
