package ledgertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// spendLine is what nodes of a group used, without the number of the group.
type spendLine struct {
	query.SpendGroup
	Start, Joined, Left, End int
	Sure, Unsure             fleet.NodeTime
}

func (l spendLine) String() string {
	return fmt.Sprintf("%+v: %d +%d -%d = %d, %d (+%d) ms", l.SpendGroup, l.Start, l.Joined, l.Left, l.End, l.Sure,
		l.Unsure)
}

func sortLines(lines []spendLine) []spendLine {
	slices.SortFunc(lines, func(a, b spendLine) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return lines
}

// livesSpent is what lives used of a period, counted one by one. It is how a digest counts.
func livesSpent(t *testing.T, l *ledger.Ledger, p query.Period) []spendLine {
	t.Helper()
	cp, err := l.Checkpoint(t.Context(), "prod")
	check(t, err)
	by := map[query.SpendGroup]*spendLine{}
	for _, n := range all(t, l.Lives(t.Context(), "prod", p.From, p.Until)) {
		if !n.Removed.IsZero() && n.Removed.Before(n.Joined) {
			n.Removed = n.Joined // no node leaves before it has joined
		}
		if !n.Joined.Before(p.Until) || !n.Removed.IsZero() && n.Removed.Before(p.From) {
			continue
		}
		g := query.SpendGroup{Machine: n.Machine, Zone: n.Zone, Pool: n.Pool, Came: n.Came.Kind}
		if by[g] == nil {
			by[g] = &spendLine{SpendGroup: g}
		}
		x := by[g]
		from, until := fleet.Latest(p.From, n.Joined), p.Until
		if n.Joined.Before(p.From) {
			x.Start++
		} else {
			x.Joined++
		}
		if !n.Removed.IsZero() && n.Removed.Before(until) {
			until = n.Removed
			x.Left++
		} else {
			x.End++
		}
		known := until
		if !n.RemovedAfter.IsZero() && n.RemovedAfter.Before(known) {
			known = n.RemovedAfter
		}
		if w := cp.WatchedUntil; n.Removed.IsZero() && !w.IsZero() && p.Until.Sub(w) > fleet.Unwatched && w.Before(known) {
			known = w
		}
		sure := max(0, known.Sub(from))
		x.Sure += fleet.Together(sure)
		x.Unsure += fleet.Together(max(0, until.Sub(from)) - sure)
	}
	var lines []spendLine
	for _, x := range by {
		lines = append(lines, *x)
	}
	return sortLines(lines)
}

// spendingAgrees holds Spending of periods against the lives.
func spendingAgrees(t *testing.T, l *ledger.Ledger, periods ...query.Period) {
	t.Helper()
	s, err := l.Spending(t.Context(), "prod", periods...)
	check(t, err)
	for i, p := range periods {
		var got []spendLine
		for _, x := range s.Periods[i] {
			got = append(got, spendLine{s.Groups[x.Group], x.Start, x.Joined, x.Left, x.End, x.Sure, x.Unsure})
		}
		if want := livesSpent(t, l, p); !slices.Equal(sortLines(got), want) {
			t.Fatalf("from %s until %s nodes used\n%v\nand their lives say\n%v", p.From, p.Until, got, want)
		}
	}
}

// Whatever is written, and whichever writes are broken off, what nodes used of any period is what their lives say.
func spendingIsWhatLivesSay(t *testing.T, fresh Open) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := fresh(t)
		now := t0.Add(-20 * 24 * time.Hour)
		known := map[string]fleet.Known{}
		nodes := map[string]fleet.Node{}
		var uids []string
		pick := func(of ...string) string { return of[r.IntN(len(of))] }
		observe := func(o fleet.Observation) {
			ctx, cancel := context.WithCancel(t.Context())
			if r.IntN(10) == 0 {
				cancel() // killed before it is written
			}
			err := l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{o},
				ResourceVersion: "1", At: now})
			cancel()
			if errors.Is(err, context.Canceled) {
				return
			}
			check(t, err)
			known[o.Node.UID], nodes[o.Node.UID] = o.Known, o.Node
		}
		for i := range 400 {
			now = now.Add(time.Duration(r.IntN(int(2 * time.Hour)))).Truncate(time.Millisecond)
			switch n := r.IntN(10); {
			case n < 4:
				created := now
				if r.IntN(4) == 0 { // long known to the API server, or by another clock
					created = now.Add(time.Duration(r.IntN(96)-93) * time.Hour / 2)
				}
				node := fleet.Node{Cluster: "prod", UID: fmt.Sprint("u", i), Name: fmt.Sprint("n", i), Provider: "aws",
					Region: "r", InstanceType: pick("m5.large", "c5.large", ""), CapacityType: pick("spot", "on-demand"),
					Zone: pick("a", "b"), Pool: pick("general", "gpu"), CreatedAt: created.Truncate(time.Second),
					Ready: fleet.Condition{Status: fleet.NotReady}}
				uids = append(uids, node.UID)
				observe(fleet.First(node, now))
			case len(uids) == 0:
			case n < 7: // it leaves, or is back
				uid := uids[r.IntN(len(uids))]
				node, ok := nodes[uid]
				if !ok {
					continue
				}
				o := fleet.Gone(node, known[uid], now)
				if r.IntN(3) == 0 {
					o.Changes[0].NotBefore = now.Add(-time.Duration(r.IntN(int(60 * time.Hour)))).Truncate(time.Millisecond)
				}
				observe(o)
				if r.IntN(4) == 0 {
					observe(fleet.Back(known[uid], node, now))
				}
			case n < 8: // it is described otherwise
				uid := uids[r.IntN(len(uids))]
				node, ok := nodes[uid]
				if !ok {
					continue
				}
				node.Pool, node.Zone = pick("general", "gpu"), pick("a", "b", "")
				node.Labels = map[string]string{fleet.PriceLabel: pick("0.5", "0.25", "much")}
				observe(fleet.Observation{Node: node, Known: known[uid]})
			default: // why it came and went
				todo, err := l.Unexplained(t.Context(), "prod", now, 5)
				check(t, err)
				var found []wave.Explained
				for _, u := range todo {
					cause := fleet.Cause{Kind: fleet.CauseKind(pick("demand", "replacement", "headroom"))}
					if u.Change.Kind == fleet.Removed {
						cause.Kind = fleet.CauseKind(pick(string(fleet.SpotInterruption), string(fleet.MachineGone), "empty"))
					}
					found = append(found, wave.Explained{Change: u.Change.ID, Looks: u.Looks + 1, Next: now.Add(time.Minute),
						Explanation: fleet.Explanation{Cause: cause, Strength: 1 + r.IntN(90)}})
				}
				check(t, l.SetCauses(t.Context(), "prod", found))
			}
			if i%20 > 0 && i < 390 {
				continue
			}
			var periods []query.Period
			for range 4 {
				from := now.Add(-time.Duration(r.IntN(int(30 * 24 * time.Hour)))).Truncate(time.Millisecond)
				periods = append(periods, query.Period{From: from,
					Until: from.Add(time.Duration(r.IntN(int(12 * 24 * time.Hour))).Truncate(time.Millisecond))})
			}
			day := now.Truncate(24 * time.Hour)
			periods = append(periods, query.Period{From: day.AddDate(0, 0, -7), Until: day}, query.Period{From: day, Until: now},
				query.Period{From: now.AddDate(0, 0, -14), Until: now.AddDate(0, 0, -7)})
			spendingAgrees(t, l, periods...)
		}
		// Retention, and the file's bound, take lives away; the periods that are still kept stay as they were.
		check(t, l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: t0},
			func(uid string) bool { return uid != "u3" }))
		old := 9 * 24 * time.Hour
		_, err := l.Prune(t.Context(), ledger.Retention{Scaling: old, Other: old}, now)
		check(t, err)
		for range 10 {
			from := now.Add(-time.Duration(r.IntN(int(old)))).Truncate(time.Millisecond)
			spendingAgrees(t, l, query.Period{From: from, Until: from.Add(time.Duration(r.IntN(int(old)))).Truncate(
				time.Millisecond)}, query.Period{From: from, Until: now})
		}
		interruptionsAgree(t, l, query.Period{From: now.Add(-old), Until: now})
	}
}

// interruptionsAgree holds SpotSpending against the lives.
func interruptionsAgree(t *testing.T, l *ledger.Ledger, p query.Period) {
	t.Helper()
	lived, gone, some := map[query.SpendGroup][]time.Duration{}, map[query.SpendGroup]int{}, 0
	for _, n := range all(t, l.Lives(t.Context(), "prod", p.From, p.Until)) {
		g := query.SpendGroup{Machine: n.Machine, Zone: n.Zone, Pool: n.Pool, Came: n.Came.Kind}
		switch {
		case g.CapacityType != "spot" || n.Removed.IsZero() || n.Removed.Before(p.From) || !n.Removed.Before(p.Until):
		case n.Went.Kind == fleet.SpotInterruption:
			lived[g] = append(lived[g], max(0, n.Removed.Sub(n.Joined)))
			some++
		case n.Went.Kind == fleet.MachineGone || n.Went.Kind == fleet.ShutDown:
			gone[g]++
		}
	}
	if some == 0 {
		t.Error("nothing was interrupted: the test tests nothing")
	}
	got, err := l.SpotSpending(t.Context(), "prod", p)
	check(t, err)
	for _, x := range got.Periods[0] {
		g := got.Groups[x.Group]
		slices.Sort(x.Interrupted)
		slices.Sort(lived[g])
		if !slices.Equal(x.Interrupted, lived[g]) || x.Gone != gone[g] || g.CapacityType != "spot" {
			t.Errorf("interrupted of %+v were %v and %d, want %v and %d", g, x.Interrupted, x.Gone, lived[g], gone[g])
		}
		delete(lived, g)
		delete(gone, g)
	}
	if len(lived)+len(gone) > 0 {
		t.Errorf("interruptions are missing: %v, %v", lived, gone)
	}
}

// Of what lives as far as the ledger knows, only the time in which somebody watched is sure.
func spendingUnwatched(t *testing.T, fresh Open) {
	l := fresh(t)
	fleetOf(t, l, fleet.Node{Name: "n1"}, fleet.Node{Name: "n2", CreatedAt: t0.Add(30 * time.Hour)},
		fleet.Node{Name: "gone"})
	for _, after := range []time.Duration{time.Minute, 3 * time.Minute, 3 * time.Hour, 40 * time.Hour} {
		spendingAgrees(t, l, query.Period{From: t0.Add(-time.Hour), Until: t0.Add(after)},
			query.Period{From: t0.Add(after / 2), Until: t0.Add(after)})
	}
	s, err := l.Spending(t.Context(), "prod", query.Period{From: t0, Until: t0.Add(10 * time.Hour)})
	check(t, err)
	var unsure fleet.NodeTime
	for _, x := range s.Periods[0] {
		unsure += x.Unsure
	}
	if unsure != fleet.Together(10*time.Hour) {
		t.Errorf("%d ms are not sure, want ten hours of one node", unsure)
	}
}

// What was told of a budget is remembered for longer than its period, however short the retention: otherwise it would
// be told again.
func budgetsAreRemembered(t *testing.T, fresh Open) {
	l := fresh(t)
	check(t, l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", At: t0}, func(string) bool { return true }))
	b := wave.Budget{Step: wave.BudgetMost, Pool: "gpu", Limit: 80, Per: "month", From: t0, Until: t0.AddDate(0, 1, 0),
		At: t0, Spent: 64.5, Grew: []wave.BudgetRow{{What: "type", Name: "g5.xlarge", USD: 3.25}}}
	about := wave.About{Budget: &b, Standing: &wave.Standing{Key: "k", Since: t0}}
	plan := wave.Plan{New: []wave.Opening{{Kind: wave.KindBudget, About: about}}}
	check(t, l.Apply(t.Context(), "prod", "C1", plan, false, t0))
	live, err := l.LiveWaves(t.Context(), "prod")
	check(t, err)
	check(t, l.CloseWave(t.Context(), live[0].ID, t0))
	check(t, l.FinishWave(t.Context(), live[0].ID, t0))
	hour := ledger.Retention{Scaling: time.Hour, Other: time.Hour}
	for _, tc := range []struct{ days, want int }{{0, 1}, {31, 1}, {60, 0}} {
		_, err := l.Prune(t.Context(), hour, t0.AddDate(0, 0, tc.days))
		check(t, err)
		told, err := l.BudgetWaves(t.Context(), "prod")
		check(t, err)
		if len(told) != tc.want {
			t.Fatalf("after %d days %d are remembered, want %d", tc.days, len(told), tc.want)
		}
		if tc.want > 0 {
			got := *told[0].About.Budget
			if got.Spent != b.Spent || !slices.Equal(got.Grew, b.Grew) || !got.Until.Equal(b.Until) ||
				told[0].About.Standing.Key != "k" {
				t.Errorf("it is remembered as %+v", got)
			}
		}
	}
	other, err := l.BudgetWaves(t.Context(), "staging")
	check(t, err)
	if len(other) > 0 {
		t.Error("another cluster's")
	}
}
