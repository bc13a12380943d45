package slackemu

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault is one way for a call to go wrong. Make one with a constructor below, or fill the fields. Delay alone makes a
// call slow but right.
type Fault struct {
	// Name shows in the call log. Constructors set it.
	Name string
	// After carries the call out first: the message is posted, then the answer goes wrong.
	After bool
	// Delay before anything happens.
	Delay time.Duration
	// Late carries the call out so long after it came, whatever was answered, and also if the client hung up.
	Late time.Duration
	// Hang never answers, until the client hangs up or the server is closed.
	Hang bool
	// Cut closes the connection without an answer.
	Cut bool
	// Status, Header and Body are the answer; Status 0 with Code set means 200 and {"ok":false,"error":Code}.
	Status int
	Header http.Header
	Body   string
	Code   string
}

// AfterEffect is the same fault, but the call has been carried out before it.
func (f Fault) AfterEffect() Fault {
	f.After = true
	f.Name += " after the effect"
	return f
}

// Delayed is the same fault after a wait.
func (f Fault) Delayed(d time.Duration) Fault {
	f.Delay = d
	f.Name += fmt.Sprintf(" delayed by %v", d)
	return f
}

func plainFault(status int, body string) Fault {
	return Fault{Name: strconv.Itoa(status), Status: status,
		Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, Body: body}
}

// ServerError is HTTP 500 with a short body.
func ServerError() Fault { return plainFault(http.StatusInternalServerError, "Server Error") }

// BadGateway is HTTP 502 with an HTML page, as a proxy in front of Slack gives it.
func BadGateway() Fault {
	return plainFault(http.StatusBadGateway,
		"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>")
}

// Unavailable is HTTP 503.
func Unavailable() Fault {
	return plainFault(http.StatusServiceUnavailable, "<html><body>Service Unavailable</body></html>")
}

// RateLimited is HTTP 429 with Retry-After. RateLimited(k).AfterEffect() is the reported case of a message that was
// posted all the same.
func RateLimited(retryAfterSeconds int) Fault {
	return Fault{
		Name: "429", Status: http.StatusTooManyRequests, Body: `{"ok":false,"error":"ratelimited"}`,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"},
			"Retry-After": {strconv.Itoa(retryAfterSeconds)}},
	}
}

// RateLimitedNoHeader is HTTP 429 without Retry-After.
func RateLimitedNoHeader() Fault {
	f := RateLimited(0)
	f.Name = "429 without Retry-After"
	f.Header.Del("Retry-After")
	return f
}

// Refuse is HTTP 200 with ok false and this error code, such as internal_error, fatal_error or channel_not_found.
func Refuse(code string) Fault { return Fault{Name: code, Code: code} }

// HangUp never answers until the client hangs up; HangUp().AfterEffect() is the time-out after which nobody knows
// whether the message was posted.
func HangUp() Fault { return Fault{Name: "hang", Hang: true} }

// CarriedOutLate is the same fault, but the call is carried out so long after it came.
func (f Fault) CarriedOutLate(d time.Duration) Fault {
	f.Late = d
	f.Name += fmt.Sprintf(" carried out %v later", d)
	return f
}

// CutConnection closes the connection without an answer.
func CutConnection() Fault { return Fault{Name: "cut", Cut: true} }

// Slow answers rightly, but late.
func Slow(d time.Duration) Fault { return Fault{Name: fmt.Sprintf("slow by %v", d), Delay: d} }

// Rule says which calls go wrong and how. It must not be changed after Inject.
type Rule struct {
	Fault Fault
	// Method is a Web API method, MethodResponseURL, MethodUpload or MethodSocket; empty means all.
	Method string
	// Where narrows it down to calls whose method, time and arguments it accepts. It must not call the Server.
	Where func(Call) bool
	// Skip lets that many matching calls pass first.
	Skip int
	// Times is how many calls it strikes; 0 means until it is removed.
	Times int
	// Probability of each matching call, from Config.Seed; 0 means always.
	Probability float64

	seen, struck int // mu of the server
}

// Inject puts a rule in force and returns a function that removes it. The first rule that matches a call decides.
func (s *Server) Inject(r Rule) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rule := &r
	s.rules = append(s.rules, rule)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rules = slices.DeleteFunc(s.rules, func(x *Rule) bool { return x == rule })
	}
}

// Fail makes the next times calls of a method go wrong (times 0: until ClearFaults).
func (s *Server) Fail(method string, times int, f Fault) {
	s.Inject(Rule{Method: method, Times: times, Fault: f})
}

// ClearFaults removes all rules and ends an outage.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.outage = nil, OutageOff
}

// Outage is how all calls and new sockets fail.
type Outage int

// Kinds of outage.
const (
	OutageOff    Outage = iota
	Outage503           // every call gets HTTP 503
	OutageClosed        // every connection is closed without an answer
)

// SetOutage starts or ends an outage. Open sockets stay; see DropSockets.
func (s *Server) SetOutage(o Outage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = o
}

// strike decides which fault this call gets, if any.
func (s *Server) strike(c Call) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.outage {
	case Outage503:
		f := Unavailable()
		f.Name = "outage"
		return f, true
	case OutageClosed:
		f := CutConnection()
		f.Name = "outage"
		return f, true
	}
	for _, r := range s.rules {
		if r.Method != "" && r.Method != c.Method || r.Times > 0 && r.struck >= r.Times || r.Where != nil && !r.Where(c) {
			continue
		}
		r.seen++
		if r.seen <= r.Skip || r.Probability > 0 && s.rand.Float64() >= r.Probability {
			continue
		}
		r.struck++
		return r.Fault, true
	}
	return Fault{}, false
}

// only says whether the fault does more than delay.
func (f Fault) fails() bool { return f.Hang || f.Cut || f.Status != 0 || f.Code != "" }

// answer gives the wrong answer.
func (f Fault) answer(s *Server, w http.ResponseWriter, r *http.Request) {
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		cut(w)
	case f.Cut:
		cut(w)
	case f.Status != 0:
		maps.Copy(w.Header(), f.Header)
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Body)))
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	default:
		writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": f.Code})
	}
}

// cut closes the connection with a TCP reset where it can.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2, or a recorder in a test
		panic(http.ErrAbortHandler)
	}
	reset(conn)
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// carryOutLate waits until the call is to be carried out, and reports false if the server is closed before.
func (f Fault) carryOutLate(s *Server, w http.ResponseWriter, came time.Time) bool {
	if !f.Hang && !f.Cut { // else the connection is gone
		_ = http.NewResponseController(w).Flush() // the client need not wait
	}
	t := time.NewTimer(time.Until(came.Add(f.Late)))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// pause waits, but not longer than the client or the server does.
func (s *Server) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}
