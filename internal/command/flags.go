package command

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"rollcall/internal/nearest"
)

// MaxLength is how many characters a text may have that is read at all; the value of a button in
// Slack has as many. A request without its place in a list prints in at most maxPrinted, so that a
// button's value has room for a place.
const (
	MaxLength  = 2000
	maxPrinted = 1800
	maxWords   = 50
)

// Flag is one flag of a command: what it is called, takes and means.
type Flag struct {
	Name    string   // without its dashes: type
	Short   string   // a letter, "" if there is none
	Value   string   // what it takes: GLOB; "" if nothing
	Meaning string   // one line
	Ask     string   // the same as a question, for a form; "" for what is a switch there, or not there at all
	Detail  string   // more about its value, "" if there is nothing to say
	Example string   // a right value, as it is typed
	Choices []string // all values that there are, nil if they cannot be listed
	Button  bool     // made by buttons, not for people: left out of help and completion
}

// form is the flag as it is printed and as mistakes name it: -l, --type.
func (f Flag) form() string {
	if f.Short != "" {
		return "-" + f.Short
	}
	return "--" + f.Name
}

// option is a flag of requests of type T.
type option[T any] struct {
	Flag
	joins func(value, next word) bool                      // the next word belongs to the value; nil: never
	takes func(value word, rest []word, now time.Time) int // so many of the next words belong to it; nil: none
	means map[string]string                                // words between two values that mean a comma, or "" if none
	apart func(value, next string) (right, problem string) // why the next word cannot follow; nil: it can
	add   func(t *T, value string, now time.Time) error    // the mistake is the value's
	clear func(t *T)                                       // as if it had not been given
	get   func(t T) string                                 // its value, "" if it was not given
	quiet func(t T) bool                                   // other flags print its value; nil: none do
}

// list is a flag whose values are alternatives.
func list[T any](f Flag, field func(*T) *[]string, parse func(string) ([]string, error)) option[T] {
	return option[T]{
		Flag:  f,
		joins: commaJoins,
		means: map[string]string{"or": ",", "and": ""},
		add: func(t *T, value string, _ time.Time) error {
			values, err := parse(value)
			if err != nil {
				return err
			}
			for _, v := range values {
				if p := field(t); !slices.Contains(*p, v) {
					*p = append(*p, v)
				}
			}
			return nil
		},
		clear: func(t *T) { *field(t) = nil },
		get:   func(t T) string { return strings.Join(*field(&t), ",") },
	}
}

// single is a flag that is given once.
func single[T any, V comparable](f Flag, field func(*T) *V, parse func(string, time.Time) (V, error),
	format func(V) string) option[T] {
	return option[T]{
		Flag: f,
		add: func(t *T, value string, now time.Time) error {
			v, err := parse(value, now)
			if err != nil {
				return err
			}
			var zero V
			if p := field(t); *p != zero && *p != v {
				return all(value, f.form()+" is given twice, as "+format(*p)+" and as "+format(v)+"; it takes one value", "",
					format(v))
			}
			*field(t) = v
			return nil
		},
		clear: func(t *T) { var zero V; *field(t) = zero },
		get: func(t T) string {
			var zero V
			if v := *field(&t); v != zero {
				return format(v)
			}
			return ""
		},
	}
}

// toggle is a flag that takes no value, or true or false.
func toggle[T any](f Flag, get func(T) bool, set func(*T, bool)) option[T] {
	return option[T]{
		Flag: f,
		apart: func(_, next string) (string, string) {
			if !yesNo(next) || next == "ago" {
				return "", ""
			}
			return f.form(), f.form() + " takes no value; leave " + shown(next) + " out"
		},
		add: func(t *T, value string, _ time.Time) error {
			v, ok := oneOf(value, "true", "false")
			if !ok {
				return all(value, f.form()+" takes no value but true or false, and "+shown(value)+" is neither", "", "")
			}
			set(t, v == "true")
			return nil
		},
		clear: func(t *T) { set(t, false) },
		get: func(t T) string {
			if get(t) {
				return "true"
			}
			return ""
		},
	}
}

func without[V any](parse func(string) (V, error)) func(string, time.Time) (V, error) {
	return func(s string, _ time.Time) (V, error) { return parse(s) }
}

// text is how a value that is a kind of string prints.
func text[V ~string](v V) string { return string(v) }

// commaJoins reports whether a list goes on in the next word: there is a comma between them.
func commaJoins(value, next word) bool {
	return strings.HasSuffix(value.text, ",") || strings.HasPrefix(next.text, ",")
}

// selectorJoins reports whether a selector goes on in the next word.
func selectorJoins(value, next word) bool {
	v, n := strings.ToLower(value.text), strings.ToLower(next.text)
	if depth(v, 0) > 0 {
		return true
	}
	if strings.HasSuffix(v, " in") || strings.HasSuffix(v, " notin") || strings.HasSuffix(v, " not") {
		return true // a list must follow; where it has no parentheses, that is the mistake
	}
	if v != "" && strings.ContainsRune(",=!<>", rune(v[len(v)-1])) || strings.ContainsRune(",=!<>)", rune(n[0])) {
		return true
	}
	// In and notin belong to the selector: a name cannot follow it.
	return n == "in" || n == "notin" || n == "not" || strings.HasPrefix(n, "in(") || strings.HasPrefix(n, "notin(")
}

// grammar is a command's flags and verbs.
type grammar[T any] struct {
	command string // /nodes
	other   string // /events
	verbs   []string
	flags   []option[T]
	foreign func(name, written, value string) (problem, nearest string) // of a flag that is not ours
	grep    func(s string) string                                       // the word that finds what grep would
}

func (g *grammar[T]) find(name string) *option[T] {
	name = strings.ToLower(name)
	for i := range g.flags {
		f := &g.flags[i]
		if f.Name == name || len(name) == 1 && strings.ToLower(f.Short) == name {
			return f
		}
	}
	return nil
}

func (g *grammar[T]) names() []string {
	var names []string
	for _, f := range g.flags {
		if !f.Button {
			names = append(names, f.Name)
		}
	}
	return names
}

// near is the flag that a name was meant to be, "" if none is.
func (g *grammar[T]) near(name string) string {
	name = strings.ToLower(name)
	if len(name) < 2 {
		return ""
	}
	var begins []string
	for _, n := range g.names() {
		if strings.HasPrefix(n, name) {
			begins = append(begins, n)
		}
	}
	if len(begins) == 1 {
		return begins[0]
	}
	// Of short names too many are near: --foo is not --pool.
	if n := nearest.Word(name, g.names()...); n != "" && len(name) > 2 && (len(name) > 3 || n[0] == name[0]) {
		return n
	}
	return ""
}

// long reports whether name belongs after two dashes rather than one.
func (g *grammar[T]) long(name string) bool {
	name = strings.ToLower(name)
	if utf8.RuneCountInString(name) == 1 {
		return false
	}
	if f := g.find(name[:1]); f != nil && f.Value != "" && g.find(name) == nil && g.near(name) == "" {
		if _, why := g.foreign(name, "", ""); why == "" {
			return false
		}
	}
	return true
}

// span is a part of a text.
type span struct{ at, end int }

// input is a text that was read: what is left beside its flags.
type input struct {
	text  string
	words []word
	seen  map[string]span // where each flag was given last
	now   time.Time
	help  bool // the first word asks for help; the others are its topic
}

// mistake is one at a part of the text.
func (in *input) mistake(at, end int, problem, nearest, example string) *Mistake {
	m := wrong(in.text, at, end, problem, nearest, example)
	if nearest != "" && !strings.HasPrefix(nearest, "/") {
		m.swap(at, end, nearest)
	}
	return m
}

// verb reports whether an unquoted word is a verb, and which.
func (g *grammar[T]) verb(w word) string {
	if w.quoted {
		return ""
	}
	v, _ := oneOf(w.text, g.verbs...)
	return v
}

// read splits a text into flags, which it adds to t, and words.
func (g *grammar[T]) read(text string, now time.Time, t *T) (*input, *Mistake) {
	in := &input{seen: map[string]span{}, now: now}
	if utf8.RuneCountInString(text) > MaxLength {
		begin := []rune(text)[:MaxLength]
		in.text = typography(strings.ToValidUTF8(string(begin), "\uFFFD"))
		return in, tooLong(g.command, in.text,
			problem("the text is longer than %d characters, which is more than is read", MaxLength))
	}
	whole, words, m := lex(text, g.long)
	in.text = whole
	if m != nil {
		m.Nearest = g.command + " " + m.Text + m.replace
		return in, m
	}
	if len(words) > 0 && !words[0].quoted && strings.HasPrefix(words[0].text, "/") {
		first := words[0]
		switch strings.ToLower(first.text) {
		case g.command:
			words = words[1:] // somebody pasted all of it
		case g.other:
			return in, in.mistake(first.at, first.end, problem("this is %s, and %s is another command", g.command, g.other),
				strings.TrimSpace(g.other+in.text[first.end:]), "")
		}
	}
	if len(words) > 0 && (g.verb(words[0]) == "help" || !words[0].quoted && words[0].text == "?") {
		in.help, in.words = true, words[1:]
		return in, nil
	}
	count := 0
	for i := 0; i < len(words); {
		w := words[i]
		i++
		if count++; count > maxWords {
			return in, in.mistake(w.at, len(in.text), problem("the text has more than %d words and flags", maxWords), "",
				g.command+" help")
		}
		if !w.quoted && strings.HasPrefix(w.text, "|") {
			return in, g.piped(in, w, words[i:])
		}
		if !w.flaggy() {
			in.words = append(in.words, w)
			continue
		}
		if w.text == "--" {
			rest := words[i:]
			if len(in.words)+len(in.seen)+len(rest) > maxWords {
				return in, in.mistake(w.at, len(in.text), problem("the text has more than %d words and flags", maxWords), "",
					g.command+" help")
			}
			for _, r := range rest {
				r.quoted, r.literal = true, true // neither verbs nor flags
				in.words = append(in.words, r)
			}
			break
		}
		f, value, given, m := g.flag(in, w, words[i:])
		if m != nil {
			return in, m
		}
		next := func() (word, bool) {
			if i < len(words) && (!words[i].flaggy() || words[i].negative()) {
				return words[i], true
			}
			return word{}, false
		}
		if f.Value != "" {
			if !given {
				v, ok := next()
				if !ok {
					return in, in.mistake(w.at, w.end, problem("%s needs a value (%s)", f.form(), f.Value), "", f.form()+" "+f.Example)
				}
				value = v
				i++
			}
			for f.joins != nil {
				n, ok := next()
				if !ok || n.quoted || n.text == "" || !f.joins(value, n) {
					break
				}
				value = value.with(n)
				i++
			}
			for {
				n, ok := next()
				between, is := f.means[strings.ToLower(n.text)]
				if !ok || !is || n.quoted || i+1 == len(words) || words[i+1].flaggy() {
					break
				}
				after := words[i+1]
				if between == "" {
					return in, in.mistake(w.at, after.end, problem("alternatives of %s are given between commas", f.form()),
						f.form()+" "+quoteValue(value.text+","+after.text), "")
				}
				comma := word{text: between, pos: []int{n.at, n.end}, at: n.at, end: n.end}
				value = value.with(comma).with(after)
				i += 2
			}
			if f.takes != nil && !value.quoted {
				for range f.takes(value, words[i:], now) {
					value = value.with(words[i])
					i++
				}
			}
			if value.text == "" {
				return in, in.mistake(w.at, value.end, problem("%s needs a value (%s), and this one is empty", f.form(), f.Value),
					"", f.form()+" "+f.Example)
			}
		} else if !given {
			value.text = "true"
		}
		if n, ok := next(); ok && f.apart != nil && !n.quoted && (f.Value != "" || !given) {
			if right, problem := f.apart(value.text, n.text); problem != "" {
				at := w.at
				example := ""
				switch {
				case right == "":
					example = f.form() + " " + f.Example
				case f.Value != "":
					right = f.form() + " " + quoteValue(right)
				}
				return in, in.mistake(at, n.end, problem, right, example)
			}
		}
		if err := f.add(t, value.text, now); err != nil {
			return in, g.place(in, f, w, value, asMistake(err))
		}
		if no, _ := oneOf(value.text, "false"); f.Value == "" && no != "" {
			delete(in.seen, f.Name)
			continue
		}
		in.seen[f.Name] = span{w.at, max(w.end, value.end)}
	}
	return in, nil
}

// piped is the mistake of a text that goes on after a |, as in a shell.
func (g *grammar[T]) piped(in *input, w word, rest []word) *Mistake {
	if w.text != "|" {
		rest = slices.Concat([]word{w.from(1)}, rest)
	}
	before := strings.TrimSpace(g.command + " " + in.text[:w.at])
	const why = "nothing is piped here; words and filters narrow an answer"
	if len(rest) > 0 && slices.Contains([]string{"grep", "egrep", "rg"}, strings.ToLower(rest[0].text)) {
		rest = slices.DeleteFunc(slices.Clone(rest[1:]), func(w word) bool { return w.flaggy() && !w.quoted })
		if len(rest) > 0 && g.grep(rest[0].text) != "" {
			before += " " + g.grep(rest[0].text)
		}
	}
	m := wrong(in.text, w.at, len(in.text), why, escape(before), "")
	return m
}

// flag finds the flag that w is, and the value that is in the same word.
func (g *grammar[T]) flag(in *input, w word, rest []word) (f *option[T], value word, given bool, m *Mistake) {
	if strings.HasPrefix(w.text, "--") {
		name, _, has := strings.Cut(w.text[2:], "=")
		f = g.find(undot(name))
		if f != nil && (len(name) == 1 || f.Value != "" && strings.HasSuffix(name, ".")) {
			f = nil
		}
		if f == nil {
			return nil, value, false, g.unknown(in, w, name, rest)
		}
		if has {
			value = w.from(2 + len(name) + 1)
		}
		return f, value, has, nil
	}
	_, size := utf8.DecodeRuneInString(w.text[1:])
	letter, tail := w.text[1:1+size], w.text[1+size:]
	name, _, _ := strings.Cut(w.text[1:], "=")
	if long := g.find(name); len(name) > 1 && long != nil {
		form := "--" + long.Name
		return nil, value, false,
			in.mistake(w.at, w.pos[1+len(name)], problem("%s is written with two dashes", shown("-"+name)), form, "")
	}
	f = g.find(letter)
	if why, _ := g.foreign(strings.ToLower(name), "", ""); why != "" && len(name) > 1 {
		f = nil // -label is not -l abel
	}
	switch {
	case f == nil:
		return nil, value, false, g.unknown(in, w, name, rest)
	case tail == "" || f.Value == "" && tail == ".":
		return f, value, false, nil
	case tail[0] == '=':
		return f, w.from(1 + size + 1), true, nil
	case f.Value == "":
		near, example := "", f.form()
		if _, size := utf8.DecodeRuneInString(tail); g.find(tail[:size]) != nil {
			near, example = f.form()+" -"+tail, ""
		}
		return nil, value, false,
			in.mistake(w.at, w.end, problem("%s takes no value, and %s follows it", f.form(), shown(tail)), near, example)
	}
	return f, w.from(1 + size), true, nil
}

// unknown is the mistake of a flag that this command does not have.
func (g *grammar[T]) unknown(in *input, w word, name string, rest []word) *Mistake {
	dashes := "--"
	if !strings.HasPrefix(w.text, "--") {
		dashes = "-"
	}
	end := w.end
	value := ""
	if _, v, ok := strings.Cut(w.text, "="); ok {
		value = v
		end = w.pos[len(dashes)+len(name)]
	} else if len(rest) > 0 && !rest[0].flaggy() {
		value = rest[0].text
	}
	bare := strings.ToLower(undot(name))
	if f := g.find(bare + "-" + value); f != nil && f.Value == "" { // --not ready
		return in.mistake(w.at, rest0(rest, w).end, shown(dashes+name+" "+value)+" is one word", f.form(), "")
	}
	if why, near := g.foreign(bare, dashes+name, value); why != "" {
		if value != "" && strings.Contains(near, " ") && strings.HasSuffix(near, value) && near[0] != '/' {
			end = max(w.end, rest0(rest, w).end) // near stands for flag and value
		}
		return in.mistake(w.at, end, why, near, g.command+" help")
	}
	near := g.near(bare)
	if f := g.find(bare); near != "" {
		near = "--" + near
	} else if f != nil && f.Short != "" {
		near = "-" + f.Short
	}
	what := shown(dashes+name) + " is not a filter of " + g.command
	if name == "" {
		what = "a name is missing after the dashes; " + g.command + " help lists them"
	} else if near == "" {
		what += "; " + g.command + " help lists them"
	}
	return in.mistake(w.at, end, what, near, "")
}

// at turns the mistake of a word into one of the whole text.
func (in *input) at(w word, m *Mistake) *Mistake {
	at, end := w.at, w.end
	if m.At > 0 || m.End < len(m.Text) {
		at, end = w.place(m.At, m.End)
	}
	out := in.mistake(at, end, m.Problem, m.Nearest, m.Example)
	if out.replace != "" {
		out.swap(w.at, w.end, m.Nearest)
	}
	return out
}

// topic reads what help is asked about: a verb, or a flag without its dashes.
func (g *grammar[T]) topic(in *input) (string, *Mistake) {
	if len(in.words) == 0 {
		return "", nil
	}
	if len(in.words) > 1 {
		w, last := in.words[1], in.words[len(in.words)-1]
		return "", in.mistake(w.at, last.end, "help is about one word", "", g.command+" help "+g.flags[0].Name)
	}
	w := in.words[0]
	name := undot(strings.ToLower(strings.TrimLeft(w.text, "-")))
	if v, ok := oneOf(name, g.verbs...); ok {
		return v, nil
	}
	if f := g.find(name); f != nil && !f.Button {
		return f.Name, nil
	}
	near := nearest.Word(name, append(g.names(), g.verbs...)...)
	if _, other := g.foreign(name, "", ""); strings.HasPrefix(other, "--") {
		near = other[2:]
	}
	m := in.mistake(w.at, w.end, shown(w.text)+" is not a filter of "+g.command+" that help could be about", near,
		g.command+" help")
	if near != "" {
		m.Nearest = g.command + " help " + near
	}
	return "", m
}

// rest0 is the word after w, where w has no value of its own.
func rest0(rest []word, w word) word {
	if len(rest) == 0 || strings.Contains(w.text, "=") {
		return w
	}
	return rest[0]
}

// place turns the mistake of a flag's value into one of the whole text.
func (g *grammar[T]) place(in *input, f *option[T], w, value word, m *Mistake) *Mistake {
	cut := w.at
	if value.pos == nil { // no value was written
		value = word{pos: []int{w.at}, at: w.at, end: w.end}
	} else {
		cut = value.at
	}
	at, end := cut, value.end
	if m.At > 0 || m.End < len(m.Text) {
		at, end = value.place(m.At, m.End)
	}
	out := wrong(in.text, at, end, m.Problem, "", "")
	switch {
	case m.Nearest != "":
		right := m.Nearest
		if !m.raw {
			right = quoteValue(right)
		}
		out.Nearest = f.form() + " " + right
		out.swap(cut, value.end, right)
	case f.Value == "":
		out.Example = f.form()
	default:
		out.Example = f.form() + " " + quoteValue(cmp.Or(m.Example, unquoted(f.Example)))
	}
	return out
}

// unquoted is an example's value without the quotes that it is typed with.
func unquoted(s string) string { return strings.Trim(s, "'") }

// print writes the flags of a request, in the order of the table.
func (g *grammar[T]) print(t T) []string {
	var words []string
	for _, f := range g.flags {
		switch v := f.get(t); {
		case v == "", f.quiet != nil && f.quiet(t):
		case f.Value == "":
			words = append(words, f.form())
		default:
			words = append(words, f.form()+" "+quoteValue(v))
		}
	}
	return words
}

// set gives a flag of a request another value; "" takes it away.
func (g *grammar[T]) set(t *T, name, value string, now time.Time) error {
	f := g.find(name)
	if f == nil {
		return &Mistake{Command: g.command, Text: value, Problem: problem("%s has no flag %s", g.command, shown(name))}
	}
	value = strings.TrimSpace(typography(strings.ToValidUTF8(value, "\uFFFD")))
	was := *t
	f.clear(t)
	if value == "" {
		return nil
	}
	if err := f.add(t, value, now); err != nil {
		*t = was
		m := asMistake(err)
		m.Command = g.command
		if m.Example == "" && m.Nearest == "" {
			m.Example = unquoted(f.Example)
		}
		return m
	}
	return nil
}

// value is the value of a flag of a request, "" if it was not given.
func (g *grammar[T]) value(t T, name string) string {
	if f := g.find(name); f != nil {
		return f.get(t)
	}
	return ""
}
