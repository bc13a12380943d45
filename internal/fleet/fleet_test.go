package fleet

import "testing"

// TestScaling holds which events are kept long, and that an event in somebody's namespace tells nothing of a node.
func TestScaling(t *testing.T) {
	for _, tt := range []struct {
		kind, namespace, name, reason string
		want                          bool
	}{
		{"Node", "", "n1", "RemovingNode", true},
		{"Node", "", "n1", "Starting", false},
		{"Node", "shop", "n1", "RemovingNode", false},
		{"NodeClaim", "", "c1", "Launched", true},
		{"NodeClaim", "shop", "c1", "Launched", false},
		{"NodePool", "shop", "p1", "Ready", false},
		{"Pod", "shop", "web", "Killing", true},
		{"ConfigMap", "kube-system", "cluster-autoscaler-status", "ScaledUpGroup", true},
		{"ConfigMap", "kube-system", "other", "ScaledUpGroup", false},
	} {
		e := Event{Regarding: ObjectRef{Kind: tt.kind, Namespace: tt.namespace, Name: tt.name}, Reason: tt.reason}
		if got := e.Scaling(); got != tt.want {
			t.Errorf("%s of %s %s/%s: %v", tt.reason, tt.kind, tt.namespace, tt.name, got)
		}
	}
}
