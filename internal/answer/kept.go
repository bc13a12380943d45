package answer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// How much is shown of what keeps nodes.
const (
	maxKeepers  = 8  // one by one
	keptNodes   = 10 // by name
	maxSettings = 5
)

// kept answers /nodes kept: who keeps which nodes, since when, and what that costs.
func (a *Answerer) kept(ctx context.Context, cluster query.ClusterRecord, req command.Nodes, now time.Time) (
	message.Message, error) {
	var keeps []fleet.Keep
	// What is so now, and nothing that is over.
	for k, err := range a.store.Keeps(ctx, cluster.Cluster, now, now.Add(time.Millisecond)) {
		if err != nil {
			return message.Message{}, err
		}
		keeps = append(keeps, k)
	}
	since, err := a.store.KeepsSince(ctx, cluster.Cluster)
	if err != nil {
		return message.Message{}, err
	}
	sum := fleet.SumKept(keeps, a.price, time.Time{}, now, true)
	v := message.Message{Icon: "🧷", Headline: cluster.Cluster + ": no node is kept from being ended"}
	head := []message.Line{a.freshness(cluster, now)}
	switch n := len(sum.Nodes); {
	case n > 0:
		v.Headline = cluster.Cluster + ": " + message.Kept(n, sum.Could, sum.Hourly, sum.Spent)
		if sum.Hourly.Priced == 0 {
			head = append(head, message.NewLine("What they cost is not known."))
		}
		if words := message.Needed(n, sum.Could); words != "" {
			head = append(head, message.NewLine(words))
		}
	case since.IsZero():
		v.Headline = cluster.Cluster + ": what keeps nodes is not known yet"
	default:
		head = append(head, message.NewLine("No autoscaler says so of any, and none is cordoned for long. Rollcall has "+
			"looked since ", momentLine(since, now), "."))
	}
	v.Text = v.Headline
	v.Parts = append(v.Parts, message.Part{Lines: head})
	if len(sum.By) > 0 {
		v.Parts = append(v.Parts, message.Part{Heading: "By whom", Lines: keepers(sum, now)},
			a.keptCards(sum, now))
	}
	if lines := shortCordons(keeps, now); len(lines) > 0 {
		v.Parts = append(v.Parts, message.Part{Lines: lines})
	}
	if lines := settings(keeps, now); len(lines) > 0 {
		v.Parts = append(v.Parts, message.Part{Heading: "Left alone, and not counted", Lines: lines})
	}
	if len(sum.Nodes) > 0 {
		open := &message.Choice{Verb: message.Show, Prompt: "Open a node…"}
		for _, n := range sum.Nodes[:min(len(sum.Nodes), keptNodes)] {
			to := command.Nodes{View: command.One, Name: n.Name, Cluster: req.Cluster}
			open.Options = append(open.Options, message.Option{Label: n.Name, Value: nodesLine(to)})
		}
		v.Parts = append(v.Parts, message.Part{Choice: open})
	}
	line := nodesLine(req)
	v.Parts = append(v.Parts, message.Part{Buttons: []message.Button{
		show("Nodes", nodesLine(command.Nodes{Cluster: req.Cluster})), show("Refresh", line),
		{Label: "Share", Verb: message.Share, Value: line}}})
	return v, nil
}

// keptParts say what keeps a node from being ended, if anything does, and what that has cost.
func (a *Answerer) keptParts(ctx context.Context, n query.NodeRecord, now time.Time) ([]message.Part, error) {
	if !n.RemovedAt.IsZero() {
		return nil, nil
	}
	keeps, err := a.store.NodeKeeps(ctx, n.Cluster, n.UID)
	// What has been so for a short time only keeps nothing yet; that it is cordoned is said above.
	keeps = slices.DeleteFunc(keeps, func(k fleet.Keep) bool { return !k.Counts(now) && !k.Setting() })
	if err != nil || len(keeps) == 0 {
		return nil, err
	}
	p := message.Part{Heading: "Why it is left alone"}
	sum := fleet.SumKept(keeps, a.price, time.Time{}, now, true)
	if len(sum.Nodes) > 0 {
		p.Heading = "What keeps it from being ended"
	}
	for _, k := range keeps {
		words := message.Keeps(k.Keeper) + ", " + sinceWord(k.AtLeast) + " "
		if k.Setting() && len(sum.Nodes) > 0 {
			words = "Not counted: " + words
		}
		p.Lines = append(p.Lines, message.NewLine(words, momentLine(k.Since, now)))
	}
	if len(sum.Nodes) > 0 && sum.Spent.Priced > 0 {
		p.Lines = append(p.Lines, message.NewLine("Since it is kept it has cost "+message.Spent(sum.Spent)+"."))
	}
	return []message.Part{p}, nil
}

// momentLine is a moment as a line.
func momentLine(t, now time.Time) message.Line { return message.Line{moment(t, now)} }

// keepers says who keeps how many nodes, since when, and what that costs.
func keepers(sum fleet.Kept, now time.Time) (lines []message.Line) {
	rest := fleet.KeptBy{}
	others := 0
	for i, b := range sum.By {
		if i >= maxKeepers {
			others++
			rest.Nodes += b.Nodes
			rest.Hourly, rest.Spent = rest.Hourly.Plus(b.Hourly), rest.Spent.Plus(b.Spent)
			continue
		}
		who := fmt.Sprintf("%d %s, %s ", b.Nodes, message.KeptBy(b.Keeper), sinceWord(b.AtLeast))
		lines = append(lines, message.NewLine(who, momentLine(b.Since, now), costs(b.Hourly, b.Spent)))
	}
	if others > 0 {
		lines = append(lines, message.NewLine(fmt.Sprintf("%d by %d others", rest.Nodes, others),
			costs(rest.Hourly, rest.Spent)))
	}
	return lines
}

func sinceWord(atLeast bool) string {
	if atLeast {
		return "at least since"
	}
	return "since"
}

// costs says what is kept by the hour and so far, after a colon; "" if no price is known.
func costs(hourly, spent fleet.Cost) string {
	if hourly.Priced == 0 {
		return ""
	}
	return ": " + message.Hourly(hourly) + ", " + message.Spent(spent) + " so far"
}

// keptCards shows the nodes that are kept, the dearest first.
func (a *Answerer) keptCards(sum fleet.Kept, now time.Time) message.Part {
	p := message.Part{}
	for i, n := range sum.Nodes {
		if i == keptNodes {
			break
		}
		what := cmp.Or(n.Machine.InstanceType, "unknown machine")
		if n.Machine.CapacityType != "" {
			what += " · " + n.Machine.CapacityType
		}
		if n.Pool != "" {
			what += " · pool " + n.Pool
		}
		if price := message.HourlyPrice(a.price(n.Machine)); price != "" {
			what += " · " + price
		}
		why := message.KeptBy(n.Keeper)
		if n.Others > 0 {
			why += fmt.Sprintf(" and %d more", n.Others)
		}
		if n.Could && !n.Keeper.Proves() {
			why += "; it could go"
		}
		spent := ""
		if n.Spent.Priced > 0 {
			spent = ": " + message.Spent(n.Spent) + " so far"
		}
		p.Cards = append(p.Cards, message.Card{Name: n.Name, Lines: []message.Line{message.NewLine(what),
			message.NewLine(why+", "+sinceWord(n.AtLeast)+" ", momentLine(n.Since, now), spent)}})
	}
	if more := len(sum.Nodes) - keptNodes; more > 0 {
		p.Cards[len(p.Cards)-1].Lines = append(p.Cards[len(p.Cards)-1].Lines,
			message.NewLine(fmt.Sprintf("and %s more, which cost less", message.Count(more, "node"))))
	}
	return p
}

// shortCordons says how many nodes are cordoned, and not for long.
func shortCordons(keeps []fleet.Keep, now time.Time) []message.Line {
	n := 0
	for _, k := range keeps {
		if k.Kind == fleet.ByCordon && !k.Counts(now) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	are := " are"
	if n == 1 {
		are = " is"
	}
	return message.Sentence(message.Count(n, "node") + are + " cordoned for less than " +
		message.Duration(fleet.LongCordon) + ", and not counted.")
}

// settings says what else autoscalers say of why they leave nodes alone.
func settings(keeps []fleet.Keep, now time.Time) (lines []message.Line) {
	type group struct {
		fleet.Keep
		nodes int
	}
	var groups []group
	for _, k := range keeps {
		if !k.Setting() {
			continue
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.Keeper == k.Keeper })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{Keep: k})
		}
		g := &groups[i]
		if k.NodeUID != "" {
			g.nodes++
		}
		if k.Since.Before(g.Since) {
			g.Since, g.AtLeast = k.Since, k.AtLeast
		}
	}
	slices.SortFunc(groups, func(x, y group) int {
		return cmp.Or(cmp.Compare(y.nodes, x.nodes), x.Since.Compare(y.Since), cmp.Compare(x.Kind, y.Kind),
			cmp.Compare(x.Name, y.Name), cmp.Compare(x.Why, y.Why))
	})
	for i, g := range groups {
		if i == maxSettings {
			return append(lines, message.NewLine(fmt.Sprintf("and %d more", len(groups)-i)))
		}
		count := fmt.Sprintf("%d ", g.nodes)
		if g.nodes == 0 {
			count = "All "
		}
		lines = append(lines, message.NewLine(count+message.KeptBy(g.Keeper)+", "+sinceWord(g.AtLeast)+" ",
			momentLine(g.Since, now)))
	}
	return lines
}
