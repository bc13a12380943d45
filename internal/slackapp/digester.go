package slackapp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/digest"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// DigesterConfig is what a Digester needs. Every field but SkipQuiet and MaxPause is required.
type DigesterConfig struct {
	Cluster   string
	Channel   string // channel ID
	API       *slack.Client
	Ledger    *ledger.Ledger
	Summaries Summaries
	Schedule  *schedule.Schedule
	SkipQuiet bool // post nothing when nothing happened
	// Live reports whether the watch is up to date. After a start, a digest that is due waits for
	// it, but not for long.
	Live func() bool
	// Draw draws a picture as a PNG.
	Draw     func(c digest.Chart, zone *time.Location, title string) ([]byte, error)
	Log      *slog.Logger
	MaxPause time.Duration // longest pause after failures; default 30 s
}

// Digester posts a digest after each tick of its schedule, exactly once: what it is about to do
// is recorded before, and what Slack has accepted after each call, so that it may be killed on
// any line.
type Digester struct {
	c       DigesterConfig
	find    finder
	started time.Time
	backoff time.Duration
	notPost time.Time       // no call before this
	settled map[string]bool // digests recorded as tried that Slack surely has not
	failing atomic.Pointer[string]
}

const (
	// liveWithin is how long a digest waits for the watch after a start.
	liveWithin = 2 * time.Minute
	// lateAfter is how long after its tick a digest is marked late.
	lateAfter = 5 * time.Minute
	// pictureWithin is how long after its digest a picture is tried again.
	pictureWithin = time.Hour
	// lookEvery is how often is looked at the clock, which may have been set.
	lookEvery = time.Minute
)

// NewDigester returns a Digester. Run starts it.
func NewDigester(c DigesterConfig) *Digester {
	if c.MaxPause == 0 {
		c.MaxPause = Pace{}.withDefaults().MaxPause
	}
	return &Digester{c: c, find: finder{api: c.API, log: c.Log}, settled: map[string]bool{}}
}

// Run posts digests until ctx ends, and returns nil then. It returns a *FatalError when the
// tokens are refused, and an error when the ledger fails.
func (d *Digester) Run(ctx context.Context) error {
	d.started = time.Now()
	for ctx.Err() == nil {
		// A call once begun is finished, and its outcome recorded.
		grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
		stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })
		next, err := d.turn(grace)
		stop()
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		timer := time.NewTimer(min(time.Until(next), lookEvery))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// turn takes at most one step, and returns when to look again.
func (d *Digester) turn(ctx context.Context) (time.Time, error) {
	now := time.Now()
	last, ok, err := d.c.Ledger.LastDigest(ctx, d.c.Cluster)
	if err != nil {
		return now, err
	}
	if !ok || !last.Done.IsZero() {
		next, due, err := d.due(ctx, last, ok, now)
		if err != nil || !due {
			return next.Until, err
		}
		if !d.c.Live() && now.Sub(d.started) < liveWithin {
			return now.Add(time.Second), nil
		}
		if last, err = d.begin(ctx, next, now); err != nil || !last.Done.IsZero() {
			return now, err
		}
	}
	if now.Before(d.notPost) {
		return d.notPost, nil
	}
	if last.ID == "" {
		return now, d.post(ctx, last)
	}
	return now, d.upload(ctx, last)
}

// due returns the digest whose tick was the last, and whether it is still to be posted; if it is
// not, its Until is the next tick. A period begins where the last digest's ended, so that nothing
// is left out, also when the schedule was changed or the program did not run.
func (d *Digester) due(ctx context.Context, last wave.Digest, had bool, now time.Time) (wave.Digest, bool, error) {
	tick := d.c.Schedule.Last(now)
	next := wave.Digest{Posting: wave.Posting{Channel: d.c.Channel, Created: now}, Cluster: d.c.Cluster, From: last.Until, Until: tick}
	if !had {
		cp, err := d.c.Ledger.Checkpoint(ctx, d.c.Cluster)
		if err != nil {
			return next, false, err
		}
		next.From = d.c.Schedule.Last(tick.Add(-1))
		// Of a time in which nobody watched there is no digest.
		had = !cp.BaselineAt.IsZero()
		if next.From.Before(cp.BaselineAt) {
			next.From = cp.BaselineAt
		}
	}
	if had && !tick.IsZero() && tick.After(next.From) {
		return next, true, nil
	}
	next.Until = d.c.Schedule.Next(now)
	return next, false, nil
}

// begin records the intent of a digest, or that there is none because nothing happened.
func (d *Digester) begin(ctx context.Context, next wave.Digest, now time.Time) (wave.Digest, error) {
	if d.c.SkipQuiet {
		s, err := d.c.Summaries.Scheduled(ctx, next, d.c.Schedule, now)
		if err != nil {
			return next, err
		}
		if s.Quiet() {
			next.Picture, next.Done = wave.PictureNone, now
			d.c.Log.Info("nothing happened, so no digest is posted", "tick", next.Until)
		}
	}
	return d.c.Ledger.AddDigest(ctx, next)
}

// post posts a digest whose intent is recorded: it first looks for it if Slack may have it
// already. With the intent goes what becomes of the picture.
func (d *Digester) post(ctx context.Context, rec wave.Digest) error {
	if rec.Tried && !d.settled[rec.Key] {
		ts, err := d.find.find(ctx, rec.Channel, "", rec.Key, rec.After)
		what, wait := classify(err)
		switch moved := rec.Channel != d.c.Channel; {
		case what == notAllowed && moved: // what cannot be seen there is posted in the new place
		case what != accepted:
			return d.failed(err, what, wait)
		case ts != "":
			return d.posted(ctx, rec, ts)
		}
	}
	rec.Channel = d.c.Channel // DIGEST_CHANNEL may have been mended since
	now := time.Now()
	s, err := d.c.Summaries.Scheduled(ctx, rec, d.c.Schedule, now)
	if err != nil {
		return err
	}
	v, err := d.view(ctx, s, rec, now)
	if err != nil {
		return err
	}
	if rec.Picture == "" {
		rec.Picture = wave.PictureChart
		if s.Quiet() || chart(s.Chart) == nil {
			rec.Picture = wave.PictureNone
		}
	}
	rec.Tried = true
	what, err := d.try(ctx, &rec, s, v)
	if what != refused {
		return err
	}
	// Slack takes it in no form that holds text from the cluster.
	const bare = "Rollcall's digest is ready, but Slack refuses it. Type /nodes digest for it."
	rec.Picture = wave.PictureNone
	if what, err = d.send(ctx, &rec, s, content{text: bare}); what == refused {
		return d.failed(fmt.Errorf("Slack refuses a digest in every form: %w", err), notAllowed, 0)
	}
	return err
}

// try posts a digest with its picture as a chart, or without if Slack does not take that, or as
// plain text. The outcome is refused if Slack takes none of them.
func (d *Digester) try(ctx context.Context, rec *wave.Digest, s digest.Summary, v view) (outcome, error) {
	if rec.Picture == wave.PictureChart {
		what, err := d.send(ctx, rec, s, v.charted())
		if what != refused {
			return what, err
		}
		d.c.Log.Info("Slack does not take charts here; the digest's picture is uploaded instead", "err", err)
		rec.Picture = wave.PictureFile
		if d.mayUpload(ctx) {
			v.remark("The picture is in the thread.")
		} else {
			rec.Picture = wave.PictureNone
			v.remark("There is no picture: for one, add the scope files:write under OAuth & Permissions and install the app again.")
		}
	} else if rec.Picture == wave.PictureFile {
		v.remark("The picture is in the thread.")
	}
	what, err := d.send(ctx, rec, s, v.content(onMessage))
	if what != refused {
		return what, err
	}
	d.c.Log.Warn("Slack refused the blocks of a digest; sending it as plain text", "err", err)
	return d.send(ctx, rec, s, content{text: escape(v.String(), maxText)})
}

// remark adds a line before the buttons.
func (v *view) remark(text string) {
	at := len(v.Parts)
	if at > 0 && len(v.Parts[at-1].Buttons) > 0 {
		at--
	}
	v.Parts = append(v.Parts[:at:at], append([]part{{Note: alert.Line{{Text: text}}}}, v.Parts[at:]...)...)
}

// send makes one call, and records the intent before and what Slack has accepted after it. The
// outcome is accepted, refused, or another of which everything is said.
func (d *Digester) send(ctx context.Context, rec *wave.Digest, s digest.Summary, what content) (outcome, error) {
	if err := d.c.Ledger.SaveDigest(ctx, *rec, time.Now()); err != nil {
		return uncertain, err
	}
	delete(d.settled, rec.Key)
	_, ts, err := d.c.API.PostMessageContext(ctx, rec.Channel, what.options(digestMetadata(*rec, s))...)
	out, wait := classify(err)
	switch out {
	case accepted:
		return out, d.posted(ctx, *rec, ts)
	case refused, gone:
		d.settled[rec.Key] = true
		return refused, err
	case notAllowed:
		d.settled[rec.Key] = true
	}
	return out, d.failed(err, out, wait)
}

// posted records where a digest is.
func (d *Digester) posted(ctx context.Context, rec wave.Digest, ts string) error {
	d.succeeded()
	now := time.Now()
	rec.ID = ts
	if rec.Picture != wave.PictureFile {
		rec.Done = now
	}
	d.c.Log.Info("posted the digest", "from", rec.From, "until", rec.Until, "picture", rec.Picture)
	return d.c.Ledger.SaveDigest(ctx, rec, now)
}

// view is what a digest in the channel reads.
func (d *Digester) view(ctx context.Context, s digest.Summary, rec wave.Digest, now time.Time) (view, error) {
	mutes, err := mutesOf(ctx, d.c.Ledger, s)
	if err != nil {
		return view{}, err
	}
	v := digestView(s, mutes)
	if late := now.Sub(rec.Until); late > lateAfter {
		zone := d.c.Schedule.Zone()
		text := fmt.Sprintf("⏰ Late: it was due at %s and is of %s.", rec.Until.In(zone).Format("15:04"), now.In(zone).Format("15:04"))
		if late > 12*time.Hour {
			text = fmt.Sprintf("⏰ Late: it was due at %s and is of %s.", rec.Until.In(zone).Format("2 Jan 15:04"), now.In(zone).Format("2 Jan 15:04"))
		}
		v.Text += " (late)"
		v.Parts[0].Lines = append([]alert.Line{{{Text: text}}}, v.Parts[0].Lines...)
	}
	v.Parts = append(v.Parts, part{Buttons: []button{{Label: "Nodes", Verb: verbOpen, Value: "/nodes"}, {Label: "Last 7 days", Verb: verbOpen, Value: "/nodes digest --since 1w"}}})
	return v, nil
}

// mutesOf reads the mutes that a summary counts.
func mutesOf(ctx context.Context, l *ledger.Ledger, s digest.Summary) (mutes []wave.Mute, err error) {
	seen := map[int64]bool{}
	for _, n := range s.Muted {
		if seen[n.Mute] {
			continue
		}
		seen[n.Mute] = true
		m, ok, err := l.Mute(ctx, n.Mute)
		if err != nil {
			return nil, err
		}
		if ok {
			mutes = append(mutes, m)
		}
	}
	return mutes, nil
}

// digestMetadata is the message metadata of a digest. It holds nothing secret: every app in the
// workspace can read it.
func digestMetadata(rec wave.Digest, s digest.Summary) slack.SlackMetadata {
	return slack.SlackMetadata{EventType: MetadataDigest, EventPayload: map[string]any{
		"key": rec.Key, "cluster": rec.Cluster, "kind": "digest", "nodes": s.End, "from": rec.From.Unix(), "until": rec.Until.Unix(),
	}}
}

// mayUpload reports whether the scopes allow uploads, as far as Slack answers.
func (d *Digester) mayUpload(ctx context.Context) bool {
	_, err := d.c.API.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: "rollcall.png", FileSize: 1})
	what, _ := classify(err)
	return what != notAllowed
}

// upload puts a digest's picture into its thread. If that was begun before, it first looks whether
// it is there.
func (d *Digester) upload(ctx context.Context, rec wave.Digest) error {
	now := time.Now()
	end := func(up wave.Picture) error {
		rec.Picture, rec.Done = up, now
		return d.c.Ledger.SaveDigest(ctx, rec, now)
	}
	// The digests that follow wait for this one.
	tooLate := now.Sub(timeOf(rec.ID)) > pictureWithin
	if rec.File != "" {
		found, err := d.find.findFile(ctx, rec.Channel, rec.ID, rec.File)
		if what, wait := classify(err); what != accepted {
			if what == fatal || !tooLate {
				return d.failed(err, what, wait)
			}
			d.c.Log.Warn("whether the digest's picture was uploaded cannot be found out", "err", err)
			return end(wave.PictureNone)
		}
		if found {
			d.succeeded()
			return end(wave.PictureFile)
		}
	}
	s, err := d.c.Summaries.Scheduled(ctx, rec, d.c.Schedule, now)
	if err != nil {
		return err
	}
	w := words{s}
	png, err := d.c.Draw(s.Chart, d.c.Schedule.Zone(), w.pictureTitle())
	if err != nil {
		d.c.Log.Error("the digest's picture could not be drawn", "err", err)
		return end(wave.PictureNone)
	}
	err = d.put(ctx, &rec, png, w.picture())
	what, wait := classify(err)
	switch {
	case what == accepted:
		d.succeeded()
		return end(wave.PictureFile)
	case what == fatal, (what == limited || what == uncertain) && !tooLate:
		return d.failed(err, what, wait)
	}
	d.c.Log.Warn("the digest's picture could not be uploaded; it stays without", "err", err, "hint", Hint(errorCode(err), rec.Channel))
	return end(wave.PictureNone)
}

// timeOf is when a message was posted: its ts is Unix seconds with a fraction.
func timeOf(ts string) time.Time {
	seconds, _, _ := strings.Cut(ts, ".")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// maxAlt is how long a file's alternative text may be. Source: docs.slack.dev,
// files.getUploadURLExternal.
const maxAlt = 1000

// put uploads a picture: an address, the bytes, and then the thread that they belong to. Which
// file it is is recorded before Slack may show it.
func (d *Digester) put(ctx context.Context, rec *wave.Digest, png []byte, alt string) error {
	name := fmt.Sprintf("rollcall-%s.png", rec.Until.UTC().Format("20060102-1504"))
	to, err := d.c.API.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: name, FileSize: len(png), AltTxt: clip(clean(alt), maxAlt)})
	if err != nil {
		return err
	}
	if err := d.c.API.UploadToURL(ctx, slack.UploadToURLParameters{UploadURL: to.UploadURL, Reader: bytes.NewReader(png), Filename: name}); err != nil {
		return err
	}
	rec.File = to.FileID
	if err := d.c.Ledger.SaveDigest(ctx, *rec, time.Now()); err != nil {
		return err
	}
	_, err = d.c.API.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{Files: []slack.FileSummary{{ID: to.FileID, Title: name}}, Channel: rec.Channel, ThreadTimestamp: rec.ID})
	return err
}

// failed puts off the next call, and returns an error only where none can help.
func (d *Digester) failed(err error, what outcome, wait time.Duration) error {
	now := time.Now()
	if what == fatal {
		return &FatalError{Code: errorCode(err), Err: err}
	}
	if what == limited {
		d.notPost = now.Add(wait)
	} else {
		d.backoff = min(max(2*d.backoff, firstBackoff), d.c.MaxPause)
		if what == notAllowed {
			d.backoff = d.c.MaxPause // a person must act first
		}
		d.notPost = now.Add(d.backoff/2 + rand.N(d.backoff/2))
	}
	problem := "Slack does not take the digest: " + err.Error()
	if was := d.failing.Swap(&problem); was == nil || *was != problem { // once, until it changes
		d.c.Log.Warn("Slack does not take the digest; trying again", "err", err, "hint", Hint(errorCode(err), d.c.Channel))
	}
	return nil
}

// Problem says why posting digests does not work just now, "" while it does.
func (d *Digester) Problem() string {
	if p := d.failing.Load(); p != nil {
		return *p
	}
	return ""
}

// succeeded notes that Slack takes calls.
func (d *Digester) succeeded() {
	d.backoff = 0
	d.failing.Store(nil)
}
