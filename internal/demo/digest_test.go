package demo

import (
	"testing"
	"time"
)

func TestDigestAfter(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 58, 20, 0, time.UTC)
	for day, want := range map[time.Duration]string{
		5 * time.Minute:  "4,9,14,19,24,29,34,39,44,49,54,59 * * * *", // 10:04 and on
		20 * time.Minute: "19,39,59 * * * *",
		time.Hour:        "59 * * * *",
		7 * time.Minute:  "@every 7m0s",
		time.Second:      "@every 1m0s",
	} {
		if got := digestAfter(day, now); got != want {
			t.Errorf("%v: %q, want %q", day, got, want)
		}
	}
}
