package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// programDir holds the program for the tests that run it as a process.
var programDir string

func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "rollcall-app-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := cluster.Main(m)
	os.RemoveAll(programDir)
	os.Exit(code)
}

// program builds the bot for the first test that asks, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "bot")
	if out, err := exec.Command("go", "build", "-o", path, "rollcall/cmd/bot").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building cmd/bot: %w\n%s", err, out)
	}
	return path, nil
})

// settings returns an environment in which everything is right: an emulated Slack, a cluster
// that may be read, and a ledger that does not exist yet. more are names and values on top.
func settings(t *testing.T, s *slackemu.Server, kubeconfig string, more ...string) map[string]string {
	t.Helper()
	env := map[string]string{
		"SLACK_BOT_TOKEN": slackemu.DefaultBotToken, "SLACK_APP_TOKEN": slackemu.DefaultAppToken,
		"SLACK_CHANNEL": slackemu.ChannelOps, "SLACK_API_URL": s.APIURL(),
		"KUBECONFIG": kubeconfig, "DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "rollcall.db"),
		"HTTP_ADDR": "127.0.0.1:0",
		"LOG_LEVEL": "debug", "LOG_FORMAT": "json",
	}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

// reader returns a kubeconfig of a user who may read nodes and events.
func reader(t *testing.T, c *cluster.Cluster) (user, kubeconfig string) {
	t.Helper()
	user = c.NewUser(t)
	c.Grant(t, user, cluster.ReadNodesAndEvents()...)
	return user, c.Kubeconfig(t, user)
}

// closedPort is an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// child is the real program, running.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *output // stdout and stderr
	exited chan struct{}
	code   int // once exited is closed
	health string
}

// run starts the program with nothing in its environment but env, and kills it when the test
// ends.
func run(t *testing.T, env map[string]string, args ...string) *child {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &child{t: t, cmd: exec.Command(path, args...), out: &output{}, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = p.out, p.out, t.TempDir()
	p.cmd.Env = []string{"HOME=" + p.cmd.Dir}
	for k, v := range env {
		p.cmd.Env = append(p.cmd.Env, k+"="+v)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("the program printed:\n%s", p.out)
		}
	})
	return p
}

// until waits until a condition holds, and fails the test if it does not in time or if the
// program ends before.
func (p *child) until(within time.Duration, what string, cond func() bool) {
	p.t.Helper()
	deadline := time.After(within)
	for !cond() {
		select {
		case <-p.exited:
			if cond() {
				return
			}
			p.t.Fatalf("waiting until %s: the program ended with %d", what, p.code)
		case <-deadline:
			p.t.Fatalf("waiting until %s: not within %v", what, within)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// says waits until the program has printed a text.
func (p *child) says(within time.Duration, text string) {
	p.t.Helper()
	p.until(within, fmt.Sprintf("it says %q", text), func() bool { return strings.Contains(p.out.String(), text) })
}

// get asks the health server, whose address the program logs when it starts.
func (p *child) get(path string) (status int, body string) {
	p.t.Helper()
	if p.health == "" {
		p.says(20*time.Second, `"msg":"starting"`)
		for line := range strings.Lines(p.out.String()) {
			var l struct{ Msg, HTTP string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "starting" {
				p.health = l.HTTP
			}
		}
	}
	res, err := http.Get("http://" + p.health + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// isReady waits until /readyz says that every part is up.
func (p *child) isReady(within time.Duration) {
	p.t.Helper()
	p.until(within, "it is ready", func() bool { status, _ := p.get("/readyz"); return status == http.StatusOK })
}

// isNotReady waits until /readyz says of a part what contains problem, and sees that the
// program counts as alive all the same.
func (p *child) isNotReady(within time.Duration, part, problem string) {
	p.t.Helper()
	var body string
	p.until(within, fmt.Sprintf("/readyz says %q of %s", problem, part), func() bool {
		var status int
		status, body = p.get("/readyz")
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, part+": ") && strings.Contains(line, problem) {
				return status == http.StatusServiceUnavailable
			}
		}
		return false
	})
	if status, text := p.get("/healthz"); status != http.StatusOK {
		p.t.Errorf("/healthz: %d %s; a restart helps nobody while only this is not ready:\n%s", status, text, body)
	}
}

// ends waits for the program's end and returns its exit code.
func (p *child) ends(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.code
	case <-time.After(within):
		p.t.Fatalf("the program did not end within %v", within)
		return -1
	}
}
