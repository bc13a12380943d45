package command

import (
	"strings"
	"testing"
)

func TestParseNames(t *testing.T) {
	for _, test := range []struct {
		text string
		want Names
		err  string
	}{
		{"", Names{}, ""},
		{" , ", Names{}, ""},
		{"nodes=/staging-nodes,events=/staging-events", Names{"/staging-nodes", "/staging-events"}, ""},
		{" /events = /k8s_events , ", Names{Events: "/k8s_events"}, ""},
		{"nodes=/nodes", Names{Nodes: "/nodes"}, ""},
		{"nodes=/events,events=/nodes", Names{"/events", "/nodes"}, ""},
		{"nodes=staging-nodes", Names{}, `"staging-nodes" is not a command as Slack takes it: a slash and up to 31 of a-z, ` +
			`0-9, - and _; write for example nodes=/staging-nodes`},
		{"nodes=/Staging Nodes", Names{}, "write for example nodes=/staging-nodes"},
		{"nodes=/노드", Names{}, "write for example nodes=/staging-nodes"},
		{"nodes=/" + strings.Repeat("n", 32), Names{}, "write for example nodes=/staging-nodes"},
		{"nodes", Names{}, `"" is not a command as Slack takes it`},
		{"event=/e", Names{}, `"event=/e" names neither nodes nor events; write for example events=/e`},
		{"/staging-nodes,/staging-events", Names{}, "write for example nodes=/staging-nodes,events=/staging-events"},
		{"nodes=/a,nodes=/b", Names{}, `"nodes=/b" names nodes once more; it is /a already`},
		{"nodes=/events", Names{}, "nodes and events are both called /events"},
		{"nodes=/a,events=/a", Names{}, "nodes and events are both called /a"},
	} {
		got, err := ParseNames(test.text)
		if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: %v, want %q", test.text, err, test.err)
		}
		if got != test.want {
			t.Errorf("%q: %+v, want %+v", test.text, got, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	staging := Names{"/staging-nodes", "/staging-events"}
	for text, want := range map[string]string{
		"/nodes":                          "/staging-nodes",
		"See /nodes and /events.":         "See /staging-nodes and /staging-events.",
		"\"/nodes list\", then (/events)": "\"/staging-nodes list\", then (/staging-events)",
		"did you mean /nodes --spot?":     "did you mean /staging-nodes --spot?",
		"/nodes/events":                   "/staging-nodes/events",
		"GET /api/v1/nodes":               "GET /api/v1/nodes",
		"an.example/events and /nodesx":   "an.example/events and /nodesx",
		"/staging-nodes":                  "/staging-nodes",
		"":                                "",
	} {
		if got := staging.Show(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
		if got := (Names{}).Show(text); got != text {
			t.Errorf("without names, %q is shown as %q", text, got)
		}
	}
	if got := (Names{"/events", "/nodes"}).Show("/nodes, /events"); got != "/events, /nodes" {
		t.Errorf("changed round, it is %q", got)
	}
	for text, want := range map[string]string{
		"/staging-nodes":             "/nodes",
		"/Staging-Nodes  list":       "/nodes  list",
		"/staging-events --for pod/": "/events --for pod/",
		"/nodes list":                "/nodes list",
		"list /staging-nodes":        "list /staging-nodes",
		"":                           "",
	} {
		if got := staging.Read(text); got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
	if got := (Names{}).Read(""); got != "" {
		t.Errorf("nothing is read as %q", got)
	}
}

// Every field of a form asks something.
func TestFormsAsk(t *testing.T) {
	for _, h := range []Help{NodesHelp, EventsHelp} {
		for _, f := range h.Flags {
			field := f.Value != "" && f.Name != "page" && f.Name != "cluster"
			if field != strings.HasSuffix(f.Ask, "?") {
				t.Errorf("%s --%s is asked for with %q", h.Command, f.Name, f.Ask)
			}
		}
	}
}
