package ledger

import (
	"fmt"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// Of nodes that left only the last ones are looked at, and the answer says since when.
func TestRemovedNodesAreCapped(t *testing.T) {
	shrink(t, &maxGone, 4000)
	l := fresh(t)
	var os []fleet.Observation
	for i := range maxGone + 50 {
		n := fleet.Node{Cluster: "prod", UID: fmt.Sprint("u", i), Name: fmt.Sprintf("gone-%05d", i), CreatedAt: t0,
			Ready: fleet.Condition{Status: fleet.NotReady}}
		os = append(os, fleet.Gone(n, fleet.Known{}, t0.Add(time.Duration(i)*time.Second)))
	}
	record(t, l, "1", os...)
	p, err := l.ListNodes(t.Context(), "prod", query.NodeFilter{Removed: true}, query.SortOldest, 0, 1)
	check(t, err)
	if !p.Capped || p.Total < maxGone || p.Total > maxGone+1 || !p.SearchedTo.Equal(t0.Add(49*time.Second)) ||
		p.Nodes[0].Name < "gone-00049" {
		t.Errorf("%d nodes, capped %v at %v, the oldest %s", p.Total, p.Capped, p.SearchedTo, p.Nodes[0].Name)
	}
	g, err := l.GroupNodes(t.Context(), "prod", query.NodeFilter{Removed: true}, query.ByType, 1)
	check(t, err)
	totals, err := l.CountNodes(t.Context(), "prod", query.NodeFilter{Removed: true})
	check(t, err)
	if !g.Capped || g.Total != p.Total || !totals.Capped || totals.Nodes != p.Total {
		t.Errorf("groups %+v, totals %+v", g, totals)
	}
	p, err = l.ListNodes(t.Context(), "prod", query.NodeFilter{Removed: true, RemovedSince: t0.Add(time.Hour)},
		query.SortOldest, 0, 1)
	check(t, err)
	if p.Capped || p.Total != maxGone+50-3600 {
		t.Errorf("since an hour: %d nodes, capped %v", p.Total, p.Capped)
	}
}
