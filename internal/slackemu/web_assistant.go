package slackemu

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits of the assistant.threads methods.
const (
	MaxPrompts         = 4
	MaxLoadingMessages = 10
	statusLife         = 2 * time.Minute // a status goes by itself after it
)

// Prompts are what the app suggests that a person writes to it.
type Prompts struct {
	Title   string   `json:"title"`
	Prompts []Prompt `json:"prompts"`
}

// Prompt is one suggestion: what it shows, and what is sent when a person takes it.
type Prompt struct {
	Title   string `json:"title"`
	Message string `json:"message"`
}

type status struct {
	text string
	at   time.Time
}

// Prompts returns what a person's direct message with the app suggests now. They belong to the newest message: the next
// one takes them away.
func (s *Server) Prompts(user string) (Prompts, bool) {
	id := s.DirectChannel(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.prompts[id]
	if p == nil {
		return Prompts{}, false
	}
	return Prompts{p.Title, slices.Clone(p.Prompts)}, true
}

// Statuses are what threads of a channel say that the app is doing, by the thread's ts. The app's next message in the
// thread ends one, and so do two minutes.
func (s *Server) Statuses(channel string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for k, st := range s.statuses {
		if thread, ok := strings.CutPrefix(k, channel+"/"); ok && time.Since(st.at) < statusLife {
			out[thread] = st.text
		}
	}
	return out
}

// ThreadTitles are the titles that the app has given to threads of a channel, by the thread's ts.
func (s *Server) ThreadTitles(channel string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for k, title := range s.titles {
		if thread, ok := strings.CutPrefix(k, channel+"/"); ok {
			out[thread] = title
		}
	}
	return out
}

// outdate takes away what a new message ends: the prompts of the message before it, and the status of its thread.
// Callers hold mu.
func (s *Server) outdate(c *channelState, m *Message) {
	before := len(s.prompts) + len(s.statuses)
	delete(s.prompts, c.ID)
	if m.BotID != "" {
		delete(s.statuses, c.ID+"/"+m.ThreadTS)
	}
	if len(s.prompts)+len(s.statuses) != before {
		s.changed(Change{Kind: ChangeAgent, Channel: c.ID})
	}
}

// agentChannel finds the channel of an assistant.threads method. Callers hold mu.
func (req *request) agentChannel() (*channelState, *apiError) {
	id := req.arg("channel_id")
	if id == "" {
		return nil, badArgument("missing required field: channel_id")
	}
	req.call.Channel = id
	c := req.s.channels[id]
	if c == nil || !c.member(req.token.UserID) {
		return nil, refuse("channel_not_found")
	}
	return c, nil
}

// agentThread finds the thread of one, which may not have a reply yet. Callers hold mu.
func (req *request) agentThread(c *channelState) (string, *apiError) {
	ts := req.arg("thread_ts")
	if ts == "" {
		return "", badArgument("missing required field: thread_ts")
	}
	m := c.find(ts)
	if m == nil || m.Deleted || m.ThreadTS != "" && m.ThreadTS != ts {
		return "", refuse("invalid_thread_ts")
	}
	return c.ID + "/" + ts, nil
}

// setSuggestedPrompts follows docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts for an app whose
// manifest has agent_view: a call with thread_ts is answered as a success and does nothing.
func setSuggestedPrompts(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.agentChannel()
	if err != nil {
		return nil, err
	}
	if c.direct == "" {
		return nil, refuse("channel_not_found")
	}
	raw := req.arg("prompts")
	if raw == "" {
		return nil, badArgument("missing required field: prompts")
	}
	val, decodeErr := decodeJSON(json.RawMessage(raw))
	if decodeErr != nil {
		return nil, badArgument("must provide an array [json-pointer:/prompts]")
	}
	v := &validator{surface: SurfaceModal} // whose mistakes are invalid_arguments
	o := object{v: v, m: map[string]any{"prompts": val}}
	p := &Prompts{Title: req.arg("title")}
	for i, val := range o.list("prompts", true, 1, MaxPrompts) {
		e, ok := v.object(val, at("/prompts", i))
		if !ok {
			continue
		}
		e.only("title", "message")
		p.Prompts = append(p.Prompts, Prompt{e.str("title", true, 1, 0), e.str("message", true, 1, 0)})
	}
	if err := v.err(); err != nil {
		return nil, refuseInvalid(err)
	}
	if req.arg("thread_ts") != "" {
		return answer{}, nil
	}
	s.prompts[c.ID] = p
	s.changed(Change{Kind: ChangeAgent, Channel: c.ID})
	return answer{}, nil
}

// setStatus follows docs.slack.dev/reference/methods/assistant.threads.setStatus. An empty status takes it away.
func setStatus(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.agentChannel()
	if err != nil {
		return nil, err
	}
	thread, err := req.agentThread(c)
	if err != nil {
		return nil, err
	}
	text, ok := req.args["status"]
	if !ok {
		return nil, badArgument("missing required field: status")
	}
	if strings.Count(req.arg("loading_messages"), ",") >= MaxLoadingMessages {
		return nil, badArgument("no more than %d items allowed [json-pointer:/loading_messages]", MaxLoadingMessages)
	}
	if err := req.customName(); err != nil {
		return nil, err
	}
	delete(s.statuses, thread)
	if text != "" {
		maps.DeleteFunc(s.statuses, func(_ string, st status) bool { return time.Since(st.at) > statusLife })
		s.statuses[thread] = status{text, time.Now()}
	}
	s.changed(Change{Kind: ChangeAgent, Channel: c.ID})
	return answer{}, nil
}

// setTitle follows docs.slack.dev/reference/methods/assistant.threads.setTitle.
func setTitle(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.agentChannel()
	if err != nil {
		return nil, err
	}
	if c.direct == "" {
		return nil, refuse("channel_not_found")
	}
	thread, err := req.agentThread(c)
	if err != nil {
		return nil, err
	}
	if req.arg("title") == "" {
		return nil, badArgument("missing required field: title")
	}
	s.titles[thread] = req.arg("title")
	s.changed(Change{Kind: ChangeAgent, Channel: c.ID})
	return answer{}, nil
}
