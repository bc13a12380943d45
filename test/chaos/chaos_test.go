// Package chaos breaks everything around the program, again and again, and judges what the channel
// tells by a model that knows the truth.
//
// A run has a seed, which it prints, and is a series of episodes: each has a plan that follows from
// the seed (Plan), a fresh ledger, a fresh Slack emulator, and an emptied cluster of a real API
// server. Three lanes of steps go on side by side for half a minute: nodes take steps of their
// lives, people ask, and trouble comes:
//
//   - to the program: SIGKILL (at random moments, and right before or after Slack has posted), SIGSTOP, SIGTERM, a full
//     disk, a clock that is set by seconds to days, a second process on the ledger by another path;
//   - from the API server: killed, history compacted, etcd restored from a backup, another server in its place, event
//     pages of megabytes, connections cut, silent, slow or refused;
//   - from the webhook's receiver: errors, limits, answers that come late, never, or are lost;
//   - from Slack: calls that fail before or after their effect or are carried out up to 40 s late, limits of a day,
//     refusals that nobody has heard of, edits forbidden, the channel archived and replaced, outages, sockets dropped,
//     refreshed or half-open;
//   - from people: ROUTES that are others than before.
//
// Then all trouble ends, and within 90 s the channel must tell the truth. Episodes take turns at letting the program
// read the channel's history; without it a message may be copied once for each answer that was
// lost, as the emulator's log of calls shows.
//
// What must be told follows from what can be known. A node usually takes its next step only after
// the channel has told its last one; then each step must be told exactly once. A hasty step does
// not wait. If the program was away meanwhile, it sees the node only before and after:
//
//   - a node that joined and became ready is told both, always;
//   - one that went not ready and recovered is told both if its condition moved by a second;
//   - one that left before an earlier step was told must be told to have left if it was told to have
//     joined; the steps between may be told, at most once. If nobody had seen it, it may be told from
//     its beginning to its end, or not at all;
//   - one that came and went while the program was dead, and of which events tell (a visit), must be
//     told, unless the clock was set or the API server troubled;
//   - what etcd's restore took back is told as ended, begun or back if the channel had told it, and may be told if not.
//
// The truth is what the API server has committed: after a call without an answer the model looks at
// the object. A message with more than five nodes names those that became ready or recovered only
// by their number, which the judge compares with the sum of what its nodes did.
//
// The program under test is cmd/bot as it is, but for its clock: testdata/clock is laid over it
// (go build -overlay), which puts a function between the Go runtime and the kernel's clock_gettime
// that adds an offset from a shared file to the wall clock. That is a second's work for the linker,
// where a patched package time would have every dependency compiled again, and it leaves the
// monotonic clock alone, as setting a machine's clock does.
//
// The webhook's receiver discards repeats by their ID, and must then have every change that the ledger holds once, in
// the order in which they were recorded, and no other; each event must be valid and signed.
//
// A failing episode is played again with fewer and fewer steps, and the shortest list that still
// fails is printed with the command that plays it. Whether a list fails depends on the moments too,
// which no seed fixes: a list that failed may have to be played more than once.
package chaos

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("chaos.seed", 0, "the run's seed; 0 is a fresh one")
	forFlag   = flag.Duration("chaos.for", 2*time.Minute, "how long to go on, about; two episodes are played at least")
	killsFlag = flag.Int("chaos.kills", 0,
		"go on until there were so many kills and as many other faults, instead of -chaos.for")
	stepsFlag  = flag.String("chaos.steps", "", "play these steps, as a failed run prints them, instead of plans")
	shrinkFlag = flag.Duration("chaos.shrink", 6*time.Minute, "look so long for fewer steps that fail as well")
)

// Bounds on how long the channel may take to tell the truth once the trouble is over: the
// program's own pauses after failures are up to half a minute.
const (
	patience       = 90 * time.Second
	shrinkPatience = 45 * time.Second
)

func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane, which -short leaves out")
	}
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	// Printed at once, so that it is known whatever happens.
	fmt.Fprintf(os.Stderr, "chaos: seed %d\n", seed)
	t.Logf("seed %d", seed)
	began := time.Now()
	a := enter(t)
	if os.Getenv("CI") == "true" && (a.disk == "" || !clocked) {
		t.Error("CI makes every fault: it needs the right to mount, and amd64 or arm64")
	}
	totals := map[string]int{}
	var settled []time.Duration
	defer func() { report(t, seed, time.Since(began), totals, settled) }()
	run := func(steps []Step, name string) bool {
		start := time.Now()
		out, err := a.play(t.Context(), steps, patience)
		if err != nil {
			t.Fatalf("seed %d, %s: the episode could not be played: %v", seed, name, err)
		}
		add(totals, out.counts)
		settled = append(settled, out.settled)
		t.Logf("%s: %v, %d kills, %d other faults, settled after %v", name, time.Since(start).Round(time.Second),
			out.counts["kills"], out.counts["faults"], out.settled.Round(100*time.Millisecond))
		if len(out.violations) == 0 {
			if *stepsFlag != "" {
				t.Logf("all is told. The channel:\n%s\nthe end of the program's log:\n%s", out.shown, out.log)
			}
			return true
		}
		for _, v := range out.violations {
			totals["violations "+v.kind]++
		}
		t.Errorf("seed %d, %s:\n%s\n\nthe channel:\n%s\nthe end of the program's log:\n%s\nall steps:\n%s", seed, name,
			list(out.violations), out.shown, out.log, Text(steps))
		a.shrink(t, steps)
		return false
	}
	if *stepsFlag != "" {
		steps, err := Parse(*stepsFlag)
		if err != nil {
			t.Fatalf("-chaos.steps: %v", err)
		}
		run(steps, "steps")
		return
	}
	for i := 0; ; i++ {
		if *killsFlag > 0 {
			if totals["kills"] >= *killsFlag && totals["faults"] >= *killsFlag {
				return
			}
		} else if i >= 2 && time.Since(began) > *forFlag-30*time.Second { // one of each sort, and none that begins at the end
			return
		}
		steps := Plan(rand.New(rand.NewPCG(seed, uint64(i))).Uint64(), i%2 == 1)
		if !run(steps, fmt.Sprintf("episode %d", i)) {
			return
		}
	}
}

// list shows the first violations of each kind.
func list(vs []violation) string {
	var b strings.Builder
	shown := map[string]int{}
	for _, v := range vs {
		if shown[v.kind]++; shown[v.kind] <= 20 {
			fmt.Fprintln(&b, v)
		}
	}
	for kind, n := range shown {
		if n > 20 {
			fmt.Fprintf(&b, "… and %d more of kind %s\n", n-20, kind)
		}
	}
	return b.String()
}

// shrink looks for fewer steps that fail too, and says how to play them.
func (a *arena) shrink(t *testing.T, steps []Step) {
	until := time.Now().Add(*shrinkFlag)
	if deadline, ok := t.Deadline(); ok {
		until = earlier(until, deadline.Add(-time.Minute))
	}
	ctx, cancel := context.WithDeadline(t.Context(), until)
	defer cancel()
	var last []violation
	few := shrink(steps, func(candidate []Step) bool {
		out, err := a.play(ctx, candidate, shrinkPatience)
		failed := err == nil && len(out.violations) > 0
		t.Logf("shrinking: %d steps fail: %v", len(candidate), failed)
		if failed {
			last = out.violations
		}
		return failed
	}, func() bool { return ctx.Err() == nil })
	if last == nil {
		t.Logf("no shorter list of steps failed in the time that there was; it may need luck. Again:\ngo test ./test/chaos "+
			"-run TestChaos -count=1 -v -chaos.steps '%s'", Text(steps))
		return
	}
	var lines strings.Builder
	for _, s := range few {
		fmt.Fprintf(&lines, "  %-9s %s\n", lanes[s.Kind], s)
	}
	t.Errorf("%d of %d steps fail as well:\n%sthey give\n%splay them with\ngo test ./test/chaos -run TestChaos -count=1 "+
		"-v -chaos.steps '%s'", len(few), len(steps), &lines, list(last), Text(few))
}

// report prints what the run was and what it found.
func report(t *testing.T, seed uint64, took time.Duration, totals map[string]int, settled []time.Duration) {
	var b strings.Builder
	row := func(name, form string, args ...any) { fmt.Fprintf(&b, "%-24s %s\n", name, fmt.Sprintf(form, args...)) }
	group := func(prefix string) string {
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(totals)) {
			if name, ok := strings.CutPrefix(k, prefix); ok && totals[k] > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", name, totals[k]))
			}
		}
		return strings.Join(parts, ", ")
	}
	row("seed", "%d", seed)
	row("episodes", "%d in %v", totals["episodes"], took.Round(time.Second))
	row("kills", "%d (aimed: %s)", totals["kills"], group("kills "))
	var faults []string
	for _, k := range slices.Sorted(maps.Keys(totals)) {
		kind, _, _ := strings.Cut(k, " ")
		if lanes[Kind(kind)] == troubleLane {
			faults = append(faults, fmt.Sprintf("%s %d", k, totals[k]))
		}
	}
	row("other faults", "%d (%s)", totals["faults"], strings.Join(faults, ", "))
	row("nodes", "%d joined, %d became ready, %d went not ready, %d recovered, %d left", totals[joined], totals[ready],
		totals[notReady], totals[recovered], totals[removed])
	row("steps", "%d must be told, %d may be", totals["steps that must be told"], totals["steps that may be told"])
	row("messages", "%d, with %d causes on their cards, of which none may be false", totals["messages"],
		totals["causes told"])
	row("calls of Slack", "%d (%s)", totals["calls"], group("calls "))
	row("events", "%d, in %d tries, of which %d brought one again", totals["events"], totals["tries of events"],
		totals["repeats of events"])
	row("exits for a full disk", "%d", totals["exits for a full disk"])
	row("second processes", "%d refused; %d exits because of one", totals["second processes refused"],
		totals["exits for a second process"])
	row("memory", "%d MiB at most", totals["memory"])
	row("questions", "%d, answered %d, not answered in trouble %d", totals["asked"], totals["answered"],
		totals["asked in trouble and not answered"])
	if n := totals["times the machine stood still"]; n > 0 {
		row("the machine stood still", "%d times", n)
	}
	for _, kind := range []string{lost, doubled, wrongCount, wrongOrder, unanswered, crashed, other} {
		row(kind, "%d", totals["violations "+kind])
	}
	row("copies where blind", "%d, each after an answer that was lost (%d were) or a kill before it was noted",
		totals["copies"], totals["answers lost where blind"])
	if len(settled) > 0 {
		slices.Sort(settled)
		row("settled after", "%v (median), %v (longest)", settled[len(settled)/2].Round(100*time.Millisecond),
			settled[len(settled)-1].Round(100*time.Millisecond))
	}
	t.Logf("\n%s", &b)
}
