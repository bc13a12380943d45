package slackapp

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"rollcall/internal/message"
)

// Slack's limits on what one message holds. Sources: docs.slack.dev, reference of block kit and
// of chat.postMessage and chat.update; maxBlockText is reported by users, not documented.
const (
	maxText         = 4000   // characters of top-level text that chat.update takes
	maxBlockText    = 12_000 // characters of text in all blocks; Slack refuses from about 13,200
	maxNotification = 600    // our own: more than any phone shows
	maxCell         = 100    // our own: what a table cell shows on a phone
	gridPage        = 10     // our own: rows of a data_table that are shown at once
	maxGridRows     = 100    // without the head. Source: docs.slack.dev, data_table block
	maxName         = 253    // a node name: DNS-1123 subdomain
)

// surface is where a message is shown.
type surface int

const (
	onMessage surface = iota
	onModal
	onHome
)

// maxBlocks is how many blocks a surface holds. Source: docs.slack.dev, block kit.
func (s surface) maxBlocks() int {
	if s == onMessage {
		return 50
	}
	return 100
}

// Source: docs.slack.dev, reference of block elements.
const (
	maxButton      = 75   // characters of a button's label, and of an option's
	maxValue       = 2000 // characters of a button's value
	maxOptionValue = 150
	maxOptions     = 100
	maxRow         = 25 // elements of an actions block
)

// content is a message as Slack takes it. Its blocks hold untrusted text in rich_text elements
// only, which Slack never parses: no name, label or note can ring anyone or break a block.
type content struct {
	text   string
	blocks []slack.Block
	plain  *content // the same for a workspace that does not take every block of these; nil: each does
}

// render turns a message into blocks for a surface, and into the text that stands for them. Charts and sortable
// tables are left out: not every workspace has them yet, and modals never do.
func render(m message.Message, on surface) content {
	return (&builder{on: on, budget: maxBlockText, owner: m.Owner}).build(m)
}

// charted is render for a message, with its charts and sortable tables, which not every workspace takes.
func charted(m message.Message) content {
	plain := render(m, onMessage)
	if m.Wide != nil {
		m.Wide.Owner = m.Owner
		m = *m.Wide
	}
	b := &builder{budget: maxBlockText, charts: true, owner: m.Owner}
	if c := b.build(m); b.drawn {
		c.plain = &plain
		return c
	}
	return plain
}

// best is render for a surface, with charts where there can be any.
func best(m message.Message, on surface) content {
	if on == onMessage {
		return charted(m)
	}
	return render(m, on)
}

// builder collects blocks within the limits of one message or view.
type builder struct {
	on     surface
	budget int // characters left
	cut    bool
	charts bool                    // may be shown
	drawn  bool                    // a chart or a sortable table is shown
	main   []slack.RichTextElement // rich text not yet in a block
	blocks []slack.Block
	tables int
	ids    int
	owner  string // signs the buttons
	about  string // what they act on, in words
}

func (b *builder) build(m message.Message) content {
	b.about = m.Headline
	b.say(section(b.headline(m)...))
	if ring, words := mentions(m.Mentions); ring != nil {
		b.budget -= units(words)
		b.say(section(ring...))
	}
	for _, p := range m.Parts {
		b.part(p)
	}
	b.flush()
	// A name may look like a link, which Slack would bring to life.
	text := ringing(strings.TrimSpace(m.Icon+" "+message.Spoken(m.Text)), m.Mentions, maxNotification)
	text = strings.ReplaceAll(text, "://", ":\u200b//")
	return content{text: text, blocks: b.blocks}
}

// headline is a message's first line.
func (b *builder) headline(m message.Message) []slack.RichTextSectionElement {
	if m.Lead == nil {
		return []slack.RichTextSectionElement{bold(b.take(strings.TrimSpace(m.Icon+" "+m.Headline), 300))}
	}
	elements := []slack.RichTextSectionElement{bold(b.take(m.Icon+" ", 300))}
	for _, s := range m.Lead {
		if s.At.IsZero() {
			elements = append(elements, bold(b.take(s.Text, 300)))
			continue
		}
		elements = append(elements, spans(message.Line{s}, b.take)...)
	}
	return elements
}

// take makes s fit what is left, and counts it.
func (b *builder) take(s string, most int) string {
	s = clip(clean(s), max(1, min(most, b.budget)))
	b.budget -= units(s)
	return s
}

// room reports whether a part that needs about n characters and one more block still fits; what
// does not is left out, and said.
func (b *builder) room(n int) bool {
	if b.budget-n >= 400 && len(b.blocks)+4 < b.on.maxBlocks() {
		return true
	}
	if !b.cut {
		b.cut = true
		b.say(section(text(b.take("… There is more than one message holds: narrow it down with filters.", 100))))
	}
	return false
}

func (b *builder) say(e ...slack.RichTextElement) { b.main = append(b.main, e...) }

// flush puts the rich text collected so far into a block.
func (b *builder) flush() {
	if len(b.main) > 0 {
		b.blocks = append(b.blocks, slack.NewRichTextBlock("", b.main...))
		b.main = nil
	}
}

func (b *builder) part(p message.Part) {
	if p.Heading != "" && b.room(units(p.Heading)) {
		b.say(section(text("\n"), bold(b.take(p.Heading, 150))))
	}
	for _, l := range p.Lines {
		if !b.room(min(units(l.String()), 600)) {
			break
		}
		b.say(section(spans(l, b.take)...))
	}
	b.cards(p.Cards)
	if len(p.Text) > 0 && b.room(200) {
		b.say(preformatted(b.take(strings.Join(p.Text, "\n"), max(1, b.budget-800))))
	}
	if p.Table != nil && len(p.Table.Rows) > 0 {
		b.table(p.Table)
	}
	if p.Grid != nil && b.charts && b.tables == 0 {
		b.flush()
		b.tables++
		b.drawn = true
		b.blocks = append(b.blocks, grid(p.Grid, b.take))
	}
	if p.Chart != nil && b.charts && b.room(1500) {
		if block := chart(*p.Chart); block != nil {
			b.flush()
			b.drawn = true
			b.budget -= 600 // about what its labels take
			b.blocks = append(b.blocks, block, note(message.NewLine(p.Alt), b.take))
		}
	}
	if p.Rule && b.room(0) {
		b.flush()
		b.blocks = append(b.blocks, slack.NewDividerBlock())
	}
	if len(p.Footer) > 0 {
		b.flush()
		b.blocks = append(b.blocks, slack.NewContextBlock("", plainText(b.take(p.Footer.String(), 300))))
	}
	if len(p.Buttons) > 0 {
		b.buttons(p.Buttons)
	}
	if p.Choice != nil && len(p.Choice.Options) > 0 {
		b.choice(p.Choice)
	}
	if len(p.Note) > 0 && b.room(units(p.Note.String())) {
		b.flush()
		b.blocks = append(b.blocks, note(p.Note, b.take))
	}
}

// cards shows cards, each within its share of what is left, so that the texts of one cannot push
// out another.
func (b *builder) cards(cards []message.Card) {
	for i, c := range cards {
		if !b.room(min(units(c.Name), maxName) + 200) {
			break
		}
		left := b.budget / (len(cards) - i)
		share := func(s string, most int) string {
			s = b.take(s, max(1, min(most, left)))
			left -= units(s)
			return s
		}
		elements := []slack.RichTextSectionElement{code(share(c.Name, maxName))}
		for _, l := range c.Lines {
			elements = append(elements, text("\n"))
			elements = append(elements, spans(l, share)...)
		}
		b.say(quote(elements...))
	}
}

// table shows a table: names by group, or as a block in the first place of a message, else as
// aligned text.
func (b *builder) table(t *message.Table) {
	switch {
	case t.Names != nil:
		for i, row := range t.Rows {
			if b.budget < 100 {
				break
			}
			b.say(section(bold(b.take(strings.Join(row, " · "), 300))),
				preformatted(b.take(strings.Join(t.Names[i], "\n"), b.budget)))
		}
	case b.on == onMessage && b.tables == 0:
		if b.room(1000) {
			b.flush()
			b.tables++
			b.blocks = append(b.blocks, table(t, b.take))
		}
	case b.room(600):
		b.say(preformatted(b.take(strings.Join(t.Aligned(), "\n"), max(1, b.budget-800))))
	}
}

func (b *builder) buttons(bs []message.Button) {
	b.flush()
	if len(b.blocks) >= b.on.maxBlocks() {
		return
	}
	var elements []slack.BlockElement
	for _, x := range bs {
		if len(elements) == maxRow || units(x.Value) > maxValue {
			continue
		}
		e := slack.NewButtonBlockElement(b.id(x.Verb), x.Value,
			plainText(clip(clean(x.Label), maxButton)))
		e.Style = slack.Style(x.Style)
		e.AccessibilityLabel = clip(clean(spoken(x.Label, b.about)), maxButton)
		elements = append(elements, e)
	}
	if len(elements) > 0 {
		b.blocks = append(b.blocks, slack.NewActionBlock("", elements...))
	}
}

// spoken is what a screen reader says of a button: a channel has many that are called the same. Signs have no words.
func spoken(label, about string) string {
	return strings.TrimSuffix(strings.TrimSpace(message.Spoken(label))+": "+message.Spoken(about), ": ")
}

func (b *builder) choice(c *message.Choice) {
	b.flush()
	if len(b.blocks) >= b.on.maxBlocks() {
		return
	}
	var options []*slack.OptionBlockObject
	seen := map[string]bool{}
	for _, o := range c.Options {
		if len(options) == maxOptions || o.Value == "" || units(o.Value) > maxOptionValue || seen[o.Value] {
			continue
		}
		seen[o.Value] = true
		options = append(options, slack.NewOptionBlockObject(o.Value, plainText(clip(clean(o.Label), maxButton)), nil))
	}
	if len(options) == 0 {
		return
	}
	e := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText(clip(c.Prompt, maxButton)),
		b.id(c.Verb), options...)
	b.blocks = append(b.blocks, slack.NewActionBlock("", e))
}

// id is the action_id of the next button or menu: what it does, a number, and whose it is.
func (b *builder) id(verb message.Verb) string {
	b.ids++
	return sign(fmt.Sprintf("%s:%d", verb, b.ids), b.owner)
}

func plainText(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}
