package page

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"rollcall/internal/slackemu"
)

// heartbeat is how often a silent stream says that it is there, so that proxies and browsers keep it.
const heartbeat = 15 * time.Second

// increment is one change. The browser replaces what it has by what an increment brings: each holds whole values as
// they
// were when it was sent, so that one too many does no harm.
type increment struct {
	Type     string      `json:"type"` // message, gone, views, channels, panel, socket, agent
	Channel  string      `json:"channel,omitempty"`
	TS       string      `json:"ts,omitempty"` // of what is gone
	Message  *message    `json:"message,omitempty"`
	Channels []channel   `json:"channels,omitempty"`
	Views    *views      `json:"views,omitempty"`
	Panel    *PanelState `json:"panel,omitempty"`
	Sockets  *int        `json:"sockets,omitempty"`
	Agent    *agent      `json:"agent,omitempty"`
}

// live answers /page/live?user=U with Server-Sent Events: the state first, then its changes in order. Nothing falls
// between the two, because the changes are collected from before the state was read. Who reconnects gets the state
// anew.
func (p *Page) live(w http.ResponseWriter, r *http.Request) {
	u, err := p.reader(r.FormValue("user"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	sub := p.slack.Subscribe()
	defer sub.Close()
	var panel <-chan struct{} // nil: never
	if p.cfg.Panel != nil {
		var stop func()
		panel, stop = p.cfg.Panel.Changed()
		defer stop()
	}

	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	s := stream{w: w, rc: http.NewResponseController(w)}
	s.write([]byte("retry: 1000\n\n")) // after a break, in milliseconds
	s.send(p.snapshot(u.ID))

	changes := make(chan []slackemu.Change)
	ended := make(chan struct{})
	go func() { // it ends with the request: cancel, then the wait for ended
		defer close(ended)
		for {
			list, err := sub.Next(ctx)
			if err != nil {
				cancel() // the workspace is closed, or the reader has gone
				return
			}
			select {
			case changes <- list:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() { cancel(); <-ended }()

	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for s.err == nil {
		select {
		case <-ctx.Done():
			return
		case list := <-changes:
			for _, inc := range p.increments(u.ID, list) {
				s.send(inc)
			}
		case _, ok := <-panel:
			if !ok {
				panel = nil
				continue
			}
			s.send(increment{Type: "panel", Panel: p.panel()})
		case <-beat.C:
			s.write([]byte(": here\n\n"))
		}
	}
}

// increments turns a run of changes into what the browser must know, each thing once.
func (p *Page) increments(me string, list []slackemu.Change) []increment {
	var out []increment
	seen := map[string]bool{}
	take := func(key string, inc func() (increment, bool)) {
		if seen[key] {
			return
		}
		seen[key] = true
		if inc, ok := inc(); ok {
			out = append(out, inc)
		}
	}
	direct := p.slack.DirectChannel(me)
	mine := map[string]bool{direct: direct != ""}
	for _, c := range p.slack.Channels() {
		mine[c.ID] = slices.Contains(c.Members, me)
	}
	showing := func(channel, ts string) func() (increment, bool) {
		return func() (increment, bool) { return p.showing(me, channel, ts) }
	}
	for _, c := range list {
		switch c.Kind {
		case slackemu.ChangePosted, slackemu.ChangeUpdated, slackemu.ChangeDeleted, slackemu.ChangeEphemeral:
			if !mine[c.Channel] {
				continue
			}
			take(c.Channel+c.TS, showing(c.Channel, c.TS))
			// A reply that comes or goes changes the line under its parent.
			if c.Kind == slackemu.ChangePosted || c.Kind == slackemu.ChangeDeleted {
				if parent := p.parent(c.Channel, c.TS); parent != "" {
					take(c.Channel+parent, showing(c.Channel, parent))
				}
			}
		case slackemu.ChangeView:
			if c.User == me {
				take("views", func() (increment, bool) { v := p.views(me); return increment{Type: "views", Views: &v}, true })
			}
		case slackemu.ChangeChannel:
			take("channels", func() (increment, bool) { return increment{Type: "channels", Channels: p.channels(me)}, true })
		case slackemu.ChangeAgent:
			if c.Channel == direct {
				take("agent", func() (increment, bool) { return increment{Type: "agent", Agent: p.agent(me)}, true })
			}
		case slackemu.ChangeSocket:
			take("socket", func() (increment, bool) {
				n := p.slack.Connected()
				return increment{Type: "socket", Sockets: &n}, true
			})
		}
	}
	return out
}

// showing is a message as the person sees it now, or that it is gone.
func (p *Page) showing(me, channel, ts string) (increment, bool) {
	m, ok := p.slack.Message(channel, ts)
	if !ok {
		for _, e := range p.slack.Ephemerals(channel, me) {
			if e.TS == ts {
				m, ok = e, true
			}
		}
	}
	if !ok {
		return increment{Type: "gone", Channel: channel, TS: ts}, true
	}
	shown := p.message(m, me)
	return increment{Type: "message", Channel: channel, Message: &shown}, true
}

// parent is the thread in which a message stands or stood, "" if in none.
func (p *Page) parent(channel, ts string) string {
	m, ok := p.slack.Message(channel, ts)
	if !ok {
		gone := p.slack.Deleted(channel)
		if i := slices.IndexFunc(gone, func(m slackemu.Message) bool { return m.TS == ts }); i >= 0 {
			m = gone[i]
		}
	}
	if m.ThreadTS == ts {
		return ""
	}
	return m.ThreadTS
}

// stream writes events until one fails.
type stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	err error
}

func (s *stream) send(val any) {
	var b bytes.Buffer
	b.WriteString("data: ")
	if err := json.NewEncoder(&b).Encode(val); err != nil { // ends in one line break, and has no other
		s.err = fmt.Errorf("encoding an event: %w", err)
		return
	}
	b.WriteString("\n")
	s.write(b.Bytes())
}

func (s *stream) write(b []byte) {
	if s.err != nil {
		return
	}
	_ = s.rc.SetWriteDeadline(time.Now().Add(2 * heartbeat)) // instead of the server's, where it has one
	if _, s.err = s.w.Write(b); s.err == nil {
		s.err = s.rc.Flush()
	}
}
