package message

// Chart is how many nodes there were over a period, in bins of equal width: the picture's
// content. A bin shows the moment in it at which there were the most nodes, so no peak gets
// lost between two bins.
type Chart struct {
	Period
	By     string   // what the series are: "capacity type" or "instance type"
	Series []Series // stacked, the first at the bottom
	Joined []int    // nodes that joined, per bin
	Left   []int    // nodes that left, per bin
	Gaps   []Period // when nobody watched, within the period, in order, apart from each other
}

// Series is one layer of a Chart.
type Series struct {
	Name  string // a capacity type or an instance type; untrusted
	Nodes []int  // per bin
}
