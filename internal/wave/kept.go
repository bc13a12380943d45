package wave

import (
	"time"

	"rollcall/internal/fleet"
)

// Kept is which nodes are kept from going, or are cordoned and forgotten.
type Kept struct {
	Nodes int        `json:"nodes"`
	Could int        `json:"could,omitempty"` // of how many something proves that they could go
	Cost  fleet.Cost `json:"cost"`            // by the hour
	Spent fleet.Cost `json:"spent"`           // so far, each node since it is kept
	Share float64    `json:"share,omitempty"` // of what all nodes cost by the hour; 0 if that is not known
	By    []KeptBy   `json:"by,omitempty"`    // who keeps most, the dearest first
	More  int        `json:"more,omitempty"`  // how many nodes others keep
	Off   bool       `json:"off,omitempty"`   // KEPT_ALERT was turned off since: what became of it is not told
	// Cordons are the nodes of a message about forgotten cordons alone; then By is not set.
	Cordons []Cordon `json:"cordons,omitempty"`
}

// KeptBy is what one keeper keeps.
type KeptBy struct {
	fleet.Keeper
	Nodes   int       `json:"nodes"`
	Since   time.Time `json:"since"` // the earliest
	AtLeast bool      `json:"at_least,omitempty"`
}

// Cordon is a node that has been cordoned for long.
type Cordon struct {
	UID     string     `json:"uid"`
	Name    string     `json:"name"` // untrusted, as is the pool
	Pool    string     `json:"pool,omitempty"`
	Since   time.Time  `json:"since"`
	AtLeast bool       `json:"at_least,omitempty"`
	Cost    fleet.Cost `json:"cost"`           // by the hour
	Over    bool       `json:"over,omitempty"` // it is cordoned no more, or being removed
}
