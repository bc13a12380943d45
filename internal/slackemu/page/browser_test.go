package page_test

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
	"rollcall/test/browser"
)

var shots = flag.String("shots", "", "write screenshots of the page into this folder")

// serve serves the page of a workspace until the test ends.
func serve(t *testing.T, cfg page.Config) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(page.New(cfg))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv
}

var hints = []page.CommandHint{
	{Command: "/nodes", Hint: "[list | NAME | help] [-l SELECTOR] [--spot] …", Words: []string{"list", "help", "--spot", "--on-demand", "--zone", "--not-ready"}},
	{Command: "/events", Hint: "[--for KIND/NAME] [--since D] …", Words: []string{"help", "--for", "--since"}},
}

// shot takes a screenshot if they are wanted.
func shot(t *testing.T, tab *browser.Tab, name string) {
	t.Helper()
	if *shots != "" {
		tab.Screenshot(filepath.Join(*shots, name+".png"))
	}
}

func TestGallery(t *testing.T) {
	s := workspace(t)
	g := startGallery(t, s)
	g.post()
	panel := newPanel()
	srv := serve(t, page.Config{Slack: s, Panel: panel.page(), Commands: hints})
	tab := browser.Start(t)
	tab.ColorScheme("light")
	tab.Open(srv.URL + "/?user=" + slackemu.UserAda + "#" + slackemu.ChannelOps)
	tab.See("article", "untrusted")
	for i, ts := range g.posted {
		tab.Eval(fmt.Sprintf(`document.querySelector("#log [data-ts='%s']").scrollIntoView({block:"start"})`, ts), nil)
		shot(t, tab, fmt.Sprintf("light-%02d", i))
	}
}
