package app

import (
	"cmp"
	"context"
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
	"rollcall/internal/query"
	"rollcall/internal/wave"
)

// metrics is what /metrics shows. Labels are our own words, Slack's codes, or instance types, of
// which there are at most maxTypes: names and notes from the cluster are never labels.
type metrics struct {
	registry *prometheus.Registry
	changes  *prometheus.CounterVec
	waves    *prometheus.CounterVec
	calls    *prometheus.CounterVec
	called   *prometheus.HistogramVec
	asked    *prometheus.HistogramVec
	gaps     *prometheus.CounterVec
}

// maxTypes bounds the instance types that are told apart; the rest is "other".
const maxTypes = 50

func newMetrics(cluster, version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	in := prometheus.WrapRegistererWith(prometheus.Labels{"cluster": cluster}, m.registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_" + name, Help: help}, labels)
		in.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rollcall_" + name, Help: help, Buckets: buckets}, labels)
		in.MustRegister(v)
		return v
	}
	m.changes = counter("changes_total", "Changes of nodes recorded since the start, by kind.", "kind")
	for _, kind := range []fleet.ChangeKind{fleet.Joined, fleet.BecameReady, fleet.WentUnready, fleet.Recovered, fleet.Cordoned, fleet.Uncordoned, fleet.Removed} {
		m.changes.WithLabelValues(string(kind))
	}
	m.waves = counter("waves_total", "Waves opened since the start, by kind: each is a message.", "kind")
	m.calls = counter("slack_calls_total", "Calls to Slack since the start, by method and result: ok, an error code of Slack's, http_429 and the like, or no_answer.", "method", "result")
	m.called = histogram("slack_call_seconds", "How long calls to Slack took, by method.", []float64{.05, .1, .25, .5, 1, 2.5, 5, 10}, "method")
	m.asked = histogram("command_seconds", "From a slash command to its answer, by command.", []float64{.01, .025, .05, .1, .25, .5, 1, 2, 3, 10, 30}, "command")
	m.gaps = counter("gap_seconds_total", "Time in which the cluster was not watched, since the start; missed says whether changes may have been missed.", "missed")
	m.gaps.WithLabelValues("true")
	m.gaps.WithLabelValues("false")
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "rollcall_build_info", Help: "What is running; always 1.", ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	info.Set(1)
	in.MustRegister(info)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handler serves the metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

func (m *metrics) call(method, result string, took time.Duration) {
	m.calls.WithLabelValues(method, result).Inc()
	m.called.WithLabelValues(method).Observe(took.Seconds())
}

func (m *metrics) opened(kind wave.Kind) { m.waves.WithLabelValues(string(kind)).Inc() }

func (m *metrics) answered(command string, took time.Duration) {
	if command != "/nodes" && command != "/events" {
		command = "other"
	}
	m.asked.WithLabelValues(command).Observe(took.Seconds())
}

// counted is a ledger that counts what is recorded in it.
type counted struct {
	*ledger.Ledger
	m *metrics
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

// present are the metrics that are looked up when they are asked for.
type present struct {
	cluster string
	store   *ledger.Ledger
	watch   func() k8s.Status
	health  *health
	price   fleet.Pricer
}

// lookUpWithin bounds one scrape: Prometheus's own time-out is 10 s by default.
const lookUpWithin = 5 * time.Second

var (
	nodesDesc     = prometheus.NewDesc("rollcall_nodes", "Live nodes, by instance type and whether they are ready.", []string{"instance_type", "ready"}, nil)
	cordonedDesc  = prometheus.NewDesc("rollcall_nodes_cordoned", "Live nodes that take no new pods, by instance type.", []string{"instance_type"}, nil)
	costDesc      = prometheus.NewDesc("rollcall_cost_dollars_per_hour", "What the live nodes cost by the hour in US dollars, as far as their prices are known.", nil, nil)
	unpricedDesc  = prometheus.NewDesc("rollcall_nodes_unpriced", "Live nodes whose price is not known.", nil, nil)
	backlogDesc   = prometheus.NewDesc("rollcall_untold_changes", "Changes that Slack has not accepted yet.", nil, nil)
	oldestDesc    = prometheus.NewDesc("rollcall_untold_age_seconds", "How long ago the oldest change happened that Slack has not accepted yet; 0 if there is none.", nil, nil)
	failuresDesc  = prometheus.NewDesc("rollcall_watch_interruptions_total", "How often a watch was interrupted and begun again since the start, by watch.", []string{"watch"}, nil)
	silenceDesc   = prometheus.NewDesc("rollcall_watch_silence_seconds", "How long ago a watch was last known to be alive, by watch.", []string{"watch"}, nil)
	digestDesc    = prometheus.NewDesc("rollcall_digest_last_timestamp_seconds", "The tick of the last digest that was posted, or left out because nothing happened; 0 if there is none.", nil, nil)
	sizeDesc      = prometheus.NewDesc("rollcall_ledger_size_bytes", "Size of the ledger's files.", nil, nil)
	partDesc      = prometheus.NewDesc("rollcall_part_up", "Whether a part of Rollcall works: 1 if it does.", []string{"part"}, nil)
	scrapeErrDesc = prometheus.NewDesc("rollcall_ledger_lookup_failed", "Whether the ledger did not answer while these metrics were looked up: 1 if it did not.", nil, nil)
)

// Describe implements prometheus.Collector.
func (p present) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{nodesDesc, cordonedDesc, costDesc, unpricedDesc, backlogDesc, oldestDesc, failuresDesc, silenceDesc, digestDesc, sizeDesc, partDesc, scrapeErrDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (p present) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpWithin)
	defer cancel()
	now := time.Now()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	failed := 0.0
	ok := func(err error) bool {
		if err != nil {
			failed = 1
		}
		return err == nil
	}
	if groups, err := p.store.GroupNodes(ctx, p.cluster, query.NodeFilter{}, query.ByType, maxTypes); ok(err) {
		rest := query.NodeGroup{Value: "other", Nodes: groups.Total}
		for _, g := range groups.Groups {
			rest.Nodes -= g.Nodes
			name := cmp.Or(g.Value, fleet.Unknown)
			gauge(nodesDesc, float64(g.Ready), name, "true")
			gauge(nodesDesc, float64(g.NotReady), name, "false")
			gauge(cordonedDesc, float64(g.Cordoned), name)
		}
		if totals, err := p.store.Totals(ctx, p.cluster); rest.Nodes > 0 && ok(err) {
			for _, g := range groups.Groups {
				totals.Ready, totals.Cordoned = totals.Ready-g.Ready, totals.Cordoned-g.Cordoned
			}
			gauge(nodesDesc, float64(totals.Ready), rest.Value, "true")
			gauge(nodesDesc, float64(rest.Nodes-totals.Ready), rest.Value, "false")
			gauge(cordonedDesc, float64(totals.Cordoned), rest.Value)
		}
		cost := alert.CostOf(groups.Machines, p.price)
		gauge(costDesc, cost.USD)
		gauge(unpricedDesc, float64(cost.Unpriced))
	}
	if n, oldest, err := p.store.Backlog(ctx, p.cluster); ok(err) {
		age := 0.0
		if n > 0 {
			age = max(0, now.Sub(oldest).Seconds())
		}
		gauge(backlogDesc, float64(n))
		gauge(oldestDesc, age)
	}
	if d, had, err := p.store.LastDigest(ctx, p.cluster); ok(err) {
		at := 0.0
		switch {
		case had && !d.Done.IsZero():
			at = float64(d.Until.Unix())
		case had: // it is on its way; the one before ended where it begins
			at = float64(d.From.Unix())
		}
		gauge(digestDesc, at)
	}
	gauge(sizeDesc, float64(p.store.Size()))
	status := p.watch()
	for _, w := range []struct {
		name string
		k8s.WatchStatus
	}{{"nodes", status.Nodes}, {"events", status.Events}} {
		out <- prometheus.MustNewConstMetric(failuresDesc, prometheus.CounterValue, float64(w.Failures), w.name)
		if !w.Alive.IsZero() {
			gauge(silenceDesc, max(0, now.Sub(w.Alive).Seconds()), w.name)
		}
	}
	for _, h := range p.health.list(ctx) {
		up := 1.0
		if h.Problem != "" {
			up = 0
		}
		gauge(partDesc, up, h.Part)
	}
	gauge(scrapeErrDesc, failed)
}

// register adds what is looked up.
func (m *metrics) register(cluster string, p present) {
	prometheus.WrapRegistererWith(prometheus.Labels{"cluster": cluster}, m.registry).MustRegister(p)
}
