package manifests

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"rollcall/internal/channel"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
	"rollcall/test/install"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

// resources are the kinds' names in URLs.
var resources = map[string]string{
	"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "ConfigMap": "configmaps",
	"Deployment": "deployments",
	"Namespace":  "namespaces", "NetworkPolicy": "networkpolicies", "PersistentVolumeClaim": "persistentvolumeclaims",
	"PriorityClass": "priorityclasses",
	"Secret":        "secrets", "ServiceAccount": "serviceaccounts",
}

// apply is kubectl apply --server-side, strictly: a field that the API server does not know is an
// error.
func apply(t *testing.T, c *cluster.Cluster, all []*unstructured.Unstructured, dryRun ...string) error {
	t.Helper()
	client, err := dynamic.NewForConfig(c.Config(cluster.UserAdmin))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		data, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		kind := o.GroupVersionKind()
		objects := client.Resource(schema.GroupVersionResource{Group: kind.Group, Version: kind.Version,
			Resource: resources[kind.Kind]})
		patch := dynamic.ResourceInterface(objects)
		if o.GetNamespace() != "" {
			patch = objects.Namespace(o.GetNamespace())
		}
		options := metav1.PatchOptions{FieldManager: "test", FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun}
		if _, err := patch.Patch(t.Context(), o.GetName(), types.ApplyPatchType, data, options); err != nil {
			return fmt.Errorf("applying %s %s: %w", kind.Kind, o.GetName(), err)
		}
	}
	return nil
}

// installed is the shared cluster with manifests/base applied.
func installed(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := cluster.Shared(t)
	if err := apply(t, c, render(t, "base")); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestApply(t *testing.T) {
	c := installed(t)
	for _, folder := range folders {
		if err := apply(t, c, render(t, folder), metav1.DryRunAll); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
	}
	if err := apply(t, c, examples(t), metav1.DryRunAll); err != nil {
		t.Error(err)
	}
	for _, o := range render(t, "base") {
		if o.GetKind() == "Deployment" {
			set(o.Object, int64(3), "spec", "replica")
			if err := apply(t, c, []*unstructured.Unstructured{o}, metav1.DryRunAll); err == nil {
				t.Error("a field that does not exist was taken")
			}
		}
	}
}

// The namespace admits nothing but pods that meet the restricted Pod Security Standard.
func TestPodSecurity(t *testing.T) {
	c := installed(t)
	create := func(pod *corev1.Pod) error {
		_, err := c.Admin().CoreV1().Pods(pod.Namespace).Create(t.Context(), pod,
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
		return err
	}
	for _, folder := range folders {
		d, _ := deployment(t, render(t, folder))
		pod := &corev1.Pod{ObjectMeta: d.Spec.Template.ObjectMeta, Spec: d.Spec.Template.Spec}
		pod.Name, pod.Namespace = "rollcall", d.Namespace
		if err := create(pod); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
		for what, spoil := range map[string]func(*corev1.PodSpec){
			"root":         func(s *corev1.PodSpec) { s.SecurityContext.RunAsNonRoot = nil },
			"seccomp":      func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil },
			"capabilities": func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil },
			"escalation":   func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
		} {
			spoiled := pod.DeepCopy()
			spoil(&spoiled.Spec)
			if err := create(spoiled); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
				t.Errorf("%s, without what the standard asks for (%s): %v", folder, what, err)
			}
		}
	}
}

// A token of the ServiceAccount, as the pod has it, reads nodes and events, and everything else is
// refused to it.
func TestServiceAccountMayReadNodesAndEventsAlone(t *testing.T) {
	c := installed(t)
	d, _ := deployment(t, render(t, "base"))
	config, _ := c.ServiceAccount(t, d.Namespace, d.Spec.Template.Spec.ServiceAccountName)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	install.WaitForRights(t, client)
	review, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx,
		&authv1.SelfSubjectRulesReview{Spec: authv1.SelfSubjectRulesReviewSpec{Namespace: d.Namespace}},
		metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var rights []string
	for _, rule := range review.Status.ResourceRules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if !strings.HasPrefix(resource, "selfsubject") { // anybody may ask about oneself
					rights = append(rights, verb+" "+schema.GroupResource{Group: rule.APIGroups[0], Resource: resource}.String())
				}
			}
		}
	}
	slices.Sort(rights)
	if want := []string{"get events.events.k8s.io", "get namespaces", "get nodes", "list events.events.k8s.io", "list nodes",
		"watch events.events.k8s.io", "watch nodes"}; !slices.Equal(rights, want) {
		t.Errorf("the ServiceAccount may %q, want %q", rights, want)
	}

	node, err := c.CreateNode(ctx, cluster.NewNode("", cluster.Ready()))
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "rollcall-slack"}}
	if _, err := c.Admin().CoreV1().Secrets(d.Namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.DeleteNode(context.Background(), node.Name)
		c.Admin().CoreV1().Secrets(d.Namespace).Delete(context.Background(), secret.Name, metav1.DeleteOptions{})
	})
	if got, err := client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{}); err != nil || got.UID != node.UID {
		t.Errorf("reading a Node: %v", err)
	}
	if _, err := client.EventsV1().Events("").List(ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("listing events: %v", err)
	}
	for what, try := range map[string]func() error{
		"read its own Secret": func() error {
			_, err := client.CoreV1().Secrets(d.Namespace).Get(ctx, secret.Name, metav1.GetOptions{})
			return err
		},
		"list Secrets": func() error { _, err := client.CoreV1().Secrets("").List(ctx, metav1.ListOptions{}); return err },
		"list Pods":    func() error { _, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{}); return err },
		"list ConfigMaps": func() error {
			_, err := client.CoreV1().ConfigMaps(d.Namespace).List(ctx, metav1.ListOptions{})
			return err
		},
		"list Namespaces": func() error {
			_, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
			return err
		},
		"read another Namespace": func() error {
			_, err := client.CoreV1().Namespaces().Get(ctx, d.Namespace, metav1.GetOptions{})
			return err
		},
		"list core events": func() error { _, err := client.CoreV1().Events("").List(ctx, metav1.ListOptions{}); return err },
		"cordon a Node": func() error {
			_, err := client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType,
				[]byte(`{"spec":{"unschedulable":true}}`), metav1.PatchOptions{})
			return err
		},
		"write a Node's status": func() error {
			_, err := client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
			return err
		},
		"reach a kubelet through the Node": func() error {
			return client.CoreV1().RESTClient().Get().Resource("nodes").Name(node.Name).SubResource("proxy").Do(ctx).Error()
		},
		"delete a Node": func() error { return client.CoreV1().Nodes().Delete(ctx, node.Name, metav1.DeleteOptions{}) },
		"create an Event": func() error {
			_, err := client.EventsV1().Events(d.Namespace).Create(ctx,
				&eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Name: "forged"}}, metav1.CreateOptions{})
			return err
		},
		"make a token for itself": func() error {
			_, err := client.CoreV1().ServiceAccounts(d.Namespace).CreateToken(ctx, d.Spec.Template.Spec.ServiceAccountName,
				&authenticationv1.TokenRequest{}, metav1.CreateOptions{})
			return err
		},
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			t.Errorf("it may %s: %v", what, err)
		}
	}
}

// The program works with the ServiceAccount's rights, the container's variables, and without any optional scope: all
// that is different here is where Slack, the API server and the disk are.
func TestProgramRunsAsItsServiceAccount(t *testing.T) {
	c := installed(t)
	d, _ := deployment(t, render(t, "base"))
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "rollcall-slack"}, StringData: map[string]string{
		"SLACK_BOT_TOKEN": slackemu.DefaultBotToken, "SLACK_APP_TOKEN": slackemu.DefaultAppToken}}
	if _, err := c.Admin().CoreV1().Secrets(d.Namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Admin().CoreV1().Secrets(d.Namespace).Delete(context.Background(), secret.Name, metav1.DeleteOptions{})
	})
	declined := []string{"channels:history", "groups:history", "im:history", "files:write"}
	slack := install.Slack(t, declined...)
	kubelet := install.NewKubelet(t, c, map[string]string{"SLACK_CHANNEL": slackemu.ChannelOps,
		"SLACK_API_URL": slack.APIURL(), "HTTP_ADDR": "127.0.0.1:0"})
	pod := kubelet.Start(t, d.Namespace, d.Name)
	pod.Ready(t)
	out, err := pod.Check()
	if err != nil || !strings.Contains(out, "Everything is in place.") {
		t.Errorf("rollcall check: %v\n%s", err, out)
	}
	for _, scope := range declined {
		if !strings.Contains(out, "Slack scope "+scope+": not given (optional): ") {
			t.Errorf("rollcall check does not say that %s is not given:\n%s", scope, out)
		}
	}
	node, err := c.CreateNode(t.Context(), cluster.NewNode("", cluster.Ready()))
	if err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, 20*time.Second, func(context.Context) error {
		return channel.Expect(slack, slackemu.ChannelOps, "joined", []string{node.Name})
	})
	pod.Stop(t)
}
