package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

const (
	crds      = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	karpenter = "/apis/karpenter.sh/v1/"
)

// write sends an object to the API server, as its administrator, and returns what became of it.
func (s *stage) write(verb, path string, object any) (o metav1.PartialObjectMetadata) {
	s.t.Helper()
	body, err := json.Marshal(object)
	if err != nil {
		s.t.Fatal(err)
	}
	kind := "application/json"
	if verb == "PATCH" {
		kind = string(types.MergePatchType)
	}
	// A definition that was just made is not served at once.
	s.eventually(20*time.Second, func() error {
		raw, err := s.cluster.Admin().Discovery().RESTClient().Verb(verb).AbsPath(path).SetHeader("Content-Type", kind).
			SetHeader("Accept", "application/json").Body(body).DoRaw(s.t.Context())
		if err != nil {
			return fmt.Errorf("%s %s: %w", verb, path, err)
		}
		return json.Unmarshal(raw, &o)
	})
	return o
}

// define makes the API server serve a kind of Karpenter, for this test.
func (s *stage) define(kind, plural string) {
	s.t.Helper()
	name := plural + ".karpenter.sh"
	s.write("POST", crds, map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{"group": "karpenter.sh", "scope": "Cluster",
			"names": map[string]any{"kind": kind, "listKind": kind + "List", "plural": plural, "singular": strings.ToLower(kind)},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object",
					"x-kubernetes-preserve-unknown-fields": true}}}}}})
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.cluster.Admin().Discovery().RESTClient().Delete().AbsPath(crds, name).Do(ctx)
	})
}

// says waits until the first message of a kind says all of these.
func (s *stage) says(kind string, words ...string) {
	s.t.Helper()
	s.eventually(20*time.Second, func() error {
		waves := s.waves(kind)
		if len(waves) == 0 {
			return fmt.Errorf("no message of kind %s", kind)
		}
		m, _ := s.slack.Message(slackemu.ChannelOps, waves[0].TS)
		text := slackemu.PlainText(m)
		for _, w := range words {
			if !strings.Contains(text, w) {
				return fmt.Errorf("it does not say %q:\n%s", w, text)
			}
		}
		return nil
	})
}

// Where Rollcall may read them, Karpenter's own objects say what no event does: that a node has reached its age, and
// how much of its limits a pool uses.
func TestKarpenterObjects(t *testing.T) {
	s := set(t, cluster.Shared(t))
	s.define("NodeClaim", "nodeclaims")
	s.define("NodePool", "nodepools")
	s.cluster.GrantManifest(t, s.user, "../../manifests/components/karpenter/clusterrole.yaml")
	s.write("POST", karpenter+"nodepools", map[string]any{"apiVersion": "karpenter.sh/v1", "kind": "NodePool",
		"metadata": map[string]any{"name": "batch"}, "spec": map[string]any{"limits": map[string]any{"cpu": 100}},
		"status": map[string]any{"resources": map[string]any{"cpu": "92500m"}}})
	claim := s.write("POST", karpenter+"nodeclaims", map[string]any{"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
		"metadata": map[string]any{"name": "batch-x7k2p", "labels": map[string]any{"karpenter.sh/nodepool": "batch"},
			"finalizers": []string{"karpenter.sh/termination"}},
		"spec": map[string]any{"expireAfter": "1s"}})
	t.Cleanup(func() { s.cluster.Clear(context.Background()) })
	s.start()
	s.watching()
	node := cluster.NewNode("ip-10-9-8-7.eu-central-1.compute.internal", cluster.OfFlavour(cluster.EKSKarpenter),
		cluster.Pool("batch"), cluster.Ready())
	node.OwnerReferences = []metav1.OwnerReference{{APIVersion: "karpenter.sh/v1", Kind: "NodeClaim", Name: claim.Name,
		UID: claim.UID}}
	node, err := s.cluster.CreateNode(t.Context(), node)
	if err != nil {
		t.Fatal(err)
	}
	s.did("joined", node.Name)
	s.settle(10*time.Second, "joined")
	s.says("joined", "pool batch: 92.5 of 100 CPUs")
	// As Karpenter ends what has reached its age: the NodeClaim is deleted, and no event tells why.
	time.Sleep(time.Until(claim.CreationTimestamp.Add(2 * time.Second)))
	s.write("DELETE", karpenter+"nodeclaims/"+claim.Name, metav1.DeleteOptions{})
	taint := corev1.Taint{Key: "karpenter.sh/disrupted", Effect: corev1.TaintEffectNoSchedule}
	s.write("PATCH", "/api/v1/nodes/"+node.Name, map[string]any{"spec": map[string]any{"taints": []corev1.Taint{taint}}})
	time.Sleep(3 * time.Second) // it is drained, and claims are recorded a second late
	s.remove(node.Name)
	s.write("PATCH", karpenter+"nodeclaims/"+claim.Name, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	s.settle(10*time.Second, "joined", "removed")
	s.says("removed", "ended by Karpenter (expired)")
	s.stop()
}
