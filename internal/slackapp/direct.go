package slackapp

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/answer"
	"rollcall/internal/deliver"
	"rollcall/internal/message"
)

// event is what Slack says has happened: somebody opened a tab of Rollcall's, or wrote to it.
type event struct {
	Team       string `json:"team_id"`
	Enterprise string `json:"enterprise_id"`
	App        string `json:"api_app_id"`
	Event      struct {
		Type        string `json:"type"`
		Subtype     string `json:"subtype"`
		User        string `json:"user"`
		Bot         string `json:"bot_id"`
		Tab         string `json:"tab"`
		Channel     string `json:"channel"`
		ChannelType string `json:"channel_type"`
		Text        string `json:"text"`
		Thread      string `json:"thread_ts"`
	} `json:"event"`
}

// happened answers an event. What is not known is left alone: also Rollcall's own messages, which Slack tells it of.
func (c *Commands) happened(ctx context.Context, e Envelope) {
	var p event
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		c.log.Warn("Slack sent an event that cannot be read", "err", err)
		return
	}
	who := asker{App: p.App, Where: p.Team, WhereEnterprise: p.Enterprise, User: p.Event.User}
	switch {
	case p.Event.Type == "app_home_opened" && p.Event.Tab == "home":
		c.later(ctx, func(ctx context.Context) { c.openHome(ctx, who, e.App) })
	case p.Event.Type == "app_home_opened" && p.Event.Tab == "messages":
		c.later(ctx, func(ctx context.Context) {
			if c.check(ctx, who, e.App).why == "" {
				c.suggest(ctx, p.Event.Channel)
			}
		})
	case p.Event.Type == "message" && p.Event.ChannelType == "im" && p.Event.Subtype == "" && p.Event.Bot == "" &&
		p.Event.User != "":
		c.later(ctx, func(ctx context.Context) { c.direct(ctx, who, e.App, p) })
	}
}

// direct answers what somebody has written to Rollcall itself. A direct message is in no channel of the list, like the
// Home tab.
func (c *Commands) direct(ctx context.Context, who asker, app string, p event) {
	what := content{}
	if r := c.mayNot(ctx, who, app, "direct messages"); r.why != "" {
		what = c.refused("Rollcall", r)
	} else {
		began := time.Now()
		what = c.drawFor(ctx, who.User, c.answers.ToDirect(ctx, p.Event.Text, began), onMessage)
		defer func() { c.asked("direct message", time.Since(began)) }()
		defer c.suggest(ctx, p.Event.Channel)
	}
	if err := c.post(ctx, p.Event.Channel, p.Event.Thread, what); err != nil {
		c.log.Warn("an answer did not reach Slack", "user", who.User, "channel", p.Event.Channel, "err", err)
	}
}

// post posts an answer to a direct message. It is repeated only where Slack says that it was not carried out, though a
// 429 has been seen to post all the same: one answer too many to one person. Who gets none asks again.
func (c *Commands) post(ctx context.Context, channel, thread string, what content) error {
	for {
		opts := []slack.MsgOption{slack.MsgOptionText(what.text, false), slack.MsgOptionBlocks(what.blocks...),
			slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
		if thread != "" {
			opts = append(opts, slack.MsgOptionTS(thread))
		}
		_, _, err := c.api.PostMessageContext(ctx, channel, opts...)
		limit, limited := errors.AsType[*slack.RateLimitedError](err)
		switch {
		case err == nil:
			return nil
		case limited:
			select {
			case <-ctx.Done():
				return err
			case <-time.After(limit.RetryAfter):
			}
		case what.plain != nil && errorCode(err) == "invalid_blocks":
			what = *what.plain
			c.plainFrom(time.Now())
		default:
			return err
		}
	}
}

// maxPrompts is how many prompts Slack shows. Source: docs.slack.dev, assistant.threads.setSuggestedPrompts.
const maxPrompts = 4

// suggest shows what may be asked, where the workspace and the app's manifest have agents; elsewhere nothing is missed.
func (c *Commands) suggest(ctx context.Context, channel string) {
	if c.promptless.Load() || channel == "" {
		return
	}
	p := slack.AssistantThreadsSetSuggestedPromptsParameters{ChannelID: channel, Title: "Ask for example"}
	for _, prompt := range answer.Prompts[:min(len(answer.Prompts), maxPrompts)] {
		p.AddPrompt(prompt.Title, prompt.Text)
	}
	if err := c.api.SetAssistantThreadsSuggestedPromptsContext(ctx, p); err != nil {
		switch judge(err, channel).Outcome {
		case deliver.Down, deliver.Limited: // the next message has them again
		default:
			if !c.promptless.Swap(true) {
				c.log.Debug("prompts are not suggested", "err", err)
			}
		}
	}
}

// ShortcutWhy is the callback_id of the message shortcut "Why?", as the app manifest has it.
const ShortcutWhy = "why"

// shortcut is the payload of a message shortcut. The message may be anybody's. Source: docs.slack.dev, Message
// shortcuts; the app's ID is not documented there.
type shortcut struct {
	CallbackID  string           `json:"callback_id"`
	App         string           `json:"api_app_id"`
	Team        slack.Team       `json:"team"`
	Enterprise  slack.Enterprise `json:"enterprise"`
	Channel     struct{ ID string }
	User        slack.User
	ResponseURL string          `json:"response_url"`
	Message     json.RawMessage `json:"message"`
}

// shortcut answers a message shortcut: why the nodes that the message names came or went.
func (c *Commands) shortcut(ctx context.Context, e Envelope) {
	var in shortcut
	if err := json.Unmarshal(e.Payload, &in); err != nil {
		c.log.Warn("Slack sent a shortcut that cannot be read", "err", err)
		return
	}
	if in.CallbackID != ShortcutWhy {
		c.log.Warn("Slack sent a shortcut that Rollcall does not know", "callback", in.CallbackID)
		return
	}
	if in.App == "" {
		in.App = e.App // it came through the app's own connection
	}
	who := asker{App: in.App, Where: in.Team.ID, WhereEnterprise: in.Enterprise.ID, Home: in.User.TeamID,
		User: in.User.ID, Channel: in.Channel.ID}
	to := delivery{responseURL: in.ResponseURL, channel: in.Channel.ID, user: in.User.ID}
	c.later(ctx, func(ctx context.Context) {
		if r := c.mayNot(ctx, who, e.App, "the shortcut Why?"); r.why != "" {
			c.deliver(ctx, to, c.refused("this shortcut", r))
			return
		}
		c.deliver(ctx, to, c.drawFor(ctx, who.User, c.why(ctx, in.Message), onMessage))
	})
}

// why says why the nodes of a message came or went: of all that it is about, if it is an alert of this Rollcall, else
// of those that its text names.
func (c *Commands) why(ctx context.Context, raw json.RawMessage) message.Message {
	var m any
	json.Unmarshal(raw, &m)
	texts, key := c.read(m)
	if key != "" {
		return c.answers.ToWave(ctx, message.WaveCauses, key, time.Now())
	}
	return c.answers.ToText(ctx, strings.Join(texts, "\n"), time.Now())
}

// read collects what people read of a message, and the key of the wave that it tells of, if it is one of ours.
func (c *Commands) read(v any) (texts []string, key string) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			t, k := c.read(x)
			if texts = append(texts, t...); k != "" {
				key = k
			}
		}
	case map[string]any:
		id, _ := v["action_id"].(string)
		verb, _, _ := strings.Cut(id, ":")
		if value, _ := v["value"].(string); message.Verb(verb) == message.WaveCauses &&
			c.owner.refuseButton(id, message.WaveCauses, value) == "" {
			key = value
		}
		for _, k := range slices.Sorted(maps.Keys(v)) { // the same message, the same order
			x := v[k]
			switch s, isText := x.(string); {
			case !isText:
				t, found := c.read(x)
				if texts = append(texts, t...); found != "" {
					key = found
				}
			case k == "text" || k == "fallback" || k == "pretext" || k == "title" || k == "value" && id == "":
				texts = append(texts, s)
			}
		}
	}
	return texts, key
}
