package alert

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// Routes say to which channel each change and each message goes, and whom it rings: ROUTES. The zero value sends
// everything to the channel "".
type Routes struct {
	Cluster string  // whose nodes these are about
	Lines   []Route // the first that matches wins
	Rest    string  // the channel that takes the rest: SLACK_CHANNEL
}

// Route is one line of ROUTES.
type Route struct {
	Line     int    // its number, from 1
	Matchers string // as they are written
	To       wave.Place
	Nodes    bool // it may be about nodes that join or leave
	// Mismatch says which of its matchers does not match something, "" if all do.
	Mismatch func(of Attributes) string
}

// Attributes are what matchers look at: of a node its labels, and the keys of RouteKeys.
type Attributes func(key string) (value string, ok bool)

// The keys that matchers have beside the keys of labels, which they hide.
const (
	KeyCluster   = "cluster"
	KeyKind      = "kind"
	KeySeverity  = "severity"
	KeyPool      = "pool"
	KeyType      = "type"
	KeyZone      = "zone"
	KeyCapacity  = "capacity"
	KeyArch      = "arch"
	KeyNamespace = "namespace" // of what is about a workload
)

// RouteKeys are those keys.
var RouteKeys = []string{KeyCluster, KeyKind, KeyPool, KeyType, KeyZone, KeyCapacity, KeyArch, KeySeverity,
	KeyNamespace}

// The severities. What is a warning may need somebody; the rest is for the record.
const (
	Warning = "warning"
	Info    = "info"
)

// RoutedKinds are the kinds that matchers know, sorted: of a change what it is, whichever message tells it, and of a
// message that is about no changes its own. A mute belongs to the channel that it mutes.
func RoutedKinds() []string {
	var all []string
	for k := range kinds {
		if k != wave.KindAway && k != wave.KindCatchUp && k != wave.KindMute {
			all = append(all, string(k))
		}
	}
	slices.Sort(all)
	return all
}

// SeverityOf is how bad a kind is: Warning or Info.
func SeverityOf(k wave.Kind) string { return cmp.Or(kindOf(k).severity, Info) }

// Find returns where something goes, and the line that says so; 0 if none does.
func (r Routes) Find(of Attributes) (wave.Place, int) {
	for i := range r.Lines {
		if r.Lines[i].Mismatch(of) == "" {
			return r.Lines[i].To, r.Lines[i].Line
		}
	}
	return wave.Place{Channel: r.Rest}, 0
}

// Channels are all channels in which something may be told, SLACK_CHANNEL first.
func (r Routes) Channels() []string {
	all := []string{r.Rest}
	for _, l := range r.Lines {
		if !slices.Contains(all, l.To.Channel) {
			all = append(all, l.To.Channel)
		}
	}
	return all
}

// Covers returns which nodes a channel is told of: those whose joining or leaving goes there.
func (r Routes) Covers(channel string) func(fleet.Node) bool {
	return func(n fleet.Node) bool {
		return r.OfChange(n, fleet.Joined).Channel == channel || r.OfChange(n, fleet.Removed).Channel == channel
	}
}

// OfChange is where a change of a node goes.
func (r Routes) OfChange(n fleet.Node, kind fleet.ChangeKind) wave.Place {
	if len(r.Lines) == 0 {
		return wave.Place{Channel: r.Rest}
	}
	to, _ := r.Find(NodeAttributes(n, kind))
	return to
}

// NodeAttributes are those of a change of a node.
func NodeAttributes(n fleet.Node, kind fleet.ChangeKind) Attributes {
	return func(key string) (string, bool) {
		switch key {
		case KeyCluster:
			return n.Cluster, true
		case KeyKind:
			return string(kind), true
		case KeySeverity:
			return SeverityOf(wave.Kind(kind)), true
		case KeyPool:
			return n.Pool, n.Pool != ""
		case KeyType:
			return n.InstanceType, n.InstanceType != ""
		case KeyZone:
			return n.Zone, n.Zone != ""
		case KeyCapacity:
			return n.CapacityType, n.CapacityType != ""
		case KeyArch:
			return n.Arch, n.Arch != ""
		case KeyNamespace:
			return "", false
		}
		v, ok := n.Labels[key]
		return v, ok
	}
}

// OfWave is where a wave goes that is about no changes of nodes: its kind and what it is about say so. A mute is told
// in the channel that it mutes, or where the rest goes if it mutes all.
func (r Routes) OfWave(kind wave.Kind, about wave.About, mutes []wave.Mute) wave.Place {
	if kind == wave.KindMute {
		for _, m := range mutes {
			if m.ID == about.Mute && slices.Contains(r.Channels(), m.Channel) {
				return wave.Place{Channel: m.Channel}
			}
		}
		return wave.Place{Channel: r.Rest}
	}
	of := map[string]string{}
	if f := kindOf(kind).attributes; f != nil {
		maps.Copy(of, f(about))
	}
	maps.DeleteFunc(of, func(_, v string) bool { return v == "" })
	of[KeyCluster], of[KeyKind], of[KeySeverity] = r.Cluster, string(kind), SeverityOf(kind)
	to, _ := r.Find(func(key string) (string, bool) { v, ok := of[key]; return v, ok })
	return to
}

// Mutes reports whether a mute is about what is told in a channel: one that was asked for in a channel of the routes is
// about that one, any other about all.
func (r Routes) Mutes(m wave.Mute, channel string) bool {
	return m.Channel == channel || !slices.Contains(r.Channels(), m.Channel)
}

// rings reports whether a line rings somebody.
func (r Routes) rings(mention string) bool {
	return slices.ContainsFunc(r.Lines, func(l Route) bool {
		return slices.Contains(strings.Fields(l.To.Mentions), mention)
	})
}

// Rung are those of a wave's mentions that a line of ROUTES still names: nobody else can be rung.
func (r Routes) Rung(mentions string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(mentions), func(m string) bool { return !r.rings(m) }), " ")
}

// Placed is where a wave that is not posted yet belongs, by the routes as they are: one place, or, if its changes
// belong to several channels, none.
func (r Routes) Placed(w wave.Wave, mutes []wave.Mute) (to wave.Place, ok bool) {
	if len(w.Members) == 0 {
		return r.OfWave(w.Kind, w.About, mutes), true
	}
	for i, m := range w.Members {
		p := r.OfChange(m.Node, m.Steps[0].Kind)
		if i > 0 && p.Channel != to.Channel {
			return wave.Place{}, false
		}
		p.Mentions = to.And(p.Mentions).Mentions
		to = p
	}
	return to, true
}
