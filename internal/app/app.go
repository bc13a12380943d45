// Package app wires Rollcall together: a Config in, Run until the context ends out. The program,
// the demo and the end-to-end tests run the same wiring.
//
// A process has one ledger, one Slack session, one outbox, one page of health and metrics; a [Cluster]
// has its watch, its teller and its digester. Package app owns the order of starting and stopping, the
// health endpoints, and the program's subcommands. It decides nothing about clusters or messages.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"rollcall/internal/alert"
	"rollcall/internal/answer"
	"rollcall/internal/config"
	"rollcall/internal/deliver"
	"rollcall/internal/fleet"
	"rollcall/internal/k8s"
	"rollcall/internal/ledger"
	"rollcall/internal/slackapp"
	"rollcall/internal/wave"
)

// Options change what the environment cannot. The zero value is production.
type Options struct {
	Version string
	Limits  deliver.Limits // zero: Slack's
	Webhook deliver.Limits // zero: the usual ones
	Alert   alert.Config   // ReadyDeadline and CatchUpAfter; the rest comes from the Config
	// Ready is called once when every part is up.
	Ready func(httpAddr string)
}

// pruneEvery is how often the ledger is pruned.
const pruneEvery = 10 * time.Minute

// Source is a cluster to watch: its name in messages, and how it is reached.
type Source struct {
	Name string
	REST *rest.Config
}

// FindClusters returns the clusters that a Config names. Nothing is contacted.
func FindClusters(c config.Config) ([]Source, error) {
	restConfig, contextName, err := k8s.Load(c.Kubeconfig, c.KubeContext)
	if err != nil {
		return nil, err
	}
	return []Source{{Name: cmp.Or(c.ClusterName, contextName, "kubernetes"), REST: restConfig}}, nil
}

// process is what a running Rollcall has once, however many clusters it watches.
type process struct {
	config  config.Config
	options Options
	log     *slog.Logger
	health  *health
	metrics *metrics

	store     *ledger.Ledger
	api       *slack.Client
	owner     slackapp.Owner // of what it posts
	outbox    *deliver.Outbox
	webhook   *deliver.Outbox                    // of WEBHOOK_URL; nil if there is none
	refusal   atomic.Pointer[deliver.FatalError] // of the session; nil since Slack last greeted it
	summaries answer.Summaries
	clusters  []*Cluster
}

// Run runs Rollcall for the clusters of sources, at least one, until ctx ends, and returns
// nil then. Any other end is an error that a person can act on.
func Run(ctx context.Context, c config.Config, sources []Source, o Options, log *slog.Logger) (err error) {
	p := &process{config: c, options: o, log: log, health: &health{}, metrics: newMetrics(sources, o.Version)}
	if len(sources) == 1 {
		p.log = log.With("cluster", sources[0].Name)
	}
	clients := make([]*k8s.Client, len(sources))
	for i, s := range sources {
		if clients[i], err = k8s.NewClient(s.REST, o.Version); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("serving health and metrics: %w; set HTTP_ADDR to a free address", err)
	}
	p.log.Info("starting", "version", o.Version, "ledger", c.LedgerPath, "channel", c.SlackChannel,
		"api", c.SlackAPIURL, "http", listener.Addr().String())
	// Health is served before the ledger is open: bringing a large one up to a new schema takes
	// minutes, and whoever watches over the process must not take it for dead meanwhile.
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.health.serve(ctx, listener, p.metrics.handler()) })
	p.store, err = ledger.Open(ctx, c.LedgerPath, ledger.Options{Log: p.log})
	if err != nil {
		if ctx.Err() == nil { // otherwise told to stop while it was being opened
			g.Go(func() error { return err })
		}
		return g.Wait()
	}
	defer func() { err = errors.Join(err, p.store.Close()) }()

	p.api = slackapp.NewAPI(c.SlackBotToken.Reveal(), c.SlackAppToken.Reveal(), c.SlackAPIURL, p.metrics.call)
	p.owner = slackapp.Owner{Instance: p.store.Instance(), Cluster: sources[0].Name}
	p.outbox = deliver.NewOutbox(slackapp.NewSink(p.api, o.Limits, p.log).Signed(p.owner, c.Commands), p.store, p.log)
	if err := p.openWebhook(ctx, sources); err != nil {
		g.Go(func() error { return err })
		return g.Wait()
	}
	p.summaries = answer.Summaries{Store: p.store, Price: c.Prices.Price, Zone: c.Zone, Keep: c.ScalingRetention,
		Covers: p.covers}
	for i, s := range sources {
		p.clusters = append(p.clusters, p.newCluster(s.Name, clients[i]))
	}
	p.warnOfBudgets()
	for _, run := range p.parts(ctx, listener.Addr().String()) {
		g.Go(run)
	}
	err = g.Wait()
	if err == nil {
		p.log.Info("stopped; what was not told yet is in the ledger and told at the next start")
	}
	return err
}

// parts are the parts that run until ctx ends.
func (p *process) parts(ctx context.Context, addr string) (run []func() error) {
	c := p.config
	people, summaries := p.store.ForPeople(), p.summaries
	summaries.Store = people
	answers := answer.New(answer.Config{Cluster: p.clusters[0].name, Store: people, Watch: p.watchProblem,
		Waiting: func(ctx context.Context, cluster string, now time.Time) ([]fleet.Waiting, bool, error) {
			return deliver.Waiting(ctx, people, people.Evidence(cluster), cluster, p.eventsSeen(cluster, now))
		},
		Health: p.health.list, NextDigest: c.Digest.Next, Channels: c.Routes.Channels(),
		Names: c.Commands, Summaries: summaries, Log: p.log})
	commands := slackapp.NewCommands(slackapp.CommandsConfig{Answers: answers, Log: p.log, API: p.api,
		Calls: p.metrics.call, Asked: p.metrics.answered, Owner: p.owner,
		AllowedUsers: c.SlackAllowedUsers, AllowedChannels: c.SlackAllowedChannels, Channel: c.SlackChannel})
	session := slackapp.NewSession(p.api, commands.Handle, p.log)
	p.health.opened(p, session)
	for _, c := range p.clusters {
		p.metrics.register(present{c.name, p.store, c.watcher.Status, p.config.Prices.Price})
		run = append(run, c.parts(ctx, p.persist)...)
	}
	p.metrics.registerProcess(ownState{p.store, p.health})
	run = append(run,
		func() error {
			return p.persist(ctx, func(ctx context.Context) error {
				err := session.Run(ctx)
				if fatal, ok := errors.AsType[*deliver.FatalError](err); ok {
					p.refusal.Store(fatal)
				}
				return err
			})
		},
		func() error { return p.persist(ctx, p.outbox.Run) },
		func() error { return commands.Run(ctx) },
		func() error {
			keep := ledger.Retention{Scaling: c.ScalingRetention, Other: c.EventRetention}
			return p.store.Run(ctx, keep, pruneEvery, p.log)
		})
	if ready := p.options.Ready; ready != nil {
		run = append(run, func() error {
			if p.health.wait(ctx) {
				ready(addr)
			}
			return nil
		})
	}
	return run
}

// covers selects the nodes that a digest is about, if it is not about all.
func (p *process) covers(d wave.Digest) func(fleet.Node) bool {
	for _, to := range p.config.DigestsTo {
		if to.Part && to.Audience == d.Audience {
			routes := p.config.Routes
			routes.Cluster = d.Cluster
			return routes.Covers(to.Channel)
		}
	}
	return nil
}

// refusedPause is how long a part waits after a sink has refused our credentials before it tries again.
const refusedPause = time.Minute

// persist runs a part that needs a sink until ctx ends. If the sink refuses our credentials, a person must act, but the
// watches go on: what they do not record now, Kubernetes forgets. So the part waits and tries again, and its error ends
// nothing; it is the process's when that is told to stop.
func (p *process) persist(ctx context.Context, run func(context.Context) error) error {
	for {
		err := run(ctx)
		fatal, ok := errors.AsType[*deliver.FatalError](err)
		if !ok {
			return err
		}
		p.log.Error("a person must act; the cluster is watched on, and what is not told is kept", "err", fatal,
			"retry_in", refusedPause.String())
		select {
		case <-ctx.Done():
			return fatal
		case <-time.After(refusedPause):
		}
	}
}

// watchProblem says why the ledger may be behind a cluster, "" if it is not.
func (p *process) watchProblem(name string) string {
	for _, c := range p.clusters {
		if c.name == name {
			return c.problem()
		}
	}
	return "another Rollcall watches it"
}

// eventsSeen is the last moment at which events of a cluster were seen, as far as this process knows.
func (p *process) eventsSeen(name string, now time.Time) time.Time {
	for _, c := range p.clusters {
		if alive := c.watcher.Status().Events.Alive; c.name == name && !alive.IsZero() && alive.Before(now) {
			return alive
		}
	}
	return now
}

// slackAPI is what checks need of Slack.
func slackAPI(c config.Config) *slack.Client {
	return slackapp.NewAPI(c.SlackBotToken.Reveal(), c.SlackAppToken.Reveal(), c.SlackAPIURL, nil)
}
