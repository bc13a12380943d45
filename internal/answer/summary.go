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

// summary answers /nodes without more: totals, groups, what changed.
func (a *Answerer) summary(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	groups, by, err := a.grouped(ctx, cluster.Cluster, req, now)
	if err != nil {
		return message.Message{}, err
	}
	v, err := a.totals(ctx, cluster.Cluster, req, groups, now)
	if err != nil {
		return message.Message{}, err
	}
	table := []message.Part{{Table: a.groupTable(groups, by, req.Removed)}}
	if !req.Removed {
		cost := message.CostOf(groups.Machines, a.price)
		for _, text := range message.CostDoubts(fleet.Cost{Priced: cost.Priced, Old: cost.Old}) {
			table = append(table, message.Part{Note: message.NewLine(text)})
		}
	}
	if filtered(req) {
		lines := []message.Line{{{Text: "Only " + filterWords(req)}}, a.freshness(cluster, now)}
		if groups.Total == 0 {
			there, err := a.thereAre(ctx, cluster, req, now)
			if err != nil {
				return message.Message{}, err
			}
			lines = append(lines, there...)
		}
		v.Parts = append(append(v.Parts, message.Part{Lines: lines}), table...)
	} else {
		last, err := a.lastDay(ctx, cluster.Cluster, now)
		if err != nil {
			return message.Message{}, err
		}
		more, err := a.around(ctx, cluster.Cluster, now)
		if err != nil {
			return message.Message{}, err
		}
		v.Parts = append(v.Parts, message.Part{Lines: []message.Line{a.freshness(cluster, now), last}})
		v.Parts = append(append(v.Parts, table...), more...)
	}
	v.Parts = append(v.Parts, message.Part{Buttons: regroupButtons(req, by)},
		message.Part{Buttons: summaryButtons(req, v.Icon == notAllReady)})
	return v, nil
}

// grouped are the nodes of a summary in groups: those that are asked for, or by type, or by what they have where no
// type is known, as on bare metal.
func (a *Answerer) grouped(ctx context.Context, name string, req command.Nodes, now time.Time) (g query.NodeGroups,
	by query.Dimension, err error) {
	for _, by = range []query.Dimension{cmp.Or(req.By, query.ByType), query.ByPool, query.ByZone, query.ByArch} {
		g, err = a.store.GroupNodes(ctx, name, req.Filter(now), by, groupRows)
		if err != nil || req.By != "" || g.Total == 0 || g.Distinct > 1 || g.Groups[0].Value != "" {
			break
		}
	}
	return g, by, err
}

// notAllReady is the icon of a summary with nodes that are not ready.
const notAllReady = "⏳"

// totals is a summary's headline: how many nodes there are or were.
func (a *Answerer) totals(ctx context.Context, name string, req command.Nodes, groups query.NodeGroups,
	now time.Time) (v message.Message, err error) {
	if req.Removed {
		text := fmt.Sprintf("%s: %s left%s", name, message.AtLeast(groups.Total, groups.Capped, "node"), sinceWords(req))
		return message.Message{Icon: "📋", Headline: text, Text: text}, nil
	}
	totals, err := a.store.CountNodes(ctx, name, req.Filter(now))
	if err != nil {
		return v, err
	}
	totals.Cost = message.CostOf(groups.Machines, a.price)
	text := fmt.Sprintf("%s: %s", name, totalsWords(totals))
	if filtered(req) {
		all, err := a.store.Totals(ctx, name)
		if err != nil {
			return v, err
		}
		text += fmt.Sprintf(" (of %d)", all.Nodes)
	}
	v = message.Message{Icon: "📋", Headline: text, Text: text}
	if totals.Nodes > totals.Ready {
		v.Icon = notAllReady
	}
	return v, nil
}

// lastDay counts a cluster's changes of the last 24 hours.
func (a *Answerer) lastDay(ctx context.Context, name string, now time.Time) (message.Line, error) {
	counts, err := a.store.ChangeCounts(ctx, name, now.Add(-24*time.Hour))
	return message.Line{{Text: fmt.Sprintf("Last 24 hours: %d joined, %d left, %d went not ready.",
		counts[fleet.Joined], counts[fleet.Removed], counts[fleet.WentUnready])}}, err
}

// around is what a summary of all nodes tells besides: the last changes, mutes, other clusters.
func (a *Answerer) around(ctx context.Context, name string, now time.Time) (parts []message.Part, err error) {
	if parts, err = a.waitingParts(ctx, name, now); err != nil {
		return nil, err
	}
	changes, err := a.store.RecentChanges(ctx, name, lastChanges)
	if err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		parts = append(parts, message.Part{Heading: "Last changes", Lines: changeLines(changes)})
	}
	mutes, err := a.muteParts(ctx, name, now)
	if err != nil {
		return nil, err
	}
	parts = append(parts, mutes...)
	others, err := a.otherClusters(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(others) > 0 {
		text := "Other clusters: " + strings.Join(others, ", ") + " (--cluster)."
		parts = append(parts, message.Part{Lines: message.Sentence(text)})
	}
	return parts, nil
}

// regroupButtons show the same nodes in other groups.
func regroupButtons(req command.Nodes, by query.Dimension) []message.Button {
	var buttons []message.Button
	for _, d := range []query.Dimension{query.ByType, query.ByZone, query.ByPool, query.ByCapacity, query.ByArch} {
		to := req
		to.By = d
		if d == query.ByType {
			to.By = ""
		}
		buttons = append(buttons, show(ticked(dimensionWords(d), by == d), nodesLine(to)))
	}
	return append(buttons, message.Button{Label: "Label…", Verb: message.Filter, Value: nodesLine(req)})
}

// summaryButtons lead from a summary to its nodes and to the events.
func summaryButtons(req command.Nodes, unready bool) []message.Button {
	list := show("List", nodesLine(listOf(req)))
	list.Style = message.Primary
	row := []message.Button{list}
	if unready {
		to := listOf(req)
		to.NotReady = true
		row = append(row, message.Button{Label: "Not ready", Verb: message.Show, Value: nodesLine(to),
			Style: message.Danger})
	}
	row = append(row, show("Events", eventsLine(command.Events{Scaling: true, Cluster: req.Cluster})))
	return append(row, answerButtons(nodesLine(req))...)
}

// show is a button that shows the answer to a command line.
func show(label, line string) message.Button {
	return message.Button{Label: label, Verb: message.Show, Value: line}
}

// answerButtons are the buttons that every answer has.
func answerButtons(line string) []message.Button {
	return []message.Button{{Label: "Filter…", Verb: message.Filter, Value: line}, show("Refresh", line),
		{Label: "Share", Verb: message.Share, Value: line}}
}

func (a *Answerer) otherClusters(ctx context.Context, name string) ([]string, error) {
	all, err := a.store.Clusters(ctx)
	var others []string
	for _, r := range all {
		if r.Cluster != name {
			others = append(others, r.Cluster)
		}
	}
	return others, err
}

// totalsWords counts nodes: "45 nodes, 43 ready, 2 not ready, 1 cordoned, $12.30/h".
func totalsWords(t fleet.Totals) string {
	s := fmt.Sprintf("%s, %d ready", message.Count(t.Nodes, "node"), t.Ready)
	if n := t.Nodes - t.Ready; n > 0 {
		s += fmt.Sprintf(", %d not ready", n)
	}
	if t.Cordoned > 0 {
		s += fmt.Sprintf(", %d cordoned", t.Cordoned)
	}
	if t.Cost.Priced > 0 {
		s += ", " + message.Hourly(t.Cost)
	}
	return s
}

func (a *Answerer) groupTable(g query.NodeGroups, by query.Dimension, removed bool) *message.Table {
	t := &message.Table{Head: []string{dimensionWords(by), "Nodes"}}
	spot := by != query.ByCapacity
	all := message.CostOf(g.Machines, a.price)
	costs := !removed && all.Priced > 0
	if costs { // among the first three, which a phone shows
		t.Head = append(t.Head, "Cost")
	}
	if !removed {
		t.Head = append(t.Head, "Ready")
	}
	if spot {
		t.Head = append(t.Head, "Spot")
	}
	shown := 0
	for _, x := range g.Groups {
		shown += x.Nodes
		row := []string{cmp.Or(x.Value, fleet.Unknown), fmt.Sprint(x.Nodes)}
		if costs {
			row = append(row, message.HourlyCell(message.CostOf(x.Machines, a.price)))
		}
		if !removed {
			row = append(row, fmt.Sprint(x.Ready))
		}
		if spot {
			row = append(row, fmt.Sprint(x.Spot))
		}
		t.Rows = append(t.Rows, row)
	}
	if rest := g.Distinct - len(g.Groups); rest > 0 {
		row := []string{fmt.Sprintf("%d more", rest), fmt.Sprint(g.Total - shown)}
		for len(row) < len(t.Head) {
			row = append(row, "…")
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// changeLines lists changes of several nodes.
func changeLines(changes []query.ChangeRecord) []message.Line {
	var ls []message.Line
	for _, x := range changes {
		w := message.Step(x.Kind)
		about := ""
		if kind := strings.TrimSpace(x.Node.InstanceType + " " + x.Node.CapacityType); kind != "" {
			about = " (" + kind + ")"
		}
		muted := ""
		if x.Mute != 0 {
			muted = " 🔕"
		}
		ls = append(ls, message.Line{{Text: w.Icon + " "}, {At: x.At, Ago: true},
			{Text: fmt.Sprintf("  %s %s%s%s", cmp.Or(x.NodeName, x.Node.Name), w.Did, about, muted)}})
	}
	return ls
}
