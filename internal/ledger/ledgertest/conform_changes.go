package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

func changes(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	// The baseline's nodes did not join: nobody saw them come.
	check(t, l.RecordBaseline(ctx, "prod", []fleet.Observation{first(0)}))
	check(t, l.FinishBaseline(ctx, fleet.Batch{Cluster: "prod", At: t0}, func(string) bool { return true }))
	record(t, l, "1", first(1), ready(t, 1), first(2), fleet.Gone(node(2), first(2).Known, t0.Add(time.Hour)))
	summary := func(changes []query.ChangeRecord) (s []string) {
		for _, c := range changes {
			s = append(s, fmt.Sprintf("%s %s %s %d", c.NodeName, c.Kind, c.Node.InstanceType, c.Mute))
		}
		return s
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Mute: map[int64]int64{3: 7}}, false, t0))
	for _, tc := range []struct {
		limit int
		kinds []fleet.ChangeKind
		want  []string
	}{
		{10, nil, []string{"node-2 removed m5.large 0", "node-1 ready m5.large 0", "node-2 joined m5.large 7",
			"node-1 joined m5.large 0"}},
		{2, nil, []string{"node-2 removed m5.large 0", "node-1 ready m5.large 0"}},
		{10, []fleet.ChangeKind{fleet.Joined, fleet.Recovered},
			[]string{"node-2 joined m5.large 7", "node-1 joined m5.large 0"}},
		{1, []fleet.ChangeKind{fleet.Joined}, []string{"node-2 joined m5.large 7"}},
	} {
		got := summary(must[[]query.ChangeRecord](t)(l.RecentChanges(ctx, "prod", tc.limit, tc.kinds...)))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%d of %v (-want +got):\n%s", tc.limit, tc.kinds, diff)
		}
	}
	changes, more, err := l.NodeChanges(ctx, "prod", "uid-1", 10)
	check(t, err)
	if diff := cmp.Diff([]string{"node-1 joined m5.large 0", "node-1 ready m5.large 0"}, summary(changes)); diff != "" ||
		more {
		t.Errorf("more %v (-want +got):\n%s", more, diff)
	}
	if changes, more, err = l.NodeChanges(ctx, "prod", "uid-1", 1); err != nil || !more || len(changes) != 1 ||
		changes[0].Kind != fleet.BecameReady {
		t.Errorf("the last change: %v, more %v, %v", summary(changes), more, err)
	}
	counts := must[map[fleet.ChangeKind]int](t)(l.ChangeCounts(ctx, "prod", t0))
	if diff := cmp.Diff(map[fleet.ChangeKind]int{fleet.Joined: 2, fleet.BecameReady: 1, fleet.Removed: 1},
		counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}
