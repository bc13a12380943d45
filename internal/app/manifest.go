package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"rollcall/internal/command"
	"rollcall/internal/config"
	"rollcall/manifests"
)

const manifestUsage = `usage: rollcall manifest [--name NAME]

Prints the manifest of the Slack app, for https://api.slack.com/apps > Create New App > From a manifest. Its slash
commands are called what SLACK_COMMANDS says; no other variable counts. With several Rollcalls in one workspace each
needs names of its own, because Slack gives a command to one app only:

  SLACK_COMMANDS=nodes=/staging-nodes,events=/staging-events rollcall manifest --name "Rollcall staging"`

// runManifest is `rollcall manifest`.
func runManifest(_ context.Context, in call) (int, error) {
	fs := newFlags()
	name := fs.String("name", "Rollcall", "")
	others, err := parseFlags(fs, in.args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(in.stdout, manifestUsage)
		return ExitOK, nil
	}
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("%q is one argument too many", others[0])
	}
	if err == nil {
		err = checkAppName(*name)
	}
	if err != nil {
		return ExitMistake, fmt.Errorf("%w\n%s", err, manifestUsage)
	}
	c, err := config.Load(in.env)
	if wrong := config.MistakesIn(err, "SLACK_COMMANDS"); len(wrong) > 0 {
		return ExitMistake, wrong
	}
	fmt.Fprint(in.stdout, slackManifest(*name, c.Commands))
	return ExitOK, nil
}

// maxAppName is how long an app's name is at most, in characters. Source: docs.slack.dev, App manifest reference.
const maxAppName = 35

func checkAppName(name string) error {
	n := utf8.RuneCountInString(name)
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New(`--name is empty; write for example --name "Rollcall staging"`)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf(`--name %q holds more than one line; write for example --name "Rollcall staging"`, name)
	case n > maxAppName:
		return fmt.Errorf("--name %q has %d characters; Slack takes %d at most", name, n, maxAppName)
	}
	return nil
}

// appName is where the manifest says what the app is called.
var appName = regexp.MustCompile(`(?m)^(  (?:  display_)?name: )Rollcall$`)

// slackManifest is the app's manifest with a name and with names for its commands.
func slackManifest(name string, names command.Names) string {
	text := names.Show(manifests.SlackApp)
	if name == "Rollcall" {
		return text
	}
	quoted := strings.ReplaceAll(strconv.Quote(name), "$", "$$")
	return appName.ReplaceAllString(text, "${1}"+quoted)
}
