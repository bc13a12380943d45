package ledger

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// Labels come back as they were, also those that no API server would let through.
func TestLabelsRoundTrip(t *testing.T) {
	l := fresh(t)
	odd := map[string]string{`x","a":"`: `1`, `a`: `quo"te\`, "<&>": "<&>", "é": "ü", "": "empty",
		"kubernetes.io/hostname": `h"`}
	fleetOf(t, l, fleet.Node{Name: "n1", Labels: odd}, fleet.Node{Name: "n2"})
	n, _, err := l.Node(t.Context(), "prod", "uid-n1")
	check(t, err)
	if diff := cmp.Diff(odd, n.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for k, v := range odd {
		p, err := l.ListNodes(t.Context(), "prod",
			query.NodeFilter{Labels: []query.LabelRequirement{{Key: k, Operator: query.LabelIn, Values: []string{v}}}},
			query.SortName, 0, 5)
		check(t, err)
		if got := nodeNames(p.Nodes); len(got) != 1 || got[0] != "n1" {
			t.Errorf("%q = %q selects %v", k, v, got)
		}
	}
	// Nodes that share their labels share one row, and a change of labels finds its own.
	for i := range 5 {
		fleetOf(t, l, fleet.Node{Name: fmt.Sprint("s", i),
			Labels: map[string]string{"team": "ml", "kubernetes.io/hostname": fmt.Sprint("s", i)}})
	}
	var rows int
	check(t, l.r.DB.QueryRow(`SELECT count(*) FROM label_sets`).Scan(&rows))
	if rows != 3 {
		t.Errorf("%d label sets, want 3", rows)
	}
}
