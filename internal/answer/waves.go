package answer

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/message"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// maxWaveNodes is how many nodes of a wave are looked up at once; more are said to be more.
const maxWaveNodes = 1000

// How long before a wave's first change and after its last one the events of its nodes are of
// interest: what made an autoscaler add a node comes before it, and so do warnings of its end.
const (
	waveBefore = 15 * time.Minute
	waveAfter  = 15 * time.Minute
)

// ToWave shows the nodes of a wave (message.WaveNodes), the events on them (message.WaveEvents), or why they came and
// went (message.WaveCauses). value is the wave's key and, after a blank, the page or the place in the
// events.
func (a *Answerer) ToWave(ctx context.Context, verb message.Verb, value string, now time.Time) message.Message {
	m, err := a.wave(ctx, verb, value, now)
	if err != nil {
		a.log.Error("answering a message's button failed", "err", err)
		return message.Notice("⚠️", "That could not be looked up in time. Please press the button again.")
	}
	return m
}

func (a *Answerer) wave(ctx context.Context, verb message.Verb, value string, now time.Time) (message.Message, error) {
	key, place, _ := strings.Cut(value, " ")
	w, ok, err := a.store.WaveNodes(ctx, key, maxWaveNodes)
	if err != nil {
		return message.Message{}, err
	}
	if !ok || len(w.UIDs) == 0 {
		m := message.Notice("❓", "The nodes of this message are not recorded any more")
		m.Parts = append(m.Parts, message.Part{Lines: message.Sentence("They are from longer ago than Rollcall remembers.")})
		return m, nil
	}
	switch verb {
	case message.WaveEvents:
		return a.waveEvents(ctx, w, key, place)
	case message.WaveCauses:
		return a.waveCauses(ctx, w, key)
	}
	return a.waveNodes(ctx, w, key, place, now)
}

// waveTitle says what an answer about a wave is about.
func waveTitle(w wave.Nodes) string {
	return fmt.Sprintf("%s: the %s of this message", w.Cluster, message.AtLeast(len(w.UIDs), w.More, "node"))
}

func (a *Answerer) waveEvents(ctx context.Context, w wave.Nodes, key, place string) (message.Message, error) {
	filter := query.EventFilter{UIDs: w.UIDs, Names: w.Names, Since: w.From.Add(-waveBefore),
		Until: w.Until.Add(waveAfter)}
	page, err := a.store.Events(ctx, w.Cluster, filter, placeOf(place), pageEvents)
	if err != nil {
		return message.Message{}, err
	}
	m := eventView(waveTitle(w)+", events", apart(page.Events), page, false)
	turn := turnButtons(page, func(c query.EventCursor) string { return key + " " + placeText(c) }, message.WaveEvents)
	m.Parts = append(m.Parts,
		message.Part{Note: message.Line{{Text: "From "}, {At: filter.Since, Day: true}, {Text: " to "},
			{At: filter.Until, Day: true}, {Text: "."}}},
		message.Part{Buttons: append(turn, message.Button{Label: "Nodes", Verb: message.WaveNodes, Value: key})})
	return m, nil
}

func (a *Answerer) waveNodes(ctx context.Context, w wave.Nodes, key, place string, now time.Time) (message.Message,
	error) {
	number, _ := strconv.Atoi(place)
	last := max(1, (len(w.UIDs)+pageNodes-1)/pageNodes)
	number = min(max(number, 1), last)
	m := message.Message{Icon: "📋", Headline: waveTitle(w)}
	if last > 1 {
		m.Headline += fmt.Sprintf(", page %d of %d", number, last)
	}
	m.Text = m.Headline
	var nodes []query.NodeRecord
	open := &message.Choice{Verb: message.Open, Prompt: "Open a node…"}
	for _, uid := range w.UIDs[(number-1)*pageNodes : min(number*pageNodes, len(w.UIDs))] {
		n, ok, err := a.store.Node(ctx, w.Cluster, uid)
		if err != nil {
			return message.Message{}, err
		}
		if ok {
			nodes = append(nodes, n)
			one := command.Nodes{View: command.One, Name: n.UID, Cluster: w.Cluster}
			open.Options = append(open.Options, message.Option{Label: n.Name, Value: nodesLine(one)})
		}
	}
	cards, err := a.nodeCards(ctx, nodes, now)
	if err != nil {
		return message.Message{}, err
	}
	turn := pageButtons(number, last, func(page int) message.Button {
		return message.Button{Verb: message.WaveNodes, Value: fmt.Sprintf("%s %d", key, page)}
	})
	m.Parts = append(m.Parts, cards, message.Part{Choice: open}, message.Part{Buttons: append(turn,
		message.Button{Label: "Events", Verb: message.WaveEvents, Value: key},
		message.Button{Label: "All nodes", Verb: message.Open, Value: "/nodes"})})
	return m, nil
}

// pageButtons turn the pages of a list.
func pageButtons(number, last int, to func(page int) message.Button) (turn []message.Button) {
	if number > 1 {
		b := to(number - 1)
		b.Label = "◀ Previous"
		turn = append(turn, b)
	}
	if number < last {
		b := to(number + 1)
		b.Label = "Next ▶"
		turn = append(turn, b)
	}
	return turn
}

// placeText and placeOf are a cursor in a button's value.
func placeText(c query.EventCursor) string {
	way := "o"
	if c.Newer {
		way = "n"
	}
	return fmt.Sprintf("%s%d.%d", way, c.Time.UnixMilli(), c.ID)
}

func placeOf(s string) query.EventCursor {
	if s == "" {
		return query.EventCursor{}
	}
	at, id, _ := strings.Cut(s[1:], ".")
	ms, err1 := strconv.ParseInt(at, 10, 64)
	n, err2 := strconv.ParseInt(id, 10, 64)
	if err1 != nil || err2 != nil {
		return query.EventCursor{} // not from one of our buttons: the newest
	}
	return query.EventCursor{Time: time.UnixMilli(ms).UTC(), ID: n, Newer: s[0] == 'n'}
}
