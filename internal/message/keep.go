package message

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"rollcall/internal/fleet"
)

// keeperWords say what keeps a node, after a number of nodes: "7 by the PodDisruptionBudget shop/checkout". of is the
// keeper's name, and why what there is more.
var keeperWords = map[fleet.KeeperKind]func(of, why string) string{
	fleet.ByBudget: func(of, why string) string {
		if why != "" {
			return "by the PodDisruptionBudgets " + of + " and " + why
		}
		return "by the PodDisruptionBudget " + of
	},
	fleet.ByPod: func(of, why string) string {
		if of == "" {
			return "by a pod (do-not-disrupt)"
		}
		return "by pod " + of + " (do-not-disrupt)"
	},
	fleet.ByAnnotation: func(of, why string) string { return "by do-not-disrupt on the node itself" },
	fleet.ByCordon:     func(of, why string) string { return "cordoned" },
	fleet.ByFailure: func(of, why string) string {
		return aside("that the Cluster Autoscaler failed to end", why)
	},
	fleet.ByUnneeded: func(of, why string) string {
		return "that the Cluster Autoscaler does not need, and keeps without saying why"
	},
	fleet.ByRepair: func(of, why string) string { return aside("that Karpenter would repair, and holds back", why) },
	fleet.ByBlock:  func(of, why string) string { return "that Karpenter may not end: " + why },
	fleet.ByPoolBudget: func(of, why string) string {
		return aside("by the disruption budget of pool "+of, why)
	},
	fleet.ByPolicy: func(of, why string) string { return "by pool " + of + " (" + why + ")" },
	fleet.BySpot: func(of, why string) string {
		return "because Karpenter replaces no spot node by a cheaper one (SpotToSpotConsolidation)"
	},
	fleet.ByRejection: func(of, why string) string { return "that Karpenter does not consolidate: " + why },
}

// Keeps says what keeps one node, as a line begins: "The PodDisruptionBudget shop/checkout".
func Keeps(k fleet.Keeper) string {
	why := Clip(strings.Join(strings.Fields(Clean(k.Why)), " "), maxWhy)
	switch k.Kind {
	case fleet.ByCordon:
		return "It is cordoned"
	case fleet.ByFailure:
		return aside("The Cluster Autoscaler failed to end it", why)
	case fleet.ByUnneeded:
		return "The Cluster Autoscaler does not need it, and keeps it without saying why"
	case fleet.ByRepair:
		return aside("Karpenter would repair it, and holds back", why)
	case fleet.ByBlock:
		return "Karpenter may not end it: " + why
	case fleet.BySpot:
		return "Karpenter replaces no spot node by a cheaper one (SpotToSpotConsolidation)"
	case fleet.ByRejection:
		return "Karpenter does not consolidate it: " + why
	}
	words := strings.TrimPrefix(KeptBy(k), "by ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// Kept says in a headline how many nodes are kept, of how many it is proven that they could go, what they cost by the
// hour and what they have cost since they are kept.
func Kept(n, could int, hourly, spent fleet.Cost) string {
	are := " are"
	if n == 1 {
		are = " is"
	}
	text := Count(n, "node") + are + " kept from being ended"
	if could == n {
		text = Count(n, "node") + " could go but" + are + " kept"
	}
	if hourly.Priced > 0 {
		text += ": " + Hourly(hourly)
	}
	if spent.Priced > 0 {
		text += ", " + Spent(spent) + " so far"
	}
	return text
}

// Spent says what something has cost as a headline has it: from a hundred dollars on without cents, and without how
// many nodes are not priced, which is said of their hours.
func Spent(c fleet.Cost) string {
	c.Unpriced, c.Billed = 0, 0
	switch {
	case c.USD < 100:
		return Dollars(c)
	case c.AtMost:
		c.USD = math.Ceil(c.USD - 1e-6) // a bound stays one
	case c.AtLeast:
		c.USD = math.Floor(c.USD + 1e-6)
	default:
		c.USD = math.Round(c.USD)
	}
	return strings.TrimSuffix(Dollars(c), ".00")
}

// Needed says of how many kept nodes it is proven that they could go, if not of all; "" then.
func Needed(n, could int) string {
	them := "them"
	if could == 1 {
		them = "it"
	}
	switch {
	case could == n:
		return ""
	case could == 0:
		return "Whether they are needed is not known: full nodes that may not be ended count, too."
	}
	return fmt.Sprintf("%d of them could go: the autoscaler does not need %s, or has tried to end %s. "+
		"Whether the others are needed is not known.", could, them, them)
}

// KeptBy says who keeps nodes, after their number.
func KeptBy(k fleet.Keeper) string {
	of := OneWord(Clean(strings.Trim(k.Namespace+"/"+k.Name, "/")))
	why := Clip(strings.Join(strings.Fields(Clean(k.Why)), " "), maxWhy)
	if f := keeperWords[k.Kind]; f != nil {
		return f(of, why)
	}
	return "by " + cmp.Or(string(k.Kind), "something") // only another version can have written it
}
