package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
	"rollcall/test/cluster"
)

// TestDigest plays a day of a minute, kills the program twice while it posts the digest, and holds
// the digest's figures against what was done. Nodes cost a dollar a second, so that seconds can be
// read from it.
func TestDigest(t *testing.T) {
	s := set(t, cluster.Shared(t), "DIGEST_SCHEDULE=@every 1m", "DIGEST_TIMEZONE=Europe/Berlin")
	ctx := t.Context()
	dollar := cluster.Label(fleet.PriceLabel, "3600")
	s.join(3, dollar, cluster.Ready(), cluster.InstanceType("m5.large"))
	s.start()
	s.watching()
	s.truth = map[string][]string{}
	if left := time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)); left < 25*time.Second {
		time.Sleep(left + time.Second) // the day is not to be cut in two; its digest is of no interest
		s.eventually(20*time.Second, func() error {
			if len(s.digests()) == 0 {
				return fmt.Errorf("no digest of the minute before")
			}
			return nil
		})
	}
	before := len(s.digests())
	time.Sleep(1100 * time.Millisecond) // nodes are born at whole seconds: they are not to look older than the period

	// Each node's life is between bounds: the client sees a deletion a moment before and after it.
	type life struct{ born, diedAfter, diedBefore time.Time }
	lives := map[string]*life{}
	born := func(names ...string) {
		for _, name := range names {
			n, err := s.cluster.Admin().CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			lives[name] = &life{born: n.CreationTimestamp.Time}
		}
	}
	list, err := s.cluster.Admin().CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list.Items {
		born(n.Name)
	}
	burst := s.join(6, dollar, cluster.Spot(), cluster.InstanceType("c6i.2xlarge"))
	born(burst...)
	odd := s.join(1, cluster.InstanceType("no.such"))
	born(odd...)
	for _, name := range burst {
		s.setReady(name, corev1.ConditionTrue, "ready")
	}
	s.setReady(burst[0], corev1.ConditionUnknown, "not_ready")
	hpa := cluster.NewEvent("horizontal-pod-autoscaler",
		corev1.ObjectReference{Kind: "HorizontalPodAutoscaler", APIVersion: "autoscaling/v2", Namespace: "default",
			Name: "web"},
		corev1.EventTypeNormal, "SuccessfulRescale",
		"New size: 7; reason: cpu resource utilization (percentage of request) above target")
	if _, err := s.cluster.EmitEvent(ctx, hpa); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	s.setReady(burst[0], corev1.ConditionTrue, "recovered")
	for _, name := range burst[1:5] {
		lives[name].diedAfter = time.Now()
		s.remove(name)
		lives[name].diedBefore = time.Now().Add(time.Second) // the watch needs a moment
	}
	s.settle(20*time.Second, "joined", "not_ready", "recovered", "removed")

	// Killed once before Slack has the digest, and once after it has, but has not said so.
	posting := make(chan struct{}, 10)
	isDigest := func(c slackemu.Call) bool {
		if !strings.Contains(c.Args["metadata"], slackapp.MetadataDigest) {
			return false
		}
		posting <- struct{}{}
		return true
	}
	s.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Times: 1, Where: isDigest,
		Fault: slackemu.CutConnection().Delayed(500 * time.Millisecond)})
	s.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Times: 1, Where: isDigest,
		Fault: slackemu.HangUp().AfterEffect()})
	for i := range 2 {
		select {
		case <-posting:
		case <-time.After(90 * time.Second):
			t.Fatal("no digest is posted")
		}
		if i == 1 {
			s.eventually(5*time.Second, func() error { // Slack has it
				if len(s.digests()) != before+1 {
					return fmt.Errorf("%d digests", len(s.digests()))
				}
				return nil
			})
		}
		s.kill()
		s.start()
	}
	db := ""
	for _, kv := range s.env {
		if path, ok := strings.CutPrefix(kv, "DATABASE_URL=sqlite:"); ok {
			db = path
		}
	}
	var rec wave.Digest
	s.eventually(20*time.Second, func() error {
		l, err := ledger.OpenToRead(ctx, db)
		if err != nil {
			return err
		}
		defer l.Close()
		var ok bool
		if rec, ok, err = l.LastDigest(ctx, "prod", ""); err != nil || !ok || rec.Done.IsZero() || rec.ID == "" ||
			rec.Picture != wave.PictureChart {
			return fmt.Errorf("the ledger says %+v, %v", rec, err)
		}
		return nil
	})
	s.kill()
	all := s.digests()
	if len(all) != before+1 {
		t.Fatalf("%d digests, want %d", len(all), before+1)
	}
	m := all[before]
	var meta struct {
		Key, Cluster, Kind string
		Nodes              int
		From, Until        int64
	}
	if err := json.Unmarshal(m.Metadata.EventPayload, &meta); err != nil || meta.Key != rec.Key ||
		meta.Cluster != "prod" || meta.Kind != "digest" || meta.Nodes != 6 ||
		meta.Until%60 != 0 || meta.Until != rec.Until.Unix() || m.TS != rec.ID {
		t.Errorf("metadata %s of %s, the ledger says %+v", m.Metadata.EventPayload, m.TS, rec)
	}
	text := slackemu.PlainText(m)
	for _, want := range []string{"3 → 6 nodes", "7 nodes joined, 4 left.", "Most at once: 10",
		"4 nodes lived less than an hour", "1 incident on 1 node", "default/web (HPA) to 7, once",
		"The price of 1 node is not known", "label " + fleet.PriceLabel} {
		if !strings.Contains(text, want) {
			t.Errorf("the digest does not say %q", want)
		}
	}
	if !strings.Contains(m.Text, "prod: 3 to 6 nodes, $") {
		t.Errorf("the notification reads %q", m.Text)
	}
	var least, most float64
	for name, l := range lives {
		if name == odd[0] {
			continue
		}
		from := l.born
		if from.Before(rec.From) {
			from = rec.From
		}
		if l.diedAfter.IsZero() {
			l.diedAfter, l.diedBefore = rec.Until, rec.Until
		}
		least += l.diedAfter.Sub(from).Seconds()
		most += l.diedBefore.Sub(from).Seconds()
	}
	cost := regexp.MustCompile(`nodes, \$([0-9.]+) \+ 1 not priced in`).FindStringSubmatch(m.Text)
	if cost == nil {
		t.Fatalf("no cost in %q", m.Text)
	}
	if got, _ := strconv.ParseFloat(cost[1], 64); got < least-0.02 || got > most+0.02 {
		t.Errorf("the digest counts %v node-seconds, they were %.2f to %.2f", got, least, most)
	}
	if t.Failed() {
		t.Logf("the digest:\n%s", text)
	}
}

// digests are the digests in the channel, the oldest first.
func (s *stage) digests() (all []slackemu.Message) {
	for _, m := range s.slack.Messages(slackemu.ChannelOps) {
		if m.Metadata != nil && m.Metadata.EventType == slackapp.MetadataDigest {
			all = append(all, m)
		}
	}
	return all
}
