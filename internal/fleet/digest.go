package fleet

import "time"

// Life is a node's life as digests count it.
type Life struct {
	UID, Name string // untrusted
	Pool      string
	Machine   Machine
	Joined    time.Time // when the Node object was created, whole seconds
	Ready     time.Time // when it became ready first; zero if it never did, or before anybody watched
	Removed   time.Time // zero while it lives
	// RemovedAfter is set when it is only known that it left between this and Removed.
	RemovedAfter time.Time
}

// Incident is a time in which a node was not ready, after it had been.
type Incident struct {
	NodeUID, NodeName string
	Reason            string // the condition's; untrusted
	From              time.Time
	Until             time.Time // zero while it lasts
	Left              bool      // it ended because the node left
}

// Digest is the ledger's record of one digest: first an intent, then, with its TS, a fact.
// Between the two nobody knows whether Slack has it.
type Digest struct {
	Key     string // idempotency key, part of the message metadata
	Cluster string
	Channel string
	From    time.Time // the period: From is in it,
	Until   time.Time // Until, the tick, is not
	Created time.Time
	After   string        // a TS that Slack had given before that: if Slack has the message, its own is later; "" if there was none
	Tried   bool          // posting was begun at least once: it may be in Slack even without a TS
	TS      string        // "" until Slack has confirmed it
	Picture DigestPicture // "" until it is settled
	File    string        // Slack's ID of the picture that was uploaded, "" before that
	Done    time.Time     // when nothing was left to do; zero before that
}

// DigestPicture is what became of a digest's picture.
type DigestPicture string

// The fates of a picture.
const (
	PictureChart DigestPicture = "chart" // in the message, as a block that Slack draws
	PictureFile  DigestPicture = "file"  // uploaded into the thread
	PictureNone  DigestPicture = "none"  // there is none
)
