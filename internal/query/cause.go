package query

import (
	"time"

	"rollcall/internal/fleet"
)

// CauseCount is what the changes of one cause have in common.
type CauseCount struct {
	Cause fleet.Cause
	Nodes int          // how many nodes came or went for it
	Pods  int          // how many pods waited for them, at least
	Of    []string     // names of these nodes, the first ones
	Chain []fleet.Link // what proves it of one of them
}

// CameWent is why one node came and why it went, as far as that is proven, without what proves it.
type CameWent struct{ Came, Went fleet.Explanation }

// Causes are why the nodes of a wave came and went.
type Causes struct {
	Counts      []CauseCount // the most nodes first
	Others      int          // nodes whose causes are not in Counts, because they are too many
	Unexplained int          // nodes of which nothing is known
}

// Assigned are pods that were assigned to a node, as far as events say so: at least these.
type Assigned struct {
	Pods  []fleet.ObjectRef // in the order of time; at most as many as asked for
	More  bool              // there are others
	Since time.Time         // how far back the events go: what was assigned before is not known
}
