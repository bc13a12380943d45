package ledgertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

func eventsMerge(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	for _, e := range []fleet.Event{event("e", 1, 0), event("e", 3, time.Minute), event("e", 2, 30*time.Second),
		event("e", 3, time.Minute)} {
		check(t, l.RecordEvents(ctx, "prod", []fleet.Event{e}, "7"))
	}
	check(t, l.RecordEvents(ctx, "prod", nil, ""))
	got := scalingEvents(t, l)
	if diff := cmp.Diff([]fleet.Event{event("e", 3, time.Minute)}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if cp := must[fleet.Checkpoint](t)(l.Checkpoint(ctx, "prod")); cp.EventsVersion != "7" {
		t.Errorf("events version %q, want 7", cp.EventsVersion)
	}
}

func eventsFilter(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	fleetOf(t, l, fleet.Node{Name: "n1", UID: "u1"}, fleet.Node{Name: "n2", UID: "u2"})
	var all []fleet.Event
	add := func(uid, kind, ns, name, regarding, reason, typ, note string) {
		at := t0.Add(time.Duration(len(all)) * time.Second)
		all = append(all, fleet.Event{Cluster: "prod", UID: uid,
			Regarding: fleet.ObjectRef{Kind: kind, Namespace: ns, Name: name, UID: regarding}, Reason: reason, Type: typ,
			Note: note, Count: 1, First: at, Last: at})
	}
	add("a", "Node", "", "n1", "n1", "NodeReady", "Normal", "Node n1 status is now: NodeReady") // a kubelet's
	add("b", "Node", "", "n1", "u1", "RemovingNode", "Normal", "Node n1 event")
	add("c", "Node", "", "n2", "u2", "NodeReady", "Normal", "100% ready_now")
	add("d", "Pod", "shop", "web-1", "p1", "FailedScheduling", "Warning", "0/3 nodes: Insufficient CPU")
	add("e", "Pod", "shop-2", "web-2", "p2", "Pulled", "Normal", "Größe ÄNDERT sich")
	add("f", "Deployment", "shop", "web", "d1", "ScalingReplicaSet", "Normal", "Scaled up replica set web-1 from 1 to 2")
	add("g", "ClusterRole", "", "System:Node", "r1", "Odd", "Normal", "a name in upper case")
	check(t, l.RecordEvents(ctx, "prod", all, "1"))
	other := all[0]
	check(t, l.RecordEvents(ctx, "other", []fleet.Event{other}, "1"))
	for _, tc := range []struct {
		name   string
		filter query.EventFilter
		want   string
	}{
		{"everything", query.EventFilter{}, "g f e d c b a"},
		{"scaling", query.EventFilter{Scaling: true}, "f d c b a"},
		{"kind", query.EventFilter{Kind: "Node"}, "c b a"},
		{"kind and name", query.EventFilter{Kind: "Node", Name: "n1"}, "b a"},
		{"name in upper case", query.EventFilter{Kind: "Node", Name: "N1"}, "b a"},
		{"a name that is upper case", query.EventFilter{Name: "System:Node"}, "g"},
		{"name glob", query.EventFilter{Name: "WEB*"}, "f e d"},
		{"name of another kind", query.EventFilter{Kind: "Pod", Name: "n1"}, ""},
		{"namespace", query.EventFilter{Spaces: []string{"shop"}}, "f d"},
		{"namespace glob", query.EventFilter{Spaces: []string{"shop*"}}, "f e d"},
		{"reason", query.EventFilter{Reasons: []string{"NodeReady"}}, "c a"},
		{"reasons, whatever their case", query.EventFilter{Reasons: []string{"*sched*", "pulled"}}, "e d"},
		{"reason that is not there", query.EventFilter{Reasons: []string{"Nope*"}}, ""},
		{"reason and kind", query.EventFilter{Reasons: []string{"*"}, Kind: "Pod", Scaling: true}, "d"},
		{"reason of an object", query.EventFilter{Reasons: []string{"removing*"}, Name: "n1"}, "b"},
		{"warnings", query.EventFilter{Types: []string{"Warning"}}, "d"},
		{"words", query.EventFilter{Text: []string{"insufficient", "WEB"}}, "d"},
		{"word in a reason", query.EventFilter{Text: []string{"scaling"}}, "f"},
		{"one word of two is missing", query.EventFilter{Text: []string{"insufficient", "memory"}}, ""},
		{"percent is itself", query.EventFilter{Text: []string{"100%"}}, "c"},
		{"percent matches nothing else", query.EventFilter{Text: []string{"0%r"}}, ""},
		{"underscore is itself", query.EventFilter{Text: []string{"y_n"}}, "c"},
		{"beyond ASCII", query.EventFilter{Text: []string{"GRÖSSE"}}, ""},
		{"beyond ASCII, folded", query.EventFilter{Text: []string{"größe", "änd"}}, "e"},
		{"since", query.EventFilter{Since: t0.Add(5 * time.Second)}, "g f"},
		{"until", query.EventFilter{Until: t0.Add(time.Second)}, "b a"},
		{"since and until, of an object",
			query.EventFilter{Name: "n1", Since: t0.Add(time.Second), Until: t0.Add(time.Second)}, "b"},
		{"of a node", query.EventFilter{UIDs: []string{"u1"}}, "b"},
		{"of a node, kubelet's too", query.EventFilter{UIDs: []string{"u1"}, Names: []string{"n1"}}, "b a"},
		{"of nodes", query.EventFilter{UIDs: []string{"u1", "u2", "gone"}}, "c b"},
		{"of nodes, one reason", query.EventFilter{Names: []string{"n1", "n2"}, Reasons: []string{"NodeReady"}, Kind: "Node",
			Scaling: true}, "c a"},
		{"of nodes and one name", query.EventFilter{Names: []string{"n1", "n2"}, Name: "N2"}, "c"},
		{"of nobody", query.EventFilter{UIDs: []string{"gone"}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := l.Events(ctx, "prod", tc.filter, query.EventCursor{}, 10)
			check(t, err)
			if got := strings.Join(uidsOf(p.Events), " "); got != tc.want || p.More || !p.SearchedTo.IsZero() ||
				!p.Older.IsZero() || !p.Newer.IsZero() {
				t.Errorf("Events = %q, want %q; %+v", got, tc.want, p)
			}
		})
	}
	p, err := l.Events(ctx, "prod", query.EventFilter{Kind: "Pod"}, query.EventCursor{}, 10)
	check(t, err)
	if diff := cmp.Diff([]fleet.Event{all[4], all[3]}, p.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	span, err := l.EventSpan(ctx, "prod")
	check(t, err)
	if !span.Scaling.Equal(t0) || !span.Other.Equal(t0.Add(4*time.Second)) {
		t.Errorf("EventSpan = %+v", span)
	}
	if span, err = l.EventSpan(ctx, "nowhere"); err != nil || span != (query.EventSpan{}) {
		t.Errorf("EventSpan of nothing = %+v, %v", span, err)
	}
}

// Every filter pages through the same events that one large page has, there and back, however
// many share a moment, and while new ones are written.
func eventsPaging(t *testing.T, fresh Open) {
	l, ctx := fresh(t), t.Context()
	r := rand.New(rand.NewPCG(3, 4))
	var nodes []fleet.Node
	var names, uids []string
	for i := range 40 {
		n := fleet.Node{Name: fmt.Sprintf("n%d", i), UID: fmt.Sprintf("u%d", i)}
		nodes, names, uids = append(nodes, n), append(names, n.Name), append(uids, n.UID)
	}
	fleetOf(t, l, nodes...)
	reasons := []string{"NodeReady", "Pulled", "RemovingNode", "BackOff", "Rebooted"}
	made := 0
	some := func(n int, from time.Time) {
		var events []fleet.Event
		for range n {
			made++
			i := r.IntN(40)
			at := from.Add(time.Duration(r.IntN(300)) * time.Second)
			events = append(events,
				fleet.Event{UID: fmt.Sprintf("e%d", made), Regarding: fleet.ObjectRef{Kind: "Node", Name: names[i], UID: uids[i]},
					Reason: reasons[r.IntN(len(reasons))], Type: []string{"Normal", "Warning"}[r.IntN(2)],
					Note: fmt.Sprintf("note %d", made%10), Count: 1, First: at, Last: at})
		}
		check(t, l.RecordEvents(ctx, "prod", events, "1"))
	}
	some(3000, t0)
	for _, tc := range []struct {
		name   string
		filter query.EventFilter
	}{
		{"everything", query.EventFilter{Until: t0.Add(time.Hour)}},
		{"scaling", query.EventFilter{Scaling: true, Until: t0.Add(time.Hour)}},
		{"warnings", query.EventFilter{Types: []string{"Warning"}, Until: t0.Add(time.Hour)}},
		{"text", query.EventFilter{Text: []string{"note 7"}, Until: t0.Add(time.Hour)}},
		{"reasons", query.EventFilter{Reasons: []string{"*Node*", "pulled"}, Since: t0.Add(time.Minute),
			Until: t0.Add(time.Hour)}},
		{"names", query.EventFilter{Names: names[:20], Until: t0.Add(time.Hour)}},
		{"names and text", query.EventFilter{Names: names[:20], Text: []string{"note 7"}, Until: t0.Add(time.Hour)}},
		{"name", query.EventFilter{Name: "n3", Since: t0.Add(time.Minute), Until: t0.Add(time.Hour)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			whole, err := l.Events(ctx, "prod", tc.filter, query.EventCursor{}, 100000)
			check(t, err)
			if whole.More || len(whole.Events) < 20 ||
				!slices.IsSortedFunc(whole.Events, func(a, b fleet.Event) int { return b.Last.Compare(a.Last) }) {
				t.Fatalf("%d events, more %v, or out of order", len(whole.Events), whole.More)
			}
			var down []string
			var at query.EventCursor
			for {
				p, err := l.Events(ctx, "prod", tc.filter, at, 17)
				check(t, err)
				down = append(down, uidsOf(p.Events)...)
				some(5, t0.Add(2*time.Hour))
				if p.More == p.Older.IsZero() || at.IsZero() != p.Newer.IsZero() {
					t.Fatalf("more %v, older %+v, newer %+v", p.More, p.Older, p.Newer)
				}
				if !p.More {
					at = p.Newer
					break
				}
				at = p.Older
			}
			if diff := cmp.Diff(uidsOf(whole.Events), down); diff != "" {
				t.Errorf("page by page (-want +got):\n%s", diff)
			}
			// And back: all but the last page.
			var up []string
			for {
				p, err := l.Events(ctx, "prod", tc.filter, at, 17)
				check(t, err)
				up = append(uidsOf(p.Events), up...)
				if !p.More {
					break
				}
				at = p.Newer
			}
			last := (len(down) - 1) / 17 * 17
			if diff := cmp.Diff(down[:last], up); diff != "" {
				t.Errorf("page by page back (-want +got):\n%s", diff)
			}
		})
	}
	// A repeated event moves to the newest, with its count.
	p, err := l.Events(ctx, "prod", query.EventFilter{}, query.EventCursor{}, 1)
	check(t, err)
	e := fleet.Event{UID: "e1", Note: "again", Count: 9, First: t0, Last: t0.Add(3 * time.Hour)}
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{e}, "1"))
	if p, err = l.Events(ctx, "prod", query.EventFilter{}, query.EventCursor{}, 1); err != nil ||
		p.Events[0].UID != "e1" || p.Events[0].Count != 9 || p.Events[0].Note != "again" {
		t.Errorf("newest = %+v, %v", p.Events, err)
	}
}
