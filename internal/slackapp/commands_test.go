package slackapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
)

// desk is a Rollcall that answers commands from a ledger, and the Slack that it answers to.
type desk struct {
	slack  *slackemu.Server
	ledger *ledger.Ledger
	log    *syncBuffer

	mu    sync.Mutex
	watch string // what is wrong with the watch; guarded by mu
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// deskConfig is what a desk's commands depend on.
type deskConfig struct {
	answer.Config
	slackapp.CommandsConfig
}

// deskOn answers from a ledger whose watch is live.
func deskOn(l *ledger.Ledger, s *slackemu.Server, log *slog.Logger) deskConfig {
	return deskConfig{
		Config: answer.Config{Cluster: "prod", Store: l, Log: log, Summaries: answer.Summaries{Store: l},
			Watch: func(string) string { return "" }},
		CommandsConfig: slackapp.CommandsConfig{Log: log, Channel: slackemu.ChannelOps,
			API: slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil)},
	}
}

func (c deskConfig) commands() *slackapp.Commands {
	c.Answers = answer.New(c.Config)
	return slackapp.NewCommands(c.CommandsConfig)
}

// newDesk returns a desk that is connected to Slack. change, if any, adjusts what its commands
// depend on.
func newDesk(t *testing.T, cfg slackemu.Config, change func(*deskConfig)) *desk {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := &desk{slack: slackemu.Start(t, cfg), ledger: l, log: &syncBuffer{}}
	c := deskOn(l, d.slack, slog.New(slog.NewTextHandler(d.log, nil)))
	c.Watch = func(string) string {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.watch
	}
	if change != nil {
		change(&c)
	}
	commands := c.commands()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { commands.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	session, _ := connect(t, d.slack, commands.Handle)
	waitFor(t, d.slack, 5*time.Second, "ready", session.Ready)
	return d
}

// record writes observations of nodes into the ledger.
func (d *desk) record(t *testing.T, os ...fleet.Observation) {
	t.Helper()
	if err := d.ledger.RecordNodes(t.Context(),
		fleet.Batch{Cluster: "prod", Observations: os, At: time.Now(), ResourceVersion: "1"}); err != nil {
		t.Fatal(err)
	}
}

// say types a command and returns the answer, which must reach the person within Slack's 3 s,
// unseen by others, with nothing in it that rings or links.
func (d *desk) say(t *testing.T, user, channel, command string) slackemu.Message {
	t.Helper()
	m, err := d.slack.SlashCommand(user, channel, command, "").Answer(t.Context())
	if err != nil {
		t.Fatalf("%s: %v (%+v)\n%s", command, err, d.slack.SocketStats(), d.log)
	}
	if !m.Ephemeral || m.To != user {
		t.Errorf("%s is answered to %q", command, m.To)
	}
	live := slices.DeleteFunc(slackemu.LiveMentions(m),
		func(l slackemu.Mention) bool { return l.Kind == slackemu.MentionLink }) // a refusal's: where to ask
	if len(live) > 0 || len(m.Notifications) > 0 {
		t.Errorf("%s: the answer rings: %+v", command, live)
	}
	if links := slackemu.LiveLinks(m); len(links) > 0 {
		t.Errorf("%s: the answer has links: %+v", command, links)
	}
	if st := d.slack.SocketStats(); st.OversizedAcks+st.InvalidPayloads+st.FragmentedMessages+st.UnexpectedPayloads+
		st.LateAcks+st.Timeouts > 0 {
		t.Errorf("%s: Slack did not take every answer: %+v", command, st)
	}
	return m
}

// contains checks that a person can read each text in a message.
func contains(t *testing.T, m slackemu.Message, texts ...string) {
	t.Helper()
	plain := slackemu.PlainText(m)
	for _, text := range texts {
		if !strings.Contains(plain, text) {
			t.Errorf("the answer does not say %q:\n%s", text, plain)
		}
	}
}

func aNode(n int, instanceType, capacity string) fleet.Node {
	return fleet.Node{Cluster: "prod", UID: fmt.Sprintf("uid-%d", n), Name: fmt.Sprintf("ip-10-0-%d-%d", n/250, n%250),
		InstanceType: instanceType, CapacityType: capacity,
		CreatedAt: time.Now(), Ready: fleet.Condition{Status: fleet.Ready, Since: time.Now()}}
}

func TestNodesCommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{}, nil)
	contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes"), "prod: 0 nodes",
		"Last 24 hours: 0 joined, 0 left, 0 went not ready.", "Up to date.")

	var os []fleet.Observation
	for n := range 7 {
		os = append(os, fleet.First(aNode(n, "m5.large", "spot"), time.Now()))
	}
	for n := range 3 {
		node := aNode(10+n, "", "")
		node.Ready.Status = fleet.NotReady
		os = append(os, fleet.First(node, time.Now()))
	}
	d.record(t, os...)
	gone := os[0]
	d.record(t, fleet.Gone(gone.Node, gone.Known, time.Now()))
	down := os[1].Node
	down.Ready = fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Since: time.Now()}
	if o, ok := fleet.Diff(os[1].Known, down, fleet.Look{At: time.Now()}); ok {
		d.record(t, o)
	}
	m := d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes")
	contains(t, m, "prod: 9 nodes, 5 ready", "Last 24 hours: 10 joined, 1 left, 1 went not ready.", "Up to date.", "Type",
		"Capacity", "m5.large", "spot", "unknown")
	if !strings.Contains(m.Text, "prod: 9 nodes, 5 ready") {
		t.Errorf("a phone shows %q", m.Text)
	}
}

func TestEventsCommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{}, nil)
	contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/events"), "prod: events: none", "Up to date.")
	now := time.Now()
	events := []fleet.Event{
		{Cluster: "prod", UID: "old", Regarding: fleet.ObjectRef{Kind: "Node", Name: "n0"}, Reason: "NodeReady",
			Type: "Normal", Note: "long ago", Count: 1, First: now.Add(-2 * time.Hour), Last: now.Add(-2 * time.Hour)},
		{Cluster: "prod", UID: "noise", Regarding: fleet.ObjectRef{Kind: "Job", Namespace: "x", Name: "y"},
			Reason: "Completed", Type: "Normal", Note: "done", Count: 1, First: now, Last: now},
		{Cluster: "prod", UID: "warning", Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web-1"},
			Reason: "FailedScheduling", Type: "Warning", Note: "0/3 nodes are available", Count: 4, First: now.Add(-time.Minute),
			Last: now},
		{Cluster: "prod", UID: "normal", Regarding: fleet.ObjectRef{Kind: "Node", Name: "n1"}, Reason: "NodeReady",
			Type: "Normal", Note: "Node n1 status is now: NodeReady", Count: 1, First: now, Last: now.Add(-time.Second)},
	}
	if err := d.ledger.RecordEvents(t.Context(), "prod", events, "1"); err != nil {
		t.Fatal(err)
	}
	m := d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/events")
	contains(t, m, "prod: events, 4 shown, 1 of them warnings", "pod shop/web-1", "⚠️ Warning: FailedScheduling ×4",
		"0/3 nodes are available", "node n1")
	if plain := slackemu.PlainText(m); strings.Index(plain, "FailedScheduling") > strings.Index(plain, "NodeReady") {
		t.Errorf("not the latest first:\n%s", plain)
	}
}

// An answer says how old it is when the watch is not live.
func TestAnswersSayHowFreshTheyAre(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{}, nil)
	d.mu.Lock()
	d.watch = "list nodes: connection refused"
	d.mu.Unlock()
	for _, command := range []string{"/nodes", "/events"} {
		contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, command),
			"Nothing was seen yet: list nodes: connection refused")
	}
	if err := d.ledger.Watched(t.Context(), "prod", time.Now().Add(-time.Hour), "1"); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"/nodes", "/events"} {
		m := d.say(t, slackemu.UserAda, slackemu.ChannelOps, command)
		contains(t, m, "As of ", ", not live: list nodes: connection refused")
		if strings.Contains(slackemu.PlainText(m), "Up to date.") || !strings.Contains(string(m.Blocks), `"type":"date"`) {
			t.Errorf("%s", m.Blocks)
		}
	}
}

// Who may not use the commands is told so politely, learns nothing of the cluster, and is
// logged.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		change        func(*deskConfig)
		user, channel string
		why           string // "": allowed
		ask, setting  string // the channel to ask in, and the variable that only the log names
	}{
		{name: "anyone of the workspace", user: slackemu.UserAda, channel: slackemu.ChannelOps},
		{name: "a user on the list", user: slackemu.UserAda, channel: slackemu.ChannelOps,
			change: func(c *deskConfig) { c.AllowedUsers = []string{slackemu.UserAda} }},
		{name: "a user not on the list", user: slackemu.UserGrace, channel: slackemu.ChannelOps,
			change: func(c *deskConfig) { c.AllowedUsers = []string{slackemu.UserAda} },
			why:    "Only some people may use Rollcall here. Whoever runs it can let you in.",
			ask:    slackemu.ChannelOps, setting: "SLACK_ALLOWED_USERS"},
		{name: "a channel on the list", user: slackemu.UserGrace, channel: slackemu.ChannelOps,
			change: func(c *deskConfig) { c.AllowedChannels = []string{slackemu.ChannelOps} }},
		{name: "a channel not on the list", user: slackemu.UserAda, channel: slackemu.ChannelPrivate,
			change: func(c *deskConfig) { c.AllowedChannels = []string{slackemu.ChannelOps} },
			why:    "Rollcall does not answer in this channel.", ask: slackemu.ChannelOps, setting: "SLACK_ALLOWED_CHANNELS"},
		{name: "the right user in the wrong channel", user: slackemu.UserAda, channel: slackemu.ChannelOps,
			change: func(c *deskConfig) {
				c.AllowedUsers, c.AllowedChannels = []string{slackemu.UserAda}, []string{slackemu.ChannelPrivate}
			}, why: "Rollcall does not answer in this channel.", ask: slackemu.ChannelPrivate,
			setting: "SLACK_ALLOWED_CHANNELS"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, slackemu.Config{}, test.change)
			d.record(t, fleet.First(aNode(1, "m5.large", "spot"), time.Now()))
			for _, command := range []string{"/nodes", "/events"} {
				m := d.say(t, test.user, test.channel, command)
				if test.why == "" {
					contains(t, m, "prod: ")
					continue
				}
				contains(t, m, "You may not use "+command+" here", test.why, "Ask in ")
				if blocks := string(m.Blocks); !strings.Contains(blocks, `"channel_id":"`+test.ask+`"`) ||
					strings.Contains(blocks+m.Text, "SLACK_") {
					t.Errorf("it does not say where to ask in people's words: %s", blocks)
				}
				if log := d.log.String(); !strings.Contains(log, "setting="+test.setting) {
					t.Errorf("the log does not name the variable:\n%s", log)
				}
				if strings.Contains(slackemu.PlainText(m)+m.Text, "prod") {
					t.Errorf("it tells of the cluster:\n%s", slackemu.PlainText(m))
				}
				if log := d.log.String(); !strings.Contains(log, "somebody was refused") ||
					!strings.Contains(log, "what="+command+" user="+test.user) || !strings.Contains(log, "channel="+test.channel) {
					t.Errorf("the log does not say so:\n%s", log)
				}
			}
		})
	}
}

// What was done in another workspace is refused, whatever the lists say, and so are people of other
// workspaces; only an app that is installed in a whole organisation serves all of it. The commands are handed over
// as Slack might send them, because the emulator's own always name its workspace.
func TestForeignTeams(t *testing.T) {
	t.Parallel()
	const foreign, sister = slackemu.ForeignTeamID, "T0SISTER"
	org := slackemu.Config{TeamID: "E0ACME", EnterpriseID: "E0ACME"}
	for _, test := range []struct {
		name             string
		us               slackemu.Config
		team, enterprise string // where the command was typed
		who              slackemu.User
		allowed, listed  bool
	}{
		{name: "own", team: slackemu.DefaultTeamID, allowed: true},
		{name: "typed elsewhere", team: foreign, who: slackemu.User{TeamID: foreign}},
		{name: "typed elsewhere, on the list", team: foreign, who: slackemu.User{TeamID: foreign}, listed: true},
		{name: "nowhere", listed: true},
		{name: "foreign, in a shared channel", team: slackemu.DefaultTeamID, who: slackemu.User{TeamID: foreign}},
		{name: "own, in an organisation", us: slackemu.Config{EnterpriseID: "E0ACME"}, team: slackemu.DefaultTeamID,
			enterprise: "E0ACME", allowed: true, who: slackemu.User{TeamID: sister, EnterpriseID: "E0ACME",
				Teams: []string{sister, slackemu.DefaultTeamID}}},
		{name: "another of the organisation", us: slackemu.Config{EnterpriseID: "E0ACME"}, team: slackemu.DefaultTeamID,
			enterprise: "E0ACME", who: slackemu.User{TeamID: sister, EnterpriseID: "E0ACME", Teams: []string{sister}}},
		{name: "typed in another of the organisation", us: slackemu.Config{EnterpriseID: "E0ACME"}, team: sister,
			enterprise: "E0ACME"},
		{name: "app of the whole organisation", us: org, team: sister, enterprise: "E0ACME", allowed: true,
			who: slackemu.User{TeamID: sister, EnterpriseID: "E0ACME", Teams: []string{sister}}},
		{name: "a guest of the organisation", us: org, team: sister, enterprise: "E0ACME",
			who: slackemu.User{TeamID: foreign}},
		{name: "another organisation", us: org, team: foreign, enterprise: "E0OTHER", who: slackemu.User{TeamID: foreign,
			EnterpriseID: "E0OTHER", Teams: []string{foreign}}},
		{name: "no organisation", us: org, team: foreign, who: slackemu.User{TeamID: foreign}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.who.ID, test.who.Name = slackemu.UserEve, "eve"
			test.us.Users = []slackemu.User{test.who}
			s := slackemu.Start(t, test.us)
			l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			log := &syncBuffer{}
			c := deskOn(l, s, slog.New(slog.NewTextHandler(log, nil)))
			if test.listed {
				c.AllowedUsers, c.AllowedChannels = []string{slackemu.UserEve}, []string{slackemu.ChannelOps}
			}
			payload, err := json.Marshal(map[string]string{"command": "/nodes", "api_app_id": slackemu.DefaultAppID,
				"team_id": test.team, "enterprise_id": test.enterprise, "user_id": slackemu.UserEve,
				"channel_id": slackemu.ChannelOps})
			if err != nil {
				t.Fatal(err)
			}
			answer, err := json.Marshal(
				c.commands().Handle(t.Context(),
					slackapp.Envelope{Type: "slash_commands", Payload: payload, App: slackemu.DefaultAppID}))
			if err != nil {
				t.Fatal(err)
			}
			if told := strings.Contains(string(answer), "prod"); told != test.allowed {
				t.Errorf("told of the cluster %v, want %v: %s", told, test.allowed, answer)
			}
			if !test.allowed &&
				(!strings.Contains(string(answer), "Only people of the workspace") ||
					!strings.Contains(log.String(), "somebody was refused")) {
				t.Errorf("%s\n%s", answer, log)
			}
		})
	}
}

// While Slack does not say which workspace is the app's own, nobody is let in; also a Slack that
// hangs leaves time to say so.
func TestRefusesWhileItCannotCheck(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]slackemu.Fault{"error": slackemu.ServerError(),
		"refused": slackemu.Refuse("internal_error"), "cut": slackemu.CutConnection(), "hangs": slackemu.HangUp()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, slackemu.Config{}, nil)
			d.slack.Fail("auth.test", 0, fault)
			contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes"), "You may not use /nodes here",
				"Rollcall could not check who you are. Please try again.")
			d.slack.ClearFaults()
			contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes"), "prod: 0 nodes")
			asked := len(d.slack.CallsOf("auth.test"))
			d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes")
			if len(d.slack.CallsOf("auth.test")) != asked {
				t.Error("it asks each time")
			}
		})
	}
}

// hostile texts are what a cluster's names, labels and notes may hold.
var hostile = []string{
	"<!channel>", "<!here|x>", "<@U0ADA>", "<#C0ROLLCALL>", "@channel @everyone", "<https://evil.example|click>",
	"https://evil.example/", "*bold* _it_ ~no~ `code` ```block```",
	"&lt;!channel&gt;", "\"},{\"type\":\"section\"", "\x00\x07\x1b[31m", "\xff\xfe", "\u202egnp.exe", "👩‍👩‍👧‍👦",
	"\r\n\r\n", "", strings.Repeat("<", 300), strings.Repeat("&<>", 400),
	strings.Repeat("漢", 1000), strings.Repeat("👾", 700), strings.Repeat("\u2028", 500), strings.Repeat("\"\\", 500),
	strings.Repeat("<!channel> ", 100),
}

// 20,000 nodes of many types with names from hell fit into one answer that Slack takes.
func TestAnswersFit(t *testing.T) {
	t.Parallel()
	many := 20_000
	if testing.Short() || raceDetector() {
		many = 2_000 // with the race detector, SQLite takes ten times as long
	}
	d := newDesk(t, slackemu.Config{}, nil)
	for first := 0; first < many; first += 1000 {
		var os []fleet.Observation
		for n := first; n < first+1000; n++ {
			node := aNode(n, fmt.Sprint(hostile[n%len(hostile)], n%700), hostile[(n/7)%len(hostile)])
			node.Name = hostile[n%len(hostile)]
			os = append(os, fleet.First(node, time.Now()))
		}
		d.record(t, os...)
	}
	began := time.Now()
	m := d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes")
	t.Logf("answered in %v with %d bytes", time.Since(began).Round(time.Millisecond), len(m.Blocks))
	contains(t, m, fmt.Sprintf("prod: %d nodes", many), " more\n", fmt.Sprintf("Last 24 hours: %d joined", many))

	for i := range 40 {
		h := hostile[i%len(hostile)]
		now := time.Now().Add(-time.Duration(i) * time.Second)
		err := d.ledger.RecordEvents(t.Context(), "prod",
			[]fleet.Event{{Cluster: "prod", UID: fmt.Sprint("e", i),
				Regarding: fleet.ObjectRef{Kind: "Node" + h, Namespace: h, Name: h},
				Reason:    "ScaleDown", Type: "Warning", Note: h, Count: 3, First: now, Last: now},
				{Cluster: "prod", UID: fmt.Sprint("f", i), Regarding: fleet.ObjectRef{Kind: "Node", Namespace: h, Name: h},
					Reason: "NodeReady", Type: h, Note: h + h, Count: 1 << 40, First: now, Last: now}}, "1")
		if err != nil {
			t.Fatal(err)
		}
	}
	contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/events"), "prod: ", "Up to date.")
	// Each hostile text alone, ten times over: the worst answers.
	for i, h := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, slackemu.Config{}, nil)
			var events []fleet.Event
			var os []fleet.Observation
			for n := range 20 {
				events = append(events,
					fleet.Event{Cluster: "prod", UID: fmt.Sprint(n), Regarding: fleet.ObjectRef{Kind: "Node", Namespace: h, Name: h},
						Reason: "NodeReady", Type: "Warning",
						Note: h, Count: 2, First: time.Now(), Last: time.Now()})
				node := aNode(n, h+fmt.Sprint(n), h)
				os = append(os, fleet.First(node, time.Now()))
			}
			if err := d.ledger.RecordEvents(t.Context(), "prod", events, "1"); err != nil {
				t.Fatal(err)
			}
			d.record(t, os...)
			contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/events"), "prod: ", "Up to date.")
			contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes"), "prod: 20 nodes", "Up to date.")
		})
	}
}

// raceDetector reports whether the tests were built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings,
		func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// A ledger that is written to as fast as it goes answers in time.
func TestAnswersWhileBusy(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var written atomic.Int32
	for w := range 2 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				var os []fleet.Observation
				for i := range 50 {
					node := aNode(w*1_000_000+n*50+i, fmt.Sprint("type-", i), "spot")
					os = append(os, fleet.First(node, time.Now()))
				}
				written.Add(1)
				if err := d.ledger.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: os, At: time.Now()}); err != nil &&
					ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	slowest := time.Duration(0)
	for i := 0; i < 20 || written.Load() < 10 && i < 1000; i++ {
		began := time.Now()
		contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, []string{"/nodes", "/events"}[i%2]), "prod: ")
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("the slowest answer took %v while %d batches were written", slowest.Round(time.Millisecond), written.Load())
	if written.Load() < 5 {
		t.Error("the ledger was not busy")
	}
}

// A ledger that does not answer is said to be so, without its error.
func TestAnswersWithoutLedger(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{}, nil)
	d.ledger.Close()
	m := d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes")
	contains(t, m, "That could not be looked up in time. Please try again.")
	if !strings.Contains(d.log.String(), "answering a slash command failed") {
		t.Errorf("the log does not say why:\n%s", d.log)
	}
}

// What is not a command that Rollcall knows harms nothing.
func TestOtherEnvelopes(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	c := slackapp.NewCommands(slackapp.CommandsConfig{Log: log, Answers: answer.New(answer.Config{Log: log})})
	for _, e := range []slackapp.Envelope{{Type: "interactive", Payload: json.RawMessage(`{}`)}, {Type: "events_api"},
		{Type: "slash_commands", Payload: json.RawMessage(`[`)}, {}} {
		if got := c.Handle(t.Context(), e); got != nil {
			t.Errorf("%+v is answered with %v", e, got)
		}
	}
	d := newDesk(t, slackemu.Config{Commands: []string{"/nodes", "/events", "/later"}}, nil)
	contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/later"),
		"Rollcall knows the commands /nodes and /events")
}
