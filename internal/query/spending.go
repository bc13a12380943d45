package query

import (
	"time"

	"rollcall/internal/fleet"
)

// Period is the time from From up to and without Until.
type Period struct{ From, Until time.Time }

// SpendGroup is nodes that are counted together where money is counted. Its texts are untrusted, and "" where they are
// not known.
type SpendGroup struct {
	fleet.Machine
	Zone, Pool string
	Came       fleet.CauseKind // why they came
}

// Spent is what the nodes of a group used of a period. Times are exact to the millisecond.
type Spent struct {
	Group int // index in Spending.Groups
	// Start is how many there were when it began, End when it ended.
	Start, Joined, Left, End int
	Sure                     fleet.NodeTime
	Unsure                   fleet.NodeTime // at most this much more: nobody watched when they left
	// Interrupted is how long those lived that left because the cloud took them back, and Gone how many others left of
	// which nothing says why their machines were gone. Both are set only where they are asked for.
	Interrupted []time.Duration
	Gone        int
}

// Nodes is how many nodes had a part in the period.
func (s Spent) Nodes() int { return s.Start + s.Joined }

// Spending is what nodes used of several periods: of each period the groups that have a part in it.
type Spending struct {
	Groups  []SpendGroup
	Periods [][]Spent
}
