package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/channel"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
)

// rig is a ledger, the emulator and a teller between them.
type rig struct {
	t       *testing.T
	channel string
	slack   *slackemu.Server
	ledger  *ledger.Ledger
	alert   alert.Config
	explain deliver.Explainer
	sight   func(started time.Time) alert.Sight // of a teller that was started then; nil: it sees all
	unlike  bool                                // every node is another machine
	pace    deliver.Limits
	outbox  *deliver.Outbox // of the teller that was started last
	now     time.Time
	known   map[string]fleet.Observation
	names   map[string][]string // step → nodes that took it
	stop    func()
	restart func()              // of a bubble's teller
	away    func(time.Duration) // no teller runs meanwhile
	ended   chan error          // what Run returned
}

var fast = deliver.Limits{Posts: 1000, PostBurst: 1000, Edits: 1000, EditBurst: 1000, MaxPause: 2 * time.Second,
	Settle: time.Second}

func newRig(t *testing.T, cfg slackemu.Config) *rig {
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, channel: slackemu.ChannelOps, slack: slackemu.Start(t, cfg), ledger: l,
		now:   time.Now().UTC().Truncate(time.Second),
		known: map[string]fleet.Observation{}, names: map[string][]string{},
		alert: alert.Config{WaveGap: 1500 * time.Millisecond, WaveMax: time.Minute, ReadyDeadline: time.Hour}}
	t.Cleanup(func() {
		r.halt()
		l.Close()
		if t.Failed() {
			for _, c := range r.slack.Channels() {
				channel.Dump(t, r.slack, c.ID)
			}
		}
	})
	return r
}

// start starts a teller, as a new process would.
func (r *rig) start() {
	r.t.Helper()
	r.halt()
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	r.ended = ended
	log := slog.New(slog.NewTextHandler(r.t.Output(), nil))
	api := slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, r.slack.APIURL(), nil)
	teller := r.teller(api, r.pace, log)
	go func() {
		defer close(ended)
		var outbox sync.WaitGroup
		outbox.Go(func() { r.outbox.Run(ctx) })
		err := teller.Run(ctx)
		cancel()
		outbox.Wait()
		ended <- err
	}()
	r.stop = func() {
		cancel()
		for range ended { // until it is closed
		}
	}
}

// teller returns one with an outbox of its own.
func (r *rig) teller(api *slack.Client, pace deliver.Limits, log *slog.Logger) *deliver.Teller {
	r.outbox = deliver.NewOutbox(slackapp.NewSink(api, pace, log), r.ledger, log)
	config := deliver.TellerConfig{Cluster: "prod", Channel: r.channel, Outbox: r.outbox, Store: r.ledger,
		Evidence: r.ledger.Evidence("prod"), Explain: r.explain, Alert: r.alert, Log: log}
	if started, sight := time.Now(), r.sight; sight != nil {
		config.Sight = func() alert.Sight { return sight(started) }
	}
	return deliver.NewTeller(config)
}

func (r *rig) halt() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

func (r *rig) node(n int) fleet.Node {
	machine := "m5.large"
	if r.unlike {
		machine = fmt.Sprintf("m%d.large", n+1)
	}
	return fleet.Node{Cluster: "prod", UID: fmt.Sprintf("uid-%d", n),
		Name: fmt.Sprintf("ip-10-0-%d-%d.ec2.internal", n/250, n%250), InstanceType: machine,
		CapacityType: "spot", Zone: "us-east-1" + string(rune('a'+n%3)), Pool: "general", Arch: "amd64", CreatedAt: r.now,
		Ready: fleet.Condition{Status: fleet.NotReady}}
}

func (r *rig) record(gap *fleet.Gap, os ...fleet.Observation) {
	r.t.Helper()
	if err := r.ledger.RecordNodes(r.t.Context(),
		fleet.Batch{Cluster: "prod", Observations: os, Gap: gap, At: time.Now()}); err != nil {
		r.t.Fatal(err)
	}
	for _, o := range os {
		r.known[o.Node.UID] = o
		for _, c := range o.Changes {
			r.names[string(c.Kind)] = append(r.names[string(c.Kind)], o.Node.Name)
		}
	}
}

func (r *rig) join(from, to int) {
	r.t.Helper()
	for n := from; n < to; n++ {
		r.record(nil, fleet.First(r.node(n), time.Now()))
	}
}

func (r *rig) setReady(n int, status fleet.ReadyStatus, reason string) {
	r.t.Helper()
	node := r.known[fmt.Sprintf("uid-%d", n)].Node
	node.Ready = fleet.Condition{Status: status, Reason: reason,
		Since: r.now.Add(time.Duration(len(r.names["ready"])+41) * time.Second)}
	o, ok := fleet.Diff(r.known[node.UID].Known, node, fleet.Look{At: time.Now()})
	if !ok {
		r.t.Fatal("no difference")
	}
	r.record(nil, o)
}

func (r *rig) remove(n int) {
	r.t.Helper()
	k := r.known[fmt.Sprintf("uid-%d", n)]
	r.record(nil, fleet.Gone(k.Node, k.Known, time.Now().Add(3*time.Hour)))
}

// settle waits until everything is told, then checks the promise.
func (r *rig) settle(steps ...string) {
	r.t.Helper()
	r.eventually(60*time.Second, func() error {
		if n, _, err := r.ledger.Backlog(r.t.Context(), "prod"); err != nil || n > 0 {
			return fmt.Errorf("%d changes untold, %v", n, err)
		}
		for _, step := range steps {
			if err := channel.Expect(r.slack, slackemu.ChannelOps, step, r.names[step]); err != nil {
				return err
			}
		}
		return nil
	})
}

// eventually polls until check passes.
func (r *rig) eventually(within time.Duration, check func() error) {
	r.t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
		select {
		case <-r.t.Context().Done():
			r.t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (r *rig) waves(kind string) []channel.Wave {
	var out []channel.Wave
	for _, w := range channel.Waves(r.slack, slackemu.ChannelOps) {
		if kind == "" || w.Kind == kind {
			out = append(out, w)
		}
	}
	return out
}

func TestSingleNodeFromJoinToRemoval(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.start()
	r.join(1, 2)
	r.settle("joined")
	r.setReady(1, fleet.Ready, "KubeletReady")
	r.settle("joined", "ready")
	r.setReady(1, fleet.ReadyUnknown, "NodeStatusUnknown")
	r.settle("not_ready")
	r.setReady(1, fleet.Ready, "KubeletReady")
	r.settle("recovered")
	r.remove(1)
	r.settle("joined", "ready", "not_ready", "recovered", "removed")
	if n := len(r.slack.Messages(slackemu.ChannelOps)); n != 3 {
		t.Errorf("%d messages, want 3: joined, not ready, removed", n)
	}
	if w := r.waves("joined")[0]; !strings.Contains(w.Text, "ready after") || w.Edits != 1 {
		t.Errorf("the joining reads %q after %d edits", w.Text, w.Edits)
	}
}

func TestBurstUnderRateLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.start()
	begin := time.Now()
	r.join(0, 300)
	last := time.Now()
	r.eventually(30*time.Second, func() error {
		if w := r.waves("joined"); len(w) != 1 || w[0].Nodes != 300 {
			return fmt.Errorf("%d waves, not what they should be", len(w))
		}
		return nil
	})
	t.Logf("300 nodes in %v, right %v after the last", last.Sub(begin), time.Since(last))
	r.settle("joined")
	counts := r.slack.Counts()
	calls := counts["chat.postMessage"].Calls + counts["chat.update"].Calls
	if limited := counts["chat.postMessage"].RateLimited + counts["chat.update"].RateLimited; limited > 0 || calls > 15 {
		t.Errorf("%d calls, %d of them over the limit", calls, limited)
	}
	for n := range 300 {
		r.setReady(n, fleet.Ready, "KubeletReady")
	}
	r.eventually(30*time.Second, func() error {
		if w := r.waves("joined"); !strings.Contains(w[0].Text, "300 nodes joined, all ready") {
			return fmt.Errorf("the wave reads %q", w[0].Text)
		}
		return nil
	})
	r.settle("joined")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]slackemu.Fault{
		"429":                          slackemu.RateLimited(1),
		"429 without Retry-After":      slackemu.RateLimitedNoHeader(),
		"429 although it was posted":   after(slackemu.RateLimited(1)),
		"500":                          slackemu.ServerError(),
		"500 although it was posted":   after(slackemu.ServerError()),
		"502 page":                     slackemu.BadGateway(),
		"cut":                          slackemu.CutConnection(),
		"cut after it was posted":      after(slackemu.CutConnection()),
		"internal_error":               slackemu.Refuse("internal_error"),
		"internal_error, but posted":   after(slackemu.Refuse("internal_error")),
		"channel not found for a time": slackemu.Refuse("channel_not_found"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, slackemu.Config{})
			r.pace = fast
			r.slack.Fail("chat.postMessage", 2, fault)
			r.slack.Fail("chat.update", 2, fault)
			r.start()
			r.join(0, 8)
			r.remove(3)
			r.settle("joined", "removed")
			for n := range 3 {
				r.setReady(n, fleet.Ready, "KubeletReady")
			}
			r.settle("joined", "removed")
			if len(r.waves("")) != 2 {
				t.Errorf("%d messages, want 2", len(r.waves("")))
			}
		})
	}
}

func after(f slackemu.Fault) slackemu.Fault { f.After = true; return f }

// A process that dies between posting and recording finds its message again; one that may not
// look posts again, once.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		scopes []string
		want   int
	}{{"with history", slackemu.DefaultScopes(), 1}, {"without", []string{"chat:write", "commands"}, 2}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, slackemu.Config{})
			r.pace = fast
			r.slack.SetScopes(slackemu.DefaultBotToken, tc.scopes...)
			r.slack.Fail("chat.postMessage", 1, after(slackemu.HangUp()))
			r.start()
			r.join(1, 2)
			r.eventually(10*time.Second, func() error {
				if len(r.waves("")) != 1 {
					return fmt.Errorf("nothing posted")
				}
				return nil
			})
			r.halt() // within the grace of the hanging call
			r.start()
			r.eventually(20*time.Second, func() error {
				if n, _, _ := r.ledger.Backlog(t.Context(), "prod"); n > 0 || len(r.waves("")) != tc.want {
					return fmt.Errorf("%d untold, %d messages, want %d", n, len(r.waves("")), tc.want)
				}
				return nil
			})
		})
	}
}

func TestOutageEndsInOneCatchUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.alert.CatchUpAfter = 300 * time.Millisecond
	r.alert.WaveGap = 100 * time.Millisecond
	r.start()
	var first []fleet.Observation // at once: a slow machine must not make two waves of them
	for n := range 3 {
		first = append(first, fleet.First(r.node(n), time.Now()))
	}
	r.record(nil, first...)
	r.settle("joined")
	r.eventually(20*time.Second, func() error {
		waves, err := r.ledger.LiveWaves(t.Context(), "prod")
		if err != nil || len(waves) != 1 || waves[0].ClosedAt.IsZero() {
			return fmt.Errorf("%d waves, or the first is open, %v", len(waves), err)
		}
		return nil
	})
	r.slack.SetOutage(slackemu.Outage503)
	r.join(3, 9)
	r.eventually(20*time.Second, func() error { // longer than CatchUpAfter
		// The second attempt looks for the message first.
		if c := r.slack.Counts(); c["chat.postMessage"].Statuses[503] < 1 || c["conversations.history"].Statuses[503] < 1 {
			return fmt.Errorf("calls %+v", c)
		}
		return nil
	})
	r.remove(0)
	r.setReady(1, fleet.Ready, "KubeletReady")
	r.setReady(1, fleet.ReadyUnknown, "NodeStatusUnknown")
	r.halt() // and a restart in the middle of it
	r.remove(2)
	r.start()
	r.slack.SetOutage(slackemu.OutageOff)
	r.settle("joined", "removed", "not_ready")
	if w := r.waves(""); len(w) != 2 || w[1].Kind != "catch_up" ||
		!strings.Contains(w[1].Text, "6 joined, 2 left, 1 went not ready") {
		t.Errorf("%d waves after the outage", len(w))
	}
}

func TestAwayIsOneMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.start()
	r.join(0, 2)
	r.settle("joined")
	r.halt()
	gone := r.known["uid-0"]
	left := fleet.Gone(gone.Node, gone.Known, r.now.Add(20*time.Minute))
	left.Changes[0].Proof, left.Changes[0].NotBefore = fleet.ProofNone, r.now
	ready := r.node(5)
	ready.Ready = fleet.Condition{Status: fleet.Ready, Since: r.now.Add(time.Minute)}
	r.record(&fleet.Gap{Cluster: "prod", From: r.now, Until: r.now.Add(20 * time.Minute), Cause: "restart", Missed: true,
		EventsFrom: r.now},
		left, fleet.First(ready, r.now.Add(time.Minute)), fleet.First(r.node(6), r.now))
	r.start()
	r.settle("joined", "removed")
	away := r.waves("away")
	if len(away) != 1 || len(r.waves("")) != 2 || !strings.Contains(away[0].Text, "2 joined (1 ready), 1 left") {
		t.Errorf("%d waves", len(r.waves("")))
	}
}

func TestStuckNodeIsCalledOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.alert.ReadyDeadline = 2 * time.Second
	r.start()
	r.join(0, 2)
	r.setReady(0, fleet.Ready, "KubeletReady")
	r.eventually(20*time.Second, func() error {
		if w := r.waves("joined"); len(w) != 1 || len(w[0].Replies) != 1 ||
			!strings.Contains(w[0].Replies[0].Text, "ip-10-0-0-1.ec2.internal not ready 2 s after joining: ") {
			return fmt.Errorf("%d waves, not what they should be", len(w))
		}
		return nil
	})
	r.setReady(1, fleet.Ready, "KubeletReady")
	r.settle("joined", "ready")
}

func TestDeletedMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.start()
	r.join(0, 1)
	r.settle("joined")
	r.slack.Fail("chat.update", 1, slackemu.Refuse("message_not_found"))
	r.join(1, 2)
	r.settle("joined")
	if n := len(r.waves("joined")); n != 2 {
		t.Errorf("%d messages, want the first and one for what it could not tell", n)
	}
}

func TestTableNotRolledOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{NotRolledOut: []string{"table"}})
	r.pace = fast
	r.start()
	r.join(0, 7)
	r.settle("joined")
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	ctx := t.Context()
	var obs []fleet.Observation
	for n := range 42 {
		obs = append(obs, fleet.First(r.node(n), time.Now()))
	}
	if err := r.ledger.RecordBaseline(ctx, "prod", obs); err != nil {
		t.Fatal(err)
	}
	if err := r.ledger.FinishBaseline(ctx, fleet.Batch{Cluster: "prod", At: time.Now()},
		func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	for range 3 { // restarts
		r.start()
		r.eventually(5*time.Second, func() error {
			if w := r.waves(""); len(w) != 1 || w[0].Kind != "baseline" || w[0].Nodes != 42 {
				return fmt.Errorf("%d waves, not what they should be", len(w))
			}
			return nil
		})
		r.halt()
	}
}

func TestFatal(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.slack.RevokeToken(slackemu.DefaultBotToken)
	r.start()
	r.join(0, 1)
	if s := (<-r.ended).Error(); !strings.Contains(s, "token_revoked") || strings.Contains(s, "xoxb") {
		t.Errorf("error %q", s)
	}
	if n, _, _ := r.ledger.Backlog(t.Context(), "prod"); n != 1 {
		t.Errorf("%d changes untold, want 1", n)
	}
}

// Stopping and starting the teller again and again in a burst, with Slack slow to answer, loses
// nothing and tells nothing twice. Real kills are test/e2e's.
func TestRestartsInABurst(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	var stopped atomic.Bool
	go func() {
		for n := range 120 {
			if stopped.Load() {
				return
			}
			r.slack.Fail("chat.postMessage", 1, slackemu.Slow(time.Duration(n%7)*10*time.Millisecond))
			time.Sleep(time.Millisecond)
		}
	}()
	defer stopped.Store(true)
	for n := range 120 {
		r.join(n, n+1)
		if n%10 == 0 {
			r.start()
		}
	}
	r.settle("joined")
}

// A channel that was mended or moved while a wave was unposted gets it, and what an old channel that takes nothing any
// more had not told, with the names that its thread was still to list.
func TestChannelMoved(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.channel = slackemu.ChannelArchived
	r.start()
	r.join(0, 2)
	r.eventually(10*time.Second, func() error {
		if s := r.slack.Counts()["chat.postMessage"].Errors["is_archived"]; s < 2 {
			return fmt.Errorf("%d posts were refused", s)
		}
		return nil
	})
	r.channel = slackemu.ChannelOps
	r.start()
	r.settle("joined")

	// The channel is archived while a wave goes on.
	r.join(2, 3)
	r.settle("joined")
	archived := func(c slackemu.Call) bool { return c.Args["channel"] == slackemu.ChannelOps }
	for _, method := range []string{"chat.postMessage", "chat.update"} {
		r.slack.Inject(slackemu.Rule{Method: method, Where: archived, Fault: slackemu.Refuse("is_archived")})
	}
	r.join(3, 14)
	r.eventually(10*time.Second, func() error {
		if s := r.slack.Counts()["chat.update"].Errors["is_archived"]; s < 1 {
			return fmt.Errorf("%d edits were refused", s)
		}
		return nil
	})
	r.channel = slackemu.ChannelPrivate
	r.start()
	r.eventually(20*time.Second, func() error {
		return channel.Expect(r.slack, slackemu.ChannelPrivate, "joined", r.names["joined"][3:])
	})
	r.names["joined"] = r.names["joined"][:3]
	r.settle("joined")
}

// What is known of a channel that was left is not asked again for each of its messages.
func TestLeftChannelIsAskedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.alert.WaveGap = 100 * time.Millisecond
	r.start()
	for n := range 4 {
		r.join(n, n+1)
		r.settle("joined")
		r.eventually(10*time.Second, func() error { // its wave is closed, and waits for it to be ready
			live, err := r.ledger.LiveWaves(t.Context(), "prod")
			if err != nil || len(live) != n+1 || live[n].ClosedAt.IsZero() {
				return fmt.Errorf("%d waves: %+v, %w", len(live), live, err)
			}
			return nil
		})
	}
	r.slack.EditChannel(slackemu.ChannelOps, func(c *slackemu.Channel) { c.Archived = true })
	r.channel = slackemu.ChannelPrivate
	r.start()
	for n := range 4 {
		r.setReady(n, fleet.Ready, "KubeletReady")
	}
	r.eventually(20*time.Second, func() error {
		return channel.Expect(r.slack, slackemu.ChannelPrivate, "ready", r.names["ready"])
	})
	if n := r.slack.Counts()["chat.update"].Errors["is_archived"]; n != 1 {
		t.Errorf("%d edits in the channel that was left were tried, want 1", n)
	}
}

// A message that takes no more edits stays; what it can no longer say is said in its thread, and names go on to be
// listed.
func TestEditsForbidden(t *testing.T) {
	t.Parallel()
	for name, nodes := range map[string]int{"shown one by one": 2, "listed in the thread": 12, "more than it names": 9} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, slackemu.Config{})
			r.pace = fast
			r.start()
			first := nodes
			if nodes == 9 {
				first = 3
			}
			r.join(0, first)
			r.eventually(10*time.Second, func() error {
				if n := len(r.waves("joined")); n != 1 {
					return fmt.Errorf("%d messages", n)
				}
				return nil
			})
			r.slack.Fail("chat.update", 0, slackemu.Refuse("edit_window_closed"))
			r.join(first, nodes)
			for n := range nodes {
				r.setReady(n, fleet.Ready, "KubeletReady")
			}
			if nodes == 2 {
				r.settle("joined", "ready")
			} else {
				r.settle("joined") // of those in a table no message names who became ready
			}
			w := r.waves("joined")
			if len(w) != 1 || w[0].Edits != 0 {
				t.Errorf("%d messages, want one without edits", len(w))
			}
			updates := 0
			for _, reply := range w[0].Replies {
				if strings.Contains(slackemu.PlainText(reply), fmt.Sprintf("%d nodes joined, all ready", nodes)) {
					updates++
				}
			}
			if updates != 1 {
				t.Errorf("%d replies say what the message can no longer say, want 1", updates)
			}
			if n := r.slack.Counts()["chat.update"].Errors["edit_window_closed"]; n > 1 {
				t.Errorf("%d edits were tried", n)
			}
		})
	}
}

// Six nodes of six machines are named in their message, where groups would save nothing: each exactly once, also when a
// seventh makes them a table, and when the message can not be edited any more or is deleted in between.
func TestNodesThatAreAllDifferent(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"six", "seventh", "frozen", "deleted"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, slackemu.Config{})
			r.pace, r.unlike = fast, true
			r.start()
			r.join(0, 6)
			r.settle("joined")
			w := r.waves("joined")
			if len(w) != 1 || len(w[0].Replies) != 0 {
				t.Fatalf("%d messages, want one without replies", len(w))
			}
			switch what {
			case "frozen":
				r.slack.Fail("chat.update", 0, slackemu.Refuse("edit_window_closed"))
			case "deleted":
				r.slack.Fail("chat.update", 1, slackemu.Refuse("message_not_found"))
			}
			if what != "six" {
				r.join(6, 7)
				r.setReady(0, fleet.Ready, "KubeletReady") // something to edit
			}
			r.settle("joined")
		})
	}
}

// One message that Slack refuses for a reason that nobody has heard of holds up nothing, and is told all the same.
func TestUnknownRefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	rich := func(c slackemu.Call) bool {
		return strings.Contains(c.Args["blocks"], r.node(0).Name) // all forms of it but the plain ones
	}
	r.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Where: rich, Fault: slackemu.Refuse("never_heard_of_it")})
	r.start()
	r.join(0, 1)
	r.eventually(10*time.Second, func() error {
		if r.slack.Counts()["chat.postMessage"].Errors["never_heard_of_it"] == 0 {
			return errors.New("nothing was refused")
		}
		return nil
	})
	r.setReady(0, fleet.Ready, "KubeletReady")
	r.remove(0) // in a message of its own, which is refused too
	r.join(1, 2)
	r.settle()
	// In a plain message the names are text, which the channel's reader does not read.
	var said strings.Builder
	for _, m := range r.slack.Messages(slackemu.ChannelOps) {
		said.WriteString(m.Text + "\n")
	}
	for n := range 2 {
		if !strings.Contains(said.String(), r.node(n).Name) {
			t.Errorf("%s is not told in\n%s", r.node(n).Name, said.String())
		}
	}
	if n := r.slack.Counts()["chat.postMessage"].Errors["never_heard_of_it"]; n < 3 || n > 12 {
		t.Errorf("%d posts were refused", n)
	}
}

// An edit that Slack refuses in every form, for whatever reason, is not lost: its thread says it.
func TestEditRefusedInEveryForm(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.start()
	r.join(0, 1)
	r.settle("joined")
	r.slack.Fail("chat.update", 0, slackemu.Refuse("never_heard_of_it"))
	r.setReady(0, fleet.Ready, "KubeletReady")
	r.settle("joined", "ready")
}

// A label that comes late and that ALERT_NODE_SELECTOR leaves out takes nothing back: the node that was told to have
// joined is told to be ready, and is not called out as not ready.
func TestLateLabel(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		r.join(0, 1)
		r.settle("joined")
		o := r.known[r.node(0).UID]
		o.Node.Labels = map[string]string{"quiet": "yes"}
		r.known[r.node(0).UID] = o
		r.setReady(0, fleet.Ready, "KubeletReady")
		r.settle("joined", "ready")
		time.Sleep(alert.DefaultReadyDeadline + time.Minute)
		if w := r.waves(""); len(w) != 1 || len(w[0].Replies) > 0 {
			r.t.Errorf("%d messages, want one without replies", len(w))
		}
	}, func(r *rig) { r.alert.Alerts = func(l map[string]string) bool { return l["quiet"] == "" } })
}
