package slackapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/slack-go/slack"
)

// delivery says where an answer goes.
type delivery struct {
	responseURL string // a secret: whoever has it can write here
	channel     string
	user        string
	replace     bool // in place of the message that was used
	toAll       bool // shown to the channel
}

// respondTries is how often an answer is sent when Slack does not take it.
const respondTries = 3

// plainFor is for how long answers go without charts and sortable tables once Slack has refused them: it draws them in
// one workspace after the other.
const plainFor = time.Hour

func (c *Commands) plainFrom(now time.Time) { c.plainUntil.Store(now.Add(plainFor).UnixNano()) }

// respond sends an answer that did not go out with an acknowledgement. A response_url works
// wherever the person is, also where Rollcall is no member; when it does not take the answer
// (used up, expired), the person gets it as a new message.
func (c *Commands) respond(ctx context.Context, to delivery, what content) error {
	err := errors.New("no response_url")
	usable := false // else no repeat changes that
	if u, wrong := url.Parse(to.responseURL); wrong == nil {
		usable = u.Host != ""
	}
	pause := 300 * time.Millisecond
	for try := 0; try < respondTries && usable; try++ {
		if try > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			pause *= 3
		}
		msg := &slack.WebhookMessage{Text: what.text, Blocks: &slack.Blocks{BlockSet: what.blocks},
			ReplaceOriginal: to.replace, ResponseType: slack.ResponseTypeEphemeral}
		if to.toAll {
			msg.ResponseType = slack.ResponseTypeInChannel
		}
		if err = withoutURL(slack.PostWebhookCustomHTTPContext(ctx, to.responseURL, c.http, msg)); err == nil {
			return nil
		}
		if limit, ok := errors.AsType[*slack.RateLimitedError](err); ok {
			pause = max(pause, limit.RetryAfter)
			continue
		}
		status, ok := errors.AsType[slack.StatusCodeError](err)
		switch {
		case !ok && to.toAll:
			// Slack may have it: a repeat would be seen by the whole channel.
			return fmt.Errorf("answering through the response_url: %w", err)
		case ok && (status.Code == http.StatusNotFound || status.Code == http.StatusGone):
			try = respondTries // used up or expired
		case ok && status.Code < 500 && status.Code != http.StatusTooManyRequests && what.plain != nil:
			if err := c.respond(ctx, to, *what.plain); err != nil {
				return err
			}
			c.plainFrom(time.Now()) // it is the new blocks that Slack does not take
			return nil
		case ok && status.Code < 500 && status.Code != http.StatusTooManyRequests:
			return fmt.Errorf("answering through the response_url: %w", err)
		}
	}
	if to.channel == "" || to.toAll {
		return fmt.Errorf("answering through the response_url: %w", err)
	}
	if what.plain != nil {
		what = *what.plain
	}
	opts := []slack.MsgOption{slack.MsgOptionText(what.text, false), slack.MsgOptionBlocks(what.blocks...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
	if _, fallback := c.api.PostEphemeralContext(ctx, to.channel, to.user, opts...); fallback != nil {
		return errors.Join(fmt.Errorf("answering through the response_url: %w", err),
			fmt.Errorf("answering with a new message: %w", fallback))
	}
	return nil
}

// withoutURL takes the response_url out of an error.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
