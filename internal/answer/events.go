package answer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// pageEvents is how many events a page has.
const pageEvents = 10

// eventsLine is the command line of a request.
func eventsLine(req command.Events) string { return strings.TrimSpace("/events " + req.String()) }

// events answers /events.
func (a *Answerer) events(ctx context.Context, req command.Events, now time.Time) (message.Message, error) {
	if req.View == command.HelpOnEvents {
		return a.help(command.EventsHelp.About(req.Topic)), nil
	}
	cluster, err := a.clusterOf(ctx, req.Cluster, "/events")
	if err != nil {
		return message.Message{}, err
	}
	at, err := cursorOf(req)
	if err != nil {
		return message.Message{}, err
	}
	lines, page, err := a.folded(ctx, cluster.Cluster, req, at, now)
	if err != nil {
		return message.Message{}, err
	}
	state := message.Part{}
	words := eventFilterWords(req)
	if words != "" {
		state.Lines = append(state.Lines, message.Line{{Text: "Only " + words}})
	}
	state.Lines = append(state.Lines, a.freshness(cluster, now))
	rollouts, err := a.toldRollouts(ctx, cluster.Cluster, req, now)
	if err != nil {
		return message.Message{}, err
	}
	state.Lines = append(state.Lines, rollouts...)
	if words == "" && at.IsZero() {
		last, err := a.lastHour(ctx, cluster.Cluster, now)
		if err != nil {
			return message.Message{}, err
		}
		state.Lines = append(state.Lines, last)
	}
	end, err := a.endOfEvents(ctx, cluster.Cluster, req, page, now)
	if err != nil {
		return message.Message{}, err
	}
	what := "events"
	if req.Scaling {
		what = "scaling events"
	}
	v := eventView(cluster.Cluster+": "+what, lines, page, req.Exact)
	v.Parts = slices.Concat([]message.Part{state}, v.Parts, end, eventButtons(req, page))
	return v, nil
}

// lastHour counts a cluster's events of the last hour.
func (a *Answerer) lastHour(ctx context.Context, name string, now time.Time) (message.Line, error) {
	scaling, other, err := a.store.EventCounts(ctx, name, now.Add(-time.Hour))
	number := func(n int, what string) string {
		if n > query.CountLimit {
			return fmt.Sprintf("more than %d %ss", query.CountLimit, what)
		}
		return message.Count(n, what)
	}
	text := fmt.Sprintf("Last hour: %s and %s.", number(scaling, "scaling event"), number(other, "other"))
	return message.Line{{Text: text}}, err
}

// endOfEvents says after the last page since when events are recorded, and where nothing was found
// what the person may have meant, and what there is.
func (a *Answerer) endOfEvents(ctx context.Context, name string, req command.Events, page query.EventPage,
	now time.Time) (parts []message.Part, err error) {
	if len(page.Events) == 0 && page.SearchedTo.IsZero() {
		if line := a.offered(ctx, req.Nearest(), eventsLine(req), now); line != "" {
			parts = append(parts, message.Part{Lines: message.Sentence("Did you mean " + a.names.Show(line) + "?")},
				message.Part{Buttons: []message.Button{show(a.names.Show(line), line)}})
		}
		there, err := a.lately(ctx, name, req)
		if err != nil {
			return nil, err
		}
		if len(there) > 0 {
			parts = append(parts, message.Part{Lines: there})
		}
	}
	span, err := a.store.EventSpan(ctx, name)
	if err != nil {
		return nil, err
	}
	if oldest := earliest(span.Scaling, span.Other); !oldest.IsZero() && page.Older.IsZero() {
		parts = append(parts, message.Part{Note: recordingSince(span, now)})
	}
	return parts, nil
}

// eventButtons turn the pages of events and change what is shown.
func eventButtons(req command.Events, page query.EventPage) (parts []message.Part) {
	bare := req // the first page
	bare.Before, bare.After = command.Cursor{}, command.Cursor{}
	turn := turnButtons(page, func(cur query.EventCursor) string {
		to := bare
		mark := command.Cursor{At: cur.Time, UID: strconv.FormatInt(cur.ID, 10)}
		if cur.Newer {
			to.After = mark
		} else {
			to.Before = mark
		}
		return eventsLine(to)
	}, message.Show)
	if !req.Before.IsZero() || !req.After.IsZero() {
		turn = append(turn, show("Newest", eventsLine(bare)))
	}
	if len(turn) > 0 {
		parts = append(parts, message.Part{Buttons: turn})
	}

	scaling, warnings, exact := bare, bare, req // each with one thing changed
	scaling.Scaling, exact.Exact = !req.Scaling, !req.Exact
	onlyWarnings := slices.Equal(req.Types, []string{"Warning"})
	if warnings.Types = []string{"Warning"}; onlyWarnings {
		warnings.Types = nil
	}
	row := []message.Button{
		show(ticked("Scaling only", req.Scaling), eventsLine(scaling)),
		show(ticked("Warnings only", onlyWarnings), eventsLine(warnings)),
		show(ticked("Exact times", req.Exact), eventsLine(exact)),
	}
	if req.For.Kind == "Node" && req.For.Name != "" && !strings.ContainsAny(req.For.Name, "*?") {
		row = append(row, show("The node",
			nodesLine(command.Nodes{View: command.One, Name: req.For.Name, Cluster: req.Cluster})))
	} else {
		row = append(row, show("Nodes", nodesLine(command.Nodes{Cluster: req.Cluster})))
	}
	return append(parts, message.Part{Buttons: append(row, answerButtons(eventsLine(req))...)})
}

// ticked is the label of what is on or off.
func ticked(label string, on bool) string {
	if on {
		return "✓ " + label
	}
	return label
}

// cursorOf is where a request's page begins.
func cursorOf(req command.Events) (query.EventCursor, error) {
	from, newer := req.Before, false
	if !req.After.IsZero() {
		from, newer = req.After, true
	}
	if from.IsZero() {
		return query.EventCursor{}, nil
	}
	id, err := strconv.ParseInt(from.UID, 10, 64)
	if err != nil {
		return query.EventCursor{},
			&command.Mistake{Command: "/events",
				Problem: fmt.Sprintf("%q is no place in the list of events: buttons make such places", from.String())}
	}
	return query.EventCursor{Time: from.At, ID: id, Newer: newer}, nil
}

// turnButtons go on from a page of events.
func turnButtons(page query.EventPage, value func(query.EventCursor) string, verb message.Verb) []message.Button {
	var turn []message.Button
	if !page.Newer.IsZero() {
		turn = append(turn, message.Button{Label: "◀ Newer", Verb: verb, Value: value(page.Newer)})
	}
	if !page.Older.IsZero() {
		label := "Older ▶"
		if !page.SearchedTo.IsZero() {
			label = "Search further back ▶"
		}
		turn = append(turn, message.Button{Label: label, Verb: verb, Value: value(page.Older)})
	}
	return turn
}

// eventView shows a page of events.
func eventView(title string, lines []said, page query.EventPage, exact bool) message.Message {
	v := message.Message{Icon: "📋", Headline: title}
	warnings := 0
	var cards message.Part
	for _, s := range lines {
		if s.Type == "Warning" {
			warnings++
		}
		cards.Cards = append(cards.Cards, eventCard(s, exact))
	}
	switch n := len(lines); {
	case n == 0 && !page.SearchedTo.IsZero():
		v.Headline += ": none found yet"
	case n == 0:
		v.Headline += ": none"
	case warnings > 0:
		v.Headline += fmt.Sprintf(", %d shown, %d of them warnings", n, warnings)
	default:
		v.Headline += fmt.Sprintf(", %d shown", n)
	}
	v.Text = v.Headline
	if len(lines) > 0 {
		e := lines[0]
		v.Text += "; the first: " + eventWords(e.Event) + ": " + message.Clip(e.Note, 200)
	}
	v.Parts = append(v.Parts, cards)
	if !page.SearchedTo.IsZero() {
		v.Parts = append(v.Parts,
			message.Part{Lines: []message.Line{
				{{Text: "Searched back to "}, {At: page.SearchedTo, Day: true}, {Text: " so far."}},
			}})
	}
	return v
}

// eventCard shows an event: what about, when, how often, what it says. Warning is said in a word
// too.
func eventCard(s said, exact bool) message.Card {
	e := s.Event
	head := message.Line{{At: e.Last, Ago: true}}
	if exact {
		head = message.Line{{At: e.Last, Seconds: true}}
		if e.Count > 1 && e.Last.Sub(e.First) >= time.Second {
			head = message.Line{{Text: "from "}, {At: e.First, Seconds: true}, {Text: " to "}, {At: e.Last, Seconds: true}}
		}
	}
	head = append(head, message.Span{Text: "  " + reasonWords(e)})
	if exact && e.Controller != "" {
		head = append(head, message.Span{Text: " · " + e.Controller})
	}
	return message.Card{Name: s.name(),
		Lines: []message.Line{head, {{Text: message.Clip(strings.Join(strings.Fields(e.Note), " "), 300)}}}}
}

// reasonWords is an event's reason, how often, and whether it is a warning.
func reasonWords(e fleet.Event) string {
	s := cmp.Or(e.Reason, "without a reason")
	if e.Type == "Warning" {
		s = "⚠️ Warning: " + s
	}
	if e.Count > 1 {
		s += fmt.Sprintf(" ×%d", e.Count)
	}
	return s
}

// objectWords names an object as kubectl does: pod shop/web-7c9.
func objectWords(o fleet.ObjectRef) string {
	return strings.ToLower(o.Kind) + " " + strings.TrimPrefix(o.Namespace+"/"+o.Name, "/")
}

func eventWords(e fleet.Event) string { return reasonWords(e) + "  " + objectWords(e.Regarding) }

// eventFilterWords is what a request filters by, as the person would type it.
func eventFilterWords(req command.Events) string {
	req.Before, req.After, req.Exact, req.Cluster = command.Cursor{}, command.Cursor{}, false, ""
	return message.Clip(req.String(), 300)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
