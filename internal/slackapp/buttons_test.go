package slackapp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/alert/alerttest"
	"rollcall/internal/command"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// pressable lists the buttons of a message as "label action_id value"; they are in its last
// block.
func pressable(t *testing.T, c content) []string {
	t.Helper()
	var out []string
	for i, b := range c.blocks {
		a, ok := b.(*slack.ActionBlock)
		if !ok {
			continue
		}
		if i != len(c.blocks)-1 {
			t.Errorf("buttons in block %d of %d", i+1, len(c.blocks))
		}
		for _, e := range a.Elements.ElementSet {
			x := e.(*slack.ButtonBlockElement)
			out = append(out, fmt.Sprintf("%s %s %s", x.Text.Text, x.ActionID, x.Value))
		}
	}
	return out
}

func TestWaveButtons(t *testing.T) {
	t.Parallel()
	about := []string{"Nodes wave_nodes:1 k-7", "Events wave_events:2 k-7", "Mute… mute:3 k-7"}
	want := map[wave.Kind][]string{
		wave.KindBaseline: {"Nodes open:1 /nodes"},
		wave.KindSurge: {"I look at it look:1 k-7", "Nodes open:2 /nodes list --newer 1h",
			"Mute… mute:3 k-7"},
		wave.KindCreep: {"Nodes open:1 /nodes list --newer 2d", "Mute… mute:2 k-7"},
		wave.KindMute:  {"Undo unmute:1 12"},
	}
	for _, kind := range []wave.Kind{wave.KindJoined, wave.KindReady, wave.KindNotReady, wave.KindRecovered,
		wave.KindRemoved, wave.KindAway, wave.KindCatchUp} {
		want[kind] = about
	}
	want[wave.KindNotReady] = []string{"I look at it look:1 k-7", "Nodes wave_nodes:2 k-7", "Events wave_events:3 k-7",
		"Mute… mute:4 k-7"}
	scenes := alerttest.Scenes()
	for kind, want := range want {
		w := wave.Wave{Cluster: "prod", Key: "k-7", Kind: kind, About: scenes["creep"].About, Mute: scenes["mute"].Mute,
			Members: scenes["joined-one"].Members}
		switch kind {
		case wave.KindNotReady:
			w.Members = scenes["not-ready"].Members
		case wave.KindSurge:
			w.Members = nil
		}
		m := alert.Render(w, fleet.Totals{Nodes: 1}, nil, alert.Config{}.WithDefaults())
		if diff := cmp.Diff(want, pressable(t, render(m, onMessage))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
		for _, s := range want {
			_, value, _ := strings.Cut(s, "/nodes")
			if _, err := command.ParseNodes(value, time.Now()); strings.Contains(s, " open:") && err != nil {
				t.Errorf("%s asks for %q: %v", kind, value, err)
			}
		}
	}
	w := scenes["joined-fifty"]
	w.Key = "k-7"
	stuck, _ := alert.RenderNeverReady(w, alert.Config{}.WithDefaults())
	if diff := cmp.Diff([]string{"I look at it look:1 k-7", "Events wave_events:2 k-7"}, pressable(t, render(stuck, onMessage))); diff != "" {
		t.Errorf("stuck (-want +got):\n%s", diff)
	}
	if got := pressable(t, render(alert.RenderList(w, w.Members, 1), onMessage)); got != nil {
		t.Errorf("a list has buttons: %v", got)
	}
	ended := alert.Buttons(scenes["mute-ended"])
	if slices.ContainsFunc(ended, func(b message.Button) bool { return b.Verb == message.Unmute }) {
		t.Errorf("what has ended can be undone: %v", ended)
	}
}

// The largest messages keep their buttons, whatever they had to cut.
func TestButtonsFit(t *testing.T) {
	t.Parallel()
	w := wave.Wave{Cluster: strings.Repeat("c", 600), Key: "k-7", Kind: wave.KindNotReady}
	for i := range 5 {
		n := fleet.Node{UID: fmt.Sprint(i), Name: strings.Repeat("n", 253), InstanceType: strings.Repeat("t", 5000),
			Labels: map[string]string{"team": strings.Repeat("l", 5000)}}
		w.Members = append(w.Members,
			wave.Member{Node: n,
				Steps: []fleet.Change{{Kind: fleet.WentUnready, At: alerttest.T0, Reason: strings.Repeat("r", 5000)}}})
	}
	m := alert.Render(w, fleet.Totals{}, nil, alert.Config{Labels: []string{"team"}}.WithDefaults())
	c := render(m, onMessage)
	valid(t, "large", c)
	if got := pressable(t, c); len(got) != 4 {
		t.Errorf("buttons %v", got)
	}
	if slices.ContainsFunc(plainly(m).blocks, func(slack.Block) bool { return true }) {
		t.Error("plain text has blocks")
	}
}
