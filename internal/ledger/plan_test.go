package ledger

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// plans returns the plans of every statement that a call runs on the readers' side, by asking
// SQLite about each before it is run.
func plans(t *testing.T, l *Ledger, call func(ctx context.Context)) []string {
	t.Helper()
	var all []string
	step := func(r row) (text string, err error) {
		var id, parent, unused int
		err = r.Scan(&id, &parent, &unused, &text)
		return text, err
	}
	l.r.observe = func(stmt string, args []any) {
		steps, err := collect(t.Context(), once{&reader{DB: l.w}}, step, `EXPLAIN QUERY PLAN `+stmt, args...)
		if err != nil {
			t.Errorf("%v: %s", err, stmt)
			return
		}
		all = append(all, stmt+"\n  "+strings.Join(steps, "\n  "))
	}
	defer func() { l.r.observe = nil }()
	call(t.Context())
	return all
}

// scan finds the steps that read a whole large table, whatever it is called in the statement.
var scan = regexp.MustCompile(
	`(?m)^  SCAN (e|en|n|c|r|t|w|h|events|nodes|changes|waves|messages|mutes|u|label_sets|s|event_names|chains|claims|kp|keeps|` +
		`rollout_steps|causes|deliveries|d|feed_causes|feed_waves|f)\b` +
		`.*$|^  .* INDEX nodes_\w+ ` +
		`\(cluster=\?\)$`)

// What tells of a replacement again is written with other causes.
func TestRetellPlan(t *testing.T) {
	l := fresh(t)
	steps, err := collect(t.Context(), once{&reader{DB: l.w}}, func(r row) (text string, err error) {
		var id, parent, unused int
		err = r.Scan(&id, &parent, &unused, &text)
		return text, err
	}, `EXPLAIN QUERY PLAN `+retellSQL, "prod", "prod", "drifted")
	if err != nil {
		t.Fatal(err)
	}
	all := "\n  " + strings.Join(steps, "\n  ")
	if !strings.Contains(all, "INDEX changes_wave (wave_id=?)") || scan.MatchString(all) {
		t.Errorf("it does not find its changes by their waves:%s", all)
	}
}

// Every query that a person or a change waits for finds its rows in an index. (Wall clocks
// fail on busy machines; a plan does not.)
func TestPlans(t *testing.T) {
	l := fresh(t)
	check(t, l.BeginFeed(t.Context(), "prod", t0))
	fleetOf(t, l, some()...)
	var many []fleet.Node
	for i := range maxNamed + 1 {
		many = append(many, fleet.Node{Name: fmt.Sprint("many-", i)})
	}
	fleetOf(t, l, many...)
	var events []fleet.Event
	for i := range 50 {
		e := event(string(rune('a'+i)), 1, time.Duration(i)*time.Second)
		e.Regarding = fleet.ObjectRef{Kind: "Node", Name: []string{"n1", "n2", "n3"}[i%3]}
		events = append(events, e)
	}
	check(t, l.RecordEvents(t.Context(), "prod", events, "1"))
	check(t, l.SetCauses(t.Context(), "prod", []wave.Explained{{Change: 1, Looks: 1, Explanation: fleet.Explanation{
		Cause: fleet.Cause{Kind: fleet.Demand, For: fleet.Workload{Namespace: "shop", Name: "checkout"}}, Strength: 1}}}))
	check(t, l.Apply(t.Context(), "prod", "C1",
		wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2}}}}, false, t0))
	check(t, l.Collect(t.Context(), "prod", wave.Collected{Cursor: wave.Cursor{Change: 1}, Deliveries: []wave.Delivery{
		{Seq: 1, Key: "e1", Created: t0}}}))
	told := must[[]wave.Wave](t)(l.LiveWaves(t.Context(), "prod"))[0]
	label := query.NodeFilter{
		Labels: []query.LabelRequirement{{Key: "team", Operator: query.LabelIn, Values: []string{"ml"}}},
	}
	gone := query.NodeFilter{Removed: true}
	names := []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"}
	var zero query.EventCursor
	newer := query.EventCursor{Time: t0, Newer: true}
	for _, tc := range []struct {
		name  string
		index string // that must be used
		call  func(ctx context.Context) error
	}{
		{"what waits for nodes", "PRIMARY KEY (cluster=?)", func(ctx context.Context) error {
			_, _, err := l.Waits(ctx, "prod", 10)
			return err
		}},
		{"what waited for nodes", "PRIMARY KEY (cluster=? AND minute>? AND minute<?)", func(ctx context.Context) error {
			_, err := l.Waited(ctx, "prod", t0, t0.Add(time.Hour))
			return err
		}},
		{"what was said of a pod before it waited", "INDEX events_name (cluster=? AND name=? AND last_at>?)",
			func(ctx context.Context) error {
				_, err := collect(ctx, l.r, scanEvent, saidOfPodSQL, "prod", "web-1", 0, "shop")
				return err
			}},
		{"whether a pod is one of a DaemonSet's", "PRIMARY KEY (cluster=? AND kind=? AND namespace=? AND name=?)",
			func(ctx context.Context) error {
				_, _, err := one(ctx, l.r, value[int], daemonsSQL, "prod", "shop", "web-1")
				return err
			}},
		{"which pods of a ReplicaSet wait", "PRIMARY KEY (cluster=? AND namespace=? AND pod>? AND pod<?)",
			func(ctx context.Context) error {
				_, err := collect(ctx, l.r, scanWait, waitsOfSQL, "prod", "shop", "web-", "web.")
				return err
			}},
		{"Deployments with new steps", "SEARCH s USING INTEGER PRIMARY KEY (rowid>?)", func(ctx context.Context) error {
			_, _, err := l.Stepped(ctx, "prod", -1)
			return err
		}},
		{"steps of a Deployment", "INDEX sqlite_autoindex_rollout_steps_1 (cluster=? AND namespace=? AND deployment=?)",
			func(ctx context.Context) error {
				_, err := l.RolloutSteps(ctx, "prod", fleet.ObjectRef{Namespace: "shop", Name: "web"})
				return err
			}},
		{"what was told of rollouts", "INDEX waves_rollout (cluster=? AND opened_at>?)", func(ctx context.Context) error {
			_, err := l.ToldRollouts(ctx, "prod", t0)
			return err
		}},
		{"warnings about new pods", "INDEX events_name (cluster=? AND name>? AND name<?)",
			func(ctx context.Context) error {
				_, err := l.PodWarnings(ctx, "prod", "shop", "web-1", t0, t0, 10)
				return err
			}},
		{"what is said of pods", "INDEX events_name (cluster=? AND name>? AND name<?)", func(ctx context.Context) error {
			_, err := l.PodSigns(ctx, "prod", "shop", "web-1", t0)
			return err
		}},
		{"nodes that came for a rollout", "INDEX changes_when (cluster=? AND kind=? AND at>? AND at<?)",
			func(ctx context.Context) error {
				_, err := l.RolloutNodes(ctx, "prod", fleet.ObjectRef{Namespace: "shop", Name: "web"}, t0, t0)
				return err
			}},
		{"mutes of a time", "INDEX mutes_at (cluster=? AND until_at>?)", func(ctx context.Context) error {
			_, err := l.MutesSince(ctx, "prod", t0)
			return err
		}},
		{"what keeps nodes", "INDEX keeps_open", func(ctx context.Context) error {
			for _, err := range l.Keeps(ctx, "prod", t0, t0.Add(time.Hour)) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"what kept nodes", "INDEX keeps_over (cluster=? AND until_at>?)", func(ctx context.Context) error {
			for _, err := range l.Keeps(ctx, "prod", t0, t0.Add(time.Hour)) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"what keeps a node", "INDEX keeps_open (cluster=? AND node_uid=?)", func(ctx context.Context) error {
			_, err := l.NodeKeeps(ctx, "prod", "uid-1")
			return err
		}},
		{"candidates", "INDEX events_reason (cluster=? AND reason=? AND last_at>? AND last_at<?)",
			func(ctx context.Context) error {
				for _, err := range l.Candidates(ctx, "prod", t0, t0.Add(time.Hour)) {
					if err != nil {
						return err
					}
				}
				return nil
			}},
		{"bare nodes", "INDEX nodes_list (cluster=? AND removed_at=? AND created_at>? AND created_at<?)",
			func(ctx context.Context) error {
				_, err := collect(ctx, l.r, scanLife(nil), bareSQL, "prod", t0.UnixMilli(), t0.UnixMilli())
				if err == nil {
					_, _, err = one(ctx, l.r, value[int64], youngestSQL, "prod", maxBare)
				}
				return err
			}},
		{"what keeps nodes no more", "INDEX keeps_open (cluster=?)", func(ctx context.Context) error {
			return l.LapseKeeps(ctx, "prod", t0, t0)
		}},
		{"list", "COVERING INDEX nodes_list (cluster=? AND removed_at=?)", func(ctx context.Context) error {
			_, err := l.ListNodes(ctx, "prod", query.NodeFilter{}, query.SortType, 0, 5)
			return err
		}},
		{"list by label", "COVERING INDEX nodes_list (cluster=? AND removed_at=?)", func(ctx context.Context) error {
			_, err := l.ListNodes(ctx, "prod", label, query.SortNewest, 0, 5)
			return err
		}},
		{"list removed", "COVERING INDEX nodes_list (cluster=? AND removed_at>?)", func(ctx context.Context) error {
			_, err := l.ListNodes(ctx, "prod", gone, query.SortNewest, 0, 5)
			return err
		}},
		{"group", "COVERING INDEX nodes_list", func(ctx context.Context) error {
			_, err := l.GroupNodes(ctx, "prod", query.NodeFilter{}, query.ByPool, 5)
			return err
		}},
		{"group by label", "COVERING INDEX nodes_list", func(ctx context.Context) error {
			_, err := l.GroupNodes(ctx, "prod", gone, "team", 5)
			return err
		}},
		{"count", "COVERING INDEX nodes_list",
			func(ctx context.Context) error { _, err := l.CountNodes(ctx, "prod", label); return err }},
		{"find", "INDEX nodes_name",
			func(ctx context.Context) error { _, _, _, err := l.FindNodes(ctx, "prod", "n", 5); return err }},
		{"find a name", "COVERING INDEX nodes_name (cluster=? AND name=?)", func(ctx context.Context) error {
			_, _, _, err := l.FindNodes(ctx, "prod", "n1", 5)
			return err
		}},
		{"a node by its name", "COVERING INDEX nodes_name (cluster=? AND name=?)", func(ctx context.Context) error {
			_, _, err := l.NodeNamed(ctx, "prod", "n1")
			return err
		}},
		{"a node by its short name", "INDEX nodes_name", func(ctx context.Context) error {
			_, _, err := l.NodeNamed(ctx, "prod", "no-such-name")
			return err
		}},
		{"find a part", "INDEX nodes_list",
			func(ctx context.Context) error { _, _, _, err := l.FindNodes(ctx, "prod", "one", 5); return err }},
		{"find one of many", "COVERING INDEX nodes_list (cluster=? AND removed_at=?)", func(ctx context.Context) error {
			_, _, _, err := l.FindNodes(ctx, "prod", "many-", 5)
			return err
		}},
		{"list by own label", "COVERING INDEX nodes_list (cluster=? AND removed_at=?)", func(ctx context.Context) error {
			_, err := l.CountNodes(ctx, "prod",
				query.NodeFilter{Labels: []query.LabelRequirement{
					{Key: "kubernetes.io/hostname", Operator: query.LabelIn, Values: []string{"n1"}},
				}})
			return err
		}},
		{"node", "PRIMARY KEY", func(ctx context.Context) error { _, _, err := l.Node(ctx, "prod", "uid-n1"); return err }},
		{"changes", "INDEX changes_when (cluster=? AND kind=?)",
			func(ctx context.Context) error { _, err := l.RecentChanges(ctx, "prod", 5); return err }},
		{"changes of a node", "(cluster=? AND node_uid=?)",
			func(ctx context.Context) error { _, _, err := l.NodeChanges(ctx, "prod", "uid-n1", 5); return err }},
		{"counts of changes", "INDEX changes_when (cluster=? AND kind=? AND at>?)",
			func(ctx context.Context) error { _, err := l.ChangeCounts(ctx, "prod", t0); return err }},
		{"muted", "INDEX changes_muted",
			func(ctx context.Context) error { _, err := l.MutedChanges(ctx, "prod", t0, t0); return err }},
		{"newest events", "INDEX events_time (cluster=? AND scaling=? AND last_at>? AND last_at<?)",
			func(ctx context.Context) error {
				_, err := l.Events(ctx, "prod", query.EventFilter{}, zero, 5)
				return err
			}},
		{"newer events", "INDEX events_time (cluster=? AND scaling=? AND last_at>? AND last_at<?)",
			func(ctx context.Context) error {
				_, err := l.Events(ctx, "prod", query.EventFilter{Types: []string{"Normal"}}, newer, 5)
				return err
			}},
		{"events with a word", "INDEX events_time (cluster=? AND scaling=? AND last_at>? AND last_at<?)",
			func(ctx context.Context) error {
				_, err := l.Events(ctx, "prod", query.EventFilter{Text: []string{"x"}, Scaling: true}, zero, 5)
				return err
			}},
		{"events of an object", "INDEX events_name (cluster=? AND name=? AND last_at>? AND last_at<?)",
			func(ctx context.Context) error {
				_, err := l.Events(ctx, "prod", query.EventFilter{Kind: "Node", Name: "n1", Scaling: true}, zero, 5)
				return err
			}},
		{"events of nodes", "INDEX events_name (cluster=? AND name=? AND last_at>? AND last_at<?)",
			func(ctx context.Context) error {
				_, err := l.Events(ctx, "prod", query.EventFilter{UIDs: []string{"uid-n1"}, Names: names, Scaling: true}, zero, 5)
				return err
			}},
		{"events of a reason", "INDEX events_reason (cluster=? AND reason=? AND last_at>? AND last_at<?)",
			func(ctx context.Context) error {
				_, err := l.Events(ctx, "prod", query.EventFilter{Reasons: []string{"start*"}, Scaling: true, Name: "n*"}, zero, 5)
				return err
			}},
		{"span of events", "INDEX events_time",
			func(ctx context.Context) error { _, err := l.EventSpan(ctx, "prod"); return err }},
		{"counts of events", "INDEX events_time (cluster=? AND scaling=? AND last_at>?)",
			func(ctx context.Context) error { _, _, err := l.EventCounts(ctx, "prod", t0); return err }},
		{"live nodes", "COVERING INDEX nodes_list (cluster=? AND removed_at=?)",
			func(ctx context.Context) error { _, err := l.readLive(ctx, "prod"); return err }},
		{"lives of a period", "COVERING INDEX nodes_list (cluster=? AND removed_at>?)", func(ctx context.Context) error {
			for _, err := range l.Lives(ctx, "prod", t0, t0) {
				return err
			}
			return nil
		}},
		{"what nodes used", "PRIMARY KEY (cluster=? AND step=?)", func(ctx context.Context) error {
			_, err := l.Spending(ctx, "prod", query.Period{From: t0.Add(-time.Hour), Until: t0.Add(time.Hour)})
			return err
		}},
		{"nodes that joined in a part of a day", "COVERING INDEX nodes_came (cluster=? AND created_at>? AND created_at<?)",
			func(ctx context.Context) error {
				_, err := collect(ctx, l.r, scanSpend, spendPartSQL, "prod", 1, 2, "prod", 1, 2, "prod", 1, 2)
				return err
			}},
		{"nodes that left in a part of a day", "COVERING INDEX nodes_went (cluster=? AND <expr>>? AND <expr><?)",
			func(ctx context.Context) error {
				_, err := collect(ctx, l.r, scanSpend, spendPartSQL, "prod", 1, 2, "prod", 1, 2, "prod", 1, 2)
				return err
			}},
		{"nodes that left unseen in a part of a day", "INDEX nodes_doubtful (cluster=? AND <expr>>? AND <expr><?)",
			func(ctx context.Context) error {
				_, err := collect(ctx, l.r, scanSpend, spendPartSQL, "prod", 1, 2, "prod", 1, 2, "prod", 1, 2)
				return err
			}},
		{"interruptions", "COVERING INDEX nodes_interrupted (cluster=? AND removed_at>? AND removed_at<?)",
			func(ctx context.Context) error {
				_, err := l.SpotSpending(ctx, "prod", query.Period{From: t0, Until: t0.Add(time.Hour)})
				return err
			}},
		{"incidents", "INDEX changes_when (cluster=? AND kind=? AND at<?)",
			func(ctx context.Context) error { _, err := l.Incidents(ctx, "prod", t0, t0); return err }},
		{"rescales", "INDEX events_reason (cluster=? AND reason=? AND last_at>? AND last_at<?)",
			func(ctx context.Context) error {
				for _, err := range l.Rescales(ctx, "prod", t0, t0) {
					return err
				}
				return nil
			}},
		{"last digest", "INDEX digests_at (cluster=? AND audience=?)",
			func(ctx context.Context) error { _, _, err := l.LastDigest(ctx, "prod", ""); return err }},
		{"last digest of a schedule", "INDEX sqlite_autoindex_digests_2 (cluster=? AND audience=? AND schedule=? AND until_at<?)",
			func(ctx context.Context) error { _, _, err := l.LastDigestOf(ctx, "prod", "", "day", t0); return err }},
		{"who looks at waves", "INDEX waves_looked (cluster=?)",
			func(ctx context.Context) error { _, err := l.Looks(ctx, "prod"); return err }},
		{"nodes of a period", "INDEX nodes_list (cluster=? AND removed_at>?)", func(ctx context.Context) error {
			for _, err := range l.NodesBetween(ctx, "prod", t0, t0) {
				return err
			}
			return nil
		}},
		{"digests with something to do", "INDEX digests_open (cluster=? AND audience=?)",
			func(ctx context.Context) error { _, err := l.OpenDigests(ctx, "prod", ""); return err }},
		{"evidence on an object", "INDEX events_name (cluster=? AND name=? AND last_at>?)",
			func(ctx context.Context) error {
				_, err := l.Evidence("prod").On(ctx, fleet.ObjectRef{Kind: "Node", Name: "n1", UID: "u"}, t0, t0, 5)
				return err
			}},
		{"evidence that names an object", "PRIMARY KEY (cluster=? AND kind=? AND namespace=? AND name=? AND at>?)",
			func(ctx context.Context) error {
				_, err := l.Evidence("prod").Naming(ctx, fleet.ObjectRef{Kind: "Node", Name: "n1"}, t0, t0, 5)
				return err
			}},
		{"a claim", "PRIMARY KEY (cluster=? AND uid=?)", func(ctx context.Context) error {
			_, _, err := l.Evidence("prod").Claim(ctx, "c", "u")
			return err
		}},
		{"the last claim of a name", "INDEX claims_name (cluster=? AND name=?)", func(ctx context.Context) error {
			_, _, err := l.Evidence("prod").Claim(ctx, "c", "")
			return err
		}},
		{"evidence of a reason", "INDEX events_reason (cluster=? AND reason=? AND last_at>?)",
			func(ctx context.Context) error {
				_, err := l.Evidence("prod").Because(ctx, "Started", t0, t0, 5)
				return err
			}},
		{"the node of an owner", "INDEX nodes_owner (cluster=? AND owner=?)", func(ctx context.Context) error {
			_, err := l.Evidence("prod").Owned(ctx, fleet.ObjectRef{Kind: "NodeClaim", Name: "general-abc"})
			return err
		}},
		{"pods on a node", "PRIMARY KEY (cluster=? AND kind=? AND namespace=? AND name=? AND at>?)",
			func(ctx context.Context) error {
				_, err := l.PodsOn(ctx, "prod", fleet.ObjectRef{Name: "n1", UID: "uid-n1"}, 5)
				return err
			}},
		{"when to explain", "COVERING INDEX changes_explain (cluster=? AND explain_at>?)",
			func(ctx context.Context) error { _, _, err := l.ExplainAt(ctx, "prod", t0); return err }},
		{"what to explain", "INDEX changes_explain (cluster=? AND explain_at>?)",
			func(ctx context.Context) error { _, err := l.Unexplained(ctx, "prod", t0, 5); return err }},
		{"explanation", "(cluster=? AND node_uid=? AND kind=?)",
			func(ctx context.Context) error {
				_, _, err := l.Explanation(ctx, "prod", "uid-n1", fleet.Joined)
				return err
			}},
		{"causes of nodes", "(cluster=? AND node_uid=? AND kind=?)", func(ctx context.Context) error {
			_, err := l.explanations(ctx, "prod", []string{"uid-n1", "uid-n2"})
			return err
		}},
		{"causes of a wave", "INDEX changes_wave (wave_id=?)", func(ctx context.Context) error {
			_, _, err := l.WaveCauses(ctx, told.Key)
			return err
		}},
		{"a replacement", "INDEX changes_when (cluster=? AND kind=? AND at>? AND at<?)", func(ctx context.Context) error {
			m := wave.Member{Node: fleet.Node{Pool: "general"}, Came: fleet.Explanation{Cause: fleet.Cause{
				Kind: fleet.Replacement, By: "Karpenter", Why: "drifted"}}}
			_, err := l.Swaps(ctx, wave.Wave{Cluster: "prod", Members: []wave.Member{m}})
			return err
		}},
		{"list by cause", "COVERING INDEX changes_caused (cluster=? AND node_uid=? AND kind=?)", func(ctx context.Context) error {
			_, err := l.ListNodes(ctx, "prod", query.NodeFilter{Why: "checkout"}, query.SortNewest, 0, 5)
			return err
		}},
		{"list removed by cause", "COVERING INDEX changes_caused (cluster=? AND node_uid=? AND kind=?)", func(ctx context.Context) error {
			_, err := l.ListNodes(ctx, "prod", query.NodeFilter{Why: "checkout", Removed: true}, query.SortNewest, 0, 5)
			return err
		}},
		{"causes that nobody has", "COVERING INDEX changes_cause (cause_id=?)",
			func(ctx context.Context) error { return l.pruneCauses(ctx) }},
		{"causes of lives", "COVERING INDEX changes_caused (cluster=? AND node_uid=? AND kind=?)",
			func(ctx context.Context) error {
				for _, err := range l.Lives(ctx, "prod", t0, t0) {
					return err
				}
				return nil
			}},
		{"whether there are to-dos", "INDEX changes_todo (cluster=?)",
			func(ctx context.Context) error { _, _, err := l.Todo(ctx, "prod", 5); return err }},
		{"to-dos", "INDEX changes_todo (cluster=?)",
			func(ctx context.Context) error { _, err := collect(ctx, l.r, scanTodo, todoSQL, "prod", 5); return err }},
		{"backlog", "INDEX changes_wave (wave_id=?)",
			func(ctx context.Context) error { _, _, err := l.Backlog(ctx, "prod"); return err }},
		{"live waves", "INDEX waves_live",
			func(ctx context.Context) error { _, err := l.LiveWaves(ctx, "prod"); return err }},
		{"budgets", "INDEX waves_budget (cluster=?)",
			func(ctx context.Context) error { _, err := l.BudgetWaves(ctx, "prod"); return err }},
		{"members", "INDEX changes_wave", func(ctx context.Context) error { _, err := l.Members(ctx, 1); return err }},
		{"nodes of a wave", "INDEX", func(ctx context.Context) error { _, _, err := l.WaveNodes(ctx, "x", 5); return err }},
		{"lives", "COVERING INDEX nodes_list (cluster=? AND removed_at>?)", func(ctx context.Context) error {
			for _, err := range l.LifeSpans(ctx, "prod", t0, t0) {
				return err
			}
			return nil
		}},
		{"gaps", "INDEX gaps_at", func(ctx context.Context) error { _, err := l.Gaps(ctx, "prod", t0); return err }},
		{"new changes for a feed", "INTEGER PRIMARY KEY (rowid>? AND rowid<?)", func(ctx context.Context) error {
			_, err := l.Feed(ctx, "prod", 5)
			return err
		}},
		{"causes for a feed", "PRIMARY KEY (cluster=? AND change_id<?)", func(ctx context.Context) error {
			_, err := l.Feed(ctx, "prod", 5000)
			return err
		}},
		{"waves of a feed", "PRIMARY KEY (cluster=?)", func(ctx context.Context) error {
			_, err := l.Feed(ctx, "prod", 5000)
			return err
		}},
		{"the next event of a feed", "INDEX deliveries_seq (cluster=?)", func(ctx context.Context) error {
			_, _, err := l.NextDelivery(ctx, "prod")
			return err
		}},
		{"what waits in a feed", "COVERING INDEX deliveries_seq (cluster=?)", func(ctx context.Context) error {
			_, _, err := l.Undelivered(ctx, "prod")
			return err
		}},
		{"active mutes", "INDEX mutes_at",
			func(ctx context.Context) error { _, err := l.Mutes(ctx, "prod", t0); return err }},
		{"untold mutes", "INDEX mutes_untold",
			func(ctx context.Context) error { _, err := l.UntoldMutes(ctx, "prod"); return err }},
		{"what a mute kept quiet", "COVERING INDEX changes_mute",
			func(ctx context.Context) error { _, err := l.Muted(ctx, 1); return err }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := plans(t, l, func(ctx context.Context) { check(t, tc.call(ctx)) })
			text := strings.Join(all, "\n")
			if len(all) == 0 || !strings.Contains(text, tc.index) {
				t.Errorf("%s is not used:\n%s", tc.index, text)
			}
			// Of two bounds on one side SQLite takes either, and may walk to the end.
			for _, one := range all {
				statement, _, _ := strings.Cut(one, "\n  ")
				if strings.Count(statement, "e.last_at >= ?") > 1 || strings.Count(statement, "e.last_at <= ?") > 1 {
					t.Errorf("two bounds on one side:\n%s", one)
				}
			}
			if bad := scan.FindAllString(text, -1); bad != nil {
				t.Errorf("a table is read whole:%s\n%s", strings.Join(bad, ""), text)
			}
		})
	}
}
