package slackemu

import (
	"fmt"
	"net/http"
	"time"
)

// maxResponses is how often a response_url can be used (docs.slack.dev/interactivity/handling-user-interaction).
const maxResponses = 5

// responseURL is where an app answers an interaction.
type responseURL struct {
	user, channel string
	origin        *Message // the message that was interacted with; nil for a slash command
	uses          int
	expires       time.Time
	made          []*Message // new messages, in order
}

// newResponseURL makes one. Callers hold mu.
func (s *Server) newResponseURL(u *responseURL) string {
	u.expires = time.Now().Add(s.cfg.ResponseURLLife)
	id := fmt.Sprintf("%s/%d/%s", s.cfg.TeamID, s.rand.Uint32(), s.secret())
	s.urls[id] = u
	return s.base + pathResponse + id
}

func (s *Server) serveResponseURL(w http.ResponseWriter, r *http.Request, id string) {
	call := Call{Method: MethodResponseURL, At: time.Now()}
	args, _, _, argErr := readArgs(r, &call)
	call.Args = args
	s.withFault(w, r, &call, func() (int, answer, *apiError) {
		if r.Method != http.MethodPost {
			return 0, nil, &apiError{code: "method_not_allowed", status: http.StatusMethodNotAllowed}
		}
		if argErr != nil {
			argErr.status = http.StatusBadRequest
			return 0, nil, argErr
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		u := s.urls[id]
		switch {
		case u == nil:
			return 0, nil, &apiError{code: "invalid_url", status: http.StatusNotFound}
		case time.Now().After(u.expires):
			return 0, nil, &apiError{code: "expired_url", status: http.StatusNotFound}
		case u.uses >= maxResponses:
			return 0, nil, &apiError{code: "used_url", status: http.StatusNotFound}
		}
		u.uses++
		call.Channel = u.channel
		m, err := s.respond(u, args, MethodResponseURL)
		if err != nil {
			err.status = http.StatusBadRequest
			return 0, nil, err
		}
		if m != nil {
			call.TS = m.TS
		}
		return http.StatusOK, answer{"text/plain": "ok"}, nil
	})
}

// respond carries out a message payload that came through a response_url or as the acknowledgement of a slash command.
// It returns the message that it made, changed or deleted. Callers hold mu.
func (s *Server) respond(u *responseURL, args map[string]string, via string) (*Message, *apiError) {
	c := s.channels[u.channel]
	req := &request{args: args}
	if m := args["metadata"]; m == `{"event_type":"","event_payload":null}` {
		delete(args, "metadata") // slack-go sends this for none
	}
	switch args["response_type"] {
	case "", "ephemeral", "in_channel":
	default:
		return nil, refuse("invalid_response_type")
	}
	replace := req.flag("replace_original", false)
	if req.flag("delete_original", false) {
		if u.origin == nil || u.origin.Deleted {
			return nil, refuse("message_not_found")
		}
		s.remove(c, u.origin)
		return u.origin, nil
	}
	cont, err := s.content(args, nil)
	if err != nil {
		return nil, err
	}
	if cont.empty() {
		return nil, refuse("no_text")
	}
	if replace && u.origin != nil {
		m := u.origin
		if m.Deleted {
			return nil, refuse("message_not_found")
		}
		meta := m.Metadata
		cont.apply(m)
		if !cont.hasMeta {
			m.Metadata = meta
		}
		s.edited(m, m.User)
		return m, nil
	}
	m := &Message{User: s.cfg.BotUserID, BotID: s.cfg.BotID, AppID: s.cfg.AppID, Team: s.cfg.TeamID, Via: via}
	if ts := args["thread_ts"]; ts != "" {
		if c.find(ts) == nil {
			return nil, refuse("thread_not_found")
		}
		m.ThreadTS = ts
	}
	if args["response_type"] != "in_channel" {
		m.Ephemeral, m.To = true, u.user
	}
	if c.Archived {
		return nil, refuse("is_archived")
	}
	cont.apply(m)
	// The message counts as an answer before the change is announced, so that who waits for it finds it.
	u.made = append(u.made, m)
	s.add(c, m)
	return m, nil
}
