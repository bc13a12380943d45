package app

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"rollcall/internal/alert"
	"rollcall/internal/deliver"
	"rollcall/internal/digest/picture"
	"rollcall/internal/fleet"
	"rollcall/internal/k8s"
)

// Cluster is what a running Rollcall has for each cluster that it watches.
type Cluster struct {
	name      string
	watcher   *k8s.Watcher
	teller    *deliver.Teller
	digesters []*deliver.Digester
	feeder    *deliver.Feeder // nil without a webhook
}

// newCluster returns a cluster of the process. parts starts it.
func (p *process) newCluster(name string, client *k8s.Client) *Cluster {
	c, m := p.config, p.metrics.of(name)
	log := p.log
	if len(p.metrics.clusters) > 1 {
		log = log.With("cluster", name)
	}
	settings := p.options.Alert
	settings.WaveGap, settings.WaveMax, settings.Labels = c.AlertWaveGap, c.AlertWaveMax, c.AlertLabels
	settings.Price, settings.BlindAfter, settings.PendingAfter = c.Prices.Price, c.BlindAfter, c.PendingAfter
	settings.Kept = alert.KeptRule(c.KeptAlert)
	settings.Zone, settings.Keep = c.Zone, c.ScalingRetention
	settings.Routes, settings.RemindAfter = c.Routes, c.RemindAfter
	settings.Routes.Cluster = name
	settings.Rollouts = c.Rollouts
	for _, b := range c.Budgets {
		settings.Budgets = append(settings.Budgets, alert.Budget(b))
	}
	if !c.Selector.Empty() {
		settings.Alerts = func(l map[string]string) bool { return c.Selector.Matches(labels.Set(l)) }
	}
	x := &Cluster{name: name}
	x.watcher = k8s.New(k8s.Config{Cluster: name, Client: client, Store: counted{p.store, m}, Claims: p.store,
		Logger: log})
	x.teller = deliver.NewTeller(deliver.TellerConfig{Cluster: name, Channel: c.SlackChannel, Outbox: p.outbox,
		Store: p.store, Evidence: p.store.Evidence(name), Alert: settings, Log: log, Opened: m.opened,
		Sight: sight(x.watcher, time.Now())})
	for _, to := range c.DigestsTo {
		x.digesters = append(x.digesters, deliver.NewDigester(deliver.DigesterConfig{Cluster: name, Channel: to.Channel,
			Audience: to.Audience, Outbox: p.outbox, Store: p.store, Summaries: p.summaries, Schedules: c.Digest,
			SkipQuiet: c.DigestWhenQuiet == "skip", Live: func() bool { return x.problem() == "" }, Draw: picture.PNG,
			Log: log}))
	}
	if p.webhook != nil {
		x.feeder = p.newFeeder(deliver.FeederConfig{Cluster: name, Alert: settings, Log: log})
	}
	return x
}

// sight says how far a watcher that was started at a moment sees its cluster. What it has not seen yet it has not seen
// since then.
func sight(w *k8s.Watcher, started time.Time) func() alert.Sight {
	seen := func(s k8s.WatchStatus) alert.Seen {
		return alert.Seen{Until: fleet.Latest(s.Alive, started), Never: s.Alive.IsZero(),
			Why: s.Error}
	}
	return func() alert.Sight {
		s := w.Status()
		return alert.Sight{Nodes: seen(s.Nodes), Events: seen(s.Events)}
	}
}

// parts are the cluster's parts that run until ctx ends. persist runs those that need a sink.
func (c *Cluster) parts(ctx context.Context, persist func(context.Context, func(context.Context) error) error) (
	run []func() error) {
	run = []func() error{
		func() error { return c.watcher.Run(ctx) },
		func() error { return persist(ctx, c.teller.Run) },
	}
	for _, d := range c.digesters {
		run = append(run, func() error { return persist(ctx, d.Run) })
	}
	if c.feeder != nil {
		run = append(run, func() error { return c.feeder.Run(ctx) })
	}
	return run
}

// problem says why the ledger may be behind the cluster, "" if it is not.
func (c *Cluster) problem() string {
	nodes := c.watcher.Status().Nodes
	switch {
	case nodes.Error != "":
		return nodes.Error
	case !nodes.Synced:
		return "the nodes have not been listed yet"
	}
	return ""
}

// warnOfBudgets says which budgets are of clusters that are not watched: a cluster's name may come from a kubeconfig,
// which the configuration does not know.
func (p *process) warnOfBudgets() {
	for _, b := range p.config.Budgets {
		if b.Cluster != "" && !slices.ContainsFunc(p.clusters, func(c *Cluster) bool { return c.name == b.Cluster }) {
			p.log.Warn("a budget of BUDGETS is of no cluster that is watched", "cluster", b.Cluster)
		}
	}
}
