package alert

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

type life struct {
	joined, removed time.Time
	usd             float64 // by the hour
}

// crowd is n nodes that joined at one moment and left at another, if that is not zero.
func crowd(n int, joined, removed time.Duration) []life {
	l := life{joined: t0.Add(joined)}
	if removed != 0 {
		l.removed = t0.Add(removed)
	}
	lives := make([]life, n)
	for i := range lives {
		lives[i] = l
	}
	return lives
}

func livesOf(all []life) *Lives {
	lives, _ := NewLives(func(yield func(fleet.Life, error) bool) {
		for _, l := range all {
			if !yield(fleet.Life{Joined: l.joined, Removed: l.removed}, nil) {
				return
			}
		}
	})
	return lives
}

// daily is a cluster of base nodes that rises by peak every morning and falls every evening,
// for ten days until t0.
func daily(base, peak int) []life {
	lives := crowd(base, -20*day, 0)
	for d := range 10 {
		morning := -time.Duration(d)*day - 3*time.Hour
		evening := min(morning+10*time.Hour,
			// it is still there
			0)
		for i := range peak { // over two hours
			lives = append(lives, crowd(1, morning+time.Duration(i)*2*time.Hour/time.Duration(peak), evening)...)
		}
	}
	return lives
}

func TestDetectGrowth(t *testing.T) {
	leak := daily(40, 30)
	for d := range 8 { // three nodes a day stay
		leak = append(leak, crowd(3, -time.Duration(d)*day-5*time.Hour, 0)...)
	}
	usual := crowd(40, -20*day, 0)
	for h := 2; h < 20; h += 3 { // 30 nodes come at once, and go again, all day
		usual = append(usual, crowd(30, -time.Duration(h)*time.Hour, -time.Duration(h)*time.Hour+30*time.Minute)...)
	}
	surged := wave.Wave{Kind: wave.KindSurge, OpenedAt: t0.Add(-5 * time.Minute),
		About: wave.About{Growth: &wave.Growth{To: 140}}}
	crept := wave.Wave{Kind: wave.KindCreep, OpenedAt: t0.Add(-2 * day), About: wave.About{Growth: &wave.Growth{To: 58}}}
	for _, tc := range []struct {
		name    string
		lives   []life
		told    []wave.Wave
		watched time.Duration
		want    wave.Kind
	}{
		{"nothing happens", crowd(40, -20*day, 0), nil, -20 * day, ""},
		{"a hundred nodes in five minutes", append(crowd(40, -20*day, 0), crowd(100, -5*time.Minute, 0)...), nil, -20 * day,
			wave.KindSurge},
		{"told already", append(crowd(40, -20*day, 0), crowd(100, -5*time.Minute, 0)...), []wave.Wave{surged}, -20 * day, ""},
		{"a few nodes", append(crowd(40, -20*day, 0), crowd(19, -5*time.Minute, 0)...), nil, -20 * day, ""},
		{"as many as come all day", append(usual, crowd(40, -5*time.Minute, 0)...), nil, -20 * day, ""},
		{"many more than come all day", append(usual, crowd(100, -5*time.Minute, 0)...), nil, -20 * day, wave.KindSurge},
		{"just installed", crowd(100, -5*time.Minute, 0), nil, -6 * time.Minute, ""},
		{"a morning's rise", daily(40, 30), nil, -20 * day, ""},
		{"a slow leak", leak, nil, -20 * day, wave.KindCreep},
		{"a slow leak, told two days ago", leak, []wave.Wave{crept}, -20 * day, ""},
		{"a slow leak, but watched for a day only", leak, nil, -day, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, ok, err := DetectGrowth(History{Lives: livesOf(tc.lives), Told: tc.told, Watched: t0.Add(tc.watched)}, t0)
			if w.Kind != tc.want || ok != (tc.want != "") || err != nil {
				t.Errorf("DetectGrowth = %q %+v, %v, want %q", w.Kind, w.About.Growth, err, tc.want)
			}
		})
	}
}

// priced gives lives a price.
func priced(usd float64, all []life) []life {
	for i := range all {
		all[i].usd = usd
	}
	return all
}

// history is what growth is seen from, at t0; a price below 0 is unknown.
func history(all []life, watched time.Duration) History {
	h := History{Lives: livesOf(all), Watched: t0.Add(watched)}
	h.Cost = func(from, until time.Time) (*Costs, error) {
		return NewCosts(func(yield func(fleet.Life, error) bool) {
			for _, l := range all {
				if l.joined.After(until) || !l.removed.IsZero() && l.removed.Before(from) {
					continue
				}
				m := fleet.Machine{InstanceType: strconv.FormatFloat(l.usd, 'f', -1, 64)}
				if !yield(fleet.Life{Joined: l.joined, Removed: l.removed, Machine: m}, nil) {
					return
				}
			}
		}, func(m fleet.Machine) fleet.Price {
			usd, _ := strconv.ParseFloat(m.InstanceType, 64)
			return fleet.Price{USD: usd, Known: usd >= 0}
		})
	}
	return h
}

// What is unusual is so beside the cluster, what it costs, and what is usual in it.
func TestGrowthFits(t *testing.T) {
	const (
		small = 0.096 // m5.large
		gpu   = 5.672 // g5.12xlarge
		long  = -20 * day
	)
	have := func(n int) []life { return priced(small, crowd(n, long, 0)) }
	came := func(n int, ago time.Duration, usd float64) []life { return priced(usd, crowd(n, -ago, 0)) }
	// each is n more nodes for two hours, so long ago each time.
	each := func(n int, usd float64, ago ...time.Duration) (all []life) {
		for _, d := range ago {
			all = append(all, priced(usd, crowd(n, -d, -d+2*time.Hour))...)
		}
		return all
	}
	daily := func(n int, late time.Duration) (all []life) {
		for d := 1; d <= 8; d++ {
			all = append(all, each(n, small, time.Duration(d)*day+late)...)
		}
		return all
	}
	var spiky []life
	for h := 3; h < 8*24; h += 5 { // 6 to 30 nodes for each job
		spiky = append(spiky, each(6+h*7%25, small, time.Duration(h)*time.Hour)...)
	}
	const ago = 3 * time.Minute
	for _, tt := range []struct {
		name    string
		lives   []life
		watched time.Duration
		want    string // "" or how many nodes from and to
		dear    bool
	}{
		{"three become five", slices.Concat(have(3), came(2, ago, small)), long, "", false},
		{"three become five, dear ones", slices.Concat(have(3), came(2, ago, gpu)), long, "", false},
		{"four become eleven", slices.Concat(have(4), came(7, ago, small)), long, "", false},
		{"four become eighteen", slices.Concat(have(4), came(14, ago, small)), long, "4-18", false},
		{"without prices", slices.Concat(have(4), came(14, ago, -1)), long, "4-18", false},
		{"eighteen is all there was at the first start", slices.Concat(have(4), came(14, ago, small)), -2 * time.Hour, "",
			false},
		{"watched for a day", slices.Concat(have(4), came(14, ago, small)), -day - time.Hour, "4-18", false},
		{"as little as a quarter more", slices.Concat(priced(2, have(4)), came(14, ago, 0.01)), long, "", false},
		{"they are cheap, but one has no price", slices.Concat(priced(2, have(3)), came(14, ago, 0.01),
			priced(-1, have(1))), long, "4-18", false},
		{"from nothing", came(8, ago, small), long, "0-8", false},
		{"thirty become forty-four", slices.Concat(have(30), came(14, ago, small)), long, "", false},
		{"thirty become forty-five", slices.Concat(have(30), came(15, ago, small)), long, "30-45", false},
		{"fifty become sixty-nine", slices.Concat(have(50), came(19, ago, small)), long, "", false},
		{"four hundred become 419", slices.Concat(have(400), came(19, ago, small)), long, "", false},
		{"four hundred become 420", slices.Concat(have(400), came(20, ago, small)), long, "400-420", false},
		{"420, just watched", slices.Concat(have(400), came(20, ago, small)), -time.Hour, "400-420", false},
		{"twenty cheap ones", slices.Concat(priced(2, have(400)), came(20, ago, 0.001)), long, "400-420", false},

		{"they still come", slices.Concat(have(4), came(8, 90*time.Second, small), came(6, 10*time.Second, small)), long,
			"", false},
		{"they still come, most came before", slices.Concat(have(4), came(8, 4*time.Minute, small),
			came(6, 10*time.Second, small)), long, "4-18", false},
		{"they still come, and are many", slices.Concat(have(4), came(14, time.Minute, small),
			came(6, 10*time.Second, small)), long, "4-24", false},

		{"as each day", slices.Concat(have(4), daily(14, 0), came(14, ago, small)), long, "", false},
		{"as each day, an hour earlier", slices.Concat(have(4), daily(14, -time.Hour), came(14, ago, small)), long, "",
			false},
		{"as each day, an hour later", slices.Concat(have(4), daily(14, time.Hour), came(14, ago, small)), long, "", false},
		{"as yesterday, an hour later", slices.Concat(have(4), each(14, small, day+time.Hour), came(14, ago, small)),
			long, "", false},
		{"as on two days", slices.Concat(have(4), each(14, small, 3*day, 5*day), came(14, ago, small)), long, "", false},
		{"as on one day, then no more", slices.Concat(have(4), each(14, small, 3*day), came(14, ago, small)), long, "4-18",
			false},
		{"as on the same day of each week", slices.Concat(have(4), each(14, small, 7*day-time.Hour),
			came(14, ago, small)), long, "", false},
		{"three times as many as each day", slices.Concat(have(4), daily(5, 0), came(15, ago, small)), long, "4-19",
			false},
		{"a batch cluster", slices.Concat(have(3), spiky, came(30, ago, small)), long, "", false},
		{"a batch cluster that has three times its most", slices.Concat(have(3), spiky, came(100, ago, small)), long,
			"3-103", false},

		{"three dear ones", slices.Concat(have(4), came(3, ago, gpu)), long, "4-7", true},
		{"two dear ones", slices.Concat(have(4), came(2, ago, gpu)), long, "", false},
		{"three that double it, for a dollar", slices.Concat(have(4), came(3, ago, 0.4)), long, "", false},
		{"three dear ones in a cluster that is dear", slices.Concat(have(4), priced(gpu, have(4)), came(3, ago, gpu)), long,
			"", false},
		{"three dear ones as each day", slices.Concat(have(4), each(3, gpu, day, 2*day), came(3, ago, gpu)), long, "",
			false},
		{"three dear ones where three small ones are usual", slices.Concat(have(4), daily(3, 0), came(3, ago, gpu)), long,
			"4-7", true},
		{"three dear ones, and one has no price", slices.Concat(have(4), came(3, ago, gpu), priced(-1, have(1))), long,
			"", false},
		{"three dear ones, watched for an hour", slices.Concat(have(4), came(3, ago, gpu)), -time.Hour, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, ok, err := DetectGrowth(history(tt.lives, tt.watched), t0)
			got, dear := "", false
			if ok {
				got, dear = fmt.Sprintf("%d-%d", w.About.Growth.From, w.About.Growth.To), w.About.Growth.Dear
			}
			if got != tt.want || dear != tt.dear || err != nil || ok && w.Kind != wave.KindSurge {
				t.Errorf("%s %q, dear %v, %v; want %q, %v", w.Kind, got, dear, err, tt.want, tt.dear)
			}
		})
	}
}

// A step that stays is told beside what the cluster had; not if that is so each week, or a surge told it.
func TestCreepFits(t *testing.T) {
	const usd, long = 0.096, -20 * day
	have := func(n int) []life { return priced(usd, crowd(n, long, 0)) }
	stay := func(n, days int, usd float64) []life {
		return priced(usd, crowd(n, -time.Duration(days)*day-time.Hour, 0))
	}
	weekdays := func(n int, early time.Duration) []life { // since yesterday, and for five days until two days before
		return slices.Concat(priced(usd, crowd(n, -8*day-early, -3*day)), priced(usd, crowd(n, -day-time.Minute, 0)))
	}
	surged := func(ago time.Duration) []wave.Wave {
		return []wave.Wave{{Kind: wave.KindSurge, OpenedAt: t0.Add(-ago), About: wave.About{Growth: &wave.Growth{To: 18}}}}
	}
	for _, tt := range []struct {
		name  string
		lives []life
		told  []wave.Wave
		want  string
	}{
		{"three become five", slices.Concat(have(3), stay(2, 2, usd)), nil, ""},
		{"four become eight", slices.Concat(have(4), stay(4, 2, usd)), nil, ""},
		{"four become nine", slices.Concat(have(4), stay(5, 2, usd)), nil, "4-9"},
		{"without prices", slices.Concat(have(4), stay(5, 2, -1)), nil, "4-9"},
		{"for little money", slices.Concat(priced(2, have(4)), stay(5, 2, 0.01)), nil, ""},
		{"twelve become seventeen", slices.Concat(have(12), stay(5, 2, usd)), nil, ""},
		{"twelve become eighteen", slices.Concat(have(12), stay(6, 2, usd)), nil, "12-18"},
		{"thirty become forty", slices.Concat(have(30), stay(10, 2, usd)), nil, "30-40"},
		{"a hundred become 124", slices.Concat(have(100), stay(24, 2, usd)), nil, ""},
		{"a hundred become 125", slices.Concat(have(100), stay(25, 2, usd)), nil, "100-125"},
		{"on weekdays", slices.Concat(have(4), weekdays(8, 0)), nil, ""},
		{"on weekdays, two hours later a week ago", slices.Concat(have(4), weekdays(8, -2*time.Hour)), nil, ""},
		{"told as a surge, and stayed", slices.Concat(have(4), stay(14, 1, usd)), surged(day + 50*time.Minute), ""},
		{"told as a surge, and some left", slices.Concat(have(4), stay(10, 1, usd),
			priced(usd, crowd(4, -day-time.Hour, -day+10*time.Minute))), surged(day + 50*time.Minute), ""},
		{"after a surge that went", slices.Concat(have(4), stay(14, 2, usd),
			priced(usd, crowd(14, -5*day-time.Hour, -5*day+3*time.Hour))), surged(5*day + 50*time.Minute), "4-18"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := history(tt.lives, long)
			h.Told = tt.told
			w, ok, err := DetectGrowth(h, t0)
			got := ""
			if ok {
				got = fmt.Sprintf("%d-%d", w.About.Growth.From, w.About.Growth.To)
			}
			if got != tt.want || err != nil || ok && w.Kind != wave.KindCreep {
				t.Errorf("%s %q, %v, want %q", w.Kind, got, err, tt.want)
			}
		})
	}
}

// An error of the ledger is one here.
func TestGrowthUnread(t *testing.T) {
	broken := errors.New("broken")
	for name, lives := range map[string][]life{
		"surge": append(crowd(4, -20*day, 0), crowd(14, -5*time.Minute, 0)...),
		"creep": append(crowd(4, -20*day, 0), crowd(5, -2*day, 0)...),
	} {
		h := History{Lives: livesOf(lives), Watched: t0.Add(-20 * day),
			Cost: func(time.Time, time.Time) (*Costs, error) { return nil, broken }}
		if _, ok, err := DetectGrowth(h, t0); ok || !errors.Is(err, broken) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

// Thirty days of ordinary scaling, of clusters of all sizes, looked at each minute and told as it is told: workloads
// that rise and fall with the day and are quiet at weekends, by steps that differ, or that double at once each morning,
// about the same time; and machines that are replaced.
func TestOrdinaryScaling(t *testing.T) {
	for _, base := range []int{2, 3, 5, 8, 20, 60, 400} {
		ordinary(t, base, false)
	}
	for _, base := range []int{3, 8, 14} {
		ordinary(t, base, true)
	}
}

func ordinary(t *testing.T, base int, atOnce bool) {
	t.Helper()
	const days = 30
	random := rand.New(rand.NewPCG(uint64(base), 16))
	begin := t0.Add(-days * day)
	var all []life
	var alive []int
	join := func(at time.Time) {
		alive, all = append(alive, len(all)), append(all, life{joined: at, usd: 0.192})
	}
	for range base {
		join(begin.Add(-day))
	}
	morning := 7.0
	for at := begin; at.Before(t0); at = at.Add(5 * time.Minute) {
		hours := at.Sub(begin).Hours()
		hour, weekend := math.Mod(hours, 24), int(hours/24)%7 > 4
		load := max(0, math.Sin((hour-7)/12*math.Pi))
		step := max(1, len(alive)/5) // an autoscaler takes time
		if hour == 0 {
			morning = 7 + random.Float64()
		}
		if atOnce {
			load, step = 0, base
			if hour > morning && hour < 19 {
				load = 1
			}
		}
		if weekend {
			load /= 10
		}
		want := max(1, base+int(float64(base)*load+1.2*random.NormFloat64()))
		for n := 0; len(alive) < want && n < step; n++ {
			join(at.Add(time.Duration(random.IntN(60)) * time.Second))
		}
		for n := 0; len(alive) > want+1 && n < step; n++ {
			i := random.IntN(len(alive))
			all[alive[i]].removed = at.Add(70 * time.Second)
			alive = slices.Delete(alive, i, i+1)
		}
		if random.IntN(200) == 0 { // one is replaced
			i := random.IntN(len(alive))
			all[alive[i]].removed = at.Add(4 * time.Minute)
			alive = slices.Delete(alive, i, i+1)
			join(at.Add(time.Minute))
		}
	}
	h := history(all, -days*day)
	var told []string
	for at := begin; at.Before(t0); at = at.Add(time.Minute) {
		w, ok, err := DetectGrowth(h, at)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			told = append(told, fmt.Sprintf("%v %s %+v", at.Sub(begin), w.Kind, *w.About.Growth))
			h.Told = append(h.Told, wave.Wave{Kind: w.Kind, OpenedAt: at, About: w.About})
		}
	}
	if len(told) > 0 {
		t.Errorf("%d nodes, at once %v: %d told in %d days: %v", base, atOnce, len(told), days, told)
	}
}

// Counting by order is counting one by one.
func TestLivesCount(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	moment := func() time.Time { return t0.Add(time.Duration(random.IntN(50)) * time.Second) }
	var all []life
	for range 300 {
		l := life{joined: moment()}
		if random.IntN(3) > 0 {
			l.removed = moment()
		}
		all = append(all, l)
	}
	lives := livesOf(all)
	for s := -1; s <= 51; s++ {
		at, want := t0.Add(time.Duration(s)*time.Second), 0
		for _, l := range all {
			if !l.joined.After(at) && (l.removed.IsZero() || l.removed.After(at)) {
				want++
			}
		}
		if got := lives.count(at); got != want {
			t.Errorf("after %d s: %d, want %d", s, got, want)
		}
	}
}

func TestWhatGrew(t *testing.T) {
	now := t0.Add(time.Hour)
	life := func(pool, kind string, joined, removed time.Duration) fleet.Life {
		l := fleet.Life{Pool: pool, Machine: fleet.Machine{InstanceType: kind}, Joined: now.Add(-joined)}
		if removed >= 0 {
			l.Removed = now.Add(-removed)
		}
		return l
	}
	const there = -1
	lives := []fleet.Life{
		life("a", "m5.large", time.Minute, there), life("a", "m5.large", time.Minute, there),
		life("a", "m5.large", time.Minute, 0),           // it has left again
		life("a", "m5.large", time.Hour, there),         // it was there before
		life("b", "m5.large", time.Hour, 5*time.Minute), // one less
		life("c", "c5.large", 2*time.Minute, there),
	}
	price := func(m fleet.Machine) fleet.Price { return fleet.Price{USD: 0.5, Known: m.InstanceType != "unknown"} }
	for name, tt := range map[string]struct {
		lives []fleet.Life
		usd   float64
		was   float64
	}{
		"all prices are known":               {lives, 1, 1},
		"one is not":                         {append(lives, life("a", "unknown", time.Minute, there)), 0, 1},
		"of one that was there all the time": {append(lives, life("a", "unknown", time.Hour, there)), 1, 0},
	} {
		g, err := WhatGrew(wave.Growth{Over: 10 * time.Minute}, func(yield func(fleet.Life, error) bool) {
			for _, l := range tt.lives {
				if !yield(l, nil) {
					return
				}
			}
		}, now, price)
		if err != nil || g.USD != tt.usd || g.WasUSD != tt.was {
			t.Errorf("%s: $%v more than %v, %v, want %v and %v", name, g.USD, g.WasUSD, err, tt.usd, tt.was)
		}
		want := []wave.Grown{{Pool: "a", InstanceType: "m5.large", Nodes: 2}}
		if !slices.Equal(g.Most[:1], want) || g.Most[1].Nodes != 1 {
			t.Errorf("%s: %v grew most, want %v", name, g.Most, want)
		}
	}
	broken := errors.New("broken")
	if _, err := WhatGrew(wave.Growth{}, func(yield func(fleet.Life, error) bool) { yield(fleet.Life{}, broken) }, now,
		nil); !errors.Is(err, broken) {
		t.Errorf("an error of the ledger: %v", err)
	}
}

// The causes of those that joined meanwhile and are there are counted, and of those alone.
func TestWhyGrew(t *testing.T) {
	now := t0.Add(time.Hour)
	web := func(why string) fleet.Cause {
		return fleet.Cause{Kind: fleet.Demand, Why: why,
			For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}}
	}
	var lives []fleet.Life
	add := func(n int, c fleet.Cause, joined, removed time.Duration) {
		for range n {
			l := fleet.Life{Joined: now.Add(-joined), Came: c}
			if removed > 0 {
				l.Removed = now.Add(-removed)
			}
			lives = append(lives, l)
		}
	}
	add(7, web("its HPA went from 4 to 40"), time.Minute, 0)
	add(5, web("its HPA went from 4 to 22"), time.Minute, 0) // the same, seen earlier
	add(9, web("its HPA went from 4 to 40"), time.Hour, 0)
	add(3, web("its HPA went from 4 to 40"), 2*time.Minute, time.Minute)
	for i := range 4 {
		add(4-i, fleet.Cause{Kind: fleet.Demand, For: fleet.Workload{Kind: "Job", Namespace: "ml", Name: strconv.Itoa(i)}},
			time.Minute, 0)
	}
	add(6, fleet.Cause{}, time.Minute, 0)
	g, err := WhatGrew(wave.Growth{Over: surgeOver}, func(yield func(fleet.Life, error) bool) {
		for _, l := range lives {
			if !yield(l, nil) {
				return
			}
		}
	}, now, nil)
	want := []wave.CameFor{{Cause: web("its HPA went from 4 to 40"), Nodes: 12},
		{Cause: fleet.Cause{Kind: fleet.Demand, For: fleet.Workload{Kind: "Job", Namespace: "ml", Name: "0"}}, Nodes: 4},
		{Cause: fleet.Cause{Kind: fleet.Demand, For: fleet.Workload{Kind: "Job", Namespace: "ml", Name: "1"}}, Nodes: 3}}
	if err != nil || !slices.Equal(g.Why, want) || g.OtherCauses != 3 || g.Unexplained != 6 {
		t.Errorf("they came for %+v, %d others, %d unexplained, %v", g.Why, g.OtherCauses, g.Unexplained, err)
	}
}
