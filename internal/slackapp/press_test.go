package slackapp_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// control is something to press in a message or view.
type control struct {
	action, value, label string
	options              []string
}

// controls are the buttons and menus of blocks.
func controls(t *testing.T, blocks json.RawMessage) []control {
	t.Helper()
	var bs []struct {
		Elements []struct {
			Type     string `json:"type"`
			ActionID string `json:"action_id"`
			Value    string `json:"value"`
			Text     any    `json:"text"`
			Options  []struct {
				Value string `json:"value"`
			} `json:"options"`
		} `json:"elements"`
	}
	if err := json.Unmarshal(blocks, &bs); err != nil {
		t.Fatal(err)
	}
	var out []control
	for _, b := range bs {
		for _, e := range b.Elements {
			if e.ActionID == "" {
				continue
			}
			c := control{action: e.ActionID, value: e.Value}
			if m, ok := e.Text.(map[string]any); ok {
				c.label, _ = m["text"].(string)
			}
			for _, o := range e.Options {
				c.options = append(c.options, o.Value)
			}
			out = append(out, c)
		}
	}
	return out
}

// find returns the control with a label.
func find(t *testing.T, blocks json.RawMessage, label string) control {
	t.Helper()
	all := controls(t, blocks)
	i := slices.IndexFunc(all, func(c control) bool { return c.label == label })
	if i < 0 {
		t.Fatalf("there is no button %q among %+v", label, all)
	}
	return all[i]
}

// type types a command with a text and returns the answer.
func (d *desk) types(t *testing.T, user, channel, command, text string) slackemu.Message {
	t.Helper()
	m, err := d.slack.SlashCommand(user, channel, command, text).Answer(t.Context())
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", command, text, err, d.log)
	}
	return m
}

// see returns a person's ephemeral message as it is now.
func (d *desk) see(t *testing.T, m slackemu.Message) slackemu.Message {
	t.Helper()
	for _, x := range d.slack.Ephemerals(m.Channel, m.To) {
		if x.TS == m.TS {
			return x
		}
	}
	t.Fatalf("the message %s is gone", m.TS)
	return m
}

// press presses a button of a person's own answer and returns that answer as it is then.
func (d *desk) press(t *testing.T, m slackemu.Message, action, value string) slackemu.Message {
	t.Helper()
	before := len(d.see(t, m).Versions)
	i := d.slack.BlockAction(m.To, m.Channel, m.TS, slackemu.Action{ActionID: action, Value: value})
	if err := i.Wait(t.Context()); err != nil {
		t.Fatalf("pressing %s (%s): %v", action, value, err)
	}
	d.until(t, fmt.Sprintf("the answer to %s %s", action, value),
		func() bool { return len(d.see(t, m).Versions) > before })
	return d.see(t, m)
}

func (d *desk) until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	waitFor(t, d.slack, 10*time.Second, what, cond)
}

// fill records n nodes and some events.
func (d *desk) fill(t *testing.T, n int) {
	t.Helper()
	var os []fleet.Observation
	for i := range n {
		node := aNode(i, []string{"m5.large", "c6i.xlarge"}[i%2], []string{"spot", "on-demand"}[i%2])
		node.Zone, node.Pool, node.Arch = "us-east-1a", "general", "amd64"
		node.Labels = map[string]string{"team": "shop"}
		node.CreatedAt = time.Now().Add(-time.Duration(n-i) * time.Minute)
		os = append(os, fleet.First(node, time.Now()))
	}
	d.record(t, os...)
	var events []fleet.Event
	for i := range n {
		at := time.Now().Add(-time.Duration(i) * time.Minute)
		events = append(events,
			fleet.Event{Cluster: "prod", UID: fmt.Sprint(i),
				Regarding: fleet.ObjectRef{Kind: "Node", Name: os[i].Node.Name, UID: os[i].Node.UID}, Reason: "NodeReady",
				Type: []string{"Normal", "Warning"}[i%2], Note: fmt.Sprintf("event number %d.", i), Count: 1, First: at, Last: at})
	}
	if err := d.ledger.RecordEvents(t.Context(), "prod", events, "1"); err != nil {
		t.Fatal(err)
	}
}

// TestPressEverything types the commands and presses every button and option that it can reach:
// each is answered in place, and nothing goes wrong on the way.
func TestPressEverything(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.fill(t, 23)
	pressed := map[string]bool{}
	for _, start := range []string{"", "list", "ip-10-0-0-7", "ip-10-0-0-1", "lst", "--tpye x", "help"} {
		d.walk(t, d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", start), pressed)
	}
	for _, start := range []string{"", "--for node/ip-10-0-0-7", "help"} {
		d.walk(t, d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/events", start), pressed)
	}
	if len(pressed) < 60 {
		t.Errorf("only %d different buttons were found", len(pressed))
	}
	if log := d.log.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
		t.Errorf("the log:\n%s", log)
	}
	if st := d.slack.SocketStats(); st.Timeouts+st.LateAcks+st.InvalidPayloads+st.UnexpectedPayloads > 0 {
		t.Errorf("Slack did not take every answer: %+v", st)
	}
}

func (d *desk) walk(t *testing.T, m slackemu.Message, pressed map[string]bool) {
	t.Helper()
	for {
		var next control
		value := ""
		for _, c := range controls(t, m.Blocks) {
			if !strings.HasPrefix(c.action, "show:") {
				continue // those have tests of their own
			}
			for _, v := range append([]string{c.value}, c.options...) {
				if v != "" && !pressed[v] && next.action == "" {
					next, value = c, v
				}
			}
		}
		if next.action == "" {
			return
		}
		pressed[value] = true
		m = d.press(t, m, next.action, value)
		if plain := slackemu.PlainText(m); strings.Contains(plain, "did not answer") {
			t.Fatalf("%s: %s", value, plain)
		}
		if len(pressed) > 400 {
			return
		}
	}
}

// TestPages turns the pages of nodes and of events to the end and back: each is there once.
func TestPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true, NotRolledOut: []string{"data_table"}}, nil)
	d.fill(t, 37)
	for _, test := range []struct{ command, text, next, back string }{
		{"/nodes", "list --sort name", "Next ▶", "◀ Previous"},
		{"/events", "", "Older ▶", "◀ Newer"},
	} {
		m := d.types(t, slackemu.UserAda, slackemu.ChannelOps, test.command, test.text)
		seen := map[string]int{}
		read := func() {
			page := map[string]bool{} // a node's card and its option in the menu
			defer func() {
				for what := range page {
					seen[what]++
				}
			}()
			for line := range strings.SplitSeq(slackemu.PlainText(m), "\n") {
				if i := strings.Index(line, "event number "); i >= 0 {
					page[line[i:]] = true
				} else if test.command == "/nodes" && strings.HasPrefix(line, "ip-10-") && !strings.Contains(line, ",") {
					page[line] = true
				}
			}
		}
		turns := 0
		for read(); ; read() {
			all := controls(t, m.Blocks)
			i := slices.IndexFunc(all, func(c control) bool { return c.label == test.next })
			if i < 0 {
				break
			}
			turns++
			m = d.press(t, m, all[i].action, all[i].value)
		}
		if len(seen) != 37 || turns != 3 {
			t.Errorf("%s: %d of 37 seen in %d turns", test.command, len(seen), turns)
		}
		for what, n := range seen {
			if n != 1 {
				t.Errorf("%s: %q is seen %d times", test.command, what, n)
			}
		}
		for range turns {
			c := find(t, m.Blocks, test.back)
			m = d.press(t, m, c.action, c.value)
		}
		if all := controls(t, m.Blocks); slices.ContainsFunc(all, func(c control) bool { return c.label == test.back }) {
			t.Errorf("%s: the first page has another before it", test.command)
		}
	}
}

// TestFilterForm edits filters in a form: mistakes are answered beside their fields, and the
// answer changes in place.
func TestFilterForm(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.fill(t, 23)
	m := d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", "list --page 2 --zone us-*")
	c := find(t, m.Blocks, "Filter…")
	if err := d.slack.BlockAction(m.To, m.Channel, m.TS, slackemu.Action{ActionID: c.action, Value: c.value}).Wait(
		t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the form", func() bool { return len(d.slack.Modals(slackemu.UserAda)) == 1 })
	form := d.slack.Modals(slackemu.UserAda)[0]
	if !strings.Contains(string(form.Blocks), `"initial_value":"us-*"`) {
		t.Errorf("the form does not show the filters that are there: %s", form.Blocks)
	}
	enter := func(block, action string, values ...string) {
		t.Helper()
		if err := d.slack.Enter(slackemu.UserAda, form.ID,
			slackemu.Action{ActionID: action, BlockID: block, Values: append([]string{}, values...)}); err != nil {
			t.Fatal(err)
		}
	}
	enter("older", "value", "2 months")
	enter("type", "value", "m5.*")
	if err := d.slack.SubmitView(slackemu.UserAda, form.ID, nil).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	form = d.slack.Modals(slackemu.UserAda)[0]
	if why := form.Errors["older"]; !strings.Contains(why, "60d") || len(form.Errors) != 1 {
		t.Errorf("the mistake is answered with %v", form.Errors)
	}
	enter("older", "value")
	enter("checks", "checks", "cordoned", "not-ready")
	enter("checks", "checks")
	before := len(d.see(t, m).Versions)
	if err := d.slack.SubmitView(slackemu.UserAda, form.ID, nil).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the answer", func() bool { return len(d.see(t, m).Versions) > before })
	contains(t, d.see(t, m), "prod: 12 nodes", "Only --type m5.* --zone us-*")
	if open := d.slack.Modals(slackemu.UserAda); len(open) != 0 {
		t.Errorf("%d modals are open", len(open))
	}

	// The form of /events has words and a menu.
	m = d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/events", "")
	c = find(t, m.Blocks, "Filter…")
	d.slack.BlockAction(m.To, m.Channel, m.TS, slackemu.Action{ActionID: c.action, Value: c.value})
	d.until(t, "the form", func() bool { return len(d.slack.Modals(slackemu.UserAda)) == 1 })
	form = d.slack.Modals(slackemu.UserAda)[0]
	enter("text", "value", "number 7")
	before = len(d.see(t, m).Versions)
	if err := d.slack.SubmitView(slackemu.UserAda, form.ID, nil).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the answer", func() bool { return len(d.see(t, m).Versions) > before })
	contains(t, d.see(t, m), "event number 7.")
}

// TestShare shows an answer to the channel, with who shared it and without the buttons that
// would change it for everybody.
func TestShare(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.fill(t, 3)
	m := d.types(t, slackemu.UserGrace, slackemu.ChannelOther, "/nodes", "list --spot") // Rollcall is no member there
	c := find(t, m.Blocks, "Share")
	if err := d.slack.BlockAction(m.To, m.Channel, m.TS, slackemu.Action{ActionID: c.action, Value: c.value}).Wait(
		t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the shared answer", func() bool { return len(d.slack.Messages(slackemu.ChannelOther)) == 1 })
	shared := d.slack.Messages(slackemu.ChannelOther)[0]
	contains(t, shared, "prod: 2 nodes", "Shared by grace", "/nodes list --spot")
	if len(shared.Notifications) > 0 || len(slackemu.LiveMentions(shared)) > 0 {
		t.Errorf("it rings: %+v", shared.Notifications)
	}
	all := controls(t, shared.Blocks)
	if len(all) != 1 || all[0].label != "Open for me" {
		t.Fatalf("the shared answer has the buttons %+v", all)
	}
	answer, err := d.slack.BlockAction(slackemu.UserAda, slackemu.ChannelOther, shared.TS,
		slackemu.Action{ActionID: all[0].action}).Answer(t.Context())
	if err != nil || !answer.Ephemeral || answer.To != slackemu.UserAda {
		t.Fatalf("%+v, %v", answer, err)
	}
	contains(t, answer, "prod: 2 nodes")
	if now, _ := d.slack.Message(slackemu.ChannelOther, shared.TS); len(now.Versions) != 1 {
		t.Error("the shared answer changed when somebody opened it")
	}
}

// TestLateAnswers holds that a response_url that is used up or expired, and a Slack that is
// unwell for a moment, do not keep an answer from the person.
func TestLateAnswers(t *testing.T) {
	t.Parallel()
	gone := slackemu.Fault{Name: "used", Status: http.StatusNotFound, Body: "used_url"}
	for name, fault := range map[string]slackemu.Rule{
		"used up":         {Method: slackemu.MethodResponseURL, Fault: gone},
		"unwell":          {Method: slackemu.MethodResponseURL, Fault: slackemu.ServerError(), Times: 2},
		"limited":         {Method: slackemu.MethodResponseURL, Fault: slackemu.RateLimited(1), Times: 1},
		"connection lost": {Method: slackemu.MethodResponseURL, Fault: slackemu.CutConnection(), Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
			d.fill(t, 3)
			m := d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", "")
			d.slack.Inject(fault)
			c := find(t, m.Blocks, "List")
			i := d.slack.BlockAction(m.To, m.Channel, m.TS, slackemu.Action{ActionID: c.action, Value: c.value})
			if err := i.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.until(t, "the list", func() bool {
				return slices.ContainsFunc(d.slack.Ephemerals(slackemu.ChannelOps, slackemu.UserAda),
					func(m slackemu.Message) bool {
						return strings.Contains(slackemu.PlainText(m), "Node\nState\nUp") ||
							strings.Contains(slackemu.PlainText(m), "m5.large · spot")
					})
			})
			if strings.Contains(d.log.String(), "/commands/") {
				t.Errorf("the log holds a response_url:\n%s", d.log)
			}
		})
	}
}

// TestHome opens the Home tab: it shows the cluster and Rollcall's health, follows changes, and
// its buttons open modals in which one can go on.
func TestHome(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, func(c *deskConfig) {
		c.NextDigest = func(now time.Time) time.Time { return now.Add(time.Hour) }
	})
	d.fill(t, 3)
	if err := d.slack.OpenHome(slackemu.UserAda).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	home := func() slackemu.View {
		v, _ := d.slack.Home(slackemu.UserAda)
		return v
	}
	d.until(t, "the Home tab", func() bool { return strings.Contains(string(home().Blocks), "prod: 3 nodes") })
	for _, want := range []string{"m5.large", "Last changes", "The next digest"} {
		if !strings.Contains(string(home().Blocks), want) {
			t.Errorf("the Home tab does not say %q", want)
		}
	}
	c := find(t, home().Blocks, "List")
	if err := d.slack.ViewAction(slackemu.UserAda, home().ID, slackemu.Action{ActionID: c.action, Value: c.value}).Wait(
		t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the list in a modal", func() bool { return len(d.slack.Modals(slackemu.UserAda)) == 1 })
	modal := d.slack.Modals(slackemu.UserAda)[0]
	c = find(t, modal.Blocks, "Summary")
	if err := d.slack.ViewAction(slackemu.UserAda, modal.ID, slackemu.Action{ActionID: c.action, Value: c.value}).Wait(
		t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the summary in the modal", func() bool { v, _ := d.slack.View(modal.ID); return v.Versions > 1 })
	// A form lies over the modal, and its answer takes its place.
	modal, _ = d.slack.View(modal.ID)
	c = find(t, modal.Blocks, "Filter…")
	if err := d.slack.ViewAction(slackemu.UserAda, modal.ID, slackemu.Action{ActionID: c.action, Value: c.value}).Wait(
		t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the form", func() bool { return len(d.slack.Modals(slackemu.UserAda)) == 2 })
	form := d.slack.Modals(slackemu.UserAda)[1]
	if err := d.slack.Enter(slackemu.UserAda, form.ID,
		slackemu.Action{ActionID: "value", BlockID: "type", Value: "c6i.*"}); err != nil {
		t.Fatal(err)
	}
	if err := d.slack.SubmitView(slackemu.UserAda, form.ID, nil).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if top := d.slack.Modals(slackemu.UserAda); !strings.Contains(string(top[len(top)-1].Blocks), "1 node") {
		t.Errorf("after the form: %s", top[len(top)-1].Blocks)
	}
}

// TestEverythingIsChecked holds that the allow-lists hold for buttons, forms and the Home tab
// just as for commands.
func TestEverythingIsChecked(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true},
		func(c *deskConfig) { c.AllowedUsers = []string{slackemu.UserAda} })
	d.fill(t, 3)
	shared := d.shared(t)
	for user, why := range map[string]string{slackemu.UserGrace: "Only some people may use Rollcall",
		slackemu.UserEve: "Only some people may use Rollcall"} {
		answer, err := d.slack.BlockAction(user, slackemu.ChannelOps, shared.TS,
			slackemu.Action{ActionID: controls(t, shared.Blocks)[0].action}).Answer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		contains(t, answer, "You may not use this button here", why)
		if strings.Contains(slackemu.PlainText(answer)+answer.Text, "prod") {
			t.Errorf("it tells of the cluster: %s", slackemu.PlainText(answer))
		}
	}
	if err := d.slack.OpenHome(slackemu.UserGrace).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "Grace's Home tab", func() bool {
		v, ok := d.slack.Home(slackemu.UserGrace)
		return ok && strings.Contains(string(v.Blocks), "You may not use")
	})
	if v, _ := d.slack.Home(slackemu.UserGrace); strings.Contains(string(v.Blocks), "prod") {
		t.Errorf("it tells of the cluster: %s", v.Blocks)
	}
	if log := d.log.String(); strings.Count(log, "somebody was refused") < 3 {
		t.Errorf("the log:\n%s", log)
	}
}

// TestHomeNeedsNoChannel holds that where only some channels are allowed, the Home tab, which is
// in none, is for people who are named.
func TestHomeNeedsNoChannel(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true},
		func(c *deskConfig) { c.AllowedChannels = []string{slackemu.ChannelOps} })
	d.fill(t, 3)
	d.slack.OpenHome(slackemu.UserAda)
	d.until(t, "the refusal", func() bool {
		v, ok := d.slack.Home(slackemu.UserAda)
		return ok && strings.Contains(string(v.Blocks), "type /nodes in one of them")
	})
}

// TestMuteForm mutes from a message's button, for a pool, and undoes it: both is recorded with
// who did it, and once, however often Slack delivers it.
func TestMuteForm(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	d.fill(t, 3)
	if err := d.slack.OpenHome(slackemu.UserGrace).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	home := func() slackemu.View {
		v, _ := d.slack.Home(slackemu.UserGrace)
		return v
	}
	d.until(t, "the Home tab", func() bool { return strings.Contains(string(home().Blocks), "Mute…") })
	c := find(t, home().Blocks, "Mute…")
	if err := d.slack.ViewAction(slackemu.UserGrace, home().ID, slackemu.Action{ActionID: c.action}).Wait(
		t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the form", func() bool { return len(d.slack.Modals(slackemu.UserGrace)) == 1 })
	form := d.slack.Modals(slackemu.UserGrace)[0]
	for _, want := range []string{"Everything in prod", "Pool general", "Instance type m5.large",
		"until tomorrow 9:00 (America/New_York)"} {
		if !strings.Contains(string(form.Blocks), want) {
			t.Errorf("the form does not offer %q", want)
		}
	}
	for block, value := range map[string]string{"scope": "pool:general", "until": "morning"} {
		if err := d.slack.Enter(slackemu.UserGrace, form.ID,
			slackemu.Action{ActionID: "value", BlockID: block, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.slack.SubmitView(slackemu.UserGrace, form.ID, nil).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	mutes, err := d.ledger.Mutes(t.Context(), "prod", time.Now())
	if err != nil || len(mutes) != 1 {
		t.Fatalf("%+v, %v", mutes, err)
	}
	newYork, _ := time.LoadLocation("America/New_York")
	if m := mutes[0]; m.Scope != wave.MutePool || m.Value != "general" || m.By != slackemu.UserGrace ||
		m.ByName != "grace" || m.Until.In(newYork).Hour() != 9 || !m.Until.After(time.Now()) ||
		m.Until.After(time.Now().Add(34*time.Hour)) {
		t.Errorf("%+v", m)
	}
	contains(t, d.types(t, slackemu.UserAda, slackemu.ChannelOps, "/nodes", ""), "🔕 pool general, until ", "by grace")
	d.until(t, "the mute in the Home tab",
		func() bool { return strings.Contains(string(home().Blocks), "Unmute pool general") })
	c = find(t, home().Blocks, "Unmute pool general")
	if err := d.slack.ViewAction(slackemu.UserGrace, home().ID, slackemu.Action{ActionID: c.action}).Wait(
		t.Context()); err != nil {
		t.Fatal(err)
	}
	d.until(t, "the end of the mute", func() bool {
		mutes, err := d.ledger.Mutes(t.Context(), "prod", time.Now())
		return err == nil && len(mutes) == 0
	})
	m, ok, err := d.ledger.Mute(t.Context(), mutes[0].ID)
	if err != nil || !ok || m.EndedBy != slackemu.UserGrace || m.EndedByName != "grace" {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestSlowLedger holds that an answer which takes longer than an acknowledgement may wait comes
// all the same: the command is acknowledged in time, and the answer follows.
func TestSlowLedger(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, func(c *deskConfig) {
		c.Watch = func(string) string { <-free; return "" }
	})
	i := d.slack.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "")
	if err := i.Wait(t.Context()); err != nil {
		t.Fatalf("the acknowledgement: %v", err)
	}
	if n := len(i.Messages()); n != 0 {
		t.Errorf("%d messages came with the acknowledgement", n)
	}
	close(free)
	m, err := i.Answer(t.Context())
	if err != nil || m.Via != slackemu.MethodResponseURL || !m.Ephemeral {
		t.Fatalf("the answer: %+v, %v", m, err)
	}
	contains(t, m, "prod: 0 nodes", "Up to date.")
}

// TestAnotherApp holds that what was meant for another app, or for none, is refused.
func TestAnotherApp(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	c := deskOn(d.ledger, d.slack, slog.New(slog.DiscardHandler)).commands()
	for app, allowed := range map[string]bool{slackemu.DefaultAppID: true, "A0OTHER": false, "": false} {
		payload, err := json.Marshal(map[string]string{"command": "/nodes", "api_app_id": app,
			"team_id": slackemu.DefaultTeamID, "user_id": slackemu.UserAda, "channel_id": slackemu.ChannelOps})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := json.Marshal(
			c.Handle(t.Context(), slackapp.Envelope{Type: "slash_commands", Payload: payload, App: slackemu.DefaultAppID}))
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(string(answer), "prod"); told != allowed {
			t.Errorf("app %q is told %v: %s", app, told, answer)
		}
	}
}

// TestLook holds that whoever presses "I look at it" first is who looks at it, and that others are told so.
func TestLook(t *testing.T) {
	t.Parallel()
	d := newDesk(t, slackemu.Config{NoRateLimits: true}, nil)
	ctx := t.Context()
	if err := d.ledger.Apply(ctx, "prod", slackemu.ChannelOps, wave.Plan{New: []wave.Opening{{Kind: wave.KindSurge}}}, false,
		time.Now()); err != nil {
		t.Fatal(err)
	}
	live, err := d.ledger.LiveWaves(ctx, "prod")
	if err != nil || len(live) != 1 {
		t.Fatalf("%+v, %v", live, err)
	}
	m := alert.Render(live[0], fleet.Totals{}, nil, alert.Config{}.WithDefaults())
	sink := slackapp.NewSink(slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, d.slack.APIURL(), nil),
		deliver.Limits{}, slog.New(slog.DiscardHandler))
	ts, err := sink.Post(ctx, deliver.Place{Channel: slackemu.ChannelOps}, deliver.Mark{Key: live[0].Key}, m, deliver.Rich)
	if err != nil {
		t.Fatal(err)
	}
	posted, _ := d.slack.Message(slackemu.ChannelOps, ts)
	button := find(t, posted.Blocks, "I look at it")
	press := func(user, value string) {
		t.Helper()
		if err := d.slack.BlockAction(user, slackemu.ChannelOps, ts,
			slackemu.Action{ActionID: button.action, Value: value}).Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	press(slackemu.UserGrace, button.value)
	d.until(t, "the look", func() bool {
		live, err := d.ledger.LiveWaves(ctx, "prod")
		return err == nil && live[0].Look.By == slackemu.UserGrace && live[0].Look.Name == "grace"
	})
	press(slackemu.UserAda, button.value)
	d.until(t, "the answer", func() bool {
		all := d.slack.Ephemerals(slackemu.ChannelOps, slackemu.UserAda)
		return len(all) == 1 && strings.Contains(slackemu.PlainText(all[0]), "grace looks at it since")
	})
	if all := d.slack.Ephemerals(slackemu.ChannelOps, slackemu.UserGrace); len(all) > 0 {
		t.Errorf("who looks at it is told so: %+v", all)
	}
}
