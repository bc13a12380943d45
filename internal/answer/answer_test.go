package answer_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
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
		if !strings.Contains(text, "The ledger did not answer in time.") || !strings.Contains(text, "Try again") {
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
		"/nodes":                   "Other clusters of this ledger: staging (--cluster).",
		"/nodes --cluster staging": "staging: 0 nodes, 0 ready",
		"/nodes --cluster stagign": `"stagign" is no cluster that Rollcall has seen; it knows prod, staging`,
		"/events --cluster prd":    `"prd" is no cluster that Rollcall has seen; it knows prod, staging`,
	} {
		if text := a.To(t.Context(), line, now).String(); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q: %s", line, want, text)
		}
	}
}
