package slackapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/time/rate"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// TellerConfig is what a Teller needs. Every field but Pace and Opened is required.
type TellerConfig struct {
	Cluster string
	Channel string // channel ID
	API     *slack.Client
	Ledger  *ledger.Ledger
	Alert   alert.Config
	Log     *slog.Logger
	Pace    Pace // zero: Slack's documented limits
	// Opened hears of each wave that is opened; nil: nobody does.
	Opened func(kind wave.Kind)
}

// Pace bounds how often the teller calls Slack.
type Pace struct {
	Posts     rate.Limit    // chat.postMessage a second in the channel; default 1, Slack's limit
	PostBurst int           // short bursts are tolerated; default 2
	Edits     rate.Limit    // chat.update a second; default 0.8, below Slack's 50 a minute (Tier 3)
	EditBurst int           // default 5
	MaxPause  time.Duration // longest pause after failures; default 30 s
}

func (p Pace) withDefaults() Pace {
	p.Posts, p.PostBurst = cmp.Or(p.Posts, 1), cmp.Or(p.PostBurst, 2)
	p.Edits, p.EditBurst = cmp.Or(p.Edits, 0.8), cmp.Or(p.EditBurst, 5)
	p.MaxPause = cmp.Or(p.MaxPause, 30*time.Second)
	return p
}

// Teller tells a channel what the ledger says is untold. It is the only one that posts waves:
// what it does is decided by package alert and recorded in the ledger before and after each
// call, so that it may be killed on any line.
type Teller struct {
	c      TellerConfig
	find   finder
	posts  *rate.Limiter
	edits  *rate.Limiter
	logged map[string]bool // problems already logged since the last success

	live     []wave.Wave         // as read last; nil after a change
	added    map[int64]time.Time // when this process last added a change to a wave
	settled  map[string]bool     // messages recorded as tried that Slack surely has not
	notPost  time.Time           // no post before this, because Slack said so
	notEdit  time.Time
	growthAt time.Time     // when growth is looked at next
	backoff  time.Duration // current, after failures without an answer
	failing  atomic.Pointer[string]
}

// NewTeller returns a Teller. Run starts it.
func NewTeller(c TellerConfig) *Teller {
	c.Alert = c.Alert.WithDefaults()
	c.Pace = c.Pace.withDefaults()
	return &Teller{
		c:       c,
		find:    finder{api: c.API, log: c.Log},
		posts:   rate.NewLimiter(c.Pace.Posts, c.Pace.PostBurst),
		edits:   rate.NewLimiter(c.Pace.Edits, c.Pace.EditBurst),
		logged:  map[string]bool{},
		added:   map[int64]time.Time{},
		settled: map[string]bool{},
	}
}

// Problem says why telling does not work just now, "" while it does.
func (t *Teller) Problem() string {
	if p := t.failing.Load(); p != nil {
		return *p
	}
	return ""
}

// A FatalError ends the program: Slack does not take our tokens, and trying again cannot help.
type FatalError struct {
	Code string
	Err  error
}

func (e *FatalError) Error() string {
	return fmt.Sprintf("Slack refuses Rollcall (%s); %s", e.Code, cmp.Or(Hint(e.Code, ""), "check the app's settings"))
}

func (e *FatalError) Unwrap() error { return e.Err }

// stopGrace is how long a call in flight may go on after the program is told to stop.
const stopGrace = 5 * time.Second

// Run tells until ctx ends, and returns nil then: what it had begun is recorded, and the next
// start goes on from there. It returns a *FatalError when the tokens are refused, and an error
// when the ledger fails.
func (t *Teller) Run(ctx context.Context) error {
	updates, stop := t.c.Ledger.Updates()
	defer stop()
	for ctx.Err() == nil {
		next, err := t.turn(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-updates:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// todoLimit is how many to-dos are planned at once.
const todoLimit = 5000

// turn plans what is untold, takes at most one step, and returns when the next is due.
func (t *Teller) turn(ctx context.Context) (time.Time, error) {
	var live []wave.Wave
	for {
		now := time.Now()
		var err error
		// Only this goroutine changes waves, so the ones read last are still right. What the
		// watch adds to a wave comes as a to-do; mutes are read anew, because people end them.
		if live = t.live; live == nil {
			if live, err = t.liveWaves(ctx); err != nil {
				return now, err
			}
		}
		todo, baseline, err := t.c.Ledger.Todo(ctx, t.c.Cluster, todoLimit)
		if err != nil {
			return now, err
		}
		mutes, err := t.c.Ledger.UntoldMutes(ctx, t.c.Cluster)
		if err != nil {
			return now, err
		}
		current(live, mutes)
		alert.Rewind(live, now, t.c.Alert)
		plan := alert.Plan(todo, baseline, mutes, live, now, t.c.Alert)
		if len(todo) == 0 && !now.Before(t.growthAt) {
			if err := t.growth(ctx, &plan, mutes, now); err != nil {
				return now, err
			}
		}
		if plan.Empty() {
			break
		}
		// A first message that may go out at once saves a write: its intent is recorded with
		// its wave.
		t.live = nil
		trying := len(plan.New) == 1 && !t.permitted(alert.Post, now).After(now) &&
			!slices.ContainsFunc(live, func(w wave.Wave) bool { return w.Main.ID == "" })
		if err := t.c.Ledger.Apply(ctx, t.c.Cluster, t.c.Channel, plan, trying, now); err != nil {
			return now, err
		}
		t.opened(plan)
		for id := range plan.Add {
			t.added[id] = now
		}
		if len(todo) < todoLimit {
			known := int64(0)
			if len(live) > 0 {
				known = live[len(live)-1].ID
			}
			if live, err = t.liveWaves(ctx); err != nil {
				return now, err
			}
			for i := range live {
				if w := &live[i]; w.ID > known && trying {
					t.settled[w.Main.Key], w.Main.Tried = true, false
				}
			}
			break
		}
	}
	t.live = live
	now := time.Now()
	alert.Rewind(live, now, t.c.Alert)
	wave, step, at := t.choose(live, now)
	switch {
	case wave == nil || at.After(now) && at.After(t.growthAt):
		return t.growthAt, nil
	case at.After(now):
		return at, nil
	}
	// A call once begun is finished, and its outcome recorded, also when the program is told to
	// stop meanwhile.
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })()
	t.c.Log.Debug("wave step", "wave", wave.ID, "kind", wave.Kind, "action", step.Action.String(), "why", step.Why)
	t.live = nil
	return now, t.take(grace, *wave, step)
}

// opened says which waves a plan has opened.
func (t *Teller) opened(plan wave.Plan) {
	if t.c.Opened == nil {
		return
	}
	if plan.Baseline {
		t.c.Opened(wave.KindBaseline)
	}
	for _, n := range plan.New {
		t.c.Opened(n.Kind)
	}
}

// current gives the waves of mutes these as they are now.
func current(live []wave.Wave, mutes []wave.Mute) {
	for i := range live {
		for j := range mutes {
			if live[i].Mute != nil && live[i].Mute.ID == mutes[j].ID {
				live[i].Mute = &mutes[j]
			}
		}
	}
}

// growthEvery is how often growth is looked at.
const growthEvery = time.Minute

// growth adds a surge or a creep to a plan, if there is one to tell.
func (t *Teller) growth(ctx context.Context, plan *wave.Plan, mutes []wave.Mute, now time.Time) error {
	t.growthAt = now.Add(growthEvery)
	if alert.Hushed(mutes, now) {
		return nil
	}
	cp, err := t.c.Ledger.Checkpoint(ctx, t.c.Cluster)
	if err != nil || cp.BaselineAt.IsZero() {
		return err
	}
	lives := &alert.Lives{}
	err = t.c.Ledger.Lives(ctx, t.c.Cluster, now.Add(-alert.Lookback), lives.Add)
	if err != nil {
		return err
	}
	told, err := t.c.Ledger.GrowthWaves(ctx, t.c.Cluster, now.Add(-alert.Lookback))
	if err != nil {
		return err
	}
	if w, ok := alert.Grew(lives, told, cp.BaselineAt, now); ok {
		plan.New = append(plan.New, w)
	}
	return nil
}

// liveWaves returns the waves that may need something. Of a message that surely is not in Slack
// it does not matter that it was tried.
func (t *Teller) liveWaves(ctx context.Context) ([]wave.Wave, error) {
	live, err := t.c.Ledger.LiveWaves(ctx, t.c.Cluster)
	for i := range live {
		m := &live[i].Main
		m.Tried = m.Tried && !t.settled[m.Key]
	}
	return live, err
}

// choose returns the step to take next and when: the earliest, and of those due the most
// urgent of the oldest wave.
func (t *Teller) choose(live []wave.Wave, now time.Time) (*wave.Wave, alert.Step, time.Time) {
	var best *wave.Wave
	var step alert.Step
	var at time.Time
	for i := range live {
		for _, s := range alert.Next(live[i], t.added[live[i].ID], now, t.c.Alert) {
			// Counted from now: moments that were read from the ledger know nothing of the
			// process's own clock, and would be compared by one that may have been set.
			due := latest(now.Add(s.At.Sub(now)), now)
			if s.Action != alert.Close || live[i].Main.ID != "" { // what is not posted is closed without a call
				due = latest(due, t.permitted(s.Action, now))
			}
			if best == nil || due.Before(at) || due.Equal(at) && s.Action < step.Action {
				best, step, at = &live[i], s, due
			}
		}
	}
	return best, step, at
}

// permitted is when Slack's limits permit the call that an action makes.
func (t *Teller) permitted(a alert.Action, now time.Time) time.Time {
	switch a {
	case alert.Post, alert.PostPart:
		return latest(t.notPost, available(t.posts, now))
	case alert.Edit, alert.Close, alert.Finish:
		return latest(t.notEdit, available(t.edits, now))
	}
	return now
}

// available is when a limiter has a token.
func available(l *rate.Limiter, now time.Time) time.Time {
	if missing := 1 - l.TokensAt(now); missing > 0 {
		return now.Add(time.Duration(missing / float64(l.Limit()) * float64(time.Second)))
	}
	return now
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// take carries out one step.
func (t *Teller) take(ctx context.Context, w wave.Wave, step alert.Step) (err error) {
	if w.Members, err = t.c.Ledger.Members(ctx, w.ID); err != nil {
		return err
	}
	now := time.Now()
	switch step.Action {
	case alert.Post:
		m, err := t.main(ctx, w)
		if err != nil {
			return err
		}
		return t.post(ctx, w, w.Main, m, mainButtons(w), "", lastChange(w))
	case alert.PostPart:
		return t.postPart(ctx, w, w.Parts[step.Part])
	case alert.Edit:
		_, err := t.edit(ctx, w, now)
		return err
	case alert.AddList:
		return t.addList(ctx, w, now)
	case alert.AddCallOut:
		_, err := t.c.Ledger.AddPart(ctx, w, wave.PartStuck, nil, now)
		return err
	case alert.Close:
		w.ClosedAt = now
		if w.Main.ID == "" { // its first message says it in the final form
			return t.c.Ledger.CloseWave(ctx, w.ID, now)
		}
		if done, err := t.edit(ctx, w, now); err != nil || !done {
			return err
		}
		return t.c.Ledger.CloseWave(ctx, w.ID, now)
	case alert.Finish:
		if done, err := t.edit(ctx, w, now); err != nil || !done {
			return err
		}
		delete(t.added, w.ID)
		return t.c.Ledger.FinishWave(ctx, w.ID, now)
	}
	return nil
}

// lastChange is the highest change that a message rendered from w tells.
func lastChange(w wave.Wave) (id int64) {
	for _, m := range w.Members {
		id = max(id, m.Steps[len(m.Steps)-1].ID)
	}
	return id
}

// main renders a wave's main message.
func (t *Teller) main(ctx context.Context, w wave.Wave) (alert.Message, error) {
	totals, err := t.c.Ledger.Totals(ctx, w.Cluster)
	if err != nil {
		return alert.Message{}, err
	}
	var groups []fleet.Group
	var machines map[fleet.Machine]int
	if w.Kind == wave.KindBaseline {
		totals, groups, machines, err = t.c.Ledger.Baseline(ctx, w.Cluster)
	} else if t.c.Alert.Price != nil {
		machines, err = t.c.Ledger.Machines(ctx, w.Cluster)
	}
	if err != nil {
		return alert.Message{}, err
	}
	totals.Cost = alert.CostOf(machines, t.c.Alert.Price)
	if w.Mute != nil && !w.ClosedAt.IsZero() {
		if w.Muted, err = t.c.Ledger.Muted(ctx, w.Mute.ID); err != nil {
			return alert.Message{}, err
		}
	}
	return alert.Render(w, totals, groups, t.c.Alert), nil
}

// edit brings a wave's main message up to date and reports whether it is.
func (t *Teller) edit(ctx context.Context, w wave.Wave, now time.Time) (bool, error) {
	m, err := t.main(ctx, w)
	if err != nil {
		return false, err
	}
	rec := w.Main
	if m.Hash() == rec.Hash || w.Kind == wave.KindBaseline && rec.Hash != 0 {
		return true, t.c.Ledger.Accepted(ctx, rec, lastChange(w), now)
	}
	t.edits.AllowN(now, 1)
	for _, c := range []content{render(m, mainButtons(w)...), plain(m)} {
		_, _, _, err := t.c.API.UpdateMessageContext(ctx, rec.Channel, rec.ID, c.options(metadata(rec.Key, w.Cluster, m))...)
		switch what, wait := classify(err); what {
		case accepted:
			t.succeeded()
			rec.Hash = m.Hash()
			return true, t.c.Ledger.Accepted(ctx, rec, lastChange(w), time.Now())
		case refused:
			t.problem("Slack refused the blocks of a message; sending it as plain text", err)
			continue
		case gone:
			t.problem("a message was deleted in Slack; what it had not told goes into a new one", err)
			return false, t.c.Ledger.ReleaseWave(ctx, w.ID, now)
		default:
			return false, t.failed(err, what, wait, &t.notEdit)
		}
	}
	// Slack takes it in no form. The message stays as it is; the changes count as told, because
	// trying for ever would hold up everything after them.
	t.c.Log.Error("Slack refuses a message in every form; its last edit is lost", "wave", w.ID, "kind", w.Kind)
	rec.Hash = m.Hash()
	return true, t.c.Ledger.Accepted(ctx, rec, lastChange(w), time.Now())
}

// post posts a message whose intent is recorded: it first looks for it if Slack may have it
// already.
func (t *Teller) post(ctx context.Context, w wave.Wave, rec wave.Posting, m alert.Message, buttons []button, thread string, told int64) error {
	if rec.Tried && !t.settled[rec.Key] {
		ts, err := t.find.find(ctx, rec.Channel, thread, rec.Key, rec.After)
		if what, wait := classify(err); what != accepted {
			return t.failed(err, what, wait, &t.notPost)
		}
		if ts != "" {
			t.succeeded()
			// What it says may be older than what is to be told: told 0 and hash 0 cause an edit.
			rec.ID = ts
			return t.c.Ledger.Accepted(ctx, rec, 0, time.Now())
		}
	}
	if !rec.Tried && !t.settled[rec.Key] {
		if err := t.c.Ledger.Trying(ctx, rec.Key, time.Now()); err != nil {
			return err
		}
	}
	delete(t.settled, rec.Key)
	t.posts.AllowN(time.Now(), 1)
	for _, c := range []content{render(m, buttons...), plain(m), bare(m)} {
		opts := c.options(metadata(rec.Key, w.Cluster, m))
		if thread != "" {
			opts = append(opts, slack.MsgOptionTS(thread))
			if m.Broad {
				opts = append(opts, slack.MsgOptionBroadcast())
			}
		}
		_, ts, err := t.c.API.PostMessageContext(ctx, rec.Channel, opts...)
		switch what, wait := classify(err); what {
		case accepted:
			t.succeeded()
			rec.ID, rec.Hash = ts, m.Hash()
			return t.c.Ledger.Accepted(ctx, rec, told, time.Now())
		case refused:
			t.problem("Slack refused the blocks of a message; sending it as plain text", err)
			continue
		case gone:
			if thread != "" {
				t.problem("a message was deleted in Slack; its thread cannot go on", err)
				return t.c.Ledger.DropPart(ctx, rec.Key)
			}
			return t.failed(err, what, wait, &t.notPost)
		case notAllowed:
			t.settled[rec.Key] = true
			return t.failed(err, what, wait, &t.notPost)
		default:
			return t.failed(err, what, wait, &t.notPost)
		}
	}
	t.settled[rec.Key] = true
	return t.failed(errors.New("Slack refuses a message in every form"), notAllowed, 0, &t.notPost)
}

// postPart posts a thread reply.
func (t *Teller) postPart(ctx context.Context, w wave.Wave, rec wave.Posting) error {
	if rec.Part == wave.PartStuck {
		m, ok := alert.Stuck(w, t.c.Alert)
		if !ok { // they became ready or left meanwhile
			return t.c.Ledger.DropPart(ctx, rec.Key)
		}
		return t.post(ctx, w, rec, m, stuckButtons(w), w.Main.ID, 0)
	}
	first := 0
	var members []wave.Member
	for i, m := range w.Members {
		if m.Part == rec.Key {
			if len(members) == 0 {
				first = i
			}
			members = append(members, m)
		}
	}
	return t.post(ctx, w, rec, alert.List(w, members, first+1), nil, w.Main.ID, 0)
}

// addList records the next thread reply: as many unlisted nodes as fit one message.
func (t *Teller) addList(ctx context.Context, w wave.Wave, now time.Time) error {
	const room = maxBlockText - 1000 // for the headline
	var uids []string
	size := 0
	groups := map[string]bool{}
	for _, m := range w.Members {
		if m.Part != "" {
			continue
		}
		// A line of its own, with its steps where they differ, and its group's line if it is
		// the first of it.
		size += units(m.Node.Name) + 1
		if w.Kind == wave.KindAway || w.Kind == wave.KindCatchUp {
			size += len("  joined, ready, not ready, recovered, left")
		}
		if group := m.Node.InstanceType + m.Node.CapacityType + m.Node.Zone + m.Node.Pool + m.Node.Arch; !groups[group] {
			groups[group] = true
			size += min(units(group), 300) + 40
		}
		if size > room && len(uids) > 0 {
			break
		}
		uids = append(uids, m.Node.UID)
	}
	_, err := t.c.Ledger.AddPart(ctx, w, wave.PartList, uids, now)
	return err
}

// succeeded notes that Slack takes calls.
func (t *Teller) succeeded() {
	if t.failing.Swap(nil) != nil {
		t.c.Log.Info("Slack takes messages again")
	}
	t.backoff = 0
	clear(t.logged)
}

// firstBackoff is the pause after the first failure without an answer.
const firstBackoff = time.Second

// failed puts off the next call, and returns an error only where none can help.
func (t *Teller) failed(err error, what outcome, wait time.Duration, until *time.Time) error {
	now := time.Now()
	if what == fatal {
		return &FatalError{Code: errorCode(err), Err: err}
	}
	if what == limited {
		*until = now.Add(wait)
		t.problem("Slack limits the rate of calls; waiting", err)
		return nil
	}
	t.backoff = min(max(2*t.backoff, firstBackoff), t.c.Pace.MaxPause)
	if what == notAllowed {
		t.backoff = t.c.Pace.MaxPause // a person must act first
	}
	// Half of it fixed, so that a failing call is never repeated at once; half random, so that
	// several Rollcalls do not return together.
	pause := t.backoff/2 + rand.N(t.backoff/2)
	t.notPost, t.notEdit = now.Add(pause), now.Add(pause)
	t.problem("Slack does not take a message; keeping it and trying again", err)
	return nil
}

// problem logs a failure once, until a call succeeds.
func (t *Teller) problem(msg string, err error) {
	s := msg
	if err != nil {
		s += ": " + err.Error()
	}
	t.failing.Store(&s)
	if t.logged[s] {
		return
	}
	t.logged[s] = true
	args := []any{"err", err}
	if hint := Hint(errorCode(err), t.c.Channel); hint != "" {
		args = append(args, "hint", hint)
	}
	t.c.Log.Warn(msg, args...)
}
