package deliver

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"rollcall/internal/digest"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// DigesterStore is what a Digester asks of the ledger and records in it.
type DigesterStore interface {
	Checkpoint(ctx context.Context, cluster string) (fleet.Checkpoint, error)
	LastDigest(ctx context.Context, cluster string) (wave.Digest, bool, error)
	AddDigest(ctx context.Context, d wave.Digest) (wave.Digest, error)
	FinishDigest(ctx context.Context, key string, now time.Time) error
}

// Summaries sums up the period of a digest, and says what that reads.
type Summaries interface {
	Scheduled(ctx context.Context, d wave.Digest, ticks *schedule.Schedule, now time.Time) (digest.Summary, error)
	Render(ctx context.Context, s digest.Summary) (message.Message, error)
}

// DigesterConfig is what a Digester needs. Every field but SkipQuiet is required.
type DigesterConfig struct {
	Cluster   string
	Channel   string // channel ID
	Outbox    *Outbox
	Store     DigesterStore
	Summaries Summaries
	Schedule  *schedule.Schedule
	SkipQuiet bool // post nothing when nothing happened
	// Live reports whether the watch is up to date. After a start, a digest that is due waits for
	// it, but not for long.
	Live func() bool
	// Draw draws a picture as a PNG.
	Draw func(c message.Chart, zone *time.Location, title string) ([]byte, error)
	Log  *slog.Logger
}

// Digester posts a digest of one cluster after each tick of its schedule, exactly once: a digest is
// a row of the ledger before it is posted, and the outbox posts it, so that the program may be
// killed on any line.
type Digester struct {
	DigesterConfig
	started time.Time
}

const (
	// liveWithin is how long a digest waits for the watch after a start.
	liveWithin = 2 * time.Minute
	// lateAfter is how long after its tick a digest is marked late.
	lateAfter = 5 * time.Minute
	// pictureWithin is how long after its digest a picture is tried again. The digests that follow
	// wait for it.
	pictureWithin = time.Hour
	// clockEvery is the longest time between two looks at the clock, which may have been set.
	clockEvery = time.Minute
)

// NewDigester returns a Digester. Run starts it.
func NewDigester(c DigesterConfig) *Digester { return &Digester{DigesterConfig: c} }

// Problem says why posting digests does not work just now, "" while it does.
func (d *Digester) Problem() string { return d.Outbox.Problem(true) }

// Run posts digests until ctx ends, and returns nil then. It returns a *FatalError when the sink
// refuses our credentials, and an error when the ledger fails.
func (d *Digester) Run(ctx context.Context) error {
	d.started = time.Now()
	for ctx.Err() == nil {
		grace, cancel := graceful(ctx)
		next, err := d.turn(grace)
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		timer := time.NewTimer(min(time.Until(next), clockEvery))
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
	last, ok, err := d.Store.LastDigest(ctx, d.Cluster)
	if err != nil {
		return now, err
	}
	if !ok || !last.Done.IsZero() {
		next, due, err := d.due(ctx, last, ok, now)
		if err != nil || !due {
			return next.Until, err
		}
		if !d.Live() && now.Sub(d.started) < liveWithin {
			return now.Add(time.Second), nil
		}
		if last, err = d.begin(ctx, next, now); err != nil || !last.Done.IsZero() {
			return now, err
		}
	}
	switch at := d.Outbox.PostAt(last.Posting, now); {
	case last.ID == "" && at.After(now):
		return at, nil
	case last.ID == "":
		return now, d.post(ctx, last)
	}
	if at := d.Outbox.AttachAt(last.Posting, now); at.After(now) {
		return at, nil
	}
	return now, d.finish(ctx, last)
}

// due returns the digest whose tick was the last, and whether it is still to be posted; if it is
// not, its Until is the next tick. A period begins where the last digest's ended, so that nothing
// is left out, also when the schedule was changed or the program did not run.
func (d *Digester) due(ctx context.Context, last wave.Digest, had bool, now time.Time) (wave.Digest, bool, error) {
	tick := d.Schedule.Last(now)
	next := wave.Digest{Posting: wave.Posting{Channel: d.Channel, Created: now}, Cluster: d.Cluster, From: last.Until,
		Until: tick}
	if !had {
		cp, err := d.Store.Checkpoint(ctx, d.Cluster)
		if err != nil {
			return next, false, err
		}
		next.From = d.Schedule.Last(tick.Add(-1))
		// There is no digest of a time in which nobody watched.
		had = !cp.BaselineAt.IsZero()
		next.From = fleet.Latest(next.From, cp.BaselineAt)
	}
	if had && !tick.IsZero() && tick.After(next.From) {
		return next, true, nil
	}
	next.Until = d.Schedule.Next(now)
	return next, false, nil
}

// begin records the intent of a digest, or that there is none because nothing happened.
func (d *Digester) begin(ctx context.Context, next wave.Digest, now time.Time) (wave.Digest, error) {
	if d.SkipQuiet {
		s, err := d.Summaries.Scheduled(ctx, next, d.Schedule, now)
		if err != nil {
			return next, err
		}
		if s.Quiet() {
			next.Picture, next.Done = wave.PictureNone, now
			d.Log.Info("nothing happened, so no digest is posted", "tick", next.Until)
		}
	}
	return d.Store.AddDigest(ctx, next)
}

// post posts a digest whose intent is recorded.
func (d *Digester) post(ctx context.Context, rec wave.Digest) error {
	now := time.Now()
	s, err := d.Summaries.Scheduled(ctx, rec, d.Schedule, now)
	if err != nil {
		return err
	}
	m, err := d.message(ctx, s, rec, now)
	if err != nil {
		return err
	}
	// DIGEST_CHANNEL may have been mended since the intent was recorded.
	var result Result
	rec.Posting, result,
		err = d.Outbox.Post(ctx, rec.Posting, Draft{Channel: d.Channel, Variants: d.variants(ctx, rec, s, m)})
	if err != nil || result != Done {
		return err
	}
	d.Log.Info("posted the digest", "from", rec.From, "until", rec.Until, "picture", rec.Picture)
	if rec.Picture == wave.PictureFile {
		return nil // the next turn uploads it
	}
	return d.Store.FinishDigest(ctx, rec.Key, time.Now())
}

// variants are what a digest may read: with its picture as a chart, or with a word about where it is,
// or as plain text. What becomes of the picture is decided with the variant, and recorded before it
// is posted.
func (d *Digester) variants(ctx context.Context, rec wave.Digest, s digest.Summary,
	m message.Message) iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		picture := rec.Picture
		if picture == "" {
			picture = wave.PictureChart
			if s.Quiet() || len(s.Chart.Series) == 0 {
				picture = wave.PictureNone
			}
		}
		if picture == wave.PictureChart {
			if !yield(Variant{m, Charted, picture}) {
				return
			}
			d.Log.Info("charts are not taken here; the digest's picture is uploaded instead")
			picture = wave.PictureFile
			if !d.Outbox.MayUpload(ctx) {
				picture = wave.PictureNone
				m = remark(m, "There is no picture: for one, add the scope files:write under OAuth & Permissions and install "+
					"the app again.")
			}
		}
		if picture == wave.PictureFile {
			m = remark(m, "The picture is in the thread.")
		}
		_ = yield(Variant{m, Rich, picture}) && yield(Variant{m, Plain, picture}) && yield(Variant{m, Bare, wave.PictureNone})
	}
}

// remark adds a line before the buttons.
func remark(m message.Message, text string) message.Message {
	at := len(m.Parts)
	if at > 0 && len(m.Parts[at-1].Buttons) > 0 {
		at--
	}
	note := message.Part{Note: message.NewLine(text)}
	m.Parts = append(m.Parts[:at:at], append([]message.Part{note}, m.Parts[at:]...)...)
	return m
}

// message is what a digest in the channel reads.
func (d *Digester) message(ctx context.Context, s digest.Summary, rec wave.Digest, now time.Time) (message.Message,
	error) {
	m, err := d.Summaries.Render(ctx, s)
	if err != nil {
		return message.Message{}, err
	}
	if late := now.Sub(rec.Until); late > lateAfter {
		zone, form := d.Schedule.Zone(), "15:04"
		if late > 12*time.Hour {
			form = "2 Jan 15:04"
		}
		text := fmt.Sprintf("⏰ Late: it was due at %s and is of %s.", rec.Until.In(zone).Format(form),
			now.In(zone).Format(form))
		m.Text += " (late)"
		m.Parts[0].Lines = append(message.Sentence(text), m.Parts[0].Lines...)
	}
	m.Parts = append(m.Parts, message.Part{Buttons: []message.Button{
		{Label: "Nodes", Verb: message.Open, Value: "/nodes"},
		{Label: "Last 7 days", Verb: message.Open, Value: "/nodes digest --since 1w"},
	}})
	return m, nil
}

// finish does what is left to do for a digest that is posted: its picture, if that is a file.
func (d *Digester) finish(ctx context.Context, rec wave.Digest) error {
	now := time.Now()
	if rec.Picture == wave.PictureFile {
		s, err := d.Summaries.Scheduled(ctx, rec, d.Schedule, now)
		if err != nil {
			return err
		}
		draw := func() (Picture, error) {
			png, err := d.Draw(s.Chart, d.Schedule.Zone(), digest.PictureTitle(s))
			name := fmt.Sprintf("rollcall-%s.png", rec.Until.UTC().Format("20060102-1504"))
			return Picture{Name: name, PNG: png, Alt: digest.PictureWords(s)}, err
		}
		patient := now.Sub(d.Outbox.PostedAt(rec.Posting)) <= pictureWithin
		if result, err := d.Outbox.Attach(ctx, rec.Posting, patient, draw); err != nil || result != Done {
			return err
		}
	}
	return d.Store.FinishDigest(ctx, rec.Key, now)
}
