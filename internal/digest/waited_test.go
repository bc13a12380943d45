package digest

import (
	"slices"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// TestWaited holds what a digest says of pods that waited for nodes.
func TestWaited(t *testing.T) {
	limit := fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter, Pool: "general"}
	capacity := fleet.Refusal{Kind: fleet.NoCapacity, By: fleet.Karpenter, Pool: "gpu"}
	ended := func(set string, r fleet.Refusal, end fleet.WaitEnd, pods int, each time.Duration) fleet.Waited {
		return fleet.Waited{Namespace: "shop", Set: set, Refusal: r, End: end, Pods: pods, Together: time.Duration(pods) * each,
			Longest: each, Pod: set + "-x"}
	}
	f := day(lived("a", od, -100*h, 0))
	f.Waited = []fleet.Waited{ended("web", limit, fleet.EndPlaced, 60, 10*time.Minute),
		ended("api", limit, fleet.EndGone, 2, 30*time.Minute), ended("train", capacity, fleet.EndUnheard, 1, 2*h),
		ended("web", fleet.Refusal{}, fleet.EndPlaced, 37, time.Minute)}
	f.Waits = []fleet.Wait{{First: t0.Add(23 * h)}, {First: t0.Add(22 * h)}, {First: t0.Add(25 * h)}}
	s := summarize(t, f)
	if s.Quiet() {
		t.Error("a day in which pods waited is quiet")
	}
	want := []string{
		"100 pods waited for nodes, 13 h 37 m in all, 8 m 10 s on average; the longest 2 h (shop/train-x).",
		"62 of them because pool general was at its limit: 11 h.",
		"1 of them because the cloud had no capacity for pool gpu: 2 h.",
		"2 pods still wait, the first since 07:00.",
	}
	if got := (words{s}).waited(); !slices.Equal(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
	f.Waited, f.Waits = f.Waited[2:3], nil
	f.Lives = seq(lived("a", od, -100*h, 0))
	if got := (words{summarize(t, f)}).waited(); !slices.Equal(got, []string{"1 pod waited for nodes, 2 h (shop/train-x).",
		"1 of them because the cloud had no capacity for pool gpu: 2 h."}) {
		t.Errorf("of one pod it says %q", got)
	}
	f.Waited, f.Lives = nil, seq(lived("a", od, -100*h, 0))
	if s := summarize(t, f); !s.Quiet() || len((words{s}).waited()) > 0 {
		t.Error("nothing waited, and it says something")
	}
}
