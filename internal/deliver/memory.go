package deliver

import (
	"context"
	"time"

	"rollcall/internal/cause"
	"rollcall/internal/fleet"
)

// memory is evidence that remembers, for one go, what was found out about workloads and reasons: thousands of nodes may
// have come for one Deployment. What is about one node or one pod is not asked for twice, and is not kept.
type memory struct {
	cause.Evidence
	known map[lookup][]fleet.Event
}

// lookup is a question.
type lookup struct {
	how         string
	of          fleet.ObjectRef
	reason      string
	from, until int64 // Unix nanoseconds
	limit       int
}

func remember(in cause.Evidence) memory { return memory{in, map[lookup][]fleet.Event{}} }

// once answers a question that was answered before, or asks.
func (m memory) once(q lookup, from, until time.Time, ask func() ([]fleet.Event, error)) ([]fleet.Event, error) {
	q.from, q.until = from.UnixNano(), until.UnixNano()
	if events, ok := m.known[q]; ok {
		return events, nil
	}
	events, err := ask()
	if err == nil {
		m.known[q] = events
	}
	return events, err
}

// shared reports whether more than one node may depend on an object.
func shared(of fleet.ObjectRef) bool {
	switch of.Kind {
	case "Node", "NodeClaim", "Machine", "Pod":
		return false
	}
	return true
}

// On is that of cause.Evidence.
func (m memory) On(ctx context.Context, of fleet.ObjectRef, from, until time.Time, limit int) ([]fleet.Event, error) {
	ask := func() ([]fleet.Event, error) { return m.Evidence.On(ctx, of, from, until, limit) }
	if !shared(of) {
		return ask()
	}
	return m.once(lookup{how: "on", of: of, limit: limit}, from, until, ask)
}

// Naming is that of cause.Evidence.
func (m memory) Naming(ctx context.Context, of fleet.ObjectRef, from, until time.Time, limit int) (
	[]fleet.Event, error) {
	ask := func() ([]fleet.Event, error) { return m.Evidence.Naming(ctx, of, from, until, limit) }
	if !shared(of) {
		return ask()
	}
	return m.once(lookup{how: "naming", of: of, limit: limit}, from, until, ask)
}

// Because is that of cause.Evidence.
func (m memory) Because(ctx context.Context, reason string, from, until time.Time, limit int) ([]fleet.Event, error) {
	return m.once(lookup{how: "because", reason: reason, limit: limit}, from, until, func() ([]fleet.Event, error) {
		return m.Evidence.Because(ctx, reason, from, until, limit)
	})
}
