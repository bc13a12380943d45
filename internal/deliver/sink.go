package deliver

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"rollcall/internal/message"
)

// Sink is a place that messages are posted to: Slack. What a Sink's methods return as an error is
// read by its Judge.
type Sink interface {
	// Name names the sink for people.
	Name() string
	// Post posts a message in a form and returns its ID. The message carries the mark, so that Find
	// finds it.
	Post(ctx context.Context, to Place, mark Mark, m message.Message, form Form) (id string, err error)
	// Edit replaces a message that was posted under the mark's key.
	Edit(ctx context.Context, channel, id string, mark Mark, m message.Message, form Form) error
	// Find returns the messages that were posted under a key, later than the message whose
	// ID is after ("": at any time), the oldest first; none if there is none, or if the sink may not look.
	Find(ctx context.Context, to Place, key, after string) ([]Found, error)
	// Delete deletes a message of ours.
	Delete(ctx context.Context, channel, id string) error

	// Upload hands over a file, which nobody sees before ShowFile.
	Upload(ctx context.Context, f File) (id string, err error)
	// ShowFile shows an uploaded file in a thread.
	ShowFile(ctx context.Context, to Place, file, name string) error
	// FindFile reports whether a thread shows a file; false also if the sink may not look.
	FindFile(ctx context.Context, to Place, file string) (bool, error)
	// MayUpload reports whether files can be uploaded at all, as far as the sink says.
	MayUpload(ctx context.Context) bool

	// Judge says what an error means; the zero Verdict for nil.
	Judge(err error, channel string) Verdict
	// Posted is when the message with an ID was posted, by the sink's own clock; zero if the ID does not say.
	Posted(id string) time.Time
	// Limits are the sink's.
	Limits() Limits
}

// Mark is what a message carries, so that it and what it tells are known again after its answer was lost.
type Mark struct {
	Key  string
	Told int64 // the highest change that it tells; 0 if it tells none
}

// Found is a message that the sink has.
type Found struct {
	ID   string
	Told int64 // as its mark says, in the version that the sink took last
}

// Place is where a message is posted.
type Place struct {
	Channel string
	Thread  string // the ID of the message that it answers; "" for none
}

// Form is how much of a message a sink is asked to take. A sink that refuses one is asked for the
// next.
type Form int

// The forms, the richest first.
const (
	Charted Form = iota // everything, charts too
	Rich                // without charts
	Plain               // as text only
	Bare                // one sentence that holds nothing from the cluster
)

// forms are those of an ordinary message, which has no chart.
var forms = []Form{Rich, Plain, Bare}

// File is one to upload.
type File struct {
	Name string
	Data []byte
	Alt  string // what a picture shows, in words
}

// Outcome is what became of a call.
type Outcome int

// The outcomes.
const (
	Accepted   Outcome = iota
	Refused            // the sink will never take this content
	Gone               // the message or thread is not there (any more)
	Frozen             // the message is there, and takes no edits
	Unthreaded         // the message is there, and takes no answers
	Limited            // the sink wants us to wait; a post may have happened all the same
	Down               // no answer, or one that says nothing: a post may have happened
	Strange            // an answer about this message that nobody knows the meaning of: a post may have happened
	Closed             // the channel or a permission is wrong: a person must act; not posted
	Fatal              // the sink does not take our credentials: trying again cannot help
)

// Verdict is what an error means.
type Verdict struct {
	Outcome Outcome
	Wait    time.Duration // how long the sink wants us to wait; only if it is Limited
	// Unanswered is set if the sink is Down because it said nothing within our time-out: what was asked may
	// still be carried out, for as long as Limits.Settle.
	Unanswered bool
	Code       string // the sink's own word for it; "" if it has none
	Hint       string // what a person can do; "" if nothing is known to help
}

// Limits are how often a sink may be called and how much it takes.
type Limits struct {
	Posts     rate.Limit    // posts a second in one channel
	PostBurst int           // how many at once are tolerated
	Edits     rate.Limit    // edits a second, in all channels together
	EditBurst int           // how many at once are tolerated
	MaxPause  time.Duration // longest pause after failures
	Settle    time.Duration // how long after a lost answer a call may still be carried out
	Room      int           // characters of text that the body of a message holds
}
