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

	"rollcall/internal/answer"
	"rollcall/internal/command"
	"rollcall/internal/config"
	"rollcall/manifests"
)

const manifestUsage = `usage: rollcall manifest [--name NAME] [--agent]

Prints the manifest of the Slack app, for https://api.slack.com/apps > Create New App > From a manifest. Its slash
commands are called what SLACK_COMMANDS says; no other variable counts. With several Rollcalls in one workspace each
needs names of its own, because Slack gives a command to one app only:

  SLACK_COMMANDS=nodes=/staging-nodes,events=/staging-events rollcall manifest --name "Rollcall staging"

With --agent Slack shows the app among its agents, and suggests what to ask under Messages, for which some workspaces
need a paid plan. No language model is used.`

// runManifest is `rollcall manifest`.
func runManifest(_ context.Context, in call) (int, error) {
	fs := newFlags()
	name := fs.String("name", "Rollcall", "")
	agent := fs.Bool("agent", false, "")
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
	fmt.Fprint(in.stdout, slackManifest(*name, c.Commands, *agent))
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

// slackManifest is the app's manifest with a name, with names for its commands, and as that of an agent.
func slackManifest(name string, names command.Names, agent bool) string {
	text := names.Show(manifests.SlackApp)
	if agent {
		text = strings.Replace(text, "features:\n", "features:\n"+agentView(), 1)
		text = strings.Replace(text, "      - commands\n", "      - commands\n"+agentScope, 1)
	}
	if name == "Rollcall" {
		return text
	}
	quoted := strings.ReplaceAll(strconv.Quote(name), "$", "$$")
	return appName.ReplaceAllString(text, "${1}"+quoted)
}

// agentScope lets the app suggest what to ask. Slack takes it only of an app that has agent_view.
const agentScope = "      # Suggest what to ask.\n      - assistant:write\n"

// agentView makes the app one of Slack's agents, whose prompts are there before the first message.
func agentView() string {
	var b strings.Builder
	b.WriteString("  agent_view:\n    agent_description: Ask which nodes there are, why they came or left, and what " +
		"they cost.\n" +
		"    suggested_prompts:\n")
	for _, p := range answer.Prompts {
		fmt.Fprintf(&b, "      - title: %q\n        message: %q\n", p.Title, p.Text)
	}
	return b.String()
}
