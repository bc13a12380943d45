package slackapp

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

// Observer is called after each call to Slack with its method and its result: ok, an error code of
// Slack's, http_429 and the like, or no_answer. There are few
// different words of each, so they fit metric labels. It must be quick.
type Observer func(method, result string, took time.Duration)

// observed is a transport with an Observer.
type observed struct {
	base    http.RoundTripper
	observe Observer
}

// RoundTrip calls Slack and says how that went. It looks at the beginning of the answer only.
func (o observed) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	res, err := o.base.RoundTrip(r)
	o.observe(methodOf(r.URL.Path), resultOf(res, err), time.Since(began))
	return res, err
}

var methodName = regexp.MustCompile(`^[a-zA-Z]+(\.[a-zA-Z]+)+$`)

// methodOf is the method of a call's path. A response_url and an upload's address hold secrets.
func methodOf(p string) string {
	switch name := path.Base(p); {
	case methodName.MatchString(name):
		return name
	case strings.Contains(p, "/upload"):
		return "upload"
	}
	return "response_url"
}

var errorName = regexp.MustCompile(`^\s*\{"ok":\s*false,.*?"error":\s*"([a-z_]{1,60})"`)

// lookAt is how much of an answer is looked at, in bytes: its beginning says whether it is one.
const lookAt = 512

func resultOf(res *http.Response, err error) string {
	switch {
	case err != nil:
		return "no_answer"
	case res.StatusCode == http.StatusSwitchingProtocols:
		return "ok"
	case res.StatusCode != http.StatusOK:
		return fmt.Sprintf("http_%d", res.StatusCode)
	}
	in := bufio.NewReaderSize(res.Body, lookAt)
	head, _ := in.Peek(lookAt) // what goes wrong here goes wrong again for the reader
	res.Body = struct {
		io.Reader
		io.Closer
	}{in, res.Body}
	if m := errorName.FindSubmatch(head); m != nil {
		return string(m[1])
	}
	return "ok"
}
