package slackemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
)

// TestNoGoroutineOutlivesClose starts everything that has goroutines and looks for them after Close.
func TestNoGoroutineOutlivesClose(t *testing.T) {
	s := Start(t, Config{})
	w := dial(t, s)
	dial(t, s)
	s.Sockets()[1].HalfOpen()
	s.Disconnect(ReasonWarning)
	s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
	s.Deliver(json.RawMessage(event))
	_ = w
	s.Close()
	// A goroutine that has said that it is done may not have returned yet.
	var left string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if left = stillRunning(t.Name()); left == "" {
			return
		}
	}
	t.Errorf("still running:\n%s", left)
}

func stillRunning(test string) string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "slackemu.(*") && !strings.Contains(g, test) {
			return g
		}
	}
	return ""
}

// TestConcurrentUse has posters, editors, readers and people at once; the race detector watches.
func TestConcurrentUse(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	w := dial(t, s)
	go func() {
		for {
			var f map[string]any
			if w.ReadJSON(&f) != nil {
				return
			}
			if id, ok := f["envelope_id"].(string); ok &&
				w.WriteJSON(map[string]any{"envelope_id": id, "payload": map[string]any{"text": "ok"}}) != nil {
				return
			}
		}
	}()
	const posts = 40
	var wg sync.WaitGroup
	for i := range 4 {
		api := client(s)
		wg.Go(func() {
			for j := range posts {
				_, ts, err := api.PostMessage(ChannelOps, slack.MsgOptionText(fmt.Sprintf("%d/%d", i, j), false))
				if err == nil {
					_, _, _, err = api.UpdateMessage(ChannelOps, ts, slack.MsgOptionText("edited", false))
				}
				if err != nil {
					t.Error(err)
				}
				s.Messages(ChannelOps)
				s.Calls()
				s.Counts()
			}
		})
		wg.Go(func() {
			for range 10 {
				cmd := s.SlashCommand(UserAda, ChannelOps, "/nodes", "")
				if _, err := cmd.Answer(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list := s.Messages(ChannelOps)
	if len(list) != 4*posts || !slices.IsSortedFunc(list, func(a, b Message) int { return strings.Compare(a.TS, b.TS) }) {
		t.Errorf("%d messages, or not in order", len(list))
	}
	if n := len(s.Ephemerals(ChannelOps, UserAda)); n != 40 {
		t.Errorf("%d answers", n)
	}
}

func TestSubscribe(t *testing.T) {
	s := Start(t, Config{})
	sub := s.Subscribe()
	api := client(s)
	_, ts, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false))
	must(t, err)
	_, _, _, err = api.UpdateMessage(ChannelOps, ts, slack.MsgOptionText("y", false))
	must(t, err)
	_, _, err = api.DeleteMessage(ChannelOps, ts)
	must(t, err)
	if !s.EditChannel(ChannelOps, func(c *Channel) { c.Archived = true }) || s.EditChannel("C0", func(*Channel) {}) {
		t.Error("EditChannel")
	}
	changes, err := sub.Next(t.Context())
	must(t, err)
	var kinds []ChangeKind
	for i, c := range changes {
		if c.Seq != changes[0].Seq+i {
			t.Errorf("change %d has number %d", i, c.Seq)
		}
		if c.Kind != ChangeCall {
			kinds = append(kinds, c.Kind)
		}
	}
	if want := []ChangeKind{ChangePosted, ChangeUpdated, ChangeDeleted, ChangeChannel}; !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
	if _, _, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false)); code(err) != "is_archived" {
		t.Errorf("got %v", err)
	}
	sub.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.WaitFor(ctx, func() bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitFor: %v", err)
	}
}

func TestOwnWorkspace(t *testing.T) {
	s := Start(t, Config{
		TeamID: "T1", EnterpriseID: "E1", EnterpriseName: "Ent", Commands: []string{"/roll"}, RawCommandText: true,
		Tokens: []Token{
			{Value: DefaultBotToken, Scopes: DefaultScopes()},
			{Value: "xoxb-second", Scopes: []string{"chat:write"}, UserID: "U0SECOND", BotID: "B0SECOND"},
			{Value: DefaultAppToken, Scopes: []string{"connections:write"}},
		},
		Channels: []Channel{{ID: "C1", Name: "one", Members: []string{DefaultBotUserID, "U0SECOND", UserAda}}},
		Limits:   map[string]Limit{"chat.postMessage": {PerMinute: 600, Burst: 50}},
	})
	w := dial(t, s)
	cmd := s.SlashCommand(UserAda, "C1", "/roll", "<x>")
	p := w.next()["payload"].(map[string]any)
	if p["enterprise_id"] != "E1" || p["enterprise_name"] != "Ent" || p["text"] != "<x>" || p["team_id"] != "T1" {
		t.Errorf("payload %v", p)
	}
	must(t, cmd.Err())
	_, ts, err := client(s).PostMessage("C1", slack.MsgOptionText("mine", false))
	must(t, err)
	got, _ := form(t, s, "chat.update", "xoxb-second", "channel", "C1", "ts", ts, "text", "yours")
	if got["error"] != "cant_update_message" {
		t.Errorf("another bot's message: %v", got)
	}
	if got, _ := form(t, s, "chat.postMessage", "xoxb-second", "channel", "C1", "text", "second"); got["ok"] != true {
		t.Errorf("the second bot: %v", got)
	}
	if cfg := s.Config(); cfg.AppID != DefaultAppID || cfg.AckTimeout != 3*time.Second || len(s.Channels()) != 1 ||
		len(s.Users()) != 4 {
		t.Errorf("config %+v", cfg)
	}
}
