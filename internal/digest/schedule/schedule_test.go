package schedule

import (
	"errors"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

const stamp = "2006-01-02 15:04 MST"

// TestTicks holds the ticks of schedules around the changes of clocks, month ends and weekends.
func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name, spec, zone, from string // from is in UTC
		want                   []string
	}{
		{"spring in Berlin: 23 hours", "0 9 * * *", "Europe/Berlin", "2026-03-28 00:00",
			[]string{"2026-03-28 09:00 CET", "2026-03-29 09:00 CEST", "2026-03-30 09:00 CEST"}},
		{"autumn in Berlin: 25 hours", "0 9 * * *", "Europe/Berlin", "2026-10-24 00:00",
			[]string{"2026-10-24 09:00 CEST", "2026-10-25 09:00 CET", "2026-10-26 09:00 CET"}},
		{"skipped wall clock ticks at the change", "30 2 * * *", "Europe/Berlin", "2026-03-28 00:00",
			[]string{"2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"}},
		{"doubled wall clock ticks once", "30 2 * * *", "Europe/Berlin", "2026-10-24 00:00",
			[]string{"2026-10-24 02:30 CEST", "2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"}},
		{"half hours through the skipped hour", "*/30 * * * *", "Europe/Berlin", "2026-03-29 00:29",
			[]string{"2026-03-29 01:30 CET", "2026-03-29 03:00 CEST", "2026-03-29 03:30 CEST"}},
		{"half hours through the doubled hour", "*/30 * * * *", "Europe/Berlin", "2026-10-24 23:59",
			[]string{"2026-10-25 02:00 CEST", "2026-10-25 02:30 CEST", "2026-10-25 03:00 CET"}},
		{"spring in New York", "0 2 * * *", "America/New_York", "2026-03-07 00:00",
			[]string{"2026-03-07 02:00 EST", "2026-03-08 03:00 EDT", "2026-03-09 02:00 EDT"}},
		{"autumn in New York", "0 1 * * *", "America/New_York", "2026-10-31 00:00",
			[]string{"2026-10-31 01:00 EDT", "2026-11-01 01:00 EDT", "2026-11-02 01:00 EST"}},
		{"half an hour in Lord Howe", "15 2 * * *", "Australia/Lord_Howe", "2026-10-02 10:00",
			[]string{"2026-10-03 02:15 +1030", "2026-10-04 02:30 +11", "2026-10-05 02:15 +11"}},
		{"midnight that does not exist", "0 0 * * *", "America/Santiago", "2026-09-05 00:00",
			[]string{"2026-09-05 00:00 -04", "2026-09-06 01:00 -03", "2026-09-07 00:00 -03"}},
		{"weekdays", "0 9 * * 1-5", "UTC", "2026-11-26 09:00", []string{"2026-11-27 09:00 UTC", "2026-11-30 09:00 UTC"}},
		{"the 31st", "0 9 31 * *", "UTC", "2026-08-01 00:00",
			[]string{"2026-08-31 09:00 UTC", "2026-10-31 09:00 UTC", "2026-12-31 09:00 UTC"}},
		{"leap day", "0 9 29 2 *", "UTC", "2026-01-01 00:00", []string{"2028-02-29 09:00 UTC", "2032-02-29 09:00 UTC"}},
		{"descriptor", "@weekly", "Asia/Tokyo", "2026-11-20 00:00", []string{"2026-11-22 00:00 JST", "2026-11-29 00:00 JST"}},
		{"every does not depend on the start", "@every 90m", "UTC", "2026-11-20 00:10",
			[]string{"2026-11-20 01:30 UTC", "2026-11-20 03:00 UTC"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse(c.spec, zone(t, c.zone))
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse("2006-01-02 15:04", c.from)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.want {
				last := at
				at = s.Next(at)
				if got := at.Format(stamp); got != want {
					t.Fatalf("tick %d: %s, want %s", i, got, want)
				}
				for _, probe := range []time.Time{at, at.Add(time.Second), s.Next(at).Add(-1)} {
					if got := s.Last(probe); !got.Equal(at) {
						t.Errorf("the last tick at %s is %s, not %s", probe, got, at)
					}
				}
				if i > 0 && !s.Last(at.Add(-1)).Equal(last) {
					t.Errorf("the last tick before %s is %s, not %s", at, s.Last(at.Add(-1)), last)
				}
			}
		})
	}
}

// TestEveryDayOnce walks through two years in zones with and without changes of clocks: a daily
// schedule ticks once on each day, whatever its time.
func TestEveryDayOnce(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
		"America/Santiago"} {
		z := zone(t, name)
		for _, spec := range []string{"0 0 * * *", "30 1 * * *", "0 2 * * *", "45 2 * * *", "0 3 * * *", "59 23 * * *"} {
			s, err := Parse(spec, z)
			if err != nil {
				t.Fatal(err)
			}
			at := s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, z))
			for range 2 * 365 {
				next := s.Next(at)
				if want := time.Date(at.Year(), at.Month(), at.Day()+1, 12, 0, 0, 0, z).YearDay(); next.YearDay() != want ||
					next.Sub(at) < 22*time.Hour || next.Sub(at) > 26*time.Hour {
					t.Fatalf("%s in %s: %s is followed by %s", spec, name, at, next)
				}
				at = next
			}
		}
	}
}

func TestParseMistakes(t *testing.T) {
	for spec, want := range map[string]error{"@every 10s": ErrTooOften, "0 9 30 2 *": ErrNever, ", , , , ,": nil,
		"* * * *": nil, "61 * * * *": nil, "@noon": nil, "0 9 * * 8": nil, "0 9 * * SO": nil, "0 9 L * *": nil,
		"0 9 * * 5#2": nil, "0 9-1 * * *": nil, "0 9 * * */0": nil, "0 9 0 * *": nil, "@every 1d": nil, "": nil} {
		_, err := Parse(spec, time.UTC)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", spec, err, want)
		}
	}
}

// TestCrontab holds that a line of crontab means what it means to cron: it ticks as the same line
// in the library's own words.
func TestCrontab(t *testing.T) {
	for spec, same := range map[string]string{
		"0 9 * * 7": "0 9 * * 0", "0 9 * * 1-7": "0 9 * * 0,1,2,3,4,5,6", "0 9 * * SAT-SUN": "0 9 * * 0,6",
		"0 9 * * 6-7": "0 9 * * 0,6", "0 9 * * 5,7": "0 9 * * 0,5", "0 9 * * 0-7": "0 9 * * 0-6",
		"0 9 * * fri-mon": "0 9 * * 0,1,5,6", "0 9 * * Monday": "0 9 * * 1", "0 9 * * Tues,thurs": "0 9 * * 2,4",
		"0 9 * * 1-7/2": "0 9 * * 0,1,3,5", "0 9 * * 1/2": "0 9 * * 1,3,5", "0 9 1 January,JUL *": "0 9 1 1,7 *",
		"0 9 1 jan-Sept/2 *": "0 9 1 1,3,5,7,9 *", "*/20 9 * * *": "0,20,40 9 * * *", "5/20 9 * * *": "5,25,45 9 * * *",
		" 0  9 * *  SUN ": "0 9 * * 0", "@Daily": "0 0 * * *", "0 9 13 * 7": "0 9 13 * 0",
	} {
		got, err := Parse(spec, time.UTC)
		if err != nil {
			t.Errorf("%q: %v", spec, err)
			continue
		}
		want, err := cron.NewParser(fields).Parse("CRON_TZ=UTC " + same)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		for range 20 {
			next := want.Next(at)
			if tick := got.Next(at); !tick.Equal(next) {
				t.Errorf("%q ticks at %s, and %q at %s", spec, tick, same, next)
				break
			}
			at = next
		}
	}
}
