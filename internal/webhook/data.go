package webhook

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// The data of events. What is not known is left out. docs/webhook.schema.json says the same.

// changeData are of a node's change, and of why a node came or left.
type changeData struct {
	Cluster string `json:"cluster"`
	Text    string `json:"text"`
	Node    node   `json:"node"`
	Change  change `json:"change"`
	Cause   *cause `json:"cause,omitempty"`
	Gap     *gap   `json:"gap,omitempty"`
	Quiet   string `json:"quiet,omitempty"`
}

type node struct {
	Name          string            `json:"name"`
	UID           string            `json:"uid"`
	Provider      string            `json:"provider,omitempty"`
	ProviderID    string            `json:"provider_id,omitempty"`
	InstanceType  string            `json:"instance_type,omitempty"`
	CapacityType  string            `json:"capacity_type,omitempty"`
	Zone          string            `json:"zone,omitempty"`
	Region        string            `json:"region,omitempty"`
	Pool          string            `json:"pool,omitempty"`
	Arch          string            `json:"arch,omitempty"`
	OS            string            `json:"os,omitempty"`
	Kubelet       string            `json:"kubelet,omitempty"`
	Labels        map[string]string `json:"labels"`
	LabelsLeftOut int               `json:"labels_left_out,omitempty"`
	CreatedAt     time.Time         `json:"created_at"`
	CPUMillicores int64             `json:"cpu_millicores,omitempty"`
	MemoryBytes   int64             `json:"memory_bytes,omitempty"`
	Pods          int64             `json:"pods,omitempty"`
	GPUs          int64             `json:"gpus,omitempty"`
	Billed        string            `json:"billed,omitempty"`
	Price         *price            `json:"price,omitempty"`
}

type price struct {
	USDPerHour float64 `json:"usd_per_hour"`
	AtMost     bool    `json:"at_most,omitempty"`
	AtLeast    bool    `json:"at_least,omitempty"`
	Old        bool    `json:"old,omitempty"`
	Source     string  `json:"source,omitempty"`
}

type change struct {
	Kind       fleet.ChangeKind `json:"kind"`
	Occurrence int              `json:"occurrence"`
	At         time.Time        `json:"at"`
	NotBefore  time.Time        `json:"not_before,omitzero"`
	Proof      fleet.Proof      `json:"proof"`
	Reason     string           `json:"reason,omitempty"`
}

type cause struct {
	Kind      fleet.CauseKind `json:"kind"`
	By        string          `json:"by,omitempty"`
	Why       string          `json:"why,omitempty"`
	For       *workload       `json:"for,omitempty"`
	Pods      int             `json:"pods,omitempty"`
	Nodes     []string        `json:"nodes,omitempty"`
	Since     time.Time       `json:"since,omitzero"`
	SavingUSD float64         `json:"saving_usd_per_hour,omitempty"`
}

type workload struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

type gap struct {
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
	Cause      string    `json:"cause"`
	Missed     bool      `json:"missed"`
	EventsFrom time.Time `json:"events_from,omitzero"`
}

// messageData are of a message in the channel.
type messageData struct {
	Cluster   string         `json:"cluster"`
	Text      string         `json:"text"`
	Key       string         `json:"key"`
	Channel   string         `json:"channel,omitempty"`
	Kind      wave.Kind      `json:"kind"`
	Phase     string         `json:"phase"`
	Since     time.Time      `json:"since,omitzero"`
	Until     time.Time      `json:"until,omitzero"`
	NodeCount int            `json:"node_count"`
	Nodes     []nodeRef      `json:"nodes,omitempty"`
	About     map[string]any `json:"about,omitempty"`
}

type nodeRef struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

type digestData struct {
	Cluster     string    `json:"cluster"`
	Text        string    `json:"text"`
	Key         string    `json:"key"`
	Channel     string    `json:"channel,omitempty"`
	Schedule    string    `json:"schedule"`
	From        time.Time `json:"from"`
	Until       time.Time `json:"until"`
	NodesBefore int       `json:"nodes_before"`
	NodesAfter  int       `json:"nodes_after"`
	Peak        int       `json:"peak"`
	Low         int       `json:"low"`
	Joined      int       `json:"joined"`
	Left        int       `json:"left"`
	Cost        cost      `json:"cost"`
	UnsureUSD   float64   `json:"unsure_usd,omitempty"`
	NotReady    int       `json:"not_ready"`
}

type missedData struct {
	Cluster string `json:"cluster"`
	Text    string `json:"text"`
	Events  int    `json:"events"`
}

type checkData struct {
	Cluster string `json:"cluster"`
	Text    string `json:"text"`
}

type cost struct {
	USD      float64 `json:"usd"`
	AtMost   bool    `json:"at_most,omitempty"`
	AtLeast  bool    `json:"at_least,omitempty"`
	Unpriced int     `json:"unpriced,omitempty"`
	Billed   int     `json:"not_billed_by_hour,omitempty"`
}

func newCost(c fleet.Cost) cost {
	return cost{USD: c.USD, AtMost: c.AtMost, AtLeast: c.AtLeast, Unpriced: c.Unpriced, Billed: c.Billed}
}

func (e Events) node(n fleet.Node) node {
	d := node{Name: clip(n.Name), UID: clip(n.UID), Provider: n.Provider, ProviderID: clip(n.ProviderID),
		InstanceType: clip(n.InstanceType), CapacityType: clip(n.CapacityType), Zone: clip(n.Zone), Region: clip(n.Region),
		Pool: clip(n.Pool), Arch: clip(n.Arch), OS: clip(n.OS), Kubelet: clip(n.KubeletVersion),
		Labels: map[string]string{}, CreatedAt: n.CreatedAt, CPUMillicores: n.Capacity.MilliCPU,
		MemoryBytes: n.Capacity.Memory, Pods: n.Capacity.Pods, GPUs: n.Capacity.GPUs}
	room := maxLabels
	for _, key := range slices.Sorted(maps.Keys(n.Labels)) {
		k, v := message.Clean(key), message.Clean(n.Labels[key])
		if room -= encoded(k) + encoded(v) + 2; room < 0 {
			d.LabelsLeftOut++
			continue
		}
		d.Labels[k] = v
	}
	if e.Price != nil {
		p := e.Price(n.Machine())
		d.Billed = p.Billed
		if p.Known {
			d.Price = &price{USDPerHour: p.USD, AtMost: p.AtMost, AtLeast: p.AtLeast, Old: p.Old, Source: clip(p.Source)}
		}
	}
	return d
}

// encoded is how many bytes a text takes as JSON.
func encoded(s string) int {
	text, _ := json.Marshal(s) // a string always can be
	return len(text)
}

func newChange(c fleet.Change) change {
	return change{Kind: c.Kind, Occurrence: c.Occurrence, At: c.At, NotBefore: c.NotBefore, Proof: c.Proof,
		Reason: clip(c.Reason)}
}

func newCause(e fleet.Explanation) *cause {
	if e.IsZero() {
		return nil
	}
	c := &cause{Kind: e.Kind, By: clip(e.By), Why: clip(e.Why), Pods: e.Pods, Since: e.Since, SavingUSD: e.SavingUSD}
	if e.For != (fleet.Workload{}) {
		c.For = newWorkload(e.For)
	}
	for _, name := range e.Nodes[:min(len(e.Nodes), maxRows)] {
		c.Nodes = append(c.Nodes, clip(name))
	}
	return c
}

func newWorkload(w fleet.Workload) *workload {
	return &workload{Kind: clip(w.Kind), Namespace: clip(w.Namespace), Name: clip(w.Name)}
}
