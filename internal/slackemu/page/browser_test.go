package page_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
	"rollcall/test/browser"
)

var shots = flag.String("shots", "", "write screenshots of the page into this folder")

// serve serves the page of a workspace until the test ends.
func serve(t *testing.T, cfg page.Config) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(page.New(cfg))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv
}

var hints = []page.CommandHint{
	{Command: "/nodes", Hint: "[list | NAME | help] [-l SELECTOR] [--spot] …",
		Words: []string{"list", "help", "--spot", "--on-demand", "--zone", "--not-ready"}},
	{Command: "/events", Hint: "[--for KIND/NAME] [--since D] …", Words: []string{"help", "--for", "--since"}},
}

// shot takes a screenshot if they are wanted.
func shot(t *testing.T, tab *browser.Tab, name string) {
	t.Helper()
	if *shots != "" {
		tab.Eval(`new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))`, nil)
		tab.Screenshot(filepath.Join(*shots, name+".png"))
	}
}

// visit opens the page of a gallery as Ada in #ops-nodes.
func visit(t *testing.T, g *gallery, cfg page.Config) (*browser.Tab, *httptest.Server) {
	t.Helper()
	cfg.Slack, cfg.Commands = g.slack, hints
	srv := serve(t, cfg)
	tab := browser.Start(t)
	tab.ColorScheme("light")
	tab.Open(srv.URL + "/?user=" + slackemu.UserAda + "#" + slackemu.ChannelOps)
	tab.See(".pane-head", "ops-nodes")
	return tab, srv
}

// at is the selector of a message.
func at(ts string) string { return fmt.Sprintf(`#log [data-ts="%s"]`, ts) }

func in(ts, selector string) string { return at(ts) + " " + selector }

// TestBlocks reads what the page makes of every kind of block, in all colours and sizes.
func TestBlocks(t *testing.T) {
	g := startGallery(t, workspace(t))
	g.post()
	tab, _ := visit(t, g, page.Config{Panel: newPanel().page()})
	tab.See("article", "untrusted")

	for i, want := range [][]string{
		{"bold", "snake_case_stays", "🚀 :no_such_emoji:", "a quote with bold", "a label", "@Ada Lovelace", "#ops-nodes",
			"@here",
			"Tuesday, November 14th, 2023 at 10:13:20", "2023-11-14", "the fallback", "  <b>keeps its spaces</b>",
			"Escaped: <b> & <!channel>"},
		{"12 nodes joined prod 🚀", "A section with mrkdwn", "eu-west-1b", "Pool: batch", "≈ $18.20/h"},
		{"Open modal", "Documents ↗", "Whom", "cheap, goes away", "Pools"},
		{"Instance type", "eu-west-1b", "$0.72/h"},
		{"Styles: bold italic", "✅", "@channel", "Nov 14, 2023", "ready after 41 s", "node-2 NotReady", "#f405b3"},
		{"Heading", "Some bold, italic", "inner", "quoted", "☑ done", "☐ open"},
		{"Nodes by hour", "spot", "on-demand", "Joined and left"},
		{"Capacity", "batch 55%"},
		{"Of the workspace", "a chart that is not loaded", "remote-1", "Ada · Example", "a talk about nodes"},
		{"An attachment with blocks", "Before it", "NodeNotReady", "See more", "eu-west-1a"},
		{`<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> untrusted`,
			"<javascript:window.hacked=1|click me>", "bad <script>", "</div><script>", "<!channel> *not bold*"},
	} {
		text := tab.Text(at(g.posted[i]))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("message %d does not show %q:\n%s", i, w, text)
			}
		}
	}
	for what, expression := range map[string]string{
		"bold": `document.querySelector(` + "`" + in(g.posted[0], "b:not(.author)") + "`" +
			`).innerText === "bold"`,
		"list items": `document.querySelectorAll(` + "`" + in(g.posted[4], "ol[start='3'] li") + "`" +
			`).length === 2`,
		"a table's head": `document.querySelectorAll(` + "`" + in(g.posted[3], "th") + "`" + `).length === 7`,
		"a chart's words": `document.querySelector(` + "`" + in(g.posted[6], "svg[role=img]") + "`" +
			`).getAttribute("aria-label").includes("10:00: 12, 6")`,
		"the bar's colour": `getComputedStyle(document.querySelectorAll(` + "`" + in(g.posted[9], ".attachment") +
			"`" + `)[1], "::before").backgroundColor === "rgb(54, 166, 79)"`,
		"the uploaded picture": `document.querySelector("img[alt='a green gradient']").naturalWidth === 360`,
		"the picture of a message": `document.querySelector("img[alt=\"a picture of the day's nodes\"]").naturalWidth === ` +
			`360`,
		"no script of a message": `!window.hacked && !document.querySelector("article script, article img[src=x], ` +
			`article [onerror]")`,
		"no link to a script": `[...document.querySelectorAll("article a")].every((a) => ` +
			`/^(https?|mailto):/.test(a.href) || a.getAttribute("href")[0] === "#")`,
		"links that open elsewhere": `[...document.querySelectorAll("article a[href^=http]")].every((a) => a.target === ` +
			`"_blank" && a.rel.includes("noopener"))`,
		"a name for every button": `[...document.querySelectorAll("button")].every((b) => (b.innerText.trim() || ` +
			`b.ariaLabel))`,
		"a name for every field": `[...document.querySelectorAll("select, input, textarea")].every((e) => e.ariaLabel ` +
			`|| e.labels?.length)`,
		"the newest on the phone": `document.querySelector(".phone li p").innerText.startsWith("<img src=x")`,
	} {
		tab.Wait(what, expression)
	}
	tab.Eval(fmt.Sprintf(`document.querySelector('%s').scrollIntoView()`, in(g.posted[9], ".linkish")), nil)
	tab.Click(in(g.posted[9], ".linkish"))
	tab.See(at(g.posted[9]), "See less")

	views := []struct {
		name          string
		width, height int64
		scheme        string
	}{{"light", 1440, 900, "light"}, {"dark", 1440, 900, "dark"}, {"narrow", 390, 844, "light"},
		{"narrow-dark", 390, 844, "dark"}, {"middle", 1000, 800, "light"}}
	colors := map[string]bool{}
	for _, v := range views {
		tab.Viewport(v.width, v.height)
		tab.ColorScheme(v.scheme)
		var color string
		tab.Eval(`getComputedStyle(document.body).backgroundColor`, &color)
		colors[color] = true
		tab.Wait("no message wider than the window "+v.name,
			`document.documentElement.scrollWidth <= innerWidth && document.querySelector("#log").scrollWidth <= `+
				`document.querySelector("#log").clientWidth`)
		for i, ts := range g.posted {
			if *shots == "" {
				break
			}
			tab.Eval(fmt.Sprintf(`document.querySelector('%s').scrollIntoView({ block: "start" })`, at(ts)), nil)
			shot(t, tab, fmt.Sprintf("%s-%02d", v.name, i))
		}
	}
	if len(colors) != 2 {
		t.Errorf("light and dark have the backgrounds %v", colors)
	}
	// On a phone the channels and the panel are drawers.
	tab.Viewport(390, 844)
	tab.Gone(".nav", "random")
	tab.Click(`.bar button[aria-label="Channels"]`)
	tab.See(".nav", "random")
	shot(t, tab, "narrow-channels")
	tab.Click(`.nav a[data-channel="` + slackemu.ChannelOther + `"]`)
	tab.See(".pane-head", "random")
	tab.Gone(".nav", "random")
	tab.Click(`.bar button[aria-label="Panel"]`)
	tab.See(".side", "Simulated cluster")
	shot(t, tab, "narrow-panel")
	tab.Type(browser.Escape)
	tab.Gone(".side", "Simulated cluster")
}

// TestElements uses what can be pressed and chosen.
func TestElements(t *testing.T) {
	g := startGallery(t, workspace(t))
	g.post()
	tab, _ := visit(t, g, page.Config{})
	tab.See("article", "untrusted")
	sections, buttons := g.posted[1], g.posted[2]

	// An overflow menu, with the keyboard.
	tab.Click(in(sections, `[data-action="menu"]`))
	tab.Wait("the focus on the first item", `document.activeElement.innerText === "Mute for an hour"`)
	shot(t, tab, "menu")
	tab.Type(browser.Down + browser.Enter)
	tab.See(".ephemeral", "menu: table")
	tab.Gone(`[role="menuitem"]`, "Show as table")
	tab.Click(in(sections, `[data-action="menu"]`))
	tab.See(`[role="menuitem"]`, "Mute for an hour")
	tab.Type(browser.Escape)
	tab.Gone(`[role="menuitem"]`, "Mute for an hour")

	for action, value := range map[string]string{
		"by": "zone", "who": slackemu.UserGrace, "where": slackemu.ChannelPrivate, "talk": slackemu.ChannelOps,
		"day": "2026-12-24", "time": "18:45",
	} {
		tab.Choose(fmt.Sprintf(`#log [data-action="%s"]`, action), value)
		tab.See(".ephemeral", action+": "+value)
	}
	// A moment is one in the reader's time zone: Ada's is London, and it is summer there.
	tab.Choose(`#log [data-action="moment"]`, "2026-07-01T12:00")
	tab.See(".ephemeral", "moment: 1782903600")
	// Options that the app suggests.
	tab.Fill(`#log [data-action="node"]`, "no")
	tab.Wait("suggestions", `document.querySelector("datalist option[value='node-2']")`)
	tab.Fill(`#log [data-action="node"]`, "node-2")
	tab.See(".ephemeral", "node: node-2")
	// Several at once, told when the list is closed.
	tab.Click(in(buttons, `.multi summary`))
	tab.Click(in(buttons, `input[value="web"]`))
	tab.Click(in(buttons, `input[value="gpu"]`))
	shot(t, tab, "multi")
	tab.Click(in(buttons, `.multi summary`))
	tab.See(".ephemeral", "pools: web gpu")
	tab.See(in(buttons, ".pill"), "gpu")
	tab.Click(in(buttons, `input[value="spot"]`))
	tab.See(".ephemeral", "boxes: spot")
	tab.Click(in(buttons, `input[value="h"]`))
	tab.See(".ephemeral", "radio: h")

	// What nobody acknowledges, the person is told of beside the button.
	tab.Click(`#log [data-action="mute-app"]`)
	tab.See(in(buttons, ".failed"), "operation_timeout")
	shot(t, tab, "failed")

	// A confirmation that is refused, then the edit, then the deletion.
	tab.Click(`#log [data-action="drop"]`)
	tab.See("dialog.ask", "It will be gone.")
	shot(t, tab, "confirm")
	tab.Click("dialog.ask footer button")
	tab.Gone("dialog.ask", "")
	tab.Click(`#log [data-action="edit"]`)
	tab.See(at(buttons), "Edited at the press of a button")
	tab.See(in(buttons, ".edited"), "(edited)")
	second := g.say(slackemu.ChannelOps, "Short-lived", "",
		map[string]any{"blocks": raw(
			`[{"type":"actions","elements":[{"type":"button","action_id":"drop","text":{"type":"plain_text","text":"Away"},"confirm":{"title":{"type":"plain_text","text":"Sure?"},"text":{"type":"plain_text","text":"Really"},"confirm":{"type":"plain_text","text":"Yes"}}}]}]`)})
	tab.Click(in(second, `[data-action="drop"]`))
	tab.Click("dialog.ask footer button:last-child")
	tab.Wait("the deletion", fmt.Sprintf(`!document.querySelector('%s')`, at(second)))

	// The JSON of a message, for developers.
	tab.Eval(fmt.Sprintf(`document.querySelector('%s').focus()`, in(sections, `.tools [aria-label="Show JSON"]`)), nil)
	tab.Click(in(sections, `.tools [aria-label="Show JSON"]`))
	tab.See("dialog.source", `"block_id": "regroup"`)
	shot(t, tab, "source")
	tab.Type(browser.Escape)
	tab.Gone("dialog.source", "")
}

// TestModal opens a modal, is refused, submits it, pushes a view on it.
func TestModal(t *testing.T) {
	g := startGallery(t, workspace(t))
	g.post()
	tab, _ := visit(t, g, page.Config{})
	open := `#log [data-action="open"]`
	tab.Click(open)
	tab.See("dialog.modal h2", "Every input")
	tab.Wait("the focus in the first input", `document.activeElement.closest("[data-block=name]")`)
	shot(t, tab, "modal")
	// The page sees to required inputs, as Slack's client does.
	tab.Click("dialog.modal footer .primary")
	tab.See("[data-block=name] .error", "required field")
	tab.See("[data-block=pool] .error", "required field")
	if n := g.submitted.Load(); n != 0 {
		t.Errorf("the app got %d submissions", n)
	}
	tab.Fill("[data-block=name] input", "node-9")
	tab.Choose("[data-block=pool] select", "web")
	tab.Fill("[data-block=why] textarea", "")
	tab.Type("\b")
	tab.Click("[data-block=zones] summary")
	tab.Click("[data-block=zones] input[value=b]")
	tab.Click("[data-block=people] summary")
	tab.Click("[data-block=people] input[value=" + slackemu.UserGrace + "]")
	tab.Click("[data-block=kinds] input[value=spot]")
	tab.Click("[data-block=often] input[value=d]")
	tab.Fill("[data-block=mail] input", "ada@example.com")
	tab.Fill("[data-block=link] input", "https://example.com/")
	tab.Fill("[data-block=count] input", "12")
	tab.Choose("[data-block=day] input", "2026-12-24")
	tab.Choose("[data-block=when] input", "2026-12-24T18:00")
	tab.Fill("[data-block=notes] textarea", "in rich text")
	shot(t, tab, "modal-filled")
	tab.Click("dialog.modal footer .primary")
	tab.See("[data-block=name] .error", "There is no such node.")
	tab.Wait("what was entered to stay",
		`document.querySelector("[data-block=name] input").value === "node-9" && document.querySelector("[data-block=pool] `+
			`select").value === "web"`)
	tab.Eval(`document.querySelector("[data-block=name]").scrollIntoView()`, nil)
	shot(t, tab, "modal-error")

	// A view on top, and back.
	tab.Click("dialog.modal [data-action=push]")
	tab.See("dialog.modal h2", "Pushed")
	tab.See("dialog.modal header", "view 2 of 2")
	tab.Type(browser.Escape)
	tab.See("dialog.modal h2", "Every input")
	tab.Wait("what was entered to stay", `document.querySelector("[data-block=name] input").value === "node-9"`)

	tab.Fill("[data-block=name] input", "node-10")
	tab.Type(browser.Enter)
	tab.Gone("dialog", "")
	tab.See("article", "Saved node-10")
	state := *g.lastState.Load()
	for _, want := range []string{`"value":"node-10"`, `"web"`, slackemu.UserGrace, `"spot"`, `"ada@example.com"`,
		`"https://example.com/"`, `"12"`, `"2026-12-24"`, `1798135200`} {
		if !strings.Contains(state, want) {
			t.Errorf("the submission lacks %s: %s", want, state)
		}
	}
	if strings.Contains(state, "because") {
		t.Errorf("what was cleared was submitted: %s", state)
	}
	tab.Wait("the focus back on the button", `document.activeElement.dataset.action === "open"`)

	tab.Click(open)
	tab.See("dialog.modal h2", "Every input")
	tab.Type(browser.Escape)
	tab.Gone("dialog", "")
	if n := len(g.slack.Modals(slackemu.UserAda)); n != 0 {
		t.Errorf("%d modals are still open", n)
	}
}

// TestComposer types messages and commands.
func TestComposer(t *testing.T) {
	s := workspace(t)
	g := startGallery(t, s)
	tab, _ := visit(t, g, page.Config{})
	tab.See(".log", "Nothing has been said")
	tab.Click("#compose")
	tab.Type("hello <b>there</b>")
	tab.Type(browser.Enter)
	tab.See("article .body", "hello <b>there</b>")
	if m := s.Messages(slackemu.ChannelOps); len(m) != 1 || m[0].Text != "hello &lt;b&gt;there&lt;/b&gt;" ||
		m[0].User != slackemu.UserAda {
		t.Errorf("posted %+v", m)
	}

	// Commands and their words are completed by Tab, also the second of them by arrows.
	tab.Type("/")
	tab.See(".suggest", "/events")
	shot(t, tab, "suggest")
	tab.Type("n" + browser.Tabkey)
	tab.Wait("the command completed", `document.querySelector("#compose").value === "/nodes "`)
	tab.See(".composer-note", "[list | NAME | help]")
	tab.Type("--" + browser.Down + browser.Tabkey + "--z" + browser.Tabkey)
	tab.Wait("the words completed", `document.querySelector("#compose").value === "/nodes --on-demand --zone "`)
	tab.Type("eu-west-1a" + browser.Enter)
	tab.See(".ephemeral", "You typed /nodes --on-demand --zone eu-west-1a")
	tab.See(".ephemeral .mark", "Only visible to you")
	tab.Click(`[data-action="replace"]`)
	tab.See(".ephemeral", "The second page")
	tab.Gone(".ephemeral", "You typed")
	shot(t, tab, "command")

	// What was sent comes back with the arrow.
	tab.Click("#compose")
	tab.Type(browser.Up)
	tab.Wait("the last command", `document.querySelector("#compose").value === "/nodes --on-demand --zone eu-west-1a"`)
	tab.Type(browser.Up)
	tab.Wait("the one before", `document.querySelector("#compose").value === "hello <b>there</b>"`)
	tab.Type(browser.Down + browser.Down)
	tab.Wait("nothing", `document.querySelector("#compose").value === ""`)

	tab.Type("/nonsense" + browser.Enter)
	tab.See(".ephemeral", "/nonsense is not a valid command")
	s.SetSocketMode(false)
	tab.See(".nav .dot:not(.on)", "")
	tab.Type("/nodes" + browser.Enter)
	tab.See(".ephemeral", `/nodes failed with the error "dispatch_failed"`)

	// Tab leaves the field where there is nothing to complete, and after Escape.
	tab.Type("x" + browser.Tabkey)
	tab.Wait("the focus elsewhere", `document.activeElement.id !== "compose"`)
}

// TestHome opens the app's home tab.
func TestHome(t *testing.T) {
	g := startGallery(t, workspace(t))
	tab, _ := visit(t, g, page.Config{})
	tab.Click(`.nav a[href="#home"]`)
	tab.See("main", "42 nodes")
	tab.See("main", "Opened 1 times")
	shot(t, tab, "home")
	tab.Click(`[data-action="refresh"]`)
	tab.See("main", "Opened 2 times")
	tab.Click(`[role="tab"]:last-child`)
	tab.See("main", "It is connected to Slack through 1 socket.")
	tab.See("main", "[--for KIND/NAME]")
	shot(t, tab, "about")
	tab.Click(`.nav a[data-channel="` + slackemu.ChannelPrivate + `"]`)
	tab.See(".pane-head", "ops-private")
}

// TestLive watches a channel as it changes: unread marks, threads, edits, scrolling, another person.
func TestLive(t *testing.T) {
	s := workspace(t)
	g := startGallery(t, s)
	parent := g.say(slackemu.ChannelOps, "Parent of a thread", "")
	tab, srv := visit(t, g, page.Config{})
	tab.See("article", "Parent of a thread")
	tab.Gone(".nav .count", "")

	// Another channel gets marks; opening it shows where the new ones begin.
	g.say(slackemu.ChannelPrivate, "Quiet", "")
	tab.See(`[data-channel="`+slackemu.ChannelPrivate+`"].unread .count`, "1")
	g.say(slackemu.ChannelPrivate, "Loud for <@"+slackemu.UserAda+">", "")
	tab.See(`[data-channel="`+slackemu.ChannelPrivate+`"] .count.ring`, "2")
	shot(t, tab, "unread")
	tab.Click(`[data-channel="` + slackemu.ChannelPrivate + `"]`)
	tab.See(".line.new", "New")
	tab.See("article.mentions", "Loud for @Ada Lovelace")
	tab.Gone(`[data-channel="`+slackemu.ChannelPrivate+`"] .count`, "")
	tab.Click(`[data-channel="` + slackemu.ChannelOps + `"]`)

	// A thread: the line under its parent, the pane, a reply of the person, one that is sent to the channel too.
	g.say(slackemu.ChannelOps, "First reply", parent)
	tab.See(in(parent, ".thread-line"), "1 reply")
	tab.Click(in(parent, ".thread-line"))
	tab.See(".thread article", "First reply")
	g.say(slackemu.ChannelOps, "Second reply", parent, map[string]any{"reply_broadcast": true})
	tab.See(".thread article", "Second reply")
	tab.See(".thread article", "Also sent to the channel")
	tab.See("#log article", "replied to a thread: Parent of a thread")
	tab.Click("#reply")
	tab.Type("/nodes")
	tab.See(".thread .composer-note", "do not work in threads")
	tab.Type(browser.Enter)
	tab.See(".thread .ephemeral", "not supported in threads")
	tab.Type("my reply" + browser.Enter)
	tab.See(".thread article", "my reply")
	tab.See(in(parent, ".thread-line"), "3 replies")
	shot(t, tab, "thread")
	tab.Type(browser.Escape)
	tab.Gone(".thread", "")

	// An edit arrives where it stands, without taking the focus from a field.
	tab.Click("#compose")
	tab.Type("half a mess")
	g.must("chat.update", map[string]any{"channel": slackemu.ChannelOps, "ts": parent, "text": "Parent, edited"})
	tab.See(at(parent), "Parent, edited")
	tab.See(in(parent, ".edited"), "(edited)")
	tab.See(at(parent)+".fresh", "")
	tab.Type("age")
	tab.Wait("the focus and the text",
		`document.activeElement.id === "compose" && document.activeElement.value === "half a message"`)
	g.must("chat.update", map[string]any{"channel": slackemu.ChannelOps, "ts": parent, "text": "Parent, edited again"})
	tab.See(at(parent), "edited again")

	// The end stays in view, unless the reader has scrolled up: then a button brings her there.
	for i := range 40 {
		g.say(slackemu.ChannelOps, fmt.Sprintf("Line %d", i), "")
	}
	end := `(() => { const l = document.querySelector("#log"); return l.scrollHeight - l.scrollTop - l.clientHeight < ` +
		`40; })()`
	tab.See("article", "Line 39")
	tab.Wait("the end in view", end)
	tab.Eval(`document.querySelector("#log").scrollTop = 0`, nil)
	tab.See(".jump", "Jump to latest")
	g.say(slackemu.ChannelOps, "Below the fold", "")
	tab.See(".jump", "1 new")
	tab.Wait("the place kept", `document.querySelector("#log").scrollTop < 5`)
	tab.Click(".jump")
	tab.Wait("the end in view", end)
	tab.Gone(".jump", "")

	// Another person has another zone, other channels and her own messages.
	tab.Choose(`.who select`, slackemu.UserGrace)
	tab.See(".nav", "secret")
	tab.Gone(".nav", "ops-private")
	tab.See(".who select", "")
	tab.Wait("Grace in the address", `new URLSearchParams(location.search).get("user") === "`+slackemu.UserGrace+`"`)
	if _, err := s.Post(slackemu.UserEve, slackemu.ChannelOps, "from elsewhere", ""); err != nil {
		t.Fatal(err)
	}
	tab.See("article .badge.foreign", "external")
	tab.Wait("the reader's zone", `[...document.querySelectorAll("#log time")].at(-1).title.includes("America/New_York")`)

	// After a break of the connection the page reads the state anew, and misses nothing.
	tab.Allow("net::ERR_")
	srv.CloseClientConnections()
	g.say(slackemu.ChannelOps, "Said during the break", "")
	tab.See("article", "Said during the break")
	tab.Gone(".bar .status", "Reconnecting")
	g.say(slackemu.ChannelOps, "And after it", "")
	tab.See("article", "And after it")
}

// TestPanel presses, switches and chooses in the panel.
func TestPanel(t *testing.T) {
	g := startGallery(t, workspace(t))
	panel := newPanel()
	tab, _ := visit(t, g, page.Config{Panel: panel.page()})
	tab.See(".side", "Day 2, 09:14")
	tab.See("[data-counter=once]", "✓ OK")
	tab.See("[data-counter=twice]", "✗ not OK")
	tab.Click("[data-control=join]")
	tab.See("[data-counter=joined] td", "20")
	tab.Click("[data-control=pause]")
	tab.Wait("the switch on", `document.querySelector("[data-control=pause]").ariaChecked === "true"`)
	tab.Choose("[data-control=speed]", "60")
	tab.Wait("the option chosen", `document.querySelector("[data-control=speed]").value === "60"`)
	tab.Wait("a disabled control with its reason",
		`document.querySelector("[data-control=kill]").disabled && document.querySelector("#control-kill-note").innerText `+
			`=== "it is starting"`)
	tab.Click("[data-control=storm]")
	tab.See(".toast", "Spot storm: storm cannot be done now")
	shot(t, tab, "panel")
	tab.Click(`.bar button[aria-label="Hide the side column"]`)
	tab.Gone(".side", "Simulated cluster")
	// The colours can be chosen, whatever the system prefers.
	tab.Click(`.bar button[aria-label^="Colours"]`)
	tab.Click(`.bar button[aria-label^="Colours"]`)
	tab.Wait("dark", `document.documentElement.dataset.theme === "dark" && `+
		`getComputedStyle(document.body).backgroundColor === "rgb(23, 25, 28)"`)
	shot(t, tab, "dark-wide")
}
