package answer

import (
	"context"
	"errors"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/query"
)

// leastPart is how many characters of a name's middle are enough to find a node by: fewer are a
// part of too many names by chance.
const leastPart = 4

// filterMeant is the request that a word means which is no node's name: live nodes of the zone, the
// type or the pool that is called so, or with the property.
func (a *Answerer) filterMeant(ctx context.Context, cluster string, req command.Nodes,
	now time.Time) (meant command.Nodes, ok bool, err error) {
	name := []string{req.Name}
	for _, by := range []command.Nodes{{Zones: name}, {Types: name}, {Pools: name}} {
		by.View, by.Cluster = command.List, req.Cluster
		count, err := a.store.CountNodes(ctx, cluster, by.Filter(now))
		if err != nil || count.Nodes > 0 {
			return by, err == nil, err
		}
	}
	flag, found := strings.CutPrefix(req.Nearest(), "/nodes ")
	if !found || !strings.HasPrefix(flag, "--") || strings.Contains(flag, " ") {
		return command.Nodes{}, false, nil
	}
	if meant, err = command.ParseNodes(flag, now); err != nil {
		return command.Nodes{}, false, nil
	}
	meant.Cluster = req.Cluster
	return meant, true, nil
}

// offered is a command that a person may have meant, if it is another one than was typed and finds
// something; else "". What cannot be looked up now is offered.
func (a *Answerer) offered(ctx context.Context, line, typed string, now time.Time) string {
	line = strings.TrimSpace(line)
	if line == "" || line == strings.TrimSpace(typed) {
		return ""
	}
	found, err := a.finds(ctx, line, now)
	if _, refused := errors.AsType[*command.Mistake](err); refused || err == nil && !found {
		return ""
	}
	return line
}

// finds reports whether a command line has an answer that is not empty.
func (a *Answerer) finds(ctx context.Context, line string, now time.Time) (bool, error) {
	name, text, _ := strings.Cut(line, " ")
	if name == "/events" {
		req, err := command.ParseEvents(text, now)
		if err != nil || req.View == command.HelpOnEvents {
			return err == nil, err
		}
		cluster, err := a.clusterOf(ctx, req.Cluster, name)
		if err != nil {
			return false, err
		}
		page, err := a.store.Events(ctx, cluster.Cluster, req.Filter(now), query.EventCursor{}, 1)
		return len(page.Events) > 0 || !page.SearchedTo.IsZero(), err
	}
	req, err := command.ParseNodes(text, now)
	if err != nil || req.View == command.HelpOnNodes {
		return err == nil, err
	}
	cluster, err := a.clusterOf(ctx, req.Cluster, name)
	if err != nil || req.View.Whole() {
		return err == nil, err
	}
	if req.View == command.One {
		if _, meant, err := a.filterMeant(ctx, cluster.Cluster, req, now); meant || err != nil {
			return meant, err
		}
		nodes, how, _, err := a.store.FindNodes(ctx, cluster.Cluster, req.Name, 1)
		return len(nodes) > 0 && (how != query.MatchSubstring || len(req.Name) >= leastPart), err
	}
	page, err := a.store.ListNodes(ctx, cluster.Cluster, req.Filter(now), query.SortNewest, 0, 1)
	return page.Total > 0 || nodesLine(req) == "/nodes" || nodesLine(req) == "/nodes list", err
}
