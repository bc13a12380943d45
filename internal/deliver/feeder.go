package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/internal/alert"
	"rollcall/internal/digest"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// FeederStore is what a Feeder asks of the ledger and records in it.
type FeederStore interface {
	// Updates returns a channel that receives after changes were recorded, and its end.
	Updates() (updates <-chan struct{}, stop func())
	// Feed returns what is new, with at most limit changes and causes.
	Feed(ctx context.Context, cluster string, limit int) (wave.Feed, error)
	// Collect records the events that were made of it, and that it is not new any more.
	Collect(ctx context.Context, cluster string, c wave.Collected) error
	// NextDelivery returns the oldest event that is not delivered.
	NextDelivery(ctx context.Context, cluster string) (wave.Delivery, bool, error)

	Mutes(ctx context.Context, cluster string, now time.Time) ([]wave.Mute, error)
	Members(ctx context.Context, wave int64) ([]wave.Member, error)
	Totals
}

// Stamp is what is particular to an event of a feed: its place in it, and when it is written.
type Stamp struct {
	Seq int64
	Now time.Time
}

// Quiet says why the channel is not told of a change; "" if it is.
type Quiet string

// The reasons.
const (
	QuietKind     Quiet = "kind"     // it is not told changes of this kind
	QuietMute     Quiet = "mute"     // a mute of the node is active
	QuietSelector Quiet = "selector" // ALERT_NODE_SELECTOR leaves the node out
)

// Phase is where a message is in its life.
type Phase string

// The phases.
const (
	Opened    Phase = "opened"
	Changed   Phase = "changed"   // it says something else
	Over      Phase = "over"      // it says its last, and what it told is over
	Withdrawn Phase = "withdrawn" // another message tells what it told
)

// FedMessage is a message of the channel that is to become an event.
type FedMessage struct {
	Wave   wave.Wave // whole, if the phase is not Withdrawn
	Phase  Phase
	Text   string // what it says, in one line
	Events int    // how many events there were of it, with this one
}

// Events writes what happens in a cluster as events: package webhook.
type Events interface {
	Change(s Stamp, c wave.FedChange, quiet Quiet) (wave.Delivery, error)
	Cause(s Stamp, c wave.FedCause) (wave.Delivery, error)
	Message(s Stamp, m FedMessage) (wave.Delivery, error)
	Digest(s Stamp, d wave.Digest, sum digest.Summary, text string) (wave.Delivery, error)
	// Missed says how many events will never be sent.
	Missed(s Stamp, events int) (wave.Delivery, error)
}

// FeederConfig is what a Feeder needs. Every field is required.
type FeederConfig struct {
	Cluster   string
	Channel   string // where the sink posts: for the log
	Outbox    *Outbox
	Store     FeederStore
	Events    Events
	Summaries Summaries
	Schedules schedule.Set // of the digests
	Alert     alert.Config
	Log       *slog.Logger
}

// Feeder feeds a sink with all that happens in one cluster, in order: each change of a node, why it came or went once
// that is known, each message of the channel and each digest. What it sends is recorded before, with how far it has
// read the ledger, in one transaction: it may be killed on any line. Two loops share the work, so that a sink that does
// not answer holds up nothing that is recorded.
//
//  1. Collecting turns what is new in the ledger into events. Killed before the commit: it does so again, and nothing
//     was sent. Killed after: the events are sent.
//  2. Sending hands the oldest event to the outbox, until the sink has it. Killed before that is recorded: it is sent
//     again, and the receiver discards it by its ID.
//
// It reads what the Teller and the Digester record, and waits for neither of them, nor for their sink.
type Feeder struct {
	FeederConfig
	collected chan struct{} // holds one: there is more to send
}

// NewFeeder returns a Feeder. Run starts it.
func NewFeeder(c FeederConfig) *Feeder {
	c.Alert = c.Alert.WithDefaults()
	return &Feeder{FeederConfig: c, collected: make(chan struct{}, 1)}
}

const (
	// collectEvery is how often to look for what nobody tells a Feeder of: messages, causes, digests.
	collectEvery = 2 * time.Second
	// collectLimit is how many changes become events at once.
	collectLimit = 500
	// changedEvery is how far events of a message are apart at least that only say that it says something else. It is
	// Rollcall's own choice: the changes themselves come at once.
	changedEvery = 30 * time.Second
	// cursorLag is how many rows of other clusters a cursor may lie behind before it is moved for their sake.
	cursorLag = 1000
	// partEvent is what a posting of a feed is for.
	partEvent = "event"
)

// Run feeds until ctx ends, and returns nil then. It returns an error when the ledger fails.
func (f *Feeder) Run(ctx context.Context) error {
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return f.collecting(running) })
	g.Go(func() error { return f.sending(running) })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (f *Feeder) collecting(ctx context.Context) error {
	updates, stop := f.Store.Updates()
	defer stop()
	for ctx.Err() == nil {
		more, err := f.collect(ctx, time.Now())
		if err != nil {
			return err
		}
		if more {
			continue
		}
		timer := time.NewTimer(collectEvery)
		select {
		case <-ctx.Done():
		case <-updates:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// collect records what is new as events, and reports whether there is more.
func (f *Feeder) collect(ctx context.Context, now time.Time) (more bool, err error) {
	feed, err := f.Store.Feed(ctx, f.Cluster, collectLimit)
	if err != nil {
		return false, err
	}
	c := collection{f: f, now: now, Collected: wave.Collected{Cursor: feed.Upto, Explained: map[int64]int{}}}
	if err := errors.Join(c.missed(feed), c.changes(ctx, feed), c.causes(feed)); err != nil {
		return false, err
	}
	for _, w := range alert.Rewound(waves(feed.Waves), now, f.Alert) {
		if err := c.wave(ctx, feed, w); err != nil {
			return false, err
		}
	}
	if err := errors.Join(c.gone(feed), c.digests(ctx, feed)); err != nil {
		return false, err
	}
	behind := max(feed.Upto.Change-feed.Cursor.Change, feed.Upto.Wave-feed.Cursor.Wave,
		feed.Upto.Digest-feed.Cursor.Digest)
	if len(c.Deliveries)+len(c.States)+len(c.Over) == 0 && behind < cursorLag {
		return false, nil
	}
	if err := f.Store.Collect(ctx, f.Cluster, c.Collected); err != nil {
		return false, err
	}
	if len(c.Deliveries) > 0 {
		select {
		case f.collected <- struct{}{}:
		default:
		}
	}
	return feed.More, nil
}

// collection is what is collected in one go.
type collection struct {
	f   *Feeder
	now time.Time
	wave.Collected
}

// add adds the next event, as it is written.
func (c *collection) add(write func(Stamp) (wave.Delivery, error)) error {
	d, err := write(Stamp{Seq: c.Cursor.Seq + 1, Now: c.now})
	if err != nil {
		return err
	}
	c.Cursor.Seq++
	c.Deliveries = append(c.Deliveries, d)
	return nil
}

func (c *collection) missed(feed wave.Feed) error {
	if feed.Missed == 0 {
		return nil
	}
	c.Missed = feed.Missed
	return c.add(func(s Stamp) (wave.Delivery, error) { return c.f.Events.Missed(s, feed.Missed) })
}

func (c *collection) changes(ctx context.Context, feed wave.Feed) error {
	if len(feed.Changes) == 0 {
		return nil
	}
	mutes, err := c.f.Store.Mutes(ctx, c.f.Cluster, c.now)
	if err != nil {
		return err
	}
	for _, x := range feed.Changes {
		if err := c.add(func(s Stamp) (wave.Delivery, error) {
			return c.f.Events.Change(s, x, c.f.quiet(x, mutes))
		}); err != nil {
			return err
		}
		if !x.Why.IsZero() {
			c.Explained[x.Change.ID] = x.Why.Strength
		}
	}
	return nil
}

// quiet says why the channel is not told of a change.
func (f *Feeder) quiet(x wave.FedChange, mutes []wave.Mute) Quiet {
	switch {
	case !x.Change.Kind.Told():
		return QuietKind
	case x.Taken:
		return ""
	case x.Mute != 0:
		return QuietMute
	case f.Alert.Alerts != nil && !f.Alert.Alerts(x.Node.Labels):
		return QuietSelector
	}
	for _, m := range mutes {
		if m.Matches(x.Node) && f.Alert.Routes.Mutes(m, f.Alert.Routes.OfChange(x.Node, x.Change.Kind).Channel) {
			return QuietMute
		}
	}
	return ""
}

func (c *collection) causes(feed wave.Feed) error {
	for _, x := range feed.Causes {
		if told, ok := c.Explained[x.Change.ID]; ok && told >= x.Why.Strength {
			continue
		}
		c.Explained[x.Change.ID] = x.Why.Strength
		if x.Why.IsZero() {
			continue
		}
		if err := c.add(func(s Stamp) (wave.Delivery, error) { return c.f.Events.Cause(s, x) }); err != nil {
			return err
		}
	}
	return nil
}

// waves are the waves of a feed.
func waves(fed []wave.FedWave) []wave.Wave {
	all := make([]wave.Wave, len(fed))
	for i, x := range fed {
		all[i] = x.Wave
	}
	return all
}

// wave adds an event of a wave, if it says something new, and notes what was told of it.
func (c *collection) wave(ctx context.Context, feed wave.Feed, w wave.Wave) error {
	var x wave.FedWave
	for _, x = range feed.Waves {
		if x.Wave.ID == w.ID {
			break
		}
	}
	if x.Done && w.Counts.Members == 0 && w.About == (wave.About{}) && !alert.ToldOnce(w.Kind) {
		c.Over = append(c.Over, w.ID) // its message was deleted, and what it told became another one's
		if x.Fed.Events == 0 {
			return nil
		}
		return c.withdrawn(x.Fed)
	}
	over := x.Done || alert.Ended(w, c.now, c.f.Alert)
	state, err := stateOf(w)
	if err != nil {
		return err
	}
	since := c.now.Sub(x.Fed.At)
	if !over && x.Fed.Events > 0 && (state == x.Fed.State || since >= 0 && since < changedEvery) {
		return nil
	}
	if w.Members, err = c.f.Store.Members(ctx, w.ID); err != nil {
		return err
	}
	if over && w.ClosedAt.IsZero() {
		w.ClosedAt = c.now // it says its last
	}
	all, first, err := totals(ctx, c.f.Store, c.f.Alert, &w)
	if err != nil {
		return err
	}
	m := alert.Render(w, all, first, c.f.Alert)
	said, err := saidOf(w, m)
	if err != nil {
		return err
	}
	phase := Opened
	switch {
	case over:
		phase = Over
		c.Over = append(c.Over, w.ID)
	case x.Fed.Events > 0:
		phase = Changed
	}
	next := wave.FedState{Wave: w.ID, Key: w.Key, Kind: w.Kind, Events: x.Fed.Events, State: state, Said: said,
		At: x.Fed.At}
	if phase != Changed || said != x.Fed.Said {
		next.Events, next.At = next.Events+1, c.now
		if err := c.add(func(s Stamp) (wave.Delivery, error) {
			return c.f.Events.Message(s, FedMessage{Wave: w, Phase: phase, Text: m.Text, Events: next.Events})
		}); err != nil {
			return err
		}
	}
	if !over {
		c.States = append(c.States, next)
	}
	return nil
}

// stateOf sums up what a wave's message can depend on, as far as it is known without its nodes.
func stateOf(w wave.Wave) (string, error) {
	about, err := json.Marshal(w.About)
	h := fnv.New64a()
	n := w.Counts
	fmt.Fprint(h, w.Kind, string(about), w.ClosedAt.IsZero(), n.Members, n.Pending, n.Unready, n.LastChange,
		n.Unexplained, n.Causeless, w.Look.By)
	if w.Mute != nil {
		fmt.Fprint(h, w.Mute.End())
	}
	return fmt.Sprintf("%x", h.Sum64()), err
}

// saidOf identifies what an event of a wave's message says.
func saidOf(w wave.Wave, m message.Message) (uint64, error) {
	about, err := json.Marshal(w.About)
	h := fnv.New64a()
	fmt.Fprint(h, m.Kind, "|", m.Nodes, "|", m.Text, "|", string(about), "|", w.Look.By)
	return h.Sum64(), err
}

// gone says that messages are a part of others now.
func (c *collection) gone(feed wave.Feed) error {
	for _, s := range feed.Gone {
		c.Over = append(c.Over, s.Wave)
		if err := c.withdrawn(s); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) withdrawn(s wave.FedState) error {
	return c.add(func(stamp Stamp) (wave.Delivery, error) {
		return c.f.Events.Message(stamp, FedMessage{Wave: wave.Wave{ID: s.Wave, Key: s.Key, Kind: s.Kind,
			Cluster: c.f.Cluster}, Phase: Withdrawn, Events: s.Events + 1})
	})
}

func (c *collection) digests(ctx context.Context, feed wave.Feed) error {
	for _, d := range feed.Digests {
		if d.ID == "" && !d.Tried && !d.Done.IsZero() {
			continue // nothing had happened, and DIGEST_WHEN_QUIET says to skip it
		}
		ticks := c.f.Schedules.Of(d.Schedule)
		if ticks == nil {
			ticks = c.f.Schedules[0]
		}
		sum, err := c.f.Summaries.Scheduled(ctx, d, ticks, c.now)
		if err != nil {
			return err
		}
		m, err := c.f.Summaries.Render(ctx, sum)
		if err != nil {
			return err
		}
		if err := c.add(func(s Stamp) (wave.Delivery, error) { return c.f.Events.Digest(s, d, sum, m.Text) }); err != nil {
			return err
		}
	}
	return nil
}

// sending sends events, one after another, until ctx ends.
func (f *Feeder) sending(ctx context.Context) error {
	head := ""
	for ctx.Err() == nil {
		d, ok, err := f.Store.NextDelivery(ctx, f.Cluster)
		if err != nil {
			return err
		}
		if head != "" && head != d.Key {
			f.Outbox.Forget(head) // it was delivered, or given up
		}
		if head = d.Key; !ok {
			select {
			case <-ctx.Done():
			case <-f.collected:
			}
			continue
		}
		now := time.Now()
		p := wave.Posting{Key: d.Key, Part: partEvent, Channel: f.Channel, Created: d.Created}
		if at := f.Outbox.PostAt(p, now); at.After(now) {
			timer := time.NewTimer(at.Sub(now))
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		grace, cancel := graceful(ctx)
		_, _, err = f.Outbox.Post(grace, p, Draft{Channel: f.Channel, Variants: recorded(d)})
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// recorded is the only form of an event: as it was written.
func recorded(d wave.Delivery) iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		yield(Variant{Message: message.Message{Kind: d.Type, Text: string(d.Body)}, Form: Plain})
	}
}
