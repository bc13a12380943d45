package slackapp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"rollcall/internal/deliver"
)

// trip is a transport that a function serves.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The address of an upload is a secret, and what goes wrong there is shown to people.
func TestUploadHidesItsAddress(t *testing.T) {
	const secret = "CwABAAAAX-secret"
	for name, tc := range map[string]struct {
		address string
		err     error // of the connection
		want    string
	}{
		"no connection":     {"https://files.slack.com/upload/v1/" + secret, io.ErrUnexpectedEOF, "unexpected EOF"},
		"too late":          {"https://files.slack.com/upload/v1/" + secret, context.DeadlineExceeded, "deadline"},
		"not Slack's":       {"https://elsewhere.example/upload/v1/" + secret, nil, "cannot be used"},
		"no address at all": {"https://files.slack.com/%zz/" + secret, nil, "invalid URL escape"},
	} {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/upload/") {
					return nil, tc.err
				}
				body := `{"ok":true,"file_id":"F1","upload_url":"` + tc.address + `"}`
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
			})}
			sink := NewSink(slack.New("xoxb-1", slack.OptionHTTPClient(client)), deliver.Limits{}, nil)
			_, err := sink.Upload(t.Context(), deliver.File{Name: "digest.png", Data: []byte("png")})
			if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, want %q without the address", err, tc.want)
			}
			if tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%v hides why", err)
			}
		})
	}
}
