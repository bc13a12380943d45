package slackapp

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"rollcall/internal/slackemu"
)

// Who may not use Rollcall any more loses what an open Home tab shows; while that cannot be found out, the tab
// stays as it is.
func TestHomeIsTakenBack(t *testing.T) {
	t.Parallel()
	s := slackemu.Start(t, slackemu.Config{NoRateLimits: true})
	c := NewCommands(CommandsConfig{Answers: deskAt(t), Log: slog.New(slog.DiscardHandler),
		API: NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil)})
	shows := func(text string) bool {
		v, _ := s.Home(slackemu.UserGrace)
		return strings.Contains(string(v.Blocks), text)
	}
	refresh := func() {
		c.people.known = nil // what was believed has run out
		for _, o := range c.home.due(time.Now().Add(homeEvery)) {
			c.refresh(t.Context(), o, time.Now())
		}
	}
	c.Handle(t.Context(), Envelope{Type: "events_api", App: slackemu.DefaultAppID, Payload: fmt.Appendf(nil,
		`{"team_id":%q,"api_app_id":%q,"event":{"type":"app_home_opened","tab":"home","user":%q}}`,
		slackemu.DefaultTeamID, slackemu.DefaultAppID, slackemu.UserGrace)})
	c.busy.Wait()
	if !shows("prod") {
		t.Fatal("the Home tab does not show the cluster")
	}
	s.Fail("users.info", 0, slackemu.ServerError())
	if refresh(); !shows("prod") || len(c.home.open) != 1 {
		t.Error("the Home tab did not stay while Slack was unwell")
	}
	s.ClearFaults()
	s.EditUser(slackemu.UserGrace, func(u *slackemu.User) { u.IsRestricted = true })
	if refresh(); shows("prod") || !shows("Guests of the workspace") || len(c.home.open) != 0 {
		t.Error("a guest still sees the cluster")
	}
}
