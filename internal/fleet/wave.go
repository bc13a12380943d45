package fleet

import "time"

// WaveKind says what a wave's message is about. Its values are also the "kind" of the
// message metadata that other automations may read.
type WaveKind string

// The kinds of waves. Away tells what changed while Rollcall was not running, CatchUp what
// could not be told while Slack was unreachable. Surge and Creep comment on growth. Mute tells
// that somebody mutes alerts, and its last edit that the mute has ended.
const (
	WaveBaseline  WaveKind = "baseline"
	WaveJoined    WaveKind = "joined"
	WaveReady     WaveKind = "ready"
	WaveNotReady  WaveKind = "not_ready"
	WaveRecovered WaveKind = "recovered"
	WaveRemoved   WaveKind = "removed"
	WaveAway      WaveKind = "away"
	WaveCatchUp   WaveKind = "catch_up"
	WaveSurge     WaveKind = "surge"
	WaveCreep     WaveKind = "creep"
	WaveMute      WaveKind = "mute"
)

// Wave is a run of like changes in one cluster, close together in time: one message.
type Wave struct {
	ID       int64
	Key      string // idempotency key, part of the message metadata
	Cluster  string
	Kind     WaveKind
	Gap      *Gap // for WaveAway: the span in which its changes happened
	OpenedAt time.Time
	LastAt   time.Time // when the last like change was added
	ClosedAt time.Time // zero while like changes may still be added
	Growth   *Growth   // for WaveSurge and WaveCreep
	Mute     *Mute     // for WaveMute
	Muted    Muted     // what the mute kept quiet, once it has ended; only where it is asked for
	Main     Message
	Parts    []Message // its thread replies
	Members  []Member  // in the order in which they were added; only in a wave loaded whole
	Counts   WaveCounts
}

// WaveCounts sums up a wave without loading its members.
type WaveCounts struct {
	Members    int
	Untold     int   // changes that no accepted message tells
	Unlisted   int   // members that no thread message lists
	Pending    int   // members still to become ready or to recover, and not gone
	Unready    int   // of these, members that joined
	LastChange int64 // highest change ID
}

// Growth is the observation behind a surge (live nodes before and now) or a creep (the least of
// a past day and the least of the last one).
type Growth struct {
	From  int           `json:"from"`
	To    int           `json:"to"`
	Over  time.Duration `json:"over"`
	Usual int           `json:"usual"` // net growth usual in such a span; surge only
}

// Member is one node in a wave, with the changes of its life that the wave tells.
type Member struct {
	Node      Node
	Steps     []Change  // ascending by ID; never empty
	RemovedAt time.Time // when the node left, zero while it lives; known to any wave
	Evidence  []Event   // events that may say why it left, oldest first; only if it left
	Part      string    // key of the thread message that lists the node, "" if none does yet
	Told      bool      // Slack accepted a message that tells all of Steps
}

// Step returns the member's last change of the given kind.
func (m Member) Step(kind ChangeKind) (Change, bool) {
	for i := len(m.Steps) - 1; i >= 0; i-- {
		if m.Steps[i].Kind == kind {
			return m.Steps[i], true
		}
	}
	return Change{}, false
}

// Message is the ledger's record of one Slack message: first an intent, then, with its TS,
// a fact. Between the two nobody knows whether Slack has it.
type Message struct {
	Key      string
	WaveID   int64
	Part     string // "main", or what a thread reply is for: "list", "stuck"
	Channel  string
	TS       string    // "" until Slack has confirmed it
	Hash     uint64    // of the content that Slack accepted last
	Created  time.Time // when the intent was recorded
	After    string    // a TS that Slack had given before that: if Slack has the message, its own is later; "" if there was none
	Tried    bool      // posting was begun at least once: it may be in Slack even without a TS
	EditedAt time.Time // when Slack accepted it last
}

// Todo is a change that nobody has been told yet and that belongs to no wave.
type Todo struct {
	Change Change
	Node   Node
	// StepWave is the wave, not yet done, that told the step this one follows: for a ready
	// node its joining, for a recovery its NotReady. 0 if there is none.
	StepWave int64
	// StepMute is the mute that kept that step quiet; 0 if none did.
	StepMute int64
}

// Plan is what to do with to-dos; the ledger carries it out in one transaction.
type Plan struct {
	New      []NewWave
	Add      map[int64][]int64 // changes for waves that exist, by wave ID
	Extend   map[int64]bool    // waves whose LastAt moves, because a change of their own kind came
	Silence  []int64           // changes that nobody is to be told, as ALERT_NODE_SELECTOR wants
	Mute     map[int64]int64   // changes that a mute keeps quiet: change ID → mute ID
	Baseline bool              // open the baseline wave
	Merge    *Merge
}

// Empty reports whether the plan changes nothing.
func (p Plan) Empty() bool {
	return len(p.New) == 0 && len(p.Add) == 0 && len(p.Silence) == 0 && len(p.Mute) == 0 && !p.Baseline && p.Merge == nil
}

// NewWave is a wave to open.
type NewWave struct {
	Kind    WaveKind
	GapID   int64 // for WaveAway
	Growth  *Growth
	MuteID  int64 // for WaveMute
	Changes []int64
	Closed  bool // nothing may be added
}

// Merge turns several waves that Slack has not seen into one catch-up.
type Merge struct {
	Into int64
	From []int64
}

// Totals counts nodes: a cluster's live ones, or those that a filter selects.
type Totals struct {
	Nodes    int
	Ready    int
	Cordoned int
	Capped   bool // of nodes that left only the last ones were counted; see NodePage
	Cost     Cost // by the hour, where somebody has asked for prices; else zero
}

// NotReady is how many nodes are not ready.
func (t Totals) NotReady() int { return t.Nodes - t.Ready }

// Group is a set of nodes that are alike, and how many there are.
type Group struct {
	InstanceType, CapacityType, Zone, Pool, Arch string
	Nodes                                        int
	Cost                                         Cost // by the hour, where somebody has asked for prices; else zero
}
