// Package manifests holds the deployment manifests to what they promise: each of them renders,
// is valid for every supported Kubernetes, is admitted by a real API server, and gives Rollcall
// the rights it needs and no other.
package manifests

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"rollcall/internal/config"
	"rollcall/test/cluster"
	"rollcall/test/install"
)

//go:generate go run ./mkschemas testdata/schemas.jsonl

// root is the manifests' folder, seen from this one.
const root = "../../manifests"

// folders are what people apply.
var folders = []string{"base", "overlays/ephemeral", "overlays/kubeconfig"}

// components are what people may add to one of them.
var components = []string{"components/closed-metrics", "components/karpenter"}

var rendered = map[string][]*unstructured.Unstructured{}

// render is kubectl kustomize of a folder. Its objects are the caller's to change.
func render(t *testing.T, folder string) (all []*unstructured.Unstructured) {
	t.Helper()
	if rendered[folder] == nil {
		rendered[folder] = install.Kustomize(t, root, "resources: [../manifests/"+folder+"]\n")
	}
	for _, o := range rendered[folder] {
		all = append(all, o.DeepCopy())
	}
	return all
}

// deployment is a folder's Deployment and its only container.
func deployment(t *testing.T, all []*unstructured.Unstructured) (*appsv1.Deployment, corev1.Container) {
	t.Helper()
	d := install.One[appsv1.Deployment](t, all, "Deployment")
	if d == nil || len(d.Spec.Template.Spec.Containers) != 1 || len(d.Spec.Template.Spec.InitContainers) > 0 {
		t.Fatal("not one Deployment with one container")
	}
	return d, d.Spec.Template.Spec.Containers[0]
}

func TestKinds(t *testing.T) {
	base := []string{"ClusterRole", "ClusterRoleBinding", "ConfigMap", "Deployment", "Namespace", "NetworkPolicy",
		"PersistentVolumeClaim", "PriorityClass", "ServiceAccount"}
	without := func(kinds ...string) []string {
		return slices.DeleteFunc(slices.Clone(base), func(k string) bool { return slices.Contains(kinds, k) })
	}
	want := map[string][]string{
		"base":                base,
		"overlays/ephemeral":  without("PersistentVolumeClaim"),
		"overlays/kubeconfig": without("ClusterRole", "ClusterRoleBinding"),
	}
	for _, folder := range folders {
		var kinds []string
		for _, o := range render(t, folder) {
			kinds = append(kinds, o.GetKind())
			if o.GetLabels()["app.kubernetes.io/name"] != "rollcall" ||
				o.GetLabels()["app.kubernetes.io/part-of"] != "rollcall" {
				t.Errorf("%s: %s %s lacks the standard labels: %v", folder, o.GetKind(), o.GetName(), o.GetLabels())
			}
		}
		slices.Sort(kinds)
		if diff := cmp.Diff(want[folder], kinds); diff != "" {
			t.Errorf("%s, -want +got:\n%s", folder, diff)
		}
	}
	// Every folder with a kustomization is among those that are tested.
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		folder, _ := filepath.Rel(root, filepath.Dir(path))
		if err == nil && d.Name() == "kustomization.yaml" && !slices.Contains(folders, filepath.ToSlash(folder)) &&
			!slices.Contains(components, filepath.ToSlash(folder)) {
			t.Errorf("%s is not tested", folder)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDeployment(t *testing.T) {
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			all := render(t, folder)
			d, c := deployment(t, all)
			pod := d.Spec.Template
			if *d.Spec.Replicas != 1 || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
				t.Errorf("%d replicas, strategy %s: the ledger has one writer", *d.Spec.Replicas, d.Spec.Strategy.Type)
			}
			if c.Image == "rollcall" || strings.HasSuffix(c.Image, ":latest") || !strings.Contains(filepath.Base(c.Image), ":") {
				t.Errorf("image %s: the kustomization gives none with a fixed tag", c.Image)
			}

			// Go's garbage collector must begin to hurry before the kernel ends the process.
			limit := c.Resources.Limits.Memory().Value()
			if got, want := variables(t, c, all)["GOMEMLIMIT"], fmt.Sprintf("%dMiB", limit*9/10>>20); got != want {
				t.Errorf("GOMEMLIMIT is %s, want %s, nine tenths of the limit", got, want)
			}
			if request := c.Resources.Requests.Memory().Value(); request == 0 || request > limit ||
				c.Resources.Requests.Cpu().IsZero() {
				t.Error("requests are missing")
			}
			if _, limited := c.Resources.Limits[corev1.ResourceCPU]; limited {
				t.Error("the CPU is limited")
			}

			// Everything that selects the pod finds it, and the ports have one name.
			found := func(what string, selector map[string]string) {
				for k, v := range selector {
					if pod.Labels[k] != v {
						t.Errorf("%s does not select the pod: %s", what, k)
					}
				}
				if len(selector) == 0 {
					t.Errorf("%s selects everything", what)
				}
			}
			policy := install.One[networkingv1.NetworkPolicy](t, all, "NetworkPolicy")
			found("the Deployment", d.Spec.Selector.MatchLabels)
			found("the NetworkPolicy", policy.Spec.PodSelector.MatchLabels)
			port := c.Ports[0]
			for what, name := range map[string]string{
				"the NetworkPolicy":   policy.Spec.Ingress[0].Ports[0].Port.String(),
				"the liveness probe":  c.LivenessProbe.HTTPGet.Port.String(),
				"the readiness probe": c.ReadinessProbe.HTTPGet.Port.String(),
			} {
				if name != port.Name {
					t.Errorf("%s names the port %s, the container %s", what, name, port.Name)
				}
			}
			if got := pod.Annotations["prometheus.io/port"]; got != fmt.Sprint(port.ContainerPort) {
				t.Errorf("metrics are scraped at %s", got)
			}

			// The ledger is on the one volume that can be written.
			mounted := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "ledger" })
			if mount := c.VolumeMounts[mounted]; mount.MountPath != filepath.Dir(
				strings.TrimPrefix(variables(t, c, all)["DATABASE_URL"], "sqlite:")) ||
				mount.MountPath != variables(t, c, all)["TMPDIR"] {
				t.Errorf("the ledger is not at %s", mount.MountPath)
			}
			evictable := pod.Annotations["karpenter.sh/do-not-disrupt"] == "" &&
				pod.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == ""
			ledger := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "ledger" })
			if durable := pod.Spec.Volumes[ledger].PersistentVolumeClaim != nil; durable != evictable {
				t.Errorf("the ledger is durable: %t, and the pod may be evicted: %t", durable, evictable)
			}
			binding := install.One[rbacv1.ClusterRoleBinding](t, all, "ClusterRoleBinding")
			if token := *pod.Spec.AutomountServiceAccountToken; token != (binding != nil) {
				t.Errorf("the pod has a token: %t", token)
			}
		})
	}
}

// variables is the container's environment; what comes from a Secret is empty.
func variables(t *testing.T, c corev1.Container, all []*unstructured.Unstructured) map[string]string {
	t.Helper()
	env := map[string]string{}
	settings := install.One[corev1.ConfigMap](t, all, "ConfigMap")
	if len(c.EnvFrom) != 1 || c.EnvFrom[0].ConfigMapRef.Name != settings.Name {
		t.Fatalf("the container's variables are not those of ConfigMap %s", settings.Name)
	}
	maps.Copy(env, settings.Data)
	for _, v := range c.Env {
		if _, twice := env[v.Name]; twice {
			t.Errorf("%s is set twice", v.Name)
		}
		env[v.Name] = v.Value
	}
	return env
}

func TestVariables(t *testing.T) {
	known := map[string]bool{"GOMEMLIMIT": true, "TMPDIR": true} // Go's and SQLite's own
	for _, v := range config.Variables() {
		known[v.Name] = true
	}
	for _, folder := range folders {
		all := render(t, folder)
		_, c := deployment(t, all)
		env := variables(t, c, all)
		for name := range env {
			if !known[name] {
				t.Errorf("%s sets %s, which Rollcall does not read", folder, name)
			}
		}
		// What an installation has to set itself is asked for in words.
		env["SLACK_BOT_TOKEN"], env["SLACK_APP_TOKEN"] = "xoxb-example", "xapp-example"
		if _, err := config.Load(env); err == nil || strings.Count(err.Error(), "\n") != 1 ||
			!strings.Contains(err.Error(), "SLACK_CHANNEL: it is missing") {
			t.Errorf("%s, with nothing but the tokens: %v", folder, err)
		}
		env["SLACK_CHANNEL"] = "C0EXAMPLE"
		if _, err := config.Load(env); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

// The Secrets are not part of what is applied, and their examples have just the keys that are asked for.
func TestSecrets(t *testing.T) {
	all := render(t, "base")
	_, c := deployment(t, all)
	asked := map[string]bool{} // Secret and key
	for _, v := range c.Env {
		if v.ValueFrom == nil {
			continue
		}
		ref := v.ValueFrom.SecretKeyRef
		asked[ref.Name+"/"+ref.Key] = true
		if optional := ref.Optional != nil && *ref.Optional; ref.Key != v.Name || optional != (ref.Name == "rollcall-webhook") {
			t.Errorf("%s is taken from key %s of Secret %s, optional %t", v.Name, ref.Key, ref.Name, optional)
		}
	}
	given := map[string]bool{}
	for _, o := range examples(t) {
		var secret corev1.Secret
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &secret); err != nil {
			t.Fatal(err)
		}
		if secret.Namespace != install.One[corev1.Namespace](t, all, "Namespace").Name {
			t.Errorf("Secret %s is in namespace %s", secret.Name, secret.Namespace)
		}
		for key, value := range secret.StringData {
			given[secret.Name+"/"+key] = value != ""
		}
	}
	if !maps.Equal(asked, given) || len(asked) != 4 {
		t.Errorf("the variables are taken from %v, the examples have %v", asked, given)
	}
}

// examples are the examples of Secrets.
func examples(t *testing.T) (all []*unstructured.Unstructured) {
	t.Helper()
	for _, name := range []string{"slack-secret.example.yaml", "webhook-secret.example.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, install.Objects(t, name, text)...)
	}
	return all
}

// The rights are also those that every other test with a cluster grants.
func TestRights(t *testing.T) {
	all := render(t, "base")
	role, binding := install.One[rbacv1.ClusterRole](t, all, "ClusterRole"),
		install.One[rbacv1.ClusterRoleBinding](t, all, "ClusterRoleBinding")
	if diff := cmp.Diff(cluster.ReadNodesAndEvents(), role.Rules); diff != "" {
		t.Errorf("the rules differ from those that the end-to-end tests grant, -tests +manifest:\n%s", diff)
	}
	if want := (rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}); binding.RoleRef != want {
		t.Errorf("the binding refers to %v", binding.RoleRef)
	}
	d, _ := deployment(t, all)
	want := []rbacv1.Subject{
		{Kind: "ServiceAccount", Name: d.Spec.Template.Spec.ServiceAccountName, Namespace: d.Namespace},
	}
	if diff := cmp.Diff(want, binding.Subjects); diff != "" {
		t.Errorf("subjects, -want +got:\n%s", diff)
	}
}

// The folder of one's own that docs/install.md shows does what it says.
func TestDocumentedOverlay(t *testing.T) {
	page, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "<!-- overlay -->\n")
	text, _, ok2 := strings.Cut(text, "<!-- /overlay -->")
	if !ok || !ok2 {
		t.Fatal("docs/install.md has no markers <!-- overlay --> and <!-- /overlay -->")
	}
	all := install.Kustomize(t, root, text)
	_, c := deployment(t, all)
	env := variables(t, c, all)
	if c.Image != "registry.example.com/rollcall:v1.0.0" || env["SLACK_CHANNEL"] != "C0EXAMPLE" ||
		env["CLUSTER_NAME"] != "prod" || env["DIGEST_TIMEZONE"] != "Europe/Berlin" {
		t.Errorf("image %s, variables %v", c.Image, env)
	}
}

// withComponent is kubectl kustomize of a folder and a component.
func withComponent(t *testing.T, folder, component string) []*unstructured.Unstructured {
	t.Helper()
	if !slices.Contains(components, component) {
		t.Fatalf("%s is not among the components", component)
	}
	return install.Kustomize(t, root, "resources: [../manifests/"+folder+"]\ncomponents: [../manifests/"+component+"]\n")
}

// The component lets nobody but the monitoring's namespace in, and leaves the way out as it is.
func TestClosedMetrics(t *testing.T) {
	open := install.One[networkingv1.NetworkPolicy](t, render(t, "base"), "NetworkPolicy")
	closed := install.One[networkingv1.NetworkPolicy](t, withComponent(t, "base", "components/closed-metrics"), "NetworkPolicy")
	in := closed.Spec.Ingress
	if len(in) != 1 || len(in[0].From) != 1 || in[0].From[0].PodSelector != nil || in[0].From[0].IPBlock != nil ||
		in[0].From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" {
		t.Errorf("these may come in: %+v", in)
	}
	closed.Spec.Ingress[0].From = nil
	if diff := cmp.Diff(open.Spec, closed.Spec); diff != "" {
		t.Errorf("something else has changed (-base +component):\n%s", diff)
	}
}

// The component adds the right to read Karpenter's objects, and nothing else.
func TestKarpenter(t *testing.T) {
	base := map[string]bool{}
	for _, o := range render(t, "base") {
		base[o.GetKind()+" "+o.GetName()] = true
	}
	var added []*unstructured.Unstructured
	for _, o := range withComponent(t, "base", "components/karpenter") {
		if !base[o.GetKind()+" "+o.GetName()] {
			added = append(added, o)
		}
	}
	role, binding := install.One[rbacv1.ClusterRole](t, added, "ClusterRole"),
		install.One[rbacv1.ClusterRoleBinding](t, added, "ClusterRoleBinding")
	if len(added) != 2 || role == nil || binding == nil {
		t.Fatalf("it adds %d objects", len(added))
	}
	want := []rbacv1.PolicyRule{{APIGroups: []string{"karpenter.sh"}, Resources: []string{"nodeclaims", "nodepools"},
		Verbs: []string{"get", "list", "watch"}}}
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Errorf("rules, -want +got:\n%s", diff)
	}
	if want := (rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}); binding.RoleRef != want {
		t.Errorf("the binding refers to %v", binding.RoleRef)
	}
	of := install.One[rbacv1.ClusterRoleBinding](t, render(t, "base"), "ClusterRoleBinding") // which has the standard labels
	if diff := cmp.Diff(of.Subjects, binding.Subjects); diff != "" {
		t.Errorf("subjects, -base +component:\n%s", diff)
	}
	for _, o := range added {
		if diff := cmp.Diff(of.Labels, o.GetLabels()); diff != "" {
			t.Errorf("labels of %s, -base +component:\n%s", o.GetName(), diff)
		}
		for version, schema := range schemas(t) {
			if err := invalid(schema, o); err != nil {
				t.Errorf("%s, %s: %v", version, o.GetName(), err)
			}
		}
	}
}
