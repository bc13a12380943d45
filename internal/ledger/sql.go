package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
)

// Compiling a statement takes SQLite longer than running it on a few rows. So both sides keep
// their statements compiled: readers any that they have used, the writer those below, which are
// compiled when the ledger is opened because its only connection is busy later.

// hot are the writer's statements between a change in the cluster and its message in Slack, and
// those of events, which are the most.
var hot = []string{oldNodeSQL, upsertNodeSQL, insertChangeSQL, markSQL, insertWaveSQL, keyWaveSQL, insertMessageSQL, assignSQL, extendWaveSQL, acceptMessageSQL, tellChangesSQL,
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

// once is QueryContext for a statement that depends on what a person asked for: it is not kept.
func (r *reader) once(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	r.observed(query, args)
	return r.DB.QueryContext(ctx, query, args...)
}

// onceRow is QueryRowContext for such a statement.
func (r *reader) onceRow(ctx context.Context, query string, args ...any) *sql.Row {
	r.observed(query, args)
	return r.DB.QueryRowContext(ctx, query, args...)
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
