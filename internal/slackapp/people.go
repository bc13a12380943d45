package slackapp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/singleflight"
)

// A person is what Slack itself says of somebody (users.info). Source: docs.slack.dev, user object.
type person struct {
	team       string   // the person's own workspace
	enterprise string   // its organisation (Enterprise Grid), "" if there is none
	teams      []string // the workspaces of the organisation that the person is a member of
	zone       string   // an IANA name; may be ""

	stranger bool // of another organisation, in no channel that the app can see
	guest    bool // of the workspace, but let into some of its channels only
	deleted  bool
	bot      bool
}

// memberOf reports whether the person is one of the workspace that the app is installed in, or of
// the organisation if it is installed in the whole of that. is_stranger alone does not tell: it is false
// of people of other organisations who share a channel with the app.
func (p person) memberOf(us *slack.AuthTestResponse) bool {
	switch {
	case p.stranger:
		return false
	case p.team != "" && p.team == us.TeamID:
		return true
	case us.EnterpriseID == "" || p.enterprise != us.EnterpriseID:
		return false
	}
	return us.TeamID == us.EnterpriseID || slices.Contains(p.teams, us.TeamID)
}

// from reports whether a payload may name a workspace as the person's own.
func (p person) from(team string, us *slack.AuthTestResponse) bool {
	return team == us.TeamID || team == p.team ||
		us.EnterpriseID != "" && (team == us.EnterpriseID || slices.Contains(p.teams, team))
}

// How long it takes to find out about a person, and how long what was found is believed.
const (
	// personWithin is how long somebody waits for it: a slash command is acknowledged within 3 s.
	personWithin = time.Second
	// personCall bounds the call itself. What comes late serves the next try.
	personCall = 5 * time.Second
	// memberFor is how long somebody who has left the workspace may go on; guestFor how long somebody
	// waits who has just become a full member; errorFor who was just made visible, or whose app has
	// just got the scope.
	memberFor = 10 * time.Minute
	guestFor  = 2 * time.Minute
	errorFor  = 30 * time.Second
	// maxPeople is how many people are remembered.
	maxPeople = 10_000
)

// people remembers what Slack says of people. One call at a time asks about each.
type people struct {
	api   *slack.Client
	calls singleflight.Group // by user

	mu    sync.Mutex
	known map[string]profile // by user; guarded by mu
	wait  time.Time          // Slack wants no call until then; guarded by mu
}

// A profile is an answer to users.info.
type profile struct {
	person person
	err    error
	until  time.Time // when it is asked for again
}

// errWait is that Slack has limited our calls of users.info.
var errWait = errors.New("Slack limits how often it may be asked about people")

// of says who somebody is. Its error is Slack's, or that Slack did not say so in time.
func (p *people) of(ctx context.Context, user string) (person, error) {
	p.mu.Lock()
	now := time.Now()
	known, ok := p.known[user]
	limited := now.Before(p.wait)
	p.mu.Unlock()
	switch {
	case ok && now.Before(known.until):
		return known.person, known.err
	case limited:
		return person{}, errWait
	}
	answer := p.calls.DoChan(user, func() (any, error) { return p.ask(ctx, user), nil })
	waiting, cancel := context.WithTimeout(ctx, personWithin)
	defer cancel()
	select {
	case r := <-answer:
		found := r.Val.(profile)
		return found.person, found.err
	case <-waiting.Done():
		return person{}, context.Cause(waiting)
	}
}

// ask calls Slack, and remembers what it says. The call goes on when who waits for it gives up.
func (p *people) ask(ctx context.Context, user string) profile {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), personCall)
	defer cancel()
	u, err := p.api.GetUserInfoContext(ctx, user)
	now := time.Now()
	found := profile{err: err}
	if err == nil {
		found.person = personOf(u)
		found.until = now.Add(memberFor)
		if found.person.guest || found.person.stranger || found.person.deleted {
			found.until = now.Add(guestFor)
		}
	} else if unknowable(err) {
		found.until = now.Add(errorFor)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if limit, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		p.wait = now.Add(wait(limit))
	}
	if found.until.After(now) {
		p.remember(user, found, now)
	}
	return found
}

// unknowable reports whether Slack has refused to say who somebody is, and not only failed to.
func unknowable(err error) bool {
	return slices.Contains([]string{"missing_scope", "user_not_found", "user_not_visible"}, errorCode(err))
}

// remember keeps an answer, and makes room for it. Callers hold mu.
func (p *people) remember(user string, found profile, now time.Time) {
	if p.known == nil {
		p.known = map[string]profile{}
	}
	if _, ok := p.known[user]; !ok && len(p.known) >= maxPeople {
		for other, k := range p.known {
			if !now.Before(k.until) {
				delete(p.known, other)
			}
		}
		for other := range p.known {
			if len(p.known) < maxPeople {
				break
			}
			delete(p.known, other) // whichever: it is asked for again
		}
	}
	p.known[user] = found
}

func personOf(u *slack.User) person {
	return person{team: u.TeamID, enterprise: u.Enterprise.EnterpriseID, teams: u.Enterprise.Teams, zone: u.TZ,
		stranger: u.IsStranger, guest: u.IsRestricted || u.IsUltraRestricted, deleted: u.Deleted,
		bot: u.IsBot || u.IsWorkflowBot || u.IsConnectorBot}
}
