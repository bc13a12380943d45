package alert

import (
	"fmt"
	"math"
	"strings"
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

// Hourly shows what nodes cost by the hour: $0.0104/h, $12.34/h, $1,234/h.
func Hourly(c fleet.Cost) string { return money(c, hourly, "/h") }

// Dollars shows what nodes cost over a span: <$0.01, $0.29, $12.34, $1,234.
func Dollars(c fleet.Cost) string { return money(c, dollars, "") }

func money(c fleet.Cost, amount func(float64) string, unit string) string {
	if c.Priced == 0 && c.Unpriced > 0 {
		return "price unknown"
	}
	s := amount(c.USD) + unit
	if c.AtMost {
		s = "≤ " + s
	}
	if c.Unpriced > 0 {
		s += fmt.Sprintf(" + %d not priced", c.Unpriced)
	}
	return s
}

// hourly shows small prices with three significant digits: machines begin at half a cent.
func hourly(usd float64) string {
	if !(usd > 0 && usd < 1) {
		return dollars(usd)
	}
	digits := 2 - int(math.Floor(math.Log10(usd)))
	s := fmt.Sprintf("%.*f", min(digits, 6), usd)
	for len(s) > len("0.00") && strings.HasSuffix(s, "0") {
		s = s[:len(s)-1]
	}
	return "$" + s
}

func dollars(usd float64) string {
	switch {
	case !(usd > 0) || math.IsInf(usd, 0):
		return "$0"
	case usd < 0.01:
		return "<$0.01"
	case usd < 999.995:
		return fmt.Sprintf("$%.2f", usd)
	}
	return "$" + thousands(math.Round(usd))
}

// thousands writes a whole number with separators.
func thousands(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
