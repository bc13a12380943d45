package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// secondWriter opens a ledger in another process by a path, and returns what that one says.
func secondWriter(t *testing.T, path string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSecondWriter$")
	cmd.Env = append(os.Environ(), "ROLLCALL_TEST_SECOND="+path)
	out, err := cmd.CombinedOutput()
	check(t, err)
	return string(out)
}

// A second process does not get a ledger by whichever name it asks, nor where the lock file is gone;
// and it gets it once the first one has let go.
func TestSecondWriter(t *testing.T) {
	if path := os.Getenv("ROLLCALL_TEST_SECOND"); path != "" {
		l, err := Open(context.Background(), path, Options{LockWait: 100 * time.Millisecond})
		if err != nil {
			fmt.Printf("refused, in use %t: %v\n", errors.Is(err, ErrInUse), err)
			return
		}
		fmt.Println("opened")
		l.Close()
		return
	}
	for _, tc := range []struct {
		name, want string
		// other makes another way to the ledger at path in dir, and returns it.
		other func(t *testing.T, dir, path string) string
	}{
		{"the same name", "in use true", func(_ *testing.T, _, path string) string { return path }},
		{"a symbolic link", "in use true", func(t *testing.T, dir, path string) string {
			check(t, os.Symlink(path, filepath.Join(dir, "link.db")))
			return filepath.Join(dir, "link.db")
		}},
		{"a linked folder", "in use true", func(t *testing.T, dir, path string) string {
			check(t, os.Symlink(filepath.Dir(path), filepath.Join(dir, "linked")))
			return filepath.Join(dir, "linked", filepath.Base(path))
		}},
		{"a hard link", "2 names (hard links)", func(t *testing.T, dir, path string) string {
			linuxOnly(t)
			check(t, os.Link(path, filepath.Join(dir, "hard.db")))
			return filepath.Join(dir, "hard.db")
		}},
		{"a removed lock file", "in use true", func(t *testing.T, dir, path string) string {
			linuxOnly(t)
			check(t, os.Remove(path+".lock"))
			return path
		}},
		{"another mount", "in use true", func(t *testing.T, dir, path string) string {
			to := filepath.Join(dir, "mounted")
			check(t, os.Mkdir(to, 0o755))
			bindMount(t, filepath.Dir(path), to)
			check(t, os.Remove(path+".lock"))
			return filepath.Join(to, filepath.Base(path))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			check(t, os.Mkdir(filepath.Join(dir, "data"), 0o755))
			path := filepath.Join(dir, "data", "rollcall.db")
			l := open(t, path)
			record(t, l, "1", first(1))
			other := tc.other(t, dir, path)
			if out := secondWriter(t, other); !strings.Contains(out, "refused") || !strings.Contains(out, tc.want) {
				t.Errorf("a second process: %s", out)
			}
			record(t, l, "2", first(2)) // SQLite works on, with its own locks
			check(t, l.Close())
			if strings.Contains(tc.want, "hard links") {
				check(t, os.Remove(other))
				other = path
			}
			if out := secondWriter(t, other); !strings.HasPrefix(out, "opened") {
				t.Errorf("once the first has closed it: %s", out)
			}
			l = open(t, path)
			if known := must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod")); len(known) != 2 {
				t.Errorf("%d nodes are left of 2", len(known))
			}
		})
	}
}

// The lock of the inode leaves SQLite's own locks alone: another process may read and write the database
// while the ledger is open, and does not take its log away when it closes.
func TestLockLeavesSQLiteAlone(t *testing.T) {
	if path := os.Getenv("ROLLCALL_TEST_READER"); path != "" {
		l, err := OpenToRead(context.Background(), path)
		check(t, err)
		fmt.Println("nodes:", len(must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod"))))
		check(t, l.Close())
		check(t, Backup(context.Background(), path, path+".copy"))
		return
	}
	path := filepath.Join(t.TempDir(), "rollcall.db")
	l := open(t, path)
	for n := range 5 {
		record(t, l, fmt.Sprint(n), first(n))
		cmd := exec.Command(os.Args[0], "-test.run=^TestLockLeavesSQLiteAlone$")
		cmd.Env = append(os.Environ(), "ROLLCALL_TEST_READER="+path)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), fmt.Sprintf("nodes: %d", n+1)) {
			t.Fatalf("a reader after %d nodes: %v\n%s", n+1, err, out)
		}
		check(t, os.Remove(path+".copy"))
		if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
			t.Fatalf("the log is gone while the ledger is open: %v", err)
		}
	}
}

// Where no lock helps, the process that opened the ledger last writes it, and the one before stops.
func TestWriterThatLostTheLedger(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "rollcall.db"), t.Context()
	l := open(t, path)
	record(t, l, "1", first(1))
	check(t, l.lock.release()) // as on a file system without locks
	l.lock = nil
	second := open(t, path)
	for what, err := range map[string]error{
		"a transaction": l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: []fleet.Observation{first(2)}, At: t0}),
		"a statement":   l.CloseWave(ctx, 1, t0),
	} {
		if err == nil || !strings.Contains(err.Error(), "another process has taken it over") {
			t.Errorf("%s of the writer before: %v", what, err)
		}
	}
	record(t, second, "2", first(3))
	known := must[map[string]fleet.Known](t)(second.KnownNodes(ctx, "prod"))
	if _, ok := known["uid-2"]; ok || len(known) != 2 {
		t.Errorf("the ledger has the nodes %v", known)
	}
}

// What is written to a file that the path does not name any more is lost at the next start.
func TestFileReplacedWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.db")
	l := open(t, path)
	check(t, os.Rename(path, path+".away"))
	err := l.Watched(t.Context(), "prod", t0, "1")
	if err == nil || !strings.Contains(err.Error(), "was removed, or another file") {
		t.Errorf("a file that was moved away: %v", err)
	}
	check(t, os.Rename(path+".away", path))
	check(t, l.Watched(t.Context(), "prod", t0, "1"))
}

func TestDanglingLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rollcall.db")
	check(t, os.Symlink(filepath.Join(dir, "volume", "rollcall.db"), path))
	_, err := Open(t.Context(), path, Options{})
	if err == nil || !strings.Contains(err.Error(), "symbolic link to "+filepath.Join(dir, "volume")) {
		t.Errorf("a link to nothing: %v", err)
	}
	if _, err := os.Readlink(path); err != nil {
		t.Errorf("the link was replaced: %v", err)
	}
}

// A restore that was killed between its steps leaves two names of one file. The next start makes one of them.
func TestRestoreKilled(t *testing.T) {
	linuxOnly(t)
	for _, moved := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "rollcall.db")
		l := open(t, path)
		record(t, l, "1", first(1))
		log := must[[]byte](t)(os.ReadFile(path + "-wal"))
		check(t, l.Close())
		check(t, os.WriteFile(path+"-wal", log, 0o600)) // as where checkpointing failed
		kept := path + keptInfix + "20261122T091200Z"
		check(t, os.Link(path, kept))
		if moved {
			check(t, os.Rename(path+"-wal", kept+"-wal"))
		}
		l = open(t, path)
		if known := must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod")); len(known) != 1 {
			t.Errorf("%d nodes are left of 1", len(known))
		}
		for _, name := range []string{kept, kept + "-wal"} {
			if _, err := os.Lstat(name); err == nil {
				t.Errorf("%s is left", name)
			}
		}
	}
}

// A backup takes no hard link either, and restoring does not replace a ledger that is open by another name.
func TestBackupByAnotherName(t *testing.T) {
	linuxOnly(t)
	dir, ctx := t.TempDir(), t.Context()
	path, link, copied := filepath.Join(dir, "rollcall.db"), filepath.Join(dir, "link.db"), filepath.Join(dir, "copy.db")
	l := open(t, path)
	record(t, l, "1", first(1))
	check(t, os.Symlink(path, link))
	check(t, Backup(ctx, link, copied))
	check(t, os.Remove(path+".lock"))
	for _, to := range []string{path, link} {
		if _, err := Restore(ctx, copied, to, t0); !errors.Is(err, ErrInUse) {
			t.Errorf("restoring %s while it is open: %v", to, err)
		}
	}
	check(t, os.Link(path, filepath.Join(dir, "hard.db")))
	if err := Backup(ctx, path, filepath.Join(dir, "other.db")); err == nil || !strings.Contains(err.Error(), "hard links") {
		t.Errorf("a backup of a file with two names: %v", err)
	}
}

// A writer that is killed leaves no lock behind.
func TestLockOfKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	cmd.Env = append(os.Environ(), "ROLLCALL_TEST_WRITER="+path)
	out := must2(cmd.StdoutPipe())
	check(t, cmd.Start())
	must2(bufio.NewReader(out).ReadString('\n'))
	if said := secondWriter(t, path); !strings.Contains(said, "in use true") {
		t.Errorf("while it runs: %s", said)
	}
	check(t, cmd.Process.Kill())
	cmd.Wait() // it was killed
	if said := secondWriter(t, path); !strings.HasPrefix(said, "opened") {
		t.Errorf("once it was killed: %s", said)
	}
}
