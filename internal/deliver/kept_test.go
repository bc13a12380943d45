package deliver_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/channel"
	"rollcall/internal/fleet"
	"rollcall/internal/slackemu"
)

// keeping is a bubble's cluster whose nodes a budget keeps.
type keeping struct {
	*rig
	n int // events written
}

func (k *keeping) blocked(from, to int) {
	k.t.Helper()
	var events []fleet.Event
	for n := from; n < to; n++ {
		k.n++
		node := k.node(n)
		events = append(events, fleet.Event{Cluster: "prod", UID: fmt.Sprint("e", k.n), Reason: "DisruptionBlocked",
			Note: "Pdb prevents pod evictions (PodDisruptionBudget=[shop/checkout])", Controller: "karpenter", Count: 1,
			First: time.Now(), Last: time.Now(), Regarding: fleet.ObjectRef{Kind: "Node", Name: node.Name, UID: node.UID}})
	}
	if err := k.ledger.RecordEvents(k.t.Context(), "prod", events, ""); err != nil {
		k.t.Error(err)
	}
}

// hours lets time pass, in which the budget goes on to keep nodes.
func (k *keeping) hours(h float64, from, to int) {
	for end := time.Now().Add(time.Duration(h * float64(time.Hour))); time.Now().Before(end); {
		k.blocked(from, to)
		time.Sleep(10 * time.Minute)
	}
}

// said is the text of the nth of so many messages of a kind.
func (k *keeping) said(kind string, n, of int) (channel.Wave, string) {
	k.t.Helper()
	w := k.waves(kind)
	if len(w) != of {
		k.t.Errorf("%d messages of kind %s, want %d", len(w), kind, of)
	}
	if len(w) != of || of == 0 {
		return channel.Wave{}, ""
	}
	m, _ := k.slack.Message(slackemu.ChannelOps, w[n].TS)
	return w[n], slackemu.PlainText(m)
}

func (k *keeping) says(text string, words ...string) {
	k.t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			k.t.Errorf("it does not say %q:\n%s", word, text)
		}
	}
}

func keepBubble(t *testing.T, run func(k *keeping)) {
	bubble(t, func(r *rig) {
		if err := r.ledger.FinishBaseline(r.t.Context(), fleet.Batch{Cluster: "prod", At: time.Now()},
			func(string) bool { return true }); err != nil {
			r.t.Error(err)
		}
		r.alert.Kept = alert.KeptRule{USD: 5, Share: 0.2, For: 6 * time.Hour}
		r.alert.Price = func(fleet.Machine) fleet.Price { return fleet.Price{USD: 0.5, Known: true} }
		r.restart()
		r.now = time.Now().Truncate(time.Second)
		r.join(0, 10)
		run(&keeping{rig: r})
	})
}

// What is kept for as long as the rule says is told once, through restarts, edited as it changes, and at its end.
func TestKept(t *testing.T) {
	t.Parallel()
	keepBubble(t, func(k *keeping) {
		k.hours(5.5, 0, 3)
		k.said("kept", 0, 0) // not for long enough
		k.restart()
		k.hours(0.8, 0, 3)
		first, text := k.said("kept", 0, 1)
		k.says(text, "3 nodes are kept from being ended: $1.50/h", "so far", "3 by the PodDisruptionBudget shop/checkout",
			"30 % of what all nodes cost", "Whether they are needed is not known")
		k.restart()
		k.hours(1, 0, 4)
		k.restart()
		w, text := k.said("kept", 0, 1)
		if w.TS != first.TS {
			k.t.Error("it is told again")
		}
		k.says(text, "4 nodes are kept from being ended: $2.00/h")
		edits := w.Edits
		k.hours(1, 0, 4)
		if w, _ := k.said("kept", 0, 1); w.Edits > edits+3 {
			t.Errorf("it was edited %d times in an hour", w.Edits-edits)
		}
		// One goes on to be kept, which is too little.
		k.hours(1, 0, 1)
		_, text = k.said("kept", 0, 1)
		k.says(text, "what is kept is below KEPT_ALERT again; it was 4 nodes")
		time.Sleep(2 * time.Hour)
		k.hours(7, 0, 3)
		_, text = k.said("kept", 1, 2)
		k.says(text, "3 nodes are kept")
	})
}

// While events are not seen nothing is over for lack of a word, and what is blind at the start says nothing either.
func TestKeptBlind(t *testing.T) {
	t.Parallel()
	keepBubble(t, func(k *keeping) {
		var lost atomic.Pointer[time.Time]
		k.sight = func(started time.Time) alert.Sight {
			s := alert.Seen{Until: time.Now()}
			if since := lost.Load(); since != nil {
				s = alert.Seen{Until: fleet.Latest(*since, started), Never: started.After(*since), Why: "refused"}
			}
			return alert.Sight{Nodes: alert.Seen{Until: time.Now()}, Events: s}
		}
		k.restart()
		k.hours(6.5, 0, 3)
		k.said("kept", 0, 1)
		now := time.Now()
		lost.Store(&now)
		time.Sleep(5 * time.Hour)
		k.restart()
		time.Sleep(5 * time.Hour)
		_, text := k.said("kept", 0, 1)
		k.says(text, "3 nodes are kept from being ended")
		lost.Store(nil)
		time.Sleep(40 * time.Minute)
		_, text = k.said("kept", 0, 1)
		k.says(text, "3 nodes are kept from being ended") // it may still be said
		time.Sleep(20 * time.Minute)
		_, text = k.said("kept", 0, 1)
		k.says(text, "below KEPT_ALERT again")
	})
}

// A node that is cordoned and forgotten is told once, wherever the process is killed, and when somebody remembers it.
func TestKeptCordon(t *testing.T) {
	t.Parallel()
	keepBubble(t, func(k *keeping) {
		k.alert.Kept = alert.KeptRule{USD: 1000, For: 6 * time.Hour}
		k.restart()
		cordon := func(n int, on bool) {
			k.t.Helper()
			node := k.known[fmt.Sprintf("uid-%d", n)].Node
			node.Cordoned = on
			o, ok := fleet.Diff(k.known[node.UID].Known, node, fleet.Look{At: time.Now()})
			if !ok {
				k.t.Fatal("that is no change")
			}
			k.record(nil, o)
		}
		cordon(1, true)
		time.Sleep(time.Minute)
		cordon(2, true)
		time.Sleep(2*time.Hour + 50*time.Minute)
		k.said("kept", 0, 0)
		for range 30 {
			time.Sleep(time.Minute)
			k.restart()
		}
		all := k.waves("kept")
		var texts []string
		for i := range all {
			_, text := k.said("kept", i, len(all))
			texts = append(texts, text)
		}
		told := strings.Join(texts, "\n")
		for n := 1; n <= 2; n++ {
			if c := strings.Count(told, k.node(n).Name+": pool general, cordoned since"); c > 1 || c == 0 && len(all) > 1 {
				k.t.Errorf("%s is told %d times:\n%s", k.node(n).Name, c, told)
			}
		}
		k.says(told, k.node(1).Name, k.node(2).Name, "nobody ends")
		time.Sleep(9 * time.Hour)
		k.said("kept", 0, len(all))
		cordon(1, false)
		k.record(nil, fleet.Gone(k.known["uid-2"].Node, k.known["uid-2"].Known, time.Now()))
		time.Sleep(time.Hour)
		for i := range all {
			_, text := k.said("kept", i, len(all))
			k.says(text, "no longer cordoned and forgotten")
		}
	})
}
