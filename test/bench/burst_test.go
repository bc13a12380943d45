package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rollcall/internal/channel"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// burstGap is ALERT_WAVE_GAP in bursts: a wave's last few names are listed when it is closed, so
// with the default of 30 s the last list may come 25 s later.
const burstGap = 5 * time.Second

// bareTime is how long the bare program has after the last node. It is not waited for until it is
// done, which at a message a second takes as many seconds as there are nodes.
const bareTime = 15 * time.Second

func names(nodes []*corev1.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return all
}

// BenchmarkBurst: nodes as fast as the API server takes them, then removed as fast, under Slack's
// rate limits; and the bare programs with the same burst, one that drops what Slack refuses and
// one that waits as it is told.
func BenchmarkBurst(b *testing.B) {
	plane := controlPlane(b)
	for _, n := range []int{1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c, kubeconfig := plane()
			s := newSite(b, kubeconfig, slackemu.Config{}, "ALERT_WAVE_GAP="+burstGap.String())
			s.start()
			time.Sleep(3 * time.Second) // the limits' buckets fill up again
			s.slack.ResetCalls()
			began := time.Now()
			nodes, err := c.CreateNodes(b.Context(), n, 4)
			if err != nil {
				b.Fatal(err)
			}
			joined := s.settle("joined", names(nodes), time.Now())
			first := s.slack.CallsOf("chat.postMessage")[0]
			took := joined.last.Sub(began)
			beganRemoving := time.Now()
			if err := c.DeleteNodes(b.Context(), 4, names(nodes)...); err != nil {
				b.Fatal(err)
			}
			removed := s.settle("removed", names(nodes), time.Now())
			calls, limited := s.calls()
			report(b,
				took.Seconds(), "s-creating",
				ms(first.At.Add(first.Took).Sub(began)), "ms-to-first-message",
				joined.told, "joined-told", joined.lost, "joined-lost", joined.twice, "joined-doubled",
				joined.right.Seconds(), "s-joined-headline", joined.all.Seconds(), "s-joined-names",
				removed.last.Sub(beganRemoving).Seconds(), "s-removing",
				removed.told, "removed-told", removed.lost, "removed-lost", removed.twice, "removed-doubled",
				removed.right.Seconds(), "s-removed-headline", removed.all.Seconds(), "s-removed-names",
				calls, "calls", limited, "429s")
		})
	}
	const n = 1000
	b.Run("bare", func(b *testing.B) {
		c, kubeconfig := plane()
		s := newSite(b, kubeconfig, slackemu.Config{})
		s.startBare(bareDrop, slackemu.ChannelOps)
		s.startBare(bareWait, slackemu.ChannelPrivate)
		nodes, err := c.CreateNodes(b.Context(), n, 4)
		if err != nil {
			b.Fatal(err)
		}
		time.Sleep(bareTime)
		_, limited := s.calls()
		report(b, n, "nodes",
			len(s.slack.Messages(slackemu.ChannelOps)), "dropping-told",
			n-len(s.slack.Messages(slackemu.ChannelOps)), "dropping-lost",
			len(s.slack.Messages(slackemu.ChannelPrivate)), "waiting-told",
			limited, "429s")
		if err := c.DeleteNodes(b.Context(), 8, names(nodes)...); err != nil {
			b.Fatal(err)
		}
	})
}

// calls returns how often Slack was called for the channels, and how often it refused.
func (s *site) calls() (calls, limited int) {
	for method, c := range s.slack.Counts() {
		if method != "apps.connections.open" {
			calls += c.Calls
		}
		limited += c.RateLimited
	}
	return calls, limited
}

// settled is how a burst was told.
type settled struct {
	last              time.Time     // node committed
	right             time.Duration // from then until the message says how many
	all               time.Duration // and until every name is in the channel
	told, lost, twice int
}

// settle waits until the channel tells everything of a step, and not more.
func (s *site) settle(step string, nodes []string, last time.Time) settled {
	s.b.Helper()
	r := settled{last: last}
	headline := func() (at time.Time) {
		for _, m := range s.slack.Messages(slackemu.ChannelOps) {
			for _, v := range m.Versions {
				m.Metadata = v.Metadata
				if kind, n, ok := channel.About(m); ok && kind == step && n == len(nodes) {
					return v.At
				}
			}
		}
		return at
	}
	wanted := map[string]bool{}
	for _, n := range nodes {
		wanted[n] = true
	}
	cluster.Eventually(s.b, time.Minute, func(context.Context) error {
		at := headline()
		if at.IsZero() {
			return fmt.Errorf("no message says that %d %s", len(nodes), step)
		}
		r.right = max(0, at.Sub(last))
		return nil
	})
	// Reading the channel takes the CPU that the bot shares, so it is not read all the time.
	for deadline := time.Now().Add(3 * time.Minute); ; {
		count := map[string]int{}
		for _, t := range channel.Tellings(s.slack, slackemu.ChannelOps) {
			if t.Step == step {
				count[t.Node]++
			}
		}
		made := 0
		r.told, r.lost, r.twice = 0, 0, 0
		for n, times := range count {
			switch {
			case !wanted[n]:
				made++
			case times > 1:
				r.twice++
			default:
				r.told++
			}
		}
		r.lost = len(nodes) - r.told - r.twice
		if r.lost == 0 || time.Now().After(deadline) {
			if r.lost+r.twice+made > 0 {
				s.b.Errorf("%s of %d nodes: %d lost, %d told twice, %d made up", step, len(nodes), r.lost, r.twice, made)
			}
			break
		}
		time.Sleep(300 * time.Millisecond)
	}
	// When the last message with names was posted or edited.
	for _, m := range s.slack.AllMessages(slackemu.ChannelOps) {
		for _, v := range m.Versions {
			r.all = max(r.all, v.At.Sub(last))
		}
	}
	return r
}
