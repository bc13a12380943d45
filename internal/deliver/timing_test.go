package deliver_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/channel"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/message"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// inMemory carries calls to the emulator without a network, so that they take no time in a
// synctest bubble.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// bubble runs f in a synctest bubble, with a teller at Slack's real pace and the default
// settings.
func bubble(t *testing.T, f func(r *rig), tune ...func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		emu := slackemu.New(slackemu.Config{})
		defer emu.Close()
		l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		r := &rig{t: t, channel: slackemu.ChannelOps, slack: emu, ledger: l, now: time.Now().UTC(),
			known: map[string]fleet.Observation{},
			names: map[string][]string{}}
		for _, change := range tune {
			change(r)
		}
		api := slack.New(slackemu.DefaultBotToken, slack.OptionAPIURL("http://slack/api/"),
			slack.OptionHTTPClient(&http.Client{Transport: inMemory{emu}}))
		run := func() (stop func()) {
			teller := r.teller(api, deliver.Limits{}, slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- teller.Run(ctx) }()
			return func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		stop := run()
		r.restart = func() {
			stop()
			stop = run()
		}
		r.away = func(d time.Duration) {
			stop()
			time.Sleep(d)
			stop = run()
		}
		f(r)
		stop()
		for method, c := range emu.Counts() {
			if c.RateLimited > 0 || len(c.Errors) > 0 {
				t.Errorf("%s: %d over the limit, errors %v", method, c.RateLimited, c.Errors)
			}
		}
	})
}

// A wave is posted at once, edited while it goes on, closed after ALERT_WAVE_GAP, and named in
// its thread then.
func TestWaveTiming(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		start := time.Now()
		for n := range 60 { // a node a second, for a minute
			r.join(n, n+1)
			time.Sleep(time.Second)
		}
		w := r.waves("joined")
		if len(w) != 1 || len(w[0].Replies) != 0 {
			t.Fatalf("%d waves after a minute, want one that is not listed yet", len(w))
		}
		m, _ := r.slack.Message(slackemu.ChannelOps, w[0].TS)
		if d := m.Versions[0].At.Sub(start); d > 10*time.Millisecond {
			t.Errorf("posted %v after the first node", d)
		}
		for i := 1; i < len(m.Versions); i++ {
			if gap := m.Versions[i].At.Sub(m.Versions[i-1].At); gap < time.Second {
				t.Errorf("edit %d came %v after the one before", i, gap)
			}
		}
		first, last := m.Versions[5].At.Sub(m.Versions[4].At),
			m.Versions[len(m.Versions)-1].At.Sub(m.Versions[len(m.Versions)-2].At)
		if len(m.Versions) > 45 || last <= first {
			t.Errorf("%d edits in a minute, the early ones %v apart, the late ones %v", len(m.Versions)-1, first, last)
		}
		time.Sleep(2 * time.Second)
		if w := r.waves("joined"); w[0].Nodes != 60 {
			t.Errorf("the message counts %d of 60 nodes 3 s after the last", w[0].Nodes)
		}
		time.Sleep(26 * time.Second)
		r.join(60, 61) // within ALERT_WAVE_GAP: the same wave
		time.Sleep(29 * time.Second)
		if w := r.waves("joined"); len(w) != 1 || len(w[0].Replies) != 0 {
			t.Errorf("%d waves, closed too early", len(w))
		}
		time.Sleep(2 * time.Second)
		if w := r.waves("joined"); len(w[0].Replies) != 1 {
			t.Errorf("the nodes are not named when the wave has closed")
		}
		r.join(61, 62) // after it: another
		time.Sleep(2 * time.Second)
		if n := len(r.waves("joined")); n != 2 {
			t.Errorf("%d waves, want 2", n)
		}
		if err := channel.Expect(r.slack, slackemu.ChannelOps, "joined", r.names["joined"]); err != nil {
			t.Error(err)
		}
	})
}

// However long changes keep coming, a wave ends after ALERT_WAVE_MAX, and a new one begins.
func TestWaveMax(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		for n := range 90 { // one every ten seconds, for a quarter of an hour
			r.join(n, n+1)
			time.Sleep(10 * time.Second)
		}
		time.Sleep(time.Minute)
		if n := len(r.waves("joined")); n != 2 {
			t.Errorf("%d waves, want 2", n)
		}
		if err := channel.Expect(r.slack, slackemu.ChannelOps, "joined", r.names["joined"]); err != nil {
			t.Error(err)
		}
	})
}

// A node not ready after ten minutes is called out once, in the thread and in the channel; when
// it becomes ready after all, its wave says so.
func TestReadyDeadline(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		r.join(0, 2)
		time.Sleep(41 * time.Second)
		r.setReady(0, fleet.Ready, "KubeletReady")
		time.Sleep(9 * time.Minute)
		if w := r.waves("joined"); len(w[0].Replies) != 0 || !strings.Contains(w[0].Text, "2 nodes joined, 1 ready") {
			t.Errorf("after almost ten minutes: %q, %d replies", w[0].Text, len(w[0].Replies))
		}
		time.Sleep(2 * time.Minute)
		w := r.waves("joined")
		if len(w[0].Replies) != 1 || w[0].Replies[0].Subtype != "thread_broadcast" ||
			!strings.Contains(w[0].Replies[0].Text, "not ready "+message.Duration(alert.DefaultReadyDeadline)) {
			t.Errorf("after the deadline: %d replies", len(w[0].Replies))
		}
		time.Sleep(time.Hour)
		r.setReady(1, fleet.Ready, "KubeletReady")
		time.Sleep(11 * time.Second)
		if w := r.waves("joined"); len(w) != 1 || !strings.Contains(w[0].Text, "2 nodes joined, all ready") ||
			len(w[0].Replies) != 1 {
			t.Errorf("at the end: %q", w[0].Text)
		}
	})
}

// A cluster that changes all day stays within Slack's limits, and every change is told.
func TestBusyDay(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		for hour := range 6 {
			for n := range 10 {
				r.join(hour*10+n, hour*10+n+1)
				time.Sleep(7 * time.Second)
			}
			for n := range 10 {
				r.setReady(hour*10+n, fleet.Ready, "KubeletReady")
				time.Sleep(3 * time.Second)
			}
			for n := range 5 {
				r.remove(hour*10 + n)
				time.Sleep(20 * time.Second)
			}
			time.Sleep(40 * time.Minute)
		}
		for _, step := range []string{"joined", "removed"} {
			if err := channel.Expect(r.slack, slackemu.ChannelOps, step, r.names[step]); err != nil {
				t.Error(err)
			}
		}
		if n := len(r.waves("")); n != 12 {
			t.Errorf("%d messages in six hours, want 12", n)
		}
		if live, err := r.ledger.LiveWaves(r.t.Context(), "prod"); err != nil || len(live) != 0 {
			t.Errorf("%d waves never finish, %v", len(live), err)
		}
	})
}

// A small cluster that costs four times as much is told of once, with what that costs and why, also by another process
// and after a mute; three nodes that become five are not.
func TestSmallSurge(t *testing.T) {
	t.Parallel()
	w := &witness{came: func(n fleet.Node, look int) fleet.Explanation {
		if n.Name == "ip-10-0-0-17.ec2.internal" {
			return fleet.Explanation{}
		}
		return fleet.Explanation{Strength: 50, Cause: fleet.Cause{Kind: fleet.Demand, Why: "its HPA went from 4 to 40",
			For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}}}
	}}
	for _, muted := range []bool{false, true} {
		bubble(t, func(r *rig) {
			r.join(0, 2)
			if err := r.ledger.FinishBaseline(r.t.Context(), fleet.Batch{Cluster: "prod", At: time.Now()},
				func(string) bool { return true }); err != nil {
				r.t.Fatal(err)
			}
			r.away(49 * time.Hour) // nothing is to be told of two days without a change
			r.now = time.Now()
			r.join(2, 4)
			time.Sleep(5 * time.Hour)
			r.away(20 * time.Hour)
			time.Sleep(time.Minute)
			if n := len(r.waves("surge")) + len(r.waves("creep")); n != 0 {
				r.t.Errorf("%d messages of growth for four nodes", n)
			}
			if muted {
				now := time.Now()
				if _, err := r.ledger.AddMute(r.t.Context(), wave.Mute{Request: "x", Cluster: "prod", Scope: wave.MuteCluster,
					By: "U0ADA", At: now, Until: now.Add(7 * time.Minute)}); err != nil {
					r.t.Fatal(err)
				}
			}
			for n := 4; n < 18; n++ {
				r.now = time.Now()
				r.join(n, n+1)
				if n == 11 {
					r.restart()
				}
				time.Sleep(10 * time.Second)
			}
			if n := len(r.waves("surge")); n != 0 {
				r.t.Errorf("%d surges while the nodes come", n)
			}
			time.Sleep(2 * time.Minute)
			if n, want := len(r.waves("surge")), map[bool]int{false: 1}[muted]; n != want {
				r.t.Fatalf("%d surges once they have come, muted %v", n, muted)
			}
			time.Sleep(4 * time.Minute)
			r.restart()
			s := r.waves("surge")
			if len(s) != 1 || !strings.HasSuffix(s[0].Text,
				"14 more nodes in 10 m (4 to 18), $1.34/h more, 4.5 times as much as before") {
				r.t.Fatalf("%d surges: %+v", len(s), s)
			}
			m, _ := r.slack.Message(slackemu.ChannelOps, s[0].TS)
			for _, want := range []string{"More of them: 14 m5.large in pool general.",
				"13 for shop/web: its HPA went from 4 to 40", "1 not explained", "Usual growth in such a span: up to 2 nodes."} {
				if !strings.Contains(slackemu.PlainText(m), want) {
					r.t.Errorf("it does not say %q:\n%s", want, slackemu.PlainText(m))
				}
			}
			for range 3 {
				time.Sleep(25 * time.Hour)
				r.restart()
			}
			if n := len(r.waves("surge")) + len(r.waves("creep")); n != 1 {
				r.t.Errorf("%d messages of growth in the end", n)
			}
		}, func(r *rig) {
			r.explain = w.explainer()
			r.alert.Price = func(fleet.Machine) fleet.Price { return fleet.Price{USD: 0.096, Known: true} }
		})
	}
}

// Growth that is unusual is said once, in a message of its own beside the wave.
func TestSurge(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		if err := r.ledger.FinishBaseline(r.t.Context(), fleet.Batch{Cluster: "prod", At: time.Now()},
			func(string) bool { return true }); err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		r.now = time.Now()
		r.join(0, 15)
		time.Sleep(time.Hour)
		if n := len(r.waves("surge")); n != 0 {
			r.t.Errorf("%d surges for 15 nodes", n)
		}
		r.now = time.Now()
		r.join(15, 75)
		time.Sleep(2 * time.Minute)
		if w := r.waves("surge"); len(w) != 1 || !strings.Contains(w[0].Text, "60 more nodes in 10 m (15 to 75)") {
			r.t.Errorf("%d surges for 60 nodes at once", len(w))
		} else if m, _ := r.slack.Message(slackemu.ChannelOps, w[0].TS); !strings.Contains(slackemu.PlainText(m),
			"More of them: 60 m5.large in pool general.") {
			r.t.Errorf("it does not say what grew:\n%s", slackemu.PlainText(m))
		} else if !strings.Contains(slackemu.PlainText(m), "Why they came is not known yet") {
			r.t.Errorf("it does not say that nobody knows why:\n%s", slackemu.PlainText(m))
		}
		time.Sleep(3 * time.Hour)
		if n := len(r.waves("surge")); n != 1 {
			r.t.Errorf("%d surges in the end", n)
		}
		if err := channel.Expect(r.slack, slackemu.ChannelOps, "joined", r.names["joined"]); err != nil {
			r.t.Error(err)
		}
	})
}
