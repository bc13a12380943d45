package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

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
	negative := filepath.Join(dir, "negative.db")
	must[*Ledger](t)(Open(ctx, negative, Options{})).Close()
	exec(negative, `PRAGMA user_version = -5`)
	lacking := filepath.Join(dir, "lacking.db")
	must[*Ledger](t)(Open(ctx, lacking, Options{})).Close()
	exec(lacking, `DROP INDEX messages_ts`)
	early := filepath.Join(dir, "early.db")
	must[*Ledger](t)(Open(ctx, early, Options{})).Close()
	exec(early, fmt.Sprintf(`PRAGMA user_version = %d`, len(migrations)-1))
	header := func(name string, offset int64, b byte) string {
		path := filepath.Join(dir, name)
		must[*Ledger](t)(Open(ctx, path, Options{})).Close()
		f := must[*os.File](t)(os.OpenFile(path, os.O_WRONLY, 0))
		_, err := f.WriteAt([]byte{b}, offset)
		check(t, errors.Join(err, f.Close()))
		return path
	}
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
		{"no schema", negative, "its schema is -5"},
		{"a part of the schema missing", lacking, "an index messages_ts of messages"},
		{"a part of a later schema", early, "and schema"},
		{"a file format that only others write", header("format.db", 18, 226), "version 226 for writing"},
		{"an encoding that nobody writes", header("encoding.db", 59, 64), "its text has encoding 64"},
		{"a schema format that SQLite does not read", header("schema.db", 47, 9), "it is damaged (SQL logic error"},
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

// What is refused stays as it is: its log is not moved into it, and no migration has begun.
func TestOpenLeavesDamagedUntouched(t *testing.T) {
	damage := func(path string) {
		f := must[*os.File](t)(os.OpenFile(path, os.O_WRONLY, 0))
		_, err := f.WriteAt([]byte{0xff, 0xff, 0xff}, 2*4096)
		check(t, errors.Join(err, f.Close()))
	}
	old := unpack(t, "schema-11.db.gz")
	damage(old)
	path := filepath.Join(t.TempDir(), "rollcall.db")
	l := open(t, path)
	record(t, l, "1", first(1))
	log := must[[]byte](t)(os.ReadFile(path + "-wal"))
	check(t, l.Close())
	check(t, os.WriteFile(path+"-wal", log, 0o600)) // as after a kill
	damage(path)
	check(t, os.Truncate(path, 5*4096))
	for name, path := range map[string]string{"of an old schema": old, "with a log": path} {
		file := must[[]byte](t)(os.ReadFile(path))
		log, _ := os.ReadFile(path + "-wal")
		if l, err := Open(t.Context(), path, Options{}); err == nil {
			l.Close()
			t.Fatalf("%s: it was opened", name)
		} else {
			checkRefused(t, path, err, file, log)
		}
	}
}

// Damage that no check finds, an empty index whose page says that it is of a table, shows when the ledger is taken
// over. That is undone then, and the log stays where it is.
func TestOpenUndoesTakingOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.db")
	l := open(t, path)
	fleetOf(t, l, some()...)
	var root int64
	check(t, l.w.QueryRow(`SELECT rootpage FROM sqlite_schema WHERE name = 'messages_ts'`).Scan(&root))
	file, log := must[[]byte](t)(os.ReadFile(path)), must[[]byte](t)(os.ReadFile(path+"-wal"))
	check(t, l.Close())
	file[(root-1)*4096] = 13
	check(t, os.WriteFile(path, file, 0o600))
	check(t, os.WriteFile(path+"-wal", log, 0o600)) // as after a kill
	l, err := Open(t.Context(), path, Options{})
	if err == nil {
		l.Close()
		t.Fatal("it was opened")
	}
	checkRefused(t, path, err, file, log)
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

func TestOpenToRead(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "rollcall.db"), t.Context()
	if _, err := OpenToRead(ctx, path); err == nil || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("a ledger that is not there: %v", err)
	}
	l := open(t, path)
	record(t, l, "1", first(1))
	r, err := OpenToRead(ctx, path) // while another has it open
	check(t, err)
	defer r.Close()
	record(t, l, "2", first(2))
	if totals, err := r.Totals(ctx, "prod"); err != nil || totals.Nodes != 2 {
		t.Errorf("%+v, %v", totals, err)
	}
	if err := r.Watched(ctx, "prod", t0, "3"); err == nil {
		t.Error("a ledger that is open to read was written")
	}
	if _, err := l.w.ExecContext(ctx, `PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenToRead(ctx, path); err == nil || !strings.Contains(err.Error(), "schema 1") {
		t.Errorf("an older schema: %v", err)
	}
}

// Nobody but their owner reads a ledger's files and its backups. Those that an older version made readable
// for everybody are taken away from the others when the ledger is opened.
func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are Unix's")
	}
	path := filepath.Join(t.TempDir(), "rollcall.db")
	l := open(t, path)
	record(t, l, "1", first(1))
	names := []string{path, path + "-wal", path + "-shm", path + ".lock"}
	modes := func(when string, names ...string) {
		t.Helper()
		for _, name := range names {
			if info := must[os.FileInfo](t)(os.Stat(name)); info.Mode().Perm() != 0o600 {
				t.Errorf("%s %s has mode %v", when, filepath.Base(name), info.Mode())
			}
		}
	}
	modes("new:", names...)
	check(t, Backup(t.Context(), path, path+".copy"))
	modes("a backup:", path+".copy")
	log := must[[]byte](t)(os.ReadFile(path + "-wal"))
	check(t, l.Close())
	check(t, os.WriteFile(path+"-wal", log, 0o600)) // as after a kill
	check(t, os.WriteFile(path+"-shm", nil, 0o600))
	for _, name := range names {
		check(t, os.Chmod(name, 0o664))
	}
	l = open(t, path)
	record(t, l, "2", first(2))
	modes("of an older version:", names...)
	check(t, os.Chmod(path+".copy", 0o644))
	check(t, l.Close())
	must[string](t)(Restore(t.Context(), path+".copy", path, t0))
	modes("restored:", path)
}
