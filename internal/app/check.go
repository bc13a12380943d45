package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/k8s"
	"rollcall/internal/ledger"
	"rollcall/internal/slackapp"
)

// checklist prints what was looked at, line by line.
type checklist struct {
	out    io.Writer
	failed int
}

func (l *checklist) line(ok bool, what, detail string) {
	mark := "ok  "
	if !ok {
		mark = "FAIL"
		l.failed++
	}
	fmt.Fprintf(l.out, "%s  %s", mark, what)
	if detail != "" {
		fmt.Fprintf(l.out, ": %s", detail)
	}
	fmt.Fprintln(l.out)
}

// skip says why something could not be looked at.
func (l *checklist) skip(what, why string) {
	fmt.Fprintf(l.out, "-     %s: not checked, %s\n", what, why)
}

// Check tries everything that a new installation gets wrong, prints a checklist with a hint
// for each failure, and reports whether all is well. environ is the environment. With post it posts one message, and
// deletes it.
func Check(ctx context.Context, environ map[string]string, version string, post bool, out io.Writer) bool {
	l := &checklist{out: out}
	c, err := config.Load(environ)
	wrong := map[string]bool{}
	for _, m := range config.MistakesIn(err) {
		wrong[m.Variable] = true
		l.line(false, m.Variable, m.Problem)
	}
	for _, m := range config.Misspelt(environ) {
		l.line(false, m.Variable, m.Problem)
	}
	if len(wrong) == 0 {
		l.line(true, "configuration", "every variable can be read")
	}
	checkSlack(ctx, l, c, wrong, post)
	checkCluster(ctx, l, c, version)
	checkLedger(ctx, l, c, wrong)
	checkDigest(l, c, time.Now())
	checkWebhook(ctx, l, c, wrong, version, post)
	checkAddr(ctx, l, c, wrong)
	switch {
	case l.failed == 1:
		fmt.Fprintln(out, "\n1 check failed.")
		return false
	case l.failed > 1:
		fmt.Fprintf(out, "\n%d checks failed.\n", l.failed)
		return false
	}
	fmt.Fprintln(out, "\nEverything is in place.")
	return true
}

func checkSlack(ctx context.Context, l *checklist, c config.Config, wrong map[string]bool, post bool) {
	if wrong["SLACK_API_URL"] || wrong["SLACK_BOT_TOKEN"] {
		l.skip("Slack bot token and channels", "because of the mistakes above")
	} else {
		var channels []string
		if !wrong["SLACK_CHANNEL"] {
			channels = append(channels, c.SlackChannel)
		}
		for _, r := range c.Routes.Lines {
			channels = append(channels, r.To.Channel)
		}
		for _, to := range c.DigestsTo {
			if !wrong["DIGEST_CHANNEL"] && to.Channel != c.SlackChannel {
				channels = append(channels, to.Channel)
			}
		}
		channels = distinct(channels)
		findings := slackapp.CheckBot(ctx, slackAPI(c), channels, len(c.SlackAllowedUsers) > 0)
		var rung []string
		for _, r := range c.Routes.Lines {
			rung = append(rung, strings.Fields(r.To.Mentions)...)
		}
		findings = append(findings, slackapp.CheckMentions(ctx, slackAPI(c), distinct(rung))...)
		for _, f := range findings {
			l.line(f.OK, f.What, f.Detail)
		}
		for _, id := range channels {
			if post {
				f := slackapp.CheckPost(ctx, slackAPI(c), id)
				l.line(f.OK, f.What, f.Detail)
			}
		}
	}
	// Swapped tokens are a mistake of the bot token alone.
	if wrong["SLACK_API_URL"] || wrong["SLACK_APP_TOKEN"] || !strings.HasPrefix(c.SlackAppToken.Reveal(), "xapp-") {
		l.skip("Slack Socket Mode", "because of the mistakes above")
		return
	}
	f := slackapp.CheckSocket(ctx, slackAPI(c))
	l.line(f.OK, f.What, f.Detail)
}

// distinct are the words of a list, each once, in their order.
func distinct(words []string) (once []string) {
	for _, w := range words {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	return once
}

func checkCluster(ctx context.Context, l *checklist, c config.Config, version string) {
	clusters, err := FindClusters(c)
	if err != nil {
		l.line(false, "kubeconfig", err.Error())
		return
	}
	for _, cluster := range clusters {
		client, err := k8s.NewClient(cluster.REST, version)
		if err != nil {
			l.line(false, "kubeconfig", err.Error())
			continue
		}
		l.line(true, "kubeconfig", "cluster "+cluster.Name)
		for _, f := range client.Check(ctx) {
			l.line(f.OK, f.What, f.Detail)
		}
	}
}

// checkLedger opens the ledger and closes it again. Where there is none it tries a new one
// in a folder of its own beside, which it takes away again: a check leaves nothing behind.
func checkLedger(ctx context.Context, l *checklist, c config.Config, wrong map[string]bool) {
	if wrong["DATABASE_URL"] {
		l.skip("ledger", "because of the mistake above")
		return
	}
	path, found := c.LedgerPath, "can be written"
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && nothingLeft(path) {
		dir, err := os.MkdirTemp(filepath.Dir(path), ".rollcall-check-")
		if err != nil {
			l.line(false, "ledger",
				fmt.Sprintf("creating %s: %v; create its folder, or mount a volume there that the user Rollcall runs as may "+
					"write (fsGroup in a pod)", path, err))
			return
		}
		defer os.RemoveAll(dir)
		path, found = filepath.Join(dir, filepath.Base(path)), "is not there yet and can be created"
	}
	store, err := ledger.Open(ctx, path, ledger.Options{LockWait: 100 * time.Millisecond})
	if errors.Is(err, ledger.ErrInUse) { // as in the pod of the Rollcall that runs
		l.skip("ledger", "because a running Rollcall has "+path+" open; a second one needs its own DATABASE_URL")
		return
	}
	if err != nil {
		l.line(false, "ledger", err.Error())
		return
	}
	if err := store.Close(); err != nil {
		l.line(false, "ledger", err.Error())
		return
	}
	l.line(true, "ledger", c.LedgerPath+" "+found)
}

// nothingLeft reports whether no write-ahead log of a lost ledger is beside path: Open explains
// what to do about that one, and touches nothing.
func nothingLeft(path string) bool {
	_, err := os.Stat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist)
}

func checkDigest(l *checklist, c config.Config, now time.Time) {
	if c.Digest == nil {
		l.skip("digest", "because of the mistake above")
		return
	}
	for _, s := range c.Digest {
		name := s.String()
		if len(c.Digest) == 1 {
			name = c.DigestSchedule
		}
		text := fmt.Sprintf("%s runs next at %s", name, s.Next(now).In(c.Zone).Format("Mon 2 Jan 2006 15:04 MST"))
		if s.Usual() > c.ScalingRetention {
			text += "; its figures go back no further than SCALING_RETENTION"
		}
		l.line(true, "digest", text)
	}
}

// checkAddr listens where the metrics are to be, for a moment.
func checkAddr(ctx context.Context, l *checklist, c config.Config, wrong map[string]bool) {
	const what = "HTTP_ADDR"
	if wrong[what] {
		return
	}
	listener, err := net.Listen("tcp", c.HTTPAddr)
	switch {
	case err == nil:
		listener.Close()
		l.line(true, what, c.HTTPAddr+" is free")
	case !errors.Is(err, syscall.EADDRINUSE):
		l.line(false, what, fmt.Sprintf("%v; write an address of this machine, for example :8080", err))
	case isRollcall(ctx, c.HTTPAddr): // as in the pod of the Rollcall that runs
		l.skip(what, "because a running Rollcall answers at "+c.HTTPAddr)
	default:
		l.line(false, what, c.HTTPAddr+" is in use by another program; write another port, for example :8081")
	}
}

// isRollcall reports whether a Rollcall shows its metrics at an address.
func isRollcall(ctx context.Context, addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://"+net.JoinHostPort(cmp.Or(host, "localhost"), port)+"/metrics", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return err == nil && strings.Contains(string(body), "rollcall_")
}
