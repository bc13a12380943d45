package slackemu

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
)

// Where an element may stand. The combinations are those of the "compatible block types" in
// docs.slack.dev/reference/block-kit/block-elements.
const (
	inSection = 1 << iota
	inActions
	inInput
	inContext
)

type elementCheck struct {
	places int
	fields []string
	check  func(object)
}

// elementChecks is filled in init for the same reason as blockChecks.
var elementChecks map[string]elementCheck

var (
	dateForm = regexp.MustCompile(`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$`)
	timeForm = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d$`)
)

func init() {
	selectFields := []string{"placeholder", "confirm", "focus_on_load"}
	with := func(more ...string) []string { return append(slices.Clone(selectFields), more...) }
	anywhere := inSection | inActions | inInput
	elementChecks = map[string]elementCheck{
		"image": {inSection | inContext, []string{"image_url", "alt_text", "slack_file"}, checkImage},
		"button": {inSection | inActions, []string{"text", "url", "value", "style", "confirm", "accessibility_label"},
			checkButton},
		"overflow": {inSection | inActions, []string{"options", "confirm"}, func(o object) {
			o.options("options", true, 1, MaxOverflowOptions, plainText, true)
			o.confirm()
		}},
		"checkboxes": {anywhere, []string{"options", "initial_options", "confirm", "focus_on_load"}, func(o object) {
			opts := o.options("options", true, 1, MaxChoiceOptions, plainText|mrkdwn, false)
			o.initialOptions("initial_options", opts)
			o.confirm()
			o.focusOnLoad()
		}},
		"radio_buttons": {anywhere, []string{"options", "initial_option", "confirm", "focus_on_load"}, func(o object) {
			opts := o.options("options", true, 1, MaxChoiceOptions, plainText|mrkdwn, false)
			o.initialOption("initial_option", opts)
			o.confirm()
			o.focusOnLoad()
		}},
		"static_select": {anywhere, with("options", "option_groups", "initial_option"), func(o object) {
			opts := o.optionsOrGroups()
			o.initialOption("initial_option", opts)
			o.selectCommon()
		}},
		"multi_static_select": {anywhere &^ inActions,
			with("options", "option_groups", "initial_options", "max_selected_items"), func(o object) {
				opts := o.optionsOrGroups()
				o.initialOptions("initial_options", opts)
				o.integer("max_selected_items", false, 1, MaxSelectOptions)
				o.selectCommon()
			}},
		"external_select": {anywhere, with("initial_option", "min_query_length"), func(o object) {
			o.initialOption("initial_option", nil)
			o.integer("min_query_length", false, 0, 1000)
			o.selectCommon()
		}},
		"multi_external_select": {anywhere &^ inActions, with("initial_options", "min_query_length", "max_selected_items"),
			func(o object) {
				o.initialOptions("initial_options", nil)
				o.integer("min_query_length", false, 0, 1000)
				o.integer("max_selected_items", false, 1, MaxSelectOptions)
				o.selectCommon()
			}},
		"users_select": {anywhere, with("initial_user"), idSelect("initial_user", false)},
		"multi_users_select": {anywhere &^ inActions, with("initial_users", "max_selected_items"),
			idSelect("initial_users", true)},
		"channels_select": {anywhere, with("initial_channel", "response_url_enabled"), idSelect("initial_channel", false)},
		"multi_channels_select": {anywhere &^ inActions, with("initial_channels", "max_selected_items"),
			idSelect("initial_channels", true)},
		"conversations_select": {anywhere,
			with("initial_conversation", "default_to_current_conversation", "response_url_enabled", "filter"),
			idSelect("initial_conversation", false)},
		"multi_conversations_select": {anywhere &^ inActions,
			with("initial_conversations", "default_to_current_conversation", "filter", "max_selected_items"),
			idSelect("initial_conversations", true)},
		"datepicker": {anywhere, with("initial_date"),
			func(o object) { o.formed("initial_date", dateForm, "YYYY-MM-DD"); o.selectCommon() }},
		"timepicker": {anywhere, with("initial_time", "timezone"), func(o object) {
			o.formed("initial_time", timeForm, "HH:mm")
			o.str("timezone", false, 1, MaxID)
			o.selectCommon()
		}},
		"datetimepicker": {inActions | inInput, []string{"initial_date_time", "confirm", "focus_on_load"},
			checkDateTimePicker},
		"plain_text_input": {inInput, []string{"placeholder", "initial_value", "multiline", "min_length", "max_length",
			"dispatch_action_config", "focus_on_load"}, func(o object) {
			o.boolean("multiline", false)
			lo, hasLo := o.integer("min_length", false, 0, 3000)
			hi, hasHi := o.integer("max_length", false, 1, 3000)
			if hasLo && hasHi && lo > hi {
				o.v.fail(at(o.ptr, "min_length"), "must be less than max_length")
			}
			o.inputCommon()
		}},
		"email_text_input": {inInput, []string{"placeholder", "initial_value", "dispatch_action_config", "focus_on_load"},
			object.inputCommon},
		"url_text_input": {inInput, []string{"placeholder", "initial_value", "dispatch_action_config", "focus_on_load"},
			object.inputCommon},
		"number_input": {inInput, []string{"is_decimal_allowed", "placeholder", "initial_value", "min_value", "max_value",
			"dispatch_action_config", "focus_on_load"}, func(o object) {
			o.boolean("is_decimal_allowed", true)
			o.str("min_value", false, 1, MaxID)
			o.str("max_value", false, 1, MaxID)
			o.inputCommon()
		}},
		"rich_text_input": {inInput, []string{"placeholder", "initial_value", "dispatch_action_config", "focus_on_load",
			"min_lines", "max_lines"}, func(o object) {
			if init, ok := o.m["initial_value"]; ok {
				ptr := at(o.ptr, "initial_value")
				if rt, ok := o.v.object(init, ptr); ok {
					rt.only("type", "block_id", "elements")
					rt.enum("type", true, "rich_text")
					checkRichText(rt)
				}
			}
			o.integer("min_lines", false, 1, 100)
			o.integer("max_lines", false, 1, 100)
			o.text("placeholder", false, plainText, MaxPlaceholder)
			o.dispatchConfig()
			o.focusOnLoad()
		}},
		"file_input": {inInput, []string{"filetypes", "max_files"}, func(o object) {
			if o.v.surface != SurfaceModal {
				o.v.fail(at(o.ptr, "type"), "unsupported type: file_input")
			}
			o.strings("filetypes", false, 1, 0)
			o.integer("max_files", false, 1, 10)
		}},
	}
}

// element checks an interactive element or image. ids collects the action_ids of the containing block, which must be
// different; nil where a block holds one element.
func (v *validator) element(val any, ptr string, place int, ids map[string]bool) {
	o, ok := v.object(val, ptr)
	if !ok {
		return
	}
	if !o.has("type") {
		o.missing("type")
		return
	}
	check, known := elementChecks[o.kind()]
	if !known || check.places&place == 0 {
		v.fail(at(ptr, "type"), "unsupported type: %v", o.m["type"])
		return
	}
	fields := append([]string{"type"}, check.fields...)
	if o.kind() != "image" {
		fields = append(fields, "action_id")
		if id := o.str("action_id", false, 1, MaxID); id != "" && ids != nil {
			if ids[id] {
				v.fail(at(ptr, "action_id"), "`action_id` %s already exists", id)
			}
			ids[id] = true
		}
	}
	o.only(fields...)
	check.check(o)
}

func checkButton(o object) {
	o.text("text", true, plainText, MaxButtonText)
	o.link("url", false, false)
	o.str("value", false, 1, MaxButtonValue)
	o.enum("style", false, "primary", "danger")
	o.str("accessibility_label", false, 1, MaxButtonText)
	o.confirm()
}

func checkDateTimePicker(o object) {
	if n, ok := o.integer("initial_date_time", false, 0, 9_999_999_999); ok && n < 1_000_000_000 {
		o.v.fail(at(o.ptr, "initial_date_time"), "must be a UNIX timestamp of 10 digits")
	}
	o.confirm()
	o.focusOnLoad()
}

func idSelect(initial string, multi bool) func(object) {
	return func(o object) {
		if multi {
			o.strings(initial, false, 1, MaxSelectOptions)
			o.integer("max_selected_items", false, 1, MaxSelectOptions)
		} else {
			o.str(initial, false, 1, MaxID)
		}
		o.boolean("default_to_current_conversation", false)
		if o.boolean("response_url_enabled", false) && o.v.surface != SurfaceModal {
			o.v.fail(at(o.ptr, "response_url_enabled"), "only allowed in modals")
		}
		if f, ok := o.m["filter"]; ok {
			if f, ok := o.v.object(f, at(o.ptr, "filter")); ok {
				f.only("include", "exclude_external_shared_channels", "exclude_bot_users")
				if len(f.m) == 0 {
					o.v.fail(f.ptr, "must define at least one field")
				}
				for i, s := range f.strings("include", false, 1, 4) {
					if !slices.Contains([]string{"im", "mpim", "private", "public"}, s) {
						o.v.fail(at(at(f.ptr, "include"), i), "must be a valid enum value: im, mpim, private, public")
					}
				}
				f.boolean("exclude_external_shared_channels", false)
				f.boolean("exclude_bot_users", false)
			}
		}
		o.selectCommon()
	}
}

func (o object) selectCommon() {
	o.text("placeholder", false, plainText, MaxPlaceholder)
	o.confirm()
	o.focusOnLoad()
}

func (o object) inputCommon() {
	o.text("placeholder", false, plainText, MaxPlaceholder)
	o.v.chars += length(o.str("initial_value", false, 0, 3000))
	o.dispatchConfig()
	o.focusOnLoad()
}

func (o object) dispatchConfig() {
	val, ok := o.m["dispatch_action_config"]
	if !ok {
		return
	}
	c, ok := o.v.object(val, at(o.ptr, "dispatch_action_config"))
	if !ok {
		return
	}
	c.only("trigger_actions_on")
	for i, s := range c.strings("trigger_actions_on", false, 1, 2) {
		if s != "on_enter_pressed" && s != "on_character_entered" {
			o.v.fail(at(at(c.ptr, "trigger_actions_on"), i),
				"must be a valid enum value: on_enter_pressed, on_character_entered")
		}
	}
}

// focusOnLoad counts: only one element of a view may ask for the focus.
func (o object) focusOnLoad() {
	if !o.boolean("focus_on_load", false) {
		return
	}
	o.v.focus++
	if o.v.focus > 1 {
		o.v.fail(at(o.ptr, "focus_on_load"), "only one element can be focused on load")
	}
}

func (o object) formed(key string, form *regexp.Regexp, want string) {
	if s := o.str(key, false, 1, 0); s != "" && !form.MatchString(s) {
		o.v.fail(at(o.ptr, key), "must be of the form %s", want)
	}
}

func (o object) confirm() {
	val, ok := o.m["confirm"]
	if !ok {
		return
	}
	c, ok := o.v.object(val, at(o.ptr, "confirm"))
	if !ok {
		return
	}
	c.only("title", "text", "confirm", "deny", "style")
	c.text("title", true, plainText, MaxConfirmTitle)
	c.text("text", true, plainText|mrkdwn, MaxConfirmText)
	c.text("confirm", true, plainText, MaxConfirmButton)
	c.text("deny", false, plainText, MaxConfirmButton)
	c.enum("style", false, "primary", "danger")
}

func (v *validator) option(val any, ptr string, kinds int, urlAllowed bool) (map[string]any, string) {
	o, ok := v.object(val, ptr)
	if !ok {
		return nil, ""
	}
	fields := []string{"text", "value", "description"}
	if urlAllowed {
		fields = append(fields, "url")
		o.link("url", false, false)
	}
	o.only(fields...)
	o.text("text", true, kinds, MaxOptionText)
	o.text("description", false, kinds, MaxOptionText)
	return o.m, o.str("value", true, 1, MaxOptionValue)
}

func (o object) options(key string, required bool, lo, hi, kinds int, urlAllowed bool) []map[string]any {
	var out []map[string]any
	seen := map[string]bool{}
	for i, val := range o.list(key, required, lo, hi) {
		ptr := at(at(o.ptr, key), i)
		m, value := o.v.option(val, ptr, kinds, urlAllowed)
		if value != "" && seen[value] {
			o.v.fail(at(ptr, "value"), "option values must be unique: %s", value)
		}
		seen[value] = true
		if m != nil {
			out = append(out, m)
		}
	}
	return out
}

func (o object) optionsOrGroups() []map[string]any {
	if o.has("options") == o.has("option_groups") {
		o.v.fail(o.ptr, "must define either `options` or `option_groups`")
		return nil
	}
	if o.has("options") {
		return o.options("options", true, 1, MaxSelectOptions, plainText, false)
	}
	return o.groups()
}

func (o object) groups() []map[string]any {
	var out []map[string]any
	for i, val := range o.list("option_groups", true, 1, MaxSelectOptions) {
		g, ok := o.v.object(val, at(at(o.ptr, "option_groups"), i))
		if !ok {
			continue
		}
		g.only("label", "options")
		g.text("label", true, plainText, MaxOptionText)
		out = append(out, g.options("options", true, 1, MaxSelectOptions, plainText, false)...)
	}
	return out
}

// initialOption must be one of the options, exactly; nil options mean that they are not known here.
func (o object) initialOption(key string, options []map[string]any) {
	if val, ok := o.m[key]; ok {
		o.v.initial(val, at(o.ptr, key), options)
	}
}

func (o object) initialOptions(key string, options []map[string]any) {
	for i, val := range o.list(key, false, 1, MaxSelectOptions) {
		o.v.initial(val, at(at(o.ptr, key), i), options)
	}
}

func (v *validator) initial(val any, ptr string, options []map[string]any) {
	before := v.chars
	m, _ := v.option(val, ptr, plainText|mrkdwn, false)
	v.chars = before // the option is already counted
	if m == nil || options == nil {
		return
	}
	if !slices.ContainsFunc(options, func(opt map[string]any) bool { return reflect.DeepEqual(opt, m) }) {
		v.fail(ptr, "must exactly match one of the provided options: %s", fmt.Sprint(m["value"]))
	}
}
