package wave

import (
	"testing"
	"time"

	"rollcall/internal/fleet"
)

func TestMuteMatches(t *testing.T) {
	n := fleet.Node{Cluster: "prod", Name: "n1", Pool: "batch", InstanceType: "m5.large"}
	for _, tc := range []struct {
		name string
		mute Mute
		want bool
	}{
		{"whole cluster", Mute{Cluster: "prod", Scope: MuteCluster}, true},
		{"other cluster", Mute{Cluster: "test", Scope: MuteCluster}, false},
		{"its pool", Mute{Cluster: "prod", Scope: MutePool, Value: "batch"}, true},
		{"other pool", Mute{Cluster: "prod", Scope: MutePool, Value: "batch-2"}, false},
		{"pool in other case", Mute{Cluster: "prod", Scope: MutePool, Value: "Batch"}, false},
		{"pool of another cluster", Mute{Cluster: "test", Scope: MutePool, Value: "batch"}, false},
		{"its type", Mute{Cluster: "prod", Scope: MuteType, Value: "m5.large"}, true},
		{"other type", Mute{Cluster: "prod", Scope: MuteType, Value: "m5.xlarge"}, false},
		{"no scope", Mute{Cluster: "prod", Value: "batch"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.mute.Matches(n); got != tc.want {
				t.Errorf("Matches = %v, want %v", got, tc.want)
			}
		})
	}
	if !(Mute{Cluster: "prod", Scope: MutePool}).Matches(fleet.Node{Cluster: "prod"}) {
		t.Error("nodes without a pool cannot be muted")
	}
}

func TestMuteActive(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	hour := Mute{At: at, Until: at.Add(time.Hour)}
	ended := hour
	ended.EndedAt = at.Add(20 * time.Minute)
	late := hour
	late.EndedAt = at.Add(2 * time.Hour) // ended by two people, or after it had run out
	for _, tc := range []struct {
		name  string
		mute  Mute
		after time.Duration
		want  bool
	}{
		{"before", hour, -time.Second, false},
		{"at once", hour, 0, true},
		{"within", hour, 59 * time.Minute, true},
		{"run out", hour, time.Hour, false},
		{"before it was ended", ended, 19 * time.Minute, true},
		{"ended", ended, 20 * time.Minute, false},
		{"an end after the end changes nothing", late, time.Hour, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.mute.Active(at.Add(tc.after)); got != tc.want {
				t.Errorf("Active = %v, want %v", got, tc.want)
			}
		})
	}
	if got := (Plan{Mute: map[int64]int64{1: 2}}).Empty(); got {
		t.Error("a plan that mutes is empty")
	}
}
