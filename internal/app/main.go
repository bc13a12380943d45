package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"rollcall/internal/config"
)

// The program's exit codes.
const (
	ExitOK      = 0 // stopped on request
	ExitFailed  = 1 // failed while running, or a check failed
	ExitMistake = 2 // the configuration or the command line is wrong
)

const usage = `usage: bot [command]

  bot                     run, configured by environment variables (see the README)
  bot check               try everything a new installation gets wrong, and say what would be right
  bot price TYPE          what an instance type costs by the hour, and how that is known
      [--region R] [--provider aws|azure|gcp]
  bot digest --dry-run    print a digest of the ledger as text, and draw its picture; nothing is posted
      [--since 24h] [--picture FILE] [--cluster C]
  bot version             print the version`

// Main is the program: it returns the exit code, and the error to print.
func Main(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (int, error) {
	env := map[string]string{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	if len(args) == 0 {
		return runBot(ctx, env, stderr)
	}
	command, rest := args[0], args[1:]
	switch command {
	case "price":
		return price(rest, env, stdout)
	case "digest":
		return dryRun(ctx, rest, env, stdout)
	}
	if len(rest) > 0 {
		return ExitMistake, fmt.Errorf("%s takes no arguments, and %q is one\n%s", command, rest[0], usage)
	}
	switch command {
	case "check":
		if !Check(ctx, env, Version(), stdout) {
			return ExitFailed, nil
		}
		return ExitOK, nil
	case "version", "--version", "-v":
		fmt.Fprintln(stdout, "rollcall", Version())
		return ExitOK, nil
	case "help", "--help", "-h":
		fmt.Fprintln(stdout, usage)
		return ExitOK, nil
	}
	return ExitMistake, fmt.Errorf("unknown command %q\n%s", command, usage)
}

// runBot runs Rollcall until ctx ends.
func runBot(ctx context.Context, env map[string]string, stderr io.Writer) (int, error) {
	c, err := config.Load(env)
	mistakes, _ := errors.AsType[config.Mistakes](err)
	restConfig, cluster, err := findCluster(c)
	if err != nil {
		mistakes = append(mistakes, config.Mistake{Variable: "KUBECONFIG", Problem: err.Error()})
	}
	if len(mistakes) > 0 {
		return ExitMistake, mistakes
	}
	if err := RunCluster(ctx, c, restConfig, cluster, Options{Version: Version()}, NewLogger(c, stderr)); err != nil {
		return ExitFailed, err
	}
	return ExitOK, nil
}

// parse reads flags before, between and after at most one other argument, and returns that.
func parse(flags *flag.FlagSet, args []string) (string, error) {
	flags.SetOutput(io.Discard)
	other := ""
	for {
		if err := flags.Parse(args); err != nil {
			return "", err
		}
		if flags.NArg() == 0 {
			return other, nil
		}
		if other != "" {
			return "", fmt.Errorf("%q is one argument too many", flags.Arg(0))
		}
		other, args = flags.Arg(0), flags.Args()[1:]
	}
}

// mistaken is the end of a command that was used wrongly.
func mistaken(command string, err error) (int, error) {
	return ExitMistake, fmt.Errorf("bot %s: %w\n%s", command, err, usage)
}

// Version is the version that the binary was built from: the module's, or the commit's.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version, dirty := info.Main.Version, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && (version == "" || version == "(devel)"):
			version = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if version == "" || version == "(devel)" {
		return "devel"
	}
	return strings.TrimSuffix(version, dirty) + dirty
}

// NewLogger returns the logger that a Config asks for, writing to w.
func NewLogger(c config.Config, w io.Writer) *slog.Logger {
	text := c.LogFormat == "text"
	if f, ok := w.(*os.File); ok && c.LogFormat == "" {
		if info, err := f.Stat(); err == nil {
			text = info.Mode()&os.ModeCharDevice != 0
		}
	}
	options := &slog.HandlerOptions{Level: c.Level}
	if text {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
