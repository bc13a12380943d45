package answer

import (
	"context"
	"iter"
	"slices"
	"time"

	"rollcall/internal/digest"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// Periods is what Summaries asks of the ledger.
type Periods interface {
	Checkpoint(ctx context.Context, cluster string) (fleet.Checkpoint, error)
	Lives(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Life, error]
	NodesBetween(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Node, error]
	Spending(ctx context.Context, cluster string, periods ...query.Period) (query.Spending, error)
	SpotSpending(ctx context.Context, cluster string, p query.Period) (query.Spending, error)
	Rescales(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Event, error]
	Keeps(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Keep, error]
	Candidates(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Event, error]
	Bare(ctx context.Context, cluster string, now time.Time) ([]fleet.Life, error)
	Incidents(ctx context.Context, cluster string, from, until time.Time) ([]fleet.Incident, error)
	Gaps(ctx context.Context, cluster string, since time.Time) ([]fleet.Gap, error)
	MutedChanges(ctx context.Context, cluster string, since, until time.Time) ([]wave.MutedCount, error)
	Mute(ctx context.Context, id int64) (wave.Mute, bool, error)
	Waited(ctx context.Context, cluster string, from, until time.Time) ([]fleet.Waited, error)
	Waits(ctx context.Context, cluster string, limit int) (waits []fleet.Wait, more bool, err error)
	ToldRollouts(ctx context.Context, cluster string, since time.Time) ([]wave.Told, error)
}

// maxWaits is how many pods a digest counts that still wait for nodes.
const maxWaits = 10_000

// Summaries sums up periods of a ledger.
type Summaries struct {
	Store Periods
	Price fleet.Pricer   // nil: no price is known
	Zone  *time.Location // of the moments in a summary; nil: UTC
	Keep  time.Duration  // how long the ledger keeps nodes that left; 0: for ever
	// Covers selects the nodes that a digest is about; nil, or a result of nil: all. What is about workloads and not
	// about nodes is left out of a digest of some nodes, and so is the use of spot nodes.
	Covers func(d wave.Digest) func(fleet.Node) bool

	covers func(fleet.Node) bool // of the digest that is summed up; nil: all
}

// withDefaults fills in what is not set.
func (s Summaries) withDefaults() Summaries {
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	if s.Price == nil {
		s.Price = func(fleet.Machine) fleet.Price { return fleet.Price{} }
	}
	return s
}

// compared is how many earlier periods a period is compared with. Of a digest's schedule they are fewer if the first
// three, or more, go as far back as this: a week is compared with the four before.
const (
	compared     = 7
	comparedBack = 28 * 24 * time.Hour
)

// candidateBefore is how long before its end a node may be said to be a candidate for it: Karpenter drains it first.
const candidateBefore = time.Hour

// bareOf is how long after its end a period may say what is so now.
const bareOf = time.Hour

// Last sums up the time of a length that ends now, and compares it with the times of the same
// length before.
func (s Summaries) Last(ctx context.Context, cluster string, length time.Duration, now time.Time) (digest.Summary,
	error) {
	span := message.Period{From: now.Add(-length), Until: now}
	before := make([]message.Period, compared)
	for i := range before {
		before[i] = message.Period{From: now.Add(-time.Duration(i+2) * length), Until: now.Add(-time.Duration(i+1) * length)}
	}
	return s.Of(ctx, cluster, span, before, now)
}

// Scheduled sums up the period of a digest, and compares it with those of the ticks before.
func (s Summaries) Scheduled(ctx context.Context, d wave.Digest, ticks *schedule.Schedule,
	now time.Time) (digest.Summary, error) {
	if s.Covers != nil {
		s.covers = s.Covers(d)
	}
	var before []message.Period
	for until := d.From; len(before) < compared && (len(before) < 3 || d.From.Sub(until) < comparedBack-2*time.Hour); {
		from := ticks.Last(until.Add(-1))
		if from.IsZero() {
			break
		}
		before = append(before, message.Period{From: from, Until: until})
		until = from
	}
	return s.Of(ctx, d.Cluster, message.Period{From: d.From, Until: d.Until}, before, now)
}

// Of sums up a span of a cluster, and compares it with spans before it, the latest first. Its
// moments are in the zone.
func (s Summaries) Of(ctx context.Context, cluster string, span message.Period, before []message.Period,
	now time.Time) (digest.Summary, error) {
	s = s.withDefaults()
	f, err := s.facts(ctx, cluster, span, before, now)
	if err != nil {
		return digest.Summary{}, err
	}
	span = f.Span
	// Lives older than what is known are of no use.
	earliest := span.From
	for _, b := range before {
		if !b.From.Before(f.KnownFrom) {
			earliest = b.From
		}
	}
	f.Lives = s.Store.Lives(ctx, cluster, earliest, span.Until)
	if s.covers != nil {
		if f, err = s.part(ctx, f, earliest, now); err != nil {
			return digest.Summary{}, err
		}
		return digest.Summarize(f)
	}
	f.Rescales = s.Store.Rescales(ctx, cluster, span.From, span.Until)
	f.Candidates = s.Store.Candidates(ctx, cluster, span.From.Add(-candidateBefore), span.Until)
	f.Keeps = s.Store.Keeps(ctx, cluster, span.From, span.Until)
	if now.Sub(span.Until) < bareOf { // it is of now
		if f.Bare, err = s.Store.Bare(ctx, cluster, now); err != nil {
			return digest.Summary{}, err
		}
	}
	if f.Incidents, err = s.Store.Incidents(ctx, cluster, span.From, span.Until); err != nil {
		return digest.Summary{}, err
	}
	if f.Spot, err = s.spot(ctx, f); err != nil {
		return digest.Summary{}, err
	}
	if f.Muted, err = s.Store.MutedChanges(ctx, cluster, span.From, span.Until); err != nil {
		return digest.Summary{}, err
	}
	if f.Waited, err = s.Store.Waited(ctx, cluster, span.From, span.Until); err != nil {
		return digest.Summary{}, err
	}
	if f.Waits, _, err = s.Store.Waits(ctx, cluster, maxWaits); err != nil {
		return digest.Summary{}, err
	}
	if f.Rollouts, err = s.Store.ToldRollouts(ctx, cluster, span.From); err != nil {
		return digest.Summary{}, err
	}
	f.Rollouts = slices.DeleteFunc(f.Rollouts, func(t wave.Told) bool { return !t.OpenedAt.Before(span.Until) })
	return digest.Summarize(f)
}

// part fills in what is known of the nodes that a digest is about, if it is not about all.
func (s Summaries) part(ctx context.Context, f digest.Facts, earliest, now time.Time) (digest.Facts, error) {
	covered := map[string]bool{}
	for n, err := range s.Store.NodesBetween(ctx, f.Cluster, earliest, f.Until) {
		if err != nil {
			return f, err
		}
		if s.covers(n) {
			covered[n.UID] = true
		}
	}
	f.Part = true
	f.Lives = only(f.Lives, func(n fleet.Life) bool { return covered[n.UID] })
	f.Candidates = s.Store.Candidates(ctx, f.Cluster, f.From.Add(-candidateBefore), f.Until)
	f.Keeps = only(s.Store.Keeps(ctx, f.Cluster, f.From, f.Until),
		func(k fleet.Keep) bool { return covered[k.NodeUID] })
	f.Rescales = func(func(fleet.Event, error) bool) {}
	if now.Sub(f.Until) < bareOf {
		bare, err := s.Store.Bare(ctx, f.Cluster, now)
		if err != nil {
			return f, err
		}
		f.Bare = slices.DeleteFunc(bare, func(n fleet.Life) bool { return !covered[n.UID] })
	}
	incidents, err := s.Store.Incidents(ctx, f.Cluster, f.From, f.Until)
	f.Incidents = slices.DeleteFunc(incidents, func(i fleet.Incident) bool { return !covered[i.NodeUID] })
	return f, err
}

// only are those of a sequence that are wanted, and its error.
func only[T any](all iter.Seq2[T, error], want func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for x, err := range all {
			if (err != nil || want(x)) && !yield(x, err) {
				return
			}
		}
	}
}

// facts are what is known of the watch over a span, and of prices.
func (s Summaries) facts(ctx context.Context, cluster string, span message.Period, before []message.Period,
	now time.Time) (f digest.Facts, err error) {
	span.From, span.Until = span.From.In(s.Zone), span.Until.In(s.Zone)
	cp, err := s.Store.Checkpoint(ctx, cluster)
	if err != nil {
		return f, err
	}
	f = digest.Facts{Cluster: cluster, Span: span, Before: before, KnownFrom: cp.BaselineAt,
		WatchedUntil: cp.WatchedUntil, Price: s.Price}
	if cp.BaselineAt.IsZero() {
		f.KnownFrom = now // nothing is known yet
	} else if s.Keep > 0 && f.KnownFrom.Before(now.Add(-s.Keep)) {
		f.KnownFrom = now.Add(-s.Keep)
	}
	f.KnownFrom = f.KnownFrom.In(s.Zone)
	gaps, err := s.Store.Gaps(ctx, cluster, span.From)
	for _, g := range gaps {
		if g.From.Before(span.Until) {
			f.Gaps = append(f.Gaps, g)
		}
	}
	return f, err
}

// clipped is the span of facts as far as it is known.
func clipped(f digest.Facts) query.Period {
	return query.Period{From: fleet.Latest(f.From, f.KnownFrom), Until: f.Until}
}

// spot is what spot nodes used of the span of facts, as far as it is known.
func (s Summaries) spot(ctx context.Context, f digest.Facts) (query.Spending, error) {
	return s.Store.SpotSpending(ctx, f.Cluster, clipped(f))
}

// Costs sums up what nodes cost since a length of time ago, by a dimension, and compares it with the time of the same
// length before.
func (s Summaries) Costs(ctx context.Context, cluster string, length time.Duration, by query.Dimension,
	now time.Time) (digest.Costs, error) {
	s = s.withDefaults()
	from := now.Add(-length)
	before := message.Period{From: from.Add(-length), Until: from}
	f, err := s.facts(ctx, cluster, message.Period{From: from, Until: now}, []message.Period{before}, now)
	if err != nil {
		return digest.Costs{}, err
	}
	spent, err := s.Store.Spending(ctx, cluster, clipped(f), query.Period(before))
	if err != nil {
		return digest.Costs{}, err
	}
	return digest.NewCosts(f, spent, by), nil
}

// Spot says what became of spot nodes since a length of time ago.
func (s Summaries) Spot(ctx context.Context, cluster string, length time.Duration, now time.Time) (message.Message,
	error) {
	s = s.withDefaults()
	f, err := s.facts(ctx, cluster, message.Period{From: now.Add(-length), Until: now}, nil, now)
	if err != nil {
		return message.Message{}, err
	}
	spent, err := s.spot(ctx, f)
	if err != nil {
		return message.Message{}, err
	}
	return digest.RenderSpot(f, digest.NewSpotUse(spent, s.Price)), nil
}

// Render says what a summary reads in a message.
func (s Summaries) Render(ctx context.Context, sum digest.Summary) (message.Message, error) {
	var mutes []wave.Mute
	seen := map[int64]bool{}
	for _, n := range sum.Muted {
		if seen[n.Mute] {
			continue
		}
		seen[n.Mute] = true
		m, ok, err := s.Store.Mute(ctx, n.Mute)
		if err != nil {
			return message.Message{}, err
		}
		if ok {
			mutes = append(mutes, m)
		}
	}
	return digest.Render(sum, mutes), nil
}
