package slackemu

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
)

func TestPostMessageLimit(t *testing.T) {
	s := Start(t, Config{})
	api := client(s)
	for range 3 {
		_, _, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false))
		must(t, err)
	}
	_, _, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false))
	limited, ok := errors.AsType[*slack.RateLimitedError](err)
	if !ok || limited.RetryAfter != time.Second {
		t.Fatalf("the fourth message at once: %v", err)
	}
	if _, _, err := api.PostMessage(ChannelPrivate, slack.MsgOptionText("x", false)); err != nil {
		t.Errorf("another channel: %v", err)
	}
	got, resp := form(t, s, "chat.postMessage", DefaultBotToken, "channel", ChannelOps, "text", "x")
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" ||
		got["error"] != "ratelimited" || got["ok"] != false {
		t.Errorf("HTTP %d, Retry-After %q, %v", resp.StatusCode, resp.Header.Get("Retry-After"), got)
	}
	if n := s.Counts()["chat.postMessage"]; n.RateLimited != 2 || n.OK != 4 || n.Statuses[429] != 2 {
		t.Errorf("counts %+v", n)
	}
	if n := len(s.Messages(ChannelOps)); n != 3 {
		t.Errorf("%d messages were posted", n)
	}
	s.SetRateLimits(false)
	for range 10 {
		_, _, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false))
		must(t, err)
	}
}

// TestTiers checks that every method is limited, by the burst of its tier.
func TestTiers(t *testing.T) {
	for method, burst := range map[string]int{"conversations.list": 5, "conversations.history": 10, "chat.update": 10,
		"views.publish": 20, "apps.connections.open": 20} {
		s := Start(t, Config{})
		token := DefaultBotToken
		call := func() *http.Response {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.APIURL()+method, nil)
			must(t, err)
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(req)
			must(t, err)
			resp.Body.Close()
			return resp
		}
		if method == "apps.connections.open" {
			token = DefaultAppToken
		}
		n := 0
		for call().StatusCode == http.StatusOK && n <= burst {
			n++
		}
		if n != burst {
			t.Errorf("%s takes %d calls at once, want %d", method, n, burst)
		}
	}
	for name, m := range methods {
		if m.limit.Burst == 0 && name != "chat.postMessage" {
			t.Errorf("%s has no limit", name)
		}
	}
}

func TestOwnLimits(t *testing.T) {
	s := Start(t, Config{Limits: map[string]Limit{"chat.update": {PerMinute: 6, Burst: 1}}})
	form(t, s, "chat.update", DefaultBotToken)
	_, resp := form(t, s, "chat.update", DefaultBotToken)
	if got := resp.Header.Get("Retry-After"); got != "10" {
		t.Errorf("Retry-After %q, want 10", got)
	}
}

func TestFaults(t *testing.T) {
	post := func(s *Server) error {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		_, _, err := client(s).PostMessageContext(ctx, ChannelOps, slack.MsgOptionText("x", false))
		return err
	}
	status := func(want int) func(error) bool {
		return func(err error) bool {
			e, ok := errors.AsType[slack.StatusCodeError](err)
			return ok && e.Code == want
		}
	}
	for _, c := range []struct {
		fault  Fault
		is     func(error) bool
		posted int
	}{
		{ServerError(), status(500), 0},
		{BadGateway(), status(502), 0},
		{Unavailable(), status(503), 0},
		{ServerError().AfterEffect(), status(500), 1},
		{RateLimited(7), func(err error) bool {
			e, ok := errors.AsType[*slack.RateLimitedError](err)
			return ok && e.RetryAfter == 7*time.Second
		}, 0},
		{RateLimited(7).AfterEffect(),
			func(err error) bool { _, ok := errors.AsType[*slack.RateLimitedError](err); return ok }, 1},
		{RateLimitedNoHeader(), status(429), 0},
		{HangUp(), func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, 0},
		{HangUp().AfterEffect(), func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, 1},
		{CutConnection(), func(err error) bool { return err != nil && !errors.Is(err, context.DeadlineExceeded) }, 0},
		{CutConnection().AfterEffect(),
			func(err error) bool { return err != nil && !errors.Is(err, context.DeadlineExceeded) }, 1},
		{Refuse("internal_error"), func(err error) bool { return code(err) == "internal_error" }, 0},
		{Refuse("fatal_error").AfterEffect(), func(err error) bool { return code(err) == "fatal_error" }, 1},
		{Slow(20 * time.Millisecond), func(err error) bool { return err == nil }, 1},
		{Slow(time.Minute), func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, 0},
	} {
		s := Start(t, Config{NoRateLimits: true})
		s.Fail("chat.postMessage", 1, c.fault)
		if _, err := client(s).AuthTest(); err != nil {
			t.Errorf("%s struck another method: %v", c.fault.Name, err)
		}
		if err := post(s); !c.is(err) {
			t.Errorf("%s: got %v", c.fault.Name, err)
		}
		// The server notices that the client has hung up a moment later.
		must(t, s.WaitFor(t.Context(), func() bool { return len(s.CallsOf("chat.postMessage")) == 1 }))
		if n := len(s.Messages(ChannelOps)); n != c.posted {
			t.Errorf("%s: %d messages posted, want %d", c.fault.Name, n, c.posted)
		}
		call := s.CallsOf("chat.postMessage")[0]
		if call.Fault != c.fault.Name || call.Effect != (c.posted == 1) {
			t.Errorf("%s: log has %+v", c.fault.Name, call)
		}
		if err := post(s); err != nil {
			t.Errorf("%s struck twice: %v", c.fault.Name, err)
		}
	}
}

func TestRules(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	run := func(n int) (pattern string) {
		for i := range n {
			if _, _, err := client(s).PostMessage(ChannelOps, slack.MsgOptionText(fmt.Sprint(i), false)); err != nil {
				pattern += "x"
			} else {
				pattern += "."
			}
		}
		return pattern
	}
	s.Inject(Rule{Method: "chat.postMessage", Skip: 1, Times: 2, Fault: ServerError()})
	if got := run(5); got != ".xx.." {
		t.Errorf("skip 1, times 2: %s", got)
	}
	remove := s.Inject(Rule{Fault: ServerError(), Where: func(c Call) bool { return c.Args["text"] == "1" }})
	if got := run(3); got != ".x." {
		t.Errorf("where: %s", got)
	}
	remove()
	if got := run(2); got != ".." {
		t.Errorf("removed: %s", got)
	}
	s.Inject(Rule{Probability: 0.5, Fault: ServerError()})
	if got := run(30); !strings.Contains(got, "x") || !strings.Contains(got, ".") {
		t.Errorf("half of the calls should fail: %s", got)
	}
	s.ClearFaults()
	s.SetOutage(Outage503)
	if _, err := client(s).AuthTest(); !errors.As(err, new(slack.StatusCodeError)) {
		t.Errorf("outage: %v", err)
	}
	s.SetOutage(OutageClosed)
	if _, err := client(s).AuthTest(); err == nil || errors.As(err, new(slack.StatusCodeError)) {
		t.Errorf("closed: %v", err)
	}
	s.SetOutage(OutageOff)
	if _, err := client(s).AuthTest(); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

// TestFaultsElsewhere checks the calls that are not Web API methods.
func TestFaultsElsewhere(t *testing.T) {
	s := Start(t, Config{})
	w := dial(t, s)
	cmd := s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	w.ack(w.next()["envelope_id"], "")
	must(t, cmd.Wait(t.Context()))
	s.Fail(MethodResponseURL, 1, ServerError().AfterEffect().Delayed(time.Millisecond))
	if status, _ := reply(t, cmd.ResponseURL, `{"text":"x"}`); status != http.StatusInternalServerError ||
		len(cmd.Messages()) != 1 {
		t.Errorf("response_url: HTTP %d, %d messages", status, len(cmd.Messages()))
	}
	s.Fail(MethodUpload, 1, Unavailable())
	_, err := client(s).UploadFile(slack.UploadFileParameters{Filename: "a.txt", FileSize: 1, Content: "a"})
	if e, ok := errors.AsType[slack.StatusCodeError](err); !ok || e.Code != http.StatusServiceUnavailable {
		t.Errorf("upload: %v", err)
	}
	s.Fail(MethodSocket, 1, BadGateway())
	_, link := open(t, s)
	if _, resp, err := websocket.DefaultDialer.DialContext(t.Context(), link, nil); err == nil || resp == nil ||
		resp.StatusCode != http.StatusBadGateway {
		t.Errorf("socket: %v", err)
	}
	// The ticket was not used up by the fault.
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), link, nil)
	must(t, err)
	conn.Close()
	s.ResetCalls()
	if len(s.Calls()) != 0 || len(s.Counts()) != 0 {
		t.Error("ResetCalls left calls")
	}
	if !slices.Contains(Methods(), "chat.postMessage") || len(s.Files()) != 1 {
		t.Errorf("methods %v, %d files", Methods(), len(s.Files()))
	}
}
