package command

import "testing"

func TestDirect(t *testing.T) {
	names := Names{Nodes: "/staging-nodes"}
	for text, want := range map[string]string{
		"":                              "",
		"  ":                            "",
		"hi":                            "",
		"Hello!":                        "",
		"help":                          "",
		"thank you":                     "",
		"?":                             "",
		"<@U0ROLLCALL> hi":              "",
		"nodes":                         "/nodes",
		"Nodes list --spot":             "/nodes list --spot",
		"node ip-10-0-0-1":              "/nodes node ip-10-0-0-1",
		"/nodes list":                   "/nodes list",
		"`/nodes list`":                 "/nodes list",
		"/staging-nodes list":           "/nodes list",
		"/events --scaling":             "/events --scaling",
		"events --scaling --since 2h":   "/events --scaling --since 2h",
		"warnings":                      "/events warnings",
		"<@U0ROLLCALL>: status":         "/nodes status",
		"<@U0ROLLCALL|rollcall> digest": "/nodes digest",
		"ip-10-0-0-1":                   "/nodes ip-10-0-0-1",
		"why ip-10-0-0-1":               "/nodes why ip-10-0-0-1",
		"not ready":                     "/nodes not ready",
		"help me find out why it left":  "/nodes help me find out why it left",
	} {
		if got := Direct(text, names); got != want {
			t.Errorf("%q means %q, want %q", text, got, want)
		}
	}
}
