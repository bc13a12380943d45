package digest

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// Facts is what a summary is made of.
type Facts struct {
	Cluster string
	Part    bool // of the cluster's nodes only those that are told in one channel
	Span
	// Before are the periods before, the latest first, that the cost is compared with.
	Before []Span
	// KnownFrom is the moment from which on the ledger has every node: nobody watched before, or
	// what was seen is not kept any more.
	KnownFrom time.Time
	// WatchedUntil is when the cluster was watched last.
	WatchedUntil time.Time
	Price        fleet.Pricer
	Lives        iter.Seq2[fleet.Life, error]  // all that have a part in the period or in those before
	Rescales     iter.Seq2[fleet.Event, error] // of HorizontalPodAutoscalers and Deployments, in the order of time
	Keeps        iter.Seq2[fleet.Keep, error]  // all that have a part in the period; nil: none is known
	Bare         []fleet.Life                  // that hold nothing but DaemonSets' pods at its end, as far as is known
	Candidates   iter.Seq2[fleet.Event, error] // what Karpenter said of nodes that it might consolidate; nil: nothing
	Incidents    []fleet.Incident
	Gaps         []fleet.Gap // all that have a part in the period
	Muted        []wave.MutedCount
	Waited       []fleet.Waited // the waits of pods for nodes that ended in the period
	Waits        []fleet.Wait   // and those that go on
	Rollouts     []wave.Told    // what was told of rollouts in the period
	Spot         query.Spending // what spot nodes used of the period, as far as it is known
}

// known is the period as far as the ledger has every node of it.
func (f Facts) known() Span {
	s := f.Span
	if s.From.Before(f.KnownFrom) {
		s.From = f.KnownFrom
		if s.From.After(s.Until) {
			s.From = s.Until
		}
	}
	return s
}

// Hours is how long nodes lived.
type Hours struct {
	Sure   fleet.NodeTime
	Unsure fleet.NodeTime // at most this much more: nobody watched when they left
}

func (h *Hours) add(sure, unsure time.Duration) {
	h.Sure, h.Unsure = h.Sure+fleet.Together(sure), h.Unsure+fleet.Together(unsure)
}

// Use is how much of something was used.
type Use struct {
	Nodes int // lives that have a part in it
	Hours Hours
	Cost  fleet.Cost // of the sure hours
	// UnsureUSD is what the unsure hours would cost, of nodes whose price is known.
	UnsureUSD float64
}

func (u *Use) add(p fleet.Price, sure, unsure time.Duration) {
	u.Nodes++
	u.Hours.add(sure, unsure)
	u.Cost.Add(p, 1, sure)
	u.UnsureUSD += p.USD * unsure.Hours()
}

// MachineUse is the use of one kind of machine.
type MachineUse struct {
	InstanceType, CapacityType string // "" if unknown
	Use
	Before Use // in the period before; only if Summary.Previous is set
}

// Run is a growth or a shrinking without a longer pause: Nodes joined or left between From and
// Until, while the cluster went from Before to After nodes.
type Run struct {
	Span
	Nodes         int
	Before, After int
}

// Churn is what nodes that did not stay cost.
type Churn struct {
	Short Use // the whole lives, of less than an hour, that ended in the period
	// Ready is how many of the nodes that joined in the period became ready in it, after Median
	// and after Worst at the latest, which was node WorstName.
	Ready         int
	Median, Worst time.Duration
	WorstName     string
	NeverReady    int // nodes that joined in the period and left in it without having been ready
	// Slow are the whole lives that ended in the period of nodes that were not ready for most of them: they lived for less
	// than their own start.
	Slow      Use
	SlowNever int // of these, nodes that never were ready
	Loops     []Loop
}

// Loop is a replacement again and again by the same kind of machine.
type Loop struct {
	Pool, InstanceType, CapacityType string
	Times                            int
}

// Down is how often and how long nodes were not ready, within the period.
type Down struct {
	Incidents int
	Nodes     int
	Total     time.Duration
	Lasting   int // incidents that last at the end of the period
	Left      int // incidents that ended with the node
	Longest   []fleet.Incident
}

// Scaled is how one HorizontalPodAutoscaler or Deployment changed its size.
type Scaled struct {
	Namespace, Name string
	Times           int
	AtLeast         bool // some of the times may have been before the period
	From, To        int  // the first and the last size known; -1 if none is
	Low, High       int  // of the sizes seen; only if To is known
}

// Scalings sums up the autoscalers of one kind.
type Scalings struct {
	Objects int
	Times   int
	AtLeast bool
	Top     []Scaled // the most often first
}

// Average is that of several earlier periods.
type Average struct {
	Cost    fleet.Cost    // of all of them
	Length  time.Duration // together
	Periods int
}

// Coverage is what is not known of the period.
type Coverage struct {
	// Shortened is set when the period was to begin before KnownFrom: Summary.Span begins there.
	Shortened bool
	Gaps      []Span        // spans without a watch in which changes may have been missed
	Unwatched time.Duration // their length together
	Resumed   time.Duration // of the other spans without a watch: nothing was missed in them
	Ongoing   bool          // the last of the gaps lasts at the end of the period
	// EventsLost is the part of the gaps whose events Kubernetes had already forgotten: nodes that
	// came and went in it left no trace.
	EventsLost time.Duration
}

// Summary is what a digest says.
type Summary struct {
	Cluster string
	Part    bool // see Facts
	Span
	Start, End    int // nodes just before the period began and just before it ended
	Peak, Low     int
	PeakAt, LowAt time.Time // when that was first reached
	Joined, Left  int
	Use                    // of all nodes
	Previous      *Use     // in the period before; nil if it is not known whole
	PreviousSpan  Span     // only if Previous is set
	Average       *Average // nil if no earlier period is known whole
	Machines      []MachineUse
	Groups        []GroupUse // of all nodes, the dearest first
	Sources       []string   // where the prices come from
	Ups, Downs    []Run      // the largest first
	Came, Went    []CauseUse // all that joined and left in the period, by cause
	Churn         Churn
	Spot          SpotUse
	Down          Down
	Kept          Kept
	Consolidation Consolidation
	HPAs          Scalings // each with what its Deployment says of its sizes
	Deployments   Scalings // those that no HorizontalPodAutoscaler of HPAs scales
	Muted         []wave.MutedCount
	Waited        Waited
	Rollouts      Rollouts
	Coverage      Coverage
	Chart         message.Chart
}

// Quiet reports whether nothing happened to the nodes, and nothing can have been missed. Rescales
// that moved no node are no reason to read a digest.
func (s Summary) Quiet() bool {
	return s.Joined == 0 && s.Left == 0 && s.Down.Incidents == 0 && s.Coverage.Unwatched == 0 && !s.Coverage.Shortened &&
		s.Waited.Pods == 0 && s.Waited.Still == 0
}

// Summarize sums up a period.
func Summarize(f Facts) (Summary, error) {
	s := summing{f: f, span: f.Span, price: map[fleet.Machine]fleet.Price{}, machines: map[kind]*machine{},
		groups: map[Group]*GroupUse{}, came: map[replaced][]int64{}, went: map[replaced][]int64{}, cameFor: causes{},
		wentFor: causes{}}
	s.span = f.known()
	s.before = make([]Use, len(f.Before))
	for life, err := range f.Lives {
		if err != nil {
			return Summary{}, err
		}
		s.life(life)
	}
	sum := Summary{Cluster: f.Cluster, Part: f.Part, Span: s.span, Use: s.use, Joined: s.joined, Left: s.left,
		Muted: f.Muted}
	sum.Coverage = s.coverage()
	s.compare(&sum)
	s.count(&sum)
	sum.Machines = s.uses(sum.Previous != nil)
	sum.Groups, sum.Sources = s.groupUses(), s.sources()
	sum.Came, sum.Went = s.cameFor.list(), s.wentFor.list()
	sum.Churn = s.churn()
	sum.Spot = NewSpotUse(f.Spot, s.priceOf)
	sum.Down = down(f.Incidents, s.span)
	sum.Waited = waited(f.Waited, f.Waits, s.span)
	sum.Rollouts = rollouts(f.Rollouts)
	var err error
	if sum.Kept, err = s.kept(); err != nil {
		return sum, err
	}
	if err = s.expect(); err != nil {
		return sum, err
	}
	sum.Consolidation = s.consolidation
	sum.HPAs, sum.Deployments, err = scalings(f.Rescales, s.span)
	return sum, err
}

// kind is what the table of machines has a row for.
type kind struct{ instanceType, capacityType string }

// machine is what is summed up by kind.
type machine struct {
	use, before Use
	index       int32
}

// step is a node that came or went.
type step struct {
	at     int64 // Unix nanoseconds
	kind   int32 // index of its kind
	change int8  // +1 or -1
	inside bool  // within the period, not before
}

// replaced is a node that may have replaced another, or been replaced.
type replaced struct {
	kind
	pool string
}

// summing collects.
type summing struct {
	f         Facts
	span      Span
	price     map[fleet.Machine]fleet.Price
	machines  map[kind]*machine
	kinds     []kind // by index
	groups    map[Group]*GroupUse
	use       Use
	before    []Use
	steps     []step
	joined    int
	left      int
	short     Use
	slow      Use
	slowNever int
	ended     []fleet.Life // by consolidation
	toReady   []time.Duration
	worst     time.Duration // of toReady
	worstName string
	never     int
	came      map[replaced][]int64
	went      map[replaced][]int64
	cameFor   causes
	wentFor   causes

	consolidation Consolidation
}

// alive is how long of a span a node surely lived, and how much longer it may have.
func (s *summing) alive(n fleet.Life, in Span) (sure, unsure time.Duration) {
	until := in.Until
	if !n.Removed.IsZero() && n.Removed.Before(until) {
		until = n.Removed
	}
	known := until
	if !n.RemovedAfter.IsZero() && n.RemovedAfter.Before(known) {
		known = n.RemovedAfter
	}
	// Of what lives still, nobody knows whether it does if nobody watches.
	if w := s.f.WatchedUntil; n.Removed.IsZero() && !w.IsZero() && until.Sub(w) > fleet.Unwatched && w.Before(known) {
		known = w
	}
	from := in.From
	if n.Joined.After(from) {
		from = n.Joined
	}
	sure = max(0, known.Sub(from))
	return sure, max(0, until.Sub(from)) - sure
}

// priceOf asks for a price once.
func (s *summing) priceOf(m fleet.Machine) fleet.Price {
	p, ok := s.price[m]
	if !ok {
		p = s.f.Price(m)
		s.price[m] = p
	}
	return p
}

// touches reports whether a node lived at some moment of the span.
func touches(s Span, n fleet.Life) bool {
	return n.Joined.Before(s.Until) && (n.Removed.IsZero() || !n.Removed.Before(s.From))
}

func (s *summing) life(n fleet.Life) {
	price := s.priceOf(n.Machine)
	k := kind{n.Machine.InstanceType, n.Machine.CapacityType}
	m := s.machines[k]
	if m == nil {
		m = &machine{index: int32(len(s.kinds))}
		s.machines[k] = m
		s.kinds = append(s.kinds, k)
	}
	for i, before := range s.f.Before {
		if !touches(before, n) {
			continue
		}
		sure, unsure := s.alive(n, before)
		s.before[i].add(price, sure, unsure)
		if i == 0 {
			m.before.add(price, sure, unsure)
		}
	}
	if !touches(s.span, n) {
		return
	}
	sure, unsure := s.alive(n, s.span)
	s.use.add(price, sure, unsure)
	m.use.add(price, sure, unsure)
	s.consolidate(n, price, sure, unsure)
	s.group(n).add(price, sure, unsure, s.span.Has(n.Joined), s.span.Has(n.Removed))

	r := replaced{k, n.Pool}
	joined := s.span.Has(n.Joined)
	s.steps = append(s.steps, step{n.Joined.UnixNano(), m.index, 1, joined})
	if joined {
		s.joined++
		s.came[r] = append(s.came[r], n.Joined.UnixNano())
		s.cameFor.of(n.Came).add(price, sure, unsure)
		switch {
		case s.span.Has(n.Ready):
			d := n.Ready.Sub(n.Joined)
			if s.toReady = append(s.toReady, d); d > s.worst || s.worstName == "" {
				s.worst, s.worstName = d, n.Name
			}
		case n.Ready.IsZero() && s.span.Has(n.Removed):
			s.never++
		}
	}
	if !s.span.Has(n.Removed) {
		return
	}
	s.left++
	s.steps = append(s.steps, step{n.Removed.UnixNano(), m.index, -1, true})
	s.went[r] = append(s.went[r], n.Removed.UnixNano())
	s.wentFor.of(n.Went).add(price, time.Hour, 0)
	// When it left may not be known; then it was short only if it was for certain.
	if lived := n.Removed.Sub(n.Joined); lived < time.Hour {
		whole, doubt := s.alive(n, Span{From: n.Joined, Until: n.Removed})
		s.short.add(price, whole, doubt)
	}
	if s.slowly(n) {
		whole, doubt := s.alive(n, Span{From: n.Joined, Until: n.Removed})
		s.slow.add(price, whole, doubt)
		if n.Ready.IsZero() {
			s.slowNever++
		}
	}
}

// compare sets what the cost is compared with.
func (s *summing) compare(sum *Summary) {
	for i, u := range s.before {
		if s.f.Before[i].From.Before(s.f.KnownFrom) {
			break
		}
		if i == 0 {
			sum.Previous, sum.PreviousSpan = &u, s.f.Before[0]
		}
		// A period in which no price is known is no period that cost nothing.
		if u.Cost.Priced == 0 && u.Cost.LeftOut() > 0 {
			continue
		}
		if sum.Average == nil {
			sum.Average = &Average{}
		}
		a := sum.Average
		a.Cost, a.Length, a.Periods = a.Cost.Plus(u.Cost), a.Length+s.f.Before[i].Length(), a.Periods+1
	}
}

// uses lists what each kind of machine cost, the dearest first, then the longest.
func (s *summing) uses(compared bool) []MachineUse {
	var uses []MachineUse
	for k, m := range s.machines {
		if m.use.Nodes == 0 && (!compared || m.before.Nodes == 0) {
			continue
		}
		u := MachineUse{InstanceType: k.instanceType, CapacityType: k.capacityType, Use: m.use}
		if compared {
			u.Before = m.before
		}
		uses = append(uses, u)
	}
	slices.SortFunc(uses, func(a, b MachineUse) int {
		return cmp.Or(cmp.Compare(b.Cost.USD, a.Cost.USD), cmp.Compare(b.Hours.Sure, a.Hours.Sure),
			cmp.Compare(a.InstanceType, b.InstanceType), cmp.Compare(a.CapacityType, b.CapacityType))
	})
	return uses
}

// sources lists where the prices of the period come from.
func (s *summing) sources() (all []string) {
	for _, p := range s.price {
		if p.Known && !slices.Contains(all, p.Source) {
			all = append(all, p.Source)
		}
	}
	slices.Sort(all)
	return all
}

// coverage says what is not known.
func (s *summing) coverage() Coverage {
	c := Coverage{Shortened: s.span.From.After(s.f.From)}
	gaps := slices.Clone(s.f.Gaps)
	if w := s.f.WatchedUntil; !w.IsZero() && s.span.Until.Sub(w) > fleet.Unwatched {
		c.Ongoing = true
		// Of what is still being missed, it is not known yet what will be found out.
		gaps = append(gaps, fleet.Gap{From: w, Until: s.span.Until, Missed: true, EventsFrom: w})
	}
	slices.SortFunc(gaps, func(a, b fleet.Gap) int { return a.From.Compare(b.From) })
	var reached, lost time.Time // up to here gaps and lost events are counted
	for _, g := range gaps {
		in := clip(Span{From: g.From, Until: g.Until}, s.span)
		if in.From.Before(reached) {
			in.From = reached
		}
		if !in.From.Before(in.Until) {
			continue
		}
		reached = in.Until
		if !g.Missed {
			c.Resumed += in.Length()
			continue
		}
		c.Unwatched += in.Length()
		if n := len(c.Gaps); n > 0 && c.Gaps[n-1].Until.Equal(in.From) {
			c.Gaps[n-1].Until = in.Until
		} else {
			c.Gaps = append(c.Gaps, in)
		}
		told := g.EventsFrom
		if told.IsZero() {
			told = g.Until // events could not be read
		}
		if gone := clip(Span{From: g.From, Until: told}, in); gone.From.Before(gone.Until) && gone.Until.After(lost) {
			if gone.From.Before(lost) {
				gone.From = lost
			}
			c.EventsLost += gone.Length()
			lost = gone.Until
		}
	}
	return c
}

// clip is the part of a span within another; it ends before it begins if there is none.
func clip(s, in Span) Span {
	if s.From.Before(in.From) {
		s.From = in.From
	}
	if s.Until.After(in.Until) {
		s.Until = in.Until
	}
	return s
}

// replacement is within how long a node of the same kind replaces another, and loops is how often
// that must have happened to be told.
const (
	replacement = 10 * time.Minute
	loops       = 3
	maxLoops    = 3
)

// churn sums up nodes that did not stay.
func (s *summing) churn() Churn {
	c := Churn{Short: s.short, Slow: s.slow, SlowNever: s.slowNever, Ready: len(s.toReady), Worst: s.worst,
		WorstName: s.worstName, NeverReady: s.never}
	if c.Ready > 0 {
		slices.Sort(s.toReady)
		c.Median = s.toReady[(c.Ready-1)/2]
	}
	for k, went := range s.went {
		came := s.came[k]
		slices.Sort(went)
		slices.Sort(came)
		// Each node that left is paired with one that came around then, the earliest first.
		times := 0
		for i, j := 0, 0; i < len(went) && j < len(came); {
			switch d := time.Duration(came[j] - went[i]); {
			case d < -replacement:
				j++
			case d > replacement:
				i++
			default:
				times, i, j = times+1, i+1, j+1
			}
		}
		// Many that go and come at once are scaling down and up, or a rollout; only what comes
		// back again and again is a loop.
		if times >= loops && spread(went) >= loops {
			c.Loops = append(c.Loops, Loop{Pool: k.pool, InstanceType: k.instanceType, CapacityType: k.capacityType,
				Times: times})
		}
	}
	slices.SortFunc(c.Loops, func(a, b Loop) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.InstanceType, b.InstanceType),
			cmp.Compare(a.CapacityType, b.CapacityType))
	})
	c.Loops = c.Loops[:min(len(c.Loops), maxLoops)]
	return c
}

// spread counts moments that are at least the time of a replacement apart.
func spread(sorted []int64) (n int) {
	var last int64
	for _, at := range sorted {
		if n == 0 || at-last >= int64(replacement) {
			n, last = n+1, at
		}
	}
	return n
}

// maxIncidents is how many of the longest incidents a summary names.
const maxIncidents = 3

// down sums up incidents, clipped to the period.
func down(incidents []fleet.Incident, span Span) Down {
	var d Down
	nodes := map[string]bool{}
	length := func(i fleet.Incident) time.Duration {
		until := i.Until
		if until.IsZero() {
			until = span.Until
		}
		return max(0, clip(Span{From: i.From, Until: until}, span).Length())
	}
	for _, i := range incidents {
		d.Incidents++
		nodes[i.NodeUID] = true
		d.Total += length(i)
		if i.Until.IsZero() {
			d.Lasting++
		}
		if i.Left {
			d.Left++
		}
	}
	d.Nodes = len(nodes)
	d.Longest = slices.Clone(incidents)
	slices.SortStableFunc(d.Longest, func(a, b fleet.Incident) int { return cmp.Compare(length(b), length(a)) })
	d.Longest = d.Longest[:min(len(d.Longest), maxIncidents)]
	return d
}
