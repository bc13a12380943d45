package ledger

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// SQL that only SQLite knows stands in dialect.go, or in the files that are about SQLite's file.
func TestStatementsAreOfBothEngines(t *testing.T) {
	apart := []string{"dialect.go", "schema.go", "move.go", "open.go", "backup.go"}
	only := regexp.MustCompile(`(?i)json_each|->>|PRAGMA|\binstr\(|\bCAST\([^)]* AS INTEGER\)|\b(max|min)\([^()]*,|` +
		`\bsum\([a-z_.]+ (=|<>) |[ (,\x60]\+[a-z]+\.[a-z_]+\b|OR REPLACE|OR IGNORE|\bglob\b ?\?|rowid`)
	files, err := filepath.Glob("*.go")
	check(t, err)
	raw := regexp.MustCompile("(?s)`[^`]*`")
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(apart, name) {
			continue
		}
		text, err := os.ReadFile(name)
		check(t, err)
		for _, sql := range raw.FindAllString(string(text), -1) {
			if found := only.FindString(sql); found != "" {
				t.Errorf("%s: %q is SQLite's own:\n%s", name, found, sql)
			}
		}
	}
	for _, sql := range []string{"`SELECT max(a, b)`", "`x IN (SELECT value FROM json_each(?))`",
		"`sum(n.status = 'True')`",
		"`a AND +e.scaling = 1`", "`PRAGMA user_version`", "`+n.name >= ?`"} {
		if !only.MatchString(sql) {
			t.Errorf("%s passes", sql)
		}
	}
	for _, sql := range []string{"`max(c.at)`", "`coalesce(sum(n.cordoned), 0)`", "`count(*) + 1`"} {
		if only.MatchString(sql) {
			t.Errorf("%s does not pass", sql)
		}
	}
}
