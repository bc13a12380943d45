package message

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", -time.Second: "0 s", 400 * time.Millisecond: "0 s", 41 * time.Second: "41 s", 190 * time.Second: "3 m 10 s",
		3 * time.Hour: "3 h", 192 * time.Minute: "3 h 12 m", 52 * time.Hour: "2 d 4 h", 24*time.Hour + time.Minute: "1 d",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}
