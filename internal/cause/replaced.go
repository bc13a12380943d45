package cause

import (
	"context"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// command is how long Karpenter may take from launching a replacement to ending what it replaces. Its own limit for the
// replacement to become ready is 15 minutes: karpenter, pkg/controllers/nodeclaim/lifecycle/liveness.go.
const command = 30 * time.Minute

// swap finds the one NodeClaim of a pool that was launched to replace, for one reason, and the one node that was ended
// for it afterwards. Events tie them by nothing but pool, reason and order: where more than one was launched or ended,
// which belongs to which is not known, and ok is false. at is when the one was launched, or the other ended.
func swap(ctx context.Context, pool, reason string, at time.Time, in Evidence) (launched, ended fleet.ObjectRef,
	ok bool, err error) {
	launches, err := in.Because(ctx, "DisruptionLaunching", at.Add(-command), at.Add(command), most)
	if err != nil {
		return launched, ended, false, err
	}
	ends, err := in.Because(ctx, "DisruptionTerminating", at.Add(-command), at.Add(command), most)
	if err != nil {
		return launched, ended, false, err
	}
	said := func(e fleet.Event, kind string) bool {
		return e.Regarding.Kind == kind && byKarpenter(e) && strings.EqualFold(word(e.Note), reason)
	}
	claims := func(events []fleet.Event, from time.Time) (refs []fleet.ObjectRef, first time.Time) {
		for _, e := range events {
			if !said(e, "NodeClaim") || fleet.ClaimPool(e.Regarding.Name) != pool || e.First.Before(from) {
				continue
			}
			if !slices.Contains(refs, e.Regarding) {
				refs = append(refs, e.Regarding)
			}
			first = e.First
		}
		return refs, first
	}
	l, first := claims(launches, at.Add(-command))
	if len(l) != 1 || len(launches) == most || len(ends) == most {
		return launched, ended, false, nil
	}
	c, last := claims(ends, first)
	if len(c) != 1 {
		return launched, ended, false, nil
	}
	// Events may be lost, so what others say must not speak of more: Karpenter also says that it waits for whatever it
	// launched, and that it ends both a NodeClaim and its node.
	waits, err := in.Because(ctx, "DisruptionWaitingReadiness", at.Add(-command), at.Add(command), most)
	if err != nil || len(waits) == most {
		return launched, ended, false, err
	}
	for _, w := range waits {
		if fleet.ClaimPool(w.Regarding.Name) == pool && w.Regarding != l[0] && !slices.ContainsFunc(launches,
			func(e fleet.Event) bool { return e.Regarding == w.Regarding }) {
			return launched, ended, false, nil
		}
	}
	count := map[string]int{} // of ends, by kind
	for _, kind := range []string{"Node", "NodeClaim"} {
		seen := map[fleet.ObjectRef]bool{}
		for _, e := range ends {
			if said(e, kind) && !e.First.Before(first) {
				seen[e.Regarding] = true
			}
		}
		count[kind] = len(seen)
	}
	if count["Node"] != count["NodeClaim"] {
		return launched, ended, false, nil
	}
	// Karpenter writes the same on the NodeClaim and on its node, at the same time.
	for _, e := range ends {
		if said(e, "Node") && e.First.Sub(last).Abs() < time.Second {
			if ended.Name != "" && ended.Name != e.Regarding.Name {
				return launched, ended, false, nil // of two pools, at once
			}
			ended = e.Regarding
		}
	}
	return l[0], ended, ended.Name != "", nil
}

// word is the reason in a note of Karpenter: "Launching NodeClaim: Drifted" → "Drifted".
func word(note string) string {
	_, reason, _ := strings.Cut(note, ": ")
	reason, _, _ = strings.Cut(strings.TrimSpace(reason), "/")
	return reason
}

// replacements are the names of the nodes that took the place of one that Karpenter ended, as far as that is known.
func replacements(ctx context.Context, n fleet.Node, s statement, in Evidence) ([]string, error) {
	if s.event == nil || s.event.Reason != "DisruptionTerminating" || n.Owner.Kind != "NodeClaim" {
		return nil, nil
	}
	launched, ended, ok, err := swap(ctx, fleet.ClaimPool(n.Owner.Name), word(s.event.Note), s.first, in)
	if err != nil || !ok || ended.Name != n.Name || launched.Name == n.Owner.Name {
		return nil, err
	}
	name, err := in.Owned(ctx, fleet.ObjectRef{Kind: "NodeClaim", Name: launched.Name})
	if err != nil || name == "" {
		return nil, err
	}
	return []string{name}, nil
}
