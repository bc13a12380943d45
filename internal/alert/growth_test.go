package alert

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

type life struct{ joined, removed time.Time }

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
			w, ok := DetectGrowth(livesOf(tc.lives), tc.told, t0.Add(tc.watched), t0)
			if w.Kind != tc.want || ok != (tc.want != "") {
				t.Errorf("DetectGrowth = %q %+v, want %q", w.Kind, w.About.Growth, tc.want)
			}
		})
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
	}{
		"all prices are known":               {lives, 1},
		"one is not":                         {append(lives, life("a", "unknown", time.Minute, there)), 0},
		"of one that was there all the time": {append(lives, life("a", "unknown", time.Hour, there)), 1},
	} {
		g, err := WhatGrew(wave.Growth{Over: 10 * time.Minute}, func(yield func(fleet.Life, error) bool) {
			for _, l := range tt.lives {
				if !yield(l, nil) {
					return
				}
			}
		}, now, price)
		if err != nil || g.USD != tt.usd {
			t.Errorf("%s: $%v more, %v, want %v", name, g.USD, err, tt.usd)
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
