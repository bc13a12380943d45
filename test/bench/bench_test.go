// Package bench measures the program between a real API server and the Slack emulator, beside a
// bare client-go watch that posts at once, without ledger, grouping or pacing: the limit that
// any bot of this kind has. Both share the machine with the API server.
//
//	make bench                       # every case
//	go test ./test/bench -run '^$' -bench Burst -benchtime 1x
package bench

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"rollcall/internal/channel"
	_ "rollcall/internal/ledger" // registers the SQL driver
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

var bot string

func TestMain(m *testing.M) {
	if os.Getenv("ROLLCALL_BARE") != "" {
		if err := bare(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		panic(err)
	}
	bot = filepath.Join(dir, "bot")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bot, "rollcall/cmd/bot").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building cmd/bot: %v\n%s", err, out)
		os.Exit(1)
	}
	code := cluster.Main(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

// bare is the bare program: it watches nodes and posts each that is added.
func bare(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	api := slack.New(os.Getenv("SLACK_BOT_TOKEN"), slack.OptionAPIURL(os.Getenv("SLACK_API_URL")))
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	w, err := client.CoreV1().Nodes().Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion, AllowWatchBookmarks: true})
	if err != nil {
		return err
	}
	fmt.Println("watching")
	for e := range w.ResultChan() {
		node, ok := e.Object.(*corev1.Node)
		if ok && e.Type == "ADDED" && os.Getenv("ROLLCALL_BARE") == "post" {
			if _, _, err := api.PostMessage(os.Getenv("SLACK_CHANNEL"), slack.MsgOptionText(node.Name+" joined", false)); err != nil {
				return err
			}
		}
	}
	return nil
}

// program is the bot or the bare program, running.
type program struct {
	cmd *exec.Cmd
}

func run(b *testing.B, path string, env ...string) *program {
	b.Helper()
	p := &program{cmd: exec.Command(path)}
	p.cmd.Env = env
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if b.Failed() {
			text, _ := os.ReadFile(log.Name())
			b.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	return p
}

// memory returns the resident memory now and at its peak, in MiB.
func (p *program) memory(b *testing.B) (now, peak float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Skip("memory is read from /proc, which this system has not")
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmRSS":
			now = kb / 1024
		case "VmHWM":
			peak = kb / 1024
		}
	}
	return now, peak
}

// cpu returns the CPU time used so far.
func (p *program) cpu(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Skip("CPU time is read from /proc, which this system has not")
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // clock ticks are 1/100 s
}

type bench struct {
	b       *testing.B
	cluster *cluster.Cluster
	slack   *slackemu.Server
	db      string
	env     []string
}

func set(b *testing.B, cfg slackemu.Config) *bench {
	b.Helper()
	c := cluster.Start(b, cluster.Options{})
	user := c.NewUser(b)
	c.Grant(b, user, cluster.ReadNodesAndEvents()...)
	s := &bench{b: b, cluster: c, slack: slackemu.Start(b, cfg), db: filepath.Join(b.TempDir(), "rollcall.db")}
	s.env = []string{"SLACK_BOT_TOKEN=" + slackemu.DefaultBotToken, "SLACK_APP_TOKEN=" + slackemu.DefaultAppToken, "SLACK_CHANNEL=" + slackemu.ChannelOps,
		"SLACK_API_URL=" + s.slack.APIURL(), "KUBECONFIG=" + c.Kubeconfig(b, user), "CLUSTER_NAME=prod", "DATABASE_URL=sqlite:" + s.db, "HTTP_ADDR=127.0.0.1:0", "ALERT_WAVE_GAP=1s"}
	return s
}

func (s *bench) start() *program {
	s.b.Helper()
	p := run(s.b, bot, s.env...)
	cluster.Eventually(s.b, time.Minute, func(context.Context) error {
		if len(channel.Waves(s.slack, slackemu.ChannelOps)) == 0 || s.slack.Connected() < 2 {
			return fmt.Errorf("not started")
		}
		return nil
	})
	return p
}

// startBare starts the bare program on another channel.
func (s *bench) startBare(mode string) *program {
	s.b.Helper()
	env := append(slices.Clone(s.env), "ROLLCALL_BARE="+mode, "SLACK_CHANNEL="+slackemu.ChannelPrivate)
	p := run(s.b, os.Args[0], env...)
	time.Sleep(2 * time.Second)
	return p
}

func quantile(ds []time.Duration, q float64) time.Duration {
	slices.Sort(ds)
	return ds[min(len(ds)-1, int(q*float64(len(ds))))]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkAlertLatency: create request sent → message accepted by the Slack endpoint, for 50
// single nodes, with no rate limit in the way. The two programs take turns in being first.
func BenchmarkAlertLatency(b *testing.B) {
	s := set(b, slackemu.Config{NoRateLimits: true})
	s.start()
	s.startBare("post")
	var ours, theirs []time.Duration
	for range 50 {
		node := cluster.NewNode("")
		begin := time.Now()
		if _, err := s.cluster.CreateNode(b.Context(), node); err != nil {
			b.Fatal(err)
		}
		took := func(ch string) (d time.Duration) {
			cluster.Eventually(b, 10*time.Second, func(context.Context) error {
				for _, m := range s.slack.Messages(ch) {
					if len(m.Versions) > 0 && strings.Contains(m.Versions[0].Text, node.Name) {
						d = m.Versions[0].At.Sub(begin)
						return nil
					}
				}
				return fmt.Errorf("%s is not told", node.Name)
			})
			return d
		}
		ours = append(ours, took(slackemu.ChannelOps))
		theirs = append(theirs, took(slackemu.ChannelPrivate))
		time.Sleep(1600 * time.Millisecond) // so that the next is a wave of its own
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(quantile(ours, 0.5)), "ms-median")
	b.ReportMetric(ms(quantile(ours, 0.95)), "ms-p95")
	b.ReportMetric(ms(quantile(theirs, 0.5)), "ms-bare-median")
	b.ReportMetric(ms(quantile(theirs, 0.95)), "ms-bare-p95")
}

// BenchmarkBurst: nodes as fast as the API server takes them, under Slack's limits.
func BenchmarkBurst(b *testing.B) {
	for _, n := range []int{200, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := set(b, slackemu.Config{})
			s.env = append(s.env, "ALERT_WAVE_GAP=30s")
			s.start()
			time.Sleep(3 * time.Second) // the limits' buckets fill up again
			s.slack.ResetCalls()
			begin := time.Now()
			firstNode, err := s.cluster.CreateNode(b.Context(), cluster.NewNode(""))
			if err != nil {
				b.Fatal(err)
			}
			nodes, err := s.cluster.CreateNodes(b.Context(), n-1, 4)
			if err != nil {
				b.Fatal(err)
			}
			nodes = append(nodes, firstNode)
			last := time.Now()
			var right time.Time
			cluster.Eventually(b, time.Minute, func(context.Context) error {
				for _, w := range channel.Waves(s.slack, slackemu.ChannelOps) {
					if w.Kind == "joined" && w.Nodes == n {
						right = time.Now()
						return nil
					}
				}
				return fmt.Errorf("not all told")
			})
			var names []string
			for _, node := range nodes {
				names = append(names, node.Name)
			}
			cluster.Eventually(b, 2*time.Minute, func(context.Context) error { return channel.Expect(s.slack, slackemu.ChannelOps, "joined", names) })
			calls, limited := 0, 0
			for method, c := range s.slack.Counts() {
				if method != "apps.connections.open" {
					calls += c.Calls
				}
				limited += c.RateLimited
			}
			first := s.slack.CallsOf("chat.postMessage")[0]
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(last.Sub(begin).Seconds(), "s-creating")
			b.ReportMetric(float64(calls), "calls")
			b.ReportMetric(float64(limited), "429s")
			b.ReportMetric(ms(first.At.Add(first.Took).Sub(begin)), "ms-to-first-message")
			b.ReportMetric(max(0, right.Sub(last).Seconds()), "s-last-node-to-right")
		})
	}
}

// BenchmarkMemory: 5,000 nodes of 13.6 kB, listed at the start, then heartbeats for a minute.
// CPU per heartbeat beside the bare watch's.
func BenchmarkMemory(b *testing.B) {
	s := set(b, slackemu.Config{})
	nodes, err := s.cluster.CreateNodes(b.Context(), 5000, 8, cluster.Ready())
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	p := s.start()
	_, peakListing := p.memory(b)
	other := s.startBare("watch")
	time.Sleep(5 * time.Second)
	messages := len(s.slack.AllMessages(slackemu.ChannelOps))
	rows := s.count("SELECT count(*) FROM changes")
	cpu, bareCPU := p.cpu(b), other.cpu(b)
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	sent, _ := s.cluster.Heartbeats(ctx, 400, 8, names...)
	cancel()
	cpu, bareCPU = p.cpu(b)-cpu, other.cpu(b)-bareCPU
	now, peak := p.memory(b)
	bareNow, _ := other.memory(b)
	if got := len(s.slack.AllMessages(slackemu.ChannelOps)); got != messages || s.count("SELECT count(*) FROM changes") != rows {
		b.Errorf("heartbeats caused messages or changes")
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(peakListing, "MiB-peak-listing")
	b.ReportMetric(now, "MiB")
	b.ReportMetric(peak, "MiB-peak")
	b.ReportMetric(bareNow, "MiB-bare-watch")
	b.ReportMetric(float64(sent), "heartbeats")
	b.ReportMetric(float64(cpu.Microseconds())/float64(sent), "µs/heartbeat")
	b.ReportMetric(float64(cpu)/float64(bareCPU), "of-bare-watch-CPU")

	// The next start lists them all again.
	p.cmd.Process.Kill()
	p.cmd.Wait()
	p = run(b, bot, s.env...)
	time.Sleep(8 * time.Second)
	now, peak = p.memory(b)
	b.ReportMetric(now, "MiB-after-restart")
	b.ReportMetric(peak, "MiB-peak-after-restart")
}

// count asks the ledger while the program writes it.
func (s *bench) count(query string) (n int) {
	s.b.Helper()
	db, err := sql.Open("sqlite", "file:"+s.db+"?mode=ro")
	if err != nil {
		s.b.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		s.b.Fatal(err)
	}
	return n
}

// BenchmarkEvents: 1,000 events a second for a minute into the ledger.
func BenchmarkEvents(b *testing.B) {
	s := set(b, slackemu.Config{})
	p := s.start()
	const total, perSecond = 60_000, 1000
	before, _ := p.memory(b)
	done := make(chan time.Time, 1)
	created := 0
	go func() {
		created, _ = s.cluster.EmitEvents(b.Context(), total, perSecond, 8, nil)
		done <- time.Now()
	}()
	var last time.Time
	for last.IsZero() {
		select {
		case last = <-done:
		case <-time.After(5 * time.Second):
		}
	}
	cluster.Eventually(b, time.Minute, func(context.Context) error {
		if n := s.count("SELECT count(*) FROM events"); n < created {
			return fmt.Errorf("%d of %d events recorded", n, created)
		}
		return nil
	})
	lag := time.Since(last)
	now, peak := p.memory(b)
	size, _ := os.Stat(s.db)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(created), "created")
	b.ReportMetric(float64(s.count("SELECT count(*) FROM events")), "recorded")
	b.ReportMetric(lag.Seconds(), "s-lag")
	b.ReportMetric(before, "MiB-before")
	b.ReportMetric(now, "MiB-after")
	b.ReportMetric(peak, "MiB-peak")
	b.ReportMetric(float64(size.Size())/float64(created), "bytes/event")
}
