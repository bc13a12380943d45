package ledger_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/ledger/ledgertest"
	"rollcall/internal/query"
)

// large returns a ledger of the size that the environment asks for, and what is in it:
// ROLLCALL_BENCH_NODES (a tenth of which live) and ROLLCALL_BENCH_EVENTS, in ROLLCALL_BENCH_DIR,
// where it stays for the next run.
func large(b *testing.B) (*ledger.Ledger, ledgertest.Size) {
	number := func(name string, def int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return def
	}
	s := ledgertest.Size{Nodes: number("ROLLCALL_BENCH_NODES", 2000), Events: number("ROLLCALL_BENCH_EVENTS", 20000),
		End: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	s.Live = s.Nodes / 10
	path := filepath.Join(cmp.Or(os.Getenv("ROLLCALL_BENCH_DIR"), b.TempDir()),
		fmt.Sprintf("ledger-%d-%d.db", s.Nodes, s.Events))
	if _, err := os.Stat(path); err != nil {
		if err := ledgertest.Fill(b.Context(), path, s); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	l, err := ledger.Open(b.Context(), path, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	if d := time.Since(began); d > time.Second {
		b.Logf("opened after %v", d.Round(time.Millisecond))
	}
	return l, s
}

// calls is what each of many calls took, and what it cost the processor.
type calls struct{ took, cpu []time.Duration }

func (c *calls) measure(call func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, used := time.Now(), threadCPU()
	err := call()
	c.took, c.cpu = append(c.took, time.Since(began)), append(c.cpu, threadCPU()-used)
	return err
}

// report reports the medians and the 99th percentile.
func (c *calls) report(b *testing.B) {
	at := func(list []time.Duration, q float64) float64 {
		slices.Sort(list)
		return float64(list[int(q*float64(len(list)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(at(c.cpu, 0.5), "ms-cpu")
	b.ReportMetric(at(c.took, 0.5), "ms-p50")
	b.ReportMetric(at(c.took, 0.99), "ms-p99")
	b.ReportMetric(0, "ns/op")
}

// writing records 500 events a second, in batches every 100 ms, until stop is called.
func writing(b *testing.B, l *ledger.Ledger, s ledgertest.Size) (stop func() []time.Duration) {
	ctx, cancel := context.WithCancel(b.Context())
	var took []time.Duration
	var wg sync.WaitGroup
	first := int(time.Now().UnixNano() / 1e6)
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := first; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var batch []fleet.Event
			for range 50 {
				batch = append(batch, ledgertest.Event(i, s.End.Add(time.Duration(i-first)*2*time.Millisecond), s))
				i++
			}
			began := time.Now()
			if err := l.RecordEvents(ctx, "prod", batch, "1"); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
			took = append(took, time.Since(began))
		}
	})
	return func() []time.Duration { cancel(); wg.Wait(); return took }
}

// BenchmarkQueries measures each query beside a writer.
func BenchmarkQueries(b *testing.B) {
	l, s := large(b)
	ctx, end := b.Context(), s.End
	some := s.Nodes - s.Live/2
	var wave []string
	for i := range min(1000, s.Live) {
		wave = append(wave, ledgertest.NodeName(s.Nodes-s.Live+i))
	}
	var uids []string
	for i := range min(1000, s.Live) {
		uids = append(uids, ledgertest.NodeUID(s.Nodes-s.Live+i))
	}
	label := func(key string, op query.LabelOperator, values ...string) query.NodeFilter {
		return query.NodeFilter{Labels: []query.LabelRequirement{{Key: key, Operator: op, Values: values}}}
	}
	list := func(f query.NodeFilter, sort query.NodeSort, offset int) func() error {
		return func() error { _, err := l.ListNodes(ctx, "prod", f, sort, offset, 20); return err }
	}
	group := func(f query.NodeFilter, by query.Dimension) func() error {
		return func() error { _, err := l.GroupNodes(ctx, "prod", f, by, 20); return err }
	}
	find := func(name string) func() error {
		return func() error { _, _, _, err := l.FindNodes(ctx, "prod", name, 10); return err }
	}
	events := func(f query.EventFilter) func() error {
		return func() error { _, err := l.Events(ctx, "prod", f, query.EventCursor{}, 20); return err }
	}
	days := func(n int) query.Period {
		return query.Period{From: end.Add(-time.Duration(n) * 24 * time.Hour), Until: end}
	}
	// As /nodes costs asks, with the time before to compare with, and as /nodes spot does.
	costs := func(n int) func() error {
		before := query.Period{From: end.Add(-time.Duration(2*n) * 24 * time.Hour), Until: days(n).From}
		return func() error { _, err := l.Spending(ctx, "prod", days(n), before); return err }
	}
	spot := func(n int) func() error {
		return func() error { _, err := l.SpotSpending(ctx, "prod", days(n)); return err }
	}
	var daily []query.Period // as a forecast asks, in a zone whose days are not UTC's
	for i := range 84 {
		until := end.Add(-time.Duration(i)*24*time.Hour - 7*time.Hour)
		daily = append(daily, query.Period{From: until.Add(-24 * time.Hour), Until: until})
	}
	middle := query.EventCursor{Time: end.Add(-30 * 24 * time.Hour), ID: 1}
	back := middle
	back.Newer = true
	for _, q := range []struct {
		name string
		call func() error
	}{
		{"list/newest", list(query.NodeFilter{}, query.SortNewest, 0)},
		{"list/type", list(query.NodeFilter{}, query.SortType, 5000)},
		{"list/glob", list(query.NodeFilter{Types: []string{"m5.*"}, Zones: []string{"eu-west-1a"}}, query.SortName, 0)},
		{"list/label", list(label("example.com/team", query.LabelIn, "ml"), query.SortNewest, 0)},
		{"list/notlabel", list(label("example.com/canary", query.LabelDoesNotExist), query.SortPool, 0)},
		{"list/hostname", list(label("kubernetes.io/hostname", query.LabelIn, ledgertest.NodeName(some)), query.SortNewest,
			0)},
		{"list/removed", list(query.NodeFilter{Removed: true}, query.SortNewest, 0)},
		{"list/removed-label", func() error {
			f := label("example.com/team", query.LabelIn, "ml")
			f.Removed = true
			return list(f, query.SortType, 0)()
		}},
		{"group/type", group(query.NodeFilter{}, query.ByType)},
		{"group/label", group(query.NodeFilter{}, "example.com/team")},
		{"group/hostname", group(query.NodeFilter{}, "kubernetes.io/hostname")},
		{"group/label-by-pool", group(label("example.com/team", query.LabelIn, "ml"), query.ByPool)},
		{"group/removed", group(query.NodeFilter{Removed: true}, query.ByType)},
		{"count", func() error { _, err := l.CountNodes(ctx, "prod", query.NodeFilter{}); return err }},
		{"count/label", func() error {
			_, err := l.CountNodes(ctx, "prod", label("example.com/team", query.LabelNotIn, "ml"))
			return err
		}},
		{"find/exact", find(ledgertest.NodeName(some))},
		{"find/prefix", find("ip-10-1-")},
		{"find/substring", find("-1-77.eu")},
		{"find/nothing", find("no-such-node")},
		{"node", func() error { _, _, err := l.Node(ctx, "prod", ledgertest.NodeUID(some)); return err }},
		{"changes/node", func() error { _, _, err := l.NodeChanges(ctx, "prod", ledgertest.NodeUID(some), 20); return err }},
		{"changes/recent", func() error { _, err := l.RecentChanges(ctx, "prod", 20); return err }},
		{"changes/rare", func() error { _, err := l.RecentChanges(ctx, "prod", 20, fleet.Uncordoned); return err }},
		{"events/newest", events(query.EventFilter{})},
		{"events/scaling", events(query.EventFilter{Scaling: true})},
		{"events/older", func() error { _, err := l.Events(ctx, "prod", query.EventFilter{}, middle, 20); return err }},
		{"events/newer", func() error { _, err := l.Events(ctx, "prod", query.EventFilter{}, back, 20); return err }},
		{"events/for", events(query.EventFilter{Kind: "Node", Name: ledgertest.NodeName(some)})},
		{"events/for-glob", events(query.EventFilter{Kind: "Node", Name: "ip-10-1-77-*"})},
		{"events/reason", events(query.EventFilter{Reasons: []string{"SpotInterrupted"}})},
		{"events/reason-glob", events(query.EventFilter{Reasons: []string{"*Schedul*"}})},
		{"events/namespace", events(query.EventFilter{Spaces: []string{"ml-4"}})},
		{"events/warnings", events(query.EventFilter{Types: []string{"Warning"}})},
		{"events/text", events(query.EventFilter{Text: []string{"insufficient"}})},
		{"events/rare-text", events(query.EventFilter{Text: []string{"nowhere to be found"}})},
		{"events/rare-text-reason",
			events(query.EventFilter{Text: []string{"nowhere to be found"}, Reasons: []string{"*Schedul*"}})},
		{"events/names", events(query.EventFilter{Names: wave})},
		{"events/uids", events(query.EventFilter{UIDs: uids, Names: wave, Scaling: true})},
		{"events/span", func() error { _, err := l.EventSpan(ctx, "prod"); return err }},
		{"events/counts", func() error { _, _, err := l.EventCounts(ctx, "prod", end.Add(-24*time.Hour)); return err }},
		{"wave", func() error { _, _, err := l.WaveNodes(ctx, "fill-7", 1000); return err }},
		{"clusters", func() error { _, err := l.Clusters(ctx); return err }},
		{"mutes", func() error { _, err := l.Mutes(ctx, "prod", end); return err }},
		{"muted", func() error { _, err := l.MutedChanges(ctx, "prod", end.Add(-24*time.Hour), end); return err }},
		{"totals", func() error { _, err := l.Totals(ctx, "prod"); return err }},
		{"baseline", func() error { _, _, _, err := l.Baseline(ctx, "prod"); return err }},
		{"change-counts", func() error { _, err := l.ChangeCounts(ctx, "prod", end.Add(-24*time.Hour)); return err }},
		{"lives", func() error {
			for _, err := range l.LifeSpans(ctx, "prod", end.Add(-8*24*time.Hour), end) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"lives/causes", func() error {
			for _, err := range l.Lives(ctx, "prod", end.Add(-8*24*time.Hour), end) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"costs/7-days", costs(7)},
		{"costs/30-days", costs(30)},
		{"costs/all", costs(90)},
		{"spot/7-days", spot(7)},
		{"spot/30-days", spot(30)},
		{"spot/all", spot(90)},
		{"costs/daily", func() error { _, err := l.Spending(ctx, "prod", daily...); return err }},
		{"list/why", list(query.NodeFilter{Why: "app-17"}, query.SortNewest, 0)},
		{"list/why-many", list(query.NodeFilter{Why: "cpu above"}, query.SortNewest, 0)},
		{"list/removed-why", list(query.NodeFilter{Why: "app-17", Removed: true}, query.SortNewest, 0)},
		{"explanation", func() error {
			_, _, err := l.Explanation(ctx, "prod", ledgertest.NodeUID(some), fleet.Joined)
			return err
		}},
		{"wave/causes", func() error { _, _, err := l.WaveCauses(ctx, "fill-7"); return err }},
		{"pods", func() error {
			_, err := l.PodsOn(ctx, "prod", fleet.ObjectRef{Kind: "Node", Name: ledgertest.NodeName(some)}, 100)
			return err
		}},
		{"unexplained", func() error { _, err := l.Unexplained(ctx, "prod", end, 200); return err }},
		{"todo", func() error { _, _, err := l.Todo(ctx, "prod", 1000); return err }},
		{"live-waves", func() error { _, err := l.LiveWaves(ctx, "prod"); return err }},
		{"known", func() error { _, err := l.KnownNodes(ctx, "prod"); return err }},
		{"untold", func() error { _, _, err := l.Backlog(ctx, "prod"); return err }},
	} {
		b.Run(q.name, func(b *testing.B) {
			stop := writing(b, l, s)
			defer stop()
			var c calls
			for b.Loop() {
				if err := c.measure(q.call); err != nil {
					b.Fatal(err)
				}
			}
			c.report(b)
		})
	}
}

// BenchmarkWrites measures what is written into a ledger that is large already: 50 events, as
// they come every 100 ms, and one node's step.
func BenchmarkWrites(b *testing.B) {
	l, s := large(b)
	ctx := b.Context()
	n := int(time.Now().UnixNano() / 1e6)
	b.Run("events", func(b *testing.B) {
		var c calls
		for b.Loop() {
			var batch []fleet.Event
			for range 50 {
				batch = append(batch, ledgertest.Event(n, s.End, s))
				n++
			}
			if err := c.measure(func() error { return l.RecordEvents(ctx, "prod", batch, "1") }); err != nil {
				b.Fatal(err)
			}
		}
		c.report(b)
		b.ReportMetric(50*float64(len(c.took))/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("node", func(b *testing.B) {
		var c calls
		for b.Loop() {
			n++
			node := ledgertest.Node(n%s.Nodes, s)
			node.UID, node.CreatedAt = ledgertest.UUID(n, 77), s.End
			o := fleet.First(node, s.End)
			err := c.measure(func() error {
				return l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{o}, At: s.End})
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		c.report(b)
	})
}

// BenchmarkKept measures what /nodes kept reads and sums, of 5,000 nodes beside a writer: a tenth of them are kept, or
// all by three each.
func BenchmarkKept(b *testing.B) {
	for _, of := range []struct{ nodes, keepers int }{{500, 1}, {5000, 3}} {
		b.Run(fmt.Sprint(of.nodes*of.keepers), func(b *testing.B) {
			s := ledgertest.Size{Nodes: 5000, Live: 5000, Events: 1000, End: time.Now().Truncate(time.Second)}
			path := filepath.Join(b.TempDir(), "rollcall.db")
			if err := ledgertest.Fill(b.Context(), path, s); err != nil {
				b.Fatal(err)
			}
			l, err := ledger.Open(b.Context(), path, ledger.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			var said []fleet.Event
			for i := range of.nodes * of.keepers {
				n := i / of.keepers
				said = append(said, fleet.Event{UID: fmt.Sprint("keeps-", i), Reason: "DisruptionBlocked", Type: "Normal", Count: 1,
					Note:       fmt.Sprintf(`Pdb prevents pod evictions (PodDisruptionBudget=[shop/app-%d])`, i%20),
					Controller: "karpenter", First: s.End.Add(-time.Hour), Last: s.End,
					Regarding: fleet.ObjectRef{Kind: "Node", Name: ledgertest.NodeName(n), UID: ledgertest.NodeUID(n)}})
			}
			for part := range slices.Chunk(said, 1000) {
				if err := l.RecordEvents(b.Context(), "prod", part, ""); err != nil {
					b.Fatal(err)
				}
			}
			stop := writing(b, l, s)
			defer stop()
			var c calls
			for b.Loop() {
				if err := c.measure(func() error {
					var keeps []fleet.Keep
					for k, err := range l.Keeps(b.Context(), "prod", s.End, s.End.Add(time.Millisecond)) {
						if err != nil {
							return err
						}
						keeps = append(keeps, k)
					}
					if sum := fleet.SumKept(keeps, nil, time.Time{}, s.End, true); len(sum.Nodes) < of.nodes {
						return fmt.Errorf("%d nodes are kept, want at least %d", len(sum.Nodes), of.nodes)
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
			c.report(b)
		})
	}
}
