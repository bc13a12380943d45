package slackemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// How a delivery ended.
const (
	OutcomeOK      = "ok"
	OutcomeTimeout = "operation_timeout" // not acknowledged in time: what the person sees for a slash command
	OutcomeNoApp   = "dispatch_failed"   // no connection was open
	OutcomeClosed  = "closed"            // the server was closed first
	// OutcomeNotSent is for things that Slack tells the app nothing of, such as closing a view without notify_on_close.
	OutcomeNotSent = "not_sent"
)

// Delivery is a payload on its way to the app: sent to one connection, and for events sent again when it is not
// acknowledged.
type Delivery struct {
	// Type is the envelope's: slash_commands, interactive or events_api.
	Type string
	// Payload as sent.
	Payload json.RawMessage
	// EventID of an event, the same for every attempt.
	EventID string

	s    *Server
	err  error // set at once if the payload could not be made
	done chan struct{}

	// mu of the server, until done is closed
	outcome  string
	ack      json.RawMessage
	attempts []Attempt
}

// Attempt is one sending of a delivery.
type Attempt struct {
	EnvelopeID string
	// Socket is the connection's ID, 0 if none was open.
	Socket int
	SentAt time.Time
	Acked  bool
	Took   time.Duration // until the acknowledgement or the time-out
}

// Done is closed when the delivery has been acknowledged or given up.
func (d *Delivery) Done() <-chan struct{} { return d.done }

// Wait waits for the acknowledgement. It fails if the payload could not be made (a button that is not there), if
// nobody acknowledged it, if Slack would refuse the acknowledgement's payload, or if ctx ends.
func (d *Delivery) Wait(ctx context.Context) error {
	if d.err != nil {
		return d.err
	}
	select {
	case <-d.done:
	case <-ctx.Done():
		return fmt.Errorf("waiting for an acknowledgement of %s: %w", d.Type, context.Cause(ctx))
	}
	if o := d.Outcome(); o != OutcomeOK && o != OutcomeNotSent {
		return fmt.Errorf("%s: %s", d.Type, o)
	}
	return nil
}

// Err says why the payload could not be made, if so.
func (d *Delivery) Err() error { return d.err }

// Outcome is "" while the delivery is under way, then one of the Outcome constants or the error code with which Slack
// refuses the acknowledgement's payload.
func (d *Delivery) Outcome() string {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	return d.outcome
}

// AckPayload is the payload of the acknowledgement, nil if it had none.
func (d *Delivery) AckPayload() json.RawMessage {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	return slices.Clone(d.ack)
}

// Attempts are the sendings so far.
func (d *Delivery) Attempts() []Attempt {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	return slices.Clone(d.attempts)
}

var errClosed = errors.New("the server is closed")

// failed is a delivery whose payload could not be made.
func (s *Server) failed(kind string, err error) *Delivery {
	d := &Delivery{Type: kind, s: s, err: err, done: make(chan struct{}), outcome: "not_possible"}
	close(d.done)
	return d
}

// start sends a delivery on its way. onAck handles the payload of the acknowledgement, with mu held, and returns the
// outcome.
func (s *Server) start(d *Delivery, accepts bool, retries []time.Duration, onAck func(json.RawMessage) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startLocked(d, accepts, retries, onAck)
}

func (s *Server) startLocked(d *Delivery, accepts bool, retries []time.Duration, onAck func(json.RawMessage) string) {
	d.s, d.done = s, make(chan struct{})
	if s.closed {
		d.err, d.outcome = errClosed, OutcomeClosed
		close(d.done)
		return
	}
	s.runLocked(func() {
		outcome, payload := s.attempts(d, accepts, retries)
		s.mu.Lock()
		defer s.mu.Unlock()
		if outcome == OutcomeOK && onAck != nil {
			outcome = onAck(payload)
			if outcome != OutcomeOK {
				s.socketStats.InvalidPayloads++
			}
		}
		d.outcome, d.ack = outcome, payload
		close(d.done)
		s.changed(Change{Kind: ChangeDelivery})
	})
}

func (s *Server) attempts(d *Delivery, accepts bool, retries []time.Duration) (outcome string,
	payload json.RawMessage) {
	reason := ""
	for i := 0; ; i++ {
		a := Attempt{SentAt: time.Now()}
		env := s.sendEnvelope(d.Type, accepts, d.Payload, i, reason)
		outcome = OutcomeNoApp
		reason = "connection_failed"
		if env != nil {
			a.EnvelopeID, a.Socket = env.id, env.socket.ID
			payload, outcome = s.awaitAck(env)
			reason = "timeout"
		}
		a.Acked, a.Took = outcome == OutcomeOK, time.Since(a.SentAt)
		s.mu.Lock()
		d.attempts = append(d.attempts, a)
		s.mu.Unlock()
		if a.Acked || outcome == OutcomeClosed || i >= len(retries) {
			return outcome, payload
		}
		t := time.NewTimer(retries[i])
		select {
		case <-t.C:
		case <-s.ctx.Done():
			t.Stop()
			return OutcomeClosed, nil
		}
	}
}

func (s *Server) awaitAck(env *envelope) (json.RawMessage, string) {
	t := time.NewTimer(s.cfg.AckTimeout)
	defer t.Stop()
	select {
	case payload := <-env.ack:
		return payload, OutcomeOK
	case <-s.ctx.Done():
		return nil, OutcomeClosed
	case <-t.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if env.acked { // in the very moment
		return <-env.ack, OutcomeOK
	}
	env.timedOut = true
	s.socketStats.Timeouts++
	return nil, OutcomeTimeout
}

// Deliver sends an Events API event, such as {"type":"app_home_opened",…}, in its event_callback wrapper. It is sent
// again as Config.RetryDelays say until it is acknowledged.
func (s *Server) Deliver(event json.RawMessage) *Delivery {
	var fields map[string]any
	if err := json.Unmarshal(event, &fields); err != nil {
		return s.failed("events_api", fmt.Errorf("reading the event: %w", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deliver(event)
}

// deliver sends an event that has been read. Callers hold mu.
func (s *Server) deliver(event json.RawMessage) *Delivery {
	d := &Delivery{Type: "events_api", EventID: s.id("Ev")}
	d.Payload = mustJSON(map[string]any{
		"token": verificationToken, "team_id": s.cfg.TeamID, "context_team_id": s.cfg.TeamID, "context_enterprise_id": nil,
		"api_app_id": s.cfg.AppID, "event": event, "type": "event_callback", "event_id": d.EventID,
		"event_time": time.Now().Unix(),
		"authorizations": []any{map[string]any{
			"enterprise_id": nil, "team_id": s.cfg.TeamID, "user_id": s.cfg.BotUserID, "is_bot": true,
			"is_enterprise_install": false,
		}},
		"is_ext_shared_channel": false, "event_context": "4-" + s.secret(),
	})
	s.startLocked(d, false, s.cfg.RetryDelays, nil)
	return d
}

// untold is the delivery of an event of which Slack tells the app nothing.
func (s *Server) untold() *Delivery {
	d := &Delivery{Type: "events_api", s: s, done: make(chan struct{}), outcome: OutcomeNotSent}
	close(d.done)
	return d
}

// verificationToken is the deprecated token that payloads still carry.
const verificationToken = "emulator-verification-token"
