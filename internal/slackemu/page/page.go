package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"

	"rollcall/internal/slackemu"
)

//go:embed assets
var embedded embed.FS

// Config describes the page.
type Config struct {
	// Slack is the workspace to show. It must be set.
	Slack *slackemu.Server
	// Panel stands beside the workspace; nil: none.
	Panel *Panel
	// Commands are the hints of the composer. Commands of the workspace that are not among them are offered without one.
	Commands []CommandHint
	// Hosts are the names under which the page may be asked for, besides localhost and loopback addresses.
	Hosts []string
	// Logger gets what goes wrong in the page itself. Default: nothing is logged.
	Logger *slog.Logger
}

// Page is an http.Handler for the root of a site. It starts no goroutine of its own.
type Page struct {
	cfg    Config
	slack  *slackemu.Server
	log    *slog.Logger
	assets map[string]asset
	serve  http.Handler
}

// New returns the page of a workspace.
func New(cfg Config) *Page {
	p := &Page{cfg: cfg, slack: cfg.Slack, log: cfg.Logger, assets: loadAssets()}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { p.asset(w, r, "index.html") })
	mux.HandleFunc("GET /assets/{name...}",
		func(w http.ResponseWriter, r *http.Request) { p.asset(w, r, r.PathValue("name")) })
	mux.HandleFunc("GET /page/state", p.state)
	mux.HandleFunc("GET /page/live", p.live)
	mux.HandleFunc("GET /page/file/{id}", p.file)
	for name, do := range p.actions() {
		mux.HandleFunc("POST /page/"+name, p.post(name, do))
	}
	// Pages of other sites must not press buttons here, whatever the browser lets them send.
	p.serve = http.NewCrossOriginProtection().Handler(mux)
	return p
}

// policy lets the browser load nothing but the page's own files, and run and style with nothing but them.
const policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'"

// ServeHTTP answers /, /assets/ and /page/.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if !p.ours(r.Host) {
		http.Error(w, "this page is served under localhost and the configured hosts only", http.StatusMisdirectedRequest)
		return
	}
	p.serve.ServeHTTP(w, r)
}

// ours says whether a Host header names this machine: a name of elsewhere that resolves to it (DNS rebinding) does not.
func (p *Page) ours(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "localhost" ||
		slices.ContainsFunc(p.cfg.Hosts,
			func(h string) bool { return strings.EqualFold(h, name) || strings.EqualFold(h, host) }) {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

// asset is one embedded file as it is sent.
type asset struct {
	kind, tag   string
	plain, gzip []byte // gzip nil where it is not worth it
}

// kinds of files, so that the types do not depend on the machine's list.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", "": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
}

func loadAssets() map[string]asset {
	out := map[string]asset{}
	err := fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		kind, ok := kinds[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s is of no known kind", name)
		}
		sum := sha256.Sum256(data)
		a := asset{kind: kind, tag: fmt.Sprintf(`"%x"`, sum[:8]), plain: data}
		var small bytes.Buffer
		zip, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // the level is a valid one
		_, _ = zip.Write(data)                                      // a buffer takes everything
		_ = zip.Close()
		if small.Len() < len(data)*9/10 {
			a.gzip = small.Bytes()
		}
		out[strings.TrimPrefix(name, "assets/")] = a
		return nil
	})
	if err != nil {
		panic("page: reading the embedded files: " + err.Error()) // a defect of the build
	}
	return out
}

// asset sends an embedded file. Browsers ask each time whether it has changed, so that a new build shows at once.
func (p *Page) asset(w http.ResponseWriter, r *http.Request, name string) {
	a, ok := p.assets[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	tag, body := a.tag, a.plain
	if a.gzip != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		tag, body = strings.TrimSuffix(a.tag, `"`)+`-gz"`, a.gzip
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body) // the browser has gone
}

// pictures are the types of files that are shown; others are only offered for download.
var pictures = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"}

// file sends an uploaded file.
func (p *Page) file(w http.ResponseWriter, r *http.Request) {
	f, ok := p.slack.File(r.PathValue("id"))
	if !ok || !f.Uploaded {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "private, max-age=3600") // a file never changes
	if slices.Contains(pictures, f.Mimetype) {
		h.Set("Content-Type", f.Mimetype)
	} else {
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", "attachment")
	}
	_, _ = w.Write(f.Content)
}
