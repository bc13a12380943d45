package slackapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/deliver"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
)

// connect runs a session against an emulator until the test ends.
func connect(t *testing.T, s *slackemu.Server, handle slackapp.Handler) (*slackapp.Session, func() error) {
	t.Helper()
	session := slackapp.NewSession(slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil),
		handle, slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = session.Run(ctx)
	}()
	stop := func() error { cancel(); <-done; return err }
	t.Cleanup(func() { stop() })
	return session, func() error { <-done; return err }
}

func waitFor(t *testing.T, s *slackemu.Server, within time.Duration, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v (%+v)", what, within, s.SocketStats())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func echo(ctx context.Context, e slackapp.Envelope) any {
	if e.Type == "slash_commands" {
		return map[string]any{"response_type": "ephemeral", "text": "hello"}
	}
	return nil
}

func TestSessionAnswers(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{})
	session, _ := connect(t, s, echo)
	waitFor(t, s, 5*time.Second, "ready on hello", session.Ready)
	waitFor(t, s, 5*time.Second, "two connections", func() bool { return s.Connected() == 2 })
	m, err := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "").Answer(t.Context())
	if err != nil || m.Text != "hello" {
		t.Errorf("answer %q, %v", m.Text, err)
	}
	if st := s.SocketStats(); st.AcksOnOtherConnection+st.FragmentedMessages+st.UnexpectedPayloads+st.InvalidPayloads+
		st.Timeouts > 0 {
		t.Errorf("stats %+v", st)
	}
}

// Slack refreshes connections by their age, and ours are a second apart: at every moment one
// listens, and nothing is lost. With a warning ahead both may go at once.
func TestRefreshLosesNothing(t *testing.T) { // not parallel: Slack gives every answer three seconds, and counts
	s := slackemu.Start(t, slackemu.Config{WarningLead: 3 * time.Second})
	session, _ := connect(t, s, echo)
	waitFor(t, s, 5*time.Second, "two connections", func() bool { return s.Connected() == 2 })
	var wg sync.WaitGroup
	var asked, lost atomic.Int32
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			asked.Add(1)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if _, err := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "").Answer(ctx); err != nil {
				lost.Add(1)
				t.Log(err)
			}
			cancel()
		}
	})
	for _, reason := range []string{slackemu.ReasonRefresh, slackemu.ReasonRefresh, slackemu.ReasonWarning} {
		opened := s.SocketStats().Opened
		for _, socket := range s.Sockets() {
			before := s.SocketStats().Opened
			socket.Disconnect(reason)
			if reason == slackemu.ReasonRefresh {
				// The connections are as many seconds apart as it takes to open one: at most one
				// a second is opened.
				waitFor(t, s, 5*time.Second, "the next connection",
					func() bool { return s.SocketStats().Opened > before && s.Connected() >= 2 })
			}
		}
		waitFor(t, s, 15*time.Second, "connected again",
			func() bool { return s.SocketStats().Opened >= opened+2 && s.Connected() >= 2 })
		if !session.Ready() {
			t.Error("not ready after a refresh")
		}
	}
	close(stop)
	wg.Wait()
	if lost.Load() > 0 {
		t.Errorf("%d of %d commands lost", lost.Load(), asked.Load())
	}
}

// An acknowledgement that was written to a connection which Slack no longer reads goes out on the other one.
func TestAcknowledgesElsewhere(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{})
	connect(t, s, func(ctx context.Context, e slackapp.Envelope) any {
		s.Sockets()[0].HalfOpen()
		return echo(ctx, e)
	})
	for range 15 { // Slack delivers on either connection
		waitFor(t, s, 10*time.Second, "two connections", func() bool { return s.Connected() == 2 })
		oldest := s.Sockets()[0]
		command := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "")
		time.Sleep(200 * time.Millisecond) // the acknowledgement is written, and read by nobody
		oldest.Drop()
		if m, err := command.Answer(t.Context()); err != nil || m.Text != "hello" {
			t.Fatalf("answer %q, %v", m.Text, err)
		}
		if s.SocketStats().AcksOnOtherConnection > 0 {
			return
		}
		waitFor(t, s, 5*time.Second, "the drop", func() bool { return !slices.Contains(s.Sockets(), oldest) })
	}
	t.Error("no command came on the connection that was dropped")
}

// However Slack throws us out, we come back, and not more often than once a second.
func TestReconnects(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*slackemu.Server){
		"dropped":   func(s *slackemu.Server) { s.DropSockets() },
		"half open": func(s *slackemu.Server) { s.HalfOpenSockets() },
		"storm": func(s *slackemu.Server) {
			for range 20 {
				s.Disconnect(slackemu.ReasonRefresh)
				s.DropSockets()
				time.Sleep(50 * time.Millisecond)
			}
		},
		"refused for a time": func(s *slackemu.Server) {
			s.RefuseSockets(true)
			s.DropSockets()
			time.Sleep(2 * time.Second)
			s.RefuseSockets(false)
		},
		"open fails": func(s *slackemu.Server) {
			s.Fail("apps.connections.open", 2, slackemu.ServerError())
			s.DropSockets()
		},
		"open limited": func(s *slackemu.Server) {
			s.Fail("apps.connections.open", 1, slackemu.RateLimited(2))
			s.DropSockets()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slackemu.Start(t, slackemu.Config{})
			session, _ := connect(t, s, echo)
			waitFor(t, s, 5*time.Second, "two connections", func() bool { return s.Connected() == 2 })
			cut(s)
			waitFor(t, s, 60*time.Second, "connected again", func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "").Answer(ctx)
				return err == nil && session.Ready()
			})
			calls := s.CallsOf("apps.connections.open")
			for i := 1; i < len(calls); i++ {
				// They are sent a second apart; on a busy machine one may take a part of that to arrive.
				if d := calls[i].At.Sub(calls[i-1].At); d < 500*time.Millisecond {
					t.Errorf("connection attempt %d came %v after the one before", i+1, d)
				}
			}
		})
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(*slackemu.Server)
		want string
	}{
		"Socket Mode switched off": {func(s *slackemu.Server) { s.Disconnect(slackemu.ReasonDisabled) }, "link_disabled"},
		"token revoked": {func(s *slackemu.Server) { s.RevokeToken(slackemu.DefaultAppToken); s.DropSockets() },
			"token_revoked"},
		"scope taken away": {func(s *slackemu.Server) { s.SetScopes(slackemu.DefaultAppToken); s.DropSockets() },
			"missing_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slackemu.Start(t, slackemu.Config{})
			session, wait := connect(t, s, echo)
			waitFor(t, s, 5*time.Second, "ready", session.Ready)
			tc.do(s)
			err := wait()
			if _, ok := errors.AsType[*deliver.FatalError](err); !ok || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Run = %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "xapp-") || strings.Contains(err.Error(), "ticket")) {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

func TestEventsAreHandledOnce(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{RetryDelays: []time.Duration{0, 10 * time.Millisecond, 20 * time.Millisecond},
		AckTimeout: 100 * time.Millisecond})
	var handled atomic.Int32
	session, _ := connect(t, s, func(ctx context.Context, e slackapp.Envelope) any {
		if handled.Add(1) == 1 {
			<-ctx.Done() // too slow for Slack, which delivers it again
		}
		return nil
	})
	waitFor(t, s, 5*time.Second, "ready", session.Ready)
	d := s.OpenHome(slackemu.UserAda)
	waitFor(t, s, 5*time.Second, "delivered again", func() bool { return len(d.Attempts()) > 1 })
	if n := handled.Load(); n != 1 {
		t.Errorf("handled %d times", n)
	}
}

func TestHandlerThatPanicsOrTalksTooMuch(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{})
	session, _ := connect(t, s, func(ctx context.Context, e slackapp.Envelope) any {
		var cmd struct{ Text string }
		json.Unmarshal(e.Payload, &cmd)
		switch cmd.Text {
		case "panic":
			panic("at the disco")
		case "much":
			return map[string]string{"text": strings.Repeat("x", 30_000)}
		}
		return map[string]string{"text": "fine"}
	})
	waitFor(t, s, 5*time.Second, "ready", session.Ready)
	for _, text := range []string{"panic", "much"} {
		c := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", text)
		if err := c.Wait(t.Context()); err != nil || len(c.AckPayload()) > 0 {
			t.Errorf("%s: acknowledged with %q, %v", text, c.AckPayload(), err)
		}
	}
	if m, err := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "").Answer(t.Context()); err != nil ||
		m.Text != "fine" {
		t.Errorf("afterwards: %q, %v", m.Text, err)
	}
	if st := s.SocketStats(); st.OversizedAcks > 0 || st.Timeouts > 0 {
		t.Errorf("stats %+v", st)
	}
}
