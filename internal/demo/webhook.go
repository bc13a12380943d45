package demo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/slackemu/page"
	"rollcall/internal/webhook"
	"rollcall/internal/webhook/receiver"
)

const (
	// webhookPath is where the demo's own receiver of events answers.
	webhookPath = "/webhook"
	// webhookSecret is no secret: the receiver is the demo's own.
	webhookSecret = "whsec_dGhlIGRlbW8ncyBvd24gcmVjZWl2ZXIgb2YgZXZlbnRz"
	// eventsKept is how many events the receiver remembers, and eventsShown how many the panel shows.
	eventsKept, eventsShown = 1000, 8
	// webhookOutage is how long the receiver fails when it is asked to.
	webhookOutage = time.Minute
)

// hear hands what the receiver gets on to the panel.
func (d *demo) hear(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.receiver.Changed():
			d.notify.all()
		}
	}
}

// failWebhook makes the receiver fail for a while.
func (d *demo) failWebhook() (end func()) {
	d.receiver.Fail(receiver.Broken, -1)
	return func() { d.receiver.Fail("", 0) }
}

// webhookCounters say how the receiver is told.
func (d *demo) webhookCounters() []page.Counter {
	tries, repeats := d.receiver.Tally()
	wrong := len(d.receiver.Wrong())
	right, note := wrong == 0, fmt.Sprintf("%d tries, %d repeats discarded", tries, repeats)
	if !right {
		note = fmt.Sprintf("%d wrong", wrong)
	}
	return []page.Counter{{ID: "events", Label: "Webhook events", Value: strconv.Itoa(d.receiver.Total()), Note: note,
		Good: &right}}
}

// deliveries are the last events, the newest first.
func (d *demo) deliveries() page.List {
	l := page.List{ID: "webhook", Title: "To the webhook",
		Note: "Signed CloudEvents, in order, repeats discarded.", Empty: "No event yet."}
	all := d.receiver.Events()
	for _, e := range slices.Backward(all[max(0, len(all)-eventsShown):]) {
		var data struct{ Text, Phase string }
		_ = e.DataAs(&data) // the receiver has held it to the rules
		l.Rows = append(l.Rows, page.Row{ID: e.ID(), At: e.At,
			Label: strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(e.Type(), webhook.Prefix), ".v1") + " " + data.Phase),
			Text:  data.Text})
	}
	return l
}
