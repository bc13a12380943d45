package slackapp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"rollcall/internal/message"
)

// What is pressed is carried out by the Rollcall that has signed it. What nobody has signed may show things, but
// end no mute and begin none.
func TestWhoseButtons(t *testing.T) {
	t.Parallel()
	own := Owner{Instance: "1a2b3c4d", Cluster: "east"}
	long := Owner{Instance: "1a2b3c4d", Cluster: strings.Repeat("ü:", 300)}
	for name, test := range map[string]struct {
		own   Owner
		id    string
		verb  message.Verb
		value string
		says  string // "": carried out
	}{
		"own mute":             {own, "unmute:1:1a2b3c4d:east", message.Unmute, "3", ""},
		"own form":             {own, "mute:12:1a2b3c4d:east", message.Mute, "1a2b3c4d-17", ""},
		"a long name":          {long, sign("unmute:1", long.String()), message.Unmute, "3", ""},
		"another cluster's":    {own, "unmute:1:99999999:west", message.Unmute, "3", "belongs to the Rollcall of west."},
		"another's list":       {own, "show:1:99999999:west", message.Show, "/nodes list", "both use the same Slack app"},
		"a copy of the ledger": {own, "unmute:1:1a2b3c4d:west", message.Unmute, "3", "belongs to the Rollcall of west."},
		"an earlier ledger's":  {own, "unmute:1:99999999:east", message.Unmute, "3", "another ledger"},
		"unsigned mute's end":  {own, "unmute:1", message.Unmute, "3", "an earlier version"},
		"unsigned, Home tab":   {own, "mute:1", message.Mute, "-", "an earlier version"},
		"unsigned, own key":    {own, "mute:1", message.Mute, "1a2b3c4d-17", ""},
		"unsigned, other key":  {own, "mute:1", message.Mute, "99999999-17", "another ledger"},
		"unsigned nodes":       {own, "wave_nodes:1", message.WaveNodes, "1a2b3c4d-17", ""},
		"unsigned, others'":    {own, "wave_events:1", message.WaveEvents, "99999999-17", "another ledger"},
		"unsigned list":        {own, "open:1", message.Open, "/nodes list", ""},
		"half a signature":     {own, "unmute:1:1a2b3c4d", message.Unmute, "3", "an earlier version"},
		"nothing":              {own, "", message.Unmute, "", "an earlier version"},
		"nobody":               {Owner{}, "unmute:1:99999999:west", message.Unmute, "3", ""},
	} {
		why := test.own.refuseButton(test.id, test.verb, test.value)
		if (why == "") != (test.says == "") || !strings.Contains(why, test.says) {
			t.Errorf("%s: %q", name, why)
		}
		if why != "" && !strings.Contains(why, "Nothing was done") {
			t.Errorf("%s: does not say what was done: %q", name, why)
		}
	}
}

// Every button and menu of a signed message carries the signature, within what Slack takes.
func TestButtonsAreSigned(t *testing.T) {
	t.Parallel()
	o := Owner{Instance: "1a2b3c4d", Cluster: strings.Repeat("c", 600)}
	m := message.Notice("🔕", "x", message.Button{Label: "Undo", Verb: message.Unmute, Value: "3"},
		message.Button{Label: "Nodes", Verb: message.Open, Value: "/nodes"})
	m.Parts = append(m.Parts, message.Part{Choice: &message.Choice{Verb: message.Show, Prompt: "Open a node",
		Options: []message.Option{{Label: "a", Value: "/nodes a"}}}})
	m.Owner = o.String()
	var ids []string
	for _, b := range render(m, onMessage).blocks {
		a, ok := b.(*slack.ActionBlock)
		if !ok {
			continue
		}
		for _, e := range a.Elements.ElementSet {
			switch e := e.(type) {
			case *slack.ButtonBlockElement:
				ids = append(ids, e.ActionID)
			case *slack.SelectBlockElement:
				ids = append(ids, e.ActionID)
			}
		}
	}
	if len(ids) != 3 {
		t.Fatalf("%q", ids)
	}
	for i, id := range ids {
		of, ok := ownerOf(id, "", "")
		if !ok || !o.owns(of) || units(id) > 255 || !strings.Contains(id, fmt.Sprintf(":%d:", i+1)) {
			t.Errorf("%q is of %+v", id, of)
		}
	}
	valid(t, "signed", render(m, onMessage))
}
