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

// oneNode answers /nodes NAME.
func (a *Answerer) oneNode(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	l := a.store
	found, how, more, err := l.FindNodes(ctx, cluster.Cluster, req.Name, maxChoices)
	if err != nil {
		return message.Message{}, err
	}
	if how != query.MatchExact {
		meant, ok, err := a.filterMeant(ctx, cluster.Cluster, req, now)
		if err != nil {
			return message.Message{}, err
		}
		if ok {
			return a.nodes(ctx, meant, now)
		}
	}
	if how == query.MatchSubstring && len(req.Name) < leastPart {
		found = nil
	}
	if len(found) == 0 {
		n, ok, err := l.Node(ctx, cluster.Cluster, req.Name)
		if err != nil {
			return message.Message{}, err
		}
		if ok {
			return a.node(ctx, cluster, n, req, now)
		}
		return a.noSuchNode(ctx, cluster, req, now), nil
	}
	if len(found) == 1 || how == query.MatchExact {
		v, err := a.node(ctx, cluster, found[0], req, now)
		if err == nil && len(found) > 1 {
			earlier := &message.Choice{Verb: message.Show, Prompt: "Other lives of this name…"}
			for _, n := range found[1:] {
				_, word := nodeState(n)
				earlier.Options = append(earlier.Options,
					message.Option{Label: word + " " + n.CreatedAt.UTC().Format("2 Jan 15:04 UTC"),
						Value: nodeLine(n, req.Cluster)})
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
	cards, err := a.nodeCards(ctx, found, now)
	if err != nil {
		return message.Message{}, err
	}
	for _, n := range found {
		_, word := nodeState(n)
		open.Options = append(open.Options,
			message.Option{Label: message.Clip(n.Name, 50) + ", " + word,
				Value: nodeLine(n, req.Cluster)})
	}
	all := command.Nodes{View: command.List, Names: []string{"*" + req.Name + "*"}, Cluster: req.Cluster}
	v.Parts = append(v.Parts, message.Part{Choice: open}, cards,
		message.Part{Buttons: []message.Button{show("List them", nodesLine(all))}})
	return v, nil
}

func (a *Answerer) noSuchNode(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) message.Message {
	v := message.Message{Icon: "❓", Headline: fmt.Sprintf("%s: I found no node named %q", cluster.Cluster, req.Name)}
	v.Text = v.Headline
	var buttons []message.Button
	if line := a.offered(ctx, req.Nearest(), nodesLine(req), now); line != "" {
		v.Parts = append(v.Parts, message.Part{Lines: message.Sentence("Did you mean " + a.names.Show(line) + "?")})
		buttons = append(buttons, message.Button{Label: a.names.Show(line), Verb: message.Show, Value: line,
			Style: message.Primary})
	} else {
		v.Parts = append(v.Parts,
			message.Part{Lines: message.Sentence(fmt.Sprintf(
				"A name may be short: how it begins, or a part of it with %d characters.", leastPart))})
	}
	buttons = append(buttons, show("List of nodes", "/nodes list"),
		show("Help", "/nodes help"))
	v.Parts = append(v.Parts, message.Part{Buttons: buttons})
	return v
}

// node shows one node: what it is, how it is, its story.
func (a *Answerer) node(ctx context.Context, cluster query.ClusterRecord, n query.NodeRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	v := nodeHeadline(n, now)
	v.Text = cluster.Cluster + ": " + v.Headline
	about := message.Part{Lines: a.nodeLines(n, now)}
	if n.RemovedAt.IsZero() && n.Owner.Kind == "NodeClaim" {
		pools, err := a.store.Pools(ctx, cluster.Cluster)
		if err != nil {
			return message.Message{}, err
		}
		for _, p := range pools {
			if use := message.PoolUse(p); p.Name == n.Pool && use != "" {
				about.Lines = append(about.Lines, message.NewLine(strings.ToUpper(use[:1])+use[1:]+"."))
			}
		}
	}
	about.Lines = append(about.Lines, a.freshness(cluster, now))
	changes, err := a.lifeParts(ctx, n)
	if err != nil {
		return message.Message{}, err
	}
	events, err := a.nodeEventParts(ctx, n)
	if err != nil {
		return message.Message{}, err
	}
	why, err := a.whyParts(ctx, n)
	if err != nil {
		return message.Message{}, err
	}
	stays, err := a.keptParts(ctx, n, now)
	if err != nil {
		return message.Message{}, err
	}
	pods, err := a.podParts(ctx, n)
	if err != nil {
		return message.Message{}, err
	}
	v.Parts = slices.Concat([]message.Part{about}, why, stays, changes, pods, events, taintParts(n),
		[]message.Part{{Buttons: nodeButtons(n, req.Cluster)}})
	return v, nil
}

// nodeHeadline says how a node is, and since when.
func nodeHeadline(n query.NodeRecord, now time.Time) message.Message {
	icon, word := nodeState(n)
	text := fmt.Sprintf("%s: %s", n.Name, word)
	switch {
	case n.RemovedAt.IsZero():
		text += ", up " + message.Duration(now.Sub(n.CreatedAt))
	case vague(n):
		text += fmt.Sprintf(" %s to %s ago", message.Duration(now.Sub(n.RemovedAt)),
			message.Duration(now.Sub(n.RemovedAfter)))
	default:
		text += fmt.Sprintf(" %s ago, lived %s", message.Duration(now.Sub(n.RemovedAt)),
			message.Duration(n.RemovedAt.Sub(n.CreatedAt)))
	}
	return message.Message{Icon: icon, Headline: text}
}

// nodeLines say what a node is, how it is and what it costs.
func (a *Answerer) nodeLines(n query.NodeRecord, now time.Time) []message.Line {
	lines := []message.Line{{{Text: message.Attributes(n.Node)}}}
	say := func(l ...message.Span) { lines = append(lines, l) }
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
	if words := a.costWords(n, now); words != "" {
		say(message.Span{Text: words})
	}
	if n.Ready.Status != fleet.Ready {
		words, original := message.Unready(n.Ready), strings.Trim(n.Ready.Reason+": "+n.Ready.Message, ": ")
		if original != "" && original != words {
			words += " (" + message.Clip(original, 300) + ")"
		}
		say(message.Span{Text: "Not ready since "}, message.Span{At: n.Ready.Since, Day: true},
			message.Span{Text: strings.TrimSuffix(": "+words, ": ")})
	}
	for _, c := range n.Contradictions() {
		say(message.Span{Text: fmt.Sprintf("Its labels disagree on its %s: %s says %s, %s says %s. The first is believed, "+
			"because %s.", c.What, c.Key, c.Value, c.Other, c.Different, c.Why)})
	}
	if n.Cordoned {
		say(message.Span{Text: "Cordoned: no pod is scheduled here."})
	}
	say(message.Span{Text: fmt.Sprintf("Capacity: %s. Allocatable: %s.", message.Resources(n.Capacity),
		message.Resources(n.Allocatable))})
	rest := slices.DeleteFunc([]string{n.Region, n.OS, n.KubeletVersion, n.ProviderID},
		func(s string) bool { return s == "" })
	if len(rest) > 0 {
		say(message.Span{Text: strings.Join(rest, " · ")})
	}
	return lines
}

// lifeParts tell what happened to a node.
func (a *Answerer) lifeParts(ctx context.Context, n query.NodeRecord) ([]message.Part, error) {
	changes, more, err := a.store.NodeChanges(ctx, n.Cluster, n.UID, nodeChanges)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	p := message.Part{Heading: "Its changes"}
	for _, x := range changes {
		p.Lines = append(p.Lines, lifeLine(x))
	}
	if more {
		p.Lines = append(p.Lines, message.Line{{Text: "… and more since."}})
	}
	return []message.Part{p}, nil
}

// nodeEventParts are the last events on a node, of its life alone: names come back.
func (a *Answerer) nodeEventParts(ctx context.Context, n query.NodeRecord) ([]message.Part, error) {
	filter := query.EventFilter{UIDs: []string{n.UID}, Names: []string{n.Name}, Since: n.CreatedAt.Add(-time.Minute)}
	if !n.RemovedAt.IsZero() {
		filter.Until = n.RemovedAt.Add(time.Minute)
	}
	page, err := a.store.Events(ctx, n.Cluster, filter, query.EventCursor{}, nodeEvents)
	if err != nil || len(page.Events) == 0 {
		return nil, err
	}
	p := message.Part{Heading: "Its last events"}
	for _, e := range page.Events {
		p.Lines = append(p.Lines,
			message.Line{{At: e.Last, Ago: true}, {Text: "  " + reasonWords(e) + ": " + message.Clip(e.Note, 160)}})
	}
	return []message.Part{p}, nil
}

// taintParts list a node's taints.
func taintParts(n query.NodeRecord) []message.Part {
	if len(n.Taints) == 0 {
		return nil
	}
	p := message.Part{Heading: "Taints"}
	for _, t := range n.Taints {
		p.Text = append(p.Text, strings.TrimSuffix(t.Key+"="+t.Value, "=")+":"+t.Effect)
	}
	return []message.Part{p}
}

// ToLabels shows the labels of the node that a command line names by its UID, as [message.Labels] has it.
func (a *Answerer) ToLabels(ctx context.Context, line string, now time.Time) message.Message {
	m, err := a.labels(ctx, line, now)
	if err != nil {
		a.log.Error("answering a node's button failed", "err", err)
		return message.Notice("⚠️", "That could not be looked up in time. Please press the button again.")
	}
	return m
}

func (a *Answerer) labels(ctx context.Context, line string, now time.Time) (message.Message, error) {
	req, err := command.ParseNodes(strings.TrimPrefix(line, "/nodes "), now)
	if err != nil {
		return message.Message{}, err
	}
	cluster := cmp.Or(req.Cluster, a.cluster)
	n, ok, err := a.store.Node(ctx, cluster, req.Name)
	if err != nil {
		return message.Message{}, err
	}
	if !ok {
		return message.Notice("❓", "This node is not recorded any more"), nil
	}
	m := message.Message{Icon: "🏷️", Headline: fmt.Sprintf("%s: %s", n.Name, message.Count(len(n.Labels), "label"))}
	m.Text = cluster + ": " + m.Headline
	var p message.Part
	for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
		p.Text = append(p.Text, k+"="+n.Labels[k])
	}
	m.Parts = []message.Part{p, {Buttons: []message.Button{show("Back", line)}}}
	return m, nil
}

// nodeButtons lead from a node to its events and to nodes like it.
func nodeButtons(n query.NodeRecord, cluster string) []message.Button {
	events := show("Events",
		eventsLine(command.Events{For: command.Object{Kind: "Node", Name: n.Name}, Cluster: cluster}))
	events.Style = message.Primary
	row := []message.Button{events}
	if len(n.Labels) > 0 {
		row = append(row, message.Button{Label: message.Count(len(n.Labels), "label"), Verb: message.Labels,
			Value: nodeLine(n, cluster)})
	}
	if n.Pool != "" {
		like := command.Nodes{View: command.List, Pools: []string{n.Pool}, Cluster: cluster}
		row = append(row, show("Same pool", nodesLine(like)))
	}
	if n.InstanceType != "" {
		like := command.Nodes{View: command.List, Types: []string{n.InstanceType}, Cluster: cluster}
		row = append(row, show("Same type", nodesLine(like)))
	}
	return append(row, show("All nodes", nodesLine(command.Nodes{Cluster: cluster})),
		show("Refresh", nodeLine(n, cluster)),
		message.Button{Label: "Share", Verb: message.Share, Value: nodeLine(n, cluster)})
}

// nodeLine is the command line that shows a node, whatever else has its name.
func nodeLine(n query.NodeRecord, cluster string) string {
	return nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: cluster})
}

// costWords says what a node costs and has cost so far, and how that is known; "" of a node that nobody bills.
func (a *Answerer) costWords(n query.NodeRecord, now time.Time) string {
	p := a.price(n.Machine())
	switch {
	case p.Billed != "":
		return fmt.Sprintf("%s: %s.", strings.ToUpper(p.Billed[:1])+p.Billed[1:], p.Source)
	case !p.Known && p.Source != "":
		return "Price unknown: " + p.Source + "."
	case !p.Known && !n.Billed():
		return ""
	case !p.Known:
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
		l = append(l, message.Span{Text: " (" + message.Unready(fleet.Condition{Reason: x.Reason}) + ")"})
	}
	if x.Mute != 0 {
		l = append(l, message.Span{Text: " 🔕 muted"})
	}
	return l
}
