package answer

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// nodeList answers /nodes list.
func (a *Answerer) nodeList(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	number := max(req.Page, 1)
	page, err := a.store.ListNodes(ctx, cluster.Cluster, req.Filter(now), sortOf(req), (number-1)*pageNodes, pageNodes)
	if err != nil {
		return message.Message{}, err
	}
	last := max(1, (page.Total+pageNodes-1)/pageNodes)
	if len(page.Nodes) == 0 && page.Total > 0 && number > last {
		req.Page = last // nodes have gone meanwhile
		return a.nodeList(ctx, cluster, req, now)
	}
	v := message.Message{Icon: "📋", Headline: listHeadline(cluster.Cluster, req, page)}
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
	if page.Total == 0 {
		there, err := a.thereAre(ctx, cluster, req, now)
		if err != nil {
			return message.Message{}, err
		}
		state.Lines = append(state.Lines, there...)
	}
	v.Parts = append(v.Parts, state)
	open := &message.Choice{Verb: message.Show, Prompt: "Open a node…"}
	cards, err := a.nodeCards(ctx, page.Nodes, now)
	if err != nil {
		return message.Message{}, err
	}
	for _, n := range page.Nodes {
		open.Options = append(open.Options,
			message.Option{Label: n.Name, Value: nodeLine(n, req.Cluster)})
	}
	v.Parts = append(v.Parts, cards, message.Part{Choice: open})
	turn := turns{of: req, before: number - 1}
	if number < last {
		turn.after = number + 1
	}
	v.Parts = append(v.Parts, listControls(turn, page.Total > 1)...)
	v.Wide, err = a.wideList(ctx, v, cluster, req, page, now)
	return v, err
}

// listHeadline says how many nodes a list is of.
func listHeadline(cluster string, req command.Nodes, page query.NodePage) string {
	if filtered(req) && page.Total == 0 {
		return cluster + ": no node matches"
	}
	s := fmt.Sprintf("%s: %s", cluster, message.AtLeast(page.Total, page.Capped, "node"))
	if req.Removed {
		s += " left" + sinceWords(req)
	}
	return s
}

// sortOf is the order of a list.
func sortOf(req command.Nodes) query.NodeSort { return cmp.Or(req.Sort, query.SortNewest) }

// turns are the pages that lie before and after what is shown of a list; below 1 there is none.
type turns struct {
	of            command.Nodes
	before, after int
}

// listControls sort a list, turn its pages and lead elsewhere.
func listControls(turn turns, sort bool) (parts []message.Part) {
	req := turn.of
	sorting := &message.Choice{Verb: message.Show, Prompt: "Sorted by " + string(sortOf(req))}
	for _, s := range []query.NodeSort{query.SortNewest, query.SortOldest, query.SortName, query.SortType, query.SortZone,
		query.SortPool} {
		to := req
		to.Sort, to.Page = s, 0
		sorting.Options = append(sorting.Options, message.Option{Label: "Sort by " + string(s), Value: nodesLine(to)})
	}
	if sort {
		parts = append(parts, message.Part{Choice: sorting})
	}
	var buttons []message.Button
	to := req
	if turn.before > 0 {
		to.Page = turn.before
		if to.Page == 1 {
			to.Page = 0 // as when nobody says a page
		}
		buttons = append(buttons, show("◀ Previous", nodesLine(to)))
	}
	if turn.after > 0 {
		to.Page = turn.after
		buttons = append(buttons, show("Next ▶", nodesLine(to)))
	}
	summary := req
	summary.View, summary.Sort, summary.Page, summary.Names = command.Summary, "", 0, nil
	buttons = append(buttons, show("Summary", nodesLine(summary)))
	return append(parts, message.Part{Buttons: append(buttons, answerButtons(nodesLine(req))...)})
}

// nodeState says how a node is: an icon and a word.
func nodeState(n query.NodeRecord) (icon, word string) {
	switch {
	case !n.RemovedAt.IsZero():
		return "⬜", "left"
	case n.Ready.Status == fleet.Ready && n.Cordoned:
		return "🚧", "ready, cordoned"
	case n.Ready.Status == fleet.Ready:
		return "🟢", "ready"
	case n.FirstReady.IsZero():
		icon, word = "⏳", "not ready yet"
	default:
		icon, word = "❌", "not ready"
	}
	if n.Cordoned {
		word += ", cordoned"
	}
	return icon, word
}

// nodeCards shows nodes in a list, with why they came or, once they are gone, why they went.
func (a *Answerer) nodeCards(ctx context.Context, nodes []query.NodeRecord, now time.Time) (message.Part, error) {
	var p message.Part
	if len(nodes) == 0 {
		return p, nil
	}
	var uids []string
	for _, n := range nodes {
		uids = append(uids, n.UID)
	}
	causes, err := a.store.NodeCauses(ctx, nodes[0].Cluster, uids)
	if err != nil {
		return p, err
	}
	for _, n := range nodes {
		card := a.nodeCard(n, now)
		why := message.Came(causes[n.UID].Came.Cause, 1)
		if !n.RemovedAt.IsZero() {
			why = message.Went(causes[n.UID].Went.Cause)
		}
		if why != "" {
			card.Lines = append(card.Lines, message.NewLine(why))
		}
		p.Cards = append(p.Cards, card)
	}
	return p, nil
}

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
