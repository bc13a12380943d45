// Package ledgertest makes ledgers of any size for tests and benchmarks: nodes with realistic
// labels, their changes, and events as a large cluster has them. What it makes depends on the
// Size alone. It is for tests; the program does not import it.
package ledgertest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the driver of Fill's own connection

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
)

// Size says what Fill makes.
type Size struct {
	Cluster string        // default "prod"
	Nodes   int           // all that ever lived
	Live    int           // of these, still there: the last ones that joined
	Events  int           // one in six is noise of the last day, the rest belongs to scaling
	End     time.Time     // the present; default 12:00 UTC on 22 November 2026
	Span    time.Duration // how far back history goes; default 90 days
}

func (s Size) withDefaults() Size {
	if s.Cluster == "" {
		s.Cluster = "prod"
	}
	if s.End.IsZero() {
		s.End = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	}
	if s.Span == 0 {
		s.Span = 90 * 24 * time.Hour
	}
	return s
}

var (
	zones  = []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"}
	pools  = []string{"general", "batch", "gpu", "ingress", "memory", "spot-a", "spot-b", "system"}
	sizes  = []string{"large", "xlarge", "2xlarge", "4xlarge"}
	family = []string{"m5", "m6i", "c5", "c6g", "r5", "r6i", "g5", "t3"}
	teams  = []string{"shop", "search", "ml", "data", "infra", "ads"}
)

// pick chooses one of list by a hash of n and salt, the same for every run.
func pick[T any](list []T, n int, salt uint64) T { return list[mix(uint64(n), salt)%uint64(len(list))] }

// mix is the finaliser of SplitMix64 over both numbers.
func mix(n, salt uint64) uint64 {
	z := n*0x9e3779b97f4a7c15 + salt*0xbf58476d1ce4e5b9
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// UUID returns the n-th of an endless series of identifiers in the form that Kubernetes uses.
func UUID(n int, salt uint64) string {
	a, b := mix(uint64(n), salt), mix(uint64(n), salt+1)
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", uint32(a), uint16(a>>32), a>>52, b>>52, b&(1<<48-1))
}

// NodeName returns the name of node i.
func NodeName(i int) string {
	return fmt.Sprintf("ip-10-%d-%d-%d.eu-west-1.compute.internal", i>>16&255, i>>8&255, i&255)
}

// NodeUID returns the UID of node i.
func NodeUID(i int) string { return UUID(i, 1) }

// Node returns node i of the size, as it is in its best days.
func Node(i int, s Size) fleet.Node {
	s = s.withDefaults()
	fam, size, zone, pool := pick(family, i, 10), pick(sizes, i, 11), pick(zones, i, 12), pick(pools, i, 13)
	capacity, arch := "on-demand", "amd64"
	if mix(uint64(i), 14)%10 < 6 {
		capacity = "spot"
	}
	if fam == "c6g" {
		arch = "arm64"
	}
	itype := fam + "." + size
	n := fleet.Node{
		Cluster: s.Cluster, UID: NodeUID(i), Name: NodeName(i), Arch: arch, OS: "linux",
		Labels: map[string]string{
			"beta.kubernetes.io/arch": arch, "beta.kubernetes.io/instance-type": itype, "beta.kubernetes.io/os": "linux",
			"failure-domain.beta.kubernetes.io/region": "eu-west-1", "failure-domain.beta.kubernetes.io/zone": zone,
			"k8s.io/cloud-provider-aws":                                  "3a0d4a6c1f2e8b7d9c5e4f6a8b1c2d3e",
			"karpenter.k8s.aws/ec2nodeclass":                             "default",
			"karpenter.k8s.aws/instance-category":                        fam[:1],
			"karpenter.k8s.aws/instance-cpu":                             fmt.Sprint(2 << (len(size) % 4)),
			"karpenter.k8s.aws/instance-cpu-manufacturer":                "intel",
			"karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz":   "3100",
			"karpenter.k8s.aws/instance-ebs-bandwidth":                   "4750",
			"karpenter.k8s.aws/instance-encryption-in-transit-supported": "true",
			"karpenter.k8s.aws/instance-family":                          fam,
			"karpenter.k8s.aws/instance-generation":                      fam[1:2],
			"karpenter.k8s.aws/instance-hypervisor":                      "nitro",
			"karpenter.k8s.aws/instance-memory":                          fmt.Sprint(8192 << (len(size) % 4)),
			"karpenter.k8s.aws/instance-network-bandwidth":               "1250",
			"karpenter.k8s.aws/instance-size":                            size,
			"karpenter.sh/capacity-type":                                 capacity,
			"karpenter.sh/initialized":                                   "true",
			"karpenter.sh/nodepool":                                      pool,
			"karpenter.sh/registered":                                    "true",
			"kubernetes.io/arch":                                         arch,
			"kubernetes.io/hostname":                                     NodeName(i),
			"kubernetes.io/os":                                           "linux",
			"node.kubernetes.io/instance-type":                           itype,
			"topology.ebs.csi.aws.com/zone":                              zone,
			"topology.k8s.aws/zone-id":                                   "euw1-az" + zone[9:],
			"topology.kubernetes.io/region":                              "eu-west-1",
			"topology.kubernetes.io/zone":                                zone,
			"example.com/team":                                           pick(teams, len(pool), 15), // a pool belongs to a team
			"example.com/tier":                                           fmt.Sprint("tier-", len(pool)%3),
			"example.com/environment":                                    "production",
			"node-role.kubernetes.io/worker":                             "",
		},
		Detail: fleet.Detail{
			ProviderID:     "aws:///" + zone + "/i-" + UUID(i, 3)[:8] + UUID(i, 3)[24:33],
			KubeletVersion: "v1.36.3-eks-4f4795d",
			Capacity:       fleet.Resources{MilliCPU: 4000, Memory: 16 << 30, Pods: 58},
			Allocatable:    fleet.Resources{MilliCPU: 3920, Memory: 15 << 30, Pods: 58},
		},
		CreatedAt: joined(i, s).Truncate(time.Second),
	}
	if i%7 == 0 {
		n.Labels["example.com/canary"] = "true"
	}
	if pool == "gpu" {
		n.Taints = []fleet.Taint{{Key: "nvidia.com/gpu", Value: "true", Effect: "NoSchedule"}}
	}
	n.Ready = fleet.Condition{Status: fleet.Ready, Reason: "KubeletReady", Message: "kubelet is posting ready status",
		Since: n.CreatedAt.Add(41 * time.Second)}
	fleet.Describe(&n)
	return n
}

// joined spreads the lives evenly over the span.
func joined(i int, s Size) time.Time {
	return s.End.Add(-s.Span).Add(time.Duration(float64(s.Span) * 0.999 * float64(i) / float64(max(1, s.Nodes))))
}

// observations returns the life of node i up to the present, look by look.
func observations(i int, s Size) []fleet.Observation {
	n := Node(i, s)
	starting := n
	starting.Ready = fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Since: n.CreatedAt}
	o := fleet.First(starting, n.CreatedAt)
	all := []fleet.Observation{o}
	look := func(m fleet.Node, at time.Time) {
		if next, ok := fleet.Diff(all[len(all)-1].Known, m, fleet.Look{At: at}); ok {
			all = append(all, next)
			n = m
		}
	}
	look(n, n.Ready.Since)
	if mix(uint64(i), 20)%20 == 0 {
		away := n
		away.Ready = fleet.Condition{Status: fleet.ReadyUnknown, Reason: "NodeStatusUnknown",
			Message: "Kubelet stopped posting node status.", Since: n.Ready.Since.Add(3 * time.Minute)}
		look(away, away.Ready.Since)
	}
	if mix(uint64(i), 21)%25 == 0 {
		n.Cordoned = true
		look(n, n.Ready.Since.Add(5*time.Minute))
	}
	if i < s.Nodes-s.Live {
		gone := joined(i+s.Live, s) // a life lasts until as many others have joined as live at once
		all = append(all, fleet.Gone(n, all[len(all)-1].Known, gone))
	}
	return all
}

// life is all looks at node i as one: what the last one saw, and the changes of all.
func life(i int, s Size) fleet.Observation {
	all := observations(i, s)
	whole := all[len(all)-1]
	whole.Changes = nil
	for _, o := range all {
		whole.Changes = append(whole.Changes, o.Changes...)
	}
	return whole
}

// Events returns the events of the size, oldest first. A node's events carry its name and UID.
func Events(s Size) iter.Seq[fleet.Event] {
	s = s.withDefaults()
	return func(yield func(fleet.Event) bool) {
		noise := s.Events / 6
		story := s.Events - noise
		day := min(24*time.Hour, s.Span)
		from, noisy := s.End.Add(-s.Span), s.End.Add(-day)
		// Two even series, merged by time.
		for i, j := 0, 0; i < story || j < noise; {
			at := from.Add(time.Duration(float64(s.Span) * float64(i) / float64(max(1, story))))
			other := noisy.Add(time.Duration(float64(day) * float64(j) / float64(max(1, noise))))
			if i < story && (j == noise || at.Before(other)) {
				if !yield(storyEvent(i, at, s)) {
					return
				}
				i++
			} else {
				if !yield(noiseEvent(j, other, s)) {
					return
				}
				j++
			}
		}
	}
}

// Event returns an event of a busy cluster at the moment given: the i-th of a series that has
// nothing in common with Events.
func Event(i int, at time.Time, s Size) fleet.Event {
	s = s.withDefaults()
	e := storyEvent(i, at, s)
	e.UID = UUID(i, 99)
	return e
}

const letters = "bcdfghjklmnpqrstvwxz2456789"

func word(n int, salt uint64, length int) string {
	b, h := make([]byte, length), mix(uint64(n), salt)
	for i := range b {
		b[i] = letters[h%uint64(len(letters))]
		h /= uint64(len(letters))
	}
	return string(b)
}

func namespace(app int) string { return fmt.Sprintf("%s-%d", pick(teams, app, 40), app%10) }

func storyEvent(i int, at time.Time, s Size) fleet.Event {
	r := mix(uint64(i), 30)
	app := int(mix(uint64(i), 31) % 2000)
	rs := fmt.Sprintf("%s-%s", appName(app), word(app*64+i%5, 33, 10))
	pod := rs + "-" + word(i/3, 34, 5) // about three events a pod
	living := int(float64(s.Nodes)*float64(at.Sub(s.End.Add(-s.Span)))/float64(s.Span)) - int(
		mix(uint64(i), 35)%uint64(max(1, s.Live)))
	node := NodeName(max(0, living))
	e := fleet.Event{Cluster: s.Cluster, UID: UUID(i, 50), Type: "Normal", Count: 1, First: at.Truncate(time.Millisecond),
		Last:       at.Truncate(time.Millisecond),
		Regarding:  fleet.ObjectRef{Kind: "Pod", Namespace: namespace(app), Name: pod, UID: UUID(i/3, 51)},
		Controller: "kubelet"}
	switch k := r % 1000; {
	case k < 250:
		e.Reason, e.Controller, e.Note = "Scheduled", "default-scheduler", "Successfully assigned "+e.Regarding.Namespace+"/"+
			pod+" to "+node
	case k < 470:
		e.Reason, e.Note = "Created", "Created container: app"
	case k < 690:
		e.Reason, e.Note = "Started", "Started container app"
	case k < 790:
		e.Reason, e.Note = "Killing", "Stopping container app"
	case k < 840:
		e.Reason, e.Controller, e.Type, e.Count = "FailedScheduling", "default-scheduler", "Warning", 1+i%9
		e.Note = "0/412 nodes are available: 3 node(s) had untolerated taint {nvidia.com/gpu: true}, 409 Insufficient cpu. " +
			"preemption: 0/412 nodes are available: 412 No preemption victims found for incoming pod."
	case k < 900:
		e.Reason, e.Controller = "SuccessfulCreate", "replicaset-controller"
		e.Regarding.Kind, e.Regarding.Name, e.Regarding.UID, e.Note = "ReplicaSet", rs, UUID(app, 52), "Created pod: "+pod
	case k < 930:
		e.Reason, e.Controller = "ScalingReplicaSet", "deployment-controller"
		e.Regarding.Kind, e.Regarding.Name, e.Regarding.UID, e.Note = "Deployment", appName(app), UUID(app, 53),
			fmt.Sprintf("Scaled up replica set %s from %d to %d", rs, i%7, i%7+2)
	case k < 945:
		e.Reason, e.Controller = "SuccessfulRescale", "horizontal-pod-autoscaler"
		e.Regarding.Kind, e.Regarding.Name, e.Regarding.UID = "HorizontalPodAutoscaler", appName(app), UUID(app, 54)
		e.Note = fmt.Sprintf("New size: %d; reason: cpu resource utilization (percentage of request) above target", i%40)
	case k < 999:
		reason := pick([]string{"NodeReady", "NodeNotReady", "RegisteredNode", "RemovingNode", "DisruptionBlocked",
			"Unconsolidatable", "NodeNotSchedulable"}, i, 36)
		e.Reason, e.Controller, e.Regarding = reason, "node-controller",
			fleet.ObjectRef{Kind: "Node", Name: node, UID: NodeUID(max(0, living))}
		e.Note = "Node " + node + " event: " + reason
		if reason == "NodeReady" {
			e.Controller, e.Regarding.UID = "kubelet", node
		}
	case i%50 == 7: // one in 50,000
		e.Reason, e.Controller, e.Type, e.Regarding = "SpotInterrupted", "karpenter", "Warning",
			fleet.ObjectRef{Kind: "Node", Name: node, UID: NodeUID(max(0, living))}
		e.Note = "Spot interruption warning was triggered"
	default:
		e.Reason, e.Controller, e.Regarding = "DisruptionTerminating", "karpenter",
			fleet.ObjectRef{Kind: "NodeClaim", Name: "general-" + word(i, 37, 5), UID: UUID(i, 55)}
		e.Note = "Disrupting NodeClaim: Underutilized"
	}
	return e
}

func appName(app int) string {
	return pick([]string{"web", "api", "worker", "cart", "checkout", "indexer", "trainer", "gateway"}, app, 41) + "-" +
		word(app, 42, 4)
}

func noiseEvent(i int, at time.Time, s Size) fleet.Event {
	app := int(mix(uint64(i), 61) % 2000)
	e := fleet.Event{Cluster: s.Cluster, UID: UUID(i, 70), Type: "Normal", Count: 1, First: at.Truncate(time.Millisecond),
		Last: at.Truncate(time.Millisecond), Controller: "kubelet",
		Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: namespace(app), Name: appName(app) + "-" + word(app, 33, 10) +
			"-" + word(i/3, 62, 5), UID: UUID(i/3, 71)}}
	switch mix(uint64(i), 60) % 4 {
	case 0:
		e.Reason, e.Note = "Pulled", "Container image \"registry.example.com/"+appName(app)+
			":v1.4.2\" already present on machine"
	case 1:
		e.Reason, e.Note = "Pulling", "Pulling image \"registry.example.com/"+appName(app)+":v1.4.2\""
	case 2:
		e.Reason, e.Type, e.Count, e.Note = "BackOff", "Warning", 1+i%200, "Back-off restarting failed container app in pod "+
			e.Regarding.Name
	default:
		e.Reason, e.Type, e.Count, e.Note = "Unhealthy", "Warning", 1+i%30,
			"Readiness probe failed: HTTP probe failed with statuscode: 503"
	}
	return e
}

// Fill makes the ledger at path, or fills an empty one that is there. Nobody else may have it
// open.
func Fill(ctx context.Context, path string, s Size) error {
	s = s.withDefaults()
	if err := fillNodes(ctx, path, s); err != nil {
		return fmt.Errorf("filling %s with nodes: %w", path, err)
	}
	if err := fillRest(ctx, path, s); err != nil {
		return fmt.Errorf("filling %s with events: %w", path, err)
	}
	return nil
}

func fillNodes(ctx context.Context, path string, s Size) (err error) {
	l, err := ledger.Open(ctx, path, ledger.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.FinishBaseline(ctx, fleet.Batch{Cluster: s.Cluster, ResourceVersion: "1", At: s.End.Add(-s.Span)},
		func(string) bool { return true }); err != nil {
		return err
	}
	var batch []fleet.Observation
	for i := range s.Nodes {
		batch = append(batch, life(i, s))
		if len(batch) >= 2000 || i == s.Nodes-1 {
			if err := l.RecordNodes(ctx, fleet.Batch{Cluster: s.Cluster, Observations: batch, At: s.End}); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}

// fillRest writes past the ledger's methods: without its indices while it inserts, which are
// made again at the end, and without waiting for the disk.
func fillRest(ctx context.Context, path string, s Size) (err error) {
	v := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(OFF)", "cache_size(-65536)",
		"wal_autocheckpoint(10000)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+v.Encode())
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	// Everything was told and explained long ago, in waves of a hundred changes, by a few hundred causes.
	for _, stmt := range []string{
		`INSERT INTO waves (id, key, cluster, kind, opened_at, last_at, closed_at, done_at)
			SELECT id / 100 + 1, 'fill-' || (id / 100 + 1), cluster, min(kind), min(at), max(at), max(at), max(at) FROM changes
				WHERE tell = 1 GROUP BY id / 100`,
		`INSERT INTO messages (key, wave_id, part, channel, ts, created_at, tried_at, edited_at)
			SELECT key, id, 'main', 'C0', id || '.1', opened_at, opened_at, last_at FROM waves`,
		`UPDATE changes SET wave_id = id / 100 + 1, told_at = at WHERE tell = 1`,
		`INSERT INTO causes (id, cluster, kind, actor, why, for_kind, for_namespace, for_name)
			SELECT i.value, c.cluster, 'demand', 'Karpenter', 'its HPA went from 4 to ' || i.value || ' (cpu above target)',
				'Deployment', 'team-' || (i.value % 20), 'app-' || i.value
			FROM clusters c, json_each((WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
				SELECT json_group_array(i) FROM n)) i`,
		`UPDATE changes SET explain_at = NULL, looks = 4 WHERE explain_at IS NOT NULL`,
		`UPDATE changes SET cause_id = 1 + id / 7 % 300, told_cause = 1 + id / 7 % 300, strength = 90, why = '{"pods":3}'
			WHERE kind IN ('joined', 'removed') AND id % 20 > 0`,
		`INSERT INTO causes (id, cluster, kind, actor, why, for_kind, for_namespace, for_name)
			SELECT 301, cluster, 'spot interruption', 'Karpenter', '', '', '', '' FROM clusters`,
		`UPDATE changes SET cause_id = 301, told_cause = 301 WHERE kind = 'removed' AND id % 8 = 1`,
		`UPDATE nodes SET interrupted = 1 WHERE (cluster, uid) IN
			(SELECT cluster, node_uid FROM changes WHERE cause_id = 301)`,
		`INSERT INTO chains (change_id, links) SELECT id, '[{"at":"2026-11-22T09:12:00Z","on":{"kind":"Pod",'
			|| '"namespace":"team-1","name":"app-1-x"},"reason":"Nominated","note":"Pod should schedule on: nodeclaim/a"}]'
			FROM changes WHERE cause_id IS NOT NULL`,
		`UPDATE clusters SET baseline_wave = 0`,
	} {
		if _, err := db.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	indices, err := dropIndices(ctx, db, "events")
	if err != nil {
		return err
	}
	names, err := dropIndices(ctx, db, "event_names")
	if err != nil {
		return err
	}
	if err := insertEvents(ctx, db, s); err != nil {
		return err
	}
	indices = append(indices, names...)
	indices = append(indices,
		`INSERT INTO event_totals (cluster, scaling, events, bytes) SELECT cluster, scaling, count(*), sum(size) FROM `+
			`events GROUP BY cluster, scaling`,
		`PRAGMA wal_checkpoint(TRUNCATE)`)
	for _, stmt := range indices {
		if _, err := db.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}

// dropIndices drops a table's indices and returns the statements that make them again.
func dropIndices(ctx context.Context, db *sql.DB, table string) (create []string, err error) {
	var text string
	err = db.QueryRowContext(ctx, `SELECT json_group_array(json_array(name, sql)) FROM sqlite_schema
		WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL`, table).Scan(&text)
	if err != nil {
		return nil, err
	}
	var indices [][2]string
	if err := json.Unmarshal([]byte(text), &indices); err != nil {
		return nil, err
	}
	for _, index := range indices {
		if _, err := db.ExecContext(ctx, `DROP INDEX `+index[0]); err != nil {
			return nil, err
		}
		create = append(create, index[1])
	}
	return create, nil
}

func insertEvents(ctx context.Context, db *sql.DB, s Size) error {
	next, stop := iter.Pull(Events(s))
	defer stop()
	// In order they are inserted in a tenth of the time.
	const create = `CREATE TEMP TABLE named (cluster, kind, namespace, name, at, event_id, since)`
	if _, err := db.ExecContext(ctx, create); err != nil {
		return err
	}
	for more := true; more; {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		stmt, err := tx.PrepareContext(ctx,
			`INSERT INTO events (cluster, uid, kind, namespace, name, regarding_uid, reason, type, note, controller,
			count, first_at, last_at, scaling, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		named, err := tx.PrepareContext(ctx, `INSERT INTO temp.named VALUES (?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		for range 20000 {
			var e fleet.Event
			if e, more = next(); !more {
				break
			}
			size, names := e.Size(), []fleet.ObjectRef(nil)
			if e.Scaling() {
				names = e.Names()
			}
			for _, n := range names { // as the ledger counts them
				size += 60 + 2*(len(e.Cluster)+len(n.Kind)+len(n.Namespace)+len(n.Name))
			}
			res, err := stmt.ExecContext(ctx, e.Cluster, e.UID, e.Regarding.Kind, e.Regarding.Namespace, e.Regarding.Name,
				e.Regarding.UID, e.Reason, e.Type, e.Note,
				e.Controller, e.Count, e.First.UnixMilli(), e.Last.UnixMilli(), e.Scaling(), size)
			for i := 0; err == nil && i < len(names); i++ {
				var id int64
				if id, err = res.LastInsertId(); err == nil {
					n := names[i]
					_, err = named.ExecContext(ctx, e.Cluster, n.Kind, n.Namespace, n.Name, e.Last.UnixMilli(), id,
						e.First.UnixMilli())
				}
			}
			if err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	_, err := db.ExecContext(ctx, `INSERT INTO event_names (cluster, kind, namespace, name, at, event_id, since)
		SELECT * FROM temp.named WHERE true ORDER BY 1, 2, 3, 4, 5, 6
		ON CONFLICT (cluster, kind, namespace, name, at, event_id) DO NOTHING`)
	return err
}
