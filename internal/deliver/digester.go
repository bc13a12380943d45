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
	LastDigest(ctx context.Context, cluster, audience string) (wave.Digest, bool, error)
	LastDigestOf(ctx context.Context, cluster, audience, schedule string, now time.Time) (wave.Digest, bool, error)
	OpenDigests(ctx context.Context, cluster, audience string) ([]wave.Digest, error)
	Schedules(ctx context.Context, cluster, audience string) (begins map[string]time.Time, err error)
	SetSchedules(ctx context.Context, cluster, audience string, begins map[string]time.Time) error
	MarkFigures(ctx context.Context, d wave.Digest) error
	AddDigest(ctx context.Context, d wave.Digest) (wave.Digest, error)
	FinishDigest(ctx context.Context, key string, now time.Time) error
}

// Summaries sums up the period of a digest, and says what that reads.
type Summaries interface {
	Scheduled(ctx context.Context, d wave.Digest, ticks *schedule.Schedule, now time.Time) (digest.Summary, error)
	Render(ctx context.Context, s digest.Summary) (message.Message, error)
}

// DigesterConfig is what a Digester needs. Every field but Audience and SkipQuiet is required.
type DigesterConfig struct {
	Cluster   string
	Channel   string // channel ID
	Audience  string // the channel whose nodes alone the digests are about; "" for all nodes
	Outbox    *Outbox
	Store     DigesterStore
	Summaries Summaries
	Schedules schedule.Set
	SkipQuiet bool // post nothing when nothing happened
	// Live reports whether the watch is up to date. After a start, a digest that is due waits for
	// it, but not for long.
	Live func() bool
	// Draw draws a picture as a PNG.
	Draw func(c message.Chart, zone *time.Location, title string) ([]byte, error)
	Log  *slog.Logger
}

// Digester posts digests of one cluster: one after each tick of each of its schedules, exactly once. A digest is
// a row of the ledger before it is posted, and the outbox posts it, so that the program may be
// killed on any line.
//
// Each schedule has periods of its own, which join without a gap: one begins where that schedule's last one ended, also
// when the program did not run, or when the schedule was moved to another hour. One that is added begins with its
// latest tick, so that its first digest is of a whole period; where all schedules are others than before, the
// first of each begins no later than where the last digest ended.
type Digester struct {
	DigesterConfig
	started time.Time
	begins  map[string]time.Time // by schedule, as the ledger has it; nil until that is looked up
}

const (
	// liveWithin is how long a digest waits for the watch after a start.
	liveWithin = 2 * time.Minute
	// lateAfter is how long after its tick a digest is marked late.
	lateAfter = 5 * time.Minute
	// pictureWithin is how long after its digest a picture, or the file of figures, is tried again. The digests that
	// follow wait for it.
	pictureWithin = time.Hour
	// holdUp is how long a digest that is refused for itself holds up those that follow.
	holdUp = time.Hour
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
	if err := d.look(ctx, now); err != nil {
		return now, err
	}
	open, err := d.Store.OpenDigests(ctx, d.Cluster, d.Audience)
	if err != nil {
		return now, err
	}
	again := now.Add(clockEvery)
	busy := map[string]bool{}
	for _, rec := range open {
		busy[rec.Schedule] = true
		at := d.Outbox.AttachAt(rec.Posting, now)
		if rec.ID == "" {
			at = d.Outbox.PostAt(rec.Posting, now)
		}
		if !at.After(now) {
			return now, d.step(ctx, rec, now)
		}
		if !d.Outbox.Held(rec.Key, now) || now.Sub(rec.Created) < holdUp {
			return at, nil
		}
		again = earlier(again, at)
	}
	var first wave.Digest
	for _, s := range d.Schedules {
		if busy[s.Name()] {
			continue
		}
		next, due, err := d.due(ctx, s, now)
		switch {
		case err != nil:
			return now, err
		case !due:
			again = earlier(again, s.Next(now))
		case first.Until.IsZero() || next.Until.Before(first.Until):
			first = next
		}
	}
	switch {
	case first.Until.IsZero():
		return again, nil
	case !d.Live() && now.Sub(d.started) < liveWithin:
		return now.Add(time.Second), nil
	}
	return now, d.begin(ctx, first, now)
}

// step does what comes next for a digest whose intent is recorded.
func (d *Digester) step(ctx context.Context, rec wave.Digest, now time.Time) error {
	if rec.ID == "" {
		return d.post(ctx, rec)
	}
	return d.finish(ctx, rec, now)
}

// earlier is the earlier of two moments.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// look finds out which schedules are new since the last start, and records where their periods begin.
func (d *Digester) look(ctx context.Context, now time.Time) error {
	if d.begins != nil && !d.ahead(now) {
		return nil
	}
	was, err := d.Store.Schedules(ctx, d.Cluster, d.Audience)
	if err != nil {
		return err
	}
	last, had, err := d.Store.LastDigest(ctx, d.Cluster, d.Audience)
	if err != nil {
		return err
	}
	goesOn := false // what they were has a digest still to come
	for _, s := range d.Schedules {
		_, ok := was[s.Name()]
		goesOn = goesOn || ok
	}
	begins, changed := map[string]time.Time{}, len(was) != len(d.Schedules)
	for _, s := range d.Schedules {
		begin, ok := was[s.Name()]
		if ok && begin.After(now) || !ok && had {
			begin = s.Last(now)
			if !goesOn && last.Until.Before(begin) {
				begin = last.Until
			}
			ok = false
		}
		begins[s.Name()], changed = begin, changed || !ok
	}
	if changed {
		if err := d.Store.SetSchedules(ctx, d.Cluster, d.Audience, begins); err != nil {
			return err
		}
	}
	d.begins = begins
	return nil
}

// ahead reports whether a schedule begins at a moment that is yet to come: the clock has been set back.
func (d *Digester) ahead(now time.Time) bool {
	for _, begin := range d.begins {
		if begin.After(now) {
			return true
		}
	}
	return false
}

// due returns the digest of a schedule whose tick was the last, and whether it is still to be posted.
func (d *Digester) due(ctx context.Context, s *schedule.Schedule, now time.Time) (wave.Digest, bool, error) {
	tick := s.Last(now)
	next := wave.Digest{Posting: wave.Posting{Channel: d.Channel, Created: now}, Cluster: d.Cluster,
		Audience: d.Audience, Schedule: s.Name(),
		Until: tick}
	last, had, err := d.Store.LastDigestOf(ctx, d.Cluster, d.Audience, s.Name(), now)
	if err != nil {
		return next, false, err
	}
	next.From = fleet.Latest(last.Until, d.begins[s.Name()])
	if !had {
		cp, err := d.Store.Checkpoint(ctx, d.Cluster)
		if err != nil {
			return next, false, err
		}
		if next.From.IsZero() {
			next.From = s.Last(tick.Add(-1))
		}
		// There is no digest of a time in which nobody watched.
		had = !cp.BaselineAt.IsZero()
		next.From = fleet.Latest(next.From, cp.BaselineAt)
	}
	return next, had && !tick.IsZero() && tick.After(next.From), nil
}

// begin records the intent of a digest, or that there is none because nothing happened.
func (d *Digester) begin(ctx context.Context, next wave.Digest, now time.Time) error {
	if d.SkipQuiet {
		s, err := d.summary(ctx, next, now)
		if err != nil {
			return err
		}
		if s.Quiet() {
			next.Picture, next.Done = wave.PictureNone, now
			d.Log.Info("nothing happened, so no digest is posted", "tick", next.Until, "schedule", next.Schedule)
		}
	}
	_, err := d.Store.AddDigest(ctx, next)
	return err
}

// summary sums up a digest's period, and compares it with those before of its schedule. Of a schedule that is not there
// any more, another's are as good.
func (d *Digester) summary(ctx context.Context, rec wave.Digest, now time.Time) (digest.Summary, error) {
	s := d.Schedules.Of(rec.Schedule)
	if s == nil {
		s = d.Schedules[0]
	}
	return d.Summaries.Scheduled(ctx, rec, s, now)
}

// zone is that of all schedules.
func (d *Digester) zone() *time.Location { return d.Schedules[0].Zone() }

// post posts a digest whose intent is recorded.
func (d *Digester) post(ctx context.Context, rec wave.Digest) error {
	now := time.Now()
	s, err := d.summary(ctx, rec, now)
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
	d.Log.Info("posted the digest", "schedule", rec.Schedule, "channel", rec.Channel, "from", rec.From, "until",
		rec.Until, "picture",
		rec.Picture)
	return nil // the next turn uploads what follows it
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
		zone, form := d.zone(), "15:04"
		if late > 12*time.Hour {
			form = "2 Jan 15:04"
		}
		text := fmt.Sprintf("⏰ Late: it was due at %s and is of %s.", rec.Until.In(zone).Format(form),
			now.In(zone).Format(form))
		m.Text += " (late)"
		m.Parts[0].Lines = append(message.Sentence(text), m.Parts[0].Lines...)
	}
	longer := message.Button{Label: "Last 7 days", Verb: message.Open, Value: "/nodes digest --since 1w"}
	if rec.Until.Sub(rec.From) > 4*24*time.Hour {
		longer.Label, longer.Value = "Last 30 days", "/nodes digest --since 30d"
	}
	m.Parts = append(m.Parts, message.Part{Buttons: []message.Button{
		{Label: "Nodes", Verb: message.Open, Value: "/nodes"},
		longer,
	}})
	return m, nil
}

// finish does what is left to do for a digest that is posted: first its picture, if that is a file, then its figures.
func (d *Digester) finish(ctx context.Context, rec wave.Digest, now time.Time) error {
	picture := rec.Picture == wave.PictureFile && rec.Figures == ""
	if !picture && rec.Figures != "" && rec.Figures != wave.FiguresDue {
		return d.Store.FinishDigest(ctx, rec.Key, now)
	}
	s, err := d.summary(ctx, rec, now)
	if err != nil {
		return err
	}
	patient := now.Sub(d.Outbox.PostedAt(rec.Posting)) <= pictureWithin
	name := fmt.Sprintf("rollcall-%s", rec.Until.UTC().Format("20060102-1504"))
	if picture {
		draw := func() (File, error) {
			png, err := d.Draw(s.Chart, d.zone(), digest.PictureTitle(s))
			return File{Name: name + ".png", Data: png, Alt: digest.PictureWords(s)}, err
		}
		if result, err := d.Outbox.Attach(ctx, rec.Posting, patient, draw); err != nil || result != Done {
			return err
		}
		rec.Figures = wave.FiguresDue // from here on, nobody looks for the picture again
		return d.Store.MarkFigures(ctx, rec)
	}
	rec.Figures = wave.FiguresDue
	result, err := d.Outbox.AttachFile(ctx, rec.Posting, patient, Attachment{Name: "figures", ID: rec.FiguresFile,
		Optional: true,
		Create:   func() (File, error) { return File{Name: name + ".csv", Data: digest.CSV(s)}, nil },
		Record: func(ctx context.Context, id string) error {
			rec.FiguresFile = id
			return d.Store.MarkFigures(ctx, rec)
		}})
	if err != nil || result == Later {
		return err
	}
	if rec.Figures = wave.FiguresFile; result == Missing {
		rec.Figures = wave.FiguresNone
	}
	if err := d.Store.MarkFigures(ctx, rec); err != nil {
		return err
	}
	return d.Store.FinishDigest(ctx, rec.Key, now)
}
