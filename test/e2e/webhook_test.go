package e2e

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rollcall/internal/slackemu"
	"rollcall/internal/webhook"
	"rollcall/internal/webhook/receiver"
	"rollcall/internal/webhook/webhooktest"
	"rollcall/test/cluster"
)

const webhookSecret = "whsec_c2VjcmV0IG9mIHRoZSBlbmQtdG8tZW5kIHRlc3Rz"

// listening starts a receiver, and returns it with the variables that name it.
func listening(t *testing.T) (*receiver.Receiver, []string) {
	t.Helper()
	validate, err := webhooktest.Schema()
	if err != nil {
		t.Fatal(err)
	}
	r := receiver.New(webhookSecret, validate, 0)
	server := httptest.NewServer(r)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		for _, problem := range r.Wrong() {
			t.Errorf("the receiver refuses an event: %s", problem)
		}
	})
	return r, []string{"WEBHOOK_URL=" + server.URL + "/events", "WEBHOOK_SECRET=" + webhookSecret}
}

// received says how often the receiver was told of each step, by step and node.
func received(r *receiver.Receiver) map[string]int {
	told := map[string]int{}
	for _, e := range r.Events() {
		if step, ok := strings.CutPrefix(strings.TrimSuffix(e.Type(), ".v1"), webhook.Prefix+"node."); ok && step != "explained" {
			told[step+" "+e.Subject()]++
		}
	}
	return told
}

// delivered waits until the receiver was told of each step exactly the nodes that took it, once.
func (s *stage) delivered(r *receiver.Receiver, within time.Duration) {
	s.t.Helper()
	s.eventually(within, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		told, n := received(r), 0
		for step, names := range s.truth {
			for _, name := range names {
				if n++; told[step+" "+name] != 1 {
					return fmt.Errorf("%s %s was told %d times", step, name, told[step+" "+name])
				}
			}
		}
		if len(told) != n {
			return fmt.Errorf("%d steps were told, and %d taken", len(told), n)
		}
		return nil
	})
}

// While Slack is down the webhook is told at once, and while the webhook is down Slack is; each is caught up, and a
// kill in between neither loses nor repeats anything.
func TestWebhook(t *testing.T) {
	r, env := listening(t)
	s := set(t, cluster.Shared(t), env...)
	s.start()
	s.watching()
	names := s.join(4)
	s.settle(20*time.Second, "joined")
	s.delivered(r, 10*time.Second)

	s.slack.SetOutage(slackemu.Outage503)
	s.setReady(names[0], corev1.ConditionTrue, "ready")
	s.delivered(r, 10*time.Second)
	s.kill()
	s.slack.SetOutage(slackemu.OutageOff)

	r.Fail(receiver.Broken, -1)
	before, _ := r.Tally()
	s.start()
	s.setReady(names[1], corev1.ConditionTrue, "ready")
	s.settle(30*time.Second, "ready")
	s.eventually(20*time.Second, func() error {
		if tries, _ := r.Tally(); tries < before+3 {
			return fmt.Errorf("only %d tries", tries-before)
		}
		return nil
	})
	s.kill()
	r.Fail(receiver.Dropped, 1)
	s.start()
	s.remove(names[0])
	s.settle(30*time.Second, "removed")
	s.delivered(r, 30*time.Second)
	if _, repeats := r.Tally(); repeats < 1 {
		t.Error("the answer that was lost caused no repeat")
	}

	// What the channel was told, too.
	s.eventually(20*time.Second, func() error {
		phases := map[string]bool{}
		for _, e := range r.Events() {
			var data struct{ Kind, Phase string }
			if err := e.DataAs(&data); err != nil {
				return err
			}
			phases[data.Kind+" "+data.Phase] = true
		}
		for _, want := range []string{"baseline over", "joined opened", "away over"} {
			if !phases[want] {
				return fmt.Errorf("no event says %s: %v", want, phases)
			}
		}
		return nil
	})
	s.stop()
}
