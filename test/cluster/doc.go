// Package cluster runs a real Kubernetes control plane for tests: etcd and kube-apiserver, and when asked for
// kube-controller-manager, kube-scheduler and KWOK, which plays the kubelets.
//
// A test takes the process-wide control plane with [Shared], or one of its own with [Start] when it stops the API
// server, forgets history or counts every object:
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
//
//	func TestJoin(t *testing.T) {
//		c := cluster.Shared(t)
//		node, err := c.CreateNode(t.Context(), cluster.NewNode("", cluster.Spot()))
//		…
//		c.SetReady(t.Context(), node.Name, corev1.ConditionTrue, "KubeletReady")
//	}
//
// The package owns the processes it starts, their data and their certificates, and leaves none behind: they end with
// the test, and on Linux also when the test process is killed. The programs are built by the module in
// test/controlplane when they are missing. It never talks to a cluster that it did not start: no kubeconfig and no
// environment variable of the machine leads it to one.
package cluster
