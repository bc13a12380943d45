package alert

import (
	"slices"
	"time"

	"rollcall/internal/wave"
)

// Sight is how far a cluster can be seen, by its two watches.
type Sight struct {
	Nodes, Events Seen
}

// Seen is until when a watch has seen the cluster.
type Seen struct {
	Until time.Time // the last moment at which it was known to be alive
	Never bool      // it has not been since the process began, which is what Until says then
	Why   string    // why it is not; "" if it is, or if nobody knows
}

// apart is by how much later nodes were seen last than events, where events alone are missing: of an API server that is
// lost both watches have said at different moments that they are alive, as they do once a minute.
const apart = 75 * time.Second

// DetectBlind decides what to tell of not seeing the cluster: the waves to open, and those that are over, with what
// they are about then. Whoever does not see the nodes is not told that events are missing too. live are all waves that
// are not done, and after is for how long nothing is said; 0: for ever.
func DetectBlind(live []wave.Wave, s Sight, now time.Time, after time.Duration) (begin []wave.Opening,
	over []wave.Wave) {
	if after <= 0 {
		return nil, nil
	}
	blind := func(s Seen) bool { return now.Sub(s.Until) >= after }
	for _, watch := range []struct {
		Seen
		events bool
	}{{s.Nodes, false}, {s.Events, true}} {
		i := slices.IndexFunc(live, func(w wave.Wave) bool {
			return w.Kind == wave.KindBlind && w.About.Blind != nil && w.About.Blind.Events == watch.events &&
				w.About.Blind.Until.IsZero()
		})
		switch {
		case i < 0 && blind(watch.Seen) && (!watch.events || s.Nodes.Until.Sub(s.Events.Until) > apart):
			begin = append(begin, wave.Opening{Kind: wave.KindBlind, About: wave.About{Blind: &wave.Blind{
				Events: watch.events, Since: watch.Until, Why: watch.Why}}})
		case i >= 0 && !blind(watch.Seen) && !watch.Never:
			w, b := live[i], *live[i].About.Blind
			b.Until = now
			w.About.Blind = &b
			over = append(over, w)
		}
	}
	return begin, over
}
