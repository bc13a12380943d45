// Package app wires Rollcall together: a Config in, Run until the context ends out. The bot,
// the demo and the end-to-end tests run the same wiring.
//
// It owns the order of starting and stopping, the health endpoints and `bot check`. It decides
// nothing about clusters or messages.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"rollcall/internal/alert"
	"rollcall/internal/config"
	"rollcall/internal/digest/picture"
	"rollcall/internal/k8s"
	"rollcall/internal/ledger"
	"rollcall/internal/slackapp"
)

// Options change what the environment cannot. The zero value is production.
type Options struct {
	Version string
	Pace    slackapp.Pace // zero: Slack's limits
	Alert   alert.Config  // ReadyDeadline and CatchUpAfter; the rest comes from the Config
	// Ready is called once when every part is up.
	Ready func(httpAddr string)
}

// pruneEvery is how often the ledger is pruned.
const pruneEvery = 10 * time.Minute

// Run runs Rollcall until ctx ends, and returns nil then. Any other end is an error that a
// person can act on.
func Run(ctx context.Context, c config.Config, o Options, log *slog.Logger) error {
	restConfig, cluster, err := findCluster(c)
	if err != nil {
		return err
	}
	return RunCluster(ctx, c, restConfig, cluster, o, log)
}

// findCluster returns how to reach the cluster, and its name in messages. Nothing is contacted.
func findCluster(c config.Config) (*rest.Config, string, error) {
	restConfig, contextName, err := k8s.Load(c.Kubeconfig, c.KubeContext)
	if err != nil {
		return nil, "", err
	}
	return restConfig, cmp.Or(c.ClusterName, contextName, "kubernetes"), nil
}

// RunCluster is Run for a cluster that the caller has found.
func RunCluster(ctx context.Context, c config.Config, restConfig *rest.Config, cluster string, o Options, log *slog.Logger) (err error) {
	log = log.With("cluster", cluster)
	client, err := k8s.NewClient(restConfig, o.Version)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("serving health and metrics: %w; set HTTP_ADDR to a free address", err)
	}
	log.Info("starting", "version", o.Version, "ledger", c.LedgerPath, "channel", c.SlackChannel, "api", c.SlackAPIURL, "http", listener.Addr().String())
	// Health is served before the ledger is open: bringing a large one up to a new schema takes
	// minutes, and whoever watches over the process must not take it for dead meanwhile.
	health, metrics := &health{}, newMetrics(cluster, o.Version)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return health.serve(ctx, listener, metrics.handler()) })
	store, err := ledger.Open(ctx, c.LedgerPath, ledger.Options{Log: log})
	if err != nil {
		if ctx.Err() == nil { // otherwise told to stop while it was being opened
			g.Go(func() error { return err })
		}
		return g.Wait()
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	api := slackapp.NewAPI(c.SlackBotToken.Reveal(), c.SlackAppToken.Reveal(), c.SlackAPIURL, metrics.call)
	watcher := k8s.New(k8s.Config{Cluster: cluster, Client: client, Store: counted{store, metrics}, Logger: log})
	settings := o.Alert
	settings.WaveGap, settings.WaveMax, settings.Labels, settings.Price = c.AlertWaveGap, c.AlertWaveMax, c.AlertLabels, c.Prices.Price
	if !c.Selector.Empty() {
		settings.Alerts = func(l map[string]string) bool { return c.Selector.Matches(labels.Set(l)) }
	}
	teller := slackapp.NewTeller(slackapp.TellerConfig{Cluster: cluster, Channel: c.SlackChannel, API: api, Ledger: store, Alert: settings, Log: log, Pace: o.Pace, Opened: metrics.opened})

	summaries := slackapp.Summaries{Ledger: store, Price: c.Prices.Price, Zone: c.Zone, Keep: c.ScalingRetention}
	digester := slackapp.NewDigester(slackapp.DigesterConfig{Cluster: cluster, Channel: c.DigestChannel, API: api, Ledger: store, Summaries: summaries,
		Schedule: c.Digest, SkipQuiet: c.DigestWhenQuiet == "skip", Live: func() bool { return watchProblem(watcher) == "" }, Draw: picture.PNG, Log: log})

	commands := slackapp.NewCommands(slackapp.CommandsConfig{Cluster: cluster, Ledger: store, Log: log, API: api, Summaries: summaries,
		Watch:        func() string { return watchProblem(watcher) },
		Health:       func(ctx context.Context) []slackapp.Health { return health.list(ctx) },
		Digest:       c.Digest.Next,
		Calls:        metrics.call,
		Asked:        metrics.answered,
		AllowedUsers: c.SlackAllowedUsers, AllowedChannels: c.SlackAllowedChannels})
	session := slackapp.NewSession(api, commands.Handle, log)
	health.opened(store, watcher, session, teller, digester)
	metrics.register(cluster, present{cluster, store, watcher.Status, health, c.Prices.Price})

	g.Go(func() error { return watcher.Run(ctx) })
	g.Go(func() error { return teller.Run(ctx) })
	g.Go(func() error { return digester.Run(ctx) })
	g.Go(func() error { return session.Run(ctx) })
	g.Go(func() error { return commands.Run(ctx) })
	g.Go(func() error {
		return store.Run(ctx, ledger.Retention{Scaling: c.ScalingRetention, Other: c.EventRetention}, pruneEvery, log)
	})
	g.Go(func() error {
		if health.wait(ctx) && o.Ready != nil {
			o.Ready(listener.Addr().String())
		}
		return nil
	})
	err = g.Wait()
	if err == nil {
		log.Info("stopped; what was not told yet is in the ledger and told at the next start")
	}
	return err
}

// watchProblem says why the ledger may be behind the cluster, "" if it is not.
func watchProblem(w *k8s.Watcher) string {
	nodes := w.Status().Nodes
	switch {
	case nodes.Error != "":
		return nodes.Error
	case !nodes.Synced:
		return "the nodes have not been listed yet"
	}
	return ""
}

// slackAPI is what checks need of Slack.
func slackAPI(c config.Config) *slack.Client {
	return slackapp.NewAPI(c.SlackBotToken.Reveal(), c.SlackAppToken.Reveal(), c.SlackAPIURL, nil)
}
