package message

import (
	"strings"
	"testing"

	"rollcall/internal/fleet"
)

// Each kind of cause has words of its own, and none shows what is untrusted at length.
func TestCauseWords(t *testing.T) {
	seen := map[string]fleet.CauseKind{}
	for _, kind := range fleet.CauseKinds {
		c := fleet.Cause{Kind: kind, By: "Karpenter", For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}}
		words := Went(c)
		if IsComing(kind) {
			words = Came(c, 2)
		} else if _, ok := causeWords[kind]; !ok {
			t.Errorf("%q has no words", kind)
		}
		if other, ok := seen[words]; ok || words == "" {
			t.Errorf("%q and %q are both %q", kind, other, words)
		}
		seen[words] = kind
		long := strings.Repeat("x <!channel>\n", 200)
		c.By, c.Why, c.For.Name = long, long, long
		for _, words := range []string{Went(c), Came(c, 1), CameInShort(c), CameBecause(c, 3)} {
			if len(words) > 400 || strings.Contains(words, "\n") {
				t.Errorf("%q is told as %q", kind, words)
			}
		}
	}
	for _, test := range []struct {
		cause fleet.Cause
		want  string
	}{
		{fleet.Cause{}, ""},
		{fleet.Cause{Kind: fleet.SpotInterruption}, "spot interruption"},
		{fleet.Cause{Kind: fleet.Empty, By: "Karpenter"}, "consolidated by Karpenter (empty)"},
		{fleet.Cause{Kind: fleet.Underutilized, By: "Cluster Autoscaler"}, "scaled down by Cluster Autoscaler (underutilized)"},
		{fleet.Cause{Kind: fleet.Drifted, By: "Karpenter", Why: "AMIDrift"}, "disrupted by Karpenter (drifted: AMIDrift)"},
		{fleet.Cause{Kind: fleet.OtherDisruption, By: "Karpenter", Why: "moon phase"}, "disrupted by Karpenter (moon phase)"},
		{fleet.Cause{Kind: fleet.OtherDisruption, By: "the cloud", Why: "interruption"},
			"disrupted by the cloud (interruption)"},
		{fleet.Cause{Kind: fleet.NotSaid, By: "Karpenter"},
			"ended by Karpenter, which does not say why (expiry, repair or a person)"},
		{fleet.Cause{Kind: fleet.NotSaid, By: "Cluster Autoscaler"}, "scaled down by Cluster Autoscaler"},
		{fleet.Cause{Kind: fleet.MachineGone}, "machine gone from the cloud provider"},
		{fleet.Cause{Kind: fleet.MachineGone, Why: "spot"}, "spot machine gone from the cloud provider"},
		{fleet.Cause{Kind: fleet.ShutDown, Why: "spot"}, "operating system shut down (spot)"},
		{fleet.Cause{Kind: fleet.EndedOutside, Why: "stopped in the cloud"},
			"machine ended by somebody outside the cluster (stopped in the cloud)"},
		{fleet.Cause{Kind: fleet.EndedOutside, By: "its Auto Scaling group"}, "machine ended by its Auto Scaling group"},
		{fleet.Cause{Kind: fleet.ScheduledEvent, By: "AKS", Why: "spot"},
			"scheduled event of the cloud, handled by AKS (spot)"},
		{fleet.Cause{Kind: fleet.ScheduledEvent}, "scheduled event of the cloud"},
		{fleet.Cause{Kind: "of a later version", Why: "x"}, "of a later version (x)"},
	} {
		if got := Went(test.cause); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	for _, test := range []struct {
		nodes int
		why   string
		want  string
	}{{1, "drifted", "replaces a drifted node"}, {1, "underutilized", "replaces an underutilized node"},
		{3, "drifted", "replace drifted nodes"}, {2, "moon phase", "replace nodes"}} {
		if got := Came(fleet.Cause{Kind: fleet.Replacement, Why: test.why}, test.nodes); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
