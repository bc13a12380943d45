package slackapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/command"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
)

// CommandsConfig is what Commands needs. Cluster, Ledger, Watch, Log and API are required.
type CommandsConfig struct {
	Cluster string
	Ledger  *ledger.Ledger
	// Watch says how fresh the ledger is: "" if the watch is live, else why it is not.
	Watch func() string
	// Health lists Rollcall's parts and what is wrong with each, for the Home tab; nil: not
	// shown.
	Health func(ctx context.Context) []Health
	// Digest says when the digest comes next; nil: it is not shown.
	Digest func(now time.Time) time.Time
	// Summaries answers /nodes digest. Its zone is also that of people whose own time zone is not
	// known, and its prices are those of all answers. Its Ledger may be left out.
	Summaries Summaries
	Log       *slog.Logger
	API       *slack.Client
	// Calls hears of the answers sent to response_urls, and Asked of each slash command and how
	// long its answer took; nil: nobody does.
	Calls Observer
	Asked func(command string, took time.Duration)

	// Who may use commands, where; empty: everyone of the own workspace, everywhere.
	AllowedUsers    []string
	AllowedChannels []string
}

// Health is the state of one of Rollcall's parts.
type Health struct {
	Part    string
	Problem string // "" if it is well
}

// Commands answers people: slash commands, the buttons and menus of messages, forms and the Home
// tab. What it says it reads from the ledger; all that it ever writes are mutes.
type Commands struct {
	c      CommandsConfig
	access access
	http   *http.Client // for response_urls
	forms  forms
	home   homes
	zones  zones
	busy   sync.WaitGroup // answers on their way
}

// NewCommands returns Commands. Handle answers an envelope, and Run must be running meanwhile.
func NewCommands(c CommandsConfig) *Commands {
	c.Summaries = c.Summaries.withDefaults(c.Ledger)
	return &Commands{c: c, http: &http.Client{Timeout: callTimeout, Transport: transport(c.Calls)},
		access: access{api: c.API, log: c.Log, users: c.AllowedUsers, channels: c.AllowedChannels}}
}

// How long answers may take.
const (
	// checkWithin bounds finding out who somebody is: what could not be found out by then is
	// said in the time that is left to acknowledge.
	checkWithin = ackWithin - 500*time.Millisecond
	// patience is how long an acknowledgement waits for the answer, to carry it along. An answer
	// that takes longer comes through the response_url.
	patience = 1200 * time.Millisecond
	// answerWithin bounds a whole answer.
	answerWithin = 30 * time.Second
)

// Run keeps the Home tabs up to date until ctx ends, then waits for the answers on their way.
func (c *Commands) Run(ctx context.Context) error {
	err := c.keepHomes(ctx)
	c.busy.Wait()
	return err
}

// Handle answers an envelope with its acknowledgement, at once or within Slack's 3 s; what takes
// longer follows. What it does not know is acknowledged and left alone.
func (c *Commands) Handle(ctx context.Context, e Envelope) any {
	switch e.Type {
	case "slash_commands":
		return c.slash(ctx, e)
	case "interactive":
		return c.interact(ctx, e)
	case "events_api":
		c.event(ctx, e)
	}
	return nil
}

// slash answers a slash command.
func (c *Commands) slash(ctx context.Context, e Envelope) any {
	var cmd slack.SlashCommand
	if err := json.Unmarshal(e.Payload, &cmd); err != nil {
		c.c.Log.Warn("Slack sent a slash command that cannot be read", "err", err)
		return nil
	}
	who := asker{App: cmd.APIAppID, Team: cmd.TeamID, Enterprise: cmd.EnterpriseID, User: cmd.UserID, Channel: cmd.ChannelID}
	if why := c.mayNot(ctx, who, e.App, cmd.Command); why != "" {
		return ephemeral(refusal(cmd.Command, why))
	}
	line := strings.TrimSpace(cmd.Command + " " + cmd.Text)
	began := time.Now()
	answered := func() {
		if c.c.Asked != nil {
			c.c.Asked(cmd.Command, time.Since(began))
		}
	}
	done := make(chan content, 1)
	c.later(ctx, func(ctx context.Context) { done <- c.answer(ctx, line, onMessage) })
	to := delivery{responseURL: cmd.ResponseURL, channel: cmd.ChannelID, user: cmd.UserID}
	select {
	case what := <-done:
		if payload := ephemeral(what); payload != nil {
			answered()
			return payload
		}
		c.later(ctx, func(ctx context.Context) { c.deliver(ctx, to, what); answered() })
	case <-time.After(patience):
		c.later(ctx, func(ctx context.Context) { c.deliver(ctx, to, <-done); answered() })
	}
	return nil
}

// mayNot says why somebody may not do something, and logs it; "" if they may.
func (c *Commands) mayNot(ctx context.Context, who asker, app, what string) string {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	why := c.access.refuse(ctx, who, app)
	if why != "" {
		c.c.Log.Warn("somebody was refused", "what", what, "user", who.User, "team", who.Team, "channel", who.Channel, "why", why)
	}
	return why
}

// refusal is what somebody is told who may not.
func refusal(what, why string) content {
	title := "You may not use " + what + " here"
	return view{Icon: "🚫", Title: title, Text: title + ": " + why, Parts: []part{{Lines: sentence(why)}}}.content(onMessage)
}

// later runs f after the acknowledgement, within answerWithin. Run waits for it.
func (c *Commands) later(ctx context.Context, f func(ctx context.Context)) {
	c.busy.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		defer func() {
			// What goes wrong with one answer must not end the watch.
			if r := recover(); r != nil {
				c.c.Log.Error("answering somebody failed", "panic", fmt.Sprint(r))
			}
		}()
		f(ctx)
	})
}

// deliver sends an answer, and logs if Slack does not take it.
func (c *Commands) deliver(ctx context.Context, to delivery, what content) bool {
	err := c.respond(ctx, to, what)
	if err != nil {
		c.c.Log.Warn("an answer did not reach Slack", "user", to.user, "channel", to.channel, "err", err)
	}
	return err == nil
}

// ackRoom is how large an answer may be that goes out with an acknowledgement, in bytes: what
// is left beside its envelope ID.
const ackRoom = ackLimit - 500

// ephemeral is an answer that only the person who asked sees, as the payload of an
// acknowledgement; nil if it is too large for one, or if Slack may not take it, which it does not
// say of an acknowledgement.
func ephemeral(what content) any {
	if what.plain != nil {
		return nil
	}
	answer := map[string]any{"response_type": slack.ResponseTypeEphemeral, "text": what.text, "blocks": what.blocks}
	if b, err := json.Marshal(answer); err != nil || len(b) > ackRoom {
		return nil
	}
	return answer
}

// answer says what a command line asks for, on a surface. It never fails: what goes wrong is the
// answer then.
func (c *Commands) answer(ctx context.Context, line string, on surface) content {
	return c.lookAt(ctx, line, time.Now()).on(on)
}

// lookAt is answer at a moment, before it is turned into blocks.
func (c *Commands) lookAt(ctx context.Context, line string, now time.Time) view {
	v, err := c.view(ctx, line, now)
	if mistake, ok := errors.AsType[*command.Mistake](err); ok {
		return mistaken(mistake)
	}
	if err != nil {
		name, _, _ := strings.Cut(line, " ")
		c.c.Log.Error("answering a slash command failed", "command", name, "err", err)
		const sorry = "The ledger did not answer in time. Please try again."
		return view{Icon: "⚠️", Title: sorry, Text: sorry, Parts: []part{{Buttons: []button{{Label: "Try again", Verb: verbShow, Value: line}}}}}
	}
	return v
}

// view reads a command line and looks up what it asks for.
func (c *Commands) view(ctx context.Context, line string, now time.Time) (view, error) {
	name, text, _ := strings.Cut(line, " ")
	switch name {
	case "/nodes":
		req, err := command.ParseNodes(text, now)
		if err != nil {
			return view{}, err
		}
		return c.nodes(ctx, req, now)
	case "/events":
		req, err := command.ParseEvents(text, now)
		if err != nil {
			return view{}, err
		}
		return c.events(ctx, req, now)
	}
	const knows = "Rollcall knows the commands /nodes and /events"
	return view{Icon: "❓", Title: knows, Text: knows}, nil
}

// mistaken says what is wrong with a command, where, and what would be right.
func mistaken(m *command.Mistake) view {
	v := view{Icon: "❓", Title: m.Error(), Text: m.Error()}
	if before, bad, after := m.Marked(); bad != "" {
		v.Parts = append(v.Parts, part{Text: []string{m.Command + " " + before + "▸" + bad + "◂" + after}})
	}
	var buttons []button
	if m.Fix != "" {
		fix := m.Command + " " + strings.TrimSpace(strings.TrimPrefix(m.Fix, m.Command))
		buttons = append(buttons, button{Label: clip(fix, maxButton), Verb: verbShow, Value: fix, Style: slack.StylePrimary})
	}
	if m.Command != "" {
		buttons = append(buttons, button{Label: "Help", Verb: verbShow, Value: m.Command + " help"})
	}
	if len(buttons) > 0 {
		v.Parts = append(v.Parts, part{Buttons: buttons})
	}
	return v
}

// cluster is the cluster that a request is about: Rollcall's own, or another of its ledger.
func (c *Commands) cluster(ctx context.Context, name, commandName string) (query.ClusterRecord, error) {
	all, err := c.c.Ledger.Clusters(ctx)
	if err != nil {
		return query.ClusterRecord{}, err
	}
	var names []string
	for _, r := range all {
		if r.Cluster == name || name == "" && r.Cluster == c.c.Cluster {
			return r, nil
		}
		names = append(names, r.Cluster)
	}
	if name == "" || name == c.c.Cluster {
		return query.ClusterRecord{Cluster: c.c.Cluster}, nil
	}
	return query.ClusterRecord{}, &command.Mistake{Command: commandName, Problem: fmt.Sprintf("%q is no cluster that Rollcall has seen; it knows %s", name, strings.Join(names, ", ")),
		Nearest: "--cluster " + c.c.Cluster}
}
