package alert

import (
	"testing"

	"rollcall/internal/alert/alerttest"
	"rollcall/internal/fleet"
)

// What it costs to decide about one new node, and to say it.
func BenchmarkOneNode(b *testing.B) {
	w := alerttest.Scenes()["joined-one"]
	w.Cluster = "prod"
	cfg := Config{Price: func(fleet.Machine) fleet.Price { return fleet.Price{USD: 0.0317, Known: true} }}.WithDefaults()
	b.Run("plan", func(b *testing.B) {
		m := w.Members[0]
		todo := []fleet.Todo{{Change: m.Steps[0], Node: m.Node}}
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
