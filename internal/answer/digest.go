package answer

import (
	"context"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// digest answers /nodes digest.
func (a *Answerer) digest(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	length := 24 * time.Hour
	if !req.Since.IsZero() {
		length = now.Sub(req.Since.Time(now))
	}
	s, err := a.summaries.Last(ctx, cluster.Cluster, length, now)
	if err != nil {
		return message.Message{}, err
	}
	v, err := a.summaries.Render(ctx, s)
	if err != nil {
		return message.Message{}, err
	}
	var row []message.Button
	for _, span := range []struct {
		label string
		ago   time.Duration
	}{{"24 h", 24 * time.Hour}, {"7 days", 7 * 24 * time.Hour}, {"30 days", 30 * 24 * time.Hour}} {
		to := command.Nodes{View: command.Digest, Since: command.Moment{Ago: span.ago}, Cluster: req.Cluster}
		if length == span.ago {
			span.label = "✓ " + span.label
		}
		row = append(row, show(span.label, nodesLine(to)))
	}
	line := nodesLine(req)
	v.Parts = append(v.Parts,
		message.Part{Buttons: append(row,
			show("Nodes", nodesLine(command.Nodes{Cluster: req.Cluster})),
			show("Refresh", line),
			message.Button{Label: "Share", Verb: message.Share, Value: line})})
	return v, nil
}
