package config

import (
	"strings"
	"testing"
)

func TestWebhook(t *testing.T) {
	const good = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"
	const url = "https://events.example.com/T0PSECRET"
	for _, tc := range []struct {
		name, url, secret string
		variable, problem string // "" if it is right
		host              string
		secrets           int
	}{
		{name: "none"},
		{name: "right", url: url, secret: good, host: "events.example.com", secrets: 1},
		{name: "two secrets", url: url, secret: good + " " + good, host: "events.example.com", secrets: 2},
		{name: "in the cluster", url: "http://receiver.ns.svc:8080/in", secret: good, host: "receiver.ns.svc:8080", secrets: 1},
		{name: "this machine", url: "http://127.0.0.1:9000/", host: "127.0.0.1:9000"},
		{name: "no URL", secret: good, variable: "WEBHOOK_URL", problem: "it is missing, and WEBHOOK_SECRET is set"},
		{name: "no secret", url: url, variable: "WEBHOOK_SECRET", problem: "it is missing: without it"},
		{name: "no scheme", url: "events.example.com/T0PSECRET", secret: good, variable: "WEBHOOK_URL", problem: "it is not a URL"},
		{name: "another scheme", url: "ftp://events.example.com/T0PSECRET", secret: good, variable: "WEBHOOK_URL",
			problem: `its scheme is "ftp"; write https://`},
		{name: "no host", url: "https:///T0PSECRET", secret: good, variable: "WEBHOOK_URL", problem: "it names no host"},
		{name: "a fragment", url: url + "#a", secret: good, variable: "WEBHOOK_URL", problem: "what follows #"},
		{name: "no prefix", url: url, secret: strings.TrimPrefix(good, "whsec_"), variable: "WEBHOOK_SECRET",
			problem: "it does not begin with whsec_; write that in front"},
		{name: "a word", url: url, secret: "T0PSECRET", variable: "WEBHOOK_SECRET",
			problem: "it does not begin with whsec_; write whsec_ and 24 to 64 random bytes"},
		{name: "no base64", url: url, secret: "whsec_T0PSECRET!", variable: "WEBHOOK_SECRET", problem: "is not base64"},
		{name: "too short", url: url, secret: "whsec_T0PSECRET0PS", variable: "WEBHOOK_SECRET", problem: "it has 9 bytes"},
		{name: "the second is wrong", url: url, secret: good + " T0PSECRET", variable: "WEBHOOK_SECRET",
			problem: "secret 2 of 2 does not begin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Load(map[string]string{"WEBHOOK_URL": tc.url, "WEBHOOK_SECRET": tc.secret})
			wrong := MistakesIn(err, "WEBHOOK_URL", "WEBHOOK_SECRET")
			if tc.variable == "" {
				if len(wrong) > 0 || c.Webhook.Host != tc.host || len(c.Webhook.Secrets) != tc.secrets {
					t.Errorf("%v, %+v", wrong, c.Webhook)
				}
				return
			}
			if len(wrong) != 1 || wrong[0].Variable != tc.variable || !strings.Contains(wrong[0].Problem, tc.problem) {
				t.Errorf("%v, want %s: %s", wrong, tc.variable, tc.problem)
			}
			if strings.Contains(err.Error(), "T0PSECRET") {
				t.Errorf("it shows what is secret: %v", err)
			}
		})
	}
}
