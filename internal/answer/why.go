package answer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// maxPods is how many pods of a node are named.
const maxPods = 20

// waveCauses shows why the nodes of a message came and went, with the events that prove it.
func (a *Answerer) waveCauses(ctx context.Context, w wave.Nodes, key string) (message.Message, error) {
	m := message.Message{Icon: "🔎", Headline: waveTitle(w) + ", why"}
	m.Text = m.Headline
	causes, ok, err := a.store.WaveCauses(ctx, key)
	if err != nil {
		return message.Message{}, err
	}
	if !ok || len(causes.Counts) == 0 {
		m.Parts = append(m.Parts, message.Part{Lines: message.Sentence("Nothing explains these nodes: no event says why.")})
	}
	for _, c := range causes.Counts {
		m.Parts = append(m.Parts, causePart(c))
	}
	if causes.Others > 0 {
		m.Parts = append(m.Parts, message.Part{Lines: message.Sentence(
			message.Count(causes.Others, "node") + " for other causes.")})
	}
	if causes.Unexplained > 0 && len(causes.Counts) > 0 {
		m.Parts = append(m.Parts, message.Part{Lines: message.Sentence(
			message.Count(causes.Unexplained, "node") + " not explained: no event says why.")})
	}
	m.Parts = append(m.Parts, message.Part{Buttons: []message.Button{
		{Label: "Nodes", Verb: message.WaveNodes, Value: key}, {Label: "Events", Verb: message.WaveEvents, Value: key}}})
	return m, nil
}

// causePart shows one cause: which nodes have it, and its chain, of the first of them.
func causePart(c query.CauseCount) message.Part {
	p := message.Part{Heading: causeTitle(c)}
	if len(c.Of) > 0 {
		names := strings.Join(c.Of, ", ")
		if more := c.Nodes - len(c.Of); more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		p.Lines = append(p.Lines, message.NewLine(names))
	}
	p.Lines = append(p.Lines, chainLines(c.Chain)...)
	return p
}

func causeTitle(c query.CauseCount) string {
	if words := message.Came(c.Cause, c.Nodes); message.IsComing(c.Cause.Kind) {
		if more := message.CameBecause(c.Cause, c.Pods); more != "" {
			words += ": " + more
		}
		return message.Count(c.Nodes, "node") + " " + words
	}
	return message.Count(c.Nodes, "node") + ": " + message.Went(c.Cause)
}

// chainLines tell the evidence of a cause, one piece a line.
func chainLines(chain []fleet.Link) (lines []message.Line) {
	for _, l := range chain {
		on := strings.TrimPrefix(l.On.Namespace+"/"+l.On.Name, "/")
		text := l.Reason + " on " + l.On.Kind + " " + on
		if l.Note != "" {
			text += ": " + message.Clip(strings.Join(strings.Fields(message.Clean(l.Note)), " "), 160)
		}
		if l.Count > 1 {
			text += fmt.Sprintf(" (×%d)", l.Count)
		}
		line := message.Line{{Text: "  " + text}}
		if !l.At.IsZero() {
			line = message.Line{{At: l.At, Seconds: true}, {Text: "  " + text}}
		}
		lines = append(lines, line)
	}
	return lines
}

// whyParts say why a node came and, once it is gone, why it went.
func (a *Answerer) whyParts(ctx context.Context, n query.NodeRecord) (parts []message.Part, err error) {
	came, ok, err := a.store.Explanation(ctx, n.Cluster, n.UID, fleet.Joined)
	if err != nil {
		return nil, err
	}
	if ok && !came.IsZero() {
		text := message.Came(came.Cause, 1)
		if more := message.CameBecause(came.Cause, came.Pods); more != "" {
			text += ": " + more
		}
		if len(came.Nodes) > 0 {
			text += " (" + strings.Join(came.Nodes, ", ") + ")"
		}
		parts = append(parts, message.Part{Heading: "Why it came",
			Lines: append([]message.Line{message.NewLine(text)}, chainLines(came.Chain)...)})
	}
	if !n.RemovedAt.IsZero() {
		went, ok, err := a.store.Explanation(ctx, n.Cluster, n.UID, fleet.Removed)
		if err != nil {
			return nil, err
		}
		text := "No event says why."
		if ok && !went.IsZero() {
			if text = message.Went(went.Cause); len(went.Nodes) > 0 {
				text += ", replaced by " + strings.Join(went.Nodes, ", ")
			}
			if took := n.RemovedAt.Sub(went.Since); !went.Since.IsZero() && took > time.Minute {
				text += ", drained for " + message.Duration(took)
			}
		}
		parts = append(parts, message.Part{Heading: "Why it went",
			Lines: append([]message.Line{message.NewLine(text)}, chainLines(went.Chain)...)})
	}
	return parts, nil
}

// podParts name the pods that were assigned to a node, as far as events tell.
func (a *Answerer) podParts(ctx context.Context, n query.NodeRecord) ([]message.Part, error) {
	on := fleet.ObjectRef{Kind: "Node", Name: n.Name, UID: n.UID}
	assigned, err := a.store.PodsOn(ctx, n.Cluster, on, maxPods)
	if err != nil || len(assigned.Pods) == 0 {
		return nil, err
	}
	var names []string
	for _, p := range assigned.Pods {
		names = append(names, p.Namespace+"/"+p.Name)
	}
	text := strings.Join(names, ", ")
	if assigned.More {
		text += ", …"
	}
	lines := []message.Line{message.NewLine(text)}
	if assigned.Since.After(n.CreatedAt) {
		lines = append(lines, message.NewLine("Events tell of pods since ", assigned.Since, " only."))
	}
	return []message.Part{{Heading: "Pods assigned to it, at least", Lines: lines}}, nil
}
