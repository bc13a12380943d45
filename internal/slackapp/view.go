package slackapp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/digest"
)

// view is what an answer, a modal or the Home tab shows, as data: every text is untrusted and
// made inert when it is turned into blocks. A view that is too long for its place is cut, and
// its last part says so.
type view struct {
	// Text is the point in one line: what phones show and screen readers speak.
	Text  string
	Icon  string // an emoji that repeats what the headline says
	Title string // the headline
	Parts []part
}

// part is one piece of a view. Exactly one field, or Heading or Alt with one other, is set.
type part struct {
	Heading string
	Lines   []alert.Line
	Cards   []alert.Card
	Table   *alert.Table
	Text    []string // preformatted lines
	Note    alert.Line
	Buttons []button
	Choice  *choice
	Rule    bool // a line across
	Chart   *digest.Chart
	Alt     string // with Chart: what it shows, in words
}

// button does something when it is pressed.
type button struct {
	Label string
	Verb  string // what to do: one of the verbs
	Value string // with what: a command's text, mostly
	Style slack.Style
	Sure  *sure // asked first
}

// choice is a menu that does something as soon as one of its options is chosen.
type choice struct {
	Verb    string
	Prompt  string
	Options []option
}

type option struct{ Label, Value string }

// sure is a question before a button's deed is done.
type sure struct{ Title, Text, Yes string }

// The verbs of buttons and menus: the part of an action_id before its colon.
const (
	verbShow       = "show"        // show what a command's text asks for, in place
	verbOpen       = "open"        // the same as a new answer, from a message that stays
	verbShare      = "share"       // show it to the channel
	verbFilter     = "filter"      // open the form that edits a command
	verbWaveNodes  = "wave_nodes"  // the nodes of a wave's message
	verbWaveEvents = "wave_events" // and the events on them
	verbMute       = "mute"        // open the form that mutes
	verbUnmute     = "unmute"
)

// surface is where a view is shown.
type surface int

const (
	onMessage surface = iota
	onModal
	onHome
)

// Block limits of each surface. Source: docs.slack.dev, block kit.
func (s surface) maxBlocks() int {
	if s == onMessage {
		return 50
	}
	return 100
}

const (
	maxButton      = 75   // characters of a button's label, and of an option's
	maxValue       = 2000 // characters of a button's value
	maxOptionValue = 150
	maxOptions     = 100
	maxRow         = 25 // elements of an actions block
)

// content turns a view into blocks for a surface, and into the text that stands for them. Charts
// are left out: not every workspace has them yet, and modals never do.
func (v view) content(on surface) content { return v.build(&builder{on: on, budget: maxBlockText}) }

// charted is content for a message, with its charts, which not every workspace takes.
func (v view) charted() content {
	plain := v.content(onMessage)
	if !slices.ContainsFunc(v.Parts, func(p part) bool { return p.Chart != nil }) {
		return plain
	}
	c := v.build(&builder{budget: maxBlockText, charts: true})
	c.plain = &plain
	return c
}

// on is content for a surface, with its charts where there can be any.
func (v view) on(on surface) content {
	if on == onMessage {
		return v.charted()
	}
	return v.content(on)
}

func (v view) build(b *builder) content {
	b.say(section(bold(b.take(strings.TrimSpace(v.Icon+" "+v.Title), 300))))
	for _, p := range v.Parts {
		b.part(p)
	}
	b.flush()
	// A name may look like a link, which Slack would bring to life.
	text := strings.ReplaceAll(strings.TrimSpace(v.Icon+" "+v.Text), "://", ":\u200b//")
	return content{text: escape(text, maxNotification), blocks: b.blocks}
}

// builder collects blocks within the limits of one message or view.
type builder struct {
	on     surface
	budget int // characters left
	cut    bool
	charts bool                    // may be shown
	main   []slack.RichTextElement // rich text not yet in a block
	blocks []slack.Block
	tables int
	ids    int
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

func (b *builder) part(p part) {
	if p.Heading != "" && b.room(units(p.Heading)) {
		b.say(section(text("\n"), bold(b.take(p.Heading, 150))))
	}
	for _, l := range p.Lines {
		if !b.room(units(l.String())) {
			break
		}
		b.say(section(spans(l, b.take)...))
	}
	for _, c := range p.Cards {
		if !b.room(units(c.Name) + 200) {
			break
		}
		elements := []slack.RichTextSectionElement{code(b.take(c.Name, maxName))}
		for _, l := range c.Lines {
			elements = append(elements, text("\n"))
			elements = append(elements, spans(l, b.take)...)
		}
		b.say(quote(elements...))
	}
	if len(p.Text) > 0 && b.room(200) {
		b.say(preformatted(b.take(strings.Join(p.Text, "\n"), max(1, b.budget-800))))
	}
	if p.Table != nil && len(p.Table.Rows) > 0 {
		b.table(p.Table)
	}
	if p.Chart != nil && b.charts && b.room(1500) {
		if block := chart(*p.Chart); block != nil {
			b.flush()
			b.budget -= 600 // about what its labels take
			b.blocks = append(b.blocks, block, note(alert.Line{{Text: p.Alt}}, b.take))
		}
	}
	if p.Rule && b.room(0) {
		b.flush()
		b.blocks = append(b.blocks, slack.NewDividerBlock())
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

// note is a small line of context. Slack shows moments only in mrkdwn there, so its text is
// escaped.
func note(l alert.Line, take func(string, int) string) slack.Block {
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

// table shows a table: as a block in the first place of a message, else as aligned text.
func (b *builder) table(t *alert.Table) {
	if b.on == onMessage && b.tables == 0 {
		if b.room(1000) {
			b.flush()
			b.tables++
			b.blocks = append(b.blocks, table(t, b.take))
		}
		return
	}
	if b.room(600) {
		b.say(preformatted(b.take(strings.Join(aligned(t), "\n"), max(1, b.budget-800))))
	}
}

// aligned shows a table as lines of text with columns of one width.
func aligned(t *alert.Table) []string {
	rows := append([][]string{t.Head}, t.Rows...)
	width := make([]int, len(t.Head))
	for i, r := range rows {
		rows[i] = make([]string, len(r))
		for j, cell := range r {
			rows[i][j] = strings.Map(oneLine, alert.Clip(cell, 40))
			if j < len(width) {
				width[j] = max(width[j], len([]rune(rows[i][j])))
			}
		}
	}
	var lines []string
	for _, r := range rows {
		var s strings.Builder
		for j, cell := range r {
			s.WriteString(cell)
			if j < len(r)-1 && j < len(width) {
				s.WriteString(strings.Repeat(" ", width[j]-len([]rune(cell))+2))
			}
		}
		lines = append(lines, s.String())
	}
	return lines
}

// oneLine keeps a cell in its line.
func oneLine(r rune) rune {
	if r == '\n' || r == '\r' || r == '\t' {
		return ' '
	}
	return r
}

func (b *builder) buttons(bs []button) {
	b.flush()
	if len(b.blocks) >= b.on.maxBlocks() {
		return
	}
	var elements []slack.BlockElement
	for _, x := range bs {
		if len(elements) == maxRow || units(x.Value) > maxValue {
			continue
		}
		b.ids++
		e := slack.NewButtonBlockElement(fmt.Sprintf("%s:%d", x.Verb, b.ids), x.Value, plainText(clip(clean(x.Label), maxButton)))
		e.Style = x.Style
		if x.Sure != nil {
			e.Confirm = slack.NewConfirmationBlockObject(plainText(clip(clean(x.Sure.Title), 100)), plainText(clip(clean(x.Sure.Text), 300)), plainText(clip(x.Sure.Yes, 30)), plainText("Cancel"))
		}
		elements = append(elements, e)
	}
	if len(elements) > 0 {
		b.blocks = append(b.blocks, slack.NewActionBlock("", elements...))
	}
}

func (b *builder) choice(c *choice) {
	b.flush()
	if len(b.blocks) >= b.on.maxBlocks() {
		return
	}
	b.ids++
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
	e := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText(clip(c.Prompt, maxButton)), fmt.Sprintf("%s:%d", c.Verb, b.ids), options...)
	b.blocks = append(b.blocks, slack.NewActionBlock("", e))
}

func plainText(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

// String shows a view as text, for golden files and logs.
func (v view) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s\n", v.Icon, v.Title)
	for _, p := range v.Parts {
		if p.Heading != "" {
			fmt.Fprintf(&s, "\n%s\n", p.Heading)
		}
		for _, l := range p.Lines {
			fmt.Fprintf(&s, "%s\n", l)
		}
		for _, c := range p.Cards {
			fmt.Fprintf(&s, "• %s\n", c.Name)
			for _, l := range c.Lines {
				fmt.Fprintf(&s, "  %s\n", l)
			}
		}
		for _, l := range p.Text {
			fmt.Fprintf(&s, "    %s\n", l)
		}
		if p.Table != nil {
			for _, l := range aligned(p.Table) {
				fmt.Fprintf(&s, "| %s\n", l)
			}
		}
		if p.Rule {
			s.WriteString("----\n")
		}
		if p.Chart != nil {
			fmt.Fprintf(&s, "[chart: %s]\n", p.Alt)
		}
		for _, b := range p.Buttons {
			fmt.Fprintf(&s, "[%s → %s %s]\n", b.Label, b.Verb, b.Value)
		}
		if p.Choice != nil {
			fmt.Fprintf(&s, "[%s ▾ → %s]\n", p.Choice.Prompt, p.Choice.Verb)
			for _, o := range p.Choice.Options {
				fmt.Fprintf(&s, "    %s: %s\n", o.Label, o.Value)
			}
		}
		if len(p.Note) > 0 {
			fmt.Fprintf(&s, "— %s\n", p.Note)
		}
	}
	return s.String()
}
