package clustersim

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// TestGrowth holds what is told of the growth of simulated clusters, whose prices are not known: nothing in 30 days in
// which workloads rise and fall, and one surge where some hundred nodes come at noon, the first time that they do.
func TestGrowth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		config Config
		days   int
		want   int
	}{
		{Config{Night: 12, Day: 60, Burst: 1}, 30, 0},
		{Config{Night: 4, Day: 12, Burst: 1}, 30, 0},
		{Config{Night: 3, Day: 20, Burst: 2}, 30, 0},
		{Config{Night: 12, Day: 60, Burst: 200}, 3, 1},
	} {
		t.Run(fmt.Sprintf("%d to %d and %d nodes", tt.config.Night, tt.config.Day, tt.config.Burst),
			func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					tt.config.DayLength = 24 * time.Hour
					c, begin := New(tt.config), time.Now()
					play(t, c)
					var told []string
					h := alert.History{Watched: begin}
					for time.Since(begin) < time.Duration(tt.days)*24*time.Hour {
						time.Sleep(4 * time.Minute)
						lives := c.Lives()
						h.Lives, _ = alert.NewLives(func(yield func(fleet.Life, error) bool) {
							for _, l := range lives {
								if !yield(fleet.Life{Joined: l.Created, Removed: l.RemovedAt}, nil) {
									return
								}
							}
						})
						w, ok, err := alert.DetectGrowth(h, time.Now())
						if err != nil {
							t.Fatal(err)
						}
						if !ok {
							continue
						}
						told = append(told, fmt.Sprintf("%v: %s %+v", time.Since(begin), w.Kind, *w.About.Growth))
						h.Told = append(h.Told, wave.Wave{Kind: w.Kind, OpenedAt: time.Now(), About: w.About})
					}
					if n := len(c.Lives()); n < tt.days*4 {
						t.Errorf("%d lives: there is no scaling", n)
					}
					if len(told) != tt.want {
						t.Errorf("%d told, want %d: %v", len(told), tt.want, told)
					}
				})
			})
	}
}
