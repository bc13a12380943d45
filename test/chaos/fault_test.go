package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"rollcall/internal/slackemu"
	"rollcall/internal/webhook/receiver"
	"rollcall/test/cluster"
)

func typesUID(s string) types.UID { return types.UID(s) }

// beginFault notes that a kind of fault begins, and returns what ends it: "people" is between the
// program and people, "api" between it and the API server, "disk" and "stop" are their own.
func (e *episode) beginFault(kinds ...string) (end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	index := map[string]int{}
	for _, k := range kinds {
		index[k] = len(e.spans[k])
		e.spans[k] = append(e.spans[k], span{from: time.Now()})
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for k, i := range index {
			e.spans[k][i].until = time.Now()
		}
	}
}

// faulty says whether a fault of a kind lasts.
func (e *episode) faulty(kind string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.spans[kind] {
		if s.until.IsZero() {
			return true
		}
	}
	return false
}

// disturbed counts what has come between the program and people so far.
func (e *episode) disturbed() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.spans["people"])
}

// lasting begins something that ends by itself after a while, or with the trouble's lane.
func (e *episode) lasting(d time.Duration, end func(), kinds ...string) {
	over := e.beginFault(kinds...)
	e.loose.Go(func() {
		select {
		case <-time.After(d):
		case <-e.ctx.Done():
		}
		end()
		over()
	})
}

// act takes a step of the trouble's lane.
func (e *episode) act(s Step) error {
	count := string(s.Kind)
	switch s.Kind {
	case Kill:
		e.kill(s)
		return nil
	case Term:
		e.beginFault("people")()
		e.bot.end(syscall.SIGTERM, 0)
	case Stop:
		p, _, _ := e.bot.running()
		if p == nil || p.Signal(syscall.SIGSTOP) != nil {
			return nil
		}
		e.lasting(s.For, func() { p.Signal(syscall.SIGCONT) }, "people", "stop")
	case APIKill, Forget:
		return e.restartAPI(s)
	case Compact:
		if e.call(func(ctx context.Context) error { _, err := e.cluster.Compact(ctx); return err }) != nil {
			return nil
		}
	case Cut:
		e.beginFault("api")()
		e.proxy.Cut()
	case Stall:
		e.proxy.Stall()
		e.lasting(s.For, e.proxy.Flow, "api")
	case Slow:
		e.proxy.Slow(20*time.Millisecond, s.N)
		e.lasting(s.For, func() { e.proxy.Slow(0, 0) }, "api")
	case Refuse:
		e.proxy.Refuse()
		e.proxy.Cut()
		e.lasting(s.For, func() {
			if err := e.proxy.Accept(); err != nil {
				e.fail(err)
			}
		}, "api")
	case Lose:
		if !e.lose(s.For) {
			return nil
		}
	case Starve:
		if !e.starve(s.N, s.For) {
			return nil
		}
	case Rollout:
		if !e.until(15*time.Second, e.told) { // what was rolled out before the first start nobody wants to know
			return nil
		}
		e.loose.Go(func() { e.rollOut(s.N, s.What == "back") })
	case Impostor:
		if !e.told() {
			return nil // what is there at the very first start, nobody can doubt
		}
		e.proxy.Divert(e.impostors[s.What])
		e.proxy.Cut()
		e.lasting(s.For, func() { e.proxy.Divert(""); e.proxy.Cut() }, "api")
		count += " " + s.What
	case Slack:
		if err := e.spoil(s); err != nil {
			return err
		}
		count += " " + s.What[strings.IndexByte(s.What, '/')+1:]
	case Outage:
		kind := slackemu.Outage503
		if s.What == "closed" {
			kind = slackemu.OutageClosed
		}
		e.slack.SetOutage(kind)
		e.lasting(s.For, func() { e.slack.SetOutage(slackemu.OutageOff) }, "people")
	case Webhook:
		e.receiver.Fail(receiver.Fault(s.What), s.N)
		count += " " + s.What
	case Sockets:
		e.sockets(s)
		count += " " + s.What
	case Restore:
		return e.restore(s)
	case Notes:
		e.notes(s.N)
	case Move:
		if !e.move(s.For) {
			return nil
		}
	case Reroute:
		if !e.reroute(s.For) {
			return nil
		}
	case Second:
		if err := e.second(s); err != nil {
			return err
		}
		count += " " + s.What
	case DiskFull:
		if e.disk == "" {
			e.count("disk (left out)", 1)
			return nil
		}
		if err := e.fill(s.For); err != nil {
			return err
		}
	case Clock:
		if !clocked {
			e.count("clock (left out)", 1)
			return nil
		}
		if err := e.clock.set(e.clock.offset + s.For); err != nil {
			return err
		}
	}
	e.count(count, 1)
	e.count("faults", 1)
	return nil
}

// lose takes the API server away from the program for so long that it has to tell people, if nothing else is wrong
// with it and if it has told of the cluster at all. Nothing else goes wrong meanwhile but what has begun before.
func (e *episode) lose(d time.Duration) bool {
	if !e.until(15*time.Second, func() bool { return !e.faulty("api") && !e.faulty("stop") && e.told() }) {
		return false
	}
	over := e.beginFault("api")
	e.proxy.Refuse()
	e.proxy.Cut()
	e.sleep(d)
	if err := e.proxy.Accept(); err != nil {
		e.fail(err)
	}
	over()
	e.mu.Lock()
	e.losses++
	e.mu.Unlock()
	return true
}

// starve lets pods wait for which an autoscaler makes no node, and then gives them nodes that are there. Nothing else
// goes wrong meanwhile but what has begun before.
func (e *episode) starve(pods int, d time.Duration) bool {
	if !e.until(15*time.Second, func() bool { return !e.faulty("api") && !e.faulty("stop") && e.told() }) {
		return false
	}
	e.mu.Lock()
	pool := fmt.Sprintf("starved-%d", e.starved)
	e.starved++
	e.mu.Unlock()
	say := func(component, reason, note string) {
		for i := range pods {
			name := fmt.Sprintf("%s-5d4f-%d", pool, i)
			on := corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: name, UID: typesUID("pod of " + name)}
			event := cluster.NewEvent(component, on, corev1.EventTypeWarning, reason, note)
			for range 5 { // the API server may have been killed just now
				if e.call(func(ctx context.Context) error { _, err := e.cluster.EmitEvent(ctx, event); return err }) == nil {
					break
				}
				e.sleep(time.Second)
			}
		}
	}
	say("default-scheduler", "FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu.")
	say("karpenter", "FailedScheduling", "Failed to schedule pod, all available instance types exceed limits for nodepool "+
		"(NodePool="+pool+")")
	e.sleep(d)
	say("default-scheduler", "Scheduled", "Successfully assigned default/POD to a-node")
	return true
}

// rolled is a rollout of a Deployment.
type rolled struct {
	name string
	back bool
	over bool // its last event is in the cluster
}

// rollOut lets a Deployment's controller say that it is rolled out, a third of its pods after another, or one third and
// then back. It has two pods at least.
func (e *episode) rollOut(pods int, back bool) {
	e.mu.Lock()
	i := len(e.rollouts)
	name := fmt.Sprintf("rolled-%d", i)
	e.rollouts = append(e.rollouts, rolled{name: name, back: back})
	e.mu.Unlock()
	on := corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: name,
		UID: typesUID("deployment " + name)}
	resize := func(set string, from, to int) {
		if from == to || e.ctx.Err() != nil {
			return
		}
		word := "up"
		if to < from {
			word = "down"
		}
		event := cluster.NewEvent("deployment-controller", on, corev1.EventTypeNormal, "ScalingReplicaSet",
			fmt.Sprintf("Scaled %s replica set %s-%s from %d to %d", word, name, set, from, to))
		for e.ctx.Err() == nil {
			err := e.call(func(ctx context.Context) error { _, err := e.cluster.EmitEvent(ctx, event); return err })
			if err == nil || apierrors.IsAlreadyExists(err) {
				break
			}
			e.sleep(300 * time.Millisecond)
		}
		e.sleep(400 * time.Millisecond)
	}
	part := (pods + 2) / 3
	for old := pods; old > 0; old -= part {
		done := pods - old
		resize("new", done, min(done+part, pods))
		resize("old", old, max(old-part, 0))
		if back {
			resize("new", part, 0)
			resize("old", old-part, pods)
			break
		}
	}
	e.mu.Lock()
	e.rollouts[i].over = e.ctx.Err() == nil
	e.mu.Unlock()
}

// kill kills the program at the moment that a step names, or at any if that does not come.
func (e *episode) kill(s Step) {
	const patience = 1500 * time.Millisecond
	moment := make(chan struct{}, 1)
	rule := slackemu.Rule{Times: 1, Where: func(slackemu.Call) bool {
		select {
		case moment <- struct{}{}:
		default:
		}
		return true
	}}
	wait := func(c <-chan struct{}, then time.Duration) {
		select {
		case <-c:
			time.Sleep(then)
		case <-time.After(patience):
		case <-e.ctx.Done():
		}
	}
	switch s.What {
	case beforePost:
		rule.Method, rule.Fault = "chat.postMessage", slackemu.Slow(200*time.Millisecond)
	case afterPost:
		rule.Method, rule.Fault = "chat.postMessage", slackemu.HangUp().AfterEffect()
	case atEdit:
		rule.Method, rule.Fault = "chat.update", slackemu.HangUp().AfterEffect()
	case atNode:
		select {
		case <-e.born: // an old one
		default:
		}
		wait(e.born, time.Duration(s.Wait%10)*time.Millisecond)
	case atEvent:
		wait(e.receiver.Changed(), time.Duration(s.Wait%3)*time.Millisecond)
	}
	if rule.Method != "" {
		remove := e.slack.Inject(rule)
		wait(moment, 20*time.Millisecond)
		defer remove()
	}
	over := e.beginFault("people")
	e.bot.end(syscall.SIGKILL, s.For)
	over()
	e.count("kills", 1)
	if s.What != anyMoment {
		e.count("kills "+s.What, 1)
	}
}

// spoil makes calls to Slack go wrong.
func (e *episode) spoil(s Step) error {
	method, what, _ := strings.Cut(s.What, "/")
	if e.blind && (what == "edit_window_closed" || strings.HasSuffix(what, "late")) {
		// What the last edit said, if its answer was lost, and what Slack carried out late, only the channel tells.
		return nil
	}
	what, after := strings.CutSuffix(what, "+after")
	faults := map[string]slackemu.Fault{
		"429": slackemu.RateLimited(1), "429-bare": slackemu.RateLimitedNoHeader(), "500": slackemu.ServerError(),
		"502": slackemu.BadGateway(), "503": slackemu.Unavailable(), "hang": slackemu.HangUp(),
		"cut":  slackemu.CutConnection(),
		"slow": slackemu.Slow(2 * time.Second), "internal_error": slackemu.Refuse("internal_error"),
		"429-day": slackemu.RateLimited(86_400), "never_heard_of_it": slackemu.Refuse("never_heard_of_it"),
		"edit_window_closed": slackemu.Refuse("edit_window_closed"),
		"late":               slackemu.HangUp().CarriedOutLate(s.For), "500-late": slackemu.ServerError().CarriedOutLate(s.For),
	}
	fault, ok := faults[what]
	if !ok {
		return fmt.Errorf("there is no fault %q", what)
	}
	if after {
		fault = fault.AfterEffect()
	}
	remove := e.slack.Inject(slackemu.Rule{Method: method, Times: s.N, Fault: fault, Where: func(c slackemu.Call) bool {
		if fault.Late > 0 {
			e.mu.Lock()
			e.lateUntil = later(e.lateUntil, c.At.Add(fault.Late+time.Second))
			e.mu.Unlock()
		}
		select {
		case e.struck <- struct{}{}:
		default:
		}
		return true
	}})
	if method == slackemu.MethodResponseURL || method == "apps.connections.open" {
		e.lasting(5*time.Second, remove, "people")
	}
	return nil
}

// sockets disturbs the program's connections from Slack.
func (e *episode) sockets(s Step) {
	switch s.What {
	case "refresh", "warning":
		e.lasting(time.Second, func() {}, "people")
		e.slack.Disconnect(map[string]string{"refresh": slackemu.ReasonRefresh, "warning": slackemu.ReasonWarning}[s.What])
	case "drop":
		e.lasting(time.Duration(s.N)*300*time.Millisecond+time.Second, func() {}, "people")
		e.loose.Go(func() {
			for range s.N {
				e.slack.DropSockets()
				e.sleep(300 * time.Millisecond)
			}
		})
	case "half":
		// They stay so until the program notices, or is killed.
		open := e.slack.Sockets()
		over := e.beginFault("people")
		e.slack.HalfOpenSockets()
		e.loose.Go(func() {
			defer over()
			e.until(time.Minute, func() bool {
				for _, c := range open {
					if c.Open() {
						return false
					}
				}
				return true
			})
		})
	case "refuse":
		e.slack.RefuseSockets(true)
		e.slack.DropSockets()
		e.lasting(s.For, func() { e.slack.RefuseSockets(false) }, "people")
	}
}

// fill fills the ledger's disk for a while.
func (e *episode) fill(d time.Duration) error {
	e.fillers++
	path := filepath.Join(e.disk, fmt.Sprintf("filler-%d", e.fillers))
	file, err := os.Create(path)
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return nil // full already
		}
		return fmt.Errorf("filling the disk: %w", err)
	}
	defer file.Close()
	e.lasting(d, func() { os.Remove(path) }, "people", "disk")
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		for b := make([]byte, size); ; {
			if _, err := file.Write(b); err != nil {
				if !errors.Is(err, syscall.ENOSPC) {
					return fmt.Errorf("filling the disk: %w", err)
				}
				break
			}
		}
	}
	return nil
}

// restartAPI kills the API server and starts it again after a while.
func (e *episode) restartAPI(s Step) error {
	if !e.apiDown.TryLock() {
		return nil // it is down
	}
	if s.Kind == Forget {
		if e.call(func(ctx context.Context) error { _, err := e.cluster.Compact(ctx); return err }) != nil {
			e.apiDown.Unlock()
			return nil
		}
	}
	over := e.beginFault("api")
	e.cluster.KillAPIServer()
	e.count(string(s.Kind), 1)
	e.count("faults", 1)
	e.loose.Go(func() {
		defer e.apiDown.Unlock()
		defer over()
		e.sleep(s.For)
		if err := e.startAPI(); err != nil {
			e.fail(err)
		}
	})
	return nil
}

// restore saves etcd's data and restores it after a while. Nodes take no step of their lives while it is done.
func (e *episode) restore(s Step) error {
	if !e.apiDown.TryLock() {
		return nil
	}
	over := e.beginFault("api")
	e.count("restore "+s.What, 1)
	e.count("faults", 1)
	e.loose.Go(func() {
		defer e.apiDown.Unlock()
		defer over()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 2*time.Minute)
		defer cancel()
		e.world.Lock()
		backup, err := e.cluster.SaveEtcd(ctx)
		then := e.truth.picture()
		e.world.Unlock()
		if err != nil {
			e.fail(err)
			return
		}
		e.sleep(s.For)
		e.world.Lock()
		defer e.world.Unlock()
		e.truth.wentBack(then, e.look())
		if err := e.cluster.RestoreEtcd(ctx, backup, s.What == "bump"); err != nil && e.startAPI() != nil {
			e.fail(err)
		}
		os.RemoveAll(backup)
	})
	return nil
}

// notes writes events whose pages have megabytes.
func (e *episode) notes(n int) {
	for i := range n {
		now := metav1.Now()
		event := &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("long-%d-%d", now.UnixNano(), i)},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "talker"},
			Reason:         "Talking", Type: corev1.EventTypeWarning, Message: strings.Repeat("blah ", 140_000),
			FirstTimestamp: now, LastTimestamp: now, Count: 1,
		}
		if e.call(func(ctx context.Context) error {
			_, err := e.cluster.Admin().CoreV1().Events("default").Create(ctx, event, metav1.CreateOptions{})
			return err
		}) != nil {
			return
		}
	}
}

// move archives the channel, and starts the program with another one after a while. It reports false if it did not:
// where the program cannot read what it has posted, and once Slack was to carry out a post late, whose twin could not
// be deleted from an archived channel.
func (e *episode) move(after time.Duration) bool {
	e.mu.Lock()
	late := !e.lateUntil.IsZero()
	e.mu.Unlock()
	if e.blind || late || len(e.allChannels()) > 1 {
		return false
	}
	e.slack.EditChannel(e.channel(), func(c *slackemu.Channel) { c.Archived = true })
	e.mu.Lock()
	e.channels = append(e.channels, slackemu.ChannelPrivate)
	e.mu.Unlock()
	over := e.beginFault("people")
	e.loose.Go(func() {
		defer over()
		e.sleep(after)
		e.bot.setenv("SLACK_CHANNEL", slackemu.ChannelPrivate)
		e.bot.end(syscall.SIGKILL, 0)
		e.count("kills", 1)
	})
	return true
}

// second runs a second process on the ledger for a while, by another path.
func (e *episode) second(s Step) error {
	file := filepath.Join(e.ledger, "rollcall.db")
	other := filepath.Join(e.dir, fmt.Sprintf("other-%d", time.Now().UnixNano()))
	from, to := e.ledger, filepath.Join(other, "rollcall.db")
	if s.What == "hardlink" {
		other = filepath.Join(e.ledger, "other.db")
		from, to = file, other
		if err := os.Link(from, other); err != nil {
			return nil // the ledger is not there yet, or the disk is full
		}
	} else if err := os.Symlink(from, other); err != nil {
		return fmt.Errorf("another path to the ledger: %w", err)
	}
	over := e.beginFault("people", "second")
	e.loose.Go(func() {
		defer over()
		defer os.Remove(other)
		refused, err := e.bot.second("sqlite:"+to, s.For)
		if err != nil {
			e.fail(err)
		}
		if refused {
			e.count("second processes refused", 1)
		}
	})
	return nil
}
