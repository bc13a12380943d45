// Package fleet holds Rollcall's words as Go types: nodes, the changes in their lives, the
// events that explain them, and the gaps in which nobody watched.
//
// The types are values. They carry no connection, no clock and no client-go, Slack or SQL
// type, so that every other package can speak of the same thing. Package fleet imports only
// the standard library and never does I/O.
package fleet

import (
	"slices"
	"strings"
	"time"
)

// ReadyStatus is the status of a node's Ready condition.
type ReadyStatus string

// The states of the Ready condition. Kubernetes reports "Unknown" when the node's kubelet
// stopped posting; a node that never had the condition is Unknown too.
const (
	Ready        ReadyStatus = "True"
	NotReady     ReadyStatus = "False"
	ReadyUnknown ReadyStatus = "Unknown"
)

// Unknown is shown for a property that neither labels nor object tell.
const Unknown = "unknown"

// Condition is a node's Ready condition without its heartbeat.
type Condition struct {
	Status  ReadyStatus
	Reason  string // e.g. KubeletReady, NodeStatusUnknown
	Message string // free text from the cluster: untrusted
	// Since is since when it has this status. In a look it is lastTransitionTime, whole seconds, which is a claim of the
	// node's clock; in an Observation, what Diff accepts of it. Zero if it is not known.
	Since time.Time
}

// Taint is a node's taint.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Resources is what a node offers.
type Resources struct {
	MilliCPU int64 `json:"cpu_m"`    // thousandths of a core
	Memory   int64 `json:"memory_b"` // bytes
	Pods     int64 `json:"pods"`
	GPUs     int64 `json:"gpus,omitempty"` // of NVIDIA and AMD, once their driver has said so
}

// Node is what Rollcall keeps of one Node object: one life, identified by (Cluster, UID).
// A name that comes back is a new node. Every string comes from the cluster and is untrusted.
type Node struct {
	Cluster string
	UID     string
	Name    string

	Provider     string // aws, gcp, azure, or "" when unknown
	InstanceType string // "" when unknown, as are the next five; Fargate or VirtualNode of a node that is no machine
	CapacityType string // "spot", "on-demand", "reserved" or ""
	Zone         string
	Region       string
	Pool         string // node pool, node group or autoscaling group
	Arch         string
	OS           string
	Terms        Terms

	Labels map[string]string
	Detail

	Cordoned  bool
	Ready     Condition
	CreatedAt time.Time // creationTimestamp, whole seconds
}

// Detail is the part of a node that no question filters by. The ledger keeps it as one JSON
// value, so a new property of a node is a field here, a line in [Fingerprint] and one in the
// conversion of package k8s.
type Detail struct {
	ProviderID     string    `json:"provider_id,omitempty"`
	KubeletVersion string    `json:"kubelet,omitempty"`
	Taints         []Taint   `json:"taints,omitempty"`
	Capacity       Resources `json:"capacity"`
	Allocatable    Resources `json:"allocatable"`
	// Owner is the object that owns the node, from its ownerReferences or, where those name none, an annotation: a
	// NodeClaim of Karpenter, a Machine of Cluster API or OpenShift. Zero if there is none.
	Owner ObjectRef `json:"owner,omitzero"`
	// DeletedAt is the object's deletionTimestamp: somebody asked the API server to delete it. Zero if nobody has.
	DeletedAt time.Time `json:"deleted_at,omitzero"`
	// Problems are the other conditions that say that something is wrong with the node, by type. Only those that a repair
	// looks at are kept, which node monitoring agents write; the kubelet's own are not.
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is a condition that says that something is wrong with a node.
type Problem struct {
	Type string `json:"type"`
	// Since is when it began to say so, as the node said when the problem was first seen.
	Since time.Time `json:"since,omitzero"`
}

// ChangeKind is one step of a node's life.
type ChangeKind string

// The steps, in the order in which a life can have them. A node that was never ready has no
// NotReady step: it has only not become ready yet.
const (
	Joined      ChangeKind = "joined"
	BecameReady ChangeKind = "ready"
	WentUnready ChangeKind = "not_ready"
	Recovered   ChangeKind = "recovered"
	Cordoned    ChangeKind = "cordoned"
	Uncordoned  ChangeKind = "uncordoned"
	Removed     ChangeKind = "removed"
)

// ChangeKinds are all kinds of changes, in the order in which a life has them.
var ChangeKinds = []ChangeKind{Joined, BecameReady, WentUnready, Recovered, Cordoned, Uncordoned, Removed}

// Told reports whether Rollcall tells changes of this kind in the channel. Cordons are kept
// in the ledger, where commands and digests find them, but ring nobody.
func (k ChangeKind) Told() bool { return k != Cordoned && k != Uncordoned }

// Proof says how the time of a change is known.
type Proof string

// The ways in which a time is known, from the strongest to none.
const (
	ProofWatch  Proof = "watch"  // seen happen: the time of the observation
	ProofObject Proof = "object" // a timestamp of the Node object that agrees with what was seen
	ProofEvent  Proof = "event"  // an event that Kubernetes recorded
	ProofNone   Proof = "none"   // only that it happened between NotBefore and At
)

// Change is one step of one node's life. (Cluster, NodeUID, Kind, Occurrence) identifies it:
// recording it again records nothing.
type Change struct {
	ID         int64 // ledger's number, ascending in the order of recording; 0 before that
	Cluster    string
	NodeUID    string
	NodeName   string
	Kind       ChangeKind
	Occurrence int       // 1 for the first of its kind in this life
	At         time.Time // when it happened, as well as Proof allows
	NotBefore  time.Time // with ProofNone: the earliest moment possible; else zero
	Proof      Proof
	Reason     string // the condition's reason, where there is one; untrusted
	GapID      int64  // the gap in which it happened, 0 if it was watched
}

// Known is what the watcher remembers of a live node between two looks: enough to see a
// change, and nothing else, because this is what memory costs per node.
type Known struct {
	Fingerprint uint64      // of everything the ledger keeps; see Fingerprint
	ReadySince  int64       // Unix seconds since when it is in this status, as accepted; 0: not known
	ReadyClaim  int64       // Unix seconds of the last transition as the object has it; 0: it has none
	Status      ReadyStatus // of the Ready condition
	SinceMoves  bool        // the time of the last transition moves although the status does not: it proves nothing
	EverReady   bool
	Cordoned    bool
	Unready     uint16 // how often it went not ready
	Cordons     uint16 // how often it was cordoned
	Returns     uint16 // how often it came back after its end was recorded
}

// Observation is one look at a node that has something to record: the node as it is, what to
// remember of it, and the changes since the last look. A removed node's observation carries
// the node as it was last seen.
type Observation struct {
	Node    Node
	Known   Known
	Changes []Change
}

// Latest returns the last of one or more moments.
func Latest(moments ...time.Time) time.Time { return slices.MaxFunc(moments, time.Time.Compare) }

// Gap is a span in which the cluster was not watched.
type Gap struct {
	ID      int64
	Cluster string
	From    time.Time
	Until   time.Time
	Cause   string // "restart", "watch expired", "watch silent", "cluster restored", "unreachable": for people
	// Missed is false when the watch resumed where it had stopped, so that no change was
	// lost, and true when only the difference between before and after is known.
	Missed bool
	// EventsFrom is the oldest moment of the gap that events still cover; zero when
	// events could not be read.
	EventsFrom time.Time
	// Confirmed is when a second list confirmed that all or nearly all nodes are gone; zero if there was
	// no need for one.
	Confirmed time.Time
}

// Batch is what the node watcher asks the ledger to record in one transaction.
type Batch struct {
	Cluster         string
	Observations    []Observation
	Gap             *Gap   // set when the batch closes a span without a watch
	ResourceVersion string // the watch may resume here once the batch is recorded; "" leaves it
	At              time.Time
}

// Checkpoint is where the watches of a cluster stand.
type Checkpoint struct {
	BaselineAt    time.Time // when the first list was complete; zero before that
	WatchedUntil  time.Time // the last moment at which the node watch was known to be alive
	NodesVersion  string    // resource version up to which nodes are recorded
	EventsVersion string    // resource version up to which events are recorded
	Identity      string    // UID of the cluster's namespace kube-system; "" while it is not known
}

// ObjectRef names the object that an event regards.
type ObjectRef struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// Event is a record from events.k8s.io/v1. A repeated event keeps its UID: Count and Last grow.
type Event struct {
	Cluster    string
	UID        string
	Regarding  ObjectRef
	Reason     string
	Type       string // Normal or Warning
	Note       string // free text: untrusted
	Controller string
	Count      int
	First      time.Time
	Last       time.Time
}

// Size is the event's approximate size in the ledger, in bytes; retention is bounded by it.
func (e Event) Size() int {
	return 160 + len(e.UID) + len(e.Regarding.Kind) + len(e.Regarding.Namespace) + len(e.Regarding.Name) +
		len(e.Regarding.UID) + len(e.Reason) + len(e.Note) + len(e.Controller)
}

// scaling lists, per kind of the regarding object, the reasons that tell the autoscaling story: what proves why a node
// came, stayed or went, and what takes such a statement back. A reason ending in * matches every reason with that
// prefix.
var scaling = table(`
	Node
		NodeReady NodeNotReady RegisteredNode RemovingNode NodeSchedulable NodeNotSchedulable Rebooted
		DeletingNode DeletingNodeFailed Shutdown
	Node, of Karpenter
		DisruptionTerminating DisruptionBlocked Unconsolidatable
		ConsolidationCandidate ConsolidationRejected ConsolidationApproved
		FailedDraining AwaitingVolumeDetachment TerminationGracePeriodExpiring Finalized
		NodeRepairBlocked RebootObserved RebootFailed
	Node, of Karpenter's providers
		SpotInterrupted SpotRebalanceRecommendation CapacityReservationInstanceInterrupted InstanceUnhealthy
		InstanceStopping InstanceTerminating TerminatingOnInterruption PreemptionNoticeReceived
	Node, of the Cluster Autoscaler
		ScaleDown ScaleDownEmpty ScaleDownFailed ClusterAutoscalerCleanup
	Node, of the Node Termination Handler
		SpotInterruption RebalanceRecommendation ScheduledEvent SQSTermination UnknownInterruption
		Cordon CordonAndDrain CordonAndDrainError PreDrain Uncordon
	Pod
		Created Started Killing FailedScheduling Scheduled Preempted
		Nominated Evicted Disrupted InsufficientCapacityError
		TriggeredScaleUp NotTriggerScaleUp ScaleDown
	HorizontalPodAutoscaler
		SuccessfulRescale FailedRescale
	Deployment
		ScalingReplicaSet
	ReplicaSet
		SuccessfulCreate SuccessfulDelete
	ReplicationController
		SuccessfulCreate SuccessfulDelete
	StatefulSet
		SuccessfulCreate SuccessfulDelete
	DaemonSet
		SuccessfulCreate
	Job
		SuccessfulCreate SuccessfulDelete
	CronJob
		SuccessfulCreate
	NodeClaim
		*
	NodePool
		*
	ConfigMap, of the Cluster Autoscaler
		ScaledUpGroup FailedToScaleUpGroup ScaleUp* FailedToRevertScaleUp MaxNodesTotalReached
		DeleteUnregistered DeleteUnregisteredFailed ClusterUnhealthy
		GracefulDegradationStarted GracefulDegradationStopped ScaleDown*
	CapacityBuffer
		TriggeredScaleUp NotTriggerScaleUp
	Machine, of OpenShift
		Create Delete FailedCreate DrainProceeds DrainRequeued DrainSucceeded Deleted
		DetectedUnhealthy MachineDeleted MachineDeletionFailed
	Machine, of Cluster API
		SuccessfulSetNodeRef SuccessfulDrainNode FailedDrainNode MachineMarkedUnhealthy
	MachineSet
		SuccessfulCreate FailedCreate SuccessfulDelete FailedDelete
	MachineDeployment
		SuccessfulScale FailedScale SuccessfulCreate
	MachineHealthCheck
		RemediationRestricted
`)

// table reads lines of a kind, with a remark behind a comma, and below each, indented by one tab more, its reasons.
func table(text string) map[string][]string {
	reasons := map[string][]string{}
	var kind string
	for line := range strings.Lines(text) {
		if list, ok := strings.CutPrefix(line, "\t\t"); ok {
			reasons[kind] = append(reasons[kind], strings.Fields(list)...)
		} else {
			kind, _, _ = strings.Cut(strings.TrimSpace(line), ",")
		}
	}
	return reasons
}

// unscoped are those of the kinds in scaling whose objects are in no namespace.
var unscoped = []string{"Node", "NodeClaim", "NodePool"}

// clusterAutoscaler is the name under which the Cluster Autoscaler writes events, and begins that of its ConfigMap.
const clusterAutoscaler = "cluster-autoscaler"

// Scaling reports whether the event belongs to the autoscaling story and is kept long. An event in somebody's namespace
// that says it regards a node is none: whoever may write there may write it. The Cluster Autoscaler's ConfigMap may
// have any name and be in any namespace, so an event that regards it is only as good as whoever may write there: of a
// node it proves what that node says too.
func (e Event) Scaling() bool {
	if e.Regarding.Namespace != "" && slices.Contains(unscoped, e.Regarding.Kind) {
		return false
	}
	if e.Regarding.Kind == "ConfigMap" && e.Regarding.Name != clusterAutoscaler+"-status" &&
		e.Controller != clusterAutoscaler {
		return false
	}
	for _, want := range scaling[e.Regarding.Kind] {
		prefix, wild := strings.CutSuffix(want, "*")
		if want == e.Reason || wild && strings.HasPrefix(e.Reason, prefix) {
			return true
		}
	}
	return false
}
