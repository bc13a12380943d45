package message

import (
	"testing"

	"rollcall/internal/fleet"
)

func TestEveryStepHasWords(t *testing.T) {
	for _, kind := range fleet.ChangeKinds {
		if w := Step(kind); w.Icon == "" || w.Did == "" || w.Short == "" {
			t.Errorf("%s has the words %+v", kind, w)
		}
	}
	if len(stepWords) != len(fleet.ChangeKinds) {
		t.Errorf("%d kinds of changes have words, but there are %d", len(stepWords), len(fleet.ChangeKinds))
	}
}
