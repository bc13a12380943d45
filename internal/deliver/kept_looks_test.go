package deliver

import (
	"testing"
	"time"
)

// TestKeptLooks holds that what is to be told after a time is looked for several times within it.
func TestKeptLooks(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{
		0: keptEvery, 6 * time.Hour: keptEvery, 10 * time.Minute: 75 * time.Second, 40 * time.Second: 5 * time.Second,
		time.Second: 5 * time.Second,
	} {
		if got := keptLooks(after); got != want {
			t.Errorf("%v: every %v, want %v", after, got, want)
		}
	}
}
