package deliver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/channel"
	"rollcall/internal/fleet"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// mute mutes a pool, from now on.
func (r *rig) mute(request, pool string, d time.Duration) wave.Mute {
	r.t.Helper()
	now := time.Now()
	m, err := r.ledger.AddMute(r.t.Context(),
		wave.Mute{Request: request, Cluster: "prod", Scope: wave.MutePool, Value: pool, By: "U0ADA", ByName: "Ada",
			Channel: slackemu.ChannelOps, At: now, Until: now.Add(d)})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *rig) undo(m wave.Mute) {
	r.t.Helper()
	if ended, err := r.ledger.EndMute(r.t.Context(), m.ID, "U0GRACE", "Grace", time.Now()); err != nil || !ended {
		r.t.Fatalf("ended %v, %v", ended, err)
	}
}

// says waits until the channel has so many messages about mutes, and the last reads like that.
func (r *rig) says(messages int, parts ...string) channel.Wave {
	r.t.Helper()
	var last channel.Wave
	r.eventually(20*time.Second, func() error {
		w := r.waves("mute")
		if len(w) != messages {
			return fmt.Errorf("%d messages about mutes, want %d", len(w), messages)
		}
		last = w[len(w)-1]
		for _, p := range parts {
			if !strings.Contains(last.Text, p) {
				return fmt.Errorf("the mute reads %q, without %q", last.Text, p)
			}
		}
		return nil
	})
	return last
}

// allMutesTold waits until the ends of all mutes are told.
func (r *rig) allMutesTold() {
	r.t.Helper()
	r.eventually(20*time.Second, func() error {
		if mutes, err := r.ledger.UntoldMutes(r.t.Context(), "prod"); err != nil || len(mutes) > 0 {
			return fmt.Errorf("mutes %+v, %v", mutes, err)
		}
		return nil
	})
}

func (r *rig) buttons(w channel.Wave) string {
	r.t.Helper()
	m, ok := r.slack.Message(slackemu.ChannelOps, w.TS)
	if !ok {
		r.t.Fatal("no message")
	}
	return string(m.Blocks)
}

// What a mute hides is in no message and in its end's count; all else is told, and so is what
// comes after its end. A step whose first one was hidden stays hidden, one that follows a told
// one is told.
func TestMute(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.start()
	r.join(0, 1)
	r.settle("joined")
	m := r.mute("click-1", "general", time.Hour)
	start := r.says(1, "prod: alerts for pool general are muted until", "(by Ada)")
	if b := r.buttons(start); !strings.Contains(b, fmt.Sprintf(`"value":"%d"`, m.ID)) ||
		!strings.Contains(b, `"action_id":"unmute:1"`) {
		t.Errorf("the mute cannot be undone: %s", b)
	}
	if again := r.mute("click-1", "general", 2*time.Hour); again.ID != m.ID {
		t.Errorf("the click delivered twice made mute %d", again.ID)
	}
	told := map[string][]string{"joined": r.names["joined"]}
	r.join(1, 4) // hidden
	web := r.node(9)
	web.Pool = "web"
	r.record(nil, fleet.First(web, time.Now()))
	told["joined"] = append(told["joined"], web.Name)
	r.setReady(0, fleet.Ready, "KubeletReady") // follows what was told
	told["ready"] = append(told["ready"], r.node(0).Name)
	r.setReady(1, fleet.Ready, "KubeletReady")
	r.remove(2)
	r.names = told
	r.settle("joined", "ready")
	if w := r.says(1, "are muted"); w.Edits != 0 {
		t.Errorf("%d edits of a mute that goes on", w.Edits)
	}
	r.undo(m)
	end := r.says(1, "prod: the mute of pool general ended at",
		"(undone by Grace); 5 changes of 3 nodes were kept quiet: 3 joined, 1 became ready, 1 left")
	if b := r.buttons(end); strings.Contains(b, "Undo") || end.TS != start.TS || end.Edits != 1 {
		t.Errorf("the end is at %s after %d edits: %s", end.TS, end.Edits, b)
	}
	r.allMutesTold()
	r.setReady(3, fleet.Ready, "KubeletReady") // hidden, as its joining was
	r.remove(1)
	r.join(4, 5)
	told["ready"] = told["ready"][:1]
	told["removed"] = []string{r.node(1).Name}
	r.settle("joined", "ready", "removed")
	if n := len(r.waves("ready")); n != 0 {
		t.Errorf("%d messages that a node became ready whose joining nobody was told", n)
	}
	r.start() // and nothing is told again
	r.join(5, 6)
	r.settle("joined", "ready", "removed")
	r.says(1, "undone by Grace")
}

// A mute that is made to last longer is told by its own message, once.
func TestMuteLastsLonger(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.start()
	r.join(0, 1)
	r.settle("joined")
	first := r.mute("click-1", "general", time.Hour)
	before := r.says(1, "alerts for pool general are muted until").Text
	second := r.mute("click-2", "general", 5*time.Hour)
	if first.ID != second.ID {
		t.Errorf("mutes %d and %d", first.ID, second.ID)
	}
	r.eventually(10*time.Second, func() error {
		if w := r.says(1, "are muted until"); w.Text == before || w.Edits != 1 {
			return fmt.Errorf("after %d edits it says %s", w.Edits, w.Text)
		}
		return nil
	})
	r.start() // says nothing new
	r.join(1, 2)
	r.undo(second)
	if w := r.says(1, "undone by Grace"); w.Edits != 2 {
		t.Errorf("%d edits", w.Edits)
	}
}

// A process that dies between posting and recording finds the mute's message again, also when
// the mute has ended meanwhile.
func TestMuteLostAnswer(t *testing.T) {
	t.Parallel()
	for _, ended := range []bool{false, true} {
		t.Run(fmt.Sprint("ended ", ended), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, slackemu.Config{})
			r.pace = fast
			r.slack.Fail("chat.postMessage", 1, after(slackemu.HangUp()))
			r.start()
			m := r.mute("click-1", "general", time.Hour)
			r.says(1, "are muted")
			r.halt() // within the grace of the hanging call
			if ended {
				r.undo(m)
			}
			r.start()
			if !ended {
				r.eventually(20*time.Second, func() error {
					if live, err := r.ledger.LiveWaves(t.Context(), "prod"); err != nil || len(live) != 1 || live[0].Main.ID == "" {
						return fmt.Errorf("waves %+v, %v", live, err)
					}
					return nil
				})
				r.undo(m)
			}
			if w := r.says(1, "undone by Grace); no change was kept quiet"); w.Edits != 1 {
				t.Errorf("%d edits", w.Edits)
			}
			r.allMutesTold()
		})
	}
}

// A mute that ends while nobody runs, or while Slack is down, is told afterwards: in the message
// that told its start, and in one message where none did.
func TestMuteEndsUnseen(t *testing.T) {
	t.Parallel()
	t.Run("process down", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, slackemu.Config{})
		r.pace = fast
		r.start()
		m := r.mute("click-1", "general", time.Hour)
		r.says(1, "are muted")
		r.halt()
		r.undo(m)
		r.join(0, 1) // after it: told
		r.start()
		r.settle("joined")
		if w := r.says(1, "undone by Grace"); w.Edits != 1 {
			t.Errorf("%d edits", w.Edits)
		}
		r.allMutesTold()
	})
	t.Run("never seen", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, slackemu.Config{})
		r.pace = fast
		m := r.mute("click-1", "general", time.Hour)
		r.undo(m)
		r.start()
		if w := r.says(1, "ended at", "undone by Grace"); w.Edits != 0 {
			t.Errorf("%d edits", w.Edits)
		}
		r.allMutesTold()
	})
	t.Run("Slack down", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, slackemu.Config{})
		r.pace = fast
		r.alert.CatchUpAfter = 300 * time.Millisecond
		r.start()
		r.slack.SetOutage(slackemu.Outage503)
		m := r.mute("click-1", "general", time.Hour)
		r.join(0, 3) // hidden
		web, db := r.node(8), r.node(9)
		web.Pool, db.Pool = "web", "db"
		r.names = map[string][]string{}
		r.record(nil, fleet.First(web, time.Now()))
		r.eventually(10*time.Second, func() error {
			if c := r.slack.Counts(); c["chat.postMessage"].Statuses[503] < 1 || c["conversations.history"].Statuses[503] < 1 {
				return fmt.Errorf("calls %+v", c)
			}
			return nil
		})
		r.record(nil, fleet.First(db, time.Now())) // longer than CatchUpAfter
		r.undo(m)
		r.eventually(10*time.Second, func() error {
			if live, err := r.ledger.LiveWaves(t.Context(), "prod"); err != nil || live[0].ClosedAt.IsZero() {
				return fmt.Errorf("waves %+v, %v", live, err)
			}
			return nil
		})
		r.slack.SetOutage(slackemu.OutageOff)
		r.settle("joined")
		if w := r.says(1, "undone by Grace); 3 changes of 3 nodes were kept quiet: 3 joined"); w.Edits > 1 {
			t.Errorf("%d edits", w.Edits)
		}
		r.allMutesTold()
	})
}

// Stopping and starting the teller again and again tells a mute, and its end, once.
func TestMuteRestarts(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	var m wave.Mute
	for n := range 40 {
		r.slack.Fail("chat.postMessage", 1, slackemu.Slow(time.Duration(n%7)*10*time.Millisecond))
		r.slack.Fail("chat.update", 1, slackemu.Slow(time.Duration(n%5)*10*time.Millisecond))
		r.start()
		switch n {
		case 5:
			m = r.mute("click-1", "general", time.Hour)
		case 20:
			r.undo(m)
		}
		time.Sleep(time.Duration(n%4) * 5 * time.Millisecond)
	}
	r.start()
	if w := r.says(1, "undone by Grace"); w.Edits > 1 {
		t.Errorf("%d edits", w.Edits)
	}
	r.allMutesTold()
}

// When somebody deletes the message, the end is told in another.
func TestMuteMessageDeleted(t *testing.T) {
	t.Parallel()
	r := newRig(t, slackemu.Config{})
	r.pace = fast
	r.start()
	m := r.mute("click-1", "general", time.Hour)
	r.says(1, "are muted")
	r.slack.Fail("chat.update", 1, slackemu.Refuse("message_not_found"))
	r.undo(m)
	r.says(2, "undone by Grace")
	r.allMutesTold()
	r.says(2, "undone by Grace")
}

// A mute of the whole cluster runs out at its time, to the second, and keeps a surge quiet that
// it covers: one that still goes on then is told, one that is over is not.
func TestMuteRunsOut(t *testing.T) {
	t.Parallel()
	for _, hold := range []time.Duration{3 * time.Minute, 30 * time.Minute} {
		bubble(t, func(r *rig) {
			if err := r.ledger.FinishBaseline(r.t.Context(), fleet.Batch{Cluster: "prod", At: time.Now()},
				func(string) bool { return true }); err != nil {
				r.t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
			now := time.Now()
			if _, err := r.ledger.AddMute(r.t.Context(),
				wave.Mute{Request: "x", Cluster: "prod", Scope: wave.MuteCluster, By: "U0ADA", ByName: "Ada", At: now,
					Until: now.Add(hold)}); err != nil {
				r.t.Fatal(err)
			}
			time.Sleep(time.Second)
			if w := r.waves("mute"); len(w) != 1 || !strings.Contains(w[0].Text, "all alerts are muted") {
				r.t.Fatalf("%d messages a second after the click", len(w))
			}
			r.now = time.Now()
			r.join(0, 60)
			time.Sleep(time.Until(now.Add(hold - time.Second)))
			if n := len(r.waves("")); n != 2 { // with the baseline's
				r.t.Errorf("%d messages during the mute", n)
			}
			time.Sleep(2 * time.Second)
			if w := r.waves("mute"); !strings.Contains(w[0].Text,
				"(ran out); 60 changes of 60 nodes were kept quiet: 60 joined") {
				r.t.Errorf("a second after the end it reads %q", w[0].Text)
			}
			time.Sleep(90 * time.Second)
			if n, want := len(r.waves("surge")), map[bool]int{true: 1}[hold < 10*time.Minute]; n != want {
				r.t.Errorf("%d surges after %v, want %d", n, hold, want)
			}
			time.Sleep(24 * time.Hour)
			if n := len(r.waves("joined")); n != 0 {
				r.t.Errorf("%d messages tell what was muted", n)
			}
		})
	}
}
