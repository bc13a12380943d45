package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// insist carries out a change of the cluster until it is certain what became of it: after a call
// without an answer it looks whether the change is there.
func (e *episode) insist(do func(context.Context) error, done func(context.Context) (bool, error)) error {
	var last error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline) && e.ctx.Err() == nil; {
		if last = e.call(do); last == nil {
			return nil
		}
		var there bool
		err := e.call(func(ctx context.Context) (err error) { there, err = done(ctx); return err })
		switch {
		case err == nil && there:
			return nil
		case err != nil:
			e.sleep(50 * time.Millisecond)
		}
	}
	return fmt.Errorf("the cluster does not take a change: %w", last)
}

func (e *episode) call(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
	defer cancel()
	return do(ctx)
}

// create creates a node, which is alive from then on.
func (e *episode) create(name string, isReady bool) (*life, error) {
	types := [][2]string{{"c6i.4xlarge", "default"}, {"m6i.xlarge", "workers"}, {"m7g.2xlarge", "arm"}}
	pick := types[e.made%len(types)]
	e.made++
	opts := []cluster.NodeOption{cluster.InstanceType(pick[0]), cluster.Pool(pick[1]), cluster.Images(3)}
	if e.made%2 == 0 {
		opts = append(opts, cluster.Spot())
	}
	if isReady {
		opts = append(opts, cluster.Ready())
	}
	node := cluster.NewNode(name, opts...)
	var made *corev1.Node
	err := e.insist(func(ctx context.Context) (err error) {
		made, err = e.cluster.CreateNode(ctx, node)
		return err
	}, func(ctx context.Context) (bool, error) {
		got, err := e.cluster.Admin().CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		made = got
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	l := &life{name: made.Name, uid: string(made.UID), pool: pick[1], since: readySince(made)}
	return l, nil
}

func readySince(n *corev1.Node) time.Time {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

func status(n *corev1.Node) corev1.ConditionStatus {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return ""
}

// setReady changes a node's Ready condition and returns since when it is so.
func (e *episode) setReady(l *life, want corev1.ConditionStatus, off time.Duration) (since time.Time, err error) {
	look := func(ctx context.Context) (bool, error) {
		n, err := e.cluster.Admin().CoreV1().Nodes().Get(ctx, l.name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		since = readySince(n)
		return status(n) == want, nil
	}
	err = e.insist(func(ctx context.Context) error {
		if err := e.cluster.SetReadyAt(ctx, l.name, want, "", time.Now().Add(off)); err != nil {
			return err
		}
		_, err := look(ctx)
		return err
	}, look)
	return since, err
}

// causes are what a node may be ended for: the events that say so, and how the channel tells it. What is taken back is
// told as nothing.
var causes = []struct {
	told   string
	events [][3]string // component, reason, note
}{
	{},
	{"consolidated by Karpenter (empty)", [][3]string{{"karpenter", "DisruptionTerminating", "Disrupting Node: Empty"}}},
	{"spot interruption", [][3]string{{"karpenter", "SpotInterrupted", "Spot interruption warning was triggered"},
		{"karpenter", "InstanceTerminating", "Instance is terminating"}}},
	{"", [][3]string{{"cluster-autoscaler", "ScaleDown", "marked the node as toBeDeleted/unschedulable"},
		{"cluster-autoscaler", "ScaleDownFailed", "failed to drain and delete node: no"}}},
}

// remove says why a node is ended, if the API server takes that, and deletes it.
func (e *episode) remove(l *life) error {
	nodes := e.cluster.Admin().CoreV1().Nodes()
	if len(l.uid) > 0 {
		why := causes[int(l.uid[0])%len(causes)]
		l.cause = why.told
		on := corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: l.name, UID: typesUID(l.uid)}
		for _, s := range why.events {
			e.call(func(ctx context.Context) error {
				_, err := e.cluster.EmitEvent(ctx, cluster.NewEvent(s[0], on, corev1.EventTypeNormal, s[1], s[2]))
				return err
			})
		}
	}
	return e.insist(func(ctx context.Context) error {
		return nodes.Delete(ctx, l.name, *metav1.NewPreconditionDeleteOptions(l.uid))
	}, func(ctx context.Context) (bool, error) {
		n, err := nodes.Get(ctx, l.name, metav1.GetOptions{})
		return apierrors.IsNotFound(err) || err == nil && string(n.UID) != l.uid, ignoreNotFound(err)
	})
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// nodes takes a step of the nodes' lane.
func (e *episode) nodes(s Step) error {
	switch s.Kind {
	case Join:
		if s.What == "struck" { // what comes between a lost answer and the next try
			select {
			case <-e.struck:
			case <-time.After(1500 * time.Millisecond):
			case <-e.ctx.Done():
			}
		}
		for range s.N {
			if err := e.join("", s.What == "ready"); err != nil {
				return err
			}
		}
		return nil
	case Return:
		for _, name := range e.free(s.N) {
			if err := e.join(name, false); err != nil {
				return err
			}
		}
		return nil
	case Visit:
		return e.visit(s.N)
	case Heartbeat:
		for _, l := range e.alive(s.N) {
			if s.What == "moves" {
				e.shift(l)
				continue
			}
			e.call(func(ctx context.Context) error { return e.cluster.Heartbeat(ctx, l.name) })
		}
		return nil
	case Cordon:
		for _, l := range e.alive(s.N) {
			e.call(func(ctx context.Context) error { return e.cluster.Cordon(ctx, l.name) })
		}
		return nil
	}
	step := map[Kind]string{Ready: ready, NotReady: notReady, Recover: recovered, Remove: removed}[s.Kind]
	for _, c := range e.candidates(step, s.N, s.Hasty) {
		if err := e.step(c.life, step, c.untold, s.For); err != nil {
			return err
		}
	}
	return nil
}

// demands are who may want a node: the owner of a pod, the events that say so before there is the node, and how the
// channel tells it. A pod of a DaemonSet, and one that did not wait, prove nothing.
var demands = []struct {
	told, owner string
	events      [][4]string // of which kind, component, reason, note; APP and POD stand for names
}{
	{}, {},
	{"for default/APP", "ReplicaSet", [][4]string{
		{"Deployment", "deployment-controller", "ScalingReplicaSet", "Scaled up replica set APP-5d4f from 0 to 1"},
		{"ReplicaSet", "replicaset-controller", "SuccessfulCreate", "Created pod: POD"},
		{"Pod", "default-scheduler", "FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu."}}},
	{"", "DaemonSet", [][4]string{
		{"DaemonSet", "daemonset-controller", "SuccessfulCreate", "Created pod: POD"},
		{"Pod", "default-scheduler", "FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu."}}},
	{"", "ReplicaSet", [][4]string{{"ReplicaSet", "replicaset-controller", "SuccessfulCreate", "Created pod: POD"}}},
}

// join makes a node, with what says who wanted it, as far as the API server takes that.
func (e *episode) join(name string, isReady bool) error {
	e.world.Lock()
	defer e.world.Unlock()
	demand, app := demands[e.made%len(demands)], fmt.Sprintf("app-%d", e.made)
	pod := app + "-5d4f-x7k2p"
	names := strings.NewReplacer("APP", app, "POD", pod)
	say := func(before time.Duration, kind, component, reason, note string) {
		on := corev1.ObjectReference{Kind: kind, Namespace: "default", Name: app}
		switch kind {
		case "Pod":
			on.Name, on.UID = pod, typesUID("pod of "+app)
		case "ReplicaSet":
			on.Name = app + "-5d4f"
		}
		e.call(func(ctx context.Context) error {
			event := cluster.NewEvent(component, on, corev1.EventTypeNormal, reason, names.Replace(note))
			event.DeprecatedFirstTimestamp = metav1.NewTime(event.DeprecatedFirstTimestamp.Add(-before))
			event.DeprecatedLastTimestamp = event.DeprecatedFirstTimestamp
			_, err := e.cluster.EmitEvent(ctx, event)
			return err
		})
	}
	for _, s := range demand.events {
		say(3*time.Second, s[0], s[1], s[2], s[3]) // a machine takes its time
	}
	l, err := e.create(name, isReady)
	if err != nil {
		return err
	}
	if l.came = names.Replace(demand.told); demand.owner != "" {
		say(0, "Pod", "default-scheduler", "Scheduled", "Successfully assigned default/POD to "+l.name)
	}
	l.do(joined, true)
	if isReady {
		l.do(ready, true)
	}
	e.truth.add(l)
	select { // a kill may wait for this moment
	case e.born <- struct{}{}:
	default:
	}
	return nil
}

// shift gives a ready node a heartbeat that moves the time of its last transition. A watch that goes on sees that
// nothing changed; from before and after alone it looks as if the node had been away, so that may be told.
func (e *episode) shift(l *life) {
	e.world.Lock()
	defer e.world.Unlock()
	e.truth.mu.Lock()
	isReady, flapped := l.isReady, l.flaps > 0
	if isReady && !flapped {
		l.do(notReady, false)
		l.do(recovered, false)
	}
	e.truth.mu.Unlock()
	if isReady && !flapped {
		e.call(func(ctx context.Context) error { return e.cluster.MovingHeartbeat(ctx, l.name) })
	}
}

// step takes one node a step further, by a clock that is off. untold are its steps that the channel had not told
// before.
func (e *episode) step(l *life, step string, untold []*act, off time.Duration) error {
	e.world.Lock()
	defer e.world.Unlock()
	if l.lost { // its cluster went back to before it was there, or to when it was
		return nil
	}
	var since time.Time
	var err error
	switch step {
	case ready, recovered:
		since, err = e.setReady(l, corev1.ConditionTrue, off)
	case notReady:
		status := []corev1.ConditionStatus{corev1.ConditionFalse, corev1.ConditionUnknown}[len(l.name)%2]
		_, err = e.setReady(l, status, off)
	case removed:
		err = e.remove(l)
	}
	if err != nil {
		return err
	}
	e.truth.mu.Lock()
	defer e.truth.mu.Unlock()
	l.do(step, l.doubt(step, untold, !since.After(l.since)))
	if !since.IsZero() {
		l.since = since
	}
	return nil
}

// candidate is a node that can take a step, with what is untold of it.
type candidate struct {
	life   *life
	untold []*act
}

// candidates returns up to n nodes that can take a step. Unless it is hasty, those of which all is
// told: others, of which part is told as nothing but a number, only leave.
func (e *episode) candidates(step string, n int, hasty bool) (out []candidate) {
	s := e.look()
	told, unnamed := s.tellings(), s.unnamed()
	e.truth.mu.Lock()
	defer e.truth.mu.Unlock()
	counted := e.truth.counted(s, told)
	for _, l := range e.truth.lives {
		if len(out) == n {
			break
		}
		untold := e.truth.untold(l, told, unnamed, counted)
		patient := true
		for _, a := range untold {
			// A second step that a gap's table does not tell is waited for in vain.
			patient = patient && step == removed && unnamed[claim{l.name, a.step}]
		}
		if (patient || hasty) && l.next(step, untold) {
			out = append(out, candidate{l, untold})
		}
	}
	return out
}

// alive returns up to n nodes that are there.
func (e *episode) alive(n int) (out []*life) {
	e.truth.mu.Lock()
	defer e.truth.mu.Unlock()
	for _, l := range e.truth.lives {
		if !l.gone() && len(out) < n {
			out = append(out, l)
		}
	}
	return out
}

// free returns up to n names whose bearers are gone and told to their end.
func (e *episode) free(n int) (out []string) {
	s := e.look()
	told, unnamed := s.tellings(), s.unnamed()
	e.truth.mu.Lock()
	defer e.truth.mu.Unlock()
	counted := e.truth.counted(s, told)
	lives := map[string]int{}
	for _, l := range e.truth.lives {
		lives[l.name]++
	}
	for _, l := range e.truth.lives {
		if lives[l.name] == 1 && l.gone() && len(out) < n && len(e.truth.untold(l, told, unnamed, counted)) == 0 {
			out = append(out, l.name)
		}
	}
	return out
}

// visit lets nodes come and go while the program is dead, with the events that a controller
// manager writes. Events prove such a life, so it must be told, unless the clock was set, by which
// the program compares events with its own last sign of life, or the API server could not be asked
// when the program came back.
func (e *episode) visit(n int) error {
	e.world.Lock()
	defer e.world.Unlock()
	e.bot.hold()
	e.beginFault("people")()
	e.count("kills", 1)
	var lives []*life
	certain := !e.clockMoves
	for range n {
		l, err := e.create("", false)
		if err != nil {
			e.bot.release()
			return err
		}
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: l.name, UID: typesUID(l.uid)}}
		emit := func(make func(*corev1.Node) error) { certain = make(node) == nil && certain }
		emit(func(n *corev1.Node) error {
			return e.call(func(ctx context.Context) error {
				_, err := e.cluster.EmitEvent(ctx, cluster.RegisteredNodeEvent(n))
				return err
			})
		})
		if err := e.remove(l); err != nil {
			e.bot.release()
			return err
		}
		emit(func(n *corev1.Node) error {
			return e.call(func(ctx context.Context) error {
				_, err := e.cluster.EmitEvent(ctx, cluster.RemovingNodeEvent(n))
				return err
			})
		})
		l.do(joined, certain)
		l.do(removed, certain)
		lives = append(lives, l)
	}
	for _, l := range lives {
		l.visitEnd = time.Now()
		e.truth.add(l)
	}
	e.bot.release()
	return nil
}

// forgiveVisits takes away the duty to tell visits after which the API server was troubled before
// the program can have asked it.
func (e *episode) forgiveVisits() {
	e.mu.Lock()
	spans := append([]span(nil), e.spans["api"]...)
	e.mu.Unlock()
	e.truth.mu.Lock()
	defer e.truth.mu.Unlock()
	for _, l := range e.truth.lives {
		for _, s := range spans {
			if !l.visitEnd.IsZero() && s.from.Before(l.visitEnd.Add(20*time.Second)) &&
				(s.until.IsZero() || s.until.After(l.visitEnd)) {
				for _, a := range l.acts {
					a.must = false
				}
			}
		}
	}
}

// ask types a command. Whoever asks in a calm moment must be answered if it stays calm.
func (e *episode) ask(s Step) {
	e.until(4*time.Second, e.calm)
	calm, before := e.calm(), e.disturbed()
	command, text, _ := strings.Cut(strings.ReplaceAll(s.What, "+", " "), " ")
	ctx, cancel := context.WithTimeout(e.ctx, 10*time.Second)
	defer cancel()
	_, err := e.slack.SlashCommand(slackemu.UserAda, e.channel(), command, text).Answer(ctx)
	e.count("asked", 1)
	switch {
	case err == nil:
		e.count("answered", 1)
	case calm && e.disturbed() == before && e.ctx.Err() == nil:
		e.violate(unanswered, "%s %s in a calm moment: %v", command, text, err)
	default:
		e.count("asked in trouble and not answered", 1)
	}
}

// calm says whether the program is up, connected to Slack, and nothing stands between it and
// people.
func (e *episode) calm() bool {
	began, up := e.bot.up()
	if !up || e.faulty("people") {
		return false
	}
	sockets := e.slack.Sockets()
	for _, s := range sockets {
		if s.OpenedAt.Before(began) || time.Since(s.OpenedAt) < 100*time.Millisecond {
			return false
		}
	}
	return len(sockets) > 0
}
