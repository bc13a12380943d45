package slackemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"
)

func rep(n int) string { return strings.Repeat("x", n) }

// list is a JSON array of n items made by f.
func list(n int, f func(int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = f(i)
	}
	return "[" + strings.Join(items, ",") + "]"
}

func same(s string) func(int) string { return func(int) string { return s } }

func plain(text string) string { return fmt.Sprintf(`{"type":"plain_text","text":%q}`, text) }
func mark(text string) string  { return fmt.Sprintf(`{"type":"mrkdwn","text":%q}`, text) }

func option(i int) string { return fmt.Sprintf(`{"text":%s,"value":"v%d"}`, plain("o"), i) }

func button(i int) string {
	return fmt.Sprintf(`{"type":"button","text":%s,"action_id":"a%d"}`, plain("b"), i)
}

// TestBlockRules has a valid and an invalid form of every rule. want is a part of the message that the invalid form
// gets, with its JSON pointer.
func TestBlockRules(t *testing.T) {
	section := func(rest string) string { return `[{"type":"section",` + rest + `}]` }
	accessory := func(e string) string { return section(`"text":` + mark("x") + `,"accessory":` + e) }
	actions := func(e string) string { return `[{"type":"actions","elements":[` + e + `]}]` }
	input := func(e string) string {
		return `[{"type":"input","label":` + plain("l") + `,"element":` + e + `}]`
	}
	rich := func(e string) string { return `[{"type":"rich_text","elements":[` + e + `]}]` }
	inline := func(e string) string { return rich(`{"type":"rich_text_section","elements":[` + e + `]}`) }
	table := func(rows string) string { return `[{"type":"table","rows":` + rows + `}]` }
	cell := func(text string) string { return fmt.Sprintf(`{"type":"raw_text","text":%q}`, text) }
	// data is a data_table of one column: its header, then rows of one cell each.
	data := func(rest string, cells ...string) string {
		var rows strings.Builder
		rows.WriteString("[[" + cell("Name") + "]")
		for _, c := range cells {
			rows.WriteString(",[" + c + "]")
		}
		return `[{"type":"data_table","caption":"Nodes","rows":` + rows.String() + `]` + rest + `}]`
	}
	wide := func(rest string, header, row string) string {
		return `[{"type":"data_table","caption":"Nodes","rows":[` + header + `,` + row + `]` + rest + `}]`
	}
	number := func(rest string) string { return `{"type":"raw_number"` + rest + `}` }
	press := func(element, rest string) string {
		return `{"type":"action_cell","element":` + element + rest + `}`
	}
	word := `{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}`
	chart := func(c string) string {
		return `[{"type":"data_visualization","title":"t","chart":` + c + `}]`
	}
	line := func(categories, series string) string {
		return chart(`{"type":"line","axis_config":{"categories":` + categories + `},"series":` + series + `}`)
	}
	series := func(name string, labels ...string) string {
		return fmt.Sprintf(`{"name":%q,"data":%s}`, name,
			list(len(labels), func(i int) string { return fmt.Sprintf(`{"label":%q,"value":-1.5}`, labels[i]) }))
	}
	confirm := func(title, text, ok string) string {
		return accessory(`{"type":"button","text":` + plain("b") + `,"confirm":{"title":` + plain(title) + `,"text":` +
			plain(text) + `,"confirm":` + plain(ok) + `,"deny":` + plain("no") + `}}`)
	}
	sel := func(rest string) string { return accessory(`{"type":"static_select",` + rest + `}`) }

	for _, c := range []struct {
		rule, valid, invalid, want string
		surface                    Surface // default message
	}{
		{rule: "known types", valid: `[{"type":"divider"}]`, invalid: `[{"type":"dividr"}]`,
			want: "unsupported type: dividr [json-pointer:/blocks/0/type]"},
		{rule: "a type", valid: `[{"type":"divider"}]`, invalid: `[{}]`,
			want: "missing required field: type [json-pointer:/blocks/0]"},
		{rule: "objects", valid: `[]`, invalid: `["divider"]`, want: "must provide an object [json-pointer:/blocks/0]"},
		{rule: "known fields", valid: `[{"type":"divider","block_id":"b"}]`, invalid: `[{"type":"divider","colour":"red"}]`,
			want: "invalid additional property: colour [json-pointer:/blocks/0]"},
		{rule: "50 blocks", valid: list(50, same(`{"type":"divider"}`)), invalid: list(51, same(`{"type":"divider"}`)),
			want: "no more than 50 items allowed [json-pointer:/blocks]"},
		{rule: "100 blocks in views", surface: SurfaceHome, valid: list(100, same(`{"type":"divider"}`)),
			invalid: list(101, same(`{"type":"divider"}`)), want: "no more than 100 items allowed"},
		{rule: "block_id length", valid: `[{"type":"divider","block_id":"` + rep(255) + `"}]`,
			invalid: `[{"type":"divider","block_id":"` + rep(256) + `"}]`,
			want:    "must be less than 256 characters [json-pointer:/blocks/0/block_id]"},
		{rule: "block_id unique", valid: `[{"type":"divider","block_id":"a"},{"type":"divider","block_id":"b"}]`,
			invalid: `[{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}]`,
			want:    "`block_id` a already exists [json-pointer:/blocks/1/block_id]"},
		{rule: "block_id a string", valid: `[{"type":"divider","block_id":"1"}]`,
			invalid: `[{"type":"divider","block_id":1}]`, want: "must provide a string"},

		{rule: "section text length", valid: section(`"text":` + mark(rep(3000))),
			invalid: section(`"text":` + mark(rep(3001))),
			want:    "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"},
		{rule: "UTF-16 counts", valid: section(`"text":` + mark(strings.Repeat("😀", 1500))),
			invalid: section(`"text":` + mark(strings.Repeat("😀", 1501))), want: "must be less than 3001 characters"},
		{rule: "section text not empty", valid: section(`"text":` + mark("x")), invalid: section(`"text":` + mark("")),
			want: "must be more than 0 characters [json-pointer:/blocks/0/text/text]"},
		{rule: "section text or fields", valid: section(`"fields":[` + mark("x") + `]`), invalid: `[{"type":"section"}]`,
			want: "must define either `text` or `fields`"},
		{rule: "10 fields", valid: section(`"fields":` + list(10, same(mark("x")))),
			invalid: section(`"fields":` + list(11, same(mark("x")))),
			want:    "no more than 10 items allowed [json-pointer:/blocks/0/fields]"},
		{rule: "field length", valid: section(`"fields":[` + plain(rep(2000)) + `]`),
			invalid: section(`"fields":[` + plain(rep(2001)) + `]`),
			want:    "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]"},
		{rule: "text type", valid: section(`"text":` + plain("x")), invalid: section(`"text":{"type":"markdown","text":"x"}`),
			want: "unsupported type: markdown [json-pointer:/blocks/0/text/type]"},
		{rule: "text object", valid: section(`"text":` + plain("x")), invalid: section(`"text":"x"`),
			want: "must provide an object"},
		{rule: "text has a type", valid: section(`"text":` + plain("x")), invalid: section(`"text":{"text":"x"}`),
			want: "missing required field: type"},
		{rule: "emoji only in plain_text", valid: section(`"text":{"type":"plain_text","text":"x","emoji":true}`),
			invalid: section(`"text":{"type":"mrkdwn","text":"x","emoji":true}`), want: "invalid additional property: emoji"},
		{rule: "verbatim only in mrkdwn", valid: section(`"text":{"type":"mrkdwn","text":"x","verbatim":true}`),
			invalid: section(`"text":{"type":"plain_text","text":"x","verbatim":true}`),
			want:    "invalid additional property: verbatim"},
		{rule: "expand is a boolean", valid: section(`"text":` + plain("x") + `,"expand":true`),
			invalid: section(`"text":` + plain("x") + `,"expand":1`), want: "must provide a boolean"},
		{rule: "accessory type", valid: accessory(button(1)), invalid: accessory(`{"type":"plain_text_input"}`),
			want: "unsupported type: plain_text_input [json-pointer:/blocks/0/accessory/type]"},

		{rule: "header length", valid: `[{"type":"header","text":` + plain(rep(150)) + `}]`,
			invalid: `[{"type":"header","text":` + plain(rep(151)) + `}]`,
			want:    "must be less than 151 characters [json-pointer:/blocks/0/text/text]"},
		{rule: "header plain_text", valid: `[{"type":"header","text":` + plain("x") + `,"level":2}]`,
			invalid: `[{"type":"header","text":` + mark("x") + `}]`, want: "unsupported type: mrkdwn"},
		{rule: "header has a text", valid: `[{"type":"header","text":` + plain("x") + `}]`, invalid: `[{"type":"header"}]`,
			want: "missing required field: text [json-pointer:/blocks/0]"},
		{rule: "header level", valid: `[{"type":"header","text":` + plain("x") + `,"level":4}]`,
			invalid: `[{"type":"header","text":` + plain("x") + `,"level":5}]`, want: "must be between 1 and 4"},

		{rule: "10 context elements", valid: `[{"type":"context","elements":` + list(10, same(mark("x"))) + `}]`,
			invalid: `[{"type":"context","elements":` + list(11, same(mark("x"))) + `}]`,
			want:    "no more than 10 items allowed [json-pointer:/blocks/0/elements]"},
		{rule: "context not empty", valid: `[{"type":"context","elements":[` + plain("x") + `]}]`,
			invalid: `[{"type":"context","elements":[]}]`, want: "no fewer than 1 items allowed"},
		{rule: "no button in context",
			valid:   `[{"type":"context","elements":[{"type":"image","image_url":"https://example.com/a.png","alt_text":"a"}]}]`,
			invalid: `[{"type":"context","elements":[` + button(1) + `]}]`,
			want:    "unsupported type: button [json-pointer:/blocks/0/elements/0/type]"},

		{rule: "25 actions", valid: `[{"type":"actions","elements":` + list(25, button) + `}]`,
			invalid: `[{"type":"actions","elements":` + list(26, button) + `}]`, want: "no more than 25 items allowed"},
		{rule: "action_id unique in its block", valid: `[{"type":"actions","elements":[` + button(1) +
			`]},{"type":"actions","elements":[` + button(1) + `]}]`, invalid: actions(button(1) + "," + button(1)),
			want: "`action_id` a1 already exists [json-pointer:/blocks/0/elements/1/action_id]"},
		{rule: "action_id length",
			valid:   actions(`{"type":"button","text":` + plain("x") + `,"action_id":"` + rep(255) + `"}`),
			invalid: actions(`{"type":"button","text":` + plain("x") + `,"action_id":"` + rep(256) + `"}`),
			want:    "must be less than 256 characters"},
		{rule: "no text in actions", valid: actions(button(1)), invalid: actions(mark("x")),
			want: "unsupported type: mrkdwn"},
		{rule: "button text length", valid: actions(`{"type":"button","text":` + plain(rep(75)) + `}`),
			invalid: actions(`{"type":"button","text":` + plain(rep(76)) + `}`), want: "must be less than 76 characters"},
		{rule: "button text plain", valid: actions(`{"type":"button","text":` + plain("x") + `}`),
			invalid: actions(`{"type":"button","text":` + mark("x") + `}`), want: "unsupported type: mrkdwn"},
		{rule: "button value length",
			valid:   actions(`{"type":"button","text":` + plain("x") + `,"value":"` + rep(2000) + `"}`),
			invalid: actions(`{"type":"button","text":` + plain("x") + `,"value":"` + rep(2001) + `"}`),
			want:    "must be less than 2001 characters"},
		{rule: "button value not empty", valid: actions(`{"type":"button","text":` + plain("x") + `,"value":"v"}`),
			invalid: actions(`{"type":"button","text":` + plain("x") + `,"value":""}`), want: "must be more than 0 characters"},
		{rule: "button style", valid: actions(`{"type":"button","text":` + plain("x") + `,"style":"danger"}`),
			invalid: actions(`{"type":"button","text":` + plain("x") + `,"style":"default"}`),
			want:    "must be a valid enum value: primary, danger"},
		{rule: "button url", valid: actions(`{"type":"button","text":` + plain("x") + `,"url":"https://example.com"}`),
			invalid: actions(`{"type":"button","text":` + plain("x") + `,"url":"javascript:alert(1)"}`),
			want:    "must be a valid URL"},
		{rule: "confirm title", valid: confirm(rep(100), "x", "ok"), invalid: confirm(rep(101), "x", "ok"),
			want: "must be less than 101 characters [json-pointer:/blocks/0/accessory/confirm/title/text]"},
		{rule: "confirm text", valid: confirm("t", rep(300), "ok"), invalid: confirm("t", rep(301), "ok"),
			want: "must be less than 301 characters"},
		{rule: "confirm button", valid: confirm("t", "x", rep(30)), invalid: confirm("t", "x", rep(31)),
			want: "must be less than 31 characters"},

		{rule: "5 overflow options", valid: accessory(`{"type":"overflow","options":` + list(5, option) + `}`),
			invalid: accessory(`{"type":"overflow","options":` + list(6, option) + `}`), want: "no more than 5 items allowed"},
		{rule: "url only in overflow options",
			valid: accessory(`{"type":"overflow","options":[{"text":` + plain("o") +
				`,"value":"v","url":"https://example.com"}]}`),
			invalid: sel(`"options":[{"text":` + plain("o") + `,"value":"v","url":""}]`),
			want:    "invalid additional property: url"},
		{rule: "100 select options", valid: sel(`"options":` + list(100, option)),
			invalid: sel(`"options":` + list(101, option)), want: "no more than 100 items allowed"},
		{rule: "option text", valid: sel(`"options":[{"text":` + plain(rep(75)) + `,"value":"v"}]`),
			invalid: sel(`"options":[{"text":` + plain(rep(76)) + `,"value":"v"}]`), want: "must be less than 76 characters"},
		{rule: "option value", valid: sel(`"options":[{"text":` + plain("o") + `,"value":"` + rep(150) + `"}]`),
			invalid: sel(`"options":[{"text":` + plain("o") + `,"value":"` + rep(151) + `"}]`),
			want:    "must be less than 151 characters"},
		{rule: "option values unique", valid: sel(`"options":[` + option(1) + `,` + option(2) + `]`),
			invalid: sel(`"options":[` + option(1) + `,` + option(1) + `]`), want: "option values must be unique: v1"},
		{rule: "options or groups",
			valid:   sel(`"option_groups":[{"label":` + plain("g") + `,"options":[` + option(1) + `]}]`),
			invalid: sel(`"placeholder":` + plain("p")), want: "must define either `options` or `option_groups`"},
		{rule: "initial option", valid: sel(`"options":[` + option(1) + `],"initial_option":` + option(1)),
			invalid: sel(`"options":[` + option(1) + `],"initial_option":` + option(2)),
			want:    "must exactly match one of the provided options"},
		{rule: "placeholder", valid: sel(`"options":[` + option(1) + `],"placeholder":` + plain(rep(150))),
			invalid: sel(`"options":[` + option(1) + `],"placeholder":` + plain(rep(151))),
			want:    "must be less than 151 characters"},
		{rule: "multi selects not in actions",
			valid:   accessory(`{"type":"multi_static_select","options":[` + option(1) + `]}`),
			invalid: actions(`{"type":"multi_static_select","options":[` + option(1) + `]}`),
			want:    "unsupported type: multi_static_select"},
		{rule: "10 checkboxes, mrkdwn allowed",
			valid:   accessory(`{"type":"checkboxes","options":[{"text":` + mark("*x*") + `,"value":"v"}]}`),
			invalid: accessory(`{"type":"checkboxes","options":` + list(11, option) + `}`),
			want:    "no more than 10 items allowed"},
		{rule: "radio initial option",
			valid:   accessory(`{"type":"radio_buttons","options":[` + option(1) + `],"initial_option":` + option(1) + `}`),
			invalid: accessory(`{"type":"radio_buttons"}`), want: "missing required field: options"},
		{rule: "datepicker", valid: accessory(`{"type":"datepicker","initial_date":"2026-11-22"}`),
			invalid: accessory(`{"type":"datepicker","initial_date":"22.11.2026"}`), want: "must be of the form YYYY-MM-DD"},
		{rule: "timepicker", valid: accessory(`{"type":"timepicker","initial_time":"09:30"}`),
			invalid: accessory(`{"type":"timepicker","initial_time":"9:30"}`), want: "must be of the form HH:mm"},
		{rule: "datetimepicker", valid: actions(`{"type":"datetimepicker","initial_date_time":1700000000}`),
			invalid: actions(`{"type":"datetimepicker","initial_date_time":1700}`), want: "UNIX timestamp"},
		{rule: "users select", valid: accessory(`{"type":"users_select","initial_user":"U1"}`),
			invalid: accessory(`{"type":"users_select","initial_user":7}`), want: "must provide a string"},
		{rule: "conversations filter", valid: accessory(`{"type":"conversations_select","filter":{"include":["public"]}}`),
			invalid: accessory(`{"type":"conversations_select","filter":{"include":["all"]}}`),
			want:    "must be a valid enum value: im"},

		{rule: "image", valid: `[{"type":"image","image_url":"https://example.com/a.png","alt_text":"` + rep(2000) +
			`","title":` + plain("t") + `}]`, invalid: `[{"type":"image","image_url":"https://example.com/a.png","alt_text":"` +
			rep(2001) + `"}]`, want: "must be less than 2001 characters [json-pointer:/blocks/0/alt_text]"},
		{rule: "image alt_text", valid: `[{"type":"image","slack_file":{"id":"F1"},"alt_text":"x"}]`,
			invalid: `[{"type":"image","image_url":"https://example.com/a.png"}]`, want: "missing required field: alt_text"},
		{rule: "image source", valid: `[{"type":"image","slack_file":{"url":"https://example.com/a"},"alt_text":"x"}]`,
			invalid: `[{"type":"image","alt_text":"x"}]`, want: "must define either `image_url` or `slack_file`"},

		{rule: "input label", valid: input(`{"type":"plain_text_input"}`),
			invalid: `[{"type":"input","element":{"type":"plain_text_input"}}]`, want: "missing required field: label"},
		{rule: "input element", valid: input(`{"type":"number_input","is_decimal_allowed":false}`), invalid: input(button(1)),
			want: "unsupported type: button [json-pointer:/blocks/0/element/type]"},
		{rule: "number_input", valid: input(`{"type":"number_input","is_decimal_allowed":true}`),
			invalid: input(`{"type":"number_input"}`), want: "missing required field: is_decimal_allowed"},
		{rule: "plain_text_input lengths", valid: input(`{"type":"plain_text_input","min_length":1,"max_length":3000}`),
			invalid: input(`{"type":"plain_text_input","max_length":3001}`), want: "must be between 1 and 3000"},
		{rule: "dispatch config",
			valid:   input(`{"type":"plain_text_input","dispatch_action_config":{"trigger_actions_on":["on_enter_pressed"]}}`),
			invalid: input(`{"type":"plain_text_input","dispatch_action_config":{"trigger_actions_on":["always"]}}`),
			want:    "must be a valid enum value: on_enter_pressed"},
		{rule: "file_input in modals only", surface: SurfaceModal, valid: input(`{"type":"file_input","max_files":1}`),
			invalid: input(`{"type":"file_input","max_files":11}`), want: "must be between 1 and 10"},
		{rule: "one focus", surface: SurfaceModal, valid: input(`{"type":"plain_text_input","focus_on_load":true}`),
			invalid: `[{"type":"input","label":` + plain("l") +
				`,"element":{"type":"plain_text_input","focus_on_load":true}},{"type":"input","label":` + plain("l") +
				`,"element":{"type":"plain_text_input","focus_on_load":true}}]`, want: "only one element can be focused"},

		{rule: "rich text inlines",
			valid: inline(`{"type":"text","text":"x","style":{"bold":true}},{"type":"link","url":"https://example.com"},{"type":"user","user_id":"U1"},{"type":"usergroup","usergroup_id":"S1"},{"type":"channel","channel_id":"C1"},{"type":"team","team_id":"T1"},{"type":"emoji","name":"wave"},{"type":"date","timestamp":1700000000,"format":"{date}"},{"type":"broadcast","range":"here"},{"type":"color","value":"#fff"}`), invalid: inline(`{"type":"mrkdwn","text":"x"}`), want: "unsupported type: mrkdwn [json-pointer:/blocks/0/elements/0/elements/0/type]"},
		{rule: "rich text not empty", valid: inline(`{"type":"text","text":"x"}`),
			invalid: inline(`{"type":"text","text":""}`), want: "must be more than 0 characters"},
		{rule: "rich text style", valid: inline(`{"type":"text","text":"x","style":{"code":true}}`),
			invalid: inline(`{"type":"text","text":"x","style":{"blink":true}}`), want: "invalid additional property: blink"},
		{rule: "rich text list",
			valid: rich(`{"type":"rich_text_list","style":"bullet","indent":0,"border":0,"offset":0,"elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}`), invalid: rich(`{"type":"rich_text_list","style":"stars","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}`), want: "must be a valid enum value: bullet, ordered"},
		{rule: "rich text list items",
			valid: rich(`{"type":"rich_text_list","style":"ordered","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}`), invalid: rich(`{"type":"rich_text_list","style":"ordered","elements":[{"type":"rich_text_quote","elements":[{"type":"text","text":"x"}]}]}`), want: "must be a valid enum value: rich_text_section"},
		{rule: "preformatted holds text",
			valid:   rich(`{"type":"rich_text_preformatted","border":0,"elements":[{"type":"text","text":"x"}]}`),
			invalid: rich(`{"type":"rich_text_preformatted","elements":[{"type":"user","user_id":"U1"}]}`),
			want:    "unsupported type: user"},
		{rule: "quote", valid: rich(`{"type":"rich_text_quote","elements":[{"type":"text","text":"x"}]}`),
			invalid: rich(`{"type":"rich_text_quote"}`), want: "missing required field: elements"},
		{rule: "broadcast range", valid: inline(`{"type":"broadcast","range":"channel"}`),
			invalid: inline(`{"type":"broadcast","range":"world"}`),
			want:    "must be a valid enum value: here, channel, everyone"},
		{rule: "sections in rich text", valid: inline(`{"type":"text","text":"x"}`),
			invalid: rich(`{"type":"text","text":"x"}`),
			want:    "unsupported type: text [json-pointer:/blocks/0/elements/0/type]"},

		{rule: "100 rows", valid: table(list(100, same("["+cell("x")+"]"))),
			invalid: table(list(101, same("["+cell("x")+"]"))),
			want:    "no more than 100 items allowed [json-pointer:/blocks/0/rows]"},
		{rule: "20 columns", valid: table("[" + list(20, same(cell("x"))) + "]"),
			invalid: table("[" + list(21, same(cell("x"))) + "]"),
			want:    "no more than 20 items allowed [json-pointer:/blocks/0/rows/0]"},
		{rule: "one table", valid: table("[[" + cell("x") + "]]"), invalid: `[{"type":"table","rows":[[` + cell("x") +
			`]]},{"type":"table","rows":[[` + cell("x") + `]]}]`, want: "only_one_table_allowed"},
		{rule: "cell text", valid: table("[[" + cell("x") + "]]"), invalid: table("[[" + cell("") + "]]"),
			want: "must be more than 0 characters [json-pointer:/blocks/0/rows/0/0/text]"},
		{rule: "cell white space", valid: table("[[" + cell("–") + "]]"), invalid: table("[[" + cell(" ") + "]]"),
			want: "must be more than 0 characters"},
		{rule: "no null cells", valid: table("[[" + cell("x") + "]]"), invalid: table("[[null]]"),
			want: "must provide an object"},
		{rule: "cell types",
			valid: table(`[[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}]]`), invalid: table(`[[{"type":"raw_number","value":1}]]`), want: "unsupported type: raw_number"},
		{rule: "rows of one length", valid: table("[[" + cell("x") + "],[" + cell("y") + "]]"),
			invalid: table("[[" + cell("x") + "],[" + cell("y") + "," + cell("z") + "]]"),
			want:    "must have as many cells as the first row: 1"},
		{rule: "table characters", valid: table("[[" + cell(rep(10000)) + "]]"),
			invalid: table("[[" + cell(rep(10001)) + "]]"), want: "must be less than 10001 characters [json-pointer:/blocks/0]"},
		{rule: "column settings", valid: `[{"type":"table","rows":[[` + cell("x") +
			`]],"column_settings":[null,{"align":"right","is_wrapped":true}]}]`, invalid: `[{"type":"table","rows":[[` +
			cell("x") + `]],"column_settings":[{"align":""}]}]`, want: "must be a valid enum value: left, center, right"},
		{rule: "tables in messages only", valid: table("[[" + cell("x") + "]]"), invalid: `[{"type":"table"}]`,
			want: "missing required field: rows"},

		{rule: "data_table caption", valid: data("", cell("a")),
			invalid: `[{"type":"data_table","rows":[[` + cell("h") + `],[` + cell("a") + `]]}]`,
			want:    "missing required field: caption [json-pointer:/blocks/0]"},
		{rule: "data_table caption not empty", valid: data("", cell("a")),
			invalid: `[{"type":"data_table","caption":"","rows":[[` + cell("h") + `],[` + cell("a") + `]]}]`,
			want:    "must be more than 0 characters [json-pointer:/blocks/0/caption]"},
		{rule: "data_table has a row", valid: data("", cell("a")), invalid: data(""),
			want: "no fewer than 2 items allowed [json-pointer:/blocks/0/rows]"},
		{rule: "data_table rows", valid: data("", slices.Repeat([]string{cell("a")}, 100)...),
			invalid: data("", slices.Repeat([]string{cell("a")}, 101)...),
			want:    "no more than 101 items allowed [json-pointer:/blocks/0/rows]"},
		{rule: "data_table columns", valid: wide("", list(20, same(cell("h"))), list(20, same(cell("a")))),
			invalid: wide("", list(21, same(cell("h"))), list(21, same(cell("a")))),
			want:    "no more than 20 items allowed [json-pointer:/blocks/0/rows/0]"},
		{rule: "data_table rows are alike", valid: wide("", list(2, same(cell("h"))), list(2, same(cell("a")))),
			invalid: wide("", list(2, same(cell("h"))), list(1, same(cell("a")))),
			want:    "must have as many cells as the first row: 2 [json-pointer:/blocks/0/rows/1]"},
		{rule: "data_table header", valid: wide("", "["+cell("h")+"]", "["+word+"]"),
			invalid: wide("", "["+word+"]", "["+word+"]"),
			want:    "unsupported type: rich_text [json-pointer:/blocks/0/rows/0/0/type]"},
		{rule: "data_table header holds no numbers", valid: data("", number(`,"value":1`)),
			invalid: wide("", "["+number(`,"value":1`)+"]", "["+number(`,"value":1`)+"]"),
			want:    "unsupported type: raw_number [json-pointer:/blocks/0/rows/0/0/type]"},
		{rule: "data_table header holds no buttons", valid: data("", press(button(1), "")),
			invalid: wide("", "["+press(button(1), "")+"]", "["+cell("a")+"]"),
			want:    "unsupported type: action_cell [json-pointer:/blocks/0/rows/0/0/type]"},
		{rule: "data_table cells", valid: data("", cell("a"), word), invalid: data("", mark("a")),
			want: "unsupported type: mrkdwn [json-pointer:/blocks/0/rows/1/0/type]"},
		{rule: "data_table cell text", valid: data("", cell("a")), invalid: data("", cell(" ")),
			want: "must be more than 0 characters [json-pointer:/blocks/0/rows/1/0/text]"},
		{rule: "data_table cells have no block_id", valid: data("", word),
			invalid: data("", strings.Replace(word, `"elements"`, `"block_id":"b","elements"`, 1)),
			want:    "invalid additional property: block_id"},
		{rule: "raw_number value", valid: data("", number(`,"value":-1.5,"text":"minus 1.5"`)),
			invalid: data("", number(`,"value":"1.5"`)),
			want:    "must provide a number [json-pointer:/blocks/0/rows/1/0/value]"},
		{rule: "raw_number needs a value", valid: data("", number(`,"value":0`)), invalid: data("", number(`,"text":"0"`)),
			want: "missing required field: value"},
		{rule: "raw_number text", valid: data("", number(`,"value":1`)), invalid: data("", number(`,"value":1,"text":""`)),
			want: "must be more than 0 characters [json-pointer:/blocks/0/rows/1/0/text]"},
		{rule: "action_cell holds a button", valid: data("", press(button(1), "")),
			invalid: data("", press(`{"type":"overflow","options":[`+option(1)+`]}`, "")),
			want:    "unsupported type: overflow [json-pointer:/blocks/0/rows/1/0/element/type]"},
		{rule: "action_cell needs its button", valid: data("", press(button(1), "")),
			invalid: data("", `{"type":"action_cell"}`), want: "missing required field: element"},
		{rule: "action_cell fallback", valid: data("", press(button(1), `,"fallback":`+number(`,"value":1`))),
			invalid: data("", press(button(1), `,"fallback":`+word)),
			want:    "unsupported type: rich_text [json-pointer:/blocks/0/rows/1/0/fallback/type]"},
		{rule: "action_ids of a data_table", valid: data("", press(button(1), ""), press(button(2), "")),
			invalid: data("", press(button(1), ""), press(button(1), "")), want: "`action_id` a1 already exists"},
		{rule: "page_size", valid: data(`,"page_size":100`, cell("a")), invalid: data(`,"page_size":101`, cell("a")),
			want: "must be between 1 and 100 [json-pointer:/blocks/0/page_size]"},
		{rule: "page_size is positive", valid: data(`,"page_size":1`, cell("a")), invalid: data(`,"page_size":0`, cell("a")),
			want: "must be between 1 and 100"},
		{rule: "the row header's column", valid: data(`,"row_header_column_index":0`, cell("a")),
			invalid: data(`,"row_header_column_index":1`, cell("a")),
			want:    "must be between 0 and 0 [json-pointer:/blocks/0/row_header_column_index]"},
		{rule: "data_table fields", valid: data(`,"block_id":"b"`, cell("a")),
			invalid: data(`,"column_settings":[]`, cell("a")), want: "invalid additional property: column_settings"},
		{rule: "one table or data_table", valid: data("", cell("a")),
			invalid: strings.TrimSuffix(table("[["+cell("x")+"]]"), "]") + "," + strings.TrimPrefix(data("", cell("a")), "["),
			want:    "only_one_table_allowed"},
		{rule: "data_table characters", valid: data("", cell(rep(9990))), invalid: data("", cell(rep(9997))),
			want: "must be less than 10001 characters [json-pointer:/blocks/0]"},
		{rule: "data_table counts as text",
			valid: `[{"type":"section","text":` + mark(rep(3000)) + `},` + data("", cell(rep(9990)))[1:],
			invalid: `[{"type":"section","text":` + mark(rep(3000)) + `},{"type":"section","text":` + mark(rep(300)) + `},` +
				data("", cell(rep(9990)))[1:], want: "msg_blocks_too_long"},
		{rule: "accessibility_label length",
			valid:   accessory(`{"type":"button","text":` + plain("b") + `,"accessibility_label":"` + rep(75) + `"}`),
			invalid: accessory(`{"type":"button","text":` + plain("b") + `,"accessibility_label":"` + rep(76) + `"}`),
			want:    "must be less than 76 characters [json-pointer:/blocks/0/accessory/accessibility_label]"},
		{rule: "accessibility_label not empty",
			valid:   accessory(`{"type":"button","text":` + plain("b") + `,"accessibility_label":"x"}`),
			invalid: accessory(`{"type":"button","text":` + plain("b") + `,"accessibility_label":""}`),
			want:    "must be more than 0 characters [json-pointer:/blocks/0/accessory/accessibility_label]"},
		{rule: "accessibility_label on buttons", valid: accessory(button(1)),
			invalid: accessory(`{"type":"overflow","options":[` + option(1) + `],"accessibility_label":"x"}`),
			want:    "invalid additional property: accessibility_label"},

		{rule: "markdown length", valid: `[{"type":"markdown","text":"` + rep(12000) + `"}]`,
			invalid: `[{"type":"markdown","text":"` + rep(12001) + `"}]`, want: "must be less than 12001 characters"},
		{rule: "markdown in all", valid: `[{"type":"markdown","text":"` + rep(6000) + `"},{"type":"markdown","text":"` +
			rep(6000) + `"}]`, invalid: `[{"type":"markdown","text":"` + rep(6000) + `"},{"type":"markdown","text":"` +
			rep(6001) + `"}]`, want: "all markdown blocks together"},
		{rule: "all text", valid: list(4, same(`{"type":"section","text":`+mark(rep(3000))+`}`)),
			invalid: list(5, same(`{"type":"section","text":`+mark(rep(3000))+`}`)), want: "msg_blocks_too_long"},

		{rule: "chart", valid: line(`["a","b"]`, "["+series("s", "a", "b")+"]"), invalid: chart(`{"type":"scatter"}`),
			want: "unsupported type: scatter [json-pointer:/blocks/0/chart/type]"},
		{rule: "chart title", valid: line(`["a"]`, "["+series("s", "a")+"]"),
			invalid: `[{"type":"data_visualization","title":"` + rep(51) +
				`","chart":{"type":"pie","segments":[{"label":"a","value":1}]}}]`, want: "must be less than 51 characters"},
		{rule: "chart labels", valid: line(`["`+rep(20)+`"]`, "["+series("s", rep(20))+"]"),
			invalid: line(`["`+rep(21)+`"]`, "["+series("s", rep(21))+"]"),
			want:    "must be less than 21 characters [json-pointer:/blocks/0/chart/axis_config/categories/0]"},
		{rule: "chart points",
			valid:   line(list(20, func(i int) string { return fmt.Sprintf(`"%d"`, i) }), "["+series("s", numbers(20)...)+"]"),
			invalid: line(list(21, func(i int) string { return fmt.Sprintf(`"%d"`, i) }), "["+series("s", numbers(21)...)+"]"),
			want:    "no more than 20 items allowed"},
		{rule: "chart series", valid: line(`["a"]`, list(6, func(i int) string { return series(fmt.Sprint(i), "a") })),
			invalid: line(`["a"]`, list(7, func(i int) string { return series(fmt.Sprint(i), "a") })),
			want:    "no more than 6 items allowed"},
		{rule: "chart series names", valid: line(`["a"]`, "["+series("s", "a")+"]"),
			invalid: line(`["a"]`, "["+series("s", "a")+","+series("s", "a")+"]"), want: "series names must be unique: s"},
		{rule: "one point per category", valid: line(`["a","b"]`, "["+series("s", "b", "a")+"]"),
			invalid: line(`["a","b"]`, "["+series("s", "a")+"]"), want: "exactly one point for every category"},
		{rule: "points match categories", valid: line(`["a"]`, "["+series("s", "a")+"]"),
			invalid: line(`["a"]`, "["+series("s", "b")+"]"), want: "must match one of axis_config.categories: b"},
		{rule: "pie values", valid: chart(`{"type":"pie","segments":[{"label":"a","value":0.5}]}`),
			invalid: chart(`{"type":"pie","segments":[{"label":"a","value":0}]}`), want: "must be greater than 0"},
		{rule: "2 charts",
			valid: list(2, same(
				`{"type":"data_visualization","title":"t","chart":{"type":"pie","segments":[{"label":"a","value":1}]}}`)),
			invalid: list(3, same(
				`{"type":"data_visualization","title":"t","chart":{"type":"pie","segments":[{"label":"a","value":1}]}}`)),
			want: "no more than 2 data_visualization blocks"},

		{rule: "video", valid: `[{"type":"video","video_url":"https://example.com/v","thumbnail_url":"https://example.com/t","alt_text":"a","title":` + plain("t") + `}]`, invalid: `[{"type":"video","video_url":"http://example.com/v","thumbnail_url":"https://example.com/t","alt_text":"a","title":` + plain("t") + `}]`, want: "must be a valid URL [json-pointer:/blocks/0/video_url]"},
		{rule: "file", valid: `[]`, invalid: `[{"type":"file","external_id":"x","source":"remote"}]`,
			want: "file not found: x"},
		{rule: "alert in modals", surface: SurfaceModal, valid: `[{"type":"alert","text":` + plain("x") +
			`,"level":"warning"}]`, invalid: `[{"type":"alert","text":` + plain("x") + `,"level":"panic"}]`,
			want: "must be a valid enum value: default"},
		{rule: "no alert in messages", valid: `[]`, invalid: `[{"type":"alert","text":` + plain("x") + `}]`,
			want: "unsupported type: alert"},
		{rule: "no table at home", surface: SurfaceHome, valid: `[]`, invalid: table("[[" + cell("x") + "]]"),
			want: "unsupported type: table"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			surface := c.surface
			if surface == "" {
				surface = SurfaceMessage
			}
			if err := ValidateBlocks(surface, json.RawMessage(c.valid)); err != nil {
				t.Errorf("valid blocks are refused: %v", err)
			}
			err := ValidateBlocks(surface, json.RawMessage(c.invalid))
			if err == nil {
				t.Fatal("invalid blocks are accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
			if inv, ok := errors.AsType[*InvalidError](err); !ok || len(inv.Messages) > 2 || len(inv.Messages) == 0 &&
				inv.Code != "msg_blocks_too_long" {
				t.Errorf("want a message for the rule and no others, got %v", err)
			}
		})
	}
}

func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

// TestInvalidBlocksAnswer checks the shape of the answer as slack-go sees it.
func TestInvalidBlocksAnswer(t *testing.T) {
	s := Start(t, Config{NotRolledOut: []string{"data_visualization"}})
	api := client(s)
	_, _, err := api.PostMessage(ChannelOps,
		slack.MsgOptionBlocks(slack.NewHeaderBlock(slack.NewTextBlockObject("plain_text", rep(151), false, false))))
	e, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok || e.Err != "invalid_blocks" || len(e.ResponseMetadata.Messages) != 1 ||
		e.ResponseMetadata.Messages[0] != "[ERROR] must be less than 151 characters [json-pointer:/blocks/0/text/text]" {
		t.Errorf("got %#v", err)
	}
	chart := slack.NewDataVisualizationBlock("Nodes",
		slack.NewDataVisualizationPieChart(slack.NewDataVisualizationSegment("spot", 3)))
	if _, _, err := api.PostMessage(ChannelOps, slack.MsgOptionBlocks(chart)); code(err) != "invalid_blocks" {
		t.Errorf("a chart that is not rolled out: %v", err)
	}
	s.SetNotRolledOut()
	if _, _, err := api.PostMessage(ChannelOps, slack.MsgOptionBlocks(chart)); err != nil {
		t.Errorf("a chart: %v", err)
	}
}

// TestDataTable posts one with slack-go's constructors, presses a button in it, and tries the surfaces and workspaces
// that have none.
func TestDataTable(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true, NotRolledOut: []string{"data_table"}})
	w := dial(t, s)
	api := client(s)
	text := slack.NewTextBlockObject("plain_text", "Show", false, false)
	show := func(value string) *slack.DataTableActionCell {
		return slack.NewDataTableActionCell(slack.NewButtonBlockElement("", value, text)).
			WithFallback(slack.NewDataTableRawTextCell("–"))
	}
	table := slack.NewDataTableBlock("Nodes of prod", slack.DataTableBlockOptionBlockID("nodes")).WithPageSize(10).
		AddRow(slack.NewDataTableRawTextCell("Name"), slack.NewDataTableRawTextCell("CPU"),
			slack.NewDataTableRawTextCell("More")).
		AddRow(slack.NewDataTableRichTextCell(slack.NewRichTextSection(slack.NewRichTextSectionTextElement("a", nil))),
			slack.NewDataTableRawNumberCell(0).WithText("none"), show("a")).
		AddRow(slack.NewDataTableRawTextCell("b"), slack.NewDataTableRawNumberCell(1.5), show("b"))
	_, _, err := api.PostMessage(ChannelOps, slack.MsgOptionBlocks(table))
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); !ok || e.Err != "invalid_blocks" ||
		e.ResponseMetadata.Messages[0] != "[ERROR] unsupported type: data_table [json-pointer:/blocks/0/type]" {
		t.Errorf("one that is not rolled out: %#v", err)
	}
	s.SetNotRolledOut()
	_, ts, err := api.PostMessage(ChannelOps, slack.MsgOptionBlocks(table))
	must(t, err)
	m, _ := s.Message(ChannelOps, ts)
	var id string
	for _, e := range elementsOf(m.blockList()[0]) {
		if e["value"] == "b" {
			id, _ = e["action_id"].(string)
		}
	}
	if id == "" {
		t.Fatalf("no action_id was filled in: %s", m.Blocks)
	}
	i := s.ClickButton(UserAda, ChannelOps, ts, id)
	must(t, i.Err())
	w.ack(w.next()["envelope_id"], "")
	must(t, i.Wait(t.Context()))
	var cb slack.InteractionCallback
	must(t, json.Unmarshal(i.Payload, &cb))
	if a := cb.ActionCallback.BlockActions; len(a) != 1 || a[0].Value != "b" || a[0].BlockID != "nodes" ||
		a[0].Text.Text != "Show" {
		t.Errorf("the app was told %+v", a)
	}
	raw := json.RawMessage(mustJSON([]any{table}))
	for _, surface := range []Surface{SurfaceHome, SurfaceModal} {
		if err := ValidateBlocks(surface, raw); err == nil {
			t.Errorf("%s takes a data_table", surface)
		}
	}
}

// TestSlackGoBlocks posts what slack-go's constructors make: its JSON must be what the validator expects.
func TestSlackGoBlocks(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	api := client(s)
	text := slack.NewTextBlockObject("plain_text", "x", true, false)
	md := slack.NewTextBlockObject("mrkdwn", "*x*", false, false)
	btn := slack.NewButtonBlockElement("go", "v", text)
	btn.Confirm = slack.NewConfirmationBlockObject(text, md, text, text)
	opt := slack.NewOptionBlockObject("v1", text, nil)
	section := slack.NewRichTextSection(
		slack.NewRichTextSectionTextElement("x", &slack.RichTextSectionTextStyle{Bold: true}))
	blocks := []slack.Block{
		slack.NewHeaderBlock(text), slack.NewDividerBlock(),
		slack.NewSectionBlock(md, []*slack.TextBlockObject{md},
			slack.NewAccessory(slack.NewOverflowBlockElement("more", opt))),
		slack.NewContextBlock("", md, slack.NewImageBlockElement("https://example.com/a.png", "a")),
		slack.NewActionBlock("acts", btn, slack.NewOptionsSelectBlockElement("static_select", text, "sel", opt)),
		slack.NewRichTextBlock("", section, slack.NewRichTextList(slack.RTEListBullet, 0, section)),
		slack.NewTableBlock("tab").AddRow(slack.NewTableRawTextCell("a"), slack.NewTableRichTextCell(section)).
			WithColumnSettings(slack.ColumnSetting{Align: slack.ColumnAlignmentRight},
				slack.ColumnSetting{Align: slack.ColumnAlignmentLeft}),
		slack.NewMarkdownBlock("", "**x**"),
		slack.NewImageBlock("https://example.com/a.png", "a", "", text),
		slack.NewDataVisualizationBlock("Nodes",
			slack.NewDataVisualizationLineChart(slack.NewDataVisualizationAxisConfig("a").WithXLabel("day"),
				slack.NewDataVisualizationDataSeries("s", slack.NewDataVisualizationDataPoint("a", 1)))),
	}
	for i, b := range blocks {
		if _, _, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false), slack.MsgOptionBlocks(b)); err != nil {
			e, _ := errors.AsType[slack.SlackErrorResponse](err)
			t.Errorf("block %d (%s): %v %v", i, b.BlockType(), err, e.ResponseMetadata.Messages)
		}
	}
	_, ts, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false), slack.MsgOptionBlocks(blocks...),
		slack.MsgOptionAttachments(
			slack.Attachment{Color: "#2eb886",
				Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewSectionBlock(md, nil, nil)}}},
			slack.Attachment{Text: "plain old", Color: "warning", Fallback: "old"}))
	must(t, err)
	// What is read back decodes into slack-go's types again.
	m, _ := s.Message(ChannelOps, ts)
	back, err := m.Slack()
	must(t, err)
	if len(back.Blocks.BlockSet) != len(blocks) || len(back.Attachments) != 2 {
		t.Errorf("read back %d blocks, %d attachments", len(back.Blocks.BlockSet), len(back.Attachments))
	}
	// One table in blocks and one in an attachment are two.
	tab := slack.NewTableBlock("").AddRow(slack.NewTableRawTextCell("a"))
	_, _, err = api.PostMessage(ChannelOps, slack.MsgOptionBlocks(tab),
		slack.MsgOptionAttachments(slack.Attachment{Blocks: slack.Blocks{BlockSet: []slack.Block{tab}}}))
	if code(err) != "only_one_table_allowed" {
		t.Errorf("two tables: %v", err)
	}
}

func TestCheckView(t *testing.T) {
	modal := func(rest string) json.RawMessage {
		return json.RawMessage(`{"type":"modal","title":` + plain("t") + `,"blocks":[{"type":"divider"}]` + rest + `}`)
	}
	in := `{"type":"input","label":` + plain("l") + `,"element":{"type":"plain_text_input"}}`
	for _, c := range []struct {
		rule           string
		valid, invalid json.RawMessage
		want           string
	}{
		{"type", modal(""), json.RawMessage(`{"type":"page"}`),
			"must be a valid enum value: modal [json-pointer:/view/type]"},
		{"title", modal(""), json.RawMessage(`{"type":"modal","blocks":[]}`),
			"missing required field: title [json-pointer:/view]"},
		{"title length", json.RawMessage(`{"type":"modal","title":` + plain(rep(24)) + `,"blocks":[]}`),
			json.RawMessage(`{"type":"modal","title":` + plain(rep(25)) + `,"blocks":[]}`),
			"must be less than 25 characters [json-pointer:/view/title/text]"},
		{"submit length", modal(`,"submit":` + plain(rep(24))), modal(`,"submit":` + plain(rep(25))), "/view/submit/text"},
		{"close length", modal(`,"close":` + plain(rep(24))), modal(`,"close":` + plain(rep(25))), "/view/close/text"},
		{"private_metadata", modal(`,"private_metadata":"` + rep(3000) + `"`),
			modal(`,"private_metadata":"` + rep(3001) + `"`),
			"must be less than 3001 characters [json-pointer:/view/private_metadata]"},
		{"callback_id", modal(`,"callback_id":"` + rep(255) + `"`), modal(`,"callback_id":"` + rep(256) + `"`),
			"/view/callback_id"},
		{"submit with inputs",
			json.RawMessage(`{"type":"modal","title":` + plain("t") + `,"submit":` + plain("s") + `,"blocks":[` + in + `]}`),
			json.RawMessage(`{"type":"modal","title":` + plain("t") + `,"blocks":[` + in + `]}`),
			"missing required field: submit"},
		{"home has no title", json.RawMessage(`{"type":"home","blocks":[]}`),
			json.RawMessage(`{"type":"home","blocks":[],"title":` + plain("t") + `}`), "invalid additional property: title"},
		{"blocks", json.RawMessage(`{"type":"home","blocks":[]}`), json.RawMessage(`{"type":"home"}`),
			"missing required field: blocks"},
		{"pointers", json.RawMessage(`{"type":"home","blocks":[{"type":"divider"}]}`),
			json.RawMessage(`{"type":"home","blocks":[{"type":"x"}]}`),
			"invalid_arguments: [ERROR] unsupported type: x [json-pointer:/view/blocks/0/type]"},
		{"size", modal(""), json.RawMessage(`{"type":"home","blocks":[],"x":"` + rep(MaxViewBytes) + `"}`), "view_too_large"},
	} {
		if err := CheckView(c.valid); err != nil {
			t.Errorf("%s: valid: %v", c.rule, err)
		}
		if err := CheckView(c.invalid); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.rule, err, c.want)
		}
	}
}

// FuzzBlocks looks for JSON that makes the validator, or what walks accepted blocks, panic.
func FuzzBlocks(f *testing.F) {
	for _, seed := range []string{
		`[{"type":"section","text":` + mark("<!here>") + `,"accessory":{"type":"static_select","options":[` + option(1) +
			`],"initial_option":` + option(1) + `}}]`,
		`[{"type":"rich_text","elements":[{"type":"rich_text_list","style":"bullet","elements":[{"type":"rich_text_section","elements":[{"type":"date","timestamp":1,"format":"{date}"}]}]}]}]`,
		`[{"type":"table","rows":[[{"type":"raw_text","text":"x"}]],"column_settings":[null]}]`,
		`[{"type":"data_table","caption":"c","page_size":1,"rows":[[{"type":"raw_text","text":"x"}],[{"type":"action_cell","element":` +
			button(1) + `,"fallback":{"type":"raw_number","value":1}}]]}]`,
		`[{"type":"data_visualization","title":"t","chart":{"type":"bar","series":[{"name":"s","data":[{"label":"a","value":1}]}],"axis_config":{"categories":["a"]}}}]`,
		`[{"type":"input","label":` + plain("l") + `,"element":{"type":"conversations_select","filter":{"include":["im"]}}}]`,
		`[{"type":"actions","elements":[` + button(1) + `,null,{}]},null,[],{"type":"context","elements":[null]}]`,
	} {
		f.Add(seed)
	}
	s := New(Config{})
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, raw string) {
		for _, surface := range everywhere {
			_ = ValidateBlocks(surface, json.RawMessage(raw))
		}
		s.mu.Lock()
		c, err := s.content(map[string]string{"blocks": raw, "attachments": `[{"blocks":` + raw + `}]`}, nil)
		s.mu.Unlock()
		if err != nil {
			return
		}
		m := Message{Blocks: c.blocks, Attachments: c.attachments}
		LiveMentions(m)
		LiveLinks(m)
		PlainText(m)
		stateValues(anyList(m.blockList()), nil)
		if again := ValidateBlocks(SurfaceMessage, c.blocks); c.blocks != nil && again != nil {
			t.Errorf("blocks with ids filled in are refused: %v", again)
		}
	})
}
