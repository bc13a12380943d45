package answer_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
)

// The views themselves are golden files of internal/slackapp, which shows them as Slack would.

func answerer(t *testing.T, watch string) (*answer.Answerer, *ledger.Ledger) {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return answer.New(answer.Config{Cluster: "prod", Store: l, Watch: func(string) string { return watch },
		Summaries: answer.Summaries{Store: l}, Log: slog.New(slog.DiscardHandler)}), l
}

var lines = []string{"/nodes", "/nodes list", "/nodes ip-10", "/nodes digest", "/events", "/events --scaling"}

// Whatever goes wrong is an answer, with a button that tries again.
func TestLedgerThatDoesNotAnswer(t *testing.T) {
	a, l := answerer(t, "")
	l.Close()
	for _, line := range lines {
		text := a.To(t.Context(), line, time.Now()).String()
		if !strings.Contains(text, "That could not be looked up in time.") || !strings.Contains(text, "Try again") {
			t.Errorf("%s: %s", line, text)
		}
	}
}

// Before anything was seen, and while the watch is away, each answer says how far it can be trusted.
func TestFreshness(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a, l := answerer(t, "the API server is away")
	for _, line := range []string{"/nodes", "/nodes list", "/events"} {
		if text := a.To(t.Context(), line, now).String(); !strings.Contains(text, "Nothing was seen yet: the API server is away") {
			t.Errorf("%s: %s", line, text)
		}
	}
	seen := fleet.Batch{Cluster: "prod", At: now.Add(-3 * time.Minute), ResourceVersion: "1"}
	if err := l.FinishBaseline(t.Context(), seen, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"/nodes", "/nodes list", "/events"} {
		text := a.To(t.Context(), line, now).String()
		if !strings.Contains(text, "As of 11:57 UTC, not live: the API server is away") {
			t.Errorf("%s: %s", line, text)
		}
	}
}

// A ledger may hold several clusters; a name that it does not hold is a mistake that names the others.
func TestClusters(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a, l := answerer(t, "")
	for _, name := range []string{"prod", "staging"} {
		seen := fleet.Batch{Cluster: name, At: now, ResourceVersion: "1"}
		if err := l.FinishBaseline(t.Context(), seen, func(string) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"/nodes":                   "Other clusters: staging (--cluster).",
		"/nodes --cluster staging": "staging: 0 nodes, 0 ready",
		"/nodes --cluster stagign": `"stagign" is no cluster that Rollcall has seen; it knows prod, staging`,
		"/events --cluster prd":    `"prd" is no cluster that Rollcall has seen; it knows prod, staging`,
	} {
		if text := a.To(t.Context(), line, now).String(); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q: %s", line, want, text)
		}
	}
}

// Who ends a mute is told what other mutes still hide.
func TestUnmuteSaysWhatStaysMuted(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		others     []wave.Mute
		says, hush string
	}{
		"none": {nil, "Alerts for pool batch are on again", "muted until"},
		"another pool": {[]wave.Mute{{Scope: wave.MutePool, Value: "web"}}, "Alerts for pool batch are on again",
			"pool web"},
		"a type":        {[]wave.Mute{{Scope: wave.MuteType, Value: "m5.large"}}, "m5.large is muted until", "stay muted"},
		"all of it":     {[]wave.Mute{{Scope: wave.MuteCluster}}, "Alerts for pool batch stay muted", "on again"},
		"another's end": {[]wave.Mute{{Scope: wave.MuteCluster, Until: now.Add(time.Minute)}}, "on again", "stay muted"},
	} {
		a, l := answerer(t, "")
		add := func(m wave.Mute, request string) wave.Mute {
			m.Request, m.Cluster, m.ByName, m.At = request, "prod", "ada", now
			if m.Until.IsZero() {
				m.Until = now.Add(time.Hour)
			}
			m, err := l.AddMute(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		m := add(wave.Mute{Scope: wave.MutePool, Value: "batch"}, "click")
		for i, o := range tt.others {
			add(o, fmt.Sprint("other-", i))
		}
		said, ended := a.Unmute(t.Context(), fmt.Sprint(m.ID), "U2", "grace", now.Add(10*time.Minute))
		if text := said.String(); !ended || !strings.Contains(text, tt.says) || strings.Contains(text, tt.hush) {
			t.Errorf("%s: %v, %s", name, ended, text)
		}
	}
}

// What a message is about comes first of what can be muted, and everything last.
func TestMuteScopes(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a, l := answerer(t, "")
	var seen []fleet.Observation
	for i, pool := range []string{"batch", "web"} {
		seen = append(seen, fleet.First(fleet.Node{Cluster: "prod", UID: pool, Name: pool, Pool: pool,
			InstanceType: []string{"m5.large", "c5.large"}[i], CreatedAt: now}, now))
	}
	if err := l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: now, Observations: seen}); err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(t.Context(), "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindJoined,
		Changes: []int64{1}}}}, false, now); err != nil {
		t.Fatal(err)
	}
	waves, err := l.LiveWaves(t.Context(), "prod")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		waves[0].Key: "2 Pool batch, Instance type m5.large, Everything in prod",
		"":           "0 Pool batch, Pool web, Instance type c5.large, Instance type m5.large, Everything in prod",
	} {
		options, about, err := a.MuteScopes(t.Context(), key)
		var labels []string
		for _, o := range options {
			labels = append(labels, o.Label)
		}
		if got := fmt.Sprint(about, " ", strings.Join(labels, ", ")); got != want || err != nil {
			t.Errorf("of message %q: %s, %v, want %s", key, got, err, want)
		}
	}
}

// A node of Karpenter's says how much of its limits its pool uses, and others do not.
func TestPoolUse(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a, l := answerer(t, "")
	owned := fleet.Node{Cluster: "prod", UID: "u1", Name: "web-1", Pool: "web", CreatedAt: now,
		Detail: fleet.Detail{Owner: fleet.ObjectRef{Kind: "NodeClaim", Name: "web-x7k2p"}}}
	bare := fleet.Node{Cluster: "prod", UID: "u2", Name: "web-2", Pool: "web", CreatedAt: now}
	if err := l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: now,
		Observations: []fleet.Observation{fleet.First(owned, now), fleet.First(bare, now)}}); err != nil {
		t.Fatal(err)
	}
	if err := l.RecordPools(t.Context(), "prod", []fleet.Pool{{Name: "web", Limits: map[string]string{"cpu": "100"},
		Used: map[string]string{"cpu": "92.5"}}, {Name: "batch", Limits: map[string]string{"cpu": "1"}}}); err != nil {
		t.Fatal(err)
	}
	const use = "Pool web: 92.5 of 100 CPUs."
	for name, want := range map[string]bool{"web-1": true, "web-2": false} {
		text := a.To(t.Context(), "/nodes "+name, now).String()
		if strings.Contains(text, use) != want || strings.Contains(text, "Pool batch") {
			t.Errorf("%s, use %v:\n%s", name, want, text)
		}
	}
}
