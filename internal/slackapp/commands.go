package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/message"

	"github.com/slack-go/slack"
)

// CommandsConfig is what Commands needs. Answers, Log and API are required.
type CommandsConfig struct {
	Answers *answer.Answerer
	Log     *slog.Logger
	API     *slack.Client
	// Calls is called after each answer sent to a response_url, and Asked after each slash command with
	// how long its answer took; they may be nil.
	Calls Observer
	Asked func(command string, took time.Duration)

	// Owner signs what is shown, so that what is pressed there is known again.
	Owner Owner

	// Who may use commands, where; empty: every full member of the own workspace, everywhere.
	AllowedUsers    []string
	AllowedChannels []string
	// Channel is where who was refused can ask to be let in: that of the alerts. "" names none.
	Channel string
}

// Commands answers people: slash commands, the buttons and menus of messages, forms and the Home
// tab. What it says comes from package answer.
type Commands struct {
	answers *answer.Answerer
	log     *slog.Logger
	api     *slack.Client
	asked   func(command string, took time.Duration)
	access  access
	http    *http.Client // for response_urls
	forms   forms
	home    homes
	owner   Owner
	people  people
	zone    *time.Location // of people whose own is not known
	busy    sync.WaitGroup // answers on their way

	plainUntil atomic.Int64 // when charts and sortable tables are tried again, in Unix nanoseconds; 0: now
	promptless atomic.Bool  // Slack shows no prompts of ours
	zoneless   sync.Once    // says that people's zones cannot be known
}

// NewCommands returns Commands. Handle answers an envelope, and Run must be running meanwhile.
func NewCommands(c CommandsConfig) *Commands {
	if c.Asked == nil {
		c.Asked = func(string, time.Duration) {}
	}
	x := &Commands{answers: c.Answers, log: c.Log, api: c.API, asked: c.Asked, owner: c.Owner,
		http:   &http.Client{Timeout: callTimeout, Transport: transport(c.Calls)},
		people: people{api: c.API}, zone: c.Answers.Zone()}
	x.access = access{api: c.API, people: &x.people, users: c.AllowedUsers, channels: c.AllowedChannels,
		alerts: c.Channel}
	return x
}

// How long answers may take.
const (
	// checkWithin bounds finding out who somebody is, and all that goes with an acknowledgement: what could
	// not be found out by then is said in the time that is left.
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
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	switch e.Type {
	case "slash_commands":
		return c.slash(ctx, e)
	case "interactive":
		return c.interact(ctx, e)
	case "events_api":
		c.happened(ctx, e)
	}
	return nil
}

// slash answers a slash command.
func (c *Commands) slash(ctx context.Context, e Envelope) any {
	var cmd slack.SlashCommand
	if err := json.Unmarshal(e.Payload, &cmd); err != nil {
		c.log.Warn("Slack sent a slash command that cannot be read", "err", err)
		return nil
	}
	who := asker{App: cmd.APIAppID, Where: cmd.TeamID, WhereEnterprise: cmd.EnterpriseID, User: cmd.UserID,
		Channel: cmd.ChannelID}
	if r := c.mayNot(ctx, who, e.App, cmd.Command); r.why != "" {
		return ephemeral(c.refused(cmd.Command, r))
	}
	name := c.answers.Names().Read(cmd.Command)
	line := strings.TrimSpace(name + " " + c.answers.Names().Read(cmd.Text))
	began := time.Now()
	answered := func() { c.asked(name, time.Since(began)) }
	done := make(chan content, 1)
	c.later(ctx, func(ctx context.Context) { done <- c.answer(ctx, cmd.UserID, line, onMessage) })
	to := delivery{responseURL: cmd.ResponseURL, channel: cmd.ChannelID, user: cmd.UserID}
	// What the check has taken of the time is not there any more.
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case what := <-done:
		if payload := ephemeral(what); payload != nil {
			answered()
			return payload
		}
		c.later(ctx, func(ctx context.Context) { c.deliver(ctx, to, what); answered() })
	case <-wait.Done():
		c.later(ctx, func(ctx context.Context) { c.deliver(ctx, to, <-done); answered() })
	}
	return nil
}

// mayNot says why somebody may not do something, and logs it; the zero value if they may.
func (c *Commands) mayNot(ctx context.Context, who asker, app, what string) refusal {
	r := c.check(ctx, who, app)
	if r.why != "" {
		c.logRefusal(who, what, r)
	}
	return r
}

// check says whether somebody may use Rollcall, within checkWithin.
func (c *Commands) check(ctx context.Context, who asker, app string) refusal {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	return c.access.refuse(ctx, who, app)
}

func (c *Commands) logRefusal(who asker, what string, r refusal) {
	args := []any{"what", what, "user", who.User, "team", cmp.Or(who.Home, who.Where), "channel", who.Channel,
		"why", r.why}
	if r.setting != "" {
		args = append(args, "setting", r.setting)
	}
	if r.err != nil {
		args = append(args, "err", r.err)
	}
	c.log.Warn("somebody was refused", args...)
}

// refused is what somebody is told who may not: why, and in which channels to ask, whose names Slack
// shows to those who may see them.
func (c *Commands) refused(what string, r refusal) content {
	why := c.answers.Names().Show(r.why)
	title := "You may not use " + what + " here"
	told := render(message.Message{Icon: "🚫", Headline: title, Text: title + ": " + why,
		Parts: []message.Part{{Lines: message.Sentence(why)}}}, onMessage)
	if len(r.ask) == 0 {
		return told
	}
	elements := []slack.RichTextSectionElement{slack.NewRichTextSectionTextElement("Ask in ", nil)}
	for i, channel := range r.ask[:min(len(r.ask), maxAsk)] {
		if i > 0 {
			elements = append(elements, slack.NewRichTextSectionTextElement(" or ", nil))
		}
		elements = append(elements, slack.NewRichTextSectionChannelElement(channel, nil))
	}
	elements = append(elements, slack.NewRichTextSectionTextElement(".", nil))
	told.blocks = append(told.blocks, slack.NewRichTextBlock("", slack.NewRichTextSection(elements...)))
	return told
}

// maxAsk is how many channels a refusal names.
const maxAsk = 3

// later runs f after the acknowledgement, within answerWithin. Run waits for it.
func (c *Commands) later(ctx context.Context, f func(ctx context.Context)) {
	c.busy.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		defer func() {
			// What goes wrong with one answer must not end the watch.
			if r := recover(); r != nil {
				c.log.Error("answering somebody failed", "panic", fmt.Sprint(r))
			}
		}()
		f(ctx)
	})
}

// deliver sends an answer, and logs if Slack does not take it.
func (c *Commands) deliver(ctx context.Context, to delivery, what content) bool {
	err := c.respond(ctx, to, what)
	if err != nil {
		c.log.Warn("an answer did not reach Slack", "user", to.user, "channel", to.channel, "err", err)
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

// answer says what a command line of somebody's asks for, on a surface.
func (c *Commands) answer(ctx context.Context, user, line string, on surface) content {
	return c.drawFor(ctx, user, c.answers.To(ctx, line, time.Now()), on)
}
