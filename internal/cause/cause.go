// Package cause says why nodes came and went: it follows the evidence from a node to whoever asked for it, and weighs
// statements about its end. What nothing proves is not explained; a cause is never guessed.
//
// Its functions decide from the node and the events they are given or ask for. They read no clock, keep no state, and
// know neither SQL nor Kubernetes nor Slack. Package cause imports only package fleet.
package cause

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"rollcall/internal/fleet"
)

// Evidence is where the evidence of one cluster is looked up. Each call finds what it returns by an index, and returns
// at most limit events that were seen between two moments: those seen last, in the order in which they were seen first.
type Evidence interface {
	// On returns the events that regard an object, by its kind, namespace and name, and by its UID if that is given.
	On(ctx context.Context, of fleet.ObjectRef, from, until time.Time, limit int) ([]fleet.Event, error)
	// Naming returns the events whose notes name an object, see [fleet.Event.Names].
	Naming(ctx context.Context, of fleet.ObjectRef, from, until time.Time, limit int) ([]fleet.Event, error)
	// Because returns the events with a reason, whatever they regard.
	Because(ctx context.Context, reason string, from, until time.Time, limit int) ([]fleet.Event, error)
	// Claim returns the NodeClaim of a name and UID; ok is false if it is not known.
	Claim(ctx context.Context, name, uid string) (c fleet.Claim, ok bool, err error)
	// Owned returns the name of the node that an object owns, by the object's kind and name; "" if none is known.
	Owned(ctx context.Context, owner fleet.ObjectRef) (node string, err error)
}

// Strengths of explanations: of two of one change, the stronger one is told. They follow the order of proofs in which
// the best one of a removal counts; those of joins say how far the chain goes.
const (
	Strongest = 100 // nothing that is still to come can say more

	strengthInterruption = 90 // of removals: the cloud's word
	strengthAutoscaler   = 80 // the autoscaler's reason
	strengthClaim        = 70 // the NodeClaim's own
	strengthRepair       = 60 // a health check's
	strengthTaint        = 40 // that somebody is ending it, and not why
	strengthGone         = 30
	strengthShutDown     = 20

	strengthReplacement = 95 // of joins: what it replaces is not known by name
	strengthWorkload    = 90 // pods of a known owner
	strengthPods        = 60 // pods whose owner is not known
	strengthGroup       = 50 // the node group was grown for pods of which none is known to be on this node
	strengthHeadroom    = 40
)

// settle is how long after a change events that explain it may still come.
const settle = time.Minute

// most is how many events of one lookup are read. It is Rollcall's own choice: what a node's end is proven by is among
// its last events.
const most = 50

// mine reports whether an event is about the object itself, and not about an earlier or a later bearer of its name.
// Kubelets and some controllers put a node's name where its UID belongs; such an event must be of the object's own
// time.
func mine(e fleet.Event, uid string, born time.Time) bool {
	if given := e.Regarding.UID; given != "" && given != e.Regarding.Name {
		return uid == "" || given == uid
	}
	return !e.First.Before(born.Add(-time.Second)) // times of objects are whole seconds
}

// link is an event as evidence.
func link(e fleet.Event) fleet.Link {
	return fleet.Link{At: e.First, On: e.Regarding, Reason: e.Reason, Note: clip(e.Note, 200), Count: e.Count}
}

// clip cuts a text to so many bytes at most, at a rune's beginning.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// byKarpenter reports whether an event is Karpenter's own, or that of EKS Auto Mode, which is Karpenter too.
func byKarpenter(e fleet.Event) bool {
	return strings.HasPrefix(e.Controller, "karpenter") || strings.HasPrefix(e.Controller, "eks-auto-mode")
}
