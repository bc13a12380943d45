package k8s

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	authv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"rollcall/internal/nearest"
)

// Load finds the cluster to watch and returns how to reach it, with the name of the kubeconfig
// context used ("" in a pod).
//
// kubeconfig is a list of files as in the KUBECONFIG variable, contextName the context to take
// instead of the current one. If both are empty, a pod's service account is used, and outside
// of a pod ~/.kube/config. Nothing is contacted.
func Load(kubeconfig, contextName string) (*rest.Config, string, error) {
	if kubeconfig == "" && contextName == "" {
		config, err := rest.InClusterConfig()
		if err == nil {
			return config, "", nil
		}
		if !errors.Is(err, rest.ErrNotInCluster) {
			return nil, "", fmt.Errorf(
				"reading the pod's service account: %w: set automountServiceAccountToken: true on the pod and its service account",
				err)
		}
	}
	var files []string
	for _, f := range filepath.SplitList(kubeconfig) {
		if f != "" {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, "", fmt.Errorf("finding ~/.kube/config: %w: set KUBECONFIG", err)
		}
		files = []string{filepath.Join(home, clientcmd.RecommendedHomeDir, clientcmd.RecommendedFileName)}
		if _, err := os.Stat(files[0]); err != nil && contextName != "" {
			return nil, "", fmt.Errorf(
				"looking for context %q: %w: set KUBECONFIG to a kubeconfig file, or leave KUBE_CONTEXT empty in a pod",
				contextName, err)
		} else if err != nil {
			return nil, "", fmt.Errorf("not in a cluster, and there is no kubeconfig: %w: set KUBECONFIG to a kubeconfig file",
				err)
		}
	}
	// One missing file of several is usual, and kubectl says nothing of it either.
	if !slices.ContainsFunc(files, func(f string) bool { _, err := os.Stat(f); return err == nil }) {
		return nil, "", fmt.Errorf("reading the kubeconfig: no such file: %s: correct KUBECONFIG", strings.Join(files, ", "))
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: files}
	raw, err := rules.Load()
	if err != nil {
		return nil, "", fmt.Errorf("reading the kubeconfig: %w: correct the file or KUBECONFIG", err)
	}
	name := contextName
	if name == "" {
		name = raw.CurrentContext
	}
	if _, ok := raw.Contexts[name]; !ok {
		return nil, "", unknownContext(name, raw)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*raw, name, &clientcmd.ConfigOverrides{}, rules).ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("reading context %q of the kubeconfig: %w: correct the file or KUBE_CONTEXT", name, err)
	}
	return config, name, nil
}

func unknownContext(name string, raw *clientcmdapi.Config) error {
	var names []string
	for n := range raw.Contexts {
		names = append(names, n)
	}
	if len(names) == 0 {
		return errors.New("reading the kubeconfig: it has no context: correct KUBECONFIG")
	}
	slices.Sort(names)
	if name == "" {
		return fmt.Errorf("reading the kubeconfig: it has no current context: set KUBE_CONTEXT to one of %s", list(names))
	}
	if like := nearest.Word(name, names...); like != "" {
		return fmt.Errorf("reading the kubeconfig: it has no context %q: did you mean KUBE_CONTEXT=%s? There are: %s", name,
			like, list(names))
	}
	return fmt.Errorf("reading the kubeconfig: it has no context %q: set KUBE_CONTEXT to one of %s", name, list(names))
}

// list joins names for a message, and stops before it becomes a wall.
func list(names []string) string {
	if more := len(names) - 10; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:10], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Client speaks to one API server. It holds no state but its connections, and is safe for
// concurrent use.
type Client struct {
	core   rest.Interface // nodes, the namespace kube-system
	events rest.Interface // events.k8s.io/v1 events
	auth   rest.Interface // access reviews
	claims rest.Interface // Karpenter's NodeClaims and NodePools
}

// The scheme has only what Rollcall reads. The one of client-go/kubernetes has every API group
// and costs more memory than a cluster's nodes.
var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
)

func init() {
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Node{}, &corev1.NodeList{}, &corev1.Namespace{})
	scheme.AddKnownTypes(eventsv1.SchemeGroupVersion, &eventsv1.Event{}, &eventsv1.EventList{})
	scheme.AddKnownTypes(authv1.SchemeGroupVersion, &authv1.SelfSubjectAccessReview{})
	for kind, o := range map[string]runtime.Object{"NodeClaim": &nodeClaim{}, "NodeClaimList": &nodeClaimList{},
		"NodePool": &nodePool{}, "NodePoolList": &nodePoolList{}} {
		scheme.AddKnownTypeWithName(karpenter.WithKind(kind), o)
	}
	for _, gv := range []schema.GroupVersion{corev1.SchemeGroupVersion, eventsv1.SchemeGroupVersion,
		authv1.SchemeGroupVersion, karpenter} {
		metav1.AddToGroupVersion(scheme, gv)
	}
}

// NewClient makes a client of a cluster. version goes into the user agent. Nothing is
// contacted, and config is not changed.
//
// Connections have client-go's HTTP/2 health check (a ping after 30 s of silence, 15 s for the
// answer), so that a peer that vanished is noticed. There is no client-side rate limit: one
// watcher's few requests are for the API server's own fairness to order, and must not wait
// here.
func NewClient(config *rest.Config, version string) (*Client, error) {
	base := rest.CopyConfig(config)
	base.UserAgent = "rollcall/" + version
	base.QPS = -1
	base.ContentType = runtime.ContentTypeProtobuf
	base.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	base.NegotiatedSerializer = codecs.WithoutConversion()
	base.WarningHandlerWithContext = rest.NoWarnings{}
	base.Timeout = 0 // watches last; lists set their own
	transport, err := rest.HTTPClientFor(base)
	if err != nil {
		return nil, fmt.Errorf(
			"preparing the connection to the API server: %w: check the certificates and credentials of the kubeconfig", err)
	}
	c := &Client{}
	for _, g := range []struct {
		gv   schema.GroupVersion
		path string
		to   *rest.Interface
	}{
		{corev1.SchemeGroupVersion, "/api", &c.core},
		{eventsv1.SchemeGroupVersion, "/apis", &c.events},
		{authv1.SchemeGroupVersion, "/apis", &c.auth},
		{karpenter, "/apis", &c.claims},
	} {
		if *g.to, err = clientFor(base, g.gv, g.path, transport); err != nil {
			return nil, fmt.Errorf("preparing the connection to the API server: %w", err)
		}
	}
	return c, nil
}

func clientFor(base *rest.Config, gv schema.GroupVersion, path string, transport *http.Client) (rest.Interface, error) {
	config := rest.CopyConfig(base)
	config.GroupVersion, config.APIPath = &gv, path
	if gv == karpenter { // custom resources have no other form
		config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	}
	return rest.RESTClientForConfigAndClient(config, transport)
}
