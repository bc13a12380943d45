package digest

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
)

var t0 = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

var (
	spot = fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "spot"}
	od   = fleet.Machine{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", CapacityType: "on-demand"}
	odd  = fleet.Machine{InstanceType: "weird"}
)

// prices: spot costs 1 $/h, at most; on-demand 3; what is odd is not priced.
func prices(m fleet.Machine) fleet.Price {
	switch m {
	case spot:
		return fleet.Price{USD: 1, Known: true, AtMost: true}
	case od:
		return fleet.Price{USD: 3, Known: true}
	}
	return fleet.Price{}
}

func seq[T any](vs ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range vs {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// day is a day of facts about lives, watched throughout.
func day(lives ...fleet.Life) Facts {
	span := Span{From: t0, Until: t0.Add(24 * time.Hour)}
	return Facts{Cluster: "prod", Span: span, KnownFrom: t0.Add(-100 * 24 * time.Hour), WatchedUntil: span.Until,
		Price: prices, Lives: seq(lives...), Rescales: seq[fleet.Event]()}
}

// lived is a life from one time after t0 to another; 0 is for ever.
func lived(name string, m fleet.Machine, joined, removed time.Duration) fleet.Life {
	n := fleet.Life{UID: name, Name: name, Machine: m, Pool: "general", Joined: t0.Add(joined)}
	if removed != 0 {
		n.Removed = t0.Add(removed)
	}
	return n
}

func summarize(t *testing.T, f Facts) Summary {
	t.Helper()
	s, err := Summarize(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const h = time.Hour

func TestDay(t *testing.T) {
	f := day(
		lived("old", od, -100*h, 0),
		lived("leaver", od, -30*h, 6*h),
		lived("short", spot, 2*h, 2*h+30*time.Minute),
		lived("a", spot, 3*h, 0), lived("b", spot, 3*h+2*time.Minute, 0), lived("c", odd, 3*h+4*time.Minute, 9*h),
		lived("gone", od, -60*h, -25*h),
		lived("tomorrow", od, 24*h, 0),
	)
	f.Before = []Span{{From: t0.Add(-24 * h), Until: t0}, {From: t0.Add(-48 * h), Until: t0.Add(-24 * h)}}
	s := summarize(t, f)
	if s.Start != 2 || s.End != 3 || s.Joined != 4 || s.Left != 3 || s.Peak != 5 ||
		!s.PeakAt.Equal(t0.Add(3*h+4*time.Minute)) || s.Low != 2 || !s.LowAt.Equal(t0) {
		t.Errorf("%+v", s)
	}
	// 24 + 6 on-demand hours at 3, 0.5 + 21 + (21 h less 2 m) spot hours at 1 at most; c has no price.
	minutes := func(n float64) float64 { return n / 60 }
	if want := 30*3 + 0.5 + 21 + 21 - minutes(2); math.Abs(s.Cost.USD-want) > 1e-9 || !s.Cost.AtMost ||
		s.Cost.Unpriced != 1 || s.Cost.Priced != 5 || s.Nodes != 6 {
		t.Errorf("cost %+v of %d nodes, want %v", s.Cost, s.Nodes, want)
	}
	// The day before: old 24 h, leaver 24 h; the one before that: old 24 h, leaver 6 h, gone 23 h.
	if s.Previous == nil || math.Abs(s.Previous.Cost.USD-48*3) > 1e-9 {
		t.Errorf("previous %+v", s.Previous)
	}
	if want := (48 + 24 + 6 + 23) * 3.0; s.Average == nil || s.Average.Periods != 2 || s.Average.Cost.USD != want ||
		s.Average.Length != 48*h {
		t.Errorf("average %+v, want %v", s.Average, want)
	}
	if len(s.Machines) != 3 || s.Machines[0].CapacityType != "on-demand" || s.Machines[0].Hours.Sure != fleet.Together(30*h) ||
		s.Machines[0].Before.Hours.Sure != fleet.Together(48*h) || s.Machines[2].InstanceType != "weird" {
		t.Errorf("machines %+v", s.Machines)
	}
	want := []Run{{Span: Span{From: t0.Add(3 * h), Until: t0.Add(3*h + 4*time.Minute)}, Nodes: 3, Before: 2, After: 5}}
	if diff := cmp.Diff(want, s.Ups); diff != "" || len(s.Downs) != 0 {
		t.Errorf("runs (-want +got):\n%s%v", diff, s.Downs)
	}
	if c := s.Churn; c.Short.Nodes != 1 || c.Short.Cost.USD != 0.5 ||
		c.Short.Hours.Sure != fleet.Together(30*time.Minute) ||
		c.NeverReady != 2 || c.Ready != 0 {
		t.Errorf("churn %+v", c)
	}
	if s.Quiet() || s.Coverage.Shortened || s.Coverage.Unwatched != 0 {
		t.Errorf("coverage %+v", s.Coverage)
	}
}

// TestIntegrals compares the summary with a count second by second.
func TestIntegrals(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		const length = 3000
		f := day()
		f.Span = Span{From: t0, Until: t0.Add(length * time.Second)}
		f.WatchedUntil = f.Until
		if r.IntN(4) == 0 {
			f.WatchedUntil = t0.Add(time.Duration(r.IntN(length-200)) * time.Second)
		}
		f.Before = []Span{{From: t0.Add(-length * time.Second), Until: t0}}
		var lives []fleet.Life
		for i := range r.IntN(60) {
			joined := r.IntN(3*length) - 2*length
			n := lived(fmt.Sprint(i), []fleet.Machine{spot, od, odd}[r.IntN(3)], time.Duration(joined)*time.Second, 0)
			if r.IntN(3) > 0 {
				removed := joined + r.IntN(2*length)
				n.Removed = t0.Add(time.Duration(removed) * time.Second)
				if r.IntN(3) == 0 {
					n.RemovedAfter = t0.Add(time.Duration(joined+r.IntN(removed-joined+1)) * time.Second)
				}
			}
			lives = append(lives, n)
		}
		f.Lives = seq(lives...)
		s := summarize(t, f)
		brute := func(from int) (sure, unsure int, cost float64, perKind map[fleet.Machine]int, most, least, end int) {
			perKind, least = map[fleet.Machine]int{}, math.MaxInt
			for sec := from; sec < from+length; sec++ {
				at := t0.Add(time.Duration(sec) * time.Second)
				alive := 0
				for _, n := range lives {
					if n.Joined.After(at) || !n.Removed.IsZero() && !n.Removed.After(at) {
						continue
					}
					alive++
					doubt := !n.RemovedAfter.IsZero() && !n.RemovedAfter.After(at)
					until := t0.Add(time.Duration(from+length) * time.Second)
					doubt = doubt || n.Removed.IsZero() && until.Sub(f.WatchedUntil) > fleet.Unwatched && !f.WatchedUntil.After(at)
					if doubt {
						unsure++
						continue
					}
					sure++
					perKind[n.Machine]++
					cost += prices(n.Machine).USD / 3600
				}
				most, least, end = max(most, alive), min(least, alive), alive
			}
			return
		}
		sure, unsure, cost, perKind, most, least, end := brute(0)
		if s.Hours.Sure != fleet.NodeTime(sure*1000) || s.Hours.Unsure != fleet.NodeTime(unsure*1000) ||
			math.Abs(s.Cost.USD-cost) > 1e-6 {
			t.Fatalf("seed %d: %+v %+v, want %d s and %d s unsure, $%v", seed, s.Hours, s.Cost, sure, unsure, cost)
		}
		for _, m := range s.Machines {
			for k, n := range perKind {
				if k.InstanceType == m.InstanceType && k.CapacityType == m.CapacityType &&
					m.Hours.Sure != fleet.NodeTime(n*1000) {
					t.Fatalf("seed %d: %+v, want %d s", seed, m, n)
				}
			}
		}
		sureBefore, _, costBefore, _, _, _, _ := brute(-length)
		if s.Previous.Hours.Sure != fleet.NodeTime(sureBefore*1000) || math.Abs(s.Previous.Cost.USD-costBefore) > 1e-6 {
			t.Fatalf("seed %d: before %+v, want %d s, $%v", seed, s.Previous, sureBefore, costBefore)
		}
		// Lives of no length, and nodes that came at the moment when others left, count for neither.
		if s.Start+s.Joined-s.Left != s.End || s.Peak < most || s.Low > least || s.End != end &&
			!slices.ContainsFunc(lives, func(n fleet.Life) bool { return n.Joined.Equal(n.Removed) }) {
			t.Fatalf("seed %d: start %d + %d - %d = %d, peak %d, low %d; counted %d to %d, end %d", seed, s.Start, s.Joined,
				s.Left, s.End, s.Peak, s.Low, least, most, end)
		}
		peak := 0
		for i := range bins {
			n := 0
			for _, x := range s.Chart.Series {
				n += x.Nodes[i]
				if x.Nodes[i] < 0 {
					t.Fatalf("seed %d: a negative bin", seed)
				}
			}
			peak = max(peak, n)
		}
		if len(s.Chart.Series) > 0 && peak != s.Peak {
			t.Fatalf("seed %d: the chart's peak is %d, not %d", seed, peak, s.Peak)
		}
		if in, out := total(s.Chart.Joined), total(s.Chart.Left); in != s.Joined || out != s.Left {
			t.Fatalf("seed %d: the chart marks %d and %d, not %d and %d", seed, in, out, s.Joined, s.Left)
		}
	}
}

func total(ns []int) (sum int) {
	for _, n := range ns {
		sum += n
	}
	return sum
}

func TestCoverage(t *testing.T) {
	gap := func(from, until time.Duration, missed bool, events time.Duration) fleet.Gap {
		return fleet.Gap{From: t0.Add(from), Until: t0.Add(until), Missed: missed, EventsFrom: t0.Add(events)}
	}
	f := day(lived("a", od, -h, 0))
	f.Gaps = []fleet.Gap{gap(-h, h, true, -h), gap(2*h, 3*h, false, 2*h), gap(10*h, 12*h, true, 11*h),
		gap(11*h+30*time.Minute, 13*h, true, 12*h)}
	f.WatchedUntil = t0.Add(22 * h)
	s := summarize(t, f)
	want := Coverage{Gaps: []Span{{From: t0, Until: t0.Add(h)}, {From: t0.Add(10 * h), Until: t0.Add(13 * h)},
		{From: t0.Add(22 * h), Until: t0.Add(24 * h)}}, Unwatched: 6 * h, Resumed: h, Ongoing: true, EventsLost: h}
	if diff := cmp.Diff(want, s.Coverage); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.Hours != (Hours{fleet.Together(22 * h), fleet.Together(2 * h)}) || s.UnsureUSD != 6 || s.Quiet() {
		t.Errorf("%+v", s.Use)
	}

	f = day(lived("a", od, -h, 0))
	f.KnownFrom = t0.Add(h)
	f.Before = []Span{{From: t0.Add(-24 * h), Until: t0}}
	s = summarize(t, f)
	if !s.Coverage.Shortened || !s.From.Equal(t0.Add(h)) || s.Hours.Sure != fleet.Together(23*h) || s.Previous != nil ||
		s.Average != nil {
		t.Errorf("begun later: %+v", s)
	}
	f.KnownFrom = t0.Add(48 * h)
	if s = summarize(t, f); s.Hours.Sure != 0 || s.Length() != 0 {
		t.Errorf("nothing is known: %+v", s)
	}
}

func TestQuiet(t *testing.T) {
	f := day(lived("a", od, -h, 0))
	if s := summarize(t, f); !s.Quiet() || s.Start != 1 || s.End != 1 || s.Peak != 1 || s.Cost.USD != 72 {
		t.Errorf("%+v", s)
	}
	if s := summarize(t, day()); !s.Quiet() || len(s.Chart.Series) != 0 {
		t.Errorf("no nodes: %+v", s)
	}
	f.Incidents = []fleet.Incident{{NodeUID: "a", From: t0, Until: t0.Add(time.Minute)}}
	if summarize(t, f).Quiet() {
		t.Error("a node that was not ready is quiet")
	}
	f = day()
	f.Lives = func(yield func(fleet.Life, error) bool) { yield(fleet.Life{}, errors.New("broken")) }
	if _, err := Summarize(f); err == nil {
		t.Error("an error of the ledger is lost")
	}
}

func TestChurn(t *testing.T) {
	var lives []fleet.Life
	ready := func(n fleet.Life, after time.Duration) fleet.Life { n.Ready = n.Joined.Add(after); return n }
	for i := range 5 { // a spot node replaced by another every 40 minutes
		at := time.Duration(i) * 40 * time.Minute
		lives = append(lives,
			ready(lived(fmt.Sprint("loop-", i), spot, at, at+42*time.Minute), time.Duration(40+i)*time.Second))
	}
	for i := range 10 { // a rollout: all at once
		lives = append(lives, ready(lived(fmt.Sprint("old-", i), od, -h, 10*h), time.Minute),
			ready(lived(fmt.Sprint("new-", i), od, 10*h+time.Minute, 0), time.Minute))
	}
	lives = append(lives, lived("never", odd, 20*h, 20*h+10*time.Minute),
		ready(lived("slow", odd, 21*h, 0), 9*time.Minute))
	c := summarize(t, day(lives...)).Churn
	want := Churn{Ready: 16, Median: time.Minute, Worst: 9 * time.Minute, WorstName: "slow", NeverReady: 1, SlowNever: 1,
		Loops: []Loop{{"general", "m5.large", "spot", 4}}}
	short, slow := c.Short, c.Slow
	c.Short, c.Slow = Use{}, Use{}
	if slow.Nodes != 1 || slow.Hours.Sure != fleet.Together(10*time.Minute) || slow.Cost.Unpriced != 1 {
		t.Errorf("slow: %+v", slow)
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if short.Nodes != 6 || short.Hours.Sure != fleet.Together(220*time.Minute) || math.Abs(short.Cost.USD-3.5) > 1e-9 ||
		short.Cost.Unpriced != 1 {
		t.Errorf("short: %+v", short)
	}
}

func TestDown(t *testing.T) {
	f := day()
	f.Incidents = []fleet.Incident{
		{NodeUID: "a", NodeName: "a", From: t0.Add(-h), Until: t0.Add(h)},
		{NodeUID: "a", NodeName: "a", From: t0.Add(2 * h), Until: t0.Add(5 * h), Left: true},
		{NodeUID: "b", NodeName: "b", From: t0.Add(20 * h)},
		{NodeUID: "c", NodeName: "c", From: t0.Add(21 * h), Until: t0.Add(21*h + time.Minute)},
	}
	d := summarize(t, f).Down
	if d.Incidents != 4 || d.Nodes != 3 || d.Total != 8*h+time.Minute || d.Lasting != 1 || d.Left != 1 ||
		len(d.Longest) != 3 || d.Longest[0].NodeName != "b" || d.Longest[2].Until != t0.Add(h) {
		t.Errorf("%+v", d)
	}
}

func TestScalings(t *testing.T) {
	e := func(kind, name, note string, count int, first, last time.Duration) fleet.Event {
		return fleet.Event{Regarding: fleet.ObjectRef{Kind: kind, Namespace: "shop", Name: name}, Note: note, Count: count,
			First: t0.Add(first), Last: t0.Add(last)}
	}
	const hpa, dep = "HorizontalPodAutoscaler", "Deployment"
	f := day()
	f.Rescales = seq(
		e(hpa, "web", "New size: 4; reason: cpu resource utilization (percentage of request) above target", 1, h, h),
		e(hpa, "web", "New size: 12; reason: cpu", 2, h, 2*h),
		e(hpa, "web", "New size: 6; reason: All metrics below target", 3, -h, 3*h),
		e(hpa, "odd", "something else", 1, h, h),
		e(dep, "web", "Scaled up replica set web-old from 2 to 4", 1, h, h),
		e(dep, "web", "Scaled up replica set web-new from 0 to 2", 1, 2*h, 2*h),
		e(dep, "web", "Scaled down replica set web-old from 4 to 2", 1, 2*h, 2*h),
		e(dep, "web", "(combined from similar events): Scaled up replica set web-new to 5 from 2", 1, 3*h, 3*h),
		e(dep, "web", "Scaled down replica set web-old from 2 to 0", 1, 3*h, 3*h),
		e(dep, "api", "Scaled up replica set api-1 from 99999999999999999999 to 3", 1, 3*h, 3*h),
		e(dep, "api", "Scaled up replica set", 1, 3*h, 3*h),
	)
	s := summarize(t, f)
	want := Scalings{Objects: 2, Times: 5, AtLeast: true, Top: []Scaled{
		{Namespace: "shop", Name: "web", Times: 4, AtLeast: true, From: 2, To: 5, Low: 2, High: 7}, // its Deployment's sizes
		{Namespace: "shop", Name: "odd", Times: 1, From: -1, To: -1}}}
	if diff := cmp.Diff(want, s.HPAs); diff != "" {
		t.Errorf("HPAs (-want +got):\n%s", diff)
	}
	want = Scalings{Objects: 1, Times: 2, Top: []Scaled{
		{Namespace: "shop", Name: "api", Times: 2, From: -1, To: -1}}}
	if diff := cmp.Diff(want, s.Deployments); diff != "" {
		t.Errorf("deployments (-want +got):\n%s", diff)
	}
	if !s.Quiet() {
		t.Error("rescales alone are no news of nodes")
	}
}

// An autoscaler and the Deployment that it scales are one line, where their names and sizes say that they belong
// together, and only there.
func TestScalingsTogether(t *testing.T) {
	const hpa, dep = "HorizontalPodAutoscaler", "Deployment"
	e := func(kind, namespace, name, note string) fleet.Event {
		return fleet.Event{Regarding: fleet.ObjectRef{Kind: kind, Namespace: namespace, Name: name}, Note: note, Count: 1,
			First: t0.Add(h), Last: t0.Add(h)}
	}
	for name, tt := range map[string]struct {
		events []fleet.Event
		want   []string
	}{
		"of one name": {[]fleet.Event{e(hpa, "shop", "web", "New size: 14; reason: cpu"),
			e(dep, "shop", "web", "Scaled up replica set web-1 from 2 to 9"),
			e(dep, "shop", "web", "Scaled up replica set web-1 from 9 to 14")}, []string{"shop/web (HPA) 2 → 14, once"}},
		"a part of the name, of one size": {[]fleet.Event{e(hpa, "shop", "keda-hpa-web", "New size: 14; reason: cpu"),
			e(dep, "shop", "web", "Scaled up replica set web-1 from 2 to 14")}, []string{"shop/web (HPA) 2 → 14, once"}},
		"the longest part": {[]fleet.Event{e(hpa, "shop", "web-api-hpa", "New size: 14; reason: cpu"),
			e(dep, "shop", "web", "Scaled up replica set web-1 from 3 to 14"),
			e(dep, "shop", "web-api", "Scaled up replica set web-api-1 from 2 to 14")},
			[]string{"shop/web-api (HPA) 2 → 14, once", "shop/web (Deployment) 3 → 14, once"}},
		"of another size": {[]fleet.Event{e(hpa, "shop", "web-hpa", "New size: 14; reason: cpu"),
			e(dep, "shop", "web", "Scaled up replica set web-1 from 2 to 9")},
			[]string{"shop/web-hpa (HPA) to 14, once", "shop/web (Deployment) 2 → 9, once"}},
		"of another namespace": {[]fleet.Event{e(hpa, "shop", "web", "New size: 14; reason: cpu"),
			e(dep, "test", "web", "Scaled up replica set web-1 from 2 to 14")},
			[]string{"shop/web (HPA) to 14, once", "test/web (Deployment) 2 → 14, once"}},
		"no part of the name": {[]fleet.Event{e(hpa, "shop", "webshop", "New size: 14; reason: cpu"),
			e(dep, "shop", "web", "Scaled up replica set web-1 from 2 to 14")},
			[]string{"shop/webshop (HPA) to 14, once", "shop/web (Deployment) 2 → 14, once"}},
	} {
		f := day()
		f.Rescales = seq(tt.events...)
		s := summarize(t, f)
		w := words{s}
		got := append(w.scalings("HPA", s.HPAs), w.scalings("Deployment", s.Deployments)...)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Nodes that come and go all day are no growth; a real one among them is.
func TestRuns(t *testing.T) {
	lives := []fleet.Life{lived("old", od, -h, 0)}
	for i := range 24 * 60 {
		at := time.Duration(i) * time.Minute
		lives = append(lives, lived(fmt.Sprint("churn-", i), spot, at, at+10*time.Minute+30*time.Second))
	}
	if s := summarize(t, day(lives...)); len(s.Ups) != 0 || len(s.Downs) != 0 {
		t.Errorf("churn: up %+v, down %+v", s.Ups, s.Downs)
	}
	for i := range 50 {
		lives = append(lives,
			lived(fmt.Sprint("burst-", i), spot, 12*h+time.Duration(i)*time.Second, 15*h+time.Duration(i)*time.Second))
	}
	s := summarize(t, day(lives...))
	if len(s.Ups) == 0 || s.Ups[0].After-s.Ups[0].Before < 45 || len(s.Downs) == 0 ||
		s.Downs[0].Before-s.Downs[0].After < 45 {
		t.Errorf("a burst in churn: up %+v, down %+v", s.Ups, s.Downs)
	}
}

// The layers of the chart are the largest, and the rest is one.
func TestLayers(t *testing.T) {
	var lives []fleet.Life
	for i := range 9 {
		lives = append(lives,
			lived(fmt.Sprint(i), fleet.Machine{InstanceType: fmt.Sprintf("type-%d", i), CapacityType: "spot"},
				time.Duration(i)*h, 0))
	}
	c := summarize(t, day(lives...)).Chart
	var names []string
	for _, s := range c.Series {
		names = append(names, s.Name)
	}
	if diff := cmp.Diff([]string{"type-0", "type-1", "type-2", "type-3", "type-4", "others"}, names); diff != "" ||
		c.By != "instance type" || c.Series[5].Nodes[bins-1] != 4 {
		t.Errorf("%s by %s, %d others", diff, c.By, c.Series[5].Nodes[bins-1])
	}
	lives = append(lives, lived("od", od, 0, 0))
	if c = summarize(t, day(lives...)).Chart; c.By != "capacity type" || len(c.Series) != 2 ||
		c.Series[0].Name != "spot" || c.Series[0].Nodes[bins-1] != 9 {
		t.Errorf("%+v", c)
	}
}
