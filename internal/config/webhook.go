package config

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Secrets of Standard Webhooks:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
const (
	secretPrefix         = "whsec_"
	minSecret, maxSecret = 24, 64 // bytes
	maxSecrets           = 5      // that are taken at a time
	secretExample        = "whsec_ and 24 to 64 random bytes in base64, as echo whsec_$(openssl rand -base64 32) writes it"
	webhookURLExample    = "https://events.example.com/rollcall"
)

// Webhook is the receiver of WEBHOOK_URL.
type Webhook struct {
	Host    string // and port, for people: the rest of the URL may be a secret
	Plain   bool   // what is sent can be read on its way: http, and not to this machine
	Secrets []Secret
}

// checkWebhook reads where events are sent. What is wrong is told without any part of the URL: it may be a secret.
func (l *loader) checkWebhook(c *Config) {
	text, secrets := c.WebhookURL.Reveal(), strings.Fields(unquote(c.WebhookSecret.Reveal()))
	if text == "" {
		if len(secrets) > 0 {
			l.wrong("WEBHOOK_URL", "it is missing%s, and WEBHOOK_SECRET is set; write for example %s, or take "+
				"WEBHOOK_SECRET away", l.misspelt("WEBHOOK_URL"), webhookURLExample)
		}
		return
	}
	local := false
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" && u.Scheme != "http" && u.Scheme != "https":
		l.wrong("WEBHOOK_URL", "it is not a URL; write for example %s", webhookURLExample)
	case u.Scheme != "https" && u.Scheme != "http":
		l.wrong("WEBHOOK_URL", "its scheme is %q; write https://, or http:// inside of a cluster", u.Scheme)
	case u.Hostname() == "":
		l.wrong("WEBHOOK_URL", "it names no host; write for example %s", webhookURLExample)
	case u.Fragment != "":
		l.wrong("WEBHOOK_URL", "what follows # is never sent; leave it out")
	default:
		ip := net.ParseIP(u.Hostname())
		local = u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
		c.Webhook.Host, c.Webhook.Plain = u.Host, u.Scheme == "http" && !local
	}
	if len(secrets) == 0 {
		if !local && c.Webhook.Host != "" {
			l.wrong("WEBHOOK_SECRET", "it is missing%s: without it the receiver cannot know whom events are from; write %s",
				l.misspelt("WEBHOOK_SECRET"), secretExample)
		}
		return
	}
	if len(secrets) > maxSecrets {
		l.wrong("WEBHOOK_SECRET", "it holds %d secrets; one is enough, and two while one takes the other's place",
			len(secrets))
		return
	}
	for i, s := range secrets {
		which := "it"
		if len(secrets) > 1 {
			which = fmt.Sprintf("secret %d of %d", i+1, len(secrets))
		}
		key, prefixed := strings.CutPrefix(s, secretPrefix)
		raw, err := base64.StdEncoding.DecodeString(key)
		switch {
		case !prefixed && err == nil && len(raw) >= minSecret:
			l.wrong("WEBHOOK_SECRET", "%s does not begin with %s; write that in front", which, secretPrefix)
		case !prefixed:
			l.wrong("WEBHOOK_SECRET", "%s does not begin with %s; write %s", which, secretPrefix, secretExample)
		case err != nil:
			l.wrong("WEBHOOK_SECRET", "what follows %s is not base64 (%s); write %s", secretPrefix, which, secretExample)
		case len(raw) < minSecret || len(raw) > maxSecret:
			l.wrong("WEBHOOK_SECRET", "%s has %d bytes; write %s", which, len(raw), secretExample)
		default:
			c.Webhook.Secrets = append(c.Webhook.Secrets, Secret(s))
		}
	}
}
