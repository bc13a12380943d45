package slackemu

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A call may be carried out after the client has given up, or was told that it failed.
func TestCarriedOutLate(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]Fault{"hang": HangUp(), "500": ServerError(), "cut": CutConnection()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Start(t, Config{})
			s.Fail("chat.postMessage", 1, fault.CarriedOutLate(300*time.Millisecond))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			form := url.Values{"channel": {ChannelOps}, "text": {"late"}, "token": {DefaultBotToken}}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.APIURL()+"chat.postMessage",
				strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
				if res.StatusCode != http.StatusInternalServerError {
					t.Errorf("status %d", res.StatusCode)
				}
			}
			if n := len(s.AllMessages(ChannelOps)); n != 0 {
				t.Errorf("%d messages at once", n)
			}
			for deadline := time.Now().Add(5 * time.Second); len(s.AllMessages(ChannelOps)) != 1; {
				if time.Now().After(deadline) {
					t.Fatal("it is never carried out")
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}
