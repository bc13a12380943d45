package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"rollcall/internal/answer"
	"rollcall/internal/slackapp"
)

// health answers /healthz and /readyz. Alive means that the ledger answers: a restart can help
// with that. Ready means that changes are seen and told; when the API server or Slack is down a
// restart helps nobody. The zero value is that of a Rollcall that is opening its ledger: alive and
// not ready.
type health struct {
	parts atomic.Pointer[[]part] // nil until the ledger is open; the first is the ledger
}

// part is one thing that must be up. problem returns "" while it is.
type part struct {
	name    string
	problem func(ctx context.Context) string
	aside   bool // its problem is told, but Rollcall is ready all the same
}

// opened is called once, when the ledger is open and the parts are about to run.
func (h *health) opened(p *process, session *slackapp.Session) {
	parts := []part{{name: "ledger", problem: func(ctx context.Context) string {
		if err := p.store.Ping(ctx); err != nil {
			return err.Error()
		}
		return ""
	}}}
	for _, c := range p.clusters {
		of := ""
		if len(p.clusters) > 1 {
			of = " of " + c.name
		}
		parts = append(parts,
			part{name: "nodes" + of, problem: func(context.Context) string { return c.problem() }},
			part{name: "events" + of, problem: func(context.Context) string {
				switch s := c.watcher.Status().Events; {
				case len(s.Forbidden) > 0: // events only explain: without the permission Rollcall still does its work
				case s.Error != "":
					return s.Error
				case !s.Synced:
					return "the events have not been read yet"
				}
				return ""
			}})
	}
	parts = append(parts,
		part{name: "slack", problem: func(context.Context) string {
			if session.Ready() {
				p.refusal.Store(nil)
				return ""
			}
			if refusal := p.refusal.Load(); refusal != nil {
				return refusal.Error()
			}
			return "Slack has not greeted a Socket Mode connection"
		}},
		part{name: "connections", problem: func(context.Context) string { return session.Shared() }, aside: true},
		part{name: "telling", problem: func(context.Context) string { return p.outbox.Problem(false) }},
		part{name: "digest", problem: func(context.Context) string { return p.outbox.Problem(true) }, aside: true})
	if p.webhook != nil { // nobody is told less by Slack because it does not answer
		parts = append(parts, part{name: "webhook", problem: p.webhookProblem, aside: true})
	}
	h.parts.Store(&parts)
}

// report returns a line for each part and whether all are up.
func (h *health) report(ctx context.Context) (string, bool) {
	parts := h.parts.Load()
	if parts == nil {
		return "ledger: it is being opened; after an upgrade that changes its schema a large one takes minutes\n", false
	}
	var b strings.Builder
	all := true
	for _, p := range *parts {
		if problem := p.problem(ctx); problem != "" {
			all = all && p.aside
			fmt.Fprintf(&b, "%s: %s\n", p.name, problem)
		} else {
			fmt.Fprintf(&b, "%s: ok\n", p.name)
		}
	}
	return b.String(), all
}

// list is the state of every part, for people, once the ledger is open.
func (h *health) list(ctx context.Context) []answer.Health {
	var out []answer.Health
	for _, p := range *h.parts.Load() {
		out = append(out, answer.Health{Part: p.name, Problem: p.problem(ctx)})
	}
	return out
}

// wait waits until every part is up, and reports false if ctx ends before. Parts are asked less and less
// often, because it may take hours, and the ledger, whose answer is a query, only once all others are up.
func (h *health) wait(ctx context.Context) bool {
	const soonest, latest = 20 * time.Millisecond, time.Second
	for pause := soonest; ; pause = min(pause+pause/8, latest) {
		if h.othersUp(ctx) {
			if _, ok := h.report(ctx); ok {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// othersUp reports whether all parts but the ledger are up.
func (h *health) othersUp(ctx context.Context) bool {
	parts := h.parts.Load()
	return parts != nil &&
		!slices.ContainsFunc((*parts)[1:], func(p part) bool { return !p.aside && p.problem(ctx) != "" })
}

// serve answers until ctx ends, and shows the metrics.
func (h *health) serve(ctx context.Context, listener net.Listener, metrics http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if parts := h.parts.Load(); parts != nil {
			if problem := (*parts)[0].problem(r.Context()); problem != "" {
				http.Error(w, "ledger: "+problem, http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		text, ok := h.report(r.Context())
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, text)
	})
	server := newServer(mux)
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving health: %w", err)
	}
	return nil
}

// newServer is a server for probes and scrapes, which ask for little: whoever else reaches the port can hold
// neither connections nor memory for long.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}
