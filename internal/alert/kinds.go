package alert

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// kind is all that there is to know of one kind of wave. A new kind is a constant in package wave,
// an entry in kinds and, if it is about more than its nodes, a field of [wave.About]; its name
// is the metadata's and the metrics'.
type kind struct {
	// say sets the icon and the headline, and adds the lines that are particular to the kind.
	say func(*rendering)
	// cost says at the end of the headline what the nodes that came and left cost by the hour; nil: it
	// is not said. Unpriced is 0 in both.
	cost func(came, left fleet.Cost) string
	// one is the notification about a single node, after its name; nil: the headline is.
	one func(m wave.Member, cfg Config) string
	// short is the notification; nil: the headline, with the types of its nodes or about the only one.
	short func(r *rendering) string
	// buttons are those under the message; nil: the usual ones.
	buttons func(wave.Wave) []message.Button

	// severity is how bad it is: Warning, or "" for Info. What is loud besides has a button for whoever looks at it.
	severity string
	loud     bool
	// attributes are what matchers of ROUTES may know of what it is about, beside its kind; nil: nothing.
	attributes func(wave.About) map[string]string

	// What becomes of the wave.

	// ends is when the wave is closed, zero while nobody knows; nil: when no like change has come for a while.
	ends func(wave.Wave) time.Time
	// calm is how far edits are apart at least, of a message that has an end; 0: a second.
	calm time.Duration
	// mixed is set where the nodes took different steps: lists name the steps, too.
	mixed bool
	// once is set where the message is never edited.
	once bool
	// apart is set where the wave never becomes part of a catch-up.
	apart bool
}

// kinds has an entry for every kind. A test fails for a kind that has none.
var kinds = map[wave.Kind]kind{
	wave.KindBaseline: {
		say:     sayBaseline,
		buttons: func(wave.Wave) []message.Button { return []message.Button{nodesButton("/nodes")} },
		once:    true, apart: true,
	},
	wave.KindJoined: {say: sayJoined, cost: costMore, one: oneJoined},
	wave.KindReady: {
		say: sayPlainly("🟢", "became ready"),
		one: func(m wave.Member, cfg Config) string { return " became ready" + machineWords(m.Node, cfg) },
	},
	wave.KindNotReady: {say: sayNotReady, one: storyWords, severity: Warning, loud: true},
	wave.KindRecovered: {
		say: sayPlainly("🟢", "recovered"),
		one: func(wave.Member, Config) string { return " recovered" },
	},
	wave.KindRemoved: {
		say:  sayPlainly("⬜", "left"),
		cost: costLess,
		one: func(m wave.Member, cfg Config) string {
			return " left" + machineWords(m.Node, cfg) + storyWords(m, cfg)
		},
	},
	wave.KindAway:    {say: saySummary, cost: costDifference, short: (*rendering).headline, mixed: true},
	wave.KindCatchUp: {say: saySummary, cost: costDifference, short: (*rendering).headline, mixed: true},
	wave.KindSurge: {
		say: saySurge, severity: Warning, loud: true,
		buttons: func(w wave.Wave) []message.Button {
			return []message.Button{nodesButton("/nodes list --newer 1h"), muteButton(w)}
		},
	},
	wave.KindCreep: {
		say: sayCreep,
		buttons: func(w wave.Wave) []message.Button {
			return []message.Button{nodesButton("/nodes list" + newer(w.About.Growth)), muteButton(w)}
		},
	},
	wave.KindBlind: {
		say: sayBlind, severity: Warning,
		short:   (*rendering).headline,
		buttons: func(wave.Wave) []message.Button { return nil },
		ends: func(w wave.Wave) time.Time {
			if w.About.Blind == nil { // only another version can have written it
				return w.OpenedAt
			}
			return w.About.Blind.Until
		},
		apart: true,
	},
	wave.KindWaiting: {
		say: sayWaiting, severity: Warning, loud: true, attributes: waitingAttributes,
		short: (*rendering).headline,
		buttons: func(w wave.Wave) []message.Button {
			return []message.Button{{Label: "Waiting", Verb: message.Open, Value: "/nodes waiting"}, muteButton(w)}
		},
		ends:  endsAfter(waitQuiet),
		calm:  calmEdits,
		apart: true,
	},
	wave.KindKept: {
		say:     sayKept,
		short:   (*rendering).headline,
		buttons: keptButtons,
		ends:    endsAfter(keptPause),
		calm:    keptCalm,
		apart:   true,
	},
	wave.KindLoop: {
		say: sayLoop, attributes: loopAttributes,
		short: (*rendering).headline,
		buttons: func(w wave.Wave) []message.Button {
			return []message.Button{nodesButton("/nodes list --removed --since 6h"), muteButton(w)}
		},
		ends:  endsAfter(loopPause),
		calm:  loopCalm,
		apart: true,
	},
	wave.KindRollout: {
		say: sayRollout, attributes: rolloutAttributes,
		short:   (*rendering).headline,
		buttons: rolloutButtons,
		ends:    endsAfter(rolloutQuiet),
		calm:    rolloutCalm,
		apart:   true,
	},
	wave.KindMute: {
		say:     sayMute,
		short:   muteInShort,
		buttons: undoOrNodes,
		ends:    func(w wave.Wave) time.Time { return muteOf(w).End() },
		apart:   true,
	},
	wave.KindBudget: {
		say: sayBudget, severity: Warning,
		attributes: func(a wave.About) map[string]string {
			if a.Budget == nil {
				return nil
			}
			return map[string]string{KeyPool: a.Budget.Pool}
		},
		short:   (*rendering).headline,
		buttons: budgetButtons,
		ends:    budgetEnds,
		calm:    calmEdits,
		apart:   true,
	},
}

// Kinds returns the kinds of waves, by name.
func Kinds() []wave.Kind { return slices.Sorted(maps.Keys(kinds)) }

// kindOf is a kind's entry. One that has none, which only another version can have written, is
// told with its name.
func kindOf(k wave.Kind) kind {
	if entry, ok := kinds[k]; ok {
		return entry
	}
	return kind{say: sayPlainly("📋", "changed ("+string(k)+")")}
}

// ToldOnce reports whether a message of this kind is never edited, so that what it counts is of
// the moment in which it was posted.
func ToldOnce(k wave.Kind) bool { return kindOf(k).once }

// Buttons are the buttons under a wave's main message. They are no part of its hash: a message
// that an older Rollcall has posted gets them with its next edit, and is not edited for their
// sake.
func Buttons(w wave.Wave) []message.Button {
	return append(lookButton(w, isLoud(w)), ownButtons(w)...)
}

// ownButtons are those of the wave's kind.
func ownButtons(w wave.Wave) []message.Button {
	if f := kindOf(w.Kind).buttons; f != nil {
		return f(w)
	}
	buttons := []message.Button{{Label: "Nodes", Verb: message.WaveNodes, Value: w.Key}, eventsButton(w), muteButton(w)}
	if len(causeCounts(w.Members)) > 0 {
		buttons = append([]message.Button{{Label: "Why", Verb: message.WaveCauses, Value: w.Key}}, buttons...)
	}
	return buttons
}

func nodesButton(line string) message.Button {
	return message.Button{Label: "Nodes", Verb: message.Open, Value: line}
}

func eventsButton(w wave.Wave) message.Button {
	return message.Button{Label: "Events", Verb: message.WaveEvents, Value: w.Key}
}

func muteButton(w wave.Wave) message.Button {
	return message.Button{Label: "Mute…", Verb: message.Mute, Value: w.Key}
}

// undoOrNodes are the buttons of a mute: while it lasts, and once it has kept something quiet.
func undoOrNodes(w wave.Wave) []message.Button {
	switch {
	case w.Mute == nil || !w.ClosedAt.IsZero() && w.Muted.Nodes == 0:
		return nil
	case !w.ClosedAt.IsZero():
		return []message.Button{nodesButton("/nodes")}
	}
	return []message.Button{{Label: "Undo", Verb: message.Unmute, Value: strconv.FormatInt(w.Mute.ID, 10)}}
}

// newer is the filter for the nodes that came while the cluster crept.
func newer(g *wave.Growth) string {
	days := time.Duration(1)
	if g != nil {
		days = max(days, (g.Over+day-1)/day)
	}
	return fmt.Sprintf(" --newer %dd", days)
}
