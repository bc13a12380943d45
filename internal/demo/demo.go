package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/internal/clustersim"
	"rollcall/internal/command"
	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
	"rollcall/internal/webhook/receiver"
)

// Config says what to show and where. The zero value is what `make demo` runs.
type Config struct {
	// Addr is where the page is served, such as 127.0.0.1:8080; empty: that, or a free port if
	// it is taken.
	Addr string
	// RealCluster watches the cluster that the environment names, as the bot itself would,
	// instead of the simulated one.
	RealCluster bool
	// Environ is the environment: the bot gets it, but for Slack's variables.
	Environ []string
	// Bot is the command that runs the bot with an environment; empty: this executable with
	// the argument "bot".
	Bot []string
	// Seed and DayLength of the simulated cluster; zero: the clock's, and five minutes.
	Seed      uint64
	DayLength time.Duration
	// Night, Day and Burst are its numbers of nodes; zero: the simulation's defaults.
	Night, Day, Burst int
	// Started is called once the page can be opened.
	Started func(url string, s *slackemu.Server)
}

// defaultAddr is where people look for a local page.
const defaultAddr = "127.0.0.1:8080"

// Run shows the demo until ctx ends, and returns nil then. It writes one line to out that says
// where the page is.
func Run(ctx context.Context, c Config, out io.Writer) error {
	env := environment(c.Environ)
	ln, err := listen(cmp.Or(c.Addr, env["DEMO_ADDR"]))
	if err != nil {
		return err
	}
	defer ln.Close()
	// Whatever reaches the page from elsewhere, through a published port say, must not reach these.
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serving the emulated Slack: %w", err)
	}
	defer inner.Close()
	dir, err := os.MkdirTemp("", "rollcall-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the demo: %w; let TMPDIR name one that can be written to, or run the "+
			"container with --tmpfs /tmp", err)
	}
	defer os.RemoveAll(dir)
	d, err := newDemo(c, env, dir, ln.Addr(), inner.Addr())
	if err != nil {
		return err
	}
	defer d.slack.Close()
	defer d.log.Close()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The bot and the simulation end first, and what they talk to after them.
	parts, partsCtx := errgroup.WithContext(ctx)
	serving, stopServing := context.WithCancel(context.Background())
	defer stopServing()
	var servers []*http.Server
	var served sync.WaitGroup
	serve := func(what string, ln net.Listener, h http.Handler) {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second,
			BaseContext: func(net.Listener) context.Context { return serving },
			ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		servers = append(servers, server)
		served.Go(func() {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serving %s: %w", what, err))
			}
		})
	}
	serve("the page", ln, d.page)
	serve("the emulated Slack", inner, http.HandlerFunc(d.serveInner))
	if d.sim != nil {
		parts.Go(func() error { return d.sim.Run(partsCtx) })
		parts.Go(func() error { return d.follow(partsCtx) })
	}
	if d.receiver != nil {
		parts.Go(func() error { return d.hear(partsCtx) })
	}
	parts.Go(func() error { return d.tally.run(partsCtx) })
	parts.Go(func() error { return d.faults.run(partsCtx) })
	parts.Go(func() error { return d.bot.run(partsCtx) })
	url := "http://" + display(ln.Addr())
	fmt.Fprintln(out, announcement(ln.Addr()))
	if c.Started != nil {
		c.Started(url, d.slack)
	}
	err = parts.Wait()
	stopServing()
	for _, s := range servers {
		s.Close()
	}
	served.Wait()
	if err == nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}
	return err
}

// listen opens the page's address: the one that is asked for, or the usual one, or any.
func listen(addr string) (net.Listener, error) {
	if addr != "" {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("serving the page: %w; set DEMO_ADDR to a free address, for example 127.0.0.1:8081", err)
		}
		return ln, nil
	}
	ln, err := net.Listen("tcp", defaultAddr)
	if err != nil {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("serving the page: %w", err)
	}
	return ln, nil
}

// display is an address that a browser on this machine can open.
func display(a net.Addr) string {
	if everywhere(a) {
		_, port, _ := net.SplitHostPort(a.String())
		return net.JoinHostPort("127.0.0.1", port)
	}
	return a.String()
}

// everywhere reports whether an address stands for all addresses of the machine, as in a container.
func everywhere(a net.Addr) bool {
	host, _, err := net.SplitHostPort(a.String())
	ip := net.ParseIP(host)
	return err == nil && (ip == nil || ip.IsUnspecified())
}

// announcement says where the page is.
func announcement(a net.Addr) string {
	if everywhere(a) {
		return fmt.Sprintf("Rollcall's demo is at http://%s, or at the port of this machine that a container publishes it "+
			"at (Ctrl-C ends it)", display(a))
	}
	return fmt.Sprintf("Rollcall's demo is at http://%s (Ctrl-C ends it)", display(a))
}

func environment(environ []string) map[string]string {
	env := map[string]string{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	return env
}

// demo is everything that runs.
type demo struct {
	slack *slackemu.Server
	sim   *clustersim.Cluster // nil for a real cluster
	// receiver takes the events of the webhook; nil if the environment names another one.
	receiver *receiver.Receiver
	bot      *bot
	tally    *tally
	faults   *faults
	page     *page.Page
	log      *os.File
	notify   *notifier
	late     late
}

// The demo's day is short, so the bot is told to wait less: these are the variables and options
// for which a real day has time.
var hasty = map[string]string{"ALERT_WAVE_GAP": "8s", "ALERT_WAVE_MAX": "1m",
	"KEPT_ALERT": "0.05,20%,40s", "BUDGETS": "demo=1/day",
	"ROLLOUTS": "payments/*", "REMIND_AFTER": "1m",
	"ROUTES": "severity=warning -> " + channelOncall + " " + slackemu.GroupOncall}

// channelOncall is the channel of what may need somebody.
const channelOncall = "C0ONCALL"

// digestAfter is the schedule of digests for days that begin now: each comes in the first minute after a day's end, so
// that it is about that day, from its night to the next. A day that does not divide an hour has digests of its length.
func digestAfter(day time.Duration, now time.Time) string {
	if day < time.Minute || day%time.Minute != 0 || time.Hour%day != 0 {
		return "@every " + max(day, time.Minute).String()
	}
	first := now.Add(day).Truncate(time.Minute).Add(time.Minute)
	var minutes []int
	for m := first.Minute() % int(day/time.Minute); m < 60; m += int(day / time.Minute) {
		minutes = append(minutes, m)
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(minutes), " ", ","), "[]") + " * * * *"
}

const (
	hastyReadyDeadline = 25 * time.Second
	hastyCatchUpAfter  = 20 * time.Second
)

// newDemo puts the demo together: its page is served at addr, all else at inner, a loopback address.
func newDemo(c Config, env map[string]string, dir string, addr, inner net.Addr) (*demo, error) {
	base := "http://" + inner.String()
	d := &demo{slack: slackemu.New(workspace(base)), notify: &notifier{subs: map[chan struct{}]bool{}}}
	own := map[string]string{
		"SLACK_BOT_TOKEN": slackemu.DefaultBotToken, "SLACK_APP_TOKEN": slackemu.DefaultAppToken,
		"SLACK_CHANNEL": slackemu.ChannelOps,
		"SLACK_API_URL": d.slack.APIURL(), "HTTP_ADDR": "127.0.0.1:0",
		// They name channels and people of a real workspace.
		"DIGEST_CHANNEL": "", "SLACK_ALLOWED_USERS": "", "SLACK_ALLOWED_CHANNELS": "",
	}
	if env["WEBHOOK_URL"] == "" {
		d.receiver = receiver.New(webhookSecret, nil, eventsKept)
		own["WEBHOOK_URL"], own["WEBHOOK_SECRET"] = base+webhookPath, webhookSecret
	}
	if env["DATABASE_URL"] == "" {
		own["DATABASE_URL"] = "sqlite:" + filepath.Join(dir, "rollcall.db")
	}
	args := []string{"bot"}
	if !c.RealCluster {
		d.sim = clustersim.New(clustersim.Config{Name: "demo", Seed: cmp.Or(c.Seed, uint64(time.Now().UnixNano())),
			DayLength: c.DayLength, Night: c.Night, Day: c.Day, Burst: c.Burst})
		own["KUBECONFIG"] = filepath.Join(dir, "kubeconfig")
		own["KUBE_CONTEXT"] = ""
		if err := os.WriteFile(own["KUBECONFIG"], d.sim.Kubeconfig(base+clusterPath), 0o600); err != nil {
			return nil, err
		}
		short := maps.Clone(hasty)
		short["DIGEST_SCHEDULE"] = digestAfter(cmp.Or(c.DayLength, clustersim.DefaultDayLength), time.Now())
		for k, v := range short {
			if env[k] == "" {
				own[k] = v
			}
		}
		args = append(args, "--ready-deadline="+hastyReadyDeadline.String(), "--catch-up-after="+hastyCatchUpAfter.String())
	}
	command := c.Bot
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("finding this program's file: %w", err)
		}
		command = []string{self}
	}
	log, err := os.Create(filepath.Join(dir, "bot.log"))
	if err != nil {
		return nil, err
	}
	d.log = log
	d.bot = &bot{executable: command[0], args: append(command[1:], args...), log: log, restart: restartAfter,
		changed: d.notify.all}
	for k, v := range env {
		if _, ours := own[k]; !ours {
			d.bot.environ = append(d.bot.environ, k+"="+v)
		}
	}
	for k, v := range own {
		if v != "" {
			d.bot.environ = append(d.bot.environ, k+"="+v)
		}
	}
	d.tally = newTally(d.slack, []string{slackemu.ChannelOps, channelOncall}, d.notify.all)
	d.faults = newFaults(d)
	panel := &page.Panel{State: d.panel, Changed: d.notify.subscribe, Do: d.do}
	var hosts []string
	if !everywhere(addr) {
		host, _, _ := net.SplitHostPort(addr.String())
		hosts = append(hosts, host)
	}
	d.page = page.New(page.Config{Slack: d.slack, Panel: panel, Commands: hints, Hosts: hosts})
	return d, nil
}

// restartAfter is how long the bot is gone after a kill: long enough for a change to be missed.
const restartAfter = 3 * time.Second

// workspace is the emulator's workspace as the demo shows it.
func workspace(base string) slackemu.Config {
	people := []string{slackemu.DefaultBotUserID, slackemu.UserAda, slackemu.UserGrace}
	return slackemu.Config{
		TeamName: "Demo workspace", BotName: "Rollcall", BaseURL: base,
		Channels: []slackemu.Channel{
			{ID: slackemu.ChannelOps, Name: "cluster-nodes", Members: append(people, slackemu.UserEve), IsShared: true,
				Topic: "Rollcall tells here what the nodes do"},
			{ID: channelOncall, Name: "on-call", Members: people, Topic: "Rollcall tells here what may need somebody"},
			{ID: slackemu.ChannelPrivate, Name: "platform-team", Members: people, IsPrivate: true,
				Topic: "Commands work here too"},
			{ID: slackemu.ChannelOther, Name: "random", Members: people[1:], Topic: "Rollcall is not in this channel"},
		},
	}
}

// hints are what the composer says of the commands, and completes.
var hints = []page.CommandHint{
	{Command: "/nodes", Hint: "[list | NAME | help] [filters]: how many nodes there are, of which kinds, and what changed",
		Words: command.Words("/nodes")},
	{Command: "/events", Hint: "[filters] [text]: what happened, the newest first", Words: command.Words("/events")},
}

// clusterPath is where the simulated API server answers, beside the emulated Slack.
const clusterPath = "/cluster"

// serveInner answers the program: Slack, the simulated API server and the webhook's receiver. Their tokens are known to
// everybody, so it is served at a loopback address alone.
func (d *demo) serveInner(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case d.sim != nil && strings.HasPrefix(path, clusterPath+"/"):
		http.StripPrefix(clusterPath, d.sim).ServeHTTP(w, r)
	case d.receiver != nil && path == webhookPath:
		d.receiver.ServeHTTP(w, r)
	default:
		d.slack.ServeHTTP(w, r)
	}
}

// follow hands the simulation's changes on to the panel.
func (d *demo) follow(ctx context.Context) error {
	changes, stop := d.sim.Changed()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
			d.notify.all()
		}
	}
}
