package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/slackemu"
	"rollcall/internal/webhook/receiver"
	"rollcall/test/cluster"
)

// arena is what all episodes of a run share: the control plane, the way to it, the program, and
// the disk for its ledger.
type arena struct {
	bot        string
	cluster    *cluster.Cluster
	proxy      *cluster.Proxy
	impostors  map[string]string // addresses of servers that lie, by lie
	kubeconfig string
	disk       string // a small file system of its own, or "" where none can be mounted
	dir        string
	episodes   int
}

// diskSize is enough for an episode's ledger, and quickly filled.
const diskSize = "32m"

// enter starts what all episodes share.
func enter(t *testing.T) *arena {
	t.Helper()
	a := &arena{bot: build(t), dir: t.TempDir(), cluster: cluster.Start(t, cluster.Options{})}
	a.proxy = a.cluster.Proxy(t)
	user := a.cluster.NewUser(t)
	a.cluster.Grant(t, user, cluster.ReadNodesAndEvents()...)
	a.kubeconfig = a.cluster.KubeconfigVia(t, user, a.proxy.URL())
	system, err := a.cluster.Admin().CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a.impostors = map[string]string{}
	for _, lie := range []cluster.Lie{cluster.OtherCluster, cluster.FreshCluster, cluster.EmptyList} {
		a.impostors[string(lie)] = a.cluster.Impostor(t, lie, system.UID)
	}
	disk := filepath.Join(a.dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mount(disk); err != nil {
		t.Logf("a full disk is left out: %v", err)
	} else {
		a.disk = disk
		t.Cleanup(func() { unmount(disk) })
	}
	return a
}

// startAPI starts the API server, if need be more than once.
func (a *arena) startAPI() (err error) {
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		err = a.cluster.StartAPIServer(ctx)
		cancel()
		if err == nil {
			return nil
		}
		a.cluster.KillAPIServer()
	}
	return err
}

// episode is one fresh ledger, one fresh Slack, one emptied cluster, and what happens to them.
type episode struct {
	*arena
	steps []Step
	ctx   context.Context
	end   context.CancelFunc
	slack *slackemu.Server
	// receiver takes the events of the webhook.
	receiver *receiver.Receiver
	ledger   string // its directory
	bot      *keeper
	clock    clock
	truth    truth
	blind    bool

	clockMoves bool          // the plan sets the clock
	made       int           // nodes; the nodes' lane's own
	fillers    int           // the trouble's lane's own
	born       chan struct{} // a node was created
	struck     chan struct{} // a call to Slack has gone wrong
	loose      sync.WaitGroup
	apiDown    sync.Mutex // held while the API server is being restarted
	world      sync.Mutex // held while nodes take a step and the truth notes it

	mu        sync.Mutex
	channels  []string          // that SLACK_CHANNEL named, the present one last; guarded by mu
	routes    []routing         // that ROUTES named, the present one last; guarded by mu
	spans     map[string][]span // faults by kind; guarded by mu
	counts    map[string]int    // guarded by mu
	starved   int               // how often pods waited, and no node came; guarded by mu
	rollouts  []rolled          // guarded by mu
	losses    int               // spans in which the cluster was lost; guarded by mu
	lateUntil time.Time         // when Slack has carried out all that it carries out late; guarded by mu
	breaches  []violation       // found on the way; guarded by mu
	err       error             // the test itself failed; guarded by mu
}

// outcome is what an episode has shown.
type outcome struct {
	violations []violation
	counts     map[string]int
	settled    time.Duration
	log        string // the end of the program's log
	shown      string // the channel
}

func (e *episode) count(what string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counts[what] += n
}

func (e *episode) violate(kind, form string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.breaches = append(e.breaches, violations(kind, form, args...)...)
}

// fail notes that the test itself, not the program, has failed.
func (e *episode) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = errors.Join(e.err, err)
}

func (e *episode) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-e.ctx.Done():
	}
}

// channel is the one that the program was told to use last.
func (e *episode) channel() string {
	all := e.allChannels()
	return all[len(all)-1]
}

func (e *episode) allChannels() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.channels)
}

// look reads all channels that the program was told to use.
func (e *episode) look() channelView {
	return look(e.slack, append(e.allChannels(), shopChannel, oncallChannel)...)
}

// until waits until a condition holds, at most so long, and says whether it does.
func (e *episode) until(d time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(d); !condition(); e.sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) || e.ctx.Err() != nil {
			return false
		}
	}
	return true
}

// play plays an episode. Its error says that it could not be played, which is no outcome.
func (a *arena) play(ctx context.Context, steps []Step, patience time.Duration) (out outcome, err error) {
	a.episodes++
	e := &episode{
		arena: a, steps: steps, channels: []string{slackemu.ChannelOps}, blind: strings.Contains(steps[0].What, "blind"),
		clock: clock{path: filepath.Join(a.dir, "clock")}, born: make(chan struct{}, 1), struck: make(chan struct{}, 1),
		spans: map[string][]span{}, counts: map[string]int{"episodes": 1},
		clockMoves: slices.ContainsFunc(steps, func(s Step) bool { return s.Kind == Clock }),
	}
	e.ctx, e.end = context.WithCancel(ctx)
	defer e.end()
	if err := e.clean(); err != nil {
		return out, err
	}
	e.slack = slackemu.New(workspace())
	address, stop, err := serve(e.slack)
	if err != nil {
		return out, err
	}
	defer stop()
	events, hook, deaf, err := listen()
	if err != nil {
		return out, err
	}
	defer deaf()
	e.receiver = events
	if e.blind {
		e.slack.RemoveScope(slackemu.DefaultBotToken, "channels:history")
		e.slack.RemoveScope(slackemu.DefaultBotToken, "groups:history")
	}
	e.ledger = filepath.Join(cmp.Or(a.disk, a.dir), fmt.Sprintf("ledger-%d", a.episodes))
	if err := os.Mkdir(e.ledger, 0o700); err != nil {
		return out, err
	}
	defer os.RemoveAll(e.ledger)
	e.bot = newKeeper(a.bot, []string{
		"PATH=" + os.Getenv("PATH"), "SLACK_BOT_TOKEN=" + slackemu.DefaultBotToken,
		"SLACK_APP_TOKEN=" + slackemu.DefaultAppToken,
		"SLACK_CHANNEL=" + e.channel(), "SLACK_API_URL=" + address + "/api/", "KUBECONFIG=" + a.kubeconfig, "CLUSTER_NAME=prod",
		"DATABASE_URL=sqlite:" + filepath.Join(e.ledger, "rollcall.db"), "HTTP_ADDR=127.0.0.1:0", "ALERT_WAVE_GAP=3s",
		"BLIND_AFTER=" + blindAfter.String(), "WEBHOOK_URL=" + hook, "WEBHOOK_SECRET=" + webhookSecret,
		"ROLLOUTS=default/rolled-*",
		"LOG_LEVEL=debug", "CHAOS_CLOCK=" + e.clock.path, "GOMEMLIMIT=" + fmt.Sprint(podMemory*9/10) + "MiB",
	})
	if strings.Contains(steps[0].What, "routed") {
		e.routes = routings[:1:1]
		e.bot.setenv("ROUTES", e.routes[0].text)
	}
	for i := range steps[0].N {
		l, err := e.create("", i%2 == 0)
		if err != nil {
			return out, err
		}
		l.isReady = i%2 == 0
		e.truth.add(l)
	}
	var kept sync.WaitGroup
	kept.Go(func() {
		if err := e.bot.run(); err != nil {
			e.fail(err)
			e.end()
		}
	})
	defer func() {
		e.end()
		e.bot.close()
		kept.Wait()
		e.loose.Wait()
	}()
	e.loose.Go(e.watchTheMachine)
	e.lanes()
	if e.err != nil {
		return out, e.err
	}
	out.settled = e.settle(patience)
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	out.violations, out.counts = e.breaches, e.counts
	out.log, out.shown = e.bot.log.end(12_000), e.shown()
	return out, e.err
}

// podMemory is what the program's pod may take, in MiB: see manifests/base/deployment.yaml.
const podMemory = 256

// watchTheMachine notes when the machine itself was too busy for anybody to be answered in time, and when the program
// takes more memory than its pod may.
func (e *episode) watchTheMachine() {
	const tick = 100 * time.Millisecond
	for e.ctx.Err() == nil {
		before := time.Now()
		e.sleep(tick)
		peak := e.bot.peak()
		e.mu.Lock()
		e.counts["memory"] = max(e.counts["memory"], peak)
		e.mu.Unlock()
		if time.Since(before) > tick+500*time.Millisecond {
			e.beginFault("people")()
			e.count("times the machine stood still", 1)
		}
	}
}

// serve serves a Slack on loopback.
func serve(s *slackemu.Server) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("serving the Slack emulator: %w", err)
	}
	address = "http://" + listener.Addr().String()
	s.SetBaseURL(address)
	server := &http.Server{Handler: s}
	var served sync.WaitGroup
	served.Go(func() { server.Serve(listener) })
	return address, func() {
		go s.Close() // hanging answers end
		server.Close()
		served.Wait()
		s.Close()
	}, nil
}

// clean makes the arena as new.
func (e *episode) clean() error {
	e.proxy.Flow()
	e.proxy.Slow(0, 0)
	e.proxy.Divert("")
	if err := e.proxy.Accept(); err != nil {
		return err
	}
	if err := e.clock.set(0); err != nil {
		return err
	}
	err := e.call(e.cluster.Clear)
	if err != nil { // it may be down, after an episode that broke off
		if err := e.startAPI(); err != nil && !strings.Contains(err.Error(), "it is running") {
			return err
		}
		err = e.call(e.cluster.Clear)
	}
	return err
}

// lanes takes all steps, each lane by itself.
func (e *episode) lanes() {
	early := strings.Contains(e.steps[0].What, "early")
	told := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if !e.until(2*time.Minute, e.told) {
			e.violate(lost, "no baseline within two minutes")
		}
		close(told)
	})
	run := func(name string, wait bool, take func(Step) error) {
		all.Go(func() {
			if wait {
				<-told
			}
			for _, s := range lane(e.steps, name) {
				e.sleep(s.Wait)
				if e.ctx.Err() != nil {
					return
				}
				if err := take(s); err != nil {
					e.fail(fmt.Errorf("%s: %w", s, err))
					e.end()
				}
			}
		})
	}
	run(nodeLane, true, e.nodes)
	run(askLane, true, func(s Step) error { e.ask(s); return nil })
	run(troubleLane, !early, e.act)
	all.Wait()
}

// told says whether the channel has the baseline.
func (e *episode) told() bool {
	return slices.ContainsFunc(e.look().posts, func(p post) bool { return p.kind == "baseline" })
}

// settle ends all trouble, waits until the channel tells the truth, and judges what it tells. It
// returns how long that took.
func (e *episode) settle(patience time.Duration) time.Duration {
	e.sleep(2 * time.Second) // for what the last steps have brought about, and the faults that wait for it
	// What lasts has an end by itself; only half-open sockets may last longer.
	e.until(time.Minute, func() bool {
		return !e.faulty("stop") && !e.faulty("disk") && !e.faulty("api") && !e.faulty("second")
	})
	e.slack.ClearFaults()
	e.slack.RefuseSockets(false)
	e.receiver.Fail("", 0)
	if err := e.clock.set(0); err != nil {
		e.fail(err)
		return 0
	}
	if strings.Contains(e.steps[0].What, "restart") {
		e.bot.end(syscall.SIGKILL, 0)
		e.count("kills", 1)
	}
	e.mu.Lock()
	late := e.lateUntil
	e.mu.Unlock()
	e.sleep(time.Until(late))
	began := time.Now()
	e.forgiveVisits()
	e.until(patience, func() bool {
		vs := e.judge()
		// What is told twice stays so, unless Slack did it late: then the program deletes the twin. What is lost may be
		// on its way.
		return len(vs) == 0 || slices.ContainsFunc(vs, func(v violation) bool {
			return v.kind == doubled && late.IsZero() || v.kind == wrongOrder || v.kind == other
		})
	})
	took := time.Since(began)
	e.finally()
	// What would be told twice comes soon after.
	e.sleep(time.Second)
	for _, v := range e.judge() {
		e.violate(v.kind, "%s", v.text)
	}
	e.tally()
	return took
}

// judge compares the channel with the truth.
func (e *episode) judge() []violation {
	s := e.look()
	var out []violation
	switch copies, forgiven := e.copies(s); {
	case !e.blind && copies > 0:
		out = append(out, violations(doubled, "%d messages are copies of others", copies)...)
	case copies > forgiven:
		out = append(out, violations(doubled, "%d messages are copies of others, of which only %d followed a lost answer",
			copies, forgiven)...)
	}
	out = append(out, e.truth.judge(s)...)
	out = append(out, e.judgeEvents()...)
	e.mu.Lock()
	defer e.mu.Unlock()
	out = append(out, e.truth.misplaced(s, e.routes, e.channels)...)
	out = append(out, s.lost(e.losses)...)
	out = append(out, s.waited(e.starved, e.clockMoves)...)
	out = append(out, s.rolledOut(e.rollouts, e.clockMoves)...)
	if !e.clockMoves && len(s.long) > 0 {
		out = append(out, violations(other, "spans that cannot be true: %q", s.long)...)
	}
	nodes, ready := e.truth.totals()
	if want := fmt.Sprintf("%d nodes, %d ready", nodes, ready); s.footer != want && s.footer != "" {
		out = append(out, violations(wrongCount, "the newest totals read %q, want %q", s.footer, want)...)
	}
	return out
}

// copies counts the copies of messages, and those that may be where the program is blind.
func (e *episode) copies(s channelView) (all, forgiven int) {
	e.mu.Lock()
	stopped := slices.Clone(e.spans["stop"])
	e.mu.Unlock()
	return s.copies(e.slack.CallsOf("chat.postMessage"), e.bot.ended(), stopped)
}

// finally asks once more, in the calm after all trouble, and stops the program.
func (e *episode) finally() {
	nodes, ready := e.truth.totals()
	want := fmt.Sprintf("prod: %d nodes, %d ready", nodes, ready)
	if nodes == 1 {
		want = fmt.Sprintf("prod: 1 node, %d ready", ready)
	}
	e.until(time.Minute, func() bool {
		began, up := e.bot.up()
		// Sockets that are half-open stay so until the program notices, long after the rest of the trouble.
		return up && !e.faulty("people") && slices.ContainsFunc(e.slack.Sockets(), func(s *slackemu.Socket) bool {
			return !s.OpenedAt.Before(began) && time.Since(s.OpenedAt) > 200*time.Millisecond
		})
	})
	for _, q := range [][2]string{{"/nodes", ""}, {"/nodes", "list"}, {"/events", ""}} {
		var m slackemu.Message
		var err error
		// What may be told or not does not hold up the end, but what is there must be found: a list that lacks all that is
		// known is read again half a minute later.
		right := func() bool {
			return q != [2]string{"/nodes", ""} || err == nil && strings.Contains(slackemu.PlainText(m), want)
		}
		for deadline, tries := time.Now().Add(patience), 0; tries < 3 || err == nil && time.Now().Before(deadline); tries++ {
			before := e.disturbed()
			ctx, cancel := context.WithTimeout(e.ctx, 10*time.Second)
			m, err = e.slack.SlashCommand(slackemu.UserAda, e.channel(), q[0], q[1]).Answer(ctx)
			cancel()
			if err == nil && right() || err != nil && e.disturbed() == before {
				break
			}
			e.sleep(time.Second)
		}
		e.count("asked", 1)
		if err != nil {
			e.violate(unanswered, "%s %s when all was over: %v", q[0], q[1], err)
			continue
		}
		e.count("answered", 1)
		if !right() {
			e.violate(wrongCount, "/nodes says %q, want %q", firstLine(slackemu.PlainText(m)), want)
		}
	}
	e.bot.last()
	e.bot.end(syscall.SIGTERM, 0)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// tally counts what happened, and looks at how the program ended each time.
func (e *episode) tally() {
	e.mu.Lock()
	stopped := slices.Clone(e.spans["stop"])
	e.mu.Unlock()
	during := func(kind string, at time.Time) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return slices.ContainsFunc(e.spans[kind], func(s span) bool {
			return s.from.Before(at) && (s.until.IsZero() || s.until.Add(3*time.Second).After(at))
		})
	}
	for _, end := range e.bot.ended() {
		full := during("disk", end.at)
		switch {
		case end.why == "kill":
		case end.code == 1 && during("second", end.at):
			if end.why == "" {
				e.count("exits for a second process", 1)
			}
		case end.why == "term" && end.code == 0:
		case end.why == "term" && end.signal == syscall.SIGTERM && ran(end, stopped) < time.Second:
			// It came before the program had begun to listen for it.
		case full && end.code == 1:
			e.count("exits for a full disk", 1)
		default:
			e.violate(crashed, "the program ended by itself: %s (%s)\n%s", end.state, end.why, end.said)
		}
	}
	e.mu.Lock()
	peak := e.counts["memory"]
	e.mu.Unlock()
	if peak > podMemory {
		e.violate(other, "the program took %d MiB of memory, its pod may take %d", peak, podMemory)
	}
	s := e.look()
	e.count("causes told", len(s.causes)+len(s.came))
	e.count("messages", len(s.posts))
	if copies, _ := e.copies(s); e.blind {
		e.count("copies", copies)
		for _, c := range e.slack.CallsOf("chat.postMessage") {
			if c.Effect && c.Fault != "" && (c.Status != 200 || c.Error != "") {
				e.count("answers lost where blind", 1)
			}
		}
	}
	tries, repeats := e.receiver.Tally()
	e.count("events", len(e.receiver.Events()))
	e.count("tries of events", tries)
	e.count("repeats of events", repeats)
	for method, c := range e.slack.Counts() {
		n := 0
		for _, k := range c.Statuses {
			n += k
		}
		e.count("calls "+method, n)
		e.count("calls", n)
	}
	for _, c := range e.slack.Calls() {
		if c.Fault == "" && (strings.HasPrefix(c.Error, "invalid_") || strings.Contains(c.Error, "too_long")) {
			e.violate(other, "Slack refuses a call of %s: %s", c.Method, c.Error)
		}
	}
	e.truth.mu.Lock()
	defer e.truth.mu.Unlock()
	for _, l := range e.truth.lives {
		for _, a := range l.acts {
			e.count(a.step, 1)
			e.count(map[bool]string{true: "steps that must be told", false: "steps that may be told"}[a.must], 1)
		}
	}
}

// shown is the channel as text.
func (e *episode) shown() string {
	var b strings.Builder
	for _, p := range e.look().posts {
		m, _ := e.slack.Message(p.channel, p.ts)
		fmt.Fprintf(&b, "%s %s %s: %d nodes, %d versions, %d replies, says %v\n%s\n", p.ts, p.kind, p.key, p.nodes,
			len(m.Versions), p.replies, p.said, slackemu.PlainText(m))
	}
	return b.String()
}

// add adds up what episodes counted.
func add(to, from map[string]int) {
	for _, k := range slices.Sorted(maps.Keys(from)) {
		if k == "memory" {
			to[k] = max(to[k], from[k])
			continue
		}
		to[k] += from[k]
	}
}
