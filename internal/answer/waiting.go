package answer

import (
	"context"
	"fmt"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// maxWaiting is how many groups of pods that wait an answer shows: about two screens of a phone.
const maxWaiting = 12

// waiting answers /nodes waiting.
func (a *Answerer) waiting(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	groups, more, err := a.pending(ctx, cluster.Cluster, now)
	if err != nil {
		return message.Message{}, err
	}
	pods := 0
	for _, g := range groups {
		pods += g.Pods
	}
	v := message.Message{Icon: "🟢", Headline: cluster.Cluster + ": no pod waits for a node"}
	if pods > 0 {
		wait := "wait"
		if pods == 1 {
			wait = "waits"
		}
		all := fmt.Sprintf("%s: %s %s for nodes", cluster.Cluster, message.AtLeast(pods, more, "pod"), wait)
		switch n := stuckPods(groups); n {
		case 0:
			v.Icon, v.Headline = "⏳", all
		case pods:
			v.Icon, v.Headline = "🟠", all+", and none is coming"
		default:
			v.Icon, v.Headline = "🟠", all+fmt.Sprintf(", and for %d of them none is coming", n)
		}
	}
	v.Text = v.Headline
	v.Parts = append(v.Parts, message.Part{Lines: []message.Line{a.freshness(cluster, now)}})
	p := message.Part{}
	for _, g := range groups[:min(len(groups), maxWaiting)] {
		p.Cards = append(p.Cards, waitingCard(g, now))
	}
	if len(p.Cards) > 0 {
		v.Parts = append(v.Parts, p)
	}
	if n := len(groups) - maxWaiting; n > 0 {
		v.Parts = append(v.Parts, message.Part{Lines: message.Sentence(fmt.Sprintf("And %d other reasons.", n))})
	}
	line := nodesLine(req)
	v.Parts = append(v.Parts, message.Part{Buttons: []message.Button{show("Refresh", line),
		show("Events", "/events --reason FailedScheduling,NotTriggerScaleUp --since 1h"),
		show("Nodes", nodesLine(command.Nodes{Cluster: req.Cluster})),
		{Label: "Share", Verb: message.Share, Value: line}}})
	return v, nil
}

// pending is what waits for nodes of a cluster; nothing where nobody looks.
func (a *Answerer) pending(ctx context.Context, cluster string, now time.Time) ([]fleet.Waiting, bool, error) {
	if a.waits == nil {
		return nil, false, nil
	}
	return a.waits(ctx, cluster, now)
}

// stuckPods is how many pods wait for which no node is coming.
func stuckPods(groups []fleet.Waiting) (n int) {
	for _, g := range groups {
		if g.State != fleet.Coming {
			n += g.Pods
		}
	}
	return n
}

// waitingCard shows pods that wait for one reason: why, whose they are, since when.
func waitingCard(g fleet.Waiting, now time.Time) message.Card {
	c := message.Card{Name: waitingWords(g)}
	of := message.PodsOf(g.For, g.Others)
	c.Lines = append(c.Lines, message.Line{{Text: of + ", since "}, moment(g.Since, now)})
	if detail := message.RefusalDetail(g.Refusal); detail != "" {
		c.Lines = append(c.Lines, message.NewLine(detail))
	}
	if g.State != fleet.Coming && g.Note != "" {
		c.Lines = append(c.Lines, message.NewLine(message.Scheduler(g.Note)))
	}
	return c
}

// waitingWords say why pods wait.
func waitingWords(g fleet.Waiting) string {
	pool := ""
	if g.Pool != "" {
		pool = " of pool " + message.OneWord(g.Pool)
	}
	switch g.State {
	case fleet.Coming:
		return "⏳ nodes" + pool + " are coming"
	case fleet.Overdue:
		return "🟠 nodes" + pool + " were announced and do not come"
	case fleet.Unanswered:
		return "🟠 no autoscaler has answered"
	}
	return "🟠 " + message.RefusalWords(g.Refusal, false)
}

// waitingParts say in a summary that pods wait for which no node is coming.
func (a *Answerer) waitingParts(ctx context.Context, cluster string, now time.Time) ([]message.Part, error) {
	groups, _, err := a.pending(ctx, cluster, now)
	n := stuckPods(groups)
	if err != nil || n == 0 {
		return nil, err
	}
	text := fmt.Sprintf("🟠 %s wait for nodes, and none is coming: /nodes waiting says why.", message.Count(n, "pod"))
	if n == 1 {
		text = "🟠 1 pod waits for a node, and none is coming: /nodes waiting says why."
	}
	return []message.Part{{Lines: message.Sentence(a.names.Show(text))}}, nil
}
