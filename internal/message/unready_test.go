package message

import (
	"strings"
	"testing"

	"rollcall/internal/fleet"
)

func TestUnready(t *testing.T) {
	for _, tt := range []struct{ reason, message, want string }{
		{"NodeStatusUnknown", "Kubelet stopped posting node status.", "kubelet silent"},
		{"NodeStatusNeverUpdated", "Kubelet never posted node status.", "kubelet never reported"},
		{"KubeletNotReady", "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady " +
			"message:Network plugin returns error: cni plugin not initialized", "CNI not initialized"},
		{"KubeletNotReady", "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady",
			"network plugin not ready"},
		{"KubeletNotReady", "[container runtime is down, PLEG is not healthy: pleg was last seen active 3m ago]",
			"PLEG not healthy"},
		{"KubeletNotReady", "container runtime is down", "container runtime down"},
		{"KubeletNotReady", "node is shutting down", "shutting down"},
		{"KubeletNotReady", "CSINode is not yet initialized", "CSI driver not initialized"},
		{"KubeletNotReady", "", "kubelet not ready"},
		{"KubeletNotReady", "failed to\u2028 initialize", "failed to initialize"},
		{"SomethingElse", "long text", "SomethingElse"},
		{"", "long text", "long text"},
		{"", "", ""},
		{"KubeletNotReady", strings.Repeat("x", 500), strings.Repeat("x", 79) + "…"},
	} {
		if got := Unready(fleet.Condition{Reason: tt.reason, Message: tt.message}); got != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.reason, tt.message, got, tt.want)
		}
	}
}
