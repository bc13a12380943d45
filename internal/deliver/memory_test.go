package deliver

import (
	"context"
	"errors"
	"testing"
	"time"

	"rollcall/internal/cause"
	"rollcall/internal/fleet"
)

// asked counts questions, and answers each with an event of its own.
type asked struct {
	cause.Evidence
	n    int
	fail bool
}

func (a *asked) answer() ([]fleet.Event, error) {
	a.n++
	if a.fail {
		return nil, errors.New("locked")
	}
	return []fleet.Event{{Count: a.n}}, nil
}

func (a *asked) On(context.Context, fleet.ObjectRef, time.Time, time.Time, int) ([]fleet.Event, error) {
	return a.answer()
}

func (a *asked) Naming(context.Context, fleet.ObjectRef, time.Time, time.Time, int) ([]fleet.Event, error) {
	return a.answer()
}

func (a *asked) Because(context.Context, string, time.Time, time.Time, int) ([]fleet.Event, error) {
	return a.answer()
}

// What many nodes may share is asked once, and anything else each time; no answer is another question's.
func TestMemory(t *testing.T) {
	in := &asked{}
	m, ctx := remember(in), t.Context()
	t0 := time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)
	web, pod := fleet.ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web"},
		fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web"}
	ask := func(what string, of fleet.ObjectRef, reason string, until time.Time, limit int) ([]fleet.Event, error) {
		switch what {
		case "on":
			return m.On(ctx, of, t0, until, limit)
		case "naming":
			return m.Naming(ctx, of, t0, until, limit)
		}
		return m.Because(ctx, reason, t0, until, limit)
	}
	in.fail = true
	if _, err := ask("on", web, "", t0, 5); err == nil {
		t.Error("an error is swallowed")
	}
	in.fail, in.n = false, 0
	for i, q := range []struct {
		what   string
		of     fleet.ObjectRef
		reason string
		until  time.Time
		limit  int
		want   int // which answer it gets
	}{
		{"on", web, "", t0, 5, 1},
		{"on", web, "", t0, 5, 1},
		{"naming", web, "", t0, 5, 2},
		{"because", fleet.ObjectRef{}, "web", t0, 5, 3},
		{"because", fleet.ObjectRef{}, "other", t0, 5, 4},
		{"because", fleet.ObjectRef{}, "web", t0, 5, 3},
		{"on", web, "", t0.Add(1), 5, 5},
		{"on", web, "", t0, 6, 6},
		{"on", pod, "", t0, 5, 7},
		{"on", pod, "", t0, 5, 8},
		{"naming", pod, "", t0, 5, 9},
		{"naming", pod, "", t0, 5, 10},
		{"naming", web, "", t0, 5, 2},
	} {
		events, err := ask(q.what, q.of, q.reason, q.until, q.limit)
		if err != nil || len(events) != 1 || events[0].Count != q.want {
			t.Errorf("question %d got answer %+v, %v, want %d", i, events, err, q.want)
		}
	}
}
