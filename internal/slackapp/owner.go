package slackapp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/command"
	"rollcall/internal/deliver"
	"rollcall/internal/message"
)

// An Owner is the Rollcall that a button or a form belongs to. What comes back may reach another one: Slack
// gives it to any connection of the app, and the ledger may have been replaced since. The zero Owner signs nothing.
type Owner struct {
	Instance string // of its ledger
	Cluster  string // what it watches, for people
}

// maxCluster is how long a cluster's name is in a signature, in UTF-16 code units: an action_id takes 255.
const maxCluster = 200

// String is the Owner's signature, "" for the zero Owner.
func (o Owner) String() string {
	if o == (Owner{}) {
		return ""
	}
	return o.Instance + ":" + clip(clean(o.Cluster), maxCluster)
}

// signedBy reads a signature after some other text, from which a colon parts it.
func signedBy(s string) (before string, o Owner, ok bool) {
	before, signature, _ := strings.Cut(s, ":")
	o.Instance, o.Cluster, ok = strings.Cut(signature, ":")
	return before, o, ok
}

// sign appends a signature to the text of an ID; it has none without an owner.
func sign(id, signature string) string {
	if signature == "" {
		return id
	}
	return id + ":" + signature
}

// ownerOf says whose a button is. Those of messages that an earlier version posted are not signed; the keys of
// waves begin with the ledger's instance.
func ownerOf(actionID string, verb message.Verb, value string) (o Owner, ok bool) {
	_, numbered, _ := strings.Cut(actionID, ":")
	if _, o, ok = signedBy(numbered); ok {
		return o, true
	}
	switch verb {
	case message.WaveNodes, message.WaveEvents, message.WaveCauses, message.Look, message.Mute:
		instance, _, keyed := strings.Cut(value, "-")
		return Owner{Instance: instance}, keyed && instance != ""
	}
	return Owner{}, false
}

// owns reports whether what another Owner has signed is this one's.
func (o Owner) owns(signed Owner) bool {
	if signed.Cluster == "" { // by a wave's key
		return signed.Instance == o.Instance
	}
	return signed.String() == o.String()
}

// How to do by hand what a button did not do.
const byHand = "Type /nodes: it shows what is muted, with a button that ends each mute. The Home tab has a button to " +
	"mute alerts."

// disowned says why something is not carried out here: it is of another Rollcall.
func (o Owner) disowned(of Owner) string {
	if of.Cluster != "" && of.Cluster != clip(clean(o.Cluster), maxCluster) {
		return fmt.Sprintf("This belongs to the Rollcall of %s. Slack gave it to the Rollcall of %s, because both use the "+
			"same Slack app. Nothing was done. Try again: Slack chooses one of them each time. To end this, give each "+
			"Rollcall a Slack app of its own.", clip(clean(of.Cluster), 60), clip(clean(o.Cluster), 60))
	}
	return fmt.Sprintf("This belongs to another ledger than that of the Rollcall of %s: to an earlier one, or to another "+
		"Rollcall that uses the same Slack app. Nothing was done. %s", clip(clean(o.Cluster), 60), byHand)
}

// refuseButton says why a button is not carried out, "" if it is. One that nobody signed may show things, but
// change nothing: whose mute it means is not known.
func (o Owner) refuseButton(actionID string, verb message.Verb, value string) string {
	if o == (Owner{}) {
		return ""
	}
	switch of, ok := ownerOf(actionID, verb, value); {
	case ok && !o.owns(of):
		return o.disowned(of)
	case !ok && (verb == message.Look || verb == message.Mute || verb == message.Unmute):
		return "This button was made by an earlier version of Rollcall, and does not say which Rollcall it belongs to. " +
			"Nothing was done. " + byHand
	}
	return ""
}

// tell tells somebody who pressed something why nothing came of it. It leaves what they see as it is.
func (c *Commands) tell(ctx context.Context, s scene, why string) {
	what := c.draw(message.Notice("↪️", why), s.surface())
	if s.on == onMessage {
		s.to.replace = false
		c.show(ctx, s, what)
		return
	}
	c.openForm(ctx, s, c.modal(s, what))
}

// formOf reads the metadata of a form or of an answer in a modal.
func (c *Commands) formOf(v slack.View, user string) (x form, of Owner, ok bool) {
	token, of, signed := signedBy(v.PrivateMetadata)
	if !signed {
		of = Owner{}
	}
	x, ok = c.forms.get(token, user)
	return x, of, ok
}

// disown answers a form of another Rollcall. The form stays open, with what stands in it, so that it can be
// submitted again: Slack may give it to its own Rollcall then.
func (c *Commands) disown(v slack.View, of Owner) any {
	i := slices.IndexFunc(v.Blocks.BlockSet, func(b slack.Block) bool { return b.BlockType() == slack.MBTInput })
	if i < 0 || of.Cluster == c.owner.Cluster {
		return instead("↪️ "+c.answers.Names().Show(c.owner.disowned(of)), "")
	}
	return slack.NewErrorsViewSubmissionResponse(map[string]string{v.Blocks.BlockSet[i].ID(): clip(fmt.Sprintf(
		"This form is of the Rollcall of %s, but Slack gave it to that of %s. Nothing was done: submit it again.",
		clip(clean(of.Cluster), 30), clip(clean(c.owner.Cluster), 30)), 150)})
}

// drawFor is draw for one person alone, as that person reads it.
func (c *Commands) drawFor(ctx context.Context, user string, m message.Message, on surface) content {
	return c.drawBest(c.answers.For(ctx, user, m), on)
}

// draw renders a message for a surface, with its buttons signed.
func (c *Commands) draw(m message.Message, on surface) content {
	m.Owner = c.owner.String()
	return render(m, on)
}

// drawBest is draw, with charts and sortable tables where there can be any.
func (c *Commands) drawBest(m message.Message, on surface) content {
	if time.Now().UnixNano() < c.plainUntil.Load() {
		return c.draw(m, on)
	}
	m.Owner = c.owner.String()
	return best(m, on)
}

// Signed is the Sink with an Owner for the buttons of what it posts, and with the names of its commands.
func (s *Sink) Signed(o Owner, names command.Names) deliver.Sink {
	return signedSink{s, o.String(), names}
}

type signedSink struct {
	*Sink
	signature string
	names     command.Names
}

// sign makes a message the owner's.
func (s signedSink) sign(m message.Message) message.Message {
	m.Owner, m.Bare = s.signature, s.names.Show(bare(m))
	return m
}

// Post implements deliver.Sink.
func (s signedSink) Post(ctx context.Context, to deliver.Place, mark deliver.Mark, m message.Message,
	form deliver.Form) (
	string, error) {
	return s.Sink.Post(ctx, to, mark, s.sign(m), form)
}

// Edit implements deliver.Sink.
func (s signedSink) Edit(ctx context.Context, channel, ts string, mark deliver.Mark, m message.Message,
	form deliver.Form) error {
	return s.Sink.Edit(ctx, channel, ts, mark, s.sign(m), form)
}
