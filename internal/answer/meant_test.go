package answer_test

import (
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// What people type beside names means a filter that finds something, and what is offered does too.
func TestMeant(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a, l := answerer(t, "")
	start := fleet.Batch{Cluster: "prod", At: now.Add(-time.Hour), ResourceVersion: "1"}
	if err := l.FinishBaseline(t.Context(), start, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	var seen []fleet.Observation
	for _, n := range []fleet.Node{
		{Name: "web-tools-1", Pool: "web", Zone: "us-east-1a", InstanceType: "m5.large", CapacityType: "spot"},
		{Name: "web-pulse-2", Pool: "web", Zone: "us-east-1b", InstanceType: "c5.large"},
		{Name: "batch-3", Pool: "batch", Zone: "us-east-1b", InstanceType: "c5.large"},
	} {
		n.Cluster, n.UID, n.CreatedAt = "prod", "uid-"+n.Name, now.Add(-time.Hour)
		seen = append(seen, fleet.First(n, now))
	}
	if err := l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: now, Observations: seen}); err != nil {
		t.Fatal(err)
	}
	event := fleet.Event{UID: "e", Reason: "Scheduled", Type: "Normal", Note: "assigned", First: now, Last: now, Count: 1,
		Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web-1"}}
	if err := l.RecordEvents(t.Context(), "prod", []fleet.Event{event}, "1"); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"/nodes ls":                  "prod: 3 nodes",
		"/nodes status":              "prod: 3 nodes",
		"/nodes us-east-1b":          "Only --zone us-east-1b",
		"/nodes C5.large":            "prod: 2 nodes\n",
		"/nodes web":                 "Only --pool web",
		"/nodes spot nodes":          "Only --spot",
		"/nodes why batch-3":         "batch-3: ",
		"/nodes web-t":               "web-tools-1: ",
		"/nodes puls":                "web-pulse-2: ",
		"/nodes hlep":                "→ show /nodes help]",
		"/events normal":             "→ show /events --types Normal]",
		"/nodes --tpye c5.*":         "[/nodes --type c5.* → show /nodes --type c5.*]",
		"/events --type c5.*":        "[/nodes --type c5.* → show /nodes --type c5.*]",
		"/events /nodes":             "[/nodes → show /nodes]",
		"/nodes mute 1h":             "alerts are muted with the button Mute… under them",
		"/nodes node/status":         `I found no node named "status"`,
		"/nodes list --tpye nowhere": "did you mean --type?",

		// Empty answers tell what there is.
		"/nodes --zone nowhere":         "Zones: us-east-1b (2), us-east-1a (1).",
		"/nodes list --pool no --spot":  "Pools: web (2), batch (1).",
		"/nodes list --removed":         "Recording since 11:00 UTC.",
		"/events -n nowhere":            "Namespaces of the last events: shop (1).",
		"/events --for node/x":          "Kinds of the last events: Pod (1).",
		"/events nothing":               "Recording since 12:00 UTC.",
		"/nodes --type m7.* --zone x,y": "Types: c5.large (2), m5.large (1).",
	} {
		if text := a.To(t.Context(), line, now).String(); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q: %s", line, want, text)
		}
	}
	for line, no := range map[string]string{
		"/nodes ool":                 "web-tools-1", // a part of three characters is a coincidence
		"/nodes node/status":         "/nodes /nodes",
		"/events /nodes":             "/events /nodes →",
		"/events --types Normal zzz": "Did you mean",
		"/nodes m7.large":            "--type m7.large →",
		"/nodes list --tpye nowhere": "--type nowhere →",
		"/events get":                "/events /events",
		"/nodes how many":            "did you mean",
	} {
		if text := a.To(t.Context(), line, now).String(); strings.Contains(text, no) {
			t.Errorf("%s has %q: %s", line, no, text)
		}
	}
}
