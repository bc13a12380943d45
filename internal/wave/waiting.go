package wave

import (
	"time"

	"rollcall/internal/fleet"
)

// Waiting is what a wave of kind Waiting tells: pods that wait for nodes for one reason, and what has become of others
// that did.
type Waiting struct {
	fleet.Waiting
	Ended WaitEnds `json:"ended,omitzero"`
}

// WaitEnds is how the waits of pods ended that people were told of.
type WaitEnds struct {
	Placed  int           `json:"placed,omitempty"`  // got a node
	Gone    int           `json:"gone,omitempty"`    // were deleted
	Unheard int           `json:"unheard,omitempty"` // were not heard of any more
	Longest time.Duration `json:"longest,omitempty"` // that one of them waited
}

// Pods is how many pods they are.
func (e WaitEnds) Pods() int { return e.Placed + e.Gone + e.Unheard }
