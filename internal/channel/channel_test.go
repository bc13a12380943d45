package channel

import (
	"encoding/json"
	"fmt"
	"testing"

	"rollcall/internal/slackemu"
)

// said is a message of a kind that shows a node's card and a list of names.
func said(kind string) slackemu.Message {
	return slackemu.Message{TS: "1.1", Blocks: json.RawMessage(`[{"type": "rich_text", "elements": [
			{"type": "rich_text_section", "elements": [{"type": "text", "text": "16 changes of 7 nodes were kept quiet: 5 joined, 4 left"}]},
			{"type": "rich_text_quote", "elements": [{"type": "text", "text": "node-1"}, {"type": "text", "text": "\n"}, {"type": "text", "text": "joined "}]}]},
			{"type": "actions", "elements": [{"type": "button", "action_id": "mute:1", "text": {"type": "plain_text", "text": "Mute…"}, "value": "k-7"}]}]`),
		Metadata: &slackemu.Metadata{EventType: "rollcall_wave",
			EventPayload: json.RawMessage(fmt.Sprintf(`{"key": "k-7", "cluster": "prod", "kind": %q, "nodes": 7}`, kind))}}
}

// A message about a mute tells nothing of nodes, and buttons do not change what one tells.
func TestOf(t *testing.T) {
	if got := Of(said("joined"), nil); len(got) != 1 ||
		got[0] != (Telling{Node: "node-1", Step: "joined", TS: "1.1", Kind: "joined"}) {
		t.Errorf("a joining tells %+v", got)
	}
	if got := Of(said("mute"), nil); got != nil {
		t.Errorf("a mute tells %+v", got)
	}
	if kind, n, ok := About(said("mute")); kind != "mute" || n != 7 || !ok {
		t.Errorf("About = %s, %d, %v", kind, n, ok)
	}
}
