package answer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// Repetitions are one line, and so is what Karpenter says of a NodeClaim and its Node; other events
// stay apart, and no page loses one.
func TestFoldedEvents(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	a, l := answerer(t, "")
	var seen []fleet.Observation
	for i := range 2 {
		seen = append(seen, fleet.First(fleet.Node{Cluster: "prod", UID: fmt.Sprint("n", i), Name: fmt.Sprint("ip-", i),
			CreatedAt: now,
			Detail:    fleet.Detail{Owner: fleet.ObjectRef{Kind: "NodeClaim", Name: fmt.Sprint("claim-", i)}}}, now))
	}
	if err := l.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: now, Observations: seen}); err != nil {
		t.Fatal(err)
	}
	var events []fleet.Event
	add := func(at time.Duration, kind, name, reason, note string) {
		e := fleet.Event{Cluster: "prod", UID: fmt.Sprint("e", len(events)), Reason: reason, Type: "Normal", Note: note,
			Count: 1, First: now.Add(-at), Last: now.Add(-at), Regarding: fleet.ObjectRef{Kind: kind, Name: name}}
		if kind == "Pod" {
			e.Regarding.Namespace = "shop"
		}
		events = append(events, e)
	}
	for i := range 30 { // a storm of three pods
		pod := fmt.Sprint("web-7c9-", i%3)
		add(time.Duration(i)*time.Second, "Pod", pod, "BackOff", "pod "+pod+" waits")
	}
	add(10*time.Second, "Pod", "api-1-x", "BackOff", "pod api-1-x waits")
	for i := range 2 {
		add(time.Minute, "Node", fmt.Sprint("ip-", i), "DisruptionTerminating", "Disrupting Node: Underutilized")
		add(time.Minute+time.Second, "NodeClaim", fmt.Sprint("claim-", i), "DisruptionTerminating",
			"Disrupting NodeClaim: Underutilized")
	}
	add(time.Hour, "NodeClaim", "claim-0", "DisruptionTerminating", "Disrupting NodeClaim: Underutilized")
	for i := range 8 {
		add(2*time.Hour+time.Duration(i)*time.Second, "Job", fmt.Sprint("job-", i), "Completed", "Job completed")
	}
	if err := l.RecordEvents(t.Context(), "prod", events, "1"); err != nil {
		t.Fatal(err)
	}
	text := a.To(t.Context(), "/events", now).String()
	for want, times := range map[string]int{
		"pod shop/web-7c9-0 and 2 more": 1, "BackOff ×30": 1, "pod shop/api-1-x": 1, "node ip-0 and its nodeclaim": 1,
		"node ip-1 and its nodeclaim": 1, "• nodeclaim claim-0": 1, "prod: events, 10 shown": 1, "• job job-4": 1,
		"• job job-5": 0,
	} {
		if strings.Count(text, want) != times {
			t.Errorf("%q is not there %d times: %s", want, times, text)
		}
	}
	_, older, _ := strings.Cut(text, "[Older ▶ → show ")
	older, _, _ = strings.Cut(older, "]")
	text = a.To(t.Context(), older, now).String()
	for _, want := range []string{"prod: events, 3 shown", "• job job-5", "• job job-7"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page after (%s) lacks %q: %s", older, want, text)
		}
	}
	text = a.To(t.Context(), "/events --exact", now).String()
	if strings.Contains(text, "more") || !strings.Contains(text, "10 shown") {
		t.Errorf("exact times are of single events: %s", text)
	}
}
