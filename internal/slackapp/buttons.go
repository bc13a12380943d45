package slackapp

import (
	"strconv"

	"rollcall/internal/fleet"
)

// The buttons under the messages of waves. They are no part of alert.Message, and so not of its
// Hash: a message posted by an older Rollcall gets them with its next edit, and is not edited for
// their sake.

// mainButtons are those of a wave's main message.
func mainButtons(w fleet.Wave) []button {
	switch w.Kind {
	case fleet.WaveMute:
		if w.Mute == nil || !w.ClosedAt.IsZero() {
			return nil
		}
		return []button{{Label: "Undo", Verb: verbUnmute, Value: strconv.FormatInt(w.Mute.ID, 10)}}
	}
	return nil
}

// stuckButtons are those of the thread reply that calls out nodes: what happened to them is what
// a person wants to see next.
func stuckButtons(w fleet.Wave) []button {
	return nil
}
