// Package schedule says when digests are due. It reads cron's syntax and makes the moments that
// it names, ticks, dependable: each wall-clock time of a schedule comes exactly once on every
// day, also on the days on which clocks are changed, and what was the last tick does not depend
// on when the program was started.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a set of ticks. Use Parse.
type Schedule struct {
	clock cron.Schedule  // ticks as wall-clock times, written as if they were UTC; nil: every
	every time.Duration  // between two ticks, which are counted from the year 1 in UTC
	zone  *time.Location // of the wall clock
	spec  string         // as the library reads it
	text  string         // as it is written
	name  string         // see Name
	usual time.Duration  // see Usual
}

// fields are what people know from crontab: five fields, or @daily and the like.
const fields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor

// least is the shortest time between two digests.
const least = time.Minute

// What is wrong with a schedule that cron can read.
var (
	ErrTooOften = fmt.Errorf("a digest comes at most every %v", least)
	ErrNever    = errors.New("there is no such day")
)

// Parse reads five cron fields, or a descriptor as @daily or @every 12h, as the clock in zone
// shows them. Sunday is 0 or 7, and SAT-SUN a weekend. Its error is ErrTooOften or ErrNever, or says which field is
// wrong and what may stand there.
func Parse(spec string, zone *time.Location) (*Schedule, error) {
	s, err := parse(spec, zone)
	if err != nil {
		return nil, err
	}
	s.text, s.usual = strings.TrimSpace(spec), usually(s)
	return s, nil
}

func parse(spec string, zone *time.Location) (*Schedule, error) {
	spec, err := plain(spec)
	if err != nil {
		return nil, err
	}
	parsed, err := cron.NewParser(fields).Parse("CRON_TZ=UTC " + spec)
	if err != nil {
		return nil, err
	}
	if every, ok := parsed.(cron.ConstantDelaySchedule); ok {
		if every.Delay < least {
			return nil, ErrTooOften
		}
		return &Schedule{every: every.Delay, zone: zone, spec: spec}, nil
	}
	if parsed.Next(leapYear).IsZero() {
		return nil, ErrNever
	}
	return &Schedule{clock: parsed, zone: zone, spec: spec}, nil
}

// leapYear is a moment within whose next years every date comes that ever comes.
var leapYear = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// Zone is the time zone of the schedule's clock.
func (s *Schedule) Zone() *time.Location { return s.zone }

// Next returns the first tick after t, in the schedule's zone; zero if there is none within
// years. A wall-clock time that is skipped when clocks go forward ticks at the moment of the
// change; one that comes twice when they go back ticks the first time.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.clock == nil {
		return t.Truncate(s.every).Add(s.every).In(s.zone)
	}
	for wall := wallClock(t.In(s.zone)); ; {
		if wall = s.clock.Next(wall); wall.IsZero() {
			return time.Time{}
		}
		// In the hour that comes twice, and after one that was skipped, it may have been before.
		if tick := moment(wall, s.zone); tick.After(t) {
			return tick
		}
	}
}

// farthest is how far back Last looks: the 29th of February comes every four years, but not in
// 2100.
const farthest = 9 * 366 * 24 * time.Hour

// Last returns the last tick that is not after t; zero if there is none within years.
func (s *Schedule) Last(t time.Time) time.Time {
	for back := least; back < 4*farthest; back *= 4 {
		last := s.Next(t.Add(-back))
		if last.IsZero() || last.After(t) {
			continue
		}
		for next := last; !next.IsZero() && !next.After(t); next = s.Next(next) {
			last = next
		}
		return last
	}
	return time.Time{}
}

// wallClock is what a clock shows at t, as if that were UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// moment is the first moment at which clocks in the zone show wall, or jump over it.
func moment(wall time.Time, zone *time.Location) time.Time {
	// One of the offsets around the moment is the right one, or two are.
	near := wall.In(zone)
	_, offset := near.Zone()
	near = wall.Add(-time.Duration(offset) * time.Second).In(zone)
	var first time.Time
	for _, around := range []time.Time{near.Add(-24 * time.Hour), near, near.Add(24 * time.Hour)} {
		_, offset := around.Zone()
		t := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if wallClock(t).Equal(wall) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if first.IsZero() { // jumped over: with the offset before the change, wall is after it
		_, offset := near.Add(-24 * time.Hour).Zone()
		start, _ := wall.Add(-time.Duration(offset) * time.Second).In(zone).ZoneBounds()
		first = start.In(zone)
	}
	return first
}
