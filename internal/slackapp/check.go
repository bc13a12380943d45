package slackapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"rollcall/internal/deliver"

	"github.com/slack-go/slack"
)

// Finding is one thing that a check looked at.
type Finding struct {
	What   string
	OK     bool
	Detail string // what was found, or why it failed, ending in a hint
}

// Scopes of the bot token: those without which nothing works, and those for working well, each
// with what is missed without it. manifests/slack-app.yaml asks for all of them, and lets people decline those for
// working well but the one that tells who somebody is.
var (
	requiredScopes = []string{"chat:write", "commands"}
	optionalScopes = [][2]string{
		{"channels:history", "a message in a public channel may be posted twice when Slack's answer is lost"},
		{"groups:history", "a message in a private channel may be posted twice when Slack's answer is lost"},
		{peopleScope, "a mute until tomorrow 9:00 goes by DIGEST_TIMEZONE"},
		{"im:history", "what people write to the app itself is not answered"},
		{"files:write", "digests have no file of figures, and no picture where Slack does not draw charts"},
	}
)

// peopleScope is the scope that tells who somebody is. Without a list of people who may use Rollcall nobody is let
// in without it.
const peopleScope = "users:read"

// addScope is how a scope is given.
func addScope(scope string) string {
	return fmt.Sprintf(
		"add the line \"- %s\" under oauth_config, scopes, bot in the app's settings under App Manifest, and install the "+
			"app again", scope)
}

// CheckBot tries the bot token: its kind and validity, its scopes, and whether it can post to
// each channel. listed says that SLACK_ALLOWED_USERS names who may use Rollcall, so that nobody has to be
// asked about.
func CheckBot(ctx context.Context, api *slack.Client, channels []string, listed bool) []Finding {
	auth, err := api.AuthTestContext(ctx)
	if err != nil {
		return []Finding{{What: "Slack bot token", Detail: failure(err, "")}}
	}
	findings := []Finding{
		{What: "Slack bot token", OK: true, Detail: fmt.Sprintf("%s in workspace %s", auth.User, auth.Team)},
	}
	var scopes []string
	for s := range strings.SplitSeq(auth.Header.Get("X-OAuth-Scopes"), ",") {
		scopes = append(scopes, strings.TrimSpace(s))
	}
	for _, want := range requiredScopes {
		f := Finding{What: "Slack scope " + want, OK: slices.Contains(scopes, want)}
		if !f.OK {
			f.Detail = "missing; " + addScope(want)
		}
		findings = append(findings, f)
	}
	for _, o := range optionalScopes {
		scope, without := o[0], o[1]
		switch {
		case slices.Contains(scopes, scope):
		case scope == peopleScope && !listed:
			findings = append(findings, Finding{What: "Slack scope " + scope,
				Detail: "missing: Rollcall cannot tell members of the workspace from guests and people of other " +
					"organisations, and refuses everybody; " + addScope(scope) + ", or name who may use it in SLACK_ALLOWED_USERS"})
		default:
			findings = append(findings, Finding{What: "Slack scope " + scope, OK: true,
				Detail: fmt.Sprintf("not given (optional): %s; to give it, install the app again and allow it there, or, if it is "+
					"not offered, %s", without, addScope(scope))})
		}
	}
	for _, id := range channels {
		if id != "" {
			findings = append(findings, checkChannel(ctx, api, id, scopes))
		}
	}
	return findings
}

// CheckMentions asks about those whom messages ring: users (U…, W…), user groups (S…) and @here. What the scopes do not
// let it ask, it says.
func CheckMentions(ctx context.Context, api *slack.Client, all []string) (findings []Finding) {
	var groups []slack.UserGroup
	var err error
	if slices.ContainsFunc(all, mentionedGroup.MatchString) {
		groups, err = api.GetUserGroupsContext(ctx)
	}
	for _, m := range all {
		f := Finding{What: "Slack mention " + m}
		switch {
		case m == mentionHere:
			f.OK, f.Detail = true, "rings those in the channel who are there"
		case mentionedGroup.MatchString(m):
			f.OK, f.Detail = checkGroup(groups, err, m)
		default:
			f.OK, f.Detail = checkPerson(ctx, api, m)
		}
		findings = append(findings, f)
	}
	return findings
}

func checkGroup(groups []slack.UserGroup, err error, id string) (ok bool, detail string) {
	if errorCode(err) == "missing_scope" {
		return true, "cannot be looked at without usergroups:read; if it rings nobody, look for its ID in its details"
	}
	if err != nil {
		return false, failure(err, "")
	}
	for _, g := range groups {
		if g.ID == id {
			return true, "@" + g.Handle
		}
	}
	return false, "there is no such user group, or it is disabled; " +
		"copy the ID (S…) from its details under ⋮ > Copy group ID"
}

func checkPerson(ctx context.Context, api *slack.Client, id string) (ok bool, detail string) {
	u, err := api.GetUserInfoContext(ctx, id)
	switch code := errorCode(err); {
	case code == "missing_scope":
		return true, "cannot be looked at without " + peopleScope
	case code == "user_not_found" || code == "user_not_visible":
		return false, code + "; copy the ID (U…) from the person's profile under ⋮ > Copy member ID"
	case err != nil:
		return false, failure(err, "")
	case u.Deleted:
		return false, "the account of " + u.Name + " is deactivated: it rings nobody; name somebody else"
	}
	return true, "@" + u.Name
}

// CheckPost posts a message into a channel, and deletes it: the only proof that alerts will arrive.
func CheckPost(ctx context.Context, api *slack.Client, id string) Finding {
	f := Finding{What: "Slack post to " + id}
	_, ts, err := api.PostMessageContext(ctx, id, slack.MsgOptionText(
		"Rollcall can post here. This message of rollcall check --post is deleted at once.", false))
	if err != nil {
		f.Detail = failure(err, id)
		return f
	}
	if _, _, err := api.DeleteMessageContext(ctx, id, ts); err != nil {
		f.Detail = "the message was posted, and is still there: " + failure(err, id) + "; delete it by hand"
		return f
	}
	f.OK, f.Detail = true, "a message was posted, and deleted"
	return f
}

// checkChannel asks about a channel. Where the scopes do not let it ask, it schedules nothing
// and posts nothing: it says so.
func checkChannel(ctx context.Context, api *slack.Client, id string, scopes []string) Finding {
	f := Finding{What: "Slack channel " + id}
	ch, err := api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	switch code := errorCode(err); {
	case code == "missing_scope":
		// channels:read is not among our scopes; reading a page of one message tells the same.
		_, err := api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: id, Limit: 1})
		if code := errorCode(err); code == "missing_scope" {
			f.OK, f.Detail = true,
				"cannot be looked at without channels:read or channels:history; if alerts do not arrive, type /invite @Rollcall "+
					"there"
			return f
		}
		if err != nil {
			f.Detail = failure(err, id)
			return f
		}
		f.OK, f.Detail = true, "the app can read it"
		return f
	case err != nil:
		f.Detail = failure(err, id)
		return f
	case ch.IsArchived:
		f.Detail = "is_archived; " + Hint("is_archived", id)
		return f
	case !ch.IsMember && !slices.Contains(scopes, "chat:write.public"):
		f.Detail = "not_in_channel; " + Hint("not_in_channel", id)
		return f
	}
	f.OK, f.Detail = true, "#"+ch.Name
	return f
}

// CheckSocket opens a Socket Mode connection, waits for Slack's hello and closes it again.
func CheckSocket(ctx context.Context, api *slack.Client) Finding {
	f := Finding{What: "Slack Socket Mode"}
	ctx, cancel := context.WithTimeout(ctx, 3*callTimeout)
	defer cancel()
	// While the connection is open, Slack may send a command to it rather than to the Rollcall
	// that runs. The person who typed it must not be left without an answer.
	busy := func(_ context.Context, e Envelope) any {
		if e.Type != "slash_commands" {
			return nil
		}
		return map[string]any{"response_type": "ephemeral",
			"text": "A check of Rollcall's connection was running just then. Please type the command again."}
	}
	s := NewSession(api, busy, slog.New(slog.DiscardHandler))
	c, err := s.connect(ctx)
	switch code := errorCode(err); {
	case code == "missing_scope":
		f.Detail = code + "; make another app-level token with the scope connections:write under Basic Information > " +
			"App-Level Tokens"
		return f
	case code != "" && Hint(code, "") == "":
		// Slack documents no code for this; it takes the token, but gives no connection.
		f.Detail = code + "; " + Hint("link_disabled", "")
		return f
	case err != nil:
		f.Detail = failure(err, "")
		return f
	}
	ended := make(chan error, 1)
	go func() { ended <- c.listen(ctx) }()
	select {
	case err := <-ended:
		f.Detail = failure(err, "")
		return f
	case <-c.hello:
	}
	f.OK, f.Detail = true, "Slack said hello"
	if others := c.total - 1; others > 0 {
		f.Detail += fmt.Sprintf("; other connections of this app: %d. A running Rollcall keeps %d; more, or any while none "+
			"runs, are another program's, which gets a share of what people type and press: %s", others, connections, ownApp)
	}
	c.retire()
	<-ended
	return f
}

// failure shows an error with its hint.
func failure(err error, channel string) string {
	if fatal, ok := errors.AsType[*deliver.FatalError](err); ok {
		return fatal.Code + "; " + Hint(fatal.Code, channel)
	}
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return fmt.Sprintf("Slack limits the rate of calls just now; check again in %v",
			max(limited.RetryAfter, time.Second).Round(time.Second))
	}
	code := errorCode(err)
	if code == "" {
		return fmt.Sprintf("%v; check the network, a proxy, and SLACK_API_URL", err)
	}
	if hint := Hint(code, channel); hint != "" {
		return code + "; " + hint
	}
	return code
}
