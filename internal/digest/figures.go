package digest

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rollcall/internal/fleet"
)

// Group is nodes that are alike to who pays for them. Its fields are untrusted, and "" where they are not known.
type Group struct{ Pool, InstanceType, CapacityType, Region string }

// GroupUse is the use of a group. Start and End are how many of its nodes there were when the period began and ended.
type GroupUse struct {
	Group
	Use
	Start, End, Joined, Left int
}

func (g *GroupUse) add(p fleet.Price, sure, unsure time.Duration, joined, left bool) {
	g.Use.add(p, sure, unsure)
	g.End++
	if joined {
		g.Joined++
	} else {
		g.Start++
	}
	if left {
		g.Left++
		g.End--
	}
}

// maxGroups is how many groups are told apart; all others are one.
const maxGroups = 2000

// group is that of a node.
func (s *summing) group(n fleet.Life) *GroupUse {
	g := Group{n.Pool, n.Machine.InstanceType, n.Machine.CapacityType, n.Machine.Region}
	if s.groups[g] == nil && len(s.groups) >= maxGroups {
		g = Group{Pool: rest}
	}
	if s.groups[g] == nil {
		s.groups[g] = &GroupUse{Group: g}
	}
	return s.groups[g]
}

// groupUses lists the groups, the dearest first, then the longest.
func (s *summing) groupUses() (all []GroupUse) {
	for _, g := range s.groups {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b GroupUse) int {
		return cmp.Or(cmp.Compare(b.Cost.USD, a.Cost.USD), cmp.Compare(b.Hours.Sure, a.Hours.Sure),
			cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.InstanceType, b.InstanceType),
			cmp.Compare(a.CapacityType, b.CapacityType), cmp.Compare(a.Region, b.Region))
	})
	return all
}

// columns are those of CSV.
var columns = []string{"cluster", "from", "until", "pool", "instance_type", "capacity_type", "region", "nodes_start",
	"joined", "left", "nodes_end", "node_hours", "node_hours_unsure", "cost_usd", "cost_is_upper_bound",
	"nodes_without_price", "cost_is_lower_bound", "nodes_not_billed_by_hour"}

// CSV is the figures of a summary for a spreadsheet, one row for each of its groups: RFC 4180, with a row that names
// the columns, times as ISO 8601 has them, and numbers without units. What is not known is empty.
func CSV(s Summary) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	write := func(row []string) { _ = w.Write(row) } // a Buffer takes all
	write(columns)
	from, until := s.From.Format(time.RFC3339), s.Until.Format(time.RFC3339)
	for _, g := range s.Groups {
		cost, atMost, atLeast := "", "", ""
		if g.Cost.Priced > 0 {
			cost = strconv.FormatFloat(g.Cost.USD, 'f', 4, 64)
			atMost, atLeast = strconv.FormatBool(g.Cost.AtMost), strconv.FormatBool(g.Cost.AtLeast)
		}
		write([]string{cell(s.Cluster), from, until, cell(g.Pool), cell(g.InstanceType), cell(g.CapacityType),
			cell(g.Region), strconv.Itoa(g.Start), strconv.Itoa(g.Joined), strconv.Itoa(g.Left), strconv.Itoa(g.End),
			decimal(g.Hours.Sure), decimal(g.Hours.Unsure), cost, atMost, strconv.Itoa(g.Cost.Unpriced), atLeast,
			strconv.Itoa(g.Cost.Billed)})
	}
	w.Flush()
	return out.Bytes()
}

// decimal is a time in hours.
func decimal(d fleet.NodeTime) string { return strconv.FormatFloat(d.Hours(), 'f', 3, 64) }

// cell is a text from the cluster that no spreadsheet takes for a formula: what begins like one gets an apostrophe in
// front, as OWASP advises against "CSV injection".
func cell(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if strings.ContainsAny(firstRune(strings.TrimLeftFunc(text, unicode.IsSpace)), "=+-@＝＋－＠") {
		return "'" + text
	}
	return text
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}
