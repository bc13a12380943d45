package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// checkUpTo is how large a file may be, in bytes, that is checked from beginning to end before it is opened. A damaged
// file of the common size is found then rather than in the night; a large one would delay the start by seconds.
const checkUpTo = 16 << 20

// look refuses a ledger that is damaged, or of a newer schema, before anything is opened that could write. What it
// returns is to be closed, after what writes: SQLite moves the write-ahead log into the file when the last connection
// to it is closed, unless that cannot write.
func look(ctx context.Context, path string) (*sql.DB, error) {
	read := "&mode=ro"
	if !there(path + "-wal") {
		read += "&immutable=1" // leaves no empty log behind
	}
	db, err := sql.Open("sqlite", dsn(path, "busy_timeout(5000)", "query_only(ON)")+read)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if there(path + "-journal") {
		return db, nil // another program was killed while it wrote: only a writer can roll that back
	}
	err = lookInto(ctx, once{&reader{DB: db}}, path)
	if se, ok := errors.AsType[*sqlite.Error](err); ok {
		switch se.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
			sqlite3.SQLITE_ERROR: // there is nothing wrong with the statements
			err = damaged(se.Error())
		}
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func lookInto(ctx context.Context, r once, path string) error {
	version, _, err := one(ctx, r, value[int], `PRAGMA user_version`)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("it was written by a newer Rollcall (schema %d, this one knows %d); it was left untouched: run "+
			"the newer version, or restore a backup made before the upgrade", version, len(migrations))
	}
	if info, err := os.Stat(path); err == nil && info.Size() < checkUpTo {
		found, _, err := one(ctx, r, value[string], `PRAGMA quick_check(1)`)
		if err != nil {
			return err
		}
		if found != "ok" {
			return damaged(found)
		}
	}
	if version < 1 {
		return damaged(fmt.Sprintf("its schema is %d", version))
	}
	return lookAtSchema(ctx, r, version)
}

func there(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// damaged is the error of a ledger that is not as Rollcall writes it.
func damaged(how string) error {
	return fmt.Errorf("it is damaged (%s); it was left untouched: restore a backup, or move it away to begin anew", how)
}

// lookAtSchema checks that a ledger has all that its version of the schema has, and nothing that a later one adds. What
// somebody else has added is let be.
func lookAtSchema(ctx context.Context, r once, version int) error {
	want, err := parts(version)
	if err != nil {
		return fmt.Errorf("finding out what schema %d has: %w", version, err)
	}
	have, err := collect(ctx, r, value[string], partsSQL)
	if err != nil {
		return err
	}
	later, err := parts(len(migrations))
	if err != nil {
		return fmt.Errorf("finding out what schema %d has: %w", len(migrations), err)
	}
	for _, part := range want {
		if !slices.Contains(have, part) {
			return damaged(fmt.Sprintf("schema %d has %s, and this file does not", version, part))
		}
	}
	for _, part := range later {
		if !slices.Contains(want, part) && slices.Contains(have, part) {
			return damaged(fmt.Sprintf("it has %s, and schema %d does not", part, version))
		}
	}
	return nil
}

// partsSQL lists the columns and the indices of a database.
const partsSQL = `SELECT 'a column ' || t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite~_%' ESCAPE '~'
	UNION ALL SELECT 'an index ' || name || ' of ' || tbl_name FROM sqlite_schema
		WHERE type = 'index' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'`

var (
	partsMu sync.Mutex
	partsOf = map[int][]string{} // by version; guarded by partsMu
)

// parts are the columns and the indices of a version of the schema, in alphabetical order.
func parts(version int) ([]string, error) {
	partsMu.Lock()
	defer partsMu.Unlock()
	if known := partsOf[version]; known != nil {
		return known, nil
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each has a memory of its own
	ctx := context.Background()
	for _, migration := range migrations[:version] {
		if _, err := db.ExecContext(ctx, migration); err != nil {
			return nil, err
		}
	}
	all, err := collect(ctx, once{&reader{DB: db}}, value[string], partsSQL)
	if err == nil {
		slices.Sort(all)
		partsOf[version] = all
	}
	return all, err
}
