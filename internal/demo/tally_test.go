package demo

import "testing"

// What a mute hides is counted once its end says how much it was, and nothing is judged before.
func TestMutesInTheTally(t *testing.T) {
	y := newTally(nil, []string{"C1"}, func() {})
	y.based, y.baseline = true, 12
	y.add(statement{counts: map[string]int{"joined": 3}}, 1)
	begun := mute("prod: alerts for pool general are muted until 13:00 UTC (by Ada)")
	y.add(begun, 1)
	if s := y.sum(nil); !s.Muted || s.KeptJoined != 0 || s.Alive != 15 {
		t.Errorf("while it goes on: %+v", s)
	}
	y.add(begun, -1)
	y.add(mute("prod: the mute of pool general ended at 13:00 UTC (ran out); 16 changes of 7 nodes were kept quiet: "+
		"5 joined, 5 became ready, 1 went not ready, 1 recovered, 4 left"), 1)
	if s := y.sum(nil); s.Muted || s.KeptJoined != 5 || s.KeptRemoved != 4 || s.Alive != 16 || s.Joined != 3 {
		t.Errorf("when it has ended: %+v", s)
	}
	y.add(mute("prod: the mute of m5.large ended at 14:00 UTC (undone by Ada); nothing was kept quiet"), 1)
	if s := y.sum(nil); s.Muted || s.KeptJoined != 5 {
		t.Errorf("of one that hid nothing: %+v", s)
	}
}
