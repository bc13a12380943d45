package slackapp

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/slackemu"
)

// Others' connections are those that are still there at a second look, a while after the last change of our own.
func TestOthersAreSureAtTheSecondLook(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := &counter{log: slog.New(slog.DiscardHandler), again: make(chan struct{}, 1), sure: time.Minute}
	look := func(after time.Duration, total, want int) {
		t.Helper()
		if n.counted(total, now.Add(after)); n.others != want {
			t.Errorf("%d connections after %v: %d are others', want %d", total, after, n.others, want)
		}
	}
	n.opened()
	look(0, 1, 0)
	n.opened()
	look(time.Second, 2, 0)
	if n.unsettled() {
		t.Error("another look is due though there are only our own")
	}
	look(2*time.Second, 4, 0) // those of a process that was killed
	if !n.unsettled() || len(n.again) != 1 {
		t.Error("no other look is due")
	}
	look(time.Minute, 4, 0)
	look(time.Minute+time.Second, 2, 0)
	look(time.Hour, 4, 0)
	look(time.Hour+time.Minute, 5, 3)
	look(time.Hour+2*time.Minute, 3, 1)
	n.ended()
	n.opened()
	look(time.Hour+3*time.Minute, 2, 0)
	if n.unsettled() {
		t.Error("another look is due though the others have gone")
	}
}

// runCounted runs a session whose second look comes soon, and returns its log.
func runCounted(t *testing.T, s *slackemu.Server, sure time.Duration) (*Session, *bytes.Buffer, func()) {
	t.Helper()
	var log bytes.Buffer
	api := NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil)
	session := NewSession(api, func(context.Context, Envelope) any { return map[string]any{"text": "here"} },
		slog.New(slog.NewTextHandler(&log, nil)))
	session.count.sure = sure
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { session.Run(ctx) })
	stop := func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return session, &log, stop
}

func eventually(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// A Rollcall that shares its app finds out, says so once, and says when it has ended; nothing that people type is
// lost on the way.
func TestSharedConnections(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	first, firstLog, stopFirst := runCounted(t, s, 300*time.Millisecond)
	eventually(t, 5*time.Second, "two connections", func() bool { return s.Connected() == 2 })
	second, secondLog, stopSecond := runCounted(t, s, 300*time.Millisecond)
	typed := make(chan error)
	stop := make(chan struct{})
	go func() {
		defer close(typed)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if _, err := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "").Answer(t.Context()); err != nil {
				typed <- err
				return
			}
		}
	}()
	// The one that came later sees the other's at once; the first when Slack next greets it.
	eventually(t, 10*time.Second, "the second finds out", func() bool { return second.Shared() != "" })
	s.Sockets()[0].Disconnect(slackemu.ReasonRefresh)
	eventually(t, 10*time.Second, "the first finds out", func() bool { return first.Shared() != "" })
	eventually(t, 10*time.Second, "a few more looks", func() bool { return s.SocketStats().Opened >= 9 })
	close(stop)
	for err := range typed {
		t.Error(err)
	}
	stopSecond()
	eventually(t, 10*time.Second, "the first is alone", func() bool { return first.Shared() == "" })
	stopFirst()
	for name, log := range map[string]string{"first": firstLog.String(), "second": secondLog.String()} {
		if strings.Count(log, "another program has connections of this Slack app") != 1 {
			t.Errorf("the log of the %s:\n%s", name, log)
		}
	}
	if !strings.Contains(firstLog.String(), "Rollcall's alone again") {
		t.Errorf("the log does not say that it has ended:\n%s", firstLog)
	}
	if st := s.SocketStats(); st.Timeouts+st.LateAcks > 0 {
		t.Errorf("%+v", st)
	}
}

// Neither the connections that a killed process has left, nor those that Slack refreshes, count as others'.
func TestOwnConnectionsAreNotOthers(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	killed, _, stop := runCounted(t, s, time.Hour)
	eventually(t, 5*time.Second, "two connections", func() bool { return s.Connected() == 2 && killed.Ready() })
	session, log, stopSession := runCounted(t, s, 3*time.Second)
	eventually(t, 5*time.Second, "two more", func() bool { return s.Connected() == 4 })
	stop() // Slack notices only now
	eventually(t, 10*time.Second, "the second look", func() bool { return s.SocketStats().Opened >= 5 })
	for range 2 {
		opened := s.SocketStats().Opened
		s.Sockets()[0].Disconnect(slackemu.ReasonRefresh)
		eventually(t, 10*time.Second, "a refresh", func() bool { return s.SocketStats().Opened > opened })
	}
	if why := session.Shared(); why != "" {
		t.Error(why)
	}
	stopSession()
	if strings.Contains(log.String(), "another program") {
		t.Errorf("the log:\n%s", log)
	}
}

// A check says how many other connections of the app there are.
func TestCheckCountsConnections(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	api := NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil)
	if f := CheckSocket(t.Context(), api); !f.OK || f.Detail != "Slack said hello" {
		t.Errorf("alone: %+v", f)
	}
	runCounted(t, s, time.Hour)
	eventually(t, 5*time.Second, "two connections", func() bool { return s.Connected() == 2 })
	if f := CheckSocket(t.Context(), api); !f.OK || !strings.Contains(f.Detail, "other connections of this app: 2.") {
		t.Errorf("beside a running Rollcall: %+v", f)
	}
}
