package app

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/k8s"
	"rollcall/internal/ledger"
	"rollcall/internal/message"
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// metrics is what /metrics shows. Labels are our own words, Slack's codes, or instance types, of
// which there are at most maxTypes: names and notes from the cluster are never labels.
type metrics struct {
	registry *prometheus.Registry
	own      prometheus.Registerer // of what the process has once
	calls    *prometheus.CounterVec
	called   *prometheus.HistogramVec
	asked    *prometheus.HistogramVec
	sent     *prometheus.CounterVec
	clusters map[string]*clusterMetrics // by name
}

// clusterMetrics is what is counted for each cluster.
type clusterMetrics struct {
	in      prometheus.Registerer
	changes *prometheus.CounterVec
	waves   *prometheus.CounterVec
	gaps    *prometheus.CounterVec
}

// maxTypes bounds the instance types that are told apart; the rest is "other".
const maxTypes = 50

func newMetrics(sources []Source, version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), clusters: map[string]*clusterMetrics{}}
	m.own = m.registry
	if len(sources) == 1 { // all that the process does is for this cluster
		m.own = m.within(sources[0].Name)
	}
	m.calls = counter(m.own, "slack_calls_total", "Calls to Slack since the start, by method and result: ok, an error "+
		"code of Slack's, http_429 and the like, or no_answer.", "method", "result")
	m.called = histogram(m.own, "slack_call_seconds", "How long calls to Slack took, by method.",
		[]float64{.05, .1, .25, .5, 1, 2.5, 5, 10}, "method")
	m.asked = histogram(m.own, "command_seconds", "From a slash command to its answer, by command.",
		[]float64{.01, .025, .05, .1, .25, .5, 1, 2, 3, 10, 30}, "command")
	m.sent = counter(m.own, "webhook_deliveries_total", "Events that were sent to the webhook since the start, each try "+
		"counted, by result: ok, http_500 and the like, timeout, or no_answer.", "result")
	m.sent.WithLabelValues("ok")
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "rollcall_build_info", Help: "What is running; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	info.Set(1)
	m.own.MustRegister(info)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, s := range sources {
		m.clusters[s.Name] = newClusterMetrics(m.within(s.Name))
	}
	return m
}

func newClusterMetrics(in prometheus.Registerer) *clusterMetrics {
	m := &clusterMetrics{in: in}
	m.changes = counter(in, "changes_total", "Changes of nodes recorded since the start, by kind.", "kind")
	for _, kind := range fleet.ChangeKinds {
		m.changes.WithLabelValues(string(kind))
	}
	m.waves = counter(in, "waves_total", "Waves opened since the start, by kind: each is a message.", "kind")
	for _, kind := range alert.Kinds() {
		m.waves.WithLabelValues(string(kind))
	}
	m.gaps = counter(in, "gap_seconds_total", "Time in which the cluster was not watched, since the start; missed says "+
		"whether changes may have been missed.", "missed")
	m.gaps.WithLabelValues("true")
	m.gaps.WithLabelValues("false")
	return m
}

// within labels what is registered with the name of a cluster.
func (m *metrics) within(cluster string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"cluster": cluster}, m.registry)
}

func counter(in prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_" + name, Help: help}, labels)
	in.MustRegister(v)
	return v
}

func histogram(in prometheus.Registerer, name, help string, buckets []float64,
	labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rollcall_" + name, Help: help, Buckets: buckets},
		labels)
	in.MustRegister(v)
	return v
}

// of is what is counted for a cluster of the process.
func (m *metrics) of(cluster string) *clusterMetrics { return m.clusters[cluster] }

// handler serves the metrics.
func (m *metrics) handler() http.Handler {
	// Each scrape asks the ledger; two readers of metrics at a time are enough.
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 2})
}

func (m *metrics) call(method, result string, took time.Duration) {
	m.calls.WithLabelValues(method, result).Inc()
	m.called.WithLabelValues(method).Observe(took.Seconds())
}

func (m *metrics) delivered(result string, _ time.Duration) { m.sent.WithLabelValues(result).Inc() }

func (m *clusterMetrics) opened(kind wave.Kind) { m.waves.WithLabelValues(string(kind)).Inc() }

func (m *metrics) answered(command string, took time.Duration) {
	if command != "/nodes" && command != "/events" {
		command = "other"
	}
	m.asked.WithLabelValues(command).Observe(took.Seconds())
}

// counted is a ledger that counts what is recorded in it.
type counted struct {
	*ledger.Ledger
	m *clusterMetrics
}

// RecordNodes is the ledger's, and counts the batch once it is recorded.
func (c counted) RecordNodes(ctx context.Context, b fleet.Batch) error {
	if err := c.Ledger.RecordNodes(ctx, b); err != nil {
		return err
	}
	for _, o := range b.Observations {
		for _, x := range o.Changes {
			c.m.changes.WithLabelValues(string(x.Kind)).Inc()
		}
	}
	if g := b.Gap; g != nil {
		missed := "false"
		if g.Missed {
			missed = "true"
		}
		c.m.gaps.WithLabelValues(missed).Add(max(0, g.Until.Sub(g.From).Seconds()))
	}
	return nil
}

// lookups is what the metrics ask of the ledger.
type lookups interface {
	GroupNodes(ctx context.Context, cluster string, f query.NodeFilter, by query.Dimension, limit int) (
		query.NodeGroups, error)
	Totals(ctx context.Context, cluster string) (fleet.Totals, error)
	Backlog(ctx context.Context, cluster string) (n int, oldest time.Time, err error)
	LastDigest(ctx context.Context, cluster, audience string) (wave.Digest, bool, error)
	Undelivered(ctx context.Context, cluster string) (n int, oldest time.Time, err error)
}

// present are the metrics of a cluster that are looked up when they are asked for.
type present struct {
	cluster string
	store   lookups
	watch   func() k8s.Status
	price   fleet.Pricer
}

// ownState are the metrics of the process that are looked up when they are asked for.
type ownState struct {
	store  interface{ Size() int64 }
	health *health
}

// lookUpWithin bounds one scrape: Prometheus's own time-out is 10 s by default.
const lookUpWithin = 5 * time.Second

var (
	nodesDesc = prometheus.NewDesc("rollcall_nodes", "Live nodes, by instance type and whether they are ready.",
		[]string{"instance_type", "ready"}, nil)
	cordonedDesc = prometheus.NewDesc("rollcall_nodes_cordoned", "Live nodes that take no new pods, by instance type.",
		[]string{"instance_type"}, nil)
	costDesc = prometheus.NewDesc("rollcall_cost_dollars_per_hour",
		"What the live nodes cost by the hour in US dollars, as far as their prices are known.", nil, nil)
	unpricedDesc = prometheus.NewDesc("rollcall_nodes_unpriced",
		"Live nodes whose price is not known, or that are not billed by the hour.", nil, nil)
	backlogDesc = prometheus.NewDesc("rollcall_untold_changes", "Changes that Slack has not accepted yet.", nil, nil)
	oldestDesc  = prometheus.NewDesc("rollcall_untold_age_seconds",
		"How long ago the oldest change happened that Slack has not accepted yet; 0 if there is none.", nil, nil)
	failuresDesc = prometheus.NewDesc("rollcall_watch_interruptions_total",
		"How often a watch was interrupted and begun again since the start, by watch.", []string{"watch"}, nil)
	silenceDesc = prometheus.NewDesc("rollcall_watch_silence_seconds",
		"How long ago a watch was last known to be alive, by watch.", []string{"watch"}, nil)
	waitingDesc = prometheus.NewDesc("rollcall_webhook_waiting_events",
		"Events that the webhook has not taken yet; 0 if there is no webhook.", nil, nil)
	waitingAgeDesc = prometheus.NewDesc("rollcall_webhook_waiting_age_seconds",
		"How long the oldest event waits that the webhook has not taken yet; 0 if there is none.", nil, nil)
	digestDesc = prometheus.NewDesc("rollcall_digest_last_timestamp_seconds",
		"The tick of the last digest that was posted, or left out because nothing happened; 0 if there is none.", nil, nil)
	sizeDesc = prometheus.NewDesc("rollcall_ledger_size_bytes", "Size of the ledger's files.", nil, nil)
	partDesc = prometheus.NewDesc("rollcall_part_up", "Whether a part of Rollcall works: 1 if it does.",
		[]string{"part"}, nil)
	scrapeErrDesc = prometheus.NewDesc("rollcall_ledger_lookup_failed",
		"Whether the ledger did not answer while these metrics were looked up: 1 if it did not.", nil, nil)
)

// Describe implements prometheus.Collector.
func (p present) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{nodesDesc, cordonedDesc, costDesc, unpricedDesc, backlogDesc, oldestDesc,
		failuresDesc, silenceDesc, digestDesc, scrapeErrDesc, waitingDesc, waitingAgeDesc} {
		out <- d
	}
}

// Describe implements prometheus.Collector.
func (o ownState) Describe(out chan<- *prometheus.Desc) { out <- sizeDesc; out <- partDesc }

// Collect implements prometheus.Collector.
func (o ownState) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpWithin)
	defer cancel()
	gauge(out, sizeDesc, float64(o.store.Size()))
	for _, h := range o.health.list(ctx) {
		up := 1.0
		if h.Problem != "" {
			up = 0
		}
		gauge(out, partDesc, up, h.Part)
	}
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// Collect implements prometheus.Collector.
func (p present) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpWithin)
	defer cancel()
	failed := 0.0
	if err := errors.Join(p.collectNodes(ctx, out), p.collectTelling(ctx, out)); err != nil {
		failed = 1
	}
	gauge(out, scrapeErrDesc, failed)
	status := p.watch()
	for _, w := range []struct {
		name string
		k8s.WatchStatus
	}{{"nodes", status.Nodes}, {"events", status.Events}} {
		out <- prometheus.MustNewConstMetric(failuresDesc, prometheus.CounterValue, float64(w.Failures), w.name)
		if !w.Alive.IsZero() {
			gauge(out, silenceDesc, max(0, time.Since(w.Alive).Seconds()), w.name)
		}
	}
}

// collectNodes shows the live nodes and what they cost.
func (p present) collectNodes(ctx context.Context, out chan<- prometheus.Metric) error {
	groups, err := p.store.GroupNodes(ctx, p.cluster, query.NodeFilter{}, query.ByType, maxTypes)
	if err != nil {
		return err
	}
	rest := query.NodeGroup{Value: "other", Nodes: groups.Total}
	for _, g := range groups.Groups {
		rest.Nodes -= g.Nodes
		name := cmp.Or(g.Value, fleet.Unknown)
		gauge(out, nodesDesc, float64(g.Ready), name, "true")
		gauge(out, nodesDesc, float64(g.NotReady), name, "false")
		gauge(out, cordonedDesc, float64(g.Cordoned), name)
	}
	cost := message.CostOf(groups.Machines, p.price)
	gauge(out, costDesc, cost.USD)
	gauge(out, unpricedDesc, float64(cost.LeftOut()))
	if rest.Nodes <= 0 {
		return nil
	}
	totals, err := p.store.Totals(ctx, p.cluster)
	if err != nil {
		return err
	}
	for _, g := range groups.Groups {
		totals.Ready, totals.Cordoned = totals.Ready-g.Ready, totals.Cordoned-g.Cordoned
	}
	gauge(out, nodesDesc, float64(totals.Ready), rest.Value, "true")
	gauge(out, nodesDesc, float64(rest.Nodes-totals.Ready), rest.Value, "false")
	gauge(out, cordonedDesc, float64(totals.Cordoned), rest.Value)
	return nil
}

// collectTelling shows what is untold, and when the last digest was.
func (p present) collectTelling(ctx context.Context, out chan<- prometheus.Metric) error {
	n, oldest, err := p.store.Backlog(ctx, p.cluster)
	if err == nil {
		age := 0.0
		if n > 0 {
			age = max(0, time.Since(oldest).Seconds())
		}
		gauge(out, backlogDesc, float64(n))
		gauge(out, oldestDesc, age)
	}
	waiting, since, err3 := p.store.Undelivered(ctx, p.cluster)
	if err3 == nil {
		age := 0.0
		if waiting > 0 {
			age = max(0, time.Since(since).Seconds())
		}
		gauge(out, waitingDesc, float64(waiting))
		gauge(out, waitingAgeDesc, age)
	}
	d, had, err2 := p.store.LastDigest(ctx, p.cluster, "")
	if err2 == nil {
		at := 0.0
		switch {
		case had && !d.Done.IsZero():
			at = float64(d.Until.Unix())
		case had: // it is on its way; the one before ended where it begins
			at = float64(d.From.Unix())
		}
		gauge(out, digestDesc, at)
	}
	return errors.Join(err, err2, err3)
}

// register adds the metrics of a cluster that are read when they are scraped.
func (m *metrics) register(p present) { m.of(p.cluster).in.MustRegister(p) }

// registerProcess adds those of the process.
func (m *metrics) registerProcess(o ownState) { m.own.MustRegister(o) }
