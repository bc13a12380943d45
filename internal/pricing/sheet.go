package pricing

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxRows     = 100_000 // of a user's table
	maxPrice    = 10_000  // US dollars an hour: a few times that of the largest machines there are
	maxMistakes = 10      // that are told one by one
)

// Mistake is one thing wrong with a table of prices.
type Mistake struct {
	Line    int    // 0: it is not of one line
	Column  string // "": it is not of one column
	Value   string // what stands there, shortened
	Problem string // what is wrong and what would be right
}

func (m Mistake) Error() string {
	var b strings.Builder
	if m.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", m.Line)
	}
	if m.Column != "" {
		fmt.Fprintf(&b, "%s %q: ", m.Column, m.Value)
	}
	return b.String() + m.Problem
}

// Mistakes is everything wrong with a table of prices, the first ten one by one.
type Mistakes []Mistake

func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// sheet reads a CSV table with a header and collects the mistakes in it. Columns may come in any
// order; a byte order mark, blank lines and lines that begin with # are skipped.
type sheet struct {
	csv      *csv.Reader
	columns  []string
	fields   []string // of the row
	line     int      // of the row
	rows     int
	mistakes Mistakes
	more     int   // mistakes beyond maxMistakes
	broken   error // of the reader
}

func newSheet(r io.Reader) *sheet {
	buffered := bufio.NewReader(r)
	if mark, _ := buffered.Peek(3); string(mark) == "\uFEFF" {
		buffered.Discard(3)
	}
	s := &sheet{csv: csv.NewReader(buffered)}
	s.csv.Comment = '#'
	s.csv.FieldsPerRecord = -1
	s.csv.TrimLeadingSpace = true
	s.csv.ReuseRecord = true
	return s
}

// header reads the header. It reports whether the rows can be read with it.
func (s *sheet) header(known []string, example string) bool {
	if !s.read() {
		if s.broken == nil && len(s.mistakes) == 0 {
			s.note(Mistake{Problem: "the table is empty; its first line names the columns, for example " + example})
		}
		return false
	}
	for _, f := range s.fields {
		s.columns = append(s.columns, strings.ToLower(f))
	}
	if !slices.ContainsFunc(s.columns, func(c string) bool { return slices.Contains(known, c) }) {
		// What the file is nobody knows: none of it is shown.
		problem := "the first line must name the columns, for example " + example
		if len(s.columns) == 1 && strings.ContainsAny(s.columns[0], ";\t") {
			problem = "the columns must be separated by commas, not by semicolons or tabs: " + example
		}
		s.note(Mistake{Line: s.line, Problem: problem})
		return false
	}
	for i, c := range s.columns {
		switch {
		case !slices.Contains(known, c):
			s.note(Mistake{Line: s.line, Problem: fmt.Sprintf("the column %q is not known; the columns are %s", short(c),
				strings.Join(known, ", "))})
		case slices.Contains(s.columns[:i], c):
			s.note(Mistake{Line: s.line, Problem: fmt.Sprintf("the column %s is there twice", c)})
		}
	}
	return len(s.mistakes) == 0
}

// next reads the next row that is not blank.
func (s *sheet) next(most int) bool {
	if !s.read() {
		return false
	}
	if s.rows++; s.rows > most {
		s.note(Mistake{Line: s.line, Problem: fmt.Sprintf("the table has more than %d rows", most)})
		return false
	}
	return true
}

func (s *sheet) read() bool {
	for {
		fields, err := s.csv.Read()
		if err == io.EOF {
			return false
		}
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			// After a quote that is not closed nothing is what it seems.
			s.note(Mistake{Line: parse.Line,
				Problem: fmt.Sprintf("%v; a value with quotes or commas stands in quotes, with each quote in it doubled",
					parse.Err)})
			return false
		}
		if err != nil {
			s.broken = err
			return false
		}
		blank := true
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
			blank = blank && fields[i] == ""
		}
		if !blank {
			s.fields = fields
			s.line, _ = s.csv.FieldPos(0)
			return true
		}
	}
}

// fits reports whether the row has no more fields than there are columns, and notes it if not.
func (s *sheet) fits() bool {
	if len(s.fields) <= len(s.columns) {
		return true
	}
	s.note(Mistake{Line: s.line,
		Problem: fmt.Sprintf("it has %d fields for %d columns; is a decimal comma meant? Write 0.096", len(s.fields),
			len(s.columns))})
	return false
}

func (s *sheet) has(column string) bool { return slices.Contains(s.columns, column) }

// get returns a field of the row, "" if there is none.
func (s *sheet) get(column string) string {
	if i := slices.Index(s.columns, column); i >= 0 && i < len(s.fields) {
		return s.fields[i]
	}
	return ""
}

// price returns a price of the row, and notes what is none. A blank one is 0 if it may be.
func (s *sheet) price(column string, optional bool) (usd float64, ok bool) {
	text := s.get(column)
	if text == "" && optional {
		return 0, true
	}
	usd, err := strconv.ParseFloat(text, 64)
	switch {
	case text == "":
		s.wrong(column, "it is missing; write US dollars an hour, for example 0.096")
	case err == nil && usd > maxPrice:
		s.wrong(column, "it is more than %d US dollars an hour; is it the price of a month?", maxPrice)
	case err != nil || math.Signbit(usd) || math.IsNaN(usd): // a zero keeps its sign when it is shown
		s.wrong(column, "it is not a price; write %s", nearestPrice(text))
	default:
		return usd, true
	}
	return 0, false
}

var number = regexp.MustCompile(`[0-9]*[.,]?[0-9]+`)

// nearestPrice is the price that a person meant, as Go writes it, or an example.
func nearestPrice(text string) string {
	if found := number.FindAllString(text, -1); len(found) == 1 && !strings.Contains(text, "-") {
		if usd, err := strconv.ParseFloat(strings.Replace(found[0], ",", ".", 1), 64); err == nil && usd <= maxPrice {
			return strconv.FormatFloat(usd, 'f', -1, 64)
		}
	}
	return "US dollars an hour, for example 0.096"
}

// wrong notes a mistake in a field of the row.
func (s *sheet) wrong(column, format string, args ...any) {
	s.note(Mistake{Line: s.line, Column: column, Value: short(s.get(column)), Problem: fmt.Sprintf(format, args...)})
}

func (s *sheet) note(m Mistake) {
	if len(s.mistakes) == maxMistakes {
		s.more++
		return
	}
	s.mistakes = append(s.mistakes, m)
}

// err is what was wrong: Mistakes, or the reader's error.
func (s *sheet) err() error {
	if s.broken != nil {
		return fmt.Errorf("reading the table: %w", s.broken)
	}
	if s.more > 0 {
		return append(s.mistakes, Mistake{Problem: fmt.Sprintf("and %d more mistakes", s.more)})
	}
	if len(s.mistakes) > 0 {
		return s.mistakes
	}
	return nil
}

// short is the beginning of a text that may be long.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return s
}
