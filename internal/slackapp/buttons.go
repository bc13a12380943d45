package slackapp

import (
	"fmt"
	"rollcall/internal/wave"
	"strconv"
	"time"
)

// The buttons under the messages of waves. They are no part of alert.Message, and so not of its
// Hash: a message posted by an older Rollcall gets them with its next edit, and is not edited for
// their sake.

// mainButtons are those of a wave's main message.
func mainButtons(w wave.Wave) []button {
	mute := button{Label: "Mute…", Verb: verbMute, Value: w.Key}
	switch w.Kind {
	case wave.KindBaseline:
		return []button{{Label: "Nodes", Verb: verbOpen, Value: "/nodes"}}
	case wave.KindSurge:
		return []button{{Label: "Nodes", Verb: verbOpen, Value: "/nodes list --newer 1h"}, mute}
	case wave.KindCreep:
		return []button{{Label: "Nodes", Verb: verbOpen, Value: "/nodes list" + newer(w.About.Growth)}, mute}
	case wave.KindMute:
		if w.Mute == nil || !w.ClosedAt.IsZero() {
			return nil
		}
		return []button{{Label: "Undo", Verb: verbUnmute, Value: strconv.FormatInt(w.Mute.ID, 10)}}
	}
	return []button{{Label: "Nodes", Verb: verbWaveNodes, Value: w.Key}, {Label: "Events", Verb: verbWaveEvents, Value: w.Key}, mute}
}

// newer is the filter for the nodes that came while the cluster crept.
func newer(g *wave.Growth) string {
	const day = 24 * time.Hour
	days := time.Duration(1)
	if g != nil {
		days = max(days, (g.Over+day-1)/day)
	}
	return fmt.Sprintf(" --newer %dd", days)
}

// stuckButtons are those of the thread reply that calls out nodes: what happened to them is what
// a person wants to see next.
func stuckButtons(w wave.Wave) []button {
	return []button{{Label: "Events", Verb: verbWaveEvents, Value: w.Key}}
}
