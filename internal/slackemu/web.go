package slackemu

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxBody is how much of a request is read; Slack's own limit is not documented.
const maxBody = 4 << 20

// Call is one entry of the call log.
type Call struct {
	Seq int
	// Method is the Web API method or one of the pseudo-methods.
	Method string
	At     time.Time
	Took   time.Duration
	// Args are the arguments as strings, JSON values as sent, without the token.
	Args map[string]string
	// TokenKind is "bot", "app", "" (none) or "unknown".
	TokenKind string
	// JSON says that the arguments came as a JSON body.
	JSON bool

	// Status is the HTTP status; 0 means that there was no answer.
	Status int
	// Error is the error code; empty for a success and for answers that are not JSON.
	Error string
	// RetryAfter is what a 429 told the client, in seconds.
	RetryAfter int
	// Fault is the name of the injected fault, if any.
	Fault string
	// Effect says that the call was carried out, also if its answer went wrong.
	Effect bool
	// Channel and TS of the message that the call was about.
	Channel, TS string
}

// OK says whether the client was told of a success.
func (c Call) OK() bool {
	return c.Status == http.StatusOK && c.Error == "" && c.Effect
}

// maxCalls is how long the log grows: a demonstration may run for days. Counts go on counting.
const maxCalls = 100_000

// Calls returns the log: every answered or broken-off call in the order of its end, the last 50,000 at least.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.calls)
	for i := range out {
		out[i].Args = maps.Clone(out[i].Args)
	}
	return out
}

// CallsOf returns the log of one method.
func (s *Server) CallsOf(method string) []Call {
	return slices.DeleteFunc(s.Calls(), func(c Call) bool { return c.Method != method })
}

// Count sums up the calls of one method.
type Count struct {
	Calls, OK   int
	RateLimited int // HTTP 429
	Statuses    map[int]int
	Errors      map[string]int
}

// Counts sums up all calls by method.
func (s *Server) Counts() map[string]Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Count{}
	for name, n := range s.counts {
		c := *n
		c.Statuses, c.Errors = maps.Clone(n.Statuses), maps.Clone(n.Errors)
		out[name] = c
	}
	return out
}

func (n *Count) add(c Call) {
	n.Calls++
	n.Statuses[c.Status]++
	if c.OK() {
		n.OK++
	}
	if c.Status == http.StatusTooManyRequests {
		n.RateLimited++
	}
	if c.Error != "" {
		n.Errors[c.Error]++
	}
}

// ResetCalls empties the log and the counts.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
	clear(s.counts)
}

// apiError is a refusal in the shape of the Web API.
type apiError struct {
	code       string
	messages   []string // response_metadata.messages
	needed     string   // missing_scope
	provided   string
	retryAfter int
	status     int // default 200
}

func refuse(code string) *apiError { return &apiError{code: code} }

// badArgument is invalid_arguments with its reason, as Slack gives it.
func badArgument(format string, args ...any) *apiError {
	return &apiError{code: "invalid_arguments", messages: []string{"[ERROR] " + fmt.Sprintf(format, args...)}}
}

func refuseInvalid(err error) *apiError {
	inv := err.(*InvalidError)
	return &apiError{code: inv.Code, messages: inv.Messages}
}

type answer map[string]any

// request is one Web API call on its way through a method.
type request struct {
	s     *Server
	http  *http.Request
	call  *Call
	token *Token
	args  map[string]string
}

// method describes a Web API method.
type method struct {
	limit Limit
	// scopes that the token must have; channel methods check theirs once the channel is known.
	scopes []string
	app    bool // takes an app-level token, in the header only
	open   bool // takes any token, or none
	handle func(*request) (answer, *apiError)
}

var methods map[string]method

func init() {
	methods = map[string]method{
		"api.test":              {limit: tier4, open: true, handle: apiTest},
		"auth.test":             {limit: special, handle: authTest},
		"apps.connections.open": {limit: tier1, scopes: []string{"connections:write"}, app: true, handle: connectionsOpen},

		"chat.postMessage":   {scopes: []string{"chat:write"}, handle: postMessage}, // limited per channel
		"chat.update":        {limit: tier3, scopes: []string{"chat:write"}, handle: updateMessage},
		"chat.delete":        {limit: tier3, scopes: []string{"chat:write"}, handle: deleteMessage},
		"chat.postEphemeral": {limit: tier4, scopes: []string{"chat:write"}, handle: postEphemeral},
		"chat.getPermalink":  {limit: special, handle: getPermalink},

		"conversations.info":    {limit: tier3, handle: conversationInfo},
		"conversations.history": {limit: tier3, handle: conversationHistory},
		"conversations.replies": {limit: tier3, handle: conversationReplies},
		"conversations.list":    {limit: tier2, handle: conversationList},
		"conversations.join":    {limit: tier3, scopes: []string{"channels:join"}, handle: conversationJoin},

		"views.open":    {limit: tier4, handle: viewsOpen},
		"views.push":    {limit: tier4, handle: viewsPush},
		"views.update":  {limit: tier4, handle: viewsUpdate},
		"views.publish": {limit: tier4, handle: viewsPublish},

		"assistant.threads.setSuggestedPrompts": {limit: tier4, scopes: []string{"assistant:write"},
			handle: setSuggestedPrompts},
		"assistant.threads.setTitle": {limit: tier4, scopes: []string{"assistant:write"}, handle: setTitle},
		// It takes assistant:write as well, but only for the time being.
		"assistant.threads.setStatus": {limit: special, scopes: []string{"chat:write"}, handle: setStatus},

		"users.info":      {limit: tier4, scopes: []string{"users:read"}, handle: usersInfo},
		"usergroups.list": {limit: tier2, scopes: []string{"usergroups:read"}, handle: userGroupsList},
		"bots.info":       {limit: tier3, scopes: []string{"users:read"}, handle: botsInfo},

		"files.getUploadURLExternal":   {limit: tier4, scopes: []string{"files:write"}, handle: getUploadURL},
		"files.completeUploadExternal": {limit: tier4, scopes: []string{"files:write"}, handle: completeUpload},
	}
}

// Methods returns the names of the Web API methods that are there.
func Methods() []string { return sortedKeys(methods) }

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, name string) {
	call := Call{Method: name, At: time.Now()}
	req := &request{s: s, http: r, call: &call}
	args, headerToken, formToken, argErr := readArgs(r, &call)
	req.args, call.Args = args, args

	s.withFault(w, r, &call, func() (int, answer, *apiError) {
		if argErr != nil {
			return http.StatusOK, nil, argErr
		}
		m, known := methods[name]
		if !known {
			return http.StatusOK, nil, refuse("unknown_method")
		}
		if err := req.authorize(m, headerToken, formToken); err != nil {
			return http.StatusOK, nil, err
		}
		if req.token != nil {
			// Slack sends the token's scopes with every answer, not only with auth.test.
			w.Header().Set("X-OAuth-Scopes", strings.Join(req.scopes(), ","))
			if len(m.scopes) > 0 {
				w.Header().Set("X-Accepted-OAuth-Scopes", strings.Join(m.scopes, ","))
			}
		}
		if m.limit.Burst > 0 {
			if err := req.limit(name, m.limit); err != nil {
				return http.StatusTooManyRequests, nil, err
			}
		}
		out, err := m.handle(req)
		return http.StatusOK, out, err
	})
}

// withFault carries a call out with the fault that strikes it, answers, and logs it.
func (s *Server) withFault(w http.ResponseWriter, r *http.Request, call *Call, handle func() (int, answer, *apiError)) {
	fault, struck := s.strike(*call)
	if struck {
		call.Fault = fault.Name
		if !s.pause(r, fault.Delay) {
			s.log(call)
			cut(w)
			return
		}
	}
	if struck && fault.fails() && !fault.After {
		call.Status, call.Error, call.RetryAfter = fault.logged()
		s.log(call)
		fault.answer(s, w, r)
		if fault.Late == 0 || !fault.carryOutLate(s, w, call.At) {
			return
		}
		late := *call
		_, _, err := handle()
		late.Effect = err == nil
		s.log(&late)
		return
	}
	status, out, err := handle()
	if err != nil && err.status != 0 {
		status = err.status
	}
	call.Effect = err == nil
	if struck && fault.fails() {
		call.Status, call.Error, call.RetryAfter = fault.logged()
		s.log(call)
		fault.answer(s, w, r)
		return
	}
	call.Status = status
	if err != nil {
		out = err.answer()
		call.Error = err.code
		if err.retryAfter > 0 {
			call.Status, call.RetryAfter = http.StatusTooManyRequests, err.retryAfter
			w.Header().Set("Retry-After", strconv.Itoa(err.retryAfter))
		}
	} else {
		out["ok"] = true
	}
	s.log(call)
	if text, ok := out["text/plain"].(string); ok && err == nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text)
		return
	}
	writeJSON(w, call.Status, out)
}

func (f Fault) logged() (status int, code string, retryAfter int) {
	if f.Hang || f.Cut {
		return 0, "", 0
	}
	retryAfter, _ = strconv.Atoi(f.Header.Get("Retry-After"))
	if f.Status == http.StatusTooManyRequests {
		return f.Status, "ratelimited", retryAfter
	}
	if f.Status == 0 {
		return http.StatusOK, f.Code, 0
	}
	return f.Status, f.Code, retryAfter
}

func (e *apiError) answer() answer {
	out := answer{"ok": false, "error": e.code}
	if len(e.messages) > 0 {
		plain := make([]string, len(e.messages))
		for i, m := range e.messages {
			plain[i] = strings.TrimPrefix(m, "[ERROR] ")
		}
		out["errors"] = plain
		out["response_metadata"] = map[string]any{"messages": e.messages}
	}
	if e.needed != "" {
		out["needed"], out["provided"] = e.needed, e.provided
	}
	return out
}

func (s *Server) log(call *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callSeq++
	call.Seq = s.callSeq
	call.Took = time.Since(call.At)
	if len(s.calls) >= maxCalls {
		s.calls = slices.Delete(s.calls, 0, maxCalls/2)
	}
	s.calls = append(s.calls, *call)
	n := s.counts[call.Method]
	if n == nil {
		n = &Count{Statuses: map[int]int{}, Errors: map[string]int{}}
		s.counts[call.Method] = n
	}
	n.add(*call)
	s.changed(Change{Kind: ChangeCall, Method: call.Method, Channel: call.Channel, TS: call.TS})
}

func writeJSON(w http.ResponseWriter, status int, val any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(val))
}

// readArgs reads the arguments of a form, a JSON body or a query, and the token out of the header and the form.
// Tokens in the query or in a JSON body are ignored, as Slack does.
func readArgs(r *http.Request, call *Call) (args map[string]string, headerToken, formToken string, err *apiError) {
	args = map[string]string{}
	for k, vals := range r.URL.Query() {
		args[k] = vals[0]
	}
	delete(args, "token")
	if auth := r.Header.Get("Authorization"); auth != "" {
		headerToken = strings.TrimSpace(strings.TrimPrefix(auth, "Bearer "))
	}
	if r.Method != http.MethodPost {
		return args, headerToken, "", nil
	}
	body, readErr := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if readErr != nil || len(body) > maxBody {
		return args, headerToken, "", refuse("request_timeout")
	}
	kind, params, mimeErr := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(body) == 0 {
		return args, headerToken, "", nil
	}
	if mimeErr != nil {
		return args, headerToken, "", refuse("missing_post_type")
	}
	if cs := strings.ToLower(params["charset"]); cs != "" && cs != "utf-8" && cs != "iso-8859-1" {
		return args, headerToken, "", refuse("invalid_charset")
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		values, parseErr := url.ParseQuery(string(body))
		if parseErr != nil {
			return args, headerToken, "", refuse("invalid_form_data")
		}
		formToken = values.Get("token")
		values.Del("token")
		for k, vals := range values {
			args[k] = vals[0]
		}
	case "application/json":
		call.JSON = true
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil {
			return args, headerToken, "", refuse("invalid_json")
		}
		delete(fields, "token")
		for k, raw := range fields {
			var s string
			if json.Unmarshal(raw, &s) != nil {
				s = string(raw)
			}
			if s != "null" {
				args[k] = s
			}
		}
	default:
		return args, headerToken, "", refuse("invalid_post_type")
	}
	return args, headerToken, formToken, nil
}

func (req *request) authorize(m method, header, form string) *apiError {
	value := header
	if value == "" {
		value = form
	}
	if m.app {
		value = header // apps.connections.open takes the token in the header only
	}
	if value == "" {
		if m.open {
			return nil
		}
		return refuse("not_authed")
	}
	if header != "" && form != "" && header != form {
		return refuse("invalid_auth")
	}
	s := req.s
	s.mu.Lock()
	i := slices.IndexFunc(s.cfg.Tokens, func(t Token) bool { return t.Value == value })
	var t Token
	if i >= 0 {
		t = s.cfg.Tokens[i]
		t.Scopes = slices.Clone(t.Scopes)
	}
	s.mu.Unlock()
	switch {
	case m.open:
		return nil
	case i < 0:
		req.call.TokenKind = "unknown"
		return refuse("invalid_auth")
	}
	req.call.TokenKind = "bot"
	if t.app() {
		req.call.TokenKind = "app"
	}
	switch {
	case t.Revoked:
		return refuse("token_revoked")
	case t.Inactive:
		return refuse("account_inactive")
	case t.app() != m.app:
		return refuse("not_allowed_token_type")
	}
	req.token = &t
	return req.need(m.scopes...)
}

func (req *request) scopes() []string { return req.token.Scopes }

func (req *request) hasScope(scope string) bool { return slices.Contains(req.token.Scopes, scope) }

// need refuses with missing_scope unless the token has all of them.
func (req *request) need(scopes ...string) *apiError {
	for _, scope := range scopes {
		if !req.hasScope(scope) {
			return &apiError{code: "missing_scope", needed: scope, provided: strings.Join(req.token.Scopes, ",")}
		}
	}
	return nil
}

func (req *request) limit(key string, l Limit) *apiError {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait, ok := s.limit(req.call.Method, key, l); !ok {
		return &apiError{code: "ratelimited", retryAfter: wait}
	}
	return nil
}

func (req *request) arg(name string) string { return req.args[name] }

// flag reads a boolean argument.
func (req *request) flag(name string, byDefault bool) bool {
	switch strings.ToLower(req.args[name]) {
	case "true", "1", "t":
		return true
	case "false", "0", "f":
		return false
	}
	return byDefault
}

func apiTest(req *request) (answer, *apiError) {
	if code := req.arg("error"); code != "" {
		return nil, refuse(code)
	}
	return answer{"args": req.args}, nil
}

func authTest(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	out := answer{
		"url": fmt.Sprintf("https://%s.slack.com/", s.cfg.TeamDomain), "team": s.cfg.TeamName, "team_id": s.cfg.TeamID,
		"user_id": req.token.UserID, "bot_id": req.token.BotID, "is_enterprise_install": false,
	}
	if u := s.users[req.token.UserID]; u != nil {
		out["user"] = u.Name
	}
	if s.cfg.EnterpriseID != "" {
		out["enterprise_id"] = s.cfg.EnterpriseID
	}
	return out, nil
}
