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

// later says which variables are read and checked already, but used by what is not built yet.
var later = map[string]string{
	"DIGEST_SCHEDULE": "used by the digest, not built yet",
	"DIGEST_TIMEZONE": "used by the digest, not built yet",
	"DIGEST_CHANNEL":  "used by the digest, not built yet",
}

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
	unused := len(later)
	for _, v := range config.Variables() {
		def := ""
		switch {
		case slices.Contains(must, v.Name):
			def = "**required**"
		case v.Default != "":
			def = "`" + v.Default + "`"
		}
		meaning := strings.ReplaceAll(v.Doc, "|", `\|`)
		if note := later[v.Name]; note != "" {
			meaning += " (" + note + ")"
			unused--
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, def, meaning)
	}
	if unused != 0 {
		t.Errorf("later names variables that are not there: %v", later)
	}
	return b.String()
}

func TestReadmeListsTheConfiguration(t *testing.T) {
	if got := required(t); len(got) != 3 {
		t.Errorf("required variables: %q, want the two tokens and the channel", got)
	}
	want := configTable(t)
	before, got, after := between(t, "README.md", "config")
	if *update && got != want {
		text := before + "<!-- config -->\n" + want + "<!-- /config -->" + after
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table in README.md is not what internal/config says (go test ./test/repo -update rewrites it), -config +README:\n%s", diff)
	}
}
