package ledger

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// oldFile makes a file of schema 1 with nodes and events as that schema's program wrote them.
func oldFile(t *testing.T, path string, nodes []fleet.Node, events []fleet.Event) {
	t.Helper()
	ctx := t.Context()
	saved := migrations
	migrations = migrations[:1]
	defer func() { migrations = saved }()
	l := &Ledger{base: &base{path: path, log: slog.New(slog.DiscardHandler)}}
	check(t, l.create(ctx))
	check(t, l.openWriter(path))
	defer l.w.Close()
	check(t, l.tx(ctx, func(tx tx) error {
		for i, n := range nodes {
			detail := must[[]byte](t)(json.Marshal(struct {
				nodeDetail
				Labels map[string]string `json:"labels,omitempty"`
			}{nodeDetail{n.Detail, n.Ready.Message}, n.Labels}))
			var removed any
			if i%3 == 0 {
				removed = t0.Add(time.Hour).UnixMilli()
			}
			if _, err := tx.ExecContext(ctx,
				`INSERT INTO nodes (cluster, uid, name, provider, instance_type, capacity_type, zone, region, pool, arch, os,
					detail, status, ready_reason, ready_since, cordoned, ever_ready, unready, cordons, fingerprint, created_at,
					ready_at, removed_at, removed_after)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 1, ?, NULL, ?, NULL)`,
				n.Cluster, n.UID, n.Name, n.Provider, n.InstanceType, n.CapacityType, n.Zone, n.Region, n.Pool, n.Arch, n.OS,
				string(detail), string(n.Ready.Status), n.Ready.Reason,
				ms(n.Ready.Since), n.Cordoned, n.CreatedAt.UnixMilli(), removed); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx,
				`INSERT INTO changes (cluster, node_uid, kind, occurrence, at, proof, reason, tell) VALUES (?, ?, 'joined', 1, `+
					`?, 'object', '', 1)`,
				n.Cluster, n.UID, n.CreatedAt.UnixMilli()); err != nil {
				return err
			}
		}
		for _, e := range events {
			if _, err := tx.ExecContext(ctx,
				`INSERT INTO events (cluster, uid, kind, namespace, name, regarding_uid, reason, type, note, controller, count,
					first_at, last_at, scaling, size)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.Cluster, e.UID, e.Regarding.Kind, e.Regarding.Namespace,
				e.Regarding.Name, e.Regarding.UID, e.Reason,
				e.Type, e.Note, e.Controller, e.Count, e.First.UnixMilli(), e.Last.UnixMilli(), e.Scaling(), e.Size()); err != nil {
				return err
			}
		}
		return nil
	}))
}

// A ledger of the first schema is brought up to date with everything in it, also when the
// process is killed anywhere on the way.
func TestMigrateFromFirstSchema(t *testing.T) {
	shrink(t, &moveStep, 2000)
	var nodes []fleet.Node
	for i := range 2500 {
		n := node(i)
		n.Labels = map[string]string{"team": fmt.Sprint("team-", i%3), "kubernetes.io/hostname": n.Name}
		nodes = append(nodes, n)
	}
	nodes[7].Labels = nil
	var events []fleet.Event
	for i := range 2*moveStep + 500 {
		e := event(fmt.Sprint("e", i*7919%100003), 1+i%3, time.Duration(i/2)*time.Second)
		e.Reason = []string{"Started", "Pulled", "Created"}[i%3]
		if i%10 == 0 {
			e.Cluster = "test"
		}
		events = append(events, e)
	}
	// Where the process is killed: never, in the middle of the moves, before the last step.
	for _, killed := range []string{"never", "while moving", "before the end"} {
		t.Run(killed, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rollcall.db")
			oldFile(t, path, nodes, events)
			ctx := t.Context()
			if killed != "never" {
				l := &Ledger{base: &base{path: path, log: slog.New(slog.DiscardHandler)}}
				check(t, l.openWriter(path))
				saved := migrations
				migrations = migrations[:2]
				if killed == "before the end" {
					migrations = saved[:len(saved)-1]
				}
				err := l.migrate(ctx)
				migrations = saved
				check(t, err)
				if killed == "while moving" {
					check(t, l.tx(ctx, func(tx tx) error { _, _, err := moveLabels(ctx, tx, nodeKey{}); return err }))
					check(t, l.tx(ctx, func(tx tx) error { _, err := moveEvents(ctx, tx); return err }))
				}
				check(t, l.w.Close())
			}
			l := open(t, path)
			var version int
			check(t, l.r.DB.QueryRow(`PRAGMA user_version`).Scan(&version))
			if version != len(migrations) {
				t.Errorf("schema %d, want %d", version, len(migrations))
			}
			for _, i := range []int{0, 7, 1234, 2499} {
				got, ok, err := l.Node(ctx, "prod", nodes[i].UID)
				check(t, err)
				if diff := cmp.Diff(nodes[i], got.Node); !ok || diff != "" {
					t.Errorf("node %d (-want +got):\n%s", i, diff)
				}
			}
			g, err := l.GroupNodes(ctx, "prod", query.NodeFilter{}, "team", 10)
			check(t, err)
			if g.Total != 2500-834 || g.Distinct != 3 { // node 7 has none; every third left
				t.Errorf("groups = %+v", g)
			}
			for _, cluster := range []string{"prod", "test"} {
				var want []fleet.Event
				for _, e := range events {
					if e.Cluster == cluster {
						want = append(want, e)
					}
				}
				var got []fleet.Event
				for more, at := true, (query.EventCursor{}); more; {
					p, err := l.Events(ctx, cluster, query.EventFilter{}, at, 5000)
					check(t, err)
					got = append(got, p.Events...)
					more, at = p.More, p.Older
				}
				byUID := func(a, b fleet.Event) int { return strings.Compare(a.UID, b.UID) }
				slices.SortFunc(want, byUID)
				slices.SortFunc(got, byUID)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("events of %s differ, %d instead of %d", cluster, len(got), len(want))
				}
			}
			var wrong int
			check(t, l.r.DB.QueryRow(
				`SELECT count(*) FROM event_totals t WHERE events <> (
					SELECT count(*) FROM events e WHERE e.cluster = t.cluster AND e.scaling = t.scaling)
				OR bytes <> (SELECT sum(size) FROM events e WHERE e.cluster = t.cluster AND e.scaling = t.scaling)`).Scan(&wrong))
			if wrong > 0 {
				t.Errorf("%d totals of events are wrong", wrong)
			}
			// What comes again is merged into what was moved.
			check(t, l.RecordEvents(ctx, "prod", events[1:2], "1"))
			if todo, _, err := l.Todo(ctx, "prod", 10000); err != nil || len(todo) != len(nodes) {
				t.Errorf("%d to-dos, %v", len(todo), err)
			}
			_, err = l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour}, t0)
			check(t, err)
		})
	}
}
