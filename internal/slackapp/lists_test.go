package slackapp_test

import (
	"strings"
	"testing"

	"rollcall/internal/slackemu"
)

// TestListsInsteadOfTables holds that a person whom a screen reader reads to gets lists, everywhere and nobody else.
func TestListsInsteadOfTables(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.fill(t, 12)
	if err := d.slack.OpenHome(slackemu.UserAda).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	home := func() slackemu.View {
		v, _ := d.slack.Home(slackemu.UserAda)
		return v
	}
	for _, step := range []struct {
		button string
		lists  bool
	}{{"Show me lists instead of tables", true}, {"Show me tables", false}} {
		d.until(t, "the button "+step.button, func() bool { return strings.Contains(string(home().Blocks), step.button) })
		c := find(t, home().Blocks, step.button)
		if err := d.slack.ViewAction(slackemu.UserAda, home().ID,
			slackemu.Action{ActionID: c.action, Value: c.value}).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.until(t, "the other button", func() bool { return !strings.Contains(string(home().Blocks), step.button) })
		for _, command := range []string{"", "list", "--by zone"} {
			mine := d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", command)
			if table := strings.Contains(string(mine.Blocks), `table"`); table == step.lists {
				t.Errorf("after %q, /nodes %s has a table: %v", step.button, command, table)
			}
			others := d.types(t, slackemu.UserGrace, slackemu.ChannelOps, "/nodes", command)
			if !strings.Contains(string(others.Blocks), `table"`) {
				t.Errorf("after %q, /nodes %s of somebody else has no table", step.button, command)
			}
		}
	}
}
