package deliver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/slackemu"
)

// Each step of a budget is told exactly once, in a message of its own, through restarts; the message
// of the first goes on until the end of its period.
func TestBudgets(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		t := r.t
		began := time.Now() // midnight of a Saturday
		weeks := began.AddDate(0, 0, -35)
		if err := r.ledger.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: weeks},
			func(string) bool { return true }); err != nil {
			t.Fatal(err)
		}
		r.alert.Price = func(m fleet.Machine) fleet.Price { return fleet.Price{USD: 1, Known: m.InstanceType == "m5.large"} }
		r.alert.Budgets = []alert.Budget{{Cluster: "prod", USD: 20, Per: "day"}, {Pool: "general", USD: 250, Per: "week"},
			{Cluster: "staging", USD: 1, Per: "day"}, {Pool: "other", USD: 1, Per: "day"}}
		for i, machine := range []string{"m5.large", "m5.large", "odd"} {
			n := r.node(i)
			n.CreatedAt, n.InstanceType = weeks, machine
			if err := r.ledger.RecordBaseline(t.Context(), "prod", []fleet.Observation{fleet.First(n, weeks)}); err != nil {
				t.Fatal(err)
			}
		}
		mark := func() { // the watch goes on
			if err := r.ledger.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		told := func(want ...string) {
			t.Helper()
			var got []string
			for _, w := range r.waves("budget") {
				got = append(got, w.Text)
			}
			ok := len(got) == len(want)
			for i := range min(len(got), len(want)) {
				ok = ok && strings.Contains(got[i], want[i])
			}
			if !ok {
				t.Errorf("after %v told\n%s\nwant\n%s", time.Since(began), strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		wait := func(d time.Duration) {
			t.Helper()
			for ; d > 0; d -= time.Minute {
				mark()
				time.Sleep(time.Minute)
				if int(d/time.Minute)%97 == 0 {
					r.restart()
				}
			}
		}
		mark()
		r.restart()
		wait(5 * time.Minute)
		// Two nodes of a dollar an hour, since Monday; and 48 dollars a day for weeks, so the forecast is sure of itself.
		week := []string{"96 % of pool general's budget for the week of 27 Dec is spent: $240.0", "will be passed on Sat 1 Jan"}
		told(week...)
		wait(5 * time.Hour)
		week = append(week, "% of the budget for 1 Jan is spent: $",
			"pool general's budget for the week of 27 Dec is passed: $250.0")
		told(week...)
		wait(3*time.Hour + 10*time.Minute)
		week = append(week, "80 % of the budget for 1 Jan is spent: $16.0")
		told(week...)
		wait(3 * time.Hour)
		week = append(week, "the budget for 1 Jan is passed: $20.0")
		told(week...)
		all := r.waves("budget")
		var first string
		for _, w := range all {
			if strings.Contains(w.Text, "budget for 1 Jan is spent") && first == "" {
				first = w.TS
				if w.Edits < 4 {
					t.Errorf("the message that goes on was edited %d times", w.Edits)
				}
			}
		}
		wait(24*time.Hour - time.Since(began) + 30*time.Minute)
		m, _ := r.slack.Message(slackemu.ChannelOps, first)
		if text := slackemu.PlainText(m); !strings.Contains(text, "240 % of the budget for 1 Jan was spent: $48.00 of $20") {
			t.Errorf("the day ended with\n%s", text)
		}
		if text := fmt.Sprint(all); strings.Contains(text, "staging") || strings.Contains(text, "pool other") {
			t.Error("a budget of something else is told")
		}
		if n := len(r.waves("budget")); n != 6 {
			t.Errorf("%d messages, want 6", n)
		}
		if n := r.liveWaves(); n != 0 {
			t.Errorf("%d waves live", n)
		}
	})
}
