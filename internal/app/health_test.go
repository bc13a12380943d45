package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// While Slack is away for an hour, the parts are asked about once a second, and the ledger, which
// answers with a query, not at all.
func TestWaitingIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h health
		queries, asked := 0, 0
		up := time.Now().Add(time.Hour)
		h.parts.Store(&[]part{
			{name: "ledger", problem: func(context.Context) string { queries++; return "" }},
			{name: "slack", problem: func(context.Context) string {
				if asked++; time.Now().Before(up) {
					return "away"
				}
				return ""
			}},
			{name: "digest", problem: func(context.Context) string { return "late" }, aside: true},
		})
		if !h.wait(t.Context()) {
			t.Fatal("it gave up")
		}
		if late := time.Since(up); late > time.Second {
			t.Errorf("it noticed after %v", late)
		}
		if queries != 1 || asked > 3700 {
			t.Errorf("%d queries, Slack asked %d times", queries, asked)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		up = time.Now().Add(time.Hour)
		if h.wait(ctx) {
			t.Error("up, although Slack is away")
		}
	})
}
