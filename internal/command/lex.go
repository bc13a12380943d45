package command

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is one word of a text, without its quotes.
type word struct {
	text    string
	pos     []int // where each byte of text stands in the whole text; one more than text has bytes
	at, end int   // its place in the whole text, with quotes
	quoted  bool  // some of it stood in quotes
	literal bool  // it begins in quotes
}

// flaggy reports whether the word is a flag or --.
func (w word) flaggy() bool { return !w.literal && len(w.text) > 1 && w.text[0] == '-' }

// negative reports whether the word is a negative number, and so a value rather than a flag.
func (w word) negative() bool {
	return len(w.text) > 1 && w.text[0] == '-' && ('0' <= w.text[1] && w.text[1] <= '9' || w.text[1] == '.')
}

// place is where the bytes of the word from at to end stand in the whole text.
func (w word) place(at, end int) (int, int) {
	if end <= at {
		return w.pos[at], w.pos[at]
	}
	return w.pos[at], w.pos[end-1] + 1
}

// cut is the part of the word's text from at to end, as a word.
func (w word) cut(at, end int) word {
	first, last := w.place(at, end)
	return word{text: w.text[at:end], pos: w.pos[at : end+1], at: first, end: last, quoted: w.quoted, literal: w.literal}
}

// from is the word without its first n bytes: the value in --flag=value.
func (w word) from(n int) word {
	return word{text: w.text[n:], pos: w.pos[n:], at: w.pos[n], end: w.end, quoted: w.quoted}
}

// with is the word, a blank and the next word as one.
func (w word) with(next word) word {
	return word{
		text: w.text + " " + next.text,
		pos:  append(append(append([]int(nil), w.pos[:len(w.text)]...), w.end), next.pos...),
		at:   w.at, end: next.end, quoted: w.quoted || next.quoted, literal: w.literal,
	}
}

// Quotes, dashes and blanks as phones and word processors write them.
const (
	doubleQuotes = "“”„‟«»″〝〞"
	singleQuotes = "‘’‚‛‹›′`´"
	hyphens      = "‐‑−﹣－" // always a plain hyphen
	dashes       = "–—―"   // a plain dash or two at the beginning of a word
)

// typography gives a text plain quotes, hyphens and blanks, and takes away what has no width.
// Doing it again changes nothing.
func typography(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case strings.ContainsRune(doubleQuotes, r):
			return '"'
		case strings.ContainsRune(singleQuotes, r):
			return '\''
		case strings.ContainsRune(hyphens, r):
			return '-'
		case '！' <= r && r <= '～': // as wide as a Chinese or Korean character
			return r - '！' + '!'
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r):
			return -1
		}
		return r
	}, s)
}

// unslack undoes what Slack does to a text, once: &amp; &lt; &gt; become the characters, links
// and mentions become what the person sees. A bare link loses its scheme.
func unslack(s string) string {
	if !strings.ContainsAny(s, "<&") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '<':
			if n := strings.IndexByte(s[i:], '>'); n > 0 {
				if label, ok := readable(s[i+1 : i+n]); ok {
					b.WriteString(unentity(label))
					i += n
					continue
				}
			}
		case '&':
			if c, n := entity(s[i:]); n > 0 {
				b.WriteByte(c)
				i += n - 1
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// readable is what a person sees of a link or a mention: what stands between < and >.
func readable(inner string) (string, bool) {
	if inner == "" || strings.Contains(inner, "<") {
		return "", false
	}
	target, label, _ := strings.Cut(inner, "|")
	sign := ""
	switch {
	case target == "":
		return "", false
	case inner[0] == '@', inner[0] == '#':
		sign, target = inner[:1], target[1:]
	case inner[0] == '!':
		if strings.HasPrefix(target, "!date^") && label != "" {
			return label, true
		}
		sign, target = "@", target[1:]
	case strings.HasPrefix(target, "mailto:"), strings.HasPrefix(target, "tel:"):
		_, target, _ = strings.Cut(target, ":")
	default:
		scheme, rest, ok := strings.Cut(target, "://")
		if !ok || scheme == "" || rest == "" ||
			strings.ContainsFunc(scheme, func(r rune) bool { return !unicode.IsLetter(r) }) {
			return "", false
		}
		target = rest
		if host, ok := strings.CutSuffix(rest, "/"); ok && !strings.Contains(host, "/") {
			target = host
		}
	}
	if label != "" {
		target = label
	}
	if target == "" {
		return "", false
	}
	return sign + strings.TrimPrefix(target, sign), true
}

// entity is the character that s begins with in Slack's escape, and the escape's length.
func entity(s string) (byte, int) {
	for _, e := range []struct {
		text string
		c    byte
	}{{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}} {
		if strings.HasPrefix(s, e.text) {
			return e.c, len(e.text)
		}
	}
	return 0, 0
}

var (
	entities = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")
	escapes  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
)

func unentity(s string) string { return entities.Replace(s) }

// escape is a text that unslack turns into s: s itself wherever that will do.
func escape(s string) string {
	if unslack(s) == s {
		return s
	}
	return escapes.Replace(s)
}

// lex splits a text into words. It returns the text as it was understood, to which the words'
// places refer. long is asked whether two dashes belong before a name that was written with a
// dash of typography.
func lex(s string, long func(name string) bool) (string, []word, *Mistake) {
	s = typography(unslack(strings.ToValidUTF8(s, "\uFFFD")))
	var out strings.Builder
	var words []word
	var w word
	var text []byte
	var quote rune // that is open
	in, opened := false, 0
	put := func(r string, at int) {
		for k := range len(r) {
			text = append(text, r[k])
			w.pos = append(w.pos, at+k)
		}
	}
	end := func() {
		if in {
			w.text, w.end = string(text), out.Len()
			w.pos = append(w.pos, out.Len())
			words = append(words, w)
		}
		in, w, text = false, word{}, nil
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		at := out.Len()
		if quote == 0 && r == ' ' {
			end()
			out.WriteByte(' ')
			i++
			continue
		}
		if !in {
			in = true
			w.at = at
			if run := dashRun(s[i:]); run > 0 {
				two := "--"
				if name := nameAt(s[i+run:]); name != "" && !long(name) {
					two = "-"
				} else if name == "" && s[i:i+run] == "–" {
					two = "–" // alone: a minus or a bullet, not an em dash
				}
				out.WriteString(two)
				put(two, at)
				i += run
				continue
			}
		}
		switch {
		case quote == '"' && r == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			out.WriteString(s[i : i+2])
			put(s[i+1:i+2], at+1)
			i += 2
			continue
		case quote != 0 && r == quote && !(r == '\'' && inQuotes(s, i)):
			quote = 0
		case quote == 0 && (r == '"' || r == '\'' && !apostrophe(s, i, text)):
			quote, opened = r, at
			w.quoted = true
			w.literal = w.literal || len(text) == 0
		default:
			put(s[i:i+size], at)
		}
		out.WriteString(s[i : i+size])
		i += size
	}
	end()
	if quote != 0 {
		whole := out.String()
		m := wrong(whole, opened, len(whole), problem("the quote %c is not closed", quote), "", "")
		return whole, nil, m.swap(len(whole), len(whole), string(quote))
	}
	return out.String(), words, nil
}

// dashRun is the length in bytes of the dashes that s begins with, 0 if all are plain hyphens.
func dashRun(s string) int {
	n, strange := 0, false
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if r != '-' && !strings.ContainsRune(dashes, r) {
			break
		}
		strange = strange || r != '-'
		n += size
	}
	if !strange {
		return 0
	}
	return n
}

// nameAt is the flag's name that s begins with.
func nameAt(s string) string {
	n := strings.IndexFunc(s, func(r rune) bool { return !(unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-') })
	if n < 0 {
		n = len(s)
	}
	return s[:n]
}

// inQuotes reports whether the single quote at s[i] is an apostrophe between single quotes, as in
// ‘can’t pull’: letters stand around it, and a quote before a blank or the end closes the others.
func inQuotes(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+1:])
	if !unicode.IsLetter(before) || !unicode.IsLetter(after) {
		return false
	}
	rest := s[i+1:] + " "
	closing := strings.Index(rest, "' ")
	opening := strings.Index(rest, " '")
	return closing >= 0 && (opening < 0 || closing <= opening)
}

// apostrophe reports whether the single quote at s[i] belongs to a word, as in can't. Directly
// after a short flag it does not: -l'a in (b)'.
func apostrophe(s string, i int, word []byte) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+1:])
	inner := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	if len(word) > 0 && word[0] != '-' && unicode.IsLetter(before) && strings.Count(s[i:], "'") == 1 {
		return true // the pods' names: nothing closes it
	}
	return len(word) > 0 && !(len(word) == 2 && word[0] == '-') && inner(before) && inner(after)
}

// quote writes a word so that it is read as that word, whatever is in it.
func quote(s string) string {
	if !strings.Contains(s, "'") {
		return "'" + s + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// quoteValue writes a flag's value, in quotes only if it needs them.
func quoteValue(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	if s == "" || strings.ContainsAny(s, ` "'\`) || r == '-' || r == ',' || strings.ContainsRune(dashes, r) ||
		strings.HasSuffix(s, ",") {
		return quote(s)
	}
	return s
}

// quoteText writes a word of text: without quotes only if nothing else can be seen in it.
func quoteText(s string, verb func(string) bool) string {
	if s == "" || verb(s) || yesNo(s) || bindsBack(s) {
		return quote(s)
	}
	for i, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || !('0' <= r && r <= '9' || strings.ContainsRune("._:/-", r))) {
			return quote(s)
		}
	}
	return s
}

// yesNo reports whether a word is one that people write after a flag that takes no value, or the
// one that they write after a span of time.
func yesNo(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "ago":
		return true
	}
	return false
}
