package k8s

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// clusterRole is what a person must apply when a permission is missing.
const clusterRole = "apply the ClusterRole in manifests/ (get, list, watch on nodes and on events in events.k8s.io; " +
	"get on the namespace kube-system)"

// resource is what a watch is about.
type resource struct {
	name  string // as in URLs: nodes, events
	group string // "" for core
}

var (
	nodes  = resource{"nodes", ""}
	events = resource{"events", "events.k8s.io"}
)

// String is the resource's name as in a ClusterRole and in kubectl auth can-i.
func (r resource) String() string {
	if r.group == "" {
		return r.name
	}
	return r.name + "." + r.group
}

// requestError is a request that the API server refused or that did not reach it.
type requestError struct {
	verb     string
	resource resource
	err      error
}

func (e *requestError) Unwrap() error { return e.err }

// Error ends in a hint where a person can do something.
func (e *requestError) Error() string { return note(e.text()) }

func (e *requestError) text() string {
	if e.forbidden() {
		// The API server's own text names the user; the hint must not drown in it.
		return fmt.Sprintf("%s %s: not permitted for %s: %s", e.verb, e.resource, subject(e.err), clusterRole)
	}
	text := fmt.Sprintf("%s %s: %v", e.verb, e.resource, cause(e.err))
	if h := hint(e.err); h != "" {
		text += ": " + h
	}
	return text
}

func (e *requestError) forbidden() bool { return apierrors.IsForbidden(e.err) }

// permission is the missing permission, e.g. "watch events.events.k8s.io".
func (e *requestError) permission() string { return e.verb + " " + e.resource.String() }

// subject is who the API server took us for: `User "x" cannot list…` is its wording.
func subject(err error) string {
	if _, after, ok := strings.Cut(err.Error(), `User "`); ok {
		if name, _, ok := strings.Cut(after, `"`); ok {
			return name
		}
	}
	return "this user"
}

// cause takes the method and URL off a transport's error: the verb and resource say the same.
func cause(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// hint says what a person can do about an error of a request; "" if nothing comes to mind.
func hint(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the API server's name does not resolve: check the server address in the kubeconfig, and DNS"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the API server's certificate is from an unknown authority: check certificate-authority in the kubeconfig"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the API server's certificate is for another name: check the server address in the kubeconfig"
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "the API server's certificate is not valid: check its dates and this machine's clock"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the API server's certificate cannot be verified: check certificate-authority in the kubeconfig"
	}
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS: check the server address and port in the kubeconfig"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check that the API server runs, and the server address in the kubeconfig"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the API server: check the network, and the server address in the kubeconfig"
	case apierrors.IsUnauthorized(err):
		return "the API server refused the credentials (401): the token or certificate is wrong or has expired: renew the " +
			"kubeconfig's user"
	case apierrors.IsForbidden(err):
		return clusterRole
	case apierrors.IsTooManyRequests(err):
		return "the API server is overloaded"
	case apierrors.IsNotFound(err):
		return "the server does not have this API: events.k8s.io/v1 needs Kubernetes 1.19 or later"
	case strings.Contains(err.Error(), "getting credentials"):
		return "the kubeconfig's credential plugin failed: run its command by hand, and see that it is in the image"
	case isTimeout(err):
		return "the API server does not answer in time: check the network, firewalls and the API server's load"
	}
	return ""
}

func isTimeout(err error) bool {
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
}

// isExpired reports whether the resource version or continue token of a request is of no use any
// more: compacted away, or ahead of a data store that was restored from a backup. Only a new
// list helps.
func isExpired(err error) bool {
	return errors.Is(err, errVersionAhead) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) ||
		apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) ||
		err != nil && strings.Contains(err.Error(), "Too large resource version")
}

var errVersionAhead = errors.New(
	"the recorded resource version is ahead of the API server's: its data was restored from a backup or the cluster is " +
		"another one")
