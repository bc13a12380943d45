package alert

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// What is unusual is loud. A surge is growth that is fast beside the last day's. A creep is
// growth that stays: the least that the cluster had in the last day has risen, which no daily
// rise and fall does. Both say so in a message of their own; ordinary scaling stays in its
// waves.
const (
	surgeOver   = 10 * time.Minute // the span in which a surge happens
	surgeLeast  = 20               // nodes: smaller growth is never a surge
	surgeFactor = 3                // times the usual growth, the largest of the day before
	day         = 24 * time.Hour
	creepDays   = 7  // how far back the lowest day is looked for
	creepLeast  = 10 // nodes: smaller steps are never a creep
	creepShare  = 4  // and a step is at least a quarter of what the lowest day had

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

// DetectGrowth decides whether to tell of growth now, and of which kind. lives are all that reach
// into the last Lookback, told are the surges and creeps told before, oldest first. watched is
// when the cluster was first watched: what was usual before that is unknown.
func DetectGrowth(lives *Lives, told []wave.Wave, watched, now time.Time) (wave.Opening, bool) {
	if g, ok := surge(lives, watched, now); ok && !toldSince(told, wave.KindSurge, now.Add(-surgeOver)) {
		return wave.Opening{Kind: wave.KindSurge, About: wave.About{Growth: &g}, Closed: true}, true
	}
	if g, ok := creep(lives, told, watched, now); ok {
		return wave.Opening{Kind: wave.KindCreep, About: wave.About{Growth: &g}, Closed: true}, true
	}
	return wave.Opening{}, false
}

func surge(lives *Lives, watched, now time.Time) (wave.Growth, bool) {
	g := wave.Growth{From: lives.count(now.Add(-surgeOver)), To: lives.count(now), Over: surgeOver}
	if now.Sub(watched) < surgeOver || g.To-g.From < surgeLeast {
		return g, false
	}
	// Of the time before, the day is looked at in steps of half a span, so that no rise falls
	// between two.
	for at := now.Add(-surgeOver); at.Sub(watched) >= surgeOver && now.Sub(at) <= day; at = at.Add(-surgeOver / 2) {
		g.Usual = max(g.Usual, lives.count(at)-lives.count(at.Add(-surgeOver)))
	}
	return g, g.To-g.From >= surgeFactor*g.Usual
}

// creep compares the least of the last day with the least of the days before. Each step further
// than the last one told is told again.
func creep(lives *Lives, told []wave.Wave, watched, now time.Time) (wave.Growth, bool) {
	g := wave.Growth{From: -1, To: least(lives, now)}
	for d := 1; d <= creepDays; d++ {
		until := now.Add(-time.Duration(d) * day)
		if until.Add(-day).Before(watched) {
			break
		}
		if n := least(lives, until); g.From < 0 || n < g.From {
			g.From, g.Over = n, now.Sub(until)
		}
	}
	if g.From < 0 {
		return g, false
	}
	from := g.From
	for _, w := range told {
		if w.Kind == wave.KindCreep && w.About.Growth != nil {
			from = max(from, w.About.Growth.To)
		}
	}
	return g, g.To-from >= max(creepLeast, g.From/creepShare)
}

// maxGrown is how many groups a message names that grew.
const maxGrown = 3

// WhatGrew completes an observation: which nodes there are more of now than at its beginning, and what they cost. lives
// are those that have a part in that time.
func WhatGrew(g wave.Growth, lives iter.Seq2[fleet.Life, error], now time.Time, price fleet.Pricer) (wave.Growth,
	error) {
	from := now.Add(-g.Over)
	groups, machines := map[wave.Grown]int{}, map[fleet.Machine]int{}
	for l, err := range lives {
		if err != nil {
			return g, err
		}
		n := 0
		if !l.Joined.After(now) && (l.Removed.IsZero() || l.Removed.After(now)) {
			n++
		}
		if !l.Joined.After(from) && (l.Removed.IsZero() || l.Removed.After(from)) {
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
	known := price != nil
	for m, n := range machines {
		if n == 0 || !known {
			continue
		}
		p := price(m)
		known = p.Known && !p.AtMost
		g.USD += float64(n) * p.USD
	}
	if !known || g.USD < 0 {
		g.USD = 0
	}
	return g, nil
}

// least is the smallest hourly count in the day that ends at until.
func least(lives *Lives, until time.Time) int {
	n := lives.count(until)
	for h := 1; h < 24; h++ {
		n = min(n, lives.count(until.Add(-time.Duration(h)*time.Hour)))
	}
	return n
}

func toldSince(told []wave.Wave, kind wave.Kind, since time.Time) bool {
	return slices.ContainsFunc(told, func(w wave.Wave) bool { return w.Kind == kind && w.OpenedAt.After(since) })
}
