package wave

import (
	"time"

	"rollcall/internal/fleet"
)

// Rollout is what a wave of kind Rollout tells: a rollout of a Deployment, what is said of its new pods, and how many
// nodes came for it.
type Rollout struct {
	fleet.Rollout
	Warnings []RolloutWarning `json:"warnings,omitempty"` // the most frequent first
	Nodes    int              `json:"nodes,omitempty"`
}

// RolloutWarning is what events of one reason warn of, about the pods of a rollout's new ReplicaSet.
type RolloutWarning struct {
	Reason string `json:"reason"` // untrusted, like Note
	Note   string `json:"note"`   // the first one's, clipped
	Pods   int    `json:"pods"`   // 0: about the ReplicaSet itself
}

// Told is what was told of something, and the message that tells it.
type Told struct {
	About    About
	Key      string // the wave's
	OpenedAt time.Time
	Channel  string
	ID       string // the message's, as the sink gives it; "" until it is posted
}
