package wave

import "time"

// Standing is what there is to know of anything that is so for a time: it is told once, its message is edited as it
// changes, and when it is over.
type Standing struct {
	// Key says what it is, among those of its kind: of each there is one message as long as it is so.
	Key   string    `json:"key"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // when it was over; zero while it is so
}

// Over is the same as of a moment at which it was over.
func (a About) Over(at time.Time) About {
	s := *a.Standing
	s.Until = at
	a.Standing = &s
	return a
}
