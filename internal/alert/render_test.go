package alert

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/alert/alerttest"
	"rollcall/internal/fleet"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestRenderGolden(t *testing.T) {
	groups := []fleet.Group{{InstanceType: "m5.large", CapacityType: "spot", Nodes: 30},
		{InstanceType: "c5.xlarge", CapacityType: "on-demand", Nodes: 12}}
	cfg := Config{Labels: []string{"team", "zone", "absent"}}.WithDefaults()
	for name, w := range alerttest.Scenes() {
		w.Cluster = "prod"
		if w.OpenedAt.IsZero() {
			w.OpenedAt = t0
		}
		got := Render(w, fleet.Totals{Nodes: 45, Ready: 43}, groups, cfg)
		golden(t, name, fmt.Sprintf("notification: %s\nmetadata: %s, %d nodes\n\n%s", got.Text, got.Kind, got.Nodes,
			got.Plain()))
	}
	// The same with prices, of which one type has none.
	cfg.Price = func(m fleet.Machine) fleet.Price {
		switch m.InstanceType {
		case "m5.large":
		case "m5.4xlarge":
			return fleet.Price{USD: 0.25, Known: true}
		default:
			return fleet.Price{}
		}
		return fleet.Price{USD: 0.0317, Known: true, AtMost: m.CapacityType == "", Source: "AWS spot average of 2026-07-20"}
	}
	for _, name := range []string{"baseline", "joined-one", "joined-three", "joined-fifty", "joined-unknown", "not-ready",
		"removed-one", "removed-twelve", "away", "away-blind", "surge", "why-drifted", "why-replacing", "why-demand",
		"why-saving", "why-replacing-two", "why-replaced-two"} {
		w := alerttest.Scenes()[name]
		w.Cluster = "prod"
		if w.OpenedAt.IsZero() {
			w.OpenedAt = t0
		}
		got := Render(w, fleet.Totals{Nodes: 45, Ready: 43, Cost: fleet.Cost{USD: 12.3, Priced: 42, Unpriced: 3}}, groups,
			cfg)
		golden(t, "priced-"+name, fmt.Sprintf("notification: %s\n\n%s", got.Text, got.Plain()))
	}
	priced, _ := RenderNeverReady(alerttest.Scenes()["joined-three"], cfg)
	golden(t, "priced-thread-stuck", priced.Text+"\n\n"+priced.Plain())
	cfg.Price = nil
	w := alerttest.Scenes()["joined-fifty"]
	w.Cluster = "prod"
	golden(t, "thread-list", RenderList(w, w.Members[:8], 1).Plain())
	away := alerttest.Scenes()["away"]
	golden(t, "thread-list-away", RenderList(away, away.Members, 1).Plain())
	stuck, ok := RenderNeverReady(alerttest.Scenes()["joined-three"], cfg)
	if !ok {
		t.Error("a node that is not ready is not called out")
	}
	golden(t, "thread-stuck", stuck.Text+"\n\n"+stuck.Plain())
	// A message that takes no more edits told the first of three to have joined, and the second nothing yet.
	for _, name := range []string{"joined-three", "joined-fifty"} {
		w := alerttest.Scenes()[name]
		w.Cluster, w.OpenedAt, w.Members[0].ToldUpTo = "prod", t0, 1
		u := RenderUpdate(w, fleet.Totals{Nodes: 45, Ready: 43}, cfg)
		golden(t, "thread-update-"+name, fmt.Sprintf("notification: %s\nmetadata: %s, %d nodes\n\n%s", u.Text, u.Kind,
			u.Nodes, u.Plain()))
	}
	if _, ok := RenderNeverReady(alerttest.Scenes()["joined-one-ready"], cfg); ok {
		t.Error("a ready node is called out")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run go test -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Each node's name stands once in what a wave shows: in its main message or in its thread.
func TestEachNameOnce(t *testing.T) {
	for name, w := range alerttest.Scenes() {
		m := Render(w, fleet.Totals{}, nil, Config{}.WithDefaults())
		names, want := map[string]int{}, map[string]int{}
		for _, p := range m.Parts {
			for _, c := range p.Cards {
				names[c.Name]++
			}
		}
		if len(m.Parts) > 0 && len(names) == 0 && len(w.Members) > MaxInline {
			for _, group := range RenderList(w, w.Members, 1).Parts[0].Table.Names {
				for _, n := range group {
					n, _, _ = strings.Cut(n, "  ") // from what it did
					names[n]++
				}
			}
		}
		for _, member := range w.Members {
			want[member.Node.Name]++
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s: how often each node is named (-want +got):\n%s", name, diff)
		}
	}
}

func TestHashIgnoresTotalsOnly(t *testing.T) {
	w := alerttest.Scenes()["joined-three"]
	cfg := Config{}.WithDefaults()
	a, b := Render(w, fleet.Totals{Nodes: 1}, nil, cfg), Render(w, fleet.Totals{Nodes: 2}, nil, cfg)
	if a.Hash() != b.Hash() {
		t.Error("the running totals count as news")
	}
	w.Members = w.Members[:2]
	if c := Render(w, fleet.Totals{Nodes: 1}, nil, cfg); c.Hash() == a.Hash() {
		t.Error("a node less is no news")
	}
}
