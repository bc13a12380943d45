package ledger

import (
	"errors"
	"fmt"
	"iter"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// doing says in an error, if there is one, what was being done, and what a person can do about it.
// Each exported method defers it once, and calls no other exported method that does:
//
//	defer doing(&err, "reading gaps of %s", cluster)
func doing(err *error, what string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(what, args...), explain(*err))
	}
}

// explain gives SQLite's errors that a person must act on a hint.
func explain(err error) error {
	se, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("it is damaged (%w): restore a backup, or move it away to begin anew", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("it cannot be written (%w); mount it read-write and owned by the user that Rollcall runs as "+
			"(fsGroup in a pod)", err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("another program has it locked (%w); close that program (a sqlite3 shell?) and start again", err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return fmt.Errorf("the disk is full or failing (%w); make room on its volume", err)
	}
	return err
}

// telling is what doing is to a method, to one that yields.
func telling[T any](what string, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range all {
			doing(&err, "%s", what)
			if !yield(v, err) {
				return
			}
		}
	}
}
