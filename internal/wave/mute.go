package wave

import (
	"strings"
	"time"

	"rollcall/internal/fleet"
)

// MuteScope says which nodes a mute is about.
type MuteScope string

// The scopes of mutes, from all nodes of a cluster to those of one instance type.
const (
	MuteCluster MuteScope = "cluster"
	MutePool    MuteScope = "pool"
	MuteType    MuteScope = "type"
	// MuteDeployment is the rollouts of one Deployment, and no node.
	MuteDeployment MuteScope = "deployment"
)

// Mute hides the alerts of some nodes for a while. It never hides history: the ledger keeps
// the changes and says which mute kept them quiet.
type Mute struct {
	ID          int64  // ledger's number; 0 before that
	Request     string // identifies the click that asked for it: asking again makes no second mute
	Cluster     string
	Scope       MuteScope
	Value       string // the pool, instance type or namespace/name, "" for a whole cluster; untrusted
	By          string // Slack user ID
	ByName      string
	Channel     string // the channel that it is about; one that is none of ROUTES, or "", means all
	At          time.Time
	Until       time.Time
	EndedAt     time.Time // when somebody ended it early; else zero
	EndedBy     string    // Slack user ID
	EndedByName string
	ToldEnd     bool // its end was told
}

// Matches reports whether the mute is about the node, at whatever time. Pool and type must be
// the node's: a mute hides what it names and nothing like it.
func (m Mute) Matches(n fleet.Node) bool {
	if n.Cluster != m.Cluster {
		return false
	}
	switch m.Scope {
	case MuteCluster:
		return true
	case MutePool:
		return n.Pool == m.Value
	case MuteType:
		return strings.EqualFold(n.InstanceType, m.Value) // sources differ in case
	}
	return false
}

// HidesRollout reports whether the mute is about the rollouts of a Deployment, at whatever time.
func (m Mute) HidesRollout(of fleet.ObjectRef) bool {
	return m.Scope == MuteCluster || m.Scope == MuteDeployment && m.Value == of.Namespace+"/"+of.Name
}

// Subject names what the mute hides: pool batch, m5.large, all of prod.
func (m Mute) Subject() string {
	switch m.Scope {
	case MutePool:
		return "pool " + m.Value
	case MuteType:
		return m.Value
	case MuteDeployment:
		return "rollouts of " + m.Value
	}
	return "all of " + m.Cluster
}

// Active reports whether the mute hides what happens now: it has begun, and neither run out
// nor been ended.
func (m Mute) Active(now time.Time) bool {
	return !now.Before(m.At) && now.Before(m.End())
}

// End is when the mute ends, or ended.
func (m Mute) End() time.Time {
	if !m.EndedAt.IsZero() && m.EndedAt.Before(m.Until) {
		return m.EndedAt
	}
	return m.Until
}

// Muted sums up what a mute kept quiet.
type Muted struct {
	Changes map[fleet.ChangeKind]int
	Nodes   int
}

// MutedCount is how many changes of a kind one mute kept quiet.
type MutedCount struct {
	Mute    int64
	Kind    fleet.ChangeKind
	Changes int
}
