package slackapp

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
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
func (c *Commands) nodes(ctx context.Context, req command.Nodes, now time.Time) (view, error) {
	if req.View == command.HelpOnNodes {
		return help(command.NodesHelp.About(req.Topic)), nil
	}
	cluster, err := c.cluster(ctx, req.Cluster, "/nodes")
	if err != nil {
		return view{}, err
	}
	switch req.View {
	case command.List:
		return c.nodeList(ctx, cluster, req, now)
	case command.One:
		return c.oneNode(ctx, cluster, req, now)
	case command.Digest:
		return c.digest(ctx, cluster, req, now)
	}
	return c.summary(ctx, cluster, req, now)
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
func (c *Commands) summary(ctx context.Context, cluster query.ClusterRecord, req command.Nodes, now time.Time) (view, error) {
	l, name := c.c.Ledger, cluster.Cluster
	filter := req.Filter(now)
	by := cmp.Or(req.By, query.ByType)
	groups, err := l.GroupNodes(ctx, name, filter, by, groupRows)
	if err != nil {
		return view{}, err
	}
	v := view{Icon: "📋"}
	if req.Removed {
		v.Title = fmt.Sprintf("%s: %s left%s", name, counted(groups.Total, groups.Capped, "node"), sinceWords(req))
	} else {
		totals, err := l.CountNodes(ctx, name, filter)
		if err != nil {
			return view{}, err
		}
		totals.Cost = alert.CostOf(groups.Machines, c.c.Summaries.Price)
		v.Title = fmt.Sprintf("%s: %s", name, totalsWords(totals))
		if filtered(req) {
			all, err := l.Totals(ctx, name)
			if err != nil {
				return view{}, err
			}
			v.Title += fmt.Sprintf(" (of %d)", all.Nodes)
		}
		if totals.Nodes > totals.Ready {
			v.Icon = "🟡"
		}
	}
	v.Text = v.Title
	fresh, err := c.freshness(ctx, cluster, now)
	if err != nil {
		return view{}, err
	}
	state := part{}
	if filtered(req) {
		state.Lines = append(state.Lines, alert.Line{{Text: "Only " + filterWords(req)}})
	}
	state.Lines = append(state.Lines, fresh)
	if !filtered(req) {
		counts, err := l.ChangeCounts(ctx, name, now.Add(-24*time.Hour))
		if err != nil {
			return view{}, err
		}
		state.Lines = append(state.Lines, alert.Line{{Text: fmt.Sprintf("Last 24 hours: %d joined, %d left, %d went not ready.", counts[fleet.Joined], counts[fleet.Removed], counts[fleet.WentUnready])}})
	}
	v.Parts = append(v.Parts, state)
	v.Parts = append(v.Parts, part{Table: c.groupTable(groups, by, req.Removed)})
	if !filtered(req) {
		changes, err := l.RecentChanges(ctx, name, lastChanges)
		if err != nil {
			return view{}, err
		}
		if len(changes) > 0 {
			v.Parts = append(v.Parts, part{Heading: "Last changes", Lines: changeLines(changes)})
		}
		mutes, err := c.muteParts(ctx, name, now)
		if err != nil {
			return view{}, err
		}
		v.Parts = append(v.Parts, mutes...)
		if others, err := c.otherClusters(ctx, name); err != nil {
			return view{}, err
		} else if len(others) > 0 {
			v.Parts = append(v.Parts, part{Lines: sentence("Other clusters of this ledger: " + strings.Join(others, ", ") + " (--cluster).")})
		}
	}
	var regroup []button
	for _, d := range []struct {
		by    query.Dimension
		label string
	}{{query.ByType, "Type"}, {query.ByZone, "Zone"}, {query.ByPool, "Pool"}, {query.ByCapacity, "Capacity"}, {query.ByArch, "Arch"}} {
		to := req
		to.By = d.by
		if d.by == query.ByType {
			to.By = ""
		}
		label := d.label
		if by == d.by {
			label = "✓ " + label
		}
		regroup = append(regroup, button{Label: label, Verb: verbShow, Value: nodesLine(to)})
	}
	regroup = append(regroup, button{Label: "Label…", Verb: verbFilter, Value: nodesLine(req)})
	unready := listOf(req)
	unready.NotReady = true
	row := []button{{Label: "List", Verb: verbShow, Value: nodesLine(listOf(req)), Style: "primary"}}
	if v.Icon == "🟡" {
		row = append(row, button{Label: "Not ready", Verb: verbShow, Value: nodesLine(unready), Style: "danger"})
	}
	row = append(row, button{Label: "Events", Verb: verbShow, Value: eventsLine(command.Events{Scaling: true, Cluster: req.Cluster})})
	v.Parts = append(v.Parts, part{Buttons: regroup}, part{Buttons: append(row, answerButtons(nodesLine(req))...)})
	return v, nil
}

// answerButtons are the buttons that every answer has.
func answerButtons(line string) []button {
	return []button{{Label: "Filter…", Verb: verbFilter, Value: line}, {Label: "Refresh", Verb: verbShow, Value: line}, {Label: "Share", Verb: verbShare, Value: line}}
}

// freshness says how far an answer can be trusted.
func (c *Commands) freshness(ctx context.Context, cluster query.ClusterRecord, now time.Time) (alert.Line, error) {
	why := "another Rollcall watches it"
	if cluster.Cluster == c.c.Cluster {
		why = c.c.Watch()
	}
	switch until := cluster.WatchedUntil; {
	case why == "":
		return alert.Line{{Text: "Live."}}, nil
	case until.IsZero():
		return alert.Line{{Text: "Nothing was seen yet: " + why}}, nil
	default:
		return alert.Line{{Text: "As of "}, {At: until, Day: now.Sub(until) > 12*time.Hour}, {Text: ", not live: " + why}}, nil
	}
}

func (c *Commands) otherClusters(ctx context.Context, name string) ([]string, error) {
	all, err := c.c.Ledger.Clusters(ctx)
	var others []string
	for _, r := range all {
		if r.Cluster != name {
			others = append(others, r.Cluster)
		}
	}
	return others, err
}

// muteParts says which mutes are active, with a way to end each.
func (c *Commands) muteParts(ctx context.Context, cluster string, now time.Time) ([]part, error) {
	mutes, err := c.c.Ledger.Mutes(ctx, cluster, now)
	if err != nil || len(mutes) == 0 {
		return nil, err
	}
	counts, err := c.c.Ledger.MutedChanges(ctx, cluster, now.Add(-24*time.Hour), now)
	if err != nil {
		return nil, err
	}
	quiet := map[int64]int{}
	for _, n := range counts {
		quiet[n.Mute] += n.Changes
	}
	p := part{Heading: "Muted"}
	buttons := part{}
	for _, m := range mutes {
		p.Lines = append(p.Lines, alert.Line{{Text: fmt.Sprintf("🔕 %s, until ", muteWords(m))}, {At: m.Until, Day: m.Until.Sub(now) > 12*time.Hour},
			{Text: fmt.Sprintf(", by %s: %s kept quiet so far", cmp.Or(m.ByName, "somebody"), counted(quiet[m.ID], false, "change"))}})
		if len(buttons.Buttons) < 5 {
			buttons.Buttons = append(buttons.Buttons, button{Label: "Unmute " + muteWords(m), Verb: verbUnmute, Value: fmt.Sprint(m.ID)})
		}
	}
	return []part{p, buttons}, nil
}

// muteWords says what a mute hides.
func muteWords(m wave.Mute) string {
	switch m.Scope {
	case wave.MutePool:
		return "pool " + m.Value
	case wave.MuteType:
		return m.Value
	}
	return "all of " + m.Cluster
}

// totalsWords counts nodes: "45 nodes, 43 ready, 2 not ready, 1 cordoned, $12.30/h".
func totalsWords(t fleet.Totals) string {
	s := fmt.Sprintf("%s, %d ready", counted(t.Nodes, false, "node"), t.Ready)
	if n := t.Nodes - t.Ready; n > 0 {
		s += fmt.Sprintf(", %d not ready", n)
	}
	if t.Cordoned > 0 {
		s += fmt.Sprintf(", %d cordoned", t.Cordoned)
	}
	if t.Cost.Priced > 0 {
		s += ", " + alert.Hourly(t.Cost)
	}
	return s
}

// counted is a number of things; capped says that it is at least that.
func counted(n int, capped bool, thing string) string {
	plus := ""
	if capped {
		plus = "+"
	}
	if n == 1 && !capped {
		return "1 " + thing
	}
	return fmt.Sprintf("%d%s %ss", n, plus, thing)
}

// sentence is a statement of one text.
func sentence(text string) []alert.Line { return []alert.Line{{{Text: text}}} }

// filterWords is what a request filters by, as the person would type it.
func filterWords(req command.Nodes) string {
	req.View, req.By, req.Sort, req.Page, req.Cluster = command.Summary, "", "", 0, ""
	if len(req.Names) > 0 { // only a list has names
		req.View = command.List
	}
	return alert.Clip(strings.TrimPrefix(req.String(), "list "), 300)
}

// sinceWords says since when removed nodes are counted.
func sinceWords(req command.Nodes) string {
	if req.Since.IsZero() {
		return ""
	}
	if req.Since.Ago > 0 {
		return " in the last " + alert.Duration(req.Since.Ago)
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

func (c *Commands) groupTable(g query.NodeGroups, by query.Dimension, removed bool) *alert.Table {
	t := &alert.Table{Head: []string{dimensionWords(by), "Nodes"}}
	spot := by != query.ByCapacity
	if !removed {
		t.Head = append(t.Head, "Ready")
	}
	if spot {
		t.Head = append(t.Head, "Spot")
	}
	all := alert.CostOf(g.Machines, c.c.Summaries.Price)
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
			row = append(row, alert.Hourly(alert.CostOf(x.Machines, c.c.Summaries.Price)))
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

// stepWords says what happened to a node.
var stepWords = map[fleet.ChangeKind]struct{ icon, word string }{
	fleet.Joined:      {"🟢", "joined"},
	fleet.BecameReady: {"🟢", "became ready"},
	fleet.WentUnready: {"🔴", "went not ready"},
	fleet.Recovered:   {"🟢", "recovered"},
	fleet.Cordoned:    {"🚧", "was cordoned"},
	fleet.Uncordoned:  {"🚧", "was uncordoned"},
	fleet.Removed:     {"⚪", "left"},
}

// changeLines lists changes of several nodes.
func changeLines(changes []query.ChangeRecord) []alert.Line {
	var ls []alert.Line
	for _, x := range changes {
		w := stepWords[x.Kind]
		about := ""
		if kind := strings.TrimSpace(x.Node.InstanceType + " " + x.Node.CapacityType); kind != "" {
			about = " (" + kind + ")"
		}
		muted := ""
		if x.Mute != 0 {
			muted = " 🔕"
		}
		ls = append(ls, alert.Line{{Text: w.icon + " "}, {At: x.At, Ago: true}, {Text: fmt.Sprintf("  %s %s%s%s", cmp.Or(x.NodeName, x.Node.Name), w.word, about, muted)}})
	}
	return ls
}

// nodeList answers /nodes list.
func (c *Commands) nodeList(ctx context.Context, cluster query.ClusterRecord, req command.Nodes, now time.Time) (view, error) {
	number := max(req.Page, 1)
	page, err := c.c.Ledger.ListNodes(ctx, cluster.Cluster, req.Filter(now), cmp.Or(req.Sort, query.SortNewest), (number-1)*pageNodes, pageNodes)
	if err != nil {
		return view{}, err
	}
	last := max(1, (page.Total+pageNodes-1)/pageNodes)
	if len(page.Nodes) == 0 && page.Total > 0 && number > last {
		req.Page = last // nodes have gone meanwhile
		return c.nodeList(ctx, cluster, req, now)
	}
	v := view{Icon: "📋", Title: fmt.Sprintf("%s: %s", cluster.Cluster, counted(page.Total, page.Capped, "node"))}
	if req.Removed {
		v.Title += " left" + sinceWords(req)
	}
	if filtered(req) && page.Total == 0 {
		v.Title = fmt.Sprintf("%s: no node matches", cluster.Cluster)
	}
	if last > 1 {
		v.Title += fmt.Sprintf(", page %d of %d", number, last)
	}
	v.Text = v.Title
	var state part
	if filtered(req) {
		state.Lines = append(state.Lines, alert.Line{{Text: "Only " + filterWords(req)}})
	}
	if page.Capped {
		state.Lines = append(state.Lines, alert.Line{{Text: "More have left than are counted at once: those since "}, {At: page.SearchedTo, Day: true}, {Text: " are."}})
	}
	fresh, err := c.freshness(ctx, cluster, now)
	if err != nil {
		return view{}, err
	}
	state.Lines = append(state.Lines, fresh)
	v.Parts = append(v.Parts, state)
	open := &choice{Verb: verbShow, Prompt: "Open a node…"}
	var cards part
	for _, n := range page.Nodes {
		cards.Cards = append(cards.Cards, c.nodeCard(n, now))
		open.Options = append(open.Options, option{n.Name, nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: req.Cluster})})
	}
	v.Parts = append(v.Parts, cards, part{Choice: open})
	sorting := &choice{Verb: verbShow, Prompt: "Sorted by " + string(cmp.Or(req.Sort, query.SortNewest))}
	for _, s := range []query.NodeSort{query.SortNewest, query.SortOldest, query.SortName, query.SortType, query.SortZone, query.SortPool} {
		to := req
		to.Sort, to.Page = s, 0
		sorting.Options = append(sorting.Options, option{"Sort by " + string(s), nodesLine(to)})
	}
	if page.Total > 1 {
		v.Parts = append(v.Parts, part{Choice: sorting})
	}
	var turn []button
	to := req
	if number > 1 {
		to.Page = number - 1
		if number == 2 {
			to.Page = 0 // as when nobody says a page
		}
		turn = append(turn, button{Label: "◀ Previous", Verb: verbShow, Value: nodesLine(to)})
	}
	if number < last {
		to.Page = number + 1
		turn = append(turn, button{Label: "Next ▶", Verb: verbShow, Value: nodesLine(to)})
	}
	summary := req
	summary.View, summary.Sort, summary.Page, summary.Names = command.Summary, "", 0, nil
	turn = append(turn, button{Label: "Summary", Verb: verbShow, Value: nodesLine(summary)})
	v.Parts = append(v.Parts, part{Buttons: append(turn, answerButtons(nodesLine(req))...)})
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
func (c *Commands) nodeCard(n query.NodeRecord, now time.Time) alert.Card {
	icon, word := nodeState(n)
	line := alert.Line{{Text: fmt.Sprintf("%s %s, ", icon, word)}}
	if n.RemovedAt.IsZero() {
		line = append(line, alert.Span{Text: fmt.Sprintf("up %s, since ", alert.Duration(now.Sub(n.CreatedAt)))}, alert.Span{At: n.CreatedAt, Day: now.Sub(n.CreatedAt) > 12*time.Hour})
	} else {
		line = append(line, leftSpans(n, now)...)
	}
	return alert.Card{Name: n.Name, Lines: []alert.Line{{{Text: alert.Priced(n.Node, c.c.Summaries.Price)}}, line}}
}

// vague reports whether it is unknown, by more than people care about, when a node left.
func vague(n query.NodeRecord) bool {
	return !n.RemovedAfter.IsZero() && n.RemovedAt.Sub(n.RemovedAfter) >= time.Minute
}

// leftSpans says when a node left and how long it lived.
func leftSpans(n query.NodeRecord, now time.Time) alert.Line {
	day := now.Sub(n.RemovedAt) > 12*time.Hour
	if vague(n) {
		return alert.Line{{Text: "between "}, {At: n.RemovedAfter, Day: day}, {Text: " and "}, {At: n.RemovedAt, Day: day},
			{Text: fmt.Sprintf(", lived %s to %s", alert.Duration(n.RemovedAfter.Sub(n.CreatedAt)), alert.Duration(n.RemovedAt.Sub(n.CreatedAt)))}}
	}
	return alert.Line{{At: n.RemovedAt, Ago: true}, {Text: " at "}, {At: n.RemovedAt, Day: day}, {Text: ", lived " + alert.Duration(n.RemovedAt.Sub(n.CreatedAt))}}
}

// oneNode answers /nodes NAME.
func (c *Commands) oneNode(ctx context.Context, cluster query.ClusterRecord, req command.Nodes, now time.Time) (view, error) {
	l := c.c.Ledger
	found, how, more, err := l.FindNodes(ctx, cluster.Cluster, req.Name, maxChoices)
	if err != nil {
		return view{}, err
	}
	if len(found) == 0 {
		n, ok, err := l.NodeByUID(ctx, cluster.Cluster, req.Name)
		if err != nil {
			return view{}, err
		}
		if ok {
			return c.node(ctx, cluster, n, req, now)
		}
		return noSuchNode(cluster, req), nil
	}
	if len(found) == 1 || how == query.MatchExact {
		v, err := c.node(ctx, cluster, found[0], req, now)
		if err == nil && len(found) > 1 {
			earlier := &choice{Verb: verbShow, Prompt: "Other lives of this name…"}
			for _, n := range found[1:] {
				_, word := nodeState(n)
				earlier.Options = append(earlier.Options, option{word + " " + n.CreatedAt.UTC().Format("2 Jan 15:04 UTC"), nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: req.Cluster})})
			}
			v.Parts = append(v.Parts[:len(v.Parts)-1], part{Choice: earlier}, v.Parts[len(v.Parts)-1])
		}
		return v, err
	}
	// One living node among ones that left is what a person means.
	if live := slices.DeleteFunc(slices.Clone(found), func(n query.NodeRecord) bool { return !n.RemovedAt.IsZero() }); len(live) == 1 && !more {
		return c.node(ctx, cluster, live[0], req, now)
	}
	number := counted(len(found), more, "node")
	v := view{Icon: "❓", Title: fmt.Sprintf("%s: %s match %q", cluster.Cluster, number, req.Name)}
	v.Text = v.Title
	open := &choice{Verb: verbShow, Prompt: "Which one?"}
	var cards part
	for _, n := range found {
		cards.Cards = append(cards.Cards, c.nodeCard(n, now))
		_, word := nodeState(n)
		open.Options = append(open.Options, option{alert.Clip(n.Name, 50) + ", " + word, nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: req.Cluster})})
	}
	all := command.Nodes{View: command.List, Names: []string{"*" + req.Name + "*"}, Cluster: req.Cluster}
	v.Parts = append(v.Parts, part{Choice: open}, cards, part{Buttons: []button{{Label: "List them", Verb: verbShow, Value: nodesLine(all)}}})
	return v, nil
}

func noSuchNode(cluster query.ClusterRecord, req command.Nodes) view {
	v := view{Icon: "❓", Title: fmt.Sprintf("%s: no node is called %q, or was", cluster.Cluster, req.Name)}
	v.Text = v.Title
	var buttons []button
	if near := req.Nearest(); near != "" {
		line := "/nodes " + strings.TrimPrefix(near, "/nodes ")
		v.Parts = append(v.Parts, part{Lines: sentence("Did you mean " + line + "?")})
		buttons = append(buttons, button{Label: line, Verb: verbShow, Value: line, Style: "primary"})
	} else {
		v.Parts = append(v.Parts, part{Lines: sentence("A name may be short: how it begins, or a part of it.")})
	}
	buttons = append(buttons, button{Label: "List of nodes", Verb: verbShow, Value: "/nodes list"}, button{Label: "Help", Verb: verbShow, Value: "/nodes help"})
	v.Parts = append(v.Parts, part{Buttons: buttons})
	return v
}

// node shows one node: what it is, how it is, its story.
func (c *Commands) node(ctx context.Context, cluster query.ClusterRecord, n query.NodeRecord, req command.Nodes, now time.Time) (view, error) {
	l := c.c.Ledger
	icon, word := nodeState(n)
	v := view{Icon: icon, Title: fmt.Sprintf("%s: %s", n.Name, word)}
	if n.RemovedAt.IsZero() {
		v.Title += ", up " + alert.Duration(now.Sub(n.CreatedAt))
	} else if vague(n) {
		v.Title += fmt.Sprintf(" %s to %s ago", alert.Duration(now.Sub(n.RemovedAt)), alert.Duration(now.Sub(n.RemovedAfter)))
	} else {
		v.Title += fmt.Sprintf(" %s ago, lived %s", alert.Duration(now.Sub(n.RemovedAt)), alert.Duration(n.RemovedAt.Sub(n.CreatedAt)))
	}
	v.Text = cluster.Cluster + ": " + v.Title
	fresh, err := c.freshness(ctx, cluster, now)
	if err != nil {
		return view{}, err
	}
	about := part{Lines: []alert.Line{{{Text: alert.Attributes(n.Node)}}}}
	say := func(l ...alert.Span) { about.Lines = append(about.Lines, l) }
	joined := alert.Line{{Text: "Joined "}, {At: n.CreatedAt, Day: true}}
	switch {
	case !n.FirstReady.IsZero() && n.FirstReady.After(n.CreatedAt):
		joined = append(joined, alert.Span{Text: ", ready after " + alert.Duration(n.FirstReady.Sub(n.CreatedAt))})
	case n.FirstReady.IsZero() && n.Ready.Status != fleet.Ready:
		joined = append(joined, alert.Span{Text: ", never ready so far"})
	}
	say(joined...)
	if !n.RemovedAt.IsZero() {
		say(append(alert.Line{{Text: "Left "}}, leftSpans(n, now)...)...)
	}
	say(alert.Span{Text: c.costWords(n, now)})
	if n.Ready.Status != fleet.Ready {
		why := strings.Trim(n.Ready.Reason+": "+n.Ready.Message, ": ")
		say(alert.Span{Text: "Ready is " + string(n.Ready.Status) + " since "}, alert.Span{At: n.Ready.Since, Day: true}, alert.Span{Text: strings.TrimSuffix(": "+alert.Clip(why, 300), ": ")})
	}
	if n.Cordoned {
		say(alert.Span{Text: "Cordoned: no pod is scheduled here."})
	}
	say(alert.Span{Text: fmt.Sprintf("Capacity %s; for pods %s.", resourceWords(n.Capacity), resourceWords(n.Allocatable))})
	var rest []string
	for _, s := range []string{n.Region, n.OS, n.KubeletVersion, n.ProviderID} {
		if s != "" {
			rest = append(rest, s)
		}
	}
	if len(rest) > 0 {
		say(alert.Span{Text: strings.Join(rest, " · ")})
	}
	about.Lines = append(about.Lines, fresh)
	v.Parts = append(v.Parts, about)

	changes, moreChanges, err := l.NodeChanges(ctx, cluster.Cluster, n.UID, nodeChanges)
	if err != nil {
		return view{}, err
	}
	if len(changes) > 0 {
		p := part{Heading: "Its changes"}
		for _, x := range changes {
			p.Lines = append(p.Lines, lifeLine(x))
		}
		if moreChanges {
			p.Lines = append(p.Lines, alert.Line{{Text: "… and more since."}})
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
		return view{}, err
	}
	if len(page.Events) > 0 {
		p := part{Heading: "Its last events"}
		for _, e := range page.Events {
			p.Lines = append(p.Lines, alert.Line{{At: e.Last, Ago: true}, {Text: "  " + reasonWords(e) + ": " + alert.Clip(e.Note, 160)}})
		}
		v.Parts = append(v.Parts, p)
	}
	if len(n.Taints) > 0 {
		p := part{Heading: "Taints"}
		for _, t := range n.Taints {
			p.Text = append(p.Text, strings.TrimSuffix(t.Key+"="+t.Value, "=")+":"+t.Effect)
		}
		v.Parts = append(v.Parts, p)
	}
	if len(n.Labels) > 0 {
		p := part{Heading: counted(len(n.Labels), false, "label")}
		for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
			p.Text = append(p.Text, k+"="+n.Labels[k])
		}
		v.Parts = append(v.Parts, p)
	}
	row := []button{{Label: "Events", Verb: verbShow, Value: eventsLine(events), Style: "primary"}}
	if n.Pool != "" {
		row = append(row, button{Label: "Same pool", Verb: verbShow, Value: nodesLine(command.Nodes{View: command.List, Pools: []string{n.Pool}, Cluster: req.Cluster})})
	}
	if n.InstanceType != "" {
		row = append(row, button{Label: "Same type", Verb: verbShow, Value: nodesLine(command.Nodes{View: command.List, Types: []string{n.InstanceType}, Cluster: req.Cluster})})
	}
	line := nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: req.Cluster})
	row = append(row, button{Label: "All nodes", Verb: verbShow, Value: nodesLine(command.Nodes{Cluster: req.Cluster})},
		button{Label: "Refresh", Verb: verbShow, Value: line}, button{Label: "Share", Verb: verbShare, Value: line})
	v.Parts = append(v.Parts, part{Buttons: row})
	return v, nil
}

// costWords says what a node costs and has cost so far, and how that is known.
func (c *Commands) costWords(n query.NodeRecord, now time.Time) string {
	p := c.c.Summaries.Price(n.Machine())
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
	return fmt.Sprintf("%s, %s %s (%s).", alert.Hourly(hourly), alert.Dollars(life), so, p.Source)
}

// lifeLine tells one step of one node.
func lifeLine(x query.ChangeRecord) alert.Line {
	w := stepWords[x.Kind]
	l := alert.Line{{Text: w.icon + " "}}
	if x.Proof == fleet.ProofNone && x.At.Sub(x.NotBefore) >= time.Minute {
		l = append(l, alert.Span{Text: "between "}, alert.Span{At: x.NotBefore, Day: true}, alert.Span{Text: " and "})
	}
	l = append(l, alert.Span{At: x.At, Day: true}, alert.Span{Text: "  " + w.word})
	if x.Reason != "" && x.Kind == fleet.WentUnready {
		l = append(l, alert.Span{Text: " (" + x.Reason + ")"})
	}
	if x.Mute != 0 {
		l = append(l, alert.Span{Text: " 🔕 muted"})
	}
	return l
}

// resourceWords shows resources as people read them: 4 CPU, 16 GiB, 58 pods.
func resourceWords(r fleet.Resources) string {
	cpu := fmt.Sprintf("%.3g", float64(r.MilliCPU)/1000)
	return fmt.Sprintf("%s CPU, %.3g GiB, %d pods", cpu, float64(r.Memory)/(1<<30), r.Pods)
}

// help shows how a command is used.
func help(h command.Help) view {
	v := view{Icon: "💡", Title: h.Command + ": how to use it", Text: h.Command + ": how to use it"}
	add := func(heading string, lines []command.Line) {
		if len(lines) == 0 {
			return
		}
		p := part{Heading: heading}
		for _, l := range lines {
			p.Cards = append(p.Cards, alert.Card{Name: l.Text, Lines: sentence(l.Meaning)})
		}
		v.Parts = append(v.Parts, p)
	}
	add("", h.Usage)
	if len(h.Flags) > 0 {
		p := part{Heading: "Filters"}
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
		v.Parts = append(v.Parts, part{Lines: sentence(n)})
	}
	var buttons []button
	for i, e := range h.Examples {
		if i < 3 {
			buttons = append(buttons, button{Label: "Try " + e.Text, Verb: verbShow, Value: e.Text})
		}
	}
	if len(buttons) > 0 {
		v.Parts = append(v.Parts, part{Buttons: buttons})
	}
	return v
}
