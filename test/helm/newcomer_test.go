package helm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	helm "helm.sh/helm/v4/pkg/cmd"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubectl "k8s.io/kubectl/pkg/cmd"

	"rollcall/internal/channel"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
	"rollcall/test/install"
)

// TestMain is helm or kubectl if it is called so: the documents' lines run as they stand.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "helm":
		cmd, err := helm.NewRootCmd(os.Stdout, os.Args[1:], helm.SetupLogging)
		if err == nil {
			err = cmd.Execute()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "helm:", err)
			os.Exit(1)
		}
	case "kubectl":
		if err := kubectl.NewDefaultKubectlCommand().Execute(); err != nil {
			os.Exit(1)
		}
	default:
		os.Exit(cluster.Main(m))
	}
}

// newcomer is somebody with a shell, a cluster, and docs/install.md and docs/helm.md.
type newcomer struct {
	dir   string
	env   []string
	pages string
}

func newNewcomer(t *testing.T, c *cluster.Cluster) *newcomer {
	t.Helper()
	n := &newcomer{dir: t.TempDir()}
	for _, page := range []string{"../../docs/install.md", "../../docs/helm.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		n.pages += string(text)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	programs := t.TempDir()
	for _, name := range []string{"helm", "kubectl"} {
		if err := os.Symlink(self, filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	n.env = append(os.Environ(), "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+home,
		"HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home,
		"KUBECONFIG="+c.Kubeconfig(t, cluster.UserAdmin))
	return n
}

// block are the lines of a block of the documents, with what the reader fills in.
func (n *newcomer) block(t *testing.T, name string) string {
	t.Helper()
	_, text, ok := strings.Cut(n.pages, "<!-- "+name+" -->\n")
	text, _, ok2 := strings.Cut(text, "<!-- /"+name+" -->")
	if !ok || !ok2 {
		t.Fatalf("the documents have no block %s", name)
	}
	return strings.NewReplacer("xoxb-…", slackemu.DefaultBotToken, "xapp-…", slackemu.DefaultAppToken,
		"C…", slackemu.ChannelOps).Replace(text)
}

// run types a block's lines, and returns what they print.
func (n *newcomer) run(t *testing.T, lines string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", lines)
	cmd.Dir, cmd.Env = n.dir, n.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (n *newcomer) must(t *testing.T, lines string) string {
	t.Helper()
	out, err := n.run(t, lines)
	if err != nil {
		t.Fatalf("%v\n$ %s\n%s", err, lines, out)
	}
	return out
}

// makeChart is make chart VERSION=v1.0.0 CHART_IMAGE=registry.example.com/rollcall.
func (n *newcomer) makeChart(t *testing.T) {
	t.Helper()
	pack := exec.CommandContext(t.Context(), "go", "run", "./pack", "-version", "v1.0.0",
		"-image", "registry.example.com/rollcall", "-out", filepath.Join(n.dir, "bin"))
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("make chart: %v\n%s", err, out)
	}
}

// Somebody who follows docs/install.md gets a message in the channel, changes a setting, and uninstalls. What runs is
// the program as the stored Deployment says, with the ServiceAccount's own token.
func TestANewcomersRun(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	slack, n, admin := install.Slack(t), newNewcomer(t, c), c.Admin()
	n.makeChart(t)
	said := n.must(t, n.block(t, "helm"))
	if !strings.Contains(said, "kubectl -n rollcall rollout status deployment/rollcall") {
		t.Errorf("helm install does not say the next step:\n%s", said)
	}
	d, err := admin.AppsV1().Deployments("rollcall").Get(t.Context(), "rollcall", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if image := d.Spec.Template.Spec.Containers[0].Image; image != "registry.example.com/rollcall:v1.0.0" {
		t.Errorf("the image is %s", image)
	}
	pod := &corev1.Pod{ObjectMeta: d.Spec.Template.ObjectMeta, Spec: d.Spec.Template.Spec}
	pod.Name, pod.Namespace = "rollcall", "rollcall"
	if _, err := admin.CoreV1().Pods("rollcall").Create(t.Context(), pod, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}); err != nil {
		t.Errorf("the namespace does not admit the pod: %v", err)
	}

	kubelet := install.NewKubelet(t, c, map[string]string{"SLACK_API_URL": slack.APIURL(), "HTTP_ADDR": "127.0.0.1:0"})
	running := kubelet.Start(t, "rollcall", "rollcall")
	running.Ready(t)
	cluster.Eventually(t, 20*time.Second, func(context.Context) error { return baselines(slack, 1) })
	if out, err := running.Check(); err != nil || !strings.Contains(out, "Everything is in place.") {
		t.Errorf("rollcall check: %v\n%s", err, out)
	}
	joins := func(name string) {
		t.Helper()
		if _, err := c.CreateNode(t.Context(), cluster.NewNode(name, cluster.Ready())); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.DeleteNode(context.Background(), name) })
		cluster.Eventually(t, 20*time.Second, func(context.Context) error {
			for _, told := range channel.Tellings(slack, slackemu.ChannelOps) {
				if told.Node == name && told.Step == "joined" {
					return nil
				}
			}
			return fmt.Errorf("it is not told that %s joined", name)
		})
	}
	joins("before-the-upgrade")

	// A change restarts the pod, which goes on with the same ledger.
	claim, err := admin.CoreV1().PersistentVolumeClaims("rollcall").Get(t.Context(), "rollcall", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.must(t, n.block(t, "upgrade"))
	upgraded, err := admin.AppsV1().Deployments("rollcall").Get(t.Context(), "rollcall", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const sum = "checksum/config"
	if upgraded.UID != d.UID || upgraded.Spec.Template.Annotations[sum] == d.Spec.Template.Annotations[sum] {
		t.Errorf("the Deployment's pod is the same after the upgrade: %v", upgraded.Spec.Template.Annotations)
	}
	settings, err := admin.CoreV1().ConfigMaps("rollcall").Get(t.Context(), "rollcall", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if settings.Data["DIGEST_TIMEZONE"] != "Europe/Berlin" || settings.Data["SLACK_CHANNEL"] != slackemu.ChannelOps {
		t.Errorf("after the upgrade the settings are %v", settings.Data)
	}
	running.Stop(t)
	running = kubelet.Start(t, "rollcall", "rollcall")
	running.Ready(t)
	joins("after-the-upgrade")
	running.Stop(t)

	// What stays is what the page says, and the same release goes on with it.
	n.must(t, n.block(t, "uninstall"))
	_, err = admin.AppsV1().Deployments("rollcall").Get(t.Context(), "rollcall", metav1.GetOptions{})
	_, err2 := admin.RbacV1().ClusterRoles().Get(t.Context(), "rollcall", metav1.GetOptions{})
	_, err3 := admin.SchedulingV1().PriorityClasses().Get(t.Context(), "rollcall", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) || !apierrors.IsNotFound(err2) || !apierrors.IsNotFound(err3) {
		t.Errorf("something is left: %v", errors.Join(err, err2, err3))
	}
	if _, err := admin.CoreV1().Secrets("rollcall").Get(t.Context(), "rollcall-slack", metav1.GetOptions{}); err != nil {
		t.Errorf("the Secret is gone: %v", err)
	}
	_, again, _ := strings.Cut(n.block(t, "helm"), "helm install")
	n.must(t, "helm install"+again)
	kept, err := admin.CoreV1().PersistentVolumeClaims("rollcall").Get(t.Context(), "rollcall", metav1.GetOptions{})
	if err != nil || kept.UID != claim.UID {
		t.Fatalf("the claim is another one: %v", err)
	}
	running = kubelet.Start(t, "rollcall", "rollcall")
	running.Ready(t)
	joins("after-the-uninstall")
	running.Stop(t)
	if err := baselines(slack, 1); err != nil {
		t.Errorf("it began anew: %v", err)
	}
}

// baselines counts the messages with which Rollcall begins.
func baselines(slack *slackemu.Server, want int) error {
	var texts []string
	n := 0
	for _, m := range slack.Messages(slackemu.ChannelOps) {
		texts = append(texts, m.Text)
		n += strings.Count(m.Text, "Rollcall is watching prod")
	}
	if n != want {
		return fmt.Errorf("the channel says %d times that Rollcall is watching, want %d: %q", n, want, texts)
	}
	return nil
}

// What kustomize installed becomes a release, which goes on with the ledger.
func TestFromKustomize(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	slack, n, admin := install.Slack(t), newNewcomer(t, c), c.Admin()
	n.makeChart(t)
	base, err := filepath.Abs(filepath.Join(manifests, "base"))
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(n.block(t, "helm"), "kubectl -n rollcall create secret")
	secret, _, _ = strings.Cut(secret, "helm install")
	n.must(t, "kubectl apply -k '"+base+"'\nkubectl -n rollcall create secret"+secret)
	kubelet := install.NewKubelet(t, c, map[string]string{"SLACK_API_URL": slack.APIURL(), "HTTP_ADDR": "127.0.0.1:0",
		"SLACK_CHANNEL": slackemu.ChannelOps, "CLUSTER_NAME": "prod"})
	running := kubelet.Start(t, "rollcall", "rollcall")
	running.Ready(t)
	cluster.Eventually(t, 20*time.Second, func(context.Context) error { return baselines(slack, 1) })
	running.Stop(t)
	claims := admin.CoreV1().PersistentVolumeClaims("rollcall")
	before, err := claims.Get(t.Context(), "rollcall", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}

	n.must(t, n.block(t, "move"))
	if after, err := claims.Get(t.Context(), "rollcall", metav1.GetOptions{}); err != nil || after.UID != before.UID {
		t.Fatalf("the claim is another one: %v", err)
	}
	running = kubelet.Start(t, "rollcall", "rollcall")
	running.Ready(t)
	if _, err := c.CreateNode(t.Context(), cluster.NewNode("after-the-move", cluster.Ready())); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, 20*time.Second, func(context.Context) error {
		return channel.Expect(slack, slackemu.ChannelOps, "joined", []string{"after-the-move"})
	})
	running.Stop(t)
	if err := baselines(slack, 1); err != nil {
		t.Errorf("it began anew: %v", err)
	}
}

// A mistake on the command line is refused with a message that names it, before anything is there.
func TestAMistakeOnTheCommandLine(t *testing.T) {
	c := cluster.Shared(t)
	n := newNewcomer(t, c)
	chart, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"config.SLACK_CHANNEL=#ops": "/config/SLACK_CHANNEL", "config.SLACK_CHANEL=C0EXAMPLE": "SLACK_CHANEL",
		"image.tag=v1": "config.SLACK_CHANNEL: it is missing"} {
		out, err := n.run(t, "helm install mistaken '"+chart+"' -n mistaken --create-namespace "+
			"--set image.repository=registry.example.com/rollcall,image.tag=v1 --set '"+value+"'")
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v, want %s\n%s", value, err, want, out)
		}
	}
	all, err := c.Admin().CoreV1().Secrets("mistaken").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(all.Items) > 0 {
		t.Errorf("a release was stored: %v, %v", all, err)
	}
}
