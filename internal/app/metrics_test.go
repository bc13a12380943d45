package app

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// TestMetrics runs the program, lets things happen, and looks for each of them in /metrics.
func TestMetrics(t *testing.T) {
	c := cluster.Shared(t)
	ctx := t.Context()
	if err := c.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	s := slackemu.Start(t, slackemu.Config{})
	_, kubeconfig := reader(t, c)
	p := run(t, settings(t, s, kubeconfig, "CLUSTER_NAME", "prod", "DIGEST_SCHEDULE", "@every 1m"))
	p.isReady(30 * time.Second)
	if _, err := c.CreateNodes(ctx, 3, 2, cluster.Spot(), cluster.InstanceType("c6i.2xlarge"),
		cluster.Ready()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateNode(ctx, cluster.NewNode("odd", cluster.InstanceType("we"))); err != nil {
		t.Fatal(err)
	}
	if err := s.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes", "").Wait(ctx); err != nil {
		t.Fatal(err)
	}
	var text string
	value := func(series string) string {
		m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
		if m == nil {
			return ""
		}
		return m[1]
	}
	want := map[string]string{
		`rollcall_nodes{cluster="prod",instance_type="c6i.2xlarge",ready="true"}`:          "3",
		`rollcall_nodes{cluster="prod",instance_type="we",ready="false"}`:                  "1",
		`rollcall_nodes_cordoned{cluster="prod",instance_type="we"}`:                       "0",
		`rollcall_nodes_unpriced{cluster="prod"}`:                                          "1",
		`rollcall_changes_total{cluster="prod",kind="joined"}`:                             "4",
		`rollcall_changes_total{cluster="prod",kind="removed"}`:                            "0",
		`rollcall_waves_total{cluster="prod",kind="baseline"}`:                             "1",
		`rollcall_slack_calls_total{cluster="prod",method="auth.test",result="ok"}`:        "1",
		`rollcall_untold_changes{cluster="prod"}`:                                          "0",
		`rollcall_untold_age_seconds{cluster="prod"}`:                                      "0",
		`rollcall_command_seconds_count{cluster="prod",command="/nodes"}`:                  "1",
		`rollcall_gap_seconds_total{cluster="prod",missed="true"}`:                         "0",
		`rollcall_part_up{cluster="prod",part="slack"}`:                                    "1",
		`rollcall_part_up{cluster="prod",part="ledger"}`:                                   "1",
		`rollcall_ledger_lookup_failed{cluster="prod"}`:                                    "0",
		`rollcall_watch_interruptions_total{cluster="prod",watch="nodes"}`:                 "0",
		`rollcall_slack_calls_total{cluster="prod",method="chat.postMessage",result="ok"}`: "",
		`rollcall_watch_silence_seconds{cluster="prod",watch="events"}`:                    "",
		`rollcall_ledger_size_bytes{cluster="prod"}`:                                       "",
		`rollcall_cost_dollars_per_hour{cluster="prod"}`:                                   "",
		`rollcall_digest_last_timestamp_seconds{cluster="prod"}`:                           "",
		`rollcall_slack_call_seconds_count{cluster="prod",method="chat.postMessage"}`:      "",
		`go_goroutines`: "",
	}
	missing := ""
	p.until(20*time.Second, "the metrics show what happened", func() bool {
		var status int
		if status, text = p.get("/metrics"); status != http.StatusOK {
			return false
		}
		missing = ""
		for series, v := range want {
			if got := value(series); got == "" || v != "" && got != v {
				missing += fmt.Sprintf("%s is %q, want %q\n", series, got, v)
			}
		}
		return missing == "" || t.Context().Err() != nil
	})
	if missing != "" {
		t.Errorf("%s\n%s", missing, text)
	}
	if got := value(`rollcall_cost_dollars_per_hour{cluster="prod"}`); got == "0" {
		t.Error("three priced nodes cost nothing")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if strings.HasPrefix(problem.Metric, "rollcall_") {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
	}
	for _, secret := range []string{slackemu.DefaultBotToken, slackemu.DefaultAppToken} {
		if strings.Contains(text, secret) {
			t.Error("the metrics show a token")
		}
	}
}

// A gap of a clock that was set back ends before it begins. A counter that is told to go down
// panics, which would end the program at every start.
func TestGapsOfAClockThatIsSetBackAreNotCounted(t *testing.T) {
	store, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Now()
	c := counted{store, newMetrics([]Source{{Name: "prod"}}, "test").of("prod")}
	if err := c.RecordNodes(t.Context(),
		fleet.Batch{Cluster: "prod", At: now,
			Gap: &fleet.Gap{Cluster: "prod", From: now.Add(time.Hour), Until: now, Missed: true}}); err != nil {
		t.Error(err)
	}
}
