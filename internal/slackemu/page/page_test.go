package page_test

import (
	"context"
	"fmt"
	"sync"

	"rollcall/internal/slackemu/page"
)

// fakePanel is a panel with one control of each kind.
type fakePanel struct {
	mu      sync.Mutex
	paused  bool
	speed   string
	joined  int
	readers map[chan struct{}]bool
}

func newPanel() *fakePanel {
	return &fakePanel{speed: "1", readers: map[chan struct{}]bool{}}
}

func (f *fakePanel) page() *page.Panel {
	return &page.Panel{State: f.state, Changed: f.changed, Do: f.do}
}

func (f *fakePanel) state() page.PanelState {
	f.mu.Lock()
	defer f.mu.Unlock()
	yes, no := true, false
	paused := "off"
	if f.paused {
		paused = "on"
	}
	return page.PanelState{
		Title: "Simulated cluster", Clock: "Day 2, 09:14", Phase: "morning growth",
		Controls: []page.Control{
			{ID: "join", Label: "Add 20 nodes", Kind: page.KindButton, Value: "20", Help: "As an autoscaler would", Group: "Cluster"},
			{ID: "storm", Label: "Spot storm", Kind: page.KindButton, Group: "Cluster", Note: "37 s left"},
			{ID: "kill", Label: "Kill the app", Kind: page.KindButton, Group: "Faults", Disabled: "it is starting"},
			{ID: "pause", Label: "Slack is down", Kind: page.KindToggle, Value: paused, Group: "Faults"},
			{ID: "speed", Label: "Speed", Kind: page.KindSelect, Value: f.speed, Group: "Time", Options: []page.Option{{Value: "1", Label: "real time"}, {Value: "60", Label: "a minute a second"}}},
		},
		Counters: []page.Counter{
			{ID: "joined", Label: "Joined", Value: fmt.Sprint(f.joined)},
			{ID: "once", Label: "Told exactly once", Value: "120 of 120", Good: &yes, Note: "every node, every change"},
			{ID: "twice", Label: "Told twice", Value: "1", Good: &no},
		},
	}
}

func (f *fakePanel) changed() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers[c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.readers, c)
	}
}

func (f *fakePanel) do(_ context.Context, control, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch control {
	case "join":
		f.joined += 20
	case "pause":
		f.paused = value == "on"
	case "speed":
		f.speed = value
	default:
		return fmt.Errorf("%s cannot be done now", control)
	}
	for c := range f.readers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return nil
}
