package slackapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"
)

// askSlack is a Slack that answers users.info with what answer says, after a while.
type askSlack struct {
	calls  atomic.Int32
	took   time.Duration
	answer func() (status int, header, body string)
}

func (a *askSlack) RoundTrip(r *http.Request) (*http.Response, error) {
	a.calls.Add(1)
	select {
	case <-time.After(a.took):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	status, retry, body := a.answer()
	res := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
		Request: r}
	if retry != "" {
		res.Header.Set("Retry-After", retry)
	}
	return res, nil
}

func (a *askSlack) people() *people {
	return &people{api: slack.New("xoxb-1", slack.OptionHTTPClient(&http.Client{Transport: a}))}
}

func says(body string) func() (int, string, string) {
	return func() (int, string, string) { return http.StatusOK, "", body }
}

// What Slack says of a person is believed for a while, and not for ever; what it failed to say is asked again.
func TestPeopleAreRemembered(t *testing.T) {
	t.Parallel()
	const member = `{"ok":true,"user":{"id":"U1","team_id":"T1"}}`
	for name, test := range map[string]struct {
		answer func() (int, string, string)
		kept   time.Duration
	}{
		"a member":      {says(member), memberFor},
		"a guest":       {says(`{"ok":true,"user":{"id":"U1","team_id":"T1","is_restricted":true}}`), guestFor},
		"deactivated":   {says(`{"ok":true,"user":{"id":"U1","team_id":"T1","deleted":true}}`), guestFor},
		"a stranger":    {says(`{"ok":true,"user":{"id":"U1","team_id":"T2","is_stranger":true}}`), guestFor},
		"missing scope": {says(`{"ok":false,"error":"missing_scope"}`), errorFor},
		"not visible":   {says(`{"ok":false,"error":"user_not_visible"}`), errorFor},
		"Slack unwell":  {says(`{"ok":false,"error":"internal_error"}`), 0},
		"no answer":     {func() (int, string, string) { return http.StatusBadGateway, "", "" }, 0},
		"limited":       {func() (int, string, string) { return http.StatusTooManyRequests, "7", "" }, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &askSlack{answer: test.answer}
				p := a.people()
				p.of(t.Context(), "U1")
				if test.kept > 0 {
					time.Sleep(test.kept - time.Second)
					p.of(t.Context(), "U1")
					if n := a.calls.Load(); n != 1 {
						t.Errorf("%d calls within %v", n, test.kept)
					}
					time.Sleep(time.Second)
				}
				if p.of(t.Context(), "U1"); a.calls.Load() != 2 {
					t.Errorf("%d calls after %v", a.calls.Load(), test.kept)
				}
			})
		})
	}
}

// While one call asks about a person, nobody makes another; each waits a second for it, and what comes later
// serves who asks again.
func TestPeopleAreAskedAboutOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &askSlack{took: 3 * time.Second, answer: says(`{"ok":true,"user":{"id":"U1","team_id":"T1"}}`)}
		p := a.people()
		began := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if _, err := p.of(ctx, "U1"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a slow Slack: %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != personWithin {
			t.Errorf("they waited %v", took)
		}
		time.Sleep(3 * time.Second)
		who, err := p.of(t.Context(), "U1")
		if err != nil || who.team != "T1" || a.calls.Load() != 1 {
			t.Errorf("%+v, %v, %d calls", who, err, a.calls.Load())
		}
	})
}

func TestPeopleAreBounded(t *testing.T) {
	t.Parallel()
	p := &people{}
	now := time.Now()
	for i := range maxPeople {
		until := now.Add(time.Hour)
		if i < 10 {
			until = now.Add(-time.Second)
		}
		p.remember(fmt.Sprint(i), profile{until: until}, now)
	}
	p.remember("new", profile{until: now.Add(time.Hour)}, now)
	if _, ok := p.known["new"]; !ok || len(p.known) != maxPeople-9 {
		t.Errorf("%d are remembered, the last one %v", len(p.known), ok)
	}
	for i := range maxPeople {
		p.remember(fmt.Sprint("more", i), profile{until: now.Add(time.Hour)}, now)
	}
	if len(p.known) != maxPeople {
		t.Errorf("%d are remembered", len(p.known))
	}
}

// Who belongs to the workspace or the organisation that the app is installed in, by what Slack says of them.
func TestMembers(t *testing.T) {
	t.Parallel()
	team, org := &slack.AuthTestResponse{TeamID: "T1"}, &slack.AuthTestResponse{TeamID: "E1", EnterpriseID: "E1"}
	grid := &slack.AuthTestResponse{TeamID: "T1", EnterpriseID: "E1"}
	for name, test := range map[string]struct {
		us     *slack.AuthTestResponse
		who    person
		home   string // as a payload says
		member bool
		from   bool
	}{
		"own":                      {team, person{team: "T1"}, "T1", true, true},
		"own by a foreign claim":   {team, person{team: "T1"}, "T2", true, false},
		"foreign":                  {team, person{team: "T2"}, "T2", false, true},
		"foreign by an own claim":  {team, person{team: "T2"}, "T1", false, true},
		"foreign, an organisation": {team, person{team: "T2", enterprise: "E2", teams: []string{"T2"}}, "E2", false, false},
		"a stranger":               {team, person{team: "T1", stranger: true}, "T1", false, true},
		"nobody says whose":        {team, person{}, "", false, true},
		"own in the organisation":  {grid, person{team: "T9", enterprise: "E1", teams: []string{"T9", "T1"}}, "T9", true, true},
		"named by its organisation": {grid, person{team: "T1", enterprise: "E1", teams: []string{"T1"}}, "E1", true,
			true},
		"another of the organisation":   {grid, person{team: "T9", enterprise: "E1", teams: []string{"T9"}}, "T9", false, true},
		"another organisation":          {grid, person{team: "T2", enterprise: "E2", teams: []string{"T1"}}, "T2", false, true},
		"app of the organisation":       {org, person{team: "T9", enterprise: "E1", teams: []string{"T9"}}, "T9", true, true},
		"not of the app's":              {org, person{team: "T2", enterprise: "E2"}, "T2", false, true},
		"no organisation for the app's": {org, person{team: "T2"}, "T2", false, true},
	} {
		if got := test.who.memberOf(test.us); got != test.member {
			t.Errorf("%s: a member %v", name, got)
		}
		if got := test.who.from(test.home, test.us); got != test.from {
			t.Errorf("%s: from there %v", name, got)
		}
	}
}
