package slackapp

import (
	"fmt"
	"time"

	"rollcall/internal/message"

	"github.com/slack-go/slack"
)

// Limits of a chart block. Source: docs.slack.dev, data_visualization block.
const (
	maxChartPoints = 20
	maxChartSeries = 6
	maxChartLabel  = 20
	maxChartTitle  = 50
)

// chartSteps are the widths of a chart's points that people read easily.
var chartSteps = []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour}

// chart turns a chart into the block that Slack draws, or nil if there is nothing to draw. A
// point shows the moment at which there were the most nodes until the next. Slack does not stack
// areas but draws one before the other, so all nodes are an area of their own, behind the others.
func chart(c message.Chart) slack.Block {
	length := c.Until.Sub(c.From)
	if len(c.Series) == 0 || length <= 0 {
		return nil
	}
	layers := c.Series
	if len(layers) > 1 {
		layers = append([]message.Series{sumOf("all", c.Series)}, c.Series...)
	}
	if len(layers) > maxChartSeries {
		layers = append(layers[:maxChartSeries-1:maxChartSeries-1], sumOf("others", layers[maxChartSeries-1:]))
	}
	bins := len(c.Series[0].Nodes)
	width := length/(maxChartPoints-1) + 1
	for _, step := range chartSteps {
		if step*maxChartPoints >= length {
			width = step
			break
		}
	}
	var categories []string
	seen := map[string]bool{}
	var best []int // the bin of each point
	for at := c.From; at.Before(c.Until) && len(categories) < maxChartPoints; at = at.Add(width) {
		label := chartLabel(at, width, length)
		if seen[label] { // an hour that comes twice
			label += at.Format(" MST")
		}
		if seen[label] {
			return nil
		}
		seen[label] = true
		categories = append(categories, clip(label, maxChartLabel))
		first := int(float64(at.Sub(c.From)) / float64(length) * float64(bins))
		last := min(bins, max(first+1, int(float64(at.Add(width).Sub(c.From))/float64(length)*float64(bins))))
		most, bin := -1, first
		for i := first; i < last; i++ {
			if n := nodesIn(c, i); n > most {
				most, bin = n, i
			}
		}
		best = append(best, bin)
	}
	var series []slack.DataVisualizationDataSeries
	names := map[string]bool{}
	for i, s := range layers {
		name := clip(clean(s.Name), maxChartLabel)
		if names[name] {
			name = clip(fmt.Sprintf("%d %s", i+1, clean(s.Name)), maxChartLabel)
		}
		names[name] = true
		var points []slack.DataVisualizationDataPoint
		for j, bin := range best {
			points = append(points, slack.NewDataVisualizationDataPoint(categories[j], float64(s.Nodes[bin])))
		}
		series = append(series, slack.NewDataVisualizationDataSeries(name, points...))
	}
	axis := slack.NewDataVisualizationAxisConfig(categories...).WithXLabel(
		clip(c.From.Format("MST"), maxChartTitle)).WithYLabel("nodes")
	return slack.NewDataVisualizationBlock(clip("Nodes by "+c.By, maxChartTitle),
		slack.NewDataVisualizationAreaChart(axis, series...))
}

// sumOf is the layer of several together.
func sumOf(name string, all []message.Series) message.Series {
	sum := message.Series{Name: name, Nodes: make([]int, len(all[0].Nodes))}
	for _, s := range all {
		for i, n := range s.Nodes {
			sum.Nodes[i] += n
		}
	}
	return sum
}

// nodesIn is how many nodes a bin shows.
func nodesIn(c message.Chart, bin int) (n int) {
	for _, s := range c.Series {
		n += s.Nodes[bin]
	}
	return n
}

func chartLabel(at time.Time, width, length time.Duration) string {
	switch {
	case width < time.Minute:
		return at.Format("15:04:05")
	case length <= 26*time.Hour:
		return at.Format("15:04")
	case length <= 7*24*time.Hour+2*time.Hour:
		return at.Format("Mon 15:04")
	case width < 24*time.Hour:
		return at.Format("2 Jan 15:04")
	}
	return at.Format("2 Jan 2006")
}
