package message

import (
	"cmp"
	"fmt"
	"strings"

	"rollcall/internal/fleet"
)

// maxWhy bounds what a cause says in the words of whoever gave it, in runes.
const maxWhy = 80

// CauseCount is how many nodes have a cause, for automations that read the channel.
type CauseCount struct {
	Cause fleet.CauseKind
	Nodes int
}

// causeWords are the words for the causes of nodes' ends, by kind. by is who acted, "" if nobody is known, and why is
// what they say of it, "" if they say no more.
var causeWords = map[fleet.CauseKind]func(by, why string) string{
	fleet.SpotInterruption: func(by, why string) string { return aside("spot interruption", why) },
	fleet.ReservationEnded: func(by, why string) string { return "reserved capacity taken back by the cloud" },
	fleet.UnhealthyMachine: func(by, why string) string { return "unhealthy machine, as the cloud says" },
	fleet.ScheduledEvent: func(by, why string) string {
		return aside(strings.TrimSuffix("scheduled event of the cloud, handled by "+by, ", handled by "), why)
	},
	fleet.EndedOutside: func(by, why string) string {
		return aside("machine ended by "+cmp.Or(by, "somebody outside the cluster"), why)
	},
	fleet.Empty:         func(by, why string) string { return scaledDown(by) + " (empty)" },
	fleet.Underutilized: func(by, why string) string { return scaledDown(by) + " (underutilized)" },
	fleet.Drifted: func(by, why string) string {
		return "disrupted by " + by + " (" + strings.TrimSuffix("drifted: "+why, ": ") + ")"
	},
	fleet.Expired: func(by, why string) string { return "ended by " + by + " (expired)" },
	fleet.Repair: func(by, why string) string {
		return "repaired by " + by + " (" + strings.TrimSuffix("unhealthy: "+why, ": ") + ")"
	},
	fleet.OtherDisruption: func(by, why string) string { return aside("disrupted by "+by, why) },
	fleet.NotSaid: func(by, why string) string {
		if by == "Karpenter" {
			return "ended by Karpenter, which does not say why (expiry, repair or a person)"
		}
		return scaledDown(by)
	},
	fleet.MachineGone: func(by, why string) string {
		return strings.TrimSpace(why+" machine") + " gone from the cloud provider"
	},
	fleet.ShutDown: func(by, why string) string { return aside("operating system shut down", why) },
}

func scaledDown(by string) string {
	if by == "Karpenter" {
		return "consolidated by Karpenter"
	}
	return "scaled down by " + cmp.Or(by, "an autoscaler")
}

func aside(s, more string) string {
	if more == "" {
		return s
	}
	return s + " (" + more + ")"
}

// Went says why a node went, as what follows its name and a comma; "" where nothing says why.
func Went(c fleet.Cause) string {
	if c.IsZero() {
		return ""
	}
	by, why := OneWord(c.By), Clip(OneWord(c.Why), maxWhy)
	if words, ok := causeWords[c.Kind]; ok {
		return words(by, why)
	}
	return aside(OneWord(string(c.Kind)), why) // of another version
}

// WorkloadName is what people call a workload.
func WorkloadName(w fleet.Workload) string {
	name := strings.TrimPrefix(OneWord(w.Namespace)+"/"+OneWord(w.Name), "/")
	if w.Kind == "Deployment" {
		return name
	}
	return name + " (" + OneWord(w.Kind) + ")"
}

// replaceReasons are the reasons for which nodes are replaced that are adjectives too.
var replaceReasons = map[string]bool{"drifted": true, "underutilized": true, "unhealthy": true, "expired": true,
	"empty": true}

// Replaced is what so many nodes are called that are replaced for a reason, without their number: "drifted nodes".
func Replaced(reason string, nodes int) string {
	word := "nodes"
	if nodes == 1 {
		word = "node"
	}
	if replaceReasons[reason] {
		return reason + " " + word
	}
	return word
}

// IsComing reports whether a cause is one of nodes' coming.
func IsComing(kind fleet.CauseKind) bool {
	return kind == fleet.Demand || kind == fleet.Replacement || kind == fleet.Headroom
}

// Came says what so many nodes came for, without their number: "for shop/checkout", "replace drifted nodes".
func Came(c fleet.Cause, nodes int) string {
	switch c.Kind {
	case "":
		return ""
	case fleet.Demand:
		if c.Why == fleet.ForRollout {
			return "for the rollout of " + WorkloadName(c.For)
		}
		return "for " + WorkloadName(c.For)
	case fleet.Headroom:
		return "as headroom for " + WorkloadName(c.For)
	case fleet.Replacement:
		if nodes > 1 {
			return "replace " + Replaced(c.Why, nodes)
		}
		if replaceReasons[c.Why] {
			return "replaces " + article(c.Why) + " node"
		}
		return "replaces a node"
	}
	return aside(OneWord(string(c.Kind)), OneWord(c.Why))
}

// CameInShort says what nodes came for, as what precedes their number.
func CameInShort(c fleet.Cause) string {
	if c.Kind == fleet.Replacement {
		return "replacements"
	}
	return Came(c, 2)
}

func article(adjective string) string {
	if strings.ContainsRune("aeiou", rune(adjective[0])) {
		return "an " + adjective
	}
	return "a " + adjective
}

// CameBecause says more of what nodes came for: what made it ask for them, and how many of its pods are known to have
// waited; "" if there is no more to say.
func CameBecause(c fleet.Cause, pods int) string {
	var parts []string
	if c.Kind == fleet.Demand && c.Why != "" && c.Why != fleet.ForRollout {
		parts = append(parts, Clip(strings.Join(strings.Fields(Clean(c.Why)), " "), 2*maxWhy))
	}
	if pods > 0 {
		parts = append(parts, fmt.Sprintf("at least %s found no room", Count(pods, "pod")))
	}
	return strings.Join(parts, ", ")
}
