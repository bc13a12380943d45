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
	sum := amount(c, below) + unit
	if c.Unpriced > 0 {
		sum += fmt.Sprintf(" + %d not priced", c.Unpriced)
	}
	return sum
}

func amount(c fleet.Cost, below func(float64) string) string {
	// The same amount reads the same in whatever order it was added up.
	usd, mark := c.USD*(1+1e-12), ""
	if c.AtMost {
		mark = "≤ "
	}
	cents := math.Round(usd * 100)
	least := 0.01
	if below != nil {
		least = 0.0001
	}
	switch {
	case usd == 0:
		return "$0"
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
