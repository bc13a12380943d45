package deliver_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/channel"
	"rollcall/internal/fleet"
	"rollcall/internal/slackemu"
)

// That the cluster cannot be seen is told once, through restarts too, and the message is edited once it can.
func TestBlind(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		if err := r.ledger.FinishBaseline(r.t.Context(), fleet.Batch{Cluster: "prod", At: time.Now()},
			func(string) bool { return true }); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		var lost atomic.Pointer[time.Time] // when the cluster was, if it is
		lose := func() { now := time.Now(); lost.Store(&now) }
		lose()
		r.alert.BlindAfter = 3 * time.Minute
		r.sight = func(started time.Time) alert.Sight {
			s := alert.Seen{Until: time.Now()}
			if since := lost.Load(); since != nil {
				s = alert.Seen{Until: fleet.Latest(*since, started), Never: started.After(*since), Why: "connection refused"}
			}
			return alert.Sight{Nodes: s, Events: s}
		}
		r.restart()
		time.Sleep(time.Minute)
		if w := r.waves("blind"); len(w) != 0 {
			t.Errorf("after a minute: %v", w)
		}
		time.Sleep(3 * time.Minute)
		r.restart()
		time.Sleep(10 * time.Minute)
		blind := func(n int, words ...string) channel.Wave {
			t.Helper()
			w := r.waves("blind")
			if len(w) != n {
				t.Errorf("%d messages, want %d", len(w), n)
				return channel.Wave{}
			}
			m, _ := r.slack.Message(slackemu.ChannelOps, w[n-1].TS)
			for _, word := range words {
				if text := slackemu.PlainText(m); !strings.Contains(text, word) {
					t.Errorf("it does not say %q:\n%s", word, text)
				}
			}
			return w[n-1]
		}
		blind(1, "I have not seen the cluster since", "connection refused")
		r.now = time.Now()
		r.join(1, 2)
		time.Sleep(5 * time.Second) // the teller looks every 10 s, and never at a moment of the test's
		lost.Store(nil)
		time.Sleep(10 * time.Second)
		r.join(2, 3) // read after the watch was seen to be alive
		time.Sleep(time.Minute)
		blind(1, "I did not see the cluster from", "Missed, and recorded since: 2 joined")
		if n := r.liveWaves(); n != 1 { // of the node that is not ready
			t.Errorf("%d waves live, want 1", n)
		}
		lose()
		time.Sleep(5 * time.Minute)
		blind(2, "I have not seen")
	})
}
