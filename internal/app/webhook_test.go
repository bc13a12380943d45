package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/deliver"
	"rollcall/internal/ledger"
	"rollcall/internal/wave"
	"rollcall/internal/webhook/receiver"
	"rollcall/internal/webhook/webhooktest"
)

const webhookSecret = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiB0aGUgYXBw"

// hooked is a configuration with a webhook, and the mistakes of its variables.
func hooked(url, secret string) (config.Config, map[string]bool) {
	c, err := config.Load(map[string]string{"WEBHOOK_URL": url, "WEBHOOK_SECRET": secret})
	wrong := map[string]bool{}
	for _, m := range config.MistakesIn(err, "WEBHOOK_URL", "WEBHOOK_SECRET") {
		wrong[m.Variable] = true
	}
	return c, wrong
}

// A check sends nothing unless it is to, and says what the receiver answers.
func TestCheckWebhook(t *testing.T) {
	validate, err := webhooktest.Schema()
	if err != nil {
		t.Fatal(err)
	}
	r := receiver.New(webhookSecret, validate, 0)
	server := httptest.NewServer(r)
	defer server.Close()
	for _, tc := range []struct {
		name, url, secret string
		post              bool
		fault             receiver.Fault
		want              string
		events            int
	}{
		{name: "none"},
		{name: "a mistake", url: "x", want: "-     webhook: not checked, because of the mistakes above"},
		{name: "look", url: server.URL, secret: webhookSecret, want: "its name is known; rollcall check --post sends it"},
		{name: "unknown name", url: "https://receiver.invalid/T0PSECRET", secret: webhookSecret,
			want: "FAIL  webhook receiver.invalid: lookup receiver.invalid"},
		{name: "post", url: server.URL, secret: webhookSecret, post: true, want: "it has taken an event of type io.rollcall.check.v1",
			events: 1},
		{name: "another secret", url: server.URL, post: true, want: "HTTP status 400", events: 1},
		{name: "closed", url: server.URL, secret: webhookSecret, post: true, fault: receiver.Gone,
			want: "HTTP status 410 Gone; the receiver says that the endpoint is closed for good", events: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.Fail(tc.fault, 1)
			c, wrong := hooked(tc.url, tc.secret)
			var out bytes.Buffer
			checkWebhook(t.Context(), &checklist{out: &out}, c, wrong, "test", tc.post)
			if !strings.Contains(out.String(), tc.want) || (tc.want == "") != (out.Len() == 0) {
				t.Errorf("%q, want %q", out.String(), tc.want)
			}
			if strings.Contains(out.String(), "T0PSECRET") {
				t.Errorf("it shows what is secret: %s", &out)
			}
			if n := len(r.Events()); n != tc.events {
				t.Errorf("%d events were taken, want %d", n, tc.events)
			}
		})
	}
}

// A webhook that does not answer is a problem that says what waits, and does not make Rollcall unready.
func TestWebhookProblem(t *testing.T) {
	store, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r := receiver.New("", nil, 0)
	r.Fail(receiver.Broken, -1)
	server := httptest.NewServer(r)
	defer server.Close()
	c, _ := hooked(server.URL, "")
	p := &process{config: c, log: slog.New(slog.DiscardHandler), store: store, clusters: []*Cluster{{name: "prod"}},
		metrics: newMetrics([]Source{{Name: "prod"}}, "test")}
	if err := p.openWebhook(t.Context(), []Source{{Name: "prod"}}); err != nil {
		t.Fatal(err)
	}
	if problem := p.webhookProblem(t.Context()); problem != "" {
		t.Errorf("before anything is sent: %s", problem)
	}
	long := time.Now().Add(-3 * time.Hour)
	for i := range 2 {
		key := fmt.Sprint("e", i)
		if err := store.Collect(t.Context(), "prod", wave.Collected{Deliveries: []wave.Delivery{{Seq: int64(i + 1), Key: key,
			Created: long, Body: []byte("{}")}}}); err != nil {
			t.Fatal(err)
		}
	}
	once := func(yield func(deliver.Variant) bool) { yield(deliver.Variant{}) }
	if _, _, err := p.webhook.Post(t.Context(), wave.Posting{Key: "e0", Channel: c.Webhook.Host},
		deliver.Draft{Channel: c.Webhook.Host, Variants: once}); err != nil {
		t.Fatal(err)
	}
	want := "The webhook does not answer; keeping all messages and trying again: HTTP status 500 Internal Server Error; " +
		"2 events waiting, the oldest for 3 h"
	if problem := p.webhookProblem(t.Context()); problem != want {
		t.Errorf("%q, want %q", problem, want)
	}
	var h health
	h.opened(p, nil)
	for _, part := range *h.parts.Load() {
		if part.name == "webhook" && !part.aside {
			t.Error("a webhook that does not answer makes Rollcall unready")
		}
	}
}
