// Package query holds the questions that people ask of the ledger and the shapes of its answers:
// filters, orders, pages and groups of nodes, changes and events.
//
// The types are values. Package command makes them of what a person types, the ledger answers
// them, and package answer says what comes back. Package query decides nothing, does no I/O, and
// imports only package fleet.
package query

import (
	"time"

	"rollcall/internal/fleet"
)

// NodePage is a part of a list of nodes.
type NodePage struct {
	Nodes []NodeRecord
	Total int // how many nodes the filter selects in all; a lower bound if Capped
	// Capped is true when so many nodes have left that only the last ones were looked at:
	// those that left since SearchedTo.
	Capped     bool
	SearchedTo time.Time
}

// NodeGroup is a set of nodes that have a value in common; "" is that of nodes that have none.
type NodeGroup struct {
	Value    string
	Nodes    int
	Ready    int
	NotReady int
	Cordoned int
	Spot     int
	Machines map[fleet.Machine]int // how many of each kind they are
}

// NodeGroups are the groups of the nodes that a filter selects, the largest first.
type NodeGroups struct {
	Groups   []NodeGroup
	Machines map[fleet.Machine]int // of all groups, listed or not
	Distinct int                   // how many groups there are, listed or not
	Total    int                   // how many nodes are in all of them; a lower bound if Capped
	Capped   bool                  // as of NodePage
}

// Match says how a name was found.
type Match string

// The ways in which a name matches what was asked for, the best first. None is no match.
const (
	MatchNone      Match = ""
	MatchExact     Match = "exact"
	MatchPrefix    Match = "prefix"
	MatchSubstring Match = "substring"
)

// ChangeRecord is a change with its node as it was last recorded, without the node's details:
// labels, taints, resources and the Ready condition's message are missing.
type ChangeRecord struct {
	fleet.Change
	Node fleet.Node
	Mute int64 // the mute that kept it quiet, 0 if none did
}

// EventCursor is a place in the events of a cluster, from which a page goes on. The zero value
// is the newest event's. It stays good when events come and go; an event that repeats moves to
// the newest.
type EventCursor struct {
	Time  time.Time // whole milliseconds
	ID    int64     // the ledger's number of an event of that moment
	Newer bool      // towards newer events; else towards older ones
}

// IsZero reports whether the cursor is at the newest event.
func (c EventCursor) IsZero() bool { return c == EventCursor{} }

// EventPage is a part of a list of events.
type EventPage struct {
	Events []fleet.Event // newest first
	// Older goes on towards older events, and Newer towards newer ones; each is zero when
	// there is nothing that way. Nothing is newer than the page of the zero cursor.
	Older, Newer EventCursor
	// More is true when the direction asked for may have more; its cursor goes on there.
	More bool
	// SearchedTo is set when the search stopped before the page was full, because it had
	// looked at as many events as one call may: up to here all that match are on the page.
	SearchedTo time.Time
}

// CountLimit is how far events are counted: a count above it means more than it.
const CountLimit = 10000

// EventSpan is how far back the events of a cluster go: the last time of the oldest event kept
// of each class, zero if there are none.
type EventSpan struct {
	Scaling time.Time
	Other   time.Time
}

// ClusterRecord is a cluster in the ledger.
type ClusterRecord struct {
	Cluster string
	fleet.Checkpoint
}
