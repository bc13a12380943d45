package ledgertest_test

import (
	"path/filepath"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/ledger/ledgertest"
	"rollcall/internal/query"
)

// A filled ledger holds what its size says, and is one that the program could have written:
// nothing is left to tell or to prune.
func TestFill(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "rollcall.db")
	s := ledgertest.Size{Nodes: 400, Live: 40, Events: 6000, End: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	if err := ledgertest.Fill(ctx, path, s); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(ctx, path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	live, err := l.CountNodes(ctx, "prod", query.NodeFilter{})
	if err != nil || live.Nodes != 40 || live.Ready < 30 {
		t.Errorf("live nodes: %+v, %v", live, err)
	}
	gone, err := l.CountNodes(ctx, "prod", query.NodeFilter{Removed: true})
	if err != nil || gone.Nodes != 360 {
		t.Errorf("nodes that left: %+v, %v", gone, err)
	}
	scaling, other, err := l.EventCounts(ctx, "prod", time.Time{})
	if err != nil || scaling != 5000 || other != 1000 {
		t.Errorf("%d scaling events, %d others, %v", scaling, other, err)
	}
	n, ok, err := l.Node(ctx, "prod", ledgertest.NodeUID(399))
	if err != nil || !ok || n.Name != ledgertest.NodeName(399) || len(n.Labels) < 35 || n.Pool == "" ||
		n.CapacityType == "" {
		t.Errorf("the last node: %+v, %v, %v", n, ok, err)
	}
	p, err := l.Events(ctx, "prod", query.EventFilter{Kind: "Node"}, query.EventCursor{}, 1000)
	if err != nil || len(p.Events) < 200 || p.Events[0].Last.After(s.End) {
		t.Errorf("%d events of nodes, %v", len(p.Events), err)
	}
	if untold, _, err := l.Backlog(ctx, "prod"); err != nil || untold != 0 {
		t.Errorf("%d changes to tell, %v", untold, err)
	}
	if pruned, err := l.Prune(ctx, ledger.Retention{Scaling: 91 * 24 * time.Hour, Other: 25 * time.Hour},
		s.End); err != nil || pruned != 0 {
		t.Errorf("%d rows pruned, %v", pruned, err)
	}
	if _, wait, err := l.ExplainAt(ctx, "prod", s.End); err != nil || wait {
		t.Errorf("something is to be explained, %v", err)
	}
	if n.Came.IsZero() {
		t.Errorf("the last node came for nothing")
	}
	named := 0
	for i := range 400 {
		pods, err := l.PodsOn(ctx, "prod", fleet.ObjectRef{Kind: "Node", Name: ledgertest.NodeName(i)}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		named += len(pods.Pods)
	}
	if named < 100 {
		t.Errorf("%d pods were assigned to nodes", named)
	}
	// Twice the same.
	i := 0
	var first []fleet.Event
	for range 2 {
		for e := range ledgertest.Events(s) {
			if len(first) < s.Events {
				first = append(first, e)
			} else if e != first[i] {
				t.Fatalf("event %d differs: %+v, %+v", i, e, first[i])
			} else {
				i++
			}
		}
	}
	if len(first) != s.Events || i != s.Events {
		t.Errorf("%d events, %d again", len(first), i)
	}
}
