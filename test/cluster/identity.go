package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Users that every cluster knows. All but the administrator have no rights until [Cluster.Grant] gives them some;
// [Cluster.NewUser] hands out further ones that no other test uses.
const (
	UserAdmin    = "admin"
	UserRollcall = "rollcall"
	UserNobody   = "nobody"
)

// ContextName is the name of the context in the kubeconfig files, and so the cluster's name for who reads it there.
const ContextName = "test"

// spareUsers is how many users NewUser can hand out: the API server reads its token file only when it starts.
const spareUsers = 200

// identity is the cluster's certificate and its users' tokens, kept in files for the components.
type identity struct {
	dir    string
	ca     []byte // PEM; the serving certificate signs itself
	tokens map[string]string

	mu    sync.Mutex
	spare int // how many spare users have been handed out; guarded by mu
}

func (id *identity) path(name string) string { return filepath.Join(id.dir, name) }

func newIdentity(dir string) (*identity, error) {
	id := &identity{dir: dir, tokens: map[string]string{}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the cluster's key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "kube-apiserver of a test"},
		NotBefore:             now.AddDate(0, -3, 0), // clients whose clock is behind can connect too
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		DNSNames:              []string{"localhost", "kubernetes.default.svc"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the cluster's certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the cluster's key: %w", err)
	}
	id.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})

	var csv strings.Builder
	for _, user := range slices.Concat([]string{UserAdmin, UserRollcall, UserNobody}, spareNames()) {
		id.tokens[user] = strings.ToLower(rand.Text())
		group := "rollcall:test"
		if user == UserAdmin {
			group = "system:masters"
		}
		fmt.Fprintf(&csv, "%s,%s,%s,%q\n", id.tokens[user], user, user, group)
	}
	for name, data := range map[string][]byte{
		"tls.crt":    id.ca,
		"tls.key":    pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
		"tokens.csv": []byte(csv.String()),
	} {
		if err := os.WriteFile(id.path(name), data, 0o600); err != nil {
			return nil, fmt.Errorf("writing the cluster's identity: %w", err)
		}
	}
	return id, nil
}

func spareNames() []string {
	names := make([]string, spareUsers)
	for i := range names {
		names[i] = fmt.Sprintf("user-%03d", i+1)
	}
	return names
}

// NewUser returns a user that no other test has, without any rights beyond those of every authenticated user.
func (c *Cluster) NewUser(tb testing.TB) string {
	tb.Helper()
	c.identity.mu.Lock()
	defer c.identity.mu.Unlock()
	if c.identity.spare == spareUsers {
		tb.Fatalf("all %d spare users are taken", spareUsers)
	}
	c.identity.spare++
	return fmt.Sprintf("user-%03d", c.identity.spare)
}

// URL is the API server's address, https on 127.0.0.1.
func (c *Cluster) URL() string { return fmt.Sprintf("https://127.0.0.1:%d", c.apiPort) }

// Config returns a client configuration for a user: address, certificate and token, no client-side rate limit, and
// JSON unless the caller sets a content type. It panics on a user that does not exist.
func (c *Cluster) Config(user string) *rest.Config {
	token, ok := c.identity.tokens[user]
	if !ok {
		panic(fmt.Sprintf("cluster: no user %q: use the User constants or NewUser", user))
	}
	return &rest.Config{
		Host:            c.URL(),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAData: slices.Clone(c.identity.ca)},
		QPS:             -1,
		UserAgent:       "rollcall-test/" + user,
	}
}

func (c *Cluster) protobufConfig(user string) *rest.Config {
	config := c.Config(user)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return config
}

// Kubeconfig writes a kubeconfig file for a user and returns its path; the file goes away with the test.
func (c *Cluster) Kubeconfig(tb testing.TB, user string) string {
	tb.Helper()
	return c.KubeconfigVia(tb, user, c.URL())
}

// KubeconfigVia is [Cluster.Kubeconfig] with another address for the API server, such as a [Proxy]'s.
func (c *Cluster) KubeconfigVia(tb testing.TB, user, server string) string {
	tb.Helper()
	return kubeconfig(tb, user, server, c.Config(user))
}

// ServiceAccount asks the API server for a token of a ServiceAccount, as a kubelet does for a pod, and returns a client
// configuration and a kubeconfig file with it.
func (c *Cluster) ServiceAccount(tb testing.TB, namespace, name string) (config *rest.Config, path string) {
	tb.Helper()
	request, err := c.admin.CoreV1().ServiceAccounts(namespace).CreateToken(tb.Context(), name,
		&authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		tb.Fatalf("asking for a token of ServiceAccount %s/%s: %v", namespace, name, err)
	}
	config = c.Config(UserNobody)
	config.BearerToken = request.Status.Token
	return config, kubeconfig(tb, name, c.URL(), config)
}

// kubeconfig writes a file with one context and returns its path; the file goes away with the test.
func kubeconfig(tb testing.TB, user, server string, direct *rest.Config) string {
	tb.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters[ContextName] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: direct.CAData}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: direct.BearerToken}
	config.Contexts[ContextName] = &clientcmdapi.Context{Cluster: ContextName, AuthInfo: user}
	config.CurrentContext = ContextName
	path := filepath.Join(tb.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		tb.Fatalf("writing a kubeconfig: %v", err)
	}
	return path
}

// ReadNodesAndEvents are the rights that the app needs: to read nodes, events and the cluster's identity.
func ReadNodesAndEvents() []rbacv1.PolicyRule {
	return append(ReadNodes(), rbacv1.PolicyRule{
		APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"get", "list", "watch"},
	}, ReadIdentity())
}

// ReadIdentity is the right to read the namespace whose UID tells one cluster from another.
func ReadIdentity() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"},
		Verbs: []string{"get"},
	}
}

// ReadNodes are the rights to read nodes alone, as a too narrow ClusterRole would give them.
func ReadNodes() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "list", "watch"},
	}}
}

// Grant gives a user rights in the whole cluster through a ClusterRole and its binding, and returns when the API
// server honours them. The rights end with the test, or earlier by calling revoke, which also waits.
func (c *Cluster) Grant(tb testing.TB, user string, rules ...rbacv1.PolicyRule) (revoke func()) {
	tb.Helper()
	ctx := tb.Context()
	name := fmt.Sprintf("test-%s-%s", user, strings.ToLower(rand.Text()[:8]))
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	if _, err := c.admin.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		tb.Fatalf("granting rights to %s: %v", user, err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	if _, err := c.admin.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		tb.Fatalf("granting rights to %s: %v", user, err)
	}
	remove := func(ctx context.Context) error {
		err := c.admin.RbacV1().ClusterRoleBindings().Delete(ctx, name, metav1.DeleteOptions{})
		if err == nil || apierrors.IsNotFound(err) {
			err = c.admin.RbacV1().ClusterRoles().Delete(ctx, name, metav1.DeleteOptions{})
		}
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return err
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		remove(ctx) // the API server may be gone by now, which is as good
	})
	c.waitForRights(tb, user, rules, true)
	return func() {
		tb.Helper()
		if err := remove(tb.Context()); err != nil {
			tb.Fatalf("revoking the rights of %s: %v", user, err)
		}
		c.waitForRights(tb, user, rules, false)
	}
}

// GrantManifest gives a user the rules of every ClusterRole in a YAML file: the rights that the app ships with.
func (c *Cluster) GrantManifest(tb testing.TB, user, path string) (revoke func()) {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatalf("reading a manifest: %v", err)
	}
	defer file.Close()
	var rules []rbacv1.PolicyRule
	for decoder := yaml.NewYAMLOrJSONDecoder(file, 4096); ; {
		var role rbacv1.ClusterRole
		if err := decoder.Decode(&role); err != nil {
			if err.Error() == "EOF" {
				break
			}
			tb.Fatalf("reading %s: %v", path, err)
		}
		if role.Kind == "ClusterRole" {
			rules = append(rules, role.Rules...)
		}
	}
	if len(rules) == 0 {
		tb.Fatalf("%s has no ClusterRole with rules", path)
	}
	return c.Grant(tb, user, rules...)
}

// waitForRights returns when the API server's authorizer, which follows RBAC objects by a watch, gives each of the
// rules' rights, or none.
func (c *Cluster) waitForRights(tb testing.TB, user string, rules []rbacv1.PolicyRule, want bool) {
	tb.Helper()
	Eventually(tb, 10*time.Second, func(ctx context.Context) error {
		for _, rule := range rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					resource, subresource, _ := strings.Cut(resource, "/")
					for _, verb := range rule.Verbs {
						review := &authv1.SubjectAccessReview{Spec: authv1.SubjectAccessReviewSpec{
							User: user, Groups: []string{"system:authenticated"},
							ResourceAttributes: &authv1.ResourceAttributes{
								Group: group, Resource: resource, Subresource: subresource, Verb: verb,
								Name: strings.Join(rule.ResourceNames, ""), // at most one in these tests
							},
						}}
						got, err := c.admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
						if err != nil {
							return fmt.Errorf("asking for the rights of %s: %w", user, err)
						}
						if got.Status.Allowed != want {
							return fmt.Errorf("may %s %s %s: %v, want %v", user, verb, resource, got.Status.Allowed, want)
						}
					}
				}
			}
		}
		return nil
	})
}

// healthClient asks components for their health; their certificates are their own and prove nothing.
var healthClient = &http.Client{Transport: &http.Transport{
	TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	DisableKeepAlives: true,
}}

func getOK(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := healthClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
