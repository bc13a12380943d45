package wave

import (
	"time"

	"rollcall/internal/fleet"
)

// Unexplained is a change, of a node that came or went, whose cause may still become known, or better known.
type Unexplained struct {
	Change    fleet.Change
	Node      fleet.Node // as it was last seen
	ReadyAt   time.Time  // when the node became ready first; zero if it has not yet
	RemovedAt time.Time  // zero while it lives
	Strength  int        // of what is known of its cause
	Looks     int        // how often it was asked for
}

// Explained is what was found out about the cause of a change.
type Explained struct {
	Change            int64 // its ID
	fleet.Explanation       // the zero value: nothing proves why
	Looks             int   // how often it was asked for, this time included
	Next              time.Time
}

// Final reports whether nobody will ask again.
func (e Explained) Final() bool { return e.Next.IsZero() }
