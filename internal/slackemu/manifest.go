package slackemu

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Limits of app manifests. Source: docs.slack.dev, App manifest reference.
const (
	maxAppName        = 35
	maxAppDescription = 140
	maxBotName        = 80
	maxCommands       = 50
	maxCommand        = 32
	maxUsageHint      = 1000
	maxShortcuts      = 10
	maxShortcutName   = 24
	maxShortcutText   = 150
	maxCallbackID     = 255
	maxAgentText      = 300
	maxScopes         = 255
	maxEvents         = 100
)

var (
	colour    = regexp.MustCompile(`^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)
	scopeForm = regexp.MustCompile(`^[a-z]+([.:][a-z]+)*$`)
	command   = regexp.MustCompile(`^/[^\s/A-Z][^\sA-Z]*$`)
)

// scopesOfEvents are what events are sent for; the others that it knows need none.
var scopesOfEvents = map[string]string{"app_home_opened": "", eventMessageIM: "im:history"}

// CheckManifest checks an app manifest in JSON as Slack does when an app is made from it: required fields, limits,
// fields that it does not know, and what belongs together. It knows the parts of a manifest that an app with what the
// emulator offers can have, and refuses the others. It returns nil or an *InvalidError with the code invalid_manifest.
func CheckManifest(manifest json.RawMessage) error {
	_, err := checkManifest(manifest)
	return err
}

// Install installs an app from its manifest, as a person does who declines some of its optional scopes, and returns
// what its bot token may do. Scopes that are not optional cannot be declined.
func Install(manifest json.RawMessage, declined ...string) (granted []string, err error) {
	scopes, err := checkManifest(manifest)
	if err != nil {
		return nil, err
	}
	for _, scope := range declined {
		if !slices.Contains(scopes.optional, scope) {
			return nil, fmt.Errorf("the scope %s is not optional, so nobody can decline it", scope)
		}
	}
	return slices.DeleteFunc(scopes.bot, func(scope string) bool { return slices.Contains(declined, scope) }), nil
}

// asked are the scopes of a bot token that a manifest asks for.
type asked struct{ bot, optional []string }

func checkManifest(manifest json.RawMessage) (scopes asked, err error) {
	v := &validator{code: "invalid_manifest"}
	val, err := decodeJSON(manifest)
	if err != nil {
		return scopes, &InvalidError{Code: "invalid_manifest", Messages: []string{"[ERROR] " + err.Error()}}
	}
	if m, ok := v.object(val, ""); ok {
		m.only("display_information", "features", "oauth_config", "settings")
		if about, ok := m.below("display_information", true); ok {
			about.only("name", "description", "background_color")
			about.str("name", true, 1, maxAppName)
			about.str("description", false, 0, maxAppDescription)
			if about.has("background_color") && !colour.MatchString(about.str("background_color", false, 0, 0)) {
				v.fail(at(about.ptr, "background_color"), "must be a colour in hexadecimal form")
			}
		}
		socket := m.manifestSettings()
		scopes = m.manifestScopes()
		m.manifestFeatures(socket, scopes.bot)
	}
	if len(v.problems) > 0 {
		return scopes, v.err()
	}
	return scopes, nil
}

// below is the object in a field.
func (o object) below(key string, required bool) (object, bool) {
	val, ok := o.m[key]
	if !ok {
		if required {
			o.missing(key)
		}
		return object{}, false
	}
	return o.v.object(val, at(o.ptr, key))
}

// manifestSettings checks the settings, and says whether Socket Mode is on, without which there must be URLs.
func (o object) manifestSettings() (socket bool) {
	settings, ok := o.below("settings", true)
	if !ok {
		return false
	}
	settings.only("socket_mode_enabled", "interactivity", "event_subscriptions", "org_deploy_enabled",
		"token_rotation_enabled")
	socket = settings.boolean("socket_mode_enabled", false)
	settings.boolean("org_deploy_enabled", false)
	settings.boolean("token_rotation_enabled", false)
	if interactivity, ok := settings.below("interactivity", false); ok {
		interactivity.only("is_enabled", "request_url", "message_menu_options_url")
		if interactivity.boolean("is_enabled", true) && !socket {
			interactivity.str("request_url", true, 1, 0)
		}
	}
	if events, ok := settings.below("event_subscriptions", false); ok {
		events.only("request_url", "bot_events")
		if !socket {
			events.str("request_url", true, 1, 0)
		}
	}
	return socket
}

// manifestScopes checks the scopes, and that each event that is subscribed to has its own.
func (o object) manifestScopes() (scopes asked) {
	if config, ok := o.below("oauth_config", false); ok {
		config.only("scopes", "redirect_urls")
		if all, ok := config.below("scopes", false); ok {
			all.only("bot", "bot_optional")
			scopes.bot = all.scopes("bot")
			scopes.optional = all.scopes("bot_optional")
			for i, scope := range scopes.optional {
				// "Optional scopes must also be listed in the corresponding bot or user fields": Installing with OAuth.
				if !slices.Contains(scopes.bot, scope) {
					o.v.fail(at(at(all.ptr, "bot_optional"), i), "%s must also be listed in bot", scope)
				}
			}
		}
	}
	settings, _ := o.m["settings"].(map[string]any)
	events, ok := settings["event_subscriptions"].(map[string]any)
	if !ok {
		return scopes
	}
	subscribed := object{o.v, "/settings/event_subscriptions", events}
	for i, event := range subscribed.strings("bot_events", false, 0, maxEvents) {
		ptr := at(at(subscribed.ptr, "bot_events"), i)
		needed, known := scopesOfEvents[event]
		if !known {
			o.v.fail(ptr, "%s is not supported by the emulator", event)
		} else if needed != "" && !slices.Contains(scopes.bot, needed) {
			o.v.fail(ptr, "%s requires the scope %s", event, needed)
		}
	}
	return scopes
}

func (o object) scopes(key string) []string {
	all := o.strings(key, false, 0, maxScopes)
	for i, scope := range all {
		if !scopeForm.MatchString(scope) {
			o.v.fail(at(at(o.ptr, key), i), "%s is not a scope", scope)
		}
		if slices.Contains(all[:i], scope) {
			o.v.fail(at(at(o.ptr, key), i), "%s is there twice", scope)
		}
	}
	return all
}

func (o object) manifestFeatures(socket bool, scopes []string) {
	features, ok := o.below("features", false)
	if !ok {
		return
	}
	features.only("app_home", "bot_user", "slash_commands", "shortcuts", "agent_view")
	if home, ok := features.below("app_home", false); ok {
		home.only("home_tab_enabled", "messages_tab_enabled", "messages_tab_read_only_enabled")
		for key := range home.m {
			home.boolean(key, false)
		}
	}
	if bot, ok := features.below("bot_user", len(scopes) > 0); ok {
		bot.only("display_name", "always_online")
		bot.str("display_name", true, 1, maxBotName)
		bot.boolean("always_online", false)
	}
	for i, val := range features.list("slash_commands", false, 0, maxCommands) {
		c, ok := o.v.object(val, at(at(features.ptr, "slash_commands"), i))
		if !ok {
			continue
		}
		c.only("command", "url", "description", "usage_hint", "should_escape")
		if name := c.str("command", true, 2, maxCommand); name != "" && !command.MatchString(name) {
			o.v.fail(at(c.ptr, "command"), "%s is not a command: a slash, and no capital letters or blanks", name)
		}
		c.str("description", true, 1, 2000)
		c.str("usage_hint", false, 0, maxUsageHint)
		c.boolean("should_escape", false)
		if !socket {
			c.str("url", true, 1, 0)
		}
		o.requires(c.ptr, "commands", scopes)
	}
	for i, val := range features.list("shortcuts", false, 0, maxShortcuts) {
		c, ok := o.v.object(val, at(at(features.ptr, "shortcuts"), i))
		if !ok {
			continue
		}
		c.only("name", "type", "callback_id", "description")
		c.str("name", true, 1, maxShortcutName)
		c.enum("type", true, "message", "global")
		c.str("callback_id", true, 1, maxCallbackID)
		c.str("description", true, 1, maxShortcutText)
		o.requires(c.ptr, "commands", scopes)
	}
	agent, ok := features.below("agent_view", false)
	if !ok {
		if slices.Contains(scopes, "assistant:write") {
			o.v.fail("/oauth_config/scopes/bot", "assistant:write requires agent_view")
		}
		return
	}
	agent.only("agent_description", "suggested_prompts")
	agent.str("agent_description", true, 1, maxAgentText)
	for i, val := range agent.list("suggested_prompts", false, 0, 0) {
		if p, ok := o.v.object(val, at(at(agent.ptr, "suggested_prompts"), i)); ok {
			p.only("title", "message")
			p.str("title", true, 1, 0)
			p.str("message", true, 1, 0)
		}
	}
	o.requires(agent.ptr, "assistant:write", scopes)
}

func (o object) requires(ptr, scope string, scopes []string) {
	if !slices.Contains(scopes, scope) {
		o.v.fail(ptr, "requires the scope %s; there are %s", scope, strings.Join(scopes, ", "))
	}
}
