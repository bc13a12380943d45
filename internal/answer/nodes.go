package answer

import (
	"context"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// How much a view shows at once.
const (
	pageNodes   = 10 // nodes of a list
	groupRows   = 12 // groups of a summary: about what a phone shows at once
	lastChanges = 5
	maxChoices  = 10 // nodes to choose from when a name is not enough
	nodeChanges = 15
	nodeEvents  = 5
)

// nodes answers /nodes.
func (a *Answerer) nodes(ctx context.Context, req command.Nodes, now time.Time) (message.Message, error) {
	if req.View == command.HelpOnNodes {
		return a.help(command.NodesHelp.About(req.Topic)), nil
	}
	cluster, err := a.clusterOf(ctx, req.Cluster, "/nodes")
	if err != nil {
		return message.Message{}, err
	}
	switch req.View {
	case command.List:
		return a.nodeList(ctx, cluster, req, now)
	case command.One:
		return a.oneNode(ctx, cluster, req, now)
	case command.Digest:
		return a.digest(ctx, cluster, req, now)
	case command.Waiting:
		return a.waiting(ctx, cluster, req, now)
	case command.Kept:
		return a.kept(ctx, cluster, req, now)
	case command.Spot:
		return a.spot(ctx, cluster, req, now)
	case command.Costs:
		return a.costs(ctx, cluster, req, now)
	}
	return a.summary(ctx, cluster, req, now)
}

// nodesLine is the command line of a request.
func nodesLine(req command.Nodes) string { return strings.TrimSpace("/nodes " + req.String()) }

// filtered reports whether a request leaves nodes out.
func filtered(req command.Nodes) bool {
	bare := command.Nodes{View: req.View, By: req.By, Sort: req.Sort, Page: req.Page, Cluster: req.Cluster}
	return nodesLine(req) != nodesLine(bare)
}

// listOf is the list with a request's filters.
func listOf(req command.Nodes) command.Nodes {
	req.View, req.By, req.Page = command.List, "", 0
	return req
}

// filterWords is what a request filters by, as the person would type it.
func filterWords(req command.Nodes) string {
	req.View, req.By, req.Sort, req.Page, req.Cluster = command.Summary, "", "", 0, ""
	if len(req.Names) > 0 { // only a list has names
		req.View = command.List
	}
	return message.Clip(strings.TrimPrefix(req.String(), "list "), 300)
}

// sinceWords says since when removed nodes are counted.
func sinceWords(req command.Nodes) string {
	if req.Since.IsZero() {
		return ""
	}
	if req.Since.Ago > 0 {
		return " in the last " + message.Duration(req.Since.Ago)
	}
	return " since " + req.Since.At.UTC().Format("2 Jan 15:04 UTC")
}

// dimensionWords heads the first column of groups.
func dimensionWords(by query.Dimension) string {
	switch by {
	case query.ByType, query.ByZone, query.ByPool, query.ByCapacity, query.ByArch:
		return strings.ToUpper(string(by[:1])) + string(by[1:])
	}
	return string(by)
}
