// Package causetest holds evidence in memory, for tests of package cause and of what stands on it.
package causetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"rollcall/internal/fleet"
)

// Evidence is the evidence of one cluster. It implements cause.Evidence as the ledger does, without an index.
type Evidence struct {
	Events []fleet.Event
	Claims []fleet.Claim
	Nodes  []fleet.Node
	// Lookups counts the calls.
	Lookups int

	named map[string][]fleet.ObjectRef // what events name, by what names it
}

// names are the objects that an event names, which takes long to find.
func (e *Evidence) names(x *fleet.Event) []fleet.ObjectRef {
	key := x.UID + "\x00" + x.Note
	names, ok := e.named[key]
	if !ok {
		names = x.Names()
		if e.named == nil {
			e.named = map[string][]fleet.ObjectRef{}
		}
		e.named[key] = names
	}
	return names
}

func (e *Evidence) pick(from, until time.Time, limit int, is func(*fleet.Event) bool) []fleet.Event {
	e.Lookups++
	var out []fleet.Event
	for i := range e.Events {
		if x := &e.Events[i]; !x.Last.Before(from) && !x.First.After(until) && is(x) {
			out = append(out, *x)
		}
	}
	slices.SortStableFunc(out, func(a, b fleet.Event) int {
		return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.UID, b.UID))
	})
	out = out[max(0, len(out)-limit):]
	slices.SortStableFunc(out, func(a, b fleet.Event) int { return a.First.Compare(b.First) })
	return out
}

func same(a, b fleet.ObjectRef) bool {
	return a.Kind == b.Kind && a.Namespace == b.Namespace && a.Name == b.Name
}

// On implements cause.Evidence.
func (e *Evidence) On(_ context.Context, of fleet.ObjectRef, from, until time.Time, limit int) ([]fleet.Event, error) {
	return e.pick(from, until, limit, func(x *fleet.Event) bool {
		uid := x.Regarding.UID
		return same(x.Regarding, of) && (of.UID == "" || uid == "" || uid == of.UID || uid == x.Regarding.Name)
	}), nil
}

// Naming implements cause.Evidence.
func (e *Evidence) Naming(_ context.Context, of fleet.ObjectRef, from, until time.Time, limit int) ([]fleet.Event,
	error) {
	return e.pick(from, until, limit, func(x *fleet.Event) bool {
		return slices.ContainsFunc(e.names(x), func(ref fleet.ObjectRef) bool { return same(ref, of) })
	}), nil
}

// Because implements cause.Evidence.
func (e *Evidence) Because(_ context.Context, reason string, from, until time.Time, limit int) ([]fleet.Event, error) {
	return e.pick(from, until, limit, func(x *fleet.Event) bool { return x.Reason == reason }), nil
}

// Claim implements cause.Evidence.
func (e *Evidence) Claim(_ context.Context, name, uid string) (c fleet.Claim, ok bool, err error) {
	e.Lookups++
	i := slices.IndexFunc(e.Claims, func(c fleet.Claim) bool { return c.Name == name && c.UID == uid })
	if i < 0 {
		return c, false, nil
	}
	return e.Claims[i], true, nil
}

// Owned implements cause.Evidence.
func (e *Evidence) Owned(_ context.Context, owner fleet.ObjectRef) (node string, err error) {
	e.Lookups++
	for _, n := range e.Nodes {
		if same(n.Owner, owner) {
			node = n.Name
		}
	}
	return node, nil
}
