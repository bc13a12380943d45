package bench

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"

	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// eventTime is how long events come.
const eventTime = 10 * time.Second

// BenchmarkEvents: events from the watch into the durable ledger, at a pace and as many as come
// through: "real" from the API server, "recorded" from a recorded one, which is faster than the
// API server of this machine. The lag is how old the newest event in the ledger is, asked every
// 100 ms.
func BenchmarkEvents(b *testing.B) {
	plane := controlPlane(b)
	for _, pace := range []int{100, 1000, 0} {
		b.Run("real-"+paceName(pace), func(b *testing.B) {
			c, kubeconfig := plane()
			s := newSite(b, kubeconfig, slackemu.Config{})
			s.measureEvents(pace, func(ctx context.Context) int {
				ctx, cancel := context.WithTimeout(ctx, eventTime)
				defer cancel()
				sent, err := c.EmitEvents(ctx, 1<<30, pace, 8, func(i int) *eventsv1.Event { return realEvent(i, time.Now()) })
				if ctx.Err() == nil {
					b.Error(err)
				}
				return sent
			})
		})
	}
	for _, pace := range []int{2000, 0} {
		b.Run("recorded-"+paceName(pace), func(b *testing.B) {
			r := record(b, 100)
			s := newSite(b, r.kubeconfig, slackemu.Config{})
			s.measureEvents(pace, func(context.Context) int {
				p := r.begin(pace, 200_000, eventTime)
				<-p.done
				return int(p.sent.Load())
			})
		})
	}
}

func paceName(perSecond int) string {
	if perSecond == 0 {
		return "most"
	}
	return fmt.Sprint(perSecond)
}

// measureEvents runs the bot while emit makes events, and says how many.
func (s *site) measureEvents(pace int, emit func(ctx context.Context) int) {
	b := s.b
	p := s.start()
	var before, recorded int
	const count = "SELECT coalesce(sum(events), 0) FROM event_totals"
	s.ask(count, &before) // what the API server still has of an earlier run
	cpu := p.cpu()
	began := time.Now()
	type result struct {
		sent int
		at   time.Time
	}
	done := make(chan result, 1)
	go func() { done <- result{emit(b.Context()), time.Now()} }()
	db, err := sql.Open("sqlite", "file:"+s.db+"?mode=ro")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var lags []time.Duration
	var r result
	for r.at.IsZero() {
		select {
		case r = <-done:
		case <-time.After(100 * time.Millisecond):
			var newest int64
			if err := db.QueryRow("SELECT last_at FROM events WHERE id = (SELECT max(id) FROM events)").Scan(
				&newest); err == nil && time.Since(began) > time.Second {
				lags = append(lags, time.Since(time.UnixMilli(newest)))
			}
		}
	}
	cluster.Eventually(b, 2*time.Minute, func(context.Context) error {
		if s.ask(count, &recorded); recorded-before < r.sent {
			return fmt.Errorf("%d of %d events are recorded", recorded-before, r.sent)
		}
		return nil
	})
	end := time.Now()
	cpu = p.cpu() - cpu
	now, peak := p.memory()
	p.end(syscall.SIGTERM) // the ledger is one file then
	info, err := os.Stat(s.db)
	if err != nil {
		b.Fatal(err)
	}
	report(b, pace, "wanted/s", float64(r.sent)/r.at.Sub(began).Seconds(), "sent/s",
		// more than sent: calls that were cut off and arrived
		float64(r.sent)/end.Sub(began).Seconds(), "recorded/s", r.sent, "events", max(0, r.sent-(recorded-before)),
		"events-lost",
		ms(quantile(lags, 0.5)), "ms-lag-p50", ms(quantile(lags, 1)), "ms-lag-max", end.Sub(r.at).Seconds(), "s-drained",
		float64(cpu.Microseconds())/float64(r.sent), "µs/event", now, "MiB", peak, "MiB-peak",
		float64(info.Size())/float64(recorded), "bytes/event")
}
