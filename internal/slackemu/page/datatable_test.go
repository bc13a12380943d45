package page_test

import (
	"fmt"
	"strings"
	"testing"

	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
)

// TestDataTable sorts a data_table, leafs through it, and presses a button in it.
func TestDataTable(t *testing.T) {
	g := startGallery(t, workspace(t))
	var rows strings.Builder
	rows.WriteString(`[{"type":"raw_text","text":"Name"},{"type":"raw_text","text":"CPUs"},{"type":"raw_text","text":"Zone"},
		{"type":"raw_text","text":"More"}]`)
	for i, name := range []string{"node-b", "node-d", "node-a", "node-c"} {
		rows.WriteString(fmt.Sprintf(`,[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[
			{"type":"text","text":%q,"style":{"bold":true}}]}]},{"type":"raw_number","value":%d%s},
			{"type":"raw_text","text":"<b>zone</b>"},{"type":"action_cell","element":{"type":"button","action_id":"show-%s",
			"value":%q,"text":{"type":"plain_text","text":"Show"},"accessibility_label":"Show %s"}}]`,
			name, []int{10, 9, 100, 1}[i], []string{`,"text":"ten"`, "", "", ""}[i], name, name, name))
	}
	ts := g.say(slackemu.ChannelOps, "A table", "", map[string]any{"blocks": raw(
		`[{"type":"data_table","caption":"Nodes of prod","page_size":3,"rows":[` + rows.String() + `]}]`)})
	tab, _ := visit(t, g, page.Config{})
	tab.See(in(ts, ".caption"), "Nodes of prod")
	order := func(what, want string) {
		t.Helper()
		tab.Wait(what, fmt.Sprintf(
			`[...document.querySelectorAll('%s')].map((e) => e.innerText).join(" ") === %q`, in(ts, "tbody th"), want))
	}
	sort := func(column int) string { return in(ts, fmt.Sprintf("th:nth-child(%d) .sort", column)) }
	shows := func(what, selector, property, want string) {
		t.Helper()
		tab.Wait(what, fmt.Sprintf(`document.querySelector('%s').%s === %q`, in(ts, selector), property, want))
	}
	order("the app's order", "node-b node-d node-a")
	shows("the number's text", "tbody td", "innerText", "ten")
	shows("text as text", "tbody td:nth-child(3)", "innerText", "<b>zone</b>")
	shows("bold", "tbody th b", "innerText", "node-b")
	shows("the button's name", "tbody .button", "ariaLabel", "Show node-b")
	shows("which rows", ".pages [role=status]", "innerText", "1–3 of 4")
	tab.Wait("no page before", fmt.Sprintf(`document.querySelector('%s').disabled`, in(ts, ".pages button")))

	tab.Click(sort(1))
	order("by name", "node-a node-b node-c")
	tab.Click(sort(2))
	order("by number, not by its digits", "node-c node-d node-b")
	shows("what a screen reader is told", "th:nth-child(2)", "ariaSort", "ascending")
	tab.Click(sort(2))
	order("the other way round", "node-a node-b node-d")
	shot(t, tab, "datatable")
	tab.Click(in(ts, `[aria-label="Next page"]`))
	order("the rest", "node-c")
	tab.Wait("no page after", fmt.Sprintf(`document.querySelector('%s').disabled`, in(ts, `[aria-label="Next page"]`)))
	tab.Click(sort(2))
	order("the app's order again, from its beginning", "node-b node-d node-a")

	tab.Click(in(ts, `[data-action="show-node-d"]`))
	tab.See(".ephemeral", "show-node-d: node-d")

	// A phone shows it without scrolling the channel sideways.
	tab.Viewport(360, 740)
	tab.Wait("no message wider than the window", `document.documentElement.scrollWidth <= innerWidth && `+
		`document.querySelector("#log").scrollWidth <= document.querySelector("#log").clientWidth`)
}
