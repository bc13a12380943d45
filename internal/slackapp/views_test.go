package slackapp

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/answer"
	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/message"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// noon is when the golden views are looked at.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// deskAt answers from a ledger with a small cluster's story.
func deskAt(t testing.TB) *answer.Answerer { return answersFrom(storyLedger(t)) }

// storyLedger is a ledger with a small cluster's story.
func storyLedger(t testing.TB) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	record := func(at time.Time, os ...fleet.Observation) {
		t.Helper()
		batch := fleet.Batch{Cluster: "prod", Observations: os, At: at, ResourceVersion: "1"}
		if err := l.RecordNodes(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: noon.AddDate(0, 0, -3), ResourceVersion: "1"},
		func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	for n := range 12 {
		node := storyNode(n)
		o := fleet.First(node, node.CreatedAt.Add(41*time.Second))
		record(noon, o)
		switch n {
		case 9: // fails
			down := o.Node
			down.Ready = fleet.Condition{Status: fleet.ReadyUnknown, Reason: "NodeStatusUnknown",
				Message: "Kubelet stopped posting node status.", Since: noon.Add(-10 * time.Minute)}
			if o, ok := fleet.Diff(o.Known, down, fleet.Look{At: noon.Add(-10 * time.Minute)}); ok {
				record(noon, o)
			}
		case 10: // is cordoned
			c := o.Node
			c.Cordoned = true
			if o, ok := fleet.Diff(o.Known, c, fleet.Look{At: noon.Add(-5 * time.Minute)}); ok {
				record(noon, o)
			}
		case 11: // has left
			record(noon, fleet.Gone(o.Node, o.Known, noon.Add(-2*time.Hour)))
		}
	}
	events := []fleet.Event{
		{UID: "e1", Regarding: fleet.ObjectRef{Kind: "HorizontalPodAutoscaler", Namespace: "shop", Name: "web"},
			Reason: "SuccessfulRescale", Type: "Normal",
			Note:       "New size: 60; reason: cpu resource utilization (percentage of request) above target",
			Controller: "horizontal-pod-autoscaler"},
		{UID: "e2", Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web-7c9f6d-abcde"},
			Reason: "FailedScheduling", Type: "Warning", Note: "0/12 nodes are available: 12 Insufficient cpu.",
			Controller: "default-scheduler", Count: 131},
		{UID: "e3", Regarding: fleet.ObjectRef{Kind: "Node", Name: storyNode(9).Name, UID: "uid-09"}, Reason: "NodeNotReady",
			Type: "Normal", Note: "Node " + storyNode(9).Name + " status is now: NodeNotReady", Controller: "node-controller"},
		{UID: "e4", Regarding: fleet.ObjectRef{Kind: "Job", Namespace: "etl", Name: "nightly"}, Reason: "Completed",
			Type: "Normal", Note: "Job completed", Controller: "job-controller"},
	}
	for i := range events {
		e := &events[i]
		e.Cluster, e.Count = "prod", max(e.Count, 1)
		e.First = noon.Add(-time.Duration(60-10*i) * time.Minute)
		e.Last = e.First.Add(time.Duration(e.Count-1) * time.Second)
	}
	if err := l.RecordEvents(t.Context(), "prod", events, "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddMute(t.Context(), wave.Mute{Request: "r1", Cluster: "prod", Scope: wave.MutePool, Value: "batch",
		By: "U0ADA", ByName: "ada", At: noon.Add(-time.Minute), Until: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	return l
}

// answersFrom answers from a store.
func answersFrom(l answer.Store) *answer.Answerer {
	return answer.New(answer.Config{Cluster: "prod", Store: l, Log: slog.New(slog.DiscardHandler),
		Watch: func(string) string { return "" },
		Health: func(context.Context) []answer.Health {
			return []answer.Health{{Part: "ledger"}, {Part: "nodes"},
				{Part: "slack", Problem: "Slack has not greeted a Socket Mode connection"}}
		},
		NextDigest: func(now time.Time) time.Time { return now.Add(21 * time.Hour) },
		Waiting: func(context.Context, string, time.Time) ([]fleet.Waiting, bool, error) {
			return storyWaiting, false, nil
		},
		Summaries: answer.Summaries{Store: l, Price: storyPrice}})
}

// storyWaiting is what waits in the golden views' cluster.
var storyWaiting = []fleet.Waiting{
	{State: fleet.Refused, Pool: "general", Pods: 96, Since: noon.Add(-20 * time.Minute),
		Refusal: fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter, Pool: "general"},
		For: []fleet.PodsOf{{Workload: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}, Pods: 90},
			{Workload: fleet.Workload{Kind: "Pod", Namespace: "etl", Name: "nightly-*"}, Pods: 6}},
		Note: "0/12 nodes are available: 12 Insufficient cpu. preemption: none"},
	{State: fleet.Refused, Pool: "gpu", Pods: 1, Since: noon.Add(-10 * time.Minute),
		Refusal: fleet.Refusal{Kind: fleet.NoLaunch, By: fleet.Karpenter, Pool: "gpu", Detail: "quota exceeded"},
		For:     []fleet.PodsOf{{Workload: fleet.Workload{Kind: "Job", Namespace: "ml", Name: "train"}, Pods: 1}}},
	{State: fleet.Coming, Pool: "batch", Pods: 3, Since: noon.Add(-time.Minute),
		For: []fleet.PodsOf{{Workload: fleet.Workload{Kind: "StatefulSet", Namespace: "shop", Name: "db"}, Pods: 3}}},
	{State: fleet.Unanswered, Pods: 1, Since: noon.Add(-26 * time.Hour),
		For:  []fleet.PodsOf{{Workload: fleet.Workload{Kind: "Pod", Namespace: "shop", Name: "alone"}, Pods: 1}},
		Note: "0/12 nodes are available: 12 node(s) didn't match Pod's node affinity/selector."},
}

// storyPrice prices the machines of the golden views' cluster, but for one type.
func storyPrice(m fleet.Machine) fleet.Price {
	p := fleet.Price{USD: map[string]float64{"m5.large": 0.096, "c6i.2xlarge": 0.34}[m.InstanceType],
		Source: "AWS list price of 2026-07-20"}
	if p.Known = p.USD > 0; !p.Known {
		return fleet.Price{}
	}
	p.AtMost = m.CapacityType == "spot"
	return p
}

// storyNode is a node of the golden views' cluster.
func storyNode(n int) fleet.Node {
	types, pools := []string{"m5.large", "c6i.2xlarge", "m7g.xlarge"}, []string{"general", "batch"}
	born := noon.Add(-time.Duration(n+1) * time.Hour)
	node := fleet.Node{Cluster: "prod", UID: fmt.Sprintf("uid-%02d", n),
		Name: fmt.Sprintf("ip-10-0-%d-%d.ec2.internal", n, 10*n+7), CreatedAt: born,
		Detail: fleet.Detail{
			ProviderID: fmt.Sprintf("aws:///us-east-1%c/i-%017d", 'a'+n%3, n), KubeletVersion: "v1.36.3-eks",
			Capacity:    fleet.Resources{MilliCPU: 8000, Memory: 16 << 30, Pods: 58},
			Allocatable: fleet.Resources{MilliCPU: 7910, Memory: 15 << 30, Pods: 58},
		},
		Ready: fleet.Condition{Status: fleet.Ready, Reason: "KubeletReady", Since: born.Add(41 * time.Second)},
		Labels: map[string]string{"node.kubernetes.io/instance-type": types[n%3],
			"karpenter.sh/capacity-type": []string{"spot", "on-demand"}[n%2], "topology.kubernetes.io/zone": "us-east-1" +
				string(rune('a'+n%3)),
			"karpenter.sh/nodepool": pools[n%2], "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "team": "shop"}}
	if n == 9 {
		node.Taints = []fleet.Taint{{Key: "dedicated", Value: "shop", Effect: "NoSchedule"}}
	}
	fleet.Describe(&node)
	return node
}

// views are command lines whose answers are held by golden files, by name.
var views = map[string]string{
	"summary":           "/nodes",
	"summary-by-zone":   "/nodes --by zone",
	"summary-by-label":  "/nodes --by team",
	"summary-spot":      "/nodes --spot",
	"summary-removed":   "/nodes --removed --since 1d",
	"list":              "/nodes list",
	"list-page-2":       "/nodes list --page 2",
	"list-filters":      "/nodes list --spot --type m5.* -l 'team in (shop)' --sort name",
	"list-none":         "/nodes list --zone nowhere",
	"list-removed":      "/nodes list --removed",
	"waits":             "/nodes waiting",
	"node":              "/nodes ip-10-0-1-17.ec2.internal",
	"node-failed":       "/nodes ip-10-0-9",
	"node-cordoned":     "/nodes ip-10-0-10-",
	"node-removed":      "/nodes ip-10-0-11-117",
	"node-several":      "/nodes ip-10-0-1",
	"node-none":         "/nodes hlep",
	"help-nodes":        "/nodes help",
	"help-nodes-label":  "/nodes help selector",
	"mistake":           "/nodes list --tpye m5.*",
	"mistake-duration":  "/nodes list --newer 2months",
	"mistake-cluster":   "/nodes --cluster prd",
	"events":            "/events",
	"events-scaling":    "/events --scaling --exact",
	"events-node":       "/events --for no/ip-10-0-9-97.ec2.internal",
	"events-none":       "/events --reason Nothing",
	"events-kind":       "/events --for hpa --since 2h",
	"help-events":       "/events help",
	"unknown-command":   "/nodez",
	"digest":            "/nodes digest",
	"digest-week":       "/nodes digest --since 7d",
	"costs":             "/nodes costs",
	"costs-by-cause":    "/nodes costs --by cause",
	"costs-by-type":     "/nodes costs --since 6h --by type",
	"spot":              "/nodes spot",
	"events-bad-cursor": "/events --before 1.x",
	"kept-none":         "/nodes kept",
}

// drawn are the forms that an answer has: as well as can be, and for a workspace that does not take that.
func drawn(v message.Message, on surface) []content {
	c := best(v, on)
	if c.plain == nil {
		return []content{c}
	}
	return []content{c, *c.plain}
}

func TestViews(t *testing.T) {
	t.Parallel()
	c := deskAt(t)
	for name, line := range views {
		v := c.To(t.Context(), line, noon)
		text := "> " + line + "\n" + v.String()
		if v.Wide != nil {
			text += "\nWhere tables can be sorted:\n" + v.Wide.String()
		}
		golden(t, name, text)
		for on, surface := range surfaces {
			for _, what := range drawn(v, on) {
				raw, err := json.Marshal(what.blocks)
				if err != nil {
					t.Fatal(err)
				}
				if err := slackemu.ValidateBlocks(surface, raw); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if what.text == "" {
					t.Errorf("%s has no text for those who cannot see its blocks", name)
				}
			}
		}
	}
	v, err := c.Home(t.Context(), "U1", noon)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "home", v.String())
}

var surfaces = map[surface]slackemu.Surface{onMessage: slackemu.SurfaceMessage, onModal: slackemu.SurfaceModal,
	onHome: slackemu.SurfaceHome}

// golden compares a view with its file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "views", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run go test -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// unanswered says why a command line has no answer, "" if it has one.
func unanswered(m message.Message, line string) string {
	name, text, _ := strings.Cut(line, " ")
	_, err := command.ParseNodes(text, noon)
	if name == "/events" {
		_, err = command.ParseEvents(text, noon)
	}
	switch {
	case err != nil:
		return err.Error()
	case m.Icon == "⚠️", strings.Contains(m.Text, "is no cluster"), strings.Contains(m.Text, "is no place"):
		return m.Text
	}
	return ""
}

// TestButtonsLeadSomewhere presses, on paper, every button and option of every view: what it
// asks for is a request that can be read and answered.
func TestButtonsLeadSomewhere(t *testing.T) {
	t.Parallel()
	c := deskAt(t)
	todo, seen := []string{}, map[string]bool{}
	for _, line := range views {
		todo = append(todo, line)
	}
	for len(todo) > 0 && len(seen) < 400 {
		line := todo[0]
		todo = todo[1:]
		if seen[line] {
			continue
		}
		seen[line] = true
		v := c.To(t.Context(), line, noon)
		for _, p := range v.Parts {
			var values []string
			for _, b := range p.Buttons {
				if b.Verb == message.Show || b.Verb == message.Open {
					values = append(values, b.Value)
				}
			}
			if p.Choice != nil {
				for _, o := range p.Choice.Options {
					values = append(values, o.Value)
				}
			}
			for _, to := range values {
				if why := unanswered(c.To(t.Context(), to, noon), to); why != "" {
					t.Errorf("%s leads to %q: %s", line, to, why)
				}
				todo = append(todo, to)
			}
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d views were reached", len(seen))
	}
}

// nasty are texts that a cluster's names, labels and notes may hold.
var nasty = []string{"<!channel>", "<@U0ADA>", "&<>\"'`*_~", "a\nb\tc\x00", "\xff\xfe", "漢字", "👾👾", "", "x", "--flag",
	"‹›«»“”", " ", "a b", "'", "\\", strings.Repeat("w", 253), strings.Repeat("長", 253), "https://evil.example/"}

// TestAnyLedgerRenders holds that whatever a ledger holds, every view of it is one that Slack
// takes, on every surface, and that nothing of it rings or links.
func TestAnyLedgerRenders(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func() string { return nasty[r.IntN(len(nasty))] }
		l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var os []fleet.Observation
		for n := range r.IntN(40) {
			node := fleet.Node{Cluster: "prod", UID: fmt.Sprintf("%d-%s", n, pick()), Name: pick(), InstanceType: pick(),
				CapacityType: pick(), Zone: pick(), Pool: pick(), Arch: pick(),
				Detail:    fleet.Detail{ProviderID: pick(), KubeletVersion: pick()},
				CreatedAt: noon.Add(-time.Duration(r.IntN(1e6)) * time.Second), Labels: map[string]string{},
				Ready: fleet.Condition{Status: []fleet.ReadyStatus{fleet.Ready, fleet.NotReady, fleet.ReadyUnknown}[r.IntN(3)],
					Reason: pick(), Message: pick(), Since: noon}}
			for k := range r.IntN(45) {
				node.Labels[fmt.Sprintf("%s/%d", pick(), k)] = pick()
			}
			for range r.IntN(4) {
				node.Taints = append(node.Taints, fleet.Taint{Key: pick(), Value: pick(), Effect: pick()})
			}
			o := fleet.First(node, noon)
			os = append(os, o)
			if r.IntN(3) == 0 {
				os = append(os, fleet.Gone(node, o.Known, noon.Add(-time.Duration(r.IntN(1e5))*time.Second)))
			}
		}
		batch := fleet.Batch{Cluster: "prod", Observations: os, At: noon, ResourceVersion: "1"}
		if err := l.RecordNodes(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		var events []fleet.Event
		for n := range r.IntN(60) {
			events = append(events,
				fleet.Event{Cluster: "prod", UID: fmt.Sprint(n),
					Regarding: fleet.ObjectRef{Kind: pick(), Namespace: pick(), Name: pick(), UID: pick()}, Reason: pick(),
					Type: []string{"Normal", "Warning", pick()}[r.IntN(3)],
					Note: strings.Repeat(pick(), r.IntN(30)), Controller: pick(), Count: 1 + r.IntN(1e6), First: noon.Add(-time.Hour),
					Last: noon.Add(-time.Duration(r.IntN(3600)) * time.Second)})
		}
		if err := l.RecordEvents(t.Context(), "prod", events, "1"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := l.AddMute(t.Context(),
				wave.Mute{Request: pick() + fmt.Sprint(r.Uint64()), Cluster: "prod", Scope: wave.MutePool, Value: pick(),
					By: pick(), ByName: pick(), At: noon.Add(-time.Hour), Until: noon.Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		c := answer.New(answer.Config{Cluster: "prod", Store: l, Log: slog.New(slog.DiscardHandler),
			Summaries: answer.Summaries{Store: l},
			Watch:     func(string) string { return pick() },
			Health:    func(context.Context) []answer.Health { return []answer.Health{{Part: "x", Problem: pick()}} }})
		lines := []string{"/nodes", "/nodes list", "/nodes list --removed", "/events", "/events --exact", "/nodes --by pool"}
		for _, o := range os {
			lines = append(lines, "/nodes "+o.Node.UID, "/nodes "+o.Node.Name)
		}
		var all []message.Message
		for _, line := range lines {
			all = append(all, c.To(t.Context(), line, noon))
		}
		home, err := c.Home(t.Context(), "U1", noon)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range append(all, home) {
			for on, surface := range surfaces {
				for _, what := range drawn(v, on) {
					raw, err := json.Marshal(what.blocks)
					if err != nil {
						t.Fatal(err)
					}
					if err := slackemu.ValidateBlocks(surface, raw); err != nil {
						t.Fatalf("seed %d, view %d: %v\n%s", seed, i, err, v)
					}
					m := slackemu.Message{Text: what.text, Blocks: raw}
					if live := slackemu.LiveMentions(m); len(live) > 0 {
						t.Fatalf("seed %d, view %d rings: %v\n%s", seed, i, live, v)
					}
					if links := slackemu.LiveLinks(m); len(links) > 0 {
						t.Fatalf("seed %d, view %d has links: %v\n%s", seed, i, links, v)
					}
				}
			}
		}
		l.Close()
	}
}

// FuzzAnswer holds that no text, however strange, panics or makes an answer that Slack refuses.
func FuzzAnswer(f *testing.F) {
	for _, line := range views {
		f.Add(line)
	}
	for _, s := range nasty {
		f.Add("/nodes " + s)
		f.Add("/events --for " + s)
	}
	c := deskAt(f)
	f.Fuzz(func(t *testing.T, line string) {
		for _, what := range drawn(c.To(t.Context(), line, noon), onMessage) {
			raw, err := json.Marshal(what.blocks)
			if err != nil {
				t.Fatal(err)
			}
			if err := slackemu.ValidateBlocks(slackemu.SurfaceMessage, raw); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if live := slackemu.LiveMentions(slackemu.Message{Text: what.text, Blocks: raw}); len(live) > 0 {
				t.Fatalf("%q rings: %v", line, live)
			}
		}
	})
}

// TestWhy holds what is said of causes: behind the Why button, of one node, and in a list.
func TestWhy(t *testing.T) {
	t.Parallel()
	l := storyLedger(t)
	ctx := t.Context()
	todo, _, err := l.Todo(ctx, "prod", 100)
	if err != nil {
		t.Fatal(err)
	}
	var explained []wave.Explained
	opening := wave.Opening{Kind: wave.KindAway}
	hpa := fleet.ObjectRef{Kind: "HorizontalPodAutoscaler", Namespace: "shop", Name: "checkout"}
	for _, x := range todo {
		opening.Changes = append(opening.Changes, x.Change.ID)
		why := fleet.Explanation{Strength: 90}
		switch {
		case x.Change.Kind == fleet.Removed:
			why.Cause = fleet.Cause{Kind: fleet.Drifted, By: "Karpenter", Why: "AMIDrift"}
			why.Since, why.Nodes = x.Change.At.Add(-130*time.Minute), []string{storyNode(2).Name}
			why.Chain = []fleet.Link{{At: why.Since, Reason: "DisruptionTerminating", Note: "Disrupting Node: Drifted", Count: 1,
				On: fleet.ObjectRef{Kind: "Node", Name: x.Node.Name}}}
		case x.Change.Kind != fleet.Joined || x.Node.Name > storyNode(4).Name:
			continue
		default:
			why.Cause = fleet.Cause{Kind: fleet.Demand, By: "Karpenter", Why: "its HPA went from 14 to 52 (cpu above target)",
				For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "checkout"}}
			why.Pods = 3
			why.Chain = []fleet.Link{
				{At: x.Change.At.Add(-62 * time.Second), On: hpa, Reason: "SuccessfulRescale", Count: 1,
					Note: "New size: 52; reason: cpu resource utilization (percentage of request) above target <!channel>"},
				{At: x.Change.At.Add(-50 * time.Second), Reason: "FailedScheduling", Count: 12,
					On:   fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "checkout-5d8f-x7x2k"},
					Note: "0/9 nodes are available: 9 Insufficient cpu."}}
		}
		explained = append(explained, wave.Explained{Change: x.Change.ID, Explanation: why, Looks: 1})
	}
	if err := l.SetCauses(ctx, "prod", explained); err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{opening}}, false, noon); err != nil {
		t.Fatal(err)
	}
	waves, err := l.LiveWaves(ctx, "prod")
	if err != nil || len(waves) == 0 {
		t.Fatal(waves, err)
	}
	at := noon.Add(-3 * time.Hour)
	if err := l.RecordEvents(ctx, "prod", []fleet.Event{{UID: "s1", Reason: "Scheduled", Count: 1, First: at, Last: at,
		Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "checkout-5d8f-x7x2k"},
		Note:      "Successfully assigned shop/checkout-5d8f-x7x2k to " + storyNode(2).Name}}, "2"); err != nil {
		t.Fatal(err)
	}
	a := answersFrom(l)
	why := a.ToWave(ctx, message.WaveCauses, waves[0].Key, noon).String()
	golden(t, "why-wave", strings.ReplaceAll(why, waves[0].Key, "KEY"))
	for name, line := range map[string]string{"why-node": "/nodes ip-10-0-2-27", "why-node-removed": "/nodes ip-10-0-11-117",
		"why-list": "/nodes list --why CHECKOUT", "why-list-removed": "/nodes list --removed --why drift"} {
		golden(t, name, "> "+line+"\n"+a.To(ctx, line, noon).String())
	}
}
