package clustersim

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"
)

// DefaultDayLength is how long a simulated day lasts if nobody says.
const DefaultDayLength = 5 * time.Minute

// Config is how a cluster is. The zero value is the demo's, with a token that nobody else knows.
type Config struct {
	Name      string        // of the cluster in its kubeconfig; "" means "demo"
	Token     string        // the bearer token that the API takes; "" means a random one, see Kubeconfig
	Seed      uint64        // of the story's chance: the same seed tells the same story
	DayLength time.Duration // how long a simulated day lasts at speed 1; 0 means DefaultDayLength, the shortest is 1 s
	// Night and Day are how many nodes there are at night and by day, Burst how many more join
	// around noon; 0 means 12, 60 and 200.
	Night, Day, Burst int
	Logger            *slog.Logger // nil: nothing is logged

	mishaps mishaps // of tests
	calm    bool    // the same: nothing waits for long, nothing keeps nodes, and none is replaced again and again
}

const (
	// systemNodes is how many nodes the managed base has, but no more than half of the night's.
	systemNodes = 3
	// maxNodes bounds the cluster, whoever asks for more.
	maxNodes = 1500
	// sweepEvery is how often what has had its time is removed.
	sweepEvery = 10 * time.Second
	// startDelay is when after the start the first day begins, with a node that joins however
	// long the day is.
	startDelay = time.Second
	// ticks is how often a day the clock of State moves for those who wait for changes.
	ticks = 288
)

// Cluster is a simulated cluster: an http.Handler that is its API server, and a story that Run
// plays. All methods are safe for concurrent use.
type Cluster struct {
	config        Config
	log           *slog.Logger
	store         *store
	nodeResource  endpoint
	eventResource endpoint
	outage        outage
	wake          chan struct{} // Run has to look at its queues again

	mu sync.Mutex // guards everything below: the story

	// day is what the day brings, hand what a person asked for, wall what goes on in real time
	// whatever the speed.
	day, hand, wall line
	running, paused bool
	speed           float64

	ids      *rand.Rand // UIDs
	recorder *recorder
	nodes    []*node // launching and alive, in the order of their coming
	phase    string
	bursts   int
	dayBurst string          // the group of the day's last burst
	over     map[string]bool // groups that have been told to leave
	coming   map[string]int  // nodes per group that pods wait for and no claim is there yet

	full    map[*pool]bool     // pools that are at their limits,
	refused map[*pool][]wanted // and the nodes that are wanted of them
	waiting map[types.UID]*Wait
	waits   []*Wait // in the order of their beginning
	keeps   []*Keep // the same of what keeps nodes

	web, checkout, search, inference, render, report, runner, encode, ranking *workload

	api rolling // the Deployment that is rolled out

	agent, groupStatus reference // the DaemonSet that has a pod on every node; the Cluster Autoscaler's ConfigMap

	nominations bucket               // what Karpenter may still write of pods
	held        map[string]time.Time // by an event's name, until when its last version was held back; see mishaps

	lives           []*life // in the order of joining
	ended           int     // how many of lives are over
	joined, removed int
	dirty           bool // State has changed since the last notification
	subscribers     map[chan struct{}]struct{}
}

// New returns a cluster with the nodes of its night, which stands still until Run. It starts no
// goroutine.
func New(config Config) *Cluster {
	config.Name = cmp.Or(config.Name, "demo")
	config.Token = cmp.Or(config.Token, crand.Text())
	config.DayLength = max(time.Second, cmp.Or(config.DayLength, DefaultDayLength))
	config.Night = cmp.Or(max(0, config.Night), 12)
	config.Day = max(cmp.Or(max(0, config.Day), 60), config.Night)
	config.Burst = cmp.Or(max(0, config.Burst), 200)
	now := time.Now()
	c := &Cluster{
		config: config,
		log:    cmp.Or(config.Logger, slog.New(slog.DiscardHandler)),
		// Microseconds: no cluster makes a version as often, so one that is started anew begins
		// after the last one that its predecessor gave.
		store:       newStore(uint64(now.UnixMicro()), defaultLimits),
		outage:      outage{ch: make(chan struct{})},
		wake:        make(chan struct{}, 1),
		speed:       1,
		phase:       phaseMorning,
		ids:         rand.New(rand.NewPCG(config.Seed, uint64(now.UnixNano()))),
		subscribers: map[chan struct{}]struct{}{},
		over:        map[string]bool{},
		coming:      map[string]int{},
		full:        map[*pool]bool{},
		refused:     map[*pool][]wanted{},
		waiting:     map[types.UID]*Wait{},
		held:        map[string]time.Time{},
	}
	for i, l := range []*line{&c.day, &c.hand, &c.wall} {
		l.since, l.rand = now, rand.New(rand.NewPCG(config.Seed, uint64(i)))
	}
	c.nodeResource = endpoint{name: "nodes", table: c.store.nodes, fields: nodeFields, bookmarks: bookmarkEvery}
	c.eventResource = endpoint{name: "events", group: eventsv1.GroupName, table: c.store.events, fields: eventFields}
	c.recorder = newRecorder(c.publish, c.uid, c.real)
	c.nominations = bucket{nominateBurst, now}
	c.newWorkloads()
	c.populate(now)
	return c
}

// Run plays the story until ctx ends, and returns nil then. It may be called once.
func (c *Cluster) Run(ctx context.Context) error {
	c.mu.Lock()
	c.running = true
	c.setRates()
	c.day.at(startDelay, func() { c.begin(0) })
	c.sweep()
	c.tick()
	c.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			c.mu.Lock()
			c.running = false
			c.setRates()
			c.mu.Unlock()
			return nil
		case <-timer.C:
		case <-c.wake:
		}
		if next, ok := c.advance(); ok {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
	}
}

// advance takes every step that is due, and returns when the next one is.
func (c *Cluster) advance() (next time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.notify()
	for {
		var first *line
		for _, l := range []*line{&c.day, &c.hand, &c.wall} {
			if at, there := l.next(); there && (first == nil || at.Before(next)) {
				first, next = l, at
			}
		}
		if first == nil {
			return time.Time{}, false
		}
		if next.After(time.Now()) {
			return next, true
		}
		first.take()
	}
}

// setRates lets the clocks run as speed and pause say.
func (c *Cluster) setRates() {
	now := time.Now()
	day, hand, wall := c.speed, c.speed, 1.0
	if c.paused {
		day = 0
	}
	if !c.running {
		day, hand, wall = 0, 0, 0
	}
	c.day.setRate(now, day)
	c.hand.setRate(now, hand)
	c.wall.setRate(now, wall)
}

// sweep keeps memory bounded.
func (c *Cluster) sweep() {
	now := time.Now()
	c.store.sweep(now)
	c.recorder.sweep(now)
	c.wall.after(sweepEvery, c.sweep)
}

// tick tells those who wait for changes that the clock has moved.
func (c *Cluster) tick() {
	c.dirty = true
	c.day.after(c.config.DayLength/ticks, c.tick)
}

// put stores another version of a node, and keeps its life's account.
func (c *Cluster) put(n *node, o *corev1.Node) {
	now := time.Now()
	was := n.ready()
	n.obj = o
	if n.life == nil {
		n.life = &life{Life: Life{Name: o.Name, UID: string(o.UID), Created: now, Came: n.came}, scaled: n.scaled}
		c.lives = append(c.lives, n.life)
	}
	if is := n.ready(); is != was {
		n.life.turned(is, now)
	}
	c.store.put(o, now)
	c.dirty = true
}

// remove deletes a node, and ends its life's account.
func (c *Cluster) remove(n *node) {
	c.store.remove(n.obj)
	n.stage = gone
	n.unkeep()
	n.life.RemovedAt, n.life.Went = time.Now(), n.went
	c.removed++
	c.ended++
	c.trimLives()
	c.forget(n)
	c.dirty = true
}

func (c *Cluster) forget(n *node) {
	c.nodes = slices.DeleteFunc(c.nodes, func(o *node) bool { return o == n })
}
