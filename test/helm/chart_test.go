// Package helm holds the chart to what it promises: it makes the objects of the kustomization, its values are
// documented, mistakes in them are refused by name, and a newcomer who installs it gets a message.
package helm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli/values"
	"helm.sh/helm/v4/pkg/getter"
	release "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"rollcall/test/install"
)

// Seen from this folder.
const (
	manifests = "../../manifests"
	folder    = manifests + "/chart"
)

// few are the values that an installation has to set.
var few = []string{"image.repository=registry.example.com/rollcall", "image.tag=v1.0.0", "config.SLACK_CHANNEL=C0EXAMPLE"}

// Helm says of every link in the chart that it follows it.
func init() { slog.SetLogLoggerLevel(slog.LevelWarn) }

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// set reads values as --set has them.
func set(t *testing.T, all ...string) map[string]any {
	t.Helper()
	options := values.Options{Values: all}
	merged, err := options.MergeValues(getter.Providers{})
	if err != nil {
		t.Fatal(err)
	}
	return merged
}

// template is helm template of a release.
func template(t *testing.T, name, namespace string, vals map[string]any) (*release.Release, error) {
	t.Helper()
	in := action.NewInstall(action.NewConfiguration())
	in.ReleaseName, in.Namespace, in.DryRunStrategy = name, namespace, action.DryRunClient
	in.KubeVersion = &common.KubeVersion{Version: "v1.30.0", Major: "1", Minor: "30"}
	made, err := in.Run(load(t), vals)
	if err != nil {
		return nil, err
	}
	return made.(*release.Release), nil
}

// render are the objects of helm template for a release that is called rollcall in a namespace of that name.
func render(t *testing.T, all ...string) []*unstructured.Unstructured {
	t.Helper()
	made, err := template(t, "rollcall", "rollcall", set(t, append(slices.Clone(few), all...)...))
	if err != nil {
		t.Fatalf("%q: %v", all, err)
	}
	return install.Objects(t, "the chart", []byte(made.Manifest))
}

// ours are labels and annotations that only one of the two ways of installing has.
var ours = []string{"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version",
	"helm.sh/chart", "helm.sh/resource-policy", "checksum/config"}

// semantic are objects by kind and name, without what tells the two ways of installing from each other: those labels,
// the hash in a ConfigMap's name, what is the API's default, and the order of what has names.
func semantic(t *testing.T, all []*unstructured.Unstructured) map[string]any {
	t.Helper()
	hashed := map[string]string{}
	for _, o := range all {
		if name := o.GetName(); o.GetKind() == "ConfigMap" {
			if i := strings.LastIndex(name, "-"); i > 0 && name != "rollcall-dashboard" {
				hashed[name] = name[:i]
			}
		}
	}
	var plain func(v any) any
	plain = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			out := map[string]any{}
			for k, value := range v {
				if value = plain(value); !slices.Contains(ours, k) && value != nil &&
					!(k == "imagePullPolicy" && value == "IfNotPresent") {
					out[k] = value
				}
			}
			if len(out) == 0 && len(v) > 0 {
				return nil
			}
			return out
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = plain(v[i])
			}
			named := func(v any) string {
				m, _ := v.(map[string]any)
				name, _ := m["name"].(string)
				return name
			}
			slices.SortStableFunc(out, func(a, b any) int { return cmp.Compare(named(a), named(b)) })
			return out
		case string:
			return cmp.Or(hashed[v], v)
		case int64:
			return float64(v)
		}
		return v
	}
	out := map[string]any{}
	for _, o := range all {
		object := plain(o.Object).(map[string]any)
		name, _ := object["metadata"].(map[string]any)["name"].(string)
		key := o.GetKind() + " " + name
		if out[key] != nil {
			t.Fatalf("%s is there twice", key)
		}
		out[key] = object
	}
	return out
}

// file are the objects of a file of the manifests.
func file(t *testing.T, name string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(manifests, name))
	if err != nil {
		t.Fatal(err)
	}
	return install.Objects(t, name, text)
}

// The chart makes what kubectl apply -k makes, but for the namespace, which helm install --create-namespace makes.
func TestSameAsKustomize(t *testing.T) {
	for _, test := range []struct {
		what, kustomization string
		files               []string
		values              []string
	}{
		{"base", "resources: [../manifests/base]", nil, nil},
		{"settings", "resources: [../manifests/base]\n" + `configMapGenerator:
  - name: rollcall
    namespace: rollcall
    behavior: merge
    literals: [CLUSTER_NAME=prod, DIGEST_TIMEZONE=Europe/Berlin, PRICE_DISCOUNT=12]
`, nil, []string{"config.CLUSTER_NAME=prod", "config.DIGEST_TIMEZONE=Europe/Berlin", "config.PRICE_DISCOUNT=12"}},
		{"ephemeral", "resources: [../manifests/overlays/ephemeral]", nil, []string{"persistence.enabled=false"}},
		{"kubeconfig", "resources: [../manifests/overlays/kubeconfig]", nil,
			[]string{"kubeconfig.existingSecret=rollcall-kubeconfig"}},
		{"closed metrics", "resources: [../manifests/base]\ncomponents: [../manifests/components/closed-metrics]", nil,
			[]string{`networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.kubernetes\.io/metadata\.name=monitoring`}},
		{"karpenter", "resources: [../manifests/base]\ncomponents: [../manifests/components/karpenter]", nil,
			[]string{"rbac.karpenter=true"}},
		{"karpenter, watched from elsewhere",
			"resources: [../manifests/overlays/kubeconfig]", nil,
			[]string{"kubeconfig.existingSecret=rollcall-kubeconfig", "rbac.karpenter=true"}},
		{"Secret", "resources: [../manifests/base]", []string{"slack-secret.example.yaml"},
			[]string{"slack.botToken=xoxb-…", "slack.appToken=xapp-…"}},
		{"monitoring", "resources: [../manifests/base]", []string{"monitoring/rules.yaml", "monitoring/podmonitor.yaml"},
			[]string{"monitoring.podMonitor.enabled=true", "monitoring.prometheusRule.enabled=true"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			text := test.kustomization + "\nimages: [{name: rollcall, newName: registry.example.com/rollcall, newTag: v1.0.0}]\n"
			if !strings.Contains(text, "configMapGenerator") {
				text += "configMapGenerator: [{name: rollcall, namespace: rollcall, behavior: merge, literals: []}]\n"
			}
			text = strings.Replace(text, "literals: [", "literals: [SLACK_CHANNEL=C0EXAMPLE, ", 1)
			all := install.Kustomize(t, manifests, text)
			for _, name := range test.files {
				all = append(all, file(t, name)...)
			}
			want := semantic(t, all)
			if want["Namespace rollcall"] == nil {
				t.Error("there is no Namespace")
			}
			delete(want, "Namespace rollcall")
			got := semantic(t, render(t, test.values...))
			if annotations := got["Deployment rollcall"]; annotations != nil && test.what == "Secret" {
				unstructured.RemoveNestedField(annotations.(map[string]any), "spec", "template", "metadata", "annotations",
					"checksum/tokens")
			}
			// What is given a namespace by kubectl's -n or by kustomize, and the monitoring's own labels.
			for _, key := range []string{"PodMonitor rollcall", "PrometheusRule rollcall", "Secret rollcall-slack"} {
				for _, side := range []map[string]any{want, got} {
					if o, ok := side[key].(map[string]any); ok {
						unstructured.RemoveNestedField(o, "metadata", "labels")
						unstructured.RemoveNestedField(o, "spec", "selector")
					}
				}
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("-kustomize +chart:\n%s", diff)
			}
		})
	}
}

// What a comparison finds equal proves something only if it finds differences.
func TestComparisonFindsDifferences(t *testing.T) {
	base := semantic(t, render(t))
	for _, values := range []string{"config.CLUSTER_NAME=prod", "resources.limits.memory=512Mi", "networkPolicy.egressPorts={443}",
		"persistence.size=6Gi", "podLabels.a=b", "podAnnotations.a=b", "serviceAccount.annotations.a=b", "rbac.karpenter=true",
		"priorityClass.value=1", "webhook.existingSecret=other", "image.pullPolicy=Always", "imagePullSecrets[0].name=a"} {
		if gocmp.Equal(base, semantic(t, render(t, values))) {
			t.Errorf("%s changes nothing", values)
		}
	}
}

func TestDashboard(t *testing.T) {
	for _, o := range render(t, "monitoring.dashboard.enabled=true", "monitoring.dashboard.labels.team=ops") {
		if o.GetName() != "rollcall-dashboard" {
			continue
		}
		text, _, _ := unstructured.NestedString(o.Object, "data", "rollcall.json")
		want, err := os.ReadFile(manifests + "/monitoring/dashboard.json")
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(text) != strings.TrimSpace(string(want)) || o.GetLabels()["grafana_dashboard"] != "1" ||
			o.GetLabels()["team"] != "ops" {
			t.Errorf("the dashboard has changed, or its labels %v are not what was asked for", o.GetLabels())
		}
		return
	}
	t.Error("there is no dashboard")
}

// deployed is the Deployment as JSON with these values, to look for what they put there.
func deployed(t *testing.T, all ...string) string {
	t.Helper()
	for _, o := range render(t, all...) {
		if o.GetKind() == "Deployment" {
			text, err := json.Marshal(o.Object)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
	t.Fatal("there is no Deployment")
	return ""
}

func TestValuesArriveWhereTheyBelong(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	for _, test := range []struct{ value, want string }{
		{"image.digest=" + digest, `"image":"registry.example.com/rollcall@` + digest + `"`},
		{"image.pullPolicy=Always", `"imagePullPolicy":"Always"`},
		{"imagePullSecrets[0].name=regcred", `"imagePullSecrets":[{"name":"regcred"}]`},
		{"slack.existingSecret=mine", `"secretKeyRef":{"key":"SLACK_BOT_TOKEN","name":"mine"}`},
		{"webhook.existingSecret=mine", `"secretKeyRef":{"key":"WEBHOOK_URL","name":"mine","optional":true}`},
		{"config.HTTP_ADDR=:9090", `"ports":[{"containerPort":9090,"name":"http"}]`},
		{"config.HTTP_ADDR=:9090", `"prometheus.io/port":"9090"`},
		{"persistence.existingClaim=mine", `"persistentVolumeClaim":{"claimName":"mine"}`},
		{"serviceAccount.name=mine", `"serviceAccountName":"mine"`},
		{"priorityClass.name=mine", `"priorityClassName":"mine"`},
		{"resources.limits.memory=512Mi", `{"name":"GOMEMLIMIT","value":"460MiB"}`},
		{"resources.limits.memory=1Gi", `{"name":"GOMEMLIMIT","value":"921MiB"}`},
		{"resources.limits.memory=512M", `{"name":"GOMEMLIMIT","value":"439MiB"}`},
		{"resources.limits.cpu=1", `"limits":{"cpu":1,"memory":"256Mi"}`},
		{"nodeSelector.disk=ssd", `"disk":"ssd"`},
		{"tolerations[0].operator=Exists", `"tolerations":[{"operator":"Exists"}]`},
		{"affinity.nodeAffinity.a=b", `"affinity":{"nodeAffinity":{"a":"b"}}`},
		{"podLabels.team=ops", `"team":"ops"`},
		{"podAnnotations.prometheus\\.io/scrape=no", `"prometheus.io/scrape":"no"`},
		{"kubeconfig.existingSecret=mine,kubeconfig.key=kubeconfig", `{"name":"KUBECONFIG","value":"/etc/rollcall/kubeconfig"}`},
		{"extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy:3128", `{"name":"HTTPS_PROXY","value":"http://proxy:3128"}`},
		{"extraVolumes[0].name=prices", `{"name":"prices"}`},
		{"extraVolumeMounts[0].name=prices,extraVolumeMounts[0].mountPath=/etc/prices", `{"mountPath":"/etc/prices","name":"prices"}`},
	} {
		if got := deployed(t, test.value); !strings.Contains(got, test.want) {
			t.Errorf("with %s there is no %s in\n%s", test.value, test.want, got)
		}
	}
	for _, test := range []struct{ value, not string }{
		{"resources.limits=null", "GOMEMLIMIT"},
		{"podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null", "65532"},
		{"priorityClass.create=false", "priorityClassName"},
		{"nodeSelector=null", "nodeSelector"},
	} {
		if got := deployed(t, test.value); strings.Contains(got, test.not) {
			t.Errorf("with %s there is still %s in\n%s", test.value, test.not, got)
		}
	}
	kinds := func(all ...string) (kinds []string) {
		for _, o := range render(t, all...) {
			kinds = append(kinds, o.GetKind())
		}
		return kinds
	}
	base := kinds()
	for value, kind := range map[string]string{"persistence.existingClaim=mine": "PersistentVolumeClaim",
		"serviceAccount.create=false,serviceAccount.name=mine": "ServiceAccount", "rbac.create=false": "ClusterRole",
		"priorityClass.create=false": "PriorityClass", "networkPolicy.enabled=false": "NetworkPolicy"} {
		if got := kinds(value); !slices.Contains(base, kind) || slices.Contains(got, kind) {
			t.Errorf("with %s there are %q", value, got)
		}
	}
}

// Each of several releases has names of its own, and selects its own pod.
func TestSeveralReleases(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"rollcall", "rollcall-staging", "edge"} {
		made, err := template(t, name, "tools", set(t, append(slices.Clone(few), "rbac.karpenter=true",
			"slack.botToken=xoxb-1", "slack.appToken=xapp-1", "monitoring.dashboard.enabled=true",
			"monitoring.podMonitor.enabled=true", "monitoring.prometheusRule.enabled=true")...))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range install.Objects(t, name, []byte(made.Manifest)) {
			key := o.GetKind() + " " + o.GetName()
			if seen[key] != "" {
				t.Errorf("%s is part of %s and of %s", key, seen[key], name)
			}
			seen[key] = name
			if o.GetLabels()["app.kubernetes.io/instance"] != name {
				t.Errorf("%s has the labels %v", key, o.GetLabels())
			}
			selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector", "matchLabels")
			if selector != nil && selector["app.kubernetes.io/instance"] != name {
				t.Errorf("%s of %s selects %v", key, name, selector)
			}
		}
	}
	if seen["Deployment edge-rollcall"] != "edge" || seen["Deployment rollcall-staging"] == "" {
		t.Errorf("the names are %q", slices.Sorted(maps.Keys(seen)))
	}
}

// What the pod reads when it starts changes the pod; nothing else does.
func TestWhatRestartsThePod(t *testing.T) {
	pod := func(all ...string) string {
		t.Helper()
		_, text, ok := strings.Cut(deployed(t, all...), `"template":`)
		if !ok {
			t.Fatal("there is no template")
		}
		return text
	}
	tokens := []string{"slack.botToken=xoxb-1", "slack.appToken=xapp-1"}
	if pod("config.LOG_LEVEL=debug") == pod() || pod(tokens...) == pod(append(tokens, "slack.appToken=xapp-2")...) {
		t.Error("a change of a setting or of a token restarts nothing")
	}
	if pod() != pod("networkPolicy.egressPorts={443}", "monitoring.podMonitor.enabled=true", "persistence.size=9Gi") {
		t.Error("what does not concern the pod restarts it")
	}
}

func TestLint(t *testing.T) {
	for _, all := range [][]string{nil, few, append(slices.Clone(few), "persistence.enabled=false",
		"kubeconfig.existingSecret=a", "monitoring.podMonitor.enabled=true", "monitoring.prometheusRule.enabled=true",
		"monitoring.dashboard.enabled=true")} {
		lint := action.NewLint()
		lint.Strict = true
		result := lint.Run([]string{folder}, set(t, all...))
		for _, m := range result.Messages {
			if text := m.Error(); !strings.Contains(text, "icon is recommended") && !strings.Contains(text, "the values are wrong") {
				t.Errorf("%q: %s", all, text)
			}
		}
		if len(result.Errors) > 0 || result.TotalChartsLinted != 1 {
			t.Errorf("%q: %v", all, result.Errors)
		}
	}
}

// The next step is said, and it is the right one.
func TestNotes(t *testing.T) {
	notes := func(all ...string) string {
		t.Helper()
		made, err := template(t, "edge", "tools", set(t, append(slices.Clone(few), all...)...))
		if err != nil {
			t.Fatal(err)
		}
		return made.Info.Notes
	}
	text := notes()
	for _, want := range []string{"kubectl -n tools create secret generic edge-rollcall-slack", "/invite @Rollcall", "C0EXAMPLE",
		"kubectl -n tools rollout status deployment/edge-rollcall", "/rollcall check", "PersistentVolumeClaim edge-rollcall"} {
		if !strings.Contains(text, want) {
			t.Errorf("the notes do not say %q:\n%s", want, text)
		}
	}
	if text := notes("slack.botToken=xoxb-1", "slack.appToken=xapp-1"); strings.Contains(text, "create secret") ||
		strings.Contains(text, "xoxb-") {
		t.Errorf("the Secret is there, and the notes say:\n%s", text)
	}
	if text := notes("persistence.enabled=false"); !strings.Contains(text, "begins anew") ||
		strings.Contains(text, "PersistentVolumeClaim") {
		t.Errorf("without a volume the notes say:\n%s", text)
	}
}

// No Secret is in the chart, and no value has one by default.
func TestNoSecretByDefault(t *testing.T) {
	for _, o := range render(t) {
		if o.GetKind() == "Secret" {
			t.Errorf("there is Secret %s", o.GetName())
		}
	}
	c := load(t)
	for _, f := range c.Raw {
		if f.Name == "values.yaml" && (bytes.Contains(f.Data, []byte("xoxb-")) || bytes.Contains(f.Data, []byte("xapp-"))) {
			t.Error("values.yaml holds a token")
		}
	}
	if text, err := yaml.Marshal(c.Values["slack"]); err != nil ||
		string(text) != "appToken: \"\"\nbotToken: \"\"\nexistingSecret: \"\"\n" {
		t.Errorf("slack is by default %s, %v", text, err)
	}
}
