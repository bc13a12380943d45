// Package alert decides what a person is told, when, and why. Its functions are pure: they
// take changes, waves and a moment, and return decisions and messages as data. They read no
// clock, keep no state, and know neither Slack nor Kubernetes nor SQL.
//
// Plan gives each untold change to a wave, Next says what a wave needs next and when, and
// Render says what its message reads.
package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// Config holds what the decisions depend on. Zero durations mean the defaults below.
type Config struct {
	WaveGap       time.Duration  // ALERT_WAVE_GAP: a wave ends when no like change came for this long
	WaveMax       time.Duration  // ALERT_WAVE_MAX: and at the latest this long after it began
	ReadyDeadline time.Duration  // a node not ready by then is called out
	BlindAfter    time.Duration  // a cluster that was not seen for this long is told; 0: never
	PendingAfter  time.Duration  // PENDING_AFTER: pods that nobody answers for this long are told; 0: never
	CatchUpAfter  time.Duration  // messages unposted for this long are merged into one
	Labels        []string       // ALERT_LABELS: label keys shown on nodes
	Price         fleet.Pricer   // what nodes cost; nil: no price is known
	Kept          KeptRule       // KEPT_ALERT: when nodes that are kept are told
	Budgets       []Budget       // BUDGETS
	Rollouts      []string       // ROLLOUTS: globs of namespace/name of Deployments
	Zone          *time.Location // of the days of budgets: DIGEST_TIMEZONE; nil: UTC
	Keep          time.Duration  // SCALING_RETENTION: nodes that left longer ago are not known; 0: all are
	Routes        Routes         // ROUTES
	RemindAfter   time.Duration  // REMIND_AFTER: what is loud rings once more if nobody looks at it; 0: never
	// Alerts selects the nodes that alert, ALERT_NODE_SELECTOR; nil means all.
	Alerts func(labels map[string]string) bool
}

// The defaults of Config.
const (
	DefaultWaveGap       = 30 * time.Second
	DefaultWaveMax       = 10 * time.Minute
	DefaultReadyDeadline = 10 * time.Minute
	DefaultCatchUpAfter  = 2 * time.Minute
)

// WithDefaults fills in what is zero.
func (c Config) WithDefaults() Config {
	c.WaveGap = cmp.Or(c.WaveGap, DefaultWaveGap)
	c.WaveMax = cmp.Or(c.WaveMax, DefaultWaveMax)
	c.ReadyDeadline = cmp.Or(c.ReadyDeadline, DefaultReadyDeadline)
	c.CatchUpAfter = cmp.Or(c.CatchUpAfter, DefaultCatchUpAfter)
	return c
}

// MaxInline is how many nodes a message shows one by one. More become a table, and the names
// go to the thread.
const MaxInline = 5

// Named reports whether a message names so many nodes, of so many different machines, itself, and not in its thread:
// also where groups would save no rows of what a phone shows.
func Named(nodes, kinds int) bool {
	return nodes <= MaxInline || nodes == kinds && nodes <= message.MaxRows
}

// Plan decides to which wave each to-do belongs. live are the waves not done, oldest first;
// mutes are those that are active or whose end is untold.
//
// A step that follows one already told (ready after joined, recovered after not ready) goes to
// that one's wave, whenever it happens. What happened in a gap goes to that gap's one message.
// Any other change joins the open wave of its kind, or opens one. While Slack takes nothing,
// everything merges into one catch-up.
//
// A node that goes not ready while it is being ended rings nobody: its removal tells it. If it is not ended after all,
// it is told then.
//
// What belongs to a wave that is busy stays a to-do, and so does what belongs to a channel in which a busy wave is
// posted for the first time: it may have to become a part of that one.
//
// A mute hides what begins while it is active: a first step, and the one that follows it even
// after the mute's end, but no step of a node whose first one is told in a wave. It is told
// itself, by a wave of its own, and so is its end.
func Plan(todo []wave.Todo, baseline bool, mutes []wave.Mute, live []wave.Wave, now time.Time, cfg Config) wave.Plan {
	p := wave.Plan{Baseline: baseline, Add: map[int64][]int64{}, Extend: map[int64]bool{}, Mute: map[int64]int64{}}
	if baseline {
		p.To = cfg.Routes.OfWave(wave.KindBaseline, wave.About{}, nil)
	}
	for _, m := range mutes {
		if !slices.ContainsFunc(live, func(w wave.Wave) bool { return w.Mute != nil && w.Mute.ID == m.ID }) {
			about := wave.About{Mute: m.ID}
			p.New = append(p.New, wave.Opening{Kind: wave.KindMute, About: about, Closed: !now.Before(m.End()),
				To: cfg.Routes.OfWave(wave.KindMute, about, mutes)})
		}
	}
	told := audible(todo, mutes, now, cfg, &p)
	catchUps := catchUpWaves(told, live, now, cfg, &p)

	opened := map[opening]int{} // index in p.New of the wave opened there
	// Where this plan put a node's first step, to put its second there too.
	chosen := map[string]func(id int64){}
	busy := func(of func(wave.Wave) bool) bool {
		return slices.ContainsFunc(live, func(w wave.Wave) bool { return w.Busy && of(w) })
	}
	for _, t := range told {
		c := t.Change
		if busy(func(w wave.Wave) bool {
			return w.ID == t.StepWave || t.StepWave == 0 && w.Main.Channel == t.to.Channel &&
				(w.Main.ID == "" || w.ClosedAt.IsZero() && w.Kind == wave.Kind(c.Kind))
		}) {
			continue
		}
		if t.StepWave != 0 {
			p.Add[t.StepWave] = append(p.Add[t.StepWave], c.ID)
			continue
		}
		if add, ok := chosen[c.NodeUID]; ok && (c.Kind == fleet.BecameReady || c.Kind == fleet.Recovered) {
			add(c.ID)
			continue
		}
		kind := wave.Kind(c.Kind)
		into := func(w int64, extend bool) func(id int64) {
			if extend {
				p.Extend[w] = true
			}
			return func(id int64) { p.Add[w] = append(p.Add[w], id) }
		}
		anew := func(at opening, n wave.Opening) func(id int64) {
			i, ok := opened[at]
			if !ok {
				i = len(p.New)
				opened[at] = i
				p.New = append(p.New, n)
			}
			return func(id int64) { p.New[i].Changes = append(p.New[i].Changes, id) }
		}
		var add func(id int64)
		if w := catchUps[t.to.Channel]; w != 0 {
			add = into(w, true)
		} else if w, ok := awayWave(live, c.GapID, t.to); ok {
			add = into(w, false)
		} else if c.GapID != 0 {
			add = anew(opening{wave.KindAway, c.GapID, t.to}, wave.Opening{Kind: wave.KindAway, To: t.to,
				About: wave.About{Gap: c.GapID}, Closed: true})
		} else if w, ok := openWave(live, kind, t.to, now, cfg); ok {
			add = into(w, true)
		} else {
			add = anew(opening{kind, 0, t.to}, wave.Opening{Kind: kind, To: t.to})
		}
		add(c.ID)
		chosen[c.NodeUID] = add
	}
	return p
}

// opening is what changes have in common that one new wave tells.
type opening struct {
	kind wave.Kind
	gap  int64
	to   wave.Place
}

// routed is a to-do that is told, and where.
type routed struct {
	wave.Todo
	to wave.Place
}

// audible returns the to-dos that are told. The others it plans to silence, as the selector
// wants, or to mute. A step that follows one already told is told, whatever labels the node has got
// meanwhile: otherwise what was told of it would become false.
func audible(todo []wave.Todo, mutes []wave.Mute, now time.Time, cfg Config, p *wave.Plan) []routed {
	var told []routed
	// By node, where its first step here belongs, and the mute that hides it, 0 if it is told: the second one goes where
	// the first did, whatever channel it would belong to by itself.
	type step struct {
		channel string
		mute    int64
	}
	first := map[string]step{}
	for _, todo := range todo {
		c := todo.Change
		t := routed{todo, cfg.Routes.OfChange(todo.Node, c.Kind)}
		mute := mutedBy(t, mutes, now, cfg.Routes)
		if before, ok := first[c.NodeUID]; ok && before.channel != t.to.Channel &&
			(c.Kind == fleet.BecameReady || c.Kind == fleet.Recovered) {
			mute = before.mute
		}
		switch {
		case ending(t.Todo) && t.Gone: // its removal tells it
			p.Silence = append(p.Silence, c.ID)
			continue
		case ending(t.Todo): // it stays a to-do until the node is gone, or is not ended after all
			continue
		case t.StepWave == 0 && cfg.Alerts != nil && !cfg.Alerts(t.Node.Labels):
			p.Silence = append(p.Silence, c.ID)
			continue
		case mute != 0:
			p.Mute[c.ID] = mute
		default:
			told = append(told, t)
		}
		if t.StepWave == 0 && (c.Kind == fleet.Joined || c.Kind == fleet.WentUnready) {
			first[c.NodeUID] = step{t.to.Channel, mute}
		}
	}
	return told
}

// ending reports whether a change is that a node went not ready, or recovered, while it was being ended: that rings
// nobody, because whoever ends a node ends its kubelet too. A node that was said to be not ready is said to have
// recovered all the same.
func ending(t wave.Todo) bool {
	if t.StepWave != 0 || t.Change.Kind != fleet.WentUnready && t.Change.Kind != fleet.Recovered {
		return false
	}
	_, since, leaving := t.Node.Leaving()
	return leaving && (since.IsZero() || !t.Change.At.Before(since.Add(-endingDelay)))
}

// endingDelay is how much sooner than it is known to be ended a node may go not ready and that be a part of its end:
// moments of machines whose clocks differ. It is Rollcall's own choice.
const endingDelay = time.Minute

// mutedBy returns the mute that hides a to-do, 0 if none does. Of several it is the oldest.
func mutedBy(t routed, mutes []wave.Mute, now time.Time, routes Routes) int64 {
	switch {
	case t.StepWave != 0:
		return 0
	case t.StepMute != 0:
		return t.StepMute
	}
	for _, m := range mutes {
		if m.Active(now) && m.Matches(t.Node) && routes.Mutes(m, t.to.Channel) {
			return m.ID
		}
	}
	return 0
}

// ClusterMuted reports whether a mute of a whole cluster is active in a channel. Growth is not told then, and is
// once it has ended if it is still unusual. A mute of some nodes leaves it alone, because
// growth is about all of them.
func (r Routes) ClusterMuted(mutes []wave.Mute, channel string, now time.Time) bool {
	return slices.ContainsFunc(mutes, func(m wave.Mute) bool {
		return m.Scope == wave.MuteCluster && m.Active(now) && r.Mutes(m, channel)
	})
}

// awayWave returns the wave of a gap in a place, as long as nobody has seen its message: a gap is told there
// in one.
func awayWave(live []wave.Wave, gap int64, to wave.Place) (int64, bool) {
	for _, w := range live {
		if w.Gap != nil && w.Gap.ID == gap && w.Main.ID == "" && w.Place() == to {
			return w.ID, true
		}
	}
	return 0, false
}

// openWave returns the wave in a place that still takes changes of a kind.
func openWave(live []wave.Wave, kind wave.Kind, to wave.Place, now time.Time, cfg Config) (int64, bool) {
	for _, w := range slices.Backward(live) {
		if w.Kind == kind && w.Place() == to && w.ClosedAt.IsZero() && !w.Main.Frozen && now.Before(closesAt(w, cfg)) {
			return w.ID, true
		}
	}
	return 0, false
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func closesAt(w wave.Wave, cfg Config) time.Time {
	return earlier(w.LastAt.Add(cfg.WaveGap), w.OpenedAt.Add(cfg.WaveMax))
}

// catchUpWaves returns by channel the wave that takes everything because Slack has taken nothing there for too
// long; none while messages go through. It plans the merges of the waves that wait.
func catchUpWaves(todo []routed, live []wave.Wave, now time.Time, cfg Config, p *wave.Plan) map[string]int64 {
	into := map[string]*wave.Wave{} // the oldest wave that waits
	from := map[string][]int64{}
	ring := map[string]wave.Place{}
	busy := map[string]bool{}
	for i := range live {
		w := &live[i]
		// One that Slack refuses by itself would hold up all that it took in.
		if w.Busy {
			busy[w.Main.Channel] = true
		}
		if w.Main.ID != "" || w.Main.Held || kindOf(w.Kind).apart {
			continue
		}
		channel := w.Main.Channel
		switch {
		case into[channel] == nil:
			into[channel], ring[channel] = w, w.Place()
		case !w.Main.Tried: // of one that was tried, Slack may have the message
			from[channel] = append(from[channel], w.ID)
			ring[channel] = ring[channel].And(w.Mentions)
		}
	}
	waiting := map[string]bool{}
	for _, t := range todo {
		if t.StepWave == 0 {
			waiting[t.to.Channel] = true
			if into[t.to.Channel] != nil {
				ring[t.to.Channel] = ring[t.to.Channel].And(t.to.Mentions)
			}
		}
	}
	catchUps := map[string]int64{}
	for _, channel := range slices.Sorted(maps.Keys(into)) {
		w, from := into[channel], from[channel]
		if busy[channel] || now.Sub(w.OpenedAt) < cfg.CatchUpAfter || len(from) == 0 && !waiting[channel] {
			continue
		}
		if w.Kind != wave.KindCatchUp || len(from) > 0 || ring[channel] != w.Place() {
			p.Merge = append(p.Merge, wave.Merge{Into: w.ID, From: from, About: mergedAbout(*w, live, from),
				Mentions: ring[channel].Mentions})
		}
		catchUps[channel] = w.ID
	}
	return catchUps
}

// mergedAbout is what a catch-up is about: the first gap that it takes in.
func mergedAbout(into wave.Wave, live []wave.Wave, from []int64) wave.About {
	if into.About.Gap != 0 {
		return into.About
	}
	for _, w := range live {
		if w.About.Gap != 0 && slices.Contains(from, w.ID) {
			return w.About
		}
	}
	return wave.About{}
}
