package query

import (
	"time"

	"rollcall/internal/fleet"
)

// NodeFilter says which nodes a person asks for. The zero value is every live node. Lists of
// patterns are globs (* and ?), matched without regard to case; a node must match one of each
// list that is not empty.
type NodeFilter struct {
	Names  []string
	Types  []string // instance types
	Zones  []string
	Pools  []string
	Arches []string
	// Capacity holds capacity types as the ledger has them: spot, on-demand, reserved.
	Capacity []string
	Labels   []LabelRequirement // all must hold
	NotReady bool               // whose Ready condition is not True
	Cordoned bool
	// Created before or after these moments; zero: whenever.
	CreatedBefore, CreatedAfter time.Time
	// Removed asks for nodes that left instead of live ones, since RemovedSince unless it is
	// zero.
	Removed      bool
	RemovedSince time.Time
	// Why is a text that the cause must contain, in any case: its kind, who acted, the reason given, or the workload
	// that asked for the node. Of nodes that live it is why they came, of those that left also why they went.
	Why string
}

// LabelRequirement is one term of a Kubernetes label selector. Its operators and their meaning
// are those of kubectl get -l: a node without the key matches NotIn and DoesNotExist.
type LabelRequirement struct {
	Key      string
	Operator LabelOperator
	Values   []string // of In and NotIn at least one, of Gt and Lt one integer
}

// LabelOperator relates a label's value to those of a requirement.
type LabelOperator string

// The operators of label selectors: a=b and a==b are In, a!=b is NotIn.
const (
	LabelIn           LabelOperator = "in"
	LabelNotIn        LabelOperator = "notin"
	LabelExists       LabelOperator = "exists"
	LabelDoesNotExist LabelOperator = "!"
	LabelGt           LabelOperator = "gt"
	LabelLt           LabelOperator = "lt"
)

// NodeRecord is a node's life as the ledger has it.
type NodeRecord struct {
	fleet.Node
	FirstReady   time.Time // zero if it never became ready
	RemovedAt    time.Time // zero while it lives
	RemovedAfter time.Time // it left between this and RemovedAt; zero if the time is proven
	Came, Went   fleet.Cause
}

// NodeSort is the order of a list of nodes.
type NodeSort string

// The orders. Nodes that are alike in it come by name.
const (
	SortNewest NodeSort = "newest" // of removed nodes: those that left last
	SortOldest NodeSort = "oldest"
	SortName   NodeSort = "name"
	SortType   NodeSort = "type"
	SortZone   NodeSort = "zone"
	SortPool   NodeSort = "pool"
)

// Dimension is what nodes are grouped by: one of the constants, or else a label key.
type Dimension string

// The dimensions that are not labels.
const (
	ByType     Dimension = "type"
	ByZone     Dimension = "zone"
	ByPool     Dimension = "pool"
	ByCapacity Dimension = "capacity"
	ByArch     Dimension = "arch"
	ByCause    Dimension = "cause" // why they came; of costs only
)

// EventFilter says which events a person asks for. The zero value is every event.
type EventFilter struct {
	Kind    string   // of the regarding object, as Kubernetes writes it: Node, HorizontalPodAutoscaler
	Name    string   // of the regarding object; a glob
	UIDs    []string // regarding one of these objects, whatever else is said of the object
	Names   []string // or one with this name: kubelets write a node's name where its UID belongs
	Spaces  []string // namespaces; globs
	Reasons []string // globs
	Types   []string // Normal, Warning
	Text    []string // words that must all stand in the note, reason or name, whatever their case
	Scaling bool     // only the autoscaling story; see fleet.Event.Scaling
	Since   time.Time
	Until   time.Time
}
