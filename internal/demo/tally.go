package demo

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"rollcall/internal/channel"
	"rollcall/internal/clustersim"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/slackemu"
)

// tally counts what the channels tell, message by message, as a person would who keeps a list.
type tally struct {
	slack    *slackemu.Server
	channels []string
	changed  func()

	mu       sync.Mutex
	said     map[string]statement      // by the message: see place
	names    map[string]map[string]int // step → node → how often it is named
	counts   map[string]int            // step → how many nodes, as the headlines say
	mutes    int                       // that go on
	baseline int                       // nodes that were there at the first start
	based    bool                      // whether a message says so
	edits    int                       // of all messages
	messages int                       // of Rollcall's, replies included
}

// statement is what one message says.
type statement struct {
	names  []channel.Telling
	counts map[string]int
	muted  bool   // it says that alerts are muted
	wave   string // its wave's message
	nodes  int    // how many its wave has, and how many by cause; of the wave's message only
	causes map[string]int
}

// place is where a message is: two channels may have messages with one ts.
func place(channel, ts string) string { return channel + "/" + ts }

func newTally(s *slackemu.Server, channels []string, changed func()) *tally {
	return &tally{slack: s, channels: channels, changed: changed, said: map[string]statement{},
		names: map[string]map[string]int{}, counts: map[string]int{}}
}

// run follows the channels until ctx ends.
func (t *tally) run(ctx context.Context) error {
	sub := t.slack.Subscribe()
	defer sub.Close()
	for {
		changes, err := sub.Next(ctx)
		if err != nil {
			return nil // the end of ctx or of the workspace
		}
		any := false
		for _, c := range changes {
			switch {
			case !slices.Contains(t.channels, c.Channel):
			case c.Kind == slackemu.ChangePosted, c.Kind == slackemu.ChangeUpdated, c.Kind == slackemu.ChangeDeleted:
				t.read(c)
				any = true
			}
		}
		if any {
			t.changed()
		}
	}
}

// read looks at one message again.
func (t *tally) read(c slackemu.Change) {
	m, ok := t.slack.Message(c.Channel, c.TS)
	ours := ok && m.BotID != ""
	var now statement
	if ours && !m.Deleted {
		now = t.statement(m)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ours {
		switch c.Kind {
		case slackemu.ChangePosted:
			t.messages++
		case slackemu.ChangeUpdated:
			t.edits++
		}
		if kind, n, ok := channel.About(m); ok && kind == "baseline" {
			t.baseline, t.based = n, true
		}
	}
	at := place(c.Channel, c.TS)
	t.add(t.said[at], -1)
	t.add(now, 1)
	t.said[at] = now
}

// statement reads a message. While a wave goes on its headline counts its nodes and its thread
// names them later, so a headline's number counts where it is of one step; names tell whether
// anything is told twice.
func (t *tally) statement(m slackemu.Message) statement {
	if kind, _, ok := channel.About(m); ok && kind == "mute" {
		return mute(m.Text)
	}
	about := m
	var parent *slackemu.Message
	if m.ThreadTS != "" && m.ThreadTS != m.TS {
		p, ok := t.slack.Message(m.Channel, m.ThreadTS)
		if !ok {
			return statement{}
		}
		about, parent = p, &p
	}
	s := statement{names: channel.Of(m, parent), counts: map[string]int{}, wave: place(m.Channel, about.TS)}
	if parent == nil {
		s.causes = channel.Causes(m)
	}
	kind, nodes, _ := channel.About(about)
	s.nodes = nodes
	switch {
	case kind != "joined" && kind != "removed":
		for _, n := range s.names {
			s.counts[n.Step]++
		}
	case parent == nil:
		s.counts[kind] = nodes
	}
	return s
}

// hushed are the numbers that the end of a mute tells.
var hushed = regexp.MustCompile(`(\d+) (joined|left)`)

// mute reads what is said of a mute: that it goes on, or what it kept quiet.
func mute(text string) statement {
	s := statement{counts: map[string]int{}, muted: strings.Contains(text, "muted until")}
	_, kept, _ := strings.Cut(text, "kept quiet: ")
	for _, m := range hushed.FindAllStringSubmatch(kept, -1) {
		n, _ := strconv.Atoi(m[1])
		s.counts["kept "+m[2]] += n
	}
	return s
}

// add adds what a message says, or takes it away. Callers hold mu.
func (t *tally) add(s statement, sign int) {
	for step, n := range s.counts {
		t.counts[step] += sign * n
	}
	if s.muted {
		t.mutes += sign
	}
	for _, n := range s.names {
		if t.names[n.Step] == nil {
			t.names[n.Step] = map[string]int{}
		}
		if t.names[n.Step][n.Node] += sign; t.names[n.Step][n.Node] == 0 {
			delete(t.names[n.Step], n.Node)
		}
	}
}

// told is what the channel says in all.
type told struct {
	Based           bool // whether the channel has a first start in it
	Baseline        int
	Joined, Removed int
	Alive           int
	Muted           bool // some alerts are: what is told is not all that there is
	KeptJoined      int  // by mutes that have ended
	KeptRemoved     int
	Twice           int // tellings of a joining or leaving beyond what the cluster knows of that name
	Messages, Edits int
}

// sum counts. lives tells how many nodes of a name there have been, nil if nobody knows.
func (t *tally) sum(lives map[string]int) told {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := told{Based: t.based, Baseline: t.baseline, Joined: t.counts["joined"], Removed: t.counts["removed"],
		Messages: t.messages, Edits: t.edits, Muted: t.mutes > 0, KeptJoined: t.counts["kept joined"],
		KeptRemoved: t.counts["kept left"]}
	s.Alive = s.Baseline + s.Joined + s.KeptJoined - s.Removed - s.KeptRemoved
	if !t.based {
		// Of a ledger that is older than the channel, nodes leave that the channel never had.
		for node, n := range t.names["removed"] {
			if t.names["joined"][node] == 0 {
				s.Alive += n
			}
		}
	}
	for _, step := range []string{"joined", "removed"} {
		for node, n := range t.names[step] {
			if have, ok := lives[node]; ok {
				s.Twice += max(0, n-have)
			}
		}
	}
	return s
}

// causes counts of how many nodes the channel says why they came or went, and for how many of them that is false by the
// truth of the simulated cluster. Less than the truth is not false. A wave that has not named all its nodes, and nodes
// that the cluster has forgotten, are not judged.
func (t *tally) causes(lives []clustersim.Life) (told, wrong int) {
	byName := map[string][]clustersim.Life{}
	for _, l := range lives {
		byName[l.Name] = append(byName[l.Name], l)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	named := map[string]map[string][]string{} // by wave, the steps of each node
	for _, s := range t.said {
		for _, x := range s.names {
			if named[s.wave] == nil {
				named[s.wave] = map[string][]string{}
			}
			named[s.wave][x.Node] = append(named[s.wave][x.Node], x.Step)
		}
	}
	for _, s := range t.said {
		for cause, n := range s.causes {
			told += n
			step := "removed"
			if message.IsComing(fleet.CauseKind(cause)) {
				step = "joined"
			}
			right := 0
			for node, steps := range named[s.wave] {
				lives, known := byName[node]
				if slices.Contains(steps, step) && (!known || slices.ContainsFunc(lives,
					func(l clustersim.Life) bool { return isTrue(fleet.CauseKind(cause), l) })) {
					right++
				}
			}
			if len(named[s.wave]) >= s.nodes {
				wrong += max(0, n-right)
			}
		}
	}
	return told, wrong
}

// isTrue reports whether a cause is that of a node, or says less than the truth.
func isTrue(cause fleet.CauseKind, l clustersim.Life) bool {
	switch cause {
	case fleet.Demand:
		return l.Came.Kind == clustersim.Demand || l.Came.Kind == clustersim.Evicted
	case fleet.Replacement:
		return l.Came.Kind == clustersim.Replacement
	case fleet.NotSaid: // somebody's doing, by Karpenter or the Cluster Autoscaler, whoever had it done
		return l.Went.Kind != "" && l.Went.Kind != clustersim.NodeDeleted && l.Went.Kind != clustersim.Terminated
	case fleet.OtherDisruption: // by the cloud, which does not say how
		return l.Went.Kind == clustersim.Interrupted
	case fleet.MachineGone:
		return l.Went.Kind == clustersim.Terminated || l.Went.By == clustersim.ClusterAutoscaler
	}
	return l.Went.Kind != "" && cause == map[clustersim.WentKind]fleet.CauseKind{
		clustersim.Empty: fleet.Empty, clustersim.Underutilized: fleet.Underutilized, clustersim.Drifted: fleet.Drifted,
		clustersim.Interrupted: fleet.SpotInterruption,
	}[l.Went.Kind]
}
