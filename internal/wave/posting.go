package wave

import "time"

// Posting is the ledger's record of one message in a channel: first an intent, then, with its
// ID, a fact. Between the two nobody knows whether Slack has it.
type Posting struct {
	Key      string // idempotency key, part of the message metadata
	WaveID   int64  // the wave it belongs to; 0 for a digest's
	Part     string // what it is for: one of the parts below
	Channel  string
	ID       string    // the message's, as Slack gives it (a ts); "" until Slack has confirmed it
	Hash     uint64    // of the content that Slack accepted last
	Created  time.Time // when the intent was recorded
	After    string    // an ID that was confirmed before that: if Slack has the message, its own is later; "" if none was
	Tried    bool      // posting was begun at least once: it may be in Slack even without an ID
	EditedAt time.Time // when Slack accepted it last
	Posted   time.Time // when Slack accepted it first, as far as that was noted
	Looked   bool      // what Slack accepted last says who looks at it
	Picture  Picture   // what becomes of its picture; "" until that is settled
	File     string    // Slack's ID of the picture that was uploaded, "" before that
	Doubtful time.Time // when it was posted again though an earlier try may be there too; zero if it is there once
	Frozen   bool      // it takes no more edits
	// Held is set by whoever posts, and not kept: this very message is refused just now, though
	// Slack takes others.
	Held bool
	// Found is set by whoever posts, and not kept: the sink has it since an earlier try, so that it is not known which
	// causes it tells.
	Found bool
}

// The parts of a wave, and a digest.
const (
	PartMain   = "main"   // the message that opens a wave
	PartList   = "list"   // a thread reply that names nodes
	PartStuck  = "stuck"  // a thread reply about nodes that did not become ready in time
	PartUpdate = "update" // a thread reply that says what the main message can no longer say
	PartRemind = "remind" // a thread reply that rings once more, because nobody looks at it
	PartDigest = "digest" // a digest, which belongs to no wave
)

// Digest is the ledger's record of one digest and of its message.
type Digest struct {
	Posting
	Cluster  string
	Audience string    // the channel whose nodes alone it is about, as ROUTES has them; "" for all nodes
	Schedule string    // the name of the schedule that it is of
	From     time.Time // the period: From is in it,
	Until    time.Time // Until, the tick, is not
	Done     time.Time // when nothing was left to do; zero before that
	Figures  Figures   // what becomes of its figures
	// FiguresFile is Slack's ID of the file of figures that was uploaded, "" before that.
	FiguresFile string
}

// Figures is what becomes of a digest's figures as a file in its thread. "" is before its picture is settled.
type Figures string

// The fates of figures.
const (
	FiguresDue  Figures = "due"  // they come next
	FiguresFile Figures = "file" // they are in the thread
	FiguresNone Figures = "none" // there are none
)

// Picture is what becomes of a message's picture.
type Picture string

// The fates of a picture.
const (
	PictureChart Picture = "chart" // in the message, as a block that Slack draws
	PictureFile  Picture = "file"  // uploaded into the thread
	PictureNone  Picture = "none"  // there is none
)

// Doubt is a message that the sink may have twice: it was posted again because an earlier try was not found, and that
// one may have been carried out after we looked.
type Doubt struct {
	Posting
	Thread string // the ID of the message that it answers; "" for none
}
