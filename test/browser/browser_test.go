package browser

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// watched is a test of which we want to know how it ended.
type watched struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (w *watched) Cleanup(f func()) { w.cleanups = append(w.cleanups, f) }
func (w *watched) Errorf(format string, args ...any) {
	w.errors = append(w.errors, fmt.Sprintf(format, args...))
}

func TestTab(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<meta name=viewport content="width=device-width"><link rel=icon href="data:,"><p>Here <input id=field> <button onclick="document.querySelector('p').append(' pressed')">Press</button></p>
			<img src="http://elsewhere.invalid/x.png"><img src="/missing.png">
			<script>console.error("said", 7); console.log("fine"); console.error("expected"); setTimeout(() => { throw new Error("thrown") })</script>`)
	}))
	defer srv.Close()
	w := &watched{TB: t}
	tab := Start(w)
	tab.Allow("expected")
	tab.Open(srv.URL)
	tab.See("p", "Here")
	tab.Click("button")
	tab.See("p", "pressed")
	tab.Fill("#field", "one")
	tab.Fill("#field", "Two!")
	tab.Wait("the field to hold it", `document.querySelector("#field").value === "Two!"`)
	tab.Viewport(390, 700)
	tab.ColorScheme("dark")
	tab.Wait("a small, dark window", `innerWidth === 390 && matchMedia("(prefers-color-scheme: dark)").matches`)
	file := filepath.Join(t.TempDir(), "new", "shot.png")
	tab.Screenshot(file)
	if data, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(data), "\x89PNG") {
		t.Errorf("no screenshot: %v", err)
	}
	config, err := png.DecodeConfig(bytes.NewReader(tab.Picture("button", 2)))
	var width float64
	tab.Eval(`document.querySelector("button").getBoundingClientRect().width * 2`, &width)
	if err != nil || math.Abs(float64(config.Width)-width) > 2 {
		t.Errorf("a picture %d pixels wide of a button that is %v: %v", config.Width, width, err)
	}
	tab.Wait("all that was asked for", `performance.getEntriesByType("resource").length >= 1`)
	for _, f := range slices.Backward(w.cleanups) {
		f()
	}
	all := strings.Join(w.errors, "\n")
	for _, want := range []string{"console: said 7", "thrown", "404",
		"http://elsewhere.invalid/x.png, which is not on this machine"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing was said of %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "expected") || strings.Contains(all, "fine") {
		t.Errorf("said too much:\n%s", all)
	}
}

// TestFreeze holds that time stands still for pages, but not for their timers.
func TestFreeze(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<link rel=icon href="data:,"><p id=p></p><script>
			setTimeout(() => { p.innerText = [new Date().toString(), Date.now(), new Date(0).getTime()].join(" ") }, 20)</script>`)
	}))
	defer srv.Close()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tab := Start(t)
	tab.Freeze(time.Date(2026, 11, 24, 9, 0, 0, 0, zone))
	tab.Open(srv.URL)
	tab.See("p", "Tue Nov 24 2026 09:00:00 GMT+0100")
	tab.See("p", "1795507200000 0")
}

func TestAway(t *testing.T) {
	for url, want := range map[string]bool{
		"http://127.0.0.1:80/": false, "http://localhost/x": false, "http://[::1]:9/": false, "data:image/png;base64,": false,
		"about:blank": false, "blob:http://127.0.0.1/x": false,
		"https://example.com/": true, "ws://192.0.2.1/": true, "ftp://127.0.0.1/": true,
		"http://localhost.example.com/": true, "%": true,
	} {
		if away(url) != want {
			t.Errorf("%s: away is %t", url, !want)
		}
	}
}
