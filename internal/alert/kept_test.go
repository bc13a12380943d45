package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// aKeep is that something keeps a node since so long ago; last is how long ago it was said, and over whether it was
// over then.
func aKeep(node string, kind fleet.KeeperKind, since, last time.Duration, over bool) fleet.Keep {
	k := fleet.Keep{NodeUID: node, Node: node, Keeper: fleet.Keeper{Kind: kind}, Since: t0.Add(-since),
		Last: t0.Add(-last), Machine: fleet.Machine{InstanceType: "m5.large"}}
	if over {
		k.Until = k.Last.Add(45 * time.Minute)
	}
	return k
}

func TestFindKept(t *testing.T) {
	rule := KeptRule{USD: 5, Share: 0.2, For: 6 * time.Hour}
	price := func(m fleet.Machine) fleet.Price {
		return fleet.Price{USD: 1, Known: m.InstanceType == "m5.large"}
	}
	many := func(n int, since time.Duration) (all []fleet.Keep) {
		for i := range n {
			all = append(all, aKeep(fmt.Sprint("n", i), fleet.ByBudget, since, 0, false))
		}
		return all
	}
	unpriced := many(2, 7*time.Hour)
	for i := range unpriced {
		unpriced[i].Machine = fleet.Machine{}
	}
	told := func(key string, k wave.Kept, until time.Time) []wave.Wave {
		return []wave.Wave{{ID: 1, Kind: wave.KindKept, About: wave.About{Kept: &k,
			Standing: &wave.Standing{Key: key, Since: t0.Add(-9 * time.Hour), Until: until}}}}
	}
	relay := append(many(3, 2*time.Hour), aKeep("a", fleet.ByPod, 7*time.Hour, 2*time.Hour, true),
		aKeep("b", fleet.ByPod, 7*time.Hour, 2*time.Hour, true))
	broken := append(many(3, 2*time.Hour), aKeep("a", fleet.ByPod, 7*time.Hour, 4*time.Hour, true),
		aKeep("b", fleet.ByPod, 7*time.Hour, 4*time.Hour, true))
	cordon := aKeep("c", fleet.ByCordon, 4*time.Hour, 4*time.Hour, false)
	young := aKeep("d", fleet.ByCordon, 2*time.Hour, 2*time.Hour, false)
	forgotten := wave.Kept{Nodes: 1, Cordons: []wave.Cordon{{UID: "c", Name: "c", Since: cordon.Since}}}
	earlier := forgotten
	earlier.Cordons = []wave.Cordon{{UID: "c", Name: "c", Since: cordon.Since.Add(-time.Hour)}}
	for name, tt := range map[string]struct {
		rule  KeptRule
		keeps []fleet.Keep
		nodes int // of the cluster, at a dollar an hour
		live  []wave.Wave
		want  string
	}{
		"nothing":              {rule, nil, 100, nil, ""},
		"five dollars":         {rule, many(5, 7*time.Hour), 100, nil, "kept 5"},
		"four":                 {rule, many(4, 7*time.Hour), 100, nil, ""},
		"not for long enough":  {rule, many(9, 5*time.Hour), 100, nil, ""},
		"a fifth":              {rule, many(2, 7*time.Hour), 10, nil, "kept 2"},
		"less than a fifth":    {rule, many(2, 7*time.Hour), 11, nil, ""},
		"one node is no part":  {rule, many(1, 7*time.Hour), 3, nil, ""},
		"prices are not known": {rule, unpriced, 10, nil, "kept 2"},
		"turned off":           {KeptRule{}, append(many(9, 7*time.Hour), cordon), 10, nil, ""},
		"one after the other":  {rule, relay, 10, nil, "kept 3"},
		"with a pause":         {rule, broken, 10, nil, ""},
		"told, and a little less": {rule, many(4, time.Hour), 100, told(keptKey, wave.Kept{Nodes: 5}, time.Time{}),
			"kept 4"},
		"told, and much less":           {rule, many(3, 7*time.Hour), 100, told(keptKey, wave.Kept{Nodes: 5}, time.Time{}), ""},
		"it is over, and a little less": {rule, many(4, 7*time.Hour), 100, told(keptKey, wave.Kept{Nodes: 5}, t0), ""},
		"it is over, and is so again":   {rule, many(5, time.Hour), 100, told(keptKey, wave.Kept{Nodes: 5}, t0), "kept 5"},
		"settings": {rule, []fleet.Keep{aKeep("a", fleet.BySpot, 7*time.Hour, 0, false),
			aKeep("b", fleet.ByPolicy, 7*time.Hour, 0, false)}, 2, nil, ""},
		"forgotten":              {rule, []fleet.Keep{cordon, young}, 100, nil, "cordon 1 of 1"},
		"forgotten, and told":    {rule, []fleet.Keep{cordon}, 100, told("cordon/x", forgotten, time.Time{}), "cordon 1 of 1"},
		"remembered":             {rule, []fleet.Keep{young}, 100, told("cordon/x", forgotten, time.Time{}), ""},
		"forgotten another time": {rule, []fleet.Keep{cordon}, 100, told("cordon/x", earlier, time.Time{}), "cordon 1 of 1"},
	} {
		in := Keeping{Keeps: tt.keeps, Nodes: tt.nodes, All: fleet.Cost{USD: float64(tt.nodes), Priced: tt.nodes}}
		if name == "prices are not known" {
			in.All = fleet.Cost{Unpriced: tt.nodes}
		}
		var got []string
		for _, about := range FindKept(tt.rule, in, tt.live, price, t0) {
			k := about.Kept
			if len(k.Cordons) > 0 {
				got = append(got, fmt.Sprintf("cordon %d of %d", k.Nodes, len(k.Cordons)))
			} else {
				got = append(got, fmt.Sprintf("%s %d", about.Standing.Key, k.Nodes))
			}
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s: %q, want %q", name, s, tt.want)
		}
	}
}

// Turned off, what is told says so, and ends.
func TestKeptTurnedOff(t *testing.T) {
	live := []wave.Wave{{ID: 1, Kind: wave.KindKept, About: wave.About{Kept: &wave.Kept{Nodes: 3},
		Standing: &wave.Standing{Key: keptKey, Since: t0}}}}
	for i := range 3 {
		begin, changed := Stand(wave.KindKept, live, FindKept(KeptRule{}, Keeping{}, live, nil, t0), t0)
		if len(begin) > 0 || len(changed) != map[int]int{0: 1, 1: 1}[i] {
			t.Fatalf("look %d: %d begin, %d change", i, len(begin), len(changed))
		}
		if len(changed) > 0 {
			live = changed
		}
	}
	if a := live[0].About; !a.Kept.Off || a.Standing.Until.IsZero() {
		t.Errorf("it ends as %+v, %+v", a.Kept, a.Standing)
	}
	m := Render(live[0], fleet.Totals{}, nil, Config{})
	if m.Headline != ": KEPT_ALERT was turned off while there were 3 nodes kept from being ended" {
		t.Errorf("it says %q", m.Headline)
	}
}

// What is told of keeps changes only where something has changed that people want to know.
func TestFindKeptIsCalm(t *testing.T) {
	rule := KeptRule{USD: 5, For: 6 * time.Hour}
	price := func(fleet.Machine) fleet.Price { return fleet.Price{USD: 1, Known: true} }
	var keeps []fleet.Keep
	for i := range 6 {
		keeps = append(keeps, aKeep(fmt.Sprint("n", i), fleet.ByBudget, time.Duration(i+10)*time.Hour, 0, false))
	}
	var live []wave.Wave
	changes := 0
	for m := range 24 * 60 / 5 {
		now := t0.Add(time.Duration(5*m) * time.Minute)
		for i := range keeps {
			keeps[i].Last = now
		}
		in := Keeping{Keeps: keeps, Nodes: 100, All: fleet.Cost{USD: 100, Priced: 100}}
		begin, changed := Stand(wave.KindKept, live, FindKept(rule, in, live, price, now), now)
		if m == 0 {
			if len(begin) != 1 {
				t.Fatalf("%d begin", len(begin))
			}
			live = []wave.Wave{{ID: 1, Kind: wave.KindKept, About: begin[0].About}}
		}
		for _, w := range changed {
			changes++
			live = []wave.Wave{w}
		}
	}
	// 75 dollars become 219: that is eleven times a tenth more.
	if changes < 8 || changes > 13 {
		t.Errorf("it changed %d times in a day", changes)
	}
}

// A thousand nodes that were cordoned and forgotten are all told, each once, and in messages that are not too large.
func TestManyCordons(t *testing.T) {
	var keeps []fleet.Keep
	for i := range 1000 {
		keeps = append(keeps, aKeep(fmt.Sprint("n", i), fleet.ByCordon, time.Duration(4+i%5)*time.Hour, 0, false))
	}
	rule := KeptRule{USD: 5, For: 6 * time.Hour}
	var live []wave.Wave
	for range 3 {
		begin, changed := Stand(wave.KindKept, live, FindKept(rule, Keeping{Keeps: keeps, Nodes: 5000}, live, nil, t0), t0)
		if len(live) > 0 && len(begin)+len(changed) > 0 {
			t.Errorf("%d begin and %d change though nothing has", len(begin), len(changed))
		}
		for i, b := range begin {
			live = append(live, wave.Wave{ID: int64(i + 1), Kind: wave.KindKept, About: b.About})
		}
	}
	seen := map[string]int{}
	for _, w := range live {
		for _, c := range w.About.Kept.Cordons {
			seen[c.UID]++
		}
	}
	if len(seen) != 1000 || len(live) != 5 {
		t.Errorf("%d nodes in %d messages", len(seen), len(live))
	}
	for uid, n := range seen {
		if n != 1 {
			t.Errorf("%s is told %d times", uid, n)
		}
	}
}
