package slackapp

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"rollcall/internal/message"
)

// note is a small line of context. Slack shows moments only in mrkdwn there, so its text is
// escaped.
func note(l message.Line, take func(string, int) string) slack.Block {
	var s strings.Builder
	for _, span := range l {
		if span.At.IsZero() {
			s.WriteString(escape(take(span.Text, 300), 1500))
			continue
		}
		take(span.String(), maxName)
		s.WriteString(fmt.Sprintf("<!date^%d^%s|%s>", span.At.Unix(), dateFormat(span), escape(span.String(), maxName)))
	}
	// mrkdwn would still bring channels' and people's bare names to life, and format: verbatim
	// stops the one, and what stands here is our own words, counts and moments.
	return slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, s.String(), false, true))
}

func spans(l message.Line, take func(string, int) string) []slack.RichTextSectionElement {
	var elements []slack.RichTextSectionElement
	for _, s := range l {
		if s.At.IsZero() {
			elements = append(elements, text(take(s.Text, 600)))
			continue
		}
		take(s.String(), maxName) // what it shows counts too
		fallback := s.String()
		elements = append(elements, slack.NewRichTextSectionDateElement(s.At.Unix(), dateFormat(s), nil, &fallback))
	}
	return elements
}

// table shows groups as a table block of rich_text cells: the one kind of cell that Slack has
// taken in every version. Its columns wrap, so that a phone shows the first ones whole.
func table(t *message.Table, take func(string, int) string) slack.Block {
	b := slack.NewTableBlock("")
	row := func(cells []string, style *slack.RichTextSectionTextStyle) {
		var out []slack.TableCell
		for _, cell := range cells {
			out = append(out, slack.NewTableRichTextCell(
				section(slack.NewRichTextSectionTextElement(take(cell, maxCell), style))))
		}
		b.AddRow(out...)
	}
	row(t.Head, &slack.RichTextSectionTextStyle{Bold: true})
	for range t.Head {
		b.ColumnSettings = append(b.ColumnSettings, slack.ColumnSetting{Align: slack.ColumnAlignmentLeft, IsWrapped: true})
	}
	for _, r := range t.Rows {
		row(r, nil)
	}
	return b
}

// grid shows a table that readers sort. Its cells are text that Slack does not parse.
func grid(g *message.Grid, take func(string, int) string) slack.Block {
	b := slack.NewDataTableBlock(take(g.Caption, maxCell)).WithPageSize(gridPage)
	head := make([]slack.DataTableCell, len(g.Head))
	for i, h := range g.Head {
		head[i] = slack.NewDataTableRawTextCell(take(h, maxCell))
	}
	b.AddRow(head...)
	for _, r := range g.Rows[:min(len(g.Rows), maxGridRows)] {
		row := make([]slack.DataTableCell, len(r))
		for i, c := range r {
			if text := cmp.Or(strings.TrimSpace(take(c.Text, maxName)), "–"); c.Numeric {
				row[i] = slack.NewDataTableRawNumberCell(c.Number).WithText(text)
			} else {
				row[i] = slack.NewDataTableRawTextCell(text)
			}
		}
		b.AddRow(row...)
	}
	return b
}

func section(elements ...slack.RichTextSectionElement) slack.RichTextElement {
	return slack.NewRichTextSection(elements...)
}

func quote(elements ...slack.RichTextSectionElement) slack.RichTextElement {
	return &slack.RichTextQuote{Type: slack.RTEQuote, Elements: elements}
}

func preformatted(s string) slack.RichTextElement {
	return &slack.RichTextPreformatted{Type: slack.RTEPreformatted, Elements: []slack.RichTextSectionElement{text(s)}}
}

func text(s string) slack.RichTextSectionElement {
	return slack.NewRichTextSectionTextElement(s, nil)
}

func bold(s string) slack.RichTextSectionElement {
	return slack.NewRichTextSectionTextElement(s, &slack.RichTextSectionTextStyle{Bold: true})
}

func code(s string) slack.RichTextSectionElement {
	return slack.NewRichTextSectionTextElement(s, &slack.RichTextSectionTextStyle{Code: true})
}

// dateFormat is how Slack shows a moment in each reader's own time zone.
func dateFormat(s message.Span) string {
	switch {
	case s.Ago:
		return "{ago}"
	case s.Seconds:
		return "{date_short_pretty} {time_secs}"
	case s.Day:
		return "{date_short_pretty} {time}"
	}
	return "{time}"
}
