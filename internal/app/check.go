package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
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
// for each failure, and reports whether all is well. environ is the environment.
func Check(ctx context.Context, environ map[string]string, version string, out io.Writer) bool {
	l := &checklist{out: out}
	c, err := config.Load(environ)
	wrong := map[string]bool{}
	if ms, ok := err.(config.Mistakes); ok {
		for _, m := range ms {
			wrong[m.Variable] = true
			l.line(false, m.Variable, m.Problem)
		}
	}
	if len(wrong) == 0 {
		l.line(true, "configuration", "every variable can be read")
	}
	checkSlack(ctx, l, c, wrong)
	checkCluster(ctx, l, c, version)
	checkLedger(ctx, l, c, wrong)
	if wrong["DIGEST_SCHEDULE"] || wrong["DIGEST_TIMEZONE"] {
		l.skip("digest", "its schedule or time zone is wrong")
	} else {
		next := c.Digest.Next(time.Now())
		l.line(!next.IsZero(), "digest", fmt.Sprintf("%s in %s runs next at %s", c.DigestSchedule, c.DigestTimezone, next.Format("Mon 2 Jan 2006 15:04 MST")))
	}
	if l.failed > 0 {
		fmt.Fprintf(out, "\n%d of the checks failed.\n", l.failed)
		return false
	}
	fmt.Fprintln(out, "\nEverything is in place.")
	return true
}

func checkSlack(ctx context.Context, l *checklist, c config.Config, wrong map[string]bool) {
	if wrong["SLACK_API_URL"] || wrong["SLACK_BOT_TOKEN"] {
		l.skip("Slack bot token", "it or SLACK_API_URL is wrong")
	} else {
		channels := []string{c.SlackChannel}
		if c.DigestChannel != c.SlackChannel {
			channels = append(channels, c.DigestChannel)
		}
		for _, f := range slackapp.CheckBot(ctx, slackAPI(c), channels) {
			l.line(f.OK, f.What, f.Detail)
		}
	}
	if wrong["SLACK_API_URL"] || wrong["SLACK_APP_TOKEN"] || wrong["SLACK_BOT_TOKEN"] {
		l.skip("Slack Socket Mode", "a token or SLACK_API_URL is wrong")
		return
	}
	f := slackapp.CheckSocket(ctx, slackAPI(c))
	l.line(f.OK, f.What, f.Detail)
}

func checkCluster(ctx context.Context, l *checklist, c config.Config, version string) {
	restConfig, name, err := k8s.Load(c.Kubeconfig, c.KubeContext)
	if err != nil {
		l.line(false, "kubeconfig", err.Error())
		return
	}
	l.line(true, "kubeconfig", "cluster "+cmp.Or(c.ClusterName, name, "kubernetes"))
	client, err := k8s.NewClient(restConfig, version)
	if err != nil {
		l.line(false, "kubeconfig", err.Error())
		return
	}
	for _, f := range client.Check(ctx) {
		l.line(f.OK, f.What, f.Detail)
	}
}

func checkLedger(ctx context.Context, l *checklist, c config.Config, wrong map[string]bool) {
	if wrong["DATABASE_URL"] {
		l.skip("ledger", "DATABASE_URL is wrong")
		return
	}
	store, err := ledger.Open(ctx, c.LedgerPath, ledger.Options{LockWait: 100 * time.Millisecond})
	if err != nil {
		l.line(false, "ledger", err.Error())
		return
	}
	defer store.Close()
	l.line(true, "ledger", c.LedgerPath+" can be written")
}
