package deliver_test

import (
	"fmt"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

// Nodes that are replaced again and again are told at the third turn, through restarts, and once they no longer are.
func TestLoops(t *testing.T) {
	t.Parallel()
	keepBubble(t, func(k *keeping) {
		turn := func(n int) {
			k.t.Helper()
			k.now = time.Now().Truncate(time.Second)
			k.join(n, n+1)
			time.Sleep(25 * time.Minute)
			old := k.known[fmt.Sprintf("uid-%d", n)]
			if err := k.ledger.RecordEvents(k.t.Context(), "prod", []fleet.Event{{Cluster: "prod", UID: fmt.Sprint("d", n),
				Reason: "DisruptionTerminating", Note: "Disrupting Node: Underutilized", Controller: "karpenter", Count: 1,
				First: time.Now(), Last: time.Now(), Regarding: fleet.ObjectRef{Kind: "Node", Name: old.Node.Name, UID: old.Node.UID},
			}}, ""); err != nil {
				k.t.Error(err)
			}
			time.Sleep(time.Second)
			k.record(nil, fleet.Gone(old.Node, old.Known, time.Now()))
		}
		for n := 20; n < 23; n++ {
			turn(n)
		}
		time.Sleep(6 * time.Minute)
		k.said("loop", 0, 0)
		k.restart()
		turn(23)
		time.Sleep(6 * time.Minute)
		_, text := k.said("loop", 0, 1)
		k.says(text, "spot m5.large nodes of pool general are replaced by the same type again and again, 3 times, $0.50/h",
			"Each lived for about 25 m", "consolidated by Karpenter")
		k.restart()
		turn(24)
		time.Sleep(6 * time.Minute)
		_, text = k.said("loop", 0, 1)
		k.says(text, "again and again, 4 times")
		time.Sleep(3 * time.Hour)
		k.restart()
		time.Sleep(time.Hour)
		_, text = k.said("loop", 0, 1)
		k.says(text, "no longer replaced again and again; it was 4 times")
	})
}
