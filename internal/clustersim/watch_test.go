package clustersim

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// watchFrom opens a watch.
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
	w := watchFrom(t, r, "events", strconv.FormatUint(c.store.current(), 10), "fieldSelector", "regarding.kind=NodeClaim",
		"allowWatchBookmarks", "true")
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
		{stream, "application/vnd.kubernetes.protobuf;stream=watch, application/json",
			"application/vnd.kubernetes.protobuf;stream=watch"},
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
	if err := json.Unmarshal(line, &frame); err != nil || frame.Type != "MODIFIED" || frame.Object.Name != name ||
		frame.Object.Kind != "Node" {
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
