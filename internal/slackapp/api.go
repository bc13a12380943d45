// Package slackapp is Slack and nothing else: the Socket Mode session, who may ask, forms and the
// Home tab, the rendering of messages as Block Kit, and the [Sink] that package deliver posts to.
//
// It owns every call to Slack and is the only package, apart from the emulator, that knows
// slack-go's types. What it shows comes from package answer; it decides nothing about words, and
// knows neither the ledger nor the cluster.
package slackapp

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollcall/internal/deliver"

	"github.com/slack-go/slack"
)

// callTimeout bounds one Web API call. slack-go's default HTTP client has no timeout.
const callTimeout = 10 * time.Second

// NewAPI returns a Web API client. The tokens are sent to apiURL only; an empty apiURL means
// Slack itself. observe, which may be nil, is called after each call.
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

// Slack's error codes by what they mean for us. Source: docs.slack.dev, chat.postMessage and
// chat.update.
var outcomes = map[deliver.Outcome][]string{
	deliver.Fatal: {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired",
		"org_login_required", "not_allowed_token_type"},
	deliver.Gone:   {"message_not_found", "thread_not_found", "block_mismatch"},
	deliver.Frozen: {"cant_update_message", "edit_window_closed"},
	deliver.Unthreaded: {"cannot_reply_to_message", "thread_locked", "restricted_action_thread_locked",
		"restricted_action_non_threadable_channel"},
	deliver.Refused: {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text",
		"too_many_attachments", "only_one_table_allowed", "metadata_too_large", "invalid_metadata_format",
		"invalid_metadata_schema", "metadata_must_be_sent_from_app", "invalid_arguments", "markdown_text_conflict"},
	deliver.Closed: {"channel_not_found", "not_in_channel", "is_archived", "is_inactive", "missing_scope",
		"access_denied", "no_permission", "ekm_access_denied", "team_access_not_granted", "messages_tab_disabled",
		"as_user_not_supported"},
	deliver.Limited: {"ratelimited", "rate_limited", "message_limit_exceeded"},
	deliver.Down:    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"},
}

// restricted begins the codes that a channel's or workspace's rules for posting have; Slack adds to them.
const restricted = "restricted_action"

// maxWait is the longest that Slack may make us wait before we ask again. Its own limits are of a minute; a day, which
// a broken proxy may ask for, would silence Rollcall.
const maxWait = time.Minute

// wait is how long we wait where Slack limits us.
func wait(limit *slack.RateLimitedError) time.Duration {
	return min(max(limit.RetryAfter, time.Second), maxWait)
}

// unsaidWait is how long we wait when Slack limits us without saying for how long.
const unsaidWait = 5 * time.Second

// judge says what an error of a call means; channel is the one that was called about.
func judge(err error, channel string) deliver.Verdict {
	if err == nil {
		return deliver.Verdict{}
	}
	if errors.Is(err, errNoChart) {
		return deliver.Verdict{Outcome: deliver.Refused}
	}
	if limit, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return deliver.Verdict{Outcome: deliver.Limited, Wait: wait(limit)}
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok && status.Code == http.StatusTooManyRequests {
		return deliver.Verdict{Outcome: deliver.Limited, Wait: unsaidWait}
	}
	v := deliver.Verdict{Outcome: deliver.Down, Code: errorCode(err)}
	if v.Code == "" {
		v.Unanswered = timedOut(err)
		return v
	}
	v.Outcome, v.Hint = deliver.Strange, Hint(v.Code, channel)
	if strings.HasPrefix(v.Code, restricted) {
		v.Outcome = deliver.Closed
	}
	for outcome, codes := range outcomes {
		if slices.Contains(codes, v.Code) {
			v.Outcome = outcome
		}
	}
	if v.Outcome == deliver.Limited {
		v.Wait = unsaidWait
	}
	return v
}

// timedOut reports whether Slack said nothing within our time-out.
func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
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
		return fmt.Sprintf(
			"%s is not a channel this app can see: use the channel's ID (C…, under its name > About), and invite the app if "+
				"it is private", channel)
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
		return "SLACK_BOT_TOKEN takes the bot token (xoxb-…), SLACK_APP_TOKEN the app-level token (xapp-…): they are " +
			"swapped or of another kind"
	case "link_disabled", "not_allowed", "socket_mode_not_enabled":
		return "Socket Mode is switched off: switch it on under Settings > Socket Mode of the app"
	case "is_inactive":
		return fmt.Sprintf("%s is frozen: reactivate it, or name another channel", channel)
	}
	if strings.HasPrefix(code, restricted) {
		return fmt.Sprintf("posting in %s is restricted: allow the app under the channel's posting permissions", channel)
	}
	return ""
}
