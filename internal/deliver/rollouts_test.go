package deliver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// deployments is a bubble's cluster with Deployments, of which ROLLOUTS selects those of namespace shop.
type deployments struct {
	*rig
	n int // events written
}

func rolloutBubble(t *testing.T, run func(d *deployments)) {
	bubble(t, func(r *rig) {
		r.baseline()
		r.alert.Rollouts = []string{"shop/*"}
		r.restart()
		run(&deployments{rig: r})
	})
}

func (r *rig) baseline() {
	r.t.Helper()
	if err := r.ledger.FinishBaseline(r.t.Context(), fleet.Batch{Cluster: "prod", At: time.Now()},
		func(string) bool { return true }); err != nil {
		r.t.Error(err)
	}
}

// step writes that a ReplicaSet of a Deployment got another size, a while ago.
func (d *deployments) step(name, set string, from, to int, ago ...time.Duration) {
	d.t.Helper()
	word := "up"
	if to < from {
		word = "down"
	}
	d.write(fleet.Event{Reason: "ScalingReplicaSet", Regarding: fleet.ObjectRef{Kind: "Deployment", Namespace: "shop",
		Name: name, UID: name}, Note: fmt.Sprintf("Scaled %s replica set %s from %d to %d", word, set, from, to)}, ago...)
}

func (d *deployments) write(e fleet.Event, ago ...time.Duration) {
	d.t.Helper()
	d.n++
	e.Cluster, e.UID, e.Count = "prod", fmt.Sprint("e", d.n), 1
	e.First = time.Now()
	for _, a := range ago {
		e.First = e.First.Add(-a)
	}
	e.First = e.First.Truncate(time.Second)
	e.Last = e.First
	if err := d.ledger.RecordEvents(d.t.Context(), "prod", []fleet.Event{e}, ""); err != nil {
		d.t.Error(err)
	}
}

// tells holds how many messages there are of rollouts, and what each says.
func (d *deployments) tells(words ...string) {
	d.t.Helper()
	waves := d.waves("rollout")
	if len(waves) != len(words) {
		d.t.Errorf("%d messages, want %d", len(waves), len(words))
	}
	for i, w := range waves {
		m, _ := d.slack.Message(slackemu.ChannelOps, w.TS)
		if text := slackemu.PlainText(m); i < len(words) && !strings.Contains(text, words[i]) {
			d.t.Errorf("message %d does not say %q:\n%s", i+1, words[i], text)
		}
	}
}

// A rollout is one message, which says how far it is, and how it ended.
func TestRolloutMessage(t *testing.T) {
	t.Parallel()
	rolloutBubble(t, func(d *deployments) {
		d.step("web", "web-a", 0, 40)
		time.Sleep(time.Minute)
		d.tells()
		d.step("web", "web-b", 0, 10)
		time.Sleep(6 * time.Second)
		d.tells("prod: shop/web is rolling out, 10 of 40 new pods, 40 old")
		d.tells("image or template changed: web-a → web-b")
		d.step("web", "web-a", 40, 30)
		for i := range 3 {
			d.write(fleet.Event{Type: "Warning", Reason: "BackOff", Note: "Back-off restarting failed container",
				Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("web-b-%d", i)}})
			d.write(fleet.Event{Type: "Warning", Reason: "BackOff", Note: "Back-off restarting failed container",
				Regarding: fleet.ObjectRef{Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("web-bc-%d", i)}})
		}
		time.Sleep(16 * time.Second)
		d.tells("10 of 40 new pods, 30 old (6 s)")
		d.tells("⚠️ 3 pods of the new one: BackOff: Back-off restarting failed container")
		time.Sleep(10 * time.Minute)
		d.tells("prod: the rollout of shop/web stands still, no step since")
		d.step("web", "web-b", 10, 40)
		time.Sleep(15 * time.Second)
		d.tells("prod: shop/web is rolling out, 40 of 40 new pods, 30 old (10 m 2")
		d.step("web", "web-a", 30, 0)
		time.Sleep(20 * time.Second)
		d.tells("prod: shop/web was rolled out in 10 m 3")
		d.tells(", 40 pods")
		d.step("web", "web-b", 40, 50) // scaled
		time.Sleep(10 * time.Minute)
		d.tells(", 40 pods")
		// Back again: another rollout.
		d.step("web", "web-a", 0, 50)
		d.step("web", "web-b", 50, 0)
		time.Sleep(20 * time.Second)
		d.tells("was rolled out", "prod: shop/web went back to an earlier ReplicaSet in 0 s, 50 pods")
	})
}

// However Rollcall comes and goes, each rollout has one message, also one that nobody saw.
func TestRolloutsOverRestarts(t *testing.T) {
	t.Parallel()
	rolloutBubble(t, func(d *deployments) {
		d.step("web", "web-a", 0, 4)
		time.Sleep(time.Hour)
		d.step("web", "web-b", 0, 2)
		d.restart()
		time.Sleep(6 * time.Second)
		d.tells("is rolling out")
		d.restart()
		d.step("web", "web-b", 2, 4)
		d.step("web", "web-a", 4, 0)
		d.restart()
		time.Sleep(20 * time.Second)
		d.tells("was rolled out")
		time.Sleep(time.Hour)
		// What a list tells of a gap, in another order.
		d.step("web", "web-c", 2, 4, time.Minute)
		d.step("web", "web-b", 4, 0, time.Minute)
		d.step("api", "api-b", 3, 0, time.Minute)
		d.step("web", "web-c", 0, 2, 2*time.Minute)
		d.step("api", "api-c", 0, 3, 2*time.Minute)
		for range 3 {
			d.restart()
			time.Sleep(10 * time.Second)
			d.tells("web-a → web-b", "", "")
		}
		time.Sleep(5 * time.Hour)
		d.restart()
		time.Sleep(time.Minute)
		d.tells("web-a → web-b", "was rolled out in 1 m", "was rolled out in 1 m")
	})
}

// What had ended before anybody wanted to know is not told; what goes on is.
func TestRolloutsBeforeTheirVariable(t *testing.T) {
	t.Parallel()
	bubble(t, func(r *rig) {
		d := &deployments{rig: r}
		r.baseline()
		d.step("old", "old-a", 0, 4)
		d.step("web", "web-a", 0, 4)
		time.Sleep(time.Minute)
		d.step("old", "old-b", 0, 4)
		d.step("old", "old-a", 4, 0)
		d.step("web", "web-b", 0, 2)
		time.Sleep(time.Minute)
		r.alert.Rollouts = []string{"shop/*"}
		r.restart()
		time.Sleep(10 * time.Second)
		d.tells("shop/web is rolling out")
		r.alert.Rollouts = nil
		r.restart()
		time.Sleep(30 * time.Second)
		d.tells("the rollout of shop/web is no longer followed, it was at 2 of 4 new pods, 4 old")
	})
}

// A mute of a Deployment or of the cluster hides what ends meanwhile, and what goes on is told after it.
func TestMutedRollouts(t *testing.T) {
	t.Parallel()
	for scope, value := range map[wave.MuteScope]string{wave.MuteCluster: "", wave.MuteDeployment: "shop/web"} {
		t.Run(string(scope), func(t *testing.T) {
			rolloutBubble(t, func(d *deployments) {
				for _, name := range []string{"web", "api"} {
					d.step(name, name+"-a", 0, 4)
				}
				time.Sleep(time.Minute)
				if _, err := d.ledger.AddMute(d.t.Context(), wave.Mute{Request: "1", Cluster: "prod", Scope: scope, Value: value,
					By: "U1", ByName: "ada", At: time.Now(), Until: time.Now().Add(time.Hour)}); err != nil {
					d.t.Error(err)
				}
				for _, name := range []string{"web", "api"} {
					d.step(name, name+"-b", 0, 4)
					d.step(name, name+"-a", 4, 0)
				}
				time.Sleep(time.Minute)
				want := []string{"shop/api was rolled out"}
				if scope == wave.MuteCluster {
					want = nil
				}
				d.tells(want...)
				time.Sleep(50 * time.Minute)
				d.step("web", "web-c", 0, 1)
				time.Sleep(10 * time.Minute)
				d.tells(append(want, "1 of 4 new pods, 4 old")...)
				d.restart()
				time.Sleep(time.Minute)
				d.tells(append(want, "1 of 4 new pods, 4 old")...)
			})
		})
	}
}
