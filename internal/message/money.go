package message

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"rollcall/internal/fleet"
)

// CostOf is what machines cost by the hour; zero if price is nil.
func CostOf(machines map[fleet.Machine]int, price fleet.Pricer) (c fleet.Cost) {
	if price == nil {
		return c
	}
	for m, n := range machines {
		c.Add(price(m), n, time.Hour)
	}
	return c
}

// CostDoubts say what is not known of a cost, and what is left out: a sentence each.
func CostDoubts(c fleet.Cost) (texts []string) {
	switch {
	case c.Priced == 0:
	case c.AtMost && c.AtLeast:
		texts = append(texts, "≈: of some nodes it is only known what they cost at most, of others what at least.")
	case c.AtMost:
		texts = append(texts, "≤: of some nodes it is only known what they cost at most.")
	case c.AtLeast:
		texts = append(texts, "≥: of some nodes it is only known what they cost at least.")
	}
	switch n := c.Unpriced; {
	case n == 0:
	case c.Priced == 0 && n == 1:
		texts = append(texts, "The price of the node is not known.")
	case c.Priced == 0 && c.Billed == 0:
		texts = append(texts, fmt.Sprintf("The prices of all %d nodes are not known.", n))
	case n == 1:
		texts = append(texts, "The price of 1 node is not known; it is in no sum.")
	default:
		texts = append(texts, fmt.Sprintf("The prices of %d nodes are not known; they are in no sum.", n))
	}
	switch n := c.Billed; {
	case n == 1:
		texts = append(texts, "1 node is not billed by the hour, but by pod, by host or in advance; it is in no sum.")
	case n > 1:
		texts = append(texts, fmt.Sprintf("%d nodes are not billed by the hour, but by pod, by host or in advance; they are "+
			"in no sum.", n))
	}
	switch n := c.Old; {
	case n == 0:
	case n == c.Priced:
		texts = append(texts, "The prices are list prices that are a year old or older.")
	default:
		texts = append(texts, fmt.Sprintf("The prices of %d of %d nodes are list prices that are a year old or older.", n,
			c.Priced))
	}
	return texts
}

// Hourly says what nodes cost by the hour: $0.0104/h, $12.34/h, ≤ $0.34/h + 3 not priced.
func Hourly(c fleet.Cost) string { return cost(c, "/h", small) }

// AndHourly adds what something costs by the hour to a sentence, after a comma; "" if none of it
// has a price.
func AndHourly(c fleet.Cost) string {
	if c.Priced == 0 {
		return ""
	}
	return ", " + Hourly(c)
}

// Dollars says what nodes cost over a span: $0.29, $12.34, $1,234, ≤ $5.10 + 3 not priced.
func Dollars(c fleet.Cost) string { return cost(c, "", nil) }

// cost words a cost. below words amounts below a dollar that two decimals do not do for.
func cost(c fleet.Cost, unit string, below func(float64) string) string {
	if c.Priced == 0 && c.Unpriced > 0 || !(c.USD >= 0) || math.IsInf(c.USD, 0) { // NaN too
		return "price unknown"
	}
	if c.Priced == 0 && c.Billed > 0 {
		return "not billed by node"
	}
	sum := amount(c, below) + unit
	if c.Unpriced > 0 {
		sum += fmt.Sprintf(" + %d not priced", c.Unpriced)
	}
	if c.Billed > 0 {
		sum += fmt.Sprintf(" + %d not billed by node", c.Billed)
	}
	return sum
}

func amount(c fleet.Cost, below func(float64) string) string {
	// The same amount reads the same in whatever order it was added up.
	usd, mark := c.USD*(1+1e-12), ""
	switch {
	case c.AtMost && c.AtLeast:
		mark = "≈ "
	case c.AtMost:
		mark = "≤ "
	case c.AtLeast:
		mark = "≥ "
	}
	cents := math.Round(usd * 100)
	least := 0.01
	if below != nil {
		least = 0.0001
	}
	switch {
	case usd == 0:
		return "$0"
	case usd < least && c.AtLeast:
		return mark + "$0"
	case usd < least:
		if mark == "" {
			mark = "<"
		}
		return mark + "$" + strconv.FormatFloat(least, 'f', -1, 64)
	case below != nil && usd < 1:
		return mark + below(usd)
	case cents >= 1000_00:
		return mark + "$" + Thousands(math.Round(usd))
	}
	return mark + fmt.Sprintf("$%.2f", usd)
}

// small words an amount below a dollar with three significant digits, and no zeros behind the
// cents.
func small(usd float64) string {
	digits := 2 - int(math.Floor(math.Log10(usd)))
	text := fmt.Sprintf("$%.*f", digits, usd)
	for len(text) > len("$0.00") && text[len(text)-1] == '0' {
		text = text[:len(text)-1]
	}
	return text
}
