package deliver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/slackemu"
)

// waitRig is a rig whose cluster has pods.
type waitRig struct {
	*rig
	serial int
	events map[string]fleet.Event // the last of each pod and reason
}

// say records an event on a pod, again if it was said before.
func (r *waitRig) say(reason, note string, pods ...string) {
	r.t.Helper()
	var all []fleet.Event
	for _, pod := range pods {
		key := pod + reason + note
		e, again := r.events[key]
		if !again {
			r.serial++
			e = fleet.Event{UID: fmt.Sprint("e", r.serial), Reason: reason, Note: note, Type: "Warning", First: time.Now().UTC(),
				Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: pod, UID: "uid-" + pod}}
		}
		e.Count, e.Last = e.Count+1, time.Now().UTC()
		r.events[key] = e
		all = append(all, e)
	}
	if err := r.ledger.RecordEvents(r.t.Context(), "prod", all, ""); err != nil {
		r.t.Error(err)
	}
}

func (r *waitRig) noRoom(pods ...string) {
	r.t.Helper()
	r.say("FailedScheduling", "0/3 nodes are available.", pods...)
}

func (r *waitRig) refuse(pods ...string) {
	r.t.Helper()
	r.say("FailedScheduling", "Failed to schedule pod, all available instance types exceed limits for nodepool "+
		"(NodePool=general)", pods...)
}

func (r *waitRig) nominate(pods ...string) {
	r.t.Helper()
	r.say("Nominated", "Pod should schedule on: nodeclaim/general-abcde", pods...)
}

func (r *waitRig) place(pods ...string) {
	r.t.Helper()
	for _, p := range pods {
		r.say("Scheduled", "Successfully assigned shop/"+p+" to n1", p)
	}
}

// told holds how many messages there are of waits, and what the last one says.
func (r *waitRig) told(n int, words ...string) {
	r.t.Helper()
	w := r.waves("waiting")
	if len(w) != n {
		r.t.Errorf("%d messages, want %d", len(w), n)
		return
	}
	if n == 0 {
		return
	}
	m, _ := r.slack.Message(slackemu.ChannelOps, w[n-1].TS)
	for _, word := range words {
		if text := slackemu.PlainText(m); !strings.Contains(text, word) {
			r.t.Errorf("it does not say %q:\n%s", word, text)
		}
	}
}

// waitBubble runs a test in a cluster that has been watched for a while.
func waitBubble(t *testing.T, test func(r *waitRig)) {
	t.Parallel()
	bubble(t, func(r *rig) {
		if err := r.ledger.FinishBaseline(r.t.Context(), fleet.Batch{Cluster: "prod", At: time.Now()},
			func(string) bool { return true }); err != nil {
			t.Error(err)
		}
		r.alert.PendingAfter = 10 * time.Minute
		r.restart()
		time.Sleep(time.Minute)
		test(&waitRig{rig: r, events: map[string]fleet.Event{}})
	})
}

// That pods wait and no node comes is told once, a minute after it is sure, through restarts; the message follows what
// becomes of them.
func TestWaiting(t *testing.T) {
	waitBubble(t, func(r *waitRig) {
		pods := []string{"web-5d8-a", "web-5d8-b", "web-5d8-c", "web-5d8-d", "web-5d8-e"}
		r.noRoom(pods...)
		time.Sleep(10 * time.Second)
		r.refuse(pods...)
		time.Sleep(40 * time.Second)
		r.told(0)
		time.Sleep(40 * time.Second)
		r.told(1, "5 pods wait for nodes since", "none is coming: pool general is at its limit", "5 pods shop/web-5d8-*")
		r.restart()
		time.Sleep(4 * time.Minute)
		r.refuse(pods[:4]...)
		r.nominate(pods[4])
		time.Sleep(time.Minute)
		r.told(1, "4 pods wait")
		r.place(pods[4])
		time.Sleep(time.Minute)
		r.told(1, "4 pods wait", "Of others that waited, 1 found room")
		r.nominate(pods[:4]...)
		time.Sleep(time.Minute)
		r.told(1, "4 pods wait", "some are coming now", "The reason: pool general was at its limit.")
		r.restart()
		time.Sleep(30 * time.Second)
		r.place(pods[:3]...)
		time.Sleep(time.Minute)
		r.told(1, "1 pod waits")
		r.place(pods[3])
		time.Sleep(time.Minute)
		r.told(1, "5 pods waited for nodes from", "all found room", "The longest wait was 10 m")
		// What comes back soon goes on there.
		r.noRoom("web-5d8-f")
		r.refuse("web-5d8-f")
		time.Sleep(2 * time.Minute)
		r.told(1, "1 pod waits for nodes since", "none is coming", "5 found room")
		r.place("web-5d8-f")
		time.Sleep(time.Minute)
		r.told(1, "6 pods waited", "all found room")
		time.Sleep(11 * time.Minute)
		if n := r.liveWaves(); n != 0 {
			t.Errorf("%d waves live after the end", n)
		}
		r.refuse("web-5d8-g")
		time.Sleep(2 * time.Minute)
		r.told(2, "1 pod waits", "none is coming")
	})
}

// What no person has to hear of: pods that are refused for a moment only, for which nodes come, or that nobody answers
// for less than PENDING_AFTER.
func TestWaitingIsQuiet(t *testing.T) {
	waitBubble(t, func(r *waitRig) {
		for range 20 {
			r.noRoom("a-1", "b-1", "c-1")
			r.refuse("a-1")
			r.nominate("b-1")
			time.Sleep(45 * time.Second)
			r.nominate("a-1")
			time.Sleep(45 * time.Second)
			r.place("a-1", "b-1")
			time.Sleep(5 * time.Minute)
			r.place("c-1")
			r.events = map[string]fleet.Event{}
		}
		r.told(0)
	})
}

// Pods that nobody answers are told after PENDING_AFTER; pods of which nothing is heard for long are no longer said to
// wait, but not because events are not seen.
func TestWaitingUnanswered(t *testing.T) {
	waitBubble(t, func(r *waitRig) {
		r.noRoom("db-0", "db-1")
		time.Sleep(9*time.Minute + 50*time.Second)
		r.told(0)
		time.Sleep(50 * time.Second)
		r.told(1, "2 pods wait for nodes since", "no autoscaler answers", "The scheduler: 0/3 nodes are available.")
		lost := time.Now()
		r.sight = func(time.Time) alert.Sight {
			return alert.Sight{Nodes: alert.Seen{Until: time.Now()}, Events: alert.Seen{Until: lost}}
		}
		r.restart()
		time.Sleep(2 * time.Hour)
		r.told(1, "2 pods wait")
		r.sight = nil
		r.noRoom("db-0")
		r.restart()
		time.Sleep(time.Minute)
		r.told(1, "1 pod waits", "Of others that waited, 1 not heard of again")
		time.Sleep(40 * time.Minute)
		r.told(1, "2 pods waited", "all not heard of again")
	})
}
