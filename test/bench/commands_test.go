package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
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
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
)

// BenchmarkCommands answers slash commands from a large ledger while 500 events a second are
// written to it: what the server takes from the envelope to the acknowledgement with the answer.
// ROLLCALL_BENCH_NODES (a tenth of them live), ROLLCALL_BENCH_EVENTS and ROLLCALL_BENCH_DIR say
// how large it is and where it stays for the next run; the default is 20,000 nodes and 500,000
// events in a temporary folder.
func BenchmarkCommands(b *testing.B) {
	size := ledgertest.Size{Nodes: number("ROLLCALL_BENCH_NODES", 20_000), Events: number("ROLLCALL_BENCH_EVENTS", 500_000), End: time.Now().Truncate(24 * time.Hour)}
	size.Live = size.Nodes / 10
	dir := os.Getenv("ROLLCALL_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	path := filepath.Join(dir, fmt.Sprintf("ledger-%d-%d-%s.db", size.Nodes, size.Events, size.End.Format("0102")))
	if _, err := os.Stat(path); err != nil {
		began := time.Now()
		if err := ledgertest.Fill(b.Context(), path, size); err != nil {
			b.Fatal(err)
		}
		b.Logf("filled in %v", time.Since(began).Round(time.Second))
	}
	l, err := ledger.Open(b.Context(), path, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	s := slackemu.Start(b, slackemu.Config{})
	c := slackapp.NewCommands(slackapp.CommandsConfig{Cluster: "prod", Ledger: l, Log: slog.New(slog.DiscardHandler), Watch: func() string { return "" },
		API: slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil)})
	ask := func(command, text string) time.Duration {
		payload, err := json.Marshal(map[string]string{"command": command, "text": text, "api_app_id": slackemu.DefaultAppID, "team_id": slackemu.DefaultTeamID, "user_id": slackemu.UserAda, "channel_id": slackemu.ChannelOps})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		answer := c.Handle(b.Context(), slackapp.Envelope{Type: "slash_commands", Payload: payload, App: slackemu.DefaultAppID})
		took := time.Since(began)
		if answer == nil {
			b.Logf("%s %s did not come with the acknowledgement", command, text)
		}
		return took
	}
	ask("/nodes", "") // asks Slack who we are, once
	stop := events(b, l, size)
	defer stop()
	name := ledgertest.NodeName(3)
	for _, q := range []struct{ name, command, text string }{
		{"nodes", "/nodes", ""},
		{"nodes-by-label", "/nodes", "--by topology.kubernetes.io/zone"},
		{"list", "/nodes", "list"},
		{"list-filters", "/nodes", "list --spot --zone *a --type m* --older 1h"},
		{"list-labels", "/nodes", "list -l 'kubernetes.io/arch=amd64,!gone' --page 3"},
		{"list-removed", "/nodes", "list --removed --since 7d --spot"},
		{"one-node", "/nodes", name},
		{"part-of-a-name", "/nodes", name[3:9]},
		{"events", "/events", "--since 7d"},
		{"events-scaling", "/events", "--since 7d --scaling"},
		{"events-warnings", "/events", "--since 7d --types Warning --reason Failed*"},
		{"events-of-node", "/events", "--since 7d --for node/" + name},
		{"events-text", "/events", "--since 7d insufficient memory"},
		{"events-namespace", "/events", "--since 7d -n shop --for pod"},
	} {
		b.Run(q.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				took = append(took, ask(q.command, q.text))
			}
			for len(took) < 100 {
				took = append(took, ask(q.command, q.text))
			}
			slices.Sort(took)
			at := func(p float64) float64 { return float64(took[int(p*float64(len(took)-1))].Microseconds()) / 1000 }
			b.ReportMetric(at(0.5), "ms-p50")
			b.ReportMetric(at(0.99), "ms-p99")
			b.ReportMetric(0, "ns/op")
		})
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.Logf("heap in use afterwards: %.1f MiB", float64(m.HeapInuse)/(1<<20))
}

func number(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// events writes 500 events a second, in batches every 100 ms, until stop is called.
func events(b *testing.B, l *ledger.Ledger, size ledgertest.Size) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := int(time.Now().UnixMilli()); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var batch []fleet.Event
			for range 50 {
				batch = append(batch, ledgertest.Event(i, time.Now(), size))
				i++
			}
			if err := l.RecordEvents(ctx, "prod", batch, ""); err != nil && ctx.Err() == nil {
				b.Error(err)
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
