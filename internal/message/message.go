// Package message says what a message is, as data: a headline, lines with moments in them, cards,
// tables, a chart, buttons as intents; and how moments, spans, money, counts and nodes are worded.
//
// Deciders (packages alert, digest and answer) produce messages, and a sink such as Slack renders
// them. All text in a message is untrusted and carries no markup: the sink makes it inert. Package
// message does no I/O, reads no clock, and knows no sink.
package message

import (
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"
)

// Message is what people are shown: an alert, a digest, an answer, the Home tab.
type Message struct {
	// What automations that read the channel are told of a message that is posted there.
	Kind    string
	Cluster string
	Nodes   int          // how many nodes it is about
	Period  Period       // what a digest is about; else zero
	Causes  []CauseCount // why its nodes came and went, the most frequent first; without those of which nothing is known

	// Text is the whole point in one line: what phones show and screen readers speak.
	Text     string
	Icon     string // an emoji that repeats what Headline says
	Headline string
	// Lead is the headline with moments in it, shown instead where each reader can have them in
	// his own time zone; mostly nil.
	Lead  Line
	Parts []Part
	// Wide is shown instead where the sink has tables that each reader sorts and turns himself; nil: there is none.
	Wide *Message
	// Bare is what remains to be said where everything that came from the cluster is refused; ""
	// means the usual sentence.
	Bare  string
	Broad bool // a thread reply that the channel is shown too
	// Mentions are the users (U…, W…), user groups (S…) and @here that the message rings when it is posted. They are the
	// only text in it that a sink may bring to life: whoever runs Rollcall has named them, never the cluster.
	Mentions []string
	// Owner is the signature of the Rollcall that the buttons belong to, as a sink writes it; "" signs none.
	Owner string
}

// Period is a span of time: From is in it, Until is not.
type Period struct{ From, Until time.Time }

// Part is one piece of a message. Exactly one field is set; or Heading or Alt with one other.
type Part struct {
	Heading string
	Lines   []Line
	Cards   []Card
	Table   *Table
	Grid    *Grid
	Text    []string // preformatted lines
	Note    Line     // in small type
	Footer  Line     // running totals in small type; what a message says is the same whatever they are
	Buttons []Button
	Choice  *Choice
	Rule    bool // a line across
	Chart   *Chart
	Alt     string // with Chart: what it shows, in words
}

// Card shows one node or one event.
type Card struct {
	Name  string
	Lines []Line
}

// Table shows groups of nodes, or names by group.
type Table struct {
	Head  []string
	Rows  [][]string
	Names [][]string // for a list: the node names of each row, else nil
}

// Grid is a table that each reader sorts and turns himself. Only a Wide message has one.
type Grid struct {
	Caption string // what it lists
	Head    []string
	Rows    [][]Cell // each as long as Head
}

// Cell is one value of a Grid. A column whose cells are all numeric is sorted by Number, whatever Text says.
type Cell struct {
	Text    string
	Number  float64
	Numeric bool
}

// Button does something when it is pressed.
type Button struct {
	Label string
	Verb  Verb   // what to do
	Value string // with what: a command's text, or a wave's key
	Style Style
}

// Choice is a menu that does something as soon as one of its options is chosen.
type Choice struct {
	Verb    Verb
	Prompt  string
	Options []Option
}

// Option is one line of a Choice.
type Option struct{ Label, Value string }

// Verb is what a button or a menu means. What comes back of it is a request and never authority.
type Verb string

// The verbs.
const (
	Show       Verb = "show"        // show what a command's text asks for, in place
	Open       Verb = "open"        // the same as a new answer, from a message that stays
	Share      Verb = "share"       // show it to the channel
	Filter     Verb = "filter"      // open the form that edits a command
	WaveNodes  Verb = "wave_nodes"  // the nodes of a wave's message
	WaveEvents Verb = "wave_events" // and the events on them
	WaveCauses Verb = "wave_causes" // why they came and went
	Lists      Verb = "lists"       // on or off: show the person lists instead of tables
	Labels     Verb = "labels"      // the labels of the node that a command's text names
	Look       Verb = "look"        // the person looks at what a wave tells
	Mute       Verb = "mute"        // open the form that mutes
	Unmute     Verb = "unmute"      // end a mute
)

// Style sets a button off from the others.
type Style string

// The styles; the zero value is that of most buttons.
const (
	Primary Style = "primary"
	Danger  Style = "danger"
)

// Line is a line of text with moments in it, which each reader sees in his own time zone.
type Line []Span

// Span is a piece of a line: Text, or the moment At.
type Span struct {
	Text string
	At   time.Time
	Day  bool // show the date of At too
	Ago  bool // show how long ago At was, instead
	// Seconds shows At to the second, with its date.
	Seconds bool
}

// NewLine builds a Line of strings, moments (time.Time) and other lines; it panics for any other
// type.
func NewLine(parts ...any) Line {
	var l Line
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			if p != "" {
				l = append(l, Span{Text: p})
			}
		case time.Time:
			l = append(l, Span{At: p})
		case Line:
			l = append(l, p...)
		default:
			panic(fmt.Sprintf("message: a line cannot hold a %T", p)) // a mistake that any test finds
		}
	}
	return l
}

// Sentence is a statement without moments, as the lines of a part.
func Sentence(text string) []Line { return []Line{{{Text: text}}} }

// String shows a line as text, moments in UTC.
func (l Line) String() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.String())
	}
	return b.String()
}

// String shows a span as text, a moment in UTC.
func (s Span) String() string {
	switch {
	case s.At.IsZero():
		return s.Text
	case s.Seconds:
		return s.At.UTC().Format("2 Jan 15:04:05 UTC")
	case s.Day:
		return s.At.UTC().Format("2 Jan 15:04 UTC")
	default:
		return s.At.UTC().Format("15:04 UTC")
	}
}

// Notice is a message of one sentence: that something is done, does not work or is not there, and what to
// do about it with the buttons.
func Notice(icon, text string, buttons ...Button) Message {
	m := Message{Icon: icon, Headline: text, Text: text}
	if len(buttons) > 0 {
		m.Parts = append(m.Parts, Part{Buttons: buttons})
	}
	return m
}

// Hash identifies what the message says, apart from running totals and buttons: a message whose
// hash Slack has accepted needs no edit, also when it has got other buttons since.
func (m Message) Hash() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%d|%s|%t|", m.Kind, m.Nodes, m.Text, m.Broad)
	m.write(h, chat)
	return h.Sum64()
}

// Plain shows the message as text without its controls, for a channel that takes no blocks.
func (m Message) Plain() string {
	var b strings.Builder
	m.write(&b, chat|footers)
	return b.String()
}

// String shows the message as text with its controls, for terminals, logs and golden files.
func (m Message) String() string {
	var b strings.Builder
	m.write(&b, terminal|footers)
	return b.String()
}

// style says how a message is written as text.
type style int

const (
	chat     style = 0         // in letters of different widths
	terminal style = 1 << iota // in letters of one width, with what buttons do
	footers
)

func (m Message) write(w io.Writer, how style) {
	say := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	say("%s %s\n", m.Icon, m.Headline)
	if len(m.Mentions) > 0 && how&terminal != 0 {
		say("(rings %s)\n", strings.Join(m.Mentions, ", "))
	}
	for _, p := range m.Parts {
		if p.Heading != "" {
			say("\n%s\n", p.Heading)
		}
		for _, l := range p.Lines {
			say("%s\n", l)
		}
		for _, c := range p.Cards {
			say("• %s\n", c.Name)
			for _, l := range c.Lines {
				say("  %s\n", l)
			}
		}
		for _, l := range p.Text {
			say("    %s\n", l)
		}
		if p.Table != nil {
			p.Table.write(say, how)
		}
		if p.Grid != nil {
			p.Grid.write(say)
		}
		if p.Chart != nil && how&terminal != 0 {
			say("[chart: %s]\n", p.Alt)
		}
		if len(p.Note) > 0 {
			say("— %s\n", p.Note)
		}
		if len(p.Footer) > 0 && how&footers != 0 {
			say("— %s\n", p.Footer)
		}
		if how&terminal != 0 {
			p.controls(say)
		}
	}
}

func (t *Table) write(say func(string, ...any), how style) {
	if how&terminal != 0 && t.Names == nil {
		for _, l := range t.Aligned() {
			say("| %s\n", l)
		}
		return
	}
	say("%s\n", strings.Join(t.Head, " | "))
	for i, r := range t.Rows {
		say("%s\n", strings.Join(r, " | "))
		if t.Names != nil {
			say("  %s\n", strings.Join(t.Names[i], "\n  "))
		}
	}
}

func (g *Grid) write(say func(string, ...any)) {
	say("| %s\n", strings.Join(g.Head, " | "))
	for _, r := range g.Rows {
		say("")
		for _, c := range r {
			say("| %s ", c.Text)
		}
		say("\n")
	}
}

// controls writes what a terminal cannot have.
func (p Part) controls(say func(string, ...any)) {
	if p.Rule {
		say("----\n")
	}
	for _, b := range p.Buttons {
		say("[%s → %s %s]\n", b.Label, b.Verb, b.Value)
	}
	if p.Choice != nil {
		say("[%s ▾ → %s]\n", p.Choice.Prompt, p.Choice.Verb)
		for _, o := range p.Choice.Options {
			say("    %s: %s\n", o.Label, o.Value)
		}
	}
}

// maxAligned is how long a cell of an aligned table is at most, in runes.
const maxAligned = 40

// Aligned shows the table as lines of text with columns of one width, for letters of one width.
// Names are left out.
func (t *Table) Aligned() []string {
	rows := append([][]string{t.Head}, t.Rows...)
	width := make([]int, len(t.Head))
	for i, r := range rows {
		rows[i] = make([]string, len(r))
		for j, cell := range r {
			rows[i][j] = strings.Map(inLine, Clip(cell, maxAligned))
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

// inLine keeps a cell in its line.
func inLine(r rune) rune {
	if r == '\n' || r == '\r' || r == '\t' {
		return ' '
	}
	return r
}
