package slackapp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/slack-go/slack"
)

// asker is who did something in Slack, and where, as Slack's payload says. What a button's value
// or a form's metadata says is never part of it: those come back from the person's own client.
type asker struct {
	App string // the app that Slack thinks is meant
	// Where is the workspace that a command was typed in or that an event is for, and WhereEnterprise its
	// organisation; "" for interactions. It says nothing of the person: a channel may be shared.
	Where, WhereEnterprise string
	Home                   string // the person's own workspace, if the payload names it; it can only refuse
	User                   string
	Channel                string // "" in the Home tab and in forms opened from there
}

// access decides who may use Rollcall. Every payload passes it, commands, buttons, menus, forms
// and the Home tab alike; what cannot be checked is refused.
type access struct {
	api      *slack.Client
	people   *people
	users    []string // SLACK_ALLOWED_USERS; empty: every full member of the own workspace
	channels []string // SLACK_ALLOWED_CHANNELS; empty: everywhere
	alerts   string   // the channel in which people can ask to be let in; "": none is named

	own atomic.Pointer[slack.AuthTestResponse] // who we are, once Slack has said so
}

// A refusal is why somebody may not use Rollcall; the zero value is that they may.
type refusal struct {
	why     string
	ask     []string // channels to ask in; nil: none
	setting string   // the variable that forbids it, for the log; "" if none does
	passing bool     // it could not be found out just now
	err     error    // what Slack said instead, for the log
}

// The variables that forbid something.
const (
	usersSetting    = "SLACK_ALLOWED_USERS"
	channelsSetting = "SLACK_ALLOWED_CHANNELS"
)

// What people are told in more than one case.
var (
	foreign  = refusal{why: "Only people of the workspace that Rollcall is installed in may use it."}
	tryAgain = "Rollcall could not check who you are. Please try again."
)

// refuse says why somebody may not use Rollcall. app is the app that Slack greeted our connection as.
func (a *access) refuse(ctx context.Context, who asker, app string) refusal {
	us := a.own.Load()
	if us == nil {
		auth, err := a.api.AuthTestContext(ctx)
		if err != nil {
			return refusal{why: tryAgain, passing: true, err: fmt.Errorf("asking which workspace is our own: %w", err)}
		}
		us = auth
		a.own.Store(us)
	}
	switch {
	case who.App == "" || app != "" && who.App != app:
		return refusal{why: "This was meant for another app."}
	case !here(who, us):
		return foreign
	case who.User == "" || len(a.users) > 0 && !slices.Contains(a.users, who.User):
		return a.letIn("Only some people may use Rollcall here. Whoever runs it can let you in.", nil)
	}
	// Whom the list names may: the operator has said so, of people of other workspaces and of guests too.
	if len(a.users) == 0 {
		if r := a.refusePerson(ctx, who, us); r.why != "" {
			return r
		}
	}
	switch {
	case len(a.channels) == 0:
		return refusal{}
	// The Home tab is in no channel. Who is named in person may have it.
	case who.Channel == "" && len(a.users) == 0:
		return refusal{why: "Rollcall answers in some channels only: type /nodes in one of them.", ask: a.channels,
			setting: channelsSetting}
	case who.Channel != "" && !slices.Contains(a.channels, who.Channel):
		return refusal{why: "Rollcall does not answer in this channel.", ask: a.channels, setting: channelsSetting}
	}
	return refusal{}
}

// letIn is the refusal of somebody whom the list of people could let in.
func (a *access) letIn(why string, err error) refusal {
	r := refusal{why: why, setting: usersSetting, err: err}
	if a.alerts != "" {
		r.ask = []string{a.alerts}
	}
	return r
}

// here reports whether something was done where the app is installed. An app that is installed in a
// whole organisation has the organisation as its team.
func here(who asker, us *slack.AuthTestResponse) bool {
	if who.Where == "" {
		return who.Home != "" // an interaction; refusePerson looks at the person
	}
	return who.Where == us.TeamID ||
		us.EnterpriseID != "" && us.TeamID == us.EnterpriseID && who.WhereEnterprise == us.EnterpriseID
}

// refusePerson says why somebody whom no list names may not use Rollcall: who is no full member of the
// workspace. Slack is asked; the payload can only refuse.
func (a *access) refusePerson(ctx context.Context, who asker, us *slack.AuthTestResponse) refusal {
	if who.Home != "" && who.Home != us.TeamID && us.EnterpriseID == "" {
		return foreign
	}
	p, err := a.people.of(ctx, who.User)
	switch code := errorCode(err); {
	case code == "missing_scope":
		return a.letIn("Rollcall cannot check who you are, because its Slack app lacks the scope users:read. Whoever runs "+
			"it can add that, or let you in by name.",
			errors.New("missing_scope; "+addScope(peopleScope)+", or name people in SLACK_ALLOWED_USERS"))
	case code == "user_not_found" || code == "user_not_visible":
		return refusal{why: "Slack does not tell Rollcall who you are. Only people of the workspace that it is installed " +
			"in may use it.", err: err}
	case err != nil:
		return refusal{why: tryAgain, passing: true, err: fmt.Errorf("asking who somebody is: %w", err)}
	case !p.memberOf(us) || who.Home != "" && !p.from(who.Home, us):
		return foreign
	case p.deleted:
		return refusal{why: "Slack says that your account is deactivated."}
	case p.bot:
		return refusal{why: "Only people may use Rollcall."}
	case p.guest:
		return a.letIn("Guests of the workspace may not use Rollcall, because it tells of the whole cluster. Whoever runs "+
			"it can let you in by name.", nil)
	}
	return refusal{}
}
