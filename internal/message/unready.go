package message

import (
	"cmp"
	"strings"

	"rollcall/internal/fleet"
)

// unready are what kubelets and the node controller say of nodes that are not ready, in lower case, and what people
// call that. The first that is found in a condition's text counts. Sources: kubernetes,
// pkg/kubelet/nodestatus/setters.go, pkg/kubelet/runtime.go,
// pkg/controller/nodelifecycle/node_lifecycle_controller.go.
var unready = []struct{ text, words string }{
	{"kubelet stopped posting node status", "kubelet silent"},
	{"nodestatusunknown", "kubelet silent"},
	{"kubelet never posted node status", "kubelet never reported"},
	{"nodestatusneverupdated", "kubelet never reported"},
	{"cni plugin not initialized", "CNI not initialized"},
	{"cni config uninitialized", "CNI not initialized"},
	{"networkpluginnotready", "network plugin not ready"},
	{"container runtime network not ready", "network plugin not ready"},
	{"csinode is not yet initialized", "CSI driver not initialized"},
	{"pleg is not healthy", "PLEG not healthy"},
	{"pleg was last seen active", "PLEG not healthy"},
	{"container runtime is down", "container runtime down"},
	{"container runtime not ready", "container runtime down"},
	{"node is shutting down", "shutting down"},
}

// Unready says in a few words why a node is not ready, from its Ready condition; in the kubelet's own where nobody has
// others for it, and "" where nothing says why.
func Unready(c fleet.Condition) string {
	text := strings.ToLower(c.Reason + " " + c.Message)
	for _, u := range unready {
		if strings.Contains(text, u.text) {
			return u.words
		}
	}
	if c.Reason == "KubeletNotReady" && c.Message != "" { // the reason says no more than the status
		return Clip(strings.Join(strings.Fields(Clean(c.Message)), " "), maxWhy)
	}
	if c.Reason == "KubeletNotReady" {
		return "kubelet not ready"
	}
	return Clip(OneWord(cmp.Or(c.Reason, c.Message)), maxWhy)
}
