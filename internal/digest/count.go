package digest

import (
	"cmp"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
)

const (
	// bins is how finely a chart shows a period: a day in bins of six minutes.
	bins = 240
	// maxSeries is how many layers a chart has at most: the largest, and the rest.
	maxSeries = 6
	// pause is how long nobody may join for a run of joining to be over, and likewise of leaving.
	pause = 5 * time.Minute
	// maxRun is how long a run lasts at most: where nodes come and go all day, that is no growth.
	maxRun = time.Hour
	// maxRuns is how many of the largest runs of each direction a summary names.
	maxRuns = 3
)

// rest names the layer of a chart that stands for what has none of its own.
const rest = "others"

// count walks through the period: how many nodes there were, how they grew and shrank, and the
// chart of it.
func (s *summing) count(sum *Summary) {
	slices.SortFunc(s.steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	by, names, series := s.layers()
	w := walk{span: s.span, series: series, now: make([]int, len(names)),
		chart: message.Chart{Period: s.span, By: by, Joined: make([]int, bins), Left: make([]int, bins),
			Gaps: sum.Coverage.Gaps}}
	for _, name := range names {
		w.chart.Series = append(w.chart.Series, message.Series{Name: name, Nodes: make([]int, bins)})
	}
	rest := s.steps
	for len(rest) > 0 && !rest[0].inside {
		w.take(rest[0])
		rest = rest[1:]
	}
	w.begin()
	for len(rest) > 0 {
		at := rest[0].at
		w.advance(at)
		for len(rest) > 0 && rest[0].at == at {
			w.run(rest[0])
			w.take(rest[0])
			rest = rest[1:]
		}
		w.look(at)
	}
	w.advance(s.span.Until.UnixNano())
	sum.Start, sum.End = w.start, w.total
	sum.Peak, sum.Low = w.peak, w.low
	sum.PeakAt, sum.LowAt = moment(w.peakAt, s.span), moment(w.lowAt, s.span)
	sum.Ups, sum.Downs = w.ups.largest(1), w.downs.largest(-1)
	sum.Chart = w.chart
}

// moment is a time in the zone of the span.
func moment(at int64, span Span) time.Time { return time.Unix(0, at).In(span.From.Location()) }

// layers chooses what the chart stacks: capacity types if there are several, else instance types.
// series gives the layer of each kind of machine.
func (s *summing) layers() (by string, names []string, series []int) {
	hours := map[string]fleet.NodeTime{}
	name := func(k kind) string { return cmp.Or(k.capacityType, fleet.Unknown) }
	by = "capacity type"
	for k, m := range s.machines {
		if m.use.Nodes > 0 {
			hours[name(k)] += m.use.Hours.Sure
		}
	}
	if len(hours) < 2 {
		by, hours = "instance type", map[string]fleet.NodeTime{}
		name = func(k kind) string { return cmp.Or(k.instanceType, fleet.Unknown) }
		for k, m := range s.machines {
			if m.use.Nodes > 0 {
				hours[name(k)] += m.use.Hours.Sure
			}
		}
	}
	for n := range hours {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(hours[b], hours[a]), cmp.Compare(a, b)) })
	if len(names) > maxSeries {
		names = append(names[:maxSeries-1], rest)
	}
	for _, k := range s.kinds {
		i := slices.Index(names, name(k))
		if i < 0 {
			i = len(names) - 1
		}
		series = append(series, i)
	}
	return by, names, series
}

// walk is the state of going through the steps in the order of time.
type walk struct {
	span         Span
	series       []int // layer of each kind
	now          []int // nodes of each layer
	total, start int
	peak, low    int
	peakAt       int64
	lowAt        int64
	bin          int // that is being filled
	best         int // most nodes seen in it, -1 if it is new
	chart        message.Chart
	ups, downs   runs
}

func (w *walk) take(s step) {
	w.now[w.series[s.kind]] += int(s.change)
	w.total += int(s.change)
}

// begin looks at what was there before the period.
func (w *walk) begin() {
	at := w.span.From.UnixNano()
	w.start, w.peak, w.low, w.peakAt, w.lowAt, w.best = w.total, w.total, w.total, at, at, -1
	w.look(at)
}

// end is when a bin ends.
func (w *walk) end(bin int) int64 {
	return w.span.From.UnixNano() + int64(float64(w.span.Length())*float64(bin+1)/bins)
}

// advance closes the bins that end at a moment or before.
func (w *walk) advance(at int64) {
	for w.bin < bins-1 && at >= w.end(w.bin) {
		w.bin++
		w.best = -1
		w.fill()
	}
}

// look notes how many nodes there are from a moment on.
func (w *walk) look(at int64) {
	if w.total > w.peak {
		w.peak, w.peakAt = w.total, at
	}
	if w.total < w.low {
		w.low, w.lowAt = w.total, at
	}
	w.fill()
}

// fill keeps what there is now if it is the most that the bin has seen.
func (w *walk) fill() {
	if w.total <= w.best {
		return
	}
	w.best = w.total
	for i, n := range w.now {
		w.chart.Series[i].Nodes[w.bin] = n
	}
}

// run adds a step of the period to the runs and to the marks of its bin, before it is taken.
func (w *walk) run(s step) {
	if s.change > 0 {
		w.chart.Joined[w.bin]++
		w.ups.add(s.at, w.total, w.total+1, w.span)
	} else {
		w.chart.Left[w.bin]++
		w.downs.add(s.at, w.total, w.total-1, w.span)
	}
}

// runs collects the runs of one direction.
type runs struct {
	all  []Run
	last int64
}

func (r *runs) add(at int64, before, after int, span Span) {
	if n := len(r.all); n == 0 || at-r.last > int64(pause) || at-r.all[n-1].From.UnixNano() > int64(maxRun) {
		r.all = append(r.all, Run{Span: Span{From: moment(at, span)}, Before: before})
	}
	r.last = at
	run := &r.all[len(r.all)-1]
	run.Nodes++
	run.After, run.Until = after, moment(at, span)
}

// largest returns the runs that changed the number of nodes the most in their direction, which is
// 1 or -1. A single node does not count, nor does a rise that was mostly undone meanwhile.
func (r *runs) largest(direction int) []Run {
	net := func(r Run) int { return direction * (r.After - r.Before) }
	big := slices.DeleteFunc(r.all, func(r Run) bool { return net(r) < 2 || net(r) < r.Nodes/4 })
	slices.SortStableFunc(big, func(a, b Run) int { return cmp.Compare(net(b), net(a)) })
	return big[:min(len(big), maxRuns)]
}
