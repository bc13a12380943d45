package app

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/deliver"
	"rollcall/internal/ledger"
	"rollcall/internal/message"
	"rollcall/internal/webhook"
)

// newWebhook returns the sink of WEBHOOK_URL.
func newWebhook(c config.Config, o Options, called func(string, time.Duration)) (*webhook.Sink, error) {
	w := webhook.Config{URL: c.WebhookURL.Reveal(), Version: o.Version, Called: called, Limits: o.Webhook}
	for _, s := range c.Webhook.Secrets {
		w.Secrets = append(w.Secrets, s.Reveal())
	}
	return webhook.NewSink(w)
}

// openWebhook makes the outbox of WEBHOOK_URL, if that is set, and begins the feeds before anything is watched, so that
// they miss nothing of it.
func (p *process) openWebhook(ctx context.Context, sources []Source) error {
	if p.config.WebhookURL == "" {
		return nil
	}
	sink, err := newWebhook(p.config, p.options, p.metrics.delivered)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if err := p.store.BeginFeed(ctx, s.Name, time.Now()); err != nil {
			return err
		}
	}
	p.webhook = deliver.NewOutbox(sink, ledger.Deliveries{Ledger: p.store}, p.log)
	p.log.Info("events are sent to a webhook too", "host", p.config.Webhook.Host, "signed",
		len(p.config.Webhook.Secrets) > 0)
	if p.config.Webhook.Plain {
		p.log.Warn("WEBHOOK_URL begins with http: whoever is on the way can read the events", "host", p.config.Webhook.Host)
	}
	return nil
}

// newFeeder returns the feeder of a cluster of the process, which has a webhook.
func (p *process) newFeeder(c deliver.FeederConfig) *deliver.Feeder {
	c.Channel, c.Outbox, c.Store = p.config.Webhook.Host, p.webhook, p.store
	c.Summaries, c.Schedules = p.summaries, p.config.Digest
	c.Events = webhook.Events{Cluster: c.Cluster, Price: p.config.Prices.Price}
	return deliver.NewFeeder(c)
}

// webhookProblem says what is wrong with the webhook, and what waits for it; "" if nothing is.
func (p *process) webhookProblem(ctx context.Context) string {
	problem := p.webhook.Problem(false)
	if problem == "" {
		return ""
	}
	waiting, oldest := 0, time.Time{}
	for _, c := range p.clusters {
		n, at, err := p.store.Undelivered(ctx, c.name)
		if err != nil {
			return problem // the ledger's own line says so
		}
		if waiting += n; n > 0 && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	if waiting > 0 {
		problem += fmt.Sprintf("; %s waiting, the oldest for %s", message.Count(waiting, "event"),
			message.Duration(time.Since(oldest)))
	}
	return problem
}

// checkWebhook looks whether the webhook's host is known, and with post whether it takes an event.
func checkWebhook(ctx context.Context, l *checklist, c config.Config, wrong map[string]bool, version string,
	post bool) {
	switch {
	case wrong["WEBHOOK_URL"] || wrong["WEBHOOK_SECRET"]:
		l.skip("webhook", "because of the mistakes above")
		return
	case c.WebhookURL == "":
		return
	}
	what := "webhook " + c.Webhook.Host
	if !post {
		u, err := url.Parse(c.WebhookURL.Reveal())
		if err == nil {
			ctx, cancel := context.WithTimeout(ctx, resolveWithin)
			defer cancel()
			_, err = net.DefaultResolver.LookupHost(ctx, u.Hostname())
		}
		if err != nil {
			l.line(false, what, fmt.Sprintf("%v; mend WEBHOOK_URL, or the names that this machine knows", err))
			return
		}
		l.line(true, what, "its name is known; rollcall check --post sends it an event of type "+webhook.CheckType)
		return
	}
	sink, err := newWebhook(c, Options{Version: version}, nil)
	if err != nil {
		l.line(false, what, err.Error())
		return
	}
	name := "kubernetes"
	if sources, err := FindClusters(c); err == nil {
		name = sources[0].Name
	}
	event, err := webhook.Events{Cluster: name}.Check(time.Now())
	if err == nil {
		err = sink.Send(ctx, event.Key, event.Body)
	}
	if err != nil {
		text := err.Error()
		if hint := sink.Judge(err, "").Hint; hint != "" {
			text += "; " + hint
		}
		l.line(false, what, text)
		return
	}
	l.line(true, what, "it has taken an event of type "+event.Type)
}

// resolveWithin is how long a check waits for a name.
const resolveWithin = 5 * time.Second
