package demo

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"rollcall/internal/clustersim"
	"rollcall/internal/slackemu"
	"rollcall/internal/slackemu/page"
)

// notifier tells the panel's readers that something changed.
type notifier struct {
	mu   sync.Mutex
	subs map[chan struct{}]bool
}

func (n *notifier) subscribe() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.subs[ch] = true
	return ch, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.subs, ch)
	}
}

func (n *notifier) all() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for ch := range n.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// faults are the troubles that last a while and end by themselves.
type faults struct {
	changed func()
	mu      sync.Mutex
	until   map[string]time.Time // by control; guarded by mu
	end     map[string]func()
	wake    chan struct{}
}

// How long the troubles last.
const (
	apiOutage   = time.Minute
	slackOutage = time.Minute
	limitStorm  = 30 * time.Second
	poolFull    = 2 * time.Minute
	nodesKept   = 2 * time.Minute
)

func newFaults(d *demo) *faults {
	return &faults{changed: d.notify.all, until: map[string]time.Time{}, end: map[string]func(){},
		wake: make(chan struct{}, 1)}
}

// toggle begins a trouble that ends after d, or ends it now if it is on.
func (f *faults) toggle(name string, d time.Duration, begin func() (end func())) {
	f.mu.Lock()
	end, on := f.end[name]
	if on {
		delete(f.end, name)
		delete(f.until, name)
	} else {
		f.end[name], f.until[name] = begin(), time.Now().Add(d)
	}
	f.mu.Unlock()
	if on {
		end()
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
	f.changed()
}

// left is how long a trouble still lasts, 0 if it is off.
func (f *faults) left(name string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(0, time.Until(f.until[name]))
}

// run ends what is over, and shows each second what is left.
func (f *faults) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		case <-tick.C:
		}
		f.mu.Lock()
		var over []func()
		for name, at := range f.until {
			if !time.Now().Before(at) {
				over = append(over, f.end[name])
				delete(f.end, name)
				delete(f.until, name)
			}
		}
		f.mu.Unlock()
		for _, end := range over {
			end()
		}
		f.changed() // the seconds that are left, and the age of the bot
	}
}

// speeds that the panel offers.
var speeds = []float64{0.25, 0.5, 1, 2, 5, 10}

// burstNodes and deletedNodes are what one press of a control does.
const (
	burstNodes   = 200
	deletedNodes = 3
)

// do carries out a control of the panel.
func (d *demo) do(_ context.Context, control, value string) error {
	defer d.notify.all()
	if d.sim != nil {
		switch control {
		case "burst":
			d.sim.Burst(burstNodes)
			return nil
		case "fail":
			if _, ok := d.sim.FailNode(); !ok {
				return fmt.Errorf("no node is ready just now: there is none to fail")
			}
			return nil
		case "delete":
			if len(d.sim.DeleteNodes(deletedNodes)) == 0 {
				return fmt.Errorf("there is no node to delete")
			}
			return nil
		case "rollout":
			if !d.sim.RollOut() {
				return fmt.Errorf("a rollout goes on just now; press again when it is over")
			}
			return nil
		case "pause":
			d.sim.SetPaused(value == "on")
			return nil
		case "speed":
			x, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return fmt.Errorf("%q is no speed; choose one of the list", value)
			}
			d.sim.SetSpeed(x)
			return nil
		case "full":
			d.faults.toggle("full", poolFull, func() func() {
				d.sim.ReachLimit(poolFull)
				return d.sim.RaiseLimit
			})
			return nil
		case "keep":
			d.faults.toggle("keep", nodesKept, func() func() {
				d.sim.KeepNodes(nodesKept)
				return d.sim.LetGo
			})
			return nil
		case "api":
			d.faults.toggle("api", apiOutage, func() func() {
				d.sim.StopAPI(apiOutage)
				return func() { d.sim.StopAPI(0) }
			})
			return nil
		}
	}
	switch control {
	case "outage":
		d.faults.toggle("outage", slackOutage, func() func() {
			d.slack.SetOutage(slackemu.Outage503)
			d.slack.RefuseSockets(true)
			d.slack.DropSockets()
			return func() {
				d.slack.SetOutage(slackemu.OutageOff)
				d.slack.RefuseSockets(false)
			}
		})
	case "limit":
		d.faults.toggle("limit", limitStorm, func() func() {
			return d.slack.Inject(slackemu.Rule{Fault: slackemu.RateLimited(5)})
		})
	case "webhook":
		if d.receiver == nil {
			return fmt.Errorf("the webhook is not the demo's own")
		}
		d.faults.toggle("webhook", webhookOutage, d.failWebhook)
	case "kill":
		if !d.bot.kill() {
			return fmt.Errorf("the bot does not run just now; it starts again by itself")
		}
	default:
		return fmt.Errorf("there is no control %q", control)
	}
	return nil
}

// panel is the panel's state.
func (d *demo) panel() page.PanelState {
	p := page.PanelState{Title: "Real cluster", Phase: "Rollcall only reads it; Slack is emulated"}
	var sim clustersim.State
	if d.sim != nil {
		sim = d.sim.State()
		p.Title, p.Clock, p.Phase = "Simulated cluster", sim.Clock, sim.Phase
		p.Controls = d.clusterControls(sim)
	}
	if d.receiver != nil {
		p.Controls = append(p.Controls, d.timed("Webhook", "webhook", "The receiver is broken",
			"It answers 500 for a minute. Slack is told all the same, and the receiver gets what it has missed, in order."))
		p.Lists = append(p.Lists, d.deliveries())
	}
	p.Controls = append(p.Controls,
		d.timed("Slack", "outage", "Slack is down",
			"Every call is answered 503 and every connection is lost, for a minute. What happens meanwhile is told "+
				"afterwards, in one message if it lasts."),
		d.timed("Slack", "limit", "Slack limits every call",
			"Every call is answered 429 with Retry-After, for half a minute."),
		page.Control{ID: "kill", Group: "Rollcall", Kind: page.KindButton, Label: "kill -9 the bot",
			Help: "Kills the bot's process and starts it again three seconds later. Nothing is lost and nothing is told " +
				"twice: watch the counters."})
	p.Counters = d.counters(sim)
	return p
}

func (d *demo) clusterControls(sim clustersim.State) []page.Control {
	speed := page.Control{ID: "speed", Group: "Time", Kind: page.KindSelect, Label: "Speed", Value: format(sim.Speed),
		Help: "At 1× a day takes five minutes."}
	for _, x := range speeds {
		speed.Options = append(speed.Options, page.Option{Value: format(x), Label: format(x) + "×"})
	}
	paused := page.Control{ID: "pause", Group: "Time", Kind: page.KindToggle, Label: "Pause", Value: "off",
		Help: "The simulated day stands still; Rollcall does not."}
	if sim.Paused {
		paused.Value = "on"
	}
	button := func(id, label, help string) page.Control {
		return page.Control{ID: id, Group: "Cluster", Kind: page.KindButton, Label: label, Help: help}
	}
	return []page.Control{speed, paused,
		button("burst", fmt.Sprintf("Burst of %d nodes", burstNodes),
			"An autoscaler adds nodes as fast as it can: one message grows."),
		button("fail", "Fail a node", "A node's kubelet stops posting its status, and recovers after a while."),
		button("delete", fmt.Sprintf("Delete %d nodes", deletedNodes),
			"As kubectl delete node would, without an autoscaler's events."),
		button("rollout", "Roll out a Deployment",
			"payments/api gets another image: one message says how far it is. Every other time the new pods fail, and it is "+
				"rolled back after a while."),
		d.timed("Cluster", "full", "Reach the pool's limit",
			"The pool general may not grow for two minutes, and four nodes more are wanted. After a minute it is told that "+
				"pods wait and why; /nodes waiting knows it at once."),
		d.timed("Cluster", "keep", "Keep a node",
			"Two nodes are kept by a PodDisruptionBudget for two minutes, and one by a pod with do-not-disrupt. "+
				"/nodes kept knows it at once, a message tells it after 40 seconds, and then Karpenter ends them."),
		d.timed("Cluster", "api", "API server is down",
			"Watches break and nothing can be read, for a minute. The cluster's life goes on."),
	}
}

func format(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// timed is the toggle of a trouble.
func (d *demo) timed(group, id, label, help string) page.Control {
	c := page.Control{ID: id, Group: group, Kind: page.KindToggle, Label: label, Value: "off", Help: help}
	if left := d.faults.left(id); left > 0 {
		c.Value, c.Note = "on", seconds(left)+" left"
	}
	return c
}

func seconds(d time.Duration) string {
	return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
}

// counters compare the cluster with the channel, and show how Slack is called.
func (d *demo) counters(sim clustersim.State) []page.Counter {
	var lives map[string]int
	var truth []clustersim.Life
	ever, gone := 0, 0
	if d.sim != nil {
		lives, truth = map[string]int{}, d.sim.Lives()
		for _, l := range truth {
			lives[l.Name]++
		}
		ever, gone = sim.Joined, sim.Removed
	}
	t := d.tally.sum(lives)
	var cs []page.Counter
	add := func(id, label, value, note string, good *bool) {
		cs = append(cs, page.Counter{ID: id, Label: label, Value: value, Note: note, Good: good})
	}
	number := func(id, label string, n int, note string) { add(id, label, strconv.Itoa(n), note, nil) }
	if d.sim != nil {
		number("alive", "Nodes in the cluster", sim.Alive, fmt.Sprintf("%d ready", sim.Ready))
	}
	switch {
	case d.sim == nil:
		number("told", "Nodes by the channel", t.Alive, "")
	case !t.Based && t.Joined == 0:
		add("told", "Nodes told in the channels", "–", "nothing told yet", nil)
	case t.Muted:
		add("told", "Nodes told in the channels", strconv.Itoa(max(0, t.Alive)), "alerts are muted", nil)
	default:
		kept, note := d.late.judge("told", t.Alive == sim.Alive, "the same", "on its way")
		add("told", "Nodes told in the channels", strconv.Itoa(t.Alive), note, kept)
	}
	if d.sim != nil && t.Based {
		quiet := t.KeptJoined + t.KeptRemoved
		waiting := max(0, ever-t.Baseline-t.Joined-t.KeptJoined) + max(0, gone-t.Removed-t.KeptRemoved)
		if t.Muted {
			add("untold", "Joins and removals not told", strconv.Itoa(waiting), "alerts are muted", nil)
		} else {
			kept, note := d.late.judge("untold", waiting == 0, "nothing is lost", "on its way")
			add("untold", "Joins and removals not told", strconv.Itoa(waiting), note, kept)
		}
		if quiet > 0 {
			number("quiet", "Kept quiet by mutes", quiet, "joins and removals")
		}
		once, note := t.Twice == 0, "nothing is told twice"
		if !once {
			note = "told more than once"
		}
		add("twice", "Told twice", strconv.Itoa(t.Twice), note, &once)
	}
	if d.sim != nil {
		told, wrong := d.tally.causes(truth)
		kept, note := wrong == 0, "none is false"
		if !kept {
			note = fmt.Sprintf("%d false", wrong)
		}
		add("causes", "Causes told", strconv.Itoa(told), note, &kept)
	}
	number("joined", "Joined, as told", t.Joined, "")
	number("removed", "Left, as told", t.Removed, "")
	number("messages", "Messages", t.Messages, fmt.Sprintf("%d edits", t.Edits))

	calls, limited, failed := 0, 0, 0
	for method, c := range d.slack.Counts() {
		if method == slackemu.MethodSocket {
			continue
		}
		calls += c.Calls
		limited += c.RateLimited
		failed += c.Calls - c.OK - c.RateLimited
	}
	number("calls", "Slack calls", calls, "")
	number("limited", "answered 429", limited, "")
	number("failed", "failed otherwise", failed, "")

	if d.receiver != nil {
		cs = append(cs, d.webhookCounters()...)
	}
	b := d.bot.state()
	switch {
	case b.PID == 0 && b.Trouble != "":
		no := false
		add("bot", "Bot", "stopped", b.Trouble, &no)
	case b.PID == 0:
		no := false
		add("bot", "Bot", "killed", "starts in "+seconds(max(0, time.Until(b.NextAt))), &no)
	default:
		up := d.slack.Connected() > 0
		note := "connected to Slack"
		if !up {
			note = "not connected to Slack"
		}
		add("bot", "Bot", fmt.Sprintf("process %d", b.PID), note, &up)
	}
	number("kills", "Kills", b.Kills, "")
	return cs
}

// patience is how long the channel may be behind the cluster before that counts as a fault:
// longer than any trouble of the panel lasts.
const patience = 2 * time.Minute

// late remembers since when something is not as it should be.
type late struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// judge says whether a promise is kept: yes, not yet (nil), or no.
func (l *late) judge(promise string, kept bool, yes, notYet string) (*bool, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if kept {
		delete(l.since, promise)
		return &kept, yes
	}
	if l.since == nil {
		l.since = map[string]time.Time{}
	}
	if l.since[promise].IsZero() {
		l.since[promise] = time.Now()
	}
	if late := time.Since(l.since[promise]); late > patience {
		return &kept, "behind for " + seconds(late)
	}
	return nil, notYet
}
