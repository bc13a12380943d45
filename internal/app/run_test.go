package app

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/ledger"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

func TestMainCommands(t *testing.T) {
	s := slackemu.Start(t, slackemu.Config{})
	good := settings(t, s, filepath.Join(t.TempDir(), "none"))
	for name, test := range map[string]struct {
		args   []string
		env    map[string]string
		code   int
		stdout string // what it contains, as the next
		err    []string
	}{
		"nothing right": {nil, nil, ExitMistake, "",
			[]string{"SLACK_BOT_TOKEN: it is missing", "SLACK_APP_TOKEN: it is missing", "SLACK_CHANNEL: it is missing",
				"KUBECONFIG: "}},
		"no cluster": {nil, good, ExitMistake, "",
			[]string{"KUBECONFIG: reading the kubeconfig: no such file", "correct KUBECONFIG"}},
		"version":   {[]string{"version"}, nil, ExitOK, "rollcall ", nil},
		"--version": {[]string{"--version"}, nil, ExitOK, "rollcall ", nil},
		"help": {[]string{"help"}, nil, ExitOK,
			"usage: rollcall [check [--post] | price TYPE | digest --dry-run | routes | manifest | backup FILE |\n", nil},
		"-h":      {[]string{"-h"}, nil, ExitOK, "rollcall check", nil},
		"unknown": {[]string{"chekc"}, nil, ExitMistake, "", []string{`unknown command "chekc"`, "usage: "}},
		"digest":  {[]string{"digest"}, nil, ExitMistake, "", []string{"write --dry-run", "usage: rollcall digest"}},
		"digest, since": {[]string{"digest", "--dry-run", "--since", "soon"}, nil, ExitMistake, "",
			[]string{"--since soon"}},
		"digest, none": {[]string{"digest", "--dry-run"}, map[string]string{"DATABASE_URL": "sqlite:/no/such.db"},
			ExitFailed, "", []string{"/no/such.db"}},
		"backup, no file": {[]string{"backup"}, nil, ExitMistake, "", []string{"usage: rollcall backup FILE"}},
		"backup, nothing": {[]string{"backup", "/no/such/copy.db"}, map[string]string{"DATABASE_URL": "sqlite:/no/such.db"},
			ExitFailed, "", []string{"/no/such"}},
		"restore, nothing": {[]string{"restore", "/no/such/copy.db"}, map[string]string{"DATABASE_URL": "sqlite:/no/such.db"},
			ExitFailed, "", []string{"/no/such"}},
		"too much":     {[]string{"check", "now"}, nil, ExitMistake, "", []string{`takes no argument but --post, and not "now"`}},
		"failed check": {[]string{"check"}, good, ExitFailed, "1 check failed.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var environ []string
			for k, v := range test.env {
				environ = append(environ, k+"="+v)
			}
			environ = append(environ, "HOME="+t.TempDir())
			t.Setenv("HOME", t.TempDir()) // client-go looks there
			var stdout, stderr strings.Builder
			code, err := Main(t.Context(), test.args, environ, &stdout, &stderr)
			if code != test.code || !strings.Contains(stdout.String(), test.stdout) || (err != nil) != (test.err != nil) {
				t.Errorf("code %d, error %v, stdout:\n%s", code, err, stdout.String())
			}
			for _, want := range test.err {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if stderr.Len() > 0 {
				t.Errorf("stderr: %s", stderr.String())
			}
		})
	}
}

// The process's own exit code and last words are Main's.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{})
	p := run(t, settings(t, s, "/nonexistent", "HTTP_ADDR", "8080", "LOG_LEVEL", "loud"))
	if code := p.ends(10 * time.Second); code != ExitMistake {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"rollcall: the configuration is wrong:\n", "  HTTP_ADDR: ", "  LOG_LEVEL: ",
		"  KUBECONFIG: "} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, p.out)
		}
	}
	if p := run(t, nil, "version"); p.ends(10*time.Second) != ExitOK || !strings.HasPrefix(p.out.String(), "rollcall ") {
		t.Error(p.out)
	}
	// A taken port is found out only when running.
	kubeconfig := cluster.Shared(t).Kubeconfig(t, cluster.UserNobody)
	p = run(t, settings(t, s, kubeconfig, "HTTP_ADDR",
		strings.TrimPrefix(strings.TrimSuffix(s.APIURL(), "/api/"), "http://")))
	if code := p.ends(10 * time.Second); code != ExitFailed ||
		!strings.Contains(p.out.String(), "set HTTP_ADDR to a free address") {
		t.Errorf("exit code %d:\n%s", code, p.out)
	}
}

// An image without a time zone database must know the zones all the same.
func TestProgramHoldsTimeZones(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "rollcall/cmd/bot").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Fields(string(out)), "time/tzdata") {
		t.Error("cmd/bot does not hold time/tzdata")
	}
}

// SIGTERM ends the program with 0 within 10 s, whatever hangs just then.
func TestStops(t *testing.T) {
	c := cluster.Shared(t)
	for name, prepare := range map[string]func(t *testing.T, s *slackemu.Server, proxy *cluster.Proxy,
		start func() *child) *child{
		"ready": func(t *testing.T, s *slackemu.Server, _ *cluster.Proxy, start func() *child) *child {
			p := start()
			p.isReady(20 * time.Second)
			p.until(10*time.Second, "the baseline is posted", func() bool { return len(s.Messages(slackemu.ChannelOps)) > 0 })
			return p
		},
		"a post hangs": func(t *testing.T, s *slackemu.Server, _ *cluster.Proxy, start func() *child) *child {
			s.Fail("chat.postMessage", 0, slackemu.HangUp())
			p := start()
			p.says(20*time.Second, `"msg":"wave step"`)
			return p
		},
		"all of Slack hangs": func(t *testing.T, s *slackemu.Server, _ *cluster.Proxy, start func() *child) *child {
			s.Fail("", 0, slackemu.HangUp())
			p := start()
			p.isNotReady(20*time.Second, "slack", "not greeted")
			p.says(20*time.Second, `"msg":"wave step"`)
			return p
		},
		"half-open sockets": func(t *testing.T, s *slackemu.Server, _ *cluster.Proxy, start func() *child) *child {
			p := start()
			p.isReady(20 * time.Second)
			s.HalfOpenSockets()
			return p
		},
		"API server down": func(t *testing.T, _ *slackemu.Server, proxy *cluster.Proxy, start func() *child) *child {
			p := start()
			p.isReady(20 * time.Second)
			proxy.Refuse()
			proxy.Cut()
			p.isNotReady(20*time.Second, "nodes", "")
			return p
		},
		"API server silent": func(t *testing.T, _ *slackemu.Server, proxy *cluster.Proxy, start func() *child) *child {
			proxy.Stall()
			p := start()
			p.isNotReady(20*time.Second, "nodes", "not been listed yet")
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slackemu.Start(t, slackemu.Config{})
			user, _ := reader(t, c)
			proxy := c.Proxy(t)
			env := settings(t, s, c.KubeconfigVia(t, user, proxy.URL()))
			p := prepare(t, s, proxy, func() *child { return run(t, env) })
			p.cmd.Process.Signal(syscall.SIGTERM)
			began := time.Now()
			if code := p.ends(10 * time.Second); code != ExitOK {
				t.Errorf("exit code %d", code)
			}
			t.Logf("stopped in %v", time.Since(began).Round(time.Millisecond))
			if !strings.Contains(p.out.String(), `"msg":"stopped; what was not told`) {
				t.Error("it does not say that it stopped")
			}
			// It has let go of the ledger, whole.
			store, err := ledger.Open(t.Context(), strings.TrimPrefix(env["DATABASE_URL"], "sqlite:"),
				ledger.Options{LockWait: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			store.Close()
		})
	}
	// A new pod waits for the old one to let go of the ledger; told to stop meanwhile, it does.
	t.Run("waiting for the ledger", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "rollcall.db")
		store, err := ledger.Open(t.Context(), path, ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		_, kubeconfig := reader(t, c)
		env := settings(t, slackemu.Start(t, slackemu.Config{}), kubeconfig, "DATABASE_URL", "sqlite:"+path)
		p := run(t, env)
		select {
		case <-p.exited:
			t.Fatal("it does not wait")
		case <-time.After(time.Second): // nothing outside shows that it waits
		}
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.ends(5 * time.Second); code != ExitOK {
			t.Errorf("exit code %d", code)
		}
	})
}

// A pod that is to be replaced goes on being alive while Slack or the API server is down, and
// says which part is not ready.
func TestReadiness(t *testing.T) {
	c := cluster.Shared(t)
	t.Run("slack", func(t *testing.T) {
		t.Parallel()
		s := slackemu.Start(t, slackemu.Config{})
		_, kubeconfig := reader(t, c)
		s.RefuseSockets(true)
		p := run(t, settings(t, s, kubeconfig))
		p.isNotReady(20*time.Second, "slack", "Slack has not greeted a Socket Mode connection")
		p.until(20*time.Second, "the rest is ready", func() bool {
			_, body := p.get("/readyz")
			return strings.Count(body, ": ok\n") == 5
		})
		s.RefuseSockets(false)
		p.isReady(30 * time.Second)
		status, body := p.get("/readyz")
		if status != http.StatusOK || body != strings.Join([]string{"ledger", "nodes", "events", "slack",
			"connections", "telling", "digest", ""}, ": ok\n") {
			t.Errorf("%d\n%s", status, body)
		}
		s.RefuseSockets(true)
		s.DropSockets()
		p.isNotReady(10*time.Second, "slack", "Slack has not greeted")
	})
	t.Run("nodes", func(t *testing.T) {
		t.Parallel()
		s := slackemu.Start(t, slackemu.Config{})
		user, _ := reader(t, c)
		proxy := c.Proxy(t)
		proxy.Refuse() // unreachable from the start
		p := run(t, settings(t, s, c.KubeconfigVia(t, user, proxy.URL())))
		p.isNotReady(20*time.Second, "nodes", "nothing listens there")
		p.isNotReady(20*time.Second, "events", "")
		proxy.Accept()
		p.isReady(30 * time.Second)
		proxy.Refuse()
		proxy.Cut()
		p.isNotReady(20*time.Second, "nodes", "nothing listens there")
		proxy.Accept()
		p.isReady(30 * time.Second)
	})
	t.Run("an API server that says nothing", func(t *testing.T) {
		t.Parallel()
		s := slackemu.Start(t, slackemu.Config{})
		user, _ := reader(t, c)
		proxy := c.Proxy(t)
		p := run(t, settings(t, s, c.KubeconfigVia(t, user, proxy.URL())))
		p.isReady(30 * time.Second)
		proxy.Stall()
		for _, part := range []string{"events", "nodes"} {
			p.isNotReady(time.Minute, part, "the API server does not answer while its watch is silent")
		}
		proxy.Flow()
		p.isReady(time.Minute)
	})
	t.Run("telling", func(t *testing.T) {
		t.Parallel()
		s := slackemu.Start(t, slackemu.Config{})
		s.EditChannel(slackemu.ChannelOps, func(ch *slackemu.Channel) { ch.Archived = true })
		_, kubeconfig := reader(t, c)
		p := run(t, settings(t, s, kubeconfig))
		p.isNotReady(20*time.Second, "telling", "is_archived")
		p.says(5*time.Second, "is archived: unarchive it, or name another channel")
	})
	t.Run("no permission", func(t *testing.T) {
		t.Parallel()
		s := slackemu.Start(t, slackemu.Config{})
		user := c.NewUser(t)
		revoke := c.Grant(t, user, cluster.ReadNodes()...)
		p := run(t, settings(t, s, c.Kubeconfig(t, user)))
		p.isReady(20 * time.Second) // events only explain
		p.says(5*time.Second, "apply the ClusterRole in manifests/")
		_ = revoke
	})
}

// While the ledger is not open yet Rollcall is alive: a kubelet that restarted it would only make
// it begin again.
func TestAliveWhileTheLedgerIsOpened(t *testing.T) {
	s := slackemu.Start(t, slackemu.Config{})
	_, kubeconfig := reader(t, cluster.Shared(t))
	env := settings(t, s, kubeconfig)
	store, err := ledger.Open(t.Context(), strings.TrimPrefix(env["DATABASE_URL"], "sqlite:"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	p := run(t, env)
	p.isNotReady(10*time.Second, "ledger", "it is being opened")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	p.isReady(30 * time.Second)
}

// When Slack refuses the app, only a person can help. Readiness and the log say so, and the exit code once the program
// is told to stop; but until then it goes on to record what happens in the cluster.
func TestRefusedBySlack(t *testing.T) {
	c := cluster.Shared(t)
	for name, test := range map[string]struct {
		before, after func(*slackemu.Server)
		part, says    string
	}{
		"Socket Mode switched off": {nil, func(s *slackemu.Server) { s.SetSocketMode(false) },
			"slack", "Slack refuses Rollcall (link_disabled); Socket Mode is switched off: switch it on"},
		"app token revoked": {func(s *slackemu.Server) { s.RevokeToken(slackemu.DefaultAppToken) }, nil,
			"slack", "Slack refuses Rollcall (token_revoked); the token was revoked or the app uninstalled"},
		"app token revoked while connected": {
			nil, func(s *slackemu.Server) { s.RevokeToken(slackemu.DefaultAppToken); s.DropSockets() },
			"slack", "Slack refuses Rollcall (token_revoked);"},
		"bot token revoked": {func(s *slackemu.Server) { s.RevokeToken(slackemu.DefaultBotToken) }, nil,
			"telling", "Slack refuses our credentials: token_revoked"},
		"app uninstalled": {func(s *slackemu.Server) { s.DeactivateToken(slackemu.DefaultBotToken) }, nil,
			"telling", "Slack refuses our credentials: account_inactive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slackemu.Start(t, slackemu.Config{})
			_, kubeconfig := reader(t, c)
			if test.before != nil {
				test.before(s)
			}
			p := run(t, settings(t, s, kubeconfig))
			if test.after != nil {
				p.isReady(20 * time.Second)
				test.after(s)
			}
			p.isNotReady(20*time.Second, test.part, test.says)
			p.says(10*time.Second, "a person must act")
			n, err := c.CreateNode(t.Context(), cluster.NewNode("after-"+strings.ReplaceAll(strings.ToLower(name), " ", "-")))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.DeleteNode(context.Background(), n.Name) })
			p.until(20*time.Second, "a node is recorded", func() bool {
				_, body := p.get("/metrics")
				return regexp.MustCompile(`(?m)^rollcall_changes_total\{.*kind="joined".*\} [1-9]`).MatchString(body)
			})
			p.cmd.Process.Signal(syscall.SIGTERM)
			if code := p.ends(20 * time.Second); code != ExitFailed {
				t.Errorf("exit code %d", code)
			}
			lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "rollcall: Slack refuses Rollcall (") {
				t.Errorf("the last line is %s", last)
			}
		})
	}
}

// tap passes calls on to the emulator and keeps the secrets that Slack hands out: the tickets
// of connections.
type tap struct {
	secrets chan string
}

func (t *tap) start(tt *testing.T, s *slackemu.Server) (apiURL string) {
	tt.Helper()
	target, err := url.Parse(s.APIURL())
	if err != nil {
		tt.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := r.Clone(r.Context())
		req.RequestURI, req.URL.Scheme, req.URL.Host, req.Host = "", "http", target.Host, target.Host
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		for part := range strings.FieldsFuncSeq(string(body),
			func(r rune) bool { return strings.ContainsRune(`"\?&= `, r) }) {
			if strings.HasSuffix(r.URL.Path, "apps.connections.open") && len(part) >= 16 && !strings.Contains(part, "/") &&
				!strings.Contains(part, ":") {
				select {
				case t.secrets <- part:
				default:
				}
			}
		}
		maps.Copy(w.Header(), res.Header)
		w.WriteHeader(res.StatusCode)
		w.Write(body)
	}))
	tt.Cleanup(server.Close)
	return server.URL + "/api/"
}

// However it fails, and however loud its log, the program never prints a secret: not its
// tokens, not the tickets of its connections, not the URLs at which people are answered, not
// the token of its kubeconfig.
func TestSecretsAreNeverPrinted(t *testing.T) {
	c := cluster.Shared(t)
	user, _ := reader(t, c)
	bearer := c.Config(user).BearerToken
	proxy := c.Proxy(t)
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	slackTap := &tap{secrets: make(chan string, 1000)}
	secrets := map[string]string{"bot token": slackemu.DefaultBotToken, "app token": slackemu.DefaultAppToken,
		"bearer token": bearer}
	apiURL := slackTap.start(t, s)
	env := settings(t, s, c.KubeconfigVia(t, user, proxy.URL()), "SLACK_API_URL", apiURL, "LOG_LEVEL", "debug")
	p := run(t, env)
	p.isReady(30 * time.Second)

	ask := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for _, command := range []string{"/nodes", "/events"} {
			cmd := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, command, "")
			cmd.Wait(ctx) // whether it is answered is for other tests
			secrets["response_url of "+command+cmd.TriggerID] = cmd.ResponseURL
		}
		eve := s.SlashCommand(slackemu.UserEve, slackemu.ChannelOps, "/nodes", "")
		eve.Wait(ctx)
		secrets["response_url of Eve "+eve.TriggerID] = eve.ResponseURL
	}
	ask()
	var names []string
	join := func() {
		n, err := c.CreateNode(t.Context(), cluster.NewNode(""))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, n.Name)
	}
	t.Cleanup(func() { c.DeleteNodes(context.WithoutCancel(t.Context()), 4, names...) })
	for _, fault := range []slackemu.Fault{slackemu.ServerError(), slackemu.BadGateway(), slackemu.CutConnection(),
		slackemu.Refuse("fatal_error"), slackemu.RateLimited(1)} {
		s.Fail("chat.postMessage", 1, fault)
		s.Fail("chat.update", 1, fault)
		s.Fail("apps.connections.open", 1, fault)
	}
	s.RefuseSockets(true)
	s.DropSockets()
	join()
	p.says(20*time.Second, "Slack connection lost")
	p.says(20*time.Second, "Slack does not answer")
	p.until(20*time.Second, "a handshake is refused", func() bool { return s.SocketStats().Refused > 0 })
	proxy.Refuse()
	proxy.Cut()
	p.isNotReady(20*time.Second, "nodes", "")
	proxy.Accept()
	s.RefuseSockets(false)
	s.SetOutage(slackemu.OutageClosed)
	p.until(10*time.Second, "a cut connection is noticed", func() bool {
		return strings.Contains(p.out.String(), "EOF") || strings.Contains(p.out.String(), "reset")
	})
	s.SetOutage(slackemu.OutageOff)
	s.ClearFaults()
	p.isReady(60 * time.Second)
	ask()
	s.RevokeToken(slackemu.DefaultBotToken)
	join()
	p.isNotReady(60*time.Second, "telling", "token_revoked")
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.ends(60 * time.Second); code != ExitFailed {
		t.Errorf("exit code %d", code)
	}
	var text strings.Builder
	text.WriteString(p.out.String())

	// Those that never get far: wrong addresses, wrong tokens in wrong places, a refused login.
	for name, more := range map[string][]string{
		"nothing listens": {"SLACK_API_URL", "http://" + closedPort(t) + "/api/"},
		"not Slack":       {"SLACK_API_URL", c.URL() + "/api/"},
		"mixed up": {"SLACK_CHANNEL", slackemu.DefaultBotToken, "DATABASE_URL",
			"sqlite://" + slackemu.DefaultAppToken + "?x", "LOG_LEVEL", bearer[:4]},
		"swapped": {"SLACK_BOT_TOKEN", slackemu.DefaultAppToken, "SLACK_APP_TOKEN", slackemu.DefaultBotToken},
		"broken kubeconfig": {"KUBECONFIG", func() string {
			path := filepath.Join(t.TempDir(), "broken")
			if err := os.WriteFile(path,
				[]byte("apiVersion: v1\nkind: Config\nusers:\n- name: x\n  user:\n    token: ["+bearer+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}()},
	} {
		for _, args := range [][]string{nil, {"check"}} {
			p := run(t, settings(t, s, env["KUBECONFIG"], more...), args...)
			if args == nil && (name == "nothing listens" || name == "not Slack") {
				p.says(20*time.Second, "connecting again")
				p.says(20*time.Second, "Slack does not answer")
				p.cmd.Process.Signal(syscall.SIGTERM)
			}
			if code := p.ends(60 * time.Second); code == ExitOK && args != nil {
				t.Errorf("%s: the check found nothing wrong", name)
			}
			text.WriteString(p.out.String())
		}
	}
	close(slackTap.secrets)
	n := 0
	for ticket := range slackTap.secrets {
		n++
		secrets[fmt.Sprint("ticket ", n)] = ticket
	}
	if n == 0 {
		t.Error("no ticket was seen: the test looks for nothing")
	}
	for name, secret := range secrets {
		if len(secret) < 8 {
			t.Errorf("no %s to look for: %q", name, secret)
		} else if strings.Contains(text.String(), secret) || strings.Contains(text.String(), url.QueryEscape(secret)) {
			i := strings.Index(text.String(), secret)
			t.Errorf("%s is printed: …%s…", name, text.String()[max(0, i-200):min(len(text.String()), i+200)])
		}
	}
}
