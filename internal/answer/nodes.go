package answer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// How much a view shows at once.
const (
	pageNodes   = 10 // nodes of a list
	groupRows   = 12 // groups of a summary: about what a phone shows at once
	lastChanges = 5
	maxChoices  = 10 // nodes to choose from when a name is not enough
	nodeChanges = 15
	nodeEvents  = 5
)

// nodes answers /nodes.
func (a *Answerer) nodes(ctx context.Context, req command.Nodes, now time.Time) (message.Message, error) {
	if req.View == command.HelpOnNodes {
		return help(command.NodesHelp.About(req.Topic)), nil
	}
	cluster, err := a.clusterOf(ctx, req.Cluster, "/nodes")
	if err != nil {
		return message.Message{}, err
	}
	switch req.View {
	case command.List:
		return a.nodeList(ctx, cluster, req, now)
	case command.One:
		return a.oneNode(ctx, cluster, req, now)
	case command.Digest:
		return a.digest(ctx, cluster, req, now)
	}
	return a.summary(ctx, cluster, req, now)
}

// nodesLine is the command line of a request.
func nodesLine(req command.Nodes) string { return strings.TrimSpace("/nodes " + req.String()) }

// filtered reports whether a request leaves nodes out.
func filtered(req command.Nodes) bool {
	bare := command.Nodes{View: req.View, By: req.By, Sort: req.Sort, Page: req.Page, Cluster: req.Cluster}
	return nodesLine(req) != nodesLine(bare)
}

// listOf is the list with a request's filters.
func listOf(req command.Nodes) command.Nodes {
	req.View, req.By, req.Page = command.List, "", 0
	return req
}

// summary answers /nodes without more: totals, groups, what changed.
func (a *Answerer) summary(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	l, name := a.store, cluster.Cluster
	filter := req.Filter(now)
	by := cmp.Or(req.By, query.ByType)
	groups, err := l.GroupNodes(ctx, name, filter, by, groupRows)
	if err != nil {
		return message.Message{}, err
	}
	v := message.Message{Icon: "📋"}
	if req.Removed {
		v.Headline = fmt.Sprintf("%s: %s left%s", name, message.AtLeast(groups.Total, groups.Capped, "node"), sinceWords(req))
	} else {
		totals, err := l.CountNodes(ctx, name, filter)
		if err != nil {
			return message.Message{}, err
		}
		totals.Cost = message.CostOf(groups.Machines, a.price)
		v.Headline = fmt.Sprintf("%s: %s", name, totalsWords(totals))
		if filtered(req) {
			all, err := l.Totals(ctx, name)
			if err != nil {
				return message.Message{}, err
			}
			v.Headline += fmt.Sprintf(" (of %d)", all.Nodes)
		}
		if totals.Nodes > totals.Ready {
			v.Icon = "🟡"
		}
	}
	v.Text = v.Headline
	state := message.Part{}
	if filtered(req) {
		state.Lines = append(state.Lines, message.Line{{Text: "Only " + filterWords(req)}})
	}
	state.Lines = append(state.Lines, a.freshness(cluster, now))
	if !filtered(req) {
		counts, err := l.ChangeCounts(ctx, name, now.Add(-24*time.Hour))
		if err != nil {
			return message.Message{}, err
		}
		state.Lines = append(state.Lines,
			message.Line{{Text: fmt.Sprintf("Last 24 hours: %d joined, %d left, %d went not ready.", counts[fleet.Joined],
				counts[fleet.Removed], counts[fleet.WentUnready])}})
	}
	v.Parts = append(v.Parts, state)
	v.Parts = append(v.Parts, message.Part{Table: a.groupTable(groups, by, req.Removed)})
	if !filtered(req) {
		changes, err := l.RecentChanges(ctx, name, lastChanges)
		if err != nil {
			return message.Message{}, err
		}
		if len(changes) > 0 {
			v.Parts = append(v.Parts, message.Part{Heading: "Last changes", Lines: changeLines(changes)})
		}
		mutes, err := a.muteParts(ctx, name, now)
		if err != nil {
			return message.Message{}, err
		}
		v.Parts = append(v.Parts, mutes...)
		if others, err := a.otherClusters(ctx, name); err != nil {
			return message.Message{}, err
		} else if len(others) > 0 {
			v.Parts = append(v.Parts,
				message.Part{Lines: message.Sentence("Other clusters of this ledger: " + strings.Join(others, ", ") +
					" (--cluster).")})
		}
	}
	var regroup []message.Button
	for _, d := range []struct {
		by    query.Dimension
		label string
	}{{query.ByType, "Type"}, {query.ByZone, "Zone"}, {query.ByPool, "Pool"}, {query.ByCapacity, "Capacity"},
		{query.ByArch, "Arch"}} {
		to := req
		to.By = d.by
		if d.by == query.ByType {
			to.By = ""
		}
		label := d.label
		if by == d.by {
			label = "✓ " + label
		}
		regroup = append(regroup, message.Button{Label: label, Verb: message.Show, Value: nodesLine(to)})
	}
	regroup = append(regroup, message.Button{Label: "Label…", Verb: message.Filter, Value: nodesLine(req)})
	unready := listOf(req)
	unready.NotReady = true
	row := []message.Button{{Label: "List", Verb: message.Show, Value: nodesLine(listOf(req)), Style: message.Primary}}
	if v.Icon == "🟡" {
		row = append(row, message.Button{Label: "Not ready", Verb: message.Show, Value: nodesLine(unready),
			Style: message.Danger})
	}
	row = append(row, message.Button{Label: "Events", Verb: message.Show,
		Value: eventsLine(command.Events{Scaling: true, Cluster: req.Cluster})})
	v.Parts = append(v.Parts, message.Part{Buttons: regroup},
		message.Part{Buttons: append(row, answerButtons(nodesLine(req))...)})
	return v, nil
}

// answerButtons are the buttons that every answer has.
func answerButtons(line string) []message.Button {
	return []message.Button{{Label: "Filter…", Verb: message.Filter, Value: line},
		{Label: "Refresh", Verb: message.Show, Value: line}, {Label: "Share", Verb: message.Share, Value: line}}
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

// filterWords is what a request filters by, as the person would type it.
func filterWords(req command.Nodes) string {
	req.View, req.By, req.Sort, req.Page, req.Cluster = command.Summary, "", "", 0, ""
	if len(req.Names) > 0 { // only a list has names
		req.View = command.List
	}
	return message.Clip(strings.TrimPrefix(req.String(), "list "), 300)
}

// sinceWords says since when removed nodes are counted.
func sinceWords(req command.Nodes) string {
	if req.Since.IsZero() {
		return ""
	}
	if req.Since.Ago > 0 {
		return " in the last " + message.Duration(req.Since.Ago)
	}
	return " since " + req.Since.At.UTC().Format("2 Jan 15:04 UTC")
}

// dimensionWords heads the first column of groups.
func dimensionWords(by query.Dimension) string {
	switch by {
	case query.ByType, query.ByZone, query.ByPool, query.ByCapacity, query.ByArch:
		return strings.ToUpper(string(by[:1])) + string(by[1:])
	}
	return string(by)
}

func (a *Answerer) groupTable(g query.NodeGroups, by query.Dimension, removed bool) *message.Table {
	t := &message.Table{Head: []string{dimensionWords(by), "Nodes"}}
	spot := by != query.ByCapacity
	if !removed {
		t.Head = append(t.Head, "Ready")
	}
	if spot {
		t.Head = append(t.Head, "Spot")
	}
	all := message.CostOf(g.Machines, a.price)
	costs := !removed && all.Priced > 0
	if costs {
		t.Head = append(t.Head, "Cost")
	}
	shown := 0
	for _, x := range g.Groups {
		shown += x.Nodes
		row := []string{cmp.Or(x.Value, fleet.Unknown), fmt.Sprint(x.Nodes)}
		if !removed {
			row = append(row, fmt.Sprint(x.Ready))
		}
		if spot {
			row = append(row, fmt.Sprint(x.Spot))
		}
		if costs {
			row = append(row, message.Hourly(message.CostOf(x.Machines, a.price)))
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

// nodeList answers /nodes list.
func (a *Answerer) nodeList(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	number := max(req.Page, 1)
	page, err := a.store.ListNodes(ctx, cluster.Cluster, req.Filter(now), cmp.Or(req.Sort, query.SortNewest),
		(number-1)*pageNodes, pageNodes)
	if err != nil {
		return message.Message{}, err
	}
	last := max(1, (page.Total+pageNodes-1)/pageNodes)
	if len(page.Nodes) == 0 && page.Total > 0 && number > last {
		req.Page = last // nodes have gone meanwhile
		return a.nodeList(ctx, cluster, req, now)
	}
	v := message.Message{Icon: "📋",
		Headline: fmt.Sprintf("%s: %s", cluster.Cluster, message.AtLeast(page.Total, page.Capped, "node"))}
	if req.Removed {
		v.Headline += " left" + sinceWords(req)
	}
	if filtered(req) && page.Total == 0 {
		v.Headline = fmt.Sprintf("%s: no node matches", cluster.Cluster)
	}
	if last > 1 {
		v.Headline += fmt.Sprintf(", page %d of %d", number, last)
	}
	v.Text = v.Headline
	var state message.Part
	if filtered(req) {
		state.Lines = append(state.Lines, message.Line{{Text: "Only " + filterWords(req)}})
	}
	if page.Capped {
		state.Lines = append(state.Lines,
			message.Line{{Text: "More have left than are counted at once: those since "}, {At: page.SearchedTo, Day: true},
				{Text: " are."}})
	}
	state.Lines = append(state.Lines, a.freshness(cluster, now))
	v.Parts = append(v.Parts, state)
	open := &message.Choice{Verb: message.Show, Prompt: "Open a node…"}
	var cards message.Part
	for _, n := range page.Nodes {
		cards.Cards = append(cards.Cards, a.nodeCard(n, now))
		open.Options = append(open.Options,
			message.Option{Label: n.Name, Value: nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: req.Cluster})})
	}
	v.Parts = append(v.Parts, cards, message.Part{Choice: open})
	sorting := &message.Choice{Verb: message.Show, Prompt: "Sorted by " + string(cmp.Or(req.Sort, query.SortNewest))}
	for _, s := range []query.NodeSort{query.SortNewest, query.SortOldest, query.SortName, query.SortType, query.SortZone,
		query.SortPool} {
		to := req
		to.Sort, to.Page = s, 0
		sorting.Options = append(sorting.Options, message.Option{Label: "Sort by " + string(s), Value: nodesLine(to)})
	}
	if page.Total > 1 {
		v.Parts = append(v.Parts, message.Part{Choice: sorting})
	}
	var turn []message.Button
	to := req
	if number > 1 {
		to.Page = number - 1
		if number == 2 {
			to.Page = 0 // as when nobody says a page
		}
		turn = append(turn, message.Button{Label: "◀ Previous", Verb: message.Show, Value: nodesLine(to)})
	}
	if number < last {
		to.Page = number + 1
		turn = append(turn, message.Button{Label: "Next ▶", Verb: message.Show, Value: nodesLine(to)})
	}
	summary := req
	summary.View, summary.Sort, summary.Page, summary.Names = command.Summary, "", 0, nil
	turn = append(turn, message.Button{Label: "Summary", Verb: message.Show, Value: nodesLine(summary)})
	v.Parts = append(v.Parts, message.Part{Buttons: append(turn, answerButtons(nodesLine(req))...)})
	return v, nil
}

// nodeState says how a node is: an icon and a word.
func nodeState(n query.NodeRecord) (icon, word string) {
	switch {
	case !n.RemovedAt.IsZero():
		return "⚪", "left"
	case n.Ready.Status == fleet.Ready && n.Cordoned:
		return "🚧", "ready, cordoned"
	case n.Ready.Status == fleet.Ready:
		return "🟢", "ready"
	case n.FirstReady.IsZero():
		icon, word = "🟡", "not ready yet"
	default:
		icon, word = "🔴", "not ready"
	}
	if n.Cordoned {
		word += ", cordoned"
	}
	return icon, word
}

// nodeCard shows a node in a list.
func (a *Answerer) nodeCard(n query.NodeRecord, now time.Time) message.Card {
	icon, word := nodeState(n)
	line := message.Line{{Text: fmt.Sprintf("%s %s, ", icon, word)}}
	if n.RemovedAt.IsZero() {
		line = append(line, message.Span{Text: fmt.Sprintf("up %s, since ", message.Duration(now.Sub(n.CreatedAt)))},
			message.Span{At: n.CreatedAt, Day: now.Sub(n.CreatedAt) > 12*time.Hour})
	} else {
		line = append(line, leftSpans(n, now)...)
	}
	return message.Card{Name: n.Name, Lines: []message.Line{{{Text: message.Priced(n.Node, a.price)}}, line}}
}

// vague reports whether it is unknown, by more than people care about, when a node left.
func vague(n query.NodeRecord) bool {
	return !n.RemovedAfter.IsZero() && n.RemovedAt.Sub(n.RemovedAfter) >= time.Minute
}

// leftSpans says when a node left and how long it lived.
func leftSpans(n query.NodeRecord, now time.Time) message.Line {
	day := now.Sub(n.RemovedAt) > 12*time.Hour
	if vague(n) {
		return message.Line{{Text: "between "}, {At: n.RemovedAfter, Day: day}, {Text: " and "}, {At: n.RemovedAt, Day: day},
			{Text: fmt.Sprintf(", lived %s to %s", message.Duration(n.RemovedAfter.Sub(n.CreatedAt)),
				message.Duration(n.RemovedAt.Sub(n.CreatedAt)))}}
	}
	return message.Line{{At: n.RemovedAt, Ago: true}, {Text: " at "}, {At: n.RemovedAt, Day: day},
		{Text: ", lived " + message.Duration(n.RemovedAt.Sub(n.CreatedAt))}}
}

// oneNode answers /nodes NAME.
func (a *Answerer) oneNode(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	l := a.store
	found, how, more, err := l.FindNodes(ctx, cluster.Cluster, req.Name, maxChoices)
	if err != nil {
		return message.Message{}, err
	}
	if len(found) == 0 {
		n, ok, err := l.Node(ctx, cluster.Cluster, req.Name)
		if err != nil {
			return message.Message{}, err
		}
		if ok {
			return a.node(ctx, cluster, n, req, now)
		}
		return noSuchNode(cluster, req), nil
	}
	if len(found) == 1 || how == query.MatchExact {
		v, err := a.node(ctx, cluster, found[0], req, now)
		if err == nil && len(found) > 1 {
			earlier := &message.Choice{Verb: message.Show, Prompt: "Other lives of this name…"}
			for _, n := range found[1:] {
				_, word := nodeState(n)
				earlier.Options = append(earlier.Options,
					message.Option{Label: word + " " + n.CreatedAt.UTC().Format("2 Jan 15:04 UTC"),
						Value: nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: req.Cluster})})
			}
			v.Parts = append(v.Parts[:len(v.Parts)-1], message.Part{Choice: earlier}, v.Parts[len(v.Parts)-1])
		}
		return v, err
	}
	// One living node among ones that left is what a person means.
	if live := slices.DeleteFunc(slices.Clone(found), func(n query.NodeRecord) bool { return !n.RemovedAt.IsZero() }); len(
		live) == 1 && !more {
		return a.node(ctx, cluster, live[0], req, now)
	}
	number := message.AtLeast(len(found), more, "node")
	v := message.Message{Icon: "❓", Headline: fmt.Sprintf("%s: %s match %q", cluster.Cluster, number, req.Name)}
	v.Text = v.Headline
	open := &message.Choice{Verb: message.Show, Prompt: "Which one?"}
	var cards message.Part
	for _, n := range found {
		cards.Cards = append(cards.Cards, a.nodeCard(n, now))
		_, word := nodeState(n)
		open.Options = append(open.Options,
			message.Option{Label: message.Clip(n.Name, 50) + ", " + word,
				Value: nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: req.Cluster})})
	}
	all := command.Nodes{View: command.List, Names: []string{"*" + req.Name + "*"}, Cluster: req.Cluster}
	v.Parts = append(v.Parts, message.Part{Choice: open}, cards,
		message.Part{Buttons: []message.Button{{Label: "List them", Verb: message.Show, Value: nodesLine(all)}}})
	return v, nil
}

func noSuchNode(cluster query.ClusterRecord, req command.Nodes) message.Message {
	v := message.Message{Icon: "❓", Headline: fmt.Sprintf("%s: no node is called %q, or was", cluster.Cluster, req.Name)}
	v.Text = v.Headline
	var buttons []message.Button
	if near := req.Nearest(); near != "" {
		line := "/nodes " + strings.TrimPrefix(near, "/nodes ")
		v.Parts = append(v.Parts, message.Part{Lines: message.Sentence("Did you mean " + line + "?")})
		buttons = append(buttons, message.Button{Label: line, Verb: message.Show, Value: line, Style: message.Primary})
	} else {
		v.Parts = append(v.Parts,
			message.Part{Lines: message.Sentence("A name may be short: how it begins, or a part of it.")})
	}
	buttons = append(buttons, message.Button{Label: "List of nodes", Verb: message.Show, Value: "/nodes list"},
		message.Button{Label: "Help", Verb: message.Show, Value: "/nodes help"})
	v.Parts = append(v.Parts, message.Part{Buttons: buttons})
	return v
}

// node shows one node: what it is, how it is, its story.
func (a *Answerer) node(ctx context.Context, cluster query.ClusterRecord, n query.NodeRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	l := a.store
	icon, word := nodeState(n)
	v := message.Message{Icon: icon, Headline: fmt.Sprintf("%s: %s", n.Name, word)}
	if n.RemovedAt.IsZero() {
		v.Headline += ", up " + message.Duration(now.Sub(n.CreatedAt))
	} else if vague(n) {
		v.Headline += fmt.Sprintf(" %s to %s ago", message.Duration(now.Sub(n.RemovedAt)),
			message.Duration(now.Sub(n.RemovedAfter)))
	} else {
		v.Headline += fmt.Sprintf(" %s ago, lived %s", message.Duration(now.Sub(n.RemovedAt)),
			message.Duration(n.RemovedAt.Sub(n.CreatedAt)))
	}
	v.Text = cluster.Cluster + ": " + v.Headline
	about := message.Part{Lines: []message.Line{{{Text: message.Attributes(n.Node)}}}}
	say := func(l ...message.Span) { about.Lines = append(about.Lines, l) }
	joined := message.Line{{Text: "Joined "}, {At: n.CreatedAt, Day: true}}
	switch {
	case !n.FirstReady.IsZero() && n.FirstReady.After(n.CreatedAt):
		joined = append(joined, message.Span{Text: ", ready after " + message.Duration(n.FirstReady.Sub(n.CreatedAt))})
	case n.FirstReady.IsZero() && n.Ready.Status != fleet.Ready:
		joined = append(joined, message.Span{Text: ", never ready so far"})
	}
	say(joined...)
	if !n.RemovedAt.IsZero() {
		say(append(message.Line{{Text: "Left "}}, leftSpans(n, now)...)...)
	}
	say(message.Span{Text: a.costWords(n, now)})
	if n.Ready.Status != fleet.Ready {
		why := strings.Trim(n.Ready.Reason+": "+n.Ready.Message, ": ")
		say(message.Span{Text: "Ready is " + string(n.Ready.Status) + " since "}, message.Span{At: n.Ready.Since, Day: true},
			message.Span{Text: strings.TrimSuffix(": "+message.Clip(why, 300), ": ")})
	}
	if n.Cordoned {
		say(message.Span{Text: "Cordoned: no pod is scheduled here."})
	}
	say(message.Span{Text: fmt.Sprintf("Capacity %s; for pods %s.", resourceWords(n.Capacity),
		resourceWords(n.Allocatable))})
	var rest []string
	for _, s := range []string{n.Region, n.OS, n.KubeletVersion, n.ProviderID} {
		if s != "" {
			rest = append(rest, s)
		}
	}
	if len(rest) > 0 {
		say(message.Span{Text: strings.Join(rest, " · ")})
	}
	about.Lines = append(about.Lines, a.freshness(cluster, now))
	v.Parts = append(v.Parts, about)

	changes, moreChanges, err := l.NodeChanges(ctx, cluster.Cluster, n.UID, nodeChanges)
	if err != nil {
		return message.Message{}, err
	}
	if len(changes) > 0 {
		p := message.Part{Heading: "Its changes"}
		for _, x := range changes {
			p.Lines = append(p.Lines, lifeLine(x))
		}
		if moreChanges {
			p.Lines = append(p.Lines, message.Line{{Text: "… and more since."}})
		}
		v.Parts = append(v.Parts, p)
	}
	events := command.Events{For: command.Object{Kind: "Node", Name: n.Name}, Cluster: req.Cluster}
	filter := query.EventFilter{UIDs: []string{n.UID}, Names: []string{n.Name}, Since: n.CreatedAt.Add(-time.Minute)}
	if !n.RemovedAt.IsZero() {
		filter.Until = n.RemovedAt.Add(time.Minute)
	}
	page, err := l.Events(ctx, cluster.Cluster, filter, query.EventCursor{}, nodeEvents)
	if err != nil {
		return message.Message{}, err
	}
	if len(page.Events) > 0 {
		p := message.Part{Heading: "Its last events"}
		for _, e := range page.Events {
			p.Lines = append(p.Lines,
				message.Line{{At: e.Last, Ago: true}, {Text: "  " + reasonWords(e) + ": " + message.Clip(e.Note, 160)}})
		}
		v.Parts = append(v.Parts, p)
	}
	if len(n.Taints) > 0 {
		p := message.Part{Heading: "Taints"}
		for _, t := range n.Taints {
			p.Text = append(p.Text, strings.TrimSuffix(t.Key+"="+t.Value, "=")+":"+t.Effect)
		}
		v.Parts = append(v.Parts, p)
	}
	if len(n.Labels) > 0 {
		p := message.Part{Heading: message.Count(len(n.Labels), "label")}
		for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
			p.Text = append(p.Text, k+"="+n.Labels[k])
		}
		v.Parts = append(v.Parts, p)
	}
	row := []message.Button{{Label: "Events", Verb: message.Show, Value: eventsLine(events), Style: message.Primary}}
	if n.Pool != "" {
		row = append(row, message.Button{Label: "Same pool", Verb: message.Show,
			Value: nodesLine(command.Nodes{View: command.List, Pools: []string{n.Pool}, Cluster: req.Cluster})})
	}
	if n.InstanceType != "" {
		row = append(row, message.Button{Label: "Same type", Verb: message.Show,
			Value: nodesLine(command.Nodes{View: command.List, Types: []string{n.InstanceType}, Cluster: req.Cluster})})
	}
	line := nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: req.Cluster})
	row = append(row, message.Button{Label: "All nodes", Verb: message.Show,
		Value: nodesLine(command.Nodes{Cluster: req.Cluster})},
		message.Button{Label: "Refresh", Verb: message.Show, Value: line},
		message.Button{Label: "Share", Verb: message.Share, Value: line})
	v.Parts = append(v.Parts, message.Part{Buttons: row})
	return v, nil
}

// costWords says what a node costs and has cost so far, and how that is known.
func (a *Answerer) costWords(n query.NodeRecord, now time.Time) string {
	p := a.price(n.Machine())
	if !p.Known {
		return "Price unknown."
	}
	until, so := now, "so far"
	if !n.RemovedAt.IsZero() {
		until, so = n.RemovedAt, "in all"
	}
	var hourly, life fleet.Cost
	hourly.Add(p, 1, time.Hour)
	life.Add(p, 1, until.Sub(n.CreatedAt))
	life.AtMost = life.AtMost || vague(n)
	return fmt.Sprintf("%s, %s %s (%s).", message.Hourly(hourly), message.Dollars(life), so, p.Source)
}

// lifeLine tells one step of one node.
func lifeLine(x query.ChangeRecord) message.Line {
	w := message.Step(x.Kind)
	l := message.Line{{Text: w.Icon + " "}}
	if x.Proof == fleet.ProofNone && x.At.Sub(x.NotBefore) >= time.Minute {
		l = append(l, message.Span{Text: "between "}, message.Span{At: x.NotBefore, Day: true}, message.Span{Text: " and "})
	}
	l = append(l, message.Span{At: x.At, Day: true}, message.Span{Text: "  " + w.Did})
	if x.Reason != "" && x.Kind == fleet.WentUnready {
		l = append(l, message.Span{Text: " (" + x.Reason + ")"})
	}
	if x.Mute != 0 {
		l = append(l, message.Span{Text: " 🔕 muted"})
	}
	return l
}

// resourceWords shows resources as people read them: 4 CPU, 16 GiB, 58 pods.
func resourceWords(r fleet.Resources) string {
	cpu := fmt.Sprintf("%.3g", float64(r.MilliCPU)/1000)
	return fmt.Sprintf("%s CPU, %.3g GiB, %d pods", cpu, float64(r.Memory)/(1<<30), r.Pods)
}

// help shows how a command is used.
func help(h command.Help) message.Message {
	v := message.Message{Icon: "💡", Headline: h.Command + ": how to use it", Text: h.Command + ": how to use it"}
	add := func(heading string, lines []command.Line) {
		if len(lines) == 0 {
			return
		}
		p := message.Part{Heading: heading}
		for _, l := range lines {
			p.Cards = append(p.Cards, message.Card{Name: l.Text, Lines: message.Sentence(l.Meaning)})
		}
		v.Parts = append(v.Parts, p)
	}
	add("", h.Usage)
	if len(h.Flags) > 0 {
		p := message.Part{Heading: "Filters"}
		for _, f := range h.Flags {
			line := strings.TrimSpace(f.Form() + " " + f.Value)
			meaning := f.Meaning
			if f.Detail != "" && len(h.Flags) == 1 {
				meaning += ". " + f.Detail
			}
			p.Text = append(p.Text, fmt.Sprintf("%-20s %s", line, meaning))
		}
		v.Parts = append(v.Parts, p)
	}
	add("Examples", h.Examples)
	for _, n := range h.Notes {
		v.Parts = append(v.Parts, message.Part{Lines: message.Sentence(n)})
	}
	var buttons []message.Button
	for i, e := range h.Examples {
		if i < 3 {
			buttons = append(buttons, message.Button{Label: "Try " + e.Text, Verb: message.Show, Value: e.Text})
		}
	}
	if len(buttons) > 0 {
		v.Parts = append(v.Parts, message.Part{Buttons: buttons})
	}
	return v
}
