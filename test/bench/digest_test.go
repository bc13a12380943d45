package bench

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/digest"
	"rollcall/internal/digest/picture"
	"rollcall/internal/ledger"
	"rollcall/internal/ledger/ledgertest"
	"rollcall/internal/pricing"
	"rollcall/internal/slackapp"
)

// BenchmarkDigest sums up a day of 100,000 node lives and a million scaling events, with their
// prices, and draws its picture. memory-MB is how much more is resident at the most than before.
func BenchmarkDigest(b *testing.B) {
	end := time.Now().Truncate(time.Hour)
	size := ledgertest.Size{Nodes: 100_000, Live: 10_000, Events: 1_200_000, End: end, Span: 24 * time.Hour}
	path := filepath.Join(b.TempDir(), "ledger.db")
	if err := ledgertest.Fill(b.Context(), path, size); err != nil {
		b.Fatal(err)
	}
	l, err := ledger.Open(b.Context(), path, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	s := slackapp.Summaries{Ledger: l, Price: pricing.New(0, pricing.Overrides{}).Price}
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
	for b.Loop() {
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
	if sum.Joined < 90_000 || sum.HPAs.Times+sum.Deployments.Times == 0 {
		b.Fatalf("the digest is not of what was filled in: %d joined, %+v", sum.Joined, sum.HPAs)
	}
	b.ReportMetric(float64(summing.Milliseconds())/float64(n), "ms-summary")
	b.ReportMetric(float64(drawing.Milliseconds())/float64(n), "ms-picture")
	b.ReportMetric(<-peak-before, "memory-MB")
	b.ReportMetric(0, "ns/op")
	b.Logf("%d lives, %d rescales of HPAs, %d of Deployments", sum.Nodes, sum.HPAs.Times, sum.Deployments.Times)
}

// resident is this process's resident memory in MB.
func resident(b *testing.B) float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc here")
	}
	pages, _ := strconv.Atoi(strings.Fields(string(statm))[1])
	return float64(pages*os.Getpagesize()) / 1e6
}
