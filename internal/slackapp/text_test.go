package slackapp

import (
	"encoding/json"
	"strings"
	"testing"

	"rollcall/internal/message"
)

// TestOldTextIsCleaned holds that text which an older Rollcall has put into a ledger as it was reaches no block and no
// notification, and that the break of a link in a notification stays.
func TestOldTextIsCleaned(t *testing.T) {
	const evil = "node\u202e-1\u2028x\u009b"
	m := message.Message{
		Icon: "⚠️", Text: evil + " https://evil.example", Headline: evil,
		Parts: []message.Part{
			{Heading: evil, Lines: message.Sentence(evil), Cards: []message.Card{{Name: evil, Lines: message.Sentence(evil)}}},
			{Table: &message.Table{Head: []string{evil}, Rows: [][]string{{evil}}}},
			{Table: &message.Table{Head: []string{evil}, Rows: [][]string{{evil}}, Names: [][]string{{evil}}}},
			{Text: []string{evil}, Note: message.NewLine(evil), Footer: message.NewLine(evil)},
			{Buttons: []message.Button{{Label: evil, Verb: message.Show, Value: "list nodes"}}},
			{Choice: &message.Choice{Verb: message.Show, Prompt: "…", Options: []message.Option{{Label: evil, Value: "x"}}}},
		},
	}
	for _, on := range []surface{onMessage, onModal, onHome} {
		c := render(m, on)
		blocks, err := json.Marshal(c.blocks)
		if err != nil {
			t.Fatal(err)
		}
		if all := c.text + string(blocks); strings.ContainsAny(all, "\u202e\u2028\u009b") || strings.Contains(all, `\u2028`) {
			t.Errorf("surface %d: %s", on, all)
		} else if n := strings.Count(all, "node-1 x"); n < 10 {
			t.Errorf("surface %d: the text is shown %d times, want 10 or more: %s", on, n, all)
		}
		if want := "⚠️ node-1 x https:\u200b//evil.example"; c.text != want {
			t.Errorf("notification %q, want %q", c.text, want)
		}
	}
}
