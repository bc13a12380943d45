package cluster

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// KWOK configures the player of kubelets.
type KWOK struct {
	// ReadyAfter is how long after its creation a node becomes ready; a node made with [ReadyAfter] has its own.
	// Zero means at once.
	ReadyAfter time.Duration
	// HeartbeatEvery is how often a node's conditions get new heartbeat times. Zero means five minutes, as kubelets do.
	HeartbeatEvery time.Duration
	// LeaseDuration is that of the nodes' leases, in whole seconds; they are renewed four times in it. Zero means 40 s.
	LeaseDuration time.Duration
	// PodStartAfter is how long after its scheduling a pod runs. Zero means at once.
	PodStartAfter time.Duration
}

//go:embed stages
var stages embed.FS

// StartKWOK runs KWOK until the test ends. It plays the kubelet of each node made with [OnKWOK] or [ReadyAfter]: the
// node becomes ready, a NodeReady event says so in the words of a kubelet, its lease is renewed, and pods scheduled on
// it start and stop with their events. A readiness that a test takes away with [Cluster.SetReady] stays away, while a
// node that the controller manager found Unknown is made ready again.
func (c *Cluster) StartKWOK(tb testing.TB, options KWOK) {
	tb.Helper()
	if options.HeartbeatEvery == 0 {
		options.HeartbeatEvery = 5 * time.Minute
	}
	if options.LeaseDuration == 0 {
		options.LeaseDuration = 40 * time.Second
	}
	path := filepath.Join(tb.TempDir(), "kwok.yaml")
	if err := os.WriteFile(path, []byte(options.stages()), 0o644); err != nil {
		tb.Fatalf("writing the KWOK stages: %v", err)
	}
	kubeconfig := c.Kubeconfig(tb, UserAdmin)
	c.startExtra(tb, kwok, func(port int) []string {
		return []string{
			"--config=" + path,
			"--kubeconfig=" + kubeconfig,
			"--manage-nodes-with-annotation-selector=" + kwokAnnotation + "=fake",
			"--node-lease-duration-seconds=" + strconv.Itoa(int(options.LeaseDuration/time.Second)),
			"--server-address=127.0.0.1:" + strconv.Itoa(port),
		}
	}, "http")
}

// StopKWOK silences all its nodes at once, as a failing network would: leases and heartbeats stop. Nothing is lost;
// another [Cluster.StartKWOK] brings the nodes back.
func (c *Cluster) StopKWOK() {
	c.process(kwok).kill()
}

// stages returns KWOK's configuration: our stage files with the durations filled in.
func (o KWOK) stages() string {
	entries, err := stages.ReadDir("stages")
	if err != nil {
		panic(err) // they are part of the program
	}
	fill := strings.NewReplacer(
		"READY_AFTER_MS", strconv.FormatInt(o.ReadyAfter.Milliseconds(), 10),
		"HEARTBEAT_MS", strconv.FormatInt(o.HeartbeatEvery.Milliseconds(), 10),
		"POD_START_MS", strconv.FormatInt(o.PodStartAfter.Milliseconds(), 10),
		"READY_AFTER_ANNOTATION", readyAfterAnnotation,
	)
	var all strings.Builder
	for _, entry := range entries {
		data, err := stages.ReadFile("stages/" + entry.Name())
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&all, "---\n%s", fill.Replace(string(data)))
	}
	return all.String()
}
