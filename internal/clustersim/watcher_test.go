package clustersim

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"rollcall/internal/fleet"
	"rollcall/internal/k8s"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
)

// The tests here let the program's own watcher and ledger watch the cluster.

const watched = "demo"

// patience is how long a test waits for what must come. None waits for it to pass.
const patience = 2 * time.Minute

// record watches the cluster at a URL into a new ledger, until the test ends. It returns when
// the nodes that are there are recorded.
func record(t *testing.T, c *Cluster, url string) *ledger.Ledger {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig(url))
	if err != nil {
		t.Fatal(err)
	}
	client, err := k8s.NewClient(config, "test")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- k8s.New(k8s.Config{Cluster: watched, Client: client, Store: l}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the watcher returned %v", err)
		}
		l.Close()
	})
	wait(t, c, l, func() string {
		cp, err := l.Checkpoint(t.Context(), watched)
		if err != nil || cp.BaselineAt.IsZero() || cp.EventsVersion == "" {
			return fmt.Sprintf("checkpoint %+v, %v", cp, err)
		}
		return ""
	})
	return l
}

// wait looks whenever the cluster or the ledger changes, and now and then, because the ledger
// does not tell of events, until there is nothing missing.
func wait(t *testing.T, c *Cluster, l *ledger.Ledger, missing func() string) {
	t.Helper()
	changed, stop := c.Changed()
	defer stop()
	updates, stopUpdates := l.Updates()
	defer stopUpdates()
	now := time.NewTicker(20 * time.Millisecond)
	defer now.Stop()
	limit := time.After(patience)
	for {
		m := missing()
		if m == "" {
			return
		}
		select {
		case <-changed:
		case <-updates:
		case <-now.C:
		case <-limit:
			t.Fatal(m)
		}
	}
}

// lived is what the cluster did, told as the ledger tells it: the steps per UID.
func lived(c *Cluster, start time.Time) map[string]string {
	out := map[string]string{}
	for _, l := range c.Lives() {
		var s []string
		if l.Created.After(start) {
			s = append(s, "joined")
			if !l.ReadyAt.IsZero() {
				s = append(s, "ready")
			}
		}
		for i := range l.Unready {
			s = append(s, "not_ready")
			if i < l.Recovered {
				s = append(s, "recovered")
			}
		}
		if !l.RemovedAt.IsZero() {
			s = append(s, "removed")
		}
		if len(s) > 0 {
			out[l.Name+" "+l.UID] = strings.Join(s, " ")
		}
	}
	return out
}

// toldBy is what the ledger has to tell.
func toldBy(t *testing.T, l *ledger.Ledger) map[string]string {
	t.Helper()
	todo, _, err := l.Todo(t.Context(), watched, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, td := range todo {
		k := td.Node.Name + " " + td.Node.UID
		out[k] = strings.TrimSpace(out[k] + " " + string(td.Change.Kind))
	}
	return out
}

// TestWatchedDay holds that nothing of a day is lost and nothing invented, although the API goes
// away in it.
func TestWatchedDay(t *testing.T) {
	start := time.Now()
	c := New(Config{Seed: 14, DayLength: 100 * time.Second, Day: 40, Burst: 40})
	c.SetSpeed(maxSpeed)
	server := httptest.NewServer(c)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	l := record(t, c, server.URL)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	defer func() { cancel(); <-done }()

	phase, late := "", false
	wait(t, c, l, func() string {
		was := phase
		if phase = c.State().Phase; phase == was {
			return phase + " goes on"
		}
		switch phase {
		case phaseBurst:
			c.StopAPI(time.Second)
		case phaseConsolidation:
			c.StopAPI(500 * time.Millisecond)
		case phaseAfternoon:
			c.StopAPI(0)
		case phaseEvening:
			c.FailNode()
			c.DeleteNodes(2)
		case phaseNight:
			late = true
		case phaseMorning, phaseDay:
			if late {
				c.SetPaused(true)
				return ""
			}
			c.StopAPI(200 * time.Millisecond)
		}
		return phase
	})
	wait(t, c, l, func() string {
		for _, life := range c.Lives() {
			if life.RemovedAt.IsZero() && life.Unready != life.Recovered {
				return life.Name + " has not recovered"
			}
		}
		return cmp.Diff(lived(c, start), toldBy(t, l))
	})
	todo, _, err := l.Todo(t.Context(), watched, 1_000_000)
	if err != nil || len(todo) < 3*(28+40) {
		t.Errorf("%d changes in a day, %v", len(todo), err)
	}
	if s := c.State(); s.Joined < 28+40 || s.Removed < 28+40 {
		t.Errorf("the day was short: %+v", s)
	}
	// Events too.
	wait(t, c, l, func() string {
		counts := map[string]int{}
		for more, at := true, (query.EventCursor{}); more; {
			page, err := l.Events(t.Context(), watched, query.EventFilter{Scaling: true, Since: start.Add(-time.Hour)}, at,
				5000)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				counts[e.UID] = e.Count
			}
			more, at = page.More, page.Older
		}
		there := c.events()
		for _, e := range there {
			if want := max(1, int(e.DeprecatedCount)); toFleet(e).Scaling() && counts[string(e.UID)] < want {
				return fmt.Sprintf("event %s %s: the ledger has count %d, want %d", e.Name, e.Note, counts[string(e.UID)], want)
			}
		}
		scaling, other, err := l.EventCounts(t.Context(), watched, start.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if scaling+other != len(there) {
			return fmt.Sprintf("the ledger has %d events, want %d", scaling+other, len(there))
		}
		return ""
	})
	gaps, err := l.Gaps(t.Context(), watched, start)
	for _, g := range gaps {
		if g.Missed {
			t.Errorf("gap %+v, although history reaches over it", g)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// TestStartedAnew holds that a ledger which is kept takes the nodes of a cluster that is started
// anew, with the same seed, for new ones, and those of its predecessor for gone.
func TestStartedAnew(t *testing.T) {
	start := time.Now()
	var c atomic.Pointer[Cluster]
	old := New(Config{Token: "t", Seed: 1})
	c.Store(old)
	server := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.Load().ServeHTTP(w, r) }))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	l := record(t, old, server.URL)
	anew := New(Config{Token: "t", Seed: 1})
	c.Store(anew)
	old.StopAPI(time.Hour)
	wait(t, anew, l, func() string {
		got := map[string]int{}
		for _, steps := range toldBy(t, l) {
			got[steps]++
		}
		return cmp.Diff(map[string]int{"removed": 12, "joined ready": 12}, got)
	})
	known, err := l.KnownNodes(t.Context(), watched)
	if err != nil {
		t.Fatal(err)
	}
	for _, life := range anew.Lives() {
		if k, ok := known[life.UID]; !ok || k.Status != fleet.Ready || life.Created.After(start) {
			t.Errorf("%+v is known as %+v", life, k)
		}
	}
}
