// Package bench measures the program between a real API server and the Slack emulator, beside a
// bare client-go watch that posts at once, without ledger, grouping or pacing: the limit that any
// bot of this kind has. Where this machine cannot hold a real API server of the size, a recorded
// one takes its place (stream_test.go). All of them share the machine.
//
//	make bench                 # every case, three runs each, into bench/RESULTS.md
//	make bench CASE=Latency    # one case; its table is printed and the file stays
//	go test ./test/bench -run '^$' -bench Burst/1000 -benchtime 1x -count 3
//
// Each case is a benchmark that sets up what its runs share and has one sub-benchmark for each
// situation, which -count repeats. A run reports metrics under its own names, so the output is
// what benchstat reads; report makes the tables from it. Nothing fails because it is slow, but
// what is lost, told twice or made up fails.
package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/channel"
	_ "rollcall/internal/ledger" // registers the SQL driver
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// work is the folder of what all cases share, and bot the program in it.
var work, bot string

func TestMain(m *testing.M) {
	if mode := os.Getenv("ROLLCALL_BARE"); mode != "" {
		if err := bare(context.Background(), mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(measure(m))
}

func measure(m *testing.M) int {
	var err error
	if work, err = os.MkdirTemp("", "rollcall-bench-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(work)
	bot = filepath.Join(work, "rollcall")
	// as make build does
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bot, "rollcall/cmd/bot")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building cmd/bot: %v\n%s", err, out)
		return 1
	}
	if version, err := sqliteVersion(); err == nil {
		fmt.Println("sqlite:", version) // a configuration line of the benchmark format
	}
	return cluster.Main(m)
}

func sqliteVersion() (version string, err error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return "", err
	}
	defer db.Close()
	return version, db.QueryRow("SELECT sqlite_version()").Scan(&version)
}

// site is where a program runs: an API server, a Slack, a ledger.
type site struct {
	b     *testing.B
	slack *slackemu.Server
	db    string
	http  string // where the bot serves health
	env   []string
}

// limits is the memory limit that manifests/base gives the program.
const limits = "GOMEMLIMIT=230MiB"

func newSite(b *testing.B, kubeconfig string, cfg slackemu.Config, env ...string) *site {
	b.Helper()
	s := &site{b: b, slack: slackemu.Start(b, cfg), db: filepath.Join(b.TempDir(), "rollcall.db")}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s.http = listener.Addr().String()
	listener.Close()
	s.env = append([]string{"SLACK_BOT_TOKEN=" + slackemu.DefaultBotToken, "SLACK_APP_TOKEN=" + slackemu.DefaultAppToken,
		"SLACK_CHANNEL=" + slackemu.ChannelOps,
		"SLACK_API_URL=" + s.slack.APIURL(), "KUBECONFIG=" + kubeconfig, "CLUSTER_NAME=prod", "DATABASE_URL=sqlite:" + s.db,
		"HTTP_ADDR=" + s.http, limits}, env...)
	return s
}

// controlPlane returns what starts a control plane for a case when the first of its runs needs
// one, and returns it with a kubeconfig of the rights that the program has.
func controlPlane(b *testing.B) func() (*population, string) {
	return sync.OnceValues(func() (*population, string) {
		c := cluster.Start(b, cluster.Options{})
		user := c.NewUser(b)
		c.Grant(b, user, cluster.ReadNodesAndEvents()...)
		return &population{Cluster: c}, c.Kubeconfig(b, user)
	})
}

// start runs the bot and waits until it is ready and the channel knows.
func (s *site) start() *program {
	s.b.Helper()
	p := run(s.b, bot, s.env...)
	p.ready(s.http, 5*time.Minute)
	cluster.Eventually(s.b, time.Minute, func(context.Context) error {
		if len(channel.Waves(s.slack, slackemu.ChannelOps)) == 0 {
			return fmt.Errorf("nothing is posted")
		}
		return nil
	})
	return p
}

// startBare starts the bare program on a channel and waits until it watches.
func (s *site) startBare(mode, channel string) *program {
	s.b.Helper()
	p := run(s.b, os.Args[0], append(slices.Clone(s.env), "ROLLCALL_BARE="+mode, "SLACK_CHANNEL="+channel)...)
	cluster.Eventually(s.b, time.Minute, func(context.Context) error {
		if text, _ := os.ReadFile(p.log); !strings.Contains(string(text), "watching") {
			return fmt.Errorf("the bare program does not watch")
		}
		return nil
	})
	time.Sleep(200 * time.Millisecond) // its request gets to the API server
	return p
}

// program is the bot or the bare program, running.
type program struct {
	b       *testing.B
	cmd     *exec.Cmd
	log     string
	started time.Time
	stopped bool
}

func run(b *testing.B, path string, env ...string) *program {
	b.Helper()
	p := &program{b: b, cmd: exec.Command(path)}
	p.cmd.Env = env
	log, err := os.CreateTemp(b.TempDir(), "log")
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	p.log = log.Name()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if b.Failed() {
			text, _ := os.ReadFile(p.log)
			b.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	return p
}

// end sends a signal and waits until the program has ended.
func (p *program) end(signal os.Signal) {
	if p.stopped {
		return
	}
	p.stopped = true
	_ = p.cmd.Process.Signal(signal) // it may have ended by itself
	_ = p.cmd.Wait()
}

// ready waits until the bot says that it is, and returns how long that took from its start.
func (p *program) ready(address string, timeout time.Duration) time.Duration {
	p.b.Helper()
	for time.Since(p.started) < timeout {
		if resp, err := http.Get("http://" + address + "/readyz"); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(p.started)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	p.b.Fatalf("not ready within %s", timeout)
	return 0
}

// memory returns the resident memory now and at its peak, in MiB.
func (p *program) memory() (now, peak float64) {
	p.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.b.Skip("memory is read from /proc, which this system has not")
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

// cpu returns the CPU time used so far, to a hundredth of a second.
func (p *program) cpu() time.Duration {
	p.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.b.Skip("CPU time is read from /proc, which this system has not")
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // clock ticks are 1/100 s
}

// ask reads numbers from the ledger while the program writes it.
func (s *site) ask(query string, dest ...any) {
	s.b.Helper()
	db, err := sql.Open("sqlite", "file:"+s.db+"?mode=ro")
	if err != nil {
		s.b.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(dest...); err != nil {
		s.b.Fatalf("%s: %v", query, err)
	}
}

// quantile returns the value below which the part q lies: the nearest rank.
func quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	ds = slices.Sorted(slices.Values(ds))
	return ds[min(len(ds)-1, int(q*float64(len(ds))))]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// report reports metrics: a number and its name in turn. A run's own time says nothing here.
func report(b *testing.B, metrics ...any) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	for i := 0; i+1 < len(metrics); i += 2 {
		var v float64
		switch n := metrics[i].(type) {
		case float64:
			v = n
		case int:
			v = float64(n)
		default:
			b.Fatalf("%v is no number", n)
		}
		b.ReportMetric(v, metrics[i+1].(string))
	}
}

// population is a control plane and its nodes; they only grow, so that a case makes each once.
type population struct {
	*cluster.Cluster
	names []string
}

func (p *population) grow(b *testing.B, to int) {
	b.Helper()
	if n := to - len(p.names); n > 0 {
		nodes, err := p.CreateNodes(b.Context(), n, 8, cluster.Ready())
		if err != nil {
			b.Fatal(err)
		}
		p.names = append(p.names, names(nodes)...)
	}
}
