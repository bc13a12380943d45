package bench

import (
	"hash/crc32"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/digest"
	"rollcall/internal/digest/picture"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/pricing"
	"rollcall/internal/wave"
)

// BenchmarkDigest sums up the last day of the large ledger, 66,000 node lives and 170,000 scaling
// events, with their prices, and draws its picture. MiB-more is how much more is resident at the
// most than before.
func BenchmarkDigest(b *testing.B) {
	path := largeLedger(b)
	b.Run("day", func(b *testing.B) { measureDigest(b, path) })
	b.Run("part", func(b *testing.B) { measurePart(b, path) })
	b.Run("feed", func(b *testing.B) { measureFeed(b, path) })
}

// measurePart sums up the same day of every other node, as of a channel to which ROUTES sends those.
func measurePart(b *testing.B, path string) {
	l, err := ledger.Open(b.Context(), path, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ticks, err := schedule.Parse("0 0 * * *", time.UTC)
	if err != nil {
		b.Fatal(err)
	}
	s := answer.Summaries{Store: l, Price: pricing.New(0, pricing.Overrides{}, large.End).Price,
		Covers: func(wave.Digest) func(fleet.Node) bool {
			return func(n fleet.Node) bool { return crc32.ChecksumIEEE([]byte(n.UID))%2 == 0 }
		}}
	of := wave.Digest{Cluster: "prod", From: large.End.Add(-24 * time.Hour), Until: large.End}
	began := time.Now()
	const times = 3
	for range times {
		sum, err := s.Scheduled(b.Context(), of, ticks, large.End)
		if err != nil {
			b.Fatal(err)
		}
		if !sum.Part || sum.Joined < 20_000 || sum.Joined > 50_000 {
			b.Fatalf("the digest is not of a part: %d joined", sum.Joined)
		}
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds())/times, "ms-summary")
}

// measureFeed looks for what is new where nothing is, as the feed of a webhook does every two seconds.
func measureFeed(b *testing.B, path string) {
	l, err := ledger.Open(b.Context(), path, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if err := l.BeginFeed(b.Context(), "prod", large.End); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := l.Feed(b.Context(), "prod", 500); err != nil {
			b.Fatal(err)
		}
	}
}

func measureDigest(b *testing.B, path string) {
	end := large.End
	l, err := ledger.Open(b.Context(), path, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	s := answer.Summaries{Store: l, Price: pricing.New(0, pricing.Overrides{}, large.End).Price}
	var sum digest.Summary
	debug.FreeOSMemory()
	before := resident(b)
	stop := make(chan struct{})
	peak := make(chan float64)
	go func() {
		most := 0.0
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(2 * time.Millisecond):
				most = max(most, resident(b))
			}
		}
	}()
	var summing, drawing, n time.Duration
	for range 3 {
		began := time.Now()
		if sum, err = s.Last(b.Context(), "prod", 24*time.Hour, end); err != nil {
			b.Fatal(err)
		}
		summed := time.Now()
		if _, err := picture.PNG(sum.Chart, time.UTC, "prod: nodes"); err != nil {
			b.Fatal(err)
		}
		summing, drawing, n = summing+summed.Sub(began), drawing+time.Since(summed), n+1
	}
	close(stop)
	if sum.Joined < 60_000 || sum.HPAs.Times+sum.Deployments.Times == 0 {
		b.Fatalf("the digest is not of what was filled in: %d joined, %+v", sum.Joined, sum.HPAs)
	}
	report(b, ms(summing)/float64(n), "ms-summary", ms(drawing)/float64(n), "ms-picture", <-peak-before, "MiB-more",
		sum.Nodes, "lives")
	b.Logf("%d lives, %d rescales of HPAs, %d of Deployments", sum.Nodes, sum.HPAs.Times, sum.Deployments.Times)
}

// resident is this process's resident memory in MiB.
func resident(b *testing.B) float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc here")
	}
	pages, _ := strconv.Atoi(strings.Fields(string(statm))[1])
	return float64(pages*os.Getpagesize()) / (1 << 20)
}
