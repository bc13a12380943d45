package clustersim

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// bookmarkEvery is how far apart a real API server's bookmarks are, about.
	bookmarkEvery = time.Minute
	// minWatch is the least length of a watch that asks for none, as kube-apiserver's
	// --min-request-timeout; the longest is twice that.
	minWatch = 30 * time.Minute
	// writeTimeout is how long a client may take to read a burst of frames before it is cut off.
	writeTimeout = 30 * time.Second
	// frames is how many changes are written between two flushes at most.
	frames = 256
)

// watch answers a watch until the client leaves, its time is up or cut is closed.
func (c *Cluster) watch(w http.ResponseWriter, r *http.Request, e encoding, res *endpoint, takes func(object) bool,
	cut <-chan struct{}) {
	q := r.URL.Query()
	from, failure := parseVersion(q.Get("resourceVersion"))
	if failure != nil {
		e.fail(w, failure)
		return
	}
	if q.Get("sendInitialEvents") != "" {
		e.fail(w, apierrors.NewInvalid(metav1.SchemeGroupVersion.WithKind("ListOptions").GroupKind(), "", nil))
		return
	}
	seconds, err := count(q.Get("timeoutSeconds"))
	if err != nil {
		e.fail(w, apierrors.NewBadRequest("invalid timeoutSeconds: "+err.Error()))
		return
	}
	if now := c.store.current(); from > now {
		e.fail(w, tooLarge(from, now))
		return
	}
	length := time.Duration(seconds) * time.Second
	if length == 0 {
		length = minWatch + rand.N(minWatch)
	}
	ctx, cancel := context.WithTimeout(r.Context(), length)
	defer cancel()
	if e.media == runtime.ContentTypeProtobuf {
		w.Header().Set("Content-Type", e.media+";stream=watch")
	} else {
		w.Header().Set("Content-Type", e.media)
	}
	w.WriteHeader(http.StatusOK)
	s := &stream{e: e, control: http.NewResponseController(w), out: e.info.StreamSerializer.Framer.NewFrameWriter(w)}
	f := follow{store: c.store, res: res, takes: takes, stream: s}
	if wanted, _ := strconv.ParseBool(q.Get("allowWatchBookmarks")); wanted {
		f.bookmarks = res.bookmarks
	}
	// The client waits for the header, and there may be nothing to tell for long.
	if s.batch(func() error { return nil }) == nil {
		f.run(ctx, from, cut)
	}
	select {
	case <-cut:
		reset(w)
	default:
	}
}

// follow is a watch under way.
type follow struct {
	store     *store
	res       *endpoint
	takes     func(object) bool
	stream    *stream
	bookmarks time.Duration // 0: none
}

func (f *follow) run(ctx context.Context, from uint64, cut <-chan struct{}) {
	if from == 0 {
		// From no version in particular: everything that is there, then what changes.
		sn := f.store.list(f.res.table, "", f.takes, time.Now())
		err := f.stream.batch(func() error {
			for _, o := range sn.objects {
				if err := f.stream.send(watch.Added, o); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return
		}
		from = sn.version
	}
	var bookmark <-chan time.Time
	if f.bookmarks > 0 {
		t := time.NewTicker(f.bookmarks - rand.N(f.bookmarks/10))
		defer t.Stop()
		bookmark = t.C
	}
	for {
		changes, upTo, more, ok := f.store.since(f.res.table, from, frames)
		switch {
		case !ok:
			// As the watch cache says it: in the stream, not as the answer.
			f.one(watch.Error, statusOf(apierrors.NewResourceExpired("too old resource version: "+strconv.FormatUint(from, 10))))
			return
		case len(changes) > 0:
			if f.tell(changes) != nil {
				return
			}
			from = changes[len(changes)-1].version
			select {
			case <-cut:
				return
			default:
				continue
			}
		}
		from = upTo
		select {
		case <-more:
		case <-bookmark:
			f.mark(from)
		case <-cut:
			return
		case <-ctx.Done():
			// The client resumes from here, so it needs to hear how far it has got.
			if f.bookmarks > 0 {
				f.mark(from)
			}
			return
		}
	}
}

// tell sends the changes that the watch is about.
func (f *follow) tell(changes []change) error {
	return f.stream.batch(func() error {
		for _, ch := range changes {
			if !f.takes(ch.object) {
				continue
			}
			if err := f.stream.send(ch.kind, ch.object); err != nil {
				return err
			}
		}
		return nil
	})
}

// mark tells the client that it has got everything up to a version.
func (f *follow) mark(version uint64) {
	o := &corev1.Node{ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.FormatUint(version, 10)}}
	o.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Node"))
	f.one(watch.Bookmark, o)
}

// one sends a frame by itself. If that fails, the next one will too, or nothing follows.
func (f *follow) one(kind watch.EventType, o runtime.Object) {
	_ = f.stream.batch(func() error { return f.stream.send(kind, o) })
}

// stream writes the frames of a watch.
type stream struct {
	e       encoding
	control *http.ResponseController
	out     io.Writer
}

func (s *stream) send(kind watch.EventType, o runtime.Object) error {
	var raw bytes.Buffer
	if err := s.e.info.Serializer.Encode(o, &raw); err != nil {
		return err
	}
	return s.e.info.StreamSerializer.Serializer.Encode(
		&metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: raw.Bytes()}}, s.out)
}

// batch writes frames with the deadline for them, and flushes them.
func (s *stream) batch(write func() error) error {
	// Where the server has no deadlines, only the protection from a client that reads nothing
	// is lost.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := write(); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil {
		return err
	}
	_ = s.control.SetWriteDeadline(time.Time{}) // the connection may serve other requests later
	return nil
}
