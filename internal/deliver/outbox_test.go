package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/deliver"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// world is a sink and a ledger, both in memory, in which the process can be killed at each step.
type world struct {
	mu     sync.Mutex // guards all of it while the outbox runs
	steps  int        // calls made, each of which is two steps: before and after its effect
	killAt int        // the step at which the process is killed; 0 for never

	ids    int // given so far
	posted []post
	files  []post
	shown  []post
	record wave.Posting            // what the ledger holds
	told   int64                   // and what it says is told
	blind  int                     // how often a message was accepted whose content nobody knew, without a word of it
	answer func(c call) *sinkError // what the sink answers instead, nil for success
	lost   func(c call) *sinkError // the same, after the effect
	calls  []call
	doubts []wave.Doubt // of other messages, when a process starts
}

// post is a message or picture in the sink.
type post struct {
	place         deliver.Place
	key, text, id string
	form          deliver.Form
	told          int64
}

// call is one to the sink.
type call struct {
	method, channel, key string
	form                 deliver.Form
	thread               string
}

// killed is what a killed process panics with.
type killed struct{}

// sinkError is what a sink may answer.
type sinkError struct{ deliver.Verdict }

func (e *sinkError) Error() string { return "answer " + e.Code }

func (w *world) step() {
	if w.steps++; w.steps == w.killAt {
		panic(killed{})
	}
}

// do calls the sink or the ledger.
func (w *world) do(c call, effect func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.step()
	w.calls = append(w.calls, c)
	if w.answer != nil {
		if err := w.answer(c); err != nil {
			return err
		}
	}
	effect()
	w.step()
	if w.lost != nil {
		if err := w.lost(c); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) MarkPosting(_ context.Context, p wave.Posting, _ time.Time) error {
	return w.do(call{method: "MarkPosting"}, func() { w.record = p })
}

func (w *world) Accepted(_ context.Context, p wave.Posting, told int64, _ time.Time) error {
	return w.do(call{method: "Accepted"}, func() {
		if w.record, w.told = p, max(w.told, told); p.Hash == 0 && !p.Found {
			w.blind++
		}
	})
}

func (w *world) MarkUpload(_ context.Context, p wave.Posting) error {
	return w.do(call{method: "MarkUpload"}, func() { w.record = p })
}

func (w *world) Name() string { return "the sink" }

func (w *world) Post(_ context.Context, to deliver.Place, mark deliver.Mark, m message.Message, f deliver.Form) (
	id string, err error) {
	err = w.do(call{"post", to.Channel, mark.Key, f, to.Thread}, func() {
		id = fmt.Sprint("id-", w.ids)
		w.ids++
		w.posted = append(w.posted, post{to, mark.Key, m.String(), id, f, mark.Told})
	})
	return id, err
}

func (w *world) Edit(_ context.Context, channel, id string, mark deliver.Mark, m message.Message,
	f deliver.Form) error {
	return w.do(call{"edit", channel, mark.Key, f, ""}, func() {
		for i := range w.posted {
			if w.posted[i].id == id {
				w.posted[i].text, w.posted[i].told = m.String(), mark.Told
			}
		}
	})
}

func (w *world) Find(_ context.Context, to deliver.Place, key, _ string) (found []deliver.Found, err error) {
	err = w.do(call{method: "find", channel: to.Channel, key: key}, func() {
		for _, p := range w.posted {
			if p.place == to && p.key == key {
				found = append(found, deliver.Found{ID: p.id, Told: p.told})
			}
		}
	})
	return found, err
}

func (w *world) Delete(_ context.Context, channel, id string) error {
	return w.do(call{method: "delete", channel: channel}, func() {
		w.posted = slices.DeleteFunc(w.posted, func(p post) bool { return p.id == id })
	})
}

func (w *world) Doubtful(context.Context) ([]wave.Doubt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.record.Doubtful.IsZero() || w.record.ID == "" {
		return w.doubts, nil
	}
	return append(w.doubts, wave.Doubt{Posting: w.record}), nil
}

func (w *world) Settled(context.Context, string) error {
	return w.do(call{method: "Settled"}, func() { w.record.Doubtful = time.Time{} })
}

func (w *world) Upload(context.Context, deliver.File) (file string, err error) {
	err = w.do(call{method: "upload"}, func() {
		file = fmt.Sprint("file-", len(w.files))
		w.files = append(w.files, post{id: file})
	})
	return file, err
}

func (w *world) ShowFile(_ context.Context, to deliver.Place, file, _ string) error {
	return w.do(call{method: "show"}, func() { w.shown = append(w.shown, post{place: to, id: file}) })
}

func (w *world) FindFile(_ context.Context, to deliver.Place, file string) (found bool, err error) {
	err = w.do(call{method: "find file"}, func() { found = slices.Contains(w.shown, post{place: to, id: file}) })
	return found, err
}

func (w *world) MayUpload(context.Context) bool { return true }

func (w *world) Judge(err error, _ string) deliver.Verdict {
	var e *sinkError
	switch {
	case err == nil:
		return deliver.Verdict{}
	case errors.As(err, &e):
		return e.Verdict
	}
	return deliver.Verdict{Outcome: deliver.Down}
}

func (w *world) Posted(string) time.Time { return time.Time{} }

func (w *world) Limits() deliver.Limits {
	return deliver.Limits{Posts: 1, PostBurst: 1, Edits: 1000, EditBurst: 1000, MaxPause: time.Minute, Room: 4000,
		Settle: 35 * time.Second}
}

func (w *world) outbox() *deliver.Outbox {
	return deliver.NewOutbox(w, w, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

func says(text string) message.Message {
	return message.Message{Headline: text, Text: text}
}

// run does what a process does until all is done: it posts the message that the ledger has not as
// posted, edits it to its newest text and shows its picture. It reports false if it is killed.
func (w *world) run(t *testing.T, text string) (alive bool) {
	t.Helper()
	defer func() {
		if r := recover(); r == (killed{}) {
			alive = false
		} else if r != nil {
			panic(r)
		}
	}()
	o := w.outbox()
	must := func(r deliver.Result, err error) bool {
		if err != nil || r == deliver.Missing {
			t.Fatalf("result %v: %v", r, err)
		}
		if r == deliver.Later {
			time.Sleep(time.Second)
		}
		return r == deliver.Done
	}
	for w.record.ID == "" {
		_, r, err := o.Post(t.Context(), w.record, deliver.Draft{Channel: "C1", Variants: deliver.Ordinary(says(text))})
		must(r, err)
	}
	for w.record.Hash != says(text).Hash() {
		must(o.Edit(t.Context(), w.record, says(text), 0))
	}
	for !must(o.Attach(t.Context(), w.record, true, func() (deliver.File, error) { return deliver.File{}, nil })) {
	}
	return true
}

// A process may be killed before and after each call to the sink and to the ledger, and the answer
// of each may be lost: in the end there is one message, up to date, with one picture.
func TestOutboxKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"", "post", "edit", "find", "show", "find file"} {
		for kill := 1; ; kill++ {
			done := false
			synctest.Test(t, func(t *testing.T) {
				w := &world{killAt: kill, record: wave.Posting{Key: "k", Channel: "C1"}}
				times := 0
				w.lost = func(c call) *sinkError {
					if times++; c.method != lost || times > 3 {
						return nil
					}
					return &sinkError{deliver.Verdict{Outcome: deliver.Down, Code: "lost"}}
				}
				done = w.run(t, "one")
				if !done {
					w.run(t, "two, which was rendered anew")
				}
				if len(w.posted) != 1 || w.posted[0].id != w.record.ID || len(w.shown) != 1 {
					t.Fatalf("killed at step %d, lost %q: %d messages %v, %d pictures shown\ncalls: %v", kill, lost,
						len(w.posted), w.posted, len(w.shown), w.calls)
				}
				if w.blind > 0 || w.record.Found {
					t.Fatalf("killed at step %d, lost %q: %d times a message was found and not said to be; the last is %+v", kill,
						lost, w.blind, w.record)
				}
				if !done && w.posted[0].text != says("two, which was rendered anew").String() {
					t.Fatalf("killed at step %d, lost %q: it says %q", kill, lost, w.posted[0].text)
				}
			})
			if done || t.Failed() {
				break
			}
			if kill > 100 {
				t.Fatal("it never ends")
			}
		}
	}
}

// What a failure holds up, and what goes on.
func TestFailureHoldsUpOnlyItsOwn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		verdict deliver.Verdict
		waits   string // of: same, other (message of the channel), elsewhere (another channel), edits
	}{
		{"refused", deliver.Verdict{Outcome: deliver.Refused}, "same"},
		{"strange", deliver.Verdict{Outcome: deliver.Strange}, "same"},
		{"gone", deliver.Verdict{Outcome: deliver.Gone}, "same"},
		{"limited", deliver.Verdict{Outcome: deliver.Limited, Wait: time.Minute}, "same other"},
		{"closed", deliver.Verdict{Outcome: deliver.Closed}, "same other edits"},
		{"down", deliver.Verdict{Outcome: deliver.Down}, "same other elsewhere edits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{record: wave.Posting{Key: "k", Channel: "C1"}}
				w.answer = func(c call) *sinkError {
					if c.method != "post" {
						return nil
					}
					return &sinkError{tt.verdict}
				}
				o := w.outbox()
				draft := deliver.Draft{Channel: "C1", Variants: deliver.Ordinary(says("one"))}
				for i := range 8 { // the longer it fails, the longer its pause
					time.Sleep(2 * time.Minute)
					if _, r, err := o.Post(t.Context(), w.record, draft); r != deliver.Later && r != deliver.Shut || err != nil {
						t.Fatalf("try %d: result %v: %v", i, r, err)
					}
				}
				time.Sleep(2 * time.Second) // the pace of the channel
				now := time.Now()
				at := map[string]time.Time{
					"same":      o.PostAt(w.record, now),
					"other":     o.PostAt(wave.Posting{Key: "other", Channel: "C1"}, now),
					"elsewhere": o.PostAt(wave.Posting{Key: "elsewhere", Channel: "C2"}, now),
					"edits":     o.EditAt(wave.Posting{Key: "edited", Channel: "C1", ID: "1"}, now),
				}
				for what, at := range at {
					if waits := at.After(now); waits != slices.Contains(strings.Fields(tt.waits), what) {
						t.Errorf("%s waits: %t (%v)", what, waits, at.Sub(now))
					}
					if at.Sub(now) > time.Minute {
						t.Errorf("%s waits for %v, longer than the longest pause", what, at.Sub(now))
					}
				}
				if o.Problem(false) == "" {
					t.Error("no problem is named")
				}
				if o.Problem(true) != "" {
					t.Error("digests have the problem of a wave")
				}

				w.answer = nil
				time.Sleep(time.Minute)
				if _, r, err := o.Post(t.Context(), w.record, draft); r != deliver.Done || err != nil {
					t.Fatalf("afterwards: result %v: %v", r, err)
				}
				time.Sleep(2 * time.Second)
				if now := time.Now(); o.PostAt(w.record, now).After(now) || o.Problem(false) != "" || o.Held("k", now) {
					t.Errorf("afterwards: %v, problem %q", o.PostAt(w.record, now).Sub(now), o.Problem(false))
				}
			})
		})
	}
}

// A sink has one pace for a channel, whoever posts there.
func TestPaceIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		o := w.outbox()
		begun := time.Now()
		for i := range 10 {
			key := fmt.Sprint(i)
			part := ""
			if i%2 == 1 {
				part = wave.PartDigest
			}
			for {
				p := wave.Posting{Key: key, Part: part, Channel: "C1"}
				_, r, err := o.Post(t.Context(), p, deliver.Draft{Channel: "C1", Variants: deliver.Ordinary(says(key))})
				if err != nil {
					t.Fatal(err)
				}
				if r == deliver.Done {
					break
				}
				time.Sleep(time.Until(o.PostAt(p, time.Now())))
			}
		}
		if took := time.Since(begun); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("10 messages at one a second took %v", took)
		}
	})
}

// What is refused is asked for in simpler forms, and what credentials do not allow ends the program.
func TestForms(t *testing.T) {
	t.Parallel()
	w := &world{record: wave.Posting{Key: "k", Channel: "C1"}}
	w.answer = func(c call) *sinkError {
		if c.method == "post" && c.form < deliver.Bare {
			return &sinkError{deliver.Verdict{Outcome: deliver.Refused, Code: "too_rich"}}
		}
		return nil
	}
	draft := deliver.Draft{Channel: "C1", Variants: deliver.Ordinary(says("one"))}
	if _, r, err := w.outbox().Post(t.Context(), w.record, draft); r != deliver.Done || err != nil {
		t.Fatalf("result %v: %v", r, err)
	}
	if len(w.posted) != 1 || len(w.calls) != 5 { // MarkPosting, three forms, Accepted
		t.Errorf("%d posted with %v", len(w.posted), w.calls)
	}

	w = &world{record: wave.Posting{Key: "k", Channel: "C1"}}
	w.answer = func(c call) *sinkError {
		if c.method != "post" {
			return nil
		}
		return &sinkError{deliver.Verdict{Outcome: deliver.Fatal, Code: "revoked", Hint: "make a new token"}}
	}
	_, _, err := w.outbox().Post(t.Context(), w.record, draft)
	var fatal *deliver.FatalError
	if !errors.As(err, &fatal) || err.Error() != "the sink refuses Rollcall (revoked); make a new token" {
		t.Errorf("error %v", err)
	}
}

// What the sink carries out late is not there twice in the end: after a time-out the next try waits for it, and
// after any other lost answer the twin is deleted, also if the process is killed meanwhile.
func TestCarriedOutLate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		verdict deliver.Verdict
		kill    bool
		setBack time.Duration // the clock, while it is killed
		deletes int
	}{
		"after a time-out":           {deliver.Verdict{Outcome: deliver.Down, Unanswered: true}, false, 0, 0},
		"after an error":             {deliver.Verdict{Outcome: deliver.Down}, false, 0, 1},
		"after a limit":              {deliver.Verdict{Outcome: deliver.Limited, Wait: time.Second}, false, 0, 1},
		"after an error, and killed": {deliver.Verdict{Outcome: deliver.Down}, true, 0, 1},
		"after an error, and killed, and the clock set back": {deliver.Verdict{Outcome: deliver.Down}, true, time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{record: wave.Posting{Key: "k", Channel: "C1"}}
				late := false
				w.answer = func(c call) *sinkError {
					if late || c.method != "post" {
						return nil
					}
					late = true
					time.AfterFunc(30*time.Second, func() {
						w.mu.Lock()
						defer w.mu.Unlock()
						w.posted = append(w.posted, post{place: deliver.Place{Channel: "C1"}, key: "k", id: "late"})
					})
					return &sinkError{tt.verdict}
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				run := func() *deliver.Outbox {
					o := w.outbox()
					go o.Run(ctx)
					return o
				}
				o := run()
				for p := w.record; p.ID == ""; {
					var r deliver.Result
					var err error
					p, r, err = o.Post(ctx, p, deliver.Draft{Channel: "C1", Variants: deliver.Ordinary(says("one"))})
					if err != nil || r == deliver.Missing {
						t.Fatal(r, err)
					}
					time.Sleep(time.Second)
				}
				if tt.kill {
					cancel()
					synctest.Wait()
					w.record.Doubtful = w.record.Doubtful.Add(tt.setBack)
					ctx, cancel = context.WithCancel(t.Context())
					defer cancel()
					run()
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				deletes := 0
				for _, c := range w.calls {
					if c.method == "delete" {
						deletes++
					}
				}
				if len(w.posted) != 1 || w.posted[0].id != w.record.ID || deletes != tt.deletes || !w.record.Doubtful.IsZero() {
					t.Errorf("%d messages %v, %d deleted, record %+v\ncalls: %v", len(w.posted), w.posted, deletes, w.record,
						w.calls)
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

// Doubts of a clock that has been set since, backwards or forwards, wait as long as others, however many there are.
func TestDoubtsOfAnotherClock(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{22 * time.Hour, -33 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			appear := func(key, id string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.posted = append(w.posted, post{place: deliver.Place{Channel: "C1"}, key: key, id: id})
			}
			for _, key := range []string{"a", "b", "c"} {
				w.doubts = append(w.doubts, wave.Doubt{Posting: wave.Posting{Key: key, Channel: "C1", ID: key,
					Doubtful: time.Now().Add(ahead)}})
				appear(key, key)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go w.outbox().Run(ctx)
			time.Sleep(30 * time.Second)
			for _, key := range []string{"a", "b", "c"} {
				appear(key, "twin of "+key)
			}
			time.Sleep(30 * time.Second)
			cancel()
			synctest.Wait()
			if len(w.posted) != 3 {
				t.Errorf("%v ahead: after a minute there are %v", ahead, w.posted)
			}
		})
	}
}

// An answer that nobody knows the meaning of counts as a refusal when it comes again and again, and what a thread takes
// in no form is said beside it.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(c call) *sinkError
		thread string
		want   deliver.Form
	}{
		"of rich messages": {func(c call) *sinkError {
			if c.method == "post" && c.form < deliver.Plain {
				return &sinkError{deliver.Verdict{Outcome: deliver.Strange, Code: "new_rule"}}
			}
			return nil
		}, "", deliver.Plain},
		"of a thread that is locked": {func(c call) *sinkError {
			if c.method == "post" && c.thread != "" {
				return &sinkError{deliver.Verdict{Outcome: deliver.Unthreaded}}
			}
			return nil
		}, "T1", deliver.Rich},
		"of a thread, for no known reason": {func(c call) *sinkError {
			if c.method == "post" && c.thread != "" {
				return &sinkError{deliver.Verdict{Outcome: deliver.Strange, Code: "new_rule"}}
			}
			return nil
		}, "T1", deliver.Rich},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{record: wave.Posting{Key: "k", Channel: "C1"}, answer: tt.answer}
				o := w.outbox()
				for i := 0; w.record.ID == ""; i++ {
					_, r, err := o.Post(t.Context(), w.record,
						deliver.Draft{Channel: "C1", Thread: tt.thread, Variants: deliver.Ordinary(says("one"))})
					if err != nil || r == deliver.Missing || i > 100 {
						t.Fatal(i, r, err)
					}
					time.Sleep(time.Second)
				}
				if len(w.posted) != 1 || w.posted[0].place.Thread != "" || w.posted[0].form != tt.want {
					t.Errorf("posted %v\ncalls: %v", w.posted, w.calls)
				}
			})
		})
	}
}

// What becomes of an edit that is refused: the caller is told whether the message or its channel is the reason.
func TestEditRefused(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[deliver.Outcome]deliver.Result{
		deliver.Gone: deliver.Missing, deliver.Frozen: deliver.Fixed, deliver.Closed: deliver.Shut,
		deliver.Down: deliver.Later, deliver.Strange: deliver.Later, deliver.Refused: deliver.Fixed,
	} {
		w := &world{answer: func(c call) *sinkError {
			if c.method == "edit" {
				return &sinkError{deliver.Verdict{Outcome: outcome}}
			}
			return nil
		}}
		got, err := w.outbox().Edit(t.Context(), wave.Posting{Key: "k", ID: "1", Channel: "C1"}, says("one"), 0)
		if got != want || err != nil {
			t.Errorf("outcome %v: result %v, %v; want %v", outcome, got, err, want)
		}
	}
}

// What a message tells is known again after its answer was lost: by the search that adopts it, and when it takes no
// more edits.
func TestWhatWasTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{record: wave.Posting{Key: "k", Channel: "C1"}}
		lost := 0
		w.lost = func(c call) *sinkError {
			if lost++; c.method == "post" || c.method == "edit" {
				return &sinkError{deliver.Verdict{Outcome: deliver.Down}}
			}
			return nil
		}
		o := w.outbox()
		for p := w.record; w.told != 3; time.Sleep(time.Second) {
			var err error
			p, _, err = o.Post(t.Context(), p,
				deliver.Draft{Channel: "C1", Told: 3, Variants: deliver.Ordinary(says("one"))})
			if err != nil {
				t.Fatal(err)
			}
		}
		if r, err := o.Edit(t.Context(), w.record, says("two"), 5); r != deliver.Later || err != nil || w.told != 3 {
			t.Fatalf("a lost edit: %v, %v, told %d", r, err, w.told)
		}
		w.lost = nil
		w.answer = func(c call) *sinkError {
			if c.method == "edit" {
				return &sinkError{deliver.Verdict{Outcome: deliver.Frozen}}
			}
			return nil
		}
		time.Sleep(time.Minute)
		if r, err := o.Edit(t.Context(), w.record, says("three"), 7); r != deliver.Fixed || err != nil || w.told != 5 ||
			!w.record.Found {
			t.Errorf("no more edits: %v, %v, told %d, want 5", r, err, w.told)
		}
	})
}

// After an edit without an answer the next one waits, so that what is carried out late does not replace it.
func TestEditWithoutAnAnswerWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{answer: func(c call) *sinkError {
			return &sinkError{deliver.Verdict{Outcome: deliver.Down, Unanswered: c.method == "edit"}}
		}}
		o, p, other := w.outbox(), wave.Posting{Key: "k", ID: "1", Channel: "C1"}, wave.Posting{Key: "l", Channel: "C1"}
		if r, err := o.Edit(t.Context(), p, says("one"), 0); r != deliver.Later || err != nil {
			t.Fatal(r, err)
		}
		now := time.Now()
		if at := o.EditAt(p, now).Sub(now); at != w.Limits().Settle {
			t.Errorf("the next edit comes after %v", at)
		}
		if at := o.EditAt(other, now).Sub(now); at > 2*time.Second {
			t.Errorf("that of another message comes after %v", at)
		}
	})
}
