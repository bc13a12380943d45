package slackemu

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"rollcall/manifests"
)

func ourManifest(t *testing.T) json.RawMessage {
	t.Helper()
	data, err := yaml.ToJSON([]byte(manifests.SlackApp))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Each mistake is refused with its place; our own manifest has none.
func TestCheckManifest(t *testing.T) {
	if err := CheckManifest(ourManifest(t)); err != nil {
		t.Fatalf("our own manifest: %v", err)
	}
	type object = map[string]any
	in := func(m object, path ...string) object {
		for _, key := range path {
			m = m[key].(object)
		}
		return m
	}
	for name, test := range map[string]struct {
		spoil func(m object)
		want  string
	}{
		"optional alone": {func(m object) {
			scopes := in(m, "oauth_config", "scopes")
			scopes["bot"] = slices.DeleteFunc(scopes["bot"].([]any), func(s any) bool { return s == "files:write" })
		}, "files:write must also be listed in bot [json-pointer:/oauth_config/scopes/bot_optional/"},
		"unknown list": {func(m object) { in(m, "oauth_config", "scopes")["optional"] = []any{} },
			"invalid additional property: optional [json-pointer:/oauth_config/scopes]"},
		"twice": {func(m object) {
			scopes := in(m, "oauth_config", "scopes")
			scopes["bot"] = append(scopes["bot"].([]any), "commands")
		}, "commands is there twice"},
		"no scope": {func(m object) { in(m, "oauth_config", "scopes")["bot"] = []any{"Post messages"} }, "is not a scope"},
		"a string": {func(m object) { in(m, "oauth_config", "scopes")["bot_optional"] = "files:write" },
			"must provide an array [json-pointer:/oauth_config/scopes/bot_optional]"},
		"event without its scope": {func(m object) {
			in(m, "oauth_config")["scopes"] = object{"bot": []any{"commands"}}
		}, "message.im requires the scope im:history"},
		"event":       {func(m object) { in(m, "settings", "event_subscriptions")["bot_events"] = []any{"team_join"} }, "team_join"},
		"name":        {func(m object) { in(m, "display_information")["name"] = strings.Repeat("a", 36) }, "/display_information/name"},
		"no name":     {func(m object) { delete(in(m, "display_information"), "name") }, "missing required field: name"},
		"colour":      {func(m object) { in(m, "display_information")["background_color"] = "blue" }, "/display_information/background_color"},
		"no URL":      {func(m object) { in(m, "settings")["socket_mode_enabled"] = false }, "missing required field: url"},
		"no settings": {func(m object) { delete(m, "settings") }, "missing required field: settings"},
		"command": {func(m object) {
			in(m, "features")["slash_commands"] = []any{object{"command": "Nodes", "description": "a"}}
		}, "Nodes is not a command"},
		"shortcut": {func(m object) {
			in(m, "features")["shortcuts"] = []any{object{"name": "a", "type": "app", "callback_id": "a", "description": "a"}}
		}, "/features/shortcuts/0/type"},
		"agent": {func(m object) {
			in(m, "features")["agent_view"] = object{"agent_description": "a"}
		}, "requires the scope assistant:write"},
		"assistant": {func(m object) {
			scopes := in(m, "oauth_config", "scopes")
			scopes["bot"] = append(scopes["bot"].([]any), "assistant:write")
		}, "assistant:write requires agent_view"},
		"elsewhere": {func(m object) { m["bot_optional"] = []any{} }, "invalid additional property: bot_optional"},
	} {
		var m object
		if err := json.Unmarshal(ourManifest(t), &m); err != nil {
			t.Fatal(err)
		}
		test.spoil(m)
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		err = CheckManifest(data)
		if err == nil || !strings.HasPrefix(err.Error(), "invalid_manifest: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if err := CheckManifest(json.RawMessage("display_information:")); err == nil {
		t.Error("what is no JSON is taken")
	}
}

// Only what is optional can be declined.
func TestInstall(t *testing.T) {
	granted, err := Install(ourManifest(t), "files:write", "im:history")
	if err != nil || !slices.Contains(granted, "channels:history") || slices.Contains(granted, "files:write") ||
		slices.Contains(granted, "im:history") {
		t.Errorf("%q, %v", granted, err)
	}
	for _, scope := range []string{"chat:write", "commands", "users:read", "pins:read"} {
		if _, err := Install(ourManifest(t), scope); err == nil || !strings.Contains(err.Error(), scope) {
			t.Errorf("%s is declined: %v", scope, err)
		}
	}
}
