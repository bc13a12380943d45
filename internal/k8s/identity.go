package k8s

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// kubeSystem is the namespace that every API server makes when its data directory is new, and never again: its UID
// tells one cluster from another, through upgrades, new certificates, restores and changed addresses.
const kubeSystem = "kube-system"

var namespaces = resource{"namespaces", ""}

// Identity asks the API server for the cluster's identity: the UID of the namespace kube-system.
func (c *Client) Identity(ctx context.Context) (string, error) {
	ns := &corev1.Namespace{}
	if err := c.core.Get().Resource(namespaces.name).Name(kubeSystem).Do(ctx).Into(ns); err != nil {
		return "", &requestError{"get", namespaces, err}
	}
	return word(string(ns.UID)), nil
}

// identity holds the ledger to one cluster: both watches ask it before they believe an API server that they have not
// been connected to all the time.
type identity struct {
	cluster string
	client  *Client
	timing  *timing
	logger  *slog.Logger

	mu       sync.Mutex
	recorded string // what the ledger says; "" while it says nothing; guarded by mu
	unknown  bool   // the API server does not tell, and that is logged; guarded by mu
}

// expect sets what the ledger says, if it says anything.
func (i *identity) expect(recorded string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if recorded != "" {
		i.recorded = recorded
	}
}

// check returns the cluster's identity, "" if the API server does not tell. It returns an *otherCluster error if the
// ledger's cluster is another one.
func (i *identity) check(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timing.open)
	defer cancel()
	uid, err := i.client.Identity(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	switch re, _ := errors.AsType[*requestError](err); {
	case err == nil:
		i.unknown = false
	case re.forbidden(), apierrors.IsNotFound(err) && i.recorded == "":
		if !i.unknown {
			i.unknown = true
			i.logger.Warn("the cluster's identity cannot be read: if this became another cluster, Rollcall could not tell",
				"error", err)
		}
		return "", nil
	case apierrors.IsNotFound(err): // a new cluster has none for a moment
	default:
		return "", err
	}
	if i.recorded != "" && uid != i.recorded {
		return "", &otherCluster{name: i.cluster, recorded: i.recorded, found: uid}
	}
	return uid, nil
}

// otherCluster is the error of a ledger that belongs to another cluster.
type otherCluster struct{ name, recorded, found string }

func (e *otherCluster) Error() string {
	found := "has none"
	if e.found != "" {
		found = "has " + e.found
	}
	return fmt.Sprintf("this is not the cluster that the ledger knows as %s: its namespace kube-system had the UID %s, "+
		"this one %s. Nothing of it is recorded. Check KUBECONFIG, KUBE_CONTEXT and where the API server's address "+
		"leads; a cluster that was built anew needs another CLUSTER_NAME", e.name, e.recorded, found)
}
