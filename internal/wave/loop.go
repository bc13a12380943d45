package wave

import (
	"time"

	"rollcall/internal/fleet"
)

// Loop is that nodes of one pool and kind are replaced by the same kind again and again.
type Loop struct {
	Pool         string `json:"pool,omitempty"` // untrusted, as are the next two
	InstanceType string `json:"type,omitempty"`
	CapacityType string `json:"capacity,omitempty"`
	// From is the turn from which on it is told: the third, and once more at the tenth and the hundredth.
	From  int       `json:"from"`
	Turns int       `json:"turns"` // how often a node that had come in the place of another was replaced itself
	Last  time.Time `json:"last"`  // the last turn
	// Lived is how long the nodes that were replaced had lived, the median of those of the last hours.
	Lived time.Duration `json:"lived"`
	Cost  fleet.Cost    `json:"cost"` // of those that go round now, by the hour
	// Twice is, by the hour, the cost of the time in which a node and the one in its place were both there.
	Twice fleet.Cost `json:"twice"`
	Why   []CameFor  `json:"why,omitempty"` // why those that were replaced went, the most frequent first
}
