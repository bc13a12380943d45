package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"rollcall/internal/deliver"
	"rollcall/internal/message"
)

const (
	oldSecret = "whsec_b2xkIHNlY3JldCBvZiB0aGUgdGVzdHMgb2YgYSBzaW5r"
	newSecret = "whsec_bmV3IHNlY3JldCBvZiB0aGUgdGVzdHMgb2YgYSBzaW5r"
)

func newSink(t *testing.T, c Config) *Sink {
	t.Helper()
	s, err := NewSink(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is sent says what it is and who sent it, by each of the secrets.
func TestPost(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body = make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	var results []string
	s := newSink(t, Config{URL: server.URL + "/in?a=b", Secrets: []string{newSecret, oldSecret}, Version: "v1.2.3",
		Called: func(result string, _ time.Duration) { results = append(results, result) }})
	id, err := s.Post(t.Context(), deliver.Place{}, deliver.Mark{Key: "evt_1"}, message.Message{Text: `{"a":"ä"}`},
		deliver.Plain)
	if err != nil || id != "evt_1" {
		t.Fatalf("%q, %v", id, err)
	}
	if string(body) != `{"a":"ä"}` || got.URL.RequestURI() != "/in?a=b" || got.Method != http.MethodPost {
		t.Errorf("%s %s got %s", got.Method, got.URL, body)
	}
	for header, want := range map[string]string{"Content-Type": "application/cloudevents+json; charset=utf-8",
		"User-Agent": "rollcall/v1.2.3", "Webhook-Id": "evt_1"} {
		if value := got.Header.Get(header); value != want {
			t.Errorf("%s is %q, want %q", header, value, want)
		}
	}
	for _, secret := range []string{oldSecret, newSecret} {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = verifier.Verify(body, got.Header)
		}
		if err != nil {
			t.Errorf("%s: %v", secret, err)
		}
	}
	if fmt.Sprint(results) != "[ok]" {
		t.Errorf("counted %v", results)
	}
}

// What a status means, and how long is waited.
func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		status int
		retry  string
		want   deliver.Outcome
		wait   time.Duration
	}{
		{200, "", deliver.Accepted, 0},
		{204, "", deliver.Accepted, 0},
		{302, "", deliver.Closed, 0},
		{400, "", deliver.Refused, 0},
		{401, "", deliver.Closed, 0},
		{403, "", deliver.Closed, 0},
		{404, "", deliver.Closed, 0},
		{408, "", deliver.Down, 0},
		{410, "", deliver.Closed, 0},
		{413, "", deliver.Refused, 0},
		{429, "", deliver.Down, 0},
		{429, "7", deliver.Limited, 7 * time.Second},
		{429, "86400", deliver.Limited, time.Hour},
		{429, "soon", deliver.Down, 0},
		{500, "7", deliver.Down, 0},
		{502, "", deliver.Down, 0},
		{503, "", deliver.Down, 0},
		{503, "30", deliver.Limited, 30 * time.Second},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tc.retry != "" {
				w.Header().Set("Retry-After", tc.retry)
			}
			if tc.status == 302 {
				w.Header().Set("Location", "/elsewhere")
			}
			w.WriteHeader(tc.status)
		}))
		s := newSink(t, Config{URL: server.URL})
		v := s.Judge(s.Send(t.Context(), "evt_1", nil), "")
		if v.Outcome != tc.want || v.Wait != tc.wait {
			t.Errorf("%d with %q is %v for %v, want %v for %v", tc.status, tc.retry, v.Outcome, v.Wait, tc.want, tc.wait)
		}
		if v.Outcome == deliver.Closed && v.Hint == "" {
			t.Errorf("%d: a person must act, and is not told what to do", tc.status)
		}
		server.Close()
	}
}

func TestRetryAfterDate(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{"Sun, 22 Nov 2026 09:00:40 GMT": 40 * time.Second,
		"Sun, 22 Nov 2026 08:00:00 GMT": 0, "-3": 0, "1e9": 0} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// No error says what is secret: the URL's path, its password, the secret.
func TestErrorsHoldNoSecret(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, url := range []string{gone.URL + "/T0PSECRET?token=T0PSECRET", "http://me:T0PSECRET@127.0.0.1:1/T0PSECRET",
		"https://T0PSECRET.invalid:x/", "http://127.0.0.1:1/%zzT0PSECRET"} {
		s := newSink(t, Config{URL: url, Secrets: []string{newSecret}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := s.Send(ctx, "evt_1", nil)
		cancel()
		if err == nil || strings.Contains(err.Error(), "T0PSECRET") {
			t.Errorf("%v", err)
		}
		if v := s.Judge(err, ""); v.Outcome != deliver.Down {
			t.Errorf("%v is %v", err, v.Outcome)
		}
	}
	if _, err := NewSink(Config{URL: gone.URL, Secrets: []string{"whsec_T0PSECRET!"}}); err == nil ||
		strings.Contains(err.Error(), "T0PSECRET") {
		t.Errorf("a secret that is none: %v", err)
	}
}

func TestTimeout(t *testing.T) {
	s := newSink(t, Config{URL: "http://receiver.test"})
	if v := s.Judge(fmt.Errorf("post: %w", context.DeadlineExceeded), ""); v.Outcome != deliver.Down || !v.Unanswered {
		t.Errorf("a time-out is %+v", v)
	}
	if v := s.Judge(errors.New("refused"), ""); v.Outcome != deliver.Down || v.Unanswered {
		t.Errorf("a refused connection is %+v", v)
	}
}
