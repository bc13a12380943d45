package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A backup is made while another goroutine writes, is whole, and is restored in place of another
// ledger, which is kept.
func TestBackupAndRestore(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	path, copied := filepath.Join(dir, "rollcall.db"), filepath.Join(dir, "backup.db")
	l := open(t, path)
	record(t, l, "1", first(0))
	stop := make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
				record(t, l, "", first(n))
			}
		}
	})
	for { // some are there
		if totals, err := l.Totals(ctx, "prod"); err != nil || totals.Nodes > 20 {
			check(t, err)
			break
		}
	}
	check(t, Backup(ctx, path, copied))
	close(stop)
	writers.Wait()
	if err := Backup(ctx, path, copied); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a file was overwritten: %v", err)
	}
	if _, err := Restore(ctx, copied, path, t0); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a ledger in use was replaced: %v", err)
	}
	instance := l.Instance()
	whole, err := l.Totals(ctx, "prod")
	check(t, err)
	check(t, l.Close())
	kept, err := Restore(ctx, copied, path, t0)
	check(t, err)
	l = open(t, path)
	back, err := l.Totals(ctx, "prod")
	check(t, err)
	if back.Nodes < 20 || back.Nodes > whole.Nodes || l.Instance() == instance {
		t.Errorf("restored %d of %d nodes, instance %s of %s", back.Nodes, whole.Nodes, l.Instance(), instance)
	}
	check(t, l.Close())
	old := open(t, kept)
	if totals, err := old.Totals(ctx, "prod"); err != nil || totals.Nodes != whole.Nodes || old.Instance() != instance {
		t.Errorf("what was replaced has %d of %d nodes, %v", totals.Nodes, whole.Nodes, err)
	}
	check(t, old.Close())

	// Where nothing was, nothing is kept.
	fresh := filepath.Join(dir, "new", "rollcall.db")
	if _, err := Restore(ctx, copied, fresh, t0); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("no folder: %v", err)
	}
	check(t, os.Mkdir(filepath.Dir(fresh), 0o755))
	if kept, err := Restore(ctx, copied, fresh, t0); err != nil || kept != "" {
		t.Errorf("%q, %v", kept, err)
	}
}

// A wrong file is refused, and what is there is left untouched.
func TestRestoreRefuses(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	path := filepath.Join(dir, "rollcall.db")
	l := open(t, path)
	record(t, l, "1", first(1))
	good := filepath.Join(dir, "good.db")
	check(t, Backup(ctx, path, good))
	if _, err := l.w.ExecContext(ctx, `PRAGMA user_version = 9999`); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	if err := Backup(ctx, path, newer); err == nil || !strings.Contains(err.Error(), "newer Rollcall") {
		t.Errorf("a newer ledger was copied: %v", err)
	}
	if _, err := l.w.ExecContext(ctx, `PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	check(t, l.Close())
	before := must[[]byte](t)(os.ReadFile(path))
	cut := filepath.Join(dir, "cut.db")
	content := must[[]byte](t)(os.ReadFile(good))
	check(t, os.WriteFile(cut, append(content[:len(content)/2:len(content)/2], make([]byte, 4096)...), 0o644))
	text := filepath.Join(dir, "text.db")
	check(t, os.WriteFile(text, []byte(strings.Repeat("no ledger ", 100)), 0o644))
	for _, from := range []string{cut, text, filepath.Join(dir, "nothing.db"), dir} {
		if _, err := Restore(ctx, from, path, time.Now()); err == nil {
			t.Errorf("%s was restored", from)
		}
	}
	if after := must[[]byte](t)(os.ReadFile(path)); string(before) != string(after) {
		t.Error("a refused backup has changed the ledger")
	}
	for _, name := range []string{path + ".part", cut + ".part"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s is left behind", name)
		}
	}
}
