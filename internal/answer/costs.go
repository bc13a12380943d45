package answer

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/digest"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// costsBack is since when costs, and spot nodes, are counted if nobody says it.
const costsBack = 7 * 24 * time.Hour

// lengthOf is how far back a request looks.
func lengthOf(req command.Nodes, def time.Duration, now time.Time) time.Duration {
	if req.Since.IsZero() {
		return def
	}
	return now.Sub(req.Since.Time(now))
}

// spans are the buttons that ask for another length of time.
func spans(req command.Nodes, length time.Duration) (row []message.Button) {
	for _, span := range []struct {
		label string
		ago   time.Duration
	}{{"24 h", 24 * time.Hour}, {"7 days", 7 * 24 * time.Hour}, {"30 days", 30 * 24 * time.Hour}} {
		to := req
		to.Since = command.Moment{Ago: span.ago}
		if length == span.ago {
			span.label = "✓ " + span.label
		}
		row = append(row, show(span.label, nodesLine(to)))
	}
	return row
}

// costs answers /nodes costs.
func (a *Answerer) costs(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	length, by := lengthOf(req, costsBack, now), cmp.Or(req.By, query.ByPool)
	c, err := a.summaries.Costs(ctx, cluster.Cluster, length, by, now)
	if err != nil {
		return message.Message{}, err
	}
	v := digest.RenderCosts(c)
	v.Parts = append(v.Parts, message.Part{Note: a.freshness(cluster, now)})
	var row []message.Button
	for _, d := range []query.Dimension{query.ByPool, query.ByType, query.ByZone, query.ByCapacity, query.ByCause} {
		to := req
		to.By = d
		label := "By " + string(d)
		if d == by {
			label = "✓ " + label
		}
		row = append(row, show(label, nodesLine(to)))
	}
	line := nodesLine(req)
	v.Parts = append(v.Parts, message.Part{Buttons: row}, message.Part{Buttons: append(spans(req, length),
		show("Refresh", line), message.Button{Label: "Share", Verb: message.Share, Value: line})})
	return v, nil
}

// spot answers /nodes spot.
func (a *Answerer) spot(ctx context.Context, cluster query.ClusterRecord, req command.Nodes,
	now time.Time) (message.Message, error) {
	length := lengthOf(req, costsBack, now)
	v, err := a.summaries.Spot(ctx, cluster.Cluster, length, now)
	if err != nil {
		return message.Message{}, err
	}
	line := nodesLine(req)
	v.Parts = append(v.Parts, message.Part{Note: a.freshness(cluster, now)},
		message.Part{Buttons: append(spans(req, length),
			show("Costs", nodesLine(command.Nodes{View: command.Costs, By: query.ByCapacity, Since: req.Since,
				Cluster: req.Cluster})),
			show("Refresh", line), message.Button{Label: "Share", Verb: message.Share, Value: line})})
	return v, nil
}

// otherDays is how many earlier days today is compared with.
const otherDays = 7

// today says what nodes have cost since midnight, in the zone of digests, beside the same time of the days before; ""
// where nothing is known of it.
func (a *Answerer) today(ctx context.Context, cluster string, now time.Time) (string, error) {
	cp, err := a.store.Checkpoint(ctx, cluster)
	if err != nil || cp.BaselineAt.IsZero() {
		return "", err
	}
	known := cp.BaselineAt
	if keep := a.summaries.Keep; keep > 0 {
		known = fleet.Latest(known, now.Add(-keep))
	}
	local := now.In(a.Zone())
	var periods []query.Period
	for i := range otherDays + 1 {
		at := func(hour, minute, second int) time.Time {
			return time.Date(local.Year(), local.Month(), local.Day()-i, hour, minute, second, 0, a.Zone())
		}
		midnight, until := at(0, 0, 0), at(local.Clock())
		if i == 0 {
			until, midnight = now, fleet.Latest(midnight, known)
		} else if midnight.Before(known) {
			break
		}
		periods = append(periods, query.Period{From: midnight, Until: until})
	}
	s, err := a.store.Spending(ctx, cluster, periods...)
	if err != nil {
		return "", err
	}
	costs := make([]fleet.Cost, len(periods))
	for i := range periods {
		one := query.Spending{Groups: s.Groups, Periods: s.Periods[i : i+1]}
		c := digest.NewCosts(digest.Facts{Cluster: cluster, Price: a.price,
			Span: message.Period(periods[i])}, one, query.ByPool)
		costs[i] = c.Cost
	}
	if costs[0].Priced == 0 {
		return "", nil
	}
	text := "Today so far: " + message.Dollars(costs[0])
	var sum fleet.Cost
	for _, c := range costs[1:] {
		sum = sum.Plus(c)
	}
	days := len(costs) - 1
	if days == 0 || sum.Priced == 0 || !sum.Comparable(costs[0]) || sum.LeftOut() > 0 {
		return text + ".", nil
	}
	usual := sum.USD / float64(days)
	mean := message.Dollars(fleet.Cost{USD: usual, Priced: 1, AtMost: sum.AtMost, AtLeast: sum.AtLeast})
	if days == 1 {
		return fmt.Sprintf("%s. By this time yesterday: %s.", text, mean), nil
	}
	return fmt.Sprintf("%s. By this time of the %d days before: %s on average.", text, days, mean), nil
}
