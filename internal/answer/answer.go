// Package answer turns a request into what is shown: the text of a command, a button under an
// alert, the Home tab. It reads the ledger through the Store that it declares, says what comes
// back as a [message.Message], and never fails: what goes wrong is the answer then.
//
// All that it ever writes are mutes. It knows neither Slack nor SQL, and decides nothing about
// who may ask.
package answer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// Store is what an Answerer asks of the ledger.
type Store interface {
	Periods
	Clusters(ctx context.Context) ([]query.ClusterRecord, error)

	Totals(ctx context.Context, cluster string) (fleet.Totals, error)
	CountNodes(ctx context.Context, cluster string, f query.NodeFilter) (fleet.Totals, error)
	GroupNodes(ctx context.Context, cluster string, f query.NodeFilter, by query.Dimension, limit int) (
		query.NodeGroups, error)
	ListNodes(ctx context.Context, cluster string, f query.NodeFilter, sort query.NodeSort, offset, limit int) (
		query.NodePage, error)
	FindNodes(ctx context.Context, cluster, name string, limit int) ([]query.NodeRecord, query.Match, bool, error)
	NodeNamed(ctx context.Context, cluster, name string) (query.NodeRecord, bool, error)
	Node(ctx context.Context, cluster, uid string) (query.NodeRecord, bool, error)
	NodeChanges(ctx context.Context, cluster, uid string, limit int) ([]query.ChangeRecord, bool, error)
	ChangeCounts(ctx context.Context, cluster string, since time.Time) (map[fleet.ChangeKind]int, error)
	RecentChanges(ctx context.Context, cluster string, limit int, kinds ...fleet.ChangeKind) (
		[]query.ChangeRecord, error)
	WaveNodes(ctx context.Context, key string, limit int) (wave.Nodes, bool, error)
	WaveCauses(ctx context.Context, key string) (query.Causes, bool, error)
	Explanation(ctx context.Context, cluster, uid string, kind fleet.ChangeKind) (fleet.Explanation, bool, error)
	NodeCauses(ctx context.Context, cluster string, uids []string) (map[string]query.CameWent, error)
	Pools(ctx context.Context, cluster string) ([]fleet.Pool, error)
	KeepsSince(ctx context.Context, cluster string) (time.Time, error)
	NodeKeeps(ctx context.Context, cluster, uid string) ([]fleet.Keep, error)
	PodsOn(ctx context.Context, cluster string, node fleet.ObjectRef, limit int) (query.Assigned, error)

	Events(ctx context.Context, cluster string, f query.EventFilter, at query.EventCursor, limit int) (
		query.EventPage, error)
	EventCounts(ctx context.Context, cluster string, since time.Time) (scaling, other int, err error)
	EventSpan(ctx context.Context, cluster string) (query.EventSpan, error)

	Mutes(ctx context.Context, cluster string, now time.Time) ([]wave.Mute, error)
	Lists(ctx context.Context, person string) (bool, error)
	SetLists(ctx context.Context, person string, on bool) error
	Look(ctx context.Context, key string, look wave.Look) (first wave.Look, ok bool, err error)
	AddMute(ctx context.Context, m wave.Mute) (wave.Mute, error)
	EndMute(ctx context.Context, id int64, by, name string, now time.Time) (bool, error)
}

// Config is what an Answerer needs. Cluster, Store, Watch, Summaries and Log are required.
type Config struct {
	Cluster string // that an answer is about where nobody names another
	Store   Store
	// Watch says how fresh the ledger is of a cluster: "" if the watch is live, else why it is not.
	Watch func(cluster string) string
	// Waiting says what pods of a cluster wait for; more is true if there are others. nil: nobody looks.
	Waiting func(ctx context.Context, cluster string, now time.Time) (groups []fleet.Waiting, more bool, err error)
	// Health lists Rollcall's parts and what is wrong with each, for the Home tab; nil: not
	// shown.
	Health func(ctx context.Context) []Health
	// NextDigest says when the digest comes next; nil: it is not shown.
	NextDigest func(now time.Time) time.Time
	// Channels are the IDs of all channels in which something is told.
	Channels []string
	// Names is what the commands are called, where people read them.
	Names command.Names
	// Summaries answers /nodes digest; its prices are those of all answers.
	Summaries Summaries
	Log       *slog.Logger
}

// Health is the state of one of Rollcall's parts.
type Health struct {
	Part    string
	Problem string // "" if it is well
}

// Answerer answers people.
type Answerer struct {
	cluster   string
	store     Store
	summaries Summaries
	price     fleet.Pricer
	watch     func(cluster string) string
	waits     func(ctx context.Context, cluster string, now time.Time) ([]fleet.Waiting, bool, error)
	health    func(ctx context.Context) []Health
	digestAt  func(now time.Time) time.Time
	channels  []string
	names     command.Names
	log       *slog.Logger
}

// New returns an Answerer.
func New(c Config) *Answerer {
	s := c.Summaries.withDefaults()
	return &Answerer{cluster: c.Cluster, store: c.Store, summaries: s, price: s.Price, watch: c.Watch, waits: c.Waiting,
		health:   c.Health,
		digestAt: c.NextDigest, channels: c.Channels, names: c.Names, log: c.Log}
}

// Zone is the time zone of people whose own is not known.
func (a *Answerer) Zone() *time.Location { return a.summaries.Zone }

// Names is what the commands are called, where people read them.
func (a *Answerer) Names() command.Names { return a.names }

// For is an answer as a person reads it: with lists instead of tables, if that is what he has asked for.
func (a *Answerer) For(ctx context.Context, person string, m message.Message) message.Message {
	lists, err := a.store.Lists(ctx, person)
	if err != nil {
		a.log.Warn("how a person is answered is not known; with tables", "err", err)
	}
	if lists {
		return m.Listed()
	}
	return m
}

// SetLists notes whether a person reads lists instead of tables: value is "on" or "off".
func (a *Answerer) SetLists(ctx context.Context, person, value string) error {
	return a.store.SetLists(ctx, person, value == "on")
}

// To says what a command line asks for at a moment. The line begins with /nodes or /events, whatever they are called.
func (a *Answerer) To(ctx context.Context, line string, now time.Time) message.Message {
	m, err := a.read(ctx, line, now)
	return a.told(ctx, line, now, m, err)
}

// told is an answer, or what is wrong with the command line, or that it could not be looked up.
func (a *Answerer) told(ctx context.Context, line string, now time.Time, m message.Message,
	err error) message.Message {
	if mistake, ok := errors.AsType[*command.Mistake](err); ok {
		mistake.Fix = a.offered(ctx, mistake.Fix, line, now)
		if mistake.Fix == "" && strings.HasPrefix(mistake.Nearest, "/") {
			mistake.Nearest = "" // it is a guess, and not only the right form of what was typed
		}
		return a.mistaken(mistake)
	}
	if err != nil {
		name, _, _ := strings.Cut(line, " ")
		a.log.Error("answering a slash command failed", "command", name, "err", err)
		return message.Notice("⚠️", "That could not be looked up in time. Please try again.",
			show("Try again", line))
	}
	return m
}

// read reads a command line and looks up what it asks for.
func (a *Answerer) read(ctx context.Context, line string, now time.Time) (message.Message, error) {
	name, text, _ := strings.Cut(line, " ")
	switch name {
	case "/nodes":
		req, err := command.ParseNodes(text, now)
		if err != nil {
			return message.Message{}, err
		}
		return a.nodes(ctx, req, now)
	case "/events":
		req, err := command.ParseEvents(text, now)
		if err != nil {
			return message.Message{}, err
		}
		return a.events(ctx, req, now)
	}
	return message.Notice("❓", a.names.Show("Rollcall knows the commands /nodes and /events")), nil
}

// maxLabel is how long a command may be on a button, in UTF-16 code units. Source: docs.slack.dev,
// button element.
const maxLabel = 75

// mistaken says what is wrong with a command, where, and what would be right.
func (a *Answerer) mistaken(m *command.Mistake) message.Message {
	problem := a.names.Show(m.Error())
	v := message.Message{Icon: "❓", Headline: problem, Text: problem}
	if before, bad, after := m.Marked(); bad != "" {
		marked := a.names.Name(m.Command) + " " + before + "▸" + bad + "◂" + after
		v.Parts = append(v.Parts, message.Part{Text: []string{marked}})
	}
	var buttons []message.Button
	if m.Fix != "" {
		buttons = append(buttons, message.Button{Label: message.Clip(a.names.Show(m.Fix), maxLabel), Verb: message.Show,
			Value: m.Fix, Style: message.Primary})
	}
	if m.Command != "" {
		buttons = append(buttons, show("Help", m.Command+" help"))
	}
	if len(buttons) > 0 {
		v.Parts = append(v.Parts, message.Part{Buttons: buttons})
	}
	return v
}

// clusterOf is the cluster that a request is about: Rollcall's own, or another of its ledger.
func (a *Answerer) clusterOf(ctx context.Context, name, commandName string) (query.ClusterRecord, error) {
	all, err := a.store.Clusters(ctx)
	if err != nil {
		return query.ClusterRecord{}, err
	}
	name = cmp.Or(name, a.cluster)
	var names []string
	for _, r := range all {
		if r.Cluster == name {
			return r, nil
		}
		names = append(names, r.Cluster)
	}
	if name == a.cluster {
		return query.ClusterRecord{Cluster: a.cluster}, nil
	}
	return query.ClusterRecord{}, &command.Mistake{Command: commandName, Nearest: "--cluster " + a.cluster,
		Problem: fmt.Sprintf("%q is no cluster that Rollcall has seen; it knows %s", name, strings.Join(names, ", "))}
}

// freshness says how far an answer can be trusted.
func (a *Answerer) freshness(cluster query.ClusterRecord, now time.Time) message.Line {
	why := a.watch(cluster.Cluster)
	switch until := cluster.WatchedUntil; {
	case why == "":
		return message.NewLine("Up to date.")
	case until.IsZero():
		return message.NewLine("Nothing was seen yet: " + why)
	default:
		return message.Line{{Text: "As of "}, moment(until, now), {Text: ", not live: " + why}}
	}
}

// moment shows a moment, with its date if it is not of the last hours.
func moment(t, now time.Time) message.Span {
	return message.Span{At: t, Day: now.Sub(t).Abs() > 12*time.Hour}
}
