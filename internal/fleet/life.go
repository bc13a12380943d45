package fleet

import "time"

// Life is a node's life as digests count it.
type Life struct {
	UID, Name string // untrusted
	Pool      string
	Zone      string
	Machine   Machine
	Joined    time.Time // when the Node object was created, whole seconds
	Ready     time.Time // when it became ready first; zero if it never did, or before anybody watched
	Removed   time.Time // zero while it lives
	// RemovedAfter is set when it is only known that it left between this and Removed.
	RemovedAfter time.Time
	Came, Went   Cause // why it came and why it left, as far as that is proven
}

// Incident is a time in which a node was not ready, after it had been.
type Incident struct {
	NodeUID, NodeName string
	Reason            string // the condition's; untrusted
	From              time.Time
	Until             time.Time // zero while it lasts
	Left              bool      // it ended because the node left
}

// Unwatched is how long the watch may have been silent at the end of a period before that counts as not watched.
const Unwatched = 2 * time.Minute

// NodeTime is for how long nodes lived together, in milliseconds: a time.Duration has room for no more than 292 years,
// which a thousand nodes live in four months.
type NodeTime int64

// Together is the NodeTime of one node.
func Together(d time.Duration) NodeTime { return NodeTime(d.Milliseconds()) }

// Hours is the time in node-hours.
func (t NodeTime) Hours() float64 { return float64(t) / float64(time.Hour/time.Millisecond) }
