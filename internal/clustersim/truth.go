package clustersim

// Came is why a node truly came. The zero value is that of a node which was there from the start.
type Came struct {
	Kind     CameKind
	Workload string // whose pods had no room, as NAMESPACE/NAME; "" for a replacement
	Replaces string // the name of the node that a replacement was launched for; else ""
	Turn     int    // of a replacement loop, from 1; 0 if it is of none
}

// CameKind is a kind of reason for which nodes come.
type CameKind string

// Why nodes come.
const (
	Demand      CameKind = "demand"      // pods that somebody asked for had no room
	Evicted     CameKind = "evicted"     // the same, of pods that took the place of evicted ones: nobody asked for more
	Replacement CameKind = "replacement" // Karpenter launched it before it ended another
)

// Went is why a node truly went. The zero value is that of a node which is there.
type Went struct {
	Kind WentKind
	By   string // who decided it: Karpenter, ClusterAutoscaler, EC2, or Person
}

// WentKind is a kind of reason for which nodes go.
type WentKind string

// Why nodes go.
const (
	Empty         WentKind = "empty"         // nothing ran on it
	Underutilized WentKind = "underutilized" // what ran on it had room elsewhere
	Drifted       WentKind = "drifted"       // it was no longer as its NodePool wants it
	Interrupted   WentKind = "interrupted"   // EC2 took its spot instance back
	NeverReady    WentKind = "never ready"   // Karpenter repaired it, which no event tells
	ClaimDeleted  WentKind = "claim deleted" // kubectl delete nodeclaim: Karpenter drained it, and says no more
	NodeDeleted   WentKind = "node deleted"  // its object was deleted, and nothing says so
	Terminated    WentKind = "terminated"    // its instance was terminated outside the cluster
)

// Who decides that nodes go.
const (
	Karpenter         = "Karpenter"
	ClusterAutoscaler = "Cluster Autoscaler"
	EC2               = "EC2"
	Person            = "a person"
)
