package ledgertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// demand is that of a Deployment of the shop, proven by a pod.
func demand(name string, strength, pods int) fleet.Explanation {
	return fleet.Explanation{
		Cause: fleet.Cause{Kind: fleet.Demand, By: "Karpenter", Why: "from 14 to 52, cpu above target",
			For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: name}},
		Strength: strength, Pods: pods,
		Chain: []fleet.Link{{At: t0, On: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: name + "-1"},
			Reason: "Nominated", Note: "Pod should schedule on: nodeclaim/general-abc", Count: 1}},
	}
}

// drifted is a removal's.
func drifted() fleet.Explanation {
	return fleet.Explanation{Cause: fleet.Cause{Kind: fleet.Drifted, By: "Karpenter", Why: "AMIDrift"}, Strength: 3,
		Nodes: []string{"node-9"}, Since: t0.Add(time.Minute), SavingUSD: 0.31}
}

// bare is an explanation without its chain.
func bare(e fleet.Explanation) fleet.Explanation {
	e.Chain = nil
	return e
}

func unexplained(t *testing.T, l *ledger.Ledger, now time.Time) (all []string) {
	t.Helper()
	for _, u := range must[[]wave.Unexplained](t)(l.Unexplained(t.Context(), "prod", now, 100)) {
		all = append(all, fmt.Sprint(u.Change.NodeName, " ", u.Change.Kind, " ", u.Looks, " ", u.Strength))
	}
	return all
}

func causesLife(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	if _, ok, err := l.ExplainAt(ctx, "prod", t0); ok || err != nil {
		t.Errorf("something is to be explained in an empty ledger, %v", err)
	}
	check(t, l.RecordBaseline(ctx, "prod", []fleet.Observation{first(7)}))
	record(t, l, "1", first(1), first(2), fleet.Gone(node(2), first(2).Known, t0.Add(time.Hour)))
	if diff := cmp.Diff([]string{"node-1 joined 0 0", "node-2 joined 0 0", "node-2 removed 0 0"},
		unexplained(t, l, t0)); diff != "" {
		t.Fatalf("to be explained (-want +got):\n%s", diff)
	}
	if at, ok, err := l.ExplainAt(ctx, "prod", t0); !ok || err != nil || at.After(t0) {
		t.Errorf("to be explained at %v, %v, %v", at, ok, err)
	}
	// Nothing is found out of the first, and it is looked at again later. The others are final.
	set := func(es ...wave.Explained) { t.Helper(); check(t, l.SetCauses(ctx, "prod", es)) }
	came, went := demand("checkout", 2, 31), drifted()
	all := []wave.Explained{{Change: 1, Looks: 1, Next: t0.Add(5 * time.Second)}, {Change: 2, Looks: 1, Explanation: came},
		{Change: 3, Looks: 1, Explanation: went}}
	for range 2 { // as after a kill
		set(all...)
		if got := unexplained(t, l, t0); got != nil {
			t.Errorf("to be explained at once: %v", got)
		}
	}
	if at, ok, err := l.ExplainAt(ctx, "prod", t0); !ok || err != nil || !at.Equal(t0.Add(5*time.Second)) {
		t.Errorf("to be explained at %v, %v, %v", at, ok, err)
	}
	if diff := cmp.Diff([]string{"node-1 joined 1 0"}, unexplained(t, l, t0.Add(5*time.Second))); diff != "" {
		t.Errorf("to be explained (-want +got):\n%s", diff)
	}
	// A clock that is set back holds nothing up.
	before := t0.Add(-48 * time.Hour)
	if at, ok, err := l.ExplainAt(ctx, "prod", before); !ok || err != nil || at.After(before) {
		t.Errorf("to be explained at %v, %v, %v", at, ok, err)
	}
	if got := unexplained(t, l, before); len(got) != 1 {
		t.Errorf("to be explained: %v", got)
	}
	// That it became ready is a reason to look at once.
	record(t, l, "2", ready(t, 1))
	us := must[[]wave.Unexplained](t)(l.Unexplained(ctx, "prod", t0, 10))
	if len(us) != 1 || us[0].ReadyAt.IsZero() || !us[0].RemovedAt.IsZero() || us[0].Node.Labels["a"] != "b" {
		t.Errorf("to be explained: %+v", us)
	}

	explains := func(uid string, kind fleet.ChangeKind, want fleet.Explanation) {
		t.Helper()
		got, ok, err := l.Explanation(ctx, "prod", uid, kind)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" || ok != (want.Kind != "") {
			t.Errorf("%s %s, %v (-want +got):\n%s", uid, kind, ok, diff)
		}
	}
	explains("uid-1", fleet.Joined, fleet.Explanation{})
	explains("uid-2", fleet.Joined, came)
	explains("uid-2", fleet.Removed, went)

	// Only what is stronger takes the place of what is known, also when nobody would look any more.
	weaker, same, stronger := demand("other", 1, 99), demand("other", 2, 99), demand("cart", 5, 40)
	stronger.Chain = nil
	set(wave.Explained{Change: 2, Looks: 2, Explanation: weaker})
	explains("uid-2", fleet.Joined, came)
	set(wave.Explained{Change: 2, Looks: 2, Explanation: same})
	explains("uid-2", fleet.Joined, came)
	set(wave.Explained{Change: 2, Looks: 2})
	explains("uid-2", fleet.Joined, came)
	set(wave.Explained{Change: 2, Looks: 9, Explanation: stronger, Next: t0})
	explains("uid-2", fleet.Joined, stronger)
	if got := unexplained(t, l, t0); len(got) != 1 {
		t.Errorf("what is final is looked at again: %v", got)
	}
	// Of another cluster's change, or one that is no coming or going, nothing is recorded.
	check(t, l.SetCauses(ctx, "test", []wave.Explained{{Change: 1, Looks: 9, Explanation: came}}))
	set(wave.Explained{Change: 4, Looks: 9, Explanation: came})
	explains("uid-1", fleet.Joined, fleet.Explanation{})
	explains("uid-1", fleet.BecameReady, fleet.Explanation{})

	// A node that is back has not come.
	known, _, err := l.Left(ctx, "prod", "uid-2")
	check(t, err)
	record(t, l, "3", fleet.Back(known, node(2), t0.Add(2*time.Hour)))
	if got := unexplained(t, l, t0); len(got) != 1 {
		t.Errorf("to be explained: %v", got)
	}
	n, _, err := l.Node(ctx, "prod", "uid-2")
	if err != nil || n.Came != stronger.Cause || !n.Went.IsZero() {
		t.Errorf("a node that is back came for %+v and went for %+v, %v", n.Came, n.Went, err)
	}
}

// causesOfNodes holds that all who read of a node read why it came and went.
func causesOfNodes(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	var os []fleet.Observation
	for i := range 5 {
		o := first(i)
		if os = append(os, o); i >= 3 {
			os = append(os, fleet.Gone(node(i), o.Known, t0.Add(time.Hour)))
		}
	}
	record(t, l, "1", os...)
	byChange := map[int64]fleet.Explanation{1: demand("checkout", 1, 3), 2: demand("checkout", 1, 4),
		3: demand("Bücher", 1, 1),
		4: demand("checkout", 1, 5), 5: drifted(), 7: drifted()}
	var es []wave.Explained
	for id, e := range byChange {
		es = append(es, wave.Explained{Change: id, Explanation: e, Looks: 1})
	}
	check(t, l.SetCauses(ctx, "prod", es))

	list := func(why string, removed bool) []string {
		t.Helper()
		f := query.NodeFilter{Why: why, Removed: removed}
		p := must[query.NodePage](t)(l.ListNodes(ctx, "prod", f, query.SortName, 0, 10))
		if total := must[fleet.Totals](t)(l.CountNodes(ctx, "prod", f)); p.Total != len(p.Nodes) || total.Nodes != p.Total {
			t.Errorf("%q: %d nodes of %d, %d", why, len(p.Nodes), p.Total, total.Nodes)
		}
		for _, n := range p.Nodes {
			if n.Came.IsZero() && n.Went.IsZero() {
				t.Errorf("%s came for nothing", n.Name)
			}
		}
		return nodeNames(p.Nodes)
	}
	for _, tc := range []struct {
		why        string
		live, gone []string
	}{
		{"shop/CHECKOUT", []string{"node-0", "node-1"}, []string{"node-3"}},
		{"büch", []string{"node-2"}, nil},
		{"demand", []string{"node-0", "node-1", "node-2"}, []string{"node-3"}},
		{"amidrift", nil, []string{"node-3", "node-4"}},
		{"karpenter", []string{"node-0", "node-1", "node-2"}, []string{"node-3", "node-4"}},
		{"cpu above", []string{"node-0", "node-1", "node-2"}, []string{"node-3"}},
		{"%", nil, nil},
	} {
		if diff := cmp.Diff(tc.live, list(tc.why, false)); diff != "" {
			t.Errorf("live by %q (-want +got):\n%s", tc.why, diff)
		}
		if diff := cmp.Diff(tc.gone, list(tc.why, true)); diff != "" {
			t.Errorf("removed by %q (-want +got):\n%s", tc.why, diff)
		}
	}
	asked := query.NodeFilter{Why: "checkout"}
	if g := must[query.NodeGroups](t)(l.GroupNodes(ctx, "prod", asked, query.ByPool, 5)); g.Total != 2 {
		t.Errorf("groups: %+v", g)
	}
	asked.Labels = []query.LabelRequirement{{Key: "a", Operator: query.LabelExists}}
	if n := must[fleet.Totals](t)(l.CountNodes(ctx, "prod", asked)); n.Nodes != 2 {
		t.Errorf("%d nodes with a label, want 2", n.Nodes)
	}
	for _, life := range all(t, l.Lives(ctx, "prod", t0, t0.Add(24*time.Hour))) {
		i := int64(life.Name[len("node-")] - '0')
		joined := []int64{1, 2, 3, 4, 6}[i]
		var went fleet.Cause
		if i >= 3 {
			went = byChange[joined+1].Cause
		}
		if life.Came != byChange[joined].Cause || life.Went != went {
			t.Errorf("%s came for %+v and went for %+v", life.Name, life.Came, life.Went)
		}
	}
	found, _, _, err := l.FindNodes(ctx, "prod", "node-3", 5)
	if err != nil || len(found) != 1 || found[0].Came.For.Name != "checkout" || found[0].Went.Kind != fleet.Drifted {
		t.Errorf("found %+v, %v", found, err)
	}
}

// heldBack holds that a node which goes not ready while it is being ended is no to-do and no backlog, until it is known
// whether it is ended.
func heldBack(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	at := func(n fleet.Node, known fleet.Known, when time.Duration) fleet.Observation {
		o, ok := fleet.Diff(known, n, fleet.Look{At: t0.Add(when)})
		if !ok {
			t.Fatal("no difference")
		}
		return o
	}
	ending := []fleet.Taint{{Key: "karpenter.sh/disrupted", Effect: "NoSchedule"}}
	dying := make([]fleet.Observation, 2)
	for i := range dying {
		n := node(i + 1)
		n.Ready = fleet.Condition{Status: fleet.Ready, Since: t0}
		o := fleet.First(n, t0)
		record(t, l, "1", o)
		n.Taints = ending
		n.Ready = fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Since: t0.Add(time.Minute)}
		dying[i] = at(n, o.Known, time.Minute)
		record(t, l, "2", dying[i])
	}
	unready := func(want ...string) {
		t.Helper()
		todo, _, err := l.Todo(ctx, "prod", 100)
		check(t, err)
		var got []string
		for _, x := range todo {
			if x.Change.Kind == fleet.WentUnready {
				got = append(got, fmt.Sprint(x.Node.UID, " ", x.Gone))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("to be told as not ready (-want +got):\n%s", diff)
		}
		if n, _, err := l.Backlog(ctx, "prod"); err != nil || n != len(todo) {
			t.Errorf("a backlog of %d, want %d, %v", n, len(todo), err)
		}
	}
	unready()
	kept := dying[0].Node
	kept.Taints = nil
	record(t, l, "3", at(kept, dying[0].Known, 2*time.Minute)) // it is not ended after all
	unready("uid-1 false")
	record(t, l, "4", fleet.Gone(dying[1].Node, dying[1].Known, t0.Add(3*time.Minute)))
	unready("uid-1 false", "uid-2 true")
}

// causesOfWaves holds what a wave says of causes, and which of them its message has told.
func causesOfWaves(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2), first(3))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2, 3}}}}, false, t0))
	w := onlyWave(t, l)
	counts := func(unexplained, causeless, changed, untold int) {
		t.Helper()
		w = waveOf(t, l, w.ID)
		got := [4]int{w.Counts.Unexplained, w.Counts.Causeless, w.Counts.CauseChanged, w.Counts.CauseUntold}
		if want := [4]int{unexplained, causeless, changed, untold}; got != want {
			t.Errorf("unexplained, causeless, changed, untold: %v, want %v", got, want)
		}
	}
	later := t0.Add(time.Minute)
	counts(3, 3, 0, 0)
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{
		{Change: 1, Looks: 1, Explanation: demand("checkout", 1, 3), Next: later}}))
	counts(3, 2, 0, 0) // nothing is told yet
	w.Main.ID = "1.1"
	check(t, l.Accepted(ctx, w.Main, 3, t0))
	counts(3, 2, 0, 0)
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 1, Looks: 2, Explanation: demand("cart", 2, 4)},
		{Change: 2, Looks: 1, Explanation: demand("checkout", 1, 5)}, {Change: 3, Looks: 1}}))
	counts(0, 0, 2, 1)
	if m := w.Members; !m[2].Came.IsZero() || m[0].Came.Pods != 4 ||
		cmp.Diff(bare(demand("checkout", 1, 5)), m[1].Came) != "" {
		t.Errorf("members: %+v", m)
	}
	// A message that was found tells the causes that it told when it was posted.
	found := w.Main
	found.Found = true
	check(t, l.Accepted(ctx, found, 3, t0))
	counts(0, 0, 2, 1)
	// So does a reply.
	reply := w.Main
	reply.Part = wave.PartUpdate
	check(t, l.Accepted(ctx, reply, 3, t0))
	counts(0, 0, 2, 1)
	check(t, l.Accepted(ctx, w.Main, 2, t0))
	counts(0, 0, 0, 0)
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 2, Looks: 2, Explanation: demand("cart", 2, 1)}}))
	counts(0, 0, 1, 0)
	replacing := demand("cart", 3, 1)
	replacing.Nodes = []string{"node-1", "node-2", "nobody"} // itself is no other, and of one nothing is known
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 2, Looks: 3, Explanation: replacing}}))
	if m := waveOf(t, l, w.ID).Members[1]; len(m.Others) != 1 || m.Others[0].Name != "node-1" {
		t.Errorf("the other nodes of %+v are %+v", m.Came, m.Others)
	}

	record(t, l, "2", fleet.Gone(node(3), first(3).Known, t0.Add(time.Hour)))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Add: map[int64][]int64{w.ID: {4}}}, false, t0))
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 4, Looks: 1, Explanation: drifted()}}))
	got, ok, err := l.WaveCauses(ctx, w.Key)
	check(t, err)
	cart := demand("cart", 2, 4)
	want := query.Causes{Unexplained: 1, Counts: []query.CauseCount{
		{Cause: cart.Cause, Nodes: 2, Pods: 5, Of: []string{"node-1", "node-2"}, Chain: cart.Chain},
		{Cause: drifted().Cause, Nodes: 1, Of: []string{"node-3"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("causes of the wave, %v (-want +got):\n%s", ok, diff)
	}
	if _, ok, err := l.WaveCauses(ctx, "nobody"); ok || err != nil {
		t.Errorf("an unknown key: %v, %v", ok, err)
	}
	// What is given up is told anew, with its cause.
	check(t, l.ReleaseWave(ctx, w.ID, atMost(0), t0))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2, 3}}}}, false, t0))
	w = onlyWave(t, l)
	counts(0, 0, 0, 0)
	found = w.Main
	found.Found = true
	check(t, l.Accepted(ctx, found, 3, t0))
	counts(0, 0, 2, 2)
	check(t, l.Accepted(ctx, w.Main, 3, t0))
	counts(0, 0, 0, 0)
}

// swaps holds that the two sides of a replacement are found from either wave, that nodes of other pools and reasons are
// not among them, and that the message of those that came is to be told anew once those that left are known.
func swaps(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	elsewhere := node(5)
	elsewhere.Pool = "other"
	record(t, l, "1", first(1), first(2), first(3), first(4), fleet.First(elsewhere, t0))
	replacing := fleet.Explanation{Strength: 95,
		Cause: fleet.Cause{Kind: fleet.Replacement, By: "Karpenter", Why: "drifted"}}
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 1, Looks: 1, Explanation: replacing},
		{Change: 2, Looks: 1, Explanation: replacing}, {Change: 5, Looks: 1, Explanation: replacing}}))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2, 3, 4}}}}, false, t0))
	came := onlyWave(t, l)
	came.Main.ID = "1.1"
	check(t, l.Accepted(ctx, came.Main, 4, t0))
	got := func(id int64) []wave.Swap {
		t.Helper()
		return must[[]wave.Swap](t)(l.Swaps(ctx, waveOf(t, l, id)))
	}
	if s := got(came.ID); s != nil {
		t.Errorf("nothing left, and yet: %+v", s)
	}
	left := t0.Add(5 * time.Minute)
	record(t, l, "2", fleet.Gone(node(3), first(3).Known, left), fleet.Gone(node(4), first(4).Known, left))
	check(t, l.Apply(ctx, "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindRemoved, Changes: []int64{6, 7}}}}, false, t0))
	empty := fleet.Explanation{Strength: 80, Cause: fleet.Cause{Kind: fleet.Empty, By: "Karpenter"}}
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 6, Looks: 1, Explanation: drifted(), Next: left},
		{Change: 7, Looks: 1, Explanation: empty}}))
	if n := waveOf(t, l, came.ID).Counts.CauseChanged; n != 0 {
		t.Errorf("%d to be told anew while more may become known", n)
	}
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 6, Looks: 2, Explanation: drifted()}}))
	if n := waveOf(t, l, came.ID).Counts.CauseChanged; n != 2 {
		t.Errorf("%d to be told anew, want 2", n)
	}
	want := []wave.Swap{{Reason: "drifted", Came: map[fleet.Machine]int{node(1).Machine(): 2},
		Went: map[fleet.Machine]int{node(1).Machine(): 1}, Since: t0, Until: left}}
	for _, w := range must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod")) {
		if diff := cmp.Diff(want, got(w.ID)); diff != "" {
			t.Errorf("replacements of the wave %s (-want +got):\n%s", w.Kind, diff)
		}
	}
}

// aboutOfWaves holds that what a wave is about may change while it is not done.
func aboutOfWaves(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	about := wave.About{Blind: &wave.Blind{Since: t0, Why: "refused"}}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindBlind, About: about}}}, false, t0))
	w := onlyWave(t, l)
	if diff := cmp.Diff(about, w.About); diff != "" {
		t.Errorf("the wave is about (-want +got):\n%s", diff)
	}
	about.Blind.Until, about.Blind.Missed = t0.Add(time.Minute), map[fleet.ChangeKind]int{fleet.Joined: 3}
	check(t, l.SetAbout(ctx, w.ID, about))
	if diff := cmp.Diff(about, onlyWave(t, l).About); diff != "" {
		t.Errorf("it is over (-want +got):\n%s", diff)
	}
}

// manyCauses holds that what is said of a wave is bounded.
func manyCauses(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	var os []fleet.Observation
	var es []wave.Explained
	var ids []int64
	for i := range 40 {
		os, ids = append(os, first(i)), append(ids, int64(i+1))
		e := demand(fmt.Sprint("app-", i/2), 1, 1)
		if i < 20 {
			e = demand("checkout", 1, 1)
		}
		es = append(es, wave.Explained{Change: int64(i + 1), Looks: 1, Explanation: e})
	}
	record(t, l, "1", os...)
	for i := range es {
		if i >= 20 { // each another one
			es[i].For.Name = fmt.Sprint("app-", i)
		}
	}
	es = append(es, wave.Explained{})
	check(t, l.SetCauses(ctx, "prod", es))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: ids}}}, false, t0))
	got, _, err := l.WaveCauses(ctx, onlyWave(t, l).Key)
	check(t, err)
	if len(got.Counts) != 20 || got.Counts[0].Nodes != 20 || len(got.Counts[0].Of) != 10 || got.Others != 1 ||
		got.Unexplained != 0 {
		t.Errorf("%d causes, %d others; the first %+v", len(got.Counts), got.Others, got.Counts[0])
	}

	long := demand(strings.Repeat("n", 5000), 9, 1)
	long.Why, long.Chain = strings.Repeat("ä", 5000), nil
	for i := range 50 {
		long.Nodes = append(long.Nodes, strings.Repeat("x", 5000), strings.Repeat("y", 5000))
		long.Chain = append(long.Chain, fleet.Link{At: t0.Add(time.Duration(i) * time.Second), Reason: "r",
			Note: strings.Repeat("<", 3000)})
	}
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 1, Looks: 2, Explanation: long}}))
	e, _, err := l.Explanation(ctx, "prod", "uid-0", fleet.Joined)
	check(t, err)
	if len(e.Why) > 600 || len(e.For.Name) > 300 || len(e.Nodes) > 50 || len(e.Nodes[0]) > 300 || len(e.Chain) > 12 {
		t.Errorf("a long cause: %d, %d bytes, %d nodes, %d links", len(e.Why), len(e.For.Name), len(e.Nodes), len(e.Chain))
	}
	size := 0
	for _, c := range e.Chain {
		size += len(c.Note) + len(c.Reason)
	}
	if n := len(e.Chain); n < 2 || size > 4096 || !e.Chain[0].At.Equal(t0) ||
		!e.Chain[n-1].At.Equal(t0.Add(49*time.Second)) {
		t.Errorf("of a long chain are left %d links, %d bytes, from %v to %v", n, size, e.Chain[0].At, e.Chain[n-1].At)
	}
}

// about is an event that regards an object, with a note.
func about(uid string, of fleet.ObjectRef, reason, note string, at time.Duration) fleet.Event {
	return fleet.Event{Cluster: "prod", UID: uid, Regarding: of, Reason: reason, Type: "Normal", Note: note,
		Controller: "karpenter", Count: 1, First: t0.Add(at), Last: t0.Add(at)}
}

func pod(name string) fleet.ObjectRef {
	return fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: name, UID: "uid-" + name}
}

func evidence(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	in := l.Evidence("prod")
	aNode := fleet.ObjectRef{Kind: "Node", Name: "node-1", UID: "uid-1"}
	ofAnother := fleet.ObjectRef{Kind: "Node", Name: "node-1", UID: "uid-0"}
	byName := fleet.ObjectRef{Kind: "Node", Name: "node-1", UID: "node-1"}
	spaced := fleet.ObjectRef{Kind: "Node", Namespace: "shop", Name: "node-1"}
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{
		about("a", aNode, "DisruptionTerminating", "Disrupting Node: Drifted", 10*time.Second),
		about("b", aNode, "FailedDraining", "Failed to drain node", 20*time.Second),
		about("c", byName, "NodeNotReady", "Node node-1 status is now: NodeNotReady", 30*time.Second),
		about("d", ofAnother, "DisruptionTerminating", "Disrupting Node: Empty", 40*time.Second),
		about("e", spaced, "SpotInterrupted", "Spot interruption warning was triggered", 50*time.Second),
		about("f", aNode, "Starting", "Starting kubelet.", 60*time.Second), // of no scaling
		about("g", fleet.ObjectRef{Kind: "NodeClaim", Name: "node-1"}, "Launched", "", 60*time.Second),
	}, "1"))
	check(t, l.RecordEvents(ctx, "test", []fleet.Event{
		about("h", aNode, "DisruptionTerminating", "Disrupting Node: Empty", 10*time.Second)}, "1"))
	long := about("b", aNode, "FailedDraining", "Failed to drain node", 2*time.Hour)
	long.Count = 9
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{long}, "2"))
	on := func(of fleet.ObjectRef, from, until time.Duration, limit int, want ...string) {
		t.Helper()
		got := must[[]fleet.Event](t)(in.On(ctx, of, t0.Add(from), t0.Add(until), limit))
		if diff := cmp.Diff(want, uidsOf(got)); diff != "" {
			t.Errorf("on %v from %v until %v (-want +got):\n%s", of, from, until, diff)
		}
	}
	on(aNode, 0, 2*time.Hour, 10, "a", "b", "c")
	on(spaced, 0, 2*time.Hour, 10, "a", "b", "c", "d")
	on(fleet.ObjectRef{Kind: "Node", Name: "node-1"}, 0, 2*time.Hour, 10, "a", "b", "c", "d")
	on(aNode, 0, 2*time.Hour, 2, "b", "c")
	on(aNode, time.Hour, 2*time.Hour, 10, "b")
	on(aNode, 0, time.Hour, 10, "a", "b", "c")
	on(aNode, 0, 15*time.Second, 10, "a")
	on(aNode, 3*time.Hour, 4*time.Hour, 10)
	on(fleet.ObjectRef{Kind: "NodeClaim", Name: "node-1"}, 0, time.Hour, 10, "g")

	for _, c := range []fleet.Claim{
		{Cluster: "prod", UID: "c1", Name: "general-abc", Pool: "general", CreatedAt: t0, ExpireAfter: 336 * time.Hour},
		{Cluster: "prod", UID: "c2", Name: "general-abc", Pool: "general", Node: "node-2", CreatedAt: t0.Add(time.Hour),
			DeletedAt: t0.Add(2 * time.Hour), Drift: "AMIDrift", Disruption: "Drifted", ForcedBy: t0.Add(3 * time.Hour)},
		{Cluster: "prod", UID: "c1", Name: "general-abc", Pool: "general", Node: "node-1", CreatedAt: t0,
			ExpireAfter: 336 * time.Hour, DeletedAt: t0.Add(time.Hour)},
	} {
		for range 2 {
			check(t, l.RecordClaims(ctx, "prod", []fleet.Claim{c}))
		}
		for _, uid := range []string{c.UID, ""} {
			if got, ok, err := in.Claim(ctx, "general-abc", uid); uid != "" || c.Node != "node-1" {
				if diff := cmp.Diff(c, got); diff != "" || !ok || err != nil {
					t.Errorf("claim %q, %v, %v (-want +got):\n%s", uid, ok, err, diff)
				}
			} else if got.UID != "c2" {
				t.Errorf("the last claim of the name is %+v", got)
			}
		}
	}
	for _, nobody := range [][2]string{{"general-abc", "c9"}, {"other", "c1"}, {"other", ""}} {
		if c, ok, err := in.Claim(ctx, nobody[0], nobody[1]); ok || err != nil {
			t.Errorf("claim %v is %+v, %v", nobody, c, err)
		}
	}
	pool := fleet.Pool{Cluster: "prod", Name: "general", Limits: map[string]string{"cpu": "100"},
		Used: map[string]string{"cpu": "64", "nodes": "4"}}
	batch := fleet.Pool{Cluster: "prod", Name: "batch"}
	check(t, l.RecordPools(ctx, "prod", []fleet.Pool{{Cluster: "prod", Name: "general"}, batch}))
	check(t, l.RecordPools(ctx, "prod", []fleet.Pool{pool}))
	if diff := cmp.Diff([]fleet.Pool{batch, pool}, must[[]fleet.Pool](t)(l.Pools(ctx, "prod"))); diff != "" {
		t.Errorf("pools (-want +got):\n%s", diff)
	}

	because := func(reason string, from, until time.Duration, limit int, want ...string) {
		t.Helper()
		got := must[[]fleet.Event](t)(in.Because(ctx, reason, t0.Add(from), t0.Add(until), limit))
		if diff := cmp.Diff(want, uidsOf(got)); diff != "" {
			t.Errorf("because of %s from %v until %v (-want +got):\n%s", reason, from, until, diff)
		}
	}
	because("DisruptionTerminating", 0, time.Hour, 10, "a", "d")
	because("DisruptionTerminating", 0, time.Hour, 1, "d")
	because("DisruptionTerminating", 0, 15*time.Second, 10, "a")
	because("SpotInterrupted", 0, time.Hour, 10) // said of a node in somebody's namespace
	because("Starting", 0, time.Hour, 10)

	owned := func(n int, claim string, created time.Duration) fleet.Observation {
		x := node(n)
		x.CreatedAt = t0.Add(created)
		if claim != "" {
			x.Owner = fleet.ObjectRef{Kind: "NodeClaim", Name: claim, UID: "c1"}
		}
		return fleet.First(x, t0)
	}
	lost := owned(2, "", 0)
	record(t, l, "1", owned(1, "general-abc", 0), owned(2, "general-xyz", 0), owned(3, "general-abc", time.Hour), lost,
		first(4))
	for claim, want := range map[string]string{"general-abc": "node-3", "general-xyz": "node-2", "general": "", "": ""} {
		if got := must[string](t)(in.Owned(ctx, fleet.ObjectRef{Kind: "NodeClaim", Name: claim})); got != want {
			t.Errorf("%s owns node %q, want %q", claim, got, want)
		}
	}
}

// evidenceByName holds that events are found by what their notes name, and named.
func evidenceByName(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	in := l.Evidence("prod")
	naming := func(kind, namespace, name string, from, until time.Duration, limit int) []fleet.Event {
		t.Helper()
		of := fleet.ObjectRef{Kind: kind, Namespace: namespace, Name: name}
		return must[[]fleet.Event](t)(in.Naming(ctx, of, t0.Add(from), t0.Add(until), limit))
	}
	if a := must[query.Assigned](t)(l.PodsOn(ctx, "prod", fleet.ObjectRef{Name: "node-1"}, 5)); a.Pods != nil || a.More ||
		!a.Since.IsZero() {
		t.Errorf("pods of an empty ledger: %+v", a)
	}
	web := fleet.ObjectRef{Kind: "ReplicaSet", Namespace: "shop", Name: "web-5d"}
	record(t, l, "1", first(1))
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{
		about("n", pod("web-1"), "Nominated", "Pod should schedule on: nodeclaim/general-abc", time.Second),
		about("s1", pod("web-1"), "Scheduled", "Successfully assigned shop/web-1 to node-1", 2*time.Second),
		about("s2", pod("web-2"), "Scheduled", "Successfully assigned shop/web-2 to node-1", 3*time.Second),
		about("s0", pod("web-0"), "Scheduled", "Successfully assigned shop/web-0 to node-1", -time.Hour), // another life's
		about("other", pod("web-1"), "Scheduled", "Successfully assigned shop/web-1 to node-10", 2*time.Second),
		about("combined", web, "SuccessfulCreate", "(combined from similar events): Created pod: web-7", time.Minute),
	}, "1"))
	if diff := cmp.Diff([]string{"n"}, uidsOf(naming("NodeClaim", "", "general-abc", 0, time.Hour, 5))); diff != "" {
		t.Errorf("naming a claim (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"s1", "s2"}, uidsOf(naming("Node", "", "node-1", 0, time.Hour, 5))); diff != "" {
		t.Errorf("naming a node (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"s2"}, uidsOf(naming("Node", "elsewhere", "node-1", 0, time.Hour, 1))); diff != "" {
		t.Errorf("naming a node, one only (-want +got):\n%s", diff)
	}
	if got := naming("Pod", "other", "web-7", 0, time.Hour, 5); got != nil {
		t.Errorf("naming a pod of another namespace: %+v", got)
	}
	// An event that stands for several has named each of them, with another note and at another moment.
	again := about("combined", web, "SuccessfulCreate", "(combined from similar events): Created pod: web-8",
		2*time.Minute)
	again.First, again.Count = t0.Add(time.Minute), 2
	for range 2 {
		check(t, l.RecordEvents(ctx, "prod", []fleet.Event{again}, "2"))
	}
	for i, name := range []string{"web-7", "web-8"} {
		got := naming("Pod", "shop", name, 0, time.Hour, 5)
		at := t0.Add(time.Duration(i+1) * time.Minute)
		if len(got) != 1 || !strings.HasSuffix(got[0].Note, name) || !got[0].First.Equal(at) || !got[0].Last.Equal(at) ||
			got[0].Count != 1 || len(got[0].Names()) != 1 {
			t.Errorf("naming %s: %+v", name, got)
		}
	}
	if got := naming("Pod", "shop", "web-7", 90*time.Second, time.Hour, 5); got != nil {
		t.Errorf("named when it was not: %+v", got)
	}
	// One that repeats what it says is as young as that.
	again.Count, again.Last = 3, t0.Add(time.Hour)
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{again}, "3"))
	if got := naming("Pod", "shop", "web-8", 30*time.Minute, 60*time.Minute, 5); len(got) != 1 ||
		!got[0].Last.Equal(again.Last) || !got[0].First.Equal(t0.Add(2*time.Minute)) {
		t.Errorf("naming web-8: %+v", got)
	}

	a := must[query.Assigned](t)(l.PodsOn(ctx, "prod", fleet.ObjectRef{Kind: "Node", Name: "node-1", UID: "uid-1"}, 5))
	want := query.Assigned{Pods: []fleet.ObjectRef{pod("web-1"), pod("web-2")}, Since: t0.Add(-time.Hour)}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("pods on the node (-want +got):\n%s", diff)
	}
	a = must[query.Assigned](t)(l.PodsOn(ctx, "prod", fleet.ObjectRef{Kind: "Node", Name: "node-1"}, 1))
	if len(a.Pods) != 1 || a.Pods[0].Name != "web-0" || !a.More {
		t.Errorf("one pod on any node of the name: %+v", a)
	}

	// Names go with their events.
	_, err := l.Prune(ctx, ledger.Retention{Scaling: 24 * time.Hour, Other: time.Hour},
		t0.Add(24*time.Hour+90*time.Second))
	check(t, err)
	if got := naming("Node", "", "node-1", -time.Hour, time.Hour, 5); got != nil {
		t.Errorf("named by events that are gone: %+v", got)
	}
	if got := naming("Pod", "shop", "web-7", 0, time.Hour, 5); len(got) != 1 { // it was last seen an hour later
		t.Errorf("naming web-7: %+v", got)
	}
}

// pruneCauses holds that causes stay as long as their changes, whatever becomes of the events.
func pruneCauses(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2), fleet.Gone(node(2), first(2).Known, t0.Add(time.Hour)))
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{
		about("n", pod("web-1"), "Nominated", "Pod should schedule on: nodeclaim/general-abc", time.Second)}, "1"))
	want := demand("checkout", 1, 2)
	check(t, l.SetCauses(ctx, "prod", []wave.Explained{{Change: 2, Looks: 1, Explanation: want},
		{Change: 3, Looks: 1, Explanation: drifted()}}))
	check(t, l.RecordClaims(ctx, "prod", []fleet.Claim{
		{Cluster: "prod", UID: "c1", Name: "live", Node: "node-1"},
		{Cluster: "prod", UID: "c2", Name: "gone", Node: "node-2"},
		{Cluster: "prod", UID: "c3", Name: "never"}}))
	check(t, l.RecordPools(ctx, "prod", []fleet.Pool{{Cluster: "prod", Name: "general"}}))
	claims := func(want ...string) {
		t.Helper()
		var got []string
		for _, name := range []string{"live", "gone", "never"} {
			if _, ok, err := l.Evidence("prod").Claim(ctx, name, ""); err != nil || ok {
				got = append(got, name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	}
	r := ledger.Retention{Scaling: 24 * time.Hour, Other: time.Hour, MaxScaling: 1}
	_, err := l.Prune(ctx, r, time.Now().Add(2*time.Hour)) // the events go because they are too many
	check(t, err)
	if got, ok, err := l.Explanation(ctx, "prod", "uid-2", fleet.Joined); !ok || err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("after its events are gone: %+v, %v, %v", got, ok, err)
	}
	claims("live", "gone")
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Silence: []int64{1, 2, 3}}, false, t0))
	_, err = l.Prune(ctx, r, time.Now().Add(48*time.Hour))
	check(t, err)
	claims("live")
	if got, ok, err := l.Explanation(ctx, "prod", "uid-2", fleet.Joined); ok || err != nil {
		t.Errorf("after its change is gone: %+v, %v", got, err)
	}
	if pools := must[[]fleet.Pool](t)(l.Pools(ctx, "prod")); pools != nil {
		t.Errorf("pools: %+v", pools)
	}
}
