package bench

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/slackemu"
)

// Heartbeats come at this pace whatever the size, so that their cost can be compared: at one each
// five minutes for each node, which is what kubelets do when nothing happens, it is that of
// 120,000 nodes.
const (
	beatsPerSecond = 400
	beatTime       = 10 * time.Second
)

// BenchmarkScale: resident memory and CPU with so many nodes of 13.6 kB: the peak while they are
// listed for the first time, the steady state with heartbeats beside the bare watch's, and the
// peak of the next start, which compares them all with the ledger. "real" is through the API
// server, "recorded" through a recorded one.
func BenchmarkScale(b *testing.B) {
	plane := controlPlane(b)
	for _, n := range []int{0, 5000, 20_000} {
		b.Run(fmt.Sprintf("real-%d", n), func(b *testing.B) {
			p, kubeconfig := plane()
			p.grow(b, n)
			scale(b, n, kubeconfig, func(ctx context.Context) int {
				if n == 0 {
					<-ctx.Done()
					return 0
				}
				sent, _ := p.Heartbeats(ctx, beatsPerSecond, 8, p.names...)
				return sent
			})
		})
	}
	for _, n := range []int{5000, 100_000} {
		b.Run(fmt.Sprintf("recorded-%d", n), func(b *testing.B) {
			r := record(b, n)
			scale(b, n, r.kubeconfig, func(ctx context.Context) int {
				r.beats.Store(beatsPerSecond)
				<-ctx.Done()
				r.beats.Store(0)
				return int(r.beaten.Load())
			})
		})
	}
}

// scale measures one run. beat gives heartbeats until ctx ends and says how many.
func scale(b *testing.B, nodes int, kubeconfig string, beat func(ctx context.Context) int) {
	s := newSite(b, kubeconfig, slackemu.Config{})
	p := s.start()
	listing := time.Since(p.started)
	_, peakListing := p.memory()
	listingCPU := p.cpu()
	other := s.startBare(bareWatch, slackemu.ChannelPrivate)
	time.Sleep(3 * time.Second)
	messages := len(s.slack.AllMessages(slackemu.ChannelOps))
	var rows, rowsAfter int
	s.ask("SELECT count(*) FROM changes", &rows)
	cpu, bareCPU := p.cpu(), other.cpu()
	ctx, cancel := context.WithTimeout(b.Context(), beatTime)
	sent := beat(ctx)
	cancel()
	time.Sleep(300 * time.Millisecond) // the last ones arrive
	cpu, bareCPU = p.cpu()-cpu, other.cpu()-bareCPU
	now, peak := p.memory()
	bareNow, _ := other.memory()
	s.ask("SELECT count(*) FROM changes", &rowsAfter)
	if len(s.slack.AllMessages(slackemu.ChannelOps)) != messages || rowsAfter != rows {
		b.Errorf("heartbeats caused messages or changes")
	}
	p.end(syscall.SIGTERM)

	// The next start lists them all again.
	again := run(b, bot, s.env...)
	restart := again.ready(s.http, 5*time.Minute)
	_, peakAgain := again.memory()
	metrics := []any{now, "MiB", bareNow, "MiB-bare", peakListing, "MiB-peak-listing", max(peak, peakAgain), "MiB-peak",
		listing.Seconds(), "s-first-start", restart.Seconds(), "s-next-start", listingCPU.Seconds(), "cpu-s-first-start",
		100 * cpu.Seconds() / beatTime.Seconds(), "%cpu", 100 * bareCPU.Seconds() / beatTime.Seconds(), "%cpu-bare"}
	if sent > 0 {
		metrics = append(metrics, sent, "heartbeats",
			float64(cpu.Microseconds())/float64(sent), "µs/heartbeat", float64(bareCPU.Microseconds())/float64(sent),
			"µs/heartbeat-bare")
	}
	report(b, metrics...)
}
