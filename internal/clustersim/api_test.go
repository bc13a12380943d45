package clustersim

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
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

// event writes an event into a cluster.
func (c *Cluster) testEvent(kind, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.event(karpenter, reference{apiVersion: "v1", kind: kind, name: name, uid: c.uid()}, normal, "Test", "note")
}

// touch makes a heartbeat of the i-th node.
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
			if err := r.Get().Resource("nodes").Param("limit", "5").Param("continue", token).Do(t.Context()).Into(l); err != nil {
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
		if err := r.Get().Resource("nodes").Do(t.Context()).Into(l); err != nil || len(l.Items) != len(want)-2 || l.Continue != "" {
			t.Errorf("a list without limit: %d nodes, continue %q, %v; want %d", len(l.Items), l.Continue, err, len(want)-2)
		}
	})
}

func TestFieldSelector(t *testing.T) {
	c, s := still(t, Config{})
	c.testEvent("Node", "a")
	c.testEvent("NodeClaim", "b")
	c.testEvent("Node", "c")
	r := client(t, c, s.URL, eventsv1.SchemeGroupVersion, runtime.ContentTypeProtobuf)
	l := &eventsv1.EventList{}
	if err := r.Get().Resource("events").Param("fieldSelector", "regarding.kind=Node").Param("limit", "1").Do(t.Context()).Into(l); err != nil {
		t.Fatal(err)
	}
	more := &eventsv1.EventList{}
	if err := r.Get().Resource("events").Param("fieldSelector", "regarding.kind=Node").Param("limit", "1").Param("continue", l.Continue).Do(t.Context()).Into(more); err != nil {
		t.Fatal(err)
	}
	if len(l.Items) != 1 || l.Items[0].Regarding.Name != "a" || len(more.Items) != 1 || more.Items[0].Regarding.Name != "c" || more.Continue != "" {
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
		if err := r.Get().Resource("events").Param("fieldSelector", sel).Do(t.Context()).Error(); !apierrors.IsBadRequest(err) {
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
			{"exact version of the past", get(r, "resourceVersion", "1", "resourceVersionMatch", "Exact"), apierrors.IsResourceExpired, 410},
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

// TestCheck holds that `bot check` finds a cluster that it can watch.
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
	if len(checks) != 7 {
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

// frames opens a watch and returns its frames.
func watchFrom(t *testing.T, r rest.Interface, resource, version string, params ...string) watch.Interface {
	t.Helper()
	req := r.Get().Resource(resource).Param("watch", "true").Param("resourceVersion", version)
	for i := 0; i < len(params); i += 2 {
		req.Param(params[i], params[i+1])
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err := req.MaxRetries(0).Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); w.Stop() })
	return w
}

func nextFrame(t *testing.T, w watch.Interface) watch.Event {
	t.Helper()
	select {
	case e, ok := <-w.ResultChan():
		if !ok {
			t.Fatal("the watch ended")
		}
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

func TestWatch(t *testing.T) {
	both(t, func(t *testing.T, media string) {
		c, s := still(t, Config{})
		r := client(t, c, s.URL, corev1.SchemeGroupVersion, media)
		before := strconv.FormatUint(c.store.current(), 10)
		w := watchFrom(t, r, "nodes", before)
		first := c.touch(0)
		c.testEvent("Node", "moves only the version")
		second := c.touch(1)
		gone := c.DeleteNodes(1)[0]
		version := before
		var versions []string
		for _, want := range []struct {
			kind watch.EventType
			name string
		}{{watch.Modified, first}, {watch.Modified, second}, {watch.Deleted, gone}} {
			e := nextFrame(t, w)
			n, ok := e.Object.(*corev1.Node)
			if !ok || e.Type != want.kind || n.Name != want.name {
				t.Fatalf("frame %s %v, want %s %s", e.Type, e.Object, want.kind, want.name)
			}
			if n.ResourceVersion <= version {
				t.Errorf("version %s does not follow %s", n.ResourceVersion, version)
			}
			version = n.ResourceVersion
			versions = append(versions, version)
		}
		// A watch resumes after any version that it has told.
		again := watchFrom(t, r, "nodes", versions[0])
		if n := nextFrame(t, again).Object.(*corev1.Node); n.ResourceVersion != versions[1] || n.Name != second {
			t.Errorf("resumed with %s of version %s", n.Name, n.ResourceVersion)
		}
		// From no version in particular, everything that is there comes first.
		all := watchFrom(t, r, "nodes", "")
		for _, name := range c.names() {
			if e := nextFrame(t, all); e.Type != watch.Added || e.Object.(*corev1.Node).Name != name {
				t.Errorf("frame %+v, want %s added", e, name)
			}
		}
	})
}

func TestWatchEvents(t *testing.T) {
	c, s := still(t, Config{})
	r := client(t, c, s.URL, eventsv1.SchemeGroupVersion, runtime.ContentTypeProtobuf)
	w := watchFrom(t, r, "events", strconv.FormatUint(c.store.current(), 10), "fieldSelector", "regarding.kind=NodeClaim", "allowWatchBookmarks", "true")
	c.testEvent("Node", "a")
	c.testEvent("NodeClaim", "b")
	if e := nextFrame(t, w); e.Type != watch.Added || e.Object.(*eventsv1.Event).Regarding.Name != "b" {
		t.Errorf("frame %+v", e)
	}
}

// TestWatchExpires holds that a version that is no longer kept ends the watch with an error
// frame, as a real API server does.
func TestWatchExpires(t *testing.T) {
	both(t, func(t *testing.T, media string) {
		c, s := still(t, Config{})
		r := client(t, c, s.URL, corev1.SchemeGroupVersion, media)
		start := c.store.current()
		for range 2*c.store.limits.nodeLog + 1 {
			c.touch(0)
		}
		for _, version := range []uint64{start, start - 1, 1} {
			e := nextFrame(t, watchFrom(t, r, "nodes", strconv.FormatUint(version, 10)))
			if err := apierrors.FromObject(e.Object); e.Type != watch.Error || !apierrors.IsResourceExpired(err) {
				t.Errorf("watch from %d: %s %v", version, e.Type, e.Object)
			} else if code := err.(apierrors.APIStatus).Status().Code; code != 410 {
				t.Errorf("watch from %d: code %d", version, code)
			}
		}
		// The newer half is still there.
		e := nextFrame(t, watchFrom(t, r, "nodes", strconv.FormatUint(c.store.current()-1, 10)))
		if e.Type != watch.Modified {
			t.Errorf("watch from the last version but one: %s", e.Type)
		}
		nodes, _, log, _ := c.store.size()
		if log > 2*c.store.limits.nodeLog+nodes {
			t.Errorf("%d changes are kept", log)
		}
	})
}

// TestWatchEnds holds that a watch lasts as long as it was asked to, ends in good order, and says
// at last how far it has got.
func TestWatchEnds(t *testing.T) {
	c, s := still(t, Config{})
	r := client(t, c, s.URL, corev1.SchemeGroupVersion, runtime.ContentTypeProtobuf)
	before := strconv.FormatUint(c.store.current(), 10)
	c.testEvent("Node", "x")
	version := strconv.FormatUint(c.store.current(), 10)
	w := watchFrom(t, r, "nodes", before, "timeoutSeconds", "1", "allowWatchBookmarks", "true")
	if e := nextFrame(t, w); e.Type != watch.Bookmark || e.Object.(*corev1.Node).ResourceVersion != version {
		t.Errorf("last frame %+v, want a bookmark of %s", e, version)
	}
	if _, ok := <-w.ResultChan(); ok {
		t.Error("the watch goes on")
	}
}

// TestBookmarks holds that a quiet watch of nodes is told now and then how far it has got, if it
// asked for that.
func TestBookmarks(t *testing.T) {
	c, s := still(t, Config{})
	c.nodeResource.bookmarks = 20 * time.Millisecond
	r := client(t, c, s.URL, corev1.SchemeGroupVersion, runtime.ContentTypeProtobuf)
	before := strconv.FormatUint(c.store.current(), 10)
	w := watchFrom(t, r, "nodes", before, "allowWatchBookmarks", "true")
	silent := watchFrom(t, r, "nodes", before)
	for range 3 {
		c.testEvent("Node", "x")
		version := strconv.FormatUint(c.store.current(), 10)
		for {
			e := nextFrame(t, w)
			if e.Type != watch.Bookmark {
				t.Fatalf("frame %+v", e)
			}
			if e.Object.(*corev1.Node).ResourceVersion == version {
				break
			}
		}
	}
	name := c.touch(0)
	if e := nextFrame(t, silent); e.Type != watch.Modified || e.Object.(*corev1.Node).Name != name {
		t.Errorf("a watch that asked for no bookmarks got %+v", e)
	}
}

// TestStream holds the form of the answers: media types and the framing of a JSON watch.
func TestStream(t *testing.T) {
	c, s := still(t, Config{Token: "t"})
	do := func(path, accept string) *http.Response {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		req.Header.Set("Authorization", "Bearer t")
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	const stream = "/api/v1/nodes?watch=true&resourceVersion="
	for _, tt := range []struct{ path, accept, want string }{
		{"/api/v1/nodes", "application/vnd.kubernetes.protobuf,application/json", "application/vnd.kubernetes.protobuf"},
		{"/api/v1/nodes", "application/json, application/vnd.kubernetes.protobuf", "application/json"},
		{"/api/v1/nodes", "", "application/json"},
		{"/api/v1/nodes", "*/*", "application/json"},
		{"/api/v1/nodes", "application/yaml", "application/json"},
		{stream, "application/vnd.kubernetes.protobuf;stream=watch, application/json", "application/vnd.kubernetes.protobuf;stream=watch"},
		{stream, "application/json", "application/json"},
	} {
		if got := do(tt.path, tt.accept).Header.Get("Content-Type"); got != tt.want {
			t.Errorf("%s, accepting %q: %q, want %q", tt.path, tt.accept, got, tt.want)
		}
	}
	resp := do(stream+strconv.FormatUint(c.store.current(), 10), "application/json")
	name := c.touch(3)
	line, err := bufio.NewReader(resp.Body).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var frame struct {
		Type   string
		Object corev1.Node
	}
	if err := json.Unmarshal(line, &frame); err != nil || frame.Type != "MODIFIED" || frame.Object.Name != name || frame.Object.Kind != "Node" {
		t.Errorf("frame %s: %v", line, err)
	}
}

// TestStopAPI holds that an outage cuts watches and answers nobody, and that watches resume
// afterwards without a loss.
func TestStopAPI(t *testing.T) {
	c, s := still(t, Config{})
	r := client(t, c, s.URL, corev1.SchemeGroupVersion, runtime.ContentTypeProtobuf)
	version := strconv.FormatUint(c.store.current(), 10)
	w := watchFrom(t, r, "nodes", version)
	c.StopAPI(time.Hour)
	if e, ok := <-w.ResultChan(); ok {
		t.Errorf("the watch goes on with %+v", e)
	}
	if until := c.State().APIDownUntil; time.Until(until) < 50*time.Minute {
		t.Errorf("down until %v", until)
	}
	name := c.touch(0)
	for range 3 {
		err := r.Get().Resource("nodes").MaxRetries(0).Do(t.Context()).Error()
		if _, answered := err.(apierrors.APIStatus); err == nil || answered {
			t.Errorf("a request in the outage: %v", err)
		} else if !strings.Contains(err.Error(), "reset by peer") && !strings.Contains(err.Error(), "EOF") {
			t.Errorf("a request in the outage: %v, want a reset", err)
		}
	}
	c.StopAPI(0)
	if until := c.State().APIDownUntil; !until.IsZero() {
		t.Errorf("down until %v after the end", until)
	}
	e := nextFrame(t, watchFrom(t, r, "nodes", version))
	if e.Type != watch.Modified || e.Object.(*corev1.Node).Name != name {
		t.Errorf("resumed with %+v, want %s", e, name)
	}
}
