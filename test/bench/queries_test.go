package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/ledger/ledgertest"
	"rollcall/internal/slackapp"
	"rollcall/internal/slackemu"
)

// BenchmarkQueries answers slash commands from the large ledger while 500 events a second are
// written to it: what the server takes from the envelope to the acknowledgement with the answer.
func BenchmarkQueries(b *testing.B) {
	size, path := large, largeLedger(b)
	l, err := ledger.Open(b.Context(), path, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	s := slackemu.Start(b, slackemu.Config{})
	log := slog.New(slog.DiscardHandler)
	answers := answer.New(answer.Config{Cluster: "prod", Store: l, Log: log, Summaries: answer.Summaries{Store: l},
		Watch: func(string) string { return "" },
		Waiting: func(ctx context.Context, cluster string, now time.Time) ([]fleet.Waiting, bool, error) {
			return deliver.Waiting(ctx, l, l.Evidence(cluster), cluster, now)
		}})
	stand(b, l, size)
	c := slackapp.NewCommands(
		slackapp.CommandsConfig{Answers: answers, Log: log,
			API: slackapp.NewAPI(slackemu.DefaultBotToken, slackemu.DefaultAppToken, s.APIURL(), nil)})
	ask := func(command, text string) time.Duration {
		payload, err := json.Marshal(map[string]string{"command": command, "text": text, "api_app_id": slackemu.DefaultAppID,
			"team_id": slackemu.DefaultTeamID, "user_id": slackemu.UserAda, "channel_id": slackemu.ChannelOps})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		answered := c.Handle(b.Context(),
			slackapp.Envelope{Type: "slash_commands", Payload: payload, App: slackemu.DefaultAppID})
		took := time.Since(began)
		if answered == nil {
			b.Logf("%s %s did not come with the acknowledgement", command, text)
		}
		return took
	}
	ask("/nodes", "") // asks Slack who we are, once
	stop := events(b, l, size)
	defer stop()
	name := ledgertest.NodeName(size.Nodes - 3)
	for _, q := range []struct{ name, command, text string }{
		{"nodes", "/nodes", ""},
		{"nodes-by-label", "/nodes", "--by topology.kubernetes.io/zone"},
		{"list", "/nodes", "list"},
		{"list-filters", "/nodes", "list --spot --zone *a --type m* --older 1h"},
		{"list-labels", "/nodes", "list -l 'kubernetes.io/arch=amd64,!gone' --page 3"},
		{"list-removed", "/nodes", "list --removed --since 7d --spot"},
		{"one-node", "/nodes", name},
		{"part-of-a-name", "/nodes", name[3:9]},
		{"waiting", "/nodes", "waiting"},
		{"kept", "/nodes", "kept"},
		{"spot", "/nodes", "spot"},
		{"spot-90d", "/nodes", "spot --since 90d"},
		{"costs", "/nodes", "costs"},
		{"costs-90d-by-cause", "/nodes", "costs --since 90d --by cause"},
		{"events", "/events", "--since 7d"},
		{"events-scaling", "/events", "--since 7d --scaling"},
		{"events-warnings", "/events", "--since 7d --types Warning --reason Failed*"},
		{"events-of-node", "/events", "--since 7d --for node/" + name},
		{"events-text", "/events", "--since 7d insufficient memory"},
		{"events-namespace", "/events", "--since 7d -n shop --for pod"},
	} {
		b.Run(q.name, func(b *testing.B) {
			var took []time.Duration
			for range 100 {
				took = append(took, ask(q.command, q.text))
			}
			report(b, ms(quantile(took, 0.5)), "ms-p50", ms(quantile(took, 0.95)), "ms-p95", ms(quantile(took, 1)), "ms-max")
		})
	}
}

// stand lets pods of 40 Deployments wait, a part of them refused, and something keep a tenth of the nodes.
func stand(b *testing.B, l *ledger.Ledger, size ledgertest.Size) {
	now := time.Now()
	var all []fleet.Event
	add := func(on fleet.ObjectRef, reason, note string) {
		all = append(all, fleet.Event{UID: fmt.Sprint(now.UnixNano(), "-", len(all)), Regarding: on, Reason: reason, Note: note,
			Type: "Warning", Count: 1, First: now, Last: now, Controller: "karpenter"})
	}
	for i := range 2000 {
		set := fmt.Sprintf("app-%d-5d8f7c", i%40)
		pod := fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("%s-%d", set, i), UID: fmt.Sprint("waits-", i)}
		add(fleet.ObjectRef{Kind: "ReplicaSet", Namespace: "shop", Name: set}, "SuccessfulCreate", "Created pod: "+pod.Name)
		add(pod, "FailedScheduling", "0/5000 nodes are available: 5000 Insufficient cpu.")
		if i%3 == 0 {
			add(pod, "FailedScheduling", "Failed to schedule pod, all available instance types exceed limits for nodepool "+
				"(NodePool=general)")
		}
	}
	for i := range size.Live / 10 {
		n := size.Nodes - size.Live + 10*i
		add(fleet.ObjectRef{Kind: "Node", Name: ledgertest.NodeName(n), UID: ledgertest.NodeUID(n)}, "DisruptionBlocked",
			fmt.Sprintf(`Pdb prevents pod evictions (PodDisruptionBudget=[shop/app-%d])`, i%20))
	}
	for part := range slices.Chunk(all, 500) {
		if err := l.RecordEvents(b.Context(), "prod", part, ""); err != nil {
			b.Fatal(err)
		}
	}
}

// events writes 500 events a second, in batches every 100 ms, until stop is called.
func events(b *testing.B, l *ledger.Ledger, size ledgertest.Size) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := int(time.Now().UnixMilli()); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var batch []fleet.Event
			for range 50 {
				batch = append(batch, ledgertest.Event(i, time.Now(), size))
				i++
			}
			if err := l.RecordEvents(ctx, "prod", batch, ""); err != nil && ctx.Err() == nil {
				b.Error(err)
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
