package wave

import (
	"strings"
	"time"
)

// Place is where something is told, and whom it rings there. Places can be compared.
type Place struct {
	Channel string // channel ID
	// Mentions are the users (U…, W…), user groups (S…) and @here that are rung when it is posted, parted by blanks. They
	// come from ROUTES alone.
	Mentions string
}

// And is a place that rings those of another place too.
func (p Place) And(mentions string) Place {
	all := strings.Fields(p.Mentions)
	for m := range strings.FieldsSeq(mentions) {
		if !strings.Contains(" "+strings.Join(all, " ")+" ", " "+m+" ") {
			all = append(all, m)
		}
	}
	p.Mentions = strings.Join(all, " ")
	return p
}

// Look is that somebody said to look at what a wave tells.
type Look struct {
	By   string // Slack user ID
	Name string // untrusted
	At   time.Time
}
