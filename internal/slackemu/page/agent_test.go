package page_test

import (
	"testing"

	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
	"rollcall/test/browser"
)

// TestDirectMessages writes to the app alone: prompts, a status, a thread.
func TestDirectMessages(t *testing.T) {
	g := startGallery(t, workspace(t))
	tab, _ := visit(t, g, page.Config{})
	dm := g.slack.DirectChannel(slackemu.UserAda)
	tab.Click(`.nav a[href="#` + dm + `"]`)
	tab.See(`[role="tab"][aria-selected="true"]`, "Messages")
	tab.See("main", "Write to Rollcall")
	tab.See(".prompts", "Try")
	shot(t, tab, "prompts")
	tab.Click(".prompts button")
	tab.See("#log .message", "count <all>")
	tab.Gone(".prompts", "")
	tab.See("#log .thread-line", "1 reply")
	tab.Click("#log .thread-line")
	tab.See("#thread-log", "You wrote: count <all>")
	tab.See(".thread .pane-head", "A title")
	tab.Gone("#thread-log", "is counting…")

	// What looks like a link is one.
	tab.Fill("#compose", "node-1.example.com")
	tab.Type(browser.Enter)
	tab.Wait("a link", `document.querySelector("#log a[href='http://node-1.example.com']").innerText === `+
		`"node-1.example.com"`)
	tab.Fill("#compose", "wait")
	tab.Type(browser.Enter)
	tab.See("#log .message", "Rollcall is counting…")
	shot(t, tab, "direct")
	// Commands work there, too.
	tab.Fill("#compose", "/nodes list")
	tab.Type(browser.Enter)
	tab.See(".ephemeral", "You typed /nodes list")

	tab.Click(`[role="tab"]`)
	tab.See("main", "42 nodes")
	g.say(dm, "One more thing", "")
	tab.See(`.nav a[href="#`+dm+`"] .count`, "1")
	tab.See(".phone", "direct message")
	tab.Viewport(360, 740)
	tab.Click(`[role="tab"]:nth-child(2)`)
	tab.See("#log", "One more thing")
	tab.Wait("no message wider than the window", `document.documentElement.scrollWidth <= innerWidth && `+
		`document.querySelector("#log").scrollWidth <= document.querySelector("#log").clientWidth`)
	shot(t, tab, "direct-narrow")
}

// TestShortcuts uses a message shortcut on what a person wrote, in the channel and in a thread.
func TestShortcuts(t *testing.T) {
	g := startGallery(t, workspace(t))
	tab, _ := visit(t, g, page.Config{})
	ts, err := g.slack.Post(slackemu.UserGrace, slackemu.ChannelOps, "node-a has left", "")
	if err != nil {
		t.Fatal(err)
	}
	reply, err := g.slack.Post(slackemu.UserGrace, slackemu.ChannelOps, "and node-b", ts)
	if err != nil {
		t.Fatal(err)
	}
	more := `[aria-label="More message actions"]`
	tab.See(at(ts), "1 reply")
	tab.Eval(`document.querySelector('`+in(ts, more)+`').focus()`, nil)
	tab.Type(browser.Enter)
	tab.Wait("the focus on the first item", `document.activeElement.dataset.shortcut === "why"`)
	shot(t, tab, "shortcuts")
	tab.Type(browser.Enter)
	tab.See(".ephemeral", "why of node-a has left")
	tab.Click(in(ts, ".thread-line"))
	tab.See("#thread-log", "and node-b")
	inThread := `#thread-log [data-ts="` + reply + `"] `
	tab.Eval(`document.querySelector('`+inThread+more+`').focus()`, nil)
	tab.Click(inThread + more)
	tab.Click(inThread + `[data-shortcut="why"]`)
	tab.See(".ephemeral", "why of and node-b")
}
