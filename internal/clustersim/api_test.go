package clustersim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"rollcall/internal/k8s"
)

// still is a served cluster whose story does not go on: the tests take its steps.
func still(t *testing.T, config Config) (*Cluster, *httptest.Server) {
	t.Helper()
	c := New(config)
	s := httptest.NewServer(c)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return c, s
}

// client returns a REST client as internal/k8s makes them, from the cluster's own kubeconfig.
func client(t *testing.T, c *Cluster, url string, gv schema.GroupVersion, media string) rest.Interface {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig(url))
	if err != nil {
		t.Fatal(err)
	}
	config.GroupVersion, config.APIPath = &gv, "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	config.QPS = -1
	config.ContentType, config.AcceptContentTypes = media, media
	config.NegotiatedSerializer = codecs.WithoutConversion()
	r, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// both runs a test for each encoding.
func both(t *testing.T, test func(t *testing.T, media string)) {
	for _, media := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		t.Run(strings.TrimPrefix(media, "application/"), func(t *testing.T) { test(t, media) })
	}
}

// testEvent writes an event into the cluster.
func (c *Cluster) testEvent(kind, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.event(karpenter, reference{apiVersion: "v1", kind: kind, name: name, uid: c.uid()}, normal, "Test", "note")
}

// touch makes a heartbeat of the i-th node and returns its name.
func (c *Cluster) touch(i int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change(c.nodes[i], func(*corev1.Node) {})
	return c.nodes[i].name()
}

// names lists the nodes' names in the API's order.
func (c *Cluster) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, n := range c.nodes {
		names = append(names, n.name())
	}
	slices.Sort(names)
	return names
}

func TestListPages(t *testing.T) {
	both(t, func(t *testing.T, media string) {
		c, s := still(t, Config{})
		r := client(t, c, s.URL, corev1.SchemeGroupVersion, media)
		want := c.names()
		var got, versions []string
		token := ""
		for page := 0; ; page++ {
			l := &corev1.NodeList{}
			if err := r.Get().Resource("nodes").Param("limit", "5").Param("continue", token).Do(t.Context()).Into(
				l); err != nil {
				t.Fatal(err)
			}
			for _, n := range l.Items {
				got = append(got, n.Name)
			}
			versions = append(versions, l.ResourceVersion)
			if token = l.Continue; token == "" {
				break
			}
			if left := int64(len(want) - len(got)); l.RemainingItemCount == nil || *l.RemainingItemCount != left {
				t.Errorf("remaining %v, want %d", l.RemainingItemCount, left)
			}
			// What changes while a list is paged through must not show in it.
			c.DeleteNodes(1)
			c.touch(page)
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed %q, want %q", got, want)
		}
		if len(versions) != 3 || versions[0] != versions[1] || versions[1] != versions[2] {
			t.Errorf("pages are of versions %q, want three of the same", versions)
		}
		l := &corev1.NodeList{}
		if err := r.Get().Resource("nodes").Do(t.Context()).Into(l); err != nil || len(l.Items) != len(want)-2 ||
			l.Continue != "" {
			t.Errorf("a list without limit: %d nodes, continue %q, %v; want %d", len(l.Items), l.Continue, err, len(want)-2)
		}
	})
}

func TestFieldSelector(t *testing.T) {
	c, s := still(t, Config{Night: 1}) // of more nodes some are being drained, and events say so
	c.testEvent("Node", "a")
	c.testEvent("NodeClaim", "b")
	c.testEvent("Node", "c")
	r := client(t, c, s.URL, eventsv1.SchemeGroupVersion, runtime.ContentTypeProtobuf)
	l := &eventsv1.EventList{}
	if err := r.Get().Resource("events").Param("fieldSelector", "regarding.kind=Node").Param("limit",
		"1").Do(t.Context()).Into(l); err != nil {
		t.Fatal(err)
	}
	more := &eventsv1.EventList{}
	if err := r.Get().Resource("events").Param("fieldSelector", "regarding.kind=Node").Param("limit",
		"1").Param("continue", l.Continue).Do(t.Context()).Into(more); err != nil {
		t.Fatal(err)
	}
	if len(l.Items) != 1 || l.Items[0].Regarding.Name != "a" || len(more.Items) != 1 ||
		more.Items[0].Regarding.Name != "c" || more.Continue != "" {
		t.Errorf("pages: %+v and %+v", l, more)
	}
	if l.RemainingItemCount != nil {
		t.Errorf("a list with a selector counts what remains; a real one does not")
	}
	// A token is good for what it was given for only.
	err := r.Get().Resource("events").Param("continue", l.Continue).Do(t.Context()).Error()
	if !apierrors.IsResourceExpired(err) {
		t.Errorf("another selector's token: %v", err)
	}
	for _, sel := range []string{"spec.nodeName=x", "regarding.kind", "regarding.kind=Node,nothing=1"} {
		if err := r.Get().Resource("events").Param("fieldSelector", sel).Do(t.Context()).Error(); !apierrors.IsBadRequest(
			err) {
			t.Errorf("field selector %q: %v, want a bad request", sel, err)
		}
	}
}

// TestRefusals holds every error that a client may get, with its code and reason.
func TestRefusals(t *testing.T) {
	c, s := still(t, Config{})
	c.store.limits.snapshots = 1
	now := c.store.current()
	ahead := strconv.FormatUint(now+1000, 10)
	get := func(r rest.Interface, params ...string) error {
		req := r.Get().Resource("nodes").MaxRetries(0)
		for i := 0; i < len(params); i += 2 {
			req.Param(params[i], params[i+1])
		}
		return req.Do(t.Context()).Error()
	}
	both(t, func(t *testing.T, media string) {
		r := client(t, c, s.URL, corev1.SchemeGroupVersion, media)
		l := &corev1.NodeList{}
		if err := r.Get().Resource("nodes").Param("limit", "1").Do(t.Context()).Into(l); err != nil {
			t.Fatal(err)
		}
		c.touch(0)
		if err := get(r, "limit", "1"); err != nil { // another list, and there is room for one
			t.Fatal(err)
		}
		other := New(Config{})
		for _, tt := range []struct {
			what string
			err  error
			is   func(error) bool
			code int32
		}{
			{"no label selectors", get(r, "labelSelector", "a=b"), apierrors.IsBadRequest, 400},
			{"limit", get(r, "limit", "-1"), apierrors.IsBadRequest, 400},
			{"version", get(r, "resourceVersion", "x"), apierrors.IsBadRequest, 400},
			{"token", get(r, "continue", "x"), apierrors.IsBadRequest, 400},
			{"token of a dropped list", get(r, "continue", l.Continue), apierrors.IsResourceExpired, 410},
			{"version ahead", get(r, "resourceVersion", ahead), isTooLarge, 504},
			{"version ahead, watch", get(r, "watch", "true", "resourceVersion", ahead), isTooLarge, 504},
			{"exact version of the past", get(r, "resourceVersion", "1", "resourceVersionMatch", "Exact"),
				apierrors.IsResourceExpired, 410},
			{"wrong token", get(client(t, other, s.URL, corev1.SchemeGroupVersion, media)), apierrors.IsUnauthorized, 401},
			{"write", r.Delete().Resource("nodes").Do(t.Context()).Error(), apierrors.IsForbidden, 403},
			{"another resource", r.Get().Resource("pods").Do(t.Context()).Error(), apierrors.IsNotFound, 404},
			{"a list of changes", get(r, "watch", "true", "sendInitialEvents", "true"), apierrors.IsInvalid, 422},
		} {
			status, _ := tt.err.(apierrors.APIStatus)
			if status == nil || !tt.is(tt.err) || status.Status().Code != tt.code {
				t.Errorf("%s: %v", tt.what, tt.err)
			}
		}
	})
	for _, path := range []string{"/api/v1/nodes", "/apis/events.k8s.io/v1/events", "/nothing"} {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		var st metav1.Status
		err = json.NewDecoder(resp.Body).Decode(&st)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 401 || st.Kind != "Status" || st.Reason != metav1.StatusReasonUnauthorized {
			t.Errorf("%s without a token: %d %+v %v", path, resp.StatusCode, st, err)
		}
	}
}

func isTooLarge(err error) bool {
	return apierrors.IsTimeout(err) && apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) &&
		strings.Contains(err.Error(), "Too large resource version")
}

// TestCheck holds that `rollcall check` finds a cluster that it can watch.
func TestCheck(t *testing.T) {
	c, s := still(t, Config{Name: "sim", Token: "secret"})
	config, err := clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig(s.URL))
	if err != nil {
		t.Fatal(err)
	}
	kc, err := k8s.NewClient(config, "test")
	if err != nil {
		t.Fatal(err)
	}
	checks := kc.Check(t.Context())
	if len(checks) != 8 {
		t.Errorf("%d checks: %+v", len(checks), checks)
	}
	for _, ch := range checks {
		if !ch.OK {
			t.Errorf("%s: %s", ch.What, ch.Detail)
		}
	}
	raw, err := clientcmd.Load(c.Kubeconfig(s.URL))
	if err != nil || raw.CurrentContext != "sim" || raw.AuthInfos["sim"].Token != "secret" {
		t.Errorf("kubeconfig: %+v, %v", raw, err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(body) != "ok" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}
