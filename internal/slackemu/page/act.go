package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"rollcall/internal/slackemu"
)

// maxBody is far more than a person types or a modal holds.
const maxBody = 1 << 20

// request is what the browser sends when a person does something. Which fields are needed depends on what it is.
type request struct {
	User    string `json:"user"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`     // of the message
	Thread  string `json:"thread"` // the parent of a reply
	Text    string `json:"text"`
	Command string `json:"command"`

	View   string   `json:"view"` // instead of channel and ts
	Block  string   `json:"block"`
	Action string   `json:"action"`
	Value  string   `json:"value"`
	Values []string `json:"values"`
	Inputs []input  `json:"inputs"` // of a submission

	Control string `json:"control"` // of the panel
}

// input is what a person has entered in one input of a modal. No values, or one empty one, mean that it is empty.
type input struct {
	Block  string   `json:"block"`
	Action string   `json:"action"`
	Values []string `json:"values"`
}

// answer tells the browser what came of it. Error is for the person, in Slack's words where it has some: things that
// Slack's own client shows in passing are no failures of the request, and have status 200.
type answer struct {
	Error   string          `json:"error,omitempty"`
	TS      string          `json:"ts,omitempty"`      // of the message that the person has posted
	Options json.RawMessage `json:"options,omitempty"` // the suggestions for an external select
}

// action carries out one kind of request.
type action func(ctx context.Context, r request) answer

// actions are the routes below /page/ that take a POST.
func (p *Page) actions() map[string]action {
	return map[string]action{
		"message": p.say, "command": p.command, "action": p.act, "submit": p.submit, "close": p.close, "home": p.home,
		"suggest": p.suggest, "panel": p.control, "shortcut": p.shortcut,
	}
}

func (p *Page) post(name string, do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			http.Error(w, "the body must be application/json", http.StatusUnsupportedMediaType)
			return
		}
		var req request
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		dec.DisallowUnknownFields()
		err := dec.Decode(&req)
		if err == nil {
			if _, more := dec.Token(); !errors.Is(more, io.EOF) {
				err = errors.New("something follows the JSON object")
			}
		}
		if err != nil {
			http.Error(w, fmt.Sprintf("reading the body: %v", err), http.StatusBadRequest)
			return
		}
		if name != "panel" {
			u, err := p.reader(req.User)
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
				return
			}
			req.User = u.ID
		}
		a := do(r.Context(), req)
		if a.Error != "" {
			p.log.Debug("a person was told of an error", "what", name, "text", a.Error)
		}
		p.json(w, http.StatusOK, a)
	}
}

// say posts a message or a reply as the person.
func (p *Page) say(_ context.Context, r request) answer {
	if r.Text == "" {
		return answer{Error: "There is nothing to send."}
	}
	i := slices.IndexFunc(p.slack.Channels(), func(c slackemu.Channel) bool { return c.ID == r.Channel })
	if i >= 0 && p.slack.Channels()[i].Archived {
		return answer{Error: "This channel is archived: nothing can be posted."}
	}
	if r.Channel != "" && r.Channel == p.slack.DirectChannel(r.User) {
		d := p.slack.DirectMessage(r.User, r.Text, r.Thread) // whether the app hears of it, Slack does not tell
		if err := d.Err(); err != nil {
			return answer{Error: fmt.Sprintf("This could not be sent: %v.", err)}
		}
		return answer{TS: d.TS}
	}
	ts, err := p.slack.Post(r.User, r.Channel, slackemu.Escape(r.Text), r.Thread)
	if err != nil {
		return answer{Error: fmt.Sprintf("This could not be sent: %v.", err)}
	}
	return answer{TS: ts}
}

func (p *Page) command(ctx context.Context, r request) answer {
	if !slices.Contains(p.slack.Config().Commands, r.Command) {
		return answer{Error: fmt.Sprintf(
			`%s is not a valid command. In Slack, all messages that start with the "/" command are interpreted as commands.`,
			r.Command)}
	}
	if r.Thread != "" {
		return answer{Error: fmt.Sprintf("%s is not supported in threads. Sorry!", r.Command)}
	}
	c := p.slack.SlashCommand(r.User, r.Channel, r.Command, r.Text)
	return told(ctx, c.Delivery,
		func(code string) string { return fmt.Sprintf("%s failed with the error %q", r.Command, code) })
}

// act uses an interactive element of a message or a view.
func (p *Page) act(ctx context.Context, r request) answer {
	a := slackemu.Action{ActionID: r.Action, BlockID: r.Block, Value: r.Value, Values: r.Values}
	var i *slackemu.Interaction
	if r.View != "" {
		i = p.slack.ViewAction(r.User, r.View, a)
	} else {
		i = p.slack.BlockAction(r.User, r.Channel, r.TS, a)
	}
	return told(ctx, i.Delivery, p.silent)
}

// shortcut uses the message shortcut whose callback_id is the value.
func (p *Page) shortcut(ctx context.Context, r request) answer {
	return told(ctx, p.slack.Shortcut(r.User, r.Channel, r.TS, r.Value).Delivery, p.silent)
}

// silent is what a person is shown when the app did not take an interaction.
func (p *Page) silent(code string) string {
	name := title(p.slack.Config().BotName)
	switch code {
	case slackemu.OutcomeTimeout:
		return fmt.Sprintf("Operation timed out: %s has to answer within 3 seconds and did not (%s).", name, code)
	case slackemu.OutcomeNoApp:
		return fmt.Sprintf("%s is not responding: it has no connection to Slack (%s).", name, code)
	}
	return fmt.Sprintf("%s gave an answer that Slack does not take (%s).", name, code)
}

func (p *Page) submit(ctx context.Context, r request) answer {
	for _, in := range r.Inputs {
		err := p.slack.Enter(r.User, r.View,
			slackemu.Action{ActionID: in.Action, BlockID: in.Block, Values: append([]string{}, in.Values...)})
		if err != nil {
			return answer{Error: err.Error()}
		}
	}
	i := p.slack.SubmitView(r.User, r.View, nil)
	return told(ctx, i.Delivery,
		func(code string) string { return "We had some trouble connecting. Try again? " + p.silent(code) })
}

// close closes a modal. Slack does not wait for the app here, and one that is closed already is closed.
func (p *Page) close(_ context.Context, r request) answer {
	p.slack.CloseView(r.User, r.View)
	return answer{}
}

// home opens the app's home tab, or its messages tab if the value says so. Slack shows what was published last until
// the app publishes anew, and no error if it does not.
func (p *Page) home(_ context.Context, r request) answer {
	open := p.slack.OpenHome
	if r.Value == "messages" {
		open = p.slack.OpenMessages
	}
	if err := open(r.User).Err(); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{}
}

func (p *Page) suggest(ctx context.Context, r request) answer {
	channel, ts := r.Channel, r.TS
	if r.View != "" {
		channel, ts = "", r.View
	}
	i := p.slack.BlockSuggestion(r.User, channel, ts, r.Action, r.Value)
	a := told(ctx, i.Delivery, p.silent)
	if a.Error == "" {
		a.Options = i.AckPayload()
	}
	return a
}

func (p *Page) control(ctx context.Context, r request) answer {
	if p.cfg.Panel == nil {
		return answer{Error: "There is no panel."}
	}
	if err := p.cfg.Panel.Do(ctx, r.Control, r.Value); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{}
}

// maxWait is how long a request waits for the app. Slack gives it 3 s; the rest is for the emulator's own slowness.
const maxWait = time.Minute

// told waits for a delivery and says how Slack tells the person that it failed.
func told(ctx context.Context, d *slackemu.Delivery, words func(code string) string) answer {
	if err := d.Err(); err != nil {
		return answer{Error: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if err := d.Wait(ctx); err != nil {
		if code := d.Outcome(); code != "" {
			return answer{Error: words(code)}
		}
		return answer{Error: err.Error()}
	}
	return answer{}
}
