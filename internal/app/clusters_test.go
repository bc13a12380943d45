package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// One process watches several clusters: each has its watch, its waves and its metrics, and all
// share the ledger, Slack's pace and the health.
func TestTwoClusters(t *testing.T) {
	api := cluster.Shared(t)
	slack := slackemu.Start(t, slackemu.Config{})
	_, kubeconfig := reader(t, api)
	env := settings(t, slack, kubeconfig)
	c, err := config.Load(env)
	if err != nil {
		t.Fatal(err)
	}
	found, err := FindClusters(c)
	if err != nil {
		t.Fatal(err)
	}
	sources := []Source{{Name: "east", REST: found[0].REST}, {Name: "west", REST: found[0].REST}}

	ctx, cancel := context.WithCancel(t.Context())
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, c, sources, Options{Version: "test", Ready: func(a string) { addr <- a }},
			slog.New(slog.NewTextHandler(t.Output(), nil)))
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var server string
	select {
	case server = <-addr:
	case <-time.After(30 * time.Second):
		t.Fatal("it is not ready")
	}
	want := "ledger: ok\nnodes of east: ok\nevents of east: ok\nnodes of west: ok\nevents of west: ok\nslack: ok\n" +
		"connections: ok\ntelling: ok\ndigest: ok\n"
	if got := body(t, "http://"+server+"/readyz"); got != want {
		t.Errorf("/readyz says\n%s", got)
	}
	told := func() (east, west bool) {
		for _, m := range slack.Messages(slackemu.ChannelOps) {
			east = east || strings.Contains(m.Text, "watching east")
			west = west || strings.Contains(m.Text, "watching west")
		}
		return east, west
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if east, west := told(); east && west {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not both clusters are announced: %v", slack.Messages(slackemu.ChannelOps))
		}
	}
	metrics := body(t, "http://"+server+"/metrics")
	for _, line := range []string{`rollcall_waves_total{cluster="east",kind="baseline"} 1`,
		`rollcall_waves_total{cluster="west",kind="baseline"} 1`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// body is what an address answers.
func body(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
