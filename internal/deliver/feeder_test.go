package deliver_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/answer"
	"rollcall/internal/deliver"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
	"rollcall/internal/webhook"
	"rollcall/internal/webhook/receiver"
	"rollcall/internal/webhook/webhooktest"
)

const feedSecret = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiBmZWVkcw=="

// feedRig is a ledger, a receiver and a feeder between them, in a bubble.
type feedRig struct {
	t        *testing.T
	ledger   *ledger.Ledger
	receiver *receiver.Receiver
	outbox   *deliver.Outbox
	alert    alert.Config
	path     string
	stop     func()
	known    map[string]fleet.Observation
}

func newFeedRig(t *testing.T) *feedRig {
	t.Helper()
	validate, err := webhooktest.Schema()
	if err != nil {
		t.Fatal(err)
	}
	r := &feedRig{t: t, receiver: receiver.New(feedSecret, validate, 0), known: map[string]fleet.Observation{},
		path: filepath.Join(t.TempDir(), "rollcall.db"), stop: func() {},
		alert: alert.Config{WaveGap: 30 * time.Second, WaveMax: 10 * time.Minute}.WithDefaults()}
	r.open()
	check(t, r.ledger.BeginFeed(t.Context(), "prod", time.Now()))
	return r
}

func (r *feedRig) open() {
	r.t.Helper()
	l, err := ledger.Open(context.Background(), r.path, ledger.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.ledger = l
}

// start starts a feeder, as a new process would.
func (r *feedRig) start() {
	r.t.Helper()
	r.stop()
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(r.t.Output(), nil))
	sink, err := webhook.NewSink(webhook.Config{URL: "http://receiver.test/events", Secrets: []string{feedSecret},
		Version: "test", Transport: webhooktest.Transport{Handler: r.receiver}})
	check(r.t, err)
	ticks, err := schedule.Parse("0 9 * * *", time.UTC)
	check(r.t, err)
	set, err := schedule.NewSet(ticks)
	check(r.t, err)
	r.outbox = deliver.NewOutbox(sink, ledger.Deliveries{Ledger: r.ledger}, log)
	f := deliver.NewFeeder(deliver.FeederConfig{Cluster: "prod", Channel: "receiver.test", Outbox: r.outbox,
		Store: r.ledger, Events: webhook.Events{Cluster: "prod"}, Summaries: answer.Summaries{Store: r.ledger},
		Schedules: set, Alert: r.alert, Log: log})
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("the feeder ended: %v", err)
		}
		r.stop = func() {}
	}
}

// end stops all that runs in the bubble.
func (r *feedRig) end() {
	r.stop()
	r.ledger.Close()
	for _, problem := range r.receiver.Wrong() {
		r.t.Errorf("the receiver refuses an event: %s", problem)
	}
}

// joins records that a node joined now.
func (r *feedRig) joins(name string) {
	r.t.Helper()
	n := fleet.Node{Cluster: "prod", UID: "uid-" + name, Name: name, InstanceType: "m5.large", CapacityType: "spot",
		Pool: "general", Zone: "us-east-1a", Labels: map[string]string{"team": "shop"},
		CreatedAt: time.Now().Truncate(time.Second), Ready: fleet.Condition{Status: fleet.NotReady}}
	o := fleet.First(n, time.Now())
	r.known[name] = o
	r.record(o)
}

func (r *feedRig) leaves(name string) {
	r.t.Helper()
	o := r.known[name]
	r.record(fleet.Gone(o.Node, o.Known, time.Now()))
}

func (r *feedRig) record(o fleet.Observation) {
	r.t.Helper()
	check(r.t, r.ledger.RecordNodes(context.Background(), fleet.Batch{Cluster: "prod", At: time.Now(),
		Observations: []fleet.Observation{o}}))
}

// got are the events that the receiver has, each as its type and its subject.
func (r *feedRig) got(only string) (lines []string) {
	for _, e := range r.receiver.Events() {
		name := strings.TrimSuffix(strings.TrimPrefix(e.Type(), webhook.Prefix), ".v1")
		if !strings.HasPrefix(name, only) {
			continue
		}
		var data struct {
			Phase, Text string
			Cause       struct{ Kind string }
		}
		check(r.t, e.DataAs(&data))
		switch {
		case data.Phase != "":
			lines = append(lines, strings.Join([]string{name, data.Phase, data.Text}, " "))
		case data.Cause.Kind != "":
			lines = append(lines, strings.Join([]string{name, e.Subject(), data.Cause.Kind}, " "))
		default:
			lines = append(lines, strings.TrimSpace(name+" "+e.Subject()))
		}
	}
	return lines
}

func (r *feedRig) expect(only string, want ...string) {
	r.t.Helper()
	synctest.Wait()
	if got := r.got(only); !slices.Equal(got, want) {
		r.t.Errorf("the receiver has\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFeedIsInOrderAndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.start()
		synctest.Wait()
		r.joins("n1")
		r.joins("n2")
		r.leaves("n1")
		time.Sleep(time.Millisecond)
		r.expect("", "node.joined n1", "node.joined n2", "node.removed n1")
		n, _, err := r.ledger.Undelivered(context.Background(), "prod")
		if err != nil || n != 0 {
			t.Errorf("%d events wait, %v", n, err)
		}
	})
}

// Whatever the receiver does, each event is taken once, in order, and what does not get through is a problem while
// that is so.
func TestFeedOutlastsFaults(t *testing.T) {
	for _, fault := range receiver.Faults {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFeedRig(t)
				defer r.end()
				r.receiver.Fail(fault, 3)
				r.start()
				for i := range 5 {
					r.joins(fmt.Sprint("n", i))
				}
				time.Sleep(500 * time.Millisecond)
				synctest.Wait()
				if fails := fault != receiver.Slow && fault != receiver.Hangs; fails && r.outbox.Problem(false) == "" {
					t.Error("there is no problem")
				}
				time.Sleep(10 * time.Minute)
				r.expect("", "node.joined n0", "node.joined n1", "node.joined n2", "node.joined n3", "node.joined n4")
				if problem := r.outbox.Problem(false); problem != "" {
					t.Errorf("the problem stays: %s", problem)
				}
			})
		})
	}
}

// Stopped anywhere and started again, it goes on where it was; an event whose answer was lost comes again as it was.
func TestFeedGoesOnAfterAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.receiver.Fail(receiver.Dropped, 1)
		r.start()
		r.joins("n1")
		r.joins("n2")
		time.Sleep(10 * time.Millisecond)
		r.stop()
		check(t, r.ledger.Close())
		r.open()
		r.joins("n3")
		r.start()
		time.Sleep(time.Minute)
		r.expect("", "node.joined n1", "node.joined n2", "node.joined n3")
		if _, repeats := r.receiver.Tally(); repeats != 1 {
			t.Errorf("%d events came again, want 1", repeats)
		}
	})
}

// A receiver that is away for long gets all that it has missed; what is older than the ledger keeps is counted.
func TestFeedIsCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.receiver.Fail(receiver.Broken, -1)
		r.start()
		r.joins("n1")
		r.joins("n2")
		time.Sleep(2 * time.Hour)
		r.joins("n3")
		time.Sleep(time.Second)
		synctest.Wait()
		_, err := r.ledger.Prune(context.Background(), ledger.Retention{Scaling: time.Hour, Other: time.Hour}, time.Now())
		check(t, err)
		r.receiver.Fail("", 0)
		time.Sleep(10 * time.Minute)
		r.expect("", "node.joined n3", "missed")
	})
}

// Two hundred nodes while the receiver hangs do not hold up what is recorded of them.
func TestFeedCollectsWhileTheReceiverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.receiver.Fail(receiver.Hangs, -1)
		r.start()
		for i := range 200 {
			r.joins(fmt.Sprint("n", i))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n, _, err := r.ledger.Undelivered(context.Background(), "prod"); err != nil || n != 200 {
			t.Errorf("%d events wait, want 200, %v", n, err)
		}
	})
}

// Why a node came is an event once it is known, and again once it is known better; not if the change's said it.
func TestFeedTellsCauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		because := func(change int64, strength int, kind fleet.CauseKind) {
			check(t, r.ledger.SetCauses(context.Background(), "prod", []wave.Explained{{Change: change, Looks: strength,
				Explanation: fleet.Explanation{Cause: fleet.Cause{Kind: kind, By: "Karpenter"}, Strength: strength}}}))
		}
		r.joins("n0")
		because(1, 1, fleet.Demand)
		r.start()
		time.Sleep(5 * time.Second)
		r.joins("n1")
		time.Sleep(5 * time.Second)
		because(2, 1, fleet.Headroom)
		time.Sleep(5 * time.Second)
		because(2, 1, fleet.Demand) // no stronger
		time.Sleep(5 * time.Second)
		because(2, 2, fleet.Demand)
		time.Sleep(5 * time.Second)
		r.expect("", "node.joined n0 demand", "node.joined n1", "node.explained n1 headroom", "node.explained n1 demand")
	})
}

// A message is an event when it is opened, when it says something else, and when it is over, whatever Slack has taken
// of it.
func TestFeedTellsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.start()
		r.joins("n1")
		ctx := context.Background()
		check(t, r.ledger.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined,
			Changes: []int64{1}}}}, false, time.Now()))
		time.Sleep(5 * time.Second)
		r.joins("n2")
		check(t, r.ledger.Apply(ctx, "prod", "C1", wave.Plan{Add: map[int64][]int64{1: {2}}, Extend: map[int64]bool{1: true}},
			false, time.Now()))
		time.Sleep(time.Minute)
		r.leaves("n1")
		time.Sleep(time.Second)
		r.leaves("n2")
		time.Sleep(5 * time.Second)
		r.expect("message", "message.joined opened prod: n1 joined (m5.large, spot, us-east-1a)",
			"message.joined changed prod: 2 nodes joined, not ready yet (2× m5.large spot)",
			"message.joined changed prod: 2 nodes joined, 0 ready, 1 left before that (2× m5.large spot)",
			"message.joined over prod: 2 nodes joined, left before ready (2× m5.large spot)")
	})
}

// A message that became part of another is withdrawn.
func TestFeedWithdrawsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.start()
		r.joins("n1")
		r.joins("n2")
		ctx := context.Background()
		check(t, r.ledger.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{
			{Kind: wave.KindJoined, Changes: []int64{1}}, {Kind: wave.KindRemoved, Changes: []int64{2}}}}, false, time.Now()))
		time.Sleep(5 * time.Second)
		check(t, r.ledger.Apply(ctx, "prod", "C1", wave.Plan{Merge: []wave.Merge{{Into: 1, From: []int64{1, 2}}}}, false,
			time.Now()))
		time.Sleep(35 * time.Second)
		synctest.Wait()
		var phases []string
		for _, line := range r.got("message") {
			phases = append(phases, strings.Join(strings.Fields(line)[:2], " "))
		}
		want := []string{"message.joined opened", "message.removed opened", "message.removed withdrawn",
			"message.catch_up changed"}
		if !slices.Equal(phases, want) {
			t.Errorf("%q, want %q", phases, want)
		}
	})
}

// What is so for a time is over when that is, not when its message is final.
func TestFeedTellsWhatIsSoForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.start()
		ctx := context.Background()
		about := wave.About{Standing: &wave.Standing{Key: "k", Since: time.Now()},
			Waiting: &wave.Waiting{Waiting: fleet.Waiting{State: fleet.Unanswered, Pods: 3, Since: time.Now(),
				For: []fleet.PodsOf{{Workload: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}, Pods: 3}}}}}
		check(t, r.ledger.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindWaiting, About: about}}},
			false, time.Now()))
		time.Sleep(5 * time.Minute)
		live, err := r.ledger.LiveWaves(ctx, "prod")
		check(t, err)
		_, ok, err := r.ledger.Look(ctx, live[0].Key, wave.Look{By: "U1", Name: "Ada", At: time.Now()})
		if check(t, err); !ok {
			t.Error("nobody looks at it")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		var data struct {
			Channel string
			About   map[string]any
		}
		all := r.receiver.Events()
		if check(t, all[len(all)-1].DataAs(&data)); data.About["looked_by"] != "Ada" || data.Channel != "C1" {
			t.Errorf("that somebody looks at it is not told: %+v", data)
		}
		check(t, r.ledger.SetAbout(ctx, 1, about.Over(time.Now())))
		time.Sleep(time.Hour)
		synctest.Wait()
		got := r.got("message")
		if len(got) < 2 || !strings.HasPrefix(got[0], "message.waiting opened") ||
			!strings.HasPrefix(got[len(got)-1], "message.waiting over") {
			t.Errorf("%q", got)
		}
	})
}

// A digest is an event, once.
func TestFeedTellsDigests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.start()
		check(t, r.ledger.FinishBaseline(context.Background(), fleet.Batch{Cluster: "prod", At: time.Now()},
			func(string) bool { return true }))
		from := time.Now()
		time.Sleep(time.Hour)
		_, err := r.ledger.AddDigest(context.Background(), wave.Digest{Posting: wave.Posting{Channel: "C1",
			Created: time.Now()}, Cluster: "prod", Schedule: "day", From: from, Until: time.Now()})
		check(t, err)
		time.Sleep(time.Minute)
		r.stop()
		r.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.got("digest"); len(got) != 1 {
			t.Errorf("%d digests: %q", len(got), got)
		}
	})
}

// What a mute or the selector hides from the channel is sent, and says so.
func TestFeedSaysWhatIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newFeedRig(t)
		defer r.end()
		r.alert.Routes = alert.Routes{Rest: "C1", Lines: []alert.Route{when(alert.KeyKind, "removed", "C2", "")}}
		r.alert.Alerts = func(labels map[string]string) bool { return labels["team"] != "ads" }
		r.start()
		synctest.Wait()
		quiet := func() string {
			synctest.Wait()
			all := r.receiver.Events()
			var data struct{ Quiet string }
			check(t, all[len(all)-1].DataAs(&data))
			return data.Quiet
		}
		r.joins("n1")
		if got := quiet(); got != "" {
			t.Errorf("it is quiet: %s", got)
		}
		_, err := r.ledger.AddMute(context.Background(), wave.Mute{Request: "m", Cluster: "prod", Scope: wave.MutePool,
			Value: "general", At: time.Now(), Until: time.Now().Add(time.Hour)})
		check(t, err)
		r.joins("n2")
		if got := quiet(); got != "mute" {
			t.Errorf("a muted node is quiet because of %q", got)
		}
		_, err = r.ledger.AddMute(context.Background(), wave.Mute{Request: "n", Cluster: "prod", Scope: wave.MuteType,
			Value: "m7.large", Channel: "C2", At: time.Now(), Until: time.Now().Add(time.Hour)})
		check(t, err)
		other := r.known["n1"].Node
		other.UID, other.Name, other.Pool, other.InstanceType = "uid-n4", "n4", "web", "m7.large"
		r.record(fleet.First(other, time.Now()))
		if got := quiet(); got != "" {
			t.Errorf("a mute of another channel makes it quiet: %s", got)
		}
		time.Sleep(2 * time.Hour)
		n := r.known["n1"].Node
		n.UID, n.Name, n.Labels = "uid-n3", "n3", map[string]string{"team": "ads"}
		r.record(fleet.First(n, time.Now()))
		if got := quiet(); got != "selector" {
			t.Errorf("a node that is not selected is quiet because of %q", got)
		}
	})
}
