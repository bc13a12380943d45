package slackapp

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
)

// CommandsConfig is what Commands needs.
type CommandsConfig struct {
	Cluster string
	Ledger  *ledger.Ledger
	// Watch says how fresh the ledger is: "" if the watch is live, else since when it is not
	// and why.
	Watch func() string
	Log   *slog.Logger
	API   *slack.Client // asked once which workspace is its own

	// Who may use commands, where; empty: everyone of the own workspace, everywhere.
	AllowedUsers    []string
	AllowedChannels []string
}

// Commands answers the slash commands from the ledger.
type Commands struct {
	c    CommandsConfig
	http *http.Client                           // for response_urls
	own  atomic.Pointer[slack.AuthTestResponse] // who we are, once Slack has said so
}

// NewCommands returns Commands. Handle answers an envelope.
func NewCommands(c CommandsConfig) *Commands {
	return &Commands{c: c, http: &http.Client{Timeout: callTimeout, Transport: transport()}}
}

// answerWithin is how long an answer may take: what could not be found out by then is said in
// the time that is left to acknowledge.
const answerWithin = ackWithin - 500*time.Millisecond

// Handle answers a slash command with the acknowledgement itself. Everything else is
// acknowledged and left alone.
func (c *Commands) Handle(ctx context.Context, e Envelope) any {
	if e.Type != "slash_commands" {
		return nil
	}
	var cmd slack.SlashCommand
	if err := json.Unmarshal(e.Payload, &cmd); err != nil {
		c.c.Log.Warn("Slack sent a slash command that cannot be read", "err", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if why := c.refuse(ctx, cmd); why != "" {
		c.c.Log.Warn("a slash command was refused", "command", cmd.Command, "user", cmd.UserID, "team", cmd.TeamID, "channel", cmd.ChannelID, "why", why)
		return ephemeral(alert.Message{Icon: "🚫", Headline: "You may not use " + cmd.Command + " here", Lines: []alert.Line{{{Text: why}}}})
	}
	var m alert.Message
	var err error
	switch cmd.Command {
	case "/nodes":
		m, err = c.nodes(ctx)
	case "/events":
		m, err = c.events(ctx)
	default:
		m = alert.Message{Icon: "❓", Headline: "Rollcall knows the commands /nodes and /events"}
	}
	if err != nil {
		c.c.Log.Error("answering a slash command failed", "command", cmd.Command, "err", err)
		m = alert.Message{Icon: "⚠️", Headline: "The ledger did not answer in time. Please try again."}
	}
	return ephemeral(m)
}

// refuse says why a person may not use the commands, "" if he may. Whatever cannot be checked
// is refused.
func (c *Commands) refuse(ctx context.Context, cmd slack.SlashCommand) string {
	us := c.own.Load()
	if us == nil {
		auth, err := c.c.API.AuthTestContext(ctx)
		if err != nil {
			c.c.Log.Warn("Slack does not say which workspace is our own", "err", err)
			return "Rollcall could not check who you are. Please try again."
		}
		us = auth
		c.own.Store(us)
	}
	// An app that is installed in a whole organisation has the organisation as its team.
	own := cmd.TeamID != "" && cmd.TeamID == us.TeamID ||
		us.EnterpriseID != "" && us.TeamID == us.EnterpriseID && cmd.EnterpriseID == us.EnterpriseID
	switch {
	case !own:
		return "Only people of the workspace that Rollcall is installed in may use it."
	case len(c.c.AllowedUsers) > 0 && !slices.Contains(c.c.AllowedUsers, cmd.UserID):
		return "You are not among the people that SLACK_ALLOWED_USERS names."
	case len(c.c.AllowedChannels) > 0 && !slices.Contains(c.c.AllowedChannels, cmd.ChannelID):
		return "This channel is not among those that SLACK_ALLOWED_CHANNELS names."
	}
	return ""
}

// answerLimit is how large an answer may be, in bytes: what is left of an acknowledgement
// beside its envelope ID.
const answerLimit = ackLimit - 500

// ephemeral is an answer that only the person who asked sees. Characters of names and notes may
// cost six bytes each: what does not fit is shortened, evenly, until it does.
func ephemeral(m alert.Message) any {
	m.Text = m.Headline
	for most := 300; ; most /= 2 {
		c := render(m)
		answer := map[string]any{"response_type": "ephemeral", "text": c.text, "blocks": c.blocks}
		if b, err := json.Marshal(answer); err == nil && len(b) <= answerLimit || most == 0 {
			return answer
		}
		m = shorten(m, most)
	}
}

// shorten cuts every text of an answer to at most that many characters.
func shorten(m alert.Message, most int) alert.Message {
	m.Headline = alert.Clip(m.Headline, most)
	m.Text = m.Headline
	if m.Table != nil {
		t := *m.Table
		t.Rows = nil
		for _, r := range m.Table.Rows {
			var row []string
			for _, cell := range r {
				row = append(row, alert.Clip(cell, most))
			}
			t.Rows = append(t.Rows, row)
		}
		m.Table = &t
	}
	var lines []alert.Line
	for _, l := range m.Lines {
		var short alert.Line
		for _, s := range l {
			s.Text = alert.Clip(s.Text, most)
			short = append(short, s)
		}
		lines = append(lines, short)
	}
	m.Lines = lines
	return m
}

// freshness says how far the answer can be trusted.
func (c *Commands) freshness(ctx context.Context) (alert.Line, error) {
	if why := c.c.Watch(); why != "" {
		cp, err := c.c.Ledger.Checkpoint(ctx, c.c.Cluster)
		if err != nil {
			return nil, err
		}
		if cp.WatchedUntil.IsZero() {
			return alert.Line{{Text: "Nothing was seen yet: " + why}}, nil
		}
		return alert.Line{{Text: "As of "}, {At: cp.WatchedUntil, Day: time.Since(cp.WatchedUntil) > 12*time.Hour}, {Text: ", not live: " + why}}, nil
	}
	return alert.Line{{Text: "Live."}}, nil
}

func (c *Commands) nodes(ctx context.Context) (alert.Message, error) {
	totals, err := c.c.Ledger.Totals(ctx, c.c.Cluster)
	if err != nil {
		return alert.Message{}, err
	}
	groups, err := c.c.Ledger.Groups(ctx, c.c.Cluster)
	if err != nil {
		return alert.Message{}, err
	}
	counts, err := c.c.Ledger.ChangeCounts(ctx, c.c.Cluster, time.Now().Add(-24*time.Hour))
	if err != nil {
		return alert.Message{}, err
	}
	fresh, err := c.freshness(ctx)
	if err != nil {
		return alert.Message{}, err
	}
	m := alert.Message{Icon: "📋", Headline: alert.Count(c.c.Cluster, totals), Table: alert.GroupTable(groups)}
	m.Lines = []alert.Line{
		{{Text: fmt.Sprintf("Last 24 hours: %d joined, %d left, %d went not ready.", counts[fleet.Joined], counts[fleet.Removed], counts[fleet.WentUnready])}},
		fresh,
	}
	return m, nil
}

func (c *Commands) events(ctx context.Context) (alert.Message, error) {
	since := time.Now().Add(-time.Hour)
	events, err := c.c.Ledger.RecentEvents(ctx, c.c.Cluster, since, 10)
	if err != nil {
		return alert.Message{}, err
	}
	scaling, other, err := c.c.Ledger.EventCounts(ctx, c.c.Cluster, since)
	if err != nil {
		return alert.Message{}, err
	}
	fresh, err := c.freshness(ctx)
	if err != nil {
		return alert.Message{}, err
	}
	m := alert.Message{Icon: "📋", Headline: fmt.Sprintf("%s: %d scaling events in the last hour, %d others", c.c.Cluster, scaling, other)}
	for _, e := range events {
		object := strings.ToLower(e.Regarding.Kind) + " " + strings.TrimPrefix(e.Regarding.Namespace+"/"+e.Regarding.Name, "/")
		times := ""
		if e.Count > 1 {
			times = fmt.Sprintf(" ×%d", e.Count)
		}
		warning := ""
		if e.Type == "Warning" {
			warning = "⚠️ "
		}
		m.Lines = append(m.Lines, alert.Line{{At: e.Last}, {Text: fmt.Sprintf("  %s%s%s  %s: %s", warning, e.Reason, times, object, alert.Clip(e.Note, 200))}})
	}
	m.Lines = append(m.Lines, fresh)
	return m, nil
}
