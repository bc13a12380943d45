package deliver

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"slices"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/cause"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// TellerStore is what a Teller asks of the ledger and records in it.
type TellerStore interface {
	// Updates returns a channel that receives after changes were recorded, and its end.
	Updates() (updates <-chan struct{}, stop func())

	// What is to be told.
	Todo(ctx context.Context, cluster string, limit int) (todo []wave.Todo, baseline bool, err error)
	UntoldMutes(ctx context.Context, cluster string) ([]wave.Mute, error)
	LiveWaves(ctx context.Context, cluster string) ([]wave.Wave, error)
	Looks(ctx context.Context, cluster string) (map[int64]wave.Look, error)
	Apply(ctx context.Context, cluster, channel string, p wave.Plan, posting bool, now time.Time) error

	// Why nodes came and went.
	ExplainAt(ctx context.Context, cluster string, now time.Time) (next time.Time, ok bool, err error)
	Unexplained(ctx context.Context, cluster string, now time.Time, limit int) ([]wave.Unexplained, error)
	SetCauses(ctx context.Context, cluster string, explained []wave.Explained) error

	// What growth is seen from.
	Checkpoint(ctx context.Context, cluster string) (fleet.Checkpoint, error)
	LifeSpans(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Life, error]
	Lives(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Life, error]
	GrowthWaves(ctx context.Context, cluster string, since time.Time) ([]wave.Wave, error)

	// What budgets are held against.
	Spending(ctx context.Context, cluster string, periods ...query.Period) (query.Spending, error)
	BudgetWaves(ctx context.Context, cluster string) ([]wave.Wave, error)

	// What was not seen.
	ChangeCounts(ctx context.Context, cluster string, since time.Time) (map[fleet.ChangeKind]int, error)
	SetAbout(ctx context.Context, wave int64, about wave.About) error

	// Where a wave that is not posted yet belongs by now.
	Move(ctx context.Context, wave int64, to wave.Place) error
	Dissolve(ctx context.Context, wave int64) error

	// What waits for nodes.
	Waits
	Waited(ctx context.Context, cluster string, from, until time.Time) ([]fleet.Waited, error)
	TellWaits(ctx context.Context, cluster, key string, pods []fleet.ObjectRef) error
	EndWaits(ctx context.Context, cluster string, waits []fleet.Wait) error
	// What keeps nodes.
	Keeps(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Keep, error]
	LapseKeeps(ctx context.Context, cluster string, before, now time.Time) error

	Rollouts

	// What a message says.
	Members(ctx context.Context, wave int64) ([]wave.Member, error)
	Totals

	// What becomes of a wave.
	Accepted(ctx context.Context, p wave.Posting, told int64, now time.Time) error
	AddPart(ctx context.Context, w wave.Wave, part string, uids []string, now time.Time) (wave.Posting, error)
	DropPart(ctx context.Context, key string) error
	CloseWave(ctx context.Context, id int64, now time.Time) error
	FinishWave(ctx context.Context, id int64, now time.Time) error
	ReleaseWave(ctx context.Context, id int64, named func(nodes, kinds int) bool, now time.Time) error
	Freeze(ctx context.Context, w wave.Wave, named func(nodes, kinds int) bool) error
}

// TellerConfig is what a Teller needs. Every field but Opened, Sight and Explain is required.
type TellerConfig struct {
	Cluster  string
	Channel  string // channel ID: where what no line of Alert.Routes matches is told
	Outbox   *Outbox
	Store    TellerStore
	Evidence cause.Evidence // of the cluster
	Explain  Explainer      // the zero value is package cause
	Alert    alert.Config
	Log      *slog.Logger
	// Opened is called for each wave that is opened; it may be nil.
	Opened func(kind wave.Kind)
	// Sight says how far the cluster can be seen now; nil: all that there is.
	Sight func() alert.Sight
}

// Teller tells its channels what the ledger says is untold of one cluster: package alert decides
// what and where, and the outbox posts it. It is the only one that opens, closes and finishes the cluster's
// waves, and may be killed on any line.
type Teller struct {
	cluster string
	outbox  *Outbox
	store   TellerStore
	why     explaining
	alert   alert.Config
	log     *slog.Logger
	onOpen  func(kind wave.Kind)
	sight   func() alert.Sight

	live     []wave.Wave         // as read last; nil after a change
	added    map[int64]time.Time // when this process last added a change to a wave
	shut     map[string]bool     // channels that were left because they take nothing
	growthAt time.Time           // when to look for growth next
	sightAt  time.Time           // when to look how far the cluster can be seen
	seenAt   time.Time           // since when it can again, of what the channel is told that it cannot; else zero
	standing []standing          // what is so for a time
	routed   bool                // every wave that is not posted has been looked at: see reroute
	moves    map[int64]bool      // waves that the sink may have, and that belong to another place by now
	causes   bool                // live is as it was before some causes became known
	busy     int64               // the wave that a call is under way about; 0 for none
}

// NewTeller returns a Teller. Run starts it.
func NewTeller(c TellerConfig) *Teller {
	c.Alert.Routes.Cluster, c.Alert.Routes.Rest = c.Cluster, c.Channel
	t := &Teller{cluster: c.Cluster, outbox: c.Outbox, store: c.Store,
		why: explaining{c.Explain.withDefaults(), c.Evidence}, alert: c.Alert.WithDefaults(), log: c.Log,
		onOpen: c.Opened, sight: c.Sight,
		added: map[int64]time.Time{}, shut: map[string]bool{}, moves: map[int64]bool{}}
	t.standing = []standing{
		{kind: wave.KindWaiting, every: waitingEvery, find: t.waiting},
		t.kept(),
		t.loops(),
		t.rollouts(),
	}
	t.standing = append(t.standing, t.budgets()...)
	return t
}

// Problem says why telling does not work just now, "" while it does.
func (t *Teller) Problem() string { return t.outbox.Problem(false) }

// stopGrace is how long a call in flight may go on after the program is told to stop.
const stopGrace = 5 * time.Second

// graceful returns a context that outlives ctx by stopGrace: a call once begun is finished, and its
// outcome recorded, also when the program is told to stop meanwhile.
func graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })
	return grace, func() { stop(); cancel() }
}

// Run tells until ctx ends, and returns nil then: what it had begun is recorded, and the next
// start goes on from there. It returns a *FatalError when the sink refuses our credentials, and an
// error when the ledger fails.
func (t *Teller) Run(ctx context.Context) error {
	updates, stop := t.store.Updates()
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

// turn plans what is untold, takes at most one step or, if none is due, explains some changes, and returns when the
// next is due.
func (t *Teller) turn(ctx context.Context) (time.Time, error) {
	for more := true; more; {
		var err error
		if more, err = t.plan(ctx); err != nil {
			return time.Time{}, err
		}
	}
	now := time.Now()
	w, step, at := t.choose(alert.Rewound(t.live, now, t.alert), now)
	if w == nil || at.After(now) { // a message never waits for its cause
		next := t.growthAt
		if t.sight != nil && t.sightAt.Before(next) {
			next = t.sightAt
		}
		if at, ok := t.standingAt(); ok && at.Before(next) {
			next = at
		}
		if w != nil && at.Before(next) {
			next = at
		}
		look, ok, err := t.explain(ctx, now)
		if ok && look.Before(next) {
			next = look
		}
		return next, err
	}
	t.log.Debug("wave step", "wave", w.ID, "kind", w.Kind, "action", step.Action.String(), "why", step.Why)
	return now, t.takeBeside(ctx, *w, step)
}

// planEvery is how often what is untold is planned while a call is under way.
const planEvery = time.Second

// takeBeside carries out one step. If that takes long, because the sink does not answer, what is untold is planned
// meanwhile: other sinks are told of it, and do not wait for this one.
func (t *Teller) takeBeside(ctx context.Context, w wave.Wave, step alert.Step) error {
	grace, cancel := graceful(ctx)
	defer cancel()
	taken := make(chan error, 1)
	go func() { taken <- t.take(grace, w, step) }()
	t.live, t.busy = nil, w.ID
	defer func() { t.live, t.busy = nil, 0 }()
	var failed error
	for {
		timer := time.NewTimer(planEvery)
		select {
		case err := <-taken:
			timer.Stop()
			if step.Action == alert.Finish {
				delete(t.added, w.ID)
			}
			return cmp.Or(err, failed)
		case <-timer.C:
		}
		if failed == nil && ctx.Err() == nil {
			_, failed = t.plan(ctx)
		}
	}
}

// plan gives what is untold to waves, and reads the waves that live then. It reports whether there
// is more to plan.
func (t *Teller) plan(ctx context.Context) (more bool, err error) {
	now := time.Now()
	// Only this goroutine changes waves, so the ones read last are still right. What the watch adds
	// to a wave comes as a to-do; mutes, and who looks at a wave, are read anew, because people change them.
	looks, err := t.store.Looks(ctx, t.cluster)
	if err != nil {
		return false, err
	}
	if t.live == nil || !refreshLooks(t.live, looks) {
		if err := t.readLive(ctx, now); err != nil {
			return false, err
		}
	}
	mutes, err := t.store.UntoldMutes(ctx, t.cluster)
	if err != nil {
		return false, err
	}
	if !t.routed {
		if err := t.reroute(ctx, mutes, now); err != nil {
			return false, err
		}
	}
	todo, baseline, err := t.store.Todo(ctx, t.cluster, todoLimit)
	if err != nil {
		return false, err
	}
	refreshMutes(t.live, mutes)
	t.reword()
	live := alert.Rewound(t.live, now, t.alert)
	plan := alert.Plan(todo, baseline, mutes, live, now, t.alert)
	if len(todo) == 0 && !now.Before(t.growthAt) {
		if err := t.detectGrowth(ctx, &plan, mutes, now); err != nil {
			return false, err
		}
	}
	if t.sight != nil && !now.Before(t.sightAt) {
		if err := t.detectBlind(ctx, &plan, now); err != nil {
			return false, err
		}
	}
	if len(todo) == 0 { // nodes come first
		if err := t.detectStanding(ctx, &plan, mutes, now); err != nil {
			return false, err
		}
	}
	if plan.Empty() {
		return false, nil
	}
	// A first message that may go out at once saves a write: that its posting begins is recorded
	// with its wave.
	posting := t.busy == 0 && len(plan.New) == 1 &&
		!t.outbox.PostAt(wave.Posting{Channel: plan.New[0].To.Channel}, now).After(now) &&
		!slices.ContainsFunc(live, func(w wave.Wave) bool { return w.Main.ID == "" })
	t.live = nil
	if err := t.store.Apply(ctx, t.cluster, t.alert.Routes.Rest, plan, posting, now); err != nil {
		return false, err
	}
	t.opened(plan)
	for id := range plan.Add {
		t.added[id] = now
	}
	if len(todo) == todoLimit {
		return true, nil
	}
	if err := t.readLive(ctx, now); err != nil || !posting {
		return false, err
	}
	newest := int64(0)
	if len(live) > 0 {
		newest = live[len(live)-1].ID
	}
	for i := range t.live {
		if w := &t.live[i]; w.ID > newest {
			t.outbox.SetAbsent(w.Main.Key)
			w.Main.Tried = false
		}
	}
	return false, nil
}

// readLive reads the waves that may need something. Of a message that the sink surely does not have
// it does not matter that its posting was begun.
func (t *Teller) readLive(ctx context.Context, now time.Time) (err error) {
	t.live, err = t.store.LiveWaves(ctx, t.cluster)
	for i := range t.live {
		m := &t.live[i].Main
		m.Tried = m.Tried && !t.outbox.Absent(m.Key)
		m.Held = t.outbox.Held(m.Key, now)
		t.live[i].Busy = t.live[i].ID == t.busy
	}
	return err
}

// opened says which waves a plan has opened.
func (t *Teller) opened(plan wave.Plan) {
	if t.onOpen == nil {
		return
	}
	if plan.Baseline {
		t.onOpen(wave.KindBaseline)
	}
	for _, n := range plan.New {
		t.onOpen(n.Kind)
	}
}

// refreshLooks gives waves who looks at them. It reports whether all at which somebody looks are among them: one that
// was done may not be.
func refreshLooks(live []wave.Wave, looks map[int64]wave.Look) bool {
	found := 0
	for i := range live {
		if look, ok := looks[live[i].ID]; ok {
			live[i].Look = look
			found++
		}
	}
	return found == len(looks)
}

// refreshMutes gives the waves of mutes these as they are now.
func refreshMutes(live []wave.Wave, mutes []wave.Mute) {
	for i := range live {
		for j := range mutes {
			if live[i].Mute != nil && live[i].Mute.ID == mutes[j].ID {
				live[i].Mute = &mutes[j]
			}
		}
	}
}

// reword finds the messages that say something else by now, though no node has changed: a mute may be made to last
// longer, and what is so for a time may change.
func (t *Teller) reword() {
	for i := range t.live {
		w := &t.live[i]
		if alert.Ending(w.Kind) && w.Main.ID != "" && !w.Main.Frozen && w.ClosedAt.IsZero() {
			w.Counts.Untold = 0
			if m := alert.Render(*w, fleet.Totals{}, nil, t.alert); m.Hash() != w.Main.Hash {
				w.Counts.Untold = 1
			}
		}
	}
}

// growthEvery is how often to look for growth.
const growthEvery = time.Minute

// detectGrowth adds a surge or a creep to a plan, if there is one to tell.
func (t *Teller) detectGrowth(ctx context.Context, plan *wave.Plan, mutes []wave.Mute, now time.Time) error {
	t.growthAt = now.Add(growthEvery)
	cp, err := t.store.Checkpoint(ctx, t.cluster)
	if err != nil || cp.BaselineAt.IsZero() {
		return err
	}
	since := now.Add(-alert.Lookback)
	lives, err := alert.NewLives(t.store.LifeSpans(ctx, t.cluster, since, now))
	if err != nil {
		return err
	}
	told, err := t.store.GrowthWaves(ctx, t.cluster, since)
	if err != nil {
		return err
	}
	w, ok, err := alert.DetectGrowth(alert.History{Lives: lives, Told: told, Watched: cp.BaselineAt,
		Cost: func(from, until time.Time) (*alert.Costs, error) {
			return alert.NewCosts(t.store.Lives(ctx, t.cluster, from, until), t.alert.Price)
		}}, now)
	if err != nil || !ok {
		return err
	}
	if w.To = t.alert.Routes.OfWave(w.Kind, w.About, nil); t.alert.Routes.ClusterMuted(mutes, w.To.Channel, now) {
		return nil
	}
	g := w.About.Growth
	*g, err = alert.WhatGrew(*g, t.store.Lives(ctx, t.cluster, now.Add(-g.Over), now), now, t.alert.Price)
	plan.New = append(plan.New, w)
	return err
}

// sightEvery is how often to look whether the cluster can be seen.
const sightEvery = 10 * time.Second

// detectBlind adds to a plan that the cluster cannot be seen, if that is to be told, and records when it can again.
func (t *Teller) detectBlind(ctx context.Context, plan *wave.Plan, now time.Time) error {
	t.sightAt = now.Add(sightEvery)
	seen := t.sight()
	begin, over := alert.DetectBlind(t.live, seen, now, t.alert.BlindAfter)
	// A watch that is alive again may still have to read what was missed: that is counted at the next look.
	switch {
	case len(over) == 0:
		t.seenAt = time.Time{}
	case t.seenAt.IsZero():
		t.seenAt, over = now, nil
	}
	for _, w := range over {
		if w.Busy { // at the next look
			continue
		}
		b := w.About.Blind
		if b.Until = t.seenAt; !b.Events {
			var err error
			if b.Missed, err = t.store.ChangeCounts(ctx, t.cluster, b.Since); err != nil {
				return err
			}
		}
		if err := t.store.SetAbout(ctx, w.ID, w.About); err != nil {
			return err
		}
		t.live = nil
	}
	if len(begin) > 0 {
		cp, err := t.store.Checkpoint(ctx, t.cluster)
		if err != nil || cp.BaselineAt.IsZero() { // it has never been seen
			return err
		}
		for _, o := range begin {
			if !o.About.Blind.Events && seen.Nodes.Never && !cp.WatchedUntil.IsZero() { // by an earlier process
				o.About.Blind.Since = cp.WatchedUntil
			}
			o.To = t.alert.Routes.OfWave(o.Kind, o.About, nil)
			plan.New = append(plan.New, o)
		}
	}
	if t.live == nil {
		return t.readLive(ctx, now)
	}
	return nil
}

// choose returns the step to take next and when: the earliest, and of those due the most
// urgent of the oldest wave.
func (t *Teller) choose(live []wave.Wave, now time.Time) (*wave.Wave, alert.Step, time.Time) {
	var best *wave.Wave
	var step alert.Step
	var at time.Time
	for i := range live {
		w := &live[i]
		for _, s := range alert.Next(*w, t.added[w.ID], now, t.alert) {
			// Counted from now: moments that were read from the ledger know nothing of the
			// process's own clock, and would be compared by one that may have been set.
			due := fleet.Latest(now.Add(s.At.Sub(now)), t.permitted(*w, s, now))
			if best == nil || due.Before(at) || due.Equal(at) && s.Action < step.Action {
				best, step, at = w, s, due
			}
		}
	}
	return best, step, at
}

// permitted is when the outbox permits the call that a step makes.
func (t *Teller) permitted(w wave.Wave, s alert.Step, now time.Time) time.Time {
	if t.isLeft(w) {
		return now
	}
	switch s.Action {
	case alert.Post:
		return t.outbox.PostAt(w.Main, now)
	case alert.PostPart:
		return t.outbox.PostAt(w.Parts[s.Part], now)
	case alert.EditPart:
		return t.outbox.EditAt(w.Parts[s.Part], now)
	case alert.Edit, alert.Close, alert.Finish:
		if w.Main.ID != "" && !w.Main.Frozen { // what is not posted, or takes no edits, is closed without a call
			return t.outbox.EditAt(w.Main, now)
		}
	}
	return now
}

// take carries out one step.
func (t *Teller) take(ctx context.Context, w wave.Wave, step alert.Step) (err error) {
	if w.Members, err = t.store.Members(ctx, w.ID); err != nil {
		return err
	}
	now := time.Now()
	if t.isLeft(w) {
		return t.leave(ctx, w, now)
	}
	switch step.Action {
	case alert.Post:
		if t.moves[w.ID] {
			return t.move(ctx, w, now)
		}
		m, err := t.render(ctx, w)
		if err != nil {
			return err
		}
		w.Main.Looked = w.Look != (wave.Look{})
		return t.post(ctx, w, w.Main, Draft{Channel: w.Main.Channel, Told: w.LastChange(), Variants: Ordinary(m)})
	case alert.EditPart:
		return t.editPart(ctx, w, w.Parts[step.Part], now)
	case alert.AddReminder:
		_, err := t.store.AddPart(ctx, w, wave.PartRemind, nil, now)
		return err
	case alert.PostPart:
		return t.postPart(ctx, w, w.Parts[step.Part])
	case alert.Edit:
		_, err := t.edit(ctx, w, now)
		return err
	case alert.AddList:
		const headline = 1000 // characters that are not of the list
		_, err := t.store.AddPart(ctx, w, wave.PartList, alert.NextList(w, t.outbox.Room()-headline), now)
		return err
	case alert.AddUpdate:
		_, err := t.store.AddPart(ctx, w, wave.PartUpdate, nil, now)
		return err
	case alert.AddCallOut:
		_, err := t.store.AddPart(ctx, w, wave.PartStuck, nil, now)
		return err
	case alert.Close:
		w.ClosedAt = now
		// Before the first message, that one says it in the final form.
		if done, err := t.editIfPosted(ctx, w, now); err != nil || !done {
			return err
		}
		if w.Main.Frozen && len(w.Members) == 0 { // its end is what it tells
			if _, err := t.store.AddPart(ctx, w, wave.PartUpdate, nil, now); err != nil {
				return err
			}
		}
		return t.store.CloseWave(ctx, w.ID, now)
	case alert.Finish:
		if done, err := t.editIfPosted(ctx, w, now); err != nil || !done {
			return err
		}
		return t.store.FinishWave(ctx, w.ID, now)
	}
	return nil
}

// render renders a wave's main message.
func (t *Teller) render(ctx context.Context, w wave.Wave) (message.Message, error) {
	totals, first, err := t.totals(ctx, &w)
	return alert.Render(w, totals, first, t.alert), err
}

// totals reads what a wave's message says beside its nodes.
func (t *Teller) totals(ctx context.Context, w *wave.Wave) (fleet.Totals, []fleet.Group, error) {
	return totals(ctx, t.store, t.alert, w)
}

func (t *Teller) editIfPosted(ctx context.Context, w wave.Wave, now time.Time) (bool, error) {
	if w.Main.ID == "" || w.Main.Frozen {
		return true, nil
	}
	return t.edit(ctx, w, now)
}

// edit brings a wave's main message up to date and reports whether it is.
func (t *Teller) edit(ctx context.Context, w wave.Wave, now time.Time) (bool, error) {
	m, err := t.render(ctx, w)
	if err != nil {
		return false, err
	}
	rec := w.Main
	rec.Looked = w.Look != (wave.Look{})
	if m.Hash() == rec.Hash || alert.ToldOnce(w.Kind) && rec.Hash != 0 {
		return true, t.store.Accepted(ctx, rec, w.LastChange(), now)
	}
	result, err := t.outbox.Edit(ctx, rec, m, w.LastChange())
	switch {
	case err != nil:
	case result == Missing:
		t.log.Warn("a message was deleted; what it had not told goes into a new one", "wave", w.ID, "kind", w.Kind)
		err = t.release(ctx, w, now)
	case result == Fixed:
		t.log.Warn("a message takes no more edits; what it can no longer say is said in its thread", "wave", w.ID,
			"kind", w.Kind)
		err = t.store.Freeze(ctx, w, alert.Named)
	case result == Shut:
		err = t.leave(ctx, w, now)
	}
	return result == Done, err
}

// release gives up a wave: what it has not told, and names that its thread has not listed, become to-dos again.
func (t *Teller) release(ctx context.Context, w wave.Wave, now time.Time) error {
	t.outbox.Forget(w.Main.Key)
	for _, p := range w.Parts {
		t.outbox.Forget(p.Key)
	}
	return t.store.ReleaseWave(ctx, w.ID, alert.Named, now)
}

// leave gives up a wave whose channel takes nothing, if nothing is told there by now: what it will never say goes
// to another.
func (t *Teller) leave(ctx context.Context, w wave.Wave, now time.Time) error {
	if slices.Contains(t.alert.Routes.Channels(), w.Main.Channel) {
		return nil
	}
	t.shut[w.Main.Channel] = true
	t.log.Warn("the old channel takes nothing; what was not told there goes elsewhere", "wave", w.ID, "kind", w.Kind,
		"old", w.Main.Channel, "channel", t.alert.Routes.Rest)
	return t.release(ctx, w, now)
}

// reroute looks once after each start where the waves belong that are not posted yet, because ROUTES or SLACK_CHANNEL
// may be others than before. What the sink may have is looked for first, see move.
func (t *Teller) reroute(ctx context.Context, mutes []wave.Mute, now time.Time) error {
	for _, w := range t.live {
		if w.Main.ID != "" {
			continue
		}
		var err error
		if w.Members, err = t.store.Members(ctx, w.ID); err != nil {
			return err
		}
		to, ok := t.alert.Routes.Placed(w, mutes)
		switch {
		case ok && to == w.Place():
		case w.Main.Tried && to.Channel != w.Main.Channel:
			t.moves[w.ID] = true
		default:
			if err := t.replace(ctx, w, to, ok); err != nil {
				return err
			}
		}
	}
	t.routed = true
	return t.readLive(ctx, now)
}

// replace records where a wave belongs by now that is not posted, if that is one place; else all that it was to tell
// becomes a to-do again. In another channel the sink surely does not have it.
func (t *Teller) replace(ctx context.Context, w wave.Wave, to wave.Place, one bool) error {
	t.log.Info("a message that is not posted yet goes elsewhere, as ROUTES has it now", "wave", w.ID, "kind", w.Kind,
		"old", w.Main.Channel, "channel", to.Channel)
	if one {
		return t.store.Move(ctx, w.ID, to)
	}
	t.outbox.Forget(w.Main.Key)
	return t.store.Dissolve(ctx, w.ID)
}

// move looks for a wave's message in the channel that it belonged to when its posting was begun. If it is there, it
// stays; else it goes where it belongs by now.
func (t *Teller) move(ctx context.Context, w wave.Wave, now time.Time) error {
	rec, result, err := t.outbox.Seek(ctx, w.Main)
	if err != nil || result != Done {
		return err
	}
	delete(t.moves, w.ID)
	if rec.ID != "" {
		return nil
	}
	mutes, err := t.store.UntoldMutes(ctx, t.cluster)
	if err != nil {
		return err
	}
	to, ok := t.alert.Routes.Placed(w, mutes)
	return t.replace(ctx, w, to, ok)
}

// isLeft reports whether a wave's message is in a channel that was left: it is known to take nothing without a call.
func (t *Teller) isLeft(w wave.Wave) bool { return w.Main.ID != "" && t.shut[w.Main.Channel] }

// post posts a message of a wave.
func (t *Teller) post(ctx context.Context, w wave.Wave, rec wave.Posting, d Draft) error {
	_, result, err := t.outbox.Post(ctx, rec, d)
	switch {
	case err != nil:
		return err
	case result == Missing && rec.Part == wave.PartList:
		t.log.Warn("a message was deleted; the names that its thread was to list go into a new one", "key", rec.Key)
		return t.release(ctx, w, time.Now())
	case result == Missing:
		t.log.Warn("a message was deleted; its thread cannot go on", "key", rec.Key)
		return t.dropPart(ctx, rec.Key)
	case result == Shut && w.Main.ID != "":
		return t.leave(ctx, w, time.Now())
	}
	return nil
}

func (t *Teller) dropPart(ctx context.Context, key string) error {
	t.outbox.Forget(key)
	return t.store.DropPart(ctx, key)
}

// postPart posts a thread reply.
func (t *Teller) postPart(ctx context.Context, w wave.Wave, rec wave.Posting) error {
	d := Draft{Channel: rec.Channel, Thread: w.Main.ID}
	if m, ok, called := t.callOut(w, rec.Part); called {
		if !ok { // they became ready or left meanwhile, or somebody looks at it
			return t.dropPart(ctx, rec.Key)
		}
		d.Variants = Ordinary(m)
		rec.Looked = w.Look != (wave.Look{})
		return t.post(ctx, w, rec, d)
	}
	if rec.Part == wave.PartUpdate {
		totals, _, err := t.totals(ctx, &w)
		if err != nil {
			return err
		}
		d.Told, d.Variants = w.LastChange(), Ordinary(alert.RenderUpdate(w, totals, t.alert))
		rec.Looked = w.Look != (wave.Look{})
		return t.post(ctx, w, rec, d)
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
	d.Variants = Ordinary(alert.RenderList(w, members, first+1))
	return t.post(ctx, w, rec, d)
}

// callOut renders a thread reply that calls out what is loud, if a part is one. ok is false if there is nothing to call
// out any more.
func (t *Teller) callOut(w wave.Wave, part string) (m message.Message, ok, called bool) {
	switch part {
	case wave.PartStuck:
		m, ok = alert.RenderNeverReady(w, t.alert)
	case wave.PartRemind:
		m, ok = alert.RenderReminder(w, t.alert), w.Look == (wave.Look{}) && alert.StillLoud(w)
	default:
		return m, false, false
	}
	return m, ok, true
}

// editPart says in a thread reply who looks at what it calls out.
func (t *Teller) editPart(ctx context.Context, w wave.Wave, rec wave.Posting, now time.Time) error {
	rec.Looked = true
	m, ok, _ := t.callOut(w, rec.Part)
	if rec.Part == wave.PartStuck && !ok { // they became ready or left meanwhile: it stays as it is
		return t.store.Accepted(ctx, rec, 0, now)
	}
	result, err := t.outbox.Edit(ctx, rec, m, 0)
	if err != nil || result != Missing && result != Fixed {
		return err
	}
	return t.store.Accepted(ctx, rec, 0, now)
}
