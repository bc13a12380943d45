package answer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"rollcall/internal/message"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

const (
	// maxScopes is how many pools and how many types can be chosen to be muted.
	maxScopes = 40
	// maxScopeNodes is of how many of a wave's nodes the pools and types are looked up.
	maxScopeNodes = 200
)

// MuteScopes are what can be muted: the pools and types of a wave's nodes, the Deployment of its rollout, or the pools
// and types of the cluster where no wave has the key, and last the cluster. about is how many of the first are what the
// wave is about. With an error, what was found until then is returned: at least the cluster.
func (a *Answerer) MuteScopes(ctx context.Context, key string) (options []message.Option, about int, err error) {
	seen := map[string]bool{}
	add := func(scope wave.MuteScope, label, name string) {
		value := string(scope) + ":" + name
		if name != "" && !seen[value] && len(options) < 2*maxScopes {
			seen[value] = true
			options = append(options, message.Option{Label: label + name, Value: value})
		}
	}
	w, ok, err := a.store.WaveNodes(ctx, key, maxWaveNodes)
	if err == nil && ok && w.About.Rollout != nil {
		d := w.About.Rollout.Deployment
		add(wave.MuteDeployment, "Rollouts of ", d.Namespace+"/"+d.Name)
		about = len(options)
	}
	pools, types, ofWave, err := a.mutable(ctx, w, err)
	for _, p := range pools {
		add(wave.MutePool, "Pool ", p)
	}
	for _, t := range types {
		add(wave.MuteType, "Instance type ", t)
	}
	if ofWave {
		about = len(options)
	}
	options = append(options, message.Option{Label: "Everything in " + a.cluster, Value: string(wave.MuteCluster) + ":"})
	return options, about, err
}

// mutable are the pools and the types of a wave's nodes, or of the cluster's; of no other ones than the Deployment's in
// a rollout.
func (a *Answerer) mutable(ctx context.Context, w wave.Nodes, err error) (pools, types []string, ofWave bool, _ error) {
	if err != nil || w.About.Rollout != nil {
		return nil, nil, w.About.Rollout != nil, err
	}
	if len(w.UIDs) > 0 {
		for _, uid := range w.UIDs[:min(len(w.UIDs), maxScopeNodes)] {
			n, ok, err := a.store.Node(ctx, w.Cluster, uid)
			if err != nil {
				return pools, types, true, err
			}
			if ok {
				pools, types = append(pools, n.Pool), append(types, n.InstanceType)
			}
		}
		return pools, types, true, nil
	}
	for by, all := range map[query.Dimension]*[]string{query.ByPool: &pools, query.ByType: &types} {
		groups, err := a.store.GroupNodes(ctx, a.cluster, query.NodeFilter{}, by, maxScopes)
		if err != nil {
			return pools, types, false, err
		}
		for _, g := range groups.Groups {
			*all = append(*all, g.Value)
		}
	}
	return pools, types, false, nil
}

// Mute records a mute of Rollcall's own cluster. The channel is told of it by a wave. One that was asked for in a
// channel where something is told is of that one, where there are several; any other is of all.
func (a *Answerer) Mute(ctx context.Context, m wave.Mute) error {
	m.Cluster = a.cluster
	if len(a.channels) < 2 || !slices.Contains(a.channels, m.Channel) {
		m.Channel = ""
	}
	m, err := a.store.AddMute(ctx, m)
	if err != nil {
		return err
	}
	a.log.Info("alerts were muted", "mute", m.ID, "scope", m.Scope, "value", m.Value, "user", m.By, "until", m.Until)
	return nil
}

// Unmute ends a mute early, as a button's value names it, for the person with a Slack user ID and
// a name. It says what became of it, and whether the mute has ended by that.
func (a *Answerer) Unmute(ctx context.Context, value, by, name string, now time.Time) (message.Message, bool) {
	id, err := strconv.ParseInt(value, 10, 64)
	var m wave.Mute
	ok, ended := false, false
	if err == nil {
		m, ok, err = a.store.Mute(ctx, id)
	}
	if err == nil && ok {
		ended, err = a.store.EndMute(ctx, id, by, name, now)
	}
	switch {
	case err != nil:
		a.log.Error("ending a mute failed", "mute", value, "err", err)
		return message.Notice("⚠️", "The mute could not be ended. Please press the button again."), false
	case !ok:
		return message.Notice("❓", "There is no such mute any more"), false
	case !ended:
		return message.Notice("🔔", fmt.Sprintf("The mute of %s had already ended", m.Subject())), false
	}
	a.log.Info("a mute was ended", "mute", id, "user", by)
	said := message.Notice("🔔", fmt.Sprintf("Alerts for %s are on again", m.Subject()))
	others, err := a.store.Mutes(ctx, m.Cluster, now)
	if err != nil { // the mute is ended all the same
		a.log.Error("reading mutes failed", "err", err)
	}
	var still message.Part
	for _, o := range others {
		switch {
		case o.Channel != "" && m.Channel != "" && o.Channel != m.Channel: // another channel
			continue
		case o.Scope == wave.MuteCluster || o.Scope == m.Scope && o.Value == m.Value:
			said = message.Notice("🔕", fmt.Sprintf("Alerts for %s stay muted: there is another mute", m.Subject()))
		case o.Scope == m.Scope: // another pool, or another type
			continue
		}
		still.Lines = append(still.Lines, message.Line{{Text: fmt.Sprintf("🔕 %s is muted until ", a.muted(o))},
			moment(o.Until, now), {Text: ", by " + cmp.Or(o.ByName, "somebody")}})
	}
	if len(still.Lines) > 0 {
		said.Parts = append(said.Parts, still)
	}
	said.Parts = append(said.Parts,
		message.Part{Lines: message.Sentence(a.names.Show("What was kept quiet meanwhile is in /nodes and /events."))})
	return said, true
}

// muted names what a mute hides, and in which channel, where there are several.
func (a *Answerer) muted(m wave.Mute) string {
	if len(a.channels) > 1 && slices.Contains(a.channels, m.Channel) {
		return m.Subject() + " in channel " + m.Channel
	}
	return m.Subject()
}

// Look records that a person with a Slack user ID and a name looks at what a message tells. It returns who does, if
// somebody else was first, or why that could not be recorded; "" if the message itself will say it.
func (a *Answerer) Look(ctx context.Context, key, by, name string, now time.Time) (said message.Message, say bool) {
	first, ok, err := a.store.Look(ctx, key, wave.Look{By: by, Name: name, At: now})
	switch {
	case err != nil:
		a.log.Error("recording who looks at a message failed", "key", key, "err", err)
		return message.Notice("⚠️", "That could not be recorded. Please press the button again."), true
	case !ok:
		return message.Notice("❓", "This message is too old: what it tells is not in the ledger any more"), true
	case first.By != by || !first.At.Equal(now.Truncate(time.Millisecond)):
		m := message.Notice("👀", fmt.Sprintf("%s looks at it already", message.OneWord(first.Name)))
		m.Lead = message.NewLine(message.OneWord(first.Name)+" looks at it since ", first.At)
		return m, true
	}
	a.log.Info("somebody looks at a message", "key", key, "user", by)
	return message.Message{}, false
}

// muteParts says which mutes are active, with a way to end each.
func (a *Answerer) muteParts(ctx context.Context, cluster string, now time.Time) ([]message.Part, error) {
	mutes, err := a.store.Mutes(ctx, cluster, now)
	if err != nil || len(mutes) == 0 {
		return nil, err
	}
	counts, err := a.store.MutedChanges(ctx, cluster, now.Add(-24*time.Hour), now)
	if err != nil {
		return nil, err
	}
	quiet := map[int64]int{}
	for _, n := range counts {
		quiet[n.Mute] += n.Changes
	}
	const mostButtons = 5
	said := message.Part{Heading: "Muted"}
	buttons := message.Part{}
	for _, m := range mutes {
		said.Lines = append(said.Lines, message.Line{{Text: fmt.Sprintf("🔕 %s, until ", a.muted(m))}, moment(m.Until, now),
			{Text: fmt.Sprintf(", by %s: %s kept quiet so far", cmp.Or(m.ByName, "somebody"),
				message.Count(quiet[m.ID], "change"))}})
		if len(buttons.Buttons) < mostButtons {
			buttons.Buttons = append(buttons.Buttons,
				message.Button{Label: "Unmute " + a.muted(m), Verb: message.Unmute, Value: fmt.Sprint(m.ID)})
		}
	}
	return []message.Part{said, buttons}, nil
}
