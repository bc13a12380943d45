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

// How much an empty answer tells of what there is.
const (
	taughtValues = 6   // values of each filter, the most frequent first
	taughtEvents = 200 // the last events that namespaces, reasons and kinds are looked for in
)

// thereAre says which zones, types and pools nodes have, where none has what a request asks for.
func (a *Answerer) thereAre(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (lines []message.Line, err error) {
	asked := map[query.Dimension]bool{query.ByZone: len(req.Zones) > 0, query.ByType: len(req.Types) > 0,
		query.ByPool: len(req.Pools) > 0}
	for _, by := range []query.Dimension{query.ByZone, query.ByType, query.ByPool} {
		if !asked[by] {
			continue
		}
		groups, err := a.store.GroupNodes(ctx, cluster.Cluster, query.NodeFilter{Removed: req.Removed}, by, taughtValues)
		if err != nil {
			return nil, err
		}
		counts := map[string]int{}
		for _, g := range groups.Groups {
			counts[g.Value] = g.Nodes
		}
		lines = append(lines, countedLine(dimensionWords(by)+"s", counts, groups.Distinct)...)
	}
	if req.Removed && !cluster.BaselineAt.IsZero() {
		lines = append(lines, message.Line{{Text: "Recording since "}, moment(cluster.BaselineAt, now), {Text: "."}})
	}
	return lines, nil
}

// lately says which namespaces, reasons and kinds the last events have, where none has what a
// request asks for.
func (a *Answerer) lately(ctx context.Context, cluster string, req command.Events) (lines []message.Line, err error) {
	type property struct {
		asked bool
		what  string
		value func(fleet.Event) string
	}
	of := slices.DeleteFunc([]property{
		{len(req.Namespaces) > 0, "Namespaces", func(e fleet.Event) string { return e.Regarding.Namespace }},
		{len(req.Reasons) > 0, "Reasons", func(e fleet.Event) string { return e.Reason }},
		{!req.For.IsZero(), "Kinds", func(e fleet.Event) string { return e.Regarding.Kind }},
	}, func(p property) bool { return !p.asked })
	if len(of) == 0 {
		return nil, nil
	}
	page, err := a.store.Events(ctx, cluster, query.EventFilter{}, query.EventCursor{}, taughtEvents)
	for _, x := range of {
		counts := map[string]int{}
		for _, e := range page.Events {
			counts[x.value(e)]++
		}
		lines = append(lines, countedLine(x.what+" of the last events", counts, len(counts))...)
	}
	return lines, err
}

// countedLine lists values, the most frequent first: Zones: a (12), b (3), and 2 more. It is empty
// if there are none; distinct is how many there are, counted or not.
func countedLine(what string, counts map[string]int, distinct int) []message.Line {
	if _, ok := counts[""]; ok {
		delete(counts, "")
		distinct--
	}
	values := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	if len(values) == 0 {
		return nil
	}
	var words []string
	for _, v := range values[:min(len(values), taughtValues)] {
		words = append(words, fmt.Sprintf("%s (%d)", message.Clip(v, 60), counts[v]))
	}
	text := what + ": " + strings.Join(words, ", ")
	if more := distinct - len(words); more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return []message.Line{{{Text: text + "."}}}
}

// recordingSince says how far back events are recorded.
func recordingSince(span query.EventSpan, now time.Time) message.Line {
	oldest := earliest(span.Scaling, span.Other)
	if span.Scaling.IsZero() || span.Other.IsZero() || span.Other.Sub(span.Scaling).Abs() < time.Minute {
		return message.Line{{Text: "Recording since "}, moment(oldest, now), {Text: "."}}
	}
	return message.Line{{Text: "Recording scaling events since "}, moment(span.Scaling, now), {Text: ", others since "},
		moment(span.Other, now), {Text: "."}}
}
