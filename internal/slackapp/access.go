package slackapp

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/slack-go/slack"
)

// asker is who did something in Slack, and where, as Slack's payload says. What a button's value
// or a form's metadata says is never part of it: those come back from the person's own client.
type asker struct {
	App        string // the app that Slack thinks is meant
	Team       string // the person's own workspace
	Enterprise string // the organisation of that workspace, if any
	User       string
	Channel    string // "" in the Home tab and in forms opened from there
}

// access decides who may use Rollcall. Every payload passes it, commands, buttons, menus, forms
// and the Home tab alike; what cannot be checked is refused.
type access struct {
	api      *slack.Client
	log      *slog.Logger
	users    []string // SLACK_ALLOWED_USERS; empty: everyone of the own workspace
	channels []string // SLACK_ALLOWED_CHANNELS; empty: everywhere

	own atomic.Pointer[slack.AuthTestResponse] // who we are, once Slack has said so
}

// refuse says why somebody may not use Rollcall, "" if they may. app is the app that Slack
// greeted our connection as.
func (a *access) refuse(ctx context.Context, who asker, app string) string {
	us := a.own.Load()
	if us == nil {
		auth, err := a.api.AuthTestContext(ctx)
		if err != nil {
			a.log.Warn("Slack does not say which workspace is our own", "err", err)
			return "Rollcall could not check who you are. Please try again."
		}
		us = auth
		a.own.Store(us)
	}
	// An app that is installed in a whole organisation has the organisation as its team.
	own := who.Team != "" && who.Team == us.TeamID ||
		us.EnterpriseID != "" && us.TeamID == us.EnterpriseID && who.Enterprise == us.EnterpriseID
	switch {
	case who.App == "" || app != "" && who.App != app:
		return "This was meant for another app."
	case !own:
		return "Only people of the workspace that Rollcall is installed in may use it."
	case who.User == "" || len(a.users) > 0 && !slices.Contains(a.users, who.User):
		return "You are not among the people that SLACK_ALLOWED_USERS names."
	case len(a.channels) == 0:
		return ""
	// The Home tab is in no channel. Who is named in person may have it.
	case who.Channel == "" && len(a.users) == 0:
		return "SLACK_ALLOWED_CHANNELS allows Rollcall in some channels only: type /nodes in one of them."
	case who.Channel != "" && !slices.Contains(a.channels, who.Channel):
		return "This channel is not among those that SLACK_ALLOWED_CHANNELS names."
	}
	return ""
}
