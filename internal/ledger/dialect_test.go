package ledger

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// oneEngine finds what SQLite and PostgreSQL do not both know, or not with the same meaning.
var oneEngine = regexp.MustCompile(`(?i)json_|->|\?\d|PRAGMA|sqlite_|rowid|AUTOINCREMENT|INDEXED BY|` +
	`OR (REPLACE|IGNORE)|\b(instr|ltrim|rtrim|ifnull|total|group_concat|printf|strftime|unixepoch|iif)\(|\bLIKE\b|\bGLOB\b|` +
	`\bCAST\(|\b(max|min)\([^()]*,|\bsum\([a-z_.]+ (=|<>|<|>) |\bsum\([^()]* IS |(^|[ (,])\+[a-z]`)

// SQL that only one engine knows stands in dialect.go, or in the files that are about SQLite's file.
func TestStatementsAreOfBothEngines(t *testing.T) {
	apart := []string{"dialect.go", "schema.go", "move.go", "open.go", "look.go", "backup.go", "room.go"}
	files, err := filepath.Glob("*.go")
	check(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(apart, name) {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		check(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			check(t, err)
			if found := oneEngine.FindString(text); found != "" {
				t.Errorf("%s: %q is not of both engines:\n%s", fset.Position(lit.Pos()), found, text)
			}
			return true
		})
	}
	for sql, want := range map[string]bool{
		`SELECT max(a, b)`: true, `min(first_at, ?)`: true, `x IN (SELECT value FROM json_each(?))`: true,
		`sum(n.status = 'True')`: true, `sum(n.cordoned <> 0)`: true, `a AND +e.scaling = 1`: true, `+n.name >= ?`: true,
		`PRAGMA user_version`: true, `WHERE id = ?1`: true, `own_labels ->> ?`: true, `instr(n.name, ?) > 0`: true,
		`ltrim(x, '0')`: true, `note LIKE ?`: true,
		`max(c.at)`: false, `coalesce(sum(n.cordoned), 0)`: false, `count(*) + 1`: false, `excluded.x + 300000`: false,
		`coalesce(max(id), 0)`: false, `sum(CASE WHEN n.status = 'True' THEN 1 ELSE 0 END)`: false,
		`events = event_totals.events + excluded.events`: false,
	} {
		if got := oneEngine.MatchString(sql); got != want {
			t.Errorf("%s is found: %v", sql, got)
		}
	}
}
