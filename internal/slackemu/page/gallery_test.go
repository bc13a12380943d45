package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"rollcall/internal/slackemu"
)

// gallery is a Slack app that posts every kind of block, and answers everything that a person does with them.
type gallery struct {
	t     *testing.T
	slack *slackemu.Server
	api   *slack.Client

	posted    []string     // timestamps of the gallery's messages, in its order
	file      string       // id of the uploaded picture
	submitted atomic.Int32 // how often the modal was submitted
	opened    atomic.Int32 // how often Home was
	mutes     atomic.Int32 // presses that were left without an acknowledgement
	lastState atomic.Pointer[string]
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// workspace starts an emulator in which the gallery may do everything.
func workspace(t *testing.T, edit ...func(*slackemu.Config)) *slackemu.Server {
	t.Helper()
	cfg := slackemu.Config{
		TeamName: "Example Ltd", NoRateLimits: true, RemoteFiles: []string{"remote-1"}, FileProcessing: time.Nanosecond,
		AckTimeout:  time.Second,
		TriggerLife: time.Minute,
	}
	for _, f := range edit {
		f(&cfg)
	}
	s := slackemu.Start(t, cfg)
	s.AddScope(slackemu.DefaultBotToken, "links.embed:write")
	return s
}

// startGallery connects the app to a workspace until the test ends.
func startGallery(t *testing.T, s *slackemu.Server) *gallery {
	t.Helper()
	g := &gallery{t: t, slack: s}
	g.api = slack.New(slackemu.DefaultBotToken, slack.OptionAppLevelToken(slackemu.DefaultAppToken),
		slack.OptionAPIURL(s.APIURL()),
		slack.OptionHTTPClient(&http.Client{Timeout: 10 * time.Second}), slack.OptionLog(log.New(io.Discard, "", 0)))
	client := socketmode.New(g.api, socketmode.OptionLog(log.New(io.Discard, "", 0)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { _ = client.RunContext(ctx); done <- struct{}{} }()
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			select {
			case e := <-client.Events:
				g.handle(client, e)
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done; <-done })
	g.wait("the app's connection", func() bool { return s.Connected() > 0 })
	return g
}

func (g *gallery) wait(what string, cond func() bool) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 30*time.Second)
	defer cancel()
	if err := g.slack.WaitFor(ctx, cond); err != nil {
		g.t.Fatalf("waiting for %s: %v", what, err)
	}
}

// call calls a Web API method with JSON values as they are.
func (g *gallery) call(method string, args map[string]any) map[string]any {
	body, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequest(http.MethodPost, g.slack.APIURL()+method, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+slackemu.DefaultBotToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return map[string]any{"ok": false, "error": err.Error()}
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return map[string]any{"ok": false, "error": err.Error()}
	}
	return out
}

// must is call from the test's goroutine.
func (g *gallery) must(method string, args map[string]any) map[string]any {
	g.t.Helper()
	out := g.call(method, args)
	if out["ok"] != true {
		g.t.Fatalf("%s: %v", method, out)
	}
	return out
}

// picture is a PNG to upload.
func picture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 360, 120))
	for x := range 360 {
		for y := range 120 {
			img.Set(x, y, color.RGBA{R: uint8(x / 3), G: uint8(120 + y), B: 110, A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// post posts the whole gallery, and a picture.
func (g *gallery) post() {
	g.t.Helper()
	data := picture()
	f, err := g.api.UploadFile(slack.UploadFileParameters{
		Filename: "nodes.png", FileSize: len(data), Reader: bytes.NewReader(data), Title: "Nodes of the day",
		AltTxt:  "a picture of the day's nodes",
		Channel: slackemu.ChannelOps, InitialComment: "The day in a picture",
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.file = f.ID
	text := strings.ReplaceAll(testdata(g.t, "gallery.json"), "UPLOADED", g.file)
	text = strings.ReplaceAll(text, "LONG", strings.Repeat("The kubelet stopped posting node status. ", 30))
	var messages []map[string]any
	if err := json.Unmarshal([]byte(text), &messages); err != nil {
		g.t.Fatal(err)
	}
	for _, m := range messages {
		m["channel"] = slackemu.ChannelOps
		g.posted = append(g.posted, g.must("chat.postMessage", m)["ts"].(string))
	}
}

// say posts a plain message, in a thread if thread is not empty.
func (g *gallery) say(channel, text, thread string, more ...map[string]any) string {
	g.t.Helper()
	args := map[string]any{"channel": channel, "text": text}
	if thread != "" {
		args["thread_ts"] = thread
	}
	for _, m := range more {
		maps.Copy(args, m)
	}
	return g.must("chat.postMessage", args)["ts"].(string)
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// handle answers one event of the socket. It runs outside of the test's goroutine.
func (g *gallery) handle(client *socketmode.Client, e socketmode.Event) {
	switch e.Type {
	case socketmode.EventTypeSlashCommand:
		cmd := e.Data.(slack.SlashCommand)
		client.Ack(*e.Request, raw(fmt.Sprintf(`{"text":"you typed","blocks":[
			{"type":"section","text":{"type":"mrkdwn","text":"You typed %s %s"}},
			{"type":"actions","elements":[{"type":"button","action_id":"replace","text":{"type":"plain_text","text":"Next page"}}]}]}`, cmd.Command, strings.ReplaceAll(cmd.Text, `"`, `'`))))
	case socketmode.EventTypeEventsAPI:
		client.Ack(*e.Request)
		switch inner := e.Data.(slackevents.EventsAPIEvent).InnerEvent.Data.(type) {
		case *slackevents.AppHomeOpenedEvent:
			if inner.Tab == "messages" {
				g.call("assistant.threads.setSuggestedPrompts", map[string]any{"channel_id": inner.Channel, "title": "Try",
					"prompts": raw(`[{"title":"How many nodes?","message":"count <all>"}]`)})
				return
			}
			g.home(g.opened.Add(1))
		case *slackevents.MessageEvent:
			g.directly(inner)
		}
	case socketmode.EventTypeInteractive:
		g.interaction(client, *e.Request, e.Data.(slack.InteractionCallback))
	}
}

// directly answers what a person writes to the app alone, in a thread: "wait" leaves her waiting.
func (g *gallery) directly(m *slackevents.MessageEvent) {
	if m.BotID != "" || m.SubType != "" {
		return
	}
	thread := m.ThreadTimeStamp
	if thread == "" {
		thread = m.TimeStamp
	}
	g.call("assistant.threads.setTitle", map[string]any{"channel_id": m.Channel, "thread_ts": thread, "title": "A title"})
	g.call("assistant.threads.setStatus", map[string]any{"channel_id": m.Channel, "thread_ts": thread,
		"status": "is counting…"})
	if m.Text != "wait" {
		g.say(m.Channel, "You wrote: "+m.Text, thread)
	}
}

func (g *gallery) home(n int32) {
	g.call("views.publish",
		map[string]any{"user_id": slackemu.UserAda,
			"view": raw(strings.ReplaceAll(strings.ReplaceAll(home, "COUNT", fmt.Sprint(n)), "\n", ""))})
}

// home and modal are read before the app answers, because it answers outside of the test's goroutine.
var home, modal = read("home.json"), read("modal.json")

func read(name string) string {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return string(data)
}

func (g *gallery) interaction(client *socketmode.Client, req socketmode.Request, cb slack.InteractionCallback) {
	switch cb.Type {
	case slack.InteractionTypeViewSubmission:
		state, _ := json.Marshal(cb.View.State.Values)
		text := string(state)
		g.lastState.Store(&text)
		if g.submitted.Add(1) == 1 {
			client.Ack(req, raw(`{"response_action":"errors","errors":{"name":"There is no such node."}}`))
			return
		}
		client.Ack(req)
		g.call("chat.postMessage",
			map[string]any{"channel": slackemu.ChannelOps, "text": "Saved " + cb.View.State.Values["name"]["v"].Value})
	case slack.InteractionTypeBlockSuggestion:
		client.Ack(req, raw(
			`{"options":[{"text":{"type":"plain_text","text":"node-1"},"value":"node-1"},{"text":{"type":"plain_text","text":"node-2"},"value":"node-2"}]}`))
	case slack.InteractionTypeMessageAction:
		client.Ack(req)
		g.respond(cb.ResponseURL, fmt.Sprintf(`{"text":"%s of %s"}`, cb.CallbackID, cb.Message.Text))
	case slack.InteractionTypeBlockActions:
		a := cb.ActionCallback.BlockActions[0]
		if a.ActionID == "mute-app" {
			g.mutes.Add(1)
			return
		}
		client.Ack(req)
		update := func(text string) {
			g.call("chat.update", map[string]any{"channel": cb.Channel.ID, "ts": cb.Message.Timestamp, "text": text,
				"blocks": raw(`[{"type":"section","text":{"type":"mrkdwn","text":"` + text + `"}}]`)})
		}
		switch a.ActionID {
		case "open":
			g.call("views.open", map[string]any{"trigger_id": cb.TriggerID, "view": raw(modal)})
		case "push":
			g.call("views.push",
				map[string]any{"trigger_id": cb.TriggerID,
					"view": raw(`{"type":"modal","title":{"type":"plain_text","text":"Pushed"},"blocks":[{"type":"section","text":{"type":"plain_text","text":"The second view"}}]}`)})
		case "edit":
			update("Edited at the press of a button")
		case "drop":
			g.call("chat.delete", map[string]any{"channel": cb.Channel.ID, "ts": cb.Message.Timestamp})
		case "refresh":
			g.home(g.opened.Add(1))
		case "replace":
			g.respond(cb.ResponseURL, `{"replace_original":true,"text":"The second page"}`)
		default: // whatever was chosen is said to the person alone
			chosen := []string{a.Value, a.SelectedOption.Value, a.SelectedUser, a.SelectedChannel, a.SelectedConversation,
				a.SelectedDate, a.SelectedTime}
			for _, o := range a.SelectedOptions {
				chosen = append(chosen, o.Value)
			}
			if a.SelectedDateTime != 0 {
				chosen = append(chosen, fmt.Sprint(a.SelectedDateTime))
			}
			g.respond(cb.ResponseURL,
				fmt.Sprintf(`{"replace_original":false,"text":"%s: %s"}`, a.ActionID,
					strings.Join(strings.Fields(strings.Join(chosen, " ")), " ")))
		}
	}
}

func (g *gallery) respond(url, body string) {
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err == nil {
		resp.Body.Close()
	}
}
