package helm

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v4/pkg/cli/values"
	"helm.sh/helm/v4/pkg/getter"

	"rollcall/internal/config"
)

var update = flag.Bool("update", false, "rewrite what is generated in the documents")

// elsewhere are the variables that are set by other values than config.
var elsewhere = []string{"DATABASE_URL", "KUBECONFIG", "SLACK_APP_TOKEN", "SLACK_BOT_TOKEN", "WEBHOOK_SECRET", "WEBHOOK_URL"}

// Each mistake is refused, with a message that names the value.
func TestSchemaRefusesMistakes(t *testing.T) {
	for _, test := range []struct{ value, name string }{
		{"imgae.tag=v1", "imgae"},
		{"image.repo=a", "/image"},
		{"image.repo=a", "repo"},
		{"image.repository=registry.example.com/rollcall:v1", "/image/repository"},
		{"image.repository=registry.example.com/rollcall@sha256:0a", "/image/repository"},
		{"image.tag=1", "/image/tag"},
		{"image.tag=v1+dirty", "/image/tag"},
		{"image.digest=0a", "/image/digest"},
		{"image.pullPolicy=always", "/image/pullPolicy"},
		{"imagePullSecrets={regcred}", "/imagePullSecrets/0"},
		{"fullnameOverride=Rollcall", "/fullnameOverride"},
		{"slack.token=xoxb-1", "token"},
		{"slack.botToken=xapp-1,slack.appToken=xapp-1", "/slack/botToken"},
		{"slack.appToken=xoxb-1,slack.botToken=xoxb-1", "/slack/appToken"},
		{"slack.existingSecret=My_Secret", "/slack/existingSecret"},
		{"webhook.url=https://example.com", "url"},
		{"config.SLACK_CHANEL=C0EXAMPLE", "SLACK_CHANEL"},
		{"config.SLACK_BOT_TOKEN=xoxb-1", "SLACK_BOT_TOKEN"},
		{"config.DATABASE_URL=sqlite:a.db", "DATABASE_URL"},
		{"persistence.enabled=yes", "/persistence/enabled"},
		{"persistence.size=5", "/persistence/size"},
		{"persistence.size=5GB", "/persistence/size"},
		{"persistence.storageClass=Fast SSD", "/persistence/storageClass"},
		{"persistence.existingClaim=My Claim", "/persistence/existingClaim"},
		{"kubeconfig.key=a/b", "/kubeconfig/key"},
		{"serviceAccount.create=1", "/serviceAccount/create"},
		{"serviceAccount.annotations.a=1", "/serviceAccount/annotations/a"},
		{"rbac.create=no", "/rbac/create"},
		{"karpenter=true", "karpenter"},
		{"priorityClass.value=2000000000", "/priorityClass/value"},
		{"priorityClass.value=high", "/priorityClass/value"},
		{"resources.limits.memory=1.5Gi", "/resources/limits/memory"},
		{"resources.limit.memory=1Gi", "limit"},
		{"resources.requests=64Mi", "/resources/requests"},
		{"nodeSelector.gpu=true", "/nodeSelector/gpu"},
		{"tolerations.key=a", "/tolerations"},
		{"tolerations[0].effects=NoSchedule", "effects"},
		{"tolerations[0].effect=NoSchedul", "/tolerations/0/effect"},
		{"affinity.nodeAfinity.a=b", "nodeAfinity"},
		{"podLabels.a=1", "/podLabels/a"},
		{"podAnnotations.a=true", "/podAnnotations/a"},
		{"networkPolicy.egressPorts={https}", "/networkPolicy/egressPorts/0"},
		{"networkPolicy.egressPorts={70000}", "/networkPolicy/egressPorts/0"},
		{"networkPolicy.metricsFrom={monitoring}", "/networkPolicy/metricsFrom/0"},
		{"networkPolicy.metricsFrom[0].namespace=monitoring", "namespace"},
		{"networkPolicy.egressTo[0].ipBlock.cidrs=10.0.0.0/8", "/networkPolicy/egressTo/0/ipBlock"},
		{"monitoring.podMonitor.interval=30", "/monitoring/podMonitor/interval"},
		{"monitoring.enabled=true", "enabled"},
		{"extraEnv.HTTPS_PROXY=http://proxy", "/extraEnv"},
		{"extraEnv[0].value=a", "/extraEnv/0"},
		{"extraEnv[0].name=A,extraEnv[0].value=1", "/extraEnv/0/value"},
		{"extraVolumes[0].emptyDir=a", "/extraVolumes/0"},
		{"extraVolumeMounts[0].name=a", "/extraVolumeMounts/0"},
		{"replicas=2", "replicas"},
	} {
		_, err := template(t, "rollcall", "rollcall", set(t, append(slices.Clone(few), test.value)...))
		if err == nil || !strings.Contains(err.Error(), test.name) || !strings.Contains(err.Error(), "schema") {
			t.Errorf("%s is to be refused with a message that names %s: %v", test.value, test.name, err)
		}
	}
}

// What the schema says of a variable is what the program says.
func TestSchemaKnowsTheVariables(t *testing.T) {
	for _, test := range []struct {
		name         string
		right, wrong []string
	}{
		{"SLACK_CHANNEL", []string{"C0EXAMPLE", "G0EXAMPLE"}, []string{"#ops", "ops", "c0example", "U0EXAMPLE", "<#C0EXAMPLE|ops>"}},
		{"SLACK_ALLOWED_USERS", []string{"", "U0EXAMPLE", "U0EXAMPLE,W0EXAMPLE", "U0EXAMPLE, U1EXAMPLE"}, []string{"@ann", "C0EXAMPLE"}},
		{"SLACK_ALLOWED_CHANNELS", []string{"", "C0EXAMPLE,C1EXAMPLE"}, []string{"#ops", "C0EXAMPLE,ops"}},
		{"DIGEST_CHANNEL", []string{"", "C0EXAMPLE"}, []string{"digests"}},
		{"SLACK_API_URL", []string{"", "https://slack.com/api/", "http://localhost:3000/api"}, []string{"slack.com", "ftp://slack.com/"}},
		{"ALERT_WAVE_GAP", []string{"", "30s", "1m30s", "1.5m"}, []string{"30", "30 s", "half a minute", "1d"}},
		{"ALERT_WAVE_MAX", []string{"10m"}, []string{"10"}},
		{"BLIND_AFTER", []string{"0s", "3m"}, []string{"3", "never"}},
		{"PENDING_AFTER", []string{"0s", "10m"}, []string{"10"}},
		{"REMIND_AFTER", []string{"0s"}, []string{"2 hours"}},
		{"SCALING_RETENTION", []string{"2160h"}, []string{"90d"}},
		{"EVENT_RETENTION", []string{"24h"}, []string{"1d"}},
		{"DIGEST_TIMEZONE", []string{"UTC", "Europe/Berlin", "Etc/GMT+5"}, []string{"Central European Time", "+02:00"}},
		{"DIGEST_WHEN_QUIET", []string{"post", "skip"}, []string{"never"}},
		{"PRICE_DISCOUNT", []string{"0", "12", "12.5", "100"}, []string{"12 %", "101", "-1", "a lot"}},
		{"HTTP_ADDR", []string{"", ":8080", "0.0.0.0:8080", "[::]:8080"}, []string{"8080", ":http", ":"}},
		{"LOG_LEVEL", []string{"", "debug", "error"}, []string{"verbose"}},
		{"LOG_FORMAT", []string{"", "text", "json"}, []string{"xml"}},
		{"CLUSTER_NAME", []string{"prod", ""}, nil},
	} {
		refused := func(value any) error {
			vals := set(t, few...)
			vals["config"].(map[string]any)[test.name] = value
			_, err := template(t, "rollcall", "rollcall", vals)
			return err
		}
		loaded := func(value string) error {
			env := map[string]string{"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_CHANNEL": "C0EXAMPLE"}
			env[test.name] = value
			_, err := config.Load(env)
			return err
		}
		for _, value := range test.right {
			if err := refused(value); err != nil {
				t.Errorf("%s=%s is refused by the chart: %v", test.name, value, err)
			}
			if err := loaded(value); err != nil {
				t.Errorf("%s=%s is refused by the program: %v", test.name, value, err)
			}
		}
		for _, value := range test.wrong {
			if err := refused(value); err == nil || !strings.Contains(err.Error(), "/config/"+test.name) {
				t.Errorf("%s=%s is to be refused by the chart: %v", test.name, value, err)
			}
			if err := loaded(value); err == nil {
				t.Errorf("%s=%s is taken by the program", test.name, value)
			}
		}
		if test.name != "PRICE_DISCOUNT" {
			if err := refused(true); err == nil {
				t.Errorf("%s=true is taken", test.name)
			}
		}
	}

	var schema struct {
		Properties struct {
			Config struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(load(t).Schema, &schema); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(elsewhere)
	for _, v := range config.Variables() {
		if !slices.Contains(elsewhere, v.Name) {
			want = append(want, v.Name)
		}
	}
	got := slices.AppendSeq(slices.Clone(elsewhere), maps.Keys(schema.Properties.Config.Properties))
	slices.Sort(want)
	slices.Sort(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("the schema knows other variables than the program (values.schema.json, config), -program +schema:\n%s", diff)
	}
}

// What no schema can say is refused too, all of it at once.
func TestMissingValues(t *testing.T) {
	_, err := template(t, "rollcall", "rollcall", map[string]any{})
	for _, want := range []string{"image.repository: it is missing", "image.tag: it is missing",
		"config.SLACK_CHANNEL: it is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without any values: %v, want %s", err, want)
		}
	}
	for value, want := range map[string]string{
		"slack.botToken=xoxb-1": "slack.appToken: it is missing",
		"slack.appToken=xapp-1": "slack.botToken: it is missing",
		"slack.botToken=xoxb-1,slack.appToken=xapp-1,slack.existingSecret=mine": "slack.existingSecret: the tokens are in",
		"serviceAccount.create=false":                                           "serviceAccount.name: it is missing",
	} {
		if _, err := template(t, "rollcall", "rollcall", set(t, append(slices.Clone(few), value)...)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

// The files of docs/helm.md are taken, by the program too.
func TestDocumentedFiles(t *testing.T) {
	page, err := os.ReadFile("../../docs/helm.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "prices"} {
		_, text, ok := strings.Cut(string(page), "<!-- "+name+" -->\n")
		text, _, ok2 := strings.Cut(text, "<!-- /"+name+" -->")
		file := filepath.Join(t.TempDir(), "rollcall.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil || !ok || !ok2 {
			t.Fatalf("docs/helm.md has no block %s: %v", name, err)
		}
		options := values.Options{ValueFiles: []string{file}, Values: few}
		vals, err := options.MergeValues(getter.Providers{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := template(t, "rollcall", "rollcall", vals); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		env := map[string]string{"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
		for name, value := range vals["config"].(map[string]any) {
			env[name] = value.(string)
		}
		delete(env, "PRICES_FILE") // which is not here
		if _, err := config.Load(env); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// row is a value as the document shows it.
type row struct{ name, standard, meaning string }

// documented reads the comments of values.yaml. A mapping has rows for its parts if these have comments, and one for
// itself if it has one.
func documented(t *testing.T, prefix string, n *yaml.Node) (rows []row) {
	t.Helper()
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := prefix + key.Value
		meaning := strings.Join(strings.Fields(strings.ReplaceAll(key.HeadComment, "#", " ")), " ")
		var below []row
		if value.Kind == yaml.MappingNode && explained(value) {
			below = documented(t, name+".", value)
		}
		if below == nil || meaning != "" {
			standard := ""
			if below == nil {
				standard = shown(t, value)
			}
			if meaning == "" {
				t.Errorf("values.yaml does not say what %s is", name)
			}
			rows = append(rows, row{name, standard, meaning})
		}
		rows = append(rows, below...)
	}
	return rows
}

// explained says whether there is a comment somewhere in a mapping.
func explained(n *yaml.Node) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].HeadComment != "" || n.Content[i+1].Kind == yaml.MappingNode && explained(n.Content[i+1]) {
			return true
		}
	}
	return false
}

// shown is a default as one writes it.
func shown(t *testing.T, n *yaml.Node) string {
	t.Helper()
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v == "" {
		return ""
	}
	if s, ok := v.(string); ok {
		return "`" + s + "`"
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return "`" + string(text) + "`"
}

// The table of docs/helm.md is made from values.yaml; -update rewrites it.
func TestValuesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(folder + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var top yaml.Node
	if err := yaml.Unmarshal(text, &top); err != nil {
		t.Fatal(err)
	}
	// The comment above the first key is the file's own.
	first := top.Content[0].Content[0]
	first.HeadComment = ""
	var b strings.Builder
	b.WriteString("| value | default | meaning |\n|---|---|---|\n")
	rows := documented(t, "", top.Content[0])
	if len(rows) < 40 {
		t.Errorf("there are only %d values", len(rows))
	}
	for _, r := range rows {
		b.WriteString("| `" + r.name + "` | " + r.standard + " | " + strings.ReplaceAll(r.meaning, "|", `\|`) + " |\n")
	}
	const doc = "../../docs/helm.md"
	page, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), "<!-- values -->\n")
	got, after, ok2 := strings.Cut(rest, "<!-- /values -->")
	if !ok || !ok2 {
		t.Fatalf("%s has no markers <!-- values --> and <!-- /values -->", doc)
	}
	if *update && got != b.String() {
		if err := os.WriteFile(doc, []byte(before+"<!-- values -->\n"+b.String()+"<!-- /values -->"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(b.String(), got); diff != "" {
		t.Errorf("the table in %s is not what values.yaml says (go -C test/helm test -update rewrites it), -values +document:\n%s",
			doc, diff)
	}
}

// Each value of values.yaml is in the schema, and each of the schema in values.yaml.
func TestSchemaIsThatOfTheValues(t *testing.T) {
	c := load(t)
	var schema map[string]any
	if err := json.Unmarshal(c.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, given, schema map[string]any)
	compare = func(path string, given, schema map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		if properties == nil || path == ".config" {
			return
		}
		if schema["additionalProperties"] != false && !strings.HasPrefix(path, ".resources.") {
			t.Errorf("the schema takes unknown values in %q", path)
		}
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(properties)), func(name string) bool { return path+name == "global" })
		if diff := gocmp.Diff(slices.Sorted(maps.Keys(given)), names); diff != "" && path != ".affinity" && path != ".resources" &&
			path != ".resources.limits" {
			t.Errorf("in %q, -values +schema:\n%s", path, diff)
		}
		for name, value := range given {
			if below, ok := value.(map[string]any); ok && properties[name] != nil {
				compare(path+"."+name, below, properties[name].(map[string]any))
			}
		}
	}
	compare("", c.Values, schema)
}
