package slackapp

import (
	"context"
	"time"

	"rollcall/internal/digest"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// Summaries sums up periods of a ledger.
type Summaries struct {
	Ledger *ledger.Ledger
	Price  fleet.Pricer   // nil: no price is known
	Zone   *time.Location // of the moments in a summary; nil: UTC
	Keep   time.Duration  // how long the ledger keeps nodes that left; 0: for ever
}

// withDefaults fills in what is not set.
func (s Summaries) withDefaults(l *ledger.Ledger) Summaries {
	if s.Ledger == nil {
		s.Ledger = l
	}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	if s.Price == nil {
		s.Price = func(fleet.Machine) fleet.Price { return fleet.Price{} }
	}
	return s
}

// compared is how many earlier periods a period is compared with.
const compared = 7

// Last sums up the time of a length that ends now, and compares it with the times of the same
// length before.
func (s Summaries) Last(ctx context.Context, cluster string, length time.Duration, now time.Time) (digest.Summary, error) {
	span := digest.Span{From: now.Add(-length), Until: now}
	before := make([]digest.Span, compared)
	for i := range before {
		before[i] = digest.Span{From: now.Add(-time.Duration(i+2) * length), Until: now.Add(-time.Duration(i+1) * length)}
	}
	return s.Of(ctx, cluster, span, before, now)
}

// Scheduled sums up the period of a digest, and compares it with those of the ticks before.
func (s Summaries) Scheduled(ctx context.Context, d wave.Digest, ticks *schedule.Schedule, now time.Time) (digest.Summary, error) {
	var before []digest.Span
	for until := d.From; len(before) < compared; {
		from := ticks.Last(until.Add(-1))
		if from.IsZero() {
			break
		}
		before = append(before, digest.Span{From: from, Until: until})
		until = from
	}
	return s.Of(ctx, d.Cluster, digest.Span{From: d.From, Until: d.Until}, before, now)
}

// Of sums up a span of a cluster, and compares it with spans before it, the latest first. Its
// moments are in the zone.
func (s Summaries) Of(ctx context.Context, cluster string, span digest.Span, before []digest.Span, now time.Time) (digest.Summary, error) {
	s = s.withDefaults(s.Ledger)
	span.From, span.Until = span.From.In(s.Zone), span.Until.In(s.Zone)
	cp, err := s.Ledger.Checkpoint(ctx, cluster)
	if err != nil {
		return digest.Summary{}, err
	}
	f := digest.Facts{Cluster: cluster, Span: span, Before: before, KnownFrom: cp.BaselineAt, WatchedUntil: cp.WatchedUntil, Price: s.Price}
	if cp.BaselineAt.IsZero() {
		f.KnownFrom = now // nothing is known yet
	} else if s.Keep > 0 && f.KnownFrom.Before(now.Add(-s.Keep)) {
		f.KnownFrom = now.Add(-s.Keep)
	}
	f.KnownFrom = f.KnownFrom.In(s.Zone)
	// Lives older than what is known are of no use.
	earliest := span.From
	for _, b := range before {
		if !b.From.Before(f.KnownFrom) {
			earliest = b.From
		}
	}
	f.Lives = s.Ledger.NodeLives(ctx, cluster, earliest, span.Until)
	f.Rescales = s.Ledger.Rescales(ctx, cluster, span.From, span.Until)
	if f.Incidents, err = s.Ledger.Incidents(ctx, cluster, span.From, span.Until); err != nil {
		return digest.Summary{}, err
	}
	gaps, err := s.Ledger.Gaps(ctx, cluster, span.From)
	if err != nil {
		return digest.Summary{}, err
	}
	for _, g := range gaps {
		if g.From.Before(span.Until) {
			f.Gaps = append(f.Gaps, g)
		}
	}
	if f.Muted, err = s.Ledger.MutedChanges(ctx, cluster, span.From, span.Until); err != nil {
		return digest.Summary{}, err
	}
	return digest.Summarize(f)
}
