package message

import (
	"fmt"
	"strings"

	"rollcall/internal/fleet"
)

// Rollout says how far a rollout is, or how it ended, with an icon. followed is false of one that goes on and of which
// nothing more will be said.
func Rollout(r fleet.Rollout, followed bool) (icon string, said Line) {
	name := WorkloadName(fleet.Workload{Kind: "Deployment", Namespace: r.Deployment.Namespace, Name: r.Deployment.Name})
	took, so := Duration(r.Last.Sub(r.Start)), ""
	if !r.Began {
		took = "at least " + took
	}
	if r.Last.After(r.Start) {
		so = " (" + took + ")"
	}
	pods := Count(r.New, "new pod")
	if r.Want > 0 {
		pods = fmt.Sprintf("%d of %s", r.New, Count(r.Want, "new pod"))
	}
	pods += fmt.Sprintf(", %d old", r.Old)
	switch r.State {
	case fleet.RolledOut:
		did := "was rolled out"
		if r.Back {
			did = "went back to an earlier ReplicaSet"
		}
		return "✅", NewLine(name + " " + did + " in " + took + ", " + Count(r.New, "pod"))
	case fleet.RolledBack:
		return "↩️", NewLine("the rollout of " + name + " was rolled back after " + took)
	case fleet.RolloutReplaced:
		return "⏭️", NewLine("the rollout of " + name + " gave way to another one after " + took + ", at " + pods)
	case fleet.RolloutUnseen:
		return "❔", NewLine("how the rollout of " + name + " ended is not known, the last that was seen were " + pods)
	case fleet.RolloutGone:
		return "⬜", NewLine(name + " was made anew while it was rolling out, at " + pods)
	case fleet.RolloutLeft:
		return "⬜", NewLine("the rollout of "+name+" is no longer followed, it has had no step since ", r.Last, ", "+pods)
	}
	switch {
	case !followed:
		return "⬜", NewLine("the rollout of " + name + " is no longer followed, it was at " + pods)
	case r.State == fleet.RolloutLost:
		return "❔", NewLine("how the rollout of "+name+" goes on is not known, no step was seen since ", r.Last,
			", "+pods+" then")
	case r.State == fleet.StandsStill && r.New+r.Old == 0:
		return "⏸️", NewLine(name+" was scaled to no pods while it was rolling out, no step since ", r.Last)
	case r.State == fleet.StandsStill:
		return "⏸️", NewLine("the rollout of "+name+" stands still, no step since ", r.Last, ", "+pods)
	case r.State == fleet.RollingBack:
		return "↩️", NewLine(name + " is being rolled back, " + pods + so)
	}
	return "🚀", NewLine(name + " is rolling out, " + pods + so)
}

// RolloutSets says from which ReplicaSets to which a rollout goes.
func RolloutSets(r fleet.Rollout) string {
	var olds []string
	for _, set := range r.Olds {
		olds = append(olds, OneWord(set))
	}
	const most = 3
	if len(olds) > most {
		olds = append(olds[:most], fmt.Sprintf("%d more", len(r.Olds)-most))
	}
	what, sets := "image or template changed: ", OneWord(r.Set)
	if r.Back {
		what = "back to an earlier ReplicaSet: "
	}
	if len(olds) > 0 {
		sets = strings.Join(olds, ", ") + " → " + sets
	}
	if r.By != "" {
		sets += ", then " + OneWord(r.By)
	}
	return what + sets
}
