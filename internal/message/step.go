package message

import "rollcall/internal/fleet"

// StepWords are the words for one step of a node's life.
type StepWords struct {
	Icon  string
	Did   string // what the node did, after its name: became ready
	Short string // the same in a list of steps: ready
}

// stepWords has the words for every kind of change.
var stepWords = map[fleet.ChangeKind]StepWords{
	fleet.Joined:      {"🟢", "joined", "joined"},
	fleet.BecameReady: {"🟢", "became ready", "ready"},
	fleet.WentUnready: {"❌", "went not ready", "not ready"},
	fleet.Recovered:   {"🟢", "recovered", "recovered"},
	fleet.Cordoned:    {"🚧", "was cordoned", "cordoned"},
	fleet.Uncordoned:  {"🚧", "was uncordoned", "uncordoned"},
	fleet.Removed:     {"⬜", "left", "left"},
}

// Step returns the words for a kind of change. Every one of fleet.ChangeKinds has some.
func Step(kind fleet.ChangeKind) StepWords { return stepWords[kind] }
