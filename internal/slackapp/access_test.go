package slackapp_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
)

// TestWhoMay holds, for each kind of person and on every way in, that what Slack says of the person decides: not
// where a command was typed, not for which installation an event is, and not what a payload says of the person.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	const own = "Only people of the workspace"
	edit := func(f func(*slackemu.User)) func(*slackemu.Server) {
		return func(s *slackemu.Server) { s.EditUser(slackemu.UserGrace, f) }
	}
	for _, test := range []struct {
		name   string
		user   string
		listed bool // in SLACK_ALLOWED_USERS
		slack  func(*slackemu.Server)
		why    string // "": allowed
	}{
		{name: "a member", user: slackemu.UserGrace},
		{name: "of another organisation, in a shared channel", user: slackemu.UserEve, why: own},
		{name: "of another organisation, as the payload hides", user: slackemu.UserGrace, why: own,
			slack: edit(func(u *slackemu.User) { u.TeamID = slackemu.ForeignTeamID })},
		{name: "a multi-channel guest", user: slackemu.UserGrace, why: "Guests of the workspace",
			slack: edit(func(u *slackemu.User) { u.IsRestricted = true })},
		{name: "a single-channel guest", user: slackemu.UserGrace, why: "Guests of the workspace",
			slack: edit(func(u *slackemu.User) { u.IsUltraRestricted = true })},
		{name: "deactivated", user: slackemu.UserGrace, why: "account is deactivated",
			slack: edit(func(u *slackemu.User) { u.Deleted = true })},
		{name: "a bot", user: slackemu.UserGrace, why: "Only people may",
			slack: edit(func(u *slackemu.User) { u.IsBot = true })},
		{name: "not visible", user: slackemu.UserGrace, why: "Slack does not tell Rollcall who you are",
			slack: edit(func(u *slackemu.User) { u.Invisible = true })},
		{name: "no scope", user: slackemu.UserGrace, why: "lacks the scope users:read",
			slack: func(s *slackemu.Server) { s.RemoveScope(slackemu.DefaultBotToken, "users:read") }},
		{name: "Slack unwell", user: slackemu.UserGrace, why: "Please try again",
			slack: func(s *slackemu.Server) { s.Fail("users.info", 0, slackemu.ServerError()) }},
		{name: "Slack silent", user: slackemu.UserGrace, why: "Please try again",
			slack: func(s *slackemu.Server) { s.Fail("users.info", 0, slackemu.HangUp()) }},
		{name: "Slack limits", user: slackemu.UserGrace, why: "Please try again",
			slack: func(s *slackemu.Server) { s.Fail("users.info", 0, slackemu.RateLimited(60)) }},
		{name: "listed, of another organisation", user: slackemu.UserEve, listed: true},
		{name: "listed, without the scope", user: slackemu.UserGrace, listed: true,
			slack: func(s *slackemu.Server) { s.RemoveScope(slackemu.DefaultBotToken, "users:read") }},
		{name: "listed, while Slack is unwell", user: slackemu.UserGrace, listed: true,
			slack: func(s *slackemu.Server) { s.Fail("users.info", 0, slackemu.ServerError()) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lists := func(c *deskConfig) {
				if test.listed {
					c.AllowedUsers = []string{slackemu.UserAda, test.user}
				}
			}
			d := newDesk(t, slackemu.Config{NoRateLimits: true}, lists)
			d.fill(t, 3)
			shared := d.shared(t)
			if test.slack != nil {
				test.slack(d.slack)
			}
			judge := func(way, text string) {
				t.Helper()
				if told := strings.Contains(text, "prod"); told != (test.why == "") {
					t.Errorf("%s: told of the cluster: %v\n%s", way, told, text)
				}
				if !strings.Contains(text, test.why) {
					t.Errorf("%s: not refused because %q:\n%s", way, test.why, text)
				}
			}
			judge("command", plain(d.say(t, test.user, slackemu.ChannelOps, "/nodes")))

			answer, err := d.slack.BlockAction(test.user, slackemu.ChannelOps, shared.TS,
				slackemu.Action{ActionID: find(t, shared.Blocks, "Open for me").action}).Answer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			judge("button", plain(answer))

			if err := d.slack.OpenHome(test.user).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.until(t, "the Home tab", func() bool { _, ok := d.slack.Home(test.user); return ok })
			home, _ := d.slack.Home(test.user)
			judge("Home tab", string(home.Blocks))

			c := deskOn(d.ledger, d.slack, slog.New(slog.DiscardHandler))
			lists(&c)
			payload, err := json.Marshal(map[string]any{"type": "view_submission", "api_app_id": slackemu.DefaultAppID,
				"user": map[string]any{"id": test.user, "team_id": slackemu.DefaultTeamID},
				"view": map[string]any{"id": "V1", "callback_id": "mute", "private_metadata": "x"}})
			if err != nil {
				t.Fatal(err)
			}
			form, _ := json.Marshal(c.commands().Handle(t.Context(), slackapp.Envelope{Type: "interactive", Payload: payload,
				App: slackemu.DefaultAppID}))
			want := test.why
			if want == "" {
				want = "This form is too old"
			}
			if !strings.Contains(string(form), want) {
				t.Errorf("form: not answered with %q: %s", want, form)
			}
			if test.why != "" && !strings.Contains(d.log.String(), "somebody was refused") {
				t.Errorf("the log:\n%s", d.log)
			}
			if n := len(d.slack.CallsOf("users.info")); test.listed && n > 0 {
				t.Errorf("%d calls of users.info for somebody who is named", n)
			}
		})
	}
}

// plain is all that a person reads of a message.
func plain(m slackemu.Message) string { return slackemu.PlainText(m) + m.Text }

// shared is an answer that was shared with #ops-nodes.
func (d *desk) shared(t *testing.T) slackemu.Message {
	t.Helper()
	m := d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", "list")
	c := find(t, m.Blocks, "Share")
	d.slack.BlockAction(m.To, m.Channel, m.TS, slackemu.Action{ActionID: c.action, Value: c.value})
	d.until(t, "the shared answer", func() bool { return len(d.slack.Messages(slackemu.ChannelOps)) == 1 })
	return d.slack.Messages(slackemu.ChannelOps)[0]
}

// A Slack that is asked who somebody is, and hangs, leaves time to say so: the person is not shown that the app did
// not respond.
func TestRefusesInTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.slack.Fail("users.info", 0, slackemu.HangUp())
	began := time.Now()
	contains(t, d.say(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes"), "Please try again")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}
