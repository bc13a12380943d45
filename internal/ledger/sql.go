package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"sync"
	"time"
)

// row is one row of an answer. Scan copies its columns into the places that dest points to.
type row interface{ Scan(dest ...any) error }

// asker runs statements that give rows: reader, once, tx and eventSearch.
type asker interface {
	ask(ctx context.Context, stmt string, args []any) (*sql.Rows, error)
}

// each yields what scan makes of each row, and at most one error, which is the last. It needs its
// connection until it ends.
func each[T any](ctx context.Context, q asker, scan func(row) (T, error), stmt string, args ...any) (
	all iter.Seq2[T, error]) {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := q.ask(ctx, stmt, args)
		if err != nil {
			yield(none, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			v, err := scan(rows)
			if err != nil {
				yield(none, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, err)
		}
	}
}

// collect returns what scan makes of all rows; nil if there are none.
func collect[T any](ctx context.Context, q asker, scan func(row) (T, error), stmt string, args ...any) ([]T, error) {
	var all []T
	for v, err := range each(ctx, q, scan, stmt, args...) {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// one returns what scan makes of the first row; ok is false if there is none.
func one[T any](ctx context.Context, q asker, scan func(row) (T, error), stmt string, args ...any) (
	v T, ok bool, err error) {
	rows, err := q.ask(ctx, stmt, args)
	if err != nil {
		return v, false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return v, false, rows.Err()
	}
	if v, err = scan(rows); err != nil {
		return v, false, err
	}
	return v, true, rows.Close()
}

// value scans rows of one column.
func value[T any](r row) (v T, err error) {
	err = r.Scan(&v)
	return v, err
}

// scanTo scans the only row of an answer into dest.
func scanTo(dest ...any) func(row) (struct{}, error) {
	return func(r row) (struct{}, error) { return struct{}{}, r.Scan(dest...) }
}

// counted scans rows of a key and how many there are of it.
func counted[K any](r row) (c struct {
	key K
	n   int
}, err error) {
	err = r.Scan(&c.key, &c.n)
	return c, err
}

// ms is a time for the database, Unix milliseconds: nil for the zero time, so that it becomes NULL.
func ms(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// at scans what ms made of a time into t.
type at struct{ t *time.Time }

// Scan is that of sql.Scanner.
func (a at) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*a.t = time.Time{}
	case int64:
		*a.t = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("%T is no time", v)
	}
	return nil
}

// Compiling a statement takes SQLite longer than running it on a few rows. So both sides keep
// their statements compiled: readers any that they have used, the writer those below, which are
// compiled when the ledger is opened because its only connection is busy later.

// hot are the writer's statements between a change in the cluster and its message in Slack, and
// those of events, which are the most.
var hot = []string{writerSQL, oldNodeSQL, upsertNodeSQL, insertChangeSQL, markSQL, insertWaveSQL, keyWaveSQL,
	insertMessageSQL, assignSQL, extendWaveSQL, acceptSQL, tellSQL, tellCausesSQL, findLabelsSQL, insertLabelsSQL,
	insertEventSQL, insertNamingSQL, oldEventSQL, mergeEventSQL, addTotalsSQL, eventsVersionSQL, insertNameSQL,
	repeatNamesSQL, keepNamesSQL, explainReadySQL, findCauseSQL, insertCauseSQL, setCauseSQL, setChainSQL, lookedSQL,
	waitSQL, putWaitSQL, endWaitSQL, waitedSQL,
	keepSQL, openStatesSQL, endKeepsSQL, putStepSQL,
	spentLifeSQL, spendKeySQL, findSpendGroupSQL, insertSpendGroupSQL, spendBoundsSQL, spendNextSQL, spendLastSQL,
	copySpendSQL, addSpendSQL, setGroupSQL, lastWentSQL, setInterruptedSQL,
	moveFeedSQL, insertDeliverySQL, deliveredSQL, feedCauseSQL, toldCauseSQL, fedWaveSQL}

// tx is a write transaction.
type tx struct {
	*sql.Tx
	hot map[string]*sql.Stmt
}

func (t tx) ask(ctx context.Context, stmt string, args []any) (*sql.Rows, error) {
	if s, ok := t.hot[stmt]; ok {
		return t.StmtContext(ctx, s).QueryContext(ctx, args...)
	}
	return t.QueryContext(ctx, stmt, args...)
}

// exec runs a statement that gives no rows, and returns how many it changed.
func (t tx) exec(ctx context.Context, stmt string, args ...any) (int64, error) {
	if s, ok := t.hot[stmt]; ok {
		return changed(t.StmtContext(ctx, s).ExecContext(ctx, args...))
	}
	return changed(t.ExecContext(ctx, stmt, args...))
}

func changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// tx runs f in a write transaction: all of it or nothing. It fails where this process is no longer the
// ledger's writer. Where the disk is full it makes room, and runs f again from its beginning.
func (l *Ledger) tx(ctx context.Context, f func(tx) error) error {
	err := l.try(ctx, f)
	if l.token != "" && isFull(err) && l.makeRoom(ctx) {
		err = l.try(ctx, f)
	}
	return err
}

// try is tx without a second try.
func (l *Ledger) try(ctx context.Context, f func(tx) error) error {
	t, err := l.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	within := tx{t, l.hot}
	if err := l.fence(ctx, within); err != nil {
		t.Rollback()
		return err
	}
	if err := f(within); err != nil {
		t.Rollback()
		return err
	}
	return t.Commit()
}

// exec runs one statement in a transaction of its own, and returns how many rows it changed.
func (l *Ledger) exec(ctx context.Context, stmt string, args ...any) (n int64, err error) {
	err = l.tx(ctx, func(tx tx) error { n, err = tx.exec(ctx, stmt, args...); return err })
	return n, err
}

// pragma runs a statement on the writer's connection that is about the file or the connection, which no
// transaction may hold.
func (l *Ledger) pragma(ctx context.Context, stmt string) error {
	_, err := l.w.ExecContext(ctx, stmt)
	return err
}

// prepareHot compiles the writer's statements.
func (l *Ledger) prepareHot(ctx context.Context) error {
	l.hot = map[string]*sql.Stmt{}
	for _, stmt := range hot {
		s, err := l.w.PrepareContext(ctx, stmt)
		if err != nil {
			return fmt.Errorf("preparing %.40q: %w", stmt, err)
		}
		l.hot[stmt] = s
	}
	return nil
}

// reader is the readers' side of the database. It keeps each statement compiled that it has run,
// so these must be few: a statement that depends on what a person asked for is run by once.
type reader struct {
	*sql.DB
	mu      sync.Mutex
	stmts   map[string]*sql.Stmt          // by text; guarded by mu
	observe func(stmt string, args []any) // tests see here what is run; else nil
}

func (r *reader) ask(ctx context.Context, stmt string, args []any) (*sql.Rows, error) {
	r.observed(stmt, args)
	s, err := r.compiled(ctx, stmt)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (r *reader) compiled(ctx context.Context, stmt string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.stmts[stmt]; ok {
		return s, nil
	}
	s, err := r.PrepareContext(ctx, stmt)
	if err == nil {
		r.stmts[stmt] = s
	}
	return s, err
}

func (r *reader) observed(stmt string, args []any) {
	if r.observe != nil {
		r.observe(stmt, args)
	}
}

// once is a reader that does not keep what it compiles.
type once struct{ *reader }

func (o once) ask(ctx context.Context, stmt string, args []any) (*sql.Rows, error) {
	o.observed(stmt, args)
	return o.QueryContext(ctx, stmt, args...)
}
