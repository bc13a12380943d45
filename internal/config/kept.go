package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// KeptAlert says when nodes that are kept are told: see alert.KeptRule.
type KeptAlert struct {
	USD   float64       // dollars an hour; 0: however much
	Share float64       // of what all nodes cost, 0 to 1; 0: whatever part
	For   time.Duration // 0: never
}

// keptExample is KEPT_ALERT as it may be written.
const keptExample = "5,20%,6h"

// keptFor is for how long if nobody says so.
const keptFor = 6 * time.Hour

// parseKept reads KEPT_ALERT: dollars an hour, a percentage and a time, each at most once and in any order, with commas
// or blanks between them.
func parseKept(text string) (k KeptAlert, err error) {
	text = unquote(text)
	switch strings.ToLower(text) {
	case "off", "never", "none", "no", "false", "0":
		return k, nil
	}
	seen := map[string]bool{}
	once := func(what, part string) error {
		if seen[what] {
			return fmt.Errorf("%q: %s is there twice; write for example %s", text, what, keptExample)
		}
		seen[what] = true
		return nil
	}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
		lower := strings.ToLower(part)
		percent, isPercent := strings.CutSuffix(lower, "%")
		dollars, isDollars := strings.CutPrefix(strings.TrimSuffix(lower, "/h"), "$")
		number, notNumber := strconv.ParseFloat(dollars, 64)
		switch {
		case isPercent:
			n, bad := strconv.ParseFloat(percent, 64)
			if bad != nil || !(n > 0 && n <= 100) {
				return k, fmt.Errorf("%q is no percentage; write one from 1%% to 100%%, as in %s", part, keptExample)
			}
			if err := once("the percentage", part); err != nil {
				return k, err
			}
			k.Share = n / 100
		case notNumber == nil:
			if !(number > 0 && number <= 1e6) {
				return k, fmt.Errorf("%q is no amount; write dollars an hour, as in %s, or off", part, keptExample)
			}
			if err := once("the amount", part); err != nil {
				return k, err
			}
			k.USD = number
		case isDollars || strings.HasSuffix(lower, "/h"):
			return k, fmt.Errorf("%q is no amount; write dollars an hour, as in %s", part, keptExample)
		default:
			d, bad := time.ParseDuration(lower)
			if bad != nil {
				return k, fmt.Errorf("%q is neither dollars an hour, a percentage nor a time; write %s", part,
					nearestKept(part))
			}
			if d < 10*time.Second || d > 30*24*time.Hour {
				return k, fmt.Errorf("%q is not between 10s and 720h; write for example %s", part, keptExample)
			}
			if err := once("the time", part); err != nil {
				return k, err
			}
			k.For = d
		}
	}
	if k.USD == 0 && k.Share == 0 {
		with := keptExample
		if k.For > 0 {
			with = "5,20%," + strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(k.For.String())
		}
		return KeptAlert{}, fmt.Errorf("%q says neither how many dollars an hour nor which part of all; write for example "+
			"%s, or off", text, with)
	}
	if k.For == 0 {
		k.For = keptFor
	}
	return k, nil
}

// nearestKept is what a part that cannot be read was probably meant to be.
func nearestKept(part string) string {
	d := nearestDuration(part)
	if strings.HasPrefix(d, "for example") {
		return "for example " + keptExample + ", or off"
	}
	return d
}
