package ledger

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"rollcall/internal/query"
)

// While people's questions take all the readers that they have, Rollcall's own are answered: what it is to
// tell, where its watches stand, and whether the ledger answers at all.
func TestPeopleStarveNobody(t *testing.T) {
	l := fresh(t)
	record(t, l, "1", first(1))
	people := l.ForPeople()
	asking, stop := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer stop()
	for range readersEach + 2 { // some wait for the others
		waiting.Go(func() {
			_, _, err := one(asking, once{people.r}, value[int64], `WITH RECURSIVE n(i) AS (
				SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) SELECT count(*) FROM n`)
			if err == nil {
				t.Error("the slow question was answered")
			}
		})
	}
	for people.r.Stats().WaitCount < 2 {
		runtime.Gosched()
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := people.CountNodes(short, "prod", query.NodeFilter{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("people have a reader left: %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	check(t, l.Ping(ctx))
	if c, err := l.Checkpoint(ctx, "prod"); err != nil || c.NodesVersion != "1" {
		t.Errorf("the checkpoint: %+v, %v", c, err)
	}
	if todo, _, err := l.Todo(ctx, "prod", 10); err != nil || len(todo) != 1 {
		t.Errorf("to-dos: %v, %v", todo, err)
	}
	if _, err := l.LiveWaves(ctx, "prod"); err != nil {
		t.Error(err)
	}
	record(t, l, "2", first(2))
	if people.Instance() != l.Instance() {
		t.Error("people ask another ledger")
	}
}
