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
	"rollcall/internal/nearest"
)

// The program's exit codes.
const (
	ExitOK      = 0 // stopped on request
	ExitFailed  = 1 // failed while running, or a check failed
	ExitMistake = 2 // the configuration or the command line is wrong
)

const usage = `usage: rollcall [check [--post] | price TYPE | digest --dry-run | routes | manifest | backup FILE |
                 restore FILE | version]

  rollcall                    run, configured by environment variables (see docs/configuration.md)
  rollcall check              try everything a new installation gets wrong, and say what would be right; with --post
                              also post one message into each channel, and delete it
  rollcall price TYPE         say what an instance type costs; rollcall price --help tells more
  rollcall digest --dry-run   print a digest and draw its picture, without posting it; rollcall digest --help tells more
  rollcall routes             print which channel gets what, as ROUTES says; rollcall routes --help tells more
  rollcall manifest           print the manifest of the Slack app; rollcall manifest --help tells more
  rollcall backup FILE        copy the ledger into a new file, also while Rollcall runs
  rollcall restore FILE       put such a copy in the ledger's place, while Rollcall does not run
  rollcall version            print the version`

// call is one invocation of the program.
type call struct {
	args   []string // after the command's name
	env    map[string]string
	stdout io.Writer
	stderr io.Writer
}

// subcommand is one of the program's commands. run returns the exit code, and the error to print.
type subcommand struct {
	run  func(context.Context, call) (int, error)
	args bool // it takes arguments
}

var commands = map[string]subcommand{
	"":         {run: runBot},
	"check":    {run: runCheck, args: true},
	"price":    {run: runPrice, args: true},
	"digest":   {run: runDigest, args: true},
	"backup":   {run: runBackup, args: true},
	"restore":  {run: runRestore, args: true},
	"manifest": {run: runManifest, args: true},
	"routes":   {run: runRoutes, args: true},
	"version":  {run: printVersion}, "--version": {run: printVersion}, "-v": {run: printVersion},
	"help": {run: printUsage}, "--help": {run: printUsage}, "-h": {run: printUsage},
}

// Main is the program: it returns the exit code, and the error to print.
func Main(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (int, error) {
	env := map[string]string{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	name, rest := "", args
	if len(args) > 0 {
		name, rest = args[0], args[1:]
	}
	c, ok := commands[name]
	if !ok || len(rest) > 0 && !c.args {
		return ExitMistake, fmt.Errorf("unknown command %q\n%s", strings.Join(args, " "), usage)
	}
	return c.run(ctx, call{rest, env, stdout, stderr})
}

func runBot(ctx context.Context, in call) (int, error) {
	c, err := config.Load(in.env)
	mistakes := config.MistakesIn(err)
	clusters, err := FindClusters(c)
	if err != nil {
		mistakes = append(mistakes, config.Mistake{Variable: "KUBECONFIG", Problem: err.Error()})
	}
	if len(mistakes) > 0 {
		return ExitMistake, mistakes
	}
	log := NewLogger(c, in.stderr)
	for _, m := range config.Misspelt(in.env) {
		log.Warn("a variable has no effect", "variable", m.Variable, "hint", m.Problem)
	}
	if err := Run(ctx, c, clusters, Options{Version: Version()}, log); err != nil {
		return ExitFailed, err
	}
	return ExitOK, nil
}

func runCheck(ctx context.Context, in call) (int, error) {
	fs := newFlags()
	post := fs.Bool("post", false, "")
	others, err := parseFlags(fs, in.args)
	if errors.Is(err, flag.ErrHelp) {
		return printUsage(ctx, in)
	}
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("check takes no argument but --post, and not %q", others[0])
	}
	if err != nil {
		return ExitMistake, err
	}
	if !Check(ctx, in.env, Version(), *post, in.stdout) {
		return ExitFailed, nil
	}
	return ExitOK, nil
}

func printVersion(_ context.Context, in call) (int, error) {
	fmt.Fprintln(in.stdout, "rollcall", Version())
	return ExitOK, nil
}

func printUsage(_ context.Context, in call) (int, error) {
	fmt.Fprintln(in.stdout, usage)
	return ExitOK, nil
}

// newFlags returns the flags of a command, which prints nothing by itself.
func newFlags() *flag.FlagSet {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs
}

// parseFlags reads flags, which may stand before and after other arguments, and returns these.
// Its error is flag.ErrHelp if help is asked for.
func parseFlags(fs *flag.FlagSet, args []string) (others []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
				var names []string
				fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
				return nil, fmt.Errorf("there is no flag --%s%s", strings.TrimLeft(name, "-"),
					meant(nearest.Word(name, names...), "--"))
			}
			return nil, err
		}
		if fs.NArg() == 0 {
			return others, nil
		}
		others, args = append(others, fs.Arg(0)), fs.Args()[1:]
	}
}

// meant asks whether a word is meant, which was perhaps found.
func meant(word, prefix string) string {
	if word == "" {
		return ""
	}
	return "; is " + prefix + word + " meant?"
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
