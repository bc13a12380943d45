package clustersim

import (
	"math"
	"net/url"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The slowest and the fastest that a story may be played.
const (
	minSpeed = 0.25
	maxSpeed = 10
)

// control does what a person asked for, and lets Run look at its queues again.
func (c *Cluster) control(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	c.dirty = true
	c.notify()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Burst makes n nodes join within some seconds, also while the day is paused. They leave again
// after one to one and a half minutes. The cluster never grows beyond 1,500 nodes.
func (c *Cluster) Burst(n int) {
	c.control(func() {
		if n <= 0 {
			return
		}
		group := c.beginBurst(&c.hand, n)
		c.hand.after(c.hand.between(60*time.Second, 90*time.Second), func() { c.endBurst(&c.hand, group) })
	})
}

// FailNode makes a ready node go not ready at once, and recover after about 20 s, also while the
// day is paused. It returns the node's name, and false if there is none to take.
func (c *Cluster) FailNode() (name string, ok bool) {
	c.control(func() {
		for _, n := range c.pick(&c.hand, 1, func(n *node) bool { return n.ready() && n.stage == settled }) {
			name, ok = n.name(), true
			c.fail(&c.hand, n, c.hand.between(18*time.Second, 22*time.Second))
		}
	})
	return name, ok
}

// DeleteNodes removes up to n nodes at once, as by hand: Karpenter says nothing of it, only the
// node controller does. It returns their names. The managed base is spared, because nothing
// would replace it. The day grows back to what it wants with its next step.
func (c *Cluster) DeleteNodes(n int) []string {
	var names []string
	c.control(func() {
		for _, n := range c.pick(&c.hand, max(0, n),
			func(n *node) bool { return n.alive() && n.stage < leaving && !n.pool.managed }) {
			names = append(names, n.name())
			n.line = &c.hand // what follows does not wait for the day
			n.went = Went{NodeDeleted, Person}
			c.delete(n)
		}
	})
	return names
}

// StopAPI makes the API unreachable for d: every watch is cut, and every connection that asks for
// something is reset, while the cluster's life goes on. 0 ends that.
func (c *Cluster) StopAPI(d time.Duration) {
	c.control(func() {
		if d <= 0 {
			c.outage.begin(time.Time{})
			return
		}
		c.outage.begin(time.Now().Add(d))
		c.wall.after(d, func() { c.dirty = true })
	})
}

// SetSpeed sets how fast the cluster's life goes from now on, and returns the speed that it is:
// 0.25 to 10. Events and objects tell real times at any speed.
func (c *Cluster) SetSpeed(speed float64) float64 {
	c.control(func() {
		if !math.IsNaN(speed) {
			c.speed = min(maxSpeed, max(minSpeed, speed))
		}
		speed = c.speed
		c.setRates()
	})
	return speed
}

// SetPaused stops the day, or lets it go on. The API answers, kubelets post, and what is asked
// for by hand happens in a pause too.
func (c *Cluster) SetPaused(paused bool) {
	c.control(func() {
		c.paused = paused
		c.setRates()
	})
}

// Kubeconfig returns a kubeconfig file for the API served at a URL. Its context has the cluster's
// name, and it holds the token. client-go sends no bearer token without TLS; for an http URL the
// token is therefore its password too, which every HTTP client sends.
func (c *Cluster) Kubeconfig(serverURL string) []byte {
	name := c.config.Name
	if u, err := url.Parse(serverURL); err == nil && u.Scheme == "http" {
		u.User = url.UserPassword(name, c.config.Token)
		serverURL = u.String()
	}
	k := clientcmdapi.NewConfig()
	k.Clusters[name] = &clientcmdapi.Cluster{Server: serverURL}
	k.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: c.config.Token}
	k.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	k.CurrentContext = name
	text, err := clientcmd.Write(*k)
	if err != nil {
		panic("writing a kubeconfig of strings: " + err.Error()) // it cannot fail
	}
	return text
}
