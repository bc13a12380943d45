package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"rollcall/internal/config"
	"rollcall/internal/ledger"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// checked runs `rollcall check` and returns its lines, and whether all is well. No line may hold a
// token.
func checked(t *testing.T, env map[string]string, flags ...string) (lines []string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	var out strings.Builder
	ok = Check(ctx, env, "test", slices.Contains(flags, "--post"), &out)
	for _, secret := range []string{slackemu.DefaultBotToken, slackemu.DefaultAppToken} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the check shows a token:\n%s", out.String())
		}
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n"), ok
}

// failures returns the lines that failed.
func failures(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.HasPrefix(l, "FAIL") })
}

func TestCheckAllRight(t *testing.T) {
	c := cluster.Shared(t)
	_, kubeconfig := reader(t, c)
	s := slackemu.Start(t, slackemu.Config{})
	env := settings(t, s, kubeconfig, "DIGEST_SCHEDULE", "0 9 29 2 *", "DIGEST_TIMEZONE", "Europe/Berlin", "CLUSTER_NAME",
		"prod")
	lines, ok := checked(t, env)
	if !ok {
		t.Error("not all right")
	}
	text := strings.ReplaceAll(strings.Join(lines, "\n"), strings.TrimPrefix(env["DATABASE_URL"], "sqlite:"), "LEDGER")
	text = regexp.MustCompile(`Kubernetes v1\.\S+`).ReplaceAllString(text, "Kubernetes VERSION")
	text = regexp.MustCompile(`\w{3} 29 Feb 20\d\d`).ReplaceAllString(text, "DAY")
	want := `ok    configuration: every variable can be read
ok    Slack bot token: rollcall in workspace Rollcall Test
ok    Slack scope chat:write
ok    Slack scope commands
ok    Slack channel C0ROLLCALL: #ops-nodes
ok    Slack Socket Mode: Slack said hello
ok    kubeconfig: cluster prod
ok    reach the API server: Kubernetes VERSION
ok    get nodes: permitted
ok    list nodes: permitted
ok    watch nodes: permitted
ok    get events.events.k8s.io: permitted
ok    list events.events.k8s.io: permitted
ok    watch events.events.k8s.io: permitted
ok    get namespaces/kube-system: permitted
ok    ledger: LEDGER is not there yet and can be created
ok    digest: 0 9 29 2 * runs next at DAY 09:00 CET; its figures go back no further than SCALING_RETENTION
ok    HTTP_ADDR: 127.0.0.1:0 is free

Everything is in place.`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// It has posted nothing, and it has let go of its connection.
	if posts := s.CallsOf("chat.postMessage"); len(posts) > 0 {
		t.Errorf("the check posted: %+v", posts)
	}
	if err := s.WaitFor(t.Context(), func() bool { return s.Connected() == 0 }); err != nil {
		t.Error(err)
	}
}

// Each thing that a new installation gets wrong is one failed line with a hint, and the rest is
// looked at all the same.
func TestCheckSlack(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "none")
	tests := []struct {
		name  string
		env   []string
		wrong func(*slackemu.Server)
		fails []string // regular expressions of the failed lines, apart from the kubeconfig's
	}{
		{name: "all right"},
		{name: "swapped tokens",
			env:   []string{"SLACK_BOT_TOKEN", slackemu.DefaultAppToken, "SLACK_APP_TOKEN", slackemu.DefaultBotToken},
			fails: []string{`SLACK_BOT_TOKEN: it and SLACK_APP_TOKEN are swapped`}},
		{name: "bot token unknown", env: []string{"SLACK_BOT_TOKEN", "xoxb-1-2-3"},
			fails: []string{`Slack bot token: invalid_auth; .*copy it again`}},
		{name: "bot token missing, socket all the same", env: []string{"SLACK_BOT_TOKEN", ""},
			fails: []string{`SLACK_BOT_TOKEN: it is missing`}},
		{name: "app token unknown", env: []string{"SLACK_APP_TOKEN", "xapp-1-2-3"},
			fails: []string{`Slack Socket Mode: invalid_auth; .*copy it again`}},
		{name: "bot token revoked", wrong: func(s *slackemu.Server) { s.RevokeToken(slackemu.DefaultBotToken) },
			fails: []string{`Slack bot token: token_revoked; .*install the app again`}},
		{name: "app uninstalled", wrong: func(s *slackemu.Server) { s.DeactivateToken(slackemu.DefaultBotToken) },
			fails: []string{`Slack bot token: account_inactive; .*install the app again`}},
		{name: "app token revoked", wrong: func(s *slackemu.Server) { s.RevokeToken(slackemu.DefaultAppToken) },
			fails: []string{`Slack Socket Mode: token_revoked; .*copy the new token`}},
		{name: "scopes missing", wrong: func(s *slackemu.Server) { s.SetScopes(slackemu.DefaultBotToken, "channels:read") },
			fails: []string{`Slack scope chat:write: missing; add the line "- chat:write" under oauth_config, scopes, bot ` +
				`.*install the app again`, `Slack scope commands: missing; add the line "- commands"`,
				`Slack scope users:read: missing: .*refuses everybody; add the line "- users:read" .*, or name who may use it in ` +
					`SLACK_ALLOWED_USERS$`}},
		{name: "scope of the app token missing",
			wrong: func(s *slackemu.Server) { s.RemoveScope(slackemu.DefaultAppToken, "connections:write") },
			fails: []string{`Slack Socket Mode: missing_scope; .*connections:write`}},
		{name: "Socket Mode off", wrong: func(s *slackemu.Server) { s.SetSocketMode(false) },
			fails: []string{`Slack Socket Mode: .*; Socket Mode is switched off: switch it on under Settings > Socket Mode`}},
		{name: "sockets refused", wrong: func(s *slackemu.Server) { s.RefuseSockets(true) },
			fails: []string{`Slack Socket Mode: opening a Slack connection: .*503.*; check the network`}},
		{name: "not in the channel", env: []string{"SLACK_CHANNEL", slackemu.ChannelOther},
			wrong: func(s *slackemu.Server) { s.RemoveScope(slackemu.DefaultBotToken, "chat:write.public") },
			fails: []string{`Slack channel C0OTHER: not_in_channel; type /invite @Rollcall in C0OTHER`}},
		{name: "not in the channel, seen by its history", env: []string{"SLACK_CHANNEL", slackemu.ChannelOther},
			wrong: func(s *slackemu.Server) {
				s.SetScopes(slackemu.DefaultBotToken, "chat:write", "commands", "channels:history", "files:write",
					"users:read")
			},
			fails: []string{`Slack channel C0OTHER: not_in_channel; type /invite`}},
		{name: "channel unknown", env: []string{"SLACK_CHANNEL", "C0NOWHERE"}, fails: []string{`Slack channel C0NOWHERE: ` +
			`channel_not_found; .*use the channel's ID`}},
		{name: "private channel without the app", env: []string{"SLACK_CHANNEL", slackemu.ChannelSecret},
			fails: []string{`Slack channel C0SECRET: channel_not_found; .*invite the app if it is private`}},
		{name: "channel archived", env: []string{"SLACK_CHANNEL", slackemu.ChannelArchived},
			fails: []string{`Slack channel C0ARCHIVED: is_archived; .*unarchive it`}},
		{name: "channel name", env: []string{"SLACK_CHANNEL", "#ops-nodes"}, fails: []string{`SLACK_CHANNEL: "#ops-nodes" ` +
			`is not a channel ID`}},
		{name: "digest channel", env: []string{"DIGEST_CHANNEL", slackemu.ChannelArchived},
			fails: []string{`Slack channel C0ARCHIVED: is_archived`}},
		{name: "routes", env: []string{"ROUTES", "kind=surge -> C0ARCHIVED; kind=creep -> " + slackemu.ChannelPrivate +
			" U0ADALOVE S0GROUPS @here; severity=warning -> C0ARCHIVED S0ONCALL"},
			wrong: func(s *slackemu.Server) { s.AddScope(slackemu.DefaultBotToken, "usergroups:read") },
			fails: []string{`Slack channel C0ARCHIVED: is_archived`, `Slack mention U0ADALOVE: user_not_found; copy the ID`,
				`Slack mention S0GROUPS: there is no such user group`}},
		{name: "a person who left", env: []string{"ROUTES", "kind=surge -> " + slackemu.ChannelOps + " U0GRACEHO"},
			fails: []string{`Slack mention U0GRACEHO: the account of grace is deactivated`}},
		{name: "groups that cannot be seen", env: []string{"ROUTES", "kind=surge -> " + slackemu.ChannelOps + " S0GROUPS"}},
		{name: "Slack down", wrong: func(s *slackemu.Server) { s.SetOutage(slackemu.Outage503) },
			fails: []string{`Slack bot token: .*503.*; check the network, a proxy, and SLACK_API_URL`,
				`Slack Socket Mode: .*503.*; check the network`}},
		{name: "connections cut", wrong: func(s *slackemu.Server) { s.SetOutage(slackemu.OutageClosed) },
			fails: []string{`Slack bot token: .*; check the network`, `Slack Socket Mode: .*; check the network`}},
		{name: "digest", env: []string{"DIGEST_SCHEDULE", "0 9 * *"}, fails: []string{`DIGEST_SCHEDULE: .*five fields`}},
		{name: "digest's zone", env: []string{"DIGEST_TIMEZONE", "Berlin"}, fails: []string{`DIGEST_TIMEZONE: .*IANA`}},
		{name: "several", env: []string{"DATABASE_URL", "postgres://me:dbsecret@x/", "LOG_LEVEL", "loud", "SLACK_CHANNEL",
			"C0NOWHERE"},
			fails: []string{`DATABASE_URL: .*write sqlite:FILE`, `LOG_LEVEL: `, `Slack channel C0NOWHERE: channel_not_found`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := slackemu.Start(t, slackemu.Config{Users: []slackemu.User{{ID: "U0GRACEHO", Name: "grace", Deleted: true}}})
			if test.wrong != nil {
				test.wrong(s)
			}
			lines, ok := checked(t, settings(t, s, kubeconfig, test.env...))
			if ok {
				t.Error("all is well, it says")
			}
			fails := failures(lines)
			want := append(slices.Clone(test.fails), `kubeconfig: .*no such file: .*none: correct KUBECONFIG`)
			for i, re := range want {
				if i >= len(fails) || !regexp.MustCompile(`^FAIL  `+re).MatchString(fails[i]) {
					t.Fatalf("failure %d is not %q:\n%s", i+1, re, strings.Join(lines, "\n"))
				}
			}
			last := lines[len(lines)-1]
			if len(fails) != len(want) || !strings.Contains(last, "failed.") ||
				strings.Contains(strings.Join(lines, ""), "dbsecret") {
				t.Errorf("other lines than wanted:\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}

// A check beside a running Rollcall must not take the commands that people type meanwhile
// without a word.
func TestCheckAnswersCommands(t *testing.T) {
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	env := settings(t, s, "/nonexistent")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				Check(t.Context(), env, "test", false, new(strings.Builder))
			}
		}
	}()
	defer func() { close(stop); <-done }()
	cluster.Eventually(t, 30*time.Second, func(ctx context.Context) error {
		if s.Connected() == 0 {
			return errors.New("no check is connected just now")
		}
		m, err := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "").Answer(ctx)
		if err != nil {
			return err // the check was over first, and Slack says so to the person
		}
		if !strings.Contains(m.Text, "type the command again") {
			t.Errorf("answered %q", m.Text)
		}
		return nil
	})
}

func TestCheckCluster(t *testing.T) {
	c := cluster.Shared(t)
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	t.Run("unreachable", func(t *testing.T) {
		lines, ok := checked(t, settings(t, s, c.KubeconfigVia(t, cluster.UserAdmin, "https://"+closedPort(t))))
		if f := failures(lines); ok || len(f) != 1 || !strings.HasPrefix(f[0], "FAIL  reach the API server: ") ||
			!strings.Contains(f[0], "nothing listens there") {
			t.Errorf("ok %v:\n%s", ok, strings.Join(lines, "\n"))
		}
	})
	t.Run("context", func(t *testing.T) {
		lines, ok := checked(t, settings(t, s, c.Kubeconfig(t, cluster.UserAdmin), "KUBE_CONTEXT", "tset"))
		if f := failures(lines); ok || len(f) != 1 || !strings.Contains(f[0], "did you mean KUBE_CONTEXT=test?") {
			t.Errorf("ok %v:\n%s", ok, strings.Join(lines, "\n"))
		}
	})
	all := map[string]bool{}
	for _, verb := range []string{"get", "list", "watch"} {
		all[verb+" nodes"], all[verb+" events.events.k8s.io"] = true, true
	}
	for missing := range maps.Keys(all) {
		t.Run("without "+missing, func(t *testing.T) {
			user := c.NewUser(t)
			rules := []rbacv1.PolicyRule{cluster.ReadIdentity()}
			for p := range all {
				verb, resource, _ := strings.Cut(p, " ")
				name, group, _ := strings.Cut(resource, ".")
				if p != missing {
					rules = append(rules,
						rbacv1.PolicyRule{Verbs: []string{verb}, Resources: []string{name}, APIGroups: []string{group}})
				}
			}
			c.Grant(t, user, rules...)
			lines, ok := checked(t, settings(t, s, c.Kubeconfig(t, user)))
			f := failures(lines)
			if ok || len(f) != 1 || !strings.HasPrefix(f[0], "FAIL  "+missing+": not permitted: apply the ClusterRole") {
				t.Errorf("ok %v:\n%s", ok, strings.Join(lines, "\n"))
			}
		})
	}
}

func TestCheckLedger(t *testing.T) {
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	// look returns the ledger's line.
	look := func(t *testing.T, path string) string {
		t.Helper()
		lines, _ := checked(t, settings(t, s, "/nonexistent", "DATABASE_URL", "sqlite:"+path))
		for _, l := range lines {
			if strings.HasPrefix(l[4:], "  ledger: ") {
				return l
			}
		}
		t.Fatalf("no line about the ledger:\n%s", strings.Join(lines, "\n"))
		return ""
	}
	files := func(t *testing.T, dir string) (names []string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	open := func(t *testing.T, path string) *ledger.Ledger {
		t.Helper()
		l, err := ledger.Open(t.Context(), path, ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}

	t.Run("leaves nothing behind", func(t *testing.T) {
		dir := t.TempDir()
		if l := look(t, filepath.Join(dir, "rollcall.db")); !strings.HasPrefix(l, "ok") ||
			!strings.HasSuffix(l, "is not there yet and can be created") {
			t.Error(l)
		}
		if names := files(t, dir); len(names) > 0 {
			t.Errorf("it left %v behind", names)
		}
	})
	t.Run("one that is there", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "rollcall.db")
		store := open(t, path)
		instance := store.Instance()
		store.Close()
		before := files(t, dir)
		if l := look(t, path); !strings.HasPrefix(l, "ok") || !strings.HasSuffix(l, "can be written") {
			t.Error(l)
		}
		if diff := cmp.Diff(before, files(t, dir)); diff != "" {
			t.Error(diff)
		}
		store = open(t, path)
		defer store.Close()
		if store.Instance() != instance {
			t.Error("it is another ledger now")
		}
	})
	t.Run("open in another Rollcall", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "rollcall.db")
		store := open(t, path)
		defer store.Close()
		if l := look(t, path); !strings.HasPrefix(l, "-") || !strings.Contains(l, "a running Rollcall has "+path+" open") {
			t.Error(l)
		}
		if err := store.RecordEvents(t.Context(), "prod", nil, "7"); err != nil {
			t.Errorf("the check disturbed the running one: %v", err)
		}
	})
	for name, test := range map[string]struct {
		make func(t *testing.T, dir string) (path string)
		says string
	}{
		"no folder": {func(_ *testing.T,
			dir string) string {
			return filepath.Join(dir, "data", "rollcall.db")
		}, "create its folder, or mount a volume there"},
		"a folder": {func(_ *testing.T, dir string) string { return dir }, "it is a folder"},
		"empty":    {func(t *testing.T, dir string) string { return write(t, dir, "") }, "the file is empty"},
		"no database": {func(t *testing.T,
			dir string) string {
			return write(t, dir, strings.Repeat("text ", 100))
		}, "not a SQLite database"},
		"lost, with its log there": {func(t *testing.T,
			dir string) string {
			write(t, dir, "-wal")
			return filepath.Join(dir, "lost.db")
		}, "write-ahead log"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := test.make(t, dir)
			if name == "lost, with its log there" {
				if err := os.Rename(filepath.Join(dir, "rollcall.db"), path+"-wal"); err != nil {
					t.Fatal(err)
				}
			}
			before := files(t, dir)
			if l := look(t, path); !strings.HasPrefix(l, "FAIL") || !strings.Contains(l, test.says) {
				t.Error(l)
			}
			if diff := cmp.Diff(before, files(t, dir)); diff != "" {
				t.Errorf("it changed the folder:\n%s", diff)
			}
		})
	}
}

// A folder that the user may not write is found out before Rollcall runs. Root may write
// everywhere, so the program runs as an ordinary user.
func TestCheckReadOnlyFolder(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "rollcall-readonly-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, mode := range map[string]fs.FileMode{dir: 0o555, programDir: 0o755} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, "check")
	if os.Geteuid() == 0 {
		asNobody(cmd)
	}
	s := slackemu.Start(t, slackemu.Config{})
	cmd.Dir, cmd.Env = dir, []string{"HOME=/"}
	for k, v := range settings(t, s, "/nonexistent", "DATABASE_URL", "sqlite:rollcall.db") {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != ExitFailed {
		t.Errorf("want exit code %d: %v", ExitFailed, err)
	}
	if !strings.Contains(string(out), "FAIL  ledger: creating rollcall.db: ") ||
		!strings.Contains(string(out), "may write (fsGroup in a pod)") {
		t.Errorf("%s", out)
	}
}

func write(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "rollcall.db")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The next run is shown in the digest's own time zone, not in the machine's.
func TestCheckDigest(t *testing.T) {
	now := time.Date(2026, 3, 23, 12, 0, 0, 0, time.FixedZone("machine", 5*3600))
	for _, test := range []struct{ schedule, zone, line string }{
		{"0 9 * * *", "", "ok    digest: 0 9 * * * runs next at Mon 23 Mar 2026 09:00 UTC\n"},
		{"0 9 * * *", "Europe/Berlin", "ok    digest: 0 9 * * * runs next at Mon 23 Mar 2026 09:00 CET\n"},
		{"CRON_TZ=Asia/Tokyo @weekly", "Europe/Berlin", "ok    digest: CRON_TZ=Asia/Tokyo @weekly runs next at Sun 29 Mar " +
			"2026 00:00 JST\n"},
		{"0 9 * * 1; 0 9 * * *", "", "ok    digest: 0 9 * * * runs next at Mon 23 Mar 2026 09:00 UTC\n" +
			"ok    digest: 0 9 * * 1 runs next at Mon 23 Mar 2026 09:00 UTC\n"},
		{"@yearly", "", "ok    digest: @yearly runs next at Fri 1 Jan 2027 00:00 UTC; its figures go back no further than " +
			"SCALING_RETENTION\n"},
		{"daily", "", "-     digest: not checked, because of the mistake above\n"},
	} {
		c, _ := config.Load(map[string]string{"DIGEST_SCHEDULE": test.schedule, "DIGEST_TIMEZONE": test.zone})
		var out strings.Builder
		checkDigest(&checklist{out: &out}, c, now)
		if out.String() != test.line {
			t.Errorf("got %swant %s", out.String(), test.line)
		}
	}
}

// Slack that never answers ends the check all the same.
func TestCheckEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a time-out")
	}
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{})
	s.Fail("auth.test", 0, slackemu.HangUp())
	s.Fail("apps.connections.open", 0,
		slackemu.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}}})
	lines, ok := checked(t, settings(t, s, "/nonexistent"))
	if f := failures(lines); ok || len(f) != 3 || !strings.Contains(f[0], "check the network") ||
		!strings.HasPrefix(f[1], "FAIL  Slack Socket Mode: ") {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
}

// TestCheckPost holds that --post leaves nothing behind, and says what keeps messages out.
func TestCheckPost(t *testing.T) {
	s := slackemu.Start(t, slackemu.Config{})
	env := settings(t, s, "/nonexistent")
	post := func() string {
		t.Helper()
		lines, _ := checked(t, env, "--post")
		i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "Slack post to") })
		if i < 0 {
			t.Fatalf("nothing is said of it: %q", lines)
		}
		return lines[i]
	}
	if got := post(); got != "ok    Slack post to C0ROLLCALL: a message was posted, and deleted" {
		t.Errorf("it says %q", got)
	}
	left := slices.DeleteFunc(s.AllMessages(slackemu.ChannelOps), func(m slackemu.Message) bool { return m.Deleted })
	if n := s.Counts()["chat.postMessage"].Calls; n != 1 || len(left) != 0 {
		t.Errorf("%d posts, %d messages are left", n, len(left))
	}
	s.EditChannel(slackemu.ChannelOps, func(c *slackemu.Channel) { c.Archived = true })
	if got := post(); !strings.HasPrefix(got, "FAIL  Slack post to C0ROLLCALL: is_archived; ") {
		t.Errorf("an archived channel: %q", got)
	}
}

// TestCheckAddr holds that a port that another program has is found, and that Rollcall itself is no other program.
func TestCheckAddr(t *testing.T) {
	s := slackemu.Start(t, slackemu.Config{})
	for body, want := range map[string]string{
		"rollcall_nodes 3\n": "-     HTTP_ADDR: not checked, because a running Rollcall answers at ",
		"hello":              "FAIL  HTTP_ADDR: ",
	} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, body)
		}))
		addr := other.Listener.Addr().String()
		lines, _ := checked(t, settings(t, s, "/nonexistent", "HTTP_ADDR", addr))
		if !slices.ContainsFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, want) && strings.Contains(l, addr)
		}) {
			t.Errorf("beside %q: %q", body, lines)
		}
		other.Close()
	}
}

// TestCheckMisspelt holds that a setting which has no effect is found.
func TestCheckMisspelt(t *testing.T) {
	s := slackemu.Start(t, slackemu.Config{})
	env := settings(t, s, "/nonexistent", "DIGEST_SHEDULE", "@daily", "HOSTNAME", "rollcall-0", "KUBERNETES_SERVICE_HOST",
		"10.0.0.1", "KUBERNETES_PORT", "tcp://10.0.0.1:443", "ROLLCALL_PORT", "x", "HTTP_PROXY", "x", "HTTPS_PROXY", "x",
		"LOGNAME", "x", "GODEBUG", "x", "GOMEMLIMIT", "x", "SSL_CERT_FILE", "x", "XDG_SESSION_ID", "1", "LC_MEASUREMENT", "x")
	lines, _ := checked(t, env)
	got := slices.DeleteFunc(failures(lines), func(l string) bool { return !strings.Contains(l, "no such variable") })
	want := []string{"FAIL  DIGEST_SHEDULE: Rollcall knows no such variable; is DIGEST_SCHEDULE meant?"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestCheckRateLimited holds that a limit of Slack's is called that, and not taken for trouble with the network.
func TestCheckRateLimited(t *testing.T) {
	s := slackemu.Start(t, slackemu.Config{})
	s.Inject(slackemu.Rule{Method: "auth.test", Fault: slackemu.RateLimited(30)})
	lines, _ := checked(t, settings(t, s, "/nonexistent"))
	const want = "FAIL  Slack bot token: Slack limits the rate of calls just now; check again in 30s"
	if !slices.Contains(lines, want) {
		t.Errorf("want %q among %q", want, lines)
	}
}
