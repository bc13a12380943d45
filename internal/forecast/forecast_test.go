package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
)

// shapes are costs of days as clusters have them: each day has its noise, and days resemble the day before.
var shapes = map[string]func(day int) float64{
	"steady": func(int) float64 { return 100 },
	"weekly": func(day int) float64 {
		return []float64{130, 128, 125, 132, 120, 45, 40}[day%7]
	},
	"growing": func(day int) float64 { return 60 * (1 + 0.012*float64(day)) },
}

func simulated(shape string, seed uint64, days int) []float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	all := make([]float64, days)
	mood := 0.0
	for i := range all {
		mood = 0.4*mood + 0.06*r.NormFloat64()
		all[i] = shapes[shape](i) * math.Exp(mood)
	}
	return all
}

// Over 90 simulated days, a forecast on every day of what is left of its month holds the truth in its range in at least
// 90 percent, whatever the shape, and is not so wide that it says nothing.
func TestRangesHoldTheTruth(t *testing.T) {
	const days, month, seeds = 90, 30, 40
	for shape := range shapes {
		held, all, width, off := 0, 0, 0.0, 0.0
		for seed := range uint64(seeds) {
			series := simulated(shape, seed, days)
			for today := Least; today < days; today++ {
				left := month - today%month
				if today+left > days {
					break
				}
				f, ok := Of(series[:today], left)
				if !ok {
					t.Fatalf("no forecast from %d days", today)
				}
				truth := 0.0
				for _, v := range series[today : today+left] {
					truth += v
				}
				s := f.Sum(left)
				if all++; s.Low <= truth && truth <= s.High {
					held++
				}
				width += (s.High - s.Low) / s.Likely
				off += math.Abs(s.Likely/truth - 1)
			}
		}
		part := float64(held) / float64(all)
		t.Logf("%s: %.1f %% of %d forecasts hold the truth; they are ±%.0f %% wide and %.1f %% off", shape, 100*part, all,
			50*width/float64(all), 100*off/float64(all))
		if part < 0.9 {
			t.Errorf("%s: the range holds the truth in %.1f %% of %d forecasts", shape, 100*part, all)
		}
		if width/float64(all) > 0.6 {
			t.Errorf("%s: ranges are ±%.0f %% wide", shape, 50*width/float64(all))
		}
	}
}

// The pattern of the week is known after two weeks, and growth goes on.
func TestPattern(t *testing.T) {
	var series []float64
	for i := range 28 {
		series = append(series, shapes["weekly"](i))
	}
	f, _ := Of(series, 7)
	for i := range 7 {
		if want := shapes["weekly"](28 + i); math.Abs(f.Day(i)/want-1) > 0.25 {
			t.Errorf("day %d: %.0f, want about %.0f", i, f.Day(i), want)
		}
	}
	if s := f.Sum(7); math.Abs(s.Likely/720-1) > 0.05 || s.Low > s.Likely || s.High < s.Likely {
		t.Errorf("the week: %+v", s)
	}
	series = nil
	for i := range 28 {
		series = append(series, shapes["growing"](i))
	}
	if f, _ = Of(series, 14); f.Day(13) < series[27]*1.05 {
		t.Errorf("growth stops: after %.0f comes %.0f", series[27], f.Day(13))
	}
}

// Too short a past gives no forecast, and costs of nothing are no trouble.
func TestTooLittle(t *testing.T) {
	if _, ok := Of(make([]float64, Least-1), 5); ok {
		t.Error("a forecast from less than two weeks")
	}
	f, ok := Of(make([]float64, 30), 5)
	if s := f.Sum(5); !ok || s != (Sum{}) {
		t.Errorf("of nothing comes %+v, %v", s, ok)
	}
	up := make([]float64, 30)
	up[29] = 1000
	f, _ = Of(up, 10)
	if s := f.Sum(10); math.IsNaN(s.Likely+s.Low+s.High) || s.Low < 0 {
		t.Errorf("after a jump: %+v", s)
	}
	if f.Day(10) != 0 || f.Day(-1) != 0 {
		t.Error("days beyond the forecast")
	}
}

func FuzzForecast(f *testing.F) {
	f.Add(uint64(1), 30, 10)
	f.Fuzz(func(t *testing.T, seed uint64, length, days int) {
		if length < 0 || length > 200 || days < 0 || days > 400 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		series := make([]float64, length)
		for i := range series {
			if r.IntN(3) > 0 {
				series[i] = r.Float64() * math.Pow(10, float64(r.IntN(6)))
			}
		}
		got, ok := Of(series, days)
		s := got.Sum(days)
		if ok != (length >= Least) || !(s.Low >= 0 && s.Low <= s.Likely && s.Likely <= s.High) || math.IsInf(s.High, 0) {
			t.Errorf("%+v, %v", s, ok)
		}
	})
}
