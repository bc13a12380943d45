// Package slackapp is Rollcall's Slack adapter: the Socket Mode session, the answers to slash
// commands, the rendering of messages as Block Kit, and the paced posting that tells each wave
// exactly once.
//
// It owns every call to Slack and is the only package, apart from the emulator, that knows
// slack-go's types. It never writes facts about the cluster: the ledger is where it reads what
// to tell and where it records what Slack has accepted.
package slackapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/slack-go/slack"
)

// callTimeout bounds one Web API call. slack-go's default HTTP client has no timeout.
const callTimeout = 10 * time.Second

// NewAPI returns a Web API client. The tokens are sent to apiURL only; an empty apiURL means
// Slack itself. observe, which may be nil, hears of each call.
func NewAPI(botToken, appToken, apiURL string, observe Observer) *slack.Client {
	opts := []slack.Option{
		slack.OptionAppLevelToken(appToken),
		slack.OptionHTTPClient(&http.Client{Timeout: callTimeout, Transport: transport(observe)}),
	}
	if apiURL != "" {
		opts = append(opts, slack.OptionAPIURL(apiURL))
	}
	return slack.New(botToken, opts...)
}

func transport(observe Observer) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 4
	if observe == nil {
		return t
	}
	return observed{t, observe}
}

// outcome is what became of a call.
type outcome int

const (
	accepted   outcome = iota
	refused            // Slack will never take this content
	gone               // the message or thread is not there (any more)
	limited            // Slack wants us to wait; a post may have happened all the same
	uncertain          // time-out, 5xx, connection lost: a post may have happened
	notAllowed         // channel or scope is wrong: a person must act; not posted
	fatal              // the tokens are no good any more
)

// Slack's error codes by what they mean for us. Source: docs.slack.dev, chat.postMessage and
// chat.update.
var (
	fatalCodes      = []string{"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "org_login_required", "not_allowed_token_type"}
	goneCodes       = []string{"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "cannot_reply_to_message", "block_mismatch"}
	refusedCodes    = []string{"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text", "too_many_attachments", "only_one_table_allowed", "metadata_too_large", "invalid_metadata_format", "invalid_metadata_schema", "metadata_must_be_sent_from_app", "invalid_arguments", "markdown_text_conflict"}
	notAllowedCodes = []string{"channel_not_found", "not_in_channel", "is_archived", "missing_scope", "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel", "access_denied", "no_permission", "ekm_access_denied", "team_access_not_granted", "messages_tab_disabled", "as_user_not_supported"}
)

// classify says what an error of a call means, and how long Slack wants us to wait.
func classify(err error) (outcome, time.Duration) {
	if err == nil {
		return accepted, 0
	}
	if limit, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return limited, max(limit.RetryAfter, time.Second)
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok && status.Code == http.StatusTooManyRequests {
		return limited, 5 * time.Second // without Retry-After
	}
	code := errorCode(err)
	switch {
	case slices.Contains(fatalCodes, code):
		return fatal, 0
	case slices.Contains(goneCodes, code):
		return gone, 0
	case slices.Contains(refusedCodes, code):
		return refused, 0
	case slices.Contains(notAllowedCodes, code):
		return notAllowed, 0
	case code == "ratelimited", code == "rate_limited", code == "message_limit_exceeded":
		return limited, 5 * time.Second
	}
	return uncertain, 0
}

// errorCode is Slack's error code, or "" if Slack did not answer.
func errorCode(err error) string {
	if se, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return se.Err
	}
	return ""
}

// Hint says what a person can do about an error code of Slack, for channel; "" if nothing is
// known to help.
func Hint(code, channel string) string {
	switch code {
	case "channel_not_found":
		return fmt.Sprintf("%s is not a channel this app can see: use the channel's ID (C…, under its name > About), and invite the app if it is private", channel)
	case "not_in_channel":
		return fmt.Sprintf("type /invite @Rollcall in %s, or give the app the scope chat:write.public", channel)
	case "is_archived":
		return fmt.Sprintf("%s is archived: unarchive it, or name another channel", channel)
	case "missing_scope":
		return "add the missing scope under OAuth & Permissions and install the app again"
	case "invalid_auth", "not_authed":
		return "the token is not one that Slack knows: copy it again from the app's settings"
	case "token_revoked", "token_expired", "account_inactive":
		return "the token was revoked or the app uninstalled: install the app again and copy the new token"
	case "not_allowed_token_type":
		return "SLACK_BOT_TOKEN takes the bot token (xoxb-…), SLACK_APP_TOKEN the app-level token (xapp-…): they are swapped or of another kind"
	case "link_disabled", "not_allowed", "socket_mode_not_enabled":
		return "Socket Mode is switched off: switch it on under Settings > Socket Mode of the app"
	case "restricted_action", "restricted_action_read_only_channel":
		return fmt.Sprintf("posting in %s is restricted: allow the app under the channel's posting permissions", channel)
	}
	return ""
}

// finder looks for our own messages in a channel.
type finder struct {
	api   *slack.Client
	log   *slog.Logger
	blind bool // the scopes do not allow it
}

// farBack is how many pages of a channel's history are searched where no message is known that
// the one looked for must be later than. Its newest ones come first.
const farBack = 25

// find returns the ts of the message with a key, posted after another one in a channel, or in a
// thread of it; "" if it is not there or if our scopes do not let us look. after is that other
// one's ts, "" if none is known. It is Slack's, because our own clock may have been set since.
func (f *finder) find(ctx context.Context, channel, thread, key, after string) (ts string, err error) {
	err = f.look(ctx, channel, thread, after, func(m slack.Message) bool {
		found := (m.Metadata.EventType == MetadataWave || m.Metadata.EventType == MetadataDigest) && m.Metadata.EventPayload["key"] == key
		if found {
			ts = m.Timestamp
		}
		return found
	})
	if err != nil {
		err = fmt.Errorf("looking for message %s in %s: %w", key, channel, err)
	}
	return ts, err
}

// findFile reports whether a thread has a file; false also if our scopes do not let us look.
func (f *finder) findFile(ctx context.Context, channel, thread, id string) (found bool, err error) {
	err = f.look(ctx, channel, thread, "", func(m slack.Message) bool {
		found = slices.ContainsFunc(m.Files, func(file slack.File) bool { return file.ID == id })
		return found
	})
	if err != nil {
		err = fmt.Errorf("looking for file %s in %s: %w", id, channel, err)
	}
	return found, err
}

// look goes through the messages of a channel after another one, or of a thread of it, until match
// says that it has what it wants. Where our scopes do not let us look, there is nothing.
func (f *finder) look(ctx context.Context, channel, thread, after string, match func(slack.Message) bool) error {
	if f.blind {
		return nil
	}
	cursor := ""
	for pages := 1; ; pages++ {
		var page []slack.Message
		var err error
		if thread != "" {
			page, _, cursor, err = f.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
				ChannelID: channel, Timestamp: thread, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
		} else {
			var res *slack.GetConversationHistoryResponse
			res, err = f.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
				ChannelID: channel, Oldest: after, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
			if err == nil {
				page, cursor = res.Messages, res.ResponseMetaData.NextCursor
			}
		}
		if code := errorCode(err); code == "missing_scope" || code == "not_in_channel" || code == "no_permission" {
			f.blind = true
			f.log.Warn("cannot look for my own messages after a lost answer: a message may be posted twice; add the scope channels:history (groups:history for a private channel) and invite the app", "channel", channel, "code", code)
			return nil
		} else if code == "thread_not_found" {
			return nil
		} else if err != nil {
			return err
		}
		if slices.ContainsFunc(page, match) || cursor == "" || thread == "" && after == "" && pages == farBack {
			return nil
		}
	}
}
