package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/command"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// interact answers buttons, menus and forms.
func (c *Commands) interact(ctx context.Context, e Envelope) any {
	var in slack.InteractionCallback
	if err := json.Unmarshal(e.Payload, &in); err != nil {
		c.c.Log.Warn("Slack sent an interaction that cannot be read", "err", err)
		return nil
	}
	// Of a form, the channel is the one in which it was opened: that was checked then, and what
	// the form's metadata says is not believed.
	who := asker{App: in.APIAppID, Team: in.User.TeamID, Enterprise: in.Enterprise.ID, User: in.User.ID, Channel: cmp.Or(in.Channel.ID, in.Container.ChannelID)}
	switch in.Type {
	case slack.InteractionTypeBlockActions:
		for _, a := range in.ActionCallback.BlockActions {
			if verb, _, ok := strings.Cut(a.ActionID, ":"); ok {
				c.pressed(ctx, e.App, who, in, verb, cmp.Or(a.Value, a.SelectedOption.Value))
			}
		}
	case slack.InteractionTypeViewSubmission:
		return c.submitted(ctx, e.App, who, in)
	}
	return nil
}

// scene is where somebody pressed something, and so where the answer goes.
type scene struct {
	who     asker
	name    string // the person's, for others to read
	to      delivery
	on      surface
	view    string // the modal's ID, if it is one
	hash    string // of the modal as the person saw it
	trigger string // opens a form, within 3 s
	quiet   bool   // the message was the person's own answer, so it is replaced
}

// pressed does what a button or a menu says. The acknowledgement goes out at once; the rest
// follows.
func (c *Commands) pressed(ctx context.Context, app string, who asker, in slack.InteractionCallback, verb, value string) {
	s := scene{who: who, name: cmp.Or(in.User.Name, in.User.ID), trigger: in.TriggerID, quiet: in.Container.IsEphemeral,
		to: delivery{responseURL: in.ResponseURL, channel: who.Channel, user: who.User, replace: in.Container.IsEphemeral && verb == verbShow}}
	if in.Container.Type == "view" {
		s.on, s.view, s.hash = onModal, in.View.ID, in.View.Hash
		if in.View.Type == slack.VTHomeTab {
			s.on = onHome
		} else if form, ok := c.forms.get(in.View.PrivateMetadata, who.User); ok {
			// A modal is in no channel; it was opened from one that was checked.
			s.who.Channel, s.to.channel = form.channel, form.channel
		}
	}
	c.later(ctx, func(ctx context.Context) {
		if why := c.mayNot(ctx, s.who, app, "a button"); why != "" {
			s.to.replace = false
			c.show(ctx, s, refusal("this button", why))
			return
		}
		c.do(ctx, s, verb, value)
	})
}

// do carries out a verb.
func (c *Commands) do(ctx context.Context, s scene, verb, value string) {
	now := time.Now()
	switch verb {
	case verbShow, verbOpen:
		c.show(ctx, s, c.answer(ctx, value, s.surface()))
	case verbWaveNodes, verbWaveEvents:
		c.show(ctx, s, c.waveView(ctx, verb, value).content(s.surface()))
	case verbShare:
		c.share(ctx, s, value)
	case verbFilter:
		c.openFilter(ctx, s, value, now)
	case verbMute:
		c.openMute(ctx, s, value, now)
	case verbUnmute:
		c.unmute(ctx, s, value, now)
	default:
		c.c.Log.Warn("Slack sent a button that Rollcall does not know", "verb", verb)
	}
}

// surface is where an answer to the scene is shown: what is pressed in the Home tab opens a
// modal.
func (s scene) surface() surface {
	if s.on == onHome {
		return onModal
	}
	return s.on
}

// show shows an answer where the scene is: in place of the person's own answer, as a new answer
// beside a message that all see, in the modal, or in a new modal over the Home tab.
func (c *Commands) show(ctx context.Context, s scene, what content) {
	switch s.on {
	case onModal:
		if _, err := c.c.API.UpdateViewContext(ctx, c.modal(s, what), "", s.hash, s.view); err != nil {
			c.c.Log.Warn("a modal could not be updated", "user", s.who.User, "err", err)
		}
	case onHome:
		if _, err := c.c.API.OpenViewContext(ctx, s.trigger, c.modal(s, what)); err != nil {
			c.c.Log.Warn("a modal could not be opened", "user", s.who.User, "err", err)
		}
	default:
		c.deliver(ctx, s.to, what)
	}
}

// modal is an answer as a modal.
func (c *Commands) modal(s scene, what content) slack.ModalViewRequest {
	return slack.ModalViewRequest{Type: slack.VTModal, Title: plainText("Rollcall"), Close: plainText("Close"), Blocks: slack.Blocks{BlockSet: what.blocks},
		PrivateMetadata: c.forms.put(form{user: s.who.User, channel: s.who.Channel})}
}

// share shows an answer to the channel, without its buttons, and says who shared it.
func (c *Commands) share(ctx context.Context, s scene, line string) {
	v := c.lookAt(ctx, line, time.Now())
	v.Parts = slices.DeleteFunc(v.Parts, func(p part) bool { return len(p.Buttons) > 0 || p.Choice != nil })
	v.Parts = append(v.Parts,
		part{Note: alert.Line{{Text: fmt.Sprintf("Shared by %s at ", s.name)}, {At: time.Now(), Day: true}, {Text: " with " + alert.Clip(line, 200)}}},
		part{Buttons: []button{{Label: "Open for me", Verb: verbOpen, Value: line}}})
	what := v.charted()
	to := s.to
	to.replace, to.toAll = false, true
	if s.on == onMessage && c.deliver(ctx, to, what) {
		return
	}
	const sorry = "Slack did not take it for the channel. Type the command there, and press Share again."
	c.show(ctx, s, view{Icon: "⚠️", Title: sorry, Text: sorry, Parts: []part{{Buttons: []button{{Label: "Back", Verb: verbShow, Value: line}}}}}.content(s.surface()))
}

// waveNames is how many nodes of a wave are looked up at once; more are said to be more.
const waveNames = 1000

// waveView shows the nodes of a wave, or the events on them. value is the wave's key and, after
// a blank, the page or the place in the events.
func (c *Commands) waveView(ctx context.Context, verb, value string) view {
	v, err := c.wave(ctx, verb, value, time.Now())
	if err != nil {
		c.c.Log.Error("answering a message's button failed", "err", err)
		const sorry = "The ledger did not answer in time. Please press the button again."
		return view{Icon: "⚠️", Title: sorry, Text: sorry}
	}
	return v
}

func (c *Commands) wave(ctx context.Context, verb, value string, now time.Time) (view, error) {
	key, place, _ := strings.Cut(value, " ")
	w, ok, err := c.c.Ledger.WaveNodes(ctx, key, waveNames)
	if err != nil {
		return view{}, err
	}
	if !ok || len(w.UIDs) == 0 {
		const gone = "The ledger does not have the nodes of this message any more"
		return view{Icon: "❓", Title: gone, Text: gone, Parts: []part{{Lines: sentence("They are older than SCALING_RETENTION keeps.")}}}, nil
	}
	about := fmt.Sprintf("%s: the %s of this message", w.Cluster, counted(len(w.UIDs), w.More, "node"))
	if verb == verbWaveEvents {
		filter := query.EventFilter{UIDs: w.UIDs, Names: w.Names, Since: w.From.Add(-waveBefore), Until: w.Until.Add(waveAfter)}
		page, err := c.c.Ledger.Events(ctx, w.Cluster, filter, placeOf(place), pageEvents)
		if err != nil {
			return view{}, err
		}
		v := eventView(about+", events", page, false)
		v.Parts = append(v.Parts, part{Note: alert.Line{{Text: "From "}, {At: filter.Since, Day: true}, {Text: " to "}, {At: filter.Until, Day: true}, {Text: "."}}})
		turn := turnButtons(page, func(cur query.EventCursor) string { return key + " " + placeText(cur) }, verbWaveEvents)
		v.Parts = append(v.Parts, part{Buttons: append(turn, button{Label: "Nodes", Verb: verbWaveNodes, Value: key})})
		return v, nil
	}
	number, _ := strconv.Atoi(place)
	last := max(1, (len(w.UIDs)+pageNodes-1)/pageNodes)
	number = min(max(number, 1), last)
	v := view{Icon: "📋", Title: about}
	if last > 1 {
		v.Title += fmt.Sprintf(", page %d of %d", number, last)
	}
	v.Text = v.Title
	var cards part
	open := &choice{Verb: verbOpen, Prompt: "Open a node…"}
	for _, uid := range w.UIDs[(number-1)*pageNodes : min(number*pageNodes, len(w.UIDs))] {
		n, ok, err := c.c.Ledger.NodeByUID(ctx, w.Cluster, uid)
		if err != nil {
			return view{}, err
		}
		if ok {
			cards.Cards = append(cards.Cards, c.nodeCard(n, now))
			open.Options = append(open.Options, option{n.Name, nodesLine(command.Nodes{View: command.One, Name: n.UID, Cluster: w.Cluster})})
		}
	}
	var turn []button
	if number > 1 {
		turn = append(turn, button{Label: "◀ Previous", Verb: verbWaveNodes, Value: fmt.Sprintf("%s %d", key, number-1)})
	}
	if number < last {
		turn = append(turn, button{Label: "Next ▶", Verb: verbWaveNodes, Value: fmt.Sprintf("%s %d", key, number+1)})
	}
	v.Parts = append(v.Parts, cards, part{Choice: open}, part{Buttons: append(turn, button{Label: "Events", Verb: verbWaveEvents, Value: key}, button{Label: "All nodes", Verb: verbOpen, Value: "/nodes"})})
	return v, nil
}

// How long before a wave's first change and after its last one the events of its nodes are of
// interest: what made an autoscaler add a node comes before it, and so do warnings of its end.
const (
	waveBefore = 15 * time.Minute
	waveAfter  = 15 * time.Minute
)

// placeText and placeOf are a cursor in a button's value.
func placeText(c query.EventCursor) string {
	way := "o"
	if c.Newer {
		way = "n"
	}
	return fmt.Sprintf("%s%d.%d", way, c.Time.UnixMilli(), c.ID)
}

func placeOf(s string) query.EventCursor {
	if s == "" {
		return query.EventCursor{}
	}
	at, id, _ := strings.Cut(s[1:], ".")
	ms, err1 := strconv.ParseInt(at, 10, 64)
	n, err2 := strconv.ParseInt(id, 10, 64)
	if err1 != nil || err2 != nil {
		return query.EventCursor{} // not from one of our buttons: the newest
	}
	return query.EventCursor{Time: time.UnixMilli(ms).UTC(), ID: n, Newer: s[0] == 'n'}
}

// unmute ends a mute early.
func (c *Commands) unmute(ctx context.Context, s scene, value string, now time.Time) {
	id, err := strconv.ParseInt(value, 10, 64)
	var m wave.Mute
	ok := false
	if err == nil {
		m, ok, err = c.c.Ledger.Mute(ctx, id)
	}
	ended := false
	if err == nil && ok {
		ended, err = c.c.Ledger.EndMute(ctx, id, s.who.User, s.name, now)
	}
	v := view{Icon: "🔔", Title: fmt.Sprintf("Alerts for %s are on again", muteWords(m))}
	switch {
	case err != nil:
		c.c.Log.Error("ending a mute failed", "mute", value, "err", err)
		v = view{Icon: "⚠️", Title: "The mute could not be ended. Please press the button again."}
	case !ok:
		v = view{Icon: "❓", Title: "There is no such mute any more"}
	case !ended:
		v = view{Icon: "🔔", Title: fmt.Sprintf("The mute of %s had already ended", muteWords(m))}
	default:
		c.c.Log.Info("a mute was ended", "mute", id, "user", s.who.User)
		v.Parts = append(v.Parts, part{Lines: sentence("What was kept quiet meanwhile is in /nodes and /events.")})
		c.home.poke()
	}
	v.Text = v.Title
	if s.on == onHome {
		c.publish(ctx, s.who, now) // it shows the mutes
		return
	}
	s.to.replace = false
	c.show(ctx, s, v.content(s.surface()))
}
