package answer

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// Home is what the Home tab shows: each cluster, what changed, what is muted, how Rollcall
// is, and when the digest comes.
func (a *Answerer) Home(ctx context.Context, person string, now time.Time) (message.Message, error) {
	v := message.Message{Icon: "📋", Headline: "Rollcall"}
	clusters, err := a.store.Clusters(ctx)
	if err != nil {
		return message.Message{}, err
	}
	if len(clusters) == 0 {
		clusters = []query.ClusterRecord{{Cluster: a.cluster}}
	}
	for _, cluster := range clusters {
		parts, err := a.homeCluster(ctx, cluster, now)
		if err != nil {
			return message.Message{}, err
		}
		v.Parts = append(v.Parts, message.Part{Rule: true})
		v.Parts = append(v.Parts, parts...)
	}
	v.Parts = append(v.Parts, message.Part{Rule: true})
	if a.health != nil {
		p := message.Part{Heading: "How Rollcall is"}
		for _, h := range a.health(ctx) {
			mark, problem := "✅", "OK"
			if h.Problem != "" {
				mark, problem = "⚠️", h.Problem
			}
			p.Lines = append(p.Lines,
				message.NewLine(fmt.Sprintf("%s %s: %s", mark, partWords(h.Part), message.Clip(problem, 200))))
		}
		v.Parts = append(v.Parts, p)
	}
	if a.digestAt != nil {
		if next := a.digestAt(now); !next.IsZero() {
			v.Parts = append(v.Parts,
				message.Part{Lines: []message.Line{{{Text: "The next digest comes at "}, {At: next, Day: true}, {Text: "."}}}})
		}
	}
	v.Parts = append(v.Parts,
		message.Part{Buttons: []message.Button{
			{Label: "Help with " + a.names.Name("/nodes"), Verb: message.Open, Value: "/nodes help"},
			{Label: "Help with " + a.names.Name("/events"), Verb: message.Open, Value: "/events help"},
			a.listsButton(ctx, person)}})
	v.Text = "Rollcall"
	return v, nil
}

// listsButton gives a person lists instead of tables, or tables again.
func (a *Answerer) listsButton(ctx context.Context, person string) message.Button {
	lists, err := a.store.Lists(ctx, person)
	if err == nil && lists {
		return message.Button{Label: "Show me tables", Verb: message.Lists, Value: "off"}
	}
	return message.Button{Label: "Show me lists instead of tables", Verb: message.Lists, Value: "on"}
}

// partWords is what people call a part of Rollcall.
func partWords(part string) string {
	name, of, _ := strings.Cut(part, " ")
	words := map[string]string{"ledger": "Ledger", "nodes": "Watching nodes", "events": "Watching events",
		"slack": "Connection to Slack", "connections": "Slack app", "telling": "Delivery of alerts",
		"digest": "Delivery of digests"}[name]
	return strings.TrimSpace(cmp.Or(words, name) + " " + of)
}

// homeCluster is one cluster in the Home tab.
func (a *Answerer) homeCluster(ctx context.Context, cluster query.ClusterRecord, now time.Time) ([]message.Part,
	error) {
	l, name := a.store, cluster.Cluster
	totals, err := l.CountNodes(ctx, name, query.NodeFilter{})
	if err != nil {
		return nil, err
	}
	counts, err := l.ChangeCounts(ctx, name, now.Add(-24*time.Hour))
	if err != nil {
		return nil, err
	}
	groups, err := l.GroupNodes(ctx, name, query.NodeFilter{}, query.ByType, groupRows)
	if err != nil {
		return nil, err
	}
	totals.Cost = message.CostOf(groups.Machines, a.price)
	changes, err := l.RecentChanges(ctx, name, lastChanges)
	if err != nil {
		return nil, err
	}
	mutes, err := a.muteParts(ctx, name, now)
	if err != nil {
		return nil, err
	}
	today, err := a.today(ctx, name, now)
	if err != nil {
		return nil, err
	}
	of := name
	if name == a.cluster {
		of = ""
	}
	parts := []message.Part{
		{Heading: name + ": " + totalsWords(totals), Lines: []message.Line{a.freshness(cluster, now),
			{{Text: fmt.Sprintf("Last 24 hours: %d joined, %d left, %d went not ready.", counts[fleet.Joined],
				counts[fleet.Removed], counts[fleet.WentUnready])}}}},
		{Table: a.groupTable(groups, query.ByType, false)},
	}
	if today != "" {
		parts[0].Lines = append(parts[0].Lines, message.NewLine(today))
	}
	if len(changes) > 0 {
		parts = append(parts, message.Part{Heading: "Last changes", Lines: changeLines(changes)})
	}
	parts = append(parts, mutes...)
	return append(parts, message.Part{Buttons: []message.Button{
		{Label: "Nodes", Verb: message.Open, Value: nodesLine(command.Nodes{Cluster: of}), Style: message.Primary},
		{Label: "List", Verb: message.Open, Value: nodesLine(command.Nodes{View: command.List, Cluster: of})},
		{Label: "Not ready", Verb: message.Open,
			Value: nodesLine(command.Nodes{View: command.List, NotReady: true, Cluster: of})},
		{Label: "Events", Verb: message.Open, Value: eventsLine(command.Events{Scaling: true, Cluster: of})},
		{Label: "Digest", Verb: message.Open, Value: nodesLine(command.Nodes{View: command.Digest, Cluster: of})},
		{Label: "Costs", Verb: message.Open, Value: nodesLine(command.Nodes{View: command.Costs, Cluster: of})},
		{Label: "Mute…", Verb: message.Mute, Value: "-"},
	}}), nil
}
