package fleet

import "time"

// CauseKind says why a node came or went. Its values are also the causes in the metadata of messages, which other
// automations may read.
type CauseKind string

// Why nodes come.
const (
	Demand      CauseKind = "demand"      // pods that no node could take
	Replacement CauseKind = "replacement" // it takes the place of nodes that are to go
	Headroom    CauseKind = "headroom"    // a capacity buffer or placeholder pods asked for room that nobody uses yet
)

// Why nodes go.
const (
	SpotInterruption CauseKind = "spot interruption"          // the cloud took the spot machine back
	ReservationEnded CauseKind = "reserved capacity taken"    // the cloud took reserved capacity back
	UnhealthyMachine CauseKind = "unhealthy machine"          // the cloud says that the machine is not well
	ScheduledEvent   CauseKind = "scheduled event"            // the cloud's maintenance
	EndedOutside     CauseKind = "machine ended outside"      // stopped or terminated, and not by the autoscaler
	Empty            CauseKind = "empty"                      // the autoscaler found nothing on it
	Underutilized    CauseKind = "underutilized"              // the autoscaler found too little on it
	Drifted          CauseKind = "drift"                      // it was no longer as its pool wants it
	Expired          CauseKind = "expiry"                     // its pool lets nodes live no longer
	Repair           CauseKind = "repair"                     // it was unhealthy for longer than a policy allows
	OtherDisruption  CauseKind = "disruption"                 // for a reason that the autoscaler gives: see Cause.Why
	NotSaid          CauseKind = "reason not said"            // the autoscaler ended it, and says no more
	MachineGone      CauseKind = "machine gone"               // it was gone from the cloud before anything said why
	ShutDown         CauseKind = "operating system shut down" // in order, whoever asked for it
)

// CauseKinds are all kinds of causes: those of coming, then those of going.
var CauseKinds = []CauseKind{Demand, Replacement, Headroom, SpotInterruption, ReservationEnded, UnhealthyMachine,
	ScheduledEvent, EndedOutside, Empty, Underutilized, Drifted, Expired, Repair, OtherDisruption, NotSaid, MachineGone,
	ShutDown}

// ForRollout is [Cause.Why] of what a workload asked for because its new version was rolled out.
const ForRollout = "its rollout"

// Workload is an object that asks for pods: a Deployment, a StatefulSet, a Job, a CronJob, a bare ReplicaSet or a Pod.
type Workload struct {
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

// Cause is why a node came or went, as far as something proves it. The zero value says that nothing does. Nodes with
// equal causes are told together.
type Cause struct {
	Kind CauseKind `json:"kind,omitempty"`
	By   string    `json:"by,omitempty"` // who acted: "Karpenter", "Cluster Autoscaler"; "" if nobody is known
	// Why is more of the reason, in the words of whoever gave it: which drift, what scaled the workload ("from 14 to 52,
	// cpu above target"), a reason that Rollcall does not know. It is untrusted text, clipped.
	Why string   `json:"why,omitempty"`
	For Workload `json:"for"` // who asked for the node; of a node that came
}

// IsZero reports whether nothing explains the change.
func (c Cause) IsZero() bool { return c == Cause{} }

// disruptions are Karpenter's words for why it ends nodes.
var disruptions = map[CauseKind]string{Empty: "empty", Underutilized: "underutilized", Drifted: "drifted",
	Expired: "expired", Repair: "unhealthy"}

// Disruption is the word by which Karpenter calls why it ends nodes, the same for those that it launches in their
// place: "drifted". It is "" for what is not Karpenter's doing, or of which it does not say why.
func (c Cause) Disruption() string {
	switch {
	case c.By != "Karpenter":
		return ""
	case c.Kind == Replacement || c.Kind == OtherDisruption:
		return c.Why
	}
	return disruptions[c.Kind]
}

// Explanation is the cause of one node's change and what proves it.
type Explanation struct {
	Cause
	// Strength orders explanations of one change: a later one takes an earlier one's place only if it is stronger.
	Strength int
	// Pods is how many pods waited for the node, at least.
	Pods int
	// Nodes are the names of the nodes that it replaces, or that replace it.
	Nodes []string
	// Since is when the first statement was made that it is to go: how long it was drained.
	Since time.Time
	// SavingUSD is what the autoscaler says that its going saves by the hour, by its own prices; 0: it does not say.
	SavingUSD float64
	// Chain are the events that prove it, in the order in which one led to the other.
	Chain []Link
}

// Claim is a NodeClaim of Karpenter as far as it explains, where Rollcall may read them. It outlives its object.
type Claim struct {
	Cluster string
	UID     string
	Name    string
	Pool    string // its NodePool
	Node    string // the name of its node; "" before it has one
	// CreatedAt and DeletedAt are the object's timestamps; DeletedAt is zero while nobody asked for its deletion.
	CreatedAt, DeletedAt time.Time
	ExpireAfter          time.Duration // 0: never
	Drift                string        // the reason of its condition Drifted: AMIDrift, …; "" if it has not
	Disruption           string        // the reason of its condition DisruptionReason; "" if there is none
	ForcedBy             time.Time     // its nodeclaim-termination-timestamp; zero if it has none
}

// Pool is a NodePool of Karpenter: what it may grow to, and what it uses.
type Pool struct {
	Cluster, Name string
	Limits, Used  map[string]string // quantities as Kubernetes writes them, by resource; nil: unlimited
}

// Link is one piece of evidence, as people are shown it.
type Link struct {
	At     time.Time `json:"at"`
	On     ObjectRef `json:"on"`
	Reason string    `json:"reason"`          // the event's; or what the object itself proves: "taint", "ownerReference"
	Note   string    `json:"note,omitempty"`  // untrusted
	Count  int       `json:"count,omitempty"` // of the event
}
