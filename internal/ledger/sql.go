package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// explain gives SQLite's errors that a person must act on a hint.
func explain(err error) error {
	se, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("it is damaged (%w); it was left untouched: restore a backup, or move it away to begin anew", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf(
			"it cannot be written (%w); mount it read-write and owned by the user that Rollcall runs as (fsGroup in a pod)", err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("another program has it locked (%w); close that program (a sqlite3 shell?) and start again", err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return fmt.Errorf("the disk is full or failing (%w); make room on its volume", err)
	}
	return err
}

// ms is a time for the database: nil for the zero time, so that it becomes NULL.
func ms(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromMS(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMilli(v.Int64).UTC()
}

// Compiling a statement takes SQLite longer than running it on a few rows. So both sides keep
// their statements compiled: readers any that they have used, the writer those below, which are
// compiled when the ledger is opened because its only connection is busy later.

// hot are the writer's statements between a change in the cluster and its message in Slack, and
// those of events, which are the most.
var hot = []string{oldNodeSQL, upsertNodeSQL, insertChangeSQL, markSQL, insertWaveSQL, keyWaveSQL, insertMessageSQL,
	assignSQL, extendWaveSQL, acceptMessageSQL, tellChangesSQL,
	findLabelsSQL, insertLabelsSQL, insertEventSQL, oldEventSQL, mergeEventSQL, addTotalsSQL, eventsVersionSQL}

// tx is a write transaction.
type tx struct {
	*sql.Tx
	hot map[string]*sql.Stmt
}

func (t tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s, ok := t.hot[query]; ok {
		return t.StmtContext(ctx, s).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

func (t tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if s, ok := t.hot[query]; ok {
		return t.StmtContext(ctx, s).QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}

// exec runs a statement.
func (t tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.ExecContext(ctx, query, args...)
	return err
}

// exec runs a statement in a write transaction of its own.
func (l *Ledger) exec(ctx context.Context, query string, args ...any) error {
	_, err := l.w.ExecContext(ctx, query, args...)
	return err
}

// tx runs f in a write transaction: all of it or nothing.
func (l *Ledger) tx(ctx context.Context, f func(tx) error) error {
	t, err := l.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx{t, l.hot}); err != nil {
		t.Rollback()
		return err
	}
	return t.Commit()
}

// prepareHot compiles the writer's statements.
func (l *Ledger) prepareHot(ctx context.Context) error {
	l.hot = map[string]*sql.Stmt{}
	for _, query := range hot {
		s, err := l.w.PrepareContext(ctx, query)
		if err != nil {
			return fmt.Errorf("preparing %.40q: %w", query, err)
		}
		l.hot[query] = s
	}
	return nil
}

// reader is the readers' side of the database.
type reader struct {
	*sql.DB
	mu      sync.Mutex
	stmts   map[string]*sql.Stmt           // by query, all of which are constants; guarded by mu
	observe func(query string, args []any) // tests see here what is run; else nil
}

// QueryContext is sql.DB's, with the statement compiled once.
func (r *reader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	r.observed(query, args)
	s, err := r.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext is sql.DB's, with the statement compiled once.
func (r *reader) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	r.observed(query, args)
	s, err := r.stmt(ctx, query)
	if err != nil {
		return r.DB.QueryRowContext(ctx, query, args...) // which reports the error
	}
	return s.QueryRowContext(ctx, args...)
}

// uncached is the readers' side for a statement that depends on what a person asked for: it is not
// kept compiled.
type uncached struct{ *reader }

// QueryContext is sql.DB's.
func (u uncached) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	u.observed(query, args)
	return u.DB.QueryContext(ctx, query, args...)
}

func (r *reader) observed(query string, args []any) {
	if r.observe != nil {
		r.observe(query, args)
	}
}

func (r *reader) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.stmts[query]; ok {
		return s, nil
	}
	s, err := r.PrepareContext(ctx, query)
	if err == nil {
		r.stmts[query] = s
	}
	return s, err
}

// row is what a row is scanned from: *sql.Rows, or *sql.Row.
type row interface{ Scan(dest ...any) error }

// querier runs queries: the readers' side, a connection of it, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each yields the rows of a query as scan reads them, and an error, if there is one, at the end.
func each[T any](ctx context.Context, q querier, scan func(row) (T, error), stmt string, args ...any) iter.Seq2[T,
	error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := q.QueryContext(ctx, stmt, args...)
		if err != nil {
			yield(none, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			v, err := scan(rows)
			if !yield(v, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, err)
		}
	}
}

// collect returns the rows of a query as scan reads them.
func collect[T any](ctx context.Context, q querier, scan func(row) (T, error), stmt string, args ...any) ([]T, error) {
	var all []T
	for v, err := range each(ctx, q, scan, stmt, args...) {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// one returns the first row of a query; ok is false if there is none.
func one[T any](ctx context.Context, q querier, scan func(row) (T, error), stmt string, args ...any) (v T, ok bool,
	err error) {
	for v, err := range each(ctx, q, scan, stmt, args...) {
		return v, err == nil, err
	}
	return v, false, nil
}

// value scans a row of one column.
func value[T any](r row) (v T, err error) {
	err = r.Scan(&v)
	return v, err
}

// doing says of an error, if there is one, what was being done, and gives it a hint where a person must
// act. It is deferred by everything that package ledger exports.
func doing(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf(format+": %w", append(args, explain(*err))...)
	}
}

// withDoing is doing for what a sequence yields.
func withDoing[T any](seq iter.Seq2[T, error], format string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range seq {
			doing(&err, format, args...)
			if !yield(v, err) {
				return
			}
		}
	}
}
