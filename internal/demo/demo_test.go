package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/channel"
	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
	"rollcall/test/cluster"
)

// The test's own executable is the bot's too, as the demo's is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bot" {
		code, err := Main(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// shown is a demo that runs.
type shown struct {
	t     *testing.T
	url   string
	slack *slackemu.Server
}

// show runs a demo until the test ends.
func show(t *testing.T, c Config) *shown {
	t.Helper()
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Environ == nil {
		c.Environ = []string{"HOME=" + t.TempDir()}
	}
	d := &shown{t: t}
	up := make(chan struct{})
	c.Started = func(url string, s *slackemu.Server) {
		d.url, d.slack = url, s
		close(up)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c, io.Discard) }()
	select {
	case <-up:
	case err := <-ended:
		cancel()
		t.Fatalf("the demo ended: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the demo ended with %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the demo does not end")
		}
	})
	return d
}

// panel reads the panel as the page does.
func (d *shown) panel() page.PanelState {
	d.t.Helper()
	res, err := http.Get(d.url + "/page/state?user=" + slackemu.UserAda)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	var s struct{ Panel page.PanelState }
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		d.t.Fatal(err)
	}
	return s.Panel
}

func (d *shown) counter(id string) page.Counter {
	d.t.Helper()
	p := d.panel()
	i := slices.IndexFunc(p.Counters, func(c page.Counter) bool { return c.ID == id })
	if i < 0 {
		return page.Counter{}
	}
	return p.Counters[i]
}

func good(c page.Counter) bool { return c.Good != nil && *c.Good }

// press uses a control as the page does.
func (d *shown) press(control, value string) {
	d.t.Helper()
	body := fmt.Sprintf(`{"control":%q,"value":%q}`, control, value)
	req, _ := http.NewRequest("POST", d.url+"/page/panel", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode >= 300 || strings.Contains(string(text), `"error"`) {
		d.t.Fatalf("pressing %s: %s %s", control, res.Status, text)
	}
}

// until waits for something that the workspace will show.
func (d *shown) until(what string, cond func() error) {
	d.t.Helper()
	cluster.Eventually(d.t, time.Minute, func(context.Context) error {
		if err := cond(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// settled waits until the channel tells what the cluster is.
func (d *shown) settled() {
	d.t.Helper()
	d.until("the channel tells what the cluster is", func() error {
		p := d.panel()
		var bad []string
		for _, id := range []string{"told", "untold", "twice"} {
			i := slices.IndexFunc(p.Counters, func(c page.Counter) bool { return c.ID == id })
			if i < 0 || !good(p.Counters[i]) {
				bad = append(bad, id)
			}
		}
		if len(bad) > 0 {
			return fmt.Errorf("%v of %+v", bad, p.Counters)
		}
		return nil
	})
}

// TestDemo plays the newcomer: the demo starts, a burst is told in one message, the bot is
// killed while another goes on, Slack and the API server fail, and in the end the channel tells
// what the cluster is, once.
func TestDemo(t *testing.T) {
	t.Parallel()
	d := show(t, Config{Seed: 1})
	d.until("the first start is told", func() error {
		if ms := d.slack.Messages(slackemu.ChannelOps); len(ms) == 0 ||
			!strings.Contains(ms[0].Text, "Rollcall is watching demo") {
			return fmt.Errorf("%d messages", len(ms))
		}
		return nil
	})
	d.until("a node's joining is told", func() error {
		if d.counter("joined").Value == "0" {
			return fmt.Errorf("none yet")
		}
		return nil
	})
	d.press("pause", "on")
	d.settled()

	joined := func() (n int) {
		for _, x := range channel.Tellings(d.slack, slackemu.ChannelOps) {
			if x.Step == "joined" {
				n++
			}
		}
		return n
	}
	before, messages := joined(), len(d.slack.Messages(slackemu.ChannelOps))
	d.press("pause", "off")
	d.press("burst", "")
	d.until("the burst begins to be told", func() error {
		for _, w := range channel.Waves(d.slack, slackemu.ChannelOps) {
			if w.Kind == "joined" && w.Nodes > 20 {
				return nil
			}
		}
		return fmt.Errorf("%d waves", len(channel.Waves(d.slack, slackemu.ChannelOps)))
	})
	d.press("kill", "")
	d.until("the bot is back", func() error {
		if c := d.counter("bot"); !good(c) || d.counter("kills").Value != "1" {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})
	d.until("the burst is told", func() error {
		if n := joined() - before; n < burstNodes {
			return fmt.Errorf("%d of %d nodes", n, burstNodes)
		}
		return nil
	})
	d.press("pause", "on")
	d.settled()
	if n := len(d.slack.Messages(slackemu.ChannelOps)) - messages; n > 8 {
		t.Errorf("a burst of %d nodes made %d messages", burstNodes, n)
	}

	d.press("pause", "off")
	for _, trouble := range []string{"outage", "api", "limit"} {
		d.press(trouble, "on")
		d.press("delete", "")
		d.press(trouble, "off")
	}
	d.press("pause", "on")
	d.settled()
	if c := d.counter("causes"); !good(c) || c.Value == "0" {
		t.Errorf("causes: %+v", c)
	}
	if t.Failed() {
		channel.Dump(t, d.slack, slackemu.ChannelOps)
	}
}

// TestDemoOfRealCluster holds that the safe first try works: a real API server, and nothing
// that reaches a real Slack.
func TestDemoOfRealCluster(t *testing.T) {
	t.Parallel()
	c := cluster.Shared(t)
	user := c.NewUser(t)
	c.Grant(t, user, cluster.ReadNodesAndEvents()...)
	kubeconfig := c.Kubeconfig(t, user)
	d := show(t, Config{RealCluster: true,
		Environ: []string{"HOME=" + t.TempDir(), "KUBECONFIG=" + kubeconfig, "CLUSTER_NAME=real",
			"SLACK_BOT_TOKEN=xoxb-of-somebody", "SLACK_API_URL=http://127.0.0.1:1/", "SLACK_CHANNEL=C0SOMEBODY",
			"HTTP_ADDR=:1"}})
	d.until("the first start is told", func() error {
		if ms := d.slack.Messages(slackemu.ChannelOps); len(ms) == 0 ||
			!strings.Contains(ms[0].Text, "Rollcall is watching real") {
			return fmt.Errorf("%d messages", len(ms))
		}
		return nil
	})
	for _, c := range d.panel().Controls {
		if c.Group == "Cluster" || c.Group == "Time" {
			t.Errorf("the panel has the control %s for a real cluster", c.ID)
		}
	}
}

// TestKeptLedger holds that a demo on a named ledger goes on where the last one stopped.
func TestKeptLedger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kept.db")
	environ := []string{"HOME=" + t.TempDir(), "DATABASE_URL=sqlite:" + path}
	t.Run("first", func(t *testing.T) {
		d := show(t, Config{Seed: 1, Environ: environ})
		d.until("the first start is told", func() error {
			if len(d.slack.Messages(slackemu.ChannelOps)) == 0 {
				return fmt.Errorf("no message")
			}
			return nil
		})
	})
	t.Run("second", func(t *testing.T) {
		d := show(t, Config{Seed: 2, Environ: environ})
		d.until("what happened between is told", func() error {
			for _, m := range d.slack.Messages(slackemu.ChannelOps) {
				if strings.Contains(m.Text, "while I was away") {
					return nil
				}
			}
			return fmt.Errorf("%d messages", len(d.slack.Messages(slackemu.ChannelOps)))
		})
	})
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the named ledger is not kept: %v", err)
	}
}

func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := listen(taken.Addr().String()); err == nil ||
		!strings.Contains(err.Error(), "set DEMO_ADDR to a free address") {
		t.Errorf("a taken address: %v", err)
	}
	// Whether the usual port is free here or not, there is a page, on loopback.
	for range 2 {
		ln, err := listen("")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		if host, _, _ := net.SplitHostPort(ln.Addr().String()); host != "127.0.0.1" {
			t.Errorf("the page is served at %s", ln.Addr())
		}
	}
}

func TestMainMistakes(t *testing.T) {
	for args, want := range map[string]string{
		"--cluster=prod":   "--cluster=sim",
		"now":              `unknown argument "now"`,
		"--speed 2":        "usage: demo",
		"bot --nonsense":   "nonsense",
		"--cluster real x": `unknown argument "x"`,
	} {
		code, err := Main(t.Context(), strings.Fields(args), nil, strings.NewReader(""), io.Discard, io.Discard)
		if code != 2 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("demo %s: code %d, %v", args, code, err)
		}
	}
	var out strings.Builder
	if code, err := Main(t.Context(), []string{"--help"}, nil, strings.NewReader(""), &out, io.Discard); code != 0 ||
		err != nil || !strings.Contains(out.String(), "DEMO_ADDR") {
		t.Errorf("--help: code %d, %v, %s", code, err, out.String())
	}
}

// TestBotThatDoesNotStart holds that the demo ends with the bot's own words when the bot cannot
// start at all.
func TestBotThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"a wrong variable": {Environ: []string{"HOME=" + t.TempDir(), "ALERT_WAVE_GAP=soon"}},
		"no such cluster":  {RealCluster: true, Environ: []string{"HOME=" + t.TempDir(), "KUBECONFIG=/nonexistent"}},
	} {
		c.Addr = "127.0.0.1:0"
		err := Run(t.Context(), c, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "ALERT_WAVE_GAP") && !strings.Contains(err.Error(), "KUBECONFIG") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPaths holds that Slack, the cluster and the webhook answer at their own address, that the page's address, which
// others may reach, has the page alone, and that the page is refused under a foreign name.
func TestPaths(t *testing.T) {
	everywhere, inner := &net.TCPAddr{IP: net.IPv4zero, Port: 1234}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 99}
	d, err := newDemo(Config{}, map[string]string{}, t.TempDir(), everywhere, inner)
	if err != nil {
		t.Fatal(err)
	}
	defer d.slack.Close()
	defer d.log.Close()
	for _, c := range []struct {
		url         string
		page, inner int
	}{
		{"http://127.0.0.1:1234/", 200, 404},
		{"http://localhost:9000/", 200, 404}, // a published port
		{"http://evil.example/", 421, 404},
		{"http://0.0.0.0:1234/", 421, 404},
		{"http://127.0.0.1:1234/api/auth.test", 404, 200}, // which says not_authed
		{"http://127.0.0.1:1234/cluster/api/v1/nodes", 404, 401},
		{"http://127.0.0.1:1234/cluster", 404, 404},
		{"http://127.0.0.1:1234/webhook", 404, 400},
	} {
		for handler, want := range map[http.Handler]int{d.page: c.page, inside{d}: c.inner} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", c.url, nil))
			if w.Code != want {
				t.Errorf("%s of %T: %d, want %d", c.url, handler, w.Code, want)
			}
		}
	}
}

// inside is what a demo serves for the program.
type inside struct{ *demo }

func (i inside) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.serveInner(w, r) }

func TestAnnouncement(t *testing.T) {
	for ip, want := range map[string]string{
		"0.0.0.0":     "Rollcall's demo is at http://127.0.0.1:8080, or at the port of this machine that a container",
		"::":          "Rollcall's demo is at http://127.0.0.1:8080, or at the port of this machine that a container",
		"127.0.0.1":   "Rollcall's demo is at http://127.0.0.1:8080 (Ctrl-C ends it)",
		"192.168.1.5": "Rollcall's demo is at http://192.168.1.5:8080 (Ctrl-C ends it)",
	} {
		if got := announcement(&net.TCPAddr{IP: net.ParseIP(ip), Port: 8080}); !strings.HasPrefix(got, want) {
			t.Errorf("at %s: %q", ip, got)
		}
	}
}

// TestTimedTroubles holds that a trouble ends by itself, and early when it is switched off.
func TestTimedTroubles(t *testing.T) {
	n := &notifier{subs: map[chan struct{}]bool{}}
	f := newFaults(&demo{notify: n})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.run(ctx) })
	defer wg.Wait()
	defer cancel()
	ended := make(chan string, 2)
	f.toggle("short", time.Millisecond, func() func() { return func() { ended <- "short" } })
	if got := <-ended; got != "short" {
		t.Errorf("%s ended", got)
	}
	f.toggle("long", time.Hour, func() func() { return func() { ended <- "long" } })
	if left := f.left("long"); left < 59*time.Minute {
		t.Errorf("%v left", left)
	}
	f.toggle("long", time.Hour, func() func() { t.Error("it began again"); return func() {} })
	if got := <-ended; got != "long" || f.left("long") != 0 {
		t.Errorf("%s ended, %v left", got, f.left("long"))
	}
}

// TestDemoWebhook breaks the demo's receiver: Slack is told meanwhile, and the receiver gets the rest afterwards.
func TestDemoWebhook(t *testing.T) {
	t.Parallel()
	d := show(t, Config{Seed: 3})
	events := func() int {
		n, _ := strconv.Atoi(d.counter("events").Value)
		return n
	}
	d.until("an event is shown", func() error {
		p := d.panel()
		if len(p.Lists) != 1 || len(p.Lists[0].Rows) == 0 || !good(d.counter("events")) {
			return fmt.Errorf("%+v", p.Lists)
		}
		return nil
	})
	d.press("webhook", "on")
	before, told := events(), d.counter("joined").Value
	d.press("burst", "")
	d.until("the channel is told while the receiver is broken", func() error {
		if d.counter("joined").Value == told {
			return fmt.Errorf("still %s", told)
		}
		return nil
	})
	if n := events(); n > before+1 { // one may have been on its way
		t.Errorf("a broken receiver has taken %d events", n-before)
	}
	d.press("webhook", "off")
	d.until("the receiver has caught up", func() error {
		if n := events(); n < before+200 || !good(d.counter("events")) {
			return fmt.Errorf("%d events after %d, %+v", n, before, d.counter("events"))
		}
		return nil
	})
}
