// Package monitoring checks the dashboard and the alert rules of manifests/monitoring: what they
// ask for exists, and the alerts fire when they should.
package monitoring

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var promQL = parser.NewParser(parser.Options{})

// metric is one that the program exports.
type metric struct {
	kind   string
	labels map[string][]string // with all values, nil where these come from outside
}

// ofTarget are the labels that Prometheus adds.
var ofTarget = []string{"job", "instance"}

// exported are the series that the program exports, by name: of a histogram its three.
func exported(t *testing.T) map[string]metric {
	t.Helper()
	const name = "internal/app/testdata/metrics.txt"
	known := map[string]metric{}
	for line := range strings.Lines(string(read(t, name))) {
		fields := strings.Split(line, "\t")
		if len(fields) != 4 {
			t.Fatalf("%s: %q has not four fields", name, line)
		}
		m := metric{fields[1], map[string][]string{}}
		for _, l := range ofTarget {
			m.labels[l] = nil
		}
		for label := range strings.FieldsSeq(fields[2]) {
			l, values, closed := strings.Cut(label, "=")
			m.labels[l] = nil
			if closed {
				m.labels[l] = strings.Split(values, "|")
			}
		}
		if m.kind != "histogram" {
			known[fields[0]] = m
			continue
		}
		known[fields[0]+"_sum"], known[fields[0]+"_count"] = m, m
		bucket := metric{m.kind, maps.Clone(m.labels)}
		bucket.labels["le"] = nil
		known[fields[0]+"_bucket"] = bucket
	}
	if len(known) < 20 {
		t.Fatalf("%s lists only %d series", name, len(known))
	}
	return known
}

// check returns what is wrong with a query, and the metrics and labels that it is about.
func check(known map[string]metric, query string) (problems []string, metrics, names map[string]bool) {
	metrics, names = map[string]bool{}, map[string]bool{}
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	expr, err := promQL.ParseExpr(query)
	if err != nil {
		wrong("%v", err)
		return problems, metrics, names
	}
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		m, ok := known[selector.Name]
		if !ok {
			wrong("there is no metric %q", selector.Name)
			return nil
		}
		metrics[selector.Name] = true
		for l := range m.labels {
			names[l] = true
		}
		for _, match := range selector.LabelMatchers {
			values, ok := m.labels[match.Name]
			switch {
			case match.Name == model.MetricNameLabel:
			case !ok:
				wrong("%s has no label %q", selector.Name, match.Name)
			case values != nil && !slices.ContainsFunc(values, match.Matches):
				wrong("%s never is %s", selector.Name, match)
			}
		}
		for _, above := range path {
			call, ok := above.(*parser.Call)
			if ok && slices.Contains([]string{"rate", "increase"}, call.Func.Name) && m.kind == "gauge" {
				wrong("%s of the gauge %s", call.Func.Name, selector.Name)
			}
		}
		return nil
	})
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		var used []string
		switch n := node.(type) {
		case *parser.AggregateExpr:
			used = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				used = append(slices.Clone(n.VectorMatching.MatchingLabels), n.VectorMatching.Include...)
			}
		}
		for _, l := range used {
			if !names[l] {
				wrong("nothing in it has the label %q", l)
			}
		}
		return nil
	})
	return problems, metrics, names
}

type target struct {
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
}

type panel struct {
	ID          int                      `json:"id"`
	Type        string                   `json:"type"`
	Title       string                   `json:"title"`
	Description string                   `json:"description"`
	Datasource  struct{ UID string }     `json:"datasource"`
	GridPos     struct{ H, W, X, Y int } `json:"gridPos"`
	FieldConfig struct {
		Defaults struct{ Unit string } `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []target `json:"targets"`
}

type dashboard struct {
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

const dashboardFile = "manifests/monitoring/dashboard.json"

// fill puts something in the place of Grafana's variables.
var fill = strings.NewReplacer("$__rate_interval", "5m", "$cluster", "prod")

var legendLabel = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// checkDashboard returns what is wrong with the queries of a dashboard, and the metrics in them.
func checkDashboard(known map[string]metric, d dashboard) (problems []string, metrics map[string]bool) {
	metrics = map[string]bool{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			found, about, names := check(known, fill.Replace(q.Expr))
			for _, l := range legendLabel.FindAllStringSubmatch(q.LegendFormat, -1) {
				if !names[l[1]] {
					found = append(found, fmt.Sprintf("the legend names the label %q", l[1]))
				}
			}
			for _, problem := range found {
				problems = append(problems, fmt.Sprintf("%s: %s: %s", p.Title, q.Expr, problem))
			}
			maps.Copy(metrics, about)
		}
	}
	for _, v := range d.Templating.List {
		if v.Definition == "" {
			continue
		}
		inner, ok := strings.CutPrefix(v.Definition, "label_values(")
		name, label, ok2 := strings.Cut(strings.TrimSuffix(inner, ")"), ", ")
		if m := known[name]; !ok || !ok2 || m.labels == nil {
			problems = append(problems, fmt.Sprintf("variable %s: %s", v.Name, v.Definition))
		} else if _, ok := m.labels[label]; !ok {
			problems = append(problems, fmt.Sprintf("variable %s: %s has no label %q", v.Name, name, label))
		}
		metrics[name] = true
	}
	return problems, metrics
}

func loadDashboard(t *testing.T, data []byte) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	return d
}

func TestDashboardAsksForWhatThereIs(t *testing.T) {
	known := exported(t)
	problems, metrics := checkDashboard(known, loadDashboard(t, read(t, dashboardFile)))
	for _, problem := range problems {
		t.Error(problem)
	}
	for name, m := range known {
		if m.kind == "histogram" && !strings.HasSuffix(name, "_bucket") {
			continue
		}
		if !metrics[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// TestMistakesAreFound makes the mistakes that the tests of the dashboard and the rules are for.
func TestMistakesAreFound(t *testing.T) {
	known := exported(t)
	text := string(read(t, dashboardFile))
	for _, tt := range []struct{ right, wrong, want string }{
		{"rollcall_untold_changes{", "rollcall_untold_change{", `there is no metric "rollcall_untold_change"`},
		{"rollcall_slack_call_seconds_bucket", "rollcall_slack_call_seconds",
			`there is no metric "rollcall_slack_call_seconds"`},
		{`ready=\"false\"`, `raedy=\"false\"`, `has no label "raedy"`},
		{`missed=\"true\"`, `missed=\"ture\"`, `never is missed="ture"`},
		{"sum by (kind)", "sum by (sort)", `nothing in it has the label "sort"`},
		{"{{watch}}", "{{wacht}}", `the legend names the label "wacht"`},
		{"group_left (cluster)", "group_left (clutser)", `nothing in it has the label "clutser"`},
		{"increase(rollcall_changes_total", "increase(rollcall_nodes", "increase of the gauge rollcall_nodes"},
		{"label_values(rollcall_build_info", "label_values(rollcall_info", "label_values(rollcall_info"},
		{"histogram_quantile(0.5, ", "histogram_quantile(0.5, (", "unclosed left parenthesis"},
	} {
		if !strings.Contains(text, tt.right) {
			t.Errorf("%s no longer holds %s", dashboardFile, tt.right)
		}
		problems, _ := checkDashboard(known, loadDashboard(t, []byte(strings.ReplaceAll(text, tt.right, tt.wrong))))
		if !strings.Contains(strings.Join(problems, "\n"), tt.want) {
			t.Errorf("with %s for %s the problems are %q, want one with %q", tt.wrong, tt.right, problems, tt.want)
		}
	}
}

func TestPanels(t *testing.T) {
	d := loadDashboard(t, read(t, dashboardFile))
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: another panel has the id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s is not within the 24 columns", p.Title)
		}
		for _, q := range d.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s lies on %s", p.Title, q.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" ||
			len(p.Targets) == 0 {
			t.Errorf("%q lacks a title, a description, a unit, the data source or a query", p.Title)
		}
		for _, q := range p.Targets {
			if !strings.Contains(q.Expr, `{cluster=~"$cluster"`) {
				t.Errorf("%s: %s does not heed the chosen cluster", p.Title, q.Expr)
			}
		}
	}
}

const rulesFile = "manifests/monitoring/rules.yaml"

// rules are the alerts, checked as Prometheus checks a rule file.
func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	var object struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Spec       map[string]any
	}
	if err := yaml.Unmarshal(read(t, rulesFile), &object); err != nil {
		t.Fatal(err)
	}
	if got := object.APIVersion + " " + object.Kind; got != "monitoring.coreos.com/v1 PrometheusRule" {
		t.Errorf("%s is a %s", rulesFile, got)
	}
	spec, err := yaml.Marshal(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(spec, false, model.UTF8Validation, promQL, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.FailNow()
	}
	var all []rulefmt.Rule
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func TestRules(t *testing.T) {
	known := exported(t)
	severities := []string{"critical", "warning"}
	for _, r := range rules(t) {
		problems, _, _ := check(known, r.Expr)
		for _, problem := range problems {
			t.Errorf("%s: %s", cmp.Or(r.Alert, r.Record), problem)
		}
		if !strings.HasPrefix(r.Alert, "Rollcall") || !slices.Contains(severities, r.Labels["severity"]) ||
			r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s is no alert of Rollcall's with a severity, a summary and a description", cmp.Or(r.Alert, r.Record))
		}
	}
}
