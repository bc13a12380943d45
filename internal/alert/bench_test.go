package alert

import (
	"strconv"
	"testing"
	"time"

	"rollcall/internal/alert/alerttest"
	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// What it costs to decide about one new node, and to say it.
func BenchmarkOneNode(b *testing.B) {
	w := alerttest.Scenes()["joined-one"]
	w.Cluster = "prod"
	cfg := Config{Price: func(fleet.Machine) fleet.Price { return fleet.Price{USD: 0.0317, Known: true} }}.WithDefaults()
	b.Run("plan", func(b *testing.B) {
		m := w.Members[0]
		todo := []wave.Todo{{Change: m.Steps[0], Node: m.Node}}
		b.ReportAllocs()
		for b.Loop() {
			if p := Plan(todo, false, nil, nil, t0, cfg); len(p.New) != 1 {
				b.Fatal("no wave is opened")
			}
		}
	})
	b.Run("render", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if Render(w, fleet.Totals{Nodes: 45, Ready: 43}, nil, cfg).Text == "" {
				b.Fatal("nothing is said")
			}
		}
	})
}

// What it costs to look for growth, once a minute, in a cluster that had so many nodes in a week.
func BenchmarkDetectGrowth(b *testing.B) {
	for _, n := range []int{5000, 300_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				lives, _ := NewLives(func(yield func(fleet.Life, error) bool) {
					for i := range n {
						joined := t0.Add(-time.Duration(i) * Lookback / time.Duration(n))
						yield(fleet.Life{Joined: joined, Removed: joined.Add(time.Hour)}, nil)
					}
					for range n / 100 { // it grows now
						yield(fleet.Life{Joined: t0.Add(-5 * time.Minute)}, nil)
					}
				})
				if _, _, err := DetectGrowth(History{Lives: lives, Watched: t0.Add(-2 * Lookback)}, t0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
