// Package receiver is a strict receiver of Rollcall's events, for tests and the demo: it verifies signatures with the
// library of Standard Webhooks and events with the SDK of CloudEvents, discards repeats by their ID, holds each
// cluster's events to their order, and fails as receivers do when it is told to. It is no part of the program.
package receiver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Fault is how a receiver fails. The zero value is not at all.
type Fault string

// The faults.
const (
	Broken  Fault = "500"     // answers 500 without looking
	Limited Fault = "429"     // answers 429 and asks for a second
	Gone    Fault = "410"     // answers that the endpoint is closed for good
	Moved   Fault = "302"     // answers that it is elsewhere
	Refuses Fault = "400"     // answers that it refuses the event
	Hangs   Fault = "hangs"   // never answers, and takes nothing
	Slow    Fault = "slow"    // takes what comes, a second late
	Dropped Fault = "dropped" // takes what comes, and the answer is lost
	Reset   Fault = "reset"   // breaks the connection, and takes nothing
)

// Faults are all faults.
var Faults = []Fault{Broken, Limited, Gone, Moved, Refuses, Hangs, Slow, Dropped, Reset}

// Received is an event as it came.
type Received struct {
	cloudevents.Event
	Body []byte
	At   time.Time
}

// Cluster is whose event it is.
func (r Received) Cluster() string {
	var data struct{ Cluster string }
	_ = r.DataAs(&data) // without data it is nobody's
	return data.Cluster
}

// Receiver is an http.Handler. Its methods may be called from several goroutines.
type Receiver struct {
	// IgnoreClock has it take what was signed at any time, as a sender needs it whose clock is off.
	IgnoreClock bool

	secret   string
	validate func(body []byte) error
	keep     int

	mu      sync.Mutex // guards what follows
	fault   Fault
	times   int // that the fault is still to happen; negative: until it is told otherwise
	events  []Received
	bodies  map[string][]byte // by ID
	last    map[string]string // by source, the sequence of the last new event
	total   int               // of new events
	repeats int
	tries   int
	wrong   []string
	changed chan struct{} // closed when something has come
}

// New returns a receiver that holds events to a secret; "" for one that takes events that are not signed. validate
// says what is wrong with an event beside what every CloudEvent must be; it may be nil. With keep, only the last so
// many events are remembered.
func New(secret string, validate func(body []byte) error, keep int) *Receiver {
	return &Receiver{secret: secret, validate: validate, keep: keep, bodies: map[string][]byte{},
		last: map[string]string{}, changed: make(chan struct{})}
}

// Fail makes the next so many requests fail; all, if times is negative.
func (r *Receiver) Fail(f Fault, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault, r.times = f, times
}

// Events are the events that were taken, without repeats, in the order in which they came.
func (r *Receiver) Events() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Total is how many events were taken, without repeats, also those that are not remembered any more.
func (r *Receiver) Total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Tally is how many requests there were, and how many of them brought an event again that was taken before.
func (r *Receiver) Tally() (tries, repeats int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries, r.repeats
}

// Fault is how it fails just now.
func (r *Receiver) Fault() Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
}

// Wrong is what was wrong with what came.
func (r *Receiver) Wrong() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.wrong)
}

// Changed returns a channel that is closed when something has come.
func (r *Receiver) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		return // the client was killed
	}
	switch fault := r.failing(); fault {
	case Broken:
		http.Error(w, "out of order", http.StatusInternalServerError)
	case Limited:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many", http.StatusTooManyRequests)
	case Gone:
		http.Error(w, "closed", http.StatusGone)
	case Moved:
		http.Redirect(w, req, "/elsewhere", http.StatusFound)
	case Refuses:
		http.Error(w, "not like this", http.StatusBadRequest)
	case Hangs:
		<-req.Context().Done()
	case Reset:
		panic(http.ErrAbortHandler)
	case Dropped:
		r.take(req, body)
		panic(http.ErrAbortHandler)
	default:
		if fault == Slow {
			select {
			case <-req.Context().Done():
			case <-time.After(time.Second):
			}
		}
		if problem := r.take(req, body); problem != "" {
			http.Error(w, problem, http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// failing is how this request fails.
func (r *Receiver) failing() Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.times == 0 {
		r.fault = ""
	} else if r.times > 0 {
		r.times--
	}
	return r.fault
}

// take takes an event, and says what is wrong with it; "" if nothing is.
func (r *Receiver) take(req *http.Request, body []byte) string {
	e, err := r.read(req, body)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { close(r.changed); r.changed = make(chan struct{}) }()
	if err == nil {
		err = r.order(e, body)
	}
	if err != nil {
		r.wrong = append(r.wrong, fmt.Sprintf("%v: %.2000s", err, body))
		return err.Error()
	}
	return ""
}

// order remembers a new event, which must follow those before. mu is held.
func (r *Receiver) order(e cloudevents.Event, body []byte) error {
	if before, ok := r.bodies[e.ID()]; ok {
		if r.repeats++; !bytes.Equal(before, body) {
			return fmt.Errorf("event %s came again, and is another one", e.ID())
		}
		return nil
	}
	if sequence, _ := e.Extensions()["sequence"].(string); sequence != "" {
		if last := r.last[e.Source()]; sequence <= last {
			return fmt.Errorf("event %s of %s has sequence %s, after %s", e.ID(), e.Source(), sequence, last)
		}
		r.last[e.Source()] = sequence
	}
	r.total++
	r.bodies[e.ID()] = body
	r.events = append(r.events, Received{Event: e, Body: body, At: time.Now()})
	if n := len(r.events) - r.keep; r.keep > 0 && n > 0 {
		for _, old := range r.events[:n] {
			delete(r.bodies, old.ID())
		}
		r.events = slices.Delete(r.events, 0, n)
	}
	return nil
}

// read verifies a request.
func (r *Receiver) read(req *http.Request, body []byte) (e cloudevents.Event, err error) {
	media, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	switch {
	case req.Method != http.MethodPost:
		return e, fmt.Errorf("it was sent with %s", req.Method)
	case err != nil || media != cloudevents.ApplicationCloudEventsJSON || params["charset"] != "utf-8":
		return e, fmt.Errorf("its content type is %q", req.Header.Get("Content-Type"))
	}
	if r.secret != "" {
		verifier, err := standardwebhooks.NewWebhook(r.secret)
		switch {
		case err != nil:
		case r.IgnoreClock:
			err = verifier.VerifyIgnoringTimestamp(body, req.Header)
		default:
			err = verifier.Verify(body, req.Header)
		}
		if err != nil {
			return e, err
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return e, err
	}
	if err := e.Validate(); err != nil {
		return e, err
	}
	if id := req.Header.Get(standardwebhooks.HeaderWebhookID); id != e.ID() {
		return e, fmt.Errorf("event %s came as %s", e.ID(), id)
	}
	if r.validate != nil {
		err = r.validate(body)
	}
	return e, err
}
