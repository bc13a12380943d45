package answer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// maxReads is how often events are read for one page: enough to fold a storm, and no more.
const maxReads = 6

// together is how far apart Karpenter says the same of a NodeClaim and of its Node.
const together = 5 * time.Second

// said is an event with those that say the same.
type said struct {
	fleet.Event                   // the newest; Count is of all
	objects     []fleet.ObjectRef // that it is said of, the newest first
	claim       string            // the node's NodeClaim, if it is said of that too; "" if not
}

// apart are events, each for itself.
func apart(events []fleet.Event) []said {
	var out []said
	for _, e := range events {
		out = append(out, said{Event: e, objects: []fleet.ObjectRef{e.Regarding}})
	}
	return out
}

// folded reads a page of events in which repetitions are one line, and so is what is said of a
// NodeClaim and its Node. Exact times leave each event for itself.
func (a *Answerer) folded(ctx context.Context, cluster string, req command.Events, at query.EventCursor,
	now time.Time) ([]said, query.EventPage, error) {
	page, err := a.store.Events(ctx, cluster, req.Filter(now), at, pageEvents)
	if err != nil || req.Exact {
		return apart(page.Events), page, err
	}
	owners := map[string]string{} // of nodes
	lines, err := a.fold(ctx, nil, page.Events, owners)
	// Towards newer events a page ends where the other begins.
	for reads := 1; err == nil && !at.Newer && reads < maxReads && len(lines) < pageEvents &&
		page.SearchedTo.IsZero() && !page.Older.IsZero(); reads++ {
		var more query.EventPage
		more, err = a.store.Events(ctx, cluster, req.Filter(now), page.Older, pageEvents-len(lines))
		if err != nil {
			break
		}
		page.Events = append(page.Events, more.Events...)
		page.Older, page.SearchedTo, page.More = more.Older, more.SearchedTo, more.More
		lines, err = a.fold(ctx, lines, more.Events, owners)
	}
	return lines, page, err
}

// fold adds events to lines, which are newer. owners remembers the NodeClaims of nodes.
func (a *Answerer) fold(ctx context.Context, lines []said, events []fleet.Event, owners map[string]string) (
	[]said, error) {
	for _, e := range events {
		i := slices.IndexFunc(lines, func(s said) bool { return sameSaid(s.Event, e) })
		if i >= 0 {
			s := &lines[i]
			s.Count = max(s.Count, 1) + max(e.Count, 1)
			if e.First.Before(s.First) {
				s.First = e.First
			}
			if !slices.ContainsFunc(s.objects, func(o fleet.ObjectRef) bool { return o.Name == e.Regarding.Name }) {
				s.objects = append(s.objects, e.Regarding)
			}
			continue
		}
		i, err := a.pairOf(ctx, lines, e, owners)
		if err != nil {
			return nil, err
		}
		if i < 0 {
			lines = append(lines, apart([]fleet.Event{e})...)
			continue
		}
		s := &lines[i]
		if e.Regarding.Kind == "Node" {
			claim := s.Regarding.Name
			e.Count, e.Last = max(e.Count, s.Count), s.Last
			*s = said{Event: e, objects: []fleet.ObjectRef{e.Regarding}, claim: claim}
		} else {
			s.claim, s.Count = e.Regarding.Name, max(e.Count, s.Count)
		}
	}
	return lines, nil
}

// sameSaid reports whether two events say the same of the same object, or of pods of one workload.
func sameSaid(a, b fleet.Event) bool {
	return a.Reason == b.Reason && a.Type == b.Type && a.Regarding.Kind == b.Regarding.Kind &&
		a.Regarding.Namespace == b.Regarding.Namespace && workload(a.Regarding) == workload(b.Regarding) &&
		bareNote(a) == bareNote(b)
}

// workload is the name that pods of one workload share; of what is no pod, its own.
func workload(o fleet.ObjectRef) string {
	if i := strings.LastIndexByte(o.Name, '-'); o.Kind == "Pod" && i > 0 {
		return o.Name[:i]
	}
	return o.Name
}

// bareNote is an event's note without the name of its object.
func bareNote(e fleet.Event) string {
	if e.Regarding.Name == "" {
		return e.Note
	}
	return strings.ReplaceAll(e.Note, e.Regarding.Name, "…")
}

// pairOf is the line that says of a node what e says of its NodeClaim, or the other way round; -1
// if there is none.
func (a *Answerer) pairOf(ctx context.Context, lines []said, e fleet.Event, owners map[string]string) (int, error) {
	other := map[string]string{"Node": "NodeClaim", "NodeClaim": "Node"}[e.Regarding.Kind]
	if other == "" {
		return -1, nil
	}
	for i, s := range lines {
		if s.Regarding.Kind != other || s.claim != "" || s.Reason != e.Reason || s.Type != e.Type ||
			s.Last.Sub(e.Last).Abs() > together {
			continue
		}
		node, claim := s.Regarding.Name, e.Regarding.Name
		if other == "NodeClaim" {
			node, claim = claim, node
		}
		owner, known := owners[node]
		if !known {
			nodes, how, _, err := a.store.FindNodes(ctx, e.Cluster, node, 1)
			if err != nil {
				return -1, err
			}
			if how == query.MatchExact && nodes[0].Owner.Kind == "NodeClaim" {
				owner = nodes[0].Owner.Name
			}
			owners[node] = owner
		}
		if owner == claim {
			return i, nil
		}
	}
	return -1, nil
}

// name says what a line is about.
func (s said) name() string {
	name := objectWords(s.Regarding)
	if s.claim != "" {
		name += " and its nodeclaim"
	}
	if n := len(s.objects) - 1; n > 0 {
		name += fmt.Sprintf(" and %d more", n)
	}
	return name
}
