package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	authv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/version"
)

// checkTimeout bounds each request of a check: a person waits for it.
const checkTimeout = 10 * time.Second

// Check is one thing that `rollcall check` looked at.
type Check struct {
	What string // e.g. "reach the API server", "watch nodes"
	OK   bool
	// Detail is what was found, or why it failed, ending in a hint.
	Detail string
}

// Version asks the API server for its version, e.g. v1.36.3. The error ends in a hint by what
// went wrong: name, network, TLS, credentials or time.
func (c *Client) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	body, err := c.core.Get().AbsPath("/version").SetHeader("Accept", "application/json").MaxRetries(0).Do(ctx).Raw()
	if err != nil {
		return "", reachError(err)
	}
	var v version.Info
	if err := json.Unmarshal(body, &v); err != nil || v.GitVersion == "" {
		return "", errors.New(
			"asking the API server for its version: the answer is not an API server's: check the server address in the " +
				"kubeconfig")
	}
	return v.GitVersion, nil
}

func reachError(err error) error {
	if h := hint(err); h != "" {
		return fmt.Errorf("reaching the API server: %w: %s", cause(err), h)
	}
	return fmt.Errorf("reaching the API server: %w", cause(err))
}

// Check looks at everything that the watcher needs of the API server: that it answers, and that
// it permits get, list and watch of nodes and of events, and get of the namespace kube-system. It goes on after
// a failure, except where nothing can be asked.
func (c *Client) Check(ctx context.Context) []Check {
	reach := Check{What: "reach the API server"}
	v, err := c.Version(ctx)
	if err != nil {
		reach.Detail = err.Error()
		return []Check{reach}
	}
	reach.OK, reach.Detail = true, "Kubernetes "+v
	checks := []Check{reach}
	for _, r := range []resource{nodes, events} {
		for _, verb := range []string{"get", "list", "watch"} {
			checks = append(checks, c.allowed(ctx, verb, r, ""))
		}
	}
	return append(checks, c.allowed(ctx, "get", namespaces, kubeSystem))
}

// allowed asks whether this user may do verb to r, or to the one object of it that is named.
func (c *Client) allowed(ctx context.Context, verb string, r resource, object string) Check {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	check := Check{What: (&requestError{verb: verb, resource: r}).permission()}
	if object != "" {
		check.What += "/" + object
	}
	review := &authv1.SelfSubjectAccessReview{Spec: authv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authv1.ResourceAttributes{Verb: verb, Group: r.group, Resource: r.name, Name: object},
	}}
	err := c.auth.Post().Resource("selfsubjectaccessreviews").Body(review).MaxRetries(0).Do(ctx).Into(review)
	switch {
	case err != nil:
		check.Detail = reachError(err).Error()
	case review.Status.Allowed:
		check.OK, check.Detail = true, "permitted"
	default:
		check.Detail = "not permitted: " + clusterRole
	}
	return check
}
