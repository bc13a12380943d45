package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/wave"
)

func TestDetectBlind(t *testing.T) {
	const after = 3 * time.Minute
	now := t0.Add(time.Hour)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	seen := func(nodes, events time.Duration) Sight {
		return Sight{Nodes: Seen{Until: ago(nodes), Why: "refused"}, Events: Seen{Until: ago(events), Why: "refused"}}
	}
	telling := func(b wave.Blind) wave.Wave {
		return wave.Wave{ID: 7, Kind: wave.KindBlind, About: wave.About{Blind: &b}}
	}
	nodes := wave.Blind{Since: ago(5 * time.Minute), Why: "refused"}
	events := wave.Blind{Events: true, Since: ago(4 * time.Minute), Why: "refused"}
	ended := func(b wave.Blind) wave.Blind { b.Until = now; return b }
	for name, tt := range map[string]struct {
		live        []wave.Wave
		sight       Sight
		after       time.Duration
		begin, over []wave.Blind
	}{
		"all is seen":         {nil, seen(time.Minute, time.Minute), after, nil, nil},
		"not for long enough": {nil, seen(after-1, after-1), after, nil, nil},
		"nothing is seen":     {nil, seen(5*time.Minute, 4*time.Minute), after, []wave.Blind{nodes}, nil},
		"nothing is seen, events for a minute longer": {nil, seen(after-time.Second, after+59*time.Second), after, nil, nil},
		"no events are seen":                          {nil, seen(0, 4*time.Minute), after, []wave.Blind{events}, nil},
		"it is told":                                  {[]wave.Wave{telling(nodes)}, seen(6*time.Minute, 6*time.Minute), after, nil, nil},
		"seen again":                                  {[]wave.Wave{telling(nodes)}, seen(0, 0), after, nil, []wave.Blind{ended(nodes)}},
		"nodes again, no events yet": {[]wave.Wave{telling(nodes)}, seen(0, 4*time.Minute), after,
			[]wave.Blind{events}, []wave.Blind{ended(nodes)}},
		"now nodes are not seen either": {[]wave.Wave{telling(events)}, seen(5*time.Minute, 9*time.Minute), after,
			[]wave.Blind{nodes}, nil},
		"once more, while the end of the last one is to be told": {[]wave.Wave{telling(ended(nodes))},
			seen(5*time.Minute, 0), after, []wave.Blind{nodes}, nil},
		"a new process that has seen nothing yet": {[]wave.Wave{telling(nodes)}, Sight{Nodes: Seen{Until: now, Never: true},
			Events: Seen{Until: now, Never: true}}, after, nil, nil},
		"it is not wanted": {nil, seen(time.Hour, time.Hour), 0, nil, nil},
	} {
		begin, over := DetectBlind(tt.live, tt.sight, now, tt.after)
		var gotBegin, gotOver []wave.Blind
		for _, o := range begin {
			gotBegin = append(gotBegin, *o.About.Blind)
		}
		for _, w := range over {
			gotOver = append(gotOver, *w.About.Blind)
		}
		if diff := cmp.Diff([2][]wave.Blind{tt.begin, tt.over}, [2][]wave.Blind{gotBegin, gotOver}); diff != "" {
			t.Errorf("%s: begun and over (-want +got):\n%s", name, diff)
		}
	}
}
