package alert

import (
	"strings"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
)

// Cause says why a node left, as far as the events on it prove it, and "" where they do not.
// Events of another life under the same name prove nothing. The latest statement wins, except
// that an interruption outweighs the disruption that follows from it.
func Cause(evidence []fleet.Event, uid string) string {
	var cause string
	interrupted := false
	for _, e := range evidence {
		// Kubelets and some controllers put the node's name where its UID belongs.
		if e.Regarding.UID != "" && e.Regarding.UID != uid && e.Regarding.UID != e.Regarding.Name {
			continue
		}
		switch e.Reason {
		case "SpotInterrupted":
			cause, interrupted = "spot interruption", true
		case "TerminatingOnInterruption", "InstanceTerminating", "InstanceStopping":
			if !interrupted {
				cause, interrupted = "interrupted by the cloud", true
			}
		case "DisruptionTerminating":
			if interrupted {
				continue
			}
			_, why, ok := strings.Cut(e.Note, ": ")
			switch {
			case !ok || why == "":
				cause = "disrupted by Karpenter"
			case why == "Underutilized" || why == "Empty":
				cause = "consolidated by Karpenter (" + strings.ToLower(why) + ")"
			default:
				cause = "disrupted by Karpenter (" + message.Clip(strings.ToLower(why), 60) + ")"
			}
		case "ScaleDown", "ScaleDownEmpty":
			if !interrupted {
				cause = "scaled down by Cluster Autoscaler"
			}
		case "DeletingNode":
			if cause == "" {
				cause = "gone from the cloud provider"
			}
		}
	}
	return cause
}
