package alert

import (
	"fmt"
	"hash/fnv"
	"io"
	"rollcall/internal/wave"
	"strings"
	"time"
)

// Message is what Slack is to show, as data. All text is untrusted and carries no markup: the
// Slack adapter makes it inert.
type Message struct {
	Kind  wave.Kind
	Nodes int // how many nodes it is about, for the message metadata
	// Text is the whole point in one line: what phones show and screen readers speak.
	Text     string
	Icon     string // an emoji that repeats what Headline says
	Headline string
	// Lead is the headline with moments in it, shown instead where each reader can have them in
	// his own time zone; mostly nil.
	Lead   Line
	Cards  []Card // nodes one by one
	Table  *Table // or in groups
	Lines  []Line // statements
	Footer Line   // running totals; not part of the message's Hash
	Broad  bool   // a thread reply that the channel is shown too
}

// Card shows one node.
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

// line builds a Line of strings and moments.
func line(parts ...any) Line {
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
			panic(fmt.Sprintf("alert: a line cannot hold a %T", p)) // a mistake in this package, found by its tests
		}
	}
	return l
}

// String shows a line as text, moments in UTC.
func (l Line) String() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.String())
	}
	return b.String()
}

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

// String shows the message as text, for logs, golden files and places without blocks.
func (m Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", m.Icon, m.Headline)
	for _, c := range m.Cards {
		fmt.Fprintf(&b, "• %s\n", c.Name)
		for _, l := range c.Lines {
			fmt.Fprintf(&b, "  %s\n", l)
		}
	}
	if t := m.Table; t != nil {
		fmt.Fprintf(&b, "%s\n", strings.Join(t.Head, " | "))
		for i, r := range t.Rows {
			fmt.Fprintf(&b, "%s\n", strings.Join(r, " | "))
			if t.Names != nil {
				fmt.Fprintf(&b, "  %s\n", strings.Join(t.Names[i], "\n  "))
			}
		}
	}
	for _, l := range m.Lines {
		fmt.Fprintf(&b, "%s\n", l)
	}
	if len(m.Footer) > 0 {
		fmt.Fprintf(&b, "— %s\n", m.Footer)
	}
	return b.String()
}

// Hash identifies what the message says, apart from the running totals: a message whose hash
// Slack has accepted needs no edit.
func (m Message) Hash() uint64 {
	m.Footer = nil
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%d|%s|%t|", m.Kind, m.Nodes, m.Text, m.Broad)
	io.WriteString(h, m.String())
	return h.Sum64()
}
