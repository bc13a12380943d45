package webhooktest

import (
	"errors"
	"net/http"
	"net/http/httptest"
)

// Transport carries calls to a handler without a network, as a bubble of testing/synctest needs it. A handler that
// panics breaks the connection.
type Transport struct{ Handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (response *http.Response, err error) {
	answer := make(chan *http.Response, 1)
	go func() {
		defer close(answer)
		defer func() { _ = recover() }()
		w := httptest.NewRecorder()
		t.Handler.ServeHTTP(w, r)
		answer <- w.Result()
	}()
	select {
	case response, ok := <-answer:
		if !ok {
			return nil, errors.New("the connection was reset")
		}
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		return response, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}
