// Package e2e runs the real program against a real API server on one side and the strict Slack
// emulator on the other, and holds it to its promise: every node that joined, became ready,
// went not ready or left is told exactly once, whatever breaks in between.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rollcall/internal/channel"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// bot is the program under test, built once by TestMain.
var bot string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rollcall-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bot = filepath.Join(dir, "bot")
	if out, err := exec.Command("go", "build", "-o", bot, "rollcall/cmd/bot").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building cmd/bot: %v\n%s", err, out)
		os.Exit(1)
	}
	code := cluster.Main(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

// stage is a cluster, a Slack workspace, and Rollcall between them.
type stage struct {
	t       *testing.T
	cluster *cluster.Cluster
	slack   *slackemu.Server
	user    string // of the cluster, that Rollcall is
	env     []string
	process *exec.Cmd
	exited  chan struct{}
	log     lockedBuffer

	mu    sync.Mutex
	truth map[string][]string // step → names of the nodes that took it; guarded by mu
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// set sets a stage with an empty cluster. Its Slack enforces Slack's limits.
func set(t *testing.T, c *cluster.Cluster, env ...string) *stage {
	t.Helper()
	if err := c.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	user := c.NewUser(t)
	c.Grant(t, user, cluster.ReadNodesAndEvents()...)
	s := &stage{t: t, cluster: c, user: user, slack: slackemu.Start(t, slackemu.Config{
		// Slack's limit on opening connections is for a day's work; the kills here are a year's.
		Limits: map[string]slackemu.Limit{"apps.connections.open": {PerMinute: 600, Burst: 600}},
	}), truth: map[string][]string{}}
	s.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "SLACK_BOT_TOKEN=" + slackemu.DefaultBotToken,
		"SLACK_APP_TOKEN=" + slackemu.DefaultAppToken,
		"SLACK_CHANNEL=" + slackemu.ChannelOps, "SLACK_API_URL=" + s.slack.APIURL(), "KUBECONFIG=" + c.Kubeconfig(t, user),
		"CLUSTER_NAME=prod",
		"DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "rollcall.db"), "HTTP_ADDR=127.0.0.1:0", "ALERT_WAVE_GAP=3s",
		"LOG_LEVEL=debug",
	}, env...)
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			channel.Dump(t, s.slack, slackemu.ChannelOps)
			lines := strings.Split(s.log.String(), "\n")
			t.Logf("the last lines of Rollcall's log:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	})
	return s
}

// start starts the program.
func (s *stage) start() {
	s.t.Helper()
	s.process = exec.Command(bot)
	s.process.Env = s.env
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	s.exited = exited
	process := s.process
	go func() { process.Wait(); close(exited) }()
}

// kill kills it with -9.
func (s *stage) kill() {
	if s.process != nil {
		s.process.Process.Kill()
		<-s.exited
		s.process = nil
	}
}

// stop stops it as Kubernetes would, and expects exit code 0.
func (s *stage) stop() {
	s.t.Helper()
	s.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		if code := s.process.ProcessState.ExitCode(); code != 0 {
			s.t.Errorf("exit code %d after SIGTERM", code)
		}
	case <-time.After(10 * time.Second):
		s.t.Error("still running 10 s after SIGTERM")
		s.process.Process.Kill()
		<-s.exited
	}
	s.process = nil
}

// watching waits until the program has told its baseline and is ready.
func (s *stage) watching() {
	s.t.Helper()
	s.eventually(30*time.Second, func() error {
		for _, w := range channel.Waves(s.slack, slackemu.ChannelOps) {
			if w.Kind == "baseline" {
				return nil
			}
		}
		return fmt.Errorf("no baseline told")
	})
}

func (s *stage) eventually(within time.Duration, check func() error) {
	s.t.Helper()
	cluster.Eventually(s.t, within, func(context.Context) error { return check() })
}

func (s *stage) did(step string, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.truth[step] = append(s.truth[step], names...)
}

// join creates nodes and returns their names.
func (s *stage) join(n int, opts ...cluster.NodeOption) []string {
	s.t.Helper()
	nodes, err := s.cluster.CreateNodes(s.t.Context(), n, 4, opts...)
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, node := range nodes {
		names = append(names, node.Name)
	}
	s.did("joined", names...)
	return names
}

func (s *stage) setReady(name string, status corev1.ConditionStatus, step string) {
	s.t.Helper()
	if err := s.cluster.SetReady(s.t.Context(), name, status, ""); err != nil {
		s.t.Fatal(err)
	}
	s.did(step, name)
}

func (s *stage) remove(names ...string) {
	s.t.Helper()
	if err := s.cluster.DeleteNodes(s.t.Context(), 4, names...); err != nil {
		s.t.Fatal(err)
	}
	s.did("removed", names...)
}

// settle waits until the channel tells of each step exactly the nodes that took it.
func (s *stage) settle(within time.Duration, steps ...string) {
	s.t.Helper()
	s.eventually(within, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, step := range steps {
			if err := channel.Expect(s.slack, slackemu.ChannelOps, step, s.truth[step]); err != nil {
				return err
			}
		}
		return nil
	})
}

var footer = regexp.MustCompile(`prod: (\d+) nodes?, (\d+) ready`)

// counts waits until the newest message's running totals are right.
func (s *stage) counts(nodes, ready int) {
	s.t.Helper()
	want := fmt.Sprintf("%d nodes, %d ready", nodes, ready)
	s.eventually(20*time.Second, func() error {
		latest, at := "", time.Time{}
		for _, w := range channel.Waves(s.slack, slackemu.ChannelOps) {
			m, _ := s.slack.Message(slackemu.ChannelOps, w.TS)
			if f := footer.FindStringSubmatch(slackemu.PlainText(m)); f != nil && m.Versions[len(m.Versions)-1].At.After(at) {
				latest, at = f[1]+" nodes, "+f[2]+" ready", m.Versions[len(m.Versions)-1].At
			}
		}
		if latest != want {
			return fmt.Errorf("the newest totals read %q, want %q", latest, want)
		}
		return nil
	})
}

func (s *stage) waves(kind string) (out []channel.Wave) {
	for _, w := range channel.Waves(s.slack, slackemu.ChannelOps) {
		if w.Kind == kind {
			out = append(out, w)
		}
	}
	return out
}

// within Slack's limits: nothing was refused for its rate or its content.
func (s *stage) withinLimits() {
	s.t.Helper()
	for method, c := range s.slack.Counts() {
		if c.RateLimited > 0 || len(c.Errors) > 0 && method != "auth.test" {
			s.t.Errorf("%s: %d calls over the limit, errors %v", method, c.RateLimited, c.Errors)
		}
	}
}

func TestLifeOfANode(t *testing.T) {
	s := set(t, cluster.Shared(t))
	s.start()
	s.watching()
	node := s.join(1, cluster.Spot(), cluster.InstanceType("m6i.xlarge"))[0]
	s.settle(10*time.Second, "joined")
	if w := s.waves("joined")[0]; !strings.Contains(w.Text, node) || !strings.Contains(w.Text, "m6i.xlarge, spot") {
		t.Errorf("the notification reads %q", w.Text)
	}
	s.setReady(node, corev1.ConditionTrue, "ready")
	s.settle(10*time.Second, "joined", "ready")
	s.counts(1, 1)
	s.setReady(node, corev1.ConditionUnknown, "not_ready")
	s.settle(10*time.Second, "not_ready")
	s.setReady(node, corev1.ConditionTrue, "recovered")
	s.settle(10*time.Second, "recovered")
	s.remove(node)
	s.settle(10*time.Second, "joined", "ready", "not_ready", "recovered", "removed")
	s.counts(0, 0)
	// The same name again is another node.
	again := cluster.NewNode(node)
	if _, err := s.cluster.CreateNode(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	s.eventually(10*time.Second, func() error {
		n := 0
		for _, told := range channel.Tellings(s.slack, slackemu.ChannelOps) {
			if told.Node == node && told.Step == "joined" {
				n++
			}
		}
		if n != 2 {
			return fmt.Errorf("%s joined twice and was told %d times", node, n)
		}
		return nil
	})
	s.stop()
	s.withinLimits()
}

// KWOK plays the kubelets: the Ready condition and the NodeReady event say the same thing, which
// is one change.
func TestKubeletsAndTheirEvents(t *testing.T) {
	c := cluster.Start(t, cluster.Options{KWOK: &cluster.KWOK{ReadyAfter: time.Second}})
	s := set(t, c)
	s.start()
	s.watching()
	names := s.join(4, cluster.OnKWOK())
	s.did("ready", names...)
	s.settle(30*time.Second, "joined", "ready")
	s.eventually(20*time.Second, func() error { // the events are in the ledger too
		m, err := s.slack.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/events", "").Answer(t.Context())
		if err != nil || !strings.Contains(slackemu.PlainText(m), "NodeReady") {
			return fmt.Errorf("/events says %q, %v", slackemu.PlainText(m), err)
		}
		return nil
	})
	s.settle(time.Second, "joined", "ready")
	if w := s.waves("joined"); len(w) != 1 {
		t.Errorf("%d waves", len(w))
	}
	s.remove(names...)
	s.settle(20*time.Second, "removed")
	s.stop()
}

func TestBurst(t *testing.T) {
	s := set(t, cluster.Shared(t))
	s.start()
	s.watching()
	s.slack.ResetCalls()
	begin := time.Now()
	names := s.join(300)
	last := time.Now()
	s.eventually(20*time.Second, func() error {
		if w := s.waves("joined"); len(w) != 1 || w[0].Nodes != 300 {
			return fmt.Errorf("%d waves, not what they should be", len(w))
		}
		return nil
	})
	t.Logf("300 nodes in %v; the message was right %v after the last", last.Sub(begin).Round(time.Millisecond),
		time.Since(last).Round(time.Millisecond))
	for _, name := range names {
		s.setReady(name, corev1.ConditionTrue, "ready")
	}
	s.eventually(30*time.Second, func() error {
		if w := s.waves("joined"); !strings.Contains(w[0].Text, "300 nodes joined, all ready") {
			return fmt.Errorf("the wave reads %q", w[0].Text)
		}
		return nil
	})
	s.settle(30*time.Second, "joined")
	s.remove(names...)
	s.settle(60*time.Second, "joined", "removed")
	s.counts(0, 0)
	if n := len(s.slack.Messages(slackemu.ChannelOps)); n != 3 {
		t.Errorf("%d messages, want 3: baseline, joined, removed", n)
	}
	s.stop()
	s.withinLimits()
}

func TestChangesWhileAway(t *testing.T) {
	s := set(t, cluster.Shared(t))
	old := s.join(5)
	s.truth = map[string][]string{} // they are the baseline
	s.start()
	s.watching()
	s.stop()
	s.remove(old[0])
	s.join(2, cluster.Ready())
	// A node that comes and goes while nobody watches: only events tell.
	visitor, err := s.cluster.CreateNode(t.Context(), cluster.NewNode(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.cluster.EmitEvent(t.Context(), cluster.RegisteredNodeEvent(visitor)); err != nil {
		t.Fatal(err)
	}
	s.did("joined", visitor.Name)
	s.remove(visitor.Name)
	if _, err := s.cluster.EmitEvent(t.Context(), cluster.RemovingNodeEvent(visitor)); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.settle(30*time.Second, "joined", "removed")
	away := s.waves("away")
	if len(away) != 1 || !strings.Contains(away[0].Text, "while I was away") ||
		!strings.Contains(away[0].Text, "3 joined (2 ready), 2 left") {
		t.Errorf("%d away messages, not what they should be", len(away))
	}
	s.counts(6, 2)
	// Another restart without a change says nothing.
	before := len(s.slack.Messages(slackemu.ChannelOps))
	s.stop()
	s.start()
	s.join(1)
	s.settle(30*time.Second, "joined", "removed")
	if after := len(s.slack.Messages(slackemu.ChannelOps)); after != before+1 {
		t.Errorf("%d messages after a restart and one node, want one", after-before)
	}
	s.stop()
	s.withinLimits()
}

func TestAPIServerRestart(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	s := set(t, c)
	s.start()
	s.watching()
	names := s.join(10)
	s.settle(20*time.Second, "joined")
	for range 2 {
		c.KillAPIServer()
		if err := c.StartAPIServer(t.Context()); err != nil {
			t.Fatal(err)
		}
		names = append(names, s.join(3)...)
		s.remove(names[0])
		names = names[1:]
		s.settle(60*time.Second, "joined", "removed")
	}
	s.counts(14, 0)
	s.stop()
}

func TestCompaction(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	proxy := c.Proxy(t)
	s := set(t, c)
	user := c.NewUser(t)
	c.Grant(t, user, cluster.ReadNodesAndEvents()...)
	s.env = append(s.env, "KUBECONFIG="+c.KubeconfigVia(t, user, proxy.URL()))
	s.start()
	s.watching()
	names := s.join(8)
	s.settle(20*time.Second, "joined")
	// While the watch is cut off, nodes come and go and history is forgotten: 410 Gone.
	proxy.Refuse()
	proxy.Cut()
	s.join(7)
	s.remove(names[0], names[1])
	if err := c.ForgetHistory(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := proxy.Accept(); err != nil {
		t.Fatal(err)
	}
	s.settle(60*time.Second, "joined", "removed")
	s.counts(13, 0)
	s.stop()
}

func TestSlackFaults(t *testing.T) {
	for name, do := range map[string]func(*slackemu.Server){
		"limits": func(sl *slackemu.Server) {
			sl.Fail("chat.postMessage", 2, slackemu.RateLimited(2))
			sl.Fail("chat.update", 3, slackemu.RateLimited(1))
		},
		"errors": func(sl *slackemu.Server) {
			sl.Fail("chat.postMessage", 2, slackemu.ServerError())
			sl.Fail("chat.postMessage", 1, slackemu.ServerError().AfterEffect())
			sl.Fail("chat.update", 3, slackemu.BadGateway())
		},
		"posted but no answer": func(sl *slackemu.Server) {
			sl.Fail("chat.postMessage", 1, slackemu.HangUp().AfterEffect())
			sl.Fail("chat.update", 1, slackemu.CutConnection().AfterEffect())
		},
		"disconnect storm": func(sl *slackemu.Server) {
			for range 10 {
				sl.Disconnect(slackemu.ReasonRefresh)
				sl.DropSockets()
			}
		},
		"outage": func(sl *slackemu.Server) {
			sl.SetOutage(slackemu.OutageClosed)
			time.AfterFunc(4*time.Second, func() { sl.SetOutage(slackemu.OutageOff) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := set(t, cluster.Shared(t))
			s.start()
			s.watching()
			do(s.slack)
			names := s.join(40)
			s.remove(names[:10]...)
			s.settle(90*time.Second, "joined", "removed")
			s.counts(30, 0)
			m, err := s.slack.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "").Answer(t.Context())
			if err != nil || !strings.Contains(slackemu.PlainText(m), "prod: 30 nodes, 0 ready") {
				t.Errorf("/nodes says %q, %v", slackemu.PlainText(m), err)
			}
			s.stop()
		})
	}
}

// kills is how often TestKills kills the program.
const kills = 22

// Killed with -9 at random moments of a burst, the program loses nothing and tells nothing
// twice, because it can see its own messages.
func TestKills(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := set(t, cluster.Shared(t))
	s.start()
	s.watching()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		var alive []string
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			nodes, err := s.cluster.CreateNodes(t.Context(), 3, 1)
			if err != nil {
				t.Error(err)
				return
			}
			for _, n := range nodes {
				s.did("joined", n.Name)
				alive = append(alive, n.Name)
			}
			// A node must live long enough to be seen by a list: what comes and goes within a
			// gap without an event is nobody's to tell.
			if len(alive) > 60 {
				if err := s.cluster.DeleteNode(t.Context(), alive[0]); err != nil {
					t.Error(err)
					return
				}
				s.did("removed", alive[0])
				alive = alive[1:]
			}
		}
	})
	for range kills {
		time.Sleep(time.Duration(random.Int64N(int64(1200 * time.Millisecond))))
		s.kill()
		s.start()
	}
	close(stop)
	wg.Wait()
	s.settle(120*time.Second, "joined", "removed")
	s.mu.Lock()
	t.Logf("%d kills, %d nodes joined, %d left, %d messages", kills, len(s.truth["joined"]), len(s.truth["removed"]),
		len(s.slack.Messages(slackemu.ChannelOps)))
	left := len(s.truth["joined"]) - len(s.truth["removed"])
	s.mu.Unlock()
	s.counts(left, 0)
	s.stop() // a process that is killed twice a second forgets how much it posted: it meets 429s
}

// The health endpoints are reachable and say what is wrong.
func TestReadiness(t *testing.T) {
	s := set(t, cluster.Shared(t), "HTTP_ADDR=127.0.0.1:18973")
	s.start()
	s.watching()
	get := func(path string) (int, string) {
		res, err := http.Get("http://127.0.0.1:18973" + path)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		var b bytes.Buffer
		b.ReadFrom(res.Body)
		return res.StatusCode, b.String()
	}
	s.eventually(10*time.Second, func() error {
		if code, body := get("/readyz"); code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	s.slack.RefuseSockets(true)
	s.slack.DropSockets()
	s.eventually(10*time.Second, func() error {
		if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "slack: Slack has not greeted") {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("/healthz %d while Slack is away: a restart would not help", code)
	}
	s.stop()
}
