package slackapp_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"rollcall/internal/slackemu"
)

// TestSortableList holds that /nodes list is a table that the reader sorts, and that its pages have every node once.
func TestSortableList(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.fill(t, 230)
	m := d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", "list --page 4")
	contains(t, m, "prod: 230 nodes, 31 to ", "Node\nState\nUp\nType")
	m = d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", "list --sort name")
	seen := map[string]int{}
	turns := 0
	for {
		before := len(seen)
		text := slackemu.PlainText(m)
		rows := text[:strings.LastIndex(text, "us-east-1a")] // the menu has the names again
		for line := range strings.SplitSeq(rows, "\n") {
			if strings.HasPrefix(line, "ip-10-") {
				seen[line]++
			}
		}
		if n := len(seen) - before; n > 100 || n%10 != 0 {
			t.Errorf("a page has %d nodes", n)
		}
		all := controls(t, m.Blocks)
		i := slices.IndexFunc(all, func(c control) bool { return c.label == "Next ▶" })
		if i < 0 {
			break
		}
		turns++
		m = d.press(t, m, all[i].action, all[i].value)
	}
	if len(seen) != 230 || turns != 2 {
		t.Errorf("%d of 230 seen in %d turns", len(seen), turns)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s is seen %d times", name, n)
		}
	}
	for range turns {
		c := find(t, m.Blocks, "◀ Previous")
		m = d.press(t, m, c.action, c.value)
	}
	contains(t, m, "prod: 230 nodes, 1 to ")
	m = d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", "list --newer 20m")
	for _, c := range controls(t, m.Blocks) {
		if strings.Contains(c.value, "--sort") || c.label == "Next ▶" {
			t.Errorf("what the reader can do himself has a control: %+v", c)
		}
	}
}

// Where Slack does not draw such tables, cards come instead, and for an hour it is not asked again.
func TestListWithoutTables(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true, NotRolledOut: []string{"data_table"}}, nil)
	d.fill(t, 12)
	for range 3 {
		m := d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", "list")
		contains(t, m, "prod: 12 nodes, page 1 of 2", "m5.large · spot")
	}
	calls := d.slack.CallsOf(slackemu.MethodResponseURL)
	refused := slices.DeleteFunc(slices.Clone(calls), func(c slackemu.Call) bool { return c.Status == http.StatusOK })
	if n := len(refused); n == 0 || n > 2 || len(calls) != 2*n { // the second may come before the first is done
		t.Errorf("%d calls, of which %d were refused", len(calls), n)
	}
}
