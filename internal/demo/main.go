package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"rollcall/internal/alert"
	"rollcall/internal/app"
	"rollcall/internal/config"
)

const usage = `usage: demo [--cluster=sim|real]

Shows Rollcall at work in a browser: the real bot against an emulated Slack. The cluster is a
simulated one, or with --cluster=real the one that KUBECONFIG (and KUBE_CONTEXT) name: Rollcall
only reads it, and nothing reaches a real Slack.

  DEMO_ADDR      where to serve the page (default 127.0.0.1:8080, or a free port if it is taken)
  DATABASE_URL   the ledger (default: in a temporary folder, which is removed at the end)

Every other variable of Rollcall but Slack's and HTTP_ADDR is handed to the bot.
`

// Main is the program: it returns the exit code, and the error to print. With the first
// argument "bot" it is the bot's own process, which ends when in does.
func Main(ctx context.Context, args, environ []string, in io.Reader, stdout, stderr io.Writer) (int, error) {
	if len(args) > 0 && args[0] == "bot" {
		return runBot(ctx, args[1:], environ, in, stderr)
	}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	cluster := flags.String("cluster", "sim", "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return app.ExitOK, nil
	case err != nil:
		return app.ExitMistake, fmt.Errorf("%w\n%s", err, usage)
	case flags.NArg() > 0:
		return app.ExitMistake, fmt.Errorf("unknown argument %q\n%s", flags.Arg(0), usage)
	case *cluster != "sim" && *cluster != "real":
		return app.ExitMistake,
			fmt.Errorf("--cluster=%s: write --cluster=sim for the simulated cluster or --cluster=real for the one that "+
				"KUBECONFIG names", *cluster)
	}
	if err := Run(ctx, Config{RealCluster: *cluster == "real", Environ: environ}, stdout); err != nil {
		return app.ExitFailed, err
	}
	return app.ExitOK, nil
}

// runBot is the bot: app.Run with the environment's configuration, as cmd/bot does it. It stops
// when in ends, so that no bot outlives its demo.
func runBot(ctx context.Context, args, environ []string, in io.Reader, stderr io.Writer) (int, error) {
	flags := flag.NewFlagSet("bot", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var decide alert.Config
	flags.DurationVar(&decide.ReadyDeadline, "ready-deadline", 0, "")
	flags.DurationVar(&decide.CatchUpAfter, "catch-up-after", 0, "")
	if err := flags.Parse(args); err != nil {
		return app.ExitMistake, err
	}
	c, err := config.Load(environment(environ))
	if err != nil {
		return app.ExitMistake, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		io.Copy(io.Discard, in) // ends with the demo
		cancel()
	}()
	clusters, err := app.FindClusters(c)
	if err != nil {
		return app.ExitMistake, err
	}
	if err := app.Run(ctx, c, clusters, app.Options{Version: app.Version(), Alert: decide},
		app.NewLogger(c, stderr)); err != nil {
		return app.ExitFailed, err
	}
	return app.ExitOK, nil
}
