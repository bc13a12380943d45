package deliver_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/cause"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/slackemu"
)

// witness is an explainer whose answers depend on how often it was asked for a node.
type witness struct {
	mu     sync.Mutex
	looked map[string][]time.Time // guarded by mu
	went   func(n fleet.Node, look int) fleet.Explanation
	came   func(n fleet.Node, look int) fleet.Explanation
}

func (w *witness) answer(what string, n fleet.Node, say func(fleet.Node, int) fleet.Explanation) fleet.Explanation {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looked == nil {
		w.looked = map[string][]time.Time{}
	}
	// Who is stopped before the answer is recorded asks once more: that is one look.
	if looked := w.looked[what+n.UID]; len(looked) == 0 || time.Since(looked[len(looked)-1]) >= time.Second {
		w.looked[what+n.UID] = append(looked, time.Now())
	}
	if say == nil {
		return fleet.Explanation{}
	}
	return say(n, len(w.looked[what+n.UID]))
}

func (w *witness) explainer() deliver.Explainer {
	return deliver.Explainer{
		Came: func(_ context.Context, n fleet.Node, _, _ time.Time, _ cause.Evidence) (fleet.Explanation, error) {
			return w.answer("came ", n, w.came), nil
		},
		Went: func(_ context.Context, n fleet.Node, _ time.Time, _ cause.Evidence) (fleet.Explanation, error) {
			return w.answer("went ", n, w.went), nil
		},
	}
}

// after is when a node was asked for, since a moment, in whole seconds.
func (w *witness) after(since time.Time, what string, n int) (seconds []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.looked[fmt.Sprintf("%s uid-%d", what, n)] {
		seconds = append(seconds, int(at.Sub(since).Round(time.Second)/time.Second))
	}
	return seconds
}

func because(kind fleet.CauseKind, strength int) fleet.Explanation {
	return fleet.Explanation{Cause: fleet.Cause{Kind: kind, By: "Karpenter"}, Strength: strength}
}

// left has one node leave, in a message of its own, and returns when.
func (r *rig) left() time.Time {
	r.t.Helper()
	r.join(0, 1)
	r.setReady(0, fleet.Ready, "KubeletReady")
	time.Sleep(time.Hour)
	at := time.Now()
	k := r.known["uid-0"]
	r.record(nil, fleet.Gone(k.Node, k.Known, at))
	return at
}

// versions are the texts that the only message of a kind has had, and when.
func (r *rig) versions(kind string) (texts []string, at []time.Time) {
	r.t.Helper()
	w := r.waves(kind)
	if len(w) != 1 {
		r.t.Fatalf("%d messages of kind %s, want 1", len(w), kind)
	}
	m, _ := r.slack.Message(slackemu.ChannelOps, w[0].TS)
	for _, v := range m.Versions {
		texts, at = append(texts, v.Text), append(at, v.At)
	}
	return texts, at
}

func (r *rig) liveWaves() int {
	r.t.Helper()
	live, err := r.ledger.LiveWaves(r.t.Context(), "prod")
	if err != nil {
		r.t.Fatal(err)
	}
	return len(live)
}

// A message is posted at once, and edited once when it is known why its node left, also by another process. Whether
// more is known is asked for a minute, and the wave is finished then.
func TestCauseIsLate(t *testing.T) {
	t.Parallel()
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprint("restarts ", restarts), func(t *testing.T) {
			w := &witness{went: func(n fleet.Node, look int) fleet.Explanation {
				if look < 3 {
					return fleet.Explanation{}
				}
				return because(fleet.Drifted, 80)
			}}
			bubble(t, func(r *rig) {
				at := r.left()
				if restarts {
					for range 19 {
						time.Sleep(time.Second)
						r.restart()
					}
				}
				time.Sleep(time.Until(at.Add(28 * time.Second)))
				texts, times := r.versions("removed")
				if len(texts) != 2 || strings.Contains(texts[0], "drift") || !strings.Contains(texts[1], "drift") {
					t.Errorf("half a minute later the message has read %q", texts)
				}
				if posted, edited := times[0].Sub(at), times[1].Sub(at); posted > 10*time.Millisecond ||
					edited < 20*time.Second || edited > 26*time.Second {
					t.Errorf("posted after %v, edited after %v", posted, edited)
				}
				time.Sleep(30 * time.Second)
				if r.liveWaves() != 1 {
					t.Error("the wave is finished before its cause is final")
				}
				time.Sleep(10 * time.Second)
				if r.liveWaves() != 0 {
					t.Error("the wave is not finished although its cause is final")
				}
				time.Sleep(time.Hour)
				if texts, _ := r.versions("removed"); len(texts) != 2 {
					t.Errorf("in the end the message has read %q", texts)
				}
				if got := w.after(at, "went", 0); !slices.Equal(got, []int{0, 5, 20, 60}) {
					t.Errorf("asked for after %v seconds", got)
				}
				e, ok, err := r.ledger.Explanation(r.t.Context(), "prod", "uid-0", fleet.Removed)
				if err != nil || !ok || e.Kind != fleet.Drifted {
					t.Errorf("recorded is %+v, %v", e, err)
				}
			}, func(r *rig) { r.explain = w.explainer() })
		})
	}
}

// What was told is not taken back for something weaker, and something stronger is told.
func TestCauseIsNeverWeaker(t *testing.T) {
	t.Parallel()
	w := &witness{went: func(n fleet.Node, look int) fleet.Explanation {
		// The first look may come before the message.
		return []fleet.Explanation{{}, because(fleet.NotSaid, 40), because(fleet.Drifted, 80),
			because(fleet.MachineGone, 30)}[look-1]
	}}
	bubble(t, func(r *rig) {
		r.left()
		time.Sleep(time.Hour)
		texts, _ := r.versions("removed")
		if len(texts) != 3 || strings.Contains(texts[0], "Karpenter") ||
			!strings.Contains(texts[1], "does not say why") || !strings.Contains(texts[2], "drifted") {
			t.Errorf("the message has read %q", texts)
		}
		if r.liveWaves() != 0 {
			t.Error("the wave is not finished")
		}
	}, func(r *rig) { r.explain = w.explainer() })
}

// Where nothing is found out, or the same again, nobody is called.
func TestNoCallForNoCause(t *testing.T) {
	t.Parallel()
	for name, say := range map[string]func(n fleet.Node, look int) fleet.Explanation{
		"nothing":       nil,
		"the same":      func(fleet.Node, int) fleet.Explanation { return because(fleet.Drifted, 80) },
		"the strongest": func(fleet.Node, int) fleet.Explanation { return because(fleet.Drifted, cause.Strongest) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &witness{went: say}
			bubble(t, func(r *rig) {
				at := r.left()
				time.Sleep(time.Hour)
				want, looks := 2, 4
				if say == nil {
					want = 1
				}
				if name == "the strongest" {
					looks = 1
				}
				texts, _ := r.versions("removed")
				if len(texts) > 0 && strings.Contains(texts[0], "drifted") { // the first look came before the message
					want = 1
				}
				if len(texts) != want {
					t.Errorf("the message has read %q", texts)
				}
				if got := w.after(at, "went", 0); len(got) != looks {
					t.Errorf("asked for after %v seconds", got)
				}
				if r.liveWaves() != 0 {
					t.Error("the wave is not finished")
				}
			}, func(r *rig) { r.explain = w.explainer() })
		})
	}
}

// Why nodes came is looked for ever less often, until five minutes after they became ready, and at once when they do.
// Who has not become ready is looked at for twenty minutes.
func TestLooksAtJoins(t *testing.T) {
	t.Parallel()
	w := &witness{}
	bubble(t, func(r *rig) {
		at := time.Now()
		r.join(0, 2)
		time.Sleep(100 * time.Second)
		r.setReady(0, fleet.Ready, "KubeletReady")
		time.Sleep(30 * time.Minute)
		got := w.after(at, "came", 0)
		// The object says that it became ready after 41 seconds.
		if want := []int{0, 5, 20, 60, 100, 159, 277, 341}; !slices.Equal(got, want) {
			t.Errorf("a node that became ready is asked for after %v seconds, want %v", got, want)
		}
		got = w.after(at, "came", 1)
		if n := len(got); n < 8 || n > 14 || got[n-1] < 19*60 || got[n-1] > 20*60 {
			t.Errorf("a node that did not become ready is asked for after %v seconds", got)
		}
		if n := r.liveWaves(); n != 1 {
			t.Errorf("%d live waves, want the one that waits for its node", n)
		}
		if w := r.waves("joined"); w[0].Edits > 2 {
			t.Errorf("the message was edited %d times", w[0].Edits)
		}
	}, func(r *rig) { r.explain = w.explainer() })
}

// What is muted is explained too, because digests ask, and so is what is to be told in a message that takes no edits,
// which does not say it.
func TestCauseOfWhatIsMuted(t *testing.T) {
	t.Parallel()
	w := &witness{came: func(fleet.Node, int) fleet.Explanation { return because(fleet.Demand, 90) }}
	bubble(t, func(r *rig) {
		r.join(0, 3)
		time.Sleep(time.Hour)
		nodes, err := r.ledger.ListNodes(r.t.Context(), "prod", query.NodeFilter{Why: "karpenter"}, query.SortName, 0, 10)
		if err != nil || nodes.Total != 3 {
			t.Errorf("%d nodes came for demand, %v", nodes.Total, err)
		}
		if n := len(r.waves("")); n != 0 {
			t.Errorf("%d messages", n)
		}
	}, func(r *rig) {
		r.explain = w.explainer()
		r.alert.Alerts = func(map[string]string) bool { return false }
	})
}

func TestFrozenMessageSaysNoCause(t *testing.T) {
	t.Parallel()
	w := &witness{went: func(_ fleet.Node, look int) fleet.Explanation {
		if look == 1 { // which may come before the message
			return fleet.Explanation{}
		}
		return because(fleet.Drifted, cause.Strongest)
	}}
	r := newRig(t, slackemu.Config{})
	r.pace, r.explain = fast, w.explainer()
	r.start()
	r.join(0, 1)
	r.setReady(0, fleet.Ready, "KubeletReady")
	r.settle("joined", "ready")
	r.slack.Fail("chat.update", 0, slackemu.Refuse("edit_window_closed"))
	r.remove(0)
	r.settle("removed")
	r.eventually(20*time.Second, func() error {
		live, err := r.ledger.LiveWaves(t.Context(), "prod")
		if err != nil {
			return err
		}
		for _, w := range live {
			if w.Kind == "removed" {
				return fmt.Errorf("the wave is live: %+v", w.Counts)
			}
		}
		return nil
	})
	if n := r.slack.Counts()["chat.update"].Errors["edit_window_closed"]; n != 1 {
		t.Errorf("%d edits were refused, want 1", n)
	}
	if m := r.waves("removed"); len(m) != 1 || len(m[0].Replies) != 0 {
		t.Errorf("removals: %+v", m)
	}
}

// A message does not wait for a cause that takes long to find.
func TestNoMessageWaitsForACause(t *testing.T) {
	t.Parallel()
	slow := func(context.Context, fleet.Node, time.Time, cause.Evidence) (fleet.Explanation, error) {
		time.Sleep(40 * time.Millisecond)
		return because(fleet.Demand, 50), nil
	}
	bubble(t, func(r *rig) {
		r.join(0, 400)
		time.Sleep(200 * time.Millisecond) // while it explains these
		at := time.Now()
		k := r.known["uid-7"]
		r.record(nil, fleet.Gone(k.Node, k.Known, at))
		time.Sleep(5 * time.Second)
		if _, times := r.versions("removed"); times[0].Sub(at) > 1100*time.Millisecond { // a message a second, of Slack's
			t.Errorf("posted after %v", times[0].Sub(at))
		}
	}, func(r *rig) {
		r.explain = deliver.Explainer{Came: func(ctx context.Context, n fleet.Node, at, _ time.Time, in cause.Evidence) (
			fleet.Explanation, error) {
			return slow(ctx, n, at, in)
		}, Went: slow}
	})
}

// The ledger gives package cause what it asks for: a join is followed through the events to the HPA, and a removal to
// what Karpenter said, also where the events come later.
func TestExplainsFromTheLedger(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		uids := 0
		events := func(of fleet.ObjectRef, controller, reason, note string) {
			t.Helper()
			uids++
			now := time.Now()
			if err := r.ledger.RecordEvents(r.t.Context(), "prod", []fleet.Event{{Cluster: "prod", UID: fmt.Sprint("e", uids),
				Regarding: of, Reason: reason, Type: "Normal", Note: note, Controller: controller, Count: 1, First: now,
				Last: now}}, "1"); err != nil {
				t.Fatal(err)
			}
		}
		shop := func(kind, name string) fleet.ObjectRef {
			return fleet.ObjectRef{Kind: kind, Namespace: "shop", Name: name, UID: kind + name}
		}
		claim := fleet.ObjectRef{Kind: "NodeClaim", Name: "general-abc", UID: "c1"}
		events(shop("HorizontalPodAutoscaler", "web"), "horizontal-pod-autoscaler", "SuccessfulRescale",
			"New size: 52; reason: cpu resource utilization (percentage of request) above target")
		events(shop("Deployment", "web"), "deployment-controller", "ScalingReplicaSet",
			"Scaled up replica set web-5d from 14 to 52")
		time.Sleep(time.Second)
		events(shop("ReplicaSet", "web-5d"), "replicaset-controller", "SuccessfulCreate", "Created pod: web-5d-x1")
		events(shop("Pod", "web-5d-x1"), "default-scheduler", "FailedScheduling", "0/3 nodes are available: Insufficient cpu.")
		events(shop("Pod", "web-5d-x1"), "karpenter", "Nominated", "Pod should schedule on: nodeclaim/general-abc")
		time.Sleep(30 * time.Second)
		r.now = time.Now().UTC()
		n := r.node(0)
		n.Owner = claim
		o := fleet.First(n, time.Now())
		r.record(nil, o)
		time.Sleep(time.Second)
		came, ok, err := r.ledger.Explanation(r.t.Context(), "prod", n.UID, fleet.Joined)
		if want := (fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}); err != nil || !ok ||
			came.Kind != fleet.Demand || came.For != want || !strings.Contains(came.Why, "from 14 to 52") || len(came.Chain) < 4 {
			t.Errorf("it came for %+v, %v", came, err)
		}
		time.Sleep(time.Hour)
		r.record(nil, fleet.Gone(n, o.Known, time.Now()))
		time.Sleep(3 * time.Second)
		events(fleet.ObjectRef{Kind: "Node", Name: n.Name, UID: n.UID}, "karpenter", "DisruptionTerminating",
			"Disrupting Node: Empty")
		time.Sleep(5 * time.Second)
		went, ok, err := r.ledger.Explanation(r.t.Context(), "prod", n.UID, fleet.Removed)
		if err != nil || !ok || went.Kind != fleet.Empty || went.By != "Karpenter" {
			t.Errorf("it went for %+v, %v", went, err)
		}
		causes, _, err := r.ledger.WaveCauses(r.t.Context(), r.waves("joined")[0].Key)
		if err != nil || len(causes.Counts) != 1 || causes.Counts[0].Nodes != 1 || len(causes.Counts[0].Chain) < 4 {
			t.Errorf("the wave: %+v, %v", causes, err)
		}
	})
}

// Both messages of a replacement tell of the other side: that of the nodes which came is edited once it is known why
// the others left.
func TestReplacementIsOneStory(t *testing.T) {
	t.Parallel()
	w := &witness{
		came: func(n fleet.Node, _ int) fleet.Explanation {
			if n.UID == "uid-0" {
				return fleet.Explanation{}
			}
			return fleet.Explanation{Strength: 95,
				Cause: fleet.Cause{Kind: fleet.Replacement, By: "Karpenter", Why: "drifted"}}
		},
		went: func(fleet.Node, int) fleet.Explanation { return because(fleet.Drifted, 80) },
	}
	bubble(t, func(r *rig) {
		r.join(0, 1)
		r.setReady(0, fleet.Ready, "KubeletReady")
		time.Sleep(time.Hour)
		r.now = time.Now()
		r.join(1, 3)
		time.Sleep(time.Minute)
		k := r.known["uid-0"]
		r.record(nil, fleet.Gone(k.Node, k.Known, time.Now()))
		time.Sleep(2 * time.Minute)
		const story = "1 drifted node left and 2 joined in their place from"
		for _, kind := range []string{"joined", "removed"} {
			waves := r.waves(kind)
			m, _ := r.slack.Message(slackemu.ChannelOps, waves[len(waves)-1].TS)
			if text := slackemu.PlainText(m); !strings.Contains(text, story) {
				t.Errorf("the message of those that %s does not say %q:\n%s", kind, story, text)
			}
		}
	}, func(r *rig) { r.explain = w.explainer() })
}
