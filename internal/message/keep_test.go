package message

import (
	"strings"
	"testing"

	"rollcall/internal/fleet"
)

// TestKeeps holds that what keeps one node is said as a sentence begins, whatever keeps it.
func TestKeeps(t *testing.T) {
	for _, kind := range append([]fleet.KeeperKind{"", "of another version"}, fleet.KeeperKinds...) {
		got := Keeps(fleet.Keeper{Kind: kind, Namespace: "shop", Name: "web", Why: "so"})
		if first := got[:1]; first != strings.ToUpper(first) || strings.HasPrefix(got, "By ") ||
			strings.HasPrefix(got, "That ") {
			t.Errorf("%s: %q", kind, got)
		}
	}
	for k, want := range map[fleet.Keeper]string{
		{Kind: fleet.ByBudget, Namespace: "shop", Name: "web"}: "The PodDisruptionBudget shop/web",
		{Kind: fleet.ByPod, Namespace: "ml", Name: "pet"}:      "Pod ml/pet (do-not-disrupt)",
		{Kind: fleet.ByFailure, Why: "pods remain"}:            "The Cluster Autoscaler failed to end it (pods remain)",
		{Kind: fleet.ByBlock, Why: "a\nnew reason"}:            "Karpenter may not end it: a new reason",
	} {
		if got := Keeps(k); got != want {
			t.Errorf("%+v: %q, want %q", k, got, want)
		}
	}
}
