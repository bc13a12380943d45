package repo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/config"
)

// required returns the variables that an empty environment lacks.
func required(t *testing.T) []string {
	t.Helper()
	_, err := config.Load(map[string]string{})
	mistakes, ok := errors.AsType[config.Mistakes](err)
	if !ok {
		t.Fatalf("loading an empty environment: %v", err)
	}
	var names []string
	for _, m := range mistakes {
		names = append(names, m.Variable)
	}
	return names
}

func configTable(t *testing.T) string {
	t.Helper()
	must := required(t)
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range config.Variables() {
		def := ""
		switch {
		case slices.Contains(must, v.Name):
			def = "**required**"
		case v.Default != "":
			def = "`" + v.Default + "`"
		}
		if v.Doc == "" {
			t.Errorf("%s has no meaning", v.Name)
		}
		meaning := strings.ReplaceAll(v.Doc, "|", `\|`)
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, def, meaning)
	}
	return b.String()
}

func TestDocumentsListTheConfiguration(t *testing.T) {
	if got := required(t); len(got) != 3 {
		t.Errorf("required variables: %q, want the two tokens and the channel", got)
	}
	holds(t, "docs/configuration.md", "config", configTable(t), "internal/config")
}

// holds compares a table of a document with what it must be, or rewrites it.
func holds(t *testing.T, doc, name, want, source string) {
	t.Helper()
	before, got, after := between(t, doc, name)
	if *update && got != want {
		text := before + "<!-- " + name + " -->\n" + want + "<!-- /" + name + " -->" + after
		if err := os.WriteFile(filepath.Join(root, doc), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table in %s is not what %s says (go test ./test/repo -update rewrites it), -%s +document:\n%s",
			doc, source, name, diff)
	}
}

// TestDocumentsListTheMetrics holds the table against the file that the tests of internal/app hold
// against the program.
func TestDocumentsListTheMetrics(t *testing.T) {
	const source = "internal/app/testdata/metrics.txt"
	var b strings.Builder
	b.WriteString("| metric | type | labels besides `cluster` | meaning |\n|---|---|---|---|\n")
	for line := range strings.Lines(read(t, source)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 4 {
			t.Fatalf("%s: %q has not four fields", source, line)
		}
		if !strings.HasPrefix(fields[0], "rollcall_") {
			continue
		}
		var labels []string
		for label := range strings.FieldsSeq(fields[2]) {
			name, values, _ := strings.Cut(label, "=")
			switch {
			case name == "cluster":
				continue
			case values != "":
				values = ": " + strings.ReplaceAll(values, "|", ", ")
			}
			labels = append(labels, "`"+name+"`"+values)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", fields[0], fields[1], strings.Join(labels, "; "), fields[3])
	}
	holds(t, "docs/metrics.md", "metrics", b.String(), source)
}
