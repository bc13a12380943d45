package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
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

// Whoever reaches the port can hold neither connections nor memory for long.
func TestServerIsBounded(t *testing.T) {
	s := newServer(http.NotFoundHandler())
	if s.IdleTimeout == 0 || s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 {
		t.Errorf("a time has no limit: %+v", s)
	}
	site := httptest.NewUnstartedServer(nil)
	site.Config = s
	site.Start()
	defer site.Close()
	for size, want := range map[int]int{1 << 10: http.StatusNotFound, 64 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", site.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Long", strings.Repeat("x", size))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("a header of %d bytes: status %d, want %d", size, resp.StatusCode, want)
		}
	}
}
