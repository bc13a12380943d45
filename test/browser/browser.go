// Package browser runs a real Chromium for tests: headless, with a fresh profile, watched. It fails a test whose page
// writes errors to the console or asks anything of another machine. Tests say what they want to see and wait for it;
// there
// is no sleeping.
package browser

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Timeout is how long anything that a Tab does may take.
const Timeout = 30 * time.Second

// names are those under which Chromium is installed, in PATH or where macOS puts it.
var names = []string{
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
}

// Tab is one page of a browser of its own. Its methods end the test where they fail.
type Tab struct {
	// Context is for chromedp.Run. It has no deadline: give one.
	Context context.Context
	tb      testing.TB

	mu       sync.Mutex
	problems []string // errors and exceptions of the console
	urls     []string // everything that was asked for
	allowed  []string // parts of problems that are expected
}

// Start starts a browser, which ends with the test. Where there is none the test is skipped, unless the environment
// variable CI is set: there it fails. At the end the test fails if a page has written an error to the console, thrown
// an
// exception, or asked for anything that is not on this machine.
func Start(tb testing.TB) *Tab {
	tb.Helper()
	program := find()
	if program == "" {
		const hint = "no Chromium in PATH (apt install chromium)"
		if os.Getenv("CI") != "" {
			tb.Fatal(hint)
		}
		tb.Skip(hint)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(tb.TempDir()), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.WindowSize(1440, 900),
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-gpu", true), chromedp.Flag("mute-audio", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-extensions", true), chromedp.Flag("disable-default-apps", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true), chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("hide-scrollbars", false),
		chromedp.Flag("lang", "en-US"),
		// Whatever a page asks for, no name but this machine's is even looked up.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("metrics-recording-only", true), chromedp.Flag("password-store", "basic"),
		chromedp.Flag("use-mock-keychain", true),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t := &Tab{tb: tb}
	// What chromedp itself finds odd (events newer than it knows) is no matter of the test's.
	ctx, closeTab := chromedp.NewContext(alloc, chromedp.WithListener(t.listen),
		chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(func(string, ...any) {}))
	t.Context = ctx
	tb.Cleanup(func() {
		closing, cancel := context.WithTimeout(ctx, Timeout)
		_ = chromedp.Cancel(closing) // waits until the browser has ended
		cancel()
		closeTab()
		stop()
		t.verdict()
	})
	// The first call starts the browser, which lives as long as that call's context: it must not have a deadline of its
	// own.
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx) }()
	select {
	case err := <-started:
		if err != nil {
			tb.Fatalf("starting %s: %v", program, err)
		}
	case <-time.After(Timeout):
		closeTab()
		tb.Fatalf("starting %s: it was not ready within %v", program, Timeout)
	}
	command(t, network.Enable, network.EnableParams{})
	command(t, runtime.Enable, cdp.Empty{})
	command(t, cdplog.Enable, cdp.Empty{})
	t.Viewport(1440, 900)
	command(t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return t
}

// command sends a command of the DevTools protocol.
func command[P, R any](t *Tab, cmd cdp.Command[P, R], params P) R {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.Context, Timeout)
	defer cancel()
	res, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		t.tb.Fatalf("in the browser: %v", err)
	}
	return res
}

func find() string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func (t *Tab) listen(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeError && e.Type != runtime.ConsoleAPICalledTypeAssert {
			return
		}
		var words []string
		for _, a := range e.Args {
			var word string
			if json.Unmarshal(a.Value, &word) != nil {
				word = cmp.Or(a.Description, string(a.Value))
			}
			words = append(words, word)
		}
		t.problems = append(t.problems, "console: "+strings.Join(words, " "))
	case *runtime.EventExceptionThrown:
		t.problems = append(t.problems, thrown(e.ExceptionDetails))
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			t.problems = append(t.problems, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		t.urls = append(t.urls, e.Request.URL)
	case *network.EventWebSocketCreated:
		t.urls = append(t.urls, e.URL)
	}
}

// Allow says that console errors which contain a text are expected.
func (t *Tab) Allow(part string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.allowed = append(t.allowed, part)
}

// Problems are the console's errors so far, without the allowed ones.
func (t *Tab) Problems() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.problems), func(p string) bool {
		return slices.ContainsFunc(t.allowed, func(part string) bool { return strings.Contains(p, part) })
	})
}

// Requests are all URLs that the browser has asked for.
func (t *Tab) Requests() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.urls)
}

// away says whether a URL leads to another machine.
func away(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return true
	}
	switch u.Scheme {
	case "data", "blob", "about":
		return false
	case "http", "https", "ws", "wss":
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
	}
	return true
}

func (t *Tab) verdict() {
	for _, p := range t.Problems() {
		t.tb.Errorf("the browser reports %s", p)
	}
	for _, u := range t.Requests() {
		if away(u) {
			t.tb.Errorf("the browser asked for %s, which is not on this machine", u)
		}
	}
}

// Try runs actions within Timeout.
func (t *Tab) Try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.Context, Timeout)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// Run is Try that ends the test when it fails.
func (t *Tab) Run(actions ...chromedp.Action[chromedp.Void]) {
	t.tb.Helper()
	if err := t.Try(actions...); err != nil {
		t.tb.Fatalf("in the browser: %v", err)
	}
}

// Open goes to a URL and waits until it has loaded.
func (t *Tab) Open(url string) {
	t.tb.Helper()
	t.Run(chromedp.Navigate(url))
}

// Eval evaluates a JavaScript expression, also a promise's, into out (nil: its value does not matter).
func (t *Tab) Eval(expression string, out any) {
	t.tb.Helper()
	if err := t.eval(expression, out); err != nil {
		t.tb.Fatalf("evaluating %s: %v", expression, err)
	}
}

func (t *Tab) eval(expression string, out any) error {
	ctx, cancel := context.WithTimeout(t.Context, Timeout)
	defer cancel()
	yes := true
	res, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, ReturnByValue: &yes, AwaitPromise: &yes, UserGesture: &yes,
	})
	switch {
	case err != nil:
		return err
	case res.ExceptionDetails != nil:
		return errors.New(thrown(res.ExceptionDetails))
	case out == nil || res.Result == nil || res.Result.Value == nil:
		return nil
	}
	return json.Unmarshal([]byte(res.Result.Value), out)
}

func thrown(d *runtime.ExceptionDetails) string {
	text := d.Text
	if d.Exception != nil {
		text += " " + d.Exception.Description
	}
	return fmt.Sprintf("exception: %s (%s:%d)", text, d.URL, d.LineNumber+1)
}

// Wait waits until a JavaScript expression holds. It is asked again with every frame that the page draws, in the page.
func (t *Tab) Wait(what, expression string) {
	t.tb.Helper()
	var ok bool
	err := t.eval(fmt.Sprintf(`new Promise((resolve) => {
		const end = performance.now() + %d;
		const look = () => {
			let held = false;
			try { held = !!(%s); } catch { /* not there yet */ }
			if (held || performance.now() > end) resolve(held);
			else setTimeout(look, 15);
		};
		look();
	})`, (Timeout-5*time.Second).Milliseconds(), expression), &ok)
	if err == nil && !ok {
		err = errors.New("it did not come about")
	}
	if err != nil {
		var text string
		_ = t.eval(`document.body.innerText`, &text)
		t.tb.Fatalf("waiting for %s (%s): %v\nproblems: %q\nthe page reads:\n%s", what, expression, err, t.Problems(),
			clip(text))
	}
}

func clip(s string) string {
	if len(s) > 4000 {
		return "…" + s[len(s)-4000:]
	}
	return s
}

// See waits until the element that a selector finds shows a text; an empty text waits for the element alone.
func (t *Tab) See(selector, text string) {
	t.tb.Helper()
	t.Wait(fmt.Sprintf("%q in %s", text, selector),
		fmt.Sprintf(`[...document.querySelectorAll(%s)].some((e) => e.checkVisibility() && e.innerText.includes(%s))`,
			quote(selector), quote(text)))
}

// Gone waits until no element that a selector finds shows a text.
func (t *Tab) Gone(selector, text string) {
	t.tb.Helper()
	t.Wait(fmt.Sprintf("no %q in %s", text, selector),
		fmt.Sprintf(`![...document.querySelectorAll(%s)].some((e) => e.checkVisibility() && e.innerText.includes(%s))`,
			quote(selector), quote(text)))
}

// Text is what the first element that a selector finds shows.
func (t *Tab) Text(selector string) string {
	t.tb.Helper()
	var text string
	t.Eval(fmt.Sprintf(`document.querySelector(%s)?.innerText ?? ""`, quote(selector)), &text)
	return text
}

// Click waits for the first visible element that a selector finds, scrolls to it and clicks its middle with the mouse,
// once
// it stands still and nothing covers it.
func (t *Tab) Click(selector string) {
	t.tb.Helper()
	t.See(selector, "")
	var at struct {
		X, Y    float64
		Covered string
	}
	t.Eval(fmt.Sprintf(`(async () => {
		const end = performance.now() + %d;
		let last, covered;
		while (performance.now() < end) {
			const e = [...document.querySelectorAll(%s)].find((e) => e.checkVisibility());
			if (e) {
				e.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
				const b = e.getBoundingClientRect();
				const X = b.x + b.width / 2, Y = b.y + b.height / 2, place = X + " " + Y;
				const top = document.elementFromPoint(X, Y);
				const hit = top && (e.contains(top) || top.closest("label")?.contains(e));
				if (hit && place === last) return { X, Y };
				covered = hit || !top ? "" : top.outerHTML.slice(0, 200);
				last = place;
			}
			await new Promise((r) => setTimeout(r, 20));
		}
		return { Covered: covered || "nothing, but it does not stand still" };
	})()`, (Timeout-10*time.Second).Milliseconds(), quote(selector)), &at)
	if at.Covered != "" {
		t.tb.Fatalf("clicking %s: it is covered by %s", selector, at.Covered)
	}
	t.Run(chromedp.MouseClickXY(at.X, at.Y))
}

// Type presses keys where the focus is; see package kb for the special ones. A character comes with its key, as from a
// keyboard, so that a page which takes the key does not get the character too (chromedp.KeyEvent sends both).
func (t *Tab) Type(keys string) {
	t.tb.Helper()
	for _, r := range keys {
		events := kb.Encode(r)
		down, up := events[0], events[len(events)-1]
		if len(events) == 3 && r != '\t' {
			down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
		} else {
			down.Type = input.DispatchKeyEventTypeRawKeyDown
		}
		command(t, input.DispatchKeyEvent, *down)
		command(t, input.DispatchKeyEvent, *up)
	}
}

// Keys that tests press.
const (
	Enter  = kb.Enter
	Tabkey = kb.Tab
	Escape = kb.Escape
	Up     = kb.ArrowUp
	Down   = kb.ArrowDown
)

// Fill puts a text into a field as if typed, replacing what was there.
func (t *Tab) Fill(selector, text string) {
	t.tb.Helper()
	t.See(selector, "")
	t.Eval(fmt.Sprintf(`(() => { const e = document.querySelector(%s); e.focus(); e.select?.(); })()`, quote(selector)),
		nil)
	t.Type(text)
}

// Choose picks the option of a select by its value, as a person would.
func (t *Tab) Choose(selector, value string) {
	t.tb.Helper()
	t.See(selector, "")
	t.Eval(fmt.Sprintf(
		`(() => { const e = document.querySelector(%s); e.value = %s; e.dispatchEvent(new Event("input", {bubbles: `+
			`true})); e.dispatchEvent(new Event("change", {bubbles: true})); })()`, quote(selector), quote(value)), nil)
}

// Viewport sets the size of the window's inside in CSS pixels. Below 600 pixels it is a phone's: with touch.
func (t *Tab) Viewport(width, height int64) {
	t.tb.Helper()
	phone := width < 600
	command(t, emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: phone})
	command(t, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: phone})
}

// ColorScheme makes the page think that the person prefers "light" or "dark".
func (t *Tab) ColorScheme(scheme string) {
	t.tb.Helper()
	command(t, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// Screenshot writes what the window shows as a PNG file, and its folder if need be.
func (t *Tab) Screenshot(file string) {
	t.tb.Helper()
	png := command(t, page.CaptureScreenshot, page.CaptureScreenshotParams{}).Data
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, png, 0o644)
	}
	if err != nil {
		t.tb.Fatalf("writing a screenshot: %v", err)
	}
}

// Freeze makes pages that are opened from now on think that it is always the same moment, in a time zone: pictures that
// tell of today and of this hour do not change from run to run. Timers run on.
func (t *Tab) Freeze(at time.Time) {
	t.tb.Helper()
	command(t, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: at.Location().String()})
	command(t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fmt.Sprintf(
		`globalThis.Date = class extends Date {
			constructor(...args) { args.length ? super(...args) : super(%[1]d); }
			static now() { return %[1]d; }
		}`, at.UnixMilli())})
}

// Picture returns what the first element that a selector finds looks like, as PNG, with so many pixels for a CSS pixel.
// The element may be outside of the window, but not clipped by what it stands in. It is what is drawn twice in a row:
// large pictures are drawn piece by piece.
func (t *Tab) Picture(selector string, scale float64) []byte {
	t.tb.Helper()
	t.See(selector, "")
	var box page.Viewport
	t.Eval(fmt.Sprintf(`new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => {
		const b = document.querySelector(%s).getBoundingClientRect();
		r({ x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height });
	})))`, quote(selector)), &box)
	box.Scale = scale
	beyond := true
	var before []byte
	for range 5 {
		drawn := command(t, page.CaptureScreenshot,
			page.CaptureScreenshotParams{Clip: &box, CaptureBeyondViewport: &beyond}).Data
		if bytes.Equal(drawn, before) {
			break
		}
		before = drawn
	}
	return before
}

// quote makes a string a JavaScript literal.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return string(b)
}
