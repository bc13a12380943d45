package fleet

// Totals counts nodes: a cluster's live ones, or those that a filter selects.
type Totals struct {
	Nodes    int
	Ready    int
	Cordoned int
	Capped   bool // of nodes that left only the last ones were counted; see query.NodePage
	Cost     Cost // by the hour, where somebody has asked for prices; else zero
}

// NotReady is how many nodes are not ready.
func (t Totals) NotReady() int { return t.Nodes - t.Ready }

// Group is a set of nodes that are alike, and how many there are.
type Group struct {
	InstanceType, CapacityType, Zone, Pool, Arch string
	Nodes                                        int
	Cost                                         Cost // by the hour, where somebody has asked for prices; else zero
}
