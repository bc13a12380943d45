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

	"rollcall/internal/fleet"
	"rollcall/internal/query"
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

// waveOf returns a wave, done or not, with its members.
func waveOf(t *testing.T, l *Ledger, id int64) wave.Wave {
	t.Helper()
	all, err := l.waves(t.Context(), `w.id = ?`, id)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d waves %d, %v", len(all), id, err)
	}
	all[0].Members = must[[]wave.Member](t)(l.Members(t.Context(), id))
	return all[0]
}

// scalingEvents returns the scaling events of a cluster, the newest first.
func scalingEvents(t *testing.T, l *Ledger) []fleet.Event {
	t.Helper()
	return must[query.EventPage](t)(l.Events(t.Context(), "prod", query.EventFilter{Scaling: true}, query.EventCursor{},
		10)).Events
}

// backlog is how many changes are untold.
func backlog(t *testing.T, l *Ledger) int {
	t.Helper()
	n, _, err := l.Backlog(t.Context(), "prod")
	check(t, err)
	return n
}

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
		Cluster: "prod", UID: fmt.Sprintf("uid-%d", n), Name: fmt.Sprintf("node-%d", n), Provider: "aws",
		InstanceType: "m5.large", CapacityType: "spot",
		Zone: "us-east-1a", Region: "us-east-1", Pool: "general", Arch: "amd64", OS: "linux",
		Labels: map[string]string{"a": "b"}, CreatedAt: t0,
		Detail: fleet.Detail{ProviderID: "aws:///us-east-1a/i-1", KubeletVersion: "v1.36.3",
			Taints:   []fleet.Taint{{Key: "k", Effect: "NoSchedule"}},
			Capacity: fleet.Resources{MilliCPU: 2000, Memory: 8 << 30, Pods: 29}},
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

func event(uid string, count int, last time.Duration) fleet.Event {
	return fleet.Event{Cluster: "prod", UID: uid, Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web"},
		Reason: "Started", Type: "Normal",
		Note: "Started container", Count: count, First: t0, Last: t0.Add(last)}
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
