package slackapp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/message"

	"github.com/slack-go/slack"
)

// interact answers buttons, menus and forms.
func (c *Commands) interact(ctx context.Context, e Envelope) any {
	var kind struct {
		Type slack.InteractionType `json:"type"`
	}
	if json.Unmarshal(e.Payload, &kind); kind.Type == slack.InteractionTypeMessageAction {
		c.shortcut(ctx, e) // by itself: it holds a message of somebody else's, whose blocks may be any
		return nil
	}
	var in slack.InteractionCallback
	if err := json.Unmarshal(e.Payload, &in); err != nil {
		c.log.Warn("Slack sent an interaction that cannot be read", "err", err)
		return nil
	}
	// Of a form, the channel is the one in which it was opened: that was checked then, and what
	// the form's metadata says is not believed.
	who := asker{App: in.APIAppID, Home: in.User.TeamID, User: in.User.ID,
		Channel: cmp.Or(in.Channel.ID, in.Container.ChannelID)}
	switch in.Type {
	case slack.InteractionTypeBlockActions:
		for _, a := range in.ActionCallback.BlockActions {
			if verb, _, ok := strings.Cut(a.ActionID, ":"); ok {
				c.pressed(ctx, e.App, who, in,
					press{a.ActionID, message.Verb(verb), cmp.Or(a.Value, a.SelectedOption.Value)})
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

// press is a button that was pressed, or an option that was chosen.
type press struct {
	id    string // the action_id
	verb  message.Verb
	value string
}

// pressed does what a button or a menu says. The acknowledgement goes out at once; the rest
// follows.
func (c *Commands) pressed(ctx context.Context, app string, who asker, in slack.InteractionCallback, p press) {
	direct := strings.HasPrefix(who.Channel, "D") // a conversation with Rollcall itself
	own := in.Container.IsEphemeral || direct
	if direct {
		who.Channel = ""
	}
	s := scene{who: who, name: cmp.Or(in.User.Name, in.User.ID), trigger: in.TriggerID, quiet: own,
		to: delivery{responseURL: in.ResponseURL, channel: in.Channel.ID, user: who.User,
			replace: own && (p.verb == message.Show || p.verb == message.Labels)}}
	if in.Container.Type == "view" {
		s.on, s.view, s.hash = onModal, in.View.ID, in.View.Hash
		if in.View.Type == slack.VTHomeTab {
			s.on = onHome
		} else if form, _, ok := c.formOf(in.View, who.User); ok {
			// A modal is in no channel; it was opened from one that was checked.
			s.who.Channel, s.to.channel = form.channel, form.channel
		}
	}
	c.later(ctx, func(ctx context.Context) {
		if r := c.mayNot(ctx, s.who, app, "a button"); r.why != "" {
			s.to.replace = false
			c.show(ctx, s, c.refused("this button", r))
			return
		}
		if why := c.owner.refuseButton(p.id, p.verb, p.value); why != "" {
			c.log.Warn("a button of another Rollcall was pressed", "user", s.who.User, "verb", p.verb, "id", p.id, "why", why)
			c.tell(ctx, s, c.answers.Names().Show(why))
			return
		}
		c.do(ctx, s, p.verb, p.value)
	})
}

// do carries out a verb.
func (c *Commands) do(ctx context.Context, s scene, verb message.Verb, value string) {
	now := time.Now()
	switch verb {
	case message.Show, message.Open:
		c.show(ctx, s, c.answer(ctx, s.who.User, value, s.surface()))
	case message.WaveNodes, message.WaveEvents, message.WaveCauses:
		c.show(ctx, s, c.drawFor(ctx, s.who.User, c.answers.ToWave(ctx, verb, value, now), s.surface()))
	case message.Labels:
		c.show(ctx, s, c.draw(c.answers.ToLabels(ctx, value, now), s.surface()))
	case message.Lists:
		if err := c.answers.SetLists(ctx, s.who.User, value); err != nil {
			c.log.Error("noting how a person is answered failed", "err", err)
			c.tell(ctx, s, "That could not be recorded. Please try again.")
			return
		}
		c.publish(ctx, s.who, now)
	case message.Share:
		c.share(ctx, s, value)
	case message.Filter:
		c.openFilter(ctx, s, value, now)
	case message.Look:
		if m, say := c.answers.Look(ctx, value, s.who.User, s.name, now); say {
			s.to.replace = false
			c.show(ctx, s, c.draw(m, s.surface()))
		}
	case message.Mute:
		c.openMute(ctx, s, value, now)
	case message.Unmute:
		c.unmute(ctx, s, value, now)
	default:
		c.log.Warn("Slack sent a button that Rollcall does not know", "verb", verb)
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
		if _, err := c.api.UpdateViewContext(ctx, c.modal(s, what), "", s.hash, s.view); err != nil {
			c.log.Warn("a modal could not be updated", "user", s.who.User, "err", err)
		}
	case onHome:
		if _, err := c.api.OpenViewContext(ctx, s.trigger, c.modal(s, what)); err != nil {
			c.log.Warn("a modal could not be opened", "user", s.who.User, "err", err)
		}
	default:
		c.deliver(ctx, s.to, what)
	}
}

// modal is an answer as a modal.
func (c *Commands) modal(s scene, what content) slack.ModalViewRequest {
	return slack.ModalViewRequest{Type: slack.VTModal, Title: plainText("Rollcall"), Close: plainText("Close"),
		Blocks:          slack.Blocks{BlockSet: what.blocks},
		PrivateMetadata: c.remember(form{user: s.who.User, channel: s.who.Channel})}
}

// share shows an answer to the channel, without its buttons, and says who shared it.
func (c *Commands) share(ctx context.Context, s scene, line string) {
	now := time.Now()
	m := c.answers.To(ctx, line, now)
	for _, m := range []*message.Message{&m, m.Wide} {
		if m == nil {
			continue
		}
		m.Parts = slices.DeleteFunc(m.Parts, func(p message.Part) bool { return len(p.Buttons) > 0 || p.Choice != nil })
		m.Parts = append(m.Parts,
			message.Part{Note: message.Line{{Text: fmt.Sprintf("Shared by %s at ", s.name)}, {At: now, Day: true},
				{Text: " with " + message.Clip(c.answers.Names().Show(line), 200)}}},
			message.Part{Buttons: []message.Button{{Label: "Open for me", Verb: message.Open, Value: line}}})
	}
	to := s.to
	to.replace, to.toAll = false, true
	if s.on == onMessage && c.deliver(ctx, to, c.drawBest(m, onMessage)) {
		return
	}
	c.show(ctx, s, c.draw(message.Notice("⚠️",
		"Slack did not take it for the channel. Type the command there, and press Share again.",
		message.Button{Label: "Back", Verb: message.Show, Value: line}), s.surface()))
}

// unmute ends a mute early.
func (c *Commands) unmute(ctx context.Context, s scene, value string, now time.Time) {
	m, ended := c.answers.Unmute(ctx, value, s.who.User, s.name, now)
	if ended {
		c.home.poke()
	}
	if s.on == onHome {
		c.publish(ctx, s.who, now) // it shows the mutes
		return
	}
	s.to.replace = false
	c.show(ctx, s, c.draw(m, s.surface()))
}
