// Package webhook is the second sink: what happens to a cluster's nodes, and what the channel is told, as CloudEvents
// that are signed as Standard Webhooks says, for one receiver.
//
// [Events] writes the events, which is pure: the same facts make the same event with the same ID. [Sink] sends what was
// written and recorded, and says what an answer means. When something is sent, in which order and how often is
// package deliver's, where it is kept the ledger's. Package webhook decides nothing about nodes and knows neither
// Slack nor SQL.
//
// What it sends is a contract: docs/webhook.md and docs/webhook.schema.json, which tests hold against this package.
package webhook

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"rollcall/internal/deliver"
	"rollcall/internal/digest"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// Prefix begins the types of all events. A version at their end says which form their data have.
const Prefix = "io.rollcall."

// CheckType is the type of the event that says nothing.
const CheckType = Prefix + "check.v1"

// Bounds that keep an event below 64 KiB, which every receiver of CloudEvents takes, whatever the cluster's texts are:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#size-limits
const (
	maxNames  = 100  // nodes that a message's event names
	maxText   = 2000 // bytes of a message's text
	maxRows   = 20   // of any other list
	maxLabels = 24 << 10
	maxWord   = 253 // bytes of any other text: as long as a name of Kubernetes may be
)

// Events writes the events of a cluster's feed, as package deliver asks for them.
type Events struct {
	Cluster string
	Price   fleet.Pricer // what nodes cost; nil: no price is known
}

var _ deliver.Events = Events{}

// write writes one event. id is what makes it this one: the same in the same cluster is the same event.
func (e Events) write(s deliver.Stamp, kind, subject string, at time.Time, data any, id ...any) (wave.Delivery, error) {
	d := wave.Delivery{Seq: s.Seq, Type: Prefix + kind + ".v1", Created: s.Now, Key: eventID(e.Cluster, kind, id...)}
	c := cloudevents.New(cloudevents.CloudEventsVersionV1)
	c.SetID(d.Key)
	c.SetType(d.Type)
	c.SetSource(Source(e.Cluster))
	c.SetTime(at.UTC())
	if subject != "" {
		c.SetSubject(clip(subject))
	}
	// https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/sequence.md
	if s.Seq > 0 {
		c.SetExtension("sequence", fmt.Sprintf("%016d", s.Seq))
	}
	err := c.SetData(cloudevents.ApplicationJSON, data)
	if err == nil {
		err = c.Validate()
	}
	if err == nil {
		d.Body, err = json.Marshal(c)
	}
	if err != nil {
		err = fmt.Errorf("writing an event of type %s: %w", d.Type, err)
	}
	return d, err
}

// Source is the CloudEvents source of a cluster's events.
func Source(cluster string) string { return "/clusters/" + url.PathEscape(cluster) }

// eventID is an ID that the same facts always have, and no others.
func eventID(cluster, kind string, id ...any) string {
	text, err := json.Marshal(append([]any{cluster, kind}, id...))
	if err != nil {
		panic(err) // strings and numbers always can be
	}
	sum := sha256.Sum256(text)
	return "evt_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// Change implements [deliver.Events].
func (e Events) Change(s deliver.Stamp, c wave.FedChange, quiet deliver.Quiet) (wave.Delivery, error) {
	data := changeData{Cluster: e.Cluster, Text: e.words(c.Change, c.Node, c.Why), Node: e.node(c.Node),
		Change: newChange(c.Change), Cause: newCause(c.Why), Quiet: string(quiet)}
	if g := c.Gap; g != nil {
		data.Gap = &gap{From: g.From, Until: g.Until, Cause: clip(g.Cause), Missed: g.Missed, EventsFrom: g.EventsFrom}
	}
	return e.write(s, "node."+string(c.Change.Kind), c.Node.Name, c.Change.At, data, c.Change.NodeUID,
		c.Change.Occurrence, c.Change.At.UnixMilli())
}

// Cause implements [deliver.Events].
func (e Events) Cause(s deliver.Stamp, c wave.FedCause) (wave.Delivery, error) {
	return e.write(s, "node.explained", c.Node.Name, s.Now, changeData{Cluster: e.Cluster,
		Text: e.words(c.Change, c.Node, c.Why), Node: e.node(c.Node), Change: newChange(c.Change),
		Cause: newCause(c.Why)}, c.Change.NodeUID, c.Change.Kind, c.Change.Occurrence, c.Change.At.UnixMilli(),
		c.Why.Strength, c.Why.Kind)
}

// Message implements [deliver.Events].
func (e Events) Message(s deliver.Stamp, m deliver.FedMessage) (wave.Delivery, error) {
	w := m.Wave
	data := messageData{Cluster: e.Cluster, Key: w.Key, Channel: w.Main.Channel, Kind: w.Kind, Phase: string(m.Phase),
		Text: fleet.Cut(message.Clean(m.Text), maxText), Since: w.OpenedAt, NodeCount: len(w.Members), About: newAbout(w)}
	if m.Phase == deliver.Withdrawn {
		data.Text = fmt.Sprintf("%s: what this message told is told by another one.", e.Cluster)
	}
	if m.Phase == deliver.Over || m.Phase == deliver.Withdrawn {
		data.Until = s.Now
	}
	for _, m := range w.Members[:min(len(w.Members), maxNames)] {
		data.Nodes = append(data.Nodes, nodeRef{Name: clip(m.Node.Name), UID: clip(m.Node.UID)})
	}
	return e.write(s, "message."+string(w.Kind), w.Key, s.Now, data, w.Key, m.Events)
}

// Digest implements [deliver.Events].
func (e Events) Digest(s deliver.Stamp, d wave.Digest, sum digest.Summary, text string) (wave.Delivery, error) {
	data := digestData{Cluster: e.Cluster, Key: d.Key, Text: fleet.Cut(message.Clean(text), maxText),
		Channel: d.Audience, Schedule: d.Schedule,
		From: sum.From, Until: sum.Until, NodesBefore: sum.Start, NodesAfter: sum.End,
		Peak: sum.Peak, Low: sum.Low, Joined: sum.Joined, Left: sum.Left, Cost: newCost(sum.Cost),
		UnsureUSD: sum.UnsureUSD, NotReady: sum.Down.Incidents}
	return e.write(s, "digest", d.Key, s.Now, data, d.Key)
}

// Missed implements [deliver.Events].
func (e Events) Missed(s deliver.Stamp, events int) (wave.Delivery, error) {
	return e.write(s, "missed", "", s.Now, missedData{Cluster: e.Cluster, Events: events,
		Text: fmt.Sprintf("%s: %s waited too long and will not be sent.", e.Cluster, message.Count(events, "event"))},
		s.Seq, s.Now.UnixMilli())
}

// Check is an event that says nothing: `rollcall check --post` sends it.
func (e Events) Check(now time.Time) (wave.Delivery, error) {
	return e.write(deliver.Stamp{Now: now}, "check", "", now, checkData{Cluster: e.Cluster,
		Text: e.Cluster + ": Rollcall reaches this webhook."}, now.UnixNano())
}

// steps are the words for changes.
var steps = map[fleet.ChangeKind]string{fleet.Joined: "joined", fleet.BecameReady: "became ready",
	fleet.WentUnready: "is not ready", fleet.Recovered: "recovered", fleet.Cordoned: "was cordoned",
	fleet.Uncordoned: "was uncordoned", fleet.Removed: "left"}

// words are a change in one line.
func (e Events) words(c fleet.Change, n fleet.Node, why fleet.Explanation) string {
	text := fmt.Sprintf("%s: %s %s", e.Cluster, message.OneWord(clip(n.Name)), steps[c.Kind])
	reason := ""
	switch c.Kind {
	case fleet.Joined:
		reason = message.Came(why.Cause, 1)
	case fleet.Removed:
		reason = message.Went(why.Cause)
	case fleet.WentUnready:
		reason = message.OneWord(clip(c.Reason))
	}
	if reason != "" {
		text += ", " + reason
	}
	return fleet.Cut(text, maxText)
}

func clip(s string) string { return fleet.Cut(message.Clean(s), maxWord) }
