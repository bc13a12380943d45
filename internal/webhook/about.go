package webhook

import (
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// newAbout is what a message is about beside its nodes, nil if it is about nothing else. Spans are in seconds.
func newAbout(w wave.Wave) map[string]any {
	about := map[string]any{}
	put := func(key string, v any) { about[key] = v }
	moment := func(key string, t time.Time) {
		if !t.IsZero() {
			put(key, t.UTC())
		}
	}
	word := func(key, s string) {
		if s != "" {
			put(key, clip(s))
		}
	}
	a := w.About
	if s := a.Standing; s != nil {
		moment("since", s.Since)
		moment("until", s.Until)
	}
	if g := w.Gap; g != nil {
		put("gap", gap{From: g.From, Until: g.Until, Cause: clip(g.Cause), Missed: g.Missed, EventsFrom: g.EventsFrom})
	}
	if m := w.Mute; m != nil {
		put("scope", m.Scope)
		word("value", m.Value)
		word("by", m.ByName)
		moment("since", m.At)
		moment("until", m.End())
	}
	if g := a.Growth; g != nil {
		put("from", g.From)
		put("to", g.To)
		put("over_seconds", seconds(g.Over))
		put("usual", g.Usual)
		put("usd_per_hour", g.USD)
		var why []map[string]any
		for _, c := range g.Why[:min(len(g.Why), maxRows)] {
			why = append(why, map[string]any{"cause": newCause(fleet.Explanation{Cause: c.Cause}), "nodes": c.Nodes})
		}
		if why != nil {
			put("why", why)
		}
	}
	if b := a.Blind; b != nil {
		put("events_only", b.Events)
		moment("since", b.Since)
		moment("until", b.Until)
		word("why", b.Why)
		if len(b.Missed) > 0 {
			put("missed", b.Missed)
		}
	}
	if b := a.Budget; b != nil {
		put("step", b.Step)
		word("pool", b.Pool)
		put("limit_usd", b.Limit)
		put("per", b.Per)
		put("spent_usd", b.Spent)
		put("spent_at_most", b.AtMost)
		put("spent_at_least", b.AtLeast)
		moment("from", b.From)
		moment("period_until", b.Until)
		moment("counted_at", b.At)
		if b.Likely > 0 {
			put("likely_usd", b.Likely)
			put("low_usd", b.Low)
			put("high_usd", b.High)
		}
		moment("passed", b.Passed)
	}
	if x := a.Waiting; x != nil {
		put("state", x.State)
		put("pods", x.Pods)
		moment("since", x.Since)
		word("pool", x.Pool)
		if r := x.Refusal; r.Kind != "" {
			put("refusal", refusal{Kind: r.Kind, By: clip(r.By), Pool: clip(r.Pool), Detail: clip(r.Detail)})
		}
		var pods []map[string]any
		for _, p := range x.For[:min(len(x.For), maxRows)] {
			pods = append(pods, map[string]any{"for": newWorkload(p.Workload), "pods": p.Pods})
		}
		if pods != nil {
			put("for", pods)
		}
		put("ended", map[string]any{"placed": x.Ended.Placed, "gone": x.Ended.Gone, "unheard": x.Ended.Unheard,
			"longest_seconds": seconds(x.Ended.Longest)})
	}
	if k := a.Kept; k != nil {
		put("nodes", k.Nodes)
		put("could_go", k.Could)
		put("cost_per_hour", newCost(k.Cost))
		put("spent", newCost(k.Spent))
		var by []keeper
		for _, x := range k.By[:min(len(k.By), maxRows)] {
			by = append(by, keeper{Kind: x.Kind, Namespace: clip(x.Namespace), Name: clip(x.Name), Why: clip(x.Why),
				Nodes: x.Nodes, Since: x.Since.UTC()})
		}
		if by != nil {
			put("by", by)
		}
		var cordons []map[string]any
		for _, c := range k.Cordons[:min(len(k.Cordons), maxRows)] {
			cordons = append(cordons, map[string]any{"node": nodeRef{Name: clip(c.Name), UID: clip(c.UID)},
				"since": c.Since.UTC(), "over": c.Over})
		}
		if cordons != nil {
			put("cordons", cordons)
		}
	}
	if l := a.Loop; l != nil {
		word("pool", l.Pool)
		word("instance_type", l.InstanceType)
		word("capacity_type", l.CapacityType)
		put("turns", l.Turns)
		moment("last", l.Last)
		put("lived_seconds", seconds(l.Lived))
		put("cost_per_hour", newCost(l.Cost))
	}
	if r := a.Rollout; r != nil {
		put("deployment", map[string]any{"namespace": clip(r.Deployment.Namespace), "name": clip(r.Deployment.Name)})
		word("replica_set", r.Set)
		var olds []string
		for _, set := range r.Olds[:min(len(r.Olds), maxRows)] {
			olds = append(olds, clip(set))
		}
		if olds != nil {
			put("old_replica_sets", olds)
		}
		put("state", r.State)
		put("new_pods", r.New)
		put("old_pods", r.Old)
		put("back", r.Back)
		put("missed_steps", r.Missed)
		put("nodes", r.Nodes)
		moment("last", r.Last)
		var warnings []map[string]any
		for _, w := range r.Warnings[:min(len(r.Warnings), maxRows)] {
			warnings = append(warnings, map[string]any{"reason": clip(w.Reason), "note": clip(w.Note), "pods": w.Pods})
		}
		if warnings != nil {
			put("warnings", warnings)
		}
	}
	if w.Look != (wave.Look{}) {
		word("looked_by", w.Look.Name)
		moment("looked_at", w.Look.At)
	}
	if len(about) == 0 {
		return nil
	}
	return about
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

type refusal struct {
	Kind   fleet.RefusalKind `json:"kind"`
	By     string            `json:"by,omitempty"`
	Pool   string            `json:"pool,omitempty"`
	Detail string            `json:"detail,omitempty"`
}

type keeper struct {
	Kind      fleet.KeeperKind `json:"kind"`
	Namespace string           `json:"namespace,omitempty"`
	Name      string           `json:"name,omitempty"`
	Why       string           `json:"why,omitempty"`
	Nodes     int              `json:"nodes"`
	Since     time.Time        `json:"since"`
}
