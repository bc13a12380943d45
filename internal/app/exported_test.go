package app

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/internal/alert"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/k8s"
	"rollcall/internal/ledger"
	"rollcall/internal/ledger/ledgertest"
)

var update = flag.Bool("update", false, "rewrite testdata")

// openLabels are the labels whose values nobody can list: they come from outside.
var openLabels = []string{"cluster", "goversion", "instance_type", "method", "result", "version"}

// borrowed are the metrics of client_golang's own collectors that the dashboard shows.
var borrowed = []string{"go_goroutines", "process_resident_memory_bytes"}

// TestMetricsFile holds testdata/metrics.txt against what the program exports: a line for each
// metric, with its type, its labels with their values where these can be listed, and its help,
// apart by tabs. The table of docs/metrics.md and the tests of the dashboard and the alert rules read it.
func TestMetricsFile(t *testing.T) {
	const file = "testdata/metrics.txt"
	m := exercised(t)
	got := exported(t, m.registry)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what the program exports (go test ./internal/app -run TestMetricsFile -update rewrites it; "+
			"then go test ./test/repo -update), -file +program:\n%s", file, diff)
	}
	// A metric that nothing above has touched would be missing on both sides.
	descs := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(descs)
		close(descs)
	}()
	described := 0
	for d := range descs {
		if strings.Contains(d.String(), `"rollcall_`) {
			described++
		}
	}
	if n := strings.Count("\n"+got, "\nrollcall_"); n != described {
		t.Errorf("%d metrics are registered, and %d of them have a series", described, n)
	}
}

// exercised returns metrics of which each has a series, with every value that labels of our own
// can have.
func exercised(t *testing.T) *metrics {
	t.Helper()
	const cluster = "prod"
	store, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	m := newMetrics([]Source{{Name: cluster}}, "test")
	node := ledgertest.Node(1, ledgertest.Size{})
	node.Cluster = cluster
	if err := (counted{store, m.of(cluster)}).RecordNodes(t.Context(),
		fleet.Batch{Cluster: cluster, Observations: []fleet.Observation{{Node: node}}, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range alert.Kinds() {
		m.of(cluster).opened(kind)
	}
	m.call("chat.postMessage", "ok", time.Second)
	for _, command := range []string{"/nodes", "/events", "/else"} {
		m.answered(command, time.Second)
	}
	parts := &health{}
	parts.opened(&process{store: store, clusters: []*Cluster{{name: cluster}}, webhook: &deliver.Outbox{}}, nil)
	for i := range *parts.parts.Load() {
		(*parts.parts.Load())[i].problem = func(context.Context) string { return "" }
	}
	alive := k8s.WatchStatus{Alive: time.Now()}
	price := func(fleet.Machine) fleet.Price { return fleet.Price{} }
	m.register(present{cluster, store, func() k8s.Status { return k8s.Status{Nodes: alive, Events: alive} }, price})
	m.registerProcess(ownState{store, parts})
	return m
}

func exported(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "rollcall_") && !slices.Contains(borrowed, f.GetName()) {
			continue
		}
		values := map[string]map[string]bool{}
		for _, series := range f.GetMetric() {
			for _, l := range series.GetLabel() {
				if values[l.GetName()] == nil {
					values[l.GetName()] = map[string]bool{}
				}
				values[l.GetName()][l.GetValue()] = true
			}
		}
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if !slices.Contains(openLabels, name) {
				name += "=" + strings.Join(slices.Sorted(maps.Keys(values[name])), "|")
			}
			labels = append(labels, name)
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, " "),
			f.GetHelp())
	}
	return b.String()
}
