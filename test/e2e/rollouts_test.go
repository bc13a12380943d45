package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// deploy makes a Deployment of namespace shop with so many pods and waits until it has them.
func (s *stage) deploy(name string, replicas int32, change func(*appsv1.Deployment)) {
	s.t.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}}}}}
	if change != nil {
		change(d)
	}
	if _, err := s.cluster.Admin().AppsV1().Deployments(d.Namespace).Create(s.t.Context(), d,
		metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.deployed(d.Namespace, name)
}

// deployed waits until a Deployment is as it is to be.
func (s *stage) deployed(namespace, name string) {
	s.t.Helper()
	s.eventually(time.Minute, func() error {
		d, err := s.cluster.Admin().AppsV1().Deployments(namespace).Get(s.t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if st := d.Status; st.ObservedGeneration != d.Generation || st.UpdatedReplicas != *d.Spec.Replicas ||
			st.Replicas != *d.Spec.Replicas || st.AvailableReplicas != *d.Spec.Replicas {
			return fmt.Errorf("%s: %d of %d pods are new, %d there, %d available", name, st.UpdatedReplicas, *d.Spec.Replicas,
				st.Replicas, st.AvailableReplicas)
		}
		return nil
	})
}

// change changes a Deployment's spec.
func (s *stage) change(namespace, name string, spec map[string]any) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.cluster.Admin().AppsV1().Deployments(namespace).Patch(s.t.Context(), name,
		types.StrategicMergePatchType, body, metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// image is a spec with another image, on nodes with a label if one is given.
func image(tag, on string) map[string]any {
	pod := map[string]any{"containers": []any{map[string]any{"name": "app", "image": "app:" + tag}},
		"nodeSelector": nil}
	if on != "" {
		pod["nodeSelector"] = map[string]any{"on": on}
	}
	return map[string]any{"template": map[string]any{"spec": pod}}
}

// rollouts are the texts of all messages about a Deployment's rollouts, oldest first.
func (s *stage) rollouts(name string) (texts []string) {
	for _, w := range s.waves("rollout") {
		m, _ := s.slack.Message(slackemu.ChannelOps, w.TS)
		if text := slackemu.PlainText(m); strings.Contains(text, name+" ") {
			texts = append(texts, text)
		}
	}
	return texts
}

// tells waits until there is one message for each of a Deployment's rollouts, with a word each has.
func (s *stage) tells(name string, words ...string) {
	s.t.Helper()
	s.eventually(2*time.Minute, func() error {
		texts := s.rollouts(name)
		if len(texts) != len(words) {
			return fmt.Errorf("%d messages about %s, want %d: %q", len(texts), name, len(words), texts)
		}
		for i, word := range words {
			if !strings.Contains(texts[i], word) {
				return fmt.Errorf("message %d about %s does not say %q:\n%s", i+1, name, word, texts[i])
			}
		}
		return nil
	})
}

// Each rollout that a real controller makes is told in one message, with its end, whatever happens meanwhile to it and
// to Rollcall.
func TestRollouts(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Scheduler: true,
		ControllerManager: &cluster.ControllerManager{NodeMonitorGracePeriod: time.Minute},
		KWOK:              &cluster.KWOK{PodStartAfter: 300 * time.Millisecond}})
	s := set(t, c, "ROLLOUTS=shop/*", "DIGEST_SCHEDULE=0 0 1 1 *")
	for _, name := range []string{"shop", "other"} {
		if _, err := c.Admin().CoreV1().Namespaces().Create(t.Context(),
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.join(4, cluster.OnKWOK())
	slow := func(d *appsv1.Deployment) { d.Spec.MinReadySeconds = 3 }
	s.deploy("early", 3, nil)
	s.change("shop", "early", image("2", ""))
	s.deployed("shop", "early")
	s.start()
	s.watching()
	s.deploy("web", 12, nil)
	s.deploy("batch", 6, func(d *appsv1.Deployment) {
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	})
	s.deploy("api", 4, nil)
	s.deploy("cart", 4, slow)
	s.deploy("pause", 4, slow)
	s.deploy("killed", 4, slow)
	s.deploy("away", 5, nil)
	one := intstr.FromInt32(1)
	none := intstr.FromInt32(0)
	s.deploy("large", 30, func(d *appsv1.Deployment) {
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: &one, MaxUnavailable: &none}
	})
	s.deploy("web", 3, func(d *appsv1.Deployment) { d.Namespace = "other" })

	// Five at once, of which one cannot go on: no node may take its new pods.
	for _, name := range []string{"web", "batch", "cart", "pause"} {
		s.change("shop", name, image("2", ""))
	}
	s.change("shop", "api", image("2", "moon"))
	s.change("other", "web", image("2", ""))
	s.eventually(30*time.Second, func() error {
		if len(s.rollouts("shop/cart"))*len(s.rollouts("shop/pause")) == 0 {
			return fmt.Errorf("not told yet")
		}
		return nil
	})
	s.change("shop", "cart", map[string]any{"replicas": 9})
	s.change("shop", "pause", map[string]any{"paused": true})
	s.tells("shop/web", "was rolled out in")
	s.tells("shop/web", ", 12 pods")
	s.tells("shop/batch", ", 6 pods")
	s.tells("shop/api", "of the new one: FailedScheduling: 0/4 nodes are available")
	s.tells("shop/pause", "is rolling out")
	s.tells("shop/cart", ", 9 pods")

	s.change("shop", "large", image("2", ""))

	// It is gone while one goes on, and another one begins and ends.
	s.change("shop", "killed", image("2", ""))
	s.eventually(30*time.Second, func() error {
		if len(s.rollouts("shop/killed")) == 0 {
			return fmt.Errorf("not told yet")
		}
		return nil
	})
	s.kill()
	s.change("shop", "pause", map[string]any{"paused": false})
	s.change("shop", "away", image("2", ""))
	s.change("shop", "api", image("1", ""))
	for _, name := range []string{"pause", "away", "killed", "api"} {
		s.deployed("shop", name)
	}
	s.start()
	s.tells("shop/killed", ", 4 pods")
	s.tells("shop/away", ", 5 pods")
	s.tells("shop/pause", ", 4 pods")
	s.tells("shop/api", "was rolled back")

	// Back to what it was before, after it was done; and scaled, which is no rollout.
	s.change("shop", "web", image("1", ""))
	s.tells("shop/web", "was rolled out in", "went back to an earlier ReplicaSet in")
	s.change("shop", "web", map[string]any{"replicas": 2})
	s.change("shop", "batch", map[string]any{"replicas": 0})
	s.deployed("shop", "web")
	s.change("shop", "batch", map[string]any{"replicas": 3})
	s.deployed("shop", "batch")
	time.Sleep(7 * time.Second) // longer than rollouts are looked for
	s.tells("shop/web", "was rolled out in", "went back to an earlier ReplicaSet in")
	s.tells("shop/batch", ", 6 pods")
	if n := len(s.rollouts("shop/early")) + len(s.rollouts("other/web")); n > 0 {
		t.Errorf("%d rollouts are told that nobody wanted to know of", n)
	}
	// Of its sixty steps Kubernetes writes 25: that it is done its pods say.
	s.tells("shop/large", "was rolled out in")
	s.tells("shop/large", ", 30 pods")
	s.withinLimits()
	s.stop()
}
