package alert

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// want returns a line that matches what has all of these values.
func want(line int, to wave.Place, values map[string]string) Route {
	return Route{Line: line, To: to, Mismatch: func(of Attributes) string {
		for _, k := range slices.Sorted(maps.Keys(values)) {
			if v, _ := of(k); v != values[k] {
				return k
			}
		}
		return ""
	}}
}

var testRoutes = Routes{Cluster: "prod", Rest: "C-rest", Lines: []Route{
	want(1, wave.Place{Channel: "C-oncall", Mentions: "S1 @here"}, map[string]string{KeySeverity: Warning}),
	want(2, wave.Place{Channel: "C-gpu"}, map[string]string{KeyPool: "gpu"}),
	want(3, wave.Place{Channel: "C-gpu", Mentions: "U1"}, map[string]string{KeyPool: "tpu"}),
	want(4, wave.Place{Channel: "C-shop"}, map[string]string{"team": "shop"}),
}}

func TestRoutes(t *testing.T) {
	node := fleet.Node{Cluster: "prod", Pool: "gpu", InstanceType: "p4d", Zone: "a", CapacityType: "spot", Arch: "amd64",
		Labels: map[string]string{"team": "shop", "pool": "hidden", "kind": "hidden"}}
	plain := fleet.Node{Cluster: "prod", Labels: map[string]string{"team": "shop"}}
	for _, tc := range []struct {
		n    fleet.Node
		kind fleet.ChangeKind
		want string
	}{
		{node, fleet.Joined, "C-gpu"}, {node, fleet.WentUnready, "C-oncall"}, {plain, fleet.Removed, "C-shop"},
		{fleet.Node{Cluster: "prod"}, fleet.Removed, "C-rest"},
	} {
		if got := testRoutes.OfChange(tc.n, tc.kind); got.Channel != tc.want {
			t.Errorf("%s of pool %q goes to %v, want %s", tc.kind, tc.n.Pool, got, tc.want)
		}
	}
	for key, want := range map[string]string{KeyCluster: "prod", KeyKind: "joined", KeySeverity: Info, KeyPool: "gpu",
		KeyType: "p4d", KeyZone: "a", KeyCapacity: "spot", KeyArch: "amd64", "team": "shop", KeyNamespace: ""} {
		if got, ok := NodeAttributes(node, fleet.Joined)(key); got != want || ok != (want != "") {
			t.Errorf("%s is %q, %t; want %q", key, got, ok, want)
		}
	}
	if _, ok := NodeAttributes(fleet.Node{}, fleet.Joined)(KeyPool); ok {
		t.Error("a node of no pool has one")
	}
	if got := testRoutes.Channels(); !slices.Equal(got, []string{"C-rest", "C-oncall", "C-gpu", "C-shop"}) {
		t.Errorf("channels %v", got)
	}
	loop := wave.About{Loop: &wave.Loop{Pool: "gpu"}}
	waiting := wave.About{Waiting: &wave.Waiting{Waiting: fleet.Waiting{Refusal: fleet.Refusal{Pool: "gpu,web"}}}}
	for _, tc := range []struct {
		kind  wave.Kind
		about wave.About
		want  wave.Place
	}{
		{wave.KindSurge, wave.About{}, wave.Place{Channel: "C-oncall", Mentions: "S1 @here"}},
		{wave.KindWaiting, waiting, wave.Place{Channel: "C-oncall", Mentions: "S1 @here"}},
		{wave.KindCreep, wave.About{}, wave.Place{Channel: "C-rest"}},
		{wave.KindLoop, loop, wave.Place{Channel: "C-gpu"}},
		{wave.KindMute, wave.About{Mute: 1}, wave.Place{Channel: "C-shop"}},
		{wave.KindMute, wave.About{Mute: 2}, wave.Place{Channel: "C-rest"}},
	} {
		mutes := []wave.Mute{{ID: 1, Channel: "C-shop"}, {ID: 2, Channel: "D-home"}}
		if got := testRoutes.OfWave(tc.kind, tc.about, mutes); got != tc.want {
			t.Errorf("%s goes to %v, want %v", tc.kind, got, tc.want)
		}
	}
	if got := testRoutes.Rung("U1 U2 @here"); got != "U1 @here" {
		t.Errorf("rung are %q", got)
	}
}

// What is not posted yet belongs to one place, to several, or where it is.
func TestPlaced(t *testing.T) {
	member := func(pool string, kind fleet.ChangeKind) wave.Member {
		return wave.Member{Node: fleet.Node{Cluster: "prod", Pool: pool},
			Steps: []fleet.Change{{Kind: kind}, {Kind: fleet.Removed}}}
	}
	for _, tc := range []struct {
		name    string
		members []wave.Member
		want    wave.Place
		split   bool
	}{
		{name: "one channel", members: []wave.Member{member("gpu", fleet.Joined)}, want: wave.Place{Channel: "C-gpu"}},
		{name: "one channel, other mentions", members: []wave.Member{member("gpu", fleet.Joined), member("tpu", fleet.Joined)},
			want: wave.Place{Channel: "C-gpu", Mentions: "U1"}},
		{name: "two channels", members: []wave.Member{member("gpu", fleet.Joined), member("web", fleet.Joined)}, split: true},
		{name: "the first step counts", members: []wave.Member{member("gpu", fleet.WentUnready)},
			want: wave.Place{Channel: "C-oncall", Mentions: "S1 @here"}},
	} {
		got, ok := testRoutes.Placed(wave.Wave{Kind: wave.KindJoined, Members: tc.members}, nil)
		if ok == tc.split || ok && got != tc.want {
			t.Errorf("%s: %v, %t", tc.name, got, ok)
		}
	}
	if got, ok := testRoutes.Placed(wave.Wave{Kind: wave.KindCreep}, nil); !ok || got.Channel != "C-rest" {
		t.Errorf("a creep: %v, %t", got, ok)
	}
}

// Whatever the routes and whatever happens, each step is in exactly one wave or hidden, and a wave tells in its channel
// what belongs there: its first steps by the routes, and each second step beside the first one.
func TestRoutedOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 17))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	for range 3000 {
		routes := Routes{Cluster: "prod", Rest: "C0"}
		for i := range r.IntN(5) {
			values := map[string]string{}
			if r.IntN(2) > 0 {
				values[KeyPool] = pick("a", "b")
			}
			if r.IntN(2) > 0 {
				values[KeyKind] = pick("joined", "removed", "not_ready", "ready")
			}
			if r.IntN(4) == 0 {
				values["team"] = pick("x", "y")
			}
			routes.Lines = append(routes.Lines, want(i+1, wave.Place{Channel: pick("C0", "C1", "C2"),
				Mentions: pick("", "U1", "S1 @here")}, values))
		}
		cfg := Config{Routes: routes}.WithDefaults()
		var mutes []wave.Mute
		if r.IntN(3) == 0 {
			mutes = append(mutes, wave.Mute{ID: 1, Cluster: "prod", Scope: wave.MutePool, Value: pick("a", "b"),
				Channel: pick("C0", "C1", "elsewhere"), At: t0.Add(-time.Hour), Until: t0.Add(time.Hour)})
		}
		var todos []wave.Todo
		id := int64(0)
		for n := range 1 + r.IntN(12) {
			node := fleet.Node{Cluster: "prod", UID: fmt.Sprint(n), Pool: pick("a", "b", ""),
				Labels: map[string]string{"team": pick("x", "y")}}
			add := func(kind fleet.ChangeKind, gap int64) {
				id++
				todos = append(todos, wave.Todo{Node: node,
					Change: fleet.Change{ID: id, NodeUID: node.UID, Kind: kind, GapID: gap, At: t0}})
			}
			gap := int64(r.IntN(2)) * int64(r.IntN(2))
			first := []fleet.ChangeKind{fleet.Joined, fleet.WentUnready, fleet.Removed}[r.IntN(3)]
			add(first, gap)
			if second := map[fleet.ChangeKind]fleet.ChangeKind{fleet.Joined: fleet.BecameReady,
				fleet.WentUnready: fleet.Recovered}[first]; second != "" && r.IntN(2) > 0 {
				add(second, gap)
			}
		}
		var live []wave.Wave
		for i := range r.IntN(6) {
			w := wave.Wave{ID: int64(100 + i), Cluster: "prod", Mentions: pick("", "U1", "S1 @here"),
				Kind:     wave.Kind(pick("joined", "removed", "not_ready", "catch_up", "surge")),
				OpenedAt: t0.Add(-time.Duration(r.IntN(200)) * time.Second), LastAt: t0}
			w.Main.Channel = pick("C0", "C1", "C2")
			if r.IntN(2) > 0 {
				w.Main.ID = "1.1"
			}
			w.Main.Tried = w.Main.ID != "" || r.IntN(2) > 0
			live = append(live, w)
		}
		p := Plan(todos, false, mutes, live, t0, cfg)

		channel, told := map[int64]string{}, map[int64]int{}
		for _, n := range p.New {
			for _, c := range n.Changes {
				channel[c], told[c] = n.To.Channel, told[c]+1
			}
		}
		for _, w := range live {
			for _, c := range p.Add[w.ID] {
				channel[c], told[c] = w.Main.Channel, told[c]+1
			}
		}
		for c := range p.Mute {
			told[c]++
		}
		first, hidden := map[string]string{}, map[string]bool{}
		for _, td := range todos {
			c := td.Change
			if told[c.ID] != 1 {
				t.Fatalf("change %d is told %d times\n%+v", c.ID, told[c.ID], p)
			}
			second := c.Kind == fleet.BecameReady || c.Kind == fleet.Recovered
			if second && hidden[c.NodeUID] != (p.Mute[c.ID] != 0) && (hidden[c.NodeUID] || first[c.NodeUID] != "") {
				t.Fatalf("change %d is hidden or told, and not as the one before\n%+v", c.ID, p)
			}
			if p.Mute[c.ID] != 0 {
				if hidden[c.NodeUID] {
					continue
				}
				hidden[c.NodeUID] = true
				if m := mutes[0]; !m.Matches(td.Node) || !routes.Mutes(m, routes.OfChange(td.Node, c.Kind).Channel) {
					t.Fatalf("a mute of %q hides %+v", m.Channel, td)
				}
				continue
			}
			want := routes.OfChange(td.Node, c.Kind).Channel
			if of, ok := first[c.NodeUID]; ok && second {
				want = of
			}
			if channel[c.ID] != want {
				t.Fatalf("change %d (%s) is told in %s, want %s\n%+v", c.ID, c.Kind, channel[c.ID], want, p)
			}
			first[c.NodeUID] = channel[c.ID]
		}
		for _, m := range p.Merge {
			for _, w := range live {
				if (w.ID == m.Into || slices.Contains(m.From, w.ID)) && w.Main.ID != "" ||
					slices.Contains(m.From, w.ID) && w.Main.Channel != live[slices.IndexFunc(live,
						func(w wave.Wave) bool { return w.ID == m.Into })].Main.Channel {
					t.Fatalf("merged %+v of %+v", m, live)
				}
			}
		}
	}
}

// What is loud and that nobody looks at rings once more, while it is so and where ROUTES names whom.
func TestReminder(t *testing.T) {
	posted := wave.Posting{Channel: "C-oncall", ID: "1.1", Posted: t0, EditedAt: t0}
	stuck := wave.Posting{Part: wave.PartStuck, ID: "1.2", Posted: t0.Add(time.Minute)}
	base := wave.Wave{Kind: wave.KindNotReady, Main: posted, Mentions: "S1", OpenedAt: t0, LastAt: t0, ClosedAt: t0,
		Counts: wave.Counts{Members: 1, Pending: 1}}
	with := func(edit func(*wave.Wave)) wave.Wave {
		w := base
		edit(&w)
		return w
	}
	cfg := Config{RemindAfter: 30 * time.Minute, Routes: testRoutes}.WithDefaults()
	standing := &wave.Standing{Key: "k", Since: t0}
	for _, tc := range []struct {
		name string
		w    wave.Wave
		cfg  Config
		at   time.Time // zero: none comes
	}{
		{"not ready", base, cfg, t0.Add(30 * time.Minute)},
		{"never", base, Config{Routes: testRoutes}.WithDefaults(), time.Time{}},
		{"recovered", with(func(w *wave.Wave) { w.Counts.Pending = 0 }), cfg, time.Time{}},
		{"nobody is rung", with(func(w *wave.Wave) { w.Mentions = "" }), cfg, time.Time{}},
		{"whom ROUTES names no more", with(func(w *wave.Wave) { w.Mentions = "U9" }), cfg, time.Time{}},
		{"somebody looks", with(func(w *wave.Wave) { w.Look, w.Main.Looked = wave.Look{By: "U1"}, true }), cfg, time.Time{}},
		{"once", with(func(w *wave.Wave) { w.Parts = []wave.Posting{{Part: wave.PartRemind, ID: "1.3"}} }), cfg, time.Time{}},
		{"quiet", with(func(w *wave.Wave) { w.Kind = wave.KindRemoved }), cfg, time.Time{}},
		{"surge", with(func(w *wave.Wave) { w.Kind, w.Counts = wave.KindSurge, wave.Counts{} }), cfg,
			t0.Add(30 * time.Minute)},
		{"waiting", with(func(w *wave.Wave) {
			w.Kind, w.Counts, w.ClosedAt, w.About = wave.KindWaiting, wave.Counts{}, time.Time{}, wave.About{Standing: standing}
		}), cfg, t0.Add(30 * time.Minute)},
		{"not ready, found after a gap", with(func(w *wave.Wave) { w.Kind = wave.KindAway }), cfg, t0.Add(30 * time.Minute)},
		{"joined in a gap, not ready yet", with(func(w *wave.Wave) { w.Kind, w.Counts.Unready = wave.KindAway, 1 }), cfg,
			time.Time{}},
		{"stuck", with(func(w *wave.Wave) {
			w.Kind, w.Counts.Unready, w.Parts = wave.KindJoined, 1, []wave.Posting{stuck}
		}), cfg, t0.Add(31 * time.Minute)},
		{"ready by now", with(func(w *wave.Wave) {
			w.Kind, w.Counts.Pending, w.Parts = wave.KindJoined, 0, []wave.Posting{stuck}
		}), cfg, time.Time{}},
	} {
		var at time.Time
		steps := Next(tc.w, time.Time{}, t0.Add(time.Second), tc.cfg)
		for _, s := range steps {
			if s.Action == AddReminder {
				at = s.At
			}
			if s.Action == Finish && !tc.at.IsZero() && s.At.Before(tc.at) {
				t.Errorf("%s: it is finished before", tc.name)
			}
		}
		if !at.Equal(tc.at) {
			t.Errorf("%s: it rings at %v, want %v; %+v", tc.name, at, tc.at, steps)
		}
	}
}

// Whoever looks is named in each message that calls out, once.
func TestLooked(t *testing.T) {
	w := wave.Wave{Kind: wave.KindJoined, Cluster: "prod", Key: "k", ClosedAt: t0, OpenedAt: t0, LastAt: t0,
		Main: wave.Posting{ID: "1.1", EditedAt: t0}, Look: wave.Look{By: "U1", Name: "Ada", At: t0},
		Parts: []wave.Posting{{Part: wave.PartList, ID: "1.2"}, {Part: wave.PartStuck, ID: "1.3", EditedAt: t0},
			{Part: wave.PartRemind, ID: "1.4", EditedAt: t0, Looked: true}}}
	var got []string
	for _, s := range Next(w, time.Time{}, t0, Config{}.WithDefaults()) {
		got = append(got, fmt.Sprint(s.Action, s.Part))
	}
	if want := []string{"edit 0", "edit reply 1"}; !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
	w.Main.Frozen, w.Parts[1].Looked = true, true
	if s := Next(w, time.Time{}, t0, Config{}.WithDefaults()); len(s) != 1 || s[0].Action != AddUpdate {
		t.Errorf("of a message that takes no edits, its thread does not say it: %+v", s)
	}
	w.Parts = append(w.Parts, wave.Posting{Part: wave.PartUpdate, ID: "1.5"}, wave.Posting{Part: wave.PartUpdate,
		ID: "1.6", Looked: true})
	if s := Next(w, time.Time{}, t0, Config{}.WithDefaults()); len(s) != 1 || s[0].Action != Finish {
		t.Errorf("steps %+v", s)
	}
}

// What belongs to a wave about which a call is under way waits, and all else does not.
func TestBusy(t *testing.T) {
	todo := func(id int64, kind fleet.ChangeKind, pool string, stepWave int64) wave.Todo {
		return wave.Todo{Node: fleet.Node{Cluster: "prod", UID: fmt.Sprint(id), Pool: pool}, StepWave: stepWave,
			Change: fleet.Change{ID: id, NodeUID: fmt.Sprint(id), Kind: kind, At: t0}}
	}
	todos := []wave.Todo{todo(1, fleet.Joined, "web", 0), todo(2, fleet.Removed, "web", 0), todo(3, fleet.Joined, "gpu", 0),
		todo(4, fleet.BecameReady, "web", 7), todo(5, fleet.BecameReady, "web", 8)}
	for _, tc := range []struct {
		name  string
		edit  func(*wave.Wave)
		waits []int64
	}{
		{"not busy", func(w *wave.Wave) { w.Busy = false }, nil},
		{"edited", func(*wave.Wave) {}, []int64{1, 4}},
		{"closed", func(w *wave.Wave) { w.ClosedAt = t0 }, []int64{4}},
		{"posted just now", func(w *wave.Wave) { w.Main.ID = "" }, []int64{1, 2, 4}},
		{"posted just now, for long", func(w *wave.Wave) { w.Main.ID, w.OpenedAt = "", t0.Add(-time.Hour) }, []int64{1, 2, 4}},
	} {
		w := wave.Wave{ID: 7, Kind: wave.KindJoined, Busy: true, OpenedAt: t0, LastAt: t0,
			Main: wave.Posting{Channel: "C-rest", ID: "1.1"}}
		tc.edit(&w)
		other := wave.Wave{ID: 8, Kind: wave.KindJoined, ClosedAt: t0, OpenedAt: t0, LastAt: t0,
			Main: wave.Posting{Channel: "C-rest", ID: "1.2"}}
		p := Plan(todos, false, nil, []wave.Wave{w, other}, t0, Config{Routes: testRoutes}.WithDefaults())
		told := map[int64]bool{}
		for _, n := range p.New {
			for _, c := range n.Changes {
				told[c] = true
			}
		}
		for _, ids := range p.Add {
			for _, c := range ids {
				told[c] = true
			}
		}
		var waits []int64
		for _, td := range todos {
			if !told[td.Change.ID] {
				waits = append(waits, td.Change.ID)
			}
		}
		if !slices.Equal(waits, tc.waits) || len(p.Merge) > 0 {
			t.Errorf("%s: %v wait, want %v; %+v", tc.name, waits, tc.waits, p)
		}
	}
}

// What is loud has a button as long as it is so, whatever kind of message tells it.
func TestLookButton(t *testing.T) {
	steps := func(kinds ...fleet.ChangeKind) (m wave.Member) {
		for i, k := range kinds {
			m.Steps = append(m.Steps, fleet.Change{ID: int64(i + 1), Kind: k, Occurrence: 1})
		}
		return m
	}
	again := steps(fleet.WentUnready, fleet.Recovered, fleet.WentUnready)
	again.Steps[2].Occurrence = 2
	gone := steps(fleet.WentUnready)
	gone.RemovedAt = t0
	over := &wave.Standing{Since: t0, Until: t0}
	for name, tc := range map[string]struct {
		w    wave.Wave
		want bool
	}{
		"not ready": {wave.Wave{Kind: wave.KindNotReady, Members: []wave.Member{steps(fleet.WentUnready)}}, true},
		"recovered": {wave.Wave{Kind: wave.KindNotReady, Members: []wave.Member{steps(fleet.WentUnready,
			fleet.Recovered)}}, false},
		"again": {wave.Wave{Kind: wave.KindCatchUp, Members: []wave.Member{again}}, true},
		"gone":  {wave.Wave{Kind: wave.KindNotReady, Members: []wave.Member{gone}}, false},
		"found after a gap": {wave.Wave{Kind: wave.KindAway, Members: []wave.Member{steps(fleet.Removed),
			steps(fleet.WentUnready)}}, true},
		"joined in a gap": {wave.Wave{Kind: wave.KindAway, Members: []wave.Member{steps(fleet.Joined)}}, false},
		"joined":          {wave.Wave{Kind: wave.KindJoined, Members: []wave.Member{steps(fleet.Joined)}}, false},
		"surge":           {wave.Wave{Kind: wave.KindSurge}, true},
		"creep":           {wave.Wave{Kind: wave.KindCreep}, false},
		"waiting":         {wave.Wave{Kind: wave.KindWaiting, About: wave.About{Standing: &wave.Standing{}}}, true},
		"waits no more":   {wave.Wave{Kind: wave.KindWaiting, About: wave.About{Standing: over}}, false},
		"somebody looks":  {wave.Wave{Kind: wave.KindSurge, Look: wave.Look{By: "U1"}}, false},
		"baseline":        {wave.Wave{Kind: wave.KindBaseline}, false},
	} {
		got := slices.ContainsFunc(Buttons(tc.w), func(b message.Button) bool { return b.Verb == message.Look })
		if got != tc.want {
			t.Errorf("%s: a button %t, want %t", name, got, tc.want)
		}
	}
}
