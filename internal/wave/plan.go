package wave

import "rollcall/internal/fleet"

// Todo is a change that nobody has been told yet and that belongs to no wave.
type Todo struct {
	Change fleet.Change
	Node   fleet.Node
	// StepWave is the wave, not yet done, that told the step this one follows: for a ready
	// node its joining, for a recovery its NotReady. 0 if there is none.
	StepWave int64
	// StepMute is the mute that kept that step quiet; 0 if none did.
	StepMute int64
	// Gone is set where the node has left since, whatever change this is of.
	Gone bool
}

// Plan is what to do with to-dos; the ledger carries it out in one transaction.
type Plan struct {
	New      []Opening
	Add      map[int64][]int64 // changes for waves that exist, by wave ID
	Extend   map[int64]bool    // waves whose LastAt moves, because a change of their own kind came
	Silence  []int64           // changes that nobody is to be told, as ALERT_NODE_SELECTOR wants
	Mute     map[int64]int64   // changes that a mute keeps quiet: change ID → mute ID
	Baseline bool              // open the baseline wave
	To       Place             // where the baseline is told
	Merge    []Merge
}

// Empty reports whether the plan changes nothing.
func (p Plan) Empty() bool {
	return len(p.New) == 0 && len(p.Add) == 0 && len(p.Silence) == 0 && len(p.Mute) == 0 && !p.Baseline &&
		len(p.Merge) == 0
}

// Opening is a wave to open.
type Opening struct {
	Kind    Kind
	About   About
	To      Place
	Changes []int64
	Closed  bool // nothing may be added
}

// Merge turns several waves of one channel that Slack has not seen into one catch-up.
type Merge struct {
	Into     int64
	From     []int64
	About    About  // of the catch-up
	Mentions string // whom it rings: whoever one of them does
}
