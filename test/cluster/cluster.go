package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Options choose what [Start] runs beside etcd and kube-apiserver. The zero value runs those two alone.
type Options struct {
	// EventTTL is how long events live in the API server. Zero means its default, one hour. etcd drops expired
	// events within about a second.
	EventTTL time.Duration

	// ControllerManager, Scheduler and KWOK run the further components; they can also be started later, see
	// [Cluster.StartControllerManager] and its like.
	ControllerManager *ControllerManager
	Scheduler         bool
	KWOK              *KWOK

	// APIServerArgs are appended to kube-apiserver's arguments, for example "--max-requests-inflight=50".
	APIServerArgs []string
}

// ControllerManager configures kube-controller-manager. Its node lifecycle controller takes nodes for dead that nobody
// gives heartbeats or leases: run KWOK or [Cluster.Heartbeats] for those that shall live.
type ControllerManager struct {
	// NodeMonitorGracePeriod is how long a node may miss heartbeats before it is Unknown. Zero means 4 seconds,
	// where a real cluster has 50.
	NodeMonitorGracePeriod time.Duration
	// Controllers to run, by kube-controller-manager's names. Empty means those that nodes and scaling need.
	Controllers []string
	// Args are appended to the arguments.
	Args []string
}

// Cluster is a running control plane. Its methods may be called from several goroutines, except those that start and
// stop the same component.
type Cluster struct {
	dir          string
	options      Options
	identity     *identity
	etcdURL      string
	etcdPeerPort int
	apiPort      int
	programs     map[string]string
	admin        *kubernetes.Clientset
	mu           sync.Mutex
	processes    []*process // guarded by mu; the latest of each name is the living one
	stopping     bool       // guarded by mu
}

// Start brings up a control plane of the test's own and stops it when the test ends. When the test fails, the ends of
// the components' logs are part of its output. Under -short the test is skipped.
func Start(tb testing.TB, options Options) *Cluster {
	tb.Helper()
	skipShort(tb)
	c, err := start(tb, tb.TempDir(), options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.stop)
	c.reportFailureOf(tb)
	if options.ControllerManager != nil {
		c.StartControllerManager(tb, *options.ControllerManager)
	}
	if options.Scheduler {
		c.StartScheduler(tb)
	}
	if options.KWOK != nil {
		c.StartKWOK(tb, *options.KWOK)
	}
	return c
}

var shared struct {
	sync.Mutex
	cluster *Cluster
	err     error
}

// Shared returns the control plane that all tests of this process share, starting it for the first one that asks. It
// is etcd and kube-apiserver with default options. Tests must not stop its API server, and they name and remove their
// objects so that others are not disturbed; [Cluster.Clear] is for packages whose tests do not run in parallel.
// A package that calls Shared runs its tests through [Main].
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	skipShort(tb)
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil && shared.err == nil {
		var dir string
		if dir, shared.err = os.MkdirTemp("", "rollcall-cluster-"); shared.err == nil {
			if shared.cluster, shared.err = start(tb, dir, Options{}); shared.err != nil {
				os.RemoveAll(dir)
			}
		}
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	shared.cluster.reportFailureOf(tb)
	return shared.cluster
}

// Main runs a package's tests and then stops the shared control plane. It returns the code to exit with:
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if c := shared.cluster; c != nil {
		c.stop()
		os.RemoveAll(c.dir)
	}
	return code
}

func skipShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs a control plane, which -short leaves out")
	}
}

// start brings up etcd and kube-apiserver with their data in dir.
func start(tb testing.TB, dir string, options Options) (*Cluster, error) {
	programs, err := locate(tb, etcd, kubeAPIServer)
	if err != nil {
		return nil, err
	}
	// Between choosing a free port and listening on it another process may take it.
	for attempt := 1; ; attempt++ {
		c, err := startOnce(tb.Context(), filepath.Join(dir, strconv.Itoa(attempt)), options, programs)
		if err == nil {
			c.dir = dir
			return c, nil
		}
		if attempt == 3 || !strings.Contains(err.Error(), "address already in use") {
			return nil, fmt.Errorf("starting the control plane: %w", err)
		}
	}
}

func startOnce(ctx context.Context, dir string, options Options, programs map[string]string) (_ *Cluster, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making its folder: %w", err)
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	id, err := newIdentity(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		dir: dir, options: options, identity: id, programs: programs,
		etcdURL: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), etcdPeerPort: ports[1], apiPort: ports[2],
	}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	if c.admin, err = kubernetes.NewForConfig(c.protobufConfig(UserAdmin)); err != nil {
		return nil, fmt.Errorf("making the admin's client: %w", err)
	}
	// Both at once: kube-apiserver waits for etcd by itself, and loading it takes longer than etcd's whole start.
	etcdProcess, err := c.startEtcd(c.etcdPeerPort)
	if err != nil {
		return nil, err
	}
	api, err := c.launchAPIServer()
	if err != nil {
		return nil, err
	}
	if err := etcdProcess.waitUntil(ctx, 30*time.Second, func(ctx context.Context) error {
		return getOK(ctx, c.etcdURL+"/health")
	}); err != nil {
		return nil, err
	}
	if err := api.waitUntil(ctx, time.Minute, c.apiReady); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Cluster) startEtcd(peerPort int) (*process, error) {
	peer := fmt.Sprintf("http://127.0.0.1:%d", peerPort)
	return c.launch(etcd,
		"--name=test",
		"--data-dir="+c.identity.path("etcd"),
		"--listen-client-urls="+c.etcdURL, "--advertise-client-urls="+c.etcdURL,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=test="+peer,
		"--unsafe-no-fsync", // the data need not outlive the machine
		"--quota-backend-bytes="+strconv.Itoa(4<<30),
		"--log-level=warn",
	)
}

func (c *Cluster) launchAPIServer() (*process, error) {
	args := []string{
		"--etcd-servers=" + c.etcdURL,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.apiPort),
		// The kubernetes service would need an address that is not the loopback, and nothing here uses it.
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + c.identity.path("tls.crt"), "--tls-private-key-file=" + c.identity.path("tls.key"),
		"--token-auth-file=" + c.identity.path("tokens.csv"),
		"--authorization-mode=RBAC",
		"--disable-admission-plugins=ServiceAccount", // pods need no service account that nobody creates
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.identity.path("tls.key"),
		"--service-account-signing-key-file=" + c.identity.path("tls.key"),
		"--profiling=false",
	}
	if c.options.EventTTL > 0 {
		args = append(args, "--event-ttl="+c.options.EventTTL.String())
	}
	return c.launch(kubeAPIServer, append(args, c.options.APIServerArgs...)...)
}

// apiReady reports whether the API server serves and has made the namespaces that objects go into.
func (c *Cluster) apiReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := c.admin.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	for _, name := range []string{"default", "kube-system", "kube-node-lease"} {
		if _, err := c.admin.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
			return fmt.Errorf("looking for namespace %s: %w", name, err)
		}
	}
	return nil
}

// StartControllerManager runs kube-controller-manager until the test ends.
func (c *Cluster) StartControllerManager(tb testing.TB, options ControllerManager) {
	tb.Helper()
	controllers := options.Controllers
	if len(controllers) == 0 {
		controllers = []string{
			"daemonset-controller", "deployment-controller", "replicaset-controller", "job-controller",
			"horizontal-pod-autoscaler-controller", "node-lifecycle-controller", "taint-eviction-controller",
			"pod-garbage-collector-controller", "garbage-collector-controller", "namespace-controller",
			"serviceaccount-controller",
		}
	}
	grace := options.NodeMonitorGracePeriod
	if grace == 0 {
		grace = 4 * time.Second
	}
	kubeconfig := c.Kubeconfig(tb, UserAdmin)
	c.startExtra(tb, kubeControllerManager, func(port int) []string {
		return append([]string{
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--authentication-skip-lookup", // nobody but the health check below talks to it
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port), "--cert-dir=" + tb.TempDir(),
			"--leader-elect=false", "--profiling=false",
			"--controllers=" + strings.Join(controllers, ","),
			"--node-monitor-grace-period=" + grace.String(),
			"--node-monitor-period=" + (grace / 4).String(),
			"--node-startup-grace-period=" + max(grace, 10*time.Second).String(),
			"--horizontal-pod-autoscaler-sync-period=1s",
		}, options.Args...)
	}, "https")
}

// StartScheduler runs kube-scheduler until the test ends.
func (c *Cluster) StartScheduler(tb testing.TB) {
	tb.Helper()
	kubeconfig := c.Kubeconfig(tb, UserAdmin)
	c.startExtra(tb, kubeScheduler, func(port int) []string {
		return []string{
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--authentication-skip-lookup",
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port), "--cert-dir=" + tb.TempDir(),
			"--leader-elect=false", "--profiling=false",
		}
	}, "https")
}

// startExtra runs a component until the test ends and waits until it answers on its health address.
func (c *Cluster) startExtra(tb testing.TB, name string, args func(port int) []string, scheme string) *process {
	tb.Helper()
	if p := c.process(name); p != nil && !p.ended() {
		tb.Fatalf("%s runs already in this cluster: only one test at a time can have it", name)
	}
	found, err := locate(tb, name)
	if err != nil {
		tb.Fatal(err)
	}
	c.mu.Lock()
	c.programs[name] = found[name]
	c.mu.Unlock()
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	p, err := c.launch(name, args(port)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.kill)
	if err := p.waitUntil(tb.Context(), 30*time.Second, func(ctx context.Context) error {
		return getOK(ctx, fmt.Sprintf("%s://127.0.0.1:%d/healthz", scheme, port))
	}); err != nil {
		tb.Fatal(err)
	}
	return p
}

// StopAPIServer ends the API server as an upgrade would: it finishes requests, closes watches, exits.
func (c *Cluster) StopAPIServer() {
	c.process(kubeAPIServer).terminate(20 * time.Second)
}

// KillAPIServer ends the API server as a crash would.
func (c *Cluster) KillAPIServer() {
	c.process(kubeAPIServer).kill()
}

// StartAPIServer starts a stopped API server again, with the same address, identity and data, and waits until it is
// ready. Its watch cache begins anew, see [Cluster.ForgetHistory].
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	if !c.process(kubeAPIServer).ended() {
		return errors.New("starting kube-apiserver: it is running")
	}
	p, err := c.launchAPIServer()
	if err != nil {
		return err
	}
	return p.waitUntil(ctx, time.Minute, c.apiReady)
}

// Compact drops etcd's history up to now and returns the revision kept. A watch of events from an older resource
// version, or a list that continues an older one, then gets 410 Gone (Expired). Nodes are served from the API server's
// watch cache, which remembers a little longer: use [Cluster.ForgetHistory] for them.
func (c *Cluster) Compact(ctx context.Context) (revision int64, err error) {
	// Compacting at a revision keeps that revision. So one is written that no object has: then every version older
	// than the newest object's is gone, also the one just before it.
	// JSON makes base64 of them, as etcd wants
	put := map[string][]byte{"key": []byte("compacted"), "value": []byte("here")}
	if err := c.etcdCall(ctx, "/v3/kv/put", put, &struct{}{}); err != nil {
		return 0, fmt.Errorf("writing a revision to etcd: %w", err)
	}
	if revision, err = c.revision(ctx); err != nil {
		return 0, err
	}
	err = c.etcdCall(ctx, "/v3/kv/compaction", map[string]any{"revision": revision, "physical": true}, &struct{}{})
	if err != nil && !strings.Contains(err.Error(), "has been compacted") {
		return 0, fmt.Errorf("compacting etcd at revision %d: %w", revision, err)
	}
	return revision, nil
}

// ForgetHistory makes every older resource version answer 410 Gone, for nodes too: it compacts etcd and restarts the
// API server, whose watch cache starts with the present.
func (c *Cluster) ForgetHistory(ctx context.Context) error {
	if _, err := c.Compact(ctx); err != nil {
		return err
	}
	c.KillAPIServer()
	return c.StartAPIServer(ctx)
}

// etcdCall uses etcd's JSON gateway, which spares this module etcd's client.
func (c *Cluster) etcdCall(ctx context.Context, path string, request, response any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.etcdURL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var problem struct {
			Message string `json:"message"`
		}
		json.NewDecoder(resp.Body).Decode(&problem)
		return fmt.Errorf("%s: %s", resp.Status, problem.Message)
	}
	return json.NewDecoder(resp.Body).Decode(response)
}

// Logs returns the end of each component's log, for a test that wants to look for a line.
func (c *Cluster) Logs(lines int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	seen := map[string]bool{}
	for _, p := range slices.Backward(c.processes) {
		if !seen[p.name] {
			seen[p.name] = true
			all = append(all, p.report(lines))
		}
	}
	slices.Reverse(all)
	return strings.Join(all, "\n")
}

// reportFailureOf adds the logs' ends to the output of a failed test. It is registered after the clean-ups that stop
// components, so it runs before them.
func (c *Cluster) reportFailureOf(tb testing.TB) {
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the test failed; the control plane said:\n%s", c.Logs(15))
		}
	})
}

// launch starts a component and remembers it.
func (c *Cluster) launch(name string, args ...string) (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return nil, fmt.Errorf("starting %s: the cluster has been stopped", name)
	}
	p, err := startProcess(name, c.programs[name], c.identity.path(name+".log"), args)
	if err != nil {
		return nil, err
	}
	c.processes = append(c.processes, p)
	return p, nil
}

// process returns the latest process of that name, or nil.
func (c *Cluster) process(name string) *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range slices.Backward(c.processes) {
		if p.name == name {
			return p
		}
	}
	return nil
}

// stop kills everything, latest first: the data go away with it, so nothing has to end well.
func (c *Cluster) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	for _, p := range slices.Backward(c.processes) {
		p.kill()
	}
}
