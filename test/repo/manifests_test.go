package repo_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// documents decodes the YAML documents of a file, strictly, each into the next of into.
func documents(t *testing.T, name string, into ...any) {
	t.Helper()
	reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(read(t, name))))
	for i := 0; ; i++ {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) && i == len(into) {
			return
		}
		if err != nil {
			t.Fatalf("%s, document %d: %v", name, i+1, err)
		}
		if i == len(into) {
			t.Fatalf("%s has more than %d documents", name, len(into))
		}
		data, err := yaml.ToJSON(doc)
		if err != nil {
			t.Fatalf("%s, document %d: %v", name, i+1, err)
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(into[i]); err != nil {
			t.Fatalf("%s, document %d: %v", name, i+1, err)
		}
	}
}

// Limits of app manifests. Source: docs.slack.dev, App manifest reference.
func TestSlackApp(t *testing.T) {
	const name = "manifests/slack-app.yaml"
	var m slack.Manifest
	documents(t, name, &m)
	if n := len(m.Display.Name); n == 0 || n > 35 {
		t.Errorf("the name has %d characters, at most 35 are allowed", n)
	}
	if n := len(m.Display.Description); n == 0 || n > 140 {
		t.Errorf("the description has %d characters, at most 140 are allowed", n)
	}
	var commands []string
	for _, c := range m.Features.SlashCommands {
		commands = append(commands, c.Command)
		if c.Description == "" || c.UsageHint == "" {
			t.Errorf("%s lacks a description or a usage hint", c.Command)
		}
	}
	if diff := cmp.Diff([]string{"/nodes", "/events"}, commands); diff != "" {
		t.Errorf("slash commands, -want +got:\n%s", diff)
	}
	// Limits of shortcuts, from the same source.
	for _, s := range m.Features.Shortcuts {
		if n := len(s.Name); n == 0 || n > 24 || len(s.Description) > 150 || s.Type != slack.MessageShortcut {
			t.Errorf("a shortcut is not as Slack takes it: %+v", s)
		}
	}
	if len(m.Features.Shortcuts) != 1 || m.Features.Shortcuts[0].CallbackID != "why" {
		t.Errorf("the shortcuts are %+v", m.Features.Shortcuts)
	}
	for _, scope := range []string{"commands", "chat:write"} {
		if !slices.Contains(m.OAuthConfig.Scopes.Bot, scope) {
			t.Errorf("the scope %s is missing", scope)
		}
	}
	install := read(t, "docs/install.md")
	for _, scope := range m.OAuthConfig.Scopes.Bot {
		kind := "bot, required"
		if slices.Contains(m.OAuthConfig.Scopes.BotOptional, scope) {
			kind = "bot, optional |"
		}
		if !strings.Contains(install, "| `"+scope+"` | "+kind) {
			t.Errorf("docs/install.md does not explain the scope %s as one that is %s", scope, kind)
		}
	}
	if !m.Settings.SocketModeEnabled || m.Settings.Interactivity == nil || !m.Settings.Interactivity.IsEnabled {
		t.Error("Socket Mode or interactivity is not on")
	}
	if text := read(t, name); strings.Contains(text, "url:") {
		t.Error("with Socket Mode there are no URLs")
	}
}
