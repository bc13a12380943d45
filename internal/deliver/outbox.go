// Package deliver brings what is to be told into a channel, exactly once: waves, thread replies,
// digests and their pictures.
//
// The [Teller] and the [Digester] decide what is posted and when, by package alert and the digest's
// schedule; the one [Outbox] below them knows how, for every message and every [Sink]. A sink has
// no idempotency key, so the outbox keeps this order, and may be killed between any two steps:
//
//  1. The intent is a row of the ledger with the message's key and without an ID.
//     Killed here: the message is posted at the next start.
//  2. MarkPosting records that posting begins. Killed here: the sink has nothing, but nobody knows that.
//     The next start looks for the key in the channel, does not find it, and posts.
//  3. The sink is called, with the key in the message's metadata. Killed while the sink has it and we have no
//     answer, or after a time-out, a 5xx or a 429: the next try finds the key, takes the ID, and edits
//     the message up to date. Only where the sink does not let us look is it posted again. After a
//     time-out the sink may still carry the call out: the next try waits for that, and whatever was
//     posted twice is looked for once more later, and the twin deleted (see twins.go).
//  4. Accepted records the ID, the hash of what it says, and which changes that tells. Killed before: as in
//     step 3. Killed after: done.
//
// Edits repeat steps 3 and 4 without looking, because editing twice does no harm. A picture or a file that
// follows its message takes the same steps: it is recorded before anybody sees it, and looked for in the thread
// before another is uploaded.
//
// What fails is put off where it belongs: a message that is refused for itself holds up no other, a channel
// that is closed to us no other channel, and all wait only while the sink is down or says so. One pace is kept
// for each sink and channel, whoever posts.
//
// Package deliver knows neither Slack nor SQL, and decides nothing about words.
package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// Store is what an Outbox records in the ledger.
type Store interface {
	// MarkPosting records that the message is about to be posted in its channel, and what becomes
	// of its picture: from here on the sink may have it.
	MarkPosting(ctx context.Context, p wave.Posting, now time.Time) error
	// Accepted records where the message is, what it says, and that it tells the changes of its
	// wave up to told.
	Accepted(ctx context.Context, p wave.Posting, told int64, now time.Time) error
	// MarkUpload records which file is the message's picture, and what becomes of it.
	MarkUpload(ctx context.Context, p wave.Posting) error
	// Doubtful returns the messages that the sink may have twice, and Settled records that it has one once.
	Doubtful(ctx context.Context) ([]wave.Doubt, error)
	Settled(ctx context.Context, key string) error
}

// Outbox posts messages to a sink. Its methods may be called from several goroutines, but not for
// one message at the same time.
type Outbox struct {
	sink   Sink
	store  Store
	log    *slog.Logger
	limits Limits

	mu       sync.Mutex // guards what follows
	posts    map[string]*rate.Limiter
	edits    *rate.Limiter
	pauses   map[scope]pause
	absent   map[string]bool // keys of messages recorded as tried that the sink surely does not have
	strange  map[string]int  // by key, how often the sink gave an answer that nobody knows the meaning of
	beside   map[string]bool // keys of messages whose thread takes none: they are posted beside it
	sought   map[string]bool // keys that Seek has been asked for
	doubts   []wave.Doubt    // what Run has to look at, in the order of its time
	problems map[scope]problem

	doubted chan struct{} // holds one: doubts has grown
}

// scope is what a failure belongs to: the zero value is the sink as a whole.
type scope struct {
	channel string // a channel, for whatever is called there
	posts   string // a channel, for posts
	edits   bool   // the edits of all channels
	key     string // one message
}

// pause is a time in which nothing is tried.
type pause struct {
	until  time.Time
	length time.Duration // of the last pause, which the next one doubles; 0 for a pause that the sink asked for
}

// problem is what is wrong, as said in the log, and with which kind of message it was noticed.
type problem struct{ part, text string }

// NewOutbox returns an Outbox.
func NewOutbox(sink Sink, store Store, log *slog.Logger) *Outbox {
	l := sink.Limits()
	return &Outbox{sink: sink, store: store, log: log, limits: l, posts: map[string]*rate.Limiter{},
		edits: rate.NewLimiter(l.Edits, l.EditBurst), pauses: map[scope]pause{}, absent: map[string]bool{},
		strange: map[string]int{}, beside: map[string]bool{}, sought: map[string]bool{}, problems: map[scope]problem{},
		doubted: make(chan struct{}, 1)}
}

// Room is how many characters of text the body of a message holds.
func (o *Outbox) Room() int { return o.limits.Room }

// A FatalError ends what needs the sink: it does not take our credentials, and only a person can help.
type FatalError struct {
	Sink string
	Code string // the sink's own word for it
	Hint string // what a person can do; may be ""
	Err  error
}

func (e *FatalError) Error() string {
	return fmt.Sprintf("%s refuses Rollcall (%s); %s", e.Sink, e.Code, cmp.Or(e.Hint, "check the app's settings"))
}

func (e *FatalError) Unwrap() error { return e.Err }

// PostAt is when a message may be posted, as far as limits and failures are concerned.
func (o *Outbox) PostAt(p wave.Posting, now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.postAt(p, now)
}

func (o *Outbox) postAt(p wave.Posting, now time.Time) time.Time {
	at := o.after(now, scope{}, scope{channel: p.Channel}, scope{posts: p.Channel}, scope{key: p.Key})
	return fleet.Latest(at, available(o.limiter(p.Channel), now))
}

// EditAt is when a message may be edited, as far as limits and failures are concerned.
func (o *Outbox) EditAt(p wave.Posting, now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.editAt(p, now)
}

func (o *Outbox) editAt(p wave.Posting, now time.Time) time.Time {
	at := o.after(now, scope{}, scope{channel: p.Channel}, scope{edits: true}, scope{key: p.Key})
	return fleet.Latest(at, available(o.edits, now))
}

// AttachAt is when the picture of a message may be uploaded.
func (o *Outbox) AttachAt(p wave.Posting, now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.after(now, scope{}, scope{channel: p.Channel}, scope{key: p.Key})
}

// after is when the last of some pauses ends; now if none lasts.
func (o *Outbox) after(now time.Time, of ...scope) time.Time {
	at := now
	for _, s := range of {
		at = fleet.Latest(at, o.pauses[s].until)
	}
	return at
}

func (o *Outbox) limiter(channel string) *rate.Limiter {
	l := o.posts[channel]
	if l == nil {
		l = rate.NewLimiter(o.limits.Posts, o.limits.PostBurst)
		o.posts[channel] = l
	}
	return l
}

// available is when a limiter has a token.
func available(l *rate.Limiter, now time.Time) time.Time {
	if missing := 1 - l.TokensAt(now); missing > 0 {
		return now.Add(time.Duration(missing / float64(l.Limit()) * float64(time.Second)))
	}
	return now
}

// Held reports whether a message waits because it is refused for itself.
func (o *Outbox) Held(key string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pauses[scope{key: key}].until.After(now)
}

// Absent reports whether the sink surely does not have a message, although posting it was begun.
func (o *Outbox) Absent(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.absent[key]
}

// SetAbsent notes that nothing was sent yet of a message whose posting was recorded as begun.
func (o *Outbox) SetAbsent(key string) { o.setAbsent(key, true) }

func (o *Outbox) setAbsent(key string, absent bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if absent {
		o.absent[key] = true
	} else {
		delete(o.absent, key)
	}
}

// Result is what became of a message.
type Result int

// The results.
const (
	Later   Result = iota // it is to be tried again; PostAt and EditAt say when
	Done                  // the sink has it, and that is recorded
	Missing               // the message, or the one that it answers, is gone
	Shut                  // the channel takes nothing: it is to be tried again, unless there is another channel
	Fixed                 // the message takes no edits
)

// Draft is what is to be posted.
type Draft struct {
	Channel string // where; if it was tried in another channel, it is looked for there first
	Thread  string // the ID of the message that it answers; "" for none
	Told    int64  // the highest change that it tells
	// Variants are what it may read, the best first: the next one is asked for when the sink refuses
	// one.
	Variants iter.Seq[Variant]
}

// Variant is one thing that a message may read.
type Variant struct {
	Message message.Message
	Form    Form
	Picture wave.Picture // what becomes of its picture then
}

// Ordinary are the variants of a message without a picture.
func Ordinary(m message.Message) iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		for _, f := range forms {
			if !yield(Variant{Message: m, Form: f}) {
				return
			}
		}
	}
}

// Post posts a message whose intent is recorded, after it has looked for it if the sink may have
// it already. It returns the record as it is now. An error ends the program.
func (o *Outbox) Post(ctx context.Context, p wave.Posting, d Draft) (wave.Posting, Result, error) {
	again := p.Tried && !o.Absent(p.Key)
	if again {
		told, result, err := o.find(ctx, &p, d)
		if err != nil || result != Done {
			return p, result, err
		}
		if p.ID != "" {
			p.Found, p.Looked = true, false
			return p, Done, o.store.Accepted(ctx, p, told, time.Now())
		}
	}
	recorded := p
	recorded.Tried = p.Tried || o.Absent(p.Key)
	p.Channel = d.Channel
	if !o.takePost(p) {
		return recorded, Later, nil // somebody else has posted in the channel just now
	}
	if again { // the first try may still be carried out
		p.Doubtful = time.Now()
	}
	if d.Thread != "" && !o.isBeside(p.Key) {
		posted, result, err := o.postTo(ctx, p, &recorded, d)
		if result != refused {
			return posted, result, err
		}
		// Its thread does not take it: it is said beside it.
		o.setBeside(p.Key)
	}
	d.Thread = ""
	posted, result, err := o.postTo(ctx, p, &recorded, d)
	if result == refused {
		return posted, Later, o.failed(posted, scope{key: p.Key}, Verdict{Outcome: Refused},
			fmt.Errorf("it is refused in every form: %w", err))
	}
	return posted, result, err
}

// refused is the result of postTo for a message that is refused in every form; the error says why.
const refused Result = -1

// postTo posts a message in one place, in the first form that the sink takes. recorded is what the ledger holds.
func (o *Outbox) postTo(ctx context.Context, p wave.Posting, recorded *wave.Posting, d Draft) (wave.Posting, Result,
	error) {
	var refusal error
	for v := range d.Variants {
		p.Picture = v.Picture
		if !recorded.Tried || p.Channel != recorded.Channel || p.Picture != recorded.Picture ||
			!p.Doubtful.Equal(recorded.Doubtful) {
			p.Tried = true
			if err := o.store.MarkPosting(ctx, p, time.Now()); err != nil {
				return p, Later, err
			}
			*recorded = p
		}
		o.setAbsent(p.Key, false)
		id, err := o.sink.Post(ctx, Place{p.Channel, d.Thread}, Mark{p.Key, d.Told}, v.Message, v.Form)
		verdict := o.known(p.Key, o.sink.Judge(err, p.Channel))
		switch verdict.Outcome {
		case Accepted:
			o.succeeded(p)
			p.ID, p.Hash = id, v.Message.Hash()
			if !p.Doubtful.IsZero() {
				o.doubt(wave.Doubt{Posting: p, Thread: d.Thread})
			}
			return p, Done, o.store.Accepted(ctx, p, d.Told, time.Now())
		case Refused:
			o.setAbsent(p.Key, true)
			refusal = err
			o.log.Warn("a message was refused in one form; trying a simpler one", "sink", o.sink.Name(), "key", p.Key, "err",
				err)
			continue
		case Unthreaded:
			o.setAbsent(p.Key, true)
			if d.Thread != "" {
				return p, refused, err
			}
			verdict.Outcome = Strange
		case Gone, Frozen:
			o.setAbsent(p.Key, true)
			if d.Thread != "" {
				return p, Missing, nil
			}
			verdict.Outcome = Strange // it answers nothing that could be gone
		case Closed:
			o.setAbsent(p.Key, true)
			return p, Shut, o.failed(p, scope{posts: p.Channel}, verdict, err)
		}
		return p, Later, o.failed(p, scope{posts: p.Channel}, verdict, err)
	}
	return p, refused, refusal
}

// maxStrange is how often the sink may give an answer about a message that nobody knows the meaning of before it
// counts as a refusal: it answered, so it did not take the message, and will not.
const maxStrange = 3

// known is a verdict about a message with what earlier ones add to it.
func (o *Outbox) known(key string, v Verdict) Verdict {
	if v.Outcome != Strange {
		return v
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.strange[key]++; o.strange[key] >= maxStrange {
		v.Outcome = Refused
	}
	return v
}

func (o *Outbox) isBeside(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.beside[key]
}

func (o *Outbox) setBeside(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beside[key] = true
}

// Seek looks for a message that the sink may have in the channel in which posting it was begun, once whatever was asked
// for before this process began has been carried out or never will be. With the result Done, the record has an ID if
// the sink has it, and that is recorded; else the sink surely does not have it, or has it where nobody can look.
func (o *Outbox) Seek(ctx context.Context, p wave.Posting) (wave.Posting, Result, error) {
	o.mu.Lock()
	if !o.sought[p.Key] {
		o.sought[p.Key] = true
		o.pauses[scope{key: p.Key}] = pause{until: time.Now().Add(o.limits.Settle)}
	}
	later := o.pauses[scope{key: p.Key}].until.After(time.Now())
	o.mu.Unlock()
	if later {
		return p, Later, nil
	}
	told, result, err := o.find(ctx, &p, Draft{})
	if err == nil && result == Done && p.ID != "" {
		p.Found, p.Looked = true, false
		err = o.store.Accepted(ctx, p, told, time.Now())
	}
	if result == Done {
		o.Forget(p.Key)
	}
	return p, result, err
}

// find looks for a message that the sink may have, fills in its ID if it is there, and returns the highest change that
// it tells. What it says may be older than what is to be told: no hash causes an edit.
func (o *Outbox) find(ctx context.Context, p *wave.Posting, d Draft) (told int64, result Result, err error) {
	found, thread, err := o.search(ctx, *p, d.Thread)
	switch v := o.sink.Judge(err, p.Channel); {
	case v.Outcome == Accepted:
		if len(found) > 0 {
			p.ID, p.Hash, told = found[0].ID, 0, found[0].Told
			o.succeeded(*p)
			if !p.Doubtful.IsZero() {
				o.doubt(wave.Doubt{Posting: *p, Thread: thread})
			}
		}
		return told, Done, nil
	case v.Outcome == Closed && p.Channel != d.Channel:
		return 0, Done, nil // what cannot be seen there is posted in the new place
	default:
		// Only this message waits: others may be posted without a search.
		return 0, Later, o.failed(*p, scope{key: p.Key}, v, err)
	}
}

// search returns the messages with a posting's key that were to go to a thread, or to none, the oldest first, and the
// thread in which they are: what a thread did not take is beside it.
func (o *Outbox) search(ctx context.Context, p wave.Posting, thread string) (found []Found, in string, err error) {
	found, err = o.sink.Find(ctx, Place{p.Channel, thread}, p.Key, p.After)
	if err != nil || len(found) > 0 || thread == "" {
		return found, thread, err
	}
	found, err = o.sink.Find(ctx, Place{Channel: p.Channel}, p.Key, p.After)
	return found, "", err
}

// takePost takes a post's part of the pace, if there is one to take.
func (o *Outbox) takePost(p wave.Posting) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	return !o.postAt(p, now).After(now) && o.limiter(p.Channel).AllowN(now, 1)
}

func (o *Outbox) takeEdit(p wave.Posting) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	return !o.editAt(p, now).After(now) && o.edits.AllowN(now, 1)
}

// Edit replaces a posted message. The result is Shut if the channel is closed to us, and Fixed if the sink takes no
// edits of the message any more, or this one in no form: trying for ever would hold up all that is to come in it.
func (o *Outbox) Edit(ctx context.Context, p wave.Posting, m message.Message, told int64) (Result, error) {
	if !o.takeEdit(p) {
		return Later, nil
	}
	for _, f := range []Form{Rich, Plain} {
		err := o.sink.Edit(ctx, p.Channel, p.ID, Mark{p.Key, told}, m, f)
		switch v := o.known(p.Key, o.sink.Judge(err, p.Channel)); v.Outcome {
		case Accepted:
			o.succeeded(p)
			p.Hash, p.Found = m.Hash(), false
			return Done, o.store.Accepted(ctx, p, told, time.Now())
		case Refused:
			o.log.Warn("an edit was refused in one form; trying a simpler one", "sink", o.sink.Name(), "key", p.Key, "err", err)
		case Gone:
			return Missing, nil
		case Frozen:
			return o.freeze(ctx, p)
		case Closed:
			return Shut, o.failed(p, scope{edits: true}, v, err)
		default:
			return Later, o.failed(p, scope{edits: true}, v, err)
		}
	}
	o.log.Warn("an edit is refused in every form", "sink", o.sink.Name(), "key", p.Key)
	return o.freeze(ctx, p)
}

// freeze records what a message tells that takes no more edits: the answer to its last edit may have been lost.
func (o *Outbox) freeze(ctx context.Context, p wave.Posting) (Result, error) {
	found, _, err := o.search(ctx, p, "")
	if v := o.sink.Judge(err, p.Channel); v.Outcome != Accepted {
		return Later, o.failed(p, scope{key: p.Key}, v, err)
	}
	for _, f := range found {
		if f.ID == p.ID && f.Told > 0 {
			p.Found, p.Looked = true, false
			return Fixed, o.store.Accepted(ctx, p, f.Told, time.Now())
		}
	}
	return Fixed, nil
}

// Attach puts the picture of a posted message into its thread, after it has looked whether it is
// there if that was begun before. What becomes of the picture is recorded before it returns Done. With
// patient set, what may be better later is tried again.
func (o *Outbox) Attach(ctx context.Context, p wave.Posting, patient bool, draw func() (File, error)) (Result, error) {
	result, err := o.AttachFile(ctx, p, patient, Attachment{Name: "picture", ID: p.File, Create: draw,
		Record: func(ctx context.Context, id string) error {
			p.File = id
			return o.store.MarkUpload(ctx, p)
		}})
	if err != nil || result != Missing {
		return result, err
	}
	p.Picture = wave.PictureNone
	return Done, o.store.MarkUpload(ctx, p)
}

// Attachment is a file that is to follow a message into its thread.
type Attachment struct {
	Name     string // in the log
	ID       string // of the file that was handed over before; "" for none
	Optional bool   // nobody is to be troubled where files may not be uploaded
	Create   func() (File, error)
	// Record records the ID of the file that was handed over, before anybody sees it.
	Record func(ctx context.Context, id string) error
}

// AttachFile is Attach for a file of any kind. The result is Missing if the message stays without it.
func (o *Outbox) AttachFile(ctx context.Context, p wave.Posting, patient bool, a Attachment) (Result, error) {
	err := o.attach(ctx, Place{Channel: p.Channel, Thread: p.ID}, a)
	v := o.sink.Judge(err, p.Channel)
	switch {
	case v.Outcome == Accepted:
		o.succeeded(p)
		return Done, nil
	case errors.Is(err, errRecord):
		return Later, err
	case errors.Is(err, errCreate):
	case v.Outcome == Fatal, patient && v.Outcome != Refused && v.Outcome != Closed && v.Outcome != Gone:
		return Later, o.failed(p, scope{key: p.Key}, v, err)
	}
	level := slog.LevelWarn
	if a.Optional && v.Outcome == Closed {
		level = slog.LevelDebug
	}
	o.log.Log(ctx, level, "a message stays without its "+a.Name, "key", p.Key, "err", err, "hint", v.Hint)
	return Missing, nil
}

// These mark errors that are not the sink's.
var (
	errRecord = errors.New("recording an upload")
	errCreate = errors.New("making a file")
)

func (o *Outbox) attach(ctx context.Context, thread Place, a Attachment) error {
	if a.ID != "" {
		if found, err := o.sink.FindFile(ctx, thread, a.ID); err != nil || found {
			return err
		}
	}
	file, err := a.Create()
	if err != nil {
		return fmt.Errorf("%w: %w", errCreate, err)
	}
	id, err := o.sink.Upload(ctx, file)
	if err != nil {
		return err
	}
	if err := a.Record(ctx, id); err != nil {
		return fmt.Errorf("%w: %w", errRecord, err)
	}
	return o.sink.ShowFile(ctx, thread, id, file.Name)
}

// MayUpload reports whether files can be uploaded, as far as the sink says.
func (o *Outbox) MayUpload(ctx context.Context) bool { return o.sink.MayUpload(ctx) }

// PostedAt is when a message was posted, by the sink's own clock; zero if that is not known.
func (o *Outbox) PostedAt(p wave.Posting) time.Time { return o.sink.Posted(p.ID) }

// firstPause is the pause after the first failure without an answer.
const firstPause = time.Second

// failed puts off what a failure belongs to, and returns an error only where trying again cannot
// help. limited is what waits if the sink asks for it.
func (o *Outbox) failed(p wave.Posting, limited scope, v Verdict, err error) error {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch v.Outcome {
	case Fatal:
		o.problem(scope{}, p, "refuses our credentials", v, err)
		return &FatalError{Sink: o.sink.Name(), Code: v.Code, Hint: v.Hint, Err: err}
	case Limited:
		o.pauses[limited] = pause{until: now.Add(v.Wait)}
		o.problem(limited, p, "limits the rate of calls; waiting", v, err)
	case Closed: // a person must act first
		s := scope{channel: p.Channel}
		o.pauses[s] = longer(pause{length: o.limits.MaxPause}, o.limits.MaxPause, now)
		o.problem(s, p, "does not take messages in the channel; keeping them and trying again", v, err)
	case Refused, Strange:
		s := scope{key: p.Key}
		o.pauses[s] = longer(o.pauses[s], o.limits.MaxPause, now)
		o.problem(s, p, "does not take a message; keeping it and trying again", v, err)
	default:
		o.pauses[scope{}] = longer(o.pauses[scope{}], o.limits.MaxPause, now)
		if v.Unanswered { // it may still be carried out: what is asked for next must come after that
			o.pauses[scope{key: p.Key}] = pause{until: now.Add(o.limits.Settle)}
		}
		o.problem(scope{}, p, "does not answer; keeping all messages and trying again", v, err)
	}
	return nil
}

// longer is the pause after another one. Half of it is fixed, so that a failing call is never
// repeated at once; half is random, so that several Rollcalls do not return together.
func longer(last pause, most time.Duration, now time.Time) pause {
	length := min(max(2*last.length, firstPause), most)
	return pause{until: now.Add(length/2 + rand.N(length/2)), length: length}
}

// problem logs a failure once, until a call of its scope succeeds.
func (o *Outbox) problem(s scope, p wave.Posting, text string, v Verdict, err error) {
	text = o.sink.Name() + " " + text
	said := problem{p.Part, fmt.Sprintf("%s: %v", text, err)}
	if o.problems[s] == said {
		return
	}
	o.problems[s] = said
	args := []any{"err", err, "channel", p.Channel, "key", p.Key}
	if v.Hint != "" {
		args = append(args, "hint", v.Hint)
	}
	o.log.Warn(text, args...)
}

// succeeded notes that the sink takes calls, in this channel and for this message.
func (o *Outbox) succeeded(p wave.Posting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	again := false
	delete(o.strange, p.Key)
	delete(o.beside, p.Key)
	for _, s := range []scope{{}, {channel: p.Channel}, {posts: p.Channel}, {edits: true}, {key: p.Key}} {
		if _, ok := o.problems[s]; ok {
			delete(o.problems, s)
			again = true
		}
		if o.pauses[s].length > 0 || s.key != "" {
			delete(o.pauses, s)
		}
	}
	if again {
		o.log.Info(o.sink.Name()+" takes messages again", "channel", p.Channel)
	}
}

// Forget drops what is remembered about a message that will not be posted.
func (o *Outbox) Forget(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.absent, key)
	delete(o.strange, key)
	delete(o.beside, key)
	delete(o.sought, key)
	delete(o.pauses, scope{key: key})
	delete(o.problems, scope{key: key})
}

// Problem says why delivering does not work just now, "" while it does: that of digests, or that
// of all else.
func (o *Outbox) Problem(digests bool) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	worst := ""
	for s, p := range o.problems {
		if (p.part == wave.PartDigest) != digests {
			continue
		}
		if s == (scope{}) {
			return p.text
		}
		if worst == "" || p.text < worst {
			worst = p.text
		}
	}
	return worst
}
