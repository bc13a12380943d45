package bench

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// BenchmarkLatency: a node is committed → its message is accepted, for single nodes, with no rate
// limit in the way, in a cluster of so many nodes.
//
// That a node is committed nobody is told at the very moment. Its create call's answer comes
// after it, by what the API server takes to answer; the request leaves before it, by what the
// server takes to admit and write. Both ends are measured: "committed" from the answer, "sent"
// from the request. Bot and bare program are measured by the same call, so the difference between
// them has no such doubt. The accepting is the emulator's: the moment when the message is in the
// channel. Halfway the bare program is started again, so that each is half the time the older
// watch.
func BenchmarkLatency(b *testing.B) {
	plane := controlPlane(b)
	for _, size := range []struct{ nodes, samples int }{{0, 50}, {5000, 20}} {
		b.Run(fmt.Sprint(size.nodes), func(b *testing.B) {
			c, kubeconfig := plane()
			c.grow(b, size.nodes)
			s := newSite(b, kubeconfig, slackemu.Config{NoRateLimits: true}, "ALERT_WAVE_GAP=1s")
			other := s.startBare(bareDrop, slackemu.ChannelPrivate)
			s.start()
			time.Sleep(2 * time.Second)
			var ours, theirs, answered []time.Duration
			var created []string
			for i := range size.samples {
				if i == size.samples/2 {
					other.end(syscall.SIGKILL)
					other = s.startBare(bareDrop, slackemu.ChannelPrivate)
				}
				node := cluster.NewNode("")
				posts := s.slack.Subscribe()
				sent := time.Now()
				if _, err := c.CreateNode(b.Context(), node); err != nil {
					b.Fatal(err)
				}
				answered = append(answered, time.Since(sent))
				at := s.told(posts, node.Name, slackemu.ChannelOps, slackemu.ChannelPrivate)
				posts.Close()
				created = append(created, node.Name)
				ours = append(ours, at[slackemu.ChannelOps].Sub(sent))
				theirs = append(theirs, at[slackemu.ChannelPrivate].Sub(sent))
				time.Sleep(1100 * time.Millisecond) // the next is a wave of its own, and may be posted at once
			}
			committed := func(all []time.Duration) (since []time.Duration) {
				for i, d := range all {
					since = append(since, d-answered[i])
				}
				return since
			}
			m, n := committed(ours), committed(theirs)
			report(b,
				ms(quantile(m, 0.5)), "ms-p50", ms(quantile(n, 0.5)), "ms-bare-p50",
				ms(quantile(m, 0.95)), "ms-p95", ms(quantile(n, 0.95)), "ms-bare-p95",
				ms(quantile(m, 0.5)-quantile(n, 0.5)), "ms-p50-above-bare",
				ms(quantile(ours, 0.5)), "ms-sent-p50", ms(quantile(theirs, 0.5)), "ms-bare-sent-p50",
				ms(quantile(ours, 0.95)), "ms-sent-p95", ms(quantile(theirs, 0.95)), "ms-bare-sent-p95")
			if err := c.DeleteNodes(b.Context(), 4, created...); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// told waits until a message with the text is in each of the channels, and returns since when.
func (s *site) told(posts *slackemu.Subscription, text string, channels ...string) map[string]time.Time {
	s.b.Helper()
	ctx, cancel := context.WithTimeout(s.b.Context(), 20*time.Second)
	defer cancel()
	at := map[string]time.Time{}
	for len(at) < len(channels) {
		changes, err := posts.Next(ctx)
		if err != nil {
			s.b.Fatalf("%s is told in %d of %d channels: %v", text, len(at), len(channels), err)
		}
		for _, c := range changes {
			if c.Kind != slackemu.ChangePosted {
				continue
			}
			if m, ok := s.slack.Message(c.Channel, c.TS); ok && strings.Contains(m.Text, text) {
				at[c.Channel] = c.At
			}
		}
	}
	return at
}
