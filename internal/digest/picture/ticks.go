package picture

import (
	"time"

	"rollcall/internal/message"
)

const (
	day = 24 * time.Hour

	// maxTicks is how many labels have room side by side.
	maxTicks = 8

	// quarter divides every difference between the wall clocks in use today.
	quarter = 15 * time.Minute
)

// steps are the distances between two ticks, in time on a wall clock.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 28 * day, 56 * day,
}

// tick is a moment that the x axis names.
type tick struct {
	at    time.Time
	label string
}

// ticks are the round moments of a span on the zone's wall clock, as many as have room. Days
// begin at their first moment, which need not be 00:00, and weeks on Mondays. On a day with
// 23 or 25 hours the ticks stand where the clock shows them, not at equal distances.
func ticks(s message.Period, zone *time.Location) []tick {
	for _, step := range steps {
		if s.Until.Sub(s.From)/step > maxTicks {
			continue // spares the walk
		}
		if all := every(step, s, zone); len(all) <= maxTicks {
			return all
		}
	}
	return nil
}

func every(step time.Duration, s message.Period, zone *time.Location) []tick {
	format := "2 Jan"
	switch {
	case step < time.Minute:
		format = "15:04:05"
	case step < day:
		format = "15:04"
	case step < 7*day:
		format = "Mon 2"
	}
	stride := min(step, quarter)
	var all []tick
	midnights := 0
	at := s.From.Add(-(wall(s.From, zone) % stride))
	for ; at.Before(s.Until); at = at.Add(stride) {
		clock := wall(at, zone)
		round := clock%step == 0
		if step >= day {
			today := clock / day
			round = today != wall(at.Add(-stride), zone)/day && (today-monday)%(step/day) == 0
		}
		// An hour that comes twice must not put two labels on top of each other.
		crowded := len(all) > 0 && at.Sub(all[len(all)-1].at) < step*3/5
		if at.Before(s.From) || !round || crowded {
			continue
		}
		if clock%day == 0 {
			midnights++
		}
		all = append(all, tick{at, at.In(zone).Format(format)})
	}
	if step < day && midnights > 1 {
		for i, t := range all {
			if wall(t.at, zone)%day == 0 {
				all[i].label = t.at.In(zone).Format("Mon 2")
			}
		}
	}
	return all
}

// monday is a Monday, in days since 1 January 1970.
const monday = 4

// wall is what the zone's calendar and clock show at a moment, as time since 1 January 1970.
func wall(at time.Time, zone *time.Location) time.Duration {
	_, offset := at.In(zone).Zone()
	return time.Duration(at.UnixNano()) + time.Duration(offset)*time.Second
}
