package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"rollcall/internal/deliver"
	"rollcall/internal/message"
)

// The times of deliveries. All are Rollcall's own choices; Standard Webhooks advises 15 to 30 seconds for the first.
const (
	timeout  = 15 * time.Second
	maxPause = 2 * time.Minute
	maxWait  = time.Hour // that a receiver may ask for
)

// maxAnswer is how much of an answer is read, in bytes, so that the connection can be used again.
const maxAnswer = 64 << 10

// Config is what a Sink needs. URL is required.
type Config struct {
	URL     string
	Secrets []string // whsec_…: one, or several while they are being exchanged; none: events are not signed
	Version string
	// Called is told what became of each try: ok, http_500 and the like, timeout or no_answer. It may be nil.
	Called func(result string, took time.Duration)
	Limits deliver.Limits // what is zero becomes the usual
	// Transport carries the calls; nil: the network's.
	Transport http.RoundTripper
}

// Sink sends recorded events to one receiver. Its methods may be called from several goroutines.
type Sink struct {
	url     string
	signers []*standardwebhooks.Webhook
	agent   string
	called  func(string, time.Duration)
	limits  deliver.Limits
	client  *http.Client
}

var _ deliver.Sink = (*Sink)(nil)

// NewSink returns a Sink. Nothing is contacted.
func NewSink(c Config) (*Sink, error) {
	s := &Sink{url: c.URL, agent: "rollcall/" + c.Version, called: c.Called, limits: c.Limits}
	if s.called == nil {
		s.called = func(string, time.Duration) {}
	}
	for _, secret := range c.Secrets {
		signer, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("a secret of WEBHOOK_SECRET is not base64") // the error may hold a part of it
		}
		s.signers = append(s.signers, signer)
	}
	if s.limits.Posts == 0 { // a receiver that has been away is not flooded
		s.limits.Posts, s.limits.PostBurst = 100, 100
	}
	if s.limits.MaxPause == 0 {
		s.limits.MaxPause = maxPause
	}
	s.limits.Edits, s.limits.EditBurst = 1, 1
	if c.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxResponseHeaderBytes = maxAnswer
		c.Transport = transport
	}
	s.client = &http.Client{Timeout: timeout, Transport: c.Transport,
		// What is signed for one receiver is for nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s, nil
}

// Name implements deliver.Sink.
func (s *Sink) Name() string { return "The webhook" }

// Limits implements deliver.Sink. What is sent twice is discarded, so nothing has to settle.
func (s *Sink) Limits() deliver.Limits { return s.limits }

// Post sends an event: the mark's key is its ID, and the message's text the event as it was recorded.
func (s *Sink) Post(ctx context.Context, _ deliver.Place, mark deliver.Mark, m message.Message, _ deliver.Form) (
	id string, err error) {
	return mark.Key, s.Send(ctx, mark.Key, []byte(m.Text))
}

// Send sends an event once. Its error is nil if the receiver has taken it, and holds no part of the URL or of a secret.
func (s *Sink) Send(ctx context.Context, id string, body []byte) error {
	begun := time.Now()
	err := s.send(ctx, id, body)
	s.called(resultOf(err), time.Since(begun))
	return err
}

func (s *Sink) send(ctx context.Context, id string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(string(body)))
	if err != nil {
		return errors.New("WEBHOOK_URL is no URL")
	}
	now := time.Now()
	r.Header.Set("Content-Type", cloudevents.ApplicationCloudEventsJSON+"; charset=utf-8")
	r.Header.Set("User-Agent", s.agent)
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	var signatures []string
	for _, signer := range s.signers {
		signature, err := signer.Sign(id, now, body)
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		signatures = append(signatures, signature)
	}
	if len(signatures) > 0 {
		r.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	}
	response, err := s.client.Do(r)
	if err != nil {
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err // it names the URL, whose path may be a secret
		}
		return err
	}
	defer response.Body.Close()
	// Taken is taken, whatever becomes of the rest of the answer.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode/100 == 2 {
		return nil
	}
	return &StatusError{Code: response.StatusCode, RetryAfter: retryAfter(response.Header.Get("Retry-After"), now)}
}

// StatusError is an answer that does not say that the event was taken.
type StatusError struct {
	Code       int
	RetryAfter time.Duration // 0: the receiver does not say
}

func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP status %d %s", e.Code, http.StatusText(e.Code)))
}

// retryAfter reads how long a receiver wants us to wait: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), maxWait)
	}
	return 0
}

func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		return fmt.Sprintf("http_%d", status.Code)
	}
	if timedOut(err) {
		return "timeout"
	}
	return "no_answer"
}

func timedOut(err error) bool {
	of, ok := errors.AsType[net.Error](err)
	return ok && of.Timeout()
}

// Judge implements deliver.Sink.
func (s *Sink) Judge(err error, _ string) deliver.Verdict {
	if err == nil {
		return deliver.Verdict{Outcome: deliver.Accepted}
	}
	status, ok := errors.AsType[*StatusError](err)
	if !ok {
		v := deliver.Verdict{Outcome: deliver.Down, Unanswered: timedOut(err), Code: resultOf(err)}
		_, host := errors.AsType[x509.HostnameError](err)
		_, authority := errors.AsType[x509.UnknownAuthorityError](err)
		if _, invalid := errors.AsType[x509.CertificateInvalidError](err); host || authority || invalid {
			v.Hint = "the receiver's certificate is not one that this machine trusts; SSL_CERT_FILE names others"
		}
		return v
	}
	v := deliver.Verdict{Outcome: deliver.Down, Code: resultOf(err)}
	switch code := status.Code; {
	case status.RetryAfter > 0 && (code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable):
		v.Outcome, v.Wait = deliver.Limited, status.RetryAfter
	case code == http.StatusGone:
		v.Outcome, v.Hint = deliver.Closed, "the receiver says that the endpoint is closed for good; open it there, or mend "+
			"WEBHOOK_URL"
	case code/100 == 3:
		v.Outcome, v.Hint = deliver.Closed, "redirects are not followed: set WEBHOOK_URL to where it leads"
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		v.Outcome, v.Hint = deliver.Closed, "check that WEBHOOK_SECRET is the receiver's"
	case code == http.StatusNotFound || code == http.StatusMethodNotAllowed:
		v.Outcome, v.Hint = deliver.Closed, "check WEBHOOK_URL: nothing takes events there"
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests:
	case code/100 == 4:
		v.Outcome, v.Hint = deliver.Refused, "the receiver refuses this event, and all that follow in its cluster wait for "+
			"it; let it answer 2xx to what it has no use for"
	}
	return v
}

// The rest of deliver.Sink: an event is sent as it was recorded, is never edited, and has no thread, no file and no
// twin, because the receiver discards repeats.

var errNoSuchThing = errors.New("a webhook has no such thing")

// Edit implements deliver.Sink.
func (s *Sink) Edit(context.Context, string, string, deliver.Mark, message.Message, deliver.Form) error {
	return errNoSuchThing
}

// Find implements deliver.Sink: a receiver is never asked what it has.
func (s *Sink) Find(context.Context, deliver.Place, string, string) ([]deliver.Found, error) {
	return nil, nil
}

// Delete implements deliver.Sink.
func (s *Sink) Delete(context.Context, string, string) error { return errNoSuchThing }

// Upload implements deliver.Sink.
func (s *Sink) Upload(context.Context, deliver.File) (string, error) { return "", errNoSuchThing }

// ShowFile implements deliver.Sink.
func (s *Sink) ShowFile(context.Context, deliver.Place, string, string) error { return errNoSuchThing }

// FindFile implements deliver.Sink.
func (s *Sink) FindFile(context.Context, deliver.Place, string) (bool, error) {
	return false, errNoSuchThing
}

// MayUpload implements deliver.Sink.
func (s *Sink) MayUpload(context.Context) bool { return false }

// Posted implements deliver.Sink: an event's ID does not say.
func (s *Sink) Posted(string) time.Time { return time.Time{} }
