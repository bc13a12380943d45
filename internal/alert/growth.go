package alert

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// What is unusual is loud. A surge is growth that is fast beside what is usual, and much beside the cluster: half of
// it, from 8 nodes on, or 20 nodes of any cluster; or a few nodes that double what it costs. A creep is growth that
// stays: the least that the cluster had in the last day has risen, which no daily rise and fall does. Both say so in
// a message of their own; ordinary scaling stays in its waves.
const (
	surgeOver   = 10 * time.Minute // the span in which a surge happens
	surgeMost   = 20               // nodes: as many are a surge of any cluster
	surgeLeast  = 8                // nodes: fewer are no surge of the smallest cluster, unless they are dear
	surgeDear   = 3                // nodes: fewer are never a surge
	surgeUSD    = 5                // dollars an hour: what dear nodes cost at least
	surgeFactor = 3                // times the usual growth
	surgeLook   = time.Minute      // a surge of few nodes is told once no more have come for so long,
	surgeWait   = 3 * surgeLook    // or once most came longer ago than that
	dearOf      = 20               // whether nodes are dear is looked at where they are one in so many at least

	day         = 24 * time.Hour
	week        = 7 * day
	usualSlack  = 2 * time.Hour // what comes every day, or every week, comes so much earlier or later
	creepDays   = 7             // how far back the lowest day is looked for
	creepMost   = 10            // nodes: from here on a step is a creep if it is a quarter of the lowest day
	creepLeast  = 5             // nodes: smaller steps are never a creep, and others need to be half of it
	creepShare  = 4             // that quarter
	cheapShare  = 4             // growth by few nodes costs at least a quarter of what all did, else it is not told
	weekShifted = 4 * time.Hour // the day a week ago is looked at twice, so far apart: it may have begun later

	// Lookback is how far into the past DetectGrowth must be told of nodes' lives and of what was told.
	Lookback = (creepDays + 1) * day
)

// Lives are the spans in which nodes were in the cluster. Growth asks for their number at hundreds
// of moments, and a busy cluster has hundreds of thousands of them: so all that is kept is when
// they began and when they ended, in order. NewLives makes one.
type Lives struct {
	joined, removed []int64 // Unix nanoseconds, ascending
}

// NewLives keeps what growth needs of lives, in whatever order they come. It ends at the first
// error and returns it.
func NewLives(all iter.Seq2[fleet.Life, error]) (*Lives, error) {
	l := &Lives{}
	for life, err := range all {
		switch {
		case err != nil:
			return nil, err
		case life.Removed.IsZero():
			l.joined = append(l.joined, life.Joined.UnixNano())
		case !life.Removed.Before(life.Joined): // else it never was
			l.joined = append(l.joined, life.Joined.UnixNano())
			l.removed = append(l.removed, life.Removed.UnixNano())
		}
	}
	slices.Sort(l.joined)
	slices.Sort(l.removed)
	return l, nil
}

// count is how many there were at a moment.
func (l *Lives) count(at time.Time) int { return until(l.joined, at) - until(l.removed, at) }

// until is how many of the moments are not after at.
func until(moments []int64, at time.Time) int {
	n, _ := slices.BinarySearch(moments, at.UnixNano()+1)
	return n
}

// Costs are what nodes cost together by the hour, at any moment. NewCosts makes them.
type Costs struct {
	joined, removed []spending // ascending
	unknown         bool       // the price of one of them is not known, or only how much it is at most
}

// spending is what all nodes cost together that joined, or left, until a moment.
type spending struct {
	at  int64 // Unix nanoseconds
	usd float64
}

// NewCosts keeps what lives cost, in whatever order they come. It ends at the first error and returns it, and at the
// first node whose price is not known.
func NewCosts(lives iter.Seq2[fleet.Life, error], price fleet.Pricer) (*Costs, error) {
	c := &Costs{unknown: price == nil}
	if c.unknown {
		return c, nil
	}
	for life, err := range lives {
		if err != nil {
			return nil, err
		}
		if !life.Removed.IsZero() && life.Removed.Before(life.Joined) { // it never was
			continue
		}
		p := price(life.Machine)
		if !p.Exact() {
			return &Costs{unknown: true}, nil
		}
		c.joined = append(c.joined, spending{life.Joined.UnixNano(), p.USD})
		if !life.Removed.IsZero() {
			c.removed = append(c.removed, spending{life.Removed.UnixNano(), p.USD})
		}
	}
	for _, all := range [][]spending{c.joined, c.removed} {
		slices.SortFunc(all, func(a, b spending) int { return cmp.Compare(a.at, b.at) })
		sum := 0.0
		for i := range all {
			sum += all[i].usd
			all[i].usd = sum
		}
	}
	return c, nil
}

// at is what there was cost by the hour at a moment, to a millionth of a dollar: sums of fractions are no nearer.
func (c *Costs) at(moment time.Time) float64 {
	return math.Round(1e6*(spent(c.joined, moment)-spent(c.removed, moment))) / 1e6
}

func spent(all []spending, moment time.Time) float64 {
	n, _ := slices.BinarySearchFunc(all, moment.UnixNano()+1, func(s spending, at int64) int {
		return cmp.Compare(s.at, at)
	})
	if n == 0 {
		return 0
	}
	return all[n-1].usd
}

// History is what growth is seen from.
type History struct {
	Lives *Lives // all that reach into the last Lookback
	// Told are the surges and creeps of that time, oldest first.
	Told []wave.Wave
	// Watched is when the cluster was first watched: what was usual before that is unknown.
	Watched time.Time
	// Cost reads what the nodes cost that have a part in a time. It is only called where prices decide; nil: none is
	// known, and nodes decide alone.
	Cost func(from, until time.Time) (*Costs, error)
}

func (h History) cost(from, until time.Time) (*Costs, error) {
	if h.Cost == nil {
		return &Costs{unknown: true}, nil
	}
	return h.Cost(from, until)
}

// DetectGrowth decides whether to tell of growth now, and of which kind. An error is one of History.Cost.
func DetectGrowth(h History, now time.Time) (w wave.Opening, ok bool, err error) {
	if !toldSince(h.Told, wave.KindSurge, now.Add(-surgeOver)) {
		if g, ok, err := h.surge(now); ok || err != nil {
			return wave.Opening{Kind: wave.KindSurge, About: wave.About{Growth: &g}, Closed: true}, ok, err
		}
	}
	if g, ok, err := h.creep(now); ok || err != nil {
		return wave.Opening{Kind: wave.KindCreep, About: wave.About{Growth: &g}, Closed: true}, ok, err
	}
	return wave.Opening{}, false, nil
}

func (h History) surge(now time.Time) (g wave.Growth, ok bool, err error) {
	begin := now.Add(-surgeOver)
	g = wave.Growth{From: h.Lives.count(begin), To: h.Lives.count(now), Over: surgeOver}
	grew := g.To - g.From
	watched := now.Sub(h.Watched)
	if watched < surgeOver || grew < surgeDear {
		return g, false, nil
	}
	big := grew >= surgeMost
	// What is usual in a cluster is not known before a day, and what is little elsewhere may be usual in this one.
	if !big && (watched < day+surgeOver || h.rising(now, grew)) {
		return g, false, nil
	}
	g.Usual = int(h.usual(now, func(at time.Time) float64 {
		return float64(h.Lives.count(at) - h.Lives.count(at.Add(-surgeOver)))
	}))
	fast := grew >= surgeFactor*g.Usual
	if big && fast {
		return g, true, nil
	}
	much := fast && grew >= max(surgeLeast, (g.From+1)/2)
	if !much && (grew*dearOf < g.From || watched < day+surgeOver) {
		return g, false, nil
	}
	cost, err := h.cost(begin, now)
	if err != nil || cost.unknown {
		return g, much && err == nil, err
	}
	was := cost.at(begin)
	more := cost.at(now) - was
	if much {
		return g, more >= was/cheapShare, nil
	}
	if more < max(surgeUSD, was) {
		return g, false, nil
	}
	if cost, err = h.cost(now.Add(-Lookback), now); err != nil || cost.unknown {
		return g, false, err
	}
	g.Dear = true
	g.UsualUSD = h.usual(now, func(at time.Time) float64 { return cost.at(at) - cost.at(at.Add(-surgeOver)) })
	return g, more >= surgeFactor*g.UsualUSD, nil
}

// rising reports whether growth is still going on that has begun a short while ago: its number is told once it is over.
func (h History) rising(now time.Time, grew int) bool {
	n := h.Lives.count(now)
	return n > h.Lives.count(now.Add(-surgeLook)) && 2*(n-h.Lives.count(now.Add(-surgeWait))) > grew
}

// usual is the growth that is usual in the span of a surge, of what grew says for the span that ends at a moment: the
// most in the last day, at the same time a week ago, or on two of the last days. So one accident is usual for a day,
// and what comes each morning, or each Monday, always is.
func (h History) usual(now time.Time, grew func(time.Time) float64) (most float64) {
	var days [creepDays + 2]float64 // each around the time that it is now
	// In steps of half a span, so that no rise falls between two.
	for at := now.Add(-surgeOver); at.Sub(h.Watched) >= surgeOver; at = at.Add(-surgeOver / 2) {
		age := now.Sub(at)
		if age > Lookback-surgeOver {
			break
		}
		n := grew(at)
		if age <= day+usualSlack || (age-week).Abs() <= usualSlack {
			most = max(most, n)
		}
		d := (age + day/2) / day
		days[d] = max(days[d], n)
	}
	slices.Sort(days[:])
	return max(most, days[len(days)-2])
}

// creep compares the least of the last day with the least of the days before. Each step further
// than the last one told is told again.
func (h History) creep(now time.Time) (g wave.Growth, ok bool, err error) {
	g = wave.Growth{From: -1, To: least(h.Lives, now)}
	from := 0 // what is nothing new
	for d := 1; d <= creepDays; d++ {
		until := now.Add(-time.Duration(d) * day)
		if until.Add(-day).Before(h.Watched) {
			break
		}
		n := least(h.Lives, until)
		if g.From < 0 || n < g.From {
			g.From, g.Over = n, now.Sub(until)
		}
		if d == creepDays { // a week ago it was as many: it is so each week
			from = max(n, least(h.Lives, until.Add(weekShifted)))
		}
	}
	if g.From < 0 {
		return g, false, nil
	}
	from = max(from, g.From)
	for _, w := range h.Told {
		switch {
		case w.About.Growth == nil:
		case w.Kind == wave.KindCreep:
			from = max(from, w.About.Growth.To)
		case w.Kind == wave.KindSurge: // what has stayed of it was told
			from = max(from, h.stayed(w.OpenedAt, now))
		}
	}
	if step := g.To - from; step < max(min(creepMost, max(creepLeast, (g.From+1)/2)), g.From/creepShare) {
		return g, false, nil
	} else if step >= creepMost {
		return g, true, nil
	}
	cost, err := h.cost(now.Add(-g.Over-day), now)
	if err != nil || cost.unknown {
		return g, err == nil, err
	}
	was := lowest(cost.at, now.Add(-g.Over))
	return g, lowest(cost.at, now)-was >= was/cheapShare, nil
}

// stayed is the least that there were in the day after a moment, as far as it is over.
func (h History) stayed(since, now time.Time) int {
	n := h.Lives.count(since)
	for at := since; !at.After(now) && at.Sub(since) <= day; at = at.Add(time.Hour) {
		n = min(n, h.Lives.count(at))
	}
	return n
}

// maxGrown is how many groups a message names that grew.
const maxGrown = 3

// WhatGrew completes an observation: which nodes there are more of now than at its beginning, what they cost, and why
// those that joined since and are there came, as far as it is known. lives are those that have a part in that time.
func WhatGrew(g wave.Growth, lives iter.Seq2[fleet.Life, error], now time.Time, price fleet.Pricer) (wave.Growth,
	error) {
	from := now.Add(-g.Over)
	groups, machines, before := map[wave.Grown]int{}, map[fleet.Machine]int{}, map[fleet.Machine]int{}
	var joined []wave.Member
	for l, err := range lives {
		if err != nil {
			return g, err
		}
		n := 0
		if !l.Joined.After(now) && (l.Removed.IsZero() || l.Removed.After(now)) {
			if n++; l.Joined.After(from) {
				joined = append(joined, wave.Member{Steps: []fleet.Change{{Kind: fleet.Joined}},
					Came: fleet.Explanation{Cause: l.Came}})
			}
		}
		if !l.Joined.After(from) && (l.Removed.IsZero() || l.Removed.After(from)) {
			before[l.Machine]++
			n--
		}
		groups[wave.Grown{Pool: l.Pool, InstanceType: l.Machine.InstanceType}] += n
		machines[l.Machine] += n
	}
	for group, n := range groups {
		if group.Nodes = n; n > 0 {
			g.Most = append(g.Most, group)
		}
	}
	slices.SortFunc(g.Most, func(a, b wave.Grown) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.InstanceType, b.InstanceType))
	})
	g.Most = g.Most[:min(len(g.Most), maxGrown)]
	g.USD, g.WasUSD = costOf(machines, price), costOf(before, price)
	causes, unknown := grouped(joined, came)
	g.Unexplained = unknown
	for i, c := range causes {
		if i < maxCauses {
			g.Why = append(g.Why, wave.CameFor{Cause: c.Cause, Nodes: c.nodes})
		} else {
			g.OtherCauses += c.nodes
		}
	}
	return g, nil
}

// costOf is what so many machines cost by the hour; 0 if that is not known, or less than nothing.
func costOf(machines map[fleet.Machine]int, price fleet.Pricer) (usd float64) {
	for m, n := range machines {
		if n == 0 {
			continue
		}
		if price == nil {
			return 0
		}
		p := price(m)
		if !p.Exact() {
			return 0
		}
		usd += float64(n) * p.USD
	}
	return max(0, usd)
}

// least is the smallest hourly count in the day that ends at until.
func least(lives *Lives, until time.Time) int { return lowest(lives.count, until) }

// lowest is the smallest hourly value in the day that ends at until.
func lowest[T int | float64](of func(time.Time) T, until time.Time) T {
	n := of(until)
	for h := 1; h < 24; h++ {
		n = min(n, of(until.Add(-time.Duration(h)*time.Hour)))
	}
	return n
}

func toldSince(told []wave.Wave, kind wave.Kind, since time.Time) bool {
	return slices.ContainsFunc(told, func(w wave.Wave) bool { return w.Kind == kind && w.OpenedAt.After(since) })
}
