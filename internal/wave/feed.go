package wave

import (
	"time"

	"rollcall/internal/fleet"
)

// Delivery is one event of a cluster's feed, which a sink gets as it was recorded, however often it is sent.
type Delivery struct {
	Seq     int64  // its place in the feed: without a gap, from 1
	Key     string // the event's ID, by which the receiver knows a repeat
	Type    string
	Created time.Time
	Body    []byte
}

// Cursor is how far a feed has taken up what the ledger holds: the last change, wave and digest, and its last event.
type Cursor struct{ Change, Wave, Digest, Seq int64 }

// Feed is what is to become events of a cluster's feed.
type Feed struct {
	Cursor  Cursor // what it was read from
	Changes []FedChange
	// More is set if there are more changes; then nothing else was read.
	More bool
	// Upto is the Cursor once all of this is recorded, but for Seq.
	Upto    Cursor
	Causes  []FedCause
	Waves   []FedWave
	Gone    []FedState // of waves that became part of another one
	Digests []Digest
	// Missed is how many events, or changes that were to become some, were given up because they had become too old.
	Missed int
}

// FedChange is a change that is to become an event, with what is known of it.
type FedChange struct {
	Change fleet.Change
	Node   fleet.Node        // as it was last seen
	Gap    *fleet.Gap        // the gap in which it happened; nil if it was watched
	Why    fleet.Explanation // why the node came or left, as far as that is known yet, without its chain
	Mute   int64             // the mute that hid it; 0: none has yet
	Taken  bool              // a wave tells it
}

// FedCause is that it became known, or better known, why a node came or left.
type FedCause struct {
	Change fleet.Change
	Node   fleet.Node
	Why    fleet.Explanation
}

// FedWave is a wave that may have something new for the feed.
type FedWave struct {
	Wave Wave     // without its members
	Done bool     // its messages in the channel are final
	Fed  FedState // what the feed has told of it; the zero value if nothing
}

// FedState is what a feed has told of a wave.
type FedState struct {
	Wave   int64
	Key    string
	Kind   Kind
	Events int       // how many events
	State  string    // what was seen of the wave when it was last looked at whole
	Said   uint64    // hash of what the last event says
	At     time.Time // when that was recorded
}

// Collected is what a feed records in one transaction.
type Collected struct {
	Cursor     Cursor // how far it is then
	Deliveries []Delivery
	Explained  map[int64]int // by change, the strength of the cause that these tell of it
	States     []FedState    // what they tell of waves
	Over       []int64       // waves of which nothing more is told
	Missed     int           // how many events they say were given up
}
