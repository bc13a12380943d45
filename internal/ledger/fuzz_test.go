package ledger

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/query"
)

// ways out of what Open refuses: each of its errors has one.
var waysOut = []string{"restore a backup", "name another file", "remove it", "move it away", "move the log away",
	"run the newer version", "close that program", "make room"}

// FuzzOpen opens what somebody, or a disk, has made of a ledger. base is a file to begin with; edits are four bytes
// each, where and what to write in it; cut is by how many bytes it ends too early. A log is left beside it, which
// SQLite reads into the file when it is whole.
func FuzzOpen(f *testing.F) {
	old := must[[]byte](f)(os.ReadFile(unpack(f, "schema-11.db.gz")))
	dir := f.TempDir()
	path := filepath.Join(dir, "rollcall.db")
	l := must[*Ledger](f)(Open(f.Context(), path, Options{}))
	fleetOf(f, l, some()...)
	live, log := must[[]byte](f)(os.ReadFile(path)), must[[]byte](f)(os.ReadFile(path+"-wal"))
	check(f, l.Close())
	closed := must[[]byte](f)(os.ReadFile(path))
	check(f, Backup(f.Context(), path, path+".copy"))
	backup := must[[]byte](f)(os.ReadFile(path + ".copy"))
	bases := []struct{ file, log []byte }{{nil, nil}, {old, nil}, {closed, nil}, {live, log}, {backup, nil}, {closed, log}}

	at := func(offset int, what ...byte) (edits []byte) {
		for i, b := range what {
			edits = append(edits, byte((offset+i)>>16), byte((offset+i)>>8), byte(offset+i), b)
		}
		return edits
	}
	for base := range bases[1:] {
		f.Add(uint8(base+1), []byte(nil), uint32(0), false)
		f.Add(uint8(base+1), at(2*4096, 0xff, 0xff, 0xff), uint32(0), false) // a page of another kind
	}
	for _, edits := range [][]byte{
		at(60, 0, 0, 0, 99),        // schema 99
		at(60, 255, 255, 255, 251), // schema -5
		at(60, 0, 0, 0, 0),         // schema 0, with tables
		at(60, 0, 0, 0, 3),         // schema 3, with others' tables
		at(16, 2, 0),               // pages of 512 bytes
		at(56, 0, 0, 0, 2),         // UTF-16
	} {
		f.Add(uint8(3), edits, uint32(0), false)
	}
	f.Add(uint8(1), at(60, 0, 0, 0, 12), uint32(0), false)         // the next schema, without its columns
	f.Add(uint8(2), []byte(nil), uint32(3*4096+17), false)         // cut off by a full disk
	f.Add(uint8(3), at(24, 0, 0, 1), uint32(0), true)              // a torn log
	f.Add(uint8(5), at(2*4096, 0xff, 0xff), uint32(3*4096), false) // cut off, with a log
	f.Add(uint8(0), []byte("SQLite format 3\x00 and no more"), uint32(0), true)
	if i := bytes.Index(closed, []byte("fingerprint")); i > 0 { // a column has another name
		f.Add(uint8(2), at(i, 'f', 'o', 'o'), uint32(0), false)
	}
	f.Fuzz(func(t *testing.T, base uint8, edits []byte, cut uint32, inLog bool) {
		file, log := bytes.Clone(bases[int(base)%len(bases)].file), bytes.Clone(bases[int(base)%len(bases)].log)
		if file == nil {
			file = bytes.Clone(edits)
		}
		edited := file
		if inLog {
			edited = log
		}
		for ; len(edits) >= 4; edits = edits[4:] {
			if i := int(edits[0])<<16 | int(edits[1])<<8 | int(edits[2]); len(edited) > 0 {
				edited[i%len(edited)] = edits[3]
			}
		}
		file = file[:len(file)-min(int(cut), len(file))]
		path := filepath.Join(t.TempDir(), "rollcall.db")
		check(t, os.WriteFile(path, file, 0o600))
		if log != nil {
			check(t, os.WriteFile(path+"-wal", log, 0o600))
		}
		l, err := Open(t.Context(), path, Options{LockWait: 50 * time.Millisecond})
		if err != nil {
			// What shows only when it is written to may be found after an old schema was brought up to date, or a log
			// was begun.
			if b := int(base) % len(bases); (b == 1 || b == 4) && !strings.Contains(err.Error(), "left untouched") {
				file, _ = os.ReadFile(path)
			}
			checkRefused(t, path, err, file, log)
			return
		}
		// What is in it may be nonsense, and then questions have errors.
		l.Checkpoint(t.Context(), "prod")
		l.Totals(t.Context(), "prod")
		l.LiveWaves(t.Context(), "prod")
		l.Todo(t.Context(), "prod", 10)
		l.KnownNodes(t.Context(), "prod")
		l.ListNodes(t.Context(), "prod", query.NodeFilter{}, query.SortNewest, 0, 10)
		l.Events(t.Context(), "prod", query.EventFilter{}, query.EventCursor{}, 10)
		l.Mutes(t.Context(), "prod", t0)
		check(t, l.Close())
		l, err = Open(t.Context(), path, Options{LockWait: 50 * time.Millisecond})
		if err != nil {
			t.Fatalf("it was opened once, and then not again: %v", err)
		}
		check(t, l.Close())
	})
}

// checkRefused checks that a refusal names the file and a way out, and that it has left everything as it was.
func checkRefused(t *testing.T, path string, err error, file, log []byte) {
	t.Helper()
	said := err.Error()
	hint := false
	for _, way := range waysOut {
		hint = hint || strings.Contains(said, way)
	}
	if !hint || !strings.Contains(said, path) {
		t.Fatalf("the error has no hint: %v", err)
	}
	if now := must[[]byte](t)(os.ReadFile(path)); !bytes.Equal(now, file) {
		t.Fatalf("the file is changed from %d bytes to %d, and: %v", len(file), len(now), err)
	}
	if now, wrong := os.ReadFile(path + "-wal"); len(log) > 0 && (wrong != nil || !bytes.Equal(now, log)) {
		t.Fatalf("the log is changed from %d bytes to %d (%v), and: %v", len(log), len(now), wrong, err)
	}
}
