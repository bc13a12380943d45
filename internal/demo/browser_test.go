package demo

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/channel"
	"rollcall/internal/slackemu"
	"rollcall/test/browser"
)

var screenshots = flag.String("screenshots", "", "write pictures of the demo into this folder")

// picture takes a screenshot if they are wanted.
func picture(tab *browser.Tab, name string) {
	if *screenshots != "" {
		tab.Eval(`new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))`, nil)
		tab.Screenshot(filepath.Join(*screenshots, name+".png"))
	}
}

// TestDemoInBrowser does what a newcomer does: opens the page, waits for a wave, types /nodes,
// causes a burst and sees one message grow, kills the bot and sees nothing doubled, and looks
// at all of it on a phone, in the dark.
func TestDemoInBrowser(t *testing.T) {
	d := show(t, Config{Seed: 1})
	tab := browser.Start(t)
	tab.ColorScheme("light")
	tab.Viewport(1440, 900)
	tab.Open(d.url)
	tab.See("#log", "Rollcall is watching demo")
	tab.See("#log", "joined")
	d.until("a wave with nodes", func() error {
		if d.counter("joined").Value == "0" {
			return fmt.Errorf("none yet")
		}
		return nil
	})

	tab.Fill(".composer textarea", "/nodes")
	tab.Type(browser.Enter)
	tab.See("#log", "Only visible to you")
	tab.See("#log", "Last 24 hours")
	picture(tab, "demo")

	before, _ := strconv.Atoi(d.counter("joined").Value)
	tab.Click(`[data-control="burst"]`)
	var burst channel.Wave
	d.until("the burst's message grows", func() error {
		waves := channel.Waves(d.slack, slackemu.ChannelOps)
		i := slices.IndexFunc(waves, func(w channel.Wave) bool { return w.Kind == "joined" && w.Nodes >= 60 })
		if i < 0 {
			return fmt.Errorf("%d waves", len(waves))
		}
		burst = waves[i]
		return nil
	})
	message := fmt.Sprintf(`#log [data-ts="%s"]`, burst.TS)
	tab.See(message, "(edited)")
	first := nodesIn(t, tab.Text(message))
	d.until("it grows on", func() error {
		if n := nodesIn(t, tab.Text(message)); n <= first {
			return fmt.Errorf("%d nodes, then %d", first, n)
		}
		return nil
	})
	tab.Click(`[data-control="kill"]`)
	tab.See(`[data-counter="kills"]`, "1")
	tab.See(`[data-counter="bot"]`, "connected to Slack")
	// What joined while the bot was dead is told in a message of its own.
	d.until("the burst is told", func() error {
		if n, _ := strconv.Atoi(d.counter("joined").Value); n < before+burstNodes {
			return fmt.Errorf("%d nodes are told, %d before the burst", n, before)
		}
		return nil
	})
	d.press("pause", "on")
	d.settled()
	tab.See(`[data-counter="twice"]`, "nothing is told twice")
	tab.See(`[data-counter="untold"]`, "nothing is lost")
	keys := map[string]int{}
	for _, w := range channel.Waves(d.slack, slackemu.ChannelOps) {
		if keys[w.Key]++; keys[w.Key] > 1 {
			t.Errorf("wave %s is in the channel %d times", w.Key, keys[w.Key])
		}
	}

	tab.ColorScheme("dark")
	tab.Viewport(390, 844)
	tab.See("#log", "joined")
	picture(tab, "demo-phone")
}

// TestCommandsInBrowser asks as a person would: types, completes, presses, filters in a form,
// opens a node, its events and the Home tab.
func TestCommandsInBrowser(t *testing.T) {
	d := show(t, Config{Seed: 1})
	tab := browser.Start(t)
	tab.ColorScheme("light")
	tab.Viewport(760, 1000)
	tab.Open(d.url)
	d.until("some nodes have joined and are ready", func() error {
		if n, _ := strconv.Atoi(d.counter("joined").Value); n < 4 {
			return fmt.Errorf("%d joined", n)
		}
		return nil
	})
	d.press("pause", "on")
	d.settled()
	const answer = "[data-answer]"
	asked := 0
	say := func(text string) {
		t.Helper()
		tab.Fill(".composer textarea", text)
		tab.Type(browser.Enter)
		asked++
		tab.Wait("the answer to "+text, fmt.Sprintf(`document.querySelectorAll("#log .ephemeral").length >= %d`, asked))
		tab.Eval(`document.querySelectorAll("[data-answer]").forEach((e) => delete e.dataset.answer); `+
			`[...document.querySelectorAll("#log .ephemeral")].at(-1).dataset.answer = ""`, nil)
	}
	press := func(within, label string) {
		t.Helper()
		find := fmt.Sprintf(`[...document.querySelectorAll(%q)].find((e) => e.textContent.trim() === %q)`, within, label)
		tab.Wait("the button "+label, find+" !== undefined")
		tab.Eval(`document.querySelectorAll("[data-press]").forEach((e) => delete e.dataset.press); `+find+
			`.dataset.press = ""`, nil)
		tab.Click("[data-press]")
	}
	say("/nodes")
	tab.See(answer, "Last changes")
	picture(tab, "nodes")
	press(answer+" button", "Zone")
	tab.See(answer, "us-east-1a")
	press(answer+" button", "Filter…")
	tab.See("dialog", "Filter nodes")
	picture(tab, "filter")
	tab.Fill(`dialog [data-block="older"] input`, "soon")
	press("dialog button", "Show")
	tab.See("dialog", "1d12h")
	tab.Fill(`dialog [data-block="older"] input`, "1s")
	tab.Fill(`dialog [data-block="type"] input`, "m5.*,c6i.*")
	press("dialog button", "Show")
	tab.See(answer, "--type m5.*,c6i.*")
	tab.Gone("dialog", "Filter nodes")
	say("/nodes list --spot")
	tab.See(answer, "Only --spot")
	picture(tab, "nodes-list")
	spot := spotNode(t, tab.Text(answer))
	say("/nodes " + spot)
	tab.See(answer, "Its changes")
	tab.Viewport(760, 1600)
	picture(tab, "node")
	tab.Viewport(760, 1000)
	press(answer+" button", "Events")
	tab.See(answer, "kubelet")
	say("/events --scaling")
	tab.See(answer, "scaling events")
	picture(tab, "events")
	tab.Viewport(760, 1500)
	say("/nodes digest --since 2m")
	tab.See(answer, "node-hours")
	tab.See(answer, "Nodes by capacity type")
	tab.Wait("the digest's chart", `document.querySelector("[data-answer] svg") !== null`)
	picture(tab, "digest")
	tab.Viewport(760, 1000)
	// In one step, because the answer that is being refreshed takes the place of the one with the button.
	refresh := func() {
		tab.Eval(`[...document.querySelectorAll("[data-answer] button")].find((e) => e.textContent.trim() === "Refresh")`+
			`?.click()`, nil)
		time.Sleep(500 * time.Millisecond)
	}
	d.press("full", "on")
	say("/nodes waiting")
	d.until("pods wait", func() error {
		refresh()
		text := tab.Text(answer)
		if !strings.Contains(text, "4 pods of media/encode") || !strings.Contains(text, "pool general is at its limit") {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	picture(tab, "waiting")
	d.press("full", "off")
	d.press("keep", "on")
	say("/nodes kept")
	d.until("nodes are kept", func() error {
		refresh()
		text := tab.Text(answer)
		if !strings.Contains(text, "by the PodDisruptionBudget shop/") || !strings.Contains(text, "by pod ml/notebook-") {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	picture(tab, "kept")
	d.press("keep", "off")
	say("/nodes lsit --spto")
	tab.See(answer, "did you mean")
	press("#log button", "Mute…")
	tab.See("dialog", "For how long")
	picture(tab, "mute")
	press("dialog button", "Mute")
	tab.See("#log", "are muted until")
	press("#log button", "Undo")
	tab.See("#log", "undone by ada")
	tab.Eval(`location.hash = "#home"`, nil)
	tab.See("main", "How Rollcall is")
	picture(tab, "home")
	press("main button", "Not ready")
	tab.See("dialog", "demo:")
	press("dialog button", "Close")

	// Without a command: in a direct message, whose prompts Slack shows, and with a shortcut.
	tab.Click(`[role="tab"]:nth-child(2)`)
	tab.See(".prompts", "How many nodes are there?")
	press(".prompts button", "How many nodes are there?")
	tab.See("#log .message", "Last changes")
	tab.Fill("#compose", "why is "+spot+" here?")
	tab.Type(browser.Enter)
	tab.See("#log", "Its changes")
	picture(tab, "direct")
}

// spotNode is the first node's name in a list.
func spotNode(t *testing.T, text string) string {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "ip-10-") {
			return word
		}
	}
	t.Fatalf("no node in %q", text)
	return ""
}

// nodesIn is the number in a message's headline: "demo: 87 nodes joined, 12 ready".
func nodesIn(t *testing.T, text string) int {
	t.Helper()
	_, rest, _ := strings.Cut(text, "demo: ")
	number, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("no number of nodes in %q", text)
	}
	return n
}
