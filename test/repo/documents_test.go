package repo_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// markdown lists the documents: the Markdown files of the repository.
func markdown(t *testing.T) []string {
	t.Helper()
	var docs []string
	for _, name := range tracked(t) {
		if strings.HasSuffix(name, ".md") {
			docs = append(docs, name)
		}
	}
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "docs/README.md"} {
		if !slices.Contains(docs, name) {
			t.Fatalf("%s is not among the documents %q", name, docs)
		}
	}
	return docs
}

var (
	link   = regexp.MustCompile(`(?:\]\(|src=")([^)#:"]*)(?:#([^)"]*))?[)"]`)
	target = regexp.MustCompile("(?m)(?:`|^ {4,})make ([a-z][a-z-]*)")
	folder = regexp.MustCompile("`((?:internal|cmd|test|manifests|tools|docs)/[A-Za-z0-9_./-]*)`")
	oldBot = regexp.MustCompile("(?m)bin/bot\\b|(?:`|^ {4,})bot (?:check|price|digest|backup|restore|version)\\b")
)

func TestDocumentsNameWhatIsThere(t *testing.T) {
	targets := makeTargets(t)
	anchors := map[string][]string{}
	for _, doc := range markdown(t) {
		text := read(t, doc)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to := doc
			if m[1] != "" {
				to = path.Join(path.Dir(doc), m[1])
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
				continue
			}
			if m[2] == "" {
				continue
			}
			if anchors[to] == nil {
				anchors[to] = headings(read(t, to))
			}
			if !slices.Contains(anchors[to], m[2]) {
				t.Errorf("%s links to %s#%s: there is no such heading", doc, m[1], m[2])
			}
		}
		for _, m := range folder.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s: %v", doc, m[1], err)
			}
		}
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(targets, m[1]) {
				t.Errorf("%s names make %s, which the Makefile does not have", doc, m[1])
			}
		}
		if name := oldBot.FindString(text); name != "" {
			t.Errorf("%s says %q: the program is called rollcall", doc, name)
		}
	}
}

// headings are the anchors of a document's headings, as GitHub makes them.
func headings(text string) []string {
	var anchors []string
	for _, l := range prose(text) {
		marks, title, ok := strings.Cut(l.text, " ")
		if !ok || marks == "" || strings.Trim(marks, "#") != "" {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		if slices.Contains(anchors, anchor) {
			anchor = fmt.Sprintf("%s-%d", anchor, 1)
		}
		anchors = append(anchors, anchor)
	}
	return anchors
}

// line is a line of a document.
type line struct {
	number int
	text   string
}

// prose are the lines of a document that stand in no fenced code.
func prose(text string) []line {
	var lines []line
	fence, number := "", 0
	for l := range strings.Lines(text) {
		number++
		l = strings.TrimRight(l, "\r\n")
		mark := strings.TrimLeft(l, " ")
		switch {
		case fence != "":
			if strings.HasPrefix(mark, fence) {
				fence = ""
			}
		case strings.HasPrefix(mark, "```"), strings.HasPrefix(mark, "~~~"):
			fence = mark[:3]
		default:
			lines = append(lines, line{number, l})
		}
	}
	return lines
}

func TestHeadings(t *testing.T) {
	text := "# A `b check`\n```\n# no heading\n```\n##no heading\n    # code\n## It's 9:00, and_more\n### A b check\n"
	want := []string{"a-b-check", "its-900-and_more", "a-b-check-1"}
	if got := headings(text); !slices.Equal(got, want) {
		t.Errorf("headings: %q, want %q", got, want)
	}
}

// Nobody reads a long first page: what is longer belongs into docs/.
func TestDocumentsAreShort(t *testing.T) {
	for name, most := range map[string]int{"README.md": 12 << 10, "ARCHITECTURE.md": 20 << 10} {
		if n := len(read(t, name)); n > most {
			t.Errorf("%s has %d bytes, at most %d are allowed", name, n, most)
		}
	}
}
