package slackapp

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/deliver"
	"rollcall/internal/digest"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

func scan[T any](vs ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range vs {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// storyDay is a day in which something of everything happened.
func storyDay(t *testing.T) digest.Facts {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, zone)
	at := func(hours float64) time.Time { return from.Add(time.Duration(hours * float64(time.Hour))) }
	f := digest.Facts{Cluster: "prod", Span: digest.Span{From: from, Until: at(24)}, KnownFrom: from.AddDate(0, 0, -30),
		WatchedUntil: at(24), Price: storyPrice}
	for i := range 7 {
		f.Before = append(f.Before, digest.Span{From: from.AddDate(0, 0, -i-1), Until: from.AddDate(0, 0, -i)})
	}
	machine := func(itype, capacity string) fleet.Machine {
		return fleet.Machine{Provider: "aws", Region: "eu-central-1", InstanceType: itype, CapacityType: capacity}
	}
	var lives []fleet.Life
	add := func(n int, name string, m fleet.Machine, joined, step, lived float64) {
		for i := range n {
			l := fleet.Life{UID: fmt.Sprint(name, i), Name: fmt.Sprintf("%s-%d", name, i), Pool: "general", Machine: m,
				Joined: at(joined + step*float64(i)).Truncate(time.Second)}
			if joined >= 0 {
				l.Ready = l.Joined.Add(time.Duration(38+i%9) * time.Second)
			}
			if lived > 0 {
				l.Removed = l.Joined.Add(time.Duration(lived * float64(time.Hour)))
			}
			lives = append(lives, l)
		}
	}
	add(38, "base", machine("m5.large", "on-demand"), -300, 0, 0)
	add(4, "gpu", machine("g6e.custom", "on-demand"), -200, 0, 0)
	add(24, "yesterday", machine("m5.large", "spot"), -23, 0.01, 9)
	add(40, "burst", machine("c6i.2xlarge", "spot"), 3.2, 0.003, 7.5)
	add(5, "loop", machine("m5.large", "spot"), 12, 0.7, 0.72)
	add(3, "short", machine("c6i.2xlarge", "on-demand"), 20, 0.002, 0.4)
	lives[len(lives)-1].Ready = time.Time{}
	for i, l := range lives {
		switch {
		case strings.HasPrefix(l.Name, "burst"):
			lives[i].Came = fleet.Cause{Kind: fleet.Demand, By: "Karpenter", Why: "its HPA went from 4 to 60 (cpu above target)",
				For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}}
			lives[i].Went = fleet.Cause{Kind: fleet.Empty, By: "Karpenter"}
		case strings.HasPrefix(l.Name, "loop"):
			lives[i].Went = fleet.Cause{Kind: fleet.SpotInterruption}
		}
	}
	lost := fleet.Life{UID: "lost", Name: "lost", Machine: machine("m5.large", "on-demand"), Joined: at(-50),
		Removed: at(15), RemovedAfter: at(14)}
	f.Lives = scan(append(lives, lost)...)
	f.Incidents = []fleet.Incident{
		{NodeUID: "base0", NodeName: "base-0", Reason: "NodeStatusUnknown", From: at(5), Until: at(5.2)},
		{NodeUID: "burst3", NodeName: "burst-3", Reason: "KubeletNotReady", From: at(9), Until: at(10.7), Left: true},
		{NodeUID: "base1", NodeName: "base-1", Reason: "NodeStatusUnknown", From: at(23)},
	}
	event := func(kind, name, note string, count int, hour float64) fleet.Event {
		return fleet.Event{Regarding: fleet.ObjectRef{Kind: kind, Namespace: "shop", Name: name}, Note: note, Count: count,
			First: at(hour), Last: at(hour)}
	}
	f.Rescales = scan(
		event("HorizontalPodAutoscaler", "web",
			"New size: 12; reason: cpu resource utilization (percentage of request) above target", 1, 3),
		event("HorizontalPodAutoscaler", "web",
			"New size: 60; reason: cpu resource utilization (percentage of request) above target", 1, 3.1),
		event("HorizontalPodAutoscaler", "web", "New size: 8; reason: All metrics below target", 1, 11),
		event("Deployment", "web", "Scaled up replica set web-7c9f6d from 4 to 12", 1, 3),
		event("Deployment", "web", "Scaled up replica set web-7c9f6d from 12 to 60", 1, 3.1),
		event("Deployment", "web", "Scaled down replica set web-7c9f6d from 60 to 8", 1, 11),
		event("Deployment", "api", "Scaled up replica set api-5d8c from 3 to 4", 1, 4))
	kept := func(n int, k fleet.Keeper, since, last float64) fleet.Keep {
		return fleet.Keep{NodeUID: fmt.Sprint("base", n), Node: fmt.Sprint("base-", n),
			Machine: machine("m5.large", "on-demand"), Keeper: k, Since: at(since), Last: at(last), AtLeast: n == 3}
	}
	checkout := fleet.Keeper{Kind: fleet.ByBudget, Namespace: "shop", Name: "checkout"}
	f.Keeps = scan(kept(1, checkout, -30, 24), kept(2, checkout, 4, 24),
		kept(2, fleet.Keeper{Kind: fleet.ByPod, Namespace: "ml", Name: "notebook-7"}, 6, 24),
		kept(3, fleet.Keeper{Kind: fleet.ByCordon}, -7, -7), kept(4, fleet.Keeper{Kind: fleet.BySpot}, 0, 24),
		kept(5, fleet.Keeper{Kind: fleet.ByCordon}, 22, 22))
	f.Bare = []fleet.Life{{UID: "bare", Name: "bare", Machine: machine("m5.large", "on-demand"), Joined: at(4)}}
	f.Gaps = []fleet.Gap{{From: at(14), Until: at(15), Missed: true, EventsFrom: at(14.5)}}
	f.Muted = []wave.MutedCount{{Mute: 1, Kind: fleet.Joined, Changes: 9}, {Mute: 1, Kind: fleet.Removed, Changes: 3}}
	return f
}

// digests are messages about days of many kinds, by name.
func digests(t *testing.T) map[string]message.Message {
	t.Helper()
	mutes := []wave.Mute{{ID: 1, Cluster: "prod", Scope: wave.MutePool, Value: "batch", ByName: "ada"}}
	day := storyDay(t)
	quiet := storyDay(t)
	quiet.Lives, quiet.Incidents, quiet.Gaps,
		quiet.Muted = scan(
		fleet.Life{UID: "a", Name: "a", Machine: fleet.Machine{InstanceType: "m5.large", CapacityType: "on-demand"},
			Joined: day.From.AddDate(0, 0, -20)}), nil, nil, nil
	empty := quiet
	empty.Lives = scan[fleet.Life]()
	begun := storyDay(t)
	begun.KnownFrom = begun.From.Add(6 * time.Hour)
	down := storyDay(t)
	down.WatchedUntil = down.From.Add(20 * time.Hour)
	unpriced := storyDay(t)
	unpriced.Price = func(fleet.Machine) fleet.Price { return fleet.Price{} }
	monday := storyDay(t)
	monday.From = monday.From.AddDate(0, 0, -2)
	monday.Before = []digest.Span{{From: monday.From.AddDate(0, 0, -1), Until: monday.From},
		{From: monday.From.AddDate(0, 0, -2), Until: monday.From.AddDate(0, 0, -1)}}
	week := storyDay(t)
	week.From, week.Before = week.Until.AddDate(0, 0, -7), nil
	for i := range 4 {
		week.Before = append(week.Before,
			digest.Span{From: week.From.AddDate(0, 0, -7*i-7), Until: week.From.AddDate(0, 0, -7*i)})
	}
	of, from := week.Lives, week.From
	week.Lives = func(yield func(fleet.Life, error) bool) { // spot nodes in the weeks before
		for i := range 30 {
			at := from.AddDate(0, 0, -1-i)
			if !yield(fleet.Life{UID: fmt.Sprint("spot-", i), Name: fmt.Sprint("spot-", i), Pool: "general",
				Machine: fleet.Machine{Provider: "aws", Region: "eu-central-1", InstanceType: "m5.large", CapacityType: "spot"},
				Joined:  at, Ready: at.Add(time.Minute), Removed: at.Add(20 * time.Hour)}, nil) {
				return
			}
		}
		of(yield)
	}
	half := week // what was is kept for three days and a half
	half.KnownFrom = week.Until.AddDate(0, 0, -3).Add(-12 * time.Hour)
	first := week // of the second week there is nothing to compare it with but the first
	first.KnownFrom = week.From.AddDate(0, 0, -10)
	out := map[string]message.Message{}
	for name, f := range map[string]digest.Facts{"week": week, "half-a-week": half, "first-week": first, "day": day,
		"quiet": quiet, "empty": empty, "begun": begun, "down": down,
		"unpriced": unpriced, "monday": monday} {
		s, err := digest.Summarize(f)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = digest.Render(s, mutes)
	}
	return out
}

func TestDigestViews(t *testing.T) {
	t.Parallel()
	for name, v := range digests(t) {
		golden(t, "digest-of-"+name, v.Text+"\n\n"+v.String())
		validDigest(t, name, v)
		if name == "day" {
			c := charted(v)
			blocks, err := json.MarshalIndent(
				map[string]any{"text": c.text, "blocks": c.blocks, "metadata": metadata(deliver.Mark{Key: "ab12cd34-digest-prod-1795507200"}, v)}, "",
				"  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "digest-of-day-blocks", string(blocks)+"\n")
		}
	}
}

// validDigest holds that Slack takes a digest, with its chart and without, and that it rings nobody; and that a phone
// shows its table whole, with what it costs beside the names.
func validDigest(t *testing.T, name string, v message.Message) {
	t.Helper()
	for _, p := range v.Parts {
		if p.Table == nil {
			continue
		}
		if head := p.Table.Head; len(head) > 3 || slices.Index(head, "Cost") > 1 {
			t.Errorf("%s: a table of %q", name, head)
		}
		for _, row := range p.Table.Rows {
			if len(row) != len(p.Table.Head) {
				t.Errorf("%s: the row %q below %q", name, row, p.Table.Head)
			}
		}
	}
	for _, what := range []content{charted(v), render(v, onMessage), render(v, onModal)} {
		valid(t, name, what)
	}
}

// Whatever the cluster calls its things and however long a period is, Slack takes the digest.
func TestDigestsFit(t *testing.T) {
	t.Parallel()
	names := []string{"", "<!channel>", strings.Repeat("ж", 300), "a\x00b\nc", "m5.large", "\xff\xfe",
		"*b* `c` & <@U0ADA>", strings.Repeat("😀", 200)}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		pick := func() string { return names[r.IntN(len(names))] + fmt.Sprint(r.IntN(9)) }
		length := []time.Duration{time.Second, time.Minute, 61 * time.Minute, 24 * time.Hour, 25 * time.Hour, 72 * time.Hour,
			7 * 24 * time.Hour, 90 * 24 * time.Hour}[r.IntN(8)]
		zone := []string{"UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Santiago"}[r.IntN(4)]
		z, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(2026, time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), 0, 0, 0, z)
		span := digest.Span{From: from, Until: from.Add(length)}
		within := func() time.Time { return from.Add(time.Duration(r.Float64() * float64(length))) }
		f := digest.Facts{Cluster: pick(), Span: span, KnownFrom: from.AddDate(-1, 0, 0), WatchedUntil: span.Until,
			Before: []digest.Span{{From: from.Add(-length), Until: from}},
			Price: func(m fleet.Machine) fleet.Price {
				return fleet.Price{USD: r.Float64() * 1e4, Known: r.IntN(3) > 0, AtMost: r.IntN(2) > 0,
					Source: names[r.IntN(len(names))]}
			}}
		var lives []fleet.Life
		for i := range r.IntN(400) {
			l := fleet.Life{UID: fmt.Sprint(i), Name: pick(), Pool: pick(),
				Machine: fleet.Machine{InstanceType: pick(), CapacityType: pick()},
				Joined:  within().Add(-time.Duration(r.IntN(2)) * length)}
			if r.IntN(2) > 0 {
				l.Removed = l.Joined.Add(time.Duration(r.Float64() * float64(length)))
			}
			lives = append(lives, l)
		}
		f.Lives = scan(lives...)
		var events []fleet.Event
		for range r.IntN(50) {
			events = append(events,
				fleet.Event{Regarding: fleet.ObjectRef{Kind: []string{"Deployment", "HorizontalPodAutoscaler"}[r.IntN(2)],
					Namespace: pick(), Name: pick()}, Note: "New size: 999999; reason: x", Count: r.IntN(1e6), First: within(),
					Last: within()})
		}
		f.Rescales = scan(events...)
		for i := range r.IntN(30) {
			f.Incidents = append(f.Incidents,
				fleet.Incident{NodeUID: fmt.Sprint(i), NodeName: pick(), Reason: pick(), From: within()})
			f.Gaps = append(f.Gaps, fleet.Gap{From: within(), Until: within(), Missed: true})
			f.Muted = append(f.Muted, wave.MutedCount{Mute: int64(i), Changes: 5})
		}
		s, err := digest.Summarize(f)
		if err != nil {
			t.Fatal(err)
		}
		v := digest.Render(s, []wave.Mute{{ID: 1, Scope: wave.MutePool, Value: pick(), ByName: pick()}})
		validDigest(t, fmt.Sprint("seed ", seed), v)
		for _, c := range []content{charted(v), {text: v.String()}} {
			raw, _ := json.Marshal(c.blocks)
			if strings.Contains(c.text, "NaN") || strings.Contains(string(raw), "NaN") || strings.Contains(string(raw), "Inf") {
				t.Errorf("seed %d: a number that is none", seed)
			}
		}
	}
}
