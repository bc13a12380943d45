package picture

import (
	"strings"
	"testing"
	"time"

	"rollcall/internal/message"
)

func TestTicks(t *testing.T) {
	for _, tt := range []struct{ name, zone, from, until, want string }{
		{"a minute", "UTC", "2026-11-23 09:00:05", "2026-11-23 09:01:05",
			"09:00:10 09:00:20 09:00:30 09:00:40 09:00:50 09:01:00"},
		{"an hour", "UTC", "2026-11-23 09:12:00", "2026-11-23 10:12:00", "09:20 09:30 09:40 09:50 10:00 10:10"},
		{"an hour in Kathmandu", "Asia/Kathmandu", "2026-11-23 09:00:00", "2026-11-23 10:00:00",
			"09:00 09:10 09:20 09:30 09:40 09:50"},
		{"a day", "Europe/Berlin", "2026-11-23 09:00:00", "2026-11-24 09:00:00",
			"09:00 12:00 15:00 18:00 21:00 00:00 03:00 06:00"},
		{"25 hours", "Europe/Berlin", "2026-10-25 00:00:00", "2026-10-26 00:00:00",
			"00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00"},
		{"23 hours", "Europe/Berlin", "2026-03-29 00:00:00", "2026-03-30 00:00:00",
			"00:00 03:00 06:00 09:00 12:00 15:00 18:00 21:00"},
		{"an hour that comes twice", "Europe/Berlin", "2026-10-24 22:00:00", "2026-10-25 05:00:00",
			"22:00 23:00 00:00 01:00 02:00 02:00 03:00 04:00"},
		{"two labels at the same place", "Europe/Berlin", "2026-10-24 22:00:00", "2026-10-25 11:00:00",
			"22:00 00:00 02:00 04:00 06:00 08:00 10:00"},
		{"an hour that is missing", "Europe/Berlin", "2026-03-29 00:00:00", "2026-03-29 14:00:00",
			"00:00 04:00 06:00 08:00 10:00 12:00"},
		{"two midnights", "UTC", "2026-11-22 22:00:00", "2026-11-24 02:00:00", "Mon·23 06:00 12:00 18:00 Tue·24"},
		{"three days", "UTC", "2026-11-23 09:00:00", "2026-11-26 09:00:00", "12:00 Tue·24 12:00 Wed·25 12:00 Thu·26"},
		{"a week", "UTC", "2026-11-23 09:00:00", "2026-11-30 09:00:00", "Tue·24 Wed·25 Thu·26 Fri·27 Sat·28 Sun·29 Mon·30"},
		{"a week in which no midnight came", "Africa/Cairo", "2026-04-20 00:00:00", "2026-04-27 00:00:00",
			"Mon·20 Tue·21 Wed·22 Thu·23 Fri·24 Sat·25 Sun·26"},
		{"a month", "Europe/Berlin", "2026-10-01 09:00:00", "2026-11-01 09:00:00", "5·Oct 12·Oct 19·Oct 26·Oct"},
		{"92 days", "America/New_York", "2026-09-01 00:00:00", "2026-12-02 00:00:00",
			"14·Sep 28·Sep 12·Oct 26·Oct 9·Nov 23·Nov"},
		{"a year", "UTC", "2026-01-01 00:00:00", "2027-01-01 00:00:00", "16·Feb 13·Apr 8·Jun 3·Aug 28·Sep 23·Nov"},
	} {
		zone := location(t, tt.zone)
		s := message.Period{From: moment(t, tt.from, zone), Until: moment(t, tt.until, zone)}
		var labels []string
		for _, tick := range ticks(s, zone) {
			if tick.at.Before(s.From) || !tick.at.Before(s.Until) {
				t.Errorf("%s: %s is outside", tt.name, tick.at)
			}
			labels = append(labels, strings.ReplaceAll(tick.label, " ", "·"))
		}
		if got := strings.Join(labels, " "); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func moment(t *testing.T, text string, zone *time.Location) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateTime, text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestEverySpanHasTicks(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		zone := location(t, name)
		from := time.Date(2026, 9, 30, 17, 43, 11, 0, time.UTC)
		for long := time.Minute; long <= 92*day; long = long*21/20 + 7*time.Second {
			if n := len(ticks(message.Period{From: from, Until: from.Add(long)}, zone)); n < 2 || n > maxTicks {
				t.Errorf("%s in %s: %d ticks", long, name, n)
			}
		}
	}
}
