package install

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"rollcall/test/cluster"
)

// Kubelet runs the program of a Deployment with what the API server has of it: the container's arguments and variables,
// the ConfigMaps and Secrets that these name, its volumes, and its ServiceAccount's token. What differs from a node is
// where volumes are mounted, that the token comes in a kubeconfig, and what the test says.
type Kubelet struct {
	cluster *cluster.Cluster
	program string
	differ  map[string]string
	claims  map[string]string // the folder of each PersistentVolumeClaim, by UID
}

// NewKubelet builds the program. differ are the variables that are others than on a node.
func NewKubelet(tb testing.TB, c *cluster.Cluster, differ map[string]string) *Kubelet {
	tb.Helper()
	k := &Kubelet{cluster: c, program: filepath.Join(tb.TempDir(), "rollcall"), differ: differ,
		claims: map[string]string{}}
	build := exec.Command("go", "build", "-o", k.program, "./cmd/bot")
	build.Dir = module(tb)
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("building cmd/bot: %v\n%s", err, out)
	}
	return k
}

// module is the program's own module, which says what it is made of; the test may be in another one inside of it.
func module(tb testing.TB) string {
	tb.Helper()
	for dir := "."; len(dir) < 100; dir = filepath.Join("..", dir) {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "bot")); err == nil {
			return dir
		}
	}
	tb.Fatal("cmd/bot is in no folder above the working folder")
	return ""
}

// Pod is the program of a Deployment, started.
type Pod struct {
	kubelet   *Kubelet
	container corev1.Container
	grace     time.Duration
	args, env []string
	log       *output
	running   *exec.Cmd
	exited    chan error
}

// Start starts the only container of a Deployment. It waits until the API server knows the ServiceAccount's rights.
func (k *Kubelet) Start(tb testing.TB, namespace, deployment string) *Pod {
	tb.Helper()
	d, err := k.cluster.Admin().AppsV1().Deployments(namespace).Get(tb.Context(), deployment, metav1.GetOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	if len(d.Spec.Template.Spec.Containers) != 1 || len(d.Spec.Template.Spec.InitContainers) > 0 {
		tb.Fatalf("Deployment %s has not one container", deployment)
	}
	spec := d.Spec.Template.Spec
	p := &Pod{kubelet: k, container: spec.Containers[0], log: &output{}, exited: make(chan error, 1),
		grace: time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second}
	if len(p.container.Command) > 0 {
		tb.Fatal("the container has a command of its own: the image's program is to run")
	}
	env := k.variables(tb, namespace, p.container)
	for mounted, folder := range k.mounts(tb, d, p.container) {
		for name, value := range env {
			env[name] = strings.Replace(value, mounted, folder, 1)
		}
	}
	if *spec.AutomountServiceAccountToken {
		config, kubeconfig := k.cluster.ServiceAccount(tb, namespace, spec.ServiceAccountName)
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			tb.Fatal(err)
		}
		WaitForRights(tb, client)
		env["KUBECONFIG"] = kubeconfig
	}
	maps.Copy(env, k.differ)
	p.args = p.container.Args
	for _, name := range slices.Sorted(maps.Keys(env)) {
		p.env = append(p.env, name+"="+env[name])
	}
	p.running = p.command(p.args...)
	p.running.Stderr = p.log
	if err := p.running.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() { p.exited <- p.running.Wait() }()
	tb.Cleanup(func() {
		p.running.Process.Kill()
		if tb.Failed() {
			tb.Logf("the program printed:\n%s", p.log.String())
		}
	})
	return p
}

// variables resolves the container's environment.
func (k *Kubelet) variables(tb testing.TB, namespace string, c corev1.Container) map[string]string {
	tb.Helper()
	env, admin := map[string]string{}, k.cluster.Admin().CoreV1()
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef == nil {
			tb.Fatalf("variables from something else than a ConfigMap: %v", from)
		}
		m, err := admin.ConfigMaps(namespace).Get(tb.Context(), from.ConfigMapRef.Name, metav1.GetOptions{})
		if err != nil {
			tb.Fatal(err)
		}
		maps.Copy(env, m.Data)
	}
	for _, v := range c.Env {
		if v.ValueFrom == nil {
			env[v.Name] = v.Value
			continue
		}
		ref := v.ValueFrom.SecretKeyRef
		if ref == nil {
			tb.Fatalf("%s comes from something else than a Secret", v.Name)
		}
		secret, err := admin.Secrets(namespace).Get(tb.Context(), ref.Name, metav1.GetOptions{})
		optional := ref.Optional != nil && *ref.Optional
		switch {
		case apierrors.IsNotFound(err) && optional:
			continue
		case err != nil:
			tb.Fatalf("CreateContainerConfigError: %v", err)
		}
		value, ok := secret.Data[ref.Key]
		if !ok && !optional {
			tb.Fatalf("CreateContainerConfigError: Secret %s has no key %s", ref.Name, ref.Key)
		} else if ok {
			env[v.Name] = string(value)
		}
	}
	return env
}

// mounts makes the container's volumes, and returns their folders by where the container has them.
func (k *Kubelet) mounts(tb testing.TB, d *appsv1.Deployment, c corev1.Container) map[string]string {
	tb.Helper()
	admin, folders := k.cluster.Admin().CoreV1(), map[string]string{}
	for _, v := range d.Spec.Template.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			claim, err := admin.PersistentVolumeClaims(d.Namespace).Get(tb.Context(), v.PersistentVolumeClaim.ClaimName,
				metav1.GetOptions{})
			if err != nil {
				tb.Fatal(err)
			}
			if k.claims[string(claim.UID)] == "" {
				k.claims[string(claim.UID)] = tb.TempDir()
			}
			folders[v.Name] = k.claims[string(claim.UID)]
		case v.Secret != nil:
			secret, err := admin.Secrets(d.Namespace).Get(tb.Context(), v.Secret.SecretName, metav1.GetOptions{})
			if err != nil {
				tb.Fatalf("FailedMount: %v", err)
			}
			folders[v.Name] = tb.TempDir()
			for key, data := range secret.Data {
				if err := os.WriteFile(filepath.Join(folders[v.Name], key), data, 0o600); err != nil {
					tb.Fatal(err)
				}
			}
		case v.EmptyDir != nil:
			folders[v.Name] = tb.TempDir()
		default:
			tb.Fatalf("the volume %s is of no kind that is known here", v.Name)
		}
	}
	mounts := map[string]string{}
	for _, m := range c.VolumeMounts {
		if folders[m.Name] == "" {
			tb.Fatalf("there is no volume %s", m.Name)
		}
		mounts[m.MountPath] = folders[m.Name]
	}
	return mounts
}

// command is another command of the program, as kubectl exec runs it.
func (p *Pod) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.kubelet.program, args...)
	cmd.Env = p.env
	return cmd
}

// Check runs rollcall check beside the program, and returns what it prints.
func (p *Pod) Check() (string, error) {
	out, err := p.command("check").CombinedOutput()
	return string(out), err
}

// Ready waits until the container's probes are answered.
func (p *Pod) Ready(tb testing.TB) {
	tb.Helper()
	for _, probe := range []*corev1.Probe{p.container.LivenessProbe, p.container.ReadinessProbe} {
		cluster.Eventually(tb, 30*time.Second, func(context.Context) error {
			select {
			case err := <-p.exited:
				p.exited <- err
				tb.Fatalf("it ended: %v", err)
			default:
			}
			return get(p.log.address(), probe.HTTPGet.Path)
		})
	}
}

// Stop ends the program as a kubelet does, within the pod's grace period.
func (p *Pod) Stop(tb testing.TB) {
	tb.Helper()
	p.running.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.exited:
		if err != nil {
			tb.Errorf("after SIGTERM: %v", err)
		}
	case <-time.After(p.grace):
		tb.Error("it did not end within the grace period")
	}
}

// WaitForRights returns when the API server, which follows RBAC objects by a watch, knows that a client may list nodes
// and events.
func WaitForRights(tb testing.TB, client *kubernetes.Clientset) {
	tb.Helper()
	cluster.Eventually(tb, 10*time.Second, func(ctx context.Context) error {
		if _, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
			return err
		}
		_, err := client.EventsV1().Events("").List(ctx, metav1.ListOptions{Limit: 1})
		return err
	})
}

func get(address, path string) error {
	response, err := http.Get("http://" + address + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return nil
}

// output is what a program logs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// address is where it serves health, as it logs when it starts.
func (o *output) address() string {
	for line := range strings.Lines(o.String()) {
		var l struct{ HTTP string }
		if json.Unmarshal([]byte(line), &l) == nil && l.HTTP != "" {
			return l.HTTP
		}
	}
	return ""
}
