package monitoring

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/util/annotations"
)

// scrape is how far apart the samples of a series are, and the evaluations of a rule.
const scrape = time.Minute

// samples are series in promtool's notation, the first sample at the Unix epoch.
func samples(t *testing.T, descriptions []string) storage.Queryable {
	t.Helper()
	var all []promql.Series
	for _, d := range descriptions {
		name, values, err := promQL.ParseSeriesDesc(d)
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		series := promql.Series{Metric: name}
		for i, v := range values {
			if !v.Omitted {
				series.Floats = append(series.Floats, promql.FPoint{T: int64(i) * scrape.Milliseconds(), F: v.Value})
			}
		}
		all = append(all, series)
	}
	return &storage.MockQueryable{
		MockQuerier: &storage.MockQuerier{
			SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
				var found set
				for _, s := range all {
					if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Metric.Get(m.Name)) }) {
						found.series = append(found.series, promql.NewStorageSeries(s))
					}
				}
				return &found
			}}}
}

// set is a storage.SeriesSet of what is given.
type set struct {
	series []storage.Series
	next   int
}

func (s *set) Next() bool                      { s.next++; return s.next <= len(s.series) }
func (s *set) At() storage.Series              { return s.series[s.next-1] }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

// firing evaluates a rule every minute until at, as Prometheus does, and returns the summaries of
// the alerts that fire then.
func firing(t *testing.T, rule rulefmt.Rule, data storage.Queryable, at time.Duration) []string {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: promQL})
	defer engine.Close()
	query := func(ctx context.Context, q string, ts time.Time) (promql.Vector, error) {
		asked, err := engine.NewInstantQuery(ctx, data, nil, q, ts)
		if err != nil {
			return nil, err
		}
		defer asked.Close()
		vector, err := asked.Exec(ctx).Vector()
		return slices.Clone(vector), err // Close takes it back
	}
	since := map[string]time.Time{} // an alert's labels: since when it is pending
	var summaries []string
	for now, end := time.Unix(0, 0), time.Unix(0, 0).Add(at); !now.After(end); now = now.Add(scrape) {
		vector, err := query(t.Context(), rule.Expr, now)
		if err != nil {
			t.Fatalf("%s: %v", rule.Alert, err)
		}
		summaries = nil
		active := map[string]bool{}
		for _, sample := range vector {
			key := labels.NewBuilder(sample.Metric).Del(model.MetricNameLabel).Labels().String()
			if active[key] {
				t.Errorf("%s: two alerts are alike: %s", rule.Alert, key)
			}
			active[key] = true
			if since[key].IsZero() {
				since[key] = now
			}
			if now.Sub(since[key]) < time.Duration(rule.For) {
				continue
			}
			// As Prometheus's rule manager prepares annotations.
			const defs = "{{$labels := .Labels}}{{$value := .Value}}"
			data := template.AlertTemplateData(sample.Metric.Map(), nil, "", sample)
			for name, annotation := range rule.Annotations {
				text, err := template.NewTemplateExpander(t.Context(), defs+annotation, rule.Alert, data,
					model.TimeFromUnix(now.Unix()), query, &url.URL{}, nil).Expand()
				if err != nil || strings.Contains(text, "<no value>") {
					t.Errorf("%s: %s: %q, %v", rule.Alert, name, text, err)
				}
				if name == "summary" {
					summaries = append(summaries, text)
				}
			}
		}
		maps.DeleteFunc(since, func(key string, _ time.Time) bool { return !active[key] })
	}
	slices.Sort(summaries)
	return summaries
}

func TestAlerts(t *testing.T) {
	const hour = time.Hour
	cases := []struct {
		alert  string
		series []string
		at     time.Duration
		want   string // the summaries, one a line
	}{
		{"RollcallDown", []string{`rollcall_build_info{cluster="prod",version="1"} 1x60`}, hour, ""},
		{"RollcallDown", nil, 6 * time.Minute, "Rollcall does not run, or is not scraped."},
		{"RollcallDown", nil, 4 * time.Minute, ""},
		{"RollcallDown", []string{`rollcall_build_info{cluster="prod"} 1x30 stale`,
			`rollcall_build_info{cluster="dev"} 1x60`}, hour, "Rollcall does not run, or is not scraped (prod)."},
		{"RollcallDown", []string{`rollcall_build_info{cluster="prod"} 1x30 stale`}, hour,
			"Rollcall does not run, or is not scraped (prod)."},
		// A restart within five minutes, as another pod.
		{"RollcallDown", []string{`rollcall_build_info{cluster="prod",instance="a"} 1x30 stale`,
			`rollcall_build_info{cluster="prod",instance="b"} _x34 1x30`}, 36 * time.Minute, ""},

		{"RollcallNotTelling", []string{`rollcall_untold_age_seconds{cluster="prod"} 0+60x11`}, 11 * time.Minute, ""},
		{"RollcallNotTelling", []string{`rollcall_untold_age_seconds{cluster="prod"} 0+60x12`}, 12 * time.Minute, ""},
		{"RollcallNotTelling",
			[]string{`rollcall_untold_age_seconds{cluster="prod"} 0+60x13`, `rollcall_untold_age_seconds{cluster="dev"} 0x13`},
			13 * time.Minute, "prod: Slack has not been told of a change for 13m 0s."},
		// What was found after a night is old, but told at once.
		{"RollcallNotTelling", []string{`rollcall_untold_age_seconds{cluster="prod"} 0 0 30000 0 0 0`}, 4 * time.Minute, ""},
		{"RollcallNotTelling", []string{`rollcall_untold_age_seconds{cluster="prod"} 0+60x20 0 0 0`}, 22 * time.Minute, ""},

		{"RollcallWatchSilent", []string{`rollcall_watch_silence_seconds{cluster="prod",watch="nodes"} 0+60x8`},
			8 * time.Minute, "prod: nothing came from the watch of nodes for 8m 0s."},
		{"RollcallWatchSilent", []string{`rollcall_watch_silence_seconds{cluster="prod",watch="nodes"} 0+60x4 240x9`},
			13 * time.Minute, ""},
		{"RollcallWatchSilent", []string{`rollcall_watch_silence_seconds{cluster="prod",watch="events"} 0+60x11 0`},
			11 * time.Minute, ""},
		{"RollcallWatchSilent", []string{`rollcall_watch_silence_seconds{cluster="prod",watch="events"} 0+60x30`},
			30 * time.Minute, "prod: nothing came from the watch of events for 30m 0s."},

		{"RollcallChangesMissed", []string{`rollcall_gap_seconds_total{cluster="prod",missed="true",instance="a"} 0x20`,
			`rollcall_gap_seconds_total{cluster="prod",missed="false",instance="a"} 0 0 7000x20`}, 10 * time.Minute, ""},
		// A restart after 20 s, and one after an hour: the new process begins with its gap.
		{"RollcallChangesMissed",
			[]string{`rollcall_gap_seconds_total{cluster="prod",missed="true",instance="b"} _x20 20x20`}, 25 * time.Minute, ""},
		{"RollcallChangesMissed",
			[]string{`rollcall_gap_seconds_total{cluster="prod",missed="true",instance="b"} _x20 3600x40`}, 25 * time.Minute,
			"prod: Rollcall did not watch for 1h 0m 0s, and changes may have been missed."},
		{"RollcallChangesMissed",
			[]string{`rollcall_gap_seconds_total{cluster="prod",missed="true",instance="b"} _x20 3600x40`}, 50 * time.Minute,
			""},
		{"RollcallChangesMissed",
			[]string{`rollcall_gap_seconds_total{cluster="prod",missed="true",instance="b"} 0x20 3000x40`}, 25 * time.Minute,
			"prod: Rollcall did not watch for 50m 0s, and changes may have been missed."},

		{"RollcallSlackRefuses",
			[]string{`rollcall_slack_calls_total{cluster="prod",method="chat.postMessage",result="not_in_channel"} 1+1x30`},
			20 * time.Minute, "prod: Slack refuses chat.postMessage: not_in_channel."},
		{"RollcallSlackRefuses",
			[]string{`rollcall_slack_calls_total{cluster="prod",method="chat.postMessage",result="ok"} 1+1x30`,
				`rollcall_slack_calls_total{cluster="prod",method="chat.postMessage",result="http_429"} 1+1x30`,
				`rollcall_slack_calls_total{cluster="prod",method="chat.update",result="message_not_found"} 1+1x30`},
			20 * time.Minute, ""},

		{"RollcallDigestLate", []string{`rollcall_digest_last_timestamp_seconds{cluster="prod"} 60x1600`}, 26 * hour, ""},
		{"RollcallDigestLate", []string{`rollcall_digest_last_timestamp_seconds{cluster="prod"} 60x1600`},
			26*hour + 20*time.Minute, "prod: the last digest is 1d 2h 19m 0s old."},
		// On a day of 25 hours the next comes in time.
		{"RollcallDigestLate", []string{`rollcall_digest_last_timestamp_seconds{cluster="prod"} 60x1500 90060x200`},
			26*hour + 20*time.Minute, ""},
		{"RollcallDigestLate", []string{`rollcall_digest_last_timestamp_seconds{cluster="prod"} 0x3000`}, 48 * hour, ""},

		{"RollcallWebhookLags", []string{`rollcall_webhook_waiting_age_seconds{cluster="prod"} 0+60x20 0x20`}, 30 * time.Minute,
			""},
		{"RollcallWebhookLags", []string{`rollcall_webhook_waiting_age_seconds{cluster="prod"} 0+60x60`}, 40 * time.Minute,
			"prod: the webhook has not taken an event for 40m 0s."},

		{"RollcallLedgerGrows", []string{`rollcall_ledger_size_bytes{cluster="prod"} 1200000000x70`}, hour, ""},
		{"RollcallLedgerGrows", []string{`rollcall_ledger_size_bytes{cluster="prod"} 2147483648x70`}, hour,
			"prod: the ledger has grown to 2GiB."},

		{"RollcallLedgerUnread", []string{`rollcall_ledger_lookup_failed{cluster="prod"} 0x5 1x5 0x5 1x4`}, 20 * time.Minute,
			""},
		{"RollcallLedgerUnread", []string{`rollcall_ledger_lookup_failed{cluster="prod"} 0x5 1x15`}, 20 * time.Minute,
			"prod: the ledger does not answer."},

		{"RollcallPartDown",
			[]string{`rollcall_part_up{cluster="prod",part="slack"} 1x5 0x15`,
				`rollcall_part_up{cluster="prod",part="nodes"} 1x20`}, 20 * time.Minute,
			"prod: slack has not been in order for ten minutes."},
		{"RollcallPartDown", []string{`rollcall_part_up{cluster="prod",part="slack"} 1x5 0x3 1x15`}, 20 * time.Minute, ""},
	}
	fires := map[string]bool{}
	alerts := rules(t)
	for _, tt := range cases {
		i := slices.IndexFunc(alerts, func(r rulefmt.Rule) bool { return r.Alert == tt.alert })
		if i < 0 {
			t.Fatalf("there is no alert %s", tt.alert)
		}
		if got := strings.Join(firing(t, alerts[i], samples(t, tt.series), tt.at), "\n"); got != tt.want {
			t.Errorf("%s after %s, with %q:\n%q, want\n%q", tt.alert, tt.at, tt.series, got, tt.want)
		}
		fires[tt.alert] = fires[tt.alert] || tt.want != ""
	}
	for _, r := range alerts {
		if !fires[r.Alert] {
			t.Errorf("no test makes %s fire", r.Alert)
		}
	}
}
