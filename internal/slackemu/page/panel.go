package page

import (
	"context"
	"time"
)

// Panel is a strip of controls and numbers beside the workspace, for whatever the Slack app tells about. The page only
// shows it and hands on what a person does; it knows nothing of what the controls mean.
type Panel struct {
	// State is read at every change and for every new reader. It must be safe for concurrent use.
	State func() PanelState
	// Changed subscribes to changes: the channel gets a value after each of them (several may share one), until stop is
	// called.
	Changed func() (changes <-chan struct{}, stop func())
	// Do carries out a control: value is the button's Value, "on" or "off" of a toggle, or the Value of a select's option.
	// Its error is shown to the person.
	Do func(ctx context.Context, control, value string) error
}

// PanelState is what the panel shows.
type PanelState struct {
	Title string `json:"title"`
	Clock string `json:"clock"` // such as "day 2, 09:14"
	Phase string `json:"phase"` // what is going on, in a few words

	Controls []Control `json:"controls"`
	Counters []Counter `json:"counters"`
	Lists    []List    `json:"lists"`
}

// Kinds of Control.
const (
	KindButton = "button"
	KindToggle = "toggle"
	KindSelect = "select"
)

// Control is something that a person can press, switch or choose.
type Control struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Kind  string `json:"kind"` // KindButton, KindToggle or KindSelect
	// Value is the current one: "on" or "off" of a toggle, the chosen option's of a select; what a button sends.
	Value    string   `json:"value"`
	Options  []Option `json:"options"`  // of a select
	Disabled string   `json:"disabled"` // why it cannot be used now, "" if it can
	Note     string   `json:"note"`     // what it is doing now, such as "37 s left"
	Help     string   `json:"help"`     // what it is for
	Group    string   `json:"group"`    // heading under which it stands; controls of one group follow one another
}

// Option is one choice of a select.
type Option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// Counter is a number, or a promise that is kept or not.
type Counter struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Value string `json:"value"`
	Note  string `json:"note"`
	Good  *bool  `json:"good"` // whether it is as it should be; nil where there is no such thing
}

// List is what was handed to somebody else, the newest first.
type List struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Note  string `json:"note"`  // what it is, in a sentence
	Empty string `json:"empty"` // what is said while there is nothing
	Rows  []Row  `json:"rows"`
}

// Row is one line of a List.
type Row struct {
	ID    string    `json:"id"`
	At    time.Time `json:"at"`
	Label string    `json:"label"`
	Text  string    `json:"text"`
}

// CommandHint tells the composer about one slash command.
type CommandHint struct {
	Command string   `json:"command"` // such as /nodes
	Hint    string   `json:"hint"`    // its arguments in short, as Slack shows them behind the command
	Words   []string `json:"words"`   // sub-words and flags that the Tab key completes
}
