package answer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// What a table that readers sort holds. Source: docs.slack.dev, data_table block, for the rows; its characters are
// reported by users, and other blocks of the message need some too.
const (
	gridNodes = 100
	gridChars = 9000
	gridWhy   = 60 // characters of a cause; the node's own view has all of it
)

// wideList is the list as a table that readers sort and turn themselves, of as many nodes as it holds: whole pages of
// the usual list, so that the same commands turn both. It is nil if there is nothing to sort.
func (a *Answerer) wideList(ctx context.Context, usual message.Message, cluster query.ClusterRecord, req command.Nodes,
	page query.NodePage, now time.Time) (*message.Message, error) {
	if page.Total < 2 {
		return nil, nil
	}
	from := (max(req.Page, 1) - 1) * pageNodes
	if page.Total <= gridNodes {
		from = 0
	}
	nodes, grid, err := a.gridFrom(ctx, cluster.Cluster, req, from, now)
	if first := (req.Page - 1) * pageNodes; err == nil && from < first && len(grid.Rows) < page.Total {
		from = first // not all fit
		nodes, grid, err = a.gridFrom(ctx, cluster.Cluster, req, from, now)
	}
	if err != nil {
		return nil, err
	}
	count := len(grid.Rows)
	if count == 0 { // they have gone meanwhile
		return nil, nil
	}
	wide := usual
	wide.Headline = listHeadline(cluster.Cluster, req, page)
	if count < page.Total {
		wide.Headline += fmt.Sprintf(", %d to %d", from+1, from+count)
	}
	wide.Text, grid.Caption = wide.Headline, wide.Headline
	open := &message.Choice{Verb: message.Show, Prompt: "Open a node…"}
	for _, n := range nodes[:count] {
		open.Options = append(open.Options, message.Option{Label: n.Name, Value: nodeLine(n, req.Cluster)})
	}
	wide.Parts = []message.Part{usual.Parts[0], {Grid: &grid}}
	if end := cutNames(grid.Rows); end != "" {
		wide.Parts = append(wide.Parts, message.Part{Note: message.NewLine("Their names end in " + end)})
	}
	wide.Parts = append(wide.Parts, message.Part{Choice: open})
	turn := turns{of: req}
	if from > 0 {
		turn.before = max(1, req.Page-gridNodes/pageNodes)
	}
	if from+count < page.Total {
		turn.after = max(req.Page, 1) + count/pageNodes
	}
	wide.Parts = append(wide.Parts, listControls(turn, count < page.Total)...) // else the reader sorts all of them
	return &wide, nil
}

// gridFrom is a table of the nodes of a list from a place on, and the nodes, of which the first are in it.
func (a *Answerer) gridFrom(ctx context.Context, cluster string, req command.Nodes, from int, now time.Time) (
	[]query.NodeRecord, message.Grid, error) {
	page, err := a.store.ListNodes(ctx, cluster, req.Filter(now), sortOf(req), from, gridNodes)
	if err != nil || len(page.Nodes) == 0 {
		return nil, message.Grid{}, err
	}
	grid, err := a.grid(ctx, page.Nodes, req.Removed, now)
	return page.Nodes, grid, err
}

// column is one property of the nodes of a list.
type column struct {
	head string
	of   func(n query.NodeRecord) message.Cell
	// always shows the column even if it is the same, or empty, for all nodes.
	always bool
}

func words(s string) message.Cell { return message.Cell{Text: s} }

// numeric is a number in words; one that is not known comes before all others.
func numeric(known bool, n float64, s string) message.Cell {
	if !known {
		return message.Cell{Text: "unknown", Number: -1, Numeric: true}
	}
	return message.Cell{Text: s, Number: n, Numeric: true}
}

func ago(d time.Duration, known bool, after string) message.Cell {
	return numeric(known, d.Seconds(), message.Duration(d)+after)
}

// grid shows nodes by columns: as many whole pages as gridChars holds, at least one. A column that is empty for all
// of them is left out.
func (a *Answerer) grid(ctx context.Context, nodes []query.NodeRecord, removed bool, now time.Time) (message.Grid,
	error) {
	var uids []string
	for _, n := range nodes {
		uids = append(uids, n.UID)
	}
	causes, err := a.store.NodeCauses(ctx, nodes[0].Cluster, uids)
	if err != nil {
		return message.Grid{}, err
	}
	columns := []column{{"Node", func(n query.NodeRecord) message.Cell { return words(n.Name) }, true}}
	if removed {
		columns = append(columns,
			column{"Left", func(n query.NodeRecord) message.Cell { return ago(now.Sub(n.RemovedAt), true, " ago") }, true},
			column{"Lived", func(n query.NodeRecord) message.Cell {
				return ago(n.RemovedAt.Sub(n.CreatedAt), !vague(n), "")
			}, true},
			column{"Why", func(n query.NodeRecord) message.Cell {
				return words(message.Clip(message.Went(causes[n.UID].Went.Cause), gridWhy))
			}, false})
	} else {
		columns = append(columns,
			column{"State", func(n query.NodeRecord) message.Cell {
				icon, word := nodeState(n)
				return words(icon + " " + word)
			}, true},
			column{"Up", func(n query.NodeRecord) message.Cell { return ago(now.Sub(n.CreatedAt), true, "") }, true})
	}
	columns = append(columns,
		column{"Type", func(n query.NodeRecord) message.Cell { return words(n.InstanceType) }, false},
		column{"Capacity", func(n query.NodeRecord) message.Cell { return words(n.CapacityType) }, false},
		column{"Zone", func(n query.NodeRecord) message.Cell { return words(n.Zone) }, false},
		column{"Pool", func(n query.NodeRecord) message.Cell { return words(n.Pool) }, false})
	if a.price != nil {
		columns = append(columns, column{"$/h", func(n query.NodeRecord) message.Cell {
			p := a.price(n.Machine())
			hourly := p.Hourly()
			text := strings.TrimSuffix(message.Hourly(hourly), "/h")
			if p.Old {
				text += " (old)"
			}
			if p.Billed != "" {
				return message.Cell{Text: p.Billed, Number: -1, Numeric: true}
			}
			return numeric(p.Known, hourly.USD, text)
		}, false})
	}
	return fill(columns, nodes), nil
}

// cutNames takes from the names in the first column what all of them end in, from a dot on, and returns it: a phone has
// no room for it on every row.
func cutNames(rows [][]message.Cell) string {
	if len(rows) < 2 {
		return ""
	}
	_, domain, _ := strings.Cut(rows[0][0].Text, ".")
	if domain == "" {
		return ""
	}
	end := "." + domain
	for _, r := range rows {
		if first, rest, _ := strings.Cut(r[0].Text, "."); first == "" || rest != domain {
			return ""
		}
	}
	for _, r := range rows {
		r[0].Text = strings.TrimSuffix(r[0].Text, end)
	}
	return end
}

// fill makes a Grid of columns and of as many nodes as it holds.
func fill(columns []column, nodes []query.NodeRecord) message.Grid {
	var g message.Grid
	rows := make([][]message.Cell, len(nodes))
	for _, c := range columns {
		known := c.always
		cells := make([]message.Cell, len(nodes))
		for i, n := range nodes {
			cells[i] = c.of(n)
			known = known || cells[i].Text != "" && (!cells[i].Numeric || cells[i].Number >= 0)
		}
		if !known {
			continue
		}
		g.Head = append(g.Head, c.head)
		for i := range rows {
			rows[i] = append(rows[i], cells[i])
		}
	}
	chars := 0
	for i, r := range rows {
		for _, c := range r {
			chars += len([]rune(c.Text)) + 1
		}
		if chars > gridChars && i >= pageNodes {
			rows = rows[:i/pageNodes*pageNodes]
			break
		}
	}
	g.Rows = slices.Clip(rows)
	return g
}
