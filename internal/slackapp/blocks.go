package slackapp

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
)

// Slack's limits on what one message holds. Sources: docs.slack.dev, reference of block kit and
// of chat.postMessage and chat.update; maxBlockText is reported by users, not documented.
const (
	maxText         = 4000   // characters of top-level text that chat.update takes
	maxBlockText    = 12_000 // characters of text in all blocks; Slack refuses from about 13,200
	maxNotification = 600    // our own: more than any phone shows
	maxCell         = 100    // our own: what a table cell shows on a phone
	maxName         = 253    // a node name: DNS-1123 subdomain
)

// content is a message as Slack takes it. Its blocks hold untrusted text in rich_text elements
// only, which Slack never parses: no name, label or note can ring anyone or break a block.
type content struct {
	text   string
	blocks []slack.Block
	plain  *content // the same for a workspace that does not take it; nil: every one does
}

// render turns a message into blocks, with the buttons under it.
func render(m alert.Message, buttons ...button) content {
	c := content{text: escape(strings.TrimSpace(m.Icon+" "+m.Text), maxNotification)}
	budget := maxBlockText
	take := func(s string, most int) string {
		s = clip(clean(s), max(1, min(most, budget)))
		budget -= units(s)
		return s
	}
	var main []slack.RichTextElement
	main = append(main, section(headline(m, take)...))
	for _, card := range m.Cards {
		elements := []slack.RichTextSectionElement{code(take(card.Name, maxName))}
		for _, l := range card.Lines {
			elements = append(elements, text("\n"))
			elements = append(elements, spans(l, take)...)
		}
		main = append(main, quote(elements...))
	}
	if m.Table == nil {
		main = append(main, lines(m.Lines, take)...)
		c.blocks = append(c.blocks, slack.NewRichTextBlock("", main...))
	} else {
		names := m.Table.Names != nil
		if names {
			for i, row := range m.Table.Rows {
				if budget < 100 {
					break
				}
				main = append(main, section(bold(take(strings.Join(row, " · "), 300))), preformatted(take(strings.Join(m.Table.Names[i], "\n"), budget)))
			}
		}
		c.blocks = append(c.blocks, slack.NewRichTextBlock("", main...))
		if !names && len(m.Table.Rows) > 0 {
			c.blocks = append(c.blocks, table(m.Table, take))
		}
		if len(m.Lines) > 0 {
			c.blocks = append(c.blocks, slack.NewRichTextBlock("", lines(m.Lines, take)...))
		}
	}
	if len(m.Footer) > 0 {
		c.blocks = append(c.blocks, slack.NewContextBlock("", slack.NewTextBlockObject(slack.PlainTextType, take(m.Footer.String(), 300), false, false)))
	}
	b := builder{on: onMessage, blocks: c.blocks}
	b.buttons(buttons)
	c.blocks = b.blocks
	return c
}

// headline is a message's first line.
func headline(m alert.Message, take func(string, int) string) []slack.RichTextSectionElement {
	if m.Lead == nil {
		return []slack.RichTextSectionElement{bold(take(strings.TrimSpace(m.Icon+" "+m.Headline), 300))}
	}
	elements := []slack.RichTextSectionElement{bold(take(m.Icon+" ", 300))}
	for _, s := range m.Lead {
		if s.At.IsZero() {
			elements = append(elements, bold(take(s.Text, 300)))
			continue
		}
		elements = append(elements, spans(alert.Line{s}, take)...)
	}
	return elements
}

// plain is the same message without blocks, for a workspace that refuses them.
func plain(m alert.Message) content {
	return content{text: escape(m.String(), maxText)}
}

// bare is what remains to be said when Slack refuses everything that came from the cluster.
func bare(m alert.Message) content {
	return content{text: fmt.Sprintf("Rollcall: %s, %d nodes. Slack refuses the details; type /nodes for them.", m.Kind, m.Nodes)}
}

func lines(ls []alert.Line, take func(string, int) string) []slack.RichTextElement {
	if len(ls) == 0 {
		return nil
	}
	var elements []slack.RichTextSectionElement
	for i, l := range ls {
		if i > 0 {
			elements = append(elements, text("\n"))
		}
		elements = append(elements, spans(l, take)...)
	}
	return []slack.RichTextElement{section(elements...)}
}

func spans(l alert.Line, take func(string, int) string) []slack.RichTextSectionElement {
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
// taken in every version.
func table(t *alert.Table, take func(string, int) string) slack.Block {
	b := slack.NewTableBlock("")
	row := func(cells []string, style *slack.RichTextSectionTextStyle) {
		var out []slack.TableCell
		for _, cell := range cells {
			out = append(out, slack.NewTableRichTextCell(section(slack.NewRichTextSectionTextElement(take(cell, maxCell), style))))
		}
		b.AddRow(out...)
	}
	row(t.Head, &slack.RichTextSectionTextStyle{Bold: true})
	for _, r := range t.Rows {
		row(r, nil)
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
func dateFormat(s alert.Span) string {
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

// units is the length of a string as Slack counts it at worst: in UTF-16 code units.
func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// clip cuts valid UTF-8 to at most n units, ending in … if it cut.
func clip(s string, n int) string {
	if units(s) <= n {
		return s
	}
	n-- // for the …
	for i, r := range s {
		if n -= utf16.RuneLen(r); n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// clean makes a string one that a block takes: never empty, no control characters but the line
// break, nothing that is not UTF-8.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "�")
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if s == "" {
		return " "
	}
	return s
}

// escape makes text inert where Slack parses it, and at most limit characters long. Only three
// characters carry meaning there; none of their entities is cut in half.
func escape(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range clean(s) {
		out := string(r)
		switch r {
		case '&':
			out = "&amp;"
		case '<':
			out = "&lt;"
		case '>':
			out = "&gt;"
		}
		if n += units(out); n >= limit {
			b.WriteString("…")
			break
		}
		b.WriteString(out)
	}
	return b.String()
}

// Metadata's event types: a contract with other automations that read the channel.
const (
	MetadataWave   = "rollcall_wave"
	MetadataDigest = "rollcall_digest"
)

// metadata is the message metadata that carries our key. It holds nothing secret: every app in
// the workspace can read it.
func metadata(key, cluster string, m alert.Message) slack.SlackMetadata {
	return slack.SlackMetadata{EventType: MetadataWave, EventPayload: map[string]any{
		"key": key, "cluster": cluster, "kind": string(m.Kind), "nodes": m.Nodes,
	}}
}

// options are what every post and edit of a message has in common.
func (c content) options(meta slack.SlackMetadata) []slack.MsgOption {
	opts := []slack.MsgOption{slack.MsgOptionText(c.text, false), slack.MsgOptionMetadata(meta), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
	// Also when there are none: an edit that names no blocks keeps the old ones.
	return append(opts, slack.MsgOptionBlocks(c.blocks...))
}
