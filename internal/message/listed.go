package message

import "strings"

// Listed is the message with lists instead of its tables, and with words instead of its chart, for people whom a screen
// reader reads it to.
func (m Message) Listed() Message {
	m.Wide = nil
	parts := make([]Part, 0, len(m.Parts))
	for _, p := range m.Parts {
		if p.Table != nil && p.Table.Names == nil {
			p.Lines, p.Table = append(p.Lines[:len(p.Lines):len(p.Lines)], p.Table.lines()...), nil
		}
		if p.Chart != nil {
			p.Lines, p.Chart, p.Alt = append(p.Lines[:len(p.Lines):len(p.Lines)], NewLine(p.Alt)), nil, ""
		}
		parts = append(parts, p)
	}
	m.Parts = parts
	return m
}

// lines is the table with a line for each row: what the row is about, and what each column says of it.
func (t *Table) lines() (out []Line) {
	for _, row := range t.Rows {
		var said []string
		for i, cell := range row {
			if i > 0 && i < len(t.Head) && cell != "" {
				said = append(said, strings.TrimSpace(t.Head[i]+" "+cell))
			}
		}
		line := strings.Join(said, ", ")
		if len(row) > 0 {
			line = "• " + strings.TrimSuffix(strings.TrimSpace(row[0])+": "+line, ": ")
		}
		out = append(out, NewLine(line))
	}
	return out
}
