package ledger

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

var t0 = time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)

func open(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), path, Options{LockWait: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func fresh(t testing.TB) *Ledger { return open(t, filepath.Join(t.TempDir(), "rollcall.db")) }

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// shrink makes a limit smaller for a test, which takes long with the real one.
func shrink(t *testing.T, limit *int, to int) {
	saved := *limit
	*limit = to
	t.Cleanup(func() { *limit = saved })
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func node(n int) fleet.Node {
	return fleet.Node{
		Cluster: "prod", UID: fmt.Sprintf("uid-%d", n), Name: fmt.Sprintf("node-%d", n), Provider: "aws", InstanceType: "m5.large", CapacityType: "spot",
		Zone: "us-east-1a", Region: "us-east-1", Pool: "general", Arch: "amd64", OS: "linux",
		Labels: map[string]string{"a": "b"}, CreatedAt: t0,
		Detail: fleet.Detail{ProviderID: "aws:///us-east-1a/i-1", KubeletVersion: "v1.36.3",
			Taints: []fleet.Taint{{Key: "k", Effect: "NoSchedule"}}, Capacity: fleet.Resources{MilliCPU: 2000, Memory: 8 << 30, Pods: 29}},
		Ready: fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Since: t0},
	}
}

func first(n int) fleet.Observation { return fleet.First(node(n), t0) }

// ready is the observation that follows first.
func ready(t testing.TB, n int) fleet.Observation {
	node := node(n)
	node.Ready = fleet.Condition{Status: fleet.Ready, Reason: "KubeletReady", Since: t0.Add(41 * time.Second)}
	o, ok := fleet.Diff(first(n).Known, node, t0.Add(42*time.Second))
	if !ok {
		t.Fatal("a node that became ready is no change")
	}
	return o
}

func record(t testing.TB, l *Ledger, rv string, os ...fleet.Observation) {
	t.Helper()
	check(t, l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", Observations: os, ResourceVersion: rv, At: t0}))
}

func todoIDs(t testing.TB, l *Ledger) (kinds []string) {
	t.Helper()
	todo, _, err := l.Todo(t.Context(), "prod", 1000)
	check(t, err)
	for _, td := range todo {
		kinds = append(kinds, td.Change.NodeName+" "+string(td.Change.Kind))
	}
	return kinds
}

func TestNodeRoundTrip(t *testing.T) {
	l := fresh(t)
	record(t, l, "10", first(1))
	got, ok, err := l.Node(t.Context(), "prod", "uid-1")
	check(t, err)
	if diff := cmp.Diff(node(1), got); !ok || diff != "" {
		t.Errorf("Node (-want +got):\n%s", diff)
	}
	known := must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod"))
	if diff := cmp.Diff(map[string]fleet.Known{"uid-1": first(1).Known}, known); diff != "" {
		t.Errorf("KnownNodes (-want +got):\n%s", diff)
	}
	cp := must[fleet.Checkpoint](t)(l.Checkpoint(t.Context(), "prod"))
	if cp.NodesVersion != "10" || !cp.WatchedUntil.Equal(t0) || !cp.BaselineAt.IsZero() {
		t.Errorf("Checkpoint = %+v", cp)
	}
	if _, ok, err := l.Node(t.Context(), "other", "uid-1"); ok || err != nil {
		t.Errorf("a node of another cluster: %v, %v", ok, err)
	}
}

func TestRecordingIsIdempotent(t *testing.T) {
	l := fresh(t)
	for range 3 {
		record(t, l, "10", first(1))
		record(t, l, "11", ready(t, 1))
	}
	want := []string{"node-1 joined", "node-1 ready"}
	if diff := cmp.Diff(want, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}
}

func TestSameNameIsAnotherNode(t *testing.T) {
	l := fresh(t)
	again := node(1)
	again.UID = "uid-1b"
	record(t, l, "10", first(1), fleet.Gone(node(1), first(1).Known, t0.Add(time.Hour)), fleet.First(again, t0.Add(2*time.Hour)))
	if diff := cmp.Diff([]string{"node-1 joined", "node-1 removed", "node-1 joined"}, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}
	totals := must[fleet.Totals](t)(l.Totals(t.Context(), "prod"))
	if totals.Nodes != 1 {
		t.Errorf("%d live nodes, want 1", totals.Nodes)
	}
}

func TestBaselineForgetsWhatItsFirstTrySaw(t *testing.T) {
	l := fresh(t)
	check(t, l.RecordBaseline(t.Context(), "prod", []fleet.Observation{first(1), first(2)}))
	check(t, l.RecordBaseline(t.Context(), "prod", []fleet.Observation{first(2), first(3)}))
	check(t, l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", ResourceVersion: "5", At: t0}, func(uid string) bool { return uid != "uid-1" }))
	if totals := must[fleet.Totals](t)(l.Totals(t.Context(), "prod")); totals.Nodes != 2 {
		t.Errorf("%d live nodes, want 2", totals.Nodes)
	}
	todo, baseline, err := l.Todo(t.Context(), "prod", 10)
	check(t, err)
	if len(todo) != 0 || !baseline {
		t.Errorf("%d to-dos, baseline %v: want none but the baseline", len(todo), baseline)
	}
	check(t, l.Apply(t.Context(), "prod", "C1", wave.Plan{Baseline: true}, false, t0))
	if _, baseline, _ = l.Todo(t.Context(), "prod", 10); baseline {
		t.Error("the baseline is to be told twice")
	}
	// A second baseline of the same cluster would be told again; nothing asks for one.
	if waves := must[[]wave.Wave](t)(l.LiveWaves(t.Context(), "prod")); len(waves) != 1 || waves[0].Kind != wave.KindBaseline || waves[0].ClosedAt.IsZero() {
		t.Errorf("waves = %+v", waves)
	}
}

// What joins or leaves between the first list and the message about it is told on its own, so
// the message counts neither.
func TestBaselineIsThatOfTheFirstList(t *testing.T) {
	l := fresh(t)
	check(t, l.RecordBaseline(t.Context(), "prod", []fleet.Observation{first(1), first(2), first(3)}))
	check(t, l.FinishBaseline(t.Context(), fleet.Batch{Cluster: "prod", ResourceVersion: "5", At: t0}, func(string) bool { return true }))
	record(t, l, "6", first(4), fleet.Gone(node(1), first(1).Known, t0.Add(time.Second)))
	totals, groups, machines, err := l.Baseline(t.Context(), "prod")
	check(t, err)
	n := 0
	for _, g := range groups {
		n += g.Nodes
	}
	if totals.Nodes != 3 || n != 3 || sum(machines) != 3 {
		t.Errorf("the baseline has %d nodes, its groups %d, its machines %v; want 3", totals.Nodes, n, machines)
	}
}

func TestWaveLife(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2))
	todo, _, err := l.Todo(ctx, "prod", 10)
	check(t, err)
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{todo[0].Change.ID, todo[1].Change.ID}}}}, false, t0))
	if ids := todoIDs(t, l); len(ids) != 0 {
		t.Errorf("still to do: %v", ids)
	}
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	if w.Main.Channel != "C1" || w.Main.Tried || w.Main.ID != "" || !strings.HasPrefix(w.Key, l.Instance()+"-") || w.Main.Key != w.Key {
		t.Errorf("intent = %+v", w.Main)
	}
	if want := (wave.Counts{Members: 2, Untold: 2, Unlisted: 2, Pending: 2, Unready: 2, LastChange: todo[1].Change.ID}); w.Counts != want {
		t.Errorf("counts = %+v, want %+v", w.Counts, want)
	}
	check(t, l.Trying(ctx, w.Key, t0))
	w = must[wave.Wave](t)(l.Wave(ctx, w.ID))
	if !w.Main.Tried || len(w.Members) != 2 || w.Members[0].Told {
		t.Errorf("wave tried = %+v", w)
	}
	// A node becomes ready while the message is on its way: it is not told by it.
	record(t, l, "2", ready(t, 1))
	todo, _, err = l.Todo(ctx, "prod", 10)
	check(t, err)
	if len(todo) != 1 || todo[0].StepWave != w.ID {
		t.Fatalf("the step does not follow its wave: %+v", todo)
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Add: map[int64][]int64{w.ID: {todo[0].Change.ID}}}, false, t0))
	rec := w.Main
	rec.ID, rec.Hash = "100.1", 1<<63+5
	check(t, l.Accepted(ctx, rec, w.Counts.LastChange, t0))
	w = must[wave.Wave](t)(l.Wave(ctx, w.ID))
	if w.Main.ID != "100.1" || w.Main.Hash != 1<<63+5 || w.Counts.Untold != 1 || w.Counts.Pending != 1 {
		t.Errorf("accepted = %+v, counts %+v", w.Main, w.Counts)
	}
	// Replies list their nodes once.
	part := must[wave.Posting](t)(l.AddPart(ctx, w, "list", []string{"uid-1", "uid-2"}, t0))
	if part.Key != w.Key+".1" {
		t.Errorf("reply key %q", part.Key)
	}
	w = must[wave.Wave](t)(l.Wave(ctx, w.ID))
	if w.Counts.Unlisted != 0 || len(w.Parts) != 1 || w.Members[1].Part != part.Key {
		t.Errorf("listed = %+v", w)
	}
	// A wave does not finish under a to-do of one of its nodes.
	record(t, l, "3", fleet.Gone(node(2), first(2).Known, t0.Add(time.Hour)))
	check(t, l.FinishWave(ctx, w.ID, t0))
	if waves := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod")); len(waves) != 1 {
		t.Error("the wave finished although a step of its node is to be planned")
	}
	todo, _, err = l.Todo(ctx, "prod", 10)
	check(t, err)
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindRemoved, Changes: []int64{todo[0].Change.ID}}}}, false, t0))
	w = must[wave.Wave](t)(l.Wave(ctx, w.ID))
	if w.Counts.Pending != 0 || w.Members[1].RemovedAt.IsZero() {
		t.Errorf("a removed node is waited for: %+v", w.Counts)
	}
	check(t, l.FinishWave(ctx, w.ID, t0))
	waves := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	if len(waves) != 1 || waves[0].Kind != wave.KindRemoved {
		t.Fatalf("live waves = %+v", waves)
	}
	// A message that Slack has is later than any that it had confirmed before the intent.
	if got := [2]string{w.Main.After, waves[0].Main.After}; got != [2]string{"", "100.1"} {
		t.Errorf("the messages are later than %q", got)
	}
}

func TestReleaseGivesBackWhatWasNotTold(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), first(2))
	todo, _, _ := l.Todo(ctx, "prod", 10)
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2}}}}, false, t0))
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	w.Main.ID = "1.1"
	check(t, l.Accepted(ctx, w.Main, todo[0].Change.ID, t0))
	check(t, l.ReleaseWave(ctx, w.ID, t0))
	if diff := cmp.Diff([]string{"node-2 joined"}, todoIDs(t, l)); diff != "" {
		t.Errorf("to-dos (-want +got):\n%s", diff)
	}
}

func TestMerge(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	record(t, l, "1", first(1), fleet.Gone(node(2), first(2).Known, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{
		{Kind: wave.KindJoined, Changes: []int64{1}}, {Kind: wave.KindRemoved, Changes: []int64{2}, Closed: true}}}, false, t0))
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{Merge: &wave.Merge{Into: 1, From: []int64{2}}}, false, t0.Add(time.Hour)))
	waves := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	if len(waves) != 1 || waves[0].Kind != wave.KindCatchUp || waves[0].Counts.Members != 2 || !waves[0].OpenedAt.Equal(t0) {
		t.Errorf("waves = %+v", waves)
	}
}

func TestGapMarksItsChanges(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	gap := &fleet.Gap{Cluster: "prod", From: t0, Until: t0.Add(time.Hour), Cause: "restart", Missed: true, EventsFrom: t0.Add(time.Minute)}
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{first(1)}, Gap: gap, At: t0}))
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Gap: gap, At: t0})) // a gap without a difference
	gaps := must[[]fleet.Gap](t)(l.Gaps(ctx, "prod", t0))
	if len(gaps) != 2 {
		t.Fatalf("gaps = %+v", gaps)
	}
	gap.ID = gaps[0].ID
	if diff := cmp.Diff(*gap, gaps[0]); diff != "" {
		t.Errorf("gap (-want +got):\n%s", diff)
	}
	todo, _, _ := l.Todo(ctx, "prod", 10)
	if todo[0].Change.GapID != gap.ID {
		t.Errorf("change in gap %d, want %d", todo[0].Change.GapID, gap.ID)
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindAway, About: wave.About{Gap: gap.ID}, Changes: []int64{todo[0].Change.ID}}}}, false, t0))
	if w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]; w.Gap == nil || !w.Gap.From.Equal(t0) {
		t.Errorf("wave's gap = %+v", w.Gap)
	}
}

func event(uid string, count int, last time.Duration) fleet.Event {
	return fleet.Event{Cluster: "prod", UID: uid, Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web"}, Reason: "Started", Type: "Normal",
		Note: "Started container", Count: count, First: t0, Last: t0.Add(last)}
}

func TestEventsMerge(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	for _, e := range []fleet.Event{event("e", 1, 0), event("e", 3, time.Minute), event("e", 2, 30*time.Second), event("e", 3, time.Minute)} {
		check(t, l.RecordEvents(ctx, "prod", []fleet.Event{e}, "7"))
	}
	check(t, l.RecordEvents(ctx, "prod", nil, ""))
	got := must[[]fleet.Event](t)(l.RecentEvents(ctx, "prod", t0, 10))
	if diff := cmp.Diff([]fleet.Event{event("e", 3, time.Minute)}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if cp := must[fleet.Checkpoint](t)(l.Checkpoint(ctx, "prod")); cp.EventsVersion != "7" {
		t.Errorf("events version %q, want 7", cp.EventsVersion)
	}
}

func TestPrune(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	noise := event("noise", 1, 0)
	noise.Reason = "Pulled"
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{noise, event("story", 1, 0)}, "1"))
	record(t, l, "1", first(1), first(2), fleet.Gone(node(2), first(2).Known, t0.Add(time.Minute)))
	r := Retention{Scaling: 90 * 24 * time.Hour, Other: 24 * time.Hour}
	for _, tc := range []struct {
		after time.Duration
		want  int64
	}{{time.Hour, 0}, {25 * time.Hour, 1}, {91 * 24 * time.Hour, 1}} {
		if n, err := l.Prune(ctx, r, t0.Add(tc.after)); err != nil || n != tc.want {
			t.Errorf("after %v: %d rows, %v; want %d (what is untold stays)", tc.after, n, err, tc.want)
		}
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{1, 2, 3}}}}, false, t0))
	w := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))[0]
	check(t, l.Accepted(ctx, w.Main, 3, t0))
	if n, err := l.Prune(ctx, r, t0.Add(91*24*time.Hour)); err != nil || n != 0 {
		t.Errorf("%d rows of a live wave pruned, %v", n, err)
	}
	check(t, l.FinishWave(ctx, w.ID, t0))
	// Three changes, the removed node, the message and its wave.
	if n, err := l.Prune(ctx, r, t0.Add(91*24*time.Hour)); err != nil || n != 6 {
		t.Errorf("%d rows pruned, %v; want 6", n, err)
	}
	if totals := must[fleet.Totals](t)(l.Totals(ctx, "prod")); totals.Nodes != 1 {
		t.Errorf("%d live nodes left, want 1", totals.Nodes)
	}
}

func TestEventsAreBoundedInBytes(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	var events []fleet.Event
	for i := range 1000 {
		e := event(fmt.Sprintf("e%04d", i), 1, time.Duration(i)*time.Second)
		e.Reason = "Pulled"
		events = append(events, e)
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	limit := int64(events[0].Size() * 300)
	_, err := l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour, MaxOther: limit}, t0)
	check(t, err)
	_, other, err := l.EventCounts(ctx, "prod", t0)
	check(t, err)
	if other > 300 || other < 100 {
		t.Errorf("%d events left of at most 300", other)
	}
	if _, newest, _ := l.EventCounts(ctx, "prod", t0.Add(990*time.Second)); newest != 10 {
		t.Errorf("%d of the ten newest are left", newest)
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(content), 0o644))
		return path
	}
	exec := func(path, stmt string) {
		db := must[*sql.DB](t)(sql.Open("sqlite", path))
		defer db.Close()
		_, err := db.Exec(stmt)
		check(t, err)
	}
	other := filepath.Join(dir, "other.db")
	exec(other, `CREATE TABLE t (x)`)
	newer := filepath.Join(dir, "newer.db")
	must[*Ledger](t)(Open(ctx, newer, Options{})).Close()
	exec(newer, `PRAGMA user_version = 99`)
	torn := filepath.Join(dir, "torn.db")
	must[*Ledger](t)(Open(ctx, torn, Options{})).Close()
	f := must[*os.File](t)(os.OpenFile(torn, os.O_WRONLY, 0))
	_, err := f.WriteAt([]byte(strings.Repeat("garbage!", 2048)), 4096)
	check(t, err)
	f.Close()
	orphan := filepath.Join(dir, "orphan.db")
	check(t, os.WriteFile(orphan+"-wal", []byte("wal"), 0o644))
	busy := filepath.Join(dir, "busy.db")
	holder := must[*Ledger](t)(Open(ctx, busy, Options{}))
	defer holder.Close()

	for _, tc := range []struct{ name, path, want string }{
		{"not a database", write("text.db", "this is a text file, not a database"), "not a SQLite database"},
		{"empty file", write("empty.db", ""), "the file is empty"},
		{"a folder", dir, "it is a folder"},
		{"folder missing", filepath.Join(dir, "missing", "x.db"), "does not exist"},
		{"another program's", other, "another program"},
		{"newer schema", newer, "newer Rollcall (schema 99"},
		{"damaged", torn, "damaged"},
		{"log without its file", orphan, "write-ahead log"},
		{"open elsewhere", busy, "another process"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, _ := os.ReadFile(tc.path)
			l, err := Open(ctx, tc.path, Options{LockWait: 50 * time.Millisecond})
			if err == nil {
				l.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.path) {
				t.Errorf("error %q does not say %q", err, tc.want)
			}
			if after, _ := os.ReadFile(tc.path); string(before) != string(after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenReadOnly(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root passes every permission bit, so a read-only file is made by its owner being
		// another process: run as an ordinary user in a child.
		dir, err := os.MkdirTemp("", "rollcall-readonly-")
		check(t, err)
		defer os.RemoveAll(dir)
		check(t, os.Chmod(dir, 0o777))
		self := filepath.Join(dir, "ledger.test") // where an ordinary user may run it
		check(t, os.WriteFile(self, must[[]byte](t)(os.ReadFile(os.Args[0])), 0o755))
		cmd := exec.Command(self, "-test.run=^TestOpenReadOnly$", "-test.v")
		cmd.Dir = dir
		asNobody(cmd)
		cmd.Env = append(os.Environ(), "TMPDIR="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("as an ordinary user: %v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "rollcall.db")
	must[*Ledger](t)(Open(t.Context(), path, Options{})).Close()
	check(t, os.Chmod(path, 0o444))
	if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("a read-only file: %v", err)
	}
	check(t, os.Chmod(path, 0o644))
	check(t, os.Remove(path+".lock"))
	check(t, os.Chmod(dir, 0o555))
	defer os.Chmod(dir, 0o755)
	if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("a read-only folder: %v", err)
	}
}

func TestPath(t *testing.T) {
	for in, want := range map[string]string{"sqlite:rollcall.db": "rollcall.db", "sqlite:///var/lib/r.db": "/var/lib/r.db", "sqlite:/var/r.db": "/var/r.db"} {
		if got, err := Path(in); got != want || err != nil {
			t.Errorf("Path(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "rollcall.db", "sqlite:", "sqlite::memory:", "postgres://u:secret@h/db"} {
		if _, err := Path(in); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Path(%q): %v", in, err)
		}
	}
}

// A writer killed with -9 in the middle of its transactions leaves whole ones behind: every
// node that is there has its to-do, every one reported as recorded is there, and the database
// opens without complaint.
func TestKilledWriter(t *testing.T) {
	if path := os.Getenv("ROLLCALL_TEST_WRITER"); path != "" {
		l, err := Open(context.Background(), path, Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		start := len(must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod")))
		for i := start; ; i += 20 {
			var os []fleet.Observation
			for n := range 20 {
				os = append(os, first(i+n))
			}
			record(t, l, fmt.Sprint(i), os...)
			fmt.Println("recorded", i+20)
		}
	}
	path := filepath.Join(t.TempDir(), "rollcall.db")
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), "ROLLCALL_TEST_WRITER="+path)
		out := must2(cmd.StdoutPipe())
		check(t, cmd.Start())
		recorded, lines := 0, 0
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			if _, err := fmt.Sscanf(scanner.Text(), "recorded %d", &recorded); err == nil {
				lines++
			}
			if lines == 5+round*7 {
				check(t, cmd.Process.Kill())
			}
		}
		cmd.Wait() // it was killed
		l := open(t, path)
		known := must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod"))
		todo, _, err := l.Todo(t.Context(), "prod", 100_000)
		check(t, err)
		if len(known) < recorded || len(known)%20 != 0 || len(todo) != len(known) {
			t.Fatalf("round %d: %d nodes and %d to-dos after %d were reported", round, len(known), len(todo), recorded)
		}
		cp := must[fleet.Checkpoint](t)(l.Checkpoint(t.Context(), "prod"))
		if cp.NodesVersion != fmt.Sprint(len(known)-20) {
			t.Fatalf("round %d: resource version %s does not fit %d nodes", round, cp.NodesVersion, len(known))
		}
		check(t, l.Close())
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Pruning gives way to writers: they go on while it works.
func TestWritersGoOnWhilePruning(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	var events []fleet.Event
	for i := range 4000 {
		events = append(events, event(fmt.Sprint("e", i), 1, 0))
	}
	check(t, l.RecordEvents(ctx, "prod", events, "1"))
	done := make(chan error, 1)
	go func() {
		_, err := l.Prune(ctx, Retention{Scaling: time.Hour, Other: time.Hour}, t0.Add(2*time.Hour))
		done <- err
	}()
	writes := 0
	for {
		select {
		case err := <-done:
			check(t, err)
			if writes < 2 {
				t.Errorf("only %d writes went through while pruning", writes)
			}
			return
		default:
			record(t, l, "2", first(writes))
			writes++
		}
	}
}

// The mark of the watch never goes back, but for a clock that was set back: otherwise what happens
// until the clock has caught up would lie in no gap.
func TestMarkFollowsAClockThatIsSetBack(t *testing.T) {
	l := fresh(t)
	for _, step := range []struct{ at, want time.Duration }{{0, 0}, {time.Minute, time.Minute}, {30 * time.Second, time.Minute}, {48 * time.Hour, 48 * time.Hour}, {2 * time.Minute, 2 * time.Minute}} {
		check(t, l.Watched(t.Context(), "prod", t0.Add(step.at), "7"))
		cp := must[fleet.Checkpoint](t)(l.Checkpoint(t.Context(), "prod"))
		if got := cp.WatchedUntil.Sub(t0); got != step.want {
			t.Errorf("marked after %v: watched until %v, want %v", step.at, got, step.want)
		}
	}
}
