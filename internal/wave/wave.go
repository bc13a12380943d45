// Package wave holds what is said in a channel as Go types: waves of like changes, the
// messages that tell them and what the ledger records of each, mutes, and digests.
//
// The types are values that the deciders (package alert), the ledger and the outbox (package
// deliver) hand to each other. Package wave decides nothing, does no I/O, and imports only
// package fleet.
package wave

import (
	"time"

	"rollcall/internal/fleet"
)

// Kind says what a wave's message is about. Its values are also the "kind" of the message
// metadata that other automations may read. What there is to know of each kind is in package
// alert's registry.
type Kind string

// The kinds of waves. Away tells what changed while Rollcall was not running, CatchUp what
// could not be told while Slack was unreachable. Surge and Creep comment on growth. Mute tells
// that somebody mutes alerts, and its last edit that the mute has ended. Blind tells that the cluster cannot be seen,
// and its last edit that it can again. Waiting tells that pods wait for nodes that do not come, and what became of
// them.
const (
	KindBaseline  Kind = "baseline"
	KindJoined    Kind = "joined"
	KindReady     Kind = "ready"
	KindNotReady  Kind = "not_ready"
	KindRecovered Kind = "recovered"
	KindRemoved   Kind = "removed"
	KindAway      Kind = "away"
	KindCatchUp   Kind = "catch_up"
	KindSurge     Kind = "surge"
	KindCreep     Kind = "creep"
	KindMute      Kind = "mute"
	KindBlind     Kind = "blind"
	KindBudget    Kind = "budget" // what has been spent of a budget, or that it will be passed
	KindWaiting   Kind = "waiting"
	// KindKept tells which nodes are kept from going, or are cordoned and forgotten.
	KindKept Kind = "kept"
	// KindLoop tells that nodes are replaced by the same kind again and again.
	KindLoop Kind = "loop"
	// KindRollout tells of a rollout of a Deployment.
	KindRollout Kind = "rollout"
)

// Wave is a run of like changes in one cluster, close together in time: one message.
type Wave struct {
	ID       int64
	Key      string // idempotency key, part of the message metadata
	Cluster  string
	Kind     Kind
	About    About      // what it is about beside its nodes
	Gap      *fleet.Gap // the gap that About names
	Mute     *Mute      // the mute that About names
	OpenedAt time.Time
	LastAt   time.Time // when the last like change was added
	ClosedAt time.Time // zero while like changes may still be added
	Muted    Muted     // what the mute kept quiet, once it has ended; only where it is asked for
	Mentions string    // whom it rings in the channel of its message: see Place
	Look     Look      // who looks at it; zero while nobody does
	Busy     bool      // a call about it is under way just now: what belongs to it must wait
	Main     Posting
	Parts    []Posting // its thread replies
	Members  []Member  // in the order in which they were added; only in a wave loaded whole
	// Swaps are the replacements that its nodes have a part in, and Pools the NodePools of those that joined, as they are
	// now; only where they are asked for.
	Swaps  []Swap
	Pools  []fleet.Pool
	Counts Counts
}

// Place is where the wave is told.
func (w Wave) Place() Place { return Place{w.Main.Channel, w.Mentions} }

// About is what a wave is about beside its nodes: at most one field is set, and Standing with it of what is so for a
// time. The ledger keeps it as one value, so a new kind of wave adds a field here and no column there.
type About struct {
	Gap    int64   `json:"gap,omitempty"`    // the gap in which its changes happened: Away, and a CatchUp that took one in
	Mute   int64   `json:"mute,omitempty"`   // the mute that it tells
	Growth *Growth `json:"growth,omitempty"` // what a Surge or a Creep observed
	Blind  *Blind  `json:"blind,omitempty"`  // what a Blind cannot see
	Budget *Budget `json:"budget,omitempty"` // what a Budget has spent

	Standing *Standing `json:"standing,omitempty"`
	Waiting  *Waiting  `json:"waiting,omitempty"`

	Kept *Kept `json:"kept,omitempty"` // what keeps nodes: Kept
	Loop *Loop `json:"loop,omitempty"` // what goes round: Loop

	Rollout *Rollout `json:"rollout,omitempty"`
}

// Blind is a time in which the cluster was not seen.
type Blind struct {
	Events bool      `json:"events,omitempty"` // events alone: why nodes come and go
	Since  time.Time `json:"since"`            // the last moment at which it was
	Until  time.Time `json:"until,omitzero"`   // zero while it is not seen
	Why    string    `json:"why,omitempty"`    // as an error says it: untrusted
	// Missed is how many changes were found out about afterwards, by kind; of nodes.
	Missed map[fleet.ChangeKind]int `json:"missed,omitempty"`
}

// Counts sums up a wave without loading its members.
type Counts struct {
	Members    int
	Kinds      int   // different machines, by instance type and capacity type, of its first members
	Untold     int   // changes that no accepted message tells
	Unlisted   int   // members that no thread message lists
	Pending    int   // members still to become ready or to recover, and not gone
	Unready    int   // of these, members that joined
	LastChange int64 // highest change ID

	// Why its members came and went.
	Unexplained  int // changes whose causes may still become known, or better known
	Causeless    int // of these, changes of which no cause is known yet
	CauseChanged int // changes that are told, and whose causes are not those that the main message tells
	CauseUntold  int // of these, changes of which the main message tells no cause at all
}

// Growth is the observation behind a surge (live nodes before and now) or a creep (the least of
// a past day and the least of the last one).
type Growth struct {
	From  int           `json:"from"`
	To    int           `json:"to"`
	Over  time.Duration `json:"over"`
	Usual int           `json:"usual"` // net growth usual in such a span; surge only
	// Dear is set of a surge that is one for what it costs, and UsualUSD then what usually costs more by the hour after
	// such a span.
	Dear     bool    `json:"dear,omitempty"`
	UsualUSD float64 `json:"usual_usd,omitempty"`
	// Most are the groups of nodes that grew most, the largest first, and USD what all that grew costs more by the hour;
	// 0 if that is not known. WasUSD is what all nodes cost by the hour before; 0 if the price of any is not known.
	Most   []Grown `json:"most,omitempty"`
	USD    float64 `json:"usd,omitempty"`
	WasUSD float64 `json:"was_usd,omitempty"`
	// Why are the causes of those that joined meanwhile and have not left, the most frequent first; OtherCauses is how
	// many more have others, and Unexplained of how many none was known.
	Why         []CameFor `json:"why,omitempty"`
	OtherCauses int       `json:"other_causes,omitempty"`
	Unexplained int       `json:"unexplained,omitempty"`
}

// CameFor is how many nodes came for one cause.
type CameFor struct {
	fleet.Cause
	Nodes int `json:"nodes"`
}

// Grown is by how many nodes of one type a pool grew.
type Grown struct {
	Pool         string `json:"pool,omitempty"` // untrusted, like InstanceType
	InstanceType string `json:"type,omitempty"`
	Nodes        int    `json:"nodes"`
}

// Member is one node in a wave, with the changes of its life that the wave tells.
type Member struct {
	Node      fleet.Node
	Steps     []fleet.Change // ascending by ID; never empty
	RemovedAt time.Time      // when the node left, zero while it lives; known to any wave
	// Came and Went are why it came and why it left, as far as that is proven, without their chains.
	Came, Went fleet.Explanation
	// Others are the nodes that it replaces or that replace it, as far as they are known; of a message that shows its
	// nodes one by one.
	Others   []fleet.Node
	Part     string // key of the thread message that lists the node, "" if none does yet
	ToldUpTo int64  // the ID of the last of Steps that an accepted message tells, 0 for none
	Told     bool   // Slack accepted a message that tells all of Steps
}

// Swap is a replacement of nodes for one reason: those that joined in the place of others, and those that left for it,
// in the same pools and near the wave in time. Which of them belongs to which is not known.
type Swap struct {
	Reason       string // Karpenter's word, see [fleet.Cause.Disruption]
	Came, Went   map[fleet.Machine]int
	Since, Until time.Time // the first and the last of these changes
}

// SwapSpan is how long before its first change and after its last one what belongs to a wave's replacement is looked
// for. Karpenter gives a replacement 15 minutes to become ready: karpenter,
// pkg/controllers/nodeclaim/lifecycle/liveness.go.
const SwapSpan = 30 * time.Minute

// Swapped are the reasons for which nodes of a wave replace others or may have been replaced, each with their pools,
// and the span of the wave's changes.
func (w Wave) Swapped() (pools map[string]map[string]bool, from, until time.Time) {
	for _, m := range w.Members {
		for _, e := range []fleet.Explanation{m.Came, m.Went} {
			if reason := e.Disruption(); reason != "" {
				if pools == nil {
					pools = map[string]map[string]bool{}
				}
				if pools[reason] == nil {
					pools[reason] = map[string]bool{}
				}
				pools[reason][m.Node.Pool] = true
			}
		}
		for _, s := range m.Steps {
			if s.Kind != fleet.Joined && s.Kind != fleet.Removed {
				continue
			}
			if from.IsZero() || s.At.Before(from) {
				from = s.At
			}
			until = fleet.Latest(until, s.At)
		}
	}
	return pools, from, until
}

// Step returns the member's last change of the given kind.
func (m Member) Step(kind fleet.ChangeKind) (fleet.Change, bool) {
	for i := len(m.Steps) - 1; i >= 0; i-- {
		if m.Steps[i].Kind == kind {
			return m.Steps[i], true
		}
	}
	return fleet.Change{}, false
}

// LastChange is the highest change ID that a message rendered from the wave's members tells, 0
// if it has no members.
func (w Wave) LastChange() (id int64) {
	for _, m := range w.Members {
		id = max(id, m.Steps[len(m.Steps)-1].ID)
	}
	return id
}

// Nodes are the nodes that a wave is about, and when it happened.
type Nodes struct {
	ID          int64
	Cluster     string
	Kind        Kind
	UIDs, Names []string  // of its nodes, in the order in which they were added
	More        bool      // not all of them are listed
	From, Until time.Time // the first and the last moment of its changes
	About       About
}
