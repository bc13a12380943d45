package k8s

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"rollcall/internal/fleet"
	"rollcall/test/cluster"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

const name = "prod" // the cluster's, in the ledger

// fast is a timing in which a test need not wait a minute for anything.
func fast() timing {
	t := defaultTiming
	t.backoff, t.maxPause, t.forbidden, t.mark = 10*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond,
		50*time.Millisecond
	t.settle, t.confirm = 100*time.Millisecond, 100*time.Millisecond
	return t
}

type testWatch struct {
	*Watcher
	store *memory
	stop  func() // ends the watcher and waits for it
}

// start runs a watcher on store until stop or the test's end.
func start(t *testing.T, config *rest.Config, store *memory, tune ...func(*Watcher)) *testWatch {
	t.Helper()
	client, err := NewClient(config, "test")
	if err != nil {
		t.Fatal(err)
	}
	w := New(Config{Cluster: name, Client: client, Store: store, NodePage: 3, EventPage: 5})
	w.timing = fast()
	for _, f := range tune {
		f(w)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return &testWatch{w, store, stop}
}

func (w *testWatch) waitSynced(t *testing.T) {
	t.Helper()
	cluster.Eventually(t, 20*time.Second, func(context.Context) error {
		if s := w.Status(); !s.Nodes.Synced || !s.Events.Synced {
			return fmt.Errorf("not synced: %+v", s)
		}
		return nil
	})
}

// waitChanges waits until the node's changes are exactly those, and stay so for a moment.
func (m *memory) waitChanges(t *testing.T, node string, want ...string) {
	t.Helper()
	for i := range want {
		want[i] = node + " " + want[i]
	}
	cluster.Eventually(t, 20*time.Second, func(context.Context) error {
		if got := m.what(node); !slices.Equal(got, want) {
			return fmt.Errorf("changes: got %q, want %q", got, want)
		}
		return nil
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLife follows one name through two lives, and through everything a node can do in one.
func TestLife(t *testing.T) {
	c := cluster.Shared(t)
	ctx := t.Context()
	ok(t, c.Clear(ctx))
	old := must(c.CreateNode(ctx, cluster.NewNode("", cluster.Ready())))
	store := newMemory()
	w := start(t, c.Config(cluster.UserAdmin), store)
	w.waitSynced(t)
	s := store.snapshot()
	if len(s.changes) != 0 || len(s.nodes) != 1 || s.nodes[string(old.UID)] == nil || s.checkpoint.BaselineAt.IsZero() {
		t.Fatalf("the baseline is not one node without changes: %+v", s)
	}

	n := must(c.CreateNode(ctx, cluster.NewNode("roll-1", cluster.Spot(), cluster.Zone("eu-west-1b"))))
	store.waitChanges(t, "roll-1", "joined#1")
	ok(t, c.SetReady(ctx, "roll-1", corev1.ConditionTrue, ""))
	store.waitChanges(t, "roll-1", "joined#1", "ready#1")
	ok(t, c.SetReady(ctx, "roll-1", corev1.ConditionUnknown, ""))
	store.waitChanges(t, "roll-1", "joined#1", "ready#1", "not_ready#1")
	if got := store.change(t, "roll-1", fleet.WentUnready); got.Reason != "NodeStatusUnknown" ||
		got.Proof != fleet.ProofObject {
		t.Errorf("not ready: %+v", got)
	}
	ok(t, c.SetReady(ctx, "roll-1", corev1.ConditionTrue, ""))
	ok(t, c.Cordon(ctx, "roll-1"))
	ok(t, c.Uncordon(ctx, "roll-1"))
	ok(t, c.DeleteNode(ctx, "roll-1"))
	first := []string{"joined#1", "ready#1", "not_ready#1", "recovered#1", "cordoned#1", "uncordoned#1", "removed#1"}
	store.waitChanges(t, "roll-1", slices.Clone(first)...)
	kept := store.snapshot().nodes[string(n.UID)].node
	if kept.Zone != "eu-west-1b" || kept.CapacityType != "spot" || kept.Name != "roll-1" || kept.Provider != "aws" ||
		kept.InstanceType == "" {
		t.Errorf("node as kept: %+v", kept)
	}

	again := must(c.CreateNode(ctx, cluster.NewNode("roll-1")))
	store.waitChanges(t, "roll-1", append(slices.Clone(first), "joined#1")...)
	if again.UID == n.UID || len(store.snapshot().nodes) != 3 {
		t.Errorf("a recreated node is not another node")
	}
	for _, ch := range store.snapshot().changes {
		if ch.GapID != 0 || ch.Proof == fleet.ProofNone {
			t.Errorf("a watched change is in doubt: %+v", ch)
		}
	}
}

// TestHeartbeats holds that heartbeats write nothing.
func TestHeartbeats(t *testing.T) {
	c := cluster.Shared(t)
	ctx := t.Context()
	ok(t, c.Clear(ctx))
	ns := must(c.CreateNodes(ctx, 4, 2, cluster.Ready()))
	store := newMemory()
	w := start(t, c.Config(cluster.UserAdmin), store)
	w.waitSynced(t)
	before, _ := w.nodes.state.seen()
	// Heartbeat times have whole seconds: wait for a new one, so that each beat is a change.
	second := time.Now().Truncate(time.Second).Add(time.Second)
	cluster.Eventually(t, 5*time.Second, func(context.Context) error {
		if time.Now().Before(second) {
			return errors.New("the second is not over")
		}
		return nil
	})
	for _, n := range ns {
		ok(t, c.Heartbeat(ctx, n.Name))
	}
	last := must(c.CreateNode(ctx, cluster.NewNode("")))
	store.waitChanges(t, last.Name, "joined#1")
	s := store.snapshot()
	if after, _ := w.nodes.state.seen(); !ahead(after, before) {
		t.Fatalf("the watch saw nothing: resource version %s after %s", after, before)
	}
	if s.nodeWrites != 1 {
		t.Errorf("%d writes for 4 heartbeats and one new node, want 1", s.nodeWrites)
	}
}

// TestRestart holds that a restarted watcher tells the difference once, with the times that
// objects and events prove, and nothing of what it knew.
func TestRestart(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	ctx := t.Context()
	stays := must(c.CreateNode(ctx, cluster.NewNode("stays", cluster.Ready())))
	leaves := must(c.CreateNode(ctx, cluster.NewNode("leaves", cluster.Ready())))
	must(c.CreateNode(ctx, cluster.NewNode("unproven", cluster.Ready())))
	must(c.CreateNode(ctx, cluster.NewNode("reborn", cluster.Ready())))
	store := newMemory()
	w := start(t, c.Config(cluster.UserAdmin), store)
	w.waitSynced(t)
	w.stop()
	stopped := store.snapshot().checkpoint.WatchedUntil

	ok(t, c.DeleteNode(ctx, "leaves"))
	removing := must(c.EmitEvent(ctx, cluster.RemovingNodeEvent(leaves)))
	ok(t, c.DeleteNode(ctx, "unproven"))
	ok(t, c.DeleteNode(ctx, "reborn"))
	reborn := must(c.CreateNode(ctx, cluster.NewNode("reborn", cluster.Ready())))
	must(c.CreateNode(ctx, cluster.NewNode("comes", cluster.Ready())))
	visitor := must(c.CreateNode(ctx, cluster.NewNode("visitor")))
	must(c.EmitEvent(ctx, cluster.RegisteredNodeEvent(visitor)))
	must(c.EmitEvent(ctx, cluster.NodeReadyEvent(visitor)))
	ok(t, c.DeleteNode(ctx, "visitor"))
	must(c.EmitEvent(ctx, cluster.RemovingNodeEvent(visitor)))
	ok(t, c.Cordon(ctx, "stays"))
	// A flap needs its transition in a later second than the one before.
	cluster.Eventually(t, 5*time.Second, func(ctx context.Context) error {
		if time.Since(stays.CreationTimestamp.Time) < 2*time.Second {
			return errors.New("too early for another transition")
		}
		return nil
	})
	ok(t, c.SetReady(ctx, "stays", corev1.ConditionUnknown, ""))
	must(c.EmitEvent(ctx, cluster.NodeNotReadyEvent(stays)))
	ok(t, c.SetReady(ctx, "stays", corev1.ConditionTrue, ""))

	w = start(t, c.Config(cluster.UserAdmin), store)
	w.waitSynced(t)
	store.waitChanges(t, "leaves", "removed#1")
	store.waitChanges(t, "unproven", "removed#1")
	store.waitChanges(t, "comes", "joined#1", "ready#1")
	store.waitChanges(t, "visitor", "joined#1", "ready#1", "removed#1")
	store.waitChanges(t, "stays", "not_ready#1", "recovered#1", "cordoned#1")
	got := store.what("reborn")
	slices.Sort(got)
	if want := []string{"reborn joined#1", "reborn ready#1", "reborn removed#1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s := store.snapshot()
	if len(s.gaps) != 1 {
		t.Fatalf("gaps: %+v", s.gaps)
	}
	g := s.gaps[0]
	if !g.Missed || g.Cause != causeRestart || !g.From.Equal(stopped) || g.Until.Before(g.From) ||
		!g.EventsFrom.Equal(g.From) {
		t.Errorf("gap: %+v; stopped at %s", g, stopped)
	}
	for _, c := range s.changes {
		if c.GapID != 1 {
			t.Errorf("a change of the gap is not in it: %+v", c)
		}
	}
	if c := store.change(t, "leaves", fleet.Removed); c.Proof != fleet.ProofEvent ||
		!c.At.Equal(removing.DeprecatedFirstTimestamp.UTC()) {
		t.Errorf("proved removal: %+v", c)
	}
	if c := store.change(t, "unproven", fleet.Removed); c.Proof != fleet.ProofNone || !c.NotBefore.Equal(g.From) ||
		!c.At.Equal(g.Until) {
		t.Errorf("unproved removal: %+v", c)
	}
	if c := store.change(t, "reborn", fleet.Removed); c.Proof != fleet.ProofNone || c.At.After(g.Until) ||
		c.NodeUID == string(reborn.UID) {
		t.Errorf("removal before a rebirth: %+v", c)
	}
	if c := store.change(t, "stays", fleet.WentUnready); c.Proof != fleet.ProofEvent {
		t.Errorf("flap with an event: %+v", c)
	}
	if c := store.change(t, "stays", fleet.Cordoned); c.Proof != fleet.ProofNone || c.NotBefore.Before(g.From) {
		t.Errorf("cordon without an event: %+v", c)
	}
	if c := store.change(t, "visitor", fleet.BecameReady); c.Proof != fleet.ProofEvent {
		t.Errorf("visitor's readiness: %+v", c)
	}

	// And once more with nothing to tell but the gap.
	w.stop()
	before := store.what("")
	w = start(t, c.Config(cluster.UserAdmin), store)
	w.waitSynced(t)
	w.stop()
	if diff := cmp.Diff(before, store.what("")); diff != "" {
		t.Errorf("a second restart told again:\n%s", diff)
	}
	if s := store.snapshot(); len(s.gaps) != 2 {
		t.Errorf("the second gap is not recorded: %+v", s.gaps)
	}
}

// TestForgottenHistory holds that an expired watch lists again, merges events, and tells every
// change once.
func TestForgottenHistory(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	ctx := t.Context()
	proxy := c.Proxy(t)
	config := c.Config(cluster.UserAdmin)
	config.Host = proxy.URL()
	n := must(c.CreateNode(ctx, cluster.NewNode("a", cluster.Ready())))
	e := must(c.EmitEvent(ctx, cluster.RegisteredNodeEvent(n)))
	store := newMemory()
	w := start(t, config, store)
	w.waitSynced(t)
	proxy.Refuse()
	proxy.Cut()
	must(c.RepeatEvent(ctx, e.Namespace, e.Name))
	ready := must(c.EmitEvent(ctx, cluster.NodeReadyEvent(n)))
	must(c.CreateNode(ctx, cluster.NewNode("b")))
	ok(t, c.DeleteNode(ctx, "a"))
	ok(t, c.ForgetHistory(ctx))
	ok(t, proxy.Accept())
	store.waitChanges(t, "a", "removed#1")
	store.waitChanges(t, "b", "joined#1")
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		s := store.snapshot()
		if len(s.gaps) != 1 || s.gaps[0].Cause != causeExpired || !s.gaps[0].Missed {
			return fmt.Errorf("gaps: %+v", s.gaps)
		}
		if a, b := s.events[string(e.UID)], s.events[string(ready.UID)]; a.Count != 2 || b.Count != 1 {
			return fmt.Errorf("events: %+v", s.events)
		}
		return nil
	})
	must(c.CreateNode(ctx, cluster.NewNode("c")))
	store.waitChanges(t, "c", "joined#1")
}

// TestAPIServerRestart holds that a watch resumes and misses nothing, and that being away for
// long is recorded without claiming that anything was missed.
func TestAPIServerRestart(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	ctx := t.Context()
	store := newMemory()
	w := start(t, c.Config(cluster.UserAdmin), store, func(w *Watcher) { w.timing.gap = 100 * time.Millisecond })
	w.waitSynced(t)
	must(c.CreateNode(ctx, cluster.NewNode("a")))
	store.waitChanges(t, "a", "joined#1")
	c.KillAPIServer() // one that stops in good order lets watches go on for as long as it may
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		if s := w.Status(); !strings.Contains(s.Nodes.Error, "nothing listens there") ||
			!strings.Contains(s.Events.Error, "nothing listens there") {
			return fmt.Errorf("status does not say why: %+v", s)
		}
		return nil
	})
	ok(t, c.StartAPIServer(ctx))
	must(c.CreateNode(ctx, cluster.NewNode("b")))
	store.waitChanges(t, "b", "joined#1")
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		if s := w.Status(); s.Nodes.Error != "" || s.Events.Error != "" {
			return fmt.Errorf("status: %+v", s)
		}
		if g := store.snapshot().gaps; len(g) == 0 {
			return errors.New("the gap is not recorded")
		}
		return nil
	})
}

// TestHalfOpen holds that a connection that carries nothing any more is noticed and replaced:
// by the watchdog where each watch has its own connection, and by HTTP/2's health check where
// they share one.
func TestHalfOpen(t *testing.T) {
	for _, proto := range []string{"http/1.1", "h2"} {
		t.Run(proto, func(t *testing.T) {
			// Seconds, instead of client-go's 30 and 15, which it reads when it makes a transport.
			t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "1")
			t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "1")
			c := cluster.Start(t, cluster.Options{}) // its own certificate, and so its own transport
			ctx := t.Context()
			proxy := c.Proxy(t)
			config := c.Config(cluster.UserAdmin)
			config.Host, config.NextProtos = proxy.URL(), []string{proto}
			store := newMemory()
			w := start(t, config, store, func(w *Watcher) {
				if proto == "http/1.1" {
					w.timing.silence = time.Second
				}
				// A request may also be sent on an idle connection that is half-open already.
				w.timing.open = 2 * time.Second
			})
			w.waitSynced(t)
			accepted := proxy.Accepted()
			proxy.Stall()
			must(c.CreateNode(ctx, cluster.NewNode("lost")))
			cluster.Eventually(t, 20*time.Second, func(context.Context) error {
				if proxy.Accepted() == accepted {
					return errors.New("no new connection")
				}
				return nil
			})
			proxy.Flow()
			store.waitChanges(t, "lost", "joined#1")
		})
	}
}

// TestRights holds that a missing permission is named and what is permitted goes on.
func TestRights(t *testing.T) {
	c := cluster.Shared(t)
	ctx := t.Context()
	ok(t, c.Clear(ctx))
	user := c.NewUser(t)
	client, err := NewClient(c.Config(user), "test")
	ok(t, err)
	c.Grant(t, user, cluster.ReadNodes()...)
	store := newMemory()
	w := start(t, c.Config(user), store)
	n := must(c.CreateNode(ctx, cluster.NewNode("permitted")))
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		s := w.Status()
		if !slices.Equal(s.Events.Forbidden, []string{"list events.events.k8s.io"}) ||
			!strings.HasPrefix(s.Events.Error, "list events.events.k8s.io: not permitted for "+user+
				": apply the ClusterRole in manifests/") {
			return fmt.Errorf("status: %+v", s.Events)
		}
		if !s.Nodes.Synced || s.Nodes.Error != "" {
			return fmt.Errorf("status: %+v", s.Nodes)
		}
		return nil
	})
	checks := client.Check(ctx)
	var failed []string
	for _, c := range checks {
		if !c.OK {
			failed = append(failed, c.What)
		}
	}
	if want := []string{"get events.events.k8s.io", "list events.events.k8s.io",
		"watch events.events.k8s.io", "get namespaces/kube-system"}; !slices.Equal(failed, want) {
		t.Errorf("check: %+v", checks)
	}
	// A gap without events is told without them.
	w.stop()
	ok(t, c.DeleteNode(ctx, n.Name))
	w = start(t, c.Config(user), store)
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		g := store.snapshot().gaps
		if len(g) != 1 || !g[0].EventsFrom.IsZero() {
			return fmt.Errorf("gaps: %+v", g)
		}
		return nil
	})
	// The permission comes: nothing has to be restarted.
	c.Grant(t, user, cluster.ReadNodesAndEvents()...)
	w.waitSynced(t)
	if s := w.Status(); len(s.Events.Forbidden) != 0 || s.Events.Error != "" {
		t.Errorf("status: %+v", s.Events)
	}
}

// TestRestoredEtcd holds that after etcd was restored from a backup, with and without a bump of its revision,
// everything that the restore took back or brought back is recorded, and what follows is too.
func TestRestoredEtcd(t *testing.T) {
	for name, test := range map[string]struct{ bump, overtake bool }{
		"revisions are given anew": {}, "revisions go on": {bump: true},
		"revisions are given anew and overtake what was seen": {overtake: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster.Start(t, cluster.Options{})
			ctx := t.Context()
			for _, name := range []string{"old-1", "old-2", "old-3"} {
				must(c.CreateNode(ctx, cluster.NewNode(name, cluster.Ready())))
			}
			store := newMemory()
			proxy := c.Proxy(t)
			config := c.Config(cluster.UserAdmin)
			config.Host = proxy.URL()
			w := start(t, config, store)
			w.waitSynced(t)
			backup := must(c.SaveEtcd(ctx))
			cluster.Eventually(t, 30*time.Second,
				func(ctx context.Context) error { return c.DeleteNode(ctx, "old-1") })
			must(c.CreateNode(ctx, cluster.NewNode("new-1")))
			store.waitChanges(t, "old-1", "removed#1")
			store.waitChanges(t, "new-1", "joined#1")
			if test.overtake {
				proxy.Refuse()
				proxy.Cut()
			}
			ok(t, c.RestoreEtcd(ctx, backup, test.bump))
			if test.overtake {
				seen, _ := w.nodes.state.seen()
				cluster.Eventually(t, 30*time.Second, func(ctx context.Context) error {
					ok(t, c.Heartbeat(ctx, "old-2"))
					n := must(c.Admin().CoreV1().Nodes().Get(ctx, "old-2", metav1.GetOptions{}))
					if !ahead(n.ResourceVersion, seen) {
						return fmt.Errorf("the restored cluster is at %s, and %s was seen", n.ResourceVersion, seen)
					}
					return nil
				})
				ok(t, proxy.Accept())
			}
			store.waitChanges(t, "old-1", "removed#1", "joined#2", "ready#2")
			store.waitChanges(t, "new-1", "joined#1", "removed#1")
			must(c.CreateNode(ctx, cluster.NewNode("new-2")))
			ok(t, c.DeleteNode(ctx, "old-1"))
			store.waitChanges(t, "new-2", "joined#1")
			store.waitChanges(t, "old-1", "removed#1", "joined#2", "ready#2", "removed#2")
			// Each watch tries again by itself, the later the longer it could not: the nodes' may be ahead of the events'.
			cluster.Eventually(t, time.Minute, func(context.Context) error {
				if s := w.Status(); s.Nodes.Error != "" || s.Events.Error != "" {
					return fmt.Errorf("status %+v", s)
				}
				return nil
			})
		})
	}
}
