package alert

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"rollcall/internal/wave"
)

// declared are the values of the constants of type Kind in package wave.
func declared(t *testing.T) []wave.Kind {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../wave/wave.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []wave.Kind
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Kind" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, wave.Kind(value))
		}
		return true
	})
	slices.Sort(all)
	return all
}

func TestEveryKindHasAnEntry(t *testing.T) {
	all := declared(t)
	if len(all) < 11 {
		t.Fatalf("only the kinds %q found", all)
	}
	if !slices.Equal(all, Kinds()) {
		t.Errorf("package wave has the kinds %q, the registry has %q", all, Kinds())
	}
	for kind, k := range kinds {
		if k.say == nil {
			t.Errorf("nothing is said of a wave of kind %s", kind)
		}
	}
}
