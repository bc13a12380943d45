// Package repo holds the repository itself to its rules: which package may import which, what
// the documents say against what the code does, and what must never be in a tracked file. It
// reads the tree and runs nothing of the program but the list of its configuration variables.
package repo_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite what is generated in the documents")

// root is the repository, seen from this folder.
const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// between is what a document holds between the markers <!-- name --> and <!-- /name -->.
func between(t *testing.T, file, name string) (before, inside, after string) {
	t.Helper()
	before, rest, ok := strings.Cut(read(t, file), "<!-- "+name+" -->\n")
	inside, after, ok2 := strings.Cut(rest, "<!-- /"+name+" -->")
	if !ok || !ok2 {
		t.Fatalf("%s has no markers <!-- %s --> and <!-- /%s -->", file, name, name)
	}
	return before, inside, after
}

// tracked lists the files of the repository: tracked ones, and new ones that are not ignored.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("not a git clone: %v", err)
	} else if err != nil {
		t.Fatalf("listing the tracked files: %v", err)
	}
	var files []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if info, err := os.Lstat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	if len(files) < 50 {
		t.Fatalf("git lists only %d files", len(files))
	}
	return files
}

// source is one Go file of the module.
type source struct {
	path string // from the root
	pkg  string // the package's folder
	test bool
	file *ast.File
	fset *token.FileSet
}

// sources parses every Go file of the module; the modules nested in it are others.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(path, "go.mod"))
			if rel != "." && (nested == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{rel, filepath.ToSlash(filepath.Dir(rel)), strings.HasSuffix(rel, "_test.go"), f, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files found", len(all))
	}
	return all
}

// only says in which packages a module or package may be imported outside of tests.
var only = []struct {
	what string   // import path, also everything below it
	in   []string // folders, also those below
	why  string
}{
	{"k8s.io/apimachinery/pkg/labels", []string{"internal/config", "internal/command", "internal/k8s", "internal/app",
		"internal/clustersim",
		"internal/ledger/ledgertest", "test"}, "it parses ALERT_NODE_SELECTOR and -l"},
	{"k8s.io", []string{"internal/k8s", "internal/app", "internal/clustersim", "internal/ledger/ledgertest", "test"},
		"client-go types end in internal/k8s"},
	{"github.com/slack-go/slack", []string{"internal/slackapp", "internal/slackemu", "internal/app", "test"},
		"slack-go types end in internal/slackapp"},
	{"modernc.org/sqlite", []string{"internal/ledger"}, "SQL ends in internal/ledger"},
	{"database/sql", []string{"internal/ledger"}, "SQL ends in internal/ledger"},
	{"github.com/robfig/cron", []string{"internal/digest/schedule"}, "it parses DIGEST_SCHEDULE"},
	{"gonum.org/v1", []string{"internal/digest/picture"}, "drawing ends in internal/digest/picture"},
	{"rollcall/internal/slackemu", []string{"cmd/demo", "internal/demo", "internal/channel", "internal/slackemu", "test"},
		"the program does not carry the emulator"},
	{"github.com/cloudevents", []string{"internal/webhook", "test"}, "events are written in internal/webhook"},
	{"github.com/standard-webhooks", []string{"internal/webhook", "test"}, "events are signed in internal/webhook"},
	{"github.com/santhosh-tekuri", []string{"internal/webhook/webhooktest", "test"}, "it validates events in tests"},
	{"rollcall/internal/webhook/receiver", []string{"internal/demo", "test"}, "the program carries no receiver"},
	{"rollcall/internal/webhook/webhooktest", []string{"test"}, "it is for tests"},
	{"rollcall/internal/webhook", []string{"internal/app", "internal/demo", "test"},
		"whoever sends declares the sink that it needs"},
	{"rollcall/internal/channel", []string{"internal/demo", "test"}, "the program does not read its own channel"},
	{"rollcall/internal/demo", []string{"cmd/demo"}, "the program does not carry the demo"},
	{"rollcall/internal/clustersim", []string{"internal/demo", "test"}, "the program does not carry the simulation"},
	{"github.com/chromedp", []string{"test"}, "it drives a browser in tests"},
	{"sigs.k8s.io/kustomize", []string{"test"}, "it renders manifests in tests"},
	{"rollcall/internal/alert/alerttest", []string{"test"}, "it is for tests"},
	{"rollcall/internal/ledger/ledgertest", []string{"test"}, "it is for tests"},
	{"rollcall/internal/ledger", []string{"internal/app", "internal/ledger", "test"},
		"whoever needs a ledger declares the methods that it calls"},
	{"rollcall/internal/slackapp", []string{"internal/app", "test"}, "whoever posts declares the sink that it needs"},
	{"rollcall/test", []string{"test"}, "it is for tests"},
}

// pure lists the packages that may import, outside of tests, nothing but the standard library
// and the packages given.
var pure = map[string][]string{
	"internal/fleet":           {},
	"internal/forecast":        {},
	"internal/nearest":         {},
	"internal/wave":            {"rollcall/internal/fleet"},
	"internal/cause":           {"rollcall/internal/fleet"},
	"internal/query":           {"rollcall/internal/fleet"},
	"internal/message":         {"rollcall/internal/fleet"},
	"internal/alert":           {"rollcall/internal/fleet", "rollcall/internal/message", "rollcall/internal/wave"},
	"internal/alert/alerttest": {"rollcall/internal/fleet", "rollcall/internal/wave"},
	"internal/digest": {"rollcall/internal/fleet", "rollcall/internal/message", "rollcall/internal/query",
		"rollcall/internal/wave"},
	"internal/pricing": {"rollcall/internal/fleet", "rollcall/internal/nearest"},
	"internal/command": {"rollcall/internal/fleet", "rollcall/internal/nearest", "rollcall/internal/query",
		"k8s.io/apimachinery/pkg/labels"},
}

// apart lists which packages of our own a package may import outside of tests.
var apart = map[string][]string{
	"internal/k8s": {"rollcall/internal/fleet", "rollcall/internal/nearest", "rollcall/internal/query"},
	"internal/ledger": {"rollcall/internal/cause", "rollcall/internal/fleet", "rollcall/internal/query",
		"rollcall/internal/wave"},
	"internal/answer": {"rollcall/internal/command", "rollcall/internal/digest", "rollcall/internal/digest/schedule",
		"rollcall/internal/fleet", "rollcall/internal/message", "rollcall/internal/query", "rollcall/internal/wave"},
	"internal/deliver": {"rollcall/internal/alert", "rollcall/internal/cause", "rollcall/internal/digest",
		"rollcall/internal/digest/schedule", "rollcall/internal/fleet", "rollcall/internal/forecast",
		"rollcall/internal/message", "rollcall/internal/query", "rollcall/internal/wave"},
	"internal/slackapp": {"rollcall/internal/answer", "rollcall/internal/command", "rollcall/internal/deliver",
		"rollcall/internal/message", "rollcall/internal/wave"},
	"internal/webhook": {"rollcall/internal/deliver", "rollcall/internal/digest", "rollcall/internal/fleet",
		"rollcall/internal/message", "rollcall/internal/wave"},
	"internal/webhook/receiver": {},
	"internal/config": {"rollcall/internal/alert", "rollcall/internal/command", "rollcall/internal/digest/schedule",
		"rollcall/internal/nearest", "rollcall/internal/pricing", "rollcall/internal/wave"},
	"internal/slackemu": {},
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// refused says why a package must not import a path, "" if it may.
func refused(pkg, path string) string {
	standard := !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") && !within(path, "rollcall")
	if may, ok := pure[pkg]; ok && !standard && !slices.Contains(may, path) {
		return "it is pure"
	}
	if may, ok := apart[pkg]; ok && within(path, "rollcall") && !slices.Contains(may, path) {
		return "it stands apart from the other packages"
	}
	for _, r := range only {
		if within(path, r.what) {
			if slices.ContainsFunc(r.in, func(dir string) bool { return within(pkg, dir) }) {
				return ""
			}
			return r.why
		}
	}
	return ""
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, i := range s.file.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if why := refused(s.pkg, path); why != "" {
				t.Errorf("%s imports %s: %s", s.path, path, why)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		pkg, path string
		want      bool
	}{
		{"internal/fleet", "strings", false},
		{"internal/fleet", "golang.org/x/time/rate", true},
		{"internal/fleet", "rollcall/internal/alert", true},
		{"internal/alert", "rollcall/internal/fleet", false},
		{"internal/alert", "rollcall/internal/ledger", true},
		{"internal/alert", "k8s.io/apimachinery/pkg/labels", true},
		{"internal/slackapp", "k8s.io/client-go/rest", true},
		{"internal/config", "k8s.io/apimachinery/pkg/labels", false},
		{"internal/config", "k8s.io/client-go/rest", true},
		{"internal/ledger", "modernc.org/sqlite/lib", false},
		{"internal/app", "database/sql", true},
		{"internal/k8s", "rollcall/internal/ledger", true},
		{"internal/deliver", "rollcall/internal/ledger", true},
		{"internal/deliver", "rollcall/internal/slackapp", true},
		{"internal/answer", "github.com/slack-go/slack", true},
		{"internal/slackapp", "rollcall/internal/ledger", true},
		{"internal/app", "rollcall/internal/ledger", false},
		{"internal/message", "rollcall/internal/alert", true},
		{"internal/k8s", "github.com/slack-go/slack", true},
		{"internal/app", "rollcall/internal/slackemu", true},
		{"internal/app", "github.com/slack-go/slackers", false},
		{"test/channel", "rollcall/internal/slackemu", false},
		{"internal/digest", "rollcall/internal/fleet", false},
		{"internal/digest", "gonum.org/v1/plot/vg", true},
		{"internal/digest/picture", "gonum.org/v1/plot/vg", false},
		{"internal/slackapp", "gonum.org/v1/plot/vg", true},
		{"internal/webhook", "rollcall/internal/ledger", true},
		{"internal/app", "rollcall/internal/webhook", false},
		{"internal/app", "rollcall/internal/webhook/receiver", true},
		{"internal/deliver", "rollcall/internal/webhook", true},
	} {
		if got := refused(tt.pkg, tt.path); (got != "") != tt.want {
			t.Errorf("refused(%s, %s) = %q, want refused %t", tt.pkg, tt.path, got, tt.want)
		}
	}
}

// environment are the functions of package os that read the environment.
var environment = []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}

func TestOnlyConfigReadsTheEnvironment(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || within(s.pkg, "test") || within(s.pkg, "cmd") || s.pkg == "internal/config" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "os" || x.Name == "syscall") &&
				slices.Contains(environment, sel.Sel.Name) {
				t.Errorf("%s reads the environment: only internal/config does", s.fset.Position(n.Pos()))
			}
			return true
		})
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		doc := s.file.Doc.Text()
		documented[s.pkg] = documented[s.pkg] || strings.HasPrefix(doc, "Package ") || strings.HasPrefix(doc, "Command ")
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no doc comment that begins with Package or Command", pkg)
		}
	}
}

var (
	// Folders of a machine that a file was written on. In pieces, so that this file passes.
	machinePath = regexp.MustCompile(`(?:^|[^A-Za-z0-9._~-])/(?:wo` + `rk|ro` + `ot|ho` + `me)/`)
	slackToken  = regexp.MustCompile(`xox[a-z][-.][A-Za-z0-9-]{16,}|xapp-[A-Za-z0-9-]{16,}`)
	otherSecret = regexp.MustCompile(
		`-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|hooks\.slack\.com/services/T[0-9A-Z]{6,}|\bgh[pousr]_[A-Za-z0-9]{36}\b`)
	// Words that mark a token as made up: the emulator's documented ones, and those of tests.
	madeUp = regexp.MustCompile(`(?i)emulator|secret|wrong|fake|example`)
)

// leaks returns what must not be in a tracked file.
func leaks(text string) []string {
	found := machinePath.FindAllString(text, -1)
	for _, token := range slackToken.FindAllString(text, -1) {
		if !madeUp.MatchString(token) {
			found = append(found, token)
		}
	}
	return append(found, otherSecret.FindAllString(text, -1)...)
}

func TestNothingLeaks(t *testing.T) {
	for _, name := range tracked(t) {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(data, 0) >= 0 {
			continue
		}
		for _, leak := range leaks(string(data)) {
			t.Errorf("%s holds %q: a machine's path or a credential", name, leak)
		}
	}
}

func TestLeaks(t *testing.T) {
	digits := strings.Repeat("1234567890", 2)
	for text, want := range map[string]int{
		"see /wo" + "rk/main":                 1,
		"cd /ho" + "me/ann/src":               1,
		`"/ro` + `ot/.kube/config"`:           1,
		"~/.kube/config, /var/lib/rollcall/":  0,
		"https://example.com/wo" + "rk/1":     0,
		"xo" + "xb-" + digits + "-AbCdEfGhIj": 1,
		"xa" + "pp-1-A0" + digits + "-0af3":   1,
		"xoxb-emulator-0000000000-rollcall":   0,
		"xoxb-…, xapp-…":                      0,
		"AK" + "IA" + digits[:16]:             1,
		"-----BEGIN RSA PRIV" + "ATE KEY":     1,
	} {
		if got := leaks(text); len(got) != want {
			t.Errorf("leaks(%q) = %q, want %d", text, got, want)
		}
	}
}

// requirement is one module that go.mod requires.
type requirement struct {
	Path     string
	Indirect bool
}

func direct(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct{ Require []requirement }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, r := range mod.Require {
		if !r.Indirect {
			paths = append(paths, r.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

func TestEveryDependencyIsExplained(t *testing.T) {
	_, table, _ := between(t, "docs/dependencies.md", "dependencies")
	var explained []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		explained = append(explained, m[1])
	}
	slices.Sort(explained)
	want := direct(t)
	for _, path := range want {
		if !slices.Contains(explained, path) {
			t.Errorf("docs/dependencies.md does not explain the dependency %s", path)
		}
	}
	for _, path := range explained {
		if !slices.Contains(want, path) {
			t.Errorf("docs/dependencies.md explains %s, which go.mod does not require directly", path)
		}
	}
}

// width is how long a line may be, in characters; a tab counts as one.
const width = 120

// tooWide returns the numbers of the lines that are too long. In a document, tables, examples of output, and what
// cannot be broken (a line of one word or link) may be; in a test, literal data may be.
func tooWide(name, text string) (lines []int) {
	fenced := false
	for i, l := range strings.Split(text, "\n") {
		prose := strings.TrimSpace(l)
		fenced = fenced != strings.HasPrefix(prose, "```")
		free := strings.HasSuffix(name, ".md") && (fenced || strings.HasPrefix(prose, "|") ||
			strings.HasPrefix(prose, "![") || strings.HasPrefix(l, "    ") || !strings.Contains(prose, " "))
		if strings.HasSuffix(name, "_test.go") {
			l = literal.ReplaceAllString(l, "")
		}
		if utf8.RuneCountInString(l) > width && !free {
			lines = append(lines, i+1)
		}
	}
	return lines
}

// literal is a string, or its part, in a line of Go.
var literal = regexp.MustCompile("\"(?:\\\\.|[^\"\\\\])*\"|`[^`]*`?")

func TestLinesAreNotTooWide(t *testing.T) {
	for _, name := range tracked(t) {
		switch filepath.Ext(name) {
		case ".go", ".md", ".sh":
		default:
			if filepath.Base(name) != "Makefile" && name != ".ci/run" {
				continue
			}
		}
		if strings.Contains(name, "/testdata/") || strings.Contains(name, "/lit-html/") || strings.HasPrefix(name, "bench/") {
			continue
		}
		for _, n := range tooWide(name, read(t, name)) {
			t.Errorf("%s:%d is wider than %d characters", name, n, width)
		}
	}
	long := strings.Repeat("a ", 61)
	if tooWide("a.go", long) == nil || tooWide("a.md", long) == nil || tooWide("a.md", "| "+long) != nil ||
		len(tooWide("a.md", "```\n"+long+"\n```\n"+long)) != 1 || tooWide("a.md", strings.Repeat("a", 200)) != nil {
		t.Error("what is too wide is not told from what is not")
	}
}

// makeTargets lists the targets of the Makefile.
func makeTargets(t *testing.T) []string {
	t.Helper()
	var targets []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z-]*):`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

func TestMakefile(t *testing.T) {
	makefile := read(t, "Makefile")
	_, phony, _ := strings.Cut(makefile, ".PHONY: ")
	phony, _, _ = strings.Cut(strings.ReplaceAll(phony, "\\\n", ""), "\n")
	out, err := exec.Command("make", "-C", root, "--no-print-directory", "help").CombinedOutput()
	if err != nil {
		t.Skipf("make: %v\n%s", err, out)
	}
	targets := makeTargets(t)
	if len(targets) < 5 {
		t.Fatalf("only the targets %q found", targets)
	}
	for _, target := range targets {
		if !regexp.MustCompile(`(?m)^make ` + target + ` +\S`).Match(out) {
			t.Errorf("make help does not explain make %s", target)
		}
		if !slices.Contains(strings.Fields(phony), target) {
			t.Errorf("make %s is not .PHONY", target)
		}
		if !regexp.MustCompile(`(?m)^` + target + `:.*\n\t`).MatchString(makefile) {
			t.Errorf("make %s does nothing", target)
		}
	}
}

func TestCIRunsAsAProgram(t *testing.T) {
	info, err := os.Stat(filepath.Join(root, ".ci/run"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode()&0o111 == 0 {
		t.Error(".ci/run is not executable")
	}
}
