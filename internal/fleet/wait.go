package fleet

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Wait is a pod that found no room on any node, and what was said of it since.
type Wait struct {
	Pod         ObjectRef
	First, Last time.Time // of all words that it waits
	Note        string    // the scheduler's last word: untrusted
	// Refusal is the last reason an autoscaler gave for not making a node for it, the zero value if none has, said first
	// and last in a row at these moments.
	Refusal                   Refusal
	RefusedFirst, RefusedLast time.Time
	// Coming is what an autoscaler last said that it makes a node by: a node group or a NodeClaim; zero if none has.
	Coming   ObjectRef
	ComingAt time.Time
	Told     string // the key of what people were told of it last; "" if of nothing
}

// Refused reports whether the last word of an autoscaler was that it makes no node for the pod.
func (w Wait) Refused() bool { return w.Refusal.Kind != "" && w.RefusedLast.After(w.ComingAt) }

// Hear returns the wait after what an event says of it, which is that it goes on.
func (w Wait) Hear(e Event, word WaitWord) Wait {
	latest := !e.Last.Before(w.Last)
	w.Last = Latest(w.Last, e.Last)
	switch word.Step {
	case WaitNoRoom:
		if w.First.IsZero() || e.First.Before(w.First) {
			w.First = e.First
		}
		if latest || w.Note == "" {
			w.Note = clipped(strings.TrimPrefix(e.Note, combinedNote), maxWaitNote)
		}
	case WaitRefused:
		if w.First.IsZero() || e.First.Before(w.First) {
			w.First = e.First
		}
		if e.Last.Before(w.RefusedLast) {
			break
		}
		if !w.Refused() { // a new run of refusals; an event that repeats may have been of an earlier one too
			if w.RefusedFirst = e.First; !e.First.After(w.ComingAt) {
				w.RefusedFirst = e.Last
			}
		}
		w.Refusal, w.RefusedLast = word.Refusal, e.Last
	case WaitComing:
		if !e.Last.Before(w.ComingAt) {
			w.Coming, w.ComingAt = word.Coming, e.Last
		}
	}
	return w
}

// maxWaitNote is how much of the scheduler's word on a pod is kept, in bytes.
const maxWaitNote = 300

// Set is what begins the names of pods that are created for one object: a pod's name without its last part.
func (w Wait) Set() string {
	if i := strings.LastIndexByte(w.Pod.Name, '-'); i > 0 {
		return w.Pod.Name[:i]
	}
	return w.Pod.Name
}

// RefusalKind is why no node comes.
type RefusalKind string

// The kinds of refusals.
const (
	AtLimit      RefusalKind = "limit"       // the pool may use no more: Karpenter's limits
	AtMaximum    RefusalKind = "maximum"     // the node group has its maximum size
	AtTotal      RefusalKind = "total"       // the cluster has as many nodes, cores or bytes as it may have
	NoType       RefusalKind = "type"        // the pool has no instance type that would do
	Unfit        RefusalKind = "constraints" // no pool meets the pod's own constraints
	NoCapacity   RefusalKind = "capacity"    // the cloud has none
	NoLaunch     RefusalKind = "launch"      // the cloud started no machine for another reason
	NoRegister   RefusalKind = "register"    // machines start and never become nodes
	OtherRefusal RefusalKind = "other"       // as Detail says
)

// Refusal is that an autoscaler makes no node, and why.
type Refusal struct {
	Kind   RefusalKind `json:"kind,omitempty"`
	By     string      `json:"by,omitempty"`     // who says so: Karpenter, Cluster Autoscaler
	Pool   string      `json:"pool,omitempty"`   // the NodePool or node group; several are between commas
	Detail string      `json:"detail,omitempty"` // what the cloud said, or the autoscaler's own words: untrusted
}

// WaitState is what is known of nodes for pods that wait.
type WaitState string

// The states of waits.
const (
	Refused    WaitState = "refused"    // an autoscaler makes none
	Coming     WaitState = "coming"     // an autoscaler makes some
	Overdue    WaitState = "overdue"    // an autoscaler said so long ago, and they are not there
	Unanswered WaitState = "unanswered" // no autoscaler has said anything
)

// Waiting is pods that wait for nodes for one reason.
type Waiting struct {
	State WaitState `json:"state"`
	// Refusal is why none comes, or why those do not come that are overdue; zero if nothing says why.
	Refusal Refusal   `json:"refusal,omitzero"`
	Pool    string    `json:"pool,omitempty"` // from which nodes are to come, "" if that is not known
	Pods    int       `json:"pods"`
	Since   time.Time `json:"since"`         // when the first of them found no room
	Told    time.Time `json:"told,omitzero"` // since when it was refused, or when the nodes were announced first
	// For are those that the pods are of, the most pods first; Others is of how many pods more.
	For    []PodsOf `json:"for"`
	Others int      `json:"others,omitempty"`
	Note   string   `json:"note,omitempty"` // the scheduler's word on one of them: untrusted

	Waits []Wait `json:"-"` // of the pods
}

// PodsOf is pods of one workload. Of pods whose workload is not known it is what their names have in common: Kind is
// Pod then, and a name that ends in * is that of several.
type PodsOf struct {
	Workload
	Pods int `json:"pods"`
}

// The autoscalers' names.
const (
	Karpenter         = "Karpenter"
	ClusterAutoscaler = "Cluster Autoscaler"
)

// maxRefusal is how much of an autoscaler's own words a refusal has, in bytes.
const maxRefusal = 200

// WaitEnd is how the wait of a pod for a node ended.
type WaitEnd string

// The ends of waits.
const (
	EndPlaced  WaitEnd = "placed"  // it was assigned to a node
	EndGone    WaitEnd = "gone"    // it was deleted
	EndUnheard WaitEnd = "unheard" // nothing was heard of it any more: it was deleted, or nobody says
)

// Waited is waits of pods that are over and alike.
type Waited struct {
	Namespace, Set string  // of the pods: see [Wait.Set]
	Refusal        Refusal // why no node came, without Detail; zero if no autoscaler had refused
	End            WaitEnd
	Told           string // the key of what people were told of it last; "" if of nothing
	Pods           int
	Together       time.Duration // that they waited in all
	Longest        time.Duration // that one of them waited,
	Pod            string        // and its name
}

// WaitStep is what an event says of a pod's wait.
type WaitStep int

// The steps of waits.
const (
	WaitNoRoom  WaitStep = iota // the scheduler found no room
	WaitRefused                 // an autoscaler makes no node
	WaitComing                  // an autoscaler makes a node
	WaitPlaced                  // it has a node
	WaitGone                    // it is not there any more
)

// WaitWord is what an event says of the wait of a pod, or that some pods of a ReplicaSet were deleted.
type WaitWord struct {
	Step WaitStep
	Pod  ObjectRef // with Deleted, the ReplicaSet
	// Deleted is how many of its pods, those that have no node first: kubernetes, pkg/controller/controller_utils.go.
	Deleted int
	Refusal Refusal
	Coming  ObjectRef
}

// scaledDown is the note of a Deployment that takes pods of a ReplicaSet away.
var scaledDown = regexp.MustCompile(`^Scaled down replica set (\S+) (?:from (\d+) )?to (\d+)$`)

// setDeletes is the note of a StatefulSet that deletes a pod.
var setDeletes = regexp.MustCompile(`^delete Pod (\S+) in StatefulSet \S+ successful$`)

// OfWait returns what an event says of a pod that waits for a node; ok is false if it says nothing of that.
func (e Event) OfWait() (w WaitWord, ok bool) {
	note := strings.TrimPrefix(e.Note, combinedNote)
	w.Pod = e.Regarding
	switch e.Regarding.Kind {
	case "Pod":
		switch e.Reason {
		case "FailedScheduling":
			if words, is := strings.CutPrefix(note, "Failed to schedule pod, "); is {
				w.Step, w.Refusal = WaitRefused, karpenterRefusal(words)
				return w, true
			}
			return w, !elsewhere.MatchString(note)
		case "NotTriggerScaleUp":
			_, words, _ := strings.Cut(note, ": ")
			w.Step, w.Refusal = WaitRefused, groupRefusal(words)
			return w, true
		case "InsufficientCapacityError":
			w.Step = WaitRefused
			w.Refusal, _ = e.Refuses()
			return w, true
		case "TriggeredScaleUp", "Nominated":
			w.Step = WaitComing
			for _, n := range e.Names() {
				if w.Coming.Kind == "" || n.Kind == "NodeClaim" {
					w.Coming = n
				}
			}
			return w, w.Coming.Kind != "Node" // that one has room
		case "Scheduled", "Started":
			w.Step = WaitPlaced
			return w, true
		}
	case "ReplicaSet", "ReplicationController", "Job":
		if name, is := strings.CutPrefix(note, "Deleted pod: "); is && e.Reason == "SuccessfulDelete" {
			w.Step, w.Pod = WaitGone, ObjectRef{Kind: "Pod", Namespace: e.Regarding.Namespace, Name: name}
			return w, true
		}
	case "StatefulSet":
		if m := setDeletes.FindStringSubmatch(note); m != nil && e.Reason == "SuccessfulDelete" {
			w.Step, w.Pod = WaitGone, ObjectRef{Kind: "Pod", Namespace: e.Regarding.Namespace, Name: m[1]}
			return w, true
		}
	case "Deployment":
		if m := scaledDown.FindStringSubmatch(note); m != nil && e.Reason == "ScalingReplicaSet" {
			from, _ := strconv.Atoi(m[2])
			to, _ := strconv.Atoi(m[3])
			if w.Deleted = from - to; to == 0 {
				w.Deleted = math.MaxInt
			}
			w.Step, w.Pod = WaitGone, ObjectRef{Kind: "ReplicaSet", Namespace: e.Regarding.Namespace, Name: m[1]}
			return w, w.Deleted > 0
		}
	}
	return w, false
}

// elsewhere is what the scheduler says of pods that no node helps: kubernetes,
// pkg/scheduler/framework/plugins/volumebinding and volumerestrictions.
var elsewhere = regexp.MustCompile(`unbound immediate PersistentVolumeClaims|persistentvolumeclaim "[^"]*" (?:` +
	`not found|is being deleted|bound to non-existent)|waiting for ephemeral volume controller`)

var (
	// The pools that Karpenter's words name: karpenter, pkg/controllers/provisioning/scheduling/scheduler.go.
	poolForm = regexp.MustCompile(`\(NodePool=([a-z0-9.-]+)\)|nodepool:? "([a-z0-9.-]+)"`)
	// What the cloud says that has no machine of a type in a zone: EC2.
	shortForm = regexp.MustCompile(
		`sufficient (\S+) capacity in the Availability Zone you requested \(([a-z0-9-]+)\)`)
	// Words for a cloud that has no machines: Cluster Autoscaler, cloudprovider/errors.go; EC2, Compute Engine, Azure.
	shortWords = regexp.MustCompile(`(?i)OutOfResource|InsufficientInstanceCapacity|InsufficientCapacity|` +
		`RESOURCE_POOL_EXHAUSTED|stockout|AllocationFailed|SkuNotAvailable|unavailable during launch|insufficient capacity`)
)

// karpenterRefusal is what Karpenter says of a pod that it makes no node for: a reason for each pool. The one that
// somebody can mend counts.
func karpenterRefusal(words string) Refusal {
	r := Refusal{Kind: Unfit, By: Karpenter}
	rank := func(k RefusalKind) int { return slices.Index([]RefusalKind{Unfit, NoType, AtLimit}, k) }
	unknown := ""
	var pools []string
	for part := range strings.SplitSeq(words, "; ") {
		kind := Unfit
		switch {
		case strings.Contains(part, "exceed limits for nodepool"),
			strings.Contains(part, "limits have been exhausted for nodepool"):
			kind = AtLimit
		case strings.Contains(part, "filtered out all"), strings.Contains(part, "no instance type"),
			strings.Contains(part, "minValues"):
			kind = NoType
		case strings.Contains(part, "incompatible"), strings.Contains(part, "did not tolerate"),
			strings.Contains(part, "not tolerate"), strings.Contains(part, "unsatisfiable topology"):
		default:
			unknown = part
		}
		if rank(kind) > rank(r.Kind) {
			r.Kind, pools = kind, nil
		}
		if m := poolForm.FindStringSubmatch(part); m != nil && kind == r.Kind && kind != Unfit {
			if pool := m[1] + m[2]; !slices.Contains(pools, pool) {
				pools = append(pools, pool)
			}
		}
	}
	if r.Kind == Unfit && unknown != "" {
		r.Kind = OtherRefusal
	}
	if r.Kind == Unfit || r.Kind == OtherRefusal {
		r.Detail = clipped(words, maxRefusal)
	}
	slices.Sort(pools)
	r.Pool = strings.Join(pools[:min(len(pools), 3)], ",")
	return r
}

// groupRefusal is what the Cluster Autoscaler says of a pod that it makes no node for: reasons and of how many groups
// each. The one that somebody can mend counts. Which groups they are it does not say.
func groupRefusal(words string) Refusal {
	r := Refusal{By: ClusterAutoscaler}
	for _, is := range []struct {
		words string
		kind  RefusalKind
	}{
		{"max total nodes in cluster reached", AtTotal},
		{"max cluster ", AtTotal},
		{"max node group size reached", AtMaximum},
		{"in backoff after failed scale-up", NoLaunch},
		{"not ready for scale-up", OtherRefusal},
		{"node(s) ", Unfit}, {"Insufficient ", Unfit}, {"Too many pods", Unfit},
	} {
		if strings.Contains(words, is.words) {
			r.Kind = is.kind
			break
		}
	}
	if r.Kind == "" {
		r.Kind = OtherRefusal
	}
	if r.Kind == Unfit || r.Kind == OtherRefusal {
		r.Detail = clipped(words, maxRefusal)
	}
	return r
}

// Refuses returns what an event says of why machines do not come that were asked for; ok is false if it says nothing of
// that. It knows no pod.
func (e Event) Refuses() (r Refusal, ok bool) {
	note := strings.TrimPrefix(e.Note, combinedNote)
	launch := func(by, pool, words string) (Refusal, bool) {
		r := Refusal{Kind: NoLaunch, By: by, Pool: pool, Detail: clipped(words, maxRefusal)}
		if m := shortForm.FindStringSubmatch(words); m != nil {
			r.Kind, r.Detail = NoCapacity, m[1]+" in "+m[2]
		} else if shortWords.MatchString(words) {
			r.Kind = NoCapacity
		}
		return r, true
	}
	_, said, _ := strings.Cut(note, ": ")
	switch on := e.Regarding; on.Kind + " " + e.Reason {
	case "NodeClaim InsufficientCapacityError":
		r, ok = launch(Karpenter, ClaimPool(on.Name), said)
		r.Kind = NoCapacity
		return r, ok
	case "Pod InsufficientCapacityError":
		for _, n := range e.Names() {
			r.Pool = ClaimPool(n.Name)
		}
		r, ok = launch(Karpenter, r.Pool, said)
		r.Kind = NoCapacity
		return r, ok
	case "NodeClaim NodeClassNotReady":
		return launch(Karpenter, ClaimPool(on.Name), said)
	case "NodePool NoCompatibleInstanceTypes":
		return Refusal{Kind: NoType, By: Karpenter, Pool: on.Name}, true
	case "NodePool NodeRegistrationHealthy":
		if strings.Contains(note, "-> False") {
			return Refusal{Kind: NoRegister, By: Karpenter, Pool: on.Name, Detail: message(note)}, true
		}
	case "ConfigMap FailedToScaleUpGroup", "ConfigMap ScaleUpFailed":
		if group := names(e, "NodeGroup"); group != "" {
			if _, due, is := strings.Cut(note, " due to "); is {
				said = due
			}
			return launch(ClusterAutoscaler, group, said)
		}
	case "ConfigMap ScaleUpTimedOut":
		return Refusal{Kind: NoRegister, By: ClusterAutoscaler, Pool: names(e, "NodeGroup")}, true
	case "Machine FailedCreate":
		// Machines of a MachineSet are named after it.
		return launch("Machine API", ClaimPool(on.Name), note)
	case "MachineSet FailedCreate":
		return launch("Cluster API", on.Name, note)
	}
	return r, false
}

// RefusalReasons are the reasons of the events that say why machines do not come, whatever pods are concerned.
var RefusalReasons = []string{"InsufficientCapacityError", "NodeClassNotReady", "NoCompatibleInstanceTypes",
	"NodeRegistrationHealthy", "FailedToScaleUpGroup", "ScaleUpFailed", "ScaleUpTimedOut", "FailedCreate"}

// names is the object of a kind that an event names, "" if it names none.
func names(e Event, kind string) string {
	for _, n := range e.Names() {
		if n.Kind == kind {
			return n.Name
		}
	}
	return ""
}

// message is what a note on a condition says beside its transition.
func message(note string) string {
	_, text, _ := strings.Cut(note, "Message: ")
	return clipped(text, maxRefusal)
}

// ClaimPool is the NodePool of a NodeClaim, by its name: Karpenter generates names as POOL-xxxxx.
func ClaimPool(claim string) string {
	if i := strings.LastIndexByte(claim, '-'); i > 0 {
		return claim[:i]
	}
	return ""
}

// clipped is text of so many bytes at most.
func clipped(text string, most int) string {
	text = strings.TrimSpace(text)
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
