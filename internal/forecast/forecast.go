// Package forecast says what a series of daily costs will sum up to, from its own past: the pattern of its weeks, how
// it grows, and how far it would have been wrong before.
//
// It is pure: it reads no clock, does no I/O, and knows neither nodes nor money.
package forecast

import (
	"math"
	"slices"
)

const (
	// week is the length of the pattern that is looked for.
	week = 7
	// Least is how many days must be known for a forecast: two of each day of the week.
	Least = 2 * week
	// memory is how many days the pattern and the growth are taken from: what was before says little of tomorrow.
	memory = 4 * week
	// Back is how many days are worth knowing: those from which a forecast is made, and as many for its errors.
	Back = 9 * week
	// damped is how much of the growth of a day is expected of the next one. Nothing grows for ever.
	damped = 0.98
	// tested is how many forecasts are at least made of the past, to learn how wrong they are.
	tested = 5
	// floor is the least error that is allowed for, as a part of the sum.
	floor = 0.02
	// coverage is the part of past errors that the range holds, and wider what is added because there are few of them and
	// they resemble each other.
	coverage, wider = 0.95, 1.3
)

// Sum is what the coming days sum up to: most likely, and with 90 percent between Low and High.
type Sum struct{ Likely, Low, High float64 }

// Forecast is what is expected of the days after a series.
type Forecast struct {
	days []float64 // the coming ones
	wide float64   // relative error of the sum of all of them
}

// Of returns the forecast of so many days that follow a series of days, the oldest first; ok is false if there are
// fewer than Least.
func Of(series []float64, days int) (f Forecast, ok bool) {
	if len(series) < Least || days < 0 {
		return Forecast{}, false
	}
	series = series[max(0, len(series)-Back):]
	return Forecast{days: next(series, days), wide: spread(series, days)}, true
}

// Sum is that of the first days of the forecast; all, if it has no more.
func (f Forecast) Sum(days int) Sum {
	likely := 0.0
	for _, d := range f.days[:min(days, len(f.days))] {
		likely += d
	}
	return Sum{likely, likely * max(0, 1-f.wide), likely * (1 + f.wide)}
}

// Day is what is expected of a coming day, 0 for the first.
func (f Forecast) Day(n int) float64 {
	if n < 0 || n >= len(f.days) {
		return 0
	}
	return f.days[n]
}

// next continues a series: its level, its growth and the pattern of its week.
func next(series []float64, days int) []float64 {
	series = series[max(0, len(series)-memory):]
	factors := weekly(series)
	// The line through what is left without the pattern. Few days say little of growth: of two weeks half is believed.
	var n, sx, sy, sxx, sxy float64
	for i, v := range series {
		factor := factors[phase(i, len(series))]
		x, y, w := float64(i-len(series)+1), v/factor, factor*factor // a cheap day's noise counts less
		n, sx, sy, sxx, sxy = n+w, sx+w*x, sy+w*y, sxx+w*x*x, sxy+w*x*y
	}
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	mean := sy / n
	slope *= min(1, float64(len(series))/memory)
	level := mean + slope*(0-sx/n)
	if level < 0 {
		level, slope = 0, 0
	}
	all := make([]float64, days)
	for i := range all {
		slope *= damped
		level = max(0, level+slope)
		all[i] = level * factors[phase(len(series)+i, len(series))]
	}
	return all
}

// phase is the day of the week of day i, counted so that the last of the series has 0.
func phase(i, length int) int { return ((i-length+1)%week + week) % week }

// weekly returns by how much each day of the week differs from the week's average. The fewer weeks say so, the less it
// is believed.
func weekly(series []float64) (factors [week]float64) {
	var sum, count [week]float64
	for i, v := range series {
		// Against its own week, so that growth is none of the pattern.
		from := max(0, min(i-week/2, len(series)-week))
		mean := 0.0
		for _, w := range series[from : from+week] {
			mean += w / week
		}
		if mean <= 0 {
			continue
		}
		p := phase(i, len(series))
		sum[p], count[p] = sum[p]+v/mean, count[p]+1
	}
	total := 0.0
	for p := range factors {
		factors[p] = 1
		if count[p] > 0 {
			believed := count[p] * count[p] / (count[p]*count[p] + 0.5)
			factors[p] = 1 + believed*(sum[p]/count[p]-1)
		}
		factors[p] = max(factors[p], 0.01)
		total += factors[p]
	}
	for p := range factors {
		factors[p] *= week / total
	}
	return factors
}

// spread is how far off a forecast of so many days may be, as a part of their sum: as far as forecasts made of the past
// would have been.
func spread(series []float64, days int) float64 {
	if days == 0 {
		return 0
	}
	// As many days as the past is long enough for; further ahead the error grows with the time.
	ahead := min(days, max(1, len(series)-Least-tested+1))
	var errors []float64
	for at := Least; at+ahead <= len(series); at++ {
		expected, was := 0.0, 0.0
		for i, d := range next(series[:at], ahead) {
			expected, was = expected+d, was+series[at+i]
		}
		if expected > 0 {
			// Forecasts from less than the memory are worse than today's, but few others can be made.
			errors = append(errors, math.Abs(was/expected-1))
		}
	}
	if len(errors) == 0 {
		// Nothing can be tried: what days differ by, without their pattern.
		return max(floor, noise(series)) * math.Sqrt(float64(days)) * wider
	}
	slices.Sort(errors)
	worst := errors[min(len(errors)-1, int(math.Ceil(coverage*float64(len(errors)))))]
	return max(floor, wider*worst*math.Sqrt(float64(days)/float64(ahead)), noise(series)/math.Sqrt(float64(days))*2)
}

// noise is how much a day differs from what its week lets expect, as a part of it.
func noise(series []float64) float64 {
	expected := next(series[:len(series)-week], week)
	sum := 0.0
	for i, e := range expected {
		if e > 0 {
			sum += math.Abs(series[len(series)-week+i]/e - 1)
		}
	}
	return sum / week
}
