package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/alert/alerttest"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// messages are all messages that the scenes cause, main ones and replies.
func messages() map[string]message.Message {
	groups := []fleet.Group{{InstanceType: "m5.large", CapacityType: "spot", Nodes: 30},
		{InstanceType: "c5.xlarge", CapacityType: "on-demand", Nodes: 12}}
	cfg := alert.Config{Labels: []string{"team"}}.WithDefaults()
	out := map[string]message.Message{}
	for name, w := range alerttest.Scenes() {
		w.Cluster, w.Key = "prod", "ab12cd34-7"
		if w.OpenedAt.IsZero() {
			w.OpenedAt = alerttest.T0
		}
		out[name] = alert.Render(w, fleet.Totals{Nodes: 45, Ready: 43}, groups, cfg)
		if len(w.Members) > 6 {
			out[name+"-list"] = alert.RenderList(w, w.Members, 1)
		}
		if m, ok := alert.RenderNeverReady(w, cfg); ok {
			out[name+"-stuck"] = m
		}
	}
	// What rings somebody, what somebody looks at, and what nobody does.
	cfg.Routes.Lines = []alert.Route{{To: wave.Place{Mentions: "S0PLATFORM U0ADA000 @here"}}}
	cfg.RemindAfter = 30 * time.Minute
	for _, name := range []string{"not-ready", "surge", "waiting", "joined-three"} {
		w := alerttest.Scenes()[name]
		w.Cluster, w.Key, w.Mentions = "prod", "ab12cd34-7", "S0PLATFORM @here U0NOBODY"
		if w.OpenedAt.IsZero() {
			w.OpenedAt = alerttest.T0
		}
		w.Counts.Unready = map[string]int{"joined-three": 1}[name]
		out[name+"-rings"] = alert.Render(w, fleet.Totals{Nodes: 45, Ready: 43}, groups, cfg)
		out[name+"-reminder"] = alert.RenderReminder(w, cfg)
		w.Look = wave.Look{By: "U0ADA000", Name: "ada <!channel>", At: alerttest.T0.Add(time.Hour)}
		out[name+"-looked"] = alert.Render(w, fleet.Totals{Nodes: 45, Ready: 43}, groups, cfg)
		out[name+"-reminder-looked"] = alert.RenderReminder(w, cfg)
	}
	return out
}

func TestBlocksGolden(t *testing.T) {
	for name, m := range messages() {
		c := render(m, onMessage)
		valid(t, name, c, m.Mentions...)
		blocks, err := json.MarshalIndent(
			map[string]any{"text": c.text, "blocks": c.blocks, "metadata": metadata(deliver.Mark{Key: "ab12cd34-7"}, m)}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(blocks, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v (run go test -update to write it)", err)
		}
		if diff := gocmp.Diff(string(want), string(blocks)+"\n"); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// valid fails the test unless Slack would take the content, and it would ring nobody but these.
func valid(t testing.TB, name string, c content, rings ...string) {
	t.Helper()
	blocks, err := json.Marshal(c.blocks)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(c.blocks) > 0 {
		if err := slackemu.ValidateBlocks(slackemu.SurfaceMessage, blocks); err != nil {
			t.Fatalf("%s: Slack refuses the blocks: %v\n%.500s", name, err, blocks)
		}
	}
	if n := len([]rune(c.text)); n == 0 || n > maxText {
		t.Errorf("%s: the text has %d characters", name, n)
	}
	m := slackemu.Message{Text: c.text, Blocks: blocks}
	for _, live := range slackemu.LiveMentions(m) {
		if who := cmp.Or(live.ID, "@"+string(live.Kind)); !slices.Contains(rings, who) {
			t.Fatalf("%s rings: %+v", name, live)
		}
	}
	if links := slackemu.LiveLinks(m); len(links) > 0 {
		for _, l := range links {
			if !l.Auto {
				t.Errorf("%s links to %s", name, l.URL)
			}
		}
	}
}

// Whatever names, labels, reasons and notes contain: no live mention, no broken block, nothing
// beyond a limit.
func FuzzUntrustedText(f *testing.F) {
	for _, s := range []string{"", "<!channel>", "<@U0ADA>", "<#C0ROLLCALL|x>", "<https://evil.example|click>",
		"&lt;!here&gt;", "*bold* _it_ `code` ```", ":smile:",
		"\x00\x01\n\r\t", "\xff\xfe", strings.Repeat("<", 5000), strings.Repeat("ä😀", 3000), "@channel @here", "a|b",
		"<!date^1^{date}|x>", "\u202etxet", " ", strings.Repeat("\n", 400)} {
		f.Add(s, uint16(3))
		f.Add(s, uint16(300))
	}
	f.Fuzz(func(t *testing.T, s string, many uint16) {
		n := int(many%400) + 1
		w := wave.Wave{Cluster: s, Key: "ab12cd34-7", Kind: wave.KindAway,
			Gap: &fleet.Gap{From: alerttest.T0, Until: alerttest.T0.Add(time.Hour), Missed: true, Cause: s}}
		for i := range n {
			node := fleet.Node{Cluster: s, UID: fmt.Sprint(i), Name: fmt.Sprint(s, i), InstanceType: s, CapacityType: s,
				Zone: fmt.Sprint(s, i%30), Pool: s, Arch: s,
				Labels: map[string]string{"team": s}, CreatedAt: alerttest.T0,
				Ready: fleet.Condition{Status: fleet.NotReady, Reason: s, Message: s}}
			w.Members = append(w.Members, wave.Member{Node: node, RemovedAt: alerttest.T0, Steps: []fleet.Change{
				{Kind: fleet.Joined, At: alerttest.T0, NodeName: node.Name}, {Kind: fleet.WentUnready, At: alerttest.T0, Reason: s},
				{Kind: fleet.Removed, At: alerttest.T0, Reason: s}},
				Came: fleet.Explanation{Nodes: []string{s}, Cause: fleet.Cause{Kind: fleet.Demand, By: s, Why: s,
					For: fleet.Workload{Kind: s, Namespace: s, Name: s}}},
				Went: fleet.Explanation{Nodes: []string{s}, Cause: fleet.Cause{Kind: fleet.OtherDisruption, By: s, Why: s}}})
		}
		cfg := alert.Config{Labels: []string{"team"}}.WithDefaults()
		for _, kind := range []wave.Kind{wave.KindJoined, wave.KindNotReady, wave.KindRemoved, wave.KindAway,
			wave.KindBaseline, wave.KindCatchUp} {
			w.Kind = kind
			m := alert.Render(w, fleet.Totals{Nodes: n}, alert.Groups(w.Members, cfg.Price), cfg)
			valid(t, string(kind), render(m, onMessage))
			valid(t, string(kind), plainly(m))
		}
		for _, ended := range []time.Time{{}, alerttest.T0} {
			m := wave.Wave{Cluster: s, Kind: wave.KindMute, ClosedAt: ended,
				Mute: &wave.Mute{Scope: wave.MutePool, Value: s, ByName: s, At: alerttest.T0,
					Until:   alerttest.T0.Add(48 * time.Hour),
					EndedAt: ended, EndedByName: s}, Muted: wave.Muted{Nodes: n, Changes: map[fleet.ChangeKind]int{fleet.Joined: n}}}
			said := alert.Render(m, fleet.Totals{}, nil, cfg)
			valid(t, "mute", render(said, onMessage))
			valid(t, "mute", plainly(said))
		}
		for i := range w.Members {
			w.Members[i].RemovedAt = time.Time{}
		}
		valid(t, "list", render(alert.RenderList(w, w.Members[:min(n, 20)], 1), onMessage))
		if m, ok := alert.RenderNeverReady(w, cfg); ok {
			valid(t, "stuck", render(m, onMessage))
		}
	})
}

// plainly is a message in the form for a channel that takes no blocks.
func plainly(m message.Message) content {
	c, _ := formed(m, deliver.Plain)
	return c
}

// What becomes of a message is decided by Slack's code alone.
func TestJudge(t *testing.T) {
	for code, want := range map[string]deliver.Outcome{"invalid_auth": deliver.Fatal, "message_not_found": deliver.Gone,
		"invalid_blocks": deliver.Refused, "channel_not_found": deliver.Closed, "ratelimited": deliver.Limited,
		"internal_error": deliver.Down, "service_unavailable": deliver.Down, "of_the_future": deliver.Strange,
		"edit_window_closed": deliver.Frozen, "cant_update_message": deliver.Frozen, "is_inactive": deliver.Closed,
		"restricted_action": deliver.Closed, "restricted_action_of_the_future": deliver.Closed,
		"restricted_action_thread_locked": deliver.Unthreaded, "thread_locked": deliver.Unthreaded,
		"restricted_action_non_threadable_channel": deliver.Unthreaded} {
		if got := judge(fmt.Errorf("posting: %w", slack.SlackErrorResponse{Err: code}), "C1"); got.Outcome != want ||
			got.Code != code {
			t.Errorf("%s is %+v, want outcome %d", code, got, want)
		}
	}
	if got := judge(errors.New("connection refused"), "C1"); got.Outcome != deliver.Down {
		t.Errorf("no answer is %+v", got)
	}
	for asked, want := range map[time.Duration]time.Duration{0: time.Second, 5 * time.Second: 5 * time.Second,
		24 * time.Hour: time.Minute} {
		if got := judge(&slack.RateLimitedError{RetryAfter: asked}, "C1"); got.Wait != want {
			t.Errorf("asked to wait for %v, it waits for %v, want %v", asked, got.Wait, want)
		}
	}
	if got := judge(fmt.Errorf("posting: %w", context.DeadlineExceeded), "C1"); got.Outcome != deliver.Down ||
		!got.Unanswered {
		t.Errorf("a time-out is %+v", got)
	}
	if got := judge(nil, "C1"); got != (deliver.Verdict{}) {
		t.Errorf("no error is %+v", got)
	}
}
